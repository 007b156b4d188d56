"""What changed since the last root is checked before the next is given: invariants 1, 2 and 3."""

import pytest

from tallystick.ledger.records import Asset
from tallystick.ledger.rejections import InvariantViolation
from tallystick.log.state_tree import StateTree
from tallystick.node.commitment import Commitment, TrackedStore

EUR = "eur@bank"


@pytest.fixture
def commitment():
    """A committed state in which the bank issued 100 to alice, who holds 30 of them."""
    state = TrackedStore()
    asset = Asset(id=EUR, issuer="bank", kind="token", decimals=0)
    opened = balances(bank=-100, alice=100) | {("asset", EUR): asset, ("held", "alice", EUR): 30}
    state.write(opened)
    made = Commitment(state, StateTree())
    made.commit()
    return made


def balances(**units):
    return {("balance", account, EUR): owned or None for account, owned in units.items()}


@pytest.mark.parametrize(
    "writes",
    [
        balances(alice=70, bob=30),
        balances(alice=30, bob=70),
        balances(alice=0, bank=0) | {("held", "alice", EUR): None},
        balances(bank=-150, bob=50),
        {("held", "alice", EUR): 100},
        {("held", "alice", EUR): None},
    ],
    ids=["pay", "pay all that is free", "redeem all", "issue", "hold all", "release"],
)
def test_what_keeps_the_invariants_gets_a_root(commitment, writes):
    before = commitment.root
    commitment.state.write(writes)
    assert commitment.commit() != before
    assert commitment.is_current


@pytest.mark.parametrize(
    ("writes", "what"),
    [
        (balances(alice=101), f"invariant 1: balances of {EUR} changed by 1 in all"),
        (balances(alice=70, bob=29), f"invariant 1: balances of {EUR} changed by -1 in all"),
        (balances(bob=1), f"invariant 1: balances of {EUR} changed by 1 in all"),
        (balances(alice=101, bob=-1), f"invariant 2: bob stands at -1 {EUR}"),
        (balances(alice=29, bob=71), f"invariant 3: alice holds 30 of 29 {EUR}"),
        (balances(alice=0, bank=0), f"invariant 3: alice holds 30 of 0 {EUR}"),
        ({("held", "alice", EUR): 101}, f"invariant 3: alice holds 101 of 100 {EUR}"),
        ({("held", "alice", EUR): -1}, f"invariant 3: alice holds -1 of 100 {EUR}"),
        ({("held", "bob", EUR): 1}, f"invariant 3: bob holds 1 of 0 {EUR}"),
    ],
)
def test_what_breaks_an_invariant_gets_none(commitment, writes, what):
    before = commitment.root
    commitment.state.write(writes)
    with pytest.raises(InvariantViolation) as refused:
        commitment.commit()
    assert str(refused.value) == what
    assert commitment.root == before
    with pytest.raises(InvariantViolation):  # nor when asked again
        commitment.commit()


def test_changes_are_summed_over_all_merges_since_the_last_root(commitment):
    commitment.state.write(balances(alice=70))
    commitment.state.write(balances(bob=30))
    commitment.commit()
    commitment.state.write(balances(alice=30))
    commitment.state.write(balances(bob=69))
    with pytest.raises(InvariantViolation, match="changed by -1"):
        commitment.commit()


def test_it_is_the_state_that_is_checked_and_not_what_was_meant_to_be_written(commitment):
    commitment.state.write(balances(alice=70, bob=30))
    commitment.state.values["balance", "bob", EUR] = 31
    with pytest.raises(InvariantViolation, match="changed by 1 in all"):
        commitment.commit()


def test_an_unknown_asset_has_no_issuer(commitment):
    commitment.state.write({("balance", "bank", "usd@bank"): -5, ("balance", "bob", "usd@bank"): 5})
    with pytest.raises(InvariantViolation, match="invariant 2: bank stands at -5 usd@bank"):
        commitment.commit()
