"""Books: the indexes say what the state says, however the state got there."""

import pytest

from tallystick.institutions.books import Books
from tallystick.ledger import transactions as tx
from tallystick.ledger.fork import Fork, unsigned
from tallystick.ledger.rejections import Code, Rejection
from tests.institutions.city import ALDER, BIRCH, NOTE, PERK, RESERVE, City
from tests.ledger.world import SECOND, call, capture, hold, transfer


@pytest.fixture
def city() -> City:
    return City()


def test_an_institution_is_all_its_accounts(city):
    books = city.books
    assert books.institutions == ["alder-bank", "birch-bank", "central-bank", "vault-co"]
    assert books.accounts_of("alder-bank") == ("alder", "alder.desk")
    assert books.institution_of("alder.desk") == "alder-bank"
    assert books.institution_of("alice") == ""
    assert books.claims_on("alder-bank") == (ALDER, NOTE)
    assert books.issued_by("alder") == (ALDER, NOTE, PERK)


def test_an_unknown_institution_is_refused_and_its_neighbour_found(city):
    with pytest.raises(Rejection) as refused:
        city.books.institution("alder")
    assert refused.value.code is Code.UNKNOWN_INSTITUTION
    assert city.books.institution("alder-bank").founder == "alder"


def test_outstanding_is_what_holders_have_together(city):
    books = city.books
    assert books.outstanding(RESERVE) == 80_000
    assert books.holders(RESERVE) == {"alder": 50_000, "birch": 30_000}
    assert books.outstanding(PERK) == 0
    assert books.holders(PERK) == {}


def test_related_parties_are_those_declared_and_those_who_declare_with_all_their_accounts(city):
    assert city.books.related_to("alder-bank") == frozenset()
    city.declare("birch", "birch-bank", "alder", "bob")
    books = city.books
    assert books.related_to("birch-bank") == {"alder-bank", "alder", "alder.desk", "bob"}
    assert books.related_to("alder-bank") == {"birch-bank", "birch"}
    assert books.related_to("central-bank") == frozenset()


def test_relation_goes_one_step_and_no_further(city):
    city.declare("birch", "birch-bank", "alder-bank")
    city.declare("alder", "alder-bank", "vault-co")
    assert city.books.related_to("vault-co") == {"alder-bank", "alder", "alder.desk"}


def test_following_writes_gives_the_same_books_as_reading_the_whole_state(city):
    books = city.books
    fork = Fork(city.store, city.kinds, index=city.index)
    expires = city.time + 60 * SECOND
    for action in (
        hold("alice", "bob", (ALDER, 700), expires=expires),
        tx.Redeem(account="alice", asset=ALDER, units="300"),
        call("alice", "till", "lend", units=500, spend=[(ALDER, 500)]),
        transfer("alice", (ALDER, "bob", 18_500)),
    ):
        transaction = unsigned(city.transaction(action.account, [action]))
        _, outcomes = fork.run_batch([transaction], time=city.time)
        assert not isinstance(outcomes[0], Rejection), outcomes[0]
    books.follow(fork.overlay.writes, state=fork.overlay)
    city.store.write(fork.overlay.writes)
    fresh = city.books
    for account in ("alice", "bob", "alder", "till"):
        assert dict(books.balances(account)) == dict(fresh.balances(account))
        assert list(books.holds_of(account)) == list(fresh.holds_of(account))
        assert list(books.lots_of(account)) == list(fresh.lots_of(account))
        assert books.inside(account) == fresh.inside(account)
    assert (
        dict(books.holders(ALDER))
        == dict(fresh.holders(ALDER))
        == {
            "alice": 1_000,
            "bob": 18_500,
            "till": 500,
        }
    )
    assert [lot.units for _, lot in books.lots_in(ALDER)] == [300]


def test_what_ended_is_gone_from_the_books(city):
    name = city.do("alice", hold("alice", "bob", (ALDER, 700), expires=city.time + 60 * SECOND)).results[0]
    lot = city.do("alice", tx.Redeem(account="alice", asset=ALDER, units="300")).results[0]
    books = city.books
    assert [one for one, _ in books.holds_of("alice")] == [name]
    before = dict(city.store.values)
    city.do("bob", capture("bob", name))
    city.do("alice", tx.CancelRedemption(account="alice", lot=lot))
    changed = {
        key: city.store.get(key)
        for key in before.keys() | city.store.values.keys()
        if before.get(key) != city.store.get(key)
    }
    books.follow(changed, state=city.store)
    assert list(books.holds_of("alice")) == []
    assert list(books.lots_of("alice")) == list(books.lots_in(ALDER)) == []


def test_a_contract_is_asked_about_those_whose_names_stand_in_it(city):
    city.do("alice", call("alice", "till", "lend", units=500, spend=[(ALDER, 500)]))
    inside = city.books.inside("alice")
    assert [(one.contract, one.positions[0].units) for one in inside] == [("till", 500)]
    assert city.books.inside("bob") == []


def test_answers_are_those_of_the_state_the_books_are_of(city):
    books = Books(city.store, city.kinds)
    assert books.ask("till", "positions", account="alice") == []
    city.do("alice", call("alice", "till", "lend", units=500, spend=[(ALDER, 500)]))
    books.follow({}, state=city.store)
    assert [position.units for position in books.ask("till", "positions", account="alice")] == [500]


def test_an_unknown_asset_and_contract_are_refused_by_name(city):
    for ask, code in (
        (lambda: city.books.asset("nothing@alder"), Code.UNKNOWN_ASSET),
        (lambda: city.books.instance("nowhere"), Code.UNKNOWN_CONTRACT),
    ):
        with pytest.raises(Rejection) as refused:
            ask()
        assert refused.value.code is code
    assert city.books.asset(BIRCH).obligor == "birch-bank"
    assert city.books.instance("till").kind == "till"
