"""Money: M0, M1 and M2 are sums over who owes and who holds; loans make deposits, and reserves bound them."""

import pytest

from tallystick.institutions.money import Aggregates, aggregates
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tests.institutions.city import ALDER, BIRCH, RESERVE, City
from tests.ledger.world import DAY, SECOND, call, issue, transfer
from tests.shared_data import shared_json


def money(city: City) -> Aggregates:
    [found] = aggregates(city.books)
    return found


@pytest.fixture
def city() -> City:
    return City()


def test_the_base_is_central_bank_money_and_m1_what_people_pay_with(city):
    found = money(city)
    assert (found.currency, found.reserves, found.currency_held) == ("EUR", 80_000, 0)
    assert (found.m0, found.m1) == (80_000, 30_000)
    city.do("cb", issue("cb", (RESERVE, "bob", 500)))
    assert (money(city).currency_held, money(city).m0, money(city).m1) == (500, 80_500, 30_500)


def test_what_banks_hold_of_each_other_is_no_money_in_peoples_hands(city):
    city.do("bob", transfer("bob", (BIRCH, "alder", 4_000)))
    assert money(city).on_demand == 26_000


def test_what_an_issuer_holds_of_its_own_is_none_in_its_accounts_or_in_a_contract(city):
    city.do("alder", issue("alder", (ALDER, "alder.desk", 700)))
    city.do("alder.desk", call("alder.desk", "till", "lend", units=300, spend=[(ALDER, 300)]))
    assert money(city).on_demand == 30_000
    city.do("alice", call("alice", "till", "lend", units=500, spend=[(ALDER, 500)]))
    assert money(city).on_demand == 30_000


def test_m2_adds_what_pays_within_two_years_or_three_months_notice_and_nothing_later(city):
    assert money(city).m2 - money(city).m1 == 100  # the note in a year
    year = 365 * DAY * SECOND
    for code, terms in (
        ("notice", Terms(owes="EUR", notice_seconds=90 * DAY)),
        ("slow", Terms(owes="EUR", notice_seconds=100 * DAY)),
        ("long", Terms(owes="EUR", matures=city.time + 3 * year)),
    ):
        city.claim("alder", code, "alder-bank", terms)
        city.do("alder", issue("alder", (f"{code}@alder", "bob", 1_000)))
    assert money(city).m2 - money(city).m1 == 1_100


def test_what_no_bank_owes_is_no_money(city):
    city.do("bob", tx.FoundInstitution(account="bob", name="bob-and-sons"))
    city.claim("bob", "iou", "bob-and-sons", Terms(owes="EUR"))
    city.do("bob", issue("bob", ("iou@bob", "alice", 9_999)))
    assert (money(city).m1, money(city).m2) == (30_000, 30_100)


def test_a_loan_makes_a_deposit_and_paying_it_back_unmakes_it(city):
    city.do("bob", tx.FoundInstitution(account="bob", name="bob-and-sons"))
    city.claim("bob", "loan", "bob-and-sons", Terms(owes=ALDER))
    city.do("bob", issue("bob", ("loan@bob", "alder", 700)), issue("alder", (ALDER, "bob", 700)))
    assert money(city).m1 == 30_700
    city.do("bob", transfer("bob", (ALDER, "alder", 700)), transfer("alder", ("loan@bob", "bob", 700)))
    assert money(city).m1 == 30_000


def lend_until_reserves_bind(*, reserve_percent: int, currency_percent: int) -> Aggregates:
    """Put a base into a banking system and lend it on until required reserves use all of it up.

    Each loan is spent; who receives it keeps `currency_percent` of what it deposits as currency.
    """
    base = 10_000_000
    city = City()
    city.do("alice", transfer("alice", (ALDER, "alder", 20_000), ("note@alder", "alder", 100)))
    city.do("bob", transfer("bob", (BIRCH, "birch", 10_000)))
    city.do("alder", transfer("alder", (RESERVE, "cb", 50_000)))
    city.do("birch", transfer("birch", (RESERVE, "cb", 30_000)))
    city.do("bob", tx.FoundInstitution(account="bob", name="bob-and-sons"))
    city.claim("bob", "loan", "bob-and-sons", Terms(owes="EUR"))
    city.do("cb", issue("cb", (RESERVE, "alice", base)))
    cash = base
    while cash:
        deposited = cash * 100 // (100 + currency_percent)
        if not deposited:
            break
        city.do(
            "alice",
            transfer("alice", (RESERVE, "alder", deposited)),
            issue("alder", (ALDER, "alice", deposited)),
        )
        required = -(-city.books.outstanding(ALDER) * reserve_percent // 100)
        cash = city.balance("alder", RESERVE) - required
        if cash <= 0:
            break
        city.do("bob", issue("bob", ("loan@bob", "alder", cash)), transfer("alder", (RESERVE, "alice", cash)))
    return money(city)


@pytest.mark.parametrize(("reserve_percent", "currency_percent", "multiplier"), [(10, 0, 10), (10, 20, 4)])
def test_money_is_the_base_times_the_textbooks_multiplier(reserve_percent, currency_percent, multiplier):
    found = lend_until_reserves_bind(reserve_percent=reserve_percent, currency_percent=currency_percent)
    assert found.m0 == 10_000_000
    assert 0 <= multiplier * found.m0 - found.m1 <= 300  # each round's rounding, and nothing else


def test_the_multipliers_are_those_of_independent_data():
    stated = shared_json("risk/textbook_small_checks.json")["money_multiplier"]
    assert [(one["reserve_ratio"], one["currency_ratio"], one["m"]) for one in stated] == [
        (0.1, 0, 10.0),
        (0.1, 0.2, 4.0),
    ]
