"""Live views: coverage and licences of a running node, kept up with every batch that it merges.

They are built from the log's receipts when the node starts: at once where the log is short, else in a thread
of their own beside the node's work, and until that is done `CatchingUp` says so. Then they follow each batch
in the executor's thread, so that a crossing or a flag is known in the batch that made it. What a batch made
is kept by entry and published beside the entry: in the stream, to webhooks and under /v1/institutions.

Refused: writing them into the journal. They follow from it, and whoever replays it gets the same.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final

from tallystick.institutions.coverage import Crossing
from tallystick.institutions.licence import Flag
from tallystick.institutions.views import Replay, Views
from tallystick.ledger.receipts import Receipt
from tallystick.node.faults import CatchingUp
from tallystick.node.journal import Journal
from tallystick.node.past import Moments

AT_ONCE_ENTRIES_MAX: Final = 100_000
"""A longer log is read beside the node's work: a start must not wait for it."""
_LAST_ENTRIES: Final = 2_000
"""So few entries from the end, the rest is read while the state stands still."""
_log = logging.getLogger(__name__)
Get = Callable[[tuple[Any, ...]], Any]
Balances = Callable[[str], Mapping[str, int]]


class LiveViews:
    """The views of a moving state, of which `size` tells how many entries are merged.

    `follow`, `mend` and whoever reads `current` hold `lock`, the service's state lock.
    """

    def __init__(
        self, path: Path, *, get: Get, balances: Balances, size: Callable[[], int], lock: Lock
    ) -> None:
        self._path = path
        self._get = get
        self._balances = balances
        self._size = size
        self._lock = lock
        self._closing = Event()
        self._published: dict[int, list[Crossing | Flag]] = {}
        self._views: Views | None = None
        self._thread: Thread | None = None
        if size() <= AT_ONCE_ENTRIES_MAX:
            self._catch_up()
        else:
            self._thread = Thread(target=self._catch_up, name="views", daemon=True)
            self._thread.start()

    @property
    def current(self) -> Views:
        """The views up to the last merged entry. Raises `CatchingUp` while they are being built."""
        if self._views is None:
            raise CatchingUp("coverage and licences are being read from the log; ask again")
        return self._views

    def follow(self, receipts: Sequence[Receipt]) -> None:
        """Take in a batch that is merged. A fault here is told and stops nothing: it is a view."""
        if self._views is None:
            return
        try:
            for found in self._views.follow(receipts):
                self._publish(found)
        except Exception:  # noqa: BLE001 (whatever it is, receipts must go out)
            _log.exception(
                "coverage and licences failed at entry %d; a restart reads them anew", self._views.upto
            )
            self._views = None

    def mend(self) -> None:
        """Take in what the journal turned out to have after a failed write."""
        if self._views is not None:
            with self._moments() as moments:
                start = max(1, self._views.upto)
                self.follow(list(moments.receipts(start=start, end=self._size())))

    def at(self, index: int) -> Sequence[Crossing | Flag]:
        """Return what an entry made cross or be flagged."""
        return self._published.get(index, ())

    def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def _moments(self) -> Iterator[Moments]:
        journal = Journal.open(self._path, read_only=True)
        try:
            yield Moments(journal)
        finally:
            journal.close()

    def _catch_up(self) -> None:
        """Read the log's receipts up to the last merged entry."""
        replaying = Replay(self._get)
        place = 1
        with self._moments() as moments:
            while (end := self._size()) - place > _LAST_ENTRIES:
                for receipt in moments.receipts(start=place, end=end):
                    replaying.feed(receipt)
                    if self._closing.is_set():
                        return
                place = end
            with self._lock:
                for receipt in moments.receipts(start=place, end=self._size()):
                    replaying.feed(receipt)
                self._begin(replaying.views)

    def _begin(self, views: Views) -> None:
        views.balances = self._balances
        for crossing in views.coverage.crossings:
            self._publish(crossing)
        for flag in views.licences.flags:
            self._publish(flag)
        self._views = views

    def _publish(self, found: Crossing | Flag) -> None:
        index = found.index if isinstance(found, Crossing) else found.need.index
        self._published.setdefault(index, []).append(found)
