"""Oracle: a price that several sources report, answered only while enough of them are fresh and agree.

Each source's newest report stands until it is stale. The answer is the **median** of the fresh ones, and is
given only if at least k of them (the quorum) lie within a bound of it; so as long as fewer than half of the
sources lie, the answer lies between what two honest ones say. Whoever asks states the freshness and the
quorum it needs, and is refused otherwise: a price that nobody vouches for is no price. Three kinds of source
report: **market** prices, registered **devices**, and **institutions**, for which any of their accounts
speaks. A fourth is asked, not told: a **pool**'s time-weighted price, which one batch cannot move.

Reports are signed because transactions are: a source is an account, and anybody may carry what it signed. Its
record is kept: how often it reported, was far from the others, and for how long it was silent.

Two more bounds stop what a majority could do at once. A report outside [least, most] is refused. And where
`step_ppm_max` is set, a price further than that from the last one is refused until it has stood, within the
same bound, for `step_seconds`; so an absurd price gives everybody that long to see it. Refused: the mean,
which one liar moves as far as it likes; and a spot price, which anybody moves within one transaction.

Source: the median of k of n as in MakerDAO's medianizer and Chainlink's OCR protocol (Breidenbach et al.,
"Chainlink Off-chain Reporting Protocol", 2021, section 1); the bound on steps is a circuit breaker as in
ESMA's guidelines on trading halts (ESMA70-872942901-63, 2017).
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, Literal

from tallystick.ledger.amounts import INTEGER_LIMIT, MICROSECONDS, UNITS_LIMIT, mul_div_down
from tallystick.ledger.contract import (
    Contract,
    Dependencies,
    Power,
    Record,
    Table,
    method,
    replace,
    view,
)
from tallystick.ledger.names import check_name, check_reference, is_asset
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext

PPM = 1_000_000
VALUE_MAX = INTEGER_LIMIT // 4
SOURCES_MAX = 32
WINDOW_SECONDS_MIN = 60
"""A pool's price is averaged over a minute at least: a price that stood for seconds is nobody's evidence."""
SPREAD_PPM_MAX = 500_000
DELAY_SECONDS_MIN = 3_600
DELAY_SECONDS_MAX = 365 * 86_400

Kind = Literal["market", "device", "institution", "pool"]


class Source(Record, frozen=True):
    """One source: an account, for `institution` an institution's id, for `pool` a contract's.

    `window_seconds` is over how long a pool's price is averaged. `reference` is public: a device's serial
    number, an institution's licence, the name of a feed.
    """

    name: str
    kind: Kind
    window_seconds: int = 0
    reference: str = ""


class Parameters(Record, frozen=True):
    """What is priced in what, by whom, within which bounds. Nothing of it can change but the sources.

    `base` and `quote` are assets or names of units (EUR, kWh), whose decimals are then given here. A report
    of `value` says that one minor unit of `base` is worth `value` / `scale` minor units of `quote`. `least`,
    `most`, `step_ppm_max` of zero set no bound.
    """

    base: str
    quote: str
    scale: int
    sources: tuple[Source, ...]
    quorum: int
    stale_seconds: int
    spread_ppm_max: int
    least: int = 0
    most: int = 0
    step_ppm_max: int = 0
    step_seconds: int = 0
    admin: str = ""
    registrar: str = ""
    delay_seconds: int = 86_400
    base_decimals: int = 0
    quote_decimals: int = 0


class Refusal(StrEnum):
    """Why an oracle refuses."""

    PARAMETERS_INVALID = "oracle.parameters_invalid"
    """The oracle cannot be deployed like this. Facts: reason."""
    SOURCE_INVALID = "oracle.source_invalid"
    """A source stands twice, there are too many, or a pool's window is missing. Facts: source, reason."""
    UNKNOWN_SOURCE = "oracle.unknown_source"
    """There is no such source. Facts: source."""
    NOT_A_SOURCE = "oracle.not_a_source"
    """The caller is no source that reports, or not yet, or no more. Facts: caller, and since or until."""
    NOT_ITS_ADMIN = "oracle.not_its_admin"
    """The caller may not change sources of this kind. Facts: caller, kind."""
    SOURCES_NEEDED = "oracle.sources_needed"
    """Without this source there would be fewer than the quorum. Facts: left, quorum."""
    VALUE_INVALID = "oracle.value_invalid"
    """A report is of no positive value, or outside the bounds. Facts: value, least, most."""
    OBSERVED_INVALID = "oracle.observed_invalid"
    """A report is from the future, stale already, or not newer than the source's last.
    Facts: observed, after, until."""
    WRONG_ASSET = "oracle.wrong_asset"
    """The oracle prices its two assets in each other, nothing else. Facts: asset_in, asset_out."""
    NEEDS_INVALID = "oracle.needs_invalid"
    """The freshness or quorum asked for is below zero. Facts: freshness_seconds, quorum."""
    STALE = "oracle.stale"
    """Enough sources reported, but too long ago. Facts: fresh, quorum, freshness_seconds."""
    QUORUM_MISSED = "oracle.quorum_missed"
    """Too few sources have reported at all. Facts: reported, quorum."""
    SOURCES_DISAGREE = "oracle.sources_disagree"
    """Too few of the fresh reports lie near their median. Facts: agree, quorum, spread_ppm_max."""
    MOVED_TOO_FAR = "oracle.moved_too_far"
    """The price is further from the last one than a step, and has not stood for long enough.
    Facts: price, last (both over twice the scale), step_ppm_max, until (0: nobody began to wait)."""
    SOURCE_BUSY = "oracle.source_busy"
    """A pool that is a source lends at this moment, so that it cannot be asked. Facts: source."""


class Standing(Record, frozen=True):
    """A source and its newest report. It counts from `since` until `until` (zero: no end)."""

    source: Source
    since: int
    until: int = 0
    value: int = 0
    observed: int = 0


class Board(Record, frozen=True):
    """The oracle's one row that prices are read from: every source, and the price that steps count from.

    Prices here are over twice the scale, so that the middle of two reports is exact. `last` was taken at
    `last_time`; `doubted` is a price too far from it, seen first at `doubted_since`.
    """

    standings: tuple[Standing, ...]
    last: int = 0
    last_time: int = 0
    doubted: int = 0
    doubted_since: int = 0


class Track(Record, frozen=True):
    """A source's record.

    Of `reports`, `judged` could be compared with enough others, and `far` of these lay outside the spread;
    `furthest_ppm` is the furthest from the median, `silent_seconds` the longest time between two reports.
    """

    reports: int = 0
    judged: int = 0
    far: int = 0
    furthest_ppm: int = 0
    silent_seconds: int = 0
    first: int = 0
    last: int = 0


class SourceState(Record, frozen=True):
    """A source as a reader sees it: its newest report, whether it counts now, and its record."""

    name: str
    kind: str
    reference: str
    since: int
    until: int
    value: int
    observed: int
    counts: bool
    record: Track


class Latest(Record, frozen=True):
    """The price now, or the code of why there is none; then numbers are zero. Nothing is refused here."""

    numerator: int
    denominator: int
    time: int
    quorum: int
    refusal: str = ""


class _Reading(Record, frozen=True):
    """Fresh values, sorted, with what their median is and who agrees with it."""

    median: int
    agree: int
    oldest: int


class Oracle(Contract):
    """Reports, their median, and the refusal to answer without enough of them."""

    kind = "oracle"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "board": Table(key=(), value=Board),
        "track": Table(key=(str,), value=Track),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters and open the board."""
        params: Parameters = ctx.params
        for name in (params.base, params.quote):
            if is_asset(name):
                ctx.asset(name)
            else:
                check_reference(name)
        reason = _why_invalid(params)
        if reason:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=reason)
        for role in filter(None, (params.admin, params.registrar)):
            ctx.check_account(role)
        board = Board(())
        for source in params.sources:
            board = self._with_source(ctx, board, source, since=ctx.time)
        ctx.put("board", value=board)

    # Reports.

    @method
    def report(self, ctx: CallContext, value: int, observed: int, reference: str = "") -> int:
        """Say what one unit of `base` was worth at `observed`, in units of `quote` over the scale.

        `reference` is public: where it can be looked up, or the hash of a document. Returns how many sources
        are fresh now.
        """
        params: Parameters = ctx.params
        board: Board = ctx.get("board")
        place = self._place(ctx, board)
        if not max(params.least, 1) <= value <= (params.most or VALUE_MAX):
            raise Rejection(
                Refusal.VALUE_INVALID, value=str(value), least=str(params.least), most=str(params.most)
            )
        before = board.standings[place]
        after = max(before.observed, ctx.time - params.stale_seconds * MICROSECONDS)
        if not after < observed <= ctx.time:
            raise Rejection(
                Refusal.OBSERVED_INVALID, observed=str(observed), after=str(after), until=str(ctx.time)
            )
        if reference:
            check_reference(reference)
        # From here the report is taken.
        told = replace(before, value=value, observed=observed)
        standings = (*board.standings[:place], told, *board.standings[place + 1 :])
        board = replace(board, standings=standings)
        fresh = sorted(pair[0] for pair in self._fresh(ctx, board, params.stale_seconds))
        reading = _read(fresh, params.spread_ppm_max) if len(fresh) >= params.quorum else None
        self._keep_record(ctx, told, reading)
        if reading is not None and reading.agree >= params.quorum:
            board = self._stepped(ctx, board, reading.median)
        ctx.put("board", value=board)
        ctx.emit(
            "reported",
            source=told.source.name,
            by=ctx.caller,
            value=value,
            observed=observed,
            fresh=len(fresh),
            median=reading.median if reading else 0,
            over=2 * params.scale,
            reference=reference,
        )
        return len(fresh)

    @method
    def refresh(self, ctx: CallContext) -> None:
        """Note the price now, as a report does: steps count from it, or doubt begins. Pools do not report."""
        board: Board = ctx.get("board")
        fresh = sorted(pair[0] for pair in self._fresh(ctx, board, ctx.params.stale_seconds))
        if len(fresh) >= ctx.params.quorum:
            reading = _read(fresh, ctx.params.spread_ppm_max)
            if reading.agree >= ctx.params.quorum:
                ctx.put("board", value=self._stepped(ctx, board, reading.median))

    def _place(self, ctx: CallContext, board: Board) -> int:
        """Return where the caller's standing is: as an account, or as one of its institution's."""
        institution = ctx.institution_of(ctx.caller)
        facts = {}
        for place, standing in enumerate(board.standings):
            source = standing.source
            speaks_for = institution if source.kind == "institution" else ctx.caller
            if source.name == speaks_for and source.kind != "pool":
                if _is_active(standing, ctx.time):
                    return place
                facts = {"since": str(standing.since), "until": str(standing.until)}
        raise Rejection(Refusal.NOT_A_SOURCE, caller=ctx.caller, **facts)

    def _keep_record(self, ctx: CallContext, told: Standing, reading: _Reading | None) -> None:
        name = told.source.name
        track: Track = ctx.get("track", name) or Track(first=ctx.time, last=ctx.time)
        silent = (ctx.time - track.last) // MICROSECONDS
        judged, far, away_ppm = 0, 0, 0
        if reading is not None:
            judged = 1
            away_ppm = mul_div_down(abs(2 * told.value - reading.median), PPM, reading.median)
            far = int(_is_far(2 * told.value, reading.median, ctx.params.spread_ppm_max))
        kept = Track(
            reports=track.reports + 1,
            judged=track.judged + judged,
            far=track.far + far,
            furthest_ppm=max(track.furthest_ppm, away_ppm),
            silent_seconds=max(track.silent_seconds, silent),
            first=track.first,
            last=ctx.time,
        )
        ctx.put("track", name, value=kept)

    def _stepped(self, ctx: CallContext, board: Board, median: int) -> Board:
        """Return the board after `median` was seen: taken as the last price, doubted, or neither yet."""
        params: Parameters = ctx.params
        if not params.step_ppm_max:
            return board
        waits = params.step_seconds * MICROSECONDS
        taken = replace(board, last=median, last_time=ctx.time, doubted=0, doubted_since=0)
        if not board.last:
            return taken
        if not _is_far(median, board.last, params.step_ppm_max):
            if ctx.time - board.last_time >= waits:
                return taken
            # The price is near the last again: whatever was doubted has not stood.
            return replace(board, doubted=0, doubted_since=0)
        if board.doubted and not _is_far(median, board.doubted, params.step_ppm_max):
            return taken if ctx.time - board.doubted_since >= waits else board
        return replace(board, doubted=median, doubted_since=ctx.time)

    # Sources.

    @method
    def add_source(self, ctx: CallContext, source: Source) -> int:
        """Let a source count after the delay; return from when. Devices are the registrar's to add."""
        self._check_admin(ctx, source.kind)
        since: int = ctx.time + ctx.params.delay_seconds * MICROSECONDS
        ctx.put("board", value=self._with_source(ctx, ctx.get("board"), source, since=since))
        ctx.emit("source_added", source=source.name, kind=source.kind, since=since, by=ctx.caller)
        return since

    @method
    def remove_source(self, ctx: CallContext, name: str) -> int:
        """Let a source count no more after the delay, never leaving fewer than the quorum."""
        board: Board = ctx.get("board")
        place = _find(board, name)
        self._check_admin(ctx, board.standings[place].source.kind)
        until: int = ctx.time + ctx.params.delay_seconds * MICROSECONDS
        left = [
            other
            for other in board.standings
            if other.source.name != name and other.since <= until and not other.until
        ]
        if len(left) < ctx.params.quorum:
            raise Rejection(Refusal.SOURCES_NEEDED, left=str(len(left)), quorum=str(ctx.params.quorum))
        self._end(ctx, board, place, until)
        return until

    @method
    def resign(self, ctx: CallContext) -> None:
        """Stop being a source at once: whose key is stolen can say so."""
        board: Board = ctx.get("board")
        self._end(ctx, board, self._place(ctx, board), ctx.time)

    def _end(self, ctx: CallContext, board: Board, place: int, until: int) -> None:
        standing = board.standings[place]
        ended = replace(standing, until=min(until, standing.until or until))
        ctx.put(
            "board",
            value=replace(board, standings=(*board.standings[:place], ended, *board.standings[place + 1 :])),
        )
        ctx.emit("source_ends", source=standing.source.name, until=ended.until, by=ctx.caller)

    def _check_admin(self, ctx: CallContext, kind: str) -> None:
        may = ctx.params.registrar if kind == "device" else ctx.params.admin
        if ctx.caller != may:
            raise Rejection(Refusal.NOT_ITS_ADMIN, caller=ctx.caller, kind=kind)

    def _with_source(self, ctx: CallContext, board: Board, source: Source, *, since: int) -> Board:
        """Return the board with one source more, and without those whose time is over."""
        check_name(source.name)
        if source.reference:
            check_reference(source.reference)
        kept = tuple(one for one in board.standings if not one.until or one.until > ctx.time)
        if any(one.source.name == source.name for one in kept):
            raise Rejection(Refusal.SOURCE_INVALID, source=source.name, reason="it is a source already")
        if len(kept) >= SOURCES_MAX:
            raise Rejection(
                Refusal.SOURCE_INVALID, source=source.name, reason=f"at most {SOURCES_MAX} sources"
            )
        if source.kind == "pool":
            if source.window_seconds < WINDOW_SECONDS_MIN:
                raise Rejection(
                    Refusal.SOURCE_INVALID,
                    source=source.name,
                    reason=f"a pool's price is averaged over {WINDOW_SECONDS_MIN} seconds at least",
                )
        elif source.window_seconds:
            raise Rejection(
                Refusal.SOURCE_INVALID, source=source.name, reason="only a pool has window_seconds"
            )
        return replace(board, standings=(*kept, Standing(source, since)))

    # The price.

    @view
    def price(
        self, ctx: CallContext, asset_in: str, asset_out: str, freshness_seconds: int = 0, quorum: int = 0
    ) -> OraclePrice:
        """Return the price of `asset_in` in `asset_out`, or refuse.

        Only reports not older than `freshness_seconds` count, and at least `quorum` must agree; the oracle's
        own bounds hold beside these, and alone where they are zero.
        """
        params: Parameters = ctx.params
        forwards = (asset_in, asset_out) == (params.base, params.quote)
        if not forwards and (asset_in, asset_out) != (params.quote, params.base):
            raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])
        if freshness_seconds < 0 or quorum < 0:
            raise Rejection(
                Refusal.NEEDS_INVALID, freshness_seconds=str(freshness_seconds), quorum=str(quorum)
            )
        reading = self._reading(
            ctx,
            ctx.get("board"),
            freshness_seconds=min(freshness_seconds or params.stale_seconds, params.stale_seconds),
            quorum=max(quorum, params.quorum),
        )
        over = 2 * params.scale
        if forwards:
            return OraclePrice(reading.median, over, reading.oldest, reading.agree)
        return OraclePrice(over, reading.median, reading.oldest, reading.agree)

    def _reading(self, ctx: CallContext, board: Board, *, freshness_seconds: int, quorum: int) -> _Reading:
        """Return the median of the fresh reports. Rejections: every reason why there is no price."""
        params: Parameters = ctx.params
        pairs = sorted(self._fresh(ctx, board, freshness_seconds))
        if len(pairs) < quorum:
            reported = sum(_is_active(one, ctx.time) and bool(one.value) for one in board.standings)
            if reported < quorum:
                raise Rejection(Refusal.QUORUM_MISSED, reported=str(reported), quorum=str(quorum))
            raise Rejection(
                Refusal.STALE,
                fresh=str(len(pairs)),
                quorum=str(quorum),
                freshness_seconds=str(freshness_seconds),
            )
        reading = _read([value for value, _ in pairs], params.spread_ppm_max)
        if reading.agree < quorum:
            raise Rejection(
                Refusal.SOURCES_DISAGREE,
                agree=str(reading.agree),
                quorum=str(quorum),
                spread_ppm_max=str(params.spread_ppm_max),
            )
        if params.step_ppm_max and board.last:
            self._check_step(ctx, board, reading.median)
        oldest = min(
            observed
            for value, observed in pairs
            if not _is_far(2 * value, reading.median, params.spread_ppm_max)
        )
        return replace(reading, oldest=oldest)

    def _check_step(self, ctx: CallContext, board: Board, median: int) -> None:
        params: Parameters = ctx.params
        if not _is_far(median, board.last, params.step_ppm_max):
            return
        begun = board.doubted and not _is_far(median, board.doubted, params.step_ppm_max)
        until = board.doubted_since + params.step_seconds * MICROSECONDS if begun else 0
        if not begun or ctx.time < until:
            raise Rejection(
                Refusal.MOVED_TOO_FAR,
                price=str(median),
                last=str(board.last),
                step_ppm_max=str(params.step_ppm_max),
                until=str(until),
            )

    def _fresh(self, ctx: CallContext, board: Board, freshness_seconds: int) -> Iterator[tuple[int, int]]:
        """Yield (value, observed) of every source that counts and is not older than that."""
        oldest = ctx.time - freshness_seconds * MICROSECONDS
        for standing in board.standings:
            if not _is_active(standing, ctx.time):
                continue
            if standing.source.kind == "pool":
                value = self._ask_pool(ctx, standing.source)
                if value:
                    yield value, ctx.time
            elif standing.value and standing.observed >= oldest:
                yield standing.value, standing.observed

    def _ask_pool(self, ctx: CallContext, source: Source) -> int:
        """Return a pool's time-weighted price, rounded down to the scale; zero where it has none.

        A pool that lends at this moment is not left out: whoever borrowed would choose the sources.
        """
        answered, told = ctx.attempt_view(
            source.name,
            "time_weighted_price",
            asset_in=ctx.params.base,
            asset_out=ctx.params.quote,
            window_seconds=source.window_seconds,
        )
        if not answered:
            if told in (Code.OBLIGATION_OPEN, Code.REENTRANCY, Code.DEPTH_EXCEEDED):
                raise Rejection(Refusal.SOURCE_BUSY, source=source.name)
            return 0
        value = mul_div_down(told.numerator, ctx.params.scale, told.denominator)
        inside = max(ctx.params.least, 1) <= value <= (ctx.params.most or UNITS_LIMIT**2 - 1)
        return value if inside else 0

    @view
    def latest(self, ctx: CallContext) -> Latest:
        """Return the price of `base` in `quote` by the oracle's own bounds, or why there is none."""
        params: Parameters = ctx.params
        try:
            reading = self._reading(
                ctx, ctx.get("board"), freshness_seconds=params.stale_seconds, quorum=params.quorum
            )
        except Rejection as refused:
            if not isinstance(refused.code, Refusal):
                raise
            return Latest(0, 0, 0, 0, refused.code.value)
        return Latest(reading.median, 2 * params.scale, reading.oldest, reading.agree)

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return what is priced in each other: base and quote."""
        return [ctx.params.base, ctx.params.quote]

    @view
    def sources(self, ctx: CallContext) -> list[SourceState]:
        """Return every source with its newest report and its record; a pool's report is its answer now."""
        board: Board = ctx.get("board")
        oldest = ctx.time - ctx.params.stale_seconds * MICROSECONDS
        found = []
        for standing in board.standings:
            source, value, observed = standing.source, standing.value, standing.observed
            active = _is_active(standing, ctx.time)
            if source.kind == "pool":
                value = self._ask_pool(ctx, source) if active else 0
                observed = ctx.time if value else 0
            found.append(
                SourceState(
                    name=source.name,
                    kind=source.kind,
                    reference=source.reference,
                    since=standing.since,
                    until=standing.until,
                    value=value,
                    observed=observed,
                    counts=active and bool(value) and observed >= oldest,
                    record=ctx.get("track", source.name) or Track(),
                )
            )
        return found

    @view
    def record(self, ctx: CallContext, source: str) -> Track:
        """Return a source's record, also of one that is none any more."""
        kept: Track | None = ctx.get("track", source)
        if kept is None:
            raise Rejection(Refusal.UNKNOWN_SOURCE, source=source[:64])
        return kept

    # The self-descriptions that an oracle, which holds nothing, has something to say to.

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return who reports, who may change the sources, and within which bounds."""
        params: Parameters = ctx.params
        board: Board = ctx.get("board")
        active = [one.source for one in board.standings if _is_active(one, ctx.time)]
        told = f"one of {len(active)} sources; {params.quorum} must agree within {params.spread_ppm_max} ppm"
        found = [Power(source.name, f"reports the price ({source.kind})", told) for source in active]
        bound = f"at most {SOURCES_MAX} sources, never fewer than {params.quorum} by removal"
        if params.admin:
            found.append(
                Power(params.admin, "add or remove a source", f"{bound}; no devices", params.delay_seconds)
            )
        if params.registrar:
            found.append(Power(params.registrar, "register or remove a device", bound, params.delay_seconds))
        return found

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the assets that are priced and the pools that are asked."""
        board: Board = ctx.get("board")
        pools = sorted(one.source.name for one in board.standings if one.source.kind == "pool")
        assets = tuple(name for name in (ctx.params.base, ctx.params.quote) if is_asset(name))
        return Dependencies(assets=assets, contracts=tuple(pools))


def _why_invalid(params: Parameters) -> str:
    """Return why an oracle cannot have these parameters, or nothing."""
    checks = (
        (params.base != params.quote, "base and quote differ"),
        (0 < params.scale < UNITS_LIMIT, "scale is positive, below 2^128"),
        (params.sources, "an oracle has a source"),
        (1 <= params.quorum <= len(params.sources), "quorum is 1 to the number of sources"),
        (params.stale_seconds > 0, "stale_seconds is positive"),
        (0 < params.spread_ppm_max <= SPREAD_PPM_MAX, f"spread_ppm_max is 1 to {SPREAD_PPM_MAX}"),
        (params.least >= 0 and 0 <= params.most <= VALUE_MAX, "least and most are 0 to 2^254"),
        (not params.most or params.least <= params.most, "least is at most most"),
        (0 <= params.step_ppm_max < PPM, f"step_ppm_max is 0 to {PPM - 1}"),
        (bool(params.step_ppm_max) == (params.step_seconds > 0), "a bound on steps has step_seconds"),
        (
            not (params.admin or params.registrar)
            or DELAY_SECONDS_MIN <= params.delay_seconds <= DELAY_SECONDS_MAX,
            f"delay_seconds is {DELAY_SECONDS_MIN} to {DELAY_SECONDS_MAX}",
        ),
        (0 <= params.base_decimals <= 36 and 0 <= params.quote_decimals <= 36, "decimals are 0 to 36"),
    )
    return next((reason for holds, reason in checks if not holds), "")


def _is_active(standing: Standing, time: int) -> bool:
    return standing.since <= time and (not standing.until or time < standing.until)


def _find(board: Board, name: str) -> int:
    for place, standing in enumerate(board.standings):
        if standing.source.name == name:
            return place
    raise Rejection(Refusal.UNKNOWN_SOURCE, source=name[:64])


def _is_far(value: int, centre: int, ppm: int) -> bool:
    """Tell whether `value` is further than `ppm` from `centre`, exactly."""
    return abs(value - centre) * PPM > centre * ppm


def _read(values: list[int], spread_ppm: int) -> _Reading:
    """Return the median of sorted values, over twice their scale, and how many lie near it."""
    middle = len(values) // 2
    median = 2 * values[middle] if len(values) % 2 else values[middle - 1] + values[middle]
    agree = sum(not _is_far(2 * value, median, spread_ppm) for value in values)
    return _Reading(median, agree, 0)
