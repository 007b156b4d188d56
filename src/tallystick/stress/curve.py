"""The run curve: what share of those who come is paid, for every share that comes, as data and as a picture.

One number says where a bank stands on the day it is asked; the curve says how it falls. Each point is a
drill of its own. Up to the first threshold everybody is paid from what lies ready, up to the second from what
can be called and sold, and from there on the more come the less each gets: that is why they come.

A curve says of which state it is (its root, and how many entries led to it) and of which scenario (its hash),
in the data and on the picture. So whoever has the log up to there and the scenario can draw it again, and the
hash of the whole says whether it is the same.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import msgspec
from matplotlib.figure import Figure

from tallystick.ledger.apply import Kinds
from tallystick.ledger.store import Store
from tallystick.stress.drill import run_drill
from tallystick.stress.scenario import PPM, Scenario, ScenarioInvalid

VERSION: Final = "tallystick-run-curve-v1"
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


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve of one institution, with what is needed to compute it again.

    `state_root` is of the state after the log's first `index` entries; `scenario_hash` is SHA-256 of the
    scenario's canonical form, with the whole path. `state_root` is empty where the state had no log.
    """

    institution: str
    state_root: str
    index: int
    scenario_hash: str
    points: tuple[Point, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the document in its one byte form, in hex."""
        return hashlib.sha256(msgspec.json.encode(self._full(), order="deterministic")).hexdigest()

    def document(self) -> dict[str, Any]:
        """Return the curve as data."""
        return self._full() | {"result_hash": self.hash}

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Curve":
        """Return the curve that a document describes."""
        points = tuple(
            Point(one["withdrawn_ppm"], one["paid_ppm"], one["failures"]) for one in document["points"]
        )
        return cls(
            institution=str(document["institution"]),
            state_root=str(document["state_root"]),
            index=int(document["index"]),
            scenario_hash=str(document["scenario_hash"]),
            points=points,
        )

    def csv(self) -> str:
        """Return the curve as CSV; each row says of which state and scenario it is."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        about = ("institution", "state_root", "index", "scenario_hash")
        writer.writerow((*about, "withdrawn_ppm", "paid_ppm", "failures"))
        for one in self.points:
            values = [getattr(self, name) for name in about]
            writer.writerow((*values, one.withdrawn_ppm, one.paid_ppm, one.failures))
        return text.getvalue()

    def _full(self) -> dict[str, Any]:
        return {
            "format": VERSION,
            "institution": self.institution,
            "state_root": self.state_root,
            "index": self.index,
            "scenario_hash": self.scenario_hash,
            "points": [
                {"withdrawn_ppm": one.withdrawn_ppm, "paid_ppm": one.paid_ppm, "failures": one.failures}
                for one in self.points
            ],
        }


def run_curve(
    state: Store,
    kinds: Kinds,
    scenario: Scenario,
    institution: str,
    *,
    points: int = POINTS,
    state_root: str = "",
    index: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Curve:
    """Return the curve of one institution: the scenario with its path scaled to equal parts, up to the whole.

    `index` is the log index of the forks' first entry, which is how many entries the state has behind it.
    Raises `ScenarioInvalid`, also where nothing is withdrawn.
    """
    if not sum(scenario.withdraw_ppm):
        raise ScenarioInvalid(["withdraw: adds up to 0%, and a run curve is of shares that come"])
    found = [Point(0, PPM, 0)]
    for step in range(1, points + 1):
        path = tuple(part * step // points for part in scenario.withdraw_ppm)
        outcome = run_drill(state, kinds, replace(scenario, withdraw_ppm=path), index=index)
        found.append(Point(sum(path), outcome.paid_ppm(institution), len(outcome.failures)))
        if progress is not None:
            progress(step, points)
    return Curve(institution, state_root, index, scenario.hash, tuple(found))


def write_picture(curve: Curve, path: Path) -> None:
    """Write the curve as PNG: share withdrawn across, share of it paid upwards, its origin at the foot."""
    points = curve.points
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
                f" {_percent(points[-1].paid_ppm)} is paid when {_percent(points[-1].withdrawn_ppm)} do"
            )
            axes.axvline(_before(points, broken) / 10_000, color=_RED, linewidth=1, linestyle=":")
        axes.set_title(f"Run curve of {curve.institution}", loc="left", color=_INK, fontweight="bold", pad=24)
        axes.text(0, 1.03, told, transform=axes.transAxes, color=_GREY)
        origin = (
            f"state {curve.state_root or 'without a log'} after {curve.index} entries\n"
            f"scenario {curve.scenario_hash}, curve {curve.hash}"
        )
        figure.text(0.99, -0.02, origin, ha="right", va="top", color=_GREY, fontsize=5.5, family="monospace")
        about = {"Software": None, "Description": origin}
        figure.savefig(path, format="png", dpi=150, metadata=about, bbox_inches="tight", pad_inches=0.15)


def _before(points: Sequence[Point], broken: Point) -> int:
    """Return the last share at which everybody was paid."""
    return max(one.withdrawn_ppm for one in points if one.withdrawn_ppm < broken.withdrawn_ppm)


def _percent(ppm: int) -> str:
    """Return a share as a percentage, cut and not rounded: no more is paid than is said."""
    text = f"{ppm // 10_000}.{ppm % 10_000 // 1_000}".removesuffix(".0")
    return f"{text} %"
