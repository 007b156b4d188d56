"""The check of a file: every byte of it against every other, without executing anything.

It answers *is this file whole*: entries against leaves, leaves against tiles, tiles against the signed
checkpoints, snapshots against the roots in the log. It reads everything once, at the speed of hashing. It
does not answer *did the ledger do right*: that takes replay and the transactions' signatures, and `verify`
does both. A backup is checked so before it is believed.
"""

from collections.abc import Iterable
from typing import Final

from tallystick.ledger.apply import Kinds
from tallystick.ledger.genesis import decode_genesis
from tallystick.ledger.rejections import Rejection
from tallystick.log.leaf import EntryKind
from tallystick.log.note import NoteError, VerifierKey, parse_vkey
from tallystick.log.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, TileWriter
from tallystick.log.tree import HASH_BYTES, Frontier, ProofError, leaf_hash
from tallystick.node.entries import check_entry
from tallystick.node.faults import JournalCorrupt
from tallystick.node.journal import Journal
from tallystick.node.log_tree import check_note
from tallystick.node.recovery import checked_genesis
from tallystick.node.snapshot import Progress, SnapshotCorrupt, load_snapshot
from tallystick.protocol import KINDS

_PROGRESS_EVERY: Final = 10_000


def check_journal(journal: Journal, *, kinds: Kinds, progress: Progress | None = None) -> int:
    """Return how many entries a whole file has. Raises `JournalCorrupt` with the first that is wrong."""
    with journal.reading():
        log_key = _log_key(checked_genesis(journal))
        size = journal.size()
        return _Check(journal, log_key, size).run(kinds, progress)


class _Check:
    """One pass over a file."""

    def __init__(self, journal: Journal, log_key: VerifierKey, size: int) -> None:
        self.journal = journal
        self.log_key = log_key
        self.size = size
        self.tree = Frontier()
        self.tiles = TileWriter()
        self.roots: dict[int, bytes] = {}
        """State roots by the index of their entry."""
        self.partial: dict[tuple[int, int], Tile] = {}
        """The tiles that are not full yet, by level and index."""
        self.full: set[tuple[int, int]] = set()
        self.leaves = b""
        """The level-0 tile over the entry at hand, as stored."""

    def run(self, kinds: Kinds, progress: Progress | None) -> int:
        sizes = set(self.journal.checkpoint_sizes())
        if sizes and max(sizes) > self.size:
            raise JournalCorrupt(f"missing; a checkpoint covers {max(sizes)} entries", index=self.size)
        tiled = max(sizes, default=0)
        hashes: list[bytes] = []
        for index, entry in enumerate(self.journal.entries(start=0, end=self.size)):
            leaf = check_entry(entry, index=index)
            if leaf.kind is EntryKind.ROOT:
                self.roots[index] = leaf.receipt_hash
            if index < tiled:
                hashes.append(leaf_hash(entry.leaf))
                self._check_leaf(index, hashes[-1])
                self.tree.append(hashes[-1])
                if index + 1 in sizes:
                    self._check_checkpoint(index + 1)
                if len(hashes) == TILE_WIDTH or index + 1 == tiled:
                    self._take_tiles(self.tiles.append(hashes))
                    hashes = []
            if progress is not None and ((index + 1) % _PROGRESS_EVERY == 0 or index + 1 == self.size):
                progress(index + 1, self.size)
        self._check_remaining_tiles()
        self._check_snapshots(kinds)
        return self.size

    def _check_leaf(self, index: int, expected: bytes) -> None:
        """Compare a leaf with its tile before any root is, so that the entry itself is named."""
        tile, at = divmod(index, TILE_WIDTH)
        if at == 0:
            self.leaves = self._read_tile(0, tile, first=index)
        if self.leaves[at * HASH_BYTES : (at + 1) * HASH_BYTES] != expected:
            raise JournalCorrupt(f"the leaf is not the one in tile (0, {tile})", index=index)

    def _check_checkpoint(self, size: int) -> None:
        found = self.journal.checkpoint(size)
        if found is None:
            raise JournalCorrupt(f"checkpoint {size} is missing")
        if check_note(found[1], tree_size=size, log_key=self.log_key).root != self.tree.root():
            raise JournalCorrupt(f"checkpoint {size} signs another root than its entries have")
        if size - 1 not in self.roots:
            raise JournalCorrupt(f"checkpoint {size} does not follow a root", index=size - 1)

    def _take_tiles(self, tiles: list[Tile]) -> None:
        """Check tiles that became full; remember partial ones, which wider ones may still replace."""
        for tile in tiles:
            place = tile.level, tile.index
            if tile.width < TILE_WIDTH:
                self.partial[place] = tile
                continue
            self.partial.pop(place, None)
            self.full.add(place)
            self._check_tile(tile)

    def _check_remaining_tiles(self) -> None:
        for tile in self.partial.values():
            self._check_tile(tile)
        for stored in self.journal.tiles():
            place = stored.level, stored.index
            partial = self.partial.get(place)
            if stored.width != (partial.width if partial else TILE_WIDTH * (place in self.full)):
                raise JournalCorrupt(f"tile {place} of width {stored.width} is not one of this log")

    def _check_tile(self, tile: Tile) -> None:
        first = tile.index * TILE_WIDTH << (TILE_HEIGHT * tile.level)
        stored = self._read_tile(tile.level, tile.index, first=first)
        if stored != tile.data:
            index = first + (_first_difference(stored, tile.data) << (TILE_HEIGHT * tile.level))
            raise JournalCorrupt(f"tile ({tile.level}, {tile.index}) is not over its entries", index=index)

    def _read_tile(self, level: int, index: int, *, first: int) -> bytes:
        try:
            return self.journal.read_tile(level, index, TILE_WIDTH)
        except ProofError as error:
            raise JournalCorrupt(str(error), index=first) from error

    def _check_snapshots(self, kinds: Kinds) -> None:
        for size in self.journal.snapshot_sizes():
            check_snapshot(
                self.journal.snapshot_parts(size), size=size, root=self.roots.get(size - 1), kinds=kinds
            )


def check_snapshot(parts: Iterable[bytes], *, size: int, root: bytes | None, kinds: Kinds = KINDS) -> None:
    """Check a stored snapshot against the state root of the entry before it. Raises `JournalCorrupt`."""
    if root is None:
        raise JournalCorrupt(f"the snapshot of {size} entries does not follow a root")
    try:
        load_snapshot(parts, size=size, root=root, contracts=kinds.contracts)
    except SnapshotCorrupt as error:
        raise JournalCorrupt(f"the snapshot of {size} entries: {error}") from error


def _first_difference(stored: bytes, expected: bytes) -> int:
    """Return the number of the first 32-byte hash in which two tiles differ."""
    for at in range(0, len(expected), 32):
        if stored[at : at + 32] != expected[at : at + 32]:
            return at // 32
    return len(expected) // 32 - 1


def _log_key(genesis: bytes) -> VerifierKey:
    try:
        return parse_vkey(decode_genesis(genesis).log_key)
    except (Rejection, NoteError) as error:
        raise JournalCorrupt(f"genesis is refused: {error}", index=0) from None
