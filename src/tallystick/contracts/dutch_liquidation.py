"""Dutch liquidation: collateral sold at a price that falls until somebody takes it, exactly as Maker's.

A seller hands over a *lot* and says what is *due*. The price begins above the oracle's and falls by a curve
that everybody knows, so nobody has to bid or to lock money up: whoever finds the price right takes as much of
the lot as it likes, at once. The sale ends when what is due is paid, and its owner gets the rest of the lot;
or when the lot is gone, and the shortfall is the seller's. A sale whose price fell too far, or that stood too
long, is no longer taken from: anyone may restart it at the price of that moment, and is rewarded from a
reserve that the seller put in.

Who takes a part leaves enough due for another to care: at least `least_due`, or nothing. Rounding is for the
seller: what is owed up, what is given down. Refused: the source's switch by which an authority stops sales,
and rewards from new money; the seller's own reserve pays them.

Source: MakerDAO, "Liquidations 2.0" (MIP45, 2021). To the unit: src/clip.sol and src/abaci.sol of
makerdao/dss at fa4f663; names in parentheses are theirs.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, mul_div_down, mul_div_up
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
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.rates import RAY, WAD
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext

SECONDS_MAX = 30 * 86_400
START_FACTOR_MAX = 10 * RAY
SALES_LISTED_MAX = 100
SALES_OPEN_MAX = 1_000
"""Of one seller, so that nobody's sales stand in the way of another's."""
PPM = 1_000_000


class LinearFall(Record, frozen=True, tag="linear"):
    """The price falls evenly to nothing in `seconds` (tau)."""

    seconds: int


class ExponentialFall(Record, frozen=True, tag="exponential"):
    """The price is multiplied by `cut`, RAY, every second."""

    cut: int


class StairFall(Record, frozen=True, tag="stairs"):
    """The price is multiplied by `cut`, RAY, every `step_seconds`."""

    cut: int
    step_seconds: int


Fall = LinearFall | ExponentialFall | StairFall


class Parameters(Record, frozen=True):
    """What is sold for what, by which prices. Nothing of it can change.

    Prices are units of `money` for one of `lot`, in RAY (10^27). A sale starts at `start_factor` (buf) times
    the oracle's price; it must be restarted after `restart_seconds` (tail) or below `restart_fraction` (cusp)
    of its first price. A keeper gets `tip` units and `chip` (WAD) of what is due. No take leaves less than
    `least_due` (chost) due, but none.
    """

    lot: str
    money: str
    oracle: str
    freshness_seconds: int
    quorum: int
    fall: Fall
    start_factor: int
    restart_seconds: int
    restart_fraction: int
    least_due: int = 0
    tip: int = 0
    chip: int = 0


class Refusal(StrEnum):
    """Why a Dutch liquidation refuses."""

    PARAMETERS_INVALID = "dutch_liquidation.parameters_invalid"
    """The contract cannot be deployed like this. Facts: reason."""
    SALE_INVALID = "dutch_liquidation.sale_invalid"
    """A sale has a lot, something due, another's or one's own account as owner, and not too many beside it.
    Facts: reason."""
    UNKNOWN_SALE = "dutch_liquidation.unknown_sale"
    """There is no such sale, or it ended. Facts: sale."""
    PRICE_MISSING = "dutch_liquidation.price_missing"
    """The oracle's price is too small to start a sale at."""
    NEEDS_RESTART = "dutch_liquidation.needs_restart"
    """The sale stood too long or its price fell too far: it must be restarted. Facts: sale, price."""
    CANNOT_RESTART = "dutch_liquidation.cannot_restart"
    """The sale is still running. Facts: sale, price."""
    TOO_DEAR = "dutch_liquidation.too_dear"
    """The price is above the taker's limit. Facts: price, most_price."""
    NO_PARTIAL_TAKE = "dutch_liquidation.no_partial_take"
    """So little is due that the sale is taken whole or not at all. Facts: due, least_due."""
    NOTHING_TAKEN = "dutch_liquidation.nothing_taken"
    """No units are asked for, or what is due does not pay for one at this price. Facts: price."""
    NOT_THE_SELLER = "dutch_liquidation.not_the_seller"
    """Only the seller takes its lot back. Facts: sale, caller."""


class Sale(Record, frozen=True):
    """A running sale: `due` (tab) units of money for the seller, and `lot` units left.

    It started at second `started` (tic) at the price `top`; `reserve` is left for keepers, and `owner` (usr)
    gets what is not sold.
    """

    seller: str
    owner: str
    due: int
    lot: int
    started: int
    top: int
    reserve: int = 0


class Taken(Record, frozen=True):
    """Units of the lot, and units of money owed for them."""

    units: int
    owed: int


class SaleState(Record, frozen=True):
    """A sale as a reader sees it: its price now, RAY, and whether it must be restarted first."""

    sale: int
    seller: str
    owner: str
    due: int
    lot: int
    started: int
    top: int
    reserve: int
    price: int
    needs_restart: bool


# The curves (abaci.sol), and the terms of a take (clip.sol). Prices are RAY.


def ray_power(base: int, exponent: int) -> int:
    """Return `base`, RAY, to a whole exponent, by squaring; each product is rounded half up (rpow)."""
    if not base:
        return 0 if exponent else RAY
    result = base if exponent % 2 else RAY
    exponent //= 2
    while exponent:
        base = (base * base + RAY // 2) // RAY
        if exponent % 2:
            result = (result * base + RAY // 2) // RAY
        exponent //= 2
    return result


def fallen_price(fall: Fall, *, top: int, seconds: int) -> int:
    """Return the price `seconds` after it was `top`, rounded down."""
    if isinstance(fall, LinearFall):
        if seconds >= fall.seconds:
            return 0
        return mul_div_down(top, mul_div_down(fall.seconds - seconds, RAY, fall.seconds), RAY)
    if isinstance(fall, StairFall):
        seconds //= fall.step_seconds
    return mul_div_down(top, ray_power(fall.cut, seconds), RAY)


def take_terms(*, due: int, lot: int, price: int, asked: int, least_due: int, one: int) -> Taken:
    """Return what asking for `asked` units gives and costs; a price is `one` times units for a unit.

    Never more than is due, and never so much that less than `least_due` is left of it with units of the lot.
    Rejections: `no_partial_take`.
    """
    units = min(lot, asked)
    owed = mul_div_up(units, price, one)
    if owed > due:
        owed = due
        units = mul_div_down(owed, one, price)
    elif owed < due and units < lot and due - owed < least_due:
        if due <= least_due:
            raise Rejection(Refusal.NO_PARTIAL_TAKE, due=str(due), least_due=str(least_due))
        owed = due - least_due
        units = mul_div_down(owed, one, price)
    return Taken(units, owed)


class DutchLiquidation(Contract):
    """Lots on sale, the price that falls, and whoever takes."""

    kind = "dutch_liquidation"
    version = 1
    Parameters: ClassVar[type[Record]] = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "sale": Table(key=(int,), value=Sale),
        "count": Table(key=(), value=int),
        "open": Table(key=(str,), value=int),
        "of": Table(key=(str, int), value=int),
    }
    one: ClassVar[int] = RAY
    """What a price of one unit of money for one of the lot is counted as."""

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters."""
        params: Parameters = ctx.params
        lot, money = ctx.asset(params.lot), ctx.asset(params.money)
        priced = ctx.view(params.oracle, "assets")
        checks = (
            (lot.id != money.id, "the lot and the money are different assets"),
            (lot.id in priced and money.id in priced, "the oracle prices the pair"),
            (params.freshness_seconds > 0 and params.quorum > 0, "freshness and quorum are positive"),
            (0 < params.start_factor <= START_FACTOR_MAX, "start_factor is above 0, at most 10"),
            (0 < params.restart_seconds <= SECONDS_MAX, f"restart_seconds is 1 to {SECONDS_MAX}"),
            (0 < params.restart_fraction < RAY, "restart_fraction is between 0 and 1"),
            (min(params.least_due, params.tip) >= 0 and 0 <= params.chip < WAD, "chip is 0 to below 1"),
        )
        reason = next((why for holds, why in checks if not holds), "") or _why_invalid(params.fall)
        if reason:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=reason)

    # Selling.

    @method
    def start(  # noqa: PLR0917 (a method's own arguments)
        self, ctx: CallContext, lot: int, due: int, owner: str, keeper: str = "", reserve: int = 0
    ) -> int:
        """Put `lot` units up for sale until `due` is paid to the caller; return the sale's number (kick).

        `owner` gets what is left of the lot. `keeper`, who made the caller sell, is rewarded out of
        `reserve`, which the caller puts in for it and for whoever restarts the sale; the rest comes back.
        """
        ctx.take(ctx.params.lot, lot)
        if reserve:
            ctx.take(ctx.params.money, reserve)
        return self._start(ctx, Sale(ctx.caller, owner, due, lot, 0, 0, reserve), keeper)

    def _start(self, ctx: CallContext, sale: Sale, keeper: str) -> int:
        if sale.lot <= 0 or sale.due <= 0:
            raise Rejection(Refusal.SALE_INVALID, reason="a sale has a lot and something due")
        if not sale.owner:
            raise Rejection(Refusal.SALE_INVALID, reason="a sale has an owner")
        running = (ctx.get("open", sale.seller) or 0) + 1
        if running > SALES_OPEN_MAX:
            raise Rejection(Refusal.SALE_INVALID, reason=f"at most {SALES_OPEN_MAX} sales of one seller")
        number: int = (ctx.get("count") or 0) + 1
        sale = replace(sale, started=ctx.time // MICROSECONDS, top=self._top(ctx, self._feed_price(ctx)))
        ctx.put("count", value=number)
        ctx.put("open", sale.seller, value=running)
        ctx.put("of", sale.seller, number, value=1)
        ctx.put("sale", number, value=sale)
        if keeper:
            sale = self._reward(ctx, number, sale, keeper)
        ctx.emit("started", sale=number, seller=sale.seller, lot=sale.lot, due=sale.due, top=sale.top)
        return number

    @method
    def restart(self, ctx: CallContext, sale: int) -> int:
        """Start a sale that ran out anew, at the oracle's price now; the caller is rewarded (redo).

        A reward is paid only if the sale is still worth `least_due`. Returns the new first price.
        """
        running = self._sale(ctx, sale)
        price, ran_out = self._status(ctx, running)
        if not ran_out:
            raise Rejection(Refusal.CANNOT_RESTART, sale=sale, price=str(price))
        feed = self._feed_price(ctx)
        top = self._top(ctx, feed)
        running = replace(running, started=ctx.time // MICROSECONDS, top=top)
        ctx.put("sale", sale, value=running)
        least = self._least_due(ctx)
        if running.due >= least and mul_div_down(running.lot, feed, self.one) >= least:
            self._reward(ctx, sale, running, ctx.caller)
        ctx.emit("restarted", sale=sale, by=ctx.caller, lot=running.lot, due=running.due, top=top)
        return top

    @method
    def cancel(self, ctx: CallContext, sale: int) -> int:
        """Give the seller its lot back, with what is left of the reserve; return the units (yank)."""
        running = self._sale(ctx, sale)
        if ctx.caller != running.seller:
            raise Rejection(Refusal.NOT_THE_SELLER, sale=sale, caller=ctx.caller)
        self._end(ctx, sale, running)
        self._give_lot(ctx, running.seller, running.lot)
        ctx.emit("cancelled", sale=sale, lot=running.lot, due=running.due, reserve=running.reserve)
        return running.lot

    # Taking.

    @method
    def take(self, ctx: CallContext, sale: int, most_units: int, most_price: int) -> Taken:
        """Buy up to `most_units` of a lot at its price now, if that is at most `most_price`.

        Fewer are taken where no more is due, or where too little would be left due for anyone else.
        """
        running = self._sale(ctx, sale)
        price, taken = self._terms(ctx, sale, running, most_units, most_price)
        left = replace(running, due=running.due - taken.owed, lot=running.lot - taken.units)
        # From here the take succeeds, if the caller has the money.
        self._pay_seller(ctx, running.seller, taken.owed)
        self._give_lot(ctx, ctx.caller, taken.units)
        if left.lot and left.due:
            ctx.put("sale", sale, value=left)
        else:
            self._end(ctx, sale, left)
            self._give_lot(ctx, left.owner, left.lot)
        self._settled(ctx, left.due + taken.owed if not left.lot else taken.owed)
        ctx.emit(
            "taken",
            sale=sale,
            by=ctx.caller,
            units=taken.units,
            owed=taken.owed,
            price=price,
            due=left.due,
            lot=left.lot,
        )
        return taken

    # What a sale stands on: prices, money, lots. The engine of a recording has others.

    def _feed_price(self, ctx: CallContext) -> int:
        """Return the oracle's price of a unit of the lot, RAY, rounded down."""
        params: Parameters = ctx.params
        price: OraclePrice = ctx.view(
            params.oracle,
            "price",
            asset_in=params.lot,
            asset_out=params.money,
            freshness_seconds=params.freshness_seconds,
            quorum=params.quorum,
        )
        return mul_div_down(price.numerator, self.one, price.denominator)

    def _pay_seller(self, ctx: CallContext, seller: str, units: int) -> None:
        if units:
            ctx.take(ctx.params.money, units)
            ctx.pay(seller, ctx.params.money, units)

    def _give_lot(self, ctx: CallContext, to: str, units: int) -> None:
        if units:
            ctx.pay(to, ctx.params.lot, units)

    def _reward(self, ctx: CallContext, number: int, sale: Sale, keeper: str) -> Sale:
        """Pay a keeper out of the sale's reserve, as far as that goes."""
        units = min(self._reward_units(ctx, sale), sale.reserve)
        if units:
            sale = replace(sale, reserve=sale.reserve - units)
            ctx.put("sale", number, value=sale)
            ctx.pay(keeper, ctx.params.money, units)
            ctx.emit("rewarded", sale=number, keeper=keeper, units=units, reserve=sale.reserve)
        return sale

    def _reward_units(self, ctx: CallContext, sale: Sale) -> int:
        tip: int = ctx.params.tip + mul_div_down(sale.due, ctx.params.chip, WAD)
        return tip

    def _least_due(self, ctx: CallContext) -> int:
        least: int = ctx.params.least_due
        return least

    def _settled(self, ctx: CallContext, due: int) -> None:
        """Note that so much of what was due is no longer: for an engine that keeps count (digs)."""

    def _end(self, ctx: CallContext, number: int, sale: Sale) -> None:
        ctx.put("sale", number, value=None)
        ctx.put("of", sale.seller, number, value=None)
        ctx.put("open", sale.seller, value=ctx.get("open", sale.seller) - 1 or None)
        if sale.reserve:
            ctx.pay(sale.seller, ctx.params.money, sale.reserve)

    # What the methods share.

    def _sale(self, ctx: CallContext, number: int) -> Sale:
        sale: Sale | None = ctx.get("sale", number)
        if sale is None:
            raise Rejection(Refusal.UNKNOWN_SALE, sale=str(number)[:48])
        return sale

    def _terms(
        self, ctx: CallContext, number: int, sale: Sale, most_units: int, most_price: int | None
    ) -> tuple[int, Taken]:
        """Return the price now, and what asking for so many units would give and cost."""
        price, ran_out = self._status(ctx, sale)
        if ran_out:
            raise Rejection(Refusal.NEEDS_RESTART, sale=number, price=str(price))
        if most_price is not None and most_price < price:
            raise Rejection(Refusal.TOO_DEAR, price=str(price), most_price=str(most_price))
        if most_units <= 0:
            raise Rejection(Refusal.NOTHING_TAKEN, price=str(price))
        taken = take_terms(
            due=sale.due,
            lot=sale.lot,
            price=price,
            asked=most_units,
            least_due=self._least_due(ctx),
            one=self.one,
        )
        if not taken.units:
            raise Rejection(Refusal.NOTHING_TAKEN, price=str(price))
        return price, taken

    def _top(self, ctx: CallContext, feed: int) -> int:
        top = mul_div_down(feed, ctx.params.start_factor, RAY)
        if not top:
            raise Rejection(Refusal.PRICE_MISSING)
        return top

    def _status(self, ctx: CallContext, sale: Sale) -> tuple[int, bool]:
        """Return the sale's price now, and whether it ran out (status)."""
        params: Parameters = ctx.params
        seconds = ctx.time // MICROSECONDS - sale.started
        price = fallen_price(params.fall, top=sale.top, seconds=seconds)
        ran_out = (
            seconds > params.restart_seconds or mul_div_down(price, RAY, sale.top) < params.restart_fraction
        )
        return price, ran_out

    # Views.

    @view
    def sale(self, ctx: CallContext, sale: int) -> SaleState:
        """Return a sale with its price now."""
        return self._state(ctx, sale, self._sale(ctx, sale))

    @view
    def sales(self, ctx: CallContext, start: int = 1) -> list[SaleState]:
        """Return up to 100 running sales with their prices, by number from `start` on."""
        found: list[SaleState] = []
        for (number,), running in ctx.scan("sale", start=start):
            if len(found) == SALES_LISTED_MAX:
                break
            found.append(self._state(ctx, number, running))
        return found

    @view
    def quote(self, ctx: CallContext, sale: int, most_units: int) -> Taken:
        """Return what taking would give and cost now. Rejections: as `take`."""
        return self._terms(ctx, sale, self._sale(ctx, sale), most_units, None)[1]

    @view
    def price_at(self, ctx: CallContext, sale: int, seconds: int) -> int:
        """Return what the price will be `seconds` after the sale started, if nobody restarts it."""
        if not 0 <= seconds <= SECONDS_MAX:
            raise Rejection(Code.ARGUMENTS_INVALID, method="price_at", reason=f"0 to {SECONDS_MAX} seconds")
        return fallen_price(ctx.params.fall, top=self._sale(ctx, sale).top, seconds=seconds)

    def _state(self, ctx: CallContext, number: int, sale: Sale) -> SaleState:
        price, ran_out = self._status(ctx, sale)
        return SaleState(
            sale=number,
            seller=sale.seller,
            owner=sale.owner,
            due=sale.due,
            lot=sale.lot,
            started=sale.started,
            top=sale.top,
            reserve=sale.reserve,
            price=price,
            needs_restart=ran_out,
        )

    # The self-descriptions.

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the lots and reserves that the account put in: they are its own until sold."""
        found = []
        for number, running in self._of(ctx, account):
            found.append(Position(ctx.params.lot, running.lot, note=f"sale {number}, for {running.owner}"))
            if running.reserve:
                found.append(Position(ctx.params.money, running.reserve, note=f"reserve of sale {number}"))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the calls that give the account's lots and reserves back."""
        found = []
        for number, running in self._of(ctx, account):
            leave = {"sale": number}
            found.append(Exit("cancel", leave, ctx.params.lot, running.lot))
            if running.reserve:
                found.append(Exit("cancel", leave, ctx.params.money, running.reserve))
        return found

    def _of(self, ctx: CallContext, account: str) -> list[tuple[int, Sale]]:
        return [(number, self._sale(ctx, number)) for (_, number), _ in ctx.scan("of", account)]

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return the published rule of taking: nobody can change anything."""
        params: Parameters = ctx.params
        bound = f"from {params.start_factor * PPM // RAY} ppm of the oracle's price down, as it falls"
        return [Power("anyone", "buys a lot at its price of the moment", bound)]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the two assets and the oracle."""
        params: Parameters = ctx.params
        return Dependencies(assets=(params.lot, params.money), oracles=(params.oracle,))


def _why_invalid(fall: Fall) -> str:
    """Return why a price cannot fall like this, or nothing."""
    if isinstance(fall, LinearFall):
        return "" if 0 < fall.seconds <= SECONDS_MAX else f"a linear fall takes 1 to {SECONDS_MAX} seconds"
    if not 0 < fall.cut < RAY:
        return "cut is between 0 and 1"
    if isinstance(fall, StairFall) and not 0 < fall.step_seconds <= SECONDS_MAX:
        return f"step_seconds is 1 to {SECONDS_MAX}"
    return ""
