from itertools import permutations

import pytest

from tallystick.contracts import dutch_liquidation
from tallystick.contracts.dutch_liquidation import Refusal, Taken
from tallystick.contracts.oracle import Refusal as OracleRefusal
from tallystick.ledger.contract import Dependencies, Exit, Position
from tallystick.ledger.rates import RAY, WAD
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.feeds import deploy_oracle
from tests.contracts.lending import COLLATERAL, FUNDS, LOAN, ORACLE, set_price
from tests.contracts.market import Market
from tests.ledger.world import SECOND

SALES = "sales"
LINEAR = {"type": "linear", "seconds": 7_200}
DEAR = 10**60


def new_sales(**more):
    """Gold at 60, sales from 72 down to nothing in two hours, to be restarted after an hour or below 40%."""
    market = Market(accounts=("seller", "owner", "keeper", "taker"))
    market.fund(FUNDS, LOAN, COLLATERAL)
    deploy_oracle(market, ORACLE, base=COLLATERAL, quote=LOAN)
    set_price(market, 60)
    deploy_sales(market, SALES, **more)
    return market


def deploy_sales(market, contract, **more):
    parameters = {
        "lot": COLLATERAL,
        "money": LOAN,
        "oracle": ORACLE,
        "freshness_seconds": 3_600,
        "quorum": 2,
        "fall": LINEAR,
        "start_factor": RAY * 12 // 10,
        "restart_seconds": 3_600,
        "restart_fraction": RAY * 4 // 10,
        "least_due": 1_000,
        "tip": 10,
        "chip": WAD // 50,
    }
    market.deploy(contract, "dutch_liquidation", **(parameters | more))


@pytest.fixture
def market():
    """A sale of 1,000 gold for 30,000 euro, with 1,000 for keepers; one was rewarded already."""
    market = new_sales()
    start(market)
    return market


def start(market, *, lot=1_000, due=30_000, reserve=1_000, keeper="keeper", **more):
    spend = {asset: units for asset, units in ((COLLATERAL, lot), (LOAN, reserve)) if units > 0}
    arguments = {"lot": lot, "due": due, "owner": "owner", "keeper": keeper, "reserve": reserve} | more
    arguments = {name: value for name, value in arguments.items() if value}  # as on the wire
    return int(market.call("seller", SALES, "start", spend=spend, **arguments))


def take(market, units, *, most_price=DEAR, spend=FUNDS // 2):
    arguments = {"sale": 1, "most_units": units, "most_price": most_price}
    return market.call("taker", SALES, "take", spend={LOAN: spend}, **arguments)


def refuses(market, units=1, *, most_price=DEAR, sale=1, by="taker"):
    arguments = {"sale": sale, "most_units": units, "most_price": most_price}
    return market.refused(by, SALES, "take", spend={LOAN: FUNDS // 2}, **arguments)


def later(market, seconds):
    market.world.time += seconds * SECOND


def test_a_sale_starts_above_the_price_and_falls_evenly(market):
    told = market.view(SALES, "sale", sale=1)
    assert (told.price, told.top, told.due, told.lot) == (72 * RAY, 72 * RAY, 30_000, 1_000)
    later(market, 1_800)
    assert market.view(SALES, "sale", sale=1).price == 54 * RAY
    assert market.view(SALES, "price_at", sale=1, seconds=3_600) == 36 * RAY
    assert market.view(SALES, "price_at", sale=1, seconds=7_200) == 0
    assert [sale.sale for sale in market.view(SALES, "sales")] == [1]
    with pytest.raises(Rejection):
        market.view(SALES, "price_at", sale=1, seconds=-1)


def test_the_keeper_who_made_it_start_is_rewarded_from_the_sellers_reserve(market):
    # Ten, and a fiftieth of 30,000.
    assert market.world.balance("keeper", LOAN) == FUNDS + 610
    assert market.view(SALES, "sale", sale=1).reserve == 390


def test_a_part_is_taken_at_the_price_of_the_moment(market):
    later(market, 1_800)
    before = market.balances("taker")
    assert take(market, 100) == {"units": "100", "owed": "5400"}
    after = market.balances("taker")
    assert (after[COLLATERAL] - before[COLLATERAL], before[LOAN] - after[LOAN]) == (100, 5_400)
    assert market.world.balance("seller", LOAN) == FUNDS - 1_000 + 5_400
    told = market.view(SALES, "sale", sale=1)
    assert (told.due, told.lot) == (24_600, 900)


def test_no_more_is_sold_than_is_due_and_the_owner_gets_the_rest(market):
    later(market, 1_800)
    assert market.view(SALES, "quote", sale=1, most_units=1_000) == Taken(555, 30_000)
    assert take(market, 1_000) == {"units": "555", "owed": "30000"}
    assert market.world.balance("owner", COLLATERAL) == FUNDS + 445
    assert market.world.balance("seller", LOAN) == FUNDS - 610 + 30_000  # with what was left of the reserve
    assert market.view(SALES, "sales") == []
    assert refuses(market).code is Refusal.UNKNOWN_SALE


def test_a_lot_that_does_not_pay_for_all_that_is_due_is_sold_whole():
    market = new_sales()
    start(market, due=100_000)
    later(market, 1_800)
    assert take(market, 5_000) == {"units": "1000", "owed": "54000"}
    assert market.view(SALES, "sales") == []
    assert market.world.balance("seller", LOAN) == FUNDS - 1_000 + 54_000


def test_who_takes_a_part_leaves_enough_due_for_another(market):
    later(market, 1_800)
    # 540 units would leave 840 due; 537.03... leave a thousand.
    assert take(market, 540) == {"units": "537", "owed": "29000"}
    found = refuses(market, 5)
    assert (found.code, found.facts) == (Refusal.NO_PARTIAL_TAKE, {"due": "1000", "least_due": "1000"})
    assert take(market, 19) == {"units": "18", "owed": "1000"}


def test_the_limits_of_a_taker_hold(market):
    price = 72 * RAY
    found = refuses(market, 5, most_price=price - 1)
    assert (found.code, found.facts["price"]) == (Refusal.TOO_DEAR, str(price))
    with pytest.raises(Rejection) as short:
        take(market, 5, spend=359)
    assert short.value.code is Code.BUDGET_EXCEEDED
    assert take(market, 5, most_price=price, spend=360)["owed"] == "360"
    for units in (0, -1):
        assert refuses(market, units).code is Refusal.NOTHING_TAKEN


def test_a_sale_that_stood_too_long_is_restarted_and_its_keeper_rewarded(market):
    later(market, 3_600)
    assert market.refused("keeper", SALES, "restart", sale=1).code is Refusal.CANNOT_RESTART
    with market.forked():
        take(market, 1)
    later(market, 1)
    assert refuses(market).code is Refusal.NEEDS_RESTART
    assert market.refused("keeper", SALES, "restart", sale=1).code is OracleRefusal.STALE
    set_price(market, 50)
    assert market.call("keeper", SALES, "restart", sale=1) == str(60 * RAY)
    # The reserve of 390 is all that is left for the second reward.
    assert market.world.balance("keeper", LOAN) == FUNDS + 1_000
    assert take(market, 10)["owed"] == "600"


def test_a_sale_whose_price_fell_too_far_is_restarted():
    market = new_sales(fall={"type": "exponential", "cut": RAY * 999 // 1_000})
    start(market)
    later(market, 915)
    assert market.view(SALES, "sale", sale=1).needs_restart is False  # 0.4003...
    later(market, 1)
    assert market.view(SALES, "sale", sale=1).needs_restart is True  # 0.3999...
    market.call("keeper", SALES, "restart", sale=1)
    assert market.view(SALES, "sale", sale=1).price == 72 * RAY


def test_no_reward_for_restarting_what_is_not_worth_it():
    market = new_sales()
    start(market, due=999, reserve=500, keeper="")
    later(market, 3_601)
    set_price(market, 60)
    market.call("keeper", SALES, "restart", sale=1)
    assert market.world.balance("keeper", LOAN) == FUNDS


def test_a_price_falls_by_stairs():
    market = new_sales(fall={"type": "stairs", "cut": RAY * 9 // 10, "step_seconds": 60})
    start(market)
    for seconds, factor in ((59, 1_000), (1, 900), (59, 900), (1, 810)):
        later(market, seconds)
        assert market.view(SALES, "sale", sale=1).price == 72 * RAY * factor // 1_000


def test_the_seller_takes_its_lot_back_and_nobody_else(market):
    take(market, 100)
    found = market.refused("owner", SALES, "cancel", sale=1)
    assert (found.code, found.facts["caller"]) == (Refusal.NOT_THE_SELLER, "owner")
    market.call("seller", SALES, "cancel", sale=1)
    assert market.world.balance("seller", COLLATERAL) == FUNDS - 100
    assert market.world.balance(SALES, LOAN) == market.world.balance(SALES, COLLATERAL) == 0


def test_what_is_due_too_little_for_a_unit_waits_for_the_price_to_fall():
    market = new_sales(least_due=1)
    start(market, lot=1, due=50, reserve=0, keeper="")
    assert refuses(market).code is Refusal.NOTHING_TAKEN
    later(market, 2_200)
    # 72 x 5,000 / 7,200, with the fraction rounded down.
    assert market.view(SALES, "sale", sale=1).price == 49_999_999_999_999_999_999_999_999_968
    assert take(market, 1) == {"units": "1", "owed": "50"}


@pytest.mark.parametrize("wrong", [{"due": 0}, {"due": -5}, {"owner": ""}])
def test_a_sale_has_something_due_and_an_owner(wrong):
    market = new_sales()
    spend = {COLLATERAL: 1_000, LOAN: 1_000}
    arguments = {"lot": 1_000, "due": 30_000, "owner": "owner"} | wrong
    assert market.refused("seller", SALES, "start", spend=spend, **arguments).code is Refusal.SALE_INVALID
    for lot in (0, -1):
        arguments = {"lot": lot, "due": 30_000, "owner": "owner"}
        found = market.refused("seller", SALES, "start", spend=spend, **arguments)
        assert found.code is Code.AMOUNT_NOT_POSITIVE
    start(market)


def test_nobodys_sales_stand_in_the_way_of_anothers(monkeypatch):
    monkeypatch.setattr(dutch_liquidation, "SALES_OPEN_MAX", 3)
    market = new_sales()
    sale = {"lot": 1, "due": 10**12, "owner": "owner"}
    for _ in range(3):
        market.call("keeper", SALES, "start", spend={COLLATERAL: 1}, **sale)
    full = market.refused("keeper", SALES, "start", spend={COLLATERAL: 1}, **sale)
    assert full.code is Refusal.SALE_INVALID
    assert start(market) == 4
    assert [one.arguments for one in market.view(SALES, "exits", account="keeper")] == [
        {"sale": 1},
        {"sale": 2},
        {"sale": 3},
    ]
    market.call("keeper", SALES, "cancel", sale=2)
    market.call("keeper", SALES, "start", spend={COLLATERAL: 1}, **sale)


def test_a_price_of_nothing_starts_no_sale():
    market = new_sales(start_factor=1)
    set_price(market, 1, scaled=True)
    spend = {COLLATERAL: 5}
    found = market.refused("seller", SALES, "start", spend=spend, lot=5, due=5, owner="owner")
    assert found.code is Refusal.PRICE_MISSING
    set_price(market, 1)
    start(market, lot=5, due=5, reserve=0)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"money": COLLATERAL}, {"money": LOAN}),
        ({"quorum": 0}, {"quorum": 1}),
        ({"freshness_seconds": 0}, {"freshness_seconds": 1}),
        ({"start_factor": 0}, {"start_factor": 1}),
        ({"start_factor": 10 * RAY + 1}, {"start_factor": 10 * RAY}),
        ({"restart_seconds": 0}, {"restart_seconds": 1}),
        ({"restart_fraction": 0}, {"restart_fraction": 1}),
        ({"restart_fraction": RAY}, {"restart_fraction": RAY - 1}),
        ({"chip": WAD}, {"chip": WAD - 1}),
        ({"tip": -1}, {"tip": 1}),
        ({"fall": {"type": "linear", "seconds": 0}}, {"fall": {"type": "linear", "seconds": 1}}),
        ({"fall": {"type": "exponential", "cut": RAY}}, {"fall": {"type": "exponential", "cut": RAY - 1}}),
        (
            {"fall": {"type": "stairs", "cut": 1, "step_seconds": 0}},
            {"fall": {"type": "stairs", "cut": 1, "step_seconds": 1}},
        ),
    ],
)
def test_parameters_are_checked(wrong, right):
    market = new_sales()
    with pytest.raises(Rejection) as found:
        deploy_sales(market, "second", **wrong)
    assert found.value.code is Refusal.PARAMETERS_INVALID
    deploy_sales(market, "second", **right)


def test_it_says_whose_the_lots_are_and_how_to_leave(market):
    assert market.view(SALES, "positions", account="seller") == [
        Position(COLLATERAL, 1_000, note="sale 1, for owner"),
        Position(LOAN, 390, note="reserve of sale 1"),
    ]
    assert market.view(SALES, "exits", account="seller") == [
        Exit("cancel", {"sale": 1}, COLLATERAL, 1_000),
        Exit("cancel", {"sale": 1}, LOAN, 390),
    ]
    assert market.view(SALES, "positions", account="owner") == []
    assert market.view(SALES, "dependencies") == Dependencies(assets=(COLLATERAL, LOAN), oracles=(ORACLE,))
    [rule] = market.view(SALES, "powers")
    assert rule.bound == "from 1200000 ppm of the oracle's price down, as it falls"


@pytest.mark.parametrize("order", list(permutations(("seller", "owner", "keeper"))), ids="-".join)
def test_every_seller_leaves_in_any_order_with_lots_and_reserves_and_nothing_stays(order):
    market = new_sales()
    for number, who in enumerate(("seller", "owner", "keeper"), 1):
        lot, reserve = 1_000 * number, 1_000 + number
        given = {"lot": lot, "due": 30_000, "owner": "taker", "keeper": "taker", "reserve": reserve}
        market.call(who, SALES, "start", spend={COLLATERAL: lot, LOAN: reserve}, **given)
    later(market, 1_800)
    take(market, 100)  # of the first: what is sold is paid for already
    # A keeper's 610 each are paid: ten, and a fiftieth of what is due.
    left = {"seller": (900, 391), "owner": (2_000, 392), "keeper": (3_000, 393)}
    before = {who: market.balances(who) for who in order}
    for who in order:
        ways = market.view(SALES, "exits", account=who)
        promised = {way.asset: way.units_now for way in ways}
        [arguments] = {tuple(way.arguments.items()) for way in ways}
        market.call(who, SALES, "cancel", receive=promised, **dict(arguments))
        after = market.balances(who)
        assert after[COLLATERAL] - before[who][COLLATERAL] == left[who][0]
        assert after[LOAN] - before[who][LOAN] == left[who][1]
        assert market.view(SALES, "exits", account=who) == []
    assert market.balances(SALES) in ({}, {COLLATERAL: 0, LOAN: 0})


def test_pieces_cost_no_less_than_the_whole():
    """Whoever takes one unit at a time pays each rounded up."""
    market = new_sales(least_due=1, start_factor=RAY * 101 // 100)
    start(market)
    later(market, 100)
    with market.forked():
        whole = int(take(market, 20)["owed"])
    pieces = sum(int(take(market, 1)["owed"]) for _ in range(20))
    assert pieces >= whole
    market.world.replayed()
