"""Transactions before they are submitted; the front takes submissions itself."""

from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from tallystick.ledger.receipts import encode_receipt
from tallystick.ledger.transactions import decode_payload
from tallystick.node.routes.asking import Backend, json_bytes


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""

    @post("/v1/preview", tags=["transactions"], summary="What a transaction would do now", status_code=200)
    async def preview(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Take an unsigned transaction (the payload of an envelope) and return the receipt it would get."""
        transaction = decode_payload(await request.body())
        receipt = await backend.readers.read(lambda view: view.preview(transaction), locked=True)
        return json_bytes(encode_receipt(receipt))

    return [preview]
