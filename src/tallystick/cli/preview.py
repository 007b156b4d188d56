"""`tallystick preview`: what a transaction file would do, in words and in balances, before anybody signs."""

from pathlib import Path

import click

from tallystick.cli.changes import missing_of, tell_preview, told_missing
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session, read_file


@make_command(
    "preview",
    ledger=True,
    example="""\
tallystick pay alice bob 12.50 eur@bank --out payment.json --unsigned
tallystick preview payment.json""",
)
@click.argument("file", type=click.Path(path_type=Path))
def command(session: Session, file: Path) -> None:
    """Say what a transaction file would do now: in words, with the balances it would leave.

    Every signer is taken as having signed, so ask before you sign. Nothing is written.
    """
    from tallystick.client.transactions import read_transaction

    transaction, signed = read_transaction(read_file(file))
    with session.reading() as ledger:
        tell_preview(session, ledger, transaction)
        session.note(told_missing(missing_of(ledger, transaction, signed)))
