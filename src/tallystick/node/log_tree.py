"""The log's tree over the journal's entries: tiles and checkpoints, made when one is asked for.

Between two checkpoints the hashes of new leaves only queue up here. A checkpoint folds them into the tiles
and signs the root. The rule that must hold: tiles and note are written in the transaction of the root entry
that they end in, so that the file never has a checkpoint without its tiles.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from tallystick.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from tallystick.log.note import NoteError, SigningKey, VerifierKey
from tallystick.log.tiles import Tile, TileWriter, tile_hash_reader
from tallystick.log.tree import Frontier, HashReader, ProofError, leaf_hash
from tallystick.node.faults import JournalCorrupt
from tallystick.node.journal import Journal

_LEAVES: Final = 4096
_TILES_CACHED: Final = 1024


class LogTree:
    """The right edge of the tree. After a failed write it is thrown away and resumed from the journal."""

    def __init__(self) -> None:
        self._frontier = Frontier()
        self._tiles = TileWriter()
        self._queued: list[bytes] = []

    @classmethod
    def resume(cls, journal: Journal, *, log_key: VerifierKey, start: int, size: int) -> "LogTree":
        """Return the tree of the first `size` entries.

        Checks the newest checkpoint's signature, that the tiles lead to its root, and each leaf from `start`
        on against them. Raises `JournalCorrupt`.
        """
        tree = cls()
        newest = journal.checkpoint()
        tiled = 0
        if newest is not None:
            tiled, note = newest
            checkpoint = check_note(note, tree_size=tiled, log_key=log_key)
            if tiled > size:
                raise JournalCorrupt(f"missing; a checkpoint covers {tiled} entries", index=size)
            try:
                tree._resume_tiles(journal, checkpoint)
            except ProofError as error:
                raise JournalCorrupt(f"the tiles of checkpoint {tiled}: {error}") from error
        tree._compare(journal, start=min(start, tiled), tiled=tiled)
        for at in range(tiled, size, _LEAVES):
            tree.queue(journal.leaves(start=at, end=min(at + _LEAVES, size)))
        return tree

    def _resume_tiles(self, journal: Journal, checkpoint: Checkpoint) -> None:
        size = checkpoint.tree_size
        read_hash = tile_hash_reader(journal.read_tile, tree_size=size)
        self._tiles = TileWriter.resume(journal.read_tile, tree_size=size)
        self._frontier = Frontier(size, _peaks(read_hash, size))
        if self._frontier.root() != checkpoint.root:
            raise ProofError("they lead to another root than was signed")

    def _compare(self, journal: Journal, *, start: int, tiled: int) -> None:
        read_hash = log_hash_reader(journal, tree_size=tiled)
        for at in range(start, tiled, _LEAVES):
            for index, leaf in enumerate(journal.leaves(start=at, end=min(at + _LEAVES, tiled)), at):
                try:
                    expected = read_hash(0, index)
                except ProofError as error:
                    raise JournalCorrupt(str(error), index=index) from error
                if leaf_hash(leaf) != expected:
                    raise JournalCorrupt("the leaf is not the one in the log's tiles", index=index)

    def queue(self, leaves: Iterable[bytes]) -> None:
        """Take in the leaves of durable entries."""
        self._queued += map(leaf_hash, leaves)

    def sign(self, last: bytes, *, log_key: SigningKey) -> tuple[int, list[Tile], bytes]:
        """Return size, tiles and note of the checkpoint that ends in the leaf `last`."""
        hashes = [*self._queued, leaf_hash(last)]
        self._queued = []
        tiles = self._tiles.append(hashes)
        self._frontier.extend(hashes)
        size = self._frontier.tree_size
        checkpoint = Checkpoint(origin=log_key.name, tree_size=size, root=self._frontier.root())
        return size, tiles, sign_checkpoint(checkpoint, log_key)


def check_note(note: bytes, *, tree_size: int, log_key: VerifierKey) -> Checkpoint:
    """Return a stored checkpoint, its log's signature checked. Raises `JournalCorrupt`."""
    try:
        checkpoint = verify_checkpoint(note, log_key=log_key)
    except NoteError as error:
        raise JournalCorrupt(f"checkpoint {tree_size}: {error}") from error
    if checkpoint.tree_size != tree_size:
        raise JournalCorrupt(f"checkpoint {tree_size} is one of {checkpoint.tree_size} entries")
    return checkpoint


def log_hash_reader(journal: Journal, *, tree_size: int) -> HashReader:
    """Return the hashes of the log's complete subtrees, for proofs at a checkpoint."""
    return tile_hash_reader(lru_cache(_TILES_CACHED)(journal.read_tile), tree_size=tree_size)


def _peaks(read_hash: HashReader, size: int) -> list[bytes]:
    """Return the roots of the complete subtrees that the size's binary digits name, largest first."""
    peaks, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append(read_hash(level, start >> level))
            start += 1 << level
    return peaks
