import base64
from functools import cache
from hashlib import sha256
from itertools import pairwise

import pytest

from tallystick.log.tree import (
    EMPTY_ROOT,
    Frontier,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.shared_data import shared_json

SIZE_MAX = 130
ENTRIES = [bytes([number]) for number in range(SIZE_MAX)]

# -------------------------------------------------------------- RFC 6962 §2.1 as written, over D[start:end]


def split(width):
    k = 1
    while 2 * k < width:
        k *= 2
    return k


@cache
def mth(start, end):
    if start == end:
        return sha256(b"").digest()
    if end - start == 1:
        return sha256(b"\0" + ENTRIES[start]).digest()
    k = start + split(end - start)
    return sha256(b"\1" + mth(start, k) + mth(k, end)).digest()


def path(m, start, end):
    if end - start == 1:
        return []
    k = split(end - start)
    if m < k:
        return [*path(m, start, start + k), mth(start + k, end)]
    return [*path(m - k, start + k, end), mth(start, start + k)]


def subproof(first, last, start, end, complete):
    """SUBTREE_SUBPROOF of [first, last) in D[start:end]; with first = 0 it is RFC 6962's SUBPROOF."""
    if (first, last) == (0, end - start):
        return [] if complete else [mth(start, end)]
    k = split(end - start)
    if last <= k:
        return [*subproof(first, last, start, start + k, complete), mth(start + k, end)]
    if k <= first:
        return [*subproof(first - k, last - k, start + k, end, complete), mth(start, start + k)]
    return [*subproof(0, last - k, start + k, end, False), mth(start, start + k)]


def read_hash(level, index, start=0):
    return mth(start + (index << level), start + ((index + 1) << level))


def reader(start):
    return lambda level, index: read_hash(level, index, start)


# -------------------------------------------------------------------------------------------- exhaustive


def test_every_root_to_size_130():
    frontier = Frontier()
    for size in range(SIZE_MAX + 1):
        assert frontier.root() == tree_root(read_hash, tree_size=size) == mth(0, size)
        assert Frontier(size, frontier.peaks).root() == mth(0, size)
        if size < SIZE_MAX:
            assert frontier.append(leaf_hash(ENTRIES[size])) == size


def test_every_inclusion_proof_to_size_130():
    count = 0
    for size in range(1, SIZE_MAX + 1):
        for index in range(size):
            proof = inclusion_proof(read_hash, leaf_index=index, tree_size=size)
            assert proof == path(index, 0, size)
            facts = {"leaf_index": index, "tree_size": size, "root": mth(0, size)}
            verify_inclusion(proof, leaf=leaf_hash(ENTRIES[index]), **facts)
            with pytest.raises(ProofError):
                verify_inclusion(proof, leaf=leaf_hash(b"other"), **facts)
            count += 1
    assert count == 8515


def test_every_consistency_proof_to_size_130():
    count = 0
    for new_size in range(1, SIZE_MAX + 1):
        for old_size in range(1, new_size + 1):
            proof = consistency_proof(read_hash, old_size=old_size, new_size=new_size)
            assert proof == subproof(0, old_size, 0, new_size, True)
            facts = {"old_size": old_size, "new_size": new_size}
            verify_consistency(proof, **facts, old_root=mth(0, old_size), new_root=mth(0, new_size))
            with pytest.raises(ProofError):
                verify_consistency(proof, **facts, old_root=leaf_hash(b"other"), new_root=mth(0, new_size))
            with pytest.raises(ProofError):
                verify_consistency(proof, **facts, old_root=mth(0, old_size), new_root=leaf_hash(b"other"))
            count += 1
    assert count == 8515


def test_every_proof_damaged_anywhere_is_refused_at_small_sizes():
    for size in range(1, 20):
        for number in range(1, size + 1):
            included = {"leaf": mth(number - 1, number), "leaf_index": number - 1, "tree_size": size}
            proof = path(number - 1, 0, size)
            verify_inclusion(proof, **included, root=mth(0, size))
            for bad in damaged(proof):
                with pytest.raises(ProofError):
                    verify_inclusion(bad, **included, root=mth(0, size))
            sizes = {"old_size": number, "new_size": size}
            roots = {"old_root": mth(0, number), "new_root": mth(0, size)}
            proof = subproof(0, number, 0, size, True)
            verify_consistency(proof, **sizes, **roots)
            for bad in damaged(proof):
                with pytest.raises(ProofError):
                    verify_consistency(bad, **sizes, **roots)


def damaged(proof):
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]
    for position, value in enumerate(proof):
        yield proof[:position] + proof[position + 1 :]
        yield [*proof[:position], value[:-1] + bytes([value[-1] ^ 1]), *proof[position + 1 :]]
        yield [*proof[:position], value[:-1], *proof[position + 1 :]]


def test_what_cannot_be_proved_is_a_value_error():
    assert inclusion_proof(read_hash, leaf_index=0, tree_size=1) == []
    assert consistency_proof(read_hash, old_size=1, new_size=1) == []
    for index, size in ((-1, 1), (1, 1), (0, 0)):
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_proof(read_hash, leaf_index=index, tree_size=size)
    for old_size, new_size in ((0, 1), (2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_proof(read_hash, old_size=old_size, new_size=new_size)


def test_a_frontier_needs_the_peaks_of_its_size():
    assert Frontier(3, [bytes(32)] * 2).tree_size == 3
    with pytest.raises(ValueError, match="1 peaks"):
        Frontier(3, [bytes(32)])
    with pytest.raises(ValueError, match="32 bytes"):
        Frontier(1, [bytes(31)])


def test_a_copied_frontier_is_independent():
    frontier = Frontier()
    frontier.extend(map(leaf_hash, ENTRIES[:5]))
    copy = frontier.copy()
    copy.append(leaf_hash(ENTRIES[5]))
    assert (frontier.root(), copy.root()) == (mth(0, 5), mth(0, 6))


# -------------------------------------------------------------------------------------- others' vectors


def test_reference_tree(count_vectors):
    vectors = shared_json("log/rfc6962/reference_tree.json")
    hashes = [leaf_hash(bytes.fromhex(entry)) for entry in vectors["leaf_inputs_hex"]]
    levels = vectors["node_hashes_hex_by_level"]
    assert [value.hex() for value in hashes] == levels[0]
    for size, root in enumerate(vectors["root_hashes_hex_by_size"], start=1):
        frontier = Frontier()
        frontier.extend(hashes[:size])
        assert frontier.root().hex() == root
    for lower, upper in pairwise(levels):
        pairs = zip(map(bytes.fromhex, lower[::2]), map(bytes.fromhex, lower[1::2]), strict=False)
        assert [node_hash(*pair).hex() for pair in pairs] == upper
    count_vectors("RFC 6962 reference tree, leaves", len(hashes))
    assert (len(hashes), len(levels)) == (8, 4)


def decoded(value):
    return [base64.b64decode(item) for item in value or []]


def accepts(verify, *arguments, **facts):
    try:
        verify(*arguments, **facts)
    except ProofError:
        return False
    return True


def test_inclusion_vectors(count_vectors):
    cases = shared_json("log/rfc6962/inclusion.json")["cases"]
    verdicts = [
        accepts(
            verify_inclusion,
            decoded(case["proof"]),
            leaf=base64.b64decode(case["leafHash"] or ""),
            leaf_index=case["leafIdx"],
            tree_size=case["treeSize"],
            root=base64.b64decode(case["root"] or ""),
        )
        for case in cases
    ]
    assert verdicts == [not case["wantErr"] for case in cases]
    count_vectors("RFC 6962 inclusion proofs", len(verdicts), "6 of them valid")
    assert (len(verdicts), sum(verdicts)) == (98, 6)


def test_consistency_vectors(count_vectors):
    cases = shared_json("log/rfc6962/consistency.json")["cases"]
    verdicts = [
        accepts(
            verify_consistency,
            decoded(case["proof"]),
            old_size=case["size1"],
            new_size=case["size2"],
            old_root=base64.b64decode(case["root1"] or ""),
            new_root=base64.b64decode(case["root2"] or ""),
        )
        for case in cases
    ]
    assert verdicts == [not case["wantErr"] for case in cases]
    count_vectors("RFC 6962 consistency proofs", len(verdicts), "6 of them valid")
    assert (len(verdicts), sum(verdicts)) == (98, 6)


def test_google_ct_vectors_with_a_real_certificate():
    vectors = shared_json("log/rfc6962/google_ct.json")
    assert vectors["empty_root"] == EMPTY_ROOT.hex()
    for case in vectors["leaf_hashes"]:
        assert leaf_hash(bytes.fromhex(case["leaf_hex"])).hex() == case["hash"]
    for case in vectors["node_hashes"]:
        assert node_hash(bytes.fromhex(case["left"]), bytes.fromhex(case["right"])).hex() == case["hash"]
    frontier = Frontier()
    for entry, root in zip(vectors["tree_leaves_hex"], vectors["tree_roots_size_1_to_8"], strict=True):
        frontier.append(leaf_hash(bytes.fromhex(entry)))
        assert frontier.root().hex() == root
    for case in vectors["consistency"]:
        verify_consistency(
            [bytes.fromhex(value) for value in case["proof"]],
            old_size=case["size1"],
            new_size=case["size2"],
            old_root=bytes.fromhex(case["root1"]),
            new_root=bytes.fromhex(case["root2"]),
        )
    real = vectors["real_ct_inclusion"]
    assert leaf_hash(bytes.fromhex(real["leaf_hex"])).hex() == real["leaf_hash"]
    verify_inclusion(
        [bytes.fromhex(value) for value in real["audit_path"]],
        leaf=bytes.fromhex(real["leaf_hash"]),
        leaf_index=real["leaf_index"],
        tree_size=real["tree_size"],
        root=bytes.fromhex(real["root"]),
    )
    counts = [len(vectors[name]) for name in ("leaf_hashes", "node_hashes", "tree_leaves_hex", "consistency")]
    assert (counts, frontier.tree_size) == ([2, 1, 8, 4], 8)


def is_subtree(start, end):
    width = end - start
    return start <= end and (start in {0, end} or start % (1 << (width - 1).bit_length()) == 0)


def published_rolling_hash(name):
    return shared_json("log/rfc6962/subtree_rolling.json")["rolling_sha256"][name]["sha256"]


def hexes(values):
    return "".join(f" {value.hex()}" for value in values)


def test_rolling_vectors_of_subtree_hashes(count_vectors):
    rolling, count = sha256(), 0
    for end in range(SIZE_MAX + 1):
        for start in range(end + 1):
            if is_subtree(start, end):
                root = tree_root(reader(start), tree_size=end - start)
                rolling.update(f"[{start}, {end}) {root.hex()}\n".encode())
                count += 1
    expected = published_rolling_hash("subtree_hash")
    count_vectors("subtree hashes under one published hash", count)
    assert (rolling.hexdigest(), count) == (expected, 712)


def test_rolling_vectors_of_inclusion_proofs(count_vectors):
    rolling, count = sha256(), 0
    for end in range(SIZE_MAX + 1):
        for start in range(end + 1):
            for index in range(start, end if is_subtree(start, end) else start):
                proof = inclusion_proof(reader(start), leaf_index=index - start, tree_size=end - start)
                rolling.update(f"{index} [{start}, {end}){hexes(proof)}\n".encode())
                count += 1
    expected = published_rolling_hash("subtree_inclusion")
    count_vectors("subtree inclusion proofs under one published hash", count)
    assert (rolling.hexdigest(), count) == (expected, 12807)


def test_rolling_vectors_of_consistency_proofs():
    rolling, count = sha256(), 0
    for size in range(SIZE_MAX + 1):
        for end in range(size + 1):
            for start in range(end + 1):
                if not is_subtree(start, end):
                    continue
                if start == end:
                    proof = []
                elif start == 0:  # an ordinary consistency proof: ours
                    proof = consistency_proof(read_hash, old_size=end, new_size=size)
                    count += 1
                else:
                    proof = subproof(start, end, 0, size, True)
                rolling.update(f"[{start}, {end}) {size}{hexes(proof)}\n".encode())
    expected = published_rolling_hash("subtree_consistency")
    assert (rolling.hexdigest(), count) == (expected, 8515)
