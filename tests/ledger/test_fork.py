"""Forks: batches that are never kept, one transaction at a time or many, and never on the state below."""

from tallystick.ledger.fork import Fork, ForkOverlay, unsigned
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import IDS, Overlay
from tests.ledger.world import SECOND, World, transfer


def town():
    world = World(check_signatures=False)
    world.open("alice", "bob")
    world.mint("x@alice", bob=100)
    return world


def pays(world, number, units):
    transaction = world.transaction(
        "bob", [transfer("bob", ("x@alice", "alice", units))], id=world.uuid(number)
    )
    return unsigned(transaction)


def test_a_batch_is_the_same_at_once_or_one_transaction_after_another():
    world = town()
    before = dict(world.store.values)
    outcomes = []
    for one_by_one in (False, True):
        fork = Fork(world.store, world.kinds, index=world.index)
        payments = [pays(world, 1_000 + number, 40) for number in range(3)]
        if one_by_one:
            timers = fork.begin(time=world.time)
            found = [fork.do(payment) for payment in payments]
        else:
            timers, found = fork.run_batch(payments, time=world.time)
        assert [isinstance(one, Rejection) for one in found] == [False, False, True]
        outcomes.append((timers, found[:2], fork.index, dict(fork.overlay.writes)))
    assert outcomes[0] == outcomes[1]
    assert world.store.values == before


def test_what_was_written_is_told_after_each_step():
    world = town()
    fork = Fork(world.store, world.kinds, index=world.index)
    fork.begin(time=world.time)
    assert fork.written.keys() == {("clock",)}
    fork.do(pays(world, 2_000, 40))
    assert fork.written["balance", "bob", "x@alice"] == 60
    fork.run_batch([pays(world, 2_001, 10), pays(world, 2_002, 10)], time=world.time)
    assert fork.written["balance", "bob", "x@alice"] == 40
    assert ("clock",) in fork.written


def test_a_fork_forgets_ids_as_every_overlay_does():
    """It remembers where it looked last; the answer must not differ from a plain look at everything."""
    world = town()
    fork = Fork(world.store, world.kinds, index=world.index)
    for number in range(4):
        world.time += 200 * SECOND
        fork.run_batch([pays(world, 3_000 + number, 1)], time=world.time)
        assert isinstance(fork.overlay, ForkOverlay)
        for ahead in (0, 100, 10_000):
            slot = world.time // SECOND + ahead
            assert fork.overlay.ids_before(slot) == Overlay.ids_before(fork.overlay, slot)
    world.time += 5_000 * SECOND
    fork.begin(time=world.time)
    assert fork.overlay.ids_before(1 << 60) == []
    assert not [key for key, value in fork.overlay.writes.items() if key[0] == IDS and value is not None]
