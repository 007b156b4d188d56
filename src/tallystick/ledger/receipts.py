"""Receipts: what a transaction, or a batch's timers, did.

A receipt carries every posting with its resulting balance, so that histories and balances of any past
moment can be read off receipts alone, and its index, so that it can be found and proven in the log. Its
canonical JSON is what the log's leaf commits to: a false outcome is as visible as a false input.
"""

from typing import Any

import msgspec

from tallystick.ledger.store import Event, Posting


class Receipt(msgspec.Struct, frozen=True):
    """What one entry did. `id` is the transaction's, or empty for a batch's timers.

    `postings` are (account, asset, change, resulting balance); `events` (source, name, fields); `results`
    has one value an action: the id of what it made, or what the method returned. Fields and results are in
    their wire form already: integers are decimal strings.
    """

    index: int
    height: int
    time: int
    id: str
    sender: str
    postings: list[Posting]
    events: list[Event]
    results: list[Any]


class WireReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A receipt as it is logged and sent: amounts are decimal strings."""

    index: int
    height: int
    time: int
    id: str
    sender: str
    postings: list[tuple[str, str, str, str]]
    events: list[tuple[str, str, dict[str, Any]]]
    results: list[Any]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(WireReceipt).decode


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the canonical JSON of a receipt."""
    return _encode(
        {
            "index": receipt.index,
            "height": receipt.height,
            "time": receipt.time,
            "id": receipt.id,
            "sender": receipt.sender,
            "postings": [
                (account, asset, str(change), str(balance))
                for account, asset, change, balance in receipt.postings
            ],
            "events": receipt.events,
            "results": receipt.results,
        }
    )


def decode_receipt(data: bytes) -> WireReceipt:
    """Return a logged receipt. Raises `msgspec.ValidationError` on other bytes."""
    return _decode(data)


def read_receipt(data: bytes) -> Receipt:
    """Return a logged receipt as it was before it was encoded, with amounts as whole numbers."""
    told = _decode(data)
    postings = [
        (account, asset, int(change), int(balance)) for account, asset, change, balance in told.postings
    ]
    return Receipt(
        told.index, told.height, told.time, told.id, told.sender, postings, told.events, told.results
    )
