"""`tallystick history`: an account's postings with the balance after each, checked against the log."""

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command(
    "history",
    ledger=True,
    example="""\
tallystick history alice
tallystick history alice --asset eur@bank --limit 20 --json
tallystick history alice --after 120.0                       the page after that posting
tallystick history alice --since 2026-11-01T00:00:00Z --until 2026-11-30T23:59:59.999999Z
tallystick history alice --newest --limit 5                  the last five""",
)
@click.argument("account")
@click.option("--asset", help="Of this asset only.")
@click.option("--after", metavar="ENTRY[.N]", help="Only postings after this place, in the order shown.")
@click.option("--since", metavar="TIME", help="Not before this time, such as 2026-11-20T13:00:00Z.")
@click.option("--until", metavar="TIME", help="Not after this time, which is included.")
@click.option("--newest", is_flag=True, help="Newest first.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="At most so many.")
def command(
    session: Session,
    account: str,
    *,
    asset: str | None,
    after: str | None,
    since: str | None,
    until: str | None,
    newest: bool,
    limit: int,
) -> None:
    """Show what moved on an account, oldest first or --newest first, with the balance after each posting.

    Each row was compared with the receipt that the log commits to. `place` is entry and number: hand the
    last one to --after for the next page, with the same --newest, --since and --until. Times are the
    ledger's, both ends included.
    """
    from tallystick.client.amounts import format_amount
    from tallystick.client.times import format_time

    start, end = _bound(since, "--since"), _bound(until, "--until")
    if start is not None and end is not None and start > end:
        raise CommandError(f"--since {since} is later than --until {until}", hint="swap the two")
    place = _place(after, newest=newest)
    with session.reading() as ledger:
        found = ledger.history(
            account, asset=asset, after=place, since=start, until=end, newest_first=newest, limit=limit
        )
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


def _bound(text: str | None, option: str) -> int | None:
    from tallystick.client.times import parse_time

    if text is None:
        return None
    time = parse_time(text)
    if time < 0:
        raise CommandError(f"{option} {text} is before 1970", hint="leave it out to begin at genesis")
    return time


def _place(text: str | None, *, newest: bool) -> tuple[int, int]:
    """Return where a page starts: `120` is after all of entry 120, `120.0` after its first posting.

    With the newest first, what comes after all of an entry is what lies before its first posting.
    """
    if text is None:
        return -1, -1
    entry, separator, number = text.partition(".")
    digits = entry + number
    if not (digits.isascii() and entry.isdigit()) or (separator and not number.isdigit()):
        raise CommandError(
            f"{text[:40]!r} is not ENTRY or ENTRY.N", hint="take `place` from a row of history"
        )
    whole = 0 if newest else 1 << 62
    return int(entry), int(number) if separator else whole
