"""Genesis: the one document from which, with the log, everything follows.

It names the ledger, its operator and log key, the opening rule, the limits and the protocol version. Its
canonical JSON is entry 0 of the log, and the ledger's id is its SHA-256, so no transaction signed for one
ledger means anything on another.
"""

import re
from typing import Literal

import msgspec

from tallystick.crypto import sha256
from tallystick.ledger.accounts import check_keys
from tallystick.ledger.names import check_name, check_reference
from tallystick.ledger.records import Account, Clock, Count, Limits, Time
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Key, Value

_is_vkey = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*").fullmatch
"""The shape of a C2SP signed-note verifier key; whether it is one is for whoever verifies a checkpoint."""

OpeningRule = Literal["anyone", "sponsor", "invitation"]


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The founding document. `time` is microseconds UTC; `log_key` the checkpoint verifier key (vkey)."""

    name: str
    time: Time
    protocol: Count
    opening: OpeningRule
    operator: str
    operator_keys: tuple[bytes, ...]
    operator_threshold: Count
    log_key: str
    limits: Limits


def encode_genesis(genesis: Genesis) -> bytes:
    """Return the canonical JSON of genesis."""
    return msgspec.json.encode(genesis, order="deterministic")


def decode_genesis(data: bytes) -> Genesis:
    """Return genesis, checked. Rejections: `malformed`, `not_canonical`, `name_invalid`, `keys_invalid`."""
    try:
        genesis = msgspec.json.decode(data, type=Genesis)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Rejection(Code.MALFORMED, reason=f"genesis: {error}"[:200]) from None
    if encode_genesis(genesis) != data:
        raise Rejection(Code.NOT_CANONICAL, part="genesis")
    check_reference(genesis.name)
    check_name(genesis.operator)
    check_keys(genesis.operator_keys, genesis.operator_threshold)
    if genesis.time == 0 or genesis.protocol == 0 or not _is_vkey(genesis.log_key):
        raise Rejection(Code.MALFORMED, reason="genesis: a time, a protocol and a log key (vkey) are needed")
    return genesis


def ledger_id(genesis_bytes: bytes) -> str:
    """Return the ledger's id: the SHA-256 of its genesis document, in hex."""
    return sha256(genesis_bytes).hex()


def genesis_writes(genesis_bytes: bytes) -> dict[Key, Value]:
    """Return the state before the first batch. Rejections: those of `decode_genesis`."""
    genesis = decode_genesis(genesis_bytes)
    return {
        ("genesis",): ledger_id(genesis_bytes),
        ("protocol",): genesis.protocol,
        ("clock",): Clock(height=0, time=genesis.time),
        ("limits",): genesis.limits,
        ("opening",): genesis.opening,
        ("operator",): genesis.operator,
        ("account", genesis.operator): Account(
            keys=genesis.operator_keys, threshold=genesis.operator_threshold
        ),
    }
