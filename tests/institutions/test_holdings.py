"""Holdings: each thing that an account has or owes stands once, on its right side; shares are followed."""

import pytest

from tallystick.institutions.books import Inside
from tallystick.institutions.holdings import (
    Component,
    Holding,
    Unanswered,
    _positions,
    holdings_of,
    look_through,
)
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Exit, Position
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Code, Rejection
from tests.institutions.city import ALDER, BIRCH, NOTE, PERK, RESERVE, City, Till
from tests.ledger.world import DAY, SECOND, call, deploy, hold, issue, transfer


@pytest.fixture
def city() -> City:
    return City()


def rows(city: City, account: str) -> list[Holding]:
    found, unanswered = holdings_of(city.books, account)
    assert unanswered == []
    return found


def test_a_balance_is_free_until_it_is_promised(city):
    assert rows(city, "bob") == [Holding("bob", BIRCH, 10_000, "free", free_units=10_000)]
    expires = city.time + DAY * SECOND
    name = city.do("bob", hold("bob", "alice", (BIRCH, 4_000), expires=expires)).results[0]
    assert rows(city, "bob") == [
        Holding("bob", BIRCH, 6_000, "free", free_units=6_000),
        Holding("bob", BIRCH, 4_000, "held", party="alice", until=expires, note=name),
    ]


def test_a_redemption_is_requested_then_due_then_defaulted_and_always_the_holders(city):
    lot = city.do("alice", tx.Redeem(account="alice", asset=NOTE, units="40")).results[0]
    matures = city.get("asset", NOTE).terms.matures
    asked = Holding("alice", NOTE, 40, "requested", party="alder-bank", until=matures, note=lot)
    assert rows(city, "alice")[-1] == asked
    city.time = matures
    city.do("bob", transfer("bob", (BIRCH, "alice", 1)))
    assert rows(city, "alice")[-1].where == "due"
    city.wait(DAY)
    assert rows(city, "alice")[-1].where == "defaulted"
    assert sum(holding.units for holding in rows(city, "alice") if holding.asset == NOTE) == 100


def test_what_an_account_issued_is_nothing_that_it_has(city):
    assert [holding.asset for holding in rows(city, "alder")] == [RESERVE]


def test_a_loan_inside_a_contract_is_owed_and_what_secures_it_is_pledged(city):
    city.do("alice", call("alice", "till", "lend", units=1_000, spend=[(ALDER, 1_000)]))
    assert rows(city, "alice")[1:] == [
        Holding("alice", NOTE, 100, "free", free_units=100),
        Holding("alice", ALDER, 1_000, "inside", free_units=1_000, party="till", note="lent"),
    ]
    city.do("alice", call("alice", "till", "borrow", units=300))
    assert rows(city, "alice")[2:] == [
        Holding("alice", ALDER, 1_000, "pledged", free_units=400, party="till", note="lent"),
        Holding("alice", ALDER, 300, "inside", owed=True, party="till", note="borrowed"),
    ]


def test_what_a_claims_terms_name_as_collateral_is_pledged_while_the_claim_is_outstanding(city):
    city.open("alder.cover")
    city.join("alder.cover", "alder-bank", founder="alder")
    city.do("alder", transfer("alder", (RESERVE, "alder.cover", 9_000)))
    terms = Terms(owes="EUR", rank="secured", collateral="alder.cover")
    city.claim("alder", "covered", "alder-bank", terms)
    assert rows(city, "alder.cover") == [Holding("alder.cover", RESERVE, 9_000, "free", free_units=9_000)]
    city.do("alder", issue("alder", ("covered@alder", "bob", 1)))
    assert rows(city, "alder.cover") == [
        Holding("alder.cover", RESERVE, 9_000, "pledged", note="covered@alder")
    ]


def test_what_somebody_owes_through_a_contract_names_the_debtor_and_cannot_leave():
    inside = Inside("till", (Position(ALDER, 70, note="loan 3", due_from="bob"),), ())
    assert _positions(inside, "alice") == [
        Holding("alice", ALDER, 70, "due_in", party="bob", note="till: loan 3")
    ]


def test_a_contract_that_refuses_to_say_is_named(city, monkeypatch):
    def refuse(self, ctx, account):
        raise Rejection(Code.READ_ONLY, contract=ctx.this)

    city.do("alice", call("alice", "till", "lend", units=1_000, spend=[(ALDER, 1_000)]))
    described = Till.methods["positions"]
    monkeypatch.setitem(
        Till.methods,
        "positions",
        type(described)(
            name="positions", function=refuse, arguments=described.arguments, is_view=True, clears=False
        ),
    )
    _, unanswered = holdings_of(city.books, "alice")
    assert unanswered == [Unanswered("alice", "till", "read_only")]


def pool(city: City) -> None:
    """A pool of alder's deposits and its own token: 1,000 of each, alice the only provider at first."""
    city.do("alder", issue("alder", (PERK, "alice", 100_000)))
    city.do("alice", deploy("alice", "pool", "constant_product_pool", asset_0=ALDER, asset_1=PERK))
    city.do(
        "alice",
        call(
            "alice",
            "pool",
            "mint",
            units_0=10_000,
            units_1=40_000,
            spend=[(ALDER, 10_000), (PERK, 40_000)],
        ),
    )


def test_a_share_stands_for_its_part_of_what_backs_it_rounded_down(city):
    pool(city)
    share = "share@pool"
    supply = city.books.outstanding(share)
    assert supply == 20_000
    assert look_through(city.books, share, supply) == [
        Component(ALDER, 10_000, ("pool",)),
        Component(PERK, 40_000, ("pool",)),
    ]
    assert look_through(city.books, share, 3) == [
        Component(ALDER, 1, ("pool",)),
        Component(PERK, 6, ("pool",)),
    ]
    assert look_through(city.books, share, 1) == [Component(PERK, 2, ("pool",))]


def test_shares_of_shares_are_followed_to_the_end(city):
    pool(city)
    city.do("alice", deploy("alice", "outer", "constant_product_pool", asset_0=NOTE, asset_1="share@pool"))
    city.do(
        "alice",
        call(
            "alice", "outer", "mint", units_0=100, units_1=15_000, spend=[(NOTE, 100), ("share@pool", 15_000)]
        ),
    )
    supply = city.books.outstanding("share@outer")
    assert look_through(city.books, "share@outer", supply) == [
        Component(NOTE, 100, ("outer",)),
        Component(ALDER, 7_500, ("outer", "pool")),
        Component(PERK, 30_000, ("outer", "pool")),
    ]


def test_a_chain_of_shares_that_returns_to_itself_stops_and_says_so(city):
    pool(city)
    books = city.books
    backing = books.backing("share@pool")
    books.ask = lambda contract, view, **_: [  # type: ignore[method-assign]  # a pool that holds its own share
        *backing,
        type(backing[0])("share@pool", "share@pool", 20_000),
    ]
    found = look_through(books, "share@pool", 20_000)
    assert found[-1] == Component("share@pool", 20_000, ("pool",), stopped="cycle")


def test_a_share_that_nothing_backs_stops_and_says_so(city):
    pool(city)
    books = city.books
    books.ask = lambda contract, view, **_: []  # type: ignore[method-assign]
    assert look_through(books, "share@pool", 5) == [Component("share@pool", 5, (), stopped="not_backed")]


def test_a_claim_or_token_is_itself_and_an_unknown_asset_is_refused(city):
    assert look_through(city.books, ALDER, 7) == [Component(ALDER, 7)]
    assert look_through(city.books, PERK, 7) == [Component(PERK, 7)]
    with pytest.raises(Rejection) as refused:
        look_through(city.books, "share@nowhere", 7)
    assert refused.value.code is Code.UNKNOWN_ASSET


def test_two_positions_in_one_asset_share_its_ways_out_and_neither_counts_them_twice():
    positions = (Position(ALDER, 600), Position(ALDER, 600))
    exits = (Exit("leave", {}, ALDER, 700), Exit("wait", {}, ALDER, 100, 400, when=9))
    found = _positions(Inside("till", positions, exits), "bob")
    assert [(one.units, one.free_units, one.where, one.until) for one in found] == [
        (600, 600, "inside", None),
        (600, 200, "inside", 9),
    ]
