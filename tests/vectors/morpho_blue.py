"""Morpho Blue's numbers against the lending market.

The oracle says the recorded price over 10^36 whenever it is set, and for as long as the recording lasts.
Every account has funds without end, so what fails there fails for the mechanism's reasons.
"""

from collections.abc import Mapping
from typing import Any

from tallystick.contracts.lending_market import (
    INCENTIVE_MAX,
    LIQUIDATION_CURSOR,
    VIRTUAL_SHARES,
    VIRTUAL_UNITS,
    Refusal,
)
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, START
from tests.vectors.harness import Adapter, Tally, numbers, replay

MARKET, ORACLE, SHARE = "market", "oracle", "share@market"
LOAN, COLLATERAL = f"loan@{ISSUER}", f"collateral@{ISSUER}"
ACCOUNTS = {"A": "alice", "B": "bob", "C": "carol", "D": "dave"}
PLENTY = 1 << 124
PRICE_ONE = 10**36
FOR_EVER = 100 * 365 * 86_400

REASONS = {
    "inconsistent input": Refusal.INPUT_INCONSISTENT,
    "zero assets": Refusal.UNITS_MISSING,
    "insufficient collateral": Refusal.COLLATERAL_INSUFFICIENT,
    "insufficient liquidity": Refusal.LIQUIDITY_INSUFFICIENT,
    "position is healthy": Refusal.POSITION_HEALTHY,
}
"""`Panic` is whatever made a subtraction there fall below zero: any code of ours will do."""


class Life:
    """A market's recorded life."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        given = numbers(case["params"])
        assert (given["virtualShares"], given["virtualAssets"]) == (VIRTUAL_SHARES, VIRTUAL_UNITS)
        assert given["liquidationCursor"] == LIQUIDATION_CURSOR
        assert given["maxLiquidationIncentiveFactor"] == INCENTIVE_MAX
        assert "totalBorrowAssets*1e18/totalSupplyAssets / 365 days" in given["irm"]
        self.fee = given["feeWad"]
        self.accounts = dict(ACCOUNTS)
        for step in case["steps"]:
            for name in {step.get("who"), step.get("borrower")} - {None}:
                self.accounts.setdefault(name, f"account-{name.lower()}")
        self.market = Market(accounts=(*self.accounts.values(), "fees", "feed"))
        self.world = self.market.world
        for asset in (LOAN, COLLATERAL):
            self.world.mint(asset, **{name.replace("-", "_"): PLENTY for name in self.accounts.values()})
        first = numbers(case["steps"][0])["t"]
        self.offset = first - START // SECOND
        # A market is created before the first step; what it says of that is all that the recording tells.
        seen = [step["after"]["market"]["lastUpdate"] for step in case["steps"] if "after" in step]
        self.created = min(first, int(seen[0])) if seen else first
        self.market.deploy(
            ORACLE,
            "oracle",
            base=COLLATERAL,
            quote=LOAN,
            scale=PRICE_ONE,
            sources=[{"name": "feed", "kind": "market", "window_seconds": 0, "reference": ""}],
            quorum=1,
            stale_seconds=FOR_EVER,
            spread_ppm_max=1,
        )
        self._report(given["initialPrice1e36"])
        fee = {"fee": given["feeWad"], "fee_account": "fees"} if given["feeWad"] else {}
        lltv = {} if given["lltvWad"] == 5 * 10**17 else {"lltv": given["lltvWad"]}
        self.market.deploy(
            MARKET,
            "lending_market",
            loan=LOAN,
            collateral=COLLATERAL,
            oracle=ORACLE,
            freshness_seconds=FOR_EVER,
            quorum=1,
            rate={"type": "linear", "base": 0, "slope": 10**18},
            carry=False,
            **fee,
            **lltv,
        )

    def _report(self, price: int) -> None:
        world = self.world
        # A report is newer than the last; two settings within a second are told microseconds apart.
        board = world.get(f"{ORACLE}!", "board")
        observed = max(world.time - SECOND, board.standings[0].observed + 1)
        self.market.call("feed", ORACLE, "report", value=price, observed=observed)

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        told = numbers(step)
        who = self.accounts.get(step.get("who", ""), "feed")
        match told["op"]:
            case "supply" | "withdraw" | "borrow" | "repay":
                amounts = {"units": told["assets"], "shares": told["shares"]}
                done = self._call(who, told["op"], **amounts)
                return {"returns": [done["units"], done["shares"]]}
            case "supplyCollateral":
                self._call(who, "supply_collateral", units=told["assets"], keep=("units",))
            case "withdrawCollateral":
                self._call(who, "withdraw_collateral", units=told["assets"], keep=("units",))
            case "liquidate":
                amounts = {"seized": told["seizedAssets"], "shares": told["repaidShares"]}
                borrower = self.accounts[step["borrower"]]
                done = self._call(who, "liquidate", borrower=borrower, **amounts, keep=("borrower",))
                return {"returns": [done["seized"], done["repaid"]]}
            case "setPrice":
                self._report(told["price1e36"])
            case "accrueInterest":
                self._call(who, "accrue")
            case unknown:
                raise AssertionError(f"no such step: {unknown}")
        return {}

    def _call(self, who: str, method: str, *, keep: tuple[str, ...] = (), **amounts: Any) -> Any:
        """Call with all funds as the budget; an amount of zero is left out, as on the wire."""
        arguments = {name: value for name, value in amounts.items() if value or name in keep}
        spend = {
            asset: units for asset in (LOAN, COLLATERAL, SHARE) if (units := self.world.balance(who, asset))
        }
        return self.market.call(who, MARKET, method, spend=spend, **arguments)

    def state(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        row = self.world.get(f"{MARKET}!", "market")
        supply = -self.world.balance(MARKET, SHARE) + row.fee_shares
        assert self.world.balance(MARKET, COLLATERAL) == row.collateral
        assert self.world.balance(MARKET, LOAN) >= row.supplied - row.borrowed
        positions = {name: self._position(account) for name, account in self.accounts.items()}
        positions["feeRecipient"] = {
            "supplyShares": row.fee_shares,
            "borrowShares": 0,
            "collateral": 0,
        }
        recorded = step["after"]["positions"]
        return {
            "market": {
                "totalSupplyAssets": row.supplied,
                "totalSupplyShares": supply,
                "totalBorrowAssets": row.borrowed,
                "totalBorrowShares": row.debt_shares,
                "lastUpdate": self.created if row.updated == START // SECOND else row.updated + self.offset,
                "fee": self.fee,
            },
            "positions": {name: found for name, found in positions.items() if name in recorded},
        }

    def _position(self, account: str) -> Mapping[str, int]:
        loan = self.world.get(f"{MARKET}!", "loan", account)
        return {
            "supplyShares": self.world.balance(account, SHARE),
            "borrowShares": loan.shares if loan else 0,
            "collateral": loan.collateral if loan else 0,
        }

    def failed(self, step: Mapping[str, Any]) -> None:
        """A failed step leaves nothing behind, there or here."""


def run_life(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Replay one market's life."""
    return Tally(cases=1) + replay(Life(case), case["steps"], reasons=REASONS)


ADAPTERS: dict[str, Adapter] = {"morpho_blue_market": run_life}
