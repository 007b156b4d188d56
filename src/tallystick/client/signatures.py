"""Signatures of a whole log, checked in processes of their own while the history is executed.

Verifying is fifty microseconds of arithmetic a signature and needs no state; executing is a tenth of that and
needs all of it, in order. So envelopes go out in chunks, the main process executes the same chunk meanwhile,
and only a verdict of a few bytes comes back. The rule that must hold: a verdict is counted before anything is
said about the entries it covers, so the first bad signature is named even where execution ran ahead.

Each worker has a thread that takes chunks off the pipe, so that sending never waits for arithmetic. Refused:
a process pool of the standard library, whose threads compete with execution for the interpreter; and threads
for the arithmetic itself, for the same reason.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Final, NamedTuple

import msgspec

from tallystick.client.errors import ClientError
from tallystick.crypto import are_valid_signatures
from tallystick.ledger.transactions import Envelope, signature_checks

CHUNKS_SENT_MAX: Final = 3
"""Chunks that one worker has at a time: one in hand, and enough waiting that it never idles."""
CHUNKS_WAITING_MAX: Final = 48
"""Chunks that may wait for a worker before execution has to."""
_NICENESS: Final = 10
"""Execution is what everything waits for: it goes first where there are more processes than cores."""


_decode: Final = msgspec.json.Decoder(Envelope).decode


class BadSignature(NamedTuple):
    """The first entry of a chunk whose envelope does not verify, and why."""

    entry: int
    what: str


class _Verdict(NamedTuple):
    chunk: int
    signatures: int
    bad: BadSignature | None


def check_signatures(envelopes: Sequence[tuple[int, bytes]]) -> tuple[int, BadSignature | None]:
    """Return how many signatures the envelopes carry, and the first envelope that does not verify.

    Only signatures are checked: that an envelope is canonical and its keys in order is `authenticate`'s
    question, which whoever executes it asks about the same bytes.
    """
    entries: list[int] = []
    checks: list[tuple[bytes, bytes, bytes]] = []
    malformed = None
    for entry, data in envelopes:
        try:
            envelope = _decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            malformed = BadSignature(entry, f"the envelope is malformed: {error}"[:200])
            break
        checks += signature_checks(envelope)
        entries += [entry] * len(envelope.signatures)
    valid = are_valid_signatures(checks)
    if not all(valid):
        first = valid.index(False)
        return entries.index(entries[first]), BadSignature(
            entries[first], f"signature_invalid (key={checks[first][0].hex()[:64]})"
        )
    return len(checks), malformed


class SignatureChecker:
    """Checks chunks of envelopes; `submit` returns at once, `drain` says what came of them.

    With no processes the work is done where it is submitted.
    """

    def __init__(self, *, processes: int) -> None:
        self.signatures = 0
        self._bad: dict[int, BadSignature] = {}
        self._submitted = 0
        self._answered = 0
        self._waiting: deque[tuple[int, Sequence[tuple[int, bytes]]]] = deque()
        self._workers = [_Worker() for _ in range(processes)]

    def submit(self, envelopes: Sequence[tuple[int, bytes]]) -> None:
        """Have (entry, envelope) pairs checked. Waits only when too much work is queued already."""
        number = self._submitted
        self._submitted += 1
        if not self._workers:
            self._count(_Verdict(number, *check_signatures(envelopes)))
            return
        self._waiting.append((number, envelopes))
        self._hand_out()
        self._collect(timeout=0)
        while len(self._waiting) > CHUNKS_WAITING_MAX:
            self._collect(timeout=None)

    @property
    def bad(self) -> BadSignature | None:
        """The first bad signature known so far; others may come before it until `drain` returns."""
        return self._bad[min(self._bad)] if self._bad else None

    def drain(self) -> BadSignature | None:
        """Wait for everything submitted; return the first bad signature."""
        while self._answered < self._submitted:
            self._collect(timeout=None)
        return self.bad

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        for worker in self._workers:
            worker.close()

    def _hand_out(self) -> None:
        """Give waiting chunks to the workers that have least to do."""
        while self._waiting:
            worker = min(self._workers, key=lambda each: each.sent)
            if worker.sent >= CHUNKS_SENT_MAX:
                return
            worker.send(self._waiting.popleft())

    def _collect(self, *, timeout: float | None) -> None:
        """Count the verdicts that have come, and hand out what they make room for."""
        by_pipe = {worker.verdicts: worker for worker in self._workers if worker.sent}
        for pipe in wait(list(by_pipe), timeout):
            self._count(by_pipe[pipe].receive())  # type: ignore[index]
        self._hand_out()

    def _count(self, verdict: _Verdict) -> None:
        self._answered += 1
        self.signatures += verdict.signatures
        if verdict.bad is not None:
            self._bad[verdict.bad.entry] = verdict.bad


class _Worker:
    """One process and the two pipes to it."""

    def __init__(self) -> None:
        # A fresh interpreter: a fork would inherit locks held by whatever threads the caller runs.
        context = multiprocessing.get_context("spawn")
        chunks, self._chunks = context.Pipe(duplex=False)
        self.verdicts, verdicts = context.Pipe(duplex=False)
        self.sent = 0
        self._process = context.Process(target=_work, args=(chunks, verdicts), daemon=True)
        self._process.start()
        chunks.close()
        verdicts.close()

    def send(self, chunk: tuple[int, Sequence[tuple[int, bytes]]]) -> None:
        try:
            self._chunks.send(chunk)
        except OSError:
            raise self._died() from None
        self.sent += 1

    def receive(self) -> _Verdict:
        try:
            verdict: _Verdict = self.verdicts.recv()
        except (EOFError, OSError):
            raise self._died() from None
        self.sent -= 1
        return verdict

    def _died(self) -> ClientError:
        self._process.join(timeout=5)
        return ClientError(
            f"a signature process ended with code {self._process.exitcode}",
            hint="run with processes=0 to check signatures in this one",
        )

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self._chunks.close()
        self.verdicts.close()


def _work(chunks: Connection, verdicts: Connection) -> None:
    """Answer each chunk with its verdict until the pipe is closed."""
    os.nice(_NICENESS)
    queue: SimpleQueue[tuple[int, Sequence[tuple[int, bytes]]] | None] = SimpleQueue()
    Thread(target=_take, args=(chunks, queue), daemon=True).start()
    while (chunk := queue.get()) is not None:
        number, envelopes = chunk
        count, bad = check_signatures(envelopes)
        try:
            verdicts.send(_Verdict(number, count, bad))
        except OSError:  # nobody is interested any more
            return


def _take(chunks: Connection, queue: "SimpleQueue[tuple[int, Sequence[tuple[int, bytes]]] | None]") -> None:
    while True:
        try:
            queue.put(chunks.recv())
        except (EOFError, OSError):
            queue.put(None)
            return
