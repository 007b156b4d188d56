"""Transactions: what a party signs, and the one door by which bytes become one.

A transaction is an atomic list of actions. It travels in a DSSE envelope whose signatures cover the
exact payload bytes, so any number of parties can sign one file in turn. There is one encoding of each
transaction: what was decoded is encoded again and must reproduce the bytes. Unknown fields, repeated
keys, spare spaces and other spellings of a number are therefore all refused by one comparison, not by a
list of special cases. (A field is left out at its default only where the default is a value that CPython
keeps once, such as "", (), None, False and 1: msgspec compares defaults by identity.)

`authenticate` needs no state and can run anywhere, in parallel; `apply` takes only what it returned.
Amounts are decimal strings; times are microseconds UTC; keys and signatures are base64.

Source: DSSE v1 (secure-systems-lab/dsse, protocol.md) for the envelope and its pre-authentication encoding.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from tallystick.crypto import are_valid_signatures, is_valid_signature, pae, sha256
from tallystick.ledger.records import Cap, Count, Kind, PolicySpec, Terms, Time
from tallystick.ledger.rejections import Code, Rejection

PAYLOAD_TYPE = "application/vnd.tallystick.transaction.v1+json"
ENVELOPE_BYTES_MAX = 4 * 1_048_576
"""No ledger takes an envelope above this; genesis may set a lower bound for the payload."""
SIGNATURES_MAX = 256

Leg = tuple[str, str, str]
"""(asset, receiving account, amount)"""
AssetUnits = tuple[str, str]
"""(asset, amount)"""


class _Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"):
    """One step. `account` is the account it acts for, which must authorise it."""

    account: str


class OpenAccount(_Action, frozen=True, tag="open_account"):
    """Open the account `name`; `account` is the sponsor, or `name` itself where anyone may open."""

    name: str
    keys: tuple[bytes, ...]
    threshold: Count = 1


class RotateKeys(_Action, frozen=True, tag="rotate_keys"):
    """Replace the account's keys at once. Its mandates end with the old keys, unless `keep_mandates`."""

    keys: tuple[bytes, ...]
    threshold: Count = 1
    keep_mandates: bool = False


class SetGuardians(_Action, frozen=True, tag="set_guardians"):
    """Name the accounts that may replace the keys after a delay; none removes them."""

    guardians: tuple[str, ...]
    delay_seconds: Count
    threshold: Count = 1


class Recover(_Action, frozen=True, tag="recover"):
    """As one of `guardians`, all of whom authorise this, propose new keys for `subject`."""

    subject: str
    guardians: tuple[str, ...]
    keys: tuple[bytes, ...]
    threshold: Count = 1


class VetoRecovery(_Action, frozen=True, tag="veto_recovery"):
    """Drop the pending recovery of the account."""


class GrantMandate(_Action, frozen=True, tag="grant_mandate"):
    """Let `key` act for the account within bounds. Under a mandate, delegate a narrower one."""

    name: str
    key: bytes
    expires: Time
    caps: tuple[Cap, ...]
    recipients: tuple[str, ...] | None = None
    contracts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    mandate: str | None = None


class RevokeMandate(_Action, frozen=True, tag="revoke_mandate"):
    """End a mandate of the account; those delegated from it end with it."""

    name: str
    mandate: str | None = None


class FoundInstitution(_Action, frozen=True, tag="found_institution"):
    """Found an institution; `account` joins it and speaks for it from then on."""

    name: str
    roles: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


class JoinInstitution(_Action, frozen=True, tag="join_institution"):
    """Make the account part of an institution, whose founder must authorise this too."""

    institution: str


class DeclareInstitution(_Action, frozen=True, tag="declare_institution"):
    """As the founder, replace the institution's roles and declared related parties."""

    institution: str
    roles: tuple[str, ...] = ()
    related: tuple[str, ...] = ()


class CreateAsset(_Action, frozen=True, tag="create_asset"):
    """Declare the asset `code@account` for ever: its kind, terms and every power over it.

    A claim's obligor is an institution, whose founder must authorise this too.
    """

    code: str
    kind: Kind
    decimals: Count = 0
    unit: str = ""
    obligor: str = ""
    terms: Terms | None = None
    policy: PolicySpec | None = None
    claw_back_by: str = ""
    external_ids: tuple[tuple[str, str], ...] = ()


class Issue(_Action, frozen=True, tag="issue"):
    """Post new units against the issuing account: each leg's asset must be the account's own."""

    legs: tuple[Leg, ...]


class Transfer(_Action, frozen=True, tag="transfer"):
    """Pay each leg from the account. What is paid to the issuing account is no longer outstanding."""

    legs: tuple[Leg, ...]
    reference: str = ""
    mandate: str | None = None


class ClawBack(_Action, frozen=True, tag="claw_back"):
    """As the account that the asset names at its creation, take units back to the issuing account.

    `ending` names holds and redemptions of the source that are ended first, in this asset alone, so that
    promising units to somebody does not put them out of reach.
    """

    asset: str
    source: str
    units: str
    reason: str
    ending: tuple[str, ...] = ()


class SetListing(_Action, frozen=True, tag="set_listing"):
    """As the policy's list-keeper, put `subject` on or off one of the asset's lists, at once."""

    asset: str
    list: str
    subject: str
    listed: bool


class ChangePolicy(_Action, frozen=True, tag="change_policy"):
    """As the policy's rule-keeper, replace its rules after the declared delay."""

    asset: str
    rules: dict[str, str]


class Redeem(_Action, frozen=True, tag="redeem"):
    """Ask the obligor to pay a lot of its claim; the units stay yours, but cannot move meanwhile."""

    asset: str
    units: str
    reference: str = ""


class CancelRedemption(_Action, frozen=True, tag="cancel_redemption"):
    """Take the request back; the lot is outstanding again."""

    lot: str


class SettleRedemption(_Action, frozen=True, tag="settle_redemption"):
    """As the obligor, pay a lot: in the asset that the terms owe, or off the ledger with `evidence`."""

    lot: str
    evidence: str = ""


class Hold(_Action, frozen=True, tag="hold"):
    """Promise assets to a beneficiary until `expires`; what is left then is released or captured."""

    beneficiary: str
    legs: tuple[AssetUnits, ...]
    expires: Time
    at_expiry: Literal["release", "capture"]
    mandate: str | None = None


class Capture(_Action, frozen=True, tag="capture"):
    """As the beneficiary, take held assets: all, or `legs`; `final` releases what is left."""

    hold: str
    legs: tuple[AssetUnits, ...] = ()
    final: bool = False


class Release(_Action, frozen=True, tag="release"):
    """Give a hold back: its beneficiary at any time, anyone after its expiry."""

    hold: str


class Deploy(_Action, frozen=True, tag="deploy"):
    """Create a contract of a kind and version that never change.

    With `obligor`, an institution whose founder must authorise this too, it may issue claims on it.
    """

    contract: str
    kind: str
    version: Count
    parameters: msgspec.Raw
    obligor: str = ""


class Call(_Action, frozen=True, tag="call"):
    """Call a contract: it may take at most `spend` from the account and must post at least `receive`."""

    contract: str
    method: str
    arguments: msgspec.Raw
    spend: tuple[AssetUnits, ...] = ()
    receive: tuple[AssetUnits, ...] = ()
    mandate: str | None = None


class RunTimer(_Action, frozen=True, tag="run_timer"):
    """Try overdue work again that failed when it was due. Anyone may."""

    timer: Count


class Activate(_Action, frozen=True, tag="activate"):
    """As the operator, bring a protocol version into force at `due`."""

    version: Count
    due: Time


Action = (
    OpenAccount
    | RotateKeys
    | SetGuardians
    | Recover
    | VetoRecovery
    | GrantMandate
    | RevokeMandate
    | FoundInstitution
    | JoinInstitution
    | DeclareInstitution
    | CreateAsset
    | Issue
    | Transfer
    | ClawBack
    | SetListing
    | ChangePolicy
    | Redeem
    | CancelRedemption
    | SettleRedemption
    | Hold
    | Capture
    | Release
    | Deploy
    | Call
    | RunTimer
    | Activate
)


class NetLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The transaction may change the account's balance of the asset by no less than `least` (signed)."""

    account: str
    asset: str
    least: str


class Transaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An atomic list of actions, signed by the sender and by every account that an action names.

    `ledger` is the ledger's id; `id` a UUIDv7 unique for the sender; `expires` microseconds UTC. `once`
    is remembered for ever: no second transaction of the sender may carry it.
    """

    ledger: str
    id: str
    sender: str
    expires: Time
    actions: tuple[Action, ...]
    once: str | None = None
    limits: tuple[NetLimit, ...] = ()


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One DSSE signature; `keyid` is the Ed25519 public key itself."""

    keyid: bytes
    sig: bytes


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A DSSE envelope. Signatures are sorted by key and no key signs twice."""

    payload: bytes
    payloadType: str  # noqa: N815 (DSSE's own field name)
    signatures: tuple[Signature, ...]


class AuthenticTransaction(msgspec.Struct, frozen=True):
    """A decoded transaction, the payload that spells it, and the keys whose signatures over it verify."""

    transaction: Transaction
    signers: frozenset[bytes]
    payload_hash: bytes
    payload: bytes


_encode = msgspec.json.Encoder(order="deterministic").encode  # maps in key order, whoever writes them
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_transaction = msgspec.json.Decoder(Transaction).decode


def encode_transaction(transaction: Transaction) -> bytes:
    """Return the one payload of a transaction."""
    return _encode(transaction)


def encode_envelope(payload: bytes, signatures: dict[bytes, bytes]) -> bytes:
    """Return the envelope of `payload` with `signatures` by public key."""
    signed = tuple(Signature(keyid=key, sig=signatures[key]) for key in sorted(signatures))
    return _encode(Envelope(payload=payload, payloadType=PAYLOAD_TYPE, signatures=signed))


def signing_bytes(payload: bytes) -> bytes:
    """Return the bytes that a party signs: DSSE's pre-authentication encoding."""
    return pae(PAYLOAD_TYPE, payload)


def decode_envelope(data: bytes) -> Envelope:
    """Return the envelope, decoded strictly; signatures are not verified yet.

    Rejections: `oversize`, `malformed`, `not_canonical`, `signature_repeated`.
    """
    if len(data) > ENVELOPE_BYTES_MAX:
        raise Rejection(Code.OVERSIZE, size_bytes=len(data), size_bytes_max=ENVELOPE_BYTES_MAX)
    try:
        envelope = _decode_envelope(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Rejection(Code.MALFORMED, reason=f"envelope: {error}"[:200]) from None
    if envelope.payloadType != PAYLOAD_TYPE:
        raise Rejection(Code.MALFORMED, reason=f"envelope: payloadType is not {PAYLOAD_TYPE}")
    if len(envelope.signatures) > SIGNATURES_MAX:
        raise Rejection(Code.MALFORMED, reason=f"envelope: more than {SIGNATURES_MAX} signatures")
    if _encode(envelope) != data:
        raise Rejection(Code.NOT_CANONICAL, part="envelope")
    last = b""
    for signature in envelope.signatures:
        if signature.keyid <= last:
            raise Rejection(Code.SIGNATURE_REPEATED, key=signature.keyid.hex()[:64])
        last = signature.keyid
    return envelope


def decode_payload(payload: bytes) -> Transaction:
    """Return the transaction that `payload` is the one encoding of.

    Rejections: `malformed`, `not_canonical`.
    """
    try:
        transaction = _decode_transaction(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Rejection(Code.MALFORMED, reason=f"transaction: {error}"[:200]) from None
    if _encode(transaction) != payload:
        raise Rejection(Code.NOT_CANONICAL, part="transaction")
    return transaction


def authenticate(data: bytes, *, check_signatures: bool = True) -> AuthenticTransaction:
    """Return the transaction in an envelope, with the keys that signed it.

    A single bad signature refuses the whole envelope: what is in the log verifies without exceptions.
    `check_signatures` is False only where somebody verified these very bytes already.

    Rejections: those of `decode_envelope` and `decode_payload`, `signature_invalid`.
    """
    envelope = decode_envelope(data)
    if check_signatures:
        checks = signature_checks(envelope)
        _refuse_invalid(checks, [is_valid_signature(*check) for check in checks])
    return _authentic(envelope)


def authenticate_all(envelopes: Sequence[bytes]) -> list[AuthenticTransaction | Rejection]:
    """Return what `authenticate` returns or raises for each; many signatures at once are checked faster."""
    decoded: list[Envelope | Rejection] = []
    checks: list[tuple[bytes, bytes, bytes]] = []
    for data in envelopes:
        try:
            envelope = decode_envelope(data)
        except Rejection as refused:
            decoded.append(refused)
        else:
            decoded.append(envelope)
            checks += signature_checks(envelope)
    valid = are_valid_signatures(checks)
    answers: list[AuthenticTransaction | Rejection] = []
    start = 0
    for each in decoded:
        if isinstance(each, Rejection):
            answers.append(each)
            continue
        end = start + len(each.signatures)
        try:
            _refuse_invalid(checks[start:end], valid[start:end])
            answers.append(_authentic(each))
        except Rejection as refused:
            answers.append(refused)
        start = end
    return answers


def signature_checks(envelope: Envelope) -> list[tuple[bytes, bytes, bytes]]:
    """Return what each signature of the envelope claims: public key, signed bytes, signature."""
    message = pae(PAYLOAD_TYPE, envelope.payload)
    return [(signature.keyid, message, signature.sig) for signature in envelope.signatures]


def _refuse_invalid(checks: Sequence[tuple[bytes, bytes, bytes]], valid: Sequence[bool]) -> None:
    if not all(valid):
        key, _, _ = checks[valid.index(False)]
        raise Rejection(Code.SIGNATURE_INVALID, key=key.hex()[:64])


def _authentic(envelope: Envelope) -> AuthenticTransaction:
    payload = envelope.payload
    return AuthenticTransaction(
        transaction=decode_payload(payload),
        signers=frozenset([signature.keyid for signature in envelope.signatures]),
        payload_hash=sha256(payload),
        payload=payload,
    )
