"""Licences: what an institution does says which it needs, and the posting says since when."""

import pytest

from tallystick.institutions.licence import Need
from tallystick.institutions.watch import is_currency
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tests.institutions.city import ALDER, GOLD, PERK, RESERVE, City
from tests.ledger.world import DAY, SECOND, create, issue, transfer

CASH = "cash@pay"


@pytest.fixture
def city() -> City:
    """The city with `pay`, a payment institution by its registered role, and `floor`, a venue."""
    city = City()
    city.open("pay", "floor", "carol")
    city.do("pay", tx.FoundInstitution(account="pay", name="pay-co", roles=("issuer",)))
    city.do("floor", tx.FoundInstitution(account="floor", name="floor-co", roles=("venue",)))
    city.claim("pay", "cash", "pay-co", Terms(owes=RESERVE))
    city.do("cb", issue("cb", (RESERVE, "carol", 10_000)))
    return city


def licences(city: City, institution: str) -> list[str]:
    return [need.licence for need in city.views.licences.needs(institution)]


def flags(city: City, institution: str) -> list[str]:
    return [flag.code for flag in city.views.licences.flags if flag.need.institution == institution]


def put_in(city: City, units: int) -> None:
    """Carol pays reserves in and gets as much of the payment institution's money, in one transaction."""
    city.do("carol", transfer("carol", (RESERVE, "pay", units)), issue("pay", (CASH, "carol", units)))


def test_owing_others_money_on_demand_needs_a_payment_institutions_licence_and_names_the_posting(city):
    assert licences(city, "pay-co") == []
    put_in(city, 5_000)
    [need] = city.views.licences.needs("pay-co")
    assert need == Need(
        institution="pay-co",
        licence="payment_institution",
        index=city.index - 1,
        n=3,
        account="carol",
        asset=CASH,
        units=5_000,
        why="it owes others cash@pay, which is money on demand",
        is_covered=True,
    )
    assert flags(city, "pay-co") == []


def test_money_moved_between_customers_or_paid_back_needs_nothing_more(city):
    put_in(city, 5_000)
    city.do("carol", transfer("carol", (CASH, "bob", 1_000)))
    city.do("bob", transfer("bob", (CASH, "pay", 1_000)), transfer("pay", (RESERVE, "bob", 1_000)))
    assert licences(city, "pay-co") == ["payment_institution"]


def test_a_payment_institution_that_invests_the_float_is_flagged_at_that_posting(city):
    put_in(city, 5_000)
    city.claim("birch", "term", "birch-bank", Terms(owes="EUR", matures=city.time + 90 * DAY * SECOND))
    city.do("birch", issue("birch", ("term@birch", "bob", 2_000)))
    bought = city.do(
        "pay", transfer("pay", (RESERVE, "bob", 2_000)), transfer("bob", ("term@birch", "pay", 2_000))
    )
    assert licences(city, "pay-co") == ["payment_institution", "bank"]
    need = city.views.licences.needs("pay-co")[1]
    assert (need.index, need.account, need.asset, need.units) == (bought.index, "pay", RESERVE, -2_000)
    assert need.why == "it owes 5000 EUR on demand and holds 3000 after paying out 2000"
    assert flags(city, "pay-co") == ["licence_missing", "payment_institution_invests_float"]


def test_spending_what_is_more_than_the_float_invests_none_of_it(city):
    put_in(city, 5_000)
    city.do("cb", issue("cb", (RESERVE, "pay", 700)))
    city.do("pay", transfer("pay", (RESERVE, "bob", 700)))
    assert licences(city, "pay-co") == ["payment_institution"]
    city.do("pay", transfer("pay", (RESERVE, "bob", 1)))
    assert licences(city, "pay-co") == ["payment_institution", "bank"]


def test_a_loan_that_makes_a_deposit_is_a_banks_and_a_bank_may(city):
    city.do("bob", tx.FoundInstitution(account="bob", name="bob-and-sons"))
    city.claim("bob", "loan", "bob-and-sons", Terms(owes="EUR", matures=city.time + 90 * DAY * SECOND))
    lend = (issue("bob", ("loan@bob", "alder", 700)), issue("alder", (ALDER, "bob", 700)))
    city.do("bob", *lend)
    assert licences(city, "alder-bank") == ["payment_institution", "bank"]
    assert [need.is_covered for need in city.views.licences.needs("alder-bank")] == [True, True]
    assert flags(city, "alder-bank") == []
    assert licences(city, "bob-and-sons") == []  # who borrows needs none


def test_owing_a_thing_that_is_no_money_is_custody(city):
    city.do("vault", issue("vault", (GOLD, "bob", 10)))
    assert licences(city, "vault-co") == ["custodian"]
    assert flags(city, "vault-co") == []
    city.claim("pay", "gold", "pay-co", Terms(owes=GOLD))
    city.do("pay", issue("pay", ("gold@pay", "bob", 1)))
    assert licences(city, "pay-co") == ["custodian"]
    assert flags(city, "pay-co") == ["licence_missing"]


def test_making_others_trade_is_a_venues(city):
    city.do("alder", issue("alder", (PERK, "bob", 50)))
    legs = (transfer("bob", (PERK, "alice", 10)), transfer("alice", (ALDER, "bob", 30)))
    city.do("bob", *legs)
    assert licences(city, "floor-co") == []  # they traded by themselves
    city.do("floor", *legs)
    [need] = city.views.licences.needs("floor-co")
    assert (need.licence, need.index, need.is_covered) == ("venue", city.index - 1, True)
    assert need.why == "it made alice and bob trade eur@alder for perk@alder"
    city.do("pay", *legs)
    assert flags(city, "pay-co") == ["licence_missing"]


def test_a_venue_that_starts_to_hold_client_assets_is_flagged_at_that_posting(city):
    paid = city.do("alice", transfer("alice", (ALDER, "floor", 100)))
    [need] = city.views.licences.needs("floor-co")
    assert (need.licence, need.index, need.account, need.units) == ("custodian", paid.index, "floor", 100)
    assert flags(city, "floor-co") == ["licence_missing", "venue_holds_client_assets"]


def test_a_venue_that_owes_its_clients_anything_is_flagged_too_and_a_custodian_is_not(city):
    city.claim("floor", "credit", "floor-co", Terms(owes="EUR", notice_seconds=5))
    city.do("floor", issue("floor", ("credit@floor", "alice", 5)))
    assert flags(city, "floor-co") == ["licence_missing", "venue_holds_client_assets"]
    other = City()
    other.open("floor")
    roles = ("venue", "custodian")
    other.do("floor", tx.FoundInstitution(account="floor", name="floor-co", roles=roles))
    other.do("alice", transfer("alice", (ALDER, "floor", 100)))
    assert flags(other, "floor-co") == []
    assert licences(other, "floor-co") == ["custodian"]


def test_a_fee_taken_in_a_trade_is_no_client_asset(city):
    city.do("alder", issue("alder", (PERK, "bob", 50)))
    city.do(
        "floor",
        transfer("bob", (PERK, "alice", 10)),
        transfer("alice", (ALDER, "bob", 30), (ALDER, "floor", 1)),
    )
    assert licences(city, "floor-co") == ["venue"]


def test_buying_of_one_customer_and_selling_to_another_is_dealing(city):
    city.do("carol", create("carol", "coin"), issue("carol", ("coin@carol", "bob", 50)))
    city.do("carol", transfer("carol", (RESERVE, "pay", 1_000)))
    city.do("bob", transfer("bob", ("coin@carol", "pay", 20)), transfer("pay", (RESERVE, "bob", 200)))
    assert licences(city, "pay-co") == []
    city.do("alice", transfer("alice", (ALDER, "pay", 250)), transfer("pay", ("coin@carol", "alice", 20)))
    [need] = city.views.licences.needs("pay-co")
    assert (need.licence, need.asset, need.units) == ("dealer", "coin@carol", -20)
    assert need.why == "it bought coin@carol of bob and sold it to alice"
    assert flags(city, "pay-co") == ["licence_missing"]


def test_buying_and_selling_back_to_one_party_is_not_dealing_with_customers(city):
    city.do("carol", create("carol", "coin"), issue("carol", ("coin@carol", "bob", 50)))
    city.do("cb", issue("cb", (RESERVE, "pay", 500)))
    city.do("bob", transfer("bob", ("coin@carol", "pay", 20)), transfer("pay", (RESERVE, "bob", 200)))
    city.do("bob", transfer("bob", (RESERVE, "pay", 200)), transfer("pay", ("coin@carol", "bob", 20)))
    assert licences(city, "pay-co") == []


def test_roles_count_as_they_were_registered_when_it_happened(city):
    put_in(city, 5_000)
    city.do("pay", tx.DeclareInstitution(account="pay", institution="pay-co", roles=()))
    city.claim("pay", "gold", "pay-co", Terms(owes=GOLD))
    city.do("pay", tx.DeclareInstitution(account="pay", institution="pay-co", roles=("custodian",)))
    city.do("pay", issue("pay", ("gold@pay", "bob", 1)))
    assert [(need.licence, need.is_covered) for need in city.views.licences.needs("pay-co")] == [
        ("payment_institution", True),
        ("custodian", True),
    ]


@pytest.mark.parametrize("thing", ["EUR", "XAU"])
def test_three_capitals_are_a_currency(thing):
    assert is_currency(thing)


@pytest.mark.parametrize("thing", ["GOLD-GRAM", "eur", "EURO", "EU", "E1R", "perk@alder", "ÉUR"])
def test_anything_else_is_a_thing(thing):
    assert not is_currency(thing)
