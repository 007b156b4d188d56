"""The state's index: which accounts, balances, holds and contracts there are, in order, by whom they concern.

The kernel never asks *what does alice hold*; people do. The index answers without walking the state: it keeps
the keys of some tables sorted, and for holds and redemptions also under each party. It is a function of the
state alone, follows every merge, and is built anew when the node starts, so nothing has to trust it.

Refused: an index inside the store. Replicas and verifiers would pay for it in time and memory.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tallystick.ledger.store import Key, SortedKeys, Value
from tallystick.node.commitment import Moved

LISTED: Final = frozenset(
    {
        *("account", "asset", "balance", "held", "hold", "instance", "institution", "listing", "lot"),
        *("mandate", "member", "overdue", "policy_change", "recovery", "spent"),
    }
)
"""The system tables whose keys are kept sorted."""


class StateIndex:
    """Sorted keys of the state, by table, and derived ones: `hold_of` and `lot_of` are (table, party, name),
    `member_of` is (table, institution, account), `holder` is (table, asset, account).
    """

    def __init__(self, values: Mapping[Key, Value]) -> None:
        found: dict[str, list[Key]] = {}
        for key, value in values.items():
            if key[0] in LISTED:
                found.setdefault(key[0], []).append(key)
                for derived in _derived(key, value):
                    found.setdefault(derived[0], []).append(derived)
        self._tables = {table: SortedKeys(keys) for table, keys in found.items()}

    def follow(self, moved: Iterable[Moved]) -> None:
        """Take in which keys of the state appeared or went."""
        for key, before, after in moved:
            if key[0] not in LISTED:
                continue
            if after is None:
                for gone in (key, *_derived(key, before)):
                    self._tables[gone[0]].remove(gone)
            else:
                for new in (key, *_derived(key, after)):
                    self._table(new[0]).add(new)

    def keys(self, *prefix: Any, after: Key | None = None) -> Iterator[Key]:
        """Iterate over the keys below a prefix, in order, from the one after `after` on."""
        table, depth = self._table(prefix[0]), len(prefix)
        key = table.next(prefix, inclusive=True) if after is None else table.next(after, inclusive=False)
        while key is not None and key[:depth] == prefix:
            yield key
            key = table.next(key, inclusive=False)

    def count(self, table: str) -> int:
        """Return how many keys a table has."""
        return sum(map(len, self._table(table).chunks))

    def _table(self, name: str) -> SortedKeys:
        table = self._tables.get(name)
        if table is None:
            table = self._tables[name] = SortedKeys()
        return table


def _derived(key: Key, value: Value) -> tuple[Key, ...]:
    """Return the keys under which a row is found by those whom it concerns."""
    if key[0] == "hold":
        # One key where owner and beneficiary are the same account.
        return tuple(("hold_of", party, key[1]) for party in dict.fromkeys([value.owner, value.beneficiary]))
    if key[0] == "lot":
        return (("lot_of", value.holder, key[1]),)
    if key[0] == "member":
        return (("member_of", value, key[1]),)
    if key[0] == "balance":
        return (("holder", key[2], key[1]),)
    return ()
