"""Every kind of pool answers the calls of docs/contracts/pools.md alike."""

import json

import pytest

from tallystick.ledger.pools import Price, Turnover
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import Market
from tests.ledger.world import call, transfer
from tests.no_free_lunch.venues import ACTOR, CONCENTRATED, OTHERS, POOL, STABLE, new_market

VENUES = {"constant_product_pool": POOL, "concentrated_liquidity_pool": CONCENTRATED, "stable_pool": STABLE}


@pytest.fixture(params=VENUES)
def pool(request) -> "Pool":
    return Pool(VENUES[request.param])


class Pool:
    """A pool of some kind with liquidity; `x` and `y` are two of its assets."""

    def __init__(self, venue) -> None:
        self.market: Market = new_market([venue])
        self.id = venue.contract
        self.x, self.y = venue.trades[:2]
        self.sides = {"asset_in": self.x, "asset_out": self.y}

    def view(self, name, **arguments):
        return self.market.view(self.id, name, **arguments)

    def call(self, method, *, spend, **arguments):
        return self.market.call(ACTOR, self.id, method, spend=spend, **arguments)

    def refused(self, method, *, spend, **arguments):
        return self.market.refused(ACTOR, self.id, method, spend=spend, **arguments)


def test_assets_are_named_in_the_pools_order(pool):
    assert pool.view("assets")[:2] == [pool.x, pool.y]


@pytest.mark.parametrize("units", [10, 12_345, 400_000])
def test_a_quote_is_the_trade_for_an_exact_input(pool, units):
    quoted = pool.view("quote_exact_in", **pool.sides, units_in=units)
    trade = pool.sides | {"units_in": units}
    assert pool.refused("swap_exact_in", spend={pool.x: units}, **trade, least_out=quoted + 1)
    assert pool.refused("swap_exact_in", spend={pool.x: units - 1}, **trade, least_out=quoted).code is (
        Code.BUDGET_EXCEEDED
    )
    before = pool.market.balances(ACTOR)
    paid = pool.call(
        "swap_exact_in", spend={pool.x: units}, receive={pool.y: quoted}, **trade, least_out=quoted
    )
    after = pool.market.balances(ACTOR)
    assert (int(paid), after[pool.y] - before[pool.y], before[pool.x] - after[pool.x]) == (
        quoted,
        quoted,
        units,
    )


@pytest.mark.parametrize("units", [10, 12_345, 400_000])
def test_a_quote_is_the_trade_for_an_exact_output(pool, units):
    quoted = pool.view("quote_exact_out", **pool.sides, units_out=units)
    trade = pool.sides | {"units_out": units}
    assert pool.refused("swap_exact_out", spend={pool.x: quoted}, **trade, most_in=quoted - 1)
    before = pool.market.balances(ACTOR)
    taken = pool.call(
        "swap_exact_out", spend={pool.x: quoted}, receive={pool.y: units}, **trade, most_in=quoted
    )
    after = pool.market.balances(ACTOR)
    assert (int(taken), after[pool.y] - before[pool.y], before[pool.x] - after[pool.x]) == (
        quoted,
        units,
        quoted,
    )


def test_buying_what_a_sale_gives_costs_no_more_than_the_sale(pool):
    for units in (10, 999, 12_345):
        given = pool.view("quote_exact_in", **pool.sides, units_in=units)
        cost = pool.view("quote_exact_out", **pool.sides, units_out=given)
        assert cost <= units
        assert pool.view("quote_exact_in", **pool.sides, units_in=cost) >= given


@pytest.mark.parametrize(
    ("exact", "amount"), [("in", 0), ("in", -1), ("out", 0), ("out", -1), ("out", 1 << 120)]
)
def test_quote_and_trade_refuse_alike(pool, exact, amount):
    units, limit = {"in": ("units_in", "least_out"), "out": ("units_out", "most_in")}[exact]
    arguments = pool.sides | {units: amount}
    with pytest.raises(Rejection) as unquoted:
        pool.view(f"quote_exact_{exact}", **arguments)
    most = {"in": 0, "out": 1 << 127}[exact]
    spend = {pool.x: 10**11}
    assert pool.refused(f"swap_exact_{exact}", spend=spend, **arguments, **{limit: most}).code is (
        unquoted.value.code
    )
    assert unquoted.value.code is not Code.CONTRACT_FAULT


@pytest.mark.parametrize("wrong", ["same", "none", "issued here"])
def test_other_assets_are_refused(pool, wrong):
    other = {"same": pool.x, "none": "none@none", "issued here": f"share@{pool.id}"}[wrong]
    arguments = {"asset_in": pool.x, "asset_out": other}
    for name, more in (
        ("price", {}),
        ("quote_exact_in", {"units_in": 5}),
        ("quote_exact_out", {"units_out": 5}),
        ("depth", {"move_bps": 5}),
    ):
        with pytest.raises(Rejection) as refused:
            pool.view(name, **arguments, **more)
        assert refused.value.code.value.endswith(".wrong_asset"), (name, refused.value)
    assert pool.refused("flash", spend={}, units={"none@none": 5}).code.value.endswith(".wrong_asset")


def test_the_price_is_that_of_the_smallest_trade_and_falls_as_one_sells(pool):
    price: Price = pool.view("price", **pool.sides)
    back: Price = pool.view("price", asset_in=pool.y, asset_out=pool.x)
    fair = price.numerator / price.denominator
    assert fair * back.numerator / back.denominator == pytest.approx(1, rel=1e-4)
    assert pool.view("quote_exact_in", **pool.sides, units_in=10_000) == pytest.approx(
        fair * 10_000, rel=0.01
    )
    assert pool.view("quote_exact_in", **pool.sides, units_in=10_000) <= fair * 10_000
    pool.call("swap_exact_in", spend={pool.x: 400_000}, **pool.sides, units_in=400_000, least_out=1)
    after: Price = pool.view("price", **pool.sides)
    assert after.numerator / after.denominator < fair


def test_depth_moves_the_price_as_far_as_it_says(pool):
    price: Price = pool.view("price", **pool.sides)
    most = pool.view("depth", **pool.sides, move_bps=50)
    assert most > pool.view("depth", **pool.sides, move_bps=10) > 0
    with pool.market.forked():
        pool.call("swap_exact_in", spend={pool.x: most}, **pool.sides, units_in=most, least_out=1)
        after: Price = pool.view("price", **pool.sides)
    moved = 1 - after.numerator * price.denominator / (after.denominator * price.numerator)
    assert moved == pytest.approx(0.005, rel=0.02)


def test_a_plain_transfer_moves_no_price(pool):
    price, quote = pool.view("price", **pool.sides), {"units_in": 1_000}
    quoted = pool.view("quote_exact_in", **pool.sides, **quote)
    pool.market.world.do(ACTOR, transfer(ACTOR, (pool.x, pool.id, 10**6), (pool.y, pool.id, 777)))
    assert pool.view("price", **pool.sides) == price
    assert pool.view("quote_exact_in", **pool.sides, **quote) == quoted


def test_a_loan_is_repaid_by_what_flash_returns_and_by_no_unit_less(pool):
    world = pool.market.world

    def borrow(repaid):
        return world.do(
            ACTOR,
            call(ACTOR, pool.id, "flash", units={pool.x: 100_000}),
            call(ACTOR, pool.id, "repay", spend=[(pool.x, repaid)], units={pool.x: repaid}),
        ).results

    def refusal(repaid):
        with pool.market.forked():
            try:
                borrow(repaid)
            except Rejection as refused:
                return refused.code
        return None

    least = next(repaid for repaid in range(100_001, 101_000) if refusal(repaid) is None)
    assert refusal(least - 1) is Code.OBLIGATION_OPEN
    assert borrow(least) == [{pool.x: str(least)}, True]


def test_a_quoted_loan_is_the_loan_and_both_refuse_alike(pool):
    world, units = pool.market.world, {pool.x: 100_000}
    quoted = pool.view("quote_flash", units=units)
    results = world.do(
        ACTOR,
        call(ACTOR, pool.id, "flash", units=units),
        call(ACTOR, pool.id, "repay", spend=list(quoted.items()), units=quoted),
    ).results
    assert results == [{pool.x: str(quoted[pool.x])}, True]
    for wrong in ({}, {pool.x: 0}, {pool.x: -1}, {"gold@nobody": 5}, {pool.x: 10**30}):
        refused = pool.refused("flash", spend={}, units=wrong)
        with pytest.raises(Rejection) as quote:
            pool.view("quote_flash", units=wrong)
        assert quote.value.code is refused.code is not Code.CONTRACT_FAULT
        assert refused.facts


def test_there_is_nothing_to_repay_without_a_loan(pool):
    assert pool.refused("repay", spend={pool.x: 9}, units={pool.x: 9}).code is not Code.CONTRACT_FAULT


def test_calls_before_the_first_deposit_are_refused(pool):
    """A pool without liquidity lends and pays nothing, whatever is asked, and says so with a code."""
    market, empty = pool.market, f"{pool.id}-2"
    first = market.world.get("instance", pool.id)
    market.deploy(empty, first.kind, **json.loads(first.parameters))
    out_of_order = [
        ("swap_exact_in", pool.sides | {"units_in": 1_000, "least_out": 0}),
        ("swap_exact_out", pool.sides | {"units_out": 1_000, "most_in": 10**6}),
        ("flash", {"units": {pool.x: 1_000}}),
        ("repay", {"units": {pool.x: 1_000}}),
    ]
    for method, arguments in out_of_order:
        refused = market.refused(ACTOR, empty, method, spend={pool.x: 10**6}, **arguments)
        assert refused.code is not Code.CONTRACT_FAULT
        assert refused.code is not Code.ARGUMENTS_INVALID, refused
    assert market.view(empty, "exits", account=ACTOR) == []
    # The accepted neighbour: where there is liquidity, the same trade passes.
    pool.call("swap_exact_in", spend={pool.x: 1_000}, **pool.sides, units_in=1_000, least_out=0)


def test_nobody_leaves_with_what_is_anothers(pool):
    """The way out that a provider has is refused to an account that provided nothing."""
    market = pool.market
    market.world.open("stranger")
    [provider, *_] = [name for name in (ACTOR, *OTHERS) if pool.view("exits", account=name)]
    [way, *_] = pool.view("exits", account=provider)
    shares = dict(way.spend)
    refused = market.refused("stranger", pool.id, way.method, spend=shares, **way.arguments)
    assert refused.code is Code.INSUFFICIENT_BALANCE or refused.code.value.endswith("unknown_position")
    market.call(provider, pool.id, way.method, spend=shares, **way.arguments)


def test_turnover_counts_what_was_traded_today(pool):
    assert [day.volume_units for day in pool.view("turnover")][-1] == 0
    pool.call("swap_exact_in", spend={pool.x: 40_000}, **pool.sides, units_in=40_000, least_out=1)
    yesterday, today = pool.view("turnover")
    assert isinstance(today, Turnover)
    assert (yesterday.volume_units, today.day) == (0, yesterday.day + 1)
    assert today.volume_units == pytest.approx(40_000, rel=0.01)
    assert today.turnover_ppm == today.volume_units * 10**6 // today.held_units


def test_every_provider_leaves_by_the_calls_that_the_pool_names(pool):
    for provider in OTHERS:
        ways = pool.view("exits", account=provider)
        assert {way.asset for way in ways} >= {pool.x, pool.y}
        promised = {way.asset: way.units_now for way in ways}
        (one,) = {(way.method, str(way.arguments)): way for way in ways}.values()
        pool.market.call(provider, pool.id, one.method, spend=one.spend, receive=promised, **one.arguments)
        assert pool.view("exits", account=provider) == []


def test_the_pool_depends_on_its_assets_and_says_who_has_power(pool):
    assert set(pool.view("dependencies").assets) == set(pool.view("assets"))
    for power in pool.view("powers"):
        assert power.holder
        assert power.bound


def test_views_change_nothing(pool):
    before = dict(pool.market.world.store.values)
    pool.view("assets")
    pool.view("position", account=ACTOR)
    pool.view("positions", account=ACTOR)
    pool.view("turnover")
    pool.view("state")
    assert pool.market.world.store.values == before
