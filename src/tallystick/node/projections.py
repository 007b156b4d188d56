# ruff: noqa: S608 (every name put into a statement is a constant of this file; values are bound)
"""Projections: answers about the past, in SQL, made from receipts and from nothing else.

Every receipt carries its postings with the resulting balances, so a history is a table of them and a balance
at any past moment is one row. The tables lie in the ledger's own file, are filled when somebody asks, and can
be dropped at any time: `rebuild` makes identical rows.

Nothing commits to these tables, so **an answer is checked before it is given**: each row against its receipt,
which the log commits to, and against the rows of its account and asset before and after it, or the state if
it is the last, so that neither a changed row nor a missing one goes unseen. If one does not fit, the tables
are made anew once; if that does not help, `ProjectionDamaged` says so. Silence is no answer.

A ledger that is open read-only cannot write the tables, so it keeps the part that is missing in memory.

Refused: balances by day or by entry, stored ahead. Nobody knows which moments will be asked for.
"""

import sqlite3
import time as system_time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from functools import lru_cache
from types import EllipsisType
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from tallystick.ledger.receipts import WireReceipt, decode_receipt
from tallystick.log.leaf import Leaf
from tallystick.node.faults import BeforeGenesis, JournalCorrupt, NodeFault, NotYet
from tallystick.node.journal import insert_rows
from tallystick.node.ledger_file import LedgerFile
from tallystick.node.snapshot import Progress

_ENTRIES_PER_WRITE: Final = 10_000
_CHECKED_ROWS_MAX: Final = 1_000_000
_RECEIPTS_KEPT: Final = 8_192
"""About 10 MB: an account that is looked at is looked at again, and its newest row is checked each time."""
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS {schema}.{prefix}posting (idx INTEGER, n INTEGER, account TEXT, asset TEXT,
    change TEXT, balance TEXT, time INTEGER, PRIMARY KEY (idx, n)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS {schema}.{prefix}posting_account ON {prefix}posting (account, idx, n)",
    "CREATE INDEX IF NOT EXISTS {schema}.{prefix}posting_asset ON {prefix}posting (account, asset, idx, n)",
    """CREATE TABLE IF NOT EXISTS {schema}.{prefix}event (idx INTEGER, n INTEGER, source TEXT, name TEXT,
    fields TEXT, PRIMARY KEY (idx, n)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS {schema}.{prefix}event_name ON {prefix}event (source, name, idx)",
    """CREATE INDEX IF NOT EXISTS {schema}.{prefix}event_hold
    ON {prefix}event (source, name, json_extract(fields, '$.hold'))""",
    "CREATE TABLE IF NOT EXISTS {schema}.{prefix}projection (upto INTEGER)",
)
_COLUMNS: Final = "idx, n, account, asset, change, balance, time"
_BEYOND: Final = 1 << 62
"""More than any posting's place in its entry."""
_Answer = TypeVar("_Answer")
_Beside: TypeAlias = "PostingRow | EllipsisType | None"
"""A row's neighbour, None where there is none, `...` where nobody has looked yet."""


class ProjectionDamaged(NodeFault):
    """A row is not what the log says, even after the tables were made anew."""


class PostingRow(msgspec.Struct, frozen=True):
    """One posting: entry, place in its receipt, and what it did. `time` is microseconds UTC."""

    index: int
    n: int
    account: str
    asset: str
    change: int
    balance: int
    time: int


class History(msgspec.Struct, frozen=True):
    """Postings of an account, in the order asked for. `as_of` is the last entry that was looked at."""

    postings: list[PostingRow]
    as_of: int


class PastBalance(msgspec.Struct, frozen=True):
    """A balance after the entry `as_of`; `posting` is the last that changed it, if any did."""

    units: int
    as_of: int
    posting: PostingRow | None = None


class EventRow(msgspec.Struct, frozen=True):
    """One event: entry, place in its receipt, who tells it, and its fields."""

    index: int
    n: int
    source: str
    name: str
    fields: dict[str, Any]


class HoldHistory(msgspec.Struct, frozen=True):
    """A hold of an account, from its making to its end. `status` is open, or how it ended."""

    hold: str
    owner: str
    beneficiary: str
    made: int
    ended: int | None
    status: str


class Holds(msgspec.Struct, frozen=True):
    """Holds that an account made or is the beneficiary of, oldest first."""

    holds: list[HoldHistory]
    as_of: int


class _Mismatch(Exception):
    """A row does not fit; the message says which."""


class Projections:
    """The tables of one ledger. Filling them takes as long as reading the receipts that are new."""

    def __init__(self, ledger: LedgerFile, *, progress: Progress | None = None) -> None:
        self._ledger = ledger
        self._progress = progress
        self._receipt = lru_cache(_RECEIPTS_KEPT)(self._read_receipt)
        """Receipts read last: one with thousands of postings is asked about by as many accounts."""
        self._checked_rows: set[tuple[int, int]] = set()
        """Places of postings in our own tail that were found to fit, and that another posting follows: nobody
        else can write there, so nothing about them changes any more."""
        self._tail: tuple[int, int] | None = None
        """The entries, from and below, whose rows lie in memory because the file may not be written."""
        self.filled_entries = 0
        """Entries taken in by this object, those made anew counted again."""
        self.filling_seconds = 0.0
        """Processor seconds of the calling thread that this took."""

    # Answers. Each says up to which entry it looked.

    def history(
        self,
        account: str,
        *,
        asset: str | None = None,
        after: tuple[int, int] = (-1, -1),
        limit: int = 100,
        since: int | None = None,
        until: int | None = None,
        newest_first: bool = False,
    ) -> History:
        """Return an account's postings after the place (entry, n), oldest first, at most `limit`.

        `since` and `until` bound their time in microseconds UTC, both included. With `newest_first` the
        order is turned round, and so is what `after` means; (-1, -1) is the beginning either way.

        Rejections: `unknown_account`, `unknown_asset`. Raises `ProjectionDamaged`.
        """
        self._ledger.check_account(account)
        if asset is not None:
            self._ledger.check_asset(asset)
        first = 0 if since is None else self._first_entry_from(since)
        last = self._ledger.size - 1 if until is None else self._first_entry_from(until + 1) - 1
        if newest_first:
            return self._checked(lambda: self._history_back(account, asset, after, limit, (first, last)))
        start = max(after, (first - 1, _BEYOND))
        return self._checked(lambda: self._history(account, asset, start, limit, last))

    def balance_as_of(
        self, account: str, asset: str, *, entry: int | None = None, time: int | None = None
    ) -> PastBalance:
        """Return a balance as it was right after an entry, or at a time in microseconds UTC.

        Rejections: `unknown_account`, `unknown_asset`. Raises `NotYet` beyond the log, `BeforeGenesis`,
        `ProjectionDamaged`.
        """
        self._ledger.check_account(account)
        self._ledger.check_asset(asset)
        if (entry is None) == (time is None):
            raise TypeError("a past balance is asked for by entry or by time")
        if time is not None:
            entry = self._entry_at(time)
        elif entry is not None and entry >= self._ledger.size:
            raise NotYet("entry", asked=entry, reached=self._ledger.size - 1)
        elif entry is not None and entry < 0:
            raise ValueError(f"entries are numbered from 0, not {entry}")
        return self._checked(lambda: self._balance_as_of(account, asset, entry or 0))

    def holds(self, account: str) -> Holds:
        """Return the holds that an account made or may capture, ended ones included, oldest first.

        Rejections: `unknown_account`. Raises `ProjectionDamaged`.
        """
        self._ledger.check_account(account)
        return self._checked(lambda: self._holds(account))

    def events(
        self, *, source: str, name: str, after: tuple[int, int] = (-1, -1), limit: int = 100
    ) -> list[EventRow]:
        """Return the events of a source after a place, oldest first, at most `limit`."""
        return self._checked(lambda: self._events(source, name, after, limit))

    # Filling.

    def catch_up(self) -> int:
        """Take in the receipts that are new and return the last entry covered.

        Raises `NotDurable` if they cannot be written, `JournalCorrupt` if a receipt cannot be read.
        """
        with self._timing():
            if self._ledger.is_read_only:
                self._fill_tail(self._upto() if self._tail is None else self._tail[0])
            else:
                self._fill_main()
        return self._ledger.size - 1

    def rebuild(self) -> int:
        """Make every row anew from the receipts and return the last entry covered."""
        if self._ledger.is_read_only:  # what the file holds is then not believed at all
            self._tail = None
            self._checked_rows.clear()
            self._drop(self._connection, "temp", "tail_")
            with self._timing():
                self._fill_tail(0)
            return self._ledger.size - 1
        with self._ledger.journal.writing(size=self._ledger.size) as connection:
            self._drop(connection, "main", "")
        return self.catch_up()

    @contextmanager
    def _timing(self) -> Iterator[None]:
        began = system_time.thread_time()
        try:
            yield
        finally:
            self.filling_seconds += system_time.thread_time() - began

    @property
    def _connection(self) -> sqlite3.Connection:
        return self._ledger.journal.connection

    def _drop(self, connection: sqlite3.Connection, schema: str, prefix: str) -> None:
        for table in ("posting", "event", "projection"):
            connection.execute(f"DROP TABLE IF EXISTS {schema}.{prefix}{table}")

    def _upto(self) -> int:
        """Return how many entries the file's own tables cover."""
        known = "SELECT count(*) FROM main.sqlite_master WHERE type = 'table' AND name = 'projection'"
        if not self._connection.execute(known).fetchone()[0]:
            return 0
        upto = self._connection.execute("SELECT max(upto) FROM main.projection").fetchone()[0]
        if not isinstance(upto, int) or upto < 0:
            return 0
        return min(upto, self._ledger.size)

    def _fill_main(self) -> None:
        journal, size = self._ledger.journal, self._ledger.size
        start = upto = self._upto()
        while upto < size:
            end = min(upto + _ENTRIES_PER_WRITE, size)
            with journal.writing(size=size) as connection:
                _create_tables(connection, "main", "")
                self._insert("main.", upto, end)
                connection.execute("DELETE FROM main.projection")
                connection.execute("INSERT INTO main.projection VALUES (?)", (end,))
            upto = end
            if self._progress is not None:
                self._progress(upto - start, size - start)
        self._show("SELECT * FROM main.{0}")

    def _fill_tail(self, start: int) -> None:
        """Keep in memory what the file's tables lack, and show both as one."""
        size = self._ledger.size
        if self._tail == (start, size):
            return
        if self._tail is None:
            # What is undone after a failure is kept in memory: in a file it would double the time of filling.
            self._connection.execute("PRAGMA temp.journal_mode = MEMORY")
            _create_tables(self._connection, "temp", "tail_")
            stored = f"SELECT * FROM main.{{0}} WHERE idx < {start} UNION ALL " if start else ""
            self._show(stored + "SELECT * FROM temp.tail_{0}")
            self._tail = start, start
        self._insert("temp.tail_", self._tail[1], size)
        self._tail = start, size

    def _show(self, select: str) -> None:
        """Make the views that the questions read."""
        for table in ("posting", "event"):
            self._connection.execute(f"DROP VIEW IF EXISTS temp.all_{table}")
            self._connection.execute(f"CREATE TEMP VIEW all_{table} AS {select.format(table)}")

    def _insert(self, tables: str, start: int, end: int) -> None:
        postings: list[tuple[Any, ...]] = []
        events: list[tuple[Any, ...]] = []
        for index, encoded in self._ledger.journal.receipts(start=start, end=end):
            if encoded:
                receipt = _decoded(encoded, index)
                postings += _posting_rows(receipt)
                events += _event_rows(receipt)
        insert_rows(self._connection, f"INSERT OR REPLACE INTO {tables}posting", postings)
        insert_rows(self._connection, f"INSERT OR REPLACE INTO {tables}event", events)
        self.filled_entries += end - start

    # Checking.

    def _checked(self, question: Callable[[], _Answer]) -> _Answer:
        """Return an answer all of whose rows fit the log; make the tables anew if they do not."""
        self.catch_up()
        try:
            return question()
        except (_Mismatch, sqlite3.DatabaseError, ValueError, TypeError, LookupError):
            self.rebuild()
        try:
            return question()
        except (_Mismatch, sqlite3.DatabaseError, ValueError, TypeError, LookupError) as error:
            raise ProjectionDamaged(f"the projection does not fit the log: {error}") from error

    def _check_postings(
        self, rows: Sequence[PostingRow], *, before: _Beside = ..., following: _Beside = ...
    ) -> None:
        """Check consecutive rows of one asset, oldest first: they are each other's neighbours."""
        for place, row in enumerate(rows):
            self._check_posting(
                row,
                before=rows[place - 1] if place else before,
                following=rows[place + 1] if place + 1 < len(rows) else following,
            )

    def _check_posting(self, row: PostingRow, *, before: _Beside = ..., following: _Beside = ...) -> None:
        """Check a row against its receipt, and that none is missing right before or after it.

        Its neighbours are looked up where they are not given; None says that there is none.
        """
        if (row.index, row.n) in self._checked_rows:
            return
        receipt = self._receipt(row.index)
        told = receipt.postings[row.n] if row.n < len(receipt.postings) else None
        if told != (row.account, row.asset, str(row.change), str(row.balance)) or receipt.time != row.time:
            raise _Mismatch(f"posting {row.n} of entry {row.index}")
        if before is ...:
            before = self._beside(row, "<", "DESC")
        if (before.balance if before else 0) + row.change != row.balance:
            raise _Mismatch(f"a posting is missing before {row.n} of entry {row.index}")
        if following is ...:
            following = self._beside(row, ">", "ASC")
        if following is None:
            stands = self._ledger.balance(row.account, row.asset)
        else:
            stands = following.balance - following.change
        if stands != row.balance:
            raise _Mismatch(f"a posting is missing after {row.n} of entry {row.index}")
        in_tail = self._tail is not None and row.index >= self._tail[0]
        if in_tail and following is not None and len(self._checked_rows) < _CHECKED_ROWS_MAX:
            self._checked_rows.add((row.index, row.n))

    def _read_receipt(self, index: int) -> WireReceipt:
        """Return an entry's receipt, checked against its leaf."""
        return _decoded(self._ledger.entry(index).receipt, index)

    def _beside(self, row: PostingRow, relation: str, order: str) -> PostingRow | None:
        """Return the posting of the same account and asset right before or after another."""
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM all_posting WHERE account = ? AND asset = ?"
            f" AND (idx, n) {relation} (?, ?) ORDER BY idx {order}, n {order} LIMIT 1",
            (row.account, row.asset, row.index, row.n),
        ).fetchone()
        return _posting(found) if found else None

    def _check_complete(self, account: str, asset: str | None, seen: Set[str] = frozenset()) -> None:
        """Check that every asset with a balance has postings at all; some were `seen` already.

        Each is looked for by itself: a list of all that an account ever had would be as long as its history.
        """
        if asset is not None:
            owned = {asset} if self._ledger.balance(account, asset) else set()
        else:
            owned = set(self._ledger.balances(account))
        for name in sorted(owned - seen):
            if self._beside(PostingRow(-1, -1, account, name, 0, 0, 0), ">", "ASC") is None:
                raise _Mismatch(f"{account} has {name} and no posting of it")

    # Questions.

    def _history(
        self, account: str, asset: str | None, after: tuple[int, int], limit: int, last: int
    ) -> History:
        wanted = "" if asset is None else " AND asset = :asset"
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM all_posting WHERE account = :account{wanted}"
            " AND (idx, n) > (:index, :n) AND idx <= :last ORDER BY idx, n LIMIT :limit",
            {
                "account": account,
                "asset": asset,
                "index": after[0],
                "n": after[1],
                "last": last,
                "limit": limit + 1,
            },
        ).fetchall()
        rows = [_posting(row) for row in found]
        postings = rows[:limit]
        if asset is None:
            for row in postings:
                self._check_posting(row)
        else:
            # The row beyond the page, or that there is none, is what the last one is checked against.
            ended = None if last == self._ledger.size - 1 else ...
            self._check_postings(
                postings,
                before=None if after < (0, 0) else ...,
                following=rows[limit] if len(rows) > limit else ended,
            )
        if after < (0, 0):
            self._check_complete(account, asset, {row.asset for row in postings})
        return History(postings, self._ledger.size - 1)

    def _history_back(
        self, account: str, asset: str | None, after: tuple[int, int], limit: int, entries: tuple[int, int]
    ) -> History:
        first, last = entries
        wanted = "" if asset is None else " AND asset = :asset"
        upto = (last, _BEYOND) if after < (0, 0) else min(after, (last, _BEYOND))
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM all_posting WHERE account = :account{wanted}"
            " AND (idx, n) < (:index, :n) AND idx >= :first ORDER BY idx DESC, n DESC LIMIT :limit",
            {
                "account": account,
                "asset": asset,
                "index": upto[0],
                "n": upto[1],
                "first": first,
                "limit": limit + 1,
            },
        ).fetchall()
        rows = [_posting(row) for row in found]
        postings = rows[:limit]
        if asset is None:
            for row in postings:
                self._check_posting(row)
        else:
            begun = None if first == 0 else ...
            self._check_postings(
                postings[::-1],
                before=rows[limit] if len(rows) > limit else begun,
                following=None if upto == (self._ledger.size - 1, _BEYOND) else ...,
            )
        if after < (0, 0):
            self._check_complete(account, asset, {row.asset for row in postings})
        return History(postings, self._ledger.size - 1)

    def _first_entry_from(self, time: int) -> int:
        """Return the first entry that is not before a time, which may lie beyond the log."""
        if time <= self._ledger.genesis.time:
            return 0
        if time > self._ledger.clock.time:
            return self._ledger.size
        return self._entry_at(time - 1) + 1

    def _balance_as_of(self, account: str, asset: str, entry: int) -> PastBalance:
        found = self._connection.execute(
            f"SELECT {_COLUMNS} FROM all_posting WHERE account = ? AND asset = ? AND idx <= ?"
            " ORDER BY idx DESC, n DESC LIMIT 1",
            (account, asset, entry),
        ).fetchone()
        if found is None:
            self._check_starts_from_zero(account, asset)
            return PastBalance(0, entry)
        row = _posting(found)
        self._check_posting(row)
        return PastBalance(row.balance, entry, row)

    def _check_starts_from_zero(self, account: str, asset: str) -> None:
        """Check that the first posting, which comes later, finds nothing."""
        first = self._beside(PostingRow(-1, -1, account, asset, 0, 0, 0), ">", "ASC")
        if first is not None:
            self._check_posting(first)
        else:
            self._check_complete(account, asset)

    def _entry_at(self, time: int) -> int:
        """Return the last entry at or before a time: times never decrease along the log."""
        genesis, clock = self._ledger.genesis.time, self._ledger.clock.time
        if time < genesis:
            raise BeforeGenesis(asked=time, genesis=genesis)
        if time > clock:
            raise NotYet("time", asked=time, reached=clock)
        low, high = 0, self._ledger.size - 1
        while low < high:
            middle = (low + high + 1) // 2
            if Leaf.decode(self._ledger.entry(middle).leaf).time_us <= time:
                low = middle
            else:
                high = middle - 1
        return low

    def _events(self, source: str, name: str, after: tuple[int, int], limit: int) -> list[EventRow]:
        return self._event_rows(
            "source = ? AND name = ? AND (idx, n) > (?, ?) ORDER BY idx, n LIMIT ?",
            (source, name, *after, limit),
        )

    def _event_rows(self, where: str, parameters: tuple[Any, ...]) -> list[EventRow]:
        """Return events, each checked against its receipt."""
        rows = self._connection.execute(
            f"SELECT idx, n, source, name, fields FROM all_event WHERE {where}", parameters
        ).fetchall()
        events = [_event(row) for row in rows]
        for event in events:
            receipt = _decoded(self._ledger.entry(event.index).receipt, event.index)
            if receipt.events[event.n] != (event.source, event.name, event.fields):
                raise _Mismatch(f"event {event.n} of entry {event.index}")
        return events

    def _holds(self, account: str) -> Holds:
        made = self._event_rows(
            "source = 'ledger' AND name = 'held' AND (json_extract(fields, '$.account') = ?"
            " OR json_extract(fields, '$.beneficiary') = ?) ORDER BY idx, n",
            (account, account),
        )
        holds = [self._hold(event) for event in made]
        still_open = sum(hold.owner == account and hold.ended is None for hold in holds)
        counted = self._ledger.state.get(("quota", account, "holds")) or 0
        if still_open != counted:
            raise _Mismatch(f"{account} has {counted} open holds, of which {still_open} are here")
        return Holds(holds, self._ledger.size - 1)

    def _hold(self, made: EventRow) -> HoldHistory:
        name = made.fields["hold"]
        ends = self._event_rows(
            "source = 'ledger' AND name = 'hold_ended' AND json_extract(fields, '$.hold') = ?", (name,)
        )
        if (self._ledger.hold(name) is None) is not bool(ends):
            raise _Mismatch(f"the end of hold {name}")
        return HoldHistory(
            hold=name,
            owner=made.fields["account"],
            beneficiary=made.fields["beneficiary"],
            made=made.index,
            ended=ends[0].index if ends else None,
            status=ends[0].fields["how"] if ends else "open",
        )


def _create_tables(connection: sqlite3.Connection, schema: str, prefix: str) -> None:
    for statement in _TABLES:
        connection.execute(statement.format(schema=schema, prefix=prefix))


def _decoded(receipt: bytes, index: int) -> WireReceipt:
    try:
        return decode_receipt(receipt)
    except msgspec.MsgspecError as error:
        raise JournalCorrupt(f"the receipt is none: {error}", index=index) from None


def _posting_rows(receipt: WireReceipt) -> list[tuple[Any, ...]]:
    index, time = receipt.index, receipt.time
    return [
        (index, n, account, asset, change, balance, time)
        for n, (account, asset, change, balance) in enumerate(receipt.postings)
    ]


def _event_rows(receipt: WireReceipt) -> list[tuple[Any, ...]]:
    return [
        (receipt.index, n, source, name, msgspec.json.encode(fields).decode())
        for n, (source, name, fields) in enumerate(receipt.events)
    ]


def _posting(row: tuple[Any, ...]) -> PostingRow:
    index, n, account, asset, change, balance, time = row
    return PostingRow(index, n, account, asset, int(change), int(balance), time)


def _event(row: tuple[Any, ...]) -> EventRow:
    index, n, source, name, fields = row
    return EventRow(index, n, source, name, msgspec.json.decode(fields))
