"""The least help that would have stopped a failure, and the curve of one institution."""

from dataclasses import replace

import pytest

from tallystick.stress.curve import Point, curve_document, run_curve, write_picture
from tallystick.stress.rescue import Rescue, find_rescue
from tallystick.stress.scenario import everybody_withdraws
from tests.institutions.city import GOLD
from tests.ledger.world import issue
from tests.stress.street import RESERVE, Street


@pytest.fixture
def street():
    street = Street()
    street.deposit("alder", "bob", 50_000)
    return street


def rescue(street, name, scenario):
    outcome = street.drill(scenario)
    return find_rescue(street.store, street.kinds, scenario, outcome, name, index=street.index)


def test_the_least_help_is_exactly_what_was_missing_and_one_unit_less_is_not_enough(street):
    scenario = everybody_withdraws("alder-bank")
    found = rescue(street, "alder-bank", scenario)
    assert (found.cash, found.units) == (RESERVE, 20_000)
    for units, failures in ((20_000, 0), (19_999, 1)):
        helped = replace(scenario, help_units={"alder-bank": units})
        assert len(street.drill(helped).failures) == failures


@pytest.mark.long
def test_help_that_others_need_as_well_is_found_through_the_drill_itself(street):
    street.deposit("birch", "alder", 25_000)
    street.drain("birch", 25_000)
    found = rescue(street, "alder-bank", everybody_withdraws("alder-bank"))
    # Birch pays 5,000 of what alder calls; the rest must come from elsewhere.
    assert found.units == 15_000


def test_whoever_does_not_fail_needs_none_and_what_nothing_pays_no_cash_can_help(street):
    scenario = everybody_withdraws("birch-bank")
    assert rescue(street, "birch-bank", scenario) is None
    street.do("vault", issue("vault", (GOLD, "alice", 100)))
    assert rescue(street, "vault-co", everybody_withdraws("vault-co")) == Rescue("vault-co", "", None, 0)


def test_the_run_curve_is_flat_until_the_cash_is_gone_and_falls_from_there(street):
    points = run_curve(
        street.store,
        street.kinds,
        everybody_withdraws("alder-bank"),
        "alder-bank",
        points=7,
        index=street.index,
    )
    # 70,000 owed, 50,000 in hand: five sevenths can be paid.
    assert points == [
        Point(0, 1_000_000, 0),
        Point(142_857, 1_000_000, 0),
        Point(285_714, 1_000_000, 0),
        Point(428_571, 1_000_000, 0),
        Point(571_428, 1_000_000, 0),
        Point(714_285, 1_000_000, 0),
        Point(857_142, 833_347, 1),
        Point(1_000_000, 714_285, 1),
    ]


def test_the_curve_is_data_and_a_picture_and_the_same_twice(street, tmp_path):
    points = [Point(0, 1_000_000, 0), Point(500_000, 1_000_000, 0), Point(1_000_000, 400_000, 2)]
    assert curve_document("a", points)["points"][2] == {
        "withdrawn_ppm": 1_000_000,
        "paid_ppm": 400_000,
        "failures": 2,
    }
    for name in ("first.png", "again.png"):
        write_picture("a", points, tmp_path / name)
    first = (tmp_path / "first.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == (tmp_path / "again.png").read_bytes()
