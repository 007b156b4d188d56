"""Tills: what is asked of whom, and paid by real transactions.

    asks   tills.ask(claim, holder, units)    a holder wants its money
    files  tills.file()                       a redemption for what must wait, or was not paid (a real lot)
    pays   tills.settle("reserve@cb")         whoever can pays what it can; the rest stays due

What is due on demand is paid at the counter: in one transaction the holders give their claims back and the
obligor pays them, up to a few hundred at a time. What has a notice or a date is asked for by a redemption,
and so is what was not paid when it was due: after its grace the ledger itself says that it is in default.
Claims that go round in a circle are set off, each institution giving back what it holds on the next.

A claim that owes an asset is paid in that asset. One that owes a unit of account is paid in the cash that
`cash_of` names for its obligor; where there is none, nothing on this ledger can pay it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.ledger import transactions as tx
from tallystick.ledger.names import is_asset
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Asset, Lot
from tallystick.ledger.rejections import Rejection
from tallystick.stress.clearing import OUTSIDE, Due, clear, part, unwind
from tallystick.stress.ground import Ground

RANKS: Final = {"secured": 0, "senior": 1, "subordinated": 2}
CashOf = Callable[[str, str], str]
"""(obligor, unit of account) -> the asset that pays it, or nothing."""


@dataclass(slots=True, eq=False)
class Ask:
    """One holder's wish for `asked` units of a claim; `units` are still unpaid, `due` is microseconds UTC.

    `unit` is what it is paid in: the asset `cash`, or, where nothing pays it, the unit of account owed.

    `got` is what was paid for them in `cash`. `lot` is the open redemption's name. `payments` are (day,
    units). `refused` is the code with which the ledger refused to let it be paid on `blocked`, a day.
    """

    claim: str
    holder: str
    obligor: str
    cash: str
    rank: int
    worth: tuple[int, int]
    day: int
    due: int
    asked: int = 0
    units: int = 0
    paid: int = 0
    got: int = 0
    unit: str = ""
    lot: str = ""
    payments: list[tuple[int, int]] = field(default_factory=list)
    refused: str = ""
    blocked: int = -1

    def cash_for(self, units: int) -> int:
        """Return what so many units of the claim are owed in cash, rounded down as the terms say."""
        pays, per = self.worth
        return units * pays // per

    def units_for(self, cash: int) -> int:
        """Return the units of the claim that so much cash pays, rounded down."""
        pays, per = self.worth
        return cash * per // pays


@dataclass(slots=True)
class Payment:
    """Some units of an ask, and the cash that pays them."""

    ask: Ask
    units: int
    cash: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a debtor owes now and what it can pay of it, in cash units."""

    due: int
    paid: int


class Tills:
    """All asks of a drill."""

    def __init__(self, ground: Ground, cash_of: CashOf) -> None:
        self.ground = ground
        self.asks: list[Ask] = []
        self.left_out: list[tuple[str, str, int, str]] = []
        """(holder, claim, units, why) of what nobody can ask for."""
        self.by_cash: dict[str, list[Ask]] = {}
        self.set_off_units: dict[str, int] = {}
        self.paid_cash: dict[tuple[str, str], int] = {}
        """What was paid and set off so far by (obligor, cash)."""
        self._cash_of = cash_of
        self._latest: dict[tuple[str, str], Ask] = {}
        self._to_file: list[Ask] = []
        self._asked: dict[tuple[str, str], int] = {}
        """Units that are asked for by (claim, holder) and not locked in a redemption yet."""
        self._kinds: dict[str, tuple[Asset, str, tuple[int, int]]] = {}

    # Asking.

    def ask(self, claim: str, holder: str, units: int) -> Ask | None:
        """Ask for so many units, or for as many as the holder can move; None if it cannot ask."""
        ground = self.ground
        record, cash, worth = self._terms(claim)
        units = min(units, self.free(holder, claim))
        why = self._why_not(record, holder)
        if units <= 0 or why:
            if why:
                self.left_out.append((holder, claim, units, why))
            return None
        assert record.terms is not None
        terms = record.terms
        now = ground.now
        due = max(now + terms.notice_seconds * 1_000_000, terms.matures or 0)
        self._asked[claim, holder] = self._asked.get((claim, holder), 0) + units
        latest = self._latest.get((claim, holder))
        if latest is not None and not latest.lot and latest.due <= now and due <= now:
            latest.asked += units
            latest.units += units
            return latest
        ask = Ask(
            claim,
            holder,
            record.obligor,
            cash,
            RANKS[terms.rank],
            worth,
            ground.day,
            due,
            asked=units,
            units=units,
            unit=cash or terms.owes,
        )
        self._add(ask)
        if due > now:
            self._to_file.append(ask)
        return ask

    def free(self, holder: str, asset: str) -> int:
        """Return what a holder can move of an asset and has not asked its obligor for."""
        return self.ground.balance(holder, asset) - self._asked.get((asset, holder), 0)

    def adopt(self, name: str, lot: Lot) -> None:
        """Take in a redemption that was under way before the drill."""
        record, cash, worth = self._terms(lot.asset)
        assert record.terms is not None
        rank = RANKS[record.terms.rank]
        self._add(
            Ask(
                lot.asset,
                lot.holder,
                record.obligor,
                cash,
                rank,
                worth,
                0,
                lot.due,
                asked=lot.units,
                units=lot.units,
                unit=cash or record.terms.owes,
                lot=name,
            )
        )

    def _add(self, ask: Ask) -> None:
        self.asks.append(ask)
        self.by_cash.setdefault(ask.cash, []).append(ask)
        self._latest[ask.claim, ask.holder] = ask

    def _why_not(self, record: Asset, holder: str) -> str:
        if not self.ground.can_sign(holder):
            return "held by a contract"
        return "" if self.ground.can_sign(record.issuer) else "redeemed by its contract alone"

    def _terms(self, claim: str) -> tuple[Asset, str, tuple[int, int]]:
        """Return a claim, what pays it, and at what rate: `pays` units of that for `per` of the claim."""
        found = self._kinds.get(claim)
        if found is None:
            record = self.ground.books.asset(claim)
            assert record.terms is not None
            pays, per, owes = record.terms.pays, record.terms.per, record.terms.owes
            if not is_asset(owes):
                owes = self._cash_of(record.obligor, owes)
                cash = self.ground.books.asset(owes).terms if owes else None
                if cash is not None:
                    pays, per = pays * cash.per, per * cash.pays
            found = self._kinds[claim] = (record, owes, (pays, per))
        return found

    def paid_in(self, claim: str) -> str:
        """Return the asset that a claim is paid in, or nothing if none on this ledger pays it."""
        return self._terms(claim)[1]

    def units_for(self, claim: str, cash: int) -> int:
        """Return the fewest units of a claim that are owed so much cash."""
        pays, per = self._terms(claim)[2]
        return -(-cash * per // pays)

    def file(self) -> None:
        """Ask for redemption of what has to wait: a notice, a date, or an obligor that could not pay."""
        waiting = [ask for ask in self._to_file if ask.units and not ask.lot]
        self._to_file.clear()
        size = self.ground.limits.actions_max
        for start in range(0, len(waiting), size):
            self.ground.do_many(waiting[start : start + size], _redeem, self._filed, _note_refused)

    def _filed(self, asks: Sequence[Ask], receipt: Receipt) -> None:
        for ask, lot in zip(asks, receipt.results, strict=True):
            ask.lot = lot
            self._asked[ask.claim, ask.holder] -= ask.units
            record: Lot = self.ground.fork.overlay.get(("lot", lot))
            ask.due = min(ask.due, record.due) if ask.due <= self.ground.now else record.due

    def file_unpaid(self) -> None:
        """File a redemption for everything that is due and was not paid."""
        self._to_file += [ask for ask in self.asks if ask.units and not ask.lot and self.is_due(ask)]
        self.file()

    # Paying.

    def is_due(self, ask: Ask) -> bool:
        """Tell whether an ask is due and open, and not one that the ledger refused today."""
        return bool(ask.units) and ask.due <= self.ground.now and ask.blocked != self.ground.day

    def due(self, cash: str) -> list[Ask]:
        """Return what is due now in a cash asset, as it was asked."""
        now, day = self.ground.now, self.ground.day
        return [
            ask for ask in self.by_cash.get(cash, ()) if ask.units and ask.due <= now and ask.blocked != day
        ]

    def standings(self, cash: str) -> dict[str, Standing]:
        """Return what each debtor owes now, and what it could pay if everybody paid what it could."""
        asks = self.due(cash)
        cleared = clear(self._means(cash, asks), self._dues(asks)) if cash else None
        owed: dict[str, int] = {}
        for ask in asks:
            owed[ask.obligor] = owed.get(ask.obligor, 0) + ask.cash_for(ask.units)
        return {
            name: Standing(units, cleared.paid.get(name, 0) if cleared else 0)
            for name, units in sorted(owed.items())
        }

    def settle(self, cash: str) -> None:
        """Let everybody pay what it can of what is due in a cash asset: circles first, then in order."""
        asks = sorted(self.due(cash), key=lambda ask: (ask.obligor, ask.rank, ask.holder, ask.claim, ask.day))
        if not (cash and asks):
            return
        cleared = clear(self._means(cash, asks), self._dues(asks))
        whole: dict[tuple[str, int], int] = {}
        for ask in asks:
            key = (ask.obligor, ask.rank)
            whole[key] = whole.get(key, 0) + ask.cash_for(ask.units)
        plan: dict[str, list[Payment]] = {}
        flows: dict[tuple[str, str], int] = {}
        between: dict[tuple[str, str], list[Payment]] = {}
        debtors = {ask.obligor for ask in asks}
        left = dict(cleared.by_rank)
        planned = []
        for ask in asks:
            key = (ask.obligor, ask.rank)
            planned.append(self._planned(ask, cleared.by_rank.get(key, 0), whole[key]))
            left[key] -= planned[-1].cash
        for payment in planned:
            ask = payment.ask
            key = (ask.obligor, ask.rank)
            # What rounding left over goes out by single units, for as long as it lasts.
            if left[key] and payment.units < ask.units and ask.worth == (1, 1):
                payment.units += 1
                payment.cash += 1
                left[key] -= 1
            if not payment.cash:
                continue
            plan.setdefault(ask.obligor, []).append(payment)
            creditor = self.ground.books.institution_of(ask.holder)
            if creditor in debtors:
                flows[ask.obligor, creditor] = flows.get((ask.obligor, creditor), 0) + payment.cash
                between.setdefault((ask.obligor, creditor), []).append(payment)
        circles, order = unwind(flows)
        for circle, units in circles:
            self._set_off(cash, circle, units, between)
        placed = set(order)
        for debtor in [*order, *sorted(set(plan) - placed)]:
            self._pay_out(debtor, cash, plan.get(debtor, []))

    def _planned(self, ask: Ask, paid: int, whole: int) -> Payment:
        owed = ask.cash_for(ask.units)
        cash = part(owed, paid, whole) if whole else 0
        if cash == owed:
            return Payment(ask, ask.units, cash)
        units = ask.units_for(cash)
        return Payment(ask, units, ask.cash_for(units))

    def _dues(self, asks: Iterable[Ask]) -> list[Due]:
        debtors = {ask.obligor for ask in asks}
        outside: dict[tuple[str, int], int] = {}
        dues = []
        for ask in asks:
            creditor = self.ground.books.institution_of(ask.holder)
            units = ask.cash_for(ask.units)
            if creditor in debtors:
                dues.append(Due(ask.obligor, creditor, ask.rank, units))
            else:
                key = (ask.obligor, ask.rank)
                outside[key] = outside.get(key, 0) + units
        return [*dues, *(Due(debtor, OUTSIDE, rank, units) for (debtor, rank), units in outside.items())]

    def _means(self, cash: str, asks: Iterable[Ask]) -> dict[str, int]:
        """Return what each debtor has in cash; one that issues the cash itself has what it owes."""
        means: dict[str, int] = {}
        issuer = self.ground.books.asset(cash).issuer
        prints = self.ground.books.institution_of(issuer)
        for ask in asks:
            name = ask.obligor
            if name == prints:
                means[name] = means.get(name, 0) + ask.cash_for(ask.units)
            elif name not in means:
                means[name] = self.cash_of(name, cash)
        return means

    def cash_of(self, institution: str, cash: str) -> int:
        """Return what the institution's accounts can pay of a cash asset now."""
        return sum(units for _, units in self._purses(institution, cash))

    def _purses(self, institution: str, cash: str) -> list[tuple[str, int]]:
        ground = self.ground
        found = [(name, ground.balance(name, cash)) for name in ground.books.accounts_of(institution)]
        return [(name, units) for name, units in found if units > 0 and ground.can_sign(name)]

    def _set_off(
        self, cash: str, circle: Sequence[str], units: int, between: dict[tuple[str, str], list[Payment]]
    ) -> None:
        """Set off claims around a circle: everybody gives back as much of what it holds on the one before."""
        taken: list[Payment] = []
        for debtor, creditor in zip(circle, [*circle[1:], circle[0]], strict=True):
            left = units
            for payment in between[debtor, creditor]:
                share = min(left, payment.cash)
                if share:
                    whole = share == payment.cash
                    back = payment.units if whole else payment.ask.units_for(share)
                    taken.append(Payment(payment.ask, back, share))
                    payment.units -= back
                    payment.cash -= share
                    left -= share
        taken = [one for one in taken if one.units]
        if not taken:
            return
        # One transaction: a circle is set off whole or not at all.
        actions = [action for one in taken for action in self._give_back(one)]
        outcome = self.ground.do(taken[0].ask.holder, *actions)
        if isinstance(outcome, Rejection):
            for one in taken:
                _note_refused(one.ask, outcome)
                one.ask.blocked = self.ground.day
            return
        self.set_off_units[cash] = self.set_off_units.get(cash, 0) + units
        self._note_paid(taken, outcome, first=0)

    def _pay_out(self, debtor: str, cash: str, payments: list[Payment]) -> None:
        """Pay a debtor's creditors from its accounts, one after another until each is empty."""
        issuer = self.ground.books.asset(cash).issuer
        payments = [one for one in payments if one.units and one.ask.blocked != self.ground.day]
        if self.ground.books.institution_of(issuer) == debtor:
            self._pay_from(issuer, cash, payments)
            return
        waiting = payments[::-1]
        for account, purse in self._purses(debtor, cash):
            available = purse
            mine: list[Payment] = []
            while waiting and waiting[-1].cash <= available:
                mine.append(waiting.pop())
                available -= mine[-1].cash
            if waiting and (units := waiting[-1].ask.units_for(available)):
                last = waiting.pop()
                mine.append(Payment(last.ask, units, last.ask.cash_for(units)))
                waiting.append(Payment(last.ask, last.units - units, last.cash - mine[-1].cash))
            self._pay_from(account, cash, mine)

    def _pay_from(self, account: str, cash: str, payments: Sequence[Payment]) -> None:
        prints = self.ground.books.asset(cash).issuer == account

        def build(items: Sequence[Payment]) -> tuple[str, list[tx.Action]]:
            legs = tuple((cash, one.ask.holder, str(one.cash)) for one in items)
            pay = tx.Issue(account=account, legs=legs) if prints else tx.Transfer(account=account, legs=legs)
            return account, [pay, *(action for one in items for action in self._give_back(one))]

        def done(items: Sequence[Payment], receipt: Receipt) -> None:
            self._note_paid(items, receipt, first=1)
            self._ask_for_no_more_than_is_left(cash, account)

        def refused(one: Payment, rejection: Rejection) -> None:
            _note_refused(one.ask, rejection)
            one.ask.blocked = self.ground.day

        chunk: list[Payment] = []
        actions = 1
        for one in payments:
            needed = _steps(one)
            if actions + needed > self.ground.limits.actions_max:
                self.ground.do_many(chunk, build, done, refused)
                chunk, actions = [], 1
            chunk.append(one)
            actions += needed
        self.ground.do_many(chunk, build, done, refused)

    def _ask_for_no_more_than_is_left(self, claim: str, holder: str) -> None:
        """Take back what a holder asks for and has paid away itself: whoever got it may ask for it."""
        ask = self._latest.get((claim, holder))
        if ask is None or ask.lot:
            return
        spent = min(ask.units, -self.free(holder, claim))
        if spent > 0:
            ask.asked -= spent
            ask.units -= spent
            self._asked[claim, holder] -= spent

    def _give_back(self, one: Payment) -> list[tx.Action]:
        """Return the actions by which a holder gives back what it is paid for and asks for the rest."""
        ask, units = one.ask, str(one.units)
        issuer = self._kinds[ask.claim][0].issuer
        back = tx.Transfer(account=ask.holder, legs=((ask.claim, issuer, units),))
        if not ask.lot:
            return [back]
        cancel = tx.CancelRedemption(account=ask.holder, lot=ask.lot)
        if one.units == ask.units:
            return [cancel, back]
        rest = tx.Redeem(account=ask.holder, asset=ask.claim, units=str(ask.units - one.units))
        return [cancel, back, rest]

    def _note_paid(self, payments: Sequence[Payment], receipt: Receipt, *, first: int) -> None:
        place = first
        for one in payments:
            ask = one.ask
            place += _steps(one)
            if not ask.lot:
                self._asked[ask.claim, ask.holder] -= one.units
            else:
                ask.lot = receipt.results[place - 1] if one.units < ask.units else ""
            ask.units -= one.units
            ask.paid += one.units
            ask.got += one.cash
            key = (ask.obligor, ask.cash)
            self.paid_cash[key] = self.paid_cash.get(key, 0) + one.cash
            ask.payments.append((self.ground.day, one.units))


def _steps(one: Payment) -> int:
    """Return how many actions give back what is paid for."""
    return 1 if not one.ask.lot else 2 if one.units == one.ask.units else 3


def _redeem(asks: Sequence[Ask]) -> tuple[str, list[tx.Action]]:
    return asks[0].holder, [
        tx.Redeem(account=ask.holder, asset=ask.claim, units=str(ask.units)) for ask in asks
    ]


def _note_refused(ask: Ask, rejection: Rejection) -> None:
    ask.refused = rejection.code.value
