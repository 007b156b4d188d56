"""The ledger again, as plainly as it can be written: dictionaries, copied before each transaction.

It shares no code and no idea with the real one: what is held is added up anew from the open holds and
redemptions whenever somebody asks, nothing is indexed, and a refused transaction is a copy thrown away. It
models opening, issuing, transferring, holding, redeeming and clawing back; an operation is a tuple.
"""

from copy import deepcopy
from typing import Any

LIMIT = 2**128
Operation = tuple[Any, ...]


class Refused(Exception):
    """The operation is not allowed; why is the real ledger's business."""


class NaiveLedger:
    """Who owns what, who was promised what, and who asked for what."""

    def __init__(self, *, operator: str) -> None:
        self.accounts = {operator}
        self.assets: dict[str, dict[str, Any]] = {}
        self.owned: dict[tuple[str, str], int] = {}
        self.holds: dict[str, dict[str, Any]] = {}
        self.lots: dict[str, dict[str, Any]] = {}
        self.now = 0

    def run(self, operations: list[Operation], *, signed: set[str], entry: int) -> bool:
        """Carry out all operations or none, and tell which. Promises are named `entry.position`."""
        trial = deepcopy(self.__dict__)
        try:
            for position, (kind, account, *details) in enumerate(operations):
                require(account in self.accounts and account in signed)
                getattr(self, kind)(account, *details, name=f"{entry}.{position}", signed=signed)
        except Refused:
            self.__dict__.update(trial)
            return False
        return True

    def tick(self, now: int) -> None:
        """Let holds expire."""
        self.now = now
        for name, hold in list(self.holds.items()):
            if hold["expires"] <= now:
                if hold["at_expiry"] == "capture":
                    for asset, units in hold["legs"].items():
                        self.post(asset, hold["owner"], hold["beneficiary"], units)
                del self.holds[name]

    def held(self, account: str, asset: str) -> int:
        """Return what the account promised or asked for, added up."""
        promised = sum(h["legs"].get(asset, 0) for h in self.holds.values() if h["owner"] == account)
        asked = [
            lot["units"] for lot in self.lots.values() if (lot["holder"], lot["asset"]) == (account, asset)
        ]
        return promised + sum(asked)

    def spend(self, account: str, asset: str, units: int) -> None:
        """Check that the account could part with the units."""
        require(0 < units < LIMIT)
        require(self.owned.get((account, asset), 0) - self.held(account, asset) >= units)

    def post(self, asset: str, source: str, target: str, units: int) -> None:
        """Move units, whoever may stand below zero."""
        for account, change in ((source, -units), (target, units)):
            total = self.owned.get((account, asset), 0) + change
            require(-LIMIT < total < LIMIT)
            self.owned[account, asset] = total

    # Operations: (kind, account, details...).

    def open(self, account: str, new: str, **_: Any) -> None:
        require(new not in self.accounts)
        self.accounts.add(new)

    def issue(self, account: str, legs: list[tuple[str, str, int]], **_: Any) -> None:
        require(legs)
        for asset, to, units in legs:
            require(asset in self.assets and self.assets[asset]["issuer"] == account)
            require(to in self.accounts and to != account and 0 < units < LIMIT)
            self.post(asset, account, to, units)

    def transfer(self, account: str, legs: list[tuple[str, str, int]], **_: Any) -> None:
        require(legs)
        for asset, to, units in legs:
            require(asset in self.assets and self.assets[asset]["issuer"] != account)
            require(to in self.accounts and to != account)
            self.spend(account, asset, units)
            self.post(asset, account, to, units)

    def hold(
        self,
        account: str,
        beneficiary: str,
        legs: list[tuple[str, int]],
        expires: int,
        at_expiry: str,
        *,
        name: str,
        **_: Any,
    ) -> None:
        require(legs and len(dict(legs)) == len(legs))
        require(beneficiary in self.accounts and beneficiary != account and expires > self.now)
        for asset, units in legs:
            require(asset in self.assets and self.assets[asset]["issuer"] != account)
            self.spend(account, asset, units)
        self.holds[name] = {
            "owner": account,
            "beneficiary": beneficiary,
            "legs": dict(legs),
            "expires": expires,
            "at_expiry": at_expiry,
        }

    def capture(self, account: str, hold: str, legs: list[tuple[str, int]], final: bool, **_: Any) -> None:
        require(hold in self.holds and self.holds[hold]["beneficiary"] == account)
        found = self.holds[hold]
        require(len(dict(legs)) == len(legs))
        for asset, units in legs or list(found["legs"].items()):
            require(0 < units <= found["legs"].get(asset, 0))
            found["legs"][asset] -= units
            self.post(asset, found["owner"], account, units)
        if final or not any(found["legs"].values()):
            del self.holds[hold]

    def release(self, account: str, hold: str, **_: Any) -> None:
        require(hold in self.holds and self.holds[hold]["beneficiary"] == account)
        del self.holds[hold]

    def redeem(self, account: str, asset: str, units: int, *, name: str, **_: Any) -> None:
        require(
            asset in self.assets and self.assets[asset]["claim"] and self.assets[asset]["issuer"] != account
        )
        self.spend(account, asset, units)
        self.lots[name] = {"holder": account, "asset": asset, "units": units, "asked": self.now}

    def cancel(self, account: str, lot: str, **_: Any) -> None:
        require(lot in self.lots and self.lots[lot]["holder"] == account)
        del self.lots[lot]

    def settle(self, account: str, lot: str, *, signed: set[str], **_: Any) -> None:
        require(lot in self.lots and self.assets[self.lots[lot]["asset"]]["issuer"] == account)
        paid = self.lots.pop(lot)
        require(paid["holder"] in signed or self.now < paid["asked"] + 86_400_000_000)
        self.post(paid["asset"], paid["holder"], account, paid["units"])

    def claw_back(self, account: str, asset: str, source: str, units: int, **_: Any) -> None:
        require(asset in self.assets and self.assets[asset]["claw_back_by"] == account)
        require(source in self.accounts and source != self.assets[asset]["issuer"])
        self.spend(source, asset, units)
        self.post(asset, source, self.assets[asset]["issuer"], units)


def require(condition: object) -> None:
    """Refuse the whole transaction unless the condition holds."""
    if not condition:
        raise Refused
