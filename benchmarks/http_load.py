"""The load for the HTTP benchmarks: a node as its own process, and wrk on the same cores.

wrk is a C program that keeps connections open and sends the next request when an answer came. Its Lua scripts
here only pick the next prepared request, so that making requests costs the measured machine little.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.service_world import LOG_KEY, ServiceWorld

WRK_MISSING = "error: the load comes from wrk, which is not installed\nhint: sudo apt-get install wrk"
_BATCH_ENVELOPES = 100
_LATENCY = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s)$", re.MULTILINE)
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@contextmanager
def served(world: ServiceWorld, **settings: object) -> Iterator[str]:
    """A node serving the world's ledger file; gives its URL."""
    world.path.with_name(world.path.name + ".logkey").write_text(f"{LOG_KEY.skey}\n")
    words = [f"--set={name}={value}" for name, value in {"port": 0, "log_level": "error", **settings}.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tallystick.cli", "serve", f"--ledger={world.path}", "--json", *words],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(timeout=120)


def write_bodies(directory: Path, bodies: Sequence[bytes], *, path: str) -> Path:
    """Write a wrk script that posts each body once, in order; when they are used up it stops."""
    data = directory / "bodies.txt"
    data.write_bytes(b"\n".join(bodies))
    script = directory / "post.lua"
    # Two threads take the even and the odd lines, so that no body is sent twice.
    script.write_text(
        f"""
local threads = 0
function setup(thread) thread:set("offset", threads); threads = threads + 1 end
function init(args)
  requests = {{}}; local n = 0
  for line in io.lines("{data}") do
    if n % 2 == offset then requests[#requests + 1] = wrk.format("POST", "{path}", nil, line) end
    n = n + 1
  end
  at = 0
end
function request()
  at = at + 1
  if at > #requests then wrk.thread:stop(); return wrk.format("GET", "/health") end
  return requests[at]
end
"""
    )
    return script


def write_paths(directory: Path, paths: Sequence[str]) -> Path:
    """Write a wrk script that gets each path in turn, over and over."""
    data = directory / "paths.txt"
    data.write_text("\n".join(paths))
    script = directory / "get.lua"
    script.write_text(
        f"""
function init(args)
  requests = {{}}; at = 0
  for line in io.lines("{data}") do requests[#requests + 1] = wrk.format("GET", line) end
end
function request() at = at % #requests + 1; return requests[at] end
"""
    )
    return script


def find_wrk() -> str:
    """Return where wrk is, or end with what to do: before anything is prepared for it."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit(WRK_MISSING)
    return wrk


def run_wrk(
    url: str, *, script: Path, connections: int, duration_seconds: int, threads: int = 2
) -> Mapping[str, float]:
    """Return requests a second, latencies in milliseconds and the number of bad answers."""
    shown = subprocess.run(
        [
            find_wrk(), f"-t{threads}", f"-c{connections}", f"-d{duration_seconds}s", "--latency",
            "--timeout=30s", "-s", str(script), url,
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout  # fmt: skip
    latencies = {
        f"p{percent}_ms": float(value) * _MILLISECONDS[unit]
        for percent, value, unit in _LATENCY.findall(shown)
    }
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", shown)
    if rate is None:
        raise RuntimeError(f"wrk said: {shown}")
    bad = re.search(r"Non-2xx or 3xx responses: ([0-9]+)", shown)
    return {"rate": float(rate[1]), "bad_answers": float(bad[1]) if bad else 0.0, **latencies}


def read_metrics(url: str) -> dict[str, float]:
    """Return what the node's /metrics say of the node itself, by name without `tallystick_`."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:  # noqa: S310 (our own node)
        lines = answer.read().decode().splitlines()
    return {
        name.removeprefix("tallystick_"): float(value)
        for name, _, value in (line.partition(" ") for line in lines)
        if name.startswith("tallystick_") and "{" not in name
    }


def ask_once(url: str, path: str) -> None:
    """Ask something once: the first history pays for the projections up to now."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    connection.request("GET", path)
    connection.getresponse().read()
    connection.close()


class Writer(threading.Thread):
    """Posts batches at a steady pace until told to finish."""

    def __init__(self, url: str, envelopes: Sequence[bytes], *, per_second: int) -> None:
        super().__init__()
        self._url = urlsplit(url)
        self._envelopes = envelopes
        self._per_second = per_second
        self._stop_asked = threading.Event()
        self._sent = 0
        self._elapsed = 0.0

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port)
        began = time.perf_counter()
        for start in range(0, len(self._envelopes), _BATCH_ENVELOPES):
            if self._stop_asked.is_set():
                break
            body = b"[" + b",".join(self._envelopes[start : start + _BATCH_ENVELOPES]) + b"]"
            connection.request("POST", "/v1/transactions/batch", body)
            connection.getresponse().read()
            self._sent += _BATCH_ENVELOPES
            self._elapsed = time.perf_counter() - began
            time.sleep(max(0.0, self._sent / self._per_second - self._elapsed))
        connection.close()

    def finish(self) -> float:
        """Stop and return how many were written a second."""
        self._stop_asked.set()
        self.join()
        return self._sent / self._elapsed
