"""Income and cash flow between two entries: why equity and cash are no longer what they were.

    income(before, after, receipts, ...)     ->  Income: lines that add up to the change of equity
    cash_flow(before, after, receipts, ...)  ->  CashFlow: for each kind of cash, lines that add up to its own

Both are read off the postings in between, each with its counterparty, and what postings cannot show is told
as what it is: the result inside a contract (what it is worth now, less before, less what was put in), and the
revaluation of what was there all along. What must hold: opening + all lines = closing, exactly. A flow counts
at the closing prices, so that a price's change is revaluation and nothing else.

Sources: IAS 1, paragraph 82 (profit or loss), and IAS 7, paragraphs 6, 10 and 18(a): operating, investing and
financing activities, the direct method.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from tallystick.institutions.books import Books
from tallystick.institutions.holdings import look_through
from tallystick.institutions.owing import Get, end_of, is_on_demand
from tallystick.institutions.prices import Missing, Prices
from tallystick.institutions.sheet import AssetRow, Sheet
from tallystick.institutions.watch import is_currency
from tallystick.ledger.amounts import mul_div_up
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Asset

Kind = Literal["received", "paid", "exchanged", "inside", "attested", "revaluation"]
Activity = Literal["operating", "investing", "financing", "joined"]
Worth = Callable[[str, int], int | None]
"""Returns what units of an asset are worth at the closing prices, None where a price is missing."""


@dataclass(frozen=True, slots=True)
class IncomeLine:
    """What one kind of event with one party did to equity, in minor units; `entries` is how many did."""

    kind: Kind
    party: str
    value: int
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Income:
    """`opening` and `closing` equity and the lines between, all None-free only if every price was known."""

    institution: str
    unit: str
    opening: int | None
    closing: int | None
    lines: tuple[IncomeLine, ...]
    missing: tuple[str, ...]

    @property
    def total(self) -> int:
        """The sum of the lines: the change of equity."""
        return sum(line.value for line in self.lines)


@dataclass(frozen=True, slots=True)
class CashLine:
    """What went in (or out, below zero) of one kind of cash with one party; `entries` is how many did."""

    asset: str
    activity: Activity
    party: str
    units: int
    entries: int


@dataclass(frozen=True, slots=True)
class CashFlow:
    """Opening, flows and closing of every kind of cash: a claim on another that is money on demand."""

    institution: str
    opening: dict[str, int]
    closing: dict[str, int]
    lines: tuple[CashLine, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one receipt did to the institution: own assets, what others have of its claims, and with whom."""

    own: dict[str, int]
    owed: dict[str, int]
    party: str
    is_code: bool


def worth_at(books: Books, prices: Prices, institution: str) -> Worth:
    """Return what assets are worth to the institution in these books: shares through, own paper at zero."""
    own = {institution, *books.accounts_of(institution)}
    related = books.related_to(institution)

    def worth(asset: str, units: int) -> int | None:
        total = 0
        for component in look_through(books, asset, abs(units)):
            record = books.asset(component.asset)
            party = component.due_from or record.obligor or record.issuer
            token = record.kind == "token" and {record.issuer, books.institution_of(record.issuer)}
            zero = party in own or bool(token and not token.isdisjoint(own | related))
            if zero:
                continue
            price = prices.price(books, component.asset)
            if isinstance(price, Missing) or component.stopped:
                return None
            total += price.value(component.units)
        return total if units >= 0 else -total

    return worth


def income(
    before: Sheet, after: Sheet, receipts: Iterable[Receipt], *, books: Books, prices: Prices
) -> Income:
    """Return why equity changed from `before` to `after`.

    `receipts` are those between, `books` and `prices` the closing's.
    """
    worth = worth_at(books, prices, after.institution)
    missing: set[str] = set()
    values: dict[tuple[Kind, str], list[int]] = {}
    inside = _inside(after)
    for contract, value in _inside(before).items():
        inside[contract] = inside.get(contract, 0) - value
    for entry in _entries(receipts, after, books):
        effect = 0
        for asset, units in entry.own.items():
            counts = worth(asset, units)
            if counts is None:
                missing.add(asset)
            effect += counts or 0
        for claim, units in entry.owed.items():
            price = prices.par(books, claim)
            if isinstance(price, Missing):
                missing.add(claim)
            else:
                effect -= mul_div_up(units, price.numerator, price.denominator)
        if entry.is_code and entry.party in inside:
            inside[entry.party] += effect
        elif effect:
            values.setdefault((_kind(entry, effect), entry.party), []).append(effect)
    lines = [
        IncomeLine(kind, party, sum(effects), len(effects))
        for (kind, party), effects in sorted(values.items())
    ]
    lines += [IncomeLine("inside", contract, value) for contract, value in sorted(inside.items()) if value]
    attested = _attested(after) - _attested(before)
    if attested:
        lines.append(IncomeLine("attested", "", attested))
    opening, closing = before.equity, after.equity
    if opening is not None and closing is not None:
        rest = closing - opening - sum(line.value for line in lines)
        if rest:
            lines.append(IncomeLine("revaluation", "", rest))
    return Income(after.institution, after.unit, opening, closing, tuple(lines), tuple(sorted(missing)))


def cash_flow(before: Sheet, after: Sheet, receipts: Iterable[Receipt], *, books: Books) -> CashFlow:
    """Return why cash changed from `before` to `after`, by the direct method, each kind in its own units."""
    get = books.state.get
    opening, closing = _cash(before, get), _cash(after, get)
    flows: dict[tuple[str, Activity, str], list[int]] = {}
    for entry in _entries(receipts, after, books):
        cash = {asset: units for asset, units in entry.own.items() if units and is_cash(get, asset)}
        if entry.owed:
            activity: Activity = "financing"
        elif len(cash) < len([units for units in entry.own.values() if units]) or entry.is_code:
            activity = "investing"
        else:
            activity = "operating"
        for asset, units in cash.items():
            flows.setdefault((asset, activity, entry.party), []).append(units)
    lines = [
        CashLine(asset, activity, party, sum(units), len(units))
        for (asset, activity, party), units in sorted(flows.items())
    ]
    for asset in sorted({*opening, *closing, *(line.asset for line in lines)}):
        moved = sum(line.units for line in lines if line.asset == asset)
        rest = closing.get(asset, 0) - opening.get(asset, 0) - moved
        if rest:
            lines.append(CashLine(asset, "joined", "", rest, 0))
    return CashFlow(after.institution, opening, closing, tuple(lines))


def is_cash(get: Get, asset: str) -> bool:
    """Tell whether an asset is a claim that comes to a currency on demand."""
    record: Asset = get(("asset", asset))
    if record.terms is None or not is_on_demand(record.terms, now=0):
        return False
    return is_currency(end_of(get, asset).thing)


def _kind(entry: _Entry, effect: int) -> Kind:
    """Return what an entry was: an exchange if something came and something went, else one or the other."""
    came = any(units > 0 for units in entry.own.values()) or any(units < 0 for units in entry.owed.values())
    went = any(units < 0 for units in entry.own.values()) or any(units > 0 for units in entry.owed.values())
    if came and went:
        return "exchanged"
    return "received" if effect > 0 else "paid"


def _entries(receipts: Iterable[Receipt], after: Sheet, books: Books) -> Iterable[_Entry]:
    """Yield what each receipt did to the institution, for those that did anything."""
    accounts = frozenset(after.accounts)
    claims = frozenset(books.claims_on(after.institution))
    for receipt in receipts:
        own: dict[str, int] = {}
        owed: dict[str, int] = {}
        parties: set[str] = set()
        for account, asset, change, _ in receipt.postings:
            issuing = account == asset.partition("@")[2]
            if asset in claims and (issuing or account in accounts):
                owed[asset] = owed.get(asset, 0) - change
            elif account in accounts and not issuing:
                own[asset] = own.get(asset, 0) + change
            elif account not in accounts:
                parties.add(account)
        own = {asset: units for asset, units in own.items() if units}
        owed = {claim: units for claim, units in owed.items() if units}
        if own or owed:
            yield _entry(own, owed, parties, books)


def _entry(own: dict[str, int], owed: dict[str, int], parties: set[str], books: Books) -> _Entry:
    """Name the counterparty: the one other party, its institution, or the contract that was dealt with."""
    contracts = sorted({party.partition("/")[0] for party in parties} & set(books.contracts))
    if contracts:
        return _Entry(own, owed, contracts[0] if len(contracts) == 1 else "several contracts", is_code=True)
    names = {books.institution_of(party) or party for party in parties}
    return _Entry(own, owed, names.pop() if len(names) == 1 else "several", is_code=False)


def _inside(made: Sheet) -> dict[str, int]:
    """Return what the institution has inside each contract, less what it owes there."""
    found: dict[str, int] = {}
    for row in made.assets:
        contract = _contract_of(row)
        if contract:
            found[contract] = found.get(contract, 0) + (row.value or 0)
    for owed in made.liabilities:
        if owed.kind == "debt" or (owed.units < 0 and owed.kind == "claim"):
            found[owed.holder] = found.get(owed.holder, 0) - (owed.value or 0)
    return found


def _contract_of(row: AssetRow) -> str:
    if row.where == "due_in":
        return row.note.partition(":")[0]
    return row.party if row.where in ("inside", "pledged") else ""


def _attested(made: Sheet) -> int:
    assets = sum(row.value or 0 for row in made.assets if row.kind == "attested")
    return assets - sum(row.value or 0 for row in made.liabilities if row.kind == "attested")


def _cash(made: Sheet, get: Get) -> dict[str, int]:
    """Return the cash in own accounts, by asset."""
    found: dict[str, int] = {}
    for row in made.assets:
        if (
            row.kind == "claim"
            and row.where != "due_in"
            and not _contract_of(row)
            and is_cash(get, row.asset)
        ):
            found[row.asset] = found.get(row.asset, 0) + row.units
    return dict(sorted(found.items()))
