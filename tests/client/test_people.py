"""Amounts, times, arguments, identifiers: what people write."""

import csv

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.client.amounts import AmountError, format_amount, format_count, parse_amount
from tallystick.client.arguments import (
    ArgumentsError,
    contract_of,
    encode_arguments,
    method_shape,
    parameters_shape,
    parse_object,
    parse_pairs,
)
from tallystick.client.identifiers import IdentifierError, check_identifier, parse_identifiers
from tallystick.client.times import (
    TimeError,
    format_duration,
    format_time,
    parse_duration,
    parse_time,
    parse_when,
)
from tests.shared_data import shared


@pytest.mark.parametrize(
    ("text", "decimals", "units"),
    [
        ("1234.50", 2, "123450"),
        ("1234.5", 2, "123450"),
        ("1234", 2, "123400"),
        ("0.01", 2, "1"),
        ("0", 2, "0"),
        ("0.00", 2, "0"),
        ("7", 0, "7"),
        ("0.000000000000000001", 18, "1"),
        (str(2**128 - 1), 0, str(2**128 - 1)),
    ],
)
def test_amounts_are_read_exactly(text, decimals, units):
    assert parse_amount(text, decimals=decimals) == units


@pytest.mark.parametrize(
    ("text", "decimals", "reason"),
    [
        ("1,234.50", 2, "is not an amount"),
        ("1.234", 2, "3 decimals; the asset has 2"),
        ("1.0", 0, "1 decimals; the asset has 0"),
        ("-1", 2, "is not an amount"),
        ("+1", 2, "is not an amount"),
        (" 1", 2, "is not an amount"),
        ("1\n", 2, "is not an amount"),
        ("01", 2, "is not an amount"),
        (".5", 2, "is not an amount"),
        ("5.", 2, "is not an amount"),
        ("1e3", 2, "is not an amount"),
        ("", 2, "is not an amount"),
        ("\u0661", 0, "is not an amount"),
        (str(2**128), 0, "limit is 2\\^128"),
        ("9" * 10_000, 0, "limit is 2\\^128"),
    ],
)
def test_what_is_no_amount_is_refused(text, decimals, reason):
    with pytest.raises(AmountError, match=reason):
        parse_amount(text, decimals=decimals)


@given(st.integers(0, 2**128 - 1), st.integers(0, 30))
def test_amounts_come_back_as_they_went(units, decimals):
    assert parse_amount(format_amount(units, decimals=decimals), decimals=decimals) == str(units)


def test_amounts_below_zero_are_only_ever_shown():
    assert format_amount(-5, decimals=2) == "-0.05"
    assert format_amount("-123450", decimals=2) == "-1234.50"


def test_one_thing_is_not_told_as_many():
    told = [format_count(number, "entry", "entries") for number in (0, 1, 2_000)]
    assert told == ["0 entries", "1 entry", "2,000 entries"]
    assert (format_count(1, "key"), format_count(2, "key")) == ("1 key", "2 keys")


def test_times_are_exact_and_have_an_offset():
    assert parse_time("2026-11-20T13:00:00Z") == 1_795_179_600_000_000
    assert parse_time("2026-11-20T15:00:00+02:00") == 1_795_179_600_000_000
    assert parse_time("2026-11-20T13:00:00.000001Z") == 1_795_179_600_000_001
    assert format_time(1_795_179_600_000_001) == "2026-11-20T13:00:00.000001Z"
    for text in ("2026-11-20T13:00:00", "2026-11-20", "yesterday", "", "1795179600"):
        with pytest.raises(TimeError):
            parse_time(text)
    with pytest.raises(TimeError, match="outside the calendar"):
        format_time(1 << 63)


@given(st.integers(0, 250_000_000_000_000_000))
def test_times_come_back_as_they_went(microseconds):
    assert parse_time(format_time(microseconds)) == microseconds


def test_durations_and_moments():
    assert parse_duration("90s") == 90_000_000
    assert parse_duration("1h30m") == 5_400_000_000
    assert parse_duration("2d") == 172_800_000_000
    assert parse_when("10m", now=5) == parse_when("+10m", now=5) == 600_000_005
    assert parse_when("1970-01-01T00:00:01Z", now=5) == 1_000_000
    for text in ("10", "m", "1.5h", "-1h", "1y", ""):
        with pytest.raises(TimeError):
            parse_duration(text)


# ------------------------------------------------------------------------------------- arguments


def test_integers_become_texts_and_keys_are_sorted():
    pairs = parse_pairs(["units=100", "to=bob", "flag=true", 'who=["a","b"]', "note=", "n=-5"])
    assert bytes(encode_arguments(pairs)) == (
        b'{"flag":true,"n":"-5","note":"","to":"bob","units":"100","who":["a","b"]}'
    )
    assert parse_object('{"b":1,"a":{"d":2,"c":"x"}}') == {"b": 1, "a": {"d": 2, "c": "x"}}


@pytest.mark.parametrize("text", ["units", "=1", "x=1.5", 'x={"a":1,"a":2}', "x=NaN"])
def test_pairs_that_mean_nothing_are_refused(text):
    with pytest.raises(ArgumentsError):
        parse_pairs([text])


@pytest.mark.parametrize("text", ["[]", "1", "{", '{"a":1.0}', '{"a":1,"a":1}', '{"a":Infinity}'])
def test_json_that_is_no_arguments_is_refused(text):
    with pytest.raises(ArgumentsError):
        parse_object(text)


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    units: int
    memo: str = "none"


def test_a_methods_types_decide():
    assert bytes(encode_arguments({"units": 7, "memo": 100}, Shape)) == b'{"memo":"100","units":"7"}'
    assert bytes(encode_arguments({"units": "7", "memo": "none"}, Shape)) == b'{"units":"7"}'
    for wrong in ({}, {"units": "x"}, {"units": 1, "other": 2}, {"units": [1]}, {"units": 2**256}):
        with pytest.raises(ArgumentsError):
            encode_arguments(wrong, Shape)


def test_kinds_and_methods_are_found_by_name():
    escrow = contract_of("escrow")
    assert contract_of("escrow", escrow.version) is escrow
    assert parameters_shape(escrow) is escrow.Parameters
    assert method_shape(escrow, "positions").__struct_fields__ == ("account",)
    for asked in (
        lambda: contract_of("none"),
        lambda: contract_of("escrow", 99),
        lambda: method_shape(escrow, "x"),
    ):
        with pytest.raises(ArgumentsError) as refused:
            asked()
        assert refused.value.hint


# ----------------------------------------------------------------------------------- identifiers


def test_identifiers_agree_with_the_collected_ones(count_vectors):
    counts = {}
    with shared("payments/ids/identifiers.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["scheme"] not in ("isin", "cusip", "lei"):
                continue
            try:
                check_identifier(row["scheme"], row["number"])
                verdict = "valid"
            except IdentifierError:
                verdict = "invalid"
            assert verdict == row["expect"], row
            key = (row["scheme"], verdict)
            counts[key] = counts.get(key, 0) + 1
    count_vectors("ISIN, CUSIP and LEI numbers", sum(counts.values()))
    assert counts == {
        ("isin", "valid"): 302,
        ("isin", "invalid"): 120,
        ("cusip", "valid"): 102,
        ("cusip", "invalid"): 120,
        ("lei", "valid"): 100,
        ("lei", "invalid"): 120,
    }


def test_identifiers_are_given_as_pairs_in_their_compact_form():
    assert parse_identifiers(["lei=213800KUD8LAJWSQ9D15", "isin=US0378331005"]) == (
        ("isin", "US0378331005"),
        ("lei", "213800KUD8LAJWSQ9D15"),
    )
    for texts in (
        ["isin"],
        ["iban=x"],
        ["isin=US0378331006"],
        ["isin=us0378331005"],
        ["isin=US0378331005"] * 2,
    ):
        with pytest.raises(IdentifierError):
            parse_identifiers(texts)


@given(st.integers(0, 10**12))
def test_durations_come_back_as_they_went(seconds):
    assert parse_duration(format_duration(seconds)) == seconds * 1_000_000


def test_durations_are_told_in_their_largest_units():
    told = [format_duration(seconds) for seconds in (0, 59, 5_400, 86_400, 8 * 86_400 + 1)]
    assert told == ["0s", "59s", "1h30m", "1d", "1w1d1s"]
