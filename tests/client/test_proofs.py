import base64
import json

import pytest

from tallystick.client.log_key import LogKeyError
from tallystick.client.proofs import (
    ProofFailed,
    encode_balance_proof,
    encode_receipt_proof,
    verify_balance_proof,
    verify_proof,
    verify_receipt_proof,
)
from tallystick.crypto import sha256
from tallystick.ledger.encoding import encode_key
from tallystick.log.leaf import EntryKind, encode_leaf
from tallystick.log.note import Algorithm, SigningKey, add_signatures, parse_note
from tallystick.log.witness import Quorum
from tests.client.histories import GOLD, small_history
from tests.client.memory import LOG_KEY, Entry, seed

VKEY = LOG_KEY.verifier.vkey


@pytest.fixture(scope="module")
def ledger():
    made = small_history()
    made.commit()
    return made


def receipt_proof(ledger, index):
    entry = ledger.entries[index]
    return encode_receipt_proof(
        leaf=entry.leaf, envelope=entry.envelope, receipt=entry.receipt, proof=ledger.prove(index)
    )


def balance_proof(ledger, *key):
    last = len(ledger.entries) - 1
    return encode_balance_proof(
        key=key,
        value=ledger.state.get(key),
        state_proof=ledger.state_tree.prove(encode_key(key)),
        root_leaf=ledger.entries[last].leaf,
        proof=ledger.prove(last),
    )


def refused(data, **options):
    with pytest.raises(ProofFailed) as failed:
        verify_proof(data, **{"log_key": VKEY, **options})
    return str(failed.value)


def edited(data, **changes):
    return json.dumps({**json.loads(data), **changes}).encode()


def flipped(text, at):
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1
    return base64.b64encode(raw).decode()


# ------------------------------------------------------------------------------------ what is right


def test_a_receipt_is_proven_with_the_file_and_a_key_alone(ledger):
    proven = verify_proof(receipt_proof(ledger, 3), log_key=VKEY)
    assert proven.receipt.index == proven.leaf.index == 3
    assert proven.transaction.sender == "alice"
    assert len(proven.signers) == 2
    assert proven.checkpoint.tree_size == len(ledger.entries) == 11
    said = proven.sentence()
    assert said.startswith("entry 3 of 2026-09-21T14:13:23Z is transaction")
    assert "signed by 2 keys, with 4 postings" in said
    assert said.endswith("checkpoint of 11 entries of example.com/test")
    timers = verify_receipt_proof(receipt_proof(ledger, 6), log_key=VKEY)
    assert timers.transaction is None
    assert "due timers" in timers.sentence()


def test_a_balance_is_proven_with_the_file_and_a_key_alone(ledger):
    proven = verify_proof(balance_proof(ledger, "balance", "alice", GOLD), log_key=VKEY)
    assert proven.value == ledger.balance("alice", GOLD) == 995
    assert (proven.leaf.height, proven.leaf.time_us) == (6, ledger.now() - 1_000_000)
    assert "alice had 995 units of gold@bank; entry 10 says so" in proven.sentence()
    absent = verify_balance_proof(balance_proof(ledger, "balance", "carol", GOLD), log_key=VKEY)
    assert absent.value is None
    assert "carol had 0 units" in absent.sentence()
    issuer = verify_balance_proof(balance_proof(ledger, "balance", "bank", GOLD), log_key=VKEY)
    assert issuer.value == -2_000
    account = verify_balance_proof(balance_proof(ledger, "account", "alice"), log_key=VKEY)
    assert account.value[1] == 1


def test_witnesses_are_counted_when_they_are_asked_for(ledger):
    keys = [
        SigningKey(
            name=f"witness-{number}", algorithm=Algorithm.COSIGNATURE_V1, seed=seed(f"witness-{number}")
        )
        for number in range(3)
    ]
    quorum = Quorum(2, tuple(key.verifier for key in keys))

    def cosigned(*by):
        document = json.loads(receipt_proof(ledger, 3))
        head, _, note = document["proof"].partition("\n\n")
        text = parse_note(note.encode()).text
        lines = [key.signature_line(text, timestamp_seconds=1_800_000_000) for key in by]
        signed = add_signatures(note.encode(), lines).decode()
        return json.dumps({**document, "proof": f"{head}\n\n{signed}"}).encode()

    assert (
        "cosigned by 2 of your 3" in verify_proof(cosigned(*keys[:2]), log_key=VKEY, quorum=quorum).sentence()
    )
    assert verify_proof(cosigned(*keys[:2]), log_key=VKEY).quorum is None
    assert "1 of 3 witnesses cosigned" in refused(cosigned(keys[0]), quorum=quorum)
    assert "0 of 3 witnesses cosigned" in refused(cosigned(), quorum=quorum)


# -------------------------------------------------------------------------------- every field is bound


@pytest.mark.parametrize("name", ["leaf", "envelope", "receipt"])
def test_every_byte_of_a_receipt_proof_is_bound(ledger, name):
    data = receipt_proof(ledger, 3)
    text = json.loads(data)[name]
    for at in range(len(base64.b64decode(text))):
        refused(edited(data, **{name: flipped(text, at)}))


@pytest.mark.parametrize("name", ["state_proof", "root_leaf"])
def test_every_byte_of_a_balance_proof_is_bound(ledger, name):
    data = balance_proof(ledger, "balance", "alice", GOLD)
    text = json.loads(data)[name]
    for at in range(len(base64.b64decode(text))):
        refused(edited(data, **{name: flipped(text, at)}))


@pytest.mark.parametrize(
    "make", [lambda ledger: receipt_proof(ledger, 3), lambda ledger: balance_proof(ledger, "clock")]
)
def test_every_sign_of_the_log_proof_is_bound(ledger, make):
    data = make(ledger)
    text = json.loads(data)["proof"]
    verify_proof(data, log_key=VKEY)
    for at in range(len(text)):
        other = "B" if text[at] == "A" else "A"
        refused(edited(data, proof=text[:at] + other + text[at + 1 :]))
        refused(edited(data, proof=text[:at] + text[at + 1 :]))


def test_keys_and_values_are_bound(ledger):
    data = balance_proof(ledger, "balance", "alice", GOLD)
    for changes in (
        {"value": 996},
        {"value": "995"},
        {"value": None},
        {"value": [995]},
        {"value": True},
        {"key": ["balance", "bob", GOLD]},
        {"key": ["balance", "carol", GOLD]},
        {"key": ["held", "alice", GOLD]},
        {"key": []},
        {"key": "balance"},
        {"key": ["balance", "alice", None]},
        {"key": [["balance"]]},
    ):
        refused(edited(data, **changes))
    absent = balance_proof(ledger, "balance", "carol", GOLD)
    assert "holds nothing" in refused(edited(absent, value=0))


def test_forms_that_nothing_binds_are_refused(ledger):
    data = receipt_proof(ledger, 3)
    text = json.loads(data)["proof"]
    first, rest = text.split("\n", 1)
    for other in (
        edited(data, more=1),
        edited(data, format="tallystick-receipt-proof-v2"),
        edited(data, format=None),
        edited(data, format="tallystick-balance-proof-v1"),
        edited(data, proof=f"{first}\nextra AAAA\n{rest}"),
        edited(data, proof=7),
        edited(data, leaf=7),
        edited(data, leaf="*"),
        edited(data, leaf=json.loads(data)["leaf"] + "\n"),
        data.replace(b'{\n "format"', b'{"leaf": "AAAA", "format"'),
        data[:-5],
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        json.dumps({name: value for name, value in json.loads(data).items() if name != "receipt"}).encode(),
    ):
        refused(other)


def test_another_key_or_another_entry_does_not_fit(ledger):
    data = receipt_proof(ledger, 3)
    other = SigningKey(name=LOG_KEY.name, algorithm=Algorithm.ED25519, seed=seed("other log"))
    refused(data, log_key=other.verifier.vkey)
    with pytest.raises(LogKeyError, match="three parts"):
        verify_proof(data, log_key="nonsense")
    for field in ("leaf", "envelope", "receipt", "proof"):
        mixed = edited(data, **{field: json.loads(receipt_proof(ledger, 7))[field]})
        refused(mixed)
    assert "root entry" in refused(receipt_proof(ledger, 4))
    assert "genesis entry" in refused(receipt_proof(ledger, 0))
    balance = json.loads(balance_proof(ledger, "clock"))
    entry = json.loads(receipt_proof(ledger, 3))
    wrong = edited(json.dumps(balance).encode(), root_leaf=entry["leaf"], proof=entry["proof"])
    assert "not a state root" in refused(wrong)


def test_a_log_that_committed_to_nonsense_proves_no_receipt():
    """The operator signs whatever he likes; what he signs must still be a transaction with its receipt."""

    def refused_entry(envelope, receipt, **fields):
        made = small_history()
        index = len(made.entries)
        leaf = encode_leaf(
            **{
                "index": index,
                "height": 6,
                "time_us": made.now() - 1_000_000,
                "kind": EntryKind.TRANSACTION,
                "envelope_hash": sha256(envelope),
                "receipt_hash": sha256(receipt),
                **fields,
            }
        )
        made.entries.append(Entry(leaf, envelope, receipt))
        made.commit()
        return refused(receipt_proof(made, index))

    entries = small_history().entries
    last = entries[-1]
    assert "holds no transaction" in refused_entry(b"{}", last.receipt)
    assert "holds no transaction" in refused_entry(last.envelope, b"{}")
    assert "not the leaf's" in refused_entry(last.envelope, last.receipt)
    shifted = last.receipt.replace(b'{"index":9,', b'{"index":10,')
    assert "not the envelope's" in refused_entry(entries[1].envelope, shifted)
    assert "not the leaf's" in refused_entry(last.envelope, shifted, height=5)
    unsigned = last.envelope.replace(last.envelope[-60:-20], b"A" * 40)
    assert "holds no transaction" in refused_entry(unsigned, shifted)
