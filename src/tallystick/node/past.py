"""The past: the state as it was after any entry, from the snapshot before it and the entries between.

A past state is computed as the present one was: the newest snapshot that is not later, then each entry once
more, compared with its receipt. It costs what lies between the two, so it is done in a process of its own
beside a running node, and never on the state that moves.

Refused: keeping old states. Which moments will be asked for nobody knows, and the log has them all.
"""

from collections.abc import Iterator
from typing import Final

from tallystick.institutions.books import Books
from tallystick.institutions.views import Views, replay
from tallystick.ledger.apply import Kinds
from tallystick.ledger.receipts import Receipt, read_receipt
from tallystick.ledger.store import Store
from tallystick.node.faults import NotYet
from tallystick.node.journal import Journal
from tallystick.node.recovery import recover_until
from tallystick.protocol import KINDS

BOOKS_KEPT: Final = 2


class Moments:
    """A log's moments. `state` is the state after the last entry, where somebody has it."""

    def __init__(self, journal: Journal, kinds: Kinds = KINDS, *, state: Store | None = None) -> None:
        self.journal = journal
        self.kinds = kinds
        self._state = state
        self._books: dict[int, Books] = {}

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.journal.size()

    def books_at(self, entry: int | None) -> Books:
        """Return the books right after an entry, None for the last. Raises `NotYet` beyond the log."""
        last = self.size - 1
        entry = last if entry is None else entry
        self.check(entry)
        if entry not in self._books:
            while len(self._books) >= BOOKS_KEPT:
                del self._books[next(iter(self._books))]
            state = self._state if entry == last and self._state is not None else None
            if state is None:
                state = recover_until(self.journal, kinds=self.kinds, end=entry + 1)
            self._books[entry] = Books(state, self.kinds)
        return self._books[entry]

    def receipts(self, *, start: int, end: int) -> Iterator[Receipt]:
        """Iterate over the receipts of the entries from `start` and below `end`."""
        for entry in self.journal.entries(start=start, end=end):
            if entry.receipt:
                yield read_receipt(entry.receipt)

    def views(self) -> Views:
        """Return coverage and licences from the whole log."""
        return replay(self.receipts(start=1, end=self.size), self.books_at(None).state.get)

    def check(self, entry: int) -> None:
        """Check that an entry is in the log. Raises `NotYet`."""
        if not 0 <= entry < self.size:
            raise NotYet("entry", asked=entry, reached=self.size - 1)
