"""Offline proofs: one text file that shows an entry to be in a log (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    extra <base64>              optional, not authenticated
    index <number>
    <inclusion proof, a base64 hash a line>

    <the checkpoint, with its signatures and cosignatures, verbatim>

To check it one needs the entry's bytes, the log's vkey and, if one asks for witnesses, theirs: no server, and
none of our software. The rule that must hold: `extra` proves nothing. It may carry what the reader would
otherwise have to fetch (an envelope, a receipt), and is believed only after it was hashed and compared.

Refused: a JSON format of our own, which no other tool would read.
"""

import base64
from dataclasses import dataclass
from typing import Final

from tallystick.log.checkpoint import Checkpoint, parse_decimal
from tallystick.log.note import NoteError, VerifierKey, decode_base64
from tallystick.log.tree import HASH_BYTES, ProofError, leaf_hash, verify_inclusion
from tallystick.log.witness import Quorum, verify_cosigned

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
_HASHES_MAX: Final = 64
"""No tree has more levels: sizes are below 2^64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """An entry's proof of inclusion; `checkpoint` is the signed note, byte for byte."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the file's bytes."""
        extra = "" if self.extra is None else f"extra {_base64(self.extra)}\n"
        hashes = "".join(f"{_base64(value)}\n" for value in self.hashes)
        return f"{_FIRST_LINE}\n{extra}index {self.index}\n{hashes}\n".encode() + self.checkpoint

    @classmethod
    def decode(cls, data: bytes) -> "LogProof":
        """Return the proof in a file. Rejects with `ProofError`; the checkpoint is left unread."""
        head, separator, checkpoint = data.partition(b"\n\n")
        first, *lines = head.decode("ascii", "replace").split("\n")
        if not separator or first != _FIRST_LINE:
            raise ProofError(f"a proof file begins with {_FIRST_LINE} and has an empty line")
        try:
            extra = _labelled(lines.pop(0), "extra") if lines and lines[0].startswith("extra ") else None
            index = parse_decimal(_labelled(lines.pop(0) if lines else "", "index"))
            hashes = tuple(decode_base64(line) for line in lines)
            opaque = None if extra is None else decode_base64(extra)
        except NoteError as error:
            raise ProofError(f"malformed proof file: {error}") from error
        if len(hashes) > _HASHES_MAX or any(len(value) != HASH_BYTES for value in hashes):
            raise ProofError(f"a proof file has at most {_HASHES_MAX} hashes of {HASH_BYTES} bytes")
        return cls(index=index, hashes=hashes, checkpoint=checkpoint, extra=opaque)


def verify_log_proof(
    proof: LogProof,
    *,
    entry: bytes,
    log_key: VerifierKey,
    quorum: Quorum | None = None,
    origin: str | None = None,
) -> Checkpoint:
    """Return the checkpoint under which `entry` stands at `proof.index`.

    Rejects with `NoteError` or `QuorumError` a checkpoint not signed as asked, with `ProofError` an entry
    that is not there.
    """
    checkpoint = verify_cosigned(proof.checkpoint, log_key=log_key, quorum=quorum, origin=origin)
    verify_inclusion(
        proof.hashes,
        leaf=leaf_hash(entry),
        leaf_index=proof.index,
        tree_size=checkpoint.tree_size,
        root=checkpoint.root,
    )
    return checkpoint


def _labelled(line: str, label: str) -> str:
    """Return what follows `label` and a space."""
    found, separator, value = line.partition(" ")
    if found != label or not separator:
        raise NoteError(f"expected a line `{label} …`, not {line[:80]!r}")
    return value


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
