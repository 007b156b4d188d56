"""`tallystick export`: the log as static files, for monitors, auditors and any web server."""

from pathlib import Path

import click

from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command(
    "export",
    ledger=True,
    example="""\
tallystick export public/log && tallystick verify public/log
tallystick export mirror --url http://127.0.0.1:8080      again and again: it fetches what is new""",
)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
def command(session: Session, directory: Path) -> None:
    """Write the log, as of its newest checkpoint, into a new folder (C2SP tlog-tiles).

    It holds everything that `verify` needs and no secret. With --url a node's log is copied, and a folder
    that has an earlier copy grows by what is new.
    """
    if session.url is None:
        size = _from_file(session, directory)
    else:
        size = _from_node(session, session.url, directory)
    session.show(
        {"directory": str(directory), "entries": size},
        f"{size} entries in {directory}",
    )
    session.note(f"hint: anyone can now run tallystick verify {directory}")


def _from_file(session: Session, directory: Path) -> int:
    from tallystick.node.export import export_log

    with session.reading() as ledger, session.progress("exporting", ledger.file.size) as progress:
        return export_log(ledger.file, directory, progress=progress)


def _from_node(session: Session, url: str, directory: Path) -> int:
    from contextlib import closing

    from tallystick.client.follow import RemoteLog
    from tallystick.client.mirror import mirror

    with closing(RemoteLog(url)) as log, session.progress("copying", 1) as progress:
        return mirror(log, directory, progress=progress)
