"""Swap settlement by hand: gold for euro, gross, netted and by lots; on a file and by a node's URL."""

import time

import pytest

from tests.cli.desk import Desk
from tests.node_service.process import node

GOLD_FOR_EURO = "--money eur@bank --leg alice:bob:10.000:gold@bank --leg bob:alice:500.00:eur@bank"


@pytest.fixture
def desk(tmp_path):
    lines = [
        "account open carol",
        "asset issue eur@bank bob 1000",
        "asset create gold --issuer bank --kind token --decimals 3",
        "asset issue gold@bank alice 100",
    ]
    return Desk(tmp_path).start("alice", "bob", then=lines)


def test_delivery_against_payment_settles_with_the_last_part(desk):
    desk(f"settlement agree deal alice --until 1d {GOLD_FOR_EURO}")
    shown = desk.json("settlement show deal")
    assert shown["model"] == "DvP model 1: delivery and payment gross, at once"
    assert [(one["payer"], one["units"], one["status"]) for one in shown["dues"]] == [
        ("alice", "10000", "open"),
        ("bob", "50000", "open"),
    ]
    desk("settlement fund deal 0 alice")
    desk("settlement fund deal 1 bob 200.00")
    assert "1  bob to alice  200.00 eur@bank of 500.00 eur@bank  open" in desk("settlement show deal")
    desk("settlement fund deal 1 bob --dry-run")
    assert desk.units("alice") == 0
    desk("settlement fund deal 1 bob")
    assert (desk.units("alice"), desk.units("bob", "gold@bank")) == (50_000, 10_000)
    assert [one["status"] for one in desk.json("settlement show deal")["dues"]] == ["released", "released"]


def test_netted_money_is_paid_in_as_a_balance_only(desk):
    legs = "--leg alice:bob:10.000:gold@bank --leg bob:alice:500.00:eur@bank --leg alice:bob:120.00:eur@bank"
    desk(f"settlement agree deal alice --until 1d --money eur@bank --net eur@bank {legs}")
    shown = desk.json("settlement show deal")
    assert shown["model"] == "DvP model 2: delivery gross, payment net, at once"
    assert [(one["payer"], one["units"], one["receiver"]) for one in shown["dues"]] == [
        ("alice", "10000", "bob"),
        ("bob", "38000", None),
    ]
    assert "bob to whom the balances name" in desk("settlement show deal")


def test_a_receiver_calls_a_due_off(desk):
    desk(f"settlement agree deal alice --until 1d {GOLD_FOR_EURO} --lots 10 --at-least 4")
    assert "4 to 10 of 10 lots, or nothing" in desk("settlement show deal")
    desk("settlement fund deal 0 alice 4.000")
    desk.refused("settlement refund deal 0 alice", code="escrow.not_a_party")
    desk.refused("settlement refund deal 0 carol", code="escrow.not_a_party")
    desk("settlement refund deal 0 bob")
    assert desk.units("alice", "gold@bank") == 100_000


def test_what_is_refused(desk):
    desk(f"settlement agree deal alice --until 1d {GOLD_FOR_EURO}")
    desk.refused("settlement fund deal 0 bob", code="escrow.not_a_party")
    desk.refused("settlement fund deal 1 bob 500.01", code="escrow.funding_exceeded")
    desk.refused("settlement settle deal bob", code="escrow.too_few_lots")
    mistyped = desk.fails(
        f"settlement agree other alice --until 1d {GOLD_FOR_EURO} --net euro@bank", exit_code=2
    )
    assert "they pay eur@bank, gold@bank" in mistyped.stderr
    desk.refused("settlement show bank", code="unknown_contract")
    assert "2 dues" in desk.fails("settlement fund deal 2 bob", exit_code=2).stderr
    assert (
        "PAYER:RECEIVER:AMOUNT:ASSET"
        in desk.fails("settlement agree other alice --until 1d --leg alice:bob:1", exit_code=2).stderr
    )
    desk.refused(
        "settlement agree other alice --until 1d --leg alice:nobody:1:gold@bank", code="unknown_account"
    )


@pytest.mark.long
def test_the_same_words_by_url(desk):
    with node(desk.folder / "ledger.tally", checkpoint_seconds=0.05) as running:
        remote = Desk(desk.folder, keys="ledger.tally.keys")
        remote.env |= {"TALLYSTICK_URL": running.url, "TALLYSTICK_LEDGER": "nowhere.tally"}
        remote(f"settlement agree deal alice --until 1d {GOLD_FOR_EURO}")
        remote("settlement fund deal 0 alice")
        assert remote.json("settlement show deal") == desk.json("settlement show deal")
        remote("settlement fund deal 1 bob")
        assert (remote.units("alice"), remote.units("bob", "gold@bank")) == (50_000, 10_000)


@pytest.mark.long
def test_at_the_deadline_of_a_node_the_lots_that_are_there_settle(desk):
    with node(desk.folder / "ledger.tally", checkpoint_seconds=0.05) as running:
        remote = Desk(desk.folder, keys="ledger.tally.keys")
        remote.env |= {"TALLYSTICK_URL": running.url, "TALLYSTICK_LEDGER": "nowhere.tally"}
        remote(f"settlement agree deal alice --until 10s {GOLD_FOR_EURO} --lots 10 --at-least 4")
        remote("settlement fund deal 0 alice")
        remote("settlement fund deal 1 bob 250.00")
        for _ in range(200):
            if remote.json("settlement show deal")["dues"][0]["status"] == "released":
                break
            time.sleep(0.1)
        assert (remote.units("alice"), remote.units("bob", "gold@bank")) == (25_000, 5_000)
        assert remote.units("alice", "gold@bank") == 95_000
