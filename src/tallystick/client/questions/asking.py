"""Asking: one request and how its answer is read, with no connection in between.

Answers are read strictly: what does not have its form is an `AnswerInvalid` and never a guess. What the
ledger refuses comes back as the `Rejection` that it is; what the node refuses for reasons of its own is a
`NodeRefused`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from tallystick.client.errors import ClientError
from tallystick.ledger.rejections import Code, Rejection
from tallystick.protocol import KINDS

PAGE_MAX: Final = 1_000
_JSON: Final = {"content-type": "application/json"}
_REJECTED: Final = 422
"""The status that a node gives to rejections alone."""
_T = TypeVar("_T")


# ------------------------------------------------------------------------------------------------ errors


class HttpError(ClientError):
    """A node did not answer the question: the root of what goes wrong between a client and a node."""

    worth_retrying = False
    retry_seconds = 0.0


class Unreachable(HttpError):
    """No answer came, or it broke off. What was sent may have settled; sending it again is safe."""

    worth_retrying = True


class NodeRefused(HttpError):
    """The node refused for a reason of its own: `status`, its code `error`, and `facts`."""

    def __init__(
        self, *, status: int, error: str, message: str, facts: Mapping[str, Any], retry_seconds: float | None
    ) -> None:
        super().__init__(f"{error}: {message}" if message else f"HTTP {status}")
        self.status = status
        self.error = error
        self.facts = facts
        self.worth_retrying = status in {429, 502, 503, 504} and error != "stopped"
        self.retry_seconds = retry_seconds or 0.0


class AnswerInvalid(HttpError):
    """The answer is not what a node says: another server, another version, or a fault."""


# --------------------------------------------------------------------------------------------- questions


@dataclass(frozen=True)
class Answer:
    """A response, as any HTTP library has it; header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Question(Generic[_T]):
    """One request, and `decode` for the answer to it."""

    path: str
    decode: Callable[[Answer], _T]
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def method(self) -> str:
        """GET, or POST where there is a body."""
        return "GET" if self.body is None else "POST"

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's own headers."""
        return {} if self.body is None else _JSON

    def read(self, answer: Answer) -> _T:
        """Return the answer's meaning. Raises `Rejection`, `NodeRefused`, `AnswerInvalid`."""
        if answer.status != 200:
            raise problem_of(answer)
        try:
            return self.decode(answer)
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise AnswerInvalid(f"{self.path} was answered with something else: {error}") from error


class Problem(msgspec.Struct, frozen=True):
    """The one shape of an error."""

    error: str
    facts: dict[str, Any] = {}
    message: str = ""


def problem_of(answer: Answer) -> Rejection | NodeRefused:
    """Return the error that an answer other than 200 is."""
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except msgspec.MsgspecError:
        problem = Problem(error="", message=f"HTTP {answer.status} without a reason")
    return error_of(problem, status=answer.status, retry_after=answer.headers.get("retry-after"))


def error_of(problem: Problem, *, status: int, retry_after: str | None) -> Rejection | NodeRefused:
    """Return a problem as a `Rejection` if the ledger or a contract said it, else as the node's refusal."""
    # Rejections are 4xx; a proxy that borrows a code for its own 5xx has decided nothing.
    if status < 500 and (code := _codes().get(problem.error)) is not None:
        return Rejection(code, **problem.facts)
    if status == _REJECTED and problem.error:
        return Rejection(_newer_code(problem.error), **problem.facts)
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    return NodeRefused(
        status=status,
        error=problem.error or "no_reason",
        message=problem.message,
        facts=problem.facts,
        retry_seconds=seconds,
    )


@cache
def _codes() -> Mapping[str, StrEnum]:
    """Return every code of the ledger and of the contract kinds that this program knows."""
    refusals = [kind.Refusal for kind in KINDS.contracts.values() if kind.Refusal is not None]
    return {code.value: code for codes in (*refusals, Code) for code in codes}


def _newer_code(code: str) -> StrEnum:
    """Return a code of a contract kind that is newer than this program."""
    return StrEnum("NewerCode", {"CODE": code}).CODE  # type: ignore[attr-defined, no-any-return]


# ----------------------------------------------------------------------------------------------- lists


class _WirePage(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]]
    next: str | None


@dataclass(frozen=True)
class Page(Generic[_T]):
    """Part of a list; `next` is `after` of the following page, None on the last."""

    items: list[_T]
    next: str | None


@dataclass(frozen=True)
class Listing(Generic[_T]):
    """A list that is asked page by page, and `decode` for an item of it."""

    path: str
    decode: Callable[[dict[str, Any]], _T]
    parameters: Mapping[str, str | None] = field(default_factory=dict)
    after: str | None = None
    """The cursor to begin after; None for the beginning."""
    page_size: int = 100

    def page(self, after: str | None) -> Question[Page[_T]]:
        """Return the question for the page after a cursor."""

        def read(answer: Answer) -> Page[_T]:
            found = msgspec.json.decode(answer.body, type=_WirePage)
            return Page([self.decode(item) for item in found.items], found.next)

        asked = {"after": after, "limit": str(min(self.page_size, PAGE_MAX)), **self.parameters}
        return Question(self.path, read, {name: value for name, value in asked.items() if value is not None})


# ------------------------------------------------------------------------------------------ common forms


def typed(path: str, shape: type[_T], parameters: Mapping[str, str] | None = None) -> Question[_T]:
    """Ask for JSON of a declared type."""
    return Question(path, lambda answer: msgspec.json.decode(answer.body, type=shape), parameters or {})


def record(path: str, decode: Callable[[dict[str, Any]], _T]) -> Question[_T]:
    """Ask for a record of the state."""
    return Question(path, lambda answer: decode(msgspec.json.decode(answer.body, type=dict[str, Any])))


def raw(path: str, parameters: Mapping[str, str] | None = None) -> Question[bytes]:
    """Ask for bytes as they are, such as a proof file."""
    return Question(path, lambda answer: answer.body, parameters or {})


def part(name: str) -> str:
    """Return a name as one part of a path. Raises `AnswerInvalid` where it would be another path."""
    if not name or name in {".", ".."}:
        raise AnswerInvalid(f"{name!r} names nothing")
    return quote(name, safe="@")
