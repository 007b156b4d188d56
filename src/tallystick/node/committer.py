"""The committer: one thread that writes what was executed, and does nothing else.

As many batches as are ready go into one transaction; a checkpoint's root goes alone, in its turn between
them, after the committer has waited for it to be hashed. Whatever cannot be written is answered with a fault,
and so is everything that comes after it until the executor has settled the ledger with the disk: a batch on
top of one that is missing must not be written over the gap.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Final

from tallystick.node.faults import NodeFault, NotDurable
from tallystick.node.pipeline import Counters, Executed, RootWritten, Written
from tallystick.node.sequencer import RootPlace
from tallystick.node.staged import StagedLedger

GROUP_MAX: Final = 4
"""Batches in one transaction."""


class Committer:
    """The thread and the queue before it. `put` from the executor; `close` ends it once all is written."""

    def __init__(
        self,
        ledger: StagedLedger,
        *,
        tell: Callable[[Written | RootWritten], None],
        fault: Callable[[], NodeFault | None],
        refuse: Callable[[NodeFault], None],
        counters: Counters,
    ) -> None:
        """Start. `tell` is called with what became of each group and root, in their order.

        `fault` says why nothing may be written at the moment, and `refuse` lays such a fault down.
        """
        self._ledger = ledger
        self._tell = tell
        self._fault = fault
        self._refuse = refuse
        self._counters = counters
        self._queue: SimpleQueue[Executed | RootPlace | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="committer", daemon=True)
        self._thread.start()

    def put(self, work: Executed | RootPlace) -> None:
        """Write a batch, or the root that was begun, after all that was put before."""
        self._queue.put(work)

    def close(self) -> None:
        """Let the thread end after what it was given."""
        self._queue.put(None)

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join()

    def _work(self) -> None:
        """Write groups of batches, and roots between them, until closed."""
        held: RootPlace | None = None
        while (first := held or self._queue.get()) is not None:
            held = None
            if isinstance(first, RootPlace):
                self._tell(self._write_root())
                continue
            group = [first]
            while len(group) < GROUP_MAX:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                if more is None:
                    self._queue.put(None)
                    break
                if isinstance(more, RootPlace):
                    held = more
                    break
                group.append(more)
            self._tell(Written(group, self._write(group)))

    def _write_root(self) -> RootWritten:
        """Finish the root that was begun, and write it unless there is a fault."""
        try:
            root = self._ledger.finish_root()
            if self._fault() is None:
                self._ledger.write_root(root)
                return RootWritten(root, None)
        except NodeFault as fault:
            self._counters.failed_writes += 1
            self._refuse(fault)
        except Exception as error:  # noqa: BLE001 (as for batches: what was not written does not count)
            self._refuse(NotDurable(repr(error), size=self._ledger.size))
        return RootWritten(None, self._fault())

    def _write(self, group: list[Executed]) -> NodeFault | None:
        """Write batches in one transaction, or return why not."""
        began = monotonic()
        if (stands := self._fault()) is not None:
            return stands
        try:
            self._ledger.write([executed.staged for executed in group])
        except NodeFault as fault:
            self._counters.failed_writes += 1
            # Laid down here, so that a batch on top that is handed in next is not written over the gap.
            self._refuse(fault)
            return fault
        except Exception as error:  # noqa: BLE001 (whatever it is, what was not written is not acknowledged)
            self._refuse(NotDurable(repr(error), size=self._ledger.size))
            return self._fault()
        self._counters.writes += 1
        self._counters.writing_seconds += monotonic() - began
        return None
