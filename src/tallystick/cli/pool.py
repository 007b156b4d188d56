"""`tallystick pool`: trade on pools and provide them with liquidity, in amounts as people write them.

Each command asks the pool's own views, says what they promise, and signs no worse than that less the
slippage. A trade that nobody could have made better is refused by the ledger, not by this program, when the
price has moved further. The same calls can be made by hand with `tallystick contract call`.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import SLIPPAGE, asker, told
from tallystick.cli.changes import MINOR, changing, parse_amounts, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session
from tallystick.cli.trust import trust_in_short

if TYPE_CHECKING:
    from tallystick.client.calls import Ask
    from tallystick.client.pools import Pool, SwapQuote
    from tallystick.client.routing import RouteQuote

command = make_group("pool", "Trade on pools, and provide them with liquidity.")

EXACT_OUT = click.option("--exact-out", is_flag=True, help="AMOUNT is of ASSET_OUT: what is to be received.")
TICKS = click.option("--ticks", metavar="LOWER:UPPER", help="The range by its ticks, as `position` shows it.")
HOPS = click.option(
    "--hops", default=3, show_default=True, type=click.IntRange(1, 5), help="The longest path to look for."
)


# ------------------------------------------------------------------------------------------------ looking


@command.add_command
@make_command("list", ledger=True, example="tallystick pool list --json")
def list_(session: Session) -> None:
    """List the pools, what they trade and how much they hold."""
    with session.reading() as ledger:
        documents = [
            {
                "pool": pool.name,
                "kind": pool.kind,
                "assets": list(pool.assets),
                "holds": [told(ledger, asset, ledger.balance(pool.name, asset)) for asset in pool.assets],
            }
            for pool in _pools(ledger)
        ]
    shown = [one | {"holds": ", ".join(one["holds"])} for one in documents]
    session.rows(documents if session.json else shown, ("pool", "pool"), ("kind", "kind"), ("holds", "holds"))


@command.add_command
@make_command("show", ledger=True, example="tallystick pool show pool-1")
@click.argument("pool")
def show(session: Session, pool: str) -> None:
    """Show a pool's prices before fees, how deep it is, what it holds and how much was traded."""
    from tallystick.client.vocabulary import Rejection

    with session.reading() as ledger:
        found, ask = _pool(ledger, pool), asker(ledger)
        pairs = [(one, other) for one in found.assets for other in found.assets if one != other]
        refused: Rejection | None = None
        try:
            prices = [] if _is_empty(ledger, found) else [_pair(ledger, ask, pool, *pair) for pair in pairs]
        except Rejection as rejection:  # such as one that a claw-back closed: it holds something all the same
            prices, refused = [], rejection
        document: dict[str, Any] = {
            "pool": pool,
            "kind": found.kind,
            "holds": {asset: str(ledger.balance(pool, asset)) for asset in found.assets},
            "pairs": prices,
            "no_price": None if refused is None else str(refused.code),
            "turnover_ppm": [str(day.turnover_ppm) for day in ask(pool, "turnover")],
        }
        lines = [f"{pool}, a {found.kind}"]
        lines += [f"  holds {told(ledger, asset, int(many))}" for asset, many in document["holds"].items()]
        lines += [
            f"  1 {one['asset_in']} is {one['price']} {one['asset_out']};"
            f" {told(ledger, one['asset_in'], int(one['depth_units']))} move it by 1%"
            for one in document["pairs"]
        ]
        if refused is not None:
            lines.append(f"  has no price: {refused}")
    before, today = (int(ppm) / 10_000 for ppm in document["turnover_ppm"])
    session.show(document, *lines, f"  turned over {before:.2f}% yesterday, {today:.2f}% today")


def _is_empty(ledger: OpenLedger, pool: "Pool") -> bool:
    """Tell whether a pool has nothing to trade with, hence no price."""
    return not any(ledger.balance(pool.name, asset) for asset in pool.assets)


def _pair(ledger: OpenLedger, ask: "Ask", pool: str, asset_in: str, asset_out: str) -> dict[str, str]:
    from tallystick.client.prices import format_ratio

    price = ask(pool, "price", asset_in=asset_in, asset_out=asset_out)
    return {
        "asset_in": asset_in,
        "asset_out": asset_out,
        "price": format_ratio(
            price.numerator,
            price.denominator,
            decimals_in=ledger.need_asset(asset_in).decimals,
            decimals_out=ledger.need_asset(asset_out).decimals,
        ),
        "depth_units": str(ask(pool, "depth", asset_in=asset_in, asset_out=asset_out, move_bps=100)),
    }


@command.add_command
@make_command(
    "quote",
    ledger=True,
    example="""\
tallystick pool quote pool-1 10.00 eur@bank gold@vault
tallystick pool quote pool-1 0.100 eur@bank gold@vault --exact-out""",
)
@click.argument("pool")
@click.argument("amount")
@click.argument("asset_in")
@click.argument("asset_out")
@EXACT_OUT
@SLIPPAGE
@MINOR
def quote(
    session: Session,
    pool: str,
    amount: str,
    asset_in: str,
    asset_out: str,
    *,
    exact_out: bool,
    slippage: str,
    minor: bool,
) -> None:
    """Say what a trade would give now, the limit that a swap would sign, and whom one trusts afterwards."""
    from tallystick.client.calls import parse_bps

    with session.reading() as ledger:
        asked = _quoted(ledger, pool, amount, asset_in, asset_out, exact_out=exact_out, minor=minor)
        document, lines = _quote_told(ledger, asked, parse_bps(slippage))
        trust, line = _trust_told(ledger, asset_out)
    session.show({"pool": pool} | document | trust, *lines, line)


@command.add_command
@make_command(
    "position",
    ledger=True,
    example="""\
tallystick pool position pool-1 alice
tallystick pool position pool-1 alice --json""",
)
@click.argument("pool")
@click.argument("account")
def position(session: Session, pool: str, account: str) -> None:
    """Show what an account could take out of a pool now, fees included, range by range."""
    from tallystick.client.pools import holdings

    with session.reading() as ledger:
        ledger.need_account(account)
        found = _pool(ledger, pool)
        documents = [
            {
                "pool": pool,
                "account": account,
                "units": {asset: str(many) for asset, many in one.units.items()},
                "fees": {asset: str(many) for asset, many in one.fees.items()},
                "shares": None if one.shares is None else str(one.shares),
                "liquidity": None if one.liquidity is None else str(one.liquidity),
                "in_range": one.in_range,
            }
            | _range_told(ledger, found, one.ticks)
            | {
                "worth": ", ".join(told(ledger, asset, many) for asset, many in one.units.items()),
                "of_which_fees": ", ".join(told(ledger, asset, many) for asset, many in one.fees.items()),
            }
            for one in holdings(asker(ledger), found, account)
        ]
    columns = [("worth", "worth")]
    if found.kind == "concentrated_liquidity_pool":
        columns += [("of which fees", "of_which_fees"), ("prices", "prices"), ("ticks", "ticks")]
    session.rows(documents, *columns)


def _range_told(ledger: OpenLedger, pool: "Pool", ticks: tuple[int, int] | None) -> dict[str, str]:
    from tallystick.client.pools import format_range

    if ticks is None:
        return {}
    spacing = int(pool.parameters["tick_spacing"])
    prices = format_range(ticks, spacing=spacing, decimals=_decimals(ledger, pool))
    return {"ticks": f"{ticks[0]}:{ticks[1]}", "prices": prices}


@command.add_command
@make_command(
    "route",
    ledger=True,
    example="""\
tallystick pool route 10.00 gold@vault usd@bank
tallystick pool route 10.00 gold@vault usd@bank --exact-out --hops 2""",
)
@click.argument("amount")
@click.argument("asset_in")
@click.argument("asset_out")
@EXACT_OUT
@HOPS
@SLIPPAGE
@MINOR
def route(
    session: Session,
    amount: str,
    asset_in: str,
    asset_out: str,
    *,
    exact_out: bool,
    hops: int,
    slippage: str,
    minor: bool,
) -> None:
    """Find the best path, or the best split over several, and say whom one trusts afterwards."""
    from tallystick.client.calls import parse_bps

    with session.reading() as ledger:
        found = _routed(ledger, amount, asset_in, asset_out, exact_out=exact_out, hops=hops, minor=minor)
        document, lines = _quote_told(ledger, found, parse_bps(slippage))
        lines += _paths_told(ledger, found)
        trust, line = _trust_told(ledger, asset_out)
    document |= trust | {
        "paths": [
            {"units": str(units), "hops": [hop._asdict() for hop in path]} for units, path in found.paths
        ]
    }
    session.show(document, *lines, line)


def _paths_told(ledger: OpenLedger, found: "RouteQuote") -> list[str]:
    asset = found.asset_in if found.exact_in else found.asset_out
    return [
        f"  {told(ledger, asset, units)} by {found.asset_in}"
        + "".join(f" -{hop.pool}-> {hop.asset_out}" for hop in path)
        for units, path in found.paths
    ]


@command.add_command
@make_command(
    "loan",
    ledger=True,
    example="""\
tallystick pool loan 1000.00 eur@bank
tallystick pool loan 1000.00 eur@bank --json""",
)
@click.argument("amount")
@click.argument("asset")
@MINOR
def loan(session: Session, amount: str, asset: str, *, minor: bool) -> None:
    """Find the cheapest lenders of a flash loan, and say what repays each in the same transaction."""
    from tallystick.client.loans import quote_loan

    with session.reading() as ledger:
        ledger.need_asset(asset)
        units = _traded(ledger, asset, amount, minor=minor)
        pools = {pool.name: pool.assets for pool in _pools(ledger)}
        found = quote_loan(asker(ledger), pools, asset=asset, units=units)
        fee = found.units_owed - found.units
        lines = [
            f"  {pool} lends {told(ledger, asset, lent)} for {told(ledger, asset, owed)}"
            for (pool, lent), (_, owed) in zip(found.parts, found.owed, strict=True)
        ]
        lines.append(f"{told(ledger, asset, units)} for a fee of {told(ledger, asset, fee)}")
    document = {
        "asset": asset,
        "units": str(found.units),
        "units_owed": str(found.units_owed),
        "parts": [{"pool": pool, "units": str(lent)} for pool, lent in found.parts],
        "owed": [{"pool": pool, "units": str(owed)} for pool, owed in found.owed],
    }
    session.show(document, *lines)


# ------------------------------------------------------------------------------------------------ trading


@command.add_command
@make_command(
    "swap",
    changes=True,
    example="""\
tallystick pool swap pool-1 alice 10.00 eur@bank gold@vault --slippage 0.5%
tallystick pool swap pool-1 alice 0.100 eur@bank gold@vault --exact-out --dry-run""",
)
@click.argument("pool")
@click.argument("account")
@click.argument("amount")
@click.argument("asset_in")
@click.argument("asset_out")
@EXACT_OUT
@SLIPPAGE
@MINOR
def swap(  # noqa: PLR0917 (a command's own words, in its own order)
    session: Session,
    pool: str,
    account: str,
    amount: str,
    asset_in: str,
    asset_out: str,
    *,
    exact_out: bool,
    slippage: str,
    minor: bool,
) -> None:
    """Trade on one pool: quote it, and sign no worse than the quote less the slippage."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.pools import swap_call

    with changing(session) as ledger:
        asked = _quoted(ledger, pool, amount, asset_in, asset_out, exact_out=exact_out, minor=minor)
        settle(session, ledger, account, swap_call(asked, account=account, slippage_bps=parse_bps(slippage)))


@command.add_command
@make_command(
    "trade",
    changes=True,
    example="""\
tallystick pool trade alice 10.00 gold@vault usd@bank
tallystick pool trade alice 10.00 gold@vault usd@bank --via route-1 --slippage 1% --dry-run""",
)
@click.argument("account")
@click.argument("amount")
@click.argument("asset_in")
@click.argument("asset_out")
@click.option("--via", metavar="CONTRACT", help="The route contract; by default the first there is.")
@EXACT_OUT
@HOPS
@SLIPPAGE
@MINOR
def trade(
    session: Session,
    account: str,
    amount: str,
    asset_in: str,
    asset_out: str,
    *,
    via: str | None,
    exact_out: bool,
    hops: int,
    slippage: str,
    minor: bool,
) -> None:
    """Trade along the best route that `tallystick pool route` finds, all of it or nothing."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.routing import route_call

    with changing(session) as ledger:
        routes = [key[1] for key, one in ledger.rows("instance") if one.kind == "route"]
        if via is None and not routes:
            raise CommandError(
                "there is no route contract",
                hint=f"tallystick contract deploy NAME route --account {account}",
            )
        found = _routed(ledger, amount, asset_in, asset_out, exact_out=exact_out, hops=hops, minor=minor)
        action = route_call(found, account=account, route=via or routes[0], slippage_bps=parse_bps(slippage))
        settle(session, ledger, account, action)


# ---------------------------------------------------------------------------------------------- liquidity


@command.add_command
@make_command(
    "add",
    changes=True,
    example="""\
tallystick pool add pool-1 alice eur@bank=100.00 gold@vault=1.250
tallystick pool add range-1 alice eur@bank=100.00 usd@bank=110.00 --between 1.05:1.12""",
)
@click.argument("pool")
@click.argument("account")
@click.argument("amounts", nargs=-1, required=True, metavar="ASSET=AMOUNT...")
@click.option(
    "--between", metavar="LOW:HIGH", help="A range of prices: the pool's first asset in its second."
)
@TICKS
@SLIPPAGE
@MINOR
def add(
    session: Session,
    pool: str,
    account: str,
    amounts: tuple[str, ...],
    *,
    between: str | None,
    ticks: str | None,
    slippage: str,
    minor: bool,
) -> None:
    """Provide liquidity with at most these amounts, in the pool's proportion where it has one."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.pools import add_call

    with changing(session) as ledger:
        found = _pool(ledger, pool)
        given = parse_amounts(ledger, amounts, minor=minor)
        units = {asset: int(many) for asset, many in given}
        if len(units) != len(given):
            raise CommandError("an asset stands twice", hint="add the amounts up")
        action = add_call(
            asker(ledger),
            found,
            account=account,
            units=units,
            slippage_bps=parse_bps(slippage),
            ticks=_range(ledger, found, between=between, ticks=ticks),
        )
        settle(session, ledger, account, action)


@command.add_command
@make_command(
    "remove",
    changes=True,
    example="""\
tallystick pool remove pool-1 alice
tallystick pool remove range-1 alice --part 50% --ticks 480:1140""",
)
@click.argument("pool")
@click.argument("account")
@click.option("--part", default="100%", show_default=True, help="How much of what the account has there.")
@TICKS
@SLIPPAGE
def remove(session: Session, pool: str, account: str, *, part: str, ticks: str | None, slippage: str) -> None:
    """Take liquidity out, with all fees that it earned."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.pools import parse_ticks, remove_actions

    with changing(session) as ledger:
        actions = remove_actions(
            asker(ledger),
            _pool(ledger, pool),
            account=account,
            part_bps=parse_bps(part),
            slippage_bps=parse_bps(slippage),
            ticks=None if ticks is None else parse_ticks(ticks),
        )
        settle(session, ledger, account, *actions)


def _range(
    ledger: OpenLedger, pool: "Pool", *, between: str | None, ticks: str | None
) -> tuple[int, int] | None:
    from tallystick.client.pools import PoolError, parse_range, parse_ticks

    if between is not None and ticks is not None:
        raise CommandError("--between and --ticks exclude each other", hint="name the range one way")
    if ticks is not None:
        return parse_ticks(ticks)
    if between is None:
        return None
    if "tick_spacing" not in pool.parameters:
        raise PoolError(f"{pool.name} is a {pool.kind}, which has no ranges of prices")
    spacing = int(pool.parameters["tick_spacing"])
    return parse_range(between, spacing=spacing, decimals=_decimals(ledger, pool))


# ------------------------------------------------------------------------------------------------- asking


def _pools(ledger: OpenLedger) -> "list[Pool]":
    """Return every contract that answers as a pool does."""
    import json

    from tallystick.client.arguments import contract_of
    from tallystick.client.pools import Pool
    from tallystick.client.routing import pools_by_assets

    # Oracles and lending markets have assets and prices too; a pool quotes trades.
    instances = {
        key[1]: instance
        for key, instance in ledger.rows("instance")
        if "quote_exact_in" in contract_of(instance.kind, instance.version).methods
    }
    return [
        Pool(name, instances[name].kind, assets, json.loads(instances[name].parameters))
        for name, assets in pools_by_assets(asker(ledger), instances).items()
    ]


def _pool(ledger: OpenLedger, name: str) -> "Pool":
    """Return a pool. Rejections: `unknown_contract`. Raises `PoolError` where it is none."""
    import json

    from tallystick.client.arguments import contract_of
    from tallystick.client.pools import Pool, PoolError
    from tallystick.client.vocabulary import Code, Rejection

    instance = ledger.get("instance", name)
    if instance is None:
        raise Rejection(Code.UNKNOWN_CONTRACT, contract=name[:64])
    if not {"assets", "quote_exact_in"} <= contract_of(instance.kind, instance.version).methods.keys():
        raise PoolError(f"{name} is a {instance.kind} and no pool", hint="tallystick pool list")
    assets = tuple(asker(ledger)(name, "assets"))
    return Pool(name, instance.kind, assets, json.loads(instance.parameters))


def _traded(ledger: OpenLedger, asset: str, amount: str, *, minor: bool) -> int:
    """Return the units of a trade or loan. Rejections: `unknown_asset`, `amount_not_positive`."""
    from tallystick.client.vocabulary import Code, Rejection

    units = units_of(ledger, asset, amount, minor=minor)
    if not units:
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=amount[:48])
    return units


def _quoted(
    ledger: OpenLedger,
    pool: str,
    amount: str,
    asset_in: str,
    asset_out: str,
    *,
    exact_out: bool,
    minor: bool,
) -> "SwapQuote":
    from tallystick.client.pools import quote_swap

    _pool(ledger, pool)
    ledger.need_asset(asset_in if exact_out else asset_out)
    units = _traded(ledger, asset_out if exact_out else asset_in, amount, minor=minor)
    return quote_swap(
        asker(ledger), pool, asset_in=asset_in, asset_out=asset_out, units=units, exact_in=not exact_out
    )


def _routed(
    ledger: OpenLedger,
    amount: str,
    asset_in: str,
    asset_out: str,
    *,
    exact_out: bool,
    hops: int,
    minor: bool,
) -> "RouteQuote":
    from tallystick.client.routing import quote_exact_in, quote_exact_out

    ledger.need_asset(asset_in if exact_out else asset_out)
    units = _traded(ledger, asset_out if exact_out else asset_in, amount, minor=minor)
    pools = {pool.name: pool.assets for pool in _pools(ledger)}
    ends = {"asset_in": asset_in, "asset_out": asset_out}
    ask = asker(ledger)
    if exact_out:
        return quote_exact_out(ask, pools, units_out=units, hops_max=hops, **ends)
    return quote_exact_in(ask, pools, units_in=units, hops_max=hops, **ends)


def _quote_told(
    ledger: OpenLedger, asked: "SwapQuote | RouteQuote", slippage_bps: int
) -> tuple[dict[str, Any], list[str]]:
    """Return a quote as a document and as lines."""
    from tallystick.client.prices import format_ratio

    limit = asked.limit(slippage_bps)
    price = format_ratio(
        asked.units_out,
        asked.units_in,
        decimals_in=ledger.need_asset(asked.asset_in).decimals,
        decimals_out=ledger.need_asset(asked.asset_out).decimals,
    )
    document = {
        "asset_in": asked.asset_in,
        "asset_out": asked.asset_out,
        "units_in": str(asked.units_in),
        "units_out": str(asked.units_out),
        "price": price,
        "slippage_bps": slippage_bps,
        "least_out" if asked.exact_in else "most_in": str(limit),
    }
    took, gave = (
        told(ledger, asked.asset_in, asked.units_in),
        told(ledger, asked.asset_out, asked.units_out),
    )
    bound = (
        f"at least {told(ledger, asked.asset_out, limit)}"
        if asked.exact_in
        else f"at most {told(ledger, asked.asset_in, limit)}"
    )
    return document, [
        f"{took} for {gave}, at {price}",
        f"  with {slippage_bps / 100:.2f}% slippage: {bound}",
    ]


def _trust_told(ledger: OpenLedger, asset: str) -> tuple[dict[str, Any], str]:
    """Return whom a holder of the asset relies on, by the trust lens, as a document and in a line."""
    document = ledger.trust(asset, unit="", price_from=())
    return {"trust": document}, trust_in_short(document, lead=f"holding {asset} you would rely on")


def _decimals(ledger: OpenLedger, pool: "Pool") -> tuple[int, int]:
    first, second = (ledger.need_asset(asset).decimals for asset in pool.assets)
    return first, second
