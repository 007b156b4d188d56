"""A position that cannot be liquidated: too small for whole units, or left with one unit of collateral on
purpose, so that its bad debt is never shown and whoever leaves first is paid in full.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.contracts.lending_market import Refusal
from tallystick.ledger.rejections import Rejection
from tests.contracts.lending import COLLATERAL, LOAN, MARKET, act, new_lending, open_loan, refuses, set_price


@pytest.fixture
def market():
    market = new_lending()
    act(market, "lender", "supply", units=1_000_000)
    return market


def test_the_smallest_loan_there_is_can_be_liquidated_in_whole(market):
    set_price(market, 2)
    open_loan(market, "alice", collateral=1, units=1)
    set_price(market, 1)
    done = act(market, "keeper", "liquidate_most", borrower="alice", most_repaid=1)
    assert done == {"seized": "1", "repaid": "1", "shares": "1000000", "bad_debt": "0"}
    assert market.world.get(f"{MARKET}!", "loan", "alice") is None


def test_a_single_unit_left_on_purpose_hides_no_loss(market):
    open_loan(market, "alice", collateral=1_000, units=30_000)
    set_price(market, 20)
    act(market, "keeper", "liquidate", borrower="alice", seized=999)
    with market.forked():
        # While the unit is worth something, anyone may take it and so show the loss.
        done = act(market, "bob", "liquidate_most", borrower="alice", most_repaid=100)
        assert done["seized"] == "1"
        assert int(done["bad_debt"]) > 12_000
    set_price(market, 900_000, scaled=True)
    # Worth less than a unit: nobody pays one for it, and whoever finds it writes it off.
    done = act(market, "bob", "write_off", borrower="alice")
    assert (done["seized"], done["repaid"]) == ("1", "0")
    assert int(done["bad_debt"]) > 12_000
    assert market.view(MARKET, "withdrawable", account="lender").later == 0


def test_a_healthy_position_of_dust_is_not_written_off(market):
    open_loan(market, "alice", collateral=1, units=30)
    found = refuses(market, "keeper", "write_off", borrower="alice")
    assert found.code is Refusal.POSITION_HEALTHY
    set_price(market, 59)
    assert refuses(market, "keeper", "write_off", borrower="alice").code is Refusal.NOT_DUST


def test_one_dear_unit_of_collateral_is_seized_once_the_debt_and_incentive_pay_for_it(market):
    """Until then it covers the debt, so that nobody loses by waiting."""
    open_loan(market, "alice", collateral=1, units=30)
    set_price(market, 35)
    found = refuses(market, "keeper", "liquidate_most", borrower="alice", most_repaid=10**6)
    assert found.code is Refusal.UNITS_MISSING  # 30 x 1.15 is 34
    set_price(market, 34)
    done = act(market, "keeper", "liquidate_most", borrower="alice", most_repaid=10**6)
    assert (done["seized"], done["repaid"], done["bad_debt"]) == ("1", "30", "0")


@given(
    collateral=st.integers(1, 3_000),
    part=st.integers(1, 1_000),
    fall=st.integers(1, 59_999_999),
    budget=st.integers(1, 10**6),
)
def test_every_unhealthy_position_comes_to_an_end(collateral, part, fall, budget):
    """Some call of anyone's shrinks it, until nothing of it is left or its collateral covers it anyway."""
    market = _market()
    with market.forked():
        units = max(collateral * 30 * part // 1_000, 1)
        open_loan(market, "alice", collateral=collateral, units=units)
        set_price(market, fall, scaled=True)
        for _ in range(20):
            told = market.view(MARKET, "position", account="alice")
            if told.debt_units <= told.limit_units:
                return
            if told.collateral * fall < 10**6:
                act(market, "keeper", "write_off", borrower="alice")
                continue
            most = _enough(market, budget)
            if most is None:
                # All of the debt and the incentive do not pay for one unit of collateral.
                assert told.debt_units * 115 * 10**6 < 100 * fall
                return
            before = market.balances("keeper")
            done = act(market, "keeper", "liquidate_most", borrower="alice", most_repaid=most)
            after = market.balances("keeper")
            assert before[LOAN] - after[LOAN] == int(done["repaid"]) <= most
            assert after[COLLATERAL] - before[COLLATERAL] == int(done["seized"]) > 0
            budget = most * 4


def _enough(market, budget):
    """Return the budget doubled until it buys a unit of collateral, or None if none does."""
    while budget < 10**12:
        try:
            market.view(MARKET, "quote_liquidation", borrower="alice", most_repaid=budget)
        except Rejection as refused:
            assert refused.code is Refusal.UNITS_MISSING, refused
            budget *= 2
        else:
            return budget
    return None


_MARKETS = []


def _market():
    """Return one market for all examples: each undoes what it did."""
    if not _MARKETS:
        made = new_lending()
        act(made, "lender", "supply", units=1_000_000)
        _MARKETS.append(made)
    return _MARKETS[0]
