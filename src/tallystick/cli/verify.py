"""`tallystick verify`: the whole history again, from the log alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.errors import PROOF_FAILED, CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.sources import LedgerFile


class PathOrUrl(click.Path):
    """A path that exists, or the URL of a log."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a URL as text and anything else as a path."""
        return value if _is_url(value) else super().convert(value, param, ctx)


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


@make_command(
    "verify",
    example="""\
tallystick verify ledger.tally
tallystick verify http://127.0.0.1:8080 --log-key "$(cat vkey)"
tallystick verify public/log --log-key "$(cat vkey)"
tallystick verify ledger.tally --processes 4""",
)
@click.argument("path", metavar="PATH|URL", type=PathOrUrl(path_type=Path, exists=True))
@click.option("--log-key", metavar="VKEY", help="The log's public key you know it by.")
@click.option("--ledger-id", metavar="HEX", help="The ledger's id you know it by.")
@click.option("--no-signatures", is_flag=True, help="Leave the transactions' signatures out (much faster).")
@click.option(
    "--processes", type=click.IntRange(min=0), default=2, show_default=True, help="To verify them in."
)
def command(
    session: Session,
    path: Path | str,
    *,
    log_key: str | None,
    ledger_id: str | None,
    no_signatures: bool,
    processes: int,
) -> None:
    """Recompute a whole ledger file, export or node's log, trusting nothing, and say what was proven.

    Every signature, transition, invariant, receipt, leaf and root is made again. On the first entry that is
    wrong it is named, and the exit code is 3. Of a ledger file, what lies beside the log is checked as well:
    the snapshots that a node would start from, and the database's own structure. Pin the ledger with
    --log-key or --ledger-id: otherwise the log itself said whose it is.
    """
    from tallystick.client.follow import open_url
    from tallystick.client.sources import LedgerFile, open_source
    from tallystick.client.verifier import verify

    source = open_url(path) if isinstance(path, str) else open_source(path)
    try:
        with session.progress("verifying", source.size()) as progress:
            verdict = verify(
                source,
                log_key=log_key,
                ledger_id=ledger_id,
                processes=processes,
                check_signatures=not no_signatures,
                progress=progress,
            )
        if isinstance(source, LedgerFile):
            _check_beside_the_log(source)
    finally:
        source.close()
    session.show(
        {
            "status": "verified",
            "ledger_id": verdict.ledger_id,
            "name": verdict.ledger_name,
            "entries": verdict.entries,
            "transactions": verdict.transactions,
            "signatures": verdict.signatures,
            "batches": verdict.batches,
            "accounts": verdict.accounts,
            "assets": verdict.assets,
            "state_root": None if verdict.state_root is None else verdict.state_root.hex(),
            "tree_root": verdict.tree_root.hex(),
            "checkpoint_size": verdict.checkpoint_size,
            "log_key": verdict.log_key,
            "sentence": verdict.sentence(),
        },
        verdict.sentence(),
    )


def _check_beside_the_log(source: "LedgerFile") -> None:
    """Check what the log does not need, but whoever opens the file believes. Raises what exits with 3."""
    from tallystick.client.sources import SourceError
    from tallystick.node.check import check_snapshot
    from tallystick.node.faults import JournalCorrupt

    try:
        source.check_database()
        for size, root, parts in source.snapshots():
            check_snapshot(parts, size=size, root=root)
    except (SourceError, JournalCorrupt) as error:
        source.check_unchanged()
        raise CommandError(
            str(error),
            code="journal_corrupt",
            exit_code=PROOF_FAILED,
            hint="every entry of the log holds; tallystick export keeps it, tallystick restore a backup",
        ) from error
