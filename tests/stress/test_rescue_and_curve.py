"""The least help that would have stopped a failure, and the curve of one institution."""

from dataclasses import replace

import pytest

from tallystick.stress.curve import Curve, Point, run_curve, write_picture
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
    curve = run_curve(
        street.store,
        street.kinds,
        everybody_withdraws("alder-bank"),
        "alder-bank",
        points=7,
        index=street.index,
    )
    # 70,000 owed, 50,000 in hand: five sevenths can be paid.
    assert curve.points == (
        Point(0, 1_000_000, 0),
        Point(142_857, 1_000_000, 0),
        Point(285_714, 1_000_000, 0),
        Point(428_571, 1_000_000, 0),
        Point(571_428, 1_000_000, 0),
        Point(714_285, 1_000_000, 0),
        Point(857_142, 833_347, 1),
        Point(1_000_000, 714_285, 1),
    )


CURVE = Curve(
    "a",
    "ab" * 32,
    7,
    "cd" * 32,
    (Point(0, 1_000_000, 0), Point(500_000, 1_000_000, 0), Point(1_000_000, 400_000, 2)),
)


def test_the_curve_is_data_of_a_state_and_a_scenario_with_a_hash_of_all_of_it():
    document = CURVE.document()
    assert document["points"][2] == {"withdrawn_ppm": 1_000_000, "paid_ppm": 400_000, "failures": 2}
    assert (document["state_root"], document["index"], document["scenario_hash"]) == ("ab" * 32, 7, "cd" * 32)
    for change in (
        {"state_root": "ac" * 32},
        {"index": 8},
        {"scenario_hash": ""},
        {"points": CURVE.points[:2]},
    ):
        assert replace(CURVE, **change).hash != document["result_hash"]
    assert CURVE.csv().splitlines()[3] == f"a,{'ab' * 32},7,{'cd' * 32},1000000,400000,2"


def test_another_scenario_gives_the_curve_another_hash_and_the_same_one_the_same(street):
    def drawn(scenario):
        more = {"points": 2, "state_root": "ab" * 32, "index": street.index}
        return run_curve(street.store, street.kinds, scenario, "alder-bank", **more)

    plain = everybody_withdraws("alder-bank")
    assert drawn(plain) == drawn(plain)
    assert drawn(plain).scenario_hash == plain.hash
    longer = everybody_withdraws("alder-bank", horizon_days=31)
    assert drawn(longer).points == drawn(plain).points
    assert drawn(longer).hash != drawn(plain).hash


def test_the_picture_says_of_what_it_is_and_is_the_same_twice(tmp_path):
    for name in ("first.png", "again.png"):
        write_picture(CURVE, tmp_path / name)
    first = (tmp_path / "first.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == (tmp_path / "again.png").read_bytes()
    for told in ("ab" * 32, "after 7 entries", "cd" * 32, CURVE.hash):
        assert told.encode() in first
