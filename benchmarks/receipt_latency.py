"""Milliseconds from sending a signed transfer to its durable receipt over HTTP: p99, one client."""

import http.client
import time
from urllib.parse import urlsplit

from benchmarks.http_load import served
from benchmarks.limits import measure_durable_commits
from benchmarks.result import Limit, Result
from benchmarks.service_world import service_world


def run(*, quick: bool) -> Result:
    """Post one envelope at a time over one connection."""
    accounts, count = (1_000, 300) if quick else (100_000, 10_000)
    with service_world(accounts=accounts) as world:
        envelopes = world.transfers(count, seed=9)
        with served(world) as url:
            times = sorted(_timed(url, envelopes))
        limit = measure_durable_commits(world.path.parent, duration_seconds=0.5 if quick else 2.0)
    return Result(
        benchmark="receipt_latency",
        value=times[len(times) * 99 // 100] * 1e3,
        unit="ms",
        better="lower",
        limit=Limit(
            name="one SQLite durable commit, mean",
            value=1e3 / limit.value,
            unit="ms",
            conditions=limit.conditions,
        ),
        conditions={
            "accounts": accounts,
            "transfers": count,
            "p50_ms": round(times[len(times) // 2] * 1e3, 3),
            "p999_ms": round(times[len(times) * 999 // 1000] * 1e3, 3),
            "worst_ms": round(times[-1] * 1e3, 3),
            "checkpoint_every_seconds": 1,
            "projections": "none run",
            "seed": 9,
        },
    )


def _timed(url: str, envelopes: list[bytes]) -> list[float]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    times = []
    for envelope in envelopes:
        began = time.perf_counter()
        connection.request("POST", "/v1/transactions", envelope)
        answer = connection.getresponse()
        body = answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"not settled: {body[:200]!r}")
    connection.close()
    return times
