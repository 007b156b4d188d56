"""Asking: what every topic's routes share, from the page of a list to a record with its fields' names.

Amounts are decimal strings, times microseconds UTC, keys did:key. A list is cut into pages by a cursor:
`next` of one page is `after` of the following one, and null on the last.

Refused: pages by offset. A cursor names the last thing seen, so nothing is skipped or repeated while the
ledger grows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import MediaType, Response
from litestar.params import Parameter

from tallystick.crypto import did_key
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Key
from tallystick.node.problems import RequestProblem
from tallystick.node.readers import Readers
from tallystick.node.service import Service

PAGE_MAX: Final = 1_000
PAGE_LIMIT: Final = 100
"""How many there are on a page if nobody says."""

Limit = Annotated[int, Parameter(ge=1, le=PAGE_MAX, description="At most so many.")]
After = Annotated[str | None, Parameter(max_length=300, description="`next` of the page before.")]


class Page(msgspec.Struct, frozen=True):
    """Part of a list. `next` continues it; null on the last page."""

    items: list[dict[str, Any]]
    next: str | None


@dataclass(frozen=True)
class Backend:
    """What a route may ask: the service and its state as it is merged, and the reading threads."""

    service: Service
    readers: Readers
    witnesses: tuple[str, ...] = ()
    """Verifier keys whose cosignatures are taken."""

    def page(
        self, *prefix: str, after: str | None, limit: int, describe: Callable[[Key], dict[str, Any]]
    ) -> Page:
        """Return a page of the keys that the index has below a prefix, each described."""
        start = None if after is None else (*prefix, after)
        with self.service.state_lock:
            return page_of(self.service.index.keys(*prefix, after=start), limit=limit, describe=describe)

    def record(self, table: str) -> Callable[[Key], dict[str, Any]]:
        """Return how a key of the index is described by the record that `table` has under it."""
        get = self.service.ledger.state.get
        return lambda key: {"id": str(key[-1]), **described(get((table, *key[1:])))}

    def existing(self, table: str, code: Code, **names: str) -> dict[str, Any]:
        """Return a record of the state by the names that make its key. Rejections: `code`."""
        found = self.service.ledger.state.get((table, *names.values()))
        if found is None:
            raise Rejection(code, **{name: value[:80] for name, value in names.items()})
        return {"id": list(names.values())[-1], **described(found)}


def page_of(keys: Iterable[Key], *, limit: int, describe: Callable[[Key], dict[str, Any]]) -> Page:
    """Return the first `limit` keys described; the cursor is the last part of the last one's key."""
    items: list[dict[str, Any]] = []
    last: Key | None = None
    for key in keys:
        if len(items) == limit:
            assert last is not None
            return Page(items, str(last[-1]))
        items.append(describe(key))
        last = key
    return Page(items, None)


def described(record: Any) -> Any:
    """Return a record of the state with its fields' names; amounts as strings, keys as did:key."""
    if isinstance(record, msgspec.Struct):
        return {name: _field(name, value) for name, value in msgspec.structs.asdict(record).items()}
    return record


def _field(name: str, value: Any) -> Any:
    if name in {"keys", "key"}:
        return [did_key(one) for one in value] if isinstance(value, tuple) else did_key(value)
    if name == "legs":
        return [[asset, str(units)] for asset, units in value]
    if name == "units":
        return str(value)
    if isinstance(value, msgspec.Struct):
        return described(value)
    if isinstance(value, tuple):
        return [_field("", item) for item in value]
    return value


def json_object(text: str) -> dict[str, Any]:
    """Return a query parameter that is a JSON object, such as a view's arguments."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise RequestProblem(400, "bad_request", f"arguments are a JSON object: {error}") from None


def json_bytes(body: bytes) -> Response[bytes]:
    """Return an answer of JSON that was made before, such as a receipt's exact bytes."""
    return Response(body, media_type=MediaType.JSON)
