import json
import stat

import pytest

from tallystick.client import keyring as keyring_module
from tallystick.client.keyring import Keyring, KeyringError, list_keys
from tallystick.crypto import did_key, is_valid_signature
from tests.client.memory import seed, signer


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def test_keys_come_back_with_the_password_and_are_listed_without(path):
    ring = Keyring.create(path, "correct")
    (alice,) = ring.new("alice")
    ring.add({"bob": seed("bob"), "alice#phone": seed("phone")})
    again = Keyring.open(path, "correct")
    assert again.names == ["alice", "alice#phone", "bob"]
    assert again.did("alice") == alice
    assert again.export_seed("bob") == seed("bob")
    assert list_keys(path) == {
        "alice": alice,
        "alice#phone": did_key(signer("phone").public_key),
        "bob": did_key(signer("bob").public_key),
    }
    assert is_valid_signature(again.public_key("bob"), b"x", again.signer("bob").sign(b"x"))
    assert "alice" in again
    assert "carol" not in again


def test_an_account_signs_with_all_its_keys_or_with_those_the_ledger_lists(path):
    ring = Keyring.create(path, "password")
    ring.add({"alice": seed("alice"), "alice#phone": seed("phone"), "alicent": seed("x"), "old": seed("old")})
    assert [each.public_key for each in ring.signers_of("alice")] == [
        signer("alice").public_key,
        signer("phone").public_key,
    ]
    listed = {signer("old").public_key, signer("phone").public_key}
    assert {each.public_key for each in ring.signers_of("alice", public_keys=listed)} == listed


def test_the_file_is_private_and_holds_no_secret_openly(path):
    ring = Keyring.create(path, "password")
    ring.add({"alice": seed("alice")})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text(encoding="utf-8")
    assert json.loads(text)["format"] == "tallystick-keys-v1"
    assert seed("alice").hex() not in text
    assert list(path.parent.iterdir()) == [path]


def test_names_change_and_go(path):
    ring = Keyring.create(path, "password")
    ring.add({"alice": seed("alice"), "bob": seed("bob")})
    ring.rename("alice", "carol")
    ring.remove("bob")
    ring.change_password("another")
    again = Keyring.open(path, "another")
    assert again.names == ["carol"]
    assert again.export_seed("carol") == seed("alice")
    with pytest.raises(KeyringError, match="wrong password"):
        Keyring.open(path, "password")


def test_wrong_names_and_seeds_are_refused_and_change_nothing(path):
    ring = Keyring.create(path, "password")
    ring.add({"alice": seed("alice")})
    before = path.read_bytes()
    attempts = [
        lambda: ring.add({"bob": seed("bob"), "alice": seed("x")}),
        lambda: ring.add({"bob": b"short"}),
        lambda: ring.new("Alice"),
        lambda: ring.new("a b"),
        lambda: ring.new("alice#"),
        lambda: ring.remove("bob"),
        lambda: ring.rename("bob", "carol"),
        lambda: ring.rename("alice", "alice"),
        lambda: ring.signer("bob"),
        lambda: ring.export_seed("bob"),
        lambda: ring.change_password(""),
        lambda: Keyring.create(path, "password"),
        lambda: Keyring.create(path.with_name("other"), ""),
        lambda: Keyring.open(path.with_name("absent"), "password"),
        lambda: Keyring.open(path.parent, "password"),
    ]
    for attempt in attempts:
        with pytest.raises(KeyringError):
            attempt()
    assert path.read_bytes() == before
    assert ring.names == ["alice"]


def test_an_altered_file_does_not_open(path):
    ring = Keyring.create(path, "password")
    ring.add({"alice": seed("alice"), "bob": seed("bob")})
    whole = json.loads(path.read_text(encoding="utf-8"))
    swapped = {"alice": whole["keys"]["bob"], "bob": whole["keys"]["alice"]}
    for change in (
        {"keys": swapped},
        {"keys": {"alice": whole["keys"]["alice"]}},
        {"keys": {}},
        {"keys": []},
        {"sealed": whole["sealed"][:-8] + "AAAAAAA="},
        {"sealed": ""},
        {"sealed": "*"},
        {"sealed": 7},
        {"format": "tallystick-keys-v2"},
        {"more": 1},
    ):
        path.write_text(json.dumps({**whole, **change}), encoding="utf-8")
        with pytest.raises(KeyringError):
            Keyring.open(path, "password")
    for content in (b"", b"[]", b"\xff", b"{"):
        path.write_bytes(content)
        with pytest.raises(KeyringError):
            Keyring.open(path, "password")


def test_a_ring_that_somebody_else_changed_is_not_overwritten(path):
    first = Keyring.create(path, "password")
    second = Keyring.open(path, "password")
    first.add({"alice": seed("alice")})
    with pytest.raises(KeyringError, match="changed by somebody else"):
        second.add({"bob": seed("bob")})
    assert Keyring.open(path, "password").names == ["alice"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_ring(path, monkeypatch, failing):
    ring = Keyring.create(path, "password")
    ring.add({"alice": seed("alice")})
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(keyring_module.os, "fsync", fail)
    else:
        monkeypatch.setattr(keyring_module.Path, "replace", fail)
    with pytest.raises(KeyringError, match="No space left"):
        ring.new("bob")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert ring.names == ["alice"]
    ring.new("bob")
    assert Keyring.open(path, "password").names == ["alice", "bob"]
