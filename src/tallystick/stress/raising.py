"""Raising cash: what an institution that is short does, in the order in which it costs least.

    1. it calls what others owe it on demand, as far as it is short
    2. it leaves contracts, by their own exits
    3. it sells what it has into the ledger's own pools, at what they pay
    4. it borrows from the lender of last resort, if one stands, against what it has left (`last_resort`)
    5. it asks for what is owed to it with a notice or at a date; that comes when it comes

Each step is a transaction on the fork. Whoever is called may then be short itself: that is contagion. An
institution's own tokens are sold like anything else, at what their pools pay; new ones are never issued.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick.institutions.books import Books
from tallystick.institutions.prices import Missing, Price, Prices
from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import mul_div_down
from tallystick.ledger.contract import to_wire
from tallystick.ledger.names import is_asset
from tallystick.ledger.rejections import Rejection
from tallystick.stress.ground import Ground
from tallystick.stress.last_resort import LastResort
from tallystick.stress.scenario import PPM, Scenario
from tallystick.stress.tills import Tills


@dataclass(frozen=True, slots=True)
class Sale:
    """Something sold into a pool: `units` of `asset` for `got` of `cash`."""

    day: int
    institution: str
    account: str
    asset: str
    units: int
    pool: str
    cash: str
    got: int


@dataclass(frozen=True, slots=True)
class Left:
    """A contract that an account left by one of its exits; `got` is (asset, units)."""

    day: int
    institution: str
    account: str
    contract: str
    method: str
    got: tuple[tuple[str, int], ...]


class Raiser:
    """What every short institution of a drill does."""

    def __init__(self, ground: Ground, tills: Tills, scenario: Scenario) -> None:
        self.ground = ground
        self.tills = tills
        self.scenario = scenario
        self.sales: list[Sale] = []
        self.left: list[Left] = []
        self.calls = 0
        self.refused: dict[tuple[str, str], str] = {}
        """The code with which an exit was refused last, by account and contract."""
        self._waiting_asked: set[tuple[str, str]] = set()
        self._tried: set[tuple[object, ...]] = set()
        self._pools: dict[str, list[tuple[str, tuple[str, ...]]]] | None = None
        lender = scenario.lender_of_last_resort
        self.last_resort = LastResort(ground, tills, lender, self.value_in) if lender is not None else None

    def begin_day(self) -> None:
        """Let everything that was tried in vain be tried again."""
        self._tried.clear()
        if self.last_resort is not None:
            self.last_resort.begin_day()

    def raise_cash(self, institution: str, cash: str, short: int) -> bool:
        """Take the first step that changes something; tell whether one did."""
        scenario = self.scenario
        if scenario.calls_claims and self._call_claims(institution, cash, short):
            return True
        if scenario.leaves_contracts and self._leave_contracts(institution, cash):
            return True
        if scenario.sells and self._sell(institution, cash, short):
            return True
        if self.last_resort is not None and self.last_resort.borrow(institution, cash, short):
            return True
        if scenario.calls_claims:
            self._ask_for_what_waits(institution)
        return False

    def _accounts(self, institution: str) -> list[str]:
        ground = self.ground
        return [name for name in ground.books.accounts_of(institution) if ground.can_sign(name)]

    def _claims(self, institution: str) -> list[tuple[str, str, int]]:
        """Return (account, claim, units) of what others owe it and can be asked for.

        A central bank is not asked: what it owes is what others pay with.
        """
        books = self.ground.books
        found = []
        for account in self._accounts(institution):
            for asset in sorted(books.balances(account)):
                record = books.asset(asset)
                if (
                    record.terms is None
                    or record.obligor == institution
                    or is_central_bank(books, record.obligor)
                ):
                    continue
                units = self.tills.free(account, asset)
                if units > 0:
                    found.append((account, asset, units))
        return found

    # 1 and 5: claims on others.

    def _call_claims(self, institution: str, cash: str, short: int) -> bool:
        books = self.ground.books
        left = short
        for account, claim, units in self._claims(institution):
            terms = books.asset(claim).terms
            assert terms is not None
            waits = terms.notice_seconds or (terms.matures or 0) > self.ground.now
            if left <= 0 or waits or claim == cash or self.tills.paid_in(claim) != cash:
                continue
            wanted = min(units, self.tills.units_for(claim, left))
            ask = self.tills.ask(claim, account, wanted)
            # What another party pays apart may be due later than the claim itself.
            if ask is not None and ask.due <= self.ground.now:
                left -= ask.cash_for(wanted)
                self.calls += 1
        return left < short

    def _ask_for_what_waits(self, institution: str) -> None:
        for account, claim, units in self._claims(institution):
            terms = self.ground.books.asset(claim).terms
            assert terms is not None
            if (terms.notice_seconds or terms.matures) and (account, claim) not in self._waiting_asked:
                self._waiting_asked.add((account, claim))
                self.calls += self.tills.ask(claim, account, units) is not None

    # 2: contracts.

    def _leave_contracts(self, institution: str, cash: str) -> bool:
        changed = False
        for account in self._accounts(institution):
            for contract in self.contracts_of(account):
                changed = self.leave(institution, account, contract, keeps=cash) or changed
        return changed

    def contracts_of(self, account: str) -> list[str]:
        """Return the contracts that an account has something inside of, or an asset of that they issued."""
        books = self.ground.books
        found = {one.contract for one in books.inside(account)}
        for asset, units in books.balances(account).items():
            record = books.asset(asset)
            if units > 0 and record.issuer != account and not self.ground.can_sign(record.issuer):
                found.add(record.issuer)
        return sorted(found)

    def leave(self, institution: str, account: str, contract: str, *, keeps: str = "") -> bool:
        """Leave a contract by every exit that pays something now; tell whether one did.

        An exit that takes `keeps`, the cash that is short, is not taken: that is paying back a loan.
        """
        if ("leave", account, contract) in self._tried:
            return False
        self._tried.add(("leave", account, contract))
        try:
            exits = self.ground.books.ask(contract, "exits", account=account)
        except Rejection:
            return False
        ways: dict[str, tuple[Any, bool]] = {}
        for way in exits:
            if way.spend.get(keeps):
                continue
            wire = msgspec.json.encode(to_wire(way.arguments))
            key = f"{way.method} {wire.decode()}"
            ways[key] = (way, bool(way.units_now) or (key in ways and ways[key][1]))
        done = False
        for way, pays in ways.values():
            done = (pays and self._take(institution, account, contract, way)) or done
        return done

    def _take(self, institution: str, account: str, contract: str, way: Any) -> bool:
        call = tx.Call(
            account=account,
            contract=contract,
            method=way.method,
            arguments=msgspec.Raw(msgspec.json.encode(to_wire(way.arguments))),
            spend=tuple((asset, str(units)) for asset, units in sorted(way.spend.items()) if units),
        )
        outcome = self.ground.do(account, call)
        if isinstance(outcome, Rejection):
            self.refused[account, contract] = outcome.code.value
            return False
        got = tuple(
            (asset, change) for who, asset, change, _ in outcome.postings if who == account and change > 0
        )
        self.left.append(Left(self.ground.day, institution, account, contract, way.method, got))
        return bool(got)

    # 3: pools.

    def _sell(self, institution: str, cash: str, short: int) -> bool:
        for account in self._accounts(institution):
            for asset in sorted(self.ground.books.balances(account)):
                units = self.tills.free(account, asset)
                if asset == cash or units <= 0 or ("sell", account, asset, cash) in self._tried:
                    continue
                self._tried.add(("sell", account, asset, cash))
                if self.sell_into_pool(institution, account, asset, units, cash=cash, short=short):
                    return True
        return False

    def sell_into_pool(
        self, institution: str, account: str, asset: str, units: int, *, cash: str, short: int
    ) -> bool:
        """Sell as much of an asset as is needed, or all, into the pool that pays the most for all of it."""
        offers = []
        for pool in self.pools_for(asset, cash):
            bought = self._quote(pool, "quote_exact_in", asset, cash, units_in=units)
            if bought:
                offers.append((-bought, pool))
        if not offers:
            return False
        best, pool = min(offers)
        enough = -best > short and self._quote(pool, "quote_exact_out", asset, cash, units_out=short)
        sold = min(units, enough) if enough else units
        call = tx.Call(
            account=account,
            contract=pool,
            method="swap_exact_in",
            arguments=msgspec.Raw(
                msgspec.json.encode(
                    to_wire({"asset_in": asset, "asset_out": cash, "least_out": 1, "units_in": sold})
                )
            ),
            spend=((asset, str(sold)),),
        )
        outcome = self.ground.do(account, call)
        if isinstance(outcome, Rejection):
            return False
        got = sum(
            change
            for who, what, change, _ in outcome.postings
            if (who, what) == (account, cash) and change > 0
        )
        self.sales.append(Sale(self.ground.day, institution, account, asset, sold, pool, cash, got))
        return True

    def pools_for(self, asset: str, cash: str) -> list[str]:
        """Return the contracts that trade the one asset for the other."""
        if self._pools is None:
            self._pools = {}
            for contract in self.ground.books.contracts:
                try:
                    assets = tuple(self.ground.books.ask(contract, "assets"))
                except Rejection:
                    continue
                for one in assets:
                    self._pools.setdefault(one, []).append((contract, assets))
        return [contract for contract, assets in self._pools.get(asset, ()) if cash in assets]

    def _quote(self, pool: str, view: str, asset: str, cash: str, **units: int) -> int:
        try:
            found: int = self.ground.books.ask(pool, view, asset_in=asset, asset_out=cash, **units)
        except Rejection:
            return 0
        return found

    # Values.

    def value_in(self, asset: str, units: int, cash: str) -> int | None:
        """Return what units are worth in units of a cash asset after shocks, or None without a price."""
        price, base = self.price(asset, cash), self.price(cash, cash)
        if price is None or base is None:
            return None
        numerator, denominator = price
        base_numerator, base_denominator = base
        return mul_div_down(units * numerator, base_denominator, denominator * base_numerator)

    def price(self, asset: str, cash: str) -> tuple[int, int] | None:
        """Return an asset's price in the unit of account of a cash asset, after the shocks so far."""
        books = self.ground.books
        record = books.asset(cash)
        while record.terms is not None and is_asset(record.terms.owes):
            record = books.asset(record.terms.owes)
        if record.terms is None:
            return (1, 1) if asset == cash else None
        unit = record.terms.owes
        book = self.scenario.prices if self.scenario.prices and self.scenario.prices.unit == unit else None
        found: Price | Missing = Prices(unit, book=book, contracts=self.scenario.price_from).price(
            books, asset
        )
        if isinstance(found, Missing):
            return None
        numerator, denominator = found.numerator, found.denominator
        for shock in self.scenario.shocks:
            if shock.asset == asset and shock.day <= self.ground.day:
                numerator *= PPM + shock.change_ppm
                denominator *= PPM
        return numerator, denominator


def is_central_bank(books: Books, institution: str) -> bool:
    """Tell whether an institution registered as a central bank."""
    return "central_bank" in books.institution(institution).roles
