"""Signed transfers a second through the whole node: bytes in memory to durable receipts."""

import time
from collections.abc import Sequence
from threading import Semaphore

from benchmarks.limits import measure_verifications
from benchmarks.result import Result
from benchmarks.service_world import ServiceWorld, service_world, signed_triples
from tallystick.node.pipeline import Answer
from tallystick.node.service import Service, ServiceLimits

REQUEST_ENVELOPES = 100
_REQUESTS_UNDER_WAY = 150  # enough for the verifiers to go on while a state root is made
PROCESSES = 2


def run(*, quick: bool) -> Result:
    """Settle pre-signed one-leg transfers among 100k accounts, with a checkpoint every second."""
    accounts, count = (1_000, 4_000) if quick else (100_000, 150_000)
    with service_world(accounts=accounts) as world:
        envelopes = world.transfers(count, seed=5)
        rate, conditions = settle(world, envelopes)
        limit = measure_verifications(
            signed_triples(envelopes[:5_000]), duration_seconds=0.5 if quick else 3.0, processes=PROCESSES
        )
    return Result(
        benchmark="signed_transfers",
        value=rate,
        unit="verifications/s",
        limit=limit,
        conditions={"accounts": accounts, "seed": 5, **conditions},
    )


def settle(world: ServiceWorld, envelopes: Sequence[bytes]) -> tuple[float, dict[str, str | int | float]]:
    """Return transfers a second through a service, and what stood behind the figure."""
    ledger = world.open()
    service = Service(ledger, limits=ServiceLimits(verify_processes=PROCESSES))
    under_way = Semaphore(_REQUESTS_UNDER_WAY)
    wrong: list[str] = []

    def done(answer: Answer) -> None:
        if not isinstance(answer, list):
            wrong.append(str(answer))
        else:
            wrong.extend(str(outcome.rejection) for outcome in answer if outcome.receipt is None)
        under_way.release()

    for _ in range(PROCESSES):  # the processes start before the clock does
        service.ask(lambda _: None).result()
    time.sleep(1.0)
    began = time.perf_counter()
    processor = time.process_time()
    for start in range(0, len(envelopes), REQUEST_ENVELOPES):
        under_way.acquire()
        service.submit(envelopes[start : start + REQUEST_ENVELOPES], done)
    for _ in range(_REQUESTS_UNDER_WAY):
        under_way.acquire()
    elapsed = time.perf_counter() - began
    processor = time.process_time() - processor
    counters = service.counters
    service.close()
    ledger.close()
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(envelopes)} were not settled, the first: {wrong[0]}")
    return len(envelopes) / elapsed, {
        "transfers": len(envelopes),
        "envelopes_a_request": REQUEST_ENVELOPES,
        "verify_processes": PROCESSES,
        "journal": "SQLite WAL, synchronous=FULL",
        "checkpoints_with_state_root": counters.checkpoints,
        "batches": counters.batches,
        "disk_transactions": counters.writes,
        "seconds_executing": round(counters.executing_seconds, 2),
        "seconds_writing": round(counters.writing_seconds, 2),
        "seconds_in_checkpoints": round(counters.checkpoint_seconds, 2),
        "node_process_cores": round(processor / elapsed, 2),
        "projections": "none run",
    }
