"""The keyring: a person's or bank's keys, in one file, sealed together by one password.

    {"format": "tallystick-keys-v1",
     "keys": {"alice": "did:key:z6Mk…", "alice#laptop": "did:key:z6Mk…"},
     "sealed": "<base64>"}

A key's name is the account that it signs for, or that name, `#` and a label where an account has several.
Names and public keys lie open, so that listing them asks for no password; what they say is compared with the
sealed seeds whenever the file is opened, so that nobody can swap a public key under a familiar name.

The rule that must hold: a keyring on disk is always whole, the old one or the new. Each change is written to
a file beside it, made durable and renamed. Refused: one file a key, of which a backup forgets some.
"""

import base64
import binascii
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tallystick.client.errors import ClientError
from tallystick.crypto import SEED_BYTES, SealStrength, Signer, did_key, generate_seed, seal, unseal

FORMAT: Final = "tallystick-keys-v1"
FILE_BYTES_MAX: Final = 64 * 1_048_576

_is_key_name = re.compile(r"[a-z0-9][a-z0-9./-]{0,96}(#[a-z0-9][a-z0-9.-]{0,47})?", re.ASCII).fullmatch


class KeyringError(ClientError):
    """A wrong password, an altered file, a name that is unknown, taken or malformed."""


class Keyring:
    """An opened keyring. Every change is on disk when the method returns."""

    def __init__(
        self, path: Path, password: str, seeds: Mapping[str, bytes], *, strength: SealStrength, stored: bytes
    ) -> None:
        """Use `create` or `open`."""
        self.path = path
        self._password = password
        self._strength = strength
        self._seeds = dict(seeds)
        self._signers: dict[str, Signer] = {}
        self._stored = stored

    @classmethod
    def create(
        cls, path: Path, password: str, *, strength: SealStrength = SealStrength.INTERACTIVE
    ) -> "Keyring":
        """Write an empty keyring. Refuses to replace a file."""
        if not password:
            raise KeyringError("a keyring needs a password")
        if path.exists():
            raise KeyringError(f"{path} exists", hint="open it, or choose another path")
        keyring = cls(path, password, {}, strength=strength, stored=b"")
        keyring._save({})
        return keyring

    @classmethod
    def open(
        cls, path: Path, password: str, *, strength: SealStrength = SealStrength.INTERACTIVE
    ) -> "Keyring":
        """Return the keyring in a file, checked; `strength` is for what is written from now on."""
        stored = _read(path)
        listed, sealed = _parse(stored, path)
        try:
            plain = unseal(sealed, password)
        except ValueError as error:
            raise KeyringError(f"{path}: {error}") from None
        seeds = _parse_seeds(plain, path)
        if {name: did_key(Signer(seed).public_key) for name, seed in seeds.items()} != listed:
            raise KeyringError(f"{path}: the public keys listed are not those of the sealed seeds")
        return cls(path, password, seeds, strength=strength, stored=stored)

    @property
    def names(self) -> list[str]:
        """The keys' names, sorted."""
        return sorted(self._seeds)

    def __contains__(self, name: str) -> bool:
        return name in self._seeds

    def did(self, name: str) -> str:
        """Return a key's public name, `did:key:z6Mk…`."""
        return did_key(self.signer(name).public_key)

    def public_key(self, name: str) -> bytes:
        """Return a key's 32 public bytes."""
        return self.signer(name).public_key

    def signer(self, name: str) -> Signer:
        """Return the key to sign with."""
        found = self._signers.get(name)
        if found is None:
            found = self._signers[name] = Signer(self._seed(name))
        return found

    def signers_of(self, account: str, *, public_keys: Collection[bytes] | None = None) -> list[Signer]:
        """Return the account's keys in this ring, by name; with `public_keys`, only those the ledger lists.

        Where the ledger's list is given, keys of any name count: a name is a convenience, a key is a fact.
        """
        if public_keys is not None:
            signers = [self.signer(name) for name in self.names]
            return [signer for signer in signers if signer.public_key in public_keys]
        return [self.signer(name) for name in self.names if name.partition("#")[0] == account]

    def new(self, *names: str) -> list[str]:
        """Make a key for each name and return their did:keys."""
        self.add({name: generate_seed() for name in names})
        return [self.did(name) for name in names]

    def add(self, seeds: Mapping[str, bytes]) -> None:
        """Add keys by their seeds: all of them or none."""
        for name, seed in seeds.items():
            _check_name(name)
            if name in self._seeds:
                raise KeyringError(f"the key {name!r} exists", hint="add a label, as in alice#laptop")
            if len(seed) != SEED_BYTES:
                raise KeyringError(f"the seed of {name!r} has {len(seed)} bytes, not {SEED_BYTES}")
        self._save({**self._seeds, **seeds})

    def remove(self, name: str) -> None:
        """Forget a key. What it alone controls is then out of reach for ever."""
        self._seed(name)
        self._save({kept: seed for kept, seed in self._seeds.items() if kept != name})

    def rename(self, name: str, new_name: str) -> None:
        """Give a key another name."""
        _check_name(new_name)
        seed = self._seed(name)
        if new_name in self._seeds:
            raise KeyringError(f"the key {new_name!r} exists")
        self._save({kept: old for kept, old in self._seeds.items() if kept != name} | {new_name: seed})

    def export_seed(self, name: str) -> bytes:
        """Return a key's 32 secret bytes: whoever has them is the account."""
        return self._seed(name)

    def change_password(self, password: str) -> None:
        """Seal everything under another password."""
        if not password:
            raise KeyringError("a keyring needs a password")
        before, self._password = self._password, password
        try:
            self._save(self._seeds)
        except BaseException:
            self._password = before
            raise

    def _seed(self, name: str) -> bytes:
        seed = self._seeds.get(name)
        if seed is None:
            raise KeyringError(f"no key {name[:100]!r} in {self.path}", hint=_known(self.names))
        return seed

    def _save(self, seeds: Mapping[str, bytes]) -> None:
        """Write the file, then believe it."""
        if self._stored and _read(self.path) != self._stored:
            raise KeyringError(f"{self.path} was changed by somebody else", hint="open it again")
        ordered = sorted(seeds.items())
        plain = json.dumps({name: seed.hex() for name, seed in ordered}).encode()
        document = {
            "format": FORMAT,
            "keys": {name: did_key(Signer(seed).public_key) for name, seed in ordered},
            "sealed": base64.b64encode(seal(plain, self._password, strength=self._strength)).decode(),
        }
        stored = (json.dumps(document, indent=1) + "\n").encode()
        try:
            write_private(self.path, stored)
        except OSError as error:
            raise KeyringError(f"cannot write {self.path}: {error.strerror}") from error
        self._stored = stored
        self._seeds = dict(seeds)
        self._signers = {}


def list_keys(path: Path) -> dict[str, str]:
    """Return the names and did:keys that a keyring lists, without its password and so unverified."""
    return _parse(_read(path), path)[0]


def write_private(path: Path, data: bytes) -> None:
    """Replace a file at once by one that only its owner may read, durable before it gets its name."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise KeyringError(f"{path} is too large for a keyring")
        return path.read_bytes()
    except FileNotFoundError:
        raise KeyringError(f"no keyring at {path}", hint="make one with `tallystick keys new`") from None
    except OSError as error:
        raise KeyringError(f"cannot read {path}: {error.strerror}") from error


def _parse(stored: bytes, path: Path) -> tuple[dict[str, str], bytes]:
    """Return the listing and the sealed seeds."""
    document = _load(stored, path)
    if document.get("format") != FORMAT or document.keys() != {"format", "keys", "sealed"}:
        raise KeyringError(f"{path} is not a keyring of format {FORMAT}")
    listed, sealed = document["keys"], document["sealed"]
    if not isinstance(listed, dict) or not all(isinstance(did, str) for did in listed.values()):
        raise KeyringError(f"{path}: the list of keys is malformed")
    try:
        return listed, base64.b64decode(sealed, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise KeyringError(f"{path}: the sealed seeds are not base64") from None


def _parse_seeds(plain: bytes, path: Path) -> dict[str, bytes]:
    try:
        seeds = {name: bytes.fromhex(seed) for name, seed in _load(plain, path).items()}
    except (TypeError, ValueError):
        raise KeyringError(f"{path}: the sealed seeds are malformed") from None
    for name, seed in seeds.items():
        _check_name(name)
        if len(seed) != SEED_BYTES:
            raise KeyringError(f"{path}: the seed of {name!r} has {len(seed)} bytes, not {SEED_BYTES}")
    return seeds


def _load(data: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise KeyringError(f"{path} is not JSON") from None
    if not isinstance(document, dict):
        raise KeyringError(f"{path} is not a JSON object")
    return document


def _check_name(name: str) -> None:
    if not _is_key_name(name):
        raise KeyringError(f"{name[:60]!r} cannot name a key", hint="an account's name, or alice#laptop")


def _known(names: Iterable[str]) -> str:
    listed = list(names)
    return (
        f"it has {', '.join(listed[:8])}{' and others' if len(listed) > 8 else ''}"
        if listed
        else "it is empty"
    )
