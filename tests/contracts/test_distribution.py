"""Distribution: every unit accounted for, every part recomputable, every refusal beside a neighbour."""

from itertools import permutations
from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts import distribution
from tallystick.contracts.distribution import (
    ATTESTORS_MAX,
    DECAY_ONE,
    PPM,
    STEP_FACTOR,
    WEIGHT_MAX,
    Arithmetic,
    Refusal,
    capped,
    fade,
)
from tallystick.ledger.contract import Dependencies, Exit, Position, Power
from tallystick.ledger.rejections import Code
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, START, transfer

EUR = f"eur@{ISSUER}"
POT = "pot"
FUNDS = 10**12
RULES = {"attestors": ["ann", "ben", "cem"], "quorum": 1, "half_life_seconds": 0, "cap_ppm": PPM}
BOUNDS = {
    "half_life_seconds_least": DAY,
    "half_life_seconds_most": 400 * DAY,
    "cap_ppm_least": 200_000,
    "cap_ppm_most": PPM,
    "quorum_least": 1,
    "delay_seconds": 7 * DAY,
}
FADING = {"rules": RULES | {"half_life_seconds": 30 * DAY}, "admin": "admin", "bounds": BOUNDS}


def found(**parameters):
    market = Market(accounts=("ann", "ben", "cem", "admin", "alice", "bob", "carol", "payer"))
    market.fund(FUNDS, EUR)
    market.deploy(POT, "distribution", **{"asset": EUR, "rules": RULES} | parameters)
    return market


@pytest.fixture
def market():
    return found()


def attest(market, contributor, weight, *, by="ann", reference=None):
    reference = reference or f"{contributor}-{weight}-{market.world.index}"
    return market.call(by, POT, "attest", contributor=contributor, weight=weight, reference=reference)


def pay_in(market, units):
    return market.call("payer", POT, "pay_in", spend={EUR: units}, units=units)


def split(market):
    return int(market.call("carol", POT, "split"))


def credit(market, who):
    return market.view(POT, "credit", account=who)


# Splitting.


def test_income_is_split_by_weight_and_the_remainder_is_carried(market):
    for who, weight in (("alice", 1), ("bob", 1), ("carol", 1)):
        attest(market, who, weight)
    pay_in(market, 100)
    split(market)
    assert [credit(market, who) for who in ("alice", "bob", "carol")] == [33, 33, 33]
    assert market.view(POT, "state").income == 1
    pay_in(market, 2)
    split(market)
    assert [credit(market, who) for who in ("alice", "bob", "carol")] == [34, 34, 34]
    assert market.view(POT, "state").income == 0


def test_every_recipient_sees_the_arithmetic_that_gave_its_amount():
    market = found(rules=RULES | {"half_life_seconds": 10 * DAY, "cap_ppm": 500_000})
    attest(market, "alice", 1_000)
    market.world.time += 10 * DAY * SECOND
    attest(market, "bob", 250)
    attest(market, "carol", 150)
    pay_in(market, 1_001)
    assert split(market) == 1
    assert market.view(POT, "arithmetic", account="alice", split=1) == Arithmetic(
        split=1,
        time=START + 10 * DAY * SECOND,
        weight=1_000,
        attested=START,
        half_life_seconds=10 * DAY,
        faded=500,
        cap=450,  # half of 900
        counted=450,
        whole=850,
        income=1_001,
        units=529,
        told="1000 faded to 500 and counts 450 (cap 450) of 850: 1001 x 450 / 850 = 529, rounded down",
    )
    parts = [market.view(POT, "arithmetic", account=who, split=1) for who in ("alice", "bob", "carol")]
    assert [part.units for part in parts] == [529, 294, 176]
    assert sum(part.units for part in parts) + market.view(POT, "state").income == 1_001
    # An old split stays as it was, whatever came later.
    market.world.time += 99 * DAY * SECOND
    attest(market, "alice", 5)
    assert market.view(POT, "arithmetic", account="alice", split=1) == parts[0]


def test_weights_fade_by_half_each_half_life_and_never_grow():
    assert abs(STEP_FACTOR**64 - DECAY_ONE**64 // 2) < 2 * 64 * DECAY_ONE**63
    root = 1 << 2_047  # 2^-1 in parts of 2^2048; six square roots are its 64th
    for _ in range(6):
        root = isqrt(root << 2_048)
    assert root >> (2_048 - 64) == STEP_FACTOR
    assert fade(1_000, elapsed_seconds=99, half_life_seconds=0) == 1_000
    assert [fade(1 << 40, elapsed_seconds=n * DAY, half_life_seconds=DAY) for n in (0, 1, 2)] == [
        1 << 40,
        1 << 39,
        1 << 38,
    ]
    assert fade(10**6, elapsed_seconds=DAY // 2, half_life_seconds=DAY) == 707_106  # 10^6 / sqrt 2
    last = WEIGHT_MAX
    for seconds in range(0, 200 * DAY, DAY // 3):
        now = fade(WEIGHT_MAX, elapsed_seconds=seconds, half_life_seconds=2 * DAY)
        assert now <= last
        last = now
    assert last == 0


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30), st.integers(1, PPM))
def test_nobody_counts_for_more_than_the_cap(weights, cap_ppm):
    counted, cap = capped(weights, cap_ppm)
    assert cap == 1 or cap * PPM <= sum(weights) * cap_ppm
    assert all(one <= min(cap, other) for one, other in zip(counted, weights, strict=True))


moves = st.tuples(
    st.sampled_from(["attest", "pay", "split", "wait", "withdraw", "give", "sync"]),
    st.sampled_from(["alice", "bob", "carol"]),
    st.one_of(st.integers(1, 9), st.integers(1, 10**6)),
)


@settings(max_examples=40)
@given(st.lists(moves, min_size=5, max_size=30))
def test_what_is_held_is_what_is_credited_or_still_to_split_and_everyone_leaves(steps):
    market = found(**FADING)
    for move, who, number in steps:
        state = market.view(POT, "state")
        weigh = [one for one in ("alice", "bob", "carol") if market.view(POT, "weight", account=one)]
        if move == "attest":
            attest(market, who, number)
        elif move == "pay":
            pay_in(market, number)
        elif move == "split" and weigh and state.income >= len(weigh):
            split(market)
        elif move == "wait":
            market.world.time += number * SECOND
        elif move == "withdraw" and credit(market, who):
            market.call(who, POT, "withdraw", units=min(number, credit(market, who)))
        elif move == "give":
            market.world.do("payer", transfer("payer", (EUR, POT, number)))
        elif move == "sync":
            market.call(who, POT, "sync")
        market.call("payer", POT, "sync")
        state = market.view(POT, "state")
        assert market.world.balance(POT, EUR) == state.income + state.credited
        assert state.credited == sum(credit(market, one) for one in ("alice", "bob", "carol"))
    for who in ("carol", "alice", "bob"):
        for way in market.view(POT, "exits", account=who):
            market.call(who, POT, way.method, receive={EUR: way.units_now}, **way.arguments)
        assert market.view(POT, "positions", account=who) == []
    assert market.world.balance(POT, EUR) == market.view(POT, "state").income


@pytest.mark.parametrize("order", list(permutations(("alice", "bob", "carol"))), ids="-".join)
def test_everyone_leaves_in_any_order_with_every_unit_credited_whatever_comes_between(order):
    market = found()
    for who, weight in (("alice", 1), ("bob", 10**9), ("carol", 7)):
        attest(market, who, weight)
    pay_in(market, 10**9 + 8)
    split(market)
    promised = {"alice": 1, "bob": 10**9, "carol": 7}
    for who in order:
        assert credit(market, who) == promised[who]
        attest(market, "payer", 10**9)  # dilutes what is not split yet, and nothing else
        pay_in(market, 999)
        [way] = market.view(POT, "exits", account=who)
        market.call(who, POT, way.method, receive={EUR: promised[who]}, **way.arguments)
        assert market.view(POT, "exits", account=who) == []
    assert market.world.balance(POT, EUR) == market.view(POT, "state").income == 3 * 999


# Attestors and rules.


def test_a_contribution_counts_once_enough_attestors_agree_on_it():
    market = found(rules=RULES | {"quorum": 2})
    assert attest(market, "alice", 10, reference="pr-7") is False
    assert market.view(POT, "weight", account="alice") == 0
    other = {"contributor": "alice", "weight": 11, "reference": "pr-7"}
    assert market.refused("ben", POT, "attest", **other).code is Refusal.ATTESTED_OTHERWISE
    assert market.refused("ann", POT, "attest", **other | {"weight": 10}).code is Refusal.ALREADY_ATTESTED
    assert attest(market, "alice", 10, by="ben", reference="pr-7") is True
    assert market.view(POT, "weight", account="alice") == 10
    assert market.view(POT, "contribution", reference="pr-7").attestors == ("ann", "ben")
    assert market.refused("cem", POT, "attest", **other | {"weight": 10}).code is Refusal.ALREADY_ATTESTED


def test_other_rules_come_into_force_after_the_delay():
    market = found(**FADING)
    attest(market, "alice", 100)
    rules = RULES | {"attestors": ["ben"], "half_life_seconds": 10 * DAY, "cap_ppm": 200_000}
    due = int(market.call("admin", POT, "propose", rules=rules))
    assert due == START + 7 * DAY * SECOND
    market.world.time = due - 1
    assert attest(market, "bob", 1) is True
    assert market.view(POT, "state").next_rules.attestors == ("ben",)
    market.world.time = due
    assert market.view(POT, "state").rules.half_life_seconds == 10 * DAY
    refused = market.refused("ann", POT, "attest", contributor="bob", weight=1, reference="x")
    assert refused.code is Refusal.NOT_AN_ATTESTOR
    assert attest(market, "bob", 1, by="ben") is True


def test_an_attestor_adds_no_more_than_its_part_of_a_period():
    market = found(weight_per_period_max=100)
    attest(market, "alice", 60)
    refused = market.refused("ann", POT, "attest", contributor="alice", weight=41, reference="x")
    assert (refused.code, refused.facts["left"]) == (Refusal.PERIOD_EXCEEDED, "40")
    attest(market, "alice", 40)
    attest(market, "alice", 100, by="ben")
    market.world.time = refused.facts["until"]
    attest(market, "alice", 100)


# What it says about itself, and refusals.


def test_it_describes_itself():
    market = found(**FADING)
    attest(market, "alice", 1)
    pay_in(market, 7)
    split(market)
    assert market.view(POT, "positions", account="alice") == [Position(EUR, 7, note="credited")]
    assert market.view(POT, "exits", account="alice") == [Exit("withdraw", {"units": 7}, EUR, 7)]
    powers = market.view(POT, "powers")
    assert powers[0] == Power(
        "ann", "adds weight to contributors", f"{WEIGHT_MAX} in 86400 seconds, 1 of 3 agreeing"
    )
    assert (powers[-1].holder, powers[-1].delay_seconds) == ("admin", 7 * DAY)
    assert market.view(POT, "dependencies") == Dependencies(assets=(EUR,))
    assert market.view(POT, "backing") == []


def refused_deployment(**parameters):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
        found(**parameters)
    return caught.value.code


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": RULES | {"attestors": []}},
        {"rules": RULES | {"attestors": ["ann", "ann"]}},
        {"rules": RULES | {"attestors": [f"a{n}" for n in range(ATTESTORS_MAX + 1)]}},
        {"rules": RULES | {"quorum": 4}},
        {"rules": RULES | {"quorum": 0}},
        {"rules": RULES | {"cap_ppm": 0}},
        {"rules": RULES | {"cap_ppm": PPM + 1}},
        {"rules": RULES | {"half_life_seconds": -1}},
        {"weight_per_period_max": 0},
        {"period_seconds": 0},
        {"admin": "admin"},
        FADING | {"bounds": BOUNDS | {"delay_seconds": 0}},
        FADING | {"rules": RULES},  # no fading is outside the bounds
    ],
)
def test_wrong_parameters(wrong):
    assert refused_deployment(**wrong) is Refusal.PARAMETERS_INVALID
    found(**FADING)


def test_rules_outside_the_bounds_or_by_others():
    market = found(**FADING)
    rules = RULES | {"half_life_seconds": DAY, "cap_ppm": 200_000}
    for wrong in (
        {"half_life_seconds": DAY - 1},
        {"half_life_seconds": 400 * DAY + 1},
        {"cap_ppm": 199_999},
        {"quorum": 0},
    ):
        assert market.refused("admin", POT, "propose", rules=rules | wrong).code is Refusal.RULES_INVALID
    assert market.refused("ann", POT, "propose", rules=rules).code is Refusal.NOT_THE_ADMIN
    market.call("admin", POT, "propose", rules=rules)
    assert found().refused("admin", POT, "propose", rules=rules).code is Refusal.NOT_THE_ADMIN


def test_attestations_that_are_none(market):
    given = {"contributor": "alice", "weight": 1, "reference": "x"}
    assert market.refused("alice", POT, "attest", **given).code is Refusal.NOT_AN_ATTESTOR
    for weight in (0, -1, WEIGHT_MAX + 1):
        code = market.refused("ann", POT, "attest", **given | {"weight": weight}).code
        assert code is Refusal.WEIGHT_INVALID
    assert market.refused("ann", POT, "attest", **given | {"contributor": "No One"}).code is Code.NAME_INVALID
    market.call("ann", POT, "attest", **given)


def test_nothing_to_split(market):
    assert market.refused("carol", POT, "split").code is Refusal.NOTHING_TO_SPLIT
    pay_in(market, 1)
    assert market.refused("carol", POT, "split").code is Refusal.NOTHING_TO_SPLIT
    attest(market, "alice", 1)
    split(market)
    code = market.refused("carol", POT, "split").code
    assert code is Refusal.NOTHING_TO_SPLIT


def test_no_stranger_fills_the_ledger_with_splits_of_crumbs(market):
    for who in ("alice", "bob", "carol"):
        attest(market, who, 1)
    pay_in(market, 2)
    refused = market.refused("carol", POT, "split")
    assert (refused.code, refused.facts) == (Refusal.NOTHING_TO_SPLIT, {"units": "2", "contributors": "3"})
    pay_in(market, 2)
    split(market)
    # The unit that is left is not split again and again.
    assert market.refused("carol", POT, "split").code is Refusal.NOTHING_TO_SPLIT


def test_a_cap_below_one_does_not_lock_the_income():
    market = found(rules=RULES | {"cap_ppm": 100_000})
    for who in ("alice", "bob", "carol"):
        attest(market, who, 1)
    pay_in(market, 9)
    split(market)
    assert [credit(market, who) for who in ("alice", "bob", "carol")] == [3, 3, 3]


def test_who_has_faded_away_makes_room_for_others(monkeypatch):
    monkeypatch.setattr(distribution, "RECIPIENTS_MAX", 2)
    market = found(**FADING)
    attest(market, "alice", 1)
    attest(market, "bob", 1)
    market.world.time += 60 * DAY * SECOND
    full = market.refused("ann", POT, "attest", contributor="carol", weight=8, reference="c")
    assert full.code is Refusal.TOO_MANY_CONTRIBUTORS
    attest(market, "bob", 8)
    pay_in(market, 10)
    split(market)
    assert (credit(market, "alice"), credit(market, "bob")) == (0, 10)
    assert market.view(POT, "state").contributors == 1
    attest(market, "carol", 8)


def test_one_unit_more_than_is_credited_and_a_part_that_is_none(market):
    attest(market, "alice", 1)
    pay_in(market, 5)
    split(market)
    assert market.refused("alice", POT, "withdraw", units=6).code is Refusal.CREDIT_EXCEEDED
    assert market.refused("bob", POT, "withdraw", units=1).code is Refusal.CREDIT_EXCEEDED
    assert market.refused("alice", POT, "withdraw", units=0).code is Code.AMOUNT_NOT_POSITIVE
    assert market.refused("payer", POT, "pay_in", units=1 << 128).code is Code.AMOUNT_TOO_LARGE
    market.call("alice", POT, "withdraw", units=5)
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
        market.view(POT, "arithmetic", account="bob", split=1)
    assert caught.value.code is Refusal.NO_SUCH_SPLIT
