"""Assets: what there is to hold, and every power over it."""

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tallystick.ledger.rejections import Code
from tallystick.ledger.store import Key
from tallystick.node.routes.asking import PAGE_LIMIT, After, Backend, Limit, Page


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""

    @get("/v1/assets", tags=["assets"], summary="All assets")
    async def list_assets(after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        return backend.page("asset", after=after, limit=limit, describe=backend.record("asset"))

    @get("/v1/assets/{asset:str}", tags=["assets"], summary="An asset")
    async def get_asset(asset: str) -> dict[str, Any]:
        return backend.existing("asset", Code.UNKNOWN_ASSET, asset=asset)

    @get("/v1/assets/{asset:str}/holders", tags=["assets"], summary="Who has an asset")
    async def list_holders(asset: str, after: After = None, limit: Limit = PAGE_LIMIT) -> Page:
        """Return accounts with a balance, by name; the issuer's is below zero and is what is outstanding."""
        state = backend.service.ledger.state
        backend.existing("asset", Code.UNKNOWN_ASSET, asset=asset)

        def describe(key: Key) -> dict[str, Any]:
            return {"account": key[2], "units": str(state.get(("balance", key[2], asset)) or 0)}

        return backend.page("holder", asset, after=after, limit=limit, describe=describe)

    return [list_assets, get_asset, list_holders]
