"""Checkpoints beside the batches: what is staged on a root not written yet, and every way it can fail."""

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tallystick.client.proofs import verify_balance_proof
from tallystick.client.sources import open_source
from tallystick.client.verifier import verify
from tallystick.log.leaf import EntryKind, Leaf
from tallystick.node.faults import NodeFault, NotDurable, Stopped
from tallystick.node.pipeline import Answer
from tallystick.node.proofs import balance_proof
from tallystick.node.sequencer import RootPlace
from tallystick.node.service import Service
from tallystick.node.staged import ReadView
from tests.ledger.world import transfer
from tests.node.economy import LOG_KEY, Desk
from tests.node_service.running import EUR, balances, make_ledger, payments, serving


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_ledger(tmp_path / "a.tally")


@contextmanager
def quiet(tmp_path: Path, desk: Desk, **limits: Any) -> Iterator[Service]:
    """A service that makes a checkpoint when `make_due` says so, with everything before it in one already."""
    with serving(tmp_path / "a.tally", desk, checkpoint_seconds=600, **limits) as service:
        service.submit_and_wait(payments(desk, 3))
        service.checkpoint().result(timeout=20)
        yield service
    # Whatever happened, the file is a history that a stranger can follow to its last root.
    verdict = verify(open_source(tmp_path / "a.tally"), processes=0)
    assert verdict.entries == service.ledger.size


def make_due(service: Service) -> None:
    """Let the next message find that a checkpoint is due."""
    service._checkpoint_due = 0.0


def send(service: Service, envelopes: list[bytes]) -> "Future[Answer]":
    future: Future[Answer] = Future()
    service.submit(envelopes, future.set_result)
    return future


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def shape(service: Service) -> str:
    """Return what is pending, in its order: B for a batch, R for a root."""
    return "".join("R" if isinstance(one, RootPlace) else "B" for one in service.ledger._sequencer.pending)


def has_shape(service: Service, expected: str) -> None:
    """Wait until that is pending."""
    wait_until(lambda: shape(service) == expected)


def indexes(future: "Future[Answer]") -> list[int | None]:
    """Wait for outcomes and return their places in the log."""
    answer = future.result(timeout=20)
    assert isinstance(answer, list), answer
    return [one.index for one in answer]


def hold_back(monkeypatch: pytest.MonkeyPatch, target: Any, name: str) -> tuple[Event, Event]:
    """Make a method wait; return what tells that it was called, and what lets it go on."""
    called, go_on = Event(), Event()
    method = getattr(target, name)

    def waiting(*arguments: Any) -> Any:
        called.set()
        assert go_on.wait(20)
        return method(*arguments)

    monkeypatch.setattr(target, name, waiting)
    return called, go_on


def put_under_way(
    service: Service, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> tuple["Future[Answer]", Event]:
    """Have a root wait to be finished, a batch on top of it; return that, and what lets the root go on."""
    called, go_on = hold_back(monkeypatch, service.ledger, "finish_root")
    service.submit_and_wait(payments(desk, 2))
    make_due(service)
    on_top = send(service, payments(desk, 2))
    assert called.wait(20)
    has_shape(service, "RB")
    return on_top, go_on


@pytest.mark.parametrize("apart", [True, False])
def test_batches_are_executed_while_a_root_is_made_and_answered_after_it(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch, *, apart: bool
) -> None:
    with quiet(tmp_path, desk, state_tree_process=apart) as service:
        called, go_on = hold_back(monkeypatch, service.ledger, "finish_root")
        size, checkpoints = service.ledger.size, service.counters.checkpoints
        first = service.submit_and_wait(payments(desk, 2))
        assert [one.index for one in first] == [size, size + 1]
        make_due(service)
        behind = []
        for batches in range(1, 4):  # one batch each: the last was staged before the next is sent
            behind.append(send(service, payments(desk, 2)))
            has_shape(service, "R" + "B" * batches)
        assert called.wait(20)
        assert (service.ledger.size, service.counters.checkpoints) == (size + 2, checkpoints)
        assert not any(future.done() for future in behind)
        go_on.set()
        assert [place for future in behind for place in indexes(future)] == list(range(size + 3, size + 9))
        root = service.ledger.last_root
        assert root is not None
        assert root.index == size + 2
        assert Leaf.decode(service.ledger.entry(size + 2).leaf).kind is EntryKind.ROOT
        assert service.counters.checkpoints == checkpoints + 1


def test_a_root_waits_for_what_was_pending_and_holds_back_what_came_later(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quiet(tmp_path, desk) as service:
        called, go_on = hold_back(monkeypatch, service.ledger, "write")
        size = service.ledger.size
        first = send(service, payments(desk, 2))
        assert called.wait(20)
        make_due(service)
        second = send(service, payments(desk, 1))
        has_shape(service, "BRB")
        go_on.set()
        assert indexes(first) == [size, size + 1]
        assert indexes(second) == [size + 3]
        root = service.ledger.last_root
        assert root is not None
        assert root.index == size + 2


@pytest.mark.parametrize("what", ["the batch before it", "the root", "the batch behind it"])
def test_a_disk_that_fails_around_a_root_loses_nothing_that_was_answered(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with quiet(tmp_path, desk) as service:
        ledger = service.ledger
        before, size = balances(ledger.state), ledger.size
        append = ledger.journal.append
        failing = True

        def refuse(entries: Any) -> None:
            append(entries)
            kind = {size: "the batch before it", size + 2: "the root", size + 3: "the batch behind it"}
            if failing and kind[entries[0].index] == what:
                raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(ledger.journal, "append", refuse)
        called, go_on = hold_back(monkeypatch, ledger, "write")
        waves = [payments(desk, 2), payments(desk, 2)]
        first = send(service, waves[0])
        assert called.wait(20)
        make_due(service)
        second = send(service, waves[1])
        has_shape(service, "BRB")
        go_on.set()
        answers = [future.result(timeout=20) for future in (first, second)]
        assert isinstance(answers[1], NotDurable)
        if what == "the batch before it":
            assert isinstance(answers[0], NotDurable)
            assert (ledger.size, balances(ledger.state)) == (size, before)
        wait_until(lambda: shape(service) == "" and service._root is None)
        assert isinstance(service.fault, NotDurable)
        failing = False
        monkeypatch.undo()
        wait_until(lambda: service.fault is None)
        for wave, answer in zip(waves, answers, strict=True):
            again = service.submit_and_wait(wave)
            assert all(one.receipt for one in again)
            if isinstance(answer, list):
                assert [one.receipt for one in again] == [one.receipt for one in answer]
        with service.standing_still():  # no lock is left behind
            assert ledger.size >= size + 4


def test_a_state_that_is_wrong_stops_at_the_root_and_everybody_is_told(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "a.tally", desk, checkpoint_seconds=600) as service:
        called, go_on = hold_back(monkeypatch, service.ledger, "write")
        first = send(service, payments(desk, 2))
        assert called.wait(20)
        make_due(service)
        second = send(service, payments(desk, 1))
        has_shape(service, "BRB")
        state = service.ledger.commitment.state
        state.write({("balance", "dave", EUR): state.get(("balance", "dave", EUR)) + 1})
        go_on.set()
        assert isinstance(first.result(timeout=20), list)  # durable, and in the log, before anybody looked
        assert isinstance(second.result(timeout=20), Stopped)
        with pytest.raises(Stopped, match="changed by 1 in all"):
            send(service, payments(desk, 1))
        with service.standing_still():
            pass


def test_the_executor_s_own_fault_under_a_root_leaves_no_lock_and_nobody_waiting(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quiet(tmp_path, desk) as service:
        _, go_on = put_under_way(service, desk, monkeypatch)
        monkeypatch.setattr(service.ledger, "stage", lambda _: 1 // 0)
        assert isinstance(send(service, payments(desk, 1)).result(timeout=20), NodeFault)
        go_on.set()
        with service.standing_still():
            pass
        monkeypatch.undo()


def test_a_tree_process_that_is_killed_while_its_root_is_awaited_costs_time_and_nothing_else(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quiet(tmp_path, desk) as service:
        pid = service.ledger.commitment.tree_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # it has not answered yet
        on_top, go_on = put_under_way(service, desk, monkeypatch)
        os.kill(pid, signal.SIGKILL)
        go_on.set()
        assert len(indexes(on_top)) == 2
        assert service.ledger.commitment.tree_pid is None
        assert service.fault is None


def test_a_proof_asked_for_under_a_root_is_of_the_one_before_or_of_it(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quiet(tmp_path, desk) as service:
        on_top, go_on = put_under_way(service, desk, monkeypatch)
        held = service.ledger.balance("bob", EUR)
        proofs: list[bytes] = []

        def ask() -> None:
            view = ReadView(service.ledger)
            with service.standing_still():
                proofs.append(balance_proof(view, "bob", EUR))
            view.close()

        asking = Thread(target=ask)
        asking.start()
        time.sleep(0.05)
        assert not proofs  # it waits: the tree has moved on, and the log has not
        go_on.set()
        asking.join(20)
        proved = verify_balance_proof(proofs[0], log_key=LOG_KEY.verifier.vkey)
        assert proved.value == held
        assert len(indexes(on_top)) == 2


def test_a_root_waits_for_batches_that_write_nothing_too(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> list[bytes]:
        return [desk.envelope("alice", transfer("alice", (EUR, "bob", 10**15)))]

    with quiet(tmp_path, desk) as service:
        write, gates, written = service.ledger.write, [Event() for _ in range(5)], []

        def gated(staged: Any) -> None:
            written.append(staged)
            assert gates[len(written) - 1].wait(20)
            write(staged)

        monkeypatch.setattr(service.ledger, "write", gated)
        accepted = [send(service, payments(desk, 1))]
        wait_until(lambda: len(written) == 1)
        nothing = [send(service, refused())]
        wait_until(lambda: service._pending == 2)
        gates[0].set()
        accepted[0].result(timeout=20)
        wait_until(lambda: len(written) == 2)
        nothing.append(send(service, refused()))
        wait_until(lambda: service._pending == 2)
        make_due(service)
        accepted.append(send(service, payments(desk, 1)))
        has_shape(service, "RB")
        assert service._root is not None
        assert not service._root.has_begun
        for gate in gates:
            gate.set()
        for future in (*nothing, *accepted):
            assert isinstance(future.result(timeout=20), list)
        wait_until(lambda: service._root is None)


def test_a_checkpoint_after_one_that_somebody_asked_for_failed_is_of_the_log_as_it_is(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quiet(tmp_path, desk) as service:
        service.submit_and_wait(payments(desk, 2))
        with monkeypatch.context() as patched:

            def refuse(**_: Any) -> None:
                raise sqlite3.OperationalError("database or disk is full")

            patched.setattr(service.ledger.journal, "put_checkpoint", refuse)
            with pytest.raises(NotDurable):
                service.checkpoint().result(timeout=20)
        checkpoints = service.counters.checkpoints
        make_due(service)
        service.ask(lambda _: None).result(timeout=20)
        wait_until(lambda: service.counters.checkpoints > checkpoints)
        root = service.ledger.last_root
        assert root is not None
        assert root.index == service.ledger.size - 1
        assert service.ledger.journal.checkpoint_sizes()[-1] == service.ledger.size


def test_a_node_whose_disk_is_faster_than_it_executes_goes_on(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a batch is pending at any moment, and checkpoints find no pause."""
    with serving(tmp_path / "a.tally", desk, checkpoint_seconds=0.05) as service:
        stage = service.ledger.stage

        def slow(signed: Any) -> Any:
            time.sleep(0.002)
            return stage(signed)

        monkeypatch.setattr(service.ledger, "stage", slow)
        waiting: list[Future[Answer]] = []
        for _ in range(700):
            waiting.append(send(service, payments(desk, 1)))
            if len(waiting) > 20:
                assert isinstance(waiting.pop(0).result(timeout=20), list)
        for future in waiting:
            assert isinstance(future.result(timeout=20), list)
        assert service.counters.checkpoints > 3
        assert service.fault is None
