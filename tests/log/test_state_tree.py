import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.log import state_tree
from tallystick.log.state_tree import EMPTY_STATE_ROOT, StateTree, verify_state_proof
from tallystick.log.tree import ProofError

# ---------------------------------------------------------------- the definition, naively and recursively


def key_hash(key):
    return state_tree.sha256(key).digest()  # the stub of `crowded`, where a test asks for it


def bits_of(key):
    return f"{int.from_bytes(key_hash(key), 'big'):0256b}"


def entry_of(key, value):
    leaf = sha256(b"\0" + len(key).to_bytes(4, "big") + key + value).digest()
    return key_hash(key)[:16] + leaf[:24]


def place_hash(items, used_bits):
    if not items:
        return bytes(32)
    if len(items) <= 15 or used_bits == 126:
        return sha256(b"\2" + b"".join(sorted(entry_of(*item) for item in items))).digest()
    children = [place_hash(part, used_bits + 4) for part in parts(items, used_bits, 4)]
    return sha256(b"\3" + b"".join(children)).digest()


def parts(items, used_bits, count):
    names = [f"{number:0{count}b}" for number in range(1 << count)]
    return [[i for i in items if bits_of(i[0])[used_bits : used_bits + count] == name] for name in names]


def naive_root(state, _empty={}):  # noqa: B006 - a cache of the empty subtrees
    def node(items, used_bits):
        if not items and used_bits in _empty:
            return _empty[used_bits]
        if used_bits == 18:
            return place_hash(items, 18)
        children = [node(part, used_bits + 2) for part in parts(items, used_bits, 2)]
        computed = sha256(b"\1" + b"".join(children)).digest()
        if not items:
            _empty[used_bits] = computed
        return computed

    for level in (18, 16, 14, 12, 10, 8, 6, 4, 2, 0):
        node([], level)
    return node(list(state.items()), 0)


@pytest.fixture
def crowded(monkeypatch):
    """Make sha256(key) begin with the key's own bytes, so that tests choose buckets as a grinder would."""

    class Chosen:
        def __init__(self, data):
            self.data = bytes(data)

        def digest(self):
            if self.data[:1] in {b"\0", b"\1", b"\2", b"\3"} or len(self.data) < 8:
                return sha256(self.data).digest()
            return (self.data + sha256(self.data).digest())[:32]

    monkeypatch.setattr(state_tree, "sha256", Chosen)


# ----------------------------------------------------------------------------------------------- the root


def test_the_empty_root_and_a_small_root_are_these_bytes():
    assert StateTree().root == EMPTY_STATE_ROOT == naive_root({})
    assert EMPTY_STATE_ROOT.hex() == "807e0015af5980fc018c5ca52330eb7a8ff8f2a15bfd262741cbfe6b93019748"
    small = StateTree.build([(b"a", b"1"), (b"b", b"2")]).root.hex()
    assert small == "f8b9d492af3f394ba6e385dec4da4d5e6f57935af1ca4cba9e3a521f2a0ac3d3"


keys = st.integers(0, 40).map(lambda number: b"key%d" % number)
changes = st.dictionaries(keys, st.one_of(st.none(), st.binary(max_size=3)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(st.lists(changes, max_size=6))
def test_any_history_gives_the_root_of_its_outcome(history):
    tree, state = StateTree(), {}
    for batch in history:
        tree.update(batch)
        state.update(batch)
        state = {key: value for key, value in state.items() if value is not None}
    assert tree.root == naive_root(state) == StateTree.build(state.items()).root
    assert len(tree) == len(state)


@pytest.mark.parametrize("seed", range(4))
def test_crowded_buckets_split_and_merge_to_the_shape_of_a_fresh_build(crowded, seed):
    rng = random.Random(seed)
    universe = [b"\xab\xcd\xc0" + rng.randbytes(1) * rng.randint(0, 3) + rng.randbytes(8) for _ in range(120)]
    tree, state = StateTree(), {}
    for _ in range(30):
        batch = {key: rng.choice([None, b"x", b"yy"]) for key in rng.sample(universe, rng.randint(1, 30))}
        tree.update(batch)
        state.update(batch)
        state = {key: value for key, value in state.items() if value is not None}
        assert tree.root == StateTree.build(state.items()).root
        assert len(tree) == len(state)
    for key in universe:
        verify_state_proof(root=tree.root, key=key, value=state.get(key), proof=tree.prove(key))
    tree.update(dict.fromkeys(universe))
    assert tree.root == EMPTY_STATE_ROOT


def test_crowded_buckets_agree_with_the_naive_definition(crowded):
    rng = random.Random(7)
    state = {b"\xab\xcd\xc0" + rng.randbytes(8): b"v%d" % n for n in range(100)}
    assert StateTree.build(state.items()).root == naive_root(state)


def test_fifteen_keys_are_a_page_and_sixteen_a_split(crowded):
    crowd = [b"\xab\xcd" + bytes([0xC0 | n << 2]) + b"rest-of-key" for n in range(16)]
    tree = StateTree.build((key, b"v") for key in crowd[:15])
    bucket = int.from_bytes(b"\xab\xcd\xc0", "big") >> 6
    assert len(tree._places[bucket]) == 15 * 40
    page_root = tree.root
    tree.update({crowd[15]: b"v"})
    assert isinstance(tree._places[bucket], state_tree._Split)
    tree.update({crowd[15]: None})
    assert tree.root == page_root
    assert len(tree._places[bucket]) == 15 * 40


def test_a_page_at_the_last_depth_grows_instead_of_splitting(crowded):
    same = b"\xab" * 15 + b"\xa8"
    crowd = [same[:15] + bytes([same[15] + n % 4]) + bytes([n]) for n in range(4)]
    tree = StateTree.build((key, b"v") for key in crowd)
    assert tree.entries == 4
    place = b"".join(bytes([n]) * 40 for n in range(16))
    assert state_tree._shaped(place, depth=27) == place
    assert isinstance(state_tree._shaped(place, depth=26), state_tree._Split)


def test_deleting_what_is_absent_changes_nothing():
    tree = StateTree.build([(b"a", b"1")])
    before = tree.root
    tree.update({b"b": None})
    assert (tree.root, len(tree)) == (before, 1)
    tree.update([(b"b", b"2"), (b"b", None)])
    assert (tree.root, len(tree)) == (before, 1)


def test_build_refuses_a_key_twice():
    StateTree.build([(b"a", b"1"), (b"b", b"1")])
    with pytest.raises(ValueError, match="two entries for the key hash"):
        StateTree.build([(b"a", b"1"), (b"a", b"2")])


def test_a_leaf_hash_that_contains_a_prefix_is_not_mistaken_for_an_entry():
    prefix = b"P" * 16
    entry = b"A" * 16 + b"x" * 4 + prefix + b"y" * 4
    assert state_tree._find(entry, prefix) == -1
    assert state_tree._find(entry + prefix + b"z" * 24, prefix) == 40


# ---------------------------------------------------------------------------------------------- the proofs


@pytest.fixture(scope="module")
def large():
    return StateTree.build((b"key%d" % number, b"v%d" % number) for number in range(20_000))


def test_presence_and_absence_verify_and_their_opposites_do_not(large):
    for number in range(0, 20_000, 997):
        key, value = b"key%d" % number, b"v%d" % number
        proof = large.prove(key)
        verify_state_proof(root=large.root, key=key, value=value, proof=proof)
        for false in (None, b"", value + b"0"):
            with pytest.raises(ProofError):
                verify_state_proof(root=large.root, key=key, value=false, proof=proof)
        absent = b"absent%d" % number
        proof = large.prove(absent)
        verify_state_proof(root=large.root, key=absent, value=None, proof=proof)
        with pytest.raises(ProofError, match="holds nothing"):
            verify_state_proof(root=large.root, key=absent, value=b"1", proof=proof)


def test_a_proof_of_another_key_or_root_is_refused(large):
    proof = large.prove(b"key1")
    verify_state_proof(root=large.root, key=b"key1", value=b"v1", proof=proof)
    with pytest.raises(ProofError, match="does not lead"):
        verify_state_proof(root=large.root, key=b"key2", value=b"v2", proof=proof)
    with pytest.raises(ProofError, match="does not lead"):
        verify_state_proof(root=EMPTY_STATE_ROOT, key=b"key1", value=b"v1", proof=proof)


def test_every_changed_byte_and_every_truncation_is_refused(large):
    proof = large.prove(b"key1")
    for position in range(len(proof)):
        altered = bytearray(proof)
        altered[position] ^= 1
        for bad in (bytes(altered), proof[:position]):
            with pytest.raises(ProofError):
                verify_state_proof(root=large.root, key=b"key1", value=b"v1", proof=bad)
    with pytest.raises(ProofError, match="page of"):
        verify_state_proof(root=large.root, key=b"key1", value=b"v1", proof=proof + b"\0")


def test_every_changed_byte_of_a_split_proof_is_refused(crowded):
    crowd = [b"\xab\xcd" + bytes([0xC0 | n % 16 << 2]) + b"rest-%02d" % n for n in range(40)]
    tree = StateTree.build((key, b"v") for key in crowd)
    proof = tree.prove(crowd[3])
    verify_state_proof(root=tree.root, key=crowd[3], value=b"v", proof=proof)
    assert proof[4] == 1
    for position in range(len(proof)):
        altered = bytearray(proof)
        altered[position] ^= 1
        with pytest.raises(ProofError):
            verify_state_proof(root=tree.root, key=crowd[3], value=b"v", proof=bytes(altered))


def test_an_empty_sibling_spelt_out_is_refused():
    tree = StateTree.build([(b"a", b"1")])
    proof = tree.prove(b"a")
    verify_state_proof(root=tree.root, key=b"a", value=b"1", proof=proof)
    assert len(proof) == 4 + 1 + 40
    with pytest.raises(ProofError, match="spells out"):
        verify_state_proof(root=tree.root, key=b"a", value=b"1", proof=b"\0\0\0\1\0" + bytes(32) + proof[5:])


def test_a_page_out_of_order_is_refused():
    two = b"B" * 40 + b"A" * 40
    with pytest.raises(ProofError, match="out of order"):
        state_tree._check_page(two, is_last_depth=False)
    state_tree._check_page(b"A" * 40 + b"B" * 40, is_last_depth=False)
    with pytest.raises(ProofError, match="page of 640 bytes"):
        state_tree._check_page(b"".join(bytes([n]) * 40 for n in range(16)), is_last_depth=False)
    state_tree._check_page(b"".join(bytes([n]) * 40 for n in range(16)), is_last_depth=True)


def test_ground_keys_swell_a_proof_by_the_logarithm_of_their_number(crowded):
    # A grinder's crowd, all in one bucket: 256 times the keys cost two more splits of at most 482 bytes.
    sizes = {}
    for count in (15, 240, 3840, 61_440):
        rng = random.Random(count)
        crowd = [b"\xab\xcd\xc0" + rng.randbytes(10) for _ in range(count)]
        tree = StateTree.build((key, b"v") for key in crowd)
        sizes[count] = max(len(tree.prove(key)) for key in crowd[:400])
        assert tree.prove(crowd[0])[4] <= 5
    assert sizes[15] == 4 + 1 + 15 * 40
    assert sizes[240] <= sizes[15] + 482
    assert sizes[3840] <= sizes[15] + 3 * 482
    assert sizes[61_440] <= sizes[15] + 4 * 482


@pytest.mark.long
def test_at_two_million_keys_no_proof_exceeds_1500_bytes():
    tree = StateTree.build((number.to_bytes(8, "big"), b"v") for number in range(2_000_000))
    assert len(tree) == 2_000_000

    def longest(place):
        if isinstance(place, bytes):
            return len(place)
        siblings = sum(1 for child in place.children if child)
        return max(longest(child) + 2 + 32 * (siblings - bool(child)) for child in place.children)

    assert max(4 + 1 + 27 * 32 + longest(place) for place in tree._places) <= 1500
