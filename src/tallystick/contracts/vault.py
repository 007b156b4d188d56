"""Vault: shares of one asset, priced by what the vault has, exactly as ERC-4626 rounds.

A share is worth `total` over `supply`, and every line that divides rounds for those who stay:

    shares for a deposit, units for a redemption    down
    units for a mint, shares for a withdrawal       up

so what backs one share never falls by anybody's call. `virtual_offset` adds one imagined unit and 10^offset
imagined shares to the division (OpenZeppelin), which makes a donation to a nearly empty vault cost its donor
what it takes from the next depositor; None adds nothing (solmate). `total` is stored: a plain transfer
changes no price until `sync` gives it to the holders. Refused: a deposit that is worth no share.

Deposits, redemptions or both may be made to wait (ERC-7540). Time is cut into windows; a request joins the
one it is made in and may be taken back (ERC-7887) until the window closes. Then all its deposits and all its
redemptions are converted at once, at the price of that moment, and each is claimable for as long as it likes.
Closing costs the same for one request or a million, and an idle claim costs nothing. Each claim is
paid what it would be alone, at the window's price: parts of what is left would give the last claim what all
before it lost to rounding. What the fractions leave goes to those who hold shares, with the last claim.

Source: ERC-4626, ERC-7540 and ERC-7887; openzeppelin-contracts at fddac90, solmate at 89365b8.
"""

from enum import StrEnum
from typing import ClassVar, Literal

from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT, check_units, mul_div_down, mul_div_up
from tallystick.ledger.contract import (
    Backing,
    Contract,
    Dependencies,
    Exit,
    Position,
    Record,
    Table,
    method,
    replace,
    view,
)
from tallystick.ledger.pools import Price
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

SHARE_CODE = "share"
OFFSET_MAX = 18
WINDOW_SECONDS_MAX = 366 * 86_400
REDEEMING, CLAIMABLE = "redeeming", "claimable"


class Parameters(Record, frozen=True):
    """The asset, the rounding's offset (None: no virtual shares), and what waits for a window to close."""

    asset: str
    virtual_offset: int | None = 6
    window_seconds: int = 0
    deposits_wait: bool = False
    redemptions_wait: bool = False


class Refusal(StrEnum):
    """Why a vault refuses."""

    PARAMETERS_INVALID = "vault.parameters_invalid"
    """The vault cannot be deployed like this. Facts: reason."""
    SHARES_MISSING = "vault.shares_missing"
    """The deposit is worth no share. Facts: units."""
    UNITS_MISSING = "vault.units_missing"
    """The shares are worth no unit. Facts: shares."""
    TOTAL_EXCEEDED = "vault.total_exceeded"
    """More is asked for than the vault has. Facts: asked, total."""
    WRONG_ASSET = "vault.wrong_asset"
    """The vault prices its share in its asset, nothing else. Facts: asset_in, asset_out."""
    LIMIT_MISSED = "vault.limit_missed"
    """The caller's own limit is not met. Facts: asset, units, and least or most."""
    WAITS = "vault.waits"
    """Here this is requested first, and claimed when its window has closed. Facts: window_seconds."""
    WAITS_NOT = "vault.waits_not"
    """Here this is done at once, without a request."""
    NO_SUCH_REQUEST = "vault.no_such_request"
    """The caller has no such request. Facts: window."""
    PENDING = "vault.pending"
    """The window has not closed yet. Facts: window, closes, time."""
    CLAIMABLE = "vault.claimable"
    """The window has closed: the request can be claimed, not cancelled. Facts: window, closed."""
    REQUEST_EXCEEDED = "vault.request_exceeded"
    """More is to be taken back than was requested. Facts: asked, requested."""


class Pot(Record, frozen=True):
    """The one row.

    `total` is what the shares are worth together. `kept` is held for requests: deposits that are pending and
    redemptions that are claimable. `open_window` has requests and is not closed.
    """

    total: int = 0
    kept: int = 0
    open_window: int | None = None


class Window(Record, frozen=True):
    """The requests of one window: what came in, and, once it is closed, what stands for it.

    `deposits` and `redemptions` are what is not claimed yet; `shares` stand for the deposits and `units` for
    the redemptions, converted at `total` over `supply`. Deposits that are together worth no share are
    `given_back`. Times are microseconds.
    """

    deposits: int = 0
    redemptions: int = 0
    shares: int = 0
    units: int = 0
    closed: int = 0
    total: int = 0
    supply: int = 0
    given_back: bool = False


class Request(Record, frozen=True):
    """One account's requests in one window: units to deposit and shares to redeem."""

    deposit: int = 0
    redemption: int = 0


class Told(Record, frozen=True):
    """A request as its owner reads it: `gives` is known once claimable, and an estimate while pending."""

    window: int
    side: Literal["deposit", "redemption"]
    asked: int
    status: Literal["pending", "claimable"]
    closes: int
    gives_asset: str
    gives: int


class Worth(Record, frozen=True):
    """Shares, and what they would be redeemed for now."""

    shares: int
    units: int


# The formulas (ERC-4626; with an offset OpenZeppelin's, without one solmate's).


def to_shares(units: int, *, total: int, supply: int, offset: int | None, up: bool = False) -> int:
    """Return the shares that stand for `units`, rounded down unless `up`.

    None where all shares are worth nothing (a claw-back took what was there): nothing buys into that.
    """
    divide = mul_div_up if up else mul_div_down
    if offset is not None:
        return divide(units, supply + 10**offset, total + 1)
    if not supply:
        return units
    return divide(units, supply, total) if total else 0


def to_units(shares: int, *, total: int, supply: int, offset: int | None, up: bool = False) -> int:
    """Return the units that `shares` stand for, rounded down unless `up`."""
    divide = mul_div_up if up else mul_div_down
    if offset is not None:
        return divide(shares, total + 1, supply + 10**offset)
    return divide(shares, total, supply) if supply else shares


class Vault(Contract):
    """One asset, its shares, and requests that wait for a window."""

    kind = "vault"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "vault": Table(key=(), value=Pot),
        "window": Table(key=(int,), value=Window),
        "request": Table(key=(str, int), value=Request),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters and declare the share."""
        params: Parameters = ctx.params
        asset = ctx.asset(params.asset)
        offset = params.virtual_offset or 0
        reason = None
        if not 0 <= offset <= OFFSET_MAX:
            reason = f"virtual_offset is 0 to {OFFSET_MAX}, or none"
        elif (params.deposits_wait or params.redemptions_wait) != (params.window_seconds != 0):
            reason = "a window is for something that waits, and what waits has a window"
        elif not 0 <= params.window_seconds <= WINDOW_SECONDS_MAX:
            reason = f"window_seconds is at most {WINDOW_SECONDS_MAX}"
        if reason is not None:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=reason)
        ctx.create_asset(SHARE_CODE, decimals=asset.decimals + offset)
        ctx.open_subaccount(REDEEMING)
        ctx.open_subaccount(CLAIMABLE)
        ctx.put("vault", value=Pot())

    # At once (ERC-4626).

    @method
    def deposit(self, ctx: CallContext, units: int, least_shares: int = 0) -> int:
        """Take exactly `units` and mint the shares that they are worth; return the shares."""
        vault = self._at_once(ctx, waits=ctx.params.deposits_wait)
        shares = self._shares(ctx, vault, check_units(units))
        self._check_least(ctx, self._share(ctx), shares, least_shares)
        return self._come(ctx, vault, units, shares)

    @method
    def mint(self, ctx: CallContext, shares: int, most_units: int) -> int:
        """Mint exactly `shares` for the units that they cost; return the units."""
        vault = self._at_once(ctx, waits=ctx.params.deposits_wait)
        units = self._units(ctx, vault, check_units(shares), up=True)
        self._check_most(ctx.params.asset, units, most_units)
        self._come(ctx, vault, units, shares)
        return units

    @method
    def withdraw(self, ctx: CallContext, units: int, most_shares: int) -> int:
        """Pay exactly `units` for the shares that they cost; return the shares."""
        vault = self._at_once(ctx, waits=ctx.params.redemptions_wait)
        shares = self._shares(ctx, vault, check_units(units), up=True)
        self._check_most(self._share(ctx), shares, most_shares)
        self._go(ctx, vault, units, shares)
        return shares

    @method
    def redeem(self, ctx: CallContext, shares: int, least_units: int = 0) -> int:
        """Burn exactly `shares` and pay what they are worth; return the units."""
        vault = self._at_once(ctx, waits=ctx.params.redemptions_wait)
        units = self._units(ctx, vault, check_units(shares))
        self._check_least(ctx, ctx.params.asset, units, least_units)
        self._go(ctx, vault, units, shares)
        return units

    def _at_once(self, ctx: CallContext, *, waits: bool) -> Pot:
        if waits:
            raise Rejection(Refusal.WAITS, window_seconds=ctx.params.window_seconds)
        return self._vault(ctx)

    def _come(self, ctx: CallContext, vault: Pot, units: int, shares: int) -> int:
        if not shares:
            raise Rejection(Refusal.SHARES_MISSING, units=str(units))
        ctx.put("vault", value=replace(vault, total=vault.total + units))
        ctx.take(ctx.params.asset, units)
        ctx.mint(ctx.caller, self._share(ctx), shares)
        ctx.emit("deposited", by=ctx.caller, units=units, shares=shares, total=vault.total + units)
        return shares

    def _go(self, ctx: CallContext, vault: Pot, units: int, shares: int) -> None:
        if not units:
            raise Rejection(Refusal.UNITS_MISSING, shares=str(shares))
        if units > vault.total:
            raise Rejection(Refusal.TOTAL_EXCEEDED, asked=str(units), total=str(vault.total))
        ctx.burn(self._share(ctx), shares)
        ctx.put("vault", value=replace(vault, total=vault.total - units))
        ctx.pay(ctx.caller, ctx.params.asset, units)
        ctx.emit("redeemed", by=ctx.caller, units=units, shares=shares, total=vault.total - units)

    # What comes in without shares.

    @method
    def donate(self, ctx: CallContext, units: int) -> int:
        """Take `units` for the benefit of all holders; return the new total."""
        vault = self._vault(ctx)
        total = vault.total + check_units(units)
        ctx.put("vault", value=replace(vault, total=total))
        ctx.take(ctx.params.asset, units)
        ctx.emit("donated", by=ctx.caller, units=units, total=total)
        return total

    @method
    def sync(self, ctx: CallContext) -> int:
        """Give a surplus, from plain transfers, to all holders; return it. A clawed-back asset is missing."""
        vault = self._vault(ctx)
        free = ctx.balance(ctx.params.asset) - vault.kept
        surplus = free - vault.total
        if surplus:
            ctx.put("vault", value=replace(vault, total=max(free, 0)))
            ctx.emit("synced", surplus=surplus, total=max(free, 0))
        return surplus

    # Requests (ERC-7540, and ERC-7887 for taking them back).

    @method
    def request_deposit(self, ctx: CallContext, units: int) -> int:
        """Take `units`, to become shares when the window closes; return the window's number."""
        if not ctx.params.deposits_wait:
            raise Rejection(Refusal.WAITS_NOT)
        window = self._join(ctx, Request(deposit=check_units(units)))
        ctx.take(ctx.params.asset, units)
        return window

    @method
    def request_redemption(self, ctx: CallContext, shares: int) -> int:
        """Take `shares`, to become units when the window closes; return the window's number."""
        if not ctx.params.redemptions_wait:
            raise Rejection(Refusal.WAITS_NOT)
        window = self._join(ctx, Request(redemption=check_units(shares)))
        ctx.burn(self._share(ctx), shares)
        ctx.mint(f"{ctx.this}/{REDEEMING}", self._share(ctx), shares)
        return window

    @method
    def cancel_deposit(self, ctx: CallContext, window: int, units: int) -> None:
        """Pay `units` of a pending request to deposit back."""
        self._leave(ctx, window, Request(deposit=check_units(units)))
        ctx.pay(ctx.caller, ctx.params.asset, units)

    @method
    def cancel_redemption(self, ctx: CallContext, window: int, shares: int) -> None:
        """Give `shares` of a pending request to redeem back."""
        self._leave(ctx, window, Request(redemption=check_units(shares)))
        ctx.pay(ctx.caller, self._share(ctx), shares, source=f"{ctx.this}/{REDEEMING}")

    @method
    def close(self, ctx: CallContext, window: int) -> None:
        """Convert a window's requests once its time is up: its timer calls this, and so may anybody."""
        closes = self._closes(ctx, window)
        if ctx.time < closes:
            raise Rejection(Refusal.PENDING, window=window, closes=closes, time=ctx.time)
        self._vault(ctx)

    @method
    def claim_deposit(self, ctx: CallContext, window: int) -> int:
        """Pay the shares of the caller's deposit (or, were they none, the units back); return how many."""
        row, mine = self._claim(ctx, window, "deposit")
        share, source = self._share(ctx), f"{ctx.this}/{CLAIMABLE}"
        part = self._deposit_gives(ctx, row, mine.deposit)
        left = replace(row, deposits=row.deposits - mine.deposit)
        if row.given_back:
            self._unkeep(ctx, part)
        else:
            left = replace(left, shares=row.shares - part)
        self._settle(ctx, window, left, replace(mine, deposit=0))
        if row.given_back:
            ctx.pay(ctx.caller, ctx.params.asset, part)
        elif part:
            ctx.pay(ctx.caller, share, part, source=source)
        if not left.deposits and left.shares:
            # Fractions of a share that stand for nobody: burned, for those who hold shares.
            ctx.pay(ctx.this, share, left.shares, source=source)
        ctx.emit("claimed", by=ctx.caller, window=window, side="deposit", gave=part)
        return part

    @method
    def claim_redemption(self, ctx: CallContext, window: int) -> int:
        """Pay the units of the caller's redemption; return how many."""
        row, mine = self._claim(ctx, window, "redemption")
        part = self._redemption_gives(ctx, row, mine.redemption)
        left = replace(row, redemptions=row.redemptions - mine.redemption, units=row.units - part)
        self._settle(ctx, window, left, replace(mine, redemption=0))
        if part:
            self._unkeep(ctx, part)
            ctx.pay(ctx.caller, ctx.params.asset, part)
        if not left.redemptions and left.units:
            self._unkeep(ctx, left.units)
            vault: Pot = ctx.get("vault")
            ctx.put("vault", value=replace(vault, total=vault.total + left.units))
        ctx.emit("claimed", by=ctx.caller, window=window, side="redemption", gave=part)
        return part

    def _deposit_gives(self, ctx: CallContext, row: Window, units: int) -> int:
        """Return what a deposit gives at its window's price: what it would alone, whoever claims before."""
        if row.given_back:
            return units
        offset = ctx.params.virtual_offset
        return min(to_shares(units, total=row.total, supply=row.supply, offset=offset), row.shares)

    def _redemption_gives(self, ctx: CallContext, row: Window, shares: int) -> int:
        """Return what a redemption gives at its window's price, likewise."""
        offset = ctx.params.virtual_offset
        return min(to_units(shares, total=row.total, supply=row.supply, offset=offset), row.units)

    def _join(self, ctx: CallContext, more: Request) -> int:
        vault = self._vault(ctx)
        window: int = ctx.time // (ctx.params.window_seconds * MICROSECONDS)
        if vault.open_window is None:
            ctx.set_timer(self._closes(ctx, window), "close", window=window)
        row: Window = ctx.get("window", window) or Window()
        mine: Request = ctx.get("request", ctx.caller, window) or Request()
        ctx.put("vault", value=replace(vault, kept=vault.kept + more.deposit, open_window=window))
        joined = Request(mine.deposit + more.deposit, mine.redemption + more.redemption)
        self._settle(
            ctx,
            window,
            Window(row.deposits + more.deposit, row.redemptions + more.redemption),
            joined,
        )
        ctx.emit(
            "requested",
            by=ctx.caller,
            window=window,
            deposit=more.deposit,
            redemption=more.redemption,
            closes=self._closes(ctx, window),
        )
        return window

    def _leave(self, ctx: CallContext, window: int, less: Request) -> None:
        self._vault(ctx)
        mine: Request | None = ctx.get("request", ctx.caller, window)
        if mine is None:
            raise Rejection(Refusal.NO_SUCH_REQUEST, window=window)
        row: Window = ctx.get("window", window)
        if row.closed:
            raise Rejection(Refusal.CLAIMABLE, window=window, closed=row.closed)
        for asked, requested in ((less.deposit, mine.deposit), (less.redemption, mine.redemption)):
            if asked > requested:
                raise Rejection(Refusal.REQUEST_EXCEEDED, asked=str(asked), requested=str(requested))
        self._unkeep(ctx, less.deposit)
        left = Window(row.deposits - less.deposit, row.redemptions - less.redemption)
        self._settle(
            ctx, window, left, Request(mine.deposit - less.deposit, mine.redemption - less.redemption)
        )
        ctx.emit(
            "cancelled",
            by=ctx.caller,
            window=window,
            deposit=less.deposit,
            redemption=less.redemption,
        )

    def _claim(
        self, ctx: CallContext, window: int, side: Literal["deposit", "redemption"]
    ) -> tuple[Window, Request]:
        """Return a closed window and the caller's request on that side of it."""
        self._vault(ctx)
        mine: Request = ctx.get("request", ctx.caller, window) or Request()
        if not getattr(mine, side):
            raise Rejection(Refusal.NO_SUCH_REQUEST, window=window)
        row: Window = ctx.get("window", window)
        if not row.closed:
            raise Rejection(Refusal.PENDING, window=window, closes=self._closes(ctx, window), time=ctx.time)
        return row, mine

    def _settle(self, ctx: CallContext, window: int, row: Window, mine: Request) -> None:
        """Write a window and the caller's request in it; forget what is empty."""
        ctx.put("request", ctx.caller, window, value=mine if mine != Request() else None)
        is_done = row.closed and not (row.deposits or row.redemptions)
        ctx.put("window", window, value=None if is_done else row)

    def _unkeep(self, ctx: CallContext, units: int) -> None:
        vault: Pot = ctx.get("vault")
        ctx.put("vault", value=replace(vault, kept=vault.kept - units))

    def _vault(self, ctx: CallContext) -> Pot:
        """Return the row, after closing a window whose time is up: its timer did, unless it failed."""
        vault: Pot = ctx.get("vault")
        window = vault.open_window
        if window is None or ctx.time < self._closes(ctx, window):
            return vault
        row = self._converted(ctx, vault, ctx.get("window", window))
        refunded = row.deposits if row.given_back else 0
        vault = Pot(
            total=vault.total + row.deposits - refunded - row.units,
            kept=vault.kept - row.deposits + refunded + row.units,
        )
        ctx.put("vault", value=vault)
        ctx.put("window", window, value=row if row.deposits or row.redemptions else None)
        share = self._share(ctx)
        if row.redemptions:
            ctx.pay(ctx.this, share, row.redemptions, source=f"{ctx.this}/{REDEEMING}")
        if row.shares:
            ctx.mint(f"{ctx.this}/{CLAIMABLE}", share, row.shares)
        ctx.emit(
            "closed",
            window=window,
            deposits=row.deposits,
            shares=row.shares,
            redemptions=row.redemptions,
            units=row.units,
            total=vault.total,
        )
        return vault

    def _converted(self, ctx: CallContext, vault: Pot, row: Window) -> Window:
        """Return a window as it closes: both sides at the price of before either."""
        shares = self._shares(ctx, vault, row.deposits)
        if shares >= UNITS_LIMIT // 2 - ctx.supply(self._share(ctx)):
            shares = 0  # More shares than there can be: the deposits are given back.
        units = min(self._units(ctx, vault, row.redemptions), vault.total)
        supply = ctx.supply(self._share(ctx))
        return replace(
            row,
            shares=shares,
            units=units,
            closed=ctx.time,
            total=vault.total,
            supply=supply,
            given_back=bool(row.deposits and not shares),
        )

    # Views.

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return the asset and the share."""
        return [ctx.params.asset, self._share(ctx)]

    @view
    def state(self, ctx: CallContext) -> Pot:
        """Return the one row as of its last change."""
        row: Pot = ctx.get("vault")
        return row

    @view
    def price(self, ctx: CallContext, asset_in: str, asset_out: str) -> Price:
        """Return what a share is worth in the asset, or the other way round, before rounding."""
        vault: Pot = ctx.get("vault")
        supply = ctx.supply(self._share(ctx))
        virtual = 0 if ctx.params.virtual_offset is None else 10**ctx.params.virtual_offset
        worth = Price(vault.total + bool(virtual), supply + virtual)
        if not (worth.numerator and worth.denominator):
            worth = Price(1, 1)
        if (asset_in, asset_out) == (self._share(ctx), ctx.params.asset):
            return worth
        if (asset_in, asset_out) == (ctx.params.asset, self._share(ctx)):
            return Price(worth.denominator, worth.numerator)
        raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])

    @view
    def quote_deposit(self, ctx: CallContext, units: int) -> int:
        """Return the shares that a deposit of `units` is worth now."""
        return self._shares(ctx, ctx.get("vault"), check_units(units))

    @view
    def quote_mint(self, ctx: CallContext, shares: int) -> int:
        """Return the units that minting `shares` costs now."""
        return self._units(ctx, ctx.get("vault"), check_units(shares), up=True)

    @view
    def quote_withdraw(self, ctx: CallContext, units: int) -> int:
        """Return the shares that withdrawing `units` costs now."""
        return self._shares(ctx, ctx.get("vault"), check_units(units), up=True)

    @view
    def quote_redeem(self, ctx: CallContext, shares: int) -> int:
        """Return the units that `shares` are worth now."""
        return self._units(ctx, ctx.get("vault"), check_units(shares))

    @view
    def position(self, ctx: CallContext, account: str) -> Worth:
        """Return the shares that the account can move, and what they are worth now."""
        shares = max(ctx.available(account, self._share(ctx)), 0)
        return Worth(shares, self._units(ctx, ctx.get("vault"), shares))

    @view
    def requests(self, ctx: CallContext, account: str) -> list[Told]:
        """Return the account's requests, the oldest first."""
        vault: Pot = ctx.get("vault")
        found = []
        for (_, window), mine in ctx.scan("request", account):
            row: Window = ctx.get("window", window)
            status: Literal["pending", "claimable"] = "claimable" if row.closed else "pending"
            told = row if row.closed else self._converted(ctx, vault, row)
            closes = self._closes(ctx, window)
            if mine.deposit:
                gives = self._deposit_gives(ctx, told, mine.deposit)
                asset = ctx.params.asset if told.given_back else self._share(ctx)
                found.append(Told(window, "deposit", mine.deposit, status, closes, asset, gives))
            if mine.redemption:
                gives = self._redemption_gives(ctx, told, mine.redemption)
                asset = ctx.params.asset
                found.append(Told(window, "redemption", mine.redemption, status, closes, asset, gives))
        return found

    # The five self-descriptions. Nobody has a power here.

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        """Return what all shares are worth together."""
        vault: Pot = ctx.get("vault")
        return [Backing(self._share(ctx), ctx.params.asset, vault.total)]

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the account's requests: what it put in until they are claimable, then what they give."""
        found = []
        for told in self.requests(ctx, account):
            note = f"{told.status} {told.side} in window {told.window}"
            if told.status == "claimable":
                asset, units = told.gives_asset, told.gives
            else:
                asset = ctx.params.asset if told.side == "deposit" else self._share(ctx)
                units = told.asked
            if units:
                found.append(Position(asset, units, note=note))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the redemption or its request, the claims, and the ways back out of pending requests."""
        ways = [self._request_exit(ctx, told) for told in self.requests(ctx, account)]
        if account == ctx.this or account.startswith(f"{ctx.this}/"):
            return ways
        worth, share = self.position(ctx, account), self._share(ctx)
        arguments, spend = {"shares": worth.shares}, {share: worth.shares}
        if worth.units and ctx.params.redemptions_wait:
            window = ctx.time // (ctx.params.window_seconds * MICROSECONDS)
            ways.append(
                Exit(
                    "request_redemption",
                    arguments,
                    ctx.params.asset,
                    units_now=0,
                    units_later=worth.units,
                    when=self._closes(ctx, window),
                    spend=spend,
                )
            )
        elif worth.units:
            ways.append(Exit("redeem", arguments, ctx.params.asset, worth.units, spend=spend))
        return ways

    def _request_exit(self, ctx: CallContext, told: Told) -> Exit:
        method, arguments = f"claim_{told.side}", {"window": told.window}
        if told.status == "claimable":
            return Exit(method, arguments, told.gives_asset, told.gives)
        if told.side == "redemption":
            return Exit(method, arguments, told.gives_asset, 0, units_later=told.gives, when=told.closes)
        back = arguments | {"units": told.asked}
        return Exit("cancel_deposit", back, ctx.params.asset, told.asked)

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the asset."""
        return Dependencies(assets=(ctx.params.asset,))

    # What several of the above need.

    def _share(self, ctx: CallContext) -> str:
        return f"{SHARE_CODE}@{ctx.this}"

    def _shares(self, ctx: CallContext, vault: Pot, units: int, *, up: bool = False) -> int:
        supply = ctx.supply(self._share(ctx))
        return to_shares(units, total=vault.total, supply=supply, offset=ctx.params.virtual_offset, up=up)

    def _units(self, ctx: CallContext, vault: Pot, shares: int, *, up: bool = False) -> int:
        supply = ctx.supply(self._share(ctx))
        return to_units(shares, total=vault.total, supply=supply, offset=ctx.params.virtual_offset, up=up)

    def _closes(self, ctx: CallContext, window: int) -> int:
        closes: int = (window + 1) * ctx.params.window_seconds * MICROSECONDS
        return closes

    def _check_least(self, ctx: CallContext, asset: str, units: int, least: int) -> None:
        if units < least:
            raise Rejection(Refusal.LIMIT_MISSED, asset=asset, units=str(units), least=str(least))

    def _check_most(self, asset: str, units: int, most: int) -> None:
        if units > most:
            raise Rejection(Refusal.LIMIT_MISSED, asset=asset, units=str(units), most=str(most))
