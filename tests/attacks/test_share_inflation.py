"""Share inflation: be the first provider, hold one share, donate until a share is worth more than the victim
brings, and let rounding give the victim nothing for it.
"""

import pytest

from tallystick.contracts.constant_product_pool import Refusal
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import transfer

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"
POOL, SHARE = "pool", "share@pool"
FUNDS = 10**12


@pytest.fixture
def market():
    market = Market(accounts=("mallory", "victim"))
    market.fund(FUNDS, X, Y)
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y)
    return market


def deposit(market, who, units, **limits):
    return market.call(who, POOL, "mint", spend={X: units, Y: units}, units_0=units, units_1=units, **limits)


def inflate(market, gift):
    """Found the pool with as little as it takes and donate."""
    deposit(market, "mallory", 1_001)
    assert market.world.balance("mallory", SHARE) == 1
    market.world.do("mallory", transfer("mallory", (X, POOL, gift), (Y, POOL, gift)))


def withdraw_all(market, who):
    shares = market.world.balance(who, SHARE)
    if shares:
        market.call(who, POOL, "remove_liquidity", spend={SHARE: shares}, shares=shares)


@pytest.mark.parametrize("victims_units", [10**3, 10**6, 10**9])
@pytest.mark.parametrize("gift", [10**3, 10**6, 10**9, 10**11])
def test_the_attacker_loses_whatever_it_donates_and_whatever_the_victim_brings(market, gift, victims_units):
    inflate(market, gift)
    market.call("mallory", POOL, "sync")
    spend = {X: victims_units, Y: victims_units}
    arguments = {"units_0": victims_units, "units_1": victims_units}
    if victims_units * 1_001 < gift + 1_001:
        # Less than one share's worth is refused, not kept.
        assert market.refused("victim", POOL, "mint", spend=spend, **arguments).code is Refusal.SHARES_MISSING
    else:
        market.call("victim", POOL, "mint", spend=spend, **arguments)
    withdraw_all(market, "mallory")
    lost = FUNDS - market.world.balance("mallory", X)
    # Of the donation, 1,000 parts in 1,001 belong to the locked shares.
    assert lost > gift * 99 // 100 - victims_units // 500
    assert lost > 0


def test_one_share_is_the_most_that_rounding_can_take_and_a_limit_prevents_it(market):
    inflate(market, 10**9)
    market.call("mallory", POOL, "sync")
    fair = market.view(POOL, "position", account="mallory").units_0  # what one share is worth
    # The victim brings almost two shares' worth, and would get one.
    spend = {X: 2 * fair - 1, Y: 2 * fair - 1}
    arguments = {"units_0": 2 * fair - 1, "units_1": 2 * fair - 1}
    refused = market.refused("victim", POOL, "mint", spend=spend, **arguments, least_shares=2)
    assert refused.facts["units"] == "1"
    with market.forked():
        deposit(market, "victim", 2 * fair - 1)
        withdraw_all(market, "victim")
        assert FUNDS - market.world.balance("victim", X) < fair
    matched = market.call("victim", POOL, "add_liquidity", spend=spend, most_0=2 * fair - 1, most_1=fair + 1)
    assert matched["shares"] == "1"


def test_a_donation_that_nobody_syncs_changes_no_share(market):
    inflate(market, 10**9)
    assert (
        market.view(POOL, "position", account="mallory").units_0 == 1
    )  # of a reserve of 1,001 behind 1,001 shares
    given = deposit(market, "victim", 10**6)
    assert given["shares"] == str(10**6)
    market.call("victim", POOL, "skim")
    assert market.world.balance("victim", X) == FUNDS - 10**6 + 10**9


def test_a_deposit_in_the_same_breath_as_the_donation_is_refused_by_the_victims_limit(market):
    """The victim signed for the pool as it was; the attack lands between signing and settling."""
    deposit(market, "mallory", 1_001)
    expected = 10**6
    inflate_later = transfer("mallory", (X, POOL, 10**8), (Y, POOL, 10**8))
    with market.forked():
        assert deposit(market, "victim", 10**6, least_shares=expected)["shares"] == str(expected)
    market.world.do("mallory", inflate_later)
    market.call("mallory", POOL, "sync")
    arguments = {"units_0": 10**6, "units_1": 10**6, "least_shares": expected}
    refused = market.refused("victim", POOL, "mint", spend={X: 10**6, Y: 10**6}, **arguments)
    assert refused.code is Refusal.LIMIT_MISSED
