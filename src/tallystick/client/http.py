"""The typed client: a node over HTTP as a client's `Connection`, synchronous and asynchronous.

    with Client("http://127.0.0.1:8080") as ledger:
        ledger.submit([envelope])              # again and again until it is decided, or the time is up
        ledger.balance("alice", "eur@bank")

The rule that makes retrying safe: an id settles once, however often its envelope arrives. So a lost answer, a
429 and a 503 are all met alike, by sending the same bytes again after a pause, until `timeout_seconds` are
over; then the error says that nobody knows. Pauses double and are drawn at random, so that clients that were
refused together do not come back together; `Retry-After` is the least of them.

What this client does not do is believe: a receipt is the node's word until `follow.Follower` has checked it.

Refused: retrying inside the HTTP library's transport, which knows neither the ledger's codes nor that an
envelope may be sent twice; and a queue in the background, which could not say when a receipt is durable.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import Any, Final, TypeVar

import httpx
import msgspec

from tallystick import __version__
from tallystick.client import questions as ask
from tallystick.client.errors import ClientError
from tallystick.client.questions import (
    Answer,
    AnswerInvalid,
    Balance,
    HttpError,
    LedgerInfo,
    LogEntry,
    Page,
    Posting,
    Question,
    Settled,
    Statistics,
    Unreachable,
)
from tallystick.ledger.records import Account, Asset, Hold, Instance, Mandate
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Transaction, encode_transaction

TIMEOUT_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 35.0
"""How long one attempt may take: a little more than a node takes before it says that it could not tell."""
STREAM_SILENCE_SECONDS: Final = 45.0
"""After three signs of life that did not come, a stream is taken as broken."""
CHUNK_BYTES_MAX: Final = 4 * 1_048_576
_PAUSE_SECONDS: Final = 0.05
_PAUSE_SECONDS_MAX: Final = 5.0
_random: Final = SystemRandom().uniform
_T = TypeVar("_T")


class StreamEvent(msgspec.Struct, frozen=True):
    """An event of the stream: the entry's index, what it is, and the node's description of it."""

    index: int
    name: str
    data: dict[str, Any]


class Attempts:
    """When to try again, and when to stop."""

    def __init__(self, timeout_seconds: float) -> None:
        self._until = time.monotonic() + timeout_seconds
        self._pause = _PAUSE_SECONDS
        self.failed = 0

    def pause_after(self, failure: HttpError) -> float:
        """Return how long to wait before the next attempt. Raises the failure if there should be none."""
        if not failure.worth_retrying:
            raise failure
        self.failed += 1
        pause = max(failure.retry_seconds, _random(self._pause / 2, self._pause))
        if time.monotonic() + pause > self._until:
            if not failure.hint:
                failure.hint = (
                    f"{self.failed} attempts failed; what was sent can be sent again, it settles once"
                )
            raise failure
        self._pause = min(2 * self._pause, _PAUSE_SECONDS_MAX)
        return pause


class EventReader:
    """Reads server-sent events line by line, and demands that no entry is left out."""

    def __init__(self, after: int | None) -> None:
        self.last = after
        self._fields: dict[str, str] = {}

    @property
    def parameters(self) -> Mapping[str, str]:
        """What to ask for so that the stream goes on where it stopped."""
        return {} if self.last is None else {"after": str(self.last)}

    def start_again(self) -> None:
        """Forget half an event of a connection that broke."""
        self._fields = {}

    def take(self, line: str) -> StreamEvent | None:
        """Take a line; return the event that it completes. Raises `AnswerInvalid`."""
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        try:
            index = int(fields["id"])
            data = msgspec.json.decode(fields["data"], type=dict[str, Any])
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise AnswerInvalid(f"the stream sent something else than an entry: {error}") from error
        if self.last is not None and index != self.last + 1:
            raise AnswerInvalid(f"the stream sent entry {index} after entry {self.last}")
        self.last = index
        return StreamEvent(index, fields.get("event", ""), data)


def _options(url: str) -> dict[str, Any]:
    parsed = httpx.URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ClientError(f"{url[:200]!r} is no URL of a node", hint="such as http://127.0.0.1:8080")
    return {
        "base_url": parsed,
        "timeout": ANSWER_SECONDS,
        "headers": {"user-agent": f"tallystick/{__version__}"},
        "follow_redirects": False,
    }


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.content, response.headers)


def _unreachable(url: object, error: Exception) -> Unreachable:
    return Unreachable(f"{url} did not answer: {str(error) or type(error).__name__}")


def _check_ledger(info: LedgerInfo, pinned: str | None) -> LedgerInfo:
    if pinned is not None and info.ledger != pinned:
        raise AnswerInvalid(f"the node serves ledger {info.ledger}, not {pinned}")
    return info


def _chunks(envelopes: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield the envelopes in order, in requests that a node takes."""
    chunk: list[bytes] = []
    size = 0
    for envelope in envelopes:
        if chunk and (len(chunk) == ask.BATCH_ENVELOPES_MAX or size + len(envelope) > CHUNK_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(envelope)
        size += len(envelope)
    if chunk:
        yield chunk


def _time_of(answer: Answer, info: LedgerInfo) -> int:
    """Return the node's time: its clock as HTTP tells it, never before its ledger's last batch."""
    told = answer.headers.get("date")
    try:
        date = parsedate_to_datetime(told or "")
    except ValueError:
        return max(info.time, time.time_ns() // 1000)
    return max(info.time, int(date.astimezone(UTC).timestamp()) * 1_000_000)


class Client:
    """A node, for one thread. `ledger_id` pins which ledger it has to be."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ledger_id: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout_seconds = timeout_seconds
        self._pinned = ledger_id
        self._sleep = sleep
        self._http = httpx.Client(transport=transport, **_options(url))
        self._info: LedgerInfo | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    # Asking.

    def ask(self, question: Question[_T]) -> _T:
        """Ask until there is an answer, or the time is up. Raises `Rejection` and `HttpError`."""
        attempts = Attempts(self.timeout_seconds)
        while True:
            try:
                return question.read(self._send(question))
            except HttpError as failure:
                pause = attempts.pause_after(failure)
            self._sleep(pause)

    def _send(self, question: Question[Any]) -> Answer:
        try:
            return _answer(
                self._http.request(
                    question.method,
                    question.path,
                    params=question.parameters,
                    content=question.body,
                    headers=question.headers,
                )
            )
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error

    # The connection: what payments need.

    @property
    def ledger_id(self) -> str:
        """The ledger's id, asked once."""
        return (self._info or self.info()).ledger

    def now(self) -> int:
        """Return the node's time in microseconds UTC.

        A node sends no `Date`; without one from a proxy it is this machine's clock, and never before the
        ledger's last batch.
        """
        question = Question("/v1/ledger", lambda answer: (answer, ask.ledger().decode(answer)))
        return _time_of(*self.ask(question))

    def submit(self, envelopes: Sequence[bytes], /) -> list[Settled]:
        """Return what became of each envelope, in order, once durable. Raises `HttpError`.

        Calling it again is safe. What the node put off for its own reasons is sent again after what it
        settled.
        """
        return [settled for chunk in _chunks(envelopes) for settled in self._submit(chunk)]

    def _submit(self, envelopes: list[bytes]) -> list[Settled]:
        if len(envelopes) == 1:
            try:
                return [self.ask(ask.submit_one(envelopes[0]))]
            except Rejection as rejection:
                return [Settled(rejection=rejection)]
        batch = ask.Batch(envelopes)
        attempts = Attempts(self.timeout_seconds)
        while (refused := batch.take(self.ask(batch.question()))) is not None:
            self._sleep(attempts.pause_after(refused))
        return batch.outcomes

    def account(self, name: str, /) -> Account | None:
        """Return an account, or None."""
        return self._existing(ask.one("accounts", name, ask.account_of), Code.UNKNOWN_ACCOUNT)

    def asset(self, asset: str, /) -> Asset | None:
        """Return an asset, or None."""
        return self._existing(ask.one("assets", asset, ask.asset_of), Code.UNKNOWN_ASSET)

    def balance(
        self, account: str, asset: str, /, *, entry: int | None = None, time: int | None = None
    ) -> int:
        """Return what the account owns, held units included. Rejections: `unknown_…`."""
        return int(self.balance_details(account, asset, entry=entry, time=time).units)

    def _existing(self, question: Question[_T], unknown: Code) -> _T | None:
        try:
            return self.ask(question)
        except Rejection as rejection:
            if rejection.code is unknown:
                return None
            raise

    # More of the ledger.

    def info(self) -> LedgerInfo:
        """Return which ledger this is and how far it reaches."""
        self._info = _check_ledger(self.ask(ask.ledger()), self._pinned)
        return self._info

    def statistics(self) -> Statistics:
        """Return how large the ledger is."""
        return self.ask(ask.statistics())

    def preview(self, transaction: Transaction) -> bytes:
        """Return the receipt that a transaction would get now. Rejections: any."""
        return self.ask(ask.preview(encode_transaction(transaction)))

    def receipt(self, identifier: str, *, sender: str) -> bytes:
        """Return the receipt of a transaction."""
        return self.ask(ask.receipt(identifier, sender))

    def entry(self, index: int) -> LogEntry:
        """Return an entry of the log."""
        return self.ask(ask.entry(index))

    def entry_proof(self, index: int) -> bytes:
        """Return a proof file of an entry, for `proofs.verify_proof`."""
        return self.ask(ask.entry_proof(index))

    def balance_proof(self, account: str, asset: str) -> bytes:
        """Return a proof file of a balance, for `proofs.verify_proof`."""
        return self.ask(ask.balance_proof(account, asset))

    def balance_details(
        self, account: str, asset: str, *, entry: int | None = None, time: int | None = None
    ) -> Balance:
        """Return a balance with what is held and the entry as of which it is so."""
        return self.ask(ask.balance(account, asset, entry=entry, time=time))

    def view(self, contract: str, name: str, **arguments: Any) -> Any:
        """Return what a contract's view answers, in wire form."""
        return self.ask(ask.view(contract, name, arguments))

    def hold(self, name: str) -> Hold | None:
        """Return an open hold, or None."""
        return self._existing(ask.one("holds", name, ask.hold_of), Code.UNKNOWN_HOLD)

    def contract(self, name: str) -> Instance | None:
        """Return a contract, or None."""
        return self._existing(ask.one("contracts", name, ask.instance_of), Code.UNKNOWN_CONTRACT)

    # Lists: each asks for the next page when it is reached.

    def accounts(self) -> Iterator[tuple[str, Account]]:
        """Yield all accounts by name."""
        return self._list("/v1/accounts", ask.named(ask.account_of))

    def assets(self) -> Iterator[Asset]:
        """Yield all assets."""
        return self._list("/v1/assets", ask.asset_of)

    def contracts(self) -> Iterator[tuple[str, Instance]]:
        """Yield all contracts by name."""
        return self._list("/v1/contracts", ask.named(ask.instance_of))

    def balances(self, account: str) -> Iterator[Balance]:
        """Yield all that an account has now."""
        return self._list(ask.below(account, "balances"), ask.balance_of)

    def holds(self, account: str) -> Iterator[tuple[str, Hold]]:
        """Yield the open holds that an account made or may capture."""
        return self._list(ask.below(account, "holds"), ask.named(ask.hold_of))

    def mandates(self, account: str) -> Iterator[tuple[str, Mandate]]:
        """Yield the mandates of an account by name."""
        return self._list(ask.below(account, "mandates"), ask.named(ask.mandate_of))

    def history(
        self, account: str, *, asset: str | None = None, after: str | None = None, page_size: int = 100
    ) -> Iterator[Posting]:
        """Yield an account's postings, oldest first; `after` is the place ENTRY.N of the last one seen."""
        path = ask.below(account, "history")
        return self._list(path, ask.posting_of, after=after, page_size=page_size, asset=asset)

    def _list(
        self,
        path: str,
        decode: Callable[[dict[str, Any]], _T],
        *,
        after: str | None = None,
        page_size: int = 100,
        **parameters: str | None,
    ) -> Iterator[_T]:
        while True:
            page: Page[_T] = self.ask(
                ask.page(path, decode, after=after, limit=min(page_size, ask.PAGE_MAX), **parameters)
            )
            yield from page.items
            if page.next is None:
                return
            after = page.next

    # The stream.

    def stream(self, *, after: int | None = None) -> Iterator[StreamEvent]:
        """Yield entries and checkpoints as they come, none left out, reconnecting by itself.

        `after` is the last index seen, -1 to begin at genesis, None for what comes from now on. Raises
        `HttpError` once nothing could be had for `timeout_seconds`.
        """
        reader = EventReader(after)
        attempts = Attempts(self.timeout_seconds)
        while True:
            try:
                with self._stream(reader) as lines:
                    for line in lines:
                        if (event := reader.take(line)) is not None:
                            attempts = Attempts(self.timeout_seconds)
                            yield event
                failure: HttpError = Unreachable("the stream ended")
            except httpx.TransportError as error:
                failure = _unreachable(self.url, error)
            except HttpError as error:
                failure = error
            reader.start_again()
            self._sleep(attempts.pause_after(failure))

    @contextmanager
    def _stream(self, reader: EventReader) -> Iterator[Iterator[str]]:
        with self._http.stream(
            "GET", "/v1/stream", params=reader.parameters, timeout=STREAM_SILENCE_SECONDS
        ) as response:
            if response.status_code != 200:
                response.read()
                raise ask.problem_of(_answer(response))
            yield response.iter_lines()


class AsyncClient:
    """A node, for one event loop: the same questions as `Client`, awaited."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        ledger_id: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self.timeout_seconds = timeout_seconds
        self._pinned = ledger_id
        self._sleep = sleep
        self._http = httpx.AsyncClient(transport=transport, **_options(url))

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections."""
        await self._http.aclose()

    async def ask(self, question: Question[_T]) -> _T:
        """Ask until there is an answer, or the time is up. Raises `Rejection` and `HttpError`."""
        attempts = Attempts(self.timeout_seconds)
        while True:
            try:
                return question.read(await self._send(question))
            except HttpError as failure:
                pause = attempts.pause_after(failure)
            await self._sleep(pause)

    async def _send(self, question: Question[Any]) -> Answer:
        try:
            return _answer(
                await self._http.request(
                    question.method,
                    question.path,
                    params=question.parameters,
                    content=question.body,
                    headers=question.headers,
                )
            )
        except httpx.TransportError as error:
            raise _unreachable(self.url, error) from error

    async def submit(self, envelopes: Sequence[bytes], /) -> list[Settled]:
        """Return what became of each envelope, in order, once durable. Safe to call again."""
        return [settled for chunk in _chunks(envelopes) for settled in await self._submit(chunk)]

    async def _submit(self, envelopes: list[bytes]) -> list[Settled]:
        if len(envelopes) == 1:
            try:
                return [await self.ask(ask.submit_one(envelopes[0]))]
            except Rejection as rejection:
                return [Settled(rejection=rejection)]
        batch = ask.Batch(envelopes)
        attempts = Attempts(self.timeout_seconds)
        while (refused := batch.take(await self.ask(batch.question()))) is not None:
            await self._sleep(attempts.pause_after(refused))
        return batch.outcomes

    async def info(self) -> LedgerInfo:
        """Return which ledger this is and how far it reaches."""
        return _check_ledger(await self.ask(ask.ledger()), self._pinned)

    async def preview(self, transaction: Transaction) -> bytes:
        """Return the receipt that a transaction would get now. Rejections: any."""
        return await self.ask(ask.preview(encode_transaction(transaction)))

    async def receipt(self, identifier: str, *, sender: str) -> bytes:
        """Return the receipt of a transaction."""
        return await self.ask(ask.receipt(identifier, sender))

    async def account(self, name: str) -> Account:
        """Return an account. Rejections: `unknown_account`."""
        return await self.ask(ask.one("accounts", name, ask.account_of))

    async def asset(self, name: str) -> Asset:
        """Return an asset. Rejections: `unknown_asset`."""
        return await self.ask(ask.one("assets", name, ask.asset_of))

    async def balance(
        self, account: str, asset: str, *, entry: int | None = None, time: int | None = None
    ) -> int:
        """Return what the account owns, held units included. Rejections: `unknown_…`."""
        return int((await self.ask(ask.balance(account, asset, entry=entry, time=time))).units)

    async def history(
        self, account: str, *, asset: str | None = None, after: str | None = None, page_size: int = 100
    ) -> AsyncIterator[Posting]:
        """Yield an account's postings, oldest first; `after` is the place ENTRY.N of the last one seen."""
        path = ask.below(account, "history")
        limit = min(page_size, ask.PAGE_MAX)
        while True:
            page = await self.ask(ask.page(path, ask.posting_of, after=after, limit=limit, asset=asset))
            for posting in page.items:
                yield posting
            if page.next is None:
                return
            after = page.next

    async def stream(self, *, after: int | None = None) -> AsyncIterator[StreamEvent]:
        """Yield entries and checkpoints as they come, none left out, reconnecting by itself."""
        reader = EventReader(after)
        attempts = Attempts(self.timeout_seconds)
        while True:
            try:
                async with self._stream(reader) as lines:
                    async for line in lines:
                        if (event := reader.take(line)) is not None:
                            attempts = Attempts(self.timeout_seconds)
                            yield event
                failure: HttpError = Unreachable("the stream ended")
            except httpx.TransportError as error:
                failure = _unreachable(self.url, error)
            except HttpError as error:
                failure = error
            reader.start_again()
            await self._sleep(attempts.pause_after(failure))

    @asynccontextmanager
    async def _stream(self, reader: EventReader) -> AsyncIterator[AsyncIterator[str]]:
        async with self._http.stream(
            "GET", "/v1/stream", params=reader.parameters, timeout=STREAM_SILENCE_SECONDS
        ) as response:
            if response.status_code != 200:
                await response.aread()
                raise ask.problem_of(_answer(response))
            yield response.aiter_lines()
