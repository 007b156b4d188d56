"""The commitment: the state's root, kept in step with the state at the pace of checkpoints.

The tree costs as much as executing a transfer, so it is brought up to date once a checkpoint and not once a
transaction. In between, `TrackedStore` remembers what each changed key held at the last root. That answers
two questions: which keys the tree must hash again, and what was true when the root was signed.

The same difference is an independent check of the invariants over what changed: per asset it must sum to
zero (1), only the issuing account may stand below zero (2), and held lies between zero and owned (3).
"""

from collections.abc import Callable, Iterable, Sequence

from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.ledger.records import Asset
from tallystick.ledger.rejections import InvariantViolation
from tallystick.ledger.store import IDS, Key, Store, Value, is_ordered
from tallystick.log.state_tree import StateTree

Moved = tuple[Key, Value, Value]
"""(key, value before, value after) of a key that appeared or went: one of the two values is None."""
Watch = Callable[[dict[Key, Value], Sequence[Moved]], None]
"""Told of writes, and of which keys appeared or went."""


class TrackedStore(Store):
    """A store that remembers, for every key written since the last root, what it held then.

    Transaction ids are left out: the root commits to them by their running hashes.
    """

    __slots__ = ("before", "watch")

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[Key, Value] = {}
        self.watch: Watch | None = None
        """Told of writes once they are merged, so that indexes keep in step."""

    def write(self, writes: dict[Key, Value]) -> None:
        """Merge `writes`, keeping every index and what was there at the last root.

        As `Store.write` does, in one walk: each key is looked up once, and a look costs a cache miss.
        """
        values, before, get = self.values, self.before, self.get
        moved: list[Moved] = []
        for key, value in writes.items():
            if key[0] == IDS:
                self.write_id(key, value)
                continue
            old = get(key)
            before.setdefault(key, old)
            if value is None:
                if old is not None:
                    del values[key]
                    moved.append((key, old, None))
                    self.note_moved(key, gone=True)
                continue
            values[key] = value
            if old is None:
                moved.append((key, None, value))
                self.note_moved(key, gone=False)
        if self.watch is not None:
            self.watch(writes, moved)

    def load(self, pairs: dict[Key, Value], *, namespace: str) -> None:
        """Take in pairs of one namespace that the last root covers already."""
        if namespace == IDS or is_ordered(namespace):
            super().write(pairs)
        else:
            self.values.update(pairs)  # no index to keep


class Commitment:
    """The state tree over a tracked store."""

    def __init__(self, state: TrackedStore, tree: StateTree) -> None:
        self.state = state
        self.tree = tree

    @property
    def is_current(self) -> bool:
        """Whether nothing was written since the last root."""
        return not self.state.before

    def commit(self) -> bytes:
        """Bring the tree up to date and return the state's root. Raises `InvariantViolation`."""
        state = self.state
        check_changes(state)
        get = state.get
        self.tree.update(
            [
                (encode_key(key), None if (value := get(key)) is None else encode_value(value))
                for key in state.before
            ]
        )
        state.before = {}
        return self.tree.root

    def committed_value(self, key: Key) -> Value:
        """Return what the key held at the last root."""
        before = self.state.before
        return before[key] if key in before else self.state.get(key)


def check_changes(state: TrackedStore) -> None:
    """Check invariants 1, 2 and 3 over what changed since the last root."""
    get = state.get
    sums: dict[str, int] = {}
    for key, before in state.before.items():
        table = key[0]
        if table == "balance":
            _, account, name = key
            units = get(key) or 0
            sums[name] = sums.get(name, 0) + units - (before or 0)
            if units < 0:
                asset: Asset | None = get(("asset", name))
                if asset is None or asset.issuer != account:
                    raise InvariantViolation(2, f"{account} stands at {units} {name}")
            held = get(("held", account, name))
            if held and not 0 < held <= units:
                raise InvariantViolation(3, f"{account} holds {held} of {units} {name}")
        elif table == "held":
            _, account, name = key
            held, units = get(key), get(("balance", account, name)) or 0
            if held and not 0 < held <= units:
                raise InvariantViolation(3, f"{account} holds {held} of {units} {name}")
    _check_sums(sums.items())


def _check_sums(sums: Iterable[tuple[str, int]]) -> None:
    for asset, total in sums:
        if total:
            raise InvariantViolation(1, f"balances of {asset} changed by {total} in all")
