"""Offline proofs: one file and a public key against the world.

    receipt   {"format": "tallystick-receipt-proof-v1", "leaf", "envelope", "receipt": base64,
               "proof": the C2SP tlog-proof text of the leaf}
    balance   {"format": "tallystick-balance-proof-v1", "key": […], "value": … or null,
               "state_proof": base64, "root_leaf": base64, "proof": the tlog-proof text of the root leaf}

A receipt proof shows that an entry with this envelope and this receipt stands in the log, and that those who
had to sign the envelope did. A balance proof shows what a key of the state held when a root entry was made:
bucket path, root leaf, inclusion, checkpoint. Each needs nothing but the file and the log's vkey (and, if one
asks for witnesses, theirs); no server, no ledger file, no clock.

The rule that must hold: every field is bound to the signed root. What nothing binds, such as the `extra` line
that tlog-proof allows, is refused rather than ignored. Neither proof says that the log followed its rules:
that is `verify`'s question, or a witness's who asked it.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import msgspec

from tallystick.client.amounts import format_count
from tallystick.client.errors import ClientError
from tallystick.client.log_key import read_log_key
from tallystick.client.times import format_time
from tallystick.crypto import sha256
from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.ledger.receipts import WireReceipt, decode_receipt
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.transactions import Transaction, authenticate
from tallystick.log.checkpoint import Checkpoint
from tallystick.log.leaf import EMPTY_ENVELOPE_HASH, EntryKind, Leaf
from tallystick.log.note import NoteError, decode_base64
from tallystick.log.proof import LogProof, verify_log_proof
from tallystick.log.state_tree import verify_state_proof
from tallystick.log.tree import ProofError
from tallystick.log.witness import Quorum, QuorumError

RECEIPT_PROOF: Final = "tallystick-receipt-proof-v1"
BALANCE_PROOF: Final = "tallystick-balance-proof-v1"
PROOF_BYTES_MAX: Final = 64 * 1_048_576


class ProofFailed(ClientError):
    """The file does not show what it claims."""


@dataclass(frozen=True, kw_only=True)
class _Proven:
    """What both kinds of proof show: an entry under a checkpoint."""

    leaf: Leaf
    checkpoint: Checkpoint
    quorum: Quorum | None

    def under(self) -> str:
        """Return the words for whose signature all of it stands under."""
        witnesses = ""
        if self.quorum is not None:
            witnesses = (
                f", cosigned by {self.quorum.threshold} of your {len(self.quorum.witnesses)} witnesses"
            )
        entries = format_count(self.checkpoint.tree_size, "entry", "entries")
        return f"checkpoint of {entries} of {self.checkpoint.origin}{witnesses}"


@dataclass(frozen=True, kw_only=True)
class ProvenReceipt(_Proven):
    """A receipt that stands in the log. `transaction` is None for a batch's timers."""

    receipt: WireReceipt
    transaction: Transaction | None
    signers: frozenset[bytes]

    def sentence(self) -> str:
        """Return the one line that says what was proven."""
        if self.transaction is None:
            what = "the receipt of its batch's due timers"
        else:
            what = (
                f"transaction {self.receipt.id} of {self.receipt.sender},"
                f" signed by {format_count(len(self.signers), 'key')},"
                f" with {format_count(len(self.receipt.postings), 'posting')}"
            )
        return (
            f"entry {self.leaf.index} of {format_time(self.leaf.time_us)} is {what};"
            f" it stands under the {self.under()}"
        )


@dataclass(frozen=True, kw_only=True)
class ProvenBalance(_Proven):
    """What a key of the state held at a root entry; `value` is None where it held nothing."""

    key: tuple[Any, ...]
    value: Any

    def sentence(self) -> str:
        """Return the one line that says what was proven."""
        if self.key[0] == "balance" and len(self.key) == 3:
            what = f"{self.key[1]} had {self.value or 0} units of {self.key[2]}"
        elif self.value is None:
            what = f"the state had nothing at {json.dumps(self.key)}"
        else:
            what = f"the state had {json.dumps(self.value)} at {json.dumps(self.key)}"
        return (
            f"at {format_time(self.leaf.time_us)}, batch {self.leaf.height}, {what};"
            f" entry {self.leaf.index} says so under the {self.under()}"
        )


# ------------------------------------------------------------------------------------------- writing


def encode_receipt_proof(*, leaf: bytes, envelope: bytes, receipt: bytes, proof: LogProof) -> bytes:
    """Return the file of a receipt proof."""
    return _encode(
        {
            "format": RECEIPT_PROOF,
            "leaf": _base64(leaf),
            "envelope": _base64(envelope),
            "receipt": _base64(receipt),
            "proof": proof.encode().decode(),
        }
    )


def encode_balance_proof(
    *, key: tuple[Any, ...], value: Any, state_proof: bytes, root_leaf: bytes, proof: LogProof
) -> bytes:
    """Return the file of a balance proof; `value` is the record itself, None where there is none."""
    return _encode(
        {
            "format": BALANCE_PROOF,
            "key": list(key),
            "value": None if value is None else json.loads(encode_value(value)),
            "state_proof": _base64(state_proof),
            "root_leaf": _base64(root_leaf),
            "proof": proof.encode().decode(),
        }
    )


def _encode(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


# ----------------------------------------------------------------------------------------- verifying


def verify_proof(data: bytes, *, log_key: str, quorum: Quorum | None = None) -> ProvenReceipt | ProvenBalance:
    """Return what a proof file of either kind shows. Raises `ProofFailed`."""
    kind = _load(data).get("format")
    if kind == RECEIPT_PROOF:
        return verify_receipt_proof(data, log_key=log_key, quorum=quorum)
    if kind == BALANCE_PROOF:
        return verify_balance_proof(data, log_key=log_key, quorum=quorum)
    raise ProofFailed(
        f"a proof file of the format {str(kind)[:60]!r}", hint=f"{RECEIPT_PROOF} or {BALANCE_PROOF}"
    )


def verify_receipt_proof(data: bytes, *, log_key: str, quorum: Quorum | None = None) -> ProvenReceipt:
    """Return the receipt that a file proves, given the log's vkey. Raises `ProofFailed`."""
    fields = _fields(data, RECEIPT_PROOF, ("leaf", "envelope", "receipt", "proof"))
    leaf_bytes, envelope, receipt_bytes = (_bytes(fields, name) for name in ("leaf", "envelope", "receipt"))
    leaf, checkpoint = _check_inclusion(leaf_bytes, fields["proof"], log_key, quorum)
    if sha256(envelope) != leaf.envelope_hash:
        raise ProofFailed(f"the envelope is not the one that entry {leaf.index} commits to")
    if leaf.kind not in (EntryKind.TRANSACTION, EntryKind.TIMERS):
        raise ProofFailed(f"entry {leaf.index} is a {leaf.kind.name.lower()} entry, which has no receipt")
    if sha256(receipt_bytes) != leaf.receipt_hash:
        raise ProofFailed(f"the receipt is not the one that entry {leaf.index} commits to")
    try:
        receipt = decode_receipt(receipt_bytes)
        authentic = authenticate(envelope) if leaf.kind is EntryKind.TRANSACTION else None
    except (msgspec.MsgspecError, Rejection) as error:
        raise ProofFailed(f"entry {leaf.index} holds no transaction with a receipt: {error}") from None
    transaction = None if authentic is None else authentic.transaction
    named = ("", "") if transaction is None else (transaction.sender, transaction.id)
    if (receipt.index, receipt.height, receipt.time) != (leaf.index, leaf.height, leaf.time_us):
        raise ProofFailed(f"the receipt is of entry {receipt.index}, batch {receipt.height}, not the leaf's")
    if (receipt.sender, receipt.id) != named:
        raise ProofFailed(f"the receipt is of {receipt.id} of {receipt.sender}, not the envelope's")
    return ProvenReceipt(
        leaf=leaf,
        checkpoint=checkpoint,
        quorum=quorum,
        receipt=receipt,
        transaction=transaction,
        signers=frozenset() if authentic is None else authentic.signers,
    )


def verify_balance_proof(data: bytes, *, log_key: str, quorum: Quorum | None = None) -> ProvenBalance:
    """Return what a key held at a root entry, given the log's vkey. Raises `ProofFailed`."""
    fields = _fields(data, BALANCE_PROOF, ("key", "value", "state_proof", "root_leaf", "proof"))
    key, value = fields["key"], fields["value"]
    if not isinstance(key, list) or not key or not all(type(part) in (str, int) for part in key):
        raise ProofFailed("a key is a list of texts and whole numbers")
    leaf, checkpoint = _check_inclusion(_bytes(fields, "root_leaf"), fields["proof"], log_key, quorum)
    if leaf.kind is not EntryKind.ROOT or leaf.envelope_hash != EMPTY_ENVELOPE_HASH:
        raise ProofFailed(f"entry {leaf.index} is a {leaf.kind.name.lower()} entry, not a state root")
    try:
        verify_state_proof(
            root=leaf.receipt_hash,
            key=encode_key(tuple(key)),
            value=None if value is None else encode_value(value),
            proof=_bytes(fields, "state_proof"),
        )
    except ProofError as error:
        raise ProofFailed(f"at {json.dumps(key)}: {error}") from None
    return ProvenBalance(leaf=leaf, checkpoint=checkpoint, quorum=quorum, key=tuple(key), value=value)


def _check_inclusion(entry: bytes, text: Any, log_key: str, quorum: Quorum | None) -> tuple[Leaf, Checkpoint]:
    """Return the leaf and the checkpoint that it verifiably stands under."""
    if not isinstance(text, str):
        raise ProofFailed("the log proof is not a text")
    try:
        leaf = Leaf.decode(entry)
        proof = LogProof.decode(text.encode())
        if proof.extra is not None or proof.encode() != text.encode():
            raise ProofFailed("the log proof carries what nothing binds, such as an `extra` line")
        if proof.index != leaf.index:
            raise ProofFailed(f"a proof for entry {proof.index} beside the leaf of entry {leaf.index}")
        checkpoint = verify_log_proof(proof, entry=entry, log_key=read_log_key(log_key), quorum=quorum)
    except (ProofError, NoteError, QuorumError, ValueError) as error:
        raise ProofFailed(str(error)) from None
    return leaf, checkpoint


def _fields(data: bytes, kind: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of a proof file: these and no others."""
    document = _load(data)
    if document.get("format") != kind:
        raise ProofFailed(f"a proof file of the format {str(document.get('format'))[:60]!r}, not {kind}")
    if document.keys() != {"format", *names}:
        odd = sorted(document.keys() ^ {"format", *names})
        raise ProofFailed(f"a proof file with other fields: {', '.join(odd)[:200]}")
    return document


def _load(data: bytes) -> dict[str, Any]:
    if len(data) > PROOF_BYTES_MAX:
        raise ProofFailed(f"a proof file of {len(data)} bytes")
    try:
        document = json.loads(
            data, object_pairs_hook=_unique, parse_float=_refuse_number, parse_constant=_refuse_number
        )
    except (ValueError, RecursionError) as error:
        raise ProofFailed(f"not a proof file: {error}") from None
    if not isinstance(document, dict):
        raise ProofFailed("a proof file is a JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no whole number")


def _bytes(fields: dict[str, Any], name: str) -> bytes:
    text = fields[name]
    try:
        return decode_base64(text)
    except (NoteError, TypeError, AttributeError):
        raise ProofFailed(f"the field {name} is not base64") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
