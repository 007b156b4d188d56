"""Witnesses: others who remember the last checkpoint, so that one log cannot show two histories.

A signature proves who said something, not that he says the same to everybody. A witness cosigns a checkpoint
only if a consistency proof connects it to the last one it saw of that log; whoever asks for cosignatures
of k of n witnesses he chose is then shown the history that they were shown (C2SP tlog-cosignature and
tlog-witness).

Rules that must hold: a witness never goes back, persists before it answers, and counts as one however many
names its key goes by (a cosignature does not cover the witness's name). Refused: asking witnesses to read
entries. They check growth alone, which is why one machine can watch ten thousand logs.

Exceptions, each with the HTTP status that tlog-witness gives it:

    WitnessError
    ├── MalformedRequest    400   not an add-checkpoint body, or an old size above the new
    ├── UnsignedCheckpoint  403   no valid signature by the log's key
    ├── UnknownOrigin       404   no log of that name is watched
    ├── StaleCheckpoint     409   the old size is not the last one seen, or another root of the same size
    └── InconsistentLog     422   the proof fails: the log may have rewritten its history
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from tallystick.log.checkpoint import Checkpoint, parse_checkpoint, parse_decimal, verify_checkpoint
from tallystick.log.note import (
    Algorithm,
    NoteError,
    SigningKey,
    VerifiedNote,
    VerifierKey,
    decode_base64,
    parse_note,
    verify_note,
)
from tallystick.log.tree import EMPTY_ROOT, HASH_BYTES, ProofError, verify_consistency

PROOF_LINES_MAX: Final = 63


class WitnessError(ValueError):
    """A witness refused to cosign."""

    status: ClassVar[int] = 400


class MalformedRequest(WitnessError):
    """The request is not an add-checkpoint body, or its old size exceeds the checkpoint's."""

    status = 400


class UnsignedCheckpoint(WitnessError):
    """No signature by the log's known key verifies."""

    status = 403


class UnknownOrigin(WitnessError):
    """The witness does not watch this log."""

    status = 404


class StaleCheckpoint(WitnessError):
    """The request does not start from the last checkpoint the witness cosigned, of `tree_size` entries."""

    status = 409

    def __init__(self, message: str, *, tree_size: int) -> None:
        super().__init__(message)
        self.tree_size = tree_size


class InconsistentLog(WitnessError):
    """The consistency proof does not verify. Keep the request: it may be proof of misbehaviour."""

    status = 422


# ----------------------------------------------------------------------------------------- the request


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """The body of an add-checkpoint request; `checkpoint` is the signed note, byte for byte."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        """Return the body: `old <size>`, the proof's hashes in base64, an empty line, the checkpoint."""
        hashes = "".join(base64.b64encode(value).decode("ascii") + "\n" for value in self.proof)
        return f"old {self.old_size}\n{hashes}\n".encode() + self.checkpoint

    @classmethod
    def decode(cls, body: bytes) -> "AddCheckpoint":
        """Return the request. Rejects other bodies with `MalformedRequest`; the checkpoint stays unread."""
        head, separator, checkpoint = body.partition(b"\n\n")
        first, *lines = head.decode("ascii", "replace").split("\n")
        if not separator or not first.startswith("old "):
            raise MalformedRequest("an add-checkpoint body begins with `old <size>` and has an empty line")
        try:
            old_size = parse_decimal(first.removeprefix("old "))
            proof = tuple(decode_base64(line) for line in lines)
        except NoteError as error:
            raise MalformedRequest(str(error)) from error
        if len(proof) > PROOF_LINES_MAX or any(len(value) != HASH_BYTES for value in proof):
            raise MalformedRequest(f"a proof has at most {PROOF_LINES_MAX} hashes of {HASH_BYTES} bytes")
        return cls(old_size=old_size, proof=proof, checkpoint=checkpoint)


# ----------------------------------------------------------------------------------------- the witness


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """What a witness remembers of a log."""

    tree_size: int
    root: bytes


def _forget(origin: str, head: TreeHead) -> None:
    """Persist nothing: for tests, and for a witness whose memory is its process."""


class Witness:
    """One witness: its key, the logs it watches by origin, and the last head it cosigned of each.

    `persist` is called with the new head before the cosignature is returned, and must not return before the
    head is durable. Checking and persisting must be one step: serialise calls for the same origin.
    """

    def __init__(
        self,
        signer: SigningKey,
        *,
        logs: Mapping[str, VerifierKey],
        heads: Mapping[str, TreeHead] | None = None,
        persist: Callable[[str, TreeHead], None] = _forget,
    ) -> None:
        if signer.algorithm is not Algorithm.COSIGNATURE_V1:
            raise NoteError(f"a witness signs with a cosignature key, not {signer.algorithm.name}")
        self._signer = signer
        self._logs = dict(logs)
        self._heads = dict(heads or {})
        self._persist = persist

    def head(self, origin: str) -> TreeHead:
        """Return the last head cosigned of a log, the empty tree's if there is none."""
        return self._heads.get(origin, TreeHead(tree_size=0, root=EMPTY_ROOT))

    def add_checkpoint(self, body: bytes, *, now_seconds: int) -> str:
        """Return the cosignature line for a consistent checkpoint; raises a `WitnessError` otherwise.

        Guards stand in the order of tlog-witness, "add-checkpoint".
        """
        request = AddCheckpoint.decode(body)
        checkpoint = self._signed_checkpoint(request.checkpoint)
        if request.old_size > checkpoint.tree_size:
            raise MalformedRequest(f"old size {request.old_size} exceeds the new {checkpoint.tree_size}")
        self._check_growth(request, checkpoint)
        # From here the checkpoint is cosigned.
        head = TreeHead(tree_size=checkpoint.tree_size, root=checkpoint.root)
        self._persist(checkpoint.origin, head)
        self._heads[checkpoint.origin] = head
        return self._signer.signature_line(parse_note(request.checkpoint).text, timestamp_seconds=now_seconds)

    def _signed_checkpoint(self, data: bytes) -> Checkpoint:
        try:
            origin = parse_checkpoint(parse_note(data).text).origin
        except NoteError as error:
            raise MalformedRequest(str(error)) from error
        if origin not in self._logs:
            raise UnknownOrigin(f"log {origin!r} is not watched")
        try:
            return verify_checkpoint(data, log_key=self._logs[origin], origin=origin)
        except NoteError as error:
            raise UnsignedCheckpoint(str(error)) from error

    def _check_growth(self, request: AddCheckpoint, checkpoint: Checkpoint) -> None:
        last = self.head(checkpoint.origin)
        if request.old_size != last.tree_size:
            raise StaleCheckpoint(
                f"the last checkpoint seen has size {last.tree_size}, not {request.old_size}",
                tree_size=last.tree_size,
            )
        if checkpoint.tree_size == last.tree_size and checkpoint.root != last.root:
            raise StaleCheckpoint(f"another root of size {last.tree_size}", tree_size=last.tree_size)
        if last.tree_size == 0:  # every log extends the empty one, by an empty proof
            if request.proof:
                raise InconsistentLog("a consistency proof from size 0 is empty")
            return
        try:
            verify_consistency(
                request.proof,
                old_size=last.tree_size,
                new_size=checkpoint.tree_size,
                old_root=last.root,
                new_root=checkpoint.root,
            )
        except ProofError as error:
            raise InconsistentLog(str(error)) from error


# ----------------------------------------------------------------------------------------- the quorum


class QuorumError(ValueError):
    """Too few of the chosen witnesses cosigned."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """A reader's policy: at least `threshold` of these witnesses."""

    threshold: int
    witnesses: tuple[VerifierKey, ...]

    def __post_init__(self) -> None:
        keys = {witness.public_key for witness in self.witnesses}
        if len(keys) != len(self.witnesses):
            raise ValueError("two witnesses of a quorum share one public key, and would count twice")
        if any(witness.algorithm is not Algorithm.COSIGNATURE_V1 for witness in self.witnesses):
            raise ValueError("a witness's key is a cosignature key (algorithm 0x04)")
        if not 1 <= self.threshold <= len(self.witnesses):
            raise ValueError(f"a quorum of {self.threshold} of {len(self.witnesses)} witnesses")

    def check(self, signers: Iterable[VerifierKey]) -> None:
        """Check that enough of the witnesses are among the keys that verifiably signed."""
        count = len(set(self.witnesses).intersection(signers))
        if count < self.threshold:
            raise QuorumError(
                f"{count} of {len(self.witnesses)} witnesses cosigned, {self.threshold} are required"
            )


def verify_cosigned(
    data: bytes, *, log_key: VerifierKey, quorum: Quorum | None = None, origin: str | None = None
) -> Checkpoint:
    """Return the checkpoint, signed by its log and by a quorum of witnesses when one is asked for.

    Rejects with `NoteError` a bad log or witness signature, with `QuorumError` too few witnesses.
    """
    checkpoint = verify_checkpoint(data, log_key=log_key, origin=origin)
    if quorum is not None:
        note: VerifiedNote = verify_note(data, (log_key, *quorum.witnesses))
        quorum.check(key for key, _ in note.signatures)
    return checkpoint
