"""Background drills: asked about, never waited for, of a known state and age."""

import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.node import drills
from tallystick.node.drills import Drills, TooManyDrills
from tests.ledger.world import transfer
from tests.node_service.running import EUR, make_ledger, serving


def ready(service: Any, subject: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = service.drills.ask(subject)
        if found["status"] != "running" and not found["newer_is_running"]:
            return found
        time.sleep(0.05)
    raise AssertionError("no drill came")


@pytest.mark.long
def test_a_drill_is_made_once_for_a_state_and_anew_when_the_ledger_moves_on(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        assert service.drills.ask("all") == {"subject": "all", "status": "running"}
        first = ready(service, "all")
        assert (first["status"], first["entries_since"]) == ("ready", 0)
        again = service.drills.ask("all")
        assert again["drill"] == first["drill"]
        assert not again["newer_is_running"]
        service.submit_and_wait([desk.envelope("alice", transfer("alice", (EUR, "bob", 1)))])
        old = service.drills.ask("all")
        assert (old["status"], old["entries_since"] > 0, old["newer_is_running"]) == ("ready", True, True)
        assert ready(service, "all")["size"] > first["size"]


@pytest.mark.long
def test_what_cannot_be_drilled_says_why_and_closing_ends_what_runs(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        found = ready(service, "nowhere")
        assert found["status"] == "failed"
        assert "'nowhere' is not on this ledger" in found["error"]
        service.drills.ask("all")
    assert service.drills._thread is not None
    assert not service.drills._thread.is_alive()


def test_so_many_wait_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "WAITING_MAX", 2)
    waiting = Drills(tmp_path / "nothing.tally", lambda: 1)
    monkeypatch.setattr(waiting, "_run", lambda: None)
    for subject in ("a", "b", "a"):
        assert waiting.ask(subject)["status"] == "running"
    with pytest.raises(TooManyDrills):
        waiting.ask("c")
    waiting.close()
