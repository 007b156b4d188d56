"""The log as files: what a monitor, a witness or a client's verifier fetches (C2SP tlog-tiles).

    checkpoint                  the newest signed note
    genesis.json                entry 0's document
    tile/<L>/<N>[.p/<W>]        the tree
    tile/entries/<N>[.p/<W>]    the leaves
    payload/<N>[.p/<W>]         per entry: u32 length | envelope | u32 length | receipt

The paths and bytes are those of `export`, so a folder that it wrote can stand in for the node. Only what the
newest checkpoint covers is served: nothing is there that is not signed. All but the checkpoint never changes.
"""

import struct
from typing import Final

from tallystick.log.tiles import TILE_HEIGHT, TILE_WIDTH, encode_bundle, parse_tile_path
from tallystick.log.tree import ProofError
from tallystick.node.entries import Entry
from tallystick.node.faults import JournalCorrupt, NotFound
from tallystick.node.readers import Readers, ServiceView

_U32: Final = struct.Struct(">I")


class LogFiles:
    """Answers paths below /log."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def read(self, path: str) -> tuple[bytes, bool]:
        """Return a file's bytes, and whether they never change. Raises `NotFound`."""
        return await self._readers.read(lambda view: read_log_file(view, path)), path != "checkpoint"


def read_log_file(view: ServiceView, path: str) -> bytes:
    """Return a file's bytes. Raises `NotFound`."""
    if path == "genesis.json":
        return view.genesis_bytes
    newest = view.journal.checkpoint()
    if newest is None:
        raise NotFound("there is no checkpoint yet")
    size, note = newest
    if path == "checkpoint":
        return note
    is_payload = path.startswith("payload/")
    try:
        asked = parse_tile_path(path.replace("payload/", "tile/entries/", 1) if is_payload else path)
    except ValueError as error:
        raise NotFound(str(error)) from None
    covered = size >> (TILE_HEIGHT * (asked.level or 0))
    start = asked.index * TILE_WIDTH
    if start + asked.width > covered:
        raise NotFound(f"the log of {size} entries has no {path[:80]}")
    if asked.level is not None:
        try:
            return view.journal.read_tile(asked.level, asked.index, asked.width)
        except ProofError as error:
            raise JournalCorrupt(str(error)) from error
    entries = list(view.journal.entries(start=start, end=start + asked.width))
    if len(entries) != asked.width:
        raise JournalCorrupt("missing", index=start + len(entries))
    return _payload(entries) if is_payload else encode_bundle([entry.leaf for entry in entries])


def _payload(entries: list[Entry]) -> bytes:
    return b"".join(
        [
            _U32.pack(len(entry.envelope)) + entry.envelope + _U32.pack(len(entry.receipt)) + entry.receipt
            for entry in entries
        ]
    )
