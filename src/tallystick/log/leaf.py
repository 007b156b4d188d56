"""The leaf: what one log entry commits to, in 90 bytes.

    version u8 | index u64 | height u64 | time_us u64 | kind u8 | envelope hash 32 | receipt hash 32

Everything is big-endian and of fixed width, so there is one encoding of each leaf and every bundle of tiles
has the same size. The rule that must hold: the log commits to bytes, not to meanings. The two hashes are
SHA-256 of the envelope that went in and of the receipt that came out, served beside the tiles; hence a false
outcome is as visible as a false input. A timers entry hashes the empty envelope; a root entry carries the
state root in place of a receipt's hash.

Refused: the transaction itself as the entry. Tiles count entries with 16-bit lengths, and a monitor that
only checks consistency should not have to fetch everybody's business to do it.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

LEAF_BYTES: Final = 90
LEAF_VERSION: Final = 1

EMPTY_ENVELOPE_HASH: Final = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""SHA-256 of no bytes: the envelope of an entry that nobody sent."""

_RECORD: Final = struct.Struct(">BQQQB32s32s")


class EntryKind(IntEnum):
    """What an entry records. Numbers are never reused."""

    GENESIS = 0
    """The ledger's first entry; its envelope is the genesis document."""

    TRANSACTION = 1
    """An accepted transaction: its signed envelope and its receipt."""

    TIMERS = 2
    """The due work a batch began with; its envelope is empty."""

    ROOT = 3
    """The state root, in place of a receipt's hash; the entry before each checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One entry's record. Times are microseconds UTC; hashes are 32 bytes."""

    index: int
    height: int
    time_us: int
    kind: EntryKind
    envelope_hash: bytes
    receipt_hash: bytes

    def encode(self) -> bytes:
        """Return the 90 bytes that are hashed into the tree and stored in an entry bundle."""
        return encode_leaf(
            index=self.index,
            height=self.height,
            time_us=self.time_us,
            kind=self.kind,
            envelope_hash=self.envelope_hash,
            receipt_hash=self.receipt_hash,
        )

    @classmethod
    def decode(cls, data: bytes) -> "Leaf":
        """Return the leaf. Rejects another length, version or kind with `ValueError`."""
        if len(data) != LEAF_BYTES:
            raise ValueError(f"a leaf has {LEAF_BYTES} bytes, not {len(data)}")
        version, index, height, time_us, kind, envelope_hash, receipt_hash = _RECORD.unpack(data)
        if version != LEAF_VERSION:
            raise ValueError(f"leaf version {version} is unknown; this program reads {LEAF_VERSION}")
        return cls(
            index=index,
            height=height,
            time_us=time_us,
            kind=EntryKind(kind),
            envelope_hash=envelope_hash,
            receipt_hash=receipt_hash,
        )


def encode_leaf(
    *, index: int, height: int, time_us: int, kind: int, envelope_hash: bytes, receipt_hash: bytes
) -> bytes:
    """Return a leaf's 90 bytes without building a `Leaf`: the sequencer's path.

    Rejects with `ValueError` hashes of another length (`struct` would pad them) and numbers out of range.
    """
    if len(envelope_hash) != 32 or len(receipt_hash) != 32:
        raise ValueError(f"leaf hashes have 32 bytes, not {len(envelope_hash)} and {len(receipt_hash)}")
    try:
        return _RECORD.pack(LEAF_VERSION, index, height, time_us, kind, envelope_hash, receipt_hash)
    except struct.error as error:
        raise ValueError(f"leaf {index} does not fit its record: {error}") from error
