"""`tallystick replay`: an institution that failed, day by day, and when the alarm would have rung.

The rule, the cases and the report are `stress.replay`'s; this prints them. A user's own case is a file in the
same format. The rule that must hold: what is printed for people and what `--json`, `--picture` and `--html`
write comes from one document, made once.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session, read_file

TEMPLATE_HINT: Final = "tallystick replay --template prints a case that explains itself"
_TONES: Final[dict[str, dict[str, Any]]] = {
    "title": {"bold": True},
    "head": {"bold": True},
    "alarm": {"fg": "red"},
    "calm": {"fg": "green"},
    "dim": {"dim": True},
}


@make_command(
    "replay",
    example="""\
tallystick replay ftx
tallystick replay svb --picture svb.png --html svb.html
tallystick replay terra --json
tallystick replay svb --rescue                 how much help would have let it last
tallystick replay --template > my-case.yaml
tallystick replay my-case.yaml
tallystick replay svb --save svb.tally         the case as a ledger, to verify and to ask
tallystick replay svb --save apart.tally --which apart""",
)
@click.argument("name", metavar="ftx|terra|svb|FILE.yaml", required=False)
@click.option("--template", is_flag=True, help="Print a commented case to start from, and do nothing else.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report's picture to this file, as PNG.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the whole report to this file, as one HTML page that needs nothing else.",
)
@click.option("--rescue", is_flag=True, help="Also find, by bisection, the help that would have been enough.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write one of the case's ledgers to this new file, for `verify`, `balance` and every other command.",
)
@click.option(
    "--which",
    type=click.Choice(["published", "own-books", "apart"]),
    default="published",
    show_default=True,
    help="Which ledger to save: what was published, the run on its own books, or with custody apart.",
)
def command(
    session: Session,
    name: str | None,
    *,
    template: bool,
    picture: Path | None,
    html: Path | None,
    rescue: bool,
    save: Path | None,
    which: str,
) -> None:
    """Watch an institution fail, day by day, as it could be read then.

    Every figure has a source and the day of its publication, and nothing is read before its day. The books
    are kept on a ledger; one rule for all cases says when they alarm. Beside it stand sound peers, the
    assumptions and how far they may be wrong, and what the same withdrawals meet where custody is apart.
    """
    from tallystick.stress.replay.case import built_in

    if template:
        text = built_in("template")
        session.show({"template": text}, text.removesuffix("\n"))
        return
    if name is None:
        raise CommandError("which case?", hint=f"ftx, terra, svb or a file of your own; {TEMPLATE_HINT}")
    case = _read(name)
    from tallystick.stress.replay.report import report
    from tallystick.stress.replay.text import lines

    with _progress(session) as progress:
        document = report(case, rescue=rescue, progress=progress)
    if picture is not None:
        from tallystick.stress.replay.picture import write_png

        write_png(document, picture)
        session.note(f"wrote {picture}")
    if html is not None:
        from tallystick.stress.replay.page import page

        html.write_text(page(document), encoding="utf-8")
        session.note(f"wrote {html}")
    if save is not None:
        entries = _save(case, save, which)
        session.note(f"wrote {save}: {entries} transactions; try tallystick verify {save}")
    session.show(document, *(click.style(line.text, **_TONES.get(line.tone, {})) for line in lines(document)))


def _read(name: str) -> Any:
    """Return the case that a name or a file is, or refuse with every fault at once."""
    from tallystick.stress.replay.case import BUILT_IN, built_in, read_case
    from tallystick.stress.replay.document import DocumentInvalid

    if name in BUILT_IN:
        return read_case(built_in(name))
    path = Path(name)
    if name != "-" and not path.exists() and "." not in path.name:
        raise CommandError(
            f"{name[:60]!r} is no case that comes with the program, and no file",
            hint=f"ftx, terra, svb, or a file such as my-case.yaml; {TEMPLATE_HINT}",
        )
    try:
        return read_case(read_file(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is no UTF-8 text: byte {error.start}", hint=TEMPLATE_HINT) from None
    except DocumentInvalid as invalid:
        faults = invalid.faults
        told = "\n".join(f"  {fault}" for fault in faults)
        raise CommandError(
            f"{path} has {len(faults)} {'fault' if len(faults) == 1 else 'faults'}\n{told}",
            hint=TEMPLATE_HINT,
            code="case_invalid",
            facts={
                "faults": [
                    {"line": one.line, "column": one.column, "where": one.where, "what": one.what}
                    for one in faults
                ]
            },
        ) from None


@contextmanager
def _progress(session: Session) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for what is being done, and another once something else is."""
    with ExitStack() as stack:
        current: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in current:
                stack.pop_all().close()
                current.clear()
                current[what] = stack.enter_context(session.progress(what, total))
            current[what](done, total)

        yield progress


def _save(case: Any, path: Path, which: str) -> int:
    """Write a ledger of a case to a new file, batch by batch, and return how many transactions it has."""
    from tallystick.node.ledger_file import LedgerFile
    from tallystick.stress.replay.aftermath import apart, own_books
    from tallystick.stress.replay.watch import watch

    if which == "published":
        ledger = watch(case).world.ledger
    else:
        course = (apart if which == "apart" else own_books)(case, case.assumed)
        if course is None:
            raise CommandError(
                f"{case.name} has no withdrawals, so nothing ran there", hint="--which published"
            )
        ledger = course.ledger
    now = ledger.time
    with LedgerFile.create(path, genesis=ledger.genesis, log_key=ledger.log_key, clock=lambda: now) as file:
        for time, envelope in ledger.batches:
            outcome = file.submit([envelope], time=time)[0]
            if outcome.rejection is not None:
                raise outcome.rejection
        file.checkpoint()
    return len(ledger.batches)
