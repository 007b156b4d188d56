import pytest

from tallystick.log.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint, verify_checkpoint
from tallystick.log.note import (
    Algorithm,
    NoteError,
    SigningKey,
    add_signatures,
    parse_note,
    parse_skey,
    parse_vkey,
    sign_note,
    verify_note,
)
from tests.shared_data import shared, shared_json

LOG = SigningKey(name="example.com/log", algorithm=Algorithm.ED25519, seed=b"L" * 32)
OTHER = SigningKey(name="example.com/log", algorithm=Algorithm.ED25519, seed=b"O" * 32)
HEAD = Checkpoint(origin="example.com/log", tree_size=7, root=b"R" * 32)


def test_published_notes_verify_and_their_alterations_do_not(count_vectors):
    notes = shared_json("log/note/notes.json")["notes"]
    for case in notes:
        keys = [parse_vkey(vkey) for vkey in case["vkeys"]]
        data = case["note"].encode()
        assert len(verify_note(data, keys).signatures) == len(keys)
        with pytest.raises(NoteError):
            verify_note(b"X" + data, keys)
        if "skey" in case:
            assert sign_note(parse_note(data).text, [parse_skey(case["skey"])]) == data
    count_vectors("signed notes", len(notes), "two of them real checkpoints of the Go checksum database")
    assert (len(notes), sum(case["valid"] for case in notes)) == (5, 5)


def test_two_real_checkpoints_of_the_go_checksum_database():
    notes = shared_json("log/note/notes.json")["notes"]
    notes = [case for case in notes if case["name"].startswith("sumdb-")]
    sizes = []
    for case in notes:
        key = parse_vkey(case["vkeys"][0])
        data = case["note"].encode()
        sizes.append(verify_checkpoint(data, log_key=key, origin="go.sum database tree").tree_size)
        with pytest.raises(NoteError, match=r"not of 'sum\.golang\.org'"):
            verify_checkpoint(data, log_key=key)
    assert sizes == [20852163, 35225469]


def test_bad_vkeys_and_every_mutation_of_a_good_one_are_refused():
    vectors = shared_json("log/note/notes.json")
    bad = [case["vkey"] for case in vectors["bad_vkeys"]]
    good = vectors["notes"][1]["vkeys"][0]
    assert parse_vkey(good).vkey == good
    bad += [good[:end] for end in range(len(good))] + [good[start:] for start in range(1, len(good))]
    bad += [good[:at] + chr(ord(good[at]) + 1) + good[at + 1 :] for at in range(len(good))]
    for vkey in bad:
        with pytest.raises(NoteError):
            parse_vkey(vkey)
    assert len(bad) == 2 + 3 * len(good) - 1


def test_published_key_pairs_belong_together():
    keys = shared_json("log/note/notes.json")["formats_test_keys"]["keys"]
    pairs = [(name, keys[name], keys[name[:-2] + "SK"]) for name in keys if name.endswith("VK")]
    for _, vkey, skey in pairs:
        assert parse_skey(skey).verifier == parse_vkey(vkey)
        assert parse_skey(skey).skey == skey
        with pytest.raises(NoteError):
            parse_skey(skey[:-1])
    assert len(pairs) == 4


def test_a_secret_key_does_not_show_in_its_repr_or_errors():
    assert "LLLL" not in repr(LOG)
    with pytest.raises(NoteError) as caught:
        parse_skey(LOG.skey.replace("+example", "+axample"))
    assert LOG.skey.split("+")[-1] not in str(caught.value)


def test_unknown_signatures_are_ignored_and_false_ones_of_known_keys_condemn_the_note():
    data = sign_note("text\n", [OTHER, LOG])
    assert [key for key, _ in verify_note(data, [LOG.verifier]).signatures] == [LOG.verifier]
    with pytest.raises(NoteError, match="none of the 1"):
        verify_note(sign_note("text\n", [OTHER]), [LOG.verifier])
    false = LOG.signature_line("another text\n")
    with pytest.raises(NoteError, match="does not verify"):
        verify_note(add_signatures(data, [false]), [LOG.verifier])
    twice = add_signatures(data, [LOG.signature_line("text\n")])
    assert len(verify_note(twice, [LOG.verifier, OTHER.verifier]).signatures) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("text\n\n", "text\n"), ("text", "te\x01xt"),
        ("text", "te\rxt"), ("— ", "- "), ("— example", "—  example"),
        ("example.com/log ", "exam+ple "), ("=\n", "\n"), ("=\n", "=\n\n"), ("=\n", "=\nx\n"), ("=\n", "="),
    ],
)  # fmt: skip
def test_malformed_notes_are_refused(old, new):
    note = sign_note("text\n", [LOG]).decode()
    assert parse_note(note.encode()).text == "text\n"
    assert old in note
    with pytest.raises(NoteError):
        parse_note(note.replace(old, new).encode())


def test_limits_of_a_note():
    line = LOG.signature_line("text\n")
    assert len(parse_note(("text\n\n" + line * 100).encode()).signatures) == 100
    for bad in (("text\n\n" + line * 101).encode(), b"\xff\n\n" + line.encode(), b"x" * 1_000_001):
        with pytest.raises(NoteError):
            parse_note(bad)
    with pytest.raises(NoteError, match="at least one"):
        sign_note("text\n", [])
    with pytest.raises(NoteError, match="newline"):
        sign_note("text", [LOG])


def test_checkpoints_round_trip_with_extension_lines():
    head = Checkpoint(origin="example.com/log", tree_size=0, root=b"R" * 32, extensions=("a b", "c"))
    assert parse_checkpoint(head.text()) == head
    assert verify_checkpoint(sign_checkpoint(head, LOG), log_key=LOG.verifier) == head
    with pytest.raises(NoteError, match="none of the"):
        verify_checkpoint(sign_checkpoint(head, LOG), log_key=OTHER.verifier)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n7\n", "\n07\n"), ("\n7\n", "\n-7\n"), ("\n7\n", "\n+7\n"), ("\n7\n", "\n٧\n"), ("\n7\n", "\n\n"),
        ("=\n", "\n"), ("Ul", "UUl"), ("U", ""), ("=\n", "=\n\n"), ("=\n", "="), ("example.com/log", ""),
        ("\n7\n", "\n99999999999999999999\n"), ("I=", "J="),
    ],
)  # fmt: skip
def test_malformed_checkpoints_are_refused(old, new):
    text = HEAD.text()
    assert parse_checkpoint(text) == HEAD
    assert old in text
    with pytest.raises(NoteError):
        parse_checkpoint(text.replace(old, new))


def test_a_checkpoint_cannot_smuggle_lines():
    with pytest.raises(NoteError, match="newline"):
        Checkpoint(origin="a", tree_size=1, root=b"R" * 32, extensions=("b\nc",)).text()


def test_the_published_cosigned_layout_parses():
    data = shared("log/note/cosigned_checkpoint_example.txt").read_bytes()
    note = parse_note(data)
    assert parse_checkpoint(note.text).tree_size == 20852163
    assert [signature.name for signature in note.signatures] == [
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    ]
    assert note.signatures[1].timestamp_seconds == 1679315147
