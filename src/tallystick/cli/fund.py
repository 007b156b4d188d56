"""`tallystick fund`: buy units of a fund and sell them back, in windows that its custodian settles.

`subscribe` and `redeem` make a request in the open window, at no known price: the custodian settles it
at a value attested after the close, and then `claim` takes what a request gives. A window that is not settled
in time is overdue, and `cancel` takes the request back. FUND is a deployed contract of kind `fund`.
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
    from tallystick.client.funds import Fund

command = make_group("fund", "Buy units of a fund, and sell them back.")


def _fund(ledger: OpenLedger, name: str) -> "Fund":
    from tallystick.client.funds import KIND, fund_of

    return fund_of(name, parameters_of(ledger, name, KIND))


@command.add_command
@make_command(
    "show",
    ledger=True,
    example="""\
tallystick fund show gold-fund
tallystick fund show gold-fund --json""",
)
@click.argument("fund")
def show(session: Session, fund: str) -> None:
    """Show what a whole unit is worth now, and the open window: its close, its gate, what is asked of it."""
    from tallystick.client.times import format_time
    from tallystick.client.vocabulary import Rejection

    with session.reading() as ledger:
        found, ask = _fund(ledger, fund), asker(ledger)
        document: dict[str, Any] = {"fund": fund, "unit": found.unit, "cash": found.cash}
        try:
            price = ask(fund, "price", asset_in=found.unit, asset_out=found.cash)
        except Rejection as refused:
            document |= {"numerator": None, "denominator": None, "refusal": str(refused.code)}
            lines = [f"no value: {refused.code}"]
        else:
            document |= {"numerator": str(price.numerator), "denominator": str(price.denominator)}
            document |= {"attested": format_time(price.time), "refusal": ""}
            whole = 10 ** ledger.need_asset(found.unit).decimals * price.numerator // price.denominator
            lines = [
                f"1 {found.unit} is worth {told(ledger, found.cash, whole)}, attested {document['attested']}"
            ]
        gate = ask(fund, "gate")
        document |= {
            "window": str(gate.window),
            "closes": format_time(gate.closes),
            "settled_by": format_time(gate.settled_by),
            "most_units": str(gate.most_units),
            "requested_units": str(gate.requested_units),
        }
        most, asked = (told(ledger, found.unit, many) for many in (gate.most_units, gate.requested_units))
        lines += [
            f"window {gate.window} closes {document['closes']} and is settled by {document['settled_by']}",
            f"it redeems {most} at most; asked for {asked}",
        ]
    session.show(document, *lines)


@command.add_command
@make_command(
    "requests",
    ledger=True,
    example="""\
tallystick fund requests gold-fund alice
tallystick fund requests gold-fund alice --json""",
)
@click.argument("fund")
@click.argument("account")
def requests(session: Session, fund: str, account: str) -> None:
    """Show an account's requests: their windows, where they stand, and what a claim gives once settled."""
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        ledger.need_account(account)
        found = _fund(ledger, fund)
        documents: list[dict[str, Any]] = [
            {
                "window": str(one.window),
                "subscribed": told(ledger, found.cash, one.subscribed),
                "redeeming": told(ledger, found.unit, one.redeeming),
                "status": one.status,
                "closes": format_time(one.closes),
                "settled_by": format_time(one.settled_by),
                "gives_cash": told(ledger, found.cash, one.cash),
                "gives_units": told(ledger, found.unit, one.units),
            }
            for one in asker(ledger)(fund, "requests", account=account)
        ]
    session.rows(
        documents,
        ("window", "window"),
        ("subscribed", "subscribed"),
        ("redeeming", "redeeming"),
        ("status", "status"),
        ("closes", "closes"),
        ("gives", "gives_cash"),
        ("and", "gives_units"),
    )


@command.add_command
@make_command("subscribe", changes=True, example="tallystick fund subscribe gold-fund alice 1000.00")
@click.argument("fund")
@click.argument("account")
@click.argument("amount")
@MINOR
def subscribe(session: Session, fund: str, account: str, amount: str, *, minor: bool) -> None:
    """Ask for units for AMOUNT of cash, at the value after the window's close."""
    from tallystick.client.funds import subscribe_call

    with changing(session) as ledger:
        found = _fund(ledger, fund)
        units = units_of(ledger, found.cash, amount, minor=minor)
        settle(session, ledger, account, subscribe_call(found, account=account, units=units))


@command.add_command
@make_command("redeem", changes=True, example="tallystick fund redeem gold-fund alice 2.500000")
@click.argument("fund")
@click.argument("account")
@click.argument("amount")
@MINOR
def redeem(session: Session, fund: str, account: str, amount: str, *, minor: bool) -> None:
    """Ask for cash for AMOUNT of units, as far as the gate lets through; the rest comes back."""
    from tallystick.client.funds import redeem_call

    with changing(session) as ledger:
        found = _fund(ledger, fund)
        units = units_of(ledger, found.unit, amount, minor=minor)
        settle(session, ledger, account, redeem_call(found, account=account, units=units))


@command.add_command
@make_command("cancel", changes=True, example="tallystick fund cancel gold-fund alice")
@click.argument("fund")
@click.argument("account")
def cancel(session: Session, fund: str, account: str) -> None:
    """Take every request back whose window is open or overdue, in one transaction."""
    from tallystick.client.funds import cancel_calls

    with changing(session) as ledger:
        calls = cancel_calls(asker(ledger), _fund(ledger, fund), account=account)
        if not calls:
            raise CommandError(
                f"{account} has nothing to cancel in {fund}",
                hint=f"see tallystick fund requests {fund} {account}",
            )
        settle(session, ledger, account, *calls)


@command.add_command
@make_command("claim", changes=True, example="tallystick fund claim gold-fund alice")
@click.argument("fund")
@click.argument("account")
def claim(session: Session, fund: str, account: str) -> None:
    """Claim what every settled request gives, in one transaction."""
    from tallystick.client.funds import claim_calls

    with changing(session) as ledger:
        calls = claim_calls(asker(ledger), _fund(ledger, fund), account=account)
        if not calls:
            raise CommandError(
                f"{account} has nothing to claim in {fund}",
                hint=f"see tallystick fund requests {fund} {account}",
            )
        settle(session, ledger, account, *calls)


@command.add_command
@make_command(
    "settle",
    changes=True,
    example="""\
tallystick fund settle gold-fund custodian 20833 instruction-7
tallystick fund settle gold-fund custodian 20833 instruction-7 --pay-at-most 5000.00""",
)
@click.argument("fund")
@click.argument("account")
@click.argument("window", type=click.IntRange(0))
@click.argument("reference")
@click.option(
    "--pay-at-most", metavar="AMOUNT", default="0", help="The cash that redemptions may take of ACCOUNT."
)
@MINOR
def settle_(
    session: Session, fund: str, account: str, window: int, reference: str, *, pay_at_most: str, minor: bool
) -> None:
    """Settle a closed WINDOW as the custodian, at the value now; REFERENCE names its own document.

    ACCOUNT receives the subscriptions' cash and pays the redemptions', of which it signs the most.
    """
    from tallystick.client.funds import settle_call

    with changing(session) as ledger:
        found = _fund(ledger, fund)
        most = units_of(ledger, found.cash, pay_at_most, minor=minor)
        built = settle_call(found, account=account, window=window, reference=reference, most_cash=most)
        settle(session, ledger, account, built)
