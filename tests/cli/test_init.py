"""The beginning of a ledger: what it fixes for ever."""

import base64
import json

from tests.cli.desk import Desk


def genesis_of(desk):
    """Return the founding document as the log holds it."""
    proof = json.loads(desk("proof receipt 0"))
    return json.loads(base64.b64decode(proof["envelope"]))


def test_limits_stand_in_genesis_and_are_kept(tmp_path):
    desk = Desk(tmp_path)
    desk("init --name Small --limit legs_max=2 --limit transaction_bytes_max=5000")
    desk("account open alice bob carol dora bank")
    desk("asset create coin --issuer bank --kind token")
    two = "asset issue coin@bank --leg alice:1 --leg bob:1"
    assert desk.refused(f"{two} --leg carol:1", code="no_legs")["facts"] == {"legs": 3, "legs_max": 2}
    desk(two)
    limits = genesis_of(desk)["limits"]
    assert (limits["legs_max"], limits["transaction_bytes_max"], limits["actions_max"]) == (2, 5000, 256)
    assert desk.json("info")["limits"] == limits


def test_a_limit_that_is_none_makes_no_ledger(tmp_path):
    desk = Desk(tmp_path)
    for limit in ("legs_max", "legs_max=0", "legs_max=-1", "legs_max=many", "lags_max=3", "depth_max=33"):
        desk.refused(f"init --name Small --limit {limit}", code="usage", exit_code=2)
        assert list(tmp_path.iterdir()) == []
    desk("init --name Small --limit depth_max=32")


def test_two_of_three_keys_operate_a_ledger(tmp_path):
    desk = Desk(tmp_path)
    desk("keys new one two three --keys board.keys")
    dids = [key["key"] for key in desk.jsonl("keys list --keys board.keys")]
    keys = " ".join(f"--operator-key {did}" for did in dids)
    refused = desk.refused(f"init --name Board {keys} --operator-threshold 4", code="keys_invalid")
    assert refused["facts"]["keys"] == 3
    made = desk.json(f"init --name Board {keys} --operator-threshold 2")
    assert (made["operator_keys"], made["operator_threshold"]) == (dids, 2)
    genesis = genesis_of(desk)
    assert (len(genesis["operator_keys"]), genesis["operator_threshold"]) == (3, 2)
    desk("account open alice --out open.json --unsigned --once first --valid 1h")
    desk("sign open.json --key one --keys board.keys")
    assert desk.refused("submit open.json", code="unauthorised")["facts"]["signed"] == 1
    desk("sign open.json --key three --keys board.keys")
    desk("submit open.json")
    assert desk.json("account show alice")["account"] == "alice"
