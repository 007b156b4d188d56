"""The runbook walked through: the clock jumps, the operator's keys change, the log's key is lost."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tallystick.client.sources import open_source
from tallystick.client.verifier import verify
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.rejections import Code
from tallystick.ledger.transactions import RotateKeys
from tallystick.log.checkpoint import verify_checkpoint
from tallystick.node.service import Service, ServiceLimits
from tallystick.node.staged import StagedLedger
from tests.ledger.world import START, hold, key, open_account, signer, transfer, uuid7
from tests.node.economy import LOG_KEY, OPERATOR, Desk, VirtualClock
from tests.node_service.running import EUR, make_ledger

pytestmark = pytest.mark.long

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PAID = transfer("alice", (EUR, "bob", 1))


@contextmanager
def running(path: Path, clock: VirtualClock) -> Iterator[tuple[Service, Desk]]:
    """A service whose clock the test turns; it looks for what has fallen due every 20 ms."""
    desk = make_ledger(path)
    ledger = StagedLedger.open(path, log_key=LOG_KEY, clock=clock)
    desk.ledger = ledger
    service = Service(ledger, limits=ServiceLimits(verify_processes=1, checkpoint_seconds=0.02))
    try:
        yield service, desk
    finally:
        service.close()
        ledger.close()


def settle(service: Service, desk: Desk, *actions: Any, sender: str = "alice", **fields: Any) -> Any:
    """Submit one transaction; return its receipt or the code of its rejection."""
    (outcome,) = service.submit_and_wait([desk.envelope(sender, *actions, **fields)])
    return outcome.rejection.code if outcome.rejection else decode_receipt(outcome.receipt or b"")


def written(desk: Desk, real: int, **fields: Any) -> dict[str, Any]:
    """The id and expiry that a client with a right clock gives a transaction."""
    desk.number += 1
    return {"id": uuid7(real, desk.number), "expires": real + HOUR, **fields}


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def held(service: Service, account: str) -> int:
    units: int = service.ledger.state.get(("held", account, EUR)) or 0
    return units


def test_a_clock_that_goes_back_days_stops_time_until_it_has_caught_up(tmp_path: Path) -> None:
    clock = VirtualClock(START + HOUR)
    with running(tmp_path / "a.tally", clock) as (service, desk):
        assert settle(service, desk, PAID).time == START + HOUR
        wait_for(lambda: held(service, "alice") == 0)  # what the economy began with has run out
        kept = hold("alice", "bob", (EUR, 7), expires=START + 2 * HOUR, at_expiry="release")
        assert settle(service, desk, kept).time == START + HOUR
        clock.time = START + HOUR - 2 * DAY
        assert settle(service, desk, PAID).time == START + HOUR
        # Ids by right clocks are good for ten minutes more, then those by the ledger's time, or `once`.
        real = START + HOUR
        assert settle(service, desk, PAID, **written(desk, real + 10 * MINUTE)).time == START + HOUR
        late = written(desk, real + 10 * MINUTE + SECOND)
        assert settle(service, desk, PAID, **late) is Code.ID_OUT_OF_WINDOW
        assert settle(service, desk, PAID, once="bill-1", **late).time == START + HOUR
        assert settle(service, desk, PAID).time == START + HOUR
        # Expiries wait, though real time is past them, until the clock is right again.
        assert held(service, "alice") == 7
        service.checkpoint().result()
        assert service.ledger.clock.time == START + HOUR
        clock.time = START + 2 * HOUR
        wait_for(lambda: held(service, "alice") == 0)
        assert settle(service, desk, PAID).time == START + 2 * HOUR
    assert verify(open_source(tmp_path / "a.tally"), log_key=LOG_KEY.verifier.vkey).uncovered == 0


def test_a_clock_that_goes_forward_days_takes_the_ledgers_time_along_for_good(tmp_path: Path) -> None:
    clock = VirtualClock(START + HOUR)
    with running(tmp_path / "a.tally", clock) as (service, desk):
        kept = hold("alice", "bob", (EUR, 7), expires=START + DAY, at_expiry="release")
        settle(service, desk, kept)
        wait_for(lambda: held(service, "alice") == 7)
        clock.time = START + 3 * DAY
        wait_for(lambda: held(service, "alice") == 0)  # a day early, and nobody sent anything
        jumped = service.ledger.clock.time
        assert jumped == START + 3 * DAY
        clock.time = real = START + HOUR + MINUTE
        assert settle(service, desk, PAID, **written(desk, real)) is Code.EXPIRED
        long = {"expires": jumped + HOUR}
        assert settle(service, desk, PAID, **written(desk, real) | long) is Code.ID_OUT_OF_WINDOW
        assert settle(service, desk, PAID, once="bill-1", **written(desk, real)) is Code.EXPIRED
        assert settle(service, desk, PAID, once="bill-1", **written(desk, real) | long).time == jumped
        assert settle(service, desk, PAID).time == jumped  # dated by the ledger, as our clients do
        # Real time comes within ten minutes of it, and everybody's ids are good again.
        clock.time = real = jumped - 10 * MINUTE - SECOND
        assert settle(service, desk, PAID, **written(desk, real)) is Code.ID_OUT_OF_WINDOW
        clock.time = real = jumped - 10 * MINUTE
        assert settle(service, desk, PAID, **written(desk, real)).time == jumped
        clock.time = jumped + SECOND
        assert settle(service, desk, PAID).time == jumped + SECOND
    assert verify(open_source(tmp_path / "a.tally"), log_key=LOG_KEY.verifier.vkey).uncovered == 0


def test_a_jump_during_which_nothing_settles_leaves_no_trace(tmp_path: Path) -> None:
    clock = VirtualClock(START + HOUR)
    with running(tmp_path / "a.tally", clock) as (service, desk):
        settle(service, desk, PAID)
        wait_for(lambda: not service.ledger.has_due())
        service.checkpoint().result()
        size = service.ledger.size
        clock.time = START + 3 * DAY
        service.checkpoint().result()
        clock.time = START + HOUR + MINUTE
        assert service.ledger.size == size
        assert settle(service, desk, PAID, **written(desk, clock.time)).time == START + HOUR + MINUTE


def test_the_operators_new_keys_work_at_once_and_the_log_goes_on_under_its_own(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.tally", VirtualClock()
    with running(path, clock) as (service, desk):
        before = service.checkpoint().result()
        old, new = signer(OPERATOR), [signer(OPERATOR, 1), signer(OPERATOR, 2)]
        keys = tuple(sorted((key(OPERATOR, 1), key(OPERATOR, 2))))
        rotate = RotateKeys(account=OPERATOR, keys=keys, threshold=2)
        unsent = desk.envelope(OPERATOR, open_account(OPERATOR, "frank"))
        assert settle(service, desk, rotate, sender=OPERATOR).sender == OPERATOR
        (late,) = service.submit_and_wait([unsent])
        assert late.rejection is not None
        assert late.rejection.code is Code.UNAUTHORISED

        def opened(name: str, *signers: Any) -> Any:
            return settle(service, desk, open_account(OPERATOR, name), sender=OPERATOR, signers=signers)

        assert opened("erin", old) is Code.UNAUTHORISED
        assert opened("erin", new[0]) is Code.UNAUTHORISED
        assert opened("erin", *new).sender == OPERATOR
        after = service.checkpoint().result()
        sizes = [verify_checkpoint(note, log_key=LOG_KEY.verifier).tree_size for note in (before, after)]
        assert sizes[1] > sizes[0]
        assert service.ledger.genesis.operator_keys == (key(OPERATOR),)  # history: it says who began
    assert verify(open_source(path), log_key=LOG_KEY.verifier.vkey).uncovered == 0


def test_a_node_whose_log_key_is_lost_settles_and_signs_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with StagedLedger.open(path, log_key=None, clock=VirtualClock()) as ledger:
        desk.ledger, signed = ledger, ledger.journal.checkpoint()
        service = Service(ledger, limits=ServiceLimits(verify_processes=1, checkpoint_seconds=0.02))
        try:
            assert settle(service, desk, PAID).time == START
            time.sleep(0.1)  # several times the interval between checkpoints
            assert settle(service, desk, PAID).time == START
            assert service.fault is None
            assert ledger.journal.checkpoint() == signed
        finally:
            service.close()


def test_a_node_does_not_start_without_the_logs_key_and_says_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    make_ledger(path)
    words = [sys.executable, "-m", "tallystick.cli", "serve", f"--ledger={path}", "--set=port=0"]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert f"there is no log key {path}.logkey" in refused.stderr
    assert "hint: put it back beside the ledger file" in refused.stderr
