"""A price falls through many positions at once: each loss makes the next liquidation dearer, or lets whoever
comes last pay for all.

Here a loss falls on the lenders of its moment, pro rata, and on nobody's debt: the order of liquidations
changes no total, other borrowers owe what they owed, and whoever lends afterwards pays for nothing.
"""

from itertools import permutations

import pytest

from tests.contracts.lending import (
    COLLATERAL,
    FUNDS,
    LOAN,
    MARKET,
    ORACLE,
    act,
    deploy_market,
    new_lending,
    open_loan,
    set_price,
)

BORROWERS = ("alice", "bob", "keeper")


@pytest.fixture
def market():
    """Two lenders; three borrowers who are under water at 20, and one, `fees`, who is not."""
    market = new_lending()
    act(market, "lender", "supply", units=600_000)
    act(market, "other", "supply", units=300_000)
    for who, units in zip(BORROWERS, (30_000, 29_000, 28_000), strict=True):
        open_loan(market, who, collateral=1_000, units=units)
    open_loan(market, "fees", collateral=10_000, units=10_000)
    set_price(market, 20)
    return market


def worth(market, who):
    return market.view(MARKET, "withdrawable", account=who).units


def liquidate(market, *order):
    return sum(
        int(act(market, "lender", "liquidate_most", borrower=who, most_repaid=10**9)["bad_debt"])
        for who in order
    )


def test_in_every_order_the_same_is_lost_to_a_unit_and_shared_pro_rata(market):
    for order in permutations(BORROWERS):
        with market.forked():
            lost = liquidate(market, *order)
            # Each pays 17,392 for collateral worth 20,000; the rest of 87,000 is gone.
            assert abs(lost - (87_000 - 3 * 17_392)) <= 3
            assert worth(market, "lender") == pytest.approx(600_000 - lost * 2 / 3, abs=3)
            assert worth(market, "other") == pytest.approx(300_000 - lost / 3, abs=3)


def test_who_is_healthy_owes_no_more_than_before(market):
    before = market.view(MARKET, "position", account="fees").debt_units
    liquidate(market, *BORROWERS)
    assert market.view(MARKET, "position", account="fees").debt_units <= before + 1
    act(market, "fees", "repay", shares=market.view(MARKET, "position", account="fees").debt_shares)
    act(market, "fees", "withdraw_collateral", units=10_000)


def test_who_lends_after_the_loss_pays_for_none_of_it(market):
    liquidate(market, "alice")
    act(market, "fees", "supply", units=100_000)
    assert worth(market, "fees") >= 99_999
    with market.forked():
        act(market, "fees", "withdraw", units=99_999)
    liquidate(market, "bob")
    assert worth(market, "fees") < 99_900  # of this one it bears its part


def test_after_a_total_loss_the_market_goes_on(market):
    set_price(market, 1, scaled=True)
    for who in (*BORROWERS, "fees"):
        act(market, "other", "write_off", borrower=who)
    state = market.view(MARKET, "state")
    assert (state.borrowed, state.debt_shares, state.collateral) == (0, 0, 0)
    assert worth(market, "lender") + worth(market, "other") <= state.supplied == 900_000 - 97_000
    set_price(market, 60)
    open_loan(market, "alice", collateral=1_000, units=30_000)
    act(market, "alice", "repay", units=30_000)


def test_one_market_falls_alone(market):
    """Its lenders' loss is no other market's, though asset, oracle and borrower are the same."""
    deploy_market(market, "second", oracle=ORACLE, lltv=2 * 10**17)
    act(market, "lender", "supply", units=100_000, contract="second")
    open_loan(market, "alice", collateral=10_000, units=20_000, contract="second")
    before = market.view("second", "state")
    liquidate(market, *BORROWERS)
    assert market.view("second", "state") == before


def test_every_unit_is_somewhere(market):
    liquidate(market, *BORROWERS)
    for asset in (LOAN, COLLATERAL):
        assert sum(market.world.balance(who, asset) for who in (*market.accounts, MARKET)) == 6 * FUNDS
