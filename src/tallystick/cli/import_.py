"""`tallystick import`: a file of payments, each line settled once or refused with a reason.

The work is the client's (`client.payments`); this shows its progress and counts. A line the ledger refused is
no error of the command: the report says which and why, and the exit code stays 0. Only a file that cannot be
read at all is one.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.payments import Columns

command = make_group("import", "Settle a file of payments, each line once.")


@command.add_command
@make_command(
    "payments",
    ledger=True,
    keys=True,
    example="""\
tallystick import payments pay.csv --asset eur@bank
tallystick import payments pay.csv --asset eur@bank --columns sender=from,receiver=to,amount=value,ref=id
tallystick import payments pay.csv --asset eur@bank --retry""",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--asset", required=True, help="What is paid.")
@click.option(
    "--columns",
    metavar="FIELD=COLUMN,…",
    default="",
    help="Which column is sender, receiver, amount and ref, where their names differ; `ref=` for none.",
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME=ACCOUNT",
    help="What the file calls an account; repeat. Others are taken in lower case.",
)
@click.option(
    "--decimals", type=click.IntRange(min=0), help="Decimals of the amounts; by default the asset's."
)
@click.option("--once-prefix", default="", help="Put before each reference, to tell files apart.")
@click.option("--delimiter", default=",", show_default=True, help="What separates columns.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="By default FILE.report.csv.")
@click.option("--retry", is_flag=True, help="Try lines again that an earlier run had refused.")
def payments(session: Session, file: Path, *, asset: str, **options: Any) -> None:
    """Pay every line of a CSV file, gross and in file order.

    The keyring holds the senders' keys. Each line ends as settled or refused with a code, in a report beside
    the file. A second run settles nothing twice: each line carries a once-key made of its reference. Lines
    that were refused are tried again only with --retry.
    """
    from tallystick.client.payments import import_payments

    keyring = session.keyring()
    lines = max(file.read_bytes().count(b"\n") - 1, 0)
    with session.writing() as ledger, session.progress("paying", lines) as progress:
        report = import_payments(
            file,
            ledger.file,
            keyring,
            asset=asset,
            columns=_columns(options["columns"]),
            accounts=_pairs(options["accounts"], "NAME=ACCOUNT"),
            decimals=options["decimals"],
            once_prefix=options["once_prefix"],
            delimiter=options["delimiter"],
            report=options["report"],
            retry=options["retry"],
            progress=progress,
        )
    summary = report.summary()
    counts = summary["counts"]
    session.show(
        summary,
        f"{summary['lines']} lines: "
        + ", ".join(f"{many} {status}" for status, many in counts.items() if many),
        *(f"  {many} {code}" for code, many in summary["codes"].items()),
    )
    place = options["report"] or file.with_name(file.name + ".report.csv")
    session.note(f"each line's outcome is in {place}")


def _pairs(texts: tuple[str, ...], form: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name or name in found:
            raise CommandError(
                f"{text[:60]!r} is not {form}, or given twice", hint="repeat the option for more"
            )
        found[name] = value
    return found


def _columns(text: str) -> "Columns":
    from tallystick.client.payments import Columns

    given = _pairs(tuple(part for part in text.split(",") if part), "FIELD=COLUMN")
    unknown = given.keys() - {"sender", "receiver", "amount", "ref"}
    if unknown:
        raise CommandError(
            f"{min(unknown)!r} is no field of a payment", hint="one of sender, receiver, amount, ref"
        )
    return Columns(
        sender=given.get("sender", "sender"),
        receiver=given.get("receiver", "receiver"),
        amount=given.get("amount", "amount"),
        reference=given.get("ref", "ref") or None,
    )
