"""Previews and forks: the same rules on a copy that is thrown away.

A fork is an overlay that nobody merges: it costs nothing to make, sees the state it stands on, and runs
batches like the ledger itself. The state below must not move meanwhile. Only here may signers be simulated,
so a preview can answer before anyone signed, and a drill can let every depositor withdraw.
"""

from collections.abc import Iterable
from itertools import islice

from tallystick.crypto import sha256
from tallystick.ledger.apply import Kinds, apply, begin_batch
from tallystick.ledger.execution import BatchContext
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Clock
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import IDS, Key, Overlay, State, Value
from tallystick.ledger.transactions import AuthenticTransaction, Transaction, encode_transaction


class ForkOverlay(Overlay):
    """A fork's own overlay. Many batches run on it, and each asks which ids left the window."""

    __slots__ = ("_ids", "_looked_at")

    def __init__(self, parent: State) -> None:
        super().__init__(parent)
        self._ids: list[Key] = []
        self._looked_at = 0

    def ids_before(self, slot: int) -> list[Key]:
        """Return the keys of the remembered transaction ids of all slots before `slot`, by slot.

        Keys are never taken out of `writes` and new ones come last, so only those are looked at.
        """
        self._ids += [key for key in islice(self.writes, self._looked_at, None) if key[0] == IDS]
        self._looked_at = len(self.writes)
        self._ids = [key for key in self._ids if self.writes[key] is not None]
        below = [key for key in self.parent.ids_before(slot) if self.writes.get(key, key) is not None]
        return sorted(below + [key for key in self._ids if key[1] < slot], key=lambda key: int(key[1]))


class Fork:
    """A copy of the state on which batches run and are never kept."""

    def __init__(self, state: State, kinds: Kinds, *, index: int) -> None:
        self.overlay: Overlay = ForkOverlay(state)
        self.kinds = kinds
        self.index = index
        self.written: dict[Key, Value] = {}
        """What the last batch wrote, or the last transaction of an open one: for indexes that follow."""
        self._batch: BatchContext | None = None

    @property
    def clock(self) -> Clock:
        """Return the fork's own height and time."""
        clock: Clock = self.overlay.get(("clock",))
        return clock

    def run_batch(
        self, transactions: Iterable[AuthenticTransaction], *, time: int, simulated: bool = True
    ) -> tuple[Receipt | None, list[Receipt | Rejection]]:
        """Run one batch; return the timers' receipt and each transaction's outcome."""
        timers = self.begin(time=time)
        written = self.written
        outcomes = []
        for transaction in transactions:
            outcomes.append(self.do(transaction, simulated=simulated))
            written = written | self.written
        self.written = written
        return timers, outcomes

    def begin(self, *, time: int) -> Receipt | None:
        """Open a batch, run what is due, and return the timers' receipt; time never goes back."""
        clock = self.clock
        overlay, self._batch, timers = begin_batch(
            self.overlay, self.kinds, height=clock.height + 1, time=max(time, clock.time), index=self.index
        )
        self.index = self._batch.index
        self.written = overlay.writes
        self.overlay.absorb(overlay)
        return timers

    def do(self, transaction: AuthenticTransaction, *, simulated: bool = True) -> Receipt | Rejection:
        """Apply one more transaction to the open batch and return what became of it."""
        assert self._batch is not None, "no batch is open"
        overlay = Overlay(self.overlay)
        self.written = overlay.writes
        try:
            receipt = apply(overlay, transaction, self._batch, simulated=simulated)
        except Rejection as refused:
            return refused
        self.index = self._batch.index
        self.overlay.absorb(overlay)
        return receipt


def unsigned(transaction: Transaction) -> AuthenticTransaction:
    """Return a transaction as if it had arrived with no signature, for forks to simulate."""
    payload = encode_transaction(transaction)
    return AuthenticTransaction(
        transaction=transaction, signers=frozenset(), payload_hash=sha256(payload), payload=payload
    )


def preview(
    state: State, kinds: Kinds, transaction: AuthenticTransaction, *, time: int, index: int
) -> Receipt:
    """Return the receipt that the transaction would get now; nothing is written.

    Signers are simulated, so the question can be asked before signing. Rejections: any.
    """
    _, outcomes = Fork(state, kinds, index=index).run_batch([transaction], time=time)
    outcome = outcomes[0]
    if isinstance(outcome, Rejection):
        raise outcome
    return outcome
