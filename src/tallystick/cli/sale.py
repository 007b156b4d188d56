"""`tallystick sale`: lots sold at a price that falls until somebody takes them.

What is shown is what the contract's own views answer; a taker signs the price it saw and no more.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import asker, parameters_of, told
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.sales import Sales

command = make_group("sale", "Sell collateral at a falling price, and buy it.")


@command.add_command
@make_command("list", ledger=True, example="tallystick sale list gold-sales --json")
@click.argument("contract")
def list_(session: Session, contract: str) -> None:
    """List the running sales of a contract with their prices now."""
    from tallystick.client.prices import format_ratio
    from tallystick.client.sales import PRICE_ONE
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        sales = _sales(ledger, contract)
        places = [ledger.need_asset(asset).decimals for asset in (sales.lot, sales.money)]
        documents: list[dict[str, Any]] = [
            {
                "sale": one.sale,
                "seller": one.seller,
                "owner": one.owner,
                "lot": told(ledger, sales.lot, one.lot),
                "due": told(ledger, sales.money, one.due),
                "lot_units": str(one.lot),
                "due_units": str(one.due),
                "price": format_ratio(one.price, PRICE_ONE, decimals_in=places[0], decimals_out=places[1]),
                "price_ray": str(one.price),
                "started": format_time(one.started * 1_000_000),
                "state": "must be restarted" if one.needs_restart else "running",
            }
            for one in asker(ledger)(contract, "sales")
        ]
    session.rows(
        documents, ("sale", "sale"), ("lot", "lot"), ("due", "due"), ("price", "price"), ("state", "state")
    )


@command.add_command
@make_command(
    "start",
    changes=True,
    example="""\
tallystick sale start gold-sales bank 1.000 70.00 --owner alice
tallystick sale start gold-sales bank 1.000 70.00 --owner alice --reserve 2.00 --keeper bob""",
)
@click.argument("contract")
@click.argument("account")
@click.argument("lot")
@click.argument("due")
@click.option("--owner", required=True, help="Who gets what is left of the lot.")
@click.option("--keeper", default="", help="Who is rewarded for having made the account sell.")
@click.option("--reserve", default="0", help="What rewards are paid from; the rest comes back.")
@MINOR
def start(
    session: Session,
    contract: str,
    account: str,
    lot: str,
    due: str,
    *,
    owner: str,
    keeper: str,
    reserve: str,
    minor: bool,
) -> None:
    """Put a lot up for sale until DUE is paid to the account."""
    from tallystick.client.sales import start_call

    with changing(session) as ledger:
        sales = _sales(ledger, contract)
        action = start_call(
            sales,
            account=account,
            lot=units_of(ledger, sales.lot, lot, minor=minor),
            due=units_of(ledger, sales.money, due, minor=minor),
            owner=owner,
            keeper=keeper,
            reserve=units_of(ledger, sales.money, reserve, minor=minor),
        )
        settle(session, ledger, account, action)


@command.add_command
@make_command(
    "take",
    changes=True,
    example="""\
tallystick sale take gold-sales bob 1 0.500
tallystick sale take gold-sales bob 1 0.500 --dry-run""",
)
@click.argument("contract")
@click.argument("account")
@click.argument("sale", type=int)
@click.argument("most")
@MINOR
def take(session: Session, contract: str, account: str, sale: int, most: str, *, minor: bool) -> None:
    """Buy up to MOST of a lot at its price now or less: fewer where no more is due."""
    from tallystick.client.sales import take_call

    with changing(session) as ledger:
        sales = _sales(ledger, contract)
        units = units_of(ledger, sales.lot, most, minor=minor)
        action = take_call(asker(ledger), sales, account=account, sale=sale, most_units=units)
        settle(session, ledger, account, action)


@command.add_command
@make_command("restart", changes=True, example="tallystick sale restart gold-sales bob 1")
@click.argument("contract")
@click.argument("account")
@click.argument("sale", type=int)
def restart(session: Session, contract: str, account: str, sale: int) -> None:
    """Start a sale that ran out anew, at the oracle's price now; the account is rewarded."""
    from tallystick.client.sales import restart_call

    with changing(session) as ledger:
        settle(session, ledger, account, restart_call(_sales(ledger, contract), account=account, sale=sale))


@command.add_command
@make_command("cancel", changes=True, example="tallystick sale cancel gold-sales bank 1")
@click.argument("contract")
@click.argument("account")
@click.argument("sale", type=int)
def cancel(session: Session, contract: str, account: str, sale: int) -> None:
    """Take a lot back, as its seller, with what is left of the reserve."""
    from tallystick.client.sales import cancel_call

    with changing(session) as ledger:
        settle(session, ledger, account, cancel_call(_sales(ledger, contract), account=account, sale=sale))


def _sales(ledger: OpenLedger, name: str) -> "Sales":
    from tallystick.client.sales import Sales

    parameters = parameters_of(ledger, name, "dutch_liquidation")
    return Sales(name, parameters["lot"], parameters["money"])
