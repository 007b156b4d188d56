"""Microseconds a borrowing, repayment or liquidation takes inside the ledger, and 1,000 markets' interest."""

import gc
import time
from collections.abc import Callable, Sequence

from benchmarks.limits import measure_dict_update
from benchmarks.pool_world import OTHER, PoolWorld, wire
from benchmarks.result import Limit, Result
from benchmarks.world import ASSET, TIME, account_name
from tallystick.ledger.apply import apply
from tallystick.ledger.records import Clock
from tallystick.ledger.transactions import Action, AuthenticTransaction, Call, Deploy, authenticate

MARKET, ORACLE = "loans", "price"
FEEDS = 3
"""The oracle has so many reporters, and two must agree."""
COLLATERAL = 10**18
LENT = 4 * 10**17
BATCH = 100
ACCRUALS = 250
"""Accruals in one transaction, of which four make a thousand."""
WAD = 10**18


class LendingWorld(PoolWorld):
    """A world in which every account but the reporters has collateral in one market, and may borrow."""

    def __init__(self, *, accounts: int, markets: int) -> None:
        super().__init__(accounts=accounts + FEEDS)
        self.now = TIME
        self.feeds = [account_name(accounts + number) for number in range(FEEDS)]
        sources = [
            {"name": name, "kind": "market", "window_seconds": 0, "reference": ""} for name in self.feeds
        ]
        oracle = wire(
            base=OTHER,
            quote=ASSET,
            scale=10**9,
            sources=sources,
            quorum=2,
            stale_seconds=3_600,
            spread_ppm_max=10_000,
        )
        self.run(self.deployed(ORACLE, "oracle", oracle))
        self.report(10**9)
        self.names = [MARKET, *(f"market-{number}" for number in range(markets))]
        rate = {"type": "adaptive", "initial": 4 * 10**16, "target": 9 * 10**17, "steepness": 4 * WAD}
        rate |= {"speed": 50 * WAD, "least": 10**15, "most": 2 * WAD}
        market = wire(
            loan=ASSET,
            collateral=OTHER,
            oracle=ORACLE,
            freshness_seconds=3_600,
            quorum=2,
            rate=rate,
            fee=WAD // 10,
            fee_account=account_name(0),
        )
        for name in self.names:
            self.run(
                self.deployed(name, "lending_market", market),
                self.call(name, "supply", units=(accounts if name == MARKET else 10) * COLLATERAL),
                self.call(name, "supply_collateral", units=COLLATERAL),
                self.call(name, "borrow", units=LENT),
            )
        for number in range(1, accounts):
            self.run_as(number, self.call(MARKET, "supply_collateral", sender=number, units=COLLATERAL))

    def deployed(self, name: str, kind: str, parameters: object) -> Deploy:
        """Return a deployment by the first account."""
        return Deploy(
            account=account_name(0),
            contract=name,
            kind=kind,
            version=1,
            parameters=parameters,  # type: ignore[arg-type]
        )

    def run_as(self, sender: int, *actions: Action) -> None:
        """Run one transaction of an account in a batch of its own."""
        overlay, batch = self.begin()
        apply(overlay, authenticate(self.signed(actions, sender=sender), check_signatures=False), batch)
        self.store.write(overlay.writes)

    def report(self, price: int) -> None:
        """Let all reporters say a price, a second later."""
        self.later(1)
        for number, name in enumerate(self.feeds):
            told = wire(value=price, observed=self.now)
            action = Call(account=name, contract=ORACLE, method="report", arguments=told)
            self.run_as(len(self.signers) + number, action)

    def later(self, seconds: int) -> None:
        """Let time pass before the next batch."""
        self.now += seconds * 1_000_000
        clock: Clock = self.store.values[("clock",)]
        self.store.write({("clock",): Clock(clock.height, self.now)})


def run(*, quick: bool) -> Result:
    """Let every account borrow, repay, borrow again and be liquidated; then let 1,000 markets accrue."""
    accounts, markets = (100, 20) if quick else (4_000, 1_000)
    world = LendingWorld(accounts=accounts, markets=markets)
    borrowers = range(1, accounts)

    def borrow(number: int) -> Call:
        return world.call(MARKET, "borrow", sender=number, units=LENT)

    def repay(number: int) -> Call:
        shares = world.store.values[f"{MARKET}!", "loan", account_name(number)].shares
        return world.call(MARKET, "repay", sender=number, shares=shares)

    def liquidate(number: int) -> Call:
        # The neighbour pays.
        payer = number % (accounts - 1) + 1
        return world.call(
            MARKET, "liquidate", sender=payer, borrower=account_name(number), seized=COLLATERAL // 2
        )

    gc.collect()
    gc.freeze()
    taken = {"borrow_us": _best(world, borrowers, borrow)}
    world.later(5)
    taken["repay_us"] = _best(world, borrowers, repay)
    _best(world, borrowers, borrow)
    world.report(7 * 10**8)
    taken["liquidate_us"] = _best(world, borrowers, liquidate)
    accrued = _accrue(world, markets)
    limit = measure_dict_update(count=100_000 if quick else 2_000_000)
    return Result(
        benchmark="lending",
        value=max(taken.values()),
        unit="µs",
        better="lower",
        limit=Limit(name=limit.name, value=limit.value / 1e3, unit="µs", conditions=limit.conditions),
        conditions={
            "shown": "the slowest of the three",
            **{name: round(value, 1) for name, value in taken.items()},
            "accrue_ms": round(accrued, 2),
            "accrued_markets": markets,
            "accrual": f"adaptive rate and fee, {ACCRUALS} calls a transaction, the best of five",
            "accounts": accounts,
            "reporters": FEEDS,
            "batch": f"{BATCH}, the best is shown",
        },
    )


def _best(world: LendingWorld, numbers: Sequence[int], action: Callable[[int], Call]) -> float:
    """Run one transaction an account, a second between batches; return the best batch's µs a transaction."""
    best = float("inf")
    for start in range(0, len(numbers), BATCH):
        chosen = numbers[start : start + BATCH]
        transactions = [_transaction(world, number, [action(number)]) for number in chosen]
        overlay, batch = world.begin()
        began = time.perf_counter()
        for transaction in transactions:
            apply(overlay, transaction, batch)
        best = min(best, (time.perf_counter() - began) / len(chosen))
        world.store.write(overlay.writes)
    return best * 1e6


def _accrue(world: LendingWorld, markets: int) -> float:
    """Let every market but the first accrue a second's interest; return the best round's milliseconds."""
    best = float("inf")
    for _ in range(5):
        world.later(1)
        calls = [
            Call(account=account_name(0), contract=name, method="accrue", arguments=wire())
            for name in world.names[1:]
        ]
        transactions = [
            _transaction(world, 0, calls[start : start + ACCRUALS])
            for start in range(0, len(calls), ACCRUALS)
        ]
        before = world.store.values[f"{world.names[1]}!", "market"]
        overlay, batch = world.begin()
        began = time.perf_counter()
        for transaction in transactions:
            apply(overlay, transaction, batch)
        best = min(best, time.perf_counter() - began)
        world.store.write(overlay.writes)
        if world.store.values[f"{world.names[1]}!", "market"].borrowed <= before.borrowed:
            raise RuntimeError("no interest accrued")
    return best * 1e3


def _transaction(world: LendingWorld, sender: int, actions: Sequence[Action]) -> AuthenticTransaction:
    return authenticate(world.signed(actions, sender=sender), check_signatures=False)
