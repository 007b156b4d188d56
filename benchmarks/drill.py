"""Seconds for a full drill: everybody withdraws from 1,000 institutions that owe each other."""

import gc
import time

from benchmarks.credit_world import INTERBANK_LINKS, CreditWorld
from benchmarks.limits import measure_dict_update
from benchmarks.result import Limit, Result
from tallystick.protocol import KINDS
from tallystick.stress.drill import run_drill
from tallystick.stress.scenario import everybody_withdraws


def run(*, quick: bool) -> Result:
    """Let 100,000 holders withdraw everything at once, and the institutions call each other, to the end."""
    banks, holders = (20, 1_000) if quick else (1_000, 100_000)
    world = CreditWorld(banks=banks, holders=holders, claims_a_holder=1)
    gc.collect()
    gc.freeze()
    began = time.perf_counter()
    outcome = run_drill(world.store, KINDS, everybody_withdraws())
    took = time.perf_counter() - began
    limit = measure_dict_update(count=100_000 if quick else 2_000_000)
    return Result(
        benchmark="drill",
        value=took,
        unit="s",
        better="lower",
        limit=Limit(
            name=f"{limit.name}, once a claim",
            value=limit.value / 1e9 * len(outcome.claims),
            unit="s",
            conditions=limit.conditions,
        ),
        conditions={
            "institutions": banks,
            "holders": holders,
            "links_an_institution": INTERBANK_LINKS,
            "claims_asked_for": len(outcome.claims),
            "transactions": outcome.transactions,
            "failures": len(outcome.failures),
            "in_default": outcome.defaulted,
            "result_hash": outcome.hash[:16],
            "seed": 1,
        },
    )
