"""Background drills: asked about, never waited for, of a known state and age."""

import time
from pathlib import Path
from typing import Any

import pytest

from tallystick.node import drills
from tallystick.node.drills import Drills, TooManyDrills, Wanted
from tests.ledger.world import transfer
from tests.node_service.process import desk_for, node
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


def scenario_of(*withdraw: str, **more: Any) -> Wanted:
    return Wanted(scenario={"targets": "all", "withdraw": list(withdraw)}, **more)


def answered(service: Any, wanted: Wanted) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = service.drills.ask_for(wanted)
        if found["status"] != "running" and not found["newer_is_running"]:
            return found
        time.sleep(0.05)
    raise AssertionError("no drill came")


@pytest.mark.long
def test_a_scenario_is_run_once_for_a_state_and_says_every_error_where_it_cannot(tmp_path: Path) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        half = scenario_of("50%")
        first = answered(service, half)
        assert (first["status"], first["key"]) == ("ready", half.key)
        assert service.drills.ask_for(half)["drill"] == first["drill"]
        assert (
            answered(service, scenario_of("25%"))["drill"]["scenario_hash"] != first["drill"]["scenario_hash"]
        )
        wrong = answered(service, Wanted(scenario={"targets": ["nowhere"], "withdraw": "100%", "prices": 1}))
        assert (wrong["status"], wrong["code"]) == ("failed", "scenario_invalid")
        assert [one.partition(":")[0] for one in wrong["errors"]] == ["prices"]
        several = answered(service, scenario_of("50%", points=2))
        assert several["errors"] == ["targets: a run curve is of one institution, not 0"]


@pytest.mark.long
def test_a_scenario_has_less_time_and_the_next_one_runs_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_ledger(tmp_path / "a.tally")
    with serving(tmp_path / "a.tally", desk) as service:
        monkeypatch.setattr(drills, "SCENARIO_SECONDS_MAX", 0.01)
        late = answered(service, scenario_of("50%"))
        assert (late["status"], late["error"]) == ("failed", "it took longer than 0.01 s")
        monkeypatch.setattr(drills, "SCENARIO_SECONDS_MAX", 60.0)
        assert answered(service, scenario_of("25%"))["status"] == "ready"


def test_fewer_scenarios_wait_and_full_runs_wait_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Drills(tmp_path / "nothing.tally", lambda: 1)
    monkeypatch.setattr(waiting, "_run", lambda: None)
    for part in ("1%", "2%", "3%", "4%", "4%"):
        assert waiting.ask_for(scenario_of(part))["status"] == "running"
    with pytest.raises(TooManyDrills, match="4 scenarios wait, and 4 may"):
        waiting.ask_for(scenario_of("5%"))
    assert waiting.ask("all") == {"subject": "all", "status": "running"}
    waiting.close()


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(), "ask for a scenario, or for a contract"),
        (Wanted(contract="pool", points=5), "of a contract everyone leaves"),
        (scenario_of("1%", points=1), "a run curve has 2 to 50 points"),
        (scenario_of("1%", points=2, help_needed=True), "without help_needed"),
    ],
)
def test_what_cannot_be_meant_is_told_and_its_neighbour_is_not(wanted: Wanted, why: str) -> None:
    assert why in wanted.fault()
    assert not scenario_of("1%", points=2).fault()
    assert not Wanted(contract="pool").fault()


@pytest.mark.long
def test_over_http_a_body_has_a_form_and_a_size(tmp_path: Path) -> None:
    desk_for(tmp_path / "a.tally")
    with node(tmp_path / "a.tally") as running, running.client() as client:
        asked = {"scenario": {"targets": "all", "withdraw": "50%"}}
        assert client.post("/v1/drills", json=asked).json()["status"] in {"running", "ready"}
        for wrong in (b"{", b"[]", b'{"scenari": {}}', b'{"scenario": {"a": 1}, "points": 51}', b"{}"):
            refused = client.post("/v1/drills", content=wrong)
            assert (refused.status_code, refused.json()["error"]) == (400, "bad_request")
        large = client.post("/v1/drills", json=asked | {"contract": "x" * 70_000})
        assert large.status_code == 413


def test_so_many_wait_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drills, "WAITING_MAX", 2)
    waiting = Drills(tmp_path / "nothing.tally", lambda: 1)
    monkeypatch.setattr(waiting, "_run", lambda: None)
    for subject in ("a", "b", "a"):
        assert waiting.ask(subject)["status"] == "running"
    with pytest.raises(TooManyDrills):
        waiting.ask("c")
    waiting.close()
