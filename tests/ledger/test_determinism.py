"""One history is one state: whatever the hash seed, and from the middle as from the beginning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.ledger.fork import Fork, preview, unsigned
from tallystick.ledger.receipts import Receipt, encode_receipt
from tallystick.ledger.rejections import Code, InvariantViolation, Rejection
from tests.ledger.history import BATCHES, digests, run_history
from tests.ledger.town import EUR, Town, play
from tests.ledger.world import hold, indexes_agree, transfer

ROOT = Path(__file__).resolve().parents[2]


def digests_in_a_process(hash_seed: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ledger.history", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_hash_seed_changes_nothing() -> None:
    first = digests_in_a_process("0")
    assert len(first) == 129
    assert digests_in_a_process("1") == first
    # And neither does starting again, under another seed, from a state that was only bytes.
    assert digests_in_a_process("2", str(BATCHES // 2)) == first


@pytest.mark.parametrize("batch", [0, 1, 7, BATCHES - 1])
def test_a_state_loaded_from_its_bytes_goes_on_the_same(batch: int) -> None:
    assert digests(run_history(reload_at=batch)) == digests(run_history())


def test_the_history_is_not_trivial_and_replays() -> None:
    town = run_history()
    assert len(town.entries) > 6 * BATCHES
    tables = {name[0] for name in town.store.values}
    assert {"balance", "held", "hold", "lot", "overdue", "timer", "once", "spent", "p!", "quota"} <= tables
    assert town.replayed().state.values == town.store.values
    assert indexes_agree(town.store)


# Previews and forks: the same rules, nothing written.


def test_a_preview_is_the_receipt_that_follows_and_writes_nothing() -> None:
    town = Town()
    transaction = town.transaction("alice", [transfer("alice", (EUR, "bob", 7))])
    before = dict(town.store.values)
    shown = preview(town.store, town.kinds, unsigned(transaction), time=town.time, index=town.index)
    assert town.store.values == before
    assert shown.postings == [("alice", EUR, -7, 93), ("bob", EUR, 7, 7)]
    done = town.run(town.envelope(transaction))[0]
    assert isinstance(done, Receipt)
    assert encode_receipt(done) == encode_receipt(shown)


def test_a_preview_is_refused_like_the_transaction() -> None:
    town = Town()
    transaction = town.transaction("alice", [transfer("alice", (EUR, "bob", 101))])
    with pytest.raises(Rejection, match="insufficient_balance"):
        preview(town.store, town.kinds, unsigned(transaction), time=town.time, index=town.index)


def test_simulated_signers_are_for_forks_alone_and_never_for_contracts() -> None:
    town = Town()
    fork = Fork(town.store, town.kinds, index=town.index)
    mine = unsigned(town.transaction("bob", [transfer("alice", (EUR, "bob", 1))]))
    contracts = unsigned(town.transaction("alice", [transfer("p", (EUR, "bob", 1))]))
    _, (simulated, contract) = fork.run_batch([mine, contracts], time=town.time)
    assert isinstance(simulated, Receipt)
    assert isinstance(contract, Rejection)
    assert contract.code is Code.UNAUTHORISED
    _, (real,) = Fork(town.store, town.kinds, index=town.index).run_batch(
        [mine], time=town.time, simulated=False
    )
    assert isinstance(real, Rejection)
    assert real.code is Code.UNAUTHORISED


def test_a_fork_runs_batches_and_timers_and_leaves_the_state_alone() -> None:
    town = Town()
    town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60), at_expiry="capture"))
    before = dict(town.store.values)
    fork = Fork(town.store, town.kinds, index=town.index)
    timers, _ = fork.run_batch([], time=town.later(60))
    assert timers is not None
    assert timers.postings == [("alice", EUR, -30, 70), ("bob", EUR, 30, 30)]
    pay_on = unsigned(town.transaction("bob", [transfer("bob", (EUR, "carol", 30))]))
    _, (outcome,) = fork.run_batch([pay_on], time=town.later(61))
    assert isinstance(outcome, Receipt)
    assert fork.overlay.get(("balance", "carol", EUR)) == 30
    assert town.store.values == before


def test_a_broken_batch_is_ours_and_no_rejection() -> None:
    town = Town()
    town.do("alice", play())
    town.store.values["balance", "alice", EUR] += 1
    with pytest.raises(InvariantViolation, match="invariant 1"):
        town.do("alice", transfer("alice", (EUR, "bob", 1)))
