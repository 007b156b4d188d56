"""`tallystick mandate`: another key acts for an account, within bounds that the ledger enforces.

That is how an agent pays: its key holds no money, and whatever leaves by its hand is charged to the caps.
"""

import click

from tallystick.cli.account import keys_from
from tallystick.cli.changes import MINOR, changing, settle, units_of
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

command = make_group("mandate", "Let another key act within bounds.")


@command.add_command
@make_command(
    "grant",
    changes=True,
    example="""\
tallystick mandate grant alice groceries --to agent --cap eur@bank=50.00/10.00 --every 1d \\
    --recipient shop --expires 30d
tallystick mandate grant alice trading --to bot --cap eur@bank=500/100 --every 1h \\
    --contract pool-1:swap --expires 7d""",
)
@click.argument("account")
@click.argument("name")
@click.option("--to", "delegate", help="The account whose key it is granted to.")
@click.option("--key", "did", help="Or a public key, did:key:z6Mk….")
@click.option(
    "--cap",
    "caps",
    multiple=True,
    required=True,
    metavar="ASSET=TOTAL[/PAYMENT]",
    help="At most so much in each period, and in one payment; repeat.",
)
@click.option("--every", default="1d", show_default=True, help="How long a period is.")
@click.option("--recipient", "recipients", multiple=True, help="Whom it may pay; repeat. None: anyone.")
@click.option(
    "--contract",
    "contracts",
    multiple=True,
    metavar="ID:METHOD[,METHOD]",
    help="Which contract it may call, and what there; repeat.",
)
@click.option("--expires", required=True, help="When it ends: 30d, or a time.")
@click.option("--mandate", help="Delegate on from this mandate, narrower; needs --sender.")
@click.option("--sender", help="The account that sends; with --mandate, the delegate's own.")
@MINOR
def grant(
    session: Session,
    account: str,
    name: str,
    *,
    delegate: str | None,
    did: str | None,
    caps: tuple[str, ...],
    every: str,
    recipients: tuple[str, ...],
    contracts: tuple[str, ...],
    expires: str,
    mandate: str | None,
    sender: str | None,
    minor: bool,
) -> None:
    """Let a key act for ACCOUNT: how much, to whom, in which contracts, until when."""
    from tallystick.client.actions import Cap, GrantMandate
    from tallystick.client.times import parse_duration, parse_when

    if (delegate is None) == (did is None):
        raise CommandError("a mandate is granted to one key", hint="name --to ACCOUNT or --key DID")
    period_seconds = parse_duration(every) // 1_000_000
    with changing(session) as ledger:
        action = GrantMandate(
            account=account,
            name=name,
            key=keys_from((did,))[0] if did is not None else _key_of(ledger, delegate or ""),
            expires=parse_when(expires, now=ledger.now()),
            caps=tuple(
                Cap(asset=asset, per_period=total, per_payment=payment, period_seconds=period_seconds)
                for asset, total, payment in (_cap(ledger, text, minor=minor) for text in caps)
            ),
            recipients=recipients or None,
            contracts=tuple(_contract(text) for text in contracts),
            mandate=mandate,
        )
        settle(session, ledger, sender or account, action)


def _key_of(ledger: OpenLedger, delegate: str) -> bytes:
    keys = ledger.need_account(delegate).keys
    if len(keys) != 1:
        raise CommandError(f"{delegate} has {len(keys)} keys", hint="name one of them with --key")
    return keys[0]


def _cap(ledger: OpenLedger, text: str, *, minor: bool) -> tuple[str, str, str]:
    asset, separator, amounts = text.partition("=")
    if not separator:
        raise CommandError(f"{text[:80]!r} is not ASSET=TOTAL[/PAYMENT]", hint="such as eur@bank=50.00/10.00")
    total, _, payment = amounts.partition("/")
    return (
        asset,
        str(units_of(ledger, asset, total, minor=minor)),
        str(units_of(ledger, asset, payment or total, minor=minor)),
    )


def _contract(text: str) -> tuple[str, tuple[str, ...]]:
    contract, separator, methods = text.partition(":")
    if not separator or not methods:
        raise CommandError(f"{text[:80]!r} is not ID:METHOD[,METHOD]", hint="such as pool-1:swap")
    return contract, tuple(methods.split(","))


@command.add_command
@make_command("revoke", changes=True, example="tallystick mandate revoke alice groceries")
@click.argument("account")
@click.argument("name")
def revoke(session: Session, account: str, name: str) -> None:
    """End a mandate at once; those delegated from it end with it."""
    from tallystick.client.actions import RevokeMandate

    with changing(session) as ledger:
        settle(session, ledger, account, RevokeMandate(account=account, name=name))


@command.add_command
@make_command("list", ledger=True, example="tallystick mandate list alice")
@click.argument("account", required=False)
def list_(session: Session, account: str | None) -> None:
    """List mandates with their bounds and what was spent in the last period they were used in."""
    from tallystick.client.amounts import format_amount
    from tallystick.client.times import format_time
    from tallystick.client.vocabulary import did_key

    documents = []
    with session.reading() as ledger:
        if account is not None:
            ledger.need_account(account)
        for key, mandate in ledger.rows("mandate", *([] if account is None else [account])):
            for cap in mandate.caps:
                spent = ledger.get("spent", key[1], key[2], cap.asset)
                period = (ledger.now() - mandate.granted) // (cap.period_seconds * 1_000_000)
                spent_units = spent.units if spent is not None and spent.period == period else 0
                places = ledger.need_asset(cap.asset).decimals
                documents.append(
                    {
                        "account": key[1],
                        "mandate": key[2],
                        "key": did_key(mandate.key),
                        "asset": cap.asset,
                        "per_period_units": cap.per_period,
                        "per_payment_units": cap.per_payment,
                        "period_seconds": cap.period_seconds,
                        "spent_units": str(spent_units),
                        "spent": f"{format_amount(spent_units, decimals=places)} of "
                        + format_amount(cap.per_period, decimals=places),
                        "recipients": None if mandate.recipients is None else list(mandate.recipients),
                        "contracts": {contract: list(methods) for contract, methods in mandate.contracts},
                        "expires": format_time(mandate.expires),
                        "parent": mandate.parent,
                    }
                )
    session.rows(
        documents,
        ("account", "account"),
        ("mandate", "mandate"),
        ("asset", "asset"),
        ("spent", "spent"),
        ("until", "expires"),
    )
