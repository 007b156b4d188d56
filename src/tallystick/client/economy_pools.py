"""The demonstration economy's pools: one of each kind, a route through them, and who trades there when.

    eur-gold   constant product    a bank's euro against gold in a vault
    eur-usd    concentrated        euro against a dollar that its issuer can freeze; two ranges of prices
    euro       stable              the euro of two institutions, which are worth the same while both pay
    route      gold into the other euro through two of them, in one call

People sell what is dear in a pool, so each price swings about its first one and no pool runs dry, whatever
the seed. The rule that must hold: **every trade carries its limit**, in the arguments and in `receive`, as a
person's would; what misses it would stop the seeding, not pass unseen.

Refused: quotes taken from the ledger. The economy is a stream of signed transactions that knows only what
came of the earlier ones; here the fair price is known, because these prices are made up.
"""

from collections.abc import Callable, Iterator
from math import isqrt
from random import Random
from typing import Any, Final, NamedTuple

from tallystick.client.arguments import encode_arguments
from tallystick.ledger import transactions as tx

EUR, USD, GOLD, COVE_EUR = "eur@bank", "usd@cove", "gold@vault", "eur@cove"
ROUTE: Final = "route"
MAKER: Final = "bank.treasury"
"""Who deploys the pools and provides most of their liquidity."""
RANGER: Final = "carol"
"""Who adds a narrow range to the concentrated pool, and leaves it again."""

PART_MAX: Final = 200
"""A trade is at most one part in so many of the pool's first reserve."""
_LOSS_BPS: Final = 400
"""How far below the first price a trade may end: the fee, the swing of the price and the trade's own part."""


class Pool(NamedTuple):
    """A pool by its name, its two assets, and what lies in it at first: equal values by its first price."""

    name: str
    assets: tuple[str, str]
    units: tuple[int, int]


POOLS: Final = (
    Pool("eur-gold", (EUR, GOLD), (3_975_000, 500_000)),
    Pool("eur-usd", (EUR, USD), (1_000_000, 1_080_000)),
    Pool("euro", (EUR, COVE_EUR), (2_000_000, 2_000_000)),
)
FUNDS: Final = {USD: {MAKER: 3_000_000, RANGER: 60_000}, GOLD: {MAKER: 600_000}, COVE_EUR: {MAKER: 3_000_000}}
"""What the providers need besides the euro that they have."""
_WIDE, _NARROW = (0, 1_500), (660, 900)
"""Ranges of ticks; the first price, 1.08 dollars for a euro, is at tick 769."""


def deployments() -> list[tx.Deploy]:
    """Return the pools and the route as actions of the maker."""
    first, second, third = POOLS
    sqrt_price = isqrt((second.units[1] << 192) // second.units[0])
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        (first.name, "constant_product_pool", {"asset_0": EUR, "asset_1": GOLD}),
        (
            second.name,
            "concentrated_liquidity_pool",
            {
                "asset_0": EUR,
                "asset_1": USD,
                "fee_ppm": 3_000,
                "tick_spacing": 60,
                "sqrt_price": sqrt_price,
            },
        ),
        (third.name, "stable_pool", {"assets": third.assets, "amplification": 100, "fee": 4_000_000}),
        (ROUTE, "route", {}),
    ]
    return [
        tx.Deploy(account=MAKER, contract=name, kind=kind, version=1, parameters=encode_arguments(parameters))
        for name, kind, parameters in kinds
    ]


def provisions() -> list[tx.Call]:
    """Return the first deposits."""
    first, second, third = POOLS
    wide = {"lower": _WIDE[0], "upper": _WIDE[1], "liquidity": 50_000_000}
    narrow = {"lower": _NARROW[0], "upper": _NARROW[1], "liquidity": 8_000_000}
    return [
        call(
            MAKER,
            first.name,
            "mint",
            {"units_0": first.units[0], "units_1": first.units[1]},
            spend=dict(zip(first.assets, first.units, strict=True)),
        ),
        call(MAKER, second.name, "mint", wide, spend={EUR: 2_000_000, USD: 2_500_000}),
        call(RANGER, second.name, "mint", narrow, spend={EUR: 60_000, USD: 60_000}),
        call(
            MAKER,
            third.name,
            "add_liquidity",
            {"units": list(third.units), "least_shares": 1},
            spend=dict(zip(third.assets, third.units, strict=True)),
        ),
    ]


def narrow_exit() -> tx.Call:
    """Return how the second provider leaves: everything, fees included, in one call."""
    lower, upper = _NARROW
    return call(RANGER, "eur-usd", "close", {"lower": lower, "upper": upper})


class Traders:
    """Who trades what, given what everybody has. `random` decides nothing but who and how much."""

    def __init__(self, random: Random, people: tuple[str, ...], has: Callable[[str, str], int]) -> None:
        self._random = random
        self._people = people
        self._has = has
        self._tilt = {pool.name: 0 for pool in POOLS}
        """By how much of its first asset each pool has more than at first."""

    def day(self) -> Iterator[tx.Call]:
        """Yield one trade in each pool, each built when the one before it is done."""
        for pool in POOLS:
            yield self._trade(pool)

    def one(self) -> tx.Call:
        """Return a trade in one of the pools, either way: what came of those before is not known here."""
        pool = self._random.choice(POOLS)
        self._tilt[pool.name] = self._random.choice((0, 1))
        return self._trade(pool)

    def routed(self) -> tx.Call:
        """Return a sale of gold for the other euro through two pools, in one call."""
        first, _, third = POOLS
        seller = self._holder(GOLD)
        units = min(self._has(seller, GOLD) // 4, first.units[1] // PART_MAX)
        self._tilt[first.name] -= units * first.units[0] // first.units[1]
        self._tilt[third.name] += units * first.units[0] // first.units[1]
        least = _less(units * first.units[0] // first.units[1])
        hops = [{"pool": first.name, "asset_out": EUR}, {"pool": third.name, "asset_out": COVE_EUR}]
        arguments = {
            "asset_in": GOLD,
            "asset_out": COVE_EUR,
            "paths": [{"units": units, "hops": hops}],
            "least_out": least,
        }
        return call(seller, ROUTE, "swap_exact_in", arguments, spend={GOLD: units}, receive={COVE_EUR: least})

    def _trade(self, pool: Pool) -> tx.Call:
        """Return somebody's sale of what the pool has less of than at first."""
        forward = self._tilt[pool.name] <= 0
        sold, bought = (0, 1) if forward else (1, 0)
        asset_in, asset_out = pool.assets[sold], pool.assets[bought]
        seller = self._holder(asset_in)
        most = min(self._has(seller, asset_in) // 4, pool.units[sold] // PART_MAX)
        units = self._random.randrange(most // 2, most + 1)
        least = _less(units * pool.units[bought] // pool.units[sold])
        self._tilt[pool.name] += units if forward else -(units * pool.units[bought] // pool.units[sold])
        arguments = {"asset_in": asset_in, "asset_out": asset_out, "units_in": units, "least_out": least}
        return call(
            seller,
            pool.name,
            "swap_exact_in",
            arguments,
            spend={asset_in: units},
            receive={asset_out: least},
        )

    def _holder(self, asset: str) -> str:
        """Return a person who has some of the asset worth a trade, else the maker, who has all of them."""
        able = [name for name in self._people if self._has(name, asset) >= 4_000]
        return self._random.choice(able) if able else MAKER


def _less(units: int) -> int:
    return units * (10_000 - _LOSS_BPS) // 10_000


def call(
    account: str,
    contract: str,
    method: str,
    arguments: dict[str, Any],
    *,
    spend: dict[str, int] | None = None,
    receive: dict[str, int] | None = None,
) -> tx.Call:
    return tx.Call(
        account=account,
        contract=contract,
        method=method,
        arguments=encode_arguments(arguments),
        spend=tuple((asset, str(units)) for asset, units in sorted((spend or {}).items())),
        receive=tuple((asset, str(units)) for asset, units in sorted((receive or {}).items())),
    )
