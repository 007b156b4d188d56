import pytest

from tallystick import crypto
from tallystick.crypto import (
    SealStrength,
    Signer,
    did_key,
    is_valid_signature,
    pae,
    public_key_from_did,
    public_key_of,
    seal,
    sign,
    unseal,
)
from tests.shared_data import shared_json

SEED = bytes(range(32))

CCTV_ACCEPTED = [
    7, 29, 50, 117, 139, 161, 182, 249, 305, 411, 425, 438, 465, 473, 481, 489, 497, 511, 525, 538, 565, 573,
    581, 589, 597, 611, 625, 638, 665, 673, 681, 689, 697, 711, 725, 738, 765, 773, 781, 789, 797, 832, 899,
]  # fmt: skip


def test_sha256_of_abc_is_fips_180_4_s():
    assert crypto.sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---------------------------------------------------------------------------------------------- Ed25519


def test_wycheproof_verdicts_are_all_151_of_them(count_vectors):
    groups = shared_json("log/ed25519/wycheproof_ed25519_test.json")["testGroups"]
    cases = [(group["publicKey"]["pk"], case) for group in groups for case in group["tests"]]
    verdicts = [
        (is_valid_signature(bytes.fromhex(key), bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])), case)
        for key, case in cases
    ]
    assert [case["tcId"] for verdict, case in verdicts if verdict != (case["result"] == "valid")] == []
    count_vectors("Ed25519 signatures of Wycheproof", len(verdicts), "88 of them valid")
    assert (len(verdicts), sum(verdict for verdict, _ in verdicts)) == (151, 88)


def test_of_the_914_cctv_edge_cases_libsodium_s_43_are_accepted(count_vectors):
    cases = shared_json("log/ed25519/cctv_ed25519vectors.json")
    accepted = [
        case["number"]
        for case in cases
        if is_valid_signature(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
    ]
    count_vectors("Ed25519 signatures of CCTV", len(cases), "43 of them accepted")
    assert (len(cases), len(accepted)) == (914, 43)
    assert accepted == CCTV_ACCEPTED


def test_wrong_lengths_are_false_and_never_raise():
    message = b"message"
    signature, public_key = sign(SEED, message), public_key_of(SEED)
    assert is_valid_signature(public_key, message, signature)
    for wrong in (b"", signature[:-1], signature + b"\0"):
        assert not is_valid_signature(public_key, message, wrong)
    for wrong in (b"", public_key[:-1], public_key + b"\0"):
        assert not is_valid_signature(wrong, message, signature)
    # The length of signature || message alone would not notice a byte that moved across.
    assert not is_valid_signature(public_key, message[1:], signature + message[:1])
    assert not is_valid_signature(public_key, b"massage", signature)


def test_rfc_8032_test_1_and_the_signer_agree():
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    expected_key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    expected = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )  # fmt: skip
    assert public_key_of(seed).hex() == expected_key
    assert sign(seed, b"").hex() == Signer(seed).sign(b"").hex() == expected
    assert seed.hex() not in repr(Signer(seed))


def test_a_seed_of_another_length_is_refused():
    assert len(public_key_of(crypto.generate_seed())) == 32
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        public_key_of(bytes(31))


# ---------------------------------------------------------------------------------------------- did:key


def test_did_key_vectors_ed25519(count_vectors):
    vectors = shared_json("payments/did/didkey_ed25519-x25519.json")
    for did, vector in vectors.items():
        public_key = public_key_of(bytes.fromhex(vector["seed"]))
        assert did_key(public_key) == did
        assert public_key_from_did(did) == public_key
    count_vectors("did:key names of Ed25519 keys", len(vectors))
    assert len(vectors) == 5


@pytest.mark.parametrize("name", ["bls12381", "nist-curves", "rsa", "secp256k1", "x25519"])
def test_did_keys_of_other_types_are_refused(name):
    vectors = shared_json(f"payments/did/didkey_{name}.json")
    dids = [did for did in (*vectors, *vectors.get("didDocument", {})) if did.startswith("did:key:")]
    assert len(dids) >= 2
    for did in dids:
        with pytest.raises(ValueError, match="did:key"):
            public_key_from_did(did)


def test_every_other_spelling_of_a_did_key_is_refused():
    did = did_key(public_key_of(SEED))
    assert public_key_from_did(did) == public_key_of(SEED)
    others = [did[:-1], did + "1", did.replace(":z6", ":z16"), did.upper(), did + "#key", "did:web:a.example"]
    others += [
        did[:-1] + "0",
        did[:-1] + "l",
        did[:-1] + "é",
        "did:key:z" + "z" * 47,
        "did:key:z" + "1" * 47,
        "",
    ]
    for other in others:
        with pytest.raises(ValueError, match=r"did:key|base58"):
            public_key_from_did(other)
    with pytest.raises(ValueError, match="32 bytes, not 33"):
        did_key(bytes(33))


# ----------------------------------------------------------------------------------------- keys at rest


def test_what_was_sealed_opens_with_its_password_alone():
    blob = seal(SEED, "correct horse")
    assert unseal(blob, "correct horse") == SEED
    with pytest.raises(ValueError, match="wrong password"):
        unseal(blob, "correct horsf")
    assert seal(SEED, "correct horse") != blob


@pytest.mark.parametrize("position", [30, 45, -1])
def test_an_altered_blob_does_not_open(position):
    blob = bytearray(seal(b"secret", "password"))
    blob[position] ^= 1
    with pytest.raises(ValueError, match="altered"):
        unseal(bytes(blob), "password")


def test_a_blob_cannot_order_work_of_its_own_choosing():
    blob = seal(b"secret", "password")
    assert unseal(blob, "password") == b"secret"
    with pytest.raises(ValueError, match="unknown Argon2id parameters"):
        unseal(blob[:12] + b"\xff\xff\xff\xff" + blob[16:], "password")
    with pytest.raises(ValueError, match="version"):
        unseal(b"x" + blob[1:], "password")
    with pytest.raises(ValueError, match="at least"):
        unseal(blob[:20], "password")
    with pytest.raises(ValueError, match="altered"):
        unseal(blob[:50], "password")


@pytest.mark.long
def test_a_stronger_seal_records_its_parameters():
    blob = seal(b"secret", "password", strength=SealStrength.MODERATE)
    assert blob[:24] == b"tally-seal-1" + (3).to_bytes(4, "big") + (256 << 20).to_bytes(8, "big")
    assert unseal(blob, "password") == b"secret"


# ------------------------------------------------------------------------------------------------- DSSE


def test_pae_vectors(count_vectors):
    vectors = shared_json("log/dsse/dsse.json")["pae"]
    for vector in vectors:
        assert pae(vector["type"], bytes.fromhex(vector["payload_hex"])).hex() == vector["pae_hex"]
    count_vectors("DSSE pre-authentication encodings", len(vectors))
    assert len(vectors) == 3
    assert pae("a", b"bc") != pae("ab", b"c")
