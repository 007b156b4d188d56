"""The five self-descriptions of a contract as lines for people: amounts in their decimals, times as times."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, Final

from tallystick.cli.opened import OpenLedger
from tallystick.client.amounts import format_amount
from tallystick.client.times import format_duration, format_time

Answer = list[dict[str, Any]]


def description_lines(ledger: OpenLedger, view: str, answer: Any) -> list[str] | None:
    """Return what a self-description says, or None if the view is none."""
    told = _LINES.get(view)
    if told is None:
        return None
    rows: Answer = [answer] if isinstance(answer, dict) else answer
    assets = {row[name] for row in rows for name in ("asset", "share") if name in row}
    assets |= {asset for row in rows for asset in row.get("spend", ())}
    decimals = ledger.decimals(sorted(assets))

    def amount(units: int | str, asset: str) -> str:
        return f"{format_amount(units, decimals=decimals.get(asset, 0))} {asset}"

    return told(rows, amount) or ["nothing"]


_Amount = Callable[[int | str, str], str]


def _exits(rows: Answer, amount: _Amount) -> list[str]:
    """One line a call: what it pays now and later, and what it burns."""
    lines = []
    for (method, arguments, spend), ways in groupby(
        rows, key=lambda row: (row["method"], row["arguments"], row["spend"])
    ):
        now, later = [], []
        for way in ways:
            if int(way["units_now"]) or not int(way["units_later"]):
                now.append(amount(way["units_now"], way["asset"]))
            if int(way["units_later"]):
                when = "later" if way["when"] is None else f"at {format_time(int(way['when']))}"
                later.append(f"{amount(way['units_later'], way['asset'])} {when}")
        named = ", ".join(f"{name} {_plain(value)}" for name, value in arguments.items())
        told = f"{method}({named}): " + _joined([f"{_joined(now)} now"] * bool(now) + later)
        burned = [amount(units, asset) for asset, units in spend.items()]
        lines.append(told + f", for {_joined(burned)}" * bool(burned))
    return lines


def _positions(rows: Answer, amount: _Amount) -> list[str]:
    return [
        ("owes " if row["owed"] else "has ")
        + amount(row["units"], row["asset"])
        + (f", due from {row['due_from']}" if row["due_from"] else "")
        + (f" ({row['note']})" if row["note"] else "")
        for row in rows
    ]


def _backing(rows: Answer, amount: _Amount) -> list[str]:
    return [
        f"{amount(row['units'], row['asset'])} behind {row['share']}"
        + (f", due from {row['due_from']}" if row["due_from"] else "")
        for row in rows
    ]


def _powers(rows: Answer, _: _Amount) -> list[str]:
    return [
        f"{row['holder']}: {row['power']}; bound: {row['bound']}"
        + (f"; after {format_duration(int(row['delay_seconds']))}" if int(row["delay_seconds"]) else "")
        for row in rows
    ]


def _dependencies(rows: Answer, _: _Amount) -> list[str]:
    return [f"{what}: {', '.join(names)}" for row in rows for what, names in row.items() if names]


def _joined(parts: Iterable[str]) -> str:
    return " and ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_plain(item) for item in value) + "]"
    return str(value)


_LINES: Final[Mapping[str, Callable[[Answer, _Amount], list[str]]]] = {
    "exits": _exits,
    "positions": _positions,
    "backing": _backing,
    "powers": _powers,
    "dependencies": _dependencies,
}
