"""The front: every request passes here, and the few that must be fast go no further.

It bounds what a stranger can cost: the number of requests under way, the size of a body and the time it takes
to arrive, the rate of one address. It answers submissions, balances, the log and the node's own health
itself, in a few lines each on bare ASGI; a framework's routing, parsing and validation would cost as much
again as settling a payment. Everything else it hands to the framework, body and all.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from tallystick.node.config import Config
from tallystick.node.faults import NodeFault
from tallystick.node.ledger_file import BATCH_TRANSACTIONS_MAX, Outcome
from tallystick.node.log_files import LogFiles
from tallystick.node.metrics import Metrics
from tallystick.node.pipeline import Answer
from tallystick.node.problems import RequestProblem, describe_problem
from tallystick.node.rates import Rates
from tallystick.node.readers import Readers
from tallystick.node.routes.accounts import current_balance, first_history_page
from tallystick.node.routes.asking import PAGE_LIMIT, PAGE_MAX
from tallystick.node.service import Service

Scope = Any
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON: Final = b"application/json"
_IMMUTABLE: Final = b"public, max-age=31536000, immutable"
_ASSET_CHARS_MAX: Final = 200
_encode: Final = msgspec.json.Encoder().encode
_decode_many: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Disconnected(Exception):
    """The client went away before its request was complete."""


class Mailbox:
    """Answers on their way from the executor's thread to the event loop: one wake-up for many."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._posted: deque[tuple[asyncio.Future[Answer], Answer]] = deque()
        self._woken = False

    def post(self, future: "asyncio.Future[Answer]", answer: Answer) -> None:
        """Deliver an answer, from another thread."""
        self._posted.append((future, answer))
        if not self._woken:
            self._woken = True
            with suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False  # before looking, so that what is posted from now on wakes again
        while self._posted:
            future, answer = self._posted.popleft()
            if not future.done():
                future.set_result(answer)


class Front:
    """The ASGI application that the server runs."""

    def __init__(
        self,
        service: Service,
        *,
        config: Config,
        readers: Readers,
        metrics: Metrics,
        app: App,
        documents: dict[str, tuple[bytes, bytes]],
    ) -> None:
        self._service = service
        self._config = config
        self._log_files = LogFiles(readers)
        self._metrics = metrics
        self._app = app
        self._readers = readers
        self._documents = documents
        self._rates = Rates(config.address_rate)
        self._under_way = 0
        self._mailbox: Mailbox | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._under_way += 1
        try:
            await self._answer(scope, receive, counted)
        except Disconnected:
            pass
        except Exception as error:  # whatever it is, the client is told in the one shape
            if status:
                raise
            if (await answer_problem(counted, error)) >= 500:
                self._metrics.note_failure(error)
        finally:
            self._under_way -= 1
            self._metrics.note_request(scope["method"], status, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path in {"/health", "/ready", "/metrics"}:
            await self._answer_about_itself(path, send)
            return
        if self._under_way > self._config.connections_max:
            raise RequestProblem(503, "overloaded", f"{self._under_way} requests are under way")
        client = scope.get("client")
        if client and not self._rates.take(client[0]):
            raise RequestProblem(
                429, "rate_exceeded", f"more than {self._config.address_rate:g} requests a second"
            )
        if method == "POST":
            await self._answer_post(scope, path, receive, send)
        elif method == "GET" and path in self._documents:
            content_type, body = self._documents[path]
            await answer(send, 200, body, content_type)
        elif method == "GET" and path.startswith("/log/"):
            body, immutable = await self._log_files.read(path[5:])
            kind = b"text/plain; charset=utf-8" if path == "/log/checkpoint" else b"application/octet-stream"
            await answer(send, 200, body, kind, cache=_IMMUTABLE if immutable else b"no-cache")
        elif method == "GET" and (asked := _balance_asked(path, scope["query_string"])):
            await answer(send, 200, _encode(current_balance(self._service, *asked)))
        elif method == "GET" and (history := _history_asked(path, scope["query_string"])):
            account, asset, limit = history
            page = self._service.pages.find(account, asset=asset, limit=limit)
            if page is None:
                page = await first_history_page(
                    self._service, self._readers, account, asset=asset, limit=limit
                )
            await answer(send, 200, page)
        else:
            await self._app(scope, receive, send)

    async def _answer_post(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        body = await self._body(scope, receive)
        if path == "/v1/transactions":
            await self._answer_submission(body, send)
        elif path == "/v1/transactions/batch":
            await self._answer_batch(body, send)
        else:
            await self._app(scope, _replayed(body, receive), send)

    async def _answer_submission(self, envelope: bytes, send: Send) -> None:
        (outcome,) = await self._settle([envelope])
        if outcome.rejection is not None:
            raise outcome.rejection
        headers = [(b"tallystick-index", str(outcome.index).encode())]
        if outcome.repeated:
            headers.append((b"tallystick-repeated", b"true"))
        await answer(send, 200, outcome.receipt or b"", headers=headers)

    async def _answer_batch(self, body: bytes, send: Send) -> None:
        try:
            envelopes = _decode_many(body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise RequestProblem(
                400, "bad_request", f"a batch is a JSON list of envelopes: {error}"
            ) from None
        if not 1 <= len(envelopes) <= BATCH_TRANSACTIONS_MAX:
            raise RequestProblem(
                400,
                "bad_request",
                f"a batch has 1 to {BATCH_TRANSACTIONS_MAX} envelopes",
                given=len(envelopes),
            )
        outcomes = await self._settle([bytes(envelope) for envelope in envelopes])
        await answer(send, 200, b"[" + b",".join(map(_encoded_outcome, outcomes)) + b"]")

    async def _settle(self, envelopes: Sequence[bytes]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        mailbox = self._mailbox
        if mailbox is None:
            mailbox = self._mailbox = Mailbox(loop)
        future: asyncio.Future[Answer] = loop.create_future()
        self._service.submit(envelopes, lambda settled: mailbox.post(future, settled))
        timer = loop.call_later(self._config.answer_seconds, _give_up, future)
        settled = await future
        timer.cancel()
        if isinstance(settled, NodeFault):
            raise settled
        return settled

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the whole body within its bounds of size and time."""
        most = self._config.body_bytes_max
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > most:
                raise RequestProblem(413, "oversize", f"a body has at most {most} bytes", size_bytes_max=most)
        message = await self._received(receive)
        if not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            return body
        try:
            async with asyncio.timeout(self._config.body_seconds):
                parts = [message.get("body", b"")]
                size = len(parts[0])
                while message.get("more_body", False):
                    message = await self._received(receive)
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise RequestProblem(
                            413, "oversize", f"a body has at most {most} bytes", size_bytes_max=most
                        )
        except TimeoutError:
            raise RequestProblem(
                408, "request_timeout", f"the body took more than {self._config.body_seconds:g} s"
            ) from None
        return b"".join(parts)

    async def _received(self, receive: Receive) -> Any:
        async with asyncio.timeout(self._config.body_seconds):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message

    async def _answer_about_itself(self, path: str, send: Send) -> None:
        if path == "/metrics":
            await answer(send, 200, self._metrics.render(self._service), CONTENT_TYPE_LATEST.encode())
            return
        fault = self._service.fault
        if path == "/ready" and fault is not None:
            await answer_problem(send, fault)
            return
        state = {"status": "ok" if fault is None else "not_accepting", "size": self._service.ledger.size}
        await answer(send, 200, _encode(state))


def _give_up(future: "asyncio.Future[Answer]") -> None:
    if not future.done():
        future.set_exception(
            RequestProblem(503, "answer_timeout", "not settled in time; it may settle yet, so send it again")
        )


def _balance_asked(path: str, query: bytes) -> tuple[str, str] | None:
    """Return account and asset of a present balance's path."""
    parts = path.split("/")
    if query or len(parts) != 6 or parts[:3] != ["", "v1", "accounts"] or parts[4] != "balances":
        return None
    return (unquote(parts[3]), unquote(parts[5])) if parts[3] and parts[5] else None


def _history_asked(path: str, query: bytes) -> tuple[str, str | None, int] | None:
    """Return account, asset and limit of a first page of a history, as wallets ask for it.

    Whatever else is asked, or asked wrongly, is the framework's, which knows every argument and its bounds.
    """
    parts = path.split("/")
    if len(parts) != 5 or parts[:3] != ["", "v1", "accounts"] or parts[4] != "history" or not parts[3]:
        return None
    wanted: dict[str, Any] = {}
    for pair in query.decode("ascii", "replace").split("&") if query else ():
        name, _, value = pair.partition("=")
        if name in wanted or not value:
            return None
        if name == "asset" and len(value) <= _ASSET_CHARS_MAX and "+" not in value:
            wanted[name] = unquote(value)
        elif name == "limit" and _is_limit(value):
            wanted[name] = int(value)
        else:
            return None
    return parts[3], wanted.get("asset"), wanted.get("limit", PAGE_LIMIT)


def _is_limit(text: str) -> bool:
    return len(text) <= 4 and text.isascii() and text.isdigit() and text[0] != "0" and int(text) <= PAGE_MAX


def _encoded_outcome(outcome: Outcome) -> bytes:
    if outcome.rejection is not None:
        return _encode(describe_problem(outcome.rejection)[1])
    repeated = b"true" if outcome.repeated else b"false"
    return b'{"repeated":' + repeated + b',"receipt":' + (outcome.receipt or b"null") + b"}"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body which was read already."""
    given = False

    async def replay() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def answer(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = JSON,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    cache: bytes = b"no-store",
) -> None:
    """Send a whole answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", cache),
                (b"x-content-type-options", b"nosniff"),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def answer_problem(send: Send, error: BaseException) -> int:
    """Send an error in the one shape and return its status."""
    status, problem, headers = describe_problem(error)
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await answer(send, status, _encode(problem), headers=encoded)
    return status
