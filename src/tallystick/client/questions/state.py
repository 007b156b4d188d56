"""The state's tables, row by row, in the bytes that the state root hashes."""

from collections.abc import Callable
from typing import Any

import msgspec

from tallystick.client.questions.asking import Listing, part
from tallystick.ledger.records import SYSTEM_TABLES
from tallystick.ledger.store import Key

Row = tuple[Key, Any]
"""A key of the state, its table first, and its record."""


def rows(table: str, *under: Any) -> Listing[Row]:
    """List the rows of a table whose keys begin with `under`, in the order of their keys.

    Records of system tables have the ledger's types, a contract's plain JSON. Some tables answer to a whole
    key alone: the node's refusal is then `not_listed`.
    """
    return Listing(
        f"/v1/state/{part(table)}",
        _reader(table),
        {"under": msgspec.json.encode(under).decode()},
        page_size=1_000,
    )


def _reader(table: str) -> Callable[[dict[str, Any]], Row]:
    shape: Any = SYSTEM_TABLES.get(table, Any)

    def read(item: dict[str, Any]) -> Row:
        key = msgspec.json.decode(item["key"], type=tuple[str | int, ...])
        return (table, *key), msgspec.json.decode(item["value"], type=shape)

    return read
