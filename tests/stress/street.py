"""A street: the city of the institutions' tests, in which banks owe each other and people run.

alder-bank has 500.00 in reserves and owes alice 200.00, birch-bank has 300.00 and owes bob 100.00, all on
demand and payable in reserves.
"""

from typing import Any

from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Terms
from tallystick.stress.drill import Drill, run_drill
from tallystick.stress.outcome import Outcome
from tallystick.stress.scenario import Scenario, everybody_withdraws, read_scenario
from tests.institutions.basket import Market
from tests.institutions.city import ALDER, BIRCH, PERK, RESERVE
from tests.ledger.world import call, deploy, issue, transfer


class Street(Market):
    """The city, and drills on it."""

    def deposit(self, bank: str, holder: str, units: int) -> None:
        self.do(bank, issue(bank, (f"eur@{bank}", holder, units)))

    def drain(self, bank: str, units: int) -> None:
        """Move reserves of a bank's out of sight."""
        self.do(bank, transfer(bank, (RESERVE, "vault", units)))

    def drill(self, scenario: Scenario | dict[str, Any] | str = "alder-bank", **more: Any) -> Outcome:
        """Run a drill and check that the state stayed as it was."""
        if isinstance(scenario, str):
            scenario = everybody_withdraws(scenario, **more)
        elif isinstance(scenario, dict):
            scenario = read_scenario(scenario)
        before = dict(self.store.values)
        outcome = run_drill(self.store, self.kinds, scenario, index=self.index)
        assert self.store.values == before
        return outcome

    def drilled(self, scenario: Scenario) -> Drill:
        """Run a drill and return it with its fork."""
        drill = Drill(self.store, self.kinds, scenario, index=self.index)
        drill.run()
        return drill

    def pool(self, units_0: int, units_1: int, *, asset: str = PERK) -> None:
        """A pool of an asset against reserves, which alder and birch can sell into."""
        self.do("cb", issue("cb", (RESERVE, "alice", units_0)))
        issuer = asset.partition("@")[2]
        self.do(issuer, issue(issuer, (asset, "alice", units_1)))
        self.do("alice", deploy("alice", "pool", "constant_product_pool", asset_0=RESERVE, asset_1=asset))
        spend = [(RESERVE, units_0), (asset, units_1)]
        self.do("alice", call("alice", "pool", "mint", units_0=units_0, units_1=units_1, spend=spend))

    def bank(self, name: str, *, reserves: int) -> None:
        """One more bank, whose institution has its account's name, with deposits that pay in reserves."""
        self.open(name)
        self.do(name, tx.FoundInstitution(account=name, name=name, roles=("bank",)))
        self.claim(name, "eur", name, Terms(owes=RESERVE))
        if reserves:
            self.do("cb", issue("cb", (RESERVE, name, reserves)))


def paid(outcome: Outcome) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (asked, paid) by (claim, holder)."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for one in outcome.claims:
        asked, got = found.get((one.claim, one.holder), (0, 0))
        found[one.claim, one.holder] = (asked + one.asked, got + one.paid)
    return found


__all__ = ["ALDER", "BIRCH", "PERK", "RESERVE", "Street", "paid"]
