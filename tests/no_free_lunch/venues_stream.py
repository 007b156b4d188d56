"""Streams in the no-free-lunch property: time pays the pace of what flows to the actor, and nothing else."""

from typing import ClassVar

from tallystick.contracts.stream import Streams
from tests.ledger.world import SECOND
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, wait, with_kinds
from tests.no_free_lunch.venues import A

RATE = 3
MONTH = 31 * 86_400


def streams(contract, *, kind="stream"):
    def set_up(market):
        market.deploy(contract, kind)
        now = market.world.time
        for payer, payee in ((OTHERS[0], ACTOR), (OTHERS[1], OTHERS[0]), (ACTOR, OTHERS[1])):
            given = {"recipient": payee, "asset": A, "pace": {"units": RATE, "seconds": 1}}
            market.call(payer, contract, "open_flow", spend={A: RATE * MONTH}, units=RATE * MONTH, **given)
        lockup = lockup_of(RATE * MONTH, now, MONTH)
        given = {"recipient": ACTOR, "asset": A, "schedule": lockup}
        market.call(OTHERS[0], contract, "create", spend={A: RATE * MONTH}, **given)

    def own(market, actor, which):
        told = market.view(contract, "streams", account=actor)
        return told[which % len(told)] if told else None

    def move(method):
        def play(market, actor, number, which):
            told = own(market, actor, which)
            if told is None:
                return []
            more = {
                "withdraw": {"units": min(number, max(told.withdrawable, 1))},
                "refund": {"units": told.refundable if number % 3 else number},
                "top_up": {"units": number},
            }.get(method, {})
            spend = everything(market, actor, A) if method == "top_up" else []
            return [call(actor, contract, method, spend=spend, stream=told.stream, **more)]

        return play

    def create(market, actor, units, seconds):
        given = {
            "recipient": OTHERS[0],
            "asset": A,
            "schedule": lockup_of(units, market.world.time, seconds % 100_000 + 1),
        }
        return [call(actor, contract, "create", spend=everything(market, actor, A), **given)]

    moves = {method: move(method) for method in ("withdraw", "refund", "top_up", "stop", "void")}
    return Venue(
        contract=contract,
        set_up=set_up,
        moves=moves | {"create": create, "wait": wait},
        paid_by_time=lambda market, seconds: {A: 2 * RATE * seconds},
    )


def lockup_of(units, start, seconds):
    return {
        "start": start,
        "pieces": [{"units": units, "ends": start + seconds * SECOND}],
        "unlock_units": 0,
        "cliff": 0,
        "cliff_units": 0,
        "cancelable": True,
    }


class RefundsTooMuch(Streams):
    """Lets a lockup's sender take back one unit that has streamed."""

    kind = "refunds_too_much"
    tables: ClassVar = Streams.tables

    def _refundable(self, ctx, row):
        return super()._refundable(ctx, row) + (1 if row.rate is None else 0)


PRICES = {A: 1}
SETTINGS = {"streams": Setting((streams("streams"),), prices=PRICES)}
PLANTED = {
    "streams, refunds too much": Setting(
        (streams("streams", kind="refunds_too_much"),), prices=PRICES, kinds=with_kinds(RefundsTooMuch())
    ),
}
