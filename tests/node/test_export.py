import struct

import pytest

from tallystick.log.checkpoint import verify_checkpoint
from tallystick.log.tiles import decode_bundle, tile_hash_reader, tile_path
from tallystick.log.tree import tree_root
from tallystick.node.export import export_log, payload_path
from tallystick.node.faults import JournalCorrupt, NotFound
from tests.node.economy import LOG_KEY, Desk, create_ledger, genesis, open_ledger, tamper


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "test.tally"
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        desk.trade(400)
    return path


def files_of(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_an_export_is_the_log_as_static_files(path, tmp_path):
    folder = tmp_path / "export"
    told = []
    with open_ledger(path, read_only=True, log_key=None) as ledger:
        size = export_log(ledger, folder, progress=lambda done, whole: told.append((done, whole)))
        entries = [ledger.entry(index) for index in range(size)]
    assert told[-1] == (size, size)
    files = files_of(folder)
    width = size - 256
    assert 0 < width < 256
    assert sorted(files) == sorted(
        [
            "checkpoint",
            "genesis.json",
            "payload/000",
            f"payload/001.p/{width}",
            "tile/0/000",
            f"tile/0/001.p/{width}",
            "tile/1/000.p/1",
            "tile/entries/000",
            f"tile/entries/001.p/{width}",
        ]
    )
    assert files["genesis.json"] == genesis()
    leaves = decode_bundle(files["tile/entries/000"], width=256)
    leaves += decode_bundle(files[f"tile/entries/001.p/{width}"], width=width)
    assert leaves == [entry.leaf for entry in entries]
    assert payloads(files["payload/000"]) == [(entry.envelope, entry.receipt) for entry in entries[:256]]
    checkpoint = verify_checkpoint(files["checkpoint"], log_key=LOG_KEY.verifier)
    read_hash = tile_hash_reader(
        lambda level, index, width: files[tile_path(level=level, index=index, width=width)], tree_size=size
    )
    assert (checkpoint.tree_size, checkpoint.root) == (size, tree_root(read_hash, tree_size=size))


def payloads(data):
    parts, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_two_exports_of_one_log_are_the_same_bytes(path, tmp_path):
    with open_ledger(path) as ledger:
        export_log(ledger, tmp_path / "one")
        Desk(ledger, number=9000).trade(5)  # not covered by the checkpoint
        export_log(ledger, tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_payloads_lie_in_the_scheme_of_tiles():
    assert payload_path(index=1_234_067) == "payload/x001/x234/067"
    assert payload_path(index=0, width=9) == "payload/000.p/9"


def test_an_export_never_mixes_with_other_files_and_needs_a_checkpoint(path, tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "file").touch()
    with open_ledger(path) as ledger, pytest.raises(FileExistsError):
        export_log(ledger, folder)
    with create_ledger(tmp_path / "new.tally") as ledger, pytest.raises(NotFound):
        export_log(ledger, tmp_path / "none")


def test_a_damaged_entry_or_tile_is_not_exported(path, tmp_path):
    with open_ledger(path) as ledger:
        tamper(path, "UPDATE entry SET receipt = x'00' WHERE idx = 17")
        with pytest.raises(JournalCorrupt) as found:
            export_log(ledger, tmp_path / "one")
        assert found.value.index == 17
        assert not (tmp_path / "one" / "checkpoint").exists()
