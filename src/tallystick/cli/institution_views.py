"""The questions of `tallystick institution`: sheet, income, cash-flow, coverage, licence, money.

Each asks an opened ledger or a node one question and prints the answer as a person reads it: amounts with
their decimals, and beside them what is missing. With `--json` the whole document comes out.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session, align

_HOLDERS_SHOWN = 12
_PPM = 10_000

Document = dict[str, Any]
_Option = Callable[[Callable[..., None]], Callable[..., None]]

NAME = click.argument("name", metavar="INSTITUTION")
UNIT = click.option("--unit", default="", help="The unit of account for values, such as EUR.")
PRICES = click.option(
    "--prices",
    "book",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A price book: a JSON file with unit, as_of, source, decimals and prices.",
)
CSV = click.option("--csv", "as_csv", is_flag=True, help="Write every row as CSV.")
PRICE_FROM = click.option(
    "--price-from", multiple=True, metavar="CONTRACT", help="Take prices from this pool as well; repeat."
)


def _priced(function: Callable[..., None]) -> Callable[..., None]:
    for option in (PRICE_FROM, PRICES, UNIT):
        function = option(function)
    return function


def _asked(unit: str, book: Path | None, price_from: tuple[str, ...]) -> Document:
    return {"unit": unit, "price_from": price_from, "book": None if book is None else _book(book)}


def _book(path: Path) -> Document:
    try:
        document: Document = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise CommandError(f"{path} is no JSON object: {error}") from None
    as_of = document.get("as_of")
    if isinstance(as_of, str):
        from tallystick.client.times import parse_time

        document["as_of"] = parse_time(as_of)
    return document


@make_command(
    "sheet",
    ledger=True,
    example="""\
tallystick institution sheet alder-bank
tallystick institution sheet alder-bank --at 120 --prices eur.json
tallystick institution sheet alder-bank --csv > sheet.csv""",
)
@NAME
@click.option("--at", type=click.IntRange(min=0), metavar="ENTRY", help="As it was right after this entry.")
@_priced
@CSV
def sheet(
    session: Session,
    name: str,
    *,
    at: int | None,
    unit: str,
    book: Path | None,
    price_from: tuple[str, ...],
    as_csv: bool,
) -> None:
    """Show an institution's balance sheet: everything its accounts have against everything it owes.

    What others owe it is at par, or at a price from --prices or --price-from. Its own and related parties'
    tokens count zero. A price that is missing is named; equity is then told only as the least it can be.
    """
    _check_form(session, as_csv=as_csv)
    with session.reading() as ledger:
        document = ledger.sheet(name, entry=at, **_asked(unit, book, price_from))
    if as_csv:
        from tallystick.node.institutions import sheet_csv

        click.echo(sheet_csv(document), nl=False)
        return
    session.show(document, *_sheet_lines(document))


def _sheet_lines(document: Document) -> list[str]:
    say = _Amounts(document)
    totals = document["totals"]
    lines = [f"{document['institution']} at entry {document['entry']}, in {document['unit']}", ""]
    lines += _table(
        ("assets", "units", "how", "owed by", "value"),
        [
            (
                f"{row['asset']} in {row['account']}",
                row["units"],
                row["where"] if row["where"] != "free" else row["liquidity"],
                row["obligor"] or "nobody",
                say(row["value"]) if row["value"] is not None else "no price",
            )
            for row in document["assets"]
        ],
    )
    lines += ["", *_liability_lines(document, say), ""]
    lines += _table(
        ("in all", document["unit"]),
        [
            ("assets", say(totals["assets"])),
            ("  of them encumbered", say(totals["encumbered"])),
            ("  of them claims on related parties", say(totals["related"])),
            ("liabilities", say(totals["liabilities"])),
            ("equity", say(totals["equity"])),
        ],
    )
    if totals["equity"] is None and totals["equity_at_least"] is not None:
        lines.append(f"equity is at least {say(totals['equity_at_least'])}: what has no price counts nothing")
    lines += _attested_lines(document)
    lines += sorted(
        {
            f"counts zero: {part['asset']}: {part['why']}"
            for row in document["assets"]
            for part in row["parts"]
            if part["why"] and part["value"] == "0" and row["where"] != "attested"
        }
    )
    lines += [f"no price: {one['asset']}: {one['reason']}" for one in document["missing"]]
    lines += [f"no answer: {one['contract']} refused: {one['code']}" for one in document["unanswered"]]
    return lines


def _attested_lines(document: Document) -> list[str]:
    """Return who attested what is off the ledger, when, and until when it counts: a debt does not lapse."""
    from tallystick.client.times import format_time

    lines = []
    for row in document["assets"]:
        if row["where"] == "attested":
            ends = "expired" if row["until"] <= document["time"] else "counts until"
            said = f"attested: {row['units']} {row['asset']} by {row['party']}"
            said += f" at {format_time(row['attested'])}, {ends} {format_time(row['until'])} ({row['note']})"
            lines.append(said)
    return lines + [
        f"attested: {row['units']} {row['asset']} owed, by {row['attestor']}"
        f" at {format_time(row['attested'])} until {format_time(row['until'])}: {row['note']}"
        for row in document["liabilities"]
        if row["kind"] == "attested"
    ]


def _liability_lines(document: Document, say: "_Amounts") -> list[str]:
    """Return the largest debts, and how many more there are."""
    rows = sorted(document["liabilities"], key=lambda row: -int(row["value"] or 0))
    shown = [
        (
            f"{row['asset']} of {row['holder']}",
            row["units"],
            f"{row['status']}, {row['maturity'].replace('_', ' ')}",
            row["rank"],
            say(row["value"]),
        )
        for row in rows[:_HOLDERS_SHOWN]
    ]
    lines = _table(("liabilities", "units", "status", "rank", "value"), shown)
    if len(rows) > _HOLDERS_SHOWN:
        lines.append(f"and {len(rows) - _HOLDERS_SHOWN} more: --json or --csv show all")
    return lines


def _period_options(function: Callable[..., None]) -> Callable[..., None]:
    from_ = click.option(
        "--from", "start", type=click.IntRange(min=0), required=True, metavar="ENTRY", help="From after it."
    )
    to = click.option(
        "--to", "end", type=click.IntRange(min=0), metavar="ENTRY", help="To after it; by default the last."
    )
    return from_(to(_priced(CSV(function))))


@make_command("income", ledger=True, example="tallystick institution income alder-bank --from 100 --to 240")
@NAME
@_period_options
def income(
    session: Session,
    name: str,
    *,
    start: int,
    end: int | None,
    unit: str,
    book: Path | None,
    price_from: tuple[str, ...],
    as_csv: bool,
) -> None:
    """Show why equity changed between two entries: with whom, inside what, and by which prices."""
    _check_form(session, as_csv=as_csv)
    with session.reading() as ledger:
        document = ledger.period(name, start=start, end=end, **_asked(unit, book, price_from))
    earned = document["income"]
    if as_csv:
        opening = {"kind": f"equity after entry {document['start']}", "value": earned["opening"]}
        closing = {"kind": f"equity after entry {document['end']}", "value": earned["closing"]}
        _write_csv(("kind", "party", "value", "entries"), [opening, *earned["lines"], closing])
        return
    say = _Amounts(document)
    lines = _table(
        ("why", "with", document["unit"]),
        [
            (f"equity after entry {document['start']}", "", say(earned["opening"])),
            *((line["kind"], line["party"], say(line["value"])) for line in earned["lines"]),
            (f"equity after entry {document['end']}", "", say(earned["closing"])),
        ],
    )
    lines += [f"no price: {asset}" for asset in earned["missing"]]
    session.show({name: value for name, value in document.items() if name != "cash_flow"}, *lines)


@make_command(
    "cash-flow",
    ledger=True,
    example="tallystick institution cash-flow alder-bank --from 100 --to 240",
)
@NAME
@_period_options
def cash_flow(
    session: Session,
    name: str,
    *,
    start: int,
    end: int | None,
    unit: str,
    book: Path | None,
    price_from: tuple[str, ...],
    as_csv: bool,
) -> None:
    """Show why cash changed between two entries: operating, investing, financing, each kind in its units."""
    _check_form(session, as_csv=as_csv)
    with session.reading() as ledger:
        document = ledger.period(name, start=start, end=end, **_asked(unit, book, price_from))
    moved = document["cash_flow"]
    rows = []
    for asset in sorted({*moved["opening"], *moved["closing"], *(line["asset"] for line in moved["lines"])}):
        rows.append((asset, f"after entry {document['start']}", "", moved["opening"].get(asset, "0")))
        rows += [
            (asset, line["activity"], line["party"], line["units"])
            for line in moved["lines"]
            if line["asset"] == asset
        ]
        rows.append((asset, f"after entry {document['end']}", "", moved["closing"].get(asset, "0")))
    if as_csv:
        names = ("asset", "activity", "party", "units")
        _write_csv(names, [dict(zip(names, row, strict=True)) for row in rows])
        return
    told = {name: value for name, value in document.items() if name != "income"}
    session.show(told, *_table(("cash", "activity", "with", "units"), rows))


@make_command(
    "coverage",
    ledger=True,
    example="""\
tallystick institution coverage alder-bank
tallystick institution coverage alder-bank --thing EUR --from 100 --to 240""",
)
@NAME
@click.option("--thing", default="", help="A unit of account or an asset that it owes; all by default.")
@click.option("--from", "start", type=click.IntRange(min=0), metavar="ENTRY", help="From this entry.")
@click.option("--to", "end", type=click.IntRange(min=0), metavar="ENTRY", help="To this entry.")
def coverage(session: Session, name: str, *, thing: str, start: int | None, end: int | None) -> None:
    """Show what an institution has of each thing that it owes, in kind: now, and at its lowest.

    The lowest is over every entry of the interval, so that being whole on the days that are shown does not
    hide the days between.
    """
    with session.reading() as ledger:
        document = ledger.coverage(name, thing=thing, start=start, end=end)
    rows = []
    for one in document["things"]:
        level, lowest = one["level"], one["minimum"]
        rows.append(
            (
                one["thing"],
                level["assets"] if level else "0",
                level["liabilities"] if level else "0",
                _percent(level),
                _percent(lowest),
                str(lowest["index"]) if lowest else "",
            )
        )
    lines = _table(("thing", "has", "owes", "covered", "lowest", "at entry"), rows)
    lines += [
        f"entry {one['index']}: {one['thing']} {'fell below' if one['below'] else 'is back at'} 1"
        f" ({one['assets']} over {one['liabilities']})"
        for one in document["crossings"]
    ]
    session.show(document, *lines)


@make_command("licence", ledger=True, example="tallystick institution licence alder-bank")
@NAME
def licence(session: Session, name: str) -> None:
    """Show which licences an institution's behaviour needs, naming the posting that made it so."""
    with session.reading() as ledger:
        document = ledger.licences(name)
    rows = [
        (
            need["licence"],
            "yes" if need["is_covered"] else "NO",
            f"{need['index']}.{need['n']}",
            f"{need['units']} {need['asset']} at {need['account']}",
            need["why"],
        )
        for need in document["needs"]
    ]
    lines = _table(("needs", "has the role", "posting", "what", "why"), rows)
    lines += [f"flagged: {flag['code']} at entry {flag['need']['index']}" for flag in document["flags"]]
    session.show(document, *(lines or ["nothing that it did needs a licence"]))


@make_command("money", ledger=True, example="tallystick institution money --json")
def money(session: Session) -> None:
    """Show how much money there is: M0, M1 and M2 of each currency, in minor units."""
    with session.reading() as ledger:
        documents = ledger.money()
    session.rows(
        documents,
        ("currency", "currency"),
        ("M0", "m0"),
        ("M1", "m1"),
        ("M2", "m2"),
        ("reserves", "reserves"),
    )


def _check_form(session: Session, *, as_csv: bool) -> None:
    if as_csv and session.json:
        raise CommandError("--csv and --json are two forms of one answer", hint="choose one")


def _write_csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    click.echo(text.getvalue(), nl=False)


class _Amounts:
    """Says minor units of a document's unit of account with its decimals, where somebody told them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._decimals = document.get("decimals") or 0

    def __call__(self, units: str | None) -> str:
        from tallystick.client.amounts import format_amount

        return "unknown" if units is None else format_amount(units, decimals=self._decimals)


def _percent(level: Document | None) -> str:
    if level is None or level["ratio_ppm"] is None:
        return "-"
    return f"{level['ratio_ppm'] // _PPM}.{level['ratio_ppm'] % _PPM:04d}%"


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return align([headings, *rows]) if rows else []
