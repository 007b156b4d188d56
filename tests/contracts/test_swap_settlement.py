"""Swap settlement: several parties, all or nothing, netted or gross, and in lots where that was agreed."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts.escrow import LOTS_MAX, SETTLING_SECONDS, Refusal
from tallystick.ledger.contract import Exit, Position
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import PolicySpec, SetListing
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, START, create, issue

EUR, USD, BOND, GOLD = (f"{code}@{ISSUER}" for code in ("eur", "usd", "bond", "gold"))
PARTIES = ("alice", "bob", "carol")
SWAP = "swap"
DEADLINE = START + DAY * SECOND
FUNDS = 10**9


def leg(payer, receiver, asset, units):
    return {"payer": payer, "receiver": receiver, "asset": asset, "units": units}


TRADES = [
    leg("alice", "bob", BOND, 30),
    leg("bob", "alice", EUR, 600),
    leg("bob", "carol", BOND, 20),
    leg("carol", "bob", EUR, 500),
]
"""Alice sells 30 bonds to Bob, who sells 20 of them on to Carol."""


def found(legs=TRADES, **parameters):
    market = Market(accounts=(*PARTIES, "stranger"))
    market.fund(FUNDS, EUR, USD, BOND, GOLD)
    given = {"legs": legs, "deadline": DEADLINE, "funds": [EUR, USD]} | parameters
    market.deploy(SWAP, "swap_settlement", by="alice", **given)
    return market


def fund(market, who, number, **more):
    return market.call(who, SWAP, "fund", spend=dict.fromkeys((EUR, USD, BOND), FUNDS), leg=number, **more)


def owned(market, who, *assets):
    return [market.world.balance(who, asset) - FUNDS for asset in assets or (BOND, EUR)]


def everybody(market):
    return {who: owned(market, who) for who in PARTIES}


SETTLED = {"alice": [-30, 600], "bob": [10, -100], "carol": [20, -500]}
UNTOUCHED = {who: [0, 0] for who in PARTIES}


# All or nothing.


def test_gross_every_leg_is_paid_in_and_the_last_settles_all():
    market = found()
    assert market.view(SWAP, "model") == "DvP model 1: delivery and payment gross, at once"
    for number, trade in enumerate(TRADES):
        assert market.world.balance(SWAP, trade["asset"]) >= 0
        fund(market, trade["payer"], number)
    assert everybody(market) == SETTLED
    assert market.view(SWAP, "status") == ["released"] * 4
    assert [market.world.balance(SWAP, asset) for asset in (BOND, EUR)] == [0, 0]


@pytest.mark.parametrize(
    ("netted", "model", "dues"),
    [
        (
            [EUR],
            "DvP model 2: delivery gross, payment net, at once",
            [("alice", BOND, 30), ("bob", BOND, 20), ("bob", EUR, 100), ("carol", EUR, 500)],
        ),
        (
            [BOND, EUR],
            "DvP model 3: delivery and payment net, at once",
            [("alice", BOND, 30), ("bob", EUR, 100), ("carol", EUR, 500)],
        ),
    ],
)
def test_netted_each_pays_in_only_what_is_left_over_all_its_legs(netted, model, dues):
    market = found(netted=netted)
    assert market.view(SWAP, "model") == model
    assert [(due.payer, due.asset, due.units) for due in market.view(SWAP, "dues")] == dues
    for number, (payer, _, _) in enumerate(dues):
        assert everybody(market) != SETTLED
        fund(market, payer, number)
    assert everybody(market) == SETTLED


def test_payment_against_payment_among_three():
    legs = [leg("alice", "bob", EUR, 100), leg("bob", "carol", USD, 110), leg("carol", "alice", EUR, 40)]
    market = found(legs)
    assert market.view(SWAP, "model") == "PvP, gross"
    for number, one in enumerate(legs):
        fund(market, one["payer"], number)
    assert owned(market, "alice", EUR, USD) == [-60, 0]
    assert owned(market, "bob", EUR, USD) == [100, -110]
    assert found(legs, netted=[EUR, USD]).view(SWAP, "model") == "PvP, net"
    assert found([leg("alice", "bob", BOND, 1), leg("bob", "alice", GOLD, 1)]).view(SWAP, "model") == "DvD"
    assert found([leg("alice", "bob", BOND, 1)]).view(SWAP, "model") == "free of payment"
    assert found([leg("alice", "bob", EUR, 1)]).view(SWAP, "model") == "free of delivery"
    assert found(settles_together=False).view(SWAP, "model") == "conditional, leg by leg"


def test_one_leg_missing_at_the_deadline_gives_everything_back():
    market = found()
    for number in (0, 1, 2):
        fund(market, TRADES[number]["payer"], number)
    market.world.run(time=DEADLINE)
    assert everybody(market) == UNTOUCHED
    assert market.view(SWAP, "status") == ["refunded", "refunded", "refunded", "open"]


def test_one_unit_missing_is_a_leg_missing():
    market = found()
    for number in (0, 1, 2):
        fund(market, TRADES[number]["payer"], number)
    fund(market, "carol", 3, units=499)
    assert everybody(market) != SETTLED
    with market.forked():
        fund(market, "carol", 3, units=1)
        assert everybody(market) == SETTLED
    market.world.run(time=DEADLINE)
    assert everybody(market) == UNTOUCHED


def test_a_receiver_can_call_the_deal_off_and_nothing_settles_afterwards():
    market = found()
    for number in (0, 1, 2):
        fund(market, TRADES[number]["payer"], number)
    market.call("alice", SWAP, "refund", leg=1)
    fund(market, "carol", 3)
    assert market.view(SWAP, "status") == ["funded", "refunded", "funded", "funded"]
    market.world.run(time=DEADLINE)
    assert everybody(market) == UNTOUCHED


def test_leg_by_leg_it_is_an_escrow():
    market = found(settles_together=False)
    for number in (0, 1):
        fund(market, TRADES[number]["payer"], number)
    market.call("alice", SWAP, "release", leg=0)
    assert owned(market, "bob")[0] == 30
    market.world.run(time=DEADLINE)
    assert owned(market, "bob") == [30, 0]


# In part, by rule.

LOTS = {"lots": 10, "lots_least": 4}


@pytest.mark.parametrize("netted", [[], [EUR], [BOND, EUR]])
def test_what_is_there_in_whole_lots_settles_at_the_deadline(netted):
    market = found(**LOTS, netted=netted) if netted else found(**LOTS)
    short = {("carol", EUR): 299}  # five lots of 50, and 49 more
    for number, due in enumerate(market.view(SWAP, "dues")):
        fund(market, due.payer, number, units=short.get((due.payer, due.asset), due.units))
    market.world.run(time=DEADLINE)
    assert everybody(market) == {"alice": [-15, 300], "bob": [5, -50], "carol": [10, -250]}
    assert [market.world.balance(SWAP, asset) for asset in (BOND, EUR)] == [0, 0]


def test_fewer_lots_than_agreed_settle_none():
    market = found(**LOTS)
    for number, trade in enumerate(TRADES[:3]):
        fund(market, trade["payer"], number)
    fund(market, "carol", 3, units=199)  # not quite four lots
    market.world.run(time=DEADLINE)
    assert everybody(market) == UNTOUCHED


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 12), min_size=4, max_size=4),
    st.integers(1, 10),
    st.sampled_from([(), (EUR,), (BOND, EUR)]),
)
def test_whatever_is_paid_in_nobody_gains_and_each_pair_moves_at_the_agreed_price(parts, least, netted):
    more = ({"netted": list(netted)} if netted else {}) | ({"lots_least": least} if least > 1 else {})
    market = found(lots=10, **more)
    for number, due in enumerate(market.view(SWAP, "dues")):
        units = min(due.units * parts[number] // 10, due.units)
        if units:
            fund(market, due.payer, number, units=units)
    market.world.run(time=DEADLINE)
    found_lots = -owned(market, "alice")[0] // 3
    assert found_lots == 0 or found_lots >= least
    assert everybody(market) == {
        who: [units * found_lots // 10 for units in ends] for who, ends in SETTLED.items()
    }
    assert [market.world.balance(SWAP, asset) for asset in (BOND, EUR)] == [0, 0]


def pay_in(market, **short):
    """Pay in what is due, but for what `short` gives."""
    for number, due in enumerate(market.view(SWAP, "dues")):
        fund(market, due.payer, number, units=short.get(due.payer, due.units))


def test_who_is_quicker_than_the_timer_does_not_leave_the_deal():
    market = found(**LOTS)
    pay_in(market, carol=250)
    # Another's timer is due before, and a batch runs one: those of the swap have not run yet.
    market.deploy("decoy", "escrow", legs=[leg("bob", "alice", EUR, 1)], deadline=DEADLINE - 1)
    market.call("bob", "decoy", "fund", spend={EUR: 1}, leg=0)
    market.world.store.write({("limits",): Limits(timers_per_batch_max=1)})
    early = market.refused("stranger", SWAP, "settle")
    assert (early.code, early.facts["deadline"]) == (Refusal.TOO_FEW_LOTS, DEADLINE)
    market.world.time = DEADLINE
    with market.forked(), pytest.raises(Rejection) as refused:
        market.call("alice", SWAP, "refund", leg=0)
    assert refused.value.code is Refusal.SETTLES_FIRST
    assert refused.value.facts["until"] == DEADLINE + SETTLING_SECONDS * SECOND
    assert market.call("stranger", SWAP, "settle") == "5"
    assert everybody(market) == {"alice": [-15, 300], "bob": [5, -50], "carol": [10, -250]}
    with pytest.raises(Rejection) as refused:
        market.call("stranger", SWAP, "settle")
    assert refused.value.code is Refusal.TOO_FEW_LOTS


def test_a_party_that_is_frozen_at_the_deadline_holds_the_others_for_an_hour_and_no_longer():
    market = Market(accounts=(*PARTIES, "stranger"))
    policy = PolicySpec(kind="controlled", rules={}, lists_by=ISSUER)
    market.world.do(ISSUER, create(ISSUER, "bond"), create(ISSUER, "eur", policy=policy))
    funds = ((asset, who, FUNDS) for asset in (BOND, EUR) for who in PARTIES)
    market.world.do(ISSUER, issue(ISSUER, *funds))
    market.deploy(SWAP, "swap_settlement", legs=TRADES, deadline=DEADLINE, funds=[EUR], **LOTS)
    pay_in(market, carol=250)
    frozen = SetListing(account=ISSUER, asset=EUR, list="frozen", subject="bob", listed=True)
    market.world.do(ISSUER, frozen)
    market.world.run(time=DEADLINE)
    assert market.view(SWAP, "exits", account="alice") == [
        Exit("refund", {"leg": 0}, BOND, 0, units_later=30, when=DEADLINE + SETTLING_SECONDS * SECOND)
    ]
    market.world.time = DEADLINE + SETTLING_SECONDS * SECOND
    for number in (0, 2, 3):
        market.call("stranger", SWAP, "refund", leg=number)
    assert everybody(market) == UNTOUCHED | {"bob": [0, -600]}
    assert market.refused("stranger", SWAP, "refund", leg=1).code is Code.POLICY_REFUSED
    market.world.do(ISSUER, msgspec.structs.replace(frozen, listed=False))
    market.call("stranger", SWAP, "refund", leg=1)
    assert everybody(market) == UNTOUCHED


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_everyone_leaves_a_deal_that_does_not_settle_in_any_order_with_all_that_was_paid_in(order):
    market = found(**LOTS | {"lots_least": 10})
    pay_in(market, carol=499)
    market.world.store.write({("limits",): Limits(timers_per_batch_max=0)})  # no timer helps them
    market.world.time = DEADLINE + SETTLING_SECONDS * SECOND
    for number in order:
        due = market.view(SWAP, "dues")[number]
        [way] = [
            way for way in market.view(SWAP, "exits", account=due.payer) if way.arguments == {"leg": number}
        ]
        assert (way.units_now, way.units_later) == (499 if number == 3 else due.units, 0)
        # The call may be anybody's, who receives nothing: so the payer makes it.
        receive = {way.asset: way.units_now}
        market.call(due.payer, SWAP, way.method, receive=receive, **way.arguments)
    assert everybody(market) == UNTOUCHED
    assert all(market.view(SWAP, "exits", account=who) == [] for who in PARTIES)
    assert [market.world.balance(SWAP, asset) for asset in (BOND, EUR)] == [0, 0]


# What it says about itself, and refusals.


def test_positions_and_exits():
    market = found(**LOTS)
    fund(market, "carol", 3, units=200)
    assert market.view(SWAP, "positions", account="carol") == [Position(EUR, 200, note="leg 3 for bob")]
    assert market.view(SWAP, "exits", account="carol") == [
        Exit("refund", {"leg": 3}, EUR, 0, units_later=200, when=DEADLINE)
    ]
    assert market.view(SWAP, "dependencies").assets == (BOND, EUR)
    assert market.view(SWAP, "powers") == []


def refused_deployment(legs=TRADES, **parameters):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
        found(legs, **parameters)
    return caught.value.code


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"lots": 7}, {"lots": 10}),
        ({"lots": LOTS_MAX + 1}, {}),
        ({"lots": 10, "lots_least": 11}, {"lots": 10, "lots_least": 10}),
        ({"lots_least": 0}, {}),
        ({"netted": [BOND]}, {"netted": [EUR, USD, BOND]}),
        ({"netted": [EUR, USD], "settles_together": False}, {"netted": [EUR, USD]}),
        ({"lots": 10, "settles_together": False}, {"settles_together": False}),
        ({"deadline": START}, {}),
    ],
)
def test_agreements_that_contradict_themselves(wrong, right):
    assert refused_deployment(**wrong) is Refusal.AGREEMENT_INVALID
    found(**right)


def test_legs_that_net_to_nothing():
    legs = [leg("alice", "bob", EUR, 5), leg("bob", "alice", EUR, 5)]
    assert refused_deployment(legs, netted=[EUR, USD]) is Refusal.AGREEMENT_INVALID
    found(legs)


def test_funding_by_others_too_much_twice_or_too_late():
    market = found()
    arguments = {"spend": {BOND: FUNDS}, "leg": 0}
    assert market.refused("bob", SWAP, "fund", **arguments).code is Refusal.NOT_A_PARTY
    refused = market.refused("alice", SWAP, "fund", units=31, **arguments)
    assert (refused.code, refused.facts["lacking"]) == (Refusal.FUNDING_EXCEEDED, "30")
    assert market.refused("alice", SWAP, "fund", units=-1, **arguments).code is Code.AMOUNT_NOT_POSITIVE
    assert market.refused("alice", SWAP, "fund", spend={}, leg=9).code is Refusal.NO_SUCH_LEG
    fund(market, "alice", 0, units=30)
    assert market.refused("alice", SWAP, "fund", **arguments).code is Refusal.LEG_NOT_OPEN
    assert market.refused("alice", SWAP, "refund", leg=0).code is Refusal.NOT_A_PARTY
    assert market.refused("bob", SWAP, "refund", leg=1).code is Refusal.LEG_NOT_FUNDED
    assert market.refused("alice", SWAP, "release", leg=0).code is Refusal.SETTLES_TOGETHER
    assert market.refused("alice", SWAP, "expire", leg=0).code is Refusal.NOT_A_PARTY
    market.world.run(time=DEADLINE)
    late = market.refused("bob", SWAP, "fund", spend={EUR: FUNDS}, leg=1)
    assert late.code is Refusal.DEADLINE_PASSED


def test_nobody_calls_a_netted_due_off_before_the_deadline():
    market = found(netted=[EUR, USD])
    number = [due.payer for due in market.view(SWAP, "dues")].index("carol")
    fund(market, "carol", number)
    for who in PARTIES:
        assert market.refused(who, SWAP, "refund", leg=number).code is Refusal.NOT_A_PARTY
    market.world.run(time=DEADLINE)
    assert everybody(market) == UNTOUCHED
