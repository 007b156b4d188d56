"""Clearing against others' solutions, and against its own definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.stress.clearing import OUTSIDE, Cleared, Due, clear, unwind
from tests.shared_data import shared_json

UNIT = 10**9
"""Their systems are in floats of order one; ours are whole units."""


def test_a_debtor_pays_what_it_has_and_ranks_are_paid_one_after_another():
    dues = [
        Due("a", OUTSIDE, 0, 40),
        Due("a", "b", 1, 30),
        Due("a", OUTSIDE, 1, 60),
        Due("b", OUTSIDE, 1, 50),
    ]
    assert clear({"a": 70, "b": 35}, dues) == Cleared(
        {"a": 70, "b": 45}, {("a", 0): 40, ("a", 1): 30, ("b", 1): 45}
    )
    assert clear({"a": 130, "b": 20}, dues).paid == {"a": 130, "b": 50}
    assert clear({}, []) == Cleared({}, {})


def test_a_circle_without_cash_clears_in_full():
    dues = [Due("a", "b", 1, 100), Due("b", "c", 1, 100), Due("c", "a", 1, 100)]
    assert clear({}, dues).paid == {"a": 100, "b": 100, "c": 100}
    assert clear({}, [*dues, Due("a", OUTSIDE, 1, 100)]).paid == {"a": 0, "b": 0, "c": 0}


def _system(document):
    names = [f"bank-{number:02d}" for number in range(len(document["ea"]))]
    dues = [
        Due(names[i], names[j], 1, round(units * UNIT))
        for i, row in enumerate(document["L"])
        for j, units in enumerate(row)
        if round(units * UNIT)
    ]
    dues += [
        Due(name, OUTSIDE, 1, round(units * UNIT)) for name, units in zip(names, document["el"], strict=True)
    ]
    cash = {name: round(units * UNIT) for name, units in zip(names, document["ea"], strict=True)}
    return names, cash, dues


def _agrees(document):
    names, cash, dues = _system(document)
    paid = clear(cash, dues).paid
    owed = {name: sum(due.units for due in dues if due.debtor == name) for name in names}
    for name, expected, defaults in zip(names, document["clearing"], document["default"], strict=True):
        assert paid[name] == pytest.approx(expected * UNIT, abs=2_000), name
        assert (paid[name] < owed[name] - 10) is bool(defaults), name


def test_the_package_systemicrisk_finds_the_same_clearing_vectors():
    """Solved there by a linear program; systems with costs of default are another mechanism."""
    systems = shared_json("risk/eisenberg_noe_rogers_veraart_R_reference.json")
    plain = [one for one in systems if one["alpha"] == one["beta"] == 1]
    assert len(plain) >= 3
    for one in plain:
        _agrees(one)


def test_the_example_of_its_manual_clears_as_printed():
    document = shared_json("risk/systemicrisk_doc_example.json")
    cases = [case for case in document["cases"] if case["alpha"] == case["beta"] == 1]
    assert len(cases) == 3
    for case in cases:
        x = case["x"]
        matrix = [[0, 1 - x, x], [x, 0, 1 - x], [1 - x, x, 0]]
        _agrees({"L": matrix, "ea": document["ea"], "el": document["el"], **case})


@pytest.mark.parametrize("outside_rank", [0, 1])
def test_the_exercise_with_outside_debts_first_and_on_a_par(outside_rank):
    document = shared_json("risk/barucca_3bank_exercise.json")
    names, cash, dues = _system(
        {
            "L": document["L"],
            "ea": [units * (1 - document["uniform_shock"]) for units in document["external_assets"]],
            "el": document["external_liabilities"],
        }
    )
    dues = [
        Due(due.debtor, due.creditor, outside_rank if due.creditor == OUTSIDE else 1, due.units)
        for due in dues
    ]
    found = clear(cash, dues)
    key = ("en_equity_external_senior", "en_equity_external_pari_passu")[outside_rank]
    # The exercise's equity is what is left after everything that is owed, paid or not.
    for name, expected in zip(names, document["answers"][key], strict=True):
        owed = sum(due.units for due in dues if due.debtor == name)
        received = sum(
            due.units
            * found.by_rank[due.debtor, due.rank]
            // sum(one.units for one in dues if (one.debtor, one.rank) == (due.debtor, due.rank))
            for due in dues
            if due.creditor == name
        )
        assert cash[name] + received - owed == pytest.approx(expected * UNIT, abs=100), name


_names = st.sampled_from("abcdef")
_dues = st.lists(
    st.builds(
        Due, _names, st.sampled_from([*"abcdef", OUTSIDE]), st.integers(0, 2), st.integers(1, 10**6)
    ).filter(lambda due: due.debtor != due.creditor),
    max_size=20,
)


@given(_dues, st.dictionaries(_names, st.integers(0, 10**6)))
def test_nobody_pays_more_than_it_has_or_owes_and_nobody_keeps_cash_while_it_owes(dues, cash):
    cleared = clear(cash, dues)
    for debtor, paid in cleared.paid.items():
        owed = sum(due.units for due in dues if due.debtor == debtor)
        received = sum(
            due.units
            * cleared.by_rank[due.debtor, due.rank]
            // sum(one.units for one in dues if (one.debtor, one.rank) == (due.debtor, due.rank))
            for due in dues
            if due.creditor == debtor
        )
        assert paid == min(owed, cash.get(debtor, 0) + received)
        assert paid == sum(units for (name, _), units in cleared.by_rank.items() if name == debtor)


@given(st.dictionaries(st.tuples(_names, _names), st.integers(0, 1000), max_size=25))
def test_circles_are_taken_out_and_the_rest_has_an_order_in_which_each_pays_after_it_is_paid(flows):
    circles, order = unwind(flows)
    left = {pair: units for pair, units in flows.items() if units and pair[0] != pair[1]}
    for circle, units in circles:
        assert units > 0
        for debtor, creditor in zip(circle, [*circle[1:], circle[0]], strict=True):
            left[debtor, creditor] -= units
            assert left[debtor, creditor] >= 0
    place = {name: number for number, name in enumerate(order)}
    for (debtor, creditor), units in left.items():
        if units:
            assert debtor in place
            assert creditor not in place or place[debtor] < place[creditor]


def test_circles_that_share_a_name_are_each_found():
    flows = {("a", "b"): 5, ("b", "a"): 3, ("b", "c"): 9, ("c", "b"): 4}
    assert unwind(flows) == ([(["a", "b"], 3), (["b", "c"], 4)], ["a", "b", "c"])
