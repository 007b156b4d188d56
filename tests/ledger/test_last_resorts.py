"""Checks that nothing should ever reach, reached by breaking the ledger: it stops, and writes nothing."""

from typing import Any

import pytest

from tallystick.ledger import assets, holds
from tallystick.ledger.execution import Execution, credit, debit, move
from tallystick.ledger.invariants import check_state
from tallystick.ledger.records import Asset, Timer
from tallystick.ledger.rejections import InvariantViolation
from tests.ledger.town import EUR, Town
from tests.ledger.world import hold, transfer


def debit_one_less(x: Execution, asset: Asset, account: str, units: int) -> None:
    """Debit as the ledger does, but one unit too few."""
    debit(x, asset, account, units - 1)


def move_and_counterfeit(x: Execution, asset: Asset, *, source: str, target: str, units: int) -> None:
    """Move as the ledger does, and make one unit out of nothing."""
    move(x, asset, source=source, target=target, units=units)
    credit(x, asset, target, 1)


@pytest.mark.plain  # replaces a function of a module, which compiled callers do not look up
def test_a_transaction_whose_postings_do_not_sum_to_zero_stops_the_ledger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = Town()
    before = dict(town.store.values)
    monkeypatch.setattr(assets, "debit", debit_one_less)
    with pytest.raises(InvariantViolation, match="invariant 1: postings of eur@bank sum to 1"):
        town.do("alice", transfer("alice", (EUR, "bob", 5)))
    assert town.store.values == before
    monkeypatch.undo()
    town.do("alice", transfer("alice", (EUR, "bob", 5)))


@pytest.mark.plain  # replaces a function of a module, which compiled callers do not look up
def test_timers_whose_postings_do_not_sum_to_zero_stop_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town()
    town.do("alice", hold("alice", "bob", (EUR, 5), expires=town.later(60), at_expiry="capture"))
    before = dict(town.store.values)
    monkeypatch.setattr(holds, "move", move_and_counterfeit)
    with pytest.raises(InvariantViolation, match="invariant 1: postings of eur@bank sum to 1"):
        town.wait(60)
    assert town.store.values == before
    monkeypatch.undo()
    town.wait(60)
    assert town.balance("bob", EUR) == 5


def test_an_issuing_account_above_zero_stops_the_ledger() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "bank", 98)))
    town.store.write({("balance", "bank", EUR): -1})
    before = dict(town.store.values)
    with pytest.raises(InvariantViolation, match="bank would stand above zero in its own eur@bank"):
        town.do("alice", transfer("alice", (EUR, "bank", 2)))
    assert town.store.values == before


@pytest.mark.parametrize(
    ("writes", "what"),
    [
        ({("held", "bob", EUR): -1}, "invariant 3: bob holds -1 of 0 eur@bank"),
        ({("held", "alice", EUR): 101}, "invariant 3: alice holds 101 of 100 eur@bank"),
        ({("timer", 1, 1): Timer("hold_expiry", "x", "")}, "invariant 8: timer .* has no owner"),
    ],
    ids=["held-below-zero", "held-above-owned", "timer-of-nobody"],
)
def test_one_wrong_value_in_a_state_is_found(writes: dict[Any, Any], what: str) -> None:
    values = dict(Town().store.values)
    check_state(values)
    with pytest.raises(InvariantViolation, match=what):
        check_state(values | writes)
