"""Liquidity, short run and long run apart: the maturity ladder, an LCR-like and an NSFR-like view.

    ladder       what falls due and what comes in, bucket by bucket, with the gap so far
    short_run    what is as good as cash after haircuts and caps, over net outflows in thirty days
    long_run     stable funding that is there, over stable funding that is needed

They are views: rates that a committee set, applied to what the ledger shows. "Like", because the ledger does
not know whether a holder is retail or operational; whoever asks may say (`Classes`), and else a person is
retail, a bank, broker, dealer or custodian is financial, and any other institution corporate. A claim on a
central bank is level 1; nothing else is liquid unless somebody says which level it is. Never one number: the
three stand side by side, and a drill beside them.

`net_outflows` is the denominator of the United States' rule, with its add-on for the peak within the month.

Amounts are whole minor units of a unit of account, valued at par or by prices; factors are in `basel`. Every
division rounds against the institution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.institutions.books import Books
from tallystick.institutions.holdings import holdings_of
from tallystick.institutions.owing import end_of, pays_at
from tallystick.institutions.prices import Missing, Prices
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.ledger.apply import Kinds
from tallystick.ledger.store import Store
from tallystick.stress import basel
from tallystick.stress.basel import Funding, Level

PPM: Final = 1_000_000
DAY_US: Final = 86_400_000_000
BUCKETS: Final[tuple[tuple[str, int], ...]] = (
    ("on demand", 0),
    ("to 7 days", 7),
    ("to 30 days", 30),
    ("to 90 days", 90),
    ("to 180 days", 180),
    ("to a year", 365),
)
LATER: Final = "later"
UNDATED: Final = "without a date"
_FINANCIAL: Final = frozenset({"bank", "broker", "dealer", "custodian", "clearing_house"})


@dataclass(frozen=True)
class Classes:
    """What the ledger does not know: the level of assets, and what kind of funding holders are."""

    levels: Mapping[str, Level] = field(default_factory=dict)
    funding: Mapping[str, Funding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """Something an institution has or owes: its value, who it is with, and in how many days it pays.

    `days` is 0 on demand and None without a date. `encumbered` things cannot be used. What `is_called` was
    asked for already, or is due: it leaves whole, and funds nothing.
    """

    asset: str
    party: str
    value: int
    days: int | None
    owed: bool
    level: Level
    funding: Funding
    is_cash: bool = False
    encumbered: bool = False
    is_called: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """One bucket of the ladder: what falls due, what comes in, and the gap of all buckets so far."""

    bucket: str
    outflow: int
    inflow: int
    gap_so_far: int


@dataclass(frozen=True, slots=True)
class ShortRun:
    """The LCR-like view: the stock after haircuts and caps, and outflows and inflows of thirty days."""

    stock: int
    outflows: int
    inflows: int
    net_outflows: int
    ratio_ppm: int | None


@dataclass(frozen=True, slots=True)
class LongRun:
    """The NSFR-like view: available and required stable funding."""

    available: int
    required: int
    ratio_ppm: int | None


@dataclass(frozen=True)
class Liquidity:
    """The three views of one institution in `unit`; what is `unpriced` there counts as nothing."""

    institution: str
    unit: str
    ladder: tuple[Rung, ...]
    short_run: ShortRun
    long_run: LongRun
    unpriced: tuple[str, ...]


def liquidity_of(
    books: Books, institution: str, prices: Prices, *, classes: Classes | None = None
) -> Liquidity:
    """Return the three views. Rejections: `unknown_institution`."""
    books.institution(institution)
    items, unpriced = items_of(books, institution, prices, classes or Classes())
    return Liquidity(
        institution, prices.unit, ladder(items), short_run(items), long_run(items), tuple(sorted(unpriced))
    )


def liquidity_now(state: Store, kinds: Kinds, institution: str) -> Liquidity:
    """Return the three views of a state at par, in the unit that most of the institution's claims come to."""
    books = Books(state, kinds)
    return liquidity_of(books, institution, Prices(unit_of(books, institution)))


def items_of(books: Books, institution: str, prices: Prices, classes: Classes) -> tuple[list[Item], set[str]]:
    """Return everything that an institution has and owes, valued, and what has no price."""
    now = books.clock.time
    items: list[Item] = []
    unpriced: set[str] = set()
    own = set(books.accounts_of(institution))
    for account in sorted(own):
        for holding in holdings_of(books, account)[0]:
            record = books.asset(holding.asset)
            if record.obligor == institution and not holding.owed:
                continue
            price = prices.price(books, holding.asset)
            if isinstance(price, Missing):
                unpriced.add(holding.asset)
                continue
            days = None if record.terms is None else _days(pays_at(record.terms, now=now), now)
            items.append(
                Item(
                    holding.asset,
                    record.obligor or holding.party,
                    price.value_up(holding.units) if holding.owed else price.value(holding.units),
                    days,
                    holding.owed,
                    _level(books, holding.asset, classes),
                    _funding(books, record.obligor or holding.party, classes),
                    is_cash=_is_central(books, record.obligor) and days == 0,
                    encumbered=holding.where not in ("free", "inside"),
                )
            )
    for claim in books.claims_on(institution):
        par = prices.par(books, claim)
        terms = books.asset(claim).terms
        if isinstance(par, Missing) or terms is None:
            unpriced.add(claim)
            continue
        asked: dict[str, list[tuple[int, int]]] = {}
        for _, lot in books.lots_in(claim):
            asked.setdefault(lot.holder, []).append((lot.units, _days(lot.due, now)))
        for holder, units in books.holders(claim).items():
            if holder in own:
                continue
            kind = _funding(books, books.institution_of(holder) or holder, classes)
            called = asked.get(holder, [])
            rest = units - sum(part for part, _ in called)
            parts = [(part, days, True) for part, days in called]
            if rest:
                parts.append((rest, _days(pays_at(terms, now=now), now), False))
            items += [
                Item(
                    claim,
                    holder,
                    par.value_up(part),
                    days,
                    owed=True,
                    level="none",
                    funding=kind,
                    is_called=is_called,
                )
                for part, days, is_called in parts
            ]
    return items, unpriced


def ladder(items: Sequence[Item]) -> tuple[Rung, ...]:
    """Return the buckets from on demand to what has no date."""
    outflow: dict[str, int] = {}
    inflow: dict[str, int] = {}
    for item in items:
        side = outflow if item.owed else inflow
        bucket = _bucket(item.days)
        side[bucket] = side.get(bucket, 0) + item.value
    rungs, gap = [], 0
    for bucket in (*(name for name, _ in BUCKETS), LATER, UNDATED):
        gap += inflow.get(bucket, 0) - outflow.get(bucket, 0)
        rungs.append(Rung(bucket, outflow.get(bucket, 0), inflow.get(bucket, 0), gap))
    return tuple(rungs)


def short_run(items: Sequence[Item]) -> ShortRun:
    """Return the LCR-like view of thirty days."""
    amounts: dict[Level, int] = dict.fromkeys(basel.HAIRCUT_PPM, 0)
    outflows = inflows = 0
    for item in items:
        if item.owed:
            if item.days is not None and item.days <= 30:
                run_off = PPM if item.is_called else basel.RUN_OFF_PPM[item.funding]
                outflows += mul_div_up(item.value, run_off, PPM)
        elif item.encumbered:
            continue
        elif item.level != "none":
            amounts[item.level] += mul_div_down(item.value, PPM - basel.HAIRCUT_PPM[item.level], PPM)
        elif item.days is not None and item.days <= 30:
            inflows += mul_div_down(item.value, basel.INFLOW_PPM[item.funding], PPM)
    stock = liquid_stock(
        level_1=amounts["level_1"], level_2a=amounts["level_2a"], level_2b=amounts["level_2b"]
    )
    net = outflows - min(inflows, mul_div_down(outflows, basel.INFLOW_CAP_PPM, PPM))
    return ShortRun(stock, outflows, inflows, net, mul_div_down(stock, PPM, net) if net else None)


def liquid_stock(*, level_1: int, level_2a: int, level_2b: int) -> int:
    """Return the stock of liquid assets from amounts after haircuts, with both caps (LCR 51, annex 1).

    Level 2B is at most 15/85 of level 1 and 2A together and 15/60 of level 1; level 2 at most 2/3 of level 1.
    """
    capped_2b = min(level_2b, (level_1 + level_2a) * 15 // 85, level_1 * 15 // 60)
    return level_1 + min(level_2a + capped_2b, level_1 * 2 // 3)


def long_run(items: Sequence[Item]) -> LongRun:
    """Return the NSFR-like view; equity is what is had over what is owed, and counts as stable."""
    available = required = had = owed = 0
    for item in items:
        if item.owed:
            owed += item.value
            available += mul_div_down(item.value, _available_ppm(item), PPM)
        else:
            had += item.value
            required += mul_div_up(item.value, _required_ppm(item), PPM)
    available += max(0, had - owed)
    return LongRun(available, required, mul_div_down(available, PPM, required) if required else None)


def _available_ppm(item: Item) -> int:
    if item.is_called:
        return 0
    if item.days is None or item.days >= 365:
        return basel.AVAILABLE_OVER_YEAR_PPM
    if item.funding == "financial" and item.days >= 182:
        return basel.AVAILABLE_FINANCIAL_HALF_YEAR_PPM
    return basel.AVAILABLE_UNDER_YEAR_PPM[item.funding]


def _required_ppm(item: Item) -> int:
    if item.encumbered:
        return basel.REQUIRED_ENCUMBERED_PPM
    if item.is_cash:
        return basel.REQUIRED_CASH_PPM
    if item.level != "none" or item.days is None:
        return basel.REQUIRED_LIQUID_PPM[item.level]
    if item.days >= 365:
        return basel.REQUIRED_OVER_YEAR_PPM
    if item.funding == "financial" and item.days < 182:
        return basel.REQUIRED_FINANCIAL_UNDER_HALF_YEAR_PPM
    return basel.REQUIRED_UNDER_YEAR_PPM


def net_outflows(
    *,
    undated_outflow: int,
    undated_inflow: int,
    outflows: Sequence[int],
    inflows: Sequence[int],
    inflow_cap_ppm: int = basel.INFLOW_CAP_PPM,
) -> int:
    """Return total net cash outflow with the add-on for the peak within the month, in the units given.

    `outflows` and `inflows` are by day of the next thirty; undated ones have no day in them. The add-on is
    the highest net outflow that the dated ones reach together on any day, less what they come to at the
    end, neither below zero. Source: 12 CFR 249.30 and its worked example, 79 FR 61440 (2014), page 61477.
    """
    if len(outflows) != len(inflows):
        raise ValueError(f"{len(outflows)} days of outflows and {len(inflows)} of inflows")
    out, into = undated_outflow + sum(outflows), undated_inflow + sum(inflows)
    net = out - min(into, mul_div_down(out, inflow_cap_ppm, PPM))
    peak = so_far = 0
    for leaves, comes in zip(outflows, inflows, strict=True):
        so_far += leaves - comes
        peak = max(peak, so_far)
    return net + peak - max(0, so_far)


def document(found: Liquidity) -> dict[str, Any]:
    """Return the three views as a document: amounts as strings, ratios in parts per million."""
    short, long_ = found.short_run, found.long_run
    return {
        "institution": found.institution,
        "unit": found.unit,
        "ladder": [
            {
                "bucket": rung.bucket,
                "outflow": str(rung.outflow),
                "inflow": str(rung.inflow),
                "gap_so_far": str(rung.gap_so_far),
            }
            for rung in found.ladder
        ],
        "short_run": {
            "stock": str(short.stock),
            "outflows": str(short.outflows),
            "inflows": str(short.inflows),
            "net_outflows": str(short.net_outflows),
            "ratio_ppm": short.ratio_ppm,
        },
        "long_run": {
            "available": str(long_.available),
            "required": str(long_.required),
            "ratio_ppm": long_.ratio_ppm,
        },
        "unpriced": list(found.unpriced),
    }


def unit_of(books: Books, institution: str) -> str:
    """Return the unit of account that most of an institution's claims come to; nothing if it owes nothing."""
    counted: dict[str, int] = {}
    for claim in books.claims_on(institution):
        unit = end_of(books.state.get, claim).thing
        counted[unit] = counted.get(unit, 0) + 1
    return min(counted, key=lambda unit: (-counted[unit], unit), default="")


def _days(due: int, now: int) -> int:
    return max(0, -(-(due - now) // DAY_US))


def _bucket(days: int | None) -> str:
    if days is None:
        return UNDATED
    return next((name for name, most in BUCKETS if days <= most), LATER)


def _is_central(books: Books, obligor: str) -> bool:
    return bool(obligor) and "central_bank" in books.institution(obligor).roles


def _level(books: Books, asset: str, classes: Classes) -> Level:
    if asset in classes.levels:
        return classes.levels[asset]
    return "level_1" if _is_central(books, books.asset(asset).obligor) else "none"


def _funding(books: Books, party: str, classes: Classes) -> Funding:
    if party in classes.funding:
        return classes.funding[party]
    if party not in books.institutions:
        return "retail"
    return "financial" if _FINANCIAL.intersection(books.institution(party).roles) else "corporate"
