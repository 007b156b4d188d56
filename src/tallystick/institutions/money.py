"""Money: how much of it there is, counted from who owes it and who holds it.

    M0   what central banks owe on demand: currency in people's hands, and reserves of banks
    M1   currency in people's hands, and what banks owe them on demand
    M2   M1, and what banks owe them within two years' term or three months' notice

Held by a bank or a central bank, neither is money in people's hands, so a bank's own deposits, deposits of
one bank at another, and what an issuer has parked of its own inside a contract are left out. Nothing is
estimated: each figure is a sum over balances. What lies inside others' contracts is in people's hands.

Source: Regulation (EU) 2021/379 of the European Central Bank, and its definitions of euro area monetary
aggregates: overnight deposits in M1; deposits with an agreed maturity of up to two years, or redeemable at a
period of notice of up to three months, in M2.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tallystick.institutions.books import Books
from tallystick.institutions.owing import DAY_SECONDS, end_of, is_on_demand
from tallystick.ledger.amounts import MICROSECONDS, mul_div_down
from tallystick.ledger.records import Terms

NOTICE_SECONDS_MAX = 92 * DAY_SECONDS
TERM_SECONDS_MAX = 2 * 366 * DAY_SECONDS
CENTRAL_BANK, BANK = "central_bank", "bank"


@dataclass(frozen=True, slots=True)
class Aggregates:
    """The money of one currency, in its minor units."""

    currency: str
    currency_held: int
    """Central-bank money outside banks."""
    reserves: int
    """Central-bank money that banks hold."""
    on_demand: int
    """What banks owe others on demand."""
    short_term: int
    """What banks owe others within the bounds of M2, but not on demand."""

    @property
    def m0(self) -> int:
        """The monetary base."""
        return self.currency_held + self.reserves

    @property
    def m1(self) -> int:
        """Money to pay with."""
        return self.currency_held + self.on_demand

    @property
    def m2(self) -> int:
        """Money, and what becomes money soon."""
        return self.m1 + self.short_term


def aggregates(books: Books) -> list[Aggregates]:
    """Return the money of every currency that a bank or central bank owes, by currency."""
    found: dict[str, list[int]] = {}
    now = books.clock.time
    for institution in books.institutions:
        issues = _issues_as(books, institution)
        if not issues:
            continue
        for name in books.claims_on(institution):
            terms = books.asset(name).terms
            assert terms is not None
            end = end_of(books.state.get, name)
            sums = found.setdefault(end.thing, [0, 0, 0, 0])
            people, banks = _held(books, name)
            place = _place(terms, now=now, issues=issues)
            if place is None:
                continue
            sums[place] += mul_div_down(people, end.numerator, end.denominator)
            if issues == CENTRAL_BANK:
                sums[1] += mul_div_down(banks, end.numerator, end.denominator)
    return [Aggregates(currency, *sums) for currency, sums in sorted(found.items())]


def _issues_as(books: Books, institution: str) -> str:
    """Return as which kind of bank an institution's claims are money: a central bank is no bank beside it."""
    roles: Iterable[str] = books.institution(institution).roles
    return CENTRAL_BANK if CENTRAL_BANK in roles else BANK if BANK in roles else ""


def _place(terms: Terms, *, now: int, issues: str) -> int | None:
    """Return which sum a claim in people's hands belongs to: 0 currency, 2 on demand, 3 short term."""
    if is_on_demand(terms, now=now):
        return 0 if issues == CENTRAL_BANK else 2
    within = terms.notice_seconds <= NOTICE_SECONDS_MAX
    soon = (terms.matures or 0) <= now + TERM_SECONDS_MAX * MICROSECONDS
    return 3 if issues == BANK and within and soon else None


def _held(books: Books, claim: str) -> tuple[int, int]:
    """Return what people, and what other banks, hold of a claim; neither its obligor nor a central bank."""
    people = banks = 0
    obligor = books.asset(claim).obligor
    for holder, units in sorted(books.holders(claim).items()):
        owner = books.institution_of(holder)
        issues = _issues_as(books, owner) if owner else ""
        if owner == obligor or issues == CENTRAL_BANK:
            continue
        if issues == BANK:
            banks += units
        else:
            people += units
    return people - _parked(books, obligor, claim), banks


def _parked(books: Books, obligor: str, claim: str) -> int:
    """Return how much of its own claim an institution has inside contracts."""
    return sum(
        position.units
        for account in books.accounts_of(obligor)
        for inside in books.inside(account)
        for position in inside.positions
        if position.asset == claim and not position.owed and not position.due_from
    )
