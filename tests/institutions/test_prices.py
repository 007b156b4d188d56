"""Prices: exact, with a source and a time; what nobody priced is said to be missing."""

import pytest

from tallystick.institutions.prices import Missing, Price, PriceBookInvalid, Prices, price_book
from tallystick.ledger.records import Terms
from tests.institutions.city import ALDER, GOLD, PERK, RESERVE, City
from tests.ledger.world import call, deploy, issue

BOOK = {
    "unit": "EUR",
    "as_of": 1_700_000_000_000_000,
    "source": "the town's newspaper",
    "decimals": {"EUR": 2, "GOLD-GRAM": 3, "USD": 2},
    "prices": {"GOLD-GRAM": "61.25", "USD": "0.92", PERK: "0.0005"},
}


@pytest.fixture(scope="module")
def city() -> City:
    return City()


def test_a_claim_is_worth_what_its_terms_owe(city):
    now = city.books.clock.time
    assert Prices("EUR").price(city.books, RESERVE) == Price(RESERVE, "EUR", 1, 1, "par", now)


def test_par_goes_through_chains_of_claims(city):
    assert Prices("EUR").price(city.books, ALDER).source == "par"
    assert Prices("EUR").price(city.books, ALDER).value(20_000) == 20_000


def test_par_takes_the_terms_ratio(city):
    town = City()
    town.claim("vault", "bar", "vault-co", Terms(owes="EUR", pays=3, per=7))
    price = Prices("EUR").price(town.books, "bar@vault")
    assert (price.numerator, price.denominator) == (3, 7)
    assert (price.value(10), price.value_up(10)) == (4, 5)


def test_a_token_has_no_price_unless_somebody_gives_one(city):
    assert Prices("EUR").price(city.books, PERK) == Missing(
        PERK, "EUR", "perk@alder is a token: nobody owes anything on it"
    )
    given = Prices("EUR", book=price_book(BOOK)).price(city.books, PERK)
    assert given == Price(PERK, "EUR", 5 * 100, 10_000, "the town's newspaper", 1_700_000_000_000_000)
    assert given.value(10_000) == 500  # 5.00 EUR for ten thousand whole tokens


def test_a_claim_on_something_else_is_priced_by_the_book_in_exact_minor_units(city):
    assert Prices("EUR").price(city.books, GOLD) == Missing(
        GOLD, "EUR", "no book gives the price of GOLD-GRAM in EUR"
    )
    price = Prices("EUR", book=price_book(BOOK)).price(city.books, GOLD)
    assert price.source == "par, the town's newspaper"
    assert price.value(1_000) == 6_125  # one gram
    assert price.value(1) == 6  # a milligram is 6.125 cents, rounded down


def test_a_book_comes_before_par_for_what_is_held_and_par_is_what_is_owed(city):
    doubted = Prices("EUR", book=price_book(BOOK | {"prices": {ALDER: "0.6"}}))
    assert doubted.price(city.books, ALDER).value(100) == 60
    assert doubted.par(city.books, ALDER).value(100) == 100


def test_a_named_pool_tells_its_price_and_an_unnamed_one_does_not():
    city = City()
    city.do("alder", issue("alder", (PERK, "alice", 100_000)))
    city.do("alice", deploy("alice", "pool", "constant_product_pool", asset_0=ALDER, asset_1=PERK))
    city.do(
        "alice",
        call(
            "alice", "pool", "mint", units_0=10_000, units_1=40_000, spend=[(ALDER, 10_000), (PERK, 40_000)]
        ),
    )
    assert isinstance(Prices("EUR").price(city.books, PERK), Missing)
    price = Prices("EUR", contracts=["pool"]).price(city.books, PERK)
    assert (price.value(4_000), price.source) == (1_000, "contract pool")
    assert isinstance(Prices("EUR", contracts=["till"]).price(city.books, PERK), Missing)
    assert isinstance(Prices("EUR", contracts=["nowhere"]).price(city.books, PERK), Missing)


def test_claims_that_owe_each_other_have_no_par():
    city = City()
    city.claim("alder", "a", "alder-bank", Terms(owes="EUR"))
    city.claim("birch", "b", "birch-bank", Terms(owes="a@alder"))
    record = city.store.values["asset", "a@alder"]
    circular = type(record)(
        **{name: getattr(record, name) for name in record.__struct_fields__}
        | {"terms": Terms(owes="b@birch")}
    )
    city.store.values["asset", "a@alder"] = circular  # no declaration can: each names one that exists
    assert Prices("EUR").price(city.books, "b@birch") == Missing(
        "b@birch", "EUR", "what b@birch owes comes back to itself"
    )


def test_a_book_in_another_unit_is_refused():
    with pytest.raises(PriceBookInvalid, match="in EUR, not in USD"):
        Prices("USD", book=price_book(BOOK))
    assert Prices("EUR", book=price_book(BOOK)).unit == "EUR"


def test_a_book_without_decimals_of_a_unit_says_so_and_prices_nothing(city):
    book = price_book(BOOK | {"decimals": {"EUR": 2}})
    assert Prices("EUR", book=book).price(city.books, "USD") == Missing(
        "USD", "EUR", "the book gives no decimals of USD"
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"extra": 1}, "has the fields"),
        ({"unit": "eur@alder"}, "unit is a unit of account"),
        ({"unit": ""}, "unit is a unit of account"),
        ({"as_of": "yesterday"}, "as_of is microseconds UTC"),
        ({"as_of": -1}, "as_of is microseconds UTC"),
        ({"source": ""}, "source says who"),
        ({"decimals": {"EUR": 37}}, "decimals of EUR"),
        ({"decimals": {"EUR": True}}, "decimals of EUR"),
        ({"prices": {"USD": 0.92}}, "in quotes"),
        ({"prices": {"USD": "-0.92"}}, "plain decimal number"),
        ({"prices": {"USD": "0.9.2"}}, "plain decimal number"),
        ({"prices": {"USD": "1e3"}}, "plain decimal number"),
        ({"prices": {"USD": ""}}, "plain decimal number"),
        ({"prices": {"USD": "1."}}, "plain decimal number"),
        ({"prices": {"USD": "9" * 61}}, "plain decimal number"),
    ],
)
def test_what_is_no_book_is_refused_with_the_field(change, told):
    with pytest.raises(PriceBookInvalid, match=told):
        price_book(BOOK | change)


def test_a_book_that_lacks_a_field_or_is_no_map_is_refused():
    for document in ({"unit": "EUR"}, [], "EUR", None):
        with pytest.raises(PriceBookInvalid, match="has the fields"):
            price_book(document)
    assert price_book({k: v for k, v in BOOK.items() if k != "decimals"}).decimals == {}
