"""Uniswap v2's numbers against the constant-product pool.

The recorded pair's calls infer their input from its balance; here they name it. Three ways of trading must
give the same: naming all four amounts, exact-in, and out first against an obligation.

There, what a call was sent stays in the pair when the call fails; here a refused call leaves nothing behind.
So the harness parks it, in an account of its own, until the step that finds it there: the next burn burns the
parked liquidity too, the next deposit or trade also pays the parked units, a skim sends them home. One thing
cannot be played so: there, a burn pays a part of units that lie unskimmed in the pair, and with a protocol
fee that differs from any order of our calls. The recordings skim what failed.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from tallystick.contracts import constant_product_pool as cpp
from tallystick.contracts.constant_product_pool import Refusal
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Action
from tests.contracts.market import Market
from tests.ledger.world import SECOND, START, call, transfer
from tests.vectors.harness import Adapter, Tally, check_rejected, compare, numbers, replay

POOL = "pool"
X, Y = "x@mint", "y@mint"
SHARE = f"share@{POOL}"
PLENTY = 10**38

REASONS = {
    "UniswapV2: K": Refusal.PRODUCT_FALLS,
    "UniswapV2: INSUFFICIENT_OUTPUT_AMOUNT": Refusal.OUTPUT_MISSING,
    "UniswapV2: INSUFFICIENT_INPUT_AMOUNT": Refusal.INPUT_MISSING,
    "UniswapV2: INSUFFICIENT_LIQUIDITY": Refusal.RESERVE_EXCEEDED,
    "UniswapV2: INSUFFICIENT_LIQUIDITY_MINTED": Refusal.SHARES_MISSING,
    "UniswapV2: INSUFFICIENT_LIQUIDITY_BURNED": Refusal.REMOVAL_TOO_SMALL,
    "UniswapV2: OVERFLOW": Refusal.RESERVE_TOO_LARGE,
    "INSUFFICIENT_AMOUNT": Refusal.INPUT_MISSING,
    "INSUFFICIENT_INPUT_AMOUNT": Refusal.INPUT_MISSING,
    "INSUFFICIENT_OUTPUT_AMOUNT": Refusal.OUTPUT_MISSING,
    "INSUFFICIENT_LIQUIDITY": Refusal.NO_LIQUIDITY,
    "K": Refusal.PRODUCT_FALLS,
}


class Pair:
    """A pool, a user with funds in both assets, and what failed steps left parked."""

    def __init__(self, *, fee_on: bool, how: str = "swap") -> None:
        market = Market(accounts=("user", "fees", "parking"))
        market.world.mint(X, user=PLENTY)
        market.world.mint(Y, user=PLENTY)
        to = {"protocol_fee_to": "fees"} if fee_on else {}
        market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y, **to)
        self.market, self.world, self.how = market, market.world, how
        self.funds_before: dict[str, int] = {}
        """What the recorded user had before the first step beyond what ours had."""

    def act(self, *actions: Action) -> Any:
        """Run the actions in one transaction and return the last one's result."""
        return self.world.do("user", *actions).results[-1]

    def mint(self, amount0: int, amount1: int) -> dict[str, Any]:
        return self.act(
            call("user", POOL, "mint", spend=_pay(amount0, amount1), units_0=amount0, units_1=amount1)
        )

    def burn(self, liquidity: int, *before: Action) -> None:
        spend = [(SHARE, liquidity)] if liquidity else []
        self.act(*before, call("user", POOL, "remove_liquidity", spend=spend, shares=liquidity))

    def swap(self, *, in_0: int = 0, in_1: int = 0, out_0: int = 0, out_1: int = 0) -> None:
        """Trade these amounts in this pair's way."""
        asset_in, units_in, asset_out, units_out = (
            (X, in_0, Y, out_1) if in_0 and not in_1 else (Y, in_1, X, out_0)
        )
        if self.how == "exact_in" and self._quoted(asset_in, asset_out, units_in) == units_out > 0:
            self.market.call(
                "user",
                POOL,
                "swap_exact_in",
                spend={asset_in: units_in},
                receive={asset_out: units_out},
                asset_in=asset_in,
                asset_out=asset_out,
                units_in=units_in,
                least_out=units_out,
            )
        elif self.how == "flash":
            self.act(
                call("user", POOL, "flash", units=_map(out_0, out_1)),
                call("user", POOL, "repay", spend=_pay(in_0, in_1), units=_map(in_0, in_1)),
            )
        else:
            arguments = {"in_0": in_0, "in_1": in_1, "out_0": out_0, "out_1": out_1}
            self.act(call("user", POOL, "swap", spend=_pay(in_0, in_1), **arguments))

    def _quoted(self, asset_in: str, asset_out: str, units_in: int) -> int:
        try:
            return self.market.view(
                POOL, "quote_exact_in", asset_in=asset_in, asset_out=asset_out, units_in=units_in
            )
        except Rejection:
            return 0

    def donate(self, amount0: int = 0, amount1: int = 0) -> list[Action]:
        """Return the actions that give the pool these units, and its providers what they are worth."""
        legs = [(asset, POOL, units) for asset, units in ((X, amount0), (Y, amount1)) if units]
        return [transfer("user", *legs), call("user", POOL, "sync")] if legs else []

    # What the harness asks of a history.

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        """Play the step with what is parked: it lies in the pair there, so the call finds it."""
        told = numbers(step)
        parked = self._parked()
        try:
            self._unpark(parked)
            self._play(told, parked)
        except Rejection:
            self._park(parked)
            raise
        return {}

    def _play(self, told: Mapping[str, Any], parked: Mapping[str, int]) -> None:
        match told["op"]:
            case "mint":
                self.mint(told["amount0"] + parked[X], told["amount1"] + parked[Y])
            case "burn":
                self.burn(told["liquidity"] + parked[SHARE], *self.donate(parked[X], parked[Y]))
                return
            case "swap":
                ins = [parked[X], parked[Y]]
                ins[told["tokenIn"]] += told["amountIn"]
                out = {f"out_{1 - told['tokenIn']}": told["amountOut"]}
                self.swap(in_0=ins[0], in_1=ins[1], **out)
            case "donateSync" | "sync":
                given = (told.get("amount0", 0) + parked[X], told.get("amount1", 0) + parked[Y])
                self.act(*(self.donate(*given) or [call("user", POOL, "sync")]))
            case "skim":
                # There it returns what a failed step had paid in; here that step left nothing.
                assert self.act(call("user", POOL, "skim")) == ["0", "0"]
            case unknown:
                raise AssertionError(f"no such step: {unknown}")
        self._park({SHARE: parked[SHARE]})

    def failed(self, step: Mapping[str, Any]) -> None:
        """Park what the failed step had sent."""
        sent = numbers(step)
        match step["op"]:
            case "burn":
                self._park({SHARE: sent["liquidity"]})
            case "mint" | "donateSync":
                self._park({X: sent.get("amount0", 0), Y: sent.get("amount1", 0)})
            case "swap":
                self._park({(X, Y)[sent["tokenIn"]]: sent["amountIn"]})

    def _parked(self) -> dict[str, int]:
        return {asset: self.world.balance("parking", asset) for asset in (X, Y, SHARE)}

    def _park(self, units: Mapping[str, int]) -> None:
        self._move("user", "parking", units)

    def _unpark(self, units: Mapping[str, int]) -> None:
        self._move("parking", "user", units)

    def _move(self, source: str, to: str, units: Mapping[str, int]) -> None:
        legs = [(asset, to, moved) for asset, moved in units.items() if moved]
        if legs:
            self.act(transfer(source, *legs))

    def state(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        row = self.market.view(POOL, "state")
        assert self.world.balance(POOL, X) == row.reserve_0
        assert self.world.balance(POOL, Y) == row.reserve_1
        owned = {name: self.world.balance("user", asset) for name, asset in (("user0", X), ("user1", Y))}
        if "after" in step and not self.funds_before:
            # The recorded wallet's funds are not told: they are what the first state makes them.
            self.funds_before = {name: int(step["after"][name]) - units for name, units in owned.items()}
        return {
            "reserve0": row.reserve_0,
            "reserve1": row.reserve_1,
            "totalSupply": -self.world.balance(POOL, SHARE),
            "kLast": row.k_last,
            "price0Cumulative": row.cumulative_0,
            "price1Cumulative": row.cumulative_1,
            "feeToLP": self.world.balance(f"{POOL}/protocol", SHARE),
            "userLP": self.world.balance("user", SHARE),
            **{name: units + self.funds_before.get(name, 0) for name, units in owned.items()},
        }


def _pay(units_0: int, units_1: int) -> list[tuple[str, int]]:
    return [(asset, units) for asset, units in ((X, units_0), (Y, units_1)) if units]


def _map(units_0: int, units_1: int) -> dict[str, int]:
    return dict(_pay(units_0, units_1))


# Recorded histories.


def run_history(document: Mapping[str, Any], case: Mapping[str, Any], *, how: str = "swap") -> Tally:
    """Replay one pair's life."""
    pair = Pair(fee_on=case["feeOn"], how=how)
    codes = {**REASONS, "UniswapV2: K": Code.OBLIGATION_OPEN} if how == "flash" else REASONS
    return Tally(cases=1) + replay(pair, case["steps"], reasons=codes)


# Published numbers.


def _pool_at(reserve_0: int, reserve_1: int) -> Pair:
    """Return a pair whose first deposit is these reserves."""
    pair = Pair(fee_on=False)
    pair.mint(reserve_0, reserve_1)
    return pair


def run_published(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Run one of the cases written down in the project's own tests, or a recorded life among them."""
    if "fn" not in case:
        return run_history(document, case)
    CASES[case["fn"]](numbers(case))
    return Tally(cases=1)


def _run_exact_in(case: Mapping[str, Any]) -> None:
    pair, expect = _pool_at(case["reserveIn"], case["reserveOut"]), case["expect"]
    greedy = partial(pair.swap, in_0=case["amountIn"], out_1=expect["maxAmountOut"] + 1)
    check_rejected(greedy, expect["plusOneReverts"], reasons=REASONS)
    before = pair.world.balance("user", Y)
    pair.how = "exact_in"
    pair.swap(in_0=case["amountIn"], out_1=expect["maxAmountOut"])
    compare(expect["maxAmountOut"], pair.world.balance("user", Y) - before, where="amount out")


def _run_same_asset(case: Mapping[str, Any]) -> None:
    """Take out and pay back the same asset; in v2 this is a flash swap."""
    out, paid = case["expect"]["maxAmount0Out"], case["amount0In"]
    for how, refusal in (("swap", Refusal.PRODUCT_FALLS), ("flash", Code.OBLIGATION_OPEN)):
        pair = _pool_at(case["reserve0"], case["reserve1"])
        pair.how = how
        check_rejected(partial(pair.swap, in_0=paid, out_0=out + 1), "K", reasons={"K": refusal})
        pair.swap(in_0=paid, out_0=out)


def _run_first_mint(case: Mapping[str, Any]) -> None:
    pair = _pool_at(case["amount0"], case["amount1"])
    found = {
        "totalSupply": -pair.world.balance(POOL, SHARE),
        "toMinter": pair.world.balance("user", SHARE),
        "locked": pair.world.balance(f"{POOL}/locked", SHARE),
    }
    compare(case["expect"], found, where="first mint")


def _run_burn_all(case: Mapping[str, Any]) -> None:
    pair = _pool_at(case["amount0"], case["amount1"])
    before = pair.state({})
    pair.burn(case["liquidityBurned"])
    after = pair.state({})
    found = {
        "amount0Out": after["user0"] - before["user0"],
        "amount1Out": after["user1"] - before["user1"],
        "reserve0": after["reserve0"],
        "reserve1": after["reserve1"],
    }
    compare(case["expect"], found, where="burn of everything")


def _run_steps(pair: Pair, steps: list[Mapping[str, Any]]) -> None:
    for step in steps:
        pair.world.time = START + step.get("t", 0) * SECOND
        match step["op"]:
            case "mint":
                pair.mint(step["amount0"], step["amount1"])
            case "swap":
                names = {
                    "in_0": "amount0In",
                    "in_1": "amount1In",
                    "out_0": "amount0Out",
                    "out_1": "amount1Out",
                }
                pair.swap(**{ours: step.get(theirs, 0) for ours, theirs in names.items()})
            case _:
                pair.play(step)
        if "expect" in step:
            state = pair.state({})
            found = {"p0": state["price0Cumulative"], "p1": state["price1Cumulative"]}
            compare(step["expect"], found, where=f"cumulative prices at {step['t']}")


def _run_cumulative(case: Mapping[str, Any]) -> None:
    _run_steps(Pair(fee_on=False), case["steps"])


def _run_protocol_fee(case: Mapping[str, Any]) -> None:
    pair = Pair(fee_on=case["feeOn"])
    _run_steps(pair, case["steps"])
    state = pair.state({})
    found = {
        "totalSupplyAfterBurn": state["totalSupply"],
        "feeToLiquidity": state["feeToLP"],
        "balance0": state["reserve0"],
        "balance1": state["reserve1"],
    }
    compare(case["expect"], found, where="protocol fee")


def _run_formula(case: Mapping[str, Any]) -> None:
    units, first, second = case["args"]
    formula = {
        "quote": lambda: cpp.matching_units(units, reserve=first, reserve_other=second),
        "getAmountOut": lambda: cpp.amount_out(units, reserve_in=first, reserve_out=second, fee_bps=30),
        "getAmountIn": lambda: cpp.amount_in(units, reserve_in=first, reserve_out=second, fee_bps=30),
    }[case["fn"]]
    if isinstance(case["expect"], dict):
        check_rejected(formula, case["expect"]["revert"], reasons=REASONS, where=case["fn"])
    else:
        compare(case["expect"], formula(), where=case["fn"])


# Published arbitrage.


def _pool_with(reserve_0: int, reserve_1: int, supply: int) -> Pair:
    """Return a pair with these reserves and this supply: a deposit worth the supply, the rest donated.

    A deposit of (a, ceil(supply^2 / a)) mints exactly `supply` when a <= supply.
    """
    if reserve_1 < supply:
        first_1 = reserve_1
        first_0 = -(-(supply**2) // reserve_1)
    else:
        first_0 = min(reserve_0, supply)
        first_1 = -(-(supply**2) // first_0)
    pair = _pool_at(first_0, first_1)
    donated = pair.donate(reserve_0 - first_0, reserve_1 - first_1)
    if donated:
        pair.act(*donated)
    state = pair.state({})
    assert (state["reserve0"], state["reserve1"], state["totalSupply"]) == (reserve_0, reserve_1, supply)
    return pair


def _arbitrage(pair: Pair, case: Mapping[str, Any]) -> Any:
    """Make the trade that brings the price to the true one, if there is one, and return it."""
    trade = pair.market.view(
        POOL, "quote_to_price", numerator=case["truePriceB"], denominator=case["truePriceA"]
    )
    if trade.units_in:
        side = 0 if trade.asset_in == X else 1
        pair.how = "exact_in"
        pair.swap(**{f"in_{side}": trade.units_in, f"out_{1 - side}": trade.units_out})
    return trade


def _run_reserves_after(case: Mapping[str, Any]) -> None:
    pair = _pool_at(case["reserveA"], case["reserveB"])
    _arbitrage(pair, case)
    state = pair.state({})
    compare(case["expect"], [state["reserve0"], state["reserve1"]], where="reserves after arbitrage")


def _run_value_after(case: Mapping[str, Any]) -> None:
    """The value of some of the shares: their holder's position after the arbitrage."""
    assert not case["feeOn"], "only recorded without protocol fee"
    pair = _pool_with(case["reserveA"], case["reserveB"], case["totalSupply"])
    _arbitrage(pair, case)
    pair.act(transfer("user", (SHARE, "parking", case["liquidity"])))
    worth = pair.market.view(POOL, "position", account="parking")
    compare(case["expect"], [worth.units_0, worth.units_1], where="liquidity value")


def _run_to_price(case: Mapping[str, Any]) -> None:
    pair = _pool_at(case["reserveA"], case["reserveB"])
    trade = _arbitrage(pair, case)
    found = {
        "tokenIn": "A" if trade.asset_in == X else "B",
        "amountIn": trade.units_in,
        "amountOut": trade.units_out,
    }
    compare(case["expect"], found, where="trade to the price")


CASES = {
    "swapExactIn": _run_exact_in,
    "optimisticSameToken": _run_same_asset,
    "firstMint": _run_first_mint,
    "burnAll": _run_burn_all,
    "priceCumulative": _run_cumulative,
    "protocolFee": _run_protocol_fee,
    "quote": _run_formula,
    "getAmountOut": _run_formula,
    "getAmountIn": _run_formula,
    "reservesAfterArbitrage": _run_reserves_after,
    "liquidityValueAfterArbitrage": _run_value_after,
    "swapToPrice": _run_to_price,
}

ADAPTERS: dict[str, Adapter] = {
    "uniswap_v2": run_published,
    "uniswap_v2_arbitrage": run_published,
    "uniswap_v2_pair": run_history,
}
