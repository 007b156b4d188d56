"""Delivery against payment by file: two parties, two keyrings, one transaction that both sign."""

import json

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def parties(tmp_path):
    """Return Alice, who has euro, Bob, who has gold, and the ledger's operator; keyrings apart."""
    operator = Desk(tmp_path).start()
    alice, bob = Desk(tmp_path, keys="alice.keys"), Desk(tmp_path, keys="bob.keys")
    keys = {desk: desk.jsonl(f"keys new {name}")[0]["key"] for name, desk in (("alice", alice), ("bob", bob))}
    operator(f"account open alice --key {keys[alice]}")
    operator(f"account open bob --key {keys[bob]}")
    operator("asset create gold --issuer bank --kind token --decimals 3")
    operator("asset issue eur@bank alice 100.00")
    operator("asset issue gold@bank bob 5.000")
    return operator, alice, bob


def test_exchange_signed_by_two_in_turn_settles_once(parties, tmp_path):
    operator, alice, bob = parties
    alice("pay alice bob 50.00 eur@bank --unsigned --once trade-1 --valid 1d --out trade.json")
    bob("pay bob alice 2.000 gold@bank --join trade.json")

    told = operator.json("preview trade.json")
    assert told["words"][2:] == [
        "1. alice pays 50.00 eur@bank to bob",
        "2. bob pays 2.000 gold@bank to alice",
    ]
    assert ["alice", "gold@bank", "2000", "2000"] in told["receipt"]["postings"]

    signed = alice.json("sign trade.json")
    assert (
        "void"
        in bob.refused("pay bob alice 1 gold@bank --join trade.json", code="usage", exit_code=2)["message"]
    )
    assert signed["missing"] == [{"account": "bob", "signed": 0, "threshold": 1}]
    refused = operator.refused("submit trade.json", code="unauthorised")
    assert refused["facts"] == {"account": "bob", "signed": 0, "threshold": 1}
    assert operator.units("bob") == 0

    assert bob.json("sign trade.json")["missing"] == []
    settled = operator.json("submit trade.json")
    assert settled["status"] == "settled"
    assert (operator.units("bob"), operator.units("alice", "gold@bank")) == (5000, 2000)

    again = operator.json("submit trade.json")
    assert again["status"] == "repeated"
    assert again["receipt"] == settled["receipt"]
    assert "settled before" in operator("submit trade.json")
    assert operator.units("bob") == 5000


def test_signing_needs_no_ledger_where_the_key_is_named(parties, tmp_path):
    operator, alice, _ = parties
    alice("pay alice bob 1 eur@bank --unsigned --out payment.json")
    away = tmp_path / "away"
    away.mkdir()
    for name in ("payment.json", "alice.keys"):
        (away / name).write_bytes((tmp_path / name).read_bytes())
    offline = Desk(away, keys="alice.keys")
    assert "key" in offline.refused("sign payment.json", code="usage", exit_code=2)["hint"]
    assert len(offline.json("sign payment.json --key alice")["signed"]) == 1
    (tmp_path / "payment.json").write_bytes((away / "payment.json").read_bytes())
    assert operator.json("submit payment.json")["status"] == "settled"


def test_a_file_changed_after_signing_is_refused(parties, tmp_path):
    operator, alice, bob = parties
    alice("pay alice bob 1 eur@bank --out payment.json")
    envelope = json.loads((tmp_path / "payment.json").read_bytes())
    alice("pay alice bob 90 eur@bank --out larger.json")
    larger = json.loads((tmp_path / "larger.json").read_bytes())
    envelope["payload"] = larger["payload"]
    (tmp_path / "payment.json").write_text(json.dumps(envelope, separators=(",", ":")))
    operator.refused("submit payment.json", code="signature_invalid")
    bob.refused("sign payment.json", code="transaction_error", exit_code=2)
    operator("submit larger.json")


def test_two_of_three_keys_sign_for_a_treasury(tmp_path):
    desk = Desk(tmp_path).start("alice")
    dids = [one["key"] for one in desk.jsonl("keys new treasury#1 treasury#2 treasury#3")]
    keys = " ".join(f"--key {did}" for did in dids)
    desk(f"account open treasury {keys} --threshold 2")
    desk("asset issue eur@bank treasury 10.00")
    desk("pay treasury alice 1 eur@bank --unsigned --out payment.json")
    desk("sign payment.json --key treasury#1")
    refused = desk.refused("submit payment.json", code="unauthorised")
    assert (refused["facts"]["signed"], refused["facts"]["threshold"]) == (1, 2)
    desk("sign payment.json --key treasury#3")
    assert desk.json("submit payment.json")["status"] == "settled"


def test_several_files_settle_or_are_refused_each_by_itself(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank alice 10.00")
    for name, amount in (("a", "4"), ("b", "40"), ("c", "5")):
        desk(f"pay alice bob {amount} eur@bank --out {name}.json")
    result = desk.fails("submit a.json b.json c.json --json", exit_code=1)
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one.get("status", one.get("error")) for one in documents] == [
        "settled",
        "insufficient_balance",
        "settled",
    ]
    assert desk.units("bob") == 900
