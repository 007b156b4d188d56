"""A node as its own process, over a ledger file with the small economy."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from tests.ledger.world import START
from tests.node.economy import LOG_KEY, Desk
from tests.node_service.running import make_ledger


class NodeProcess:
    """`tallystick serve` on a file; it can be killed and started again."""

    def __init__(
        self,
        path: Path,
        *,
        config_file: Path | None = None,
        options: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self.path = path
        self.config_file = config_file
        self.options = list(options)
        self.settings = {"port": 0, "verify_processes": 1, "log_level": "warning"} | settings
        self.url = ""
        self.start()

    def start(self) -> None:
        words = [f"--set={name}={value}" for name, value in self.settings.items()]
        if self.config_file is not None:
            words.append(f"--config={self.config_file}")
        self.log = self.path.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tallystick.cli",
                "serve",
                f"--ledger={self.path}",
                "--json",
                *words,
                *self.options,
            ],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.path.with_suffix(".log").read_text()
        self.url = json.loads(line)["url"]

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        return code

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=20, **options)


def desk_for(path: Path) -> Desk:
    """Make the ledger file and its log key, and return a desk that writes for it."""
    desk = make_ledger(path)
    ledger_id = desk.ledger.ledger_id
    # The economy begins in a future that the machine's clock has not reached, so its time stands still.
    desk.ledger = SimpleNamespace(ledger_id=ledger_id, now=lambda: START)  # type: ignore[assignment]
    path.with_name(path.name + ".logkey").write_text(LOG_KEY.skey + "\n")
    return desk


@contextmanager
def node(path: Path, **settings: Any) -> Iterator[NodeProcess]:
    running = NodeProcess(path, **settings)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
