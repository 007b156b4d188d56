import sqlite3

import pytest

from tallystick.node.entries import Entry
from tallystick.node.faults import NotDurable
from tallystick.node.journal import Journal, insert_rows


def entries(start, end):
    return [
        Entry(
            index, b"leaf %d" % index, b"envelope %d" % index, b"receipt %d" % index, "alice", f"id-{index}"
        )
        for index in range(start, end)
    ]


@pytest.fixture
def journal(tmp_path):
    journal = Journal.create(tmp_path / "a.tally", genesis=b"{}", first=Entry(0, b"leaf", b"{}", b""))
    yield journal
    journal.close()


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 63, 64, 85, 255, 256, 257, 341, 1_000])
def test_as_many_rows_are_written_as_there_are_each_in_its_place(journal, count):
    with journal.writing(size=1):
        journal.append(entries(1, 1 + count))
    assert list(journal.entries(start=1, end=2_000)) == entries(1, 1 + count)
    assert list(journal.receipts(start=1, end=1 + count)) == [
        (entry.index, entry.receipt) for entry in entries(1, 1 + count)
    ]
    assert journal.size() == 1 + count


@pytest.mark.parametrize("place", [1, 100, 256, 257, 300])
def test_a_refused_row_leaves_none_of_its_batch(journal, place):
    rows = entries(1, 301)
    rows[place - 1] = Entry(place, b"leaf", b"", b"", "alice", "id-0")
    with journal.writing(size=1):
        journal.append([Entry(301, b"leaf", b"", b"", "alice", "id-0")])
    with pytest.raises(NotDurable, match="UNIQUE"), journal.writing(size=2):
        journal.append(rows)
    assert list(journal.entries(start=1, end=301)) == []


def test_rows_of_any_width_are_inserted():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE pair (a INTEGER, b TEXT)")
    insert_rows(connection, "INSERT INTO pair", [])
    insert_rows(connection, "INSERT INTO pair", [(number, str(number)) for number in range(7)])
    assert connection.execute("SELECT count(*), sum(a), max(b) FROM pair").fetchone() == (7, 21, "6")
