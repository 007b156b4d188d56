"""Other people's numbers against our contracts: how a file of vectors is found, run, compared and counted.

A file's name says which adapter runs it: the longest registered name that its stem starts with. An adapter is
a function from one case to a `Tally`; it builds an instance from the case's parameters, funds wallets, and
raises on the first number that differs. Histories go through `replay`: each step sets the clock from `t`, is
played, and is compared in full; a step that failed there must be rejected here.

Refused: one pytest case a vector. The count is a claim too ("all 174 steps ran"), so a file is one test that
counts, prints and asserts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import pytest

from tallystick.ledger.rejections import Code, Rejection
from tests.ledger.world import SECOND, START, World

SKIPPED_REASONS = frozenset({"STF"})
"""Failures of the recording's wallets, not of its mechanism."""


@dataclass(frozen=True)
class Tally:
    """What was run: whole cases, steps of histories, steps that had to be rejected, steps skipped."""

    cases: int = 0
    steps: int = 0
    rejected: int = 0
    skipped: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.cases + other.cases,
            self.steps + other.steps,
            self.rejected + other.rejected,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        told = f"{self.cases} cases"
        if self.steps:
            told += f", {self.steps} steps ({self.rejected} rejected there and here, {self.skipped} skipped)"
        elif self.skipped:
            told += f" ({self.skipped} skipped)"
        return told


Adapter = Callable[[Mapping[str, Any], Mapping[str, Any]], Tally]
"""(document, case) -> what was run; raises `AssertionError` or `Rejection` where the numbers differ."""


class History(Protocol):
    """A running instance on which a recorded history is replayed."""

    world: World

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        """Play one step and return what it gave, under the names by which the step records it."""

    def state(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the state under the names of the step's `after`."""

    def failed(self, step: Mapping[str, Any]) -> None:
        """Do what a failed step left behind in the recording."""


def replay(
    history: History, steps: list[Mapping[str, Any]], *, reasons: Mapping[str, StrEnum | Code]
) -> Tally:
    """Replay the steps and compare every number. `reasons` maps their words to our code.

    A reason without a code must be rejected too, by any typed code: a fault of the contract is none.
    """
    tally = Tally()
    first = steps[0].get("t", 0)
    for number, step in enumerate(steps):
        history.world.time = START + (step.get("t", first) - first) * SECOND
        where = f"step {number} ({step['op']})"
        reason = step.get("revert")
        if reason in SKIPPED_REASONS:
            tally += Tally(steps=1, skipped=1)
            continue
        if reason is None:
            gave = history.play(step)
            compare({name: step[name] for name in gave}, gave, where=where)
            tally += Tally(steps=1)
        else:
            check_rejected(lambda: history.play(step), reason, reasons=reasons, where=where)  # noqa: B023
            history.failed(step)
            tally += Tally(steps=1, rejected=1)
        if "after" in step:
            compare(step["after"], history.state(step), where=f"after {where}")
    return tally


def check_rejected(
    play: Callable[[], object], reason: str, *, reasons: Mapping[str, StrEnum | Code], where: str = ""
) -> None:
    """Check that `play` is rejected, with our code for their reason where there is one."""
    refused = _refusal(play)
    if refused is None:
        pytest.fail(f"{where}: accepted here, but there: {reason}")
    assert refused.code is not Code.CONTRACT_FAULT, f"{where}: {refused}"
    assert reasons.get(reason) in (None, refused.code), f"{where}: {reason} became {refused}"


def _refusal(play: Callable[[], object]) -> Rejection | None:
    try:
        play()
    except Rejection as refused:
        return refused
    return None


def compare(expected: Any, found: Any, *, where: str) -> None:
    """Check that both are the same numbers, whether they are spelled as integers or as strings."""
    wanted, got = numbers(expected), numbers(found)
    if wanted == got:
        return
    if isinstance(wanted, dict) and isinstance(got, dict):
        differs = {
            name: (wanted.get(name), got.get(name))
            for name in sorted(wanted.keys() | got.keys())
            if wanted.get(name) != got.get(name)
        }
        pytest.fail(f"{where}: (expected, found) differ: {differs}")
    pytest.fail(f"{where}: expected {wanted}, found {got}")


def numbers(value: Any) -> Any:
    """Return `value` with every decimal string as an integer."""
    if isinstance(value, str) and value.removeprefix("-").isdigit():
        return int(value)
    if isinstance(value, Mapping):
        return {name: numbers(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [numbers(item) for item in value]
    return value
