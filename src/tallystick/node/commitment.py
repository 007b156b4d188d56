"""The commitment: the state's root, kept in step with the state at the pace of checkpoints.

The tree costs as much as executing a transfer, so it is brought up to date once a checkpoint and not once a
transaction. In between, `TrackedStore` remembers what each changed key held at the last root. That answers
two questions: which keys the tree must hash again, and what was true when the root was signed.

Under load even that is too much for whoever executes, so the tree can be moved out, into a process of its
own that is told of changes as they are merged. It is the same tree, and comes home should the process end.

The same difference is an independent check of the invariants over what changed: per asset it must sum to
zero (1), only the issuing account may stand below zero (2), and held lies between zero and owned (3).
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from tallystick.ledger.encoding import encode_key, encode_pairs, encode_value, is_committed, split_pairs
from tallystick.ledger.records import Asset
from tallystick.ledger.rejections import InvariantViolation
from tallystick.ledger.store import IDS, Key, Store, Value, is_ordered
from tallystick.log.state_tree import StateTree
from tallystick.log.state_tree_process import StateTreeProcess, StateTreeProcessDied

Moved = tuple[Key, Value, Value]
"""(key, value before, value after) of a key that appeared or went: one of the two values is None."""
Watch = Callable[[dict[Key, Value], Sequence[Moved]], None]
"""Told of writes, and of which keys appeared or went."""
_log = logging.getLogger(__name__)


class TrackedStore(Store):
    """A store that remembers, for every key written since the last root, what it held then.

    Transaction ids are left out: the root commits to them by their running hashes.
    """

    __slots__ = ("before", "changed", "watch")

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[Key, Value] = {}
        self.changed: list[tuple[Key, Value]] | None = None
        """What was written since somebody last emptied it; None while nobody does."""
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
        if self.changed is not None:
            self.changed += [pair for pair in writes.items() if pair[0][0] != IDS]
        if self.watch is not None:
            self.watch(writes, moved)

    def load(self, pairs: dict[Key, Value], *, namespace: str) -> None:
        """Take in pairs of one namespace that the last root covers already."""
        if namespace == IDS or is_ordered(namespace):
            super().write(pairs)
        else:
            self.values.update(pairs)  # no index to keep


class Commitment:
    """The state tree over a tracked store. Close it if the tree was moved out."""

    def __init__(self, state: TrackedStore, tree: StateTree) -> None:
        self.state = state
        self.root = tree.root
        """The state's root when it was last committed."""
        self._tree = tree
        self._process: StateTreeProcess | None = None

    @property
    def is_current(self) -> bool:
        """Whether nothing was written since the last root."""
        return not self.state.before

    @property
    def tree_pid(self) -> int | None:
        """The id of the process that keeps the tree, if one does."""
        return None if self._process is None else self._process.pid

    def commit(self) -> bytes:
        """Bring the tree up to date and return the state's root. Raises `InvariantViolation`."""
        self.begin()
        return self.finish()

    def begin(self) -> None:
        """Check what changed since the last root. Nothing may be written from here until `finish` returns.

        Raises `InvariantViolation`; then there is nothing to finish.
        """
        self.note_changes()
        check_changes(self.state)  # while the process, if there is one, hashes
        if self._process is not None:
            try:
                self._process.ask_root()
            except StateTreeProcessDied:
                self._bring_home()

    def finish(self) -> bytes:
        """Do the rest of a `commit` that was begun, in any thread."""
        if self._process is not None:
            try:
                self.root = self._process.root()
            except StateTreeProcessDied:
                self._bring_home()
        if self._process is None:
            self.root = self._commit_here()
        self.state.before = {}
        return self.root

    def _commit_here(self) -> bytes:
        get = self.state.get
        self._tree.update(
            [
                (encode_key(key), None if (value := get(key)) is None else encode_value(value))
                for key in self.state.before
            ]
        )
        return self._tree.root

    def committed_value(self, key: Key) -> Value:
        """Return what the key held at the last root."""
        before = self.state.before
        return before[key] if key in before else self.state.get(key)

    def prove(self, key: bytes) -> bytes:
        """Return the proof of what an encoded key held at the last root."""
        if self._process is not None:
            try:
                return self._process.prove(key)
            except StateTreeProcessDied:
                self._bring_home()
        return self._tree.prove(key)

    # The tree in a process of its own.

    def move_tree_out(self) -> None:
        """Keep the tree in a process of its own from now on, if it is not there already."""
        if self._process is None:
            self._process = StateTreeProcess(self._tree, split=split_pairs)
            self._tree = StateTree()  # lets go of the pages
            self.state.changed = [(key, self.state.get(key)) for key in self.state.before]

    def note_changes(self) -> None:
        """Tell the tree's process what was written, so that little is left to say when the root is due."""
        changed = self.state.changed
        if changed and self._process is not None:
            self.state.changed = []
            with suppress(StateTreeProcessDied):  # the next root finds that out, and what to do
                self._process.note(encode_pairs(changed))

    def close(self) -> None:
        """End the process that keeps the tree, if there is one."""
        if self._process is not None:
            self._process.close()

    def _bring_home(self) -> None:
        """Build the tree of the last root here, after its process died."""
        _log.warning(
            "the process that kept the state tree ended; building the tree of %d keys here",
            len(self.state.values),
        )
        self.close()
        self._process = self.state.changed = None
        self._tree = StateTree.build(self._committed_pairs())
        if self._tree.root != self.root:
            raise InvariantViolation(
                7, f"the state leads to root {self._tree.root.hex()}, not {self.root.hex()}"
            )

    def _committed_pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over all keys and values as they were at the last root."""
        before = self.state.before
        for pairs in (
            before.items(),
            ((key, value) for key, value in self.state.values.items() if key not in before),
        ):
            for key, value in pairs:
                if value is not None and is_committed(key):
                    yield encode_key(key), encode_value(value)


def check_changes(state: TrackedStore) -> None:
    """Check invariants 1, 2 and 3 over what changed since the last root, at which they held."""
    get = state.get
    sums: dict[str, int] = {}
    for key, before in state.before.items():
        table = key[0]
        if table == "balance":
            _, account, name = key
            units = get(key) or 0
            change = units - (before or 0)
            sums[name] = sums.get(name, 0) + change
            if change >= 0:
                continue  # what is held is still covered, unless that changed: then its own key is here
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
