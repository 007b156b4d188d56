"""Streams: cliffs, pieces, flows with a buffer, and every refusal beside a neighbour."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts.stream import (
    BUFFER_SECONDS_MAX,
    PIECES_MAX,
    Piece,
    Rate,
    Refusal,
    Schedule,
    flowed_by,
    runs_dry,
    streamed_by,
)
from tallystick.ledger.contract import Dependencies, Exit, Position
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code
from tallystick.ledger.store import CONTRACT_MARK
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, START, World, call, deploy

EUR = f"eur@{ISSUER}"
STREAMS = "streams"
FUNDS = 10**9
BUFFER = 100


@pytest.fixture
def market():
    return found()


def found(buffer_seconds=BUFFER):
    market = Market(accounts=("payer", "payee", "other"))
    market.fund(FUNDS, EUR)
    market.deploy(STREAMS, "stream", buffer_seconds=buffer_seconds)
    return market


def at(seconds):
    return START + seconds * SECOND


def schedule(**more):
    """Return 1,000 units over 1,000 seconds from now."""
    given = {
        "start": START,
        "pieces": [{"units": 1_000, "ends": at(1_000)}],
        "unlock_units": 0,
        "cliff": 0,
        "cliff_units": 0,
        "cancelable": True,
    }
    return given | more


def create(market, **more):
    given = {"recipient": "payee", "asset": EUR, "schedule": schedule(**more)}
    return int(market.call("payer", STREAMS, "create", spend={EUR: FUNDS}, **given))


def flow(market, units=1_000, pace=(1, 1), **more):
    given = {"recipient": "payee", "asset": EUR, "pace": {"units": pace[0], "seconds": pace[1]}} | more
    return int(market.call("payer", STREAMS, "open_flow", spend={EUR: FUNDS}, units=units, **given))


def told(market, stream=1):
    return market.view(STREAMS, "stream", stream=stream)


def wait(market, seconds):
    market.world.time += int(seconds * SECOND)


def balances(market):
    return [market.world.balance(who, EUR) - FUNDS for who in ("payer", "payee")]


# Lockups.


def test_a_cliff_an_unlock_and_pieces_stream_as_scheduled(market):
    pieces = [{"units": 100, "ends": at(300)}, {"units": 700, "ends": at(1_000)}]
    create(market, unlock_units=50, cliff=at(100), cliff_units=150, pieces=pieces)
    expected = [
        (0, 50),
        (99.999, 50),
        (100, 200),
        (200, 250),
        (300, 300),
        (650, 650),
        (999, 998),  # 699 seconds of 700: the fraction down, and its part down again
        (1_000, 1_000),
    ]
    for seconds, streamed in expected:
        market.world.time = at(0) + int(seconds * SECOND)
        assert told(market).streamed == streamed
    market.call("payee", STREAMS, "withdraw", stream=1, units=1_000)
    assert balances(market) == [-1_000, 1_000]
    assert market.refused("payee", STREAMS, "withdraw", stream=1, units=1).code is Refusal.NO_SUCH_STREAM


def test_nothing_before_it_starts(market):
    create(market, start=at(500), unlock_units=10)
    assert told(market).streamed == 0
    market.world.time = at(500)
    assert told(market).streamed == 10


@given(
    units=st.integers(1, 10**12),
    cuts=st.lists(st.integers(1, 10**6), min_size=1, max_size=6, unique=True),
    asked=st.lists(st.integers(0, 10**6 + 10), min_size=2, max_size=8),
)
def test_what_is_streamed_never_falls_and_ends_at_the_whole(units, cuts, asked):
    ends = sorted(cuts)
    pieces = tuple(Piece(units + number, at(end)) for number, end in enumerate(ends))
    plan = Schedule(START, pieces)
    streamed = [streamed_by(plan, at(seconds)) for seconds in sorted(asked)]
    assert all(one <= other for one, other in pairwise(streamed))
    assert streamed_by(plan, at(ends[-1])) == sum(piece.units for piece in pieces)


def test_a_refund_leaves_the_recipient_what_is_streamed(market):
    create(market)
    wait(market, 400)
    assert market.view(STREAMS, "exits", account="payer") == [Exit("refund", {"stream": 1}, EUR, 600)]
    market.call("payer", STREAMS, "refund", stream=1, units=600, receive={EUR: 600})
    wait(market, 400)
    assert told(market).withdrawable == 400
    market.call("payee", STREAMS, "withdraw", stream=1, units=400)
    assert balances(market) == [-400, 400]


def test_a_lockup_is_taken_back_without_knowing_the_moment_to_the_unit(market):
    create(market, pieces=[{"units": 1_000_000, "ends": at(1)}])
    wait(market, 0.4)
    # 600,000 are not streamed; the next batch comes 3 microseconds later, and 3 more are.
    market.world.time += 3
    refused = market.refused("payer", STREAMS, "refund", stream=1, units=600_000)
    assert (refused.code, refused.facts["available"]) == (Refusal.STREAMED_EXCEEDED, "599997")
    assert market.call("payer", STREAMS, "refund", stream=1, units=599_000) == "599997"
    assert (told(market).ends, told(market).withdrawable) == (START + 400_003, 400_003)


def test_all_of_a_flow_that_can_be_taken_back_is_taken_at_the_moment_of_the_call(market):
    flow(market, units=1_000_000, pace=(1_000, 1))
    [way] = market.view(STREAMS, "exits", account="payer")
    assert way == Exit("refund", {"stream": 1}, EUR, 900_000)
    wait(market, 0.5)
    refused = market.refused("payer", STREAMS, "refund", stream=1, units=900_000)
    assert refused.code is Refusal.STREAMED_EXCEEDED
    assert market.refused("payer", STREAMS, "refund", stream=1, units=-1).code is Code.AMOUNT_NOT_POSITIVE
    assert market.call("payer", STREAMS, "refund", **way.arguments) == "899500"
    # Only the buffer is left, and it is not the payer's.
    assert market.refused("payer", STREAMS, "refund", stream=1).code is Refusal.STREAMED_EXCEEDED
    wait(market, 60)
    assert told(market).withdrawable == 60_500


def test_a_flow_on_notice_is_its_recipients_until_it_ends(market):
    flow(market)
    market.call("payer", STREAMS, "stop", stream=1)
    assert market.view(STREAMS, "positions", account="payer") == [
        Position(EUR, 900, note="stream 1, not streamed")
    ]
    wait(market, 40)
    assert market.view(STREAMS, "exits", account="payee") == [
        Exit("withdraw", {"stream": 1, "units": 40}, EUR, 40, units_later=60, when=at(BUFFER))
    ]


def test_a_void_gives_the_rest_back_at_once(market):
    create(market)
    wait(market, 400)
    assert market.call("payee", STREAMS, "void", stream=1) == "600"
    assert balances(market) == [-400, 0]
    market.call("payee", STREAMS, "withdraw", stream=1, units=400)
    assert balances(market) == [-400, 400]


def test_a_stream_that_nobody_can_cancel_is_its_recipients(market):
    create(market)
    market.call("payer", STREAMS, "renounce", stream=1)
    wait(market, 400)
    assert market.refused("payer", STREAMS, "refund", stream=1, units=600).code is Refusal.NOT_CANCELABLE
    assert market.refused("payer", STREAMS, "renounce", stream=1).code is Refusal.NOT_CANCELABLE
    assert market.view(STREAMS, "positions", account="payee") == [
        Position(EUR, 400, note="stream 1, streamed"),
        Position(EUR, 600, note="stream 1, to come"),
    ]
    assert market.view(STREAMS, "exits", account="payee") == [
        Exit("withdraw", {"stream": 1, "units": 400}, EUR, 400, 600, at(1_000))
    ]
    assert market.view(STREAMS, "positions", account="payer") == []


# Flows.


def test_a_flow_pays_by_the_second_and_ends_for_good_when_it_runs_dry(market):
    flow(market, units=500, pace=(3, 2))
    wait(market, 100)
    assert (told(market).streamed, told(market).ends) == (150, at(0) + 333_333_334)
    market.call("other", STREAMS, "top_up", spend={EUR: 100}, stream=1, units=100)
    wait(market, 300)
    assert (told(market).streamed, told(market).refundable) == (600, 0)
    ended = market.refused("payer", STREAMS, "top_up", spend={EUR: 1}, stream=1, units=1)
    assert (ended.code, ended.facts["ended"]) == (Refusal.HAS_ENDED, at(400))
    market.call("payee", STREAMS, "withdraw", stream=1, units=600)
    assert market.view(STREAMS, "streams", account="payee") == []


def test_the_buffer_is_the_recipients_notice(market):
    flow(market, units=1_000)
    wait(market, 200)
    assert told(market).refundable == 700  # all but the streamed 200 and the buffer of 100
    assert market.refused("payer", STREAMS, "refund", stream=1, units=701).code is Refusal.STREAMED_EXCEEDED
    market.call("payer", STREAMS, "refund", stream=1, units=100)
    assert int(market.call("payer", STREAMS, "stop", stream=1)) == at(300)
    assert told(market).refundable == 600
    market.call("payer", STREAMS, "refund", stream=1, units=600)
    wait(market, 500)
    assert told(market).withdrawable == 300
    market.call("payee", STREAMS, "withdraw", stream=1, units=300)
    assert balances(market) == [-300, 300]


def test_a_second_notice_changes_nothing(market):
    flow(market)
    market.call("payer", STREAMS, "stop", stream=1)
    wait(market, 50)
    assert int(market.call("payer", STREAMS, "stop", stream=1)) == at(100)


def test_without_a_buffer_a_stop_is_at_once():
    market = found(buffer_seconds=0)
    flow(market, units=10)
    wait(market, 4)
    market.call("payer", STREAMS, "stop", stream=1)
    wait(market, 4)
    assert (told(market).streamed, told(market).refundable) == (4, 6)


def test_a_recipient_voids_a_flow(market):
    flow(market, units=500)
    wait(market, 100)
    assert market.call("payee", STREAMS, "void", stream=1) == "400"
    wait(market, 100)
    assert told(market).streamed == 100
    for who, method, more in (("payee", "void", {}), ("payer", "stop", {})):
        assert market.refused(who, STREAMS, method, stream=1, **more).code is Refusal.HAS_ENDED


@given(units=st.integers(1, 10**9), pace=st.integers(1, 10**6), seconds=st.integers(1, 10**6))
def test_a_flow_runs_dry_at_the_first_moment_at_which_all_has_flowed(units, pace, seconds):
    rate = Rate(pace, seconds, START)
    dry = runs_dry(rate, units)
    assert flowed_by(rate, dry) >= units > flowed_by(rate, dry - 1)


steps = st.tuples(
    st.sampled_from(["flow", "create", "wait", "withdraw", "refund", "void", "stop", "top_up", "renounce"]),
    st.integers(1, 6),
    st.integers(1, 2_000),
)


@settings(max_examples=40)
@given(st.lists(steps, min_size=4, max_size=30))
def test_what_everybody_has_inside_is_what_is_held_and_everyone_leaves(moves):
    market = found()
    for move, stream, number in moves:
        if move == "flow":
            flow(market, units=100 + number)
        elif move == "create":
            ends = market.world.time + number * SECOND
            more = {"start": market.world.time, "pieces": [{"units": number, "ends": ends}]}
            create(market, **more, cancelable=bool(number % 3))
        elif move == "wait":
            wait(market, number / 7)
        else:
            _try(market, move, stream, number)
        held = market.world.balance(STREAMS, EUR)
        inside = [
            position.units
            for who in market.accounts
            for position in market.view(STREAMS, "positions", account=who)
        ]
        assert sum(inside) == held
    for _ in range(2):
        for who in ("payee", "payer"):
            for way in market.view(STREAMS, "exits", account=who):
                if way.units_now:
                    units = {"units": way.units_now}
                    market.call(
                        who, STREAMS, way.method, receive={EUR: way.units_now}, **way.arguments | units
                    )
        market.world.time = at(10_000_000)
    assert market.world.balance(STREAMS, EUR) == 0
    assert [key for key in market.world.store.values if key[0] == STREAMS + CONTRACT_MARK] in (
        [],
        [(STREAMS + CONTRACT_MARK, "last")],
    )


def _try(market, move, stream, number):
    try:
        now = told(market, stream)
    except Exception:  # noqa: BLE001 (no such stream)
        return
    units = {"withdraw": min(now.withdrawable, number), "refund": now.refundable, "top_up": number}.get(move)
    if units == 0:
        return
    who = "payee" if move in ("withdraw", "void") else "payer"
    arguments = {"stream": stream} | ({} if units is None else {"units": units})
    try:
        market.call(who, STREAMS, move, spend={EUR: number}, **arguments)
    except Exception as refused:  # noqa: BLE001 (its code is checked)
        assert refused.code in Refusal, refused


@pytest.mark.long
def test_a_withdrawal_beside_100_000_streams_costs_what_it_costs_alone_and_an_idle_one_nothing():
    assert _work(1) == _work(100_000)


def _work(streams):
    for work in range(10, 60):
        world = World(check_signatures=False, limits=Limits(work_max=work))
        world.open("payer", "payee")
        world.mint("eur@payer", payee=10**9)
        world.do("payer", deploy("payer", STREAMS, "stream"))
        rows = {}
        for number in range(2, streams + 1):
            rows[STREAMS + CONTRACT_MARK, "stream", number] = None
            rows[STREAMS + CONTRACT_MARK, "of", "payer", number] = 1
            rows[STREAMS + CONTRACT_MARK, "of", "payee", number] = 1
        world.store.write(rows)
        given = {"recipient": "payer", "asset": "eur@payer", "schedule": schedule()}
        outcome = world.run(
            world.envelope(
                world.transaction(
                    "payee", [call("payee", STREAMS, "create", spend=[("eur@payer", 1_000)], **given)]
                )
            )
        )[0]
        if getattr(outcome, "code", None) is Code.WORK_EXCEEDED:
            continue
        size = len(world.store.values)
        world.wait(500)
        assert len(world.store.values) <= size  # time writes no row
        action = call("payee", STREAMS, "refund", stream=1, units=500)
        outcome = world.run(world.envelope(world.transaction("payee", [action])))[0]
        if getattr(outcome, "code", None) is not Code.WORK_EXCEEDED:
            return work
    raise AssertionError("a stream takes more work than this")


# What it says about itself.


def test_it_describes_itself(market):
    create(market)
    flow(market)
    wait(market, 100)
    assert market.view(STREAMS, "positions", account="payer") == [
        Position(EUR, 900, note="stream 1, not streamed"),
        Position(EUR, 800, note="stream 2, not streamed"),
    ]
    assert market.view(STREAMS, "positions", account="payee") == [
        Position(EUR, 100, note="stream 1, streamed"),
        Position(EUR, 100, note="stream 2, streamed"),
        Position(EUR, BUFFER, note="stream 2, to come"),
    ]
    assert market.view(STREAMS, "exits", account="payee") == [
        Exit("withdraw", {"stream": 1, "units": 100}, EUR, 100),
        Exit("withdraw", {"stream": 2, "units": 100}, EUR, 100, units_later=BUFFER, when=at(100 + BUFFER)),
    ]
    assert [one.units_now for one in market.view(STREAMS, "exits", account="payer")] == [900, 800]
    assert [one.stream for one in market.view(STREAMS, "streams", account="payee", start=2)] == [2]
    assert [one.stream for one in market.view(STREAMS, "streams", account="payee", most=1)] == [1]
    assert [power.delay_seconds for power in market.view(STREAMS, "powers")] == [0, BUFFER]
    assert market.view(STREAMS, "dependencies") == Dependencies()
    assert market.view(STREAMS, "backing") == []


# Refusals.


def refused_creation(market, **more):
    given = {"recipient": "payee", "asset": EUR, "schedule": schedule(**more)}
    return market.refused("payer", STREAMS, "create", spend={EUR: FUNDS}, **given).code


@pytest.mark.parametrize(
    "wrong",
    [
        {"pieces": []},
        {"pieces": [{"units": 1, "ends": at(number + 1)} for number in range(PIECES_MAX + 1)]},
        {"pieces": [{"units": 0, "ends": at(1)}]},
        {"pieces": [{"units": -1, "ends": at(1)}], "unlock_units": 5},
        {"pieces": [{"units": 1 << 128, "ends": at(1)}]},
        {"pieces": [{"units": 1, "ends": START}]},
        {"pieces": [{"units": 1, "ends": at(2)}, {"units": 1, "ends": at(2)}]},
        {"start": 0},
        {"cliff": START},
        {"cliff": at(1_000)},
        {"cliff_units": 1},
        {"pieces": [{"units": 1, "ends": 1 << 62}]},
    ],
)
def test_schedules_that_contradict_themselves(market, wrong):
    assert refused_creation(market, **wrong) is Refusal.SCHEDULE_INVALID
    create(market, cliff=at(999), cliff_units=1)


def test_a_stream_to_oneself(market):
    given = {"recipient": "payer", "asset": EUR}
    spend = {EUR: 1_000}
    code = market.refused("payer", STREAMS, "create", spend=spend, schedule=schedule(), **given).code
    assert code is Refusal.SCHEDULE_INVALID
    pace = {"units": 1, "seconds": 1}
    code = market.refused("payer", STREAMS, "open_flow", spend=spend, pace=pace, units=1_000, **given).code
    assert code is Refusal.SCHEDULE_INVALID


def test_a_buffer_out_of_range():
    for wrong in (-1, BUFFER_SECONDS_MAX + 1):
        with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
            found(buffer_seconds=wrong)
        assert caught.value.code is Refusal.PARAMETERS_INVALID
    found(buffer_seconds=BUFFER_SECONDS_MAX)


def test_a_flow_without_a_pace_or_with_less_than_its_buffer(market):
    given = {"recipient": "payee", "asset": EUR, "spend": {EUR: FUNDS}}
    for units, seconds in ((0, 1), (1, 0), (1, BUFFER_SECONDS_MAX + 1), (1 << 128, 1)):
        pace = {"units": units, "seconds": seconds}
        refused = market.refused("payer", STREAMS, "open_flow", pace=pace, units=1_000, **given)
        assert refused.code is Refusal.SCHEDULE_INVALID
    pace = {"units": 10, "seconds": 3}  # 333.3 units in 100 seconds
    refused = market.refused("payer", STREAMS, "open_flow", pace=pace, units=333, **given)
    assert (refused.code, refused.facts["least"]) == (Refusal.BUFFER_MISSING, "334")
    flow(market, units=334, pace=(10, 3))


def test_calls_by_others(market):
    create(market)
    flow(market)
    wait(market, 10)
    for who, method, more in (
        ("payer", "withdraw", {"units": 1}),
        ("other", "withdraw", {"units": 1}),
        ("payer", "void", {}),
    ):
        assert market.refused(who, STREAMS, method, stream=1, **more).code is Refusal.NOT_ITS_RECIPIENT
    for method, stream, more in (("refund", 1, {"units": 1}), ("renounce", 1, {}), ("stop", 2, {})):
        assert market.refused("payee", STREAMS, method, stream=stream, **more).code is Refusal.NOT_ITS_SENDER
    market.call("payee", STREAMS, "withdraw", stream=1, units=1)
    market.call("payer", STREAMS, "stop", stream=2)


def test_amounts_and_numbers_out_of_range(market):
    create(market)
    wait(market, 10)
    assert market.refused("payee", STREAMS, "withdraw", stream=2, units=1).code is Refusal.NO_SUCH_STREAM
    assert market.refused("payee", STREAMS, "withdraw", stream=1, units=11).code is Refusal.STREAMED_EXCEEDED
    for units, code in ((0, Code.AMOUNT_NOT_POSITIVE), (1 << 128, Code.AMOUNT_TOO_LARGE)):
        assert market.refused("payee", STREAMS, "withdraw", stream=1, units=units).code is code
    assert market.refused("payer", STREAMS, "refund", stream=1, units=991).code is Refusal.STREAMED_EXCEEDED
    market.call("payer", STREAMS, "refund", stream=1, units=990)
    market.call("payee", STREAMS, "withdraw", stream=1, units=10)


def test_a_lockup_is_no_flow(market):
    create(market)
    assert market.refused("payer", STREAMS, "stop", stream=1).code is Refusal.NOT_A_FLOW
    refused = market.refused("payer", STREAMS, "top_up", spend={EUR: 1}, stream=1, units=1)
    assert refused.code is Refusal.NOT_A_FLOW
    flow(market)
    assert market.refused("payer", STREAMS, "renounce", stream=2).code is Refusal.NOT_CANCELABLE
