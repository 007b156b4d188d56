"""Accounts: what they have and had, what moved on them, and what is open."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.ledger.rejections import Code
from tallystick.ledger.store import Key
from tallystick.node.problems import RequestProblem
from tallystick.node.projections import History, Projections
from tallystick.node.proofs import balance_proof
from tallystick.node.readers import Readers
from tallystick.node.routes.asking import PAGE_LIMIT, After, Backend, Limit, Page, described, json_bytes
from tallystick.node.service import Service


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


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    service, readers, ledger = backend.service, backend.readers, backend.service.ledger

    @get("/v1/accounts", tags=["accounts"], summary="All accounts")
    async def list_accounts(after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        return backend.page("account", after=after, limit=limit, describe=backend.record("account"))

    @get("/v1/accounts/{account:str}", tags=["accounts"], summary="An account")
    async def get_account(account: str) -> dict[str, Any]:
        """Return an account with the institution it joined and the recovery that is pending, if any."""
        found = backend.existing("account", Code.UNKNOWN_ACCOUNT, account=account)
        get = ledger.state.get
        recovery = get(("recovery", account))
        return found | {
            "institution": get(("member", account)),
            "recovery": None if recovery is None else described(recovery),
        }

    @get("/v1/accounts/{account:str}/balances", tags=["accounts"], summary="All that an account has now")
    async def list_balances(account: str, after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        ledger.check_account(account)

        def describe(key: Key) -> dict[str, Any]:
            return _balance(service, account, key[2])

        return backend.page("balance", account, after=after, limit=limit, describe=describe)

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
        return json_bytes(await readers.read(lambda view: balance_proof(view, account, asset), locked=True))

    @get("/v1/accounts/{account:str}/history", tags=["accounts"], summary="What moved on an account")
    async def get_history(
        *,
        account: str,
        asset: Annotated[str | None, Parameter(max_length=200, description="Of this asset alone.")] = None,
        since: Annotated[int | None, Parameter(ge=0, lt=1 << 62, description="Not before this time.")] = None,
        until: Annotated[int | None, Parameter(ge=0, lt=1 << 62, description="Not after this time.")] = None,
        order: Annotated[
            str, Parameter(pattern="^(oldest|newest)$", description="Which come first.")
        ] = "oldest",
        after: After = None,
        limit: Limit = PAGE_LIMIT,
    ) -> Page:
        """Return postings with resulting balances. Times are microseconds UTC, both ends included."""
        return await history_page(
            readers,
            account,
            asset=asset,
            after=after,
            limit=limit,
            since=since,
            until=until,
            newest_first=order == "newest",
        )

    @get("/v1/accounts/{account:str}/mandates", tags=["accounts"], summary="Mandates of an account")
    async def list_mandates(account: str, after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        ledger.check_account(account)
        return backend.page("mandate", account, after=after, limit=limit, describe=backend.record("mandate"))

    return [
        list_accounts,
        get_account,
        list_balances,
        get_balance,
        get_balance_proof,
        get_history,
        list_mandates,
    ]


def current_balance(service: Service, account: str, asset: str) -> BalanceAnswer:
    """Return a balance as it is merged. Rejections: `unknown_account`, `unknown_asset`."""
    ledger = service.ledger
    ledger.check_account(account)
    ledger.check_asset(asset)
    as_of, found = service.read_still(lambda: (ledger.size - 1, _balance(service, account, asset)))
    return BalanceAnswer(account=account, as_of=as_of, **found)


async def history_page(
    readers: Readers, account: str, *, after: str | None, limit: int, **wanted: Any
) -> Page:
    """Return a page of an account's history; `wanted` are the other arguments of `Projections.history`.

    Rejections: `unknown_account`, `unknown_asset`. Raises `RequestProblem` on a place that is none.
    """
    place = _place(after)
    return await readers.look_back(
        lambda projections: _page(
            projections.history(account, after=place, limit=limit, **wanted), limit=limit
        )
    )


async def first_history_page(
    service: Service, readers: Readers, account: str, *, asset: str | None, limit: int
) -> bytes:
    """Return the first page of an account's history as JSON, and keep it for whoever asks next.

    Rejections: `unknown_account`, `unknown_asset`.
    """

    def answer(projections: Projections) -> bytes:
        found = projections.history(account, asset=asset, limit=limit)
        page = msgspec.json.encode(_page(found, limit=limit))
        service.pages.keep(account, page, asset=asset, limit=limit)
        return page

    return await readers.look_back(answer)


def _page(found: History, *, limit: int) -> Page:
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


def _balance(service: Service, account: str, asset: str) -> dict[str, Any]:
    get = service.ledger.state.get
    units = get(("balance", account, asset)) or 0
    held = get(("held", account, asset)) or 0
    return {"asset": asset, "units": str(units), "held": str(held), "available": str(units - held)}


def _place(after: str | None) -> tuple[int, int]:
    if after is None:
        return -1, -1
    index, _, n = after.partition(".")
    # Nine digits each: a place beyond any log, and no number that SQLite could not bind.
    if not (index.isascii() and index.isdigit() and n.isascii() and n.isdigit() and len(after) <= 24):
        raise RequestProblem(400, "bad_request", "a place in a history is ENTRY.N", after=after[:40])
    return min(int(index), 1 << 62), min(int(n), 1 << 62)
