import sqlite3
import threading

import pytest

from tallystick.node.backup import back_up, restore
from tallystick.node.faults import JournalCorrupt, JournalLocked, WouldLose
from tests.node.economy import Desk, create_ledger, dump, flip, open_ledger, tamper


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "test.tally"
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        desk.trade(200)
    return path


def state_of(path):
    with open_ledger(path, read_only=True, log_key=None) as ledger:
        return ledger.size, dict(ledger.state.values)


def left_over(folder):
    """Files beside the ledgers; SQLite leaves an empty write-ahead log where a reader closed last."""
    return [
        file.name
        for file in folder.iterdir()
        if not (file.suffix == ".tally" or (file.name.endswith("-wal") and not file.stat().st_size))
        and not file.name.endswith("-shm")
    ]


def test_a_backup_can_be_read_where_nothing_can_be_written(path, tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    back_up(path, folder / "copy.tally")
    assert [file.name for file in folder.iterdir()] == ["copy.tally"]
    assert state_of(folder / "copy.tally") == state_of(path)
    assert [file.name for file in folder.iterdir()] == ["copy.tally"]


def test_a_backup_is_a_ledger_that_opens_and_goes_on(path, tmp_path):
    copy = tmp_path / "copy.tally"
    told = []
    size = back_up(path, copy, progress=lambda done, whole: told.append((done, whole)))
    assert state_of(copy) == state_of(path)
    assert told[-1][0] == told[-1][1] > 0
    with open_ledger(copy) as ledger:
        assert ledger.size == size
        Desk(ledger, number=5000).trade(5)
    assert left_over(tmp_path) == []
    with pytest.raises(FileExistsError):
        back_up(path, copy)


def test_a_backup_taken_while_writing_goes_on_is_one_moment_of_the_ledger(path, tmp_path):
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=5000)
        taken, stop = [], threading.Event()

        def take():
            while not stop.is_set():
                target = tmp_path / f"copy-{len(taken)}.tally"
                taken.append((target, back_up(path, target)))

        worker = threading.Thread(target=take)
        worker.start()
        try:
            while len(taken) < 5:
                desk.trade(21, seed=len(taken))
                if len(taken) % 2:
                    ledger.checkpoint()
        finally:
            stop.set()
            worker.join()
        rows = dump(path, "entry", "idx")
    sizes = [size for _, size in taken]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 1
    for target, size in taken:
        assert dump(target, "entry", "idx") == rows[:size]
        assert state_of(target)[0] == size


def test_restoring_puts_a_checked_copy_in_place(path, tmp_path):
    copy, elsewhere = tmp_path / "copy.tally", tmp_path / "elsewhere.tally"
    back_up(path, copy)
    expected = state_of(path)
    assert restore(copy, elsewhere) == expected[0]
    assert state_of(elsewhere) == expected
    path.write_bytes(b"broken" * 5000)
    restore(copy, path)
    assert state_of(path) == expected
    assert left_over(tmp_path) == []


def test_a_damaged_backup_replaces_nothing(path, tmp_path):
    copy = tmp_path / "copy.tally"
    back_up(path, copy)
    receipt = dump(copy, "entry", "idx")[9][3]
    tamper(copy, "UPDATE entry SET receipt = ? WHERE idx = 9", flip(receipt, 8))
    before = path.read_bytes()
    with pytest.raises(JournalCorrupt) as found:
        restore(copy, path)
    assert found.value.index == 9
    assert path.read_bytes() == before
    assert left_over(tmp_path) == []


def test_a_restore_that_would_lose_entries_is_refused_unless_told_to(path, tmp_path):
    copy = tmp_path / "copy.tally"
    old = back_up(path, copy)
    restore(copy, path)  # the same entries: nothing is lost
    with open_ledger(path) as ledger:
        Desk(ledger, number=5000).trade(10)
    size, _ = state_of(path)
    with pytest.raises(WouldLose) as refused:
        restore(copy, path)
    assert (refused.value.entries, refused.value.backup_entries) == (size, old)
    assert state_of(path)[0] == size
    restore(copy, path, discard_newer=True)
    assert state_of(path)[0] == old


def test_another_ledger_is_not_replaced_unasked(path, tmp_path):
    other = tmp_path / "other.tally"
    with create_ledger(other, limits={"legs_max": 5}) as ledger:
        ledger.checkpoint()
    with pytest.raises(WouldLose):
        restore(path, other)


def test_a_ledger_that_is_being_written_is_not_replaced(path, tmp_path):
    copy = tmp_path / "copy.tally"
    back_up(path, copy)
    with open_ledger(path), pytest.raises(JournalLocked):
        restore(copy, path)


def test_a_leftover_write_ahead_log_never_meets_the_restored_file(path, tmp_path):
    copy = tmp_path / "copy.tally"
    back_up(path, copy)
    expected = state_of(copy)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = x'00' WHERE key = 'format'")
    connection.commit()
    wal = path.with_name(path.name + "-wal").read_bytes()
    connection.close()
    path.write_bytes(b"broken" * 5000)
    path.with_name(path.name + "-wal").write_bytes(wal)
    restore(copy, path)
    assert state_of(path) == expected
