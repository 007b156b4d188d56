"""`tallystick submit`: hand signed files to the ledger. A file that was settled settles no second time."""

from pathlib import Path

import click

from tallystick.cli.changes import tell_receipt
from tallystick.cli.errors import REJECTED
from tallystick.cli.frame import explain, make_command, tell
from tallystick.cli.session import Session, read_file


@make_command(
    "submit",
    ledger=True,
    example="""\
tallystick submit payment.json
tallystick submit trade-1.json trade-2.json --json""",
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
def command(session: Session, files: tuple[Path, ...]) -> None:
    """Submit signed transaction files, in order; each settles or is refused by itself.

    A file that is in the log already gets the identical receipt, and the answer says so.
    """
    refused = False
    with session.writing() as ledger:
        outcomes = ledger.file.submit([read_file(file) for file in files])
        for file, outcome in zip(files, outcomes, strict=True):
            if outcome.rejection is not None:
                problem = explain(outcome.rejection)
                assert problem is not None
                session.note(f"{file}:")
                tell(problem, as_json=session.json)
                refused = True
                continue
            status = "repeated" if outcome.repeated else "settled"
            tell_receipt(session, ledger, outcome.receipt, status=status)
    if refused:
        click.get_current_context().exit(REJECTED)
