"""An agent under a mandate, and an account whose keys are rotated, lost and recovered."""

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path).start(
        "alice", "bob", "carol", "shop", "agent", then=["asset issue eur@bank alice 100.00"]
    )


def test_an_agent_pays_within_its_mandate_and_not_beyond(desk):
    desk(
        "mandate grant alice groceries --to agent --cap eur@bank=15.00/10.00 --every 1d"
        " --recipient shop --expires 30d"
    )
    pay = "pay alice {} {} eur@bank --mandate groceries --sender agent"
    desk(pay.format("shop", "10.00"))
    for payee, amount, what in (
        ("shop", "10.01", "payment_cap"),
        ("shop", "5.01", "period_cap"),
        ("bob", "1", "recipient"),
    ):
        refused = desk.refused(pay.format(payee, amount), code="mandate_forbids")
        assert refused["facts"]["what"] == what
    desk(pay.format("shop", "5.00"))
    [listed] = desk.jsonl("mandate list alice")
    assert (listed["spent_units"], listed["spent"]) == ("1500", "15.00 of 15.00")
    desk("mandate revoke alice groceries")
    desk.refused(pay.format("shop", "0.01"), code="unknown_mandate")
    assert (desk.units("shop"), desk.units("alice")) == (1500, 8500)


def test_rotated_keys_take_over_at_once(desk, tmp_path):
    new = desk.jsonl("keys new alice#new")[0]["key"]
    desk(f"account rotate alice --key {new}")
    assert desk.json("account show alice")["keys"] == [new]
    desk("pay alice bob 1 eur@bank")
    desk("keys remove alice#new --yes")
    desk.refused("pay alice bob 1 eur@bank", code="unauthorised")


@pytest.mark.parametrize("kept", [True, False])
def test_mandates_end_with_the_old_keys_unless_they_are_kept(desk, kept):
    desk("mandate grant alice groceries --to agent --cap eur@bank=15.00 --every 1d --expires 30d")
    new = desk.jsonl("keys new alice#new")[0]["key"]
    told = desk(f"account rotate alice --key {new} {'--keep-mandates' if kept else ''} --dry-run")
    assert ("its mandates stay" in told, "its mandates end" in told) == (kept, not kept)
    desk(f"account rotate alice --key {new} {'--keep-mandates' if kept else ''}")
    assert desk.json("account show alice")["keys"] == [new]
    pay = "pay alice shop 10.00 eur@bank --mandate groceries --sender agent"
    if kept:
        desk(pay)
        assert (desk.units("alice"), desk.units("shop")) == (9_000, 1_000)
    else:
        desk.refused(pay, code="unknown_mandate")
        assert (desk.units("alice"), desk.units("shop")) == (10_000, 0)


def test_the_operators_key_is_changed_as_the_runbook_says(desk):
    operator = desk.json("info")["operator"]
    old = desk.json(f"account show {operator}")["keys"]
    new = desk.jsonl(f"keys new {operator}#new")[0]["key"]
    desk(f"account rotate {operator} --key {new}")
    assert desk.json(f"account show {operator}")["keys"] == [new] != old
    desk("account open erin")
    desk("verify ledger.tally")
    desk(f"keys remove {operator}#new --yes")
    desk.refused("account open frank", code="unauthorised")


def test_guardians_recover_an_account_after_a_delay_that_it_can_veto(desk):
    desk("account guardians alice bob carol --threshold 2 --delay 1d")
    new = desk.jsonl("keys new alice#recovered")[0]["key"]
    one = f"account recover alice --guardian bob --key {new}"
    desk.refused(one, code="no_guardians")
    desk(f"{one} --guardian carol")
    assert desk.json("account show alice")["recovery"]["keys"] == [new]
    desk("account veto alice")
    assert "recovery" not in desk.json("account show alice")
    desk(f"{one} --guardian carol")
    desk.wait(80_000)
    desk("advance")
    assert desk.json("account show alice")["keys"] != [new]
    desk.wait(6_400)
    desk("advance")
    assert desk.json("account show alice")["keys"] == [new]


def test_an_institution_grows_by_two_signatures(desk):
    desk("institution join bank-ag --account carol")
    [listed] = desk.jsonl("institution list")
    assert listed["accounts"] == ["bank", "carol"]
    desk.refused("institution join bank-ag --account carol", code="already_member")
    desk("institution declare bank-ag --role custodian --related shadow")
    assert desk.jsonl("institution list")[0]["roles"] == ["custodian"]


def test_keys_are_exported_renamed_and_taken_in_again(desk, tmp_path):
    seed = desk.json("keys export alice")["seed"]
    did = desk.json("keys rename alice alice#old")["key"]
    desk.write("alice.seed", seed)
    assert desk.json("keys add alice#again --seed-file alice.seed")["key"] == did
    desk.write("new.txt", "another password\n")
    desk("keys password --new-password-file new.txt")
    desk.refused("keys export alice#old", code="keyring_error", exit_code=2)
    assert desk.json("keys export alice#old --password-file new.txt")["seed"] == seed
