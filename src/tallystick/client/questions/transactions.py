"""Transactions: submitted one by one or many together, and previewed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.client.questions.asking import Answer, NodeRefused, Problem, Question, error_of
from tallystick.ledger.rejections import Rejection

BATCH_ENVELOPES_MAX: Final = 1_000
_NODE_CODES: Final = frozenset({"rate_exceeded"})
"""What a node may say of an envelope for a reason of its own; it may be sent again."""
_TOO_FAST: Final = 429
_REJECTED: Final = 422


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
    # The items of a batch have no status of their own. What is not the node's own code is a rejection.
    status = _TOO_FAST if item.error in _NODE_CODES else _REJECTED
    error = error_of(Problem(item.error, item.facts, item.message), status=status, retry_after=None)
    return Settled(rejection=error) if isinstance(error, Rejection) else error


class _ReceiptHead(msgspec.Struct, frozen=True):
    index: int
    id: str


def _check_receipt(data: bytes) -> None:
    msgspec.json.decode(data, type=_ReceiptHead)


def preview(payload: bytes) -> Question[bytes]:
    """Ask for the receipt that an unsigned transaction would get now."""
    return Question("/v1/preview", receipt_bytes, body=payload)


def receipt_bytes(answer: Answer) -> bytes:
    """Return the receipt that an answer is. Raises what `Question.read` calls `AnswerInvalid`."""
    _check_receipt(answer.body)
    return answer.body
