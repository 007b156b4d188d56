"""Debt-share inflation: repaying share by share rounds the debt away and leaves its shares behind.

A hundred units make a hundred million debt shares. Whoever repays them one share at a time pays a unit for
each, so that the debt is gone after a hundred while nearly all shares remain; the next hundred units make a
hundred times as many. Sixteen rounds left no debt share below 2^128 for anybody else, for nothing at all.
"""

import pytest

from tallystick.contracts.lending_market import DEBT_SHARES_PER_UNIT_MAX
from tests.contracts.lending import COLLATERAL, FUNDS, LOAN, MARKET, act, new_lending, open_loan, set_price
from tests.contracts.market import Market
from tests.ledger.world import call


@pytest.fixture
def market() -> Market:
    market = new_lending()
    act(market, "lender", "supply", units=10**12)
    act(market, "alice", "supply_collateral", units=10**9)
    return market


def inflate(market: Market, rounds: int) -> None:
    for _ in range(rounds):
        act(market, "alice", "borrow", units=100)
        nibble = call("alice", MARKET, "repay", spend=[(LOAN, 2)], shares=1)
        market.world.do("alice", *[nibble] * 100)


def test_others_can_borrow_all_the_same(market: Market) -> None:
    inflate(market, 20)
    state = market.view(MARKET, "state")
    assert state.debt_shares <= (state.borrowed + 1) * DEBT_SHARES_PER_UNIT_MAX
    open_loan(market, "bob", collateral=10**11, units=10**12 - state.borrowed)
    assert market.world.balance("bob", LOAN) == FUNDS + 10**12 - state.borrowed


def test_who_did_it_owes_what_it_borrowed_and_everybody_leaves(market: Market) -> None:
    inflate(market, 20)
    open_loan(market, "bob", collateral=10**9, units=10**6)
    for who in ("bob", "alice"):
        shares = market.view(MARKET, "position", account=who).debt_shares
        act(market, who, "repay", shares=shares)
        act(market, who, "withdraw_collateral", units=10**9)
        assert market.world.balance(who, LOAN) <= FUNDS
    shares = market.view(MARKET, "position", account="lender").shares
    act(market, "lender", "withdraw", shares=shares)
    assert market.world.balance("lender", LOAN) >= FUNDS
    assert market.world.balance(MARKET, COLLATERAL) == 0


def test_a_bad_debt_does_not_leave_shares_without_a_debt_either(market: Market) -> None:
    inflate(market, 20)
    open_loan(market, "bob", collateral=1_000, units=29_000)
    set_price(market, 1)
    act(market, "keeper", "liquidate_most", borrower="bob", most_repaid=FUNDS)
    state = market.view(MARKET, "state")
    assert state.debt_shares <= (state.borrowed + 1) * DEBT_SHARES_PER_UNIT_MAX
    set_price(market, 60)
    open_loan(market, "bob", collateral=10**9, units=10**9)
    assert market.view(MARKET, "position", account="bob").debt_units == 10**9 + 1  # rounded up
