"""The past: the state after any entry is the one that was there, whichever snapshot it is made from."""

from pathlib import Path

import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.rejections import Code, Rejection
from tallystick.node.faults import IntervalReversed, NotYet, PriceBookRefused
from tallystick.node.institutions import PastAnswer, answer_past
from tallystick.node.journal import Journal
from tallystick.node.past import Moments
from tallystick.node.recovery import recover_until
from tallystick.protocol import KINDS
from tests.ledger.world import transfer
from tests.node.economy import Desk, create_ledger


@pytest.fixture
def ledger(tmp_path: Path):
    """A ledger of several batches with two snapshots in it; beside it, every balance after every entry."""
    path = tmp_path / "a.tally"
    balances: list[dict[tuple[str, str], int]] = []
    with create_ledger(path) as file:
        desk = Desk(file)
        desk.found()
        desk.do("alice", tx.FoundInstitution(account="alice", name="alice-inc"))
        desk.trade(20)
        file.write_snapshot()
        desk.trade(20, seed=1)
        file.write_snapshot()
        desk.trade(10, seed=2)
        size = file.size
    journal = Journal.open(path, read_only=True)
    book: dict[tuple[str, str], int] = {}
    moments = Moments(journal)
    by_entry = {receipt.index: receipt for receipt in moments.receipts(start=1, end=journal.size())}
    for index in range(journal.size()):
        if index in by_entry:
            for account, asset, _, balance in by_entry[index].postings:
                book[account, asset] = balance
        balances.append({pair: units for pair, units in book.items() if units})
    yield path, journal, balances, size
    journal.close()


def test_the_state_after_every_entry_is_what_receipts_say(ledger):
    _, journal, balances, _ = ledger
    assert len(journal.snapshot_sizes()) == 2
    for index, expected in enumerate(balances):
        state = recover_until(journal, kinds=KINDS, end=index + 1)
        stored = {key[1:]: units for key, units in state.values.items() if key[0] == "balance"}
        assert stored == expected, index


def test_a_past_before_every_snapshot_begins_at_genesis(ledger, monkeypatch):
    _, journal, balances, _ = ledger
    first = min(journal.snapshot_sizes())
    monkeypatch.setattr(
        journal, "snapshot_parts", lambda size: pytest.fail(f"the snapshot of {size} was read")
    )
    state = recover_until(journal, kinds=KINDS, end=first - 1)
    assert {key[1:]: units for key, units in state.values.items() if key[0] == "balance"} == balances[
        first - 2
    ]


def test_moments_beyond_the_log_and_before_it_are_refused(ledger):
    _, journal, _, _ = ledger
    moments = Moments(journal)
    for entry in (journal.size(), -1):
        with pytest.raises(NotYet):
            moments.books_at(entry)
    assert moments.books_at(journal.size() - 1).institutions == ["alice-inc"]
    assert moments.books_at(None) is moments.books_at(journal.size() - 1)


def test_what_a_process_of_its_own_found_is_read_as_if_found_here(ledger):
    path, journal, _, _ = ledger
    asked = {"entry": journal.size() - 1, "unit": "EUR", "price_from": [], "book": None}
    assert answer_past(str(path), "sheet", "alice-inc", asked).read()["institution"] == "alice-inc"
    with pytest.raises(Rejection) as refused:
        answer_past(str(path), "sheet", "nobody", asked).read()
    assert refused.value.code is Code.UNKNOWN_INSTITUTION
    with pytest.raises(NotYet) as beyond:
        answer_past(str(path), "sheet", "alice-inc", asked | {"entry": 9_999}).read()
    assert (beyond.value.asked, beyond.value.reached) == (9_999, journal.size() - 1)
    with pytest.raises(PriceBookRefused, match="has the fields"):
        answer_past(str(path), "sheet", "alice-inc", asked | {"book": {}}).read()
    period = {"start": 5, "end": 4, "unit": "EUR", "price_from": [], "book": None}
    with pytest.raises(IntervalReversed) as interval:
        answer_past(str(path), "period", "alice-inc", period).read()
    assert (interval.value.start, interval.value.end) == (5, 4)
    assert PastAnswer({"a": 1}).read() == {"a": 1}


def test_books_of_two_moments_are_kept_and_no_more(ledger):
    _, journal, _, _ = ledger
    moments = Moments(journal)
    first = moments.books_at(3)
    assert moments.books_at(4) is not first
    assert moments.books_at(3) is first
    moments.books_at(5)
    assert moments.books_at(3) is not first


def test_a_state_that_moves_on_is_not_taken_for_the_past(tmp_path):
    with create_ledger(tmp_path / "b.tally") as file:
        desk = Desk(file)
        desk.found()
        before = file.size - 1
        desk.do("alice", transfer("alice", ("eur@bank", "bob", 7)))
        moments = Moments(file.journal, file.kinds, state=file.state)
        now = moments.books_at(None).balances("alice")["eur@bank"]
        assert moments.books_at(before).balances("alice")["eur@bank"] == now + 7
