"""The writer's lock: one process writes a ledger file, and a second is told who does.

The lock is the operating system's, on a file beside the ledger's, so it ends with the process however that
ends. Refused: SQLite's own exclusive mode, which would shut readers out as well; and a lock on the ledger
file itself, because closing any descriptor of it would drop the locks that SQLite has there.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from tallystick.node.faults import JournalLocked


class WriterLock:
    """Holds `PATH-lock` for as long as it is open."""

    def __init__(self, path: Path) -> None:
        self._lock_path = path.with_name(path.name + "-lock")
        self._descriptor = self._acquire(path)

    def _acquire(self, path: Path) -> int:
        while True:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 64).decode("ascii", "replace").strip() or "another process"
                os.close(descriptor)
                raise JournalLocked(str(path), holder) from None
            if self._is_current(descriptor):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
                return descriptor
            # The last holder removed the file between our opening and our locking it.
            os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock_path.stat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Give the lock up and remove its file."""
        if self._descriptor >= 0:
            self._lock_path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "WriterLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
