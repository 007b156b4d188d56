"""The tree in a process of its own is the tree."""

import os
import random
import signal
import time

import pytest

from tallystick.log.state_tree import EMPTY_STATE_ROOT, StateTree, verify_state_proof
from tallystick.log.state_tree_process import StateTreeProcess, StateTreeProcessDied


def joined(changes):
    """Return changes as lines; `split` is what the process is told to take them apart with."""
    return b"\n".join(key + b"=" + (b"" if value is None else value) for key, value in changes.items())


def split(data):
    pairs = [line.partition(b"=") for line in data.split(b"\n")] if data else []
    return [(key, value or None) for key, _, value in pairs]


@pytest.fixture
def elsewhere():
    started = []

    def start(tree):
        started.append(StateTreeProcess(tree, split=split))
        return started[-1]

    yield start
    for process in started:
        process.close()


def tree_of(count):
    return StateTree.build((b"key %d" % number, b"value") for number in range(count))


def commit(process):
    process.ask_root()
    return process.root()


@pytest.mark.parametrize("keys", [0, 1, 5_000])
def test_pages_make_the_tree_again(keys):
    tree = tree_of(keys)
    parts = list(tree.pages())
    assert len(parts) == 256
    again = StateTree.of_pages(parts)
    assert (again.root, len(again)) == (tree.root, keys)


def test_pages_of_a_tree_with_splits_make_it_again(monkeypatch):
    # 2^18 buckets split when there are millions of keys; with one bit of the hash they split at once.
    monkeypatch.setattr("tallystick.log.state_tree.PAGE_ENTRIES_MAX", 0)
    monkeypatch.setattr("tallystick.log.state_tree._PAGE_BYTES_MAX", 0)
    tree = StateTree()
    tree.update({b"key %d" % number: b"value" for number in range(50)})
    again = StateTree.of_pages(tree.pages())
    assert (again.root, len(again)) == (tree.root, 50)


def test_roots_and_proofs_are_those_of_the_same_tree_here(elsewhere):
    rng = random.Random(1)
    tree = tree_of(300)
    process = elsewhere(tree_of(300))
    assert commit(process) == tree.root
    for _ in range(6):
        noted = {}
        for _ in range(rng.randrange(4)):
            keys = [b"key %d" % number for number in rng.sample(range(400), 30)]
            changes = {key: None if rng.random() < 0.3 else b"%d" % rng.randrange(99) for key in keys}
            process.note(joined(changes))
            noted |= changes
            # Between roots it proves what held at the last one.
            assert process.prove(keys[0]) == tree.prove(keys[0])
        tree.update(noted)
        assert commit(process) == tree.root


def test_a_key_noted_twice_has_its_last_value(elsewhere):
    process = elsewhere(StateTree())
    assert commit(process) == EMPTY_STATE_ROOT
    process.note(joined({b"a": b"1"}))
    process.note(joined({b"a": b"2", b"b": b"3"}))
    process.note(joined({b"b": None}))
    root = commit(process)
    verify_state_proof(root=root, key=b"a", value=b"2", proof=process.prove(b"a"))
    verify_state_proof(root=root, key=b"b", value=None, proof=process.prove(b"b"))


def test_several_roots_may_be_asked_for_before_one_is_taken(elsewhere):
    process = elsewhere(StateTree())
    process.note(joined({b"a": b"1"}))
    process.ask_root()
    process.note(joined({b"a": b"2"}))
    process.ask_root()
    here = StateTree()
    for value in (b"1", b"2"):
        here.update({b"a": value})
        assert process.root() == here.root
    with pytest.raises(ValueError, match="every root"):
        process.root()


def test_more_is_noted_than_a_pipe_holds_without_waiting_for_the_tree(elsewhere):
    process = elsewhere(StateTree())
    commit(process)
    os.kill(process.pid, signal.SIGSTOP)
    began = time.monotonic()
    process.note(joined({b"small": b"1"}))
    assert time.monotonic() - began < 5
    os.kill(process.pid, signal.SIGCONT)
    changes = {b"key %d" % number: b"x" * 100 for number in range(20_000)}
    process.note(joined(changes))
    here = StateTree()
    here.update(changes | {b"small": b"1"})
    assert commit(process) == here.root


def test_a_process_that_died_says_so_at_every_question(elsewhere):
    process = elsewhere(tree_of(10))
    root = commit(process)
    verify_state_proof(root=root, key=b"key 1", value=b"value", proof=process.prove(b"key 1"))
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(StateTreeProcessDied):
        process.prove(b"key 1")
    with pytest.raises(StateTreeProcessDied):
        commit(process)


def test_interrupting_whoever_started_it_leaves_it_alone(elsewhere):
    process = elsewhere(tree_of(10))
    root = commit(process)
    for each in (signal.SIGINT, signal.SIGTERM):
        os.kill(process.pid, each)
    assert commit(process) == root
