"""`tallystick pay`: one payment, or many legs in one signature that settle together or not at all."""

import click

from tallystick.cli.changes import MINOR, changing, parse_amounts, parse_leg, settle
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command(
    "pay",
    changes=True,
    example="""\
tallystick pay alice bob 12.50 eur@bank --ref "invoice 17"
tallystick pay alice bob 12.50 eur@bank --once invoice-17
tallystick pay alice --leg eur@bank:bob:5 --leg gold@vault:carol:0.125
tallystick pay alice shop 3.00 eur@bank --mandate groceries --sender agent""",
)
@click.argument("account", metavar="FROM")
@click.argument("to", required=False)
@click.argument("amount", required=False)
@click.argument("asset", required=False)
@click.option("--leg", "legs", multiple=True, metavar="ASSET:TO:AMOUNT", help="Several at once; repeat.")
@click.option("--ref", "reference", default="", help="A short public reference; nothing personal.")
@click.option("--mandate", help="Pay under this mandate of FROM's, with the key it was granted to.")
@click.option("--sender", help="The account that sends the transaction; with --mandate, the delegate's own.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="ASSET=AMOUNT",
    help="Refuse the whole if FROM would lose more than this of the asset; repeat.",
)
@MINOR
def command(
    session: Session,
    account: str,
    to: str | None,
    amount: str | None,
    asset: str | None,
    *,
    legs: tuple[str, ...],
    reference: str,
    mandate: str | None,
    sender: str | None,
    limits: tuple[str, ...],
    minor: bool,
) -> None:
    """Pay one account or many.

    AMOUNT is written as people write it (12.50) in the decimals of the asset. All legs settle together or
    none does. With --once a second payment under the same key is refused: one invoice, one payment.
    """
    from tallystick.client.actions import NetLimit, Transfer

    given = (to, amount, asset)
    if (any(given) and not all(given)) or bool(legs) == all(given):
        raise CommandError("name TO AMOUNT ASSET, or --leg ASSET:TO:AMOUNT", hint="tallystick pay --help")
    if mandate is not None and sender is None:
        raise CommandError(
            "under a mandate somebody else sends", hint="name the delegate's own account with --sender"
        )
    texts = legs or (f"{asset}:{to}:{amount}",)
    with changing(session) as ledger:
        parsed = tuple(parse_leg(ledger, text, minor=minor) for text in texts)
        settle(
            session,
            ledger,
            sender or account,
            Transfer(account=account, legs=parsed, reference=reference, mandate=mandate),
            limits=[
                NetLimit(account=account, asset=limited, least=f"-{units}" if units != "0" else "0")
                for limited, units in parse_amounts(ledger, limits, minor=minor)
            ],
        )
