"""A distribution by hand: attested weights, income split by them, and why; on a file and by a node's URL."""

import json

import pytest

from tests.cli.desk import Desk
from tests.node_service.process import node


@pytest.fixture
def desk(tmp_path):
    rules = {
        "attestors": ["critic", "editor"],
        "quorum": "2",
        "half_life_seconds": "0",
        "cap_ppm": "1000000",
    }
    parameters = {"asset": "eur@bank", "rules": rules}
    lines = [
        "account open editor critic",
        "asset issue eur@bank bob 1000",
        f"contract deploy royalties distribution --account bank --args '{json.dumps(parameters)}'",
    ]
    return Desk(tmp_path).start("alice", "bob", then=lines)


def contribute(desk):
    """Have two attestors agree on two contributions, three parts of four alice's."""
    for contributor, weight in (("alice", 300), ("bob", 100)):
        for attestor in ("editor", "critic"):
            desk(f"distribution attest royalties {attestor} {contributor} {weight} of-{contributor}")


def test_income_is_split_by_weight_explained_and_claimed(desk):
    contribute(desk)
    desk("distribution pay-in royalties bob 100.01")
    before = desk.json("distribution show royalties alice")
    assert (before["income"], before["weight"], before["credit"]) == ("10001", "300", "0")
    desk("distribution split royalties alice --dry-run")
    assert desk.json("distribution show royalties")["splits"] == "0"
    desk("distribution split royalties alice")
    part = desk.json("distribution why royalties alice")
    assert (part["counted"], part["whole"], part["income"], part["units"]) == ("300", "400", "10001", "7500")
    told = desk("distribution why royalties bob 1")
    assert "100.01 eur@bank, of which bob got 25.00 eur@bank" in told
    assert "10001 x 100 / 400 = 2500, rounded down" in told
    assert "alice  weighs 300, can claim 75.00 eur@bank" in desk("distribution show royalties alice")
    assert desk.json("distribution show royalties")["income"] == "1"
    desk("distribution claim royalties alice 50.00")
    desk("distribution claim royalties alice")
    assert desk.units("alice") == 7_500
    assert "hint:" in desk.fails("distribution claim royalties alice", exit_code=2).stderr


def test_one_attestor_of_two_is_not_enough(desk):
    desk("distribution attest royalties editor alice 300 of-alice")
    assert desk.json("distribution show royalties alice")["weight"] == "0"
    desk("distribution pay-in royalties bob 1.00")
    desk.refused("distribution split royalties bob", code="distribution.nothing_to_split")
    desk("distribution attest royalties critic alice 300 of-alice")
    desk("distribution split royalties bob")
    assert desk.json("distribution show royalties alice")["credit"] == "100"


def test_what_is_refused(desk):
    assert "hint:" in desk.fails("distribution why royalties alice", exit_code=2).stderr
    desk.refused("distribution attest royalties bob alice 1 of-alice", code="distribution.not_an_attestor")
    desk.refused("distribution attest royalties editor nobody 1 of-nobody", code="unknown_account")
    desk.refused("distribution claim royalties alice 0.01", code="distribution.credit_exceeded")
    desk.refused("distribution why royalties alice 1", code="distribution.no_such_split")
    desk.refused("distribution show bank", code="unknown_contract")


@pytest.mark.long
def test_the_same_words_by_url(desk):
    with node(desk.folder / "ledger.tally", checkpoint_seconds=0.05) as running:
        remote = Desk(desk.folder, keys="ledger.tally.keys")
        remote.env |= {"TALLYSTICK_URL": running.url, "TALLYSTICK_LEDGER": "nowhere.tally"}
        contribute(remote)
        remote("distribution pay-in royalties bob 4.00")
        remote("distribution split royalties bob")
        assert remote.json("distribution why royalties alice") == desk.json(
            "distribution why royalties alice"
        )
        remote("distribution claim royalties alice")
        assert remote.units("alice") == 300
        assert remote.json("distribution show royalties alice") == desk.json(
            "distribution show royalties alice"
        )
