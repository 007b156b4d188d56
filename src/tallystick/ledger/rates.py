"""Interest rates: what borrowing costs at a utilisation, and how it compounds, in whole numbers.

Utilisation is what is lent out over what there is. A rate model turns it into a yearly rate: flat, with one
slope or two (the bend is the *kink*), or one that itself drifts until utilisation is where it should be.
Four are in use elsewhere and are reproduced to the unit, each with its own fixed point and rounding: Compound
rounds down in 18 digits (WAD), Aave half up in 27 (RAY), Morpho towards zero in 18. A market is given a model
as data, so that a borrower reads the rule beside its loan; a contract of its own for each model was refused,
because then somebody else's code would stand between the two, and every accrual would cost a call.

Sources: Compound, JumpRateModelV2 (compound-protocol at a3214f6); Aave, DefaultReserveInterestRateStrategy
and WadRayMath (aave-v3-core at 782f519); Morpho, MathLib (morpho-blue at 3085651), AdaptiveCurveIrm and
ExpLib (morpho-blue-irm).
"""

from tallystick.ledger.contract import Record

WAD = 10**18
RAY = 10**27
YEAR_SECONDS = 365 * 86_400
BPS_ONE = 10_000


class LinearRate(Record, frozen=True, tag="linear"):
    """`base` + utilisation x `slope`, WAD a year."""

    base: int
    slope: int


class JumpRate(Record, frozen=True, tag="jump"):
    """Compound's: `base` and `slope` up to `kink`, and `jump` instead of `slope` above it; WAD a year."""

    base: int
    slope: int
    jump: int
    kink: int


class VariableRate(Record, frozen=True, tag="variable"):
    """Aave's: `slope_1` over the way to `optimal`, then `slope_2` over the rest; RAY a year."""

    base: int
    slope_1: int
    slope_2: int
    optimal: int


class AdaptiveRate(Record, frozen=True, tag="adaptive"):
    """Morpho's: a curve through a rate at `target`, and that rate grows or shrinks while utilisation is off.

    The curve is `steepness` times the rate at full utilisation and one over `steepness` at none. WAD; rates
    and `speed` a year. The defaults are those of the deployed contract.
    """

    initial: int = 4 * 10**16
    target: int = 9 * 10**17
    steepness: int = 4 * WAD
    speed: int = 50 * WAD
    least: int = 10**15
    most: int = 2 * WAD


RateModel = LinearRate | JumpRate | VariableRate | AdaptiveRate


def why_invalid(model: RateModel) -> str:
    """Return why a market cannot use the model, or nothing: a rate is never below zero nor falls with use."""
    most = 1_000 * (RAY if isinstance(model, VariableRate) else WAD)
    checks: tuple[tuple[bool, str], ...]
    parts: tuple[int, ...]
    if isinstance(model, AdaptiveRate):
        checks = (
            (0 < model.least <= model.initial <= model.most <= most, "least, initial, most are in order"),
            (0 < model.target < WAD, "target is between none and all"),
            (WAD < model.steepness <= 1_000 * WAD, "steepness is above one"),
            (0 <= model.speed <= most, "speed is not below zero"),
        )
    elif isinstance(model, VariableRate):
        parts = (model.base, model.slope_1, model.slope_2)
        checks = (
            (all(0 <= part <= most for part in parts), "rates are 0 to 100,000%"),
            (0 < model.optimal < RAY, "optimal is between none and all"),
        )
    elif isinstance(model, JumpRate):
        parts = (model.base, model.slope, model.jump)
        checks = (
            (all(0 <= part <= most for part in parts), "rates are 0 to 100,000%"),
            (0 < model.kink <= WAD, "kink is above none, at most all"),
        )
    else:
        parts = (model.base, model.slope)
        checks = ((all(0 <= part <= most for part in parts), "rates are 0 to 100,000%"),)
    return next((reason for holds, reason in checks if not holds), "")


def rate_per_second(
    model: RateModel, *, supplied: int, borrowed: int, rate_at_target: int, elapsed_seconds: int
) -> tuple[int, int]:
    """Return the borrower's rate over the last `elapsed_seconds`, WAD a second, and the new rate at target.

    The rate at target is zero but for an adaptive model, and for that before its first accrual.
    """
    if isinstance(model, AdaptiveRate):
        return adaptive_rate(
            model,
            supplied=supplied,
            borrowed=borrowed,
            rate_at_target=rate_at_target,
            elapsed_seconds=elapsed_seconds,
        )
    if isinstance(model, LinearRate):
        utilisation = borrowed * WAD // supplied if supplied else 0
        return (model.base + utilisation * model.slope // WAD) // YEAR_SECONDS, 0
    if isinstance(model, JumpRate):
        utilisation = jump_utilisation(cash=supplied - borrowed, borrowed=borrowed, reserves=0)
        return jump_rate(model, utilisation=utilisation, periods=YEAR_SECONDS), 0
    yearly, _ = variable_rates(
        model, available=supplied - borrowed, borrowed=borrowed, unbacked=0, reserve_bps=0
    )
    return yearly // (RAY // WAD) // YEAR_SECONDS, 0


# Compound: JumpRateModelV2 (BaseJumpRateModelV2.sol). Everything is rounded down.


def jump_utilisation(*, cash: int, borrowed: int, reserves: int) -> int:
    """Return `borrowed` over all that there is but the reserves, WAD."""
    return borrowed * WAD // (cash + borrowed - reserves) if borrowed else 0


def kinked_rate(*, utilisation: int, base: int, slope: int, jump: int, kink: int) -> int:
    """Return `base` and `slope` up to the kink, `jump` above it, all WAD and for one period."""
    if utilisation <= kink:
        return utilisation * slope // WAD + base
    return (utilisation - kink) * jump // WAD + (kink * slope // WAD + base)


def jump_rate(model: JumpRate, *, utilisation: int, periods: int) -> int:
    """Return the borrower's rate for one of the `periods` of a year, WAD.

    As in the source's second version `slope` is what the rate gains on the whole way to the kink, over it.
    """
    return kinked_rate(
        utilisation=utilisation,
        base=model.base // periods,
        slope=model.slope * WAD // (periods * model.kink),
        jump=model.jump // periods,
        kink=model.kink,
    )


def jump_supply_rate(model: JumpRate, *, utilisation: int, periods: int, reserve_factor: int) -> int:
    """Return the lender's rate for one period, WAD; `reserve_factor`, WAD, is kept from it."""
    to_pool = jump_rate(model, utilisation=utilisation, periods=periods) * (WAD - reserve_factor) // WAD
    return utilisation * to_pool // WAD


# Aave: WadRayMath and DefaultReserveInterestRateStrategy. Everything is rounded half up.


def half_up(numerator: int, denominator: int) -> int:
    """Return the quotient of two non-negative numbers, rounded half up."""
    return (numerator + denominator // 2) // denominator


def ray_mul(first: int, second: int) -> int:
    """Return the product of two RAY numbers."""
    return half_up(first * second, RAY)


def ray_div(first: int, second: int) -> int:
    """Return the quotient of two RAY numbers."""
    return half_up(first * RAY, second)


def variable_rates(
    model: VariableRate, *, available: int, borrowed: int, unbacked: int, reserve_bps: int
) -> tuple[int, int]:
    """Return the borrower's and the lender's yearly rate, RAY, with no stable debt.

    `unbacked` is what was minted without a deposit; `reserve_bps` of the lender's part is kept.
    """
    usage = supply_usage = 0
    if borrowed:
        usage = ray_div(borrowed, available + borrowed)
        supply_usage = ray_div(borrowed, available + borrowed + unbacked)
    if usage > model.optimal:
        excess = ray_div(usage - model.optimal, RAY - model.optimal)
        rate = model.base + model.slope_1 + ray_mul(model.slope_2, excess)
    else:
        rate = model.base + ray_div(ray_mul(model.slope_1, usage), model.optimal)
    if not borrowed:
        return rate, 0
    debt = borrowed * (RAY // WAD)
    overall = ray_div(ray_mul(debt, rate), debt)
    return rate, half_up(ray_mul(overall, supply_usage) * (BPS_ONE - reserve_bps), BPS_ONE)


# Morpho: AdaptiveCurveIrm, ExpLib. Signed numbers are divided towards zero.


def to_zero(numerator: int, denominator: int) -> int:
    """Return a signed quotient rounded towards zero, as the EVM's; `denominator` is positive."""
    return numerator // denominator if numerator >= 0 else -(-numerator // denominator)


def adaptive_rate(
    model: AdaptiveRate, *, supplied: int, borrowed: int, rate_at_target: int, elapsed_seconds: int
) -> tuple[int, int]:
    """Return the mean rate over the time elapsed, WAD a second, and the rate at target at its end.

    The rate at target moves exponentially with time and with how far utilisation is from the target; its mean
    is by the trapezoid rule with two steps.
    """
    target, steepness = model.target, model.steepness
    utilisation = borrowed * WAD // supplied if supplied else 0
    if utilisation >= target:
        error = (utilisation - target) * WAD // (WAD - target)
        curve = WAD + (steepness - WAD) * error // WAD
        moved = model.speed // YEAR_SECONDS * error // WAD * elapsed_seconds
    else:
        short = (target - utilisation) * WAD // target
        curve = WAD - (WAD - WAD * WAD // steepness) * short // WAD
        moved = -(model.speed // YEAR_SECONDS * short // WAD * elapsed_seconds)
    if not rate_at_target:
        mean = after = model.initial // YEAR_SECONDS
    elif moved:
        after = _moved_rate(model, rate_at_target, moved)
        halfway = _moved_rate(model, rate_at_target, to_zero(moved, 2))
        mean = (rate_at_target + after + 2 * halfway) // 4
    else:
        mean = after = rate_at_target
    return curve * mean // WAD, after


def _moved_rate(model: AdaptiveRate, rate: int, moved: int) -> int:
    grown = rate * exponential(moved) // WAD
    return max(model.least // YEAR_SECONDS, min(model.most // YEAR_SECONDS, grown))


_LN_2 = 693_147_180_559_945_309
_LN_WAD_INVERSE = -41_446_531_673_892_822_312
"""Below this e to the power is less than one WAD-th."""
_EXPONENT_LIMIT = 93_859_467_695_000_404_319
_EXPONENTIAL_LIMIT = 57_716_089_161_558_943_949_701_069_502_944_508_345_128_422_502_756_744_429_568


def exponential(power: int) -> int:
    """Return e to the `power`, both WAD: a power of two, times a Taylor series of the rest to order two."""
    if power < _LN_WAD_INVERSE:
        return 0
    if power >= _EXPONENT_LIMIT:
        return _EXPONENTIAL_LIMIT
    twos = to_zero(power + (_LN_2 // 2 if power >= 0 else -(_LN_2 // 2)), _LN_2)
    rest = power - twos * _LN_2
    series = WAD + rest + rest * rest // WAD // 2
    return series << twos if twos >= 0 else series >> -twos


# Compounding (Morpho, MathLib.wTaylorCompounded).


def compounded(rate: int, seconds: int) -> int:
    """Return e to the `rate` x `seconds`, less one, WAD: three terms of its series, each rounded down.

    It falls short of the exponential, for the borrower; a market that accrues often loses nothing by it.
    """
    first = rate * seconds
    second = first * first // (2 * WAD)
    third = second * first // (3 * WAD)
    return first + second + third
