"""Acknowledged means durable: kills, full disks, failing syncs, and interruptions at the worst moments."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tallystick.client.sources import open_source
from tallystick.client.verifier import verify
from tallystick.crypto import sha256
from tallystick.ledger.invariants import check_state
from tallystick.node.commitment import Commitment, TrackedStore
from tallystick.node.faults import NotDurable
from tallystick.node.recovery import _from_genesis, replay_tail
from tallystick.protocol import KINDS
from tests.node.economy import LOG_KEY, SECOND, Desk, VirtualClock, create_ledger, dump, open_ledger, transfer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "test.tally"
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        desk.agree()
    return path


def python(*arguments, **environment):
    return [sys.executable, *map(str, arguments)], {
        "cwd": ROOT,
        "env": os.environ | environment,
        "text": True,
    }


def root_from_genesis(ledger):
    """Return the state root that executing the whole log from genesis leads to."""
    fresh: Commitment = _from_genesis(ledger.genesis_bytes)
    replay_tail(ledger.journal, fresh, kinds=KINDS, start=1, end=ledger.size)
    fresh.commit()
    return fresh.root


def check_whole(path, acknowledged=()):
    """Check everything that must hold of a ledger after any accident; `acknowledged` are (id, hash)."""
    with open_ledger(path) as ledger:
        for identifier, receipt_hash in acknowledged:
            assert sha256(ledger.receipt(id=identifier)).hex() == receipt_hash
        check_state(ledger.state.values)
        assert isinstance(ledger.state, TrackedStore)
        ledger.checkpoint()
        assert ledger.commitment.root == root_from_genesis(ledger)
        size = ledger.size
    verdict = verify(open_source(path), log_key=LOG_KEY.verifier.vkey, processes=1, check_signatures=False)
    assert verdict is not None
    return size


# ------------------------------------------------------------------------------------------------- kills


def kill_under_load(path, *, rounds, seed):
    choose = random.Random(seed)
    acknowledged: list[tuple[str, str]] = []
    for number in range(rounds):
        command, options = python("-m", "tests.node.writer", path, seed + number)
        with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(choose.uniform(0.02, 0.6))
            process.send_signal(signal.SIGKILL)
            lines = process.stdout.read().split("\n")
        assert process.returncode == -signal.SIGKILL
        acknowledged += [tuple(line.split()) for line in lines[:-1]]  # the last may have been cut short
        with open_ledger(path, log_key=None) as ledger:
            for identifier, receipt_hash in acknowledged[-200:]:
                assert sha256(ledger.receipt(id=identifier)).hex() == receipt_hash
            check_state(ledger.state.values)
    assert len(acknowledged) > 20 * rounds
    return acknowledged


@pytest.mark.long
def test_killed_at_random_moments_everything_acknowledged_is_there(path):
    acknowledged = kill_under_load(path, rounds=3, seed=1)
    check_whole(path, acknowledged)


@pytest.mark.slow
def test_killed_a_hundred_times_everything_acknowledged_is_there(tmp_path):
    for number in range(10):
        path = tmp_path / f"{number}.tally"
        with create_ledger(path) as ledger:
            Desk(ledger).found()
        check_whole(path, kill_under_load(path, rounds=10, seed=100 * number))


# ------------------------------------------------------------------------------------------- full disks


def test_when_the_file_may_not_grow_it_stops_acknowledging_and_recovers(path):
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=100_000)
        connection = ledger.journal.connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 4}")
        accepted, size, values = 0, ledger.size, dict(ledger.state.values)
        refused = None
        for seed in range(100):
            try:
                outcomes = desk.trade(10, seed=seed, batch=10)
            except NotDurable as full:
                refused = full
                break
            size, values = ledger.size, dict(ledger.state.values)
            accepted += sum(outcome.receipt is not None for outcome in outcomes)
        assert refused is not None
        assert ("full" in refused.reason, refused.size) == (True, size)
        assert accepted > 0
        assert (ledger.size, dict(ledger.state.values)) == (size, values)
        desk.trade(10, seed=1)  # a new connection has the default limit: there is room again
        assert ledger.size > size
        assert "recovered after a failed write" in ledger.notices[-1]
    check_whole(path)


@pytest.mark.long
def test_on_a_full_disk_it_stops_acknowledging_says_so_and_recovers(path):
    command, options = python("-m", "tests.node.full_disk", path)
    done = subprocess.run(command, capture_output=True, check=True, timeout=60, **options)
    told = json.loads(done.stdout)
    assert told["refused"] == 3
    assert told["size_while_full"][0] == told["size_while_full"][1]
    assert told["accepted_after"] > 0
    assert told["notices"]
    receipts = [json.loads(receipt) for receipt in told["acknowledged"]]
    assert len(receipts) > 20
    check_whole(
        path,
        [
            (one["id"], sha256(text.encode()).hex())
            for one, text in zip(receipts, told["acknowledged"], strict=True)
        ],
    )


# ----------------------------------------------------------------------------------------- failing syncs


@pytest.mark.long
def test_when_syncs_fail_it_stops_acknowledging_says_so_and_recovers(path, tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("a C compiler is needed to make syncs fail")
    library = tmp_path / "failing_fsync.so"
    source = Path(__file__).with_name("failing_fsync.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    flag = tmp_path / "flag"
    command, options = python(
        "-m", "tests.node.failing_sync", path, flag, LD_PRELOAD=str(library), FAILING_FSYNC=str(flag)
    )
    done = subprocess.run(command, capture_output=True, check=False, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["refused"], told["unmoved"]) == (3, True)
    assert (told["same"], told["moved_once"]) == (True, True)
    assert told["notices"]
    check_whole(path, [(json.loads(told["receipt"])["id"], sha256(told["receipt"].encode()).hex())])


def test_every_connection_that_writes_syncs_each_commit(path):
    # A killed process cannot show this: what it wrote lies with the system, which lives on.
    with open_ledger(path) as ledger:
        for _ in range(2):
            execute = ledger.journal.connection.execute
            assert execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: the log is synced by each commit
            assert execute("PRAGMA journal_mode").fetchone() == ("wal",)
            ledger.journal.reopen(size=ledger.size)


def test_reopening_after_a_failed_write_folds_the_write_ahead_log_into_the_file(path):
    def last_in_the_file_itself():
        connection = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
        [[last]] = connection.execute("SELECT max(idx) FROM entry").fetchall()
        connection.close()
        return last

    with open_ledger(path) as ledger:
        reader = sqlite3.connect(path)  # while somebody reads, closing a connection does not fold the log in
        reader.execute("SELECT max(idx) FROM entry").fetchall()
        Desk(ledger, number=1_000).do("alice", transfer("alice", ("eur@bank", "bob", 1)))
        assert last_in_the_file_itself() < ledger.size - 1
        ledger.journal.reopen(size=ledger.size)
        assert last_in_the_file_itself() == ledger.size - 1
        reader.close()


class FailingCommit:
    """A connection whose next commit fails: before anything is written, or after all of it is."""

    def __init__(self, connection, *, after, error=None):
        self.connection = connection
        self.after = after
        self.error = error or sqlite3.OperationalError("disk I/O error")
        self.failed = False

    def execute(self, statement, *parameters):
        if statement == "COMMIT" and not self.failed:
            self.failed = True
            if self.after:
                self.connection.execute("COMMIT")
            raise self.error
        return self.connection.execute(statement, *parameters)

    def __getattr__(self, name):
        return getattr(self.connection, name)


@pytest.mark.parametrize("after", [False, True], ids=["nothing-written", "all-written"])
def test_a_commit_of_unknown_outcome_is_settled_from_the_disk(path, after):
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=100_000)
        size = ledger.size
        envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)))
        ledger.journal.connection = FailingCommit(ledger.journal.connection, after=after)
        with pytest.raises(NotDurable):
            ledger.submit([envelope])
        assert ledger.size == size
        assert ledger.balance("alice", "eur@bank") == 997
        other = desk.do("alice", transfer("alice", ("eur@bank", "bob", 7)))
        assert other.index == size + after
        outcome = ledger.submit([envelope])[0]
        assert (outcome.repeated, outcome.index) == (after, size if after else size + 1)
        assert ledger.balance("alice", "eur@bank") == 985
    check_whole(path)


@pytest.mark.parametrize("after", [False, True], ids=["nothing-written", "all-written"])
def test_a_checkpoint_of_unknown_outcome_is_settled_from_the_disk(path, after):
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=100_000)
        desk.trade(20)
        size = ledger.size
        ledger.journal.connection = FailingCommit(ledger.journal.connection, after=after)
        with pytest.raises(NotDurable):
            ledger.checkpoint()
        assert ledger.size == size
        ledger.checkpoint()
        assert ledger.size == size + 1
        desk.trade(20, seed=1)
        ledger.checkpoint()
    check_whole(path)


@pytest.mark.parametrize("after", [False, True], ids=["before-the-write", "after-the-write"])
def test_an_interrupt_during_the_write_loses_nothing(path, after):
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=100_000)
        size = ledger.size
        envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)))
        ledger.journal.connection = FailingCommit(
            ledger.journal.connection, after=after, error=KeyboardInterrupt()
        )
        with pytest.raises(KeyboardInterrupt):
            ledger.submit([envelope])
        outcome = ledger.submit([envelope])[0]
        assert (outcome.repeated, outcome.index) == (after, size)
    check_whole(path)


def test_an_interrupt_while_merging_is_mended_from_the_disk(path, monkeypatch):
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=100_000)
        size = ledger.size
        envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)))

        def interrupted(self, writes):
            key, value = next(iter(writes.items()))
            self.values[key] = value  # half of it
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(TrackedStore, "write", interrupted)
            with pytest.raises(KeyboardInterrupt):
                ledger.submit([envelope])
        outcome = ledger.submit([envelope])[0]
        assert (outcome.repeated, outcome.index) == (True, size)
        assert ledger.balance("alice", "eur@bank") == 992
    check_whole(path)


def test_a_failed_snapshot_is_a_notice_and_not_a_refusal(path, monkeypatch):
    clock = VirtualClock()
    with open_ledger(path, snapshot_entries=10, clock=clock) as ledger:
        desk = Desk(ledger, number=100_000)

        def trade_on():
            for seed in range(20):  # ids are keys too, until they are forgotten
                clock.time += 60 * SECOND
                yield from desk.trade(14, seed=seed)

        def refuse(*_arguments, **_named):
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(type(ledger.journal), "put_snapshot", refuse)
            outcomes = list(trade_on())
        assert any(outcome.receipt for outcome in outcomes)
        assert "no snapshot was taken" in "".join(ledger.notices)
        size = ledger.size
        desk.trade(14)
        assert ledger._snapshot_size > size
    check_whole(path)


def test_a_snapshot_waits_for_as_many_entries_as_the_last_one_had_keys(path):
    clock = VirtualClock()
    with open_ledger(path, snapshot_entries=10, clock=clock) as ledger:
        desk = Desk(ledger, number=100_000)
        ledger.write_snapshot()
        last, keys, gaps = ledger.size, len(ledger.state.values), []
        for seed in range(100):
            clock.time += SECOND  # so every id stays a key: a state that grows with each entry
            desk.trade(5, seed=seed)
            if ledger._snapshot_size != last:
                gaps.append((keys, ledger._snapshot_size - last))
                last, keys = ledger._snapshot_size, len(ledger.state.values)
        assert len(gaps) >= 2
        # A batch of five and the root before the snapshot may come on top.
        assert all(keys <= entries <= keys + 10 for keys, entries in gaps), gaps


# --------------------------------------------------------------------------------------------- one history


HISTORY = """
import sys
from pathlib import Path
from tests.node.economy import Desk, create_ledger
with create_ledger(Path(sys.argv[1])) as ledger:
    desk = Desk(ledger)
    desk.found()
    desk.agree()
    desk.trade(150)
    ledger.advance(ledger.clock.time + 10**9)
    print(ledger.checkpoint().decode())
"""


@pytest.mark.long
def test_two_hash_seeds_make_the_same_file_contents(tmp_path):
    printed, contents = [], []
    for seed in ("0", "1", "4242"):
        path = tmp_path / f"{seed}.tally"
        command, options = python("-c", HISTORY, path, PYTHONHASHSEED=seed)
        printed.append(subprocess.run(command, capture_output=True, check=True, **options).stdout)
        tables = [
            ("entry", "idx"),
            ("tile", "level, idx"),
            ("checkpoint", "size"),
            ("snapshot", "size, part"),
        ]
        contents.append([dump(path, *table) for table in tables])
    assert printed[0] == printed[1] == printed[2]
    assert contents[0] == contents[1] == contents[2]


def test_a_snapshot_and_genesis_lead_to_the_same_root(path):
    for number in range(4):
        with open_ledger(path) as ledger:
            assert ledger._snapshot_size > 0
            desk = Desk(ledger, number=1000 * (number + 1))
            desk.trade(40, seed=number)
            ledger.checkpoint()
            assert ledger.commitment.root == root_from_genesis(ledger)
    check_whole(path)
