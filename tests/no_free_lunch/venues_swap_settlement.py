"""Swap settlement in the no-free-lunch property: legs at par, and half of each paid in."""

from typing import ClassVar

from tallystick.contracts.escrow import FUNDED, SwapSettlement
from tallystick.ledger.runtime import CallContext
from tests.contracts.market import Market
from tests.ledger.world import SECOND
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, wait, with_kinds
from tests.no_free_lunch.venues import PRICES, A, B

LOTS = 10
LEGS = (
    (ACTOR, OTHERS[0], A, 40_000),
    (OTHERS[0], ACTOR, B, 160_000),
    (OTHERS[0], OTHERS[1], A, 20_000),
    (OTHERS[1], OTHERS[0], B, 80_000),
    (OTHERS[1], ACTOR, A, 12_000),
    (ACTOR, OTHERS[1], B, 48_000),
)
"""Each pair of legs is worth the same both ways: one of A for four of B."""


def settlement(contract, *, kind="swap_settlement", **parameters):
    """Return a settlement among the actor and the others, in which half of what each owes lies already.

    `settle` is no move: the timer always comes first here. Late ones are in the contract's own tests.
    """

    def set_up(market: Market):
        legs = [dict(zip(("payer", "receiver", "asset", "units"), leg, strict=True)) for leg in LEGS]
        given = {"legs": legs, "deadline": market.world.time + 80_000 * SECOND, "funds": [A, B]} | parameters
        market.deploy(contract, kind, by=ACTOR, **given)
        for number, due in enumerate(market.view(contract, "dues")):
            spend = {due.asset: due.units}
            market.call(due.payer, contract, "fund", spend=spend, leg=number, units=due.units // 2)

    def pay(market, actor, number, units):
        dues = market.view(contract, "dues")
        spend = everything(market, actor, A, B)
        mine = [leg for leg, due in enumerate(dues) if due.payer == actor]
        leg = mine[number % len(mine)] if mine else 0
        return [call(actor, contract, "fund", spend=spend, leg=leg, **({"units": units} if units else {}))]

    def complete(market, actor, number, _):
        return pay(market, actor, number, 0)

    def refund(market, actor, number, _):
        dues = market.view(contract, "dues")
        return [call(actor, contract, "refund", leg=number % len(dues))]

    moves = {"pay": pay, "complete": complete, "refund": refund, "wait": wait}
    return Venue(contract=contract, set_up=set_up, moves=moves)


def setting(venue, **more):
    return Setting((venue,), prices={A: PRICES[A], B: PRICES[B]}, **more)


SETTINGS = {
    "swap settlement": setting(settlement("deal")),
    "swap settlement, in lots": setting(settlement("deal", lots=LOTS)),
}


# Planted bugs: the search must find each.


class RefundsTwice(SwapSettlement):
    """Forgets that it refunded a leg, and pays from what other legs paid in."""

    kind = "refunds_twice"
    tables: ClassVar = SwapSettlement.tables

    def _refund(self, ctx: CallContext, number: int) -> None:
        funded = ctx.get("funded", number)
        super()._refund(ctx, number)
        ctx.put("funded", number, value=funded)
        ctx.put("status", number, value=FUNDED)


class SettlesOneSidedly(SwapSettlement):
    """Pays on what is there for whoever pays it, but one party's own legs back to itself."""

    kind = "settles_one_sidedly"
    tables: ClassVar = SwapSettlement.tables

    def _settle(self, ctx: CallContext, lots: int) -> None:
        for number, due in enumerate(self._dues(ctx)):
            funded = ctx.get("funded", number) or 0
            ctx.put("status", number, value="released")
            ctx.put("funded", number, value=None)
            ctx.pay(due.receiver if due.payer != ctx.params.legs[0].payer else due.payer, due.asset, funded)


PLANTED = {
    f"swap settlement, {bug.kind}": setting(
        settlement("deal", kind=bug.kind, lots=LOTS), kinds=with_kinds(bug)
    )
    for bug in (RefundsTwice(), SettlesOneSidedly())
}
