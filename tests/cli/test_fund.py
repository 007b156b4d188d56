"""A fund by hand: a request, the custodian's instruction, the claim; on a file and by a node's URL."""

import json

import pytest

from tests.cli.desk import Desk
from tests.node_service.process import node

FUND = {
    "cash": "eur@bank",
    "obligor": "bank-ag",
    "custodian": "bob",
    "oracle": "value",
    "owes": "XAU",
    "window_seconds": "2",
    "settle_seconds": "3600",
}
SLOW = FUND | {"window_seconds": str(365 * 86_400)}
ORACLE = {
    "base": "unit@metal",
    "quote": "eur@bank",
    "scale": "1000000",
    "sources": [{"name": "bob", "kind": "market"}],
    "quorum": 1,
    "stale_seconds": 3_600,
    "spread_ppm_max": 20_000,
}
DEPLOYED = [
    "asset issue eur@bank alice 1000",
    f"contract deploy metal fund --account bank --obligor bank-ag --args '{json.dumps(FUND)}'",
    f"contract deploy slow fund --account bank --obligor bank-ag --args '{json.dumps(SLOW)}'",
    f"contract deploy value oracle --account bank --args '{json.dumps(ORACLE)}'",
]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path).start("alice", "bob", then=DEPLOYED)


def settled(desk, *, pay="0"):
    """Wait for the close of alice's window, attest 2 euro a unit, and settle it as the custodian."""
    (asked,) = desk.jsonl("fund requests metal alice")
    desk.wait(3)
    desk("oracle report value bob 2.00")
    desk(f"fund settle metal bob {asked['window']} note-{asked['window']} --pay-at-most {pay}")


def test_units_are_bought_and_sold_back_at_the_value_after_the_close(desk):
    assert "no value: " in desk("fund show metal")
    desk("fund subscribe metal alice 100.00")
    settled(desk)
    assert "1 unit@metal is worth 2.00 eur@bank" in desk("fund show metal")
    (asked,) = desk.jsonl("fund requests metal alice")
    assert (asked["status"], asked["gives_units"]) == ("claimable", "50.000000 unit@metal")
    desk("fund claim metal alice")
    assert desk.units("alice", "unit@metal") == 50_000_000
    desk("fund redeem metal alice 20.000000")
    settled(desk, pay="40.00")
    desk("fund claim metal alice")
    assert (desk.units("alice"), desk.units("alice", "unit@metal")) == (94_000, 30_000_000)
    assert "hint:" in desk.fails("fund claim metal alice", exit_code=2).stderr


def test_a_request_in_an_open_window_is_taken_back_and_not_settled(desk):
    desk("fund subscribe slow alice 100.00 --dry-run")
    desk("fund subscribe slow alice 100.00")
    assert desk.units("alice") == 90_000
    (asked,) = desk.jsonl("fund requests slow alice")
    assert (asked["subscribed"], asked["status"]) == ("100.00 eur@bank", "open")
    assert desk.json("fund show slow")["window"] == asked["window"]
    desk.refused(f"fund settle slow bob {asked['window']} note-1", code="fund.window_open")
    desk("fund cancel slow alice")
    assert desk.units("alice") == 100_000


def test_what_is_refused(desk):
    desk.refused("fund settle metal alice 1 note-1", code="fund.not_the_custodian")
    desk.refused("fund settle metal bob 1 note-1", code="fund.no_such_request")
    desk.refused("fund redeem metal alice 1.000000", code="insufficient_balance")
    desk.refused("fund show bank", code="unknown_contract")
    assert "hint:" in desk.fails("fund cancel metal alice", exit_code=2).stderr


@pytest.mark.long
def test_the_same_words_by_url(desk):
    with node(desk.folder / "ledger.tally", checkpoint_seconds=0.05) as running:
        remote = Desk(desk.folder, keys="ledger.tally.keys")
        remote.env |= {"TALLYSTICK_URL": running.url, "TALLYSTICK_LEDGER": "nowhere.tally"}
        remote("fund subscribe metal alice 100.00")
        settled(remote)
        assert remote.jsonl("fund requests metal alice") == desk.jsonl("fund requests metal alice")
        remote("fund claim metal alice")
        assert remote.units("alice", "unit@metal") == 50_000_000
