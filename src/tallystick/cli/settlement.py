"""`tallystick settlement`: linked obligations of several parties that settle together or not at all.

`agree` writes the legs down, `show` tells what each party is to pay in after netting and which model of
delivery against payment it is, and `fund` pays a due in. When all is there, everything settles at once. At
the deadline as many lots settle as are there, if enough are, and the rest is paid back by the contract's own
timer. SETTLEMENT is a contract of kind `swap_settlement`, NUMBER a due in it, as `show` counts them.
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
    from tallystick.client.settlements import Leg

command = make_group("settlement", "Settle several parties' obligations together or not at all.")


def _check_kind(ledger: OpenLedger, name: str) -> dict[str, Any]:
    from tallystick.client.settlements import KIND

    return parameters_of(ledger, name, KIND)


def _leg(ledger: OpenLedger, text: str, *, minor: bool) -> "Leg":
    from tallystick.client.settlements import Leg

    parts = text.split(":")
    if len(parts) != 4:
        raise CommandError(
            f"{text[:80]!r} is not a leg",
            hint="write PAYER:RECEIVER:AMOUNT:ASSET, as alice:bob:5.00:eur@bank",
        )
    payer, receiver, amount, asset = parts
    ledger.need_account(payer)
    ledger.need_account(receiver)
    return Leg(payer, receiver, units_of(ledger, asset, amount, minor=minor), asset)


def _due(ledger: OpenLedger, settlement: str, number: int) -> Any:
    dues = asker(ledger)(settlement, "dues")
    if number >= len(dues):
        raise CommandError(
            f"{settlement} has {len(dues)} dues, numbered from 0: there is no {number}",
            hint=f"see tallystick settlement show {settlement}",
        )
    return dues[number]


@command.add_command
@make_command(
    "agree",
    changes=True,
    example="""\
tallystick settlement agree deal-1 alice --until 2d --money eur@bank \\
    --leg alice:bob:10.000:gold@bank --leg bob:alice:500.00:eur@bank
tallystick settlement agree deal-2 alice --until 2d --money eur@bank --lots 10 --at-least 4 \\
    --leg alice:bob:10.000:gold@bank --leg bob:alice:500.00:eur@bank""",
)
@click.argument("settlement")
@click.argument("account")
@click.option(
    "--leg", "legs", multiple=True, required=True, metavar="PAYER:RECEIVER:AMOUNT:ASSET", help="Repeat."
)
@click.option("--until", required=True, metavar="WHEN", help="The deadline: a time, or such as 2d.")
@click.option("--money", multiple=True, metavar="ASSET", help="This asset is payment, not delivery; repeat.")
@click.option("--net", multiple=True, metavar="ASSET", help="Only balances of it are paid in; repeat.")
@click.option(
    "--lots", type=click.IntRange(1), default=1, show_default=True, help="Every leg divides into so many."
)
@click.option(
    "--at-least", type=click.IntRange(1), default=None, help="So many lots settle, or none; by default all."
)
@click.option("--arbiter", default="", metavar="ACCOUNT", help="May call dues off before the deadline.")
@MINOR
def agree(
    session: Session,
    settlement: str,
    account: str,
    *,
    legs: tuple[str, ...],
    until: str,
    money: tuple[str, ...],
    net: tuple[str, ...],
    lots: int,
    at_least: int | None,
    arbiter: str,
    minor: bool,
) -> None:
    """Write an agreement down as the contract SETTLEMENT. Nobody owes anything before it pays in."""
    from tallystick.client.settlements import agreement
    from tallystick.client.times import parse_when

    with changing(session) as ledger:
        if arbiter:
            ledger.need_account(arbiter)
        written = [_leg(ledger, text, minor=minor) for text in legs]
        assets = {leg.asset for leg in written}
        for asset in (*money, *net):
            if asset not in assets:
                raise CommandError(f"no leg pays {asset}", hint=f"they pay {', '.join(sorted(assets))}")
        built = agreement(
            settlement,
            account=account,
            legs=written,
            deadline=parse_when(until, now=ledger.now()),
            arbiter=arbiter,
            funds=money,
            netted=net,
            lots=lots,
            lots_least=lots if at_least is None else at_least,
        )
        settle(session, ledger, account, built)


@command.add_command
@make_command(
    "show",
    ledger=True,
    example="""\
tallystick settlement show deal-1
tallystick settlement show deal-1 --json""",
)
@click.argument("settlement")
def show(session: Session, settlement: str) -> None:
    """Show the model by its name in the PFMI, the deadline, and what each party is to pay in and has."""
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        parameters, ask = _check_kind(ledger, settlement), asker(ledger)
        dues = [
            {
                "number": str(number),
                "payer": one.payer,
                "receiver": one.receiver or None,
                "asset": one.asset,
                "units": str(one.units),
                "funded": str(one.funded),
                "status": one.status,
            }
            for number, one in enumerate(ask(settlement, "dues"))
        ]
        lots, least = int(parameters.get("lots", 1)), int(parameters.get("lots_least", 1))
        document = {
            "settlement": settlement,
            "model": ask(settlement, "model"),
            "deadline": format_time(int(parameters["deadline"])),
            "arbiter": parameters.get("arbiter") or None,
            "lots": str(lots),
            "lots_least": str(least),
            "dues": dues,
        }
        how = "all or nothing" if lots == 1 else f"{least} to {lots} of {lots} lots, or nothing"
        lines = [document["model"], f"{how}, by {document['deadline']}"]
        for one in dues:
            paid, of = (told(ledger, one["asset"], int(one[name])) for name in ("funded", "units"))
            to = one["receiver"] or "whom the balances name"
            lines.append(f"{one['number']}  {one['payer']} to {to}  {paid} of {of}  {one['status']}")
    session.show(document, *lines)


@command.add_command
@make_command(
    "fund",
    changes=True,
    example="""\
tallystick settlement fund deal-1 0 alice
tallystick settlement fund deal-1 1 bob 200.00""",
)
@click.argument("settlement")
@click.argument("number", type=click.IntRange(0))
@click.argument("account")
@click.argument("amount", required=False)
@MINOR
def fund(
    session: Session, settlement: str, number: int, account: str, amount: str | None, *, minor: bool
) -> None:
    """Pay in AMOUNT of a due, or all that it lacks. When the last is there, everything settles at once."""
    from tallystick.client.settlements import fund_call

    with changing(session) as ledger:
        _check_kind(ledger, settlement)
        due = _due(ledger, settlement, number)
        # Where it is settled or full, the contract says so itself.
        units = due.units - due.funded
        if amount is not None:
            units = units_of(ledger, due.asset, amount, minor=minor)
        built = fund_call(settlement, account=account, number=number, asset=due.asset, units=units)
        settle(session, ledger, account, built)


@command.add_command
@make_command("settle", changes=True, example="tallystick settlement settle deal-1 bob")
@click.argument("settlement")
@click.argument("account")
def settle_(session: Session, settlement: str, account: str) -> None:
    """Settle the lots that are there once the deadline has passed, as anybody, should its timer be late."""
    from tallystick.client.settlements import settle_call

    with changing(session) as ledger:
        _check_kind(ledger, settlement)
        settle(session, ledger, account, settle_call(settlement, account=account))


@command.add_command
@make_command("refund", changes=True, example="tallystick settlement refund deal-1 0 bob")
@click.argument("settlement")
@click.argument("number", type=click.IntRange(0))
@click.argument("account")
def refund(session: Session, settlement: str, number: int, account: str) -> None:
    """Pay a due back to its payer: as its receiver or the arbiter, or as anybody after the deadline."""
    from tallystick.client.settlements import refund_call

    with changing(session) as ledger:
        _check_kind(ledger, settlement)
        due = _due(ledger, settlement, number)
        demanded = {due.asset: due.funded} if due.payer == account else {}
        built = refund_call(settlement, account=account, number=number, receive=demanded)
        settle(session, ledger, account, built)
