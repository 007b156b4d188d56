"""Snapshots of states that have a pair in every kind of table, and of large ones."""

import gc
import hashlib

import pytest

from tallystick.ledger.encoding import encode_key, encode_value, is_committed
from tallystick.ledger.records import Account, Clock
from tallystick.log.state_tree import StateTree
from tallystick.node.commitment import Commitment, TrackedStore
from tallystick.node.snapshot import SnapshotCorrupt, load_snapshot, snapshot_parts
from tallystick.protocol import KINDS
from tests.ledger.world import DAY, SECOND, START, World, call, deploy, hold, indexes_agree, transfer
from tests.node.economy import flip


def committed(state):
    """Return a commitment over a state, with its tree made from scratch."""
    pairs = [
        (encode_key(key), encode_value(value)) for key, value in state.values.items() if is_committed(key)
    ]
    return Commitment(state, StateTree.build(pairs))


def tracked(values):
    state = TrackedStore()
    state.write(dict(values))
    state.before = {}
    return state


@pytest.fixture(scope="module")
def rich():
    """A state with holds, timers, ids, `once` keys, and a contract with tables of its own."""
    world = World()
    world.open("bank", "alice", "bob", "carol")
    world.mint("eur@bank", alice=1000, bob=1000)
    world.do(
        "alice", hold("alice", "bob", ("eur@bank", 5), expires=START + DAY * SECOND, at_expiry="release")
    )
    world.do("alice", transfer("alice", ("eur@bank", "bob", 1)), once="invoice-1")
    leg = {"payer": "alice", "receiver": "bob", "asset": "eur@bank"}
    legs = [leg | {"units": units} for units in (3, 4)]
    world.do("carol", deploy("carol", "deal", "escrow", legs=legs, deadline=START + DAY * SECOND))
    world.do("alice", call("alice", "deal", "fund", leg=1, spend=[("eur@bank", 4)]))
    for step in range(5):
        world.time += step * SECOND
        world.do("bob", transfer("bob", ("eur@bank", "carol", 1 + step)))
        world.do("bob", transfer("bob", ("eur@bank", "alice", 1 + step)))
    return world


def parts_of(commitment, size=9):
    return list(snapshot_parts(commitment.state, size=size, root=commitment.root))


def load(parts, commitment, size=9, **options):
    return load_snapshot(parts, size=size, root=commitment.root, contracts=KINDS.contracts, **options)


def test_what_is_loaded_is_what_was_written_in_every_index(rich):
    commitment = committed(tracked(rich.store.values))
    told = []
    loaded = load(parts_of(commitment), commitment, progress=lambda done, whole: told.append((done, whole)))
    assert loaded.state.values == rich.store.values
    assert {name: type(value) for name, value in loaded.state.values.items()} == {
        name: type(value) for name, value in rich.store.values.items()
    }
    assert loaded.root == commitment.root
    assert loaded.state.ids == rich.store.ids
    assert indexes_agree(loaded.state)
    assert loaded.is_current
    assert told[-1] == (len(rich.store.values), len(rich.store.values))
    assert {name[0] for name in loaded.state.values} >= {
        "id",
        "ids",
        "hold",
        "timer",
        "once",
        "balance",
        "deal!",
    }


def test_the_ids_of_a_second_keep_their_order(rich):
    state = tracked(rich.store.values)
    slot, names = max(state.ids.items(), key=lambda item: len(item[1]))
    assert len(names) > 1
    commitment = committed(state)
    state.ids[slot] = names[::-1]
    with pytest.raises(SnapshotCorrupt, match=f"second {slot}"):
        load(parts_of(commitment), commitment)


def test_a_left_out_or_added_id_is_found(rich):
    for change in ("left out", "added"):
        state = tracked(rich.store.values)
        commitment = committed(state)
        slot = next(iter(state.ids))
        if change == "added":
            state.write({("id", slot, "mallory", "x"): state.values[state.ids[slot][0]]})
        else:
            state.values.pop(state.ids[slot].pop())
        with pytest.raises(SnapshotCorrupt, match="second"):
            load(parts_of(commitment), commitment)


def test_a_left_out_added_or_changed_pair_is_found(rich):
    balance = ("balance", "alice", "eur@bank")
    for change in ({balance: None}, {("balance", "x", "y"): 1}, {balance: 1}, {("clock",): Clock(1, 1)}):
        state = tracked(rich.store.values)
        commitment = committed(state)
        state.write(change)
        with pytest.raises(SnapshotCorrupt, match="root"):
            load(parts_of(commitment), commitment)


def test_parts_that_are_missing_doubled_or_swapped_are_found(rich):
    commitment = committed(tracked(rich.store.values))
    parts = parts_of(commitment)
    wrong = [parts[:-1], parts[1:], parts[:2] + parts[1:], [parts[0], *parts[2:]], [], [parts[0]]]
    wrong.append([parts[0], parts[2], parts[1], *parts[3:]])
    for some in wrong:
        with pytest.raises(SnapshotCorrupt):
            load(some, commitment)
        with pytest.raises(SnapshotCorrupt):
            load(redigested(some), commitment) if len(some) != len(parts) else load(some, commitment)


def redigested(parts):
    """Return parts with a digest that fits, as somebody would who knows the format."""
    kept = parts[:-1]
    return [*kept, hashlib.sha256(b"".join(kept)).digest()]


@pytest.mark.long
def test_any_changed_byte_is_found_even_with_a_digest_that_fits(rich):
    commitment = committed(tracked(rich.store.values))
    parts = parts_of(commitment)
    tried = 0
    for number, part in enumerate(parts[:-1]):
        names_of_ids = b'["id",' in part  # the root commits to their payloads, the digest to their names
        for at in range(0, len(part), 11):
            changed = [*parts[:number], flip(part, at), *parts[number + 1 :]]
            with pytest.raises(SnapshotCorrupt):
                load(changed, commitment)
            if not names_of_ids:
                with pytest.raises(SnapshotCorrupt):
                    load(redigested(changed), commitment)
            tried += 1
    assert tried > 300


def test_the_size_and_root_are_the_ones_asked_for(rich):
    commitment = committed(tracked(rich.store.values))
    with pytest.raises(SnapshotCorrupt, match="head"):
        load(parts_of(commitment, size=8), commitment)


def test_a_large_state_loads_without_the_collector_walking_it():
    """Each walk would look at all that is loaded so far, and none of it is garbage."""
    accounts = 20_000
    state = TrackedStore()
    for number in range(accounts):
        name = f"account-{number:07}"
        state.values["account", name] = Account(keys=(number.to_bytes(32, "big"),), threshold=1)
        state.values["balance", name, "eur@bank"] = 1_000_000 + number
    commitment = committed(state)
    parts = parts_of(commitment)
    walks = collections()
    loaded = load(parts, commitment)
    assert collections() <= walks + 1  # one once it is over; there would be eighty
    assert loaded.state.values == state.values
    assert gc.isenabled()


def collections():
    return sum(generation["collections"] for generation in gc.get_stats())
