"""Eight signatures at a time: never a yes that libsodium would not give, and the same answers in the end."""

import platform
import random
import sys
from pathlib import Path

import pytest

from tallystick import crypto, multibuffer
from tallystick.crypto import Signer, are_valid_signatures, is_valid_signature, signature_library
from tallystick.multibuffer import LANES, Lanes, find_lanes
from tests.shared_data import shared_json

SIGNERS = [Signer(bytes([number]) * 32) for number in range(1, 20)]
ORDER = 2**252 + 27742317777372353535851937790883648493


def can_run_here():
    """Tell whether crypto_mb is installed for this platform and the processor has what it needs."""
    cpu = Path("/proc/cpuinfo")
    return (
        sys.platform == "linux"
        and platform.machine() == "x86_64"
        and cpu.exists()
        and "avx512ifma" in cpu.read_text()
    )


@pytest.fixture(scope="module")
def lanes():
    if not can_run_here():
        pytest.skip("needs x86-64 Linux and a processor with AVX-512 IFMA")
    found = find_lanes()
    assert found is not None, "the extra `fast` is not installed, or does not load"
    return found


def signed(count, *, seed=0):
    """Return checks of messages of many lengths, the empty one among them."""
    rng = random.Random(seed)
    checks = []
    for number in range(count):
        signer, message = (
            SIGNERS[number % len(SIGNERS)],
            rng.randbytes(rng.choice((0, 1, 63, 64, 300, 5_000))),
        )
        checks.append((signer.public_key, message, signer.sign(message)))
    return checks


def flipped(check, rng):
    """Return the check with one bit of its key, message or signature changed."""
    parts = [bytearray(part) for part in check]
    part = rng.choice([part for part in parts if part])
    part[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
    return tuple(bytes(part) for part in parts)


def vectors():
    """Return the published cases whose key and signature have their lengths."""
    groups = shared_json("log/ed25519/wycheproof_ed25519_test.json")["testGroups"]
    wycheproof = [
        (bytes.fromhex(group["publicKey"]["pk"]), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
        for group in groups
        for case in group["tests"]
    ]
    cctv = [
        (bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
        for case in shared_json("log/ed25519/cctv_ed25519vectors.json")
    ]
    return wycheproof + cctv


# ------------------------------------------------------------------------- the answers, on any machine


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 40])
def test_many_signatures_are_answered_as_each_alone(count):
    checks = signed(count)
    assert are_valid_signatures(checks) == [True] * count
    rng = random.Random(count)
    mixed = [check if number % 3 else flipped(check, rng) for number, check in enumerate(checks)]
    assert are_valid_signatures(mixed) == [number % 3 != 0 for number in range(count)]


def test_all_1065_published_cases_are_answered_as_each_alone(count_vectors):
    cases = vectors()
    answers = are_valid_signatures(cases)
    count_vectors("Ed25519 signatures of Wycheproof and CCTV, many at a time", len(cases), "131 accepted")
    assert (len(cases), sum(answers)) == (1_065, 131)
    assert answers == [is_valid_signature(*case) for case in cases]


def test_wrong_lengths_among_many_are_false():
    checks = signed(9)
    key, message, signature = checks[4]
    for wrong in ((key[:-1], message, signature), (key, message, signature + b"\0"), (b"", b"", b"")):
        assert are_valid_signatures([*checks[:4], wrong, *checks[5:]]) == [True] * 4 + [False] + [True] * 4


def test_the_environment_can_leave_everything_to_libsodium(monkeypatch):
    monkeypatch.setenv("TALLYSTICK_SIGNATURES", "libsodium")
    crypto._lanes.cache_clear()
    try:
        assert signature_library() == "libsodium"
        assert are_valid_signatures(signed(10)) == [True] * 10
    finally:
        crypto._lanes.cache_clear()


def test_what_the_library_denies_is_still_asked_of_libsodium(monkeypatch):
    monkeypatch.setattr(crypto, "_lanes", lambda: Lanes(lambda *_: 0x88888888))
    assert are_valid_signatures(signed(10)) == [True] * 10


def test_what_looks_unusual_is_never_asked_of_the_library(monkeypatch):
    """A library's yes is believed, so it must not see what replicas could come to disagree about."""
    seen = []
    monkeypatch.setattr(crypto, "_lanes", lambda: Lanes(lambda *arrays: seen.append(arrays) or 0))
    key, message, signature = signed(1)[0]
    large_s = int.from_bytes(signature[32:], "little") + ORDER
    unusual = [
        (key, message, signature[:32] + large_s.to_bytes(32, "little")),
        *((point, message, signature) for point in multibuffer._SMALL_ORDER),
        *((key, message, point + signature[32:]) for point in multibuffer._SMALL_ORDER),
        # y = 2^255 - 19 + 2, the second spelling of 2, with either sign
        (bytes.fromhex("ef" + "ff" * 30 + "7f"), message, signature),
        (key, message, bytes.fromhex("ef" + "ff" * 31) + signature[32:]),
    ]
    assert are_valid_signatures(unusual) == [False] * len(unusual)
    assert seen == []
    assert are_valid_signatures([(key, message, signature)] * 2) == [True, True]
    assert len(seen) == 1


def test_libsodium_refuses_every_small_order_key_of_the_list():
    # The zero signature under a small-order key satisfies the equation for some message; libsodium says no.
    assert len(multibuffer._SMALL_ORDER) == 10
    for point in multibuffer._SMALL_ORDER:
        for number in range(16):
            assert not is_valid_signature(point, bytes([number]), point + bytes(32))


# ---------------------------------------------------------------------------------- the library itself


def test_this_machine_has_the_library_if_its_processor_can_run_it(lanes):
    assert isinstance(lanes, Lanes)
    assert signature_library() == "libsodium and crypto_mb"


def test_every_published_case_that_libsodium_accepts_is_surely_valid_and_no_other(lanes):
    cases = [case for case in vectors() if len(case[2]) == 64]
    assert lanes.surely_valid(cases) == [is_valid_signature(*case) for case in cases]
    assert sum(lanes.surely_valid(cases)) == 131


@pytest.mark.parametrize("count", range(2, 3 * LANES + 2))
def test_each_lane_answers_for_its_own_signature(lanes, count):
    checks = signed(count, seed=count)
    worth = count % LANES != 1  # one left over is not worth eight lanes, and says nothing
    assert lanes.surely_valid(checks) == [True] * (count - 1) + [worth]
    for bad in range(count):
        altered = [*checks]
        altered[bad] = flipped(checks[bad], random.Random(bad))
        sure = lanes.surely_valid(altered)
        assert not sure[bad]
        assert sum(sure) >= count - 2


def test_a_thousand_altered_signatures_are_never_surely_valid(lanes):
    rng = random.Random(5)
    altered = [flipped(check, rng) for check in signed(1_000, seed=5)]
    refused = [not is_valid_signature(*check) for check in altered]
    assert all(refused)
    assert not any(lanes.surely_valid(altered))


@pytest.mark.parametrize("what", ["absent", "no library", "another symbol", "a wrong answer"])
def test_a_library_that_is_absent_or_wrong_is_not_used(what, tmp_path, monkeypatch):
    folder = tmp_path / "lib"
    monkeypatch.setattr(multibuffer.sysconfig, "get_path", lambda *_: str(tmp_path))
    if what != "absent":
        folder.mkdir()
        (folder / "libcrypto_mb.so").write_bytes(b"not a library")
    if what == "another symbol":
        monkeypatch.setattr(multibuffer.ctypes, "CDLL", lambda *_, **__: object())
    if what == "a wrong answer":

        class Yes:
            mbx_ed25519_verify_mb8 = type("Function", (), {"__call__": lambda self, *_: 0})()

        monkeypatch.setattr(multibuffer.ctypes, "CDLL", lambda *_, **__: Yes())
    assert find_lanes() is None
