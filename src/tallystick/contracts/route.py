"""Route: one trade through several pools, along one path or split over some, all or nothing.

A path is a row of hops: at each a pool turns what the last one gave into the next asset. The best paths and
their split are found off the ledger, where trying costs nothing; here they are only carried out, and checked
against the caller's limit. So a bad suggestion costs the caller nothing but a refusal.

The rule that must hold: between two calls a route owns nothing. Whatever it takes in a call it spends or
pays out in that call. What a hop gave is measured by the route's own balance, never believed, so a hostile
pool on the path can cheat nobody: at worst it gives little, and the limit refuses. Refused: a standing
allowance on the caller's account, from which routers elsewhere are drained; each hop has a budget of its own.

The pools answer the interface in docs/contracts/pools.md. Source: Uniswap v2-periphery, UniswapV2Router02
(swapExactTokensForTokens, swapTokensForExactTokens), generalised to any pool and to splits.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.contract import Contract, Record, method, view
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

PATHS_MAX = 8
HOPS_MAX = 8
"""Bounds on the paths of a route and the hops of a path: the ledger's limit on work is far above both."""


class Hop(Record, frozen=True):
    """One step of a path: the pool, and the asset that it gives."""

    pool: str
    asset_out: str


class Path(Record, frozen=True):
    """A row of hops, and its part of the trade: units in for exact-in, units out for exact-out."""

    units: int
    hops: list[Hop]


class Refusal(StrEnum):
    """Why a route refuses."""

    PATHS_INVALID = "route.paths_invalid"
    """There are no paths or hops, or too many, a path without units, one that does not end at the asset
    asked for, or one that stands still. Facts: reason, and the number that is wrong."""
    POOL_REPEATED = "route.pool_repeated"
    """A pool stands twice in the route, so that no quote of it would be right. Facts: pool."""
    HOP_MISMATCH = "route.hop_mismatch"
    """A pool took or gave another amount than asked. Facts: pool, asset, units, expected."""
    LIMIT_MISSED = "route.limit_missed"
    """The caller's own limit is not met. Facts: asset, units, and least or most."""
    NOTHING_LEFT = "route.nothing_left"
    """The route holds nothing of the asset, as it should be. Facts: asset."""


class Route(Contract):
    """Carries out trades through pools; holds nothing, owes nothing, decides nothing."""

    kind = "route"
    version = 1
    Refusal = Refusal
    tables: ClassVar = {}

    @method
    def swap_exact_in(
        self, ctx: CallContext, asset_in: str, asset_out: str, paths: list[Path], least_out: int
    ) -> int:
        """Trade each path's units of `asset_in` and pay all that they give, at least `least_out`."""
        _check_paths(asset_in, asset_out, paths)
        units_out = 0
        for path in paths:
            ctx.take(asset_in, path.units)
            asset, units = asset_in, path.units
            for hop in path.hops:
                units = self._hop_exact_in(ctx, hop, asset, units)
                asset = hop.asset_out
            units_out += units
        if units_out < least_out:
            raise Rejection(Refusal.LIMIT_MISSED, asset=asset_out, units=str(units_out), least=str(least_out))
        ctx.pay(ctx.caller, asset_out, units_out)
        return units_out

    @method
    def swap_exact_out(
        self, ctx: CallContext, asset_in: str, asset_out: str, paths: list[Path], most_in: int
    ) -> int:
        """Pay each path's units of `asset_out` and take what they cost, at most `most_in` in all."""
        _check_paths(asset_in, asset_out, paths)
        units_in = 0
        for path in paths:
            needed = self._needed(ctx, asset_in, path)
            units_in += needed[0]
            if units_in > most_in:
                raise Rejection(Refusal.LIMIT_MISSED, asset=asset_in, units=str(units_in), most=str(most_in))
            ctx.take(asset_in, needed[0])
            asset = asset_in
            for hop, units, wanted in zip(path.hops, needed, [*needed[1:], path.units], strict=True):
                self._hop_exact_out(ctx, hop, asset, units, wanted)
                asset = hop.asset_out
            ctx.pay(ctx.caller, asset_out, path.units)
        return units_in

    @method
    def skim(self, ctx: CallContext, asset: str) -> int:
        """Pay the caller what somebody sent here by mistake: nothing that a route holds is anyone's."""
        units = ctx.balance(asset)
        if not units:
            raise Rejection(Refusal.NOTHING_LEFT, asset=asset[:80])
        ctx.pay(ctx.caller, asset, units)
        return units

    @view
    def quote_exact_in(self, ctx: CallContext, asset_in: str, asset_out: str, paths: list[Path]) -> int:
        """Return what the paths would give now."""
        _check_paths(asset_in, asset_out, paths)
        total = 0
        for path in paths:
            asset, units = asset_in, path.units
            for hop in path.hops:
                units = ctx.view(
                    hop.pool, "quote_exact_in", asset_in=asset, asset_out=hop.asset_out, units_in=units
                )
                asset = hop.asset_out
            total += units
        return total

    @view
    def quote_exact_out(self, ctx: CallContext, asset_in: str, asset_out: str, paths: list[Path]) -> int:
        """Return what the paths would cost now."""
        _check_paths(asset_in, asset_out, paths)
        return sum(self._needed(ctx, asset_in, path)[0] for path in paths)

    def _hop_exact_in(self, ctx: CallContext, hop: Hop, asset_in: str, units_in: int) -> int:
        """Trade all of `units_in` and return what arrived."""
        held_in, held_out = ctx.balance(asset_in), ctx.balance(hop.asset_out)
        ctx.call(
            hop.pool,
            "swap_exact_in",
            spend={asset_in: units_in},
            asset_in=asset_in,
            asset_out=hop.asset_out,
            units_in=units_in,
            least_out=1,
        )
        self._check_moved(ctx, hop.pool, asset_in, held_in, -units_in)
        return ctx.balance(hop.asset_out) - held_out

    def _hop_exact_out(
        self, ctx: CallContext, hop: Hop, asset_in: str, units_in: int, units_out: int
    ) -> None:
        """Buy `units_out` for the quoted `units_in`, no more and no less."""
        held_in, held_out = ctx.balance(asset_in), ctx.balance(hop.asset_out)
        ctx.call(
            hop.pool,
            "swap_exact_out",
            spend={asset_in: units_in},
            asset_in=asset_in,
            asset_out=hop.asset_out,
            units_out=units_out,
            most_in=units_in,
        )
        self._check_moved(ctx, hop.pool, asset_in, held_in, -units_in)
        self._check_moved(ctx, hop.pool, hop.asset_out, held_out, units_out)

    def _check_moved(self, ctx: CallContext, pool: str, asset: str, before: int, expected: int) -> None:
        moved = ctx.balance(asset) - before
        if moved != expected:
            raise Rejection(
                Refusal.HOP_MISMATCH, pool=pool, asset=asset, units=str(moved), expected=str(expected)
            )

    def _needed(self, ctx: CallContext, asset_in: str, path: Path) -> list[int]:
        """Return what each hop of the path has to be given, worked out from the end."""
        assets_in = [asset_in, *(hop.asset_out for hop in path.hops[:-1])]
        needed: list[int] = []
        units = path.units
        for hop, asset in zip(reversed(path.hops), reversed(assets_in), strict=True):
            units = ctx.view(
                hop.pool, "quote_exact_out", asset_in=asset, asset_out=hop.asset_out, units_out=units
            )
            needed.append(units)
        return needed[::-1]


def _check_paths(asset_in: str, asset_out: str, paths: list[Path]) -> None:
    """Check the shape of the paths. Rejections: `route.paths_invalid`, `route.pool_repeated`."""
    if not 1 <= len(paths) <= PATHS_MAX:
        raise Rejection(Refusal.PATHS_INVALID, reason=f"1 to {PATHS_MAX} paths", paths=len(paths))
    pools: set[str] = set()
    for path in paths:
        if not 1 <= len(path.hops) <= HOPS_MAX:
            raise Rejection(Refusal.PATHS_INVALID, reason=f"1 to {HOPS_MAX} hops", hops=len(path.hops))
        if path.units <= 0:
            raise Rejection(Refusal.PATHS_INVALID, reason="a path has units", units=str(path.units))
        if path.hops[-1].asset_out != asset_out:
            raise Rejection(
                Refusal.PATHS_INVALID, reason="a path ends at asset_out", asset=path.hops[-1].asset_out[:80]
            )
        asset = asset_in
        for hop in path.hops:
            if hop.asset_out == asset:
                raise Rejection(Refusal.PATHS_INVALID, reason="a hop changes the asset", asset=asset[:80])
            if hop.pool in pools:
                raise Rejection(Refusal.POOL_REPEATED, pool=hop.pool[:64])
            pools.add(hop.pool)
            asset = hop.asset_out
