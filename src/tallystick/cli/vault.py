"""`tallystick vault`: hold shares of a vault, in amounts of what it holds.

Each command asks the vault's own views and signs no worse than they promise, less the slippage. Where a
vault has windows, `deposit` and `withdraw` make a request: `requests` shows when its window closes, and
`claim` takes what it gives. A vault is deployed with `tallystick contract deploy NAME vault`.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import SLIPPAGE, asker, parameters_of, told
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.vaults import Vault

command = make_group("vault", "Hold shares of a vault.")


def _vault(ledger: OpenLedger, name: str) -> "Vault":
    from tallystick.client.vaults import KIND, vault_of

    return vault_of(name, parameters_of(ledger, name, KIND))


@command.add_command
@make_command(
    "position",
    ledger=True,
    example="""\
tallystick vault position vault-1 alice
tallystick vault position vault-1 alice --json""",
)
@click.argument("vault")
@click.argument("account")
def position(session: Session, vault: str, account: str) -> None:
    """Show an account's shares, and what they would be redeemed for now."""
    with session.reading() as ledger:
        ledger.need_account(account)
        found = _vault(ledger, vault)
        worth = asker(ledger)(vault, "position", account=account)
        line = f"{told(ledger, found.share, worth.shares)}, worth {told(ledger, found.asset, worth.units)}"
    document = {
        "vault": vault,
        "account": account,
        "shares": str(worth.shares),
        "units": str(worth.units),
        "asset": found.asset,
    }
    session.show(document, line)


@command.add_command
@make_command(
    "deposit",
    changes=True,
    example="""\
tallystick vault deposit vault-1 alice 100.00
tallystick vault deposit vault-1 alice 100.00 --slippage 0% --dry-run""",
)
@click.argument("vault")
@click.argument("account")
@click.argument("amount")
@SLIPPAGE
@MINOR
def deposit(session: Session, vault: str, account: str, amount: str, *, slippage: str, minor: bool) -> None:
    """Put AMOUNT in: for shares at once, or as a request where deposits wait."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.vaults import deposit_call

    with changing(session) as ledger:
        found = _vault(ledger, vault)
        units = units_of(ledger, found.asset, amount, minor=minor)
        built = deposit_call(
            asker(ledger), found, account=account, units=units, slippage_bps=parse_bps(slippage)
        )
        settle(session, ledger, account, built)


@command.add_command
@make_command(
    "withdraw",
    changes=True,
    example="""\
tallystick vault withdraw vault-1 alice 100.00
tallystick vault withdraw vault-1 alice --all""",
)
@click.argument("vault")
@click.argument("account")
@click.argument("amount", required=False)
@click.option("--all", "everything", is_flag=True, help="Redeem all shares of ACCOUNT.")
@SLIPPAGE
@MINOR
def withdraw(
    session: Session,
    vault: str,
    account: str,
    amount: str | None,
    *,
    everything: bool,
    slippage: str,
    minor: bool,
) -> None:
    """Take AMOUNT or everything out: at once, or as a request where redemptions wait."""
    from tallystick.client.calls import parse_bps
    from tallystick.client.vaults import withdraw_call

    if everything == (amount is not None):
        raise CommandError("say AMOUNT or --all", hint="one of the two")
    with changing(session) as ledger:
        found = _vault(ledger, vault)
        units = None if amount is None else units_of(ledger, found.asset, amount, minor=minor)
        built = withdraw_call(
            asker(ledger), found, account=account, units=units, slippage_bps=parse_bps(slippage)
        )
        settle(session, ledger, account, built)


@command.add_command
@make_command(
    "requests",
    ledger=True,
    example="""\
tallystick vault requests vault-1 alice
tallystick vault requests vault-1 alice --json""",
)
@click.argument("vault")
@click.argument("account")
def requests(session: Session, vault: str, account: str) -> None:
    """Show an account's requests: when each window closes, and what it gives or would give now."""
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        ledger.need_account(account)
        found = _vault(ledger, vault)
        documents: list[dict[str, Any]] = [
            {
                "window": str(one.window),
                "side": one.side,
                "asked": told(ledger, found.asset if one.side == "deposit" else found.share, one.asked),
                "status": one.status,
                "closes": format_time(one.closes),
                "gives": told(ledger, one.gives_asset, one.gives),
            }
            for one in asker(ledger)(vault, "requests", account=account)
        ]
    session.rows(
        documents,
        ("window", "window"),
        ("side", "side"),
        ("asked", "asked"),
        ("status", "status"),
        ("closes", "closes"),
        ("gives", "gives"),
    )


@command.add_command
@make_command("claim", changes=True, example="tallystick vault claim vault-1 alice")
@click.argument("vault")
@click.argument("account")
def claim(session: Session, vault: str, account: str) -> None:
    """Claim every request of the account whose window has closed, in one transaction."""
    from tallystick.client.vaults import claim_call

    with changing(session) as ledger:
        found = _vault(ledger, vault)
        calls = [
            claim_call(
                found,
                account=account,
                window=one.window,
                side=one.side,
                gives={one.gives_asset: one.gives},
            )
            for one in asker(ledger)(vault, "requests", account=account)
            if one.status == "claimable"
        ]
        if not calls:
            raise CommandError(
                f"{account} has nothing to claim in {vault}", hint="see tallystick vault requests"
            )
        settle(session, ledger, account, *calls)


@command.add_command
@make_command("cancel", changes=True, example="tallystick vault cancel vault-1 alice")
@click.argument("vault")
@click.argument("account")
def cancel(session: Session, vault: str, account: str) -> None:
    """Take every pending request of the account back, in one transaction."""
    from tallystick.client.vaults import cancel_call

    with changing(session) as ledger:
        found = _vault(ledger, vault)
        calls = [
            cancel_call(found, account=account, window=one.window, side=one.side, asked=one.asked)
            for one in asker(ledger)(vault, "requests", account=account)
            if one.status == "pending"
        ]
        if not calls:
            raise CommandError(
                f"{account} has nothing pending in {vault}", hint="see tallystick vault requests"
            )
        settle(session, ledger, account, *calls)
