"""Borrow without collateral for one transaction, push the price of one's collateral up in a pool, borrow
against it, and keep the loan: how Harvest, Cream and Mango were emptied.

The oracle takes pools by their time-weighted price, which nothing in a batch can move. A market on a pool's
spot price, planted here, is emptied by the same transaction.
"""

from typing import ClassVar

import pytest

from tallystick.contracts.lending_market import Refusal
from tallystick.contracts.oracle import Refusal as OracleRefusal
from tallystick.ledger.contract import Contract, Record, view
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.runtime import CallContext
from tests.contracts.feeds import source
from tests.contracts.lending import COLLATERAL, FUNDS, LOAN, act, deploy_market
from tests.contracts.market import Market
from tests.ledger.world import SECOND, call
from tests.no_free_lunch.harness import with_kinds

POOL, LENDER, MARKET = "pool", "bank-of-coins", "loans"
BORROWED = 50_000_000
PLEDGE = 1_000


class SpotParameters(Record, frozen=True):
    pool: str


class SpotOracle(Contract):
    """Says what the pool's reserves say at this moment."""

    kind = "spot_oracle"
    version = 1
    Parameters = SpotParameters
    tables: ClassVar = {}

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        return [COLLATERAL, LOAN]

    @view
    def price(
        self, ctx: CallContext, asset_in: str, asset_out: str, freshness_seconds: int = 0, quorum: int = 0
    ) -> OraclePrice:
        told = ctx.view(ctx.params.pool, "price", asset_in=asset_in, asset_out=asset_out)
        return OraclePrice(told.numerator, told.denominator, ctx.time, 1)


@pytest.fixture
def market():
    """Gold at 60 in the source pool; a million euro to be borrowed; another pool that lends euro."""
    market = Market(accounts=("lender", "maker", "mallory"), kinds=with_kinds(SpotOracle()))
    market.fund(FUNDS, LOAN, COLLATERAL)
    world = market.world
    market.deploy(POOL, "constant_product_pool", asset_0=COLLATERAL, asset_1=LOAN)
    market.deploy(LENDER, "constant_product_pool", asset_0=COLLATERAL, asset_1=LOAN)
    for pool, gold in ((POOL, 100_000), (LENDER, 10_000_000)):
        spend = {COLLATERAL: gold, LOAN: gold * 60}
        market.call("maker", pool, "mint", spend=spend, units_0=gold, units_1=gold * 60)
    market.deploy(
        "averaged",
        "oracle",
        base=COLLATERAL,
        quote=LOAN,
        scale=10**9,
        sources=[source(POOL, "pool", window_seconds=600)],
        quorum=1,
        stale_seconds=60,
        spread_ppm_max=10_000,
    )
    market.deploy("spot", "spot_oracle", pool=POOL)
    world.time += 1_200 * SECOND
    for contract, oracle in ((MARKET, "averaged"), ("naive", "spot")):
        deploy_market(market, contract, oracle=oracle, quorum=1)
        act(market, "lender", "supply", units=1_000_000, contract=contract)
    return market


def attack(contract, wanted):
    """Borrow euro, buy gold with them, pledge a little of it, borrow, sell the rest back, repay."""
    everything = [(LOAN, FUNDS), (COLLATERAL, FUNDS)]
    pump = {"asset_in": LOAN, "asset_out": COLLATERAL, "units_in": BORROWED, "least_out": 0}
    dump = {"asset_in": COLLATERAL, "asset_out": LOAN, "units_in": 89_000, "least_out": 0}
    fee = BORROWED * 10_000 // 9_970 + 1
    return (
        call("mallory", LENDER, "flash", units={LOAN: BORROWED}),
        call("mallory", POOL, "swap_exact_in", spend=everything, **pump),
        call("mallory", contract, "supply_collateral", spend=everything, units=PLEDGE),
        call("mallory", contract, "borrow", units=wanted),
        call("mallory", POOL, "swap_exact_in", spend=everything, **dump),
        call("mallory", LENDER, "repay", spend=everything, units={LOAN: fee}),
    )


def test_the_averaged_price_does_not_move_within_the_transaction(market):
    found = market.world.refused("mallory", *attack(MARKET, 30_001))
    assert found.code is Refusal.COLLATERAL_INSUFFICIENT
    assert found.facts == {"debt": "30001", "limit": "30000"}
    market.world.do("mallory", *attack(MARKET, 30_000))


def test_the_same_transaction_empties_a_market_on_a_spot_price(market):
    """What the average is for: here 1,000 gold, worth 60,000, take a million."""
    market.world.do("mallory", *attack("naive", 1_000_000))
    assert market.world.balance("naive", LOAN) == 0


def test_borrowing_from_the_source_pool_itself_closes_it_and_with_it_the_market(market):
    units = {LOAN: 1_000}
    act(market, "mallory", "supply_collateral", units=PLEDGE)
    found = market.world.refused(
        "mallory",
        call("mallory", POOL, "flash", units=units),
        call("mallory", MARKET, "borrow", units=1),
        call("mallory", POOL, "repay", spend=[(LOAN, 1_004)], units={LOAN: 1_004}),
    )
    assert found.code is OracleRefusal.SOURCE_BUSY
    act(market, "mallory", "borrow", units=1)


def test_a_price_left_standing_counts_only_for_the_time_it_stood(market):
    """Mallory holds the pool at a hundred times the price, with its own money, for six seconds."""
    pump = {"asset_in": LOAN, "asset_out": COLLATERAL, "units_in": BORROWED, "least_out": 0}
    market.call("mallory", POOL, "swap_exact_in", spend={LOAN: BORROWED}, **pump)
    spot = market.view(POOL, "price", asset_in=COLLATERAL, asset_out=LOAN)
    assert spot.numerator // spot.denominator > 5_000
    market.world.time += 6 * SECOND
    told = market.view("averaged", "price", asset_in=COLLATERAL, asset_out=LOAN)
    # The pool remembers 1,206 seconds: 1,200 of them at 60 and six at 5,222.
    assert 85 < told.numerator / told.denominator < 86
