"""The run curve: what share of those who come is paid, for every share that comes, as data and as a picture.

One number says where a bank stands on the day it is asked; the curve says how it falls. Each point is a
drill of its own. Up to the first threshold everybody is paid from what lies ready, up to the second from what
can be called and sold, and from there on the more come the less each gets: that is why they come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from tallystick.ledger.apply import Kinds
from tallystick.ledger.store import Store
from tallystick.stress.drill import run_drill
from tallystick.stress.scenario import PPM, Scenario

POINTS: Final = 20
_INK, _GREY, _LIGHT, _BLUE, _RED = "#1b1f24", "#6b7280", "#d7dbe0", "#2458a6", "#b3261e"
_STYLE: Final[Any] = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": _LIGHT,
    "axes.labelcolor": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}


@dataclass(frozen=True, slots=True)
class Point:
    """`withdrawn_ppm` of everybody's claims are asked for; `paid_ppm` of what falls due is paid.

    `failures` are all institutions that fail with it, this one or others.
    """

    withdrawn_ppm: int
    paid_ppm: int
    failures: int


def run_curve(
    state: Store,
    kinds: Kinds,
    scenario: Scenario,
    institution: str,
    *,
    points: int = POINTS,
    index: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Point]:
    """Return the curve of one institution: the scenario with its path scaled to each share."""
    whole = sum(scenario.withdraw_ppm) or PPM
    found = [Point(0, PPM, 0)]
    for step in range(1, points + 1):
        share = PPM * step // points
        path = tuple(part * share // whole for part in scenario.withdraw_ppm)
        outcome = run_drill(state, kinds, replace(scenario, withdraw_ppm=path), index=index)
        found.append(Point(share, outcome.paid_ppm(institution), len(outcome.failures)))
        if progress is not None:
            progress(step, points)
    return found


def curve_document(institution: str, points: Sequence[Point]) -> dict[str, Any]:
    """Return the curve as data."""
    return {
        "institution": institution,
        "points": [
            {"withdrawn_ppm": one.withdrawn_ppm, "paid_ppm": one.paid_ppm, "failures": one.failures}
            for one in points
        ],
    }


def write_picture(institution: str, points: Sequence[Point], path: Path) -> None:
    """Write the curve as PNG: share withdrawn across, share of it paid upwards."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 5), facecolor="white", layout="constrained")
        axes = figure.subplots()
        across = [one.withdrawn_ppm / 10_000 for one in points]
        upwards = [one.paid_ppm / 10_000 for one in points]
        axes.plot(across, upwards, color=_BLUE, linewidth=2, marker="o", markersize=4, clip_on=False)
        axes.fill_between(across, upwards, 100, color=_RED, alpha=0.12, linewidth=0)
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 105)
        axes.set_xlabel("withdrawn, % of what its holders have")
        axes.set_ylabel("paid, % of what is due")
        axes.grid(visible=True, axis="y", color=_LIGHT, linewidth=0.6)
        axes.set_axisbelow(True)
        broken = next((one for one in points if one.paid_ppm < PPM), None)
        if broken is None:
            told = "pays everybody, whatever share comes"
        else:
            told = (
                f"pays everybody until {_percent(_before(points, broken))} come;"
                f" in a full run {_percent(points[-1].paid_ppm)} is paid"
            )
            axes.axvline(_before(points, broken) / 10_000, color=_RED, linewidth=1, linestyle=":")
        axes.set_title(f"Run curve of {institution}", loc="left", color=_INK, fontweight="bold", pad=24)
        axes.text(0, 1.03, told, transform=axes.transAxes, color=_GREY)
        figure.savefig(path, format="png", dpi=150, metadata={"Software": None})


def _before(points: Sequence[Point], broken: Point) -> int:
    """Return the last share at which everybody was paid."""
    return max(one.withdrawn_ppm for one in points if one.withdrawn_ppm < broken.withdrawn_ppm)


def _percent(ppm: int) -> str:
    text = f"{ppm / 10_000:.1f}".removesuffix(".0")
    return f"{text} %"
