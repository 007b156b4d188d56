"""Tills: what is asked of whom, and paid by real transactions.

    asks   tills.ask(claim, holder, units)    a holder wants its money
    files  tills.file()                       a redemption for what must wait, or was not paid (a real lot)
    pays   tills.settle("reserve@cb")         whoever can pays what it can; the rest stays due

What is due on demand is paid at the counter: in one transaction the holders give their claims back and the
obligor pays them, up to a few hundred at a time. What has a notice or a date is asked for by a redemption,
and so is what was not paid when it was due: after its grace the ledger itself says that it is in default.
Claims that go round in a circle are set off, each institution giving back what it holds on the next.

A claim that a contract issued is asked for and paid by that contract's own calls (`redeeming`). Where another
party pays it apart, that party is the debtor, and what it does not pay is owed by the claim's obligor too.

A claim that owes an asset is paid in that asset. One that owes a unit of account is paid in the cash that
`cash_of` names for its obligor; where there is none, nothing on this ledger can pay it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.ledger import transactions as tx
from tallystick.ledger.names import is_asset
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Asset, Lot, Terms
from tallystick.ledger.redemptions import Redemption, Step
from tallystick.ledger.rejections import Rejection
from tallystick.stress.clearing import OUTSIDE, Due, clear, part, unwind
from tallystick.stress.ground import Ground
from tallystick.stress.redeeming import UNTOLD, Redeeming, Way, call_of

RANKS: Final = {"secured": 0, "senior": 1, "subordinated": 2}
CashOf = Callable[[str, str], str]
"""(obligor, unit of account) -> the asset that pays it, or nothing."""


@dataclass(slots=True, eq=False)
class Ask:
    """One holder's wish for `asked` units of a claim; `units` are still unpaid, `due` is microseconds UTC.

    `unit` is what it is paid in: the asset `cash`, or, where nothing pays it, the unit of account owed.

    `got` is what was paid for them in `cash`. `lot` is the open redemption's name. `payments` are (day,
    units). `refused` is the code with which the ledger refused to let it be paid on `blocked`, a day.

    Of a claim that a contract issued, `way` says how it is paid, and `redemption` is the request that stands
    while there is a `lot`. `through` is the claim's obligor where somebody else, `obligor`, is to pay.
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
    way: Way = ""
    redemption: Redemption | None = None
    through: str = ""
    backs: str = ""
    """The claim that the obligor has on whoever pays in its place."""
    lost_on: int = -1
    """The day on which the claim was taken back for less than it is owed: nobody can ask for the rest."""

    @property
    def owed_by(self) -> str:
        """The institution that the claim names as its obligor."""
        return self.through or self.obligor

    def cash_for(self, units: int) -> int:
        """Return what so many units of the claim are owed in cash, rounded down as the terms say."""
        pays, per = self.worth
        return units * pays // per

    def units_for(self, cash: int) -> int:
        """Return the units of the claim that so much cash pays, rounded down."""
        pays, per = self.worth
        return cash * per // pays


@dataclass(slots=True)
class Redeemed:
    """What contracts took back of one claim in one way: `units` of it, for `got` units of `asset`."""

    obligor: str
    claim: str
    how: str
    asset: str
    holders: set[str] = field(default_factory=set)
    units: int = 0
    got: int = 0


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
        self.by_contract: list[Ask] = []
        """Those of claims that a contract issued."""
        self.set_off_units: dict[str, int] = {}
        self.paid_cash: dict[tuple[str, str], int] = {}
        """What was paid and set off so far by (obligor, cash); also by the obligor that another paid for."""
        self.payments = 0
        """How many times somebody was paid."""
        self.redeeming = Redeeming(ground)
        self.redeemed: dict[tuple[str, str, str, str], Redeemed] = {}
        """What was redeemed by contracts' own calls, by (obligor, claim, method, asset paid)."""
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
        redemption = None
        why = "" if ground.can_sign(holder) else "held by a contract"
        if units > 0 and not why and not ground.can_sign(record.issuer):
            redemption = self.redeeming.how(claim, holder, units)
            why = "" if redemption is not None else UNTOLD
        if units <= 0 or why:
            if why:
                self.left_out.append((holder, claim, units, why))
            return None
        way = self.redeeming.way(redemption) if redemption is not None else ""
        payer = self._payer(record, redemption)
        terms = self._due_by(record, redemption)
        now = ground.now
        due = max(now + terms.notice_seconds * 1_000_000, terms.matures or 0)
        if way == "window":
            assert redemption is not None
            due = max(due, redemption.ends)
        self._asked[claim, holder] = self._asked.get((claim, holder), 0) + units
        latest = self._latest.get((claim, holder))
        joins = latest is not None and not latest.lot and latest.due <= now and due <= now
        if latest is not None and joins and latest.way in ("", "apart"):
            latest.asked += units
            latest.units += units
            return latest
        ask = Ask(
            claim,
            holder,
            payer,
            cash,
            RANKS[terms.rank],
            worth,
            ground.day,
            due,
            asked=units,
            units=units,
            unit=cash or terms.owes,
            way=way,
            through="" if payer == record.obligor else record.obligor,
            backs=redemption.owes if redemption is not None else "",
        )
        self._add(ask)
        if due > now and way != "at_once":
            self._to_file.append(ask)
        return ask

    def _payer(self, record: Asset, redemption: Redemption | None) -> str:
        """Return the institution that is to pay: the obligor, or whoever completes what a contract asks."""
        if redemption is None or redemption.complete is None:
            return record.obligor
        if self.redeeming.way(redemption) == "apart":
            return self.ground.books.asset(redemption.owes).obligor
        return self.ground.books.institution_of(redemption.complete.account) or record.obligor

    def _due_by(self, record: Asset, redemption: Redemption | None) -> Terms:
        """Return the terms that say when it falls due, and in which rank: those of what is paid off."""
        if redemption is not None and self.redeeming.way(redemption) == "apart":
            record = self.ground.books.asset(redemption.owes)
        assert record.terms is not None
        return record.terms

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

    def adopt_request(self, redemption: Redemption) -> None:
        """Take in a request that a contract had before the drill. One that pays at once waits for nobody."""
        record, cash, worth = self._terms(redemption.claim)
        way = self.redeeming.way(redemption)
        if way == "at_once":
            return
        payer, terms = self._payer(record, redemption), self._due_by(record, redemption)
        self._add(
            Ask(
                redemption.claim,
                redemption.holder,
                payer,
                cash,
                RANKS[terms.rank],
                worth,
                0,
                redemption.ends if way == "window" else self.ground.now,
                asked=redemption.units,
                units=redemption.units,
                unit=cash or terms.owes,
                lot=redemption.claim,
                way=way,
                redemption=redemption,
                through="" if payer == record.obligor else record.obligor,
                backs=redemption.owes,
            )
        )

    def _add(self, ask: Ask) -> None:
        self.asks.append(ask)
        # What a contract pays by its own calls takes no part in the clearing.
        if ask.way in ("", "apart"):
            self.by_cash.setdefault(ask.cash, []).append(ask)
        if ask.way:
            self.by_contract.append(ask)
        self._latest[ask.claim, ask.holder] = ask

    def _terms(self, claim: str) -> tuple[Asset, str, tuple[int, int]]:
        """Return a claim, what pays it, and at what rate: `pays` units of that for `per` of the claim."""
        found = self._kinds.get(claim)
        if found is None:
            record = self.ground.books.asset(claim)
            assert record.terms is not None
            pays, per, owes = record.terms.pays, record.terms.per, record.terms.owes
            by_contract = None
            if not self.ground.can_sign(record.issuer):
                by_contract = self.redeeming.how(claim, record.issuer, 1)
            way = self.redeeming.way(by_contract) if by_contract is not None else ""
            if by_contract is not None and way == "apart":
                _, cash, worth = self._terms(by_contract.owes)
                owes, pays, per = cash, pays * worth[0], per * worth[1]
            elif by_contract is not None and way == "window":
                owes = by_contract.pays
                pays, per = self._priced(claim, owes)
            elif not is_asset(owes):
                owes = self._cash_of(record.obligor, owes)
                paid_with = self.ground.books.asset(owes).terms if owes else None
                if paid_with is not None:
                    pays, per = pays * paid_with.per, per * paid_with.pays
            found = (record, owes, (pays, per))
            # A value moves with its oracle; terms do not.
            if way != "window":
                self._kinds[claim] = found
        return found

    def _priced(self, claim: str, cash: str) -> tuple[int, int]:
        """Return what the contract says that a unit is worth in cash; nothing where it cannot say."""
        try:
            price = self.ground.books.ask(claim.partition("@")[2], "price", asset_in=claim, asset_out=cash)
        except Rejection:
            return 0, 1
        return price.numerator, price.denominator

    def paid_in(self, claim: str) -> str:
        """Return the asset that a claim is paid in, or nothing if none on this ledger pays it."""
        return self._terms(claim)[1]

    def paid_off_by(self, claim: str) -> str:
        """Return the claim by which another party pays off one that a contract issued, or nothing."""
        how = self.redeeming.how(claim, self.ground.books.asset(claim).issuer, 1)
        return how.owes if how is not None and self.redeeming.way(how) == "apart" else ""

    def units_for(self, claim: str, cash: int) -> int:
        """Return the fewest units of a claim that are owed so much cash."""
        pays, per = self._terms(claim)[2]
        return -(-cash * per // pays)

    def file(self) -> None:
        """Ask for redemption of what has to wait: a notice, a date, or an obligor that could not pay."""
        waiting = [ask for ask in self._to_file if ask.units and not ask.lot]
        self._to_file.clear()
        size = self.ground.limits.actions_max
        for mine, build, done in (
            ([ask for ask in waiting if not ask.way], _redeem, self._filed),
            ([ask for ask in waiting if ask.way], self._request, self._requested),
        ):
            for start in range(0, len(mine), size):
                self.ground.do_many(mine[start : start + size], build, done, _note_refused)

    def _filed(self, asks: Sequence[Ask], receipt: Receipt) -> None:
        for ask, lot in zip(asks, receipt.results, strict=True):
            ask.lot = lot
            self._asked[ask.claim, ask.holder] -= ask.units
            record: Lot = self.ground.fork.overlay.get(("lot", lot))
            ask.due = min(ask.due, record.due) if ask.due <= self.ground.now else record.due

    def _request(self, asks: Sequence[Ask]) -> tuple[str, list[tx.Action]]:
        actions: list[tx.Action] = []
        for ask in asks:
            ask.redemption = self._how(ask, ask.units)
            actions.append(call_of(ask.claim, _asks(ask.redemption)))
        return asks[0].holder, actions

    def _requested(self, asks: Sequence[Ask], receipt: Receipt) -> None:
        for ask in asks:
            ask.lot = ask.claim
            self._asked[ask.claim, ask.holder] -= ask.units
            if ask.way == "window" and ask.redemption is not None:
                ask.due = ask.redemption.ends

    def _how(self, ask: Ask, units: int) -> Redemption:
        how = self.redeeming.how(ask.claim, ask.holder, units)
        if how is None:
            raise RuntimeError(f"{ask.claim} told how it is redeemed and does so no more")
        return how

    def file_again(self) -> None:
        """Ask again for what a contract gave back because nobody completed it in time."""
        for ask in self.by_contract:
            if ask.way == "apart" and ask.lot and ask.redemption is not None:
                if ask.redemption.ends <= self.ground.now:
                    self._return(ask, ask.units)
                    self._to_file.append(ask)

    def unlock(self, ask: Ask) -> None:
        """Note that the units of an ask left its holder."""
        self._asked[ask.claim, ask.holder] -= ask.units

    def ask_again(self, ask: Ask, returned: int) -> None:
        """Ask again for what a completed request left over and gave back."""
        self._return(ask, returned)
        self._to_file.append(ask)

    def _return(self, ask: Ask, units: int) -> None:
        ask.lot, ask.redemption = "", None
        self._asked[ask.claim, ask.holder] = self._asked.get((ask.claim, ask.holder), 0) + units

    def file_unpaid(self) -> None:
        """File a redemption for everything that is due and was not paid."""
        self._to_file += [
            ask
            for ask in self.asks
            if ask.units and not ask.lot and ask.way in ("", "apart") and self.is_due(ask)
        ]
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

    def settle(self, cash: str) -> bool:
        """Let everybody pay what it can of what is due in a cash asset: circles first, then in order.

        Tell whether anything was paid.
        """
        asks = sorted(self.due(cash), key=lambda ask: (ask.obligor, ask.rank, ask.holder, ask.claim, ask.day))
        if not (cash and asks):
            return False
        payments_before = self.payments
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
        return self.payments > payments_before

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
        return sum(units for _, units in self.purses(institution, cash))

    def purses(self, institution: str, cash: str) -> list[tuple[str, int]]:
        """Return the institution's accounts that can pay of a cash asset now, and how much."""
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
        for account, purse in self.purses(debtor, cash):
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
        if ask.way:
            return self._complete(one)
        issuer = self._kinds[ask.claim][0].issuer
        back = tx.Transfer(account=ask.holder, legs=((ask.claim, issuer, units),))
        if not ask.lot:
            return [back]
        cancel = tx.CancelRedemption(account=ask.holder, lot=ask.lot)
        if one.units == ask.units:
            return [cancel, back]
        rest = tx.Redeem(account=ask.holder, asset=ask.claim, units=str(ask.units - one.units))
        return [cancel, back, rest]

    def _complete(self, one: Payment) -> list[tx.Action]:
        """Return the calls by which a contract takes back what was paid for apart."""
        ask, steps = one.ask, []
        how = ask.redemption if ask.lot else None
        if how is not None and one.units < ask.units:
            steps.append(how.undo)
            how = None
        if how is None:
            how = self._how(ask, one.units)
            steps.append(how.ask)
        return [call_of(ask.claim, step) for step in (*steps, how.complete) if step is not None]

    def _note_paid(self, payments: Sequence[Payment], receipt: Receipt, *, first: int) -> None:
        place = first
        for one in payments:
            ask = one.ask
            place += _steps(one)
            if not ask.lot:
                self._asked[ask.claim, ask.holder] -= one.units
            elif ask.way:
                self._return(ask, ask.units - one.units)
            else:
                ask.lot = receipt.results[place - 1] if one.units < ask.units else ""
            if ask.way:
                self.note_redeemed(ask, one.units, "paid apart", ask.cash, one.cash)
            self.note_paid(ask, one.units, one.cash)

    def note_paid(self, ask: Ask, units: int, cash: int) -> None:
        """Note that so many units of an ask were paid, with so much cash."""
        self.payments += 1
        ask.units -= units
        ask.paid += units
        ask.got += cash
        for name in (ask.obligor, ask.through) if ask.through else (ask.obligor,):
            self.paid_cash[name, ask.cash] = self.paid_cash.get((name, ask.cash), 0) + cash
        if units:
            ask.payments.append((self.ground.day, units))

    def note_redeemed(self, ask: Ask, units: int, how: str, asset: str, got: int) -> None:
        """Note what a contract's own calls took back, and what the holder got for it."""
        key = (ask.owed_by, ask.claim, how, asset)
        found = self.redeemed.setdefault(key, Redeemed(*key))
        found.holders.add(ask.holder)
        found.units += units
        found.got += got


def _asks(redemption: Redemption) -> Step:
    assert redemption.ask is not None
    return redemption.ask


def _steps(one: Payment) -> int:
    """Return how many actions give back what is paid for."""
    if one.ask.way:
        return 2 if not one.ask.lot else 1 if one.units == one.ask.units else 3
    return 1 if not one.ask.lot else 2 if one.units == one.ask.units else 3


def _redeem(asks: Sequence[Ask]) -> tuple[str, list[tx.Action]]:
    return asks[0].holder, [
        tx.Redeem(account=ask.holder, asset=ask.claim, units=str(ask.units)) for ask in asks
    ]


def _note_refused(ask: Ask, rejection: Rejection) -> None:
    ask.refused = rejection.code.value
