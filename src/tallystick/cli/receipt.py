"""`tallystick receipt`: what one transaction did, as it stands in the log."""

import click

from tallystick.cli.changes import tell_receipt
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command(
    "receipt",
    ledger=True,
    example="""\
tallystick receipt 12
tallystick receipt 01a1f920-1503-7189-a45d-02764326715c""",
)
@click.argument("which", metavar="ID|INDEX")
@click.option("--sender", help="Whose transaction, where several used the id.")
def command(session: Session, which: str, *, sender: str | None) -> None:
    """Show the receipt of a transaction, by its id or by its entry's index."""
    with session.reading() as ledger:
        tell_receipt(session, ledger, ledger.receipt(which, sender=sender), status="logged")
