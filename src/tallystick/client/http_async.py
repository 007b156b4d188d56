"""The typed client, awaited: what `http.Client` is to a thread, to an event loop.

    async with AsyncClient("http://127.0.0.1:8080") as ledger:
        await ledger.submit([envelope])
        async for posting in ledger.history("alice"):
            ...

It asks the same questions, with the same patience; a test compares the two name by name. What must be known
of it is told there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from tallystick.client import questions as ask
from tallystick.client.attempts import Attempts
from tallystick.client.events import EventReader, StreamEvent
from tallystick.client.http import (
    STREAM_SILENCE_SECONDS,
    TIMEOUT_SECONDS,
    answer,
    check_ledger,
    chunks,
    options,
    unreachable,
)
from tallystick.client.questions.accounts import Balance, Posting
from tallystick.client.questions.asking import (
    Answer,
    HttpError,
    Listing,
    Question,
    Unreachable,
    problem_of,
)
from tallystick.client.questions.entries import LogEntry
from tallystick.client.questions.ledger import LedgerInfo, Statistics
from tallystick.client.questions.transactions import Batch, Settled
from tallystick.ledger.records import Account, Asset, Hold, Instance, Mandate
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Transaction, encode_transaction

_T = TypeVar("_T")


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
        self._http = httpx.AsyncClient(transport=transport, **options(url))
        self._info: LedgerInfo | None = None

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
            return answer(
                await self._http.request(
                    question.method,
                    question.path,
                    params=question.parameters,
                    content=question.body,
                    headers=question.headers,
                )
            )
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error

    async def each(self, listing: Listing[_T]) -> AsyncIterator[_T]:
        """Yield a list's items; the next page is asked when it is reached."""
        after = listing.after
        while True:
            page = await self.ask(listing.page(after))
            for item in page.items:
                yield item
            if page.next is None:
                return
            after = page.next

    # The connection: what payments need.

    async def ledger_id(self) -> str:
        """Return the ledger's id, asked once."""
        return (self._info or await self.info()).ledger

    async def now(self) -> int:
        """Return the node's time in microseconds UTC: what a batch would be dated now."""
        return (await self.ask(ask.ledger.info())).now

    async def submit(self, envelopes: Sequence[bytes], /) -> list[Settled]:
        """Return what became of each envelope, in order, once durable. Raises `HttpError`.

        Calling it again is safe. What the node put off for its own reasons is sent again after what it
        settled.
        """
        return [settled for chunk in chunks(envelopes) for settled in await self._submit(chunk)]

    async def _submit(self, envelopes: list[bytes]) -> list[Settled]:
        if len(envelopes) == 1:
            try:
                return [await self.ask(ask.transactions.submit_one(envelopes[0]))]
            except Rejection as rejection:
                return [Settled(rejection=rejection)]
        batch = Batch(envelopes)
        attempts = Attempts(self.timeout_seconds)
        while (refused := batch.take(await self.ask(batch.question()))) is not None:
            await self._sleep(attempts.pause_after(refused))
        return batch.outcomes

    async def account(self, name: str, /) -> Account | None:
        """Return an account, or None."""
        return await self._existing(ask.accounts.one(name), Code.UNKNOWN_ACCOUNT)

    async def asset(self, asset: str, /) -> Asset | None:
        """Return an asset, or None."""
        return await self._existing(ask.assets.one(asset), Code.UNKNOWN_ASSET)

    async def balance(
        self, account: str, asset: str, /, *, entry: int | None = None, time: int | None = None
    ) -> int:
        """Return what the account owns, held units included. Rejections: `unknown_…`."""
        return int((await self.balance_details(account, asset, entry=entry, time=time)).units)

    async def _existing(self, question: Question[_T], unknown: Code) -> _T | None:
        try:
            return await self.ask(question)
        except Rejection as rejection:
            if rejection.code is unknown:
                return None
            raise

    # More of the ledger; what has no method here is asked with `ask` and `each`.

    async def info(self) -> LedgerInfo:
        """Return which ledger this is and how far it reaches."""
        self._info = check_ledger(await self.ask(ask.ledger.info()), self._pinned)
        return self._info

    async def statistics(self) -> Statistics:
        """Return how large the ledger is."""
        return await self.ask(ask.ledger.statistics())

    async def preview(self, transaction: Transaction) -> bytes:
        """Return the receipt that a transaction would get now. Rejections: any."""
        return await self.ask(ask.transactions.preview(encode_transaction(transaction)))

    async def receipt(self, identifier: str, *, sender: str) -> bytes:
        """Return the receipt of a transaction."""
        return await self.ask(ask.entries.receipt(identifier, sender=sender))

    async def entry(self, index: int) -> LogEntry:
        """Return an entry of the log."""
        return await self.ask(ask.entries.entry(index))

    async def entry_proof(self, index: int, *, cosigned: bool = False) -> bytes:
        """Return a proof file of an entry, for `proofs.verify_proof`; waits for a checkpoint over it."""
        return await self.ask(ask.entries.entry_proof(index, cosigned=cosigned))

    async def balance_proof(self, account: str, asset: str) -> bytes:
        """Return a proof file of a balance, for `proofs.verify_proof`."""
        return await self.ask(ask.entries.balance_proof(account, asset))

    async def balance_details(
        self, account: str, asset: str, *, entry: int | None = None, time: int | None = None
    ) -> Balance:
        """Return a balance with what is held and the entry as of which it is so."""
        return await self.ask(ask.accounts.balance(account, asset, entry=entry, time=time))

    async def view(self, contract: str, name: str, **arguments: Any) -> Any:
        """Return what a contract's view answers, in wire form."""
        return await self.ask(ask.contracts.view(contract, name, arguments))

    async def hold(self, name: str) -> Hold | None:
        """Return an open hold, or None."""
        return await self._existing(ask.holds.one(name), Code.UNKNOWN_HOLD)

    async def contract(self, name: str) -> Instance | None:
        """Return a contract, or None."""
        return await self._existing(ask.contracts.one(name), Code.UNKNOWN_CONTRACT)

    # Lists: each asks for the next page when it is reached.

    def accounts(self) -> AsyncIterator[tuple[str, Account]]:
        """Yield all accounts by name."""
        return self.each(ask.accounts.all_())

    def assets(self) -> AsyncIterator[Asset]:
        """Yield all assets."""
        return self.each(ask.assets.all_())

    def contracts(self) -> AsyncIterator[tuple[str, Instance]]:
        """Yield all contracts by name."""
        return self.each(ask.contracts.all_())

    def balances(self, account: str) -> AsyncIterator[Balance]:
        """Yield all that an account has now."""
        return self.each(ask.accounts.balances(account))

    def holds(self, account: str) -> AsyncIterator[tuple[str, Hold]]:
        """Yield the open holds that an account made or may capture."""
        return self.each(ask.holds.of(account))

    def mandates(self, account: str) -> AsyncIterator[tuple[str, Mandate]]:
        """Yield the mandates of an account by name."""
        return self.each(ask.accounts.mandates(account))

    def history(
        self,
        account: str,
        *,
        asset: str | None = None,
        since: int | None = None,
        until: int | None = None,
        newest_first: bool = False,
        after: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[Posting]:
        """Yield an account's postings, oldest first unless said otherwise.

        `since` and `until` are times in microseconds UTC, both included; `after` is the place ENTRY.N of the
        last one seen.
        """
        return self.each(
            ask.accounts.history(
                account,
                asset=asset,
                since=since,
                until=until,
                newest_first=newest_first,
                after=after,
                page_size=page_size,
            )
        )

    # The stream.

    async def stream(self, *, after: int | None = None) -> AsyncIterator[StreamEvent]:
        """Yield entries and checkpoints as they come, none left out, reconnecting by itself.

        `after` is the last index seen, -1 to begin at genesis, None for what comes from now on. Raises
        `HttpError` once nothing could be had for `timeout_seconds`.
        """
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
                failure = unreachable(self.url, error)
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
                raise problem_of(answer(response))
            yield response.aiter_lines()
