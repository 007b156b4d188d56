"""`tallystick backup`: a whole copy of the ledger file while it is in use."""

from pathlib import Path

import click

from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command(
    "backup",
    ledger=True,
    file_only="it copies that file; the log of a node is copied by export",
    example='tallystick backup "ledger-$(date +%F).tally"',
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def command(session: Session, file: Path) -> None:
    """Copy the ledger file; whoever writes it may go on. The keyring and the log key are not in it."""
    from tallystick.node.backup import back_up

    with session.progress("copying", 1) as progress:
        size = back_up(session.require_ledger(), file, progress=progress)
    session.show({"backup": str(file), "entries": size}, f"{size} entries in {file}")
    session.note(f"hint: tallystick verify {file}; keep the keyring and the log key elsewhere")
