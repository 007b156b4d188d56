"""`tallystick balance`: what an account has, now or at a past moment, or why that cannot be said."""

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session


@make_command(
    "balance",
    ledger=True,
    example="""\
tallystick balance alice
tallystick balance alice eur@bank --at 2026-11-20T12:00:00Z
tallystick balance alice eur@bank --at-entry 100""",
)
@click.argument("account")
@click.argument("asset", required=False)
@click.option("--at-entry", type=click.IntRange(min=0), help="As of right after this entry of the log.")
@click.option("--at", "moment", help="As of this time.")
def command(
    session: Session, account: str, asset: str | None, *, at_entry: int | None, moment: str | None
) -> None:
    """Show what an account has: now, of all assets or one; at a past moment, of one.

    A past balance is read off the receipt that made it, and says which entry that was.
    """
    if at_entry is not None and moment is not None:
        raise CommandError("--at and --at-entry exclude each other", hint="name one moment")
    with session.reading() as ledger:
        ledger.need_account(account)
        if at_entry is None and moment is None:
            _show_now(session, ledger, account, asset)
        elif asset is None:
            raise CommandError("a past balance is of one asset", hint=f"tallystick balance {account} ASSET …")
        else:
            _show_past(session, ledger, account, asset, at_entry=at_entry, moment=moment)


def _show_now(session: Session, ledger: OpenLedger, account: str, asset: str | None) -> None:
    from tallystick.client.amounts import format_amount

    assets = ledger.assets_held(account) if asset is None else [ledger.need_asset(asset).id]
    documents = []
    for name in assets:
        places = ledger.need_asset(name).decimals
        units, held = ledger.balance(account, name), ledger.held(account, name)
        documents.append(
            {
                "account": account,
                "asset": name,
                "units": str(units),
                "held_units": str(held),
                "balance": format_amount(units, decimals=places),
                "available": format_amount(units - held, decimals=places),
                "held": format_amount(held, decimals=places),
            }
        )
    session.rows(
        documents,
        ("asset", "asset"),
        ("balance", "balance"),
        ("available", "available"),
        ("held", "held"),
    )


def _show_past(
    session: Session,
    ledger: OpenLedger,
    account: str,
    asset: str,
    *,
    at_entry: int | None,
    moment: str | None,
) -> None:
    from tallystick.client.amounts import format_amount
    from tallystick.client.times import parse_time

    places = ledger.need_asset(asset).decimals
    time = None if moment is None else parse_time(moment)
    past = ledger.past_balance(account, asset, entry=at_entry, time=time)
    changed = None if past.changed_by in {None, -1} else past.changed_by
    since = {None: "", -1: ", never moved before"}.get(past.changed_by, f", since entry {changed}")
    session.show(
        {
            "account": account,
            "asset": asset,
            "units": str(past.units),
            "as_of_entry": past.as_of,
            "changed_by_entry": changed,
        },
        f"{account} had {format_amount(past.units, decimals=places)} {asset} after entry {past.as_of}{since}",
    )
