"""Coverage and licences of a running service: known in the batch that made them, and published with it."""

from pathlib import Path
from threading import Event

import pytest

from tallystick.institutions.prices import Prices
from tallystick.institutions.views import Replay
from tallystick.ledger import transactions as tx
from tallystick.node import live_views
from tallystick.node.faults import CatchingUp
from tallystick.node.institutions import coverage_document, licences_document, sheet_of
from tallystick.node.journal import Journal
from tallystick.node.past import Moments
from tallystick.node.readers import ServiceView
from tallystick.node.stream import read_events
from tests.institutions.city import City
from tests.ledger.world import create, issue, transfer
from tests.node_service.running import EUR, make_ledger, payments, serving


def found(service, desk, name: str = "bank-inc") -> None:
    action = tx.FoundInstitution(account="alice", name=name, roles=("venue",))
    service.submit_and_wait([desk.envelope("alice", action)])


def test_a_flag_is_published_with_the_entry_of_its_batch_and_not_in_its_receipt(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        found(service, desk, "floor-co")
        [outcome] = service.submit_and_wait([desk.envelope("bob", transfer("bob", (EUR, "alice", 5)))])
        view = ServiceView(service)
        try:
            [(index, _, data)] = [
                event for event in read_events(view, start=outcome.index) if event[0] == outcome.index
            ]
        finally:
            view.close()
        assert index == outcome.index
        assert [one["code"] for one in data["views"]] == ["licence_missing", "venue_holds_client_assets"]
        assert data["views"][0]["account"] == "alice"
        assert b"venue_holds" not in outcome.receipt


def test_a_service_that_follows_says_what_the_file_says_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk) as service:
        found(service, desk)
        service.submit_and_wait([desk.envelope("alice", create("alice", "point"))])
        service.submit_and_wait(payments(desk, 20))
        with service.state_lock:
            live = (
                coverage_document(service.views.current, "bank-inc"),
                licences_document(service.views.current, "bank-inc"),
            )
    journal = Journal.open(path, read_only=True)
    try:
        views = Moments(journal).views()
    finally:
        journal.close()
    assert (coverage_document(views, "bank-inc"), licences_document(views, "bank-inc")) == live


def test_a_long_log_is_read_beside_the_nodes_work_and_until_then_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk) as service:
        found(service, desk)
        service.submit_and_wait([desk.envelope("bob", transfer("bob", (EUR, "alice", 5)))])
    monkeypatch.setattr(live_views, "AT_ONCE_ENTRIES_MAX", 0)
    gate = Event()
    waits = Replay.feed
    monkeypatch.setattr(Replay, "feed", lambda self, receipt: (gate.wait(30), waits(self, receipt)))
    monkeypatch.setattr(live_views, "_LAST_ENTRIES", 0)
    with serving(path, desk) as service:
        with pytest.raises(CatchingUp):
            _ = service.views.current
        service.submit_and_wait(payments(desk, 5))
        gate.set()
        service.views._thread.join()
        service.submit_and_wait([desk.envelope("carol", transfer("carol", (EUR, "alice", 5)))])
        with service.state_lock:
            views = service.views.current
            assert views.upto == service.ledger.size
            live = licences_document(views, "bank-inc")
    assert [flag["code"] for flag in live["flags"]] == ["licence_missing", "venue_holds_client_assets"]
    journal = Journal.open(path, read_only=True)
    try:
        assert licences_document(Moments(journal).views(), "bank-inc")["needs"] == live["needs"]
    finally:
        journal.close()


def test_what_the_journal_had_after_a_failed_write_is_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk = make_ledger(path)
    with serving(path, desk) as service:
        found(service, desk)
        with service.state_lock:
            service.views.current.upto -= 1  # as if the last batch had been merged by the mending alone
            before = list(service.views.current.coverage.crossings)
            service.views.mend()
            assert service.views.current.upto == service.ledger.size
            assert service.views.current.coverage.crossings == before


def test_a_fault_of_a_view_stops_no_receipt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        found(service, desk)
        monkeypatch.setattr(service.views.current, "follow", lambda receipts: 1 // 0)
        [outcome] = service.submit_and_wait([desk.envelope("bob", transfer("bob", (EUR, "alice", 5)))])
        assert outcome.receipt is not None
        with pytest.raises(CatchingUp):
            _ = service.views.current


def test_a_sheet_cut_to_its_largest_rows_has_the_totals_of_all() -> None:
    city = City()
    city.do("alder", issue("alder", ("eur@alder", "bob", 700), ("note@alder", "vault", 5)))
    whole = sheet_of(city.books, "alder-bank", Prices("EUR"))
    cut = sheet_of(city.books, "alder-bank", Prices("EUR"), rows=2)
    assert (len(whole["liabilities"]), whole["left_off"]) == (4, {"assets": 0, "liabilities": 0})
    assert [row["units"] for row in cut["liabilities"]] == ["20000", "700"]
    assert cut["left_off"] == {"assets": 0, "liabilities": 2}
    assert (cut["totals"], cut["by_currency"]) == (whole["totals"], whole["by_currency"])
