"""The state tree: one root over every key and value, so that a balance can be proved to a stranger.

The log commits to what happened; this tree commits to what is. It maps *bytes* to *bytes* and knows no
meanings. Three shapes, each hashed under a first byte of its own:

    page    SHA-256(0x02 || entries)            up to 15 entries of 40 bytes, ascending
    split   SHA-256(0x03 || 16 child hashes)    where a page would hold more than 15
    node    SHA-256(0x01 || 4 child hashes)     nine fixed levels over 2^18 buckets

    entry   SHA-256(key)[:16] || SHA-256(0x00 || u32 len(key) || key || value)[:24]

A bucket is named by the first 18 bits of the key's hash. It is a page, or a split whose children are named
by the next four bits, and so on down. An empty page hashes to 32 zero bytes.

Rules that must hold:

1. The shape is a function of the set of keys alone: a place is a page if and only if at most 15 keys live
   below it (or the 126 bits that name places are used up). Insertions split, deletions merge back, so every
   replica and every rebuild from a snapshot reaches the same root, whatever the history was.
2. A key has one place, and a page at most one entry for it. Hence one proof serves both presence and
   absence: the page that would hold the key, and the hashes beside its path.
3. Whoever grinds keys into one bucket buys depth at 4 bits a level, each level 16 times the hashing and at
   most 482 bytes of proof: a proof grows with the logarithm of his work, never with his crowd, and after 2^60
   hashes it is below 7 KB. At the last level a page may grow; filling it takes 16 keys that
   share 126 bits of SHA-256.

Truncation. 16 bytes of key hash and 24 bytes of leaf hash share the 40 bytes. With 8 and 32, two keys with
one prefix would cost 2^32 hashes, an afternoon; an update could not tell them apart, and the root would
depend on history. Now that costs 2^64, gains its finder nothing but a root over one of two keys of his own,
and `build` refuses such a pair aloud. Two values under one entry cost 2^96, a forged entry 2^192 (24 bytes
is the SHA-256/192 of NIST SP 800-208).

Refused: a sparse tree of depth 256 (ten times the hashing), a sorted B-tree (its shape is its history), and
Python objects for nodes (2 million keys would need gigabytes; bytes need about 55 a key).
"""

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256  # straight from the standard library: a wrapper would cost a tenth of an update
from itertools import pairwise
from typing import Final, TypeAlias

from tallystick.log.tree import ProofError

BUCKET_BITS: Final = 18
PAGE_ENTRIES_MAX: Final = 15
PREFIX_BYTES: Final = 16
LEAF_BYTES: Final = 24
ENTRY_BYTES: Final = PREFIX_BYTES + LEAF_BYTES

_LEVELS: Final = BUCKET_BITS // 2  # of the 4-ary tree, two bits each
_BUCKETS: Final = 1 << BUCKET_BITS
_BUCKET_SHIFT: Final = 32 - BUCKET_BITS
_DEPTH_MAX: Final = (8 * PREFIX_BYTES - BUCKET_BITS) // 4  # splits below a bucket: 27
_PAGE_BYTES_MAX: Final = PAGE_ENTRIES_MAX * ENTRY_BYTES
_U32: Final = struct.Struct(">I")
_EMPTY_PAGE: Final = bytes(32)
_NODE_BYTES: Final = 1 + 4 * 32  # a node's preimage, its first byte included: see `_empty_row`


def _empty_hashes() -> tuple[bytes, ...]:
    hashes = [_EMPTY_PAGE]
    for _ in range(_LEVELS):
        hashes.append(sha256(b"\x01" + 4 * hashes[-1]).digest())
    return tuple(hashes)


_EMPTY_AT: Final = _empty_hashes()
"""The hash of an empty subtree by its height above the buckets."""

EMPTY_STATE_ROOT: Final = _EMPTY_AT[_LEVELS]

Changes: TypeAlias = Mapping[bytes, bytes | None] | Iterable[tuple[bytes, bytes | None]]
"""Keys with their new values; `None` deletes. Where an iterable repeats a key, the last one counts."""


Entries: TypeAlias = dict[bytes, bytes | None]
"""Changed entries by the 16 bytes of key hash that each begins with; `None` deletes."""


def hash_changes(changes: Changes) -> Entries:
    """Return the entries that changes come to: half of an update's work, and needing no tree."""
    entries: Entries = {}
    for key, value in changes.items() if isinstance(changes, Mapping) else changes:
        prefix = sha256(key).digest()[:PREFIX_BYTES]
        if value is None:
            entries[prefix] = None
        else:
            leaf = sha256(b"\x00" + _U32.pack(len(key)) + key + value).digest()
            entries[prefix] = prefix + leaf[:LEAF_BYTES]
    return entries


class _Split:
    """A place with more than 15 entries: 16 children, and the bytes that are hashed for it."""

    __slots__ = ("children", "entries", "preimage")

    def __init__(self) -> None:
        self.children: list[_Place] = [b""] * 16
        self.entries = 0
        self.preimage = bytearray(b"\x03" + 16 * _EMPTY_PAGE)


_Place: TypeAlias = bytes | _Split  # a page is its entries, as one blob


class StateTree:
    """The tree in memory: pages as blobs, the nine levels as flat byte arrays.

    Not thread-safe. `root` is current as soon as `update` returns.
    """

    __slots__ = ("_places", "_root", "_rows", "entries")

    def __init__(self) -> None:
        self.entries = 0
        self._places: list[_Place] = [b""] * _BUCKETS
        self._rows = [_empty_row(height) for height in range(_LEVELS)]
        self._root = EMPTY_STATE_ROOT

    @classmethod
    def build(cls, items: Iterable[tuple[bytes, bytes]]) -> "StateTree":
        """Return the tree of a whole state, each key once: how a snapshot is loaded and checked.

        Rejects with `ValueError` a key that comes twice (or two that share 16 bytes of hash).
        """
        parts = _partitioned(items)
        return cls.of_pages(parts.pop() for _ in range(len(parts)))  # each is freed once its pages exist

    @classmethod
    def of_pages(cls, parts: Iterable[bytes | bytearray]) -> "StateTree":
        """Return the tree of these entries, each part unsorted and of other buckets than the rest."""
        tree = cls()
        dirty: set[int] = set()
        for part in parts:
            tree._load(part, dirty)
        tree._rehash_nodes(dirty)
        return tree

    def pages(self) -> Iterator[bytes]:
        """Iterate over all entries, in 256 parts that `of_pages` takes, by the first byte of key hash."""
        for start in range(0, _BUCKETS, _BUCKETS >> 8):
            places = self._places[start : start + (_BUCKETS >> 8)]
            yield b"".join([place if isinstance(place, bytes) else _page_of(place) for place in places])

    def _load(self, part: bytes | bytearray, dirty: set[int]) -> None:
        """Fill the empty buckets that these entries belong to, and note the nodes above them."""
        entries = sorted([bytes(part[at : at + ENTRY_BYTES]) for at in range(0, len(part), ENTRY_BYTES)])
        _check_unique(entries)
        self.entries += len(entries)
        start = 0
        while start < len(entries):
            bucket = _U32.unpack_from(entries[start])[0] >> _BUCKET_SHIFT
            following = ((bucket + 1) << _BUCKET_SHIFT).to_bytes(5, "big")
            end = bisect_left(entries, following[1:], start) if following[0] == 0 else len(entries)
            self._set_place(bucket, _shaped(b"".join(entries[start:end]), depth=0))
            dirty.add(bucket >> 2)
            start = end

    @property
    def root(self) -> bytes:
        """The 32 bytes that commit to every key and value."""
        return self._root

    def __len__(self) -> int:
        return self.entries

    def update(self, changes: Changes) -> None:
        """Insert, replace and delete, then rehash each dirty path once, level by level."""
        self.put(hash_changes(changes))

    def put(self, entries: Entries) -> None:
        """Do as `update`, for changes that `hash_changes` has hashed."""
        places = self._places
        buckets = self._rows[0]
        dirty = set()
        for prefix, entry in entries.items():
            bucket = _U32.unpack_from(prefix)[0] >> _BUCKET_SHIFT
            dirty.add(bucket >> 2)
            place = places[bucket]
            if entry is None:
                changed, delta = _removed(place, prefix, depth=0)
            else:
                if place.__class__ is bytes and (start := place.find(prefix)) >= 0 == start % ENTRY_BYTES:
                    # Four updates in five end here: `_placed` and `_set_place`, inlined for a page.
                    places[bucket] = place = place[:start] + entry + place[start + ENTRY_BYTES :]
                    at = (bucket >> 2) * _NODE_BYTES + 1 + ((bucket & 3) << 5)
                    buckets[at : at + 32] = sha256(b"\x02" + place).digest()
                    continue
                changed, delta = _placed(place, prefix, entry, depth=0)
            self.entries += delta
            self._set_place(bucket, changed)
        self._rehash_nodes(dirty)

    def prove(self, key: bytes) -> bytes:
        """Return the proof of what this key holds, or that it holds nothing; check it with the root.

        Layout: u32 bitmap of the 27 siblings that are not empty | u8 splits | those siblings, upwards |
        per split, upwards: u16 bitmap, its non-empty siblings | the page's entries.
        """
        prefix = sha256(key).digest()[:PREFIX_BYTES]
        path = int.from_bytes(prefix, "big")
        bucket = path >> (8 * PREFIX_BYTES - BUCKET_BITS)
        bitmap, siblings = self._siblings(bucket)
        place = self._places[bucket]
        splits: list[bytes] = []
        while isinstance(place, _Split):
            branch = _branch(path, len(splits))
            splits.append(_split_siblings(place, branch))
            place = place.children[branch]
        head = bitmap.to_bytes(4, "big") + bytes([len(splits)])
        return head + siblings + b"".join(reversed(splits)) + place

    def _siblings(self, bucket: int) -> tuple[int, bytes]:
        bitmap, bit, siblings = 0, 1, b""
        index = bucket
        for height in range(_LEVELS):
            row = self._rows[height]
            for sibling in _sibling_indexes(index):
                start = _offset(sibling)
                value = bytes(row[start : start + 32])
                if value != _EMPTY_AT[height]:
                    bitmap |= bit
                    siblings += value
                bit <<= 1
            index >>= 2
        return bitmap, siblings

    def _set_place(self, bucket: int, place: _Place) -> None:
        self._places[bucket] = place
        start = _offset(bucket)
        self._rows[0][start : start + 32] = _place_hash(place)

    def _rehash_nodes(self, dirty: set[int]) -> None:
        """Bring every level up to date, given the dirty nodes right above the buckets."""
        row = self._rows[0]
        for height in range(1, _LEVELS):
            below, row = row, self._rows[height]
            for index in dirty:
                source = index * _NODE_BYTES
                start = (index >> 2) * _NODE_BYTES + 1 + ((index & 3) << 5)
                row[start : start + 32] = sha256(below[source : source + _NODE_BYTES]).digest()
            dirty = {index >> 2 for index in dirty}
        self._root = sha256(row).digest()


def _partitioned(items: Iterable[tuple[bytes, bytes]]) -> list[bytearray]:
    """Return all entries, unsorted, by the first byte of their key hash.

    In 256 flat arrays, because sorting 2 million objects at once would take thrice the tree's memory.
    """
    parts = [bytearray() for _ in range(256)]
    for key, value in items:
        key_hash = sha256(key).digest()
        leaf = sha256(b"\x00" + _U32.pack(len(key)) + key + value).digest()
        parts[key_hash[0]] += key_hash[:PREFIX_BYTES] + leaf[:LEAF_BYTES]
    return parts


def _check_unique(entries: list[bytes]) -> None:
    if len({entry[:PREFIX_BYTES] for entry in entries}) == len(entries):
        return
    for entry, following in pairwise(entries):
        if entry[:PREFIX_BYTES] == following[:PREFIX_BYTES]:
            raise ValueError(f"two entries for the key hash {entry[:PREFIX_BYTES].hex()}")


def _empty_row(height: int) -> memoryview:
    """Return a level of empty subtrees, as the preimages of the nodes above it.

    The first byte 0x01 of each node lies in the row, so that hashing a node is one slice. A view, because
    assigning 32 bytes to a slice of a `bytearray` itself copies them twice.
    """
    nodes = _BUCKETS >> (2 * height + 2)
    return memoryview(bytearray((b"\x01" + 4 * _EMPTY_AT[height]) * nodes))


def _offset(index: int) -> int:
    """Return where the hash number `index` of a row begins."""
    return (index >> 2) * _NODE_BYTES + 1 + ((index & 3) << 5)


def _sibling_indexes(index: int) -> list[int]:
    first = index & ~3
    return [sibling for sibling in range(first, first + 4) if sibling != index]


def _branch(path: int, depth: int) -> int:
    """Return which of a split's 16 children the path takes, `depth` splits below its bucket."""
    return (path >> (8 * PREFIX_BYTES - BUCKET_BITS - 4 * (depth + 1))) & 15


# ------------------------------------------------------------------------------------ pages and splits


def _find(page: bytes, prefix: bytes) -> int:
    """Return where the prefix's entry begins in a page, or -1."""
    start = page.find(prefix)
    while start > 0 and start % ENTRY_BYTES:  # a leaf hash may contain the prefix's bytes
        start = page.find(prefix, start + 1)
    return start


def _placed(place: _Place, prefix: bytes, entry: bytes, *, depth: int) -> tuple[_Place, int]:
    """Return the place with the entry inserted or replaced, and by how many entries it grew."""
    if isinstance(place, _Split):
        branch = _branch(int.from_bytes(prefix, "big"), depth)
        child, delta = _placed(place.children[branch], prefix, entry, depth=depth + 1)
        _set_child(place, branch, child, delta)
        return place, delta
    start = _find(place, prefix)
    if start >= 0:
        return place[:start] + entry + place[start + ENTRY_BYTES :], 0
    start = _insertion_point(place, prefix)
    return _shaped(place[:start] + entry + place[start:], depth=depth), 1


def _removed(place: _Place, prefix: bytes, *, depth: int) -> tuple[_Place, int]:
    """Return the place without the prefix's entry, merged when 15 are left, and the change in entries."""
    if isinstance(place, _Split):
        branch = _branch(int.from_bytes(prefix, "big"), depth)
        child, delta = _removed(place.children[branch], prefix, depth=depth + 1)
        _set_child(place, branch, child, delta)
        # The children stand in the order of their entries' prefixes, so a merged page needs no sorting.
        return (_page_of(place) if place.entries <= PAGE_ENTRIES_MAX else place), delta
    start = _find(place, prefix)
    if start < 0:
        return place, 0
    return place[:start] + place[start + ENTRY_BYTES :], -1


def _insertion_point(page: bytes, prefix: bytes) -> int:
    for start in range(0, len(page), ENTRY_BYTES):
        if page[start : start + PREFIX_BYTES] > prefix:
            return start
    return len(page)


def _shaped(page: bytes, *, depth: int) -> _Place:
    """Return a sorted page as it is, or as a split if it holds too many entries (rule 1)."""
    if len(page) <= _PAGE_BYTES_MAX or depth == _DEPTH_MAX:
        return page
    split = _Split()
    bounds = _branch_bounds(page, depth)
    for branch in range(16):
        part = page[bounds[branch] : bounds[branch + 1]]
        _set_child(split, branch, _shaped(part, depth=depth + 1), len(part) // ENTRY_BYTES)
    return split


def _branch_bounds(page: bytes, depth: int) -> list[int]:
    """Return where each of the 16 children's entries begin in a sorted page, and its end."""
    starts = range(0, len(page), ENTRY_BYTES)
    branches = [_branch(int.from_bytes(page[at : at + PREFIX_BYTES], "big"), depth) for at in starts]
    return [ENTRY_BYTES * bisect_left(branches, branch) for branch in range(17)]


def _set_child(split: _Split, branch: int, child: _Place, delta: int) -> None:
    split.children[branch] = child
    split.entries += delta
    start = 1 + 32 * branch
    split.preimage[start : start + 32] = _place_hash(child)


def _page_of(split: _Split) -> bytes:
    return b"".join([_page_of(child) if isinstance(child, _Split) else child for child in split.children])


def _place_hash(place: _Place) -> bytes:
    if isinstance(place, _Split):
        return sha256(place.preimage).digest()  # 0x03 || 16 child hashes
    return sha256(b"\x02" + place).digest() if place else _EMPTY_PAGE


def _split_siblings(split: _Split, branch: int) -> bytes:
    bitmap, siblings = 0, b""
    for sibling in range(16):
        value = bytes(split.preimage[1 + 32 * sibling : 33 + 32 * sibling])
        if sibling != branch and value != _EMPTY_PAGE:
            bitmap |= 1 << sibling
            siblings += value
    return bitmap.to_bytes(2, "big") + siblings


# --------------------------------------------------------------------------------------------- verifying


def verify_state_proof(*, root: bytes, key: bytes, value: bytes | None, proof: bytes) -> None:
    """Check that under `root` the key holds `value`, or nothing when it is `None`; raises `ProofError`.

    Accepts one encoding of each proof. Trusts the root alone: the page is bound to the key's own path.
    """
    prefix = sha256(key).digest()[:PREFIX_BYTES]
    path = int.from_bytes(prefix, "big")
    take = _reader(proof)
    bitmap = int.from_bytes(take(4), "big")
    splits = take(1)[0]
    if bitmap >> (3 * _LEVELS) or splits > _DEPTH_MAX:
        raise ProofError(f"state proof with an impossible head: bitmap {bitmap:#x}, {splits} splits")
    siblings = [take(32) if bitmap >> bit & 1 else None for bit in range(3 * _LEVELS)]
    branches = [_branch(path, depth) for depth in reversed(range(splits))]
    split_siblings = [_take_split(take, branch) for branch in branches]
    page = take(-1)
    _check_page(page, is_last_depth=splits == _DEPTH_MAX)
    computed = sha256(b"\x02" + page).digest() if page else _EMPTY_PAGE
    for branch, hashes in zip(branches, split_siblings, strict=True):
        computed = sha256(b"\x03" + b"".join(hashes[:branch]) + computed + b"".join(hashes[branch:])).digest()
    bucket = path >> (8 * PREFIX_BYTES - BUCKET_BITS)
    if _fold_levels(computed, bucket, siblings) != root:
        raise ProofError("state proof does not lead to the state root")
    _check_entry(page, prefix, key, value)


def _reader(proof: bytes) -> Callable[[int], bytes]:
    """Return a function that takes the next `count` bytes of a proof, or all that is left for -1."""
    position = 0

    def take(count: int) -> bytes:
        nonlocal position
        end = len(proof) if count < 0 else position + count
        if end > len(proof):
            raise ProofError(f"state proof ends after {len(proof)} bytes, where {end} were expected")
        taken, position = proof[position:end], end
        return taken

    return take


def _take_split(take: Callable[[int], bytes], branch: int) -> list[bytes]:
    """Return the 15 hashes beside the path through one split."""
    bitmap = int.from_bytes(take(2), "big")
    if bitmap >> branch & 1:
        raise ProofError("state proof lists the path's own child among its siblings")
    hashes = [take(32) if bitmap >> sibling & 1 else b"" for sibling in range(16)]
    if _EMPTY_PAGE in hashes:
        raise ProofError("state proof spells out an empty sibling")
    return [value or _EMPTY_PAGE for sibling, value in enumerate(hashes) if sibling != branch]


def _check_page(page: bytes, *, is_last_depth: bool) -> None:
    if len(page) % ENTRY_BYTES or (len(page) > _PAGE_BYTES_MAX and not is_last_depth):
        raise ProofError(f"state proof with a page of {len(page)} bytes")
    prefixes = [page[start : start + PREFIX_BYTES] for start in range(0, len(page), ENTRY_BYTES)]
    if any(first >= second for first, second in pairwise(prefixes)):
        raise ProofError("state proof with a page out of order")


def _fold_levels(computed: bytes, bucket: int, siblings: list[bytes | None]) -> bytes:
    index = bucket
    for height in range(_LEVELS):
        hashes = []
        for sibling in siblings[3 * height : 3 * height + 3]:
            if sibling == _EMPTY_AT[height]:
                raise ProofError("state proof spells out an empty sibling")
            hashes.append(sibling or _EMPTY_AT[height])
        hashes.insert(index & 3, computed)
        computed = sha256(b"\x01" + b"".join(hashes)).digest()
        index >>= 2
    return computed


def _check_entry(page: bytes, prefix: bytes, key: bytes, value: bytes | None) -> None:
    start = _find(page, prefix)
    if value is None:
        if start >= 0:
            raise ProofError(f"key {key.hex()} holds a value, and the proof was to show that it holds none")
        return
    if start < 0:
        raise ProofError(f"key {key.hex()} holds nothing under this root")
    leaf = sha256(b"\x00" + _U32.pack(len(key)) + key + value).digest()
    if page[start + PREFIX_BYTES : start + ENTRY_BYTES] != leaf[:LEAF_BYTES]:
        raise ProofError(f"key {key.hex()} holds another value under this root")
