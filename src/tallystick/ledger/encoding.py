"""Encoding: the one byte form of each key and value of the state.

The state root commits to these bytes and snapshots are made of them. A key is the JSON array of its parts,
a value the JSON of its record, which msgspec writes without spaces and in field order. Decoding needs the
type, which the key's table gives: system tables are listed in `records`, a contract's tables in its class.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tallystick.ledger.contract import Contract
from tallystick.ledger.records import SYSTEM_TABLES, Instance
from tallystick.ledger.store import CONTRACT_MARK, IDS, Key, Value

_encoder = msgspec.json.Encoder(order="deterministic")
encode_key: Callable[[Key], bytes] = _encoder.encode
encode_value: Callable[[Value], bytes] = _encoder.encode
_decode_pairs = msgspec.json.Decoder(list[tuple[msgspec.Raw, msgspec.Raw]]).decode


def encode_pairs(pairs: Sequence[tuple[Key, Value]]) -> bytes:
    """Return keys with values, `None` for what is gone, as one JSON array: a call for thousands of them."""
    return _encoder.encode(pairs)


def split_pairs(data: bytes) -> list[tuple[bytes, bytes | None]]:
    """Return what `encode_pairs` joined: each key and value in the very bytes that encode it alone."""
    return [
        (bytes(key), None if (encoded := bytes(value)) == b"null" else encoded)
        for key, value in _decode_pairs(data)
    ]


def is_committed(key: Key) -> bool:
    """Tell whether the state tree has a leaf for this key; ids are committed by their running hashes."""
    return bool(key[0] != IDS)


@lru_cache(maxsize=4096)
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def decode_pair(
    key_bytes: bytes,
    value_bytes: bytes,
    *,
    instance: Callable[[str], Instance],
    contracts: Mapping[tuple[str, int], Contract],
) -> tuple[Key, Value]:
    """Return the pair that was encoded. `instance` tells what kind a contract is, to know its tables.

    Raises `msgspec.ValidationError` or `KeyError` on bytes that no state contains.
    """
    parts = msgspec.json.decode(key_bytes)
    namespace = parts[0]
    key = tuple(parts)
    if namespace.endswith(CONTRACT_MARK):
        found = instance(namespace[: -len(CONTRACT_MARK)])
        shape = contracts[found.kind, found.version].tables[parts[1]].value
    else:
        shape = SYSTEM_TABLES[namespace]
    return key, _decoder(shape).decode(value_bytes)
