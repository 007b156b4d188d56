"""Live views: coverage and licences of a running node, kept up with every batch that it merges.

They are built from the log's receipts when the node starts, which takes as long as reading them, and then
follow each batch in the executor's thread, so that a crossing or a flag is known in the batch that made it.
What a batch made is kept by entry and published beside the entry: in the stream and under /v1/institutions.

Refused: writing them into the journal. They follow from it, and whoever replays it gets the same.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tallystick.institutions.coverage import Crossing
from tallystick.institutions.licence import Flag
from tallystick.institutions.views import Views, replay
from tallystick.ledger.receipts import Receipt
from tallystick.node.journal import Journal
from tallystick.node.past import Moments

_log = logging.getLogger(__name__)
Get = Callable[[tuple[Any, ...]], Any]
Balances = Callable[[str], Mapping[str, int]]


class LiveViews:
    """The views of a moving state. Under the service's state lock."""

    def __init__(self, path: Path, get: Get, balances: Balances) -> None:
        self._path = path
        self._get = get
        self._balances = balances
        self._published: dict[int, list[Crossing | Flag]] = {}
        self.views = Views(get, balances)
        self.rebuild()

    def rebuild(self) -> None:
        """Build the views anew from every receipt of the journal, whose last state is merged."""
        journal = Journal.open(self._path, read_only=True)
        try:
            moments = Moments(journal)
            self.views = replay(moments.receipts(start=1, end=moments.size), self._get)
        finally:
            journal.close()
        self.views.balances = self._balances
        self._published.clear()
        for crossing in self.views.coverage.crossings:
            self._publish(crossing)
        for flag in self.views.licences.flags:
            self._publish(flag)

    def follow(self, receipts: Sequence[Receipt]) -> None:
        """Take in a batch that is merged. A fault here is told and stops nothing: it is a view."""
        try:
            for found in self.views.follow(receipts):
                self._publish(found)
        except Exception:  # noqa: BLE001 (whatever it is, receipts must go out)
            _log.exception("the views of institutions failed; they stand as of entry %d", self.views.upto)

    def at(self, index: int) -> Sequence[Crossing | Flag]:
        """Return what an entry made cross or be flagged."""
        return self._published.get(index, ())

    def _publish(self, found: Crossing | Flag) -> None:
        index = found.index if isinstance(found, Crossing) else found.need.index
        self._published.setdefault(index, []).append(found)
