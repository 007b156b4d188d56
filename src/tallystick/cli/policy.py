"""`tallystick policy`: an issuer's lists, which change at once, and rules, which change after a delay."""

import click

from tallystick.cli.asset import parse_rules
from tallystick.cli.changes import changing, settle
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

command = make_group("policy", "Admit, freeze and change an asset's rules.")

UNDO = click.option("--undo", is_flag=True, help="Take it off the list again.")


def _set_listing(session: Session, *, asset: str, subject: str, name: str, listed: bool) -> None:
    from tallystick.client.actions import SetListing

    with changing(session) as ledger:
        keeper = _power(ledger, asset, "lists_by")
        action = SetListing(account=keeper, asset=asset, list=name, subject=subject, listed=listed)
        settle(session, ledger, keeper, action)


def _power(ledger: OpenLedger, asset: str, field: str) -> str:
    """Return who has the power over the asset."""
    policy = ledger.need_asset(asset).policy
    holder: str = "" if policy is None else getattr(policy, field)
    if not holder:
        raise CommandError(
            f"{asset} named nobody as {field.replace('_', ' ')} at its creation",
            hint="nothing can change that",
        )
    return holder


@command.add_command
@make_command("admit", changes=True, example="tallystick policy admit eur@bank alice")
@click.argument("asset")
@click.argument("account")
@UNDO
def admit(session: Session, asset: str, account: str, *, undo: bool) -> None:
    """Put an account on the asset's list of those admitted."""
    _set_listing(session, asset=asset, subject=account, name="admitted", listed=not undo)


@command.add_command
@make_command(
    "freeze",
    changes=True,
    example="""\
tallystick policy freeze eur@bank mallory
tallystick policy freeze eur@bank mallory --undo""",
)
@click.argument("asset")
@click.argument("account")
@UNDO
def freeze(session: Session, asset: str, account: str, *, undo: bool) -> None:
    """Put an account on the asset's list of those frozen: it neither pays nor receives this asset."""
    _set_listing(session, asset=asset, subject=account, name="frozen", listed=not undo)


@command.add_command
@make_command(
    "change",
    changes=True,
    example="tallystick policy change eur@bank --rule balance_max=10000000",
)
@click.argument("asset")
@click.option("--rule", "rules", multiple=True, metavar="NAME=N", help="A rule, in minor units; repeat.")
def change(session: Session, asset: str, *, rules: tuple[str, ...]) -> None:
    """Announce new rules. They replace all the old ones after the delay declared at creation."""
    from tallystick.client.actions import ChangePolicy

    with changing(session) as ledger:
        keeper = _power(ledger, asset, "rules_by")
        settle(session, ledger, keeper, ChangePolicy(account=keeper, asset=asset, rules=parse_rules(rules)))
