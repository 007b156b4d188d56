"""Watching: a case day by day, through what was published, until the alarm rings; and beside it sound peers.

    watched = watch(case)          a row a day, and the first day on which the subject alarms
    sweeps = sweep(case, ...)      over which part of its range each assumption leaves that day where it is

The alarm of a day is a function of the `Gate` of that day and of the assumptions. Nothing else goes in, and a
test changes everything that was published later to see that nothing moves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from itertools import pairwise

from tallystick.stress.replay.alarm import (
    Reading,
    Reason,
    read_institution,
    reasons_of,
    related_reason,
)
from tallystick.stress.replay.case import Case, Gate, News, built_in, read_case
from tallystick.stress.replay.drilled import Drilled, drill_institution
from tallystick.stress.replay.world import World

SWEEP_STEPS = 20
PEERS = (
    "one-for-one-custodian",
    "short-asset-bank",
    "reserved-stablecoin",
    "apart-exchange",
)
PEERS_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Row:
    """A day: what was published on it, what the views say by its end, and who alarms and why."""

    day: date
    news: tuple[News, ...]
    readings: Mapping[str, Reading]
    reasons: Mapping[str, tuple[Reason, ...]]


@dataclass(frozen=True, slots=True)
class Watched:
    """A case watched to its end, with its ledger. `alarm_date` is the subject's; None if it never alarms.

    `drilled` is what drills found on that day, for the institution by whose books it alarms.
    """

    case: Case
    rows: tuple[Row, ...]
    world: World
    drilled: Drilled | None = None

    @property
    def alarm_row(self) -> Row | None:
        """The first day on which the subject alarms."""
        return next((row for row in self.rows if row.reasons.get(self.case.subject)), None)

    @property
    def alarm_date(self) -> date | None:
        """Its date."""
        return None if self.alarm_row is None else self.alarm_row.day

    @property
    def read(self) -> str:
        """Whose books the subject is read by: its own, or the related party's through which it alarms."""
        return read_through(self.world, self.rows[-1])


def read_through(world: World, row: Row) -> str:
    """Return by whose books the subject is read: its own, else a related party's, else anybody's."""
    subject = world.case.subject
    if subject in row.readings or not row.readings:
        return subject
    related = world.ledger.books().related_to(subject)
    return next((name for name in sorted(row.readings) if name in related), min(row.readings))


def watch(
    case: Case,
    assumed: Mapping[str, Fraction] | None = None,
    *,
    drills: bool = False,
    rescue: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Watched:
    """Return the case watched day by day under these assumptions, or under its own.

    With `drills`, the institution by whose books the subject alarms is drilled on the day of the alarm, or
    on the last day if there is none; with `rescue`, the help that would have stopped it is looked for.
    """
    world = World(case, case.assumed if assumed is None else assumed)
    days = list(case.days())
    rows = []
    drilled = None
    for at, day in enumerate(days):
        gate = Gate(case, day)
        row = look(world, gate)
        rows.append(row)
        due = drills and drilled is None and (row.reasons.get(case.subject) or day == days[-1])
        name = read_through(world, row)
        if due and name in row.readings:
            drilled = drill_institution(world, gate, row.readings[name], rescue=rescue)
        if progress is not None:
            progress(at + 1, len(days))
    return Watched(case, tuple(rows), world, drilled)


def look(world: World, gate: Gate) -> Row:
    """Return the row of a day, which the world reaches by it."""
    world.reach(gate)
    books, tags = world.ledger.books(), world.tags(gate)
    stated, market = world.stated_prices(gate), world.market_prices(gate)
    readings = {
        name: read_institution(books, name, tags, stated=stated, market=market)
        for name in sorted(gate.sheets())
    }
    reasons = {name: reasons_of(reading) for name, reading in readings.items()}
    for name in sorted(gate.institutions):
        if name in readings:
            continue
        related = sorted(books.related_to(name))
        reasons[name] = tuple(related_reason(name, party) for party in related if reasons.get(party))
    return Row(gate.today, tuple(gate.news()), readings, reasons)


# ----------------------------------------------------------------------------------------------- sweeping


@dataclass(frozen=True, slots=True)
class Step:
    """One value of an assumption, and the day on which the alarm then rings."""

    value: Fraction
    alarm_date: date | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """An assumption over its range, the others as assumed; `holds` are the ranges where the alarm rings.

    A border of a range lies between two steps and was narrowed by halving.
    """

    name: str
    steps: tuple[Step, ...]
    holds: tuple[tuple[Fraction, Fraction], ...]

    @property
    def holds_everywhere(self) -> bool:
        """Whether the alarm rings before the run over the whole range."""
        return self.holds == ((self.steps[0].value, self.steps[-1].value),)


def sweep(case: Case, name: str, *, until: date | None = None) -> Sweep:
    """Sweep one assumption; the alarm holds where it rings by `until`, or before the run."""
    one = case.assumptions[name]

    def rings(value: Fraction) -> Step:
        found = watch(case, case.assumed | {name: value}).alarm_date
        return Step(value, found)

    def holds(step: Step) -> bool:
        limit = case.run_day if until is None else until
        return step.alarm_date is not None and (
            step.alarm_date < limit if until is None else step.alarm_date <= limit
        )

    values = sorted(
        {one.low + (one.high - one.low) * at / SWEEP_STEPS for at in range(SWEEP_STEPS + 1)} | {one.value}
    )
    steps = [rings(value) for value in values]
    ranges: list[tuple[Fraction, Fraction]] = []
    start = values[0] if holds(steps[0]) else None
    for before, after in pairwise(steps):
        if holds(before) == holds(after):
            continue
        border = _border(before.value, after.value, lambda value: holds(rings(value)), below=holds(before))
        if start is None:
            start = border
        else:
            ranges.append((start, border))
            start = None
    if start is not None:
        ranges.append((start, values[-1]))
    return Sweep(name, tuple(steps), tuple(ranges))


def _border(low: Fraction, high: Fraction, is_held: Callable[[Fraction], bool], *, below: bool) -> Fraction:
    """Return where holding changes, to a thousandth of the step, on the side where it holds."""
    for _ in range(7):
        middle = (low + high) / 2
        if is_held(middle) == below:
            low = middle
        else:
            high = middle
    return low if below else high


# -------------------------------------------------------------------------------------------- sound peers


@dataclass(frozen=True, slots=True)
class Peer:
    """A sound peer, what the views say about it, and its reasons to alarm: there should be none."""

    name: str
    title: str
    reading: Reading
    reasons: tuple[Reason, ...]


def size_of(watched: Watched) -> Fraction:
    """Return the size that peers are made to: the assets that the first sheet states, in whole units."""
    first = next(row for row in watched.rows if row.readings)
    return Fraction(max(one.stated_assets for one in first.readings.values()), 100)


def sound_peers(size: Fraction) -> tuple[Peer, ...]:
    """Return the peers at that size, in whole units of account, under the same rule."""
    case = read_case(built_in("peers"))
    case = replace(case, scale=size / 100)
    row = look(World(case, {}), Gate(case, PEERS_DAY))
    return tuple(
        Peer(name, case.institutions[name].title, row.readings[name], row.reasons[name]) for name in PEERS
    )
