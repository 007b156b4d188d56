"""`tallystick drill`, on a small ledger with a bank that has half of what it owes."""

import json

import pytest

from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.log.state_tree import StateTree
from tallystick.node.ledger_file import LedgerFile
from tallystick.node.recovery import recover_until
from tallystick.protocol import KINDS
from tallystick.stress.curve import run_curve
from tallystick.stress.scenario import everybody_withdraws
from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    lines = [
        "institution found central-bank --account central --role central_bank",
        "asset create reserve --issuer central --kind claim --obligor central-bank --owes EUR --decimals 2",
        "asset issue eur@bank --leg alice:100.00 --leg bob:60.00",
        "asset issue reserve@central bank 80.00",
    ]
    return Desk(tmp_path).start("alice", "bob", "central", then=lines)


def test_a_full_run_names_who_fails_why_and_who_is_not_paid(desk):
    told = desk("drill bank-ag --withdraw 100%")
    assert "1. bank-ag fails on day 0: pays 80.00 reserve@central of 160.00 reserve@central" in told
    assert "alice        bank-ag  50.00  reserve@central" in told
    document = desk.json("drill bank-ag --holders")
    assert document["claims"][0]["paid_ppm"] == 500_000
    assert desk.json("drill bank-ag")["result_hash"] == document["result_hash"]
    assert "claims" not in desk.json("drill bank-ag")


def test_short_and_long_run_stand_beside_it_and_apart(desk):
    told = desk("drill bank-ag")
    assert "short run (LCR-like): 8000 liquid for 1600 of net outflows in 30 days (500.0 %)" in told
    assert "long run (NSFR-like): 14400 of stable funding for 0 that is needed" in told
    assert desk.json("drill bank-ag")["liquidity"]["ladder"][0]["outflow"] == "16000"


def test_half_a_run_is_survived_and_a_slow_one_lasts_until_its_day(desk):
    assert "nobody fails" in desk("drill all --withdraw 50%")
    assert desk.json("drill all --per-day 10%")["survival"][0]["first_failing_day"] == 5


def test_a_drill_in_which_nothing_fell_due_says_so(desk):
    assert desk("drill bank-ag --withdraw 0%").startswith("nobody fails, for nothing fell due\n")
    assert desk("drill bank-ag --withdraw 10%").startswith("nobody fails\n")


def test_a_curve_ends_at_the_share_that_was_asked_for(desk):
    half = desk.json("drill bank-ag --curve --points 2 --withdraw 50%")["points"]
    assert [one["withdrawn_ppm"] for one in half] == [0, 250_000, 500_000]
    assert [one["paid_ppm"] for one in half] == [1_000_000, 1_000_000, 1_000_000]
    slow = desk.json("drill bank-ag --curve --points 2 --withdraw 80% --per-day 40%")["points"]
    assert [one["withdrawn_ppm"] for one in slow] == [0, 400_000, 800_000]
    assert "adds up to 0%" in desk.fails("drill bank-ag --curve --withdraw 0%", exit_code=2).stderr


def test_help_and_the_curve(desk):
    assert "bank-ag: 80.00 reserve@central would have stopped it" in desk("drill bank-ag --help-needed")
    curve = desk.json("drill bank-ag --curve --points 4")
    assert [one["paid_ppm"] for one in curve["points"]] == [1_000_000, 1_000_000, 1_000_000, 666_666, 500_000]
    desk("drill bank-ag --points 2 --picture run.png")
    assert (desk.folder / "run.png").read_bytes().startswith(b"\x89PNG")


def test_a_curve_is_computed_again_from_the_log_up_to_its_index_and_the_scenario(desk):
    curve = desk.json("drill bank-ag --curve --points 4 --per-day 40%")
    desk("asset issue eur@bank alice 1000.00")  # the ledger moves on
    assert desk.json("drill bank-ag --curve --points 4 --per-day 40%")["result_hash"] != curve["result_hash"]
    with LedgerFile.open(desk.folder / "ledger.tally", read_only=True) as file:
        past = recover_until(file.journal, kinds=KINDS, end=curve["index"])
    tree = StateTree()
    pairs = [(key, value) for key, value in past.values.items() if key[0] != "id"]
    tree.update([(encode_key(key), encode_value(value)) for key, value in pairs])
    assert tree.root.hex() == curve["state_root"]
    scenario = everybody_withdraws("bank-ag", per_day="40%")
    assert scenario.hash == curve["scenario_hash"]
    root, index = curve["state_root"], curve["index"]
    again = run_curve(past, KINDS, scenario, "bank-ag", points=4, state_root=root, index=index)
    assert again.document() == curve


def test_a_curve_as_csv_says_of_what_it_is_in_every_row(desk):
    curve = desk.json("drill bank-ag --curve --points 2")
    origin = f"bank-ag,{curve['state_root']},{curve['index']},{curve['scenario_hash']}"
    assert desk("drill bank-ag --curve --points 2 --csv").splitlines() == [
        "institution,state_root,index,scenario_hash,withdrawn_ppm,paid_ppm,failures",
        f"{origin},0,1000000,0",
        f"{origin},500000,1000000,0",
        f"{origin},1000000,500000,1",
    ]
    assert f"scenario {curve['scenario_hash']}" in desk("drill bank-ag --curve --points 2")
    desk.refused("drill bank-ag --csv", code="usage", exit_code=2)
    desk.refused("drill bank-ag --csv --curve --json", code="usage", exit_code=2)


def test_nothing_of_it_is_kept(desk):
    before = desk.json("info")
    desk("drill all")
    assert desk.json("info") == before
    assert desk.units("alice") == 10_000


def test_a_scenario_in_a_file_is_read_and_all_its_errors_are_told(desk):
    desk.write("half.json", json.dumps({"targets": "all", "withdraw": ["25%", "25%"]}))
    assert "nobody fails" in desk("drill --scenario half.json")
    desk.write("bad.json", json.dumps({"targets": ["nowhere"], "withdraw": "200%", "days": 3}))
    problem = desk.refused("drill --scenario bad.json", code="scenario_invalid", exit_code=2)
    assert "withdraw[0]: is 0% to 100%, not 200%" in problem["message"]
    assert "has no field 'days'" in problem["message"]
    desk.write("no.json", "{")
    desk.refused("drill --scenario no.json", code="usage", exit_code=2)


def test_what_cannot_be_meant_is_refused(desk):
    desk.refused("drill", code="usage", exit_code=2)
    desk.refused("drill bank-ag --scenario half.json", code="usage", exit_code=2)
    desk.refused("drill nowhere", code="scenario_invalid", exit_code=2)
    desk.refused("drill all --curve", code="usage", exit_code=2)
    desk.refused("drill all --cash EUR", code="usage", exit_code=2)
    desk.refused("drill all --withdraw half", code="scenario_invalid", exit_code=2)
    desk.refused("drill all --haircut 20%", code="usage", exit_code=2)
    desk.refused("drill all --lender central", code="scenario_invalid", exit_code=2)
    assert "nobody fails" in desk("drill bank-ag --haircut 20% --lender central --withdraw 10%")


def test_everyone_leaves_a_contract(desk):
    desk("asset create chip --issuer alice --kind token")
    desk("asset issue chip@alice bob 1000000")
    desk(
        "contract deploy pool constant_product_pool --account bob"
        " --arg asset_0=eur@bank --arg asset_1=chip@alice"
    )
    desk(
        "contract call pool mint --account bob --arg units_0=4000 --arg units_1=4000"
        " --spend eur@bank=40.00 --spend chip@alice=4000"
    )
    assert "not asked for: 4000 minor units of eur@bank, of 1 holders: held by a contract" in desk(
        "drill bank-ag"
    )
    desk.refused("drill pool --withdraw 50%", code="usage", exit_code=2)
    desk.refused("drill pool --curve", code="usage", exit_code=2)
    assert "1 of 1 leave" in desk("drill pool --days 2")
    told = desk("drill pool")
    assert "1 of 1 leave pool with all that they have inside" in told
    assert desk.json("drill pool")["leavers"][0]["got"] == [["chip@alice", "3000"], ["eur@bank", "3000"]]
