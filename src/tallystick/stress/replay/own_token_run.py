"""The own-token swap as it was deployed, with the withdrawals of those days: what holders got, and how many.

The contract is the ledger's own (`contracts/own_token_swap`), with the parameters that a case gives; a
second instance has the parameters as they were raised. Both say how much a day can leave at the least
spread. The day's withdrawals then arrive in equal parts every five minutes, at the day's close as three
sources report it, and every one of them is paid: in newly made tokens.

This is hindsight: it reads closes and withdrawals whenever they were published.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from tallystick.contracts.oracle import Oracle
from tallystick.contracts.own_token_swap import WARNING, OwnTokenSwap
from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import MICROSECONDS, mul_div_down
from tallystick.stress.replay.aftermath import sheet_before_the_run, withdrawals_of
from tallystick.stress.replay.case import Case
from tallystick.stress.replay.case import OwnTokenSwap as SwapTerms
from tallystick.stress.replay.ledger import SimulatedLedger, calling, deploying, noon
from tallystick.stress.replay.world import MINOR

UNIT: Final = 10**6
"""Minor units of the claim and the token, as on Terra."""
PPM: Final = 1_000_000
SCALE: Final = 10**9
SOURCES: Final = ("feed-1", "feed-2", "feed-3")
SWAP, RAISED, ORACLE, HOLDERS = "swap", "swap-raised", "price", "holders"
PARTS_A_DAY: Final = 288
"""One redemption every five minutes."""


@dataclass(frozen=True, slots=True)
class SwapDay:
    """A day's redemptions: amounts of the claim and worth in its unit, tokens in whole ones."""

    day: date
    redeemed: Fraction
    worth: Fraction
    """What the tokens were worth at the day's close."""
    spread_ppm: int
    made: Fraction
    supply: Fraction
    close: Fraction
    worth_at_end: Fraction
    """What the same tokens were worth at the last close."""


@dataclass(frozen=True, slots=True)
class SwapRun:
    """What the swap could let go in a day, as deployed and as raised, and what it did day by day."""

    capacities: tuple[Fraction, Fraction]
    stated_capacities: tuple[Fraction, Fraction]
    days: tuple[SwapDay, ...]
    entries: int


def run_swap(
    case: Case, assumed: Mapping[str, Fraction], *, progress: Callable[[int, int], None] | None = None
) -> SwapRun | None:
    """Return the run through a case's own-token swap; None if it has none."""
    terms = case.own_token_swap
    of = sheet_before_the_run(case)
    if terms is None or of is None:
        return None
    closes = _closes(case, terms.token)
    asked = [(day, cents) for day, cents in withdrawals_of(case, assumed) if day in closes]
    owed = next(line for line in of.liabilities if line.name == terms.claim)
    supply = owed.amount.value(assumed) * case.scale
    run = _Swaps(case, terms, supply, start=case.run_day - timedelta(days=1))
    last = closes[max(closes)]
    days = []
    for at, (day, cents) in enumerate(asked):
        days.append(run.day(day, Fraction(cents, MINOR), closes[day], last))
        if progress is not None:
            progress(at + 1, len(asked))
    return SwapRun(
        (run.capacity(SWAP), run.capacity(RAISED)),
        terms.stated_capacities,
        tuple(days),
        len(run.ledger.batches),
    )


def _closes(case: Case, token: str) -> dict[date, Fraction]:
    return {one.published: one.in_hindsight()[0] for one in case.closes.get(token, ())}


class _Swaps:
    """The ledger of one run: the maker, its swap as deployed and as raised, price sources, holders."""

    def __init__(self, case: Case, terms: SwapTerms, supply: Fraction, *, start: date) -> None:
        self.maker = case.subject
        self.terms = terms
        self.ledger = SimulatedLedger(f"{case.name}-swap", start=start)
        self.stable, self.token = f"{terms.claim}@{SWAP}", f"{terms.token}@{SWAP}"
        self.ledger.open(self.maker, HOLDERS, *SOURCES)
        self.ledger.do(
            self.maker, tx.FoundInstitution(account=self.maker, name=self.maker, roles=("issuer",))
        )
        opening = int(supply * UNIT)
        self._deploy(SWAP, case.unit, terms.base_pool, terms.recovery_blocks, opening=opening)
        self._deploy(RAISED, case.unit, terms.raised_base_pool, terms.raised_recovery_blocks, opening=0)
        self._deploy_oracle()
        give = tx.Transfer(account=self.maker, legs=((self.stable, HOLDERS, str(opening)),))
        self.ledger.do(self.maker, give)

    def _deploy(self, name: str, unit: str, base: Fraction, blocks: int, *, opening: int) -> None:
        terms = self.terms
        parameters = {
            "warning": WARNING,
            "oracle": ORACLE,
            "obligor": self.maker,
            "unit": unit,
            "base_pool": int(base * terms.unit_price * UNIT),
            "recovery_periods": blocks,
            "period_seconds": terms.block_seconds,
            "least_spread_ppm": int(terms.least_spread * PPM),
            "quorum": 2,
            "stable_code": terms.claim,
            "own_code": terms.token,
            "opening_stable_units": opening,
            "opening_token_units": int(terms.opening_token_supply * UNIT) if opening else 0,
        }
        deploy = deploying(self.maker, name, OwnTokenSwap(), parameters, obligor=self.maker)
        self.ledger.do(self.maker, deploy)

    def _deploy_oracle(self) -> None:
        sources = [{"name": name, "kind": "market", "window_seconds": 0, "reference": ""} for name in SOURCES]
        parameters = {
            "base": self.token,
            "quote": self.stable,
            "scale": SCALE,
            "sources": sources,
            "quorum": 2,
            "stale_seconds": 2 * 86_400,
            "spread_ppm_max": 50_000,
        }
        self.ledger.do(self.maker, deploying(self.maker, ORACLE, Oracle(), parameters))

    def capacity(self, swap: str) -> Fraction:
        """Return what an instance says can leave in a day at the least spread, in whole units."""
        units: int = self.ledger.books().ask(swap, "capacity")
        return Fraction(units, UNIT)

    def day(self, day: date, asked: Fraction, close: Fraction, last: Fraction) -> SwapDay:
        """Let a day's redemptions arrive, five minutes apart."""
        start = noon(day) - 43_200 * MICROSECONDS
        self.ledger.advance_to(start)
        self._report(close)
        have = self.ledger.units(HOLDERS, self.stable)
        units = min(have, int(asked * UNIT))
        before = self.ledger.units(HOLDERS, self.token)
        for part in range(PARTS_A_DAY):
            self.ledger.advance_to(start + (part + 1) * 86_400 * MICROSECONDS // PARTS_A_DAY - MICROSECONDS)
            self._redeem(units * (part + 1) // PARTS_A_DAY - units * part // PARTS_A_DAY)
        made = Fraction(self.ledger.units(HOLDERS, self.token) - before, UNIT)
        redeemed = Fraction(units, UNIT)
        worth = made * close
        return SwapDay(
            day=day,
            redeemed=redeemed,
            worth=worth,
            spread_ppm=PPM - mul_div_down(int(worth * UNIT), PPM, units) if units else 0,
            made=made,
            supply=Fraction(self.ledger.books().outstanding(self.token), UNIT),
            close=close,
            worth_at_end=made * last,
        )

    def _report(self, close: Fraction) -> None:
        self.ledger.time += MICROSECONDS
        value = int(close * SCALE)
        for name in SOURCES:
            report = calling(name, ORACLE, Oracle(), "report", value=value, observed=self.ledger.time)
            self.ledger.do(name, report)

    def _redeem(self, units: int) -> None:
        if not units:
            return
        swap = calling(
            HOLDERS,
            SWAP,
            OwnTokenSwap(),
            "swap_exact_in",
            spend=((self.stable, str(units)),),
            asset_in=self.stable,
            asset_out=self.token,
            units_in=units,
            least_out=0,
        )
        self.ledger.do(HOLDERS, swap)
