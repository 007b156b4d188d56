"""Drills: what a full run on an institution, everyone's leaving a contract, or a scenario would come to."""

from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler

from tallystick.ledger.rejections import Code, Rejection
from tallystick.node.drills import EVERYBODY, TooManyDrills, Wanted
from tallystick.node.problems import RequestProblem
from tallystick.node.routes.asking import Backend

BODY_BYTES_MAX: Final = 65_536


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

    @post("/v1/drills", tags=["credit"], summary="The newest drill of a scenario", status_code=200)
    async def ask_for_drill(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Return what a scenario comes to, and have it run if there is no answer of this state.

        The body is an object with `scenario`, a document as the concepts of drills describe it, and, if
        wanted, `points` of its target's run curve (2 to 50) or `help_needed`; or with `contract`, which
        everybody leaves within `days`. The same body again tells how it stands: `running`, `ready`, or
        `failed`, then with the code `scenario_invalid` and every error. It takes at most two minutes of a
        process at the lowest priority, one at a time; four wait at most, and the next is refused with 429.
        """
        body = await request.body()
        if len(body) > BODY_BYTES_MAX:
            raise RequestProblem(413, "bad_request", f"a scenario has at most {BODY_BYTES_MAX} bytes")
        try:
            wanted = msgspec.json.decode(body, type=Wanted)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RequestProblem(400, "bad_request", f"no scenario: {error}"[:300]) from None
        if fault := wanted.fault():
            raise RequestProblem(400, "bad_request", fault)
        try:
            return service.drills.ask_for(wanted)
        except TooManyDrills as full:
            raise RequestProblem(429, "overloaded", str(full)) from None

    return [get_drill, ask_for_drill]
