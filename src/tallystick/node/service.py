"""The service: the pipeline from an envelope to a durable receipt, as a library.

    submit ─► verify workers ─► executor ─► committer ─► executor ─► answers
              all cores         overlay     the disk     merge

Each arrow is a queue. The executor is one thread and the only one that changes the state; the committer is
one thread and only writes, as many batches at a time as are ready. The rule that must hold is invariant 9: a
batch is merged, and its receipts go out, after it is on the disk. A write that fails drops its batches and
those on top, answers all of them with the fault, and the ledger is settled with the disk before it goes on.

A checkpoint takes its place among the batches and the committer writes it, while batches on top of it are
executed; only one that a snapshot follows waits until nothing is pending.

Nothing waits without bound: more than `waiting_max` envelopes are refused at the door with `Overloaded`.

Refused: executing in the event loop (a long contract would stall every connection), and one lock around a
synchronous ledger (the disk would wait for the processor and the processor for the disk).
"""

import logging
import sys
import time as system_time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Final, TypeVar

from tallystick import collector
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import Key, Value
from tallystick.node.commitment import Moved
from tallystick.node.committer import GROUP_MAX, Committer
from tallystick.node.drills import Drills
from tallystick.node.faults import NodeFault, Stopped
from tallystick.node.ledger_file import BATCH_TRANSACTIONS_MAX, Outcome
from tallystick.node.live_books import LiveBooks
from tallystick.node.live_views import LiveViews
from tallystick.node.pages import Pages
from tallystick.node.pipeline import (
    Answer,
    Counters,
    Done,
    Executed,
    Message,
    Question,
    Request,
    RootUnderWay,
    RootWritten,
    Written,
)
from tallystick.node.rates import Rates
from tallystick.node.sequencer import Signed
from tallystick.node.staged import StagedLedger
from tallystick.node.state_index import StateIndex
from tallystick.node.verify import CHUNK_ENVELOPES, Unpack, Verdict, VerifyPool

_PENDING_MAX: Final = GROUP_MAX
"""Batches between execution and merge: enough that neither executor nor disk waits for the other."""
_RETRY_SECONDS: Final = 0.5
"""How often the disk is tried again after a failed write."""
_SWITCH_SECONDS: Final = 0.001
"""How long one thread may keep the interpreter from another; by default five times as long."""

Merged = Callable[[int], None]
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class NodeCode(StrEnum):
    """Rejections that are this node's own policy and no rule of the ledger."""

    RATE_EXCEEDED = "rate_exceeded"
    """The key signs more transactions a second than this node settles for it. Facts: key, rate. Retryable."""


class Overloaded(NodeFault):
    """Too many envelopes wait already. Nothing was decided; send it again after `retry_seconds`."""

    def __init__(self, *, waiting: int, waiting_max: int, retry_seconds: float = 1.0) -> None:
        super().__init__(f"{waiting} envelopes wait, and {waiting_max} may")
        self.waiting = waiting
        self.waiting_max = waiting_max
        self.retry_seconds = retry_seconds


class Closing(NodeFault):
    """The node is stopping and takes nothing more. Send it again when it is back."""


@dataclass(frozen=True, kw_only=True)
class ServiceLimits:
    """How much may be under way, and how often a checkpoint is made."""

    verify_processes: int = 2
    waiting_max: int = 20_000
    checkpoint_seconds: float = 1.0
    state_tree_process: bool = True
    """Whether the state's tree is kept in a process of its own, which frees the executor."""
    sender_rate: float = 0.0
    """Transactions a second that one signing key may settle; 0 for no limit."""


@dataclass(frozen=True, kw_only=True)
class Lag:
    """How far a reader is behind the file: entries that it does not show, and seconds since it showed all."""

    entries: int
    seconds: float


class Service:
    """A ledger behind a pipeline. `submit` from any thread; close it, then the ledger."""

    def __init__(self, ledger: StagedLedger, *, limits: ServiceLimits | None = None) -> None:
        self.show(ledger, limits or ServiceLimits())
        self._rates = Rates(self.limits.sender_rate)
        self._unanswered: set[Request] = set()
        self._waiting_lock = Lock()
        self._closing = False
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._ready: list[Request] = []
        self._pending = 0
        self._root: RootUnderWay | None = None
        self._checkpoint_due = 0.0
        self._retry_at = 0.0
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._keep_tree_apart()
        self._spared = ExitStack()
        self._spared.enter_context(collector.spared())
        self._verifiers = VerifyPool(self.limits.verify_processes)
        self._committer = Committer(
            ledger,
            tell=self._inbox.put,
            fault=lambda: self.fault,
            refuse=self._refuse,
            counters=self.counters,
        )
        self._executor = Thread(target=self._execute_or_stop, name="executor", daemon=True)
        self._executor.start()

    def show(self, ledger: StagedLedger, limits: ServiceLimits) -> None:
        """Make what readers see of the ledger: the state's lock, indexes and counters."""
        self.ledger = ledger
        self.limits = limits
        self.counters = Counters()
        self.state_lock = Lock()
        """Held while the state moves. Whoever reads several keys, or an index, takes it."""
        self.commitment_lock = Lock()
        """Held while a checkpoint is made, which takes long and moves no state. Taken before the other."""
        self.fault: NodeFault | None = None
        """What keeps the node from accepting at the moment, if anything does."""
        self.listeners: list[Merged] = []
        """Called with the log's size after every merge, in the executor's thread."""
        self.pages = Pages()
        self._index_state()
        self.drills = Drills(ledger.path, lambda: ledger.size)
        self.books = LiveBooks(lambda: ledger.state, ledger.kinds)
        self.views = LiveViews(
            ledger.path,
            get=self._get,
            balances=self._balances,
            size=lambda: self.ledger.size,
            lock=self.state_lock,
        )
        self._waiting = 0
        self._version = 0
        """Odd while the state moves, and another number once it has."""

    def _index_state(self) -> None:
        """Index the state as it is, and from now on whatever is merged into it."""
        self.index = StateIndex(self.ledger.state.values)
        self.pages.clear()
        self.ledger.commitment.state.watch = self._keep_in_step

    def _keep_tree_apart(self) -> None:
        if self.limits.state_tree_process:
            self.ledger.commitment.move_tree_out()

    def _keep_in_step(self, writes: dict[Key, Value], moved: Sequence[Moved]) -> None:
        """Let the indexes follow what was merged. Under the state lock."""
        self.index.follow(moved)
        self.pages.forget(writes)
        self.books.follow(writes)

    # The door. Any thread.

    def lag(self) -> Lag:
        """How far what is shown is behind the file: not at all, since here it is written."""
        return Lag(entries=0, seconds=0.0)

    @property
    def waiting(self) -> int:
        """How many envelopes were taken and not yet answered."""
        return self._waiting

    @property
    def verifier_pids(self) -> list[int]:
        """The process ids of the verify workers."""
        return self._verifiers.pids

    def submit(self, envelopes: Sequence[bytes], done: Done) -> None:
        """Take envelopes; `done` is called once, in another thread, with an outcome for each or a fault.

        They are executed in their order, in one batch where that has room. Raises `Overloaded`, `Closing`,
        `Stopped`, and `NotDurable` while the disk refuses.
        """
        count = len(envelopes)
        if not 1 <= count <= BATCH_TRANSACTIONS_MAX:
            raise ValueError(f"1 to {BATCH_TRANSACTIONS_MAX} envelopes are submitted at a time, not {count}")
        if self.fault is not None:
            raise self.fault
        with self._waiting_lock:
            if self._closing:
                raise Closing("the node is stopping")
            if self._waiting + count > self.limits.waiting_max:
                raise Overloaded(waiting=self._waiting, waiting_max=self.limits.waiting_max)
            self._waiting += count
            # Under the lock, so that nothing is handed to verifiers that are closing.
            request = Request(envelopes, done)
            self._unanswered.add(request)
            for start in range(0, count, CHUNK_ENVELOPES):
                self._verify(request, start)

    def submit_and_wait(self, envelopes: Sequence[bytes]) -> list[Outcome]:
        """Do as `submit` does and wait for the outcomes. Raises the fault, if it comes to one."""
        future: Future[Answer] = Future()
        self.submit(envelopes, future.set_result)
        answer = future.result()
        if isinstance(answer, NodeFault):
            raise answer
        return answer

    def ask(self, question: Callable[[StagedLedger], _T]) -> "Future[_T]":
        """Run a question between two batches, in the executor's thread; the state stands still meanwhile."""
        answer: Future[_T] = Future()
        self._inbox.put(Question(question, answer))
        return answer

    def read_still(self, read: Callable[[], _T]) -> _T:
        """Return what a few reads of the state say together, without waiting unless it moved meanwhile."""
        version = self._version
        found = read()
        if version % 2 == 0 and version == self._version:
            return found
        with self.state_lock:
            return read()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Keep the state, its tree and the log's end from moving: for proofs and whatever reads widely."""
        with self.commitment_lock, self.state_lock:
            yield

    def _get(self, key: Key) -> Value:
        """Return a value of the state as it is merged, whichever store that is."""
        return self.ledger.state.get(key)

    def _balances(self, account: str) -> dict[str, int]:
        """Return what an account has of each asset, from the index. Under the state lock."""
        get = self.ledger.state.get
        return {key[2]: get(key) or 0 for key in self.index.keys("balance", account)}

    def checkpoint(self) -> "Future[bytes]":
        """Make a checkpoint now."""
        return self.ask(lambda ledger: ledger.checkpoint())

    def close(self) -> None:
        """Take nothing more, answer everything that was taken, and make the last checkpoint."""
        self.drills.close()
        with self._waiting_lock:
            self._closing = True
        self.views.close()
        self._verifiers.close()
        self._inbox.put(None)
        self._executor.join()
        self._committer.join()
        self._spared.close()

    def _verify(self, request: Request, start: int) -> None:
        chunk = request.envelopes[start : start + CHUNK_ENVELOPES]

        def verified(unpack: Unpack | NodeFault) -> None:
            if isinstance(unpack, NodeFault):
                self._answer(request, unpack)
            else:
                self._verified(request, start, len(chunk), unpack)

        self._verifiers.verify(chunk, verified)

    def _verified(self, request: Request, start: int, count: int, unpack: Unpack) -> None:
        """Collect a request's chunks, in the threads of the verifiers; the last one hands it on."""
        request.unpack[start] = unpack
        with self._waiting_lock:
            request.missing -= count
            complete = request.missing == 0
        if complete:
            self._inbox.put(request)

    def _answer(self, request: Request, answer: Answer) -> None:
        with self._waiting_lock:
            if request.missing < 0:
                return  # a second chunk failed as well
            request.missing = -1
            self._waiting -= len(request.envelopes)
            self._unanswered.discard(request)
        request.done(answer)

    # The executor.

    def _execute_or_stop(self) -> None:
        """Execute until closed; should our own code fail, refuse everything and say so, rather than hang."""
        try:
            self._execute_until_closed()
        except Exception as error:  # noqa: BLE001 (a thread that ends in silence would leave callers waiting)
            _log.exception("the executor failed")
            self.fault = fault = Stopped(f"the executor failed: {error!r}")
            self.ledger.stop(str(fault))
            if self._root is not None and self._root.has_begun:
                self.commitment_lock.release()  # or whoever asks for a proof would wait for ever
            message: Message = None
            while True:
                with self._waiting_lock:
                    unanswered = list(self._unanswered)
                for request in unanswered:
                    self._answer(request, fault)
                if isinstance(message, Question):
                    message.answer.set_exception(fault)
                message = self._inbox.get()
                if message is None:
                    break
        finally:
            self._committer.close()

    def _execute_until_closed(self) -> None:
        self._checkpoint_due = _now() + self.limits.checkpoint_seconds
        closed = False
        while not (closed and not self._ready and not self._pending):
            closed = self._take_messages() or closed
            if self.fault is not None and not self._pending:
                self._try_to_recover(give_up=closed)
            elif self._must_checkpoint() and self._can_checkpoint():
                self._begin_checkpoint()
            elif self._can_stage():
                self._stage_batch()
            elif not (self._pending or self._ready or closed):
                self._run_timers()
        if self.fault is None:
            self._guarded(self._make_checkpoint)

    def _take_messages(self) -> bool:
        """Take what is in the inbox, waiting for the first if there is nothing to do; tell if it closes."""
        closed = False
        block = not self._can_stage() and not (self._must_checkpoint() and self._can_checkpoint())
        while True:
            try:
                message = self._inbox.get(block=block, timeout=self._idle_seconds() if block else None)
            except Empty:
                return closed
            block = False
            match message:
                case Request():
                    self._ready.append(message)
                case Written() | RootWritten():
                    self._take_written(message)
                case Question():
                    self._take_question(message)
                case None:
                    closed = True

    def _idle_seconds(self) -> float | None:
        if self._root is not None:
            return None  # its end is a message
        due = self._retry_at if self.fault is not None else self._checkpoint_due
        return max(0.001, due - _now())

    def _must_checkpoint(self) -> bool:
        return self.fault is None and self._root is None and _now() >= self._checkpoint_due

    def _can_checkpoint(self) -> bool:
        """Tell whether a checkpoint need not wait: one that a snapshot follows waits until all is merged."""
        return not (self._pending and self.ledger.is_snapshot_due)

    def _can_stage(self) -> bool:
        if not self._ready or self._pending >= _PENDING_MAX + (self._root is not None):
            return False
        return self._can_checkpoint() or not self._must_checkpoint()

    def _stage_batch(self) -> None:
        """Execute what is ready, up to a batch's size, and hand it to the committer."""
        began = _now()
        requests: list[Request] = []
        count = 0
        for request in self._ready:
            if count and count + len(request.envelopes) > BATCH_TRANSACTIONS_MAX:
                break
            requests.append(request)
            count += len(request.envelopes)
        del self._ready[: len(requests)]
        for request in requests:
            request.verdicts = [one for _, unpack in sorted(request.unpack.items()) for one in unpack()]
            if self.limits.sender_rate:
                request.verdicts = [self._within_rate(verdict) for verdict in request.verdicts]
        signed = [one for request in requests for one in request.verdicts if isinstance(one, Signed)]
        self._stage(signed, requests)
        self.counters.executing_seconds += _now() - began

    def _within_rate(self, verdict: Verdict) -> Verdict:
        """Refuse what a key sends too fast. Only now is it known that the key did send it."""
        if not isinstance(verdict, Signed):
            return verdict
        for key in verdict.authentic.signers:
            if not self._rates.take(key):
                return Rejection(NodeCode.RATE_EXCEEDED, key=key.hex(), rate=str(self.limits.sender_rate))
        return verdict

    def _stage(self, signed: list[Signed], requests: list[Request]) -> None:
        try:
            staged = self.ledger.stage(signed)
        except NodeFault as fault:
            self._set_fault(fault)
            for request in requests:
                self._answer(request, fault)
            return
        executed = Executed(staged, requests)
        if staged.batch.entries or self._pending:
            # A batch that writes nothing still waits for those whose overlays its answers came from.
            self._pending += 1
            if self._root is not None and not self._root.has_begun:
                self._root.behind.append(executed)
            else:
                self._committer.put(executed)
        else:
            self._merge([executed])

    def _take_written(self, written: Written | RootWritten) -> None:
        if isinstance(written, RootWritten):
            self._take_root(written)
            return
        self._pending -= len(written.group)
        fault = written.fault or self.fault
        if fault is None:
            self._merge(written.group)
            self._begin_root_in_turn()
            return
        self._set_fault(fault)
        self._drop(written.group, fault)
        if self._root is not None and not self._root.has_begun:
            self._drop_root(self._root, fault)  # it stood on top

    def _drop(self, group: list[Executed], fault: NodeFault) -> None:
        for executed in group:
            self.ledger.drop(executed.staged)
            for request in executed.requests:
                self._answer(request, fault)

    def _merge(self, group: list[Executed]) -> None:
        """Show what is durable and answer it."""
        answers: list[tuple[Request, list[Outcome]]] = []
        for executed in group:
            batch = executed.staged.batch
            with self.state_lock:
                self._version += 1
                outcomes = iter(self.ledger.merge(executed.staged))
                self.views.follow(batch.receipts)
                self._version += 1
            answers += [
                (request, [_outcome(verdict, outcomes) for verdict in request.verdicts])
                for request in executed.requests
            ]
        self.counters.batches += len(group)
        for request, outcomes_of in answers:
            self._count(outcomes_of)
            self._answer(request, outcomes_of)
        self._tell_listeners()
        self.ledger.commitment.note_changes()

    def _count(self, outcomes: list[Outcome]) -> None:
        counters = self.counters
        for outcome in outcomes:
            if outcome.rejection is not None:
                counters.rejected += 1
            elif outcome.repeated:
                counters.repeated += 1
            else:
                counters.accepted += 1

    def _tell_listeners(self) -> None:
        for listener in self.listeners:
            listener(self.ledger.size)

    def _take_question(self, question: Question) -> None:
        """Answer between batches. One that writes waits until nothing is pending."""
        while self._pending:
            self._take_written(self._next_written())
        try:
            with self.standing_still():
                answer = question.ask(self.ledger)
        except Exception as error:  # noqa: BLE001 (whoever asked is told, whatever it is)
            question.answer.set_exception(error)
        else:
            question.answer.set_result(answer)
        self._tell_listeners()

    def _next_written(self) -> Written | RootWritten:
        """Wait for the committer; keep what else arrives for its turn."""
        kept: list[Message] = []
        while True:
            message = self._inbox.get()
            if isinstance(message, Written | RootWritten):
                break
            kept.append(message)
        for other in kept:
            self._inbox.put(other)
        return message

    # Housekeeping, in the executor's thread.

    def _run_timers(self) -> None:
        if self._guarded(self.ledger.has_due):
            self._stage([], [])

    def _begin_checkpoint(self) -> None:
        """Make the checkpoint that is due, beside the batches unless a snapshot follows it."""
        if not self._pending:
            self._run_timers()
        if self.ledger.is_snapshot_due:
            if not self._pending:
                self._guarded(self._make_checkpoint)
                self._checkpoint_due = _now() + self.limits.checkpoint_seconds
            return
        self._checkpoint_due = _now() + self.limits.checkpoint_seconds
        if self.fault is None and self.ledger.has_news():
            place = self._guarded(self.ledger.reserve_root)
            if place is not None:
                self._root = RootUnderWay(place)
                self._pending += 1
                self._begin_root_in_turn()

    def _begin_root_in_turn(self) -> None:
        """Begin the root that has its place, once all before it is merged; then it is the committer's."""
        root = self._root
        if root is None or root.has_begun:
            return
        if self._pending > 1 + len(root.behind):
            return  # the committer still has batches from before it, be it ones that write nothing
        root.began = _now()
        self.commitment_lock.acquire()
        root.has_begun = True
        try:
            self.ledger.begin_root()
        except NodeFault as fault:
            self._set_fault(fault)
            self._drop_root(root, fault)
            return
        self._committer.put(root.place)
        for executed in root.behind:
            self._committer.put(executed)
        root.behind.clear()

    def _take_root(self, written: RootWritten) -> None:
        """Count a root that was written, or forget it."""
        root = self._root
        assert root is not None
        fault = written.fault or self.fault
        if fault is not None:
            self._set_fault(fault)
            self._drop_root(root, fault)
            return
        assert written.root is not None
        self.ledger.merge_root(root.place, written.root)
        self._end_root(root)
        self.counters.checkpoints += 1
        self.counters.checkpoint_seconds += _now() - root.began
        self._tell_listeners()

    def _drop_root(self, root: RootUnderWay, fault: NodeFault) -> None:
        """Forget the root that is under way, and what waits behind it."""
        self.ledger.drop_root(root.place)
        self._end_root(root)
        self._pending -= len(root.behind)
        self._drop(root.behind, fault)

    def _end_root(self, root: RootUnderWay) -> None:
        if root.has_begun:
            self.commitment_lock.release()
        self._root = None
        self._pending -= 1

    def _make_checkpoint(self) -> None:
        """Make a checkpoint, and the snapshot that is due, while nothing is pending."""
        if not self.ledger.has_news():
            return
        began = _now()
        with self.commitment_lock:
            self.ledger.checkpoint()
        self.ledger.snapshot_if_due()
        self.counters.checkpoints += 1
        self.counters.checkpoint_seconds += _now() - began
        self._tell_listeners()

    def _guarded(self, step: Callable[[], _T]) -> _T | None:
        try:
            return step()
        except NodeFault as fault:
            self._set_fault(fault)
            return None

    def _refuse(self, fault: NodeFault) -> None:
        if self.fault is None:
            _log.error("not accepting: %s", fault)
        if not isinstance(self.fault, Stopped):
            self.fault = fault

    def _set_fault(self, fault: NodeFault) -> None:
        self._refuse(fault)
        self._retry_at = _now() + _RETRY_SECONDS

    def _try_to_recover(self, *, give_up: bool) -> None:
        """Answer what still waits with the fault, and try the disk again when it is time."""
        fault = self.fault
        assert fault is not None
        for request in self._ready:
            self._answer(request, fault)
        self._ready.clear()
        if give_up or isinstance(fault, Stopped) or _now() < self._retry_at:
            return
        try:
            with self.standing_still():
                self.ledger.settle()
                self._index_state()
                self._keep_tree_apart()
                self.books.forget()
                self.views.mend()
        except NodeFault as again:
            self._set_fault(again)
        else:
            self.fault = None
            self._checkpoint_due = _now()
            _log.warning("accepting again, from entry %d on", self.ledger.size)


def _outcome(verdict: Verdict, executed: Iterator[Outcome]) -> Outcome:
    """Return the next executed outcome, or the rejection that came before execution."""
    return Outcome(rejection=verdict) if isinstance(verdict, Rejection) else next(executed)


def _now() -> float:
    return system_time.monotonic()
