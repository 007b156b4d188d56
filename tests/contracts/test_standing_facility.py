"""Standing facility: loans within collateral and haircut, paid back or enforced, and powers within bounds."""

import pytest

from tallystick.contracts.standing_facility import Refusal
from tallystick.ledger.contract import Exit, Position
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import Market
from tests.ledger.world import DAY, SECOND, deploy, transfer

MONEY, BOND = "money@mint", "bond@mint"
TERMS = {
    "lender": "cb",
    "asset": MONEY,
    "term_seconds": 7 * DAY,
    "rate_ppm": 36_500,  # 3.65 % a year: 0.01 % a day
    "rate_ppm_max": 100_000,
    "haircut_bps_max": 5_000,
    "delay_seconds": DAY,
    "collateral": [{"asset": BOND, "numerator": 3, "denominator": 2, "haircut_bps": 1_000}],
}


@pytest.fixture
def market() -> Market:
    """A facility of 100,000 with bank admitted; everybody has 1,000,000 of each asset."""
    market = Market(accounts=("cb", "bank", "mallory"))
    market.fund(1_000_000, MONEY, BOND)
    market.world.do("cb", deploy("cb", "window", "standing_facility", **TERMS))
    market.call("cb", "window", "fund", units=100_000, spend={MONEY: 100_000})
    market.call("cb", "window", "admit", borrower="bank", admitted=True)
    return market


def borrow(
    market: Market, *, bonds: int = 40_000, units: int = 54_000, by: str = "bank", refused: bool = False
):
    ask = market.refused if refused else market.call
    return ask(
        by, "window", "borrow", collateral=BOND, collateral_units=bonds, units=units, spend={BOND: bonds}
    )


def pass_time(market: Market, seconds: int) -> None:
    market.world.run(time=market.world.time + seconds * SECOND)
    market.world.do("mallory", transfer("mallory", (BOND, "mint", 1)))


def test_a_loan_is_at_most_the_collaterals_value_less_its_haircut(market):
    # 40,000 bonds at 3/2, less 10 %
    over = borrow(market, units=54_001, refused=True)
    assert over.code is Refusal.COLLATERAL_SHORT
    assert (over.facts["asked"], over.facts["most"]) == ("54001", "54000")
    assert borrow(market) == "1"
    assert market.balances("bank") == {MONEY: 1_054_000, BOND: 960_000}
    assert market.view("window", "lendable", collateral=BOND, collateral_units=1_000_000) == 46_000


def test_only_whom_the_lender_admits_borrows_and_only_the_lender_admits(market):
    assert borrow(market, by="mallory", refused=True).code is Refusal.NOT_ADMITTED
    stranger = market.refused("mallory", "window", "admit", borrower="mallory", admitted=True)
    assert stranger.code is Refusal.NOT_THE_LENDER
    market.call("cb", "window", "admit", borrower="mallory", admitted=True)
    borrow(market, by="mallory", units=10)
    market.call("cb", "window", "admit", borrower="mallory", admitted=False)
    assert borrow(market, by="mallory", refused=True, units=10).code is Refusal.NOT_ADMITTED


def test_it_lends_what_the_lender_put_in_and_no_more(market):
    assert borrow(market, bonds=100_000, units=100_001, refused=True).code is Refusal.FUNDS_SHORT
    borrow(market, bonds=100_000, units=100_000)
    assert market.refused("cb", "window", "withdraw", units=1).code is Refusal.FUNDS_SHORT


def test_what_is_not_lent_is_the_lenders_at_once_and_nobody_elses(market):
    borrow(market)
    assert market.refused("mallory", "window", "withdraw", units=1).code is Refusal.NOT_THE_LENDER
    assert market.refused("cb", "window", "withdraw", units=46_001).code is Refusal.FUNDS_SHORT
    market.call("cb", "window", "withdraw", units=46_000)
    assert market.balances("cb")[MONEY] == 946_000


def test_paid_back_with_interest_rounded_up_the_collateral_returns_whole(market):
    borrow(market, units=54_000)
    pass_time(market, 2 * DAY)
    # 0.02 % of 54,000 is 10.8
    assert [loan.owed_units for loan in market.view("window", "loans")] == [54_011]
    short = market.refused("bank", "window", "repay", loan=1, spend={MONEY: 54_010})
    assert short.code is Code.BUDGET_EXCEEDED
    assert market.call("bank", "window", "repay", loan=1, spend={MONEY: 54_011}) == "54011"
    assert market.balances("bank") == {MONEY: 999_989, BOND: 1_000_000}
    assert market.refused("bank", "window", "repay", loan=1).code is Refusal.NO_SUCH_LOAN


def test_whoever_pays_a_loan_back_the_collateral_goes_to_its_borrower(market):
    borrow(market)
    market.call("mallory", "window", "repay", loan=1, spend={MONEY: 54_000})
    assert market.balances("bank")[BOND] == 1_000_000
    assert market.balances("mallory")[MONEY] == 946_000


def test_at_the_terms_end_the_lender_takes_what_the_debt_is_worth_and_the_rest_returns(market):
    borrow(market)
    early = market.refused("cb", "window", "close", loan=1)
    assert early.code is Refusal.NOT_DUE
    market.world.wait(7 * DAY)
    # 54,000 and 0.07 % are 54,037.8, so 54,038; two thirds of that are 36,025.3, so 36,026
    assert market.balances("cb")[BOND] == 1_000_000 + 36_026
    assert market.balances("bank")[BOND] == 960_000 + 3_974
    assert market.view("window", "loans") == []
    assert market.balances("window") == {MONEY: 46_000}


def test_collateral_worth_less_than_the_debt_goes_whole_and_nothing_more_is_taken(market):
    market.call("cb", "window", "announce", terms={**TERMS["collateral"][0], "haircut_bps": 0})
    pass_time(market, DAY)
    borrow(market, bonds=40_000, units=60_000)
    market.world.wait(7 * DAY)
    assert market.balances("cb")[BOND] == 1_040_000
    assert market.balances("bank")[BOND] == 960_000


def test_what_the_lender_announces_binds_after_the_delay_and_no_loan_that_stands(market):
    borrow(market, units=54_000)
    harder = {**TERMS["collateral"][0], "haircut_bps": 5_000}
    market.call("cb", "window", "announce", terms=harder)
    market.call("cb", "window", "announce_rate", rate_ppm=100_000)
    assert market.view("window", "eligible")[0].haircut_bps == 1_000
    pass_time(market, DAY - 1)
    assert market.view("window", "eligible")[0].haircut_bps == 1_000
    pass_time(market, 1)
    assert market.view("window", "eligible")[0].haircut_bps == 5_000
    assert borrow(market, units=30_001, refused=True).code is Refusal.COLLATERAL_SHORT
    borrow(market, units=30_000)
    pass_time(market, DAY)
    # 54,000 for two days at 3.65 %; 30,000 for one at 10 %: 8.2
    assert [loan.owed_units for loan in market.view("window", "loans")] == [54_011, 30_009]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("announce", {"terms": {**TERMS["collateral"][0], "haircut_bps": 5_001}}),
        ("announce", {"terms": {**TERMS["collateral"][0], "haircut_bps": -1}}),
        ("announce", {"terms": {**TERMS["collateral"][0], "numerator": 0}}),
        ("announce_rate", {"rate_ppm": 100_001}),
        ("announce_rate", {"rate_ppm": -1}),
    ],
)
def test_powers_end_at_their_bounds_and_at_the_lender(market, method, arguments):
    assert market.refused("cb", "window", method, **arguments).code is Refusal.PARAMETERS_INVALID
    assert market.refused("mallory", "window", method, **arguments).code is Refusal.NOT_THE_LENDER


def test_announcing_at_the_bounds_is_accepted(market):
    market.call("cb", "window", "announce", terms={**TERMS["collateral"][0], "haircut_bps": 5_000})
    market.call("cb", "window", "announce_rate", rate_ppm=100_000)


def test_what_is_no_collateral_here_cannot_be_pledged_or_announced(market):
    refused = market.refused("bank", "window", "borrow", collateral=MONEY, collateral_units=5, units=1)
    assert refused.code is Refusal.NOT_ELIGIBLE
    new = {"asset": "other@mint", "numerator": 1, "denominator": 1, "haircut_bps": 0}
    assert market.refused("cb", "window", "announce", terms=new).code is Refusal.NOT_ELIGIBLE


@pytest.mark.parametrize("units", [0, -1, 1 << 128])
def test_amounts_are_positive_and_bounded(market, units):
    for method, arguments in (
        ("borrow", {"collateral": BOND, "collateral_units": 5, "units": units}),
        ("borrow", {"collateral": BOND, "collateral_units": units, "units": 1}),
    ):
        assert market.refused("bank", "window", method, **arguments).code is Refusal.UNITS_INVALID
    assert market.refused("cb", "window", "withdraw", units=units).code is Refusal.UNITS_INVALID


@pytest.mark.parametrize(
    "change",
    [
        {"term_seconds": 0},
        {"term_seconds": 366 * DAY + 1},
        {"delay_seconds": 0},
        {"rate_ppm": 100_001},
        {"rate_ppm": -1},
        {"rate_ppm_max": 1_000_001},
        {"haircut_bps_max": 10_000},
        {"collateral": []},
        {"collateral": TERMS["collateral"] * 2},
        {"collateral": [{**TERMS["collateral"][0], "haircut_bps": 5_001}]},
        {"collateral": [{**TERMS["collateral"][0], "asset": MONEY}]},
        {"collateral": [{**TERMS["collateral"][0], "denominator": 0}]},
    ],
)
def test_terms_out_of_range_are_refused(market, change):
    refused = market.world.refused("cb", deploy("cb", "other", "standing_facility", **(TERMS | change)))
    assert refused.code is Refusal.PARAMETERS_INVALID
    market.world.do("cb", deploy("cb", "other", "standing_facility", **TERMS))


def test_both_sides_of_every_loan_are_told(market):
    assert market.view("window", "positions", account="cb") == [Position(MONEY, 100_000, note="not lent")]
    borrow(market)
    assert market.view("window", "positions", account="bank") == [
        Position(BOND, 40_000, note="pledged for loan 1"),
        Position(MONEY, 54_000, owed=True, note="loan 1"),
    ]
    assert market.view("window", "positions", account="cb") == [
        Position(MONEY, 46_000, note="not lent"),
        Position(MONEY, 54_000, note="loan 1", due_from="bank"),
    ]
    assert market.view("window", "positions", account="mallory") == []
    assert market.view("window", "exits", account="bank") == [
        Exit("repay", {"loan": 1}, BOND, 40_000, spend={MONEY: 54_000})
    ]
    assert market.view("window", "exits", account="cb") == [
        Exit("withdraw", {"units": 46_000}, MONEY, 46_000)
    ]
    assert market.view("window", "dependencies").assets == (MONEY, BOND)
    assert [power.delay_seconds for power in market.view("window", "powers")] == [0, DAY]


def test_the_exits_it_names_are_calls_that_work(market):
    borrow(market)
    [way] = market.view("window", "exits", account="bank")
    market.call("bank", "window", way.method, spend=way.spend, **way.arguments)
    [way] = market.view("window", "exits", account="cb")
    market.call("cb", "window", way.method, **way.arguments)
    assert market.balances("window") == {}
    for account in ("cb", "bank"):
        assert market.view("window", "positions", account=account) == []


def test_nothing_is_lost_or_made_over_many_loans(market):
    for units in (1, 999, 54_000):
        borrow(market, units=units)
    pass_time(market, 3 * DAY)
    market.call("bank", "window", "repay", loan=2, spend={MONEY: 2_000})
    market.world.wait(7 * DAY)
    assert market.view("window", "loans") == []
    for asset in (MONEY, BOND):
        held = sum(market.balances(name).get(asset, 0) for name in ("cb", "bank", "mallory", "window"))
        assert held == -market.balances("mint")[asset]


def test_the_lender_is_an_account_that_exists(market: Market) -> None:
    for lender, code in (("bc", Code.UNKNOWN_ACCOUNT), ("cb", None)):
        terms = TERMS | {"lender": lender}
        if code is None:
            market.world.do("cb", deploy("cb", "other", "standing_facility", **terms))
            continue
        with pytest.raises(Rejection) as caught:
            market.world.do("cb", deploy("cb", "other", "standing_facility", **terms))
        assert (caught.value.code, caught.value.facts) == (code, {"account": lender})
