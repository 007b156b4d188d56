"""Curve 3pool's numbers against the stable pool.

One wallet provides and trades, another account is the admin. Limits are met exactly: what the recording says
it got is the least we accept, so a limit one unit off would be refused.
"""

from collections.abc import Mapping
from typing import Any

from tallystick.contracts import stable_pool
from tallystick.contracts.stable_pool import FEE_ONE, Refusal
from tallystick.ledger.transactions import Deploy
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, START, create, deploy, issue
from tests.vectors.harness import Adapter, Tally, numbers, replay

POOL = "pool"
SHARE = f"share@{POOL}"
PLENTY = 1 << 120

REASONS = {
    "Exchange resulted in fewer coins than expected": Refusal.LIMIT_MISSED,
    "Not enough coins removed": Refusal.LIMIT_MISSED,
    "Slippage screwed you": Refusal.LIMIT_MISSED,
    "Withdrawal resulted in fewer coins than expected": Refusal.LIMIT_MISSED,
}


class ThreePool:
    """The recorded pool's life."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        given = numbers(case["pool"])
        assert given["feeDenominator"] == FEE_ONE
        assert len(given["decimals"]) == given["n"]
        self.market = Market(accounts=("user", "admin"))
        self.world = self.market.world
        self.assets = [f"coin-{index}@{ISSUER}" for index in range(given["n"])]
        for asset, decimals in zip(self.assets, given["decimals"], strict=True):
            self.world.do(
                ISSUER,
                create(ISSUER, asset.partition("@")[0], decimals=decimals),
                issue(ISSUER, (asset, "user", PLENTY)),
            )
        self.decimals = given["decimals"]
        self.fee = given["fee"]
        self.world.do(ISSUER, self._deployment(given))
        self.started = numbers(case["steps"][0])["t"]

    def _deployment(self, given: Mapping[str, Any]) -> Deploy:
        return deploy(
            ISSUER,
            POOL,
            "stable_pool",
            assets=self.assets,
            amplification=given["A"],
            fee=given["fee"],
            admin="admin",
            locks_shares=False,
            **({"admin_fee": given["adminFee"]} if given["adminFee"] else {}),
        )

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        told = numbers(step)
        before = self._owned()
        gave = self._play(told)
        changes = [now - then for now, then in zip(self._owned(), before, strict=True)]
        return {"userDelta": changes[:-1], "lpDelta": changes[-1], **gave}

    def _owned(self) -> list[int]:
        return [self.world.balance("user", asset) for asset in (*self.assets, SHARE)]

    def _call(self, method: str, *, by: str = "user", **arguments: Any) -> Any:
        spend = dict.fromkeys((*self.assets, SHARE), PLENTY)
        return numbers(self.market.call(by, POOL, method, spend=spend, **arguments))

    def _view(self, name: str, **arguments: Any) -> Any:
        return self.market.view(POOL, name, **arguments)

    def _play(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        match told["op"]:
            case "add_liquidity":
                least = told.get("lpDelta", 0)
                minted = self._call("add_liquidity", units=told["amounts"], least_shares=least)
                assert minted == told["lpDelta"]
            case "remove_liquidity":
                least = told.get("userDelta", [0] * len(self.assets))
                self._call("remove_liquidity", shares=told["lp"], least=least)
            case "remove_liquidity_imbalance":
                most = -told.get("lpDelta", -PLENTY)
                self._call("remove_units", units=told["amounts"], most_shares=most)
            case "remove_liquidity_one_coin":
                return self._remove_one(told)
            case "exchange":
                return self._exchange(told)
            case "ramp_A":
                end = START + (told["futureTime"] - self.started) * SECOND
                self._call("ramp", by="admin", amplification=told["futureA"], end=end)
            case "stop_ramp_A":
                self._call("stop_ramp", by="admin")
            case "withdraw_admin_fees":
                self._call("withdraw_surplus")
            case "donate_admin_fees":
                self._call("sync", by="admin")
            case unknown:
                raise AssertionError(f"no such step: {unknown}")
        return {}

    def _remove_one(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        asset, gave = self.assets[told["i"]], {}
        if "calc" in told:
            gave["calc"] = self._view("quote_remove_one", shares=told["lp"], asset=asset)
        least = told.get("calc", 0)
        self._call("remove_one", shares=told["lp"], asset=asset, least=least)
        return gave

    def _exchange(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        pair = {"asset_in": self.assets[told["i"]], "asset_out": self.assets[told["j"]]}
        gave = {"get_dy": self._get_dy(told)} if "get_dy" in told else {}
        least = told["userDelta"][told["j"]] if "userDelta" in told else 0
        if least:
            quoted = self._view("quote_exact_in", **pair, units_in=told["dx"])
            assert quoted == least, "a quote is the trade"
        method = "swap_exact_in" if least else "exchange"
        self._call(method, **pair, units_in=told["dx"], least_out=least)
        return gave

    def _get_dy(self, told: Mapping[str, Any]) -> int:
        """Return their quote, which takes the fee after converting the units and so may differ by one."""
        multipliers = [10 ** (18 - places) for places in self.decimals]
        reserves = self._view("state").reserves
        balances = [units * multiplier for units, multiplier in zip(reserves, multipliers, strict=True)]
        amplification = self._view("amplification")
        value = stable_pool.invariant(balances, amplification)
        source, target = told["i"], told["j"]
        held = balances[target]
        balances[source] += told["dx"] * multipliers[source]
        left = stable_pool.solve_balance([*balances[:target], *balances[target + 1 :]], value, amplification)
        gross: int = (held - left - 1) // multipliers[target]
        return gross - self.fee * gross // FEE_ONE

    def state(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "balances": self._view("state").reserves,
            "adminBalances": self._view("surplus"),
            "lpSupply": -self.world.balance(POOL, SHARE),
            "virtualPrice": self._view("virtual_price"),
            "A": self._view("amplification"),
        }

    def failed(self, step: Mapping[str, Any]) -> None:
        """A failed step leaves nothing behind, there or here."""


def run_life(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Replay one pool's life."""
    return Tally(cases=1) + replay(ThreePool(case), case["steps"], reasons=REASONS)


ADAPTERS: dict[str, Adapter] = {"curve_3pool": run_life}
