"""A fund in the no-free-lunch property: its value stands still, and waiting settles its windows."""

from collections import Counter
from typing import ClassVar

from tallystick.contracts.fund import Fund
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import replace
from tests.contracts import feeds
from tests.contracts.market import Market
from tests.ledger.world import SECOND, deploy
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, with_kinds
from tests.no_free_lunch.venues import A, repeated

CUSTODIAN, ORACLE, FUND = "custodian", "unit-value", "fund"
UNIT = f"unit@{FUND}"
WINDOW_SECONDS, SETTLE_SECONDS = 600, 300
YEAR = 365 * 86_400


def fund(*, kind="fund", **more):
    """Return a fund whose unit is worth two and a half of its cash, so that every second one is rounded."""

    def set_up(market: Market):
        parameters = {
            "cash": A,
            "obligor": "custodian-ag",
            "custodian": CUSTODIAN,
            "oracle": ORACLE,
            "owes": "XAU",
            "window_seconds": WINDOW_SECONDS,
            "settle_seconds": SETTLE_SECONDS,
            "freshness_seconds": 10 * YEAR,
            "quorum": 2,
        } | more
        founded = tx.FoundInstitution(account=CUSTODIAN, name="custodian-ag", roles=("custodian",))
        market.world.do(CUSTODIAN, founded)
        deployed = tx.Deploy(
            account=CUSTODIAN,
            contract=FUND,
            kind=kind,
            version=1,
            parameters=deploy(CUSTODIAN, FUND, kind, **parameters).parameters,
            obligor="custodian-ag",
        )
        market.world.do(CUSTODIAN, deployed)
        feeds.deploy_oracle(market, ORACLE, base=UNIT, quote=A, stale_seconds=10 * YEAR)
        for who in (*OTHERS, ACTOR):
            window = int(market.call(who, FUND, "subscribe", spend={A: 250_000}, units=250_000))
        close(market, window)
        for who in (*OTHERS, ACTOR):
            market.call(who, FUND, "claim", window=window)

    def close(market, window):
        """Let the window close, attest the value, and settle it as the custodian."""
        market.world.time = max(market.world.time, (window + 1) * WINDOW_SECONDS * SECOND) + 1
        feeds.report(market, ORACLE, *[feeds.SCALE * 5 // 2] * 3)
        spend = dict(everything(market, CUSTODIAN, A))
        market.call(CUSTODIAN, FUND, "settle", spend=spend, window=window, reference="instruction")

    def wait(market, actor, number, _):
        """Let the oldest window that is open or closed be settled, or fall overdue every fourth time."""
        pending = [one for one in market.view(FUND, "requests", account=actor) if one.status != "claimable"]
        if pending and number % 4:
            close(market, pending[0].window)
        else:
            market.world.wait(WINDOW_SECONDS + SETTLE_SECONDS)
        return []

    def subscribe(market, actor, units, _):
        return [call(actor, FUND, "subscribe", spend=everything(market, actor, A), units=units)]

    def redeem(market, actor, units, _):
        return [call(actor, FUND, "redeem", spend=everything(market, actor, UNIT), units=units)]

    def claim(market, actor, _, which):
        told = market.view(FUND, "requests", account=actor)
        return [call(actor, FUND, "claim", window=told[which % len(told)].window)] if told else []

    def cancel(market, actor, number, which):
        told = market.view(FUND, "requests", account=actor)
        if not told:
            return []
        one = told[which % len(told)]
        parts = {"subscribed": min(number, one.subscribed), "redeeming": min(number, one.redeeming)}
        parts = {part: units for part, units in parts.items() if units}
        return [call(actor, FUND, "cancel", window=one.window, **parts)]

    return Venue(
        contract=FUND,
        set_up=set_up,
        moves={
            "add": subscribe,
            "crumble": repeated(subscribe),
            "redeem": redeem,
            "nibble": repeated(redeem),
            "claim": claim,
            "cancel": cancel,
            "wait": wait,
        },
        wealth=inside,
    )


def inside(market: Market, account: str) -> Counter[str]:
    """Return what lies in windows: cash and units of the fund, as `positions` says."""
    owned: Counter[str] = Counter()
    for position in market.view(FUND, "positions", account=account):
        owned[position.asset] += position.units
    return owned


def setting(venue, **more):
    return Setting((venue,), prices={A: 2}, issued={UNIT: 5}, accounts=(CUSTODIAN,), **more)


SETTINGS = {
    "fund": setting(fund()),
    "fund, gated": setting(fund(gate_ppm=50_000)),
}


# Planted bugs: the search must find each.


class PaysOneMore(Fund):
    """Pays a window's redemptions one unit of cash more than they are worth."""

    kind = "fund_pays_one_more"
    tables: ClassVar = Fund.tables

    def _settled(self, ctx, row, value):
        settled = super()._settled(ctx, row, value)
        return replace(settled, paid=settled.paid + 1) if settled.paid else settled


class ForgetsItsValue(Fund):
    """Sells units at a value two fifths below what is attested."""

    kind = "fund_sells_cheaply"
    tables: ClassVar = Fund.tables

    def _settled(self, ctx, row, value):
        cheap = replace(value, numerator=value.numerator * 3, denominator=value.denominator * 5)
        sold = super()._settled(ctx, row, cheap)
        told = super()._settled(ctx, row, value)
        return replace(told, units=sold.units, numerator=sold.numerator, denominator=sold.denominator)


PLANTED = {
    f"fund, {bug.kind}": setting(fund(kind=bug.kind), kinds=with_kinds(bug))
    for bug in (PaysOneMore(), ForgetsItsValue())
}
