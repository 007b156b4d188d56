"""A witness's round by files: shown growth it cosigns, shown anything else it refuses."""

import shutil

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path).start("alice", "bob")
    made("asset issue eur@bank alice 100.00")
    return made


def cosign(desk, request, out, *, key="one.skey"):
    return desk.json(f"witness cosign {request} --key {key} --log-key {desk.vkey()} --out {out}")


def test_a_round_with_two_witnesses_reaches_a_quorum(desk):
    witnesses = [
        desk.json(f"witness key {name}.skey --name example.com/{name}")["vkey"] for name in ("one", "two")
    ]
    assert desk("witness key one.skey").strip() == witnesses[0]
    desk("witness request --out request")
    cosign(desk, "request", "line-1")
    both = f"--witness {witnesses[0]} --witness {witnesses[1]}"
    desk(f"witness add line-1 --witness {witnesses[0]}")
    desk(f"witness verify {both} --quorum 1")
    missing = desk.refused(f"witness verify {both} --quorum 2", code="quorum_error", exit_code=3)
    assert "1 of 2" in missing["message"]
    cosign(desk, "request", "line-2", key="two.skey")
    desk(f"witness add line-2 --witness {witnesses[1]}")
    assert desk.json(f"witness verify {both} --quorum 2")["quorum"] == 2

    desk("proof balance alice eur@bank --out alice.proof")
    check = f"proof check alice.proof --log-key {desk.vkey()} {both}"
    assert "cosigned by 2 of your 2 witnesses" in desk(f"{check} --quorum 2")
    stranger = desk.json("witness key three.skey --name example.com/three")["vkey"]
    desk.refused(f"{check} --witness {stranger} --quorum 3", code="proof_failed", exit_code=3)


def test_a_witness_remembers_and_never_goes_back(desk, tmp_path):
    desk("witness key one.skey --name example.com/one")
    shutil.copytree(tmp_path, tmp_path / "fork")
    desk("witness request --out first")
    cosign(desk, "first", "line-1")
    size = desk.json("info")["checkpoint_size"]

    desk("pay alice bob 1 eur@bank")
    desk("witness request --out from-zero")
    stale = desk.refused(
        f"witness cosign from-zero --key one.skey --log-key {desk.vkey()}",
        code="stale_checkpoint",
        exit_code=3,
    )
    assert str(size) in stale["message"]
    desk(f"witness request --old-size {size} --out grown")
    cosign(desk, "grown", "line-2")
    desk.refused(
        f"witness cosign first --key one.skey --log-key {desk.vkey()}", code="stale_checkpoint", exit_code=3
    )

    fork = Desk(tmp_path / "fork")
    fork("pay alice bob 2 eur@bank")
    fork("pay alice bob 3 eur@bank")
    shutil.copy(tmp_path / "one.skey.heads", tmp_path / "fork" / "one.skey.heads")
    grown = desk.json("info")["checkpoint_size"]
    fork(f"witness request --old-size {grown} --out other-history")
    fork.refused(
        f"witness cosign other-history --key one.skey --log-key {desk.vkey()}",
        code="inconsistent_log",
        exit_code=3,
    )


def test_an_unknown_log_and_a_false_line_are_refused(desk, tmp_path):
    desk("witness key one.skey --name example.com/one")
    two = desk.json("witness key two.skey --name example.com/two")["vkey"]
    desk("witness request --out request")
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other").start()
    desk.refused(
        f"witness cosign request --key one.skey --log-key {other.vkey()}",
        code="unsigned_checkpoint",
        exit_code=3,
    )
    cosign(desk, "request", "line-1")
    desk.refused(f"witness add line-1 --witness {two}", code="note_error", exit_code=3)
