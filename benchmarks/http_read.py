"""Balance and history reads a second over HTTP, while 2,000 transfers a second are written."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.http_load import Writer, ask_once, find_wrk, read_metrics, run_wrk, served, write_paths
from benchmarks.result import Limit, Result
from benchmarks.service_world import ASSET, service_world
from benchmarks.world import account_name

WRITTEN_PER_SECOND = 2_000
HISTORY_ROWS = 10


def run(*, quick: bool) -> Result:
    """Read with wrk over 64 connections, half balances and half first pages of histories."""
    find_wrk()
    accounts, seconds = (1_000, 2) if quick else (100_000, 10)
    draw = random.Random(10)
    names = [account_name(draw.randrange(accounts)) for _ in range(5_000)]
    paths = half_and_half(names)
    with service_world(accounts=accounts) as world, TemporaryDirectory() as scratch:
        envelopes = world.transfers(WRITTEN_PER_SECOND * (seconds + 6), seed=10)
        with served(world) as url:
            ask_once(url, paths[0])
            script = write_paths(Path(scratch), ["/health"])
            bare = run_wrk(url, script=script, connections=64, duration_seconds=max(1, seconds // 3))
            writer = Writer(url, envelopes, per_second=WRITTEN_PER_SECOND)
            writer.start()
            time.sleep(1)
            script = write_paths(Path(scratch), paths)
            before, began = read_metrics(url), time.perf_counter()
            read = run_wrk(url, script=script, connections=64, duration_seconds=seconds)
            after, elapsed = read_metrics(url), time.perf_counter() - began
            written = writer.finish()
    projected = after["projected_entries_total"] - before["projected_entries_total"]
    projecting = after["projection_seconds_total"] - before["projection_seconds_total"]
    if not projected:
        raise RuntimeError("the projections took nothing in")
    if read["bad_answers"]:
        raise RuntimeError(f"{read['bad_answers']:.0f} reads failed")
    return Result(
        benchmark="http_read",
        value=read["rate"],
        unit="requests/s",
        limit=Limit(
            name="the node's /health under the same load, nothing written",
            value=bare["rate"],
            unit="requests/s",
        ),
        conditions={
            "accounts": accounts,
            "mix": f"half balances, half first pages of {HISTORY_ROWS} of a history",
            "asked": f"{len(names):,} accounts, again and again: receipts of their newest rows are in memory",
            "load": "wrk -t2 -c64 on the same cores",
            "p50_ms": round(read.get("p50_ms", 0.0), 2),
            "p99_ms": round(read.get("p99_ms", 0.0), 2),
            "written_per_s": round(written),
            "written_aimed_per_s": WRITTEN_PER_SECOND,
            "projections": "run: histories follow every write",
            "projected_entries": round(projected),
            "projections_us_an_entry": round(projecting / projected * 1e6, 1),
            "projections_cores": round(projecting / elapsed, 3),
            "seed": 10,
        },
    )


def half_and_half(names: Sequence[str]) -> list[str]:
    """Return a read of each account: its balance and the first page of its history in turn."""
    return [
        f"/v1/accounts/{name}/balances/{ASSET}" if number % 2 else
        f"/v1/accounts/{name}/history?asset={ASSET}&limit={HISTORY_ROWS}"
        for number, name in enumerate(names)
    ]  # fmt: skip
