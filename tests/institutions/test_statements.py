"""Income and cash flow: opening and every line add up to closing, each line with whom and why."""

import pytest

from tallystick.institutions.books import Books
from tallystick.institutions.prices import Prices, price_book
from tallystick.institutions.sheet import sheet
from tallystick.institutions.statements import CashFlow, CashLine, Income, IncomeLine, cash_flow, income
from tallystick.ledger.records import Terms
from tallystick.ledger.store import Store
from tests.institutions.city import ALDER, BIRCH, PERK, RESERVE, City
from tests.ledger.world import DAY, SECOND, call, create, deploy, issue, transfer


class Period:
    """From the moment it is made until `close`, in a city."""

    def __init__(self, city: City, name: str = "alder-bank", **book) -> None:
        self.city, self.name = city, name
        self.prices = _prices(**book)
        self.start = city.index
        kept = Store()
        kept.write(dict(city.store.values))
        self.before = sheet(Books(kept, city.kinds), name, self.prices)

    def close(self, **book) -> tuple[Income, CashFlow]:
        books = self.city.books
        prices = _prices(**book) if book else self.prices
        after = sheet(books, self.name, prices)
        between = [receipt for receipt in self.city.receipts if receipt.index >= self.start]
        earned = income(self.before, after, between, books=books, prices=prices)
        if earned.closing is not None and earned.opening is not None:
            assert earned.opening + earned.total == earned.closing == after.equity
        flow = cash_flow(self.before, after, between, books=books)
        for asset in {*flow.opening, *flow.closing}:
            moved = sum(line.units for line in flow.lines if line.asset == asset)
            assert flow.opening.get(asset, 0) + moved == flow.closing.get(asset, 0)
        return earned, flow


def _prices(**quotes: str) -> Prices:
    document = {"unit": "EUR", "as_of": 1, "source": "a list", "decimals": {"EUR": 2}, "prices": {}}
    return Prices("EUR", book=price_book(document | {"prices": {f"{k}@birch": v for k, v in quotes.items()}}))


@pytest.fixture
def city() -> City:
    return City()


def test_nothing_that_happens_makes_no_line(city):
    earned, flow = Period(city).close()
    assert (earned.opening, earned.closing, earned.lines) == (29_900, 29_900, ())
    assert (flow.opening, flow.closing, flow.lines) == ({RESERVE: 50_000}, {RESERVE: 50_000}, ())


def test_taking_deposits_and_lending_earn_nothing_and_interest_does(city):
    period = Period(city)
    city.do("birch", transfer("birch", (RESERVE, "alder", 5_000)), issue("alder", (ALDER, "birch", 5_000)))
    city.do("alder", issue("alder", (ALDER, "alice", 30)))  # interest on her deposit
    city.do("birch", transfer("birch", (RESERVE, "alder", 12)))
    earned, flow = period.close()
    assert earned.lines == (IncomeLine("paid", "alice", -30, 1), IncomeLine("received", "birch-bank", 12, 1))
    assert flow.lines == (
        CashLine(RESERVE, "financing", "birch-bank", 5_000, 1),
        CashLine(RESERVE, "operating", "birch-bank", 12, 1),
    )


def test_a_purchase_is_investing_and_its_gain_is_told_as_exchanged_or_as_revaluation(city):
    city.do("birch", create("birch", "coin"), issue("birch", ("coin@birch", "bob", 100)))
    period = Period(city, coin="1.00")
    buy = (transfer("bob", ("coin@birch", "alder", 10)), transfer("alder", (RESERVE, "bob", 1_000)))
    city.do("alder", *buy)
    earned, flow = period.close()
    assert earned.lines == ()  # ten coins at 1.00 for 10.00
    assert flow.lines == (CashLine(RESERVE, "investing", "bob", -1_000, 1),)
    earned, _ = period.close(coin="3.00")
    assert earned.lines == (IncomeLine("exchanged", "bob", 2_000, 1),)
    later = Period(city, coin="3.00")
    earned, _ = later.close(coin="2.50")
    assert earned.lines == (IncomeLine("revaluation", "", -500),)


def test_what_is_earned_inside_a_contract_is_its_worth_now_less_before_less_what_was_put_in(city):
    city.do("alice", transfer("alice", (ALDER, "birch", 3_000)))
    period = Period(city, "birch-bank")
    city.do("birch", call("birch", "till", "lend", units=2_000, spend=[(ALDER, 2_000)]))
    earned, flow = period.close()
    assert earned.lines == ()
    assert flow.lines == (CashLine(ALDER, "investing", "till", -2_000, 1),)
    city.store.values["till!", "lent", "birch"] = 2_150  # interest that the contract credited by itself
    earned, _ = period.close()
    assert earned.lines == (IncomeLine("inside", "till", 150),)


def test_money_in_a_pool_is_neither_gain_nor_loss_but_what_the_first_provider_locks_for_ever(city):
    city.do("birch", create("birch", "coin"), issue("birch", ("coin@birch", "alder", 400_000)))
    period = Period(city, coin="0.0025")
    city.do("alder", deploy("alder", "pool", "constant_product_pool", asset_0=RESERVE, asset_1="coin@birch"))
    spend = [(RESERVE, 10_000), ("coin@birch", 40_000)]
    city.do("alder", call("alder", "pool", "mint", units_0=10_000, units_1=40_000, spend=spend))
    earned, _ = period.close()
    assert earned.lines == (IncomeLine("exchanged", "pool", -1_000, 1),)


def test_a_related_party_declared_in_between_shows_as_revaluation(city):
    city.do("birch", create("birch", "coin"), issue("birch", ("coin@birch", "alder", 50)))
    period = Period(city, coin="2.00")
    city.declare("alder", "alder-bank", "birch-bank")
    earned, _ = period.close()
    assert earned.lines == (IncomeLine("revaluation", "", -10_000),)


def test_own_tokens_sold_are_received_for_nothing_owed(city):
    period = Period(city)
    city.do("birch", transfer("birch", (RESERVE, "alder", 700)), issue("alder", (PERK, "birch", 7)))
    earned, flow = period.close()
    assert earned.lines == (IncomeLine("received", "birch-bank", 700, 1),)
    assert flow.lines == (CashLine(RESERVE, "operating", "birch-bank", 700, 1),)


def test_an_account_that_joins_brings_cash_that_no_flow_explains(city):
    city.open("branch")
    city.do("birch", transfer("birch", (RESERVE, "branch", 80)))
    period = Period(city)
    city.join("branch", "alder-bank", founder="alder")
    city.do("branch", transfer("branch", (RESERVE, "bob", 5)))
    earned, flow = period.close()
    assert flow.lines == (
        CashLine(RESERVE, "operating", "bob", -5, 1),
        CashLine(RESERVE, "joined", "", 80, 0),
    )
    assert earned.lines == (IncomeLine("paid", "bob", -5, 1), IncomeLine("revaluation", "", 80))


def test_a_price_that_is_missing_is_named_and_equity_not_told(city):
    city.do("birch", create("birch", "coin"), issue("birch", ("coin@birch", "bob", 100)))
    period = Period(city)
    city.do("bob", transfer("bob", ("coin@birch", "alder", 10)))
    earned, _ = period.close()
    assert (earned.opening, earned.closing, earned.missing) == (29_900, None, ("coin@birch",))


def test_a_term_claim_is_no_cash(city):
    city.claim("birch", "term", "birch-bank", Terms(owes="EUR", matures=city.time + DAY * SECOND))
    period = Period(city)
    city.do("birch", issue("birch", ("term@birch", "alder", 9), (BIRCH, "alder", 4)))
    _, flow = period.close()
    assert flow.lines == (CashLine(BIRCH, "investing", "birch-bank", 4, 1),)
