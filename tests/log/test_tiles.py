import base64

import pytest

from tallystick.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from tallystick.log.leaf import EMPTY_ENVELOPE_HASH, EntryKind, Leaf, encode_leaf
from tallystick.log.note import parse_skey, parse_vkey
from tallystick.log.tiles import (
    TilePath,
    TileWriter,
    decode_bundle,
    encode_bundle,
    entries_path,
    parse_tile_path,
    tile_hash_reader,
    tile_path,
)
from tallystick.log.tree import (
    Frontier,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.shared_data import shared_json

# ------------------------------------------------------------------------------------------------ leaves

LEAF = Leaf(
    index=1,
    height=2,
    time_us=3,
    kind=EntryKind.ROOT,
    envelope_hash=EMPTY_ENVELOPE_HASH,
    receipt_hash=b"r" * 32,
)


def test_a_leaf_is_these_90_bytes():
    expected = "01" + "0000000000000001" + "0000000000000002" + "0000000000000003" + "03"
    expected += "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" + "72" * 32
    assert LEAF.encode().hex() == expected
    assert len(LEAF.encode()) == 90
    assert Leaf.decode(LEAF.encode()) == LEAF


def test_other_leaves_are_refused():
    data = LEAF.encode()
    for bad in (data[:-1], data + b"\0", b"\2" + data[1:], data[:25] + b"\4" + data[26:]):
        with pytest.raises(ValueError, match=r"leaf|EntryKind"):
            Leaf.decode(bad)
    facts = {"index": 2**64 - 1, "height": 0, "time_us": 0, "kind": 0, "receipt_hash": bytes(32)}
    assert len(encode_leaf(**facts, envelope_hash=bytes(32))) == 90
    with pytest.raises(ValueError, match="32 bytes"):
        encode_leaf(**facts, envelope_hash=bytes(31))
    with pytest.raises(ValueError, match="does not fit"):
        encode_leaf(**facts | {"index": 2**64}, envelope_hash=bytes(32))


# ------------------------------------------------------------------------------------------------- paths


def test_paths_of_the_specification():
    assert tile_path(level=0, index=1234067) == "tile/0/x001/x234/067"
    assert tile_path(level=1, index=0, width=17) == "tile/1/000.p/17"
    assert entries_path(index=1000, width=255) == "tile/entries/x001/000.p/255"
    assert parse_tile_path("tile/0/x001/x234/067") == TilePath(0, 1234067, 256)
    assert parse_tile_path("tile/entries/000.p/1") == TilePath(None, 0, 1)


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000", "tile/64/000", "tile/0/0", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256",
        "tile/0/000.p/01", "tile/0/000/", "/tile/0/000", "tile/entries/../000", "tile/0/٠٠٠", "tile/0/000\n",
    ],
)  # fmt: skip
def test_other_spellings_of_a_path_are_refused(path):
    assert parse_tile_path("tile/63/000.p/255") == TilePath(63, 0, 255)
    with pytest.raises(ValueError, match="tile"):
        parse_tile_path(path)


# ----------------------------------------------------------------------------------------------- bundles


def test_bundles_round_trip_and_refuse_what_does_not_fit():
    entries = [b"", b"one", b"x" * 65535]
    data = encode_bundle(entries)
    assert data[:7] == b"\0\0\0\3one"
    assert decode_bundle(data, width=3) == entries
    for bad, width in ((data[:-1], 3), (data + b"\0", 3), (data, 2), (data, 4), (b"", 1)):
        with pytest.raises(ValueError, match="bundle"):
            decode_bundle(bad, width=width)
    with pytest.raises(ValueError, match="65536"):
        encode_bundle([b"x" * 65536])
    with pytest.raises(ValueError, match=r"1\.\.256"):
        encode_bundle([b""] * 257)
    assert len(encode_bundle([b""] * 256)) == 512


# ------------------------------------------------------------------------------------- writing and reading


def written(sizes, writer=None, store=None):
    """Append to these sizes in turn; return the writer and everything stored."""
    writer, store = writer or TileWriter(), {} if store is None else store
    for size in sizes:
        for tile in writer.append([leaf_hash(b"%d" % n) for n in range(writer.tree_size, size)]):
            assert store.setdefault((tile.level, tile.index, tile.width), tile.data) == tile.data
    return writer, store


def read_from(store):
    return lambda level, index, width: store[level, index, width]


def test_70_000_entries_are_the_tiles_the_specification_counts():
    _, store = written([70_000])
    counts = {}
    for level, _, width in store:
        counts[level, width] = counts.get((level, width), 0) + 1
    assert counts == {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}
    frontier = Frontier()
    frontier.extend(leaf_hash(b"%d" % n) for n in range(70_000))
    read_hash = tile_hash_reader(read_from(store), tree_size=70_000)
    assert tree_root(read_hash, tree_size=70_000) == frontier.root()


def test_how_entries_are_batched_does_not_show_in_the_tiles():
    _, at_once = written([700])
    _, store = written([1, 3, 255, 256, 257, 511, 512, 700])
    assert {key: store[key] for key in at_once} == at_once
    _, first = written([300])
    resumed = TileWriter.resume(read_from(first), tree_size=300)
    _, later = written([700], writer=resumed, store=dict(first))
    assert {key: later[key] for key in at_once} == at_once


def test_proofs_out_of_tiles_verify_at_many_sizes():
    sizes = [1, 2, 255, 256, 257, 300, 512, 1000]
    _, store = written(sizes)
    roots = {}
    for size in sizes:
        read_hash = tile_hash_reader(read_from(store), tree_size=size)
        roots[size] = tree_root(read_hash, tree_size=size)
        for index in {0, size // 2, size - 1}:
            verify_inclusion(
                inclusion_proof(read_hash, leaf_index=index, tree_size=size),
                leaf=leaf_hash(b"%d" % index), leaf_index=index, tree_size=size, root=roots[size],
            )  # fmt: skip
        for old, old_root in roots.items():
            proof = consistency_proof(read_hash, old_size=old, new_size=size)
            facts = {"old_root": old_root, "new_root": roots[size]}
            verify_consistency(proof, old_size=old, new_size=size, **facts)


def test_a_full_tile_stands_in_for_a_partial_one_and_a_short_tile_does_not():
    _, store = written([100, 256])
    full = store[0, 0, 256]
    expected = tree_root(tile_hash_reader(read_from(store), tree_size=100), tree_size=100)
    assert tree_root(tile_hash_reader(lambda *_: full, tree_size=100), tree_size=100) == expected
    with pytest.raises(ProofError, match="not 100 hashes"):
        tree_root(tile_hash_reader(lambda *_: full[: 99 * 32], tree_size=100), tree_size=100)
    with pytest.raises(ValueError, match="not complete"):
        tile_hash_reader(lambda *_: full, tree_size=100)(7, 0)


# --------------------------------------------------------------------------------- somebody else's log


def test_the_tessera_log_comes_out_byte_for_byte(count_vectors):
    vectors = shared_json("log/tlog-tiles/tessera_log.json")
    files = {name: base64.b64decode(data) for name, data in vectors["files_base64"].items()}
    entries = [entry.encode() for entry in vectors["entries"]]
    signer, log_key = parse_skey(vectors["skey"]), parse_vkey(vectors["vkey"])
    ours, frontier, writer = {}, Frontier(), TileWriter()
    for size in range(len(entries) + 1):
        if size:
            leaf = leaf_hash(entries[size - 1])
            frontier.append(leaf)
            for tile in writer.append([leaf]):
                ours[tile_path(level=tile.level, index=tile.index, width=tile.width)] = tile.data
            ours[entries_path(index=0, width=size)] = encode_bundle(entries[:size])
        head = Checkpoint(origin=log_key.name, tree_size=size, root=frontier.root())
        ours[f"checkpoint.{size}"] = ours["checkpoint"] = sign_checkpoint(head, signer)
        assert verify_checkpoint(files[f"checkpoint.{size}"], log_key=log_key) == head
    assert ours == files
    count_vectors("files of the Tessera log", len(files))
    assert len(files) == 47  # 16 checkpoints, the latest again, 15 tiles, 15 bundles
