"""The state as the log commits to it: tables, keys and values in the bytes that the state root hashes.

What the other topics show is made for reading; this is what they are made from. Whoever has a checkpoint can
compare a row with it, and a command that needs a table has it by URL as it has it on the file.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import CONTRACT_MARK, Key, is_ordered
from tallystick.node.problems import RequestProblem
from tallystick.node.routes.asking import PAGE_LIMIT, Backend, Limit, Page
from tallystick.node.service import Service
from tallystick.node.state_index import LISTED

_KEY_BYTES_MAX: Final = 1_000
WHOLE_KEYS: Final[Mapping[str, int]] = {
    "activation": 0,
    "clock": 0,
    "genesis": 0,
    "id": 3,
    "ids": 1,
    "limits": 0,
    "once": 2,
    "opening": 0,
    "operator": 0,
    "protocol": 0,
    "quota": 2,
    "sequence": 0,
}
"""Tables that are asked by a whole key alone, of so many parts: of one row, or kept for ever, unsorted."""
_Parts = Annotated[str, Parameter(max_length=_KEY_BYTES_MAX, description="A JSON list: how keys begin.")]
_AfterKey = Annotated[
    str | None, Parameter(max_length=_KEY_BYTES_MAX, description="`next` of the page before.")
]


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    service = backend.service

    @get("/v1/state/{table:str}", tags=["ledger"], summary="Rows of a table of the state")
    async def list_rows(
        table: str, under: _Parts = "[]", after: _AfterKey = None, limit: Limit = PAGE_LIMIT
    ) -> Page:
        """Return rows in the order of their keys, key and value as the JSON text that the state root hashes.

        A contract's tables are named by its id and `!`. `under` narrows to the keys that begin with these
        parts; a whole key finds one row. Tables that only grow, such as `once`, answer to a whole key alone.
        """
        prefix = (table, *_parts(under))
        start = None if after is None else (table, *_parts(after))
        with service.state_lock:
            try:
                keys = list(islice(_keys(service, prefix, after=start), limit + 1))
            except TypeError:  # texts and numbers were compared
                raise RequestProblem(400, "bad_request", f"keys of {table[:80]} have other types") from None
            state = service.ledger.state
            items: list[dict[str, Any]] = [
                {"key": encode_key(key[1:]).decode(), "value": encode_value(state.get(key)).decode()}
                for key in keys[:limit]
            ]
        more = len(keys) > limit
        return Page(items, items[-1]["key"] if more else None)

    return [list_rows]


def _keys(service: Service, prefix: Key, *, after: Key | None) -> Iterator[Key]:
    """Return the keys of the state below a prefix. Rejections: `unknown_contract`."""
    table, state = prefix[0], service.ledger.state
    if table in LISTED:
        return service.index.keys(*prefix, after=after)
    if is_ordered(table):
        contract = table.removesuffix(CONTRACT_MARK)
        if contract != table and state.get(("instance", contract)) is None:
            raise Rejection(Code.UNKNOWN_CONTRACT, contract=contract[:80])
        return _ordered(service, prefix, after=after)
    parts = WHOLE_KEYS.get(table)
    if parts is None:
        raise RequestProblem(404, "unknown_table", "the state has no such table", table=table[:80])
    if len(prefix) != 1 + parts:
        raise RequestProblem(
            400, "not_listed", f"rows of {table} are asked by a whole key", table=table, parts=parts
        )
    return iter(() if after is not None or state.get(prefix) is None else (prefix,))


def _ordered(service: Service, prefix: Key, *, after: Key | None) -> Iterator[Key]:
    state, depth = service.ledger.state, len(prefix)
    key = state.next_key(prefix[0], after or prefix, inclusive=after is None)
    while key is not None and key[:depth] == prefix:
        yield key
        key = state.next_key(prefix[0], key, inclusive=False)


def _parts(text: str) -> Key:
    try:
        return tuple(msgspec.json.decode(text, type=list[str | int]))
    except msgspec.MsgspecError as error:
        raise RequestProblem(
            400, "bad_request", f"a key is a JSON list of texts and numbers: {error}"
        ) from None
