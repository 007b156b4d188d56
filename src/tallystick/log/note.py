"""Signed notes: text with signatures below it, readable in a terminal (C2SP signed-note).

A key is a name, a four-byte id that hashes name, algorithm and public key, and the key itself; as text a
*vkey* or, with the secret seed, an *skey*. Two algorithms are in use: 0x01, Ed25519 over the text, and
0x04, a witness's cosignature, Ed25519 over a dated header and the text (C2SP tlog-cosignature).

The rule that must hold: text means nothing until a key its reader already had has verified it. Signatures
of unknown keys are ignored, as the format asks, so that witnesses can add theirs; a signature of a *known*
key that fails condemns the whole note. Parsing is strict, one spelling each: a note that two programs read
differently is worse than no note.

Refused: taking keys from the note itself, and RSA, ECDSA or ML-DSA keys, which no log of ours signs with.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from tallystick.crypto import Signer, is_valid_signature, sha256

SIGNATURES_MAX: Final = 100
NOTE_BYTES_MAX: Final = 1_000_000

_SKEY_PREFIX: Final = "PRIVATE+KEY+"
_DASH: Final = "— "  # U+2014 and a space open a signature line


class NoteError(ValueError):
    """A note, key or checkpoint is malformed, or is not signed by whom it must be."""


class Algorithm(IntEnum):
    """The signature type byte (C2SP signed-note, "Signature types")."""

    ED25519 = 0x01
    """A log's own signature, over the note's text."""

    COSIGNATURE_V1 = 0x04
    """A witness's timestamped signature over a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key that its holder trusts under a name."""

    name: str
    algorithm: Algorithm
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || algorithm || public key)[:4] (C2SP signed-note, "Signatures")."""
        return _key_id(self.name, bytes([self.algorithm]) + self.public_key)

    @property
    def vkey(self) -> str:
        """The key as text, `name+id+base64`."""
        return _key_text(self.name, self.key_id, bytes([self.algorithm]) + self.public_key)

    def is_valid(self, text: str, signature: bytes) -> bool:
        """Return whether this key made `signature` (without the id in front) over the text."""
        if self.algorithm is Algorithm.ED25519:
            return is_valid_signature(self.public_key, text.encode(), signature)
        if len(signature) != 8 + 64:
            return False
        timestamp_seconds = int.from_bytes(signature[:8], "big")
        if timestamp_seconds >> 63:  # C2SP tlog-cosignature: at most 2^63 - 1
            return False
        return is_valid_signature(self.public_key, _cosigned(text, timestamp_seconds), signature[8:])


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A named secret key. Its text form, `skey`, is the secret itself."""

    name: str
    algorithm: Algorithm
    seed: bytes = field(repr=False)

    @property
    def skey(self) -> str:
        """The key as text, `PRIVATE+KEY+name+id+base64`."""
        secret = bytes([self.algorithm]) + self.seed
        return _SKEY_PREFIX + _key_text(self.name, self.verifier.key_id, secret)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        public_key = Signer(self.seed).public_key
        return VerifierKey(name=self.name, algorithm=self.algorithm, public_key=public_key)

    def signature_line(self, text: str, *, timestamp_seconds: int = 0) -> str:
        """Return the line to put below a note of this text. Only a cosignature carries the time."""
        signer = Signer(self.seed)
        if self.algorithm is Algorithm.ED25519:
            signature = signer.sign(text.encode())
        else:
            stamp = timestamp_seconds.to_bytes(8, "big")
            signature = stamp + signer.sign(_cosigned(text, timestamp_seconds))
        return f"{_DASH}{self.name} {_base64(self.verifier.key_id + signature)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line; unverified until `verify_note` returns it beside its key."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def timestamp_seconds(self) -> int:
        """The POSIX time in front of a cosignature; meaningless for the other algorithm."""
        return int.from_bytes(self.signature[:8], "big")


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note. `text` ends in a newline and is not to be believed before it is verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class VerifiedNote:
    """A note's text, and the known keys that signed it with their signatures, in the note's order."""

    text: str
    signatures: tuple[tuple[VerifierKey, NoteSignature], ...]


# -------------------------------------------------------------------------------------------------- keys


def parse_vkey(vkey: str) -> VerifierKey:
    """Return the key a vkey names. Rejects with `NoteError` what `VerifierKey.vkey` would not write."""
    name, key_id, algorithm, public_key = _parse_key(vkey, what="vkey")
    key = VerifierKey(name=name, algorithm=algorithm, public_key=public_key)
    if key.key_id != key_id or key.vkey != vkey:
        raise NoteError(f"vkey of {name!r} has an id or spelling that does not fit the key")
    return key


def parse_skey(skey: str) -> SigningKey:
    """Return the secret key an skey holds; strict like `parse_vkey`. Messages never show the secret."""
    if not skey.startswith(_SKEY_PREFIX):
        raise NoteError(f"an skey begins with {_SKEY_PREFIX}")
    name, key_id, algorithm, seed = _parse_key(skey[len(_SKEY_PREFIX) :], what="skey")
    key = SigningKey(name=name, algorithm=algorithm, seed=seed)
    if key.verifier.key_id != key_id or key.skey != skey:
        raise NoteError(f"skey of {name!r} has an id or spelling that does not fit the key")
    return key


def _parse_key(text: str, *, what: str) -> tuple[str, bytes, Algorithm, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteError(f"a {what} has three parts joined by '+', not {len(parts)}")
    name, key_id, material = parts[0], parts[1], decode_base64(parts[2])
    _check_name(name)
    try:
        id_bytes = bytes.fromhex(key_id)
        algorithm = Algorithm(material[0])
    except (ValueError, IndexError):
        raise NoteError(f"{what} of {name!r} has a bad id or an unknown algorithm") from None
    if len(material) != 1 + 32:
        raise NoteError(f"{what} of {name!r} has {len(material) - 1} bytes of key, not 32")
    return name, id_bytes, algorithm, material[1:]


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise NoteError(f"a key name is not empty and has no spaces or '+': {name!r}")


def _key_id(name: str, material: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + material)[:4]


def _key_text(name: str, key_id: bytes, material: bytes) -> str:
    return f"{name}+{key_id.hex()}+{_base64(material)}"


# ------------------------------------------------------------------------------------------------- notes


def sign_note(text: str, signers: Iterable[SigningKey], *, timestamp_seconds: int = 0) -> bytes:
    """Return the text, a blank line, and a signature line for each signer."""
    _check_text(text)
    lines = [signer.signature_line(text, timestamp_seconds=timestamp_seconds) for signer in signers]
    if not lines:
        raise NoteError("a note has at least one signature")
    return (text + "\n" + "".join(lines)).encode()


def parse_note(data: bytes) -> Note:
    """Return a note's text and signature lines, all unverified. Rejects malformed bytes with `NoteError`."""
    if len(data) > NOTE_BYTES_MAX:
        raise NoteError(f"a note has at most {NOTE_BYTES_MAX} bytes, not {len(data)}")
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("a note is UTF-8 text") from None
    split = decoded.rfind("\n\n")  # the text may hold empty lines: the last one separates
    if split < 0:
        raise NoteError("a note has a blank line between its text and its signatures")
    text, signed = decoded[: split + 1], decoded[split + 2 :]
    _check_text(text)
    if not signed.endswith("\n"):
        raise NoteError("a note ends in a signature line and a newline")
    lines = signed[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NoteError(f"a note has at most {SIGNATURES_MAX} signatures, not {len(lines)}")
    return Note(text, tuple(parse_signature_line(line) for line in lines))


def parse_signature_line(line: str) -> NoteSignature:
    """Return one signature line, given without its newline."""
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator:
        raise NoteError(f"not a signature line: {line[:100]!r}")
    _check_name(name)
    signature = decode_base64(encoded)
    if len(signature) < 5:
        raise NoteError(f"the signature of {name!r} is too short: {len(signature)} bytes")
    return NoteSignature(name=name, key_id=signature[:4], signature=signature[4:])


def verify_note(data: bytes, verifiers: Iterable[VerifierKey]) -> VerifiedNote:
    """Return the text with the known keys that signed it, each key once.

    Rejects with `NoteError` a note with no signature by a known key, or with a false one.
    """
    note = parse_note(data)
    known = {(key.name, key.key_id): key for key in verifiers}
    verified: dict[VerifierKey, NoteSignature] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not key.is_valid(note.text, signature.signature):
            raise NoteError(f"the signature of {key.name!r} does not verify")
        verified.setdefault(key, signature)
    if not verified:
        raise NoteError(f"none of the {len(note.signatures)} signatures is by a known key")
    return VerifiedNote(note.text, tuple(verified.items()))


def add_signatures(data: bytes, lines: Iterable[str]) -> bytes:
    """Return a note with more signature lines below it, such as witnesses'. Verifies nothing."""
    parse_note(data)
    signed = data + "".join(lines).encode()
    parse_note(signed)
    return signed


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("a note's text ends in a newline")
    if any(character < " " and character != "\n" for character in text):
        raise NoteError("a note has no control character but newline")


def _cosigned(text: str, timestamp_seconds: int) -> bytes:
    """Return the bytes a witness signs (C2SP tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {timestamp_seconds}\n{text}".encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard base64 (RFC 4648 §4), padded and with zero trailing bits only."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError(f"not base64: {text[:100]!r}") from None
    if _base64(data) != text:
        raise NoteError(f"not canonical base64: {text[:100]!r}")
    return data
