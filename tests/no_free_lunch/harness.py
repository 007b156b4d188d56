"""No free lunch: no sequence of one actor's calls ends with more of everything than it began with.

One property for every contract that trades, lends or issues shares. A `Venue` says how an instance is set up
(with other people's value in it) and which moves an actor has; Hypothesis strings moves together, over
several venues at once. Nobody else acts, so whatever the actor gains it took from somebody.

The comparison is by asset: a free lunch has no less of any and more of one, counting wallet and positions.
That alone would miss a gain in one asset bought with a unit of another, so after the moves the actor leaves
every contract and is compared again, with having left at once: by its worth at the prices at which all
venues began, where these agree, and by asset after buying back what it lacks with what it has too much of.
The worth is the stronger test: at the price it stands at, a pool's reserves are worth least where they stand.

After every transaction the ledger's invariants hold (`World` checks them) and every share is backed by what
its contract holds.

A later contract joins by adding a venue to `venues.py`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Action
from tests.contracts.market import Market
from tests.ledger.world import call

ACTOR = "actor"
OTHERS = ("other-1", "other-2")
Move = Callable[[Market, str, int, int], Sequence[Action]]
"""(market, actor, number, another number) -> the actions of one transaction"""


@dataclass(frozen=True)
class Venue:
    """One instance: how it is set up, what an actor can do there, and which assets it trades."""

    contract: str
    set_up: Callable[[Market], None]
    moves: Mapping[str, Move]
    trades: tuple[str, ...] = ()
    """The assets that can be exchanged here through the pool interface."""
    wealth: Callable[[Market, str], Counter[str]] | None = field(default=None)
    """What an account has inside, where that is not what `positions` says."""


class FreeLunch(AssertionError):
    """The actor ended with no less of anything and more of something."""


numbers = st.one_of(
    st.integers(1, 12), st.integers(1, 10_000), st.integers(1, 10**7), st.integers(10**7, 10**10)
)


def move_lists(venues: Sequence[Venue], *, most: int = 12) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Return a strategy for sequences of (venue, move, number, number)."""
    names = [(index, name) for index, venue in enumerate(venues) for name in sorted(venue.moves)]
    one = st.tuples(st.sampled_from(names), numbers, numbers)
    return st.lists(one, min_size=1, max_size=most)


def check_no_free_lunch(
    market: Market,
    venues: Sequence[Venue],
    moves: Sequence[tuple[Any, ...]],
    *,
    prices: Mapping[str, int] | None = None,
) -> Counter[str]:
    """Play the moves as the actor, and leave; return how often each move went through. Raises `FreeLunch`.

    `prices` are the assets' worth at which all venues stand before the first move.
    """
    went: Counter[str] = Counter()
    with market.forked():
        _leave_all(market, venues)
        idle = wealth(market, ACTOR, venues)
    with market.forked():
        before = wealth(market, ACTOR, venues)
        for (index, name), first, second in moves:
            venue = venues[index]
            if act(market, venue.moves[name](market, ACTOR, first, second)):
                went[f"{venue.contract}.{name}"] += 1
                check_backed(market, venues)
                _compare(before, wealth(market, ACTOR, venues), f"after {name}")
        _leave_all(market, venues)
        left = wealth(market, ACTOR, venues)
        _compare(idle, left, "after leaving")
        gained = sum((left[asset] - idle[asset]) * worth for asset, worth in (prices or {}).items())
        if gained > 0:
            changes = _changes(idle, left)
            raise FreeLunch(f"after leaving, worth {gained} more at the first prices: {changes}")
        _buy_back(market, venues, idle)
        _compare(idle, wealth(market, ACTOR, venues), "after buying back what was missing")
    return went


def _leave_all(market: Market, venues: Sequence[Venue]) -> None:
    for venue in venues:
        leave(market, ACTOR, venue)


def _compare(before: Counter[str], after: Counter[str], when: str) -> None:
    changes = _changes(before, after)
    if changes and min(changes.values()) > 0:
        raise FreeLunch(f"{when}: {changes}")


def _changes(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    assets = sorted(before.keys() | after.keys())
    return {asset: after[asset] - before[asset] for asset in assets if after[asset] != before[asset]}


def wealth(market: Market, account: str, venues: Sequence[Venue]) -> Counter[str]:
    """Return everything that the account owns, in its wallet and inside the venues, less what it owes."""
    owned = Counter(market.balances(account))
    for venue in venues:
        if venue.wealth is not None:
            owned += venue.wealth(market, account)
            continue
        for position in market.view(venue.contract, "positions", account=account):
            owned[position.asset] += -position.units if position.owed else position.units
    return owned


def check_backed(market: Market, venues: Sequence[Venue]) -> None:
    """Check that every contract holds what it says stands behind its shares."""
    for venue in venues:
        for backing in market.view(venue.contract, "backing"):
            held = market.world.balance(venue.contract, backing.asset)
            assert held >= backing.units, f"{venue.contract} holds {held}, backing says {backing}"


def leave(market: Market, account: str, venue: Venue) -> Counter[str]:
    """Call every way out that the contract names, check that it pays as promised, and return what it paid."""
    paid: Counter[str] = Counter()
    done: list[tuple[str, Any]] = []
    ways = market.view(venue.contract, "exits", account=account)
    for way in ways:
        if (way.method, way.arguments) in done or not way.units_now:
            continue
        done.append((way.method, way.arguments))
        promised = Counter(
            {
                one.asset: one.units_now
                for one in ways
                if (one.method, one.arguments) == (way.method, way.arguments) and one.units_now
            }
        )
        # What the call burns is not received, so the promise is the call's `receive` to the unit.
        market.call(account, venue.contract, way.method, spend=way.spend, receive=promised, **way.arguments)
        paid += promised
    return paid


def _buy_back(market: Market, venues: Sequence[Venue], before: Counter[str]) -> None:
    """Buy each missing asset with each surplus one, wherever the venues trade the two."""
    for venue in venues:
        for wanted in venue.trades:
            for given in venue.trades:
                after = Counter(market.balances(ACTOR))
                short, spare = before[wanted] - after[wanted], after[given] - before[given]
                if wanted != given and short > 0 and spare > 0:
                    bought = {"asset_in": given, "asset_out": wanted, "units_out": short, "most_in": spare}
                    spend = [(given, spare)]
                    act(market, [call(ACTOR, venue.contract, "swap_exact_out", spend=spend, **bought)])


def act(market: Market, actions: Sequence[Action]) -> bool:
    """Run the actions in one transaction; tell whether the ledger let them through."""
    if not actions:
        return False
    try:
        market.world.do(ACTOR, *actions)
    except Rejection as refused:
        if refused.code is Code.CONTRACT_FAULT:
            raise
        return False
    return True


def everything(market: Market, account: str, *assets: str) -> list[tuple[str, int]]:
    """Return a budget of all that the account has of the assets."""
    return [(asset, units) for asset in assets if (units := market.world.balance(account, asset)) > 0]
