"""Witnesses: the newest checkpoint with its cosignatures, and new ones for it."""

import asyncio
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler

from tallystick.log.note import parse_vkey
from tallystick.node.faults import NotFound
from tallystick.node.problems import RequestProblem
from tallystick.node.routes.asking import Backend


class WitnessesAnswer(msgspec.Struct, frozen=True):
    """Whose cosignatures the node takes, and the newest checkpoint with those it has."""

    witnesses: list[str]
    checkpoint: str


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    witnesses = list(backend.witnesses)
    keys = tuple(parse_vkey(text) for text in witnesses)

    @get("/v1/witnesses", tags=["proofs"], summary="Witnesses, and the newest checkpoint")
    async def get_witnesses() -> WitnessesAnswer:
        newest = await backend.readers.read(lambda view: view.journal.checkpoint())
        if newest is None:
            raise NotFound("there is no checkpoint yet")
        return WitnessesAnswer(witnesses, newest[1].decode())

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
        asked = backend.service.ask(lambda open_ledger: open_ledger.add_cosignatures(lines, witnesses=keys))
        note = await asyncio.wrap_future(asked)
        return WitnessesAnswer(witnesses, note.decode())

    return [get_witnesses, add_cosignatures]
