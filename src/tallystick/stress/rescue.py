"""The rescue: the least help on day 0 with which an institution does not fail, found by bisection.

Help is cash: so many units of what the institution pays with, issued to it by whoever issues that. Whether it
suffices is asked of the drill itself, again and again, so that everything that help sets in motion (others
who are paid, assets that need not be sold) is part of the answer. More help never makes it fail where less
did not, so halving finds the least.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tallystick.ledger.apply import Kinds
from tallystick.ledger.store import Store
from tallystick.stress.drill import run_drill
from tallystick.stress.outcome import Outcome
from tallystick.stress.scenario import Scenario

RUNS_MAX = 140
"""Amounts stay below 2^128: doubling and halving need no more."""
HELP_MAX = 1 << 120


@dataclass(frozen=True, slots=True)
class Rescue:
    """`units` of `cash` are the least that would have stopped it; None if no amount of cash would."""

    institution: str
    cash: str
    units: int | None
    runs: int


def find_rescue(
    state: Store,
    kinds: Kinds,
    scenario: Scenario,
    outcome: Outcome,
    institution: str,
    *,
    index: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Rescue | None:
    """Return the least help for an institution that failed in `outcome`, or None if it did not fail."""
    failure = outcome.failure(institution)
    if failure is None:
        return None
    runs = 0

    def survives(units: int) -> bool:
        nonlocal runs
        runs += 1
        if progress is not None:
            progress(runs)
        helped = replace(scenario, help_units={institution: units})
        return run_drill(state, kinds, helped, index=index).failure(institution) is None

    if not failure.cash:
        return Rescue(institution, "", None, 0)
    fails, enough = 0, max(1, failure.due - failure.paid)
    while not survives(enough):
        # Where another is to pay in its place, no cash of its own helps: that is found out at once.
        hopeless = not fails and not survives(HELP_MAX)
        if hopeless or runs >= RUNS_MAX or enough >= HELP_MAX:
            return Rescue(institution, failure.cash, None, runs)
        fails, enough = enough, enough * 2
    while enough - fails > 1:
        middle = (fails + enough) // 2
        if survives(middle):
            enough = middle
        else:
            fails = middle
    return Rescue(institution, failure.cash, enough, runs)


def help_document(
    state: Store,
    kinds: Kinds,
    scenario: Scenario,
    outcome: Outcome,
    *,
    index: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Return the least help for each target that failed, or for each that failed where all are targets."""
    wanted = scenario.targets or tuple(one.institution for one in outcome.failures)
    found = []
    for number, name in enumerate(wanted):
        one = find_rescue(state, kinds, scenario, outcome, name, index=index)
        if one is not None:
            units = None if one.units is None else str(one.units)
            found.append(
                {"institution": one.institution, "cash": one.cash, "units": units, "drills": one.runs}
            )
        if progress is not None:
            progress(number + 1, len(wanted))
    return found
