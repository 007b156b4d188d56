"""Lending by hand: reporters say a price, one lends, one borrows, a keeper liquidates, and all leave."""

import json

import pytest

from tests.cli.desk import Desk

ORACLE = {
    "base": "gold@bank",
    "quote": "eur@bank",
    "scale": "1000000",
    "sources": [
        {"name": f"desk-{n}", "kind": "market", "window_seconds": 0, "reference": ""} for n in (1, 2, 3)
    ],
    "quorum": 2,
    "stale_seconds": 3_600,
    "spread_ppm_max": 50_000,
}
MARKET = {
    "loan": "eur@bank",
    "collateral": "gold@bank",
    "oracle": "gold-price",
    "freshness_seconds": 3_600,
    "quorum": 2,
    "rate": {"type": "linear", "base": str(10**17), "slope": "0"},
}
DEPLOYED = [
    "asset create gold --issuer bank --kind token --decimals 3",
    *(f"asset issue eur@bank {who} 10000" for who in ("lender", "borrower", "keeper")),
    *(f"asset issue gold@bank {who} 100" for who in ("lender", "borrower", "keeper")),
    f"contract deploy gold-price oracle --account bank --args '{json.dumps(ORACLE)}'",
    f"contract deploy loans lending_market --account bank --args '{json.dumps(MARKET)}'",
]


@pytest.fixture
def desk(tmp_path):
    """Euro (2 decimals) and gold (3), an oracle of three reporters, and a market at half of gold's worth."""
    return Desk(tmp_path).start("lender", "borrower", "keeper", "desk-1", "desk-2", "desk-3", then=DEPLOYED)


@pytest.fixture
def market(desk):
    say(desk, "60.00")
    desk("lend supply loans lender 5000.00")
    return desk


def say(desk, *prices):
    """Let each reporter say a price; all the same where one is given."""
    for number in (1, 2, 3):
        price = prices[number - 1] if len(prices) > 1 else prices[0]
        desk(f"oracle report gold-price desk-{number} {price}")


def test_a_price_is_shown_as_people_say_it_with_who_says_it(desk):
    assert desk.jsonl("oracle list")[0]["refusal"] == "oracle.quorum_missed"
    assert "no price: oracle.quorum_missed" in desk("oracle show gold-price")
    say(desk, "60.00", "60.50", "61.25")
    shown = desk.json("oracle show gold-price")
    assert (shown["price"], shown["quorum"], shown["sources"][2]["says"]) == ("60.5", 3, "61.25")
    assert "1 gold@bank is 60.5 eur@bank, by 3 sources" in desk(
        "oracle show gold-price --fresh 600 --quorum 3"
    )
    assert "desk-1 (market) says 60, seen" in desk("oracle show gold-price")


def test_who_needs_more_than_there_is_gets_no_price(desk):
    say(desk, "60.00")
    desk.refused("oracle show gold-price --quorum 4", code="oracle.quorum_missed")
    desk("oracle show gold-price --quorum 3")


def test_a_price_that_cannot_be_said_exactly_is_refused(desk):
    # A milligram's price over a million: steps of a hundred-thousandth of a euro for a gram.
    found = desk.refused("oracle report gold-price desk-1 60.000001", code="price_error", exit_code=2)
    assert found["hint"] == "its step is 0.00001"
    desk("oracle report gold-price desk-1 60.00001")
    desk.refused("oracle report gold-price desk-1 -5", code="usage", exit_code=2)
    desk.refused("oracle report gold-price lender 60", code="oracle.not_a_source")


def test_a_loan_from_first_to_last(market):
    assert "5000.00 eur@bank" in market("lend list")
    market.refused(
        "lend borrow loans borrower 300.01 --pledge 10.000", code="lending_market.collateral_insufficient"
    )
    market("lend borrow loans borrower 300.00 --pledge 10.000")
    assert market.units("borrower") == 1_030_000
    shown = market.json("lend position loans borrower")
    assert (shown["debt"], shown["collateral"], shown["free_collateral"]) == ("30000", "10000", "0")
    assert shown["liquidation_price"] == "60"
    assert "liquidated once 1 gold@bank is worth less than 60 eur@bank" in market(
        "lend position loans borrower"
    )
    market("lend pledge loans borrower 2.000")
    market("lend repay loans borrower 100.00")
    market("lend repay loans borrower --slippage 1%")
    market("lend release loans borrower")
    assert market.units("borrower", "gold@bank") == 100_000
    assert "has nothing in loans" in market("lend position loans borrower")
    refused = market.refused("lend repay loans borrower", code="lending_error", exit_code=2)
    assert "owes nothing" in refused["message"]


def test_a_lender_sees_what_can_leave_now_and_takes_it(market):
    market("lend borrow loans borrower 3000.00 --pledge 100.000")
    shown = market.json("lend position loans lender")
    assert (shown["lent"], shown["can_leave_now"], shown["later"]) == ("500000", "200000", "300000")
    assert shown["when"] > "2026"
    told = market("lend position loans lender")
    assert "2000.00 eur@bank can leave now" in told
    assert "3000.00 eur@bank are lent out, and can leave by" in told
    market.refused("lend withdraw loans lender 2000.01", code="lending_market.liquidity_insufficient")
    market("lend withdraw loans lender")
    assert market.units("lender") == 700_000
    market.refused("lend withdraw loans lender", code="lending_error", exit_code=2)


def test_a_keeper_liquidates_whom_the_price_has_met(market):
    market("lend borrow loans borrower 300.00 --pledge 10.000")
    market.refused("lend liquidate loans keeper borrower 100", code="lending_market.position_healthy")
    say(market, "59.00")
    assert market.json("lend show loans")["liquidatable"] == ["borrower"]
    assert "to be liquidated now: borrower" in market("lend show loans")
    market("lend liquidate loans keeper borrower 100 --dry-run")
    market("lend liquidate loans keeper borrower 100")
    # 100.00 x 1.15 / 59 is 1.949 gold, rounded down.
    assert market.units("keeper", "gold@bank") == 101_949
    assert market.units("keeper") == 990_000


def test_a_market_or_oracle_that_is_none_is_said_so(market):
    market.refused("lend show gold-price", code="unknown_contract")
    market.refused("oracle show loans", code="unknown_contract")
    market.refused("lend position loans nobody", code="unknown_account")


def test_no_pool_is_seen_where_there_is_none(market):
    assert market("pool list --json") == ""


SALES = {
    "lot": "gold@bank",
    "money": "eur@bank",
    "oracle": "gold-price",
    "freshness_seconds": 3_600,
    "quorum": 2,
    "fall": {"type": "linear", "seconds": 7_200},
    "start_factor": str(12 * 10**26),
    "restart_seconds": 3_600,
    "restart_fraction": str(4 * 10**26),
    "least_due": 100,
}


def test_a_lot_is_sold_at_a_price_that_falls(market):
    market(f"contract deploy sales dutch_liquidation --account bank --args '{json.dumps(SALES)}'")
    market("sale start sales lender 10.000 300.00 --owner borrower --reserve 5.00")
    [shown] = market.jsonl("sale list sales")
    assert (shown["lot_units"], shown["due_units"], shown["state"]) == ("10000", "30000", "running")
    assert 71 < float(shown["price"]) <= 72
    assert "300.00 eur@bank" in market("sale list sales")
    before = market.units("keeper")
    market("sale take sales keeper 1 1.000")
    assert 7_100 < before - market.units("keeper") <= 7_200
    assert market.units("keeper", "gold@bank") == 101_000
    market.refused("sale restart sales keeper 1", code="dutch_liquidation.cannot_restart")
    market.refused("sale cancel sales keeper 1", code="dutch_liquidation.not_the_seller")
    market("sale cancel sales lender 1")
    assert market.units("lender", "gold@bank") == 99_000
    market.refused("sale take sales keeper 1 1.000", code="dutch_liquidation.unknown_sale")
    market.refused("sale list loans", code="unknown_contract")
