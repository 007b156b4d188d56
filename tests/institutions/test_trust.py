import pytest

from tallystick.institutions.holdings import STEPS_MAX, Unanswered, look_through
from tallystick.institutions.prices import Missing, PriceBook, Prices
from tallystick.institutions.trust import Amount, Exposure, Part, Trust, trust_of_account, trust_of_asset
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Position
from tallystick.ledger.records import PolicySpec, Terms
from tallystick.ledger.rejections import Code, Rejection
from tests.institutions.basket import Basket, Market
from tests.institutions.city import ALDER, BIRCH, GOLD, NOTE, PERK, RESERVE, Till
from tests.ledger.world import call, create, deploy, hold, issue

MINUTE = 60_000_000


@pytest.fixture
def city():
    return Market()


def names(exposures):
    return [(one.name, one.how) for one in exposures]


def test_a_deposit_is_credit_on_its_bank_and_through_it_on_whoever_owes_what_the_bank_pays_with(city):
    seen = trust_of_account(city.books, "alice")
    assert (seen.label, seen.unit, seen.value) == ("credit", "EUR", 20_100)
    assert (seen.credit_ppm, seen.computation_ppm) == (1_000_000, 0)
    assert seen.parts == (
        Part(ALDER, 20_000, "credit", "alder-bank"),
        Part(NOTE, 100, "credit", "alder-bank"),
    )
    assert seen.obligors == (
        Exposure(
            "alder-bank",
            "direct",
            (Amount(ALDER, 20_000, 1_000_000), Amount(NOTE, 100, 1_000_000)),
            20_100,
            1_000_000,
            coverage_ppm=2_487_562,
        ),
        Exposure(
            "central-bank",
            "through",
            (Amount(ALDER, 20_000, 1_000_000),),
            20_000,
            995_024,
            via=("alder-bank",),
            coverage_ppm=0,
        ),
    )
    assert (seen.contracts, seen.powers, seen.oracles) == ((), (), ())
    assert (seen.own, seen.owes, seen.unpriced, seen.unanswered) == ((), (), (), ())


def test_a_token_is_computation_and_has_no_value_unless_somebody_prices_it(city):
    city.do("alder", issue("alder", (PERK, "bob", 7)))
    seen = trust_of_asset(city.books, PERK)
    assert (seen.label, seen.unit, seen.value, seen.credit_ppm) == ("computation", "", None, None)
    assert seen.obligors == ()
    prices = Prices("EUR", book=PriceBook("EUR", 0, "us", {PERK: "3"}, {"EUR": 2}))
    priced = trust_of_account(city.books, "bob", prices=prices)
    assert priced.value == 10_000 + 7 * 300
    assert (priced.credit_ppm, priced.computation_ppm) == (826_446, 173_553)
    unpriced = trust_of_account(city.books, "bob")
    assert unpriced.value == 10_000
    assert unpriced.unpriced == (Missing(PERK, "EUR", f"{PERK} is a token: nobody owes anything on it"),)


def test_a_named_pool_prices_what_has_no_par_in_the_unit_that_is_usual_anyway(city):
    city.do("alder", issue("alder", (PERK, "alice", 1_000)))
    assert [one.asset for one in trust_of_account(city.books, "alice").unpriced] == [PERK]
    city.do("alice", deploy("alice", "pool", "constant_product_pool", asset_0=ALDER, asset_1=PERK))
    spend = [(ALDER, 10_000), (PERK, 500)]
    city.do("alice", call("alice", "pool", "mint", units_0=10_000, units_1=500, spend=spend))
    before = trust_of_account(city.books, "alice")
    seen = trust_of_account(city.books, "alice", price_from=["pool"])
    # 500 perks left and those behind the shares, at 20 a piece.
    perks = sum(part.units for part in seen.parts if part.asset == PERK)
    assert (seen.unit, seen.unpriced, seen.value - before.value) == ("EUR", (), 20 * perks)


def test_an_account_with_nothing_is_labelled_so_and_an_unknown_one_is_refused(city):
    assert trust_of_account(city.books, "cb").label == "nothing"
    for ask, code in (
        (lambda: trust_of_account(city.books, "nobody"), Code.UNKNOWN_ACCOUNT),
        (lambda: trust_of_asset(city.books, "nothing@cb"), Code.UNKNOWN_ASSET),
    ):
        with pytest.raises(Rejection) as refused:
            ask()
        assert refused.value.code is code


def test_what_lies_in_contracts_is_counted_once_for_its_obligor_and_for_each_contract(city):
    city.basket("inner")
    city.basket("outer")
    city.put_in("alice", "inner", ALDER, 6_000)
    city.put_in("alice", "outer", "share@inner", 3_000)
    seen = trust_of_account(city.books, "alice")
    assert seen.parts == (
        Part(ALDER, 14_000, "credit", "alder-bank"),
        Part(ALDER, 3_000, "credit", "alder-bank", ("inner",)),
        Part(ALDER, 3_000, "credit", "alder-bank", ("outer", "inner")),
        Part(NOTE, 100, "credit", "alder-bank"),
    )
    assert seen.obligors[0].amounts[0] == Amount(ALDER, 20_000, 1_000_000)
    assert [(one.name, one.how, one.amounts) for one in seen.contracts] == [
        ("inner", "basket 1", (Amount(ALDER, 6_000, 300_000),)),
        ("outer", "basket 1", (Amount(ALDER, 3_000, 150_000),)),
    ]


def test_positions_count_and_debts_stand_apart(city):
    city.do("alice", call("alice", "till", "lend", units=1_000, spend=[(ALDER, 1_000)]))
    city.do("alice", call("alice", "till", "borrow", units=300))
    seen = trust_of_account(city.books, "alice")
    assert seen.obligors[0].amounts[0].units == 20_300
    assert seen.owes == (Amount(ALDER, 300, 1_000_000),)
    assert names(seen.contracts) == [("till", "till 1")]


def test_what_somebody_owes_through_a_contract_is_credit_on_that_debtor(city, monkeypatch):
    def positions(self, ctx, account):
        return [Position(PERK, 40, due_from="birch", note="loan")]

    city.do("alice", call("alice", "till", "lend", units=1_000, spend=[(ALDER, 1_000)]))
    told = Till.methods["positions"]
    changed = type(told)(
        name="positions", function=positions, arguments=told.arguments, is_view=True, clears=False
    )
    monkeypatch.setitem(Till.methods, "positions", changed)
    seen = trust_of_account(city.books, "alice")
    assert Part(PERK, 40, "credit", "birch-bank", due_in=True) in seen.parts
    assert ("birch-bank", "direct") in names(seen.obligors)


def test_what_a_share_is_owed_by_borrowers_is_credit_on_them_and_through_them_on_the_assets_obligor(city):
    city.basket("loans")
    city.put_in("alice", "loans", ALDER, 1_000)
    city.do("bob", call("bob", "loans", "borrow", asset=ALDER, units=300))
    city.do("birch", call("birch", "loans", "borrow", asset=ALDER, units=100))
    seen = trust_of_asset(city.books, "share@loans")
    assert [(one.asset, one.units, one.label, one.obligor, one.due_in) for one in seen.parts] == [
        (ALDER, 600, "credit", "alder-bank", False),
        (ALDER, 100, "credit", "birch-bank", True),
        (ALDER, 300, "credit", "bob", True),
    ]
    by_name = {(one.name, one.how): (one.amounts[0].units, one.via) for one in seen.obligors}
    assert by_name["bob", "direct"] == (300, ())
    assert by_name["birch-bank", "direct"] == (100, ())
    assert by_name["alder-bank", "direct"] == (600, ())
    assert by_name["alder-bank", "through"] == (400, ("birch-bank", "bob"))
    assert sum(part.units for part in trust_of_account(city.books, "alice").parts) == 20_100


def test_what_is_held_or_asked_for_is_still_trusted(city):
    city.do("alice", hold("alice", "bob", (ALDER, 700), expires=city.time + MINUTE))
    city.do("alice", tx.Redeem(account="alice", asset=ALDER, units="300"))
    assert trust_of_account(city.books, "alice").obligors[0].amounts[0].units == 20_000


def test_a_claim_on_ones_own_institution_is_no_exposure(city):
    city.do("alder", issue("alder", (ALDER, "alder.desk", 500)))
    seen = trust_of_account(city.books, "alder.desk")
    assert (seen.label, seen.obligors, seen.own) == ("nothing", (), (Amount(ALDER, 500, 1_000_000),))


def test_whoever_can_freeze_claw_back_or_change_rules_is_named_with_the_asset_and_the_delay(city):
    city.claim(
        "birch",
        "usd",
        "birch-bank",
        Terms(owes="USD"),
        policy=PolicySpec(kind="controlled", lists_by="birch", rules_by="bob", delay_seconds=7_200),
        claw_back_by="vault",
    )
    city.do("birch", issue("birch", ("usd@birch", "alice", 50)))
    city.basket("safe", keeper="carol-is-no-account")
    city.put_in("alice", "safe", "usd@birch", 20)
    seen = trust_of_account(city.books, "alice", prices=Prices("USD"))
    told = [(one.name, one.how, one.on, one.delay_seconds, one.amounts[0]) for one in seen.powers]
    all_of_it, part = Amount("usd@birch", 50, 1_000_000), Amount("usd@birch", 20, 400_000)
    assert told == [
        ("birch", "freeze", "usd@birch", 0, all_of_it),
        ("bob", "change rules", "usd@birch", 7_200, all_of_it),
        ("vault", "claw back", "usd@birch", 0, all_of_it),
        ("carol-is-no-account", "stops deposits", "safe", 60, part),
    ]


def test_oracles_are_found_through_contracts_that_depend_on_each_other_in_a_circle(city):
    city.basket("feeds", oracles=["bob"], contracts=["shop"])
    city.basket("shop", oracles=["till"], contracts=["feeds"])
    city.put_in("alice", "shop", ALDER, 100)
    seen = trust_of_account(city.books, "alice")
    assert [(one.name, one.how, one.amounts) for one in seen.oracles] == [
        ("bob", "account", (Amount(ALDER, 100, 5_000),)),
        ("till", "till 1", (Amount(ALDER, 100, 5_000),)),
    ]


def test_shares_that_hold_each_other_end_and_what_could_not_be_followed_is_said(city):
    city.basket("left")
    city.basket("right")
    city.put_in("alice", "left", ALDER, 100)
    city.put_in("alice", "right", ALDER, 100)
    city.put_in("alice", "left", "share@right", 50)
    city.put_in("alice", "right", "share@left", 50)
    seen = trust_of_asset(city.books, "share@left")
    stopped = [part for part in seen.parts if part.stopped]
    assert stopped == [Part("share@left", 16, "unknown", "", ("left", "right"), "cycle")]
    assert seen.parts[0] == Part(ALDER, 100, "credit", "alder-bank", ("left",))
    assert seen.unpriced[0].reason == "what is behind it is unknown: cycle"
    assert seen.label == "credit"


def test_woven_shares_stop_after_a_bounded_number_of_steps(city):
    """Layers of two baskets, each holding half of both of the layer below: 2^13 paths at the end."""
    whole = 1 << 40
    city.do("alder", issue("alder", (PERK, "alice", 2 * whole)))
    for layer in range(14):
        for side in "ab":
            city.basket(f"{side}{layer}")
            if layer == 0:
                city.put_in("alice", f"{side}0", PERK, whole)
            else:
                for below in "ab":
                    city.put_in("alice", f"{side}{layer}", f"share@{below}{layer - 1}", whole // 2)
    assert {part.stopped for part in look_through(city.books, "share@a9", whole)} == {""}
    found = look_through(city.books, "share@a13", whole)
    assert len(found) <= STEPS_MAX + 1
    assert {part.stopped for part in found} == {"", "too_many"}
    assert sum(part.units for part in found) == whole


def test_a_contract_that_will_not_say_who_has_power_is_named(city, monkeypatch):
    def refuse(self, ctx):
        raise Rejection(Code.READ_ONLY, contract=ctx.this)

    city.basket("mute")
    city.put_in("alice", "mute", ALDER, 100)
    for view in ("powers", "dependencies"):
        told = Basket.methods[view]
        changed = type(told)(name=view, function=refuse, arguments=told.arguments, is_view=True, clears=False)
        monkeypatch.setitem(Basket.methods, view, changed)
    seen = trust_of_account(city.books, "alice")
    assert seen.unanswered == (Unanswered("", "mute", "read_only"),)
    monkeypatch.undo()
    assert trust_of_account(city.books, "alice").unanswered == ()


def test_a_contract_relies_on_its_own_code_for_everything_it_holds(city):
    city.basket("chest")
    city.put_in("alice", "chest", ALDER, 100)
    seen = trust_of_account(city.books, "chest")
    assert seen.parts == (Part(ALDER, 100, "credit", "alder-bank", ("chest",)),)


def test_coverage_of_each_obligor_stands_beside_it_or_why_it_cannot_be_said(city):
    told = {"alder-bank": 1_250_000, "central-bank": "nobody attested it"}
    seen = trust_of_account(city.books, "alice", coverage=told.__getitem__)
    assert [(one.coverage_ppm, one.coverage_missing) for one in seen.obligors] == [
        (1_250_000, ""),
        (None, "nobody attested it"),
    ]


def test_an_obligors_coverage_is_what_it_has_over_what_others_have_of_its_claims(city):
    def seen(account):
        return {
            one.name: (one.coverage_ppm, one.coverage_missing)
            for one in trust_of_account(city.books, account).obligors
        }

    assert seen("bob") == {"birch-bank": (3_000_000, ""), "central-bank": (0, "")}
    city.do("birch", issue("birch", (BIRCH, "alice", 20_001)))
    assert seen("bob")["birch-bank"] == (999_966, "")
    city.do("alder", issue("alder", (ALDER, "alder.desk", 10**6)))
    assert seen("alice")["alder-bank"] == (2_487_562, "")
    city.do("alice", call("alice", "till", "lend", units=1_000, spend=[(ALDER, 1_000)]))


def test_units_of_another_account_are_priced_only_where_a_price_is_given(city):
    city.do("vault", issue("vault", (GOLD, "bob", 1_500)))
    plain = trust_of_account(city.books, "bob")
    assert plain.unit == "EUR"
    assert [(one.name, one.value) for one in plain.obligors] == [
        ("birch-bank", 10_000),
        ("central-bank", 10_000),
        ("vault-co", None),
    ]
    prices = Prices("EUR", book=PriceBook("EUR", 0, "us", {"GOLD-GRAM": "60.00"}, {"EUR": 2, "GOLD-GRAM": 3}))
    told = trust_of_account(city.books, "bob", prices=prices)
    assert [(one.name, one.value, one.share_ppm) for one in told.obligors] == [
        ("birch-bank", 10_000, 526_315),
        ("central-bank", 10_000, 526_315),
        ("vault-co", 9_000, 473_684),
    ]


def test_a_claim_that_nothing_is_outstanding_of_is_seen_by_its_whole_unit(city):
    city.claim("birch", "bond", "birch-bank", Terms(owes=BIRCH))
    seen = trust_of_asset(city.books, "bond@birch")
    assert seen.parts == (Part("bond@birch", 100, "credit", "birch-bank"),)
    assert names(seen.obligors) == [("birch-bank", "direct"), ("central-bank", "through")]


def test_the_lens_writes_nothing(city):
    city.basket("chest")
    city.put_in("alice", "chest", ALDER, 100)
    before = dict(city.store.values)
    assert isinstance(trust_of_account(city.books, "alice"), Trust)
    assert city.store.values == before


def test_a_token_created_and_a_reserve_are_told_apart(city):
    city.do("cb", issue("cb", (RESERVE, "bob", 500)))
    city.do("bob", create("bob", "chip"))
    city.do("bob", issue("bob", ("chip@bob", "alice", 4)))
    assert trust_of_asset(city.books, RESERVE).label == "credit"
    assert trust_of_asset(city.books, "chip@bob").label == "computation"
