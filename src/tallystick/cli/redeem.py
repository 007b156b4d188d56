"""`tallystick redeem`: the life of a claim, lot by lot: asked for, due, then paid or in default."""

from typing import Any

import click

from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

command = make_group("redeem", "Ask an obligor to pay a claim, and settle what was asked.")


@command.add_command
@make_command("ask", changes=True, example='tallystick redeem ask alice 40.00 eur@bank --ref "to my account"')
@click.argument("holder")
@click.argument("amount")
@click.argument("asset")
@click.option("--ref", "reference", default="", help="A short public reference; nothing personal.")
@MINOR
def ask(session: Session, holder: str, amount: str, asset: str, *, reference: str, minor: bool) -> None:
    """Ask the obligor to pay. The lot stays yours, but cannot move, until it is paid or taken back."""
    from tallystick.client.actions import Redeem

    with changing(session) as ledger:
        units = str(units_of(ledger, asset, amount, minor=minor))
        settle(session, ledger, holder, Redeem(account=holder, asset=asset, units=units, reference=reference))


@command.add_command
@make_command("cancel", changes=True, example="tallystick redeem cancel 12.0")
@click.argument("lot")
def cancel(session: Session, lot: str) -> None:
    """Take a request back; the lot is outstanding again."""
    from tallystick.client.actions import CancelRedemption

    with changing(session) as ledger:
        holder = _lot(ledger, lot).holder
        settle(session, ledger, holder, CancelRedemption(account=holder, lot=lot))


@command.add_command
@make_command(
    "settle",
    changes=True,
    example="""\
tallystick redeem settle 12.0 --evidence "SEPA 20261120-17"
tallystick redeem settle 12.0 --account vault.treasury""",
)
@click.argument("lot")
@click.option("--account", help="The obligor's account that pays; by default its founder's.")
@click.option("--evidence", default="", help="Where the payment happened, if off the ledger.")
def settle_(session: Session, lot: str, *, account: str | None, evidence: str) -> None:
    """As the obligor, pay a lot: in the asset that the terms owe, or elsewhere with evidence."""
    from tallystick.client.actions import SettleRedemption

    with changing(session) as ledger:
        asset = ledger.need_asset(_lot(ledger, lot).asset)
        payer = account or ledger.get("institution", asset.obligor).founder
        if asset.terms is not None and "@" not in asset.terms.owes and not evidence:
            raise CommandError(
                f"{asset.id} owes {asset.terms.owes}, which is paid off the ledger",
                hint="name that payment with --evidence",
            )
        settle(session, ledger, payer, SettleRedemption(account=payer, lot=lot, evidence=evidence))


def _lot(ledger: OpenLedger, name: str) -> Any:
    from tallystick.client.vocabulary import Code, Rejection

    found = ledger.get("lot", name)
    if found is None:
        raise Rejection(Code.UNKNOWN_LOT, lot=name[:64])
    return found


@command.add_command
@make_command("list", ledger=True, example="tallystick redeem list --json")
@click.argument("account", required=False)
def list_(session: Session, account: str | None) -> None:
    """List the lots that were asked for and not paid, with what is due and what is in default."""
    from tallystick.client.amounts import format_amount
    from tallystick.client.times import format_time

    documents = []
    with session.reading() as ledger:
        now = ledger.now()
        for key, lot in ledger.rows("lot"):
            if account is not None and account != lot.holder:
                continue
            places = ledger.need_asset(lot.asset).decimals
            due = lot.status == "requested" and lot.due <= now
            documents.append(
                {
                    "lot": key[1],
                    "holder": lot.holder,
                    "asset": lot.asset,
                    "units": str(lot.units),
                    "amount": format_amount(lot.units, decimals=places),
                    "status": "due" if due else lot.status,
                    "due": format_time(lot.due),
                    "reference": lot.reference,
                }
            )
    session.rows(
        documents,
        ("lot", "lot"),
        ("holder", "holder"),
        ("amount", "amount"),
        ("asset", "asset"),
        ("status", "status"),
        ("due", "due"),
    )
