"""Verify workers: decoding and signatures, on all cores, in processes.

A signature costs more than everything else that is done to a payment, and needs no state. So envelopes go in
chunks to processes that do `authenticate_all` and nothing else; what comes back is enough to rebuild the
transaction without checking its encoding again. Whoever executes rebuilds it: then it lies in that core's
cache, and the lanes' threads hardly ask for the interpreter. A chunk is whatever waits, up to a bound: one
envelope when the node is idle, many when it is busy, so that latency and throughput need no tuning.

A worker that dies takes nothing with it but its answers: its chunks fail with `VerifierDied`, which is safe
to retry, and a new one is started.

Refused: threads (PyNaCl holds the interpreter's lock while it computes, so the executor would starve), and
sending what died to another worker, which it might kill as well.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

import msgspec

from tallystick import collector
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import AuthenticTransaction, Transaction, authenticate_all
from tallystick.node.faults import NodeFault
from tallystick.node.sequencer import Signed

CHUNK_ENVELOPES: Final = 128
_IN_FLIGHT: Final = 2
"""Chunks that a worker has at a time: it never waits for the next while one is on its way."""

_BULK_ENVELOPES: Final = 64
_BULK_NICE: Final = 10
"""So many at a time come when there is more to do than there are cores. Then whoever executes goes first: its
thread spent a seventh of its time waiting for a core. Few at a time are somebody's who waits for them."""

_CHUNK_BYTES: Final = 65_536
"""A second chunk must fit into the pipe: the worker, stuck with a large answer, would not read it."""

Verdict = Signed | Rejection
Unpack = Callable[[], list[Verdict]]
"""Returns a verdict for each envelope of a chunk. To be called once, in one thread for all of a pool's."""
Verified = Callable[[Unpack | NodeFault], None]
"""Called in the lane's thread once a chunk is done."""


class VerifierDied(NodeFault):
    """A verify process ended while it had these envelopes. Nothing was decided; send them again."""


_Waiting = tuple[Sequence[bytes], Verified]


class _Passed(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    payload: bytes
    signers: list[bytes]
    payload_hash: bytes


class _Refused(msgspec.Struct, frozen=True, array_like=True, tag=1):
    code: str
    facts: dict[str, Any]


_Answer = _Passed | _Refused
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_chunk: Final = msgspec.msgpack.Decoder(list[bytes]).decode
_decode_answers: Final = msgspec.msgpack.Decoder(list[_Answer]).decode
_decode_transaction: Final = msgspec.json.Decoder(Transaction).decode


class VerifyPool:
    """Worker processes, each behind a thread that feeds it. Close it."""

    def __init__(self, processes: int) -> None:
        if processes < 1:
            raise ValueError(f"signatures are checked by one process or more, not {processes}")
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lanes = [_Lane(self._waiting) for _ in range(processes)]
        self._threads = [
            Thread(target=lane.run, name=f"verify-{number}", daemon=True)
            for number, lane in enumerate(self._lanes)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [lane.pid for lane in self._lanes]

    def verify(self, envelopes: Sequence[bytes], verified: Verified) -> None:
        """Check at most `CHUNK_ENVELOPES` envelopes and call `verified` when it is done."""
        self._waiting.put((envelopes, verified))

    def close(self) -> None:
        """Finish what was handed in and end the processes."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()


class _Lane:
    """One worker process and the chunks on their way to it and back."""

    def __init__(self, waiting: SimpleQueue[_Waiting | None]) -> None:
        self._waiting = waiting
        self._sent: deque[list[_Waiting]] = deque()
        self._held: _Waiting | None = None
        self._closing = False
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def _start(self) -> None:
        # A process that is spawned, not forked, inherits no lock, thread or database connection.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()

    def run(self) -> None:
        """Feed the worker until the pool closes."""
        while not self._closing or self._sent or self._held:
            try:
                self._send_waiting()
                if self._sent:
                    answers = _Answers(self._connection.recv_bytes())
                    _deliver(self._sent.popleft(), answers)
            except (OSError, EOFError):
                self._replace()
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()

    def _send_waiting(self) -> None:
        """Send chunks while the worker has room; wait for one only if it has nothing to do."""
        while len(self._sent) < _IN_FLIGHT:
            first = self._next(block=not self._sent)
            if first is None:
                return
            chunks, count, size_bytes = [first], len(first[0]), _size_bytes(first[0])
            if self._sent and size_bytes > _CHUNK_BYTES:
                self._held = first
                return
            while count < CHUNK_ENVELOPES:  # many small ones go together: a message costs 50 µs
                more = self._next(block=False)
                if more is None:
                    break
                size_bytes += _size_bytes(more[0])
                if size_bytes > _CHUNK_BYTES:
                    self._held = more
                    break
                chunks.append(more)
                count += len(more[0])
            self._sent.append(chunks)
            self._connection.send_bytes(_encode([one for envelopes, _ in chunks for one in envelopes]))

    def _next(self, *, block: bool) -> _Waiting | None:
        held, self._held = self._held, None
        if held is not None or self._closing:
            return held
        try:
            waiting = self._waiting.get(block=block)
        except Empty:
            return None
        self._closing = waiting is None
        return waiting

    def _replace(self) -> None:
        """Fail what the dead worker had, and start another."""
        exit_code = self._process.exitcode
        lost, self._sent = self._sent, deque()
        self._connection.close()
        self._process.kill()
        self._process.join()
        if not self._closing:
            self._start()
        for chunks in lost:
            for _, verified in chunks:
                verified(VerifierDied(f"a verify process ended with code {exit_code}"))


class _Answers:
    """A worker's message, decoded when the first of its chunks is asked for."""

    __slots__ = ("_answers", "_message")

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._answers: list[_Answer] = []

    def unpack(self, envelopes: Sequence[bytes], start: int) -> list[Verdict]:
        if not self._answers:
            self._answers = _decode_answers(self._message)
        answers = self._answers[start : start + len(envelopes)]
        return [_rebuilt(envelope, answer) for envelope, answer in zip(envelopes, answers, strict=True)]


def _deliver(chunks: list[_Waiting], answers: _Answers) -> None:
    start = 0
    for envelopes, verified in chunks:
        verified(partial(answers.unpack, envelopes, start))
        start += len(envelopes)


def _size_bytes(envelopes: Sequence[bytes]) -> int:
    return sum(map(len, envelopes))


def _rebuilt(envelope: bytes, answer: _Answer) -> Verdict:
    if isinstance(answer, _Refused):
        return Rejection(Code(answer.code), **answer.facts)
    payload = answer.payload
    transaction = _decode_transaction(payload)
    return Signed(
        envelope,
        AuthenticTransaction(transaction, frozenset(answer.signers), answer.payload_hash, payload),
    )


# ------------------------------------------------------------------------------------ in the worker


def _work(connection: Connection, parent: int) -> None:
    """Answer chunks until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node ends its workers; the terminal does not
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with collector.spared(), ThreadPoolExecutor(1, initializer=os.nice, initargs=(_BULK_NICE,)) as bulk:
        while os.getppid() == parent:
            try:
                chunk = _decode_chunk(connection.recv_bytes())
            except (EOFError, OSError):
                return
            if len(chunk) < _BULK_ENVELOPES:
                verdicts = authenticate_all(chunk)
            else:
                verdicts = bulk.submit(authenticate_all, chunk).result()
            connection.send_bytes(_encode(list(map(_answer, verdicts))))


def _answer(verdict: AuthenticTransaction | Rejection) -> _Answer:
    if isinstance(verdict, Rejection):
        return _Refused(verdict.code.value, verdict.facts)
    return _Passed(verdict.payload, list(verdict.signers), verdict.payload_hash)
