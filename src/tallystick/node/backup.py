"""Backup and restore: a whole copy of the file, taken while the ledger goes on.

A backup reads one unmoving version of the file through SQLite's own interface, so writers need not stop and
the copy is a ledger file like any other. The rule that must hold: **nothing replaces a ledger before it was
checked**, and no restore quietly drops entries that were acknowledged; whoever wants that says so.

Refused: copying the file with `cp`. Without its write-ahead log the copy may lack the last batches, and with
one that moved on meanwhile it may be no database at all.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

from tallystick.ledger.apply import Kinds
from tallystick.node.check import check_journal
from tallystick.node.faults import JournalCorrupt, NotDurable, WouldLose
from tallystick.node.journal import Journal
from tallystick.node.lock import WriterLock
from tallystick.node.recovery import checked_genesis
from tallystick.node.snapshot import Progress
from tallystick.protocol import KINDS

_PAGES_PER_STEP: Final = 1024


def back_up(source: Path, target: Path, *, progress: Progress | None = None) -> int:
    """Copy the ledger at `source` to the new file `target` and return how many entries it has.

    Whoever writes `source` may go on. Raises `FileExistsError`, `NotDurable`, `JournalCorrupt`.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists; a backup never replaces a file")
    partial = target.with_name(target.name + "-partial")
    journal = Journal.open(source, read_only=True)
    try:
        with journal.reading():
            size = journal.size()
            _copy(journal.connection, partial, size=size, progress=progress)
    except BaseException:
        _remove(partial)
        raise
    finally:
        journal.close()
    _put_in_place(partial, target)
    return size


def restore(
    backup: Path,
    target: Path,
    *,
    kinds: Kinds = KINDS,
    discard_newer: bool = False,
    progress: Progress | None = None,
) -> int:
    """Put a checked copy of `backup` at `target` and return how many entries it has.

    A ledger at `target` is replaced, unless it has entries that the backup has not; `discard_newer` replaces
    it all the same. Raises `JournalCorrupt`, `JournalLocked`, `WouldLose`, `NotDurable`.
    """
    partial = target.with_name(target.name + "-partial")
    with WriterLock(target):
        _remove(partial)
        try:
            back_up(backup, partial)
            journal = Journal.open(partial, read_only=False)
            try:
                size = check_journal(journal, kinds=kinds, progress=progress)
                genesis = checked_genesis(journal)
            finally:
                journal.close()
            if target.exists() and not discard_newer:
                _check_nothing_lost(target, genesis=genesis, size=size)
        except BaseException:
            _remove(partial)
            raise
        # From here the old file goes. Its write-ahead log first: it must never meet the new file.
        for suffix in ("-wal", "-shm"):
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        _put_in_place(partial, target)
    return size


def _check_nothing_lost(target: Path, *, genesis: bytes, size: int) -> None:
    """Check that the backup has all that the file to be replaced has, which is closed on the way."""
    try:
        journal = Journal.open(target, read_only=False)
    except JournalCorrupt:
        return  # it cannot be read, which is why somebody restores
    try:
        entries = journal.size()
        other = checked_genesis(journal) != genesis
    except JournalCorrupt:
        return
    finally:
        journal.close()
    if other or entries > size:
        raise WouldLose(entries=entries, backup_entries=0 if other else size)


def _copy(source: sqlite3.Connection, target: Path, *, size: int, progress: Progress | None) -> None:
    def report(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    connection = sqlite3.connect(target)
    try:
        source.backup(connection, pages=_PAGES_PER_STEP, progress=report, sleep=0)
        # One file without a write-ahead log can be opened wherever it is carried, read-only media included.
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise NotDurable(f"the copy failed: {error}", size=size) from error
    finally:
        connection.close()


def _put_in_place(partial: Path, target: Path) -> None:
    """Sync a finished file and give it its name, durably."""
    _sync(partial)
    partial.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
