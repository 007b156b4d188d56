"""Holds: assets still owned by one account but promised to another until an expiry."""

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tallystick.ledger.rejections import Code
from tallystick.ledger.store import Key
from tallystick.node.routes.asking import PAGE_LIMIT, After, Backend, Limit, Page, described


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    ledger = backend.service.ledger

    @get("/v1/holds", tags=["holds"], summary="All open holds")
    async def list_holds(after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        return backend.page("hold", after=after, limit=limit, describe=backend.record("hold"))

    @get("/v1/holds/{hold:str}", tags=["holds"], summary="An open hold")
    async def get_hold(hold: str) -> dict[str, Any]:
        return backend.existing("hold", Code.UNKNOWN_HOLD, hold=hold)

    @get("/v1/accounts/{account:str}/holds", tags=["holds"], summary="Open holds of an account")
    async def list_holds_of(account: str, after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        """Return the open holds that the account made or may capture."""
        ledger.check_account(account)

        def describe(key: Key) -> dict[str, Any]:
            return {"id": key[2], **described(ledger.state.get(("hold", key[2])))}

        return backend.page("hold_of", account, after=after, limit=limit, describe=describe)

    return [list_holds, get_hold, list_holds_of]
