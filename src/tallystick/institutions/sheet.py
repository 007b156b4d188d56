"""The balance sheet of an institution: what all its accounts have against everything it owes.

    sheet(books, "alder-bank", Prices("EUR"))  ->  Sheet: asset rows, liability rows, equity

Complete by construction for everything on the ledger: assets are the holdings of every account that joined,
positions inside contracts included, liabilities are all claims that name the institution as obligor, net of
what its own accounts hold, and its debts inside contracts. What must hold: assets = liabilities + equity,
in the unit of account where every price is known, and in kind, currency by currency, whether or not one is.

What an institution issued itself is nothing that it has: its own tokens, and those of its related parties,
count zero wherever they lie; its own claims, held or behind shares that it holds, are taken off what it owes.
Claims on related parties stand apart. Something off the ledger enters only as a statement that somebody else
signed, with an expiry after which it counts zero. A missing price is named, and then equity is not told, only
how much it is at least. The obvious alternative, to leave what has no price at cost, was refused: that is how
a token of one's own becomes capital.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

from tallystick.institutions.books import Books
from tallystick.institutions.holdings import Component, Holding, Unanswered, holdings_of, look_through
from tallystick.institutions.owing import Bucket, bucket_of, end_of, is_on_demand, pays_at
from tallystick.institutions.prices import Missing, Price, Prices
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.ledger.attestations import Statement
from tallystick.ledger.names import is_asset

Standing = Literal["third_party", "related", "own"]
Liquidity = Literal["cash", "demand", "term", "marketable", "encumbered", "attested"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Part:
    """Units of one claim, token or unit of account behind an asset row, and what they count for.

    `at_par` is what they come to in `currency`, the end of their terms. `value` is in minor units of the
    sheet's unit of account, rounded down, None without a price. `why` says why it counts zero, or why there
    is no price; `price` is its source and `priced` as of when. With `due_from` that account owes the units to
    the last contract of `via`, which does not hold them.
    """

    asset: str
    units: int
    via: tuple[str, ...]
    standing: Standing
    currency: str
    at_par: int
    value: int | None
    price: str = ""
    priced: int = 0
    why: str = ""
    due_from: str = ""


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One holding. `parts` are what is behind it: itself, or what its shares stand for.

    `obligor` owes it (empty: nobody). `due` is when it pays, None if never; `liquidity` how fast it is money:

    cash        a free claim on a central bank, payable on demand
    demand      any other free claim that can be called now
    term        a claim that pays later
    marketable  a free token, or a share: it must be sold or taken out of its contract
    encumbered  held, pledged, or inside a contract that does not let it go now
    attested    said by somebody, not on the ledger: `party` signed it at `attested`, until `until`
    """

    account: str
    asset: str
    kind: str
    units: int
    free_units: int
    where: str
    party: str
    until: int | None
    note: str
    obligor: str
    standing: Standing
    due: int | None
    maturity: Bucket
    liquidity: Liquidity
    parts: tuple[Part, ...]
    attested: int = 0

    @property
    def currency(self) -> str:
        """What the row comes to at the end of its terms; `several` for a share of different things."""
        found = {part.currency for part in self.parts}
        return found.pop() if len(found) == 1 else "several"

    @property
    def value(self) -> int | None:
        """What the row counts for, in minor units of the sheet's unit; None if a price is missing."""
        if any(part.value is None for part in self.parts):
            return None
        return sum(part.value or 0 for part in self.parts)


STATED_DEBT: Final = "counts in full until its attestor withdraws it, past its expiry too"
EXPIRED_DEBT: Final = "its attestation expired; it counts in full until its attestor withdraws it"


@dataclass(frozen=True, slots=True)
class LiabilityRow:
    """What is owed to one holder on one claim, or one debt inside a contract.

    `kind` is `claim`, `debt` or `attested`; `status` is outstanding, requested, due or defaulted. `value` is
    at par, rounded up. A row below zero is what lies with that holder for the institution itself.
    What is attested was signed by `attestor` at `attested`, until `until` (microseconds UTC); `note` says
    that it counts all the same until it is withdrawn.
    """

    asset: str
    kind: str
    holder: str
    institution: str
    units: int
    status: str
    rank: str
    standing: Standing
    currency: str
    at_par: int
    due: int | None
    maturity: Bucket
    value: int | None
    why: str = ""
    attestor: str = ""
    attested: int = 0
    until: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A balance sheet in `unit`, of the state at `height` and `time` (microseconds UTC)."""

    institution: str
    unit: str
    height: int
    time: int
    accounts: tuple[str, ...]
    roles: tuple[str, ...]
    related: tuple[str, ...]
    assets: tuple[AssetRow, ...]
    liabilities: tuple[LiabilityRow, ...]
    missing: tuple[Missing, ...]
    unanswered: tuple[Unanswered, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every price was known and every contract answered."""
        return not (self.missing or self.unanswered)

    @property
    def assets_value(self) -> int:
        """What the assets that have a price are worth; a share counts as far as its parts have one."""
        return sum(part.value or 0 for row in self.assets for part in row.parts)

    @property
    def liabilities_value(self) -> int | None:
        """What is owed, None if some of it has no price."""
        if any(row.value is None for row in self.liabilities):
            return None
        return sum(row.value or 0 for row in self.liabilities)

    @property
    def equity(self) -> int | None:
        """Assets less liabilities, None if a price is missing or a contract did not answer."""
        owed = self.liabilities_value
        return self.assets_value - owed if self.is_complete and owed is not None else None

    @property
    def equity_at_least(self) -> int | None:
        """The same with what has no price at zero, None if some of what is owed has no price."""
        owed = self.liabilities_value
        return None if owed is None or self.unanswered else self.assets_value - owed

    @property
    def encumbered_value(self) -> int:
        """What the encumbered part of the priced assets is worth, by units."""
        return sum(
            mul_div_down(row.value, row.units - row.free_units, row.units)
            for row in self.assets
            if row.value and row.liquidity != "attested" and row.where != "due_in"
        )

    @property
    def related_value(self) -> int:
        """What claims on related parties are worth in it."""
        return sum(part.value or 0 for row in self.assets for part in row.parts if part.standing == "related")

    def by_currency(self) -> dict[str, tuple[int, int]]:
        """Return (assets, liabilities) in kind at par by currency; no price is needed for it.

        A token is its own currency. Self-issued and related tokens are left out, as they count zero.
        """
        found: dict[str, list[int]] = {}
        for row in self.assets:
            for part in row.parts:
                if part.at_par:
                    found.setdefault(part.currency, [0, 0])[0] += part.at_par
        for owed in self.liabilities:
            found.setdefault(owed.currency, [0, 0])[1] += owed.at_par
        return {currency: (have, owe) for currency, (have, owe) in sorted(found.items())}


def total_by(
    rows: Iterable[_T], key: Callable[[_T], str], value: Callable[[_T], int | None]
) -> dict[str, int]:
    """Return the sums of the known values of rows by a key, sorted by it."""
    found: dict[str, int] = {}
    for row in rows:
        found[key(row)] = found.get(key(row), 0) + (value(row) or 0)
    return dict(sorted(found.items()))


def sheet(books: Books, institution: str, prices: Prices) -> Sheet:
    """Return the institution's balance sheet. Rejections: `unknown_institution`."""
    return _Making(books, institution, prices).sheet()


class _Making:
    """One sheet in the making: what it belongs to, and what it found on the way."""

    def __init__(self, books: Books, institution: str, prices: Prices) -> None:
        self.books = books
        self.record = books.institution(institution)
        self.prices = prices
        self.now = books.clock.time
        self.accounts = books.accounts_of(institution)
        self.own = {institution, *self.accounts}
        self.related = books.related_to(institution)
        self.missing: dict[str, Missing] = {}
        self.unanswered: list[Unanswered] = []
        self.netted: list[tuple[str, str, int]] = []
        """(claim, where it lies, units): own claims outside own accounts that are the institution's all the
        same."""
        self.debts: list[LiabilityRow] = []

    def sheet(self) -> Sheet:
        assets = [row for account in self.accounts for row in self._asset_rows(account)]
        stated_assets, stated_liabilities = self._stated()
        liabilities = [*self._claims(), *self.debts, *stated_liabilities]
        return Sheet(
            institution=self.record.name,
            unit=self.prices.unit,
            height=self.books.clock.height,
            time=self.now,
            accounts=self.accounts,
            roles=self.record.roles,
            related=tuple(sorted(self.related)),
            assets=(*assets, *stated_assets),
            liabilities=tuple(liabilities),
            missing=tuple(self.missing[name] for name in sorted(self.missing)),
            unanswered=tuple(self.unanswered),
        )

    # Assets.

    def _asset_rows(self, account: str) -> list[AssetRow]:
        holdings, unanswered = holdings_of(self.books, account)
        self.unanswered += unanswered
        rows = []
        for holding in holdings:
            if holding.owed:
                self.debts.append(self._debt(holding))
            elif self.books.asset(holding.asset).obligor in self.own and holding.where != "due_in":
                # An own claim is nothing to have: held in an own account it is not owed to anybody.
                if holding.where in ("inside", "pledged") and holding.party:
                    self.netted.append((holding.asset, holding.party, holding.units))
            else:
                rows.append(self._asset_row(holding))
        return rows

    def _asset_row(self, holding: Holding) -> AssetRow:
        record = self.books.asset(holding.asset)
        obligor = holding.party if holding.where == "due_in" else record.obligor
        standing = self._standing(obligor or record.issuer)
        due = None if record.terms is None else pays_at(record.terms, now=self.now)
        if holding.where in ("requested", "due", "defaulted", "inside", "held") and holding.until is not None:
            due = holding.until if record.terms is not None else None
        return AssetRow(
            account=holding.account,
            asset=holding.asset,
            kind=record.kind,
            units=holding.units,
            free_units=holding.free_units,
            where=holding.where,
            party=holding.party,
            until=holding.until,
            note=holding.note,
            obligor=obligor,
            standing=standing,
            due=due,
            maturity=bucket_of(due, now=self.now),
            liquidity=self._liquidity(holding),
            parts=self._parts(holding, standing),
        )

    def _parts(self, holding: Holding, owed_by: Standing) -> tuple[Part, ...]:
        """Return what is behind a holding, each part counted: own and related tokens zero."""
        found = []
        for component in look_through(self.books, holding.asset, holding.units):
            record = self.books.asset(component.asset)
            due_in = holding.where == "due_in"
            debtor = component.due_from
            standing = owed_by if due_in else self._standing(debtor or record.obligor or record.issuer)
            end = end_of(self.books.state.get, component.asset)
            part = Part(component.asset, component.units, component.via, standing, end.thing, 0, 0)
            part = replace(part, due_from=component.due_from)
            whole = replace(part, at_par=mul_div_down(part.units, end.numerator, end.denominator))
            if component.stopped:
                missing = Missing(
                    component.asset, self.prices.unit, f"share not followed: {component.stopped}"
                )
                self.missing[component.asset] = missing
                found.append(replace(whole, value=None, why=missing.reason))
            elif debtor and standing == "own":
                self.debts.append(self._set_off(holding, component))
                found.append(replace(part, why="a debt of its own is taken off what is owed"))
            elif record.kind == "token" and self._standing(record.issuer) != "third_party":
                whose = "itself" if self._standing(record.issuer) == "own" else "a related party"
                found.append(replace(part, why=f"a token issued by {whose} counts zero"))
            elif standing == "own" and component.via:
                self.netted.append((component.asset, component.via[-1], component.units))
                found.append(replace(part, why="an own claim is taken off what is owed"))
            else:
                found.append(self._priced(whole, self.prices.price(self.books, component.asset)))
        return tuple(found)

    def _priced(self, part: Part, price: Price | Missing) -> Part:
        if isinstance(price, Missing):
            self.missing[part.asset] = price
            return replace(part, value=None, why=price.reason)
        return replace(part, value=price.value(part.units), price=price.source, priced=price.as_of)

    def _standing(self, party: str) -> Standing:
        """Return how near an institution or account is."""
        if party in self.own:
            return "own"
        whole = self.books.institution_of(party)
        if whole in self.own:
            return "own"
        return "related" if party in self.related or whole in self.related else "third_party"

    def _liquidity(self, holding: Holding) -> Liquidity:
        if holding.free_units < holding.units:
            return "term" if holding.where == "due_in" else "encumbered"
        record = self.books.asset(holding.asset)
        if record.terms is None or holding.where == "inside":
            return "marketable"
        if not is_on_demand(record.terms, now=self.now):
            return "term"
        return "cash" if is_central_bank(self.books, record.obligor) else "demand"

    # Liabilities.

    def _claims(self) -> list[LiabilityRow]:
        """Return a row for each holder of each own claim, and one below zero for what is netted."""
        rows = []
        for name in self.books.claims_on(self.record.name):
            asked = self._asked(name)
            for holder in sorted(self.books.holders(name)):
                if holder in self.accounts:
                    continue
                units = self.books.holders(name)[holder]
                for status, part, due in asked.get(holder, ()):
                    units -= part
                    rows.append(self._claim(name, holder, part, status, due))
                if units:
                    rows.append(self._claim(name, holder, units, "outstanding", None))
        for name, where, units in self.netted:
            rows.append(self._claim(name, where, -units, "outstanding", None))
        return rows

    def _asked(self, name: str) -> dict[str, list[tuple[str, int, int]]]:
        """Return the redemptions of a claim by holder, as (status, units, due)."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        for _, lot in self.books.lots_in(name):
            late = "due" if lot.due <= self.now else "requested"
            status = "defaulted" if lot.status == "defaulted" else late
            found.setdefault(lot.holder, []).append((status, lot.units, lot.due))
        return found

    def _claim(self, name: str, holder: str, units: int, status: str, due: int | None) -> LiabilityRow:
        terms = self.books.asset(name).terms
        assert terms is not None
        end = end_of(self.books.state.get, name)
        price = self.prices.par(self.books, name)
        if isinstance(price, Missing):
            self.missing[name] = price
        due = pays_at(terms, now=self.now) if due is None else due
        return LiabilityRow(
            asset=name,
            kind="claim",
            holder=holder,
            institution=self.books.institution_of(holder),
            units=units,
            status=status,
            rank=terms.rank,
            standing=self._standing(holder),
            currency=end.thing,
            at_par=_par_up(units, end.numerator, end.denominator),
            due=due,
            maturity=bucket_of(due, now=self.now),
            value=None if isinstance(price, Missing) else _par_up(units, price.numerator, price.denominator),
            why=price.reason if isinstance(price, Missing) else "",
        )

    def _debt(self, holding: Holding) -> LiabilityRow:
        """Return what an account owes inside a contract: units to bring, at what they cost."""
        record = self.books.asset(holding.asset)
        end = end_of(self.books.state.get, holding.asset)
        own_token = record.kind == "token" and self._standing(record.issuer) == "own"
        price = self.prices.price(self.books, holding.asset)
        value: int | None = None
        if own_token:
            value = 0
        elif isinstance(price, Price):
            value = price.value_up(holding.units)
        else:
            self.missing[holding.asset] = price
        return LiabilityRow(
            asset=holding.asset,
            kind="debt",
            holder=holding.party,
            institution="",
            units=holding.units,
            status="outstanding",
            rank="secured",
            standing="third_party",
            currency=end.thing,
            at_par=0 if own_token else mul_div_up(holding.units, end.numerator, end.denominator),
            due=holding.until,
            maturity=bucket_of(holding.until, now=self.now) if holding.until is not None else "on_demand",
            value=value,
            why="a token issued by itself counts zero" if own_token else "",
        )

    def _set_off(self, holding: Holding, component: Component) -> LiabilityRow:
        """Return, below zero, what the institution owes to a contract whose shares it holds itself."""
        owed = replace(holding, asset=component.asset, units=component.units, party=component.via[-1])
        debt = self._debt(replace(owed, until=None))
        end = end_of(self.books.state.get, component.asset)
        at_par = mul_div_down(component.units, end.numerator, end.denominator) if debt.at_par else 0
        price = self.prices.price(self.books, component.asset)
        value = price.value(component.units) if debt.value and isinstance(price, Price) else debt.value
        return replace(debt, units=-debt.units, at_par=-at_par, value=None if value is None else -value)

    # What others state.

    def _stated(self) -> tuple[list[AssetRow], list[LiabilityRow]]:
        assets, liabilities = [], []
        for contract, statement in self.books.statements(self.record.name):
            if statement.side == "asset":
                assets.append(self._stated_asset(contract, statement))
            else:
                liabilities.append(self._stated_liability(contract, statement))
        return assets, liabilities

    def _counts(self, statement: Statement) -> str:
        """Return why a statement counts zero, or nothing."""
        if statement.expires <= self.now:
            return f"the attestation expired at {statement.expires}"
        if self._standing(statement.attestor) != "third_party":
            return "attested by itself or a related party"
        return ""

    def _worth(self, what: str) -> Price | Missing:
        if is_asset(what) and self.books.state.get(("asset", what)) is None:
            return Missing(what, self.prices.unit, f"there is no asset {what}")
        return self.prices.price(self.books, what)

    def _stated_asset(self, contract: str, statement: Statement) -> AssetRow:
        why = self._counts(statement)
        end = end_of(self.books.state.get, statement.what)
        part = Part(statement.what, statement.units, (contract,), "third_party", end.thing, 0, 0, why=why)
        if not why:
            at_par = mul_div_down(statement.units, end.numerator, end.denominator)
            part = self._priced(replace(part, at_par=at_par), self._worth(statement.what))
        due = max(statement.matures, self.now)
        return AssetRow(
            account=contract,
            asset=statement.what,
            kind="attested",
            units=statement.units,
            free_units=0,
            where="attested",
            party=statement.attestor,
            until=statement.expires,
            note=f"{statement.item}: {statement.reference}",
            obligor=statement.attestor,
            standing="third_party",
            due=due,
            maturity=bucket_of(due, now=self.now),
            liquidity="attested",
            parts=(part,),
            attested=statement.attested,
        )

    def _stated_liability(self, contract: str, statement: Statement) -> LiabilityRow:
        # What somebody says is owed does not go away by an expiry: only assets lapse.
        price = self._worth(statement.what)
        if isinstance(price, Missing):
            self.missing[statement.what] = price
        end = end_of(self.books.state.get, statement.what)
        due = max(statement.matures, self.now)
        return LiabilityRow(
            asset=statement.what,
            kind="attested",
            holder=f"{contract}: {statement.item}",
            institution="",
            units=statement.units,
            status="outstanding",
            rank="senior",
            standing="third_party",
            currency=end.thing,
            at_par=mul_div_up(statement.units, end.numerator, end.denominator),
            due=due,
            maturity=bucket_of(due, now=self.now),
            value=None if isinstance(price, Missing) else price.value_up(statement.units),
            why=price.reason if isinstance(price, Missing) else "",
            attestor=statement.attestor,
            attested=statement.attested,
            until=statement.expires,
            note=EXPIRED_DEBT if statement.expires <= self.now else STATED_DEBT,
        )


def _par_up(units: int, numerator: int, denominator: int) -> int:
    """Return what units that are owed come to, rounded up; for what is taken off, the same below zero."""
    if units < 0:
        return -mul_div_down(-units, numerator, denominator)
    return mul_div_up(units, numerator, denominator)


def is_central_bank(books: Books, institution: str) -> bool:
    """Tell whether an institution registered as a central bank."""
    return bool(institution) and "central_bank" in books.institution(institution).roles
