"""Pages: the beginnings of histories as they were answered last, good until their account moves again.

Most of what is asked twice has not changed in between: a wallet looks whether something came, a thousand
times for each time that something does. Reading rows and comparing them with their receipts again would give
the same bytes, and would wait for the thread that owns the rows, behind whoever has the interpreter.

The rule that must hold: a page is what the projections would answer now. A history grows by postings alone,
each posting writes its account's balance, and writes are told to `forget` before the receipt of the
transaction goes out; so whoever has a receipt finds it in the history. `keep` and `forget` are called under
the state lock, so that no page of a moment ago is kept after its account has moved; `find` needs no lock.

Refused: keeping pages for a time. They would be wrong for as long, however short that is.
"""

from collections.abc import Iterable
from typing import Final

from tallystick.ledger.store import Key

SIZE_BYTES_MAX: Final = 64 * 1_048_576
_OVERHEAD_BYTES: Final = 400
"""About what a page costs besides its bytes."""

_Asked = tuple[str | None, int]
"""(asset, limit) of a page's question."""


class Pages:
    """Encoded pages by account and question. Without room, what was kept first goes first, by accounts."""

    def __init__(self, *, size_bytes_max: int = SIZE_BYTES_MAX) -> None:
        self._size_bytes_max = size_bytes_max
        self._size_bytes = 0
        self._by_account: dict[str, dict[_Asked, bytes]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_account.values()))

    def find(self, account: str, *, asset: str | None, limit: int) -> bytes | None:
        """Return the page, if it is known. Any thread."""
        kept = self._by_account.get(account)
        return None if kept is None else kept.get((asset, limit))

    def keep(self, account: str, page: bytes, *, asset: str | None, limit: int) -> None:
        """Keep a page of the state as it is. Under the state lock."""
        self._drop(account, (asset, limit))
        self._by_account.setdefault(account, {})[asset, limit] = page
        self._size_bytes += len(page) + _OVERHEAD_BYTES
        while self._size_bytes > self._size_bytes_max:
            self._drop_account(next(iter(self._by_account)))

    def forget(self, writes: Iterable[Key]) -> None:
        """Drop the pages of the accounts among whose balances these keys are. Under the state lock."""
        kept = self._by_account
        if not kept:
            return
        for key in writes:
            if key[0] == "balance" and key[1] in kept:
                self._drop_account(key[1])

    def clear(self) -> None:
        """Drop all pages. Under the state lock."""
        self._by_account.clear()
        self._size_bytes = 0

    def _drop(self, account: str, asked: _Asked) -> None:
        page = self._by_account.get(account, {}).pop(asked, None)
        if page is not None:
            self._size_bytes -= len(page) + _OVERHEAD_BYTES

    def _drop_account(self, account: str) -> None:
        for page in self._by_account.pop(account).values():
            self._size_bytes -= len(page) + _OVERHEAD_BYTES
