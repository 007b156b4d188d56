"""Entries of the log: receipts, entries and their proofs."""

from typing import Any

import msgspec

from tallystick.client.questions.asking import Question, part, raw, typed
from tallystick.client.questions.transactions import receipt_bytes


class LogEntry(msgspec.Struct, frozen=True):
    """An entry of the log; `leaf` and `envelope` are base64."""

    index: int
    height: int
    time: int
    kind: str
    leaf: str
    envelope: str
    receipt: dict[str, Any] | None
    state_root: str | None


def receipt(identifier: str, *, sender: str) -> Question[bytes]:
    """Ask for a transaction's receipt, as it stands in the log."""
    return Question(f"/v1/receipts/{part(identifier)}", receipt_bytes, {"sender": sender})


def entry(index: int) -> Question[LogEntry]:
    """Ask for an entry."""
    return typed(f"/v1/entries/{index}", LogEntry)


def entry_proof(index: int, *, cosigned: bool = False) -> Question[bytes]:
    """Ask for the proof file of an entry, in the newest checkpoint or the newest that is `cosigned`.

    A client waits for the checkpoint that covers it.
    """
    return raw(f"/v1/entries/{index}/proof", {"cosigned": "true"} if cosigned else {})


def balance_proof(account: str, asset: str) -> Question[bytes]:
    """Ask for the proof file of a balance at the newest checkpoint."""
    return raw(f"/v1/accounts/{part(account)}/balances/{part(asset)}/proof")
