"""Concentrated-liquidity pool: liquidity between two prices of its provider's choice, exactly as Uniswap v3.

Prices are marked by ticks, price(tick) = 1.0001^tick units of asset 1 for one unit of asset 0. Between two
neighbouring initialised ticks the pool is a constant product of virtual reserves, so with liquidity L and the
square root of the price P, moving the price costs

    asset 0:  L x (1 / sqrt(P_low) - 1 / sqrt(P_high))        asset 1:  L x (sqrt(P_high) - sqrt(P_low))

A swap walks from tick to tick. The rule that must hold: what the pool takes in is rounded up and what it
pays out is rounded down, in every single step, so no sequence of steps can be repeated at its expense.
Fees never enter the liquidity; each unit of liquidity earns a share of them, kept as a running sum (*fee
growth*) per asset, from which a position subtracts what had accrued outside its range.

Two alternatives were refused. A sorted scan of ticks instead of the bitmap: v3 also stops at the bitmap's
word boundaries, and each stop rounds, so the scan differs by units. And a copied table of constants: the
ratios are derived below from the number 1.0001.

Source: Adams, Zinsmeister, Salem, Keefer and Robinson, "Uniswap v3 Core" (2021); section numbers below are
the paper's. To the unit: the contracts of Uniswap/v3-core at tag v_1.0.0.
"""

from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, NamedTuple, NoReturn

from tallystick.ledger.amounts import (
    INTEGER_LIMIT,
    MICROSECONDS,
    UNITS_LIMIT,
    isqrt,
    mul_div_down,
    mul_div_up,
)
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
from tallystick.ledger.pools import Price, TimeWeightedPrice, Turnover
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext

Q96 = 1 << 96
"""One, as a square root of a price: Q64.96."""
Q128 = 1 << 128
"""One, as a tick ratio or a fee growth: Q128.128."""
GROWTH_MODULUS = 1 << 256
"""Fee growth wraps around here: only differences of it are used, and those stay right (section 6.3)."""
SQRT_PRICE_LIMIT = 1 << 160
SIGNED_LIMIT = 1 << 255
"""Amounts are below this, as in v3: a swap to a price limit may ask for more than anybody can have."""
FEE_ONE = PPM = 1_000_000
"""Fees are parts per million."""
BPS = 10_000
DAY_SECONDS = 86_400
TICK_SPACING_LIMIT = 16_384
"""With wider spacing a word of the bitmap would span more ticks than there are."""
PROTOCOL_DIVISORS = (0, 4, 5, 6, 7, 8, 9, 10)
"""The protocol's share of the fees is nothing, or one part in 4 to 10."""
OBSERVATION_SECONDS = 60
OBSERVATIONS = DAY_SECONDS // OBSERVATION_SECONDS + 1
"""The pool remembers its tick at most once a minute, and so many times: at least a day."""


class Refusal(StrEnum):
    """Why a concentrated-liquidity pool refuses."""

    NO_PROTOCOL_ACCOUNT = "concentrated_liquidity_pool.no_protocol_account"
    """The pool shares its fees with nobody, so there is nothing to collect."""
    PARAMETERS_INVALID = "concentrated_liquidity_pool.parameters_invalid"
    """The pool cannot be deployed like this. Facts: reason."""
    WRONG_ASSET = "concentrated_liquidity_pool.wrong_asset"
    """The pool trades its two assets against each other, nothing else. Facts: asset_in, asset_out."""
    RANGE_INVALID = "concentrated_liquidity_pool.range_invalid"
    """A range has two ticks, the lower first, within the bounds, both multiples of the spacing.
    Facts: lower, upper, tick_spacing, tick_max."""
    LIQUIDITY_NOT_POSITIVE = "concentrated_liquidity_pool.liquidity_not_positive"
    """Liquidity is added and removed in positive amounts. Facts: liquidity."""
    TICK_FULL = "concentrated_liquidity_pool.tick_full"
    """More liquidity would refer to one tick than is safe. Facts: tick, liquidity, liquidity_max."""
    UNKNOWN_POSITION = "concentrated_liquidity_pool.unknown_position"
    """The account has no position in that range. Facts: account, lower, upper."""
    POSITION_TOO_SMALL = "concentrated_liquidity_pool.position_too_small"
    """The position has less liquidity than is to be removed. Facts: liquidity, asked."""
    PRICE_LIMIT_INVALID = "concentrated_liquidity_pool.price_limit_invalid"
    """The price limit lies behind the price, at it, or outside the bounds. Facts: sqrt_price, limit."""
    LIQUIDITY_EXHAUSTED = "concentrated_liquidity_pool.liquidity_exhausted"
    """The liquidity ends before the amount is filled. Facts: asked, filled."""
    OUTPUT_MISSING = "concentrated_liquidity_pool.output_missing"
    """So little comes in that rounding leaves nothing to pay. Facts: units_in."""
    LIMIT_MISSED = "concentrated_liquidity_pool.limit_missed"
    """The caller's own limit is not met. Facts: asset, units, and least or most."""
    NO_LIQUIDITY = "concentrated_liquidity_pool.no_liquidity"
    """Nobody provides liquidity at the price, so nobody could earn the fee of a loan. Facts: tick."""
    LOAN_TOO_LARGE = "concentrated_liquidity_pool.loan_too_large"
    """More is to be lent than the pool holds. Facts: asset, asked, held."""
    MOVE_INVALID = "concentrated_liquidity_pool.move_invalid"
    """A depth is asked for a move of at least one basis point and less than all. Facts: move_bps, most."""
    NO_HISTORY = "concentrated_liquidity_pool.no_history"
    """The pool does not remember that far back. Facts: seconds, remembered_seconds."""
    ARITHMETIC_RANGE = "concentrated_liquidity_pool.arithmetic_range"
    """An intermediate number leaves its bounds (256 bits, 160 for a price, 128 for liquidity), or its divisor
    is zero. Facts: what."""


# Full-precision arithmetic within 256 bits (FullMath).


def full_mul_div_down(x: int, y: int, denominator: int) -> int:
    """Return x * y / `denominator` rounded down, with the product in full and the result below 2^256."""
    if denominator == 0:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="division by zero")
    quotient = x * y // denominator
    if quotient >= INTEGER_LIMIT:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="quotient")
    return quotient


def full_mul_div_up(x: int, y: int, denominator: int) -> int:
    """Return x * y / `denominator` rounded up, with the product in full and the result below 2^256."""
    if denominator == 0:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="division by zero")
    quotient = -(-x * y // denominator)
    if quotient >= INTEGER_LIMIT:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="quotient")
    return quotient


def _check_range(number: int, limit: int, what: str) -> int:
    if not 0 <= number < limit:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what=what)
    return number


# Ticks and prices (section 6.1; TickMath).


def _derive_ratios() -> tuple[tuple[int, ...], int]:
    """Return 1.0001^(-2^i / 2) for i = 0 to 19 as Q128, and the largest tick with a ratio of at least 2^-64.

    Worked out with 256 fractional bits. Each squaring at most doubles the relative error, so after twenty
    of them more than 200 good bits remain, and rounding to 128 is right.
    """
    one = 1 << 256
    root = isqrt(one * one * 10_000 // 10_001)
    roots = [root]
    for _ in range(19):
        roots.append(roots[-1] * roots[-1] >> 256)
    tick_max, reached = 0, one
    for index in reversed(range(20)):
        further = reached * roots[index] >> 256
        if further >= one >> 64:
            tick_max, reached = tick_max + (1 << index), further
    return tuple((exact + (1 << 127)) >> 128 for exact in roots), tick_max


RATIOS, TICK_MAX = _derive_ratios()


@lru_cache(maxsize=1 << 16)
def sqrt_price_at_tick(tick: int) -> int:
    """Return sqrt(1.0001^tick) as Q64.96, rounded up from the Q128 product of `RATIOS`."""
    if not -TICK_MAX <= tick <= TICK_MAX:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="tick")
    ratio, rest, index = Q128, abs(tick), 0
    while rest:
        if rest & 1:
            ratio = ratio * RATIOS[index] >> 128
        rest >>= 1
        index += 1
    if tick > 0:
        ratio = (INTEGER_LIMIT - 1) // ratio
    return mul_div_up(ratio, 1, 1 << 32)


SQRT_PRICE_MIN = sqrt_price_at_tick(-TICK_MAX)
SQRT_PRICE_MAX = sqrt_price_at_tick(TICK_MAX)


def tick_at_sqrt_price(sqrt_price: int) -> int:
    """Return the largest tick whose price is not above `sqrt_price`.

    The price is taken apart into the ratios, largest first; that is at most one tick off, which the
    comparison with the ticks' own prices corrects.
    """
    if not SQRT_PRICE_MIN <= sqrt_price < SQRT_PRICE_MAX:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="sqrt_price")
    ratio = sqrt_price << 32 if sqrt_price < Q96 else (Q128 * Q96) // sqrt_price
    distance = 0
    for index in range(19, -1, -1):
        if ratio <= RATIOS[index]:
            ratio = (ratio << 128) // RATIOS[index]
            distance += 1 << index
    tick = -distance if sqrt_price < Q96 else distance
    while sqrt_price_at_tick(tick) > sqrt_price:
        tick -= 1
    while sqrt_price_at_tick(tick + 1) <= sqrt_price:
        tick += 1
    return tick


# Amounts between two prices (section 6.2; SqrtPriceMath).


def units_0_between(sqrt_a: int, sqrt_b: int, liquidity: int, *, round_up: bool) -> int:
    """Return the asset 0 between two prices: liquidity x (1/sqrt_low - 1/sqrt_high)."""
    low, high = (sqrt_a, sqrt_b) if sqrt_a <= sqrt_b else (sqrt_b, sqrt_a)
    if low <= 0:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="sqrt_price")
    if round_up:
        return mul_div_up(full_mul_div_up(liquidity << 96, high - low, high), 1, low)
    return full_mul_div_down(liquidity << 96, high - low, high) // low


def units_1_between(sqrt_a: int, sqrt_b: int, liquidity: int, *, round_up: bool) -> int:
    """Return the asset 1 between two prices: liquidity x (sqrt_high - sqrt_low)."""
    divide = full_mul_div_up if round_up else full_mul_div_down
    return divide(liquidity, abs(sqrt_b - sqrt_a), Q96)


def sqrt_price_after_input(sqrt_price: int, liquidity: int, amount: int, *, zero_for_one: bool) -> int:
    """Return the price after `amount` came in, rounded so that the price moves no further than was paid."""
    _check_price_and_liquidity(sqrt_price, liquidity)
    if not zero_for_one:
        moved = sqrt_price + full_mul_div_down(amount, Q96, liquidity)
        return _check_range(moved, SQRT_PRICE_LIMIT, "sqrt_price")
    if amount == 0:
        return sqrt_price
    numerator = liquidity << 96
    denominator = numerator + amount * sqrt_price
    if denominator < INTEGER_LIMIT:
        return full_mul_div_up(numerator, sqrt_price, denominator)
    # Where the exact denominator would leave 256 bits, v3 uses this coarser form of the same fraction.
    return mul_div_up(numerator, 1, numerator // sqrt_price + amount)


def sqrt_price_after_output(sqrt_price: int, liquidity: int, amount: int, *, zero_for_one: bool) -> int:
    """Return the price after `amount` went out, rounded so that it moves at least as far as was taken."""
    _check_price_and_liquidity(sqrt_price, liquidity)
    if zero_for_one:
        moved = sqrt_price - full_mul_div_up(amount, Q96, liquidity)
        if moved <= 0:
            raise Rejection(Refusal.ARITHMETIC_RANGE, what="sqrt_price")
        return moved
    if amount == 0:
        return sqrt_price
    numerator = liquidity << 96
    product = _check_range(amount * sqrt_price, INTEGER_LIMIT, "product")
    if numerator <= product:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="sqrt_price")
    moved = full_mul_div_up(numerator, sqrt_price, numerator - product)
    return _check_range(moved, SQRT_PRICE_LIMIT, "sqrt_price")


def _check_price_and_liquidity(sqrt_price: int, liquidity: int) -> None:
    if sqrt_price <= 0 or liquidity <= 0:
        raise Rejection(Refusal.ARITHMETIC_RANGE, what="sqrt_price or liquidity")


class Step(NamedTuple):
    """One step of a swap, within which the liquidity is constant."""

    sqrt_price: int
    units_in: int
    units_out: int
    fee: int


def swap_step(*, sqrt_price: int, target: int, liquidity: int, amount: int, fee_ppm: int) -> Step:
    """Return the step from `sqrt_price` as far towards `target` as `amount` carries (SwapMath).

    `amount` is positive for what still comes in, fee included, and negative for what still goes out. A step
    that stops short of its target keeps as the fee whatever of the amount the price did not need.
    """
    zero_for_one = sqrt_price >= target
    exact_in = amount >= 0
    cost, gain = (units_0_between, units_1_between) if zero_for_one else (units_1_between, units_0_between)
    if exact_in:
        after_fee = full_mul_div_down(amount, FEE_ONE - fee_ppm, FEE_ONE)
        units_in = cost(sqrt_price, target, liquidity, round_up=True)
        if after_fee >= units_in:
            reached = target
        else:
            reached = sqrt_price_after_input(sqrt_price, liquidity, after_fee, zero_for_one=zero_for_one)
            units_in = cost(sqrt_price, reached, liquidity, round_up=True)
        units_out = gain(sqrt_price, reached, liquidity, round_up=False)
    else:
        units_out = gain(sqrt_price, target, liquidity, round_up=False)
        if -amount >= units_out:
            reached = target
        else:
            reached = sqrt_price_after_output(sqrt_price, liquidity, -amount, zero_for_one=zero_for_one)
            units_out = min(gain(sqrt_price, reached, liquidity, round_up=False), -amount)
        units_in = cost(sqrt_price, reached, liquidity, round_up=True)
    if exact_in and reached != target:
        return Step(reached, units_in, units_out, amount - units_in)
    return Step(reached, units_in, units_out, full_mul_div_up(units_in, fee_ppm, FEE_ONE - fee_ppm))


def liquidity_for(*, sqrt_price: int, low: int, high: int, units_0: int, units_1: int) -> int:
    """Return the most liquidity that the amounts buy in a range (LiquidityAmounts of v3-periphery)."""
    within = min(max(sqrt_price, low), high)
    bounds = []
    if within < high:
        product = full_mul_div_down(within, high, Q96)
        bounds.append(full_mul_div_down(units_0, product, high - within))
    if within > low:
        bounds.append(full_mul_div_down(units_1, Q96, within - low))
    return min(_check_range(bound, UNITS_LIMIT, "liquidity") for bound in bounds)


# The tick bitmap (section 6.2; TickBitmap): bit b of word w stands for the tick (256 w + b) x spacing.


def next_in_word(word: int, index: int, *, downwards: bool) -> tuple[int, bool]:
    """Return the nearest set index of the word at or beyond `index`, or the word's last, and which it is."""
    bit = index & 255
    if downwards:
        below = word & ((2 << bit) - 1)
        return (index - bit + below.bit_length() - 1, True) if below else (index - bit, False)
    above = word >> bit
    return (index + (above & -above).bit_length() - 1, True) if above else (index + 255 - bit, False)


# State.


class Parameters(Record, frozen=True):
    """A pool of two assets. Everything is fixed at deployment.

    `sqrt_price` is the square root of the first price, asset 1 for one of asset 0, as Q64.96. A
    `protocol_divisor` of n gives `protocol_account` one n-th of the fees paid in that asset, none if 0.
    """

    asset_0: str
    asset_1: str
    fee_ppm: int
    tick_spacing: int
    sqrt_price: int
    protocol_account: str = ""
    protocol_divisor_0: int = 0
    protocol_divisor_1: int = 0


class Pool(Record, frozen=True, array_like=True):
    """The pool's one row.

    `liquidity` is what is in range; `growth` the fees per unit of it, ever, Q128 modulo 2^256; `protocol` the
    protocol's uncollected fees. `tick_time` is the sum of tick x microseconds up to `time`; `observed` is
    when the last of `observations` was made. `volume` is what swaps moved of asset 0 on `day`, fees included,
    and `volume_before` on the day before.
    """

    sqrt_price: int
    tick: int
    liquidity: int
    growth_0: int = 0
    growth_1: int = 0
    protocol_0: int = 0
    protocol_1: int = 0
    time: int = 0
    tick_time: int = 0
    observations: int = 0
    observed: int = 0
    day: int = 0
    volume: int = 0
    volume_before: int = 0


class Tick(Record, frozen=True, array_like=True):
    """An initialised tick: the liquidity that refers to it, what crossing it upwards adds, and the growth on
    its other side, as seen from the price.
    """

    gross: int
    net: int
    outside_0: int
    outside_1: int


class Stake(Record, frozen=True, array_like=True):
    """An account's liquidity in one range, the growth inside when last settled, and what is owed to it."""

    liquidity: int
    inside_0: int
    inside_1: int
    owed_0: int = 0
    owed_1: int = 0


class Observation(Record, frozen=True, array_like=True):
    """`tick_time` as it stood at `time`."""

    time: int
    tick_time: int


class Walk(NamedTuple):
    """What a swap would do: amounts, the pool afterwards, and the ticks it crosses with their new rows."""

    pool: Pool
    units_in: int
    units_out: int
    fee: int
    crossed: list[tuple[int, Tick]]


# What methods and views answer.


class Amounts(Record, frozen=True):
    """Units of the two assets."""

    units_0: int
    units_1: int


class Growth(Record, frozen=True):
    """Fees per unit of liquidity, in 2^-128 of a unit of each asset, modulo 2^256."""

    growth_0: int
    growth_1: int


class Swapped(Record, frozen=True):
    """What a swap took and paid; `fee` is part of `units_in`."""

    units_in: int
    units_out: int
    fee: int
    sqrt_price: int
    tick: int


class Statement(Record, frozen=True):
    """A position for people: its range as prices of asset 0 in asset 1 (Q64.96 roots), whether it earns now,
    what its liquidity would pay out, and the fees it may collect.
    """

    lower: int
    upper: int
    sqrt_price_lower: int
    sqrt_price_upper: int
    in_range: bool
    liquidity: int
    units_0: int
    units_1: int
    fees_0: int
    fees_1: int


class Band(Record, frozen=True):
    """The liquidity between two neighbouring initialised ticks."""

    lower: int
    upper: int
    liquidity: int


class ConcentratedLiquidityPool(Contract):
    """Two assets, traded against liquidity that each provider confines to a range of prices."""

    kind = "concentrated_liquidity_pool"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "pool": Table(key=(), value=Pool),
        "tick": Table(key=(int,), value=Tick),
        "bitmap": Table(key=(int,), value=int),
        "position": Table(key=(str, int, int), value=Stake),
        "observation": Table(key=(int,), value=Observation),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters and set the first price."""
        given = ctx.params
        ctx.asset(given.asset_0)
        ctx.asset(given.asset_1)
        if given.asset_0 == given.asset_1:
            _refuse_parameters("two different assets")
        if not 0 <= given.fee_ppm < FEE_ONE:
            _refuse_parameters(f"a fee of 0 to {FEE_ONE - 1} parts per million")
        if not 0 < given.tick_spacing < TICK_SPACING_LIMIT:
            _refuse_parameters(f"a tick spacing of 1 to {TICK_SPACING_LIMIT - 1}")
        if not SQRT_PRICE_MIN <= given.sqrt_price < SQRT_PRICE_MAX:
            _refuse_parameters(f"a root of the price from {SQRT_PRICE_MIN} to {SQRT_PRICE_MAX - 1}")
        divisors = (given.protocol_divisor_0, given.protocol_divisor_1)
        if not all(divisor in PROTOCOL_DIVISORS for divisor in divisors):
            _refuse_parameters("protocol divisors of 0 or 4 to 10")
        if any(divisors) != bool(given.protocol_account):
            _refuse_parameters("a protocol account exactly if it has a share of the fees")
        if given.protocol_account:
            ctx.check_account(given.protocol_account)
        tick = tick_at_sqrt_price(given.sqrt_price)
        ctx.put("observation", 0, value=Observation(ctx.time, 0))
        ctx.put(
            "pool", value=Pool(given.sqrt_price, tick, 0, time=ctx.time, observations=1, observed=ctx.time)
        )
        ctx.emit("opened", sqrt_price=given.sqrt_price, tick=tick)

    # Liquidity.

    @method
    def mint(self, ctx: CallContext, lower: int, upper: int, liquidity: int) -> Amounts:
        """Add liquidity to the caller's position in a range, for what `quote_mint` says, rounded up."""
        _check_liquidity(liquidity)
        amounts = _change_position(ctx, lower, upper, liquidity)
        _take_both(ctx, amounts)
        _tell(ctx, "minted", lower, upper, amounts, liquidity=liquidity)
        return amounts

    @method
    def burn(self, ctx: CallContext, lower: int, upper: int, liquidity: int) -> Amounts:
        """Turn liquidity of the caller's into assets owed to it, rounded down; `collect` pays them."""
        _check_liquidity(liquidity)
        amounts = _change_position(ctx, lower, upper, -liquidity)
        _tell(ctx, "burned", lower, upper, amounts, liquidity=liquidity)
        return amounts

    @method
    def settle(self, ctx: CallContext, lower: int, upper: int) -> Amounts:
        """Count the fees so far among what the caller's position is owed, and return all of that.

        A `collect` without limits does it by itself; v3 calls it a burn of zero. Each time rounds down.
        """
        stake = _settled_now(ctx, _stake(ctx, ctx.caller, lower, upper), lower, upper)
        ctx.put("position", ctx.caller, lower, upper, value=stake)
        return Amounts(stake.owed_0, stake.owed_1)

    @method
    def collect(
        self,
        ctx: CallContext,
        lower: int,
        upper: int,
        most_0: int = UNITS_LIMIT - 1,
        most_1: int = UNITS_LIMIT - 1,
    ) -> Amounts:
        """Pay the caller all that its position is owed, the fees up to now and what was burned.

        With a limit on either asset it pays, as v3 does, at most that and of what was settled before. A
        position left with nothing is forgotten.
        """
        _check_most(most_0)
        _check_most(most_1)
        stake = _stake(ctx, ctx.caller, lower, upper)
        if min(most_0, most_1) >= UNITS_LIMIT - 1:
            stake = _settled_now(ctx, stake, lower, upper)
        paid = Amounts(min(stake.owed_0, most_0), min(stake.owed_1, most_1))
        left = replace(stake, owed_0=stake.owed_0 - paid.units_0, owed_1=stake.owed_1 - paid.units_1)
        kept = left if left.liquidity or left.owed_0 or left.owed_1 else None
        ctx.put("position", ctx.caller, lower, upper, value=kept)
        _pay_both(ctx, ctx.caller, paid)
        _tell(ctx, "collected", lower, upper, paid)
        return paid

    @method
    def close(self, ctx: CallContext, lower: int, upper: int, least_0: int = 0, least_1: int = 0) -> Amounts:
        """Burn the whole of the caller's position and collect: the way out, in one call."""
        stake = _stake(ctx, ctx.caller, lower, upper)
        if stake.liquidity:
            self.burn(ctx, lower, upper, stake.liquidity)
        paid = self.collect(ctx, lower, upper)
        _check_both(ctx, paid, least_0, least_1)
        return paid

    # Swaps.

    @method
    def swap_exact_in(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int, least_out: int
    ) -> int:
        """Take exactly `units_in`, fee included, and return what was paid for it, at least `least_out`."""
        walk = _fill(ctx, asset_in, asset_out, _check_units(units_in))
        _check_least(asset_out, walk.units_out, least_out)
        _settle(ctx, asset_in, asset_out, walk)
        return walk.units_out

    @method
    def swap_exact_out(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int, most_in: int
    ) -> int:
        """Pay exactly `units_out` and return what was taken for it, fee included, at most `most_in`."""
        walk = _fill(ctx, asset_in, asset_out, -_check_units(units_out))
        if walk.units_in > most_in:
            raise Rejection(Refusal.LIMIT_MISSED, asset=asset_in, units=str(walk.units_in), most=str(most_in))
        _settle(ctx, asset_in, asset_out, walk)
        return walk.units_in

    @method
    def swap_to_limit(
        self, ctx: CallContext, asset_in: str, asset_out: str, units: int, sqrt_price_limit: int
    ) -> Swapped:
        """Swap until `units` are filled or the price limit is reached, whichever comes first.

        Positive `units` are the most to take, negative ones the most to pay; either may be far more than
        anybody has, for only what the swap needs is moved. The call's own `receive` bounds what is paid.
        """
        walk = _walk_to_limit(ctx, asset_in, asset_out, units, sqrt_price_limit)
        _settle(ctx, asset_in, asset_out, walk)
        return _swapped(walk)

    # Flash loans.

    @method
    def flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        """Lend units of one or both assets within the transaction; return what `repay` must bring back.

        The fee, rounded up, goes to the liquidity at the price, less the protocol's share.
        """
        pool: Pool = ctx.get("pool")
        pair, fees = (ctx.params.asset_0, ctx.params.asset_1), _loan_fees(ctx, pool, units)
        owed = _owed(ctx, units, fees)
        for asset, due in owed.items():
            ctx.pay(ctx.caller, asset, units[asset])
            ctx.owe(asset, due)
        share_0 = _protocol_share(fees[0], ctx.params.protocol_divisor_0)
        share_1 = _protocol_share(fees[1], ctx.params.protocol_divisor_1)
        grown = replace(
            pool,
            growth_0=_grow(pool.growth_0, fees[0] - share_0, pool.liquidity),
            growth_1=_grow(pool.growth_1, fees[1] - share_1, pool.liquidity),
            protocol_0=pool.protocol_0 + share_0,
            protocol_1=pool.protocol_1 + share_1,
        )
        ctx.put("pool", value=grown)
        out_0, out_1 = (units.get(asset, 0) for asset in pair)
        ctx.emit("lent", borrower=ctx.caller, out_0=out_0, out_1=out_1, owed=owed)
        return owed

    @method(clears=True)
    def repay(self, ctx: CallContext, units: dict[str, int]) -> bool:
        """Take units for the open loan, by anyone and in parts; return whether it is cleared now."""
        if not units:
            raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount="0")
        for asset in sorted(units):
            ctx.take(asset, units[asset])
            ctx.clear(asset, units[asset])
        return not any(ctx.owed(asset) for asset in (ctx.params.asset_0, ctx.params.asset_1))

    @method
    def collect_protocol(self, ctx: CallContext) -> Amounts:
        """Pay the protocol's account its share of the fees so far. Anyone may ask for it."""
        if not ctx.params.protocol_account:
            raise Rejection(Refusal.NO_PROTOCOL_ACCOUNT)
        pool: Pool = ctx.get("pool")
        owed = Amounts(pool.protocol_0, pool.protocol_1)
        ctx.put("pool", value=replace(pool, protocol_0=0, protocol_1=0))
        _pay_both(ctx, ctx.params.protocol_account, owed)
        ctx.emit("protocol_collected", units_0=owed.units_0, units_1=owed.units_1)
        return owed

    # Views.

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return the two assets."""
        return [ctx.params.asset_0, ctx.params.asset_1]

    @view
    def state(self, ctx: CallContext) -> Pool:
        """Return the pool's row: price, liquidity in range, fee growth, protocol fees, volume."""
        pool: Pool = ctx.get("pool")
        return pool

    @view
    def price(self, ctx: CallContext, asset_in: str, asset_out: str) -> Price:
        """Return the price before the fee, units of asset out for one of asset in."""
        pool: Pool = ctx.get("pool")
        zero_for_one = _direction(ctx, asset_in, asset_out)
        return Price(*_ratio(pool.sqrt_price, zero_for_one=zero_for_one))

    @view
    def time_weighted_price(
        self, ctx: CallContext, asset_in: str, asset_out: str, window_seconds: int
    ) -> TimeWeightedPrice:
        """Return the geometric mean price over the shortest remembered time that covers the window.

        It is the price of the mean tick, rounded down. A tick counts for the time it stood, so one that a
        batch makes and unmakes stood for none: this batch cannot move this answer.
        """
        zero_for_one = _direction(ctx, asset_in, asset_out)
        pool: Pool = ctx.get("pool")
        since = ctx.time - window_seconds * MICROSECONDS
        then = _observation_at_or_before(ctx, pool, since)
        if window_seconds <= 0 or then.time > since:
            remembered = (ctx.time - then.time) // MICROSECONDS
            raise Rejection(Refusal.NO_HISTORY, seconds=str(window_seconds), remembered_seconds=remembered)
        elapsed = ctx.time - then.time
        tick = (_tick_time(pool, ctx.time) - then.tick_time) // elapsed
        return TimeWeightedPrice(
            *_ratio(sqrt_price_at_tick(tick), zero_for_one=zero_for_one), elapsed // MICROSECONDS
        )

    @view
    def quote_exact_in(self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int) -> int:
        """Return what `units_in` buys now."""
        return _fill(ctx, asset_in, asset_out, _check_units(units_in)).units_out

    @view
    def quote_exact_out(self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int) -> int:
        """Return what `units_out` costs now."""
        return _fill(ctx, asset_in, asset_out, -_check_units(units_out)).units_in

    @view
    def quote_to_limit(
        self, ctx: CallContext, asset_in: str, asset_out: str, units: int, sqrt_price_limit: int
    ) -> Swapped:
        """Return what `swap_to_limit` would do now."""
        return _swapped(_walk_to_limit(ctx, asset_in, asset_out, units, sqrt_price_limit))

    @view
    def quote_flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        """Return what would repay a loan of these units."""
        return _owed(ctx, units, _loan_fees(ctx, ctx.get("pool"), units))

    @view
    def depth(self, ctx: CallContext, asset_in: str, asset_out: str, move_bps: int) -> int:
        """Return the most units in, fee included, that lower the price of `asset_in` by `move_bps`."""
        if not 0 < move_bps < BPS:
            raise Rejection(Refusal.MOVE_INVALID, move_bps=str(move_bps), most=BPS - 1)
        zero_for_one = _direction(ctx, asset_in, asset_out)
        pool: Pool = ctx.get("pool")
        square = pool.sqrt_price**2
        if zero_for_one:
            limit = max(isqrt(mul_div_up(square, BPS - move_bps, BPS) - 1) + 1, SQRT_PRICE_MIN + 1)
        else:
            limit = min(isqrt(mul_div_down(square, BPS, BPS - move_bps)), SQRT_PRICE_MAX - 1)
        units = _walk(ctx, pool, zero_for_one=zero_for_one, amount=SIGNED_LIMIT - 1, limit=limit).units_in
        # What reaches the limit was rounded up, so without the limit it may carry a hair beyond.
        while units and _passes(ctx, pool, limit, zero_for_one=zero_for_one, amount=units):
            units -= 1
        return units

    @view
    def bands(self, ctx: CallContext, most: int = 32) -> list[Band]:
        """Return the liquidity between ticks, up to `most` bands to either side of the price, in order."""
        pool: Pool = ctx.get("pool")
        return _bands_below(ctx, pool, most) + _bands_above(ctx, pool, most)

    @view
    def turnover(self, ctx: CallContext) -> list[Turnover]:
        """Return yesterday's and today's volume over the value held, both in asset 0 at the price now."""
        pool: Pool = ctx.get("pool")
        numerator, denominator = _ratio(pool.sqrt_price, zero_for_one=False)
        held = ctx.balance(ctx.params.asset_0)
        held += mul_div_down(ctx.balance(ctx.params.asset_1), numerator, denominator)
        today = ctx.time // MICROSECONDS // DAY_SECONDS
        volumes = {pool.day: pool.volume, pool.day - 1: pool.volume_before}
        return [
            Turnover(
                day=day,
                asset=ctx.params.asset_0,
                volume_units=volumes.get(day, 0),
                held_units=held,
                turnover_ppm=mul_div_down(volumes.get(day, 0), PPM, held) if held else 0,
            )
            for day in (today - 1, today)
        ]

    @view
    def quote_mint(self, ctx: CallContext, lower: int, upper: int, liquidity: int) -> Amounts:
        """Return what `mint` would take now."""
        _check_ticks(ctx, lower, upper)
        return _amounts_of(ctx.get("pool"), lower, upper, _check_liquidity(liquidity), round_up=True)

    @view
    def quote_liquidity(self, ctx: CallContext, lower: int, upper: int, units_0: int, units_1: int) -> int:
        """Return the most liquidity in a range that the amounts buy now; `mint` takes no more than them."""
        _check_ticks(ctx, lower, upper)
        pool: Pool = ctx.get("pool")
        return liquidity_for(
            sqrt_price=pool.sqrt_price,
            low=sqrt_price_at_tick(lower),
            high=sqrt_price_at_tick(upper),
            units_0=units_0,
            units_1=units_1,
        )

    @view
    def growth_inside(self, ctx: CallContext, lower: int, upper: int) -> Growth:
        """Return the fee growth between two ticks. Only the difference of two answers means anything:

        over it, each unit of liquidity in the range earned that many 2^-128 of a unit.
        """
        _check_ticks(ctx, lower, upper)
        pool: Pool = ctx.get("pool")
        rows = (_tick_row(ctx, pool, lower), _tick_row(ctx, pool, upper))
        return Growth(*_growth_inside(pool, lower, upper, lower_row=rows[0], upper_row=rows[1]))

    @view
    def position(self, ctx: CallContext, account: str) -> list[Statement]:
        """Return the statement of each of the account's positions, in order of range."""
        return [_statement(ctx, stake, *key[1:]) for key, stake in ctx.scan("position", account)]

    # The five self-descriptions. The pool has no asset of its own, so `backing` stays empty.

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return what the account's ranges would pay out now, fees included."""
        found = []
        for one in self.position(ctx, account):
            note = f"ticks {one.lower} to {one.upper}, liquidity {one.liquidity}"
            found += [
                Position(asset=asset, units=units, note=note) for asset, units in _payout(ctx, one) if units
            ]
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the `close` of each of the account's ranges, once for each asset that it pays."""
        return [
            Exit(
                method="close",
                arguments={"lower": one.lower, "upper": one.upper},
                asset=asset,
                units_now=units,
            )
            for one in self.position(ctx, account)
            for asset, units in _payout(ctx, one)
        ]

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return the protocol's share of the fees, which is fixed: nobody can change anything here."""
        given = ctx.params
        if not given.protocol_account:
            return []
        parts = [
            f"1/{divisor} of the fees in {asset}"
            for asset, divisor in (
                (given.asset_0, given.protocol_divisor_0),
                (given.asset_1, given.protocol_divisor_1),
            )
            if divisor
        ]
        return [
            Power(holder=given.protocol_account, power="a fixed share of the fees", bound=" and ".join(parts))
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the two assets."""
        return Dependencies(assets=(ctx.params.asset_0, ctx.params.asset_1))


# Guards.


def _refuse_parameters(needed: str) -> NoReturn:
    raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"a pool needs {needed}")


def _check_units(amount: int) -> int:
    if not 0 < amount < SIGNED_LIMIT:
        code = Code.AMOUNT_NOT_POSITIVE if amount <= 0 else Code.AMOUNT_TOO_LARGE
        raise Rejection(code, amount=str(amount))
    return amount


def _check_most(most: int) -> None:
    if most < 0:
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(most)[:48])


def _check_liquidity(liquidity: int) -> int:
    if liquidity <= 0:
        raise Rejection(Refusal.LIQUIDITY_NOT_POSITIVE, liquidity=str(liquidity))
    return _check_range(liquidity, UNITS_LIMIT, "liquidity")


def _check_least(asset: str, units: int, least: int) -> None:
    if units < least:
        raise Rejection(Refusal.LIMIT_MISSED, asset=asset, units=str(units), least=str(least))


def _check_both(ctx: CallContext, amounts: Amounts, least_0: int, least_1: int) -> None:
    _check_least(ctx.params.asset_0, amounts.units_0, least_0)
    _check_least(ctx.params.asset_1, amounts.units_1, least_1)


def _check_ticks(ctx: CallContext, lower: int, upper: int) -> None:
    spacing = ctx.params.tick_spacing
    bounded = -TICK_MAX <= lower < upper <= TICK_MAX
    if not bounded or lower % spacing or upper % spacing:
        raise Rejection(
            Refusal.RANGE_INVALID,
            lower=str(lower),
            upper=str(upper),
            tick_spacing=spacing,
            tick_max=TICK_MAX,
        )


def _refuse_burn(ctx: CallContext, stake: Stake | None, lower: int, upper: int, asked: int) -> NoReturn:
    if stake is None:
        raise Rejection(Refusal.UNKNOWN_POSITION, account=ctx.caller, lower=str(lower), upper=str(upper))
    raise Rejection(Refusal.POSITION_TOO_SMALL, liquidity=str(stake.liquidity), asked=str(asked))


def _direction(ctx: CallContext, asset_in: str, asset_out: str) -> bool:
    """Return whether asset 0 is paid for asset 1. Rejections: `wrong_asset`."""
    pair = (ctx.params.asset_0, ctx.params.asset_1)
    if (asset_in, asset_out) == pair:
        return True
    if (asset_out, asset_in) == pair:
        return False
    raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])


# Positions (section 6.4).


def _change_position(ctx: CallContext, lower: int, upper: int, change: int) -> Amounts:
    """Change the caller's liquidity and settle its fees; return the amounts that belong to `change`.

    What the pool is owed is rounded up, what it will pay down.
    """
    _check_ticks(ctx, lower, upper)
    pool: Pool = ctx.get("pool")
    stake: Stake | None = ctx.get("position", ctx.caller, lower, upper)
    if change < 0 and (stake is None or stake.liquidity < -change):
        _refuse_burn(ctx, stake, lower, upper, -change)
    lower_row = _change_tick(ctx, pool, lower, change, net_change=change)
    upper_row = _change_tick(ctx, pool, upper, change, net_change=-change)
    inside_0, inside_1 = _growth_inside(pool, lower, upper, lower_row=lower_row, upper_row=upper_row)
    settled = _settled(stake or Stake(0, inside_0, inside_1), inside_0, inside_1)
    amounts = _amounts_of(pool, lower, upper, abs(change), round_up=change > 0)
    if change < 0:
        settled = replace(
            settled, owed_0=settled.owed_0 + amounts.units_0, owed_1=settled.owed_1 + amounts.units_1
        )
    ctx.put(
        "position",
        ctx.caller,
        lower,
        upper,
        value=replace(settled, liquidity=settled.liquidity + change),
    )
    if lower <= pool.tick < upper:
        in_range = _check_range(pool.liquidity + change, UNITS_LIMIT, "liquidity")
        ctx.put("pool", value=replace(pool, liquidity=in_range))
    return amounts


def _stake(ctx: CallContext, account: str, lower: int, upper: int) -> Stake:
    stake: Stake | None = ctx.get("position", account, lower, upper)
    if stake is None:
        raise Rejection(Refusal.UNKNOWN_POSITION, account=account[:64], lower=str(lower), upper=str(upper))
    return stake


def _settled_now(ctx: CallContext, stake: Stake, lower: int, upper: int) -> Stake:
    """Return the stake with the fees up to now among what it is owed."""
    if stake.liquidity == 0:
        return stake
    rows = (ctx.get("tick", lower), ctx.get("tick", upper))
    inside = _growth_inside(ctx.get("pool"), lower, upper, lower_row=rows[0], upper_row=rows[1])
    return _settled(stake, *inside)


def _statement(ctx: CallContext, stake: Stake, lower: int, upper: int) -> Statement:
    pool: Pool = ctx.get("pool")
    amounts = _amounts_of(pool, lower, upper, stake.liquidity, round_up=False)
    settled = _settled_now(ctx, stake, lower, upper)
    return Statement(
        lower=lower,
        upper=upper,
        sqrt_price_lower=sqrt_price_at_tick(lower),
        sqrt_price_upper=sqrt_price_at_tick(upper),
        in_range=lower <= pool.tick < upper,
        liquidity=stake.liquidity,
        units_0=amounts.units_0,
        units_1=amounts.units_1,
        fees_0=settled.owed_0,
        fees_1=settled.owed_1,
    )


def _payout(ctx: CallContext, one: Statement) -> list[tuple[str, int]]:
    return [
        (ctx.params.asset_0, one.units_0 + one.fees_0),
        (ctx.params.asset_1, one.units_1 + one.fees_1),
    ]


def _take_both(ctx: CallContext, amounts: Amounts) -> None:
    if amounts.units_0:
        ctx.take(ctx.params.asset_0, amounts.units_0)
    if amounts.units_1:
        ctx.take(ctx.params.asset_1, amounts.units_1)


def _pay_both(ctx: CallContext, account: str, amounts: Amounts) -> None:
    if amounts.units_0:
        ctx.pay(account, ctx.params.asset_0, amounts.units_0)
    if amounts.units_1:
        ctx.pay(account, ctx.params.asset_1, amounts.units_1)


def _tell(ctx: CallContext, name: str, lower: int, upper: int, amounts: Amounts, **more: int) -> None:
    units = {"units_0": amounts.units_0, "units_1": amounts.units_1}
    ctx.emit(name, provider=ctx.caller, lower=lower, upper=upper, **units, **more)


# Loans.


def _loan_fees(ctx: CallContext, pool: Pool, units: dict[str, int]) -> list[int]:
    """Return the fee of a loan in each asset of the pool, rounded up, if it can be made."""
    if pool.liquidity == 0:
        raise Rejection(Refusal.NO_LIQUIDITY, tick=pool.tick)
    pair = (ctx.params.asset_0, ctx.params.asset_1)
    for asset in units:
        if asset not in pair:
            raise Rejection(Refusal.WRONG_ASSET, asset_in=asset[:80], asset_out="")
    if not units or min(units.values()) <= 0:
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(min(units.values(), default=0))[:48])
    for asset in sorted(units):
        held = ctx.available(ctx.this, asset)
        if units[asset] > held:
            raise Rejection(Refusal.LOAN_TOO_LARGE, asset=asset, asked=str(units[asset])[:80], held=str(held))
    return [mul_div_up(units.get(asset, 0), ctx.params.fee_ppm, FEE_ONE) for asset in pair]


def _owed(ctx: CallContext, units: dict[str, int], fees: list[int]) -> dict[str, int]:
    pairs = zip((ctx.params.asset_0, ctx.params.asset_1), fees, strict=True)
    return {asset: units[asset] + fee for asset, fee in pairs if asset in units}


# Ticks and fee growth (section 6.3).


def liquidity_per_tick_max(tick_spacing: int) -> int:
    """Return how much liquidity may refer to one tick, so that all ticks together stay below 2^128."""
    ticks = 2 * (TICK_MAX // tick_spacing) + 1
    return (UNITS_LIMIT - 1) // ticks


def _change_tick(ctx: CallContext, pool: Pool, tick: int, change: int, *, net_change: int) -> Tick:
    """Change the liquidity that refers to a tick, and return its row, even if nothing refers to it now."""
    row = _tick_row(ctx, pool, tick)
    gross = row.gross + change
    liquidity_max = liquidity_per_tick_max(ctx.params.tick_spacing)
    if gross > liquidity_max:
        raise Rejection(Refusal.TICK_FULL, tick=tick, liquidity=str(gross), liquidity_max=str(liquidity_max))
    changed = Tick(gross, row.net + net_change, row.outside_0, row.outside_1)
    ctx.put("tick", tick, value=changed if gross else None)
    if (gross == 0) != (row.gross == 0):
        index = tick // ctx.params.tick_spacing
        word = (ctx.get("bitmap", index >> 8) or 0) ^ (1 << (index & 255))
        ctx.put("bitmap", index >> 8, value=word or None)
    return changed


def _tick_row(ctx: CallContext, pool: Pool, tick: int) -> Tick:
    """Return a tick's row, or what it would be if it were initialised now.

    By convention all growth before a tick was initialised happened below it.
    """
    row: Tick | None = ctx.get("tick", tick)
    if row is not None:
        return row
    return Tick(0, 0, pool.growth_0, pool.growth_1) if tick <= pool.tick else Tick(0, 0, 0, 0)


def _growth_inside(
    pool: Pool, lower: int, upper: int, *, lower_row: Tick, upper_row: Tick
) -> tuple[int, int]:
    """Return the fee growth between two ticks. Only differences of it mean anything."""
    inside = []
    for growth, below, above in (
        (pool.growth_0, lower_row.outside_0, upper_row.outside_0),
        (pool.growth_1, lower_row.outside_1, upper_row.outside_1),
    ):
        under = below if lower <= pool.tick else growth - below
        over = above if pool.tick < upper else growth - above
        inside.append((growth - under - over) % GROWTH_MODULUS)
    return inside[0], inside[1]


def _grow(growth: int, fee: int, liquidity: int) -> int:
    return (growth + full_mul_div_down(fee, Q128, liquidity)) % GROWTH_MODULUS


def _protocol_share(fee: int, divisor: int) -> int:
    return fee // divisor if divisor else 0


def _settled(stake: Stake, inside_0: int, inside_1: int) -> Stake:
    """Return the stake with the growth since it was last settled among what it is owed, rounded down."""
    earned_0 = mul_div_down((inside_0 - stake.inside_0) % GROWTH_MODULUS, stake.liquidity, Q128)
    earned_1 = mul_div_down((inside_1 - stake.inside_1) % GROWTH_MODULUS, stake.liquidity, Q128)
    return Stake(
        stake.liquidity,
        inside_0,
        inside_1,
        (stake.owed_0 + earned_0) % UNITS_LIMIT,
        (stake.owed_1 + earned_1) % UNITS_LIMIT,
    )


def _amounts_of(pool: Pool, lower: int, upper: int, liquidity: int, *, round_up: bool) -> Amounts:
    """Return the assets that liquidity in a range stands for at the pool's price."""
    low, high = sqrt_price_at_tick(lower), sqrt_price_at_tick(upper)
    if pool.tick < lower:
        return Amounts(units_0_between(low, high, liquidity, round_up=round_up), 0)
    if pool.tick >= upper:
        return Amounts(0, units_1_between(low, high, liquidity, round_up=round_up))
    return Amounts(
        units_0_between(pool.sqrt_price, high, liquidity, round_up=round_up),
        units_1_between(low, pool.sqrt_price, liquidity, round_up=round_up),
    )


# Swaps, from tick to tick (section 6.2.3).


def _fill(ctx: CallContext, asset_in: str, asset_out: str, amount: int) -> Walk:
    """Return the walk that fills the whole amount. Rejections: `liquidity_exhausted`."""
    zero_for_one = _direction(ctx, asset_in, asset_out)
    end = SQRT_PRICE_MIN + 1 if zero_for_one else SQRT_PRICE_MAX - 1
    walk = _walk(ctx, ctx.get("pool"), zero_for_one=zero_for_one, amount=amount, limit=end)
    filled = walk.units_in if amount > 0 else walk.units_out
    if filled != abs(amount):
        raise Rejection(Refusal.LIQUIDITY_EXHAUSTED, asked=str(abs(amount)), filled=str(filled))
    if walk.units_out == 0:
        raise Rejection(Refusal.OUTPUT_MISSING, units_in=str(walk.units_in))
    return walk


def _walk_to_limit(ctx: CallContext, asset_in: str, asset_out: str, amount: int, limit: int) -> Walk:
    """Return the walk that ends at the price limit if not before. Rejections: `price_limit_invalid`."""
    zero_for_one = _direction(ctx, asset_in, asset_out)
    _check_units(abs(amount))
    pool: Pool = ctx.get("pool")
    low, high = (SQRT_PRICE_MIN, pool.sqrt_price) if zero_for_one else (pool.sqrt_price, SQRT_PRICE_MAX)
    if not low < limit < high:
        raise Rejection(Refusal.PRICE_LIMIT_INVALID, sqrt_price=str(pool.sqrt_price), limit=str(limit))
    return _walk(ctx, pool, zero_for_one=zero_for_one, amount=amount, limit=limit)


def _settle(ctx: CallContext, asset_in: str, asset_out: str, walk: Walk) -> None:
    """Write what the walk found, and move the assets."""
    for tick, row in walk.crossed:
        ctx.put("tick", tick, value=row)
    ctx.put("pool", value=_remember(ctx, walk.pool))
    if walk.units_in:
        ctx.take(asset_in, walk.units_in)
    if walk.units_out:
        ctx.pay(ctx.caller, asset_out, walk.units_out)
    ctx.emit(
        "swapped",
        trader=ctx.caller,
        asset_in=asset_in,
        units_in=walk.units_in,
        asset_out=asset_out,
        units_out=walk.units_out,
        fee=walk.fee,
        sqrt_price=walk.pool.sqrt_price,
        tick=walk.pool.tick,
        liquidity=walk.pool.liquidity,
    )


def _walk(ctx: CallContext, pool: Pool, *, zero_for_one: bool, amount: int, limit: int) -> Walk:
    """Return what a swap of `amount` (negative: to pay out) does on its way to the price `limit`.

    It only reads, so that quotes and swaps are one computation.
    """
    fee_ppm, spacing = ctx.params.fee_ppm, ctx.params.tick_spacing
    divisor = ctx.params.protocol_divisor_0 if zero_for_one else ctx.params.protocol_divisor_1
    growth_0, growth_1 = pool.growth_0, pool.growth_1
    sqrt_price, tick, liquidity = pool.sqrt_price, pool.tick, pool.liquidity
    units_in = units_out = fees = protocol = 0
    left = amount
    word_number, word = None, 0
    crossed = []
    while left and sqrt_price != limit:
        index = tick // spacing if zero_for_one else tick // spacing + 1
        if index >> 8 != word_number:
            word_number = index >> 8
            word = ctx.get("bitmap", word_number) or 0
        found, initialised = next_in_word(word, index, downwards=zero_for_one)
        next_tick = max(-TICK_MAX, min(found * spacing, TICK_MAX))
        next_price = sqrt_price_at_tick(next_tick)
        before = sqrt_price
        sqrt_price, step_in, step_out, fee = swap_step(
            sqrt_price=sqrt_price,
            target=max(next_price, limit) if zero_for_one else min(next_price, limit),
            liquidity=liquidity,
            amount=left,
            fee_ppm=fee_ppm,
        )
        units_in += step_in + fee
        units_out += step_out
        left = amount - units_in if amount > 0 else amount + units_out
        fees += fee
        share = _protocol_share(fee, divisor)
        protocol += share
        if liquidity and zero_for_one:
            growth_0 = _grow(growth_0, fee - share, liquidity)
        elif liquidity:
            growth_1 = _grow(growth_1, fee - share, liquidity)
        if sqrt_price == next_price:
            if initialised:
                row: Tick = ctx.get("tick", next_tick)
                flipped_0 = (growth_0 - row.outside_0) % GROWTH_MODULUS
                flipped_1 = (growth_1 - row.outside_1) % GROWTH_MODULUS
                crossed.append((next_tick, Tick(row.gross, row.net, flipped_0, flipped_1)))
                liquidity += -row.net if zero_for_one else row.net
            tick = next_tick - 1 if zero_for_one else next_tick
        elif sqrt_price != before:
            tick = tick_at_sqrt_price(sqrt_price)
    day, volume, volume_before = _volumes(pool, ctx.time)
    after = Pool(
        sqrt_price=sqrt_price,
        tick=tick,
        liquidity=liquidity,
        growth_0=growth_0,
        growth_1=growth_1,
        protocol_0=pool.protocol_0 + (protocol if zero_for_one else 0),
        protocol_1=pool.protocol_1 + (0 if zero_for_one else protocol),
        time=ctx.time,
        tick_time=_tick_time(pool, ctx.time),
        observations=pool.observations,
        observed=pool.observed,
        day=day,
        volume=volume + (units_in if zero_for_one else units_out),
        volume_before=volume_before,
    )
    return Walk(after, units_in, units_out, fees, crossed)


def _passes(ctx: CallContext, pool: Pool, limit: int, *, zero_for_one: bool, amount: int) -> bool:
    """Tell whether a swap of `amount` carries the price beyond `limit`."""
    end = SQRT_PRICE_MIN + 1 if zero_for_one else SQRT_PRICE_MAX - 1
    reached = _walk(ctx, pool, zero_for_one=zero_for_one, amount=amount, limit=end).pool.sqrt_price
    return reached < limit if zero_for_one else reached > limit


def _volumes(pool: Pool, time: int) -> tuple[int, int, int]:
    """Return the day of `time`, and the volumes so far of that day and of the one before."""
    day = time // MICROSECONDS // DAY_SECONDS
    if day == pool.day:
        return day, pool.volume, pool.volume_before
    return day, 0, pool.volume if day == pool.day + 1 else 0


def _ratio(sqrt_price: int, *, zero_for_one: bool) -> tuple[int, int]:
    """Return the price of the asset in as a fraction below 2^256, the square rounded down if it must be."""
    square, one = sqrt_price**2, Q96**2
    if square >= INTEGER_LIMIT:
        square, one = square >> 64, one >> 64
    return (square, one) if zero_for_one else (one, square)


def _swapped(walk: Walk) -> Swapped:
    return Swapped(walk.units_in, walk.units_out, walk.fee, walk.pool.sqrt_price, walk.pool.tick)


def _bands_below(ctx: CallContext, pool: Pool, most: int) -> list[Band]:
    bands: list[Band] = []
    upper, liquidity = _next_tick_above(ctx, pool), pool.liquidity
    for (lower,), row in ctx.scan("tick", start=pool.tick, reverse=True):
        if len(bands) >= most:
            break
        if upper is not None:
            bands.append(Band(lower, upper, liquidity))
        upper, liquidity = lower, liquidity - row.net
    return bands[::-1]


def _bands_above(ctx: CallContext, pool: Pool, most: int) -> list[Band]:
    bands: list[Band] = []
    lower, liquidity = None, pool.liquidity
    for (upper,), row in ctx.scan("tick", start=pool.tick + 1):
        if len(bands) >= most:
            break
        if lower is not None:
            bands.append(Band(lower, upper, liquidity))
        lower, liquidity = upper, liquidity + row.net
    return bands


def _next_tick_above(ctx: CallContext, pool: Pool) -> int | None:
    return next((tick for (tick,), _ in ctx.scan("tick", start=pool.tick + 1)), None)


# The time-weighted tick (section 5.2, coarser: at most one observation a minute).


def _tick_time(pool: Pool, time: int) -> int:
    return pool.tick_time + pool.tick * (time - pool.time)


def _remember(ctx: CallContext, pool: Pool) -> Pool:
    """Write an observation if the last is old enough, over the oldest once there are enough of them."""
    if pool.time - pool.observed < OBSERVATION_SECONDS * MICROSECONDS:
        return pool
    ctx.put("observation", pool.observations % OBSERVATIONS, value=Observation(pool.time, pool.tick_time))
    return replace(pool, observations=pool.observations + 1, observed=pool.time)


def _observation_at_or_before(ctx: CallContext, pool: Pool, time: int) -> Observation:
    """Return the newest observation not after `time`, the pool's own included, or the oldest there is."""
    if pool.time <= time:
        return Observation(pool.time, pool.tick_time)
    low, high = max(0, pool.observations - OBSERVATIONS), pool.observations - 1
    while low < high:
        middle = (low + high + 1) // 2
        if ctx.get("observation", middle % OBSERVATIONS).time <= time:
            low = middle
        else:
            high = middle - 1
    found: Observation = ctx.get("observation", low % OBSERVATIONS)
    return found
