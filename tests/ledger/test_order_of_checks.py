"""Which refusal comes first when a contract's step is wrong in several ways: that is part of the protocol.

A receipt never shows it, but whoever was refused acts on the code, and replicas must agree on it. Each case
is wrong in the way that it names and in every way that comes later.
"""

import pytest

from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, GOLD, Town, play
from tests.ledger.world import transfer

NONE = "none@nobody"
"""An asset that does not exist."""
OWN = "own@p"
"""An asset of the puppet's own, of which alice has 3."""


@pytest.fixture
def town():
    town = Town()
    town.do("alice", transfer("alice", (EUR, "p", 10)))
    town.do("alice", play(Step("create", name="own"), Step("mint", to="alice", asset=OWN, units=3)))
    return town


@pytest.mark.parametrize(
    ("step", "spend", "code"),
    [
        (Step("take", asset=NONE, units=0), (), Code.AMOUNT_NOT_POSITIVE),
        (Step("take", asset=NONE, units=2**128), (), Code.AMOUNT_TOO_LARGE),
        (Step("take", asset=NONE, units=6), [(NONE, 5)], Code.BUDGET_EXCEEDED),
        (Step("take", asset=NONE, units=5), [(NONE, 5)], Code.UNKNOWN_ASSET),
        (Step("take", asset=GOLD, units=51), [(GOLD, 51)], Code.INSUFFICIENT_BALANCE),
        (Step("pay", to="nobody", asset=NONE, units=0, name="bob"), (), Code.AMOUNT_NOT_POSITIVE),
        (Step("pay", to="nobody", asset=NONE, units=1, name="bob"), (), Code.UNKNOWN_ASSET),
        (Step("pay", to="nobody", asset=OWN, units=1, name="bob"), (), Code.NOT_CONTROLLED),
        (Step("pay", to="p", asset=OWN, units=1), (), Code.ISSUE_REQUIRED),
        (Step("pay", to="p", asset=EUR, units=11), (), Code.SAME_ACCOUNT),
        (Step("pay", to="nobody", asset=EUR, units=11), (), Code.INSUFFICIENT_BALANCE),
        (Step("pay", to="nobody", asset=EUR, units=10), (), Code.UNKNOWN_ACCOUNT),
        (Step("mint", to="nobody", asset=NONE, units=0), (), Code.AMOUNT_NOT_POSITIVE),
        (Step("mint", to="nobody", asset=NONE, units=1), (), Code.UNKNOWN_ASSET),
        (Step("mint", to="nobody", asset=EUR, units=1), (), Code.NOT_CONTROLLED),
        (Step("mint", to="p", asset=OWN, units=1), (), Code.SAME_ACCOUNT),
        (Step("mint", to="nobody", asset=OWN, units=2**128 - 1), (), Code.AMOUNT_TOO_LARGE),
        (Step("mint", to="nobody", asset=OWN, units=1), (), Code.UNKNOWN_ACCOUNT),
        (Step("burn", asset=NONE, units=0), (), Code.UNKNOWN_ASSET),
        (Step("burn", asset=EUR, units=0), (), Code.NOT_CONTROLLED),
        (Step("burn", asset=OWN, units=0), (), Code.AMOUNT_NOT_POSITIVE),
        (Step("burn", asset=OWN, units=5), [(OWN, 4)], Code.BUDGET_EXCEEDED),
        (Step("burn", asset=OWN, units=4), [(OWN, 4)], Code.INSUFFICIENT_BALANCE),
    ],
)
def test_the_first_thing_wrong_is_the_one_told(town, step, spend, code):
    assert town.refused("alice", play(step, spend=spend)).code is code


def test_what_is_wrong_in_no_way_is_done(town):
    steps = [
        Step("take", asset=EUR, units=5),
        Step("pay", to="bob", asset=EUR, units=15),
        Step("mint", to="bob", asset=OWN, units=1),
        Step("burn", asset=OWN, units=3),
    ]
    town.do("alice", play(*steps, spend=[(EUR, 5), (OWN, 3)]))
    assert (town.balance("bob", EUR), town.balance("bob", OWN), town.balance("alice", OWN)) == (15, 1, 0)


@pytest.mark.parametrize("do", ["take", "pay", "mint", "burn", "emit", "put"])
def test_a_view_that_writes_is_refused_for_that_before_anything_else(town, do):
    asked = Step("view", to="q", steps=(Step(do, asset=NONE, name="9" * 80),))
    refused = town.refused("alice", play(asked))
    assert (refused.code, refused.facts) == (Code.READ_ONLY, {"contract": "q"})


@pytest.mark.parametrize(
    ("step", "left", "code"),
    [
        # Two operations are the action's and the call's.
        (Step("take", asset=NONE), 1, Code.WORK_EXCEEDED),
        (Step("take", asset=NONE), 2, Code.AMOUNT_NOT_POSITIVE),
        (Step("pay", asset=NONE), 1, Code.WORK_EXCEEDED),
        (Step("pay", asset=NONE), 2, Code.AMOUNT_NOT_POSITIVE),
        (Step("mint", asset=NONE), 1, Code.WORK_EXCEEDED),
        (Step("mint", asset=NONE), 2, Code.AMOUNT_NOT_POSITIVE),
        (Step("burn", asset=EUR), 1, Code.NOT_CONTROLLED),
        (Step("put", units=1, name="9" * 80), 0, Code.WORK_EXCEEDED),
        (Step("put", units=1, name="9" * 80), 1, Code.AMOUNT_TOO_LARGE),
        (Step("emit_huge"), 0, Code.WORK_EXCEEDED),
        (Step("emit_huge"), 1, Code.AMOUNT_TOO_LARGE),
        (Step("loop"), 1, Code.WORK_EXCEEDED),
    ],
)
def test_work_is_counted_before_what_is_asked_for_is_looked_at(step, left, code):
    town = Town(limits=Limits(work_max=2 + left))
    assert town.refused("alice", play(step)).code is code


def test_a_burn_asks_whose_asset_it_is_before_it_counts_its_work():
    town = Town(limits=Limits(work_max=4))
    town.do("alice", play(Step("create", name="own")))
    made = play(Step("mint", to="alice", asset=OWN, units=1))
    town.do("alice", made)
    burned = Step("burn", asset=OWN, units=1)
    town.do("alice", play(burned, spend=[(OWN, 1)]))
    twice = play(Step("burn", asset=OWN), Step("burn", asset=EUR))
    assert town.refused("alice", twice).code is Code.AMOUNT_NOT_POSITIVE
    town.do("alice", made)
    spent = play(burned, Step("burn", asset=OWN), spend=[(OWN, 1)])
    assert town.refused("alice", spent).code is Code.WORK_EXCEEDED
    other = play(burned, Step("burn", asset=EUR), spend=[(OWN, 1)])
    assert town.refused("alice", other).code is Code.NOT_CONTROLLED


def test_an_issuer_that_lends_its_own_hand_is_told_so_before_its_balance_is_asked(town):
    # The bank has no balance but what it issued: a take from it would make new units.
    taken = play(Step("take", asset=EUR, units=1), account="bank", spend=[(EUR, 1)])
    assert town.refused("bank", taken).code is Code.ISSUE_REQUIRED
