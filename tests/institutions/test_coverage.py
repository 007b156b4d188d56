"""Coverage: in kind, at every entry, and its minimum over any interval; window dressing shows."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.institutions.coverage import Crossing, Level, Series
from tallystick.institutions.views import Views, replay
from tallystick.ledger import transactions as tx
from tallystick.ledger.receipts import Receipt, encode_receipt, read_receipt
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Code, Rejection
from tests.institutions.city import ALDER, BIRCH, GOLD, RESERVE, City
from tests.ledger.world import deploy, issue, transfer


@pytest.fixture
def city() -> City:
    return City()


def level(city: City, institution: str, thing: str) -> tuple[int, int]:
    now = city.views.coverage.now(institution)[thing]
    return now.assets, now.liabilities


def test_a_receipt_is_read_back_as_it_was(city):
    done = city.do("alice", transfer("alice", (ALDER, "bob", 5)))
    assert read_receipt(encode_receipt(done)) == msgspec.structs.replace(done, results=[None])


def test_what_terms_owe_and_what_that_comes_to_are_each_covered_by_their_own(city):
    assert city.views.coverage.things("alder-bank") == ["EUR", RESERVE]
    assert level(city, "alder-bank", RESERVE) == (50_000, 20_000)
    assert level(city, "alder-bank", "EUR") == (50_000, 20_100)
    city.do("birch", issue("birch", (BIRCH, "alder", 900)))
    assert level(city, "alder-bank", RESERVE) == (50_000, 20_000)
    assert level(city, "alder-bank", "EUR") == (50_900, 20_100)


def test_payments_between_customers_change_nothing(city):
    before = len(city.views.coverage.series("alder-bank", "EUR"))
    city.do("alice", transfer("alice", (ALDER, "bob", 5_000)))
    assert len(city.views.coverage.series("alder-bank", "EUR")) == before


def test_own_claims_in_any_own_account_are_not_owed(city):
    city.do("alder", issue("alder", (ALDER, "alder.desk", 700)))
    assert level(city, "alder-bank", RESERVE) == (50_000, 20_000)
    city.do("alder.desk", transfer("alder.desk", (ALDER, "bob", 300)))
    assert level(city, "alder-bank", RESERVE) == (50_000, 20_300)
    city.do("bob", transfer("bob", (ALDER, "alder", 300)))
    assert level(city, "alder-bank", RESERVE) == (50_000, 20_000)


def test_falling_below_one_and_rising_again_are_told_at_their_entries(city):
    city.do("alder", transfer("alder", (RESERVE, "bob", 30_000)))
    assert [one for one in city.views.coverage.crossings if one.institution == "alder-bank"] == [
        Crossing("alder-bank", "EUR", city.index - 1, 20_000, 20_100, below=True)
    ]
    city.do("bob", transfer("bob", (RESERVE, "alder", 99)))
    assert city.views.coverage.now("alder-bank")["EUR"].is_covered is False
    city.do("bob", transfer("bob", (RESERVE, "alder", 1)))
    told = [one for one in city.views.coverage.crossings if one.institution == "alder-bank"]
    assert [(one.index, one.below) for one in told] == [(city.index - 3, True), (city.index - 1, False)]


def test_an_institution_that_is_whole_only_on_the_days_it_shows_is_shown_as_such(city):
    """Gold is borrowed on the eve of each count and given back the day after."""
    city.claim("vault", "store", "vault-co", Terms(owes=RESERVE))
    city.do("birch", transfer("birch", (RESERVE, "vault", 1_000)))
    city.do("vault", issue("vault", ("store@vault", "bob", 1_000)))
    first = city.index - 1
    counts = []
    for _ in range(3):
        city.do("vault", transfer("vault", (RESERVE, "birch", 400)))
        city.do("birch", transfer("birch", (RESERVE, "vault", 400)))
        counts.append(city.index - 1)
    coverage = city.views.coverage
    series = coverage.series("vault-co", RESERVE)
    assert [series.at(index).ratio_ppm for index in [first, *counts]] == [1_000_000] * 4
    lowest = coverage.minimum("vault-co", RESERVE, first, counts[-1])
    assert lowest == Level(first + 1, 600, 1_000)
    assert lowest.ratio_ppm == 600_000
    assert coverage.minimum("vault-co", RESERVE, counts[-1], counts[-1]).ratio_ppm == 1_000_000
    told = [one for one in coverage.crossings if (one.institution, one.thing) == ("vault-co", RESERVE)]
    assert [one.below for one in told] == [True, False] * 3


def test_a_minimum_counts_what_stood_when_the_interval_began(city):
    city.do("alder", transfer("alder", (RESERVE, "bob", 40_000)))
    low = city.index - 1
    city.do("alice", transfer("alice", (ALDER, "bob", 1)))
    quiet = city.index - 1
    city.do("bob", transfer("bob", (RESERVE, "alder", 40_000)))
    coverage = city.views.coverage
    assert coverage.minimum("alder-bank", RESERVE, quiet, city.index) == Level(low, 10_000, 20_000)
    assert coverage.minimum("alder-bank", RESERVE, city.index - 1, city.index).assets == 50_000
    assert coverage.minimum("alder-bank", RESERVE, 0, 1) is None


def test_gold_is_covered_by_gold_and_not_by_money(city):
    city.do("vault", issue("vault", (GOLD, "bob", 2_000)))
    city.do("birch", transfer("birch", (RESERVE, "vault", 9_000)))
    assert level(city, "vault-co", "GOLD-GRAM") == (0, 2_000)


def test_an_account_that_joins_brings_what_it_has_and_what_it_had_been_owed(city):
    city.do("bob", transfer("bob", (BIRCH, "alice", 1)))
    city.open("branch")
    city.do("alice", transfer("alice", (ALDER, "branch", 3_000), (BIRCH, "branch", 1)))
    city.join("branch", "alder-bank", founder="alder")
    assert level(city, "alder-bank", RESERVE) == (50_000, 17_000)
    assert level(city, "alder-bank", "EUR") == (50_001, 17_100)


def test_what_lies_in_a_contract_of_its_own_is_in_hand_and_in_anothers_is_not(city):
    action = deploy("alder", "safe", "till", asset=RESERVE)
    city.do("alder", msgspec.structs.replace(action, obligor="alder-bank"))
    city.do("birch", transfer("birch", (RESERVE, "safe", 500)))
    assert level(city, "alder-bank", RESERVE) == (50_500, 20_000)
    city.do("alder", transfer("alder", (RESERVE, "till", 500)))
    assert level(city, "alder-bank", RESERVE) == (50_000, 20_000)


def test_unknown_institutions_and_things_are_refused_by_name(city):
    coverage = city.views.coverage
    for ask, code in (
        (lambda: coverage.now("nobody"), Code.UNKNOWN_INSTITUTION),
        (lambda: coverage.minimum("alder-bank", "USD", 0, 9), Code.UNKNOWN_ASSET),
    ):
        with pytest.raises(Rejection) as refused:
            ask()
        assert refused.value.code is code
    assert coverage.now("central-bank")["EUR"].ratio_ppm == 0


def test_following_batches_gives_what_replaying_entries_gives():
    """A node takes batches in as it merges them; whoever opens the file replays entry by entry."""
    city = City()
    live = Views(
        city.store.get,
        lambda account: {
            key[2]: units for key, units in city.store.values.items() if key[:2] == ("balance", account)
        },
    )
    live.follow(city.receipts)
    after = len(city.entries)
    joining = tx.JoinInstitution(account="bob", institution="birch-bank")
    both = [*city.signers_of("bob"), *city.signers_of("birch")]
    envelopes = [
        city.envelope(city.transaction("alice", [transfer("alice", (ALDER, "bob", 40))])),
        city.envelope(city.transaction("bob", [joining]), both),
        city.envelope(city.transaction("alice", [transfer("alice", (ALDER, "bob", 2))])),
    ]
    assert not [one for one in city.run(*envelopes) if isinstance(one, Rejection)]
    live.follow(city.receipts[after:])
    again = city.views
    for institution in city.books.institutions:
        assert live.coverage.now(institution) == again.coverage.now(institution)
    assert live.coverage.now("birch-bank")["EUR"].assets == 30_042
    assert live.coverage.crossings == again.coverage.crossings
    assert live.licences.flags == again.licences.flags
    assert live.upto == again.upto == city.index


# The series.


@pytest.mark.parametrize("seed", range(4))
def test_a_minimum_is_the_lowest_of_all_levels_in_the_interval_whatever_the_blocks(seed):
    dice = random.Random(seed)
    series = Series()
    levels = []
    for place in range(1_100):
        one = (3 * place + 5, dice.randrange(1, 60), dice.choice([0, 7, 11, 50]))
        levels.append(Level(*one))
        series.add(*one)
    for _ in range(300):
        start = dice.randrange(3_400)
        end = start + dice.randrange(3_400 - start + 1)
        standing = [one for one in levels if one.index <= start][-1:]
        inside = [one for one in levels if start < one.index <= end]
        expected = None
        for one in standing + inside:
            if expected is None or one.is_below(expected):
                expected = one
        assert series.minimum(start, end) == expected


def test_nothing_owed_is_below_nothing():
    assert Level(1, 0, 0).is_covered
    assert Level(1, 0, 0).ratio_ppm is None
    assert not Level(1, 0, 0).is_below(Level(1, 9, 1))
    assert Level(1, 9, 1).is_below(Level(1, 0, 0))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=30))
def test_a_page_of_levels_is_those_that_began_in_it(pairs):
    series = Series()
    for place, pair in enumerate(pairs):
        series.add(place, *pair)
    assert [one.index for one in series.page(3, 9, 4)] == list(range(3, min(10, len(pairs))))[:4]
    assert series.at(len(pairs) + 5) == series.level(-1)


def test_an_entry_without_postings_changes_no_level(city):
    views = replay(iter(city.receipts), city.store.get)
    before = views.coverage.now("alder-bank")
    views.follow([Receipt(city.index, 9, city.time, "", "", [], [], [])])
    assert views.coverage.now("alder-bank") == before
    assert views.upto == city.index + 1
