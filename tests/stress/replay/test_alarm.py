"""The one rule on the three cases and on sound peers. Figures are reckoned by hand from the sheets."""

from datetime import date
from fractions import Fraction

import pytest

from tallystick.stress.replay.alarm import OwnToken, Reading, reasons_of
from tallystick.stress.replay.case import built_in, read_case
from tallystick.stress.replay.watch import PEERS, size_of, sound_peers, sweep, watch

BILLION = 10**11
"""In cents."""


@pytest.fixture(scope="module")
def watched():
    return {name: watch(read_case(built_in(name))) for name in ("ftx", "terra", "svb")}


@pytest.mark.parametrize(
    ("name", "alarm", "run"),
    [
        ("ftx", date(2022, 11, 2), date(2022, 11, 6)),
        ("terra", date(2022, 5, 1), date(2022, 5, 7)),
        ("svb", date(2023, 2, 24), date(2023, 3, 9)),
    ],
)
def test_the_alarm_rings_on_the_day_of_publication_and_before_the_run(watched, name, alarm, run):
    assert watched[name].alarm_date == alarm
    assert watched[name].case.run_day == run
    for row in watched[name].rows:
        assert bool(row.reasons.get(watched[name].case.subject)) == (row.day >= alarm)


def test_before_anything_is_published_nothing_alarms(watched):
    for one in watched.values():
        first = one.rows[0]
        assert first.readings == {}
        assert not any(first.reasons.values())


def test_alameda_s_sheet_reads_as_it_was_published(watched):
    reading = watched["ftx"].alarm_row.readings["alameda"]
    assert reading.stated_assets == 14_600_000_000_00
    assert reading.owed == 8_000_000_000_00
    assert reading.stated_ratio_ppm == 1_825_000
    assert reading.own_at_zero_ppm == 1_097_500  # (14.6 - 5.82) / 8.0
    # 0.134 cash, half of 2.174 crypto and of 0.292 SOL, half of 2.0 stakes, nothing else
    assert reading.fetched == 2_367_000_000_00
    assert reading.run_cover_ppm == 319_864  # 2.367 / 7.4
    assert reading.own_tokens == (OwnToken("ftt@ftx", 5_820_000_000_00, 3_320_000_000_00),)
    assert reading.own_tokens[0].of_market_ppm == 1_753_012
    assert reading.survival_days == 0


def test_ftx_alarms_through_its_declared_related_party_alone(watched):
    row = watched["ftx"].alarm_row
    assert "ftx" not in row.readings
    assert [reason.code for reason in row.reasons["ftx"]] == ["related_party"]
    assert {reason.code for reason in row.reasons["alameda"]} == {
        "short_survival",
        "run_uncovered",
        "own_token",
    }
    assert row.reasons["a-bank"] == ()


def test_svb_s_stated_ratio_is_not_what_alarms(watched):
    row = watched["svb"].alarm_row
    reading = row.readings["svb"]
    assert reading.stated_ratio_ppm == reading.own_at_zero_ppm == 1_081_716  # 211.8 / 195.8
    # Level 1 39.8; agency paper 75.84 x 0.85 = 64.464, capped at two thirds of 39.8
    assert reading.stock == 39_800_000_000_00 + 26_533_333_333_33
    # 0.4 x 155.79 + 0.05 x 17.31 + 14
    assert reading.outflow == 77_181_500_000_00
    assert reading.survival_days == 25
    # 39.8 + 64.464 + half of 74.3 + half of 3.1, over 155.79 + 14; a cent less, for prices round down
    assert reading.fetched == 142_963_999_999_99
    assert reading.run_cover_ppm == 842_004
    assert [reason.code for reason in row.reasons["svb"]] == ["short_survival", "run_uncovered"]


def test_terra_s_luna_counts_nothing_and_is_two_thirds_of_its_market(watched):
    reading = watched["terra"].alarm_row.readings["terra"]
    assert reading.stated_ratio_ppm == 1_000_000
    assert reading.own_at_zero_ppm == 0
    assert reading.own_tokens[0].of_market_ppm == 684_719  # 18.532 / 27.0651, of the day before


@pytest.mark.parametrize("name", ["ftx", "terra", "svb"])
def test_sound_peers_of_the_same_size_stay_calm(watched, name):
    size = size_of(watched[name])
    peers = sound_peers(size)
    assert [peer.name for peer in peers] == list(PEERS)
    assert [peer.reasons for peer in peers] == [()] * 4
    bank = peers[1].reading
    assert bank.stated_assets == size * 100
    assert peers[3].reading.own_tokens[0].of_market_ppm == 200_000  # above the tenth, and not leant on
    assert all(peer.reading.missing == () for peer in peers)


def test_the_sweep_says_where_svb_would_not_have_alarmed(watched):
    found = sweep(watched["svb"].case, "uninsured")
    assert not found.holds_everywhere
    ((low, high),) = found.holds
    # Survival: 66.333 = 14 + 0.05 x 173.1 (1 - u) + 0.4 x 173.1 u at u = 0.7208
    assert Fraction("0.720") < low < Fraction("0.722")
    assert high == 1
    assert low < Fraction("0.85")  # below all of the press's range


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "assumption"),
    [
        ("ftx", "callable"),
        ("ftx", "ftt_depth"),
        ("ftx", "unnamed_worth"),
        ("terra", "reserve"),
        ("svb", "borrowing"),
    ],
)
def test_the_other_sweeps_hold_over_their_whole_range(watched, name, assumption):
    assert sweep(watched[name].case, assumption).holds_everywhere


# Each threshold, met exactly and then missed by one.


def reading(**figures):
    given = {
        "institution": "x",
        "stated_assets": 1_000,
        "owed": 500,
        "own_and_related": 0,
        "fetched": 500,
        "may_run": 500,
        "stock": 300,
        "outflow": 300,
        "at_once": 300,
        "in_stress": 300,
        "own_tokens": (),
    }
    return Reading(**(given | figures))


def codes(**figures):
    return [reason.code for reason in reasons_of(reading(**figures))]


def test_exactly_thirty_days_are_enough_and_one_unit_less_is_not():
    assert codes(stock=300, outflow=300) == []
    assert codes(stock=299, outflow=300) == ["short_survival"]
    assert codes(stock=0, outflow=0) == []


def test_what_may_run_is_covered_once_and_one_unit_less_is_not():
    assert codes(fetched=500, may_run=500) == []
    assert codes(fetched=499, may_run=500) == ["run_uncovered"]
    assert codes(fetched=0, may_run=0) == []


def test_a_quarter_of_equity_may_be_one_s_own_token_and_one_unit_more_is_leaning_on_it():
    assert codes(own_tokens=(OwnToken("t@x", 125, 500),)) == []
    assert codes(own_tokens=(OwnToken("t@x", 126, 500),)) == ["own_token"]


def test_a_tenth_of_the_token_s_market_may_be_held_and_a_little_more_is_too_much():
    assert codes(own_tokens=(OwnToken("t@x", 200, 2_000),)) == []
    assert codes(own_tokens=(OwnToken("t@x", 201, 2_000),)) == ["own_token"]
    assert codes(own_tokens=(OwnToken("t@x", 400, None),)) == []


def test_equity_counts_such_tokens_at_what_they_trade_at():
    fallen = {"own_tokens": (OwnToken("t@x", 100, 500),), "own_tokens_stated": 400}
    assert reading(**fallen).equity == 200  # 1,000 - 400 + 100 - 500
    assert codes(**fallen) == ["own_token"]
    assert codes(**(fallen | {"own_tokens_stated": 200})) == []  # a quarter of 400


def test_alameda_leans_on_ftt_until_the_end(watched):
    for row in watched["ftx"].rows[2:]:
        assert "own_token" in [reason.code for reason in row.reasons["alameda"]]


def test_the_run_curve_falls_once_more_is_asked_than_there_is():
    curve = reading(at_once=100, in_stress=300, may_run=500).run_curve(steps=5)
    assert [(p.withdrawn_ppm, p.paid_at_once_ppm, p.paid_in_stress_ppm) for p in curve] == [
        (200_000, 1_000_000, 1_000_000),
        (400_000, 500_000, 1_000_000),
        (600_000, 333_333, 1_000_000),
        (800_000, 250_000, 750_000),
        (1_000_000, 200_000, 600_000),
    ]
