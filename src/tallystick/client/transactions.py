"""Building and signing: from actions to an envelope that any number of parties sign in turn.

    build  ->  transaction  ->  sign  ->  envelope  ->  sign  ->  envelope  ->  submit

An envelope is a file. Each party reads it, sees in words what it would do (`describe`), signs the same
payload bytes and passes it on; the order in which they sign leaves no trace, because signatures are sorted by
key. The rule that must hold: nobody signs below a signature that does not verify, for one bad signature has
the whole envelope refused.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from tallystick.client.errors import ClientError
from tallystick.crypto import Signer, is_valid_signature
from tallystick.ledger.amounts import MICROSECONDS
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import (
    Action,
    NetLimit,
    Transaction,
    decode_envelope,
    decode_payload,
    encode_envelope,
    encode_transaction,
    signing_bytes,
)

VALID_SECONDS = 300
"""How long a transaction may wait for its batch unless somebody says otherwise."""


_BORROWED_MAX = 1_000
"""Milliseconds that ids may run ahead of the clock; one further back is another clock, and starts anew."""


class TransactionError(ClientError):
    """A file that is no transaction, or that nobody should sign."""


class Ids:
    """A maker of UUIDv7s (RFC 9562 §5.7), each greater than the one before.

    The twelve bits after the version count within a millisecond (§6.2, method 1), starting in their lower
    half. `random_bytes` may be replaced by a seeded source, so that a demonstration has the same ids twice.
    """

    def __init__(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._random_bytes = random_bytes
        self._lock = Lock()
        self._millisecond = -1
        self._counter = 0

    def new(self, now_us: int) -> str:
        """Return a new id for a transaction of that time."""
        with self._lock:
            millisecond = now_us // 1000
            if millisecond <= self._millisecond <= millisecond + _BORROWED_MAX:
                millisecond = self._millisecond
                self._counter += 1
            else:
                self._counter = int.from_bytes(self._random_bytes(2), "big") & 0x7FF
            if self._counter > 0xFFF:  # over 2,048 in one millisecond: borrow the next
                millisecond += 1
                self._counter = 0
            self._millisecond = millisecond
            tail = int.from_bytes(self._random_bytes(8), "big") & (1 << 62) - 1 | 1 << 63
            digits = f"{millisecond:012x}7{self._counter:03x}{tail:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


new_id = Ids().new
"""Return a new id: `new_id(now_us)`."""


def build(
    ledger_id: str,
    sender: str,
    actions: Sequence[Action],
    *,
    now: int,
    valid_seconds: int = VALID_SECONDS,
    once: str | None = None,
    limits: Iterable[NetLimit] = (),
    transaction_id: str | None = None,
) -> Transaction:
    """Return an unsigned transaction; `now` is microseconds UTC by the ledger's clock.

    One that is to live longer than ten minutes needs `once`, or the ledger would forget its id first.
    """
    if valid_seconds <= 0:
        raise TransactionError(f"a transaction is valid for some seconds, not {valid_seconds}")
    if valid_seconds > 600 and once is None:
        raise TransactionError(
            f"a transaction valid for {valid_seconds} s needs a `once` key",
            hint="give it one, such as the invoice's number, or at most 600 s",
        )
    return Transaction(
        ledger=ledger_id,
        id=new_id(now) if transaction_id is None else transaction_id,
        sender=sender,
        expires=now + valid_seconds * MICROSECONDS,
        actions=tuple(actions),
        once=once,
        limits=tuple(limits),
    )


def sign(subject: Transaction | bytes, signers: Iterable[Signer]) -> bytes:
    """Return the envelope of a transaction, payload or envelope with these signatures added.

    Signing twice with one key changes nothing: Ed25519 is deterministic.
    """
    payload, signatures = _open(subject)
    message = signing_bytes(payload)
    for signer in signers:
        signatures[signer.public_key] = signer.sign(message)
    return encode_envelope(payload, signatures)


def read_transaction(data: bytes) -> tuple[Transaction, tuple[bytes, ...]]:
    """Return what an envelope or a bare payload carries, and the keys that verifiably signed it."""
    payload, signatures = _open(data)
    return decode_payload(payload), tuple(sorted(signatures))


def _open(subject: Transaction | bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the payload and its signatures by key, all of them checked."""
    if isinstance(subject, Transaction):
        return encode_transaction(subject), {}
    try:
        if not subject.startswith(b'{"payload":'):
            decode_payload(subject)
            return subject, {}
        envelope = decode_envelope(subject)
        decode_payload(envelope.payload)
    except Rejection as refused:
        raise TransactionError(f"not a transaction file: {refused}") from refused
    message = signing_bytes(envelope.payload)
    for signature in envelope.signatures:
        if not is_valid_signature(signature.keyid, message, signature.sig):
            invalid = Rejection(Code.SIGNATURE_INVALID, key=signature.keyid.hex()[:64])
            raise TransactionError(f"not a file to sign: {invalid}")
    return envelope.payload, {signature.keyid: signature.sig for signature in envelope.signatures}
