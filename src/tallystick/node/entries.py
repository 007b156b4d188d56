"""Entries: one row of the journal, and how its leaf is made and checked.

An entry is a leaf of 90 bytes with what the leaf's two hashes commit to. A timers entry has the empty
envelope; a root entry has neither, and carries the state root itself in place of a receipt's hash; entry 0 is
genesis, with the document as its envelope and an empty receipt.
"""

import msgspec

from tallystick.crypto import sha256
from tallystick.ledger.receipts import decode_receipt
from tallystick.log.leaf import EMPTY_ENVELOPE_HASH, EntryKind, Leaf, encode_leaf
from tallystick.node.faults import JournalCorrupt


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A row of the journal, in its column order. `sender` and `id` are a transaction's."""

    index: int
    leaf: bytes
    envelope: bytes
    receipt: bytes
    sender: str | None = None
    id: str | None = None


def genesis_entry(genesis: bytes, *, time: int) -> Entry:
    """Return entry 0."""
    leaf = encode_leaf(
        index=0,
        height=0,
        time_us=time,
        kind=EntryKind.GENESIS,
        envelope_hash=sha256(genesis),
        receipt_hash=sha256(b""),
    )
    return Entry(0, leaf, genesis, b"")


def transaction_entry(
    *, index: int, height: int, time: int, envelope: bytes, receipt: bytes, sender: str, identifier: str
) -> Entry:
    """Return the entry of an accepted transaction."""
    leaf = encode_leaf(
        index=index,
        height=height,
        time_us=time,
        kind=EntryKind.TRANSACTION,
        envelope_hash=sha256(envelope),
        receipt_hash=sha256(receipt),
    )
    return Entry(index, leaf, envelope, receipt, sender, identifier)


def timers_entry(*, index: int, height: int, time: int, receipt: bytes) -> Entry:
    """Return the entry of a batch's due timers."""
    leaf = encode_leaf(
        index=index,
        height=height,
        time_us=time,
        kind=EntryKind.TIMERS,
        envelope_hash=EMPTY_ENVELOPE_HASH,
        receipt_hash=sha256(receipt),
    )
    return Entry(index, leaf, b"", receipt)


def root_entry(*, index: int, height: int, time: int, state_root: bytes) -> Entry:
    """Return the entry of a state root."""
    leaf = encode_leaf(
        index=index,
        height=height,
        time_us=time,
        kind=EntryKind.ROOT,
        envelope_hash=EMPTY_ENVELOPE_HASH,
        receipt_hash=state_root,
    )
    return Entry(index, leaf, b"", b"")


def check_entry(entry: Entry, *, index: int) -> Leaf:
    """Return the entry's leaf after checking all its columns against it. Raises `JournalCorrupt`.

    Whether it follows from the entries before it is replay's question.
    """
    if entry.index != index:
        raise JournalCorrupt(f"missing; entry {entry.index} follows entry {index - 1}", index=index)
    for name, column in (("leaf", entry.leaf), ("envelope", entry.envelope), ("receipt", entry.receipt)):
        if type(column) is not bytes:
            raise JournalCorrupt(f"the {name} is not stored as bytes", index=index)
    try:
        leaf = Leaf.decode(entry.leaf)
    except ValueError as error:
        raise JournalCorrupt(str(error), index=index) from None
    if leaf.index != index:
        raise JournalCorrupt(f"the leaf is that of entry {leaf.index}", index=index)
    if (leaf.kind is EntryKind.GENESIS) != (index == 0):
        raise JournalCorrupt("genesis is entry 0, and no other", index=index)
    if sha256(entry.envelope) != leaf.envelope_hash:
        raise JournalCorrupt("the envelope is not the one that the leaf commits to", index=index)
    if leaf.kind in (EntryKind.TIMERS, EntryKind.ROOT) and entry.envelope:
        raise JournalCorrupt(f"a {leaf.kind.name.lower()} entry has an envelope", index=index)
    if leaf.kind is EntryKind.ROOT:
        if entry.receipt:
            raise JournalCorrupt("a root entry has a receipt", index=index)
    elif sha256(entry.receipt) != leaf.receipt_hash:
        raise JournalCorrupt("the receipt is not the one that the leaf commits to", index=index)
    _check_names(entry, leaf)
    return leaf


def _check_names(entry: Entry, leaf: Leaf) -> None:
    """Check the columns that retries are looked up by; no leaf commits to them."""
    expected: tuple[str | None, str | None] = (None, None)
    if leaf.kind is EntryKind.TRANSACTION:
        try:
            receipt = decode_receipt(entry.receipt)
        except msgspec.MsgspecError as error:
            raise JournalCorrupt(f"the receipt is none: {error}", index=entry.index) from None
        expected = (receipt.sender, receipt.id)
    if (entry.sender, entry.id) != expected:
        raise JournalCorrupt(
            f"stored as ({entry.sender}, {entry.id}), its receipt says {expected}", index=entry.index
        )
