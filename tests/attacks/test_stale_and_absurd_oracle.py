"""An oracle that fell silent at a price of yesterday, or whose reporters say what nobody believes.

Silence: whoever knows better borrows against what is worth less by now. Absurdity: whoever can say anything
liquidates everybody, or borrows everything.
"""

import pytest

from tallystick.contracts.lending_market import Refusal
from tallystick.contracts.oracle import Refusal as OracleRefusal
from tests.contracts.feeds import SCALE, deploy_oracle
from tests.contracts.lending import (
    COLLATERAL,
    FUNDS,
    LOAN,
    ORACLE,
    act,
    deploy_market,
    new_lending,
    open_loan,
    refuses,
    set_price,
)
from tests.contracts.market import Market
from tests.ledger.world import SECOND


@pytest.fixture
def market():
    market = new_lending()
    act(market, "lender", "supply", units=1_000_000)
    open_loan(market, "alice", collateral=1_000, units=29_000)
    return market


def test_yesterdays_price_lends_nothing_and_liquidates_nobody(market):
    act(market, "bob", "supply_collateral", units=1_000)
    market.world.time += 3_600 * SECOND
    with market.forked():
        act(market, "bob", "borrow", units=1_000)
    market.world.time += SECOND
    assert refuses(market, "bob", "borrow", units=1_000).code is OracleRefusal.STALE
    assert refuses(market, "keeper", "liquidate", borrower="alice", seized=1).code is OracleRefusal.STALE
    # Whoever owes nothing is free, whoever owes can repay.
    act(market, "bob", "withdraw_collateral", units=1_000)
    act(market, "alice", "repay", units=29_000)
    set_price(market, 60)
    act(market, "bob", "supply_collateral", units=1_000)
    act(market, "bob", "borrow", units=1_000)


def test_one_absurd_reporter_changes_nothing(market):
    market.world.time += SECOND
    market.call("feed-3", ORACLE, "report", value=1, observed=market.world.time)
    assert refuses(market, "keeper", "liquidate", borrower="alice", seized=1).code is Refusal.POSITION_HEALTHY
    market.world.time += SECOND
    market.call("feed-3", ORACLE, "report", value=10**30, observed=market.world.time)
    act(market, "bob", "supply_collateral", units=10)
    assert refuses(market, "bob", "borrow", units=301).code is Refusal.COLLATERAL_INSUFFICIENT
    act(market, "bob", "borrow", units=300)


def test_two_absurd_reporters_of_three_are_bounded_by_the_step_and_seen_before_they_count():
    market = Market(accounts=("lender", "alice", "keeper"))
    market.fund(FUNDS, LOAN, COLLATERAL)
    bounds = {"step_ppm_max": 200_000, "step_seconds": 3_600}
    deploy_oracle(market, ORACLE, base=COLLATERAL, quote=LOAN, **bounds)
    set_price(market, 60)
    deploy_market(market)
    act(market, "lender", "supply", units=1_000_000)
    open_loan(market, "alice", collateral=1_000, units=20_000)

    def absurd():
        market.world.time += 1
        for name in ("feed-1", "feed-2"):
            market.call(name, ORACLE, "report", value=1, observed=market.world.time)

    absurd()
    for method, arguments in (("liquidate", {"seized": 1}), ("write_off", {})):
        found = refuses(market, "keeper", method, borrower="alice", **arguments)
        assert found.code is OracleRefusal.MOVED_TOO_FAR
    # An hour in which alice repays, the honest reporter is heard, or the others are found out.
    market.world.time += 3_599 * SECOND
    absurd()
    assert refuses(market, "keeper", "write_off", borrower="alice").code is OracleRefusal.MOVED_TOO_FAR
    act(market, "alice", "repay", units=20_000)
    act(market, "alice", "withdraw_collateral", units=1_000)


def test_a_price_of_nothing_is_no_price(market):
    market.world.time += SECOND
    found = market.refused("feed-1", ORACLE, "report", value=0, observed=market.world.time)
    assert found.code is OracleRefusal.VALUE_INVALID
    market.call("feed-1", ORACLE, "report", value=60 * SCALE, observed=market.world.time)


def test_the_largest_price_there_is_breaks_no_arithmetic(market):
    set_price(market, (1 << 254), scaled=True)
    found = refuses(market, "keeper", "liquidate", borrower="alice", seized=1)
    assert found.code is Refusal.POSITION_HEALTHY
    assert market.view("loans", "position", account="alice").free_collateral == 999
    act(market, "alice", "borrow", units=900_000)
    set_price(market, 1, scaled=True)
    act(market, "keeper", "liquidate", borrower="alice", seized=1_000)
