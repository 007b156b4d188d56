"""Rewards by hand: a stake, what it earns, and out again; on a file and by a node's URL."""

import json

import pytest

from tests.cli.desk import Desk
from tests.node_service.process import node

# A period as short as there is: it has released everything a second after it was paid in.
PARAMETERS = {
    "stake_asset": "eur@bank",
    "rewards": [{"asset": "gold@bank", "distributor": "bob", "duration_seconds": "1"}],
}
DEPLOYED = [
    "asset issue eur@bank alice 1000",
    "asset create gold --issuer bank --kind token --decimals 3",
    "asset issue gold@bank bob 1000",
    f"contract deploy staking rewards --account bank --args '{json.dumps(PARAMETERS)}'",
]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path).start("alice", "bob", then=DEPLOYED)


def earn(desk):
    """Have alice stake 100.00 alone through a whole period of 6.000 gold."""
    desk("rewards stake staking alice 100.00")
    desk("rewards fund staking bob 6.000 gold@bank")
    desk.wait(2)
    desk("pay bob alice 0.001 gold@bank")  # the ledger's time is that of its last entry


def test_what_a_whole_period_released_is_the_only_stakers_to_claim(desk):
    assert desk.json("rewards show staking")["periods"][0]["finish"] is None
    assert "nothing paid in yet" in desk("rewards show staking")
    earn(desk)
    shown = desk.json("rewards show staking alice")
    assert (shown["staked"], shown["total_staked"]) == ("10000", "10000")
    assert shown["periods"][0]["earned"] == "6000"
    assert "6.000 gold@bank earned" in desk("rewards show staking alice")
    desk("rewards claim staking alice gold@bank")
    assert desk.units("alice", "gold@bank") == 6_001
    desk("rewards claim staking alice")  # a stake may have earned since: nothing this time
    assert desk.units("alice", "gold@bank") == 6_001
    assert "hint:" in desk.fails("rewards claim staking bob", exit_code=2).stderr
    desk("rewards unstake staking alice 40.00")
    assert desk.units("alice") == 100_000 - 6_000
    desk("rewards unstake staking alice --all")
    assert desk.units("alice") == 100_000


def test_a_claim_signs_what_is_earned_and_a_dry_run_moves_nothing(desk):
    earn(desk)
    assert "it must pay alice at least 6.000 gold@bank" in desk("rewards claim staking alice --dry-run")
    assert desk.units("alice", "gold@bank") == 1


def test_what_is_refused(desk):
    desk.refused("rewards fund staking alice 0.000 gold@bank", code="rewards.not_the_distributor")
    desk("rewards stake staking alice 1.00")
    desk.refused("rewards unstake staking alice 1.01", code="rewards.stake_exceeded")
    desk.refused("rewards show bank", code="unknown_contract")
    desk.fails("rewards unstake staking alice", exit_code=2)
    desk.fails("rewards unstake staking alice 1.00 --all", exit_code=2)
    assert "it pays gold@bank" in desk.fails("rewards claim staking alice eur@bank", exit_code=2).stderr
    assert "hint:" in desk.fails("rewards unstake staking bob --all", exit_code=2).stderr


@pytest.mark.long
def test_the_same_words_by_url(desk):
    with node(desk.folder / "ledger.tally", checkpoint_seconds=0.05) as running:
        remote = Desk(desk.folder, keys="ledger.tally.keys")
        remote.env |= {"TALLYSTICK_URL": running.url, "TALLYSTICK_LEDGER": "nowhere.tally"}
        earn(remote)
        assert remote.json("rewards show staking alice") == desk.json("rewards show staking alice")
        remote("rewards claim staking alice")
        assert remote.units("alice", "gold@bank") == 6_001
        remote("rewards unstake staking alice --all")
        assert remote.units("alice") == 100_000
