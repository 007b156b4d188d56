"""The Merkle tree of RFC 6962: a list that can only grow, summed up in 32 bytes.

The root commits to every entry and to their order. An inclusion proof shows that an entry is in the list; a
consistency proof shows that a longer list begins with a shorter one, which is what "append-only" means to
somebody who kept nothing but an old root. Both are at most 2·log2(n) hashes.

The rule that must hold: leaves and nodes are hashed under different first bytes, so that no node can be
passed off as an entry. Verifiers raise `ProofError`; nothing here returns a verdict that could be ignored.

Only hashes of *complete* subtrees are ever stored or read, addressed `(level, index)`: the subtree over the
entries `[index << level, (index + 1) << level)`. Those never change once written, so they can be cached
for ever; the ragged right edge is recomputed. Refused: a tree object holding all nodes, which would tie
proofs to one process's memory; a proof here asks a callable for a hash, and tiles, a dictionary or a file
answer it.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = sha256(b"").digest()  # RFC 6962 §2.1: MTH({}) = SHA-256()

HashReader: TypeAlias = Callable[[int, int], bytes]
"""`(level, index)` to the hash of that complete subtree; level 0 holds the leaf hashes."""


class ProofError(ValueError):
    """A proof does not show what it claims; the message says which check failed and with which numbers."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry."""
    return sha256(b"\x00" + entry).digest()  # RFC 6962 §2.1: MTH({d(0)}) = SHA-256(0x00 || d(0))


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees, the left one complete."""
    return sha256(b"\x01" + left + right).digest()  # RFC 6962 §2.1: SHA-256(0x01 || MTH || MTH)


class Frontier:
    """The right edge of a growing tree: enough to append and to name the root, in O(log n) space.

    `peaks` are the roots of the complete subtrees whose sizes are the ones in `tree_size`'s binary
    notation, largest first. They are the whole state: write them down, and a log resumes from them.
    """

    __slots__ = ("_peaks", "tree_size")

    def __init__(self, tree_size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if tree_size < 0 or len(peaks) != tree_size.bit_count():
            raise ValueError(f"{len(peaks)} peaks do not describe a tree of {tree_size} leaves")
        if any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"a peak is a hash of {HASH_BYTES} bytes")
        self.tree_size = tree_size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> int:
        """Add one leaf hash and return its index."""
        index = remaining = self.tree_size
        peaks = self._peaks
        while remaining & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()  # RFC 6962 §2.1, inlined: the hot path
            remaining >>= 1
        peaks.append(leaf)
        self.tree_size = index + 1
        return index

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add many leaf hashes, in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the tree's root, folding the peaks from the right."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)  # RFC 6962 §2.1: the split leaves the complete subtree on the left
        return root

    def copy(self) -> "Frontier":
        """Return an independent frontier of the same tree."""
        return Frontier(self.tree_size, self._peaks)


# ----------------------------------------------------------------------------------------------- proving


def tree_root(read_hash: HashReader, *, tree_size: int) -> bytes:
    """Return the root of the first `tree_size` leaves."""
    return _range_root(read_hash, 0, tree_size) if tree_size else EMPTY_ROOT


def inclusion_proof(read_hash: HashReader, *, leaf_index: int, tree_size: int) -> list[bytes]:
    """Return the audit path of a leaf, from its sibling up (RFC 6962 §2.1.1: PATH(m, D[n]))."""
    if not 0 <= leaf_index < tree_size:
        raise ValueError(f"leaf {leaf_index} is not in a tree of {tree_size} leaves")
    path = []
    start, end = 0, tree_size
    while end - start > 1:
        middle = start + _split(end - start)
        if leaf_index < middle:  # PATH(m, D[0:k]) : MTH(D[k:n])
            path.append(_range_root(read_hash, middle, end))
            end = middle
        else:  # PATH(m - k, D[k:n]) : MTH(D[0:k])
            path.append(_range_root(read_hash, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(read_hash: HashReader, *, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that the new tree begins with the old one (RFC 6962 §2.1.2: PROOF(m, D[n])).

    Empty when the sizes are equal. Nothing is consistent with the empty tree: `old_size` is positive.
    """
    if not 0 < old_size <= new_size:
        raise ValueError(f"no consistency proof from size {old_size} to size {new_size}")
    path = []
    start, end = 0, new_size
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:  # SUBPROOF(m, D[0:k], b) : MTH(D[k:n])
            path.append(_range_root(read_hash, middle, end))
            end = middle
        else:  # SUBPROOF(m - k, D[k:n], false) : MTH(D[0:k])
            path.append(_range_root(read_hash, start, middle))
            start = middle
    if start:  # SUBPROOF(m, D[m], false) = {MTH(D[m])}; with true the verifier has that root already
        path.append(_range_root(read_hash, start, end))
    return path[::-1]


def _range_root(read_hash: HashReader, start: int, end: int) -> bytes:
    """Return MTH(D[start:end]) of a range that the RFC's recursion can reach."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return read_hash(level, start >> level)
    middle = start + _split(width)
    return node_hash(_range_root(read_hash, start, middle), _range_root(read_hash, middle, end))


def _split(width: int) -> int:
    """Return k, the largest power of two smaller than `width` (RFC 6962 §2.1)."""
    return 1 << ((width - 1).bit_length() - 1)


# --------------------------------------------------------------------------------------------- verifying


def verify_inclusion(
    proof: Sequence[bytes], *, leaf: bytes, leaf_index: int, tree_size: int, root: bytes
) -> None:
    """Check that the leaf hash stands at `leaf_index` of the tree with this root (RFC 9162 §2.1.3.2)."""
    _check_hashes(proof, leaf, root)
    if not 0 <= leaf_index < tree_size:
        raise ProofError(f"leaf {leaf_index} is not in a tree of {tree_size} leaves")
    position, last = leaf_index, tree_size - 1
    computed = leaf
    for sibling in proof:
        if last == 0:
            raise ProofError(f"inclusion proof of {len(proof)} hashes is too long for size {tree_size}")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise ProofError(f"inclusion proof of {len(proof)} hashes is too short for size {tree_size}")
    if computed != root:
        raise ProofError(f"leaf {leaf_index} is not under this root of size {tree_size}")


def verify_consistency(
    proof: Sequence[bytes], *, old_size: int, new_size: int, old_root: bytes, new_root: bytes
) -> None:
    """Check that the new tree begins with the old one (RFC 9162 §2.1.4.2).

    Sizes and lengths come first: the RFC's loop alone would accept a proof from size 0, which shows nothing.
    """
    if not 0 < old_size <= new_size:
        raise ProofError(f"no consistency between size {old_size} and size {new_size}")
    if old_size == new_size:
        if proof:
            raise ProofError(f"a consistency proof between equal sizes is empty, not {len(proof)} hashes")
        if old_root != new_root:
            raise ProofError(f"two different roots of size {new_size}")
        return
    _check_hashes(proof, old_root, new_root)
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # step 2: a complete old tree is itself the first node
        path.insert(0, old_root)
    if not path:
        raise ProofError(f"empty consistency proof from size {old_size} to size {new_size}")
    old_computed, new_computed = _fold_consistency(path, old_size=old_size, new_size=new_size)
    if old_computed != old_root:
        raise ProofError(f"the old root is not a prefix of the tree of size {new_size}")
    if new_computed != new_root:
        raise ProofError(f"the new root does not extend the tree of size {old_size}")


def _fold_consistency(path: Sequence[bytes], *, old_size: int, new_size: int) -> tuple[bytes, bytes]:
    position, last = old_size - 1, new_size - 1
    while position & 1:  # step 4: skip the levels on which both trees have the same right edge
        position >>= 1
        last >>= 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:  # step 6
        if last == 0:
            raise ProofError(f"consistency proof from {old_size} to {new_size} is too long")
        if position & 1 or position == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_computed = node_hash(new_computed, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise ProofError(f"consistency proof from {old_size} to {new_size} is too short")
    return old_computed, new_computed


def _check_hashes(proof: Sequence[bytes], *others: bytes) -> None:
    for value in (*proof, *others):
        if len(value) != HASH_BYTES:
            raise ProofError(f"a hash has {HASH_BYTES} bytes, not {len(value)}")
