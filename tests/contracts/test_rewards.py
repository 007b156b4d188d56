"""Rewards: nothing lost with carry, Synthetix's numbers without, and every refusal beside a neighbour."""

from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts.rewards import DURATION_SECONDS_MAX, ONE, REWARDS_MAX, Refusal
from tallystick.ledger.contract import Dependencies, Exit, Position, Power
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code
from tallystick.ledger.store import CONTRACT_MARK
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, World, call, deploy

STAKED, GOLD, SILVER = f"staked@{ISSUER}", f"gold@{ISSUER}", f"silver@{ISSUER}"
POOL = "rewards"
STAKERS = ("alice", "bob", "carol")
WEEK = 7 * 86_400


def found(*, carry=True, rewards=None, **parameters):
    market = Market(accounts=("payer", *STAKERS))
    market.fund(10**12, STAKED, GOLD, SILVER)
    if rewards is None:
        rewards = [
            {"asset": GOLD, "distributor": "payer", "duration_seconds": 100},
            {"asset": SILVER, "distributor": "payer", "duration_seconds": WEEK},
        ]
    if not carry:  # Carrying is the default, and a default is not written.
        parameters["carry"] = False
    market.deploy(POOL, "rewards", **{"stake_asset": STAKED, "rewards": rewards} | parameters)
    return market


@pytest.fixture(params=[True, False], ids=["carry", "no carry"])
def market(request):
    return found(carry=request.param)


def stake(market, who, units):
    return int(market.call(who, POOL, "stake", spend={STAKED: units}, units=units))


def notify(market, units, asset=GOLD):
    return int(market.call("payer", POOL, "notify", spend={asset: units}, asset=asset, units=units))


def earned(market, who, asset=GOLD):
    return market.view(POOL, "earned", account=who, asset=asset)


def wait(market, seconds):
    market.world.time += int(seconds * SECOND)


# What time pays.


def test_a_period_is_shared_by_time_and_stake(market):
    stake(market, "alice", 1)
    assert notify(market, 1_000) == market.world.time + 100 * SECOND
    wait(market, 50)
    stake(market, "bob", 4)
    wait(market, 25)
    assert (earned(market, "alice"), earned(market, "bob")) == (550, 200)
    assert market.call("bob", POOL, "claim") == {GOLD: "200", SILVER: "0"}
    wait(market, 1_000)
    assert (earned(market, "alice"), earned(market, "bob")) == (600, 200)
    assert market.call("alice", POOL, "exit") == {GOLD: "600", SILVER: "0"}
    assert market.world.balance("alice", STAKED) == 10**12
    assert market.world.balance(POOL, GOLD) == 200


def test_several_rewards_run_side_by_side(market):
    stake(market, "alice", 3)
    notify(market, 1_000, GOLD)
    notify(market, WEEK, SILVER)
    wait(market, 60)
    assert [earned(market, "alice", asset) for asset in (GOLD, SILVER)] == [600, 60]
    assert market.call("alice", POOL, "claim", assets=[SILVER]) == {SILVER: "60"}
    assert [earned(market, "alice", asset) for asset in (GOLD, SILVER)] == [600, 0]


def test_a_second_payment_spreads_what_is_left_over_a_new_period(market):
    stake(market, "alice", 1)
    notify(market, 1_000)
    wait(market, 50)
    notify(market, 500)
    wait(market, 50)
    assert earned(market, "alice") == 500 + 500
    wait(market, 50)
    assert earned(market, "alice") == 1_500


def test_without_carry_a_rate_below_one_unit_a_second_pays_nothing_and_with_carry_all(market):
    carry = market.world.get("instance", POOL).parameters.find('"carry"') < 0  # true is the default
    stake(market, "alice", 7)
    notify(market, 99)  # over 100 seconds
    wait(market, 100)
    assert earned(market, "alice") == (99 if carry else 0)
    assert market.view(POOL, "stream", asset=GOLD).lost == (0 if carry else 99)


def test_a_silence_is_lost_without_carry_and_pauses_the_period_with_it(market):
    carry = market.world.get("instance", POOL).parameters.find('"carry"') < 0
    notify(market, 1_000)
    wait(market, 40)
    stake(market, "alice", 5)
    assert earned(market, "alice") == 0
    wait(market, 60)
    assert earned(market, "alice") == 600
    wait(market, 40)
    assert earned(market, "alice") == (1_000 if carry else 600)
    market.call("alice", POOL, "exit")
    stream = market.view(POOL, "stream", asset=GOLD)
    assert (stream.lost, stream.left, stream.spare) == ((0, 0, 0) if carry else (400, 0, 0))
    assert market.world.balance(POOL, GOLD) == (0 if carry else 400)


steps = st.tuples(
    st.sampled_from(["stake", "withdraw", "claim", "exit", "notify", "wait"]),
    st.sampled_from(STAKERS),
    st.one_of(st.integers(1, 9), st.integers(1, 10**9)),
)


@pytest.mark.parametrize("carry", [True, False])
@settings(max_examples=40)
@given(st.lists(steps, min_size=4, max_size=24))
def test_what_was_paid_in_is_paid_out_earned_or_still_to_come(carry, steps):
    market = found(carry=carry)
    paid_in = 0
    for op, who, number in steps:
        staked = market.view(POOL, "staked", account=who)
        if op == "wait":
            wait(market, Fraction(number % 50_000_000, 1_000))
        elif op == "notify":
            notify(market, number)
            paid_in += number
        elif op == "stake":
            stake(market, who, number)
        elif op == "claim":
            market.call(who, POOL, "claim")
        elif staked:
            arguments = {"units": min(number, staked)} if op == "withdraw" else {}
            market.call(who, POOL, op, **arguments)
        held = market.world.balance(POOL, GOLD)
        paid_out = sum(market.world.balance(who, GOLD) - 10**12 for who in STAKERS)
        assert paid_in == paid_out + held
        stakes = sum(market.view(POOL, "staked", account=who) for who in STAKERS)
        assert market.world.balance(POOL, STAKED) == stakes == market.view(POOL, "total_staked")
        _check_owed(market, held, carry=carry)


def _check_owed(market, held, *, carry):
    """With carry the parts sum to what is held, to the last fraction; without, to no more than it."""
    stream = market.view(POOL, "stream", asset=GOLD)
    scale = ONE if carry else 1
    total = stream.left + stream.spare
    if not carry:
        total = stream.lost + stream.rate * max(stream.finish - stream.updated, 0)
    for who in STAKERS:
        row = market.world.get(POOL + CONTRACT_MARK, "earned", who, GOLD)
        if row is not None:
            grown = market.view(POOL, "staked", account=who) * (stream.per_stake - row.paid)
            total += row.earned + (grown if carry else grown // ONE)
    assert total == held * ONE if carry else total <= held * scale


@pytest.mark.parametrize("leaver", ["exit", "withdraw"])
def test_with_carry_the_last_one_out_has_the_others_fractions_so_nothing_is_left(leaver):
    market = found()
    for who, units in zip(STAKERS, (1, 1, 1), strict=True):
        stake(market, who, units)
    notify(market, 100)
    wait(market, 100)
    paid = [market.call(who, POOL, "exit")[GOLD] for who in STAKERS[:2]]
    assert earned(market, "carol") == 34  # three thirds are one more
    if leaver == "withdraw":
        market.call("carol", POOL, "withdraw", units=1)
    market.call("carol", POOL, "claim" if leaver == "withdraw" else "exit")
    assert paid == ["33", "33"]
    assert market.world.balance(POOL, GOLD) == 0


@pytest.mark.parametrize("order", list(permutations(STAKERS)), ids="-".join)
@pytest.mark.parametrize("carry", [True, False], ids=["carry", "no carry"])
def test_everyone_leaves_in_any_order_with_the_whole_stake_and_no_less_than_was_promised(carry, order):
    market = found(carry=carry)
    for who, units in zip(STAKERS, (1, 10**9, 3), strict=True):
        stake(market, who, units)
    notify(market, 1_000_003)
    notify(market, WEEK + 1, SILVER)
    wait(market, 61)  # the periods run on while they leave
    promised = {who: {asset: earned(market, who, asset) for asset in (GOLD, SILVER)} for who in STAKERS}
    for who in order:
        ways = market.view(POOL, "exits", account=who)
        assert all(way.units_later == 0 for way in ways)
        for way in ways:
            market.call(who, POOL, way.method, receive={way.asset: way.units_now}, **way.arguments)
        assert market.world.balance(who, STAKED) == 10**12
        for asset, units in promised[who].items():
            assert market.world.balance(who, asset) - 10**12 >= units
        assert market.view(POOL, "exits", account=who) == []
    assert market.world.balance(POOL, STAKED) == 0


def test_with_carry_a_fraction_stays_the_stakers_own_until_it_is_a_unit():
    market = found()
    stake(market, "alice", 1)
    stake(market, "bob", 1)
    notify(market, 1)
    wait(market, 100)
    assert market.call("alice", POOL, "claim")[GOLD] == "0"
    notify(market, 1)
    wait(market, 100)
    assert market.call("alice", POOL, "claim")[GOLD] == "1"
    assert market.call("bob", POOL, "exit")[GOLD] == "1"


# What it costs.


@pytest.mark.long
def test_a_claim_among_100_000_stakers_costs_what_it_costs_alone_and_an_idle_one_nothing():
    """The least work that the calls pass with is the same; and time alone writes no row."""
    assert _work(1) == _work(100_000)


def _work(stakers):
    for work in range(10, 80):
        world = World(check_signatures=False, limits=Limits(work_max=work))
        world.open("payer", "alice")
        if _claims(world, stakers):
            return work
    raise AssertionError("a claim takes more work than this")


def _claims(world, stakers):
    reward = {"asset": "gold@payer", "distributor": "alice", "duration_seconds": 100}
    world.mint("gold@payer", alice=10**9)
    world.mint("staked@payer", alice=10**9)
    outcome = world.run(
        world.envelope(
            world.transaction(
                "payer", [deploy("payer", POOL, "rewards", stake_asset="staked@payer", rewards=[reward])]
            )
        )
    )[0]
    if getattr(outcome, "code", None) is Code.WORK_EXCEEDED:
        return False
    rows = {(POOL + CONTRACT_MARK, "stake", f"idle-{number}"): 10 for number in range(stakers - 1)}
    world.store.write({**rows, (POOL + CONTRACT_MARK, "staked"): 10 * len(rows)})
    calls = [
        call("alice", POOL, "stake", spend=[("staked@payer", 10)], units=10),
        call("alice", POOL, "notify", spend=[("gold@payer", 10**9)], asset="gold@payer", units=10**9),
        call("alice", POOL, "claim"),
    ]
    for action in calls:
        size = len(world.store.values)
        outcome = world.run(world.envelope(world.transaction("alice", [action])))[0]
        if getattr(outcome, "code", None) is Code.WORK_EXCEEDED:
            return False
        world.wait(10)
        assert len(world.store.values) - size <= 10
    assert world.balance("alice", "gold@payer") == 10 * 10**6 * 10 // stakers
    return True


# What it says about itself.


def test_it_describes_itself(market):
    stake(market, "alice", 5)
    notify(market, 1_000)
    wait(market, 10)
    assert market.view(POOL, "positions", account="alice") == [
        Position(STAKED, 5, note="staked"),
        Position(GOLD, 100, note="earned"),
    ]
    assert market.view(POOL, "exits", account="alice") == [
        Exit("withdraw", {"units": 5}, STAKED, 5),
        Exit("claim", {"assets": [GOLD]}, GOLD, 100),
    ]
    assert market.view(POOL, "positions", account="bob") == market.view(POOL, "exits", account="bob") == []
    assert market.view(POOL, "powers")[0] == Power(
        "payer",
        f"spreads what is left of {GOLD} over another period",
        "100 seconds from its call; it can take nothing out",
    )
    assert market.view(POOL, "dependencies") == Dependencies(assets=(GOLD, SILVER, STAKED))
    assert market.view(POOL, "backing") == []
    assert market.view(POOL, "finish", asset=GOLD) == market.world.time + 90 * SECOND


# Refusals.


def refused_deployment(**parameters):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
        found(**parameters)
    return caught.value.code


def reward(**more):
    return {"asset": GOLD, "distributor": "payer", "duration_seconds": 1} | more


def test_wrong_parameters():
    assert refused_deployment(rewards=[]) is Refusal.PARAMETERS_INVALID
    assert refused_deployment(rewards=[reward(), reward()]) is Refusal.PARAMETERS_INVALID
    assert refused_deployment(rewards=[reward(duration_seconds=0)]) is Refusal.PARAMETERS_INVALID
    too_long = DURATION_SECONDS_MAX + 1
    assert refused_deployment(rewards=[reward(duration_seconds=too_long)]) is Refusal.PARAMETERS_INVALID
    assert refused_deployment(rewards=[reward(asset="no@mint")]) is Code.UNKNOWN_ASSET
    assert refused_deployment(rewards=[reward()] * (REWARDS_MAX + 1)) is Refusal.PARAMETERS_INVALID
    found(rewards=[reward(duration_seconds=DURATION_SECONDS_MAX)])


@pytest.mark.parametrize("method", ["stake", "withdraw"])
@pytest.mark.parametrize(
    ("units", "code"), [(0, Code.AMOUNT_NOT_POSITIVE), (1 << 128, Code.AMOUNT_TOO_LARGE)]
)
def test_no_units_or_too_many(market, method, units, code):
    stake(market, "alice", 1)
    assert market.refused("alice", POOL, method, spend={STAKED: 1}, units=units).code is code
    market.call("alice", POOL, method, spend={STAKED: 1}, units=1)


def test_one_unit_more_than_is_staked(market):
    stake(market, "alice", 5)
    stake(market, "bob", 5)
    refused = market.refused("alice", POOL, "withdraw", units=6)
    assert (refused.code, refused.facts) == (Refusal.STAKE_EXCEEDED, {"asked": "6", "staked": "5"})
    market.call("alice", POOL, "withdraw", units=5)


def test_leaving_without_a_stake(market):
    assert market.refused("alice", POOL, "exit").code is Refusal.NOTHING_STAKED
    stake(market, "alice", 1)
    market.call("alice", POOL, "exit")


def test_only_the_distributor_pays_in(market):
    spend = {GOLD: 10}
    refused = market.refused("alice", POOL, "notify", spend=spend, asset=GOLD, units=10)
    assert refused.code is Refusal.NOT_THE_DISTRIBUTOR
    for units, code in ((-1, Code.AMOUNT_NOT_POSITIVE), (1 << 128, Code.AMOUNT_TOO_LARGE)):
        assert market.refused("payer", POOL, "notify", spend=spend, asset=GOLD, units=units).code is code
    assert market.refused("payer", POOL, "notify", asset=GOLD, units=10).code is Code.BUDGET_EXCEEDED
    notify(market, 10)


def test_a_reward_that_is_none(market):
    for assets in ([STAKED], [GOLD, GOLD]):
        assert market.refused("alice", POOL, "claim", assets=assets).code is Refusal.NO_SUCH_REWARD
    assert market.refused("payer", POOL, "notify", asset=STAKED, units=1).code is Refusal.NO_SUCH_REWARD
    market.call("alice", POOL, "claim", assets=[GOLD, SILVER])
