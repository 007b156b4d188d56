from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Literal

import pytest

from tallystick.stress.replay.document import DocumentInvalid, read_document


@dataclass(frozen=True, kw_only=True)
class Part:
    name: str
    share: Fraction
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True, kw_only=True)
class Whole:
    day: date
    parts: tuple[Part, ...]
    pair: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))
    by_day: dict[date, str] = field(default_factory=dict)
    count: int = 0
    is_closed: bool = False
    class_: str = "plain"


GOOD = """
day: 2022-11-02
parts:
  - {name: one, share: 0.25}
  - {name: no, share: 1_000, kind: b}
pair: [1, -2.5]
by_day: {2022-11-03: text}
count: 7
is_closed: true
class: loans
"""


def faults_of(text):
    with pytest.raises(DocumentInvalid) as refused:
        read_document(text, Whole)
    return [(fault.line, fault.where, fault.what) for fault in refused.value.faults]


def test_values_are_what_the_types_say_and_never_yaml_s_guess():
    assert read_document(GOOD, Whole) == Whole(
        day=date(2022, 11, 2),
        parts=(
            Part(name="one", share=Fraction(1, 4)),
            Part(name="no", share=Fraction(1000), kind="b"),
        ),
        pair=(Fraction(1), Fraction(-5, 2)),
        by_day={date(2022, 11, 3): "text"},
        count=7,
        is_closed=True,
        class_="loans",
    )


def test_every_fault_is_told_at_once_each_with_its_line_and_place():
    text = """
day: 2022-13-02
parts:
  - {name: "", share: 1e3}
  - {share: 1, colour: red, kind: c}
pair: [1]
count: -1
is_closed: yes
by_day: {soon: x}
"""
    assert faults_of(text) == [
        (2, "day", "month must be in 1..12"),
        (4, "parts[0].name", "is empty"),
        (4, "parts[0].share", "'1e3' is no plain decimal number"),
        (5, "parts[1]", "`name` is missing"),
        (5, "parts[1].colour", "no such field; there are kind, name, share"),
        (5, "parts[1].kind", "'c' is none of a, b"),
        (6, "pair", "a list of 2 is wanted, not of 1"),
        (7, "count", "'-1' is no whole number"),
        (8, "is_closed", "'yes' is neither true nor false"),
        (9, "by_day.soon", "'soon' is no day such as 2022-11-02"),
    ]


def test_checks_across_the_document_run_beside_faults_of_its_shape():
    def check(whole, places):
        yield ("count",), f"{whole.count} is too many"
        yield ("parts", 0, "share"), "follows from a share that could not be read"
        yield ("parts", 1, "name"), f"{whole.parts[1].name} is taken"

    text = GOOD.replace("share: 0.25", "share: a quarter")
    with pytest.raises(DocumentInvalid) as refused:
        read_document(text, Whole, check)
    assert [(fault.line, fault.where, fault.what) for fault in refused.value.faults] == [
        (4, "parts[0].share", "'a quarter' is no plain decimal number"),
        (5, "parts[1].name", "no is taken"),
        (8, "count", "7 is too many"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("day: [", "no YAML"),
        ("a: &x 1\nb: *x", "anchors, aliases and tags are refused"),
        ("a: !!python/object/apply:os.system [ls]", "anchors, aliases and tags are refused"),
        ("- 1", "a map is wanted here"),
        ("day: {a: 1}", "a plain value is wanted here"),
        ("day: 2022-11-02\nday: 2022-11-03\nparts: []", "stands twice"),
        ("day: 2022-11-02\nparts: 7", "a list is wanted here"),
        ("day: 2022-11-02\nparts: []\ncount: 99999999999", "no whole number"),
        ("x: " + "[" * 500, "no YAML"),
        ("x: " + "a" * 1_000_001, "longer than 1000000 bytes"),
    ],
)
def test_what_is_no_document_is_refused_with_a_reason(text, what):
    assert any(what in told for _, _, told in faults_of(text))
