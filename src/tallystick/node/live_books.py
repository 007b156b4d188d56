"""Live books: the index behind questions about credit, kept beside a state that moves.

The first question walks the state; from then on each merged batch is put aside (which costs the executor an
append) and taken in when somebody asks again. So a node that nobody asks pays nothing, and one that is asked
pays for what changed. Whoever asks holds the service's state lock: the state stands still, and the books
with it.

Refused: a copy for each question about a fork. The books follow the fork and then back again, which costs
what the fork changed and not what the ledger holds.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tallystick.institutions.books import Books
from tallystick.ledger.apply import Kinds
from tallystick.ledger.fork import Fork
from tallystick.ledger.store import Key, Store, Value
from tallystick.node.ledger_file import LedgerFile

KEYS_WAITING_MAX: Final = 500_000
"""More than so many changed keys that nobody asked about, and the state is walked anew when somebody does."""


class LiveBooks:
    """The books of a moving state. `state` returns the state as it is merged."""

    def __init__(self, state: Callable[[], Store], kinds: Kinds) -> None:
        self._state = state
        self._kinds = kinds
        self._books: Books | None = None
        self._waiting: list[Mapping[Key, Value]] = []
        self._keys_waiting = 0

    def follow(self, writes: Mapping[Key, Value]) -> None:
        """Note what a batch wrote, which must not change afterwards. Under the state lock."""
        if self._books is None:
            return
        self._waiting.append(writes)
        self._keys_waiting += len(writes)
        if self._keys_waiting > KEYS_WAITING_MAX:
            self.forget()

    def forget(self) -> None:
        """Drop the books; the next question walks the state."""
        self._books = None
        self._waiting.clear()
        self._keys_waiting = 0

    def current(self) -> Books:
        """Return the books of the state as it is. Under the state lock, and for no longer."""
        state = self._state()
        if self._books is None:
            self._books = Books(state, self._kinds)
        for writes in self._waiting:
            self._books.follow(writes, state=state)
        self._waiting.clear()
        self._keys_waiting = 0
        return self._books


def books_of(ledger: LedgerFile) -> Books:
    """Return the books of an opened ledger's state, which must not move meanwhile, by one walk over it."""
    return Books(ledger.state, ledger.kinds)


@contextmanager
def books_on(books: Books, fork: Fork) -> Iterator[Books]:
    """Let books of the state below a fork follow it, and afterwards back."""
    below = books.state
    writes = fork.overlay.writes
    try:
        books.follow(writes, state=fork.overlay)
        yield books
    finally:
        books.follow({key: below.get(key) for key in writes}, state=below)
