"""Fund: units of a fund off the ledger, owed by a named obligor, bought and sold back in windows.

A money-market or gold fund holds its assets with a custodian elsewhere, so its units are **claims** on its
obligor, never shares of what is held here. Whoever subscribes or redeems says so in a window; when the window
has closed the **custodian settles it by a signed instruction**: it receives the subscriptions' cash, pays the
redemptions', and units are made and unmade, all at the net asset value of that moment. The value is an
oracle's, attested no earlier than the window's close, so nobody buys or sells at a price that is already
known (forward pricing), plus the yield that the prospectus lets accrue since then.

Windows, the time by which they are settled and the **gate**, the part of all units that one window redeems at
most, are parameters: everybody sees them in advance. What a gate leaves comes back with the claim, in
proportion. A window that is not settled in time is overdue; then everything in it can be taken back.

Source: SEC rule 22c-1 (17 CFR 270.22c-1), forward pricing; IOSCO, "Principles for the Valuation of Collective
Investment Schemes" (2013) and "Recommendations for Liquidity Risk Management" (2018), gates.
"""

from enum import StrEnum
from math import gcd
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
from tallystick.ledger.names import check_reference
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.records import Terms
from tallystick.ledger.redemptions import Redemption, Step
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

PPM = 1_000_000
YEAR_SECONDS = 31_536_000
WINDOW_SECONDS_MAX = 366 * 86_400
YIELD_PPM_MAX = 1_000_000
REDEEMING, CLAIMABLE = "redeeming", "claimable"


class Parameters(Record, frozen=True):
    """The fund as its prospectus has it. Nothing of it can change.

    `cash` pays for units; a unit claims `owes` (a unit of account, or an asset) of `obligor`. The oracle
    prices the unit in `cash`, by `quorum` sources not older than `freshness_seconds`. At most `gate_ppm` of
    all units are redeemed in a window. `yield_ppm` a year (Actual/365) accrues between two attested values.
    """

    cash: str
    obligor: str
    custodian: str
    oracle: str
    owes: str
    window_seconds: int
    settle_seconds: int
    freshness_seconds: int = 86_400
    quorum: int = 1
    gate_ppm: int = PPM
    yield_ppm: int = 0
    code: str = "unit"
    decimals: int = 6


class Refusal(StrEnum):
    """Why a fund refuses."""

    PARAMETERS_INVALID = "fund.parameters_invalid"
    """The fund cannot be deployed like this. Facts: reason."""
    WRONG_ASSET = "fund.wrong_asset"
    """The fund prices its unit in its cash, nothing else. Facts: asset_in, asset_out."""
    NOT_THE_CUSTODIAN = "fund.not_the_custodian"
    """Only the custodian settles. Facts: caller, custodian."""
    NO_SUCH_REQUEST = "fund.no_such_request"
    """There is no such request, or nothing in the window. Facts: window."""
    REQUEST_EXCEEDED = "fund.request_exceeded"
    """More is to be taken back than was requested. Facts: asked, requested."""
    WINDOW_OPEN = "fund.window_open"
    """The window has not closed, so it cannot be settled. Facts: window, closes, time."""
    WINDOW_CLOSED = "fund.window_closed"
    """The window has closed and is being settled: nothing is taken back until it is overdue.
    Facts: window, overdue_from, time."""
    ALREADY_SETTLED = "fund.already_settled"
    """The window is settled: it can be claimed, not changed. Facts: window, settled."""
    NOT_SETTLED = "fund.not_settled"
    """The window is not settled yet. Facts: window, due."""
    VALUE_TOO_OLD = "fund.value_too_old"
    """The value was attested before the window closed. Facts: attested, closes."""


class Window(Record, frozen=True):
    """One window's requests and, once `settled` (microseconds UTC), what stands for those not claimed yet.

    `units` stand for the cash `subscribed`, at `numerator` / `denominator` of it for one; both are zero where
    it bought none and comes back. Of the units `redeeming` so many are `filled`, for `paid` cash.
    """

    subscribed: int = 0
    redeeming: int = 0
    units: int = 0
    paid: int = 0
    filled: int = 0
    settled: int = 0
    numerator: int = 0
    denominator: int = 0


class Request(Record, frozen=True):
    """One account's requests in one window: cash to subscribe with and units to redeem."""

    subscribed: int = 0
    redeeming: int = 0


class Gate(Record, frozen=True):
    """What one window may redeem and when: known in advance, as of the units outstanding now."""

    window: int
    closes: int
    settled_by: int
    most_units: int
    requested_units: int


class Told(Record, frozen=True):
    """A request as its owner reads it. `cash` and `units` are what a claim gives, once settled."""

    window: int
    subscribed: int
    redeeming: int
    closes: int
    settled_by: int
    status: str
    cash: int
    units: int


def accrued(price: OraclePrice, *, time: int, yield_ppm: int) -> OraclePrice:
    """Return an attested value with the simple yield that accrued since it was observed (Actual/365)."""
    elapsed = max(time - price.time, 0)
    whole = PPM * YEAR_SECONDS * MICROSECONDS
    return replace(
        price,
        numerator=price.numerator * (whole + yield_ppm * elapsed),
        denominator=price.denominator * whole,
    )


class Fund(Contract):
    """Units on an obligor, subscribed and redeemed in windows that a custodian settles."""

    kind = "fund"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "window": Table(key=(int,), value=Window),
        "request": Table(key=(str, int), value=Request),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the prospectus and declare the unit."""
        params: Parameters = ctx.params
        ctx.asset(params.cash)
        reason = _fault(params)
        if reason is not None:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=reason)
        ctx.create_asset(
            params.code,
            kind="claim",
            decimals=params.decimals,
            obligor=params.obligor,
            terms=Terms(owes=params.owes),
        )
        ctx.open_subaccount(REDEEMING)
        ctx.open_subaccount(CLAIMABLE)

    # Requests.

    @method
    def subscribe(self, ctx: CallContext, units: int) -> int:
        """Take `units` of cash, to buy units of the fund when the window settles; return the window."""
        window = self._join(ctx, Request(subscribed=check_units(units)))
        ctx.take(ctx.params.cash, units)
        return window

    @method
    def redeem(self, ctx: CallContext, units: int) -> int:
        """Take `units` of the fund, to be paid in cash when the window settles; return the window."""
        window = self._join(ctx, Request(redeeming=check_units(units)))
        unit = self._unit(ctx)
        ctx.burn(unit, units)
        ctx.mint(f"{ctx.this}/{REDEEMING}", unit, units)
        return window

    @method
    def cancel(self, ctx: CallContext, window: int, subscribed: int = 0, redeeming: int = 0) -> None:
        """Take a request back, in whole or in part, before its window closes or once it is overdue."""
        mine: Request | None = ctx.get("request", ctx.caller, window)
        if mine is None:
            raise Rejection(Refusal.NO_SUCH_REQUEST, window=window)
        row: Window = ctx.get("window", window)
        if row.settled:
            raise Rejection(Refusal.ALREADY_SETTLED, window=window, settled=row.settled)
        overdue = self._settled_by(ctx, window)
        if self._closes(ctx, window) <= ctx.time < overdue:
            raise Rejection(Refusal.WINDOW_CLOSED, window=window, overdue_from=overdue, time=ctx.time)
        for asked, requested in ((subscribed, mine.subscribed), (redeeming, mine.redeeming)):
            if not 0 <= asked <= requested:
                raise Rejection(Refusal.REQUEST_EXCEEDED, asked=str(asked), requested=str(requested))
        check_units(subscribed + redeeming)
        self._write(
            ctx,
            window,
            Window(row.subscribed - subscribed, row.redeeming - redeeming),
            Request(mine.subscribed - subscribed, mine.redeeming - redeeming),
        )
        if subscribed:
            ctx.pay(ctx.caller, ctx.params.cash, subscribed)
        if redeeming:
            ctx.pay(ctx.caller, self._unit(ctx), redeeming, source=f"{ctx.this}/{REDEEMING}")
        ctx.emit("cancelled", by=ctx.caller, window=window, subscribed=subscribed, redeeming=redeeming)

    @method
    def claim(self, ctx: CallContext, window: int) -> Request:
        """Pay what a settled window gives the caller; return the cash and the units of the fund.

        Cash buys what it would alone, so nobody gains by claiming last. Units that then stand for fractions
        of several are burned with the last claim.
        """
        mine: Request | None = ctx.get("request", ctx.caller, window)
        if mine is None:
            raise Rejection(Refusal.NO_SUCH_REQUEST, window=window)
        row: Window = ctx.get("window", window)
        if not row.settled:
            raise Rejection(Refusal.NOT_SETTLED, window=window, due=self._settled_by(ctx, window))
        units, refunded, paid, filled = _parts(row, mine)
        returned = mine.redeeming - filled
        left = Window(
            subscribed=row.subscribed - mine.subscribed,
            redeeming=row.redeeming - mine.redeeming,
            units=row.units - units,
            paid=row.paid - paid,
            filled=row.filled - filled,
            settled=row.settled,
            numerator=row.numerator,
            denominator=row.denominator,
        )
        burned = 0 if left.subscribed else left.units
        self._write(ctx, window, replace(left, units=left.units - burned), Request())
        unit, cash = self._unit(ctx), refunded + paid
        if cash:
            ctx.pay(ctx.caller, ctx.params.cash, cash)
        if units:
            ctx.pay(ctx.caller, unit, units, source=f"{ctx.this}/{CLAIMABLE}")
        if burned:
            ctx.pay(ctx.this, unit, burned, source=f"{ctx.this}/{CLAIMABLE}")
        if returned:
            ctx.pay(ctx.caller, unit, returned, source=f"{ctx.this}/{REDEEMING}")
        ctx.emit("claimed", by=ctx.caller, window=window, cash=cash, units=units, returned=returned)
        return Request(cash, units + returned)

    # The custodian's instruction.

    @method
    def settle(self, ctx: CallContext, window: int, reference: str) -> int:
        """Settle a closed window as the custodian, at the value of now; return the cash that it paid.

        It receives the subscriptions' cash and pays the redemptions'. `reference` names its own document.
        """
        params: Parameters = ctx.params
        check_reference(reference)
        if ctx.caller != params.custodian:
            raise Rejection(Refusal.NOT_THE_CUSTODIAN, caller=ctx.caller, custodian=params.custodian)
        row: Window | None = ctx.get("window", window)
        if row is None or not (row.subscribed or row.redeeming):
            raise Rejection(Refusal.NO_SUCH_REQUEST, window=window)
        if row.settled:
            raise Rejection(Refusal.ALREADY_SETTLED, window=window, settled=row.settled)
        closes = self._closes(ctx, window)
        if ctx.time < closes:
            raise Rejection(Refusal.WINDOW_OPEN, window=window, closes=closes, time=ctx.time)
        told = self._told(ctx)
        if told.time < closes:
            raise Rejection(Refusal.VALUE_TOO_OLD, attested=told.time, closes=closes)
        value = accrued(told, time=ctx.time, yield_ppm=params.yield_ppm)
        row = self._settled(ctx, row, value)
        ctx.put("window", window, value=row)
        unit = self._unit(ctx)
        if row.paid:
            ctx.take(params.cash, row.paid)
        if row.filled:
            ctx.pay(ctx.this, unit, row.filled, source=f"{ctx.this}/{REDEEMING}")
        if row.units:
            ctx.mint(f"{ctx.this}/{CLAIMABLE}", unit, row.units)
        if row.subscribed and row.units:
            ctx.pay(params.custodian, params.cash, row.subscribed)
        ctx.emit(
            "settled",
            window=window,
            reference=reference,
            numerator=value.numerator,
            denominator=value.denominator,
            attested=told.time,
            subscribed=row.subscribed,
            units=row.units,
            redeemed=row.filled,
            paid=row.paid,
            returned=row.redeeming - row.filled,
        )
        return row.paid

    def _settled(self, ctx: CallContext, row: Window, value: OraclePrice) -> Window:
        """Return a window as it settles: units and cash rounded down, redemptions up to the gate."""
        units = mul_div_down(row.subscribed, value.denominator, value.numerator)
        filled = min(row.redeeming, self._most(ctx))
        paid = mul_div_down(filled, value.numerator, value.denominator)
        units = units if units < UNITS_LIMIT // 2 else 0
        common = gcd(value.numerator, value.denominator)
        return replace(
            row,
            units=units,
            numerator=value.numerator // common if units else 0,
            denominator=value.denominator // common if units else 0,
            paid=paid,
            filled=filled if paid else 0,
            settled=ctx.time,
        )

    # Views.

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return the unit and the cash."""
        return [self._unit(ctx), ctx.params.cash]

    @view
    def price(
        self, ctx: CallContext, asset_in: str, asset_out: str, freshness_seconds: int = 0, quorum: int = 0
    ) -> OraclePrice:
        """Return the attested value of a unit with what has accrued, as an oracle does.

        So units can be collateral. Whoever asks may demand more freshness and a larger quorum.
        """
        forwards = (asset_in, asset_out) == (self._unit(ctx), ctx.params.cash)
        if not forwards and (asset_in, asset_out) != (ctx.params.cash, self._unit(ctx)):
            raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])
        told = self._told(ctx, freshness_seconds=freshness_seconds, quorum=quorum)
        value = accrued(told, time=ctx.time, yield_ppm=ctx.params.yield_ppm)
        if forwards:
            return value
        return replace(value, numerator=value.denominator, denominator=value.numerator)

    @view
    def gate(self, ctx: CallContext) -> Gate:
        """Return the open window: when it closes, by when it is settled, and what it can redeem at most."""
        window = self._open(ctx)
        row: Window = ctx.get("window", window) or Window()
        return Gate(
            window,
            self._closes(ctx, window),
            self._settled_by(ctx, window),
            self._most(ctx),
            row.redeeming,
        )

    @view
    def requests(self, ctx: CallContext, account: str) -> list[Told]:
        """Return the account's requests, the oldest first."""
        found = []
        for (_, window), mine in ctx.scan("request", account):
            row: Window = ctx.get("window", window)
            closes, settled_by = self._closes(ctx, window), self._settled_by(ctx, window)
            units = cash = 0
            if row.settled:
                status = "claimable"
                units, refunded, paid, filled = _parts(row, mine)
                units, cash = units + mine.redeeming - filled, refunded + paid
            elif ctx.time >= settled_by:
                status = "overdue"
            else:
                status = "closed" if ctx.time >= closes else "open"
            told = Told(window, mine.subscribed, mine.redeeming, closes, settled_by, status, cash, units)
            found.append(told)
        return found

    @view
    def redemptions(
        self, ctx: CallContext, account: str, claim: str = "", units: int = 0
    ) -> list[Redemption]:
        """Return the account's requests to redeem, and how so many units are asked for in the open window.

        The custodian completes them by settling the window. What it pays for the whole window is its `spend`,
        at the value of now; nothing stands there where the oracle gives none.
        """
        found = [
            self._redemption(ctx, account, told.window, told.redeeming)
            for told in self.requests(ctx, account)
            if told.redeeming and told.status in ("open", "closed", "overdue")
        ]
        if claim == self._unit(ctx) and units > 0:
            ask = Step(account, "redeem", {"units": units}, {claim: units})
            found.append(self._redemption(ctx, account, self._open(ctx), units, ask=ask))
        return found

    def _redemption(
        self, ctx: CallContext, account: str, window: int, units: int, *, ask: Step | None = None
    ) -> Redemption:
        params: Parameters = ctx.params
        row: Window = ctx.get("window", window) or Window()
        pays = self._worth(ctx, min(row.redeeming, self._most(ctx)))
        reference = f"settlement of window {window}"
        settle = Step(
            params.custodian,
            "settle",
            {"window": window, "reference": reference},
            {params.cash: pays} if pays else {},
        )
        return Redemption(
            self._unit(ctx),
            account,
            units,
            params.cash,
            ask,
            settle,
            opens=self._closes(ctx, window),
            ends=self._settled_by(ctx, window),
            collect=Step(account, "claim", {"window": window}),
            undo=Step(account, "cancel", {"redeeming": units, "window": window}),
        )

    # The five self-descriptions. Units are claims on the obligor, so nothing here backs them.

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return what lies here for the account: its requests as it made them, then what they give."""
        found = []
        for told in self.requests(ctx, account):
            is_settled = told.status == "claimable"
            cash = told.cash if is_settled else told.subscribed
            units = told.units if is_settled else told.redeeming
            note = f"window {told.window}, {told.status}"
            for asset, many in ((ctx.params.cash, cash), (self._unit(ctx), units)):
                if many:
                    found.append(Position(asset, many, note=note))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the claims, the ways back out of requests, and the redemption of all units of the account.

        A redemption is paid when its window is settled, at the value of then: `units_later` is at the value
        of now, as far as the gate lets through.
        """
        ways = []
        for told in self.requests(ctx, account):
            ways += self._exits_of(ctx, told)
        unit = self._unit(ctx)
        units = max(ctx.available(account, unit), 0)
        if units and account != ctx.this and not account.startswith(f"{ctx.this}/"):
            gate = self.gate(ctx)
            room = gate.most_units
            if gate.requested_units + units > room:
                room = mul_div_down(room, units, gate.requested_units + units)
            later = self._worth(ctx, min(units, room))
            ways.append(
                Exit("redeem", {"units": units}, ctx.params.cash, 0, later, gate.settled_by, {unit: units})
            )
        return ways

    def _exits_of(self, ctx: CallContext, told: Told) -> list[Exit]:
        unit, cash = self._unit(ctx), ctx.params.cash
        arguments = {"window": told.window}
        if told.status == "claimable":
            gives = ((cash, told.cash), (unit, told.units))
            return [Exit("claim", arguments, asset, many) for asset, many in gives if many]
        ways = []
        for name, asset, many in (
            ("subscribed", cash, told.subscribed),
            ("redeeming", unit, told.redeeming),
        ):
            if not many:
                continue
            if told.status in ("open", "overdue"):
                ways.append(Exit("cancel", arguments | {name: many}, asset, many))
            else:
                later = many if name == "subscribed" else self._worth(ctx, many)
                ways.append(Exit("claim", arguments, cash, 0, units_later=later, when=told.settled_by))
        return ways

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return what the custodian decides, and the oracle."""
        params: Parameters = ctx.params
        return [
            Power(
                params.custodian,
                "settles a closed window, and so decides at which moment's value",
                f"a value attested after the close; within {params.settle_seconds} seconds of it"
                " or everything can be taken back",
            ),
            Power(
                params.oracle,
                "says what a unit is worth",
                f"{params.quorum} sources within {params.freshness_seconds} seconds",
            ),
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the cash and the oracle; beside them the obligor, whom the unit's declaration names."""
        return Dependencies(assets=(ctx.params.cash,), oracles=(ctx.params.oracle,))

    # What several of the above need.

    def _unit(self, ctx: CallContext) -> str:
        return f"{ctx.params.code}@{ctx.this}"

    def _open(self, ctx: CallContext) -> int:
        window: int = ctx.time // (ctx.params.window_seconds * MICROSECONDS)
        return window

    def _closes(self, ctx: CallContext, window: int) -> int:
        closes: int = (window + 1) * ctx.params.window_seconds * MICROSECONDS
        return closes

    def _settled_by(self, ctx: CallContext, window: int) -> int:
        due: int = self._closes(ctx, window) + ctx.params.settle_seconds * MICROSECONDS
        return due

    def _most(self, ctx: CallContext) -> int:
        return mul_div_up(ctx.supply(self._unit(ctx)), ctx.params.gate_ppm, PPM)

    def _told(self, ctx: CallContext, *, freshness_seconds: int = 0, quorum: int = 0) -> OraclePrice:
        """Return the value as it was attested. Rejections: the oracle's."""
        params: Parameters = ctx.params
        fresh = min(freshness_seconds or params.freshness_seconds, params.freshness_seconds)
        told: OraclePrice = ctx.view(
            params.oracle,
            "price",
            asset_in=self._unit(ctx),
            asset_out=params.cash,
            freshness_seconds=fresh,
            quorum=max(quorum, params.quorum),
        )
        return told

    def _worth(self, ctx: CallContext, units: int) -> int:
        """Return what units are worth now, rounded down; nothing where there is no value."""
        answered, told = ctx.attempt_view(
            ctx.params.oracle,
            "price",
            asset_in=self._unit(ctx),
            asset_out=ctx.params.cash,
            freshness_seconds=ctx.params.freshness_seconds,
            quorum=ctx.params.quorum,
        )
        if not answered:
            return 0
        value = accrued(told, time=ctx.time, yield_ppm=ctx.params.yield_ppm)
        return mul_div_down(units, value.numerator, value.denominator)

    def _join(self, ctx: CallContext, more: Request) -> int:
        window = self._open(ctx)
        row: Window = ctx.get("window", window) or Window()
        mine: Request = ctx.get("request", ctx.caller, window) or Request()
        self._write(
            ctx,
            window,
            Window(row.subscribed + more.subscribed, row.redeeming + more.redeeming),
            Request(mine.subscribed + more.subscribed, mine.redeeming + more.redeeming),
        )
        ctx.emit(
            "requested",
            by=ctx.caller,
            window=window,
            subscribed=more.subscribed,
            redeeming=more.redeeming,
            closes=self._closes(ctx, window),
            settled_by=self._settled_by(ctx, window),
        )
        return window

    def _write(self, ctx: CallContext, window: int, row: Window, mine: Request) -> None:
        """Write a window and the caller's request in it; forget what is empty."""
        ctx.put("request", ctx.caller, window, value=mine if mine != Request() else None)
        ctx.put("window", window, value=row if row.subscribed or row.redeeming else None)


def _parts(row: Window, mine: Request) -> tuple[int, int, int, int]:
    """Return a request's part of a settled window: new units, cash refunded, cash paid, units filled.

    A unit is filled or comes back, and cash is paid for the filled ones. Subscriptions that bought no unit
    together are refunded.
    """
    units = refunded = paid = filled = 0
    if mine.subscribed:
        if row.numerator:
            units = min(mul_div_down(mine.subscribed, row.denominator, row.numerator), row.units)
        else:
            refunded = mine.subscribed
    if mine.redeeming and row.filled:
        filled = mul_div_down(row.filled, mine.redeeming, row.redeeming)
        paid = mul_div_down(row.paid, filled, row.filled)
    return units, refunded, paid, filled


def _fault(params: Parameters) -> str | None:
    if not 1 <= params.window_seconds <= WINDOW_SECONDS_MAX:
        return f"window_seconds is 1 to {WINDOW_SECONDS_MAX}"
    if not 1 <= params.settle_seconds <= WINDOW_SECONDS_MAX:
        return f"settle_seconds is 1 to {WINDOW_SECONDS_MAX}"
    if params.freshness_seconds < 1 or params.quorum < 1:
        return "a value has a freshness and a quorum"
    if not 1 <= params.gate_ppm <= PPM or not 0 <= params.yield_ppm <= YIELD_PPM_MAX:
        return f"gate_ppm is 1 to {PPM}, yield_ppm 0 to {YIELD_PPM_MAX}"
    return None
