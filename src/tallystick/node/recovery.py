"""Recovery: from a file back to a state, believing nothing but what the log commits to.

The newest snapshot that leads to its signed root, then the entries after it through `ledger.replay`, which
executes them again and compares every receipt and root. Signatures are not checked a second time: they were
when the entries were accepted, and `verify` checks them for strangers. What is opened is therefore either the
state that the log's tail proves, or `JournalCorrupt` with the entry that is wrong.

Entries before the snapshot are not read here; `check` reads all of them.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from tallystick.ledger.apply import Kinds
from tallystick.ledger.genesis import genesis_writes
from tallystick.ledger.rejections import InvariantViolation, Rejection
from tallystick.ledger.replay import Replay, ReplayError
from tallystick.ledger.store import Store
from tallystick.ledger.transactions import authenticate
from tallystick.log.leaf import EntryKind, Leaf
from tallystick.log.state_tree import StateTree
from tallystick.node.commitment import Commitment, TrackedStore
from tallystick.node.entries import Entry, check_entry
from tallystick.node.faults import JournalCorrupt
from tallystick.node.journal import Journal
from tallystick.node.snapshot import Progress, SnapshotCorrupt, load_snapshot

_PROGRESS_EVERY: Final = 1000
_FREEZE_KEYS_MIN: Final = 100_000


class Root(msgspec.Struct, frozen=True):
    """A root entry's index and the state root in it."""

    index: int
    state_root: bytes


class Recovered(NamedTuple):
    """A state with its tree, up to the entry before `size`."""

    commitment: Commitment
    size: int
    last_root: Root | None
    snapshot_size: int
    notices: list[str]
    """What was skipped on the way, in words."""


def recover(journal: Journal, *, kinds: Kinds, progress: Progress | None = None) -> Recovered:
    """Return the state of all entries in the journal. Raises `JournalCorrupt`.

    `progress` is called with pairs while the snapshot loads, then with entries while the tail is replayed.
    """
    notices: list[str] = []
    size = journal.size()
    genesis = checked_genesis(journal)
    loaded = _load_newest(journal, size=size, kinds=kinds, notices=notices, progress=progress)
    if loaded is None:
        commitment, start, last_root = _from_genesis(genesis), 1, None
    else:
        commitment, last_root = loaded
        start = last_root.index + 1
    _collector_spared(commitment.state)
    snapshot_size = start if last_root is not None else 0
    found = replay_tail(journal, commitment, kinds=kinds, start=start, end=size, progress=progress)
    return Recovered(commitment, size, found or last_root, snapshot_size, notices)


def recover_until(journal: Journal, *, kinds: Kinds, end: int) -> Store:
    """Return the state of the entries below `end`, from the newest snapshot that is not later.

    The last entry may stand in the middle of a batch. Raises `JournalCorrupt`.
    """
    loaded = _load_newest(journal, size=journal.size(), kinds=kinds, notices=[], progress=None, upto=end)
    if loaded is None:
        commitment, start = _from_genesis(checked_genesis(journal)), 1
    else:
        commitment, last_root = loaded
        start = last_root.index + 1
    replay_tail(journal, commitment, kinds=kinds, start=start, end=max(start, end))
    return commitment.state


def checked_genesis(journal: Journal) -> bytes:
    """Return the genesis document, which entry 0 must hold as well. Raises `JournalCorrupt`."""
    entry = journal.entry(0)
    if entry is None:
        raise JournalCorrupt("missing", index=0)
    check_entry(entry, index=0)
    if journal.meta("genesis") != entry.envelope:
        raise JournalCorrupt("another document than the file's genesis", index=0)
    return entry.envelope


def _from_genesis(genesis: bytes) -> Commitment:
    state = TrackedStore()
    try:
        state.write(genesis_writes(genesis))
    except Rejection as refused:
        raise JournalCorrupt(f"genesis is refused: {refused}", index=0) from None
    return Commitment(state, StateTree())


def _load_newest(
    journal: Journal,
    *,
    size: int,
    kinds: Kinds,
    notices: list[str],
    progress: Progress | None,
    upto: int | None = None,
) -> tuple[Commitment, Root] | None:
    """Return the newest snapshot, of at most `upto` entries, that proves itself; note each that does not."""
    for snapshot_size in journal.snapshot_sizes():
        if upto is not None and snapshot_size > upto:
            continue
        try:
            root = _root_before(journal, snapshot_size, size=size)
            return (
                load_snapshot(
                    journal.snapshot_parts(snapshot_size),
                    size=snapshot_size,
                    root=root.state_root,
                    contracts=kinds.contracts,
                    progress=progress,
                ),
                root,
            )
        except (SnapshotCorrupt, JournalCorrupt) as error:
            notices.append(f"the snapshot of {snapshot_size} entries was skipped: {error}")
    return None


def _root_before(journal: Journal, snapshot_size: int, *, size: int) -> Root:
    """Return the root entry that a snapshot follows."""
    index = snapshot_size - 1
    entry = journal.entry(index) if 0 < snapshot_size <= size else None
    if entry is None:
        raise SnapshotCorrupt(f"the log has {size} entries")
    leaf = check_entry(entry, index=index)
    if leaf.kind is not EntryKind.ROOT:
        raise SnapshotCorrupt(f"entry {index} is no root")
    return Root(index, leaf.receipt_hash)


def _collector_spared(state: TrackedStore) -> None:
    """Tell the garbage collector that a large state is here to stay, or each full pass would walk it."""
    if len(state.values) >= _FREEZE_KEYS_MIN:
        gc.freeze()


def replay_tail(
    journal: Journal,
    commitment: Commitment,
    *,
    kinds: Kinds,
    start: int,
    end: int,
    progress: Progress | None = None,
) -> Root | None:
    """Execute the entries from `start` and below `end` again; return the last root among them.

    Raises `JournalCorrupt` with the first entry that does not follow.
    """
    replay = Replay(commitment.state, kinds, index=start)
    last_root = None
    with _faults_named(replay):
        for entry in journal.entries(start=start, end=end):
            leaf = check_entry(entry, index=replay.index)
            _replay_one(replay, entry, leaf)
            if leaf.kind is EntryKind.ROOT:
                last_root = _check_root(replay, commitment, leaf)
            if progress is not None and (replay.index % _PROGRESS_EVERY == 0 or replay.index == end):
                progress(replay.index - start, end - start)
        replay.finish()
    if replay.index != end:
        raise JournalCorrupt("missing", index=replay.index)
    return last_root


def _replay_one(replay: Replay, entry: Entry, leaf: Leaf) -> None:
    height, time = leaf.height, leaf.time_us
    match leaf.kind:
        case EntryKind.TRANSACTION:
            authentic = authenticate(entry.envelope, check_signatures=False)
            replay.transaction(height=height, time=time, authentic=authentic, receipt=entry.receipt)
        case EntryKind.TIMERS:
            replay.timers(height=height, time=time, receipt=entry.receipt)
        case EntryKind.ROOT:
            replay.root(height=height, time=time)
        case EntryKind.GENESIS:  # refused by `check_entry`, which the journal's first entry alone passes
            raise JournalCorrupt("a second genesis", index=entry.index)


def _check_root(replay: Replay, commitment: Commitment, leaf: Leaf) -> Root:
    replay.take_dirty()  # the tracked store knows more: what was there before
    root = commitment.commit()
    if root != leaf.receipt_hash:
        raise JournalCorrupt(
            f"the state root is {root.hex()}, not {leaf.receipt_hash.hex()}", index=leaf.index
        )
    return Root(leaf.index, root)


@contextmanager
def _faults_named(replay: Replay) -> Iterator[None]:
    """Turn whatever replay finds wrong into `JournalCorrupt` with the entry's index."""
    try:
        yield
    except ReplayError as error:
        raise JournalCorrupt(error.what, index=error.index) from error
    except (Rejection, InvariantViolation) as error:
        raise JournalCorrupt(str(error), index=replay.index) from error
