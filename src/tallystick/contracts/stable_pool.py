"""Stable pool: assets that should be worth the same, traded near par until one runs short, exactly as Curve.

The invariant joins a constant sum (no slippage, but it can be emptied) and a constant product (never
emptied): with n assets x_i in common units, S their sum, and amplification A,

    A n^n S + D  =  A n^n D + D^(n+1) / (n^n x_1 x_2 ... x_n)

D is the value of the pool when balanced. It has no closed form, so D, and the balance of one asset given D
and the others, are found by Newton's method in whole numbers, and each answer is held against the equation
itself. The rule that must hold: no deposit, removal or trade lowers D per share by more than `error_of` D.
What goes out is one unit less than the solution, what is burned one more, so the errors of every division
stay with the pool; where the method errs by more, the pool refuses. Whatever unbalances the pool pays the
fee, a deposit or removal as much as a trade.

As in the source `amplification` means A n^(n-1), and moves only along a ramp of at least a day: the ramp is
the delay. The source's other powers were refused: fees are fixed at deployment, and nobody can stop the pool.
What the source lacks: some of the first shares are locked for ever, so that nobody can make one share dear
and the next depositor's rounding with it; and a pool of which something was clawed back trades no more, since
its price is nobody's.

Source: Egorov, "StableSwap: efficient mechanism for Stablecoin liquidity" (2019). To the unit:
StableSwap3Pool of curvefi/curve-contract at 574f440.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, NamedTuple, NoReturn

from tallystick.ledger.amounts import INTEGER_LIMIT, MICROSECONDS, UNITS_LIMIT, mul_div_down, mul_div_up
from tallystick.ledger.contract import (
    Backing,
    Contract,
    Dependencies,
    Exit,
    Power,
    Record,
    Table,
    method,
    replace,
    view,
)
from tallystick.ledger.pools import Price, Turnover
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext

ASSETS_MAX = 8
DECIMALS = 18
"""Balances are compared in units of 10^-18, and a share counts them."""
SHARE_ONE = 10**DECIMALS
FEE_ONE = 10**10
FEE_MAX = 5 * 10**9
AMPLIFICATION_LIMIT = 10**6
AMPLIFICATION_FACTOR_MAX = 10
"""One ramp changes the amplification tenfold at most."""
RAMP_SECONDS_MIN = 86_400
RAMP_DAYS_MAX = 36_500
NEWTON_STEPS_MAX = 255
ERROR_UNITS = 1_000
ERROR_PARTS = 10**12
"""D may be wrong by 1,000 common units and a part in 10^12: the source's method is, at a reserve of a
ten-thousandth of another."""
LOCKED_SHARES = 10**12
"""Shares of the first deposit that are locked for ever, worth a millionth of a coin. One share is worth that
much only in a pool of a million coins, and whoever gave them to a young pool gave them to these."""
SHARE_VALUE_MAX = 10**6
"""Where none are locked, what a share may be worth in common units when somebody deposits."""
BPS = 10_000
PPM = 1_000_000
DAY_SECONDS = 86_400

SHARE_CODE = "share"
LOCKED = "locked"


class Parameters(Record, frozen=True):
    """A pool of 2 to 8 assets. `fee` and `admin_fee` (a part of the fee) are parts of 10^10, fixed.

    `admin` may ramp the amplification and receives the admin fees; if it is empty, nobody can do either. The
    first deposit's first shares are locked for ever if `locks_shares`; the source locks none.
    """

    assets: tuple[str, ...]
    amplification: int
    fee: int
    admin: str = ""
    admin_fee: int = 0
    locks_shares: bool = True


class Refusal(StrEnum):
    """Why a stable pool refuses."""

    PARAMETERS_INVALID = "stable_pool.parameters_invalid"
    """The pool cannot be deployed like this. Facts: reason."""
    WRONG_ASSET = "stable_pool.wrong_asset"
    """The pool trades its own assets, one against another. Facts: asset_in, asset_out."""
    UNITS_INVALID = "stable_pool.units_invalid"
    """Lists of units have one for each asset, none negative, not all zero. Facts: units."""
    FIRST_DEPOSIT_INCOMPLETE = "stable_pool.first_deposit_incomplete"
    """The first deposit needs units of every asset. Facts: units."""
    SHARES_MISSING = "stable_pool.shares_missing"
    """The units are worth no share; the first must be worth more than is locked. Facts: units."""
    SHARE_TOO_DEAR = "stable_pool.share_too_dear"
    """The pool locks no shares, and one is worth so much that rounding a deposit down by up to one could pay
    whoever made it so. Facts: value, supply, share_value_max, in common units."""
    CLOSED = "stable_pool.closed"
    """Something of a reserve was clawed back: shares can be removed, and nothing is traded, lent or taken in.
    Facts: since, microseconds UTC."""
    INEXACT = "stable_pool.inexact"
    """The reserves are so far apart that Newton's method misses by more than the pool bears; shares can still
    be removed. Facts: what, found, error_max."""
    OUTPUT_MISSING = "stable_pool.output_missing"
    """So little comes in that rounding leaves nothing to pay. Facts: units_in or shares."""
    RESERVE_EXCEEDED = "stable_pool.reserve_exceeded"
    """More is asked for than can leave. Facts: asset, asked, reserve."""
    NO_LIQUIDITY = "stable_pool.no_liquidity"
    """A reserve is empty, so there is no price; shares can still be removed for what there is.
    Facts: balances, in common units, or supply, of which there is none."""
    LIMIT_MISSED = "stable_pool.limit_missed"
    """The caller's own limit is not met. Facts: asset, units, and least or most."""
    NOT_ADMIN = "stable_pool.not_admin"
    """Only the admin that the parameters name may do this. Facts: caller."""
    RAMP_INVALID = "stable_pool.ramp_invalid"
    """A ramp takes at least a day, starts a day after the last, changes the amplification tenfold at most and
    keeps it from 1 to 999,999. Facts: reason, asked, least, and most where there is one."""
    MOVE_INVALID = "stable_pool.move_invalid"
    """A depth is asked for a move of at least one basis point and less than all. Facts: move_bps, most."""
    ARITHMETIC_RANGE = "stable_pool.arithmetic_range"
    """An intermediate number leaves 256 bits or falls below zero: the amounts are absurd. Facts: what."""


# The invariant, by Newton's method.


def _refuse_range(what: str) -> NoReturn:
    raise Rejection(Refusal.ARITHMETIC_RANGE, what=what)


def _refuse_empty(balances: Sequence[int]) -> NoReturn:
    raise Rejection(Refusal.NO_LIQUIDITY, balances=[str(balance) for balance in balances])


def error_of(value: int) -> int:
    """Return how far an answer for the invariant `value` may be off, in common units."""
    return ERROR_UNITS + value // ERROR_PARTS


def is_worth(balances: Sequence[int], value: int, amplification: int) -> bool:
    """Tell whether the balances' D is `value` or more: exactly, by the equation times n^n x_1 ... x_n."""
    if value <= 0:
        return True
    n = len(balances)
    leverage = amplification * n
    most = leverage * sum(balances) - (leverage - 1) * value
    for balance in balances:
        most *= balance * n
    return bool(value ** (n + 1) <= most)


def invariant(balances: Sequence[int], amplification: int) -> int:
    """Return D, by iterations rounded down until two differ by at most one, right to `error_of` it.

    `balances` are in common units. Rejections: `no_liquidity`, `arithmetic_range`, `inexact`.
    """
    n, total = len(balances), sum(balances)
    if total == 0:
        return 0
    if min(balances) <= 0:
        _refuse_empty(balances)
    leverage = amplification * n
    value = total
    for _ in range(NEWTON_STEPS_MAX):
        product = value
        for balance in balances:
            if product * value >= INTEGER_LIMIT:
                _refuse_range("invariant")
            product = product * value // (balance * n)
        before = value
        numerator = (leverage * total + product * n) * value
        if numerator >= INTEGER_LIMIT:
            _refuse_range("invariant")
        value = numerator // ((leverage - 1) * value + (n + 1) * product)
        if abs(value - before) <= 1:
            break
    # It comes from above, so it may only be too much.
    error = error_of(value)
    if not is_worth(balances, value - error, amplification):
        raise Rejection(Refusal.INEXACT, what="invariant", found=str(value), error_max=str(error))
    return value


def solve_balance(others: Sequence[int], value: int, amplification: int) -> int:
    """Return the balance which, with the `others` in the pool's order, gives the invariant `value`.

    It is the root of y^2 + (b - D) y = c, by iterations rounded down until two differ by at most one. With a
    unit more, the balances are worth `value` but for `error_of` it. Rejections: as `invariant`.
    """
    n = len(others) + 1
    leverage = amplification * n
    c = value
    for other in others:
        if other <= 0:
            _refuse_empty(others)
        if c * value >= INTEGER_LIMIT:
            _refuse_range("balance")
        c = c * value // (other * n)
    c = c * value // (leverage * n)
    b = sum(others) + value // leverage
    balance = value
    for _ in range(NEWTON_STEPS_MAX):
        numerator, denominator = balance * balance + c, 2 * balance + b - value
        if numerator >= INTEGER_LIMIT or denominator <= 0:
            _refuse_range("balance")
        before, balance = balance, numerator // denominator
        if abs(balance - before) <= 1:
            break
    error = error_of(value)
    if not is_worth([*others, balance + 1], value - error, amplification):
        raise Rejection(Refusal.INEXACT, what="balance", found=str(balance), error_max=str(error))
    return balance


# State.


class Pool(Record, frozen=True, array_like=True):
    """The reserves in the order of the assets; `volume` is what swaps brought in on `day`, in common units,
    and `volume_before` on the day before. `closed` is when a loss closed the pool, 0 if none did.
    """

    reserves: tuple[int, ...]
    day: int = 0
    volume: int = 0
    volume_before: int = 0
    closed: int = 0


class Ramp(Record, frozen=True, array_like=True):
    """The amplification moves in a straight line from `first` at `start` to `last` at `end`, then stays."""

    first: int
    last: int
    start: int = 0
    end: int = 0


class Exchange(NamedTuple):
    """What a swap would do: units out, and what of them is kept for the admin."""

    units_out: int
    admin_units: int


class Change(NamedTuple):
    """What an unbalanced deposit or removal would do: the reserves after it, and the shares it is worth."""

    reserves: tuple[int, ...]
    shares: int


class StablePool(Contract):
    """Several assets meant to be worth the same, shares in them, and trades near par."""

    kind = "stable_pool"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "pool": Table(key=(), value=Pool),
        "ramp": Table(key=(), value=Ramp),
        "multiplier": Table(key=(), value=tuple[int, ...]),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters, declare the share, and note how to bring each asset to common units."""
        given = ctx.params
        if not 2 <= len(given.assets) == len(set(given.assets)) <= ASSETS_MAX:
            _refuse_parameters(f"2 to {ASSETS_MAX} different assets")
        decimals = [ctx.asset(asset).decimals for asset in given.assets]
        if max(decimals) > DECIMALS:
            _refuse_parameters(f"assets of at most {DECIMALS} decimals")
        if not 0 < given.amplification < AMPLIFICATION_LIMIT:
            _refuse_parameters(f"an amplification of 1 to {AMPLIFICATION_LIMIT - 1}")
        if not 0 <= given.fee <= FEE_MAX:
            _refuse_parameters(f"a fee of 0 to {FEE_MAX} parts of {FEE_ONE}")
        if not 0 <= given.admin_fee <= FEE_ONE:
            _refuse_parameters(f"an admin fee of 0 to {FEE_ONE} parts of {FEE_ONE}")
        if given.admin:
            ctx.check_account(given.admin)
        elif given.admin_fee:
            _refuse_parameters("an admin to have an admin fee")
        ctx.create_asset(SHARE_CODE, decimals=DECIMALS)
        if given.locks_shares:
            ctx.open_subaccount(LOCKED)
        ctx.put("multiplier", value=tuple(10 ** (DECIMALS - places) for places in decimals))
        ctx.put("pool", value=Pool((0,) * len(given.assets)))
        ctx.put("ramp", value=Ramp(given.amplification, given.amplification))

    # Liquidity.

    @method
    def add_liquidity(self, ctx: CallContext, units: list[int], least_shares: int) -> int:
        """Take units of each asset and mint shares for the growth of D, less the fee on what unbalances."""
        pool: Pool = ctx.get("pool")
        change = _deposit(ctx, pool, units)
        share = _share(ctx)
        _check_least(share, change.shares, least_shares)
        ctx.put("pool", value=replace(pool, reserves=change.reserves))
        for asset, taken in zip(ctx.params.assets, units, strict=True):
            if taken:
                ctx.take(asset, taken)
        if ctx.params.locks_shares and ctx.supply(share) == 0:
            ctx.mint(f"{ctx.this}/{LOCKED}", share, LOCKED_SHARES)
        ctx.mint(ctx.caller, share, change.shares)
        _tell(ctx, "added", change.shares, units, change.reserves)
        return change.shares

    @method
    def remove_liquidity(self, ctx: CallContext, shares: int, least: list[int]) -> list[int]:
        """Burn shares for their part of every reserve, rounded down: the way out that is always open."""
        pool: Pool = ctx.get("pool")
        _check_amount(shares)
        _check_units(ctx, least)
        units = _part(ctx, pool, shares)
        for asset, paid, wanted in zip(ctx.params.assets, units, least, strict=True):
            _check_least(asset, paid, wanted)
        reserves = tuple(reserve - paid for reserve, paid in zip(pool.reserves, units, strict=True))
        self._remove(ctx, pool, shares, units, reserves)
        return units

    @method
    def remove_units(self, ctx: CallContext, units: list[int], most_shares: int) -> int:
        """Pay exactly these units and burn the shares that they cost, with the fee on what unbalances."""
        pool: Pool = ctx.get("pool")
        change = _withdrawal(ctx, pool, units)
        if change.shares > most_shares:
            _refuse_more(_share(ctx), change.shares, most_shares)
        self._remove(ctx, pool, change.shares, units, change.reserves)
        return change.shares

    @method
    def remove_one(self, ctx: CallContext, shares: int, asset: str, least: int) -> int:
        """Burn shares for one asset alone, with the fee on what unbalances; return its units."""
        pool: Pool = ctx.get("pool")
        index = _index(ctx, asset)
        exchange = _one_asset(ctx, pool, shares, index)
        _check_least(asset, exchange.units_out, least)
        units = [0] * len(pool.reserves)
        units[index] = exchange.units_out
        reserves = _changed(pool, index, -exchange.units_out - exchange.admin_units)
        self._remove(ctx, pool, shares, units, reserves)
        return exchange.units_out

    def _remove(
        self, ctx: CallContext, pool: Pool, shares: int, units: list[int], reserves: tuple[int, ...]
    ) -> None:
        if not any(units):
            raise Rejection(Refusal.OUTPUT_MISSING, shares=str(shares))
        ctx.burn(_share(ctx), shares)
        ctx.put("pool", value=replace(pool, reserves=reserves))
        for asset, paid in zip(ctx.params.assets, units, strict=True):
            if paid:
                ctx.pay(ctx.caller, asset, paid)
        _tell(ctx, "removed", shares, units, reserves)

    # Swaps.

    @method
    def swap_exact_in(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int, least_out: int
    ) -> int:
        """Take exactly `units_in` and return what was paid for it, at least `least_out` and never nothing."""
        pool: Pool = ctx.get("pool")
        exchange = _bought(ctx, pool, asset_in, asset_out, units_in)
        _check_least(asset_out, exchange.units_out, least_out)
        _settle(ctx, asset_in, asset_out, units_in=units_in, exchange=exchange)
        return exchange.units_out

    @method
    def swap_exact_out(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int, most_in: int
    ) -> int:
        """Pay exactly `units_out` and return what was taken for it, at most `most_in`.

        What `exchange` would have paid beyond `units_out` stays with the pool.
        """
        pool: Pool = ctx.get("pool")
        units_in, exchange = _cost(ctx, pool, asset_in, asset_out, units_out)
        if units_in > most_in:
            _refuse_more(asset_in, units_in, most_in)
        _settle(ctx, asset_in, asset_out, units_in=units_in, exchange=exchange)
        return units_in

    @method
    def exchange(self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int, least_out: int) -> int:
        """Swap as the source does: whoever accepts nothing for dust gets nothing."""
        pool: Pool = ctx.get("pool")
        exchange = _exchanged(ctx, pool, asset_in, asset_out, units_in)
        _check_least(asset_out, exchange.units_out, least_out)
        _settle(ctx, asset_in, asset_out, units_in=units_in, exchange=exchange)
        return exchange.units_out

    # Flash loans. The source has none; the fee is that of a swap, shared alike.

    @method
    def flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        """Lend units within the transaction; return what `repay` must bring back, the fee rounded up."""
        pool: Pool = ctx.get("pool")
        reserves = list(pool.reserves)
        owed = _owed(ctx, pool, units)
        for asset in sorted(units):
            fee = owed[asset] - units[asset]
            reserves[_index(ctx, asset)] += fee - mul_div_down(fee, ctx.params.admin_fee, FEE_ONE)
            ctx.pay(ctx.caller, asset, units[asset])
            ctx.owe(asset, owed[asset])
        ctx.put("pool", value=replace(pool, reserves=tuple(reserves)))
        ctx.emit("lent", borrower=ctx.caller, units=units, owed=owed)
        return owed

    @method(clears=True)
    def repay(self, ctx: CallContext, units: dict[str, int]) -> bool:
        """Take units for the open loan, by anyone and in parts; return whether it is cleared now."""
        if not units:
            raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount="0")
        for asset in sorted(units):
            ctx.take(asset, units[asset])
            ctx.clear(asset, units[asset])
        return not any(ctx.owed(asset) for asset in ctx.params.assets)

    # The admin: a slow, bounded ramp, and its part of the fees.

    @method
    def ramp(self, ctx: CallContext, amplification: int, end: int) -> None:
        """As the admin, let the amplification move in a straight line until `end`, microseconds UTC."""
        _check_admin(ctx)
        ramp: Ramp = ctx.get("ramp")
        day = RAMP_SECONDS_MIN * MICROSECONDS
        if ctx.time < ramp.start + day:
            _refuse_ramp("the last ramp began less than a day ago", ctx.time, ramp.start + day)
        if not ctx.time + day <= end <= ctx.time + RAMP_DAYS_MAX * day:
            reason = "a ramp takes a day at least and a hundred years at most"
            _refuse_ramp(reason, end, ctx.time + day, ctx.time + RAMP_DAYS_MAX * day)
        if not 0 < amplification < AMPLIFICATION_LIMIT:
            _refuse_ramp("the amplification is out of bounds", amplification, 1, AMPLIFICATION_LIMIT - 1)
        now = _amplification(ramp, ctx.time)
        least, most = -(-now // AMPLIFICATION_FACTOR_MAX), now * AMPLIFICATION_FACTOR_MAX
        if not least <= amplification <= most:
            _refuse_ramp("the amplification changes tenfold at most", amplification, least, most)
        ctx.put("ramp", value=Ramp(now, amplification, ctx.time, end))
        ctx.emit("ramped", first=now, last=amplification, start=ctx.time, end=end)

    @method
    def stop_ramp(self, ctx: CallContext) -> None:
        """As the admin, leave the amplification where it is; the next ramp starts in a day at the soonest."""
        _check_admin(ctx)
        now = _amplification_now(ctx)
        ctx.put("ramp", value=Ramp(now, now, ctx.time, ctx.time))
        ctx.emit("ramp_stopped", amplification=now)

    @method
    def withdraw_surplus(self, ctx: CallContext) -> list[int]:
        """Pay the admin what the pool holds beyond its reserves; anyone may ask for it."""
        if not ctx.params.admin:
            raise Rejection(Refusal.NOT_ADMIN, caller=ctx.caller)
        surplus = _surplus(ctx, ctx.get("pool"))
        for asset, units in zip(ctx.params.assets, surplus, strict=True):
            if units:
                ctx.pay(ctx.params.admin, asset, units)
        ctx.emit("surplus_withdrawn", units=surplus)
        return surplus

    @method
    def sync(self, ctx: CallContext) -> None:
        """Make the reserves what the pool holds: a surplus goes to the providers, a claw-back is theirs.

        Where there is an admin the surplus is the admin's to give; anyone may write down what is missing, so
        that it falls on all providers alike and not on whoever leaves last. If anything is, the pool
        closes: or whoever trades next would take the other assets for what is left. A loss that somebody
        makes good before is none.
        """
        pool: Pool = ctx.get("pool")
        held = [ctx.balance(asset) for asset in ctx.params.assets]
        if ctx.params.admin and ctx.caller != ctx.params.admin:
            held = [min(pair) for pair in zip(held, pool.reserves, strict=True)]
            if held == list(pool.reserves):
                _check_admin(ctx)
        lost = any(has < reserve for reserve, has in zip(pool.reserves, held, strict=True))
        closes = lost and not pool.closed
        closed = ctx.time if closes else pool.closed
        ctx.put("pool", value=replace(pool, reserves=tuple(held), closed=closed))
        ctx.emit("synced", by=ctx.caller, reserves=held)
        if closes:
            ctx.emit("closed", by=ctx.caller, reserves_before=pool.reserves, reserves=held)

    # Views.

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return the assets in the pool's order."""
        return list(ctx.params.assets)

    @view
    def state(self, ctx: CallContext) -> Pool:
        """Return the pool's row: reserves and volume."""
        pool: Pool = ctx.get("pool")
        return pool

    @view
    def surplus(self, ctx: CallContext) -> list[int]:
        """Return what the pool holds beyond its reserves: the admin's fees, and plain transfers."""
        return _surplus(ctx, ctx.get("pool"))

    @view
    def amplification(self, ctx: CallContext) -> int:
        """Return the amplification now."""
        return _amplification_now(ctx)

    @view
    def virtual_price(self, ctx: CallContext) -> int:
        """Return D per share, scaled by 10^18: what a share is worth while all assets are at par."""
        supply = ctx.supply(_share(ctx))
        if not supply:
            raise Rejection(Refusal.NO_LIQUIDITY, supply="0")
        pool: Pool = ctx.get("pool")
        _check_open(pool)
        value = invariant(_common(ctx, pool.reserves), _amplification_now(ctx))
        return mul_div_down(value, SHARE_ONE, supply)

    @view
    def price(self, ctx: CallContext, asset_in: str, asset_out: str) -> Price:
        """Return the price before the fee, units of asset out for one of asset in."""
        source, target = _pair(ctx, asset_in, asset_out)
        pool: Pool = ctx.get("pool")
        _check_open(pool)
        return Price(*_marginal(ctx, pool.reserves, source, target))

    @view
    def quote_exact_in(self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int) -> int:
        """Return what `units_in` buys now."""
        return _bought(ctx, ctx.get("pool"), asset_in, asset_out, units_in).units_out

    @view
    def quote_exact_out(self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int) -> int:
        """Return what `units_out` costs now."""
        return _cost(ctx, ctx.get("pool"), asset_in, asset_out, units_out)[0]

    @view
    def quote_flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        """Return what would repay a loan of these units."""
        return _owed(ctx, ctx.get("pool"), units)

    @view
    def quote_add(self, ctx: CallContext, units: list[int]) -> int:
        """Return the shares that `add_liquidity` would mint now."""
        return _deposit(ctx, ctx.get("pool"), units).shares

    @view
    def quote_remove_units(self, ctx: CallContext, units: list[int]) -> int:
        """Return the shares that `remove_units` would burn now."""
        return _withdrawal(ctx, ctx.get("pool"), units).shares

    @view
    def quote_remove_one(self, ctx: CallContext, shares: int, asset: str) -> int:
        """Return the units that `remove_one` would pay now."""
        return _one_asset(ctx, ctx.get("pool"), shares, _index(ctx, asset)).units_out

    @view
    def depth(self, ctx: CallContext, asset_in: str, asset_out: str, move_bps: int) -> int:
        """Return the most units in, fee included, that lower the price of `asset_in` by `move_bps`."""
        if not 0 < move_bps < BPS:
            raise Rejection(Refusal.MOVE_INVALID, move_bps=str(move_bps), most=BPS - 1)
        before = self.price(ctx, asset_in, asset_out)
        least = Price(before.numerator * (BPS - move_bps), before.denominator * BPS)
        fits, exceeds = 0, 1
        while exceeds < UNITS_LIMIT and _stays_above(ctx, least, asset_in, asset_out, exceeds):
            fits, exceeds = exceeds, exceeds * 2
        while exceeds - fits > 1:
            tried = (fits + exceeds) // 2
            if _stays_above(ctx, least, asset_in, asset_out, tried):
                fits = tried
            else:
                exceeds = tried
        return fits

    @view
    def turnover(self, ctx: CallContext) -> list[Turnover]:
        """Return yesterday's and today's volume over the value held, both at par in the first asset."""
        pool: Pool = ctx.get("pool")
        multiplier = ctx.get("multiplier")[0]
        held = sum(_common(ctx, pool.reserves)) // multiplier
        today = ctx.time // MICROSECONDS // DAY_SECONDS
        volumes = {pool.day: pool.volume // multiplier, pool.day - 1: pool.volume_before // multiplier}
        return [
            Turnover(
                day=day,
                asset=ctx.params.assets[0],
                volume_units=volumes.get(day, 0),
                held_units=held,
                turnover_ppm=mul_div_down(volumes.get(day, 0), PPM, held) if held else 0,
            )
            for day in (today - 1, today)
        ]

    @view
    def position(self, ctx: CallContext, account: str) -> list[int]:
        """Return what the shares that the account can move would pay now, asset by asset."""
        return _part(ctx, ctx.get("pool"), ctx.available(account, _share(ctx)))

    # The five self-descriptions. Providers hold their shares themselves, so `positions` stays empty.

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        """Return the reserves: all that stands behind the shares."""
        pairs = zip(ctx.params.assets, ctx.get("pool").reserves, strict=True)
        return [Backing(_share(ctx), asset, reserve) for asset, reserve in pairs]

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the one removal that pays a part of every asset for all the account's shares."""
        share = _share(ctx)
        shares = ctx.available(account, share)
        units = _part(ctx, ctx.get("pool"), shares)
        if not any(units):
            return []
        leave = {"shares": shares, "least": [0] * len(units)}
        return [
            Exit("remove_liquidity", leave, asset, paid, spend={share: shares})
            for asset, paid in zip(ctx.params.assets, units, strict=True)
        ]

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return what the admin may do with the ramp and the fees; without an admin there is no power."""
        admin = ctx.params.admin
        if not admin:
            return []
        bound = f"tenfold at most, 1 to {AMPLIFICATION_LIMIT - 1}, in a straight line"
        part = f"{ctx.params.admin_fee} parts of {FEE_ONE} of the fees, and plain transfers to the pool"
        return [
            Power(admin, "ramp the amplification", bound, RAMP_SECONDS_MIN),
            Power(admin, "stop a ramp", "where it stands; the next starts a day later at the soonest"),
            Power(admin, "receive what is beyond the reserves", part),
            Power(admin, "give what is beyond the reserves to the providers", "no more than that"),
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the assets."""
        return Dependencies(assets=ctx.params.assets)


# Guards, and what several of the above need.


def _refuse_parameters(needed: str) -> NoReturn:
    raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"a pool needs {needed}")


def _refuse_ramp(reason: str, asked: int, least: int, most: int | None = None) -> NoReturn:
    facts = {"asked": str(asked)[:48], "least": str(least)}
    if most is not None:
        facts["most"] = str(most)
    raise Rejection(Refusal.RAMP_INVALID, reason=reason, **facts)


def _refuse_reserve(asset: str, asked: int, reserve: int) -> NoReturn:
    raise Rejection(Refusal.RESERVE_EXCEEDED, asset=asset, asked=str(asked), reserve=str(reserve))


def _refuse_more(asset: str, units: int, most: int) -> NoReturn:
    raise Rejection(Refusal.LIMIT_MISSED, asset=asset, units=str(units), most=str(most))


def _check_least(asset: str, units: int, least: int) -> None:
    if units < least:
        raise Rejection(Refusal.LIMIT_MISSED, asset=asset, units=str(units), least=str(least))


def _check_amount(units: int) -> None:
    if units <= 0:
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(units))
    if units >= UNITS_LIMIT:
        raise Rejection(Code.AMOUNT_TOO_LARGE, amount=str(units), limit=str(UNITS_LIMIT - 1))


def _check_units(ctx: CallContext, units: list[int]) -> None:
    if len(units) != len(ctx.params.assets) or min(units) < 0 or max(units) >= UNITS_LIMIT:
        raise Rejection(Refusal.UNITS_INVALID, units=[str(one) for one in units[: ASSETS_MAX + 1]])


def _check_admin(ctx: CallContext) -> None:
    if ctx.caller != ctx.params.admin:
        raise Rejection(Refusal.NOT_ADMIN, caller=ctx.caller)


def _check_open(pool: Pool) -> None:
    if pool.closed:
        raise Rejection(Refusal.CLOSED, since=pool.closed)


def _share(ctx: CallContext) -> str:
    return f"{SHARE_CODE}@{ctx.this}"


def _index(ctx: CallContext, asset: str) -> int:
    assets: tuple[str, ...] = ctx.params.assets
    if asset not in assets:
        raise Rejection(Refusal.WRONG_ASSET, asset_in=asset[:80], asset_out="")
    return assets.index(asset)


def _pair(ctx: CallContext, asset_in: str, asset_out: str) -> tuple[int, int]:
    if asset_in == asset_out:
        raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])
    return _index(ctx, asset_in), _index(ctx, asset_out)


def _common(ctx: CallContext, reserves: Sequence[int]) -> list[int]:
    """Return the reserves in common units of 10^-18."""
    pairs = zip(reserves, ctx.get("multiplier"), strict=True)
    return [reserve * multiplier for reserve, multiplier in pairs]


def _amplification(ramp: Ramp, time: int) -> int:
    """Return the amplification at `time`; the part of the way that is done is rounded down."""
    if time >= ramp.end:
        return ramp.last
    moved = mul_div_down(abs(ramp.last - ramp.first), time - ramp.start, ramp.end - ramp.start)
    return ramp.first + moved if ramp.last > ramp.first else ramp.first - moved


def _amplification_now(ctx: CallContext) -> int:
    return _amplification(ctx.get("ramp"), ctx.time)


def _surplus(ctx: CallContext, pool: Pool) -> list[int]:
    pairs = zip(ctx.params.assets, pool.reserves, strict=True)
    return [max(ctx.balance(asset) - reserve, 0) for asset, reserve in pairs]


def _changed(pool: Pool, index: int, change: int) -> tuple[int, ...]:
    reserves = list(pool.reserves)
    reserves[index] += change
    return tuple(reserves)


def _tell(ctx: CallContext, name: str, shares: int, units: list[int], reserves: tuple[int, ...]) -> None:
    ctx.emit(name, provider=ctx.caller, shares=shares, units=units, reserves=reserves)


# Deposits and removals.


def _deposit(ctx: CallContext, pool: Pool, units: list[int]) -> Change:
    """Return what a deposit would do. The first one pays no fee and needs every asset.

    So does one into a pool of which only the locked shares are left: what lies in it is the depositor's.
    """
    _check_open(pool)
    _check_units(ctx, units)
    supply, amplification = ctx.supply(_share(ctx)), _amplification_now(ctx)
    reserves = tuple(reserve + taken for reserve, taken in zip(pool.reserves, units, strict=True))
    if supply == 0 or (ctx.params.locks_shares and supply == LOCKED_SHARES):
        if min(units) == 0:
            raise Rejection(Refusal.FIRST_DEPOSIT_INCOMPLETE, units=[str(one) for one in units])
        shares = invariant(_common(ctx, reserves), amplification)
        if ctx.params.locks_shares:
            shares -= LOCKED_SHARES
        if shares <= 0:
            raise Rejection(Refusal.SHARES_MISSING, units=[str(one) for one in units])
        return Change(reserves, shares)
    before = invariant(_common(ctx, pool.reserves), amplification)
    if before > supply * SHARE_VALUE_MAX and not ctx.params.locks_shares:
        raise Rejection(
            Refusal.SHARE_TOO_DEAR,
            value=str(before),
            supply=str(supply),
            share_value_max=str(SHARE_VALUE_MAX),
        )
    after = invariant(_common(ctx, reserves), amplification)
    change, fair = _charge(
        ctx, pool.reserves, reserves, before=before, after=after, amplification=amplification
    )
    if after <= before or fair <= before:
        raise Rejection(Refusal.SHARES_MISSING, units=[str(one) for one in units])
    shares = mul_div_down(supply, fair - before, before)
    if shares == 0:
        raise Rejection(Refusal.SHARES_MISSING, units=[str(one) for one in units])
    return Change(change, shares)


def _withdrawal(ctx: CallContext, pool: Pool, units: list[int]) -> Change:
    """Return what a removal of exactly these units would do: its shares are rounded down, and one more."""
    _check_open(pool)
    _check_units(ctx, units)
    for asset, asked, reserve in zip(ctx.params.assets, units, pool.reserves, strict=True):
        if asked > reserve:
            _refuse_reserve(asset, asked, reserve)
    supply, amplification = ctx.supply(_share(ctx)), _amplification_now(ctx)
    if supply == 0:
        raise Rejection(Refusal.NO_LIQUIDITY, supply="0")
    reserves = tuple(reserve - paid for reserve, paid in zip(pool.reserves, units, strict=True))
    before = invariant(_common(ctx, pool.reserves), amplification)
    after = invariant(_common(ctx, reserves), amplification)
    change, fair = _charge(
        ctx, pool.reserves, reserves, before=before, after=after, amplification=amplification
    )
    shares = mul_div_down(before - fair, supply, before)
    if shares <= 0:
        raise Rejection(Refusal.SHARES_MISSING, units=[str(one) for one in units])
    return Change(change, shares + 1)


def _charge(
    ctx: CallContext,
    old: Sequence[int],
    new: Sequence[int],
    *,
    before: int,
    after: int,
    amplification: int,
) -> tuple[tuple[int, ...], int]:
    """Return the reserves less the admin's part of the fee, and D as if the whole fee were gone.

    The fee is taken of each asset's distance from where a balanced change would have left it.
    """
    fee = _balance_fee(ctx)
    kept, charged = [], []
    for was, now in zip(old, new, strict=True):
        units = mul_div_down(fee, abs(mul_div_down(after, was, before) - now), FEE_ONE)
        kept.append(now - mul_div_down(units, ctx.params.admin_fee, FEE_ONE))
        charged.append(now - units)
    if min(charged) < 0:
        _refuse_range("fee")
    return tuple(kept), invariant(_common(ctx, charged), amplification)


def _balance_fee(ctx: CallContext) -> int:
    """Return the fee of unbalancing: as much as swapping the same amount, which moves two assets."""
    n = len(ctx.params.assets)
    return mul_div_down(ctx.params.fee, n, 4 * (n - 1))


def _one_asset(ctx: CallContext, pool: Pool, shares: int, index: int) -> Exchange:
    """Return what shares would pay in one asset: its fall from D to D less the shares' part, less the fee."""
    _check_open(pool)
    supply, amplification = ctx.supply(_share(ctx)), _amplification_now(ctx)
    _check_amount(shares)
    if shares > supply:
        _refuse_reserve(_share(ctx), shares, supply)
    balances = _common(ctx, pool.reserves)
    multiplier = ctx.get("multiplier")[index]
    before = invariant(balances, amplification)
    after = before - mul_div_down(shares, before, supply)
    reached = solve_balance(_without(balances, index), after, amplification)
    fee = _balance_fee(ctx)
    reduced = []
    for position, balance in enumerate(balances):
        ideal = mul_div_down(balance, after, before)
        distance = ideal - reached if position == index else balance - ideal
        if distance < 0:
            _refuse_range("fee")
        reduced.append(balance - mul_div_down(fee, distance, FEE_ONE))
    paid = reduced[index] - solve_balance(_without(reduced, index), after, amplification) - 1
    if paid < 0:
        raise Rejection(Refusal.OUTPUT_MISSING, shares=str(shares))
    units = mul_div_down(paid, 1, multiplier)
    fee_units = mul_div_down(balances[index] - reached, 1, multiplier) - units
    if fee_units < 0:  # Only Newton's last digits could do that; there it is an underflow.
        _refuse_range("fee")
    return Exchange(units, mul_div_down(fee_units, ctx.params.admin_fee, FEE_ONE))


def _without(balances: list[int], index: int) -> list[int]:
    return balances[:index] + balances[index + 1 :]


def _part(ctx: CallContext, pool: Pool, shares: int) -> list[int]:
    """Return the shares' part of every reserve, rounded down."""
    supply = ctx.supply(_share(ctx))
    if not supply:
        return [0] * len(pool.reserves)
    return [mul_div_down(reserve, shares, supply) for reserve in pool.reserves]


# Loans.


def _owed(ctx: CallContext, pool: Pool, units: dict[str, int]) -> dict[str, int]:
    """Return what repays a loan: its fee is that of a swap, rounded up."""
    _check_open(pool)
    if not units:
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount="0")
    owed = {}
    for asset in sorted(units):
        lent, reserve = units[asset], pool.reserves[_index(ctx, asset)]
        if lent > reserve:
            _refuse_reserve(asset, lent, reserve)
        _check_amount(lent)
        owed[asset] = lent + mul_div_up(lent, ctx.params.fee, FEE_ONE)
    return owed


# Swaps.


def _exchanged(ctx: CallContext, pool: Pool, asset_in: str, asset_out: str, units_in: int) -> Exchange:
    """Return what a swap pays: the fall of the asset out that keeps D, one unit less, and less the fee."""
    _check_open(pool)
    source, target = _pair(ctx, asset_in, asset_out)
    _check_amount(units_in)
    amplification, multipliers = _amplification_now(ctx), ctx.get("multiplier")
    balances = _common(ctx, pool.reserves)
    value = invariant(balances, amplification)
    if value == 0:
        _refuse_empty(balances)
    bought_from = balances[target]
    balances[source] += units_in * multipliers[source]
    left = solve_balance(_without(balances, target), value, amplification)
    gross = bought_from - left - 1
    if gross < 0:
        raise Rejection(Refusal.OUTPUT_MISSING, units_in=str(units_in))
    fee = mul_div_down(gross, ctx.params.fee, FEE_ONE)
    admin_fee = mul_div_down(fee, ctx.params.admin_fee, FEE_ONE)
    units_out = mul_div_down(gross - fee, 1, multipliers[target])
    return Exchange(units_out, mul_div_down(admin_fee, 1, multipliers[target]))


def _bought(ctx: CallContext, pool: Pool, asset_in: str, asset_out: str, units_in: int) -> Exchange:
    """Return what a swap pays, which must be something."""
    exchange = _exchanged(ctx, pool, asset_in, asset_out, units_in)
    if exchange.units_out == 0:
        raise Rejection(Refusal.OUTPUT_MISSING, units_in=str(units_in))
    return exchange


def _cost(
    ctx: CallContext, pool: Pool, asset_in: str, asset_out: str, units_out: int
) -> tuple[int, Exchange]:
    """Return what buys `units_out`: the solution rounded up, and more until a swap of it pays enough.

    Newton's method may be off by one in common units either way; the doubling steps end after a few.
    """
    _check_open(pool)
    source, target = _pair(ctx, asset_in, asset_out)
    _check_amount(units_out)
    amplification, multipliers = _amplification_now(ctx), ctx.get("multiplier")
    balances = _common(ctx, pool.reserves)
    value = invariant(balances, amplification)
    gross = mul_div_up(units_out * multipliers[target], FEE_ONE, FEE_ONE - ctx.params.fee)
    sold_to = balances[source]
    balances[target] -= gross + 1
    if balances[target] <= 0:
        _refuse_reserve(asset_out, units_out, pool.reserves[target])
    raised = solve_balance(_without(balances, source), value, amplification)
    units_in = max(mul_div_up(raised - sold_to, 1, multipliers[source]), 1)
    step = 1
    while (exchange := _exchanged(ctx, pool, asset_in, asset_out, units_in)).units_out < units_out:
        units_in += step
        step *= 2
    return units_in, Exchange(units_out, exchange.admin_units)


def _settle(ctx: CallContext, asset_in: str, asset_out: str, *, units_in: int, exchange: Exchange) -> None:
    """Write the new reserves and move the assets."""
    pool: Pool = ctx.get("pool")
    source, target = _pair(ctx, asset_in, asset_out)
    reserves = list(pool.reserves)
    reserves[source] += units_in
    reserves[target] -= exchange.units_out + exchange.admin_units
    day, volume, volume_before = _volumes(pool, ctx.time)
    volume += units_in * ctx.get("multiplier")[source]
    ctx.put("pool", value=Pool(tuple(reserves), day, volume, volume_before))
    ctx.take(asset_in, units_in)
    if exchange.units_out:
        ctx.pay(ctx.caller, asset_out, exchange.units_out)
    ctx.emit(
        "swapped",
        trader=ctx.caller,
        asset_in=asset_in,
        units_in=units_in,
        asset_out=asset_out,
        units_out=exchange.units_out,
        reserves=reserves,
    )


def _volumes(pool: Pool, time: int) -> tuple[int, int, int]:
    """Return the day of `time`, and the volumes so far of that day and of the one before."""
    day = time // MICROSECONDS // DAY_SECONDS
    if day == pool.day:
        return day, pool.volume, pool.volume_before
    return day, 0, pool.volume if day == pool.day + 1 else 0


def _marginal(ctx: CallContext, reserves: Sequence[int], source: int, target: int) -> tuple[int, int]:
    """Return the price of the smallest trade as a fraction below 2^256: the invariant's own slope."""
    amplification, multipliers = _amplification_now(ctx), ctx.get("multiplier")
    balances = _common(ctx, reserves)
    value = product = invariant(balances, amplification)
    if value == 0:
        _refuse_empty(balances)
    for balance in balances:
        product = product * value // (balance * len(balances))
    leverage = amplification * len(balances)
    into, out_of = balances[source], balances[target]
    numerator = (leverage * into + product) * out_of * multipliers[source]
    denominator = (leverage * out_of + product) * into * multipliers[target]
    excess = max(numerator.bit_length(), denominator.bit_length()) - 255
    return (numerator >> excess, denominator >> excess) if excess > 0 else (numerator, denominator)


_BEYOND = frozenset([Refusal.ARITHMETIC_RANGE, Refusal.INEXACT, Code.AMOUNT_TOO_LARGE])
"""Why a swap is refused that is larger than any that moves the price as little as asked."""


def _stays_above(ctx: CallContext, least: Price, asset_in: str, asset_out: str, units_in: int) -> bool:
    """Tell whether the price is still at least `least` after a swap."""
    pool: Pool = ctx.get("pool")
    source, target = _pair(ctx, asset_in, asset_out)
    try:
        exchange = _exchanged(ctx, pool, asset_in, asset_out, units_in)
    except Rejection as refused:
        if refused.code is Refusal.OUTPUT_MISSING:
            return True
        if refused.code in _BEYOND:
            return False
        raise
    reserves = list(pool.reserves)
    reserves[source] += units_in
    reserves[target] -= exchange.units_out + exchange.admin_units
    numerator, denominator = _marginal(ctx, reserves, source, target)
    return numerator * least.denominator >= least.numerator * denominator
