"""`tallystick init`: a new ledger file with its log key and its operator's key.

Three files come to be: the ledger, its keyring, and the log key that signs checkpoints. The keyring is
written first and the ledger last, so that an interruption leaves no ledger that nobody can operate. Refused:
replacing anything that exists.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.frame import CommandError, make_command
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside

if TYPE_CHECKING:
    from tallystick.client.vocabulary import SigningKey


@make_command(
    "init",
    keys=True,
    example="""\
tallystick init ledger.tally --name "Our ledger" --operator operator
tallystick init club.tally --name Club --operator chair --opening invitation --password-file pw""",
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
    "--origin", help="The log's name in checkpoints, such as example.com/ledger; by default made from --name."
)
def command(
    session: Session, path: Path, *, name: str, operator: str, opening: str, origin: str | None
) -> None:
    """Create a ledger file, its log key and a keyring.

    The ledger's id is the hash of this beginning: name, operator, opening rule, log key and time. The
    operator's key goes into the keyring PATH.keys, encrypted; the log's key into PATH.logkey, readable by
    you alone. Back both up apart from the ledger: nobody can make them again.
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
    keyring = session.keyring(create=True)
    if operator not in keyring:
        keyring.new(operator)
    genesis = genesis_of(
        name=name,
        operator=operator,
        operator_key=keyring.public_key(operator),
        opening=opening,
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
            "keys": str(session.keys_path),
            "log_key": str(log_key_path),
            "vkey": log_key.verifier.vkey,
        },
        f"ledger {path}, id {ledger_id}",
        f"operator {operator}, key {keyring.did(operator)} in {session.keys_path}",
        f"log key in {log_key_path}; give others its public half, so that they can check proofs:",
        f"  {log_key.verifier.vkey}",
    )
    session.note(f"hint: tallystick account open alice --ledger {path}")


def origin_of(name: str) -> str:
    """Return a log origin made from a ledger's name: no spaces, no plus."""
    plain = "".join(sign if sign.isalnum() or sign in ".-/" else "-" for sign in name.lower())
    return "tallystick/" + (plain.strip("-") or "ledger")


def genesis_of(
    *, name: str, operator: str, operator_key: bytes, opening: str, log_key: "SigningKey", now: int
) -> bytes:
    """Return the founding document. Rejections: those of `decode_genesis`."""
    from tallystick.client.vocabulary import (
        PROTOCOL_VERSION,
        Genesis,
        Limits,
        decode_genesis,
        encode_genesis,
    )

    genesis = encode_genesis(
        Genesis(
            name=name,
            time=now,
            protocol=PROTOCOL_VERSION,
            opening=opening,  # type: ignore[arg-type]
            operator=operator,
            operator_keys=(operator_key,),
            operator_threshold=1,
            log_key=log_key.verifier.vkey,
            limits=Limits(),
        )
    )
    decode_genesis(genesis)
    return genesis
