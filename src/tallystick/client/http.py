"""The typed client: a node over HTTP as a client's `Connection`.

    with Client("http://127.0.0.1:8080") as ledger:
        ledger.submit([envelope])              # again and again until it is decided, or the time is up
        ledger.balance("alice", "eur@bank")
        ledger.ask(contracts.view("pool-1", "reserves", {}))   # any question of `client.questions`

The rule that makes retrying safe: an id settles once, however often its envelope arrives. So the same bytes
are sent again after a pause, until `timeout_seconds` are over; then the error says that nobody knows.
`http_async.AsyncClient` is the same, awaited.

What this client does not do is believe: a receipt is the node's word until `follow.Follower` has checked it.

Refused: retrying inside the HTTP library's transport, which knows neither the ledger's codes nor that an
envelope may be sent twice; and a queue in the background, which could not say when a receipt is durable.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import httpx

from tallystick import __version__
from tallystick.client import questions as ask
from tallystick.client.attempts import Attempts
from tallystick.client.errors import ClientError
from tallystick.client.events import EventReader, StreamEvent
from tallystick.client.questions.accounts import Balance, Posting
from tallystick.client.questions.asking import (
    Answer,
    AnswerInvalid,
    HttpError,
    Listing,
    Question,
    Unreachable,
    problem_of,
)
from tallystick.client.questions.entries import LogEntry
from tallystick.client.questions.ledger import LedgerInfo, Statistics
from tallystick.client.questions.transactions import BATCH_ENVELOPES_MAX, Batch, Settled
from tallystick.ledger.records import Account, Asset, Hold, Instance, Mandate
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Transaction, encode_transaction

TIMEOUT_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 35.0
"""How long one attempt may take: a little more than a node takes before it says that it could not tell."""
STREAM_SILENCE_SECONDS: Final = 45.0
"""After three signs of life that did not come, a stream is taken as broken."""
CHUNK_BYTES_MAX: Final = 4 * 1_048_576
_T = TypeVar("_T")


def options(url: str) -> dict[str, Any]:
    """Return the HTTP library's settings for a node's URL. Raises `ClientError`."""
    parsed = httpx.URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ClientError(f"{url[:200]!r} is no URL of a node", hint="such as http://127.0.0.1:8080")
    return {
        "base_url": parsed,
        "timeout": ANSWER_SECONDS,
        "headers": {"user-agent": f"tallystick/{__version__}"},
        "follow_redirects": False,
    }


def answer(response: httpx.Response) -> Answer:
    """Return a response as questions read it."""
    return Answer(response.status_code, response.content, response.headers)


def unreachable(url: object, error: Exception) -> Unreachable:
    """Return what a failed connection is to a client."""
    return Unreachable(f"{url} did not answer: {str(error) or type(error).__name__}")


def check_ledger(info: LedgerInfo, pinned: str | None) -> LedgerInfo:
    """Return the node's word on which ledger it serves. Raises `AnswerInvalid` where another was pinned."""
    if pinned is not None and info.ledger != pinned:
        raise AnswerInvalid(f"the node serves ledger {info.ledger}, not {pinned}")
    return info


def chunks(envelopes: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Yield the envelopes in order, in requests that a node takes."""
    chunk: list[bytes] = []
    size = 0
    for envelope in envelopes:
        if chunk and (len(chunk) == BATCH_ENVELOPES_MAX or size + len(envelope) > CHUNK_BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(envelope)
        size += len(envelope)
    if chunk:
        yield chunk


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
        self._http = httpx.Client(transport=transport, **options(url))
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
            return answer(
                self._http.request(
                    question.method,
                    question.path,
                    params=question.parameters,
                    content=question.body,
                    headers=question.headers,
                )
            )
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error

    def each(self, listing: Listing[_T]) -> Iterator[_T]:
        """Yield a list's items; the next page is asked when it is reached."""
        after = listing.after
        while True:
            page = self.ask(listing.page(after))
            yield from page.items
            if page.next is None:
                return
            after = page.next

    # The connection: what payments need.

    @property
    def ledger_id(self) -> str:
        """The ledger's id, asked once."""
        return (self._info or self.info()).ledger

    def now(self) -> int:
        """Return the node's time in microseconds UTC: what a batch would be dated now."""
        return self.ask(ask.ledger.info()).now

    def submit(self, envelopes: Sequence[bytes], /) -> list[Settled]:
        """Return what became of each envelope, in order, once durable. Raises `HttpError`.

        Calling it again is safe. What the node put off for its own reasons is sent again after what it
        settled.
        """
        return [settled for chunk in chunks(envelopes) for settled in self._submit(chunk)]

    def _submit(self, envelopes: list[bytes]) -> list[Settled]:
        if len(envelopes) == 1:
            try:
                return [self.ask(ask.transactions.submit_one(envelopes[0]))]
            except Rejection as rejection:
                return [Settled(rejection=rejection)]
        batch = Batch(envelopes)
        attempts = Attempts(self.timeout_seconds)
        while (refused := batch.take(self.ask(batch.question()))) is not None:
            self._sleep(attempts.pause_after(refused))
        return batch.outcomes

    def account(self, name: str, /) -> Account | None:
        """Return an account, or None."""
        return self._existing(ask.accounts.one(name), Code.UNKNOWN_ACCOUNT)

    def asset(self, asset: str, /) -> Asset | None:
        """Return an asset, or None."""
        return self._existing(ask.assets.one(asset), Code.UNKNOWN_ASSET)

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

    # More of the ledger; what has no method here is asked with `ask` and `each`.

    def info(self) -> LedgerInfo:
        """Return which ledger this is and how far it reaches."""
        self._info = check_ledger(self.ask(ask.ledger.info()), self._pinned)
        return self._info

    def statistics(self) -> Statistics:
        """Return how large the ledger is."""
        return self.ask(ask.ledger.statistics())

    def preview(self, transaction: Transaction) -> bytes:
        """Return the receipt that a transaction would get now. Rejections: any."""
        return self.ask(ask.transactions.preview(encode_transaction(transaction)))

    def receipt(self, identifier: str, *, sender: str) -> bytes:
        """Return the receipt of a transaction."""
        return self.ask(ask.entries.receipt(identifier, sender=sender))

    def entry(self, index: int) -> LogEntry:
        """Return an entry of the log."""
        return self.ask(ask.entries.entry(index))

    def entry_proof(self, index: int, *, cosigned: bool = False) -> bytes:
        """Return a proof file of an entry, for `proofs.verify_proof`; waits for a checkpoint over it."""
        return self.ask(ask.entries.entry_proof(index, cosigned=cosigned))

    def balance_proof(self, account: str, asset: str) -> bytes:
        """Return a proof file of a balance, for `proofs.verify_proof`."""
        return self.ask(ask.entries.balance_proof(account, asset))

    def balance_details(
        self, account: str, asset: str, *, entry: int | None = None, time: int | None = None
    ) -> Balance:
        """Return a balance with what is held and the entry as of which it is so."""
        return self.ask(ask.accounts.balance(account, asset, entry=entry, time=time))

    def view(self, contract: str, name: str, **arguments: Any) -> Any:
        """Return what a contract's view answers, in wire form."""
        return self.ask(ask.contracts.view(contract, name, arguments))

    def hold(self, name: str) -> Hold | None:
        """Return an open hold, or None."""
        return self._existing(ask.holds.one(name), Code.UNKNOWN_HOLD)

    def contract(self, name: str) -> Instance | None:
        """Return a contract, or None."""
        return self._existing(ask.contracts.one(name), Code.UNKNOWN_CONTRACT)

    # Lists: each asks for the next page when it is reached.

    def accounts(self) -> Iterator[tuple[str, Account]]:
        """Yield all accounts by name."""
        return self.each(ask.accounts.all_())

    def assets(self) -> Iterator[Asset]:
        """Yield all assets."""
        return self.each(ask.assets.all_())

    def contracts(self) -> Iterator[tuple[str, Instance]]:
        """Yield all contracts by name."""
        return self.each(ask.contracts.all_())

    def balances(self, account: str) -> Iterator[Balance]:
        """Yield all that an account has now."""
        return self.each(ask.accounts.balances(account))

    def holds(self, account: str) -> Iterator[tuple[str, Hold]]:
        """Yield the open holds that an account made or may capture."""
        return self.each(ask.holds.of(account))

    def mandates(self, account: str) -> Iterator[tuple[str, Mandate]]:
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
    ) -> Iterator[Posting]:
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
                failure = unreachable(self.url, error)
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
                raise problem_of(answer(response))
            yield response.iter_lines()
