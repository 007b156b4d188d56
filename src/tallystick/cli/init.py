"""`tallystick init`: a new ledger file with its log key and its operator's key.

Three files come to be: the ledger, its keyring, and the log key that signs checkpoints. The keyring is
written first and the ledger last, so that an interruption leaves no ledger that nobody can operate. Refused:
replacing anything that exists.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.account import keys_from
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside

if TYPE_CHECKING:
    from tallystick.client.keyring import Keyring
    from tallystick.client.vocabulary import Limits, SigningKey


@make_command(
    "init",
    keys=True,
    example="""\
tallystick init ledger.tally --name "Our ledger" --operator operator
tallystick init club.tally --name Club --operator chair --opening invitation --password-file pw
tallystick init board.tally --name Board --operator-key did:key:z6Mk... --operator-threshold 1
tallystick init small.tally --name Small --limit legs_max=100 --limit transaction_bytes_max=65536""",
)
@click.argument(
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="TALLYSTICK_LEDGER",
    default="ledger.tally",
)
@click.option("--name", required=True, help="The ledger's name, for people.")
@click.option("--operator", default="operator", show_default=True, help="The operator's account.")
@click.option(
    "--opening",
    type=click.Choice(["sponsor", "anyone", "invitation"]),
    default="sponsor",
    show_default=True,
    help="Who may open accounts: any account for another, anyone, or the operator alone.",
)
@click.option(
    "--operator-key",
    "dids",
    multiple=True,
    metavar="DID",
    help="A public key of the operator, did:key:z6Mk…; repeat for several. By default a new one is made.",
)
@click.option(
    "--operator-threshold", default=1, show_default=True, help="How many of the operator's keys must sign."
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=NUMBER",
    help="A bound for this ledger, for ever; repeat. One of "
    "transaction_bytes_max, actions_max, legs_max, work_max, depth_max, timers_per_batch_max, "
    "holds_per_account_max, timers_per_account_max, horizon_seconds.",
)
@click.option(
    "--origin", help="The log's name in checkpoints, such as example.com/ledger; by default made from --name."
)
def command(
    session: Session,
    path: Path,
    *,
    name: str,
    operator: str,
    opening: str,
    dids: tuple[str, ...],
    operator_threshold: int,
    limits: tuple[str, ...],
    origin: str | None,
) -> None:
    """Create a ledger file, its log key and a keyring.

    The ledger's id is the hash of this beginning: name, operator and its keys, opening rule, limits, log key,
    protocol version and time. The operator's key goes into the keyring PATH.keys, encrypted; the log's key
    into PATH.logkey, readable by you alone. Back both up apart from the ledger: nobody can make them again.
    """
    from tallystick.client.keyring import write_private
    from tallystick.client.vocabulary import Algorithm, SigningKey, generate_seed
    from tallystick.node.ledger_file import LedgerFile

    session.ledger = path
    log_key_path = beside(path, LOG_KEY_SUFFIX)
    for taken in (path, log_key_path):
        if taken.exists():
            raise CommandError(f"{taken} exists", hint="choose another path; nothing is ever replaced")
    log_key = SigningKey(name=origin or origin_of(name), algorithm=Algorithm.ED25519, seed=generate_seed())
    bounds = limits_of(limits)
    keys = keys_from(dids)
    keyring = session.keyring(create=True)
    if not keys and operator not in keyring:
        keyring.new(operator)
    genesis = genesis_of(
        name=name,
        operator=operator,
        operator_keys=keys or (keyring.public_key(operator),),
        operator_threshold=operator_threshold,
        opening=opening,
        limits=bounds,
        log_key=log_key,
        now=time.time_ns() // 1000,
    )
    write_private(log_key_path, f"{log_key.skey}\n".encode())
    with LedgerFile.create(path, genesis=genesis, log_key=log_key) as ledger:
        ledger_id = ledger.ledger_id
    session.show(
        {
            "ledger": str(path),
            "ledger_id": ledger_id,
            "operator": operator,
            "operator_keys": list(dids) or [keyring.did(operator)],
            "operator_threshold": operator_threshold,
            "keys": str(session.keys_path),
            "log_key": str(log_key_path),
            "vkey": log_key.verifier.vkey,
        },
        f"ledger {path}, id {ledger_id}",
        f"operator {operator}, {_whose(operator, keyring, dids, operator_threshold)}",
        f"log key in {log_key_path}; give others its public half, so that they can check proofs:",
        f"  {log_key.verifier.vkey}",
    )
    session.note(f"hint: tallystick account open alice --ledger {path}")


def origin_of(name: str) -> str:
    """Return a log origin made from a ledger's name: no spaces, no plus."""
    plain = "".join(sign if sign.isalnum() or sign in ".-/" else "-" for sign in name.lower())
    return "tallystick/" + (plain.strip("-") or "ledger")


def _whose(operator: str, keyring: "Keyring", dids: tuple[str, ...], threshold: int) -> str:
    if dids:
        return f"{threshold} of {len(dids)} keys that you gave"
    return f"key {keyring.did(operator)} in {keyring.path}"


def limits_of(texts: tuple[str, ...]) -> "Limits":
    """Return the default limits with those that `NAME=NUMBER` texts change."""
    import msgspec

    from tallystick.client.vocabulary import Limits

    names = Limits.__struct_fields__
    changed: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in names or not (number.isascii() and number.isdigit()) or len(number) > 16:
            raise CommandError(f"--limit {text[:60]!r} is none", hint=f"NAME=NUMBER of {', '.join(names)}")
        changed[name] = int(number)
    try:
        return msgspec.convert(changed, Limits)
    except msgspec.ValidationError as error:
        raise CommandError(f"--limit: {error}", hint="tallystick init --help") from None


def genesis_of(
    *,
    name: str,
    operator: str,
    operator_keys: tuple[bytes, ...],
    operator_threshold: int,
    opening: str,
    limits: "Limits",
    log_key: "SigningKey",
    now: int,
) -> bytes:
    """Return the founding document. Rejections: those of `decode_genesis`."""
    from tallystick.client.vocabulary import PROTOCOL_VERSION, Genesis, decode_genesis, encode_genesis

    genesis = encode_genesis(
        Genesis(
            name=name,
            time=now,
            protocol=PROTOCOL_VERSION,
            opening=opening,  # type: ignore[arg-type]
            operator=operator,
            operator_keys=operator_keys,
            operator_threshold=operator_threshold,
            log_key=log_key.verifier.vkey,
            limits=limits,
        )
    )
    decode_genesis(genesis)
    return genesis
