"""Uniswap v3's numbers against the concentrated-liquidity pool.

The published maths is run against the pool's functions, the published swaps against a pool of one provider.
The recorded lives were led through the NonfungiblePositionManager and the SwapRouter, so a `PositionManager`
plays both: it turns desired amounts into liquidity with the pool's own quote, keeps the books of its tokens,
and asks for price limits as the router does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pytest

from tallystick.contracts import concentrated_liquidity_pool as clp
from tallystick.contracts.concentrated_liquidity_pool import Refusal
from tallystick.ledger.rejections import Code
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call, transfer
from tests.vectors.harness import Adapter, Tally, check_rejected, compare, numbers, replay

POOL = "pool"
X, Y = "x@mint", "y@mint"
PLENTY = 1 << 125

REASONS = {
    "AS": Code.AMOUNT_NOT_POSITIVE,
    "LO": Refusal.TICK_FULL,
    "SPL": Refusal.PRICE_LIMIT_INVALID,
    "T": Refusal.RANGE_INVALID,
    "TLM": Refusal.RANGE_INVALID,
    "TLU": Refusal.RANGE_INVALID,
    "TUM": Refusal.RANGE_INVALID,
}
ARITHMETIC = {"R": Refusal.ARITHMETIC_RANGE, "T": Refusal.ARITHMETIC_RANGE}


# Published maths.


def run_full_maths(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    function = {"mulDiv": clp.full_mul_div_down, "mulDivRoundingUp": clp.full_mul_div_up}[case["fn"]]
    return _run_function(case, function, *(int(case[name]) for name in ("x", "y", "d")))


def run_tick_maths(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    if case["fn"] == "getSqrtRatioAtTick":
        return _run_function(case, clp.sqrt_price_at_tick, case["tick"])
    assert case["fn"] == "getTickAtSqrtRatio"
    return _run_function(case, clp.tick_at_sqrt_price, int(case["sqrtPriceX96"]))


def run_sqrt_price_maths(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    function, flag_name = {
        "getNextSqrtPriceFromInput": (clp.sqrt_price_after_input, "zero_for_one"),
        "getNextSqrtPriceFromOutput": (clp.sqrt_price_after_output, "zero_for_one"),
        "getAmount0Delta": (clp.units_0_between, "round_up"),
        "getAmount1Delta": (clp.units_1_between, "round_up"),
    }[case["fn"]]
    *arguments, flag = case["args"]
    return _run_function(case, function, *map(int, arguments), **{flag_name: flag})


def _run_function(case: Mapping[str, Any], function: Any, *arguments: int, **flags: bool) -> Tally:
    """Compare one function's result, or check that it is outside the numbers' bounds."""
    expected = case["expect"]
    if isinstance(expected, Mapping):
        reason = str(expected["revert"])
        check_rejected(lambda: function(*arguments, **flags), reason, reasons=ARITHMETIC)
    else:
        compare(expected, function(*arguments, **flags), where=case["fn"])
    return Tally(cases=1)


def run_swap_maths(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    target, expected = int(case["sqrtTarget"]), dict(case["expect"])
    step = clp.swap_step(
        sqrt_price=int(case["sqrtP"]),
        target=target,
        liquidity=int(case["liquidity"]),
        amount=int(case["amountRemaining"]),
        fee_ppm=case["feePips"],
    )
    found = {"amountIn": step.units_in, "amountOut": step.units_out, "feeAmount": step.fee}
    if expected.pop("sqrtNext") is None:
        # The suite gives no number here: it asserts that the target is not reached.
        assert step.sqrt_price != target
    else:
        found["sqrtNext"] = step.sqrt_price
        expected = case["expect"]
    compare(expected, found, where="swap step")
    return Tally(cases=1)


# Published swaps.


def _market(case: Mapping[str, Any], *, sqrt_price: str, accounts: tuple[str, ...], **more: Any) -> Market:
    """Return a market with the case's pool, all of whose accounts have plenty of both assets."""
    market = Market(accounts=accounts)
    market.fund(PLENTY, X, Y)
    market.deploy(
        POOL,
        "concentrated_liquidity_pool",
        asset_0=X,
        asset_1=Y,
        fee_ppm=case["feePips"],
        tick_spacing=case["tickSpacing"],
        sqrt_price=int(case[sqrt_price]),
        **more,
    )
    return market


def run_pool_swap(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Provide the positions, swap once, and compare balances, fee growth, ticks and prices."""
    market = _market(case, sqrt_price="sqrtPriceX96", accounts=("provider", "trader"))
    for position in case["positions"]:
        _call(
            market,
            "provider",
            "mint",
            lower=position["tickLower"],
            upper=position["tickUpper"],
            liquidity=int(position["liquidity"]),
        )
    before, held_0, held_1 = market.view(POOL, "state"), *_held(market)
    asset_in, asset_out = (X, Y) if case["zeroForOne"] else (Y, X)
    arguments = {
        "asset_in": asset_in,
        "asset_out": asset_out,
        "units": int(case["amountSpecified"]),
        "sqrt_price_limit": int(case["sqrtPriceLimitX96"]),
    }
    expected = dict(case["expect"])
    if "revert" in expected:
        reason = expected.pop("revert")
        check_rejected(lambda: _call(market, "trader", "swap_to_limit", **arguments), reason, reasons=REASONS)
        compare(expected, _refused_state(market), where="a refused swap")
        return Tally(cases=1)
    quoted = market.view(POOL, "quote_to_limit", **arguments)
    swapped = numbers(_call(market, "trader", "swap_to_limit", **arguments))
    assert swapped == {name: getattr(quoted, name) for name in quoted.__struct_fields__}
    after = market.view(POOL, "state")
    delta_0, delta_1 = (now - then for now, then in zip(_held(market), (held_0, held_1), strict=True))
    price_after, execution_price = expected.pop("priceAfter_5sig"), expected.pop("executionPrice_5sig")
    found = {
        "amount0Before": held_0,
        "amount1Before": held_1,
        "amount0Delta": delta_0,
        "amount1Delta": delta_1,
        "feeGrowthGlobal0X128Delta": after.growth_0 - before.growth_0,
        "feeGrowthGlobal1X128Delta": after.growth_1 - before.growth_1,
        "tickBefore": before.tick,
        "tickAfter": after.tick,
    }
    compare(expected, found, where=case["swap"])
    _check_five_digits(price_after, after.sqrt_price**2, 1 << 192)
    _check_five_digits(execution_price, -delta_1, delta_0)
    return Tally(cases=1)


def _refused_state(market: Market) -> dict[str, int]:
    held_0, held_1 = _held(market)
    return {"tickBefore": market.view(POOL, "state").tick, "balance0": held_0, "balance1": held_1}


def _held(market: Market) -> tuple[int, int]:
    return market.world.balance(POOL, X), market.world.balance(POOL, Y)


def _call(market: Market, account: str, method: str, **arguments: Any) -> Any:
    return market.call(account, POOL, method, spend={X: PLENTY, Y: PLENTY}, **arguments)


def _check_five_digits(expected: str, numerator: int, denominator: int) -> None:
    """Check a quotient as the snapshots print it: five significant digits, halves up."""
    if denominator == 0:
        assert expected == ("-Infinity" if numerator else "NaN")
        return
    exact = Context(prec=200).divide(Decimal(numerator), Decimal(denominator))
    assert Context(prec=5, rounding=ROUND_HALF_UP).plus(exact) == Decimal(expected)


# Recorded lives.


@dataclass
class Token:
    """A position of the manager's books: an owner's part of what the manager has in that range."""

    owner: str
    lower: int
    upper: int
    liquidity: int = 0
    inside: tuple[int, int] = (0, 0)
    owed: tuple[int, int] = (0, 0)

    @property
    def range(self) -> dict[str, int]:
        return {"lower": self.lower, "upper": self.upper}


class PositionManager:
    """The recorded pool's life, as its position manager and router led it.

    The manager is one account here as it is one contract there: all tokens of a range share its one position,
    which rounds once where their own accounts round each. So it keeps the books of the
    NonfungiblePositionManager: what a token is owed is worked out for itself, and at most what the pool owes
    the range is collected.
    """

    def __init__(self, case: Mapping[str, Any]) -> None:
        divisors = {f"protocol_divisor_{side}": part for side, part in enumerate(case["feeProtocol"]) if part}
        shared = {**divisors, "protocol_account": "protocol"} if divisors else {}
        wallets = dict.fromkeys(_wallet(step["who"]) for step in case["steps"] if "who" in step)
        accounts = (*wallets, "manager", "protocol")
        self.market = _market(case, sqrt_price="initialSqrtPriceX96", accounts=accounts, **shared)
        self.world = self.market.world
        # The manager passes on what it is paid: it has nothing of its own.
        funds = [(asset, ISSUER, PLENTY) for asset in (X, Y)]
        self.world.do("manager", transfer("manager", *funds))
        self.tokens: list[Token] = []
        """By token id less one."""

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        told = numbers(step)
        match told["op"]:
            case "mint":
                returns = self._mint(told)
            case "increaseLiquidity":
                returns = self._add(told, self._token(told))
            case "decreaseLiquidity":
                returns = self._decrease(told)
            case "collect":
                returns = self._collect(told)
            case "exactInputSingle":
                returns = self._swap(told, told["amountIn"])["units_out"]
            case "exactOutputSingle":
                returns = self._swap(told, -told["amountOut"], least=told["amountOut"])["units_in"]
            case unknown:
                raise AssertionError(f"no such step: {unknown}")
        return {"returns": returns}

    def _token(self, told: Mapping[str, Any]) -> Token:
        number = told["tokenId"]
        # A token that was never minted: nobody's position, which the pool does not know.
        return self.tokens[number - 1] if 0 < number <= len(self.tokens) else Token("nobody", 0, 0)

    def _mint(self, told: Mapping[str, Any]) -> list[int]:
        token = Token(told["who"], told["tickLower"], told["tickUpper"])
        returns = self._add(told, token)
        self.tokens.append(token)
        return [len(self.tokens), *returns]

    def _add(self, told: Mapping[str, Any], token: Token) -> list[int]:
        """Add what the desired amounts buy; the wallet pays the manager, and that the pool. Anybody may."""
        desired = {"units_0": told["amount0Desired"], "units_1": told["amount1Desired"]}
        liquidity: int = self.market.view(POOL, "quote_liquidity", **token.range, **desired)
        quoted = self.market.view(POOL, "quote_mint", **token.range, liquidity=liquidity)
        spend = [(asset, units) for asset, units in ((X, quoted.units_0), (Y, quoted.units_1)) if units]
        wallet, inside = _wallet(told["who"]), self._inside(token)
        done = self.world.do(
            wallet,
            transfer(wallet, *((asset, "manager", units) for asset, units in spend)),
            call("manager", POOL, "mint", spend=spend, **token.range, liquidity=liquidity),
        )
        assert self.market.balances("manager") == {}, "the quote was not what the pool took"
        self._settle(token, inside)
        token.liquidity += liquidity
        return [liquidity, *_amounts(done.results[-1])]

    def _decrease(self, told: Mapping[str, Any]) -> list[int]:
        token, liquidity = self._token(told), told["liquidity"]
        burn = {**token.range, "liquidity": liquidity}
        if told["who"] != token.owner:
            return _amounts(self.market.call(_wallet(told["who"]), POOL, "burn", **burn))
        if liquidity > token.liquidity:
            # More than the token has is asked of the pool as more than the manager has.
            all_of_it = sum(one.liquidity for one in self.tokens if one.range == token.range)
            burn["liquidity"] += all_of_it - token.liquidity
        inside = self._inside(token)  # Burning all of a range forgets its ticks, and with them the growth.
        amounts = _amounts(self.market.call("manager", POOL, "burn", **burn))
        self._settle(token, inside)
        token.liquidity -= liquidity
        token.owed = (token.owed[0] + amounts[0], token.owed[1] + amounts[1])
        return amounts

    def _collect(self, told: Mapping[str, Any]) -> list[int]:
        """Collect all that the token is owed, and send it home."""
        token, wallet = self._token(told), _wallet(told["who"])
        if told["who"] != token.owner:
            return _amounts(self.market.call(wallet, POOL, "collect", **token.range))
        if token.liquidity:
            self.market.call("manager", POOL, "settle", **token.range)
            self._settle(token, self._inside(token))
        if not any(token.owed):
            return [0, 0]
        most = {"most_0": token.owed[0], "most_1": token.owed[1]}
        amounts = _amounts(self.market.call("manager", POOL, "collect", **token.range, **most))
        token.owed = (0, 0)
        legs = [(asset, wallet, units) for asset, units in zip((X, Y), amounts, strict=True) if units]
        if legs:
            self.world.do("manager", transfer("manager", *legs))
        return amounts

    def _inside(self, token: Token) -> tuple[int, int]:
        now = self.market.view(POOL, "growth_inside", **token.range)
        return now.growth_0, now.growth_1

    def _settle(self, token: Token, inside: tuple[int, int]) -> None:
        """Credit the token with the fees since it was last settled, rounded down for itself."""
        grown = [(after - before) % (1 << 256) for after, before in zip(inside, token.inside, strict=True)]
        earned = [growth * token.liquidity >> 128 for growth in grown]
        token.inside = inside
        token.owed = (token.owed[0] + earned[0], token.owed[1] + earned[1])

    def _swap(self, told: Mapping[str, Any], units: int, *, least: int = 0) -> dict[str, int]:
        """Swap without a price limit but the last price there is, as the router does.

        The router refuses to move a price where nobody provides liquidity; so does an exact swap here.
        """
        wallet, zero_for_one = _wallet(told["who"]), told["zeroForOne"]
        asset_in, asset_out = (X, Y) if zero_for_one else (Y, X)
        pair, spend = {"asset_in": asset_in, "asset_out": asset_out}, {asset_in: PLENTY}
        limit = clp.SQRT_PRICE_MIN + 1 if zero_for_one else clp.SQRT_PRICE_MAX - 1
        trade = {**pair, "units": units, "sqrt_price_limit": limit}
        quoted = self.market.view(POOL, "quote_to_limit", **trade)
        if not (quoted.units_in or quoted.units_out):
            exact = {**pair, "units_in": units, "least_out": 0}
            self.market.call(wallet, POOL, "swap_exact_in", spend=spend, **exact)
            pytest.fail("an exact swap of nothing went through")
        receive = {asset_out: least} if least else {}
        result = self.market.call(wallet, POOL, "swap_to_limit", spend=spend, receive=receive, **trade)
        swapped: dict[str, int] = numbers(result)
        return swapped

    def state(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        row = self.market.view(POOL, "state")
        held_0, held_1 = _held(self.market)
        return {
            "sqrtPriceX96": row.sqrt_price,
            "tick": row.tick,
            "liquidity": row.liquidity,
            "feeGrowthGlobal0X128": row.growth_0,
            "feeGrowthGlobal1X128": row.growth_1,
            "balance0": held_0,
            "balance1": held_1,
            "protocolFees": [row.protocol_0, row.protocol_1],
        }

    def failed(self, step: Mapping[str, Any]) -> None:
        """A failed step leaves nothing behind, there or here."""


def _wallet(name: str) -> str:
    return f"wallet-{name.lower()}"


def _amounts(result: Any) -> list[int]:
    told = numbers(result)
    return [told["units_0"], told["units_1"]]


def run_life(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Replay one pool's life."""
    return Tally(cases=1) + replay(PositionManager(case), case["steps"], reasons=REASONS)


ADAPTERS: dict[str, Adapter] = {
    "uniswap_v3_fullmath": run_full_maths,
    "uniswap_v3_tickmath": run_tick_maths,
    "uniswap_v3_sqrtpricemath": run_sqrt_price_maths,
    "uniswap_v3_swapmath": run_swap_maths,
    "uniswap_v3_pool_swaps": run_pool_swap,
    "uniswap_v3_lifecycle": run_life,
}
