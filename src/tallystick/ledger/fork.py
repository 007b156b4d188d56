"""Previews and forks: the same rules on a copy that is thrown away.

A fork is an overlay that nobody merges: it costs nothing to make, sees the state it stands on, and runs
batches like the ledger itself. The state below must not move meanwhile. Only here may signers be simulated,
so a preview can answer before anyone signed, and a drill can let every depositor withdraw.
"""

from collections.abc import Iterable

from tallystick.crypto import sha256
from tallystick.ledger.apply import Kinds, apply, begin_batch
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Clock
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import Overlay, State
from tallystick.ledger.transactions import AuthenticTransaction, Transaction, encode_transaction


class Fork:
    """A copy of the state on which batches run and are never kept."""

    def __init__(self, state: State, kinds: Kinds, *, index: int) -> None:
        self.overlay = Overlay(state)
        self.kinds = kinds
        self.index = index

    @property
    def clock(self) -> Clock:
        """Return the fork's own height and time."""
        clock: Clock = self.overlay.get(("clock",))
        return clock

    def run_batch(
        self, transactions: Iterable[AuthenticTransaction], *, time: int, simulated: bool = True
    ) -> tuple[Receipt | None, list[Receipt | Rejection]]:
        """Run one batch; return the timers' receipt and each transaction's outcome."""
        clock = self.clock
        overlay, batch, timers = begin_batch(
            self.overlay, self.kinds, height=clock.height + 1, time=max(time, clock.time), index=self.index
        )
        outcomes: list[Receipt | Rejection] = []
        for transaction in transactions:
            try:
                outcomes.append(apply(overlay, transaction, batch, simulated=simulated))
            except Rejection as refused:
                outcomes.append(refused)
        self.index = batch.index
        self.overlay.merge(overlay)
        return timers, outcomes


def unsigned(transaction: Transaction) -> AuthenticTransaction:
    """Return a transaction as if it had arrived with no signature, for forks to simulate."""
    payload = encode_transaction(transaction)
    return AuthenticTransaction(
        transaction=transaction, signers=frozenset(), payload_hash=sha256(payload), size_bytes=len(payload)
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
