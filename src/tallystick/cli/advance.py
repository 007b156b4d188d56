"""`tallystick advance`: let what has fallen due happen, though nobody transacts."""

import click

from tallystick.cli.changes import changing, receipt_lines, settle
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command(
    "advance",
    changes=True,
    example="""\
tallystick advance
tallystick advance --timer 17 --account alice     try a timer again that had failed""",
)
@click.option("--timer", type=int, help="Instead: run this overdue timer again, as --account.")
@click.option("--account", help="With --timer: the account that asks.")
def command(session: Session, *, timer: int | None, account: str | None) -> None:
    """Run what has fallen due: holds that expired, redemptions in default, contracts' own timers.

    Any later batch would do it first; this makes one for the purpose. It needs no key. A node runs what falls
    due by itself, so that with --url there is nothing left to do.
    """
    import msgspec

    from tallystick.cli.errors import CommandError
    from tallystick.client.actions import RunTimer
    from tallystick.client.vocabulary import decode_receipt

    if timer is not None:
        if account is None:
            raise CommandError("somebody asks for it", hint="name the account with --account")
        with changing(session) as ledger:
            settle(session, ledger, account, RunTimer(account=account, timer=timer))
        return
    if session.dry_run or session.out is not None:
        raise CommandError("this is no transaction", hint="--dry-run and --out go with --timer")
    with session.writing() as ledger:
        receipts = [decode_receipt(data) for data in ledger.advance()]
        session.show(
            {"receipts": [msgspec.to_builtins(receipt) for receipt in receipts]},
            *(line for receipt in receipts for line in receipt_lines(ledger, receipt, status="ran")),
        )
        if not receipts:
            session.note("nothing was due")
