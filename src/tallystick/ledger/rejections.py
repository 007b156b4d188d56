"""Rejections: expected refusals with a stable code and the numbers a client needs.

    LedgerError
      Rejection            an expected answer: the state is untouched, the caller may correct and resend
      InvariantViolation   the ledger itself is wrong: whoever sees one stops

A rejection is a value of the protocol, like a receipt: its code is never renamed or reused, its facts
are small and JSON-ready, and it has one shape everywhere (`as_dict`). Contracts add codes of their own,
as `kind.reason`, in an enum beside the contract. Returning error values instead of raising was refused:
a forgotten check would then let a transaction go on.
"""

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """The ledger's own rejection codes, in the order in which `apply` can meet them."""

    # The envelope and the payload: refused before any state is read.
    OVERSIZE = "oversize"
    """The envelope is larger than the ledger accepts. Facts: size_bytes, size_bytes_max."""
    MALFORMED = "malformed"
    """The bytes are not a well-formed envelope or transaction. Facts: reason."""
    NOT_CANONICAL = "not_canonical"
    """Re-encoding what was decoded does not reproduce the bytes. Facts: part."""
    SIGNATURE_INVALID = "signature_invalid"
    """A signature does not verify under its key by libsodium's rules. Facts: key."""
    SIGNATURE_REPEATED = "signature_repeated"
    """The envelope has two signatures by one key, or its signatures are not sorted by key. Facts: key."""

    # The identity of the transaction.
    DUPLICATE = "duplicate"
    """This very transaction is in the log already; its receipt is the one at `index`. Facts: id, index."""
    ID_REUSED = "id_reused"
    """The sender used this id for another transaction. Facts: id, index."""
    WRONG_LEDGER = "wrong_ledger"
    """The transaction was signed for another ledger. Facts: ledger, expected."""
    EXPIRED = "expired"
    """The transaction's expiry is not after the batch's time. Facts: expires, time."""
    ID_OUT_OF_WINDOW = "id_out_of_window"
    """The id's UUIDv7 time is over ten minutes from the batch's and there is no `once`.
    Facts: id_time, time."""
    ONCE_USED = "once_used"
    """The sender's `once` key stands on another transaction. Facts: once, id, index."""
    TOO_MANY_ACTIONS = "too_many_actions"
    """The transaction has no action, or more than the ledger allows. Facts: actions, actions_max."""

    # Authority.
    UNKNOWN_ACCOUNT = "unknown_account"
    """No such account. Facts: account."""
    UNAUTHORISED = "unauthorised"
    """Too few of the account's keys signed. Facts: account, signed, threshold."""
    UNKNOWN_MANDATE = "unknown_mandate"
    """The account has no such mandate. Facts: account, mandate."""
    MANDATE_FORBIDS = "mandate_forbids"
    """The mandate does not cover this. Facts: mandate, what, and the limit it broke. Retryable next period
    where `what` is `period_cap`."""
    MANDATE_NOT_NARROWER = "mandate_not_narrower"
    """A delegated mandate would allow more than the one it comes from. Facts: mandate, what."""

    # Accounts and institutions.
    NAME_INVALID = "name_invalid"
    """A name does not match its grammar. Facts: name, grammar."""
    ACCOUNT_EXISTS = "account_exists"
    """An account or contract of that name exists. Facts: account."""
    OPENING_REFUSED = "opening_refused"
    """Genesis does not let this account open others. Facts: account, rule."""
    KEYS_INVALID = "keys_invalid"
    """Keys are missing, repeated, not 32 bytes, or the threshold does not fit them. Facts: reason."""
    NO_GUARDIANS = "no_guardians"
    """The account named no guardians, or too few of them agreed. Facts: account, agreed, threshold."""
    NO_RECOVERY = "no_recovery"
    """No recovery of this account is pending. Facts: account."""
    UNKNOWN_INSTITUTION = "unknown_institution"
    """No such institution. Facts: institution."""
    INSTITUTION_EXISTS = "institution_exists"
    """An institution of that name exists. Facts: institution."""
    ALREADY_MEMBER = "already_member"
    """The account belongs to an institution already. Facts: account, institution."""
    ROLE_UNKNOWN = "role_unknown"
    """Not one of the registered roles. Facts: role."""

    # Assets and amounts.
    UNKNOWN_ASSET = "unknown_asset"
    """No such asset. Facts: asset."""
    ASSET_EXISTS = "asset_exists"
    """The issuing account has an asset of that code. Facts: asset."""
    ASSET_INVALID = "asset_invalid"
    """The asset's declaration contradicts itself. Facts: reason."""
    NOT_THE_ISSUER = "not_the_issuer"
    """Only the issuing account may do this. Facts: account, asset."""
    ISSUE_REQUIRED = "issue_required"
    """An issuing account moves its own asset by `issue` (a contract by `mint`) alone, so that nobody
    makes new units by mistake. Facts: account, asset."""
    POWER_MISSING = "power_missing"
    """The asset did not give this account that power at creation. Facts: account, asset, power."""
    AMOUNT_NOT_AN_INTEGER = "amount_not_an_integer"
    """An amount is not a plain decimal string of digits. Facts: amount."""
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    """An amount is zero or negative. Facts: amount."""
    AMOUNT_TOO_LARGE = "amount_too_large"
    """An amount or a balance would reach 2^128, or an integer 2^256. Facts: limit."""
    INSUFFICIENT_BALANCE = "insufficient_balance"
    """The account has too little available. Facts: account, asset, available, short_units. Retryable."""
    SAME_ACCOUNT = "same_account"
    """A leg pays the account it comes from. Facts: account."""
    NO_LEGS = "no_legs"
    """There are no legs, or more than the ledger allows. Facts: legs, legs_max."""
    POLICY_REFUSED = "policy_refused"
    """The asset's policy refuses the movement. Facts: asset, account, rule, and the rule's numbers."""
    POLICY_UNKNOWN = "policy_unknown"
    """No such policy kind, list or rule. Facts: policy."""

    # Holds, lots and time.
    UNKNOWN_HOLD = "unknown_hold"
    """No such open hold. Facts: hold."""
    HOLD_EXPIRED = "hold_expired"
    """The hold's expiry has passed. Facts: hold, expires, time."""
    HOLD_NOT_EXPIRED = "hold_not_expired"
    """Only the beneficiary may release a hold before its expiry. Facts: hold, expires, time."""
    NOT_THE_BENEFICIARY = "not_the_beneficiary"
    """Another account is the hold's beneficiary. Facts: hold, beneficiary."""
    HOLD_EXCEEDED = "hold_exceeded"
    """A capture asks for more than the hold has left. Facts: hold, asset, remaining."""
    ISSUER_CANNOT_HOLD = "issuer_cannot_hold"
    """An issuing account promises its own asset through a second account. Facts: account, asset."""
    NOT_A_CLAIM = "not_a_claim"
    """The asset is no claim, so nobody owes anything on it. Facts: asset, kind."""
    REDEEMED_BY_CONTRACT = "redeemed_by_contract"
    """A contract issues this claim, and its methods alone redeem it. Facts: asset, contract."""
    UNKNOWN_LOT = "unknown_lot"
    """No such open redemption. Facts: lot."""
    NOT_THE_HOLDER = "not_the_holder"
    """Another account asked for this redemption. Facts: lot, holder."""
    NOT_THE_OBLIGOR = "not_the_obligor"
    """The account does not belong to the claim's obligor. Facts: account, obligor."""
    LOT_TOO_SMALL = "lot_too_small"
    """The terms owe less than one minor unit for this lot. Facts: asset, units, per."""
    TIME_INVALID = "time_invalid"
    """A time lies in the past, or too far ahead. Facts: time, given."""
    QUOTA_EXCEEDED = "quota_exceeded"
    """The account has too many of these open. Facts: account, what, quota."""
    UNKNOWN_TIMER = "unknown_timer"
    """No such overdue timer. Facts: timer."""

    # Contracts.
    UNKNOWN_KIND = "unknown_kind"
    """The protocol in force has no such contract kind and version. Facts: kind, version."""
    UNKNOWN_CONTRACT = "unknown_contract"
    """No contract of that id. Facts: contract."""
    UNKNOWN_METHOD = "unknown_method"
    """The contract has no such method or view. Facts: contract, method."""
    ARGUMENTS_INVALID = "arguments_invalid"
    """Arguments or parameters do not have the method's types. Facts: method, reason."""
    REENTRANCY = "reentrancy"
    """The contract is on the call stack already. Facts: contract."""
    DEPTH_EXCEEDED = "depth_exceeded"
    """Calls nest too deep. Facts: depth_max."""
    BUDGET_EXCEEDED = "budget_exceeded"
    """The contract asked its caller for more than the call's `spend`. Facts: contract, asset, asked, left."""
    RECEIVE_UNMET = "receive_unmet"
    """The call posted less to its caller than `receive` demands. Facts: contract, asset, received, least."""
    NOT_CONTROLLED = "not_controlled"
    """A contract reached for an account or asset that is not its own. Facts: contract, what."""
    OBLIGATION_OPEN = "obligation_open"
    """An obligation is open, so the instance answers only its clearing method; or one is left at the
    end. Facts: contract, asset, units."""
    OBLIGATION_EXCEEDED = "obligation_exceeded"
    """More would be cleared than is owed. Facts: contract, asset, units."""
    READ_ONLY = "read_only"
    """A view tried to change something. Facts: contract."""
    CONTRACT_FAULT = "contract_fault"
    """The contract's code failed. Facts: contract, fault."""
    WORK_EXCEEDED = "work_exceeded"
    """The transaction did more state operations than allowed. Facts: work_max."""

    # The end of the transaction.
    LIMIT_EXCEEDED = "limit_exceeded"
    """An account would lose more than the transaction's net limit. Facts: account, asset, change, least."""
    PROTOCOL_INVALID = "protocol_invalid"
    """The protocol version cannot be activated. Facts: version, in_force."""


class LedgerError(Exception):
    """The root of this package's exceptions."""


class Rejection(LedgerError):
    """An expected refusal: `code`, and `facts` that are JSON-ready."""

    def __init__(self, code: StrEnum, **facts: Any) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code.value} ({told})" if told else self.code.value

    def as_dict(self) -> dict[str, Any]:
        """Return the one JSON shape of a rejection."""
        return {"error": self.code.value, "facts": self.facts}


class InvariantViolation(LedgerError):
    """A numbered invariant of the ledger does not hold: we are wrong, and must stop."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"invariant {number}: {what}")
        self.number = number
