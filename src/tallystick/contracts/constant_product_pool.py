"""Constant-product pool: two reserves whose product never falls in a trade, exactly as Uniswap v2.

Whoever pays `in` of one asset may take `out` of the other as long as, with the fee left out of what came in,

    (reserve_in + in x (1 - fee)) x (reserve_out - out)  >=  reserve_in x reserve_out

so the price of an asset is the other's reserve over its own, and no reserve can be emptied. The whole fee
stays in the reserves. Liquidity providers own them by shares: minted in proportion to what comes in, burned
for a proportional part. The rule that must hold: the reserves behind one share, sqrt(reserve_0 x reserve_1) /
supply, never fall by anybody's call. Every division rounds towards the pool, for all its users can repeat it.

Where v2 infers what came in from the pair's balance, every call here names it and takes it from its caller,
so nobody can be robbed between two transactions. A surplus (a plain transfer) moves no price until `sync`
gives it to the providers or `skim` to whoever asks. Refused: pricing from the balance, which is what makes a
donation an attack.

Source: Adams, Zinsmeister and Robinson, "Uniswap v2 Core" (2020); section numbers below are the paper's. To
the unit: the contracts of Uniswap/v2-core at ee547b1 and v2-periphery at 0335e8f.
"""

from enum import StrEnum
from typing import ClassVar, NoReturn

from tallystick.ledger.amounts import (
    INTEGER_LIMIT,
    MICROSECONDS,
    UNITS_LIMIT,
    isqrt,
    mul_div_down,
    mul_div_up,
)
from tallystick.ledger.contract import (
    Backing,
    Contract,
    Dependencies,
    Exit,
    Position,
    Power,
    Record,
    Table,
    method,
    view,
)
from tallystick.ledger.pools import Price, TimeWeightedPrice, Turnover
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext

FEE_ONE = 10_000
"""Fees are basis points."""
FEE_ONE_SQUARED = FEE_ONE**2
FEE_BPS_MAX = 1_000
MINIMUM_SHARES = 1_000
"""Shares of the first deposit that are locked for ever, so that one share stays cheap (section 3.4)."""
PROTOCOL_PART = 6
"""The protocol's share of the growth of sqrt(k) is one part in six, where it has one (section 2.4)."""
RESERVE_MAX = (1 << 112) - 1
"""Reserves fit in 112 bits, so that a price fits in Q112.112 (section 2.2.1)."""
Q112 = 1 << 112
CUMULATIVE_MODULUS = INTEGER_LIMIT
"""Cumulative prices wrap around here: only differences of them are used, and those stay right."""
CLOCK_MODULUS = 1 << 32
DAY_SECONDS = 86_400
OBSERVATION_SECONDS = 60
"""The pool remembers its cumulative prices once a minute at most, for at least a day."""
PPM = 1_000_000

SHARE_CODE = "share"
LOCKED = "locked"
PROTOCOL = "protocol"


class Parameters(Record, frozen=True):
    """The pair, its fee, and who gets the protocol's share (nobody, if empty). Nothing of it can change."""

    asset_0: str
    asset_1: str
    fee_bps: int = 30
    protocol_fee_to: str = ""


class Refusal(StrEnum):
    """Why a constant-product pool refuses."""

    PARAMETERS_INVALID = "constant_product_pool.parameters_invalid"
    """The pool cannot be deployed like this. Facts: reason."""
    WRONG_ASSET = "constant_product_pool.wrong_asset"
    """The pool trades its two assets against each other, nothing else. Facts: asset_in, asset_out."""
    INPUT_MISSING = "constant_product_pool.input_missing"
    """A trade without anything coming in. Facts: units_in."""
    OUTPUT_MISSING = "constant_product_pool.output_missing"
    """A trade or loan without anything going out, or so small that rounding leaves nothing.
    Facts: units_out, or for what little came in units_in, with reserve_in and reserve_out."""
    RESERVE_EXCEEDED = "constant_product_pool.reserve_exceeded"
    """As much as the whole reserve is asked for, or more. Facts: asset, asked, reserve."""
    PRODUCT_FALLS = "constant_product_pool.product_falls"
    """Too little comes in: after the fee, the product of the reserves would fall. Facts: product, least."""
    RESERVE_TOO_LARGE = "constant_product_pool.reserve_too_large"
    """A reserve would not fit in 112 bits. Facts: asset, reserve, reserve_max."""
    NO_LIQUIDITY = "constant_product_pool.no_liquidity"
    """A reserve is empty, so there is no price. Facts: reserves, or supply, of which there is none."""
    SHARES_MISSING = "constant_product_pool.shares_missing"
    """The deposit is worth no share; the first must be worth more than is locked. Facts: shares."""
    REMOVAL_TOO_SMALL = "constant_product_pool.removal_too_small"
    """The shares are worth less than one unit of an asset that the pool has. Facts: shares, units_0,
    units_1."""
    LIMIT_MISSED = "constant_product_pool.limit_missed"
    """The caller's own limit is not met. Facts: asset, units, and least or most."""
    NO_LOAN = "constant_product_pool.no_loan"
    """There is nothing to repay. Facts: units, what was offered."""
    NO_HISTORY = "constant_product_pool.no_history"
    """The pool does not remember that far back. Facts: seconds, remembered_seconds."""
    RANGE_INVALID = "constant_product_pool.range_invalid"
    """A view was asked about something outside its range. Facts: what, asked, least, most."""
    CLOSED = "constant_product_pool.closed"
    """Something of a reserve was clawed back: shares can be removed, and nothing is traded, lent or taken in.
    Facts: since, microseconds UTC."""
    NOTHING_TO_COLLECT = "constant_product_pool.nothing_to_collect"
    """The caller has no protocol fee here. Facts: caller."""


class Pool(Record, frozen=True):
    """The pool's one row.

    `k_last` is the product of the reserves after the last deposit or removal (zero without protocol fee);
    `updated` the second of the last change; `volume` what swaps moved of asset 0 on `day`, `volume_before`
    on the day before. `closed` is when a loss closed the pool, 0 if none did.
    """

    reserve_0: int = 0
    reserve_1: int = 0
    k_last: int = 0
    cumulative_0: int = 0
    cumulative_1: int = 0
    updated: int = 0
    day: int = 0
    volume: int = 0
    volume_before: int = 0
    closed: int = 0


class Observation(Record, frozen=True):
    """The cumulative prices at one second: the sum over time of each asset's price in the other, Q112.112."""

    cumulative_0: int
    cumulative_1: int


class Flow(Record, frozen=True):
    """What one trade moves: in from the trader, out to it. A loan is one whose `in` is still to come."""

    in_0: int
    in_1: int
    out_0: int
    out_1: int


class Liquidity(Record, frozen=True):
    """Shares and the units that they stand for."""

    shares: int
    units_0: int
    units_1: int


class Trade(Record, frozen=True):
    """A trade that could be made; no units when none is worth making."""

    asset_in: str
    asset_out: str
    units_in: int
    units_out: int


# The formulas (section 3; UniswapV2Library).


def amount_out(units_in: int, *, reserve_in: int, reserve_out: int, fee_bps: int) -> int:
    """Return what `units_in` buys, rounded down: the pool pays it."""
    if units_in <= 0:
        raise Rejection(Refusal.INPUT_MISSING, units_in=str(units_in)[:48])
    _check_liquid(reserve_in, reserve_out)
    after_fee = units_in * (FEE_ONE - fee_bps)
    return mul_div_down(after_fee, reserve_out, reserve_in * FEE_ONE + after_fee)


def amount_in(units_out: int, *, reserve_in: int, reserve_out: int, fee_bps: int) -> int:
    """Return what `units_out` costs: rounded down and one more, as v2, so at least rounded up."""
    if units_out <= 0:
        raise Rejection(Refusal.OUTPUT_MISSING, units_out=str(units_out)[:48])
    _check_liquid(reserve_in, reserve_out)
    if units_out >= reserve_out:
        _refuse_reserve("out", units_out, reserve_out)
    left = (reserve_out - units_out) * (FEE_ONE - fee_bps)
    return mul_div_down(units_out * FEE_ONE, reserve_in, left) + 1


def matching_units(units: int, *, reserve: int, reserve_other: int) -> int:
    """Return how much of the other asset matches `units` at the pool's price, rounded down."""
    if units <= 0:
        raise Rejection(Refusal.INPUT_MISSING, units_in=str(units)[:48])
    _check_liquid(reserve, reserve_other)
    return mul_div_down(units, reserve_other, reserve)


def _is_too_small(pool: "Pool", units_0: int, units_1: int) -> bool:
    """Tell whether a removal would pay nothing of a reserve that there is.

    A reserve that was clawed back, wholly or but for a crumb, must not hold the other one back.
    """
    if pool.closed:
        return not (units_0 or units_1)
    pays_all = bool(units_0 or not pool.reserve_0) and bool(units_1 or not pool.reserve_1)
    return not (pays_all and (units_0 or units_1))


def _check_open(pool: "Pool") -> None:
    if pool.closed:
        raise Rejection(Refusal.CLOSED, since=pool.closed)


def _check_liquid(reserve: int, other: int) -> None:
    if not (reserve and other):
        raise Rejection(Refusal.NO_LIQUIDITY, reserves=[str(reserve), str(other)])


def _refuse_reserve(asset: str, asked: int, reserve: int) -> NoReturn:
    raise Rejection(Refusal.RESERVE_EXCEEDED, asset=asset, asked=str(asked), reserve=str(reserve))


def _check_fits(asset: str, reserve: int) -> None:
    if reserve > RESERVE_MAX:
        raise Rejection(
            Refusal.RESERVE_TOO_LARGE, asset=asset, reserve=str(reserve), reserve_max=str(RESERVE_MAX)
        )


def _check_not_negative(*amounts: int) -> None:
    for units in amounts:
        if units < 0:
            raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(units)[:48])
        if units >= UNITS_LIMIT:
            raise Rejection(Code.AMOUNT_TOO_LARGE, digits=len(str(units)), limit=str(UNITS_LIMIT - 1))


class ConstantProductPool(Contract):
    """Two reserves, shares in them, and trades that keep their product."""

    kind = "constant_product_pool"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "pool": Table(key=(), value=Pool),
        "observation": Table(key=(int,), value=Observation),
        "loan": Table(key=(), value=Flow),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters and declare the share."""
        params: Parameters = ctx.params
        first, second = ctx.asset(params.asset_0), ctx.asset(params.asset_1)
        if first.id == second.id:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason="a pool has two different assets")
        if not 0 <= params.fee_bps <= FEE_BPS_MAX:
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"fee_bps is 0 to {FEE_BPS_MAX}")
        if params.protocol_fee_to:
            ctx.check_account(params.protocol_fee_to)
        # A share counts sqrt(units_0 x units_1), so it has the mean of their decimals.
        ctx.create_asset(SHARE_CODE, decimals=(first.decimals + second.decimals) // 2)
        ctx.open_subaccount(LOCKED)
        ctx.open_subaccount(PROTOCOL)
        ctx.put("pool", value=Pool(updated=ctx.time // MICROSECONDS))

    # Liquidity (section 3.4 and 2.4).

    @method
    def mint(self, ctx: CallContext, units_0: int, units_1: int, least_shares: int = 0) -> Liquidity:
        """Deposit exactly these amounts; what is out of proportion is a gift to all providers."""
        return self._add(ctx, ctx.get("pool"), units_0, units_1, least_shares=least_shares)

    @method
    def add_liquidity(
        self,
        ctx: CallContext,
        most_0: int,
        most_1: int,
        least_0: int = 0,
        least_1: int = 0,
    ) -> Liquidity:
        """Deposit as much as matches the pool's price within the limits: nothing is given away."""
        _check_not_negative(most_0, most_1, least_0, least_1)
        pool: Pool = ctx.get("pool")
        _check_open(pool)
        units_0, units_1 = most_0, most_1
        if ctx.supply(self._share(ctx)):  # The first deposit sets the price, whatever was donated before it.
            matching_1 = matching_units(most_0, reserve=pool.reserve_0, reserve_other=pool.reserve_1)
            if matching_1 <= most_1:
                units_1 = matching_1
            else:
                units_0 = matching_units(most_1, reserve=pool.reserve_1, reserve_other=pool.reserve_0)
        self._check_least(ctx.params.asset_0, units_0, least_0)
        self._check_least(ctx.params.asset_1, units_1, least_1)
        return self._add(ctx, pool, units_0, units_1)

    @method
    def remove_liquidity(
        self, ctx: CallContext, shares: int, least_0: int = 0, least_1: int = 0
    ) -> Liquidity:
        """Burn shares for their part of both reserves, rounded down."""
        _check_not_negative(shares)
        pool: Pool = ctx.get("pool")
        supply = self._mint_protocol_shares(ctx, pool)
        if not supply:
            raise Rejection(Refusal.NO_LIQUIDITY, supply="0")
        units_0 = mul_div_down(shares, pool.reserve_0, supply)
        units_1 = mul_div_down(shares, pool.reserve_1, supply)
        if _is_too_small(pool, units_0, units_1):
            raise Rejection(
                Refusal.REMOVAL_TOO_SMALL, shares=str(shares), units_0=str(units_0), units_1=str(units_1)
            )
        self._check_least(ctx.params.asset_0, units_0, least_0)
        self._check_least(ctx.params.asset_1, units_1, least_1)
        ctx.burn(self._share(ctx), shares)
        # The caller's own balance was checked by the burn, so shares < supply and the reserves outlast it.
        left = self._update(ctx, pool, pool.reserve_0 - units_0, pool.reserve_1 - units_1, resets_k=True)
        self._pay_out(ctx, units_0, units_1)
        ctx.emit(
            "removed",
            provider=ctx.caller,
            shares=shares,
            units_0=units_0,
            units_1=units_1,
            reserve_0=left.reserve_0,
            reserve_1=left.reserve_1,
        )
        return Liquidity(shares, units_0, units_1)

    @method
    def collect(self, ctx: CallContext) -> int:
        """Pay out the protocol's shares to the account that the parameters name; return how many."""
        share = self._share(ctx)
        source = f"{ctx.this}/{PROTOCOL}"
        shares = ctx.balance(share, of=source)
        if ctx.caller != ctx.params.protocol_fee_to or not shares:
            raise Rejection(Refusal.NOTHING_TO_COLLECT, caller=ctx.caller)
        ctx.pay(ctx.caller, share, shares, source=source)
        ctx.emit("collected", to=ctx.caller, shares=shares)
        return shares

    def _add(
        self, ctx: CallContext, pool: Pool, units_0: int, units_1: int, *, least_shares: int = 0
    ) -> Liquidity:
        _check_open(pool)
        _check_not_negative(units_0, units_1, least_shares)
        share = self._share(ctx)
        supply = self._mint_protocol_shares(ctx, pool)
        if supply == 0:
            shares = isqrt(units_0 * units_1) - MINIMUM_SHARES
        else:
            _check_liquid(pool.reserve_0, pool.reserve_1)
            shares = min(
                mul_div_down(units_0, supply, pool.reserve_0),
                mul_div_down(units_1, supply, pool.reserve_1),
            )
        if shares <= 0:
            raise Rejection(Refusal.SHARES_MISSING, shares=str(shares))
        self._check_least(share, shares, least_shares)
        grown = self._update(ctx, pool, pool.reserve_0 + units_0, pool.reserve_1 + units_1, resets_k=True)
        ctx.take(ctx.params.asset_0, units_0)
        ctx.take(ctx.params.asset_1, units_1)
        if supply == 0:
            ctx.mint(f"{ctx.this}/{LOCKED}", share, MINIMUM_SHARES)
        ctx.mint(ctx.caller, share, shares)
        ctx.emit(
            "added",
            provider=ctx.caller,
            shares=shares,
            units_0=units_0,
            units_1=units_1,
            reserve_0=grown.reserve_0,
            reserve_1=grown.reserve_1,
        )
        return Liquidity(shares, units_0, units_1)

    def _mint_protocol_shares(self, ctx: CallContext, pool: Pool) -> int:
        """Mint the protocol's part of the growth of sqrt(k) since the last deposit; return the supply."""
        share = self._share(ctx)
        supply = ctx.supply(share)
        due = self._protocol_shares(ctx, pool, supply)
        if due:
            ctx.mint(f"{ctx.this}/{PROTOCOL}", share, due)
        return supply + due

    def _protocol_shares(self, ctx: CallContext, pool: Pool, supply: int) -> int:
        """Return the shares that are worth a sixth of the growth, rounded down (section 2.4, formula 6).

        In a closed pool nothing grows by trade: whatever comes is a loss made good, and all the providers'.
        """
        if pool.closed or not (ctx.params.protocol_fee_to and pool.k_last):
            return 0
        root, root_last = isqrt(pool.reserve_0 * pool.reserve_1), isqrt(pool.k_last)
        if root <= root_last:
            return 0
        return mul_div_down(supply, root - root_last, root * (PROTOCOL_PART - 1) + root_last)

    # Trades (section 3.1 and 3.2).

    @method
    def swap_exact_in(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int, least_out: int
    ) -> int:
        """Take exactly `units_in` and return what was paid for it, at least `least_out`."""
        pool: Pool = ctx.get("pool")
        units_out = self._amount_out(ctx, pool, asset_in, asset_out, units_in)
        self._check_least(asset_out, units_out, least_out)
        self._trade(ctx, pool, self._flow(ctx, asset_in, units_in, units_out))
        return units_out

    @method
    def swap_exact_out(
        self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int, most_in: int
    ) -> int:
        """Pay exactly `units_out` and return what was taken for it, at most `most_in`."""
        pool: Pool = ctx.get("pool")
        units_in = self._amount_in(ctx, pool, asset_in, asset_out, units_out)
        if units_in > most_in:
            raise Rejection(Refusal.LIMIT_MISSED, asset=asset_in, units=str(units_in), most=str(most_in))
        self._trade(ctx, pool, self._flow(ctx, asset_in, units_in, units_out))
        return units_in

    @method
    def swap(self, ctx: CallContext, in_0: int, in_1: int, out_0: int, out_1: int) -> None:
        """Trade exactly these amounts, either or both on each side, if the product does not fall."""
        pool: Pool = ctx.get("pool")
        flow = Flow(in_0, in_1, out_0, out_1)
        self._check_out(ctx, pool, flow)
        _check_not_negative(in_0, in_1)
        if not (in_0 or in_1):
            raise Rejection(Refusal.INPUT_MISSING, units_in="0")
        self._trade(ctx, pool, flow)

    def _trade(self, ctx: CallContext, pool: Pool, flow: Flow) -> None:
        """Carry out a flow of amounts that are in range: the caller's were checked, a formula's are."""
        product, least = self._products(ctx, pool, flow)
        if product < least:
            raise Rejection(Refusal.PRODUCT_FALLS, product=str(product), least=str(least))
        self._take_in(ctx, flow.in_0, flow.in_1)
        self._settle(ctx, pool, flow)
        self._pay_out(ctx, flow.out_0, flow.out_1)

    def _flow(self, ctx: CallContext, asset_in: str, units_in: int, units_out: int) -> Flow:
        if asset_in == ctx.params.asset_0:
            return Flow(units_in, 0, 0, units_out)
        return Flow(0, units_in, units_out, 0)

    def _check_out(self, ctx: CallContext, pool: Pool, flow: Flow) -> None:
        _check_open(pool)
        _check_not_negative(flow.out_0, flow.out_1)
        if not (flow.out_0 or flow.out_1):
            raise Rejection(Refusal.OUTPUT_MISSING, units_out="0")
        if flow.out_0 >= pool.reserve_0:
            _refuse_reserve(ctx.params.asset_0, flow.out_0, pool.reserve_0)
        if flow.out_1 >= pool.reserve_1:
            _refuse_reserve(ctx.params.asset_1, flow.out_1, pool.reserve_1)

    def _products(self, ctx: CallContext, pool: Pool, flow: Flow) -> tuple[int, int]:
        """Return the product of the reserves after the flow, less its fee, and the least that it may be."""
        fee_bps = ctx.params.fee_bps
        adjusted_0 = (pool.reserve_0 + flow.in_0 - flow.out_0) * FEE_ONE - flow.in_0 * fee_bps
        adjusted_1 = (pool.reserve_1 + flow.in_1 - flow.out_1) * FEE_ONE - flow.in_1 * fee_bps
        return adjusted_0 * adjusted_1, pool.reserve_0 * pool.reserve_1 * FEE_ONE_SQUARED

    def _settle(self, ctx: CallContext, pool: Pool, flow: Flow) -> None:
        """Write the reserves after a flow that keeps the product, and tell of it."""
        settled = self._update(
            ctx,
            pool,
            pool.reserve_0 + flow.in_0 - flow.out_0,
            pool.reserve_1 + flow.in_1 - flow.out_1,
            volume=abs(flow.in_0 - flow.out_0),
        )
        ctx.emit(
            "swapped",
            trader=ctx.caller,
            in_0=flow.in_0,
            in_1=flow.in_1,
            out_0=flow.out_0,
            out_1=flow.out_1,
            reserve_0=settled.reserve_0,
            reserve_1=settled.reserve_1,
        )

    def _take_in(self, ctx: CallContext, in_0: int, in_1: int) -> None:
        if in_0:
            ctx.take(ctx.params.asset_0, in_0)
        if in_1:
            ctx.take(ctx.params.asset_1, in_1)

    def _pay_out(self, ctx: CallContext, out_0: int, out_1: int) -> None:
        if out_0:
            ctx.pay(ctx.caller, ctx.params.asset_0, out_0)
        if out_1:
            ctx.pay(ctx.caller, ctx.params.asset_1, out_1)

    # Flash loans and flash swaps (section 2.3): out first, against obligations, in by the transaction's end.

    @method
    def flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        """Lend units of one or both assets and return what repays them in kind, rounded up."""
        loan = self._loan(ctx, units)
        ctx.put("loan", value=loan)
        self._pay_out(ctx, loan.out_0, loan.out_1)
        owed = self._owed(ctx, loan)
        for asset, due in owed.items():
            ctx.owe(asset, due)
        ctx.emit("lent", borrower=ctx.caller, out_0=loan.out_0, out_1=loan.out_1, owed=owed)
        return owed

    @method(clears=True)
    def repay(self, ctx: CallContext, units: dict[str, int]) -> bool:
        """Take units for the open loan, of either asset; once the product holds, it is cleared.

        Anyone may repay, in parts. Returns whether the loan is cleared now.
        """
        loan: Flow | None = ctx.get("loan")
        if loan is None:
            raise Rejection(Refusal.NO_LOAN, units=[str(paid) for paid in self._split(ctx, units)])
        paid_0, paid_1 = self._split(ctx, units)
        _check_not_negative(paid_0, paid_1)
        if not (paid_0 or paid_1):
            raise Rejection(Refusal.INPUT_MISSING, units_in="0")
        self._take_in(ctx, paid_0, paid_1)
        flow = Flow(loan.in_0 + paid_0, loan.in_1 + paid_1, loan.out_0, loan.out_1)
        pool: Pool = ctx.get("pool")
        product, least = self._products(ctx, pool, flow)
        if product < least:
            ctx.put("loan", value=flow)
            return False
        self._settle(ctx, pool, flow)
        ctx.put("loan", value=None)
        for asset in (ctx.params.asset_0, ctx.params.asset_1):
            if ctx.owed(asset):
                ctx.clear(asset, ctx.owed(asset))
        return True

    def _loan(self, ctx: CallContext, units: dict[str, int]) -> Flow:
        loan = Flow(0, 0, *self._split(ctx, units))
        self._check_out(ctx, ctx.get("pool"), loan)
        return loan

    def _owed(self, ctx: CallContext, loan: Flow) -> dict[str, int]:
        """Return what repays a loan in kind."""
        return {
            asset: mul_div_up(lent, FEE_ONE, FEE_ONE - ctx.params.fee_bps)
            for asset, lent in ((ctx.params.asset_0, loan.out_0), (ctx.params.asset_1, loan.out_1))
            if lent
        }

    def _split(self, ctx: CallContext, units: dict[str, int]) -> tuple[int, int]:
        """Return the units of asset 0 and of asset 1 in a map of nothing else."""
        pair = (ctx.params.asset_0, ctx.params.asset_1)
        for asset in units:
            if asset not in pair:
                raise Rejection(Refusal.WRONG_ASSET, asset_in=asset[:80], asset_out="")
        return units.get(pair[0], 0), units.get(pair[1], 0)

    # Surplus (section 3.3): the only two places that read the pool's balance.

    @method
    def sync(self, ctx: CallContext) -> None:
        """Make the reserves what the pool holds: a surplus goes to the providers, a claw-back is theirs.

        If anything is missing the pool closes: or whoever trades next would take the other asset for what is
        left. A loss that somebody makes good before is none.
        """
        pool: Pool = ctx.get("pool")
        held_0, held_1 = ctx.balance(ctx.params.asset_0), ctx.balance(ctx.params.asset_1)
        closes = not pool.closed and (held_0 < pool.reserve_0 or held_1 < pool.reserve_1)
        self._update(ctx, pool, held_0, held_1, closed=ctx.time if closes else pool.closed)
        ctx.emit("synced", by=ctx.caller, reserve_0=held_0, reserve_1=held_1)
        if closes:
            ctx.emit(
                "closed",
                by=ctx.caller,
                reserve_0_before=pool.reserve_0,
                reserve_1_before=pool.reserve_1,
                reserve_0=held_0,
                reserve_1=held_1,
            )

    @method
    def skim(self, ctx: CallContext) -> list[int]:
        """Pay the surplus over the reserves, if any, to the caller; return its units."""
        pool: Pool = ctx.get("pool")
        surplus_0 = max(ctx.balance(ctx.params.asset_0) - pool.reserve_0, 0)
        surplus_1 = max(ctx.balance(ctx.params.asset_1) - pool.reserve_1, 0)
        self._pay_out(ctx, surplus_0, surplus_1)
        if surplus_0 or surplus_1:
            ctx.emit("skimmed", by=ctx.caller, units_0=surplus_0, units_1=surplus_1)
        return [surplus_0, surplus_1]

    # The one writer of the pool's row.

    def _update(
        self,
        ctx: CallContext,
        pool: Pool,
        reserve_0: int,
        reserve_1: int,
        *,
        volume: int = 0,
        resets_k: bool = False,
        closed: int | None = None,
    ) -> Pool:
        """Write new reserves, after letting the old ones' price count for the time that it stood."""
        _check_fits(ctx.params.asset_0, reserve_0)
        _check_fits(ctx.params.asset_1, reserve_1)
        now = ctx.time // MICROSECONDS
        cumulative_0, cumulative_1 = self._cumulative(pool, now)
        day, volume_before = now // DAY_SECONDS, pool.volume_before
        if day == pool.day:
            volume += pool.volume
        else:
            volume_before = pool.volume if day == pool.day + 1 else 0
        k_last = pool.k_last
        if resets_k and ctx.params.protocol_fee_to:
            k_last = reserve_0 * reserve_1
        changed = Pool(
            reserve_0,
            reserve_1,
            k_last,
            cumulative_0,
            cumulative_1,
            now,
            day,
            volume,
            volume_before,
            pool.closed if closed is None else closed,
        )
        ctx.put("pool", value=changed)
        started = not (pool.reserve_0 and pool.reserve_1)
        if started or now // OBSERVATION_SECONDS != pool.updated // OBSERVATION_SECONDS:
            self._observe(ctx, changed, started=started)
        return changed

    def _cumulative(self, pool: Pool, now: int) -> tuple[int, int]:
        """Return the cumulative prices at second `now`, each Q112.112 price rounded down (section 2.2)."""
        elapsed = (now - pool.updated) % CLOCK_MODULUS
        if not (elapsed and pool.reserve_0 and pool.reserve_1):
            return pool.cumulative_0, pool.cumulative_1
        price_0 = mul_div_down(pool.reserve_1, Q112, pool.reserve_0)
        price_1 = mul_div_down(pool.reserve_0, Q112, pool.reserve_1)
        return (
            (pool.cumulative_0 + price_0 * elapsed) % CUMULATIVE_MODULUS,
            (pool.cumulative_1 + price_1 * elapsed) % CUMULATIVE_MODULUS,
        )

    def _observe(self, ctx: CallContext, pool: Pool, *, started: bool) -> None:
        """Remember the cumulative prices, and forget one that no window of a day needs any more.

        History begins anew where there was no price before: time without a price averages to nothing.
        """
        if started:
            for (second,), _ in list(ctx.scan("observation")):
                ctx.put("observation", second, value=None)
        if not (pool.reserve_0 and pool.reserve_1):
            return
        ctx.put("observation", pool.updated, value=Observation(pool.cumulative_0, pool.cumulative_1))
        oldest = ctx.scan("observation")
        (first,), _ = next(oldest)
        (second,), _ = next(oldest, ((pool.updated,), None))
        if first < second <= pool.updated - DAY_SECONDS:
            ctx.put("observation", first, value=None)

    # Views: prices and quotes.

    @view
    def assets(self, ctx: CallContext) -> list[str]:
        """Return the two assets."""
        return [ctx.params.asset_0, ctx.params.asset_1]

    @view
    def state(self, ctx: CallContext) -> Pool:
        """Return the pool's row: stored reserves, k and cumulative prices as of the last change."""
        row: Pool = ctx.get("pool")
        return row

    @view
    def price(self, ctx: CallContext, asset_in: str, asset_out: str) -> Price:
        """Return the price before the fee: the reserve out over the reserve in."""
        pool: Pool = ctx.get("pool")
        reserve_in, reserve_out = self._reserves(ctx, pool, asset_in, asset_out)
        _check_liquid(reserve_in, reserve_out)
        return Price(reserve_out, reserve_in)

    @view
    def time_weighted_price(
        self, ctx: CallContext, asset_in: str, asset_out: str, window_seconds: int
    ) -> TimeWeightedPrice:
        """Return the mean price, rounded down, over the shortest remembered time that covers the window.

        A price counts for the seconds it stood. One that a batch makes and unmakes stood for none, and what
        a batch leaves behind has no weight before time passes: this batch cannot move this answer.
        """
        pool: Pool = ctx.get("pool")
        reserve_in, reserve_out = self._reserves(ctx, pool, asset_in, asset_out)
        _check_liquid(reserve_in, reserve_out)
        now = ctx.time // MICROSECONDS
        self._check_range("window_seconds", window_seconds, 1, DAY_SECONDS)
        start, since = self._observed(ctx, pool, now, window_seconds)
        cumulative_0, cumulative_1 = self._cumulative(pool, now)
        grown = (
            cumulative_0 - since.cumulative_0
            if asset_in == ctx.params.asset_0
            else cumulative_1 - since.cumulative_1
        )
        mean = grown % CUMULATIVE_MODULUS // (now - start)
        return TimeWeightedPrice(mean, Q112, now - start)

    def _observed(
        self, ctx: CallContext, pool: Pool, now: int, window_seconds: int
    ) -> tuple[int, Observation]:
        """Return the newest moment at or before the window's start whose cumulative prices are known."""
        if pool.updated <= now - window_seconds:
            return pool.updated, Observation(pool.cumulative_0, pool.cumulative_1)
        earlier = next(ctx.scan("observation", start=now - window_seconds, reverse=True), None)
        if earlier is not None:
            (second,), observation = earlier
            return second, observation
        oldest = next((second for (second,), _ in ctx.scan("observation")), now)
        raise Rejection(Refusal.NO_HISTORY, seconds=window_seconds, remembered_seconds=now - oldest)

    @view
    def quote_exact_in(self, ctx: CallContext, asset_in: str, asset_out: str, units_in: int) -> int:
        """Return what `units_in` buys now."""
        return self._amount_out(ctx, ctx.get("pool"), asset_in, asset_out, units_in)

    @view
    def quote_exact_out(self, ctx: CallContext, asset_in: str, asset_out: str, units_out: int) -> int:
        """Return what `units_out` costs now."""
        return self._amount_in(ctx, ctx.get("pool"), asset_in, asset_out, units_out)

    @view
    def quote_flash(self, ctx: CallContext, units: dict[str, int]) -> dict[str, int]:
        """Return what would repay a loan of these units in kind."""
        return self._owed(ctx, self._loan(ctx, units))

    @view
    def quote_to_price(self, ctx: CallContext, numerator: int, denominator: int) -> Trade:
        """Return the trade that brings asset 0's price to `numerator` / `denominator` of asset 1.

        It is the most profitable one for whoever can trade elsewhere at that price. No units: the price lies
        within the fee already. Source: UniswapV2LiquidityMathLibrary, computeProfitMaximizingTrade.
        """
        self._check_range("numerator", numerator, 1, INTEGER_LIMIT - 1)
        self._check_range("denominator", denominator, 1, INTEGER_LIMIT - 1)
        pool: Pool = ctx.get("pool")
        _check_open(pool)
        _check_liquid(pool.reserve_0, pool.reserve_1)
        pair = (ctx.params.asset_0, ctx.params.asset_1)
        reserve_in, after, before = pool.reserve_0, denominator, numerator
        if mul_div_down(pool.reserve_0, numerator, pool.reserve_1) >= denominator:
            pair = (pair[1], pair[0])
            reserve_in, after, before = pool.reserve_1, numerator, denominator
        fee_left = FEE_ONE - ctx.params.fee_bps
        product = pool.reserve_0 * pool.reserve_1
        reached = isqrt(mul_div_down(product * FEE_ONE, after, before * fee_left))
        units_in = reached - mul_div_down(reserve_in, FEE_ONE, fee_left)
        if units_in <= 0:
            return Trade(*pair, 0, 0)
        reserve_out = pool.reserve_0 + pool.reserve_1 - reserve_in
        units_out = amount_out(
            units_in, reserve_in=reserve_in, reserve_out=reserve_out, fee_bps=ctx.params.fee_bps
        )
        return Trade(*pair, units_in, units_out)

    @view
    def depth(self, ctx: CallContext, asset_in: str, asset_out: str, move_bps: int) -> int:
        """Return the most units in, fee included, that lower `asset_in`'s price by at most `move_bps`."""
        self._check_range("move_bps", move_bps, 1, FEE_ONE - 1)
        pool: Pool = ctx.get("pool")
        reserve_in, reserve_out = self._reserves(ctx, pool, asset_in, asset_out)
        _check_liquid(reserve_in, reserve_out)
        fits, exceeds = 0, RESERVE_MAX - reserve_in + 1
        while exceeds - fits > 1:
            tried = (fits + exceeds) // 2
            bought = amount_out(
                tried, reserve_in=reserve_in, reserve_out=reserve_out, fee_bps=ctx.params.fee_bps
            )
            moved = (reserve_out - bought) * reserve_in * FEE_ONE
            if moved >= reserve_out * (reserve_in + tried) * (FEE_ONE - move_bps):
                fits = tried
            else:
                exceeds = tried
        return fits

    @view
    def turnover(self, ctx: CallContext) -> list[Turnover]:
        """Return yesterday's and today's volume over the value held, both measured in asset 0."""
        pool: Pool = ctx.get("pool")
        today = ctx.time // MICROSECONDS // DAY_SECONDS
        volumes = {pool.day: pool.volume, pool.day - 1: pool.volume_before}
        # At the pool's own price the two reserves are worth the same.
        held = 2 * pool.reserve_0
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
    def position(self, ctx: CallContext, account: str) -> Liquidity:
        """Return the shares that the account can move, and what they would pay now."""
        pool: Pool = ctx.get("pool")
        return self._worth(ctx, pool, ctx.available(account, self._share(ctx)))

    # The five self-descriptions.

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        """Return both reserves: all that stands behind the shares."""
        pool: Pool = ctx.get("pool")
        share = self._share(ctx)
        return [
            Backing(share, ctx.params.asset_0, pool.reserve_0),
            Backing(share, ctx.params.asset_1, pool.reserve_1),
        ]

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the protocol's shares not collected yet; providers hold theirs in their own accounts."""
        shares = self._uncollected(ctx, account)
        return [Position(self._share(ctx), shares, note="protocol fee")] if shares else []

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the one removal that pays both assets for all the account's shares, and `collect`."""
        share = self._share(ctx)
        worth = self.position(ctx, account)
        leave = {"shares": worth.shares}
        ways = [
            Exit("remove_liquidity", leave, asset, units, spend={share: worth.shares})
            for asset, units in (
                (ctx.params.asset_0, worth.units_0),
                (ctx.params.asset_1, worth.units_1),
            )
            if worth.shares
        ]
        uncollected = self._uncollected(ctx, account)
        return [*ways, Exit("collect", {}, share, uncollected)] if uncollected else ways

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return the protocol's part of the fees, where there is one: nobody can change anything."""
        holder = ctx.params.protocol_fee_to
        if not holder:
            return []
        return [
            Power(holder, "receives shares for fees earned", f"1/{PROTOCOL_PART} of the growth of sqrt(k)")
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the two assets."""
        return Dependencies(assets=(ctx.params.asset_0, ctx.params.asset_1))

    # What several of the above need.

    def _share(self, ctx: CallContext) -> str:
        return f"{SHARE_CODE}@{ctx.this}"

    def _uncollected(self, ctx: CallContext, account: str) -> int:
        if account != ctx.params.protocol_fee_to:
            return 0
        return ctx.balance(self._share(ctx), of=f"{ctx.this}/{PROTOCOL}")

    def _worth(self, ctx: CallContext, pool: Pool, shares: int) -> Liquidity:
        """Return what a removal of `shares` would pay now, after the protocol's part; nothing if refused."""
        supply = ctx.supply(self._share(ctx))
        supply += self._protocol_shares(ctx, pool, supply)
        if not (supply and shares):
            return Liquidity(shares, 0, 0)
        units_0 = mul_div_down(shares, pool.reserve_0, supply)
        units_1 = mul_div_down(shares, pool.reserve_1, supply)
        if _is_too_small(pool, units_0, units_1):
            return Liquidity(shares, 0, 0)
        return Liquidity(shares, units_0, units_1)

    def _reserves(self, ctx: CallContext, pool: Pool, asset_in: str, asset_out: str) -> tuple[int, int]:
        """Return the reserves of a pair that can be traded."""
        if pool.closed:
            _check_open(pool)
        if (asset_in, asset_out) == (ctx.params.asset_0, ctx.params.asset_1):
            return pool.reserve_0, pool.reserve_1
        if (asset_in, asset_out) == (ctx.params.asset_1, ctx.params.asset_0):
            return pool.reserve_1, pool.reserve_0
        raise Rejection(Refusal.WRONG_ASSET, asset_in=asset_in[:80], asset_out=asset_out[:80])

    def _amount_out(self, ctx: CallContext, pool: Pool, asset_in: str, asset_out: str, units_in: int) -> int:
        """Return what `units_in` buys; a trade that rounding leaves without output is refused."""
        reserve_in, reserve_out = self._reserves(ctx, pool, asset_in, asset_out)
        units_out = amount_out(
            units_in, reserve_in=reserve_in, reserve_out=reserve_out, fee_bps=ctx.params.fee_bps
        )
        if not units_out:
            raise Rejection(
                Refusal.OUTPUT_MISSING,
                units_in=str(units_in),
                reserve_in=str(reserve_in),
                reserve_out=str(reserve_out),
            )
        _check_fits(asset_in, reserve_in + units_in)
        return units_out

    def _amount_in(self, ctx: CallContext, pool: Pool, asset_in: str, asset_out: str, units_out: int) -> int:
        reserve_in, reserve_out = self._reserves(ctx, pool, asset_in, asset_out)
        if units_out >= reserve_out > 0:
            _refuse_reserve(asset_out, units_out, reserve_out)
        units_in = amount_in(
            units_out, reserve_in=reserve_in, reserve_out=reserve_out, fee_bps=ctx.params.fee_bps
        )
        _check_fits(asset_in, reserve_in + units_in)
        return units_in

    def _check_least(self, asset: str, units: int, least: int) -> None:
        if units < least:
            raise Rejection(Refusal.LIMIT_MISSED, asset=asset, units=str(units), least=str(least))

    def _check_range(self, what: str, number: int, least: int, most: int) -> None:
        if not least <= number <= most:
            raise Rejection(
                Refusal.RANGE_INVALID, what=what, asked=str(number)[:80], least=str(least), most=str(most)
            )
