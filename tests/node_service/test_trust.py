"""The trust lens of a running service: it follows every merge, and previews leave no trace in it."""

from pathlib import Path
from typing import Any

import pytest

from tallystick.crypto import sha256
from tallystick.institutions.books import Books
from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Overlay
from tallystick.node import live_books
from tallystick.node.trust import preview_documents, subject_document
from tests.ledger.world import create, transfer
from tests.node_service.running import EUR, make_ledger, payments, serving


def asked(service: Any, subject: str) -> dict[str, Any]:
    with service.state_lock:
        return subject_document(service.books.current(), subject)


def units(document: dict[str, Any], asset: str) -> int:
    return sum(int(part["units"]) for part in document["parts"] if part["asset"] == asset)


def transaction(desk: Any, sender: str, *actions: tx.Action) -> tx.Transaction:
    return tx.decode_payload(tx.decode_envelope(desk.envelope(sender, *actions)).payload)


def indexes(books: Books) -> str:
    """Everything that books index, but for names that a contract might know and what was asked."""
    return repr(
        {
            name: sorted(
                (key, sorted(value) if isinstance(value, set) else value) for key, value in index.items()
            )
            for name, index in vars(books).items()
            if isinstance(index, dict) and name not in {"_known_to", "_answers"}
        }
    )


def without_empty(books: Books) -> None:
    for name, index in vars(books).items():
        if isinstance(index, dict) and name != "_answers":
            setattr(books, name, {key: value for key, value in index.items() if value})


def test_the_lens_follows_what_is_merged(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        before = units(asked(service, "alice"), EUR)
        service.submit_and_wait([desk.envelope("alice", transfer("alice", (EUR, "bob", 5)))])
        assert units(asked(service, "alice"), EUR) == before - 5


def test_books_that_follow_are_books_that_walk(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        asked(service, "alice")
        for envelope in payments(desk, 20):
            service.submit_and_wait([envelope])
        with service.state_lock:
            followed = service.books.current()
            walked = Books(service.ledger.state, service.ledger.kinds)
            without_empty(followed)
            without_empty(walked)
            assert indexes(followed) == indexes(walked)


def test_too_much_that_nobody_asked_about_is_forgotten_and_walked_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_books, "KEYS_WAITING_MAX", 3)
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        before = units(asked(service, "alice"), EUR)
        first = service.books.current()
        service.submit_and_wait([desk.envelope("alice", transfer("alice", (EUR, "bob", 1)))])
        service.submit_and_wait([desk.envelope("alice", transfer("alice", (EUR, "bob", 1)))])
        assert units(asked(service, "alice"), EUR) == before - 2
        assert service.books.current() is not first


def test_a_preview_shows_afterwards_and_leaves_the_books_as_they_were(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service, service.state_lock:
        books = service.books.current()
        without_empty(books)
        before, state = indexes(books), dict(service.ledger.state.values)
        founding = [
            tx.OpenAccount(account="alice", name="nova", keys=(sha256(b"nova"),)),
            tx.FoundInstitution(account="nova", name="nova-bank"),
            create("nova", "eur", kind="claim", obligor="nova-bank", terms=Terms(owes="EUR")),
            tx.Issue(account="nova", legs=(("eur@nova", "alice", "70"),)),
            transfer("alice", (EUR, "bob", 5)),
        ]
        documents = preview_documents(
            books,
            transaction(desk, "alice", *founding),
            time=service.ledger.now(),
            index=service.ledger.size,
        )
        assert [document["subject"] for document in documents] == ["alice", "nova"]
        assert units(documents[0], "eur@nova") == 70
        assert not isinstance(books.state, Overlay)
        without_empty(books)
        assert indexes(books) == before
        assert service.ledger.state.values == state


def test_a_preview_that_would_be_refused_is_refused(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service, service.state_lock:
        too_much = transaction(desk, "alice", transfer("alice", (EUR, "bob", 10**12)))
        with pytest.raises(Rejection) as refused:
            preview_documents(
                service.books.current(), too_much, time=service.ledger.now(), index=service.ledger.size
            )
        assert refused.value.code is Code.INSUFFICIENT_BALANCE
