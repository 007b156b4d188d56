"""Interest nibbled away: a borrower makes the market accrue each second, so that rounding leaves nothing.

The source rounds interest down to a unit at each accrual. Where a unit is a cent, a debt of a million earns
less than one in a second, and accruing costs nothing here. So what is rounded off is carried to the next.
"""

import pytest

from tests.contracts.lending import MARKET, WAD, act, new_lending, open_loan
from tests.contracts.market import Market
from tests.ledger.world import SECOND

DEBT = 90_000_000
"""Cents. At 10% a year 0.285 of them a second."""


def owed_after(seconds: int, *, every: int, **more: object) -> tuple[Market, int]:
    """Return what the debt grows by, with an accrual called `every` so many seconds."""
    market = new_lending(**more)
    act(market, "lender", "supply", units=100_000_000)
    open_loan(market, "alice", collateral=100_000_000, units=DEBT)
    for _ in range(seconds // every):
        market.world.time += every * SECOND
        act(market, "alice", "accrue")
    return market, market.view(MARKET, "state").borrowed - DEBT


def test_calling_each_second_saves_a_borrower_no_unit() -> None:
    assert owed_after(200, every=200)[1] == 57
    assert owed_after(200, every=1)[1] == 57
    assert owed_after(200, every=5)[1] == 57


def test_without_carry_it_saves_the_borrower_all_as_at_the_source() -> None:
    assert owed_after(200, every=200, carry=False)[1] == 57
    assert owed_after(200, every=1, carry=False)[1] == 0


@pytest.mark.parametrize("every", [1, 200])
def test_nor_does_it_save_the_lenders_the_fee(every: int) -> None:
    market, interest = owed_after(200, every=every, fee=WAD // 10, fee_account="fees")
    [fee] = market.view(MARKET, "positions", account="fees")
    assert interest == 57
    assert fee.units // 10**6 == 5
