"""Signed transfers a second, all from one account, beside the same among all accounts."""

from benchmarks.result import Limit, Result
from benchmarks.service_world import service_world
from benchmarks.signed_transfers import settle


def run(*, quick: bool) -> Result:
    """Settle the same number of transfers from random accounts and from one; the first is the limit."""
    accounts, count = (1_000, 4_000) if quick else (100_000, 100_000)
    with service_world(accounts=accounts) as world:
        spread, spread_conditions = settle(world, world.transfers(count, seed=5))
        hot, hot_conditions = settle(world, world.transfers(count, seed=6, sender=7))
    return Result(
        benchmark="hot_account",
        value=hot,
        unit="transfers/s",
        limit=Limit(
            name="the same from random accounts",
            value=spread,
            unit="transfers/s",
            conditions=spread_conditions,
        ),
        conditions={"accounts": accounts, "seed": 6, **hot_conditions},
    )
