"""The ordinary drill and liquidity views on a case's ledger, under the alarm's own numbers.

    drilled = drill_institution(world, gate, reading)    run curve, stress, ladder and the two Basel ratios
    everybody(state, institution, runners, cash)         what a full run on one day pays

A sheet says what things fetch, the drill (`stress.drill`) lets people come. Claims on others are not called
here, for those others' books are not on a case's ledger; instead whoever issues the cash takes what sells
within the time at what it fetches, as a lender of last resort with exactly these haircuts and, in the
stress, with the caps of the liquid stock as its limit. So the drill must find what the alarm reckoned, and a
test holds the two against each other.
"""

from dataclasses import dataclass
from typing import Final

from tallystick.institutions.prices import Prices
from tallystick.ledger.amounts import mul_div_down
from tallystick.ledger.store import Store
from tallystick.protocol import KINDS
from tallystick.stress.basel import Funding
from tallystick.stress.curve import run_curve
from tallystick.stress.drill import run_drill
from tallystick.stress.liquidity import Classes, Liquidity, liquidity_of
from tallystick.stress.outcome import Outcome
from tallystick.stress.replay.alarm import PPM, RUN_OFF, STRESS_DAYS, CurvePoint, Reading
from tallystick.stress.replay.case import Gate
from tallystick.stress.replay.world import HOLDS, World
from tallystick.stress.rescue import find_rescue
from tallystick.stress.scenario import Lender, Scenario

CURVE_STEPS: Final = 20


@dataclass(frozen=True, slots=True)
class Stressed:
    """The stated stress as a drill: on which day it first could not pay, None if it lasted 30 days."""

    first_failing_day: int | None
    paid_ppm: int
    transactions: int
    cause: str
    result_hash: str
    help: int | None = None
    """The least help on the first day that would have stopped it, in cents, where that was asked for."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What drills found for one institution on one day."""

    institution: str
    curve: tuple[CurvePoint, ...]
    stress: Stressed
    liquidity: Liquidity


def drill_institution(world: World, gate: Gate, reading: Reading, *, rescue: bool = False) -> Drilled:
    """Return the run curve and the stress of an institution of a case, by drills on the ledger as it is.

    With `rescue`, some dozens of drills more find the help that would have stopped it.
    """
    stress = _stress(world, gate, reading, rescue=rescue)
    liquidity = liquidity_of(
        world.ledger.books(),
        reading.institution,
        world.market_prices(gate),
        classes=_classes(world, reading),
    )
    return Drilled(reading.institution, _curve(world, gate, reading), stress, liquidity)


def _classes(world: World, reading: Reading) -> Classes:
    """Return what the case says of assets and holders in the words of the Basel tables."""
    books = world.ledger.books()
    levels = {one.asset: one.level for one in reading.fetches}
    funding: dict[str, Funding] = {}
    for claim in _claims(world, reading):
        kind = RUN_OFF[world.claim_class(claim)].funding
        if kind is not None:
            funding |= dict.fromkeys(sorted(books.holders(claim)), kind)
    return Classes(levels, funding)


def everybody(
    state: Store,
    institution: str,
    *,
    runners: tuple[str, ...],
    cash: dict[str, str],
    lender: Lender | None = None,
    prices: Prices | None = None,
) -> Outcome:
    """Return what comes of it when all runners ask for everything on one day."""
    scenario = Scenario(
        targets=(institution,),
        withdraw_ppm=(PPM,),
        runners=runners,
        horizon_days=1,
        cash=cash,
        lender_of_last_resort=lender,
        prices=None if prices is None else prices.book,
        price_from=() if prices is None else prices.contracts,
        calls_claims=False,
        leaves_contracts=False,
        sells=False,
    )
    return run_drill(state, KINDS, scenario)


def cash_of(world: World, institution: str) -> str:
    """Return the asset that an institution of a case pays with: what it holds of money, or any money."""
    held = world.ledger.books().balances(institution + HOLDS)
    mine = [asset for asset in sorted(held) if held[asset] > 0 and world.asset_class(asset) == "cash"]
    return max(mine, key=lambda asset: (held[asset], asset)) if mine else world.cash_asset()


def buyer(reading: Reading, cash: str, *, days: int, limit: int | None = None) -> Lender | None:
    """Return who gives cash for what sells within so many days, at what it fetches; None without cash."""
    if not cash or limit == 0:
        return None
    haircuts = {
        one.asset: PPM - mul_div_down(one.fetched + one.matched, PPM, one.free)
        for one in reading.fetches
        if one.free and one.days <= days and one.asset != cash
    }
    return Lender(cash.partition("@")[2], PPM, haircuts, limit)


def _curve(world: World, gate: Gate, reading: Reading) -> tuple[CurvePoint, ...]:
    """Return the run curve of what may run: paid from what sells within a day, and within the stress."""
    runs = {claim: PPM if RUN_OFF[world.claim_class(claim)].runs else 0 for claim in _claims(world, reading)}
    cash = cash_of(world, reading.institution)
    at_once, in_stress = (
        run_curve(
            world.ledger.state,
            KINDS,
            _scenario(world, gate, reading, (PPM,), runs, lender=buyer(reading, cash, days=days)),
            reading.institution,
            points=CURVE_STEPS,
        ).points[1:]
        for days in (1, STRESS_DAYS)
    )
    return tuple(
        CurvePoint(now.withdrawn_ppm, now.paid_ppm, later.paid_ppm)
        for now, later in zip(at_once, in_stress, strict=True)
    )


def _stress(world: World, gate: Gate, reading: Reading, *, rescue: bool) -> Stressed:
    leaves = {claim: RUN_OFF[world.claim_class(claim)].share_ppm for claim in _claims(world, reading)}
    cash = cash_of(world, reading.institution)
    have = sum(one.fetched for one in reading.fetches if one.asset == cash)
    path = tuple(PPM * (day + 1) // STRESS_DAYS - PPM * day // STRESS_DAYS for day in range(STRESS_DAYS))
    lender = buyer(reading, cash, days=STRESS_DAYS, limit=max(reading.stock - have, 0))
    scenario = _scenario(world, gate, reading, path, leaves, lender=lender)
    outcome = run_drill(world.ledger.state, KINDS, scenario)
    failure = outcome.failure(reading.institution)
    found = None
    if rescue and failure is not None:
        found = find_rescue(world.ledger.state, KINDS, scenario, outcome, reading.institution)
    days = [one.day for one in outcome.survival if one.institution == reading.institution]
    failing = [day for day in days if day is not None]
    return Stressed(
        min(failing, default=None),
        outcome.paid_ppm(reading.institution),
        outcome.transactions,
        failure.cause if failure is not None else "",
        outcome.hash,
        None if found is None else found.units,
    )


def _claims(world: World, reading: Reading) -> tuple[str, ...]:
    return world.ledger.books().claims_on(reading.institution)


def _scenario(
    world: World,
    gate: Gate,
    reading: Reading,
    path: tuple[int, ...],
    parts: dict[str, int],
    *,
    lender: Lender | None,
) -> Scenario:
    cash = cash_of(world, reading.institution)
    market = world.market_prices(gate)
    return Scenario(
        targets=(reading.institution,),
        withdraw_ppm=path,
        horizon_days=len(path),
        run_off_ppm=parts,
        cash={world.case.unit: cash} if cash else {},
        lender_of_last_resort=lender,
        prices=market.book,
        price_from=market.contracts,
        calls_claims=False,
        leaves_contracts=False,
        sells=False,
    )
