import base64
import hashlib

import pytest

from tallystick.crypto import is_valid_signature, sha256
from tallystick.log.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint, verify_checkpoint
from tallystick.log.note import (
    Algorithm,
    NoteError,
    SigningKey,
    VerifierKey,
    add_signatures,
    parse_note,
    verify_note,
)
from tallystick.log.proof import LogProof, verify_log_proof
from tallystick.log.tree import (
    Frontier,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_inclusion,
)
from tallystick.log.witness import (
    AddCheckpoint,
    InconsistentLog,
    MalformedRequest,
    Quorum,
    QuorumError,
    StaleCheckpoint,
    TreeHead,
    UnknownOrigin,
    UnsignedCheckpoint,
    Witness,
    verify_cosigned,
)
from tests.shared_data import shared, shared_json

ORIGIN = "example.com/log"
LOG = SigningKey(name=ORIGIN, algorithm=Algorithm.ED25519, seed=b"L" * 32)
WITNESSES = [
    SigningKey(name=f"w{n}.example", algorithm=Algorithm.COSIGNATURE_V1, seed=bytes([n]) * 32)
    for n in range(3)
]
ENTRIES = [b"entry %d" % n for n in range(20)]
NOW = 1_700_000_000


def read_hash(level, index):
    if level == 0:
        return leaf_hash(ENTRIES[index])
    return node_hash(read_hash(level - 1, 2 * index), read_hash(level - 1, 2 * index + 1))


def signed(size, signer=LOG, origin=ORIGIN):
    frontier = Frontier()
    frontier.extend(map(leaf_hash, ENTRIES[:size]))
    return sign_checkpoint(Checkpoint(origin=origin, tree_size=size, root=frontier.root()), signer)


def request(old, new, **changes):
    proof = consistency_proof(read_hash, old_size=old, new_size=new) if 0 < old <= new else []
    facts = {"old_size": old, "proof": tuple(proof), "checkpoint": signed(new)} | changes
    return AddCheckpoint(**facts).encode()


@pytest.fixture
def witness():
    witness = Witness(WITNESSES[0], logs={ORIGIN: LOG.verifier})
    witness.add_checkpoint(request(0, 5), now_seconds=NOW)
    return witness


# --------------------------------------------------------------------------------------------- a witness


def test_a_witness_follows_a_growing_log_and_persists_before_it_answers():
    kept = []
    witness = Witness(WITNESSES[0], logs={ORIGIN: LOG.verifier}, persist=lambda *head: kept.append(head))
    old = 0
    for new in (0, 1, 5, 5, 20):
        line = witness.add_checkpoint(request(old, new), now_seconds=NOW)
        data = add_signatures(signed(new), [line])
        assert verify_cosigned(data, log_key=LOG.verifier, quorum=quorum(1)).tree_size == new
        assert parse_note(data).signatures[1].timestamp_seconds == NOW
        assert kept[-1] == (ORIGIN, witness.head(ORIGIN))
        old = new
    assert [head.tree_size for _, head in kept] == [0, 1, 5, 5, 20]


def test_a_cosignature_that_cannot_be_persisted_is_not_given():
    def fail(origin, head):
        raise OSError("disk full")

    witness = Witness(WITNESSES[0], logs={ORIGIN: LOG.verifier}, persist=fail)
    with pytest.raises(OSError, match="disk full"):
        witness.add_checkpoint(request(0, 5), now_seconds=NOW)
    assert witness.head(ORIGIN).tree_size == 0


def forked(old, new):
    head = Checkpoint(origin=ORIGIN, tree_size=new, root=b"F" * 32)
    return request(old, new, checkpoint=sign_checkpoint(head, LOG))


@pytest.mark.parametrize(
    ("body", "error", "status"),
    [
        (request(5, 4), MalformedRequest, 400),
        (request(5, 9, checkpoint=b"not a note"), MalformedRequest, 400),
        (request(5, 9)[1:], MalformedRequest, 400),
        (request(5, 9).replace(b"old 5", b"old 05"), MalformedRequest, 400),
        (request(5, 9, proof=(b"short",)), MalformedRequest, 400),
        (request(5, 9, proof=(bytes(32),) * 64), MalformedRequest, 400),
        (request(5, 9).replace(b"\n\n", b"\n", 1)[:100], MalformedRequest, 400),
        (request(5, 9, checkpoint=signed(9, WITNESSES[0])), UnsignedCheckpoint, 403),
        (request(5, 9, checkpoint=signed(9, origin="example.com/other")), UnknownOrigin, 404),
        (request(4, 9), StaleCheckpoint, 409),
        (request(0, 9), StaleCheckpoint, 409),
        (request(4, 4), StaleCheckpoint, 409),
        (forked(5, 5), StaleCheckpoint, 409),
        (forked(5, 9), InconsistentLog, 422),
        (request(5, 9, proof=()), InconsistentLog, 422),
        (request(5, 5, proof=(bytes(32),)), InconsistentLog, 422),
    ],
)
def test_a_witness_refuses(witness, body, error, status):
    before = witness.head(ORIGIN)
    with pytest.raises(error) as caught:
        witness.add_checkpoint(body, now_seconds=NOW)
    assert caught.value.status == status
    assert witness.head(ORIGIN) == before
    assert getattr(caught.value, "tree_size", 5) == 5
    witness.add_checkpoint(request(5, 9), now_seconds=NOW)


def test_a_first_checkpoint_needs_an_empty_proof():
    witness = Witness(WITNESSES[0], logs={ORIGIN: LOG.verifier})
    with pytest.raises(InconsistentLog):
        witness.add_checkpoint(request(0, 5, proof=(bytes(32),)), now_seconds=NOW)
    witness.add_checkpoint(request(0, 5), now_seconds=NOW)


def test_a_witness_resumes_from_its_heads(witness):
    resumed = Witness(WITNESSES[0], logs={ORIGIN: LOG.verifier}, heads={ORIGIN: witness.head(ORIGIN)})
    resumed.add_checkpoint(request(5, 6), now_seconds=NOW)
    other = Witness(
        WITNESSES[0], logs={ORIGIN: LOG.verifier}, heads={ORIGIN: TreeHead(tree_size=5, root=b"F" * 32)}
    )
    with pytest.raises(InconsistentLog):
        other.add_checkpoint(request(5, 6), now_seconds=NOW)


def test_a_log_key_cannot_witness():
    with pytest.raises(NoteError, match="cosignature key"):
        Witness(LOG, logs={})


# --------------------------------------------------------------------------------------------- a quorum


def quorum(threshold):
    return Quorum(threshold, tuple(witness.verifier for witness in WITNESSES))


def cosigned(size, count):
    text = parse_note(signed(size)).text
    lines = [witness.signature_line(text, timestamp_seconds=NOW) for witness in WITNESSES[:count]]
    return add_signatures(signed(size), lines)


def test_exactly_k_witnesses_suffice_and_one_fewer_does_not():
    assert verify_cosigned(cosigned(9, 2), log_key=LOG.verifier, quorum=quorum(2)).tree_size == 9
    with pytest.raises(QuorumError, match="1 of 3 witnesses cosigned, 2 are required"):
        verify_cosigned(cosigned(9, 1), log_key=LOG.verifier, quorum=quorum(2))
    assert verify_cosigned(cosigned(9, 0), log_key=LOG.verifier).tree_size == 9


def test_a_witness_that_signs_twice_counts_once():
    text = parse_note(signed(9)).text
    again = WITNESSES[0].signature_line(text, timestamp_seconds=NOW + 1)
    with pytest.raises(QuorumError, match="1 of 3"):
        verify_cosigned(add_signatures(cosigned(9, 1), [again]), log_key=LOG.verifier, quorum=quorum(2))


def test_one_key_under_two_names_is_no_quorum():
    alias = VerifierKey(
        name="alias.example", algorithm=Algorithm.COSIGNATURE_V1, public_key=WITNESSES[0].verifier.public_key
    )
    with pytest.raises(ValueError, match="count twice"):
        Quorum(2, (WITNESSES[0].verifier, alias))
    with pytest.raises(ValueError, match="0x04"):
        Quorum(1, (LOG.verifier,))
    for threshold in (0, 4):
        with pytest.raises(ValueError, match="quorum of"):
            quorum(threshold)


def test_a_cosignature_without_the_log_s_signature_is_worth_nothing():
    text = parse_note(signed(9)).text
    alone = (text + "\n" + WITNESSES[0].signature_line(text, timestamp_seconds=NOW)).encode()
    with pytest.raises(NoteError, match="none of the"):
        verify_cosigned(alone, log_key=LOG.verifier, quorum=quorum(1))


def test_a_cosignature_s_time_is_signed():
    data = cosigned(9, 1)
    signature = parse_note(data).signatures[1]
    later = (NOW + 1).to_bytes(8, "big") + signature.signature[8:]
    key = WITNESSES[0].verifier
    text = parse_note(data).text
    assert key.is_valid(text, signature.signature)
    assert not key.is_valid(text, later)
    assert not key.is_valid(text, signature.signature[:-1])
    assert not key.is_valid(text, b"\x80" + signature.signature[1:])


# ------------------------------------------------------------------------------------------- proof files


def proof_of(number, size, **changes):
    hashes = tuple(inclusion_proof(read_hash, leaf_index=number, tree_size=size))
    return LogProof(
        **{"index": number, "hashes": hashes, "checkpoint": cosigned(size, 2), "extra": b"x"} | changes
    )


def test_every_proof_file_verifies_offline():
    for size in range(1, 20):
        for index in range(size):
            proof = LogProof.decode(proof_of(index, size).encode())
            assert proof == proof_of(index, size)
            verify_log_proof(proof, entry=ENTRIES[index], log_key=LOG.verifier)


def test_a_proof_file_shows_nothing_else():
    facts = {"log_key": LOG.verifier, "quorum": quorum(2)}
    assert verify_log_proof(proof_of(3, 9), entry=ENTRIES[3], **facts).tree_size == 9
    for proof, entry, error in (
        (proof_of(3, 9), ENTRIES[4], ProofError),
        (proof_of(3, 9, index=4), ENTRIES[3], ProofError),
        (proof_of(3, 9, checkpoint=cosigned(10, 2)), ENTRIES[3], ProofError),
        (proof_of(3, 9, checkpoint=cosigned(9, 1)), ENTRIES[3], QuorumError),
        (proof_of(3, 9, checkpoint=signed(9, WITNESSES[0])), ENTRIES[3], NoteError),
    ):
        with pytest.raises(error):
            verify_log_proof(proof, entry=entry, **facts)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"proof@v1", b"proof@v2"), (b"index 3", b"index 03"),
        (b"index", b"Index"), (b"extra eA==", b"extra eB=="),
        (b"=\n", b"\n"), (b"extra ", b"extra"), (b"\n\n", b"\n"), (b"index 3\n", b""),
    ],
)  # fmt: skip
def test_malformed_proof_files_are_refused(old, new):
    data = proof_of(3, 9).encode()
    assert LogProof.decode(data).index == 3
    head, _, rest = data.partition(b"\n\n")
    assert old in head + b"\n\n"
    with pytest.raises(ProofError):
        LogProof.decode((head + b"\n\n").replace(old, new) + (b"" if old == b"\n\n" else rest))


def test_the_published_layout_comes_out_byte_for_byte():
    lines = shared("log/note/tlog_proof_layout_example.txt").read_text(encoding="utf-8").split("\n")
    head, body = lines[3:8], lines[9:12]
    # The example's `extra` is cut short and its signatures are elided; everything else is checked.
    proof = LogProof(
        index=73894,
        hashes=tuple(base64.b64decode(line) for line in head),
        checkpoint="\n".join(body).encode(),
    )
    assert proof.encode().decode().split("\n") == [lines[0], *lines[2:12]]
    assert LogProof.decode(proof.encode()) == proof
    assert parse_checkpoint("\n".join(body) + "\n").tree_size == 109482


# ------------------------------------------------------------------------------- somebody else's proofs


def sigsum_fields(text):
    return [(line.partition("=")[0], line.partition("=")[2]) for line in text.split("\n") if line]


def ssh_key(text):
    return base64.b64decode(text.split()[1])[-32:]


@pytest.mark.parametrize(("case", "cosignatures"), [("no_cosignature", 0), ("one_witness", 1)])
def test_sigsum_proofs_verify_with_their_witness(case, cosignatures, count_vectors):
    vectors = shared_json("log/sigsum/proofs.json")
    fields = sigsum_fields(vectors[case]["proof"])
    only = dict(fields)
    log_key, submit_key = ssh_key(vectors[case]["log_key"]), ssh_key(vectors[case]["submit_key"])
    key_hash, signature = map(bytes.fromhex, only["leaf"].split())
    checksum = sha256(bytes.fromhex(vectors["message_hex"]))
    assert sha256(submit_key) == key_hash
    entry = checksum + signature + key_hash
    size, root = int(only["size"]), bytes.fromhex(only["root_hash"])
    origin = "sigsum.org/v1/tree/" + only["log"]
    text = Checkpoint(origin=origin, tree_size=size, root=root).text()
    log = VerifierKey(name=origin, algorithm=Algorithm.ED25519, public_key=log_key)
    assert log.is_valid(text, bytes.fromhex(only["signature"]))
    proof = [bytes.fromhex(value) for name, value in fields if name == "node_hash"]
    facts = {"leaf_index": int(only["leaf_index"]), "tree_size": size, "root": root}
    verify_inclusion(proof, leaf=leaf_hash(entry), **facts)
    with pytest.raises(ProofError):
        verify_inclusion(proof, leaf=leaf_hash(entry[1:]), **facts)
    seen = [value for name, value in fields if name == "cosignature"]
    for value in seen:
        witness_hash, seconds, cosignature = value.split()
        witness_key = ssh_key(vectors[case]["witness_key"])
        assert hashlib.sha256(witness_key).hexdigest() == witness_hash
        witness = VerifierKey(name="w", algorithm=Algorithm.COSIGNATURE_V1, public_key=witness_key)
        stamped = int(seconds).to_bytes(8, "big") + bytes.fromhex(cosignature)
        assert witness.is_valid(text, stamped)
        assert not witness.is_valid(text.replace("\n4\n", "\n5\n"), stamped)
    count_vectors(f"Sigsum proofs: {case}", 1)
    assert len(seen) == cosignatures


def test_a_sigsum_checkpoint_signed_with_a_known_key_comes_out_byte_for_byte():
    data = shared("log/sigsum/checkpoint_privkey17.txt").read_bytes()
    head = parse_checkpoint(parse_note(data).text)
    signer = SigningKey(name=head.origin, algorithm=Algorithm.ED25519, seed=b"\x11" + bytes(31))
    assert verify_checkpoint(data, log_key=signer.verifier) == head
    assert sign_checkpoint(head, signer) == data
    assert len(verify_note(data, [signer.verifier]).signatures) == 1
    assert not is_valid_signature(signer.verifier.public_key, b"", bytes(64))
