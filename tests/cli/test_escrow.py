"""An escrow by hand: delivery against payment, and one whose deadline passes."""

import json
import time

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    lines = [
        "asset create gold --issuer bank --kind token --decimals 3",
        "asset issue eur@bank alice 100.00",
        "asset issue gold@bank bob 5.000",
    ]
    return Desk(tmp_path).start("alice", "bob", then=lines)


def agreement(*, seconds: int) -> str:
    return json.dumps(
        {
            "deadline": str(time.time_ns() // 1000 + seconds * 1_000_000),
            "legs": [
                {"payer": "alice", "receiver": "bob", "asset": "eur@bank", "units": "5000"},
                {"payer": "bob", "receiver": "alice", "asset": "gold@bank", "units": "1000"},
            ],
            "settles_together": True,
        }
    )


def test_delivery_against_payment(desk):
    desk(f"contract deploy deal escrow --account alice --args '{agreement(seconds=3600)}'")
    assert desk.jsonl("contract list")[0]["kind"] == "escrow"
    desk.refused("contract call deal fund --account alice --arg leg=0", code="budget_exceeded")
    desk.refused(
        "contract call deal fund --account alice --arg leg=0 --spend eur@bank=49.99", code="budget_exceeded"
    )
    desk("contract call deal fund --account alice --arg leg=0 --spend eur@bank=50.00")
    assert desk.json("contract view deal status")["answer"] == ["funded", "open"]
    [position] = desk.json("contract positions deal alice")["answer"]
    assert (position["asset"], position["units"], position["owed"]) == ("eur@bank", "5000", False)
    [way_out] = desk.json("contract exits deal alice")["answer"]
    assert (way_out["units_now"], way_out["units_later"]) == ("0", "5000")
    assert desk.json("contract powers deal")["answer"] == []
    assert desk.json("contract dependencies deal")["answer"]["assets"] == ["eur@bank", "gold@bank"]
    assert desk.json("contract backing deal")["answer"] == []
    desk.refused(
        "contract call deal fund --account bob --arg leg=1 --spend gold@bank=1 --receive eur@bank=50.01",
        code="receive_unmet",
    )
    desk("contract call deal fund --account bob --arg leg=1 --spend gold@bank=1 --receive eur@bank=50")
    assert desk.json("contract view deal status")["answer"] == ["released", "released"]
    assert (desk.units("bob"), desk.units("alice", "gold@bank")) == (5000, 1000)
    assert "controlled by the contract deal (escrow 1)" in desk("account show deal")


def test_past_the_deadline_the_payer_has_it_back(desk):
    desk(f"contract deploy deal escrow --account alice --args '{agreement(seconds=3600)}'")
    desk("contract call deal fund --account alice --arg leg=0 --spend eur@bank=50.00")
    assert desk.units("alice") == 5000
    desk.wait(3600)
    desk("advance")
    assert desk.json("contract view deal status")["answer"] == ["refunded", "open"]
    assert desk.units("alice") == 10000


def test_wrong_arguments_are_told_before_anything_is_signed(desk):
    desk.refused("contract deploy deal escrw --account alice", code="arguments_error", exit_code=2)
    desk.refused(
        "contract deploy deal escrow --account alice --arg deadline=soon", code="arguments_error", exit_code=2
    )
    desk(f"contract deploy deal escrow --account alice --args '{agreement(seconds=3600)}'")
    hint = desk.refused("contract call deal fnd --account alice", code="arguments_error", exit_code=2)["hint"]
    assert "fund" in hint
    desk.refused("contract call deal fund --account alice --arg leg=7", code="escrow.no_such_leg")


def test_the_kinds_describe_themselves(desk):
    kinds = {one["kind"]: one for one in desk.jsonl("contract kinds")}
    escrow = kinds["escrow"]
    assert [field["name"] for field in escrow["parameters"]] == [
        "legs",
        "deadline",
        "arbiter",
        "settles_together",
    ]
    assert "escrow.no_such_leg" in escrow["refusals"]
    assert "fund(leg: int)" in desk("contract kinds escrow")
