"""Checkpoints: a log's signed statement of its size and root (C2SP tlog-checkpoint).

    example.com/ledger          the origin, which log this is
    109482                      how many entries
    sFodV/vSp5O8n9a8QpW6PRY9…   the root, in base64

Three lines are all a stranger has to keep to notice, later, that history was rewritten. The rule that must
hold: a log never signs two checkpoints that no consistency proof connects; witnesses watch for that.
Refused: the state root as an extension line. Monitors cannot audit such lines, whereas a `root` entry under
the tree's root is covered by every cosignature without anybody knowing that it exists.
"""

import base64
import re
from dataclasses import dataclass
from typing import Final

from tallystick.log.note import NoteError, SigningKey, VerifierKey, decode_base64, sign_note, verify_note
from tallystick.log.tree import HASH_BYTES

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree head. Extension lines are part of what is signed, and mean nothing to this program."""

    origin: str
    tree_size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the note text. Rejects with `NoteError` what would not parse back to the same."""
        root = base64.b64encode(self.root).decode("ascii")
        text = "".join(f"{line}\n" for line in (self.origin, str(self.tree_size), root, *self.extensions))
        if parse_checkpoint(text) != self:
            raise NoteError(f"a line of the checkpoint of {self.origin!r} contains a newline")
        return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that a note's text is. Says nothing about who signed it."""
    if not text.endswith("\n"):
        raise NoteError("a checkpoint's last line ends in a newline")
    lines = text[:-1].split("\n")
    if len(lines) < 3:
        raise NoteError(f"a checkpoint has at least three lines, not {len(lines)}")
    if not all(lines):
        raise NoteError("a checkpoint has no empty line")
    origin, size, root = lines[:3]
    root_bytes = decode_base64(root)
    if len(root_bytes) != HASH_BYTES:
        raise NoteError(f"a checkpoint's root has {HASH_BYTES} bytes, not {len(root_bytes)}")
    return Checkpoint(
        origin=origin, tree_size=parse_decimal(size), root=root_bytes, extensions=tuple(lines[3:])
    )


def sign_checkpoint(checkpoint: Checkpoint, signer: SigningKey) -> bytes:
    """Return the checkpoint as a note signed by its log."""
    return sign_note(checkpoint.text(), [signer])


def verify_checkpoint(data: bytes, *, log_key: VerifierKey, origin: str | None = None) -> Checkpoint:
    """Return the checkpoint after checking the log's signature and that it is the log it should be.

    `origin` defaults to the key's name, as the format recommends.
    """
    checkpoint = parse_checkpoint(verify_note(data, [log_key]).text)
    expected = log_key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise NoteError(f"checkpoint of log {checkpoint.origin!r}, not of {expected!r}")
    return checkpoint


def parse_decimal(text: str) -> int:
    """Return a size or index below 10^19: ASCII digits, no sign, no leading zero."""
    if _DECIMAL.fullmatch(text) is None:
        raise NoteError(f"not a decimal number: {text[:40]!r}")
    return int(text)
