"""What every command keeps to: JSON, an example, one line of help, and errors that say what to do."""

import json
import re
import shlex
import sqlite3

import click
import pytest

from tallystick.cli import COMMANDS, tallystick
from tests.cli.desk import Desk


def all_commands():
    """Return every command with its whole name, subcommands included."""
    found = []
    context = click.Context(tallystick, info_name="tallystick")
    for name in tallystick.list_commands(context):
        command = tallystick.get_command(context, name)
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", command.commands[inner]) for inner in command.commands]
        else:
            found.append((name, command))
    return found


EVERY = [pytest.param(name, command, id=name) for name, command in all_commands()]


def test_the_issue_s_commands_are_there():
    named = {name for section in COMMANDS.values() for name in section}
    assert named >= {
        *["init", "keys", "account", "asset", "pay", "sign", "submit", "hold", "contract", "preview"],
        *["history", "proof", "witness", "verify", "export", "import", "backup"],
    }


@pytest.mark.parametrize(("name", "command"), EVERY)
def test_command_has_json_and_an_example_of_itself(name, command):
    options = {word for parameter in command.params for word in parameter.opts}
    assert "--json" in options
    assert f"tallystick {name}" in command.epilog
    assert command.help
    assert command.help.split("\n")[0].rstrip().endswith((".", ":"))


@pytest.mark.parametrize(("name", "command"), EVERY)
def test_options_explain_themselves(name, command):
    silent = [
        parameter.name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


@pytest.mark.parametrize(("name", "command"), EVERY)
def test_example_parses(name, command, tmp_path, monkeypatch):
    """Parse each example's arguments by the command's own parser: none may have drifted from its options."""
    monkeypatch.chdir(tmp_path)
    text = re.sub(r" *\\\n\s*", " ", command.epilog.split("Examples:\n")[1])
    parsed = 0
    for part in text.split("tallystick ")[1:]:
        alone = re.split(r" && | \| | > |(?<=\S) {4}", part)[0]  # what follows belongs to the shell or reader
        words = shlex.split(alone)
        if words[: len(name.split())] != name.split():
            continue
        arguments = words[len(name.split()) :]
        for parameter in command.params:  # files that an example names need not be here
            if isinstance(parameter.type, click.Path):
                monkeypatch.setattr(parameter.type, "exists", False)
        command.make_context(name, arguments)
        parsed += 1
    assert parsed


def test_the_root_help_is_what_the_commands_say_of_themselves():
    context = click.Context(tallystick)
    for name, line in [pair for section in COMMANDS.values() for pair in section.items()]:
        command = tallystick.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            assert command.help.startswith(line.rstrip("."))


def test_every_command_of_a_ledger_works_by_url_or_says_why_not():
    def options(command):
        return {word for parameter in command.params for word in parameter.opts}

    on_a_ledger = {name: command for name, command in all_commands() if "--ledger" in options(command)}
    without = {name for name, command in on_a_ledger.items() if "--url" not in options(command)}
    keys = {f"keys {name}" for name in ("new", "list", "add", "export", "rename", "remove", "password")}
    assert without == {"backup", "serve", *keys}
    for name in without:
        assert "It has no --url: " in on_a_ledger[name].help


# Three wrong things typed, and more: each names a code, the numbers, a hint, and exits as documented.


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = Desk(tmp_path_factory.mktemp("desk")).start("alice", "bob")
    made("asset issue eur@bank alice 100.00")
    return made


@pytest.mark.parametrize(
    ("line", "exit_code", "said", "hint"),
    [
        ("pay alice bob 100.01 eur@bank", 1, ["insufficient_balance", "10000", "units=1"], "balance alice"),
        ("pay alice bob 1.005 eur@bank", 2, ["1.005", "3 decimals", "has 2"], None),
        ("pay alice bobb 1 eur@bank", 1, ["unknown_account", "bobb"], "tallystick account"),
        ("pay alice bob 1 eur", 1, ["unknown_asset", "eur"], "CODE@ISSUER"),
        ("pay alice bob", 2, ["TO AMOUNT ASSET"], "tallystick pay --help"),
        ("pya alice bob 1 eur@bank", 2, ["pya"], "did you mean pay?"),
        ("account shwo alice", 2, ["shwo"], "did you mean show?"),
        ("balance nobody", 1, ["unknown_account"], "tallystick account open nobody"),
        ("balance alice eur@bank --at-entry 99999", 2, ["99999", "reaches"], "tallystick info"),
        ("balance alice eur@bank --at 1999-01-01T00:00Z", 2, ["1999-01-01T00:00:00Z is before"], "began"),
        ("balance alice eur@bank --at 2999-01-01T00:00Z", 2, ["2999-01-01T00:00:00Z is beyond"], "earlier"),
        ("balance alice eur@bank --at yesterday", 2, ["yesterday"], "2026-11-20"),
        ("hold create alice bob 1 eur@bank --until 2000-01-01T00:00:00Z", 1, ["time_invalid"], "2h"),
        ("pay alice bob 1 eur@bank --valid 1d", 2, ["86400", "once"], "600 s"),
        ("receipt 99999", 2, ["99999"], "tallystick info"),
        ("receipt none", 2, ["none"], "tallystick history"),
        ("verify ledger.tally --log-key bad", 2, ["log key"], "tallystick info --log-key"),
        ("keys new alice", 2, ["alice"], "alice#laptop"),
        ("init ledger.tally --name Again", 2, ["exists"], "another path"),
        ("history alice --ledger other.tally", 2, ["other.tally"], "tallystick init"),
        ("pay alice bob 1 eur@bank --keys none.keys", 2, ["none.keys"], "tallystick keys new"),
        ("asset issue eur@bank alice 0", 1, ["amount_not_positive"], "above zero"),
        ("pay bank alice 1 eur@bank", 1, ["issue_required"], "tallystick asset issue eur@bank"),
        ("verify nothing.tally", 2, ["nothing.tally"], "tallystick verify --help"),
    ],
)  # fmt: skip
def test_an_error_says_what_and_what_to_do(desk, line, exit_code, said, hint):
    before = desk.json("info")["entries"]
    result = desk.fails(line, exit_code=exit_code)
    assert result.stdout == ""
    for text in said:
        assert text in result.stderr
    if hint is not None:
        [told] = [text for text in result.stderr.splitlines() if text.startswith("hint: ")]
        assert hint in told
    document = json.loads(desk.fails(f"{line} --json", exit_code=exit_code).stdout)
    assert document.keys() >= {"error", "facts", "message"}
    assert desk.json("info")["entries"] == before


def test_a_wrong_password_is_told_without_the_password(desk):
    desk.write("wrong.txt", "swordfish\n")
    result = desk.fails("pay alice bob 1 eur@bank --password-file wrong.txt", exit_code=2)
    assert "password" in result.stderr
    assert "hint: --password-file" in result.stderr
    assert "swordfish" not in result.stderr


def test_json_goes_to_standard_output_and_notes_to_standard_error(desk):
    for line in ("info", "account list", "asset list", "history alice", "verify ledger.tally", "keys list"):
        result = desk.run(f"{line} --json")
        for text in result.stdout.splitlines():
            json.loads(text)
    assert desk.run("redeem list").stderr == "nothing to show\n"


# A ledger that was tampered with.


@pytest.mark.parametrize(("column", "what"), [("receipt", "receipt"), ("envelope", "envelope"), ("leaf", "")])
def test_a_byte_changed_in_the_journal_is_found_and_named(tmp_path, column, what):
    made = Desk(tmp_path).start("alice", "bob")
    made("asset issue eur@bank alice 100.00")
    entry = made.json("pay alice bob 12.50 eur@bank")["receipt"]["index"]
    made("pay bob alice 1.00 eur@bank")
    made("verify ledger.tally")
    with sqlite3.connect(tmp_path / "ledger.tally") as connection:
        [data] = connection.execute(f"SELECT {column} FROM entry WHERE idx = ?", (entry,)).fetchone()
        changed = bytearray(data)
        changed[len(data) // 2] ^= 1
        connection.execute(f"UPDATE entry SET {column} = ? WHERE idx = ?", (bytes(changed), entry))
    connection.close()
    refused = made.refused("verify ledger.tally", code="verification_failed", exit_code=3)
    assert refused["message"].startswith(f"entry {entry}: ")
    assert what in refused["message"]


def test_a_byte_changed_in_a_snapshot_is_found_though_the_log_does_not_need_it(tmp_path):
    made = Desk(tmp_path).start("alice")
    with sqlite3.connect(tmp_path / "ledger.tally") as connection:
        [[size]] = connection.execute("SELECT max(size) FROM snapshot").fetchall()
        parts = connection.execute("SELECT part, data FROM snapshot WHERE size = ?", (size,)).fetchall()
    connection.close()
    assert len(parts) > 2
    for part, data in parts:
        changed = bytearray(data)
        changed[len(data) // 2] ^= 1
        with sqlite3.connect(tmp_path / "ledger.tally") as connection:
            connection.execute("UPDATE snapshot SET data = ? WHERE part = ?", (bytes(changed), part))
        refused = made.refused("verify ledger.tally", code="journal_corrupt", exit_code=3)
        assert refused["message"].startswith(f"the snapshot of {size} entries")
        with connection:
            connection.execute("UPDATE snapshot SET data = ? WHERE size = ? AND part = ?", (data, size, part))
            connection.execute("DELETE FROM snapshot WHERE size <> ?", (size,))
        connection.close()
    made("verify ledger.tally")


def test_damage_to_the_index_that_retries_are_found_by_is_found(tmp_path):
    made = Desk(tmp_path).start("alice")
    made("asset issue eur@bank alice 100.00")
    made("verify ledger.tally")
    with sqlite3.connect(tmp_path / "ledger.tally") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [[page_bytes]] = connection.execute("PRAGMA page_size").fetchall()
        [[page]] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'entry_id'").fetchall()
        [[identifier]] = connection.execute("SELECT id FROM entry WHERE sender = 'bank' LIMIT 1").fetchall()
    connection.close()
    data = bytearray((tmp_path / "ledger.tally").read_bytes())
    start = (page - 1) * page_bytes
    at = data.index(identifier.encode(), start, start + page_bytes)
    data[at] ^= 1
    (tmp_path / "ledger.tally").write_bytes(data)
    refused = made.refused("verify ledger.tally", code="journal_corrupt", exit_code=3)
    assert "entry_id" in refused["message"]


def test_a_damaged_schema_is_told_in_words_whatever_its_bytes(tmp_path):
    made = Desk(tmp_path).start("alice")
    with sqlite3.connect(tmp_path / "ledger.tally") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = (tmp_path / "ledger.tally").read_bytes()
    (tmp_path / "ledger.tally").write_bytes(data.replace(b"CREATE UNIQUE INDEX", b"CREATE UNIQUE IND\xcbX"))
    refused = made.refused("verify ledger.tally", code="source_damaged", exit_code=3)
    assert "cannot be read" in refused["message"]


def test_a_file_that_was_cut_short_is_damaged_and_no_mistake_of_whoever_asks(tmp_path):
    made = Desk(tmp_path).start("alice")
    with sqlite3.connect(tmp_path / "ledger.tally") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = (tmp_path / "ledger.tally").read_bytes()
    for cut in (4096, len(whole) // 2, len(whole) - 4096):
        made.folder.joinpath("cut.tally").write_bytes(whole[:-cut])
        told = json.loads(made.fails("verify cut.tally --json", exit_code=3).stdout)
        assert told["error"] in ("source_damaged", "verification_failed", "journal_corrupt"), told
        assert told["hint"]
    made("verify ledger.tally")


def test_a_ledger_opened_with_another_log_key_is_refused(tmp_path):
    made = Desk(tmp_path).start("alice")
    (tmp_path / "other").mkdir()
    Desk(tmp_path / "other").start()
    (tmp_path / "ledger.tally.logkey").write_bytes((tmp_path / "other/ledger.tally.logkey").read_bytes())
    made.refused("account open bob", code="wrong_log_key", exit_code=3)


def test_without_the_log_key_only_checkpoints_are_out_of_reach(tmp_path):
    made = Desk(tmp_path).start("alice", "bob")
    made("asset issue eur@bank alice 100.00")
    (tmp_path / "ledger.tally.logkey").rename(tmp_path / "put-away")
    made("pay alice bob 1 eur@bank")
    refused = made.refused("proof balance bob eur@bank", code="usage", exit_code=2)
    assert "ledger.tally.logkey" in refused["message"]
    assert "log key" in refused["hint"]
    (tmp_path / "put-away").rename(tmp_path / "ledger.tally.logkey")
    assert made.json("proof balance bob eur@bank")["value"] == 100


# Copies.


def test_an_export_and_a_backup_verify_like_the_file_and_hold_no_secret(tmp_path):
    made = Desk(tmp_path).start("alice")
    made("asset issue eur@bank alice 100.00")
    secret = (tmp_path / "ledger.tally.logkey").read_bytes().strip()
    made("export public")
    made("backup copy.tally")
    whole = made.json("verify ledger.tally")
    for path in ("public", "copy.tally"):
        verified = made.json(f"verify {path} --log-key {made.vkey()} --ledger-id {whole['ledger_id']}")
        assert (verified["tree_root"], verified["state_root"]) == (whole["tree_root"], whole["state_root"])
    stored = [path for path in (tmp_path / "public").rglob("*") if path.is_file()]
    assert not any(secret in path.read_bytes() for path in [*stored, tmp_path / "copy.tally"])
    made("asset issue eur@bank alice 1.00")
    made.refused("restore copy.tally ledger.tally", code="would_lose")
    made("restore copy.tally ledger.tally --discard-newer")
    assert made.units("alice") == 10000
    made("restore copy.tally elsewhere.tally")
    made("verify elsewhere.tally")
