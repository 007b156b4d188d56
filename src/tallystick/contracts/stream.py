"""Streams: value that becomes the recipient's by the passing of time, claimed whenever it likes.

A **lockup** is paid in whole: some at its start, some at a cliff, the rest in pieces, each linear between its
ends. What is streamed is the recipient's; the rest comes back to the sender if the stream is cancelable and
it asks. A **flow** has a rate and no end: its sender tops it up. Since a contract cannot owe, a flow never
credits more than it holds; so it ends for good at the moment it runs dry, and the recipient is protected by a
**buffer** instead: `buffer_seconds` of the rate that the sender cannot take back. Stopping a flow is a notice
of that length. The rule that must hold: streamed and not withdrawn is there, for every stream at once.

An idle stream costs nothing: what is streamed follows from the clock, and is computed when somebody asks.

Source: Sablier, sablier-labs/v2-core at 1c0a329 (LockupLinear; elapsed fractions with 18 decimals, rounded
down), and Sablier Flow (refund and void); the buffer as in Superfluid's constant flow agreement.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT, check_units, mul_div_down, mul_div_up
from tallystick.ledger.contract import (
    Contract,
    Dependencies,
    Exit,
    Position,
    Power,
    Record,
    Table,
    method,
    replace,
    view,
)
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

FRACTION_ONE = 10**18
PIECES_MAX = 64
BUFFER_SECONDS_MAX = 366 * 86_400
TIME_LIMIT = 1 << 62


class Parameters(Record, frozen=True):
    """How much of its rate a flow keeps for the recipient: the notice that the recipient always has."""

    buffer_seconds: int = 14_400


class Refusal(StrEnum):
    """Why a stream refuses."""

    PARAMETERS_INVALID = "stream.parameters_invalid"
    """buffer_seconds is out of range. Facts: reason."""
    SCHEDULE_INVALID = "stream.schedule_invalid"
    """The schedule contradicts itself. Facts: reason."""
    NO_SUCH_STREAM = "stream.no_such_stream"
    """There is no such stream, or it was ended and emptied. Facts: stream."""
    NOT_ITS_SENDER = "stream.not_its_sender"
    """Only the sender may do this. Facts: stream, sender, caller."""
    NOT_ITS_RECIPIENT = "stream.not_its_recipient"
    """Only the recipient may do this. Facts: stream, recipient, caller."""
    NOT_CANCELABLE = "stream.not_cancelable"
    """The sender gave up taking anything back. Facts: stream."""
    NOT_A_FLOW = "stream.not_a_flow"
    """A lockup is paid in whole and has its end: nothing can be added or stopped. Facts: stream."""
    HAS_ENDED = "stream.has_ended"
    """The stream has ended or run dry: what is streamed can be withdrawn, no more. Facts: stream, ended."""
    STREAMED_EXCEEDED = "stream.streamed_exceeded"
    """More is asked for than is there to be taken now. Facts: stream, asked, available."""
    BUFFER_MISSING = "stream.buffer_missing"
    """A flow begins with its buffer at least. Facts: units, least."""


class Piece(Record, frozen=True):
    """`units` that stream linearly from the end of the piece before until `ends` (microseconds UTC)."""

    units: int
    ends: int


class Schedule(Record, frozen=True):
    """When a lockup streams: `unlock_units` at `start`, nothing till `cliff` (0: none), `cliff_units` there,
    then the pieces. All times are microseconds UTC. `cancelable` lets the sender take the rest back."""

    start: int
    pieces: tuple[Piece, ...]
    unlock_units: int = 0
    cliff: int = 0
    cliff_units: int = 0
    cancelable: bool = True


class Pace(Record, frozen=True):
    """How fast a flow is: `units` for every `seconds`."""

    units: int
    seconds: int


class Rate(Record, frozen=True):
    """`units` for every `seconds`, from `since` on; `until` is zero while nobody gave notice."""

    units: int
    seconds: int
    since: int
    until: int = 0


class Stream(Record, frozen=True):
    """One stream. `units` is what was paid in and not taken back; either `schedule` or `rate` says how it
    streams. `ended` (microseconds UTC, zero: no) is when it was voided or refunded."""

    sender: str
    recipient: str
    asset: str
    units: int
    withdrawn: int = 0
    cancelable: bool = True
    schedule: Schedule | None = None
    rate: Rate | None = None
    ended: int = 0


class Told(Record, frozen=True):
    """A stream as its parties read it now. `ends` is when it streams no more if nobody adds or stops."""

    stream: int
    sender: str
    recipient: str
    asset: str
    units: int
    streamed: int
    withdrawn: int
    withdrawable: int
    refundable: int
    ends: int


# The formulas.


def part_streamed(units: int, *, elapsed: int, duration: int) -> int:
    """Return the part of `units` that streamed: the elapsed fraction down to 18 decimals, then down again."""
    return mul_div_down(units, mul_div_down(elapsed, FRACTION_ONE, duration), FRACTION_ONE)


def streamed_by(schedule: Schedule, time: int) -> int:
    """Return what a schedule has streamed by `time`. Source: LockupLinear, streamedAmountOf."""
    if time < schedule.start:
        return 0
    if time < schedule.cliff:
        return schedule.unlock_units
    streamed = schedule.unlock_units + schedule.cliff_units
    begun = schedule.cliff or schedule.start
    for piece in schedule.pieces:
        if time < piece.ends:
            return streamed + part_streamed(piece.units, elapsed=time - begun, duration=piece.ends - begun)
        streamed += piece.units
        begun = piece.ends
    return streamed


def flowed_by(rate: Rate, time: int) -> int:
    """Return what a rate has let through by `time`, rounded down, if there was enough."""
    elapsed = (min(time, rate.until) if rate.until else time) - rate.since
    return mul_div_down(max(elapsed, 0), rate.units, rate.seconds * MICROSECONDS)


def buffer_units(rate: Rate, buffer_seconds: int) -> int:
    """Return what a flow keeps for its recipient, rounded up: the sender pays it."""
    return mul_div_up(buffer_seconds, rate.units, rate.seconds)


def runs_dry(rate: Rate, units: int) -> int:
    """Return the first moment at which a flow of `units` in all has nothing left."""
    return rate.since + mul_div_up(units, rate.seconds * MICROSECONDS, rate.units)


class Streams(Contract):
    """Lockups and flows between any two accounts, each in its own asset."""

    kind = "stream"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "stream": Table(key=(int,), value=Stream),
        "of": Table(key=(str, int), value=int),
        "last": Table(key=(), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the buffer."""
        if not 0 <= ctx.params.buffer_seconds <= BUFFER_SECONDS_MAX:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"buffer_seconds is 0 to {BUFFER_SECONDS_MAX}")

    # Beginning.

    @method
    def create(self, ctx: CallContext, recipient: str, asset: str, schedule: Schedule) -> int:
        """Pay a lockup in whole and return its number."""
        reason = _fault(schedule)
        if reason is None and recipient == ctx.caller:
            reason = "a stream is for somebody else"
        if reason is not None:
            raise Rejection(Refusal.SCHEDULE_INVALID, reason=reason)
        return self._begin(
            ctx,
            Stream(
                sender=ctx.caller,
                recipient=recipient,
                asset=asset,
                units=_total(schedule),
                cancelable=schedule.cancelable,
                schedule=schedule,
            ),
        )

    @method
    def open_flow(self, ctx: CallContext, recipient: str, asset: str, pace: Pace, units: int) -> int:
        """Open a flow of that pace with `units` to begin with, at least its buffer; return its number."""
        reason = None
        if not (0 < pace.units < UNITS_LIMIT and 0 < pace.seconds <= BUFFER_SECONDS_MAX):
            reason = f"a flow has units for every 1 to {BUFFER_SECONDS_MAX} seconds"
        elif recipient == ctx.caller:
            reason = "a stream is for somebody else"
        if reason is not None:
            raise Rejection(Refusal.SCHEDULE_INVALID, reason=reason)
        rate = Rate(pace.units, pace.seconds, ctx.time)
        least = buffer_units(rate, ctx.params.buffer_seconds)
        if check_units(units) < least:
            raise Rejection(Refusal.BUFFER_MISSING, units=str(units), least=str(least))
        return self._begin(
            ctx, Stream(sender=ctx.caller, recipient=recipient, asset=asset, units=units, rate=rate)
        )

    def _begin(self, ctx: CallContext, stream: Stream) -> int:
        number: int = (ctx.get("last") or 0) + 1
        ctx.put("last", value=number)
        ctx.put("stream", number, value=stream)
        ctx.put("of", stream.sender, number, value=1)
        ctx.put("of", stream.recipient, number, value=1)
        ctx.take(stream.asset, stream.units)
        ctx.emit(
            "begun",
            stream=number,
            sender=stream.sender,
            recipient=stream.recipient,
            asset=stream.asset,
            units=stream.units,
        )
        return number

    @method
    def top_up(self, ctx: CallContext, stream: int, units: int) -> int:
        """Add `units` to a flow that has not run dry, as anybody; return when it now does."""
        row, _ = self._flow(ctx, stream)
        self._check_running(ctx, stream, row)
        ctx.put("stream", stream, value=replace(row, units=row.units + check_units(units)))
        ctx.take(row.asset, units)
        ctx.emit("topped_up", stream=stream, by=ctx.caller, units=units)
        return self._ends(replace(row, units=row.units + units))

    # Paying out.

    @method
    def withdraw(self, ctx: CallContext, stream: int, units: int) -> None:
        """Pay `units` of what is streamed to the recipient, which calls."""
        row = self._row(ctx, stream)
        self._check_recipient(ctx, stream, row)
        available = self._streamed(ctx, row) - row.withdrawn
        if check_units(units) > available:
            raise Rejection(
                Refusal.STREAMED_EXCEEDED, stream=stream, asked=str(units), available=str(available)
            )
        self._keep(ctx, stream, replace(row, withdrawn=row.withdrawn + units))
        ctx.pay(row.recipient, row.asset, units)
        ctx.emit("withdrawn", stream=stream, recipient=row.recipient, units=units)

    # Ending.

    @method
    def refund(self, ctx: CallContext, stream: int, units: int = 0) -> int:
        """Pay what is not streamed back to the sender, which calls; return how much.

        Of a lockup that is everything, and it ends; `units` is the least that the sender accepts. Of a flow
        it is exactly `units` of what is beyond its buffer, and it goes on. Zero is all that there is when the
        call's turn comes, which nobody knows to the unit before.
        """
        row = self._row(ctx, stream)
        self._check_sender(ctx, stream, row)
        if not row.cancelable:
            raise Rejection(Refusal.NOT_CANCELABLE, stream=stream)
        available = self._refundable(ctx, row)
        if units > available or not available:
            raise Rejection(
                Refusal.STREAMED_EXCEEDED, stream=stream, asked=str(units)[:48], available=str(available)
            )
        ended = row.ended
        if row.schedule is not None:
            units, ended = available, ctx.time
        units = check_units(units or available)
        self._keep(ctx, stream, replace(row, units=row.units - units, ended=ended))
        ctx.pay(row.sender, row.asset, units)
        ctx.emit("refunded", stream=stream, sender=row.sender, units=units)
        return units

    @method
    def renounce(self, ctx: CallContext, stream: int) -> None:
        """Give up the power to take a lockup back, as its sender, for ever."""
        row = self._row(ctx, stream)
        self._check_sender(ctx, stream, row)
        if not row.cancelable or row.rate is not None:
            raise Rejection(Refusal.NOT_CANCELABLE, stream=stream)
        ctx.put("stream", stream, value=replace(row, cancelable=False))
        ctx.emit("renounced", stream=stream, sender=row.sender)

    @method
    def stop(self, ctx: CallContext, stream: int) -> int:
        """Give notice of a flow, as its sender; return when it ends: the buffer is the recipient's."""
        row, rate = self._flow(ctx, stream)
        self._check_sender(ctx, stream, row)
        self._check_running(ctx, stream, row)
        until = rate.until or ctx.time + ctx.params.buffer_seconds * MICROSECONDS
        row = replace(row, rate=replace(rate, until=until))
        ctx.put("stream", stream, value=row)
        ctx.emit("stopped", stream=stream, until=until)
        return self._ends(row)

    @method
    def void(self, ctx: CallContext, stream: int) -> int:
        """End a stream at once, as its recipient: what is not streamed goes back; return those units."""
        row = self._row(ctx, stream)
        self._check_recipient(ctx, stream, row)
        self._check_running(ctx, stream, row)
        streamed = self._streamed(ctx, row)
        back = row.units - streamed
        self._keep(ctx, stream, replace(row, units=streamed, ended=ctx.time))
        if back:
            ctx.pay(row.sender, row.asset, back)
        ctx.emit("voided", stream=stream, recipient=row.recipient, back=back)
        return back

    # Views.

    @view
    def stream(self, ctx: CallContext, stream: int) -> Told:
        """Return a stream as of now."""
        return self._told(ctx, stream, self._row(ctx, stream))

    @view
    def streams(self, ctx: CallContext, account: str, start: int = 0, most: int = 100) -> list[Told]:
        """Return the streams that the account sends or receives, from number `start` on."""
        found: list[Told] = []
        for (_, number), _ in ctx.scan("of", account, start=max(start, 0)):
            if len(found) >= most:
                break
            found.append(self._told(ctx, number, ctx.get("stream", number)))
        return found

    def _told(self, ctx: CallContext, number: int, row: Stream) -> Told:
        streamed = self._streamed(ctx, row)
        return Told(
            number,
            row.sender,
            row.recipient,
            row.asset,
            row.units,
            streamed,
            row.withdrawn,
            streamed - row.withdrawn,
            self._taken_back(ctx, row),
            self._ends(row),
        )

    # The five self-descriptions. The contract issues nothing, so nothing needs backing.

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return what is streamed, its recipient's, and of the rest what the sender can take back, its own.

        What it cannot (a renounced lockup, a flow's buffer and what flows until it stops) is the recipient's.
        """
        found = []
        for number, row in self._rows_of(ctx, account):
            streamed, back = self._streamed(ctx, row), self._taken_back(ctx, row)
            mine, to_come = streamed - row.withdrawn, row.units - streamed - back
            if row.recipient == account and mine:
                found.append(Position(row.asset, mine, note=f"stream {number}, streamed"))
            if row.recipient == account and to_come:
                found.append(Position(row.asset, to_come, note=f"stream {number}, to come"))
            if row.sender == account and back:
                found.append(Position(row.asset, back, note=f"stream {number}, not streamed"))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return withdrawals and refunds now, and what is sure to stream later."""
        ways = []
        for number, row in self._rows_of(ctx, account):
            streamed, back = self._streamed(ctx, row), self._taken_back(ctx, row)
            now, later = streamed - row.withdrawn, row.units - streamed - back
            if row.recipient == account and (now or later):
                when = self._sure_by(ctx, row) if later else None
                arguments = {"stream": number, "units": now or later}
                ways.append(Exit("withdraw", arguments, row.asset, now, units_later=later, when=when))
            if row.sender == account and back:
                ways.append(Exit("refund", {"stream": number}, row.asset, back))
        return ways

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return what each sender may do to its own streams. Nobody else has a power here."""
        return [
            Power("a lockup's sender", "takes back what is not streamed", "unless it renounced that"),
            Power(
                "a flow's sender",
                "ends it",
                "what is streamed, and the buffer, are the recipient's",
                ctx.params.buffer_seconds,
            ),
        ]

    # What several of the above need.

    def _rows_of(self, ctx: CallContext, account: str) -> list[tuple[int, Stream]]:
        return [(number, ctx.get("stream", number)) for (_, number), _ in ctx.scan("of", account)]

    def _row(self, ctx: CallContext, number: int) -> Stream:
        row: Stream | None = ctx.get("stream", number)
        if row is None:
            raise Rejection(Refusal.NO_SUCH_STREAM, stream=str(number)[:48])
        return row

    def _flow(self, ctx: CallContext, number: int) -> tuple[Stream, Rate]:
        row = self._row(ctx, number)
        if row.rate is None:
            raise Rejection(Refusal.NOT_A_FLOW, stream=number)
        return row, row.rate

    def _streamed(self, ctx: CallContext, row: Stream) -> int:
        """Return what is the recipient's of all that it ever was: never more than was paid in."""
        if row.ended and row.schedule is not None:
            return row.units
        if row.schedule is not None:
            return streamed_by(row.schedule, ctx.time)
        assert row.rate is not None
        time = min(ctx.time, row.ended) if row.ended else ctx.time
        return min(flowed_by(row.rate, time), row.units)

    def _taken_back(self, ctx: CallContext, row: Stream) -> int:
        """Return what the sender can take back now."""
        return self._refundable(ctx, row) if row.cancelable else 0

    def _sure_by(self, ctx: CallContext, row: Stream) -> int:
        """Return when all has streamed that the sender cannot take back."""
        ends = self._ends(row)
        if row.rate is None or row.rate.until:
            return ends
        buffered: int = ctx.time + ctx.params.buffer_seconds * MICROSECONDS
        return min(ends, buffered)

    def _refundable(self, ctx: CallContext, row: Stream) -> int:
        rest = row.units - self._streamed(ctx, row)
        if row.rate is None or row.ended:
            return rest
        if row.rate.until:
            return row.units - min(flowed_by(row.rate, row.rate.until), row.units)
        return max(rest - buffer_units(row.rate, ctx.params.buffer_seconds), 0)

    def _ends(self, row: Stream) -> int:
        if row.ended:
            return row.ended
        if row.schedule is not None:
            return row.schedule.pieces[-1].ends
        assert row.rate is not None
        dry = runs_dry(row.rate, row.units)
        return min(dry, row.rate.until) if row.rate.until else dry

    def _check_running(self, ctx: CallContext, number: int, row: Stream) -> None:
        ends = self._ends(row)
        if ends <= ctx.time:
            raise Rejection(Refusal.HAS_ENDED, stream=number, ended=ends)

    def _check_sender(self, ctx: CallContext, number: int, row: Stream) -> None:
        if ctx.caller != row.sender:
            raise Rejection(Refusal.NOT_ITS_SENDER, stream=number, sender=row.sender, caller=ctx.caller)

    def _check_recipient(self, ctx: CallContext, number: int, row: Stream) -> None:
        if ctx.caller != row.recipient:
            raise Rejection(
                Refusal.NOT_ITS_RECIPIENT, stream=number, recipient=row.recipient, caller=ctx.caller
            )

    def _keep(self, ctx: CallContext, number: int, row: Stream) -> None:
        """Write a stream, or forget one that has ended and holds nothing more."""
        if row.units > row.withdrawn or self._ends(row) > ctx.time:
            ctx.put("stream", number, value=row)
            return
        ctx.put("stream", number, value=None)
        ctx.put("of", row.sender, number, value=None)
        ctx.put("of", row.recipient, number, value=None)

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return nothing: each stream depends on its own asset, which its parties chose."""
        return Dependencies()


def _total(schedule: Schedule) -> int:
    return schedule.unlock_units + schedule.cliff_units + sum(piece.units for piece in schedule.pieces)


def _fault(schedule: Schedule) -> str | None:
    """Return what is wrong with a schedule, or None."""
    if not 1 <= len(schedule.pieces) <= PIECES_MAX:
        return f"a schedule has 1 to {PIECES_MAX} pieces"
    amounts = (schedule.unlock_units, schedule.cliff_units, *(piece.units for piece in schedule.pieces))
    if min(amounts) < 0 or not 0 < sum(amounts) < UNITS_LIMIT:
        return "amounts are not negative, and not all zero"
    if schedule.cliff_units and not schedule.cliff:
        return "cliff_units need a cliff"
    times = [schedule.start, *([schedule.cliff] if schedule.cliff else [])]
    times += [piece.ends for piece in schedule.pieces]
    if times[0] <= 0 or times[-1] >= TIME_LIMIT or sorted(set(times)) != times:
        return "start, cliff and the ends of the pieces follow each other"
    return None
