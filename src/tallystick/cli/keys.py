"""`tallystick keys`: the keyring beside a ledger file, or anywhere else.

A key's name is the account it signs for, or the account, `#` and a label where it has several. Listing needs
no password, for names and public keys lie open; everything else does.
"""

from pathlib import Path

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command, make_group
from tallystick.cli.session import Session, read_file

APART = "keys stay on your machine, and --ledger only says beside which file they lie"

command = make_group("keys", "Make, list and move keys. They are encrypted at rest under one password.")


@command.add_command
@make_command(
    "new",
    ledger=True,
    keys=True,
    file_only=APART,
    example="""\
tallystick keys new alice bob
tallystick keys new alice#laptop --keys my.keys""",
)
@click.argument("names", nargs=-1, required=True)
def new(session: Session, names: tuple[str, ...]) -> None:
    """Make keys. The keyring is made with the first one."""
    keyring = session.keyring(create=True)
    dids = keyring.new(*names)
    documents = [{"name": name, "key": did} for name, did in zip(names, dids, strict=True)]
    session.rows(documents, ("key", "name"), ("public", "key"))


@command.add_command
@make_command("list", ledger=True, keys=True, file_only=APART, example="tallystick keys list --json")
def list_(session: Session) -> None:
    """List the keys by name, with their public halves. Asks for no password."""
    from tallystick.client.keyring import list_keys

    listed = list_keys(session.keys_path)
    session.rows(
        [{"name": name, "key": did} for name, did in sorted(listed.items())],
        ("key", "name"),
        ("public", "key"),
    )


@command.add_command
@make_command(
    "add",
    ledger=True,
    keys=True,
    file_only=APART,
    example="tallystick keys add alice --seed-file alice.seed",
)
@click.argument("name")
@click.option(
    "--seed-file",
    required=True,
    type=click.Path(path_type=Path),
    help="A file with the key's 64 hexadecimal digits, as `keys export` writes it; - is standard input.",
)
def add(session: Session, name: str, seed_file: Path) -> None:
    """Put a key that exists into the keyring."""
    text = read_file(seed_file, bytes_max=1024).decode("ascii", "replace").strip()
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        raise CommandError(
            f"{seed_file} holds no key in hexadecimal", hint="tallystick keys export writes one"
        ) from None
    keyring = session.keyring(create=True)
    keyring.add({name: seed})
    session.show({"name": name, "key": keyring.did(name)}, f"{name}  {keyring.did(name)}")


@command.add_command
@make_command(
    "export", ledger=True, keys=True, file_only=APART, example="tallystick keys export alice > alice.seed"
)
@click.argument("name")
def export(session: Session, name: str) -> None:
    """Write a key's secret to standard output. Whoever has it is the account."""
    seed = session.keyring().export_seed(name).hex()
    session.note(f"{name}'s secret key follows: whoever reads it can spend")
    session.show({"name": name, "seed": seed}, seed)


@command.add_command
@make_command(
    "rename", ledger=True, keys=True, file_only=APART, example="tallystick keys rename alice alice#old"
)
@click.argument("name")
@click.argument("new_name")
def rename(session: Session, name: str, new_name: str) -> None:
    """Give a key another name. The ledger knows keys, not their names."""
    keyring = session.keyring()
    keyring.rename(name, new_name)
    session.show({"name": new_name, "key": keyring.did(new_name)}, f"{new_name}  {keyring.did(new_name)}")


@command.add_command
@make_command(
    "remove", ledger=True, keys=True, file_only=APART, example="tallystick keys remove alice#old --yes"
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(session: Session, name: str, *, yes: bool) -> None:
    """Forget a key. What it alone controls is then out of reach for ever."""
    keyring = session.keyring()
    did = keyring.did(name)
    if not yes:
        click.confirm(f"Forget {name} ({did})?", abort=True, err=True)
    keyring.remove(name)
    session.show({"removed": name, "key": did}, f"forgot {name}  {did}")


@command.add_command
@make_command(
    "password",
    ledger=True,
    keys=True,
    file_only=APART,
    example="tallystick keys password --new-password-file new.txt",
)
@click.option(
    "--new-password-file", type=click.Path(path_type=Path), help="A file with the new password; else asked."
)
def password(session: Session, new_password_file: Path | None) -> None:
    """Seal the keyring under another password."""
    keyring = session.keyring()
    if new_password_file is not None:
        new_password = new_password_file.read_text(encoding="utf-8").splitlines()[0]
    else:
        new_password = click.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    keyring.change_password(new_password)
    session.show({"changed": str(session.keys_path)}, f"{session.keys_path} has a new password")
