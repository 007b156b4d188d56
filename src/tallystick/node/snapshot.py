"""Snapshots: the whole state on disk, so that opening a ledger need not repeat its history.

A snapshot of `size` entries is taken right after the root entry `size - 1`, whose leaf holds the state root:
loading builds the state tree anew, so a snapshot is believed only if it leads to the root that the log
signed. Transaction ids stand in the tree through a running hash a second, of their payloads; they are checked
against that, and their names by the digest in the last part. A snapshot that fails is skipped, aloud, for an
older one or for genesis: it saves time and decides nothing.

    part 0      JSON: format, size, root, pairs
    part 1…     u32 namespace length | namespace | per pair: u32 length | key | u32 length | value
    last part   SHA-256 of all before it

Each part holds pairs of one namespace (and of one table, in a contract's), so that a part is decoded in two
calls. Contract instances come first: they say which code knows a namespace's types.

Refused: pickles (they run code), and believing the file because it is ours.
"""

import hashlib
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from tallystick import collector
from tallystick.ledger.apply import chain_id
from tallystick.ledger.contract import Contract
from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.ledger.records import SYSTEM_TABLES, IdRecord, Instance
from tallystick.ledger.store import CONTRACT_MARK, IDS, Key, Value
from tallystick.log.state_tree import StateTree
from tallystick.node.commitment import Commitment, TrackedStore

FORMAT: Final = "tallystick-snapshot-v1"
_PAIRS_PER_PART: Final = 8192
_U32: Final = struct.Struct(">I")

Contracts = Mapping[tuple[str, int], Contract]
Progress = Callable[[int, int], None]
"""Called with how much is done and how much there is."""


class SnapshotCorrupt(Exception):
    """The snapshot is not the state that the log's root commits to; the message says why."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part 0. `root` is in hex."""

    format: str
    size: int
    root: str
    pairs: int


# ----------------------------------------------------------------------------------------------- writing


def snapshot_parts(state: TrackedStore, *, size: int, root: bytes) -> Iterator[bytes]:
    """Iterate over the parts of a snapshot of a state that stands at its root."""
    digest = hashlib.sha256()
    for part in _parts(state, size=size, root=root):
        digest.update(part)
        yield part
    yield digest.digest()


def _parts(state: TrackedStore, *, size: int, root: bytes) -> Iterator[bytes]:
    yield msgspec.json.encode(Header(FORMAT, size, root.hex(), len(state.values)))
    for namespace, keys in _grouped(state):
        for at in range(0, len(keys), _PAIRS_PER_PART):
            yield _encode_part(namespace, keys[at : at + _PAIRS_PER_PART], state.get)


def _grouped(state: TrackedStore) -> list[tuple[str, list[Key]]]:
    """Return the keys by namespace and table, instances first; ids by second, in log order."""
    groups: dict[tuple[str, str], list[Key]] = {("instance", ""): []}
    for key in state.values:
        namespace = key[0]
        if namespace != IDS:
            groups.setdefault((namespace, _table_of(key)), []).append(key)
    groups[IDS, ""] = [key for slot in sorted(state.ids) for key in state.ids[slot]]
    return [(namespace, keys) for (namespace, _), keys in groups.items() if keys]


def _table_of(key: Key) -> str:
    return str(key[1]) if key[0].endswith(CONTRACT_MARK) else ""


def _encode_part(namespace: str, keys: list[Key], get: Callable[[Key], Value]) -> bytes:
    name = namespace.encode()
    pieces = [_U32.pack(len(name)), name]
    for key in keys:
        key_bytes, value_bytes = encode_key(key), encode_value(get(key))
        pieces += (_U32.pack(len(key_bytes)), key_bytes, _U32.pack(len(value_bytes)), value_bytes)
    return b"".join(pieces)


# ----------------------------------------------------------------------------------------------- loading


def load_snapshot(
    parts: Iterable[bytes],
    *,
    size: int,
    root: bytes,
    contracts: Contracts,
    progress: Progress | None = None,
) -> Commitment:
    """Return the state with its tree, checked against `root`. Raises `SnapshotCorrupt`."""
    iterator = _without_digest(parts)
    state = TrackedStore()
    try:
        header = msgspec.json.decode(next(iterator, b""), type=Header)
        if (header.format, header.size, header.root) != (FORMAT, size, root.hex()):
            raise SnapshotCorrupt(f"its head says {header}, the log says size {size} and root {root.hex()}")
        with collector.paused():
            tree = StateTree.build(_loaded(iterator, state, header.pairs, contracts, progress))
    except (msgspec.MsgspecError, UnicodeError, ValueError, LookupError, TypeError, struct.error) as error:
        raise SnapshotCorrupt(f"it does not decode: {error}") from error
    if tree.root != root:
        raise SnapshotCorrupt(f"it leads to root {tree.root.hex()}, the log says {root.hex()}")
    _check_ids(state)
    return Commitment(state, tree)


def _without_digest(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Iterate over all parts but the last, and compare that with the digest of the others."""
    digest = hashlib.sha256()
    held: bytes | None = None
    for part in parts:
        if held is not None:
            digest.update(held)
            yield held
        held = part
    if held != digest.digest():
        raise SnapshotCorrupt("its digest is another")


def _loaded(
    parts: Iterator[bytes], state: TrackedStore, pairs: int, contracts: Contracts, progress: Progress | None
) -> Iterator[tuple[bytes, bytes]]:
    """Fill the state part by part; iterate over the encoded pairs that the tree commits to."""
    loaded = 0
    for part in parts:
        namespace, keys, values = _split_part(part)
        _fill(state, namespace, keys, values, contracts)
        if namespace != IDS:
            yield from zip(keys, values, strict=True)
        loaded += len(keys)
        if progress is not None:
            progress(loaded, pairs)
    if not loaded == len(state.values) == pairs:
        raise SnapshotCorrupt(f"it has {len(state.values)} keys in {loaded} pairs, not {pairs}")


def _split_part(part: bytes) -> tuple[str, list[bytes], list[bytes]]:
    """Return a part's namespace, its encoded keys and its encoded values."""
    unpack = _U32.unpack_from
    at = 4 + unpack(part)[0]
    namespace = part[4:at].decode()
    fields = []
    end = len(part)
    while at < end:
        start = at + 4
        at = start + unpack(part, at)[0]
        fields.append(part[start:at])
    if at != end or len(fields) % 2:
        raise SnapshotCorrupt(f"a part of {namespace[:64]} ends inside a pair")
    return namespace, fields[::2], fields[1::2]


_decode_keys: Final = msgspec.json.Decoder(list[tuple]).decode  # type: ignore[type-arg]


@lru_cache(maxsize=4096)
def _decoder(shape: Any) -> msgspec.json.Decoder[list[Any]]:
    return msgspec.json.Decoder(list[shape])


def _fill(
    state: TrackedStore,
    namespace: str,
    key_bytes: list[bytes],
    value_bytes: list[bytes],
    contracts: Contracts,
) -> None:
    """Decode one part's pairs into the state, a list at a time: one by one would take thrice as long."""
    keys = _shared(_decode_keys(b"[" + b",".join(key_bytes) + b"]"))
    shape = _shape(state, namespace, keys, contracts)
    values = _decoder(shape).decode(b"[" + b",".join(value_bytes) + b"]")
    if not len(keys) == len(values) == len(key_bytes) or any(key[0] != namespace for key in keys):
        raise SnapshotCorrupt(f"a part of {namespace[:64]} holds other pairs than it says")
    state.load(dict(zip(keys, values, strict=True)), namespace=namespace)


def _shared(keys: list[Key]) -> list[Key]:
    """Return the keys with one object for each name: an account stands in many keys."""
    intern = sys.intern
    try:
        return [tuple(map(intern, key)) for key in keys]
    except TypeError:  # numbers among the parts
        return keys


def _shape(state: TrackedStore, namespace: str, keys: list[Key], contracts: Contracts) -> Any:
    """Return the type of a part's values."""
    if not namespace.endswith(CONTRACT_MARK):
        return SYSTEM_TABLES[namespace]
    instance: Instance | None = state.get(("instance", namespace[: -len(CONTRACT_MARK)]))
    if instance is None:
        raise SnapshotCorrupt(f"namespace {namespace[:64]} belongs to no contract")
    tables = {key[1] for key in keys}
    if len(tables) != 1:
        raise SnapshotCorrupt(f"a part of {namespace[:64]} holds several tables")
    return contracts[instance.kind, instance.version].tables[tables.pop()].value


def _check_ids(state: TrackedStore) -> None:
    """Check the remembered ids of each second against the running hash that the root commits to."""
    committed = {key[1] for key in state.values if key[0] == "ids"}
    for slot in committed | set(state.ids):
        chained = b""
        for key in state.ids.get(slot, ()):
            record: IdRecord = state.values[key]
            chained = chain_id(chained, record.payload_hash)
        if chained != state.get(("ids", slot)):
            raise SnapshotCorrupt(
                f"its transaction ids of second {slot} are not those that the root commits to"
            )
