"""Seize so little that the debt repaid for it rounds to no share, again and again, until the collateral is
gone; or liquidate whoever owes nothing.

Seizing is rounded up at every line on the way to what it costs, so the least is one unit and its shares.
"""

import pytest

from tallystick.contracts.lending_market import Refusal
from tests.contracts.lending import COLLATERAL, LOAN, MARKET, act, new_lending, open_loan, refuses, set_price


@pytest.fixture
def market():
    """A million of collateral, each worth a hundredth of a unit when the loan was taken."""
    market = new_lending()
    set_price(market, 10_000, scaled=True)
    act(market, "lender", "supply", units=1_000_000)
    open_loan(market, "alice", collateral=1_000_000, units=5_000)
    set_price(market, 9_999, scaled=True)
    return market


def test_one_unit_of_collateral_worth_a_hundredth_costs_a_whole_unit(market):
    done = act(market, "keeper", "liquidate", borrower="alice", seized=1)
    assert (done["seized"], done["repaid"]) == ("1", "1")
    assert int(done["shares"]) >= 1_000_000 * 5_000 // 5_001


def test_nibbling_never_seizes_more_than_one_call_would(market):
    """In any pieces, what is seized is worth at most the incentive times what was repaid."""
    set_price(market, 9_000, scaled=True)
    for piece in (1, 7, 99, 101, 127, 128, 129, 1_000):
        with market.forked():
            before = market.balances("keeper")
            for _ in range(20):
                act(market, "keeper", "liquidate", borrower="alice", seized=piece)
            after = market.balances("keeper")
            repaid, seized = before[LOAN] - after[LOAN], after[COLLATERAL] - before[COLLATERAL]
            assert repaid * 1_150 >= seized * 9
            assert repaid >= 20
    # The accepted neighbour: for a hundred units the worth of a hundred and the incentive, in one piece.
    done = act(market, "keeper", "liquidate", borrower="alice", shares=100_000_000)
    assert (done["seized"], done["repaid"]) == ("12777", "100")


def test_debt_shares_too_few_for_a_unit_seize_nothing_and_still_cost_one(market):
    done = act(market, "keeper", "liquidate", borrower="alice", shares=1)
    assert (done["seized"], done["repaid"]) == ("0", "1")


def test_whoever_owes_nothing_is_not_liquidated_whatever_the_price(market):
    act(market, "bob", "supply_collateral", units=1_000)
    set_price(market, 1, scaled=True)
    for method, arguments in (
        ("liquidate", {"seized": 1}),
        ("liquidate", {"shares": 1}),
        ("liquidate_most", {"most_repaid": 10**6}),
        ("write_off", {}),
    ):
        found = refuses(market, "keeper", method, borrower="bob", **arguments)
        assert found.code is Refusal.POSITION_HEALTHY
    for method, arguments in (("liquidate", {"seized": 1}), ("liquidate_most", {"most_repaid": 10**6})):
        assert refuses(market, "keeper", method, borrower="nobody", **arguments).code is (
            Refusal.POSITION_HEALTHY
        )
    act(market, "bob", "withdraw_collateral", units=1_000)


def test_the_last_debt_share_is_repaid_without_a_rest(market):
    shares = market.view(MARKET, "position", account="alice").debt_shares
    act(market, "keeper", "liquidate", borrower="alice", shares=shares)
    told = market.view(MARKET, "position", account="alice")
    assert (told.debt_shares, told.debt_units) == (0, 0)
    act(market, "alice", "withdraw_collateral", units=told.collateral)
