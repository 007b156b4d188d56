"""Drills in the background: the newest one of everything that somebody asked about, with its age.

Asking never waits. The first question starts a process of its own (`drill_process`) and says that it is
running; later ones get what it found, of which state it is and how old that is, and start another if the
ledger has moved on. One process runs at a time, at the lowest priority; the others wait in line.

Full runs are of an institution, a contract or all. A scenario of somebody's own (`Wanted`) is bounded more
tightly, for anybody may write any number of them: fewer wait, fewer are kept, and each has less time.

Refused: drills in the node's own process. They take seconds of the processor, and a state that moves under a
fork is no state.
"""

import hashlib
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Annotated, Any, Final

import msgspec

KEPT_MAX: Final = 256
"""Subjects whose newest drill is kept."""
WAITING_MAX: Final = 16
SECONDS_MAX: Final = 600.0
"""A drill that takes longer is ended."""
SCENARIOS_KEPT_MAX: Final = 16
SCENARIOS_WAITING_MAX: Final = 4
SCENARIO_SECONDS_MAX: Final = 120.0
POINTS_MAX: Final = 50
"""Of a run curve: each is a drill of its own."""
DAYS_MAX: Final = 366
"""How many days everybody may take to leave a contract."""
EVERYBODY: Final = "all"
OF_STANDARD_INPUT: Final = "-"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of a node: a scenario as its document, or a contract that everybody leaves.

    With `points`, the run curve of the scenario's one target; with `help_needed`, the least help that would
    have stopped each failure.
    """

    scenario: dict[str, Any] = {}
    contract: str = ""
    points: Annotated[int, msgspec.Meta(ge=0, le=POINTS_MAX)] = 0
    help_needed: bool = False
    days: Annotated[int, msgspec.Meta(ge=1, le=DAYS_MAX)] = 30

    def fault(self) -> str:
        """Return why it cannot be meant, or nothing."""
        if bool(self.scenario) == bool(self.contract):
            return "ask for a scenario, or for a contract that everybody leaves"
        if self.contract and (self.points or self.help_needed):
            return "of a contract everyone leaves: it has no curve, and no help is needed"
        if self.points == 1 or (self.points and self.help_needed):
            return f"a run curve has 2 to {POINTS_MAX} points, and is asked for without help_needed"
        return ""

    @property
    def key(self) -> str:
        """SHA-256 of what is asked, in its one byte form."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


@dataclass(frozen=True)
class Found:
    """What a process found: its document, or why there is none. `ended` is of the monotonic clock."""

    document: dict[str, Any] | None
    error: dict[str, Any]
    ended: float


class TooManyDrills(Exception):
    """So many drills wait already that no more are taken."""


class Drills:
    """Background drills of one ledger file. `size` returns the log's size as it is merged."""

    def __init__(self, path: Path, size: Callable[[], int]) -> None:
        self._path = path
        self._size = size
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._waiting: dict[str, Wanted | None] = {}
        self._scenarios: OrderedDict[str, Found] = OrderedDict()
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: Thread | None = None
        self._closing = False

    def ask(self, subject: str) -> dict[str, Any]:
        """Return the newest full run of a subject with its age, and start one if there is none of this state.

        Raises `TooManyDrills`.
        """
        return {"subject": subject} | self._newest(subject, None)

    def ask_for(self, wanted: Wanted) -> dict[str, Any]:
        """Return the newest answer to a scenario with its age, and start one if there is none of this state.

        `key` names what was asked. Raises `TooManyDrills`.
        """
        return {"key": wanted.key} | self._newest(wanted.key, wanted)

    def _newest(self, key: str, wanted: Wanted | None) -> dict[str, Any]:
        with self._lock:
            found = (self._found if wanted is None else self._scenarios).get(key)
            current = found is not None and (found.document is None or found.document["size"] == self._size())
            if not current and key not in self._waiting:
                self._start(key, wanted)
            running = key in self._waiting
        if found is None:
            return {"status": "running"}
        age = {"age_seconds": round(time.monotonic() - found.ended, 1), "newer_is_running": running}
        if found.document is None:
            return {"status": "failed"} | found.error | age
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

    def _start(self, key: str, wanted: Wanted | None) -> None:
        if len(self._waiting) >= WAITING_MAX:
            raise TooManyDrills(f"{len(self._waiting)} drills wait, and {WAITING_MAX} may")
        scenarios = sum(one is not None for one in self._waiting.values())
        if wanted is not None and scenarios >= SCENARIOS_WAITING_MAX:
            raise TooManyDrills(f"{scenarios} scenarios wait, and {SCENARIOS_WAITING_MAX} may")
        self._waiting[key] = wanted
        self._queue.put(key)
        if self._thread is None:
            self._thread = Thread(target=self._run, name="drills", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (key := self._queue.get()) is not None and not self._closing:
            wanted = self._waiting[key]
            found = self._drill(key, wanted)
            with self._lock:
                kept, most = (
                    (self._found, KEPT_MAX) if wanted is None else (self._scenarios, SCENARIOS_KEPT_MAX)
                )
                kept[key] = found
                kept.move_to_end(key)
                while len(kept) > most:
                    kept.popitem(last=False)
                del self._waiting[key]

    def _drill(self, subject: str, wanted: Wanted | None) -> Found:
        asked, given, seconds = subject, b"", SECONDS_MAX
        if wanted is not None:
            asked, given, seconds = OF_STANDARD_INPUT, msgspec.json.encode(wanted), SCENARIO_SECONDS_MAX
        command = [sys.executable, "-m", "tallystick.node.drill_process", str(self._path), asked]
        with subprocess.Popen(  # noqa: S603 (our own program; the subject is an argument, not a shell's)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            with self._lock:
                self._process = process
                if self._closing:
                    process.kill()
            try:
                output, _ = process.communicate(given, timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return _failed(f"it took longer than {seconds:g} s")
            finally:
                with self._lock:
                    self._process = None
        try:
            document = msgspec.json.decode(output, type=dict[str, Any])
        except msgspec.DecodeError:
            return _failed(f"the process ended with {process.returncode}")
        if "error" in document:
            return Found(None, document, time.monotonic())
        return Found(document, {}, time.monotonic())


def _failed(why: str) -> Found:
    return Found(None, {"error": why}, time.monotonic())
