"""Microseconds to execute a one-leg transfer: decoded and authorised, overlay to receipt, no disk."""

import gc
import time

from benchmarks.limits import measure_dict_update
from benchmarks.result import Limit, Result
from benchmarks.world import World, decoded
from tallystick.ledger.apply import apply
from tallystick.ledger.receipts import encode_receipt
from tallystick.ledger.transactions import AuthenticTransaction


def run(*, quick: bool) -> Result:
    """Execute transfers among 100k accounts in batches of 1,000, each merged into the state."""
    accounts, count, rounds = (1_000, 2_000, 1) if quick else (100_000, 50_000, 3)
    world = World(accounts=accounts, signers=1)
    transactions = decoded(world.transfers(count * rounds, accounts=accounts, seed=1))
    gc.collect()
    gc.freeze()
    best, encoding = float("inf"), float("inf")
    for number in range(rounds):
        executed, encoded = _time_round(world, transactions[number * count : (number + 1) * count])
        best, encoding = min(best, executed / count), min(encoding, encoded / count)
    limit = measure_dict_update(count=100_000 if quick else 2_000_000)
    return Result(
        benchmark="execute",
        value=best * 1e6,
        unit="µs",
        better="lower",
        limit=Limit(name=limit.name, value=limit.value / 1e3, unit="µs", conditions=limit.conditions),
        conditions={
            "accounts": accounts,
            "transfers": count,
            "rounds": f"{rounds}, the best is shown",
            "batch": 1_000,
            "seed": 1,
            "encoding_the_receipt_us": round(encoding * 1e6, 2),
        },
    )


def _time_round(world: World, transactions: list[AuthenticTransaction]) -> tuple[float, float]:
    executed = encoded = 0.0
    for start in range(0, len(transactions), 1_000):
        overlay, batch = world.begin()
        began = time.perf_counter()
        receipts = [apply(overlay, transaction, batch) for transaction in transactions[start : start + 1_000]]
        middle = time.perf_counter()
        for receipt in receipts:
            encode_receipt(receipt)
        encoded += time.perf_counter() - middle
        executed += middle - began
        world.store.write(overlay.writes)
    return executed, encoded
