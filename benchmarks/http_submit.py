"""Transactions a second over HTTP: single POSTs over 64 connections, and batches of 100."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.http_load import find_wrk, run_wrk, served, write_bodies
from benchmarks.limits import measure_verifications
from benchmarks.result import Limit, Result
from benchmarks.service_world import service_world, signed_triples

CONNECTIONS = 64


def run(*, quick: bool) -> Result:
    """Post prepared envelopes to a node from wrk on the same cores; each answer is a durable receipt."""
    find_wrk()
    accounts, singles, batches, seconds = (1_000, 6_000, 100, 1) if quick else (100_000, 120_000, 2_500, 10)
    with service_world(accounts=accounts) as world, TemporaryDirectory() as scratch:
        envelopes = world.transfers(singles + 100 * batches, seed=8)
        grouped = [
            b"[" + b",".join(envelopes[start : start + 100]) + b"]"
            for start in range(singles, len(envelopes), 100)
        ]
        with served(world) as url:
            script = write_bodies(Path(scratch), envelopes[:singles], path="/v1/transactions")
            single = run_wrk(url, script=script, connections=CONNECTIONS, duration_seconds=seconds)
            script = write_bodies(Path(scratch), grouped, path="/v1/transactions/batch")
            batch = run_wrk(url, script=script, connections=16, duration_seconds=seconds)
        limit = measure_verifications(
            signed_triples(envelopes[:5_000]), duration_seconds=0.5 if quick else 3.0, processes=2
        )
    if single["bad_answers"] or batch["bad_answers"]:
        raise RuntimeError(f"some were not settled: {single}, {batch}")
    return Result(
        benchmark="http_submit",
        value=single["rate"],
        unit="transactions/s",
        limit=Limit(name=limit.name, value=limit.value, unit="transactions/s", conditions=limit.conditions),
        conditions={
            "accounts": accounts,
            "load": "wrk -t2 on the same cores, HTTP/1.1 keep-alive",
            "connections": CONNECTIONS,
            "single_p50_ms": round(single.get("p50_ms", 0.0), 2),
            "single_p99_ms": round(single.get("p99_ms", 0.0), 2),
            "batches_of_100_tx_per_s": round(batch["rate"] * 100),
            "batch_connections": 16,
            "batch_p99_ms": round(batch.get("p99_ms", 0.0), 2),
            "projections": "none run: nobody asks for a history",
            "seed": 8,
        },
    )
