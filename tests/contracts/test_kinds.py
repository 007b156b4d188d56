"""What must hold of every contract kind, because the ledger leans on it without asking."""

import inspect
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from tallystick.ledger.contract import Contract, Record
from tallystick.protocol import KINDS
from tests.ledger.puppet import Puppet

DEPTH_MAX = 8


def depth(shape: Any, *, above: tuple[Any, ...] = ()) -> int:
    """Return how deep values of a type nest. Raises `AssertionError` on one that nests without end."""
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        assert shape not in above, f"{shape.__name__} holds itself"
        parts = list(get_type_hints(shape).values())
        above = (*above, shape)
    else:
        parts = [part for part in get_args(shape) if part is not Ellipsis]
    return 1 + max((depth(part, above=above) for part in parts), default=0)


def shapes(kind: Contract) -> list[Any]:
    """Return every type that a kind takes, keeps or answers with."""
    answers = [get_type_hints(one.function, localns={"CallContext": object}) for one in kind.methods.values()]
    return [
        kind.Parameters,
        *(one.arguments for one in kind.methods.values()),
        *(table.value for table in kind.tables.values()),
        *(hints["return"] for hints in answers if hints.get("return") not in (None, type(None))),
    ]


@pytest.mark.parametrize("kind", KINDS.contracts.values(), ids=lambda kind: f"{kind.kind}-{kind.version}")
def test_values_nest_to_a_bounded_depth(kind: Contract) -> None:
    """Or the interpreter's recursion limit, which differs with the program around it, would decide."""
    assert max(map(depth, shapes(kind))) <= DEPTH_MAX


def issues_claims(kind: Contract) -> bool:
    return 'kind="claim"' in inspect.getsource(type(kind))


@pytest.mark.parametrize("kind", KINDS.contracts.values(), ids=lambda kind: f"{kind.kind}-{kind.version}")
def test_whoever_issues_claims_says_how_they_are_redeemed_and_nobody_else_does(kind: Contract) -> None:
    assert ("redemptions" in kind.methods) == issues_claims(kind)


def test_four_kinds_issue_claims() -> None:
    found = sorted(one.kind for one in KINDS.contracts.values() if issues_claims(one))
    assert found == ["custodied_coin", "custody", "fund", "own_token_swap"]


def test_a_kind_whose_arguments_nest_without_end_is_seen() -> None:
    with pytest.raises(AssertionError, match="Step holds itself"):
        max(map(depth, shapes(Puppet())))


def test_depth_counts_what_stands_inside() -> None:
    class Leaf(Record, frozen=True):
        units: int

    class Row(Record, frozen=True):
        leaves: tuple[Leaf, ...]

    assert (depth(int), depth(Leaf), depth(Row)) == (1, 2, 4)
