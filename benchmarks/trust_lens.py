"""Milliseconds to show whom one account trusts, among 100,000 accounts and 1,000 institutions."""

import gc
import random
import time

from benchmarks.credit_world import CLAIMS_A_HOLDER, CreditWorld, holder_name
from benchmarks.limits import measure_dict_update
from benchmarks.result import Limit, Result
from tallystick.institutions.books import Books
from tallystick.institutions.trust import trust_of_account
from tallystick.protocol import KINDS


def run(*, quick: bool) -> Result:
    """Index a state once, then ask about accounts one by one; the slowest hundredth is what counts."""
    banks, holders, asked = (50, 1_000, 200) if quick else (1_000, 100_000, 2_000)
    world = CreditWorld(banks=banks, holders=holders)
    began = time.perf_counter()
    books = Books(world.store, KINDS)
    indexed = time.perf_counter() - began
    gc.collect()
    gc.freeze()
    draw = random.Random(2)
    took = []
    for _ in range(asked):
        name = holder_name(draw.randrange(holders))
        began = time.perf_counter()
        trust_of_account(books, name)
        took.append(time.perf_counter() - began)
    took.sort()
    limit = measure_dict_update(count=100_000 if quick else 2_000_000)
    return Result(
        benchmark="trust_lens",
        value=took[asked * 99 // 100] * 1e3,
        unit="ms",
        better="lower",
        limit=Limit(name=limit.name, value=limit.value / 1e6, unit="ms", conditions=limit.conditions),
        conditions={
            "accounts": holders,
            "institutions": banks,
            "claims_an_account": CLAIMS_A_HOLDER,
            "asked": f"{asked} accounts, the 99th percentile is shown",
            "median_ms": round(took[asked // 2] * 1e3, 3),
            "indexing_the_state_once_seconds": round(indexed, 2),
            "seed": 1,
        },
    )
