"""What happened then, and what would have happened with custody apart: the same customers, the same days.

    own_books(case, assumed)    the withdrawals arrive at the institution that failed
    apart(case, assumed)        they arrive where the venue holds nothing and a custodian holds what it owes

Both are ledgers of their own on which every withdrawal is a signed transaction: a claim goes back to its
issuer and money comes for it in the same step, or the request stays open, and after its grace is in default
where everybody sees it. The institution sells what it can sell within a day, at what it fetches (`alarm`),
before it lets anybody wait. Before the first day the ordinary drill asks what a full run would pay, and the
trust lens what a customer relies on; all the while coverage is followed, entry by entry.

This is hindsight, and says so: it reads whatever was published later. Nothing of it reaches an alarm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from tallystick.institutions.prices import Prices
from tallystick.institutions.sheet import sheet as balance_sheet
from tallystick.institutions.trust import trust_of_account
from tallystick.institutions.views import replay as follow_receipts
from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.ledger.records import Terms
from tallystick.stress.replay.alarm import FETCHES, PPM, read_institution
from tallystick.stress.replay.case import Case, ClaimLine, Gate, Sheet
from tallystick.stress.replay.drilled import buyer, everybody
from tallystick.stress.replay.ledger import SimulatedLedger, noon
from tallystick.stress.replay.world import HOLDS, MINOR, World

BUYERS = "buyers"
CENTRAL_BANK, CUSTODIAN, VENUE = "central-bank", "custodian", "venue"


@dataclass(frozen=True, slots=True)
class Paid:
    """A day of the run in cents: asked for, paid the same day, and owed to those still waiting at its end."""

    day: date
    asked: int
    paid: int
    waiting: int
    sold: int = 0


@dataclass(frozen=True, slots=True)
class Relied:
    """Whom one customer relied on: the obligor, `direct` or `through` others, and how far it was covered."""

    holder: str
    obligor: str
    how: str
    share_ppm: int | None
    coverage_ppm: int | None


@dataclass(frozen=True, slots=True)
class Course:
    """How the run went: day by day, and what a drill had said about everybody withdrawing at once.

    `defaulted` is what was in default at the end. `venue_rows` counts what the venue itself had and owed.
    `trust` is whom customers relied on, on the eve. `coverage_minimum_ppm` is the lowest that whoever owes
    them was covered at any entry, in what it owes: money in hand for claims on money.
    """

    days: tuple[Paid, ...]
    claims: int
    drill_paid_ppm: int
    defaulted: int
    entries: int
    ledger: SimulatedLedger
    trust: tuple[Relied, ...]
    coverage_minimum_ppm: int | None
    venue_rows: int | None = None

    @property
    def asked(self) -> int:
        """All that was asked for."""
        return sum(one.asked for one in self.days)

    @property
    def paid(self) -> int:
        """All that was paid."""
        return sum(one.paid for one in self.days)


def sheet_before_the_run(case: Case) -> Sheet | None:
    """Return the subject's sheet on which the run fell: the one kept for it, or else its newest."""
    if case.before_the_run is not None:
        return case.before_the_run.in_hindsight()
    own = [one.in_hindsight() for one in case.sheets]
    own = [one for one in own if one.institution == case.subject]
    return max(own, key=lambda one: (one.as_of, one.published), default=None)


def withdrawals_of(case: Case, assumed: Mapping[str, Fraction]) -> list[tuple[date, int]]:
    """Return what was asked for by day, in cents."""
    found: dict[date, int] = {}
    for sealed in case.withdrawals:
        one = sealed.in_hindsight()
        found[one.day] = found.get(one.day, 0) + int(one.amount.value(assumed) * case.scale * MINOR)
    return sorted(found.items())


@dataclass
class _Holding:
    """What a customer can still ask for."""

    holder: str
    asset: str
    units: int


def _take(queue: list[_Holding], units: int) -> list[_Holding]:
    """Take units from the queue, the first first, and return whose they are."""
    taken = []
    for one in queue:
        part = min(one.units, units)
        if part:
            taken.append(_Holding(one.holder, one.asset, part))
            one.units -= part
            units -= part
    return taken


def _customers(of: Sheet) -> list[ClaimLine]:
    """Return who can ask, in the order in which they do: the uninsured first."""
    asking = [line for line in of.liabilities if line.class_ in ("demand", "insured")]
    return sorted(asking, key=lambda line: line.class_ == "insured")


# ----------------------------------------------------------------------------------------- on its own books


def own_books(case: Case, assumed: Mapping[str, Fraction]) -> Course | None:
    """Return how the run goes on the institution's own books; None if there is nobody to ask, or no sheet."""
    of = sheet_before_the_run(case)
    asked = withdrawals_of(case, assumed)
    if of is None or not asked:
        return None
    start = asked[0][0] - timedelta(days=1)
    world = World(replace(case, name=f"{case.name}-own-books", first_day=start), assumed)
    world.book(of, Gate(case, start))
    run = _Run(world, of)
    claims = sum(one.units for one in run.queue)
    drill = run.drill(Gate(world.case, start))
    trust = _relied(world.ledger, {one.holder for one in run.queue}, case.unit)
    days = [run.day(day, units) for day, units in asked]
    end = asked[-1][0] + timedelta(days=3)
    world.ledger.advance_to(noon(end))
    world.ledger.open("clerk")  # any transaction lets the clock run, and what is late fall into default
    return Course(
        tuple(days),
        claims,
        drill,
        _defaulted(world.ledger),
        len(world.ledger.batches),
        world.ledger,
        trust,
        None,
    )


def _relied(ledger: SimulatedLedger, holders: set[str], unit: str) -> tuple[Relied, ...]:
    """Return whom customers rely on, by the trust lens; related parties' claims cover nothing."""
    books, prices = ledger.books(), Prices(unit)

    def coverage(institution: str) -> int | str:
        of = balance_sheet(books, institution, prices)
        if not of.liabilities_value:
            return "owes nothing here"
        if "central_bank" in of.roles:
            return "issues the money"
        return mul_div_down(of.assets_value - of.related_value, PPM, of.liabilities_value)

    found = []
    for holder in sorted(holders):
        lens = trust_of_account(books, holder, prices=prices, coverage=coverage)
        found += [Relied(holder, one.name, one.how, one.share_ppm, one.coverage_ppm) for one in lens.obligors]
    return tuple(found)


class _Run:
    """A run on an institution's own books: cash first, then what sells within a day, then nobody is paid."""

    def __init__(self, world: World, of: Sheet) -> None:
        self.world = world
        self.ledger = world.ledger
        self.subject = of.institution
        self.holds = of.institution + HOLDS
        books = self.ledger.books()
        by_holder = {line.held_by: line for line in _customers(of)}
        self.queue = [
            _Holding(holder, asset, units)
            for holder in by_holder
            for asset in books.claims_on(self.subject)
            for name, units in sorted(books.holders(asset).items())
            if name == holder and world.claim_class(asset) in ("demand", "insured")
        ]
        self.waiting = 0

    def cash(self) -> list[tuple[str, int]]:
        """Return (asset, units) of the money that it has in hand."""
        return self._free("cash")

    def _free(self, *classes: str) -> list[tuple[str, int]]:
        books = self.ledger.books()
        held = sum((one.legs for _, one in books.holds_of(self.holds)), ())
        found = []
        for asset, units in sorted(books.balances(self.holds).items()):
            free = units - sum(part for name, part in held if name == asset)
            if free > 0 and self.world.asset_class(asset) in classes and self._is_safe(asset):
                found.append((asset, free))
        return found

    def _is_safe(self, asset: str) -> bool:
        """Tell whether an asset is neither its own nor a related party's."""
        books = self.ledger.books()
        record = books.asset(asset)
        near = {self.subject, *books.related_to(self.subject)}
        return record.issuer not in near and record.obligor not in near

    def drill(self, gate: Gate) -> int:
        """Return the share that is paid if everybody asks at once: cash, and what sells within a day."""
        world = self.world
        market = world.market_prices(gate)
        reading = read_institution(
            self.ledger.books(),
            self.subject,
            world.tags(gate),
            stated=world.stated_prices(gate),
            market=market,
        )
        cash = world.cash_asset()
        outcome = everybody(
            self.ledger.state,
            self.subject,
            runners=tuple(sorted({one.holder for one in self.queue})),
            cash={world.case.unit: cash} if cash else {},
            lender=buyer(reading, cash, days=1),
            prices=market,
        )
        return outcome.paid_ppm(self.subject)

    def _for_sale(self) -> list[tuple[str, int, int]]:
        """Return (asset, units, what they fetch) of what sells within a day."""
        classes = [name for name, fetch in FETCHES.items() if fetch.days == 1]
        found = []
        for asset, units in self._free(*classes):
            ratio = self.world.market_ratio(asset)
            worth = mul_div_down(units, ratio.numerator, ratio.denominator)
            fetch = FETCHES[self.world.asset_class(asset)]
            found.append((asset, units, mul_div_down(worth, fetch.share_ppm, PPM)))
        return found

    def _sell(self, needed: int) -> int:
        """Sell against new money until so much is raised or nothing is left; return what came."""
        money = self.world.cash_asset()
        if not money:
            return 0
        issuer = money.partition("@")[2]
        raised = 0
        for asset, units, price in self._for_sale():
            if raised >= needed:
                break
            part = min(units, mul_div_up(units, needed - raised, price)) if price else 0
            brings = mul_div_down(price, part, units)
            if not brings:
                continue
            self.ledger.open(BUYERS)
            self.ledger.do(
                self.holds,
                tx.Issue(account=issuer, legs=((money, BUYERS, str(brings)),)),
                tx.Transfer(account=BUYERS, legs=((money, self.holds, str(brings)),)),
                tx.Transfer(account=self.holds, legs=((asset, BUYERS, str(part)),)),
            )
            raised += brings
        return raised

    def day(self, day: date, units: int) -> Paid:
        """Let a day's withdrawals arrive."""
        self.ledger.advance_to(noon(day))
        asking = _take(self.queue, units)
        asked = sum(one.units for one in asking)
        have = sum(part for _, part in self.cash())
        sold = self._sell(asked - have) if have < asked else 0
        paid = sum(self._pay(one) for one in asking)
        self.waiting += asked - paid
        return Paid(day, asked, paid, self.waiting, sold)

    def _pay(self, one: _Holding) -> int:
        """Pay one customer as far as there is money; the rest is a redemption that stays open."""
        paid = 0
        for money, have in self.cash():
            part = min(have, one.units - paid)
            if part:
                self.ledger.do(
                    one.holder,
                    tx.Transfer(account=one.holder, legs=((one.asset, self.subject, str(part)),)),
                    tx.Transfer(account=self.holds, legs=((money, one.holder, str(part)),)),
                )
                paid += part
        if paid < one.units:
            rest = str(one.units - paid)
            self.ledger.do(one.holder, tx.Redeem(account=one.holder, asset=one.asset, units=rest))
        return paid


def _defaulted(ledger: SimulatedLedger) -> int:
    """Return what is in default, in minor units."""
    books = ledger.books()
    names = [asset for institution in books.institutions for asset in books.claims_on(institution)]
    lots = [lot for asset in names for _, lot in books.lots_in(asset)]
    return sum(lot.units for lot in lots if lot.status == "defaulted")


# -------------------------------------------------------------------------------------- with custody apart


def apart(case: Case, assumed: Mapping[str, Fraction]) -> Course | None:
    """Return how the same withdrawals go where custody is apart; None if there is nobody to ask."""
    of = sheet_before_the_run(case)
    asked = withdrawals_of(case, assumed)
    if of is None or not asked:
        return None
    start = asked[0][0] - timedelta(days=1)
    ledger = SimulatedLedger(f"{case.name}-apart", start=start)
    money = _found(ledger, case.unit)
    receipt = f"receipt@{CUSTODIAN}"
    queue = []
    for line in _customers(of):
        units = int(line.amount.value(assumed) * case.scale * MINOR)
        if not units:
            continue
        ledger.open(line.held_by)
        ledger.do(CENTRAL_BANK, _issue(CENTRAL_BANK, money, CUSTODIAN + HOLDS, units))
        ledger.do(CUSTODIAN, _issue(CUSTODIAN, receipt, line.held_by, units))
        queue.append(_Holding(line.held_by, receipt, units))
    claims = sum(one.units for one in queue)
    holders = tuple(sorted({one.holder for one in queue}))
    drill = everybody(ledger.state, CUSTODIAN, runners=holders, cash={}).paid_ppm(CUSTODIAN)
    trust = _relied(ledger, set(holders), case.unit)
    days = []
    for day, units in asked:
        ledger.advance_to(noon(day))
        asking = _take(queue, units)
        before = ledger.units(CUSTODIAN + HOLDS, money)
        for one in asking:
            _redeem(ledger, one)
        paid = before - ledger.units(CUSTODIAN + HOLDS, money)
        wanted = sum(one.units for one in asking)
        days.append(Paid(day, wanted, paid, wanted - paid))
    venue = balance_sheet(ledger.books(), VENUE, Prices(case.unit))
    return Course(
        tuple(days),
        claims,
        drill,
        _defaulted(ledger),
        len(ledger.batches),
        ledger,
        trust,
        _coverage_minimum(ledger, money),
        len(venue.assets) + len(venue.liabilities),
    )


def _coverage_minimum(ledger: SimulatedLedger, money: str) -> int | None:
    """Return the lowest at which the custodian was covered in money, at any entry of the log."""
    views = follow_receipts(iter(ledger.receipts), ledger.state.get)
    lowest = views.coverage.minimum(CUSTODIAN, money, 0, len(ledger.receipts) + 1)
    return None if lowest is None else lowest.ratio_ppm


def _found(ledger: SimulatedLedger, unit: str) -> str:
    """Found a central bank, a custodian and a venue that holds nothing; return the money's id."""
    roles = {CENTRAL_BANK: "central_bank", CUSTODIAN: "custodian", VENUE: "venue"}
    for name, role in roles.items():
        ledger.open(name, name + HOLDS)
        ledger.do(
            name,
            tx.FoundInstitution(account=name, name=name, roles=(role,)),
            tx.JoinInstitution(account=name + HOLDS, institution=name),
        )
    money = f"money@{CENTRAL_BANK}"
    for issuer, code, owes in ((CENTRAL_BANK, "money", unit), (CUSTODIAN, "receipt", money)):
        ledger.do(
            issuer,
            tx.CreateAsset(
                account=issuer,
                code=code,
                kind="claim",
                decimals=2,
                unit=unit,
                obligor=issuer,
                terms=Terms(owes=owes),
            ),
        )
    return money


def _issue(issuer: str, asset: str, holder: str, units: int) -> tx.Issue:
    return tx.Issue(account=issuer, legs=((asset, holder, str(units)),))


def _redeem(ledger: SimulatedLedger, one: _Holding) -> None:
    """Let a customer ask and the custodian pay: receipts go back, the money that they owe comes."""
    ask = tx.Redeem(account=one.holder, asset=one.asset, units=str(one.units))
    lot = str(ledger.result_of(ledger.do(one.holder, ask)))
    ledger.do(CUSTODIAN + HOLDS, tx.SettleRedemption(account=CUSTODIAN + HOLDS, lot=lot))
