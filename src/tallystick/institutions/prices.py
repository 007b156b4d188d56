"""Prices: what an asset is worth in a unit of account, said with a source and a time, or said to be missing.

A price is an exact ratio: `numerator` / `denominator` minor units of the unit of account for one minor unit
of the asset. It comes from one of three places, asked in this order:

    book      a document that somebody keeps: which prices, whose, as of when
    contract  a view `price` of a contract that the asker names (a pool, an oracle), as of the state
    par       a claim's own terms: what its obligor owes for it, in that unit, or in something priced

What is owed is always counted at par: a debt does not shrink because its holder doubts it. Anything else has
no price, and the answer is `Missing` with a reason. The obvious alternative, to take any pool's price there
is, was refused: whoever trades in that pool would then write the balance sheet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tallystick.institutions.books import Books
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.ledger.names import is_asset
from tallystick.ledger.rejections import LedgerError, Rejection

DIGITS_MAX = 60
"""A price in a book is written with at most so many digits."""


class PriceBookInvalid(LedgerError):
    """A price book's document is not one: which field, and why."""


@dataclass(frozen=True, slots=True)
class Price:
    """`numerator` / `denominator` minor units of `unit` for one minor unit of `asset`.

    `source` is `par`, `contract NAME` or a book's own words; `as_of` is microseconds UTC.
    """

    asset: str
    unit: str
    numerator: int
    denominator: int
    source: str
    as_of: int

    def value(self, units: int) -> int:
        """Return what `units` are worth, rounded down."""
        return mul_div_down(units, self.numerator, self.denominator)

    def value_up(self, units: int) -> int:
        """Return what `units` that are owed cost, rounded up."""
        return mul_div_up(units, self.numerator, self.denominator)


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no price of the asset in the unit; `reason` says why, in words."""

    asset: str
    unit: str
    reason: str


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Prices that somebody gave. `quotes` maps an asset or a unit of account to its price, in words.

    A quote is a decimal number of whole `unit` for one whole unit of the asset. `decimals` gives the minor
    units of units of account: 2 says that a cent is the hundredth of a euro. `as_of` is microseconds UTC.
    """

    unit: str
    as_of: int
    source: str
    quotes: Mapping[str, str] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)


def price_book(document: Any) -> PriceBook:
    """Return the book that a document is. Raises `PriceBookInvalid`.

    Shape: `{"unit": "EUR", "as_of": 1767600000000000, "source": "who says so", "decimals": {"EUR": 2},
    "prices": {"gold@vault": "61.20", "USD": "0.92"}}`.
    """
    known = {"unit", "as_of", "source", "prices", "decimals"}
    if (
        not isinstance(document, Mapping)
        or set(document) - known
        or not known - {"decimals"} <= set(document)
    ):
        raise PriceBookInvalid(f"a price book has the fields {', '.join(sorted(known))}")
    unit, as_of, source = document["unit"], document["as_of"], document["source"]
    quotes, decimals = document["prices"], document.get("decimals", {})
    if not (isinstance(unit, str) and unit and not is_asset(unit)):
        raise PriceBookInvalid(f"unit is a unit of account such as EUR, not {unit!r}")
    if not (type(as_of) is int and as_of >= 0):
        raise PriceBookInvalid(f"as_of is microseconds UTC, not {as_of!r}")
    if not (isinstance(source, str) and source):
        raise PriceBookInvalid("source says who gives these prices")
    for name, places in decimals.items():
        if not (type(places) is int and 0 <= places <= 36):
            raise PriceBookInvalid(f"decimals of {name} are 0 to 36, not {places!r}")
    for name, quote in quotes.items():
        if not isinstance(quote, str):
            raise PriceBookInvalid(f"the price of {name} is a decimal number in quotes, not {quote!r}")
        _ratio(name, quote)
    return PriceBook(unit, as_of, source, dict(quotes), dict(decimals))


def _ratio(name: str, text: str) -> tuple[int, int]:
    """Return a decimal number as an exact ratio. Raises `PriceBookInvalid`."""
    whole, _, part = text.partition(".")
    plain = (whole + part).isascii() and whole.isdigit() and (part.isdigit() or "." not in text)
    if not plain or len(text) > DIGITS_MAX:
        raise PriceBookInvalid(f"the price of {name} is a plain decimal number, not {text[:70]!r}")
    scale: int = 10 ** len(part)
    return int(whole + part), scale


class Prices:
    """What assets are worth in `unit`, by a book and by the contracts that the asker names.

    `contracts` are asked in order; one that trades the asset, as pools do, offers `assets` and
    `price(asset_in, asset_out)`.
    """

    def __init__(self, unit: str, *, book: PriceBook | None = None, contracts: Sequence[str] = ()) -> None:
        if book is not None and book.unit != unit:
            raise PriceBookInvalid(f"the book's prices are in {book.unit}, not in {unit}")
        self.unit = unit
        self.book = book
        self.contracts = tuple(contracts)

    def price(self, books: Books, asset: str) -> Price | Missing:
        """Return the price of an asset, or of a unit of account, in the unit."""
        return self._price(books, asset, ())

    def par(self, books: Books, asset: str) -> Price | Missing:
        """Return what a claim's obligor owes for it, at par, in the unit."""
        return self._par(books, asset, ())

    def _price(self, books: Books, asset: str, path: tuple[str, ...]) -> Price | Missing:
        if asset == self.unit:
            return Price(asset, self.unit, 1, 1, "par", books.clock.time)
        quoted = self._quoted(books, asset)
        if quoted is not None:
            return quoted
        if not is_asset(asset):
            return Missing(asset, self.unit, f"no book gives the price of {asset} in {self.unit}")
        for contract in self.contracts:
            told = None if contract in path else self._told(books, contract, asset, path)
            if told is not None:
                return told
        return self._par(books, asset, path)

    def _quoted(self, books: Books, asset: str) -> Price | Missing | None:
        book = self.book
        if book is None or asset not in book.quotes:
            return None
        places = books.asset(asset).decimals if is_asset(asset) else book.decimals.get(asset)
        unit_places = book.decimals.get(self.unit)
        if places is None or unit_places is None:
            unsaid = asset if places is None else self.unit
            return Missing(asset, self.unit, f"the book gives no decimals of {unsaid}")
        numerator, denominator = _ratio(asset, book.quotes[asset])
        return Price(
            asset, self.unit, numerator * 10**unit_places, denominator * 10**places, book.source, book.as_of
        )

    def _told(self, books: Books, contract: str, asset: str, path: tuple[str, ...]) -> Price | None:
        """Return the price that a contract tells, in the unit, or None if it tells none."""
        for other in self._traded(books, contract, asset):
            worth = self._price(books, other, (*path, contract))
            if isinstance(worth, Missing):
                continue
            try:
                told = books.ask(contract, "price", asset_in=asset, asset_out=other)
            except Rejection:
                continue
            return Price(
                asset,
                self.unit,
                told.numerator * worth.numerator,
                told.denominator * worth.denominator,
                f"contract {contract}",
                books.clock.time,
            )
        return None

    def _traded(self, books: Books, contract: str, asset: str) -> list[str]:
        """Return what a pool trades the asset for; nothing if it does not."""
        try:
            assets: list[str] = books.ask(contract, "assets")
        except Rejection:
            return []
        return [other for other in assets if other != asset] if asset in assets else []

    def _par(self, books: Books, asset: str, path: tuple[str, ...]) -> Price | Missing:
        record = books.asset(asset)
        if record.terms is None:
            return Missing(asset, self.unit, f"{asset} is a {record.kind}: nobody owes anything on it")
        if asset in path:
            return Missing(asset, self.unit, f"what {asset} owes comes back to itself")
        worth = self._price(books, record.terms.owes, (*path, asset))
        if isinstance(worth, Missing):
            return Missing(asset, self.unit, worth.reason)
        terms = record.terms
        source = "par" if worth.source == "par" else f"par, {worth.source}"
        return Price(
            asset,
            self.unit,
            worth.numerator * terms.pays,
            worth.denominator * terms.per,
            source,
            worth.as_of,
        )
