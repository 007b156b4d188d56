"""The life of a hold, of a claim's redemption, and of an asset's rules, typed line by line."""

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path).start("alice", "bob", "hotel", then=["asset issue eur@bank alice 100.00"])


def open_hold(desk, options=""):
    return desk.json(f"hold create alice hotel 80.00 eur@bank --until 2d {options}")["receipt"]["results"][0]


def test_a_hold_is_captured_in_part_and_the_rest_released(desk):
    hold = open_hold(desk)
    assert desk.jsonl("balance alice eur@bank")[0]["available"] == "20.00"
    desk.refused("pay alice bob 20.01 eur@bank", code="insufficient_balance")
    [listed] = desk.jsonl("hold list alice")
    assert (listed["hold"], listed["left"]) == (hold, "80.00 eur@bank")
    desk(f"hold capture {hold} --leg eur@bank=30 ")
    desk.refused(f"hold capture {hold} --leg eur@bank=50.01", code="hold_exceeded")
    desk(f"hold capture {hold} --leg eur@bank=20 --final")
    assert desk.jsonl("hold list") == []
    assert (desk.units("hotel"), desk.jsonl("balance alice eur@bank")[0]["available"]) == (5000, "50.00")


def test_only_the_beneficiary_releases_before_the_expiry(desk):
    hold = open_hold(desk)
    desk.refused(f"hold release {hold} --account alice", code="hold_not_expired")
    desk(f"hold release {hold}")
    refused = desk.refused(f"hold release {hold}", code="unknown_hold")
    assert refused["hint"] == "it may have ended: tallystick hold list"


def test_what_is_due_happens_when_somebody_advances(desk):
    hold = desk.json("hold create alice hotel 80.00 eur@bank --until 1h --at-expiry capture")
    assert hold["status"] == "settled"
    assert desk.json("advance")["receipts"] == []
    desk.wait(3600)
    [receipt] = desk.json("advance")["receipts"]
    assert receipt["sender"] == ""
    assert desk.units("hotel") == 8000
    assert desk.json("advance")["receipts"] == []


def test_a_redemption_is_asked_for_taken_back_and_paid(desk):
    lot = desk.json("redeem ask alice 40 eur@bank")["receipt"]["results"][0]
    desk(f"redeem cancel {lot}")
    lot = desk.json('redeem ask alice 25.00 eur@bank --ref "to my account"')["receipt"]["results"][0]
    [listed] = desk.jsonl("redeem list alice")
    assert (listed["lot"], listed["amount"], listed["status"]) == (lot, "25.00", "due")
    assert "--evidence" in desk.refused(f"redeem settle {lot}", code="usage", exit_code=2)["hint"]
    desk(f'redeem settle {lot} --evidence "SEPA 4711"')
    assert desk.jsonl("redeem list") == []
    assert desk.units("alice") == 7500
    assert desk.json("asset show eur@bank")["outstanding_units"] == "7500"


def test_a_frozen_account_neither_pays_nor_receives_until_it_is_thawed(desk):
    desk(
        "asset create usd --issuer bank --kind claim --obligor bank-ag --owes USD --decimals 2"
        " --policy controlled --rule posting_max=5000 --lists-by bank --rules-by bank --claw-back-by bank"
    )
    desk.refused("asset issue usd@bank bob 50.01", code="policy_refused")
    desk("asset issue usd@bank bob 50.00")
    desk("policy freeze usd@bank bob")
    refused = desk.refused("pay bob alice 1 usd@bank", code="policy_refused")
    assert refused["facts"]["rule"] == "frozen"
    desk("policy freeze usd@bank bob --undo")
    desk("pay bob alice 1 usd@bank")
    desk('asset claw-back usd@bank alice 1.00 --reason "court order 7"')
    assert desk.units("alice", "usd@bank") == 0
    desk("policy change usd@bank --rule posting_max=10")
    assert "new rules from" in desk("asset show usd@bank")


def test_identifiers_are_checked_before_they_are_signed(desk):
    line = "asset create {} --issuer bank --kind token --isin {}"
    desk.refused(line.format("x", "US0378331004"), code="identifier_error", exit_code=2)
    made = desk.json(line.format("x", "US0378331005"))
    assert made["receipt"]["results"] == ["x@bank"]
    assert desk.json("asset show x@bank")["external_ids"] == [["isin", "US0378331005"]]
