"""Readers: threads that answer from the file, so that neither the event loop nor the executor waits for it.

Each thread has its own `ReadView`, a connection that sees what is committed and the state as it is merged.
One more thread owns the projections: it fills them from receipts as they come, in a temporary database of its
own, so that histories never compete with the committer for the file.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from multiprocessing import get_context
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from tallystick.node.faults import NodeFault
from tallystick.node.institutions import answer_past, published_document
from tallystick.node.projections import Projections
from tallystick.node.service import Service
from tallystick.node.staged import ReadView

_ARCHIVISTS: Final = 2
_FILLINGS_BEFORE_LOCK: Final = 3
_QUESTIONS_AT_ONCE: Final = 16
"""How long the state may be kept from moving: so many questions of a thousand rows, or less."""
_T = TypeVar("_T")


class ServiceView(ReadView):
    """A view that answers what an account has from the service's index, not by walking the state."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.ledger)
        self._service = service

    def balances(self, account: str) -> dict[str, int]:
        """Return all that the account owns, by asset. Take the state lock. Rejections: `unknown_account`."""
        self.check_account(account)
        get = self.state.get
        return {key[2]: get(key) or 0 for key in self._service.index.keys("balance", account)}

    def published(self, index: int) -> list[dict[str, Any]]:
        """Return what an entry made cross or be flagged, as it is published."""
        return [published_document(found) for found in self._service.views.at(index)]


class Readers:
    """The reading threads of a service. Close them before the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._local = threading.local()
        self._views: list[ServiceView] = []
        self._archivists = ThreadPoolExecutor(_ARCHIVISTS, "archivist")
        self._historian = _Historian(service)
        self._past: ProcessPoolExecutor | None = None

    async def read(self, question: Callable[[ServiceView], _T], *, locked: bool = False) -> _T:
        """Answer from the file; `locked` keeps the state and its tree from moving meanwhile."""
        guard = self._service.standing_still() if locked else nullcontext()
        return await asyncio.get_running_loop().run_in_executor(
            self._archivists, self._answer, question, guard
        )

    async def look_back(self, question: Callable[[Projections], _T]) -> _T:
        """Answer from the projections, which are brought up to date first."""
        answer: _T = await self._historian.ask(question)
        return answer

    async def look_at_past(self, what: str, institution: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer about an institution's past in a process of its own, which is started at the first question.

        Rejections: the question's. Raises `NotYet`, `PriceBookRefused`.
        """
        loop = asyncio.get_running_loop()
        if self._past is None:
            self._past = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        path = str(self._service.ledger.path)
        found = await loop.run_in_executor(self._past, answer_past, path, what, institution, asked)
        return found.read()

    def close(self) -> None:
        """End the threads, the process and their connections, so that the file is left alone."""
        self._archivists.shutdown()
        for view in self._views:
            view.close()
        if self._past is not None:
            self._past.shutdown()
        self._historian.close()

    def _answer(self, question: Callable[[ServiceView], _T], guard: AbstractContextManager[Any]) -> _T:
        view: ServiceView | None = getattr(self._local, "view", None)
        if view is None:
            view = self._local.view = ServiceView(self._service)
            self._views.append(view)
        with guard:
            return question(view)


_Question = tuple[Callable[[Projections], Any], "asyncio.Future[Any]"]


class _Historian:
    """The thread that owns the projections. It takes all questions that wait at once: filling the tables,
    taking the lock and waking the event loop then cost the same for many as for one.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiting: SimpleQueue[_Question | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="historian", daemon=True)
        self._thread.start()

    def ask(self, question: Callable[[Projections], Any]) -> "asyncio.Future[Any]":
        """Return a future of the event loop that asks."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.put((question, future))
        return future

    def close(self) -> None:
        """Answer what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        view = ServiceView(self._service)
        projections = Projections(view)
        while (first := self._waiting.get()) is not None:
            questions = [first]
            while len(questions) < _QUESTIONS_AT_ONCE and not self._waiting.empty():
                more = self._waiting.get()
                if more is None:
                    self._waiting.put(None)
                    break
                questions.append(more)
            answers = self._answers(projections, [question for question, _ in questions])
            self._service.counters.projected_entries = projections.filled_entries
            self._service.counters.projection_seconds = projections.filling_seconds
            loop = first[1].get_loop()
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(_deliver, [future for _, future in questions], answers)
        view.close()

    def _answers(self, projections: Projections, questions: list[Callable[[Projections], Any]]) -> list[Any]:
        """Return an answer or an exception for each question."""
        try:
            with self._filled(projections):
                return [_tried(question, projections) for question in questions]
        except NodeFault as fault:
            return [fault for _ in questions]

    @contextmanager
    def _filled(self, projections: Projections) -> Iterator[None]:
        """Take the state lock with the tables filled before; at most a last batch is taken in under it.

        The lock is often free only once a merge that waited for it is done, so one look before is not enough.
        """
        lock = self._service.state_lock
        for _ in range(_FILLINGS_BEFORE_LOCK):
            reached = projections.catch_up()
            lock.acquire()
            if self._service.ledger.size - 1 == reached:
                break
            lock.release()
        else:
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def _tried(question: Callable[[Projections], Any], projections: Projections) -> Any:
    try:
        return question(projections)
    except Exception as error:  # noqa: BLE001 (whoever asked is told, whatever it is)
        return error


def _deliver(futures: "list[asyncio.Future[Any]]", answers: list[Any]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():
            continue  # whoever asked has left
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
