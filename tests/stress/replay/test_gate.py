"""The rule of honesty: nothing published later is read before its day."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

import tallystick.stress.replay as package
from tallystick.stress.replay.case import (
    BUILT_IN,
    Gate,
    NotYetPublished,
    Quantity,
    Sealed,
    built_in,
    read_case,
)
from tallystick.stress.replay.watch import watch

IN_HINDSIGHT = {"case.py", "aftermath.py", "own_token_run.py", "report.py"}
"""Files that may read what was published later: they tell what happened, never what was known."""


@pytest.fixture(scope="module", params=BUILT_IN)
def case(request):
    return read_case(built_in(request.param))


def test_a_sealed_figure_opens_on_its_day_and_not_on_the_day_before():
    sealed = Sealed(7, date(2022, 11, 2), "the sheet")
    assert sealed.open(date(2022, 11, 2)) == 7
    with pytest.raises(NotYetPublished, match="was published on 2022-11-02, after 2022-11-01"):
        sealed.open(date(2022, 11, 1))
    assert sealed.in_hindsight() == 7
    assert "7" not in repr(sealed)


def test_the_gate_shows_alameda_s_sheet_on_2_november_and_nothing_on_the_day_before():
    case = read_case(built_in("ftx"))
    assert Gate(case, date(2022, 11, 1)).sheets() == {}
    assert set(Gate(case, date(2022, 11, 2)).sheets()) == {"alameda"}
    assert Gate(case, date(2022, 11, 1)).market_value("ftt") is None


def test_the_gate_refuses_tomorrow_s_close():
    gate = Gate(read_case(built_in("ftx")), date(2022, 11, 2))
    assert gate.close("ftt") == Fraction("25.031612")
    assert gate.close("ftt", date(2022, 11, 1)) == Fraction("25.873478")
    with pytest.raises(NotYetPublished):
        gate.close("ftt", date(2022, 11, 3))


def test_what_was_published_later_changes_no_earlier_day(case):
    """Change every figure that was published after a day: all rows up to that day stay what they were."""
    honest = watch(case).rows
    for cut in (case.first_day, honest[3].day, case.run_day - timedelta(days=1), case.run_day):
        known = [row for row in honest if row.day <= cut]
        assert watch(scrambled(case, after=cut)).rows[: len(known)] == tuple(known)


def test_what_was_published_by_then_does_change_that_day(case):
    """The neighbour of the test above: the same scrambling from one day earlier is seen."""
    honest = watch(case)
    at = honest.rows.index(honest.alarm_row)
    changed = watch(scrambled(case, after=honest.alarm_date - timedelta(days=1)))
    assert changed.rows[at] != honest.rows[at]


def scrambled(case, *, after):
    """Return the case with everything that was published after a day made other than it was."""

    def other_sheet(sheet):
        return replace(
            sheet,
            stated_assets=None,
            stated_liabilities=None,
            assets=tuple(replace(line, amount=Quantity(Fraction(3)), market=None) for line in sheet.assets),
            liabilities=tuple(replace(line, amount=Quantity(Fraction(11))) for line in sheet.liabilities),
        )

    def change(sealed, how):
        if sealed.published <= after:
            return sealed
        return Sealed(how(sealed.in_hindsight()), sealed.published, sealed.what)

    return replace(
        case,
        sheets=tuple(change(one, other_sheet) for one in case.sheets),
        before_the_run=case.before_the_run and change(case.before_the_run, other_sheet),
        market_values=tuple(
            change(one, lambda value: replace(value, amount=value.amount * 7)) for one in case.market_values
        ),
        closes={
            token: tuple(change(one, lambda pair: (pair[0] * 5, pair[1] * 3)) for one in closes)
            for token, closes in case.closes.items()
        },
        withdrawals=tuple(
            change(one, lambda asked: replace(asked, amount=Quantity(Fraction(1))))
            for one in case.withdrawals
        ),
        news=tuple(change(one, lambda news: replace(news, text="something else")) for one in case.news),
    )


def test_only_the_story_of_what_happened_reads_in_hindsight():
    folder = Path(package.__file__).parent
    readers = {file.name for file in folder.glob("*.py") if "in_hindsight" in file.read_text("utf-8")}
    assert readers <= IN_HINDSIGHT
    for file in ("alarm.py", "world.py", "watch.py"):
        assert "before_the_run" not in (folder / file).read_text("utf-8")
        assert "withdrawals" not in (folder / file).read_text("utf-8")
