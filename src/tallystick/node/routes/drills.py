"""Drills: what a full run on an institution, or everyone's leaving a contract, would come to."""

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler

from tallystick.ledger.rejections import Code, Rejection
from tallystick.node.drills import TooManyDrills
from tallystick.node.problems import RequestProblem
from tallystick.node.routes.asking import Backend

EVERYBODY = "all"


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    service = backend.service

    @get(
        "/v1/drills/{subject:str}", tags=["credit"], summary="The newest drill of an institution or contract"
    )
    async def get_drill(subject: str) -> dict[str, Any]:
        """Return the newest full run, of which state it is and how old, and have a newer one made.

        `status` is `running` until the first is done, `ready`, or `failed`. The subject may be `all`. Drills
        run in a process of their own at the lowest priority; asking never waits.
        """
        get_record = service.ledger.state.get
        known = subject == EVERYBODY or any(
            get_record((table, subject)) is not None for table in ("institution", "instance")
        )
        if not known:
            raise Rejection(Code.UNKNOWN_INSTITUTION, institution=subject[:64])
        try:
            return service.drills.ask(subject)
        except TooManyDrills as full:
            raise RequestProblem(503, "overloaded", str(full)) from None

    return [get_drill]
