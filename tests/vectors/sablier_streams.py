"""Sablier's linear streams against the stream contract; segments with exponents are none of its kind."""

from collections.abc import Mapping
from typing import Any

from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND
from tests.vectors.harness import Adapter, Tally, compare, numbers

ASSET = f"asset@{ISSUER}"


def run_case(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Create the stream, let `t` seconds pass, and ask and withdraw what has streamed."""
    told = numbers(case)
    if told["fn"] != "linear":
        return Tally(cases=1, skipped=1)
    market = Market(accounts=("sender", "recipient"))
    market.fund(told["deposit"], ASSET)
    market.deploy("streams", "stream")
    began = market.world.time
    cliff = told["cliff"] and began + told["cliff"] * SECOND
    unlocked = told["start"] + told["cliffAmount"]
    schedule = {
        "start": began,
        "unlock_units": told["start"],
        "cliff": cliff,
        "cliff_units": told["cliffAmount"],
        "pieces": [{"units": told["deposit"] - unlocked, "ends": began + told["duration"] * SECOND}],
        "cancelable": True,
    }
    spend = {ASSET: told["deposit"]}
    market.call(
        "sender", "streams", "create", spend=spend, recipient="recipient", asset=ASSET, schedule=schedule
    )
    market.world.time = began + told["t"] * SECOND
    found = market.view("streams", "stream", stream=1)
    compare(told["expect"], found.streamed, where=f"after {told['t']} seconds")
    compare(told["deposit"] - told["expect"], found.refundable, where="refundable")
    if found.streamed:
        market.call("recipient", "streams", "withdraw", stream=1, units=found.streamed)
        compare(told["deposit"] + told["expect"], market.world.balance("recipient", ASSET), where="withdrawn")
    return Tally(cases=1)


ADAPTERS: dict[str, Adapter] = {"sablier_streams": run_case}
