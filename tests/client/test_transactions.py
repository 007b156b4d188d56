import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.client.actions import (
    Activate,
    Call,
    CancelRedemption,
    Cap,
    Capture,
    ChangePolicy,
    ClawBack,
    CreateAsset,
    DeclareInstitution,
    Deploy,
    FoundInstitution,
    GrantMandate,
    Hold,
    Issue,
    JoinInstitution,
    NetLimit,
    OpenAccount,
    PolicySpec,
    Recover,
    Redeem,
    Release,
    RevokeMandate,
    RotateKeys,
    RunTimer,
    SetGuardians,
    SetListing,
    SettleRedemption,
    Terms,
    Transfer,
    VetoRecovery,
)
from tallystick.client.arguments import encode_arguments
from tallystick.client.describe import describe
from tallystick.client.transactions import Ids, TransactionError, build, new_id, read_transaction, sign
from tallystick.ledger.apply import HANDLERS
from tallystick.ledger.names import uuid7_time
from tallystick.ledger.transactions import authenticate, decode_envelope, encode_envelope, encode_transaction
from tests.client.memory import signer

NOW = 1_795_179_600_000_000
LEDGER = "0" * 64


def transfer(**options):
    action = Transfer(account="alice", legs=(("eur@bank", "bob", "150"),), reference="inv 1")
    return build(LEDGER, "alice", [action], now=NOW, **options)


# ------------------------------------------------------------------------------------------- ids


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_ids_are_uuid7s_of_their_time_and_never_repeat(steps):
    ids, now, made = Ids(), NOW, []
    for step in steps:
        now += step * 500
        made.append(ids.new(now))
        assert uuid7_time(made[-1]) == now // 1000 * 1000
    assert made == sorted(set(made))


def test_ids_go_on_growing_when_a_millisecond_is_full():
    ids = Ids(lambda count: b"\xff" * count)
    made = [ids.new(NOW) for _ in range(5_000)]
    assert made == sorted(set(made))
    assert (
        uuid7_time(made[-1]) == NOW + 1_000
    )  # 2,049 fit into the first millisecond, 4,096 into the borrowed one


def test_ids_follow_their_random_source_and_the_clock_back():
    assert Ids(bytes).new(NOW) == Ids(bytes).new(NOW) == "01a1f90a-d880-7000-8000-000000000000"
    assert new_id(NOW) != new_id(NOW)
    ids = Ids()
    ids.new(NOW + 10**12)
    assert uuid7_time(ids.new(NOW)) == NOW


# --------------------------------------------------------------------------------------- signing


def test_parties_sign_one_file_in_turn_and_order_leaves_no_trace():
    transaction = transfer()
    alone = sign(transaction, [signer("alice")])
    assert sign(alone, [signer("bob")]) == sign(sign(transaction, [signer("bob")]), [signer("alice")])
    assert sign(alone, [signer("alice")]) == alone
    assert sign(encode_transaction(transaction), [signer("alice")]) == alone
    unsigned = sign(transaction, [])
    assert read_transaction(unsigned) == (transaction, ())
    both = sign(unsigned, [signer("alice"), signer("bob")])
    keys = {signer("alice").public_key, signer("bob").public_key}
    assert authenticate(both).signers == keys
    assert read_transaction(both) == (transaction, tuple(sorted(keys)))


def test_nobody_signs_below_a_false_signature_or_what_is_no_transaction():
    payload = encode_transaction(transfer())
    false = encode_envelope(payload, {signer("alice").public_key: bytes(64)})
    spaced = sign(payload, []).replace(b":", b": ")
    nothing = encode_envelope(b"{}", {})
    for data in (
        false,
        spaced,
        nothing,
        b"",
        b"{}",
        payload + b" ",
        b"\xff",
        payload.replace(b"150", b"1\\u0030"),
    ):
        with pytest.raises(TransactionError):
            sign(data, [signer("bob")])
    assert decode_envelope(sign(payload, [signer("bob")])).payload == payload


def test_what_lives_long_needs_once():
    assert transfer().expires == NOW + 300_000_000
    assert transfer(valid_seconds=600).once is None
    assert transfer(valid_seconds=601, once="inv 1").once == "inv 1"
    for seconds in (601, 0, -1):
        with pytest.raises(TransactionError):
            transfer(valid_seconds=seconds)


# -------------------------------------------------------------------------------------- in words

KEY = signer("key").public_key
HOUR = NOW + 3_600_000_000
ARGUMENTS = encode_arguments({"units": 5})

SAID = [
    (
        OpenAccount(account="bank", name="alice", keys=(KEY,)),
        "bank opens the account alice, controlled by 1 of 1",
    ),
    (
        RotateKeys(account="alice", keys=(KEY, KEY), threshold=2),
        "alice replaces its keys by 2 of 2 keys: did:key:",
    ),
    (
        SetGuardians(account="alice", guardians=("bob",), delay_seconds=604_800),
        "alice lets 1 of bob replace its keys after 604800 s",
    ),
    (
        Recover(account="bob", subject="alice", guardians=("bob",), keys=(KEY,)),
        "bob propose for alice 1 of 1 keys",
    ),
    (VetoRecovery(account="alice"), "alice vetoes the pending recovery"),
    (
        GrantMandate(
            account="alice",
            name="agent",
            key=KEY,
            expires=HOUR,
            caps=(Cap(asset="eur@bank", per_period="1000", per_payment="500", period_seconds=60),),
        ),
        "at most 10.00 eur@bank in each 60 s, 5.00 eur@bank a payment",
    ),
    (RevokeMandate(account="alice", name="agent"), "alice ends its mandate agent"),
    (
        FoundInstitution(account="bank", name="acme", roles=("bank",)),
        "bank founds the institution acme (roles: bank",
    ),
    (JoinInstitution(account="vault", institution="acme"), "vault becomes part of the institution acme"),
    (
        DeclareInstitution(account="bank", institution="acme"),
        "bank declares the institution acme (roles: none",
    ),
    (
        CreateAsset(
            account="bank",
            code="eur",
            kind="claim",
            decimals=2,
            unit="EUR",
            obligor="acme",
            terms=Terms(owes="EUR"),
            policy=PolicySpec(kind="controlled", rules={"admitted": "required"}),
            claw_back_by="court",
            external_ids=(("isin", "US0378331005"),),
        ),
        "court may take it back from anybody",
    ),
    (
        Issue(account="bank", legs=(("eur@bank", "alice", "1"), ("eur@bank", "bob", "2"))),
        "0.02 eur@bank to bob",
    ),
    (
        Transfer(account="alice", legs=(("eur@bank", "bob", "150"),), reference="r"),
        "alice pays 1.50 eur@bank to bob",
    ),
    (
        ClawBack(account="court", asset="eur@bank", source="bob", units="5", reason="order"),
        "0.05 eur@bank back from",
    ),
    (
        SetListing(account="bank", asset="eur@bank", list="frozen", subject="bob", listed=True),
        "bob on the list frozen",
    ),
    (ChangePolicy(account="bank", asset="eur@bank", rules={"a": "b"}), "rule a: b"),
    (Redeem(account="alice", asset="eur@bank", units="100"), "alice asks for payment of 1.00 eur@bank"),
    (CancelRedemption(account="alice", lot="lot-1"), "alice takes its request lot-1 back"),
    (SettleRedemption(account="bank", lot="lot-1", evidence="wire 7"), "off the ledger, evidence wire 7"),
    (
        Hold(
            account="alice", beneficiary="bob", legs=(("eur@bank", "100"),), expires=HOUR, at_expiry="release"
        ),
        "alice promises 1.00 eur@bank to bob until 2026-11-20T14:00:00Z; what is left is then released",
    ),
    (
        Capture(account="bob", hold="h", final=True),
        "bob takes everything of the hold h and releases the rest",
    ),
    (Release(account="bob", hold="h"), "bob gives the hold h back"),
    (
        Deploy(account="alice", contract="deal", kind="escrow", version=1, parameters=ARGUMENTS),
        '{"units":"5"}',
    ),
    (
        Call(
            account="alice", contract="deal", method="fund", arguments=ARGUMENTS, spend=(("eur@bank", "5"),)
        ),
        "it may take at most 0.05 eur@bank",
    ),
    (RunTimer(account="bob", timer=7), "bob runs the overdue timer 7 again"),
    (
        Activate(account="operator", version=2, due=HOUR),
        "protocol version 2 into force at 2026-11-20T14:00:00Z",
    ),
]


@pytest.mark.parametrize(("action", "words"), SAID, ids=lambda value: type(value).__name__)
def test_every_action_is_said_in_words(action, words):
    lines = describe(build(LEDGER, "alice", [action], now=NOW), decimals={"eur@bank": 2})
    assert words in "\n".join(lines)
    assert lines[1].startswith("1. ")


def test_no_action_goes_unsaid():
    assert {type(action) for action, _ in SAID} == HANDLERS.keys()


def test_amounts_stay_in_units_where_decimals_are_unknown():
    limits = (NetLimit(account="alice", asset="eur@bank", least="-150"),)
    lines = describe(transfer(once="inv 1", limits=limits))
    assert lines[1:] == [
        "once only: inv 1",
        "1. alice pays 150 units of eur@bank to bob, reference inv 1",
        "unless alice would change by less than -150 units of eur@bank",
    ]


def test_no_text_can_pass_for_another_line_or_turn_the_reading_round():
    action = Transfer(
        account="alice", legs=(("eur@bank", "bob", "150"),), reference="a\n2. nothing\u202e\x1b[2J"
    )
    lines = describe(build(LEDGER, "alice", [action], now=NOW))
    assert len(lines) == 2
    assert lines[1].endswith(r"reference a\n2. nothing\u202e\x1b[2J")


def test_a_thousand_legs_are_summed_up():
    legs = tuple(("eur@bank", f"a{number}", "1") for number in range(1_000))
    lines = describe(build(LEDGER, "alice", [Transfer(account="alice", legs=legs)], now=NOW))
    assert len(lines) == 2 + 20 + 1
    assert lines[-1].strip() == "and 980 more"
