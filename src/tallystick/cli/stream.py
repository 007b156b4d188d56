"""`tallystick stream`: pay by the passing of time, and take what has streamed.

`lock` pays a sum in that streams until a date, perhaps after a cliff; `flow` opens a stream without an end,
which its sender tops up and which keeps a buffer for its recipient. STREAMS is a deployed contract of kind
`stream`, and NUMBER a stream in it, as `list` shows it.
"""

from typing import Any

import click

from tallystick.cli.asking import asker, parameters_of, told
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

command = make_group("stream", "Pay by the passing of time.")


def _check_kind(ledger: OpenLedger, streams: str) -> None:
    from tallystick.client.streams import KIND

    parameters_of(ledger, streams, KIND)


@command.add_command
@make_command(
    "list",
    ledger=True,
    example="""\
tallystick stream list streams alice
tallystick stream list streams alice --json""",
)
@click.argument("streams")
@click.argument("account")
def list_(session: Session, streams: str, account: str) -> None:
    """Show the streams that an account sends or receives: what has streamed, and when each ends."""
    from tallystick.client.times import format_time

    with session.reading() as ledger:
        ledger.need_account(account)
        _check_kind(ledger, streams)
        documents: list[dict[str, Any]] = [
            {
                "stream": str(one.stream),
                "sender": one.sender,
                "recipient": one.recipient,
                "of": told(ledger, one.asset, one.units),
                "streamed": told(ledger, one.asset, one.streamed),
                "withdrawable": told(ledger, one.asset, one.withdrawable),
                "refundable": told(ledger, one.asset, one.refundable),
                "ends": format_time(one.ends),
            }
            for one in asker(ledger)(streams, "streams", account=account)
        ]
    session.rows(
        documents,
        ("number", "stream"),
        ("from", "sender"),
        ("to", "recipient"),
        ("of", "of"),
        ("streamed", "streamed"),
        ("withdrawable", "withdrawable"),
        ("ends", "ends"),
    )


@command.add_command
@make_command(
    "lock",
    changes=True,
    example="""\
tallystick stream lock streams alice bob 1200.00 eur@bank --until 365d
tallystick stream lock streams alice bob 1200.00 eur@bank --until 365d --cliff 90d --at-cliff 300.00""",
)
@click.argument("streams")
@click.argument("account")
@click.argument("recipient")
@click.argument("amount")
@click.argument("asset")
@click.option("--until", required=True, metavar="WHEN", help="When all has streamed: a time, or such as 30d.")
@click.option("--cliff", metavar="WHEN", help="Nothing streams before this.")
@click.option("--at-cliff", metavar="AMOUNT", help="What streams at the cliff at once.")
@click.option("--for-good", is_flag=True, help="Give up taking back what has not streamed.")
@MINOR
def lock(  # noqa: PLR0917 (a command's own words, in its own order)
    session: Session,
    streams: str,
    account: str,
    recipient: str,
    amount: str,
    asset: str,
    *,
    until: str,
    cliff: str | None,
    at_cliff: str | None,
    for_good: bool,
    minor: bool,
) -> None:
    """Pay AMOUNT in for RECIPIENT, to stream evenly until a date."""
    from tallystick.client.streams import lockup_call
    from tallystick.client.times import parse_when

    if at_cliff is not None and cliff is None:
        raise CommandError("--at-cliff goes with --cliff", hint="add --cliff WHEN")
    with changing(session) as ledger:
        _check_kind(ledger, streams)
        ledger.need_account(recipient)
        now = ledger.now()
        built = lockup_call(
            streams,
            account=account,
            recipient=recipient,
            asset=asset,
            units=units_of(ledger, asset, amount, minor=minor),
            start=now,
            ends=parse_when(until, now=now),
            cliff=0 if cliff is None else parse_when(cliff, now=now),
            at_cliff=0 if at_cliff is None else units_of(ledger, asset, at_cliff, minor=minor),
            cancelable=not for_good,
        )
        settle(session, ledger, account, built)


@command.add_command
@make_command(
    "flow",
    changes=True,
    example="tallystick stream flow streams alice bob 0.10 eur@bank --every 60s --with 500.00",
)
@click.argument("streams")
@click.argument("account")
@click.argument("recipient")
@click.argument("amount")
@click.argument("asset")
@click.option(
    "--every", required=True, metavar="DURATION", help="AMOUNT flows in each of these: 60s, 1h, 1d."
)
@click.option("--with", "funds", required=True, metavar="AMOUNT", help="What the flow begins with.")
@MINOR
def flow(  # noqa: PLR0917 (a command's own words, in its own order)
    session: Session,
    streams: str,
    account: str,
    recipient: str,
    amount: str,
    asset: str,
    *,
    every: str,
    funds: str,
    minor: bool,
) -> None:
    """Open a flow of AMOUNT for every so long; it keeps a buffer for RECIPIENT, and runs while it is paid."""
    from tallystick.client.streams import flow_call
    from tallystick.client.times import parse_duration

    with changing(session) as ledger:
        _check_kind(ledger, streams)
        ledger.need_account(recipient)
        built = flow_call(
            streams,
            account=account,
            recipient=recipient,
            asset=asset,
            pace_units=units_of(ledger, asset, amount, minor=minor),
            pace_seconds=parse_duration(every) // 1_000_000,
            units=units_of(ledger, asset, funds, minor=minor),
        )
        settle(session, ledger, account, built)


@command.add_command
@make_command("top-up", changes=True, example="tallystick stream top-up streams 2 alice 100.00")
@click.argument("streams")
@click.argument("number", type=click.IntRange(1))
@click.argument("account")
@click.argument("amount")
@MINOR
def top_up(session: Session, streams: str, number: int, account: str, amount: str, *, minor: bool) -> None:
    """Add AMOUNT to a flow that has not run dry."""
    from tallystick.client.streams import top_up_call

    with changing(session) as ledger:
        _check_kind(ledger, streams)
        asset = asker(ledger)(streams, "stream", stream=number).asset
        units = units_of(ledger, asset, amount, minor=minor)
        settle(
            session,
            ledger,
            account,
            top_up_call(streams, account=account, stream=number, asset=asset, units=units),
        )


@command.add_command
@make_command(
    "withdraw",
    changes=True,
    example="""\
tallystick stream withdraw streams 1 bob
tallystick stream withdraw streams 1 bob 50.00""",
)
@click.argument("streams")
@click.argument("number", type=click.IntRange(1))
@click.argument("account")
@click.argument("amount", required=False)
@MINOR
def withdraw(
    session: Session, streams: str, number: int, account: str, amount: str | None, *, minor: bool
) -> None:
    """Take AMOUNT of what has streamed, or all of it, as its recipient."""
    _take(session, streams, number, account, amount=amount, method="withdraw", minor=minor)


@command.add_command
@make_command(
    "refund",
    changes=True,
    example="""\
tallystick stream refund streams 1 alice
tallystick stream refund streams 2 alice 50.00""",
)
@click.argument("streams")
@click.argument("number", type=click.IntRange(1))
@click.argument("account")
@click.argument("amount", required=False)
@MINOR
def refund(
    session: Session, streams: str, number: int, account: str, amount: str | None, *, minor: bool
) -> None:
    """Take back what has not streamed, as its sender: a lockup ends, a flow keeps its buffer."""
    _take(session, streams, number, account, amount=amount, method="refund", minor=minor)


def _take(
    session: Session,
    streams: str,
    number: int,
    account: str,
    *,
    amount: str | None,
    method: str,
    minor: bool,
) -> None:
    from tallystick.client.streams import take_call

    with changing(session) as ledger:
        _check_kind(ledger, streams)
        now = asker(ledger)(streams, "stream", stream=number)
        units = now.withdrawable if method == "withdraw" else now.refundable
        if amount is not None:
            units = units_of(ledger, now.asset, amount, minor=minor)
        if not units:
            raise CommandError(
                f"stream {number} has nothing to {method} now",
                hint=f"see tallystick stream list {streams} {account}",
            )
        if method == "refund" and amount is None:
            units = 0  # all that there is by then: a flow has streamed more when this is executed
        built = take_call(streams, method, account=account, stream=number, asset=now.asset, units=units)
        settle(session, ledger, account, built)


def _end(session: Session, streams: str, number: int, account: str, method: str) -> None:
    from tallystick.client.streams import end_call

    with changing(session) as ledger:
        _check_kind(ledger, streams)
        settle(session, ledger, account, end_call(streams, method, account=account, stream=number))


@command.add_command
@make_command("stop", changes=True, example="tallystick stream stop streams 2 alice")
@click.argument("streams")
@click.argument("number", type=click.IntRange(1))
@click.argument("account")
def stop(session: Session, streams: str, number: int, account: str) -> None:
    """Give notice of a flow, as its sender: it ends after its buffer."""
    _end(session, streams, number, account, "stop")


@command.add_command
@make_command("void", changes=True, example="tallystick stream void streams 2 bob")
@click.argument("streams")
@click.argument("number", type=click.IntRange(1))
@click.argument("account")
def void(session: Session, streams: str, number: int, account: str) -> None:
    """End a stream at once, as its recipient: what has not streamed goes back."""
    _end(session, streams, number, account, "void")


@command.add_command
@make_command("renounce", changes=True, example="tallystick stream renounce streams 1 alice")
@click.argument("streams")
@click.argument("number", type=click.IntRange(1))
@click.argument("account")
def renounce(session: Session, streams: str, number: int, account: str) -> None:
    """Give up taking a lockup back, as its sender, for ever."""
    _end(session, streams, number, account, "renounce")
