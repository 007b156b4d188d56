"""Institutions' questions as documents, the same from a ledger file and from a node.

    sheet_at(moments, "alder-bank", entry=)                   the balance sheet, now or after any entry
    period_at(moments, "alder-bank", start=, end=)            income and cash flow between two entries
    coverage_document(views, "alder-bank")                    levels, minima and crossings
    licences_document(views, "alder-bank")                    what its behaviour needs, since which posting
    money_document(books)                                     M0, M1 and M2

Amounts are decimal strings of minor units, times microseconds UTC, entries and ratios numbers. The rule that
must hold: nothing is decided here. What a question answers is written down, and that is all.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from tallystick.institutions.books import Books
from tallystick.institutions.coverage import Coverage, Crossing, Level
from tallystick.institutions.licence import Flag
from tallystick.institutions.money import aggregates
from tallystick.institutions.owing import end_of
from tallystick.institutions.prices import PriceBookInvalid, Prices, price_book
from tallystick.institutions.sheet import AssetRow, LiabilityRow, Sheet, sheet, total_by
from tallystick.institutions.statements import cash_flow, income
from tallystick.institutions.views import Views
from tallystick.institutions.watch import is_currency
from tallystick.ledger.rejections import Code, Rejection
from tallystick.node.faults import IntervalReversed, NotYet, PriceBookRefused
from tallystick.node.journal import Journal
from tallystick.node.past import Moments

NO_CURRENCY: Final = "XXX"
"""What ISO 4217 writes where no currency is meant: the unit of an institution that owes and has none."""
_NUMBERS: Final = frozenset(
    {
        "height",
        "time",
        "until",
        "due",
        "priced",
        "attested",
        "as_of",
        "index",
        "n",
        "entries",
        "ratio_ppm",
        "start",
        "end",
    }
)
"""Whole numbers that are no amounts of anything."""

Document = dict[str, Any]
_Row = TypeVar("_Row", AssetRow, LiabilityRow)


def told(value: Any) -> Any:
    """Return a value of the institutions' room as JSON says it: amounts as decimal strings."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _field(name, item) for name, item in asdict(value).items()}
    return value


def _field(name: str, value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if name in _NUMBERS else str(value)
    if isinstance(value, dict):
        return {key: _field(key if key in _NUMBERS else name, item) for key, item in value.items()}
    return [_field(name, item) for item in value]


# ------------------------------------------------------------------------------------------------ sheets


def default_unit(books: Books, institution: str) -> str:
    """Return the currency that most of what the institution owes comes to, else most of what it has."""
    owed: dict[str, int] = {}
    for claim in books.claims_on(institution):
        end = end_of(books.state.get, claim)
        owed[end.thing] = owed.get(end.thing, 0) + books.outstanding(claim) * end.numerator // end.denominator
    had: dict[str, int] = {}
    for account in books.accounts_of(institution):
        for asset, units in books.balances(account).items():
            end = end_of(books.state.get, asset)
            had[end.thing] = had.get(end.thing, 0) + max(units, 0) * end.numerator // end.denominator
    for found in (owed, had):
        currencies = sorted((-units, thing) for thing, units in found.items() if is_currency(thing) and units)
        if currencies:
            return currencies[0][1]
    return NO_CURRENCY


def make_prices(
    books: Books, institution: str, *, unit: str, price_from: Sequence[str], book: Document | None
) -> Prices:
    """Return the prices that somebody asked for.

    Rejections: `unknown_contract` for a name in `price_from` that is none. Raises `PriceBookRefused`.
    """
    for contract in price_from:
        books.instance(contract)
    try:
        given = None if book is None else price_book(book)
        chosen = unit or (given.unit if given is not None else default_unit(books, institution))
        return Prices(chosen, book=given, contracts=price_from)
    except PriceBookInvalid as error:
        raise PriceBookRefused(str(error)) from None


def unit_decimals(books: Books, prices: Prices) -> int | None:
    """Return how many decimals the unit of account has: as the book says, else as a claim that owes it one
    for one is written, None where nobody says."""
    if prices.book is not None and prices.unit in prices.book.decimals:
        return prices.book.decimals[prices.unit]
    for institution in books.institutions:
        for claim in books.claims_on(institution):
            end = end_of(books.state.get, claim)
            if (end.thing, end.numerator, end.denominator) == (prices.unit, 1, 1):
                return books.asset(claim).decimals
    return None


def sheet_of(books: Books, institution: str, prices: Prices, *, rows: int | None = None) -> Document:
    """Return an institution's balance sheet as a document. Rejections: `unknown_institution`."""
    document = sheet_document(sheet(books, institution, prices), rows=rows)
    return {**document, "decimals": unit_decimals(books, prices)}


def _largest(found: Sequence[_Row], rows: int | None) -> Sequence[_Row]:
    """Return all rows, or those of the largest value where there are more than so many."""
    if rows is None or len(found) <= rows:
        return found
    return sorted(found, key=lambda row: -abs(row.value or 0))[:rows]


def sheet_document(made: Sheet, *, rows: int | None = None) -> Document:
    """Return a balance sheet: its totals, then every row, or the `rows` largest of each side."""
    assets, liabilities = _largest(made.assets, rows), _largest(made.liabilities, rows)
    return {
        "institution": made.institution,
        "unit": made.unit,
        "height": made.height,
        "time": made.time,
        "accounts": list(made.accounts),
        "roles": list(made.roles),
        "related": list(made.related),
        "complete": made.is_complete,
        "totals": {
            "assets": str(made.assets_value),
            "liabilities": _string(made.liabilities_value),
            "equity": _string(made.equity),
            "equity_at_least": _string(made.equity_at_least),
            "encumbered": str(made.encumbered_value),
            "related": str(made.related_value),
        },
        "assets_by": {
            "kind": _sums(total_by(made.assets, lambda row: row.kind, _value)),
            "liquidity": _sums(total_by(made.assets, lambda row: row.liquidity, _value)),
            "maturity": _sums(total_by(made.assets, lambda row: row.maturity, _value)),
            "standing": _sums(total_by(made.assets, lambda row: row.standing, _value)),
        },
        "liabilities_by": {
            "kind": _sums(total_by(made.liabilities, lambda row: row.kind, _owed)),
            "maturity": _sums(total_by(made.liabilities, lambda row: row.maturity, _owed)),
            "rank": _sums(total_by(made.liabilities, lambda row: row.rank, _owed)),
            "standing": _sums(total_by(made.liabilities, lambda row: row.standing, _owed)),
            "status": _sums(total_by(made.liabilities, lambda row: row.status, _owed)),
        },
        "by_currency": {
            currency: {"assets": str(have), "liabilities": str(owe), "equity": str(have - owe)}
            for currency, (have, owe) in made.by_currency().items()
        },
        "assets": [told(row) | {"value": _string(row.value), "currency": row.currency} for row in assets],
        "liabilities": [told(row) for row in liabilities],
        "left_off": {
            "assets": len(made.assets) - len(assets),
            "liabilities": len(made.liabilities) - len(liabilities),
        },
        "missing": [told(one) for one in made.missing],
        "unanswered": [told(one) for one in made.unanswered],
    }


_CSV_FIELDS: Final = (
    *("side", "account", "asset", "kind", "units", "free_units", "where", "party", "until", "note"),
    *("obligor", "standing", "status", "rank", "currency", "maturity", "liquidity", "value", "why"),
    *("attestor", "attested"),
)


def sheet_csv(document: Document) -> str:
    """Return a sheet's rows as CSV, one holding or debt a line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_FIELDS, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    for row in document["assets"]:
        why = "; ".join(part["why"] for part in row["parts"] if part["why"])
        writer.writerow({**row, "side": "asset", "why": why})
    for row in document["liabilities"]:
        writer.writerow({**row, "side": "liability", "account": row["holder"]})
    return text.getvalue()


def _value(row: AssetRow) -> int | None:
    return row.value


def _owed(row: LiabilityRow) -> int | None:
    return row.value


def _sums(sums: dict[str, int]) -> dict[str, str]:
    return {name: str(units) for name, units in sums.items()}


def _string(value: int | None) -> str | None:
    return None if value is None else str(value)


# ------------------------------------------------------------------------------------- moments and periods


def sheet_at(
    moments: Moments,
    institution: str,
    *,
    entry: int | None = None,
    unit: str = "",
    price_from: Sequence[str] = (),
    book: Document | None = None,
    rows: int | None = None,
) -> Document:
    """Return a balance sheet right after an entry, None for now.

    Rejections: `unknown_institution`. Raises `NotYet`, `PriceBookRefused`.
    """
    books = moments.books_at(entry)
    prices = make_prices(books, institution, unit=unit, price_from=price_from, book=book)
    return {
        "entry": moments.size - 1 if entry is None else entry,
        **sheet_of(books, institution, prices, rows=rows),
    }


def period_at(
    moments: Moments,
    institution: str,
    *,
    start: int,
    end: int | None = None,
    unit: str = "",
    price_from: Sequence[str] = (),
    book: Document | None = None,
) -> Document:
    """Return income and cash flow from right after entry `start` to right after `end` (None: the last).

    Rejections: `unknown_institution` (at either). Raises `NotYet`, `IntervalReversed`,
    `PriceBookRefused`.
    """
    end = moments.size - 1 if end is None else end
    moments.check(start)
    moments.check(end)
    if start > end:
        raise IntervalReversed(start=start, end=end)
    closing = moments.books_at(end)
    prices = make_prices(closing, institution, unit=unit, price_from=price_from, book=book)
    after = sheet(closing, institution, prices)
    before = sheet(moments.books_at(start), institution, prices)
    receipts = list(moments.receipts(start=start + 1, end=end + 1))
    earned = income(before, after, receipts, books=closing, prices=prices)
    moved = cash_flow(before, after, receipts, books=closing)
    return {
        "institution": institution,
        "unit": earned.unit,
        "decimals": unit_decimals(closing, prices),
        "start": start,
        "end": end,
        "opening_time": before.time,
        "closing_time": after.time,
        "income": {
            "opening": _string(earned.opening),
            "closing": _string(earned.closing),
            "total": str(earned.total),
            "lines": [told(line) for line in earned.lines],
            "missing": list(earned.missing),
        },
        "cash_flow": {
            "opening": _sums(moved.opening),
            "closing": _sums(moved.closing),
            "lines": [told(line) for line in moved.lines],
        },
    }


def money_document(books: Books) -> list[Document]:
    """Return the money of every currency."""
    return [
        {
            "currency": one.currency,
            "m0": str(one.m0),
            "m1": str(one.m1),
            "m2": str(one.m2),
            "currency_held": str(one.currency_held),
            "reserves": str(one.reserves),
            "on_demand": str(one.on_demand),
            "short_term": str(one.short_term),
        }
        for one in aggregates(books)
    ]


class PastAnswer(msgspec.Struct, frozen=True):
    """What a process of its own found: a document, or why there is none. It travels between processes."""

    document: Document | None = None
    code: StrEnum | None = None
    facts: dict[str, Any] = {}
    not_yet: tuple[int, int] | None = None
    reversed_: tuple[int, int] | None = None
    invalid: str = ""

    def read(self) -> Document:
        """Return the document. Rejections: the question's.

        Raises `NotYet`, `IntervalReversed`, `PriceBookRefused`.
        """
        if self.code is not None:
            raise Rejection(self.code, **self.facts)
        if self.not_yet is not None:
            raise NotYet("entry", asked=self.not_yet[0], reached=self.not_yet[1])
        if self.reversed_ is not None:
            raise IntervalReversed(start=self.reversed_[0], end=self.reversed_[1])
        if self.document is None:
            raise PriceBookRefused(self.invalid)
        return self.document


def answer_past(path: str, what: str, institution: str, asked: Document) -> PastAnswer:
    """Answer a question about the past from a ledger file: `sheet` or `period`, with its arguments."""
    journal = Journal.open(Path(path), read_only=True)
    question: Callable[..., Document] = sheet_at if what == "sheet" else period_at
    try:
        return PastAnswer(question(Moments(journal), institution, **asked))
    except Rejection as refused:
        return PastAnswer(code=refused.code, facts=refused.facts)
    except NotYet as beyond:
        return PastAnswer(not_yet=(beyond.asked, beyond.reached))
    except IntervalReversed as interval:
        return PastAnswer(reversed_=(interval.start, interval.end))
    except PriceBookRefused as error:
        return PastAnswer(invalid=str(error))
    finally:
        journal.close()


# ----------------------------------------------------------------------------------------------- views


def coverage_document(
    views: Views, institution: str, *, thing: str = "", start: int | None = None, end: int | None = None
) -> Document:
    """Return what an institution has of each thing that it owes, now and at its lowest from `start` to `end`.

    Rejections: `unknown_institution`, `unknown_asset` (it never owed `thing`). Raises `NotYet` for a start
    beyond the log, `IntervalReversed`.
    """
    coverage = views.coverage
    things = coverage.things(institution)
    if thing and thing not in things:
        raise Rejection(Code.UNKNOWN_ASSET, asset=thing[:80])
    last = views.upto - 1
    first, final = start or 0, last if end is None else min(end, last)
    if first > last:
        raise NotYet("entry", asked=first, reached=last)
    if first > final:
        raise IntervalReversed(start=first, end=final)
    chosen = [thing] if thing else things
    return {
        "institution": institution,
        "upto": last,
        "start": first,
        "end": final,
        "things": [_thing(coverage, institution, one, first, final) for one in chosen],
        "crossings": [
            told(one)
            for one in coverage.crossings
            if one.institution == institution and one.thing in chosen and first <= one.index <= final
        ],
    }


def _thing(coverage: Coverage, institution: str, thing: str, start: int, end: int) -> Document:
    series = coverage.series(institution, thing)
    lowest = series.minimum(start, end)
    standing = series.at(end)
    return {
        "thing": thing,
        "level": None if standing is None else level_document(standing),
        "minimum": None if lowest is None else level_document(lowest),
        "changes": len(series.page(start, end, len(series))),
    }


def level_document(level: Level) -> Document:
    """Return a level: what there is, what is owed, and their ratio, null where nothing is owed."""
    return {
        "index": level.index,
        "assets": str(level.assets),
        "liabilities": str(level.liabilities),
        "ratio_ppm": level.ratio_ppm,
        "covered": level.is_covered,
    }


def licences_document(views: Views, institution: str) -> Document:
    """Return which licences an institution's behaviour needs, and what was flagged.

    Rejections: `unknown_institution`.
    """
    views.coverage.things(institution)
    return {
        "institution": institution,
        "upto": views.upto - 1,
        "roles": list(views.watch.roles.get(institution, ())),
        "needs": [told(need) for need in views.licences.needs(institution)],
        "flags": [
            {"code": flag.code, "need": told(flag.need)}
            for flag in views.licences.flags
            if flag.need.institution == institution
        ],
    }


def published_document(found: Crossing | Flag) -> Document:
    """Return a crossing or flag as it is published beside its entry."""
    if isinstance(found, Crossing):
        return {"view": "coverage", **told(found)}
    return {"view": "licence", "code": found.code, **told(found.need)}
