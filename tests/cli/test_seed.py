"""The demonstration: the same twice, verified, and its printed commands work as they stand."""

import os
import shlex
import subprocess
import sys

import pytest

from tests.cli.desk import Desk


def seed(folder, *options, hash_seed):
    """Run `tallystick seed` in a process of its own, with its own PYTHONHASHSEED."""
    return subprocess.run(
        [sys.executable, "-m", "tallystick.cli", "seed", "demo.tally", "--json", *options],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.long
def test_two_runs_give_the_same_roots_and_another_seed_gives_others(tmp_path):
    first = seed(tmp_path, hash_seed="1")
    second = seed(tmp_path, "--force", hash_seed="2")
    assert first == second
    desk = Desk(tmp_path)
    other = desk.json("seed other.tally --seed 2")
    assert other["tree_root"] not in first


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("demo"))
    made = desk.json("seed demo.tally")
    desk.env |= {"TALLYSTICK_LEDGER": "demo.tally", "TALLYSTICK_PASSWORD": None}
    return desk, made


def test_the_economy_has_one_of_everything(demo):
    desk, made = demo
    assert made["transactions"] > 400
    info = desk.json("info")
    assert (info["accounts"], info["assets"], info["contracts"]) == (76, 17, 16)
    assert [one["status"] for one in desk.jsonl("redeem list")] == ["defaulted"]
    assert desk.json("contract view deal-1 status")["answer"] == ["released", "released"]
    assert desk.json("contract view deal-2 status")["answer"] == ["refunded", "open"]
    assert int(desk.jsonl("balance grocer eur@bank")[0]["units"]) > 0
    assert desk.json("asset show usd@cove")["listed"] == [{"list": "frozen", "account": "mallory"}]


def test_it_has_banks_a_central_bank_custodians_and_a_coin(demo):
    desk, _ = demo
    roles = {one["institution"]: one["roles"] for one in desk.jsonl("institution list")}
    assert roles["central-bank"] == ["central_bank"]
    assert roles["birch-bank"] == ["bank"]
    bank = desk.json("institution sheet birch-bank")
    assert bank["complete"]
    assert int(bank["totals"]["equity"]) > 0
    assert int(bank["assets_by"]["liquidity"]["cash"]) < int(bank["liabilities_by"]["maturity"]["on_demand"])
    coin = desk.json("institution sheet tern-money")["totals"]
    assert (coin["assets"], coin["equity"]) == (coin["liabilities"], "0")
    kept = {one["thing"]: one for one in desk.json("institution coverage stonegate-vault")["things"]}
    assert kept["tally@commons"]["minimum"]["ratio_ppm"] == 1_000_000
    assert [need["licence"] for need in desk.json("institution licence birch-bank")["needs"]] == [
        "bank",
        "payment_institution",
    ]
    # The window's loan was paid back: what is left of it is interest, and the bonds are all there.
    assert desk.json("contract view window loans")["answer"] == []
    [money] = [one for one in desk.jsonl("institution money") if one["currency"] == "EUR"]
    assert int(money["m1"]) > int(money["m0"]) > 0


def test_it_ends_by_naming_who_would_fail_a_full_run_and_why(demo):
    desk, told = demo
    causes = {one["institution"]: one["cause"] for one in told["full_run"]["failures"]}
    assert causes["birch-bank"] == "illiquid"
    assert causes["cove-money"] == "no_cash"
    # The coin stands on the word of a custodian whose dollars are elsewhere: nothing here pays them.
    assert (causes["tern-money"], causes["larch-trust"]) == ("no_cash", "no_cash")
    assert told["full_run"]["result_hash"] == desk.json("drill all")["result_hash"]


def test_it_lends_on_gold_and_liquidates_who_borrowed_too_much(demo):
    desk, _ = demo
    shown = desk.json("oracle show gold-price --quorum 3")
    assert [source["kind"] for source in shown["sources"]] == ["market", "institution", "pool"]
    assert shown["price"] == "79.5"
    market = desk.json("lend show gold-loans")
    assert 0 < int(market["borrowed_units"]) < int(market["supplied_units"])
    assert market["liquidatable"] == []
    assert desk.json("contract view gold-sales sales")["answer"] == []
    assert int(desk.jsonl("balance bank share@gold-loans")[0]["units"]) > 0


def test_it_trades_on_a_pool_of_each_kind_every_day(demo):
    desk, _ = demo
    kinds = {one["contract"]: one["kind"] for one in desk.jsonl("contract list")}
    pools = {
        "eur-gold": "constant_product_pool",
        "eur-usd": "concentrated_liquidity_pool",
        "euro": "stable_pool",
    }
    assert {name: kinds[name] for name in pools} == pools
    assert kinds["route"] == "route"
    for pool in pools:
        yesterday, today = desk.json(f"contract view {pool} turnover")["answer"]
        assert int(yesterday["volume_units"]) > 0
        assert int(today["volume_units"]) > 0
    # One provider left the concentrated pool with everything; the maker's wide range is still there.
    assert desk.json("contract view eur-usd position --arg account=carol")["answer"] == []
    [stays] = desk.json("contract view eur-usd position --arg account=bank.treasury")["answer"]
    assert int(stays["fees_0"]) > 0
    # Four sales of gold for the other euro went through the route, which keeps nothing.
    assert desk.jsonl("balance route") == []
    holders = [one for one in desk.jsonl("balance bank.treasury") if one["asset"] == "eur@cove"]
    assert int(holders[0]["units"]) > 0


def test_the_commands_it_prints_work_as_they_stand(demo):
    desk, made = demo
    assert len(made["try"]) == 6
    for line in made["try"]:
        stdin = None
        for part in line.split(" | "):
            words = shlex.split(part)
            assert words[0].endswith("tallystick")
            stdin = desk(shlex.join(words[1:]), stdin=stdin)
        assert stdin


def test_force_replaces_a_demonstration_and_nothing_else(tmp_path):
    desk = Desk(tmp_path)
    desk("init mine.tally --name Mine")
    desk.refused("seed mine.tally", code="usage", exit_code=2)
    desk.refused("seed mine.tally --force", code="usage", exit_code=2)
    desk("verify mine.tally")
    desk.write("notes.tally", "not a ledger")
    desk.refused("seed notes.tally --force", code="usage", exit_code=2)
    assert (tmp_path / "notes.tally").read_text() == "not a ledger"
