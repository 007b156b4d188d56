"""The demonstration economy's prices and loans: who says what gold is worth, and who borrows against it.

    gold-price   an oracle: the bank as a market feed, the vault's institution, and the average of a pool
    gold-loans   euro lent against gold at half of its worth, at a rate that bends where four fifths are lent
    gold-sales   lots of gold sold at a price that falls until somebody takes them

Two borrow against their gold; a price that falls by a twelfth for a day liquidates the one who borrowed close
to the limit, and not the other, who repays. The rule that must hold: **every call carries its limit**, as a
person's would; what misses it would stop the seeding, not pass unseen.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from tallystick.client.arguments import contract_of, encode_arguments, parameters_shape
from tallystick.client.economy_credit import Deed
from tallystick.client.economy_pools import EUR, GOLD, MAKER, POOLS, call
from tallystick.ledger import transactions as tx
from tallystick.ledger.rates import RAY, WAD

ORACLE, MARKET, SALES = "gold-price", "gold-loans", "gold-sales"
SHARE: Final = f"share@{MARKET}"
FEED, CUSTODIAN, INSTITUTION = "bank", "vault", "stonegate-vault"
SCALE: Final = 1_000_000
PRICE: Final = POOLS[0].units[0] * SCALE // POOLS[0].units[1]
"""What a milligram of gold is worth in cents, over the scale: the pool's first price."""
FALLEN: Final = PRICE * 92 // 100
TWO_DAYS: Final = 2 * 86_400
SUPPLIED: Final = 1_500_000

Has = Callable[[str, str], int]


def contracts() -> Iterator[Deed]:
    """Yield the deployments, by whoever makes the pools."""
    sources: list[dict[str, Any]] = [
        {"name": FEED, "kind": "market", "reference": "gold fixing"},
        {"name": INSTITUTION, "kind": "institution", "reference": "vault desk"},
        {"name": POOLS[0].name, "kind": "pool", "window_seconds": 3_600},
    ]
    oracle = {
        "base": GOLD,
        "quote": EUR,
        "scale": SCALE,
        "sources": sources,
        "quorum": 2,
        "stale_seconds": TWO_DAYS,
        "spread_ppm_max": 50_000,
    }
    needs = {"oracle": ORACLE, "freshness_seconds": TWO_DAYS, "quorum": 2}
    rate = {"type": "jump", "base": WAD // 100, "slope": WAD // 25, "jump": WAD, "kink": WAD * 4 // 5}
    market = {"loan": EUR, "collateral": GOLD, "rate": rate, "fee": WAD // 10, "fee_account": "bank"}
    sales = {
        "lot": GOLD,
        "money": EUR,
        "fall": {"type": "linear", "seconds": 1_200},
        "start_factor": RAY * 6 // 5,
        "restart_seconds": 900,
        "restart_fraction": RAY // 2,
        "least_due": 1_000,
        "tip": 50,
    }
    for name, kind, parameters in (
        (ORACLE, "oracle", oracle),
        (MARKET, "lending_market", market | needs),
        (SALES, "dutch_liquidation", sales | needs),
    ):
        yield Deed(MAKER, (_deploy(name, kind, parameters),))
    supply = call(
        MAKER, MARKET, "supply", {"units": SUPPLIED}, spend={EUR: SUPPLIED}, receive={SHARE: SUPPLIED}
    )
    yield Deed(MAKER, (supply,))


class Lending:
    """Who borrows what when: two people, found by how much gold they have."""

    def __init__(self, people: tuple[str, ...], has: Has) -> None:
        self._people = people
        self._has = has
        self._borrowers: list[tuple[str, int, int]] = []
        """(who, collateral, loan) in the order of borrowing."""

    def day(self, number: int, now: int) -> Iterator[Deed]:
        """Yield what this day has in store."""
        price = FALLEN if number == 16 else PRICE
        for account in (FEED, CUSTODIAN):
            yield Deed(account, (call(account, ORACLE, "report", {"value": price, "observed": now}),))
        match number:
            case 1:
                yield self._borrow(percent=44)
            case 13:
                yield self._borrow(percent=48)
            case 16:
                yield self._liquidate()
            case 20:
                yield from self._repay()
            case 21:
                yield from self._sale()
            case 25:
                yield self._withdraw()
            case 27:
                yield Deed("bank", (call("bank", MARKET, "collect", {}, receive={SHARE: 1}),))

    def _richest(self, asset: str, *others: str) -> str:
        """Return who has most of an asset, the first by name among equals."""
        names = [name for name in self._people if name not in others]
        return min(names, key=lambda name: (-self._has(name, asset), name))

    def _borrow(self, *, percent: int) -> Deed:
        who = self._richest(GOLD, *(borrower for borrower, _, _ in self._borrowers))
        collateral = self._has(who, GOLD) // 2
        units = min(collateral * PRICE // SCALE * percent // 100, SUPPLIED // 3)
        self._borrowers.append((who, collateral, units))
        return Deed(
            who,
            (
                call(who, MARKET, "supply_collateral", {"units": collateral}, spend={GOLD: collateral}),
                call(who, MARKET, "borrow", {"units": units}, receive={EUR: units}),
            ),
        )

    def _liquidate(self) -> Deed:
        borrower, _, loan = self._borrowers[-1]
        keeper = self._richest(EUR, borrower)
        most = min(self._has(keeper, EUR) // 2, loan)
        arguments = {"borrower": borrower, "most_repaid": most}
        least = most * SCALE // PRICE
        seizing = call(keeper, MARKET, "liquidate_most", arguments, spend={EUR: most}, receive={GOLD: least})
        return Deed(keeper, (seizing,))

    def _repay(self) -> Iterator[Deed]:
        """Let the first borrower repay half, if it has so much, and take out most of what that frees."""
        who, collateral, loan = self._borrowers[0]
        units = min(self._has(who, EUR) * 3 // 4, loan // 2)
        yield Deed(who, (call(who, MARKET, "repay", {"units": units}, spend={EUR: units}),))
        freed = collateral * units // loan * 3 // 4
        out = call(who, MARKET, "withdraw_collateral", {"units": freed}, receive={GOLD: freed})
        yield Deed(who, (out,))

    def _sale(self) -> Iterator[Deed]:
        """Sell two grams until 150 euro are paid; somebody takes them a few minutes later."""
        offer = {"lot": 2_000, "due": 15_000, "owner": MAKER, "keeper": CUSTODIAN, "reserve": 100}
        yield Deed(MAKER, (call(MAKER, SALES, "start", offer, spend={GOLD: 2_000, EUR: 100}),))
        taker = self._richest(EUR)
        take = {"sale": 1, "most_units": 2_000, "most_price": 10 * RAY}
        bought = call(taker, SALES, "take", take, spend={EUR: 15_000}, receive={GOLD: 1_500})
        yield Deed(taker, (bought,))

    def _withdraw(self) -> Deed:
        units = SUPPLIED // 10
        spend = {SHARE: self._has(MAKER, SHARE)}
        return Deed(
            MAKER, (call(MAKER, MARKET, "withdraw", {"units": units}, spend=spend, receive={EUR: units}),)
        )


def _deploy(name: str, kind: str, parameters: dict[str, Any]) -> tx.Deploy:
    raw = encode_arguments(parameters, parameters_shape(contract_of(kind)))
    return tx.Deploy(account=MAKER, contract=name, kind=kind, version=1, parameters=raw)
