"""A case as a ledger: each published sheet is booked on the day of its publication, and not before.

Every institution of the case is one on the ledger, with two accounts: NAME issues what it owes, and
NAME.holds has what it holds. An asset on a sheet is a claim on whoever owes it, or a token that nobody owes;
what nobody names is a claim on `as-stated`, which is the sheet's source and vouches for nothing. What is
pledged or locked is held for whom it is promised to. A newer sheet of the same institution is booked as the
difference, so balances are always those of the newest.

Amounts are cents. A token is booked as cents' worth on the day its sheet was published, so that its price
is 1 then and follows the market's closes from there: `closes` reports each to an oracle of the ledger, on the
day of the close, and the views read prices where everybody does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from tallystick.contracts.oracle import Oracle
from tallystick.institutions.prices import PriceBook, Prices
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tallystick.stress.replay.alarm import Tags
from tallystick.stress.replay.case import (
    AssetClass,
    AssetLine,
    Case,
    ClaimClass,
    ClaimLine,
    Gate,
    Quantity,
    Sheet,
)
from tallystick.stress.replay.ledger import SimulatedLedger, calling, deploying, noon

MINOR = 100
"""Cents in a whole unit of account."""
STATED = "as-stated"
HOLDS = ".holds"
CLOSES = "closes"
"""The account that reports closes."""
SCALE = 10**12
_STALE_DAYS = 30
_LONG_DAYS = 3 * 365
_PRICE_DIGITS = 18
_TERM: Mapping[AssetClass, int] = {
    "agency": 2_000,
    "loans": 365,
    "stakes": _LONG_DAYS,
    "unspecified": _LONG_DAYS,
}
"""In how many days what is no money and no market's pays, where a sheet does not say."""


@dataclass
class _Promise:
    """An open hold on a line, to be released before the line changes."""

    hold: str
    beneficiary: str


@dataclass
class World:
    """A case's ledger as somebody could have kept it who read what was published, day by day."""

    case: Case
    assumed: Mapping[str, Fraction]
    ledger: SimulatedLedger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = SimulatedLedger(self.case.name, start=self.case.first_day)
        self._codes: dict[tuple[str, str], str] = {}
        self._classes: dict[str, AssetClass] = {}
        self._claims: dict[str, ClaimClass] = {}
        self._markets: dict[str, Fraction] = {}
        """What an asset trades at over what it is stated at, where its sheet says."""
        self._booked: dict[str, date] = {}
        """The day as of whose close a token is booked at 1."""
        self._to_be_made: set[str] = set()
        self._tokens: dict[str, str] = {}
        self._lines: dict[str, dict[tuple[str, str], int]] = {}
        """By institution: what it booked, by (asset, holder), in cents."""
        self._promises: dict[tuple[str, str, str], _Promise] = {}
        self._oracles: dict[str, str] = {}
        """By token: the oracle that its closes are reported to, once there was one."""
        self._found()

    # What is undated: who there is, who declared whom, which tokens there are.

    def _found(self) -> None:
        ledger = self.ledger
        founded = {STATED: ((), ())} | {
            name: (one.roles, one.related) for name, one in self.case.institutions.items()
        }
        for name, (roles, related) in founded.items():
            ledger.open(name, name + HOLDS)
            ledger.do(
                name,
                tx.FoundInstitution(account=name, name=name, roles=roles, related=related),
                tx.JoinInstitution(account=name + HOLDS, institution=name),
            )
        for name, token in self.case.tokens.items():
            issuer = token.issuer or "nobody"
            ledger.open(issuer)
            created = tx.CreateAsset(account=issuer, code=name, kind="token", decimals=2)
            self._tokens[name] = str(ledger.result_of(ledger.do(issuer, created)))

    # A day.

    def reach(self, gate: Gate) -> None:
        """Let the ledger reach the end of a day: book the sheets that were published on it."""
        self.ledger.advance_to(noon(gate.today))
        for sheet in gate.new_sheets():
            self.book(sheet, gate)
        for name in sorted(self._tokens):
            if self._booked.get(self._tokens[name]) is not None and gate.close(name) is not None:
                self._report(name, gate)

    def _report(self, token: str, gate: Gate) -> None:
        """Report a token's close to its oracle, deployed with the first."""
        value = int(self.moved(token, gate) * SCALE)
        if not value:
            return
        oracle = f"price-{token}"
        if token not in self._oracles:
            self.ledger.open(CLOSES)
            source = {"name": CLOSES, "kind": "market", "window_seconds": 0, "reference": ""}
            parameters = {
                "base": self._tokens[token],
                "quote": self.case.unit,
                "quote_decimals": 2,
                "scale": SCALE,
                "sources": [source],
                "quorum": 1,
                "stale_seconds": _STALE_DAYS * 86_400,
                "spread_ppm_max": 10_000,
            }
            self.ledger.do(CLOSES, deploying(CLOSES, oracle, Oracle(), parameters))
            self._oracles[token] = oracle
        self.ledger.advance_to(self.ledger.time + 1_000_000)
        report = calling(CLOSES, oracle, Oracle(), "report", value=value, observed=self.ledger.time)
        self.ledger.do(CLOSES, report)

    def book(self, sheet: Sheet, gate: Gate) -> None:
        """Book a sheet: what it states, and nothing that an earlier one of the institution stated."""
        wanted: dict[tuple[str, str], int] = {}
        promised: dict[tuple[str, str], int] = {}
        holder = sheet.institution + HOLDS
        self.ledger.open(holder)
        for line in _with_rest(sheet.assets, sheet.stated_assets, self.assumed):
            asset = self._asset(line, sheet.institution, gate)
            key = (asset, holder)
            wanted[key] = wanted.get(key, 0) + self.cents(line.amount)
            if line.held_for:
                kept = (asset, line.held_for)
                promised[kept] = promised.get(kept, 0) + self.cents(line.amount)
        for claim in _with_other(sheet.liabilities, sheet.stated_liabilities, self.assumed):
            self.ledger.open(claim.held_by)
            key = (self._claim(claim, sheet.institution), claim.held_by)
            wanted[key] = wanted.get(key, 0) + self.cents(claim.amount)
        self._release(sheet.institution)
        self._adjust(sheet.institution, wanted)
        self._promise(sheet.institution, promised)

    def cents(self, quantity: Quantity) -> int:
        """Return a quantity of the case in cents, rounded down."""
        return int(quantity.value(self.assumed) * self.case.scale * MINOR)

    def _asset(self, line: AssetLine, institution: str, gate: Gate) -> str:
        if line.token:
            asset = self._tokens[line.token]
            self._booked.setdefault(asset, gate.today)
            if line.to_be_made:
                self._to_be_made.add(asset)
            plain = line.class_ not in ("pledged", "locked")
            if plain or asset not in self._classes:
                self._classes[asset] = line.class_ if plain else "listed"
            return asset
        obligor = line.owed_by or STATED
        days = _TERM.get(line.class_, 0) if line.pays_in_days is None else line.pays_in_days
        asset = self._declare(line.name, obligor, institution, Terms(owes=self.case.unit), days=days)
        self._classes[asset] = line.class_
        if line.market is not None:
            stated = line.amount.value(self.assumed)
            self._markets[asset] = line.market.value(self.assumed) / stated if stated else Fraction(1)
        return asset

    def _claim(self, line: ClaimLine, institution: str) -> str:
        owes = self._tokens[line.in_token] if line.in_token else self.case.unit
        days = 365 if line.class_ == "term" else 0
        if line.pays_in_days is not None:
            days = line.pays_in_days
        asset = self._declare(line.name, institution, institution, Terms(owes=owes), days=days)
        self._claims[asset] = line.class_
        if line.in_token:
            self._booked.setdefault(owes, self.case.first_day)
        return asset

    def _declare(self, name: str, obligor: str, of: str, terms: Terms, *, days: int) -> str:
        """Return a line's claim on an obligor, declared the first time."""
        known = self._codes.get((of, f"{name}@{obligor}"))
        if known is not None:
            return known
        code = name
        while self.ledger.state.get(("asset", f"{code}@{obligor}")) is not None:
            code = f"{name}-{len(self._codes)}"
        matures = self.ledger.time + days * 86_400_000_000 if days else None
        created = tx.CreateAsset(
            account=obligor,
            code=code,
            kind="claim",
            decimals=2,
            unit="" if "@" in terms.owes else terms.owes,
            obligor=obligor,
            terms=Terms(owes=terms.owes, matures=matures),
        )
        made = self._codes[of, f"{name}@{obligor}"] = str(
            self.ledger.result_of(self.ledger.do(obligor, created))
        )
        return made

    def _adjust(self, institution: str, wanted: Mapping[tuple[str, str], int]) -> None:
        """Issue what is more than was booked before, and give back what is less."""
        before = self._lines.get(institution, {})
        for key in sorted({*before, *wanted}):
            asset, holder = key
            more = wanted.get(key, 0) - before.get(key, 0)
            issuer = asset.partition("@")[2]
            if more > 0:
                self.ledger.do(issuer, tx.Issue(account=issuer, legs=((asset, holder, str(more)),)))
            elif more < 0:
                self.ledger.do(holder, tx.Transfer(account=holder, legs=((asset, issuer, str(-more)),)))
        self._lines[institution] = dict(wanted)

    def _promise(self, institution: str, promised: Mapping[tuple[str, str], int]) -> None:
        owner = institution + HOLDS
        for (asset, beneficiary), units in sorted(promised.items()):
            self.ledger.open(beneficiary)
            hold = tx.Hold(
                account=owner,
                beneficiary=beneficiary,
                legs=((asset, str(units)),),
                expires=self.ledger.time + _LONG_DAYS * 86_400_000_000,
                at_expiry="release",
            )
            made = self.ledger.result_of(self.ledger.do(owner, hold))
            self._promises[institution, asset, beneficiary] = _Promise(str(made), beneficiary)

    def _release(self, institution: str) -> None:
        for key in sorted(key for key in self._promises if key[0] == institution):
            promise = self._promises.pop(key)
            release = tx.Release(account=promise.beneficiary, hold=promise.hold)
            self.ledger.do(promise.beneficiary, release)

    # What is known about what was booked.

    def asset_class(self, asset: str) -> AssetClass:
        """Return what an asset is."""
        return self._classes.get(asset, "unspecified")

    def claim_class(self, claim: str) -> ClaimClass:
        """Return who can ask for a claim, and when."""
        return self._claims.get(claim, "demand")

    def market_ratio(self, asset: str) -> Fraction:
        """Return what an asset trades at over what it is stated at."""
        return self._markets.get(asset, Fraction(1))

    def cash_asset(self) -> str:
        """Return an asset that is money here, or nothing."""
        found = sorted(asset for asset, what in self._classes.items() if what == "cash")
        return found[0] if found else ""

    # What the ordinary views are given beside the ledger: prices and classes, as of a day.

    def stated_prices(self, gate: Gate) -> Prices:
        """Return prices at which everything is worth what its sheet states."""
        return self._prices(gate, dict.fromkeys(self._tokens.values(), Fraction(1)), "as stated")

    def market_prices(self, gate: Gate) -> Prices:
        """Return prices as of the end of the day: published market values, and the tokens' closes."""
        quotes = dict(self._markets)
        quotes |= {asset: Fraction(1) for name, asset in self._tokens.items() if name not in self._oracles}
        return self._prices(gate, quotes, "as published", tuple(sorted(self._oracles.values())))

    def moved(self, token: str, gate: Gate) -> Fraction:
        """Return what a token's close is over its close on the day it was booked; 1 without closes."""
        booked = self._booked.get(self._tokens[token])
        if booked is None or self._tokens[token] in self._to_be_made:
            return Fraction(1)
        now, then = gate.close(token), gate.close(token, min(booked, gate.today))
        return now / then if now is not None and then is not None else Fraction(1)

    def _prices(
        self, gate: Gate, quotes: Mapping[str, Fraction], source: str, contracts: tuple[str, ...] = ()
    ) -> Prices:
        book = PriceBook(
            unit=self.case.unit,
            as_of=noon(gate.today),
            source=source,
            quotes={asset: _decimal(price) for asset, price in quotes.items()},
            decimals={self.case.unit: 2},
        )
        return Prices(self.case.unit, book=book, contracts=contracts)

    def tags(self, gate: Gate) -> Tags:
        """Return what the ledger does not say about assets, as published by the end of the day."""
        turnover, market_value = {}, {}
        for name, asset in self._tokens.items():
            traded = gate.turnover(name)
            if traded is not None:
                turnover[asset] = int(traded * MINOR)
            known = gate.market_value(name)
            if known is not None:
                now, then = gate.close(name), gate.close(name, min(known.published, gate.today))
                moved = now / then if now is not None and then is not None else Fraction(1)
                market_value[asset] = int(known.amount * self.case.scale * MINOR * moved)
        return Tags(dict(self._classes), dict(self._claims), turnover, market_value)


def _decimal(price: Fraction) -> str:
    """Return a price as a plain decimal number, rounded down to eighteen places."""
    whole, rest = divmod(price.numerator * 10**_PRICE_DIGITS // price.denominator, 10**_PRICE_DIGITS)
    return f"{whole}.{rest:0{_PRICE_DIGITS}d}"


def _with_rest(
    lines: tuple[AssetLine, ...], stated: Quantity | None, assumed: Mapping[str, Fraction]
) -> list[AssetLine]:
    """Return the lines, and one for what is stated beyond them: nobody says what it is."""
    rest = _beyond(lines, stated, assumed)
    found = list(lines)
    if rest is not None:
        found.append(AssetLine(name="unspecified", amount=rest, class_="unspecified"))
    return found


def _with_other(
    lines: tuple[ClaimLine, ...], stated: Quantity | None, assumed: Mapping[str, Fraction]
) -> list[ClaimLine]:
    """Return the lines, and one for what is stated beyond them, due at some time."""
    rest = _beyond(lines, stated, assumed)
    found = list(lines)
    if rest is not None:
        found.append(ClaimLine(name="other", amount=rest, class_="term", held_by="others"))
    return found


def _beyond(
    lines: Sequence[AssetLine | ClaimLine], stated: Quantity | None, assumed: Mapping[str, Fraction]
) -> Quantity | None:
    """Return what is stated beyond the lines, if anything is."""
    if stated is None:
        return None
    rest = stated.value(assumed) - sum((line.amount.value(assumed) for line in lines), Fraction(0))
    return Quantity(rest) if rest > 0 else None
