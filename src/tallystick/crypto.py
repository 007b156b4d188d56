"""Cryptography: every primitive the ledger leans on, and the only importer of PyNaCl.

The idea is a narrow door. Whether a signature is valid is part of the protocol, because two replicas that
disagree on one signature disagree for ever after. Libraries do disagree: of the 914 edge cases of the CCTV
collection OpenSSL accepts 208 and libsodium 43. The rule that must hold is that all of Tallystick asks
`is_valid_signature`, which is libsodium's answer and nothing else: small-order points, non-canonical
encodings and an S of the group's order or more are refused. Whoever has many signatures asks
`are_valid_signatures`, whose answers are the same and may come five times as fast.

Refused: pyca/cryptography (OpenSSL's rules, which differ and have changed between releases), and a package
for base58 or did:key (twenty lines, exercised by the published vectors).
"""

import os
import struct
from collections.abc import Sequence
from enum import Enum
from functools import cache
from hashlib import sha256 as _sha256
from typing import Final

from nacl import pwhash
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.utils import random as _random_bytes

from tallystick.multibuffer import LANES_WORTH, Check, Lanes, find_lanes

HASH_BYTES: Final = 32
SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest of `data` (FIPS 180-4), 32 bytes."""
    return _sha256(data).digest()


# ---------------------------------------------------------------------------------------------- Ed25519


def is_valid_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether libsodium accepts this Ed25519 signature. Never raises on bytes of any length.

    Source: RFC 8032 §5.1.7, with libsodium's stricter refusals (see the module docstring).
    """
    # `crypto_sign_open` on signature || message is what `VerifyKey.verify` ends in; calling it directly
    # saves the key object. The curve arithmetic, about 50 µs, is the rest.
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except CryptoError:
        return False
    return True


def are_valid_signatures(checks: Sequence[Check]) -> list[bool]:
    """Return `is_valid_signature` of each (public key, message, signature), in their order.

    Where `multibuffer` finds its library it is asked first, eight at a time; libsodium answers the rest.
    """
    lanes = _lanes() if len(checks) >= LANES_WORTH else None
    if lanes is None:
        return [is_valid_signature(*check) for check in checks]
    whole = [
        number
        for number, (key, _, signature) in enumerate(checks)
        if len(key) == PUBLIC_KEY_BYTES and len(signature) == SIGNATURE_BYTES
    ]
    sure = dict(zip(whole, lanes.surely_valid([checks[number] for number in whole]), strict=True))
    return [sure.get(number, False) or is_valid_signature(*check) for number, check in enumerate(checks)]


def signature_library() -> str:
    """Return what answers `are_valid_signatures` in this process: "libsodium", or both names."""
    return "libsodium" if _lanes() is None else "libsodium and crypto_mb"


@cache
def _lanes() -> Lanes | None:
    return None if os.environ.get("TALLYSTICK_SIGNATURES") == "libsodium" else find_lanes()


def generate_seed() -> bytes:
    """Return 32 bytes from the operating system's generator: an Ed25519 private key (RFC 8032 §5.1.5)."""
    return _random_bytes(SEED_BYTES)


def public_key_of(seed: bytes) -> bytes:
    """Return the 32-byte public key of a seed. Rejects a seed of another length with `ValueError`."""
    return _expand(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64-byte signature. Whoever signs often keeps a `Signer`, which expands the seed once."""
    return Signer(seed).sign(message)


class Signer:
    """A private key in memory, expanded once; signing then costs half of what `sign` does."""

    __slots__ = ("_secret_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret_key = _expand(seed)

    def sign(self, message: bytes) -> bytes:
        """Return the deterministic 64-byte signature of `message` (RFC 8032 §5.1.6)."""
        return crypto_sign(message, self._secret_key)[:crypto_sign_BYTES]

    def __repr__(self) -> str:
        return f"Signer({did_key(self.public_key)})"


def _expand(seed: bytes) -> tuple[bytes, bytes]:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"an Ed25519 seed has {SEED_BYTES} bytes, not {len(seed)}")
    public_key, secret_key = crypto_sign_seed_keypair(seed)
    return public_key, secret_key


# ---------------------------------------------------------------------------------------------- did:key

_DID_PREFIX: Final = "did:key:z"
_MULTICODEC_ED25519: Final = b"\xed\x01"
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_VALUE: Final = {symbol: value for value, symbol in enumerate(_BASE58)}
_DID_KEY_CHARS: Final = len(_DID_PREFIX) + 47
"""The multicodec's leading 0xed fixes the length: 34 such bytes always need 47 base58 symbols."""


def did_key(public_key: bytes) -> str:
    """Return the name of an Ed25519 key, `did:key:z6Mk…` (W3C CCG did:key v0.7 §3.1.1)."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"an Ed25519 public key has {PUBLIC_KEY_BYTES} bytes, not {len(public_key)}")
    return _DID_PREFIX + _base58_encode(_MULTICODEC_ED25519 + public_key)


def public_key_from_did(did: str) -> bytes:
    """Return the 32-byte Ed25519 key a did:key names.

    Rejects with `ValueError` other methods, other key types, fragments and every spelling but the one
    that `did_key` writes. Whether the bytes are a point on the curve is the verifier's question.
    """
    if not did.startswith(_DID_PREFIX):
        raise ValueError(f"not a did:key in base58btc: {did[:80]!r}")
    if len(did) != _DID_KEY_CHARS:
        raise ValueError(f"an Ed25519 did:key has {_DID_KEY_CHARS} characters, not {len(did)}")
    decoded = _base58_decode(did[len(_DID_PREFIX) :])
    if len(decoded) != 2 + PUBLIC_KEY_BYTES or not decoded.startswith(_MULTICODEC_ED25519):
        raise ValueError(f"did:key of another key type than Ed25519: {did!r}")
    return decoded[2:]


def _base58_encode(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    symbols = []
    while number:
        number, remainder = divmod(number, 58)
        symbols.append(_BASE58[remainder])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(symbols))


def _base58_decode(text: str) -> bytes:
    number = 0
    for symbol in text:
        if symbol not in _BASE58_VALUE:
            raise ValueError(f"{symbol!r} is not a base58btc symbol")
        number = number * 58 + _BASE58_VALUE[symbol]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


# ----------------------------------------------------------------------------------------- keys at rest


class SealStrength(Enum):
    """How much work guessing one password costs: libsodium's presets for Argon2id, (passes, bytes)."""

    INTERACTIVE = (pwhash.argon2id.OPSLIMIT_INTERACTIVE, pwhash.argon2id.MEMLIMIT_INTERACTIVE)
    """About 0.1 s and 64 MiB: a wallet that is opened many times a day."""

    MODERATE = (pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE)
    """About 0.7 s and 256 MiB: an operator's key, opened when a node starts."""

    SENSITIVE = (pwhash.argon2id.OPSLIMIT_SENSITIVE, pwhash.argon2id.MEMLIMIT_SENSITIVE)
    """About 3.5 s and 1 GiB: a recovery key that lies in a drawer."""


_SEAL_MAGIC: Final = b"tally-seal-1"
_SEAL_HEADER: Final = struct.Struct(">12sIQ16s")  # magic, passes, memory in bytes, salt


def seal(plaintext: bytes, password: str, *, strength: SealStrength = SealStrength.INTERACTIVE) -> bytes:
    """Return `plaintext` encrypted under a password: Argon2id (RFC 9106), then XSalsa20-Poly1305.

    The parameters stand in the blob, so that a default raised later still opens what was sealed before.
    """
    passes, memory_bytes = strength.value
    salt = _random_bytes(pwhash.argon2id.SALTBYTES)
    box = _seal_box(password, salt=salt, passes=passes, memory_bytes=memory_bytes)
    return _SEAL_HEADER.pack(_SEAL_MAGIC, passes, memory_bytes, salt) + bytes(box.encrypt(plaintext))


def unseal(blob: bytes, password: str) -> bytes:
    """Return what `seal` was given. Rejects a wrong password or an altered blob with `ValueError`.

    The header needs no authentication of its own: a changed parameter or salt derives another key.
    """
    if len(blob) < _SEAL_HEADER.size:
        raise ValueError(f"a sealed blob has at least {_SEAL_HEADER.size} bytes, not {len(blob)}")
    magic, passes, memory_bytes, salt = _SEAL_HEADER.unpack_from(blob)
    if magic != _SEAL_MAGIC:
        raise ValueError("not a sealed blob of a version this program knows")
    # A blob is read before anybody vouches for it: without the list of presets it could order terabytes.
    if (passes, memory_bytes) not in [strength.value for strength in SealStrength]:
        raise ValueError(f"sealed with unknown Argon2id parameters: {passes} passes, {memory_bytes} bytes")
    box = _seal_box(password, salt=salt, passes=passes, memory_bytes=memory_bytes)
    try:
        return box.decrypt(blob[_SEAL_HEADER.size :])
    except (CryptoError, ValueError) as error:
        raise ValueError("wrong password, or the sealed blob was altered") from error


def _seal_box(password: str, *, salt: bytes, passes: int, memory_bytes: int) -> SecretBox:
    secret = password.encode("utf-8")
    key = pwhash.argon2id.kdf(SecretBox.KEY_SIZE, secret, salt, opslimit=passes, memlimit=memory_bytes)
    return SecretBox(key)


# ------------------------------------------------------------------------------------------------- DSSE


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes a DSSE signature covers: the pre-authentication encoding.

    Both lengths are in front, so no payload can be read as another's type.
    Source: DSSE v1.0.2, protocol.md, "PAE(type, body)".
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
