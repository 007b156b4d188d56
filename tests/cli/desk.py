"""A desk: somebody at a terminal, in a folder of their own.

desk = Desk(tmp_path)
desk.start()                                  # init, with the bank's euro
desk("pay alice bob 12.50 eur@bank")
desk.refused("pay alice bob 1000 eur@bank", code="insufficient_balance")
desk.wait(3600)                               # what follows is an hour later; nobody sleeps

Most of such a test's time would go into opening the same keyring and making the same ledger again. A key is
therefore derived from a password once a run (`tests/test_crypto.py` and `tests/client/test_keyring.py` derive
each of theirs), and a folder is made once and copied.
"""

import atexit
import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import chdir
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner, Result

from tallystick import crypto
from tallystick.cli import tallystick
from tallystick.node import ledger_file

PASSWORD = "correct horse"

_FOLDER = tempfile.TemporaryDirectory(prefix="tallystick-desks-")
atexit.register(_FOLDER.cleanup)
_MADE: dict[tuple[tuple[str, ...], tuple[str, ...]], Path] = {}
"""Folders that `start` copies, by their accounts and the lines that were typed into them."""

_seal_box_once = cache(crypto._seal_box)


class Desk:
    """One folder, one environment; a second desk over the same folder is a second person with other keys."""

    def __init__(self, folder: Path, *, keys: str | None = None) -> None:
        self.folder = folder
        self.ahead_ns = 0
        self.env = {
            "TALLYSTICK_LEDGER": "ledger.tally",
            "TALLYSTICK_KEYS": keys,
            "TALLYSTICK_PASSWORD": PASSWORD,
            "TALLYSTICK_PASSWORD_FILE": None,
        }

    def run(self, line: str, *, stdin: str | None = None) -> Result:
        """Type a line and return what came of it."""
        clock = SimpleNamespace(time_ns=lambda: time.time_ns() + self.ahead_ns)
        with (
            chdir(self.folder),
            patch.object(crypto, "_seal_box", _seal_box_once),
            patch.object(ledger_file, "system_time", clock),
        ):
            result = CliRunner().invoke(tallystick, shlex.split(line), env=self.env, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def __call__(self, line: str, *, stdin: str | None = None) -> str:
        """Type a line that succeeds, and return its standard output."""
        result = self.run(line, stdin=stdin)
        assert result.exit_code == 0, f"{line}\n{result.stdout}{result.stderr}"
        return result.stdout

    def json(self, line: str) -> Any:
        """Type a line that succeeds with --json, and return its one document."""
        return json.loads(self(f"{line} --json"))

    def jsonl(self, line: str) -> list[Any]:
        """Type a line that succeeds with --json, and return its documents, one a line."""
        return [json.loads(text) for text in self(f"{line} --json").splitlines()]

    def fails(self, line: str, *, exit_code: int) -> Result:
        """Type a line that must fail so."""
        result = self.run(line)
        assert result.exit_code == exit_code, f"{line}\n{result.stdout}{result.stderr}"
        return result

    def refused(self, line: str, *, code: str, exit_code: int = 1) -> dict[str, Any]:
        """Type a line that must fail with a code; check its words too; return the error's document."""
        result = self.fails(f"{line} --json", exit_code=exit_code)
        document = json.loads(result.stdout)
        assert document["error"] == code, document
        assert document["message"] in result.stderr
        return document

    def start(self, *accounts: str, then: Sequence[str] = ()) -> "Desk":
        """Have a ledger with these accounts and a bank that issues euro, and what the lines of `then` do.

        It is made once a run, then copied.
        """
        made = _MADE.get((accounts, tuple(then)))
        if made is None:
            made = Path(tempfile.mkdtemp(dir=_FOLDER.name))
            desk = Desk(made)
            if then:
                desk.start(*accounts)
            else:
                desk._found(accounts)
            for line in then:
                desk(line)
            _MADE[accounts, tuple(then)] = made
        shutil.copytree(made, self.folder, dirs_exist_ok=True)
        return self

    def _found(self, accounts: tuple[str, ...]) -> None:
        self("init --name Test")
        self(f"account open bank {' '.join(accounts)}")
        self("institution found bank-ag --account bank --role bank")
        self(
            "asset create eur --issuer bank --kind claim --obligor bank-ag --owes EUR --decimals 2 --unit EUR"
        )

    def wait(self, seconds: int) -> None:
        """Let this much time pass on the ledger file's clock; a node has its own, and is waited for."""
        if self.env.get("TALLYSTICK_URL") is None:
            self.ahead_ns += seconds * 1_000_000_000
        else:
            time.sleep(seconds)

    def units(self, account: str, asset: str = "eur@bank") -> int:
        """Return a balance in minor units."""
        found = self.jsonl(f"balance {account} {asset}")
        return int(found[0]["units"])

    def vkey(self) -> str:
        """Return the log's public key."""
        return str(self.json("info")["vkey"])

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path
