"""The lender of last resort: what it lends to those who are short, and by what.

    1. its standing facilities   contracts that lend its cash by rule: to whom it admitted, on what is
                                 eligible there, at the haircuts in force, as far as it put money in
    2. as the scenario supposes  a haircut on anything that has a price: a hold of collateral, and an issue


A facility's loans run as the contract says: for one not paid back at the end of its term it takes collateral,
and the drill's clock sees to that. The second way is a supposition about what the lender would do beyond its
own rules, and no rule of the ledger's; a scenario without a haircut does not make it. Each loan says by which
way it came.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.ledger.contract import to_wire
from tallystick.ledger.rejections import Rejection
from tallystick.stress.facilities import facilities_of
from tallystick.stress.ground import DAY_US, Ground
from tallystick.stress.scenario import PPM, Lender
from tallystick.stress.tills import Tills

LENDER_KEEPS_DAYS: Final = 365
"""How long collateral is held for a supposed loan before the lender takes it."""
BPS: Final = 10_000
SUPPOSED: Final = "supposed"
"""What `Loan.by` says of a loan that no contract made."""


@dataclass(frozen=True, slots=True)
class Loan:
    """Cash lent against collateral, by a facility (its contract's name) or as the scenario supposes."""

    day: int
    institution: str
    account: str
    cash: str
    units: int
    collateral: str
    collateral_units: int
    by: str


class LastResort:
    """What the lender of a scenario lends. `value_in` prices units of an asset in cash, after shocks."""

    def __init__(
        self, ground: Ground, tills: Tills, lender: Lender, value_in: Callable[[str, int, str], int | None]
    ) -> None:
        self.ground = ground
        self.tills = tills
        self.lender = lender
        self.value_in = value_in
        self.facilities = facilities_of(ground.books, lender.lender)
        self.loans: list[Loan] = []
        self.refused: dict[tuple[str, str], str] = {}
        """The code with which a facility refused last, by account and contract."""
        self._lent = 0
        self._tried: set[tuple[str, str, str]] = set()

    def begin_day(self) -> None:
        """Let everything that was tried in vain be tried again."""
        self._tried.clear()

    def owed(self, institution: str, cash: str) -> int:
        """Return what an institution owes in a cash asset for loans of last resort that stand."""
        supposed = sum(
            loan.units
            for loan in self.loans
            if (loan.institution, loan.cash, loan.by) == (institution, cash, SUPPOSED)
        )
        by_rule = 0
        for account in self.ground.books.accounts_of(institution):
            for inside in self.ground.books.inside(account):
                if self.facilities.get(inside.contract) == cash:
                    by_rule += sum(one.units for one in inside.positions if one.owed and one.asset == cash)
        return supposed + by_rule

    def borrow(self, institution: str, cash: str, short: int) -> bool:
        """Let an institution borrow once, as far as it is short; tell whether it could."""
        if self.lender.limit_units is not None:
            short = min(short, self.lender.limit_units - self._lent)
        if short <= 0:
            return False
        for facility, lends in sorted(self.facilities.items()):
            if lends == cash and self._borrow_at(facility, institution, cash, short):
                return True
        prints = self.ground.books.asset(cash).issuer == self.lender.lender
        return prints and self.lender.haircut_ppm is not None and self._suppose(institution, cash, short)

    def _collateral(self, institution: str, cash: str) -> Iterator[tuple[str, str, int]]:
        """Yield (account, asset, units) of what an institution could pledge."""
        books = self.ground.books
        for account in books.accounts_of(institution):
            if not self.ground.can_sign(account):
                continue
            for asset in sorted(books.balances(account)):
                units = self.tills.free(account, asset)
                if asset != cash and units > 0 and books.asset(asset).obligor != institution:
                    yield account, asset, units

    # By rule.

    def _borrow_at(self, facility: str, institution: str, cash: str, short: int) -> bool:
        try:
            eligible = {one.asset: one for one in self.ground.books.ask(facility, "eligible")}
        except Rejection:
            return False
        for account, asset, units in list(self._collateral(institution, cash)):
            terms = eligible.get(asset)
            if terms is None or (facility, account, asset) in self._tried:
                continue
            self._tried.add((facility, account, asset))
            most: int = self.ground.books.ask(facility, "lendable", collateral=asset, collateral_units=units)
            lent = min(short, most)
            if lent <= 0:
                continue
            counts = terms.numerator * (BPS - terms.haircut_bps)
            pledged = min(units, mul_div_up(lent, terms.denominator * BPS, counts))
            if self._take(facility, account, asset, pledged, lent):
                day = self.ground.day
                self._note(Loan(day, institution, account, cash, lent, asset, pledged, facility))
                self._tried.discard((facility, account, asset))
                return True
        return False

    def _take(self, facility: str, account: str, asset: str, pledged: int, lent: int) -> bool:
        arguments: dict[str, Any] = {"collateral": asset, "collateral_units": pledged, "units": lent}
        call = tx.Call(
            account=account,
            contract=facility,
            method="borrow",
            arguments=msgspec.Raw(msgspec.json.encode(to_wire(arguments))),
            spend=((asset, str(pledged)),),
        )
        outcome = self.ground.do(account, call)
        if isinstance(outcome, Rejection):
            self.refused[account, facility] = outcome.code.value
        return not isinstance(outcome, Rejection)

    # As the scenario supposes.

    def _suppose(self, institution: str, cash: str, short: int) -> bool:
        for account, asset, units in list(self._collateral(institution, cash)):
            if (SUPPOSED, account, asset) in self._tried:
                continue
            lendable = self._lendable(asset, units, cash)
            lent = min(short, lendable)
            # No more collateral than the loan needs: the rest is for the next day's.
            pledged = mul_div_up(units, lent, lendable) if lendable else units
            if pledged == units:
                self._tried.add((SUPPOSED, account, asset))
            if lent > 0 and self._hold_and_issue(account, asset, pledged, cash, lent):
                day = self.ground.day
                self._note(Loan(day, institution, account, cash, lent, asset, pledged, SUPPOSED))
                return True
            self._tried.add((SUPPOSED, account, asset))
        return False

    def _lendable(self, asset: str, units: int, cash: str) -> int:
        """Return what the lender gives for so many units: their value in cash less the haircut."""
        haircut = self.lender.haircuts_ppm.get(asset, self.lender.haircut_ppm or 0)
        worth = self.value_in(asset, units, cash)
        return mul_div_down(worth or 0, PPM - haircut, PPM)

    def _hold_and_issue(self, account: str, asset: str, units: int, cash: str, lent: int) -> bool:
        lender = self.ground.books.asset(cash).issuer
        hold = tx.Hold(
            account=account,
            beneficiary=lender,
            legs=((asset, str(units)),),
            expires=self.ground.now + LENDER_KEEPS_DAYS * DAY_US,
            at_expiry="capture",
        )
        issue = tx.Issue(account=lender, legs=((cash, account, str(lent)),))
        return not isinstance(self.ground.do(account, hold, issue), Rejection)

    def _note(self, loan: Loan) -> None:
        self._lent += loan.units
        self.loans.append(loan)
