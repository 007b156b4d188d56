"""`tallystick restore`: a ledger file from a backup or the log alone, checked before it replaces anything."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.frame import make_command
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside
from tallystick.cli.verify import PathOrUrl

if TYPE_CHECKING:
    from tallystick.client.sources import Export


@make_command(
    "restore",
    example="""\
tallystick restore ledger-2026-11-20.tally ledger.tally
tallystick restore public/log ledger.tally --log-key "$(cat vkey)"
tallystick restore http://127.0.0.1:8080 copy.tally --log-key "$(cat vkey)\"""",
)
@click.argument("backup", metavar="BACKUP|LOG", type=PathOrUrl(path_type=Path, exists=True))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--discard-newer", is_flag=True, help="Replace FILE even if it has entries the backup lacks.")
@click.option("--log-key", metavar="VKEY", help="Of a log: its public key, as you know it.")
def command(
    session: Session, backup: Path | str, file: Path, *, discard_newer: bool, log_key: str | None
) -> None:
    """Put a checked copy of a backup at FILE, or make FILE again from its log alone.

    A log is an export's folder or .tar, a mirror, or a node's URL; it is verified from its genesis first,
    every signature and transition. Entries that were acknowledged are never dropped quietly.
    """
    from tallystick.client.follow import open_url
    from tallystick.client.sources import LedgerFile, open_source
    from tallystick.node.backup import restore

    source = open_url(backup) if isinstance(backup, str) else open_source(backup)
    if isinstance(source, LedgerFile):
        source.close()
        with session.progress("checking", 1) as progress:
            size = restore(Path(backup), file, discard_newer=discard_newer, progress=progress)
    else:
        with source:
            size = _from_log(session, source, file, discard_newer=discard_newer, log_key=log_key)
    session.show({"ledger": str(file), "entries": size}, f"{size} entries in {file}")
    if not beside(file, LOG_KEY_SUFFIX).exists():
        session.note(
            f"hint: put the log key back at {beside(file, LOG_KEY_SUFFIX)} to sign checkpoints again"
        )


def _from_log(
    session: Session, source: "Export", file: Path, *, discard_newer: bool, log_key: str | None
) -> int:
    """Verify a log and make a ledger file of it."""
    from tallystick.client.verifier import verify
    from tallystick.node.rebuild import rebuild

    with session.progress("verifying", source.size()) as progress:
        verdict = verify(source, log_key=log_key, progress=progress)
    session.note(verdict.sentence())
    with session.progress("writing", 1) as progress:
        return rebuild(
            ((entry.leaf, entry.envelope, entry.receipt) for entry in source.entries()),
            genesis=source.genesis(),
            checkpoint=source.checkpoints()[0],
            target=file,
            discard_newer=discard_newer,
            progress=progress,
        )
