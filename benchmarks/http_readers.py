"""Reads a second over HTTP from a node with none, one and two reader processes beside it."""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.http_load import Writer, ask_once, find_wrk, read_metrics, run_wrk, served, write_paths
from benchmarks.http_read import HISTORY_ROWS, half_and_half
from benchmarks.result import Limit, Result
from benchmarks.service_world import ServiceWorld, service_world
from benchmarks.world import account_name

WRITTEN_PER_SECOND = 500
_READERS = (0, 1, 2)
_CONNECTIONS = 64


def run(*, quick: bool) -> Result:
    """Read from all of them at once, 64 connections in all, any account equally likely."""
    find_wrk()
    accounts, seconds = (1_000, 2) if quick else (100_000, 8)
    draw = random.Random(11)
    paths = half_and_half([account_name(draw.randrange(accounts)) for _ in range(50_000)])
    rates: dict[int, float] = {}
    conditions: dict[str, str | int | float] = {}
    with service_world(accounts=accounts) as world, TemporaryDirectory() as scratch:
        script = write_paths(Path(scratch), paths)
        for readers in _READERS:
            envelopes = world.transfers(WRITTEN_PER_SECOND * (seconds + 6), seed=11 + readers)
            rate, told = _measure(world, readers, script, seconds=seconds, envelopes=envelopes)
            rates[readers] = rate
            conditions |= {f"{name}_with_{readers}_readers": value for name, value in told.items()}
    return Result(
        benchmark="http_readers",
        value=rates[_READERS[-1]],
        unit="requests/s",
        limit=Limit(name="the node alone, under the same load", value=rates[0], unit="requests/s"),
        conditions={
            "accounts": accounts,
            "mix": f"half balances, half first pages of {HISTORY_ROWS} of a history, of any account",
            "load": f"wrk on the same cores, {_CONNECTIONS} connections in all",
            "written_aimed_per_s": WRITTEN_PER_SECOND,
            "projections": "run in each process: histories follow every write",
            "seed": 11,
            **conditions,
        },
    )


def _measure(
    world: ServiceWorld, readers: int, script: Path, *, seconds: int, envelopes: Sequence[bytes]
) -> tuple[float, dict[str, float]]:
    """Return reads a second of a node and its readers together, and what else was seen."""
    with ExitStack() as stack:
        urls = [stack.enter_context(served(world))]
        urls += [stack.enter_context(served(world, reader="true")) for _ in range(readers)]
        for url in urls:
            ask_once(url, f"/v1/accounts/{account_name(0)}/history?limit=1")
        writer = Writer(urls[0], envelopes, per_second=WRITTEN_PER_SECOND)
        writer.start()
        time.sleep(1)
        share = _CONNECTIONS // len(urls)

        def read(url: str) -> dict[str, float]:
            loaded = run_wrk(url, script=script, connections=share, duration_seconds=seconds, threads=1)
            return {**loaded, "lag": read_metrics(url)["lag_entries"]}

        with ThreadPoolExecutor(len(urls)) as pool:
            seen = list(pool.map(read, urls))
        written = writer.finish()
    if any(one["bad_answers"] for one in seen):
        raise RuntimeError(f"{sum(one['bad_answers'] for one in seen):.0f} reads failed")
    return sum(one["rate"] for one in seen), {
        "reads_per_s": round(sum(one["rate"] for one in seen)),
        "p99_ms": round(max(one["p99_ms"] for one in seen), 1),
        "lag_entries": round(max(one["lag"] for one in seen)),
        "written_per_s": round(written),
    }
