"""Problems: every error that HTTP answers with, in the one shape of a rejection.

    {"error": code, "facts": {…}, "message": words}

The code is stable and the facts are for programs; the message is for people and may change. The status says
who may do something about it: 4xx the caller, 503 the node, with `Retry-After` where waiting helps. A
rejection that needs no better status is 422: well understood, and refused.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar.exceptions import HTTPException

from tallystick.ledger.rejections import Code, Rejection
from tallystick.log.note import NoteError
from tallystick.node.faults import (
    BeforeGenesis,
    CatchingUp,
    IntervalReversed,
    NodeFault,
    NotDurable,
    NotFound,
    NotSigned,
    NotTheWriter,
    NotYet,
    PriceBookRefused,
    Stopped,
)
from tallystick.node.service import Closing, NodeCode, Overloaded
from tallystick.node.verify import VerifierDied

REJECTED: Final = 422
_BAD_REQUEST: Final = frozenset(
    {Code.MALFORMED, Code.NOT_CANONICAL, Code.SIGNATURE_REPEATED, Code.ARGUMENTS_INVALID, Code.NAME_INVALID}
)
_FORBIDDEN: Final = frozenset({Code.SIGNATURE_INVALID, Code.UNAUTHORISED, Code.MANDATE_FORBIDS})
_CONFLICT: Final = frozenset({Code.ID_REUSED, Code.ONCE_USED})
_RETRY_SECONDS: Final = 1
_FAULT_STATUS: Final[tuple[tuple[type[NodeFault], int], ...]] = (
    (NotFound, 404),
    (NotSigned, 503),
    (NotYet, 404),
    (BeforeGenesis, 404),
    (IntervalReversed, 400),
    (PriceBookRefused, 400),
    (CatchingUp, 503),
    (Overloaded, 503),
    (Closing, 503),
    (NotDurable, 503),
    (NotTheWriter, 421),
    (VerifierDied, 503),
    (Stopped, 503),
    (NodeFault, 500),
)
_WAITING_HELPS: Final = (NotSigned, Overloaded, Closing, NotDurable, VerifierDied, CatchingUp)


class Problem(msgspec.Struct, frozen=True):
    """An error as it is answered."""

    error: str
    facts: dict[str, Any]
    message: str


class RequestProblem(Exception):
    """Something wrong with a request itself, before the ledger is asked."""

    def __init__(self, status: int, error: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.facts = facts


def describe_problem(error: BaseException) -> tuple[int, Problem, Mapping[str, str]]:
    """Return status, body and headers of an error. What nobody expected is 500 and tells no more."""
    if isinstance(error, Rejection):
        status = _rejection_status(error)
        retry = {"retry-after": str(_RETRY_SECONDS)} if status == 429 else {}
        return status, Problem(error.code.value, error.facts, str(error)), retry
    if isinstance(error, RequestProblem):
        retry = {"retry-after": str(_RETRY_SECONDS)} if error.status in {429, 503} else {}
        return error.status, Problem(error.error, error.facts, str(error)), retry
    if isinstance(error, NodeFault):
        status = next(status for fault, status in _FAULT_STATUS if isinstance(error, fault))
        retry = {"retry-after": str(_RETRY_SECONDS)} if isinstance(error, _WAITING_HELPS) else {}
        return status, Problem(_snake(type(error).__name__), _fault_facts(error), str(error)), retry
    if isinstance(error, NoteError):
        return 400, Problem("note_invalid", {}, str(error)), {}
    if isinstance(error, HTTPException):
        facts = {"problems": error.extra} if error.extra else {}
        name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_").replace("-", "_")
        allow = {key: value for key, value in (error.headers or {}).items() if key.lower() == "allow"}
        return error.status_code, Problem(name, facts, error.detail), allow
    return 500, Problem("internal", {}, "the node failed to answer; its log says why"), {}


def _rejection_status(rejection: Rejection) -> int:
    code = rejection.code
    if code is NodeCode.RATE_EXCEEDED:
        return 429
    if code.value.startswith("unknown_"):
        return 404
    if code in _BAD_REQUEST:
        return 400
    if code in _FORBIDDEN:
        return 403
    if code in _CONFLICT:
        return 409
    return 413 if code is Code.OVERSIZE else REJECTED


def _fault_facts(fault: NodeFault) -> dict[str, Any]:
    names = ("asked", "reached", "genesis", "waiting", "waiting_max", "size")
    return {name: getattr(fault, name) for name in names if hasattr(fault, name)}


def _snake(name: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name).lstrip("_")
