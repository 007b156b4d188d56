import random
import shutil

import pytest

from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.rejections import Rejection
from tallystick.log.leaf import Leaf
from tallystick.node.faults import BeforeGenesis, NotYet
from tallystick.node.projections import Projections
from tests.ledger.world import capture
from tests.node.economy import (
    PEOPLE,
    SECOND,
    START,
    Desk,
    VirtualClock,
    create_ledger,
    dump,
    open_ledger,
    tamper,
    transfer,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test.tally"


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """Return a ledger file with 320 trades, and its time, to be copied."""
    path = tmp_path_factory.mktemp("traded") / "test.tally"
    with create_ledger(path) as made:
        desk = Desk(made)
        desk.found()
        for seed in range(8):
            desk.trade(40, seed=seed)
            made._clock.time += 9 * SECOND
            made.checkpoint()
        return path, made.now()


@pytest.fixture
def ledger(path, traded):
    file, time = traded
    shutil.copy(file, path)
    with open_ledger(path, clock=VirtualClock(time)) as made:
        yield made


def naive(ledger):
    """Every posting, (index, n, account, asset, change, balance, time), by reading the log through."""
    rows = []
    for index in range(ledger.size):
        receipt = ledger.entry(index).receipt
        if receipt:
            told = decode_receipt(receipt)
            rows += [(index, n, *posting, told.time) for n, posting in enumerate(told.postings)]
    return rows


def naive_balance(rows, account, asset, *, entry):
    return sum(int(row[4]) for row in rows if row[2:4] == (account, asset) and row[0] <= entry)


def as_rows(postings):
    return [(p.index, p.n, p.account, p.asset, str(p.change), str(p.balance), p.time) for p in postings]


def test_histories_equal_a_walk_through_the_log(ledger):
    rows, projections = naive(ledger), Projections(ledger)
    for account in ("bank", "vault", *PEOPLE):
        history = projections.history(account, limit=10_000)
        assert as_rows(history.postings) == [row for row in rows if row[2] == account]
        assert history.as_of == ledger.size - 1
        for asset in ("eur@bank", "gold@vault"):
            history = projections.history(account, asset=asset, limit=10_000)
            assert as_rows(history.postings) == [row for row in rows if row[2:4] == (account, asset)]


def test_pages_of_a_history_join_without_gap_or_overlap(ledger):
    projections = Projections(ledger)
    whole = projections.history("alice", limit=10_000).postings
    paged, after = [], (-1, -1)
    while page := projections.history("alice", after=after, limit=7).postings:
        paged += page
        after = (page[-1].index, page[-1].n)
    assert paged == whole
    assert len(whole) > 50


@pytest.mark.parametrize("asset", ["eur@bank", None])
def test_short_pages_join_either_way_also_within_the_last_entry(ledger, asset):
    Desk(ledger, number=50_000).do(
        "alice", transfer("alice", ("eur@bank", "bob", 1), ("eur@bank", "carol", 2), ("eur@bank", "bob", 3))
    )
    expected = [row for row in naive(ledger) if row[2] == "bob" and asset in {row[3], None}]
    assert expected[-1][0] == expected[-2][0] == ledger.size - 1
    projections = Projections(ledger)
    for newest_first in (False, True):
        for limit in (1, 2, 50):
            paged, after = [], (-1, -1)
            while page := projections.history(
                "bob", asset=asset, after=after, limit=limit, newest_first=newest_first
            ).postings:
                paged += page
                after = (page[-1].index, page[-1].n)
            assert as_rows(paged) == (expected[::-1] if newest_first else expected)


def test_a_row_missing_right_beyond_a_page_is_seen(ledger, path):
    rows = [row for row in naive(ledger) if row[2:4] == ("alice", "eur@bank")]
    for newest_first, gone in ((False, rows[3]), (True, rows[-4])):
        Projections(ledger).catch_up()
        tamper(path, f"DELETE FROM posting WHERE idx = {gone[0]} AND n = {gone[1]}")
        projections = Projections(ledger)
        told = projections.history("alice", asset="eur@bank", limit=3, newest_first=newest_first)
        assert as_rows(told.postings) == (rows[:-4:-1] if newest_first else rows[:3])
        assert projections.filled_entries == ledger.size  # all made anew


def test_balances_of_the_past_equal_a_walk_through_the_log(ledger):
    rows, projections = naive(ledger), Projections(ledger)
    choose = random.Random(1)
    for _ in range(150):
        account, asset = choose.choice((*PEOPLE, "bank")), choose.choice(("eur@bank", "gold@vault"))
        entry = choose.randrange(ledger.size)
        told = projections.balance_as_of(account, asset, entry=entry)
        assert (told.units, told.as_of) == (naive_balance(rows, account, asset, entry=entry), entry)


def test_balances_at_a_time_are_those_after_the_last_entry_then(ledger):
    rows, projections = naive(ledger), Projections(ledger)
    times = [Leaf.decode(ledger.entry(index).leaf).time_us for index in range(ledger.size)]
    for time in {moment + shift for moment in times for shift in (-1, 0, 1)}:
        if not START <= time <= ledger.clock.time:
            continue
        entry = max(index for index, moment in enumerate(times) if moment <= time)
        told = projections.balance_as_of("alice", "eur@bank", time=time)
        assert (told.units, told.as_of) == (naive_balance(rows, "alice", "eur@bank", entry=entry), entry)


def test_beyond_the_log_and_before_genesis_it_says_so_with_numbers(ledger):
    projections = Projections(ledger)
    last = projections.balance_as_of("alice", "eur@bank", entry=ledger.size - 1)
    assert last.units == ledger.balance("alice", "eur@bank")
    with pytest.raises(NotYet) as beyond:
        projections.balance_as_of("alice", "eur@bank", entry=ledger.size)
    assert (beyond.value.asked, beyond.value.reached) == (ledger.size, ledger.size - 1)
    with pytest.raises(NotYet) as beyond:
        projections.balance_as_of("alice", "eur@bank", time=ledger.clock.time + 1)
    assert beyond.value.reached == ledger.clock.time
    with pytest.raises(BeforeGenesis):
        projections.balance_as_of("alice", "eur@bank", time=START - 1)
    assert projections.balance_as_of("alice", "eur@bank", time=START - 0).as_of >= 0
    with pytest.raises(ValueError, match="from 0"):
        projections.balance_as_of("alice", "eur@bank", entry=-1)
    for question in (
        lambda: projections.history("nobody"),
        lambda: projections.history("alice", asset="none@bank"),
        lambda: projections.balance_as_of("alice", "none@bank", entry=1),
        lambda: projections.holds("nobody"),
    ):
        with pytest.raises(Rejection):
            question()


def test_a_rebuild_makes_identical_rows(ledger, path):
    projections = Projections(ledger)
    for seed in range(3):  # filled in several steps
        projections.catch_up()
        Desk(ledger, number=10_000 * (seed + 1)).trade(20, seed=seed)
    projections.catch_up()
    tables = [("posting", "idx, n"), ("event", "idx, n"), ("projection", "upto")]
    before = [dump(path, *table) for table in tables]
    assert len(before[0]) > 100
    assert before[0] == naive(ledger)
    projections.rebuild()
    assert [dump(path, *table) for table in tables] == before


DAMAGES = {
    "a changed last balance": """UPDATE posting SET balance = '1' WHERE n = 0
        AND idx = (SELECT max(idx) FROM posting)""",
    "a changed amount": "UPDATE posting SET change = '7' WHERE idx = 3 AND n = 2",
    "another account": "UPDATE posting SET account = 'bob' WHERE idx = 3 AND n = 1",
    "a number that is none": "UPDATE posting SET balance = 'many' WHERE idx = 3 AND n = 1",
    "another time": "UPDATE posting SET time = 5 WHERE idx = 3 AND n = 1",
    "a missing row": "DELETE FROM posting WHERE idx = 3 AND n = 1",
    "a claim to be finished": "UPDATE projection SET upto = 1000000",
    "a claim to have begun": "UPDATE projection SET upto = 2",
    "nonsense": "UPDATE projection SET upto = 'x'",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_seen_and_repaired_before_an_answer(ledger, path, damage):
    rows = naive(ledger)
    Projections(ledger).catch_up()
    tamper(path, damage)
    told = [as_rows(Projections(ledger).history(account, limit=10_000).postings) for account in PEOPLE]
    assert told == [[row for row in rows if row[2] == account] for account in PEOPLE]


def test_missing_tables_rows_and_their_last_ones_are_seen(ledger, path):
    for damage in (
        "DELETE FROM posting",
        "DELETE FROM posting WHERE idx > 50",
        "DELETE FROM posting WHERE asset = 'gold@vault'",
        "DROP TABLE posting",
        "DELETE FROM event",
    ):
        projections = Projections(ledger)
        projections.catch_up()
        ledger.journal.connection.execute(damage)
        history = Projections(ledger).history("alice", limit=10_000)
        assert as_rows(history.postings) == [row for row in naive(ledger) if row[2] == "alice"]
        assert len(Projections(ledger).holds("alice").holds) == 1
        told = Projections(ledger).balance_as_of("bob", "gold@vault", entry=60)
        assert told.units == naive_balance(naive(ledger), "bob", "gold@vault", entry=60)


def test_a_reader_answers_for_what_the_file_lacks_without_writing(ledger, path):
    Projections(ledger).catch_up()
    covered = len(dump(path, "posting", "idx"))
    desk = Desk(ledger, number=20_000)
    desk.trade(30)
    with open_ledger(path, read_only=True, log_key=None) as reader:
        projections = Projections(reader)
        rows = naive(ledger)
        told = projections.history("bob", limit=10_000)
        assert as_rows(told.postings) == [row for row in rows if row[2] == "bob"]
        desk.trade(30, seed=1)
        assert projections.history("bob", limit=10_000) == told
        reader.refresh()
        told = projections.history("bob", limit=10_000)
        assert as_rows(told.postings) == [row for row in naive(ledger) if row[2] == "bob"]
        assert told.as_of == ledger.size - 1
        assert len(dump(path, "posting", "idx")) == covered
        ledger.journal.connection.execute("UPDATE posting SET balance = '5' WHERE idx = 3")
        again = projections.history("bob", limit=10_000)
        assert again == told
        projections.rebuild()
        assert projections.history("bob", limit=10_000) == told


def test_holds_are_told_from_their_making_to_their_end(ledger):
    desk = Desk(ledger, number=30_000)
    made = [(hold.hold, hold.status, hold.ended) for hold in Projections(ledger).holds("alice").holds]
    assert made == [("4.0", "open", None)]
    first = Projections(ledger).holds("bob").holds
    assert [(hold.owner, hold.beneficiary, hold.status) for hold in first] == [
        ("alice", "bob", "open"),
        ("bob", "carol", "captured"),
    ]
    outcome = desk.do("bob", capture("bob", "4.0", ("eur@bank", 10), final=True))
    [ended] = Projections(ledger).holds("alice").holds
    assert (ended.status, ended.made, ended.ended) == ("captured", 4, outcome.index)
    assert Projections(ledger).holds("dave").holds == []


def test_events_are_found_by_source_and_name(ledger):
    events = Projections(ledger).events(source="ledger", name="asset_created")
    assert [event.fields["asset"] for event in events] == ["eur@bank", "gold@vault"]
    rest = Projections(ledger).events(
        source="ledger", name="asset_created", after=(events[0].index, events[0].n)
    )
    assert rest == events[1:]


def test_progress_is_told(ledger):
    told = []
    Projections(ledger, progress=lambda done, all_of_it: told.append((done, all_of_it))).catch_up()
    assert told[-1] == (ledger.size, ledger.size)
    desk = Desk(ledger, number=40_000)
    desk.do("alice", transfer("alice", ("eur@bank", "bob", 1)))
