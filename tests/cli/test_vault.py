"""Vaults by hand, at once and in windows; and leaving any contract by what it says itself."""

import json

import pytest

from tests.cli.desk import Desk

DAY = 86_400


@pytest.fixture
def desk(tmp_path):
    windows = {
        "asset": "eur@bank",
        "window_seconds": str(3_600),
        "deposits_wait": True,
        "redemptions_wait": True,
    }
    lines = [
        "asset issue eur@bank alice 1000",
        "asset issue eur@bank bob 1000",
        "contract deploy pot vault --account bank --arg asset=eur@bank",
        f"contract deploy slow vault --account bank --args '{json.dumps(windows)}'",
    ]
    return Desk(tmp_path).start("alice", "bob", then=lines)


def test_deposit_and_withdraw_in_amounts_of_what_the_vault_holds(desk):
    desk("vault deposit pot alice 100.00")
    assert desk.json("vault position pot alice")["units"] == "10000"
    desk("contract call pot donate --account bob --arg units=5000 --spend eur@bank=50")
    told = desk.json("vault position pot alice")
    assert (told["shares"], told["units"]) == ("10000000000", "14999")
    desk("vault withdraw pot alice 49.99")
    assert desk.units("alice") == 100_000 - 10_000 + 4_999
    desk("vault withdraw pot alice --all")
    assert desk.json("vault position pot alice") | {"units": "0"} == desk.json("vault position pot alice")
    assert "worth 0.00 eur@bank" in desk("vault position pot alice")


def test_a_limit_is_signed(desk):
    document = desk.json("vault deposit pot alice 100.00 --slippage 1% --dry-run")
    assert "9900000000" in json.dumps(document)


def test_requests_are_shown_cancelled_and_claimed_when_their_window_closed(desk):
    desk("vault deposit slow alice 100.00")
    shown = desk.jsonl("vault requests slow alice")
    assert [(one["side"], one["asked"], one["status"]) for one in shown] == [
        ("deposit", "100.00 eur@bank", "pending")
    ]
    desk.fails("vault claim slow alice", exit_code=2)
    desk("vault cancel slow alice")
    assert desk.units("alice") == 100_000
    desk.fails("vault cancel slow alice", exit_code=2)


def test_leaving_any_contract_takes_out_what_its_exits_promise(desk):
    desk("vault deposit pot alice 100.00")
    desk("contract leave pot alice")
    assert desk.units("alice") == 100_000
    refused = desk.fails("contract leave pot alice", exit_code=2)
    assert "hint:" in refused.stderr
    desk("vault deposit slow alice 100.00")
    desk("contract leave slow alice")  # a pending request is taken back
    assert desk.units("alice") == 100_000


def test_an_amount_or_all_and_a_vault_that_is_one(desk):
    for line in ("vault withdraw pot alice", "vault withdraw pot alice 1.00 --all"):
        desk.fails(line, exit_code=2)
    desk.refused("vault position nothing alice", code="unknown_contract")
    desk.refused("vault deposit pot alice 100000.00", code="insufficient_balance")
