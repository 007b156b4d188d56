"""A state tree in a process of its own, so that hashing the state takes nothing from whoever executes.

Changes are noted as they happen and hashed at once; the tree itself moves when its root is asked for, so that
in between it proves what held at the last root. The rule that must hold: the root is that of everything noted
before it was asked for, as if `StateTree.update` had been called with it here.

Notes are bytes of the caller's making, and `split` turns them into pairs over there: this module knows no
meanings. Nothing here waits for the tree but `root` and `prove`. If the process ends, whatever is asked of it
raises `StateTreeProcessDied`, and the tree can be built anew from the state it commits to.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final, TypeAlias

from tallystick.log.state_tree import Entries, StateTree, hash_changes

Split: TypeAlias = Callable[[bytes], Iterable[tuple[bytes, bytes | None]]]
"""A module's function, by name: it is looked up over there."""

_SWITCH_SECONDS: Final = 0.0002
"""How long hashing may keep the interpreter from whoever takes messages: a full pipe stops the sender."""

_PAGES, _CHANGES, _ROOT, _PROVE = b"P", b"C", b"R", b"?"


class StateTreeProcessDied(Exception):
    """The process that kept the state tree has ended; nothing that it held is lost elsewhere."""


class StateTreeProcess:
    """The tree elsewhere. Any thread may note, ask and prove. Close it."""

    def __init__(self, tree: StateTree, *, split: Split) -> None:
        """Start the process and give it the tree's pages."""
        context = multiprocessing.get_context("spawn")  # a fork would inherit whatever locks are held
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, split), daemon=True)
        self._process.start()
        theirs.close()
        self._sending = Lock()
        self._asking = Lock()
        self._owed = 0
        for part in filter(None, tree.pages()):
            self._send(_PAGES + part)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid or 0

    def note(self, changes: bytes) -> None:
        """Take in changes, which the next root covers."""
        self._send(_CHANGES + changes)

    def ask_root(self) -> None:
        """Have the tree brought up to date with what was noted; `root` returns it, in the order of asking."""
        with self._asking:
            self._send(_ROOT)
            self._owed += 1

    def root(self) -> bytes:
        """Wait for the oldest root that was asked for and not yet taken."""
        with self._asking:
            return self._take_root()

    def prove(self, key: bytes) -> bytes:
        """Return `StateTree.prove` of the key at the last root that was asked for; none is taken after it."""
        with self._asking:
            while self._owed:
                self._take_root()
            self._send(_PROVE + key)
            return self._receive()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _take_root(self) -> bytes:
        if not self._owed:
            raise ValueError("every root that was asked for has been taken")
        root = self._receive()
        self._owed -= 1
        return root

    def _send(self, message: bytes) -> None:
        try:
            with self._sending:
                self._connection.send_bytes(message)
        except OSError as error:
            raise StateTreeProcessDied(repr(error)) from error

    def _receive(self) -> bytes:
        try:
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise StateTreeProcessDied(repr(error)) from error


# ------------------------------------------------------------------------------------- in the process


def _work(connection: Connection, split: Split) -> None:
    """Answer messages until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it; the terminal does not
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.setswitchinterval(_SWITCH_SECONDS)
    queue: SimpleQueue[bytes | None] = SimpleQueue()
    Thread(target=_take, args=(connection, queue), daemon=True).start()
    parts: list[bytes] = []
    tree: StateTree | None = None
    noted: Entries = {}
    while (message := queue.get()) is not None:
        kind, body = message[:1], message[1:]
        if kind == _PAGES:
            parts.append(body)
            continue
        if tree is None:
            tree = StateTree.of_pages(parts)
            parts.clear()
        if kind == _CHANGES:
            noted |= hash_changes(split(body))
            continue
        if kind == _ROOT:
            tree.put(noted)
            noted = {}
        try:
            connection.send_bytes(tree.root if kind == _ROOT else tree.prove(body))
        except OSError:  # nobody is interested any more
            return


def _take(connection: Connection, queue: "SimpleQueue[bytes | None]") -> None:
    """Take messages off the pipe, so that whoever sends never waits for hashing."""
    while True:
        try:
            queue.put(connection.recv_bytes())
        except (EOFError, OSError):
            queue.put(None)
            return
