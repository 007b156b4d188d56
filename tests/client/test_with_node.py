"""The verifier and the importer on what a node really writes."""

import sqlite3

import pytest

from tallystick.client.keyring import Keyring
from tallystick.client.payments import Status, import_payments
from tallystick.client.sources import open_source
from tallystick.client.verifier import VerificationFailed, verify
from tallystick.node.export import export_log
from tallystick.node.ledger_file import LedgerFile
from tests.client.histories import GOLD, small_history
from tests.client.memory import LOG_KEY, SECOND, START, seed


@pytest.fixture
def ledger(tmp_path):
    """A node that was given the small history's envelopes, batch by batch at the same times."""
    history = small_history()
    times = iter(range(START + SECOND, START + 10**12, SECOND))
    with LedgerFile.create(
        tmp_path / "a.tally", history.genesis, log_key=LOG_KEY, clock=lambda: next(times)
    ) as made:
        for entry in history.entries:
            if entry.sender:
                (outcome,) = made.submit([entry.envelope])
                assert outcome.receipt is not None, outcome.rejection
        yield made


def test_a_nodes_file_verifies_while_it_is_open_and_after(ledger, tmp_path):
    note = ledger.checkpoint()
    with open_source(tmp_path / "a.tally") as source:
        verdict = verify(source)
    assert (verdict.transactions, verdict.checkpoints, verdict.uncovered) == (6, 1, 0)
    export_log(ledger, tmp_path / "export")
    with open_source(tmp_path / "export") as source:
        exported = verify(source)
    assert (exported.entries, exported.tree_root) == (verdict.entries, verdict.tree_root)
    assert exported.state_root == verdict.state_root
    ledger.close()
    with open_source(tmp_path / "a.tally") as source:
        assert verify(source).tree_root == verdict.tree_root
    with sqlite3.connect(tmp_path / "a.tally") as db:
        db.execute("UPDATE entry SET receipt = ? WHERE idx = 2", (b"{}",))
    db.close()
    with open_source(tmp_path / "a.tally") as source, pytest.raises(VerificationFailed) as failed:
        verify(source)
    assert failed.value.index == 2
    assert note.startswith(b"example.com/test\n")


def test_payments_reach_a_node_once(ledger, tmp_path):
    keyring = Keyring.create(tmp_path / "keys.json", "password")
    keyring.add({name: seed(name) for name in ("alice", "bob")})
    file = tmp_path / "p.csv"
    file.write_text("sender,amount,receiver,ref\nalice,1.00,bob,a\nbob,999,alice,b\n", encoding="utf-8")
    ledger.advance(START + 60 * SECOND)  # past the history's hold, so that payments alone move balances
    before = ledger.balance("bob", GOLD)
    first = import_payments(file, ledger, keyring, asset=GOLD)
    again = import_payments(file, ledger, keyring, asset=GOLD)
    assert [line.status for line in first.lines] == [Status.SETTLED, Status.REJECTED]
    assert [line.status for line in again.lines] == [Status.ALREADY_SETTLED, Status.REFUSED_BEFORE]
    assert again.lines[0].index == first.lines[0].index
    assert ledger.balance("bob", GOLD) == before + 100
