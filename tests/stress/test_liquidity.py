"""Liquidity views and textbook thresholds, against the figures of those who published them."""

from fractions import Fraction

import pytest

from tallystick.institutions.prices import Prices
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tallystick.stress.diamond import late_share, payable_share, run_threshold
from tallystick.stress.liquidity import (
    Classes,
    LongRun,
    Rung,
    ShortRun,
    document,
    liquid_stock,
    liquidity_of,
    net_outflows,
    unit_of,
)
from tests.institutions.city import GOLD
from tests.ledger.world import DAY, SECOND, issue
from tests.shared_data import shared_json
from tests.stress.street import ALDER, RESERVE, Street


def example(**change):
    known = shared_json("risk/lcr_us_final_rule_worked_example.json")
    given = {
        "undated_outflow": known["nonmaturity_outflow"] * 10,
        "undated_inflow": known["nonmaturity_inflow"] * 10,
        "outflows": [10 * units for units in known["maturity_outflows_day1_30"]],
        "inflows": [10 * units for units in known["maturity_inflows_day1_30"]],
    }
    return known, net_outflows(**(given | change))


def test_the_final_rules_worked_example_comes_to_262_5():
    """In tenths, for our amounts are whole."""
    known, found = example()
    assert known["expected_total_net_cash_outflow"] == 262.5
    assert found == 2_625


def test_the_add_on_is_the_peak_over_the_end_and_nothing_if_the_peak_is_the_end():
    assert net_outflows(undated_outflow=0, undated_inflow=0, outflows=[10, 0], inflows=[0, 10]) == 12 + 1
    assert net_outflows(undated_outflow=0, undated_inflow=0, outflows=[0, 10], inflows=[10, 0]) == 3
    assert net_outflows(undated_outflow=0, undated_inflow=0, outflows=[0, 10], inflows=[0, 0]) == 10
    assert net_outflows(undated_outflow=7, undated_inflow=0, outflows=[], inflows=[]) == 7
    with pytest.raises(ValueError, match="2 days of outflows and 1 of inflows"):
        net_outflows(undated_outflow=0, undated_inflow=0, outflows=[1, 2], inflows=[1])


def test_the_caps_on_level_2_hold_and_meet_exactly():
    assert liquid_stock(level_1=600, level_2a=250, level_2b=150) == 1_000
    assert liquid_stock(level_1=600, level_2a=400, level_2b=150) == 1_000
    assert liquid_stock(level_1=600, level_2a=0, level_2b=900) == 705
    assert liquid_stock(level_1=0, level_2a=500, level_2b=500) == 0


def test_diamonds_thresholds_are_those_of_the_paper():
    known = shared_json("risk/textbook_small_checks.json")["diamond_dybvig_2007"]
    early, growth = Fraction("1.28"), Fraction(known["R"])
    assert run_threshold(early=early, growth=growth) == Fraction(known["run_threshold_f"]) == Fraction(9, 16)
    assert payable_share(early=early) == Fraction(known["insolvent_f"]) == Fraction(25, 32)
    # At the threshold waiting pays exactly what coming pays; those who should come are a quarter.
    assert late_share(Fraction(9, 16), early=early, growth=growth) == early
    assert float(late_share(Fraction(1, 4), early=early, growth=growth)) == pytest.approx(
        known["r2"], abs=5e-4
    )
    assert late_share(Fraction(25, 32), early=early, growth=growth) == 0
    assert payable_share(early=Fraction(1, 2)) == 1


def test_a_bank_that_cannot_be_is_refused():
    for early, growth in ((Fraction(2), Fraction(1)), (Fraction(0), Fraction(2)), (Fraction(3), Fraction(2))):
        with pytest.raises(ValueError, match="are needed"):
            run_threshold(early=early, growth=growth)
    with pytest.raises(ValueError, match="from 0 to below 1"):
        late_share(Fraction(1), early=Fraction(1), growth=Fraction(2))
    with pytest.raises(ValueError, match="positive"):
        payable_share(early=Fraction(0))
    assert run_threshold(early=Fraction(1), growth=Fraction(2)) == 1


@pytest.fixture
def street():
    street = Street()
    street.claim("birch", "bond", "birch-bank", Terms(owes=RESERVE, notice_seconds=20 * DAY))
    street.do("birch", issue("birch", ("bond@birch", "alder", 4_000)))
    return street


def rungs(found):
    return {rung.bucket: (rung.outflow, rung.inflow, rung.gap_so_far) for rung in found.ladder}


def test_the_ladder_puts_everything_where_it_falls_due(street):
    found = liquidity_of(street.books, "alder-bank", Prices("EUR"))
    assert found.ladder[0] == Rung("on demand", 20_000, 50_000, 30_000)
    assert rungs(found)["to 30 days"] == (0, 4_000, 34_000)
    assert rungs(found)["to a year"] == (100, 0, 33_900)
    assert rungs(found)["without a date"] == (0, 0, 33_900)


def test_short_run_and_long_run_are_apart(street):
    found = liquidity_of(street.books, "alder-bank", Prices("EUR"))
    # A tenth of alice's deposits runs off; birch's bond, a bank's, comes in whole but for the cap of 75 %.
    assert found.short_run == ShortRun(50_000, 2_000, 4_000, 500, 100_000_000)
    # 90 % of 20,000, the note of a year whole, equity 33,900; 15 % of the bond, nothing for cash.
    assert found.long_run == LongRun(18_000 + 100 + 33_900, 600, 86_666_666)
    assert document(found)["long_run"]["required"] == "600"


def test_what_was_asked_for_leaves_whole_on_its_day_and_funds_nothing(street):
    street.do("alice", tx.Redeem(account="alice", asset=ALDER, units="7000"))
    found = liquidity_of(street.books, "alder-bank", Prices("EUR"))
    # 7,000 whole and a tenth of 13,000; the bond's 4,000 come in.
    assert found.short_run == ShortRun(50_000, 8_300, 4_000, 4_300, 11_627_906)
    # 90 % of 13,000, the note of a year whole, equity 33,900.
    assert found.long_run == LongRun(11_700 + 100 + 33_900, 600, 76_166_666)
    street.do("alder", tx.Redeem(account="alder", asset="bond@birch", units="4000"))
    assert rungs(liquidity_of(street.books, "birch-bank", Prices("EUR")))["to 30 days"][0] == 4_000
    street.time += 15 * DAY * SECOND
    street.do("cb", issue("cb", (RESERVE, "birch", 1)))
    assert rungs(liquidity_of(street.books, "birch-bank", Prices("EUR")))["to 7 days"][0] == 4_000


def test_whoever_knows_better_may_say_what_things_and_holders_are(street):
    classes = Classes(levels={"bond@birch": "level_2a"}, funding={"alice": "financial"})
    found = liquidity_of(street.books, "alder-bank", Prices("EUR"), classes=classes)
    assert found.short_run == ShortRun(53_400, 20_000, 0, 20_000, 2_670_000)
    assert found.long_run.required == 600


def test_what_is_encumbered_is_not_liquid_and_what_has_no_price_is_named(street):
    street.do("vault", issue("vault", (GOLD, "alder", 5)))
    found = liquidity_of(street.books, "alder-bank", Prices("EUR"))
    assert found.unpriced == (GOLD,)
    assert unit_of(street.books, "alder-bank") == "EUR"
    assert unit_of(street.books, "vault-co") == "GOLD-GRAM"


def test_an_institution_that_owes_nothing_has_no_ratio(street):
    street.bank("new", reserves=10)
    found = liquidity_of(street.books, "new", Prices("EUR"))
    assert (found.short_run.ratio_ppm, found.short_run.stock) == (None, 10)
    assert (found.long_run.ratio_ppm, found.long_run.available) == (None, 10)
