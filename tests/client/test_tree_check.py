import pytest

from tallystick.client.errors import ClientError
from tallystick.client.signatures import SignatureChecker, check_signatures
from tallystick.client.tree_check import GrowingTree
from tallystick.log.tiles import TileWriter
from tallystick.log.tree import Frontier, leaf_hash
from tests.client.histories import small_history


def test_the_root_equals_the_logs_own_at_every_size_to_a_thousand():
    tree, frontier = GrowingTree(), Frontier()
    for number in range(1_000):
        assert tree.root() == frontier.root()
        leaf = leaf_hash(b"%d" % number)
        tree.append(leaf)
        frontier.append(leaf)


@pytest.mark.long
def test_the_root_equals_the_logs_own_across_two_levels_of_tiles():
    tree, frontier = GrowingTree(), Frontier()
    for number in range(66_100):
        leaf = leaf_hash(b"%d" % number)
        tree.append(leaf)
        frontier.append(leaf)
        if number % 97 == 0 or number > 65_500:
            assert tree.root() == frontier.root()


def test_the_tiles_equal_the_logs_own():
    leaves = [leaf_hash(b"%d" % number) for number in range(1_400)]
    tree, found = GrowingTree(), {}
    for leaf in leaves:
        found |= {(level, index): b"".join(hashes) for level, index, hashes in tree.append(leaf)}
    found |= {(level, index): b"".join(hashes) for level, index, hashes in tree.edges()}
    assert found == {(tile.level, tile.index): tile.data for tile in TileWriter().append(leaves)}


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_signatures_are_counted_and_the_first_bad_one_is_named(processes):
    good = [(index, each.envelope) for index, each in enumerate(small_history().entries) if each.sender]
    assert check_signatures(good) == (7, None)
    checker = SignatureChecker(processes=processes)
    try:
        for _ in range(200):  # more than may wait at a time
            checker.submit(good)
        assert checker.drain() is None
        assert checker.signatures == 1_400
        checker.submit([(30, good[0][1]), (31, b"{}")])
        checker.submit([(21, good[0][1].replace(b'"sig":"', b'"sig":"AAAA'))])
        bad = checker.drain()
        assert bad.entry == 21
        assert "signature_invalid" in bad.what
    finally:
        checker.close()


def test_a_worker_that_dies_is_an_error_and_not_a_verdict():
    good = [(index, each.envelope) for index, each in enumerate(small_history().entries) if each.sender]
    checker = SignatureChecker(processes=1)
    checker._workers[0]._process.kill()

    def check():
        for _ in range(100):
            checker.submit(good)
        checker.drain()

    try:
        with pytest.raises(ClientError, match="signature process ended"):
            check()
    finally:
        checker.close()
