"""The drill on a case's ledger finds what the alarm reckoned from the sheet, by transactions."""

from dataclasses import replace

import pytest

from tallystick.stress.replay.case import Gate, built_in, read_case
from tallystick.stress.replay.drilled import buyer, drill_institution, everybody
from tallystick.stress.replay.watch import look, watch
from tallystick.stress.replay.world import World


def at_alarm(name):
    """Return the world, gate and reading of the institution that is read, on the day of its alarm."""
    case = read_case(built_in(name))
    world = World(case, case.assumed)
    for day in case.days():
        row = look(world, Gate(case, day))
        if row.reasons.get(case.subject):
            read = case.subject if case.subject in row.readings else "alameda"
            return world, Gate(case, day), row.readings[read]
    raise AssertionError("no alarm")


@pytest.mark.long
@pytest.mark.parametrize("name", ["ftx", "terra", "svb"])
def test_the_drilled_curve_is_the_one_that_the_sheet_says(name):
    world, gate, reading = at_alarm(name)
    drilled = drill_institution(world, gate, reading)
    for drawn, reckoned in zip(drilled.curve, reading.run_curve(), strict=True):
        assert drawn.withdrawn_ppm == reckoned.withdrawn_ppm
        assert abs(drawn.paid_at_once_ppm - reckoned.paid_at_once_ppm) <= 2
        assert abs(drawn.paid_in_stress_ppm - reckoned.paid_in_stress_ppm) <= 2


def test_svb_in_the_stress_cannot_pay_on_the_day_that_the_rule_said():
    world, gate, reading = at_alarm("svb")
    stress = drill_institution(world, gate, reading).stress
    assert reading.survival_days == stress.first_failing_day == 25
    assert stress.paid_ppm == 859_446  # 66.333 of 77.1815
    assert stress.cause == "illiquid"


@pytest.mark.long
def test_the_help_that_would_have_stopped_it_is_what_the_stock_is_short_of():
    world, gate, reading = at_alarm("svb")
    stress = drill_institution(world, gate, reading, rescue=True).stress
    # 77.1815 leave; 66.333 are there
    assert stress.help == reading.outflow - reading.stock == 10_848_166_666_67
    terra = at_alarm("terra")
    assert drill_institution(*terra, rescue=True).stress.help == 7_412_800_000_00  # 0.4 of 18.532
    assert drill_institution(*terra).stress.help is None


def test_a_bank_with_a_little_more_cash_lasts_the_stress_in_both():
    text = built_in("svb").replace("name: cash, amount: 13.8", "name: cash, amount: 21", 1)
    text = text.replace("stated_assets: 211.8", "stated_assets: 219", 1)
    case = read_case(text)
    world = World(case, case.assumed)
    gate = Gate(case, case.run_day)
    for day in case.days():
        if day <= case.run_day:
            gate = Gate(case, day)
            row = look(world, gate)
    reading = row.readings["svb"]
    assert reading.survival_days == 30
    assert drill_institution(world, gate, reading).stress.first_failing_day is None


def test_nobody_buys_where_there_is_no_money():
    _, _, reading = at_alarm("terra")
    assert buyer(reading, "", days=1) is None
    assert buyer(reading, "cash@bank", days=1, limit=0) is None


def test_the_basel_like_views_are_the_ordinary_ones_and_agree_with_the_rule():
    world, gate, reading = at_alarm("svb")
    found = drill_institution(world, gate, reading).liquidity
    assert (found.short_run.stock, found.short_run.net_outflows) == (reading.stock, reading.outflow)
    assert found.short_run.ratio_ppm == 859_446  # estimates made afterwards were 0.75 to 1.01
    assert found.ladder[0].bucket == "on demand"
    assert (found.ladder[0].inflow, found.ladder[0].outflow) == (39_800_000_000_00, 187_100_000_000_00)
    assert found.unpriced == ()


def test_the_ledger_is_as_it_was_after_a_drill():
    world, gate, reading = at_alarm("svb")
    before = dict(world.ledger.state.values)
    drill_institution(world, gate, reading)
    cash = {"USD": "cash@federal-reserve"}
    outcome = everybody(world.ledger.state, "svb", runners=("large-depositors",), cash=cash)
    assert outcome.paid_ppm("svb") == 88_580  # 13.8 of 155.79
    assert world.ledger.state.values == before


def test_a_case_is_drilled_on_the_day_of_its_alarm_only():
    case = read_case(built_in("svb"))
    assert watch(case).drilled is None
    assert watch(case, drills=True).drilled.institution == "svb"
    calm = replace(case, sheets=())
    assert watch(calm, drills=True).drilled is None
