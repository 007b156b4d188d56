"""Ed25519 signatures checked eight at a time, by Intel's crypto_mb, where library and processor are there.

The idea is that `crypto` may be told *surely valid*, and nothing else. What is valid is libsodium's word; it
names signatures that libsodium is bound to accept, and leaves every other one to it. The rule that
must hold: what is named here satisfies S·B = R + k·A just as RFC 8032 §5.1.7 spells it, with S below the
group's order, R and A canonical, and neither of small order. Every version of libsodium's rule accepts that.
Unusual encodings are therefore not even asked about.

crypto_mb computes one step of eight signatures in one AVX-512 instruction (IFMA, the 52-bit multiply-add),
which takes a fifth of the time. It is optional: `pip install "tallystick[fast]"`, x86-64 Linux. Refused:
batch equations over random linear combinations, which accept what single checks refuse.
"""

import ctypes
import sysconfig
from collections.abc import Callable, Sequence
from ctypes import c_char_p, c_uint32
from pathlib import Path
from typing import Final

LANES: Final = 8
LANES_WORTH: Final = 2
"""Eight lanes cost about as much as one and a half signatures alone."""

Check = tuple[bytes, bytes, bytes]
"""A public key of 32 bytes, a message, and a signature of 64."""

_NEEDED_FIRST: Final = ("libintlc.so.5", "libimf.so", "libirng.so", "libsvml.so")
"""What crypto_mb names as needed and has no path to: the runtime of the compiler that made it."""
_LIBRARY: Final = "libcrypto_mb.so"
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(y)[:31] + bytes([bytes.fromhex(y)[31] | sign])
    for sign in (0x00, 0x80)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "ec" + "ff" * 30 + "7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
)
"""The eight points whose order divides eight, and the two of them that have a second spelling, in both."""
_LARGE_Y: Final = b"\xff" * 30
"""Bytes 1 to 30 of every y that is 2^255 - 256 or more, among them all that are not canonical."""

_Pointers = c_char_p * LANES
_Lengths = c_uint32 * LANES
_Verify = Callable[..., int]


class Lanes:
    """The library, found and tried. `surely_valid` may be called from any thread, and lets others run."""

    def __init__(self, verify: _Verify) -> None:
        self._verify = verify

    def surely_valid(self, checks: Sequence[Check]) -> list[bool]:
        """Return, for each check, whether libsodium is sure to accept it; False says nothing.

        Every key has 32 bytes and every signature 64.
        """
        sure = [False] * len(checks)
        usual = [number for number, (key, _, signature) in enumerate(checks) if _is_usual(key, signature)]
        for start in range(0, len(usual), LANES):
            lanes = usual[start : start + LANES]
            if len(lanes) < LANES_WORTH:
                break
            # A lane that would be empty repeats the first: the library takes eight, never fewer.
            chosen = [checks[number] for number in lanes] + [checks[lanes[0]]] * (LANES - len(lanes))
            status = self._verify(
                _Pointers(*[signature[:32] for _, _, signature in chosen]),
                _Pointers(*[signature[32:] for _, _, signature in chosen]),
                _Pointers(*[message for _, message, _ in chosen]),
                _Lengths(*[len(message) for _, message, _ in chosen]),
                _Pointers(*[key for key, _, _ in chosen]),
            )
            for lane, number in enumerate(lanes):
                sure[number] = (status >> (4 * lane)) & 0xF == 0
        return sure


def _is_usual(key: bytes, signature: bytes) -> bool:
    """Return whether S is below 2^252, and R and A are canonical and not of small order. Honest ones are."""
    return signature[63] <= 0x0F and _is_usual_point(signature[:32]) and _is_usual_point(key)


def _is_usual_point(encoding: bytes) -> bool:
    return encoding not in _SMALL_ORDER and encoding[1:31] != _LARGE_Y


def find_lanes() -> Lanes | None:
    """Return crypto_mb, or None where it is not installed or the processor cannot run it."""
    for scheme in {sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")}:
        folder = Path(sysconfig.get_path("data", scheme)) / "lib"
        if (folder / _LIBRARY).exists():
            lanes = _load(folder)
            if lanes is not None and _works(lanes):
                return lanes
    return None


def _load(folder: Path) -> Lanes | None:
    try:
        for name in _NEEDED_FIRST:
            ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
        verify = ctypes.CDLL(str(folder / _LIBRARY)).mbx_ed25519_verify_mb8
    except (OSError, AttributeError):
        return None
    verify.restype = c_uint32
    return Lanes(verify)


def _works(lanes: Lanes) -> bool:
    """Try RFC 8032 §7.1 test 1 beside the same with a bit of S changed: yes and no, in turn."""
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    altered = signature[:40] + bytes([signature[40] ^ 1]) + signature[41:]
    return lanes.surely_valid([(key, b"", signature), (key, b"", altered)] * 4) == [True, False] * 4
