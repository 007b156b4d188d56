"""`tallystick own-token`: swap a stable claim for the newly made token of whoever owes it, and back.

Each command asks the contract's own views. `quote` tells the value, the spread and the least that a swap
would sign, `swap` signs no less, and `show` tells the price, how far the virtual pool is drawn and what it
can take in a day. SWAP is a contract of kind `own_token_swap`. Nothing backs its stable claim.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import SLIPPAGE, asker, parameters_of, told
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session
from tallystick.cli.trust import percent, trust_in_short

if TYPE_CHECKING:
    from tallystick.client.own_tokens import OwnTokenSwap, Quoted

command = make_group("own-token", "Swap a stable claim for its maker's own token, and back.")


def _swap(ledger: OpenLedger, name: str) -> "OwnTokenSwap":
    from tallystick.client.own_tokens import KIND, swap_of

    return swap_of(name, parameters_of(ledger, name, KIND))


def _quoted(ledger: OpenLedger, swap: str, amount: str, asset_in: str, *, minor: bool) -> "Quoted":
    from tallystick.client.own_tokens import quote_of

    found = _swap(ledger, swap)
    found.other(asset_in)
    units = int(units_of(ledger, asset_in, amount, minor=minor))
    return quote_of(asker(ledger), found, asset_in=asset_in, units_in=units)


@command.add_command
@make_command(
    "show",
    ledger=True,
    url=True,
    example="""\
tallystick own-token show terra-swap
tallystick own-token show terra-swap --json""",
)
@click.argument("swap")
def show(session: Session, swap: str) -> None:
    """Show the warning, a token's price, how far the pool is drawn, and what it can take in a day."""
    from tallystick.client.prices import format_ratio
    from tallystick.client.times import format_time
    from tallystick.client.vocabulary import Rejection

    with session.reading() as ledger:
        found, ask = _swap(ledger, swap), asker(ledger)
        decimals = ledger.need_asset(found.stable).decimals
        price, refusal = None, ""
        try:
            ratio = ask(swap, "price", asset_in=found.token, asset_out=found.stable)
            price = format_ratio(
                ratio.numerator, ratio.denominator, decimals_in=decimals, decimals_out=decimals
            )
        except Rejection as refused:
            refusal = str(refused.code)
        pool, warning = ask(swap, "state"), ask(swap, "warning")
        capacity = ask(swap, "capacity")
        # The delta counts in parts of 10^-18 minor unit; shown in whole ones, towards zero.
        drawn = abs(pool.delta) // 10**18 * (1 if pool.delta >= 0 else -1)
        document: dict[str, Any] = {
            "swap": swap,
            "stable": found.stable,
            "token": found.token,
            "price": price,
            "refusal": refusal,
            "delta_units": str(drawn),
            "base_pool": str(pool.rules.base_pool),
            "recovery_periods": str(pool.rules.recovery_periods),
            "capacity_day_units": str(capacity),
            "proposed": None,
            "warning": warning,
        }
        priced = f"1 {found.token} is {price} {found.stable}" if price else f"no price: {refusal}"
        whole, by = (told(ledger, found.stable, units) for units in (pool.rules.base_pool, drawn))
        lines = [
            priced,
            f"the pool of {whole} is drawn by {by}",
            f"it can take {told(ledger, found.stable, capacity)} a day at the least spread",
        ]
        if pool.next_rules is not None:
            document["proposed"] = {
                "base_pool": str(pool.next_rules.base_pool),
                "recovery_periods": str(pool.next_rules.recovery_periods),
                "due": format_time(pool.due),
            }
            lines.append(
                f"proposed: a pool of {told(ledger, found.stable, pool.next_rules.base_pool)},"
                f" {pool.next_rules.recovery_periods} periods, from {document['proposed']['due']}"
            )
    session.show(document, *lines, warning)


@command.add_command
@make_command(
    "quote",
    ledger=True,
    url=True,
    example="""\
tallystick own-token quote terra-swap 100.00 ust@terra-swap
tallystick own-token quote terra-swap 1.00 luna@terra-swap --slippage 1%""",
)
@click.argument("swap")
@click.argument("amount")
@click.argument("asset_in")
@SLIPPAGE
@MINOR
def quote(session: Session, swap: str, amount: str, asset_in: str, *, slippage: str, minor: bool) -> None:
    """Say what AMOUNT of ASSET_IN would give now, at which spread, and the least that a swap would sign."""
    from tallystick.client.calls import parse_bps

    with session.reading() as ledger:
        asked = _quoted(ledger, swap, amount, asset_in, minor=minor)
        trade, bps = asked.trade, parse_bps(slippage)
        least, warning = trade.limit(bps), asker(ledger)(swap, "warning")
        trust = ledger.trust(trade.asset_out, unit="", price_from=())
        took = told(ledger, trade.asset_in, trade.units_in)
        gave = told(ledger, trade.asset_out, trade.units_out)
        lines = [
            f"{took} for {gave}, at a spread of {percent(asked.spread_ppm)}",
            f"  with {bps / 100:.2f}% slippage: at least {told(ledger, trade.asset_out, least)}",
            trust_in_short(trust, lead=f"holding {trade.asset_out} you would rely on"),
        ]
    document = {
        "swap": swap,
        "asset_in": trade.asset_in,
        "asset_out": trade.asset_out,
        "units_in": str(trade.units_in),
        "units_out": str(trade.units_out),
        "value_in": str(asked.value_in),
        "value_out": str(asked.value_out),
        "spread_ppm": asked.spread_ppm,
        "slippage_bps": bps,
        "least_out": str(least),
        "warning": warning,
        "trust": trust,
    }
    session.show(document, *lines, warning)


@command.add_command
@make_command(
    "swap",
    changes=True,
    url=True,
    example="""\
tallystick own-token swap terra-swap alice 100.00 ust@terra-swap --slippage 0.5%
tallystick own-token swap terra-swap alice 1.00 luna@terra-swap --dry-run""",
)
@click.argument("swap")
@click.argument("account")
@click.argument("amount")
@click.argument("asset_in")
@SLIPPAGE
@MINOR
def swap_(
    session: Session, swap: str, account: str, amount: str, asset_in: str, *, slippage: str, minor: bool
) -> None:
    """Swap AMOUNT of ASSET_IN: quote it, and sign no less than the quote less the slippage."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.pools import swap_call

    with changing(session) as ledger:
        asked = _quoted(ledger, swap, amount, asset_in, minor=minor)
        call = swap_call(asked.trade, account=account, slippage_bps=parse_bps(slippage))
        session.note(asker(ledger)(swap, "warning"))
        settle(session, ledger, account, call)


@command.add_command
@make_command(
    "propose",
    changes=True,
    url=True,
    example="tallystick own-token propose terra-swap terra --base-pool 100000000.00 --recovery-periods 18",
)
@click.argument("swap")
@click.argument("account")
@click.option("--base-pool", required=True, metavar="AMOUNT", help="The virtual pool, in the stable claim.")
@click.option("--recovery-periods", required=True, type=click.IntRange(1), help="Over how many it recovers.")
@MINOR
def propose(
    session: Session, swap: str, account: str, *, base_pool: str, recovery_periods: int, minor: bool
) -> None:
    """Propose other rules as the admin, within the bounds of the deployment; in force after its delay."""
    from tallystick.client.own_tokens import propose_call

    with changing(session) as ledger:
        found = _swap(ledger, swap)
        units = int(units_of(ledger, found.stable, base_pool, minor=minor))
        built = propose_call(found, account=account, base_pool=units, recovery_periods=recovery_periods)
        settle(session, ledger, account, built)
