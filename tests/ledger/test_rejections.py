"""Every rejection is provoked by a minimal case, beside an accepted neighbour.

A case yields the envelope that is refused, then one as like it as can be that is accepted. The facts must
be those that the code's docstring documents, and a code without a case fails the last test.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import pytest

from tallystick.ledger import rejections
from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import INTEGER_LIMIT, UNITS_LIMIT
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Cap, Limits, PolicySpec, Terms
from tallystick.ledger.rejections import Code, Rejection
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, GOLD, Town, grant, play
from tests.ledger.world import (
    DAY,
    OPERATOR,
    SECOND,
    World,
    call,
    capture,
    create,
    deploy,
    hold,
    issue,
    key,
    open_account,
    signer,
    transfer,
    uuid7,
    wire,
)

Pair = Iterator[bytes]


@dataclass(frozen=True)
class Case:
    code: StrEnum
    story: Callable[[Town], Pair]
    limits: Limits | None
    versions: tuple[int, ...]


CASES: list[Case] = []


def case(
    code: StrEnum, *, limits: Limits | None = None, versions: tuple[int, ...] = (1,)
) -> Callable[[Callable[[Town], Pair]], Callable[[Town], Pair]]:
    def add(story: Callable[[Town], Pair]) -> Callable[[Town], Pair]:
        CASES.append(Case(code, story, limits, versions))
        return story

    return add


def documented_facts(enum: type[StrEnum]) -> dict[StrEnum, set[str]]:
    """Return the facts that each member's docstring names after `Facts:`."""
    body = ast.parse(inspect.getsource(enum)).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[StrEnum, set[str]] = {}
    for statement, doc in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.Assign) and isinstance(doc, ast.Expr):
            name = statement.targets[0]
            assert isinstance(name, ast.Name)
            assert isinstance(doc.value, ast.Constant)
            told = str(doc.value.value).partition("Facts:")[2].partition(".")[0]
            found[enum[name.id]] = set(re.findall(r"(?:^|,)\s*([a-z_]+)(?=\s*(?:,|$))", told.strip()))
    return found


FACTS = documented_facts(Code)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code.value}-{case.story.__name__}")
def test_refused_beside_an_accepted_neighbour(case: Case) -> None:
    town = Town(limits=case.limits, versions=case.versions)
    story = case.story(town)
    refused_envelope = next(story)
    before = dict(town.store.values)
    refused = town.run(refused_envelope)[0]
    assert isinstance(refused, Rejection), f"accepted: {refused}"
    assert refused.code is case.code, refused
    assert FACTS[case.code] <= set(refused.facts), f"documented facts are missing: {refused}"
    if town.timer_receipt is None:
        assert town.store.values == before
    accepted = town.run(next(story))[0]
    assert isinstance(accepted, Receipt), f"the neighbour is refused: {accepted}"
    assert list(story) == []


def test_every_code_has_a_case() -> None:
    assert set(Code) - {case.code for case in CASES} == set()


def test_every_code_documents_itself() -> None:
    assert {code for code in Code if code not in FACTS} == set()
    assert {code for code in Code if not FACTS[code]} == set()


def test_a_rejection_has_one_shape_and_a_readable_text() -> None:
    refused = Rejection(Code.UNKNOWN_ACCOUNT, account="ghost")
    assert refused.as_dict() == {"error": "unknown_account", "facts": {"account": "ghost"}}
    assert str(refused) == "unknown_account (account=ghost)"
    assert str(Rejection(Code.UNKNOWN_ACCOUNT)) == "unknown_account"
    assert issubclass(Rejection, rejections.LedgerError)


def _pay(units: int = 1) -> tx.Transfer:
    return transfer("alice", (EUR, "bob", units))


def _spelled(amount: str) -> tx.Transfer:
    return tx.Transfer(account="alice", legs=((EUR, "bob", amount),))


# The envelope and the payload.


@case(Code.OVERSIZE)
def envelope_above_four_megabytes(t: Town) -> Pair:
    yield b" " * (tx.ENVELOPE_BYTES_MAX + 1)
    yield t.seal("alice", _pay())


@case(Code.OVERSIZE, limits=Limits(transaction_bytes_max=1000))
def payload_one_byte_above_the_ledgers_limit(t: Town) -> Pair:
    for size in (1001, 1000):
        transaction = t.transaction("alice", [transfer("alice", *[(EUR, "bob", 1)] * 29, reference="r")])
        spare = size - len(tx.encode_transaction(transaction))
        longer = msgspec.structs.replace(transaction.actions[0], reference="r" * (1 + spare))
        yield t.envelope(msgspec.structs.replace(transaction, actions=(longer,)))


@case(Code.MALFORMED)
def not_json(t: Town) -> Pair:
    good = t.seal("alice", _pay())
    yield good[:-1]
    yield good


@case(Code.MALFORMED)
def other_payload_type(t: Town) -> Pair:
    good = t.seal("alice", _pay())
    yield good.replace(b"v1+json", b"v2+json")
    yield good


@case(Code.MALFORMED)
def more_signatures_than_an_envelope_holds(t: Town) -> Pair:
    signers = [signer("crowd", number) for number in range(tx.SIGNATURES_MAX)]
    yield t.seal("alice", _pay(), signers=[signer("alice"), *signers])
    yield t.seal("alice", _pay(), signers=[signer("alice"), *signers[1:]])


@case(Code.MALFORMED)
def an_asset_twice_in_a_budget(t: Town) -> Pair:
    yield t.seal("alice", play(spend=[(EUR, 1), (EUR, 1)]))
    yield t.seal("alice", play(spend=[(EUR, 1), (GOLD, 1)]))


@case(Code.MALFORMED)
def a_role_twice(t: Town) -> Pair:
    yield t.seal("alice", tx.FoundInstitution(account="alice", name="alice-inc", roles=("bank", "bank")))
    yield t.seal("alice", tx.FoundInstitution(account="alice", name="alice-inc", roles=("bank", "dealer")))


@case(Code.MALFORMED)
def an_asset_with_two_caps(t: Town) -> Pair:
    caps = (Cap(EUR, "1", "1", DAY), Cap(EUR, "2", "2", DAY))
    yield t.seal("alice", grant(t, caps=caps))
    yield t.seal("alice", grant(t, caps=caps[:1]))


@case(Code.NOT_CANONICAL)
def a_space_in_the_envelope(t: Town) -> Pair:
    good = t.seal("alice", _pay())
    yield good.replace(b'","payloadType"', b'", "payloadType"')
    yield good


@case(Code.NOT_CANONICAL)
def a_space_in_the_payload(t: Town) -> Pair:
    payload = tx.encode_transaction(t.transaction("alice", [_pay()]))
    yield _signed(payload.replace(b'"sender":', b'"sender": '))
    yield _signed(payload)


@case(Code.NOT_CANONICAL)
def arguments_with_a_space(t: Town) -> Pair:
    good = play()
    yield t.seal("alice", msgspec.structs.replace(good, arguments=msgspec.Raw(b'{"steps": []}')))
    yield t.seal("alice", good)


@case(Code.SIGNATURE_INVALID)
def a_signature_over_something_else(t: Town) -> Pair:
    payload = tx.encode_transaction(t.transaction("alice", [_pay()]))
    yield tx.encode_envelope(payload, {key("alice"): signer("alice").sign(payload)})
    yield _signed(payload)


@case(Code.SIGNATURE_REPEATED)
def a_key_signs_twice(t: Town) -> Pair:
    payload = tx.encode_transaction(t.transaction("alice", [_pay()]))
    one = tx.Signature(keyid=key("alice"), sig=signer("alice").sign(tx.signing_bytes(payload)))
    yield msgspec.json.encode(
        tx.Envelope(payload=payload, payloadType=tx.PAYLOAD_TYPE, signatures=(one, one))
    )
    yield msgspec.json.encode(tx.Envelope(payload=payload, payloadType=tx.PAYLOAD_TYPE, signatures=(one,)))


@case(Code.SIGNATURE_REPEATED)
def signatures_out_of_order(t: Town) -> Pair:
    payload = tx.encode_transaction(t.transaction("alice", [_pay()]))
    ordered = sorted(
        (
            tx.Signature(keyid=one.public_key, sig=one.sign(tx.signing_bytes(payload)))
            for one in (signer("alice"), signer("bob"))
        ),
        key=lambda signature: signature.keyid,
    )
    for signatures in (tuple(reversed(ordered)), tuple(ordered)):
        yield msgspec.json.encode(
            tx.Envelope(payload=payload, payloadType=tx.PAYLOAD_TYPE, signatures=signatures)
        )


def _signed(payload: bytes, name: str = "alice") -> bytes:
    return tx.encode_envelope(payload, {key(name): signer(name).sign(tx.signing_bytes(payload))})


# The identity of the transaction.


@case(Code.DUPLICATE)
def the_very_same_again(t: Town) -> Pair:
    first = t.seal("alice", _pay())
    t.run(first)
    yield first
    yield t.seal("alice", _pay())


@case(Code.DUPLICATE)
def the_very_same_with_once_long_after(t: Town) -> Pair:
    first = t.seal("alice", _pay(), once="invoice 1")
    t.run(first)
    t.wait(DAY)
    yield first
    yield t.seal("alice", _pay(), once="invoice 2")


@case(Code.ID_REUSED)
def an_id_for_another_payment(t: Town) -> Pair:
    transaction = t.transaction("alice", [_pay()])
    t.run(t.envelope(transaction))
    yield t.seal("alice", _pay(2), id=transaction.id)
    # An id is unique for its sender only.
    yield t.seal("carol", issue("carol", (GOLD, "bob", 1)), id=transaction.id)


@case(Code.WRONG_LEDGER)
def signed_for_another_ledger(t: Town) -> Pair:
    yield t.seal("alice", _pay(), ledger=World(limits=Limits(actions_max=7)).ledger)
    yield t.seal("alice", _pay())


@case(Code.EXPIRED)
def expires_now(t: Town) -> Pair:
    yield t.seal("alice", _pay(), expires=t.time)
    yield t.seal("alice", _pay(), expires=t.time + 1)


@case(Code.ID_OUT_OF_WINDOW)
def an_id_from_before_the_window(t: Town) -> Pair:
    yield t.seal("alice", _pay(), id=uuid7(t.time - 600 * SECOND - 1000, 1))
    yield t.seal("alice", _pay(), id=uuid7(t.time - 600 * SECOND, 1))


@case(Code.ID_OUT_OF_WINDOW)
def an_id_from_after_the_window(t: Town) -> Pair:
    yield t.seal("alice", _pay(), id=uuid7(t.time + 600 * SECOND + 1000, 1))
    yield t.seal("alice", _pay(), id=uuid7(t.time + 600 * SECOND + 1000, 1), once="signed slowly")


@case(Code.ONCE_USED)
def an_invoice_paid_twice(t: Town) -> Pair:
    t.do("alice", _pay(), once="invoice 1")
    yield t.seal("alice", _pay(), once="invoice 1")
    # A key belongs to its sender.
    yield t.seal("carol", issue("carol", (GOLD, "bob", 1)), once="invoice 1")


@case(Code.TOO_MANY_ACTIONS)
def no_action(t: Town) -> Pair:
    yield t.seal("alice")
    yield t.seal("alice", _pay())


@case(Code.TOO_MANY_ACTIONS, limits=Limits(actions_max=2))
def one_action_more_than_allowed(t: Town) -> Pair:
    yield t.seal("alice", _pay(), _pay(), _pay())
    yield t.seal("alice", _pay(), _pay())


# Authority.


@case(Code.UNKNOWN_ACCOUNT)
def paying_nobody(t: Town) -> Pair:
    yield t.seal("alice", transfer("alice", (EUR, "ghost", 1)))
    yield t.seal("alice", transfer("alice", (EUR, "bob", 1)))


@case(Code.UNKNOWN_ACCOUNT)
def sent_by_nobody(t: Town) -> Pair:
    yield t.seal("ghost", _pay())
    yield t.seal("bob", _pay())


@case(Code.UNAUTHORISED)
def another_accounts_money(t: Town) -> Pair:
    yield t.seal("bob", _pay(), signers=[signer("bob")])
    yield t.seal("bob", _pay(), signers=[signer("bob"), signer("alice")])


@case(Code.UNAUTHORISED)
def one_signature_short_of_the_threshold(t: Town) -> Pair:
    keys = [signer("alice", number) for number in range(3)]
    t.do("alice", tx.RotateKeys(account="alice", keys=tuple(one.public_key for one in keys), threshold=2))
    yield t.seal("alice", _pay(), signers=keys[:1])
    yield t.seal("alice", _pay(), signers=keys[:2])


@case(Code.UNAUTHORISED)
def a_contract_has_no_keys(t: Town) -> Pair:
    yield t.seal("alice", transfer("p", (EUR, "bob", 1)))
    yield t.seal("alice", transfer("alice", (EUR, "p", 1)))


@case(Code.UNKNOWN_MANDATE)
def a_mandate_never_granted(t: Town) -> Pair:
    yield t.seal("agent", transfer("alice", (EUR, "bob", 1), mandate="allowance"), signers=[signer("agent")])
    t.do("alice", grant(t))
    yield t.seal("agent", transfer("alice", (EUR, "bob", 1), mandate="allowance"), signers=[signer("agent")])


@case(Code.MANDATE_FORBIDS)
def above_the_payment_cap(t: Town) -> Pair:
    t.do("alice", grant(t))
    yield t.seal("agent", transfer("alice", (EUR, "bob", 21), mandate="allowance"), signers=[signer("agent")])
    yield t.seal("agent", transfer("alice", (EUR, "bob", 20), mandate="allowance"), signers=[signer("agent")])


@case(Code.MANDATE_NOT_NARROWER)
def delegating_more_than_one_has(t: Town) -> Pair:
    t.do("alice", grant(t))
    wider = (Cap(EUR, per_period="31", per_payment="20", period_seconds=DAY),)
    yield t.seal("agent", grant(t, "more", mandate="allowance", caps=wider), signers=[signer("agent")])
    yield t.seal("agent", grant(t, "same", mandate="allowance"), signers=[signer("agent")])


# Accounts and institutions.


@case(Code.NAME_INVALID)
def a_capital_letter(t: Town) -> Pair:
    yield t.seal(OPERATOR, open_account(OPERATOR, "Dora"))
    yield t.seal(OPERATOR, open_account(OPERATOR, "dora"))


@case(Code.NAME_INVALID)
def a_name_of_49_characters(t: Town) -> Pair:
    yield t.seal(OPERATOR, open_account(OPERATOR, "d" * 49))
    yield t.seal(OPERATOR, open_account(OPERATOR, "d" * 48))


@case(Code.NAME_INVALID)
def the_kernels_own_name(t: Town) -> Pair:
    yield t.seal("alice", deploy("alice", "ledger", "puppet"))
    yield t.seal("alice", deploy("alice", "ledger-1", "puppet"))


@case(Code.NAME_INVALID)
def an_id_that_is_no_uuid7(t: Town) -> Pair:
    good = uuid7(t.time, 77)
    yield t.seal("alice", _pay(), id=good.upper())
    yield t.seal("alice", _pay(), id=good)


@case(Code.ACCOUNT_EXISTS)
def a_name_that_is_taken(t: Town) -> Pair:
    yield t.seal(OPERATOR, open_account(OPERATOR, "alice"))
    yield t.seal(OPERATOR, open_account(OPERATOR, "alice2"))


@case(Code.OPENING_REFUSED)
def opening_oneself_where_a_sponsor_is_needed(t: Town) -> Pair:
    yield t.seal("dora", open_account("dora", "dora"))
    yield t.seal("bob", open_account("bob", "dora"))


@case(Code.KEYS_INVALID)
def a_threshold_above_the_keys(t: Town) -> Pair:
    keys = (key("alice", 1), key("alice", 2))
    yield t.seal("alice", tx.RotateKeys(account="alice", keys=keys, threshold=3))
    yield t.seal("alice", tx.RotateKeys(account="alice", keys=keys, threshold=2))


@case(Code.KEYS_INVALID)
def the_same_key_twice(t: Town) -> Pair:
    yield t.seal("alice", tx.RotateKeys(account="alice", keys=(key("alice", 1),) * 2))
    yield t.seal("alice", tx.RotateKeys(account="alice", keys=(key("alice", 1), key("alice", 2))))


@case(Code.KEYS_INVALID)
def a_key_of_31_bytes(t: Town) -> Pair:
    yield t.seal("alice", tx.RotateKeys(account="alice", keys=(key("alice", 1)[:31],)))
    yield t.seal("alice", tx.RotateKeys(account="alice", keys=(key("alice", 1),)))


def _recover(*guardians: str) -> tx.Recover:
    return tx.Recover(account=guardians[0], subject="alice", guardians=guardians, keys=(key("alice", 1),))


@case(Code.NO_GUARDIANS)
def one_guardian_of_two(t: Town) -> Pair:
    t.do("alice", tx.SetGuardians("alice", ("bob", "carol"), delay_seconds=DAY, threshold=2))
    yield t.seal("bob", _recover("bob", "agent"))
    yield t.seal("bob", _recover("bob", "carol"))


@case(Code.NO_RECOVERY)
def vetoing_nothing(t: Town) -> Pair:
    t.do("alice", tx.SetGuardians("alice", ("bob",), delay_seconds=DAY))
    yield t.seal("alice", tx.VetoRecovery(account="alice"))
    t.do("bob", _recover("bob"))
    yield t.seal("alice", tx.VetoRecovery(account="alice"))


@case(Code.UNKNOWN_INSTITUTION)
def joining_nothing(t: Town) -> Pair:
    yield t.seal("alice", tx.JoinInstitution(account="alice", institution="ghost-inc"))
    signers = [signer("alice"), signer("bank")]
    yield t.seal("alice", tx.JoinInstitution(account="alice", institution="bank-inc"), signers=signers)


@case(Code.INSTITUTION_EXISTS)
def founding_it_again(t: Town) -> Pair:
    yield t.seal("alice", tx.FoundInstitution(account="alice", name="bank-inc"))
    yield t.seal("alice", tx.FoundInstitution(account="alice", name="alice-inc"))


@case(Code.ALREADY_MEMBER)
def joining_a_second(t: Town) -> Pair:
    yield t.seal("bank", tx.FoundInstitution(account="bank", name="bank-two"))
    yield t.seal("alice", tx.FoundInstitution(account="alice", name="bank-two"))


@case(Code.ROLE_UNKNOWN)
def a_role_nobody_registered(t: Town) -> Pair:
    yield t.seal("bank", tx.DeclareInstitution(account="bank", institution="bank-inc", roles=("king",)))
    yield t.seal("bank", tx.DeclareInstitution(account="bank", institution="bank-inc", roles=("dealer",)))


# Assets and amounts.


@case(Code.UNKNOWN_ASSET)
def paying_in_nothing(t: Town) -> Pair:
    yield t.seal("alice", transfer("alice", ("ghost@bank", "bob", 1)))
    yield t.seal("alice", _pay())


@case(Code.ASSET_EXISTS)
def declaring_it_again(t: Town) -> Pair:
    yield t.seal("carol", create("carol", "gold"))
    yield t.seal("bob", create("bob", "gold"))


@case(Code.ASSET_INVALID)
def a_share_by_hand(t: Town) -> Pair:
    yield t.seal("bob", create("bob", "part", kind="share"))
    yield t.seal("bob", create("bob", "part"))


@case(Code.ASSET_INVALID)
def a_token_that_somebody_owes(t: Town) -> Pair:
    yield t.seal("bank", create("bank", "usd", obligor="bank-inc"))
    yield t.seal("bank", create("bank", "usd", kind="claim", obligor="bank-inc", terms=Terms(owes="USD")))


@case(Code.ASSET_INVALID)
def a_claim_without_terms(t: Town) -> Pair:
    yield t.seal("bank", create("bank", "usd", kind="claim", obligor="bank-inc"))
    yield t.seal("bank", create("bank", "usd", kind="claim", obligor="bank-inc", terms=Terms(owes="USD")))


@case(Code.ASSET_INVALID)
def thirty_seven_decimals(t: Town) -> Pair:
    yield t.seal("bob", create("bob", "fine", decimals=37))
    yield t.seal("bob", create("bob", "fine", decimals=36))


@case(Code.ASSET_INVALID)
def terms_that_pay_nothing(t: Town) -> Pair:
    claim = {"kind": "claim", "obligor": "bank-inc"}
    yield t.seal("bank", create("bank", "usd", terms=Terms(owes="USD", pays=0), **claim))
    yield t.seal("bank", create("bank", "usd", terms=Terms(owes="USD", pays=1), **claim))


@case(Code.ASSET_INVALID)
def an_asset_as_unit_of_account(t: Town) -> Pair:
    yield t.seal("bob", create("bob", "fine", unit=EUR))
    yield t.seal("bob", create("bob", "fine", unit="EUR"))


@case(Code.NOT_THE_ISSUER)
def issuing_anothers_asset(t: Town) -> Pair:
    yield t.seal("alice", issue("alice", (EUR, "bob", 1)))
    yield t.seal("bank", issue("bank", (EUR, "bob", 1)))


@case(Code.ISSUE_REQUIRED)
def issuing_by_a_plain_transfer(t: Town) -> Pair:
    yield t.seal("bank", transfer("bank", (EUR, "bob", 1)))
    yield t.seal("bank", issue("bank", (EUR, "bob", 1)))


@case(Code.POWER_MISSING)
def clawing_back_without_the_power(t: Town) -> Pair:
    back = tx.ClawBack(account="bank", asset=GOLD, source="alice", units="40", reason="court order 1")
    yield t.seal("bank", back)
    yield t.seal("carol", msgspec.structs.replace(back, account="carol"))


@case(Code.POWER_MISSING)
def freezing_without_the_power(t: Town) -> Pair:
    freeze = tx.SetListing(account="bank", asset=GOLD, list="frozen", subject="alice", listed=True)
    yield t.seal("bank", freeze)
    yield t.seal("carol", msgspec.structs.replace(freeze, account="carol"))


@case(Code.POWER_MISSING)
def ruling_without_the_power(t: Town) -> Pair:
    yield t.seal("bank", tx.ChangePolicy(account="bank", asset=GOLD, rules={"posting_max": "1"}))
    yield t.seal("carol", tx.ChangePolicy(account="carol", asset=GOLD, rules={"posting_max": "1"}))


@case(Code.POWER_MISSING, versions=(1, 2))
def activating_without_being_the_operator(t: Town) -> Pair:
    yield t.seal("alice", tx.Activate("alice", version=2, due=t.later(DAY)))
    yield t.seal(OPERATOR, tx.Activate(OPERATOR, version=2, due=t.later(DAY)))


def _amount_case(code: Code, amount: str, neighbour: str) -> None:
    def story(t: Town) -> Pair:
        yield t.seal("alice", _spelled(amount))
        yield t.seal("alice", _spelled(neighbour))

    story.__name__ = f"amount {amount[:12]!r}"
    case(code)(story)


for _spelling in ("", "1.0", "01", "+1", " 1", "1 ", "1e1", "0x1", "1_0", "١", "１", "-", "NaN", "--1", "00"):
    _amount_case(Code.AMOUNT_NOT_AN_INTEGER, _spelling, "1")
for _spelling in ("0", "-1", "-0"):
    _amount_case(Code.AMOUNT_NOT_POSITIVE, _spelling, "1")
for _spelling in (str(UNITS_LIMIT), "9" * 39, "1" + "0" * 39, "9" * 10_000):
    _amount_case(Code.AMOUNT_TOO_LARGE, _spelling, "100")


@case(Code.AMOUNT_TOO_LARGE)
def issuing_beyond_the_limit_in_two_steps(t: Town) -> Pair:
    most = UNITS_LIMIT - 1 - 100
    yield t.seal("bank", issue("bank", (EUR, "bob", most)), issue("bank", (EUR, "carol", 1)))
    yield t.seal("bank", issue("bank", (EUR, "bob", most - 1)), issue("bank", (EUR, "carol", 1)))


@case(Code.AMOUNT_TOO_LARGE)
def an_argument_of_2_to_the_256(t: Town) -> Pair:
    too_large: Any = str(INTEGER_LIMIT)  # as on the wire: our own encoder refuses the number
    yield t.seal("alice", play(Step("balance", asset=EUR, units=too_large)))
    yield t.seal("alice", play(Step("balance", asset=EUR, units=INTEGER_LIMIT - 1)))


@case(Code.INSUFFICIENT_BALANCE)
def one_more_than_the_balance(t: Town) -> Pair:
    yield t.seal("alice", _pay(101))
    yield t.seal("alice", _pay(100))


@case(Code.INSUFFICIENT_BALANCE)
def one_more_than_is_available(t: Town) -> Pair:
    t.do("alice", hold("alice", "bob", (EUR, 60), expires=t.later(60)))
    yield t.seal("alice", _pay(41))
    yield t.seal("alice", _pay(40))


@case(Code.INSUFFICIENT_BALANCE)
def legs_that_fit_one_by_one_only(t: Town) -> Pair:
    yield t.seal("alice", transfer("alice", (EUR, "bob", 60), (EUR, "carol", 41)))
    yield t.seal("alice", transfer("alice", (EUR, "bob", 60), (EUR, "carol", 40)))


@case(Code.SAME_ACCOUNT)
def paying_oneself(t: Town) -> Pair:
    yield t.seal("alice", transfer("alice", (EUR, "alice", 1)))
    yield t.seal("alice", _pay())


@case(Code.NO_LEGS)
def no_legs(t: Town) -> Pair:
    yield t.seal("alice", transfer("alice"))
    yield t.seal("alice", _pay())


@case(Code.NO_LEGS, limits=Limits(legs_max=2))
def one_leg_more_than_allowed(t: Town) -> Pair:
    yield t.seal("alice", transfer("alice", *[(EUR, "bob", 1)] * 3))
    yield t.seal("alice", transfer("alice", *[(EUR, "bob", 1)] * 2))


@case(Code.POLICY_REFUSED)
def above_the_policys_posting_max(t: Town) -> Pair:
    t.do("carol", issue("carol", (GOLD, "alice", 30)))
    yield t.seal("alice", transfer("alice", (GOLD, "bob", 51)))
    yield t.seal("alice", transfer("alice", (GOLD, "bob", 50)))


@case(Code.POLICY_UNKNOWN)
def a_policy_nobody_wrote(t: Town) -> Pair:
    yield t.seal("bob", create("bob", "fine", policy=PolicySpec(kind="strict")))
    yield t.seal("bob", create("bob", "fine", policy=PolicySpec(kind="controlled")))


@case(Code.POLICY_UNKNOWN)
def a_list_the_policy_does_not_have(t: Town) -> Pair:
    listing = tx.SetListing(account="carol", asset=GOLD, list="friends", subject="alice", listed=True)
    yield t.seal("carol", listing)
    yield t.seal("carol", msgspec.structs.replace(listing, list="admitted"))


# Holds, lots and time.


def _held(t: Town, **more: object) -> str:
    fields = {"expires": t.later(60)} | more
    name = t.do("alice", hold("alice", "bob", (EUR, 30), **fields)).results[0]  # type: ignore[arg-type]
    assert isinstance(name, str)
    return name


@case(Code.UNKNOWN_HOLD)
def capturing_a_hold_that_ended(t: Town) -> Pair:
    first, second = _held(t), _held(t)
    t.do("bob", tx.Release(account="bob", hold=first))
    yield t.seal("bob", capture("bob", first))
    yield t.seal("bob", capture("bob", second))


@case(Code.HOLD_EXPIRED, limits=Limits(timers_per_batch_max=1))
def capturing_at_the_expiry(t: Town) -> Pair:
    # One timer runs in each batch, that of the first hold; the second expires by comparing times.
    _held(t)
    second, third = _held(t), _held(t, expires=t.later(61))
    t.time += 60 * SECOND
    yield t.seal("bob", capture("bob", second))
    yield t.seal("bob", capture("bob", third))


@case(Code.HOLD_NOT_EXPIRED)
def the_owner_releasing_early(t: Town) -> Pair:
    name = _held(t)
    yield t.seal("alice", tx.Release(account="alice", hold=name))
    yield t.seal("bob", tx.Release(account="bob", hold=name))


@case(Code.HOLD_NOT_EXPIRED, limits=Limits(timers_per_batch_max=1))
def the_owner_releasing_before_the_expiry(t: Town) -> Pair:
    _held(t)
    name = _held(t)
    t.time += 59 * SECOND
    yield t.seal("alice", tx.Release(account="alice", hold=name))
    t.time += 1 * SECOND
    yield t.seal("alice", tx.Release(account="alice", hold=name))


@case(Code.NOT_THE_BENEFICIARY)
def a_stranger_capturing(t: Town) -> Pair:
    name = _held(t)
    yield t.seal("carol", capture("carol", name))
    yield t.seal("bob", capture("bob", name))


@case(Code.HOLD_EXCEEDED)
def capturing_one_more_than_is_held(t: Town) -> Pair:
    name = _held(t)
    t.do("bob", capture("bob", name, (EUR, 10)))
    yield t.seal("bob", capture("bob", name, (EUR, 21)))
    yield t.seal("bob", capture("bob", name, (EUR, 20)))


@case(Code.ISSUER_CANNOT_HOLD)
def an_issuer_promising_its_own_asset(t: Town) -> Pair:
    t.do("alice", transfer("alice", (GOLD, "bank", 1)))
    yield t.seal("bank", hold("bank", "bob", (EUR, 1), expires=t.later(60)))
    yield t.seal("bank", hold("bank", "bob", (GOLD, 1), expires=t.later(60)))


@case(Code.NOT_A_CLAIM)
def redeeming_a_token(t: Town) -> Pair:
    yield t.seal("alice", tx.Redeem(account="alice", asset=GOLD, units="1"))
    yield t.seal("alice", tx.Redeem(account="alice", asset=EUR, units="1"))


def _lot(t: Town, units: int = 10) -> str:
    name = t.do("alice", tx.Redeem(account="alice", asset=EUR, units=str(units))).results[0]
    assert isinstance(name, str)
    return name


@case(Code.UNKNOWN_LOT)
def settling_a_lot_that_was_taken_back(t: Town) -> Pair:
    first, second = _lot(t), _lot(t)
    t.do("alice", tx.CancelRedemption(account="alice", lot=first))
    yield t.seal("bank", tx.SettleRedemption(account="bank", lot=first, evidence="wire 1"))
    yield t.seal("bank", tx.SettleRedemption(account="bank", lot=second, evidence="wire 1"))


@case(Code.NOT_THE_HOLDER)
def a_stranger_taking_a_request_back(t: Town) -> Pair:
    name = _lot(t)
    yield t.seal("bob", tx.CancelRedemption(account="bob", lot=name))
    yield t.seal("alice", tx.CancelRedemption(account="alice", lot=name))


@case(Code.NOT_THE_OBLIGOR)
def a_stranger_settling(t: Town) -> Pair:
    name = _lot(t)
    yield t.seal("carol", tx.SettleRedemption(account="carol", lot=name, evidence="wire 1"))
    yield t.seal("bank", tx.SettleRedemption(account="bank", lot=name, evidence="wire 1"))


@case(Code.REDEEMED_BY_CONTRACT)
def asking_the_obligor_past_the_contract_that_issued(t: Town) -> Pair:
    issuing = msgspec.structs.replace(deploy("alice", "r", "puppet"), obligor="bank-inc")
    t.do("alice", issuing, signers=[signer("alice"), signer("bank")])
    t.do(
        "alice",
        play(
            Step("create_claim", to="bank-inc", name="iou"),
            Step("mint", to="alice", asset="iou@r", units=10),
            contract="r",
        ),
    )
    yield t.seal("alice", tx.Redeem(account="alice", asset="iou@r", units="10"))
    yield t.seal("alice", tx.Redeem(account="alice", asset=EUR, units="10"))


@case(Code.LOT_TOO_SMALL)
def a_lot_that_pays_nothing(t: Town) -> Pair:
    terms = Terms(owes="USD", pays=1, per=10)
    t.do("bank", create("bank", "cent", kind="claim", obligor="bank-inc", terms=terms))
    t.do("bank", issue("bank", ("cent@bank", "alice", 20)))
    yield t.seal("alice", tx.Redeem(account="alice", asset="cent@bank", units="9"))
    yield t.seal("alice", tx.Redeem(account="alice", asset="cent@bank", units="10"))


@case(Code.TIME_INVALID)
def a_hold_that_expires_now(t: Town) -> Pair:
    yield t.seal("alice", hold("alice", "bob", (EUR, 1), expires=t.time))
    yield t.seal("alice", hold("alice", "bob", (EUR, 1), expires=t.time + 1))


@case(Code.TIME_INVALID, limits=Limits(horizon_seconds=14 * DAY))
def a_hold_beyond_the_horizon(t: Town) -> Pair:
    yield t.seal("alice", hold("alice", "bob", (EUR, 1), expires=t.later(14 * DAY) + 1))
    yield t.seal("alice", hold("alice", "bob", (EUR, 1), expires=t.later(14 * DAY)))


@case(Code.QUOTA_EXCEEDED, limits=Limits(holds_per_account_max=2))
def one_hold_too_many(t: Town) -> Pair:
    _held(t)
    second = _held(t)
    yield t.seal("alice", hold("alice", "bob", (EUR, 1), expires=t.later(60)))
    t.do("bob", tx.Release(account="bob", hold=second))
    yield t.seal("alice", hold("alice", "bob", (EUR, 1), expires=t.later(60)))


@case(Code.QUOTA_EXCEEDED, limits=Limits(timers_per_account_max=2))
def one_timer_too_many(t: Town) -> Pair:
    _held(t)
    lot = _lot(t)
    yield t.seal("alice", tx.Redeem(account="alice", asset=EUR, units="1"))
    t.do("alice", tx.CancelRedemption(account="alice", lot=lot))
    yield t.seal("alice", tx.Redeem(account="alice", asset=EUR, units="1"))


@case(Code.UNKNOWN_TIMER)
def running_work_that_is_not_overdue(t: Town) -> Pair:
    due, number = t.do(
        "alice", play(Step("timer", units=t.later(5), steps=[Step("pay", "bob", EUR, 1)]))
    ).results[0]
    assert int(due) == t.later(5)
    yield t.seal("bob", tx.RunTimer(account="bob", timer=int(number)))
    t.wait(5)  # it fails: the puppet has nothing yet
    t.do("alice", transfer("alice", (EUR, "p", 1)))
    yield t.seal("bob", tx.RunTimer(account="bob", timer=int(number)))


# Contracts.


@case(Code.UNKNOWN_KIND)
def a_kind_that_is_not_in_force(t: Town) -> Pair:
    yield t.seal("alice", deploy("alice", "x", "puppet", version=2))
    yield t.seal("alice", deploy("alice", "x", "puppet"))


@case(Code.UNKNOWN_CONTRACT)
def calling_an_account(t: Town) -> Pair:
    yield t.seal("alice", play(contract="bob"))
    yield t.seal("alice", play(contract="p"))


@case(Code.UNKNOWN_METHOD)
def calling_a_view(t: Town) -> Pair:
    yield t.seal("alice", play(method="look"))
    yield t.seal("alice", play(method="run"))


@case(Code.UNKNOWN_METHOD)
def calling_python(t: Town) -> Pair:
    yield t.seal("alice", call("alice", "p", "__init__"))
    yield t.seal("alice", play())


@case(Code.ARGUMENTS_INVALID)
def an_argument_of_another_type(t: Town) -> Pair:
    yield t.seal("alice", call("alice", "p", "run", steps="none"))
    yield t.seal("alice", call("alice", "p", "run", steps=[]))


@case(Code.ARGUMENTS_INVALID)
def an_argument_nobody_asked_for(t: Town) -> Pair:
    yield t.seal("alice", call("alice", "p", "run", steps=[], more=1))
    yield t.seal("alice", call("alice", "p", "run", steps=[]))


@case(Code.REENTRANCY)
def a_contract_that_comes_back(t: Town) -> Pair:
    yield t.seal("alice", play(Step("call", "q", steps=[Step("call", "p")])))
    yield t.seal("alice", play(Step("call", "q"), Step("call", "q")))


@case(Code.DEPTH_EXCEEDED, limits=Limits(depth_max=2))
def a_call_too_deep(t: Town) -> Pair:
    t.do("alice", deploy("alice", "r", "puppet"))
    yield t.seal("alice", play(Step("call", "q", steps=[Step("call", "r")])))
    yield t.seal("alice", play(Step("call", "q"), Step("call", "r")))


@case(Code.BUDGET_EXCEEDED)
def taking_one_more_than_signed(t: Town) -> Pair:
    yield t.seal("alice", play(Step("take", asset=EUR, units=6), spend=[(EUR, 5)]))
    yield t.seal("alice", play(Step("take", asset=EUR, units=5), spend=[(EUR, 5)]))


@case(Code.RECEIVE_UNMET)
def receiving_one_less_than_signed(t: Town) -> Pair:
    t.do("alice", transfer("alice", (EUR, "p", 10)))
    yield t.seal("alice", play(Step("pay", "alice", EUR, 4), receive=[(EUR, 5)]))
    yield t.seal("alice", play(Step("pay", "alice", EUR, 5), receive=[(EUR, 5)]))


@case(Code.NOT_CONTROLLED)
def minting_anothers_asset(t: Town) -> Pair:
    yield t.seal("alice", play(Step("mint", "bob", EUR, 1)))
    yield t.seal("alice", play(Step("create", name="part"), Step("mint", "bob", "part@p", 1)))


@case(Code.NOT_CONTROLLED)
def paying_from_anothers_subaccount(t: Town) -> Pair:
    t.do("alice", play(Step("subaccount", name="parked")))
    t.do("alice", transfer("alice", (EUR, "p/parked", 5)))
    yield t.seal("alice", play(Step("pay", "bob", EUR, 5, name="p/parked"), contract="q"))
    yield t.seal("alice", play(Step("pay", "bob", EUR, 5, name="p/parked"), contract="p"))


@case(Code.OBLIGATION_OPEN)
def leaving_a_debt_of_one(t: Town) -> Pair:
    borrow = play(Step("owe", asset=EUR, units=5))
    yield t.seal("alice", borrow, play(Step("clear", asset=EUR, units=4), method="settle"))
    yield t.seal("alice", borrow, play(Step("clear", asset=EUR, units=5), method="settle"))


@case(Code.OBLIGATION_OPEN)
def entering_another_method_meanwhile(t: Town) -> Pair:
    borrow = play(Step("owe", asset=EUR, units=5))
    clear = play(Step("clear", asset=EUR, units=5), method="settle")
    yield t.seal("alice", borrow, play(), clear)
    yield t.seal("alice", borrow, play(contract="q"), clear)


@case(Code.OBLIGATION_EXCEEDED)
def clearing_more_than_is_owed(t: Town) -> Pair:
    borrow = play(Step("owe", asset=EUR, units=5))
    yield t.seal("alice", borrow, play(Step("clear", asset=EUR, units=6), method="settle"))
    yield t.seal("alice", borrow, play(Step("clear", asset=EUR, units=5), method="settle"))


@case(Code.READ_ONLY)
def a_view_that_writes(t: Town) -> Pair:
    yield t.seal("alice", play(Step("view", "q", steps=[Step("put", units=1, name="1")])))
    yield t.seal("alice", play(Step("call", "q", steps=[Step("put", units=1, name="1")])))


@case(Code.CONTRACT_FAULT)
def a_division_by_zero(t: Town) -> Pair:
    yield t.seal("alice", play(Step("fault")))
    yield t.seal("alice", play(Step("fault", caught=True)))


@case(Code.CONTRACT_FAULT)
def half_a_unit(t: Town) -> Pair:
    yield t.seal("alice", play(Step("half", asset=EUR, units=-2), spend=[(EUR, 2)]))
    yield t.seal("alice", play(Step("take", asset=EUR, units=2), spend=[(EUR, 2)]))


@case(Code.CONTRACT_FAULT)
def an_event_that_no_receipt_can_carry(t: Town) -> Pair:
    yield t.seal("alice", play(Step("emit_float")))
    yield t.seal("alice", play(Step("emit", name="whole", units=1)))


@case(Code.CONTRACT_FAULT)
def a_result_that_no_receipt_can_carry(t: Town) -> Pair:
    t.do("alice", deploy("alice", "c", "careless"))
    yield t.seal("alice", call("alice", "c", "half"))
    yield t.seal("alice", play())


@case(Code.WORK_EXCEEDED, limits=Limits(work_max=500))
def working_for_ever(t: Town) -> Pair:
    yield t.seal("alice", play(Step("loop")))
    yield t.seal("alice", play(Step("balance", asset=EUR)))


@case(Code.WORK_EXCEEDED, limits=Limits(work_max=25))
def one_operation_more_than_allowed(t: Town) -> Pair:
    # One for the action, one for each leg.
    yield t.seal("alice", transfer("alice", *[(EUR, "bob", 1)] * 25))
    yield t.seal("alice", transfer("alice", *[(EUR, "bob", 1)] * 24))


# The end of the transaction.


@case(Code.LIMIT_EXCEEDED)
def losing_one_more_than_the_net_limit(t: Town) -> Pair:
    limit = tx.NetLimit(account="alice", asset=EUR, least="-9")
    yield t.seal("alice", _pay(10), limits=(limit,))
    yield t.seal("alice", _pay(9), limits=(limit,))


@case(Code.LIMIT_EXCEEDED)
def gaining_one_less_than_the_net_limit(t: Town) -> Pair:
    limit = tx.NetLimit(account="bob", asset=EUR, least="10")
    yield t.seal("alice", _pay(9), limits=(limit,))
    yield t.seal("alice", _pay(10), limits=(limit,))


@case(Code.PROTOCOL_INVALID, versions=(1, 2))
def activating_what_this_code_cannot_run(t: Town) -> Pair:
    yield t.seal(OPERATOR, tx.Activate(OPERATOR, version=3, due=t.later(DAY)))
    yield t.seal(OPERATOR, tx.Activate(OPERATOR, version=2, due=t.later(DAY)))


def test_the_wire_form_of_this_file_is_the_ledgers() -> None:
    assert bytes(wire({"b": 2, "a": [Step("put", units=1)], "c": True})).startswith(b'{"a":[{"asset":""')
