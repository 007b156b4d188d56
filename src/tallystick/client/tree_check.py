"""The Merkle tree of a log, made again from its leaves and compared with what is stored.

Leaves come in order. Every 256 of them make a tile, whose root is one hash of the level above; so each node
is hashed once, and the tree's root at any size is folded from at most 256 hashes a level. Stored tiles,
partial ones included, are compared as soon as their hashes are known.
"""

from collections.abc import Iterable, Sequence

from tallystick.client.sources import Source, TileName
from tallystick.log.tiles import TILE_HEIGHT, TILE_WIDTH
from tallystick.log.tree import EMPTY_ROOT, HASH_BYTES, node_hash


class WrongTile(Exception):
    """A stored tile differs from the tree; `entry` is the first entry whose hash it gets wrong."""

    def __init__(self, entry: int, what: str) -> None:
        super().__init__(what)
        self.entry = entry
        self.what = what


class GrowingTree:
    """The right edge of the tree: at each level, the hashes that do not fill a tile yet."""

    def __init__(self) -> None:
        self.size = 0
        self._edges: list[list[bytes]] = [[]]

    def append(self, leaf: bytes) -> list[tuple[int, int, list[bytes]]]:
        """Add a leaf hash; return (level, index, hashes) of each tile that it completes, usually none."""
        edge = self._edges[0]
        edge.append(leaf)
        self.size += 1
        return self._complete() if len(edge) == TILE_WIDTH else []

    def _complete(self) -> list[tuple[int, int, list[bytes]]]:
        completed = []
        level = 0
        while len(self._edges[level]) == TILE_WIDTH:
            full = self._edges[level]
            index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
            completed.append((level, index, full))
            self._edges[level] = []
            if level + 1 == len(self._edges):
                self._edges.append([])
            self._edges[level + 1].append(_fold(full))
            level += 1
        return completed

    def edges(self) -> Iterable[tuple[int, int, list[bytes]]]:
        """Return (level, index, hashes) of the unfinished tiles that are not empty."""
        return [
            (level, self.size >> (TILE_HEIGHT * (level + 1)), edge)
            for level, edge in enumerate(self._edges)
            if edge
        ]

    def root(self) -> bytes:
        """Return the root of the leaves so far (RFC 6962 §2.1: a complete subtree stands on the left)."""
        carried: list[bytes] = []
        for edge in self._edges:
            hashes = edge + carried
            carried = [_fold(hashes)] if hashes else []
        return carried[0] if carried else EMPTY_ROOT


def _fold(hashes: list[bytes]) -> bytes:
    """Return the root over hashes of equal subtrees, the last of which may be smaller."""
    while len(hashes) > 1:
        paired = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=False)]
        if len(hashes) % 2:
            paired.append(hashes[-1])
        hashes = paired
    return hashes[0]


class StoredTiles:
    """The tiles of a source, each read when the tree has its hashes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._waiting: dict[tuple[int, int], list[TileName]] = {}
        for name in source.tile_names():
            self._waiting.setdefault((name.level, name.index), []).append(name)
        self._any = bool(self._waiting)
        self._widest: dict[tuple[int, int], int] = {}
        self.compared = 0

    def compare(self, level: int, index: int, hashes: Sequence[bytes]) -> None:
        """Compare what is stored of one tile with its hashes. Raises `WrongTile`, `SourceError`."""
        for name in self._waiting.pop((level, index), ()):
            _check_tile(name, self._source.tile(name), hashes)
            self._widest[level, index] = max(name.width, self._widest.get((level, index), 0))
            self.compared += 1

    def check_complete(self, checkpoint_size: int, *, size: int) -> None:
        """Check that no tile goes beyond the tree, and that the newest checkpoint has all of its own.

        A source without any tile passes: they can be made again from the leaves. Raises `WrongTile`.
        """
        for level, index in sorted(self._waiting):
            raise WrongTile(size, f"tile {index} of level {level} covers entries that the log does not have")
        if not self._any:
            return
        level = 0
        while count := checkpoint_size >> (TILE_HEIGHT * level):
            for index in range(-(-count // TILE_WIDTH)):
                width = min(TILE_WIDTH, count - index * TILE_WIDTH)
                if self._widest.get((level, index), 0) < width:
                    first = (index * TILE_WIDTH) << (TILE_HEIGHT * level)
                    raise WrongTile(first, f"tile {index} of level {level} is missing or too narrow")
            level += 1


def _check_tile(name: TileName, stored: bytes, hashes: Sequence[bytes]) -> None:
    """Check a stored tile against the tree's own hashes. Raises `WrongTile`."""
    first = name.index * TILE_WIDTH
    shift = TILE_HEIGHT * name.level
    for offset, value in enumerate(hashes[: name.width]):
        if stored[offset * HASH_BYTES : (offset + 1) * HASH_BYTES] != value:
            raise WrongTile(
                (first + offset) << shift, f"tile {name.index} of level {name.level} has another hash for it"
            )
    if name.width > len(hashes) or len(stored) != name.width * HASH_BYTES:
        raise WrongTile(
            (first + min(name.width, len(hashes))) << shift,
            f"tile {name.index} of level {name.level}, {name.width} wide, has {len(stored)} bytes;"
            f" the log has {len(hashes)} of its hashes",
        )
