"""The pools' settings of the no-free-lunch property, and the moves that every pool and share has.

`SETTINGS` are searched; `PLANTED` are the same with a bug in a contract, which the search must find.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tallystick.contracts.concentrated_liquidity_pool import Amounts, ConcentratedLiquidityPool
from tallystick.contracts.constant_product_pool import ConstantProductPool, Liquidity
from tallystick.contracts.stable_pool import StablePool
from tallystick.ledger.contract import method, replace
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext
from tallystick.ledger.transactions import Action
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call, transfer
from tests.no_free_lunch.harness import ACTOR, OTHERS, Move, Setting, Venue, everything, wait, with_kinds

A, B, C, D = (f"{code}@{ISSUER}" for code in "abcd")
PRICES = {A: 4, B: 1, C: 1, D: 1}
"""What each asset is worth where these pools stand at first."""
FUNDS = Setting.funds


def new_market(venues: Sequence[Venue], **more: Any) -> Market:
    """Return the market of a setting with these venues."""
    return Setting(tuple(venues), PRICES, **more).market()


# What any pool offers.


def pool_moves(contract: str, assets: tuple[str, ...]) -> dict[str, Move]:
    """Return the moves that the pool interface gives, and the ones around it: gifts, loans, time."""

    def pair(number: int) -> dict[str, str]:
        first = number % len(assets)
        second = (first + 1 + number // len(assets) % (len(assets) - 1)) % len(assets)
        return {"asset_in": assets[first], "asset_out": assets[second]}

    def sell(market: Market, actor: str, units: int, which: int) -> list[Action]:
        sides = pair(which)
        spend = everything(market, actor, sides["asset_in"])
        return [call(actor, contract, "swap_exact_in", spend=spend, **sides, units_in=units, least_out=0)]

    def buy(market: Market, actor: str, units: int, which: int) -> list[Action]:
        sides = pair(which)
        spend = everything(market, actor, sides["asset_in"])
        return [call(actor, contract, "swap_exact_out", spend=spend, **sides, units_out=units, most_in=FUNDS)]

    def borrow(market: Market, actor: str, units: int, repaid: int) -> list[Action]:
        asset = assets[units % len(assets)]
        spend = everything(market, actor, asset)
        paid = max(units - units // 50 - 2 + repaid % (units // 25 + 5), 0)
        return [
            call(actor, contract, "flash", units={asset: units}),
            call(actor, contract, "repay", spend=spend, units={asset: paid}),
        ]

    def give(market: Market, actor: str, units: int, which: int) -> list[Action]:
        return [transfer(actor, (assets[which % len(assets)], contract, units))]

    return {
        "sell": sell,
        "crumble": repeated(sell),
        "buy": buy,
        "borrow": borrow,
        "give": give,
        "wait": wait,
    }


def method_move(contract: str, method: str, **arguments: Any) -> Move:
    """Return the move of a method whose arguments are always the same, and which takes nothing."""

    def move(market: Market, actor: str, _: int, __: int) -> list[Action]:
        return [call(actor, contract, method, **arguments)]

    return move


def remove_shares(contract: str, *, scale: int = 1, **more: Any) -> Move:
    """Return the move that removes some of the actor's shares, `scale` for one."""
    share = f"share@{contract}"

    def move(market: Market, actor: str, shares: int, _: int) -> list[Action]:
        spend = everything(market, actor, share)
        return [call(actor, contract, "remove_liquidity", spend=spend, shares=shares * scale, **more)]

    return move


def repeated(move: Move) -> Move:
    """Return the move with a small number, made several times in one transaction: crumbs add up."""

    def play(market: Market, actor: str, number: int, times: int) -> list[Action]:
        return [
            action for _ in range(times % 12 + 1) for action in move(market, actor, number % 9 + 1, times)
        ]

    return play


# Constant-product pools.


def constant_product(
    contract: str,
    *,
    assets: tuple[str, str] = (A, B),
    reserves: tuple[int, int] = (10**7, 4 * 10**7),
    kind: str = "constant_product_pool",
    **parameters: Any,
) -> Venue:
    """Return a constant-product pool with two other providers and the actor: a third each, exactly."""

    def set_up(market: Market) -> None:
        market.deploy(contract, kind, asset_0=assets[0], asset_1=assets[1], **parameters)
        for provider in (*OTHERS, ACTOR):
            units = {"units_0": reserves[0], "units_1": reserves[1]}
            spend = dict(zip(assets, reserves, strict=True))
            market.call(provider, contract, "mint", spend=spend, **units)

    def mint(market: Market, actor: str, units_0: int, units_1: int) -> list[Action]:
        spend = everything(market, actor, *assets)
        return [call(actor, contract, "mint", spend=spend, units_0=units_0, units_1=units_1)]

    def add(market: Market, actor: str, most_0: int, most_1: int) -> list[Action]:
        spend = everything(market, actor, *assets)
        return [call(actor, contract, "add_liquidity", spend=spend, most_0=most_0, most_1=most_1)]

    def swap(market: Market, actor: str, units_in: int, number: int) -> list[Action]:
        """Ask for a little more or less than the quote, from either side, some of it in kind."""
        side = number % 2
        sides = {"asset_in": assets[side], "asset_out": assets[1 - side]}
        try:
            fair = market.view(contract, "quote_exact_in", **sides, units_in=units_in)
        except Rejection:
            fair = 0
        back = number // 2 % 3
        amounts = {
            f"in_{side}": units_in + back,
            f"in_{1 - side}": 0,
            f"out_{side}": back,
            f"out_{1 - side}": max(fair + number // 6 % 5 - 1, 0),
        }
        return [call(actor, contract, "swap", spend=everything(market, actor, *assets), **amounts)]

    moves: Mapping[str, Move] = {
        **pool_moves(contract, assets),
        "mint": mint,
        "add": add,
        "remove": remove_shares(contract),
        "nibble": repeated(remove_shares(contract)),
        "swap": swap,
        "sync": method_move(contract, "sync"),
        "skim": method_move(contract, "skim"),
    }
    return Venue(contract=contract, set_up=set_up, moves=moves, trades=assets)


# Concentrated-liquidity pools.


def concentrated(
    contract: str,
    *,
    assets: tuple[str, str] = (B, C),
    kind: str = "concentrated_liquidity_pool",
    **parameters: Any,
) -> Venue:
    """Return a concentrated-liquidity pool at a price of one, with two other providers."""
    spacing = 60

    def set_up(market: Market) -> None:
        market.deploy(
            contract,
            kind,
            asset_0=assets[0],
            asset_1=assets[1],
            tick_spacing=spacing,
            sqrt_price=1 << 96,
            **parameters,
        )
        spend = dict.fromkeys(assets, FUNDS // 2)
        for provider, width in zip(OTHERS, (200, 4), strict=True):
            ticks = {"lower": -width * spacing, "upper": width * spacing}
            market.call(provider, contract, "mint", spend=spend, **ticks, liquidity=10**8)

    def ticks(number: int) -> dict[str, int]:
        lower = number % 7 - 3
        return {"lower": lower * spacing, "upper": (lower + 1 + number // 7 % 3) * spacing}

    def mint(market: Market, actor: str, liquidity: int, which: int) -> list[Action]:
        spend = everything(market, actor, *assets)
        return [call(actor, contract, "mint", spend=spend, **ticks(which), liquidity=liquidity)]

    def burn(market: Market, actor: str, liquidity: int, which: int) -> list[Action]:
        return [call(actor, contract, "burn", **_own_ticks(market, actor, which), liquidity=liquidity)]

    def collect(market: Market, actor: str, _: int, which: int) -> list[Action]:
        return [call(actor, contract, "collect", **_own_ticks(market, actor, which))]

    def _own_ticks(market: Market, actor: str, which: int) -> dict[str, int]:
        """Return a range that the actor has, if any."""
        own = market.view(contract, "position", account=actor)
        if not own:
            return ticks(which)
        chosen = own[which % len(own)]
        return {"lower": chosen.lower, "upper": chosen.upper}

    moves: Mapping[str, Move] = {
        **pool_moves(contract, assets),
        "mint": mint,
        "burn": burn,
        "nibble": repeated(burn),
        "collect": collect,
    }
    return Venue(contract=contract, set_up=set_up, moves=moves, trades=assets)


# Stable pools.

STABLE_SHARE = 10**18
"""The shares that one unit of an asset without decimals is worth: shares count with 18 decimals."""


def stable(
    contract: str, *, assets: tuple[str, ...] = (B, C, D), kind: str = "stable_pool", **parameters: Any
) -> Venue:
    """Return a balanced stable pool with two other providers and the actor."""

    def set_up(market: Market) -> None:
        market.deploy(contract, kind, assets=list(assets), amplification=100, **parameters)
        units = [3 * 10**6] * len(assets)
        spend = dict(zip(assets, units, strict=True))
        for provider in (*OTHERS, ACTOR):
            market.call(provider, contract, "add_liquidity", spend=spend, units=units, least_shares=0)

    def spread(units: int, number: int) -> list[int]:
        """Return amounts of each asset: some of them, all, or one."""
        return [units if number >> index & 1 else 0 for index in range(len(assets))]

    def add(market: Market, actor: str, units: int, which: int) -> list[Action]:
        spend = everything(market, actor, *assets)
        amounts = spread(units, which)
        return [call(actor, contract, "add_liquidity", spend=spend, units=amounts, least_shares=0)]

    def remove_units(market: Market, actor: str, units: int, which: int) -> list[Action]:
        spend = everything(market, actor, f"share@{contract}")
        arguments = {"units": spread(units, which), "most_shares": FUNDS * STABLE_SHARE}
        return [call(actor, contract, "remove_units", spend=spend, **arguments)]

    def remove_one(market: Market, actor: str, shares: int, which: int) -> list[Action]:
        spend = everything(market, actor, f"share@{contract}")
        arguments = {"shares": shares * STABLE_SHARE // 100, "asset": assets[which % len(assets)], "least": 0}
        return [call(actor, contract, "remove_one", spend=spend, **arguments)]

    moves: Mapping[str, Move] = {
        **pool_moves(contract, assets),
        "add": add,
        "remove": remove_shares(contract, scale=STABLE_SHARE // 100, least=[0] * len(assets)),
        "nibble": repeated(remove_one),
        "remove_units": remove_units,
        "remove_one": remove_one,
    }
    if "admin" not in parameters:  # With an admin, a surplus is the admin's.
        moves = {**moves, "sync": method_move(contract, "sync")}
    return Venue(contract=contract, set_up=set_up, moves=moves, trades=assets)


# A route through pools.


def route(contract: str, hops: Mapping[tuple[str, str], str]) -> Venue:
    """Return a route that trades over two hops: `hops` maps (asset in, asset out) to a pool."""

    def paths(number: int) -> tuple[str, str, list[dict[str, str]]]:
        ways = [
            (first[0], second[1], [(pool, first[1]), (other, second[1])])
            for first, pool in sorted(hops.items())
            for second, other in sorted(hops.items())
            if first[1] == second[0] and pool != other
        ]
        asset_in, asset_out, steps = ways[number % len(ways)]
        return asset_in, asset_out, [{"pool": pool, "asset_out": asset} for pool, asset in steps]

    def move(method: str, limit: dict[str, int]) -> Move:
        def play(market: Market, actor: str, units: int, which: int) -> list[Action]:
            asset_in, asset_out, steps = paths(which)
            arguments = {
                "asset_in": asset_in,
                "asset_out": asset_out,
                "paths": [{"units": units, "hops": steps}],
                **limit,
            }
            return [call(actor, contract, method, spend=everything(market, actor, asset_in), **arguments)]

        return play

    return Venue(
        contract=contract,
        set_up=lambda market: market.deploy(contract, "route"),
        moves={
            "exact_in": move("swap_exact_in", {"least_out": 0}),
            "exact_out": move("swap_exact_out", {"most_in": FUNDS}),
        },
    )


# Loans from several pools.


def loan(contract: str, asset: str, lenders: Sequence[str]) -> Venue:
    """Return a flash-loan contract that borrows from two of the lenders and repays about what it owes."""

    def borrow(market: Market, actor: str, units: int, number: int) -> list[Action]:
        parts = [{"pool": pool, "units": units} for pool in (lenders[number % len(lenders)], lenders[0])]
        parts = parts[: 1 + (parts[0] != parts[1])]
        try:
            owed = market.view(contract, "quote", asset=asset, parts=parts)
        except Rejection:
            return []
        back = [{"pool": one.pool, "units": one.units + number // 7 % 3 - 1} for one in owed]
        spend = everything(market, actor, asset)
        return [
            call(actor, contract, "borrow", asset=asset, parts=parts, most_owed=FUNDS),
            call(actor, contract, "repay", spend=spend, asset=asset, parts=back),
        ]

    def give(market: Market, actor: str, units: int, _: int) -> list[Action]:
        return [transfer(actor, (asset, contract, units))]

    return Venue(
        contract=contract,
        set_up=lambda market: market.deploy(contract, "flash_loan"),
        moves={"borrow": borrow, "give": give, "skim": method_move(contract, "skim", asset=asset)},
    )


POOL = constant_product("pool")
FREE_POOL = constant_product("free", fee_bps=0, reserves=(7_000, 28_000))
FEE_POOL = constant_product("shared", assets=(B, C), protocol_fee_to=OTHERS[0], reserves=(10**6, 10**6))
CONCENTRATED = concentrated("ticks", fee_ppm=3_000)
FREE_CONCENTRATED = concentrated("free-ticks", fee_ppm=0)
STABLE = stable("stable", fee=4_000_000, admin=OTHERS[0], admin_fee=5_000_000_000)
FREE_STABLE = stable("free-stable", fee=0)
ROUTE = route(
    "route",
    {(A, B): "pool", (B, A): "free", (B, C): "shared", (C, B): "ticks", (C, D): "stable", (D, C): "stable"},
)
LOAN = loan("loan", B, ("shared", "ticks"))
SETTINGS: dict[str, Setting] = {
    name: Setting(venues, PRICES)
    for name, venues in {
        "constant product": (POOL,),
        "constant product, no fee": (FREE_POOL,),
        "constant product, protocol fee": (FEE_POOL,),
        "concentrated": (CONCENTRATED,),
        "concentrated, no fee": (FREE_CONCENTRATED,),
        "stable": (STABLE,),
        "stable, no fee": (FREE_STABLE,),
        "loans from two pools": (FEE_POOL, CONCENTRATED, LOAN),
        "several pools and a route": (POOL, FREE_POOL, FEE_POOL, CONCENTRATED, STABLE, ROUTE),
    }.items()
}


# Planted bugs: the search must find each.


class OneTooMany(ConstantProductPool):
    """Rounds what it pays for an exact input up, and trusts itself."""

    kind = "one_too_many"

    def _amount_out(self, ctx, pool, asset_in, asset_out, units_in):
        return super()._amount_out(ctx, pool, asset_in, asset_out, units_in) + 1

    def _products(self, ctx, pool, flow):
        return 1, 0


class WrongFee(ConstantProductPool):
    """Scales one side of its check by another fee base: what lost Uranium Finance 57 million dollars."""

    kind = "wrong_fee"

    def _products(self, ctx, pool, flow):
        product, least = super()._products(ctx, pool, flow)
        return product, least * 99 // 100


class RoundsUp(ConstantProductPool):
    """Pays a removal rounded up."""

    kind = "rounds_up"
    tables: ClassVar = ConstantProductPool.tables

    @method
    def remove_liquidity(
        self, ctx: CallContext, shares: int, least_0: int = 0, least_1: int = 0
    ) -> Liquidity:
        """Burn shares for their part, rounded up."""
        pool = ctx.get("pool")
        supply = ctx.supply(f"share@{ctx.this}")
        units_0 = -(-shares * pool.reserve_0 // supply)
        units_1 = -(-shares * pool.reserve_1 // supply)
        ctx.burn(f"share@{ctx.this}", shares)
        self._update(ctx, pool, pool.reserve_0 - units_0, pool.reserve_1 - units_1, resets_k=True)
        ctx.pay(ctx.caller, ctx.params.asset_0, units_0)
        ctx.pay(ctx.caller, ctx.params.asset_1, units_1)
        return Liquidity(shares, units_0, units_1)


class FreeLoans(ConstantProductPool):
    """Forgives loans that are repaid without the fee, and a little more than that."""

    kind = "free_loans"

    def _products(self, ctx, pool, flow):
        product, least = super()._products(ctx, pool, flow)
        return (product, least) if not flow.out_0 or not flow.in_0 else (product, product // 2)


class GenerousBurn(ConcentratedLiquidityPool):
    """Owes two units more of each asset than the liquidity that was burned is worth."""

    kind = "generous_burn"
    tables: ClassVar = ConcentratedLiquidityPool.tables

    @method
    def burn(self, ctx: CallContext, lower: int, upper: int, liquidity: int) -> Amounts:
        """Burn, and owe two more."""
        amounts = super().burn(ctx, lower, upper, liquidity)
        stake = ctx.get("position", ctx.caller, lower, upper)
        more = replace(stake, owed_0=stake.owed_0 + 2, owed_1=stake.owed_1 + 2)
        ctx.put("position", ctx.caller, lower, upper, value=more)
        return amounts


class StableRoundsUp(StablePool):
    """Pays a removal rounded up."""

    kind = "stable_rounds_up"
    tables: ClassVar = StablePool.tables

    @method
    def remove_liquidity(self, ctx: CallContext, shares: int, least: list[int]) -> list[int]:
        """Burn shares for their part, rounded up."""
        pool, supply = ctx.get("pool"), ctx.supply(f"share@{ctx.this}")
        units = [-(-reserve * shares // supply) for reserve in pool.reserves]
        left = tuple(reserve - paid for reserve, paid in zip(pool.reserves, units, strict=True))
        self._remove(ctx, pool, shares, units, left)
        return units


def planted(bug: ConstantProductPool) -> Setting:
    """Return the setting of a pool with that bug, and nothing else that could lose by it."""
    venue = constant_product("pool", kind=bug.kind, reserves=(7_000, 28_000), fee_bps=0)
    return Setting((venue,), PRICES, kinds=with_kinds(bug))


PLANTED: dict[str, Setting] = {
    **{bug.kind: planted(bug) for bug in (OneTooMany(), WrongFee(), RoundsUp(), FreeLoans())},
    GenerousBurn.kind: Setting(
        (concentrated("ticks", kind=GenerousBurn.kind, fee_ppm=0),), PRICES, kinds=with_kinds(GenerousBurn())
    ),
    StableRoundsUp.kind: Setting(
        (stable("stable", kind=StableRoundsUp.kind, fee=0),), PRICES, kinds=with_kinds(StableRoundsUp())
    ),
}
