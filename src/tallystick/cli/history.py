"""`tallystick history`: an account's postings with the balance after each, checked against the log."""

import click

from tallystick.cli.frame import CommandError, make_command
from tallystick.cli.session import Session


@make_command(
    "history",
    ledger=True,
    example="""\
tallystick history alice
tallystick history alice --asset eur@bank --limit 20 --json
tallystick history alice --after 120.0                       the page after that posting""",
)
@click.argument("account")
@click.option("--asset", help="Of this asset only.")
@click.option("--after", metavar="ENTRY[.N]", help="Only postings after this place in the log.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="At most so many.")
def command(session: Session, account: str, *, asset: str | None, after: str | None, limit: int) -> None:
    """Show what moved on an account, oldest first, with the balance after each posting.

    Each row was compared with the receipt that the log commits to. `place` is entry and number: hand the
    last one to --after for the next page.
    """
    from tallystick.client.amounts import format_amount
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        found = ledger.history(account, asset=asset, after=_place(after), limit=limit)
        decimals = ledger.decimals(row.asset for row in found)
    documents = []
    for row in found:
        places = decimals[row.asset]
        sign = "+" if row.change > 0 else ""
        documents.append(
            {
                "place": f"{row.index}.{row.n}",
                "entry": row.index,
                "time": format_time(row.time),
                "asset": row.asset,
                "change_units": str(row.change),
                "balance_units": str(row.balance),
                "change": sign + format_amount(row.change, decimals=places),
                "balance": format_amount(row.balance, decimals=places),
            }
        )
    session.rows(
        documents,
        ("place", "place"),
        ("time", "time"),
        ("change", "change"),
        ("asset", "asset"),
        ("balance", "balance"),
    )
    if len(documents) == limit:
        session.note(f"hint: more with --after {documents[-1]['place']}")


def _place(text: str | None) -> tuple[int, int]:
    """Return where a page starts: `120` is after all of entry 120, `120.0` after its first posting."""
    if text is None:
        return -1, -1
    entry, separator, number = text.partition(".")
    if not entry.isdigit() or (separator and not number.isdigit()):
        raise CommandError(
            f"{text[:40]!r} is not ENTRY or ENTRY.N", hint="take `place` from a row of history"
        )
    return int(entry), int(number) if separator else 1 << 62
