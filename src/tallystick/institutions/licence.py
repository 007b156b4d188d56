"""Licences: what an institution's behaviour needs, computed from its postings, naming the one that says so.

    licences.follow(receipt)           ->  flags: something that its registered roles do not cover
    licences.needs("alder-bank")       ->  which licence, since which posting, and why

What a party may do follows from what it does, not from what it calls itself:

    payment_institution  it owes others money on demand
    bank                 it does that, and holds less money than it so owes because it lent, bought or paid it
                         away; or it makes money against something that is none (a loan that makes a deposit)
    custodian            it owes others a thing that is no money, or a venue keeps what clients pay in
    venue                it makes others' assets change hands against each other
    dealer               it buys a thing from one customer and sells it to another, out of its own accounts

Money is a claim that comes to a currency (three capital letters, as in ISO 4217) on demand. Customers are
parties: what is traded with code is traded with nobody. A licence once needed stays needed. The view is
evidence and not a verdict: it names the posting, and a lawyer reads the law.

Sources: Directive (EU) 2015/2366 (PSD2), Articles 4, 10 and 18: payment services, safeguarding, no deposits;
Regulation (EU) No 575/2013 (CRR), Article 4(1)(1): deposits taken and credit granted; Directive 2014/65/EU
(MiFID II), Article 4(1)(6) dealing on own account, (21) and (22) trading venues, Annex I B(1) safekeeping.
"""

from dataclasses import dataclass, field

from tallystick.institutions.coverage import Coverage
from tallystick.institutions.watch import Watch, is_currency
from tallystick.ledger.amounts import mul_div_down, mul_div_up
from tallystick.ledger.receipts import Receipt

PAYMENT_INSTITUTION, BANK, CUSTODIAN = "payment_institution", "bank", "custodian"
VENUE, DEALER = "venue", "dealer"

COVERED_BY: dict[str, frozenset[str]] = {
    PAYMENT_INSTITUTION: frozenset({"issuer", "bank", "central_bank"}),
    BANK: frozenset({"bank", "central_bank"}),
    CUSTODIAN: frozenset({"custodian", "bank"}),
    VENUE: frozenset({"venue", "clearing_house"}),
    DEALER: frozenset({"dealer", "bank", "broker"}),
}
"""The registered roles of which one covers each licence."""

LICENCE_MISSING = "licence_missing"
"""An institution does what none of its roles covers."""
VENUE_HOLDS_CLIENT_ASSETS = "venue_holds_client_assets"
"""A venue that is no custodian began to hold what belongs to its clients."""
FLOAT_INVESTED = "payment_institution_invests_float"
"""A payment institution that is no bank no longer holds the money that it owes."""


@dataclass(frozen=True, slots=True)
class Need:
    """A licence that an institution needs since posting `n` of entry `index`, and why.

    `is_covered` tells whether a role that it had registered by then covers it.
    """

    institution: str
    licence: str
    index: int
    n: int
    account: str
    asset: str
    units: int
    why: str
    is_covered: bool


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that somebody should look at: `code`, and the need whose posting it names."""

    code: str
    need: Need


@dataclass(slots=True)
class _Moves:
    """What one entry did to one institution: its own assets, what others hold of its claims, and where."""

    own: dict[str, int] = field(default_factory=dict)
    issued: dict[str, int] = field(default_factory=dict)
    places: dict[tuple[str, bool], int] = field(default_factory=dict)
    """The first posting by (asset, whether it is of an own account)."""


class Licences:
    """What each institution's behaviour needs. Feed it every receipt after `coverage` followed it."""

    def __init__(self, watch: Watch, coverage: Coverage) -> None:
        self.watch = watch
        self.coverage = coverage
        self.flags: list[Flag] = []
        self._needs: dict[tuple[str, str], Need] = {}
        self._traded: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
        """Whom each institution bought an asset from, and whom it sold it to."""
        self._flagged: set[tuple[str, str]] = set()

    def needs(self, institution: str) -> list[Need]:
        """Return the licences that an institution's behaviour needs, the oldest first."""
        found = [need for (name, _), need in self._needs.items() if name == institution]
        return sorted(found, key=lambda need: (need.index, need.n, need.licence))

    def follow(self, receipt: Receipt) -> list[Flag]:
        """Take in one entry; return what it flags."""
        moves: dict[str, _Moves] = {}
        others: dict[str, dict[str, int]] = {}
        for n, (account, asset, change, _) in enumerate(receipt.postings):
            owner = self.watch.find(account)
            obligor = self.watch.claims.get(asset, "")
            issuing = account == asset.partition("@")[2]
            if issuing or (owner and owner == obligor):
                # Issuing, and an own account's dealings in own claims: what others hold of them changes.
                if obligor:
                    _note(moves.setdefault(obligor, _Moves()), asset, -change, own=False, n=n)
                continue
            if owner:
                _note(moves.setdefault(owner, _Moves()), asset, change, own=True, n=n)
            changes = others.setdefault(account, {})
            changes[asset] = changes.get(asset, 0) + change
        sender = self.watch.owners.get(receipt.sender, "") if receipt.sender else ""
        if not moves and not sender:
            return []
        found: list[Flag] = []
        for institution in sorted({*moves, sender} - {""}):
            mine = moves.get(institution, _Moves())
            strangers = {
                account: changes
                for account, changes in others.items()
                if self.watch.find(account) != institution
            }
            found += self._judge(receipt, institution, mine, strangers)
        self.flags += found
        return found

    def _judge(
        self, receipt: Receipt, institution: str, moves: _Moves, strangers: dict[str, dict[str, int]]
    ) -> list[Flag]:
        found: list[Flag] = []
        for claim, units in moves.issued.items():
            if units <= 0:
                continue
            if self.watch.is_money(claim):
                why = f"it owes others {claim}, which is money on demand"
                found += self._need(receipt, institution, PAYMENT_INSTITUTION, claim=claim, why=why)
            elif self._is_thing(claim):
                why = f"it owes others {claim}, which comes to a thing and not to money"
                found += self._need(receipt, institution, CUSTODIAN, claim=claim, why=why)
        found += self._judge_float(receipt, institution, moves)
        parties = {account: them for account, them in strangers.items() if not self.watch.is_code(account)}
        if self.watch.owners.get(receipt.sender, "") == institution:
            found += self._judge_venue(receipt, institution, moves, parties)
        found += self._judge_client_assets(receipt, institution, moves, parties)
        found += self._judge_dealer(receipt, institution, moves, parties)
        return found

    # Banks.

    def _judge_float(self, receipt: Receipt, institution: str, moves: _Moves) -> list[Flag]:
        """Look for money made against what is none, and for money owed that is no longer held."""
        made = [claim for claim, units in moves.issued.items() if units > 0 and self.watch.is_money(claim)]
        got = [asset for asset, units in moves.own.items() if units > 0 and not self.watch.is_money(asset)]
        if made and got:
            why = f"it made {made[0]} against {got[0]}, which is no money"
            return self._need_at(receipt, institution, BANK, n=moves.places[got[0], True], why=why)
        spent = [asset for asset, units in moves.own.items() if units < 0 and self.watch.is_money(asset)]
        for asset in spent:
            currency = self.watch.end(asset).thing
            out = -sum(self._worth(name, units, currency) for name, units in moves.own.items())
            redeemed = -sum(self._worth(name, units, currency) for name, units in moves.issued.items())
            owed, held = self._money(institution, currency)
            if out > max(redeemed, 0) and owed > held:
                why = (
                    f"it owes {owed} {currency} on demand and holds {held} after paying out {out - redeemed}"
                )
                return self._need_at(receipt, institution, BANK, n=moves.places[asset, True], why=why)
        return []

    def _worth(self, asset: str, units: int, currency: str) -> int:
        """Return what a change of units is in the currency, if it is money in it."""
        if not self.watch.is_money(asset):
            return 0
        end = self.watch.end(asset)
        return mul_div_down(units, end.numerator, end.denominator) if end.thing == currency else 0

    def _money(self, institution: str, currency: str) -> tuple[int, int]:
        """Return how much money of a currency the institution owes others, and how much it holds."""
        owed = 0
        for claim in self.watch.claims_on.get(institution, ()):
            if self.watch.is_money(claim):
                end = self.watch.end(claim)
                if end.thing == currency:
                    owed += mul_div_up(self.coverage.owed(claim), end.numerator, end.denominator)
        held = sum(
            self._worth(asset, units, currency) for asset, units in self.coverage.held(institution).items()
        )
        return owed, held

    # Venues, custodians, dealers.

    def _judge_venue(
        self, receipt: Receipt, institution: str, moves: _Moves, parties: dict[str, dict[str, int]]
    ) -> list[Flag]:
        """Look for two others whose assets change hands by a transaction that the institution sent."""
        for account in sorted(parties):
            gave = {asset for asset, units in parties[account].items() if units < 0}
            got = {asset for asset, units in parties[account].items() if units > 0}
            for other in sorted(parties):
                if other == account or not (gave and got):
                    continue
                theirs = parties[other]
                if any(theirs.get(asset, 0) > 0 for asset in gave) and any(
                    theirs.get(asset, 0) < 0 for asset in got
                ):
                    n = _first(receipt, account)
                    why = f"it made {account} and {other} trade {min(gave)} for {min(got)}"
                    return self._need_at(receipt, institution, VENUE, n=n, why=why)
        return []

    def _judge_client_assets(
        self, receipt: Receipt, institution: str, moves: _Moves, parties: dict[str, dict[str, int]]
    ) -> list[Flag]:
        """Look for a venue that keeps what a client paid in, or that owes clients anything."""
        if "venue" not in self.watch.roles.get(institution, ()) and (institution, VENUE) not in self._needs:
            return []
        owes = next((claim for claim, units in moves.issued.items() if units > 0), None)
        if owes is not None:
            why = f"a venue owes a client {owes}"
            found = self._need_at(receipt, institution, CUSTODIAN, n=moves.places[owes, False], why=why)
            return [*found, *self._flag(institution, VENUE_HOLDS_CLIENT_ASSETS, CUSTODIAN)]
        gained = [asset for asset, units in moves.own.items() if units > 0]
        given = [asset for asset, units in moves.own.items() if units < 0]
        payers = [
            account for account, them in sorted(parties.items()) if all(units < 0 for units in them.values())
        ]
        if gained and not given and not moves.issued and payers and receipt.sender in payers:
            why = f"{payers[0]} paid {gained[0]} in to a venue, which gave nothing for it"
            found = self._need_at(receipt, institution, CUSTODIAN, n=moves.places[gained[0], True], why=why)
            return [*found, *self._flag(institution, VENUE_HOLDS_CLIENT_ASSETS, CUSTODIAN)]
        return []

    def _judge_dealer(
        self, receipt: Receipt, institution: str, moves: _Moves, parties: dict[str, dict[str, int]]
    ) -> list[Flag]:
        """Look for a thing bought from one customer and sold to another."""
        gained = {asset for asset, units in moves.own.items() if units > 0}
        given = {asset for asset, units in moves.own.items() if units < 0}
        paid = given | {claim for claim, units in moves.issued.items() if units > 0}
        earned = gained | {claim for claim, units in moves.issued.items() if units < 0}
        found: list[Flag] = []
        for asset in sorted(gained | given):
            if self.watch.is_money(asset) or not (paid - {asset} if asset in gained else earned - {asset}):
                continue
            bought, sold = self._traded.setdefault((institution, asset), (set(), set()))
            for account, them in parties.items():
                if them.get(asset, 0) < 0 and asset in gained:
                    bought.add(account)
                elif them.get(asset, 0) > 0 and asset in given:
                    sold.add(account)
            if bought and sold and len(bought | sold) > 1:
                why = f"it bought {asset} of {min(bought)} and sold it to {min(sold - {min(bought)} or sold)}"
                found += self._need_at(receipt, institution, DEALER, n=moves.places[asset, True], why=why)
        return found

    # What is needed.

    def _need(self, receipt: Receipt, institution: str, licence: str, *, claim: str, why: str) -> list[Flag]:
        """Note a need at the posting by which somebody else got the claim."""
        for n, (account, asset, change, _) in enumerate(receipt.postings):
            if asset == claim and change > 0 and self.watch.find(account) != institution:
                return self._need_at(receipt, institution, licence, n=n, why=why)
        return []

    def _need_at(self, receipt: Receipt, institution: str, licence: str, *, n: int, why: str) -> list[Flag]:
        if (institution, licence) in self._needs:
            return []
        account, asset, units, _ = receipt.postings[n]
        roles = self.watch.roles.get(institution, ())
        covered = not COVERED_BY[licence].isdisjoint(roles)
        need = Need(institution, licence, receipt.index, n, account, asset, units, why, covered)
        self._needs[institution, licence] = need
        if covered:
            return []
        flags = [Flag(LICENCE_MISSING, need)]
        if licence == BANK and (institution, PAYMENT_INSTITUTION) in self._needs:
            flags += self._flag(institution, FLOAT_INVESTED, BANK)
        return flags

    def _flag(self, institution: str, code: str, licence: str) -> list[Flag]:
        need = self._needs[institution, licence]
        if need.is_covered or (institution, code) in self._flagged:
            return []
        self._flagged.add((institution, code))
        return [Flag(code, need)]

    def _is_thing(self, claim: str) -> bool:
        return not is_currency(self.watch.end(claim).thing)


def _note(one: _Moves, asset: str, change: int, *, own: bool, n: int) -> None:
    changes = one.own if own else one.issued
    changes[asset] = changes.get(asset, 0) + change
    one.places.setdefault((asset, own), n)


def _first(receipt: Receipt, account: str) -> int:
    return next(n for n, posting in enumerate(receipt.postings) if posting[0] == account)
