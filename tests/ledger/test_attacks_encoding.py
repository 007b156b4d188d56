"""There is one encoding of each transaction: every other spelling of the same thing is refused."""

import base64
import json
from collections.abc import Callable

import msgspec
import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import PolicySpec
from tallystick.ledger.rejections import Code, Rejection
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, Town, play
from tests.ledger.world import create, key, open_account, signer, transfer

Rewrite = Callable[[bytes], bytes]


def signed(payload: bytes, name: str = "alice") -> bytes:
    return tx.encode_envelope(payload, {key(name): signer(name).sign(tx.signing_bytes(payload))})


def swap(old: str, new: str) -> Rewrite:
    """Return a rewrite of the payload; what it replaces must be there."""

    def rewrite(payload: bytes) -> bytes:
        assert old.encode() in payload
        return payload.replace(old.encode(), new.encode(), 1)

    return rewrite


def reorder(payload: bytes) -> bytes:
    fields = json.loads(payload)
    return json.dumps(dict(reversed(fields.items())), separators=(",", ":")).encode()


SPELLINGS: dict[str, Rewrite] = {
    "space before a value": swap('"sender":', '"sender": '),
    "space after": lambda payload: payload + b" ",
    "line break before": lambda payload: b"\n" + payload,
    "tab inside": swap("{", "{\t"),
    "byte order mark": lambda payload: b"\xef\xbb\xbf" + payload,
    "fields in another order": reorder,
    "the tag after its fields": swap(
        '"type":"transfer","account":"alice"', '"account":"alice","type":"transfer"'
    ),
    "a field twice, equal": swap('"sender":"alice"', '"sender":"alice","sender":"alice"'),
    "a field twice, different": swap('"sender":"alice"', '"sender":"bob","sender":"alice"'),
    "an action's field twice": swap('"account":"alice"', '"account":"alice","account":"alice"'),
    "an unknown field": swap('"sender":"alice"', '"sender":"alice","note":"x"'),
    "an unknown field of an action": swap('"account":"alice"', '"account":"alice","note":"x"'),
    "a default written out": swap('"sender":"alice"', '"sender":"alice","once":null'),
    "an empty default written out": swap('"reference":"r"', '"reference":"r","mandate":null'),
    "an escaped letter": swap('"alice"', '"\\u0061lice"'),
    "an escaped slash": swap('"reference":"r"', '"reference":"\\/"'),
    "an upper-case escape": swap('"reference":"r"', '"reference":"\\u000A"'),
    "a lone surrogate": swap('"reference":"r"', '"reference":"\\ud800"'),
    "an integer as a float": lambda payload: payload.replace(b'000,"actions"', b'000.0,"actions"'),
    "an integer with an exponent": lambda payload: payload.replace(b'000,"actions"', b'e3,"actions"'),
    "an integer with a plus": swap('"expires":', '"expires":+'),
    "an integer with a zero before": swap('"expires":', '"expires":0'),
    "an integer as a string": lambda payload: payload.replace(b'"expires":', b'"expires":"').replace(
        b',"actions"', b'","actions"'
    ),
    "an amount as a number": swap('"bob","7"', '"bob",7'),
    "a trailing comma": swap('"sender":"alice",', '"sender":"alice",,'),
    "a comment": swap('"sender"', '/*x*/"sender"'),
    "UTF-16": lambda payload: payload.decode().encode("utf-16"),
    "two documents": lambda payload: payload + payload,
}


@pytest.mark.parametrize("rewrite", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_another_spelling_of_a_transaction_is_refused(rewrite: Rewrite) -> None:
    town = Town()
    payload = tx.encode_transaction(
        town.transaction("alice", [transfer("alice", (EUR, "bob", 7), reference="r")])
    )
    other = rewrite(payload)
    assert other != payload
    refused, accepted = town.run(signed(other), signed(payload))
    assert isinstance(refused, Rejection)
    assert refused.code in (Code.MALFORMED, Code.NOT_CANONICAL)
    assert isinstance(accepted, Receipt)


def test_a_map_has_one_order_of_its_keys() -> None:
    town = Town()

    def payload(rules: dict[str, str]) -> bytes:
        policy = PolicySpec(kind="controlled", rules=rules)
        return tx.encode_transaction(
            town.transaction("alice", [create("alice", "fine", policy=policy)], id=town.uuid(1))
        )

    one = payload({"balance_max": "7", "posting_max": "5"})
    assert payload({"posting_max": "5", "balance_max": "7"}) == one
    other = one.replace(b'"balance_max":"7","posting_max":"5"', b'"posting_max":"5","balance_max":"7"')
    assert other != one
    refused, accepted = town.run(signed(other), signed(one))
    assert isinstance(refused, Rejection)
    assert refused.code is Code.NOT_CANONICAL
    assert isinstance(accepted, Receipt)


BASE64 = {
    "no padding": lambda text: text.rstrip("="),
    "more padding": lambda text: text + "=",
    "URL alphabet": lambda text: text.replace("+", "-").replace("/", "_"),
    "line break": lambda text: text[:10] + "\\n" + text[10:],
    "spare bits": lambda text: text.rstrip("=")[:-1] + _next_symbol(text.rstrip("=")[-1]) + "=",
}


def _next_symbol(symbol: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[alphabet.index(symbol) + 1]


@pytest.mark.parametrize("rewrite", BASE64.values(), ids=BASE64.keys())
def test_another_base64_of_a_key_is_refused(rewrite: Callable[[str], str]) -> None:
    town = Town()
    # A key whose base64 has both symbols on which the alphabets differ.
    number = next(n for n in range(1_000) if {"+", "/"} <= set(_base64(key("dora", n))))
    payload = tx.encode_transaction(town.transaction("alice", [open_account("alice", "dora", number)]))
    text = _base64(key("dora", number))
    other = swap(text, rewrite(text))(payload)
    refused, accepted = town.run(signed(other), signed(payload))
    assert isinstance(refused, Rejection)
    assert refused.code in (Code.MALFORMED, Code.NOT_CANONICAL)
    assert isinstance(accepted, Receipt)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("part", ["payload", "sig", "keyid"])
@pytest.mark.parametrize("rewrite", BASE64.values(), ids=BASE64.keys())
def test_another_base64_in_the_envelope_is_refused(part: str, rewrite: Callable[[str], str]) -> None:
    town = Town()
    town.keys["old"] = town.signers_of("alice")
    for number in range(1, 100):  # until the value is one that has another spelling
        town.keys["alice"] = [signer("alice", number)]
        payment = transfer("alice", (EUR, "bob", 7), reference="?" * number)
        town.do("alice", tx.RotateKeys("alice", keys=(key("alice", number),)), signers=town.signers_of("old"))
        town.keys["old"] = town.keys["alice"]
        good = town.seal("alice", payment)
        fields = json.loads(good)
        before = (fields if part == "payload" else fields["signatures"][0])[part]
        text = rewrite(before)
        if text != before:
            break
    assert text != before
    bad = good.replace(before.encode(), text.encode())
    refused, accepted = town.run(bad, good)
    assert isinstance(refused, Rejection)
    assert refused.code in (Code.MALFORMED, Code.NOT_CANONICAL, Code.SIGNATURE_INVALID)
    assert isinstance(accepted, Receipt)


ENVELOPES: dict[str, Rewrite] = {
    "a space": swap(",", ", "),
    "an unknown field": swap('"payloadType"', '"note":1,"payloadType"'),
    "the payload twice": lambda data: data.replace(b'{"payload":', b'{"payload":"e30=","payload":'),
    "no signatures field": lambda data: data[: data.index(b',"signatures"')] + b"}",
    "a list": lambda data: b"[" + data + b"]",
    "nothing": lambda data: b"",
    "null": lambda data: b"null",
    "a number": lambda data: b"7",
}


@pytest.mark.parametrize("rewrite", ENVELOPES.values(), ids=ENVELOPES.keys())
def test_another_spelling_of_an_envelope_is_refused(rewrite: Rewrite) -> None:
    town = Town()
    good = town.seal("alice", transfer("alice", (EUR, "bob", 7)))
    refused, accepted = town.run(rewrite(good), good)
    assert isinstance(refused, Rejection)
    assert refused.code in (Code.MALFORMED, Code.NOT_CANONICAL)
    assert isinstance(accepted, Receipt)


ARGUMENTS = {
    "a number": b'{"steps":[],"to":5}',
    "a space": b'{"steps": []}',
    "a field twice": b'{"steps":[],"steps":[]}',
    "an unknown field": b'{"more":"1","steps":[]}',
    "nothing": b"{}",
    "a list": b"[]",
    "null": b"null",
}


@pytest.mark.parametrize("raw", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_another_spelling_of_arguments_is_refused(raw: bytes) -> None:
    town = Town()
    good = play()
    refused = town.refused("alice", msgspec.structs.replace(good, arguments=msgspec.Raw(raw)))
    assert refused.code in (Code.ARGUMENTS_INVALID, Code.NOT_CANONICAL)
    town.do("alice", good)


@pytest.mark.parametrize(
    "spelling", ["7", '"07"', '"+7"', '" 7"', '"7.0"', '"7e0"', '"\\u0037"', "7.0", '"٧"', "true"]
)
def test_an_integer_argument_has_one_spelling(spelling: str) -> None:
    town = Town()
    good = play(Step("balance", asset=EUR, units=7))
    raw = bytes(good.arguments)
    assert b'"units":"7"' in raw
    other = raw.replace(b'"units":"7"', b'"units":' + spelling.encode())
    refused = town.refused("alice", msgspec.structs.replace(good, arguments=msgspec.Raw(other)))
    assert refused.code in (Code.ARGUMENTS_INVALID, Code.NOT_CANONICAL)
    town.do("alice", good)


def test_a_signature_covers_the_type_and_the_length() -> None:
    town = Town()
    payload = tx.encode_transaction(town.transaction("alice", [transfer("alice", (EUR, "bob", 7))]))
    message = tx.signing_bytes(payload)
    assert message == b"DSSEv1 46 application/vnd.tallystick.transaction.v1+json %d %b" % (
        len(payload),
        payload,
    )
    bare = tx.encode_envelope(payload, {key("alice"): signer("alice").sign(payload)})
    assert isinstance(town.run(bare)[0], Rejection)


def test_one_bad_signature_refuses_the_whole_envelope() -> None:
    town = Town()
    payload = tx.encode_transaction(town.transaction("alice", [transfer("alice", (EUR, "bob", 7))]))
    good = signer("alice").sign(tx.signing_bytes(payload))
    bad = signer("bob").sign(payload)
    both = tx.encode_envelope(payload, {key("alice"): good, key("bob"): bad})
    refused, accepted = town.run(both, signed(payload))
    assert isinstance(refused, Rejection)
    assert refused.code is Code.SIGNATURE_INVALID
    assert isinstance(accepted, Receipt)
