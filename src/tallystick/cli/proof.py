"""`tallystick proof`: files that show a receipt or a balance to somebody who has nothing but a public key."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside, read_file, write_new

if TYPE_CHECKING:
    from tallystick.client.vocabulary import Quorum

command = make_group("proof", "Make and check offline proofs.")

OUT = click.option(
    "--out", "target", type=click.Path(path_type=Path, dir_okay=False), help="Where to; else standard output."
)
WITNESSES = click.option(
    "--witness", "witnesses", multiple=True, metavar="VKEY", help="A witness you chose; repeat."
)
QUORUM = click.option(
    "--quorum", type=click.IntRange(min=1), help="How many of them must have cosigned; by default all."
)


@contextmanager
def checkpointed(session: Session) -> Iterator[OpenLedger]:
    """Open the ledger with a checkpoint over all of it, made now if the newest does not reach that far."""
    with session.reading() as ledger:
        newest = ledger.file.journal.checkpoint()
        if newest is not None and newest[0] == ledger.file.size:
            yield ledger
            return
    key_path = beside(session.ledger, LOG_KEY_SUFFIX)
    if session.log_key() is None:
        raise CommandError(
            f"the newest entries have no checkpoint, and {key_path} is not there",
            hint="put the log key back beside the ledger file: nobody else can sign a checkpoint",
        )
    with session.writing() as ledger:
        ledger.file.checkpoint()
        yield ledger


def _write(session: Session, target: Path | None, data: bytes, what: str) -> None:
    if target is None:
        click.echo(data.decode().rstrip("\n"))
        return
    write_new(target, data)
    session.show({"file": str(target), "proves": what}, f"{what}: {target}")


@command.add_command
@make_command(
    "receipt",
    ledger=True,
    example="tallystick proof receipt 12 --out payment.proof",
)
@click.argument("which", metavar="ID|INDEX")
@click.option("--sender", help="Whose transaction, where several used the id; a node needs it for an id.")
@click.option("--cosigned", is_flag=True, help="Under the newest checkpoint that witnesses cosigned.")
@OUT
def receipt(session: Session, which: str, *, sender: str | None, cosigned: bool, target: Path | None) -> None:
    """Prove that a transaction stands in the log, with its envelope and its outcome."""
    from tallystick.client.vocabulary import decode_receipt
    from tallystick.node.proofs import receipt_proof

    if session.url is not None:
        with session.reading() as ledger, session.node() as client:
            found = (
                int(which) if which.isdigit() else decode_receipt(ledger.receipt(which, sender=sender)).index
            )
            _write(
                session, target, client.entry_proof(found, cosigned=cosigned), f"the receipt of entry {found}"
            )
        session.note(_check_hint("VKEY", target))
        return
    with checkpointed(session) as ledger:
        index = int(which) if which.isdigit() else ledger.file.find_entry(which, sender=sender).index
        data = receipt_proof(ledger.file, index, cosigned=cosigned)
    _write(session, target, data, f"the receipt of entry {index}")
    session.note(_check_hint(ledger.file.genesis.log_key, target))


@command.add_command
@make_command(
    "balance",
    ledger=True,
    example="tallystick proof balance alice eur@bank --out alice.proof",
)
@click.argument("account")
@click.argument("asset")
@OUT
def balance(session: Session, account: str, asset: str, *, target: Path | None) -> None:
    """Prove what an account had at the newest checkpoint, zero included."""
    from tallystick.node.proofs import balance_proof

    if session.url is not None:
        with session.node() as client:
            data = client.balance_proof(account, asset)
        _write(session, target, data, f"the balance of {account} in {asset}")
        session.note(_check_hint("VKEY", target))
        return
    with checkpointed(session) as ledger:
        data = balance_proof(ledger.file, account, asset)
    _write(session, target, data, f"the balance of {account} in {asset}")
    session.note(_check_hint(ledger.file.genesis.log_key, target))


def _check_hint(vkey: str, target: Path | None) -> str:
    return f"hint: anyone can check it with tallystick proof check {target or 'FILE'} --log-key {vkey}"


@command.add_command
@make_command(
    "check",
    example="""\
tallystick proof check payment.proof --log-key tallystick/our-ledger+522f0c17+AR9M...
tallystick proof check alice.proof --log-key VKEY --witness VKEY --witness VKEY --quorum 2""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--log-key", required=True, metavar="VKEY", help="The log's public key, as you know it.")
@WITNESSES
@QUORUM
def check(
    session: Session, file: Path, *, log_key: str, witnesses: tuple[str, ...], quorum: int | None
) -> None:
    """Check a proof file with nothing but it and a public key: no ledger, no server, no clock."""
    import msgspec

    from tallystick.client.proofs import ProvenReceipt, verify_proof

    proven = verify_proof(read_file(file), log_key=log_key, quorum=quorum_of(witnesses, quorum))
    document = {
        "status": "proven",
        "sentence": proven.sentence(),
        "entry": proven.leaf.index,
        "checkpoint_size": proven.checkpoint.tree_size,
        "origin": proven.checkpoint.origin,
    }
    if isinstance(proven, ProvenReceipt):
        document["receipt"] = msgspec.to_builtins(proven.receipt)
    else:
        document["key"] = list(proven.key)
        document["value"] = None if proven.value is None else str(proven.value)
    session.show(document, proven.sentence())


def quorum_of(witnesses: tuple[str, ...], threshold: int | None) -> "Quorum | None":
    """Return the reader's policy, or None where no witness was named; all of them unless said otherwise."""
    from tallystick.client.vocabulary import NoteError, Quorum, parse_vkey

    if not witnesses:
        if threshold is not None:
            raise CommandError("a quorum is of witnesses", hint="name them with --witness VKEY")
        return None
    try:
        return Quorum(threshold or len(witnesses), tuple(parse_vkey(vkey) for vkey in witnesses))
    except (NoteError, ValueError) as error:
        raise CommandError(str(error), hint="tallystick witness key shows a witness's public key") from None
