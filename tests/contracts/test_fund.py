"""Funds: windows that a custodian settles at an attested value, gates, collateral, and everyone leaving."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts import oracle
from tallystick.contracts.fund import PPM, Gate, Refusal, accrued
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Dependencies, Exit, Position
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts import feeds
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, START, deploy

EUR = f"eur@{ISSUER}"
FUND, UNIT = "gold-fund", "unit@gold-fund"
VALUE = "gold-value"
FUNDS = 10**9
HOLDERS = ("alice", "bob", "carol")
TODAY = START // (DAY * SECOND)
CLOSE = (TODAY + 1) * DAY * SECOND
SETTLE = 4 * 3_600


def found(**parameters):
    """Return a fund whose unit is worth 2 euro, with daily windows settled within four hours."""
    market = Market(accounts=(*HOLDERS, "custodian", "keeper"))
    market.fund(FUNDS, EUR)
    founding = tx.FoundInstitution(account="custodian", name="vault-ag", roles=("custodian",))
    market.world.do("custodian", founding)
    market.world.do("custodian", deployment(**parameters))
    feeds.deploy_oracle(market, VALUE, base=UNIT, quote=EUR, stale_seconds=30 * DAY)
    attest(market, 2)
    return market


def deployment(**parameters):
    given = {
        "cash": EUR,
        "obligor": "vault-ag",
        "custodian": "custodian",
        "oracle": VALUE,
        "owes": "XAU",
        "window_seconds": DAY,
        "settle_seconds": SETTLE,
        "freshness_seconds": 30 * DAY,
        "quorum": 2,
    } | parameters
    return tx.Deploy(
        account="custodian",
        contract=FUND,
        kind="fund",
        version=1,
        parameters=deploy("custodian", FUND, "fund", **given).parameters,
        obligor="vault-ag",
    )


@pytest.fixture
def market():
    return found()


def attest(market, value):
    """Let all reporters say what a unit is worth; a microsecond passes first."""
    market.world.time += 1
    scaled = int(value * feeds.SCALE)
    feeds.report(market, VALUE, scaled, scaled, scaled)


def act(market, who, method, **arguments):
    spend = {asset: units for asset in (EUR, UNIT) if (units := market.world.balance(who, asset)) > 0}
    return market.call(who, FUND, method, spend=spend, **arguments)


def refused(market, who, method, **arguments):
    spend = {asset: units for asset in (EUR, UNIT) if (units := market.world.balance(who, asset)) > 0}
    return market.refused(who, FUND, method, spend=spend, **arguments).code


def settle(market, window=TODAY, *, value=2):
    """Attest a value and settle, after the window's close."""
    market.world.time = max(market.world.time, (window + 1) * DAY * SECOND)
    attest(market, value)
    return int(act(market, "custodian", "settle", window=window, reference="instruction-1"))


def hold(market, **units):
    """Let accounts have units, bought at 2 euro each."""
    for who, many in units.items():
        act(market, who, "subscribe", units=2 * many)
    settle(market)
    for who in units:
        act(market, who, "claim", window=TODAY)


# Windows.


def test_cash_goes_to_the_custodian_and_units_to_the_subscriber_at_the_value_after_the_close(market):
    assert act(market, "alice", "subscribe", units=1_001) == str(TODAY)
    assert market.world.balance("custodian", EUR) == FUNDS
    settle(market, value=2.5)
    assert market.world.balance("custodian", EUR) == FUNDS + 1_001
    assert act(market, "alice", "claim", window=TODAY) == {"subscribed": "0", "redeeming": "400"}
    assert market.world.balance("alice", UNIT) == 400  # 400.4, down
    asset = market.world.get("asset", UNIT)
    assert (asset.kind, asset.obligor, asset.terms.owes) == ("claim", "vault-ag", "XAU")


def test_a_redemption_is_paid_by_the_custodian_at_the_value_after_the_close(market):
    hold(market, alice=400)
    assert act(market, "alice", "redeem", units=300) == str(TODAY + 1)
    assert settle(market, TODAY + 1, value=3) == 900
    assert -market.world.balance(FUND, UNIT) == 100
    assert act(market, "alice", "claim", window=TODAY + 1) == {"subscribed": "900", "redeeming": "0"}
    assert market.world.balance("alice", EUR) == FUNDS - 800 + 900


def test_both_sides_of_a_window_settle_in_one_instruction(market):
    hold(market, alice=400)
    act(market, "alice", "redeem", units=100)
    act(market, "bob", "subscribe", units=50)
    before = market.world.balance("custodian", EUR)
    settle(market, TODAY + 1)
    assert market.world.balance("custodian", EUR) == before - 200 + 50
    act(market, "bob", "claim", window=TODAY + 1)
    assert market.world.balance("bob", UNIT) == 25


def test_the_yield_of_the_prospectus_accrues_between_two_attested_values():
    market = found(yield_ppm=36_500)  # 3.65 % a year: a ten-thousandth a day
    hold(market, alice=1_000_000)
    told = market.view(FUND, "price", asset_in=UNIT, asset_out=EUR)
    assert told.numerator / told.denominator == 2
    market.world.time += 10 * DAY * SECOND
    told = market.view(FUND, "price", asset_in=UNIT, asset_out=EUR)
    assert told.numerator * 1_000 == told.denominator * 2_002
    back = market.view(FUND, "price", asset_in=EUR, asset_out=UNIT)
    assert (back.numerator, back.denominator) == (told.denominator, told.numerator)
    later = market.world.time + 365 * DAY * SECOND
    year = accrued(OraclePrice(2, 1, market.world.time, 2), time=later, yield_ppm=PPM)
    assert year.numerator == 4 * year.denominator


def test_what_waits_can_be_taken_back_before_the_close_and_once_it_is_overdue(market):
    hold(market, alice=400)
    act(market, "alice", "redeem", units=300)
    act(market, "bob", "subscribe", units=50)
    act(market, "alice", "cancel", window=TODAY + 1, redeeming=100)
    assert market.world.balance("alice", UNIT) == 200
    close = CLOSE + DAY * SECOND
    market.world.time = close
    assert refused(market, "alice", "cancel", window=TODAY + 1, redeeming=200) is Refusal.WINDOW_CLOSED
    market.world.time = close + SETTLE * SECOND - 1
    assert refused(market, "bob", "cancel", window=TODAY + 1, subscribed=50) is Refusal.WINDOW_CLOSED
    market.world.time += 1
    assert market.view(FUND, "requests", account="bob")[0].status == "overdue"
    act(market, "alice", "cancel", window=TODAY + 1, redeeming=200)
    # Late is better than never: the custodian may still settle what nobody took back.
    settle(market, TODAY + 1)
    act(market, "bob", "claim", window=TODAY + 1)
    assert (market.world.balance("alice", UNIT), market.world.balance("bob", UNIT)) == (400, 25)


# Gates.


def test_a_gate_lets_through_its_part_and_gives_the_rest_back_in_proportion():
    market = found(gate_ppm=250_000)
    hold(market, alice=600, bob=300, carol=100)
    assert market.view(FUND, "gate") == Gate(
        TODAY + 1, CLOSE + DAY * SECOND, CLOSE + (DAY + SETTLE) * SECOND, 250, 0
    )
    act(market, "alice", "redeem", units=600)
    act(market, "bob", "redeem", units=150)
    assert market.view(FUND, "gate").requested_units == 750
    assert settle(market, TODAY + 1) == 500  # 250 of 750 units
    assert act(market, "alice", "claim", window=TODAY + 1) == {"subscribed": "400", "redeeming": "400"}
    assert act(market, "bob", "claim", window=TODAY + 1) == {"subscribed": "100", "redeeming": "100"}
    assert -market.world.balance(FUND, UNIT) == 750


def test_the_exit_says_when_it_is_paid_and_how_much_the_gate_lets_through():
    market = found(gate_ppm=250_000)
    hold(market, alice=600, bob=400)
    due = CLOSE + (DAY + SETTLE) * SECOND
    assert market.view(FUND, "exits", account="alice") == [
        Exit("redeem", {"units": 600}, EUR, 0, 500, due, {UNIT: 600})
    ]
    act(market, "bob", "redeem", units=400)
    # 250 of 1,000 units are let through: alice's part of them is 150.
    assert market.view(FUND, "exits", account="alice")[0].units_later == 300


@pytest.mark.parametrize("gate_ppm", [PPM, 500_000])
@settings(max_examples=4)
@given(st.lists(st.integers(1, 99), min_size=3, max_size=3), st.integers(1, 50))
def test_everyone_leaves_in_every_order_and_is_paid_by_the_terms(gate_ppm, units, value):
    market = found() if gate_ppm == PPM else found(gate_ppm=gate_ppm)
    hold(market, **dict(zip(HOLDERS, units, strict=True)))
    for order in permutations(HOLDERS):
        with market.forked():
            _leave(market, order, value)


def _leave(market, order, value):
    before = {who: market.world.balance(who, EUR) for who in HOLDERS}
    had = {who: market.world.balance(who, UNIT) for who in HOLDERS}
    window, windows = TODAY + 1, 0
    while any(market.view(FUND, "exits", account=who) for who in HOLDERS):
        market.world.time = max(market.world.time, window * DAY * SECOND)
        for who in order:
            for way in market.view(FUND, "exits", account=who):
                if way.method == "redeem":
                    act(market, who, "redeem", **way.arguments)
        settle(market, window, value=value)
        for who in order:
            for way in market.view(FUND, "exits", account=who):
                if way.method == "claim":
                    least = {one.asset: one.units_now for one in market.view(FUND, "exits", account=who)}
                    market.call(who, FUND, "claim", receive=least, **way.arguments)
                    break
        window, windows = window + 1, windows + 1
    # Everything was paid, but for the rounding of each window.
    for who in HOLDERS:
        paid = market.world.balance(who, EUR) - before[who]
        assert had[who] * value - windows <= paid <= had[who] * value + windows
    assert market.world.balance(FUND, UNIT) == market.world.balance(FUND, EUR) == 0


# Units are collateral: their holder earns the fund's yield and borrows against it.


def test_a_holder_borrows_against_units_and_keeps_what_the_fund_earns():
    market = found()
    hold(market, alice=1_000)
    market.deploy(
        "loans",
        "lending_market",
        loan=EUR,
        collateral=UNIT,
        oracle=FUND,
        freshness_seconds=30 * DAY,
        quorum=2,
        rate={"type": "linear", "base": 10**16, "slope": 0},
        lltv=8 * 10**17,
    )
    market.call("bob", "loans", "supply", spend={EUR: 10_000}, units=10_000)
    market.call("alice", "loans", "supply_collateral", spend={UNIT: 1_000}, units=1_000)
    market.call("alice", "loans", "borrow", units=1_500)  # of a collateral worth 2,000
    with pytest.raises(Rejection):
        market.call("alice", "loans", "borrow", units=101)
    attest(market, 2.2)
    market.call("alice", "loans", "borrow", units=200)  # 10 % more is worth 160 more
    market.call("alice", "loans", "repay", spend={EUR: 1_701}, units=1_700)
    market.call("alice", "loans", "withdraw_collateral", units=990)
    act(market, "alice", "redeem", units=990)
    assert settle(market, TODAY + 1, value=2.2) == 2_178


# What it says about itself, and refusals.


def test_it_describes_itself(market):
    act(market, "alice", "subscribe", units=100)
    assert market.view(FUND, "positions", account="alice") == [
        Position(EUR, 100, note=f"window {TODAY}, open")
    ]
    assert market.view(FUND, "exits", account="alice") == [
        Exit("cancel", {"window": TODAY, "subscribed": 100}, EUR, 100)
    ]
    market.world.time = CLOSE
    assert market.view(FUND, "exits", account="alice") == [
        Exit("claim", {"window": TODAY}, EUR, 0, 100, CLOSE + SETTLE * SECOND)
    ]
    settle(market)
    assert market.view(FUND, "positions", account="alice") == [
        Position(UNIT, 50, note=f"window {TODAY}, claimable")
    ]
    assert market.view(FUND, "exits", account="alice") == [Exit("claim", {"window": TODAY}, UNIT, 50)]
    assert [power.holder for power in market.view(FUND, "powers")] == ["custodian", VALUE]
    assert market.view(FUND, "dependencies") == Dependencies(assets=(EUR,), oracles=(VALUE,))
    assert market.view(FUND, "assets") == [UNIT, EUR]
    assert market.view(FUND, "backing") == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"window_seconds": 0}, {"window_seconds": 1}),
        ({"settle_seconds": 0}, {"settle_seconds": 1}),
        ({"freshness_seconds": 0}, {"freshness_seconds": 1}),
        ({"quorum": 0}, {"quorum": 3}),
        ({"gate_ppm": 0}, {"gate_ppm": 1}),
        ({"gate_ppm": PPM + 1}, {}),
        ({"yield_ppm": -1}, {"yield_ppm": 1}),
    ],
)
def test_wrong_parameters(wrong, right):
    with pytest.raises(Rejection) as caught:
        found(**wrong)
    assert caught.value.code is Refusal.PARAMETERS_INVALID
    # The oracle of `found` may not answer what the neighbour demands; that it deploys is the claim.
    market = Market(accounts=("custodian",))
    market.fund(1, EUR)
    market.world.do("custodian", tx.FoundInstitution(account="custodian", name="vault-ag", roles=()))
    market.world.do("custodian", deployment(**right))


def test_an_obligor_that_did_not_consent():
    with pytest.raises(Rejection) as caught:
        found(obligor="somebody")
    assert caught.value.code is Code.NOT_CONTROLLED


def test_only_the_custodian_settles_once_after_the_close_at_a_value_attested_since():
    market = found()
    act(market, "alice", "subscribe", units=100)
    given = {"window": TODAY, "reference": "i"}
    assert refused(market, "alice", "settle", **given) is Refusal.NOT_THE_CUSTODIAN
    assert refused(market, "custodian", "settle", **given | {"window": 1}) is Refusal.NO_SUCH_REQUEST
    assert refused(market, "custodian", "settle", **given) is Refusal.WINDOW_OPEN
    market.world.time = CLOSE
    assert refused(market, "custodian", "settle", **given) is Refusal.VALUE_TOO_OLD
    assert refused(market, "alice", "claim", window=TODAY) is Refusal.NOT_SETTLED
    attest(market, 2)
    act(market, "custodian", "settle", **given)
    assert refused(market, "custodian", "settle", **given) is Refusal.ALREADY_SETTLED
    assert refused(market, "alice", "cancel", window=TODAY, subscribed=1) is Refusal.ALREADY_SETTLED
    assert refused(market, "bob", "claim", window=TODAY) is Refusal.NO_SUCH_REQUEST
    act(market, "alice", "claim", window=TODAY)
    assert refused(market, "alice", "claim", window=TODAY) is Refusal.NO_SUCH_REQUEST


def test_a_custodian_without_the_cash_settles_nothing(market):
    hold(market, alice=400)
    act(market, "alice", "redeem", units=400)
    market.world.time = CLOSE + DAY * SECOND
    attest(market, 2)
    given = {"window": TODAY + 1, "reference": "i"}
    code = market.refused("custodian", FUND, "settle", spend={EUR: 799}, **given).code
    assert code is Code.BUDGET_EXCEEDED
    market.call("custodian", FUND, "settle", spend={EUR: 800}, **given)


def test_a_stale_value_or_too_few_sources_settle_nothing():
    market = found(freshness_seconds=3_600, quorum=3)
    act(market, "alice", "subscribe", units=100)
    market.world.time = CLOSE + 3_601 * SECOND
    given = {"window": TODAY, "reference": "i"}
    assert refused(market, "custodian", "settle", **given) is oracle.Refusal.STALE
    assert market.view(FUND, "exits", account="bob") == []
    settle(market)
    market.world.time += 3_601 * SECOND
    with pytest.raises(Rejection) as caught:
        market.view(FUND, "price", asset_in=UNIT, asset_out=EUR)
    assert caught.value.code is oracle.Refusal.STALE


def test_requests_of_nothing_too_much_or_by_others(market):
    for method in ("subscribe", "redeem"):
        assert refused(market, "alice", method, units=0) is Code.AMOUNT_NOT_POSITIVE
        assert refused(market, "alice", method, units=1 << 128) is Code.AMOUNT_TOO_LARGE
    act(market, "alice", "subscribe", units=100)
    assert refused(market, "bob", "cancel", window=TODAY, subscribed=1) is Refusal.NO_SUCH_REQUEST
    assert refused(market, "alice", "cancel", window=TODAY, subscribed=101) is Refusal.REQUEST_EXCEEDED
    assert refused(market, "alice", "cancel", window=TODAY, redeeming=1) is Refusal.REQUEST_EXCEEDED
    assert refused(market, "alice", "cancel", window=TODAY, subscribed=-1) is Refusal.REQUEST_EXCEEDED
    assert refused(market, "alice", "cancel", window=TODAY) is Code.AMOUNT_NOT_POSITIVE
    act(market, "alice", "cancel", window=TODAY, subscribed=100)
    with pytest.raises(Rejection) as caught:
        market.view(FUND, "price", asset_in=EUR, asset_out=EUR)
    assert caught.value.code is Refusal.WRONG_ASSET


def test_a_subscription_too_small_for_a_unit_comes_back(market):
    act(market, "alice", "subscribe", units=1)
    settle(market)
    assert market.world.balance("custodian", EUR) == FUNDS
    assert act(market, "alice", "claim", window=TODAY) == {"subscribed": "1", "redeeming": "0"}


def test_the_last_claim_of_a_window_leaves_no_dust(market):
    for who, units in zip(HOLDERS, (5, 7, 9), strict=True):
        act(market, who, "subscribe", units=units)
    settle(market, value=4)  # 21 euro buy five units
    for who in HOLDERS:
        act(market, who, "claim", window=TODAY)
    assert [market.world.balance(who, UNIT) for who in HOLDERS] == [1, 1, 2]
    # The fifth stood for fractions of all three.
    assert -market.world.balance(FUND, UNIT) == 4
    assert market.world.get(f"{FUND}!", "window", TODAY) is None


def test_who_claims_last_gets_nothing_of_who_claims_first(market):
    act(market, "alice", "subscribe", units=90_000)
    act(market, "bob", "subscribe", units=1)
    settle(market, value=60_000)  # a bar of gold
    assert act(market, "alice", "claim", window=TODAY) == {"subscribed": "0", "redeeming": "1"}
    assert act(market, "bob", "claim", window=TODAY) == {"subscribed": "0", "redeeming": "0"}
    assert market.world.balance(FUND, EUR) == 0


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 999), st.integers(1, 999)), min_size=1, max_size=5),
    st.sampled_from([1, 2, 3, 7]),
)
def test_no_coming_and_going_at_one_value_gains_anything(steps, value):
    market = found()
    window = TODAY
    for subscribes, mine, theirs in steps:
        for who, many in (("alice", mine), ("bob", theirs)):
            units = many if subscribes else min(many, market.world.balance(who, UNIT))
            if units:
                act(market, who, "subscribe" if subscribes else "redeem", units=units)
        if market.world.get(f"{FUND}!", "window", window) is not None:
            settle(market, window, value=value)
            for who in ("alice", "bob"):
                if market.view(FUND, "requests", account=who):
                    act(market, who, "claim", window=window)
        window += 1
        market.world.time = max(market.world.time, window * DAY * SECOND)
        both = [market.world.balance(who, EUR) + value * market.world.balance(who, UNIT) for who in HOLDERS]
        # One unit of rounding can pass between two who share a window; together they never gain.
        assert sum(both) <= 3 * FUNDS
        assert all(one <= FUNDS + value * len(steps) for one in both)
