"""The report of a replay: all that it found, as one document from which text, picture and page are made.

    document = report(case)      plain values, ready for JSON; the same in every run

Amounts are decimal strings in whole units of account, ratios are numbers with six places, days are ISO 8601.
What was read in hindsight stands apart: `happened` within a day, `own_books`, `apart`, `swap` and `epilogue`.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product
from typing import Any, Final

from tallystick.stress.replay import alarm as rule
from tallystick.stress.replay.aftermath import Course, apart, own_books
from tallystick.stress.replay.alarm import Reading, Reason
from tallystick.stress.replay.case import Case
from tallystick.stress.replay.own_token_run import SwapRun, run_swap
from tallystick.stress.replay.watch import (
    Peer,
    Row,
    Sweep,
    Watched,
    size_of,
    sound_peers,
    sweep,
    watch,
)
from tallystick.stress.replay.world import MINOR

FORMAT: Final = "tallystick-replay/1"
DAILY_STEPS: Final = 5
"""Points of each day's run curve; the day of the alarm has one in full, by drills."""
Progress = Callable[[str, int, int], None]
Document = dict[str, Any]


def report(case: Case, *, rescue: bool = False, progress: Progress | None = None) -> Document:
    """Return the whole report of a case; `progress` is told what is being done, how far, of how much.

    With `rescue`, the least help that would have stopped the stress is found by bisection.
    """

    def tell(what: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(what, done, total) if progress is not None else None

    watched = watch(case, drills=True, rescue=rescue, progress=tell("watching"))
    peers: tuple[Peer, ...] = ()
    if any(row.readings for row in watched.rows):
        peers = sound_peers(size_of(watched))
    sweeps = []
    for at, name in enumerate(case.assumptions):
        sweeps.append(sweep(case, name))
        tell("sweeping assumptions")(at + 1, len(case.assumptions))
    on_books, held_apart = own_books(case, case.assumed), apart(case, case.assumed)
    swap = run_swap(case, case.assumed, progress=tell("running the swap"))
    alarm_row = watched.alarm_row
    return {
        "format": FORMAT,
        "case": case.name,
        "title": case.title,
        "subject": case.subject,
        "read": watched.read,
        "unit": case.unit,
        "alarm_date": None if alarm_row is None else alarm_row.day.isoformat(),
        "run_date": case.run_day.isoformat(),
        "days_before_the_run": None if alarm_row is None else (case.run_day - alarm_row.day).days,
        "alarm_reasons": [] if alarm_row is None else _reasons(case.subject, alarm_row),
        "days": [_day(case, row) for row in watched.rows],
        "run_curve": _curve(watched),
        "stress_drill": _stressed(watched),
        "fetches": _fetches(watched),
        "liquidity": _liquidity(watched),
        "assumptions": [_assumption(case, one) for one in sweeps],
        "corners": corners(case),
        "sound_peers": [_peer(peer) for peer in peers],
        "own_books": None if on_books is None else _course(on_books),
        "apart": None if held_apart is None else _course(held_apart),
        "swap": None if swap is None else _swap(swap),
        "epilogue": list(case.epilogue),
        "rule": the_rule(),
        "institutions": {name: one.title for name, one in case.institutions.items()},
        "sources": dict(case.sources),
        "ledger": {"id": watched.world.ledger.id, "entries": len(watched.world.ledger.batches)},
    }


def corners(case: Case) -> Document:
    """Return in how many corners of all assumptions' ranges at once the alarm rings before the run."""
    names = sorted(case.assumptions)
    if not names:
        return {"rings": 0, "of": 0}
    ends = [(case.assumptions[name].low, case.assumptions[name].high) for name in names]
    rings = of = 0
    for corner in product(*ends):
        found = watch(case, dict(zip(names, corner, strict=True))).alarm_date
        rings += found is not None and found < case.run_day
        of += 1
    return {"rings": rings, "of": of}


def the_rule() -> Document:
    """Return the one rule with all its numbers."""
    return {
        "survival_days_least": rule.STRESS_DAYS,
        "run_cover_least": ratio(rule.COVER_LEAST_PPM),
        "own_token_of_market_most": ratio(rule.OWN_OF_MARKET_MOST_PPM),
        "own_token_of_equity_most": ratio(rule.OWN_OF_EQUITY_MOST_PPM),
        "fetches": {
            name: {"share": ratio(one.share_ppm), "days": one.days, "level": one.level, "why": one.why}
            for name, one in rule.FETCHES.items()
        },
        "run_off": {
            name: {"share": ratio(one.share_ppm), "runs": one.runs, "why": one.why}
            for name, one in rule.RUN_OFF.items()
        },
    }


def amount(cents: int) -> str:
    """Return cents as a decimal string in whole units."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // MINOR}.{abs(cents) % MINOR:02d}"


def ratio(ppm: int | None) -> float | None:
    """Return parts per million as a number."""
    return None if ppm is None else ppm / 1_000_000


def number(value: Fraction, places: int = 2) -> str:
    """Return an exact number as a decimal string, rounded down."""
    whole, rest = divmod(value.numerator * 10**places // value.denominator, 10**places)
    return f"{whole}.{rest:0{places}d}" if places else str(whole)


def figures(reading: Reading) -> Document:
    """Return what the views say about an institution."""
    return {
        "stated_assets": amount(reading.stated_assets),
        "owed": amount(reading.owed),
        "own_and_related": amount(reading.own_and_related),
        "liquidation_value": amount(reading.fetched),
        "may_run": amount(reading.may_run),
        "liquid_stock": amount(reading.stock),
        "stress_outflow": amount(reading.outflow),
        "stated_ratio": ratio(reading.stated_ratio_ppm),
        "own_and_related_at_zero": ratio(reading.own_at_zero_ppm),
        "coverage_at_liquidation": ratio(reading.fetched_ppm),
        "run_cover": ratio(reading.run_cover_ppm),
        "own_tokens": [
            {
                "asset": token.asset,
                "value": amount(token.value),
                "market_value": None if token.market_value is None else amount(token.market_value),
                "of_market": ratio(token.of_market_ppm),
            }
            for token in reading.own_tokens
        ],
        "survival_days": reading.survival_days,
        "run_curve": [
            [ratio(one.withdrawn_ppm), ratio(one.paid_at_once_ppm), ratio(one.paid_in_stress_ppm)]
            for one in reading.run_curve(DAILY_STEPS)
        ],
        "missing_prices": list(reading.missing),
    }


def _reasons(subject: str, row: Row) -> list[Document]:
    """Return why the subject alarms, and then why those alarm through which it does."""
    names = [subject, *sorted(name for name in row.reasons if name != subject and row.reasons[name])]
    return [_reason(name, reason) for name in names for reason in row.reasons[name]]


def _reason(institution: str, reason: Reason) -> Document:
    scaled = reason.code in ("run_uncovered", "own_token")
    return {
        "institution": institution,
        "code": reason.code,
        "value": ratio(reason.value) if scaled else reason.value,
        "threshold": ratio(reason.threshold) if scaled else reason.threshold,
        "says": reason.says,
    }


def _day(case: Case, row: Row) -> Document:
    known = {(one.day, one.text) for one in row.news}
    later = [one.in_hindsight() for one in case.news]
    happened = [one for one in later if one.day == row.day and (one.day, one.text) not in known]
    return {
        "day": row.day.isoformat(),
        "published": [
            {"text": one.text, "about": one.day.isoformat(), "source": one.source} for one in row.news
        ],
        "happened": [
            {"text": one.text, "known_from": one.published.isoformat(), "source": one.source}
            for one in happened
        ],
        "readings": {name: figures(one) for name, one in row.readings.items()},
        "alarms": sorted(name for name, reasons in row.reasons.items() if reasons),
    }


def _curve(watched: Watched) -> Document | None:
    drilled = watched.drilled
    if drilled is None:
        return None
    return {
        "institution": drilled.institution,
        "day": _drill_row(watched).day.isoformat(),
        "points": [
            {
                "withdrawn": ratio(point.withdrawn_ppm),
                "paid_at_once": ratio(point.paid_at_once_ppm),
                "paid_in_30_days": ratio(point.paid_in_stress_ppm),
            }
            for point in drilled.curve
        ],
    }


def _drill_row(watched: Watched) -> Row:
    return watched.alarm_row or watched.rows[-1]


def _stressed(watched: Watched) -> Document | None:
    """Return what the stated stress came to as a drill, by real withdrawals on a fork."""
    if watched.drilled is None:
        return None
    stress = watched.drilled.stress
    return {
        "institution": watched.drilled.institution,
        "first_failing_day": stress.first_failing_day,
        "paid": ratio(stress.paid_ppm),
        "cause": stress.cause,
        "transactions": stress.transactions,
        "result_hash": stress.result_hash,
        "help": None if stress.help is None else amount(stress.help),
    }


def _liquidity(watched: Watched) -> Document | None:
    """Return the maturity ladder and the two Basel-like ratios, on the day of the alarm."""
    if watched.drilled is None:
        return None
    found = watched.drilled.liquidity
    short, long_ = found.short_run, found.long_run
    return {
        "institution": found.institution,
        "ladder": [
            {
                "bucket": rung.bucket,
                "inflow": amount(rung.inflow),
                "outflow": amount(rung.outflow),
                "gap_so_far": amount(rung.gap_so_far),
            }
            for rung in found.ladder
        ],
        "short_run": {
            "stock": amount(short.stock),
            "net_outflows": amount(short.net_outflows),
            "ratio": ratio(short.ratio_ppm),
        },
        "long_run": {
            "available": amount(long_.available),
            "required": amount(long_.required),
            "ratio": ratio(long_.ratio_ppm),
        },
    }


def _fetches(watched: Watched) -> list[Document]:
    """Return what each asset fetches, by the books that are read, on the day of the alarm."""
    reading = _drill_row(watched).readings.get(watched.read)
    return [
        {
            "asset": one.asset,
            "kind": one.kind,
            "value": amount(one.value),
            "free": amount(one.free),
            "fetches": amount(one.fetched + one.matched),
            "days": one.days if one.fetched or one.matched else None,
        }
        for one in (() if reading is None else reading.fetches)
    ]


def _assumption(case: Case, found: Sweep) -> Document:
    one = case.assumptions[found.name]
    return {
        "name": found.name,
        "what": one.what,
        "assumed": float(one.value),
        "low": float(one.low),
        "high": float(one.high),
        "why": one.why,
        "alarm_holds": [[round(float(low), 4), round(float(high), 4)] for low, high in found.holds],
        "alarm_holds_everywhere": found.holds_everywhere,
        "steps": [
            {
                "value": float(step.value),
                "alarm_date": None if step.alarm_date is None else step.alarm_date.isoformat(),
            }
            for step in found.steps
        ],
    }


def _peer(peer: Peer) -> Document:
    return {
        "name": peer.name,
        "title": peer.title,
        "alarm": bool(peer.reasons),
        "reasons": [_reason(peer.name, reason) for reason in peer.reasons],
        "figures": figures(peer.reading),
    }


def _course(course: Course) -> Document:
    found: Document = {
        "trust": [
            {
                "holder": one.holder,
                "obligor": one.obligor,
                "how": one.how,
                "share": ratio(one.share_ppm),
                "coverage": ratio(one.coverage_ppm),
            }
            for one in course.trust
        ],
        "coverage_minimum": ratio(course.coverage_minimum_ppm),
        "claims": amount(course.claims),
        "drill_paid": ratio(course.drill_paid_ppm),
        "asked": amount(course.asked),
        "paid": amount(course.paid),
        "defaulted": amount(course.defaulted),
        "days": [
            {
                "day": one.day.isoformat(),
                "asked": amount(one.asked),
                "paid": amount(one.paid),
                "sold": amount(one.sold),
                "waiting": amount(one.waiting),
            }
            for one in course.days
        ],
        "ledger": {"id": course.ledger.id, "entries": course.entries},
    }
    return found if course.venue_rows is None else found | {"venue_rows": course.venue_rows}


def _swap(run: SwapRun) -> Document:
    return {
        "capacity_a_day": number(run.capacities[0]),
        "capacity_a_day_raised": number(run.capacities[1]),
        "stated_capacities": [number(one) for one in run.stated_capacities],
        "days": [
            {
                "day": one.day.isoformat(),
                "redeemed": number(one.redeemed),
                "spread": ratio(one.spread_ppm),
                "tokens_made": number(one.made),
                "token_supply": number(one.supply),
                "close": number(one.close, 6),
                "worth_that_day": number(one.worth),
                "worth_at_last_close": number(one.worth_at_end),
            }
            for one in run.days
        ],
        "ledger": {"entries": run.entries},
    }


def shown(reading: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the figures of a reading that a table shows, in its order."""
    tokens = reading["own_tokens"]
    shares = [token["of_market"] for token in tokens if token["of_market"] is not None]
    return (
        reading["stated_ratio"],
        reading["own_and_related_at_zero"],
        reading["coverage_at_liquidation"],
        reading["run_cover"],
        number(sum((Fraction(token["value"]) for token in tokens), Fraction(0))) if tokens else None,
        max(shares, default=None),
        reading["run_curve"][-1][1],
        reading["survival_days"],
    )
