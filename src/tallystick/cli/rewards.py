"""`tallystick rewards`: stake, and take what the stake earns.

What a distributor pays in is released over a period and shared by time and stake. `show` asks what an account
has earned by now; `claim` demands no less than that, and leaves the stake where it is. REWARDS is a deployed
contract of kind `rewards`.
"""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.asking import asker, parameters_of, told
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.rewards import Rewards

command = make_group("rewards", "Stake, and take what the stake earns.")


def _rewards(ledger: OpenLedger, name: str) -> "Rewards":
    from tallystick.client.rewards import KIND, rewards_of

    return rewards_of(name, parameters_of(ledger, name, KIND))


@command.add_command
@make_command(
    "show",
    ledger=True,
    example="""\
tallystick rewards show rewards-1
tallystick rewards show rewards-1 alice --json""",
)
@click.argument("rewards")
@click.argument("account", required=False)
def show(session: Session, rewards: str, account: str | None) -> None:
    """Show what is staked and when each period finishes; with ACCOUNT, its stake and what that earned.

    All of it is as of the ledger's last entry: time that passed since then is counted in the next one.
    """
    from tallystick.client.rewards import earned_of
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        if account is not None:
            ledger.need_account(account)
        found, ask = _rewards(ledger, rewards), asker(ledger)
        total = ask(rewards, "total_staked")
        document: dict[str, Any] = {
            "rewards": rewards,
            "stake_asset": found.stake_asset,
            "total_staked": str(total),
        }
        lines = [f"staked by all  {told(ledger, found.stake_asset, total)}"]
        earned: dict[str, int] = {}
        if account is not None:
            staked = ask(rewards, "staked", account=account)
            document |= {"account": account, "staked": str(staked)}
            lines.append(f"by {account}  {told(ledger, found.stake_asset, staked)}")
            earned = earned_of(ask, found, account=account)
        periods = []
        for one in found.rewards:
            finish = ask(rewards, "finish", asset=one.asset)
            # A period that was never paid in has no finish; with remainders carried it stands at its start.
            paid_in = ask(rewards, "stream", asset=one.asset).finish > 0
            period = {
                "asset": one.asset,
                "distributor": one.distributor,
                "duration_seconds": str(one.duration_seconds),
                "finish": format_time(finish) if paid_in else None,
            }
            line = f"{one.asset}  " + (
                f"a period until {period['finish']}" if paid_in else "nothing paid in yet"
            )
            if account is not None:
                period["earned"] = str(earned[one.asset])
                line += f", {told(ledger, one.asset, earned[one.asset])} earned"
            periods.append(period)
            lines.append(line)
    session.show(document | {"periods": periods}, *lines)


@command.add_command
@make_command(
    "stake",
    changes=True,
    example="""\
tallystick rewards stake rewards-1 alice 100.00
tallystick rewards stake rewards-1 alice 100.00 --dry-run""",
)
@click.argument("rewards")
@click.argument("account")
@click.argument("amount")
@MINOR
def stake(session: Session, rewards: str, account: str, amount: str, *, minor: bool) -> None:
    """Stake AMOUNT: it earns from now on, and can be taken back at any time."""
    from tallystick.client.rewards import stake_call

    with changing(session) as ledger:
        found = _rewards(ledger, rewards)
        units = units_of(ledger, found.stake_asset, amount, minor=minor)
        settle(session, ledger, account, stake_call(found, account=account, units=units))


@command.add_command
@make_command(
    "unstake",
    changes=True,
    example="""\
tallystick rewards unstake rewards-1 alice 40.00
tallystick rewards unstake rewards-1 alice --all""",
)
@click.argument("rewards")
@click.argument("account")
@click.argument("amount", required=False)
@click.option("--all", "everything", is_flag=True, help="Take the whole stake back.")
@MINOR
def unstake(
    session: Session, rewards: str, account: str, amount: str | None, *, everything: bool, minor: bool
) -> None:
    """Take AMOUNT of the stake back, or all of it. What it earned waits to be claimed."""
    from tallystick.client.rewards import unstake_call

    if everything == (amount is not None):
        raise CommandError("say AMOUNT or --all", hint="one of the two")
    with changing(session) as ledger:
        found = _rewards(ledger, rewards)
        if amount is None:
            units = asker(ledger)(rewards, "staked", account=account)
        else:
            units = units_of(ledger, found.stake_asset, amount, minor=minor)
        if not units:
            raise CommandError(
                f"{account} takes nothing out of {rewards}",
                hint=f"see tallystick rewards show {rewards} {account}",
            )
        settle(session, ledger, account, unstake_call(found, account=account, units=units))


@command.add_command
@make_command(
    "claim",
    changes=True,
    example="""\
tallystick rewards claim rewards-1 alice
tallystick rewards claim rewards-1 alice gold@bank""",
)
@click.argument("rewards")
@click.argument("account")
@click.argument("assets", metavar="[ASSET]...", nargs=-1)
def claim(session: Session, rewards: str, account: str, assets: tuple[str, ...]) -> None:
    """Take what was earned of every reward, or of each ASSET: at least what `show` says, or nothing."""
    from tallystick.client.rewards import claim_call, earned_of

    with changing(session) as ledger:
        found = _rewards(ledger, rewards)
        named = {one.asset for one in found.rewards}
        for asset in assets:
            if asset not in named:
                raise CommandError(f"{rewards} pays no {asset}", hint=f"it pays {', '.join(sorted(named))}")
        ask = asker(ledger)
        earned = {
            asset: units
            for asset, units in earned_of(ask, found, account=account).items()
            if not assets or asset in assets
        }
        # What it says is as of the last entry: a stake has earned more by the time a claim is executed.
        if not any(earned.values()) and not ask(rewards, "staked", account=account):
            raise CommandError(
                f"{account} has neither a stake in {rewards} nor anything to claim",
                hint=f"see tallystick rewards show {rewards} {account}",
            )
        settle(session, ledger, account, claim_call(found, account=account, earned=earned))


@command.add_command
@make_command("fund", changes=True, example="tallystick rewards fund rewards-1 bank 500.00 gold@bank")
@click.argument("rewards")
@click.argument("account")
@click.argument("amount")
@click.argument("asset")
@MINOR
def fund(session: Session, rewards: str, account: str, amount: str, asset: str, *, minor: bool) -> None:
    """Pay AMOUNT in as its distributor: a period starts with it and with what the last one has left.

    It cannot be taken back.
    """
    from tallystick.client.rewards import fund_call

    with changing(session) as ledger:
        found = _rewards(ledger, rewards)
        units = units_of(ledger, asset, amount, minor=minor)
        settle(session, ledger, account, fund_call(found, account=account, asset=asset, units=units))
