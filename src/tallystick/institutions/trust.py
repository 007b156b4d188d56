"""The trust lens: whom somebody who holds this relies on, in units and as a share.

    trust_of_account(books, "alice")      everything that alice has, positions inside contracts included
    trust_of_asset(books, "share@pool")   everything that is outstanding of one asset

Each thing held is followed to its end (`holdings.look_through`): through shares to what backs them, until a
claim, which somebody owes, or a token, which nobody owes. Then four questions are answered about all of it:

    obligors   who owes it (`direct`), and who owes what that obligor pays with (`through`), to the end
    contracts  whose code holds it on the way
    powers     who can freeze it, claw it back, change its rules, or has a power in a contract on the way
    oracles    whose word such a contract leans on, itself or through contracts that it depends on

A claim is *credit*, a token *computation*. What could not be followed is neither and is said. Nothing is
netted: debts stand apart, for a creditor who is owed does not thereby trust less. A claim on the holder's own
institution is no exposure and stands apart too.

The rule that must hold: the parts add up. What is held of each asset is the sum of what was found, what
rounding left inside contracts and what stopped; a share is of that sum. Refused: one score. A number that
adds a freeze to a default hides both.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tallystick.institutions.books import Books
from tallystick.institutions.coverage import levels_now
from tallystick.institutions.holdings import Unanswered, holdings_of, look_through
from tallystick.institutions.owing import end_of
from tallystick.institutions.prices import Missing, Price, Prices
from tallystick.ledger.amounts import mul_div_down
from tallystick.ledger.names import is_asset
from tallystick.ledger.records import Account, Asset
from tallystick.ledger.rejections import Code, Rejection

PPM = 1_000_000

Label = Literal["credit", "computation", "unknown", "nothing"]
CoverageOf = Callable[[str], "int | str"]
"""Answers an institution's coverage in parts per million, or in words why it cannot be said."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Units of one asset; `share_ppm` of all that was found of that asset, rounded down."""

    asset: str
    units: int
    share_ppm: int


@dataclass(frozen=True, slots=True)
class Exposure:
    """How much hangs on one name.

    `how` says in which way: `direct` or `through` for an obligor, the kind of a contract or oracle, the power
    of a holder of one. `value` is what the priced part of `amounts` is worth in the lens's unit, rounded
    down, and `share_ppm` its part of everything priced; both None without a price. `on` is the asset or
    contract in which a power lies, `bound` and `delay_seconds` are the power's. `via` names the obligors
    between the holder and one that is `through`. `coverage_ppm` is the obligor's coverage in kind (see
    `coverage_in_kind`), or None with `coverage_missing` saying why.
    """

    name: str
    how: str
    amounts: tuple[Amount, ...]
    value: int | None = None
    share_ppm: int | None = None
    on: str = ""
    bound: str = ""
    delay_seconds: int = 0
    via: tuple[str, ...] = ()
    coverage_ppm: int | None = None
    coverage_missing: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Something held, at its end: `units` of a claim or token, by which contracts' code.

    `stopped` says why a share could not be followed; `asset` is then that share and the label `unknown`.
    With `due_in` it is not there yet: `obligor`, an institution or account, owes it through a contract.
    """

    asset: str
    units: int
    label: Label
    obligor: str = ""
    contracts: tuple[str, ...] = ()
    stopped: str = ""
    due_in: bool = False


@dataclass(frozen=True, slots=True)
class Trust:
    """What the lens shows of one account or asset, as of `time` (microseconds UTC).

    `value` is what is priced is worth in `unit`; `credit_ppm` and `computation_ppm` are parts of that.
    `unpriced` says which assets have no price there, and why. `own` are claims on the holder's institution,
    `owes` the debts inside contracts, `unanswered` the contracts that would not say.
    """

    subject: str
    subject_kind: Literal["account", "asset"]
    time: int
    label: Label
    unit: str
    value: int | None
    credit_ppm: int | None
    computation_ppm: int | None
    parts: tuple[Part, ...]
    obligors: tuple[Exposure, ...]
    contracts: tuple[Exposure, ...]
    powers: tuple[Exposure, ...]
    oracles: tuple[Exposure, ...]
    own: tuple[Amount, ...] = ()
    owes: tuple[Amount, ...] = ()
    unpriced: tuple[Missing, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()


def trust_of_account(
    books: Books,
    account: str,
    *,
    prices: Prices | None = None,
    price_from: Sequence[str] = (),
    coverage: CoverageOf | None = None,
) -> Trust:
    """Return what the account's holdings rely on. Rejections: `unknown_account`.

    Without `prices` everything is at par, and by the contracts in `price_from`, in the unit of account that
    most of the claims are owed in.
    """
    record: Account | None = books.state.get(("account", account))
    if record is None:
        raise Rejection(Code.UNKNOWN_ACCOUNT, account=account[:64])
    holdings, unanswered = holdings_of(books, account)
    controller = record.controller
    parts: list[Part] = []
    owed: dict[str, int] = {}
    for holding in holdings:
        if holding.owed:
            owed[holding.asset] = owed.get(holding.asset, 0) + holding.units
            continue
        inside = holding.party if holding.where in ("inside", "pledged") else ""
        containers = tuple(name for name in (controller, inside) if name)
        found = _parts(books, holding.asset, holding.units, containers)
        if holding.where == "due_in":
            debtor = books.institution_of(holding.party) or holding.party
            found = [replace(part, label="credit", obligor=debtor, due_in=True) for part in found]
        parts += found
    own = books.institution_of(account)
    lens = _Lens(
        books, parts, own=own, prices=prices, price_from=price_from, coverage=coverage, unanswered=unanswered
    )
    return lens.trust(account, "account", owes=owed)


def trust_of_asset(
    books: Books,
    asset: str,
    *,
    units: int | None = None,
    prices: Prices | None = None,
    price_from: Sequence[str] = (),
    coverage: CoverageOf | None = None,
) -> Trust:
    """Return what a holder of the asset relies on: of `units`, or of all that is outstanding.

    Where nothing is outstanding it is of one whole unit. Rejections: `unknown_asset`.
    """
    record = books.asset(asset)
    amount = units or books.outstanding(asset) or 10**record.decimals
    lens = _Lens(
        books, _parts(books, asset, amount, ()), prices=prices, price_from=price_from, coverage=coverage
    )
    return lens.trust(asset, "asset")


def _parts(books: Books, asset: str, units: int, containers: tuple[str, ...]) -> list[Part]:
    found = []
    for component in look_through(books, asset, units):
        record = books.asset(component.asset)
        contracts = tuple(dict.fromkeys([*containers, *component.via]))
        label: Label = "credit" if record.obligor else "computation"
        found.append(
            Part(
                component.asset,
                component.units,
                "unknown" if component.stopped else "credit" if component.due_from else label,
                books.institution_of(component.due_from) or component.due_from or record.obligor,
                contracts,
                component.stopped,
                due_in=bool(component.due_from),
            )
        )
    return found


def obligor_chain(books: Books, asset: str) -> tuple[str, ...]:
    """Return who owes a claim, then who owes what that one pays with, and so on; empty for what is no claim.

    Terms are fixed when a claim is declared and name what exists already, so a chain comes to an end; should
    one come back to an asset all the same, it stops there.
    """
    found, passed = [], {asset}
    record = books.asset(asset)
    while record.terms is not None:
        found.append(record.obligor)
        owes = record.terms.owes
        if not is_asset(owes) or owes in passed:
            break
        passed.add(owes)
        record = books.asset(owes)
    return tuple(found)


def coverage_in_kind(books: Books, obligor: str, claims: Iterable[str]) -> int | str:
    """Return the lowest of an obligor's assets over liabilities, in ppm, in what these claims come to.

    In words where the obligor is no institution, such as a borrower, or owes others nothing of that.
    """
    if books.state.get(("institution", obligor)) is None:
        return "no institution"
    levels = levels_now(books, obligor)
    things = {end_of(books.state.get, claim).thing for claim in claims}
    ratios = [levels[thing].ratio_ppm for thing in sorted(things) if thing in levels]
    told = [ratio for ratio in ratios if ratio is not None]
    return min(told) if told else "owes others nothing of this"


def usual_unit(books: Books, parts: Iterable[Part]) -> str:
    """Return the unit of account that most of the claims come to at par; the first by name among equals."""
    counted: dict[str, int] = {}
    for asset in sorted({part.asset for part in parts if part.label == "credit"}):
        record: Asset = books.asset(asset)
        while record.terms is not None and is_asset(record.terms.owes):
            record = books.asset(record.terms.owes)
        if record.terms is not None:
            counted[record.terms.owes] = counted.get(record.terms.owes, 0) + 1
    return min(counted, key=lambda unit: (-counted[unit], unit), default="")


_Units = dict[str, int]


class _Lens:
    """One question's working: the parts, their prices, and the tables that they are added into."""

    def __init__(
        self,
        books: Books,
        parts: list[Part],
        *,
        own: str = "",
        prices: Prices | None,
        price_from: Sequence[str],
        coverage: CoverageOf | None,
        unanswered: Iterable[Unanswered] = (),
    ) -> None:
        self.books = books
        self.own: _Units = {}
        for part in parts:
            if own and part.obligor == own:
                _add(self.own, part)
        self.parts = [part for part in parts if not (own and part.obligor == own)]
        self.coverage = coverage
        self.unanswered = list(unanswered)
        self.totals: _Units = {}
        for part in self.parts:
            _add(self.totals, part)
        unit = usual_unit(books, self.parts)
        self.prices = prices or (Prices(unit, contracts=price_from) if unit else None)
        self.priced: dict[str, Price] = {}
        self.unpriced: list[Missing] = []
        self._price()
        self.value = sum(self.priced[asset].value(units) for asset, units in self._known(self.totals))

    def _price(self) -> None:
        if self.prices is None:
            return
        stopped = {part.asset: part.stopped for part in self.parts if part.stopped}
        for asset in sorted(self.totals):
            if asset in stopped:
                why = f"what is behind it is unknown: {stopped[asset]}"
                self.unpriced.append(Missing(asset, self.prices.unit, why))
                continue
            price = self.prices.price(self.books, asset)
            if isinstance(price, Price):
                self.priced[asset] = price
            else:
                self.unpriced.append(price)

    def _known(self, amounts: _Units) -> list[tuple[str, int]]:
        return [(asset, units) for asset, units in sorted(amounts.items()) if asset in self.priced]

    def trust(
        self, subject: str, subject_kind: Literal["account", "asset"], *, owes: _Units | None = None
    ) -> Trust:
        """Put the answer together."""
        credit, computation = self._share_of("credit"), self._share_of("computation")
        return Trust(
            subject=subject,
            subject_kind=subject_kind,
            time=self.books.clock.time,
            label=self._label(),
            unit=self.prices.unit if self.prices else "",
            value=self.value if self.priced else None,
            credit_ppm=credit,
            computation_ppm=computation,
            parts=tuple(sorted(self.parts, key=_place)),
            obligors=self._obligors(),
            contracts=self._contracts(),
            powers=self._powers(),
            oracles=self._oracles(),
            own=self._amounts(self.own, self.own),
            owes=self._amounts(owes or {}, owes or {}),
            unpriced=tuple(self.unpriced),
            unanswered=tuple(self.unanswered),
        )

    def _label(self) -> Label:
        labels = {part.label for part in self.parts}
        if "credit" in labels:
            return "credit"
        if "unknown" in labels or self.unanswered:
            return "unknown"
        return "computation" if labels else "nothing"

    def _share_of(self, label: Label) -> int | None:
        amounts: _Units = {}
        for part in self.parts:
            if part.label == label:
                _add(amounts, part)
        return self._worth(amounts)[1]

    def _obligors(self) -> tuple[Exposure, ...]:
        found: dict[tuple[str, str], _Units] = {}
        between: dict[tuple[str, str], set[str]] = {}
        for part in self.parts:
            if part.label != "credit":
                continue
            chain = obligor_chain(self.books, part.asset)
            if part.due_in:
                chain = (part.obligor, *chain)
            for place, obligor in enumerate(dict.fromkeys(chain)):
                key = (obligor, "direct" if place == 0 else "through")
                _add(found.setdefault(key, {}), part)
                between.setdefault(key, set()).update(chain[:place])
        return self._exposures(
            (self._covered(key, amounts, tuple(sorted(between[key])))) for key, amounts in found.items()
        )

    def _covered(self, key: tuple[str, str], amounts: _Units, via: tuple[str, ...]) -> Exposure:
        obligor, how = key
        if self.coverage is not None:
            told = self.coverage(obligor)
        else:
            told = coverage_in_kind(self.books, obligor, amounts)
        ratio, why = (told, "") if isinstance(told, int) else (None, told)
        return self._exposure(obligor, how, amounts, via=via, coverage_ppm=ratio, coverage_missing=why)

    def _contracts(self) -> tuple[Exposure, ...]:
        found = self._by_contract()
        return self._exposures(
            self._exposure(contract, self._kind(contract), amounts) for contract, amounts in found.items()
        )

    def _by_contract(self) -> dict[str, _Units]:
        found: dict[str, _Units] = {}
        for part in self.parts:
            for contract in part.contracts:
                _add(found.setdefault(contract, {}), part)
        return found

    def _kind(self, contract: str) -> str:
        instance = self.books.instance(contract)
        return f"{instance.kind} {instance.version}"

    def _powers(self) -> tuple[Exposure, ...]:
        found = [*self._powers_over_assets(), *self._powers_in_contracts()]
        return self._exposures(found)

    def _powers_over_assets(self) -> Iterable[Exposure]:
        for asset, units in self.totals.items():
            record, amounts = self.books.asset(asset), {asset: units}
            if record.claw_back_by:
                yield self._exposure(
                    record.claw_back_by, "claw back", amounts, on=asset, bound="any holder's"
                )
            policy = record.policy
            if policy is not None and policy.lists_by:
                yield self._exposure(policy.lists_by, "freeze", amounts, on=asset, bound="any account")
            if policy is not None and policy.rules_by:
                yield self._exposure(
                    policy.rules_by,
                    "change rules",
                    amounts,
                    on=asset,
                    bound="the rules of its policy",
                    delay_seconds=policy.delay_seconds,
                )

    def _powers_in_contracts(self) -> Iterable[Exposure]:
        for contract, amounts in self._by_contract().items():
            try:
                powers = self.books.powers(contract)
            except Rejection as refused:
                self._note_unanswered(contract, refused)
                continue
            for power in powers:
                yield self._exposure(
                    power.holder,
                    power.power,
                    amounts,
                    on=contract,
                    bound=power.bound,
                    delay_seconds=power.delay_seconds,
                )

    def _oracles(self) -> tuple[Exposure, ...]:
        found: dict[str, _Units] = {}
        for part in self.parts:
            leaned = dict.fromkeys(
                oracle for contract in part.contracts for oracle in self._leans_on(contract)
            )
            for oracle in leaned:
                _add(found.setdefault(oracle, {}), part)
        return self._exposures(
            self._exposure(oracle, self._oracle_kind(oracle), amounts) for oracle, amounts in found.items()
        )

    def _oracle_kind(self, oracle: str) -> str:
        return self._kind(oracle) if oracle in self.books.contracts else "account"

    def _leans_on(self, contract: str) -> list[str]:
        """Return the oracles that a contract depends on, itself and through others; each contract once."""
        oracles: dict[str, None] = {}
        waiting, passed = [contract], {contract}
        while waiting:
            asked = waiting.pop()
            try:
                depends = self.books.dependencies(asked)
            except Rejection as refused:
                self._note_unanswered(asked, refused)
                continue
            oracles |= dict.fromkeys(depends.oracles)
            for other in depends.contracts:
                if other not in passed:
                    passed.add(other)
                    waiting.append(other)
        return list(oracles)

    def _note_unanswered(self, contract: str, refused: Rejection) -> None:
        told = Unanswered("", contract, refused.code.value)
        if told not in self.unanswered:
            self.unanswered.append(told)

    # Adding up.

    def _exposure(
        self,
        name: str,
        how: str,
        amounts: _Units,
        *,
        on: str = "",
        bound: str = "",
        delay_seconds: int = 0,
        via: tuple[str, ...] = (),
        coverage_ppm: int | None = None,
        coverage_missing: str = "",
    ) -> Exposure:
        value, share = self._worth(amounts)
        return Exposure(
            name,
            how,
            self._amounts(amounts, self.totals),
            value,
            share,
            on=on,
            bound=bound,
            delay_seconds=delay_seconds,
            via=via,
            coverage_ppm=coverage_ppm,
            coverage_missing=coverage_missing,
        )

    def _worth(self, amounts: _Units) -> tuple[int | None, int | None]:
        """Return what the priced part is worth and its share of all that is priced, rounded down."""
        known = self._known(amounts)
        if not self.value or (amounts and not known):
            return None, None
        value = sum(self.priced[asset].value(units) for asset, units in known)
        return value, mul_div_down(value, PPM, self.value)

    def _amounts(self, amounts: _Units, totals: _Units) -> tuple[Amount, ...]:
        return tuple(
            Amount(asset, units, mul_div_down(units, PPM, totals[asset]))
            for asset, units in sorted(amounts.items())
        )

    def _exposures(self, found: Iterable[Exposure]) -> tuple[Exposure, ...]:
        """Return exposures, the largest first; those without a value last, by name."""
        return tuple(sorted(found, key=lambda one: (-(one.value or 0), one.name, one.how, one.on)))


def _add(amounts: _Units, part: Part) -> None:
    amounts[part.asset] = amounts.get(part.asset, 0) + part.units


def _place(part: Part) -> tuple[str, tuple[str, ...], str]:
    return part.asset, part.contracts, part.stopped
