"""A changed byte anywhere in the file is found: when the ledger is opened, or by the check of the whole file.

Opening reads the newest snapshot and what follows it; `check_journal` reads all. So each case says which of
the two must name the damage, and where.
"""

import random
import shutil
import sqlite3
from dataclasses import replace

import pytest

from tallystick.crypto import sha256
from tallystick.ledger.transactions import decode_envelope, encode_envelope
from tallystick.log.leaf import Leaf
from tallystick.node.check import check_journal
from tallystick.node.commitment import Commitment
from tallystick.node.entries import Entry
from tallystick.node.faults import JournalCorrupt
from tallystick.node.journal import Journal
from tallystick.protocol import KINDS
from tests.node.economy import Desk, create_ledger, dump, flip, open_ledger, tamper


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A ledger with two snapshots, several checkpoints, more than one tile, and a tail without a root."""
    path = tmp_path_factory.mktemp("made") / "made.tally"
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        desk.agree()
        for seed in range(5):
            desk.trade(60, seed=seed)
            ledger.checkpoint()
    with open_ledger(path) as ledger:
        Desk(ledger, number=1000).trade(60, seed=9)
    with open_ledger(path, log_key=None) as ledger:
        Desk(ledger, number=2000).trade(20, seed=10)
    return path


@pytest.fixture
def path(made, tmp_path):
    return shutil.copy(made, tmp_path / "test.tally")


def check(path, **options):
    journal = Journal.open(path, read_only=True)
    try:
        return check_journal(journal, kinds=KINDS, **options)
    finally:
        journal.close()


def entries(path):
    return dump(path, "entry", "idx")


def test_the_undamaged_file_passes_both(path):
    told = []
    assert check(path, progress=lambda done, whole: told.append((done, whole))) == len(entries(path)) > 300
    assert told[-1] == (len(entries(path)), len(entries(path)))
    with open_ledger(path) as ledger:
        assert ledger.notices == []
        assert ledger._snapshot_size == max(size for size, _, _ in dump(path, "snapshot", "size"))


@pytest.mark.parametrize("column", ["leaf", "envelope", "receipt"])
@pytest.mark.parametrize("place", ["first", "old", "tail", "last"])
def test_a_changed_byte_of_an_entry_is_named(path, column, place):
    rows = [row for row in entries(path) if row[3]]  # with a receipt
    index = {"first": 0, "old": rows[20][0], "tail": rows[-10][0], "last": rows[-1][0]}[place]
    if (place, column) == ("first", "receipt"):
        tamper(path, "UPDATE entry SET receipt = x'00' WHERE idx = 0")
    else:
        data = entries(path)[index][{"leaf": 1, "envelope": 2, "receipt": 3}[column]]
        for at in {0, 5, len(data) // 2, len(data) - 1}:
            tamper(path, f"UPDATE entry SET {column} = ? WHERE idx = ?", flip(data, at), index)
            with pytest.raises(JournalCorrupt) as found:
                check(path)
            assert found.value.index == index
    with pytest.raises(JournalCorrupt) as found:
        check(path)
    assert found.value.index == index
    if place != "old":
        with pytest.raises(JournalCorrupt) as found:
            open_ledger(path)
        assert found.value.index == index


@pytest.mark.parametrize("column", ["leaf", "envelope", "receipt", "sender", "id"])
def test_another_type_or_name_is_named(path, column):
    index = [row[0] for row in entries(path) if row[5]][-1]
    tamper(path, f"UPDATE entry SET {column} = 'text' WHERE idx = ?", index)
    for look in (check, open_ledger):
        with pytest.raises(JournalCorrupt) as found:
            look(path)
        assert found.value.index == index


def test_a_forged_signature_under_a_leaf_that_fits_is_named_by_the_tiles(path):
    """Replay does not check signatures again: the leaf must be the one that the log signed."""
    newest, older = sorted({row[0] for row in dump(path, "snapshot", "size")}, reverse=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM snapshot WHERE size = ?", (newest,))
    connection.close()
    index = next(row[0] for row in entries(path) if row[0] > older and row[5])
    entry = Entry(*entries(path)[index])
    envelope = decode_envelope(entry.envelope)
    signed = {one.keyid: flip(one.sig, 7) for one in envelope.signatures}
    forged = encode_envelope(envelope.payload, signed)
    leaf = replace(Leaf.decode(entry.leaf), envelope_hash=sha256(forged)).encode()
    tamper(path, "UPDATE entry SET envelope = ?, leaf = ? WHERE idx = ?", forged, leaf, index)
    for look in (check, open_ledger):
        with pytest.raises(JournalCorrupt, match="tile") as found:
            look(path)
        assert found.value.index == index


def test_a_root_that_was_signed_but_is_not_the_states_is_named(tmp_path, monkeypatch):
    path = tmp_path / "lying.tally"
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        honest = Commitment.finish
        with monkeypatch.context() as lying:
            lying.setattr(Commitment, "finish", lambda self: flip(honest(self), 0))
            ledger.checkpoint()
        ledger._snapshot_size = ledger.size  # and no snapshot is taken of it
    assert check(path) == 7  # the file is whole: it says what was signed
    with pytest.raises(JournalCorrupt, match="the state root is") as found:
        open_ledger(path)
    assert found.value.index == 6


def test_a_missing_entry_is_named(path):
    last = len(entries(path)) - 1
    for index in (last - 5, 30):
        tamper(path, "DELETE FROM entry WHERE idx = ?", index)
        with pytest.raises(JournalCorrupt) as found:
            check(path)
        assert found.value.index == index
    with pytest.raises(JournalCorrupt) as found:
        open_ledger(path)
    assert found.value.index == last - 5


def test_a_log_cut_below_its_checkpoint_is_named(path):
    size = max(size for size, _ in dump(path, "checkpoint", "size"))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("DELETE FROM entry WHERE idx >= ?", (size - 3,))
    connection.close()
    for look in (check, open_ledger):
        with pytest.raises(JournalCorrupt) as found:
            look(path)
        assert found.value.index == size - 3


def test_a_changed_byte_of_any_tile_is_found(path):
    rows = dump(path, "tile", "level, idx")
    assert rows[0][:3] == (0, 0, 256)
    for level, index, width, data in rows:
        for at in (0, 32 * (width // 2), 32 * width - 1):
            tamper(path, "UPDATE tile SET data = ? WHERE level = ? AND idx = ?", flip(data, at), level, index)
            with pytest.raises(JournalCorrupt) as found:
                check(path)
            if level == 0:
                assert found.value.index == index * 256 + at // 32
        tamper(path, "UPDATE tile SET data = ? WHERE level = ? AND idx = ?", data, level, index)
    # The right edge is read when the ledger is opened.
    level, index, width, data = next(row for row in rows if row[2] < 256)
    tamper(path, "UPDATE tile SET data = ? WHERE level = ? AND idx = ?", flip(data, 3), level, index)
    with pytest.raises(JournalCorrupt, match="tiles"):
        open_ledger(path)


def test_a_missing_or_invented_tile_is_found(path):
    tamper(path, "INSERT INTO tile VALUES (3, 9, 1, ?)", bytes(32))
    with pytest.raises(JournalCorrupt, match=r"tile \(3, 9\)"):
        check(path)
    tamper(path, "DELETE FROM tile WHERE level = 3")
    tamper(path, "DELETE FROM tile WHERE level = 0 AND idx = 0")
    with pytest.raises(JournalCorrupt, match=r"tile \(0, 0\) is missing"):
        check(path)


@pytest.mark.long
def test_a_changed_checkpoint_is_found(path):
    rows = dump(path, "checkpoint", "size")
    for size, note in rows:
        choose = random.Random(size)
        # A base64 text may end in bits that mean nothing, so the last character is left alone.
        for at in sorted(choose.sample(range(len(note) - 4), 12)):
            tamper(path, "UPDATE checkpoint SET note = ? WHERE size = ?", flip(note, at), size)
            with pytest.raises(JournalCorrupt, match=f"checkpoint {size}"):
                check(path)
        if size == rows[-1][0]:
            with pytest.raises(JournalCorrupt, match=f"checkpoint {size}"):
                open_ledger(path)
        tamper(path, "UPDATE checkpoint SET note = ? WHERE size = ?", note, size)
    tamper(path, "UPDATE checkpoint SET size = size + 1 WHERE size = ?", rows[0][0])
    with pytest.raises(JournalCorrupt, match="checkpoint"):
        check(path)


def test_changed_meta_is_found(path):
    genesis = dict(dump(path, "meta", "key"))["genesis"]
    tamper(path, "UPDATE meta SET value = ? WHERE key = 'genesis'", flip(genesis, 20))
    for look in (check, open_ledger):
        with pytest.raises(JournalCorrupt) as found:
            look(path)
        assert found.value.index == 0
    tamper(path, "UPDATE meta SET value = x'32' WHERE key = 'format'")
    with pytest.raises(JournalCorrupt, match="format"):
        open_ledger(path)


@pytest.mark.long
def test_a_changed_byte_of_a_snapshot_is_found_and_the_older_one_is_used(path):
    rows = dump(path, "snapshot", "size, part")
    newest, older = sorted({row[0] for row in rows}, reverse=True)
    with open_ledger(path, read_only=True, log_key=None) as ledger:
        expected = dict(ledger.state.values)
    choose = random.Random(4)
    for size, part, data in rows:
        for at in {0, len(data) - 1, choose.randrange(len(data)), choose.randrange(len(data))}:
            tamper(
                path, "UPDATE snapshot SET data = ? WHERE size = ? AND part = ?", flip(data, at), size, part
            )
            with pytest.raises(JournalCorrupt, match=f"snapshot of {size} entries"):
                check(path)
            if size == newest:
                with open_ledger(path, read_only=True, log_key=None) as ledger:
                    assert ledger._snapshot_size == older
                    assert len(ledger.notices) == 1
                    assert f"snapshot of {newest} entries was skipped" in ledger.notices[0]
                    assert ledger.state.values == expected
        tamper(path, "UPDATE snapshot SET data = ? WHERE size = ? AND part = ?", data, size, part)


def test_without_any_good_snapshot_the_ledger_is_replayed_from_genesis(path):
    with open_ledger(path, read_only=True, log_key=None) as ledger:
        expected = dict(ledger.state.values)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE snapshot SET data = x'00' WHERE part = 1")
    connection.close()
    told = []
    with open_ledger(path, progress=lambda done, whole: told.append((done, whole))) as ledger:
        assert len(ledger.notices) == 2
        assert ledger.state.values == expected
        assert told[-1] == (ledger.size - 1, ledger.size - 1)


def test_a_snapshot_of_another_time_is_not_believed(path):
    newest = max(row[0] for row in dump(path, "snapshot", "size"))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE snapshot SET size = ? WHERE size = ?", (newest - 2, newest))
    connection.close()
    with open_ledger(path) as ledger:
        assert "is no root" in ledger.notices[0]


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    text = tmp_path / "notes.tally"
    text.write_text("not a database, " * 1000)
    other = tmp_path / "other.tally"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(JournalCorrupt):
            open_ledger(path)
        with pytest.raises(JournalCorrupt):
            open_ledger(path, read_only=True, log_key=None)
        if path == text:
            assert path.read_bytes() == before


@pytest.mark.long
def test_any_changed_byte_of_the_file_itself_is_found_or_lies_outside_the_ledgers_data(made, tmp_path):
    """Change bytes of the database file at random: whatever then still passes has the very same content."""
    whole = made.read_bytes()
    tables = [("meta", "key"), ("entry", "idx"), ("tile", "level, idx"), ("checkpoint", "size")]
    expected = [dump(made, *table) for table in tables]
    found = harmless = 0
    choose = random.Random(3)
    for _ in range(60):
        path = tmp_path / "changed.tally"
        path.write_bytes(flip(whole, choose.randrange(100, len(whole))))
        try:
            check(path)
        except JournalCorrupt:
            found += 1
        else:
            assert [dump(path, *table) for table in tables] == expected
            harmless += 1
    assert found > 30
    assert found + harmless == 60
