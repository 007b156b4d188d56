"""The verifier: a whole history again, from genesis and the log alone, trusting neither.

For each entry it makes the leaf's fields again (index, kind, height, time, the hashes of envelope and
receipt), verifies every signature, executes the transaction, and compares the receipt byte by byte. From the
leaves it makes the Merkle tree and compares every stored checkpoint and tile; from the state, every state
root. The invariants are checked by their independent path. What it cannot compute, it does not believe.

The rule that must hold: **the first wrong entry is named.** Signatures are verified and the state is hashed
in other processes while execution runs ahead; before anything is said about an entry, all verdicts up to it
are in.

What a verdict does not say: that nothing is missing *after* the newest checkpoint, or that nobody was shown
another history. The first ends at the checkpoint; for the second there are witnesses. Nor does a key that the
log itself names prove whose log it is: pin the ledger's id or the log's key, or the verdict says that neither
was.

Refused: sampling, and trusting stored snapshots. An error that nobody looked at is the one that matters.
"""

import struct
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tallystick import collector
from tallystick.client.amounts import format_count
from tallystick.client.errors import ClientError
from tallystick.client.log_key import read_log_key
from tallystick.client.signatures import SignatureChecker
from tallystick.client.sources import RawEntry, Source, SourceError
from tallystick.client.times import format_time
from tallystick.client.tree_check import GrowingTree, StoredTiles, WrongTile
from tallystick.crypto import sha256
from tallystick.ledger.backing import check_backed
from tallystick.ledger.encoding import encode_key, encode_pairs, encode_value, is_committed, split_pairs
from tallystick.ledger.genesis import decode_genesis
from tallystick.ledger.genesis import ledger_id as ledger_id_of
from tallystick.ledger.invariants import check_state
from tallystick.ledger.records import Clock
from tallystick.ledger.rejections import InvariantViolation, Rejection
from tallystick.ledger.replay import Replay, ReplayError
from tallystick.ledger.store import Key, Value
from tallystick.ledger.transactions import authenticate
from tallystick.log.checkpoint import verify_checkpoint
from tallystick.log.leaf import LEAF_VERSION, EntryKind, encode_leaf
from tallystick.log.note import NoteError, VerifierKey, parse_vkey
from tallystick.log.state_tree import StateTree
from tallystick.log.state_tree_process import StateTreeProcess, StateTreeProcessDied
from tallystick.log.tree import leaf_hash
from tallystick.protocol import KINDS

CHUNK_ENTRIES: Final = 256
_ROOTS_AHEAD: Final = 4
"""State roots that execution may be ahead of, each with all that changed since the one before."""
PROCESSES_FROM_ENTRIES: Final = 2_000
"""A log shorter than this is verified in one process: others would not have started before it is done."""

_TRANSACTION, _TIMERS, _ROOT = (
    int(kind) for kind in (EntryKind.TRANSACTION, EntryKind.TIMERS, EntryKind.ROOT)
)
"""Plain numbers: comparing with a member of an enum costs a call for each entry."""
_unpack_leaf: Final = struct.Struct(">BQQQB32s32s").unpack  # as in log.leaf, without an object an entry

Progress = Callable[[int, int], None]
"""Called with (entries verified, entries expected)."""


class VerificationFailed(ClientError):
    """Entry `index` is the first that is wrong, or, for a checkpoint, the last that it covers."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(f"entry {index}: {what}")
        self.index = index
        self.what = what


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was proven. `checkpoint_size` is 0 where no checkpoint is stored."""

    source: str
    ledger_id: str
    ledger_name: str
    entries: int
    transactions: int
    signatures: int
    batches: int
    accounts: int
    assets: int
    time: int
    state_root: bytes | None
    tree_root: bytes
    checkpoints: int
    checkpoint_size: int
    tiles: int
    signatures_checked: bool
    log_key: str
    log_key_pinned: bool
    ledger_id_pinned: bool

    @property
    def uncovered(self) -> int:
        """How many entries follow the newest checkpoint: nobody has signed that they will stay."""
        return self.entries - self.checkpoint_size

    def sentence(self) -> str:
        """Return the one line that says what was proven, and what was not."""
        entries = format_count(self.entries, "entry", "entries")
        batches = format_count(self.batches, "batch", "batches")
        counted = (
            f"{entries} in {batches} to {format_time(self.time)}",
            format_count(self.transactions, "transaction"),
            format_count(self.signatures, "signature") if self.signatures_checked else "NO signatures",
            format_count(self.accounts, "account"),
            format_count(self.assets, "asset"),
        )
        parts = [f"{self.ledger_name} ({self.ledger_id[:16]}) follows from its genesis: {', '.join(counted)}"]
        parts.append(f"tree root {self.tree_root.hex()[:16]}")
        if self.state_root is not None:
            parts.append(f"state root {self.state_root.hex()[:16]}")
        parts.append(self._covered())
        parts.append(self._pinned())
        return "; ".join(parts)

    def _covered(self) -> str:
        if not self.checkpoint_size:
            return "no checkpoint signs this history"
        size = format_count(self.checkpoint_size, "entry", "entries")
        checkpoints = format_count(self.checkpoints, "checkpoint holds", "checkpoints hold")
        covered = f"{checkpoints}, the newest signs {size}"
        return covered + (f"; the last {self.uncovered:,} are not signed yet" if self.uncovered else "")

    def _pinned(self) -> str:
        pinned = [
            name
            for name, is_pinned in (("ledger id", self.ledger_id_pinned), ("log key", self.log_key_pinned))
            if is_pinned
        ]
        if pinned:
            return f"{' and '.join(pinned)} as you gave {'them' if len(pinned) == 2 else 'it'}"
        return "the log named its own key: compare the ledger id"


def verify(
    source: Source,
    *,
    log_key: str | None = None,
    ledger_id: str | None = None,
    processes: int = 2,
    check_signatures: bool = True,
    progress: Progress | None = None,
) -> Verdict:
    """Verify a log and return what was proven.

    `log_key` (a vkey) and `ledger_id` pin who signs and which ledger it is; without them genesis says so.
    Raises `VerificationFailed`, naming the first wrong entry; `SourceError` where there is no log to read.
    """
    verification = _Verification(
        source,
        log_key=log_key,
        ledger_id=ledger_id,
        processes=processes if source.size() >= PROCESSES_FROM_ENTRIES else 0,
        check_signatures=check_signatures,
        progress=progress,
    )
    try:
        with collector.spared():
            return verification.run()
    except VerificationFailed:
        source.check_unchanged()
        raise
    finally:
        verification.close()


class _Verification:
    """One run: what has been made again so far, and what it is compared with."""

    def __init__(
        self,
        source: Source,
        *,
        log_key: str | None,
        ledger_id: str | None,
        processes: int,
        check_signatures: bool,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._pinned_key = None if log_key is None else read_log_key(log_key)
        self._pinned_id = ledger_id
        self._progress = progress
        self._expected = source.size()
        self._tree = GrowingTree()
        self._state_roots = _StateRoots(apart=processes > 0)
        self._counts = dict.fromkeys(EntryKind, 0)
        self._last_kind = EntryKind.GENESIS
        self._checker = SignatureChecker(processes=processes) if check_signatures else None

    def close(self) -> None:
        """End the processes that were started."""
        self._state_roots.close()
        if self._checker is not None:
            self._checker.close()

    def run(self) -> Verdict:
        """Verify everything. Raises `VerificationFailed` and `SourceError`."""
        try:
            self._verify_entries()
            self._finish()
        except SourceError as error:
            if error.index is None:
                raise
            self._raise_earlier(error.index)
            # Not kept in a variable: the error would hold this frame, and it the error, with the whole state.
            raise VerificationFailed(error.index, str(error)) from error
        except VerificationFailed as failed:
            self._raise_earlier(failed.index)
            raise
        return self._verdict()

    def _verify_entries(self) -> None:
        chunks = _chunks(self._source.entries())
        first = next(chunks, None)
        if first is None:
            raise SourceError(f"{self._source.name} has no entries", index=0)
        self._begin(first[0])
        self._submit(first[1:])
        self._verify_chunk(first[1:])
        for chunk in chunks:
            self._submit(chunk)
            self._verify_chunk(chunk)

    def _submit(self, chunk: Sequence[RawEntry]) -> None:
        if self._checker is not None:
            self._checker.submit([(entry.index, entry.envelope) for entry in chunk if entry.envelope])

    def _verify_chunk(self, chunk: Sequence[RawEntry]) -> None:
        """Verify consecutive entries whose signatures are being verified elsewhere."""
        for entry in chunk:
            self._verify_entry(entry)
        if self._progress is not None:
            self._progress(self._tree.size, max(self._expected, self._tree.size))
        known = self._state_roots.wrong or (self._checker and self._checker.bad)
        if known:
            raise VerificationFailed(*known)  # or what is wrong before it: see `run`

    # Entry 0.

    def _begin(self, entry: RawEntry) -> None:
        """Verify genesis, and take from it whose log this is."""
        genesis = entry.envelope
        if entry.index != 0 or self._source.genesis() != genesis:
            raise VerificationFailed(0, "the genesis stored beside the log is not entry 0")
        self.ledger_id = ledger_id_of(genesis)
        if self._pinned_id is not None and self.ledger_id != self._pinned_id:
            raise VerificationFailed(0, f"this is ledger {self.ledger_id}, not {self._pinned_id}")
        try:
            self._replay = Replay.from_genesis(genesis, KINDS)
            self._genesis = decode_genesis(genesis)
            self._log_key = parse_vkey(self._genesis.log_key)
        except ReplayError as error:
            raise VerificationFailed(0, error.what) from None
        except NoteError as error:
            raise VerificationFailed(0, f"genesis names no log key: {error}") from None
        if self._pinned_key not in (None, self._log_key):
            raise VerificationFailed(0, f"genesis names the log key {self._log_key.vkey}, not the one given")
        expected = encode_leaf(
            index=0,
            height=0,
            time_us=self._genesis.time,
            kind=EntryKind.GENESIS,
            envelope_hash=sha256(genesis),
            receipt_hash=sha256(b""),
        )
        if entry.leaf != expected or entry.receipt or entry.sender is not None or entry.id is not None:
            raise VerificationFailed(0, "the leaf, receipt or names of entry 0 are not those of genesis")
        self._checkpoints = _Checkpoints(self._source, self._log_key)
        self._tiles = StoredTiles(self._source)
        self._grow(entry.leaf)

    # Every other entry.

    def _verify_entry(self, entry: RawEntry) -> None:
        index = self._tree.size
        version, leaf_index, height, time, kind, envelope_hash, receipt_hash = _unpack_leaf(entry.leaf)
        if entry.index != index or leaf_index != index or version != LEAF_VERSION:
            raise VerificationFailed(
                index, f"the leaf is of version {version} and entry {leaf_index}, stored as {entry.index}"
            )
        if sha256(entry.envelope) != envelope_hash:
            raise VerificationFailed(index, "the envelope is not the one that the leaf commits to")
        if kind != _ROOT and sha256(entry.receipt) != receipt_hash:
            raise VerificationFailed(index, "the receipt is not the one that the leaf commits to")
        try:
            if kind == _TRANSACTION:
                self._verify_transaction(entry, height, time)
            elif kind == _TIMERS:
                self._check_unsent(entry)
                self._replay.timers(height=height, time=time, receipt=entry.receipt)
            elif kind == _ROOT:
                self._check_unsent(entry)
                self._verify_root(entry, height, time, receipt_hash)
            else:
                raise VerificationFailed(index, f"there is no entry of kind {kind} here")
        except ReplayError as error:
            raise VerificationFailed(index, error.what) from None
        except Rejection as refused:
            raise VerificationFailed(index, f"the envelope is refused: {refused}") from None
        except InvariantViolation as broken:
            raise VerificationFailed(index, str(broken)) from None
        self._counts[kind] += 1
        self._last_kind = kind
        self._grow(entry.leaf)

    def _verify_transaction(self, entry: RawEntry, height: int, time: int) -> None:
        # Another process verifies the signatures over these very bytes, or the caller asked for none.
        authentic = authenticate(entry.envelope, check_signatures=False)
        if self._source.indexed:
            transaction = authentic.transaction
            if entry.sender != transaction.sender or entry.id != transaction.id:
                raise VerificationFailed(
                    entry.index,
                    f"stored as transaction {entry.id} of {entry.sender},"
                    f" but it is {transaction.id} of {transaction.sender}",
                )
        self._replay.transaction(height=height, time=time, authentic=authentic, receipt=entry.receipt)

    def _check_unsent(self, entry: RawEntry) -> None:
        """Check that an entry which nobody sent carries nothing that anybody could have sent."""
        if entry.envelope or entry.sender is not None or entry.id is not None:
            raise VerificationFailed(entry.index, "an entry that nobody sent has an envelope or a sender")

    def _verify_root(self, entry: RawEntry, height: int, time: int, state_root: bytes) -> None:
        if entry.receipt:
            raise VerificationFailed(entry.index, "a root entry has a receipt")
        replay = self._replay
        replay.root(height=height, time=time)
        changes = [pair for pair in replay.take_dirty().items() if is_committed(pair[0])]
        self._state_roots.compare(entry.index, changes, state_root)

    def _grow(self, leaf: bytes) -> None:
        """Take the leaf into the tree and compare what is then complete."""
        tree = self._tree
        try:
            for level, index, hashes in tree.append(leaf_hash(leaf)):
                self._tiles.compare(level, index, hashes)
        except WrongTile as wrong:
            raise VerificationFailed(wrong.entry, wrong.what) from None
        if tree.size == self._checkpoints.next_size:
            self._checkpoints.check(tree, follows_root=self._last_kind == _ROOT)

    # The end.

    def _finish(self) -> None:
        """Check what only the end can show: that nothing is owed, and nothing stored goes beyond it."""
        last = self._tree.size - 1
        try:
            self._replay.finish()
            check_state(self._replay.state.values)
            check_backed(self._replay.state, KINDS)
        except ReplayError as error:
            raise VerificationFailed(error.index, error.what) from None
        except InvariantViolation as broken:
            raise VerificationFailed(last, str(broken)) from None
        self._checkpoints.check_none_left(self._tree.size)
        try:
            for level, index, hashes in self._tree.edges():
                self._tiles.compare(level, index, hashes)
            self._tiles.check_complete(self._checkpoints.newest_size, size=self._tree.size)
        except WrongTile as wrong:
            raise VerificationFailed(wrong.entry, wrong.what) from None
        self._raise_earlier(self._tree.size)

    def _raise_earlier(self, index: int) -> None:
        """Wait for everything that others check; raise the first that is wrong before entry `index`."""
        self._state_roots.settle()
        found = [self._state_roots.wrong, None if self._checker is None else self._checker.drain()]
        wrong = min(filter(None, found), default=None)
        if wrong is not None and wrong[0] < index:
            raise VerificationFailed(*wrong) from None

    def _verdict(self) -> Verdict:
        state = self._replay.state
        clock: Clock = state.values[("clock",)]
        kinds = Counter(key[0] for key in state.values)
        return Verdict(
            source=self._source.name,
            ledger_id=self.ledger_id,
            ledger_name=self._genesis.name,
            entries=self._tree.size,
            transactions=self._counts[EntryKind.TRANSACTION],
            signatures=0 if self._checker is None else self._checker.signatures,
            batches=clock.height,
            accounts=kinds["account"],
            assets=kinds["asset"],
            time=clock.time,
            state_root=self._state_roots.newest,
            tree_root=self._tree.root(),
            checkpoints=self._checkpoints.checked,
            checkpoint_size=self._checkpoints.newest_size,
            tiles=self._tiles.compared,
            signatures_checked=self._checker is not None,
            log_key=self._log_key.vkey,
            log_key_pinned=self._pinned_key is not None,
            ledger_id_pinned=self._pinned_id is not None,
        )


class _StateRoots:
    """The root of the state after each root entry, made again here or in a process that may lag behind."""

    def __init__(self, *, apart: bool) -> None:
        self.newest: bytes | None = None
        self.wrong: tuple[int, str] | None = None
        """The first entry whose root is another, and which it should be."""
        self._expected: deque[tuple[int, bytes]] = deque()
        self._tree = StateTree()
        self._process = StateTreeProcess(self._tree, split=split_pairs) if apart else None

    def compare(self, index: int, changes: Sequence[tuple[Key, Value]], root: bytes) -> None:
        """Compare the root after these changes with what entry `index` says; the answer may come later."""
        self._expected.append((index, root))
        if self._process is None:
            self._tree.update(
                (encode_key(key), None if value is None else encode_value(value)) for key, value in changes
            )
            self._take(self._tree.root)
            return
        try:
            self._process.note(encode_pairs(changes))
            self._process.ask_root()
        except StateTreeProcessDied as died:
            raise _tree_lost() from died
        if len(self._expected) > _ROOTS_AHEAD:
            self._take(self._root())

    def settle(self) -> None:
        """Wait for every root."""
        while self._expected:
            self._take(self._root())

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.close()

    def _root(self) -> bytes:
        assert self._process is not None
        try:
            return self._process.root()
        except StateTreeProcessDied as died:
            raise _tree_lost() from died

    def _take(self, root: bytes) -> None:
        self.newest = root
        index, expected = self._expected.popleft()
        if root != expected and self.wrong is None:
            self.wrong = (index, f"the state root is {root.hex()}, not the leaf's")


def _tree_lost() -> ClientError:
    return ClientError(
        "the process that hashes the state ended", hint="run with processes=0 to hash it in this one"
    )


class _Checkpoints:
    """The stored checkpoints, each compared with the tree when it has reached their size."""

    def __init__(self, source: Source, log_key: VerifierKey) -> None:
        self._waiting = deque(source.checkpoints())
        self._log_key = log_key
        self.checked = 0
        self.newest_size = 0

    @property
    def next_size(self) -> int:
        """The size at which the next one is due, or -1."""
        return self._waiting[0][0] if self._waiting else -1

    def check(self, tree: GrowingTree, *, follows_root: bool) -> None:
        """Check the checkpoint of the tree's size. Raises `VerificationFailed`."""
        size, note = self._waiting.popleft()
        try:
            checkpoint = verify_checkpoint(note, log_key=self._log_key)
        except NoteError as error:
            raise VerificationFailed(size - 1, f"checkpoint {size}: {error}") from None
        if checkpoint.tree_size != size or checkpoint.root != tree.root():
            raise VerificationFailed(
                size - 1,
                f"checkpoint {size} signs root {checkpoint.root.hex()} of {checkpoint.tree_size} entries;"
                f" the root of these {size} is {tree.root().hex()}",
            )
        if not follows_root:
            raise VerificationFailed(size - 1, f"checkpoint {size} does not stand behind a state root")
        self.checked += 1
        self.newest_size = size

    def check_none_left(self, size: int) -> None:
        """Check that none signs a size that the log does not reach. Raises `VerificationFailed`."""
        if not self._waiting:
            return
        signed = self._waiting[0][0]
        if signed <= 0:
            raise VerificationFailed(0, f"a checkpoint of size {signed}")
        raise VerificationFailed(size, f"is missing: a checkpoint signs {signed} entries")


def _chunks(entries: Iterator[RawEntry]) -> Iterator[list[RawEntry]]:
    """Yield the entries in lists; where the source fails, first those that came before."""
    while True:
        chunk: list[RawEntry] = []
        try:
            chunk.extend(islice(entries, CHUNK_ENTRIES))  # keeps what came before an exception
        except SourceError:
            if chunk:
                yield chunk
            raise
        if not chunk:
            return
        yield chunk
