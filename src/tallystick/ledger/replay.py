"""Replay: the history again, from its entries alone, trusting none of them.

A batch is the run of entries with one height: the timers that were due, if any were, then transactions, then
perhaps a root. Replay opens each batch itself, so timers that the log omits are missed and timers that it
invents are refused; it executes each transaction and compares the receipt byte by byte. The recovery of a
node and the verification by a stranger are this one function.
"""

from typing import cast

from tallystick.ledger.apply import Kinds, UnsupportedProtocol, apply, begin_batch
from tallystick.ledger.execution import BatchContext
from tallystick.ledger.genesis import genesis_writes
from tallystick.ledger.receipts import Receipt, encode_receipt
from tallystick.ledger.records import Clock
from tallystick.ledger.rejections import InvariantViolation, LedgerError, Rejection
from tallystick.ledger.store import Key, Overlay, Store, Value
from tallystick.ledger.transactions import AuthenticTransaction


class ReplayError(LedgerError):
    """Entry `index` does not follow from the ones before it."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(f"entry {index}: {what}")
        self.index = index
        self.what = what


class Replay:
    """A state that is rebuilt entry by entry.

    `state` holds all finished batches; `dirty` what they wrote since `take_dirty` was last called, for
    whoever keeps the state tree.
    """

    def __init__(self, state: Store, kinds: Kinds, *, index: int) -> None:
        self.state = state
        self.kinds = kinds
        self.index = index
        """The index of the next entry."""
        self.dirty: dict[Key, Value] = {}
        self._overlay: Overlay | None = None
        self._batch: BatchContext | None = None
        self._owed: Receipt | None = None

    @classmethod
    def from_genesis(cls, genesis: bytes, kinds: Kinds) -> "Replay":
        """Return a replay that has consumed entry 0. Raises `ReplayError` on a bad document."""
        try:
            writes = genesis_writes(genesis)
        except Rejection as refused:
            raise ReplayError(0, f"genesis is refused: {refused}") from None
        if writes["protocol",] not in kinds.versions:
            raise ReplayError(
                0, f"genesis wants protocol {writes['protocol',]}, which this code does not know"
            )
        state = Store()
        state.write(writes)
        replay = cls(state, kinds, index=1)
        replay.dirty.update(writes)
        return replay

    def timers(self, *, height: int, time: int, receipt: bytes) -> None:
        """Consume a timers entry. Raises `ReplayError`."""
        self._open(height, time)
        owed, self._owed = self._owed, None
        if owed is None:
            raise ReplayError(self.index, "no timer was due, or the batch's timers stand twice")
        self._compare(owed, receipt)

    def transaction(
        self, *, height: int, time: int, authentic: AuthenticTransaction, receipt: bytes
    ) -> Receipt:
        """Consume a transaction's entry and return its receipt. Raises `ReplayError`."""
        overlay, batch = self._open(height, time)
        self._check_nothing_owed()
        try:
            done = apply(overlay, authentic, batch)
        except Rejection as refused:
            raise ReplayError(self.index, f"the transaction is refused: {refused}") from None
        except InvariantViolation as broken:
            raise ReplayError(self.index, str(broken)) from None
        self._compare(done, receipt)
        return done

    def root(self, *, height: int, time: int) -> None:
        """Consume a root entry, which closes its batch. Raises `ReplayError`."""
        self.finish()
        clock = cast(Clock, self.state.get(("clock",)))
        if (height, time) != (clock.height, clock.time):
            raise ReplayError(self.index, f"a root of batch {height} at {time} follows batch {clock.height}")
        self.index += 1

    def finish(self) -> None:
        """Merge the open batch, if any. Raises `ReplayError` if its timers are missing."""
        if self._overlay is not None:
            self._check_nothing_owed()
            self.state.write(self._overlay.writes)
            self.dirty.update(self._overlay.writes)
            self._overlay = self._batch = None

    def take_dirty(self) -> dict[Key, Value]:
        """Return what finished batches wrote since the last call."""
        dirty, self.dirty = self.dirty, {}
        return dirty

    def _open(self, height: int, time: int) -> tuple[Overlay, BatchContext]:
        """Return the batch of that height and time, opened now if it is new."""
        if self._overlay is not None and self._batch is not None and self._batch.height == height:
            if self._batch.time != time:
                raise ReplayError(self.index, f"batch {height} has two times")
            return self._overlay, self._batch
        self.finish()
        try:
            self._overlay, self._batch, self._owed = begin_batch(
                self.state, self.kinds, height=height, time=time, index=self.index
            )
        except (InvariantViolation, UnsupportedProtocol) as broken:
            raise ReplayError(self.index, str(broken)) from None
        return self._overlay, self._batch

    def _check_nothing_owed(self) -> None:
        if self._owed is not None:
            raise ReplayError(self.index, f"due timers were left out ({len(self._owed.events)} events)")

    def _compare(self, done: Receipt, receipt: bytes) -> None:
        """Compare a recomputed receipt with the logged one, index included."""
        expected = encode_receipt(done)
        if done.index != self.index or expected != receipt:
            raise ReplayError(self.index, f"another receipt follows: {expected[:300].decode()}")
        self.index += 1
