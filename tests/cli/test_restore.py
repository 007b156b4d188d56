"""A ledger made again from its log alone: equal entry for entry, and it goes on."""

import json
import shutil
import sqlite3

import pytest

from tests.cli.desk import Desk
from tests.node.economy import dump
from tests.node_service.process import node

pytestmark = pytest.mark.long


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path).start("alice", "bob")
    made("asset issue eur@bank alice 100.00")
    for number in range(5):
        made(f"pay alice bob 1.00 eur@bank --once inv-{number}")
    made("witness checkpoint")
    return made


def same_log(folder, one, other):
    """Compare what a log is made of, and what a retry is found by."""
    for table, order in (("entry", "idx"), ("tile", "level, idx")):
        assert dump(folder / one, table, order) == dump(folder / other, table, order), table


def test_a_ledger_is_made_again_from_an_export_and_goes_on(desk, tmp_path):
    desk("export log")
    vkey = desk.vkey()
    told = desk.json(f"restore log again.tally --log-key {vkey}")
    assert told["entries"] == desk.json("info")["entries"]
    same_log(tmp_path, "ledger.tally", "again.tally")
    shutil.copy(tmp_path / "ledger.tally.logkey", tmp_path / "again.tally.logkey")
    again = Desk(tmp_path, keys="ledger.tally.keys")
    again.env["TALLYSTICK_LEDGER"] = "again.tally"
    assert again.units("bob") == desk.units("bob") == 500
    again.refused("pay alice bob 1.00 eur@bank --once inv-3", code="once_used")
    again("pay alice bob 1.00 eur@bank")
    again(f"verify again.tally --log-key {vkey}")


def test_a_nodes_log_is_mirrored_grown_and_made_a_ledger_again(desk, tmp_path):
    vkey = desk.vkey()
    with node(tmp_path / "ledger.tally", checkpoint_seconds=0.05) as running:
        first = desk.json(f"export mirror --url {running.url}")["entries"]
        envelopes = [f"pay alice bob 0.01 eur@bank --url {running.url}"] * 3
        for line in envelopes:
            desk(line)
        index = desk.json(f"pay alice bob 0.01 eur@bank --url {running.url}")["receipt"]["index"]
        desk(f"proof receipt {index} --url {running.url} --out p")  # waits for a checkpoint over it
        grown = desk.json(f"export mirror --url {running.url}")["entries"]
        assert grown > index >= first
        desk(f"verify mirror --log-key {vkey}")
        assert [path.name for path in (tmp_path / "mirror").rglob("*.p")] == ["000.p"] * 3
        assert all(len(list(path.iterdir())) == 1 for path in (tmp_path / "mirror").rglob("*.p"))
        desk.json(f"restore {running.url} copy.tally --log-key {vkey}")
    desk.json(f"restore mirror again.tally --log-key {vkey}")
    size = desk.json("info --ledger again.tally")["entries"]
    with sqlite3.connect(tmp_path / "ledger.tally") as connection:
        entries = connection.execute("SELECT * FROM entry WHERE idx < ? ORDER BY idx", (size,)).fetchall()
    assert dump(tmp_path / "again.tally", "entry", "idx") == entries
    assert dump(tmp_path / "copy.tally", "entry", "idx")[:size] == entries


def test_an_altered_log_and_a_shorter_one_replace_nothing(desk, tmp_path):
    vkey = desk.vkey()
    desk("export log")
    desk("pay alice bob 1.00 eur@bank")
    lost = desk.refused(f"restore log ledger.tally --log-key {vkey}", code="would_lose")
    assert "would lose" in lost["message"]
    payload = next((tmp_path / "log" / "payload").rglob("*.p")).glob("*")
    path = next(iter(payload))
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"-100"', b'"-101"'))
    assert path.read_bytes() != good
    desk.refused(f"restore log other.tally --log-key {vkey}", code="verification_failed", exit_code=3)
    assert not (tmp_path / "other.tally").exists()
    path.write_bytes(good)
    desk(f"restore log other.tally --log-key {vkey}")
    assert not list(tmp_path.glob("*-rebuilt*"))
    assert json.loads(desk("info --json --ledger other.tally"))["entries"] < desk.json("info")["entries"]


def test_a_mirror_is_of_one_ledger(desk, tmp_path):
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other").start()
    other("init second.tally --name Second")
    shutil.copy(tmp_path / "other" / "second.tally", tmp_path / "second.tally")
    shutil.copy(tmp_path / "other" / "second.tally.logkey", tmp_path / "second.tally.logkey")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    with node(tmp_path / "ledger.tally") as running:
        desk(f"export mirror --url {running.url}")
        assert "not empty" in desk.fails(f"export full --url {running.url}", exit_code=2).stderr
    with node(tmp_path / "second.tally", checkpoint_seconds=0.05) as running:
        told = desk.fails(f"export mirror --url {running.url}", exit_code=2)
    assert "holds another ledger" in told.stderr
