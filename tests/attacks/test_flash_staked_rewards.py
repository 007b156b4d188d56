"""Flash-staked rewards: borrow a mountain of stake for a moment and carry off what others waited for.

The same shape took 182 million dollars from Beanstalk: votes borrowed, counted and given back in one
transaction. Where what counts is stake times time, a moment counts for nothing.
"""

import pytest

from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, call

STAKED, OTHER, GOLD = f"staked@{ISSUER}", f"other@{ISSUER}", f"gold@{ISSUER}"
MOUNTAIN = 10**11


@pytest.fixture(params=[{}, {"carry": False}], ids=["carry", "no carry"])
def market(request):
    market = Market(accounts=("mallory", "victim", "payer"))
    market.fund(10**12, STAKED, OTHER, GOLD)
    market.deploy("lender", "constant_product_pool", asset_0=STAKED, asset_1=OTHER, fee_bps=1)
    spend = {STAKED: 2 * MOUNTAIN, OTHER: 2 * MOUNTAIN}
    market.call("payer", "lender", "mint", spend=spend, units_0=2 * MOUNTAIN, units_1=2 * MOUNTAIN)
    reward = {"asset": GOLD, "distributor": "payer", "duration_seconds": 1_000}
    market.deploy("rewards", "rewards", stake_asset=STAKED, rewards=[reward], **request.param)
    market.call("victim", "rewards", "stake", spend={STAKED: 100}, units=100)
    market.call("payer", "rewards", "notify", spend={GOLD: 10**6}, asset=GOLD, units=10**6)
    return market


def strike(market, *, wait_seconds=0):
    """Stake a borrowed mountain, take what it earned, and give it back, in one transaction."""
    market.world.time += wait_seconds * SECOND
    owed = 100_010_001_001
    market.world.do(
        "mallory",
        call("mallory", "lender", "flash", units={STAKED: MOUNTAIN}),
        call("mallory", "rewards", "stake", spend=[(STAKED, MOUNTAIN)], units=MOUNTAIN),
        call("mallory", "rewards", "claim"),
        call("mallory", "rewards", "exit"),
        call("mallory", "lender", "repay", spend=[(STAKED, owed)], units={STAKED: owed}),
    )


@pytest.mark.parametrize("after", [0, 1, 500, 5_000])
def test_a_borrowed_stake_earns_nothing_and_costs_the_loan(market, after):
    market.world.time += after * SECOND
    due = market.view("rewards", "earned", account="victim", asset=GOLD)
    strike(market)
    assert market.world.balance("mallory", GOLD) == 10**12
    assert market.world.balance("mallory", STAKED) < 10**12
    assert market.view("rewards", "earned", account="victim", asset=GOLD) == due


def test_nor_does_one_around_the_payment_itself(market):
    """Staking in the batch in which a new period starts, with the payer's own call in between."""
    market.call("mallory", "rewards", "stake", spend={STAKED: MOUNTAIN}, units=MOUNTAIN)
    market.call("payer", "rewards", "notify", spend={GOLD: 10**9}, asset=GOLD, units=10**9)
    assert market.call("mallory", "rewards", "exit") == {GOLD: "0"}


def test_nor_after_a_long_silence():
    """With carry a period that nobody stakes in waits; it is not handed to the first who comes."""
    market = Market(accounts=("mallory", "payer"))
    market.fund(10**12, STAKED, GOLD)
    reward = {"asset": GOLD, "distributor": "payer", "duration_seconds": 1_000}
    market.deploy("rewards", "rewards", stake_asset=STAKED, rewards=[reward])
    market.call("payer", "rewards", "notify", spend={GOLD: 10**6}, asset=GOLD, units=10**6)
    market.world.time += 10_000 * SECOND
    market.call("mallory", "rewards", "stake", spend={STAKED: MOUNTAIN}, units=MOUNTAIN)
    assert market.call("mallory", "rewards", "exit") == {GOLD: "0"}
    market.call("mallory", "rewards", "stake", spend={STAKED: MOUNTAIN}, units=MOUNTAIN)
    market.world.time += 1 * SECOND
    assert market.call("mallory", "rewards", "exit") == {GOLD: "1000"}, "a second is a thousandth"


def test_staking_around_the_tick_of_a_second_earns_the_microseconds_alone():
    market = Market(accounts=("mallory", "victim", "payer"))
    market.fund(10**12, STAKED, GOLD)
    reward = {"asset": GOLD, "distributor": "payer", "duration_seconds": 1_000}
    market.deploy("rewards", "rewards", stake_asset=STAKED, rewards=[reward])
    market.call("victim", "rewards", "stake", spend={STAKED: 100}, units=100)
    market.call("payer", "rewards", "notify", spend={GOLD: 10**9}, asset=GOLD, units=10**9)
    market.world.time += SECOND - 1
    market.call("mallory", "rewards", "stake", spend={STAKED: MOUNTAIN}, units=MOUNTAIN)
    market.world.time += 1
    # Of the million units of the second one belongs to its last microsecond, and a part of it to the victim.
    assert market.call("mallory", "rewards", "exit") == {GOLD: "0"}
