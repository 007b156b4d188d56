import random
import sqlite3
import subprocess
import sys
import tarfile
from dataclasses import replace

import pytest

from tallystick.client.errors import ClientError
from tallystick.client.sources import SourceError, open_source
from tallystick.client.verifier import VerificationFailed, verify
from tallystick.crypto import sha256
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.transactions import decode_envelope, encode_envelope
from tallystick.log.leaf import EntryKind, Leaf, encode_leaf
from tallystick.log.note import Algorithm, SigningKey
from tests.client.histories import long_history, pay, small_history
from tests.client.memory import LOG_KEY, Entry, seed, signer


@pytest.fixture(scope="module")
def history():
    return small_history()


@pytest.fixture(scope="module")
def long():
    return long_history(2_500)


def verify_path(path, **options):
    with open_source(path) as source:
        return verify(source, **options)


def first_wrong(path, **options):
    with pytest.raises(VerificationFailed) as failed:
        verify_path(path, **options)
    assert str(failed.value).startswith(f"entry {failed.value.index}: ")
    return failed.value.index


# ------------------------------------------------------------------------------------- what is right


def test_a_true_history_verifies_from_a_file_an_export_and_an_archive(history, tmp_path):
    file = history.write_file(tmp_path / "a.tally")
    folder = history.write_export(tmp_path / "export")
    with tarfile.open(tmp_path / "plain.tar", "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
    with tarfile.open(tmp_path / "inside.tar.gz", "w:gz") as tar:
        tar.add(folder, "log-of-today")

    whole = verify_path(file)
    assert (whole.entries, whole.transactions, whole.signatures, whole.batches) == (10, 6, 7, 6)
    assert (whole.accounts, whole.assets, whole.checkpoints) == (4, 1, 2)
    assert (whole.checkpoint_size, whole.uncovered) == (9, 1)
    assert whole.tree_root == history.root()
    assert whole.state_root == history.state_tree.root
    assert whole.ledger_id == history.ledger_id
    assert [Leaf.decode(entry.leaf).kind.name for entry in history.entries] == [
        *("GENESIS", "TRANSACTION", "TRANSACTION", "TRANSACTION", "ROOT"),
        *("TRANSACTION", "TIMERS", "TRANSACTION", "ROOT", "TRANSACTION"),
    ]
    for path in (folder, tmp_path / "plain.tar", tmp_path / "inside.tar.gz"):
        verdict = verify_path(path)
        assert (verdict.entries, verdict.uncovered, verdict.tiles) == (9, 0, 1)
        assert verdict.state_root == whole.state_root


def test_the_sentence_says_what_was_proven_and_what_was_not(history, tmp_path):
    file = history.write_file(tmp_path / "a.tally")
    said = verify_path(file).sentence()
    assert "10 entries in 6 batches" in said
    assert "7 signatures" in said
    assert "the newest signs 9 entries; the last 1 are not signed yet" in said
    assert "the log named its own key" in said
    assert "\n" not in said
    pinned = verify_path(file, log_key=LOG_KEY.verifier.vkey, ledger_id=history.ledger_id)
    assert pinned.sentence().endswith("ledger id and log key as you gave them")
    assert "NO signatures" in verify_path(file, check_signatures=False).sentence()
    bare = small_history()
    bare.checkpoints.clear()
    assert "no checkpoint signs this history" in verify_path(bare.write_file(tmp_path / "b.tally")).sentence()


def test_other_processes_come_to_the_same_verdict(long, tmp_path):
    file = long.write_file(tmp_path / "a.tally")
    seen = []
    apart = verify_path(file, progress=lambda done, total: seen.append((done, total)))
    assert apart == verify_path(file, processes=0)
    assert apart.entries == len(long.entries)
    assert apart.transactions == apart.signatures - 1 == 2_506
    assert apart.tiles == len(long.tiles(long.checkpoints[-1][0])) == 9  # 7 and a part, and a part of level 1
    assert seen[-1] == (apart.entries, apart.entries)
    assert seen == sorted(seen)


def test_pins_are_held_against_the_log(history, tmp_path):
    file = history.write_file(tmp_path / "a.tally")
    other = SigningKey(name=LOG_KEY.name, algorithm=Algorithm.ED25519, seed=seed("other log"))
    assert first_wrong(file, log_key=other.verifier.vkey) == 0
    assert first_wrong(file, ledger_id="0" * 64) == 0
    with pytest.raises(ClientError, match="the log key given is none"):
        verify_path(file, log_key="nonsense")


# --------------------------------------------------------------- one byte, anywhere, is found and named


EVERY = pytest.mark.parametrize("step", [31, pytest.param(1, marks=pytest.mark.long)])
"""Each byte in the full run; in the fast one some of each field, for 31 divides none of their widths."""


def changed(data, at, by=1):
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]


def rewrite(path, statement, *values):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA synchronous=OFF")
        assert db.execute(statement, values).rowcount == 1
    db.close()


@EVERY
def test_every_byte_of_every_leaf_is_checked(history, tmp_path, step):
    file = history.write_file(tmp_path / "a.tally")
    for index, entry in enumerate(history.entries):
        for at in range(0, len(entry.leaf), step):
            rewrite(file, "UPDATE entry SET leaf = ? WHERE idx = ?", changed(entry.leaf, at), index)
            assert first_wrong(file) == index
        rewrite(file, "UPDATE entry SET leaf = ? WHERE idx = ?", entry.leaf, index)


@EVERY
@pytest.mark.parametrize("column", ["envelope", "receipt"])
def test_every_byte_of_every_payload_is_checked(history, tmp_path, column, step):
    file = history.write_file(tmp_path / "a.tally")
    for index, entry in enumerate(history.entries):
        data = getattr(entry, column)
        for at in range(0, len(data), step):
            rewrite(file, f"UPDATE entry SET {column} = ? WHERE idx = ?", changed(data, at), index)
            assert first_wrong(file) == index
        for wrong in (data + b"\0", data[:-1], b"", b"{}"):
            if wrong != data:
                rewrite(file, f"UPDATE entry SET {column} = ? WHERE idx = ?", wrong, index)
                assert first_wrong(file) == index
        rewrite(file, f"UPDATE entry SET {column} = ? WHERE idx = ?", data, index)
    assert verify_path(file).entries == 10


def test_names_types_and_places_of_rows_are_checked(history, tmp_path):
    file = history.write_file(tmp_path / "a.tally")
    whole = file.read_bytes()
    for index, entry in enumerate(history.entries):
        updates = [
            ("idx", 1_000),
            ("idx", -1),
            ("sender", "mallory"),
            ("id", "01a0c450-0000-7000-8000-000000000000"),
            ("sender", 7),
            ("sender", None if entry.sender else ""),
            ("leaf", "text"),
            ("leaf", b""),
            ("envelope", entry.envelope.decode()),
            ("receipt", 7),
        ]
        for column, value in updates:
            file.write_bytes(whole)
            rewrite(file, f"UPDATE entry SET {column} = ? WHERE idx = ?", value, index)
            expected = 0 if value == -1 else index  # a row before entry 0 is noticed first
            assert first_wrong(file) == expected, (column, value)


@EVERY
def test_every_byte_of_genesis_checkpoints_and_tiles_is_checked(history, tmp_path, step):
    file = history.write_file(tmp_path / "a.tally")
    for at in range(0, len(history.genesis), step):
        rewrite(file, "UPDATE meta SET value = ? WHERE key = 'genesis'", changed(history.genesis, at))
        assert first_wrong(file) == 0
    rewrite(file, "UPDATE meta SET value = ? WHERE key = 'genesis'", history.genesis)
    for size, note in history.checkpoints:
        for at in range(0, len(note), step):
            rewrite(file, "UPDATE checkpoint SET note = ? WHERE size = ?", changed(note, at), size)
            assert first_wrong(file) == size - 1
        rewrite(file, "UPDATE checkpoint SET note = ? WHERE size = ?", note, size)
    (tile,) = history.tiles(9)
    for at in range(0, len(tile.data), step):
        rewrite(file, "UPDATE tile SET data = ?", changed(tile.data, at))
        assert first_wrong(file) == at // 32
    rewrite(file, "UPDATE tile SET data = ?", tile.data)
    assert verify_path(file).tiles == 1


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("UPDATE checkpoint SET size = 6 WHERE size = 5", 5),
        ("UPDATE checkpoint SET size = 11 WHERE size = 9", 10),
        ("UPDATE checkpoint SET size = 0 WHERE size = 5", 0),
        ("UPDATE checkpoint SET size = -5 WHERE size = 5", 0),
        ("UPDATE checkpoint SET note = CAST(note AS TEXT) WHERE size = 5", 4),
        ("UPDATE tile SET level = 1", 10),
        ("UPDATE tile SET idx = 1", 10),
        ("UPDATE tile SET width = 8", 8),
        ("UPDATE tile SET width = 10", 9),
        ("UPDATE tile SET data = x''", 0),
        ("DELETE FROM entry WHERE idx = 3", 3),
        ("DELETE FROM entry WHERE idx >= 7", 7),
        ("DELETE FROM entry WHERE idx = 0", 0),
    ],
)
def test_damage_to_rows_is_named(history, tmp_path, statement, index):
    file = history.write_file(tmp_path / "a.tally")
    rewrite_any(file, statement)
    assert first_wrong(file) == index


def rewrite_any(path, statement):
    with sqlite3.connect(path) as db:
        assert db.execute(statement).rowcount >= 1
    db.close()


def test_what_is_no_ledger_file_is_said_to_be_none(history, tmp_path):
    for name, content in (("text", b"hello"), ("empty", b""), ("cut", b"SQLite format 3\0" + b"x" * 50)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError):
            open_source(tmp_path / name)
    with pytest.raises(SourceError):
        open_source(tmp_path / "absent")
    with pytest.raises(SourceError, match="no file checkpoint"):
        open_source(tmp_path)
    for statement in ("DROP TABLE tile", "DROP TABLE entry", "DELETE FROM meta"):
        file = history.write_file(tmp_path / "a.tally")
        with sqlite3.connect(file) as db:
            db.execute(statement)
        db.close()
        with pytest.raises(SourceError):
            open_source(file)


@pytest.mark.long
def test_random_bytes_of_the_raw_file_never_pass_as_another_history(history, tmp_path):
    """A flipped byte of the file is refused, or lies where no entry is: then the verdict is the same."""
    file = history.write_file(tmp_path / "a.tally")
    whole = file.read_bytes()
    true = verify_path(file)
    chosen = random.Random(2)
    caught = 0
    for _ in range(200):
        at = chosen.randrange(len(whole))
        file.write_bytes(changed(whole, at, chosen.randrange(1, 256)))
        try:
            assert verify_path(file) == true
        except (VerificationFailed, SourceError):
            caught += 1
    print(f"{caught} of 200 flips refused")
    assert caught > 40


@EVERY
def test_every_file_of_an_export_is_checked(history, tmp_path, step):
    folder = history.write_export(tmp_path / "export")
    leaf_of = {"tile/0/000.p/9": lambda at: at // 32, "tile/entries/000.p/9": lambda at: at // 92}
    ends, end = [], 0
    for entry in history.entries[:9]:
        end += 8 + len(entry.envelope) + len(entry.receipt)
        ends.append(end)
    leaf_of["payload/000.p/9"] = lambda at: next(index for index, stop in enumerate(ends) if at < stop)
    leaf_of["genesis.json"] = lambda at: 0
    for name, index_of in leaf_of.items():
        data = (folder / name).read_bytes()
        for at in range(0, len(data), step):
            (folder / name).write_bytes(changed(data, at))
            assert first_wrong(folder) == index_of(at), (name, at)
        (folder / name).write_bytes(data)
    note = (folder / "checkpoint").read_bytes()
    for at in range(0, len(note), step):
        (folder / "checkpoint").write_bytes(changed(note, at))
        with pytest.raises((VerificationFailed, SourceError)):
            verify_path(folder)


# ------------------------------------------------ an operator who signs whatever he likes is found out


def relogged(ledger, entries):
    """Make the log anew over other entries, as an operator could who has the log's key.

    Leaves, indexes inside receipts and checkpoints are all consistent again; only the story is wrong.
    """
    ledger.entries, ledger.checkpoints = [], []
    for index, entry in enumerate(entries):
        leaf = Leaf.decode(entry.leaf)
        receipt = entry.receipt
        if receipt:
            old = decode_receipt(receipt)
            receipt = receipt.replace(b'{"index":%d,' % old.index, b'{"index":%d,' % index)
        is_root = leaf.kind is EntryKind.ROOT
        ledger.entries.append(
            Entry(
                encode_leaf(
                    index=index,
                    height=leaf.height,
                    time_us=leaf.time_us,
                    kind=leaf.kind,
                    envelope_hash=sha256(entry.envelope),
                    receipt_hash=leaf.receipt_hash if is_root else sha256(receipt),
                ),
                entry.envelope,
                receipt,
                entry.sender,
                entry.id,
            )
        )
        if is_root:
            ledger.sign_checkpoint()
    return ledger


def with_leaf(entry, **changes):
    return replace(entry, leaf=replace(Leaf.decode(entry.leaf), **changes).encode())


def drop(at):
    return lambda entries: entries[:at] + entries[at + 1 :]


def swap(first, second):
    def swapped(entries):
        entries[first], entries[second] = entries[second], entries[first]
        return entries

    return swapped


def alter(at, **changes):
    def altered(entries):
        entries[at] = with_leaf(entries[at], **changes)
        return entries

    return altered


def receipt_of(at, other):
    def altered(entries):
        entries[at] = replace(entries[at], receipt=entries[other].receipt)
        return entries

    return altered


def spelled(at, old, new):
    def altered(entries):
        assert old in entries[at].receipt
        entries[at] = replace(entries[at], receipt=entries[at].receipt.replace(old, new))
        return entries

    return altered


def repeat(at, before):
    return lambda entries: [*entries[:before], entries[at], *entries[before:]]


def again(entries):
    """The transaction of entry 3, in the batch of entry 7."""
    there = Leaf.decode(entries[7].leaf)
    entries.insert(7, with_leaf(entries[3], height=there.height, time_us=there.time_us))
    return entries


@pytest.mark.parametrize(
    ("index", "attack"),
    [
        pytest.param(6, drop(6), id="timers omitted"),
        pytest.param(7, drop(7), id="transaction omitted from its batch"),
        pytest.param(5, drop(5), id="batch omitted"),
        pytest.param(6, swap(6, 7), id="timers after the transaction"),
        pytest.param(2, swap(2, 3), id="transactions reordered"),
        pytest.param(7, repeat(6, 7), id="timers twice"),
        pytest.param(3, receipt_of(3, 2), id="receipt of another"),
        pytest.param(3, spelled(3, b'"alice","gold@bank","-5"', b'"alice","gold@bank","-6"'), id="posting"),
        pytest.param(6, spelled(6, b'"events":[', b'"events": ['), id="another spelling of a receipt"),
        pytest.param(4, alter(4, receipt_hash=bytes(32)), id="state root forged"),
        pytest.param(8, alter(8, receipt_hash=sha256(b"x")), id="later state root forged"),
        pytest.param(4, repeat(3, 4), id="transaction twice in one batch"),
        pytest.param(7, again, id="transaction again in a later batch"),
        pytest.param(5, alter(5, height=9), id="height skipped"),
        pytest.param(5, alter(5, time_us=1), id="time set back"),
        pytest.param(7, alter(7, time_us=1 << 63), id="two times in a batch"),
        pytest.param(2, alter(2, kind=EntryKind.GENESIS), id="a second genesis"),
        pytest.param(2, alter(2, kind=EntryKind.TIMERS), id="a transaction as timers"),
        pytest.param(6, alter(6, kind=EntryKind.TRANSACTION), id="timers as a transaction"),
        pytest.param(4, alter(4, height=3, time_us=5), id="root of another time"),
    ],
)
def test_a_false_history_with_true_hashes_is_named(tmp_path, index, attack):
    ledger = small_history()
    false = relogged(ledger, attack(list(ledger.entries)))
    assert first_wrong(false.write_file(tmp_path / "a.tally")) == index
    assert first_wrong(false.write_export(tmp_path / "export")) == index


def test_relogging_without_an_attack_changes_nothing(history, tmp_path):
    ledger = small_history()
    same = relogged(ledger, list(ledger.entries))
    assert same.entries == history.entries
    assert same.checkpoints == history.checkpoints


def resigned(entry, signers):
    envelope = decode_envelope(entry.envelope)
    signatures = {signature.keyid: signature.sig for signature in envelope.signatures}
    signatures |= signers(envelope.payload, signatures)
    return replace(entry, envelope=encode_envelope(envelope.payload, signatures))


def test_a_false_or_missing_signature_is_named(tmp_path):
    alice = signer("alice").public_key

    def false(payload, signatures):
        return {alice: bytes(64)}

    def spare(payload, signatures):
        return {signer("stranger").public_key: bytes(64)}

    for change in (false, spare):
        ledger = small_history()
        ledger.entries[3] = resigned(ledger.entries[3], change)
        assert first_wrong(relogged(ledger, ledger.entries).write_file(tmp_path / "a.tally")) == 3

    ledger = small_history()
    envelope = decode_envelope(ledger.entries[3].envelope)
    kept = {each.keyid: each.sig for each in envelope.signatures if each.keyid != alice}
    ledger.entries[3] = replace(ledger.entries[3], envelope=encode_envelope(envelope.payload, kept))
    assert first_wrong(relogged(ledger, ledger.entries).write_file(tmp_path / "a.tally")) == 3


@pytest.mark.parametrize("processes", [pytest.param(0, marks=pytest.mark.long), 2])
def test_the_first_wrong_entry_is_named_whether_signature_root_or_receipt(long, tmp_path, processes):
    """Execution meets the false receipt long before the other processes have come to signature and root."""

    def damaged(signature_at, receipt_at, root_at=None):
        file = long.write_file(tmp_path / "a.tally")
        with sqlite3.connect(file) as db:
            if signature_at:
                entry = resigned(
                    long.entries[signature_at], lambda payload, known: dict.fromkeys(known, bytes(64))
                )
                leaf = replace(Leaf.decode(entry.leaf), envelope_hash=sha256(entry.envelope)).encode()
                db.execute(
                    "UPDATE entry SET envelope = ?, leaf = ? WHERE idx = ?",
                    (entry.envelope, leaf, signature_at),
                )
            if receipt_at:
                db.execute("UPDATE entry SET receipt = x'00' WHERE idx = ?", (receipt_at,))
            if root_at:
                leaf = replace(Leaf.decode(long.entries[root_at].leaf), receipt_hash=bytes(32)).encode()
                db.execute("UPDATE entry SET leaf = ? WHERE idx = ?", (leaf, root_at))
            db.execute("DELETE FROM tile")
            db.execute("DELETE FROM checkpoint")
        db.close()
        return file

    assert first_wrong(damaged(1_500, 1_501), processes=processes) == 1_500
    assert first_wrong(damaged(1_501, 1_500), processes=processes) == 1_500
    assert first_wrong(damaged(60, 2_000), processes=processes) == 60
    assert first_wrong(damaged(2_200, None), processes=processes) == 2_200
    assert first_wrong(damaged(None, 2_200), processes=processes) == 2_200
    roots = [at for at, entry in enumerate(long.entries) if Leaf.decode(entry.leaf).kind is EntryKind.ROOT]
    root = roots[len(roots) // 2]
    assert first_wrong(damaged(None, None, root), processes=processes) == root
    assert first_wrong(damaged(root + 1, root + 2, root), processes=processes) == root
    assert first_wrong(damaged(root - 1, None, root), processes=processes) == root - 1
    assert first_wrong(damaged(None, root - 1, root), processes=processes) == root - 1
    assert first_wrong(damaged(None, None, roots[-1]), processes=processes) == roots[-1]
    unchecked = damaged(60, None)
    assert verify_path(unchecked, processes=processes, check_signatures=False).signatures == 0


def test_a_second_history_verifies_alone_but_not_under_the_first_ones_checkpoint(tmp_path):
    first, second = small_history(), small_history()
    first.settle("bob", pay("bob", "alice", 3))
    second.settle("bob", pay("bob", "alice", 4))
    first.commit()
    second.commit()
    assert first.entries[:10] == second.entries[:10]
    assert verify_path(first.write_file(tmp_path / "a.tally")).uncovered == 0
    file = second.write_file(tmp_path / "b.tally")
    assert verify_path(file).uncovered == 0
    # What each says alone is well; a checkpoint that somebody kept of the first tells them apart.
    second.checkpoints[-1] = first.checkpoints[-1]
    assert first_wrong(second.write_file(file)) == 11


def test_a_log_cut_behind_its_checkpoint_is_found_and_one_cut_after_it_is_not(tmp_path):
    ledger = small_history()
    ledger.entries.pop()
    cut = verify_path(ledger.write_file(tmp_path / "a.tally"))
    assert (cut.entries, cut.uncovered) == (9, 0)  # nobody had signed entry 9: the verdict says where it ends
    checkpoints = list(ledger.checkpoints)
    ledger.entries.pop()
    ledger.checkpoints = []
    ledger.write_file(tmp_path / "a.tally")
    with sqlite3.connect(tmp_path / "a.tally") as db:
        db.executemany("INSERT INTO checkpoint VALUES (?, ?)", checkpoints)
    db.close()
    assert first_wrong(tmp_path / "a.tally") == 8


def test_a_checkpoint_that_stands_behind_no_root_is_refused(tmp_path):
    ledger = small_history()
    ledger.sign_checkpoint()
    assert first_wrong(ledger.write_file(tmp_path / "a.tally")) == 9


@pytest.mark.long
def test_tiles_must_be_whole_and_may_be_absent(long, tmp_path):
    file = long.write_file(tmp_path / "a.tally")
    rewrite(file, "DELETE FROM tile WHERE level = 0 AND idx = 3")
    assert first_wrong(file) == 768
    rewrite_any(file, "DELETE FROM tile")
    assert verify_path(file).tiles == 0
    file = long.write_file(file)
    (stored,) = [tile.data for tile in long.tiles(2_012) if (tile.level, tile.index) == (0, 3)]
    rewrite(file, "UPDATE tile SET data = ? WHERE level = 0 AND idx = 3", changed(stored, 32 * 40 + 5))
    assert first_wrong(file) == 808
    (above,) = [tile.data for tile in long.tiles(2_012) if tile.level == 1]
    file = long.write_file(file)
    rewrite(file, "UPDATE tile SET data = ? WHERE level = 1", changed(above, 32 * 5))
    assert first_wrong(file) == 5 * 256


# --------------------------------------------------------------------------------- places and links


def test_links_and_odd_files_are_refused(history, tmp_path):
    folder = history.write_export(tmp_path / "export")
    note = folder / "checkpoint"
    note.rename(tmp_path / "elsewhere")
    note.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="is a link"):
        open_source(folder)
    note.unlink()
    (tmp_path / "elsewhere").rename(note)
    (folder / "tile" / "1").symlink_to(folder / "tile" / "0")
    with pytest.raises(SourceError, match="is a link"):
        verify_path(folder)
    (folder / "tile" / "1").unlink()
    (folder / "tile" / "0" / "1").write_bytes(b"")
    with pytest.raises(SourceError, match="not a tile path"):
        verify_path(folder)
    (folder / "tile" / "0" / "1").unlink()
    assert verify_path(folder).entries == 9
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(folder, "log")
        link = tarfile.TarInfo("log/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(SourceError, match="not a plain file"):
        open_source(tmp_path / "a.tar")


def test_an_archive_is_never_unpacked(history, tmp_path):
    folder = history.write_export(tmp_path / "export")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name)
        tar.addfile(tarfile.TarInfo("../escaped"))
    before = sorted(path.name for path in tmp_path.iterdir())
    assert verify_path(tmp_path / "a.tar").entries == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    whole = (tmp_path / "a.tar").read_bytes()
    for length in (600, 3_000, 6_000, 9_000):
        (tmp_path / "a.tar").write_bytes(whole[:length])
        with pytest.raises((SourceError, VerificationFailed)):
            verify_path(tmp_path / "a.tar")


def test_verifying_leaves_a_read_only_file_and_its_folder_as_they_were(history, tmp_path):
    file = history.write_file(tmp_path / "a.tally")
    db = sqlite3.connect(file)
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert verify_path(file).entries == 10
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_writer_has_only_in_its_write_ahead_log_is_read_too(history, tmp_path):
    file = history.write_file(tmp_path / "a.tally")
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE entry SET receipt = x'00' WHERE idx = 3")
    assert first_wrong(file) == 3
    writer.execute("UPDATE entry SET receipt = ? WHERE idx = 3", (history.entries[3].receipt,))
    with open_source(file) as source:
        writer.execute("DELETE FROM entry WHERE idx = 3")
        assert verify(source).entries == 10  # the snapshot that was opened
    writer.close()


def test_a_file_written_to_meanwhile_is_no_proof_of_fraud(history, tmp_path):
    file = history.write_file(tmp_path / "a.tally")
    with open_source(file) as source:
        rewrite(file, "UPDATE entry SET receipt = x'00' WHERE idx = 3")
        with pytest.raises(SourceError, match="written to while it was read"):
            verify(source)


def test_a_script_without_a_main_guard_can_verify(long, tmp_path):
    """Worker processes import what the caller runs; a stray script gets an answer or a plain error."""
    file = long.write_file(tmp_path / "a.tally")
    script = (
        "from pathlib import Path\n"
        "from tallystick.client.sources import open_source\n"
        "from tallystick.client.verifier import verify\n"
        f"print(verify(open_source(Path({str(file)!r}))).entries)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == str(len(long.entries)), done.stderr
