"""Instruments: each is a claim with terms and a life, on the right side of two sheets until its end."""

import pytest

from tallystick.institutions.prices import Prices
from tallystick.institutions.sheet import Sheet, sheet
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Code
from tests.institutions.city import ALDER, BIRCH, RESERVE, City
from tests.ledger.world import DAY, SECOND, capture, hold, issue, transfer

PRICES = Prices("EUR")


@pytest.fixture
def city() -> City:
    city = City()
    for account in ("alice", "bob"):
        city.do(account, tx.FoundInstitution(account=account, name=f"{account}-inc"))
    return city


def of(city: City, name: str) -> Sheet:
    return sheet(city.books, name, PRICES)


def have(city: City, name: str, asset: str) -> list[tuple[int, str, int]]:
    """Return (units, where, value) of the asset in a sheet."""
    return [(row.units, row.where, row.value) for row in of(city, name).assets if row.asset == asset]


def owe(city: City, name: str, asset: str) -> list[tuple[str, int, str, str]]:
    """Return (holder, units, status, rank) of the claim in its obligor's sheet."""
    return [
        (row.holder, row.units, row.status, row.rank)
        for row in of(city, name).liabilities
        if row.asset == asset
    ]


def test_a_deposit_is_called_and_paid_in_central_bank_money(city):
    lot = city.do("bob", tx.Redeem(account="bob", asset=BIRCH, units="4000")).results[0]
    assert owe(city, "birch-bank", BIRCH) == [
        ("bob", 4_000, "due", "senior"),
        ("bob", 6_000, "outstanding", "senior"),
    ]
    city.do("birch", tx.SettleRedemption(account="birch", lot=lot))
    assert owe(city, "birch-bank", BIRCH) == [("bob", 6_000, "outstanding", "senior")]
    assert have(city, "bob-inc", RESERVE) == [(4_000, "free", 4_000)]
    assert of(city, "birch-bank").assets_value == 26_000


def test_a_deposit_that_is_called_and_not_paid_is_in_default_and_still_owed(city):
    city.do("bob", tx.Redeem(account="bob", asset=BIRCH, units="4000"))
    city.wait(DAY)
    assert owe(city, "birch-bank", BIRCH)[0] == ("bob", 4_000, "defaulted", "senior")
    assert have(city, "bob-inc", BIRCH) == [(6_000, "free", 6_000), (4_000, "defaulted", 4_000)]


def test_an_interbank_loan_is_a_term_claim_that_one_bank_has_on_the_other(city):
    due = city.time + DAY * SECOND
    city.claim("birch", "overnight", "birch-bank", Terms(owes=RESERVE, matures=due, pays=1_001, per=1_000))
    lent = (
        transfer("alder", (RESERVE, "birch", 10_000)),
        issue("birch", ("overnight@birch", "alder", 10_000)),
    )
    city.do("alder", *lent)
    assert have(city, "alder-bank", "overnight@birch") == [(10_000, "free", 10_010)]
    assert owe(city, "birch-bank", "overnight@birch") == [("alder", 10_000, "outstanding", "senior")]
    city.time = due
    lot = city.do("alder", tx.Redeem(account="alder", asset="overnight@birch", units="10000")).results[0]
    city.do("birch", tx.SettleRedemption(account="birch", lot=lot))
    assert city.balance("alder", RESERVE) == 50_010
    assert owe(city, "birch-bank", "overnight@birch") == []


def repo(city: City, due: int) -> str:
    """Alder sells a repo: 9,000 of reserves now for 9,009 at the date, a bond held for birch till then."""
    city.claim("alice", "bond", "alice-inc", Terms(owes="EUR", matures=city.time + 300 * DAY * SECOND))
    city.do("alice", issue("alice", ("bond@alice", "alder.desk", 10_000)))
    terms = Terms(owes=RESERVE, matures=due, pays=1_001, per=1_000, rank="secured", collateral="alder.desk")
    city.claim("alder", "repo", "alder-bank", terms)
    pledge = hold(
        "alder.desk", "birch", ("bond@alice", 10_000), expires=due + 2 * DAY * SECOND, at_expiry="release"
    )
    cash = transfer("birch", (RESERVE, "alder", 9_000))
    return city.do("alder.desk", pledge, cash, issue("alder", ("repo@alder", "birch", 9_000))).results[0]


def test_a_repo_is_a_secured_loan_whose_collateral_stays_an_encumbered_asset_and_returns(city):
    due = city.time + 7 * DAY * SECOND
    name = repo(city, due)
    assert have(city, "alder-bank", "bond@alice") == [(10_000, "held", 10_000)]
    assert of(city, "alder-bank").encumbered_value == 10_000
    assert owe(city, "alder-bank", "repo@alder") == [("birch", 9_000, "outstanding", "secured")]
    assert have(city, "birch-bank", "repo@alder") == [(9_000, "free", 9_009)]
    city.time = due
    lot = city.do("birch", tx.Redeem(account="birch", asset="repo@alder", units="9000")).results[0]
    back = (tx.SettleRedemption(account="alder", lot=lot), tx.Release(account="birch", hold=name))
    city.do("alder", *back)
    assert city.balance("birch", RESERVE) == 30_009
    assert have(city, "alder-bank", "bond@alice") == [(10_000, "free", 10_000)]


def test_a_repo_that_is_not_bought_back_leaves_the_bond_with_whoever_lent(city):
    due = city.time + 7 * DAY * SECOND
    name = repo(city, due)
    city.time = due
    city.do("birch", tx.Redeem(account="birch", asset="repo@alder", units="9000"))
    city.wait(DAY)
    assert owe(city, "alder-bank", "repo@alder") == [("birch", 9_000, "defaulted", "secured")]
    city.do("birch", capture("birch", name))
    assert have(city, "birch-bank", "bond@alice") == [(10_000, "free", 10_000)]
    assert have(city, "alder-bank", "bond@alice") == []


def test_a_bond_with_coupons_is_a_bundle_of_claims_one_a_date(city):
    dates = [city.time + days * DAY * SECOND for days in (180, 360, 720)]
    for number, due in enumerate(dates):
        units = 1_000 if due == dates[-1] else 40
        city.claim("alice", f"bond-{number}", "alice-inc", Terms(owes="EUR", matures=due))
        city.do("alice", issue("alice", (f"bond-{number}@alice", "alder", units)))
    ladder = [(row.asset, row.value, row.maturity) for row in of(city, "alder-bank").assets[:3]]
    assert ladder == [
        ("bond-0@alice", 40, "up_to_year"),
        ("bond-1@alice", 40, "up_to_year"),
        ("bond-2@alice", 1_000, "over_year"),
    ]
    early = city.do("alder", tx.Redeem(account="alder", asset="bond-0@alice", units="40")).results[0]
    assert city.get("lot", early).due == dates[0]
    city.time = dates[0]
    city.do("alice", tx.SettleRedemption(account="alice", lot=early, evidence="wire 12"))
    assert [row.asset for row in of(city, "alice-inc").liabilities] == ["bond-1@alice", "bond-2@alice"]


def test_an_invoice_is_owed_by_who_ordered_sold_on_and_paid_to_whoever_has_it(city):
    due = city.time + 30 * DAY * SECOND
    city.claim("bob", "invoice-7", "bob-inc", Terms(owes=ALDER, matures=due))
    city.do("bob", issue("bob", ("invoice-7@bob", "alice", 5_000)))
    assert owe(city, "bob-inc", "invoice-7@bob") == [("alice", 5_000, "outstanding", "senior")]
    city.do(
        "alice",
        transfer("alice", ("invoice-7@bob", "birch", 5_000)),
        transfer("birch", (RESERVE, "alice", 4_900)),
    )
    assert have(city, "birch-bank", "invoice-7@bob") == [(5_000, "free", 5_000)]
    city.do("alice", transfer("alice", (ALDER, "bob", 5_000)))
    lot = city.do("birch", tx.Redeem(account="birch", asset="invoice-7@bob", units="5000")).results[0]
    city.do("bob", tx.SettleRedemption(account="bob", lot=lot))
    assert have(city, "birch-bank", ALDER) == [(5_000, "free", 5_000)]
    assert owe(city, "bob-inc", "invoice-7@bob") == []


def test_a_role_is_registered_or_refused_by_name(city):
    named = tx.DeclareInstitution(account="bob", institution="bob-inc", roles=("bank", "wizard"))
    refused = city.refused("bob", named)
    assert (refused.code, refused.facts["role"]) == (Code.ROLE_UNKNOWN, "wizard")
    every = ("issuer", "custodian", "bank", "central_bank", "broker", "dealer", "venue", "clearing_house")
    city.do("bob", tx.DeclareInstitution(account="bob", institution="bob-inc", roles=every))
    assert city.books.institution("bob-inc").roles == every
