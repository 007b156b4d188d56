"""Borrow from a pool, then trade with it, add to it or read its price while it is half empty.

While the obligation is open the lender answers nothing but `repay`, to nobody; other pools are unaffected.
"""

from typing import ClassVar

import pytest

from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract, method
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS
from tests.contracts.market import Market
from tests.ledger.world import call, transfer
from tests.no_free_lunch.venues import ACTOR, CONCENTRATED, FEE_POOL, OTHERS, POOL, STABLE, new_market

LENDERS = {venue.contract: venue for venue in (POOL, CONCENTRATED, STABLE)}
LENT = 100_000


class Reader(Contract):
    """A contract that would lend or liquidate by another's price."""

    kind = "reader"
    version = 1
    tables: ClassVar = {}

    @method
    def read(self, ctx: CallContext, pool: str, asset_in: str, asset_out: str) -> int:
        return int(ctx.view(pool, "price", asset_in=asset_in, asset_out=asset_out).numerator)

    @method
    def read_or_go_on(self, ctx: CallContext, pool: str, asset_in: str, asset_out: str) -> int:
        """Swallow the refusal: the transaction must fail all the same."""
        try:
            return self.read(ctx, pool, asset_in, asset_out)
        except Rejection:
            return 0


@pytest.fixture(params=LENDERS)
def lender(request):
    return LENDERS[request.param]


@pytest.fixture
def market(lender) -> Market:
    kinds = Kinds(
        contracts={**KINDS.contracts, ("reader", 1): Reader()},
        policies=KINDS.policies,
        versions=KINDS.versions,
    )
    market = new_market([lender, FEE_POOL], kinds=kinds)
    market.deploy("reader", "reader")
    return market


def sides(lender):
    return {"asset_in": lender.trades[0], "asset_out": lender.trades[1]}


def around(market, lender, *between):
    """Return a loan with the actions in between, repaid as the lender asks."""
    asset = lender.trades[0]
    borrowed = call(ACTOR, lender.contract, "flash", units={asset: LENT})
    for fee in (301, 300, 40):
        repaid = call(ACTOR, lender.contract, "repay", spend=[(asset, LENT + fee)], units={asset: LENT + fee})
        with market.forked():
            try:
                market.world.do(ACTOR, borrowed, repaid)
            except Rejection:
                continue
        return (borrowed, *between, repaid)
    raise AssertionError("no repayment clears the loan")


def attacks(lender):
    """Return every way in that an attacker would want, by name, each accepted where no loan is open."""
    pool, (x, y) = lender.contract, lender.trades[:2]
    spend = [(x, 10**6), (y, 10**6)]
    trade = sides(lender)
    found = {
        "sell": call(ACTOR, pool, "swap_exact_in", spend=spend, **trade, units_in=1_000, least_out=0),
        "buy": call(ACTOR, pool, "swap_exact_out", spend=spend, **trade, units_out=1_000, most_in=10**6),
        "borrow more": call(ACTOR, pool, "flash", units={x: 5}),
        "read": call(ACTOR, "reader", "read", pool=pool, **trade),
        "read, caught": call(ACTOR, "reader", "read_or_go_on", pool=pool, **trade),
    }
    if lender is POOL:
        shares = [(f"share@{pool}", 10**6)]
        found |= {
            "add": call(ACTOR, pool, "mint", spend=spend, units_0=1_000, units_1=4_000),
            "remove": call(ACTOR, pool, "remove_liquidity", spend=shares, shares=1_000),
            "swap": call(ACTOR, pool, "swap", spend=spend, in_0=9, in_1=0, out_0=0, out_1=1),
            "sync": call(ACTOR, pool, "sync"),
            "skim": call(ACTOR, pool, "skim"),
        }
    return found


def test_a_loan_alone_goes_through(market, lender):
    market.world.do(ACTOR, *around(market, lender))


def test_every_way_in_is_closed_while_the_loan_is_open_and_open_without_it(market, lender):
    for name, action in attacks(lender).items():
        refused = market.world.refused(ACTOR, *around(market, lender, action))
        assert refused.code is Code.OBLIGATION_OPEN, (name, refused)
        assert refused.facts["contract"] == lender.contract
        if name != "borrow more":
            with market.forked():
                market.world.do(ACTOR, action)


def test_the_lender_is_closed_to_everybody_else_in_the_transaction_too(market, lender):
    spend = [(lender.trades[0], 10**6)]
    trade = sides(lender) | {"units_in": 1_000, "least_out": 0}
    other = call(OTHERS[0], lender.contract, "swap_exact_in", spend=spend, **trade)
    assert market.world.refused(ACTOR, *around(market, lender, other)).code is Code.OBLIGATION_OPEN


def test_another_pool_trades_as_ever_meanwhile(market, lender):
    x, y = FEE_POOL.trades
    trade = {"asset_in": x, "asset_out": y, "units_in": 1_000, "least_out": 0}
    elsewhere = call(ACTOR, FEE_POOL.contract, "swap_exact_in", spend=[(x, 1_000)], **trade)
    receipt = market.world.do(ACTOR, *around(market, lender, elsewhere))
    assert int(receipt.results[1]) > 900


def test_a_gift_to_the_lender_repays_nothing(market, lender):
    asset = lender.trades[0]
    borrowed = call(ACTOR, lender.contract, "flash", units={asset: LENT})
    given = transfer(ACTOR, (asset, lender.contract, LENT * 2))
    assert market.world.refused(ACTOR, borrowed, given).code is Code.OBLIGATION_OPEN


def test_the_pool_opens_again_once_the_loan_is_repaid(market, lender):
    spend = [(lender.trades[0], 1_000)]
    trade = sides(lender) | {"units_in": 1_000, "least_out": 0}
    after = call(ACTOR, lender.contract, "swap_exact_in", spend=spend, **trade)
    market.world.do(ACTOR, *around(market, lender), after)
