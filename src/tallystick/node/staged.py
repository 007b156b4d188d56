"""A ledger file whose batches go in steps, so that one is executed while another is written.

    stage    executor    look for retries, execute on top of what is pending
    write    committer   make batches durable, several in one transaction
    merge    executor    let queries see them; only now may receipts go out
    drop     executor    after a failed write: forget them, and all that was executed on top

A checkpoint does not stop them. It takes its place among the batches, and those after it are executed while
its root is hashed and written:

    reserve_root   executor    the place after what is pending
    begin_root     executor    once all before it is merged: check what changed, begin to hash it
    finish_root    committer   wait for the root
    write_root     committer   make the checkpoint durable
    merge_root     executor    count it; only now may what comes after it be merged

The executor's thread owns everything but the journal's writing connection, which is the committer's while a
write is under way and the executor's when nothing is pending. Retries are looked up on a connection of their
own, which never sees what is not committed.

`ReadView` is the same ledger for one more thread: it shares the state and brings its own connection.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tallystick.ledger.amounts import MICROSECONDS
from tallystick.ledger.apply import WINDOW_SECONDS
from tallystick.ledger.names import uuid7_time
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import TIMERS, Store
from tallystick.node.commitment import Commitment
from tallystick.node.entries import Entry, check_entry
from tallystick.node.faults import NotDurable
from tallystick.node.journal import Journal
from tallystick.node.ledger_file import ClockSource, Doubt, LedgerFile, Outcome
from tallystick.node.lock import WriterLock
from tallystick.node.recovery import Root
from tallystick.node.sequencer import Accepted, Batch, RootPlace, Signed

_WINDOW: Final = WINDOW_SECONDS * MICROSECONDS
_MARGIN: Final = 10 * MICROSECONDS


class Staged:
    """A batch between execution and merge, with what its transactions will be answered."""

    __slots__ = ("batch", "settled")

    def __init__(self, batch: Batch, settled: list[Accepted | Rejection]) -> None:
        self.batch = batch
        self.settled = settled


class StagedLedger(LedgerFile):
    """A ledger on one file, driven in steps. Made and opened as a `LedgerFile` is."""

    def __init__(self, journal: Journal, lock: WriterLock | None, **options: Any) -> None:
        self._write_failed = False
        self._lookups = Journal.open(journal.path, read_only=True)
        try:
            super().__init__(journal, lock, **options)
            self._ahead = self._find_ahead()
        except BaseException:
            self._lookups.close()
            raise

    @property
    def path(self) -> Path:
        """The ledger file."""
        return self.journal.path

    @property
    def clock_source(self) -> ClockSource:
        """What tells the time."""
        return self._clock

    def _close_connections(self) -> None:
        self._lookups.close()
        super()._close_connections()  # last, since one that only reads cannot fold the write-ahead log in

    def stage(self, signed: Sequence[Signed]) -> Staged:
        """Execute a batch at the clock's time on top of what is pending. Nobody sees it yet.

        Raises `Stopped`, and `NotDurable` while a failed write is not settled.
        """
        if self._write_failed:
            raise NotDurable("an earlier write failed and is not settled yet", size=self.size)
        if not self._sequencer.pending:
            self._make_writable()
        now = self.now()
        oldest = _id_of_time(now - _WINDOW + _MARGIN)
        maybe_old = [place for place, one in enumerate(signed) if self._may_be_old(one, oldest)]
        if not maybe_old:
            batch = self._execute(signed, now)
            return Staged(batch, batch.outcomes)
        found: list[Accepted | Rejection | None] = [None] * len(signed)
        for place in maybe_old:
            found[place] = self._find_repeat(signed[place])
        batch = self._execute([one for one, known in zip(signed, found, strict=True) if known is None], now)
        executed = iter(batch.outcomes)
        settled = [known or next(executed) for known in found]
        self._note_ahead(signed, settled, batch.time)
        return Staged(batch, settled)

    def write(self, staged: Sequence[Staged]) -> None:
        """Make batches durable in one transaction. Raises `NotDurable`: then all of them must be dropped."""
        try:
            with self.journal.writing(size=self.size):
                for one in staged:
                    self.journal.append(one.batch.entries)
        except BaseException:
            self._write_failed = True
            raise

    def merge(self, staged: Staged) -> list[Outcome]:
        """Show the oldest pending batch, which is durable, and return its outcomes."""
        batch = staged.batch
        if batch.entries:
            self._doubt = Doubt.STATE
            self._sequencer.confirm(batch)
            self._log.queue(entry.leaf for entry in batch.entries)
            self._doubt = Doubt.NOTHING
        return [self._outcome(what, batch.entries) for what in staged.settled]

    def drop(self, staged: Staged) -> None:
        """Forget a pending batch whose write failed, and every one on top of it."""
        if staged.batch in self._sequencer.pending:
            self._sequencer.drop(staged.batch)

    def reserve_root(self) -> RootPlace:
        """Give the next checkpoint's root its place, after what is pending. Raises as `stage` does."""
        if self._write_failed:
            raise NotDurable("an earlier write failed and is not settled yet", size=self.size)
        if not self._sequencer.pending:
            self._make_writable()  # a checkpoint that somebody asked for may have failed
        return self._sequencer.reserve_root()

    def write_root(self, root: Root) -> None:
        """Make the checkpoint that ends in this root durable. Raises `NotDurable`: then drop its place."""
        try:
            self._write_root(root, self._signing_key)
        except BaseException:
            self._write_failed = True
            raise

    def merge_root(self, place: RootPlace, root: Root) -> None:
        """Count a root that is durable."""
        self._sequencer.confirm(place)
        self._last_root = root

    def drop_root(self, place: RootPlace) -> None:
        """Forget a root's place, and every batch on top of it."""
        if place in self._sequencer.pending:
            self._sequencer.drop(place)

    def settle(self) -> None:
        """Make the state agree with the disk after a failed write. Nothing may be pending.

        Raises `NotDurable` while the disk still refuses.
        """
        if self._write_failed and self._doubt is Doubt.NOTHING:
            self._doubt = Doubt.JOURNAL
        self._make_writable()
        self._write_failed = False

    def has_due(self) -> bool:
        """Tell whether a timer is due, so that a batch should run though nobody submits."""
        first = self.state.next_key(TIMERS, (TIMERS,), inclusive=True)
        return first is not None and bool(first[1] <= self.now())

    def has_news(self) -> bool:
        """Tell whether something was executed since the newest checkpoint."""
        root = self.last_root
        return self._log_key is not None and (
            root is None or root.index != self.size - 1 or bool(self._sequencer.pending)
        )

    def snapshot_if_due(self) -> None:
        """Take the snapshot that is due, right after a checkpoint."""
        self._snapshot_if_due()

    @property
    def is_settled(self) -> bool:
        """Whether no write is under way or in doubt."""
        return self._doubt is Doubt.NOTHING

    def stop(self, why: str) -> None:
        """Refuse to go on, and to make a last checkpoint when closed: what is pending is nobody's."""
        self._stopped = self._stopped or why

    @property
    def stopped(self) -> str:
        """Why the ledger refuses to go on, or nothing."""
        return self._stopped

    def entry(self, index: int) -> Entry:
        """Return an entry, read on the connection that no write uses."""
        entry = self._lookups.entry(index)
        if entry is None:
            return super().entry(index)
        check_entry(entry, index=index)
        return entry

    def _find_repeat(self, signed: Signed) -> Accepted | Rejection | None:
        """Look a transaction up in the journal, on the connection that sees only what is committed."""
        return self._repeat_in(self._lookups, signed)

    def _may_be_old(self, signed: Signed, oldest: str) -> bool:
        """Tell whether the journal may know a transaction that the state does not remember.

        The state has the ids of the last ten minutes, so the common case costs one comparison of strings.
        It never had those that were dated more than ten minutes ahead.
        """
        transaction = signed.authentic.transaction
        return (
            transaction.id < oldest
            or transaction.once is not None
            or (transaction.sender, transaction.id) in self._ahead
        )

    def _note_ahead(
        self, signed: Sequence[Signed], settled: Sequence[Accepted | Rejection], time: int
    ) -> None:
        for one, what in zip(signed, settled, strict=True):
            transaction = one.authentic.transaction
            if (
                transaction.once is not None
                and isinstance(what, Accepted)
                and transaction.id > _id_of_time(time + _WINDOW - _MARGIN)
            ):
                self._ahead.add((transaction.sender, transaction.id))

    def _find_ahead(self) -> set[tuple[str, str]]:
        """Return the ids that are young by their own date and yet not among those the state remembers."""
        young = self._lookups.ids_after(_id_of_time(self.clock.time - _WINDOW))
        return {
            (sender, identifier)
            for sender, identifier in young
            if self.state.get(("id", uuid7_time(identifier) // MICROSECONDS, sender, identifier)) is None
        }


class ReadView(LedgerFile):
    """The same ledger for another thread that reads: the state is shared, the connection its own.

    What it answers from several keys of the state is consistent only under the service's state lock.
    """

    def __init__(self, ledger: StagedLedger) -> None:
        self._ledger = ledger
        self.journal = Journal.open(ledger.path, read_only=True)
        self.kinds = ledger.kinds
        self.genesis_bytes = ledger.genesis_bytes
        self.genesis = ledger.genesis
        self.log_verifier = ledger.log_verifier
        self.notices = []
        self._clock = ledger.clock_source
        self._lock = None
        self._stopped = ""

    @property
    def state(self) -> Store:
        """The merged state."""
        return self._ledger.state

    @property
    def commitment(self) -> Commitment:
        """The state tree."""
        return self._ledger.commitment

    @property
    def last_root(self) -> Root | None:
        """The newest root entry."""
        return self._ledger.last_root

    @property
    def size(self) -> int:
        """How many entries are merged."""
        return self._ledger.size

    def close(self) -> None:
        """Close the connection."""
        self.journal.close()


def _id_of_time(time: int) -> str:
    """Return the beginning that UUIDv7s of a time have; they sort by it."""
    digits = f"{max(time, 0) // 1000:012x}"
    return f"{digits[:8]}-{digits[8:]}"
