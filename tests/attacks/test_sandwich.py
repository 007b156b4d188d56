"""Sandwich: trade ahead of a victim, let its trade move the price further, and trade back.

Without a limit it pays, as the first test shows; what the victim signed bounds what it can cost, exactly.
"""

import pytest

from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"
POOL = "pool"
FUNDS = 10**12
VICTIMS = 10**7


@pytest.fixture
def market():
    market = Market(accounts=("maker", "victim", "mallory"))
    market.fund(FUNDS, X, Y)
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y)
    market.call("maker", POOL, "mint", spend={X: 10**9, Y: 10**9}, units_0=10**9, units_1=10**9)
    return market


def sale(who, units, *, least_out=0, receive=(), asset_in=X, asset_out=Y):
    return call(
        who,
        POOL,
        "swap_exact_in",
        spend=[(asset_in, units)],
        receive=receive,
        asset_in=asset_in,
        asset_out=asset_out,
        units_in=units,
        least_out=least_out,
    )


def sandwich(market, ahead, victims):
    """Play the attack around the victim's action; return what it gained, and the victim's refusal."""
    world = market.world
    got = int(world.do("mallory", sale("mallory", ahead)).results[0])
    refused = None
    try:
        world.do("victim", victims)
    except Rejection as rejection:
        refused = rejection
    world.do("mallory", sale("mallory", got, asset_in=Y, asset_out=X))
    assert world.balance("mallory", Y) == FUNDS
    return world.balance("mallory", X) - FUNDS, refused


def quoted(market):
    return market.view(POOL, "quote_exact_in", asset_in=X, asset_out=Y, units_in=VICTIMS)


def test_without_a_limit_the_attack_pays(market):
    fair = quoted(market)
    gained, refused = sandwich(market, 10**9, sale("victim", VICTIMS))
    assert refused is None
    assert gained > 0
    assert market.world.balance("victim", Y) - FUNDS < fair // 2


@pytest.mark.parametrize("guard", ["least_out", "receive"])
@pytest.mark.parametrize("ahead", [10**5, 10**6, 2 * 10**6, 10**7, 10**8, 10**9])
def test_the_victim_gets_its_limit_or_keeps_its_money(market, ahead, guard):
    least = quoted(market) * 995 // 1000
    limits = {"least_out": least} if guard == "least_out" else {"receive": [(Y, least)]}
    gained, refused = sandwich(market, ahead, sale("victim", VICTIMS, **limits))
    got = market.world.balance("victim", Y) - FUNDS
    if refused is None:
        assert got >= least
    else:
        assert refused.code.value in {"constant_product_pool.limit_missed", Code.RECEIVE_UNMET.value}
        assert (got, market.world.balance("victim", X)) == (0, FUNDS)
        assert gained < 0  # the attacker paid the pool's fee twice for nothing
    # What the attack can take is what the victim said it may: half a percent.
    assert gained <= VICTIMS * 5 // 1000


def test_the_limit_is_exact(market):
    """The victim takes part at what the attack leaves of its price, and not at one unit more."""
    with market.forked():
        market.world.do("mallory", sale("mallory", 10**6))
        moved = quoted(market)
    market.world.do("mallory", sale("mallory", 10**6))
    refused = market.world.refused("victim", sale("victim", VICTIMS, least_out=moved + 1))
    assert refused.facts["units"] == str(moved)
    market.world.do("victim", sale("victim", VICTIMS, least_out=moved))
