"""Redemptions: lots of a claim that their holders asked the obligor to pay, until it did."""

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tallystick.ledger.rejections import Code
from tallystick.ledger.store import Key
from tallystick.node.routes.asking import PAGE_LIMIT, After, Backend, Limit, Page, described


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    ledger = backend.service.ledger

    @get("/v1/redemptions", tags=["redemptions"], summary="All redemptions under way")
    async def list_redemptions(after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        """Return the lots that were asked for and are not paid; one in default stays until it is."""
        return backend.page("lot", after=after, limit=limit, describe=backend.record("lot"))

    @get("/v1/redemptions/{lot:str}", tags=["redemptions"], summary="A redemption under way")
    async def get_redemption(lot: str) -> dict[str, Any]:
        return backend.existing("lot", Code.UNKNOWN_LOT, lot=lot)

    @get("/v1/accounts/{account:str}/redemptions", tags=["redemptions"], summary="What an account asked for")
    async def list_redemptions_of(account: str, after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        ledger.check_account(account)

        def describe(key: Key) -> dict[str, Any]:
            return {"id": key[2], **described(ledger.state.get(("lot", key[2])))}

        return backend.page("lot_of", account, after=after, limit=limit, describe=describe)

    return [list_redemptions, get_redemption, list_redemptions_of]
