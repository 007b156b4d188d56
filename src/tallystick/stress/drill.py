"""The drill: days on a fork on which people withdraw, institutions find cash or fail, and others with them.

    for each day with something to do:
        time passes                timers run: notices end, graces end, bonds mature
        the script                 oracles report, whoever calls what
        people ask                 by the path of the scenario, real redemptions where a notice is due
        contracts pay              what they pay by themselves of the claims that they issued
        those who are short        call others, leave contracts, sell, borrow, until nothing helps any more
        everybody pays             what it can, all at once, one cash asset after another (`tills.settle`);
                                   whoever was paid in one may be short in another, so both are repeated
                                   until nothing moves any more
        what was not paid          is asked for by a redemption, which the ledger will call a default

An institution fails on the first day on which something that was due stayed unpaid for want of cash. It goes
on paying what it can afterwards: what comes in later is shared among those who wait. The order of failures is
the order in which institutions ran short: on what day, and after how many rounds of calls on that day.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from tallystick import collector
from tallystick.institutions.books import Books
from tallystick.institutions.holdings import holdings_of
from tallystick.ledger import transactions as tx
from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import to_wire
from tallystick.ledger.names import is_asset
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import Store
from tallystick.stress.at_contracts import AtContracts
from tallystick.stress.ground import DAY_US, Ground
from tallystick.stress.outcome import Claimed, Failure, Outcome, Redeemed, Survival
from tallystick.stress.raising import Raiser, is_central_bank
from tallystick.stress.scenario import PPM, Scenario, check_scenario
from tallystick.stress.tills import Ask, Tills

ROUNDS_MAX: Final = 10_000
Progress = Callable[[int, int], None]
"""Called with the days that are done and all days."""


def run_drill(
    state: Store,
    kinds: Kinds,
    scenario: Scenario,
    *,
    state_root: str = "",
    index: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Run a scenario on a fork of the state and return what came of it; the state is not touched.

    `index` is the log index of the fork's first entry. Raises `ScenarioInvalid`.
    """
    with collector.paused():
        return Drill(state, kinds, scenario, index=index).run(state_root=state_root, progress=progress)


class Drill:
    """One drill under way."""

    def __init__(self, state: Store, kinds: Kinds, scenario: Scenario, *, index: int = 1) -> None:
        self.ground = Ground(state, kinds, index=index)
        check_scenario(scenario, self.ground.books)
        self.scenario = scenario
        self.tills = Tills(self.ground, self._cash_of)
        self.raiser = Raiser(self.ground, self.tills, scenario)
        self.at_contracts = AtContracts(self.ground, self.tills, self.raiser, sells=scenario.sells)
        self.targets = scenario.targets or tuple(
            name for name in self.books.institutions if not is_central_bank(self.books, name)
        )
        self.failures: dict[str, Failure] = {}
        self.defaulted = 0
        self.scripted: list[tuple[int, str, str]] = []
        self._first_failing: dict[tuple[str, str], int] = {}
        self._short_since: dict[str, tuple[int, int]] = {}
        self._cash: dict[tuple[str, str], str] = {}
        self._cash_like: dict[str, list[str]] | None = None
        self._start: list[tuple[str, str, int]] = []

    @property
    def books(self) -> Books:
        """The books of the fork as it is."""
        return self.ground.books

    def run(self, *, state_root: str = "", progress: Progress | None = None) -> Outcome:
        """Run every day and return what came of it."""
        self._take_stock()
        day: int | None = 0
        while day is not None:
            self._run_day(day)
            if progress is not None:
                progress(day + 1, self.scenario.horizon_days)
            day = self._next_day(day)
        last = self.scenario.horizon_days - 1
        if self.ground.day < last:
            self._pass_time(last)
        if progress is not None:
            progress(self.scenario.horizon_days, self.scenario.horizon_days)
        return self._outcome(state_root)

    # The start.

    def _take_stock(self) -> None:
        """Note what every runner holds of the targets' claims, and the redemptions that are under way."""
        runners = set(self.scenario.runners)
        called: set[tuple[str, str]] = set()
        for target in self.targets:
            own = set(self.books.accounts_of(target))
            for claim in self.books.claims_on(target):
                waits_in = f"{self.books.asset(claim).issuer}/"
                for holder, units in sorted(self.books.holders(claim).items()):
                    # What lies in the contract's own sub-accounts was asked for, or is of nobody yet.
                    if holder.startswith(waits_in):
                        continue
                    if holder not in own and (not runners or holder in runners):
                        self._start.append((claim, holder, units))
                if not self.ground.can_sign(waits_in[:-1]):
                    for request in self.tills.redeeming.under_way(claim):
                        self.tills.adopt_request(request)
                    called.add((claim, waits_in[:-1]))
                for name, lot in self.books.lots_in(claim):
                    if lot.holder not in own:
                        self.tills.adopt(name, lot)
        # What a contract has for the claims that run is called by those who redeem them.
        behind = {(self.tills.paid_off_by(claim), contract) for claim, contract in called}
        self._start = [one for one in self._start if one[:2] not in behind]

    def _help(self, institution: str, units: int) -> None:
        """Let whoever issues an institution's cash give it some: what a rescue tries."""
        for cash in self.cash_assets_of(institution):
            issuer = self.books.asset(cash).issuer
            account = self.books.accounts_of(institution)[0]
            if units and not isinstance(
                self.ground.do(issuer, tx.Issue(account=issuer, legs=((cash, account, str(units)),))),
                Rejection,
            ):
                return

    def cash_assets_of(self, institution: str) -> list[str]:
        """Return what the institution's claims are paid in, without what cannot be paid."""
        return sorted({self.tills.paid_in(claim) for claim in self.books.claims_on(institution)} - {""})

    def _cash_of(self, obligor: str, unit: str) -> str:
        """Return what an obligor pays a unit of account with.

        The scenario says so, or it is the claim that is as good as cash (a central bank's, or a bank's on
        demand, owed in that unit) of which the obligor has the most; a central bank's where it has none.
        """
        if unit in self.scenario.cash:
            return self.scenario.cash[unit]
        key = (obligor, unit)
        if key not in self._cash:
            choices = [
                asset for asset in self._cash_like_in(unit) if self.books.asset(asset).obligor != obligor
            ]
            held = {asset: self.tills.cash_of(obligor, asset) for asset in choices}
            central = {
                asset: is_central_bank(self.books, self.books.asset(asset).obligor) for asset in choices
            }
            able = [asset for asset in choices if held[asset] or central[asset]]
            self._cash[key] = min(
                able, key=lambda asset: (-held[asset], not central[asset], asset), default=""
            )
        return self._cash[key]

    def _cash_like_in(self, unit: str) -> list[str]:
        if self._cash_like is None:
            self._cash_like = {}
            for institution in self.books.institutions:
                if not {"bank", "central_bank"}.intersection(self.books.institution(institution).roles):
                    continue
                for asset in self.books.claims_on(institution):
                    terms = self.books.asset(asset).terms
                    if terms is not None and not (
                        terms.notice_seconds or terms.matures or is_asset(terms.owes)
                    ):
                        self._cash_like.setdefault(terms.owes, []).append(asset)
        return self._cash_like.get(unit, [])

    # A day.

    def _run_day(self, day: int) -> None:
        self._pass_time(day)
        self.raiser.begin_day()
        if day == 0:
            for institution, units in sorted(self.scenario.help_units.items()):
                self._help(institution, units)
        self._script(day)
        self.tills.file_again()
        self._ask(day)
        self.tills.file()
        before = dict(self.tills.paid_cash)
        for _ in range(ROUNDS_MAX):
            self._find_cash(day)
            if not self._pay():
                break
            # What was tried in vain may help with what has come in.
            self.raiser.begin_day()
        self._note_failures(day, self._unpaid(before))
        self.tills.file_unpaid()

    def _pay(self) -> bool:
        """Let everybody pay in every cash asset; tell whether somebody who is short may have got something.

        Within one cash asset whatever is paid is paid on in the same clearing. What comes in by another, or
        from a contract, has to be called or sold first.
        """
        paid_in = {cash for cash in sorted(self.tills.by_cash) if self.tills.settle(cash)}
        contracts_paid = self.at_contracts.complete()
        return any(
            self.tills.due(cash) for cash in sorted(self.tills.by_cash) if contracts_paid or paid_in - {cash}
        )

    def _unpaid(self, before: Mapping[tuple[str, str], int]) -> list[tuple[str, str, int, int]]:
        """Return (institution, cash, due, unpaid) of today, also of those for whom another was to pay."""
        left: dict[tuple[str, str], int] = {}
        for cash in sorted(self.tills.by_cash):
            for name, standing in self.tills.standings(cash).items():
                left[name, cash] = standing.due
            for ask in self.tills.due(cash):
                if ask.through:
                    key = (ask.through, cash)
                    left[key] = left.get(key, 0) + ask.cash_for(ask.units)
        for ask in self.at_contracts.unpaid():
            for name in sorted({ask.obligor, ask.owed_by}):
                left[name, ask.cash] = left.get((name, ask.cash), 0) + ask.cash_for(ask.units)
        paid = self.tills.paid_cash
        return [
            (*key, paid.get(key, 0) - before.get(key, 0) + units, units)
            for key, units in sorted(left.items())
        ]

    def _pass_time(self, day: int) -> None:
        for receipt in self.ground.begin(day):
            self.defaulted += sum(name == "defaulted" for _, name, _ in receipt.events)

    def _script(self, day: int) -> None:
        for call in self.scenario.calls:
            if call.day != day:
                continue
            outcome = self.ground.do(
                call.account,
                tx.Call(
                    account=call.account,
                    contract=call.contract,
                    method=call.method,
                    arguments=msgspec.Raw(msgspec.json.encode(to_wire(dict(call.arguments)))),
                    spend=tuple(sorted(call.spend.items())),
                ),
            )
            told = outcome.code.value if isinstance(outcome, Rejection) else "done"
            self.scripted.append((day, f"{call.contract}.{call.method}", told))

    def _ask(self, day: int) -> None:
        path = self.scenario.withdraw_ppm
        if day >= len(path) or not path[day]:
            return
        before, after = sum(path[:day]), sum(path[: day + 1])
        for claim, holder, units in self._start:
            runs = units * self.scenario.run_off_ppm.get(claim, PPM) // PPM
            wanted = runs * after // PPM - runs * before // PPM
            if wanted:
                self.tills.ask(claim, holder, wanted)

    def _find_cash(self, day: int) -> None:
        """Let whoever is short take one step after another until nobody's step changes anything."""
        for round_ in range(ROUNDS_MAX):
            changed = self.at_contracts.at_once()
            for name, cash, short in self._shortages():
                for one in (name, *self._who_relies_on(name, cash)):
                    self._short_since.setdefault(one, (day, round_))
                if cash:
                    changed = self.raiser.raise_cash(name, cash, short) or changed
            if not changed:
                self.tills.file()
                return

    def _shortages(self) -> Iterator[tuple[str, str, int]]:
        """Yield (institution, cash, units) of what each lacks for what is due now."""
        for cash in sorted(self.tills.by_cash):
            for name, standing in self.tills.standings(cash).items():
                if standing.due > standing.paid:
                    yield name, cash, standing.due - standing.paid
        yield from self.at_contracts.needs()

    def _who_relies_on(self, name: str, cash: str) -> list[str]:
        """Return whose claims the institution is to pay in place of them."""
        # Of the few claims that contracts issued: this is asked of each that is short, in every round.
        return sorted(
            {
                ask.through
                for ask in self.tills.by_contract
                if ask.through and (ask.obligor, ask.cash) == (name, cash) and self.tills.is_due(ask)
            }
        )

    def _note_failures(self, day: int, unpaid: list[tuple[str, str, int, int]]) -> None:
        failing = [row for row in unpaid if row[3]]
        short = {(name, cash) for name, cash, _, _ in failing}
        for ask in self.tills.asks:
            if ask.units and ask.due <= self.ground.now:
                for name in (ask.obligor, ask.owed_by):
                    if (name, ask.cash) in short:
                        self._first_failing.setdefault((name, ask.unit), day)
        new = sorted(
            (row for row in failing if row[0] not in self.failures),
            key=lambda row: (self._short_since.get(row[0], (day, ROUNDS_MAX)), row[0], row[1]),
        )
        if not new:
            return
        owed_to: dict[str, list[Ask]] = {}
        for ask in self.tills.asks:
            if ask.units and ask.due <= self.ground.now:
                owed_to.setdefault(self.books.institution_of(ask.holder), []).append(ask)
                if ask.through:
                    owed_to.setdefault(ask.through, []).append(ask)
        for name, cash, due, left in new:
            if name not in self.failures:
                owed = owed_to.get(name, [])
                # What nothing pays may be of several units, which do not add up: `losses` says it by unit.
                due_told, unpaid_told = (due, left) if cash else (0, 0)
                self.failures[name] = self._failure(
                    name, day, cash, due=due_told, unpaid=unpaid_told, owed_and_due=owed
                )

    def _failure(
        self, name: str, day: int, cash: str, *, due: int, unpaid: int, owed_and_due: list[Ask]
    ) -> Failure:
        missing = sum(ask.cash_for(ask.units) for ask in owed_and_due if ask.cash == cash)
        because_of = tuple(sorted({ask.obligor for ask in owed_and_due}))
        left, unpriced = self._left(name, cash, owed_and_due)
        if not cash:
            cause = "no_cash"
        elif because_of and missing >= unpaid:
            cause = "contagion"
        else:
            cause = "illiquid" if left > unpaid else "insolvent"
        order = len(self.failures) + 1
        return Failure(name, day, order, cash, due, due - unpaid, cause, because_of, left, unpriced)

    def _left(self, name: str, cash: str, bad: list[Ask]) -> tuple[int, tuple[str, ...]]:
        """Return what an institution still has, priced in cash, and what of it has no price.

        What it owes to the lender of last resort is taken off: its collateral is still there, and pledged.
        """
        if not cash:
            return 0, ()
        lost: dict[tuple[str, str], int] = {}
        for ask in bad:
            # Of what another was to pay, the obligor loses what it has of that other's claim.
            backs = ask.backs if ask.through == name else ask.claim
            lost[ask.holder, backs] = lost.get((ask.holder, backs), 0) + ask.units
        units_of: dict[str, int] = {}
        for account in self.books.accounts_of(name):
            for holding in holdings_of(self.books, account)[0]:
                own = self.books.asset(holding.asset).obligor == name
                if not (holding.owed or own):
                    units_of[holding.asset] = units_of.get(holding.asset, 0) + holding.units
        for (_, claim), units in lost.items():
            units_of[claim] = units_of.get(claim, 0) - units
        total, unpriced = 0, []
        for asset, units in sorted(units_of.items()):
            worth = self.raiser.value_in(asset, units, cash) if units > 0 else 0
            if worth is None:
                unpriced.append(asset)
            else:
                total += worth
        owed = self.raiser.last_resort.owed(name, cash) if self.raiser.last_resort is not None else 0
        return max(0, total - owed), tuple(unpriced)

    def _next_day(self, day: int) -> int | None:
        """Return the next day on which something can happen, or None."""
        path, horizon = self.scenario.withdraw_ppm, self.scenario.horizon_days
        days = [later for later in range(day + 1, len(path)) if path[later]]
        days += [call.day for call in self.scenario.calls if call.day > day]
        days += [shock.day for shock in self.scenario.shocks if shock.day > day]
        now = self.ground.now
        for ask in self.tills.asks:
            if ask.units and ask.due > now:
                days.append(self._day_of(ask.due))
            if ask.lot and ask.redemption is not None and ask.units:
                days += [self._day_of(at) for at in (ask.redemption.opens, ask.redemption.ends) if at > now]
        ahead = [one for one in days if one < horizon]
        return max(day + 1, min(ahead)) if ahead else None

    def _day_of(self, time: int) -> int:
        """Return the first day that begins at that time or after it."""
        return -(-(time - self.ground.start) // DAY_US)

    # The end.

    def _outcome(self, state_root: str) -> Outcome:
        now = self.ground.now
        by_holder: dict[tuple[str, str, str], list[Ask]] = {}
        for ask in self.tills.asks:
            by_holder.setdefault((ask.owed_by, ask.claim, ask.holder), []).append(ask)
        claims = tuple(_claimed(by_holder[key], now=now) for key in sorted(by_holder))
        last_resort = self.raiser.last_resort
        return Outcome(
            state_root=state_root,
            scenario_hash=self.scenario.hash,
            days=self.scenario.horizon_days,
            claims=claims,
            failures=tuple(self.failures.values()),
            survival=self._survival(),
            losses=_losses(claims, self.books),
            sales=tuple(self.raiser.sales),
            loans=tuple(last_resort.loans) if last_resort is not None else (),
            facilities=tuple(sorted(last_resort.facilities.items())) if last_resort is not None else (),
            left=tuple(self.raiser.left),
            left_out=tuple(sorted({*self.tills.left_out, *self._refused()})),
            redeemed=tuple(
                Redeemed(one.obligor, one.claim, one.how, len(one.holders), one.units, one.asset, one.got)
                for _, one in sorted(self.tills.redeemed.items())
            ),
            set_off=tuple(sorted(self.tills.set_off_units.items())),
            scripted=tuple(self.scripted),
            transactions=self.ground.transactions,
            refused=self.ground.refused,
            defaulted=self.defaulted,
        )

    def _refused(self) -> Iterator[tuple[str, str, int, str]]:
        """Yield (holder, claim, units, why) of what contracts refused to take back until the end."""
        for ask in self.tills.by_contract:
            if ask.units and ask.refused:
                yield ask.holder, ask.claim, ask.units, f"refused by its contract's calls: {ask.refused}"

    def _survival(self) -> tuple[Survival, ...]:
        asked: dict[tuple[str, str], int] = {}
        paid: dict[tuple[str, str], int] = {}
        now = self.ground.now
        for ask in self.tills.asks:
            overdue = ask.cash_for(ask.units) if ask.due <= now else 0
            for name in {ask.obligor, ask.owed_by}:
                key = (name, ask.unit)
                paid[key] = paid.get(key, 0) + ask.got
                asked[key] = asked.get(key, 0) + ask.got + overdue
        return tuple(
            Survival(*key, self._first_failing.get(key), asked[key], paid[key]) for key in sorted(asked)
        )


def _claimed(asks: list[Ask], *, now: int) -> Claimed:
    """Return what came of all that one holder asked of one claim."""
    first = asks[0]
    payments: dict[int, int] = {}
    for ask in asks:
        for day, units in ask.payments:
            payments[day] = payments.get(day, 0) + units
    return Claimed(
        claim=first.claim,
        holder=first.holder,
        obligor=first.owed_by,
        payer=first.obligor,
        cash=first.cash,
        unit=first.unit,
        asked=sum(ask.asked for ask in asks),
        paid=sum(ask.paid for ask in asks),
        got=sum(ask.got for ask in asks),
        unpaid=sum(ask.units for ask in asks if ask.due <= now),
        unpaid_cash=sum(ask.cash_for(ask.units) for ask in asks if ask.due <= now),
        waits=sum(ask.units for ask in asks if ask.due > now),
        payments=tuple(sorted(payments.items())),
        refused=next((ask.refused for ask in asks if ask.refused), ""),
    )


def _losses(claims: tuple[Claimed, ...], books: Books) -> tuple[tuple[str, str, str, int], ...]:
    """Return what was due and not paid, by creditor: its institution where it has one."""
    found: dict[tuple[str, str, str], int] = {}
    for one in claims:
        if one.unpaid_cash:
            creditor = books.institution_of(one.holder) or one.holder
            chain = [(creditor, one.obligor)]
            if one.payer != one.obligor:
                chain.append((one.obligor, one.payer))
            for owed_to, owed_by in chain:
                key = (owed_to, owed_by, one.unit)
                found[key] = found.get(key, 0) + one.unpaid_cash
    return tuple(sorted((*key, units) for key, units in found.items()))
