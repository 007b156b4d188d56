"""Proof files: what a stranger needs to check a receipt or a balance, with nothing but a public key.

Each is JSON around a C2SP proof of inclusion, with the bytes that it is about beside it:

    {"format": "tallystick-receipt-proof-v1", "leaf", "envelope", "receipt", "proof"}
    {"format": "tallystick-balance-proof-v1", "key", "value", "state_proof", "root_leaf", "proof"}

`leaf`, `envelope`, `receipt`, `state_proof` and `root_leaf` are base64; `key` and `value` are the state's own
JSON, with `value` null where the key holds nothing; `proof` is the text of the tlog-proof file.
Everything is of the newest checkpoint, with whatever cosignatures it has by then; a receipt's may be of the
newest that witnesses cosigned, for they take their time. A balance is proved as it stood at that checkpoint's
root, not as it stands this moment.

Refused: answering for an entry that no checkpoint covers yet. Nothing has been signed about it.
"""

from typing import Final

import msgspec

from tallystick.ledger.encoding import encode_key, encode_value, is_committed
from tallystick.ledger.store import Key
from tallystick.log.proof import LogProof
from tallystick.log.tree import consistency_proof, inclusion_proof
from tallystick.log.witness import AddCheckpoint
from tallystick.node.entries import Entry
from tallystick.node.faults import NotFound, NotSigned, NotYet
from tallystick.node.ledger_file import LedgerFile
from tallystick.node.log_tree import log_hash_reader

RECEIPT_FORMAT: Final = "tallystick-receipt-proof-v1"
BALANCE_FORMAT: Final = "tallystick-balance-proof-v1"


class _ReceiptProof(msgspec.Struct, frozen=True):
    format: str
    leaf: bytes
    envelope: bytes
    receipt: bytes
    proof: str


class _BalanceProof(msgspec.Struct, frozen=True):
    format: str
    key: msgspec.Raw
    value: msgspec.Raw
    state_proof: bytes
    root_leaf: bytes
    proof: str


def receipt_proof(ledger: LedgerFile, index: int, *, cosigned: bool = False) -> bytes:
    """Return the proof file of an entry, in the newest checkpoint, or the newest that is `cosigned`.

    Raises `NotSigned` before such a checkpoint covers it, `NotFound` where none was ever cosigned.
    """
    entry = ledger.entry(index)
    proof = _inclusion(ledger, index, cosigned=cosigned)
    return msgspec.json.encode(
        _ReceiptProof(RECEIPT_FORMAT, entry.leaf, entry.envelope, entry.receipt, proof)
    )


def balance_proof(ledger: LedgerFile, account: str, asset: str) -> bytes:
    """Return the proof file of a balance at the newest checkpoint; none at all is proved like any other.

    Rejections: `unknown_account`, `unknown_asset`. Raises `NotSigned` before there is a checkpoint.
    """
    ledger.check_account(account)
    ledger.check_asset(asset)
    return state_proof(ledger, ("balance", account, asset))


def state_proof(ledger: LedgerFile, key: Key) -> bytes:
    """Return the proof file of what any key of the state held at the newest checkpoint, if anything.

    Raises `NotSigned` before there is a checkpoint, `NotFound` for a key that the root does not commit to.
    """
    if not is_committed(key):
        raise NotFound(f"the state root has no leaf for {key}")
    root_entry = _root_entry(ledger)
    key_bytes = encode_key(key)
    value = ledger.commitment.committed_value(key)
    return msgspec.json.encode(
        _BalanceProof(
            BALANCE_FORMAT,
            msgspec.Raw(key_bytes),
            msgspec.Raw(encode_value(value)),  # None is null
            ledger.commitment.prove(key_bytes),
            root_entry.leaf,
            _inclusion(ledger, root_entry.index),
        )
    )


def _root_entry(ledger: LedgerFile) -> Entry:
    """Return the newest root entry, which the state tree must still stand at."""
    root = ledger.last_root
    if root is None or root.state_root != ledger.commitment.root:
        # The tree moves on just before a root is written: if that failed, it is ahead of the log.
        raise NotSigned(index=ledger.size - 1, signed=root.index if root else 0)
    return ledger.entry(root.index)


def _inclusion(ledger: LedgerFile, index: int, *, cosigned: bool = False) -> str:
    """Return the tlog-proof text of an entry in the newest checkpoint, or the newest that is `cosigned`."""
    newest = ledger.journal.cosigned() if cosigned else ledger.journal.checkpoint()
    if cosigned and newest is None:
        raise NotFound("no witness cosigned a checkpoint yet")
    size = newest[0] if newest is not None else 0
    if newest is None or index >= size:
        raise NotSigned(index=index, signed=size)
    read_hash = log_hash_reader(ledger.journal, tree_size=size)
    hashes = inclusion_proof(read_hash, leaf_index=index, tree_size=size)
    return LogProof(index=index, hashes=tuple(hashes), checkpoint=newest[1]).encode().decode()


def witness_request(ledger: LedgerFile, *, old_size: int) -> bytes:
    """Return the add-checkpoint request that shows a witness, which saw `old_size` entries, the newest.

    Raises `NotFound` without a checkpoint, `NotYet` if the witness saw more than there is.
    """
    newest = ledger.journal.checkpoint()
    if newest is None:
        raise NotFound("there is no checkpoint to cosign")
    size, note = newest
    if old_size > size:
        raise NotYet("size", asked=old_size, reached=size)
    read_hash = log_hash_reader(ledger.journal, tree_size=size)
    hashes = consistency_proof(read_hash, old_size=old_size, new_size=size) if 0 < old_size < size else []
    return AddCheckpoint(old_size=old_size, proof=tuple(hashes), checkpoint=note).encode()
