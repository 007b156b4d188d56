"""The picture of a replay: what could be read day by day, the run curve, sound peers, and who was paid.

Drawn from the report's document alone, without a window and without global state, so that the same report
gives the same bytes. PNG for a file, SVG for inside a page.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tallystick.stress.replay.sections import ratio, verdict

INK, GREY, LIGHT, RED, GREEN, BLUE, AMBER = (
    "#1b1f24",
    "#6b7280",
    "#d7dbe0",
    "#b3261e",
    "#2e7d4f",
    "#2458a6",
    "#c07a00",
)
VIOLET: Final = "#7b4ea3"
_STYLE: Final[Any] = {
    "font.size": 9.5,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": LIGHT,
    "axes.labelcolor": GREY,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "tallystick",
    "svg.fonttype": "path",
}
_HEAD_INCHES: Final = 1.95
_ROW_INCHES: Final = 3.6
CLIP: Final = 2.0
"""Ratios are drawn up to here; what is above is drawn at the edge, with its figure beside it."""


def write_png(document: Mapping[str, Any], path: Path) -> None:
    """Write the whole picture as PNG, 1800 points wide."""
    with mpl.rc_context(_STYLE):
        figure = _whole(document, has_head=True)
        figure.savefig(path, format="png", dpi=150, metadata={"Software": None})


def svg(document: Mapping[str, Any]) -> str:
    """Return the picture as an SVG element for a page that has the headline above it."""
    with mpl.rc_context(_STYLE):
        out = BytesIO()
        _whole(document, has_head=False).savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue().decode()
    return text[text.index("<svg") :]


def _whole(document: Mapping[str, Any], *, has_head: bool) -> Figure:
    rows = 2 if document["swap"] is None else 3
    head = _HEAD_INCHES if has_head else 0.4
    height = head + rows * _ROW_INCHES
    figure = Figure(figsize=(12, height), facecolor="white")
    axes = figure.subplots(rows, 2, squeeze=False)
    figure.subplots_adjust(
        left=0.07, right=0.96, top=1 - head / height, bottom=0.6 / height, hspace=0.5, wspace=0.2
    )
    if has_head:
        _head(figure, document)
    if document["swap"] is not None:
        _tokens(axes[2][0], document["swap"])
        _worth(axes[2][1], document["swap"], document["unit"])
    _days(axes[0][0], document)
    _curve(axes[0][1], document)
    _peers(axes[1][0], document)
    _paid(axes[1][1], document)
    return figure


def _head(figure: Figure, document: Mapping[str, Any]) -> None:
    height = figure.get_figheight()

    def at(inches: float) -> float:
        return float(1 - inches / height)

    figure.text(0.07, at(0.48), document["title"], fontsize=17, fontweight="bold", color=INK)
    colour = RED if document["alarm_date"] else GREEN
    figure.text(0.07, at(0.76), verdict(document)[0], fontsize=11.5, fontweight="bold", color=colour)
    for place, reason in enumerate(document["alarm_reasons"][:4]):
        figure.text(0.07, at(1.0 + 0.18 * place), reason["says"], fontsize=9.5, color=INK)


_SERIES: Final = (
    ("stated_ratio", "stated assets / owed", GREY, (0, (1, 1.4))),
    ("own_and_related_at_zero", "own and related at zero", BLUE, (0, (5, 2))),
    ("coverage_at_liquidation", "if everything were sold", AMBER, "-"),
    ("run_cover", "all of it / what may run", RED, "-"),
    ("of_market", "own tokens / their market", VIOLET, (0, (3, 1, 1, 1))),
)


def _days(axes: Axes, document: Mapping[str, Any]) -> None:
    name = document["read"]
    days = [day["day"] for day in document["days"]]
    axes.set_title(f"What {name}'s books said each evening")
    axes.axhline(1, color=INK, linewidth=0.8)
    ends: list[tuple[float, float, str]] = []
    told: dict[str, float] = {}
    for key, label, colour, style in _SERIES:
        values = [_figure(day["readings"].get(name), key) for day in document["days"]]
        points = [(at, min(value, CLIP)) for at, value in enumerate(values) if value is not None]
        if points:
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, color=colour, linestyle=style, linewidth=1.9, label=label)
            ends.append((ys[-1], xs[-1], colour))
            told[colour] = next(value for value in reversed(values) if value is not None)
    for _, place, (at, colour) in _apart(ends):
        axes.text(at + 0.15, place, ratio(told[colour]), fontsize=8, color=colour, va="center")
    _mark(axes, days, document["alarm_date"], "alarm", RED)
    _mark(axes, days, document["run_date"], "run", INK)
    axes.set_ylim(0, CLIP * 1.12)
    _name_days(axes, days)
    axes.grid(axis="y")
    if ends:
        axes.legend(loc="upper center", fontsize=8, bbox_to_anchor=(0.5, -0.1), ncols=3, handlelength=2.6)


def _figure(reading: Mapping[str, Any] | None, key: str) -> float | None:
    """Return a figure of a reading, None if there is none."""
    if reading is None:
        return None
    if key == "of_market":
        return max((one[key] for one in reading["own_tokens"] if one[key] is not None), default=None)
    found: float | None = reading[key]
    return found


def _apart(ends: list[tuple[float, float, str]]) -> list[tuple[float, float, tuple[float, str]]]:
    """Return (value, where to write it, (x, colour)): equal values once, near ones moved apart."""
    found: list[tuple[float, float, tuple[float, str]]] = []
    for value, at, colour in sorted(ends, reverse=True):
        if found and f"{found[-1][0]:.2f}" == f"{value:.2f}":
            continue
        place = min(value, found[-1][1] - 0.11) if found else value
        found.append((value, place, (at, colour)))
    return found


def _mark(axes: Axes, days: Sequence[str], day: str | None, word: str, colour: str) -> None:
    if day in days:
        at = days.index(day)
        axes.axvline(at, color=colour, linewidth=1, linestyle=(0, (3, 2)))
        axes.text(at + 0.12, CLIP * 1.11, word, color=colour, ha="left", va="top", fontsize=8.5)


def _name_days(axes: Axes, days: Sequence[str]) -> None:
    step = max(1, -(-len(days) // 7))
    places = list(range(0, len(days), step))
    axes.set_xticks(places, [days[at][5:] for at in places])
    axes.set_xlim(-0.5, len(days) + 0.4)


def _curve(axes: Axes, document: Mapping[str, Any]) -> None:
    curve = document["run_curve"]
    if curve is None:
        axes.set_axis_off()
        return
    axes.set_title(f"Run curve of {curve['institution']}, {curve['day']}")
    xs = [0.0, *(point["withdrawn"] * 100 for point in curve["points"])]
    for key, label, colour, style in (
        ("paid_in_30_days", "paid within 30 days", AMBER, "-"),
        ("paid_at_once", "paid at once", RED, (0, (4, 2.5))),
    ):
        ys = [100.0, *(point[key] * 100 for point in curve["points"])]
        if xs[1:] and curve["points"][0][key] == 0:
            ys[0] = 0.0
        axes.plot(xs, ys, color=colour, linewidth=1.9, linestyle=style, label=label, clip_on=False)
        axes.text(xs[-1] + 1, ys[-1], f"{ys[-1]:.0f} %", fontsize=8, color=colour, va="center")
    axes.set_xlabel("asked back, % of what may run")
    axes.set_ylabel("% of it paid")
    axes.set_xlim(0, 108)
    axes.set_ylim(0, 106)
    axes.grid()
    axes.legend(loc="lower left", fontsize=8)


def _peers(axes: Axes, document: Mapping[str, Any]) -> None:
    axes.set_title("The same rule on sound peers of the same size")
    rows = [(peer["name"], peer["figures"], GREEN) for peer in document["sound_peers"]]
    days = document["days"]
    last = next((day for day in days if document["subject"] in day["alarms"]), days[-1])
    reading = last["readings"].get(document["read"])
    if reading is not None:
        rows.insert(0, (document["read"], reading, RED))
    for at, (name, figures, colour) in enumerate(reversed(rows)):
        lasts = figures["survival_days"]
        cover = figures["run_cover"]
        width = CLIP if cover is None else min(cover, CLIP)
        axes.barh(at, width, color=colour, alpha=0.85, height=0.55)
        told = "nothing may run" if cover is None else ratio(cover)
        beside = max(width, 1.0) + 0.03
        axes.text(beside, at, f"{told}, lasts {lasts} days", va="center", fontsize=8, color=INK)
        axes.text(-0.03, at, name, va="center", ha="right", fontsize=8, color=INK)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks([])
    axes.set_xlim(0, CLIP * 1.45)
    axes.set_xticks([0, 0.5, 1, 1.5, 2])
    axes.set_xlabel("what all of it fetches / what may run; alarm below 1, or 30 days")
    box = axes.get_position()
    axes.set_position((box.x0 + 0.09, box.y0, box.width - 0.09, box.height))


def _paid(axes: Axes, document: Mapping[str, Any]) -> None:
    own, apart = document["own_books"], document["apart"]
    if own is None or apart is None:
        axes.set_axis_off()
        return
    axes.set_title("The same withdrawals: paid, and still waiting")
    scale, word = _scale(max(float(day["asked"]) for day in own["days"]))
    for at, (here, there) in enumerate(zip(own["days"], apart["days"], strict=True)):
        for shift, day, colour in ((-0.2, here, RED), (0.2, there, GREEN)):
            paid, asked = float(day["paid"]) / scale, float(day["asked"]) / scale
            axes.bar(at + shift, paid, width=0.34, color=colour, alpha=0.85)
            axes.bar(at + shift, asked - paid, bottom=paid, width=0.34, facecolor="none", edgecolor=colour)
            whole = asked - paid < 0.005 or len(own["days"]) > 3
            told = f"{paid:.3g}" if whole else f"{paid:.3g} of {asked:.3g}"
            axes.text(at + shift, asked, told, ha="center", va="bottom", fontsize=8, color=colour)
    axes.set_xticks(range(len(own["days"])), [day["day"][5:] for day in own["days"]])
    axes.set_ylabel(f"{word} {document['unit']}".strip())
    axes.bar(0, 0, color=RED, alpha=0.85, label=f"own books (drill: {own['drill_paid']:.0%})")
    axes.bar(0, 0, color=GREEN, alpha=0.85, label=f"custody apart (drill: {apart['drill_paid']:.0%})")
    axes.bar(0, 0, facecolor="none", edgecolor=GREY, label="asked and not paid")
    axes.set_ylim(0, max(float(day["asked"]) for day in own["days"]) / scale * 1.12)
    axes.legend(loc="upper center", fontsize=8, bbox_to_anchor=(0.5, -0.1), ncols=3, handlelength=1.4)


def _tokens(axes: Axes, swap: Mapping[str, Any]) -> None:
    axes.set_title("How many tokens there were, and their price")
    days = swap["days"]
    supply = [float(day["token_supply"]) for day in days]
    scale, word = _scale(max(supply))
    axes.bar(range(len(days)), [one / scale for one in supply], color=VIOLET, alpha=0.8, width=0.5)
    for at, day in enumerate(days):
        told = f"{supply[at] / scale:.2g}\n@ {float(day['close']):.3g}"
        axes.text(at, supply[at] / scale, told, ha="center", va="bottom", fontsize=8, color=VIOLET)
    axes.set_xticks(range(len(days)), [day["day"][5:] for day in days])
    axes.set_ylabel(f"{word} tokens".strip())
    axes.set_ylim(0, max(supply) / scale * 1.22)


def _worth(axes: Axes, swap: Mapping[str, Any], unit: str) -> None:
    axes.set_title("What each day's redemptions were worth")
    days = swap["days"]
    for shift, key, colour, label in (
        (-0.27, "redeemed", GREY, "redeemed"),
        (0.0, "worth_that_day", AMBER, "tokens got, that evening"),
        (0.27, "worth_at_last_close", RED, "the same at the last close"),
    ):
        values = [max(float(day[key]), 1.0) for day in days]
        axes.bar([at + shift for at in range(len(days))], values, width=0.24, color=colour, label=label)
    axes.set_yscale("log")
    axes.set_ylim(100, 1e11)
    axes.set_xticks(range(len(days)), [day["day"][5:] for day in days])
    axes.set_ylabel(f"{unit}, logarithmic")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", fontsize=8, ncols=3, handlelength=1.4)


def _scale(most: float) -> tuple[float, str]:
    for scale, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if most >= scale:
            return scale, word
    return 1.0, ""
