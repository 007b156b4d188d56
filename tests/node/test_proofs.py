import json

import pytest

from tallystick.client.proofs import ProofFailed, verify_balance_proof, verify_receipt_proof
from tallystick.log.note import Algorithm, SigningKey
from tallystick.log.witness import Quorum, Witness
from tallystick.node.faults import NotFound, NotYet
from tallystick.node.proofs import balance_proof, receipt_proof, state_proof, witness_request
from tests.node.economy import LOG_KEY, Desk, create_ledger, open_ledger, transfer

VKEY = LOG_KEY.verifier.vkey


@pytest.fixture
def ledger(tmp_path):
    with create_ledger(tmp_path / "test.tally") as made:
        desk = Desk(made)
        desk.found()
        desk.trade(300)
        made.checkpoint()
        yield made


def test_every_receipt_is_proved_to_a_stranger(ledger):
    proved = 0
    for index in range(1, ledger.size - 1):
        shown = verify_receipt_proof(receipt_proof(ledger, index), log_key=VKEY)
        assert (shown.leaf.index, shown.receipt.index) == (index, index)
        proved += 1
    assert proved == ledger.size - 2 > 200


def test_a_receipt_is_proved_after_the_log_grew_and_was_opened_again(tmp_path):
    path = tmp_path / "grown.tally"
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        for seed in range(6):
            desk.trade(60, seed=seed)
            ledger.checkpoint()
    with open_ledger(path, read_only=True, log_key=None) as ledger:
        assert ledger.size > 256
        for index in range(1, ledger.size, 7):
            if ledger.entry(index).receipt:
                verify_receipt_proof(receipt_proof(ledger, index), log_key=VKEY)


def test_an_entry_that_no_checkpoint_covers_is_not_proved_yet(ledger):
    outcome = Desk(ledger, number=9000).do("alice", transfer("alice", ("eur@bank", "bob", 1)))
    with pytest.raises(NotYet) as not_yet:
        receipt_proof(ledger, outcome.index)
    assert (not_yet.value.asked, not_yet.value.reached) == (outcome.index, outcome.index - 1)
    ledger.checkpoint()
    verify_receipt_proof(receipt_proof(ledger, outcome.index), log_key=VKEY)


@pytest.mark.parametrize(("account", "asset"), [("alice", "eur@bank"), ("bank", "eur@bank")])
def test_a_balance_is_proved_as_it_stood_at_the_checkpoint(ledger, account, asset):
    stood = ledger.balance(account, asset)
    desk = Desk(ledger, number=9000)
    desk.do("bob", transfer("bob", ("eur@bank", "alice", 1)))
    shown = verify_balance_proof(balance_proof(ledger, account, asset), log_key=VKEY)
    assert (shown.key, shown.value) == (("balance", account, asset), stood)
    ledger.checkpoint()
    shown = verify_balance_proof(balance_proof(ledger, account, asset), log_key=VKEY)
    assert shown.value == ledger.balance(account, asset)


def test_a_balance_is_proved_at_the_last_root_after_opening_with_a_tail(tmp_path):
    path = tmp_path / "tail.tally"
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
    with open_ledger(path, log_key=None) as ledger:  # writes entries and no root
        Desk(ledger, number=9000).do("alice", transfer("alice", ("eur@bank", "bob", 5)))
    with open_ledger(path, log_key=None) as ledger:
        assert ledger.balance("alice", "eur@bank") == 995
        shown = verify_balance_proof(balance_proof(ledger, "alice", "eur@bank"), log_key=VKEY)
        assert shown.value == 1000


def test_no_balance_is_proved_like_any_other(ledger):
    shown = verify_balance_proof(balance_proof(ledger, "vault", "eur@bank"), log_key=VKEY)
    assert shown.value is None
    shown = verify_balance_proof(state_proof(ledger, ("account", "nobody")), log_key=VKEY)
    assert shown.value is None
    with pytest.raises(NotFound):
        state_proof(ledger, ("id", 1, "alice", "x"))


def test_before_the_first_checkpoint_nothing_is_proved(tmp_path):
    with create_ledger(tmp_path / "new.tally") as ledger:
        Desk(ledger).found()
        with pytest.raises(NotYet):
            receipt_proof(ledger, 1)
        with pytest.raises(NotYet):
            balance_proof(ledger, "alice", "eur@bank")
        with pytest.raises(NotFound):
            witness_request(ledger, old_size=0)


def test_another_value_or_receipt_in_the_file_is_refused(ledger):
    document = json.loads(balance_proof(ledger, "alice", "eur@bank"))
    document["value"] += 1
    with pytest.raises(ProofFailed):
        verify_balance_proof(json.dumps(document).encode(), log_key=VKEY)
    document = json.loads(receipt_proof(ledger, 5))
    document["receipt"] = json.loads(receipt_proof(ledger, 4))["receipt"]
    with pytest.raises(ProofFailed):
        verify_receipt_proof(json.dumps(document).encode(), log_key=VKEY)


def test_a_proof_carries_the_cosignatures_that_were_collected(ledger):
    key = SigningKey(name="witness.example", algorithm=Algorithm.COSIGNATURE_V1, seed=bytes(32))
    quorum = Quorum(1, (key.verifier,))
    with pytest.raises(ProofFailed):
        verify_receipt_proof(receipt_proof(ledger, 3), log_key=VKEY, quorum=quorum)
    witness = Witness(key, logs={LOG_KEY.name: LOG_KEY.verifier})
    line = witness.add_checkpoint(witness_request(ledger, old_size=0), now_seconds=1)
    ledger.add_cosignatures([line], witnesses=[key.verifier])
    verify_receipt_proof(receipt_proof(ledger, 3), log_key=VKEY, quorum=quorum)


def test_a_witness_that_saw_more_than_there_is_gets_no_request(ledger):
    with pytest.raises(NotYet):
        witness_request(ledger, old_size=ledger.size + 1)
