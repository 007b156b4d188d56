"""Coverage: what an institution has of each thing that it owes, over what it owes of it, at every entry.

    coverage.follow(receipt)                          ->  crossings: where it fell below 1, or rose to 1 again
    coverage.minimum("alder-bank", "EUR", 100, 900)   ->  the lowest it stood at between two entries

It is in kind: gold owed is covered by gold. For each claim two things are watched, what its terms owe (a
deposit owes central-bank money: how much of that is in hand?) and what they come to in the end (all that is
in that currency, at par). No price is asked for, so nobody's opinion is in it.

A balance sheet of one day shows that day. The minimum between two entries shows every moment between them, so
that an institution that is whole on the days it shows, by borrowing on the eve, is shown as such. The
obvious alternative, to sample at each checkpoint, was refused: it is one more day that can be dressed for.

Counted is what lies in the institution's own accounts and in contracts deployed as its own; what it has
inside others' contracts is in its balance sheet and not in hand. It is a view of receipts: nothing of it is
in the log or the state, and whoever replays the log computes the same.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tallystick.institutions.books import Books
from tallystick.institutions.owing import end_of
from tallystick.institutions.watch import Watch
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Asset
from tallystick.ledger.rejections import Code, Rejection

_BLOCK = 256
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Level:
    """From entry `index` on: `assets` against `liabilities`, in minor units of the thing."""

    index: int
    assets: int
    liabilities: int

    @property
    def is_covered(self) -> bool:
        """Whether there is as much as is owed, or more."""
        return self.assets >= self.liabilities

    @property
    def ratio_ppm(self) -> int | None:
        """Assets over liabilities in parts per million, rounded down; None where nothing is owed."""
        return mul_div_down(self.assets, PPM, self.liabilities) if self.liabilities else None

    def is_below(self, other: "Level") -> bool:
        """Tell whether the ratio is lower than another's; where nothing is owed, none is lower."""
        if not self.liabilities:
            return False
        return not other.liabilities or self.assets * other.liabilities < other.assets * self.liabilities


@dataclass(frozen=True, slots=True)
class Crossing:
    """An institution's coverage of a thing fell below 1 at an entry (`below`), or is 1 or more again."""

    institution: str
    thing: str
    index: int
    assets: int
    liabilities: int
    below: bool


class Series:
    """The levels of one thing, oldest first, and the lowest of each full block of them."""

    __slots__ = ("_indexes", "_levels", "_lowest")

    def __init__(self) -> None:
        self._indexes: list[int] = []
        self._levels: list[tuple[int, int]] = []
        self._lowest: list[int] = []

    def __len__(self) -> int:
        return len(self._indexes)

    def add(self, index: int, assets: int, liabilities: int) -> None:
        """Add what stands from an entry on, later than all before."""
        self._indexes.append(index)
        self._levels.append((assets, liabilities))
        if len(self._indexes) % _BLOCK == 0:
            start = len(self._indexes) - _BLOCK
            self._lowest.append(self._lowest_of(range(start, len(self._indexes))))

    def level(self, place: int) -> Level:
        """Return the level at a place, -1 for the newest."""
        return Level(self._indexes[place], *self._levels[place])

    def at(self, index: int) -> Level | None:
        """Return what stood right after an entry, or None before the first."""
        place = bisect_right(self._indexes, index) - 1
        return None if place < 0 else self.level(place)

    def minimum(self, start: int, end: int) -> Level | None:
        """Return the lowest level that stood anywhere from entry `start` to entry `end`, the earliest such.

        What stood when `start` began to stand counts, so a level from before can be the lowest.
        """
        first = max(0, bisect_right(self._indexes, start) - 1)
        last = bisect_right(self._indexes, end)
        if first >= last:
            return None
        whole = range(-(-first // _BLOCK), last // _BLOCK)
        if not whole:
            return self.level(self._lowest_of(range(first, last)))
        head = range(first, whole.start * _BLOCK)
        tail = range(whole.stop * _BLOCK, last)
        places = [*head, *(self._lowest[block] for block in whole), *tail]
        return self.level(self._lowest_of(places))

    def page(self, start: int, end: int, limit: int) -> list[Level]:
        """Return the levels that began from entry `start` to `end`, oldest first, at most `limit`."""
        first = bisect_left(self._indexes, start)
        last = min(bisect_right(self._indexes, end), first + limit)
        return [self.level(place) for place in range(first, last)]

    def _lowest_of(self, places: "range | list[int]") -> int:
        lowest = places[0]
        for place in places:
            if self.level(place).is_below(self.level(lowest)):
                lowest = place
        return lowest


class _Cover:
    """What an institution has and owes of one thing now, and the history of it."""

    __slots__ = ("assets", "liabilities", "series", "was_covered")

    def __init__(self) -> None:
        self.assets = 0
        self.liabilities = 0
        self.series = Series()
        self.was_covered = True


class Coverage:
    """The coverage of every institution. Feed it every receipt in order, after `watch` learnt from it."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.crossings: list[Crossing] = []
        self._own: dict[str, dict[str, int]] = {}
        """What each institution's own accounts have, by asset; its own claims are not among it."""
        self._owed: dict[str, int] = {}
        """How many units of each claim others have."""
        self._covers: dict[tuple[str, str], _Cover] = {}
        self._touched: dict[tuple[str, str], _Cover] = {}
        self._comes_to = lru_cache(1 << 16)(self._find_what_it_comes_to)
        self._owes = lru_cache(1 << 16)(self._find_what_it_owes)

    # Following.

    def join(self, institution: str, balances: Mapping[str, int]) -> None:
        """Count what an account had when it joined."""
        for asset, units in sorted(balances.items()):
            if units > 0:
                self._hold(institution, asset, units)

    def follow(self, receipt: Receipt) -> list[Crossing]:
        """Take in one entry's postings and return the crossings that it made."""
        owners = self.watch.owners
        for account, asset, change, _ in receipt.postings:
            owner = owners.get(account)
            if owner is None and ("/" not in account or (owner := self.watch.find(account)) is None):
                continue
            obligor = self.watch.claims.get(asset)
            if obligor is not None and account == asset.partition("@")[2]:
                self._owe(obligor, asset, -change)
            elif owner and account != asset.partition("@")[2]:
                self._hold(owner, asset, change)
        return self.settle(receipt.index) if self._touched else []

    def settle(self, index: int) -> list[Crossing]:
        """Note the levels that changed as standing from an entry on; return the crossings among them."""
        found = []
        for (institution, thing), cover in sorted(self._touched.items()):
            newest = cover.series.level(-1) if len(cover.series) else None
            if newest is None or (newest.assets, newest.liabilities) != (cover.assets, cover.liabilities):
                cover.series.add(index, cover.assets, cover.liabilities)
            is_covered = cover.assets >= cover.liabilities
            if is_covered is not cover.was_covered:
                cover.was_covered = is_covered
                found.append(
                    Crossing(institution, thing, index, cover.assets, cover.liabilities, not is_covered)
                )
        self._touched.clear()
        self.crossings += found
        return found

    def _hold(self, institution: str, asset: str, change: int) -> None:
        """Change what an institution has of an asset; what it has of its own claims is not owed."""
        if self.watch.claims.get(asset) == institution:
            self._owe(institution, asset, -change)
            return
        own = self._own.setdefault(institution, {})
        before = own.get(asset, 0)
        own[asset] = before + change
        for thing, numerator, denominator in self._comes_to(asset):
            cover = self._covers.get((institution, thing))
            if cover is not None:
                cover.assets += mul_div_down(before + change, numerator, denominator) - mul_div_down(
                    before, numerator, denominator
                )
                self._touched[institution, thing] = cover

    def _owe(self, obligor: str, claim: str, change: int) -> None:
        before = self._owed.get(claim, 0)
        self._owed[claim] = before + change
        for thing, numerator, denominator in self._owes(claim):
            cover = self._covers.get((obligor, thing)) or self._begin(obligor, thing)
            cover.liabilities += mul_div_up(before + change, numerator, denominator) - mul_div_up(
                before, numerator, denominator
            )
            self._touched[obligor, thing] = cover

    def _begin(self, institution: str, thing: str) -> _Cover:
        """Begin to watch a thing that an institution owes for the first time."""
        cover = self._covers[institution, thing] = _Cover()
        for asset, units in self._own.get(institution, {}).items():
            for what, numerator, denominator in self._comes_to(asset):
                if what == thing:
                    cover.assets += mul_div_down(units, numerator, denominator)
        return cover

    def _find_what_it_comes_to(self, asset: str) -> tuple[tuple[str, int, int], ...]:
        """Return the things that an asset in hand is some of: itself, and the end of its terms."""
        end = end_of(self.watch.get, asset)
        itself = (asset, 1, 1)
        return (itself,) if end.thing == asset else (itself, (end.thing, end.numerator, end.denominator))

    def _find_what_it_owes(self, claim: str) -> tuple[tuple[str, int, int], ...]:
        """Return the things that a claim owes: what its terms say, and what that comes to."""
        record: Asset = self.watch.get(("asset", claim))
        assert record.terms is not None
        first = (record.terms.owes, record.terms.pays, record.terms.per)
        end = end_of(self.watch.get, claim)
        last = (end.thing, end.numerator, end.denominator)
        return (first,) if end.thing == record.terms.owes else (first, last)

    # Answers.

    def things(self, institution: str) -> list[str]:
        """Return what the institution owes or owed, sorted. Rejections: `unknown_institution`."""
        if self.watch.get(("institution", institution)) is None:
            raise Rejection(Code.UNKNOWN_INSTITUTION, institution=institution[:64])
        return sorted(thing for name, thing in self._covers if name == institution)

    def now(self, institution: str) -> dict[str, Level]:
        """Return the level of each thing. Rejections: `unknown_institution`."""
        return {thing: self.series(institution, thing).level(-1) for thing in self.things(institution)}

    def minimum(self, institution: str, thing: str, start: int, end: int) -> Level | None:
        """Return the lowest level from entry `start` to entry `end`, None where it owed none of it yet.

        Rejections: `unknown_institution`, `unknown_asset` (it never owed such a thing).
        """
        return self.series(institution, thing).minimum(start, end)

    def series(self, institution: str, thing: str) -> Series:
        """Return all levels of a thing. Rejections: as of `minimum`."""
        if thing not in self.things(institution):
            raise Rejection(Code.UNKNOWN_ASSET, asset=thing[:80])
        return self._covers[institution, thing].series

    def owed(self, claim: str) -> int:
        """Return how many units of a claim others than its obligor have."""
        return self._owed.get(claim, 0)

    def held(self, institution: str) -> Mapping[str, int]:
        """Return what the institution's own accounts have, its own claims left out."""
        return self._own.get(institution, {})


def levels_now(books: Books, institution: str) -> dict[str, Level]:
    """Return what an institution has and owes of each currency or thing in the end, by one walk over its own.

    It is what `Coverage.now` says of those things, for a state of which nobody followed the log, such as a
    fork. Rejections: `unknown_institution`.
    """
    books.institution(institution)
    in_hand = books.in_hand_of(institution)
    owed: dict[str, int] = {}
    for claim in books.claims_on(institution):
        end = end_of(books.state.get, claim)
        own = sum(max(0, books.balances(account).get(claim, 0)) for account in in_hand)
        units = mul_div_up(books.outstanding(claim) - own, end.numerator, end.denominator)
        owed[end.thing] = owed.get(end.thing, 0) + units
    held: dict[str, int] = {}
    for account in in_hand:
        for asset, units in books.balances(account).items():
            if units > 0 and books.asset(asset).obligor != institution:
                held[asset] = held.get(asset, 0) + units
    assets: dict[str, int] = {}
    for asset, units in held.items():
        end = end_of(books.state.get, asset)
        at_par = mul_div_down(units, end.numerator, end.denominator)
        assets[end.thing] = assets.get(end.thing, 0) + at_par
    return {thing: Level(0, assets.get(thing, 0), units) for thing, units in sorted(owed.items())}
