"""Retries, reused ids, `once` keys, clocks that stand still, and timers left out or made up."""

import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.apply import begin_batch
from tallystick.ledger.receipts import Receipt, encode_receipt
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code, InvariantViolation, Rejection
from tallystick.ledger.replay import Replay, ReplayError
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, GOLD, Town, play
from tests.ledger.world import DAY, OPERATOR, SECOND, Entry, capture, hold, issue, key, transfer, uuid7


def pay(units: int = 1) -> tx.Transfer:
    return transfer("alice", (EUR, "bob", units))


def code_of(outcome: Receipt | Rejection) -> Code:
    assert isinstance(outcome, Rejection), f"accepted: {outcome}"
    assert isinstance(outcome.code, Code)
    return outcome.code


# Retries.


def test_a_retry_is_told_where_its_receipt_is() -> None:
    town = Town()
    envelope = town.seal("alice", pay())
    receipt = town.run(envelope)[0]
    assert isinstance(receipt, Receipt)
    again = town.run(envelope)[0]
    assert isinstance(again, Rejection)
    assert (again.code, again.facts["index"]) == (Code.DUPLICATE, receipt.index)
    assert town.balance("bob", EUR) == 1


def test_a_retry_comes_before_every_other_check() -> None:
    town = Town()
    envelope = town.seal("alice", pay(100), expires=town.later(5))
    town.run(envelope)
    # Expired, unpayable and signed by keys that are no longer alice's: and still a retry.
    town.do("alice", tx.RotateKeys(account="alice", keys=(key("alice", 1),)))
    town.wait(300)
    assert code_of(town.run(envelope)[0]) is Code.DUPLICATE


def test_a_retry_within_one_batch_is_a_retry() -> None:
    town = Town()
    envelope = town.seal("alice", pay())
    first, second = town.run(envelope, envelope)
    assert isinstance(first, Receipt)
    assert code_of(second) is Code.DUPLICATE


def test_a_retry_with_another_signature_set_is_the_same_transaction() -> None:
    town = Town()
    transaction = town.transaction("alice", [pay()])
    town.run(town.envelope(transaction))
    more = town.envelope(transaction, town.signers_of("alice") + town.signers_of("bob"))
    assert code_of(town.run(more)[0]) is Code.DUPLICATE


def test_a_late_retry_pays_nothing_twice() -> None:
    town = Town()
    envelope = town.seal("alice", pay(), expires=town.later(30 * DAY))
    town.run(envelope)
    for seconds in (599, 1, 1, 1, 1, DAY, 30 * DAY):
        town.wait(seconds)
        assert code_of(town.run(envelope)[0]) in (Code.DUPLICATE, Code.ID_OUT_OF_WINDOW, Code.EXPIRED)
    assert town.balance("bob", EUR) == 1


def test_an_id_is_remembered_for_as_long_as_it_could_be_used_again() -> None:
    for offset in range(-600, 601, 50):
        town = Town()
        envelope = town.seal(
            "alice", pay(), id=uuid7(town.time + offset * SECOND, 5), expires=town.later(3_000)
        )
        assert isinstance(town.run(envelope)[0], Receipt)
        for _ in range(62):
            town.wait(20)
            outcome = town.run(envelope)[0]
            assert code_of(outcome) in (Code.DUPLICATE, Code.ID_OUT_OF_WINDOW)
        assert code_of(outcome) is Code.ID_OUT_OF_WINDOW


def test_the_window_forgets_what_left_it_and_no_more() -> None:
    town = Town()
    start = town.time
    for _ in range(10):
        town.wait(100)
        town.do("alice", pay())
    kept = sorted(name[1] for name in town.store.values if name[0] == "id")
    assert kept == [start // SECOND + 100 * number for number in range(4, 11)]
    assert {name[1] for name in town.store.values if name[0] == "ids"} == set(kept)


def test_an_id_belongs_to_its_sender() -> None:
    town = Town()
    identifier = town.transaction("alice", []).id
    town.do("alice", pay(), id=identifier)
    town.do("carol", issue("carol", (GOLD, "bob", 1)), id=identifier)
    assert town.refused("alice", pay(2), id=identifier).code is Code.ID_REUSED


def test_a_borrowed_id_does_not_write_over_anothers_hold_or_lot() -> None:
    town = Town()
    town.do("bank", issue("bank", (EUR, "bob", 50)))
    identifier = town.transaction("alice", []).id
    expires = town.later(60)
    theirs = town.do(
        "bob", hold("bob", "carol", (EUR, 30), expires=expires), tx.Redeem("bob", EUR, "10"), id=identifier
    )
    mine = town.do(
        "alice",
        hold("alice", "agent", (EUR, 1), expires=expires),
        tx.Redeem("alice", EUR, "1"),
        id=identifier,
    )
    assert set(theirs.results).isdisjoint(mine.results)
    town.do("carol", capture("carol", theirs.results[0]))
    town.do("bob", tx.CancelRedemption("bob", theirs.results[1]))
    assert town.balance("carol", EUR) == 30


def test_an_old_id_used_twice_with_once_does_not_write_over_a_hold() -> None:
    town = Town()
    identifier = uuid7(town.time - DAY * SECOND, 1)
    made = hold("alice", "bob", (EUR, 30), expires=town.later(60))
    first = town.do("alice", made, id=identifier, once="one").results[0]
    second = town.do("alice", made, id=identifier, once="two").results[0]
    assert first != second
    assert town.held("alice", EUR) == 60


# `once`.


def test_a_once_key_is_remembered_for_ever() -> None:
    town = Town()
    town.do("alice", pay(), once="invoice 1")
    town.wait(1_000 * DAY)
    refused = town.refused("alice", pay(), once="invoice 1")
    assert refused.code is Code.ONCE_USED
    town.do("alice", pay(), once="invoice 2")


def test_a_once_key_replayed_is_a_retry_however_late() -> None:
    town = Town()
    envelope = town.seal("alice", pay(), once="invoice 1", expires=town.later(10_000 * DAY))
    town.run(envelope)
    town.wait(1_000 * DAY)
    assert code_of(town.run(envelope)[0]) is Code.DUPLICATE
    assert town.balance("bob", EUR) == 1


def test_a_refused_transaction_uses_up_neither_id_nor_once() -> None:
    town = Town()
    envelope = town.seal("alice", pay(101), once="invoice 1")
    assert code_of(town.run(envelope)[0]) is Code.INSUFFICIENT_BALANCE
    town.do("bank", issue("bank", (EUR, "alice", 1)))
    assert isinstance(town.run(envelope)[0], Receipt)


@pytest.mark.parametrize("once", ["", " x", "x ", "é", "a\nb", "x" * 129])
def test_a_once_key_is_short_printable_text(once: str) -> None:
    assert Town().refused("alice", pay(), once=once).code is Code.NAME_INVALID


def test_a_slowly_signed_transaction_needs_a_once_key() -> None:
    town = Town()
    transaction = town.transaction("alice", [pay()], expires=town.later(DAY))
    slow = town.transaction("alice", [pay()], expires=town.later(DAY), once="slow")
    town.wait(3_600)
    assert code_of(town.run(town.envelope(transaction))[0]) is Code.ID_OUT_OF_WINDOW
    assert isinstance(town.run(town.envelope(slow))[0], Receipt)


# The clock.


def test_a_frozen_clock_refuses_the_clients_ids_and_keeps_expiries() -> None:
    town = Town()
    name = town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60))).results[0]
    frozen = town.time
    for minute in range(1, 11):
        assert isinstance(
            town.run(town.seal("alice", pay(), id=uuid7(frozen + minute * 60 * SECOND, minute)))[0], Receipt
        )
    # The clients' clocks go on; the ledger, at its old time, no longer takes their transactions.
    late = town.seal("alice", pay(), id=uuid7(frozen + 601 * SECOND, 1))
    assert code_of(town.run(late)[0]) is Code.ID_OUT_OF_WINDOW
    assert town.get("hold", name) is not None
    town.wait(601)
    assert town.get("hold", name) is None


@pytest.mark.parametrize(("height", "time"), [(0, 0), (2, 0), (1, -1)])
def test_height_and_time_never_go_back(height: int, time: int) -> None:
    town = Town()
    town.do("alice", pay())
    clock = town.get("clock")
    with pytest.raises(InvariantViolation, match="invariant 8"):
        begin_batch(
            town.store, town.kinds, height=clock.height + height, time=clock.time + time, index=town.index
        )
    begin_batch(town.store, town.kinds, height=clock.height + 1, time=clock.time, index=town.index)


def test_an_expiry_holds_by_comparison_when_its_timer_did_not_run() -> None:
    town = Town(limits=Limits(timers_per_batch_max=1))
    first = town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60))).results[0]
    second = town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60))).results[0]
    town.time += 60 * SECOND
    refused = town.run(town.seal("bob", capture("bob", second)))[0]
    assert code_of(refused) is Code.HOLD_EXPIRED
    assert (town.get("hold", first), town.get("hold", second) is None) == (None, False)
    town.wait(0)
    assert town.get("hold", second) is None


# Timers.


def test_timers_run_in_order_of_their_due_time_then_of_their_making() -> None:
    town = Town()
    for due, name in ((9, "c"), (5, "a"), (9, "d"), (7, "b")):
        town.do("alice", play(Step("timer", units=town.later(due), steps=(Step("emit", name=name),))))
    receipt = town.wait(9)
    assert receipt is not None
    assert [event[1] for event in receipt.events] == ["a", "b", "c", "d"]


def test_a_batch_runs_so_many_timers_and_the_next_the_rest() -> None:
    town = Town(limits=Limits(timers_per_batch_max=2))
    for name in "abc":
        town.do("alice", play(Step("timer", units=town.later(5), steps=(Step("emit", name=name),))))
    names = []
    for seconds in (5, 0, 0):
        receipt = town.wait(seconds)
        names.append([event[1] for event in receipt.events] if receipt else [])
    assert names == [["a", "b"], ["c"], []]


def test_timers_that_work_hard_do_not_hold_a_batch_up() -> None:
    town = Town(limits=Limits(work_max=60))
    for _ in range(12):
        town.do("alice", play(Step("timer", units=town.later(9), steps=(Step("loop"),))))
    town.do("alice", hold("alice", "bob", (EUR, 5), expires=town.later(9)))
    first, second = town.wait(9), town.wait(1)
    assert first is not None
    assert second is not None
    failed = [fields["code"] for _, name, fields in first.events if name == "timer_failed"]
    assert failed == [Code.WORK_EXCEEDED] * 10
    assert [name for _, name, _ in second.events] == ["timer_failed", "timer_failed", "hold_ended"]
    assert town.wait(1) is None
    assert town.replayed().state.values == town.store.values


def test_a_failing_timer_rolls_back_alone_blocks_none_and_can_be_run_later() -> None:
    town = Town()
    failing = Step(
        "timer", units=town.later(5), steps=(Step("emit", name="lost"), Step("pay", "bob", EUR, 5))
    )
    fine = Step("timer", units=town.later(5), steps=(Step("emit", name="kept"),))
    town.do("alice", play(failing, fine))
    receipt = town.wait(5)
    assert receipt is not None
    assert [event[1] for event in receipt.events] == ["timer_failed", "kept"]
    assert town.get("overdue", 1).subject == "p"
    assert town.get("quota", "p", "timers") == 1
    assert town.refused("carol", tx.RunTimer(account="carol", timer=1)).code is Code.INSUFFICIENT_BALANCE
    town.do("alice", transfer("alice", (EUR, "p", 5)))
    town.do("carol", tx.RunTimer(account="carol", timer=1))
    assert town.balance("bob", EUR) == 5
    assert (town.get("overdue", 1), town.get("quota", "p", "timers")) == (None, None)
    assert town.refused("carol", tx.RunTimer(account="carol", timer=1)).code is Code.UNKNOWN_TIMER


def test_a_timer_cancelled_by_one_due_in_the_same_batch_does_not_run() -> None:
    town = Town()
    late = Step("timer", units=town.later(5), steps=(Step("emit", name="late"),))
    due, number = town.do("alice", play(late)).results[0]
    cancel = Step("cancel_timer", units=int(due), receive=int(number))
    town.do("alice", play(Step("timer", units=town.later(4), steps=(cancel, Step("emit", name="early")))))
    receipt = town.wait(5)
    assert receipt is not None
    assert [event[1] for event in receipt.events] == ["early"]
    assert town.get("quota", "p", "timers") is None


def test_timers_count_against_their_contracts_quota() -> None:
    town = Town(limits=Limits(timers_per_account_max=2))
    timer = Step("timer", units=town.later(5))
    town.do("alice", play(timer, timer))
    assert town.refused("alice", play(timer)).code is Code.QUOTA_EXCEEDED
    town.do("alice", play(timer, contract="q"))
    town.wait(5)
    town.do("alice", play(Step("timer", units=town.later(5))))


def test_a_timer_lies_in_the_future_and_within_the_horizon() -> None:
    town = Town(limits=Limits(horizon_seconds=10 * DAY))
    for due in (town.time - 1, town.time, town.later(10 * DAY) + 1):
        assert town.refused("alice", play(Step("timer", units=due))).code is Code.TIME_INVALID
    for due in (town.time + 1, town.later(10 * DAY)):
        town.do("alice", play(Step("timer", units=due)))


def test_a_capture_at_expiry_that_is_refused_becomes_a_release() -> None:
    town = Town()
    made = hold("alice", "bob", (GOLD, 10), expires=town.later(5), at_expiry="capture")
    town.do("alice", made, made)
    town.do("carol", tx.SetListing(account="carol", asset=GOLD, list="frozen", subject="bob", listed=True))
    receipt = town.wait(5)
    assert receipt is not None
    assert [event[1] for event in receipt.events] == ["capture_refused", "hold_ended"] * 2
    assert (town.balance("alice", GOLD), town.held("alice", GOLD)) == (40, 0)


# Replay: what the log leaves out or makes up.


def history() -> Town:
    """Return a town with transactions, a batch of timers and transactions behind them."""
    town = Town()
    town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60), at_expiry="capture"))
    town.time += 60 * SECOND
    town.run(town.seal("alice", pay()), town.seal("alice", pay(2)))
    town.do("alice", pay(3))
    return town


def replay(town: Town, entries: list[Entry]) -> Replay:
    forged = Town.__new__(Town)
    forged.__dict__.update(town.__dict__, entries=entries)
    return forged.replayed()


def timers_at(town: Town) -> int:
    return next(at for at, entry in enumerate(town.entries) if not entry.envelope)


def test_the_history_replays_to_the_same_state() -> None:
    town = history()
    assert town.replayed().state.values == town.store.values


def test_an_omitted_timer_is_found() -> None:
    town = history()
    at = timers_at(town)
    with pytest.raises(ReplayError, match="due timers were left out") as found:
        replay(town, town.entries[:at] + town.entries[at + 1 :])
    assert found.value.index == at + 1


def test_an_omitted_timer_is_found_where_it_would_have_ended_the_log() -> None:
    town = Town()
    town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60)))
    town.time += 60 * SECOND
    town.run(town.seal("alice", pay()))
    with pytest.raises(ReplayError, match="due timers were left out"):
        replay(town, [entry for entry in town.entries if entry.envelope])


def test_an_invented_timer_is_found() -> None:
    town = history()
    at = timers_at(town)
    last = town.entries[-1]
    invented = Entry(last.height + 1, last.time, b"", town.entries[at].receipt)
    with pytest.raises(ReplayError, match="no timer was due"):
        replay(town, [*town.entries, invented])
    with pytest.raises(ReplayError, match="no timer was due"):
        replay(town, [*town.entries[: at + 1], town.entries[at], *town.entries[at + 1 :]])


def test_a_false_receipt_of_timers_is_found() -> None:
    town = history()
    at = timers_at(town)
    entry = town.entries[at]
    false = Entry(entry.height, entry.time, b"", entry.receipt.replace(b'"30"', b'"31"'))
    assert false != entry
    with pytest.raises(ReplayError, match=f"entry {at + 1}: another receipt follows"):
        replay(town, [*town.entries[:at], false, *town.entries[at + 1 :]])


def test_every_changed_omitted_repeated_or_swapped_entry_is_found() -> None:
    town = history()
    entries = town.entries
    for at, entry in enumerate(entries):
        changed = Entry(entry.height, entry.time, entry.envelope, entry.receipt.replace(b"1", b"2", 1))
        forgeries = [[*entries[:at], changed, *entries[at + 1 :]], [*entries[: at + 1], *entries[at:]]]
        if at + 1 < len(entries):
            forgeries.append(entries[:at] + entries[at + 1 :])
            forgeries.append([*entries[:at], entries[at + 1], entry, *entries[at + 2 :]])
        for forged in forgeries:
            with pytest.raises(ReplayError):
                replay(town, forged)


def test_a_batch_with_two_times_or_an_earlier_one_is_found() -> None:
    town = history()
    *before, last = town.entries
    for height, time in ((last.height - 1, last.time + 1), (last.height, last.time - 61 * SECOND)):
        with pytest.raises(ReplayError):
            replay(town, [*before, Entry(height, time, last.envelope, last.receipt)])


def test_a_refused_transaction_in_the_log_is_found() -> None:
    town = history()
    envelope = town.seal("bob", pay(), signers=town.signers_of("bob"))
    made_up = Entry(town.height + 1, town.time, envelope, town.entries[-1].receipt)
    with pytest.raises(ReplayError, match="the transaction is refused: unauthorised"):
        replay(town, [*town.entries, made_up])


# The protocol's own version.


def test_a_protocol_version_comes_into_force_when_it_was_announced_for() -> None:
    town = Town(versions=(1, 2))
    activate = tx.Activate(account=OPERATOR, version=2, due=town.later(DAY))
    hasty = tx.Activate(account=OPERATOR, version=2, due=town.later(DAY) - 1)
    assert town.refused(OPERATOR, hasty).code is Code.TIME_INVALID
    town.do(OPERATOR, activate)
    assert town.refused(OPERATOR, activate).code is Code.PROTOCOL_INVALID
    town.wait(DAY - 1)
    assert town.get("protocol") == 1
    town.wait(1)
    assert town.get("protocol") == 2
    again = tx.Activate(account=OPERATOR, version=1, due=town.later(DAY))
    assert town.refused(OPERATOR, again).code is Code.PROTOCOL_INVALID


def test_the_receipt_of_timers_is_encoded_like_any_other() -> None:
    town = history()
    entry = town.entries[timers_at(town)]
    assert town.timer_receipt is None
    assert b'"id":"","sender":""' in entry.receipt
    assert isinstance(encode_receipt(Receipt(1, 1, 1, "", "", [], [], [])), bytes)
