"""Loans from several lenders at once: all of it comes back within the transaction, or none of it happened."""

from typing import Any, ClassVar

import pytest

from tallystick.client.loans import NoLender, loan_calls, quote_loan
from tallystick.contracts.flash_loan import PARTS_MAX, Refusal
from tallystick.ledger.contract import Contract, Record, method, view
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call, transfer
from tests.no_free_lunch.harness import with_kinds

A, B, C = (f"{code}@{ISSUER}" for code in "abc")
FUNDS = 10**12
PARTS = [{"pool": "cheap", "units": 600_000}, {"pool": "dear", "units": 400_000}]
OWED = [{"pool": "cheap", "units": 600_300}, {"pool": "dear", "units": 401_204}]
"""0.05% of the first, rounded up; the other's 0.3% is of what comes back: 400,000 / 0.997."""
TOTAL = 600_300 + 401_204


class Usurer(Contract):
    """A lender that does as its parameters say: lends a part, asks for more, answers nonsense."""

    kind, version = "usurer", 1

    class Parameters(Record, frozen=True):
        """Percent of what is asked that it lends, and of what comes that it takes; what it says is owed."""

        lends: int = 100
        takes: int = 100
        says: int = 0
        silent: bool = False

    tables: ClassVar = {}

    @method
    def flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        for asset, asked in units.items():
            ctx.pay(ctx.caller, asset, asked * ctx.params.lends // 100)
        return self._says(ctx, units)

    @method
    def repay(self, ctx: CallContext, units: dict[str, int]) -> bool:
        for asset, offered in units.items():
            ctx.take(asset, offered * ctx.params.takes // 100)
        return True

    @view
    def quote_flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        return self._says(ctx, units)

    def _says(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        return {} if ctx.params.silent else {asset: ctx.params.says or many for asset, many in units.items()}


USURER: Any = Usurer()


@pytest.fixture
def market():
    """Two lenders of A at different fees, the loan contract, and a borrower without any A."""
    market = Market(accounts=("maker", "borrower"), kinds=with_kinds(USURER))
    market.fund(FUNDS, A, B)
    market.deploy("loan", "flash_loan")
    market.deploy(
        "cheap",
        "concentrated_liquidity_pool",
        asset_0=A,
        asset_1=B,
        fee_ppm=500,
        tick_spacing=10,
        sqrt_price=1 << 96,
    )
    market.call("maker", "cheap", "mint", spend={A: 10**9, B: 10**9}, lower=-100, upper=100, liquidity=10**9)
    market.deploy("dear", "constant_product_pool", asset_0=A, asset_1=B)
    market.call("maker", "dear", "mint", spend={A: 10**9, B: 10**9}, units_0=10**9, units_1=10**9)
    market.world.do("borrower", transfer("borrower", (A, "maker", FUNDS - 2_000)))
    return market


def borrow(parts=PARTS, most=TOTAL):
    return call("borrower", "loan", "borrow", asset=A, parts=parts, most_owed=most)


def repay(parts=OWED, spend=TOTAL):
    return call("borrower", "loan", "repay", spend=[(A, spend)], asset=A, parts=parts)


def refused(market, *actions):
    before = dict(market.world.store.values)
    with pytest.raises(Rejection) as caught:
        market.world.do("borrower", *actions)
    assert market.world.store.values == before
    return caught.value


def test_a_loan_of_two_lenders_comes_back_with_both_their_fees(market):
    receipt = market.world.do("borrower", borrow(), repay())
    assert receipt.results == [[{"pool": one["pool"], "units": str(one["units"])} for one in OWED], True]
    assert market.balances("borrower")[A] == 2_000 - (TOTAL - 1_000_000)
    assert market.balances("loan") == {}


def test_the_quote_is_what_is_owed(market):
    quoted = market.view("loan", "quote", asset=A, parts=PARTS)
    assert [{"pool": one.pool, "units": one.units} for one in quoted] == OWED


def test_most_owed_is_met_to_the_unit_or_nothing_happens(market):
    market.world.do("borrower", borrow(most=TOTAL), repay())
    missed = refused(market, borrow(most=TOTAL - 1), repay())
    assert missed.code is Refusal.LIMIT_MISSED
    assert missed.facts == {"asset": A, "units": str(TOTAL), "most": str(TOTAL - 1)}


def test_a_loan_that_is_not_repaid_or_a_unit_short_never_happened(market):
    assert refused(market, borrow()).code is Code.OBLIGATION_OPEN
    short = [OWED[0], {"pool": "dear", "units": OWED[1]["units"] - 1}]
    assert refused(market, borrow(), repay(short)).code is Code.OBLIGATION_OPEN
    assert refused(market, borrow(), repay(OWED[:1])).code is Code.OBLIGATION_OPEN


def test_more_than_was_signed_is_not_taken(market):
    assert refused(market, borrow(), repay(spend=TOTAL - 1)).code is Code.BUDGET_EXCEEDED


def test_the_lenders_may_be_repaid_by_themselves_and_by_others(market):
    first, second = ({A: one["units"]} for one in OWED)
    market.world.do(
        "borrower",
        borrow(),
        call("borrower", "cheap", "repay", spend=list(first.items()), units=first),
        call("maker", "dear", "repay", spend=list(second.items()), units=second),
    )
    assert market.balances("borrower")[A] == 2_000 + 1_000_000 - 600_300


def test_a_loan_pays_for_itself_through_a_route(market):
    """Borrow a from both, trade it twice round where the prices differ, repay, and keep the rest."""
    market.world.mint(C, maker=FUNDS)
    for pool, units in (("ac", (10**9, 2 * 10**9)), ("ca", (10**9, 10**9))):
        market.deploy(pool, "constant_product_pool", asset_0=A, asset_1=C)
        market.call("maker", pool, "mint", spend={A: 10**9, C: units[1]}, units_0=units[0], units_1=units[1])
    market.deploy("route", "route")
    paths = [{"units": 1_000_000, "hops": [{"pool": "ac", "asset_out": C}, {"pool": "ca", "asset_out": A}]}]
    trade = {"asset_in": A, "asset_out": A, "paths": paths, "least_out": TOTAL}
    swap = call("borrower", "route", "swap_exact_in", spend=[(A, 1_000_000)], **trade)
    got = int(market.world.do("borrower", borrow(), swap, repay()).results[1])
    assert got > 1_980_000
    assert market.balances("borrower")[A] == 2_000 + got - TOTAL


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"pool": f"pool-{number}", "units": 1} for number in range(PARTS_MAX + 1)],
        [{"pool": "cheap", "units": 0}],
        [{"pool": "cheap", "units": -5}],
        [{"pool": "cheap", "units": 5}, {"pool": "cheap", "units": 5}],
    ],
)
def test_parts_that_cannot_be_are_refused_as_loan_repayment_and_quote(market, parts):
    assert refused(market, borrow(parts)).code is Refusal.PARTS_INVALID
    assert refused(market, repay(parts)).code is Refusal.PARTS_INVALID
    with pytest.raises(Rejection) as caught:
        market.view("loan", "quote", asset=A, parts=parts)
    assert caught.value.code is Refusal.PARTS_INVALID


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"pool": "nowhere", "units": 5}, Code.UNKNOWN_CONTRACT),
        ({"pool": "loan", "units": 5}, Code.UNKNOWN_METHOD),
        ({"pool": "dear", "units": 10**9}, None),
    ],
)
def test_what_is_no_lender_or_has_too_little_lends_nothing(market, part, code):
    found = refused(market, borrow([part])).code
    assert found is code or (code is None and found.value == "constant_product_pool.reserve_exceeded")


@pytest.mark.parametrize(
    ("lies", "code"),
    [
        ({}, None),
        ({"lends": 99}, Refusal.LENDER_MISMATCH),
        ({"lends": 101}, Refusal.LENDER_MISMATCH),
        ({"says": 1_000_001}, Refusal.LIMIT_MISSED),
        ({"says": 999_999}, Refusal.LENDER_MISMATCH),
        ({"silent": True}, Refusal.LENDER_MISMATCH),
        ({"takes": 99}, Refusal.LENDER_MISMATCH),
        ({"takes": 101}, Code.BUDGET_EXCEEDED),
    ],
)
def test_a_hostile_lender_cheats_nobody(market, lies, code):
    market.deploy("usurer", "usurer", **lies)
    # Even where something was sent to the contract by mistake, no lender can pass it off as its own.
    market.world.do("maker", transfer("maker", (A, "usurer", 10**7), (A, "loan", 10**7)))
    parts = [{"pool": "usurer", "units": 1_000_000}]
    actions = (borrow(parts, most=1_000_000), repay(parts, spend=1_000_000))
    if code is None:
        market.world.do("borrower", *actions)
        assert market.balances("loan") == {A: 10**7}
    else:
        assert refused(market, *actions).code is code


def test_what_lands_here_by_mistake_is_anyones(market):
    market.world.do("maker", transfer("maker", (B, "loan", 500)))
    assert market.call("borrower", "loan", "skim", asset=B) == "500"
    assert market.refused("borrower", "loan", "skim", asset=B).code is Refusal.NOTHING_LEFT


def test_it_describes_itself_as_holding_and_deciding_nothing(market):
    for name, more in (("backing", {}), ("powers", {}), ("positions", {"account": "borrower"})):
        assert market.view("loan", name, **more) == []
    assert market.view("loan", "exits", account="borrower") == []


# The cheapest lenders, found off the ledger.

POOLS = {"cheap": (A, B), "dear": (A, B)}


def quote(market, units):
    return quote_loan(market.view, POOLS, asset=A, units=units)


def held(market, pool):
    return market.balances(pool)[A]


def test_the_cheapest_lender_lends_all_that_it_has_before_the_next(market):
    assert quote(market, 1_000).parts == (("cheap", 1_000),)
    most = held(market, "cheap")
    assert quote(market, most).parts == (("cheap", most),)
    assert quote(market, most + 1_000).parts == (("cheap", most), ("dear", 1_000))


def test_all_pools_together_lend_so_much_and_not_one_unit_more(market):
    # A constant product is never emptied: one unit of its reserve stays.
    most = held(market, "cheap") + 10**9 - 1
    assert quote(market, most).units == most
    with pytest.raises(NoLender, match=f"together they lend {most}"):
        quote(market, most + 1)
    with pytest.raises(NoLender, match="together they lend 0"):
        quote_loan(market.view, POOLS, asset=C, units=5)


def test_the_ledger_lends_what_was_quoted(market):
    quoted = quote(market, held(market, "cheap") + 1_000)
    market.world.do("maker", transfer("maker", (A, "borrower", 10**9)))
    before = market.balances("borrower")[A]
    receipt = market.world.do("borrower", *loan_calls(quoted, account="borrower", contract="loan"))
    assert receipt.results[1] is True
    assert before - market.balances("borrower")[A] == quoted.units_owed - quoted.units > 0
