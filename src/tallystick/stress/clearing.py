"""Clearing: how much of what is due can be paid, when everybody pays what it has and what it is paid.

Each institution has cash and owes by rank; what it owes to another is what the other may pay on with. The
payments that follow are a fixed point: nobody pays more than it owes or than it has with what it receives,
and nobody keeps cash while it owes. There may be several; this is the greatest, found from full payment
downwards, as in Eisenberg and Noe's fictitious default algorithm. Within a rank all are paid the same part,
and a rank is paid before the next. Whole units throughout, rounded down.

`unwind` then finds how to pay in that order: claims that go round in a circle are set off against each
other, which needs no cash; what is left has an order in which each pays after it was paid.

Source: L. Eisenberg and T. H. Noe, "Systemic Risk in Financial Systems", Management Science 47(2), 2001,
definition 1 and section 3; ranks as in H. Elsinger (2009).
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

OUTSIDE = ""
"""The creditor that stands for everybody who owes nothing here."""


@dataclass(frozen=True, slots=True)
class Due:
    """`units` of cash that `debtor` owes `creditor` now; the lower `rank` is paid first."""

    debtor: str
    creditor: str
    rank: int
    units: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """What each debtor can pay in all, and of each rank, where it owes anything."""

    paid: Mapping[str, int]
    by_rank: Mapping[tuple[str, int], int]


def clear(cash: Mapping[str, int], dues: Iterable[Due]) -> Cleared:
    """Return the greatest payments that fit. `cash` is without what is to be received."""
    ranks: dict[str, dict[int, int]] = {}
    edges: dict[str, list[Due]] = {}
    inflow: dict[str, int] = {}
    for due in dues:
        of = ranks.setdefault(due.debtor, {})
        of[due.rank] = of.get(due.rank, 0) + due.units
        edges.setdefault(due.debtor, []).append(due)
        if due.creditor != OUTSIDE:
            inflow[due.creditor] = inflow.get(due.creditor, 0) + due.units
    ordered = {debtor: sorted(of.items()) for debtor, of in ranks.items()}
    paid = {debtor: sum(of.values()) for debtor, of in ranks.items()}
    by_rank = {(debtor, rank): units for debtor, of in ordered.items() for rank, units in of}
    waiting = deque(sorted(paid))
    queued = set(waiting)
    while waiting:
        debtor = waiting.popleft()
        queued.discard(debtor)
        able = min(paid[debtor], cash.get(debtor, 0) + inflow.get(debtor, 0))
        if able == paid[debtor]:
            continue
        before = {rank: by_rank[debtor, rank] for rank, _ in ordered[debtor]}
        paid[debtor] = able
        for rank, units in ordered[debtor]:
            by_rank[debtor, rank] = min(units, able)
            able -= by_rank[debtor, rank]
        for due in edges[debtor]:
            if due.creditor == OUTSIDE:
                continue
            whole = ranks[debtor][due.rank]
            lost = part(due.units, before[due.rank], whole) - part(
                due.units, by_rank[debtor, due.rank], whole
            )
            if lost:
                inflow[due.creditor] -= lost
                if due.creditor in paid and due.creditor not in queued:
                    queued.add(due.creditor)
                    waiting.append(due.creditor)
    return Cleared(paid, by_rank)


def part(units: int, paid: int, whole: int) -> int:
    """Return what a creditor of `units` gets when `paid` of `whole` is paid, rounded down."""
    return units * paid // whole


def unwind(
    flows: Mapping[tuple[str, str], int],
) -> tuple[list[tuple[list[str], int]], list[str]]:
    """Return circles to set off, each with its units, and an order in which the rest can be paid.

    `flows` is what each debtor pays each creditor, both institutions. A circle a, b, c says that a owes b, b
    owes c and c owes a so much. In the order each pays after all that pay it.
    """
    left: dict[str, dict[str, int]] = {}
    for (debtor, creditor), units in sorted(flows.items()):
        if units and debtor != creditor:
            left.setdefault(debtor, {})[creditor] = units
    circles = _circles(left)
    return circles, _order(left)


def _circles(left: dict[str, dict[str, int]]) -> list[tuple[list[str], int]]:
    """Take every circle out of `left` and return them. A name is finished once no circle goes through it."""
    circles: list[tuple[list[str], int]] = []
    finished: set[str] = set()
    for start in sorted(left):
        path = [] if start in finished else [start]
        places = {name: place for place, name in enumerate(path)}
        while path:
            onward = next((name for name in left.get(path[-1], ()) if name not in finished), None)
            if onward is None:
                gone = path.pop()
                del places[gone]
                finished.add(gone)
            elif onward not in places:
                places[onward] = len(path)
                path.append(onward)
            else:
                circle = path[places[onward] :]
                circles.append((circle, _set_off(left, circle)))
                for name in path[places[onward] + 1 :]:
                    del places[name]
                del path[places[onward] + 1 :]
    return circles


def _set_off(left: dict[str, dict[str, int]], circle: Sequence[str]) -> int:
    """Take the smallest flow of a circle out of each of its flows and return it."""
    steps = list(zip(circle, [*circle[1:], circle[0]], strict=True))
    units = min(left[debtor][creditor] for debtor, creditor in steps)
    for debtor, creditor in steps:
        left[debtor][creditor] -= units
        if not left[debtor][creditor]:
            del left[debtor][creditor]
    return units


def _order(left: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return every debtor after all that pay it; there is no circle any more."""
    unpaid_by: dict[str, int] = dict.fromkeys(sorted(left), 0)
    for debtor in sorted(left):
        for creditor in left[debtor]:
            if creditor in unpaid_by:
                unpaid_by[creditor] += 1
    ready = deque(name for name, count in unpaid_by.items() if not count)
    order = []
    while ready:
        debtor = ready.popleft()
        order.append(debtor)
        for creditor in sorted(left[debtor]):
            if creditor in unpaid_by:
                unpaid_by[creditor] -= 1
                if not unpaid_by[creditor]:
                    ready.append(creditor)
    return order
