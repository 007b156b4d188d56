"""The harness itself: time that pays as said is no free lunch, a unit more is, and debts are left first."""

from collections import Counter
from typing import ClassVar

import pytest

from tallystick.ledger.amounts import MICROSECONDS
from tallystick.ledger.contract import Contract, Exit, Position, Record, Table, method, view
from tallystick.ledger.runtime import CallContext
from tests.no_free_lunch.harness import (
    ACTOR,
    OTHERS,
    FreeLunch,
    Setting,
    Venue,
    check_no_free_lunch,
    leave,
    wait,
    wealth,
    with_kinds,
)
from tests.no_free_lunch.venues import A, B, method_move


class Fountain(Contract):
    """Pays the caller seven units for every second since its last payment."""

    kind, version = "fountain", 1
    tables: ClassVar = {"paid": Table(key=(), value=int)}

    def deploy(self, ctx: CallContext) -> None:
        ctx.put("paid", value=ctx.time)

    @method
    def draw(self, ctx: CallContext) -> int:
        units = 7 * (ctx.time - ctx.get("paid")) // MICROSECONDS
        ctx.put("paid", value=ctx.time)
        ctx.pay(ctx.caller, A, units)
        return units


class Pawn(Contract):
    """Holds 90 of A for 40 of B that the account owes; gives it back once that is repaid."""

    kind, version = "pawn", 1

    class Parameters(Record, frozen=True):
        """Whose pawn it is."""

        borrower: str

    tables: ClassVar = {"owed": Table(key=(), value=int), "kept": Table(key=(), value=int)}

    @method
    def begin(self, ctx: CallContext) -> None:
        ctx.take(A, 90)
        ctx.pay(ctx.caller, B, 40)
        ctx.put("owed", value=40)
        ctx.put("kept", value=90)

    @method
    def repay(self, ctx: CallContext, units: int) -> None:
        ctx.take(B, units)
        ctx.put("owed", value=ctx.get("owed") - units or None)

    @method
    def redeem(self, ctx: CallContext) -> None:
        assert not ctx.get("owed")
        ctx.pay(ctx.caller, A, ctx.get("kept"))
        ctx.put("kept", value=None)

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        if account != ctx.params.borrower:
            return []
        kept, owed = ctx.get("kept") or 0, ctx.get("owed") or 0
        return [Position(A, kept), Position(B, owed, owed=True)] if kept else []

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        if account != ctx.params.borrower or not ctx.get("kept"):
            return []
        owed = ctx.get("owed")
        if owed:
            return [Exit("repay", {"units": owed}, B, 0, spend={B: owed}), Exit("redeem", {}, A, 0)]
        return [Exit("redeem", {}, A, ctx.get("kept"))]


def fountain(most_per_second: int) -> Setting:
    def set_up(market):
        market.deploy("fountain", "fountain")
        market.world.mint(A, fountain=10**9)

    venue = Venue(
        "fountain",
        set_up,
        {"draw": method_move("fountain", "draw"), "wait": wait},
        paid_by_time=lambda market, seconds: {A: most_per_second * seconds},
    )
    return Setting((venue,), {A: 1}, kinds=with_kinds(Fountain()))


DRAW_TWICE = [((0, "wait"), 100, 1), ((0, "draw"), 1, 1), ((0, "wait"), 50, 1), ((0, "draw"), 1, 1)]


def test_what_time_may_pay_is_no_free_lunch():
    setting = fountain(7)
    assert check_no_free_lunch(setting.market(), setting, DRAW_TWICE) == {"fountain.draw": 2}


def test_more_than_time_may_pay_is_one():
    setting = fountain(6)
    with pytest.raises(FreeLunch, match="100"):
        check_no_free_lunch(setting.market(), setting, DRAW_TWICE)


def pawn() -> Setting:
    def set_up(market):
        market.deploy("pawn", "pawn", borrower=ACTOR)
        market.world.mint(B, pawn=40)
        market.call(ACTOR, "pawn", "begin", spend={A: 90})

    return Setting((Venue("pawn", set_up, {}),), {A: 1, B: 2}, funds=1_000, kinds=with_kinds(Pawn()))


def test_a_debt_counts_below_zero():
    setting = pawn()
    market = setting.market()
    assert market.balances(ACTOR) == {A: 910, B: 1_040}
    assert wealth(market, ACTOR, setting.venues) == {A: 1_000, B: 1_000}
    assert wealth(market, OTHERS[0], setting.venues) == {A: 1_000, B: 1_000}


def test_a_debt_is_repaid_before_its_collateral_leaves():
    setting = pawn()
    market = setting.market()
    assert leave(market, ACTOR, setting.venues[0]) == Counter({A: 90})
    assert market.balances(ACTOR) == {A: 1_000, B: 1_000}
