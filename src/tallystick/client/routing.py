"""Routing: the best paths for a trade and their split, found off the ledger and checked on it.

A search only asks views, so it may be wrong about a ledger that has moved on; the call that it suggests
carries the limit that the user signs, and the route contract refuses what misses it. The search is exact for
one path (it tries them all, up to `hops_max`) and greedy for splits: the best path first, then others that
share no pool with those chosen, each next part of the amount to whichever path does most with it. Because a
pool's price only worsens as it fills, that allocation is optimal up to the size of the last parts moved.

Whom one trusts afterwards is asked of the trust lens, for the asset that is received or for the very
transaction (`questions.trust`). Refused: a route server, whose answer one would have to believe.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from tallystick.client.calls import Ask, call_of, limit_units
from tallystick.client.errors import ClientError
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.transactions import Call

KIND: Final = "route"
PARTS = 16
"""A split hands out the amount in so many parts, then moves ever smaller ones between the paths."""
PATHS_MAX = 8


class Hop(NamedTuple):
    """One step: the pool, and the asset that it gives."""

    pool: str
    asset_out: str


Path = tuple[Hop, ...]


class RouteQuote(msgspec.Struct, frozen=True):
    """A trade that the views promise now: its amounts, and its paths with their parts.

    The parts are of `units_in` when `exact_in`, else of `units_out`.
    """

    asset_in: str
    asset_out: str
    units_in: int
    units_out: int
    exact_in: bool
    paths: tuple[tuple[int, Path], ...]

    def limit(self, slippage_bps: int) -> int:
        """Return the least to receive, or the most to pay, if the price may slip by `slippage_bps`."""
        return limit_units(self.units_in, self.units_out, exact_in=self.exact_in, slippage_bps=slippage_bps)


class NoRoute(ClientError):
    """No path leads from one asset to the other for this amount."""

    def __init__(self, asset_in: str, asset_out: str, units: int) -> None:
        super().__init__(f"no route from {asset_in} to {asset_out} for {units} units")


def pools_by_assets(ask: Ask, contracts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the assets of each contract that answers as a pool does."""
    pools = {}
    for contract in contracts:
        try:
            pools[contract] = tuple(ask(contract, "assets"))
        except Rejection:
            continue
    return pools


def find_paths(
    pools: Mapping[str, tuple[str, ...]], asset_in: str, asset_out: str, *, hops_max: int = 3
) -> list[Path]:
    """Return every path of up to `hops_max` hops that visits no asset and no pool twice, shortest first."""
    paths: list[Path] = []
    started: list[tuple[Path, tuple[str, ...]]] = [((), (asset_in,))]
    for _ in range(hops_max):
        longer = []
        for path, visited in started:
            used = {hop.pool for hop in path}
            for pool in sorted(pools):
                if visited[-1] not in pools[pool] or pool in used:
                    continue
                for asset in pools[pool]:
                    if asset == asset_out:
                        paths.append((*path, Hop(pool, asset)))
                    elif asset not in visited:
                        longer.append(((*path, Hop(pool, asset)), (*visited, asset)))
        started = longer
    return paths


def quote_exact_in(
    ask: Ask,
    pools: Mapping[str, tuple[str, ...]],
    *,
    asset_in: str,
    asset_out: str,
    units_in: int,
    hops_max: int = 3,
) -> RouteQuote:
    """Return the route that gives the most for `units_in`. Raises `NoRoute`."""

    def gain(path: Path, units: int) -> int | None:
        return _quote_forward(ask, asset_in, path, units)

    paths = find_paths(pools, asset_in, asset_out, hops_max=hops_max)
    split, units_out = _best_split(paths, units_in, gain)
    if not split:
        raise NoRoute(asset_in, asset_out, units_in)
    return RouteQuote(asset_in, asset_out, units_in, units_out, exact_in=True, paths=split)


def quote_exact_out(
    ask: Ask,
    pools: Mapping[str, tuple[str, ...]],
    *,
    asset_in: str,
    asset_out: str,
    units_out: int,
    hops_max: int = 3,
) -> RouteQuote:
    """Return the route that costs the least for `units_out`. Raises `NoRoute`."""

    def gain(path: Path, units: int) -> int | None:
        cost = _quote_backward(ask, asset_in, path, units)
        return None if cost is None else -cost

    paths = find_paths(pools, asset_in, asset_out, hops_max=hops_max)
    split, gained = _best_split(paths, units_out, gain)
    if not split:
        raise NoRoute(asset_in, asset_out, units_out)
    return RouteQuote(asset_in, asset_out, -gained, units_out, exact_in=False, paths=split)


def route_call(quote: RouteQuote, *, account: str, route: str, slippage_bps: int) -> Call:
    """Return the call of a route contract that carries the quote out within the slippage.

    The limit stands in the arguments, for the contract, and in `spend` and `receive`, for the ledger.
    """
    limit = quote.limit(slippage_bps)
    arguments = {
        "asset_in": quote.asset_in,
        "asset_out": quote.asset_out,
        "paths": [{"units": units, "hops": [hop._asdict() for hop in path]} for units, path in quote.paths],
        "least_out" if quote.exact_in else "most_in": limit,
    }
    spend, receive = (quote.units_in, limit) if quote.exact_in else (limit, quote.units_out)
    return call_of(
        route,
        KIND,
        "swap_exact_in" if quote.exact_in else "swap_exact_out",
        arguments,
        account=account,
        spend={quote.asset_in: spend},
        receive={quote.asset_out: receive},
    )


def _quote_forward(ask: Ask, asset_in: str, path: Path, units: int) -> int | None:
    """Return what the path gives for `units`, or None if a pool refuses."""
    try:
        for hop in path:
            units = ask(
                hop.pool, "quote_exact_in", asset_in=asset_in, asset_out=hop.asset_out, units_in=units
            )
            asset_in = hop.asset_out
    except Rejection:
        return None
    return units


def _quote_backward(ask: Ask, asset_in: str, path: Path, units: int) -> int | None:
    """Return what the path costs for `units`, or None if a pool refuses."""
    assets_in = [asset_in, *(hop.asset_out for hop in path[:-1])]
    try:
        for hop, asset in zip(reversed(path), reversed(assets_in), strict=True):
            units = ask(hop.pool, "quote_exact_out", asset_in=asset, asset_out=hop.asset_out, units_out=units)
    except Rejection:
        return None
    return units


Gain = Callable[[Path, int], int | None]
"""What a path does with a part of the amount: the more the better, None if it cannot bear it."""
Split = tuple[tuple[int, Path], ...]


def _best_split(paths: list[Path], units: int, gain: Gain) -> tuple[Split, int]:
    """Return the parts of the paths with the greatest sum of gains, and that sum; no parts if none can."""
    candidates: list[tuple[int, Split]] = []
    for path in paths:
        whole = gain(path, units)
        if whole is not None:
            candidates.append((whole, ((units, path),)))
    candidates.sort(key=lambda candidate: -candidate[0])
    del candidates[1:]
    chosen = _disjoint(_ranked(paths, units, gain))
    if len(chosen) > 1:
        parts = _refined(_handed_out(chosen, units, gain), chosen, units, gain)
        split = tuple((part, path) for part, path in zip(parts, chosen, strict=True) if part)
        if split:
            candidates.append((sum(gain(path, part) or 0 for part, path in split), split))
    if not candidates:
        return (), 0
    # The simpler route wins a draw.
    best = max(candidates, key=lambda candidate: (candidate[0], -len(candidate[1])))
    return best[1], best[0]


def _ranked(paths: list[Path], units: int, gain: Gain) -> list[Path]:
    """Return the paths that can bear a part of the amount, the best for one part first."""
    worth = [(gain(path, -(-units // PARTS)), path) for path in paths]
    able = [(gained, path) for gained, path in worth if gained is not None]
    return [path for _, path in sorted(able, key=lambda pair: -pair[0])]


def _disjoint(paths: list[Path]) -> list[Path]:
    """Return the paths, in order, that share no pool with an earlier one, up to the most a route takes."""
    chosen: list[Path] = []
    used: set[str] = set()
    for path in paths:
        pools = {hop.pool for hop in path}
        if not pools & used and len(chosen) < PATHS_MAX:
            chosen.append(path)
            used |= pools
    return chosen


def _handed_out(paths: list[Path], units: int, gain: Gain) -> list[int]:
    """Return each path's part after handing out the amount in `PARTS`, each to whom it helps most.

    All parts are zero if at some point no path can bear more.
    """
    parts, gained = [0] * len(paths), [0] * len(paths)
    left = units
    while left:
        step = min(-(-units // PARTS), left)
        offers = [(gain(path, parts[index] + step), index) for index, path in enumerate(paths)]
        able = [(offer - gained[index], -index, offer) for offer, index in offers if offer is not None]
        if not able:
            return [0] * len(paths)
        _, index, offer = max(able)
        parts[-index] += step
        gained[-index] = offer
        left -= step
    return parts


def _refined(parts: list[int], paths: list[Path], units: int, gain: Gain) -> list[int]:
    """Return the parts after moving ever smaller ones between paths while that helps."""
    step = units // (2 * PARTS)
    while step > units >> 12:
        moved = False
        for giver in range(len(parts)):
            for taker in range(len(parts)):
                if giver != taker and parts[giver] >= step:
                    moved |= _move(parts, paths, gain, giver=giver, taker=taker, step=step)
        if not moved:
            step //= 2
    return parts


def _move(parts: list[int], paths: list[Path], gain: Gain, *, giver: int, taker: int, step: int) -> bool:
    """Move `step` from one path to another if that gains something; tell whether it did."""

    def worth(index: int, part: int) -> int | None:
        return gain(paths[index], part) if part else 0

    less, more = worth(giver, parts[giver] - step), worth(taker, parts[taker] + step)
    if less is None or more is None:
        return False
    before = (worth(giver, parts[giver]) or 0) + (worth(taker, parts[taker]) or 0)
    if less + more <= before:
        return False
    parts[giver] -= step
    parts[taker] += step
    return True
