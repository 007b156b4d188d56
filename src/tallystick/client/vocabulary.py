"""The vocabulary: genesis, records, receipts, rejections, keys, checkpoints and witnesses for commands.

Commands reach the core and the log through the client alone; these are their own names under one roof.
"""

from tallystick.crypto import Signer, did_key, generate_seed, public_key_from_did, sha256
from tallystick.ledger.contract import to_wire
from tallystick.ledger.genesis import Genesis, decode_genesis, encode_genesis, ledger_id
from tallystick.ledger.names import check_name, check_reference
from tallystick.ledger.receipts import WireReceipt, decode_receipt, encode_receipt
from tallystick.ledger.records import Account, Asset, Institution, Limits, Lot, Mandate
from tallystick.ledger.records import Hold as OpenHold
from tallystick.ledger.rejections import Code, InvariantViolation, LedgerError, Rejection
from tallystick.ledger.transactions import (
    Transaction,
    decode_envelope,
    decode_payload,
    encode_envelope,
    encode_transaction,
)
from tallystick.log.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from tallystick.log.leaf import EntryKind, Leaf
from tallystick.log.note import (
    Algorithm,
    NoteError,
    SigningKey,
    VerifierKey,
    add_signatures,
    parse_note,
    parse_skey,
    parse_vkey,
    verify_note,
)
from tallystick.log.proof import LogProof
from tallystick.log.tree import ProofError
from tallystick.log.witness import (
    AddCheckpoint,
    Quorum,
    QuorumError,
    TreeHead,
    Witness,
    WitnessError,
    verify_cosigned,
)
from tallystick.protocol import KINDS
from tallystick.protocol import VERSION as PROTOCOL_VERSION

__all__ = [
    "KINDS",
    "PROTOCOL_VERSION",
    "Account",
    "AddCheckpoint",
    "Algorithm",
    "Asset",
    "Checkpoint",
    "Code",
    "EntryKind",
    "Genesis",
    "Institution",
    "InvariantViolation",
    "Leaf",
    "LedgerError",
    "Limits",
    "LogProof",
    "Lot",
    "Mandate",
    "NoteError",
    "OpenHold",
    "ProofError",
    "Quorum",
    "QuorumError",
    "Rejection",
    "Signer",
    "SigningKey",
    "Transaction",
    "TreeHead",
    "VerifierKey",
    "WireReceipt",
    "Witness",
    "WitnessError",
    "add_signatures",
    "check_name",
    "check_reference",
    "decode_envelope",
    "decode_genesis",
    "decode_payload",
    "decode_receipt",
    "did_key",
    "encode_envelope",
    "encode_genesis",
    "encode_receipt",
    "encode_transaction",
    "generate_seed",
    "ledger_id",
    "parse_checkpoint",
    "parse_note",
    "parse_skey",
    "parse_vkey",
    "public_key_from_did",
    "sha256",
    "to_wire",
    "verify_checkpoint",
    "verify_cosigned",
    "verify_note",
]
