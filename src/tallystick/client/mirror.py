"""A mirror: a served log as a folder of files, the layout that `export` writes, grown by each further run.

    mirror(RemoteLog("http://127.0.0.1:8080"), Path("public/log"))

A full tile or bundle never changes, so only what is new is fetched. The checkpoint is written last and what
it replaces goes after it, so that the folder is a whole log at every moment, an interruption included.

It copies and believes nothing: whether the copy is the log is `verify`'s question, and another history under
the same folder fails there, because its new tiles do not fit the old ones.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tallystick.client.follow import RemoteLog
from tallystick.client.sources import GENESIS_BYTES_MAX, PAYLOAD_BYTES_MAX, SourceError
from tallystick.log.checkpoint import parse_checkpoint
from tallystick.log.note import NOTE_BYTES_MAX, NoteError, parse_note
from tallystick.log.tiles import TILE_WIDTH, entries_path

Progress = Callable[[int, int], None]
_PART: Final = ".p"
"""The folder that partial tiles lie in."""


def mirror(log: RemoteLog, directory: Path, *, progress: Progress | None = None) -> int:
    """Fetch a log as of its newest checkpoint into a folder; return its size.

    The folder is new, empty, or a mirror or export of the same ledger. Raises `SourceError`, `HttpError`.
    """
    note = log.read("checkpoint", limit=NOTE_BYTES_MAX)
    try:
        size = parse_checkpoint(parse_note(note).text).tree_size
    except NoteError as error:
        raise SourceError(f"{log.name}/checkpoint: {error}") from None
    genesis = log.read("genesis.json", limit=GENESIS_BYTES_MAX)
    _check_folder(directory, genesis)
    _write(directory / "genesis.json", genesis)
    paths = list(_paths(log, size))
    for done, path in enumerate(paths, start=1):
        target = directory / path
        if not target.exists():
            _write(target, _fetched(log, path))
        if progress is not None:
            progress(done, len(paths))
    _write(directory / "checkpoint", note)
    _drop_old_parts(directory, keep=set(paths))
    return size


def _paths(log: RemoteLog, size: int) -> Iterator[str]:
    """Yield the files that a log of this size has, besides its checkpoint and genesis."""
    for start in range(0, size, TILE_WIDTH):
        bundle = entries_path(index=start // TILE_WIDTH, width=min(TILE_WIDTH, size - start))
        yield bundle
        yield bundle.replace("tile/entries", "payload", 1)
    yield from log.paths("tile")


def _fetched(log: RemoteLog, path: str) -> bytes:
    try:
        return log.read(path, limit=PAYLOAD_BYTES_MAX)
    except FileNotFoundError:
        raise SourceError(f"{log.name} does not have {path}, which its checkpoint covers") from None


def _check_folder(directory: Path, genesis: bytes) -> None:
    """Check that the folder is free for this log. Raises `SourceError`."""
    directory.mkdir(parents=True, exist_ok=True)
    found = directory / "genesis.json"
    if found.exists():
        if found.read_bytes() != genesis:
            raise SourceError(f"{directory} holds another ledger", hint="name another folder")
    elif any(directory.iterdir()):
        raise SourceError(f"{directory} is not empty, and no mirror", hint="name a new folder")


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(data)
    beside.replace(path)


def _drop_old_parts(directory: Path, *, keep: set[str]) -> None:
    """Remove partial tiles of earlier checkpoints: each now has a wider one, or a full one."""
    for folder in sorted(directory.rglob(f"*{_PART}")):
        for part in sorted(folder.iterdir()):
            if part.relative_to(directory).as_posix() not in keep:
                part.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
