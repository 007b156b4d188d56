"""Cases: what was published about some institutions, when, by whom; and what is only assumed.

    case = read_case(text)        checked; every fault at once, each with its line
    gate = Gate(case, today)      what somebody could have read by the end of that day, and nothing else

Every figure has a source and the day on which it was published. The rule that must hold: **nothing published
later is read before its day.** What is dated is therefore sealed: a `Sealed` value opens for a day, refuses
the days before its publication, and otherwise only `in_hindsight`, which the epilogue alone may call. The
alarm is given a `Gate` and never sees the case.

A case is a YAML document; `template.yaml` beside the cases explains each field.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from importlib.resources import files
from typing import Generic, Literal, TypeVar

from tallystick.stress.replay.document import Path, Places, parse_number, read_document

BUILT_IN = ("ftx", "terra", "svb")
DAYS_MAX = 400
UNITS_MOST = 10**24
"""The largest amount in whole units: far above the money of the world, far below what a ledger holds."""
FIGURES_MAX = 5_000

AssetClass = Literal[
    "cash",
    "government",
    "agency",
    "listed",
    "loans",
    "stakes",
    "thin",
    "locked",
    "pledged",
    "unspecified",
]
"""What an asset is, for the question what it fetches; `alarm.FETCHES` says what each does."""
ClaimClass = Literal["insured", "demand", "funding", "term"]
"""Who can ask for what an institution owes, and when; `alarm.RUN_OFF` says how much of each leaves."""

SCALES = {"one": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_T = TypeVar("_T")
_is_name = re.compile(r"[a-z0-9][a-z0-9-]{0,29}").fullmatch
_is_term = re.compile(
    r"(?:(?P<number>-?[\d._]+) *\* *)?(?:\$(?P<plain>[a-z_]+)|\(? *1 *- *\$(?P<rest>[a-z_]+) *\)?)"
).fullmatch


class NotYetPublished(Exception):
    """Somebody tried to read a figure before the day on which it was published."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, or one that an assumption scales: `173.1`, `173.1 * $share`, `173.1 * (1 - $share)`."""

    number: Fraction
    assumption: str = ""
    complement: bool = False

    @staticmethod
    def from_text(text: str) -> "Quantity":
        """Return the quantity that a text is. Raises `ValueError`."""
        if "$" not in text:
            return Quantity(parse_number(text))
        found = _is_term(text.strip())
        if found is None:
            raise ValueError(f"{text[:60]!r} is neither a number nor NUMBER * $name nor NUMBER * (1 - $name)")
        number = parse_number(found["number"]) if found["number"] else Fraction(1)
        return Quantity(number, found["plain"] or found["rest"], bool(found["rest"]))

    def value(self, assumed: Mapping[str, Fraction]) -> Fraction:
        """Return the number under these assumptions."""
        if not self.assumption:
            return self.number
        share = assumed[self.assumption]
        return self.number * (1 - share if self.complement else share)


@dataclass(frozen=True, kw_only=True)
class Institution:
    """An institution of a case, its roles, and the related parties that it declared."""

    title: str
    roles: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token that nobody owes, and the institution that makes it; nobody's if `issuer` is left out."""

    title: str
    issuer: str = ""


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A number that no source gives: what it is taken to be, over which range it is swept, and why."""

    what: str
    value: Fraction
    low: Fraction
    high: Fraction
    why: str


@dataclass(frozen=True, kw_only=True)
class AssetLine:
    """An asset on a sheet, at the value that the sheet states, and at the market's if that is published.

    `owed_by` names its obligor; `token` says that it is one of the case's tokens instead. What is `pledged`
    or `locked` names in `held_for` whom it is promised to. `to_be_made` tokens are promised by their worth,
    so their price does not move. `pays_in_days` is when a claim pays, from the day of publication on.
    """

    name: str
    amount: Quantity
    class_: AssetClass
    market: Quantity | None = None
    owed_by: str = ""
    token: str = ""
    held_for: str = ""
    to_be_made: bool = False
    pays_in_days: int | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ClaimLine:
    """Something that an institution owes, and to whom; `in_token` if it is to be paid in a token's units."""

    name: str
    amount: Quantity
    class_: ClaimClass
    held_by: str
    in_token: str = ""
    pays_in_days: int | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A balance sheet as somebody published it. Stated totals beyond the lines become lines of their own."""

    institution: str
    as_of: date
    published: date
    source: str
    assets: tuple[AssetLine, ...] = ()
    liabilities: tuple[ClaimLine, ...] = ()
    stated_assets: Quantity | None = None
    stated_liabilities: Quantity | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class MarketValue:
    """The whole market value of a token."""

    token: str
    as_of: date
    published: date
    source: str
    amount: Fraction


@dataclass(frozen=True, kw_only=True)
class Market:
    """A token's daily closes in the case's unit, and its turnover in whole units of account."""

    source: str
    days: dict[date, tuple[Fraction, Fraction]]


@dataclass(frozen=True, kw_only=True)
class News:
    """Something that was published about a day."""

    day: date
    published: date
    source: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """What customers asked back on a day."""

    day: date
    published: date
    source: str
    amount: Quantity
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class OwnTokenSwap:
    """The swap by which a claim is redeemed in newly made tokens: its parameters as deployed."""

    token: str
    claim: str
    source: str
    base_pool: Fraction
    recovery_blocks: int
    block_seconds: int
    least_spread: Fraction
    unit_price: Fraction
    raised_base_pool: Fraction
    raised_recovery_blocks: int
    stated_capacities: tuple[Fraction, Fraction]
    opening_token_supply: Fraction


@dataclass(frozen=True, kw_only=True)
class Document:
    """A case as it is written."""

    case: str
    title: str
    subject: str
    unit: str
    amounts: Literal["one", "thousand", "million", "billion"]
    first_day: date
    run_day: date
    last_day: date
    sources: dict[str, str]
    institutions: dict[str, Institution]
    sheets: tuple[Sheet, ...]
    tokens: dict[str, Token] = field(default_factory=dict)
    assumptions: dict[str, Assumption] = field(default_factory=dict)
    market_values: tuple[MarketValue, ...] = ()
    markets: dict[str, Market] = field(default_factory=dict)
    news: tuple[News, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    before_the_run: Sheet | None = None
    own_token_swap: OwnTokenSwap | None = None
    epilogue: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------- what is sealed


class Sealed(Generic[_T]):
    """A published figure that opens on the day of its publication."""

    __slots__ = ("__value", "published", "what")

    def __init__(self, value: _T, published: date, what: str) -> None:
        self.__value = value
        self.published = published
        self.what = what

    def open(self, today: date) -> _T:
        """Return the figure as somebody read it on that day or later. Raises `NotYetPublished`."""
        if today < self.published:
            raise NotYetPublished(f"{self.what} was published on {self.published}, after {today}")
        return self.__value

    def in_hindsight(self) -> _T:
        """Return the figure whenever it was published: for what happened, never for what was known."""
        return self.__value

    def __repr__(self) -> str:
        return f"Sealed({self.what}, published {self.published})"


@dataclass(frozen=True)
class Case:
    """A checked case: what is undated, and everything dated under its seal."""

    name: str
    title: str
    subject: str
    unit: str
    scale: Fraction
    first_day: date
    run_day: date
    last_day: date
    sources: Mapping[str, str]
    institutions: Mapping[str, Institution]
    tokens: Mapping[str, Token]
    assumptions: Mapping[str, Assumption]
    sheets: tuple[Sealed[Sheet], ...]
    market_values: tuple[Sealed[MarketValue], ...]
    closes: Mapping[str, tuple[Sealed[tuple[Fraction, Fraction]], ...]]
    news: tuple[Sealed[News], ...]
    withdrawals: tuple[Sealed[Withdrawal], ...]
    before_the_run: Sealed[Sheet] | None
    own_token_swap: OwnTokenSwap | None
    epilogue: tuple[str, ...]

    @property
    def assumed(self) -> dict[str, Fraction]:
        """What the assumptions are taken to be."""
        return {name: one.value for name, one in self.assumptions.items()}

    def days(self) -> Iterator[date]:
        """Iterate over the days of the replay."""
        day = self.first_day
        while day <= self.last_day:
            yield day
            day += timedelta(days=1)


class Gate:
    """What could be read by the end of `today`. Every figure that the alarm uses comes through here."""

    def __init__(self, case: Case, today: date) -> None:
        self._case = case
        self.today = today
        self.unit = case.unit
        self.scale = case.scale
        self.institutions = case.institutions
        self.tokens = case.tokens

    def _open(self, sealed: Iterable[Sealed[_T]]) -> list[_T]:
        return [one.open(self.today) for one in sealed if one.published <= self.today]

    def sheets(self) -> dict[str, Sheet]:
        """Return each institution's newest sheet."""
        found: dict[str, Sheet] = {}
        for sheet in self._open(self._case.sheets):
            known = found.get(sheet.institution)
            if known is None or (known.as_of, known.published) < (sheet.as_of, sheet.published):
                found[sheet.institution] = sheet
        return found

    def new_sheets(self) -> list[Sheet]:
        """Return the sheets that were published today."""
        return [sheet for sheet in self._open(self._case.sheets) if sheet.published == self.today]

    def market_value(self, token: str) -> MarketValue | None:
        """Return the newest whole market value of a token."""
        found = [one for one in self._open(self._case.market_values) if one.token == token]
        return max(found, key=lambda one: (one.as_of, one.published), default=None)

    def close(self, token: str, day: date | None = None) -> Fraction | None:
        """Return a token's close of `day`, or else the newest. Raises `NotYetPublished`."""
        found = self._traded(token, self.today if day is None else day)
        return None if found is None else found[0]

    def turnover(self, token: str) -> Fraction | None:
        """Return a token's newest turnover in a day, in whole units of account."""
        found = self._traded(token, self.today)
        return None if found is None else found[1]

    def _traded(self, token: str, day: date) -> tuple[Fraction, Fraction] | None:
        newest = None
        for one in self._case.closes.get(token, ()):
            if one.published <= day:
                newest = one
        if day > self.today:
            raise NotYetPublished(f"the close of {token} on {day} is published after {self.today}")
        return None if newest is None else newest.open(self.today)

    def news(self) -> list[News]:
        """Return what was published today."""
        return [one for one in self._open(self._case.news) if one.published == self.today]


# ------------------------------------------------------------------------------------------- reading one


def read_case(text: str) -> Case:
    """Return a checked case. Raises `DocumentInvalid` with every fault."""
    document = read_document(text, Document, _check)
    return _seal(document)


def built_in(name: str) -> str:
    """Return the text of a case that comes with the program, or of the template."""
    return (files("tallystick.stress.replay") / "cases" / f"{name}.yaml").read_text(encoding="utf-8")


def _seal(document: Document) -> Case:
    return Case(
        name=document.case,
        title=document.title,
        subject=document.subject,
        unit=document.unit,
        scale=Fraction(SCALES[document.amounts]),
        first_day=document.first_day,
        run_day=document.run_day,
        last_day=document.last_day,
        sources=document.sources,
        institutions=document.institutions,
        tokens=document.tokens,
        assumptions=document.assumptions,
        sheets=tuple(
            Sealed(sheet, sheet.published, f"the sheet of {sheet.institution}") for sheet in document.sheets
        ),
        market_values=tuple(
            Sealed(one, one.published, f"the market value of {one.token}") for one in document.market_values
        ),
        closes={
            token: tuple(
                Sealed(traded, day, f"the close of {token}") for day, traded in sorted(market.days.items())
            )
            for token, market in document.markets.items()
        },
        news=tuple(Sealed(one, one.published, f"news of {one.day}") for one in document.news),
        withdrawals=tuple(
            Sealed(one, one.published, f"the withdrawals of {one.day}") for one in document.withdrawals
        ),
        before_the_run=(
            Sealed(document.before_the_run, document.before_the_run.published, "the sheet before the run")
            if document.before_the_run is not None
            else None
        ),
        own_token_swap=document.own_token_swap,
        epilogue=document.epilogue,
    )


# ------------------------------------------------------------------------------------------- checking it

_ROLES = ("issuer", "custodian", "bank", "central_bank", "broker", "dealer", "venue", "clearing_house")
Wrong = Iterator[tuple[Path, str]]

RESERVED = frozenset({"as-stated", "buyers", "clerk", "closes", "ledger", "nobody", "operator"})
"""Names that a replay's ledger uses itself."""
_LISTS = {"institutions": "of the institutions", "tokens": "of the tokens", "assumptions": "no assumption"}


def _check(case: Document, places: Places) -> Wrong:
    """Yield what does not fit together, less what follows from a list that could not be read."""
    gone = [words for name, words in _LISTS.items() if not places.was_read((name,))]
    days_read = all(places.was_read((name,)) for name in ("first_day", "run_day", "last_day"))
    for path, what in (
        *(_wrong_days(case) if days_read else ()),
        *_wrong_frame(case),
        *_wrong_parties(case),
        *_wrong_assumptions(case),
        *_wrong_dates(case),
        *(found for at, one in enumerate(case.sheets) for found in _wrong_sheet(case, one, ("sheets", at))),
        *(
            _wrong_sheet(case, case.before_the_run, ("before_the_run",))
            if case.before_the_run is not None
            else ()
        ),
        *_wrong_swap(case),
    ):
        if not any(words in what for words in gone):
            yield path, what


def _wrong_days(case: Document) -> Wrong:
    if not case.first_day <= case.run_day <= case.last_day:
        yield ("run_day",), f"{case.run_day} is outside {case.first_day} to {case.last_day}"
    if (case.last_day - case.first_day).days > DAYS_MAX:
        yield ("last_day",), f"is more than {DAYS_MAX} days after the first"


def _wrong_frame(case: Document) -> Wrong:
    if not _is_name(case.case):
        yield ("case",), "is no name: small letters, digits and hyphens"
    if case.subject not in case.institutions:
        yield ("subject",), f"{case.subject!r} is none of the institutions"
    if not case.sheets:
        yield ("sheets",), "a case needs at least one sheet"
    lines = sum(len(sheet.assets) + len(sheet.liabilities) for sheet in case.sheets)
    if lines > FIGURES_MAX:
        yield ("sheets",), f"{lines} lines, more than {FIGURES_MAX}"
    for source in sorted(set(_sources(case)) - {*case.sources, ""}):
        yield ("sources",), f"{source!r} is used and not listed"


def _sources(case: Document) -> Iterator[str]:
    for figures in (case.sheets, case.market_values, case.markets.values(), case.news, case.withdrawals):
        yield from (one.source for one in figures)
    yield from (one.source for one in (case.before_the_run, case.own_token_swap) if one is not None)


def _wrong_parties(case: Document) -> Wrong:
    for name, institution in case.institutions.items():
        at: Path = ("institutions", name)
        if not _is_name(name) or name in RESERVED:
            yield at, f"is no name, or one of {', '.join(sorted(RESERVED))}"
        for role in institution.roles:
            if role not in _ROLES:
                yield (*at, "roles"), f"{role!r} is none of {', '.join(_ROLES)}"
        for party in institution.related:
            if party not in case.institutions or party == name:
                yield (*at, "related"), f"{party!r} is none of the other institutions"
    for name, token in case.tokens.items():
        if not _is_name(name) or len(name) > 20:
            yield ("tokens", name), "is no name: small letters, digits and hyphens, at most 20"
        if token.issuer and token.issuer not in case.institutions:
            yield ("tokens", name, "issuer"), f"{token.issuer!r} is none of the institutions"


def _wrong_assumptions(case: Document) -> Wrong:
    for name, one in case.assumptions.items():
        if not one.low <= one.value <= one.high:
            yield ("assumptions", name), f"{float(one.value):g} is outside its range"
    for path, quantity in _quantities(case):
        if quantity.number < 0:
            yield path, f"{float(quantity.number):g} is below zero"
        if quantity.number * SCALES[case.amounts] > UNITS_MOST:
            yield path, f"is more than {float(UNITS_MOST):g} {case.unit}"
        if quantity.assumption and quantity.assumption not in case.assumptions:
            yield path, f"there is no assumption {quantity.assumption!r}"


def _quantities(case: Document) -> Iterator[tuple[Path, Quantity]]:
    sheets: list[tuple[Path, Sheet]] = [(("sheets", at), one) for at, one in enumerate(case.sheets)]
    if case.before_the_run is not None:
        sheets.append((("before_the_run",), case.before_the_run))
    for path, sheet in sheets:
        for at, line in enumerate(sheet.assets):
            yield (*path, "assets", at, "amount"), line.amount
            if line.market is not None:
                yield (*path, "assets", at, "market"), line.market
        for at, claim in enumerate(sheet.liabilities):
            yield (*path, "liabilities", at, "amount"), claim.amount
        for name in ("stated_assets", "stated_liabilities"):
            if getattr(sheet, name) is not None:
                yield (*path, name), getattr(sheet, name)
    for at, withdrawal in enumerate(case.withdrawals):
        yield ("withdrawals", at, "amount"), withdrawal.amount


def _wrong_dates(case: Document) -> Wrong:
    dated: list[tuple[str, tuple[Sheet | MarketValue, ...]]] = [
        ("sheets", case.sheets),
        ("market_values", case.market_values),
    ]
    for name, values in dated:
        for at, one in enumerate(values):
            if one.published < one.as_of:
                yield (name, at, "published"), f"{one.published} is before {one.as_of}, which it tells about"
    happened: list[tuple[str, tuple[News | Withdrawal, ...]]] = [
        ("news", case.news),
        ("withdrawals", case.withdrawals),
    ]
    for name, events in happened:
        for at, event in enumerate(events):
            if event.published < event.day:
                told = f"{event.published} is before {event.day}, which it tells about"
                yield (name, at, "published"), told
    for at, value in enumerate(case.market_values):
        if value.token not in case.tokens:
            yield ("market_values", at, "token"), f"{value.token!r} is none of the tokens"
        if value.amount <= 0:
            yield ("market_values", at, "amount"), "is not positive"
    for name, market in case.markets.items():
        if name not in case.tokens:
            yield ("markets", name), "is none of the tokens"
        for day, pair in market.days.items():
            if min(pair) < 0 or pair[0] == 0:
                at_day: Path = ("markets", name, "days", day.isoformat())
                yield at_day, "a close is positive, a turnover not negative"


def _wrong_sheet(case: Document, sheet: Sheet, path: Path) -> Wrong:
    if sheet.institution not in case.institutions:
        yield (*path, "institution"), f"{sheet.institution!r} is none of the institutions"
    names: set[str] = set()
    for at, line in enumerate(sheet.assets):
        yield from _wrong_asset(case, line, (*path, "assets", at), names)
    for at, claim in enumerate(sheet.liabilities):
        here: Path = (*path, "liabilities", at)
        yield from _wrong_name(claim.name, here, names)
        if not _is_name(claim.held_by) or claim.held_by in RESERVED:
            yield (*here, "held_by"), f"{claim.held_by[:40]!r} is no name"
        elif claim.held_by == sheet.institution:
            yield (*here, "held_by"), "nobody owes itself"
        if claim.in_token and claim.in_token not in case.tokens:
            yield (*here, "in_token"), f"{claim.in_token!r} is none of the tokens"
    known = set(case.assumptions)
    if all(one.assumption in known or not one.assumption for _, one in _quantities(case)):
        yield from _wrong_totals(case, sheet, path)


def _wrong_totals(case: Document, sheet: Sheet, path: Path) -> Wrong:
    assumed = {name: one.value for name, one in case.assumptions.items()}
    for name, stated, lines in (
        ("stated_assets", sheet.stated_assets, sheet.assets),
        ("stated_liabilities", sheet.stated_liabilities, sheet.liabilities),
    ):
        total = sum((line.amount.value(assumed) for line in lines), Fraction(0))
        if stated is not None and total > stated.value(assumed):
            told = float(stated.value(assumed))
            yield (*path, name), f"{told:g} is less than its lines, which come to {float(total):g}"


def _wrong_name(name: str, path: Path, names: set[str]) -> Wrong:
    if not _is_name(name) or len(name) > 20:
        yield (*path, "name"), f"{name[:40]!r} is no name: small letters, digits and hyphens, at most 20"
    elif name in names:
        yield (*path, "name"), f"{name!r} stands twice on this sheet"
    names.add(name)


def _wrong_asset(case: Document, line: AssetLine, path: Path, names: set[str]) -> Wrong:
    yield from _wrong_name(line.name, path, names)
    if line.owed_by and line.token:
        yield path, "`owed_by` and `token` exclude each other: a token is owed by nobody"
    if line.to_be_made and not line.token:
        yield path, "only a `token` can be `to_be_made`"
    if line.owed_by and line.owed_by not in case.institutions:
        yield (*path, "owed_by"), f"{line.owed_by!r} is none of the institutions"
    if line.token and line.token not in case.tokens:
        yield (*path, "token"), f"{line.token!r} is none of the tokens"
    if (line.class_ in ("pledged", "locked")) != bool(line.held_for):
        yield path, "what is pledged or locked, and only that, says in `held_for` whom it is promised to"
    elif line.held_for and (not _is_name(line.held_for) or line.held_for in RESERVED):
        yield (*path, "held_for"), f"{line.held_for[:40]!r} is no name"


def _wrong_swap(case: Document) -> Wrong:
    before = case.before_the_run
    if before is not None and before.institution not in (case.subject, ""):
        yield ("before_the_run", "institution"), f"is {case.subject!r}, whose customers the case is about"
    swap = case.own_token_swap
    if swap is None:
        return
    if swap.token not in case.tokens:
        yield ("own_token_swap", "token"), f"{swap.token!r} is none of the tokens"
    if swap.token not in case.markets:
        yield ("own_token_swap", "token"), f"`markets` has no closes of {swap.token!r}, which the swap needs"
    sheets = [one for one in case.sheets if one.institution == case.subject]
    owed = {line.name for sheet in ([before] if before else sheets) for line in sheet.liabilities}
    if swap.claim not in owed:
        yield ("own_token_swap", "claim"), f"{swap.claim!r} is none of what {case.subject} owes"
    sizes = ("base_pool", "recovery_blocks", "block_seconds", "unit_price")
    for name in (*sizes, "raised_base_pool", "raised_recovery_blocks"):
        if getattr(swap, name) <= 0:
            yield ("own_token_swap", name), "is not positive"
    if not 0 <= swap.least_spread < 1:
        yield ("own_token_swap", "least_spread"), "is at least 0 and below 1"
