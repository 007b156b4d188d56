"""Whatever bytes come in, the decoders answer with a value that encodes to those bytes, or a `Rejection`."""

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ledger import amounts
from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import (
    INTEGER_LIMIT,
    UNITS_LIMIT,
    check_units,
    mul_div_down,
    mul_div_up,
    parse_units,
)
from tallystick.ledger.contract import check_integers, decode_arguments, encode_wire, to_wire
from tallystick.ledger.encoding import decode_pair, encode_key, encode_pairs, encode_value, split_pairs
from tallystick.ledger.genesis import decode_genesis, encode_genesis, genesis_writes
from tallystick.ledger.invariants import check_conserved, check_state
from tallystick.ledger.names import check_name, check_reference, uuid7_time
from tallystick.ledger.receipts import decode_receipt
from tallystick.ledger.records import Cap, Hold, PolicySpec, Terms
from tallystick.ledger.rejections import Code, InvariantViolation, Rejection
from tests.ledger.puppet import Puppet, Step
from tests.ledger.town import EUR, GOLD, Town, grant, play
from tests.ledger.world import (
    DAY,
    START,
    World,
    capture,
    create,
    deploy,
    hold,
    issue,
    key,
    open_account,
    transfer,
    uuid7,
)


def outcome(decode: Callable[[Any], Any], given: Any) -> Any:
    """Return what the decoder answers, or the rejection that it raises."""
    try:
        return decode(given)
    except Rejection as refused:
        return refused


# Amounts.


@given(st.text() | st.text(alphabet="-+ 0123456789._e", max_size=45))
def test_an_amount_is_parsed_to_the_number_it_spells_or_refused(text: str) -> None:
    units = outcome(parse_units, text)
    if isinstance(units, Rejection):
        assert units.code in (Code.AMOUNT_NOT_AN_INTEGER, Code.AMOUNT_NOT_POSITIVE, Code.AMOUNT_TOO_LARGE)
        plain = re.fullmatch("[1-9][0-9]{0,38}", text)
        assert plain is None or int(text) >= UNITS_LIMIT
    else:
        assert str(units) == text
        assert 0 < units < UNITS_LIMIT


@given(st.integers(1, UNITS_LIMIT - 1))
def test_every_amount_below_the_limit_has_a_spelling(units: int) -> None:
    assert parse_units(str(units)) == check_units(units) == units


@given(st.integers(0, 2**200), st.integers(0, 2**200), st.integers(1, 2**200))
def test_division_rounds_as_it_says(units: int, numerator: int, denominator: int) -> None:
    down = mul_div_down(units, numerator, denominator)
    up = mul_div_up(units, numerator, denominator)
    product = units * numerator
    assert down * denominator <= product < (down + 1) * denominator
    assert (up - 1) * denominator < product <= up * denominator
    assert up - down == (product % denominator != 0)


def test_division_in_numbers() -> None:
    assert (mul_div_down(7, 3, 2), mul_div_up(7, 3, 2)) == (10, 11)
    assert (mul_div_down(8, 3, 2), mul_div_up(8, 3, 2)) == (12, 12)
    assert (mul_div_down(0, 3, 2), mul_div_up(0, 3, 2)) == (0, 0)
    assert amounts.isqrt(10**20 - 1) == 10**10 - 1


@pytest.mark.parametrize("units", [1.0, 2.5, True, "1", None])
def test_an_amount_that_code_computed_is_an_int(units: object) -> None:
    with pytest.raises(TypeError):
        check_units(units)  # type: ignore[arg-type]


@pytest.mark.parametrize("digits", [40, 5_000])
def test_an_amount_that_code_computed_may_be_of_any_size_and_is_refused_by_its_code(digits: int) -> None:
    for units, code in ((10**digits, Code.AMOUNT_TOO_LARGE), (-(10**digits), Code.AMOUNT_NOT_POSITIVE)):
        with pytest.raises(Rejection) as refused:
            check_units(units)
        assert refused.value.code is code
    assert check_units(2**128 - 1) == 2**128 - 1


# Names.


@pytest.mark.parametrize("name", ["a", "0", "bank-a.treasury", "a" * 48, "x--y..z"])
def test_names_that_are_allowed(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "A", "-a", ".a", "a" * 49, "a b", "a/b", "a!", "a@b", "a\n", "é", "а", "ledger", "a_b"],
)
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(Rejection, match="name_invalid"):
        check_name(name)


@given(st.text())
def test_a_reference_is_printable_ascii(text: str) -> None:
    allowed = 1 <= len(text) <= 128 and all(" " <= one <= "~" for one in text) and text == text.strip(" ")
    try:
        check_reference(text)
    except Rejection:
        assert not allowed
    else:
        assert allowed


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**62 - 1))
def test_the_time_in_an_id(milliseconds: int, number: int) -> None:
    identifier = uuid7(milliseconds * 1_000, number)
    assert uuid7_time(identifier) == milliseconds * 1_000
    for other in (
        identifier.upper(),
        identifier[:14] + "4" + identifier[15:],
        identifier[:-1],
        identifier + "0",
    ):
        if other != identifier:
            with pytest.raises(Rejection, match="name_invalid"):
                uuid7_time(other)


# One of each action, and what becomes of it when its bytes are changed.


def every_action(town: Town) -> list[tx.Action]:
    """Return one action of each kind, with every optional field set somewhere."""
    terms = Terms(owes=GOLD, pays=2, per=3, matures=town.later(DAY), notice_seconds=5, collateral="bob")
    policy = PolicySpec("controlled", {"balance_max": "5"}, lists_by="bob", rules_by="bob", delay_seconds=9)
    claim = create("bank", "note", kind="claim", decimals=2, unit="EUR", obligor="bank-inc", terms=terms)
    return [
        open_account("alice", "dora"),
        tx.RotateKeys("alice", keys=(key("alice", 1), key("alice", 2)), threshold=2, keep_mandates=True),
        tx.SetGuardians("alice", ("bob",), delay_seconds=DAY),
        tx.Recover("bob", "alice", ("bob",), keys=(key("alice", 1),)),
        tx.VetoRecovery("alice"),
        grant(town, mandate="other"),
        tx.RevokeMandate("alice", "allowance"),
        tx.FoundInstitution("alice", "alice-inc", roles=("bank",), related=("bank-inc",)),
        tx.JoinInstitution("alice", "bank-inc"),
        tx.DeclareInstitution("bank", "bank-inc", roles=("dealer",)),
        msgspec.structs.replace(claim, policy=policy, claw_back_by="bob", external_ids=(("isin", "X"),)),
        issue("bank", (EUR, "bob", 5)),
        transfer("alice", (EUR, "bob", 5), (GOLD, "bob", 6), reference="rent", mandate="allowance"),
        tx.ClawBack("carol", GOLD, "alice", "5", "order 7", ending=("3.0",)),
        tx.SetListing("carol", GOLD, "frozen", "alice", listed=True),
        tx.ChangePolicy("carol", GOLD, {"posting_max": "5", "balance_max": "7"}),
        tx.Redeem("alice", EUR, "5", reference="home"),
        tx.CancelRedemption("alice", "3.0"),
        tx.SettleRedemption("bank", "3.0", evidence="wire 1"),
        hold("alice", "bob", (EUR, 5), expires=town.later(60), at_expiry="capture"),
        capture("bob", "3.0", (EUR, 5), final=True),
        tx.Release("bob", "3.0"),
        msgspec.structs.replace(deploy("alice", "x", "puppet"), obligor="bank-inc"),
        play(Step("take", asset=EUR, units=5), spend=[(EUR, 5)], receive=[(GOLD, 1)]),
        tx.RunTimer("alice", 5),
        tx.Activate("operator", version=2, due=town.later(2 * DAY)),
    ]


TOWN = Town()
EVERY_ACTION = every_action(TOWN)
BIG = TOWN.transaction(
    "alice",
    EVERY_ACTION,
    once="o",
    limits=(tx.NetLimit(account="alice", asset=EUR, least="-5"),),
    id=uuid7(START, 1),
)
PAYLOAD = tx.encode_transaction(BIG)
ENVELOPE = TOWN.envelope(BIG)


def test_there_is_one_of_each_action() -> None:
    assert {type(action) for action in EVERY_ACTION} == set(tx.Action.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("action", EVERY_ACTION, ids=lambda action: type(action).__name__)
def test_each_action_comes_back_from_its_encoding(action: tx.Action) -> None:
    transaction = TOWN.transaction("alice", [action])
    payload = tx.encode_transaction(transaction)
    decoded = tx.decode_payload(payload)
    assert tx.encode_transaction(decoded) == payload
    assert json.loads(payload)["actions"][0]["type"] == type(action).__struct_config__.tag
    for name in action.__struct_fields__:
        ours, theirs = getattr(action, name), getattr(decoded.actions[0], name)
        assert (bytes(ours) == bytes(theirs)) if isinstance(ours, msgspec.Raw) else (ours == theirs)


def mutate(data: bytes, draw: st.DataObject) -> bytes:
    """Return the bytes after a few cuts, repetitions and replacements."""
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data)))
        to = min(len(data), at + draw.draw(st.integers(0, 12)))
        middle = draw.draw(
            st.sampled_from(
                [
                    b"",
                    data[at:to] * 2,
                    b"null",
                    b"[]",
                    b'""',
                    b"-1",
                    b"1e999",
                    b"99999999999999999999999",
                    b"{}",
                ]
            )
            | st.binary(max_size=6)
            | st.sampled_from([b'"\\ud800"', b"\\u0000", b"\xff", b" ", b"0", b",", b":", b"\x00"])
        )
        data = data[:at] + middle + data[to:]
    return data


@given(st.data())
def test_a_changed_payload_is_another_transaction_or_refused(data: st.DataObject) -> None:
    changed = mutate(PAYLOAD, data)
    decoded = outcome(tx.decode_payload, changed)
    if isinstance(decoded, Rejection):
        assert decoded.code in (Code.MALFORMED, Code.NOT_CANONICAL)
    else:
        assert tx.encode_transaction(decoded) == changed


@given(st.data())
def test_a_changed_envelope_is_refused(data: st.DataObject) -> None:
    changed = mutate(ENVELOPE, data)
    authentic = outcome(tx.authenticate, changed)
    if isinstance(authentic, Rejection):
        msgspec.json.encode(authentic.as_dict())
    else:
        # Only dropping whole signatures leaves a valid envelope: of the same transaction.
        assert tx.encode_transaction(authentic.transaction) == PAYLOAD
        assert changed == ENVELOPE or len(changed) < len(ENVELOPE)


@given(st.data())
def test_many_envelopes_are_answered_as_each_alone(data: st.DataObject) -> None:
    envelopes = [
        mutate(ENVELOPE, data) if data.draw(st.booleans()) else ENVELOPE
        for _ in range(data.draw(st.integers(0, 12)))
    ]
    alone = [outcome(tx.authenticate, one) for one in envelopes]
    many = tx.authenticate_all(envelopes)
    assert [getattr(one, "as_dict", lambda one=one: one)() for one in many] == [
        getattr(one, "as_dict", lambda one=one: one)() for one in alone
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_is_refused(data: bytes) -> None:
    for decode in (tx.authenticate, tx.decode_payload, decode_genesis):
        with pytest.raises(Rejection):
            decode(data)
    with pytest.raises(Rejection):
        decode_arguments(data, Puppet.methods["run"].arguments, "run")


@given(
    st.lists(st.tuples(st.sampled_from(["[", "{", '{"a":', '"', "[["]), st.integers(1, 100_000)), max_size=3)
)
def test_deep_nesting_is_refused(parts: list[tuple[str, int]]) -> None:
    data = "".join(part * count for part, count in parts).encode()[:1_000_000]
    for decode in (tx.authenticate, tx.decode_payload, decode_genesis):
        with pytest.raises(Rejection):
            decode(data)


@pytest.mark.parametrize("bracket", ["[]", "{}"])
@pytest.mark.parametrize("field", ["arguments", "sender", "limits"])
def test_a_hundred_thousand_brackets_in_a_field(bracket: str, field: str) -> None:
    town = Town()
    deep = (
        bracket[0] * 100_000 + bracket[1] * 100_000
        if bracket == "[]"
        else '{"a":' * 100_000 + "1" + "}" * 100_000
    )
    payload = tx.encode_transaction(
        town.transaction("alice", [play()], limits=(tx.NetLimit("alice", EUR, "-5"),))
    )
    fields = json.loads(payload)
    holder = fields["actions"][0] if field == "arguments" else fields
    holder[field] = "HERE"
    deep_payload = json.dumps(fields, separators=(",", ":")).replace('"HERE"', deep).encode()
    with pytest.raises(Rejection):
        tx.decode_payload(deep_payload)


def test_arguments_nested_as_deep_as_a_contract_allows() -> None:
    def nested(depth: int) -> Step:
        step = Step("view", to="q")
        for _ in range(depth):
            step = Step("call", to="q", steps=(step,))
        return step

    town = Town()
    assert town.refused("alice", play(nested(100))).code is Code.REENTRANCY
    raw = b'{"steps":[' * 5_000
    assert town.refused(
        "alice", msgspec.structs.replace(play(), arguments=msgspec.Raw(raw + b"]}" * 5_000))
    ).code in (Code.ARGUMENTS_INVALID, Code.MALFORMED)


# Wire forms of contracts.

values = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_LIMIT + 1, INTEGER_LIMIT - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(values)
def test_the_wire_form_is_stable_and_has_no_number(value: object) -> None:
    wired = to_wire(value)
    assert to_wire(wired) == wired
    check_integers(value)

    def numberless(part: object) -> bool:
        if isinstance(part, dict):
            return all(map(numberless, part.values())) and list(part) == sorted(part)
        if isinstance(part, list):
            return all(map(numberless, part))
        return part is None or isinstance(part, str | bool)

    assert numberless(wired)


@given(st.integers())
def test_arguments_come_back_from_their_wire_form(units: int) -> None:
    shape = Puppet.methods["run"].arguments
    arguments = shape((Step("put", units=units, steps=(Step("emit", name="n"),)),))
    raw = encode_wire(arguments, shape)
    if -INTEGER_LIMIT < units < INTEGER_LIMIT:
        assert decode_arguments(raw, shape, "run") == arguments
    else:
        with pytest.raises(Rejection, match="amount_too_large"):
            decode_arguments(raw, shape, "run")


# Genesis.


def test_genesis_comes_back_from_its_encoding() -> None:
    world = World()
    assert encode_genesis(decode_genesis(world.genesis)) == world.genesis
    assert genesis_writes(world.genesis)["genesis",] == world.ledger


@given(st.data())
def test_a_changed_genesis_is_another_ledger_or_refused(data: st.DataObject) -> None:
    genesis = World().genesis
    changed = mutate(genesis, data)
    writes = outcome(genesis_writes, changed)
    assert isinstance(writes, Rejection) or changed == genesis or writes["genesis",] != World().ledger


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name":"test"', '"name":""'),
        ('"time":1', '"time":-1'),
        ('"protocol":1', '"protocol":0'),
        ('"opening":"sponsor"', '"opening":"nobody"'),
        ('"operator":"operator"', '"operator":"Operator"'),
        ('"operator_threshold":1', '"operator_threshold":0'),
        ('"operator_threshold":1', '"operator_threshold":2'),
        ('"depth_max":8', '"depth_max":0'),
        ('"depth_max":8', '"depth_max":33'),
        ('"depth_max":8', '"depth_max":8,"width_max":8'),
        ('"log_key":"test+', '"log_key":"test-'),
        ("{", "{ "),
    ],
)
def test_a_genesis_that_makes_no_sense_is_refused(old: str, new: str) -> None:
    genesis = World().genesis.decode()
    assert old in genesis
    with pytest.raises(Rejection):
        decode_genesis(genesis.replace(old, new, 1).encode())


# The state's encoding.


def test_every_pair_of_a_state_comes_back_from_its_encoding() -> None:
    town = Town()
    town.do("alice", grant(town), hold("alice", "bob", (EUR, 5), expires=town.later(60)))
    town.do("alice", tx.Redeem("alice", EUR, "5"), play(Step("put", units=1, name="7")), once="kept")
    town.do("alice", tx.SetGuardians("alice", ("bob",), delay_seconds=DAY))
    town.do("bob", tx.Recover("bob", "alice", ("bob",), keys=(key("alice", 1),)))
    town.do(
        "carol",
        tx.SetListing("carol", GOLD, "frozen", "bob", listed=True),
        tx.ChangePolicy("carol", GOLD, {}),
    )
    values = town.store.values
    tables = {name[0] for name in values}
    assert {"hold", "lot", "mandate", "recovery", "listing", "policy_change", "once", "p!", "timer"} <= tables
    for name, value in values.items():
        if name[0] == "id":
            continue
        found = decode_pair(
            encode_key(name),
            encode_value(value),
            instance=lambda contract: values["instance", contract],
            contracts=town.kinds.contracts,
        )
        assert found == (name, value)
    pairs = [*values.items(), (("balance", "alice", "none@bank"), None)]
    assert split_pairs(encode_pairs(pairs)) == [
        (encode_key(name), None if value is None else encode_value(value)) for name, value in pairs
    ]


def test_a_receipt_is_read_with_its_amounts_as_text() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "bob", 5)))
    receipt = decode_receipt(town.entries[-1].receipt)
    assert receipt.postings == [("alice", EUR, "-5", "95"), ("bob", EUR, "5", "5")]


# The invariants have teeth.


def broken(change: object, *, at: tuple[object, ...]) -> str:
    town = Town()
    town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60)))
    state = dict(town.store.values)
    check_state(state)
    if change is None:
        del state[at]
    else:
        state[at] = change
    with pytest.raises(InvariantViolation) as found:
        check_state(state)
    return str(found.value)


def test_each_invariant_is_seen_to_break() -> None:
    town = Town()
    name = town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60))).results[0]
    timer = next(one for one in town.store.values if one[0] == "timer")
    assert broken(101, at=("balance", "alice", EUR)).startswith("invariant 1")
    assert broken(-1, at=("balance", "bob", EUR)).startswith("invariant 2")
    assert broken(101, at=("held", "alice", EUR)).startswith("invariant 3")
    assert broken(29, at=("held", "alice", EUR)).startswith("invariant 3")
    assert broken(None, at=("held", "alice", EUR)).startswith("invariant 3")
    assert broken(None, at=timer).startswith("invariant 8")
    taken: Hold = town.get("hold", name)
    assert broken(msgspec.structs.replace(taken, owner="bob"), at=("hold", name)).startswith("invariant 3")
    with pytest.raises(InvariantViolation, match="invariant 1: postings of eur@bank sum to 1"):
        check_conserved([("alice", EUR, -4, 0), ("bob", EUR, 5, 5)])


def test_a_cap_is_a_plain_record() -> None:
    assert msgspec.json.encode(Cap(EUR, "1", "1", DAY)) == (
        b'{"asset":"eur@bank","per_period":"1","per_payment":"1","period_seconds":86400}'
    )
