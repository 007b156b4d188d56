"""Following: a service that only reads, beside the node that writes the same file.

    tallystick serve                                   the node: settles, signs, reads
    tallystick serve --set reader=true --set port=8081 a reader: as many as there are cores to spare

A reader has the state in its own process. Every few milliseconds it looks whether the file has grown,
executes the new entries as recovery does (each receipt and root compared) and shows them. So reads scale by
adding readers, and none of them can show what is not durable. What a reader shows may be a moment behind the
node; every balance says `as_of` which entry it is.

The rule that must hold: a reader writes nothing. What would is refused as `not_the_writer`, for the node to
take.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from threading import Event, Thread
from typing import Final, TypeVar

from tallystick.node.faults import NodeFault, NotTheWriter, Stopped
from tallystick.node.journal import Journal
from tallystick.node.pipeline import Done
from tallystick.node.service import Lag, Service, ServiceLimits
from tallystick.node.staged import StagedLedger

LOOK_SECONDS: Final = 0.02
"""How often a reader looks at the file: the most that it is behind, besides executing what is new."""
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class FollowingService(Service):
    """A ledger opened read-only that keeps up with its writer. Close it, then the ledger."""

    def __init__(self, ledger: StagedLedger) -> None:
        self.show(ledger, ServiceLimits(verify_processes=0))
        self._stopping = Event()
        self._level_at = time.monotonic()
        """When the file last held nothing that is not shown."""
        self._seen = self._file_version()
        self._thread = Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    def lag(self) -> Lag:
        """How far what is shown is behind the file, looked up now, so also where the follower hangs."""
        with closing(Journal.open(self.ledger.path, read_only=True)) as journal:
            entries = max(0, journal.size() - self.ledger.size)
        return Lag(entries=entries, seconds=time.monotonic() - self._level_at if entries else 0.0)

    def submit(self, envelopes: Sequence[bytes], done: Done) -> None:
        """Raise `NotTheWriter`: the node takes transactions."""
        raise NotTheWriter("this is a reader; the node that writes the ledger takes transactions")

    def ask(self, question: Callable[[StagedLedger], _T]) -> "Future[_T]":
        """Raise `NotTheWriter`: what is asked of the executor is for the node."""
        raise NotTheWriter("this is a reader; the node that writes the ledger does that")

    def close(self) -> None:
        """Stop following."""
        self._stopping.set()
        self.drills.close()
        self.views.close()
        self._thread.join()

    def _follow(self) -> None:
        # The first look is unconditional: the file may have grown since it was opened.
        grown = True
        while True:
            try:
                if grown:
                    self._take_in()
                if not (grown := self._has_changed()):
                    self._level_at = time.monotonic()
            except Exception as error:  # noqa: BLE001 (a thread that ends in silence would show the past as now)
                _log.exception("the reader failed")
                self.fault = Stopped(f"the reader failed: {error!r}")
                return
            if not grown and self._stopping.wait(LOOK_SECONDS):
                return
            if self._stopping.is_set():
                return

    def _has_changed(self) -> bool:
        version = self._file_version()
        changed, self._seen = version != self._seen, version
        return changed

    def _file_version(self) -> int:
        """Return a number that changes with every commit of another process."""
        try:
            found: int = self.ledger.journal.connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error as error:
            raise NodeFault(f"the ledger file cannot be read: {error}") from error
        return found

    def _take_in(self) -> None:
        """Show the entries that are new."""
        with self.state_lock:
            self._version += 1
            before, size = self.ledger.size, self.ledger.refresh()
            if size > before:
                self.views.mend()
            self._version += 1
        if size > before:
            self._tell_listeners()
