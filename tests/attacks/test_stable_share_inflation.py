"""Share inflation in a stable pool: own every share of a young pool, burn down to one, make that one dear by
a gift that comes back to it, and let the next depositor's shares be rounded down by one.
Both ways to give are tried: `sync` where nobody is admin, and where somebody is, `exchange` for nothing.
"""

import pytest

from tallystick.contracts.stable_pool import LOCKED_SHARES, Refusal
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import create, issue, transfer

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"
POOL, SHARE = "pool", "share@pool"
FUNDS = 10**20
COIN = 10**6
SPEND = {X: FUNDS, Y: FUNDS, SHARE: FUNDS}


def opened(**parameters):
    market = Market(accounts=("mallory", "victim", "admin"))
    for code in ("x", "y"):
        market.world.do(ISSUER, create(ISSUER, code, decimals=6))
        market.world.do(
            ISSUER, issue(ISSUER, *((f"{code}@{ISSUER}", who, FUNDS) for who in ("mallory", "victim")))
        )
    given = {"assets": [X, Y], "amplification": 100, "fee": 4_000_000} | parameters
    market.deploy(POOL, "stable_pool", **given)
    return market


def act(market, who, method, **arguments):
    return market.call(who, POOL, method, spend=SPEND, **arguments)


def give_by_sync(market, gift):
    market.world.do("mallory", transfer("mallory", (X, POOL, gift), (Y, POOL, gift)))
    act(market, "mallory", "sync")


def give_by_exchange(market, gift):
    act(market, "mallory", "exchange", asset_in=X, asset_out=Y, units_in=gift, least_out=0)


def burn_down(market, units):
    """Found the pool and remove all but one share."""
    shares = int(act(market, "mallory", "add_liquidity", units=[units, units], least_shares=0))
    act(market, "mallory", "remove_liquidity", shares=shares - 1, least=[0, 0])


def wealth(market, who):
    return [market.world.balance(who, asset) for asset in (X, Y)]


def leave(market, who):
    """Remove everything, if it is worth anything."""
    for way in market.view(POOL, "exits", account=who)[:1]:
        market.call(who, POOL, way.method, spend=way.spend, **way.arguments)


WAYS = [
    pytest.param({}, give_by_sync, id="sync"),
    pytest.param({"admin": "admin"}, give_by_exchange, id="exchange"),
]


@pytest.mark.parametrize(("parameters", "give"), WAYS)
@pytest.mark.parametrize("gift", [COIN, 1_000 * COIN, 10**6 * COIN])
def test_the_locked_shares_keep_the_gift_and_the_victim_keeps_its_own(parameters, give, gift):
    market = opened(**parameters)
    burn_down(market, 10)
    assert -market.world.balance(POOL, SHARE) == LOCKED_SHARES + 1 == 10**12 + 1
    before = wealth(market, "mallory")
    give(market, gift)
    deposited = [2 * gift - 1, 2 * gift - 1]
    quoted = int(market.view(POOL, "quote_add", units=deposited))
    act(market, "victim", "add_liquidity", units=deposited, least_shares=quoted)
    leave(market, "mallory")
    leave(market, "victim")
    # All of the gift but a million-millionth is the locked shares', and after them whoever's who comes next.
    assert sum(before) - sum(wealth(market, "mallory")) > gift * 99 // 100
    # What rounding takes from the victim is a unit, beside the fee of an unbalanced deposit.
    fee = 0 if give is give_by_sync else gift * 8 // 10_000
    assert 2 * FUNDS - sum(wealth(market, "victim")) <= fee + 2


@pytest.mark.parametrize(("parameters", "give"), WAYS)
def test_without_locked_shares_nobody_can_deposit_where_a_share_is_dear(parameters, give):
    """As the source has it, the attack is open; here the victim's deposit is refused with the numbers."""
    market = opened(locks_shares=False, **parameters)
    burn_down(market, 2)
    assert -market.world.balance(POOL, SHARE) == 1
    give(market, 1_000 * COIN)
    deposited = {"units": [1_999 * COIN, 1_999 * COIN], "least_shares": 1}
    before = wealth(market, "victim")
    refused = market.refused("victim", POOL, "add_liquidity", spend=SPEND, **deposited)
    assert refused.code is Refusal.SHARE_TOO_DEAR
    assert refused.facts["share_value_max"] == str(10**6)
    assert int(refused.facts["value"]) > 10**6 * int(refused.facts["supply"])
    assert wealth(market, "victim") == before
    leave(market, "mallory")
    if give is give_by_sync:  # it is empty again, and whoever comes next starts anew
        assert int(act(market, "victim", "add_liquidity", **deposited)) > 10**18


def test_a_share_of_a_pool_that_earned_its_value_is_never_too_dear():
    market = opened(locks_shares=False)
    act(market, "mallory", "add_liquidity", units=[COIN, COIN], least_shares=0)
    give_by_sync(market, 100_000 * COIN)  # a share is a hundred thousand times as much as at first
    assert int(act(market, "victim", "add_liquidity", units=[COIN, COIN], least_shares=1)) > 0
