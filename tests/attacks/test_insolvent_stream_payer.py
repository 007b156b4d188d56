"""The insolvent payer: open a flow, let others count on it, and stop paying without a word.

Where a flow credits a debt, the recipient's balance is a claim on somebody who may not pay. Here a flow
never credits what it does not hold, one recipient's shortfall is nobody else's, and the recipient knows
`buffer_seconds` before the money stops.
"""

import pytest

from tallystick.contracts.stream import Refusal
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, call

EUR = f"eur@{ISSUER}"
STREAMS = "streams"
FUNDS = 10**9
BUFFER = 3_600


@pytest.fixture
def market():
    market = Market(accounts=("mallory", "honest", "alice", "bob"))
    market.fund(FUNDS, EUR)
    market.deploy(STREAMS, "stream", buffer_seconds=BUFFER)
    return market


def open_flow(market, payer, payee, units, per_second=1):
    given = {"recipient": payee, "asset": EUR, "pace": {"units": per_second, "seconds": 1}, "units": units}
    return int(market.call(payer, STREAMS, "open_flow", spend={EUR: units}, **given))


def told(market, stream):
    return market.view(STREAMS, "stream", stream=stream)


def test_a_flow_that_runs_dry_takes_nothing_from_another_flow(market):
    bad = open_flow(market, "mallory", "alice", BUFFER)
    good = open_flow(market, "honest", "bob", 10 * BUFFER)
    market.world.time += 5 * BUFFER * SECOND
    assert (told(market, bad).streamed, told(market, good).streamed) == (BUFFER, 5 * BUFFER)
    refused = market.refused("alice", STREAMS, "withdraw", stream=bad, units=BUFFER + 1)
    assert (refused.code, refused.facts["available"]) == (Refusal.STREAMED_EXCEEDED, str(BUFFER))
    market.call("alice", STREAMS, "withdraw", stream=bad, units=BUFFER)
    market.call("bob", STREAMS, "withdraw", stream=good, units=5 * BUFFER)
    assert market.world.balance(STREAMS, EUR) == 5 * BUFFER


def test_the_recipient_sees_the_end_a_buffer_ahead_whatever_the_payer_does(market):
    stream = open_flow(market, "mallory", "alice", 10 * BUFFER)
    market.world.time += BUFFER * SECOND
    # Mallory takes back all it can and gives notice: the buffer is still to be paid.
    market.call("mallory", STREAMS, "refund", stream=stream, units=8 * BUFFER)
    assert told(market, stream).ends - market.world.time == BUFFER * SECOND
    assert (
        market.refused("mallory", STREAMS, "refund", stream=stream, units=1).code is Refusal.STREAMED_EXCEEDED
    )
    market.call("mallory", STREAMS, "stop", stream=stream)
    assert told(market, stream).ends - market.world.time == BUFFER * SECOND
    market.world.time += BUFFER * SECOND
    market.call("alice", STREAMS, "withdraw", stream=stream, units=2 * BUFFER)
    assert market.world.balance(STREAMS, EUR) == 0


def test_a_flow_cannot_be_opened_on_less_than_its_buffer_nor_revived_after_it_ran_dry(market):
    given = {"recipient": "alice", "asset": EUR, "pace": {"units": 1, "seconds": 1}, "units": BUFFER - 1}
    refused = market.refused("mallory", STREAMS, "open_flow", spend={EUR: BUFFER}, **given)
    assert refused.code is Refusal.BUFFER_MISSING
    stream = open_flow(market, "mallory", "alice", BUFFER)
    market.world.time += BUFFER * SECOND
    # A top-up would otherwise pay for time in which nobody promised anything.
    assert market.refused("mallory", STREAMS, "top_up", spend={EUR: 1}, stream=stream, units=1).code is (
        Refusal.HAS_ENDED
    )


def test_refund_and_withdrawal_in_one_transaction_pay_no_unit_twice(market):
    stream = open_flow(market, "mallory", "alice", 3 * BUFFER)
    market.world.time += BUFFER * SECOND
    market.world.do(
        "mallory",
        call("mallory", STREAMS, "refund", stream=stream, units=BUFFER),
        call("alice", STREAMS, "withdraw", stream=stream, units=BUFFER),
        call("mallory", STREAMS, "stop", stream=stream),
        call("alice", STREAMS, "void", stream=stream),
    )
    assert market.world.balance("alice", EUR) == FUNDS + BUFFER
    assert market.world.balance("mallory", EUR) == FUNDS - BUFFER
    assert market.world.balance(STREAMS, EUR) == 0


def test_a_stream_of_worthless_dust_to_the_same_account_keeps_no_other_stream_from_paying(market):
    """Anybody can send anybody a stream; each is withdrawn by its own number."""
    good = open_flow(market, "honest", "alice", BUFFER)
    dust = {
        "start": market.world.time,
        "pieces": [{"units": 1, "ends": market.world.time + SECOND}],
        "unlock_units": 0,
        "cliff": 0,
        "cliff_units": 0,
        "cancelable": False,
    }
    for _ in range(20):
        actions = [
            call("mallory", STREAMS, "create", spend=[(EUR, 1)], recipient="alice", asset=EUR, schedule=dust)
            for _ in range(50)
        ]
        market.world.do("mallory", *actions)
    market.world.time += BUFFER * SECOND
    market.call("alice", STREAMS, "withdraw", stream=good, units=BUFFER)
