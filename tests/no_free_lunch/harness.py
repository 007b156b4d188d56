"""No free lunch: no sequence of one actor's calls ends with more of everything than it began with.

One property for every contract that trades, lends or issues shares. A `Venue` says how an instance is set up
(with other people's value in it) and which moves an actor has; a `Setting` is a world of venues that is
searched by itself. Hypothesis strings moves together, over all venues of a setting at once. Nobody else acts,
so whatever the actor gains it took from somebody.

The comparison is by asset: a free lunch has no less of any and more of one, counting wallet and positions.
That alone would miss a gain in one asset bought with a unit of another, so after the moves the actor leaves
every contract and is compared again, with having left at once: by its worth at the prices at which all
venues began, where these agree, and by asset after buying back what it lacks with what it has too much of.
The worth is the stronger test: at the price it stands at, a pool's reserves are worth least where they stand.

Where time itself pays (interest, rewards, streams), a venue says the most that waiting may pay any one
account; what the actor has beyond that is a free lunch all the same.

After every transaction the ledger's invariants hold (`World` checks them) and every share is backed by what
its contract holds. README.md, beside this file, tells how a contract joins.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tallystick.ledger import backing
from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract, Exit
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Action
from tallystick.protocol import KINDS
from tests.contracts.market import Market
from tests.ledger.world import SECOND, call

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
    wealth: Callable[[Market, str], Counter[str]] | None = None
    """What an account has inside, where that is not what `positions` says."""
    paid_by_time: Callable[[Market, int], Mapping[str, int]] | None = None
    """The most, by asset, that so many seconds may pay one account here; None: nothing."""


@dataclass(frozen=True)
class Setting:
    """A world that is searched by itself: its assets, their worth, and the venues in it."""

    venues: tuple[Venue, ...]
    prices: Mapping[str, int]
    """What each base asset is worth where all venues stand at first: they must agree, or trading between
    them would be free lunch indeed. A lending market's price feed says the same."""
    issued: Mapping[str, int] = field(default_factory=dict)
    """The worth of what the venues' contracts issue, beside `prices`: nobody is funded with it."""
    funds: int = 10**12
    """What every account begins with, of each asset that has a price."""
    set_up: Callable[[Market], None] | None = None
    """What the venues stand on (an oracle, say), set up after the funding and before them."""
    kinds: Kinds = KINDS
    accounts: tuple[str, ...] = ()
    """Accounts beside the actor and the others: an admin, an issuer. They are funded too."""
    found_late: bool = False
    """Whether a planted bug takes many hundred lists of moves to find: `make test` alone looks for it."""

    def market(self) -> Market:
        """Return a market with funded accounts and the venues set up with others' value."""
        market = Market(accounts=(ACTOR, *OTHERS, *self.accounts), kinds=self.kinds)
        market.fund(self.funds, *self.prices)
        if self.set_up is not None:
            self.set_up(market)
        for venue in self.venues:
            venue.set_up(market)
        return market


def with_kinds(*contracts: Contract) -> Kinds:
    """Return the protocol's kinds and these: a hostile one, or one with a planted bug."""
    added = {(contract.kind, contract.version): contract for contract in contracts}
    return Kinds(contracts={**KINDS.contracts, **added}, policies=KINDS.policies, versions=KINDS.versions)


class FreeLunch(AssertionError):
    """The actor ended with no less of anything and more of something."""


numbers = st.one_of(
    st.integers(1, 12), st.integers(1, 10_000), st.integers(1, 10**7), st.integers(10**7, 10**10)
)


def one_move(venues: Sequence[Venue]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return a strategy for ((venue, move), number, number)."""
    names = [(index, name) for index, venue in enumerate(venues) for name in sorted(venue.moves)]
    return st.tuples(st.sampled_from(names), numbers, numbers)


def move_lists(venues: Sequence[Venue], *, most: int = 12) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Return a strategy for sequences of moves."""
    return st.lists(one_move(venues), min_size=1, max_size=most)


def wait(market: Market, actor: str, seconds: int, _: int) -> Sequence[Action]:
    """The move that lets up to a day pass, with all timers that fall due."""
    market.world.wait(seconds % 100_000)
    return []


def check_no_free_lunch(market: Market, setting: Setting, moves: Sequence[tuple[Any, ...]]) -> Counter[str]:
    """Play the moves as the actor, and leave; return how often each move went through. Raises `FreeLunch`."""
    venues = setting.venues
    went: Counter[str] = Counter()
    with market.forked():
        _leave_all(market, venues)
        idle = wealth(market, ACTOR, venues)
    with market.forked():
        began = market.world.time
        before = wealth(market, ACTOR, venues)
        for (index, name), first, second in moves:
            venue = venues[index]
            if act(market, venue.moves[name](market, ACTOR, first, second)):
                went[f"{venue.contract}.{name}"] += 1
                check_backed(market)
                due = _plus(before, _earned(market, venues, began))
                _compare(due, wealth(market, ACTOR, venues), f"after {name}")
        _leave_all(market, venues)
        due = _plus(idle, _earned(market, venues, began))
        changes = _changes(due, wealth(market, ACTOR, venues))
        _check_changes(changes, "after leaving")
        prices = {**setting.prices, **setting.issued}
        gained = sum(units * prices.get(asset, 0) for asset, units in changes.items())
        if gained > 0:
            raise FreeLunch(f"after leaving, worth {gained} more at the first prices: {changes}")
        _buy_back(market, venues, due)
        _compare(due, wealth(market, ACTOR, venues), "after buying back what was missing")
    return went


def _earned(market: Market, venues: Sequence[Venue], began: int) -> Counter[str]:
    """Return the most that the time since `began` may have paid the actor."""
    seconds = (market.world.time - began) // SECOND
    paying = [venue.paid_by_time for venue in venues if venue.paid_by_time is not None]
    return _plus(*(paid(market, seconds) for paid in paying)) if seconds else Counter()


def _plus(*parts: Mapping[str, int]) -> Counter[str]:
    """Return the sum with its debts: `Counter`'s own plus forgets what is below zero."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total


def _leave_all(market: Market, venues: Sequence[Venue]) -> None:
    for venue in venues:
        leave(market, ACTOR, venue)


def _compare(before: Counter[str], after: Counter[str], when: str) -> None:
    _check_changes(_changes(before, after), when)


def _check_changes(changes: Mapping[str, int], when: str) -> None:
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
            owned.update(venue.wealth(market, account))
            continue
        for position in market.view(venue.contract, "positions", account=account):
            owned[position.asset] += -position.units if position.owed else position.units
    return owned


def check_backed(market: Market) -> None:
    """Check that every contract holds what it says stands behind its shares. Raises `InvariantViolation`."""
    backing.check_backed(market.world.store, market.world.kinds)


def leave(market: Market, account: str, venue: Venue) -> Counter[str]:
    """Call the ways out that the contract names, until there is none, and return what they paid.

    Each must pay what it promised when it was asked for. It is asked again after every call, because one way
    may open the next: a debt repaid frees its collateral. What can only leave later is not waited for.
    """
    paid: Counter[str] = Counter()
    done: list[tuple[str, Any]] = []
    while True:
        ways = market.view(venue.contract, "exits", account=account)
        new = [way for way in ways if _leads_out(way) and (way.method, way.arguments) not in done]
        if not new:
            return paid
        assert len(done) < 100, f"{venue.contract} has no end of ways out: {done[-1]}"
        way = new[0]
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


def _leads_out(way: Exit) -> bool:
    """Tell whether a way out pays now, or takes the very asset it is about: a debt to repay first."""
    return bool(way.units_now) or way.asset in way.spend


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


def act(market: Market, actions: Sequence[Action], *, by: str = ACTOR) -> bool:
    """Run the actions in one transaction; tell whether the ledger let them through."""
    if not actions:
        return False
    try:
        market.world.do(by, *actions)
    except Rejection as refused:
        if refused.code is Code.CONTRACT_FAULT:
            raise
        return False
    return True


def everything(market: Market, account: str, *assets: str) -> list[tuple[str, int]]:
    """Return a budget of all that the account has of the assets."""
    return [(asset, units) for asset in assets if (units := market.world.balance(account, asset)) > 0]
