"""Witnesses: the newest checkpoint with its cosignatures, and new ones for it."""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from tallystick.log.note import parse_vkey
from tallystick.node.faults import NotFound
from tallystick.node.problems import RequestProblem
from tallystick.node.proofs import witness_request
from tallystick.node.readers import ServiceView
from tallystick.node.routes.asking import Backend


class WitnessesAnswer(msgspec.Struct, frozen=True):
    """Whose cosignatures the node takes, the newest checkpoint, and the newest that has any."""

    witnesses: list[str]
    checkpoint: str
    cosigned: str | None


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    witnesses = list(backend.witnesses)
    keys = tuple(parse_vkey(text) for text in witnesses)

    def newest(view: ServiceView) -> WitnessesAnswer:
        found, cosigned = view.journal.checkpoint(), view.journal.cosigned()
        if found is None:
            raise NotFound("there is no checkpoint yet")
        return WitnessesAnswer(
            witnesses, found[1].decode(), None if cosigned is None else cosigned[1].decode()
        )

    @get("/v1/witnesses", tags=["proofs"], summary="Witnesses, and the newest checkpoint")
    async def get_witnesses() -> WitnessesAnswer:
        return await backend.readers.read(newest)

    @get(
        "/v1/witnesses/request",
        tags=["proofs"],
        summary="What a witness is asked to cosign",
        media_type=MediaType.TEXT,
    )
    async def get_request(
        old_size: Annotated[int, Parameter(ge=0, description="The size that the witness saw last.")] = 0,
    ) -> Response[bytes]:
        """Return the request that shows a witness the newest checkpoint (C2SP add-checkpoint), as text."""
        body = await backend.readers.read(lambda view: witness_request(view, old_size=old_size), locked=True)
        return Response(body, media_type=MediaType.TEXT)

    @post("/v1/witnesses/cosignatures", tags=["proofs"], summary="Cosign a checkpoint", status_code=200)
    async def add_cosignatures(request: Request[Any, Any, Any]) -> WitnessesAnswer:
        """Take signature lines of configured witnesses, as text, one a line.

        They are over the newest checkpoint, or over one of the last 64: a witness takes its time.
        """
        try:
            lines = (await request.body()).decode().splitlines(keepends=True)
        except UnicodeDecodeError:
            raise RequestProblem(400, "bad_request", "signature lines are text") from None
        if not lines:
            raise RequestProblem(400, "bad_request", "there is no signature line")
        asked = backend.service.ask(lambda open_ledger: open_ledger.add_cosignatures(lines, witnesses=keys))
        await asyncio.wrap_future(asked)
        return await backend.readers.read(newest)

    return [get_witnesses, get_request, add_cosignatures]
