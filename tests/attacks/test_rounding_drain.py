"""Rounding drain: repeat what is too small to be rounded fairly until the crumbs add up."""

from itertools import product
from math import isqrt

import pytest

from tallystick.contracts.constant_product_pool import amount_in, amount_out
from tallystick.ledger.rejections import Rejection
from tests.ledger.world import call
from tests.no_free_lunch.harness import ACTOR, leave
from tests.no_free_lunch.venues import (
    CONCENTRATED,
    FREE_CONCENTRATED,
    FREE_POOL,
    FREE_STABLE,
    POOL,
    PRICES,
    STABLE,
    everything,
    new_market,
)

VENUES = {
    venue.contract: venue for venue in (POOL, FREE_POOL, CONCENTRATED, FREE_CONCENTRATED, STABLE, FREE_STABLE)
}


def worth(owned):
    """Return what the wallet is worth at the prices at which all venues stand at first."""
    return sum(owned.get(asset, 0) * price for asset, price in PRICES.items())


@pytest.fixture(params=VENUES)
def venue(request):
    return VENUES[request.param]


@pytest.mark.parametrize("fee_bps", [0, 1, 30])
def test_no_small_trade_lowers_the_product_in_any_small_pool(fee_bps):
    """Every pool of 2 to 40 units a side, every input of 1 to 40: exhaustive where it is smallest."""
    for reserve_in, reserve_out, units in product(range(2, 41), range(2, 41), range(1, 41)):
        pool = {"reserve_in": reserve_in, "reserve_out": reserve_out, "fee_bps": fee_bps}
        given = amount_out(units, **pool)
        assert (reserve_in + units) * (reserve_out - given) >= reserve_in * reserve_out
        if units < reserve_out:
            cost = amount_in(units, **pool)
            assert (reserve_in + cost) * (reserve_out - units) >= reserve_in * reserve_out
            assert amount_out(cost, **pool) >= units
        if given:
            assert amount_in(given, **pool) <= units + 1


@pytest.mark.parametrize("units", [1, 2, 3, 7])
@pytest.mark.parametrize("exact", ["in", "out"])
def test_tiny_trades_back_and_forth_only_cost(venue, units, exact):
    market = new_market([venue])
    x, y = venue.trades[:2]
    before = market.balances(ACTOR)
    limit = {"in": {"least_out": 0}, "out": {"most_in": 10**6}}[exact]
    went = 0
    for turn in range(120):
        asset_in, asset_out = (x, y) if turn % 2 == 0 else (y, x)
        arguments = {"asset_in": asset_in, "asset_out": asset_out, f"units_{exact}": units, **limit}
        spend = everything(market, ACTOR, asset_in)
        action = call(ACTOR, venue.contract, f"swap_exact_{exact}", spend=spend, **arguments)
        try:
            market.world.do(ACTOR, action)
        except Rejection:
            continue
        went += 1
        assert worth(market.balances(ACTOR)) <= worth(before)
    assert went >= 30 or units < 5  # dust may buy nothing at all, and is then refused


@pytest.mark.parametrize("units", [1, 2, 3, 5, 17])
def test_tiny_deposits_and_removals_only_cost(units):
    """Deposit a little and take it out by single steps; and never may a share lose backing."""
    market = new_market([FREE_POOL])
    x, y = FREE_POOL.trades
    pool, share = FREE_POOL.contract, f"share@{FREE_POOL.contract}"
    before = market.balances(ACTOR)

    def backing():
        row = market.view(pool, "state")
        supply = -market.world.balance(pool, share)
        return isqrt(row.reserve_0 * row.reserve_1 * 10**40) // supply

    last = backing()
    for turn in range(120):
        try:
            if turn % 4 == 0:
                spend = [(x, units), (y, 4 * units)]
                arguments = {"units_0": units, "units_1": 4 * units}
                market.world.do(ACTOR, call(ACTOR, pool, "mint", spend=spend, **arguments))
            else:
                shares = max(units * 2 // 3, 1)
                spend = [(share, shares)]
                market.world.do(ACTOR, call(ACTOR, pool, "remove_liquidity", spend=spend, shares=shares))
        except Rejection:
            continue
        now = backing()
        assert now >= last
        last = now
    shares = market.balances(ACTOR)[share] - before[share]
    changes = [market.balances(ACTOR)[asset] - before[asset] for asset in (x, y)]
    assert not (shares >= 0 and min(changes) >= 0 and (shares > 0 or max(changes) > 0))


def test_joining_and_leaving_at_once_never_pays(venue):
    market = new_market([venue])
    name = "mint" if "mint" in venue.moves else "add"
    with market.forked():
        leave(market, ACTOR, venue)
        idle = market.balances(ACTOR)
    for units in (1, 2, 3, 10, 999, 123_457):
        with market.forked():
            try:
                market.world.do(ACTOR, *venue.moves[name](market, ACTOR, units, units))
            except Rejection:
                continue
            leave(market, ACTOR, venue)
            assert worth(market.balances(ACTOR)) <= worth(idle)
