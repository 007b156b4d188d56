"""The alarm: one rule and one set of thresholds, for every institution in every case.

    reading = read_institution(books, institution, tags, ...)     what the ordinary views say
    reasons = reasons_of(reading)                                 why it alarms; nothing if it does not

Four reasons, each from the practice of liquidity supervision and none from the cases:

    short_survival   the liquid stock does not last 30 days of the Basel stress         BCBS 238 (2013)
    run_uncovered    all that it has, at what it fetches, is less than what may run     Diamond, Dybvig (1983)
    own_token        it leans on a token of its own or of a related party               BCBS 283 (2014)
    related_party    it shows no books of its own, and a party related to it alarms     BCBS 423 (2017)

Tokens and claims of its own and of related parties count zero; what is owed in kind and held in kind is
matched in kind. The stated ratio is shown and never asked: 1.83 and 1.08 were stated by institutions that
were about to fail. See docs/concepts/alarm.md for the argument behind each number.

Whole numbers throughout: amounts in minor units, shares in parts per million.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tallystick.institutions.books import Books
from tallystick.institutions.prices import Prices
from tallystick.institutions.sheet import AssetRow, Part, Sheet, sheet
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.stress.basel import HAIRCUT_PPM, RUN_OFF_PPM, Funding, Level
from tallystick.stress.liquidity import liquid_stock
from tallystick.stress.replay.case import AssetClass, ClaimClass

PPM: Final = 1_000_000
STRESS_DAYS: Final = 30
SURVIVAL_DAYS_MAX: Final = 365
"""A survival horizon is told up to a year."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """What an asset fetches: its share in parts per million, within so many days, and its level in the stock.

    An asset of level `none` is no part of the stock that a stress may draw on.
    """

    share_ppm: int
    days: int
    level: Level
    why: str


def _at_level(level: Level, days: int, why: str) -> Fetch:
    """Return what the Basel tables say that a level fetches."""
    return Fetch(PPM - HAIRCUT_PPM[level], days, level, why)


FETCHES: Final[Mapping[AssetClass, Fetch]] = {
    "cash": _at_level("level_1", 0, "money in hand or at a central bank (Level 1)"),
    "government": _at_level("level_1", 1, "government paper at its market price (Level 1)"),
    "agency": _at_level("level_2a", 1, "agency and covered paper at its market price less 15 % (Level 2A)"),
    "listed": _at_level("level_2b", 1, "what trades on deep markets, less 50 % (Level 2B)"),
    "loans": Fetch(500_000, 90, "none", "half: what a lender of last resort or a forced buyer gives"),
    "stakes": Fetch(500_000, 180, "none", "shares of private companies: half, and not soon"),
    "thin": Fetch(0, STRESS_DAYS, "level_2b", "a tenth of each day's turnover for 30 days, no more"),
    "locked": Fetch(0, 0, "none", "cannot be sold before its date"),
    "pledged": Fetch(0, 0, "none", "belongs to the lender first"),
    "unspecified": Fetch(0, 0, "none", "nobody says what it is"),
}
THIN_TURNOVER_PPM: Final = 100_000
"""How much of a day's turnover one seller can be without being the market: a tenth."""


@dataclass(frozen=True, slots=True)
class RunOff:
    """How much of a kind of liability leaves in 30 days of stress, and whether it has a reason to run.

    `funding` is what the Basel tables call it; what cannot be asked for in that time has none.
    """

    share_ppm: int
    why: str
    runs: bool
    funding: Funding | None = None


def _run_off(funding: Funding, why: str, *, runs: bool) -> RunOff:
    """Return what the Basel tables say that a kind of funding does."""
    return RunOff(RUN_OFF_PPM[funding], why, runs, funding)


RUN_OFF: Final[Mapping[ClaimClass, RunOff]] = {
    "insured": _run_off("stable_retail", "insured deposits: 5 % (stable deposits)", runs=False),
    "demand": _run_off("corporate", "uninsured, payable on demand: 40 % (non-operational)", runs=True),
    "funding": _run_off("financial", "lent by professionals, callable within 30 days: all", runs=True),
    "term": RunOff(0, "cannot be asked for within 30 days", runs=False),
}

COVER_LEAST_PPM: Final = PPM
OWN_OF_MARKET_MOST_PPM: Final = 100_000
"""A tenth of a token's whole market value: more than a month of selling a tenth of a day's turnover, where
a day turns over three hundredths of it."""
OWN_OF_EQUITY_MOST_PPM: Final = 250_000
"""A quarter of equity: the limit on one counterparty (BCBS 283)."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What the ledger does not say about assets: their class, what turns over of them, and market values.

    By asset id. `turnover` and `market_value` are in minor units of the unit of account.
    """

    assets: Mapping[str, AssetClass]
    claims: Mapping[str, ClaimClass]
    turnover: Mapping[str, int]
    market_value: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OwnToken:
    """A token of its own or of a related party that an institution counts: its worth, and the market's."""

    asset: str
    value: int
    market_value: int | None

    @property
    def of_market_ppm(self) -> int | None:
        """The holding over the token's whole market value."""
        return None if not self.market_value else mul_div_down(self.value, PPM, self.market_value)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the holdings of an asset fetch: `value` at the market, `free` of it to be sold for `fetched`.

    `kind` is its class, or why it fetches nothing: `own_or_related`, `encumbered`. `matched` of it covers
    what is owed in kind.
    """

    asset: str
    kind: str
    value: int
    free: int
    fetched: int
    days: int
    level: Level
    matched: int = 0

    def as_sold(self) -> tuple[str, int, Level]:
        """Return its kind, in how many days it is money, and its level."""
        return self.kind, self.days, self.level


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """When `withdrawn_ppm` of what may run is asked for: the share paid at once, and within 30 days."""

    withdrawn_ppm: int
    paid_at_once_ppm: int
    paid_in_stress_ppm: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the views say about one institution on one day. Amounts in minor units; None is *nothing owed*."""

    institution: str
    stated_assets: int
    owed: int
    own_and_related: int
    """What it counts of tokens and claims of its own and of related parties, as stated."""
    fetched: int
    """What all of it fetches, own and related at zero."""
    may_run: int
    stock: int
    """The liquid stock, after haircuts and caps."""
    outflow: int
    """What leaves in 30 days of stress."""
    at_once: int
    """What is money within a day."""
    in_stress: int
    """What is money within 30 days."""
    own_tokens: tuple[OwnToken, ...]
    own_tokens_stated: int | None = None
    """What those tokens are stated to be worth; None if that is what they trade at."""
    fetches: tuple[Fetched, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def stated_ratio_ppm(self) -> int | None:
        """Stated assets over what is owed."""
        return _ratio(self.stated_assets, self.owed)

    @property
    def own_at_zero_ppm(self) -> int | None:
        """The same with self-issued and related-party assets at zero."""
        return _ratio(self.stated_assets - self.own_and_related, self.owed)

    @property
    def fetched_ppm(self) -> int | None:
        """Coverage at liquidation value: what everything fetches over all that is owed."""
        return _ratio(self.fetched, self.owed)

    @property
    def run_cover_ppm(self) -> int | None:
        """What everything fetches over what may run."""
        return _ratio(self.fetched, self.may_run)

    @property
    def survival_days(self) -> int:
        """How many days of the stated stress the liquid stock lasts, at an even pace."""
        if not self.outflow:
            return SURVIVAL_DAYS_MAX
        return min(SURVIVAL_DAYS_MAX, self.stock * STRESS_DAYS // self.outflow)

    @property
    def equity(self) -> int:
        """Stated assets less what is owed, with its own and related parties' tokens at the market's price."""
        as_stated = self.own_token_value if self.own_tokens_stated is None else self.own_tokens_stated
        return self.stated_assets - as_stated + self.own_token_value - self.owed

    @property
    def own_token_value(self) -> int:
        """What tokens of its own and of related parties come to at the market's price."""
        return sum(token.value for token in self.own_tokens)

    def run_curve(self, steps: int = 20) -> tuple[CurvePoint, ...]:
        """Return the run curve: share withdrawn of what may run against the share of it that is paid."""
        points = []
        for step in range(1, steps + 1):
            asked = mul_div_up(self.may_run, step, steps)
            paid = [PPM if asked <= have else mul_div_down(have, PPM, asked) for have in self._ladder()]
            points.append(CurvePoint(step * PPM // steps, *paid))
        return tuple(points)

    def _ladder(self) -> tuple[int, int]:
        return self.at_once, self.in_stress


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to alarm: its code, the figure, the threshold it passed, and the sentence for people."""

    code: Literal["short_survival", "run_uncovered", "own_token", "related_party"]
    value: int
    threshold: int
    says: str


def reasons_of(reading: Reading) -> tuple[Reason, ...]:
    """Return the reasons to alarm that an institution's own books give."""
    found = []
    if reading.survival_days < STRESS_DAYS:
        found.append(
            Reason(
                "short_survival",
                reading.survival_days,
                STRESS_DAYS,
                f"{reading.institution} lasts {_days(reading.survival_days)} of the 30-day stress",
            )
        )
    cover = reading.run_cover_ppm
    if cover is not None and cover < COVER_LEAST_PPM:
        found.append(
            Reason(
                "run_uncovered",
                cover,
                COVER_LEAST_PPM,
                f"all that {reading.institution} has fetches {_times(cover)} of what may run",
            )
        )
    found += _own_token_reasons(reading)
    return tuple(found)


def _own_token_reasons(reading: Reading) -> list[Reason]:
    """Return a reason if it leans on such tokens: a large exposure, and more than their market would take."""
    if mul_div_up(max(reading.equity, 0), OWN_OF_EQUITY_MOST_PPM, PPM) >= reading.own_token_value:
        return []
    found = []
    for token in reading.own_tokens:
        share = token.of_market_ppm
        if share is not None and share > OWN_OF_MARKET_MOST_PPM:
            says = (
                f"{reading.institution} counts {token.asset}, its own or a related party's,"
                f" at {_times(share)} of that token's whole market value"
            )
            found.append(Reason("own_token", share, OWN_OF_MARKET_MOST_PPM, says))
    return found


def related_reason(institution: str, party: str) -> Reason:
    """Return the reason that an institution without books of its own has when a related party alarms."""
    says = f"{institution} shows no books of its own, and {party}, its declared related party, alarms"
    return Reason("related_party", 0, 0, says)


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"


def _times(ppm: int) -> str:
    return f"{ppm / PPM:.2f}"


def _ratio(have: int, owed: int) -> int | None:
    return mul_div_down(max(have, 0), PPM, owed) if owed > 0 else None


# ------------------------------------------------------------------------------------------- reading one


def read_institution(
    books: Books, institution: str, tags: Tags, *, stated: Prices, market: Prices
) -> Reading:
    """Return what the balance sheet of an institution says, at stated values and at what things fetch.

    `stated` prices assets as they were stated, `market` as they trade. Rejections: `unknown_institution`.
    """
    at_stated = sheet(books, institution, stated)
    at_market = sheet(books, institution, market)
    own = _own_parts(books, at_stated, stated)
    counted = _Counted(at_market, tags)
    for row in at_market.assets:
        counted.add(row)
    owed = at_stated.liabilities_value or 0
    may_run = outflow = 0
    for claim in at_market.liabilities:
        run_off = RUN_OFF[tags.claims.get(claim.asset, "demand")]
        value = claim.value or 0
        may_run += value if run_off.runs else 0
        outflow += mul_div_up(value, run_off.share_ppm, PPM)
    return Reading(
        institution=institution,
        stated_assets=at_stated.assets_value + sum(value for _, value in own["token"]),
        owed=owed,
        own_and_related=sum(value for kind in own.values() for _, value in kind),
        fetched=counted.fetched,
        may_run=may_run,
        stock=counted.stock(),
        outflow=outflow,
        at_once=counted.within(1),
        in_stress=counted.within(STRESS_DAYS),
        own_tokens=_own_tokens(_own_parts(books, at_market, market)["token"], tags),
        own_tokens_stated=sum(value for _, value in own["token"]),
        fetches=tuple(counted.found[asset] for asset in sorted(counted.found)),
        missing=tuple(one.asset for one in at_market.missing),
    )


def _own_tokens(parts: list[tuple[str, int]], tags: Tags) -> tuple[OwnToken, ...]:
    totals: dict[str, int] = {}
    for asset, value in parts:
        totals[asset] = totals.get(asset, 0) + value
    return tuple(OwnToken(asset, totals[asset], tags.market_value.get(asset)) for asset in sorted(totals))


def _own_parts(books: Books, of: Sheet, prices: Prices) -> dict[str, list[tuple[str, int]]]:
    """Return (asset, value) of own and related parts: tokens, which the sheet counts zero, and claims."""
    found: dict[str, list[tuple[str, int]]] = {"token": [], "claim": []}
    for row in of.assets:
        for part in row.parts:
            if part.standing == "third_party":
                continue
            if part.value:
                found["claim"].append((part.asset, part.value))
            else:
                price = prices.price(books, part.asset)
                value = price.value(part.units) if hasattr(price, "value") else 0
                found["token"].append((part.asset, value))
    return found


class _Counted:
    """What an institution's assets fetch, row by row; what is owed in kind is matched in kind first."""

    def __init__(self, of: Sheet, tags: Tags) -> None:
        self.tags = tags
        self.fetched = 0
        self.levels: dict[Level, int] = dict.fromkeys(HAIRCUT_PPM, 0)
        self.by_days: dict[int, int] = {}
        self.found: dict[str, Fetched] = {}
        self.owed_in_kind = {thing: owed for thing, (_, owed) in of.by_currency().items() if thing != of.unit}

    def add(self, row: AssetRow) -> None:
        """Count a row; what cannot leave now, or is owed by itself or a related party, fetches nothing."""
        for part in row.parts:
            kind = ""
            if part.standing != "third_party":
                kind = "own_or_related"
            elif row.free_units < row.units:
                kind = "encumbered"
            if kind or not part.value:
                self._note(Fetched(part.asset, kind or "worthless", part.value or 0, 0, 0, 0, "none"))
                continue
            matched = self._match(part)
            value = part.value - matched
            kind = self.tags.assets.get(part.asset, "unspecified")
            fetch = FETCHES[self.tags.assets.get(part.asset, "unspecified")]
            share = mul_div_down(value, fetch.share_ppm, PPM)
            if part.asset in self.tags.turnover and fetch.level == "level_2b" and not fetch.share_ppm:
                takes = mul_div_down(self.tags.turnover[part.asset], THIN_TURNOVER_PPM * STRESS_DAYS, PPM)
                share = min(value, takes)
            self._count(share, fetch.level, fetch.days)
            done = Fetched(part.asset, kind, part.value, part.value, share, fetch.days, fetch.level, matched)
            self._note(done)

    def _note(self, one: Fetched) -> None:
        """Add to what is known of an asset; the free part of it says what kind it is."""
        before = self.found.get(one.asset)
        if before is None:
            self.found[one.asset] = one
            return
        kind, days, level = (one.kind, one.days, one.level) if one.free else before.as_sold()
        self.found[one.asset] = Fetched(
            one.asset,
            kind,
            before.value + one.value,
            before.free + one.free,
            before.fetched + one.fetched,
            days,
            level,
            before.matched + one.matched,
        )

    def _match(self, part: Part) -> int:
        """Match a part with what is owed in kind, count it in full, and return what was matched."""
        owed = self.owed_in_kind.get(part.currency, 0)
        units = min(owed, part.at_par)
        if not units:
            return 0
        self.owed_in_kind[part.currency] = owed - units
        value = mul_div_down(part.value or 0, units, part.at_par)
        self._count(value, "level_1", 0)
        return value

    def _count(self, value: int, level: Level, days: int) -> None:
        self.fetched += value
        self.levels[level] += value
        self.by_days[days] = self.by_days.get(days, 0) + value

    def stock(self) -> int:
        """Return the liquid stock under the caps on Level 2 and Level 2B."""
        levels = self.levels
        return liquid_stock(
            level_1=levels["level_1"], level_2a=levels["level_2a"], level_2b=levels["level_2b"]
        )

    def within(self, days: int) -> int:
        """Return what is money within so many days."""
        return sum(value for fetched, value in self.by_days.items() if fetched <= days)
