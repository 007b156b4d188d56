"""Witnesses: the newest checkpoint with its cosignatures, and new ones for it."""

from collections.abc import Sequence

import msgspec

from tallystick.client.questions.asking import Answer, Question, typed


class Witnessed(msgspec.Struct, frozen=True):
    """The node's word: whose cosignatures it takes, the newest checkpoint, and the newest that has any."""

    witnesses: list[str]
    checkpoint: str
    cosigned: str | None = None


def newest() -> Question[Witnessed]:
    """Ask for the newest checkpoint with its cosignatures."""
    return typed("/v1/witnesses", Witnessed)


def request(old_size: int) -> Question[bytes]:
    """Ask for the request that shows the newest checkpoint to a witness which saw `old_size` entries."""

    def read(answer: Answer) -> bytes:
        if not answer.body.startswith(b"old "):
            raise ValueError("it is no add-checkpoint request")
        return answer.body

    return Question("/v1/witnesses/request", read, {"old_size": str(old_size)})


def cosign(lines: Sequence[str]) -> Question[Witnessed]:
    """Hand in signature lines over a checkpoint: the newest, or one of a minute ago."""
    return Question(
        "/v1/witnesses/cosignatures",
        lambda answer: msgspec.json.decode(answer.body, type=Witnessed),
        body="".join(lines).encode(),
    )
