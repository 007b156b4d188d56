import pytest

from tallystick.contracts import lending_market
from tallystick.contracts.lending_market import (
    INCENTIVE_MAX,
    Loan,
    Rates,
    Refusal,
    Withdrawable,
    liquidation_incentive,
)
from tallystick.contracts.oracle import Refusal as OracleRefusal
from tallystick.ledger.contract import Backing, Dependencies, Exit, Position
from tallystick.ledger.pools import Price
from tallystick.ledger.rates import YEAR_SECONDS
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import ClawBack
from tests.contracts.feeds import REPORTERS, deploy_oracle
from tests.contracts.lending import (
    ALL,
    COLLATERAL,
    FUNDS,
    LOAN,
    MARKET,
    ORACLE,
    SHARE,
    WAD,
    act,
    deploy_market,
    new_lending,
    open_loan,
    refuses,
    set_price,
)
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, START, create, issue, transfer


@pytest.fixture
def empty():
    return new_lending()


@pytest.fixture
def market(empty):
    """A million euro supplied; alice owes 30,000 against 1,000 gold at 60: exactly half of its worth."""
    act(empty, "lender", "supply", units=1_000_000)
    open_loan(empty, "alice", collateral=1_000, units=30_000)
    return empty


def later(market, seconds):
    """Let time pass, and the reporters say the same again."""
    market.world.time += seconds * SECOND
    last = market.world.get(f"{ORACLE}!", "board").standings[0].value
    set_price(market, last, scaled=True)


def state(market):
    return market.view(MARKET, "state")


def position(market, who):
    return market.view(MARKET, "position", account=who)


# Lending.


def test_the_first_units_get_a_million_shares_each(empty):
    assert act(empty, "lender", "supply", units=7) == {"units": "7", "shares": "7000000"}
    assert empty.world.balance("lender", SHARE) == 7_000_000
    assert empty.view(MARKET, "price", asset_in=SHARE, asset_out=LOAN) == Price(8, 8_000_000)
    assert empty.view(MARKET, "price", asset_in=LOAN, asset_out=SHARE) == Price(8_000_000, 8)
    with pytest.raises(Rejection) as found:
        empty.view(MARKET, "price", asset_in=SHARE, asset_out=COLLATERAL)
    assert found.value.code is Refusal.WRONG_ASSET


def test_a_lender_takes_out_what_it_put_in_and_no_unit_more(empty):
    act(empty, "lender", "supply", units=1_000)
    found = empty.refused("lender", MARKET, "withdraw", spend={SHARE: FUNDS}, units=1_001)
    assert found.code is Code.INSUFFICIENT_BALANCE
    assert act(empty, "lender", "withdraw", units=1_000) == {"units": "1000", "shares": "1000000000"}
    assert empty.world.balance("lender", LOAN) == FUNDS


def test_shares_cost_rounded_up_and_are_paid_rounded_down(market):
    later(market, 86_400 * 30)
    supplied, price = state(market).supplied, market.view(MARKET, "price", asset_in=SHARE, asset_out=LOAN)
    assert supplied > 1_000_000
    exact = 1_000_000 * price.numerator
    up, down = -(-exact // price.denominator), exact // price.denominator
    assert up == down + 1
    assert act(market, "other", "supply", shares=1_000_000) == {"units": str(up), "shares": "1000000"}
    paid = act(market, "other", "withdraw", shares=1_000_000)
    assert paid == {"units": str(down), "shares": "1000000"}


def test_interest_compounds_in_three_terms_and_goes_to_the_lenders(market):
    later(market, YEAR_SECONDS)
    # e^0.1 - 1 to the third term is 0.105166..., of 30,000: 3,155 rounded down.
    assert int(act(market, "keeper", "accrue")) == 3_154
    row = state(market)
    assert (row.supplied, row.borrowed) == (1_003_154, 33_154)
    assert position(market, "alice").debt_units == 33_154


def test_a_fee_of_the_interest_is_paid_in_shares_and_collected_by_its_account():
    market = new_lending(fee=WAD // 10, fee_account="fees")
    act(market, "lender", "supply", units=1_000_000)
    open_loan(market, "alice", collateral=1_000, units=30_000)
    later(market, YEAR_SECONDS)
    [unwritten] = market.view(MARKET, "positions", account="fees")
    act(market, "keeper", "accrue")
    [fee] = market.view(MARKET, "positions", account="fees")
    worth = market.view(MARKET, "price", asset_in=SHARE, asset_out=LOAN)
    assert (fee.asset, fee) == (SHARE, unwritten)
    assert fee.units * worth.numerator // worth.denominator == 315  # a tenth of 3,155
    assert refuses(market, "lender", "collect").code is Refusal.NOTHING_TO_COLLECT
    assert int(act(market, "fees", "collect")) == fee.units
    assert market.world.balance("fees", SHARE) == fee.units


def test_a_lender_sees_what_can_leave_now_and_when_the_rest_can(market):
    open_loan(market, "bob", collateral=1_000_000, units=960_000)
    told = market.view(MARKET, "withdrawable", account="lender")
    assert (told.units, told.now, told.later) == (1_000_000, 10_000, 990_000)
    # Bob owes 960,000 and may owe 30,000,000: at 10% a year e^x = 31.25 takes 35 years, by three terms more.
    years = (told.when - market.world.time) / SECOND / YEAR_SECONDS
    assert 34 < years < 60
    found = refuses(market, "lender", "withdraw", units=10_001)
    assert (found.code, found.facts) == (
        Refusal.LIQUIDITY_INSUFFICIENT,
        {"asked": "10001", "at_hand": "10000"},
    )
    act(market, "lender", "withdraw", units=10_000)
    with market.forked():
        # At that time the keeper can repay everything, and so the lender leaves.
        market.world.time = told.when
        set_price(market, 60)
        for borrower in ("bob", "alice"):
            act(market, "keeper", "liquidate_most", borrower=borrower, most_repaid=10**12)
        assert market.view(MARKET, "withdrawable", account="lender").later == 0
    market.world.time = told.when - SECOND
    set_price(market, 60)
    assert refuses(market, "keeper", "liquidate_most", borrower="bob", most_repaid=10**12).code is (
        Refusal.POSITION_HEALTHY
    )


def test_nothing_lent_out_means_nothing_comes_later(empty):
    act(empty, "lender", "supply", units=500)
    assert empty.view(MARKET, "withdrawable", account="lender") == Withdrawable(500, 500, 0, None)
    assert empty.view(MARKET, "exits", account="lender") == [
        Exit("withdraw", {"shares": 500_000_000}, LOAN, 500, spend={SHARE: 500_000_000})
    ]


# Borrowing.


def test_a_loan_up_to_half_of_the_collateral_passes_and_one_unit_more_is_refused(empty):
    act(empty, "lender", "supply", units=1_000_000)
    act(empty, "alice", "supply_collateral", units=1_000)
    found = refuses(empty, "alice", "borrow", units=30_001)
    assert (found.code, found.facts) == (
        Refusal.COLLATERAL_INSUFFICIENT,
        {"debt": "30001", "limit": "30000"},
    )
    assert act(empty, "alice", "borrow", units=30_000) == {"units": "30000", "shares": "30000000000"}
    assert empty.world.balance("alice", LOAN) == FUNDS + 30_000


def test_a_loan_is_refused_without_liquidity(empty):
    act(empty, "lender", "supply", units=29_999)
    act(empty, "alice", "supply_collateral", units=1_000)
    found = refuses(empty, "alice", "borrow", units=30_000)
    assert found.code is Refusal.LIQUIDITY_INSUFFICIENT
    act(empty, "alice", "borrow", units=29_999)


def test_a_borrower_sees_the_price_that_liquidates(market):
    later(market, 86_400)
    told = position(market, "alice")
    # The debt is 30,008 by now: twice as much must the collateral be worth.
    assert told.debt_units == 30_008
    assert (told.liquidation_numerator, told.liquidation_denominator) == (60_016, 1_000)
    with market.forked():
        set_price(market, 60_016_000, scaled=True)
        assert refuses(market, "keeper", "liquidate", borrower="alice", shares=1).code is (
            Refusal.POSITION_HEALTHY
        )
        set_price(market, 60_015_999, scaled=True)
        act(market, "keeper", "liquidate", borrower="alice", shares=10**9)


def test_collateral_under_a_debt_stays_and_the_rest_is_free(empty):
    act(empty, "lender", "supply", units=1_000_000)
    open_loan(empty, "alice", collateral=1_500, units=30_000)
    assert position(empty, "alice").free_collateral == 500
    found = refuses(empty, "alice", "withdraw_collateral", units=501)
    assert found.code is Refusal.COLLATERAL_INSUFFICIENT
    act(empty, "alice", "withdraw_collateral", units=500)
    assert refuses(empty, "alice", "withdraw_collateral", units=1_001).facts["has"] == "1000"


def test_a_debt_is_repaid_in_part_in_whole_and_by_others(market):
    later(market, YEAR_SECONDS)
    done = act(market, "alice", "repay", units=10_000)
    assert position(market, "alice").debt_units == 23_154
    assert int(done["shares"]) * 33_154 // 30_000 == pytest.approx(10_000 * 10**6, rel=1e-4)
    act(market, "bob", "repay_for", units=3_154, borrower="alice")
    left = position(market, "alice").debt_shares
    assert refuses(market, "alice", "repay", shares=left + 1).code is Refusal.POSITION_EXCEEDED
    assert act(market, "alice", "repay", shares=left)["units"] == "20000"
    act(market, "alice", "withdraw_collateral", units=1_000)
    assert market.world.get(f"{MARKET}!", "loan", "alice") is None
    assert state(market).borrowed == 0


def test_a_borrower_leaves_in_one_call_though_a_stranger_repays_a_share_before_it(market):
    shares = position(market, "alice").debt_shares
    act(market, "bob", "repay_for", shares=1, borrower="alice")
    assert refuses(market, "alice", "repay", shares=shares).code is Refusal.POSITION_EXCEEDED
    short = market.refused("alice", MARKET, "repay_all", spend={LOAN: 29_999})
    assert short.code is Code.BUDGET_EXCEEDED
    repaid = market.call("alice", MARKET, "repay_all", spend={LOAN: 30_000})
    assert repaid == {"units": "30000", "shares": str(shares - 1)}
    assert position(market, "alice").debt_shares == 0
    nothing = refuses(market, "alice", "repay_all")
    assert (nothing.code, nothing.facts["has"]) == (Refusal.POSITION_EXCEEDED, "0")
    act(market, "alice", "withdraw_collateral", units=1_000)


def test_who_owes_nothing_leaves_whatever_the_oracle_says(empty):
    act(empty, "lender", "supply", units=1_000)
    act(empty, "alice", "supply_collateral", units=10)
    empty.world.time += 7_200 * SECOND
    act(empty, "alice", "withdraw_collateral", units=10)
    act(empty, "lender", "withdraw", units=1_000)


def test_debt_shares_for_nothing_are_refused(market):
    assert refuses(market, "alice", "borrow", shares=999_999).code is Refusal.UNITS_MISSING
    act(market, "alice", "repay", units=2)
    assert act(market, "alice", "borrow", shares=1_000_000)["units"] == "1"


@pytest.mark.parametrize("method", ["supply", "withdraw", "borrow", "repay"])
@pytest.mark.parametrize("amounts", [{}, {"units": 5, "shares": 5_000_000}])
def test_exactly_one_of_units_and_shares_is_given(market, method, amounts):
    found = refuses(market, "alice", method, **amounts)
    assert found.code is Refusal.INPUT_INCONSISTENT


@pytest.mark.parametrize("method", ["supply", "withdraw", "borrow", "repay"])
@pytest.mark.parametrize(
    ("amount", "code"), [(-1, Code.AMOUNT_NOT_POSITIVE), (1 << 128, Code.AMOUNT_TOO_LARGE)]
)
def test_an_amount_is_positive_and_fits(market, method, amount, code):
    for name in ("units", "shares"):
        assert refuses(market, "alice", method, **{name: amount}).code is code


def test_zero_collateral_is_refused(market):
    for method in ("supply_collateral", "withdraw_collateral"):
        assert refuses(market, "alice", method, units=0).code is Refusal.UNITS_MISSING
        assert refuses(market, "alice", method, units=-1).code is Code.AMOUNT_NOT_POSITIVE


def test_more_is_not_taken_than_was_signed(market):
    refused = market.refused("bob", MARKET, "supply", spend={LOAN: 99}, units=100)
    assert refused.code is Code.BUDGET_EXCEEDED
    market.call("bob", MARKET, "supply", spend={LOAN: 100}, receive={SHARE: 1}, units=100)


# The price that the market demands.


def test_no_borrowing_nor_liquidation_without_a_fresh_price(market):
    market.world.time += 3_601 * SECOND
    for who, method, arguments in (
        ("alice", "borrow", {"units": 1}),
        ("alice", "withdraw_collateral", {"units": 1}),
        ("keeper", "liquidate", {"borrower": "alice", "seized": 1}),
        ("keeper", "liquidate_most", {"borrower": "alice", "most_repaid": 1}),
        ("keeper", "write_off", {"borrower": "alice"}),
    ):
        assert refuses(market, who, method, **arguments).code is OracleRefusal.STALE
    told = position(market, "alice")
    assert (told.limit_units, told.free_collateral, told.refusal) == (0, 0, "oracle.stale")
    act(market, "alice", "repay", units=1)
    act(market, "lender", "withdraw", units=1)
    act(market, "lender", "supply", units=1)


def test_a_quorum_of_three_is_demanded_by_the_market_alone():
    market = new_lending(quorum=3)
    act(market, "lender", "supply", units=1_000)
    act(market, "alice", "supply_collateral", units=10)
    act(market, "alice", "borrow", units=100)
    market.world.time += 3_601 * SECOND
    for name in REPORTERS[:2]:
        market.call(name, ORACLE, "report", value=60_000_000, observed=market.world.time)
    assert refuses(market, "alice", "borrow", units=1).code is OracleRefusal.STALE
    market.call(REPORTERS[2], ORACLE, "report", value=60_000_000, observed=market.world.time)
    act(market, "alice", "borrow", units=1)


# Liquidation.


def test_the_incentive_is_dearer_where_there_is_more_room():
    assert liquidation_incentive(5 * 10**17) == INCENTIVE_MAX == 1_150_000_000_000_000_000
    assert liquidation_incentive(945 * 10**15) == 1_016_776_817_488_561_260
    assert liquidation_incentive(77 * 10**16) == 1_074_113_856_068_743_286


def test_a_liquidation_by_shares_pays_the_incentive_and_leaves_the_rest(market):
    set_price(market, 59)
    before = market.balances("keeper")
    done = act(market, "keeper", "liquidate", borrower="alice", shares=10_000 * 10**6)
    # 10,000 x 1.15 / 59, rounded down.
    assert done == {"seized": "194", "repaid": "10000", "shares": "10000000000", "bad_debt": "0"}
    after = market.balances("keeper")
    assert (before[LOAN] - after[LOAN], after[COLLATERAL] - before[COLLATERAL]) == (10_000, 194)
    assert market.world.get(f"{MARKET}!", "loan", "alice") == Loan(20_000 * 10**6, 806)


def test_a_liquidation_by_seizure_costs_what_the_collateral_is_worth_less_the_incentive(market):
    set_price(market, 59)
    done = act(market, "keeper", "liquidate", borrower="alice", seized=194)
    # 194 x 59 / 1.15, rounded up.
    assert done == {"seized": "194", "repaid": "9954", "shares": "9954000000", "bad_debt": "0"}


def test_what_no_collateral_covers_comes_off_the_lenders_at_once_and_pro_rata(market):
    act(market, "other", "supply", units=500_000)
    set_price(market, 20)
    done = act(market, "keeper", "liquidate", borrower="alice", seized=1_000)
    # 1,000 x 20 / 1.15 rounded up is 17,392; the debt was 30,000.
    assert done == {"seized": "1000", "repaid": "17392", "shares": "17392000000", "bad_debt": "12608"}
    row = state(market)
    assert (row.supplied, row.borrowed, row.debt_shares, row.collateral) == (1_487_392, 0, 0, 0)
    assert market.world.get(f"{MARKET}!", "loan", "alice") is None
    for who, units in (("lender", 991_594), ("other", 495_797)):
        assert market.view(MARKET, "withdrawable", account=who) == Withdrawable(units, units, 0, None)


def test_liquidation_by_budget_takes_all_the_debt_or_all_the_collateral_or_what_is_paid_for(market):
    set_price(market, 59)
    with market.forked():
        done = act(market, "keeper", "liquidate_most", borrower="alice", most_repaid=10**9)
        assert done == {"seized": "584", "repaid": "30000", "shares": "30000000000", "bad_debt": "0"}
        assert position(market, "alice").debt_units == 0
        act(market, "alice", "withdraw_collateral", units=416)
    with market.forked():
        set_price(market, 20)
        quoted = market.view(MARKET, "quote_liquidation", borrower="alice", most_repaid=10**9)
        done = act(market, "keeper", "liquidate_most", borrower="alice", most_repaid=10**9)
        assert done == {"seized": "1000", "repaid": "17392", "shares": "17392000000", "bad_debt": "12608"}
        assert {name: str(value) for name, value in vars_of(quoted).items()} == done
    done = act(market, "keeper", "liquidate_most", borrower="alice", most_repaid=777)
    assert done == {"seized": "15", "repaid": "777", "shares": "777000000", "bad_debt": "0"}
    assert refuses(market, "keeper", "liquidate_most", borrower="alice", most_repaid=51).code is (
        Refusal.UNITS_MISSING
    )
    act(market, "keeper", "liquidate_most", borrower="alice", most_repaid=52)


def vars_of(record):
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_no_more_is_seized_or_repaid_than_there_is(market):
    set_price(market, 20)
    shares = position(market, "alice").debt_shares
    assert (
        refuses(market, "keeper", "liquidate", borrower="alice", seized=1_001).facts["what"] == "collateral"
    )
    found = refuses(market, "keeper", "liquidate", borrower="alice", shares=shares + 1)
    assert found.facts["what"] == "debt_shares"
    # The whole debt would need more collateral than there is.
    found = refuses(market, "keeper", "liquidate", borrower="alice", shares=shares)
    assert found.facts["what"] == "collateral"
    act(market, "keeper", "liquidate", borrower="alice", seized=1_000)


def test_positions_are_listed_in_the_order_in_which_a_falling_price_meets_them(market):
    open_loan(market, "bob", collateral=1_000, units=20_000)
    open_loan(market, "keeper", collateral=1_000, units=25_000)
    assert market.view(MARKET, "liquidatable") == []
    for price, expected in ((59, ["alice"]), (49, ["alice", "keeper"]), (39, ["alice", "keeper", "bob"])):
        set_price(market, price)
        assert market.view(MARKET, "liquidatable") == expected
    assert market.view(MARKET, "liquidatable", most=2) == ["alice", "keeper"]
    assert market.view(MARKET, "liquidatable", most=2, skip=1) == ["keeper", "bob"]
    assert market.view(MARKET, "liquidatable", skip=3) == []
    for most, skip in ((0, 0), (101, 0), (1, -1)):
        with pytest.raises(Rejection):
            market.view(MARKET, "liquidatable", most=most, skip=skip)
    act(market, "bob", "repay", units=20_000)
    assert market.view(MARKET, "liquidatable") == ["alice", "keeper"]


def test_dust_that_nobody_would_buy_is_written_off_and_nothing_else_is(market):
    set_price(market, 20)
    act(market, "keeper", "liquidate", borrower="alice", seized=999)
    found = refuses(market, "bob", "write_off", borrower="alice")
    assert (found.code, found.facts) == (Refusal.NOT_DUST, {"worth": "20"})
    set_price(market, 999_999, scaled=True)
    done = act(market, "bob", "write_off", borrower="alice")
    assert (done["seized"], done["repaid"]) == ("1", "0")
    assert int(done["bad_debt"]) == state(market).supplied - 1_000_000 + 2 * int(done["bad_debt"])
    assert state(market).borrowed == 0
    assert refuses(market, "bob", "write_off", borrower="alice").code is Refusal.POSITION_HEALTHY


# What is sent here by mistake.


def test_a_gift_changes_no_price_and_whoever_asks_gets_it(market):
    before = state(market)
    market.world.do("bob", transfer("bob", (LOAN, MARKET, 10**9), (COLLATERAL, MARKET, 55)))
    assert state(market) == before
    assert refuses(market, "keeper", "skim", asset=SHARE).code is Refusal.NOTHING_TO_COLLECT
    assert act(market, "keeper", "skim", asset=LOAN) == str(10**9)
    assert act(market, "keeper", "skim", asset=COLLATERAL) == "55"
    assert refuses(market, "keeper", "skim", asset=LOAN).code is Refusal.NOTHING_TO_COLLECT


# Deployment.


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"lltv": WAD}, {"lltv": WAD - 1}),
        ({"lltv": 0}, {"lltv": 1}),
        ({"freshness_seconds": 0}, {"freshness_seconds": 1}),
        ({"quorum": 0}, {"quorum": 1}),
        ({"fee": WAD // 4 + 1, "fee_account": "fees"}, {"fee": WAD // 4, "fee_account": "fees"}),
        ({"fee": 1}, {"fee": 1, "fee_account": "fees"}),
        ({"fee_account": "fees"}, {}),
        ({"loan": COLLATERAL}, {"loan": LOAN}),
        (
            {"rate": {"type": "linear", "base": -1, "slope": 0}},
            {"rate": {"type": "linear", "base": 0, "slope": 0}},
        ),
    ],
)
def test_parameters_are_checked(empty, wrong, right):
    with pytest.raises(Rejection) as found:
        deploy_market(empty, "second", **wrong)
    assert found.value.code is Refusal.PARAMETERS_INVALID
    deploy_market(empty, "second", **right)


def test_an_oracle_of_other_assets_is_refused(empty):
    empty.world.mint("x@mint", alice=5)
    with pytest.raises(Rejection) as found:
        deploy_market(empty, "second", collateral="x@mint")
    assert found.value.facts == {"reason": "the oracle prices the pair"}


# What it says about itself.


def test_rates_follow_the_utilisation():
    market = new_lending(rate={"type": "linear", "base": 0, "slope": WAD})
    act(market, "lender", "supply", units=100_000)
    open_loan(market, "alice", collateral=1_000, units=25_000)
    per_second = WAD // 4 // YEAR_SECONDS
    assert market.view(MARKET, "rates") == Rates(WAD // 4, per_second, per_second // 4, 249_999, 62_499)


def test_an_adaptive_rate_rises_while_more_is_lent_than_it_should():
    market = new_lending(
        rate={
            "type": "adaptive",
            "initial": 4 * 10**16,
            "target": 9 * 10**17,
            "steepness": 4 * WAD,
            "speed": 50 * WAD,
            "least": 10**15,
            "most": 2 * WAD,
        }
    )
    act(market, "lender", "supply", units=30_000)
    open_loan(market, "alice", collateral=1_000, units=30_000)
    later(market, 1)
    act(market, "keeper", "accrue")
    # All is lent out: four times the 4% at target, and that doubles in some five days.
    assert market.view(MARKET, "rates").borrow_ppm == 159_999
    later(market, 86_400 * 5)
    act(market, "keeper", "accrue")
    assert 310_000 < market.view(MARKET, "rates").borrow_ppm < 325_000


def test_what_backs_the_shares_is_what_they_are_worth_and_neither_the_fee_nor_more_borrowers_than_are_listed(
    monkeypatch,
):
    market = new_lending(fee=WAD // 10, fee_account="fees")
    act(market, "lender", "supply", units=1_000_000)
    open_loan(market, "alice", collateral=1_000, units=20_000)
    open_loan(market, "bob", collateral=1_000, units=10_000)
    later(market, YEAR_SECONDS)
    # 3,154 of interest, of which 315 are the fee's: 1,002,838 are left beside virtual shares.
    assert market.view(MARKET, "backing") == [
        Backing(SHARE, LOAN, 970_000),
        Backing(SHARE, LOAN, 21_892, due_from="alice"),
        Backing(SHARE, LOAN, 10_946, due_from="bob"),
    ]
    monkeypatch.setattr(lending_market, "BORROWERS_LISTED_MAX", 1)
    assert market.view(MARKET, "backing")[1:] == [
        Backing(SHARE, LOAN, 21_892, due_from="alice"),
        Backing(SHARE, LOAN, 10_946, due_from=MARKET),
    ]


def test_it_says_what_it_holds_who_owes_and_how_to_leave(market):
    assert market.view(MARKET, "backing") == [
        Backing(SHARE, LOAN, 970_000),
        Backing(SHARE, LOAN, 30_000, due_from="alice"),
    ]
    assert market.view(MARKET, "positions", account="alice") == [
        Position(COLLATERAL, 1_000, note="collateral"),
        Position(LOAN, 30_000, owed=True, note="debt to the lenders"),
    ]
    assert market.view(MARKET, "positions", account="lender") == []
    assert market.view(MARKET, "exits", account="alice") == [
        Exit("repay_all", {}, LOAN, 0, spend={LOAN: 30_000}),
        Exit("withdraw_collateral", {"units": 1_000}, COLLATERAL, 0, 1_000),
    ]
    [way] = market.view(MARKET, "exits", account="lender")
    assert (way.method, way.arguments, way.units_now, way.units_later) == (
        "withdraw",
        {"units": 970_000},
        970_000,
        30_000,
    )
    # Alice is at her limit: the first unit of interest, 3,000 a year, opens her debt to liquidation.
    assert way.when == market.world.time + 10_512 * SECOND
    assert market.view(MARKET, "dependencies") == Dependencies(assets=(LOAN, COLLATERAL), oracles=(ORACLE,))
    [rule] = market.view(MARKET, "powers")
    assert (rule.holder, rule.bound) == (
        "anyone",
        "debt above 500000 ppm of the collateral's worth; 150000 ppm more",
    )
    assert market.view(MARKET, "assets") == [SHARE, LOAN]


def test_everyone_leaves_and_is_paid(market):
    act(market, "other", "supply", units=77_777)
    open_loan(market, "bob", collateral=1_000, units=12_345)
    later(market, 86_400 * 100)
    while True:
        moved = False
        for who in ("alice", "bob", "lender", "other"):
            for way in market.view(MARKET, "exits", account=who):
                if way.units_now or way.asset in way.spend:
                    market.call(
                        who,
                        MARKET,
                        way.method,
                        spend=way.spend,
                        receive={way.asset: way.units_now} if way.units_now else {},
                        **way.arguments,
                    )
                    moved = True
                    break
        if not moved:
            break
    assert market.world.balance(MARKET, COLLATERAL) == 0
    assert market.world.balance(MARKET, LOAN) <= 3  # what rounding kept
    assert [market.view(MARKET, "exits", account=who) for who in ("alice", "bob", "lender", "other")] == [
        []
    ] * 4


def test_views_change_nothing_and_history_replays(market):
    later(market, 86_400)
    set_price(market, 59)
    before = dict(market.world.store.values)
    for name in ("state", "rates", "backing", "powers", "dependencies", "assets", "liquidatable"):
        market.view(MARKET, name)
    for name in ("position", "positions", "exits", "withdrawable"):
        market.view(MARKET, name, account="alice")
    market.view(MARKET, "quote_liquidation", borrower="alice", most_repaid=10**6)
    assert market.world.store.values == before
    act(market, "keeper", "liquidate", borrower="alice", seized=1)
    market.world.replayed()


def test_funds_are_conserved(market):
    assert market.world.time > START
    assert set(ALL) == {LOAN, COLLATERAL, SHARE}
    total = sum(market.world.balance(who, LOAN) for who in (*market.accounts, MARKET))
    assert total == FUNDS * len(market.accounts)


def test_events_tell_what_a_chart_needs(market):
    receipt = market.world.entries[-1]
    [(source, name, fields)] = [
        event for event in decode_receipt(receipt.receipt).events if event[0] == MARKET
    ]
    assert (source, name) == (MARKET, "borrowed")
    assert fields == {
        "borrower": "alice",
        "units": "30000",
        "shares": "30000000000",
        "total_supplied": "1000000",
        "total_borrowed": "30000",
    }


# What the ledger's own limits and an issuer's powers could do to it.


def test_a_debt_that_outgrew_the_ledger_holds_nobody_elses_collateral_for_ever(empty):
    deploy_market(
        empty,
        "dear",
        rate={"type": "linear", "base": 1_000 * WAD, "slope": 0},
        fee=WAD // 4,
        fee_account="fees",
    )
    act(empty, "lender", "supply", units=10**9, contract="dear")
    act(empty, "bob", "supply_collateral", units=1_000, contract="dear")
    open_loan(empty, "alice", collateral=10**9, units=10**9 - 7, contract="dear")
    for _ in range(400):
        empty.world.time += 86_400 * SECOND
        act(empty, "keeper", "accrue", contract="dear")
    assert empty.view("dear", "state").supplied == 2**128 - 1
    act(empty, "bob", "withdraw_collateral", units=1_000, contract="dear")
    act(empty, "lender", "withdraw", units=7, contract="dear")


def clawed_back(units):
    """Return a market in which two lend 1,000 each, alice owes 500, and `units` of the rest were taken."""
    market = Market(accounts=("lender", "other", "alice", *REPORTERS))
    world = market.world
    world.do(ISSUER, create(ISSUER, "eur", claw_back_by=ISSUER), create(ISSUER, "gold"))
    for who in ("lender", "other", "alice"):
        world.do(ISSUER, issue(ISSUER, (LOAN, who, FUNDS), (COLLATERAL, who, FUNDS)))
    deploy_oracle(market, ORACLE, base=COLLATERAL, quote=LOAN)
    set_price(market, 60)
    deploy_market(market)
    for who in ("lender", "other"):
        act(market, who, "supply", units=1_000)
    open_loan(market, "alice", collateral=1_000, units=500)
    world.do(ISSUER, ClawBack(account=ISSUER, asset=LOAN, source=MARKET, units=str(units), reason="order"))
    return market


def test_a_claw_back_falls_on_all_lenders_alike_once_anybody_says_so():
    market = clawed_back(1_200)
    assert market.call("alice", MARKET, "sync") == "1200"
    assert market.call("alice", MARKET, "sync") == "0"
    # 300 are at hand and 500 owed: each lender's half is 400.
    assert market.view(MARKET, "withdrawable", account="lender").units == 400
    shares = position(market, "alice").debt_shares
    act(market, "alice", "repay", shares=shares)
    for who in ("lender", "other"):
        act(market, who, "withdraw", shares=10**9)
        assert market.world.balance(who, LOAN) == FUNDS - 600
    assert market.world.balance(MARKET, LOAN) == 0


def test_the_market_itself_has_no_way_out_of_itself(market):
    assert market.view(MARKET, "exits", account=MARKET) == []
    assert position(market, MARKET).units == 0
