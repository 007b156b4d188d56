"""Rewards in the no-free-lunch property: time pays at the stream's rate, and nothing else does."""

from typing import ClassVar

from tallystick.contracts import rewards
from tallystick.contracts.rewards import ONE, Earned, Rewards
from tests.contracts.market import Market
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, wait, with_kinds
from tests.no_free_lunch.venues import A, B, method_move, repeated

RATE = 1_000
"""Units of the reward each second, for a month: longer than any sequence of moves waits."""
MONTH = 31 * 86_400


def staking(contract, *, kind="rewards", **parameters):
    def set_up(market: Market):
        reward = {"asset": B, "distributor": OTHERS[0], "duration_seconds": MONTH}
        market.deploy(contract, kind, stake_asset=A, rewards=[reward], **parameters)
        for who in (*OTHERS, ACTOR):
            market.call(who, contract, "stake", spend={A: 10_007}, units=10_007)
        spend = {B: RATE * MONTH}
        market.call(OTHERS[0], contract, "notify", spend=spend, asset=B, units=RATE * MONTH)

    def stake(market, actor, units, _):
        return [call(actor, contract, "stake", spend=everything(market, actor, A), units=units)]

    def withdraw(market, actor, units, _):
        return [call(actor, contract, "withdraw", units=units)]

    return Venue(
        contract=contract,
        set_up=set_up,
        moves={
            "add": stake,
            "withdraw": withdraw,
            "nibble": repeated(withdraw),
            "claim": method_move(contract, "claim"),
            "exit": method_move(contract, "exit"),
            "wait": wait,
        },
        paid_by_time=lambda market, seconds: {B: RATE * seconds},
    )


class PaysTwice(Rewards):
    """Forgets that it paid a claim when the claimant has left."""

    kind = "pays_twice"
    tables: ClassVar = Rewards.tables

    def _claim(self, ctx, asset):
        before = ctx.get("earned", ctx.caller, asset) or Earned()
        units = super()._claim(ctx, asset)
        if not ctx.get("stake", ctx.caller):
            ctx.put("earned", ctx.caller, asset, value=before)
        return units


class EarnsAtOnce(Rewards):
    """Credits a new stake with all that a unit of stake earned before it came."""

    kind = "earns_at_once"
    tables: ClassVar = Rewards.tables

    def _settle(self, ctx, account):
        super()._settle(ctx, account)
        if not ctx.get("stake", account):
            for reward in ctx.params.rewards:
                row = ctx.get("earned", account, reward.asset)
                ctx.put("earned", account, reward.asset, value=rewards.replace(row, paid=row.paid - ONE))


PRICES = {A: 1, B: 1}
SETTINGS = {
    "rewards": Setting((staking("staking"),), prices=PRICES),
    "rewards, without carry": Setting((staking("staking", carry=False),), prices=PRICES),
}
PLANTED = {
    "rewards, pays twice": Setting(
        (staking("staking", kind="pays_twice"),), prices=PRICES, kinds=with_kinds(PaysTwice())
    ),
    "rewards, earns at once": Setting(
        (staking("staking", kind="earns_at_once"),), prices=PRICES, kinds=with_kinds(EarnsAtOnce())
    ),
}
