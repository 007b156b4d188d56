"""Trust: whom an account or asset relies on, now and after a transaction."""

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.ledger.transactions import decode_payload
from tallystick.node.routes.asking import Backend
from tallystick.node.trust import preview_documents, subject_document

Unit = Annotated[str | None, Parameter(max_length=64, description="A unit of account, such as EUR.")]
PriceFrom = Annotated[
    str | None,
    Parameter(max_length=2_000, description="Contracts to take prices from, such as pools, with commas."),
]


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    books = backend.service.books

    @get("/v1/trust/{subject:str}", tags=["credit"], summary="Whom an account or asset relies on")
    async def get_trust(subject: str, unit: Unit = None, price_from: PriceFrom = None) -> dict[str, Any]:
        """Return exposure by obligor, contract, power and oracle, in units and as a share.

        An asset's name has an `@`. Without a unit of account, values are in the one that most claims are in.
        """
        contracts = [name for name in (price_from or "").split(",") if name]
        return await backend.readers.read(
            lambda _: subject_document(books.current(), subject, unit=unit or "", price_from=contracts),
            locked=True,
        )

    @post(
        "/v1/preview/trust", tags=["credit"], summary="Whom its signers rely on afterwards", status_code=200
    )
    async def preview_trust(request: Request[Any, Any, Any]) -> list[dict[str, Any]]:
        """Take an unsigned transaction and return the trust lens of each account that it acts for."""
        transaction = decode_payload(await request.body())
        return await backend.readers.read(
            lambda view: preview_documents(books.current(), transaction, time=view.now(), index=view.size),
            locked=True,
        )

    return [get_trust, preview_trust]
