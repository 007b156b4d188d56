import pytest

from tallystick.ledger.apply import Kinds
from tallystick.ledger.genesis import genesis_writes
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import authenticate
from tallystick.node.commitment import TrackedStore
from tallystick.node.sequencer import Accepted, Sequencer, Signed
from tallystick.protocol import KINDS
from tests.ledger.world import create, uuid7
from tests.node.economy import OPERATOR, SECOND, START, Desk, genesis, hold, issue, open_account, transfer


class Bench:
    """A sequencer without a disk; it looks enough like a ledger for a desk to write to it."""

    def __init__(self, kinds: Kinds = KINDS) -> None:
        state = TrackedStore()
        state.write(genesis_writes(genesis()))
        self.sequencer = Sequencer(state, kinds, index=1)
        self.ledger_id = state.get(("genesis",))
        self.desk = Desk(self)
        self.confirm(
            self.desk.envelope(OPERATOR, *(open_account(OPERATOR, name) for name in ("bank", "alice", "bob")))
        )
        self.confirm(
            self.desk.envelope("bank", create("bank", "eur"), issue("bank", ("eur@bank", "alice", 100)))
        )

    def now(self):
        return START

    def execute(self, *envelopes, time=START):
        return self.sequencer.execute([Signed(one, authenticate(one)) for one in envelopes], time=time)

    def confirm(self, *envelopes):
        batch = self.execute(*envelopes)
        assert not any(isinstance(outcome, Rejection) for outcome in batch.outcomes)
        self.sequencer.confirm(batch)

    def pay(self, units, **fields):
        return self.desk.envelope("alice", transfer("alice", ("eur@bank", "bob", units)), **fields)

    def balance(self, account="alice"):
        return self.sequencer.state.get(("balance", account, "eur@bank")) or 0


@pytest.fixture
def bench():
    return Bench()


def test_nothing_is_seen_before_it_is_confirmed(bench):
    batch = bench.execute(bench.pay(30))
    assert batch.outcomes == [Accepted(3)]
    assert (bench.balance(), bench.sequencer.index, bench.sequencer.next_index) == (100, 3, 4)
    bench.sequencer.confirm(batch)
    assert (bench.balance(), bench.sequencer.index) == (70, 4)


def test_a_batch_stands_on_the_pending_ones_below_it(bench):
    first = bench.execute(bench.pay(60))
    second = bench.execute(bench.pay(60), bench.pay(40))
    assert [outcome.code if isinstance(outcome, Rejection) else outcome for outcome in second.outcomes] == [
        Code.INSUFFICIENT_BALANCE,
        Accepted(4),
    ]
    assert (first.height, second.height) == (3, 4)
    bench.sequencer.confirm(first)
    assert bench.balance() == 40
    bench.sequencer.confirm(second)
    assert bench.balance() == 0


def test_a_dropped_batch_takes_along_what_stands_on_it_and_nothing_else(bench):
    kept = bench.execute(bench.pay(1))
    dropped = bench.execute(bench.pay(10))
    bench.execute(bench.pay(20))
    bench.sequencer.drop(dropped)
    assert list(bench.sequencer.pending) == [kept]
    again = bench.execute(bench.pay(50))
    assert again.first_index == kept.end_index
    bench.sequencer.confirm(kept)
    bench.sequencer.confirm(again)
    assert bench.balance() == 49


def test_a_dropped_transaction_may_be_sent_again(bench):
    far = {"id": uuid7(START + 3600 * SECOND, 1), "once": "k", "expires": START + 7200 * SECOND}
    envelope = bench.pay(10, **far)
    bench.sequencer.drop(bench.execute(envelope))
    batch = bench.execute(envelope)
    assert batch.outcomes == [Accepted(3)]


def test_batches_are_confirmed_in_their_order(bench):
    first, second = bench.execute(bench.pay(1)), bench.execute(bench.pay(2))
    with pytest.raises(ValueError, match="order"):
        bench.sequencer.confirm(second)
    bench.sequencer.confirm(first)
    bench.sequencer.confirm(second)
    with pytest.raises(ValueError, match="order"):
        bench.sequencer.confirm(second)


def test_a_repeat_of_a_pending_transaction_is_known_also_outside_the_window(bench):
    far = {"id": uuid7(START + 3600 * SECOND, 1), "expires": START + 7200 * SECOND}
    envelope = bench.pay(10, once="k", **far)
    bench.execute(envelope)
    repeated, reused = bench.execute(envelope, bench.pay(11, once="other", **far)).outcomes
    assert repeated == Accepted(3, repeated=True)
    assert reused.code is Code.ID_REUSED


def test_a_retry_is_known_when_time_leaves_the_window_while_its_batch_is_pending(bench):
    envelope = bench.pay(10)
    bench.execute(envelope)
    later = START + 11 * 60 * SECOND
    (repeated,) = bench.execute(envelope, time=later).outcomes
    assert repeated == Accepted(3, repeated=True)
    (refused,) = bench.execute(bench.pay(10, id=uuid7(START, 77)), time=later).outcomes
    assert refused.code in {Code.EXPIRED, Code.ID_OUT_OF_WINDOW}


def test_batches_do_the_same_whether_pending_or_confirmed_below(bench):
    def until(seconds):
        return hold("alice", "bob", ("eur@bank", 5), expires=START + seconds * SECOND, at_expiry="capture")

    def dated(units, seconds):
        time = START + seconds * SECOND
        return bench.pay(units, id=uuid7(time, units), expires=time + 100 * SECOND)

    batches = [
        ([bench.desk.envelope("alice", until(30)), bench.pay(1)], 0),
        ([bench.desk.envelope("alice", until(20)), bench.pay(2)], 1),
        ([bench.pay(3)], 25),  # the hold of the second batch falls due above both
        ([], 31),
        # Ids of several seconds, the first of which leave the window while their batches are pending.
        ([dated(4, 100)], 100),
        ([dated(5, 650)], 650),
        ([dated(6, 800)], 800),
        ([dated(7, 1_500)], 1_500),
    ]
    at_once = Bench()
    for envelopes, seconds in batches:
        above = bench.execute(*envelopes, time=START + seconds * SECOND)
        plain = at_once.execute(*envelopes, time=START + seconds * SECOND)
        assert above.entries == plain.entries
        assert above.overlay.writes == plain.overlay.writes
        assert all(isinstance(outcome, Accepted) for outcome in above.outcomes)
        at_once.sequencer.confirm(plain)
    while bench.sequencer.pending:
        bench.sequencer.confirm(bench.sequencer.pending[0])
    assert bench.sequencer.state.values == at_once.sequencer.state.values
    assert bench.balance("bob") == 1 + 2 + 3 + 4 + 5 + 6 + 7 + 5 + 5
    assert bench.sequencer.state.ids == at_once.sequencer.state.ids


def test_a_batch_without_an_entry_is_not_pending(bench):
    batch = bench.execute(bench.pay(101), time=START + 60 * SECOND)
    assert (batch.entries, list(bench.sequencer.pending)) == ([], [])
    assert bench.execute(bench.pay(100)).time == START


def test_due_timers_alone_make_a_batch(bench):
    bench.confirm(
        bench.desk.envelope(
            "alice", hold("alice", "bob", ("eur@bank", 5), expires=START + SECOND, at_expiry="release")
        )
    )
    assert bench.execute(time=START + SECOND - 1).entries == []
    batch = bench.execute(time=START + SECOND)
    assert [(entry.index, entry.envelope, entry.sender) for entry in batch.entries] == [(4, b"", None)]


def test_a_root_does_not_pass_pending_batches(bench):
    batch = bench.execute(bench.pay(1))
    with pytest.raises(ValueError, match="1 pending"):
        bench.sequencer.confirm_root()
    bench.sequencer.confirm(batch)
    bench.sequencer.confirm_root()
    assert bench.sequencer.index == 5


def test_batches_are_executed_on_top_of_a_root_that_nobody_knows_yet(bench):
    first = bench.execute(bench.pay(1))
    place = bench.sequencer.reserve_root()
    second = bench.execute(bench.pay(2), time=START + SECOND)
    assert (first.first_index, place.first_index, place.end_index, second.first_index) == (3, 4, 5, 5)
    assert (place.height, place.time) == (first.height, first.time)
    assert second.height == first.height + 1
    with pytest.raises(ValueError, match="in the order"):
        bench.sequencer.confirm(place)
    for one in (first, place, second):
        bench.sequencer.confirm(one)
    assert (bench.sequencer.index, bench.balance("bob")) == (6, 3)


def test_a_root_that_is_dropped_takes_what_is_on_top_with_it(bench):
    first = bench.execute(bench.pay(1))
    place = bench.sequencer.reserve_root()
    bench.execute(bench.pay(2))
    bench.sequencer.drop(place)
    assert list(bench.sequencer.pending) == [first]
    bench.sequencer.confirm(first)
    (third,) = bench.execute(bench.pay(3)).outcomes
    assert third == Accepted(4)


def test_a_sequencer_that_is_never_without_a_pending_batch_forgets_what_is_merged(bench):
    """Neither scans may go deeper, nor memory grow, with the batches since nothing was pending."""
    desk, sequencer = bench.desk, bench.sequencer
    back = desk.envelope("bob", transfer("bob", ("eur@bank", "alice", 1)))
    assert isinstance(bench.execute(bench.pay(1), back).outcomes[1], Accepted)
    for number in range(1_200):  # deeper than the interpreter would go
        if number % 10 == 9:
            sequencer.reserve_root()
        time = START + number * SECOND // 10
        ends = hold("alice", "bob", ("eur@bank", 1), expires=time + SECOND, at_expiry="release")
        batch = bench.execute(desk.envelope("alice", ends), time=time)
        assert isinstance(batch.outcomes[0], Accepted)
        while len(sequencer.pending) > 1:
            sequencer.confirm(sequencer.pending[0])
        assert sequencer.pending[0].overlay.parent is sequencer.state
    pending_keys = len(sequencer.pending[0].overlay.writes)
    assert len(sequencer._writes) <= 2 * pending_keys + 1_000 + pending_keys
    held = sequencer.state.get(("held", "alice", "eur@bank"))
    assert held <= 11  # what was due was released, as it was by timers on top of pending batches
