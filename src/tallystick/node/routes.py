"""Routes: the node's questions and answers under /v1, typed, from which the OpenAPI document is made.

The rule that must hold: a route contains no rule of the ledger. It asks the service or a reader one question
and writes the answer down. Amounts are decimal strings, times microseconds UTC, keys did:key. Every list has
a cursor: `next` of one page is `after` of the following one, and null on the last.

Refused: pages by offset. A cursor names the last thing seen, so nothing is skipped or repeated while the
ledger grows.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.crypto import did_key
from tallystick.ledger.contract import to_wire
from tallystick.ledger.receipts import decode_receipt, encode_receipt
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Key
from tallystick.ledger.transactions import decode_payload
from tallystick.log.leaf import Leaf
from tallystick.log.note import parse_vkey
from tallystick.node.entries import Entry
from tallystick.node.faults import NotFound
from tallystick.node.problems import RequestProblem
from tallystick.node.proofs import balance_proof, receipt_proof
from tallystick.node.readers import Readers
from tallystick.node.service import Service

PAGE_MAX: Final = 1_000

Limit = Annotated[int, Parameter(ge=1, le=PAGE_MAX, description="At most so many.")]
After = Annotated[str | None, Parameter(max_length=300, description="`next` of the page before.")]
_T = TypeVar("_T")


class Page(msgspec.Struct, frozen=True):
    """Part of a list. `next` continues it; null on the last page."""

    items: list[dict[str, Any]]
    next: str | None


class BalanceAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an account has of an asset: `held` of the `units` are in holds and redemptions.

    `as_of` is the entry after which this is so; a past balance does not say what was held.
    """

    account: str
    asset: str
    units: str
    as_of: int
    held: str | None = None
    available: str | None = None


class LedgerAnswer(msgspec.Struct, frozen=True):
    """Which ledger this is. Its id is the hash of genesis; `log_key` is what checkpoints verify under."""

    ledger: str
    name: str
    log_key: str
    operator: str
    opening: str
    size: int
    height: int
    time: int


class StatisticsAnswer(msgspec.Struct, frozen=True):
    """How large the ledger is, and what this node did since it started."""

    size: int
    height: int
    time: int
    accounts: int
    assets: int
    balances: int
    contracts: int
    holds: int
    accepted: int
    repeated: int
    rejected: int
    waiting: int


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry of the log. `leaf` and `envelope` are base64; a root's `state_root` is in hex."""

    index: int
    height: int
    time: int
    kind: str
    leaf: str
    envelope: str
    receipt: dict[str, Any] | None
    state_root: str | None


class WitnessesAnswer(msgspec.Struct, frozen=True):
    """Whose cosignatures the node takes, and the newest checkpoint with those it has."""

    witnesses: list[str]
    checkpoint: str


def make_routes(  # noqa: C901 (one function a route; together they share the service)
    service: Service, readers: Readers, *, witnesses: tuple[str, ...]
) -> list[HTTPRouteHandler]:
    """Return the handlers of /v1 but those that the front answers itself."""
    ledger = service.ledger
    witness_keys = tuple(parse_vkey(text) for text in witnesses)

    def page(
        keys: Iterable[Key], limit: int, describe: Callable[[Key], dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], str | None]:
        items: list[dict[str, Any]] = []
        last: Key | None = None
        for key in keys:
            if len(items) == limit:
                assert last is not None
                return items, str(last[-1])
            items.append(describe(key))
            last = key
        return items, None

    def list_table(
        *prefix: str, after: str | None, limit: int, describe: Callable[[Key], dict[str, Any]]
    ) -> Page:
        start = None if after is None else (*prefix, after)
        with service.state_lock:
            return Page(*page(service.index.keys(*prefix, after=start), limit, describe))

    def record(table: str) -> Callable[[Key], dict[str, Any]]:
        return lambda key: {"id": str(key[-1]), **described(ledger.state.get((table, *key[1:])))}

    def existing(table: str, code: Code, **names: str) -> dict[str, Any]:
        found = ledger.state.get((table, *names.values()))
        if found is None:
            raise Rejection(code, **{name: value[:80] for name, value in names.items()})
        return {"id": list(names.values())[-1], **described(found)}

    @get("/v1/ledger", tags=["ledger"], summary="Which ledger this is")
    async def get_ledger() -> LedgerAnswer:
        clock, genesis = ledger.clock, ledger.genesis
        return LedgerAnswer(
            ledger=ledger.ledger_id,
            name=genesis.name,
            log_key=genesis.log_key,
            operator=genesis.operator,
            opening=genesis.opening,
            size=ledger.size,
            height=clock.height,
            time=clock.time,
        )

    @get("/v1/statistics", tags=["ledger"], summary="How large the ledger is, and what the node did")
    async def get_statistics() -> StatisticsAnswer:
        clock, counters, index = ledger.clock, service.counters, service.index
        return StatisticsAnswer(
            size=ledger.size,
            height=clock.height,
            time=clock.time,
            accounts=index.count("account"),
            assets=index.count("asset"),
            balances=index.count("balance"),
            contracts=index.count("instance"),
            holds=index.count("hold"),
            accepted=counters.accepted,
            repeated=counters.repeated,
            rejected=counters.rejected,
            waiting=service.waiting,
        )

    @post("/v1/preview", tags=["transactions"], summary="What a transaction would do now", status_code=200)
    async def preview(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Take an unsigned transaction (the payload of an envelope) and return the receipt it would get."""
        transaction = decode_payload(await request.body())
        receipt = await readers.read(lambda view: view.preview(transaction), locked=True)
        return Response(encode_receipt(receipt), media_type=MediaType.JSON)

    @get("/v1/receipts/{identifier:str}", tags=["entries"], summary="The receipt of a transaction")
    async def get_receipt(
        identifier: str, sender: Annotated[str, Parameter(max_length=64, description="Who sent it.")]
    ) -> Response[bytes]:
        """Return the receipt's bytes as they stand in the log. An id is unique for its sender."""
        receipt = await readers.read(lambda view: view.receipt(id=identifier, sender=sender))
        return Response(receipt, media_type=MediaType.JSON)

    @get("/v1/entries/{number:int}", tags=["entries"], summary="An entry of the log")
    async def get_entry(number: Annotated[int, Parameter(ge=0)]) -> EntryAnswer:
        return entry_answer(await readers.read(lambda view: view.entry(number)))

    @get("/v1/entries/{number:int}/proof", tags=["proofs"], summary="A proof that an entry is in the log")
    async def get_entry_proof(number: Annotated[int, Parameter(ge=0)]) -> Response[bytes]:
        """Return a file that `tallystick proof check` verifies with nothing but the log's public key."""
        proof = await readers.read(lambda view: receipt_proof(view, number), locked=True)
        return Response(proof, media_type=MediaType.JSON)

    @get("/v1/accounts", tags=["accounts"], summary="All accounts")
    async def list_accounts(after: After = None, limit: Limit = 100) -> Page:
        return list_table("account", after=after, limit=limit, describe=record("account"))

    @get("/v1/accounts/{account:str}", tags=["accounts"], summary="An account")
    async def get_account(account: str) -> dict[str, Any]:
        return existing("account", Code.UNKNOWN_ACCOUNT, account=account)

    @get("/v1/accounts/{account:str}/balances", tags=["accounts"], summary="All that an account has now")
    async def list_balances(account: str, after: After = None, limit: Limit = 100) -> Page:
        ledger.check_account(account)
        get = ledger.state.get

        def describe(key: Key) -> dict[str, Any]:
            held = get(("held", *key[1:])) or 0
            units = get(key) or 0
            return {
                "asset": key[2],
                "units": str(units),
                "held": str(held),
                "available": str(units - held),
            }

        return list_table("balance", account, after=after, limit=limit, describe=describe)

    @get("/v1/accounts/{account:str}/balances/{asset:str}", tags=["accounts"], summary="A balance")
    async def get_balance(
        account: str,
        asset: str,
        entry: Annotated[int | None, Parameter(ge=0, description="As it was right after this entry.")] = None,
        time: Annotated[int | None, Parameter(ge=0, description="As it was at this time.")] = None,
    ) -> BalanceAnswer:
        """Return a balance: now, or as it was after an entry or at a time in microseconds UTC."""
        if entry is None and time is None:
            return current_balance(service, account, asset)
        if entry is not None and time is not None:
            raise RequestProblem(400, "bad_request", "a past balance is asked for by entry or by time")
        past = await readers.look_back(
            lambda projections: projections.balance_as_of(account, asset, entry=entry, time=time)
        )
        return BalanceAnswer(account=account, asset=asset, units=str(past.units), as_of=past.as_of)

    @get(
        "/v1/accounts/{account:str}/balances/{asset:str}/proof",
        tags=["proofs"],
        summary="A proof of a balance at the newest checkpoint",
    )
    async def get_balance_proof(account: str, asset: str) -> Response[bytes]:
        proof = await readers.read(lambda view: balance_proof(view, account, asset), locked=True)
        return Response(proof, media_type=MediaType.JSON)

    @get("/v1/accounts/{account:str}/history", tags=["accounts"], summary="What moved on an account")
    async def get_history(
        account: str,
        asset: Annotated[str | None, Parameter(max_length=200)] = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Page:
        """Return postings with resulting balances, oldest first."""
        place = _place(after)
        found = await readers.look_back(
            lambda projections: projections.history(account, asset=asset, after=place, limit=limit)
        )
        items = [
            {
                "index": row.index,
                "n": row.n,
                "asset": row.asset,
                "change": str(row.change),
                "balance": str(row.balance),
                "time": row.time,
            }
            for row in found.postings
        ]
        last = found.postings[-1] if len(items) == limit else None
        return Page(items, None if last is None else f"{last.index}.{last.n}")

    @get("/v1/accounts/{account:str}/holds", tags=["accounts"], summary="Open holds of an account")
    async def list_holds(account: str, after: After = None, limit: Limit = 100) -> Page:
        """Return the open holds that the account made or may capture."""
        ledger.check_account(account)
        return list_table(
            "hold_of",
            account,
            after=after,
            limit=limit,
            describe=lambda key: {"id": key[2], **described(ledger.state.get(("hold", key[2])))},
        )

    @get("/v1/accounts/{account:str}/mandates", tags=["accounts"], summary="Mandates of an account")
    async def list_mandates(account: str, after: After = None, limit: Limit = 100) -> Page:
        ledger.check_account(account)
        return list_table("mandate", account, after=after, limit=limit, describe=record("mandate"))

    @get("/v1/holds/{hold:str}", tags=["accounts"], summary="An open hold")
    async def get_hold(hold: str) -> dict[str, Any]:
        return existing("hold", Code.UNKNOWN_HOLD, hold=hold)

    @get("/v1/assets", tags=["assets"], summary="All assets")
    async def list_assets(after: After = None, limit: Limit = 100) -> Page:
        return list_table("asset", after=after, limit=limit, describe=record("asset"))

    @get("/v1/assets/{asset:str}", tags=["assets"], summary="An asset")
    async def get_asset(asset: str) -> dict[str, Any]:
        return existing("asset", Code.UNKNOWN_ASSET, asset=asset)

    @get("/v1/contracts", tags=["contracts"], summary="All contracts")
    async def list_contracts(after: After = None, limit: Limit = 100) -> Page:
        return list_table("instance", after=after, limit=limit, describe=record("instance"))

    @get("/v1/contracts/{contract:str}", tags=["contracts"], summary="A contract")
    async def get_contract(contract: str) -> dict[str, Any]:
        return existing("instance", Code.UNKNOWN_CONTRACT, contract=contract)

    @get("/v1/contracts/{contract:str}/views/{view:str}", tags=["contracts"], summary="Ask a contract")
    async def ask_contract(
        contract: str,
        view: str,
        arguments: Annotated[str, Parameter(max_length=10_000, description="A JSON object.")] = "{}",
    ) -> Response[bytes]:
        """Return what a view answers.

        Every kind has `backing`, `positions`, `exits`, `powers` and `dependencies`. `positions` and `exits`
        take an account: `?arguments={"account":"alice"}`. Integers in arguments and answers are decimal
        strings.
        """
        given = _arguments(arguments)
        answer = await readers.read(lambda reader: to_wire(reader.view(contract, view, **given)), locked=True)
        return Response(msgspec.json.encode(answer), media_type=MediaType.JSON)

    @get("/v1/witnesses", tags=["proofs"], summary="Witnesses, and the newest checkpoint")
    async def get_witnesses() -> WitnessesAnswer:
        newest = await readers.read(lambda view: view.journal.checkpoint())
        if newest is None:
            raise NotFound("there is no checkpoint yet")
        return WitnessesAnswer(list(witnesses), newest[1].decode())

    @post(
        "/v1/witnesses/cosignatures", tags=["proofs"], summary="Cosign the newest checkpoint", status_code=200
    )
    async def add_cosignatures(request: Request[Any, Any, Any]) -> WitnessesAnswer:
        """Take signature lines of configured witnesses over the newest checkpoint, as text, one a line."""
        try:
            lines = (await request.body()).decode().splitlines(keepends=True)
        except UnicodeDecodeError:
            raise RequestProblem(400, "bad_request", "signature lines are text") from None
        if not lines:
            raise RequestProblem(400, "bad_request", "there is no signature line")
        asked = service.ask(lambda open_ledger: open_ledger.add_cosignatures(lines, witnesses=witness_keys))
        note = await asyncio.wrap_future(asked)
        return WitnessesAnswer(list(witnesses), note.decode())

    return [value for value in locals().values() if isinstance(value, HTTPRouteHandler)]


def current_balance(service: Service, account: str, asset: str) -> BalanceAnswer:
    """Return a balance as it is merged. Rejections: `unknown_account`, `unknown_asset`."""
    ledger = service.ledger
    ledger.check_account(account)
    ledger.check_asset(asset)
    as_of, units, held = service.read_still(
        lambda: (
            ledger.size - 1,
            ledger.state.get(("balance", account, asset)) or 0,
            ledger.state.get(("held", account, asset)) or 0,
        )
    )
    return BalanceAnswer(
        account=account,
        asset=asset,
        units=str(units),
        as_of=as_of,
        held=str(held),
        available=str(units - held),
    )


def entry_answer(entry: Entry) -> EntryAnswer:
    """Return an entry as it is shown."""
    leaf = Leaf.decode(entry.leaf)
    return EntryAnswer(
        index=entry.index,
        height=leaf.height,
        time=leaf.time_us,
        kind=leaf.kind.name.lower(),
        leaf=base64.b64encode(entry.leaf).decode(),
        envelope=base64.b64encode(entry.envelope).decode(),
        receipt=msgspec.to_builtins(decode_receipt(entry.receipt)) if entry.receipt else None,
        state_root=leaf.receipt_hash.hex() if leaf.kind.name == "ROOT" else None,
    )


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


def _place(after: str | None) -> tuple[int, int]:
    if after is None:
        return -1, -1
    index, _, n = after.partition(".")
    # Nine digits each: a place beyond any log, and no number that SQLite could not bind.
    if not (index.isascii() and index.isdigit() and n.isascii() and n.isdigit() and len(after) <= 24):
        raise RequestProblem(400, "bad_request", "a place in a history is ENTRY.N", after=after[:40])
    return min(int(index), 1 << 62), min(int(n), 1 << 62)


def _arguments(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise RequestProblem(400, "bad_request", f"arguments are a JSON object: {error}") from None
