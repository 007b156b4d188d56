"""Redemptions by contract: how a claim is paid whose issuer is code, told by that code.

A claim's issuer usually takes it back and pays. Where a contract issued the claim in an obligor's name, only
the contract's methods do that: the holder asks, and what pays is what lies in the contract, new tokens, or
another party that completes the request. A contract that issues claims answers the view `redemptions` with
this shape, so that a run on the obligor can go through the same calls without knowing the kind. The types
stand here because contracts cannot import each other, and drills import no contract.

    redemptions(account)                    the account's requests that are under way (`ask` is None)
    redemptions(account, claim, units)      those, and last how so many units would be asked for now
"""

from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True):
    """One call of the contract by one account, and what it takes from it."""

    account: str
    method: str
    arguments: dict[str, Any]
    spend: dict[str, int] = {}


class Redemption(msgspec.Struct, frozen=True):
    """`units` of `claim` that `holder` asks to be paid, in `pays`.

    `ask` is the holder's call; None: it was made. Without `complete` it pays at once. With it, that call of
    another account completes the request, from `opens` until `ends` (microseconds UTC), and either

        owes       names the claim on that party which the redemption pays off: it pays the holder what the
                   claim's own terms say, outside the contract, and completes with that;
        no `owes`  takes what is to be paid as its `spend`, and the holder's `collect` fetches it.

    `undo` is the holder's call that takes back a request that nobody completed.
    """

    claim: str
    holder: str
    units: int
    pays: str
    ask: Step | None = None
    complete: Step | None = None
    opens: int = 0
    ends: int = 0
    owes: str = ""
    collect: Step | None = None
    undo: Step | None = None
