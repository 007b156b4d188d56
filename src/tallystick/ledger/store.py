"""The store and its overlay: one map of state, and one way to write it.

The state is a map from keys to immutable values. A key is a tuple: `("balance", account, asset)` for a
system table, `("pool-1!", "position", owner)` for a table of a contract, whose namespace is its id with
a `!` that no account name can hold. The only way to write is an `Overlay`: reads fall through, writes
stay in it, and it is merged or dropped. Whatever a call accumulates (writes, postings, events,
obligations) lives in its overlay, so dropping one forgets the call and nothing has to be undone. A
journal of undo records was refused: every new kind of side effect would need its inverse.

Absent is `None`; writing `None` deletes. Scans are sorted by key, wherever the pairs lie.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

Key = tuple[Any, ...]
Value = Any
Posting = tuple[str, str, int, int]
"""(account, asset, change, resulting balance)"""
Event = tuple[str, str, dict[str, Any]]
"""(source, name, fields)"""

IDS = "id"
"""The namespace of transaction ids, grouped by slot: `("id", slot, sender, id)`."""
TIMERS = "timer"
CONTRACT_MARK = "!"

_NOTHING: dict[Key, Value] = {}
_CHUNK = 512


def is_ordered(namespace: str) -> bool:
    """Tell whether a namespace keeps its keys sorted for scans."""
    return namespace == TIMERS or namespace.endswith(CONTRACT_MARK)


class SortedKeys:
    """A sorted collection of keys in chunks, so that an insertion moves at most one chunk."""

    __slots__ = ("chunks", "lasts")

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        ordered = sorted(keys)
        self.chunks = [ordered[at : at + _CHUNK] for at in range(0, len(ordered), _CHUNK)]
        self.lasts = [chunk[-1] for chunk in self.chunks]

    def add(self, key: Key) -> None:
        """Insert `key`, which must not be there."""
        if not self.chunks:
            self.chunks.append([key])
            self.lasts.append(key)
            return
        at = min(bisect_left(self.lasts, key), len(self.chunks) - 1)
        chunk = self.chunks[at]
        insort(chunk, key)
        if len(chunk) > 2 * _CHUNK:
            self.chunks.insert(at + 1, chunk[_CHUNK:])
            del chunk[_CHUNK:]
            self.lasts.insert(at, chunk[-1])
            self.lasts[at + 1] = self.chunks[at + 1][-1]
        else:
            self.lasts[at] = chunk[-1]

    def remove(self, key: Key) -> None:
        """Remove `key`, which must be there."""
        at = bisect_left(self.lasts, key)
        chunk = self.chunks[at]
        del chunk[bisect_left(chunk, key)]
        if chunk:
            self.lasts[at] = chunk[-1]
        else:
            del self.chunks[at], self.lasts[at]

    def next(self, key: Key, *, inclusive: bool) -> Key | None:
        """Return the first key after `key`, or at it if `inclusive`."""
        find = bisect_left if inclusive else bisect_right
        at = find(self.lasts, key)
        if at == len(self.chunks):
            return None
        chunk = self.chunks[at]
        return chunk[find(chunk, key)]

    def previous(self, key: Key, *, inclusive: bool) -> Key | None:
        """Return the last key before `key`, or at it if `inclusive`."""
        find = bisect_right if inclusive else bisect_left
        at = min(bisect_left(self.lasts, key), len(self.chunks) - 1)
        while at >= 0:
            place = find(self.chunks[at], key)
            if place:
                return self.chunks[at][place - 1]
            at -= 1
        return None


class State(Protocol):
    """What an overlay may stand on."""

    def get(self, key: Key, /) -> Value: ...

    def next_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None: ...

    def previous_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None: ...

    def ids_before(self, slot: int) -> list[Key]: ...


class Store:
    """The merged state, with the indexes that scans need."""

    __slots__ = ("get", "ids", "ordered", "values")

    def __init__(self) -> None:
        self.values: dict[Key, Value] = {}
        self.ordered: dict[str, SortedKeys] = {}
        self.ids: dict[int, list[Key]] = {}
        self.get = self.values.get

    def write(self, writes: dict[Key, Value]) -> None:
        """Merge `writes`, keeping every index."""
        values = self.values
        for key, value in writes.items():
            if key[0] == IDS:
                self.write_id(key, value)
                continue
            if (value is None) == (key in values):
                self.note_moved(key, gone=value is None)
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value

    def write_id(self, key: Key, value: Value) -> None:
        """Merge one transaction id; a slot's ids are forgotten together."""
        if value is None:
            self.ids.pop(key[1], None)
            self.values.pop(key, None)
            return
        if key not in self.values:
            slot = self.ids.get(key[1])
            if slot is None:
                slot = self.ids[key[1]] = []
            slot.append(key)
        self.values[key] = value

    def note_moved(self, key: Key, *, gone: bool) -> None:
        """Keep the sorted keys of a namespace that may be scanned, when one appears or goes."""
        namespace = key[0]
        if is_ordered(namespace):
            index = self.ordered.get(namespace)
            if index is None:
                index = self.ordered[namespace] = SortedKeys()
            if gone:
                index.remove(key)
            else:
                index.add(key)

    def next_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None:
        """Return the namespace's first key after `key`, or at it if `inclusive`."""
        index = self.ordered.get(namespace)
        return index.next(key, inclusive=inclusive) if index else None

    def previous_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None:
        """Return the namespace's last key before `key`, or at it if `inclusive`."""
        index = self.ordered.get(namespace)
        return index.previous(key, inclusive=inclusive) if index else None

    def ids_before(self, slot: int) -> list[Key]:
        """Return the keys of the remembered transaction ids of all slots before `slot`, by slot."""
        return [key for earlier in sorted(self.ids) if earlier < slot for key in self.ids[earlier]]


class Overlay:
    """Writes on top of a state, with what the writer accumulated."""

    __slots__ = (
        "_get_below",
        "_hidden",
        "_writes_below",
        "events",
        "live",
        "obligations",
        "parent",
        "postings",
        "touched",
        "writes",
    )

    def __init__(self, parent: State) -> None:
        self.parent = parent
        # Most reads end two levels down, at the store: looking through both here saves a call a read.
        if isinstance(parent, Overlay):
            self._writes_below, self._get_below = parent.writes, parent.parent.get
        else:
            self._writes_below, self._get_below = _NOTHING, parent.get
        self._hidden: tuple[dict[Key, Key | None], ...] = ()
        """Where a step over keys that this overlay hides led, backwards and forwards, once one was made."""
        self.writes: dict[Key, Value] = {}
        self.touched: dict[str, set[Key]] = {}
        """The keys of `writes` in namespaces that may be scanned."""
        self.live: dict[str, SortedKeys] = {}
        """Those not deleted, sorted, for the namespaces that were scanned here: most never are."""
        self.postings: list[Posting] = []
        self.events: list[Event] = []
        self.obligations: dict[tuple[str, str], int] = {}

    def stand_on(self, store: Store) -> None:
        """Stand on the store that what this overlay stood on was merged into: it says the same."""
        self.parent = store
        self._writes_below, self._get_below = _NOTHING, store.get

    def get(self, key: Key) -> Value:
        """Return the value at `key`, or None."""
        # Most keys are in neither: asking whether one is costs half of getting it with a mark for absence.
        if key in self.writes:
            return self.writes[key]
        if key in self._writes_below:
            return self._writes_below[key]
        return self._get_below(key)

    def put(self, key: Key, value: Value) -> None:
        """Write `value` at `key` in a namespace that may be scanned; None deletes."""
        namespace = key[0]
        touched = self.touched.get(namespace)
        if touched is None:
            touched = self.touched[namespace] = set()
        touched.add(key)
        live = self.live.get(namespace)
        if live is not None:
            was_live = self.writes.get(key) is not None
            if was_live and value is None:
                live.remove(key)
            elif not was_live and value is not None:
                live.add(key)
        self.writes[key] = value

    def absorb(self, child: "Overlay") -> None:
        """Take over what `child`, which stands on this overlay, wrote."""
        for namespace, keys in child.touched.items():
            if namespace in self.live:
                for key in keys:
                    self.put(key, child.writes[key])
            elif namespace in self.touched:
                self.touched[namespace] |= keys
            else:
                self.touched[namespace] = set(keys)
        self.writes.update(child.writes)

    def merge(self, child: "Overlay") -> None:
        """Take over everything that `child`, which stands on this overlay, accumulated."""
        self.absorb(child)
        self.postings += child.postings
        self.events += child.events
        self.obligations.update(child.obligations)

    def obligation(self, key: tuple[str, str]) -> int:
        """Return what is open under `key`, here or below."""
        units = self.obligations.get(key)
        if units is None:
            return self.parent.obligation(key) if isinstance(self.parent, Overlay) else 0
        return units

    def open_obligations(self) -> dict[tuple[str, str], int]:
        """Return all open obligations, here and below."""
        below = self.parent.open_obligations() if isinstance(self.parent, Overlay) else {}
        return {key: units for key, units in (below | self.obligations).items() if units}

    def next_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None:
        """Return the namespace's first live key after `key`, or at it if `inclusive`."""
        below = self.parent.next_key(namespace, key, inclusive=inclusive)
        live = self._sorted(namespace)
        if live is None:
            return below
        below = self._step_over(below, self.parent.next_key, forwards=True)
        mine = live.next(key, inclusive=inclusive)
        if mine is None or below is None:
            return below if mine is None else mine
        return min(mine, below)

    def previous_key(self, namespace: str, key: Key, *, inclusive: bool) -> Key | None:
        """Return the namespace's last live key before `key`, or at it if `inclusive`."""
        below = self.parent.previous_key(namespace, key, inclusive=inclusive)
        live = self._sorted(namespace)
        if live is None:
            return below
        below = self._step_over(below, self.parent.previous_key, forwards=False)
        mine = live.previous(key, inclusive=inclusive)
        if mine is None or below is None:
            return below if mine is None else mine
        return max(mine, below)

    def _sorted(self, namespace: str) -> SortedKeys | None:
        """Return the live keys of a namespace written here, sorted at the first scan and kept so."""
        live = self.live.get(namespace)
        if live is None and namespace in self.touched:
            keys = self.touched[namespace]
            live = self.live[namespace] = SortedKeys(key for key in keys if self.writes[key] is not None)
        return live

    def _step_over(self, below: Key | None, step: Callable[..., Key | None], *, forwards: bool) -> Key | None:
        """Return the first key from `below` on that this overlay did not write.

        Each key stepped over remembers where the step led, so that a table drained from its head costs
        one look a step instead of one for each row that is gone. What lies below does not move meanwhile.
        """
        if not self._hidden:
            self._hidden = ({}, {})
        hidden = self._hidden[forwards]
        passed = []
        while below is not None and below in self.writes:
            passed.append(below)
            below = hidden[below] if below in hidden else step(below[0], below, inclusive=False)
        for key in passed:
            hidden[key] = below
        return below

    def ids_before(self, slot: int) -> list[Key]:
        """Return the keys of the remembered transaction ids of all slots before `slot`, by slot."""
        below = [key for key in self.parent.ids_before(slot) if self.writes.get(key, key) is not None]
        mine = [
            key for key, value in self.writes.items() if key[0] == IDS and key[1] < slot and value is not None
        ]
        return sorted(below + mine, key=lambda key: int(key[1])) if mine else below


def scan(state: State, prefix: Key, *, start: Key | None = None, reverse: bool = False) -> Iterator[Key]:
    """Iterate over the live keys below `prefix` in order, from `start` on, or back from it.

    Each step asks the state anew, so what is written during a scan is met if it lies ahead.
    """
    namespace, depth = prefix[0], len(prefix)
    step = state.previous_key if reverse else state.next_key
    key = step(namespace, prefix if start is None else start, inclusive=True)
    while key is not None and key[:depth] == prefix:
        yield key
        key = step(namespace, key, inclusive=False)
