"""The sequencer: it decides what a batch does, and shows it to nobody until it is durable.

`execute` runs a batch on an overlay and returns the entries to be written. Then exactly one of two things
happens: `confirm`, once the journal has them, merges the overlay into the state that queries read; or `drop`
forgets it, and every batch executed on top of it. Overlays stack, so the next batch may be executed while
this one is being written; batches are confirmed in their order.

A batch in which nothing is accepted and no timer is due leaves nothing behind: no entry, no height, no time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tallystick.ledger.apply import Kinds, apply, begin_batch
from tallystick.ledger.execution import BatchContext
from tallystick.ledger.receipts import Receipt, encode_receipt
from tallystick.ledger.records import Clock
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Overlay, State, Store
from tallystick.ledger.transactions import AuthenticTransaction
from tallystick.node.entries import Entry, timers_entry, transaction_entry


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

    __slots__ = ("entries", "first_index", "height", "outcomes", "overlay", "receipts", "time")

    def __init__(self, overlay: Overlay, *, height: int, time: int, first_index: int) -> None:
        self.overlay = overlay
        self.height = height
        self.time = time
        self.first_index = first_index
        self.entries: list[Entry] = []
        self.receipts: list[Receipt] = []
        """What the entries' receipts say, for views that follow the batch when it is merged."""
        self.outcomes: list[Accepted | Rejection] = []

    @property
    def end_index(self) -> int:
        """The index of the first entry after this batch."""
        return self.first_index + len(self.entries)


class Sequencer:
    """Executes batches on top of each other; `state` is what all confirmed ones add up to."""

    def __init__(self, state: Store, kinds: Kinds, *, index: int) -> None:
        self.state = state
        self.kinds = kinds
        self.index = index
        """The index of the next entry to be confirmed."""
        self._pending: list[Batch] = []
        self._pending_ids: dict[tuple[str, str], tuple[int, bytes]] = {}

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
        top: State = self._pending[-1].overlay if self._pending else self.state
        clock: Clock = top.get(("clock",))
        height, time = clock.height + 1, max(time, clock.time)
        index = self.next_index
        overlay, context, due = begin_batch(top, self.kinds, height=height, time=time, index=index)
        batch = Batch(overlay, height=height, time=time, first_index=index)
        if due is not None:
            receipt = encode_receipt(due)
            batch.receipts.append(due)
            batch.entries.append(timers_entry(index=index, height=height, time=time, receipt=receipt))
        ids: dict[tuple[str, str], tuple[int, bytes]] = {}
        for envelope, authentic in signed:
            batch.outcomes.append(self._execute_one(batch, context, ids, envelope, authentic))
        if batch.entries:
            self._pending.append(batch)
            self._pending_ids.update(ids)
        return batch

    def _execute_one(
        self,
        batch: Batch,
        context: BatchContext,
        ids: dict[tuple[str, str], tuple[int, bytes]],
        envelope: bytes,
        authentic: AuthenticTransaction,
    ) -> Accepted | Rejection:
        transaction = authentic.transaction
        name = transaction.sender, transaction.id
        known = ids.get(name) or self._pending_ids.get(name)
        if known is not None:
            return repeat_of(transaction.id, authentic, index=known[0], payload_hash=known[1])
        try:
            receipt = apply(batch.overlay, authentic, context)
        except Rejection as refused:
            if refused.code is Code.DUPLICATE:
                return Accepted(refused.facts["index"], repeated=True)
            return refused
        ids[name] = receipt.index, authentic.payload_hash
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

    def confirm(self, batch: Batch) -> None:
        """Merge the oldest pending batch, whose entries are durable now."""
        if not self._pending or self._pending[0] is not batch:
            raise ValueError("batches are confirmed in the order in which they were executed")
        self.state.write(batch.overlay.writes)
        self.index = batch.end_index
        del self._pending[0]
        for entry in batch.entries:
            if entry.sender is not None and entry.id is not None:
                del self._pending_ids[entry.sender, entry.id]

    def confirm_root(self) -> None:
        """Count a root entry, which changes no state. Nothing may be pending: it would stand too early."""
        if self._pending:
            raise ValueError(f"a root entry cannot pass {len(self._pending)} pending batches")
        self.index += 1

    def drop(self, batch: Batch) -> None:
        """Forget a pending batch and all that were executed on top of it."""
        at = self._pending.index(batch)
        for dropped in self._pending[at:]:
            for entry in dropped.entries:
                if entry.sender is not None and entry.id is not None:
                    del self._pending_ids[entry.sender, entry.id]
        del self._pending[at:]


def repeat_of(
    identifier: str, authentic: AuthenticTransaction, *, index: int, payload_hash: bytes
) -> Accepted | Rejection:
    """Return what a known id is answered with: its place in the log, or `id_reused` for another payload."""
    if authentic.payload_hash == payload_hash:
        return Accepted(index, repeated=True)
    return Rejection(Code.ID_REUSED, id=identifier, index=index)
