"""Questions to a node: each one request and how its answer is read, with no connection in between.

    account("alice")  ->  Question(GET /v1/accounts/alice)  ->  any client  ->  Account

The synchronous and the asynchronous client ask the same questions, so that neither can know more than the
other. Answers are read strictly: what does not have its form is an `AnswerInvalid` and never a guess. What
the ledger refuses comes back as the `Rejection` that it is; what the node refuses for reasons of its own is a
`NodeRefused`.

Refused: a class generated from the OpenAPI document. It would know the node's shapes and not the ledger's
records, which is what commands and imports work with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

import msgspec

from tallystick.client.errors import ClientError
from tallystick.crypto import public_key_from_did
from tallystick.ledger.records import (
    Account,
    Asset,
    Cap,
    Guardians,
    Hold,
    Instance,
    Mandate,
    PolicySpec,
    Terms,
)
from tallystick.ledger.rejections import Code, Rejection

BATCH_ENVELOPES_MAX: Final = 1_000
PAGE_MAX: Final = 1_000
_JSON: Final = {"content-type": "application/json"}
_CODES: Final = frozenset(code.value for code in Code)
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
    return _error(problem, status=answer.status, retry_after=answer.headers.get("retry-after"))


def _error(problem: Problem, *, status: int, retry_after: str | None) -> Rejection | NodeRefused:
    # The ledger's codes say 4xx; a proxy that borrows one for its own 5xx has decided nothing.
    if status < 500 and problem.error in _CODES:
        return Rejection(Code(problem.error), **problem.facts)
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    return NodeRefused(
        status=status,
        error=problem.error or "no_reason",
        message=problem.message,
        facts=problem.facts,
        retry_seconds=seconds,
    )


# ------------------------------------------------------------------------------------------- submitting


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of one envelope. `repeated` may be this client's own attempt whose answer was lost."""

    receipt: bytes | None = None
    rejection: Rejection | None = None
    repeated: bool = False


class _Item(msgspec.Struct, frozen=True):
    repeated: bool = False
    receipt: msgspec.Raw = msgspec.Raw()
    error: str = ""
    facts: dict[str, Any] = {}
    message: str = ""


def submit_one(envelope: bytes) -> Question[Settled]:
    """Ask to settle one envelope. A rejection is raised, as it comes."""

    def decode(answer: Answer) -> Settled:
        _check_receipt(answer.body)
        return Settled(receipt=answer.body, repeated=answer.headers.get("tallystick-repeated") == "true")

    return Question("/v1/transactions", decode, body=envelope)


class Batch:
    """Envelopes on their way together: what is decided stays decided, and only the rest is sent again."""

    def __init__(self, envelopes: Sequence[bytes]) -> None:
        self._envelopes = envelopes
        self._settled: list[Settled | None] = [None] * len(envelopes)

    @property
    def outcomes(self) -> list[Settled]:
        """What became of each, in order, once nothing is open."""
        return [one for one in self._settled if one is not None]

    def question(self) -> Question[Sequence[Settled | NodeRefused]]:
        """Return the question about what is still open."""
        waiting = [self._envelopes[place] for place in self._open()]

        def decode(answer: Answer) -> Sequence[Settled | NodeRefused]:
            items = msgspec.json.decode(answer.body, type=list[_Item])
            if len(items) != len(waiting):
                raise ValueError(f"{len(items)} answers to {len(waiting)} envelopes")
            return [_decided(item) for item in items]

        return Question("/v1/transactions/batch", decode, body=b"[" + b",".join(waiting) + b"]")

    def take(self, answers: Sequence[Settled | NodeRefused]) -> NodeRefused | None:
        """Keep what was decided; return why something is still open, or None."""
        refused: NodeRefused | None = None
        for place, answer in zip(self._open(), answers, strict=True):
            if isinstance(answer, NodeRefused):
                refused = refused or answer
            else:
                self._settled[place] = answer
        return refused

    def _open(self) -> list[int]:
        return [place for place, settled in enumerate(self._settled) if settled is None]


def _decided(item: _Item) -> Settled | NodeRefused:
    if not item.error:
        receipt = bytes(item.receipt)
        _check_receipt(receipt)
        return Settled(receipt=receipt, repeated=item.repeated)
    error = _error(Problem(item.error, item.facts, item.message), status=429, retry_after=None)
    return Settled(rejection=error) if isinstance(error, Rejection) else error


class _ReceiptHead(msgspec.Struct, frozen=True):
    index: int
    id: str


def _check_receipt(data: bytes) -> None:
    msgspec.json.decode(data, type=_ReceiptHead)


def preview(payload: bytes) -> Question[bytes]:
    """Ask for the receipt that an unsigned transaction would get now."""
    return Question("/v1/preview", _receipt, body=payload)


def receipt(identifier: str, sender: str) -> Question[bytes]:
    """Ask for a transaction's receipt."""
    return Question(f"/v1/receipts/{_part(identifier)}", _receipt, {"sender": sender})


def _receipt(answer: Answer) -> bytes:
    _check_receipt(answer.body)
    return answer.body


# ----------------------------------------------------------------------------------------------- answers


class LedgerInfo(msgspec.Struct, frozen=True):
    """Which ledger a node serves. `ledger` is the hash of genesis; `time` in microseconds UTC."""

    ledger: str
    name: str
    log_key: str
    operator: str
    opening: str
    size: int
    height: int
    time: int


class Statistics(msgspec.Struct, frozen=True):
    """How large the ledger is, and what the node did since it started."""

    size: int
    height: int
    time: int
    accounts: int
    assets: int
    balances: int
    contracts: int
    holds: int
    accepted: int
    repeated: int
    rejected: int
    waiting: int


class Balance(msgspec.Struct, frozen=True):
    """What an account has of an asset in minor units; `as_of` the entry, -1 where it was not said."""

    asset: str
    units: str
    as_of: int = -1
    held: str = "0"


class Posting(msgspec.Struct, frozen=True):
    """A row of a history: `change` and resulting `balance` in minor units; `n` counts within the entry."""

    index: int
    n: int
    asset: str
    change: str
    balance: str
    time: int


class LogEntry(msgspec.Struct, frozen=True):
    """An entry of the log; `leaf` and `envelope` are base64."""

    index: int
    height: int
    time: int
    kind: str
    leaf: str
    envelope: str
    receipt: dict[str, Any] | None
    state_root: str | None


class _WirePage(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]]
    next: str | None


@dataclass(frozen=True)
class Page(Generic[_T]):
    """Part of a list; `next` is `after` of the following page, None on the last."""

    items: list[_T]
    next: str | None


def ledger() -> Question[LedgerInfo]:
    """Ask which ledger it is."""
    return Question("/v1/ledger", lambda answer: msgspec.json.decode(answer.body, type=LedgerInfo))


def statistics() -> Question[Statistics]:
    """Ask how large it is."""
    return Question("/v1/statistics", lambda answer: msgspec.json.decode(answer.body, type=Statistics))


def balance(account: str, asset: str, *, entry: int | None, time: int | None) -> Question[Balance]:
    """Ask for a balance: now, or as it was after an entry or at a time."""
    moment = {"entry": entry, "time": time}
    return Question(
        f"/v1/accounts/{_part(account)}/balances/{_part(asset)}",
        lambda answer: msgspec.json.decode(answer.body, type=Balance),
        {name: str(value) for name, value in moment.items() if value is not None},
    )


def entry(index: int) -> Question[LogEntry]:
    """Ask for an entry."""
    return Question(f"/v1/entries/{index}", lambda answer: msgspec.json.decode(answer.body, type=LogEntry))


def entry_proof(index: int) -> Question[bytes]:
    """Ask for the proof file of an entry."""
    return Question(f"/v1/entries/{index}/proof", lambda answer: answer.body)


def balance_proof(account: str, asset: str) -> Question[bytes]:
    """Ask for the proof file of a balance at the newest checkpoint."""
    return Question(
        f"/v1/accounts/{_part(account)}/balances/{_part(asset)}/proof", lambda answer: answer.body
    )


def view(contract: str, name: str, arguments: Mapping[str, Any]) -> Question[Any]:
    """Ask a contract's view; integers among the arguments are decimal strings."""
    return Question(
        f"/v1/contracts/{_part(contract)}/views/{_part(name)}",
        lambda answer: msgspec.json.decode(answer.body),
        {"arguments": msgspec.json.encode(arguments).decode()},
    )


def one(table: str, name: str, decode: Callable[[dict[str, Any]], _T]) -> Question[_T]:
    """Ask for a record of the state."""
    return Question(
        f"/v1/{table}/{_part(name)}",
        lambda answer: decode(msgspec.json.decode(answer.body, type=dict[str, Any])),
    )


def page(
    path: str,
    decode: Callable[[dict[str, Any]], _T],
    *,
    after: str | None,
    limit: int,
    **parameters: str | None,
) -> Question[Page[_T]]:
    """Ask for part of a list."""

    def read(answer: Answer) -> Page[_T]:
        found = msgspec.json.decode(answer.body, type=_WirePage)
        return Page([decode(item) for item in found.items], found.next)

    asked = {"after": after, "limit": str(limit), **parameters}
    return Question(path, read, {name: value for name, value in asked.items() if value is not None})


def below(account: str, what: str) -> str:
    """Return the path of a list of an account."""
    return f"/v1/accounts/{_part(account)}/{what}"


def _part(name: str) -> str:
    if not name or name in {".", ".."}:
        raise AnswerInvalid(f"{name!r} names nothing")
    return quote(name, safe="@")


# ----------------------------------------------------------------------------------------------- records


def named(decode: Callable[[dict[str, Any]], _T]) -> Callable[[dict[str, Any]], tuple[str, _T]]:
    """Return a reader of a list's item: its id and its record."""
    return lambda item: (str(item["id"]), decode(item))


def balance_of(item: dict[str, Any]) -> Balance:
    """Return an item of an account's balances."""
    return msgspec.convert(item, Balance)


def posting_of(item: dict[str, Any]) -> Posting:
    """Return an item of a history."""
    return msgspec.convert(item, Posting)


def account_of(item: dict[str, Any]) -> Account:
    """Return an account as the ledger has it."""
    guardians = item["guardians"]
    return Account(
        keys=tuple(public_key_from_did(text) for text in item["keys"]),
        threshold=int(item["threshold"]),
        controller=str(item["controller"]),
        guardians=None
        if guardians is None
        else Guardians(
            tuple(guardians["accounts"]), int(guardians["threshold"]), int(guardians["delay_seconds"])
        ),
        mandates_after=int(item["mandates_after"]),
    )


def asset_of(item: dict[str, Any]) -> Asset:
    """Return an asset as the ledger has it."""
    plain = {name: item[name] for name in ("id", "issuer", "kind", "unit", "obligor", "claw_back_by")}
    return Asset(
        **plain,
        decimals=int(item["decimals"]),
        terms=msgspec.convert(item["terms"], Terms | None),
        policy=msgspec.convert(item["policy"], PolicySpec | None),
        external_ids=msgspec.convert(item["external_ids"], tuple[tuple[str, str], ...]),
    )


def hold_of(item: dict[str, Any]) -> Hold:
    """Return a hold as the ledger has it."""
    return Hold(
        owner=item["owner"],
        beneficiary=item["beneficiary"],
        legs=tuple((str(asset), int(units)) for asset, units in item["legs"]),
        expires=int(item["expires"]),
        at_expiry=item["at_expiry"],
        timer=msgspec.convert(item["timer"], tuple[int, int]),
    )


def mandate_of(item: dict[str, Any]) -> Mandate:
    """Return a mandate as the ledger has it."""
    recipients = item["recipients"]
    return Mandate(
        number=int(item["number"]),
        key=public_key_from_did(item["key"]),
        granted=int(item["granted"]),
        expires=int(item["expires"]),
        caps=msgspec.convert(item["caps"], tuple[Cap, ...]),
        recipients=None if recipients is None else tuple(recipients),
        contracts=msgspec.convert(item["contracts"], tuple[tuple[str, tuple[str, ...]], ...]),
        parent=item["parent"],
        parent_number=int(item["parent_number"]),
    )


def instance_of(item: dict[str, Any]) -> Instance:
    """Return a contract's instance as the ledger has it."""
    names = ("kind", "version", "deployer", "parameters", "obligor")
    return Instance(**{name: item[name] for name in names})
