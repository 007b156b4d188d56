"""The embedded node: a ledger on one file, in this process.

    with LedgerFile.open(Path("demo.tally"), log_key=key) as ledger:
        outcomes = ledger.submit([envelope])

Everything goes one way: authenticate → look for a retry → execute on an overlay → journal → merge → answer.
The rule that must hold is invariant 9, *acknowledged means durable*: a receipt leaves `submit` only after
its entry is on the disk. When the disk refuses, the batch is forgotten, `NotDurable` says so, and the next
write first makes the state agree with what the disk turned out to have.

A checkpoint is made on demand and when the ledger is closed. Snapshots follow checkpoints, after so many
entries; in a large state after as many as the last one had keys.
"""

import gc
import time as system_time
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import msgspec

from tallystick.ledger.apply import Kinds, batch_context
from tallystick.ledger.execution import Execution
from tallystick.ledger.fork import Fork, preview, unsigned
from tallystick.ledger.genesis import Genesis, decode_genesis, ledger_id
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Account, Asset, Clock, Hold
from tallystick.ledger.rejections import Code, InvariantViolation, Rejection
from tallystick.ledger.runtime import answer
from tallystick.ledger.store import Overlay, Store
from tallystick.ledger.transactions import (
    AuthenticTransaction,
    Transaction,
    authenticate_all,
)
from tallystick.log.note import (
    NoteError,
    SigningKey,
    VerifierKey,
    add_signatures,
    parse_note,
    parse_vkey,
    verify_note,
)
from tallystick.node.commitment import Commitment
from tallystick.node.entries import Entry, check_entry, genesis_entry, root_entry
from tallystick.node.faults import (
    JournalCorrupt,
    NodeFault,
    NoLogKey,
    NotDurable,
    NotFound,
    NotYet,
    ReadOnly,
    Stopped,
    WrongLogKey,
)
from tallystick.node.journal import Journal
from tallystick.node.lock import WriterLock
from tallystick.node.log_tree import LogTree
from tallystick.node.recovery import Root, checked_genesis, recover, replay_tail
from tallystick.node.sequencer import Accepted, Batch, Sequencer, Signed, repeat_in
from tallystick.node.snapshot import Progress, snapshot_parts
from tallystick.protocol import KINDS

BATCH_TRANSACTIONS_MAX: Final = 1000
SNAPSHOT_ENTRIES: Final = 100_000
"""After how many entries a snapshot is due; after as many as the last one had keys, if those are more. It
costs 2 µs a key and nobody is answered meanwhile: so it costs an entry 2 µs, and 2 for each key that entries
add, however large the state is."""
SNAPSHOTS_KEPT: Final = 2
COSIGNED_BACK: Final = 64
"""How many checkpoints back a cosignature may arrive: a minute, where one is made every second."""
_TAIL_BYTES_PER_KEY: Final = 40
"""Replaying so many bytes of envelopes costs about as much as writing and loading one key of a snapshot: a
one-leg transfer has 580 and takes 30 µs, a leg of a large one 42 and 2 µs; a key takes 4 µs or less."""

ClockSource = Callable[[], int]
"""Returns microseconds UTC. May go backwards: the state's time does not."""


def wall_clock() -> int:
    """Return the system's time in microseconds UTC."""
    return system_time.time_ns() // 1000


class Outcome(msgspec.Struct, frozen=True):
    """What became of an envelope: a receipt with its index, or a rejection.

    `repeated` if the very same transaction was in the log already; the receipt is then the one it got first.
    """

    receipt: bytes | None = None
    rejection: Rejection | None = None
    index: int | None = None
    repeated: bool = False


class Doubt(Enum):
    """What an interrupted write leaves in doubt until it is recovered."""

    NOTHING = 0
    JOURNAL = 1  # whether the last write is on the disk
    STATE = 2  # also whether the state in memory has all of it


class LedgerFile:
    """A ledger on one file. Not thread-safe. Use `create` or `open`, and close it."""

    def __init__(
        self,
        journal: Journal,
        lock: WriterLock | None,
        *,
        log_key: SigningKey | None,
        kinds: Kinds,
        clock: ClockSource,
        snapshot_entries: int,
        progress: Progress | None,
    ) -> None:
        self.journal = journal
        self.kinds = kinds
        self.notices: list[str] = []
        """What went wrong without harm, such as a snapshot that had to be skipped, in words."""
        self._lock = lock
        self._log_key = log_key
        self._clock = clock
        self._snapshot_entries = snapshot_entries
        self._doubt = Doubt.NOTHING
        self._stopped = ""
        with journal.reading():
            self.genesis_bytes = checked_genesis(journal)
            self.genesis: Genesis = _decoded_genesis(self.genesis_bytes)
            self.log_verifier: VerifierKey = _log_verifier(self.genesis)
            if log_key is not None:
                _check_log_key(log_key, self.log_verifier)
            self._load(progress)

    # Opening and closing.

    @classmethod
    def create(
        cls,
        path: Path,
        genesis: bytes,
        *,
        log_key: SigningKey,
        kinds: Kinds = KINDS,
        clock: ClockSource = wall_clock,
        snapshot_entries: int = SNAPSHOT_ENTRIES,
    ) -> Self:
        """Make a ledger file and open it.

        Raises `FileExistsError`, `WrongLogKey`, `NotDurable`; rejections are those of `decode_genesis`.
        """
        decoded = decode_genesis(genesis)
        _check_log_key(log_key, _log_verifier(decoded))
        lock = WriterLock(path)
        try:
            first = genesis_entry(genesis, time=decoded.time)
            journal = Journal.create(path, genesis=genesis, first=first)
            return cls(
                journal,
                lock,
                log_key=log_key,
                kinds=kinds,
                clock=clock,
                snapshot_entries=snapshot_entries,
                progress=None,
            )
        except BaseException:
            lock.close()
            raise

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        log_key: SigningKey | None = None,
        read_only: bool = False,
        kinds: Kinds = KINDS,
        clock: ClockSource = wall_clock,
        snapshot_entries: int = SNAPSHOT_ENTRIES,
        progress: Progress | None = None,
    ) -> Self:
        """Open a ledger file, recovering its state.

        Without the log key everything works but checkpoints. Opened read-only, it shows the ledger as it is
        now, beside any writer; `refresh` moves on. Raises `FileNotFoundError`, `JournalLocked`,
        `JournalCorrupt`, `WrongLogKey`.
        """
        if not path.is_file():
            raise FileNotFoundError(f"there is no ledger file {path}")
        lock = None if read_only else WriterLock(path)
        journal = None
        try:
            journal = Journal.open(path, read_only=read_only)
            return cls(
                journal,
                lock,
                log_key=log_key,
                kinds=kinds,
                clock=clock,
                snapshot_entries=snapshot_entries,
                progress=progress,
            )
        except BaseException:
            if journal is not None:
                journal.close()
            if lock is not None:
                lock.close()
            raise

    def _load(self, progress: Progress | None) -> None:
        """Bring everything in memory into agreement with the journal, from a snapshot on."""
        found = recover(self.journal, kinds=self.kinds, progress=progress)
        self._commitment: Commitment = found.commitment
        self._sequencer = Sequencer(found.commitment.state, self.kinds, index=found.size)
        self._last_root: Root | None = found.last_root
        self._snapshot_size = found.snapshot_size
        self._snapshot_keys = len(self.state.values) if found.snapshot_size else 0
        self.notices += found.notices
        self._log = LogTree.resume(
            self.journal, log_key=self.log_verifier, start=found.snapshot_size, size=found.size
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Checkpoint what was written since the last one, and let go of the file.

        Raises `NotDurable` if the checkpoint fails; what was acknowledged is durable all the same.
        """
        if self.journal.is_closed:
            return
        try:
            if self._lock is not None and self._log_key is not None and not self._stopped:
                self.checkpoint()
                tail_bytes = self.journal.envelope_bytes(start=self._snapshot_size)
                if tail_bytes > _TAIL_BYTES_PER_KEY * len(self.state.values):
                    self.write_snapshot()
        finally:
            self._close_connections()
            if self._lock is not None:
                self._lock.close()
            gc.unfreeze()

    def _close_connections(self) -> None:
        self._commitment.close()
        self.journal.close()

    # Writing.

    def submit(self, envelopes: Sequence[bytes], *, time: int | None = None) -> list[Outcome]:
        """Apply envelopes in order and return an outcome for each, durable.

        `time` is that of the batch, by default the clock's; the state's own if that is later. More than
        `BATCH_TRANSACTIONS_MAX` are split into several batches. Raises `NotDurable`: then some of the batches
        may be durable and none was acknowledged; sending all again gives each its receipt.
        """
        outcomes: list[Outcome] = []
        signed: list[Signed] = []
        places: list[int] = []
        for envelope, verdict in zip(envelopes, authenticate_all(envelopes), strict=True):
            if isinstance(verdict, Rejection):
                outcomes.append(Outcome(rejection=verdict))
            else:
                signed.append(Signed(envelope, verdict))
                places.append(len(outcomes))
                outcomes.append(Outcome())
        for place, outcome in zip(places, self.submit_authenticated(signed, time=time), strict=True):
            outcomes[place] = outcome
        return outcomes

    def submit_authenticated(self, signed: Sequence[Signed], *, time: int | None = None) -> list[Outcome]:
        """Do as `submit` does, for a caller that has authenticated these very bytes elsewhere."""
        self._make_writable()
        outcomes: list[Outcome] = []
        for at in range(0, len(signed), BATCH_TRANSACTIONS_MAX):
            outcomes += self._submit_batch(signed[at : at + BATCH_TRANSACTIONS_MAX], time)
        return outcomes

    def advance(self, time: int | None = None) -> list[bytes]:
        """Run all work that is due at `time`, in as many batches as it takes; return their receipts."""
        self._make_writable()
        receipts: list[bytes] = []
        while True:
            batch = self._execute((), time)
            if not batch.entries:
                return receipts
            self._make_durable(batch)
            receipts += [entry.receipt for entry in batch.entries]

    def checkpoint(self) -> bytes:
        """Return the signed note over the whole log, making one if anything was written since the last.

        The entry before it is a root entry, so the signature covers the state as well. Raises `NoLogKey`,
        `ReadOnly`, `NotDurable`, `Stopped`.
        """
        self._make_writable()
        log_key = self._signing_key
        if self._last_root is None or self._last_root.index != self.size - 1:
            self._write_checkpoint(log_key)
        found = self.journal.checkpoint(self.size)
        if found is None:
            raise JournalCorrupt(f"the checkpoint of {self.size} entries is missing")
        return found[1]

    @property
    def _signing_key(self) -> SigningKey:
        if self._log_key is None:
            raise NoLogKey("a checkpoint is signed by the log's key, and the ledger was opened without it")
        return self._log_key

    def add_cosignatures(self, lines: Sequence[str], *, witnesses: Sequence[VerifierKey]) -> bytes:
        """Put witnesses' signature lines below the checkpoint that they were made over; return the note.

        That is the newest one they fit, of the last `COSIGNED_BACK`: a witness takes its time, and meanwhile
        there are newer ones. Rejects with `NoteError` a line that no key of `witnesses` made over any.
        """
        self._make_writable()
        found = self.journal.checkpoints_back(COSIGNED_BACK)
        if not found:
            raise NotFound("there is no checkpoint to cosign")
        refused: NoteError | None = None
        for size, note in found:
            try:
                signed = self._cosigned(note, lines, witnesses)
            except NoteError as error:
                refused = refused or error  # what is wrong with the newest tells most
                continue
            with self.journal.writing(size=self.size):
                self.journal.put_cosigned(size=size, note=signed)
            return signed
        assert refused is not None
        raise refused

    def _cosigned(self, note: bytes, lines: Sequence[str], witnesses: Sequence[VerifierKey]) -> bytes:
        """Return a checkpoint with the lines below it. Rejects with `NoteError`."""
        signed = add_signatures(note, lines)
        verified = verify_note(signed, (self.log_verifier, *witnesses))
        if len(verified.signatures) <= len(lines):
            raise NoteError(f"{len(lines)} lines, but not each by another of the witnesses' keys")
        bare = f"{parse_note(note).text}\n".encode()
        # Each line by itself as well: the note may carry cosignatures already, which hide a stranger's.
        for line in lines:
            verify_note(bare + line.encode(), witnesses)
        return signed

    def write_snapshot(self) -> None:
        """Write the state to the file, right after a checkpoint. Raises `NotDurable`."""
        if self._last_root is None or self._last_root.index != self.size - 1:
            self.checkpoint()
        size, root = self.size, self._commitment.root
        self._doubt = Doubt.JOURNAL
        with self.journal.writing(size=size):
            parts = snapshot_parts(self._commitment.state, size=size, root=root)
            self.journal.put_snapshot(size=size, parts=parts, keep=SNAPSHOTS_KEPT)
        self._snapshot_size, self._snapshot_keys = size, len(self.state.values)
        self._doubt = Doubt.NOTHING

    def _make_writable(self) -> None:
        """Check that this ledger may write, and settle what a failed write left in doubt."""
        if self._lock is None:
            raise ReadOnly("the ledger was opened to be read")
        if self._stopped:
            raise Stopped(self._stopped)
        if self._doubt is not Doubt.NOTHING:
            self._settle_doubt()

    def _settle_doubt(self) -> None:
        """Make the state agree with what the disk has. Raises `NotDurable` while the disk still refuses."""
        size = self.size
        self.journal.reopen(size=size)
        if self._doubt is Doubt.STATE:
            self._commitment.close()
            self._load(None)
        else:
            self._catch_up()
        self._doubt = Doubt.NOTHING
        self.notices.append(f"recovered after a failed write: {size} entries before, {self.size} on the disk")

    def _catch_up(self) -> None:
        """Execute entries that the file has and the state has not."""
        with self.journal.reading():
            start, end = self._sequencer.index, self.journal.size()
            found = replay_tail(self.journal, self._commitment, kinds=self.kinds, start=start, end=end)
            self._last_root = found or self._last_root
            self._sequencer = Sequencer(self._commitment.state, self.kinds, index=end)
            self._log = LogTree.resume(self.journal, log_key=self.log_verifier, start=start, size=end)

    def refresh(self) -> int:
        """Take in what a writer added since this ledger was opened read-only; return the size."""
        if self._lock is None:
            self._catch_up()
        return self.size

    def _submit_batch(self, signed: Sequence[Signed], time: int | None) -> list[Outcome]:
        settled = [self._find_repeat(one) for one in signed]
        fresh = [one for one, found in zip(signed, settled, strict=True) if found is None]
        entries: list[Entry] = []
        executed: list[Accepted | Rejection] = []
        if fresh:
            batch = self._execute(fresh, time)
            if batch.entries:
                self._make_durable(batch)
            entries, executed = batch.entries, batch.outcomes
        # From here everything is durable.
        remaining = iter(executed)
        outcomes = [self._outcome(found or next(remaining), entries) for found in settled]
        self._snapshot_if_due()
        return outcomes

    def _find_repeat(self, signed: Signed) -> Accepted | Rejection | None:
        """Look a transaction up in the journal, however old it may be, before anything else is asked."""
        return self._repeat_in(self.journal, signed)

    def _repeat_in(self, journal: Journal, signed: Signed) -> Accepted | Rejection | None:
        transaction = signed.authentic.transaction
        entry = journal.find(sender=transaction.sender, identifier=transaction.id)
        if entry is None:
            return None
        check_entry(entry, index=entry.index)
        return repeat_in(entry, signed.authentic)

    def _execute(self, signed: Sequence[Signed], time: int | None) -> Batch:
        try:
            return self._sequencer.execute(signed, time=self._clock() if time is None else time)
        except (InvariantViolation, AssertionError) as broken:
            raise self._stop(broken) from broken

    def _stop(self, broken: Exception) -> Stopped:
        self._stopped = f"the ledger stopped, because it is wrong: {broken}"
        return Stopped(self._stopped)

    def _make_durable(self, batch: Batch) -> None:
        """Write a batch, then merge it. Raises `NotDurable`; the batch is then forgotten."""
        self._doubt = Doubt.JOURNAL
        try:
            with self.journal.writing(size=self.size):
                self.journal.append(batch.entries)
        except BaseException:
            self._sequencer.drop(batch)
            raise
        self._doubt = Doubt.STATE
        self._sequencer.confirm(batch)
        self._log.queue(entry.leaf for entry in batch.entries)
        self._doubt = Doubt.NOTHING

    def _outcome(self, what: Accepted | Rejection, entries: Sequence[Entry]) -> Outcome:
        """Return what a transaction is answered with; `entries` are those of its batch."""
        if isinstance(what, Rejection):
            return Outcome(rejection=what)
        place = what.index - entries[0].index if entries else -1
        receipt = entries[place].receipt if place >= 0 else self.entry(what.index).receipt
        return Outcome(receipt=receipt, index=what.index, repeated=what.repeated)

    def _write_checkpoint(self, log_key: SigningKey) -> None:
        self.begin_root()
        root = self.finish_root()
        self._doubt = Doubt.JOURNAL
        self._write_root(root, log_key)
        self._sequencer.confirm_root()
        self._last_root = root
        self._doubt = Doubt.NOTHING

    # A checkpoint in its steps. Nothing is merged between the first and the last.

    def begin_root(self) -> None:
        """Check what changed since the last root, and begin to hash it. Raises `Stopped`."""
        try:
            self._commitment.begin()
        except InvariantViolation as broken:
            raise self._stop(broken) from broken

    def finish_root(self) -> Root:
        """Wait for the root that was begun, in any thread; it has the next index. Raises `Stopped`.

        Whatever happens in between, what was begun is finished, or the tree's process falls out of step.
        """
        try:
            return Root(self.size, self._commitment.finish())
        except InvariantViolation as broken:
            raise self._stop(broken) from broken

    def _write_root(self, root: Root, log_key: SigningKey) -> None:
        """Make the root's entry durable, with the checkpoint that ends in it. Raises `NotDurable`."""
        clock = self.clock
        entry = root_entry(index=root.index, height=clock.height, time=clock.time, state_root=root.state_root)
        size, tiles, note = self._log.sign(entry.leaf, log_key=log_key)
        with self.journal.writing(size=self.size):
            self.journal.append([entry])
            self.journal.put_tiles(tiles)
            self.journal.put_checkpoint(size=size, note=note)

    @property
    def is_snapshot_due(self) -> bool:
        """Whether a snapshot should follow the next checkpoint."""
        due = max(self._snapshot_entries, self._snapshot_keys)
        return self._log_key is not None and self.size - self._snapshot_size >= due

    def _snapshot_if_due(self) -> None:
        """Take the snapshot that is due. It only saves time, so its failure is a notice."""
        if not self.is_snapshot_due:
            return
        try:
            self.write_snapshot()
        except NotDurable as failed:
            self.notices.append(f"no snapshot was taken: {failed}")

    # Answers.

    @property
    def state(self) -> Store:
        """The merged state: everything that is durable, and nothing else. Not to be written."""
        return self._sequencer.state

    @property
    def commitment(self) -> Commitment:
        """The state tree, and what the state was at the last root."""
        return self._commitment

    @property
    def last_root(self) -> Root | None:
        """The newest root entry."""
        return self._last_root

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self._sequencer.index

    @property
    def ledger_id(self) -> str:
        """The hash of genesis, which every transaction names."""
        return ledger_id(self.genesis_bytes)

    @property
    def is_read_only(self) -> bool:
        """Whether the ledger was opened to be read."""
        return self._lock is None

    @property
    def clock(self) -> Clock:
        """The last batch's height and time."""
        return cast(Clock, self.state.get(("clock",)))

    def now(self) -> int:
        """Return the time that a batch would have now, microseconds UTC: the clock's, or the state's."""
        return max(self._clock(), self.clock.time)

    def account(self, name: str) -> Account | None:
        """Return an account, or None."""
        return cast(Account | None, self.state.get(("account", name)))

    def asset(self, name: str) -> Asset | None:
        """Return an asset, or None."""
        return cast(Asset | None, self.state.get(("asset", name)))

    def hold(self, name: str) -> Hold | None:
        """Return an open hold, or None."""
        return cast(Hold | None, self.state.get(("hold", name)))

    def check_account(self, name: str) -> None:
        """Check that an account exists. Rejections: `unknown_account`."""
        if self.account(name) is None:
            raise Rejection(Code.UNKNOWN_ACCOUNT, account=name[:64])

    def check_asset(self, name: str) -> None:
        """Check that an asset exists. Rejections: `unknown_asset`."""
        if self.asset(name) is None:
            raise Rejection(Code.UNKNOWN_ASSET, asset=name[:80])

    def balance(self, account: str, asset: str) -> int:
        """Return what the account owns of the asset, held units included.

        Rejections: `unknown_account`, `unknown_asset`.
        """
        self.check_account(account)
        self.check_asset(asset)
        units: int = self.state.get(("balance", account, asset)) or 0
        return units

    def balances(self, account: str) -> dict[str, int]:
        """Return all that the account owns, by asset. Walks the whole state.

        Rejections: `unknown_account`.
        """
        self.check_account(account)
        return {
            key[2]: units
            for key, units in sorted(
                (key, units)
                for key, units in self.state.values.items()
                if key[0] == "balance" and key[1] == account
            )
        }

    def entry(self, index: int) -> Entry:
        """Return an entry, checked against its leaf. Raises `NotYet`, `JournalCorrupt`."""
        if index < 0:
            raise ValueError(f"entries are numbered from 0, not {index}")
        if index >= self.size:
            raise NotYet("entry", asked=index, reached=self.size - 1)
        entry = self.journal.entry(index)
        if entry is None:
            raise JournalCorrupt("missing", index=index)
        check_entry(entry, index=index)
        return entry

    def find_entry(self, identifier: str, *, sender: str | None = None) -> Entry:
        """Return the entry of a transaction. Raises `NotFound`, also when several senders used the id."""
        if sender is None:
            found = self.journal.find_id(identifier)
            if len(found) > 1:
                senders = ", ".join(str(entry.sender) for entry in found)
                raise NotFound(f"id {identifier} was used by several senders: {senders}")
            entry = found[0] if found else None
        else:
            entry = self.journal.find(sender=sender, identifier=identifier)
        if entry is None or entry.index >= self.size:
            raise NotFound(f"no transaction has the id {identifier[:64]}")
        check_entry(entry, index=entry.index)
        return entry

    def receipt(
        self,
        *,
        id: str | None = None,  # noqa: A002 (the field's own name)
        sender: str | None = None,
        index: int | None = None,
    ) -> bytes:
        """Return a receipt, by a transaction's `id` or by an entry's `index`.

        Raises `NotFound`, `NotYet`.
        """
        if (id is None) == (index is None):
            raise TypeError("a receipt is asked for by id or by index")
        entry = self.find_entry(id, sender=sender) if id is not None else self.entry(index or 0)
        if not entry.receipt:
            raise NotFound(f"entry {entry.index} is genesis or a root, and has no receipt")
        return entry.receipt

    def preview(self, transaction: Transaction | AuthenticTransaction, *, time: int | None = None) -> Receipt:
        """Return the receipt that a transaction would get now; nothing is written. Rejections: any."""
        authentic = unsigned(transaction) if isinstance(transaction, Transaction) else transaction
        now = self.now() if time is None else time
        return preview(self.state, self.kinds, authentic, time=now, index=self.size)

    def fork(self) -> Fork:
        """Return a copy on which batches run and are never kept; the ledger must not move meanwhile."""
        return Fork(self.state, self.kinds, index=self.size)

    def view(self, contract: str, method: str, /, **arguments: Any) -> Any:
        """Return what a view of a contract answers, at the state's own time.

        Rejections: `unknown_contract`, `unknown_method`, `arguments_invalid`, and the view's own.
        """
        clock = self.clock
        context = batch_context(self.state, self.kinds, height=clock.height, time=clock.time, index=self.size)
        return answer(Execution(Overlay(self.state), context, subject_id="view"), contract, method, arguments)


def _decoded_genesis(genesis: bytes) -> Genesis:
    try:
        return decode_genesis(genesis)
    except Rejection as refused:
        raise JournalCorrupt(f"genesis is refused: {refused}", index=0) from None


def _log_verifier(genesis: Genesis) -> VerifierKey:
    try:
        return parse_vkey(genesis.log_key)
    except NoteError as error:
        raise NodeFault(f"genesis names no usable log key: {error}") from error


def _check_log_key(log_key: SigningKey, expected: VerifierKey) -> None:
    if log_key.verifier != expected:
        raise WrongLogKey(given=log_key.verifier.vkey, expected=expected.vkey)
