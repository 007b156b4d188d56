"""At contracts: claims that a contract takes back by its own calls, and what is got for them.

    at_once    the holder calls, and is paid from what lies in the contract, in the order of names; new tokens
               that nobody owes are worth what the ledger's own pools pay for them, so they are sold there
    window     the holder asked; once the window is closed the party that completes it pays for all of it, if
               it has the cash, and the holders collect. What a gate left over is asked for again.

What was taken back and not paid is lost: there is no claim any more. What the ledger refused stays with its
holder, with the code, and is tried again on every day on which something happens.
"""

from collections.abc import Iterator

from tallystick.ledger import transactions as tx
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Terms
from tallystick.ledger.redemptions import Redemption
from tallystick.ledger.rejections import Rejection
from tallystick.stress.ground import Ground
from tallystick.stress.raising import Raiser
from tallystick.stress.redeeming import call_of
from tallystick.stress.tills import Ask, Tills


class AtContracts:
    """What contracts pay by themselves, or by whoever completes what was asked of them."""

    def __init__(self, ground: Ground, tills: Tills, raiser: Raiser, *, sells: bool) -> None:
        self.ground = ground
        self.tills = tills
        self.raiser = raiser
        self.sells = sells

    # At once.

    def at_once(self) -> bool:
        """Make every call that pays at once and was not made yet; tell whether one was accepted."""
        done = False
        for ask in self.tills.by_contract:
            if ask.way == "at_once" and ask.lost_on < 0 and self.tills.is_due(ask):
                done = self._take_back(ask) or done
        return done

    def _take_back(self, ask: Ask) -> bool:
        how = self.tills.redeeming.how(ask.claim, ask.holder, ask.units)
        if how is None or how.ask is None:
            ask.refused, ask.blocked = "nothing_left", self.ground.day
            return False
        actions: list[tx.Action] = [call_of(ask.claim, how.ask)]
        if how.complete is not None:
            # The party that completes is given what backs the claim, and passes it on.
            owed = str(_owed(self._terms(ask), ask.units))
            handed = tx.Transfer(account=how.complete.account, legs=((how.pays, ask.holder, owed),))
            actions += [call_of(ask.claim, how.complete), handed]
        outcome = self.ground.do(ask.holder, *actions)
        if isinstance(outcome, Rejection):
            ask.refused, ask.blocked = outcome.code.value, self.ground.day
            return False
        self.tills.unlock(ask)
        units, got = ask.units, _received(outcome, ask.holder, how.pays)
        self.tills.note_redeemed(ask, units, how.ask.method, how.pays, got)
        cash = got if how.pays == ask.cash else self._sold(ask, how.pays, got)
        whole = ask.cash_for(units)
        paid = units if cash >= whole and ask.cash else min(units, ask.units_for(cash)) if ask.cash else 0
        self.tills.note_paid(ask, paid, min(cash, whole))
        ask.lost_on = self.ground.day if ask.units else -1
        return True

    def _sold(self, ask: Ask, asset: str, units: int) -> int:
        """Return what the ledger's pools pay a holder for tokens, as far as it needs the cash."""
        short = ask.cash_for(ask.units)
        if not (self.sells and ask.cash and units and short):
            return 0
        before = len(self.raiser.sales)
        institution = self.ground.books.institution_of(ask.holder)
        self.raiser.sell_into_pool(institution, ask.holder, asset, units, cash=ask.cash, short=short)
        return sum(sale.got for sale in self.raiser.sales[before:])

    def _terms(self, ask: Ask) -> Terms:
        terms = self.ground.books.asset(ask.claim).terms
        assert terms is not None
        return terms

    # In windows.

    def needs(self) -> Iterator[tuple[str, str, int]]:
        """Yield (institution, cash, short) of those that are to complete a request and lack the cash now."""
        for asks, how in self._closed():
            cash, has = asks[0].cash, self.tills.cash_of(asks[0].obligor, asks[0].cash)
            needed = how.complete.spend.get(cash, 0) if how.complete is not None else 0
            if needed > has:
                yield asks[0].obligor, cash, needed - has

    def complete(self) -> bool:
        """Let whoever completes closed windows do so, and their holders collect; tell whether one was."""
        done = False
        for asks, how in list(self._closed()):
            done = self._complete(asks, how) or done
        self.tills.file()
        return done

    def unpaid(self) -> Iterator[Ask]:
        """Yield what was lost today, and what is overdue because whoever completes it lacks the cash."""
        lacking = {(name, cash) for name, cash, _ in self.needs()}
        for ask in self.tills.by_contract:
            if ask.way == "at_once" and ask.lost_on == self.ground.day:
                yield ask
            elif ask.way == "window" and ask.units and ask.lot and ask.due <= self.ground.now:
                if (ask.obligor, ask.cash) in lacking:
                    yield ask

    def _closed(self) -> Iterator[tuple[list[Ask], Redemption]]:
        """Yield the windows that can be completed now: all that wait for it, and how, as it stands."""
        groups: dict[tuple[str, int], list[Ask]] = {}
        for ask in self.tills.by_contract:
            if ask.way != "window" or not (ask.units and ask.lot) or ask.redemption is None:
                continue
            if ask.redemption.opens <= self.ground.now and ask.blocked != self.ground.day:
                groups.setdefault((ask.claim, ask.redemption.opens), []).append(ask)
        for (claim, opens), asks in sorted(groups.items(), key=lambda group: group[0]):
            told = self.tills.redeeming.under_way(claim, asks[0].holder)
            how = next((one for one in told if one.opens == opens), None)
            if how is not None:
                yield asks, how

    def _complete(self, asks: list[Ask], how: Redemption) -> bool:
        if how.complete is None:
            return False
        account, cash = how.complete.account, asks[0].cash
        lacks = how.complete.spend.get(cash, 0) - self.ground.balance(account, cash)
        actions: list[tx.Action] = []
        for name, units in self.tills.purses(asks[0].obligor, cash):
            if lacks > 0 and name != account:
                moved = min(lacks, units)
                actions.append(tx.Transfer(account=name, legs=((cash, account, str(moved)),)))
                lacks -= moved
        if lacks > 0:
            return False
        outcome = self.ground.do(account, *actions, call_of(asks[0].claim, how.complete))
        if isinstance(outcome, Rejection):
            for ask in asks:
                ask.refused, ask.blocked = outcome.code.value, self.ground.day
            return False
        for ask in asks:
            self._collect(ask)
        return True

    def _collect(self, ask: Ask) -> None:
        assert ask.redemption is not None
        assert ask.redemption.collect is not None
        outcome = self.ground.do(ask.holder, call_of(ask.claim, ask.redemption.collect))
        if isinstance(outcome, Rejection):
            ask.refused, ask.blocked = outcome.code.value, self.ground.day
            return
        returned = min(ask.units, _received(outcome, ask.holder, ask.claim))
        got = _received(outcome, ask.holder, ask.cash)
        paid = ask.units - returned
        self.tills.note_redeemed(ask, paid, ask.redemption.collect.method, ask.cash, got)
        self.tills.note_paid(ask, paid, got)
        ask.refused = ""
        if ask.units:
            self.tills.ask_again(ask, returned)


def _owed(terms: Terms, units: int) -> int:
    return units * terms.pays // terms.per


def _received(receipt: Receipt, account: str, asset: str) -> int:
    """Return what a transaction brought an account of an asset."""
    return max(0, sum(change for who, what, change, _ in receipt.postings if (who, what) == (account, asset)))
