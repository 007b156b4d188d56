"""Microseconds a concentrated-liquidity swap across three initialised ticks, inside the ledger."""

import gc
import time

from benchmarks.limits import measure_dict_update
from benchmarks.pool_world import FUNDS, OTHER, RANGE, PoolWorld, wire
from benchmarks.result import Limit, Result
from benchmarks.world import ASSET, account_name
from tallystick.ledger.apply import apply
from tallystick.ledger.transactions import Call, authenticate

UNITS_IN = 9 * 10**18
"""With 10^21 of liquidity in each range of 60 ticks, this much crosses three of them."""


def run(*, quick: bool) -> Result:
    """Swap to and fro, each trade crossing three ticks, in batches of 100."""
    count = 100 if quick else 2_000
    world = PoolWorld(accounts=100)
    crossed = _ticks_crossed(world)
    transactions = [
        authenticate(world.signed([_swap(*(_FORTH if number % 2 == 0 else _BACK))]), check_signatures=False)
        for number in range(count)
    ]
    gc.collect()
    gc.freeze()
    best = float("inf")
    for start in range(0, count, 100):
        overlay, batch = world.begin()
        began = time.perf_counter()
        for transaction in transactions[start : start + 100]:
            apply(overlay, transaction, batch)
        best = min(best, (time.perf_counter() - began) / 100)
        world.store.write(overlay.writes)
    limit = measure_dict_update(count=100_000 if quick else 2_000_000)
    return Result(
        benchmark="concentrated_swap",
        value=best * 1e6,
        unit="µs",
        better="lower",
        limit=Limit(name=limit.name, value=limit.value / 1e3, unit="µs", conditions=limit.conditions),
        conditions={"swaps": count, "batch": "100, the best is shown", "ticks_crossed": crossed},
    )


_FORTH, _BACK = (ASSET, OTHER), (OTHER, ASSET)


def _swap(asset_in: str, asset_out: str) -> Call:
    return Call(
        account=account_name(0),
        contract=RANGE,
        method="swap_exact_in",
        arguments=wire(asset_in=asset_in, asset_out=asset_out, units_in=UNITS_IN, least_out=1),
        spend=((asset_in, str(FUNDS)),),
    )


def _ticks_crossed(world: PoolWorld) -> int:
    """Swap once each way and return how many initialised ticks the first crossed."""
    tick_before: int = world.store.values[f"{RANGE}!", "pool"].tick
    world.run(_swap(*_FORTH))
    tick_after: int = world.store.values[f"{RANGE}!", "pool"].tick
    world.run(_swap(*_BACK))
    return abs(tick_before // 60 - tick_after // 60)
