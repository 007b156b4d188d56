"""Hints: what to do about a refusal, by its code.

A hint is a command or a decision, never the message again; where there is nothing better to say than the
code's own documentation, there is none. Facts are put in by name, so a hint that names a fact which a
rejection does not carry is left out instead of failing.
"""

from collections.abc import Mapping
from typing import Any, Final

from tallystick.cli.errors import PROOF_FAILED, REJECTED

HINTS: Final[Mapping[str, str]] = {
    "insufficient_balance": "tallystick balance {account} {asset}; what is in holds cannot move",
    "unauthorised": "sign with a key of {account}: tallystick sign FILE, or name its keyring with --keys",
    "unknown_account": "tallystick account list, or tallystick account open {account}",
    "unknown_asset": "an asset is CODE@ISSUER: tallystick asset list",
    "unknown_contract": "tallystick contract list",
    "unknown_kind": "tallystick contract kinds",
    "unknown_method": "tallystick contract kinds describes each kind's methods and views",
    "unknown_hold": "it may have ended: tallystick hold list",
    "unknown_lot": "it may have ended: tallystick redeem list",
    "unknown_mandate": "tallystick mandate list {account}",
    "unknown_institution": "tallystick institution list, or tallystick institution found",
    "arguments_invalid": "tallystick contract kinds describes each method's arguments",
    "expired": "make the transaction again, or sign it for longer with --valid and --once",
    "id_out_of_window": "make the transaction again; one that waits longer than ten minutes needs --once",
    "id_reused": "make the transaction again: its id belongs to another one",
    "once_used": "tallystick receipt {index} shows what was done under this key",
    "wrong_ledger": "this file was signed for another ledger; --ledger names the one to use",
    "account_exists": "choose another name, or tallystick account show {account}",
    "asset_exists": "tallystick asset show {asset}",
    "opening_refused": "name an account that may open others with --sponsor",
    "issue_required": "tallystick asset issue {asset} TO AMOUNT",
    "issuer_cannot_hold": "issue to a second account and hold there",
    "amount_not_positive": "amounts are above zero; to pay or trade the other way, swap the two names",
    "same_account": "pay another account",
    "policy_refused": "the issuer's rule {rule} decides: tallystick asset show {asset}",
    "budget_exceeded": "allow more with --spend {asset}=AMOUNT, if that is what you mean",
    "receive_unmet": "the price moved, or --receive asks for too much",
    "hold_exceeded": "tallystick hold list shows what is left",
    "hold_not_expired": "only its beneficiary releases it before {expires}",
    "not_the_beneficiary": "only {beneficiary} captures it",
    "not_the_obligor": "an account of the institution {obligor} settles it",
    "quota_exceeded": "end some of {account}'s {what} first",
    "role_unknown": "one of issuer, custodian, bank, central_bank, broker, dealer, venue, clearing_house",
    "no_guardians": "tallystick account show {account} lists its guardians and how many must agree",
    "keys_invalid": "1 to 32 different keys, and a threshold no larger than their number",
    "mandate_forbids": "tallystick mandate list shows its bounds; {what} is the one that was met",
    "name_invalid": "write a name that matches {grammar}",
    "amount_not_an_integer": "minor units are digits only; without --units, write amounts like 12.50",
    "signature_invalid": "the file was altered, or signed by another program: sign it again",
    "already_member": "an account belongs to one institution; use a second account",
    "oversize": "split it: --join puts fewer actions into one file, or send several transactions",
    "not_canonical": "let tallystick write the file: it was edited, or written by another program",
    "duplicate": "it settled: tallystick receipt {index}",
    "mandate_not_narrower": "its {what} must fit in the mandate that it comes from: tallystick mandate list",
    "no_recovery": "nothing to veto: its guardians proposed no keys, or they are in force already",
    "institution_exists": "choose another name, or tallystick institution list",
    "not_the_issuer": "only the account behind the @ of {asset} issues it",
    "power_missing": "tallystick asset show {asset} lists who has which power; nobody gets one later",
    "amount_too_large": "amounts stay below 2^128 minor units: fewer decimals, or several assets",
    "no_legs": "1 to {legs_max} legs: split it into several transactions",
    "hold_expired": "what it held is its owner's again; tallystick advance runs what is due",
    "not_a_claim": "nobody owes anything on it: a contract pays a share, and a token is traded",
    "not_the_holder": "only {holder} takes it back",
    "lot_too_small": "{per} units of {asset} are owed the least that can be paid: ask for at least that",
    "limit_exceeded": "allow more with --limit {asset}=AMOUNT, if that is what you mean",
    "work_exceeded": "do less in one transaction: fewer legs, or a smaller step of the contract",
    "contract_fault": "the contract {contract} is wrong, not you: report what it said",
    "time_invalid": "give a time after the ledger's, such as 2h or 2027-01-01T00:00:00Z",
}

FAULT_HINTS: Final[Mapping[str, str]] = {
    "no_log_key": "put the log key back beside the ledger file (PATH.logkey), or name it with --log-key-file",
    "wrong_log_key": "use the key that `tallystick init` wrote for this ledger",
    "journal_locked": "wait for the other program, or stop it; reading needs no lock",
    "journal_corrupt": "keep a copy, run `tallystick verify`, and restore a backup",
    "not_durable": "free the disk, then send the same transaction again: it cannot settle twice",
    "not_yet": "ask for an earlier entry or time; tallystick info says how far the log reaches",
    "not_signed": "a node signs within a second; on a file, tallystick witness checkpoint makes a checkpoint",
    "before_genesis": "tallystick info says when the ledger began",
    "would_lose": "keep the newer file; restore to another path to compare",
    "not_found": "tallystick history ACCOUNT lists what moved, each with its entry",
    "stopped": "keep a copy of the file and report what the message says",
}

CLIENT_HINTS: Final[Mapping[str, str]] = {
    "keyring_error": "--password-file or TALLYSTICK_PASSWORD gives the password, --keys another keyring",
    "verification_failed": "keep this copy, compare it with a backup or an export, and ask the operator",
    "source_damaged": "keep this copy, and restore a backup: tallystick restore",
    "proof_failed": "ask for the proof again, and for the log's key from somebody else than its sender",
    "log_lied": "keep the evidence: it is signed by the log's own key",
}
"""What to do where the client's error has no advice of its own."""

FAULT_EXITS: Final[Mapping[str, int]] = {
    "journal_corrupt": PROOF_FAILED,
    "wrong_log_key": PROOF_FAILED,
    "not_durable": REJECTED,
    "stopped": PROOF_FAILED,
    "would_lose": REJECTED,
}


def hint_for(code: str, facts: Mapping[str, Any]) -> str:
    """Return what to do about a rejection, or nothing."""
    try:
        return HINTS.get(code, "").format(**facts)
    except KeyError:
        return ""
