"""`tallystick account`: the only thing that holds assets, and the keys that control it."""

from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.changes import changing, settle
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session

if TYPE_CHECKING:
    from tallystick.client.vocabulary import Account

command = make_group("account", "Open accounts; rotate, guard and recover their keys.")

KEY = click.option(
    "--key", "dids", multiple=True, metavar="DID", help="A public key, did:key:z6Mk…; repeat for several."
)
THRESHOLD = click.option("--threshold", default=1, show_default=True, help="How many of the keys must sign.")


@command.add_command
@make_command(
    "open",
    changes=True,
    example="""\
tallystick account open alice
tallystick account open alice bob carol
tallystick account open treasury --key did:key:z6Mk... --key did:key:z6Mk... --threshold 2""",
)
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--sponsor", help="The account that opens it; by default the operator, or itself where anyone may."
)
@KEY
@THRESHOLD
def open_(
    session: Session, names: tuple[str, ...], sponsor: str | None, dids: tuple[str, ...], threshold: int
) -> None:
    """Open accounts. Without --key each gets a new key of its name in the keyring."""
    from tallystick.client.actions import OpenAccount
    from tallystick.client.vocabulary import check_name

    if dids and len(names) > 1:
        raise CommandError("--key is for one account at a time", hint="open them one by one")
    for name in names:
        check_name(name)
    with changing(session) as ledger:
        opener = sponsor or _default_sponsor(ledger)
        actions = [
            OpenAccount(
                account=opener or name,
                name=name,
                keys=keys_from(dids) or (_own_key(session, name),),
                threshold=threshold,
            )
            for name in names
        ]
        settle(session, ledger, opener or names[0], *actions)


def _default_sponsor(ledger: OpenLedger) -> str:
    """Return the operator where accounts need a sponsor, else nobody."""
    operator: str = ledger.get("operator")
    return "" if ledger.get("opening") == "anyone" else operator


def keys_from(dids: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the public keys that did:keys name."""
    from tallystick.client.vocabulary import public_key_from_did

    try:
        return tuple(public_key_from_did(did) for did in dids)
    except ValueError as error:
        raise CommandError(str(error), hint="tallystick keys list shows public keys") from None


def _own_key(session: Session, name: str) -> bytes:
    """Return the key of that name in the keyring, made now if it is new; a dry run makes nothing."""
    from tallystick.client.vocabulary import Signer, generate_seed

    if session.dry_run:
        return Signer(generate_seed()).public_key
    keyring = session.keyring(create=True)
    if name not in keyring:
        keyring.new(name)
    return keyring.public_key(name)


@command.add_command
@make_command("show", ledger=True, example="tallystick account show alice")
@click.argument("name")
def show(session: Session, name: str) -> None:
    """Show an account: who controls it, what it has, and what is open on it."""
    with session.reading() as ledger:
        account = ledger.need_account(name)
        document = {
            "account": name,
            **_control(ledger, name, account),
            "institution": ledger.get("member", name) or "",
            "balances": balances_of(ledger, name),
        }
        session.show(document, *_words(ledger, document))


def _control(ledger: OpenLedger, name: str, account: "Account") -> dict[str, Any]:
    """Return who controls an account, and what is under way with its keys."""
    from tallystick.client.times import format_time
    from tallystick.client.vocabulary import did_key

    found: dict[str, Any] = {"keys": [did_key(key) for key in account.keys], "threshold": account.threshold}
    instance = ledger.get("instance", account.controller)
    if account.controller:
        found["contract"] = account.controller
        found["kind"] = f"{instance.kind} {instance.version}" if instance is not None else ""
    if account.guardians is not None:
        found["guardians"] = {
            "accounts": list(account.guardians.accounts),
            "threshold": account.guardians.threshold,
            "delay_seconds": account.guardians.delay_seconds,
        }
    recovery = ledger.get("recovery", name)
    if recovery is not None:
        found["recovery"] = {
            "keys": [did_key(key) for key in recovery.keys],
            "threshold": recovery.threshold,
            "due": format_time(recovery.due),
        }
    return found


def balances_of(ledger: OpenLedger, name: str) -> list[dict[str, Any]]:
    """Return an account's balances as documents, by asset."""
    return [
        {
            "asset": key[2],
            "units": str(units),
            "held_units": str(ledger.get("held", name, key[2]) or 0),
        }
        for key, units in ledger.rows("balance", name)
    ]


def _words(ledger: OpenLedger, document: dict[str, Any]) -> list[str]:
    from tallystick.client.amounts import format_amount

    lines = [f"account {document['account']}"]
    if "contract" in document:
        lines.append(f"  controlled by the contract {document['contract']} ({document['kind']})")
    else:
        lines.append(f"  {document['threshold']} of {len(document['keys'])} keys sign")
        lines += [f"  key {did}" for did in document["keys"]]
    if document["institution"]:
        lines.append(f"  part of the institution {document['institution']}")
    if guardians := document.get("guardians"):
        lines.append(
            f"  guardians: {guardians['threshold']} of {', '.join(guardians['accounts'])},"
            f" after {guardians['delay_seconds']} s"
        )
    if recovery := document.get("recovery"):
        lines.append(f"  recovery pending: {', '.join(recovery['keys'])} from {recovery['due']}")
    decimals = ledger.decimals(one["asset"] for one in document["balances"])
    for one in document["balances"]:
        places = decimals[one["asset"]]
        held = f", of which {format_amount(one['held_units'], decimals=places)} held"
        lines.append(
            f"  has {format_amount(one['units'], decimals=places)} {one['asset']}"
            + (held if one["held_units"] != "0" else "")
        )
    return lines


@command.add_command
@make_command("list", ledger=True, example="tallystick account list --json")
def list_(session: Session) -> None:
    """List the accounts, contracts included."""
    with session.reading() as ledger:
        documents = [
            {
                "account": key[1],
                "controlled_by": account.controller or f"{account.threshold} of {len(account.keys)} keys",
                "institution": ledger.get("member", key[1]) or "",
            }
            for key, account in ledger.rows("account")
        ]
    session.rows(
        documents, ("account", "account"), ("controlled by", "controlled_by"), ("institution", "institution")
    )


@command.add_command
@make_command(
    "rotate",
    changes=True,
    example="""\
tallystick keys new alice#new && tallystick account rotate alice --key did:key:z6Mk...
tallystick account rotate alice --key did:key:z6Mk... --keep-mandates""",
)
@click.argument("name")
@KEY
@THRESHOLD
@click.option("--keep-mandates", is_flag=True, help="Let the account's mandates go on; without it they end.")
def rotate(
    session: Session, name: str, dids: tuple[str, ...], threshold: int, *, keep_mandates: bool
) -> None:
    """Replace an account's keys at once. The old ones sign this, and nothing after it.

    The account's mandates end with the old keys, for whoever stole those may have granted some.
    --keep-mandates is for a change of keys that were never in other hands.
    """
    from tallystick.client.actions import RotateKeys

    if not dids:
        raise CommandError("no new key is named", hint="tallystick keys new makes one; name it with --key")
    with changing(session) as ledger:
        action = RotateKeys(
            account=name, keys=keys_from(dids), threshold=threshold, keep_mandates=keep_mandates
        )
        settle(session, ledger, name, action)


@command.add_command
@make_command(
    "guardians",
    changes=True,
    example="""\
tallystick account guardians alice bob carol dave --threshold 2 --delay 7d
tallystick account guardians alice                          dismisses them""",
)
@click.argument("name")
@click.argument("guardians", nargs=-1)
@click.option("--threshold", default=1, show_default=True, help="How many of them must agree.")
@click.option("--delay", default="7d", show_default=True, help="How long the account can veto.")
def guardians_(session: Session, name: str, guardians: tuple[str, ...], threshold: int, delay: str) -> None:
    """Name accounts that may replace the keys after a delay, should they be lost."""
    from tallystick.client.actions import SetGuardians
    from tallystick.client.times import parse_duration

    action = SetGuardians(
        account=name,
        guardians=guardians,
        threshold=threshold,
        delay_seconds=parse_duration(delay) // 1_000_000,
    )
    with changing(session) as ledger:
        settle(session, ledger, name, action)


@command.add_command
@make_command(
    "recover",
    changes=True,
    example="tallystick account recover alice --guardian bob --guardian carol --key did:key:z6Mk...",
)
@click.argument("name")
@click.option("--guardian", "guardians", multiple=True, required=True, help="An account that agrees; repeat.")
@KEY
@THRESHOLD
def recover(
    session: Session, name: str, guardians: tuple[str, ...], dids: tuple[str, ...], threshold: int
) -> None:
    """As guardians, propose new keys for an account; they are in force after its delay unless it vetoes."""
    from tallystick.client.actions import Recover

    if not dids:
        raise CommandError("no new key is named", hint="tallystick keys new makes one; name it with --key")
    action = Recover(
        account=guardians[0], subject=name, guardians=guardians, keys=keys_from(dids), threshold=threshold
    )
    with changing(session) as ledger:
        settle(session, ledger, guardians[0], action)


@command.add_command
@make_command("veto", changes=True, example="tallystick account veto alice")
@click.argument("name")
def veto(session: Session, name: str) -> None:
    """Drop a pending recovery of the account's keys."""
    from tallystick.client.actions import VetoRecovery

    with changing(session) as ledger:
        settle(session, ledger, name, VetoRecovery(account=name))
