"""The stream: every entry of the log as a server-sent event, from wherever the client left off.

    id: 41
    event: transaction | timers | genesis
    data: {"index": 41, "height", "time", "kind", "receipt": {…}, "views": [{…}]}

    id: 42
    event: checkpoint
    data: {"index": 42, "size": 43, "note": "…", "state_root": "…"}

One event an entry, whose id is its index, so that `Last-Event-ID` or `?after=` resumes exactly. A root's
event carries the checkpoint that ends in it. `views` stands where an entry made an institution's coverage
cross 1, or its behaviour be flagged: the node computes that beside the log, and no receipt says it. The rule
that must hold: a slow client slows nobody; each stream reads the journal at its own pace, page by page, and
nothing is kept for it in memory.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import msgspec

from tallystick.ledger.receipts import decode_receipt
from tallystick.log.leaf import EntryKind, Leaf
from tallystick.node.entries import Entry
from tallystick.node.readers import Readers, ServiceView
from tallystick.node.service import Service

PAGE_ENTRIES: Final = 256
KEEP_ALIVE_SECONDS: Final = 15.0
_encode: Final = msgspec.json.Encoder().encode


class Tide:
    """Wakes whoever waits for the log to grow. Belongs to one event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._grown = asyncio.Event()
        self._told = False
        service.listeners.append(self._merged)

    def _merged(self, _: int) -> None:
        if not self._told and not self._loop.is_closed():
            self._told = True
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._told = False
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    async def wait_beyond(self, size: int) -> bool:
        """Wait until the log has more entries; tell whether it has before it is time for a sign of life."""
        grown = self._grown
        if self._service.ledger.size > size:
            return True
        try:
            await asyncio.wait_for(grown.wait(), KEEP_ALIVE_SECONDS)
        except TimeoutError:
            return False
        return True


async def stream_events(readers: Readers, tide: Tide, *, start: int) -> AsyncIterator[bytes]:
    """Yield events from the entry `start` on, for ever."""
    yield b": tallystick\n\n"
    while True:
        page = await readers.read(partial(read_events, start=start))
        if page:
            yield b"".join(
                b"id: %d\nevent: %s\ndata: %s\n\n" % (index, name.encode(), _encode(data))
                for index, name, data in page
            )
            start = page[-1][0] + 1
        elif not await tide.wait_beyond(start):
            yield b": still here\n\n"


def read_events(view: ServiceView, *, start: int) -> list[tuple[int, str, dict[str, Any]]]:
    """Return the next events as (index, name, data), at most a page of them."""
    end = min(start + PAGE_ENTRIES, view.size)
    return [_event(view, entry) for entry in view.journal.entries(start=start, end=end)]


def _event(view: ServiceView, entry: Entry) -> tuple[int, str, dict[str, Any]]:
    leaf = Leaf.decode(entry.leaf)
    data: dict[str, Any] = {"index": entry.index, "height": leaf.height, "time": leaf.time_us}
    if leaf.kind is EntryKind.ROOT:
        size = entry.index + 1
        found = view.journal.checkpoint(size)
        note = found[1].decode() if found else None
        return (
            entry.index,
            "checkpoint",
            data | {"size": size, "note": note, "state_root": leaf.receipt_hash.hex()},
        )
    kind = leaf.kind.name.lower()
    receipt = decode_receipt(entry.receipt) if entry.receipt else None
    data |= {"kind": kind, "receipt": receipt}
    views = view.published(entry.index)
    return entry.index, kind, data | ({"views": views} if views else {})
