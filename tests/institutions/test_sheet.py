"""Balance sheets: everything on its right side, own paper at zero, and sides that always meet."""

import msgspec
import pytest

from tallystick.institutions.prices import Prices, price_book
from tallystick.institutions.sheet import EXPIRED_DEBT, STATED_DEBT, Sheet, sheet, total_by
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Code, Rejection
from tests.institutions.basket import Market
from tests.institutions.city import ALDER, BIRCH, GOLD, NOTE, PERK, RESERVE, City
from tests.ledger.world import DAY, SECOND, call, create, deploy, hold, issue, transfer

BOOK = {
    "unit": "EUR",
    "as_of": 1_700_000_000_000_000,
    "source": "the town's newspaper",
    "decimals": {"EUR": 2, "GOLD-GRAM": 3},
    "prices": {"GOLD-GRAM": "60", PERK: "1.00", "coin@birch": "2.00"},
}
PRICES = Prices("EUR", book=price_book(BOOK))


@pytest.fixture
def city() -> City:
    return City()


def of(city: City, name: str = "alder-bank", prices: Prices = PRICES) -> Sheet:
    """Return a sheet whose sides meet."""
    made = sheet(city.books, name, prices)
    if made.is_complete:
        assert made.assets_value == made.liabilities_value + made.equity
    return made


def holdings(made: Sheet) -> list[tuple[str, str, int, str, int | None]]:
    return [(row.account, row.asset, row.units, row.liquidity, row.value) for row in made.assets]


def debts(made: Sheet) -> list[tuple[str, str, int, int | None]]:
    return [(row.asset, row.holder, row.units, row.value) for row in made.liabilities]


def test_assets_against_claims_and_what_is_left_is_equity(city):
    made = of(city)
    assert holdings(made) == [("alder", RESERVE, 50_000, "cash", 50_000)]
    assert debts(made) == [(ALDER, "alice", 20_000, 20_000), (NOTE, "alice", 100, 100)]
    assert (made.assets_value, made.liabilities_value, made.equity) == (50_000, 20_100, 29_900)
    assert made.by_currency() == {"EUR": (50_000, 20_100)}


def test_what_several_accounts_of_an_obligor_hold_is_one_and_its_own_claims_are_not_owed(city):
    city.do(
        "alder", transfer("alder", (RESERVE, "alder.desk", 8_000)), issue("alder", (ALDER, "alder.desk", 700))
    )
    city.do("alice", transfer("alice", (ALDER, "alder.desk", 300)))
    made = of(city)
    assert holdings(made) == [
        ("alder", RESERVE, 42_000, "cash", 42_000),
        ("alder.desk", RESERVE, 8_000, "cash", 8_000),
    ]
    assert debts(made)[0] == (ALDER, "alice", 19_700, 19_700)
    assert made.equity == 30_200


def test_a_token_issuer_owes_nothing_on_it_and_counts_its_own_at_zero(city):
    city.do("alder", issue("alder", (PERK, "alder.desk", 1_000), (PERK, "alice", 500)))
    made = of(city)
    row = made.assets[-1]
    assert (row.account, row.asset, row.units, row.value) == ("alder.desk", PERK, 1_000, 0)
    assert row.parts[0].why == "a token issued by itself counts zero"
    assert made.equity == 29_900
    assert made.by_currency() == {"EUR": (50_000, 20_100)}
    city.do("alice", transfer("alice", (PERK, "birch", 10)))
    assert of(city, "birch-bank").assets[0].value == 1_000  # to a stranger it is worth its price


def test_a_related_partys_token_counts_zero_and_claims_on_it_stand_apart(city):
    city.do(
        "birch", create("birch", "coin"), issue("birch", ("coin@birch", "alder", 50), (BIRCH, "alder", 900))
    )
    before = of(city)
    assert [(row.asset, row.value, row.standing) for row in before.assets] == [
        ("coin@birch", 10_000, "third_party"),
        (BIRCH, 900, "third_party"),
        (RESERVE, 50_000, "third_party"),
    ]
    assert before.related_value == 0
    city.declare("alder", "alder-bank", "birch-bank")
    after = of(city)
    assert [(row.asset, row.value, row.standing) for row in after.assets] == [
        ("coin@birch", 0, "related"),
        (BIRCH, 900, "related"),
        (RESERVE, 50_000, "third_party"),
    ]
    assert after.related_value == 900
    assert before.equity - after.equity == 10_000


def test_own_tokens_behind_a_pools_shares_count_zero_and_own_claims_are_taken_off_what_is_owed(city):
    city.do("alder", issue("alder", (PERK, "alder.desk", 40_000), (ALDER, "alder.desk", 10_000)))
    city.do("alice", deploy("alice", "pool", "constant_product_pool", asset_0=ALDER, asset_1=PERK))
    spend = [(ALDER, 10_000), (PERK, 40_000)]
    city.do("alder.desk", call("alder.desk", "pool", "mint", units_0=10_000, units_1=40_000, spend=spend))
    made = of(city)
    pooled = made.assets[-1]
    assert (pooled.kind, pooled.units, pooled.value, pooled.currency) == ("share", 19_000, 0, "several")
    assert [(part.asset, part.units, part.value) for part in pooled.parts] == [
        (ALDER, 9_500, 0),
        (PERK, 38_000, 0),
    ]
    assert (ALDER, "pool", 10_000, 10_000) in debts(made)
    assert (ALDER, "pool", -9_500, -9_500) in debts(made)
    assert made.equity == 29_900 - 500  # what the pool locks for ever is owed to nobody that is alder


def lending(lent: str, *, units: int = 1_000) -> Market:
    """Return a city in which alder lends `units` of an asset through a contract."""
    market = Market()
    market.basket("loans")
    market.do("alder", issue("alder", (lent, "alder.desk", units)))
    market.put_in("alder.desk", "loans", lent, units)
    return market


def test_what_borrowers_owe_behind_a_share_is_an_asset_and_what_is_at_hand_of_its_own_is_none():
    market = lending(ALDER)
    market.do("bob", call("bob", "loans", "borrow", asset=ALDER, units=400))
    made = of(market)
    row = made.assets[-1]
    assert [(one.units, one.value, one.standing, one.due_from) for one in row.parts] == [
        (600, 0, "own", ""),
        (400, 400, "third_party", "bob"),
    ]
    assert (ALDER, "loans", 600, 600) in debts(made)
    assert (ALDER, "loans", -600, -600) in debts(made)
    assert (ALDER, "bob", 400, 400) in debts(made)
    assert made.equity == 29_900  # a loan of new deposits makes nobody richer


def test_what_a_related_party_borrowed_stands_apart_and_what_it_borrowed_itself_is_no_asset():
    market = lending(ALDER)
    market.declare("alder", "alder-bank", "birch-bank")
    market.do("birch", call("birch", "loans", "borrow", asset=ALDER, units=300))
    market.do("alder", call("alder", "loans", "borrow", asset=ALDER, units=200))
    made = of(market)
    assert [(one.units, one.value, one.standing) for one in made.assets[-1].parts] == [
        (500, 0, "own"),
        (200, 0, "own"),
        (300, 300, "related"),
    ]
    assert made.related_value == 300
    assert (ALDER, "loans", 200, 200) in debts(made)
    assert (ALDER, "loans", -200, -200) in debts(made)
    assert made.equity == 29_900


def test_its_own_token_counts_zero_even_where_a_stranger_owes_it():
    market = lending(PERK)
    market.do("bob", call("bob", "loans", "borrow", asset=PERK, units=400))
    made = of(market)
    assert [(one.units, one.value) for one in made.assets[-1].parts] == [(600, 0), (400, 0)]
    assert made.equity == 29_900


def test_a_loan_makes_a_deposit_and_stands_on_both_sides(city):
    city.do("alice", tx.FoundInstitution(account="alice", name="alice-trading"))
    due = city.time + 200 * DAY * SECOND
    city.claim("alice", "loan", "alice-trading", Terms(owes=ALDER, matures=due, pays=21, per=20))
    city.do(
        "alice", issue("alice", ("loan@alice", "alder", 10_000)), issue("alder", (ALDER, "alice", 10_000))
    )
    bank, borrower = of(city), of(city, "alice-trading")
    row = bank.assets[0]
    assert (row.asset, row.obligor, row.value, row.liquidity, row.maturity) == (
        "loan@alice",
        "alice-trading",
        10_500,
        "term",
        "up_to_year",
    )
    assert (bank.liabilities_value, bank.equity) == (30_100, 30_400)
    assert debts(borrower) == [("loan@alice", "alder", 10_000, 10_500)]
    assert borrower.equity == 30_000 + 100 - 10_500


def test_a_debt_inside_a_contract_is_owed_and_its_collateral_is_encumbered(city):
    city.do("alice", transfer("alice", (ALDER, "birch", 2_000)))
    city.do("birch", call("birch", "till", "lend", units=2_000, spend=[(ALDER, 2_000)]))
    city.do("birch", call("birch", "till", "borrow", units=600))
    made = of(city, "birch-bank")
    assert holdings(made) == [
        ("birch", ALDER, 600, "demand", 600),
        ("birch", RESERVE, 30_000, "cash", 30_000),
        ("birch", ALDER, 2_000, "encumbered", 2_000),
    ]
    assert debts(made) == [(BIRCH, "bob", 10_000, 10_000), (ALDER, "till", 600, 600)]
    assert made.encumbered_value == 1_200
    assert made.equity == 22_000


def test_what_is_held_or_asked_for_is_encumbered_and_still_an_asset(city):
    expires = city.time + DAY * SECOND
    city.do("alder", hold("alder", "bob", (RESERVE, 4_000), expires=expires))
    city.do("alder", tx.Redeem(account="alder", asset=RESERVE, units="1000"))
    made = of(city)
    assert [(row.units, row.where, row.party) for row in made.assets] == [
        (45_000, "free", ""),
        (4_000, "held", "bob"),
        (1_000, "due", "central-bank"),
    ]
    assert (made.encumbered_value, made.equity) == (5_000, 29_900)


def test_liabilities_tell_holder_status_rank_and_when_they_fall_due(city):
    city.do("alice", tx.Redeem(account="alice", asset=ALDER, units="500"))
    rows = of(city).liabilities
    assert [(row.units, row.status, row.rank, row.maturity) for row in rows] == [
        (500, "due", "senior", "on_demand"),
        (19_500, "outstanding", "senior", "on_demand"),
        (100, "outstanding", "subordinated", "up_to_year"),
    ]
    city.wait(2 * DAY)
    assert of(city).liabilities[0].status == "defaulted"


def test_a_funds_units_are_owed_by_the_fund_and_had_by_its_holders(city):
    city.open("fund")
    city.do("fund", tx.FoundInstitution(account="fund", name="oak-fund"))
    city.claim("fund", "unit", "oak-fund", Terms(owes=RESERVE, pays=3, per=2, notice_seconds=7 * DAY))
    city.do("fund", issue("fund", ("unit@fund", "birch", 1_001)))
    fund, holder = of(city, "oak-fund"), of(city, "birch-bank")
    assert debts(fund) == [("unit@fund", "birch", 1_001, 1_502)]
    assert fund.liabilities[0].maturity == "up_to_week"
    held = holder.assets[-1]
    assert (held.asset, held.value, held.obligor, held.liquidity) == ("unit@fund", 1_501, "oak-fund", "term")


def test_a_missing_price_is_named_and_equity_is_told_only_as_a_least(city):
    city.do("alice", transfer("alice", (NOTE, "vault", 50)))
    city.do("alder", issue("alder", (PERK, "vault", 300)))
    city.do("vault", issue("vault", (GOLD, "bob", 2_000)))
    blind = of(city, "vault-co", Prices("EUR"))
    assert [(missing.asset, missing.reason.split(":")[0]) for missing in blind.missing] == [
        (GOLD, "no book gives the price of GOLD-GRAM in EUR"),
        (PERK, "perk@alder is a token"),
    ]
    assert (blind.assets_value, blind.liabilities_value) == (50, None)
    assert (blind.equity, blind.equity_at_least) == (None, None)
    city.do("bob", transfer("bob", (GOLD, "vault", 2_000)))  # back to the vault: no longer owed
    half = of(city, "vault-co", Prices("EUR"))
    assert (half.equity, half.equity_at_least) == (None, 50)
    assert of(city, "vault-co").equity == 50 + 30_000


def test_gold_owed_is_priced_and_counted_in_kind_beside_money(city):
    city.do("vault", issue("vault", (GOLD, "bob", 2_001)))
    made = of(city, "vault-co")
    assert debts(made) == [(GOLD, "bob", 2_001, 12_006)]
    assert made.by_currency() == {"GOLD-GRAM": (0, 2_001)}


def attest(city: City, by: str = "bob", **more):
    fields = {
        "item": "vault cellar",
        "side": "asset",
        "what": "GOLD-GRAM",
        "units": 5_000,
        "expires": city.time + 20 * DAY * SECOND,
        "matures": 0,
        "reference": "count 7",
    }
    city.do(by, call(by, "cellar", "attest", said=fields | more))


def attestations(city: City) -> None:
    action = deploy("vault", "cellar", "attestations", attestors=["bob", "alder.desk"])
    city.do("vault", msgspec.structs.replace(action, obligor="vault-co"))


def test_what_is_off_the_ledger_counts_as_attested_until_it_expires(city):
    attestations(city)
    attest(city)
    attest(city, item="rent", side="liability", what="EUR", units=900)
    made = of(city, "vault-co")
    row = made.assets[0]
    assert (row.liquidity, row.party, row.until, row.value) == ("attested", "bob", row.until, 30_000)
    assert row.until == city.time + 20 * DAY * SECOND
    assert debts(made) == [("EUR", "cellar: rent", 900, 900)]
    assert (made.liabilities[0].until, made.liabilities[0].note) == (row.until, STATED_DEBT)
    assert made.equity == 29_100
    city.time += 20 * DAY * SECOND
    city.do("alice", transfer("alice", (ALDER, "bob", 1)))
    lapsed = of(city, "vault-co")
    assert (lapsed.assets[0].value, "expired" in lapsed.assets[0].parts[0].why) == (0, True)
    assert lapsed.by_currency() == {"EUR": (0, 900)}
    assert lapsed.equity == -900  # a debt does not lapse, and its row says so
    assert (lapsed.liabilities[0].until, lapsed.liabilities[0].note) == (row.until, EXPIRED_DEBT)


def test_what_a_related_party_attests_counts_zero(city):
    attestations(city)
    attest(city, "alder.desk")
    assert of(city, "vault-co").assets[0].value == 30_000
    city.declare("vault", "vault-co", "alder-bank")
    row = of(city, "vault-co").assets[0]
    assert (row.value, row.parts[0].why) == (0, "attested by itself or a related party")


def test_claims_between_institutions_net_to_zero_over_all_of_them(city):
    """What is an asset of one is a liability of another: over all holders nothing is left but rounding."""
    city.do("birch", issue("birch", (BIRCH, "alder", 900)))
    city.do("alder", issue("alder", (ALDER, "birch", 700), (NOTE, "vault", 55)))
    sheets = [of(city, name) for name in city.books.institutions]
    between = sum(row.value for made in sheets for row in made.assets if row.kind == "claim")
    owed = sum(row.value for made in sheets for row in made.liabilities if row.institution)
    assert (between, owed) == (80_000 + 900 + 700 + 55, between)


def test_an_empty_institution_has_an_empty_sheet_and_an_unknown_one_is_refused(city):
    made = of(city, "vault-co")
    assert (made.assets, made.liabilities, made.equity) == ((), (), 0)
    with pytest.raises(Rejection) as refused:
        sheet(city.books, "nobody", PRICES)
    assert refused.value.code is Code.UNKNOWN_INSTITUTION


def test_totals_are_sums_by_whatever_is_asked(city):
    city.do("birch", issue("birch", (BIRCH, "alder", 900)))
    made = of(city)
    assert total_by(made.assets, lambda row: row.liquidity, lambda row: row.value) == {
        "cash": 50_000,
        "demand": 900,
    }
    assert total_by(made.liabilities, lambda row: row.rank, lambda row: row.value) == {
        "senior": 20_000,
        "subordinated": 100,
    }
