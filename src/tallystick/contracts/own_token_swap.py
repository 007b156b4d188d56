"""Own-token swap: a stable claim redeemed in newly made tokens of the one who owes it, as on Terra.

Whoever brings the stable claim has it burned and gets tokens made for it at an outside price, and the other
way round. Two virtual pools of equal size, of which nothing is held, set the spread: a redemption of x moves
the stable pool P = base + delta up by x, and pays

    min( base^2 x / (P (P + x)),  x (1 - least spread) )

worth of tokens; the other direction is its mirror image. In time the delta decays: each period it loses one
part in `recovery_periods`. So the swap always pays, and what it pays is more and more of something that
nobody owes. Nothing is held here and nothing stands behind the claim; **the contract refuses to be deployed
unless its parameters carry the warning that says so**. It exists so that what happened can be run again.

Source: terra-money/classic-core, x/market (keeper/swap.go, spec 01 to 03). There the fee went to the oracle's
reward pool in later versions; here, as in the earlier ones, the spread is never made at all.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT, check_units, isqrt, mul_div_down, mul_div_up
from tallystick.ledger.contract import (
    Contract,
    Dependencies,
    Exit,
    Power,
    Record,
    Table,
    method,
    view,
)
from tallystick.ledger.pools import Price
from tallystick.ledger.prices import OraclePrice
from tallystick.ledger.records import Terms
from tallystick.ledger.redemptions import Redemption, Step
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

WARNING = (
    "Nothing backs this claim: it is redeemed in newly made tokens of the one who owes it. "
    "When many leave at once, the tokens lose their worth."
)
"""What the parameters must carry, word for word."""

PPM = 1_000_000
DELTA_ONE = 10**18
"""The pool delta counts in parts of 10^-18 of a minor unit of the stable asset, as Terra's decimals do."""
DECAY_ONE = 1 << 128
DAY_SECONDS = 86_400
RECOVERY_MAX = 1 << 20


class Bounds(Record, frozen=True):
    """What the admin may choose: the virtual pool's size and its recovery, after a delay."""

    base_pool_least: int
    base_pool_most: int
    recovery_least: int
    recovery_most: int
    delay_seconds: int


class Parameters(Record, frozen=True):
    """The two assets that the contract issues, and the swap between them.

    `base_pool` is in minor units of the stable asset. The oracle's price must rest on `quorum` sources, none
    older than `freshness_seconds` (zero leaves either to the oracle's own bounds). Opening units are made for
    the deployer, once. `unit` is what the stable claims, such as USD.
    """

    warning: str
    oracle: str
    obligor: str
    unit: str
    base_pool: int
    recovery_periods: int
    period_seconds: int = 6
    least_spread_ppm: int = 20_000
    freshness_seconds: int = 0
    quorum: int = 0
    decimals: int = 6
    stable_code: str = "stable"
    own_code: str = "token"
    opening_stable_units: int = 0
    opening_token_units: int = 0
    admin: str = ""
    bounds: Bounds | None = None


class Refusal(StrEnum):
    """Why an own-token swap refuses."""

    WARNING_MISSING = "own_token_swap.warning_missing"
    """The parameters do not carry the warning, word for word. Facts: warning."""
    PARAMETERS_INVALID = "own_token_swap.parameters_invalid"
    """The swap cannot be deployed like this. Facts: reason."""
    WRONG_ASSET = "own_token_swap.wrong_asset"
    """It swaps its stable claim and its token, nothing else. Facts: asset_in, asset_out."""
    OUTPUT_MISSING = "own_token_swap.output_missing"
    """What comes in is worth less than one unit of the other asset."""
    LIMIT_MISSED = "own_token_swap.limit_missed"
    """The caller's own limit is not met. Facts: asset, units, least."""
    NOT_THE_ADMIN = "own_token_swap.not_the_admin"
    """Only the admin may propose other rules, and not every swap has one. Facts: caller, admin."""
    OUT_OF_BOUNDS = "own_token_swap.out_of_bounds"
    """The rule is outside what was agreed at deployment. Facts: what, given, least, most."""


class Rules(Record, frozen=True):
    """The virtual pool's size in minor units of the stable asset, and over how many periods it recovers."""

    base_pool: int
    recovery_periods: int


class Pool(Record, frozen=True):
    """The one row: the delta in parts of DELTA_ONE as of period `updated`, and the rules.

    `next_rules` are in force from `due`. Periods are counted from 1970-01-01 UTC.
    """

    delta: int
    updated: int
    rules: Rules
    next_rules: Rules | None = None
    due: int = 0


class Quote(Record, frozen=True):
    """What a swap would give: the value in minor units of the stable, the spread, and the units out."""

    value_in: int
    value_out: int
    spread_ppm: int
    units_out: int


def decayed(delta: int, *, recovery_periods: int, periods: int) -> int:
    """Return the delta after so many periods, each taking one part in `recovery_periods` of what is left.

    Rounded away from zero, for a larger delta never makes a swap cheaper. Source: x/market, ReplenishPools.
    """
    left, factor = DECAY_ONE, DECAY_ONE - DECAY_ONE // recovery_periods
    while periods and left > 1:
        if periods & 1:
            left = mul_div_up(left, factor, DECAY_ONE)
        factor = mul_div_up(factor, factor, DECAY_ONE)
        periods >>= 1
    size = mul_div_up(abs(delta), left, DECAY_ONE)
    return size if delta >= 0 else -size


def value_out(
    value_in: int, *, base_pool: int, stable_pool: int, redeems: bool, least_spread_ppm: int
) -> int:
    """Return what the virtual pools give for `value_in`, all times DELTA_ONE, rounded down.

    `stable_pool` is base + delta; `redeems` says that the stable asset comes in. Source: ComputeSwap.
    """
    product = base_pool * base_pool
    if redeems:
        given = mul_div_down(product, value_in, stable_pool * (stable_pool + value_in))
    else:
        given = mul_div_down(stable_pool * stable_pool, value_in, product + stable_pool * value_in)
    return min(given, mul_div_down(value_in, PPM - least_spread_ppm, PPM))


def capacity_units(rules: Rules, *, least_spread_ppm: int, period_seconds: int, seconds: int) -> int:
    """Return what can be redeemed in `seconds`, again and again, without the spread passing its least.

    The spread passes its least once delta / base exceeds 1 / sqrt(1 - least) - 1, and each period as much may
    come as then recovers. Rounded down.
    """
    most = isqrt(rules.base_pool**2 * PPM // (PPM - least_spread_ppm)) - rules.base_pool
    return mul_div_down(most, seconds, rules.recovery_periods * period_seconds)


class OwnTokenSwap(Contract):
    """A stable claim and a token of the same maker, swapped for each other at an outside price."""

    kind = "own_token_swap"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {"pool": Table(key=(), value=Pool)}

    def deploy(self, ctx: CallContext) -> None:
        """Check the warning and the parameters, declare both assets and make the opening units."""
        params: Parameters = ctx.params
        if params.warning != WARNING:
            raise Rejection(Refusal.WARNING_MISSING, warning=WARNING)
        reason = _fault(params)
        if reason is not None:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=reason)
        if params.admin:
            ctx.check_account(params.admin)
        stable = ctx.create_asset(
            params.stable_code,
            kind="claim",
            decimals=params.decimals,
            unit=params.unit,
            obligor=params.obligor,
            terms=Terms(owes=params.unit),
        )
        token = ctx.create_asset(params.own_code, kind="token", decimals=params.decimals)
        for asset, units in ((stable, params.opening_stable_units), (token, params.opening_token_units)):
            if units:
                ctx.mint(ctx.caller, asset, units)
        rules = Rules(params.base_pool, params.recovery_periods)
        ctx.put("pool", value=Pool(0, self._period(ctx, ctx.time), rules))

    # The swap.

    @method
    def swap_exact_in(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int, least_out: int
    ) -> int:
        """Burn exactly `units_in`, make what they are worth of the other asset, at least `least_out`."""
        pool = self._now(ctx)
        redeems = self._redeems(ctx, asset_in, asset_out)
        quote = self._quote(ctx, pool, units_in, redeems=redeems)
        if not quote.units_out:
            raise Rejection(Refusal.OUTPUT_MISSING)
        if quote.units_out < least_out:
            raise Rejection(
                Refusal.LIMIT_MISSED, asset=asset_out, units=str(quote.units_out), least=str(least_out)
            )
        moved = quote.value_in if redeems else -quote.value_out
        moved_to = replace_delta(pool, pool.delta + moved)
        ctx.put("pool", value=moved_to)
        ctx.burn(asset_in, units_in)
        ctx.mint(ctx.caller, asset_out, quote.units_out)
        ctx.emit(
            "swapped",
            by=ctx.caller,
            asset_in=asset_in,
            units_in=units_in,
            asset_out=asset_out,
            units_out=quote.units_out,
            spread_ppm=quote.spread_ppm,
            delta_units=moved_to.delta // DELTA_ONE,
        )
        return quote.units_out

    # The admin's power.

    @method
    def propose(self, ctx: CallContext, base_pool: int, recovery_periods: int) -> int:
        """Propose other rules, within the bounds; return when they come into force. A new one replaces it."""
        params: Parameters = ctx.params
        if params.bounds is None or ctx.caller != params.admin:
            raise Rejection(Refusal.NOT_THE_ADMIN, caller=ctx.caller, admin=params.admin)
        bounds = params.bounds
        for what, given, least, most in (
            ("base_pool", base_pool, bounds.base_pool_least, bounds.base_pool_most),
            ("recovery_periods", recovery_periods, bounds.recovery_least, bounds.recovery_most),
        ):
            if not least <= given <= most:
                raise Rejection(
                    Refusal.OUT_OF_BOUNDS, what=what, given=str(given), least=str(least), most=str(most)
                )
        pool = self._now(ctx)
        due = ctx.time + bounds.delay_seconds * MICROSECONDS
        proposed = Rules(base_pool, recovery_periods)
        ctx.put("pool", value=Pool(pool.delta, pool.updated, pool.rules, proposed, due))
        ctx.emit("proposed", base_pool=base_pool, recovery_periods=recovery_periods, due=due)
        return due

    # Views.

    @view
    def warning(self, ctx: CallContext) -> str:
        """Return the warning that every holder of the stable claim should read."""
        return WARNING

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return the stable claim and the token."""
        return [self._stable(ctx), self._token(ctx)]

    @view
    def state(self, ctx: CallContext) -> Pool:
        """Return the delta and the rules as of now."""
        return self._now(ctx)

    @view
    def price(self, ctx: CallContext, asset_in: str, asset_out: str) -> Price:
        """Return the outside price, before the spread."""
        redeems = self._redeems(ctx, asset_in, asset_out)
        told = self._told(ctx)
        return Price(told.denominator, told.numerator) if redeems else told

    @view
    def quote_exact_in(self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int) -> int:
        """Return what `units_in` would give now."""
        return self._quote(
            ctx, self._now(ctx), units_in, redeems=self._redeems(ctx, asset_in, asset_out)
        ).units_out

    @view
    def quote(self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int) -> Quote:
        """Return the whole arithmetic of a swap of `units_in`: values in whole units of the stable asset."""
        made = self._quote(ctx, self._now(ctx), units_in, redeems=self._redeems(ctx, asset_in, asset_out))
        return Quote(made.value_in // DELTA_ONE, made.value_out // DELTA_ONE, made.spread_ppm, made.units_out)

    @view
    def capacity(self, ctx: CallContext, seconds: int = DAY_SECONDS) -> int:
        """Return what can be redeemed in `seconds`, sustained, at no more than the least spread."""
        return capacity_units(
            self._now(ctx).rules,
            least_spread_ppm=ctx.params.least_spread_ppm,
            period_seconds=ctx.params.period_seconds,
            seconds=seconds,
        )

    @view
    def redemptions(
        self, ctx: CallContext, account: str, claim: str = "", units: int = 0
    ) -> list[Redemption]:
        """Return how so many stable claims are redeemed: in newly made tokens, which nobody owes."""
        stable, token = self._stable(ctx), self._token(ctx)
        if claim != stable or units <= 0:
            return []
        arguments = {"asset_in": stable, "asset_out": token, "units_in": units, "least_out": 0}
        return [
            Redemption(
                stable, account, units, token, Step(account, "swap_exact_in", arguments, {stable: units})
            )
        ]

    # The five self-descriptions: nothing backs anything here, and nobody has anything inside.

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the redemption of all stable claims of the account, in newly made tokens.

        Where the oracle refuses it is named all the same, and pays nothing now.
        """
        stable, token = self._stable(ctx), self._token(ctx)
        units = ctx.available(account, stable)
        if account == ctx.this or units <= 0:
            return []
        answered, told = ctx.attempt_view(ctx.params.oracle, "price", **self._asked(ctx))
        paid = 0
        if answered:
            price = Price(told.numerator, told.denominator)
            paid = self._quoted(ctx, self._now(ctx), units, price, redeems=True).units_out
            if not paid:
                return []
        arguments = {"asset_in": stable, "asset_out": token, "units_in": units, "least_out": 0}
        return [Exit("swap_exact_in", arguments, token, paid, spend={stable: units})]

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return the oracle's price, with the warning, and the admin's rules."""
        params: Parameters = ctx.params
        found = [Power(params.oracle, "says at which price tokens are made", f"no bound. {WARNING}")]
        if params.bounds is not None:
            bounds = params.bounds
            found.append(
                Power(
                    params.admin,
                    "changes the size and the recovery of the virtual pool",
                    f"base_pool {bounds.base_pool_least} to {bounds.base_pool_most}, recovery_periods"
                    f" {bounds.recovery_least} to {bounds.recovery_most}",
                    bounds.delay_seconds,
                )
            )
        return found

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return both assets and the oracle."""
        return Dependencies(assets=(self._stable(ctx), self._token(ctx)), oracles=(ctx.params.oracle,))

    # What several of the above need.

    def _stable(self, ctx: CallContext) -> str:
        return f"{ctx.params.stable_code}@{ctx.this}"

    def _token(self, ctx: CallContext) -> str:
        return f"{ctx.params.own_code}@{ctx.this}"

    def _redeems(self, ctx: CallContext, asset_in: str, asset_out: str) -> bool:
        """Tell whether the stable claim comes in."""
        pair = (self._stable(ctx), self._token(ctx))
        if (asset_in, asset_out) not in (pair, pair[::-1]):
            raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])
        return asset_in == pair[0]

    def _told(self, ctx: CallContext) -> Price:
        """Return the price of a token in the stable asset, as the oracle tells it."""
        told: OraclePrice = ctx.view(ctx.params.oracle, "price", **self._asked(ctx))
        return Price(told.numerator, told.denominator)

    def _asked(self, ctx: CallContext) -> dict[str, str | int]:
        """Return what the oracle is asked: a token's price in the stable asset, and how good it must be."""
        return {
            "asset_in": self._token(ctx),
            "asset_out": self._stable(ctx),
            "freshness_seconds": ctx.params.freshness_seconds,
            "quorum": ctx.params.quorum,
        }

    def _period(self, ctx: CallContext, time: int) -> int:
        period: int = time // (ctx.params.period_seconds * MICROSECONDS)
        return period

    def _now(self, ctx: CallContext) -> Pool:
        """Return the row as of now: a proposal that fell due is in force from its own moment on."""
        pool: Pool = ctx.get("pool")
        if pool.next_rules is not None and pool.due <= ctx.time:
            before = _recover(pool, self._period(ctx, pool.due))
            pool = Pool(before.delta, before.updated, pool.next_rules)
        return _recover(pool, self._period(ctx, ctx.time))

    def _quote(self, ctx: CallContext, pool: Pool, units_in: int, *, redeems: bool) -> Quote:
        """Return what `units_in` would give; its values are times DELTA_ONE."""
        return self._quoted(ctx, pool, check_units(units_in), self._told(ctx), redeems=redeems)

    def _quoted(self, ctx: CallContext, pool: Pool, units_in: int, told: Price, *, redeems: bool) -> Quote:
        """Return what `units_in` would give at that price of a token; its values are times DELTA_ONE."""
        value_in = units_in * DELTA_ONE
        if not redeems:
            value_in = mul_div_down(value_in, told.numerator, told.denominator)
        base_pool = pool.rules.base_pool * DELTA_ONE
        value = value_out(
            value_in,
            base_pool=base_pool,
            # A smaller pool than a large negative delta was built up on keeps at least one unit.
            stable_pool=max(base_pool + pool.delta, DELTA_ONE),
            redeems=redeems,
            least_spread_ppm=ctx.params.least_spread_ppm,
        )
        if redeems:
            units_out = mul_div_down(value, told.denominator, told.numerator * DELTA_ONE)
        else:
            units_out = value // DELTA_ONE
            value = units_out * DELTA_ONE
        spread_ppm = PPM - mul_div_down(value, PPM, value_in) if value_in else PPM
        return Quote(value_in, value, spread_ppm, units_out)


def replace_delta(pool: Pool, delta: int) -> Pool:
    """Return the row with another delta."""
    return Pool(delta, pool.updated, pool.rules, pool.next_rules, pool.due)


def _recover(pool: Pool, period: int) -> Pool:
    """Return the row as of a period, under the rules that it has."""
    if period <= pool.updated:
        return pool
    delta = decayed(pool.delta, recovery_periods=pool.rules.recovery_periods, periods=period - pool.updated)
    return Pool(delta, period, pool.rules, pool.next_rules, pool.due)


def _fault(params: Parameters) -> str | None:
    if params.stable_code == params.own_code:
        return "the two assets have different codes"
    if not 0 < params.base_pool < UNITS_LIMIT:
        return "base_pool is positive"
    if not 1 <= params.recovery_periods <= RECOVERY_MAX:
        return f"recovery_periods is 1 to {RECOVERY_MAX}"
    if not 1 <= params.period_seconds <= DAY_SECONDS:
        return f"period_seconds is 1 to {DAY_SECONDS}"
    if not 0 <= params.least_spread_ppm < PPM:
        return f"least_spread_ppm is 0 to {PPM - 1}"
    if min(params.opening_stable_units, params.opening_token_units) < 0:
        return "opening units are not negative"
    if min(params.freshness_seconds, params.quorum) < 0:
        return "freshness_seconds and quorum are not negative"
    if bool(params.admin) != (params.bounds is not None):
        return "an admin has bounds, and bounds an admin"
    return None if params.bounds is None else _bounds_fault(params.bounds)


def _bounds_fault(bounds: Bounds) -> str | None:
    if not 0 < bounds.base_pool_least <= bounds.base_pool_most < UNITS_LIMIT:
        return "bounds on base_pool are positive and in order"
    if not 1 <= bounds.recovery_least <= bounds.recovery_most <= RECOVERY_MAX:
        return f"bounds on recovery_periods are 1 to {RECOVERY_MAX} and in order"
    if bounds.delay_seconds < 0:
        return "delay_seconds is not negative"
    return None
