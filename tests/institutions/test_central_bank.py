"""A central bank lends of last resort: the loan is its asset, the bank's debt, and new money in between."""

from tallystick.institutions.money import aggregates
from tallystick.institutions.prices import Prices
from tallystick.institutions.sheet import sheet
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tests.institutions.city import RESERVE, City
from tests.ledger.world import DAY, SECOND, call, deploy, issue

BOND = "bond@treasury"


def lending_city() -> City:
    """The city with a treasury whose bonds alder has, and a window into which the central bank put 300.00."""
    city = City()
    city.open("treasury", "cb.purse")
    city.join("cb.purse", "central-bank", founder="cb")
    city.do("treasury", tx.FoundInstitution(account="treasury", name="treasury-of-it"))
    matures = city.time + 300 * DAY * SECOND
    city.claim("treasury", "bond", "treasury-of-it", Terms(owes="EUR", matures=matures))
    city.do("treasury", issue("treasury", (BOND, "alder", 10_000)))
    terms = {
        "lender": "cb.purse",
        "asset": RESERVE,
        "term_seconds": 7 * DAY,
        "rate_ppm": 0,
        "rate_ppm_max": 100_000,
        "haircut_bps_max": 5_000,
        "delay_seconds": DAY,
        "collateral": [{"asset": BOND, "numerator": 1, "denominator": 1, "haircut_bps": 2_000}],
    }
    city.do("cb.purse", deploy("cb.purse", "window", "standing_facility", **terms))
    city.do("cb", issue("cb", (RESERVE, "cb.purse", 30_000)))
    city.do("cb.purse", call("cb.purse", "window", "fund", units=30_000, spend=[(RESERVE, 30_000)]))
    city.do("cb.purse", call("cb.purse", "window", "admit", borrower="alder", admitted=True))
    return city


def test_the_loan_stands_on_the_right_side_of_both_sheets_and_its_collateral_is_encumbered():
    city = lending_city()
    city.do(
        "alder",
        call(
            "alder",
            "window",
            "borrow",
            collateral=BOND,
            collateral_units=5_000,
            units=4_000,
            spend=[(BOND, 5_000)],
        ),
    )
    bank = sheet(city.books, "alder-bank", Prices("EUR"))
    pledged = next(row for row in bank.assets if row.where == "pledged")
    assert (pledged.asset, pledged.units, pledged.free_units, pledged.liquidity) == (
        BOND,
        5_000,
        0,
        "encumbered",
    )
    assert [(row.kind, row.asset, row.units) for row in bank.liabilities if row.kind == "debt"] == [
        ("debt", RESERVE, 4_000)
    ]
    assert bank.equity == 50_000 + 10_000 - 20_100
    lender = sheet(city.books, "central-bank", Prices("EUR"))
    [loan] = lender.assets
    assert (loan.where, loan.obligor, loan.units, loan.value) == ("due_in", "alder", 4_000, 4_000)
    # 80,000 were out before; 4,000 more are alder's now, and what is not lent is owed to nobody.
    assert lender.liabilities_value == 84_000
    assert lender.equity == -80_000


def test_money_put_in_and_not_lent_is_no_money_and_a_loan_makes_reserves():
    city = lending_city()
    [before] = aggregates(city.books)
    assert before.m0 == 80_000
    city.do(
        "alder",
        call(
            "alder",
            "window",
            "borrow",
            collateral=BOND,
            collateral_units=5_000,
            units=4_000,
            spend=[(BOND, 5_000)],
        ),
    )
    [after] = aggregates(city.books)
    assert (after.m0, after.m1) == (84_000, before.m1)
    city.do("alder", call("alder", "window", "repay", loan=1, spend=[(RESERVE, 4_000)]))
    assert aggregates(city.books)[0].m0 == 80_000
