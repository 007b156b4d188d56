"""`tallystick witness`: one history for everybody, because others remember the last checkpoint.

The round goes by files, so that a witness needs no server of ours and we none of its:

    log      witness request --out request      what the log shows, from what the witness saw last
    witness  witness cosign request             cosigns growth, refuses anything else, remembers
    log      witness add line                   keeps the cosignature under the checkpoint
    reader   witness verify --witness … --quorum 2

A witness's memory lies beside its key. The rule that must hold: it is durable before the cosignature is
written, and two runs at a time take turns.
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.proof import OUT, QUORUM, WITNESSES, checkpointed, quorum_of
from tallystick.cli.session import Session, beside, read_file, read_log_key, write_new

if TYPE_CHECKING:
    from tallystick.client.vocabulary import SigningKey, TreeHead

STATE_SUFFIX = ".heads"

command = make_group("witness", "Let others cosign checkpoints, or cosign theirs.")


@command.add_command
@make_command("key", example="tallystick witness key witness.skey --name witness.example/one")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", help="The witness's name, without spaces; needed to make a new key.")
def key(session: Session, file: Path, *, name: str | None) -> None:
    """Make a witness's key, or show the public half of one that exists. The file is the secret."""
    from tallystick.client.keyring import write_private
    from tallystick.client.vocabulary import Algorithm, NoteError, SigningKey, generate_seed, parse_vkey

    found = read_log_key(file)
    if found is None:
        if name is None:
            raise CommandError(f"there is no key {file}", hint="name the new witness with --name")
        try:
            found = SigningKey(name=name, algorithm=Algorithm.COSIGNATURE_V1, seed=generate_seed())
            parse_vkey(found.verifier.vkey)  # which a name with a space would not pass
        except NoteError as error:
            raise CommandError(str(error), hint="such as witness.example/one") from None
        write_private(file, f"{found.skey}\n".encode())
    session.show({"file": str(file), "vkey": found.verifier.vkey}, found.verifier.vkey)


@command.add_command
@make_command("checkpoint", ledger=True, example="tallystick witness checkpoint")
@OUT
def checkpoint(session: Session, *, target: Path | None) -> None:
    """Write the newest checkpoint, with the cosignatures it has; on a file one is made now if need be."""
    if session.url is not None:
        size, note = _newest_of_node(session)
    else:
        with checkpointed(session) as ledger:
            size, note = ledger.file.journal.checkpoint()
    if target is not None:
        write_new(target, note)
    session.show({"checkpoint_size": size, "note": note.decode()}, note.decode().rstrip("\n"))


def _newest_of_node(session: Session, *, cosigned: bool = False) -> tuple[int, bytes]:
    """Return the size and note of a node's newest checkpoint, if possible one that is `cosigned`.

    Who signed it is not checked.
    """
    from tallystick.client.questions import witnesses
    from tallystick.client.vocabulary import parse_checkpoint, parse_note

    with session.node() as client:
        found = client.ask(witnesses.newest())
    note = ((found.cosigned if cosigned else None) or found.checkpoint).encode()
    return parse_checkpoint(parse_note(note).text).tree_size, note


@command.add_command
@make_command(
    "request",
    ledger=True,
    example="""\
tallystick witness request --out request
tallystick witness request --old-size 120 --out request""",
)
@click.option(
    "--old-size",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="The size the witness saw last.",
)
@click.option(
    "--out",
    "target",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the request.",
)
def request(session: Session, *, old_size: int, target: Path) -> None:
    """Write the request by which a witness is shown the newest checkpoint (C2SP add-checkpoint)."""
    from tallystick.client.questions import witnesses
    from tallystick.client.vocabulary import AddCheckpoint, parse_checkpoint, parse_note
    from tallystick.node.proofs import witness_request

    if session.url is not None:
        with session.node() as client:
            body = client.ask(witnesses.request(old_size))
            vkey = client.info().log_key
    else:
        with checkpointed(session) as ledger:
            body = witness_request(ledger.file, old_size=old_size)
            vkey = ledger.file.genesis.log_key
    size = parse_checkpoint(parse_note(AddCheckpoint.decode(body).checkpoint).text).tree_size
    write_new(target, body)
    session.show(
        {"file": str(target), "old_size": old_size, "checkpoint_size": size, "log_key": vkey},
        f"from {old_size} to {size} entries: {target}",
    )
    session.note(f"hint: tallystick witness cosign {target} --key FILE --log-key {vkey} --out FILE")


@command.add_command
@make_command(
    "cosign",
    example="tallystick witness cosign request --key witness.skey --log-key VKEY --out cosignature",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="The witness's key.")
@click.option(
    "--log-key", "log_keys", multiple=True, required=True, metavar="VKEY", help="A log to watch; repeat."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What the witness remembers; by default the key's name with .heads.",
)
@OUT
def cosign(
    session: Session,
    file: Path,
    *,
    key_file: Path,
    log_keys: tuple[str, ...],
    state: Path | None,
    target: Path | None,
) -> None:
    """As a witness, cosign a checkpoint that grew out of the last one seen, and remember it.

    Anything else is refused with exit code 3: an unknown log, an older or another history of the same size.
    Keep a request that was refused as inconsistent: it may be proof of misbehaviour.
    """
    from tallystick.client.vocabulary import Witness, parse_vkey

    signer = _witness_key(key_file)
    state = state or beside(key_file, STATE_SUFFIX)
    with _locked(state):
        heads = _load_heads(state)

        def persist(origin: str, head: "TreeHead") -> None:
            heads[origin] = head
            _save_heads(state, heads)

        logs = {log.name: log for log in map(parse_vkey, log_keys)}
        witness = Witness(signer, logs=logs, heads=heads, persist=persist)
        line = witness.add_checkpoint(read_file(file), now_seconds=int(time.time()))
    if target is not None:
        write_new(target, line.encode())
    session.show({"witness": signer.verifier.vkey, "cosignature": line}, line.rstrip("\n"))


def _witness_key(path: Path) -> "SigningKey":
    from tallystick.client.vocabulary import Algorithm

    found = read_log_key(path)
    if found is None or found.algorithm is not Algorithm.COSIGNATURE_V1:
        raise CommandError(
            f"{path} is no witness's key", hint=f"tallystick witness key {path} --name NAME makes one"
        )
    return found


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    with beside(state, "-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _load_heads(path: Path) -> "dict[str, TreeHead]":
    from tallystick.client.vocabulary import TreeHead

    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_bytes())
        return {
            origin: TreeHead(tree_size=int(head["tree_size"]), root=bytes.fromhex(head["root"]))
            for origin, head in document.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CommandError(
            f"{path} is not a witness's memory", hint="restore it: a witness that forgets proves nothing"
        ) from None


def _save_heads(path: Path, heads: "dict[str, TreeHead]") -> None:
    from tallystick.client.keyring import write_private

    document = {
        origin: {"tree_size": head.tree_size, "root": head.root.hex()}
        for origin, head in sorted(heads.items())
    }
    write_private(path, (json.dumps(document, indent=1) + "\n").encode())


@command.add_command
@make_command(
    "add", ledger=True, example="tallystick witness add cosignature --witness witness.example/one+...+..."
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="VKEY",
    help="Whose they are; repeat. A node knows its own.",
)
def add(session: Session, files: tuple[Path, ...], *, witnesses: tuple[str, ...]) -> None:
    """Keep witnesses' cosignatures under the checkpoint they are of, so that proofs can carry them."""
    from tallystick.client.questions.witnesses import cosign as handed_in
    from tallystick.client.vocabulary import parse_vkey

    if bool(witnesses) is (session.url is not None):
        raise CommandError(
            "--witness says whose cosignatures a ledger file takes; a node takes those of its settings",
            hint="name each witness with --witness VKEY, or a node with --url",
        )
    keys = [parse_vkey(vkey) for vkey in witnesses]
    lines = [
        line
        for file in files
        for line in read_file(file).decode("utf-8", "replace").splitlines(keepends=True)
    ]
    if session.url is not None:
        with session.node() as client:
            note = (client.ask(handed_in(lines)).cosigned or "").encode()
    else:
        with session.writing() as ledger:
            note = ledger.file.add_cosignatures(lines, witnesses=keys)
    session.show({"note": note.decode(), "added": len(lines)}, note.decode().rstrip("\n"))


@command.add_command
@make_command(
    "verify",
    ledger=True,
    example="""\
tallystick witness verify --witness VKEY --witness VKEY --quorum 1
tallystick witness verify --checkpoint checkpoint --log-key VKEY --witness VKEY""",
)
@click.option(
    "--checkpoint", "file", type=click.Path(path_type=Path), help="A checkpoint; else the ledger's newest."
)
@click.option("--log-key", metavar="VKEY", help="The log's public key, as you know it; needed for a file.")
@WITNESSES
@QUORUM
def verify(
    session: Session,
    *,
    file: Path | None,
    log_key: str | None,
    witnesses: tuple[str, ...],
    quorum: int | None,
) -> None:
    """Check that enough of the witnesses you chose cosigned a checkpoint, by default the newest."""
    from tallystick.client.vocabulary import parse_vkey, verify_cosigned

    policy = quorum_of(witnesses, quorum)
    if policy is None:
        raise CommandError("no witness is named", hint="name those you trust with --witness VKEY")
    if file is None and session.url is not None and log_key is not None:
        note = _newest_of_node(session, cosigned=True)[1]
    elif file is None and session.url is None:
        with session.reading() as ledger:
            newest = ledger.file.journal.cosigned() or ledger.file.journal.checkpoint()
            log_key = log_key or ledger.file.genesis.log_key
        if newest is None:
            raise CommandError("there is no checkpoint yet", hint="tallystick witness checkpoint makes one")
        note = newest[1]
    elif file is None or log_key is None:
        raise CommandError("whose checkpoint is it?", hint="name the log's key with --log-key VKEY")
    else:
        note = read_file(file)
    found = verify_cosigned(note, log_key=parse_vkey(log_key), quorum=policy)
    sentence = (
        f"the checkpoint of {found.tree_size} entries of {found.origin} is cosigned by at least"
        f" {policy.threshold} of your {len(policy.witnesses)} witnesses"
    )
    session.show(
        {
            "status": "cosigned",
            "checkpoint_size": found.tree_size,
            "origin": found.origin,
            "quorum": policy.threshold,
            "sentence": sentence,
        },
        sentence,
    )
