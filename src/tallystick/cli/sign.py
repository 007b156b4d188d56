"""`tallystick sign`: add signatures to transaction files, on a machine that needs no ledger.

Each party signs the same payload in turn and passes the file on; the order leaves no trace. Without a ledger
file nobody can say whose keys count, so the key is then named with --key.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.changes import assets_of, missing_of, parties, told_missing
from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.opened import OpenLedger
from tallystick.cli.session import Session, read_file

if TYPE_CHECKING:
    from tallystick.client.keyring import Keyring


@make_command(
    "sign",
    ledger=True,
    keys=True,
    example="""\
tallystick sign payment.json
tallystick sign payment.json --key alice --keys alice.keys
tallystick sign trade-1.json trade-2.json --key bob#laptop""",
)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--key",
    "names",
    multiple=True,
    help="A key of the keyring; repeat. By default all that count for the file.",
)
def command(session: Session, files: tuple[Path, ...], *, names: tuple[str, ...]) -> None:
    """Sign transaction files in place. What each would do is said first."""
    from tallystick.client.describe import describe
    from tallystick.client.keyring import write_private
    from tallystick.client.transactions import read_transaction, sign
    from tallystick.client.vocabulary import did_key

    if not names and session.url is None and not session.ledger.is_file():
        raise CommandError(
            f"without the ledger file {session.ledger} nobody can say which keys count",
            hint="name a key with --key NAME, or a node with --url",
        )
    keyring = session.keyring()
    for file in files:
        data = read_file(file)
        transaction, _ = read_transaction(data)
        if names:
            envelope = sign(data, [keyring.signer(name) for name in names])
            words, missing = describe(transaction), None
        else:
            with session.reading() as ledger:
                envelope = _sign_what_counts(session, ledger, keyring, data)
                words = describe(transaction, decimals=ledger.decimals(assets_of(transaction)))
                missing = missing_of(ledger, transaction, read_transaction(envelope)[1])
        write_private(file, envelope)
        signed = read_transaction(envelope)[1]
        session.show(
            {
                "status": "signed",
                "file": str(file),
                "id": transaction.id,
                "words": words,
                "signed": [did_key(key) for key in signed],
                "missing": missing,
            },
            *words,
            f"{file} is signed by {len(signed)} keys"
            + ("" if missing is None else f", {told_missing(missing)}"),
        )


def _sign_what_counts(session: Session, ledger: OpenLedger, keyring: "Keyring", data: bytes) -> bytes:
    """Return the envelope with every signature that the keyring can add and the ledger would count."""
    from tallystick.client.transactions import read_transaction, sign

    transaction, _ = read_transaction(data)
    counted = {key for party in parties(ledger, transaction) for key in party.keys}
    signers = keyring.signers_of(transaction.sender, public_keys=counted)
    if not signers:
        raise CommandError(
            f"no key in {session.keys_path} counts for this transaction", hint="tallystick keys list"
        )
    return sign(data, signers)
