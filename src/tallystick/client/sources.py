"""Sources: a log read out of a ledger file or an export, believing nothing about either.

    ledger file    SQLite: meta(key, value), entry(idx, leaf, envelope, receipt, sender, id),
                   checkpoint(size, note), tile(level, idx, width, data)
    export         a folder or .tar: checkpoint, genesis.json, tile/… (C2SP tlog-tiles), and beside them
                   payload/<N>[.p/<W>]: for each entry of a bundle u32 length, envelope, u32 length, receipt

Both give the same four things: entries in order, checkpoints, tiles, genesis. The rule that must hold: a
source only says what is written there. It checks form (lengths, types, gaps) so that nothing crashes on
rubbish, and names the place of what it cannot read; whether anything is *true* is the verifier's question.
Neither is ever written to, and no link is followed out of an export.

Refused: unpacking an archive to the disk, where a name like `../x` would become a file.
"""

import os
import re
import sqlite3
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Final, Protocol

import msgspec

from tallystick.client.errors import ClientError
from tallystick.log.checkpoint import Checkpoint, parse_checkpoint
from tallystick.log.leaf import LEAF_BYTES, EntryKind, Leaf
from tallystick.log.note import NOTE_BYTES_MAX, NoteError, parse_note
from tallystick.log.tiles import TILE_WIDTH, decode_bundle, entries_path, parse_tile_path, tile_path
from tallystick.log.tree import HASH_BYTES

GENESIS_BYTES_MAX: Final = 1_048_576
PAYLOAD_BYTES_MAX: Final = 1 << 31
JOURNAL_FORMAT: Final = b"1"
_U32: Final = struct.Struct(">I")


class SourceError(ClientError):
    """Nothing can be read from here, or not this: `index` is the first entry concerned, where one is."""

    def __init__(self, message: str, *, index: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.index = index


class SourceDamaged(SourceError):
    """It is a ledger file, and SQLite cannot read it: a fact about the file, not about what was asked for."""


class RawEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry as stored. `sender` and `id` are the columns of a ledger file; an export has none."""

    index: int
    leaf: bytes
    envelope: bytes
    receipt: bytes
    sender: str | None = None
    id: str | None = None


class TileName(msgspec.Struct, frozen=True, order=True, gc=False):
    """Where a stored tile belongs."""

    level: int
    index: int
    width: int


class Source(Protocol):
    """A log somewhere. `indexed` says whether entries carry the sender and id columns."""

    name: str
    indexed: bool

    def genesis(self) -> bytes:
        """Return the genesis document as stored beside the entries."""
        ...

    def size(self) -> int:
        """Return how many entries there seem to be: for progress, and for planning, never for proof."""
        ...

    def entries(self) -> Iterator[RawEntry]:
        """Yield the entries from 0 on. Raises `SourceError` at the first gap or malformed one."""
        ...

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """Return the signed notes with the size that each is stored under, smallest first."""
        ...

    def tile_names(self) -> list[TileName]:
        """Return which tiles are stored."""
        ...

    def tile(self, name: TileName, /) -> bytes:
        """Return a stored tile's bytes, whatever they are."""
        ...

    def check_unchanged(self) -> None:
        """Raise `SourceError` if somebody wrote to the source since it was opened."""
        ...

    def close(self) -> None: ...


def open_source(path: Path) -> "LedgerFile | Export":
    """Open a ledger file, an export folder or an export's .tar, by what is there. Raises `SourceError`."""
    try:
        if path.is_dir():
            return _export(_Folder(path))
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    if head.startswith(b"SQLite format 3\0"):
        return LedgerFile(path)
    if head[257:262] == b"ustar" or path.name.endswith((".tar.gz", ".tgz")):
        return _export(_Archive(path))
    raise SourceError(
        f"{path} is neither a ledger file nor an export",
        hint="name a .tally file, a folder with a `checkpoint` in it, or such a folder as .tar",
    )


def _export(files: "_Files") -> "Export":
    try:
        return Export(files)
    except SourceError:
        files.close()
        raise


class _Closing:
    """`with` for sources."""

    def close(self) -> None: ...

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# ----------------------------------------------------------------------------------------- ledger files


class LedgerFile(_Closing):
    """A ledger's SQLite file, read in one transaction, so that a running node may go on writing.

    Without a write-ahead log beside it nobody is writing: it is then opened as immutable, which neither
    needs a writable folder nor leaves files behind.
    """

    indexed = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._immutable = not _beside(path, "-wal").exists()
        self._stamp = _stamp(path)
        mode = "immutable=1" if self._immutable else "mode=ro"
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None
            )
        except sqlite3.Error as error:
            raise SourceDamaged(f"{path} cannot be opened: {error}") from error
        try:
            self._connection.execute("BEGIN")
            self._check_tables()
        except (sqlite3.Error, SourceError) as error:
            self._connection.close()
            if isinstance(error, SourceError):
                raise
            raise SourceDamaged(f"{path} cannot be read as a ledger file: {error}") from error

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def check_unchanged(self) -> None:
        """Raise `SourceError` if a file that nobody was writing to has been written to since."""
        if self._immutable and (_beside(self._path, "-wal").exists() or _stamp(self._path) != self._stamp):
            raise SourceError(f"{self.name} was written to while it was read", hint="run it again")

    def genesis(self) -> bytes:
        """Return what `meta` has as genesis."""
        return self._meta("genesis")

    def size(self) -> int:
        """Return one more than the greatest index."""
        greatest = self._one("SELECT max(idx) FROM entry", ())
        return greatest + 1 if isinstance(greatest, int) else 0

    def entries(self) -> Iterator[RawEntry]:
        """Yield the rows of `entry` in order."""
        expected = 0
        while rows := self._page(expected or -(1 << 63)):
            for row in rows:
                index, leaf, envelope, receipt, sender, identifier = row
                if index != expected:
                    raise self._wrong(expected, f"is missing; entry {index} follows")
                if not (type(leaf) is type(envelope) is type(receipt) is bytes and len(leaf) == LEAF_BYTES):
                    raise self._wrong(index, _malformed(row))
                if not (type(sender) in _TEXT and type(identifier) in _TEXT):
                    raise self._wrong(index, "has a sender or id that is not stored as text")
                yield RawEntry(index, leaf, envelope, receipt, sender, identifier)
                expected += 1

    def _page(self, start: int) -> list[tuple[Any, ...]]:
        """Return some rows from `start` on; where SQLite cannot read all of them, those before the fault."""
        try:
            return self._connection.execute(f"{_SELECT} LIMIT {_PAGE}", (start,)).fetchall()
        except sqlite3.Error:
            pass
        rows: list[tuple[Any, ...]] = []
        try:
            rows.extend(self._connection.execute(_SELECT, (start,)))
        except sqlite3.Error as error:
            if not rows:
                raise self._wrong(start, f"cannot be read: {error}") from error
        return rows

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """Return the rows of `checkpoint`."""
        found = []
        for size, note in self._all("SELECT size, note FROM checkpoint ORDER BY size"):
            if type(size) is not int or type(note) is not bytes:
                raise SourceError(f"{self.name}: checkpoint {size!r} is malformed", index=_last_of(size))
            found.append((size, note))
        return found

    def tile_names(self) -> list[TileName]:
        """Return the keys of `tile`."""
        found = []
        for row in self._all("SELECT level, idx, width FROM tile ORDER BY level, idx, width"):
            level, index, width = row
            if not all(type(number) is int and number >= 0 for number in row) or not 1 <= width <= TILE_WIDTH:
                raise SourceError(f"{self.name}: tile {row!r} is malformed")
            found.append(TileName(level, index, width))
        return found

    def tile(self, name: TileName) -> bytes:
        """Return a tile's data."""
        data = self._one(_SELECT_TILE, (name.level, name.index, name.width))
        if type(data) is not bytes:
            raise SourceError(f"{self.name}: tile {name.level}, {name.index} has no data")
        return data

    # Beside the log: what only a node that starts from this file reads.

    def check_database(self) -> None:
        """Check SQLite's own structure, its indexes included. Raises `SourceError`."""
        [found, *_] = self._all("SELECT integrity_check FROM pragma_integrity_check")
        if found != ("ok",):
            raise SourceError(f"{self.name}: the database is damaged: {found[0]}"[:300])

    def snapshots(self) -> Iterator[tuple[int, bytes | None, Iterator[bytes]]]:
        """Yield (size, state root of the entry before it, parts) of each stored snapshot, newest first."""
        if not self._all("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'snapshot'"):
            return
        for (size,) in self._all("SELECT DISTINCT size FROM snapshot ORDER BY size DESC"):
            yield size, self._root_before(size), self._snapshot_parts(size)

    def _root_before(self, size: int) -> bytes | None:
        raw = self._one("SELECT leaf FROM entry WHERE idx = ?", (size - 1,))
        leaf = None if raw is None else Leaf.decode(raw)
        return leaf.receipt_hash if leaf is not None and leaf.kind is EntryKind.ROOT else None

    def _snapshot_parts(self, size: int) -> Iterator[bytes]:
        for (part,) in self._all("SELECT part FROM snapshot WHERE size = ? ORDER BY part", (size,)):
            data = self._one("SELECT data FROM snapshot WHERE size = ? AND part = ?", (size, part))
            if type(data) is not bytes:
                raise SourceError(f"{self.name}: part {part} of the snapshot of {size} entries is no bytes")
            yield data

    def _check_tables(self) -> None:
        tables = {name for (name,) in self._all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        missing = {"meta", "entry", "checkpoint", "tile"} - tables
        if missing:
            raise SourceError(f"{self.name} is no ledger file: it has no table {', '.join(sorted(missing))}")
        found = self._meta("format")
        if found != JOURNAL_FORMAT:
            raise SourceError(
                f"{self.name} has the format {found[:20]!r}; this program reads {JOURNAL_FORMAT!r}"
            )

    def _meta(self, key: str) -> bytes:
        value = self._one("SELECT value FROM meta WHERE key = ?", (key,))
        if type(value) is not bytes or len(value) > GENESIS_BYTES_MAX:
            raise SourceError(f"{self.name}: meta has no {key!r} stored as bytes", index=0)
        return value

    def _one(self, query: str, arguments: tuple[Any, ...]) -> Any:
        rows = self._all(query, arguments)
        return rows[0][0] if rows else None

    def _all(self, query: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, arguments).fetchall()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:  # SQLite quotes damage as it is
            table = re.findall(r"FROM (\w+)", query)[0]
            raise SourceDamaged(f"{self.name}: table {table} cannot be read: {error}") from error

    def _wrong(self, index: int, what: str) -> SourceError:
        return SourceError(f"{self.name}: entry {index} {what}", index=index)


_SELECT: Final = "SELECT idx, leaf, envelope, receipt, sender, id FROM entry WHERE idx >= ? ORDER BY idx"
_SELECT_TILE: Final = "SELECT data FROM tile WHERE level = ? AND idx = ? AND width = ?"
_PAGE: Final = 256


_TEXT: Final = (str, NoneType)


def _malformed(row: tuple[Any, ...]) -> str:
    """Return what is wrong with a row whose columns do not have their types."""
    for column, name in zip(row[1:4], ("leaf", "envelope", "receipt"), strict=True):
        if type(column) is not bytes:
            return f"has a {name} that is not stored as bytes"
    return f"has a leaf of {len(row[1])} bytes, not {LEAF_BYTES}"


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    return found.st_ino, found.st_size, found.st_mtime_ns


def _last_of(size: object) -> int | None:
    """Return the last entry that a checkpoint of this size covers."""
    return max(size - 1, 0) if type(size) is int else None


# ---------------------------------------------------------------------------------------------- exports


class _Files(Protocol):
    """Where an export's files lie."""

    name: str

    def read(self, path: str, /, *, limit: int) -> bytes:
        """Return a file's bytes. Raises `FileNotFoundError`, or `SourceError` if it is none or too large."""
        ...

    def paths(self, prefix: str, /) -> Iterator[str]:
        """Yield the paths of the plain files below a folder, with forward slashes."""
        ...

    def close(self) -> None: ...


class Export(_Closing):
    """An export: the log up to its newest checkpoint as static files."""

    indexed = False

    def __init__(self, files: _Files) -> None:
        self.name = files.name
        self._files = files
        self._note = self._read("checkpoint", limit=NOTE_BYTES_MAX)
        self._size = self._parse_checkpoint().tree_size

    def close(self) -> None:
        """Release the archive, if it is one."""
        self._files.close()

    def check_unchanged(self) -> None:
        """Pass: each file is read once, so a change is either seen or comes too late to matter."""

    def genesis(self) -> bytes:
        """Return genesis.json."""
        return self._read("genesis.json", limit=GENESIS_BYTES_MAX, index=0)

    def size(self) -> int:
        """Return the size that the checkpoint names."""
        return self._size

    def entries(self) -> Iterator[RawEntry]:
        """Yield the entries of all bundles with their payloads."""
        for bundle in range(-(-self._size // TILE_WIDTH)):
            first = bundle * TILE_WIDTH
            width = min(TILE_WIDTH, self._size - first)
            leaves = self._leaves(bundle, width=width)
            payloads = self._payloads(bundle, width=width)
            for offset, leaf in enumerate(leaves):
                envelope, receipt = next(payloads)
                yield RawEntry(first + offset, leaf, envelope, receipt)
            next(payloads, None)  # so that trailing bytes are noticed

    def checkpoints(self) -> list[tuple[int, bytes]]:
        """Return the one checkpoint."""
        return [(self._size, self._note)]

    def tile_names(self) -> list[TileName]:
        """Return the hash tiles there are; a file under `tile` with another kind of name is an error."""
        found = []
        for path in self._files.paths("tile"):
            try:
                parsed = parse_tile_path(path)
            except ValueError as error:
                raise SourceError(f"{self.name}: {error}") from None
            if parsed.level is not None:
                found.append(TileName(parsed.level, parsed.index, parsed.width))
        return sorted(found)

    def tile(self, name: TileName) -> bytes:
        """Return a tile's bytes."""
        path = tile_path(level=name.level, index=name.index, width=name.width)
        return self._read(path, limit=TILE_WIDTH * HASH_BYTES)

    def _parse_checkpoint(self) -> Checkpoint:
        try:
            return parse_checkpoint(parse_note(self._note).text)
        except NoteError as error:
            raise SourceError(f"{self.name}/checkpoint: {error}") from None

    def _leaves(self, bundle: int, *, width: int) -> list[bytes]:
        path = entries_path(index=bundle, width=width)
        first = bundle * TILE_WIDTH
        data = self._read(path, limit=TILE_WIDTH * (2 + 0xFFFF), index=first)
        expected = width * (2 + LEAF_BYTES)
        leaves: list[bytes] = []
        try:
            leaves = decode_bundle(data, width=width)
        except ValueError as error:
            raise SourceError(
                f"{self.name}/{path}: {error}", index=first + _first_odd(data, expected)
            ) from None
        for offset, leaf in enumerate(leaves):
            if len(leaf) != LEAF_BYTES:
                raise SourceError(
                    f"{self.name}/{path}: entry {first + offset} has a leaf of {len(leaf)} bytes,"
                    f" not {LEAF_BYTES}",
                    index=first + offset,
                )
        return leaves

    def _payloads(self, bundle: int, *, width: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield envelope and receipt of each entry of a bundle; reads on only as far as it is asked."""
        path = entries_path(index=bundle, width=width).replace("tile/entries", "payload")
        first = bundle * TILE_WIDTH
        data = self._read(path, limit=PAYLOAD_BYTES_MAX, index=first)
        position = 0
        for offset in range(width):
            parts = []
            for part in ("envelope", "receipt"):
                length_end = position + 4
                end = length_end + _U32.unpack_from(data, position)[0] if length_end <= len(data) else -1
                if not 0 <= end <= len(data):
                    raise SourceError(
                        f"{self.name}/{path}: ends inside the {part} of entry {first + offset}",
                        index=first + offset,
                    )
                parts.append(data[length_end:end])
                position = end
            yield parts[0], parts[1]
        if position != len(data):
            raise SourceError(
                f"{self.name}/{path}: {len(data) - position} bytes follow the last entry",
                index=first + width - 1,
            )

    def _read(self, path: str, *, limit: int, index: int | None = None) -> bytes:
        try:
            return self._files.read(path, limit=limit)
        except FileNotFoundError:
            raise SourceError(f"{self.name} has no file {path}", index=index) from None
        except SourceError as error:
            raise SourceError(str(error), index=index) from None
        except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
            raise SourceError(f"{self.name}/{path} cannot be read: {error}", index=index) from error


def _first_odd(data: bytes, expected_bytes: int) -> int:
    """Return which of a bundle's entries is the first whose length is not that of a leaf."""
    step = 2 + LEAF_BYTES
    prefix = LEAF_BYTES.to_bytes(2, "big")
    complete = min(len(data), expected_bytes) // step
    for offset in range(complete):
        if data[offset * step : offset * step + 2] != prefix:
            return offset
    return min(complete, expected_bytes // step - 1)


class _Folder:
    """An export as a folder. Files are opened without following links, at any depth."""

    def __init__(self, root: Path) -> None:
        self.name = str(root)
        self._root = root

    def read(self, path: str, *, limit: int) -> bytes:
        place = self._root
        for part in path.split("/"):
            place /= part
            if place.is_symlink():
                raise SourceError(f"{place} is a link, which an export does not have")
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise SourceError(f"{place} is not a plain file")
            if found.st_size > limit:
                raise SourceError(f"{place} has {found.st_size} bytes; at most {limit} belong there")
            return file.read(limit + 1)

    def paths(self, prefix: str) -> Iterator[str]:
        for folder, folders, names in os.walk(self._root / prefix):
            folders.sort()
            for name in [*sorted(names), *folders]:
                place = Path(folder) / name
                if place.is_symlink():
                    raise SourceError(f"{place} is a link, which an export does not have")
                if name in names:
                    yield place.relative_to(self._root).as_posix()

    def close(self) -> None:
        """Nothing is kept open."""


_ARCHIVE_ERRORS: Final = (tarfile.TarError, OSError, EOFError, zlib.error)


class _Archive:
    """An export as .tar, read in place. Members are found by their exact names; nothing is unpacked."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._tar = tarfile.open(path)  # noqa: SIM115 (closed by `close`)
        except _ARCHIVE_ERRORS as error:
            raise SourceError(f"{path} cannot be read as an archive: {error}") from error
        try:
            self._members = self._plain_files()
        except (*_ARCHIVE_ERRORS, SourceError) as error:
            self._tar.close()
            raise SourceError(f"{path} cannot be read as an archive: {error}") from error

    def _plain_files(self) -> dict[str, tarfile.TarInfo]:
        """Return the plain files by name, without a common first folder if all lie in one."""
        found: dict[str, tarfile.TarInfo] = {}
        for member in self._tar:
            name = member.name.removeprefix("./")
            if member.isdir():
                continue
            if not member.isreg():
                raise SourceError(f"{self.name}: {name} is not a plain file")
            if name in found:
                raise SourceError(f"{self.name}: {name} is there twice")
            found[name] = member
        if "checkpoint" in found:
            return found
        tops = {name.partition("/")[0] for name in found}
        if len(tops) != 1:
            return found
        return {name.partition("/")[2]: member for name, member in found.items()}

    def read(self, path: str, *, limit: int) -> bytes:
        member = self._members.get(path)
        if member is None:
            raise FileNotFoundError(path)
        if member.size > limit:
            raise SourceError(f"{self.name}/{path} has {member.size} bytes; at most {limit} belong there")
        file = self._tar.extractfile(member)
        data = b"" if file is None else file.read()
        if len(data) != member.size:
            raise SourceError(f"{self.name}/{path} is cut off after {len(data)} of {member.size} bytes")
        return data

    def paths(self, prefix: str) -> Iterator[str]:
        return iter(sorted(name for name in self._members if name.startswith(prefix + "/")))

    def close(self) -> None:
        self._tar.close()
