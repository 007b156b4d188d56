from typing import Any, ClassVar

import pytest

from tallystick.contracts.constant_product_pool import Refusal as PoolRefusal
from tallystick.contracts.route import HOPS_MAX, PATHS_MAX, Refusal
from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract, Record, method, view
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import transfer

A, B, C = (f"{code}@{ISSUER}" for code in "abc")
FUNDS = 10**15


class LiarParameters(Record, frozen=True):
    """How a hostile pool lies: it takes and gives these parts, in percent, of what it was asked for."""

    takes: int = 100
    gives: int = 100
    greedy: int = 0


class Liar(Contract):
    """Answers like a pool at a price of one, and keeps to nothing."""

    kind = "liar"
    version = 1
    Parameters = LiarParameters
    tables: ClassVar = {}

    @method
    def swap_exact_in(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int, least_out: int
    ) -> int:
        ctx.take(asset_in, units_in * ctx.params.takes // 100 + ctx.params.greedy)
        if ctx.params.gives:
            ctx.pay(ctx.caller, asset_out, units_in * ctx.params.gives // 100)
        return units_in

    @method
    def swap_exact_out(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int, most_in: int
    ) -> int:
        ctx.take(asset_in, units_out * ctx.params.takes // 100 + ctx.params.greedy)
        if ctx.params.gives:
            ctx.pay(ctx.caller, asset_out, units_out * ctx.params.gives // 100)
        return units_out

    @view
    def quote_exact_in(self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int) -> int:
        return units_in

    @view
    def quote_exact_out(self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int) -> int:
        return units_out


LIAR: Any = Liar()
HOSTILE_KINDS = Kinds(
    contracts={**KINDS.contracts, ("liar", 1): LIAR}, policies=KINDS.policies, versions=KINDS.versions
)


@pytest.fixture
def market():
    """Pools a-b (two of them) and b-c, a route, and a trader."""
    market = Market(accounts=("maker", "trader"), kinds=HOSTILE_KINDS)
    market.fund(FUNDS, A, B, C)
    market.deploy("route", "route")
    for pool, pair in (("ab", (A, B)), ("ab2", (A, B)), ("bc", (B, C))):
        market.deploy(pool, "constant_product_pool", asset_0=pair[0], asset_1=pair[1])
        market.call("maker", pool, "mint", spend=dict.fromkeys(pair, 10**9), units_0=10**9, units_1=10**9)
    return market


def path(units, *hops):
    return {"units": units, "hops": [{"pool": pool, "asset_out": asset} for pool, asset in hops]}


TWO_HOPS = (("ab", B), ("bc", C))
TO_C = {"asset_in": A, "asset_out": C}


def holds_nothing(market):
    return market.balances("route") == {}


def test_exact_in_through_two_pools_gives_what_the_pools_give_one_by_one(market):
    with market.forked():
        middle = market.view("ab", "quote_exact_in", asset_in=A, asset_out=B, units_in=10**6)
        expected = market.view("bc", "quote_exact_in", asset_in=B, asset_out=C, units_in=middle)
    trade = TO_C | {"paths": [path(10**6, *TWO_HOPS)]}
    assert market.view("route", "quote_exact_in", **trade) == expected == 992_032
    got = market.call(
        "trader",
        "route",
        "swap_exact_in",
        spend={A: 10**6},
        receive={C: expected},
        **trade,
        least_out=expected,
    )
    assert got == str(expected)
    assert market.balances("trader") == {A: FUNDS - 10**6, B: FUNDS, C: FUNDS + expected}
    assert holds_nothing(market)


def test_exact_out_costs_what_was_quoted_and_gives_exactly_that(market):
    trade = TO_C | {"paths": [path(10**6, *TWO_HOPS)]}
    cost = market.view("route", "quote_exact_out", **trade)
    assert market.call("trader", "route", "swap_exact_out", spend={A: cost}, **trade, most_in=cost) == str(
        cost
    )
    assert market.balances("trader") == {A: FUNDS - cost, B: FUNDS, C: FUNDS + 10**6}
    assert holds_nothing(market)


def test_a_split_gives_the_sum_of_its_paths(market):
    paths = [path(5 * 10**5, ("ab", B)), path(5 * 10**5, ("ab2", B))]
    got = market.call(
        "trader",
        "route",
        "swap_exact_in",
        spend={A: 10**6},
        asset_in=A,
        asset_out=B,
        paths=paths,
        least_out=0,
    )
    assert int(got) == 2 * 498_251
    one_path = market.view("ab", "quote_exact_in", asset_in=A, asset_out=B, units_in=10**6)
    assert one_path < int(got)


def test_exact_out_may_be_split_too(market):
    paths = [path(5 * 10**5, ("ab", B)), path(10**6, ("ab2", B))]
    trade = {"asset_in": A, "asset_out": B, "paths": paths}
    cost = market.view("route", "quote_exact_out", **trade)
    market.call("trader", "route", "swap_exact_out", spend={A: cost}, **trade, most_in=cost)
    assert market.balances("trader") == {A: FUNDS - cost, B: FUNDS + 15 * 10**5, C: FUNDS}


def test_limits_missed_by_one_are_refused(market):
    trade = TO_C | {"paths": [path(10**6, *TWO_HOPS)]}
    refused = market.refused("trader", "route", "swap_exact_in", spend={A: 10**6}, **trade, least_out=992_033)
    assert refused.facts == {"asset": C, "units": "992032", "least": "992033"}
    cost = market.view("route", "quote_exact_out", **trade)
    refused = market.refused("trader", "route", "swap_exact_out", spend={A: cost}, **trade, most_in=cost - 1)
    assert refused.facts == {"asset": A, "units": str(cost), "most": str(cost - 1)}
    refused = market.refused("trader", "route", "swap_exact_out", spend={A: cost - 1}, **trade, most_in=cost)
    assert refused.code is Code.BUDGET_EXCEEDED
    market.call("trader", "route", "swap_exact_out", spend={A: cost}, **trade, most_in=cost)


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        ([], Refusal.PATHS_INVALID),
        ([path(1)], Refusal.PATHS_INVALID),
        ([path(0, ("ab", B), ("bc", C))], Refusal.PATHS_INVALID),
        ([path(-1, ("ab", B), ("bc", C))], Refusal.PATHS_INVALID),
        ([path(9, ("ab", B))], Refusal.PATHS_INVALID),
        ([path(9, ("ab", A), ("bc", C))], Refusal.PATHS_INVALID),
        ([path(9, *[("ab", B)] * HOPS_MAX, ("bc", C))], Refusal.PATHS_INVALID),
        ([path(9, *TWO_HOPS)] * (PATHS_MAX + 1), Refusal.PATHS_INVALID),
        ([path(9, *TWO_HOPS), path(9, ("ab2", B), ("bc", C))], Refusal.POOL_REPEATED),
        ([path(9, ("bc", C))], PoolRefusal.WRONG_ASSET),
        ([path(9, ("none", C))], Code.UNKNOWN_CONTRACT),
        ([path(9, ("trader", C))], Code.UNKNOWN_CONTRACT),
        ([path(9, ("route", C))], Code.ARGUMENTS_INVALID),
        ([path(1, *TWO_HOPS)], PoolRefusal.OUTPUT_MISSING),
    ],
)
def test_routes_that_cannot_be_are_refused_as_quote_and_as_trade(market, paths, code):
    trade = TO_C | {"paths": paths}
    assert (
        market.refused("trader", "route", "swap_exact_in", spend={A: 99}, **trade, least_out=0).code is code
    )
    with pytest.raises(Rejection) as unanswered:
        market.view("route", "quote_exact_in", **trade)
    assert unanswered.value.code is code


def test_a_pool_that_refuses_undoes_the_hops_before_it(market):
    trade = TO_C | {"paths": [path(10**6, ("ab", B), ("none", C))]}
    refused = market.refused("trader", "route", "swap_exact_in", spend={A: 10**6}, **trade, least_out=0)
    assert refused.code is Code.UNKNOWN_CONTRACT


@pytest.mark.parametrize(
    ("lies", "code"),
    [
        ({}, None),
        ({"takes": 50}, Refusal.HOP_MISMATCH),
        ({"greedy": 1}, Code.BUDGET_EXCEEDED),
        ({"gives": 50}, Refusal.LIMIT_MISSED),
        ({"gives": 0}, Refusal.LIMIT_MISSED),
    ],
)
def test_a_hostile_pool_cheats_nobody(market, lies, code):
    market.deploy("liar", "liar", **lies)
    market.world.do("maker", transfer("maker", (B, "liar", 10**9)))
    trade = {"asset_in": A, "asset_out": B, "paths": [path(10**6, ("liar", B))], "least_out": 10**6}
    # Even where something was sent to the route by mistake, no hop can pass it off as its own.
    market.world.do("maker", transfer("maker", (A, "route", 10**7), (B, "route", 10**7)))
    if code is None:
        assert market.call("trader", "route", "swap_exact_in", spend={A: 10**6}, **trade) == "1000000"
    else:
        refused = market.refused("trader", "route", "swap_exact_in", spend={A: 10**6}, **trade)
        assert refused.code is code


@pytest.mark.parametrize("lies", [{"takes": 50}, {"gives": 50}, {"gives": 101}])
def test_a_hostile_pool_must_give_exactly_what_was_asked(market, lies):
    market.deploy("liar", "liar", **lies)
    market.world.do("maker", transfer("maker", (B, "liar", 10**9)))
    trade = {"asset_in": A, "asset_out": B, "paths": [path(10**6, ("liar", B))], "most_in": 10**6}
    refused = market.refused("trader", "route", "swap_exact_out", spend={A: 10**6}, **trade)
    assert refused.code is Refusal.HOP_MISMATCH


def test_what_lands_in_a_route_by_mistake_is_anyones_and_moves_no_trade(market):
    market.world.do("maker", transfer("maker", (B, "route", 500)))
    trade = TO_C | {"paths": [path(10**6, *TWO_HOPS)]}
    market.call("trader", "route", "swap_exact_in", spend={A: 10**6}, **trade, least_out=992_032)
    assert market.balances("route") == {B: 500}
    assert market.call("trader", "route", "skim", asset=B) == "500"
    assert market.refused("trader", "route", "skim", asset=B).code is Refusal.NOTHING_LEFT


def test_a_round_trip_is_a_route_like_any_other(market):
    paths = [path(10**6, ("ab", B), ("ab2", A))]
    got = market.call(
        "trader",
        "route",
        "swap_exact_in",
        spend={A: 10**6},
        asset_in=A,
        asset_out=A,
        paths=paths,
        least_out=1,
    )
    assert int(got) < 10**6


def test_a_flash_loan_pays_for_itself_through_a_route(market):
    """Borrow a, sell it where b is dear, buy it back where b is cheap, repay, and keep the rest."""
    from tests.ledger.world import call

    market.call(
        "maker",
        "ab2",
        "swap_exact_in",
        spend={B: 10**8},
        asset_in=B,
        asset_out=A,
        units_in=10**8,
        least_out=1,
    )
    market.deploy("lender", "constant_product_pool", asset_0=A, asset_1=C)
    market.call("maker", "lender", "mint", spend={A: 10**9, C: 10**9}, units_0=10**9, units_1=10**9)
    market.world.do("trader", transfer("trader", (A, "maker", FUNDS), (B, "maker", FUNDS)))
    round_trip = {"asset_in": A, "asset_out": A, "paths": [path(10**7, ("ab2", B), ("ab", A))]}
    receipt = market.world.do(
        "trader",
        call("trader", "lender", "flash", units={A: 10**7}),
        call("trader", "route", "swap_exact_in", spend=[(A, 10**7)], **round_trip, least_out=10**7),
        call("trader", "lender", "repay", spend=[(A, 10_030_091)], units={A: 10_030_091}),
    )
    gained = int(receipt.results[1]) - 10_030_091
    assert market.balances("trader") == {A: gained, C: FUNDS}
    assert gained > 1_000_000
