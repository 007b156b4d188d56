"""The city: a world of institutions, on which what they have, owe and cover is shown.

central-bank   cb: issues reserve@cb, owed in EUR; alder has 500.00 of it, birch 300.00
alder-bank     alder, alder.desk: issues deposits eur@alder (owed in reserves on demand), a note note@alder
               (EUR, matures in a year, subordinated) and the token perk@alder
birch-bank     birch: issues deposits eur@birch
vault-co       vault: issues gold@vault, a custody receipt that owes GOLD-GRAM
alice, bob     people; alice has 200.00 eur@alder and 1.00 note@alder, bob 100.00 eur@birch
till           a contract of the tests (`Till`): what its customers lent it and borrowed from it
"""

from typing import Any, ClassVar

from tallystick.institutions.books import Books
from tallystick.institutions.views import Views, replay
from tallystick.ledger import transactions as tx
from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract, Exit, Position, Record, Table, method, view
from tallystick.ledger.receipts import Receipt, read_receipt
from tallystick.ledger.records import Terms
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS
from tests.ledger.world import DAY, SECOND, World, create, deploy, issue

RESERVE, ALDER, BIRCH = "reserve@cb", "eur@alder", "eur@birch"
NOTE, PERK, GOLD = "note@alder", "perk@alder", "gold@vault"
YEAR = 365 * DAY


class TillParameters(Record, frozen=True):
    asset: str


class Till(Contract):
    """Customers put an asset in and borrow it again; what they owe stands beside what they have."""

    kind = "till"
    version = 1
    Parameters = TillParameters
    tables: ClassVar = {"lent": Table(key=(str,), value=int), "owed": Table(key=(str,), value=int)}

    @method
    def lend(self, ctx: CallContext, units: int) -> None:
        ctx.take(ctx.params.asset, units)
        ctx.put("lent", ctx.caller, value=(ctx.get("lent", ctx.caller) or 0) + units)

    @method
    def borrow(self, ctx: CallContext, units: int) -> None:
        ctx.put("owed", ctx.caller, value=(ctx.get("owed", ctx.caller) or 0) + units)
        ctx.pay(ctx.caller, ctx.params.asset, units)

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        lent, owed = ctx.get("lent", account) or 0, ctx.get("owed", account) or 0
        found = [Position(ctx.params.asset, lent, note="lent")] if lent else []
        return [*found, Position(ctx.params.asset, owed, owed=True, note="borrowed")] if owed else found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        lent, owed = ctx.get("lent", account) or 0, ctx.get("owed", account) or 0
        now = max(0, min(lent - 2 * owed, ctx.balance(ctx.params.asset)))
        return [Exit("withdraw", {}, ctx.params.asset, now, lent - now)] if lent else []


CITY_KINDS = Kinds(
    contracts={**KINDS.contracts, ("till", 1): Till()}, policies=KINDS.policies, versions=KINDS.versions
)


class City(World):
    """A world with the institutions above."""

    def __init__(self) -> None:
        super().__init__(kinds=CITY_KINDS, check_signatures=False)
        self.open("cb", "alder", "alder.desk", "birch", "vault", "alice", "bob")
        for account, name, *roles in (
            ("cb", "central-bank", "central_bank"),
            ("alder", "alder-bank", "bank", "issuer"),
            ("birch", "birch-bank", "bank"),
            ("vault", "vault-co", "custodian"),
        ):
            self.do(account, tx.FoundInstitution(account=account, name=name, roles=tuple(roles)))
        self.join("alder.desk", "alder-bank", founder="alder")
        self.claim("cb", "reserve", "central-bank", Terms(owes="EUR"))
        self.claim("alder", "eur", "alder-bank", Terms(owes=RESERVE))
        self.claim("birch", "eur", "birch-bank", Terms(owes=RESERVE))
        matures = self.time + YEAR * SECOND
        self.claim("alder", "note", "alder-bank", Terms(owes="EUR", matures=matures, rank="subordinated"))
        self.claim("vault", "gold", "vault-co", Terms(owes="GOLD-GRAM"), decimals=3)
        self.do("alder", create("alder", "perk"))
        self.do("cb", issue("cb", (RESERVE, "alder", 50_000), (RESERVE, "birch", 30_000)))
        self.do("alder", issue("alder", (ALDER, "alice", 20_000), (NOTE, "alice", 100)))
        self.do("birch", issue("birch", (BIRCH, "bob", 10_000)))
        self.do("alice", deploy("alice", "till", "till", asset=ALDER))

    def join(self, account: str, institution: str, *, founder: str) -> None:
        action = tx.JoinInstitution(account=account, institution=institution)
        self.do(account, action, signers=[*self.signers_of(account), *self.signers_of(founder)])

    def claim(self, account: str, code: str, obligor: str, terms: Terms, **more: Any) -> None:
        """Create a claim; its obligor's founder signs as well."""
        founder = self.get("institution", obligor).founder
        signers = {one.public_key: one for name in (account, founder) for one in self.signers_of(name)}
        action = create(account, code, **({"decimals": 2} | more), kind="claim", obligor=obligor, terms=terms)
        self.do(account, action, signers=signers.values())

    def declare(self, founder: str, institution: str, *related: str) -> None:
        record = self.get("institution", institution)
        self.do(
            founder,
            tx.DeclareInstitution(
                account=founder, institution=institution, roles=record.roles, related=related
            ),
        )

    @property
    def books(self) -> Books:
        """The books of the state as it is."""
        return Books(self.store, self.kinds)

    @property
    def receipts(self) -> list[Receipt]:
        """Every receipt of the history, in order."""
        return [read_receipt(entry.receipt) for entry in self.entries]

    @property
    def views(self) -> Views:
        """Coverage and licences, from the whole history."""
        return replay(iter(self.receipts), self.store.get)
