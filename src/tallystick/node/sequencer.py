"""The sequencer: it decides what a batch does, and shows it to nobody until it is durable.

`execute` runs a batch on an overlay and returns the entries to be written. Then exactly one of two things
happens: `confirm`, once the journal has them, merges the overlay into the state that queries read; or `drop`
forgets it, and every batch executed on top of it. Overlays stack, so the next batch may be executed while
this one is being written; batches are confirmed in their order.

A batch in which nothing is accepted and no timer is due leaves nothing behind: no entry, no height, no time.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tallystick.crypto import sha256
from tallystick.ledger.apply import Kinds, apply, begin_batch
from tallystick.ledger.execution import BatchContext
from tallystick.ledger.receipts import Receipt, encode_receipt
from tallystick.ledger.records import Clock
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Key, Overlay, State, Store, Value
from tallystick.ledger.transactions import AuthenticTransaction, Transaction, decode_envelope
from tallystick.node.entries import Entry, timers_entry, transaction_entry

_ABSENT: Any = object()
_NO_SLOT: Final = 1 << 62
_MERGED_KEYS_MAX: Final = 1_000
"""How many keys of merged batches, beyond as many as the pending ones have, may lie among theirs."""
_TOO_LATE: Final = frozenset({Code.EXPIRED, Code.ID_OUT_OF_WINDOW})


class Signed(NamedTuple):
    """An envelope, and what `authenticate` made of these very bytes."""

    envelope: bytes
    authentic: AuthenticTransaction


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A transaction's place in the log. `repeated` if it was there before."""

    index: int
    repeated: bool = False


class Batch:
    """What one execution did: the overlay, the entries to write, and an outcome for each transaction."""

    __slots__ = (
        "_named",
        "_named_upto",
        "entries",
        "first_index",
        "first_slot",
        "height",
        "outcomes",
        "overlay",
        "receipts",
        "time",
    )

    def __init__(self, overlay: Overlay, *, height: int, time: int, first_index: int) -> None:
        self.overlay = overlay
        self.height = height
        self.time = time
        self.first_index = first_index
        self.first_slot = _NO_SLOT
        """The earliest slot that it remembers an id in, or forgets one of."""
        self.entries: list[Entry] = []
        self.receipts: list[Receipt] = []
        """What the entries' receipts say, for views that follow the batch when it is merged."""
        self.outcomes: list[Accepted | Rejection] = []
        self._named: dict[tuple[str | None, str | None], Entry] = {}
        self._named_upto = 0

    @property
    def end_index(self) -> int:
        """The index of the first entry after this batch."""
        return self.first_index + len(self.entries)

    def entry_of(self, transaction: Transaction) -> Entry | None:
        """Return the entry of a transaction of this sender and id, from a table filled when it is asked."""
        for entry in self.entries[self._named_upto :]:
            self._named[entry.sender, entry.id] = entry
        self._named_upto = len(self.entries)
        return self._named.get((transaction.sender, transaction.id))


class RootPlace(Batch):
    """The place of a root entry among the pending batches: the root is that of all before it, merged.

    It changes no state, so batches are executed on top of it before anybody knows the root.
    """

    __slots__ = ()

    @property
    def end_index(self) -> int:
        """The index of the first entry after the root's."""
        return self.first_index + 1


class Ahead:
    """The state as the pending batches leave it: one look at `writes` finds what any of them wrote.

    Looking down through each batch's overlay would cost a call a batch at every read; only scans do. What a
    merged batch wrote may stay in `writes` for a while: the store then says the same.
    """

    __slots__ = ("_first_slot", "_state", "_top", "_writes")

    def __init__(self, state: Store, top: Overlay, writes: dict[Key, Value], *, first_slot: int) -> None:
        self._state = state
        self._top = top
        self._writes = writes
        self._first_slot = first_slot
        """The earliest slot that a pending batch remembers an id in."""

    def get(self, key: Key) -> Value:
        """Return the value at `key`, or None."""
        value = self._writes.get(key, _ABSENT)
        return self._state.get(key) if value is _ABSENT else value

    def next_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None:
        """Return the namespace's first live key after `key`, or at it if `inclusive`."""
        return self._top.next_key(namespace, key, inclusive=inclusive)

    def previous_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None:
        """Return the namespace's last live key before `key`, or at it if `inclusive`."""
        return self._top.previous_key(namespace, key, inclusive=inclusive)

    def ids_before(self, slot: int) -> list[Key]:
        """Return the keys of the remembered transaction ids of all slots before `slot`, by slot."""
        if self._first_slot < slot:
            return self._top.ids_before(slot)
        return [key for key in self._state.ids_before(slot) if self._writes.get(key, key) is not None]


class Sequencer:
    """Executes batches on top of each other; `state` is what all confirmed ones add up to."""

    def __init__(self, state: Store, kinds: Kinds, *, index: int) -> None:
        self.state = state
        self.kinds = kinds
        self.index = index
        """The index of the next entry to be confirmed."""
        self._pending: list[Batch] = []
        self._writes: dict[Key, Value] = {}
        """What the pending batches wrote, in one."""
        self._first_slot = _NO_SLOT

    @property
    def pending(self) -> Sequence[Batch]:
        """The batches that are executed and not yet confirmed, oldest first."""
        return self._pending

    @property
    def next_index(self) -> int:
        """The index of the next entry to be executed."""
        return self._pending[-1].end_index if self._pending else self.index

    def execute(self, signed: Sequence[Signed], *, time: int) -> Batch:
        """Run a batch at `time`, or at the state's own time if that is later.

        An `InvariantViolation` passes through and leaves nothing behind.
        """
        below = self._below()
        clock: Clock = below.get(("clock",))
        height, time = clock.height + 1, max(time, clock.time)
        index = self.next_index
        overlay, context, due = begin_batch(below, self.kinds, height=height, time=time, index=index)
        batch = Batch(overlay, height=height, time=time, first_index=index)
        if due is not None:
            receipt = encode_receipt(due)
            batch.receipts.append(due)
            batch.entries.append(timers_entry(index=index, height=height, time=time, receipt=receipt))
        for envelope, authentic in signed:
            batch.outcomes.append(self._execute_one(batch, context, envelope, authentic))
        if batch.entries:
            self._push(batch)
        return batch

    def reserve_root(self) -> RootPlace:
        """Give a root entry its place after what is pending; `confirm` or `drop` it like a batch."""
        below = self._below()
        clock: Clock = below.get(("clock",))
        place = RootPlace(Overlay(below), height=clock.height, time=clock.time, first_index=self.next_index)
        self._push(place)
        return place

    def _below(self) -> State:
        """Return the state as the next batch finds it."""
        if not self._pending:
            return self.state
        return Ahead(self.state, self._pending[-1].overlay, self._writes, first_slot=self._first_slot)

    def _push(self, batch: Batch) -> None:
        writes = batch.overlay.writes
        self._pending.append(batch)
        self._writes.update(writes)
        batch.first_slot = min((key[1] for key in writes if key[0] == "ids"), default=_NO_SLOT)
        self._first_slot = min(self._first_slot, batch.first_slot)

    def _execute_one(
        self, batch: Batch, context: BatchContext, envelope: bytes, authentic: AuthenticTransaction
    ) -> Accepted | Rejection:
        transaction = authentic.transaction
        if transaction.once is not None:
            # Its id may lie outside the window that the state remembers.
            known = self._find_pending(authentic, batch)
            if known is not None:
                return known
        try:
            receipt = apply(batch.overlay, authentic, context)
        except Rejection as refused:
            if refused.code is Code.DUPLICATE:
                return Accepted(refused.facts["index"], repeated=True)
            if refused.code in _TOO_LATE:
                # Time may have left the window since a pending batch took it.
                return self._find_pending(authentic, batch) or refused
            return refused
        batch.receipts.append(receipt)
        batch.entries.append(
            transaction_entry(
                index=receipt.index,
                height=batch.height,
                time=batch.time,
                envelope=envelope,
                receipt=encode_receipt(receipt),
                sender=transaction.sender,
                identifier=transaction.id,
            )
        )
        return Accepted(receipt.index)

    def _find_pending(self, authentic: AuthenticTransaction, batch: Batch) -> Accepted | Rejection | None:
        """Return what a transaction is answered with that a batch knows which no journal has yet."""
        for one in (batch, *self._pending):
            entry = one.entry_of(authentic.transaction)
            if entry is not None:
                return repeat_in(entry, authentic)
        return None

    def confirm(self, batch: Batch) -> None:
        """Merge the oldest pending batch, whose entries are durable now."""
        if not self._pending or self._pending[0] is not batch:
            raise ValueError("batches are confirmed in the order in which they were executed")
        self.state.write(batch.overlay.writes)
        self.index = batch.end_index
        del self._pending[0]
        if not self._pending:
            self._forget_pending()
            return
        # What the next one stood on is merged. If it went on standing on that, and so on, a sequencer that is
        # never without a pending batch would keep every batch since, and look through all of them at a scan.
        self._pending[0].overlay.stand_on(self.state)
        self._first_slot = min(one.first_slot for one in self._pending)
        waiting = sum(len(one.overlay.writes) for one in self._pending)
        if len(self._writes) > 2 * waiting + _MERGED_KEYS_MAX:
            self._writes.clear()  # the same one, for the pending batches look at it
            for one in self._pending:
                self._writes.update(one.overlay.writes)

    def confirm_root(self) -> None:
        """Count a root entry, which changes no state. Nothing may be pending: it would stand too early."""
        if self._pending:
            raise ValueError(f"a root entry cannot pass {len(self._pending)} pending batches")
        self.index += 1

    def drop(self, batch: Batch) -> None:
        """Forget a pending batch and all that were executed on top of it."""
        kept = self._pending[: self._pending.index(batch)]
        self._forget_pending()
        for one in kept:
            self._push(one)

    def _forget_pending(self) -> None:
        self._pending, self._writes, self._first_slot = [], {}, _NO_SLOT


def repeat_in(entry: Entry, authentic: AuthenticTransaction) -> Accepted | Rejection:
    """Return what a transaction is answered with whose sender and id an entry has.

    That is its place in the log, or `id_reused` if the entry has another payload.
    """
    if sha256(decode_envelope(entry.envelope).payload) == authentic.payload_hash:
        return Accepted(entry.index, repeated=True)
    return Rejection(Code.ID_REUSED, id=authentic.transaction.id, index=entry.index)
