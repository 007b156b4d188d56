"""A distribution in the no-free-lunch property: what is split again is what the actor itself paid in."""

from typing import ClassVar

from tallystick.contracts.distribution import Distribution
from tallystick.ledger.contract import method, replace
from tallystick.ledger.runtime import CallContext
from tests.contracts.market import Market
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, wait, with_kinds
from tests.no_free_lunch.venues import A, method_move, repeated, transfer

ATTESTOR = "attestor"
PPM = 1_000_000


def distribution(contract, *, kind="distribution", half_life_seconds=0, cap_ppm=PPM):
    """Return a distribution whose three contributors have credits, and of which nothing is left to split."""

    def set_up(market: Market):
        rules = {
            "attestors": [ATTESTOR],
            "quorum": 1,
            "half_life_seconds": half_life_seconds,
            "cap_ppm": cap_ppm,
        }
        market.deploy(contract, kind, asset=A, rules=rules)
        for who in (*OTHERS, ACTOR):
            given = {"contributor": who, "weight": 10**9, "reference": f"work-{who}"}
            market.call(ATTESTOR, contract, "attest", **given)
        market.call(OTHERS[0], contract, "pay_in", spend={A: 300_000}, units=300_000)
        market.call(OTHERS[0], contract, "split")

    def pay_in(market, actor, units, _):
        return [call(actor, contract, "pay_in", spend=everything(market, actor, A), units=units)]

    def withdraw(market, actor, units, _):
        return [call(actor, contract, "withdraw", units=units)]

    def give(market, actor, units, _):
        return [transfer(actor, (A, contract, units))]

    return Venue(
        contract=contract,
        set_up=set_up,
        moves={
            "add": pay_in,
            "give": give,
            "withdraw": withdraw,
            "nibble": repeated(withdraw),
            "split": method_move(contract, "split"),
            "sync": method_move(contract, "sync"),
            "wait": wait,
        },
    )


def setting(venue, **more):
    return Setting((venue,), prices={A: 1}, accounts=(ATTESTOR,), **more)


SETTINGS = {
    "distribution": setting(distribution("pot")),
    "distribution, fading and capped": setting(
        distribution("pot", half_life_seconds=86_400, cap_ppm=333_334)
    ),
}


# Planted bugs: the search must find each.


class PaysCreditsTwice(Distribution):
    """Forgets that it paid a credit."""

    kind = "pays_credits_twice"
    tables: ClassVar = Distribution.tables

    @method
    def withdraw(self, ctx: CallContext, units: int) -> int:
        """Pay, and leave the credit as it was."""
        left = super().withdraw(ctx, units)
        ctx.put("credit", ctx.caller, value=left + units)
        return left


class CreditsAreIncome(Distribution):
    """Counts what is credited to others as income, whenever it is synced."""

    kind = "credits_are_income"
    tables: ClassVar = Distribution.tables

    @method
    def sync(self, ctx: CallContext) -> int:
        """Count all that is here as income."""
        book = self._book(ctx)
        surplus = ctx.balance(ctx.params.asset) - book.income
        ctx.put("book", value=replace(book, income=book.income + surplus))
        return surplus


PLANTED = {
    f"distribution, {bug.kind}": setting(distribution("pot", kind=bug.kind), kinds=with_kinds(bug))
    for bug in (PaysCreditsTwice(), CreditsAreIncome())
}
