"""A lending market in the no-free-lunch property: everybody lends and borrows, nobody may be liquidated."""

from typing import Any

import msgspec

from tallystick.contracts.lending_market import LendingMarket, Moved, units_up
from tallystick.ledger.contract import method
from tallystick.ledger.rates import WAD, compounded
from tallystick.ledger.runtime import CallContext
from tallystick.ledger.transactions import Action
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call, transfer
from tests.no_free_lunch.harness import ACTOR, OTHERS, Move, Setting, Venue, everything, wait, with_kinds
from tests.no_free_lunch.venues import constant_product

LOAN, COLLATERAL = f"loan@{ISSUER}", f"coll@{ISSUER}"
PRICES = {LOAN: 1, COLLATERAL: 4}
ORACLE = "coll-price"
RATE = WAD // 10
OTHERS_OWE = 20_000
YEAR = 365 * 86_400


def deploy_oracle(market: Market) -> None:
    """Price the collateral at four, for as long as any search may wait."""
    market.deploy(
        ORACLE,
        "oracle",
        base=COLLATERAL,
        quote=LOAN,
        scale=1,
        sources=[{"name": "feed", "kind": "market", "window_seconds": 0, "reference": ""}],
        quorum=1,
        stale_seconds=10 * YEAR,
        spread_ppm_max=1,
    )
    market.call("feed", ORACLE, "report", value=4, observed=market.world.time)


def lending(contract: str, *, kind: str = "lending_market", **more: Any) -> Venue:
    """Return a market in which the actor lends most, and the others lend a little and owe a little."""

    def set_up(market: Market) -> None:
        parameters = {
            "loan": LOAN,
            "collateral": COLLATERAL,
            "oracle": ORACLE,
            "freshness_seconds": 10 * YEAR,
            "quorum": 1,
            "rate": {"type": "linear", "base": RATE, "slope": 0},
        }
        market.deploy(contract, kind, **(parameters | more))
        for who, units in ((ACTOR, 5 * 10**11), (OTHERS[0], 10**6), (OTHERS[1], 3_333_333)):
            market.call(who, contract, "supply", spend={LOAN: units}, units=units)
        for who in OTHERS:
            units = OTHERS_OWE // 2
            market.call(who, contract, "supply_collateral", spend={COLLATERAL: units}, units=units)
            market.call(who, contract, "borrow", units=units)

    def simple(name: str, *assets: str, argument: str = "units", scale: int = 1) -> Move:
        def move(market: Market, actor: str, number: int, _: int) -> list[Action]:
            spend = everything(market, actor, *assets)
            return [call(actor, contract, name, spend=spend, **{argument: number * scale})]

        return move

    def remove(market: Market, actor: str, number: int, which: int) -> list[Action]:
        spend = everything(market, actor, f"share@{contract}")
        amount = {"units": number} if which % 2 else {"shares": number * 1_000}
        return [call(actor, contract, "withdraw", spend=spend, **amount)]

    def nibble(market: Market, actor: str, shares: int, times: int) -> list[Action]:
        spend = everything(market, actor, f"share@{contract}")
        return [
            call(actor, contract, "withdraw", spend=spend, shares=shares % 999 + 1)
            for _ in range(times % 12 + 1)
        ]

    def to_and_fro(market: Market, actor: str, units: int, times: int) -> list[Action]:
        """Borrow and repay the same, several times over: crumbs add up."""
        spend = everything(market, actor, LOAN)
        pair = [
            call(actor, contract, "borrow", units=units % 97 + 1),
            call(actor, contract, "repay", spend=spend, units=units % 97 + 1),
        ]
        return pair * (times % 6 + 1)

    def seize(market: Market, actor: str, number: int, which: int) -> list[Action]:
        spend = everything(market, actor, LOAN)
        borrower = (ACTOR, *OTHERS)[which % 3]
        amount = {"seized": number} if which % 2 else {"shares": number * 1_000}
        return [call(actor, contract, "liquidate", spend=spend, borrower=borrower, **amount)]

    def give(market: Market, actor: str, units: int, which: int) -> list[Action]:
        asset = (LOAN, COLLATERAL, f"share@{contract}")[which % 3]
        return [transfer(actor, (asset, contract, units))]

    def skim(market: Market, actor: str, _: int, which: int) -> list[Action]:
        return [call(actor, contract, "skim", asset=(LOAN, COLLATERAL)[which % 2])]

    def paid_by_time(market: Market, seconds: int) -> dict[str, int]:
        # What the others' debts grow by; the actor's own is paid by itself.
        return {LOAN: OTHERS_OWE * compounded(RATE // YEAR, seconds) // WAD + 2}

    moves: dict[str, Move] = {
        "add": simple("supply", LOAN),
        "add_shares": simple("supply", LOAN, argument="shares", scale=1_000),
        "remove": remove,
        "nibble": nibble,
        "pledge": simple("supply_collateral", COLLATERAL),
        "release": simple("withdraw_collateral"),
        "borrow": simple("borrow"),
        "repay": simple("repay", LOAN),
        "repay_shares": simple("repay", LOAN, argument="shares", scale=1_000),
        "to_and_fro": to_and_fro,
        "give": give,
        "skim": skim,
        "wait": wait,
    }
    if kind != "lending_market":
        moves["seize"] = seize  # refused by a sound market: nobody is unhealthy
    return Venue(contract=contract, set_up=set_up, moves=moves, paid_by_time=paid_by_time)


def setting(*venues: Venue, **more: Any) -> Setting:
    return Setting(venues, PRICES, set_up=deploy_oracle, accounts=("feed",), **more)


POOL = constant_product("pool", assets=(COLLATERAL, LOAN))
SETTINGS = {
    "lending": setting(lending("loans")),
    "lending, with a fee": setting(lending("loans", fee=WAD // 4, fee_account=OTHERS[0])),
    "lending beside a pool": setting(POOL, lending("loans")),
}


# Planted bugs: the search must find each.


class PaysUp(LendingMarket):
    """Pays shares rounded up."""

    kind = "pays_up"

    @method
    def withdraw(self, ctx: CallContext, units: int = 0, shares: int = 0) -> Moved:
        """Pay what shares are worth, rounded the wrong way."""
        if units:
            return super().withdraw(ctx, units)
        market, total = self._accrue(ctx)
        units = units_up(shares, market.supplied, total)
        ctx.burn(self._share(ctx), shares)
        ctx.put("market", value=type(market)(market.supplied - units, *_rest(market)))
        ctx.pay(ctx.caller, ctx.params.loan, units)
        return Moved(units, shares)


def _rest(market: Any) -> tuple[int, ...]:
    return msgspec.structs.astuple(market)[1:]


class LiquidatesAnyone(LendingMarket):
    """Lets anybody seize collateral from under a healthy debt."""

    kind = "liquidates_anyone"

    def _check_unhealthy(self, *_: Any) -> None:
        """Ask nothing."""


PLANTED = {
    f"lending, {bug.kind}": setting(lending("loans", kind=bug.kind), kinds=with_kinds(bug))
    for bug in (PaysUp(), LiquidatesAnyone())
}
