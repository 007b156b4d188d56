"""Export: the log as a folder of static files, in the layout that monitors and witnesses read.

    checkpoint                  the signed note
    genesis.json                entry 0's document
    tile/<L>/<N>[.p/<W>]        the tree (C2SP tlog-tiles)
    tile/entries/<N>[.p/<W>]    the leaves
    payload/<N>[.p/<W>]         per entry: u32 length | envelope | u32 length | receipt

It is the log as of its newest checkpoint, so everything in it is signed, and the same log gives the same
bytes. The checkpoint is written last: a folder that has one has all that it covers. Any web server can serve
it.

Refused: an archive format. A folder is what tlog-tiles clients fetch, and `tar` exists.
"""

import struct
from pathlib import Path
from typing import Final

from tallystick.log.tiles import TILE_HEIGHT, TILE_WIDTH, encode_bundle, entries_path, tile_path
from tallystick.log.tree import ProofError
from tallystick.node.entries import check_entry
from tallystick.node.faults import JournalCorrupt, NotFound
from tallystick.node.ledger_file import LedgerFile
from tallystick.node.snapshot import Progress

_U32: Final = struct.Struct(">I")


def payload_path(*, index: int, width: int = TILE_WIDTH) -> str:
    """Return `payload/<N>[.p/<W>]`, the envelopes and receipts of one bundle of leaves."""
    return entries_path(index=index, width=width).replace("tile/entries", "payload", 1)


def export_log(ledger: LedgerFile, directory: Path, *, progress: Progress | None = None) -> int:
    """Write the log, as of its newest checkpoint, into an empty or new folder; return its size.

    Raises `NotFound` without a checkpoint, `FileExistsError` if the folder has anything in it,
    `JournalCorrupt` with the entry that is wrong.
    """
    newest = ledger.journal.checkpoint()
    if newest is None:
        raise NotFound("there is no checkpoint to export the log of")
    size, note = newest
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty")
    _write(directory / "genesis.json", ledger.genesis_bytes)
    for start in range(0, size, TILE_WIDTH):
        _write_bundle(ledger, directory, start=start, end=min(start + TILE_WIDTH, size))
        if progress is not None:
            progress(min(start + TILE_WIDTH, size), size)
    _write_tiles(ledger, directory, size=size)
    _write(directory / "checkpoint", note)
    return size


def _write_bundle(ledger: LedgerFile, directory: Path, *, start: int, end: int) -> None:
    entries = list(ledger.journal.entries(start=start, end=end))
    for index, entry in enumerate(entries, start):
        check_entry(entry, index=index)
    if len(entries) != end - start:
        raise JournalCorrupt("missing", index=start + len(entries))
    index, width = start // TILE_WIDTH, end - start
    payload = b"".join(
        [
            _U32.pack(len(entry.envelope)) + entry.envelope + _U32.pack(len(entry.receipt)) + entry.receipt
            for entry in entries
        ]
    )
    _write(directory / entries_path(index=index, width=width), encode_bundle([one.leaf for one in entries]))
    _write(directory / payload_path(index=index, width=width), payload)


def _write_tiles(ledger: LedgerFile, directory: Path, *, size: int) -> None:
    level, count = 0, size
    while count:
        for index in range(-(-count // TILE_WIDTH)):
            width = min(TILE_WIDTH, count - index * TILE_WIDTH)
            try:
                data = ledger.journal.read_tile(level, index, width)
            except ProofError as error:
                raise JournalCorrupt(str(error)) from error
            _write(directory / tile_path(level=level, index=index, width=width), data)
        count >>= TILE_HEIGHT
        level += 1


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
