"""Drills in the background: the newest full run of each subject somebody asked about, with its age.

Asking never waits. The first question starts a process of its own (`drill_process`) and says that it is
running; later ones get what it found, of which state it is and how old that is, and start another if the
ledger has moved on. One process runs at a time, at the lowest priority; the others wait in line.

Refused: drills in the node's own process. They take seconds of the processor, and a state that moves under a
fork is no state.
"""

import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Final

import msgspec

KEPT_MAX: Final = 256
"""Subjects whose newest drill is kept."""
WAITING_MAX: Final = 16
SECONDS_MAX: Final = 600.0
"""A drill that takes longer is ended."""


@dataclass(frozen=True)
class Found:
    """What a process found: its document, or why there is none. `ended` is of the monotonic clock."""

    document: dict[str, Any] | None
    error: str
    ended: float


class TooManyDrills(Exception):
    """So many subjects wait for their drill already that no more are taken."""


class Drills:
    """Background drills of one ledger file. `size` returns the log's size as it is merged."""

    def __init__(self, path: Path, size: Callable[[], int]) -> None:
        self._path = path
        self._size = size
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._waiting: set[str] = set()
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None
        self._closing = False

    def ask(self, subject: str) -> dict[str, Any]:
        """Return the newest drill of a subject with its age, and start one if there is none of this state.

        Raises `TooManyDrills`.
        """
        with self._lock:
            found = self._found.get(subject)
            current = found is not None and (found.document is None or found.document["size"] == self._size())
            if not current and subject not in self._waiting:
                self._start(subject)
            running = subject in self._waiting
        if found is None:
            return {"subject": subject, "status": "running"}
        age = {"age_seconds": round(time.monotonic() - found.ended, 1), "newer_is_running": running}
        if found.document is None:
            return {"subject": subject, "status": "failed", "error": found.error} | age
        entries = {"entries_since": self._size() - found.document["size"]}
        return {"status": "ready"} | found.document | age | entries

    def close(self) -> None:
        """End the running drill and take no more."""
        with self._lock:
            self._closing = True
            thread, process = self._thread, self._process
        self._queue.put(None)
        if process is not None:
            process.kill()
        if thread is not None:
            thread.join()

    def _start(self, subject: str) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise TooManyDrills(f"{len(self._waiting)} drills wait, and {WAITING_MAX} may")
        self._waiting.add(subject)
        self._queue.put(subject)
        if self._thread is None:
            self._thread = Thread(target=self._run, name="drills", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (subject := self._queue.get()) is not None and not self._closing:
            found = self._drill(subject)
            with self._lock:
                self._found[subject] = found
                self._found.move_to_end(subject)
                while len(self._found) > KEPT_MAX:
                    self._found.popitem(last=False)
                self._waiting.discard(subject)

    def _drill(self, subject: str) -> Found:
        command = [sys.executable, "-m", "tallystick.node.drill_process", str(self._path), subject]
        with subprocess.Popen(  # noqa: S603 (our own program; the subject is an argument, not a shell's)
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            with self._lock:
                self._process = process
                if self._closing:
                    process.kill()
            try:
                output, _ = process.communicate(timeout=SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                return Found(None, f"it took longer than {SECONDS_MAX:g} s", time.monotonic())
            finally:
                with self._lock:
                    self._process = None
        try:
            document = msgspec.json.decode(output, type=dict[str, Any])
        except msgspec.DecodeError:
            return Found(None, f"the process ended with {process.returncode}", time.monotonic())
        if "error" in document:
            return Found(None, str(document["error"]), time.monotonic())
        return Found(document, "", time.monotonic())
