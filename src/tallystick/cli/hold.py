"""`tallystick hold`: assets still owned but promised, until captured, released or expired."""

from typing import Any

import click

from tallystick.cli.changes import MINOR, changing, parse_amounts, settle
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

command = make_group("hold", "Promise assets to someone until an expiry.")


@command.add_command
@make_command(
    "create",
    changes=True,
    example="""\
tallystick hold create alice hotel 80.00 eur@bank --until 2d
tallystick hold create alice hotel --leg eur@bank=80 --leg gold@vault=1 --until 2d --at-expiry capture""",
)
@click.argument("account", metavar="FROM")
@click.argument("beneficiary")
@click.argument("amount", required=False)
@click.argument("asset", required=False)
@click.option("--leg", "legs", multiple=True, metavar="ASSET=AMOUNT", help="Several assets at once; repeat.")
@click.option("--until", required=True, help="The expiry: 2d, or a time.")
@click.option(
    "--at-expiry",
    type=click.Choice(["release", "capture"]),
    default="release",
    show_default=True,
    help="Who gets what is left then: FROM (release) or the beneficiary (capture).",
)
@click.option("--mandate", help="Under this mandate of FROM's; needs --sender.")
@click.option("--sender", help="The account that sends; with --mandate, the delegate's own.")
@MINOR
def create(
    session: Session,
    account: str,
    beneficiary: str,
    amount: str | None,
    asset: str | None,
    *,
    legs: tuple[str, ...],
    until: str,
    at_expiry: Any,
    mandate: str | None,
    sender: str | None,
    minor: bool,
) -> None:
    """Promise assets to BENEFICIARY. They stay FROM's, and cannot be spent twice."""
    from tallystick.client.actions import Hold
    from tallystick.client.times import parse_when

    if (amount is None) != (asset is None) or (amount is None) == (not legs):
        raise CommandError(
            "name AMOUNT and ASSET, or --leg ASSET=AMOUNT", hint="tallystick hold create --help"
        )
    if mandate is not None and sender is None:
        raise CommandError(
            "under a mandate somebody else sends", hint="name the delegate's own with --sender"
        )
    with changing(session) as ledger:
        action = Hold(
            account=account,
            beneficiary=beneficiary,
            legs=parse_amounts(ledger, legs or (f"{asset}={amount}",), minor=minor),
            expires=parse_when(until, now=ledger.now()),
            at_expiry=at_expiry,
            mandate=mandate,
        )
        settle(session, ledger, sender or account, action)


@command.add_command
@make_command(
    "capture",
    changes=True,
    example="""\
tallystick hold capture 12.0
tallystick hold capture 12.0 --leg eur@bank=30 --final""",
)
@click.argument("hold")
@click.option("--leg", "legs", multiple=True, metavar="ASSET=AMOUNT", help="Only so much; repeat.")
@click.option("--final", is_flag=True, help="Release what is left.")
@MINOR
def capture(session: Session, hold: str, *, legs: tuple[str, ...], final: bool, minor: bool) -> None:
    """As the beneficiary, take what was promised: all of it, or some."""
    from tallystick.client.actions import Capture

    with changing(session) as ledger:
        beneficiary = _hold(ledger, hold).beneficiary
        action = Capture(
            account=beneficiary, hold=hold, legs=parse_amounts(ledger, legs, minor=minor), final=final
        )
        settle(session, ledger, beneficiary, action)


@command.add_command
@make_command(
    "release",
    changes=True,
    example="tallystick hold release 12.0",
)
@click.argument("hold")
@click.option("--account", help="Who releases it: by default the beneficiary; after the expiry, anyone.")
def release(session: Session, hold: str, *, account: str | None) -> None:
    """Give a hold back to its owner."""
    from tallystick.client.actions import Release

    with changing(session) as ledger:
        who = account or _hold(ledger, hold).beneficiary
        settle(session, ledger, who, Release(account=who, hold=hold))


def _hold(ledger: OpenLedger, name: str) -> Any:
    from tallystick.client.vocabulary import Code, Rejection

    found = ledger.get("hold", name)
    if found is None:
        raise Rejection(Code.UNKNOWN_HOLD, hold=name[:64])
    return found


@command.add_command
@make_command("list", ledger=True, example="tallystick hold list alice --json")
@click.argument("account", required=False)
def list_(session: Session, account: str | None) -> None:
    """List the open holds, those of one account or all."""
    from tallystick.client.amounts import format_amount
    from tallystick.client.times import format_time

    documents = []
    with session.reading() as ledger:
        if account is not None:
            ledger.need_account(account)
        for key, hold in ledger.rows("hold"):
            if account is not None and account not in (hold.owner, hold.beneficiary):
                continue
            decimals = ledger.decimals(asset for asset, _ in hold.legs)
            documents.append(
                {
                    "hold": key[1],
                    "owner": hold.owner,
                    "beneficiary": hold.beneficiary,
                    "legs": [{"asset": asset, "units": str(units)} for asset, units in hold.legs],
                    "left": ", ".join(
                        f"{format_amount(units, decimals=decimals[asset])} {asset}"
                        for asset, units in hold.legs
                    ),
                    "expires": format_time(hold.expires),
                    "at_expiry": hold.at_expiry,
                }
            )
    session.rows(
        documents,
        ("hold", "hold"),
        ("owner", "owner"),
        ("beneficiary", "beneficiary"),
        ("left", "left"),
        ("until", "expires"),
        ("then", "at_expiry"),
    )
