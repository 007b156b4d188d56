"""Owing: what a claim comes to at the end of its chain of terms, and when it pays.

A deposit owes central-bank money, which owes a unit of account: three names for one currency. `end_of`
follows terms to the last thing owed and keeps the exact ratio, so that what is in the same currency can be
added without any price. Two things that no terms connect are never added.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal

from tallystick.ledger.amounts import MICROSECONDS
from tallystick.ledger.names import is_asset
from tallystick.ledger.records import Asset, Terms

Get = Callable[[tuple[Any, ...]], Any]
"""How a state is read: its `get`."""

Bucket = Literal["on_demand", "up_to_week", "up_to_month", "up_to_quarter", "up_to_year", "over_year", "none"]
DAY_SECONDS = 86_400
_BUCKETS: tuple[tuple[int, Bucket], ...] = (
    (0, "on_demand"),
    (7, "up_to_week"),
    (30, "up_to_month"),
    (91, "up_to_quarter"),
    (365, "up_to_year"),
)


@dataclass(frozen=True, slots=True)
class End:
    """`numerator` / `denominator` minor units of `thing` for one minor unit of the asset.

    `thing` is a unit of account, or a token or share that ends the chain by itself.
    """

    thing: str
    numerator: int
    denominator: int


def end_of(get: Get, asset: str) -> End:
    """Return what is owed at the end of the asset's terms; a token or share, and a cycle, end in themselves.

    `asset` may be a unit of account, which is its own end.
    """
    thing, numerator, denominator = asset, 1, 1
    passed = set()
    while is_asset(thing):
        record: Asset | None = get(("asset", thing))
        if record is None or record.terms is None or thing in passed:
            break
        passed.add(thing)
        numerator *= record.terms.pays
        denominator *= record.terms.per
        thing = record.terms.owes
    if thing in passed:
        return End(asset, 1, 1)
    shared = gcd(numerator, denominator)
    return End(thing, numerator // shared, denominator // shared)


def pays_at(terms: Terms, *, now: int) -> int:
    """Return when a lot asked for now is due, in microseconds UTC; `now` for one on demand."""
    return max(now + terms.notice_seconds * MICROSECONDS, terms.matures or 0)


def is_on_demand(terms: Terms, *, now: int) -> bool:
    """Tell whether a claim can be called now, without notice."""
    return terms.notice_seconds == 0 and (terms.matures or 0) <= now


def bucket_of(due: int | None, *, now: int) -> Bucket:
    """Return the maturity bucket of something due then; None is what never falls due."""
    if due is None:
        return "none"
    for days, bucket in _BUCKETS:
        if due - now <= days * DAY_SECONDS * MICROSECONDS:
            return bucket
    return "over_year"
