"""Pools for people: quotes with a limit, deposits and removals in proportion, and readable positions.

    quote_swap -> swap_call           what a trade gives now, and the call that takes little worse
    add_call, remove_actions          liquidity, with the least to be given in return
    holdings                          what an account has in a pool, asset by asset

Every function asks a pool's views and computes nothing that a pool computes itself. The rule that must hold:
**a call built here carries its limits twice**, in its arguments for the contract and in `spend` and `receive`
for the ledger, so that neither a price that moved nor a contract that lies can take more.

Three kinds of pool take liquidity in three ways, so `add_call` knows them by name; trading needs no kind, for
every pool answers the same calls. Refused: prices as floats. A price is a ratio of whole units, and a range
of prices becomes ticks by decimals with forty digits.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from typing import Any, Final, NamedTuple

import msgspec

from tallystick.client.calls import BPS, Ask, call_of, less_slippage, limit_units, more_slippage
from tallystick.client.errors import ClientError
from tallystick.client.prices import format_price
from tallystick.ledger.transactions import Call

CONSTANT, CONCENTRATED, STABLE = "constant_product_pool", "concentrated_liquidity_pool", "stable_pool"
_TICK_BASE: Final = Decimal("1.0001")
_TICK_MAX: Final = 887_272
_DIGITS: Final = 40


class PoolError(ClientError):
    """What was asked of a pool does not fit it."""


class Pool(NamedTuple):
    """A deployed pool: its name, its kind, its assets in its own order, and its parameters as deployed."""

    name: str
    kind: str
    assets: tuple[str, ...]
    parameters: Mapping[str, Any]


class SwapQuote(msgspec.Struct, frozen=True):
    """What a swap takes and gives now: one of the two is exact, as `exact_in` says, the other is quoted."""

    pool: str
    asset_in: str
    asset_out: str
    units_in: int
    units_out: int
    exact_in: bool

    def limit(self, slippage_bps: int) -> int:
        """Return the least to receive, or the most to pay, if the price may slip by `slippage_bps`."""
        return limit_units(self.units_in, self.units_out, exact_in=self.exact_in, slippage_bps=slippage_bps)


class Holding(msgspec.Struct, frozen=True):
    """What an account could take out of a pool now: units by asset, of which `fees`, and where it stands."""

    units: dict[str, int]
    fees: dict[str, int]
    shares: int | None = None
    """Shares that stand for it, where the pool has shares."""
    ticks: tuple[int, int] | None = None
    """The range that it is confined to, where the pool has ranges."""
    in_range: bool | None = None
    liquidity: int | None = None


# ------------------------------------------------------------------------------------------------ trading


def quote_swap(
    ask: Ask, pool: str, *, asset_in: str, asset_out: str, units: int, exact_in: bool = True
) -> SwapQuote:
    """Return what a swap of exactly `units` in, or out, would do now. Rejections: the pool's."""
    if exact_in:
        out = ask(pool, "quote_exact_in", asset_in=asset_in, asset_out=asset_out, units_in=units)
        return SwapQuote(pool, asset_in, asset_out, units, out, exact_in=True)
    cost = ask(pool, "quote_exact_out", asset_in=asset_in, asset_out=asset_out, units_out=units)
    return SwapQuote(pool, asset_in, asset_out, cost, units, exact_in=False)


def swap_call(quote: SwapQuote, *, account: str, slippage_bps: int) -> Call:
    """Return the call that carries a quote out within the slippage."""
    limit = quote.limit(slippage_bps)
    names = {"asset_in": quote.asset_in, "asset_out": quote.asset_out}
    if quote.exact_in:
        method, amounts = "swap_exact_in", {"units_in": quote.units_in, "least_out": limit}
        spend, receive = quote.units_in, limit
    else:
        method, amounts = "swap_exact_out", {"units_out": quote.units_out, "most_in": limit}
        spend, receive = limit, quote.units_out
    return call_of(
        quote.pool,
        "",  # every pool answers this call alike
        method,
        names | amounts,
        account=account,
        spend={quote.asset_in: spend},
        receive={quote.asset_out: receive},
    )


# ---------------------------------------------------------------------------------------------- liquidity


def add_call(
    ask: Ask,
    pool: Pool,
    *,
    account: str,
    units: Mapping[str, int],
    slippage_bps: int,
    ticks: tuple[int, int] | None = None,
) -> Call:
    """Return a deposit of at most `units`, in the pool's proportion where it has one.

    `ticks` is the range of a concentrated pool. The deposit gets what it is worth now, less the slippage.
    """
    foreign = [asset for asset in units if asset not in pool.assets]
    if foreign:
        raise PoolError(f"{pool.name} has no {foreign[0]}", hint=f"it trades {' and '.join(pool.assets)}")
    if (ticks is not None) != (pool.kind == CONCENTRATED):
        need = "needs a range of prices" if ticks is None else "has no ranges of prices"
        raise PoolError(f"{pool.name} is a {pool.kind}, which {need}")
    given = [units.get(asset, 0) for asset in pool.assets]
    if pool.kind == CONSTANT:
        return _add_constant(ask, pool, account, given, slippage_bps)
    if pool.kind == STABLE:
        return _add_stable(ask, pool, account, given, slippage_bps)
    if ticks is not None:
        return _add_range(ask, pool, account, given, ticks=ticks, slippage_bps=slippage_bps)
    raise PoolError(f"liquidity of a {pool.kind} is not known here", hint="tallystick contract call")


def _add_constant(ask: Ask, pool: Pool, account: str, given: Sequence[int], slippage_bps: int) -> Call:
    """Return a deposit at the pool's price; the first deposit sets the price, so it is taken whole."""
    held = {backing.asset: backing.units for backing in ask(pool.name, "backing")}
    reserves = [held.get(asset, 0) for asset in pool.assets]
    matched = list(given)
    if all(reserves):
        # As much of either as the other allows at the reserves' ratio; the pool rounds up, so it takes more.
        matched[1] = min(given[1], given[0] * reserves[1] // reserves[0])
        matched[0] = min(given[0], matched[1] * reserves[0] // reserves[1])
    least = [less_slippage(units, slippage_bps) for units in matched]
    arguments = {"most_0": given[0], "most_1": given[1], "least_0": least[0], "least_1": least[1]}
    return _call(pool, account, "add_liquidity", arguments, spend=_by_asset(pool, given))


def _add_stable(ask: Ask, pool: Pool, account: str, given: Sequence[int], slippage_bps: int) -> Call:
    least = less_slippage(ask(pool.name, "quote_add", units=list(given)), slippage_bps)
    share = ask(pool.name, "backing")[0].share
    arguments = {"units": list(given), "least_shares": least}
    spend = _by_asset(pool, given)
    return _call(pool, account, "add_liquidity", arguments, spend=spend, receive={share: least})


def _add_range(
    ask: Ask,
    pool: Pool,
    account: str,
    given: Sequence[int],
    *,
    ticks: tuple[int, int],
    slippage_bps: int,
) -> Call:
    """Return a position in a range: the most liquidity that the amounts buy now.

    At another price that liquidity takes less of one asset and more of the other. So each is bounded by what
    it takes now, and the slippage: what was named is the most in any case.
    """
    lower, upper = ticks
    liquidity = ask(
        pool.name, "quote_liquidity", lower=lower, upper=upper, units_0=given[0], units_1=given[1]
    )
    if not liquidity:
        raise PoolError(
            f"these amounts buy no liquidity between ticks {lower} and {upper}",
            hint="at a price inside the range both assets are needed",
        )
    arguments = {"lower": lower, "upper": upper, "liquidity": liquidity}
    taken = ask(pool.name, "quote_mint", **arguments)
    most = [
        min(units, more_slippage(now, slippage_bps))
        for units, now in zip(given, (taken.units_0, taken.units_1), strict=True)
    ]
    return _call(pool, account, "mint", arguments, spend=_by_asset(pool, most))


def remove_actions(
    ask: Ask,
    pool: Pool,
    *,
    account: str,
    part_bps: int,
    slippage_bps: int,
    ticks: tuple[int, int] | None = None,
) -> list[Call]:
    """Return the calls that take out a part of what the account has in the pool, fees included."""
    found = [
        one
        for one in holdings(ask, pool, account)
        if ticks is None or one.ticks is None or one.ticks == ticks
    ]
    if not found:
        raise PoolError(
            f"{account} has nothing in {pool.name}", hint=f"tallystick pool position {pool.name} {account}"
        )
    if len(found) > 1:
        ranges = ", ".join(f"{one.ticks[0]}:{one.ticks[1]}" for one in found if one.ticks)
        raise PoolError(
            f"{account} has {len(found)} ranges in {pool.name}", hint=f"name one: --ticks {ranges}"
        )
    if not 0 < part_bps <= BPS:
        raise PoolError("the part to remove is above 0%, up to 100%")
    return _remove(ask, pool, account, found[0], part_bps=part_bps, slippage_bps=slippage_bps)


def _remove(
    ask: Ask, pool: Pool, account: str, holding: Holding, *, part_bps: int, slippage_bps: int
) -> list[Call]:
    whole = (holding.shares if holding.ticks is None else holding.liquidity) or 0
    taken = whole * part_bps // BPS
    # Rounded down twice, as the pool rounds once: without slippage the limit is met.
    least = {
        asset: less_slippage(
            (many - holding.fees.get(asset, 0)) * taken // whole if whole else 0, slippage_bps
        )
        for asset, many in holding.units.items()
    }
    limits = {f"least_{index}": least[asset] for index, asset in enumerate(pool.assets)}
    if holding.ticks is None:
        share = ask(pool.name, "backing")[0].share
        wanted: dict[str, Any] = {"shares": taken}
        wanted |= limits if pool.kind == CONSTANT else {"least": list(least.values())}
        return [_call(pool, account, "remove_liquidity", wanted, spend={share: taken}, receive=least)]
    bounds = {"lower": holding.ticks[0], "upper": holding.ticks[1]}
    if taken == whole:
        return [_call(pool, account, "close", bounds | limits, receive=least)]
    return [
        _call(pool, account, "burn", bounds | {"liquidity": taken}),
        _call(pool, account, "collect", bounds, receive=least),
    ]


def holdings(ask: Ask, pool: Pool, account: str) -> list[Holding]:
    """Return what an account has in a pool: one item, or one for each of its ranges; none if nothing."""
    answer = ask(pool.name, "position", account=account)
    if pool.kind == CONCENTRATED:
        return [
            Holding(
                units={
                    pool.assets[0]: one.units_0 + one.fees_0,
                    pool.assets[1]: one.units_1 + one.fees_1,
                },
                fees={pool.assets[0]: one.fees_0, pool.assets[1]: one.fees_1},
                ticks=(one.lower, one.upper),
                in_range=one.in_range,
                liquidity=one.liquidity,
            )
            for one in answer
        ]
    if pool.kind == STABLE:
        units = list(answer)
        exits = ask(pool.name, "exits", account=account)
        shares = next((many for way in exits for many in way.spend.values()), 0)
    else:
        units, shares = [answer.units_0, answer.units_1], answer.shares
    if not any(units):
        return []
    return [Holding(units=dict(zip(pool.assets, units, strict=True)), fees={}, shares=shares)]


# ------------------------------------------------------------------------------------------------- prices


def parse_range(text: str, *, spacing: int, decimals: tuple[int, int]) -> tuple[int, int]:
    """Return `LOW:HIGH`, prices of the first asset in the second, as the nearest ticks that the pool has."""
    low, separator, high = text.partition(":")
    if not separator:
        raise PoolError(f"{text[:60]!r} is not LOW:HIGH", hint="such as 1.05:1.12")
    lower, upper = (_tick_at(one, spacing=spacing, decimals=decimals) for one in (low, high))
    if lower >= upper:
        raise PoolError(
            f"{text[:60]} is no range: its ticks are {lower} and {upper}, {spacing} apart at least"
        )
    return lower, upper


def parse_ticks(text: str) -> tuple[int, int]:
    """Return `LOWER:UPPER` as ticks."""
    lower, _, upper = text.partition(":")
    try:
        return int(lower), int(upper)
    except ValueError:
        raise PoolError(f"{text[:60]!r} is not LOWER:UPPER", hint="such as -60:120") from None


def _tick_at(text: str, *, spacing: int, decimals: tuple[int, int]) -> int:
    with localcontext() as context:
        context.prec = _DIGITS
        try:
            price = Decimal(text.strip())
        except InvalidOperation:
            raise PoolError(f"{text[:40]!r} is not a price", hint="such as 1.05") from None
        if not price.is_finite() or price <= 0:
            raise PoolError(f"a price is above zero, not {text[:40]}")
        in_units = price.scaleb(decimals[1] - decimals[0])
        steps = int((in_units.ln() / _TICK_BASE.ln() / spacing).to_integral_value(ROUND_HALF_EVEN))
        furthest = _TICK_MAX // spacing
        return max(-furthest, min(furthest, steps)) * spacing


def price_at_tick(tick: int, *, decimals: tuple[int, int], digits: int = 6) -> str:
    """Return the price at a tick for people: the first asset in the second, in `digits` digits."""
    with localcontext() as context:
        context.prec = _DIGITS
        price = (_TICK_BASE**tick).scaleb(decimals[0] - decimals[1])
    return format_price(price, digits=digits)


def format_range(ticks: tuple[int, int], *, spacing: int, decimals: tuple[int, int]) -> str:
    """Return a range of prices for people; an end that lies as far as the pool goes is no bound."""
    furthest = _TICK_MAX // spacing * spacing
    low, high = (price_at_tick(tick, decimals=decimals) for tick in ticks)
    if ticks == (-furthest, furthest):
        return "any price"
    if ticks[0] == -furthest:
        return f"up to {high}"
    return f"from {low} on" if ticks[1] == furthest else f"{low} to {high}"


# -------------------------------------------------------------------------------------------------- shared


def _by_asset(pool: Pool, units: Sequence[int]) -> dict[str, int]:
    return dict(zip(pool.assets, units, strict=True))


def _call(
    pool: Pool, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(pool.name, pool.kind, method, arguments, account=account, **limits)
