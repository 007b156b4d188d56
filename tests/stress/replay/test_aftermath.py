"""What happened, and what would have with custody apart: who is paid, when, and what a drill had said."""

from datetime import date
from fractions import Fraction

import pytest

from tallystick.institutions.prices import Prices
from tallystick.institutions.sheet import sheet
from tallystick.ledger.invariants import check_conserved
from tallystick.stress.replay.aftermath import CUSTODIAN, VENUE, apart, own_books
from tallystick.stress.replay.case import BUILT_IN, built_in, read_case
from tallystick.stress.replay.own_token_run import run_swap
from tests.shared_data import shared_json

BILLION = 10**11
"""In cents."""


@pytest.fixture(scope="module")
def cases():
    return {name: read_case(built_in(name)) for name in BUILT_IN}


def courses(case):
    return own_books(case, case.assumed), apart(case, case.assumed)


def test_ftx_pays_two_days_and_then_what_was_lent_to_alameda_is_missing(cases):
    own, there = courses(cases["ftx"])
    assert [(one.day.day, one.asked, one.paid, one.waiting) for one in own.days] == [
        (6, 1 * BILLION, 1 * BILLION, 0),
        (7, 4 * BILLION, 4 * BILLION, 0),
        (8, 990 * 10**9, 190 * 10**9, 8 * BILLION),
    ]
    assert own.defaulted == 8 * BILLION  # the Alameda loan, to the cent
    assert own.drill_paid_ppm == 463_087  # 6.9 of 14.9
    assert [one.paid for one in there.days] == [1 * BILLION, 4 * BILLION, 990 * 10**9]


def test_svb_sells_what_it_can_and_cannot_pay_the_second_morning(cases):
    own, there = courses(cases["svb"])
    first, second = own.days
    assert (first.asked, first.paid) == (42 * BILLION, 42 * BILLION)
    assert first.sold == 4 * BILLION  # cash was 38.0
    assert second.asked == 100 * BILLION
    # what is left of 91 at 0.85 of 75.84 after the first day's 4: 60.464
    assert second.paid == pytest.approx(60_464 * 10**8, abs=10)
    assert own.defaulted == second.waiting == second.asked - second.paid
    assert [one.waiting for one in there.days] == [0, 0]


def test_terra_pays_nobody_in_anything_but_its_own_token(cases):
    own, there = courses(cases["terra"])
    assert own.paid == own.drill_paid_ppm == 0
    assert own.defaulted == 885 * 10**9
    assert there.paid == 885 * 10**9


@pytest.mark.parametrize("name", BUILT_IN)
def test_with_custody_apart_everybody_is_paid_as_the_drill_had_said(cases, name):
    found = apart(cases[name], cases[name].assumed)
    assert found.drill_paid_ppm == 1_000_000
    assert all(one.paid == one.asked and one.waiting == 0 for one in found.days)
    assert found.defaulted == 0


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_venue_is_empty_handed_and_the_custodian_holds_what_it_still_owes(cases, name):
    found = apart(cases[name], cases[name].assumed)
    books = found.ledger.books()
    assert found.venue_rows == 0
    assert sheet(books, VENUE, Prices("USD")).assets == ()
    custodian = sheet(books, CUSTODIAN, Prices("USD"))
    left = found.claims - found.paid
    assert (custodian.assets_value, custodian.liabilities_value) == (left, left)


def test_the_trust_lens_names_ftx_and_then_the_custodian(cases):
    own, there = courses(cases["ftx"])
    assert [(one.holder, one.obligor, one.how, one.coverage_ppm) for one in own.trust] == [
        ("customers", "ftx", "direct", 463_087)  # 6.9 of 14.9: the loan to a related party covers nothing
    ]
    assert [(one.obligor, one.how, one.coverage_ppm) for one in there.trust] == [
        ("central-bank", "through", None),
        ("custodian", "direct", 1_000_000),
    ]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_custodian_is_covered_in_money_at_every_entry(cases, name):
    assert apart(cases[name], cases[name].assumed).coverage_minimum_ppm == 1_000_000


def test_a_drill_changes_nothing(cases):
    case = cases["ftx"]
    before = apart(case, case.assumed)
    assert before.ledger.units("customers", f"receipt@{CUSTODIAN}") == before.claims - before.paid


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_ledger_of_a_case_conserves_each_asset(cases, name):
    for course in courses(cases[name]):
        totals = {}
        for key, units in course.ledger.state.values.items():
            if key[0] == "balance":
                totals[key[2]] = totals.get(key[2], 0) + units
        assert totals
        assert set(totals.values()) == {0}
        check_conserved([])


@pytest.mark.long
def test_the_swap_reproduces_the_capacities_that_were_stated(cases):
    run = run_swap(cases["terra"], cases["terra"].assumed)
    now, raised = run.capacities
    assert round(now / 10**6, 1) == 293
    assert round(raised / 10**6) == 1_172
    facts = shared_json("risk/episode_facts.json")["terra"]["market_module"]["prop_1164"]
    stated = [Fraction(str(value)) for value in facts["stated_capacity_usd_day"]]
    assert list(run.stated_capacities) == stated
    assert abs(now - stated[0]) < stated[0] / 1_000


@pytest.mark.long
def test_the_swap_pays_everybody_in_tokens_that_are_worth_nothing_days_later(cases):
    run = run_swap(cases["terra"], cases["terra"].assumed)
    assert [day.day for day in run.days] == [date(2022, 5, day) for day in range(7, 12)]
    for day in run.days:
        assert day.redeemed == 1_770_000_000
        assert 120_000 < day.spread_ppm < 130_000  # six times the capacity at the least spread
        assert day.worth_at_end < 200_000
    # 1.5 billion LUNA were counted on 11 May; 1.77 billion dollars a day through this formula make 2.0
    assert 1_500_000_000 < run.days[-1].supply < 2_000_000_000
    assert run.days[0].supply == 343_100_000 + run.days[0].made
