import json
import subprocess
import sys
import time as system_time

import pytest

from tallystick.crypto import sha256
from tallystick.ledger.genesis import Genesis, encode_genesis, ledger_id
from tallystick.ledger.receipts import decode_receipt, encode_receipt
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import authenticate
from tallystick.log.checkpoint import verify_checkpoint
from tallystick.log.leaf import EntryKind, Leaf
from tallystick.log.note import Algorithm, NoteError, SigningKey
from tallystick.log.witness import TreeHead, Witness
from tallystick.node.faults import (
    JournalLocked,
    NoLogKey,
    NotFound,
    NotSigned,
    NotYet,
    ReadOnly,
    Stopped,
    WrongLogKey,
)
from tallystick.node.ledger_file import LedgerFile, wall_clock
from tallystick.node.proofs import receipt_proof, witness_request
from tallystick.node.sequencer import Signed
from tests.ledger.world import create, signer, uuid7
from tests.node.economy import (
    LOG_KEY,
    OPERATOR,
    SECOND,
    START,
    Desk,
    VirtualClock,
    create_ledger,
    genesis,
    hold,
    open_account,
    open_ledger,
    transfer,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "test.tally"


@pytest.fixture
def ledger(path):
    with create_ledger(path) as made:
        yield made


@pytest.fixture
def desk(ledger):
    founded = Desk(ledger)
    founded.found()
    return founded


def kinds_of(ledger):
    return [Leaf.decode(ledger.entry(index).leaf).kind.name for index in range(ledger.size)]


def test_entry_0_is_genesis(ledger):
    entry = ledger.entry(0)
    leaf = Leaf.decode(entry.leaf)
    assert (leaf.kind, leaf.height, leaf.time_us) == (EntryKind.GENESIS, 0, START)
    assert (entry.envelope, entry.receipt) == (genesis(), b"")
    assert leaf.envelope_hash == sha256(genesis())
    assert leaf.receipt_hash.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert ledger.ledger_id == ledger_id(genesis())


def test_a_receipt_carries_its_index_and_balances_and_is_found_by_id_and_index(ledger, desk):
    envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)))
    outcome = ledger.submit([envelope])[0]
    receipt = decode_receipt(outcome.receipt)
    assert receipt.index == outcome.index == ledger.size - 1
    assert receipt.postings == [("alice", "eur@bank", "-5", "995"), ("bob", "eur@bank", "5", "1005")]
    assert ledger.balance("alice", "eur@bank") == 995
    assert ledger.receipt(id=receipt.id) == outcome.receipt
    assert ledger.receipt(id=receipt.id, sender="alice") == outcome.receipt
    assert ledger.receipt(index=outcome.index) == outcome.receipt
    assert ledger.entry(outcome.index).envelope == envelope
    with pytest.raises(NotFound):
        ledger.receipt(id=receipt.id, sender="bob")


def test_one_id_of_two_senders_is_found_with_the_sender_only(ledger, desk):
    one = uuid7(START, 77_777)
    for sender in ("alice", "bob"):
        desk.do(sender, transfer(sender, ("eur@bank", "carol", 1)), id=one)
    with pytest.raises(NotFound, match="alice, bob"):
        ledger.receipt(id=one)
    assert decode_receipt(ledger.receipt(id=one, sender="bob")).sender == "bob"


def test_no_lookup_of_ids_reads_the_whole_history(ledger):
    asked = []
    ledger.journal.connection.set_trace_callback(asked.append)
    ledger.journal.find(sender="alice", identifier="0190")
    ledger.journal.find_id("0190")
    ledger.journal.ids_after("0190")
    ledger.journal.connection.set_trace_callback(None)
    plans = [ledger.journal.connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in asked]
    used = [step[3].split("entry_id ")[-1] for plan in plans for step in plan if "TEMP B-TREE" not in step[3]]
    assert used == ["(id=? AND sender=?)", "(id=?)", "(id>?)"]


def test_genesis_and_roots_have_no_receipt_and_the_future_is_not_yet(ledger, desk):
    ledger.checkpoint()
    for index in (0, ledger.size - 1):
        with pytest.raises(NotFound):
            ledger.receipt(index=index)
    with pytest.raises(NotYet) as beyond:
        ledger.receipt(index=ledger.size)
    assert (beyond.value.asked, beyond.value.reached) == (ledger.size, ledger.size - 1)


def test_a_repeat_in_one_submission_and_in_a_later_one_gets_the_identical_receipt(ledger, desk):
    envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)))
    first, second = ledger.submit([envelope, envelope])
    third = ledger.submit([envelope])[0]
    assert first.receipt == second.receipt == third.receipt
    assert [first.repeated, second.repeated, third.repeated] == [False, True, True]
    assert ledger.balance("alice", "eur@bank") == 995


def test_a_retry_a_year_later_and_after_a_restart_gets_the_identical_receipt(path):
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)))
        first = ledger.submit([envelope])[0]
    later = VirtualClock(START + 366 * 86_400 * SECOND)
    with open_ledger(path, clock=later) as ledger:
        ledger.advance()
        assert ledger.state.ids == {}  # the state has forgotten it
        size = ledger.size
        again = ledger.submit([envelope])[0]
        assert (again.receipt, again.index, again.repeated) == (first.receipt, first.index, True)
        assert ledger.size == size


@pytest.mark.parametrize("later_seconds", [0, 3600])
def test_an_id_with_another_payload_is_refused_from_the_state_and_from_the_journal(
    ledger, desk, later_seconds
):
    one = uuid7(START, 88_888)
    desk.do("alice", transfer("alice", ("eur@bank", "bob", 5)), id=one)
    ledger._clock.time += later_seconds * SECOND
    other = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 6)), id=one, once="x")
    refused = ledger.submit([other])[0].rejection
    assert refused.code is Code.ID_REUSED
    assert refused.facts == {"id": one, "index": 6}
    assert ledger.balance("alice", "eur@bank") == 995


def test_an_id_from_the_far_future_stays_used_when_its_time_comes(ledger, desk):
    # `once` lets an id lie outside the window, so that the state never remembers it.
    one = uuid7(START + 3600 * SECOND, 5)
    fields = {"id": one, "expires": START + 7200 * SECOND}
    envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)), once="invoice-1", **fields)
    first = ledger.submit([envelope])[0]
    ledger._clock.time = START + 3600 * SECOND
    other = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 6)), id=one)
    assert ledger.submit([other])[0].rejection.code is Code.ID_REUSED
    assert ledger.submit([envelope])[0].receipt == first.receipt


def test_two_payloads_of_one_id_in_one_batch_settle_once(ledger, desk):
    one = uuid7(START + 3600 * SECOND, 6)
    pair = [
        desk.envelope("alice", transfer("alice", ("eur@bank", "bob", units)), id=one, once=f"k{units}")
        for units in (1, 2)
    ]
    first, second = ledger.submit(pair)
    assert first.rejection is None
    assert second.rejection.code is Code.ID_REUSED
    assert ledger.balance("alice", "eur@bank") == 999


def test_a_batch_with_nothing_accepted_leaves_nothing_behind(ledger, desk):
    before = (ledger.size, ledger.clock, dict(ledger.state.values))
    ledger._clock.time += SECOND
    envelopes = [
        desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 931))),  # 930 are available
        b"not an envelope",
    ]
    codes = [outcome.rejection.code for outcome in ledger.submit(envelopes)]
    assert codes == [Code.INSUFFICIENT_BALANCE, Code.MALFORMED]
    assert ledger.advance() == []
    assert (ledger.size, ledger.clock, dict(ledger.state.values)) == before
    assert ledger.submit([]) == []


def test_the_neighbour_of_a_refused_amount_is_accepted(ledger, desk):
    desk.do("alice", transfer("alice", ("eur@bank", "bob", 930)))
    assert ledger.balances("alice") == {"eur@bank": 70, "gold@vault": 1000}


def test_outcomes_stand_in_the_order_of_the_envelopes(ledger, desk):
    good = [desk.envelope("alice", transfer("alice", ("eur@bank", "bob", units))) for units in (1, 2)]
    outcomes = ledger.submit([b"bad", good[0], b"worse", good[1], good[0]])
    assert [outcome.index for outcome in outcomes] == [None, 6, None, 7, 6]
    assert [outcome.rejection is None for outcome in outcomes] == [False, True, False, True, True]


def test_a_bad_signature_is_refused_unless_the_caller_authenticated(ledger, desk):
    envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 1)), signers=[signer("bob")])
    assert ledger.submit([envelope])[0].rejection.code is Code.UNAUTHORISED
    good = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 1)))
    signed = Signed(good, authenticate(good))
    assert ledger.submit_authenticated([signed])[0].receipt is not None


def test_many_envelopes_are_split_into_batches_and_all_settle(ledger, desk, monkeypatch):
    monkeypatch.setattr("tallystick.node.ledger_file.BATCH_TRANSACTIONS_MAX", 3)
    height = ledger.clock.height
    envelopes = [desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 1))) for _ in range(8)]
    outcomes = ledger.submit(envelopes)
    assert [outcome.index for outcome in outcomes] == list(range(6, 14))
    assert ledger.clock.height == height + 3


def test_due_timers_run_before_the_batch_and_by_advance(ledger, desk):
    assert ledger.balance("carol", "gold@vault") == 1000
    [receipt] = ledger.advance(START + 50 * SECOND)
    assert decode_receipt(receipt).postings[1] == ("carol", "gold@vault", "5", "1005")
    ledger._clock.time = START + 1000 * SECOND
    outcome = desk.do("alice", transfer("alice", ("eur@bank", "bob", 1000)))  # the hold of 70 ended
    assert outcome.index == 8
    assert kinds_of(ledger)[6:] == ["TIMERS", "TIMERS", "TRANSACTION"]
    assert (ledger.entry(7).envelope, ledger.entry(7).sender) == (b"", None)


def test_advance_runs_as_many_batches_as_the_limit_on_timers_takes(path):
    with create_ledger(path, limits={"timers_per_batch_max": 2}) as ledger:
        desk = Desk(ledger)
        desk.found()
        for _ in range(4):
            desk.do(
                "carol",
                hold("carol", "dave", ("eur@bank", 1), expires=START + 9 * SECOND, at_expiry="release"),
            )
        receipts = ledger.advance(START + 9 * SECOND)
        assert [len(decode_receipt(receipt).events) for receipt in receipts] == [2, 2]


def test_a_clock_that_goes_back_leaves_time_where_it_is(ledger, desk):
    ledger.advance(START + 60 * SECOND)
    ledger._clock.time = START - 1
    outcome = desk.do("alice", transfer("alice", ("eur@bank", "bob", 1)))
    assert decode_receipt(outcome.receipt).time == START + 60 * SECOND == ledger.now()
    assert ledger.submit([desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 1)))], time=5)[
        0
    ].receipt


def test_the_default_clock_is_the_systems():
    assert abs(wall_clock() - system_time.time() * 1e6) < 5e6


def test_a_checkpoint_covers_a_root_and_is_not_repeated(ledger, desk):
    first = ledger.checkpoint()
    assert ledger.checkpoint() == first
    checkpoint = verify_checkpoint(first, log_key=LOG_KEY.verifier)
    assert checkpoint.tree_size == ledger.size == 7
    root = Leaf.decode(ledger.entry(6).leaf)
    assert root.kind is EntryKind.ROOT
    assert root.receipt_hash == ledger.commitment.root
    assert (ledger.entry(6).envelope, ledger.entry(6).receipt) == (b"", b"")
    desk.do("alice", transfer("alice", ("eur@bank", "bob", 1)))
    assert verify_checkpoint(ledger.checkpoint(), log_key=LOG_KEY.verifier).tree_size == 9


def test_a_new_ledger_can_be_checkpointed_at_once(path):
    with create_ledger(path) as ledger:
        ledger.checkpoint()
        assert kinds_of(ledger) == ["GENESIS", "ROOT"]
    with open_ledger(path) as ledger:
        Desk(ledger).found()
        assert ledger.size == 7


def test_without_the_log_key_everything_works_but_checkpoints(path):
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
    with open_ledger(path, log_key=None) as ledger:
        Desk(ledger, number=100).trade(20)
        size = ledger.size
        with pytest.raises(NoLogKey):
            ledger.checkpoint()
    with open_ledger(path) as ledger:
        assert ledger.size == size
        assert verify_checkpoint(ledger.checkpoint(), log_key=LOG_KEY.verifier).tree_size == size + 1


def test_another_log_key_is_refused(path):
    other = SigningKey(name=LOG_KEY.name, algorithm=Algorithm.ED25519, seed=sha256(b"other"))
    with pytest.raises(WrongLogKey):
        LedgerFile.create(path, genesis(), log_key=other)
    assert list(path.parent.iterdir()) == []
    create_ledger(path).close()
    with pytest.raises(WrongLogKey):
        open_ledger(path, log_key=other)
    open_ledger(path).close()  # and the refusal let go of the file


def test_creating_over_a_file_and_opening_none_are_refused(path):
    with pytest.raises(FileNotFoundError):
        open_ledger(path)
    create_ledger(path).close()
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        create_ledger(path)
    assert path.read_bytes() == before


_WRITE_TOO = """
import sys
from pathlib import Path
from tallystick.node.ledger_file import LedgerFile
LedgerFile.open(Path(sys.argv[1]))
"""


def test_a_second_writer_is_refused_in_this_process_and_another(path):
    with create_ledger(path) as ledger:
        with pytest.raises(JournalLocked, match="process"):
            open_ledger(path)
        other = subprocess.run(
            [sys.executable, "-c", _WRITE_TOO, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert f"JournalLocked: {path} is being written by process" in other.stderr
        Desk(ledger).found()
    assert [file.name for file in path.parent.iterdir()] == ["test.tally"]
    open_ledger(path).close()


def test_a_reader_stands_still_beside_the_writer_until_it_refreshes(path):
    with create_ledger(path) as ledger:
        desk = Desk(ledger)
        desk.found()
        with open_ledger(path, read_only=True, log_key=None) as reader:
            assert reader.size == ledger.size
            desk.trade(30)
            ledger.checkpoint()
            desk.trade(30, seed=1)
            assert reader.balance("alice", "eur@bank") == 1000
            assert reader.refresh() == ledger.size
            assert reader.state.values == ledger.state.values
            for write in (lambda: reader.submit([b"x"]), reader.checkpoint, reader.advance):
                with pytest.raises(ReadOnly):
                    write()


def test_queries_answer_or_say_why_not(ledger, desk):
    assert ledger.account("nobody") is None
    assert ledger.asset("none@nobody") is None
    assert ledger.hold("9.9") is None
    assert ledger.hold("4.0").beneficiary == "bob"
    assert ledger.asset("eur@bank").issuer == "bank"
    for question, code in (
        (lambda: ledger.balance("nobody", "eur@bank"), Code.UNKNOWN_ACCOUNT),
        (lambda: ledger.balance("alice", "eur@nobody"), Code.UNKNOWN_ASSET),
        (lambda: ledger.balances("nobody"), Code.UNKNOWN_ACCOUNT),
        (lambda: ledger.view("alice", "positions", account="bob"), Code.UNKNOWN_CONTRACT),
    ):
        with pytest.raises(Rejection) as refused:
            question()
        assert refused.value.code is code
    assert ledger.balance("bank", "eur@bank") == -4000


def test_a_preview_and_a_fork_write_nothing_and_tell_what_happens(ledger, desk):
    before = dict(ledger.state.values)
    envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 5)))
    authentic = authenticate(envelope)
    told = encode_receipt(ledger.preview(authentic.transaction))
    assert encode_receipt(ledger.preview(authentic)) == told
    _, [forked] = ledger.fork().run_batch([authentic], time=START)
    assert encode_receipt(forked) == told
    assert ledger.state.values == before
    assert ledger.submit([envelope])[0].receipt == told


def test_a_broken_invariant_stops_the_ledger(path):
    ledger = create_ledger(path)
    desk = Desk(ledger)
    desk.found()
    ledger.checkpoint()
    size = ledger.size
    desk.do("alice", transfer("alice", ("eur@bank", "bob", 1)))
    ledger.state.values["balance", "bob", "eur@bank"] += 1  # a bug of ours
    with pytest.raises(Stopped, match="invariant 1: balances of eur@bank changed by 1"):
        ledger.checkpoint()
    with pytest.raises(Stopped):
        desk.do("alice", transfer("alice", ("eur@bank", "bob", 1)))
    ledger.close()
    with open_ledger(path) as recovered:
        assert recovered.size == size + 1
        assert recovered.balance("bob", "eur@bank") == 1001


def test_witnesses_cosign_the_newest_checkpoint(ledger, desk):
    seed = sha256(b"witness")
    key = SigningKey(name="witness.example", algorithm=Algorithm.COSIGNATURE_V1, seed=seed)
    witness = Witness(key, logs={LOG_KEY.name: LOG_KEY.verifier})
    ledger.checkpoint()
    line = witness.add_checkpoint(witness_request(ledger, old_size=0), now_seconds=1)
    note = ledger.add_cosignatures([line], witnesses=[key.verifier])
    assert ledger.checkpoint() == note
    head = witness.head(LOG_KEY.name)
    assert head == TreeHead(tree_size=7, root=verify_checkpoint(note, log_key=LOG_KEY.verifier).root)


def test_a_cosignature_that_comes_late_goes_below_the_checkpoint_that_it_is_of(ledger, desk):
    keys = [
        SigningKey(name=f"{name}.example", algorithm=Algorithm.COSIGNATURE_V1, seed=sha256(name.encode()))
        for name in ("prompt", "slow")
    ]
    prompt, slow = (Witness(key, logs={LOG_KEY.name: LOG_KEY.verifier}) for key in keys)
    verifiers = [key.verifier for key in keys]
    ledger.checkpoint()
    asked = witness_request(ledger, old_size=0)
    desk.do("alice", transfer("alice", ("eur@bank", "bob", 1)))
    newest = ledger.checkpoint()
    assert ledger.journal.cosigned() is None
    with pytest.raises(NotFound, match="no witness"):
        receipt_proof(ledger, 1, cosigned=True)

    late = slow.add_checkpoint(asked, now_seconds=1)
    note = ledger.add_cosignatures([late], witnesses=verifiers)
    assert verify_checkpoint(note, log_key=LOG_KEY.verifier).tree_size == 7
    assert ledger.checkpoint() == newest
    assert ledger.journal.cosigned() == (7, note)
    assert note.decode() in json.loads(receipt_proof(ledger, 1, cosigned=True))["proof"]
    assert newest.decode() in json.loads(receipt_proof(ledger, 1))["proof"]
    with pytest.raises(NotSigned):
        receipt_proof(ledger, 7, cosigned=True)

    line = prompt.add_checkpoint(witness_request(ledger, old_size=0), now_seconds=2)
    with pytest.raises(NoteError):
        ledger.add_cosignatures([line], witnesses=verifiers[1:])
    with pytest.raises(NoteError):
        ledger.add_cosignatures([line[:-6] + "AAAA" + line[-2:]], witnesses=verifiers)
    size = ledger.size
    assert ledger.journal.cosigned() == (7, note)
    ledger.add_cosignatures([line], witnesses=verifiers)
    assert ledger.journal.cosigned()[0] == size
    # What comes later still for the older one does not take the newer one's place.
    ledger.add_cosignatures([late], witnesses=verifiers)
    assert ledger.journal.cosigned()[0] == size


def test_the_file_is_let_go_when_opening_fails(path):
    bad = encode_genesis(
        Genesis(
            name="test",
            time=START,
            protocol=1,
            opening="sponsor",
            operator=OPERATOR,
            operator_keys=(b"short",),
            operator_threshold=1,
            log_key=LOG_KEY.verifier.vkey,
            limits=Limits(),
        )
    )
    with pytest.raises(Rejection):
        LedgerFile.create(path, bad, log_key=LOG_KEY)
    assert list(path.parent.iterdir()) == []
    create_ledger(path).close()


def test_accounts_and_assets_made_in_one_batch_are_there_in_the_next(ledger, desk):
    desk.do(OPERATOR, open_account(OPERATOR, "erin"))
    desk.do("erin", create("erin", "points"))
    assert ledger.asset("points@erin").kind == "token"
