"""The town: a small world with one of everything, on which single refusals and attacks are shown.

bank      founded `bank-inc` and issues the claim eur@bank (owes EUR, a day's grace); alice has 100
carol     issues the token gold@carol, policed by herself (posting_max 50) and clawed back by herself;
          alice has 40
p, q      puppets, deployed by alice
agent     an account whose key alice's mandates name
"""

from typing import Any

from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Cap, Limits, PolicySpec, Terms
from tests.ledger.puppet import Step, puppet_kinds
from tests.ledger.world import DAY, SECOND, World, call, create, deploy, issue, key

EUR = "eur@bank"
GOLD = "gold@carol"


class Town(World):
    """A world with the accounts, assets and puppets above."""

    def __init__(self, *, limits: Limits | None = None, versions: tuple[int, ...] = (1,)) -> None:
        super().__init__(kinds=puppet_kinds(versions=frozenset(versions)), limits=limits)
        for name in ("alice", "bob", "carol", "bank", "agent"):
            self.open(name)
        self.do("bank", tx.FoundInstitution(account="bank", name="bank-inc", roles=("bank",)))
        self.do(
            "bank",
            create("bank", "eur", kind="claim", decimals=2, obligor="bank-inc", terms=Terms(owes="EUR")),
        )
        self.do("bank", issue("bank", (EUR, "alice", 100)))
        policy = PolicySpec(
            kind="controlled", rules={"posting_max": "50"}, lists_by="carol", rules_by="carol"
        )
        self.do("carol", create("carol", "gold", policy=policy, claw_back_by="carol"))
        self.do("carol", issue("carol", (GOLD, "alice", 40)))
        self.do("alice", deploy("alice", "p", "puppet"))
        self.do("alice", deploy("alice", "q", "puppet"))

    def seal(self, sender: str, *actions: tx.Action, **more: Any) -> bytes:
        """Return a signed envelope of one transaction."""
        signers = more.pop("signers", None)
        return self.envelope(self.transaction(sender, actions, **more), signers)

    def later(self, seconds: int) -> int:
        """Return the time that many seconds from now."""
        return self.time + seconds * SECOND


def play(
    *steps: Step, contract: str = "p", method: str = "run", account: str = "alice", **more: Any
) -> tx.Call:
    """Return alice's call that makes a puppet play the steps."""
    return call(account, contract, method, steps=list(steps), **more)


def grant(town: World, name: str = "allowance", **more: Any) -> tx.GrantMandate:
    """Return alice's mandate for the agent: 30 EUR a day, 20 a payment, to bob, and `run` of p."""
    fields = {
        "key": key("agent"),
        "expires": town.time + 2 * DAY * SECOND,
        "caps": (Cap(EUR, per_period="30", per_payment="20", period_seconds=DAY),),
        "recipients": ("bob",),
        "contracts": (("p", ("run",)),),
    }
    return tx.GrantMandate(account="alice", name=name, **(fields | more))
