"""`tallystick restore`: a ledger file from a backup, checked before it replaces anything."""

from pathlib import Path

import click

from tallystick.cli.frame import make_command
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside


@make_command("restore", example="tallystick restore ledger-2026-11-20.tally ledger.tally")
@click.argument("backup", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--discard-newer", is_flag=True, help="Replace FILE even if it has entries the backup lacks.")
def command(session: Session, backup: Path, file: Path, *, discard_newer: bool) -> None:
    """Put a checked copy of BACKUP at FILE. Entries that were acknowledged are never dropped quietly."""
    from tallystick.node.backup import restore

    with session.progress("checking", 1) as progress:
        size = restore(backup, file, discard_newer=discard_newer, progress=progress)
    session.show({"ledger": str(file), "entries": size}, f"{size} entries in {file}")
    if not beside(file, LOG_KEY_SUFFIX).exists():
        session.note(
            f"hint: put the log key back at {beside(file, LOG_KEY_SUFFIX)} to sign checkpoints again"
        )
