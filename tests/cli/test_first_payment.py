"""A first payment by hand, from an empty folder to a proof that a stranger checks."""

import json

from tests.cli.desk import Desk


def test_first_payment_from_nothing_to_a_proof(tmp_path):
    desk = Desk(tmp_path)
    made = desk.json("init --name Ours --operator chair")
    assert made["operator"] == "chair"
    assert (tmp_path / "ledger.tally.logkey").stat().st_mode & 0o777 == 0o600
    assert [key["name"] for key in desk.jsonl("keys list")] == ["chair"]

    desk("account open alice bob bank")
    assert [one["account"] for one in desk.jsonl("account list")] == ["alice", "bank", "bob", "chair"]
    desk("institution found bank-ag --account bank --role bank")
    desk("asset create eur --issuer bank --kind claim --obligor bank-ag --owes EUR --decimals 2")
    desk("asset issue eur@bank alice 100.00")

    paid = desk.json('pay alice bob 12.50 eur@bank --ref "invoice 17"')
    assert paid["status"] == "settled"
    assert paid["receipt"]["postings"] == [
        ["alice", "eur@bank", "-1250", "8750"],
        ["bob", "eur@bank", "1250", "1250"],
    ]
    entry = paid["receipt"]["index"]

    assert "87.50" in desk("balance alice")
    history = desk.jsonl("history bob")
    assert [(row["entry"], row["change"], row["balance"]) for row in history] == [(entry, "+12.50", "12.50")]
    assert desk.json(f"balance alice eur@bank --at-entry {entry - 1}")["units"] == "10000"
    assert desk.json(f"receipt {entry}")["receipt"] == paid["receipt"]
    assert desk.json(f"receipt {paid['receipt']['id']}")["receipt"] == paid["receipt"]

    desk(f"proof receipt {entry} --out payment.proof")
    desk("proof balance bob eur@bank --out bob.proof")
    vkey = desk.vkey()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for name in ("payment.proof", "bob.proof"):
        (stranger / name).write_bytes((tmp_path / name).read_bytes())
    elsewhere = Desk(stranger)
    assert elsewhere.json(f"proof check payment.proof --log-key {vkey}")["receipt"] == paid["receipt"]
    assert elsewhere.json(f"proof check bob.proof --log-key {vkey}")["value"] == "1250"

    assert desk("info --log-key") == f"{vkey}\n"
    verified = desk.json(f"verify ledger.tally --log-key {vkey}")
    assert (verified["status"], verified["transactions"], verified["signatures"]) == ("verified", 5, 5)
    assert desk("verify ledger.tally").count("\n") == 1


def test_proof_with_one_digit_changed_fails_and_says_what(tmp_path):
    desk = Desk(tmp_path).start("alice")
    desk("asset issue eur@bank alice 100.00")
    desk("proof balance alice eur@bank --out alice.proof")
    vkey = desk.vkey()
    desk(f"proof check alice.proof --log-key {vkey}")
    proof = json.loads((tmp_path / "alice.proof").read_text())
    proof["value"] = 10001
    desk.write("forged.proof", json.dumps(proof))
    refused = desk.refused(f"proof check forged.proof --log-key {vkey}", code="proof_failed", exit_code=3)
    assert "holds another value" in refused["message"]


def test_proof_under_another_log_key_fails(tmp_path):
    desk = Desk(tmp_path).start("alice")
    desk("proof balance alice eur@bank --out alice.proof")
    assert desk.json(f"proof check alice.proof --log-key {desk.vkey()}")["value"] is None
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other").start()
    desk.refused(f"proof check alice.proof --log-key {other.vkey()}", code="proof_failed", exit_code=3)


def test_a_dry_run_tells_the_balances_and_writes_nothing(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank alice 100.00")
    before = desk.json("info")["entries"]
    told = desk.json("pay alice bob 40 eur@bank --dry-run")
    assert told["receipt"]["postings"][0] == ["alice", "eur@bank", "-4000", "6000"]
    assert told["words"][1] == "1. alice pays 40.00 eur@bank to bob"
    assert desk.json("info")["entries"] == before


def test_one_invoice_is_paid_once(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank alice 100.00")
    desk("pay alice bob 10 eur@bank --once invoice-17")
    desk.refused("pay alice bob 10 eur@bank --once invoice-17", code="once_used")
    desk("pay alice bob 10 eur@bank --once invoice-18")
    assert desk.units("bob") == 2000


def test_several_legs_settle_together_or_not_at_all(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob", "carol")
    desk("asset issue eur@bank alice 100.00")
    desk.refused("pay alice --leg eur@bank:bob:60 --leg eur@bank:carol:41", code="insufficient_balance")
    assert desk.units("bob") == 0
    desk("pay alice --leg eur@bank:bob:60 --leg eur@bank:carol:40")
    assert (desk.units("bob"), desk.units("carol")) == (6000, 4000)


def test_a_net_limit_refuses_what_it_names(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank alice 100.00")
    desk.refused("pay alice bob 10 eur@bank --limit eur@bank=9.99", code="limit_exceeded")
    desk("pay alice bob 10 eur@bank --limit eur@bank=10.00")


def test_history_goes_on_where_the_last_page_ended(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank alice 100.00")
    for amount in ("1", "2", "3"):
        desk(f"pay alice bob {amount} eur@bank")
    first = desk.jsonl("history alice --limit 2")
    rest = desk.jsonl(f"history alice --after {first[-1]['place']}")
    assert [row["change"] for row in first + rest] == ["+100.00", "-1.00", "-2.00", "-3.00"]
    assert [row["balance"] for row in desk.jsonl("history bob --asset eur@bank")] == ["1.00", "3.00", "6.00"]
    desk.refused("history alice --after soon", code="usage", exit_code=2)


def test_history_shows_the_newest_first_and_pages_backwards(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank alice 100.00")
    for amount in ("1", "2", "3"):
        desk(f"pay alice bob {amount} eur@bank")
    first = desk.jsonl("history alice --newest --limit 2")
    rest = desk.jsonl(f"history alice --newest --after {first[-1]['place']}")
    assert [row["change"] for row in first + rest] == ["-3.00", "-2.00", "-1.00", "+100.00"]
    assert desk.jsonl(f"history alice --newest --after {first[-1]['entry']}") == rest


def test_history_between_two_times_includes_both_ends(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank alice 100.00")
    for amount in ("1", "2", "3"):
        desk(f"pay alice bob {amount} eur@bank")
    times = [row["time"] for row in desk.jsonl("history alice")]
    assert times == sorted(set(times))

    def changes(asked):
        return [row["change"] for row in desk.jsonl(f"history alice {asked}")]

    assert changes(f"--since {times[1]} --until {times[2]}") == ["-1.00", "-2.00"]
    assert changes(f"--since {times[1]} --until {times[2]} --newest") == ["-2.00", "-1.00"]
    assert changes(f"--since {times[3]}") == ["-3.00"]
    assert changes(f"--until {times[0]}") == ["+100.00"]
    assert changes("--until 2000-01-01T00:00:00Z") == []
    desk.refused(f"history alice --since {times[2]} --until {times[1]}", code="usage", exit_code=2)
    desk.refused("history alice --since 1969-12-31T00:00:00Z", code="usage", exit_code=2)
    desk.refused("history alice --since 2026-11-20T13:00:00", code="time_error", exit_code=2)
