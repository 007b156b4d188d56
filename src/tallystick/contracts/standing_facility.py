"""Standing facility: a lender of last resort, lending against collateral with haircuts, by rule.

A central bank puts its own money in, up to what it is ready to lend, and says which collateral counts for
how much. Whoever is admitted borrows without asking anybody, for a fixed term: at most the collateral's
value less its haircut. Paid back with interest, the collateral returns whole. Not paid at the term's end, the
lender takes as much of it as the debt is worth at the value agreed for the loan, and the rest returns.

What is agreed for a loan never changes while it stands. The lender may change the rate, values and haircuts
for later loans, within bounds fixed at deployment and after a delay; it admits borrowers, and takes out what
is not lent, at once. Rounding is against the borrower throughout.

Sources: Bagehot, Lombard Street (1873), chapter VII: lend freely, at a penal rate, on what is commonly good
security; Guideline (EU) 2015/510 of the European Central Bank, Part Two, title III (marginal lending
facility), and Part Four (eligible assets, valuation haircuts).
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT, mul_div_down, mul_div_up
from tallystick.ledger.contract import (
    Contract,
    Dependencies,
    Exit,
    Position,
    Power,
    Record,
    Table,
    method,
    view,
)
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

BPS = 10_000
PPM = 1_000_000
YEAR_SECONDS = 31_536_000
TERM_SECONDS_MAX = 366 * 86_400
DELAY_SECONDS_MAX = 366 * 86_400
ELIGIBLE_MAX = 64


class Eligible(Record, frozen=True):
    """Collateral: `numerator` / `denominator` units of what is lent for one unit, less `haircut_bps`."""

    asset: str
    numerator: int
    denominator: int
    haircut_bps: int


class Parameters(Record, frozen=True):
    """The facility. `rate_ppm` is parts per million a year of 31_536_000 seconds, simple interest.

    Later rates stay within `rate_ppm_max` and later haircuts within `haircut_bps_max`, and come into force
    `delay_seconds` after they were announced.
    """

    lender: str
    asset: str
    term_seconds: int
    rate_ppm: int
    rate_ppm_max: int
    haircut_bps_max: int
    delay_seconds: int
    collateral: tuple[Eligible, ...]


class Change(Record, frozen=True):
    """Terms in force, and those that replace them at `due` (0: none are announced)."""

    now: Eligible
    later: Eligible
    due: int


class Rate(Record, frozen=True):
    """The rate in force, and the one that replaces it at `due` (0: none is announced)."""

    now: int
    later: int
    due: int


class Loan(Record, frozen=True):
    """One loan, and everything that was agreed for it."""

    borrower: str
    units: int
    rate_ppm: int
    collateral: str
    collateral_units: int
    numerator: int
    denominator: int
    since: int
    due: int
    timer_due: int
    timer_number: int


class Owed(Record, frozen=True):
    """A loan as it stands: `owed_units` pay it back now."""

    loan: int
    borrower: str
    units: int
    owed_units: int
    collateral: str
    collateral_units: int
    due: int


class Refusal(StrEnum):
    """Why a standing facility refuses."""

    PARAMETERS_INVALID = "standing_facility.parameters_invalid"
    """The facility's terms are out of range. Facts: reason."""
    NOT_THE_LENDER = "standing_facility.not_the_lender"
    """Only the lender may do this. Facts: caller, lender."""
    NOT_ADMITTED = "standing_facility.not_admitted"
    """The lender has not admitted this borrower. Facts: caller."""
    NOT_ELIGIBLE = "standing_facility.not_eligible"
    """The asset is no collateral here. Facts: asset."""
    COLLATERAL_SHORT = "standing_facility.collateral_short"
    """The collateral is worth less than asked for, after its haircut. Facts: asked, most, haircut_bps."""
    FUNDS_SHORT = "standing_facility.funds_short"
    """The lender has put in too little. Facts: asked, unlent."""
    NO_SUCH_LOAN = "standing_facility.no_such_loan"
    """There is no such open loan. Facts: loan."""
    NOT_DUE = "standing_facility.not_due"
    """The loan's term has not ended. Facts: loan, due, time."""
    UNITS_INVALID = "standing_facility.units_invalid"
    """Amounts are positive and below 2^128. Facts: units."""


class StandingFacility(Contract):
    """Loans of one asset by one lender to those it admits, against collateral."""

    kind = "standing_facility"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "eligible": Table(key=(str,), value=Change),
        "rate": Table(key=(), value=Rate),
        "admitted": Table(key=(str,), value=int),
        "loan": Table(key=(int,), value=Loan),
        "loan_of": Table(key=(str, int), value=int),
        "last": Table(key=(), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the terms and put them in force."""
        given = ctx.params
        ctx.asset(given.asset)
        ctx.check_account(given.lender)
        if not 0 < given.term_seconds <= TERM_SECONDS_MAX or not 0 < given.delay_seconds <= DELAY_SECONDS_MAX:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason="term and delay are 1 second to 366 days")
        if not 0 <= given.rate_ppm <= given.rate_ppm_max <= PPM or not 0 <= given.haircut_bps_max < BPS:
            raise Rejection(
                Refusal.PARAMETERS_INVALID, reason="rate up to its bound and 100%, haircuts below 100%"
            )
        if not 1 <= len(given.collateral) <= ELIGIBLE_MAX:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"1 to {ELIGIBLE_MAX} kinds of collateral")
        for one in given.collateral:
            if ctx.get("eligible", one.asset) is not None:
                raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"{one.asset} stands twice"[:200])
            self._check_eligible(ctx, one)
            ctx.put("eligible", one.asset, value=Change(one, one, 0))
        ctx.put("rate", value=Rate(given.rate_ppm, given.rate_ppm, 0))

    # The lender.

    @method
    def fund(self, ctx: CallContext, units: int) -> None:
        """Put money in to be lent, as the lender."""
        self._check_lender(ctx)
        ctx.take(ctx.params.asset, units)
        ctx.emit("funded", units=units)

    @method
    def withdraw(self, ctx: CallContext, units: int) -> None:
        """Take out what is not lent, as the lender."""
        self._check_lender(ctx)
        self._check_funds(ctx, units)
        ctx.pay(ctx.params.lender, ctx.params.asset, units)
        ctx.emit("withdrawn", units=units)

    @method
    def admit(self, ctx: CallContext, borrower: str, admitted: bool) -> None:  # noqa: FBT001 (named on the wire)
        """Let an account borrow, or no longer; loans that stand are not touched. At once, as the lender."""
        self._check_lender(ctx)
        ctx.put("admitted", borrower, value=1 if admitted else None)
        ctx.emit("admitted", borrower=borrower, admitted=admitted)

    @method
    def announce(self, ctx: CallContext, terms: Eligible) -> int:
        """Announce a value and haircut for later loans, as the lender; return when they come into force."""
        self._check_lender(ctx)
        now = self._terms(ctx, terms.asset)
        self._check_eligible(ctx, terms)
        due: int = ctx.time + ctx.params.delay_seconds * MICROSECONDS
        ctx.put("eligible", terms.asset, value=Change(now, terms, due))
        ctx.emit("announced", asset=terms.asset, haircut_bps=terms.haircut_bps, due=due)
        return due

    @method
    def announce_rate(self, ctx: CallContext, rate_ppm: int) -> int:
        """Announce a rate for later loans, as the lender; return when it comes into force."""
        self._check_lender(ctx)
        if not 0 <= rate_ppm <= ctx.params.rate_ppm_max:
            raise Rejection(
                Refusal.PARAMETERS_INVALID, reason=f"a rate is 0 to {ctx.params.rate_ppm_max} ppm"
            )
        due: int = ctx.time + ctx.params.delay_seconds * MICROSECONDS
        ctx.put("rate", value=Rate(self._rate(ctx), rate_ppm, due))
        ctx.emit("rate_announced", rate_ppm=rate_ppm, due=due)
        return due

    # Borrowers.

    @method
    def borrow(self, ctx: CallContext, collateral: str, collateral_units: int, units: int) -> int:
        """Pledge collateral and get `units` until the term's end; return the loan's number."""
        if ctx.get("admitted", ctx.caller) is None:
            raise Rejection(Refusal.NOT_ADMITTED, caller=ctx.caller)
        terms = self._terms(ctx, collateral)
        self._check_units(units)
        self._check_units(collateral_units)
        most = self._lendable(terms, collateral_units)
        if units > most:
            raise Rejection(
                Refusal.COLLATERAL_SHORT, asked=str(units), most=str(most), haircut_bps=terms.haircut_bps
            )
        self._check_funds(ctx, units)
        # From here the loan is made, unless the collateral cannot be taken.
        ctx.take(collateral, collateral_units)
        number: int = (ctx.get("last") or 0) + 1
        due = ctx.time + ctx.params.term_seconds * MICROSECONDS
        timer_due, timer_number = ctx.set_timer(due, "close", loan=number)
        loan = Loan(
            ctx.caller,
            units,
            self._rate(ctx),
            collateral,
            collateral_units,
            terms.numerator,
            terms.denominator,
            ctx.time,
            due,
            timer_due,
            timer_number,
        )
        ctx.put("last", value=number)
        ctx.put("loan", number, value=loan)
        ctx.put("loan_of", ctx.caller, number, value=1)
        ctx.pay(ctx.caller, ctx.params.asset, units)
        ctx.emit("lent", loan=number, borrower=ctx.caller, units=units, due=due)
        return number

    @method
    def repay(self, ctx: CallContext, loan: int) -> int:
        """Pay a loan back with interest, for oneself or another; the collateral returns to its borrower."""
        found = self._loan(ctx, loan)
        owed = self._owed(ctx, found)
        ctx.take(ctx.params.asset, owed)
        self._end(ctx, loan, found)
        ctx.pay(found.borrower, found.collateral, found.collateral_units)
        ctx.emit("repaid", loan=loan, units=owed)
        return owed

    @method
    def close(self, ctx: CallContext, loan: int) -> None:
        """End a loan that was not paid back in its term, as anyone or by its timer.

        The lender gets collateral worth the debt, at the value agreed and rounded up; the rest returns.
        """
        found = self._loan(ctx, loan)
        if ctx.time < found.due:
            raise Rejection(Refusal.NOT_DUE, loan=loan, due=str(found.due), time=str(ctx.time))
        worth = mul_div_up(self._owed(ctx, found), found.denominator, found.numerator)
        taken = min(worth, found.collateral_units)
        self._end(ctx, loan, found)
        ctx.pay(ctx.params.lender, found.collateral, taken)
        if taken < found.collateral_units:
            ctx.pay(found.borrower, found.collateral, found.collateral_units - taken)
        ctx.emit("enforced", loan=loan, borrower=found.borrower, collateral=found.collateral, units=taken)

    # Questions.

    @view
    def eligible(self, ctx: CallContext) -> list[Eligible]:
        """Return the collateral in force, by asset."""
        return [self._terms(ctx, key[0]) for key, _ in ctx.scan("eligible")]

    @view
    def lendable(self, ctx: CallContext, collateral: str, collateral_units: int) -> int:
        """Return the most that could be borrowed now against the collateral."""
        most = self._lendable(self._terms(ctx, collateral), collateral_units)
        return min(most, ctx.balance(ctx.params.asset))

    @view
    def loans(self, ctx: CallContext) -> list[Owed]:
        """Return the open loans, by number, with what pays each back now."""
        return [self._told(ctx, key[0], loan) for key, loan in ctx.scan("loan")]

    # The five self-descriptions.

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return a borrower's collateral and debts, or the lender's unlent money and what it is owed."""
        asset = ctx.params.asset
        found = []
        for number, loan in self._loans_of(ctx, account):
            found.append(Position(loan.collateral, loan.collateral_units, note=f"pledged for loan {number}"))
            found.append(Position(asset, self._owed(ctx, loan), owed=True, note=f"loan {number}"))
        if account != ctx.params.lender:
            return found
        unlent = ctx.balance(asset)
        if unlent:
            found.append(Position(asset, unlent, note="not lent"))
        for key, loan in ctx.scan("loan"):
            owed = self._owed(ctx, loan)
            found.append(Position(asset, owed, note=f"loan {key[0]}", due_from=loan.borrower))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return a borrower's repayments, and what the lender can take out."""
        asset = ctx.params.asset
        ways = [
            Exit(
                "repay",
                {"loan": number},
                loan.collateral,
                loan.collateral_units,
                spend={asset: self._owed(ctx, loan)},
            )
            for number, loan in self._loans_of(ctx, account)
        ]
        unlent = ctx.balance(asset)
        if account == ctx.params.lender and unlent:
            ways.append(Exit("withdraw", {"units": unlent}, asset, unlent))
        return ways

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return what the lender can do."""
        given = ctx.params
        return [
            Power(given.lender, "admit borrowers and take out what is not lent", "no loan that stands"),
            Power(
                given.lender,
                "announce rate, values and haircuts for later loans",
                f"rate up to {given.rate_ppm_max} ppm, haircuts up to {given.haircut_bps_max} bps",
                delay_seconds=given.delay_seconds,
            ),
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return what is lent and what is pledged."""
        return Dependencies(assets=(ctx.params.asset, *(key[0] for key, _ in ctx.scan("eligible"))))

    # What several of the above need.

    def _terms(self, ctx: CallContext, asset: str) -> Eligible:
        change: Change | None = ctx.get("eligible", asset)
        if change is None:
            raise Rejection(Refusal.NOT_ELIGIBLE, asset=asset[:80])
        return change.later if change.due <= ctx.time else change.now

    def _rate(self, ctx: CallContext) -> int:
        rate: Rate = ctx.get("rate")
        return rate.later if rate.due <= ctx.time else rate.now

    def _lendable(self, terms: Eligible, units: int) -> int:
        """Return what the collateral secures: its value less its haircut, rounded down once."""
        return mul_div_down(units, terms.numerator * (BPS - terms.haircut_bps), terms.denominator * BPS)

    def _owed(self, ctx: CallContext, loan: Loan) -> int:
        """Return principal and simple interest, rounded up; interest stops at the end of the term."""
        elapsed = min(ctx.time, loan.due) - loan.since
        return loan.units + mul_div_up(loan.units, loan.rate_ppm * elapsed, PPM * YEAR_SECONDS * MICROSECONDS)

    def _told(self, ctx: CallContext, number: int, loan: Loan) -> Owed:
        return Owed(
            number,
            loan.borrower,
            loan.units,
            self._owed(ctx, loan),
            loan.collateral,
            loan.collateral_units,
            loan.due,
        )

    def _loan(self, ctx: CallContext, number: int) -> Loan:
        found: Loan | None = ctx.get("loan", number)
        if found is None:
            raise Rejection(Refusal.NO_SUCH_LOAN, loan=str(number)[:40])
        return found

    def _loans_of(self, ctx: CallContext, account: str) -> Iterator[tuple[int, Loan]]:
        for key, _ in ctx.scan("loan_of", account):
            yield key[1], ctx.get("loan", key[1])

    def _end(self, ctx: CallContext, number: int, loan: Loan) -> None:
        ctx.put("loan", number, value=None)
        ctx.put("loan_of", loan.borrower, number, value=None)
        ctx.cancel_timer(loan.timer_due, loan.timer_number)

    def _check_lender(self, ctx: CallContext) -> None:
        if ctx.caller != ctx.params.lender:
            raise Rejection(Refusal.NOT_THE_LENDER, caller=ctx.caller, lender=ctx.params.lender)

    def _check_units(self, units: int) -> None:
        if not 0 < units < UNITS_LIMIT:
            raise Rejection(Refusal.UNITS_INVALID, units=str(units)[:48])

    def _check_funds(self, ctx: CallContext, units: int) -> None:
        self._check_units(units)
        unlent = ctx.balance(ctx.params.asset)
        if units > unlent:
            raise Rejection(Refusal.FUNDS_SHORT, asked=str(units), unlent=str(unlent))

    def _check_eligible(self, ctx: CallContext, terms: Eligible) -> None:
        ctx.asset(terms.asset)
        positive = 0 < terms.numerator < UNITS_LIMIT and 0 < terms.denominator < UNITS_LIMIT
        if terms.asset == ctx.params.asset or not positive:
            raise Rejection(
                Refusal.PARAMETERS_INVALID, reason="collateral is another asset, of a positive value"
            )
        if not 0 <= terms.haircut_bps <= ctx.params.haircut_bps_max:
            raise Rejection(
                Refusal.PARAMETERS_INVALID, reason=f"a haircut is 0 to {ctx.params.haircut_bps_max} bps"
            )
