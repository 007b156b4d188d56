"""`tallystick export`: the log as static files, for monitors, auditors and any web server."""

from pathlib import Path

import click

from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command("export", ledger=True, example="tallystick export public/log && tallystick verify public/log")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def command(session: Session, directory: Path) -> None:
    """Write the log, as of its newest checkpoint, into a new folder (C2SP tlog-tiles).

    It holds everything that `verify` needs and no secret.
    """
    from tallystick.node.export import export_log

    with session.reading() as ledger, session.progress("exporting", ledger.file.size) as progress:
        size = export_log(ledger.file, directory, progress=progress)
    session.show(
        {"directory": str(directory), "entries": size},
        f"{size} entries in {directory}",
    )
    session.note(f"hint: anyone can now run tallystick verify {directory}")
