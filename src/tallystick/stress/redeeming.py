"""Redeeming by contract: how a claim is asked for and paid whose issuer is code.

    how = Redeeming(ground).how("coin@stable", "alice", 200)    the calls by which alice is paid, or None

A contract that issues claims in an obligor's name says itself how they are redeemed (`redemptions`, of
`ledger.redemptions`), and a run makes those very calls. There are three ways:

    apart     another party pays what it owes by another claim, and completes the request with that: the
              custodian of a coin. It is the debtor then, and a run on the coin is a run on it.
    at_once   the holder's call pays by itself, from what lies in the contract or in newly made tokens
    window    the request waits until another party completes it out of its own account: a fund's custodian

Nothing here runs anything: `tills` asks and pays apart, `at_contracts` does the other two.
"""

from typing import Final, Literal

import msgspec

from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import to_wire
from tallystick.ledger.redemptions import Redemption, Step
from tallystick.ledger.rejections import Rejection
from tallystick.stress.ground import Ground

Way = Literal["", "apart", "at_once", "window"]
"""How a claim is paid; nothing: by its issuer, who signs."""
UNTOLD: Final = "its contract does not say how it is redeemed"


class Redeeming:
    """What contracts say of the claims that they issued, on a fork as it stands."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def how(self, claim: str, holder: str, units: int) -> Redemption | None:
        """Return how so many units would be redeemed now; None where the contract does not say."""
        told = self._ask(self.ground.books.asset(claim).issuer, account=holder, claim=claim, units=units)
        return next((one for one in told if one.claim == claim and one.ask is not None), None)

    def under_way(self, claim: str, *holders: str) -> list[Redemption]:
        """Return the requests that were made and are still open, by holder; of all where none is named."""
        contract = self.ground.books.asset(claim).issuer
        return [
            one
            for name in holders or self.ground.books.names_in(contract)
            for one in self._ask(contract, account=name)
            if one.claim == claim and one.ask is None
        ]

    def _ask(self, contract: str, **arguments: str | int) -> list[Redemption]:
        books = self.ground.books
        instance = books.instance(contract)
        if "redemptions" not in books.kinds.contracts[instance.kind, instance.version].methods:
            return []
        try:
            found: list[Redemption] = books.ask(contract, "redemptions", **arguments)
        except Rejection:
            return []
        return found

    def way(self, redemption: Redemption) -> Way:
        """Return how it is paid. What the payer owes by a claim that it issues itself is paid apart."""
        if redemption.complete is None:
            return "at_once"
        if not redemption.owes:
            return "window"
        owed = self.ground.books.asset(redemption.owes)
        return "apart" if owed.terms is not None and self.ground.can_sign(owed.issuer) else "at_once"


def call_of(claim: str, step: Step) -> tx.Call:
    """Return the call that makes a step of the contract that issued a claim."""
    return tx.Call(
        account=step.account,
        contract=claim.partition("@")[2],
        method=step.method,
        arguments=msgspec.Raw(msgspec.json.encode(to_wire(step.arguments))),
        spend=tuple((asset, str(units)) for asset, units in sorted(step.spend.items()) if units),
    )
