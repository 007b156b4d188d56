"""The pipeline as a library: order, durability, failing disks, dying workers, full queues."""

import os
import signal
import sqlite3
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tallystick.client.proofs import verify_balance_proof
from tallystick.client.sources import open_source
from tallystick.client.verifier import verify
from tallystick.ledger.encoding import encode_key, encode_value, is_committed
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.rejections import Code
from tallystick.log.state_tree import StateTree
from tallystick.node.faults import NodeFault, NotDurable, Stopped
from tallystick.node.pipeline import Answer
from tallystick.node.proofs import balance_proof
from tallystick.node.service import Closing, Overloaded, Service
from tallystick.node.staged import StagedLedger
from tallystick.node.state_index import StateIndex
from tallystick.node.verify import VerifierDied
from tests.ledger.world import transfer
from tests.node.economy import LOG_KEY, VirtualClock, open_ledger
from tests.node_service.running import EUR, balances, make_ledger, payments, serving


def submit(service: Service, envelopes: list[bytes]) -> "Future[Answer]":
    future: Future[Answer] = Future()
    service.submit(envelopes, future.set_result)
    return future


def test_outcomes_come_in_the_order_of_their_envelopes(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        first, second = payments(desk, 2)
        too_much = desk.envelope("alice", transfer("alice", (EUR, "bob", 10**9)))
        forged = first[:-20] + b"AAAA" + first[-16:]
        outcomes = service.submit_and_wait([first, too_much, forged, second, first])
        codes = [outcome.rejection and outcome.rejection.code for outcome in outcomes]
        assert codes == [None, Code.INSUFFICIENT_BALANCE, Code.SIGNATURE_INVALID, None, None]
        assert outcomes[3].index == outcomes[0].index + 1
        assert outcomes[4].receipt == outcomes[0].receipt
        assert [outcome.repeated for outcome in outcomes] == [False, False, False, False, True]
        assert (service.counters.accepted, service.counters.rejected, service.counters.repeated) == (2, 2, 1)


def test_a_later_envelope_of_a_request_sees_the_earlier_one(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk, verify_processes=2) as service:
        # 300 envelopes are verified in three chunks by two processes, and still executed in their order:
        # dave passes on, one unit at a time, what he never had before carol paid him.
        desk.ledger.clock_source.time += 1
        have = service.ledger.balance("dave", EUR)
        envelopes = [desk.envelope("dave", transfer("dave", (EUR, "bob", have)))]
        for _ in range(150):
            envelopes.append(desk.envelope("carol", transfer("carol", (EUR, "dave", 1))))
            envelopes.append(desk.envelope("dave", transfer("dave", (EUR, "bob", 1))))
        outcomes = service.submit_and_wait(envelopes)
        assert [outcome.rejection for outcome in outcomes] == [None] * 301


def test_what_was_answered_is_in_the_file_and_checkpoints_follow_by_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk, checkpoint_seconds=0.05) as service:
        futures = [submit(service, payments(desk, 7)) for _ in range(30)]
        answers = [future.result(timeout=20) for future in futures]
        deadline = time.monotonic() + 10
        while service.ledger.has_news() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not service.ledger.has_news()
        live = balances(service.ledger.state)
    with open_ledger(path, read_only=True) as ledger:
        assert balances(ledger.state) == live
        for answer in answers:
            assert isinstance(answer, list)
            for outcome in answer:
                assert ledger.receipt(index=outcome.index) == outcome.receipt
                assert decode_receipt(outcome.receipt).index == outcome.index


def root_of_all(service: Service) -> bytes:
    """Return the root of the state as it is, made from scratch."""
    pairs = service.ledger.state.values.items()
    return StateTree.build(
        (encode_key(key), encode_value(value)) for key, value in pairs if is_committed(key)
    ).root


@pytest.mark.parametrize("apart", [True, False])
def test_the_signed_root_is_that_of_the_state_wherever_the_tree_is_kept(
    tmp_path: Path, *, apart: bool
) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk, checkpoint_seconds=60, state_tree_process=apart) as service:
        assert (service.ledger.commitment.tree_pid is not None) is apart
        for _ in range(3):
            service.submit_and_wait(payments(desk, 20))
            service.checkpoint().result(timeout=20)
            root = service.ledger.last_root
            assert root is not None
            assert root.state_root == service.ledger.commitment.root == root_of_all(service)
            check_bob_s_proof(service)


def check_bob_s_proof(service: Service) -> None:
    proof = service.ask(lambda ledger: balance_proof(ledger, "bob", EUR)).result(timeout=20)
    assert verify_balance_proof(proof, log_key=LOG_KEY.verifier.vkey).value


@pytest.mark.parametrize("when", ["between roots", "before a proof", "before a root"])
def test_a_tree_process_that_is_killed_costs_time_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, when: str
) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk, checkpoint_seconds=60) as service:
        service.submit_and_wait(payments(desk, 20))
        service.checkpoint().result(timeout=20)
        if when != "between roots":
            service.submit_and_wait(payments(desk, 20))
        pid = service.ledger.commitment.tree_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        if when != "before a root":
            check_bob_s_proof(service)
        service.submit_and_wait(payments(desk, 20))
        service.checkpoint().result(timeout=20)
        root = service.ledger.last_root
        assert root is not None
        assert root.state_root == root_of_all(service)
        assert service.fault is None
        assert "the process that kept the state tree ended" in caplog.text
        size = service.ledger.size
    verdict = verify(open_source(tmp_path / "a.tally"), processes=0)
    assert verdict.entries == size


class FailingDisk:
    """Makes the next commits of a service fail, after some that succeed."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        self.failing = False
        self.failed = 0
        self._append = service.ledger.journal.append
        monkeypatch.setattr(service.ledger.journal, "append", self.append)

    def append(self, entries: Any) -> None:
        self._append(entries)  # the rows are there, and then the disk is full
        if self.failing:
            self.failed += 1
            raise sqlite3.OperationalError("database or disk is full")


def test_a_failed_write_acknowledges_nothing_and_the_service_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk, checkpoint_seconds=60) as service:
        before = balances(service.ledger.state)
        size = service.ledger.size
        disk = FailingDisk(service, monkeypatch)
        disk.failing = True
        waves = [payments(desk, 5) for _ in range(20)]
        lost = []
        for wave in waves:
            try:
                lost.append(submit(service, wave))
            except NotDurable:
                break
        assert lost
        for future in lost:
            assert isinstance(future.result(timeout=20), NotDurable)
        assert disk.failed
        assert (service.ledger.size, balances(service.ledger.state)) == (size, before)
        assert isinstance(service.fault, NotDurable)
        disk.failing = False
        deadline = time.monotonic() + 10
        while service.fault is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        # Whoever tries again is settled, once.
        outcomes = [outcome for wave in waves for outcome in service.submit_and_wait(wave)]
        assert [outcome.rejection for outcome in outcomes] == [None] * 100
        again = [outcome for wave in waves for outcome in service.submit_and_wait(wave)]
        assert [outcome.receipt for outcome in again] == [outcome.receipt for outcome in outcomes]
        assert service.ledger.size == size + 100
        index = StateIndex(service.ledger.state.values)
        assert list(service.index.keys("balance")) == list(index.keys("balance"))
    with open_ledger(path, read_only=True) as ledger:
        assert ledger.size == size + 101  # and the last checkpoint's root


def test_batches_on_top_of_a_failed_one_are_dropped_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk, checkpoint_seconds=60) as service:
        disk = FailingDisk(service, monkeypatch)
        have = service.ledger.balance("dave", EUR)
        ledger = service.ledger
        paid_in = desk.envelope("carol", transfer("carol", (EUR, "dave", 7)))
        paid_on = desk.envelope("dave", transfer("dave", (EUR, "bob", have + 7)))
        disk.failing = True
        first, second = submit(service, [paid_in]), submit(service, [paid_on])
        assert isinstance(first.result(timeout=20), NodeFault)
        assert isinstance(second.result(timeout=20), NodeFault)
        assert ledger.balance("dave", EUR) == have


def test_a_dead_verifier_is_replaced_and_nothing_is_decided_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk, verify_processes=1) as service:
        envelopes = payments(desk, 400)
        service.submit_and_wait(envelopes[:1])
        future = submit(service, envelopes)
        (pid,) = service.verifier_pids
        os.kill(pid, signal.SIGKILL)
        answer = future.result(timeout=20)
        if isinstance(answer, VerifierDied):
            answer = service.submit_and_wait(envelopes)
        assert isinstance(answer, list)
        assert len({outcome.index for outcome in answer}) == 400
        assert service.verifier_pids != [pid]


def test_a_full_queue_refuses_at_the_door_and_takes_again_when_it_has_drained(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk, waiting_max=10) as service:
        held = service.ask(lambda _: time.sleep(0.3))
        under_way = submit(service, payments(desk, 10))
        with pytest.raises(Overloaded) as refused:
            submit(service, payments(desk, 1))
        assert (refused.value.waiting, refused.value.waiting_max) == (10, 10)
        held.result()
        assert isinstance(under_way.result(timeout=20), list)
        assert service.waiting == 0
        assert service.submit_and_wait(payments(desk, 10))[9].receipt


def test_closing_answers_what_was_taken_and_takes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk) as service:
        futures = [submit(service, payments(desk, 50)) for _ in range(10)]
        service.close()
        for future in futures:
            assert isinstance(future.result(timeout=0), list)
        with pytest.raises(Closing):
            submit(service, payments(desk, 1))
        root = service.ledger.last_root
        assert root is not None
        assert root.index == service.ledger.size - 1


def test_a_fault_in_our_own_code_stops_the_service_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk) as service:
        monkeypatch.setattr(service.ledger, "merge", lambda _: 1 // 0)
        assert isinstance(submit(service, payments(desk, 1)).result(timeout=20), Stopped)
        with pytest.raises(Stopped):
            submit(service, payments(desk, 1))
        monkeypatch.undo()


def test_timers_run_though_nobody_submits(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk, checkpoint_seconds=0.05) as service:
        size = service.ledger.size
        assert service.ledger.state.get(("held", "bob", "gold@vault")) == 5
        service.ledger.clock_source.time += 60_000_000  # bob's hold expires after 50 s
        deadline = time.monotonic() + 10
        while service.ledger.size < size + 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert service.ledger.state.get(("held", "bob", "gold@vault")) is None
        assert service.ledger.balance("carol", "gold@vault") == 1005


def test_an_id_dated_ahead_is_found_again_after_its_time_has_come(tmp_path: Path) -> None:
    """The state remembers ids within ten minutes; one from the future was never among them."""
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    from tests.ledger.world import SECOND, START, uuid7

    ahead = uuid7(START + 1200 * SECOND, 77)
    with serving(path, desk) as service:
        first = desk.envelope(
            "alice", transfer("alice", (EUR, "bob", 1)), id=ahead, once="k", expires=START + 3600 * SECOND
        )
        assert service.submit_and_wait([first])[0].receipt
    for _ in range(2):  # found by the running service, and by one that starts later
        clock = VirtualClock(START + 1200 * SECOND)
        ledger = StagedLedger.open(path, log_key=LOG_KEY, clock=clock)
        desk.ledger = ledger
        service = Service(ledger)
        try:
            other = desk.envelope("alice", transfer("alice", (EUR, "bob", 2)), id=ahead)
            refused = service.submit_and_wait([other])[0].rejection
            assert refused is not None
            assert refused.code is Code.ID_REUSED
            assert service.submit_and_wait([first])[0].repeated
        finally:
            service.close()
            ledger.close()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the priority of threads is read in /proc")
def test_signatures_give_way_to_execution_in_bulk_and_not_for_a_single_payment(tmp_path: Path) -> None:
    def priorities() -> list[int]:
        (pid,) = service.verifier_pids
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        return sorted(int(stat.rpartition(")")[2].split()[16]) for stat in stats)

    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk, verify_processes=1) as service:
        service.submit_and_wait(payments(desk, 1))
        own = os.nice(0)
        assert set(priorities()) == {own}
        outcomes = service.submit_and_wait(payments(desk, 200))
        assert all(outcome.receipt for outcome in outcomes)
        assert set(priorities()) == {own, min(own + 10, 19)}
