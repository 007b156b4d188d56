"""Tiles: the tree as static files that anybody can cache (C2SP tlog-tiles).

A tile is 256 neighbouring hashes of every eighth level; an entry bundle is the 256 entries below one level-0
tile. A full tile never changes, so a log is a folder, a proof is a handful of reads, and serving it needs no
code. The rule that must hold: a partial tile is a prefix of the full one, and is never hashed upwards.

Refused: storing every node (twice the bytes; the seven levels inside a tile are hashed again in
microseconds), and a proof API as the only access (the server would learn who asks about what). This module
touches no disk: the writer returns tiles, and the reader is given a callable.
"""

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tallystick.log.tree import HASH_BYTES, HashReader, ProofError, node_hash

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
TILE_LEVEL_MAX: Final = 63
ENTRY_BYTES_MAX: Final = 0xFFFF

TileReader: TypeAlias = Callable[[int, int, int], bytes]
"""`(level, index, width)` to that tile's bytes; may fall back to the full tile where a partial is gone."""

_LENGTH: Final = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Tile:
    """`width` hashes at `level`, the `index`-th group of 256 of them; partial when fewer than 256."""

    level: int
    index: int
    width: int
    data: bytes


# ------------------------------------------------------------------------------------------------- paths


def tile_path(*, level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return `tile/<L>/<N>[.p/<W>]`."""
    if not 0 <= level <= TILE_LEVEL_MAX:
        raise ValueError(f"tile level {level} is not in 0..{TILE_LEVEL_MAX}")
    return f"tile/{level}/{_index_path(index, width)}"


def entries_path(*, index: int, width: int = TILE_WIDTH) -> str:
    """Return `tile/entries/<N>[.p/<W>]`."""
    return f"tile/entries/{_index_path(index, width)}"


@dataclass(frozen=True, slots=True)
class TilePath:
    """What a path asks for; `level` is `None` for an entry bundle."""

    level: int | None
    index: int
    width: int


_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)"
    r"/(?P<high>(?:x[0-9]{3}/){0,6})(?P<low>[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


def parse_tile_path(path: str) -> TilePath:
    """Return what a path names. Rejects with `ValueError` every spelling but the one written above."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError(f"not a tile path: {path[:200]!r}")
    level = None if match["level"] == "entries" else int(match["level"])
    index = int(match["high"].replace("x", "").replace("/", "") + match["low"])
    width = int(match["width"] or TILE_WIDTH)
    if level is None:
        canonical = entries_path(index=index, width=width)
    else:
        canonical = tile_path(level=level, index=index, width=width)
    if canonical != path:
        raise ValueError(f"not the canonical tile path: {path[:200]!r}")
    return TilePath(level, index, width)


def _index_path(index: int, width: int) -> str:
    if index < 0 or not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"no tile has index {index} and width {width}")
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups) + (f".p/{width}" if width < TILE_WIDTH else "")


# --------------------------------------------------------------------------------------------- bundles


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length as a big-endian u16."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise ValueError(f"a bundle has 1..{TILE_WIDTH} entries, not {len(entries)}")
    longest = max(map(len, entries))
    if longest > ENTRY_BYTES_MAX:
        raise ValueError(f"an entry has at most {ENTRY_BYTES_MAX} bytes, not {longest}")
    return b"".join([_LENGTH.pack(len(entry)) + entry for entry in entries])


def decode_bundle(data: bytes, *, width: int) -> list[bytes]:
    """Return the `width` entries of a bundle. Rejects truncation and trailing bytes with `ValueError`."""
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        if position + 2 > len(data):
            raise ValueError("entry bundle ends inside a length")
        (length,) = _LENGTH.unpack_from(data, position)
        position += 2 + length
        if position > len(data):
            raise ValueError(f"entry bundle ends inside entry {len(entries)}")
        entries.append(data[position - length : position])
    if len(entries) != width:
        raise ValueError(f"entry bundle holds {len(entries)} entries, not {width}")
    return entries


# --------------------------------------------------------------------------------------------- writing


class TileWriter:
    """The right edge of the tiles: give it leaf hashes, store what it returns.

    It keeps one unfinished tile a level. Writing the same tile twice is harmless: same name, same bytes.
    """

    __slots__ = ("_edge", "tree_size")

    def __init__(self) -> None:
        self.tree_size = 0
        self._edge: list[bytearray] = []

    @classmethod
    def resume(cls, read_tile: TileReader, *, tree_size: int) -> "TileWriter":
        """Return the writer of a log of this size, from its stored partial tiles."""
        writer = cls()
        writer.tree_size = tree_size
        count = tree_size
        level = 0
        while count:
            index, width = divmod(count, TILE_WIDTH)
            data = _checked_tile(read_tile, level=level, index=index, width=width) if width else b""
            writer._edge.append(bytearray(data))
            count = index
            level += 1
        return writer

    def append(self, leaves: Iterable[bytes]) -> list[Tile]:
        """Take in leaf hashes; return each tile that became full, then each partial one that changed."""
        hashes = list(leaves)
        index = self.tree_size // TILE_WIDTH
        self.tree_size += len(hashes)
        full: list[Tile] = []
        partial: list[Tile] = []
        level = 0
        while hashes:
            if level == len(self._edge):
                self._edge.append(bytearray())
            filled = self._fill(level, index, hashes)
            full += filled
            edge = self._edge[level]
            if edge:
                partial.append(Tile(level, index + len(filled), len(edge) // HASH_BYTES, bytes(edge)))
            hashes = [_fold(tile.data) for tile in filled]  # only full tiles are hashed upwards
            index //= TILE_WIDTH
            level += 1
        return full + partial

    def _fill(self, level: int, index: int, hashes: Iterable[bytes]) -> list[Tile]:
        """Add hashes to one level's edge and return the tiles they complete, `index` being the first."""
        edge = self._edge[level]
        filled: list[Tile] = []
        for value in hashes:
            edge += value
            if len(edge) == TILE_WIDTH * HASH_BYTES:
                filled.append(Tile(level, index + len(filled), TILE_WIDTH, bytes(edge)))
                edge.clear()
        return filled


# --------------------------------------------------------------------------------------------- reading


def tile_hash_reader(read_tile: TileReader, *, tree_size: int) -> HashReader:
    """Return the hashes of complete subtrees, out of the tiles of a log of `tree_size` entries.

    Nothing is trusted: a wrong tile gives a proof that does not verify. Reads no tile that this size does
    not require, and does not cache: wrap `read_tile` in `functools.lru_cache` to prove many entries.
    """

    def read_hash(level: int, index: int) -> bytes:
        if (index + 1) << level > tree_size:
            raise ValueError(f"subtree ({level}, {index}) is not complete at size {tree_size}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile_index, offset = divmod(first, TILE_WIDTH)
        width = min(TILE_WIDTH, (tree_size >> (TILE_HEIGHT * tile_level)) - tile_index * TILE_WIDTH)
        data = _checked_tile(read_tile, level=tile_level, index=tile_index, width=width)
        return _fold(data[offset * HASH_BYTES : (offset + (1 << height)) * HASH_BYTES])

    return read_hash


def _checked_tile(read_tile: TileReader, *, level: int, index: int, width: int) -> bytes:
    """Return exactly `width` hashes; a full tile may stand in for a partial one, which is its prefix."""
    data = read_tile(level, index, width)
    if len(data) not in {width * HASH_BYTES, TILE_WIDTH * HASH_BYTES}:
        raise ProofError(f"tile ({level}, {index}) has {len(data)} bytes, not {width} hashes")
    return data[: width * HASH_BYTES]


def _fold(data: bytes) -> bytes:
    """Return the root over a power of two of concatenated hashes."""
    hashes = [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
