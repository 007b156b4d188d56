"""Be the first lender, hold almost no shares, make each worth more than the victim brings, and let rounding
give the victim nothing for it: how Hundred Finance and Sonne lost their markets.

A plain transfer to the market counts for nothing. What raises a share's worth is burning shares, by sending
them to the market; then the virtual shares own what the attacker gave up.
"""

import pytest

from tallystick.contracts.lending_market import Refusal
from tests.contracts.lending import FUNDS, LOAN, MARKET, SHARE, act, new_lending, open_loan, refuses
from tests.ledger.world import transfer


@pytest.fixture
def market():
    return new_lending()


def leave(market, who):
    shares = market.world.balance(who, SHARE)
    if shares:
        act(market, who, "withdraw", shares=shares)
    return market.world.balance(who, LOAN) - FUNDS


@pytest.mark.parametrize("gift", [10**3, 10**6, 10**12])
def test_a_gift_of_the_loan_asset_makes_no_share_dearer(market, gift):
    act(market, "other", "supply", units=1)
    market.world.do("other", transfer("other", (LOAN, MARKET, gift)))
    assert act(market, "lender", "supply", units=1_000)["shares"] == str(1_000 * 10**6)
    assert (leave(market, "lender"), leave(market, "other")) == (0, -gift)


@pytest.mark.parametrize("victims_units", [10**3, 10**6, 10**9])
@pytest.mark.parametrize("given_up", [10**6, 10**9, 10**12])
def test_burning_shares_costs_the_attacker_all_of_it_and_the_victim_a_share_at_most(
    market, given_up, victims_units
):
    act(market, "other", "supply", units=given_up)
    shares = market.world.balance("other", SHARE)
    market.world.do("other", transfer("other", (SHARE, MARKET, shares - 1)))
    # One share is left beside a million virtual ones: each is worth a millionth of what was given up.
    share_worth = given_up // 10**6 + 1
    if victims_units < share_worth - 1:
        assert refuses(market, "lender", "supply", units=victims_units).code is Refusal.UNITS_MISSING
        return
    act(market, "lender", "supply", units=victims_units)
    with market.forked():
        assert leave(market, "other") < -given_up + 2 * share_worth
    assert -share_worth - 1 <= leave(market, "lender") <= 0


def test_a_limit_on_what_is_received_refuses_what_rounding_would_take(market):
    act(market, "other", "supply", units=10**12)
    market.world.do("other", transfer("other", (SHARE, MARKET, market.world.balance("other", SHARE) - 1)))
    spend, wanted = {LOAN: 1_999_990}, {SHARE: 2}
    refused = market.refused("lender", MARKET, "supply", spend=spend, receive=wanted, units=1_999_990)
    assert refused.facts["received"] == "1"
    market.call("lender", MARKET, "supply", spend={LOAN: 2_000_002}, receive=wanted, units=2_000_002)


def test_debt_shares_are_not_made_dear_either(market):
    """Repaying down to a few debt shares leaves the next borrower no worse off than a unit."""
    act(market, "lender", "supply", units=10**9)
    open_loan(market, "alice", collateral=10**6, units=10**6)
    shares = market.view(MARKET, "position", account="alice").debt_shares
    act(market, "alice", "repay", shares=shares - 1)
    act(market, "bob", "supply_collateral", units=1_000)
    act(market, "bob", "borrow", units=10_000)
    assert market.view(MARKET, "position", account="bob").debt_units <= 10_001
