"""Ground: a fork on which days pass, and the books that follow it.

Everything that happens here is a transaction that the ledger's own entrance took (`ledger.fork`), with
signers simulated. Nothing below is touched: the fork is dropped with the drill. Ids, times and their order
follow from the start alone, so the same drill makes the same transactions on any machine.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from tallystick.institutions.books import Books
from tallystick.ledger import transactions as tx
from tallystick.ledger.apply import Kinds
from tallystick.ledger.fork import Fork, unsigned
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Account, Limits
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import Store

DAY_US: Final = 86_400 * 1_000_000
_HOUR_US: Final = 3_600 * 1_000_000
_T = TypeVar("_T")


class Ground:
    """The fork and its books. `day` counts from 0, which is the moment of the state."""

    def __init__(self, state: Store, kinds: Kinds, *, index: int = 1) -> None:
        self.fork = Fork(state, kinds, index=index)
        self.books = Books(state, kinds)
        self.ledger: str = state.values[("genesis",)]
        self.limits: Limits = state.values[("limits",)]
        self.start = self.fork.clock.time
        self.day = 0
        self.transactions = 0
        """How many were accepted."""
        self.refused = 0
        self._number = 0

    @property
    def now(self) -> int:
        """The fork's time in microseconds UTC."""
        return self.fork.clock.time

    def time_of(self, day: int) -> int:
        """Return the time at which a day begins."""
        return self.start + day * DAY_US

    def begin(self, day: int) -> list[Receipt]:
        """Let time pass until a day begins, running everything that falls due; return what timers did."""
        self.day = day
        receipts: list[Receipt] = []
        while True:
            timers = self.fork.begin(time=self.time_of(day))
            self._follow()
            if timers is None:
                return receipts
            receipts.append(timers)

    def do(self, sender: str, *actions: tx.Action) -> Receipt | Rejection:
        """Run one transaction in the day's batch and return what became of it."""
        self._number += 1
        now = self.now
        stamp = f"{now // 1000:012x}7{self._number % 4096:03x}8{self._number // 4096:015x}"
        transaction = tx.Transaction(
            ledger=self.ledger,
            id=f"{stamp[:8]}-{stamp[8:12]}-{stamp[12:16]}-{stamp[16:20]}-{stamp[20:]}",
            sender=sender,
            expires=now + _HOUR_US,
            actions=actions,
        )
        outcome = self.fork.do(unsigned(transaction))
        if isinstance(outcome, Rejection):
            self.refused += 1
        else:
            self.transactions += 1
            self._follow()
        return outcome

    def do_many(
        self,
        items: Sequence[_T],
        build: Callable[[Sequence[_T]], tuple[str, list[tx.Action]]],
        done: Callable[[Sequence[_T], Receipt], None],
        refused: Callable[[_T, Rejection], None],
    ) -> None:
        """Do the same for many at once; where one spoils it for all, find it by halving.

        `build` makes the sender and actions for some items; each item is then told of in `done` or `refused`.
        """
        if not items:
            return
        sender, actions = build(items)
        outcome = self.do(sender, *actions)
        if not isinstance(outcome, Rejection):
            done(items, outcome)
        elif len(items) == 1:
            refused(items[0], outcome)
        else:
            middle = len(items) // 2
            self.do_many(items[:middle], build, done, refused)
            self.do_many(items[middle:], build, done, refused)

    def can_sign(self, account: str) -> bool:
        """Tell whether an account is one with keys; a contract asks nobody for anything by itself."""
        record: Account | None = self.fork.overlay.get(("account", account))
        return record is not None and bool(record.keys)

    def balance(self, account: str, asset: str) -> int:
        """Return what an account can move of an asset now."""
        get = self.fork.overlay.get
        owned: int = get(("balance", account, asset)) or 0
        held: int = get(("held", account, asset)) or 0
        return owned - held

    def _follow(self) -> None:
        self.books.follow(self.fork.written, state=self.fork.overlay)
