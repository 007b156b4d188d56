"""The session: what a command opens (ledger file, keyring, log key) and how it answers.

Beside a ledger file PATH lie PATH.keys, the keyring, and PATH.logkey, with which checkpoints are signed. The
log key is like a server's host key: it stays on the machine, in no backup and no export, readable by its
owner alone. The rule that must hold: a command that only looks opens the file for reading, so that it works
beside a running node and without any key.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from tallystick.cli.errors import CommandError

if TYPE_CHECKING:
    from tallystick.cli.opened import OpenLedger
    from tallystick.client.http import Client
    from tallystick.client.keyring import Keyring
    from tallystick.client.vocabulary import SigningKey

KEYS_SUFFIX = ".keys"
LOG_KEY_SUFFIX = ".logkey"
PASSWORD_BYTES_MAX = 4096
NODE_SECONDS = 10.0
"""How long a command goes on asking a node that does not answer; a person waits no longer."""


@dataclass
class Session:
    """The common options of one command, and what follows from them."""

    json: bool = False
    ledger: Path = Path("ledger.tally")
    url: str | None = None
    keys: Path | None = None
    password_file: Path | None = None
    dry_run: bool = False
    out: Path | None = None
    unsigned: bool = False
    join: Path | None = None
    once: str | None = None
    valid: str = "5m"

    # What is said.

    def show(self, document: Mapping[str, Any], *lines: str) -> None:
        """Write the answer: the document with `--json`, else the lines."""
        if self.json:
            click.echo(json.dumps(document))
        else:
            for line in lines:
                click.echo(line)

    def rows(self, documents: Iterable[Mapping[str, Any]], *columns: tuple[str, str]) -> None:
        """Write many answers: one JSON document a line, or a table of (heading, field) columns."""
        if self.json:
            for document in documents:
                click.echo(json.dumps(document))
            return
        table = [[str(row.get(name, "")) for _, name in columns] for row in documents]
        if not table:
            self.note("nothing to show")
            return
        for line in align([[heading for heading, _ in columns], *table]):
            click.echo(line)

    def note(self, text: str) -> None:
        """Say something beside the answer."""
        click.echo(text, err=True)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator["Progress"]:
        """Show progress on standard error where somebody watches it."""
        hidden = not sys.stderr.isatty()
        file: TextIO = sys.stderr
        with click.progressbar(length=total, label=label, file=file, hidden=hidden) as bar:
            yield Progress(bar)

    # What is opened.

    @property
    def keys_path(self) -> Path:
        """Where the keyring is."""
        return self.keys or beside(self.ledger, KEYS_SUFFIX)

    def keyring(self, *, create: bool = False) -> "Keyring":
        """Open the keyring, asking for its password only if nobody gave it."""
        from tallystick.client.keyring import Keyring

        path = self.keys_path
        if not path.exists():
            if not create:
                raise CommandError(
                    f"there is no keyring {path}",
                    hint=f"tallystick keys new NAME --keys {path} makes one; --keys names another",
                )
            return Keyring.create(path, self.password(path, confirm=True))
        return Keyring.open(path, self.password(path))

    def password(self, path: Path, *, confirm: bool = False) -> str:
        """Return the keyring's password from the file, the environment, or the terminal."""
        if self.password_file is not None:
            return _first_line(self.password_file)
        given = os.environ.get("TALLYSTICK_PASSWORD")
        if given is not None:
            return given
        if not sys.stdin.isatty():
            raise CommandError(
                f"the keyring {path} needs its password, and there is no terminal to ask on",
                hint="set TALLYSTICK_PASSWORD, or name a file with --password-file",
            )
        text = "New password for" if confirm else "Password of"
        answer: str = click.prompt(f"{text} {path}", hide_input=True, confirmation_prompt=confirm, err=True)
        return answer

    def log_key(self) -> "SigningKey | None":
        """Return the log's signing key if it lies beside the ledger file."""
        return read_log_key(beside(self.ledger, LOG_KEY_SUFFIX))

    def require_ledger(self) -> Path:
        """Return the ledger file's path if there is one."""
        if not self.ledger.is_file():
            raise CommandError(
                f"there is no ledger file {self.ledger}",
                hint=f"tallystick init {self.ledger} makes one; --ledger or TALLYSTICK_LEDGER names another",
            )
        return self.ledger

    @contextmanager
    def reading(self) -> Iterator["OpenLedger"]:
        """Open the ledger file, or the node, to look at it."""
        if self.url is not None:
            with self._remote() as remote:
                yield remote
            return
        from tallystick.cli.opened import OpenLedger
        from tallystick.node.ledger_file import LedgerFile

        with LedgerFile.open(self.require_ledger(), read_only=True) as file:
            yield OpenLedger(file)
            self._tell_notices(file.notices)

    @contextmanager
    def writing(self) -> Iterator["OpenLedger"]:
        """Open the ledger file, or the node, to change it; a file's log key, if there, signs checkpoints."""
        if self.url is not None:
            with self._remote() as remote:
                yield remote
            return
        from tallystick.cli.opened import OpenLedger
        from tallystick.node.ledger_file import LedgerFile

        with LedgerFile.open(self.require_ledger(), log_key=self.log_key()) as file:
            yield OpenLedger(file)
            self._tell_notices(file.notices)

    def node(self) -> "Client":
        """Return a client of the node that --url names."""
        from tallystick.client.http import Client

        assert self.url is not None
        return Client(self.url, timeout_seconds=NODE_SECONDS)

    @contextmanager
    def _remote(self) -> Iterator["OpenLedger"]:
        from tallystick.cli.remote import RemoteLedger

        with self.node() as client:
            yield RemoteLedger(client)

    def _tell_notices(self, notices: Iterable[str]) -> None:
        for notice in notices:
            self.note(f"note: {notice}")


class Progress:
    """A progress bar that takes absolute positions."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def __call__(self, done: int, total: int | None = None) -> None:
        """Move to `done`; `total` replaces the length where it turns out to be another."""
        if total is not None:
            self._bar.length = total
        self._bar.update(done - self._bar.pos)


def beside(path: Path, suffix: str) -> Path:
    """Return the path with a suffix added to its whole name."""
    return path.with_name(path.name + suffix)


def read_log_key(path: Path) -> "SigningKey | None":
    """Return the log key in a file, or None if there is no such file."""
    from tallystick.client.vocabulary import NoteError, parse_skey

    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    try:
        return parse_skey(text)
    except NoteError as error:
        raise CommandError(f"{path} is no log key: {error}", hint="it begins with PRIVATE+KEY+") from None


def read_file(path: Path, *, bytes_max: int = 64 * 1_048_576) -> bytes:
    """Return a file's bytes; `-` is standard input."""
    if str(path) == "-":
        return sys.stdin.buffer.read(bytes_max)
    with path.open("rb") as file:
        return file.read(bytes_max)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist; `-` is standard output."""
    if str(path) == "-":
        click.echo(data, nl=False)
        return
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise CommandError(f"{path} exists", hint="remove it, or write to another file") from None


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline(PASSWORD_BYTES_MAX).rstrip("\r\n")


def align(table: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines with their columns aligned; columns of numbers to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    right = [
        all(_is_number(row[column]) for row in table[1:]) and len(table) > 1 for column in range(len(widths))
    ]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdigit()
