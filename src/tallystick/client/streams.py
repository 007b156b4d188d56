"""Streams for people: a lockup from its amounts and dates, a flow from its pace, and what each party may do.

Every function builds one call; what is streamed is asked of the contract, never computed here. The rule that
must hold: **a call built here spends what the stream is paid with and no unit more**, and demands what it is
to bring.
"""

from collections.abc import Mapping
from typing import Any, Final

from tallystick.client.calls import call_of
from tallystick.ledger.transactions import Call

KIND: Final = "stream"


def lockup_call(
    contract: str,
    *,
    account: str,
    recipient: str,
    asset: str,
    units: int,
    start: int,
    ends: int,
    cliff: int = 0,
    at_cliff: int = 0,
    cancelable: bool = True,
) -> Call:
    """Return the call that pays `units` in, to stream evenly until `ends`; `at_cliff` of them at `cliff`.

    Times are microseconds UTC; a `cliff` of 0 is none.
    """
    schedule = {
        "start": start,
        "pieces": [{"units": units - at_cliff, "ends": ends}],
        "unlock_units": 0,
        "cliff": cliff,
        "cliff_units": at_cliff,
        "cancelable": cancelable,
    }
    arguments = {"recipient": recipient, "asset": asset, "schedule": schedule}
    return _call(contract, account, "create", arguments, spend={asset: units})


def flow_call(
    contract: str,
    *,
    account: str,
    recipient: str,
    asset: str,
    pace_units: int,
    pace_seconds: int,
    units: int,
) -> Call:
    """Return the call that opens a flow of `pace_units` for every `pace_seconds`, with `units` in it."""
    arguments = {
        "recipient": recipient,
        "asset": asset,
        "pace": {"units": pace_units, "seconds": pace_seconds},
        "units": units,
    }
    return _call(contract, account, "open_flow", arguments, spend={asset: units})


def top_up_call(contract: str, *, account: str, stream: int, asset: str, units: int) -> Call:
    """Return the call that adds `units` to a flow."""
    return _call(contract, account, "top_up", {"stream": stream, "units": units}, spend={asset: units})


def take_call(contract: str, method: str, *, account: str, stream: int, asset: str, units: int) -> Call:
    """Return the call that pays the account `units`: `withdraw` by a recipient, `refund` by a sender.

    No units of a refund are all that there are when its turn comes: what has not streamed shrinks till then.
    """
    if not units:
        return _call(contract, account, method, {"stream": stream})
    return _call(contract, account, method, {"stream": stream, "units": units}, receive={asset: units})


def end_call(contract: str, method: str, *, account: str, stream: int) -> Call:
    """Return the call that ends a stream (`stop`, `void`) or gives up its refund (`renounce`)."""
    return _call(contract, account, method, {"stream": stream})


def _call(
    contract: str, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(contract, KIND, method, arguments, account=account, **limits)
