"""Bytes of memory a balance at a million accounts, state tree included, after a start from a snapshot."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.ledger_world import LedgerWorld
from benchmarks.result import Limit, Result
from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.node.ledger_file import LedgerFile


def run(*, quick: bool) -> Result:
    """Open a ledger file of a million accounts with one balance each in a fresh process."""
    accounts = 20_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "memory.tally")
        LedgerWorld(path, accounts=accounts, signers=1).ledger.close()
        opened = json.loads(
            subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", str(path)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    return Result(
        benchmark="memory",
        value=opened["grown_bytes"] / accounts,
        unit="bytes",
        better="lower",
        limit=Limit(
            name="the state's keys and values, encoded",
            value=opened["encoded_bytes"] / accounts,
            unit="bytes",
        ),
        conditions={
            "accounts": accounts,
            "balances": accounts,
            "state_keys": opened["keys"],
            "start_from_snapshot_seconds": round(opened["seconds"], 2),
            "measured_as": "growth of resident memory from before the file was opened",
        },
    )


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def _open(path: Path) -> dict[str, float]:
    before = _resident_bytes()
    began = time.perf_counter()
    with LedgerFile.open(path, read_only=True) as ledger:
        seconds = time.perf_counter() - began
        grown = _resident_bytes() - before
        values = ledger.state.values
        return {
            "seconds": seconds,
            "grown_bytes": grown,
            "encoded_bytes": sum(len(encode_key(key)) + len(encode_value(values[key])) for key in values),
            "keys": len(values),
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_open(Path(sys.argv[1]))))
