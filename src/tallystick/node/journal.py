"""The journal: the ledger's one file, and the only thing about a ledger that has to survive.

Rule: **acknowledged means durable.** A batch is one SQLite transaction; it is in the write-ahead log and
synced to the disk before anybody hears of it. Everything else in the file (snapshots, tiles, projections)
can be made again from `entry`.

    meta        'format' and 'genesis'; 'cosigned', the size of the newest checkpoint that a witness cosigned
    entry       leaf, envelope and receipt of each entry; (id, sender) finds a retry, however late
    tile        full tiles, and the newest partial one of each place
    checkpoint  the signed notes, by size
    snapshot    the state after so many entries, in parts

Refused: a file format of our own. SQLite's recovery is tested better than we could test one, and any
programmer can read the file without us. Refused as well: the state as SQL rows (see the design, §12).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

from tallystick.log.tiles import Tile
from tallystick.log.tree import HASH_BYTES, ProofError
from tallystick.node.entries import Entry
from tallystick.node.faults import JournalCorrupt, NotDurable, ReadOnly

FORMAT: Final = b"1"
BUSY_TIMEOUT_SECONDS: Final = 10.0

_SCHEMA: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB)",
    """CREATE TABLE entry (idx INTEGER PRIMARY KEY, leaf BLOB NOT NULL, envelope BLOB NOT NULL,
    receipt BLOB NOT NULL, sender TEXT, id TEXT)""",
    # The id first: ids grow with time, so new ones go to the index's end, and a time is a range of it.
    "CREATE UNIQUE INDEX entry_id ON entry (id, sender) WHERE id IS NOT NULL",
    "CREATE TABLE tile (level INTEGER, idx INTEGER, width INTEGER, data BLOB, PRIMARY KEY (level, idx))",
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note BLOB)",
    "CREATE TABLE snapshot (size INTEGER, part INTEGER, data BLOB, PRIMARY KEY (size, part))",
)
_ENTRY_COLUMNS: Final = "idx, leaf, envelope, receipt, sender, id"
_ROWS_A_STATEMENT: Final = (256, 64, 16, 4, 1)
_PAGE: Final = 256
"""Entries fetched at a time: few enough that large envelopes stay bounded."""


def insert_rows(connection: sqlite3.Connection, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of equal length, many in one statement; `insert` is what stands before VALUES.

    The interpreter's lock changes hands at each statement. Row by row, threads that have work to do, such as
    the execution of the next batch, would stand still while this one is written.
    """
    start = 0
    for count in _ROWS_A_STATEMENT:
        while len(rows) - start >= count:
            row = f"({', '.join('?' * len(rows[0]))})"
            values = list(chain.from_iterable(rows[start : start + count]))
            connection.execute(f"{insert} VALUES {', '.join([row] * count)}", values)
            start += count


class Journal:
    """One ledger file. Not thread-safe; a process that writes holds the `WriterLock` beside it."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self.is_closed = False
        self.connection = self._connect()

    @classmethod
    def create(cls, path: Path, *, genesis: bytes, first: Entry) -> "Journal":
        """Make the file with its entry 0. Raises `FileExistsError`, `NotDurable`."""
        path.touch(exist_ok=False)
        try:
            journal = cls(path, read_only=False)
            with journal.writing(size=0) as connection:
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.executemany(
                    "INSERT INTO meta VALUES (?, ?)", [("format", FORMAT), ("genesis", genesis)]
                )
                journal.append([first])
        except BaseException:
            path.unlink()
            raise
        return journal

    @classmethod
    def open(cls, path: Path, *, read_only: bool) -> "Journal":
        """Open a ledger file. Raises `FileNotFoundError`, `JournalCorrupt` if it is none of ours."""
        if not path.is_file():
            raise FileNotFoundError(f"there is no ledger file {path}")
        journal = cls(path, read_only=read_only)
        try:
            journal._check_format()
        except BaseException:
            journal.close()
            raise
        return journal

    def _check_format(self) -> None:
        found = self.meta("format")
        if found != FORMAT:
            raise JournalCorrupt(f"{self.path} has journal format {found!r}; this program reads {FORMAT!r}")

    def _connect(self) -> sqlite3.Connection:
        """Return a connection on which transactions are begun by us alone."""
        mode = "ro" if self.read_only else "rw"
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            connection = sqlite3.connect(
                uri,
                uri=True,
                isolation_level=None,
                timeout=BUSY_TIMEOUT_SECONDS,
                check_same_thread=False,  # one thread at a time, but not for ever the same
            )
            connection.execute("PRAGMA synchronous=FULL")
            if not self.read_only:
                connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.DatabaseError as error:
            raise JournalCorrupt(f"{self.path} cannot be opened: {error}") from error
        return connection

    def close(self) -> None:
        """Close the connection. The last one folds the write-ahead log into the file."""
        self.connection.close()
        self.is_closed = True

    # Writing.

    @contextmanager
    def writing(self, *, size: int) -> Iterator[sqlite3.Connection]:
        """One durable transaction; `size` is how many entries are durable already.

        Raises `NotDurable` when the disk refuses any part of it; the file is then as it was, or, if only the
        answer of the commit was lost, holds all of it: `reopen` finds out.
        """
        if self.read_only:
            raise ReadOnly(f"{self.path} is open read-only")
        connection = self.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise NotDurable(str(error), size=size) from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        # SQLite rolls back by itself on most failures. If it cannot even do that, `reopen` will.
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def reopen(self, *, size: int) -> None:
        """Connect anew after a failed write, and make durable whatever the file turns out to hold.

        After a failed sync the system may count pages as written that are not. Everything in the write-ahead
        log is therefore copied into the file, and synced there, before it is believed. Raises `NotDurable`.
        """
        self.connection.close()
        try:
            self.connection = self._connect()
            busy, _, _ = self.connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        except (sqlite3.Error, JournalCorrupt) as error:
            raise NotDurable(f"the journal does not open again: {error}", size=size) from error
        if busy:
            raise NotDurable("a reader keeps the write-ahead log from being folded in", size=size)

    def append(self, entries: Sequence[Entry]) -> None:
        """Add entries, inside `writing`."""
        rows = [
            (entry.index, entry.leaf, entry.envelope, entry.receipt, entry.sender, entry.id)
            for entry in entries
        ]
        insert_rows(self.connection, "INSERT INTO entry", rows)

    def put_tiles(self, tiles: Iterable[Tile]) -> None:
        """Store tiles, each in place of its narrower self, inside `writing`."""
        self.connection.executemany(
            "INSERT OR REPLACE INTO tile VALUES (?, ?, ?, ?)",
            [(tile.level, tile.index, tile.width, tile.data) for tile in tiles],
        )

    def put_checkpoint(self, *, size: int, note: bytes) -> None:
        """Store a signed note, inside `writing`."""
        self.connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?)", (size, note))

    def put_cosigned(self, *, size: int, note: bytes) -> None:
        """Store a note that now carries cosignatures, inside `writing`."""
        self.put_checkpoint(size=size, note=note)
        known = self.cosigned()
        if known is None or known[0] < size:
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES ('cosigned', ?)", (b"%d" % size,))

    def put_snapshot(self, *, size: int, parts: Iterable[bytes], keep: int) -> None:
        """Store a snapshot and drop all but the newest `keep`, inside `writing`."""
        self.connection.execute("DELETE FROM snapshot WHERE size = ?", (size,))
        self.connection.executemany(
            "INSERT INTO snapshot VALUES (?, ?, ?)",
            ((size, number, part) for number, part in enumerate(parts)),
        )
        self.connection.execute(
            "DELETE FROM snapshot WHERE size NOT IN"
            " (SELECT DISTINCT size FROM snapshot ORDER BY size DESC LIMIT ?)",
            (keep,),
        )

    # Reading. Whatever SQLite cannot read is `JournalCorrupt`.

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read from one unmoving version of the file, whoever writes meanwhile."""
        if self.connection.in_transaction:
            yield
            return
        self._rows("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):  # nothing was written; a damaged page must not hide what was found
                self.connection.execute("ROLLBACK")

    def _rows(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self.connection.execute(statement, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise JournalCorrupt(f"{self.path} cannot be read: {error}") from error

    def _blob(self, what: str, statement: str, parameters: tuple[Any, ...]) -> bytes | None:
        """Return the one column of the one row, or None if there is no row."""
        rows = self._rows(statement, parameters)
        if not rows:
            return None
        data = rows[0][0]
        if not isinstance(data, bytes):
            raise JournalCorrupt(f"{what} {parameters} is not stored as bytes")
        return data

    def meta(self, key: str) -> bytes | None:
        """Return a value of `meta`."""
        return self._blob("meta", "SELECT value FROM meta WHERE key = ?", (key,))

    def size(self) -> int:
        """Return how many entries there are."""
        last: int | None = self._rows("SELECT max(idx) FROM entry")[0][0]
        return 0 if last is None else last + 1

    def envelope_bytes(self, *, start: int) -> int:
        """Return the size of all envelopes from entry `start` on: what a replay of them would read."""
        total: int | None = self._rows("SELECT sum(length(envelope)) FROM entry WHERE idx >= ?", (start,))[0][
            0
        ]
        return total or 0

    def entry(self, index: int) -> Entry | None:
        """Return an entry, unchecked."""
        rows = self._rows(f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE idx = ?", (index,))  # noqa: S608
        return Entry(*rows[0]) if rows else None

    def find(self, *, sender: str, identifier: str) -> Entry | None:
        """Return the entry of a transaction, unchecked."""
        rows = self._rows(
            f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE sender = ? AND id = ?",  # noqa: S608 (our own constant)
            (sender, identifier),
        )
        return Entry(*rows[0]) if rows else None

    def find_id(self, identifier: str) -> list[Entry]:
        """Return the entries of every sender that used this id, unchecked."""
        rows = self._rows(
            f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE id = ? ORDER BY idx",  # noqa: S608 (our own constant)
            (identifier,),
        )
        return [Entry(*row) for row in rows]

    def ids_after(self, identifier: str) -> list[tuple[str, str]]:
        """Return (sender, id) of the transactions whose ids sort after this one."""
        return self._rows("SELECT sender, id FROM entry WHERE id > ?", (identifier,))

    def entries(self, *, start: int, end: int) -> Iterator[Entry]:
        """Iterate over the entries from `start` and below `end`, unchecked."""
        while start < end:
            rows = self._rows(
                f"SELECT {_ENTRY_COLUMNS} FROM entry WHERE idx >= ? AND idx < ?"  # noqa: S608 (our constant)
                " ORDER BY idx LIMIT ?",
                (start, end, _PAGE),
            )
            if not rows:
                return
            for row in rows:
                yield Entry(*row)
            start = rows[-1][0] + 1

    def receipts(self, *, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Iterate over (index, receipt) of the entries from `start` and below `end`, unchecked."""
        for at in range(start, end, _PAGE):
            yield from self._rows(
                "SELECT idx, receipt FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx",
                (at, min(at + _PAGE, end)),
            )

    def leaves(self, *, start: int, end: int) -> list[bytes]:
        """Return the leaves of consecutive entries. Raises `JournalCorrupt` if one is missing."""
        rows = self._rows("SELECT idx, leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, end))
        for expected, (index, leaf) in enumerate(rows, start):
            if index != expected or not isinstance(leaf, bytes):
                raise JournalCorrupt("missing, or without a leaf", index=expected)
        if len(rows) != end - start:
            raise JournalCorrupt("missing", index=start + len(rows))
        return [leaf for _, leaf in rows]

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """Return the first `width` hashes of a tile, as `log.tiles` asks for them. Raises `ProofError`."""
        rows = self._rows("SELECT data FROM tile WHERE level = ? AND idx = ?", (level, index))
        if not rows or not isinstance(rows[0][0], bytes):
            raise ProofError(f"tile ({level}, {index}) is missing")
        data: bytes = rows[0][0]
        return data[: width * HASH_BYTES]

    def tiles(self) -> list[Tile]:
        """Return every tile's place and width, without its data, in order."""
        rows = self._rows("SELECT level, idx, width FROM tile ORDER BY level, idx")
        return [Tile(level, index, width, b"") for level, index, width in rows]

    def checkpoint(self, size: int | None = None) -> tuple[int, bytes] | None:
        """Return the size and note of a checkpoint, by default the newest."""
        rows = (
            self._rows("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
            if size is None
            else self._rows("SELECT size, note FROM checkpoint WHERE size = ?", (size,))
        )
        if not rows:
            return None
        found, note = rows[0]
        if not isinstance(note, bytes):
            raise JournalCorrupt(f"checkpoint {found} is not stored as bytes")
        return found, note

    def cosigned(self) -> tuple[int, bytes] | None:
        """Return the size and note of the newest checkpoint that carries cosignatures."""
        size = self.meta("cosigned")
        if size is None:
            return None
        if not size.isdigit():
            raise JournalCorrupt(f"meta 'cosigned' is {size[:20]!r} and no size")
        return self.checkpoint(int(size))

    def checkpoints_back(self, count: int) -> list[tuple[int, bytes]]:
        """Return the newest checkpoints, newest first."""
        return self._rows("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT ?", (count,))

    def checkpoint_sizes(self) -> list[int]:
        """Return the sizes of all checkpoints, ascending."""
        return [size for (size,) in self._rows("SELECT size FROM checkpoint ORDER BY size")]

    def snapshot_sizes(self) -> list[int]:
        """Return the sizes of the stored snapshots, newest first."""
        return [size for (size,) in self._rows("SELECT DISTINCT size FROM snapshot ORDER BY size DESC")]

    def snapshot_parts(self, size: int) -> Iterator[bytes]:
        """Iterate over a snapshot's parts. Raises `JournalCorrupt` on a missing one."""
        count = self._rows("SELECT count(*) FROM snapshot WHERE size = ?", (size,))[0][0]
        for number in range(count):
            part = self._blob(
                "snapshot", "SELECT data FROM snapshot WHERE size = ? AND part = ?", (size, number)
            )
            if part is None:
                raise JournalCorrupt(f"part {number} of the snapshot of {size} entries is missing")
            yield part
