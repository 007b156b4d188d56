import pytest

from tallystick.client.routing import (
    Hop,
    NoRoute,
    find_paths,
    pools_by_assets,
    quote_exact_in,
    quote_exact_out,
    route_call,
)
from tallystick.ledger.rejections import Rejection
from tests.contracts.market import ISSUER, Market

A, B, C, D = (f"{code}@{ISSUER}" for code in "abcd")
FUNDS = 10**18


@pytest.fixture
def market():
    """A direct pool a-c, a cheaper way over b, and a thin one over d."""
    market = Market(accounts=("maker", "trader"))
    market.fund(FUNDS, A, B, C, D)
    market.deploy("route", "route")
    for pool, pair, depth in (
        ("ac", (A, C), 10**9),
        ("ab", (A, B), 10**9),
        ("bc", (B, C), 10**9),
        ("ad", (A, D), 10**6),
        ("dc", (D, C), 10**6),
    ):
        market.deploy(pool, "constant_product_pool", asset_0=pair[0], asset_1=pair[1])
        market.call("maker", pool, "mint", spend=dict.fromkeys(pair, depth), units_0=depth, units_1=depth)
    return market


def pools(market):
    return pools_by_assets(market.view, ["ac", "ab", "bc", "ad", "dc", "route"])


def best(market, search, **amount):
    return search(market.view, pools(market), asset_in=A, asset_out=C, **amount)


def test_what_does_not_answer_as_a_pool_is_no_pool(market):
    assert set(pools(market)) == {"ac", "ab", "bc", "ad", "dc"}


def test_paths_visit_no_asset_and_no_pool_twice(market):
    assert find_paths(pools(market), A, C) == [
        (Hop("ac", C),),
        (Hop("ab", B), Hop("bc", C)),
        (Hop("ad", D), Hop("dc", C)),
    ]
    assert find_paths(pools(market), A, C, hops_max=1) == [(Hop("ac", C),)]
    # Three hops exist where the third asset leads on.
    assert (Hop("ab", B), Hop("bc", C), Hop("dc", D)) in find_paths(pools(market), A, D)


def test_a_small_trade_takes_the_one_best_path(market):
    quote = best(market, quote_exact_in, units_in=1_000)
    assert quote.paths == ((1_000, (Hop("ac", C),)),)
    assert quote.units_out == 996


def test_a_large_trade_is_split_and_beats_every_single_path(market):
    units = 3 * 10**8
    quote = best(market, quote_exact_in, units_in=units)
    assert len(quote.paths) > 1
    assert sum(part for part, _ in quote.paths) == units
    single = market.view("ac", "quote_exact_in", asset_in=A, asset_out=C, units_in=units)
    assert quote.units_out > single * 105 // 100


def test_the_split_is_as_good_as_trying_every_split(market):
    """Two ways, a thousand divisions: none does better by more than the last part that the search moves."""
    units = 10**8
    known = {name: assets for name, assets in pools(market).items() if name in ("ac", "ab", "bc")}
    quote = quote_exact_in(market.view, known, asset_in=A, asset_out=C, units_in=units)

    def swapped(part):
        return part * 997 * 10**9 // (10**12 + part * 997) if part else 0

    tried = [swapped(units * k // 1000) + swapped(swapped(units - units * k // 1000)) for k in range(1001)]
    assert quote.units_out >= max(tried)
    assert quote.units_out <= max(tried) * (1 + 1e-5)


@pytest.mark.parametrize("units", [1_000, 10**6, 3 * 10**8])
def test_the_ledger_gives_what_was_quoted(market, units):
    for search, amount in ((quote_exact_in, {"units_in": units}), (quote_exact_out, {"units_out": units})):
        quote = best(market, search, **amount)
        with market.forked():
            market.world.do("trader", route_call(quote, account="trader", route="route", slippage_bps=0))
            assert market.balances("trader")[A] == FUNDS - quote.units_in
            assert market.balances("trader")[C] == FUNDS + quote.units_out


@pytest.mark.parametrize("exact_in", [True, False])
def test_slippage_is_what_the_ledger_lets_through_and_not_a_unit_more(market, exact_in):
    search, amount = (quote_exact_in, "units_in") if exact_in else (quote_exact_out, "units_out")
    quote = best(market, search, **{amount: 10**6})
    action = route_call(quote, account="trader", route="route", slippage_bps=50)
    with market.forked():
        market.world.do("trader", action)
    sale = {"asset_in": A, "asset_out": C, "least_out": 1}
    market.call("maker", "ac", "swap_exact_in", spend={A: 10**8}, units_in=10**8, **sale)
    with pytest.raises(Rejection):
        market.world.do("trader", action)


def test_an_amount_that_only_a_split_can_bear_is_found(market):
    units = 12 * 10**8  # the direct pool has 10, the way over b can give 5
    quote = best(market, quote_exact_out, units_out=units)
    assert len(quote.paths) == 2
    assert sum(part for part, _ in quote.paths) == units


@pytest.mark.parametrize("units", [0, 3 * 10**9])
def test_no_route_says_so(market, units):
    with pytest.raises(NoRoute):
        best(market, quote_exact_out, units_out=units)
    with pytest.raises(NoRoute):
        quote_exact_in(market.view, {}, asset_in=A, asset_out=C, units_in=1_000)


@pytest.mark.parametrize("slippage_bps", [-1, 10_001])
def test_slippage_outside_its_range_is_refused(market, slippage_bps):
    with pytest.raises(ValueError, match="slippage"):
        best(market, quote_exact_in, units_in=1_000).limit(slippage_bps)
