"""A ledger file made again from its log alone: an export, a mirror, anything that has every entry.

All else in a file (tiles, snapshots, projections, the columns that find a retry) follows from the entries.
What was rebuilt is put in place as a backup is: checked whole first, and never over entries that it lacks.
Whether the log itself is right is the caller's question, before; the client's verifier answers it.

Refused: submitting the envelopes to a new ledger. It would date them anew, and be another ledger.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from tallystick.ledger.receipts import decode_receipt
from tallystick.log.leaf import EntryKind, Leaf
from tallystick.log.tiles import TileWriter
from tallystick.log.tree import leaf_hash
from tallystick.node.backup import restore
from tallystick.node.entries import Entry, check_entry
from tallystick.node.faults import JournalCorrupt
from tallystick.node.journal import Journal
from tallystick.node.snapshot import Progress

_ENTRIES_A_WRITE: Final = 1_000

LogEntry = tuple[bytes, bytes, bytes]
"""Leaf, envelope and receipt."""


def rebuild(
    entries: Iterable[LogEntry],
    *,
    genesis: bytes,
    checkpoint: tuple[int, bytes],
    target: Path,
    discard_newer: bool = False,
    progress: Progress | None = None,
) -> int:
    """Make a ledger file of a log that ends in its checkpoint (size and note); return its size.

    Raises `JournalCorrupt` with the first entry that is wrong, and what `restore` raises.
    """
    beside = target.with_name(target.name + "-rebuilt")
    _remove(beside)
    try:
        _write(_checked(entries), genesis=genesis, checkpoint=checkpoint, path=beside)
        return restore(beside, target, discard_newer=discard_newer, progress=progress)
    finally:
        _remove(beside)


def _checked(entries: Iterable[LogEntry]) -> Iterator[Entry]:
    for index, (leaf, envelope, receipt) in enumerate(entries):
        sender, identifier = _names(leaf, receipt, index)
        entry = Entry(index, leaf, envelope, receipt, sender, identifier)
        check_entry(entry, index=index)
        yield entry


def _names(leaf: bytes, receipt: bytes, index: int) -> tuple[str | None, str | None]:
    """Return the sender and id by which a retry of a transaction is found; its receipt says them."""
    try:
        if Leaf.decode(leaf).kind is not EntryKind.TRANSACTION:
            return None, None
        found = decode_receipt(receipt)
    except ValueError as error:
        raise JournalCorrupt(f"no leaf and receipt: {error}", index=index) from None
    return found.sender, found.id


def _write(entries: Iterator[Entry], *, genesis: bytes, checkpoint: tuple[int, bytes], path: Path) -> None:
    size, note = checkpoint
    first = next(entries, None)
    if first is None:
        raise JournalCorrupt("missing", index=0)
    journal = Journal.create(path, genesis=genesis, first=first)
    try:
        tiles, written = TileWriter(), 0
        chunk: Sequence[Entry] = [first]
        while chunk:
            with journal.writing(size=written):
                journal.append([entry for entry in chunk if entry.index])
                journal.put_tiles(tiles.append([leaf_hash(entry.leaf) for entry in chunk]))
            written += len(chunk)
            chunk = list(islice(entries, _ENTRIES_A_WRITE))
        if written != size:
            raise JournalCorrupt(f"missing; the checkpoint covers {size} entries", index=min(written, size))
        with journal.writing(size=size):
            journal.put_checkpoint(size=size, note=note)
    finally:
        journal.close()


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
