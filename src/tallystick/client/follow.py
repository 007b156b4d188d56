"""Following a log over HTTP: what a payer's own machine checks, believing the node nothing.

    follower = Follower(RemoteLog(url), log_key=VKEY, memory=Path("ledger.checkpoint"))
    follower.update()                   # the newest checkpoint, shown to extend the one that was kept
    follower.check_receipt(receipt)     # this receipt, byte for byte, stands under it

The log's key is given by whoever follows and never asked of the node. The newest checkpoint that was seen is
kept in a small file, the signed note itself; every later one has to be its continuation, by a consistency
proof that is computed here from tiles, so that no proof has to be asked for and the node does not learn which
entry somebody cares about. The rule that must hold: **what is kept only ever moves forward**, and only after
the proof. A log that signed two histories has put the evidence into our hands, and the error carries it.

What this does not show: that the log followed its rules (`verify` on the same `RemoteLog` does), or that
others are shown the same history (witnesses do).

Refused: trusting a first checkpoint that the node calls newest without keeping it; a lie would then need to
be told only once.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import httpx
import msgspec

from tallystick.client.errors import ClientError
from tallystick.client.keyring import write_private
from tallystick.client.log_key import read_log_key
from tallystick.client.questions.asking import HttpError, Unreachable
from tallystick.client.sources import Export, SourceError
from tallystick.crypto import sha256
from tallystick.ledger.receipts import decode_receipt
from tallystick.log.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from tallystick.log.leaf import LEAF_BYTES, Leaf
from tallystick.log.note import NOTE_BYTES_MAX, NoteError, parse_note
from tallystick.log.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    decode_bundle,
    entries_path,
    tile_hash_reader,
    tile_path,
)
from tallystick.log.tree import (
    HASH_BYTES,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)

FETCH_SECONDS: Final = 30.0
COVERED_SECONDS: Final = 10.0
"""How long a receipt may stand in no checkpoint before its node is said to owe one."""
_POLL_SECONDS: Final = 0.1
_TILES_KEPT: Final = 256


class LogLied(ClientError):
    """A log contradicts what it signed, or what its node told. `notes` are the signed evidence, if any."""

    def __init__(self, message: str, *, notes: tuple[bytes, ...] = ()) -> None:
        super().__init__(message, hint="keep this message and the checkpoint file: they are the evidence")
        self.notes = notes


class Files(Protocol):
    """A log as files, wherever they lie."""

    name: str

    def read(self, path: str, /, *, limit: int) -> bytes:
        """Return a file's bytes. Raises `FileNotFoundError`, or `SourceError` if it is none or too large."""
        ...


# ----------------------------------------------------------------------------------------- over the network


class RemoteLog:
    """The files below a node's `/log/`, or of any web server that an export was copied to."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise SourceError(f"{url[:200]!r} is no URL of a log", hint="such as http://127.0.0.1:8080")
        self.name = url.rstrip("/").removesuffix("/log") + "/log"
        self._http = httpx.Client(timeout=FETCH_SECONDS, transport=transport)
        self._note = b""

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def read(self, path: str, *, limit: int) -> bytes:
        """Return a file's bytes; more than `limit` are not even taken in."""
        url = f"{self.name}/{path}"
        try:
            with self._http.stream("GET", url) as response:
                if response.status_code == 404:
                    raise FileNotFoundError(path)
                if response.status_code != 200:
                    raise SourceError(f"{url} was answered with HTTP {response.status_code}")
                data = b"".join(_at_most(response.iter_bytes(), limit, url))
        except httpx.HTTPError as error:
            raise Unreachable(f"{url} did not answer: {str(error) or type(error).__name__}") from error
        if path == "checkpoint":
            self._note = data
        return data

    def paths(self, prefix: str) -> Iterator[str]:
        """Yield the tiles that the checkpoint read last has: a web server lists no folder."""
        if prefix != "tile":
            return
        count = parse_checkpoint(parse_note(self._note).text).tree_size
        level = 0
        while count:
            full, rest = divmod(count, TILE_WIDTH)
            yield from (tile_path(level=level, index=index) for index in range(full))
            if rest:
                yield tile_path(level=level, index=full, width=rest)
            count >>= TILE_HEIGHT
            level += 1


def _at_most(parts: Iterator[bytes], limit: int, url: str) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > limit:
            raise SourceError(f"{url} has more than the {limit} bytes that belong there")
        yield part


def open_url(url: str, *, transport: httpx.BaseTransport | None = None) -> Export:
    """Return a log over HTTP as a source for the verifier. Raises `SourceError`, `HttpError`."""
    files = RemoteLog(url, transport=transport)
    try:
        return Export(files)
    except (SourceError, HttpError):
        files.close()
        raise


# ------------------------------------------------------------------------------------------------ following


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A receipt that stands in the log, under a checkpoint that extends all that were seen before."""

    leaf: Leaf
    checkpoint: Checkpoint


class Follower:
    """One log, followed from its key and the checkpoint in `memory`, where there is one."""

    def __init__(
        self,
        log: Files,
        *,
        log_key: str,
        memory: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._key = read_log_key(log_key)
        self._log = log
        self._memory = memory
        self._sleep = sleep
        self._read_tile = lru_cache(maxsize=_TILES_KEPT)(self._fetch_tile)
        self.note = b""
        self.checkpoint: Checkpoint | None = None
        if memory is not None and memory.exists():
            self.note = memory.read_bytes()
            self.checkpoint = self._verified(self.note, f"{memory}")

    def update(self) -> Checkpoint:
        """Return the newest checkpoint, after showing that it continues the one kept, and keep it instead.

        Raises `LogLied` for a smaller tree, another root of the same size, or no consistency.
        """
        note = self._log.read("checkpoint", limit=NOTE_BYTES_MAX)
        newest = self._verified(note, self._log.name)
        kept = self.checkpoint
        if kept is not None:
            self._check_continues(kept, newest, note)
            if newest == kept:
                return kept
        self._keep(newest, note)
        return newest

    def check_receipt(
        self, receipt: bytes, *, envelope: bytes | None = None, seconds: float = COVERED_SECONDS
    ) -> Standing:
        """Show that exactly these bytes stand in the log as a receipt, and of this envelope if one is given.

        Waits `seconds` for a checkpoint that covers it. Raises `LogLied`.
        """
        try:
            index = decode_receipt(receipt).index
        except msgspec.MsgspecError as error:
            raise LogLied(f"what the node sent is no receipt: {error}") from None
        if index < 0:
            raise LogLied(f"what the node sent is the receipt of entry {index}")
        checkpoint = self._covering(index, seconds)
        leaf = self._leaf(index, checkpoint)
        if leaf.receipt_hash != sha256(receipt):
            raise LogLied(f"entry {index} of the log has another receipt than this", notes=(self.note,))
        if envelope is not None and leaf.envelope_hash != sha256(envelope):
            raise LogLied(f"entry {index} of the log is not of this envelope", notes=(self.note,))
        return Standing(leaf=leaf, checkpoint=checkpoint)

    # Checkpoints.

    def _verified(self, note: bytes, where: str) -> Checkpoint:
        try:
            return verify_checkpoint(note, log_key=self._key)
        except NoteError as error:
            raise LogLied(f"the checkpoint of {where} is not of the log you pinned: {error}") from None

    def _check_continues(self, kept: Checkpoint, newest: Checkpoint, note: bytes) -> None:
        evidence = (self.note, note)
        if newest.tree_size < kept.tree_size:
            raise LogLied(
                f"the log went back: it signed {kept.tree_size} entries and now shows {newest.tree_size}",
                notes=evidence,
            )
        if newest.tree_size == kept.tree_size:
            if newest.root != kept.root:
                raise LogLied(f"the log signed two histories of {kept.tree_size} entries", notes=evidence)
            return
        if kept.tree_size == 0:
            return  # every log begins with the empty one
        read_hash = tile_hash_reader(self._read_tile, tree_size=newest.tree_size)
        try:
            proof = consistency_proof(read_hash, old_size=kept.tree_size, new_size=newest.tree_size)
            verify_consistency(
                proof,
                old_size=kept.tree_size,
                old_root=kept.root,
                new_size=newest.tree_size,
                new_root=newest.root,
            )
        except ProofError as error:
            self._read_tile.cache_clear()
            raise LogLied(
                f"the {newest.tree_size} entries that the log shows do not begin with the {kept.tree_size}"
                f" that it signed: {error}",
                notes=evidence,
            ) from None

    def _keep(self, checkpoint: Checkpoint, note: bytes) -> None:
        """Remember a checkpoint: first on the disk, so that a crash forgets nothing that was believed."""
        if self._memory is not None:
            write_private(self._memory, note)
        self.checkpoint, self.note = checkpoint, note

    def _covering(self, index: int, seconds: float) -> Checkpoint:
        until = time.monotonic() + seconds
        checkpoint = self.checkpoint
        while checkpoint is None or checkpoint.tree_size <= index:
            checkpoint = self.update()
            if checkpoint.tree_size > index:
                break
            if time.monotonic() >= until:
                raise LogLied(
                    f"no checkpoint covers entry {index}: the newest signs {checkpoint.tree_size} entries",
                    notes=(self.note,),
                )
            self._sleep(_POLL_SECONDS)
        return checkpoint

    # Entries and tiles: nothing of them is believed before it hashes to the signed root.

    def _leaf(self, index: int, checkpoint: Checkpoint) -> Leaf:
        bundle, offset = divmod(index, TILE_WIDTH)
        width = min(TILE_WIDTH, checkpoint.tree_size - bundle * TILE_WIDTH)
        data = self._read(entries_path(index=bundle, width=width), limit=TILE_WIDTH * (2 + LEAF_BYTES))
        read_hash = tile_hash_reader(self._read_tile, tree_size=checkpoint.tree_size)
        try:
            entry = decode_bundle(data, width=width)[offset]
            verify_inclusion(
                inclusion_proof(read_hash, leaf_index=index, tree_size=checkpoint.tree_size),
                leaf=leaf_hash(entry),
                leaf_index=index,
                tree_size=checkpoint.tree_size,
                root=checkpoint.root,
            )
            leaf = Leaf.decode(entry)
        except ValueError as error:
            self._read_tile.cache_clear()
            raise LogLied(f"entry {index} does not stand under the checkpoint: {error}") from None
        if leaf.index != index:
            raise LogLied(f"entry {index} calls itself entry {leaf.index}", notes=(self.note,))
        return leaf

    def _fetch_tile(self, level: int, index: int, width: int) -> bytes:
        path = tile_path(level=level, index=index, width=width)
        return self._read(path, limit=TILE_WIDTH * HASH_BYTES)

    def _read(self, path: str, *, limit: int) -> bytes:
        try:
            return self._log.read(path, limit=limit)
        except FileNotFoundError:
            raise LogLied(f"{self._log.name} does not have {path}, which it signed") from None
