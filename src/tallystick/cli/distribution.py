"""`tallystick distribution`: income back to those who contributed, and why each amount is what it is.

Attestors say what contributions weigh, anybody pays income in and splits it, and each recipient claims its
credit. `why` shows every number that gave an account its part. DISTRIBUTION is a deployed contract of kind
`distribution`.
"""

from typing import Any

import click

from tallystick.cli.asking import asker, parameters_of, told
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

command = make_group("distribution", "Split income among those who contributed.")


def _asset(ledger: OpenLedger, name: str) -> str:
    from tallystick.client.distributions import KIND

    asset: str = parameters_of(ledger, name, KIND)["asset"]
    return asset


@command.add_command
@make_command(
    "show",
    ledger=True,
    example="""\
tallystick distribution show royalties
tallystick distribution show royalties alice --json""",
)
@click.argument("distribution")
@click.argument("account", required=False)
def show(session: Session, distribution: str, account: str | None) -> None:
    """Show the rules in force, the income to split and what is credited; with ACCOUNT, its own."""
    with session.reading() as ledger:
        if account is not None:
            ledger.need_account(account)
        asset, ask = _asset(ledger, distribution), asker(ledger)
        book = ask(distribution, "state")
        rules = book.rules
        document: dict[str, Any] = {
            "distribution": distribution,
            "asset": asset,
            "attestors": list(rules.attestors),
            "quorum": str(rules.quorum),
            "half_life_seconds": str(rules.half_life_seconds),
            "cap_ppm": str(rules.cap_ppm),
            "income": str(book.income),
            "credited": str(book.credited),
            "contributors": str(book.contributors),
            "splits": str(book.splits),
        }
        agreeing = f"{rules.quorum} of {', '.join(rules.attestors)}"
        fades = f"half in {rules.half_life_seconds} s" if rules.half_life_seconds else "never"
        lines = [
            f"to split  {told(ledger, asset, book.income)} among {book.contributors} contributors",
            f"credited  {told(ledger, asset, book.credited)} by {book.splits} splits",
            f"weights   as {agreeing} attest; they fade {fades}; each at most {rules.cap_ppm} ppm of all",
        ]
        if account is not None:
            weight = ask(distribution, "weight", account=account)
            credit = ask(distribution, "credit", account=account)
            document |= {"account": account, "weight": str(weight), "credit": str(credit)}
            lines.append(f"{account}  weighs {weight}, can claim {told(ledger, asset, credit)}")
    session.show(document, *lines)


@command.add_command
@make_command(
    "why",
    ledger=True,
    example="""\
tallystick distribution why royalties alice
tallystick distribution why royalties alice 3 --json""",
)
@click.argument("distribution")
@click.argument("account")
@click.argument("split", type=click.IntRange(1), required=False)
def why(session: Session, distribution: str, account: str, split: int | None) -> None:
    """Show every number that gave ACCOUNT its part of a SPLIT, by default the last one.

    The part is the income times what its weight counts, over the whole, rounded down; what rounding leaves
    is income of the next split.
    """
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        ledger.need_account(account)
        asset, ask = _asset(ledger, distribution), asker(ledger)
        number = split or ask(distribution, "state").splits
        if not number:
            raise CommandError(
                f"{distribution} has not split anything yet",
                hint=f"see tallystick distribution show {distribution}",
            )
        part = ask(distribution, "arithmetic", account=account, split=number)
        document = {
            "split": str(part.split),
            "time": format_time(part.time),
            "account": account,
            "asset": asset,
            "weight": str(part.weight),
            "attested": format_time(part.attested),
            "half_life_seconds": str(part.half_life_seconds),
            "faded": str(part.faded),
            "cap": str(part.cap),
            "counted": str(part.counted),
            "whole": str(part.whole),
            "income": str(part.income),
            "units": str(part.units),
            "told": part.told,
        }
        lines = [
            f"split {part.split} at {document['time']}",
            f"{told(ledger, asset, part.income)}, of which {account} got {told(ledger, asset, part.units)}",
            part.told,
        ]
    session.show(document, *lines)


@command.add_command
@make_command(
    "attest",
    changes=True,
    example="tallystick distribution attest royalties editor alice 300 issue-2026-11",
)
@click.argument("distribution")
@click.argument("account")
@click.argument("contributor")
@click.argument("weight", type=int)
@click.argument("reference")
def attest(  # noqa: PLR0917 (a command's own words, in its own order)
    session: Session, distribution: str, account: str, contributor: str, weight: int, reference: str
) -> None:
    """Say as an attestor that CONTRIBUTOR's contribution weighs WEIGHT.

    REFERENCE names the contribution: it counts once, when as many as the quorum said the same of it.
    """
    from tallystick.client.distributions import attest_call

    with changing(session) as ledger:
        _asset(ledger, distribution)
        ledger.need_account(contributor)
        built = attest_call(
            distribution, account=account, contributor=contributor, weight=weight, reference=reference
        )
        settle(session, ledger, account, built)


@command.add_command
@make_command("pay-in", changes=True, example="tallystick distribution pay-in royalties shop 1000.00")
@click.argument("distribution")
@click.argument("account")
@click.argument("amount")
@MINOR
def pay_in(session: Session, distribution: str, account: str, amount: str, *, minor: bool) -> None:
    """Bring AMOUNT of income, to be split. It cannot be taken back."""
    from tallystick.client.distributions import pay_in_call

    with changing(session) as ledger:
        asset = _asset(ledger, distribution)
        units = units_of(ledger, asset, amount, minor=minor)
        settle(session, ledger, account, pay_in_call(distribution, account=account, asset=asset, units=units))


@command.add_command
@make_command(
    "split",
    changes=True,
    example="""\
tallystick distribution split royalties alice --dry-run
tallystick distribution split royalties alice""",
)
@click.argument("distribution")
@click.argument("account")
def split_(session: Session, distribution: str, account: str) -> None:
    """Split the income by the weights of now, as anybody: each contributor is credited its part."""
    from tallystick.client.distributions import split_call

    with changing(session) as ledger:
        _asset(ledger, distribution)
        settle(session, ledger, account, split_call(distribution, account=account))


@command.add_command
@make_command(
    "claim",
    changes=True,
    example="""\
tallystick distribution claim royalties alice
tallystick distribution claim royalties alice 50.00""",
)
@click.argument("distribution")
@click.argument("account")
@click.argument("amount", required=False)
@MINOR
def claim(session: Session, distribution: str, account: str, amount: str | None, *, minor: bool) -> None:
    """Take AMOUNT of the credit, or all of it. A credit waits as long as it has to."""
    from tallystick.client.distributions import withdraw_call

    with changing(session) as ledger:
        asset = _asset(ledger, distribution)
        if amount is None:
            units = asker(ledger)(distribution, "credit", account=account)
        else:
            units = units_of(ledger, asset, amount, minor=minor)
        if not units:
            raise CommandError(
                f"{account} has nothing to claim in {distribution}",
                hint=f"see tallystick distribution show {distribution} {account}",
            )
        built = withdraw_call(distribution, account=account, asset=asset, units=units)
        settle(session, ledger, account, built)
