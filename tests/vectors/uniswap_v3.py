"""Uniswap v3's numbers against the concentrated-liquidity pool.

The published maths is run against the pool's functions, the published swaps against a pool of one provider.
The recorded life was led through the NonfungiblePositionManager and the SwapRouter, so a `PositionManager`
plays both: each of its token ids is an account of its own here, which holds that token's one position; it
turns desired amounts into liquidity with the pool's own quote, and asks for price limits as the router does.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from tallystick.contracts import concentrated_liquidity_pool as clp
from tallystick.contracts.concentrated_liquidity_pool import Refusal
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import Market
from tests.ledger.world import call, transfer
from tests.vectors.harness import Adapter, Tally, check_rejected, compare, numbers, replay

POOL = "pool"
X, Y = "x@mint", "y@mint"
PLENTY = 1 << 125
WALLETS = ("A", "B", "C")

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


class PositionManager:
    """The recorded pool's life, as its position manager and router led it."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        divisor_0, divisor_1 = case["feeProtocol"]
        shared = {"protocol_divisor_0": divisor_0, "protocol_divisor_1": divisor_1}
        if divisor_0 or divisor_1:
            shared["protocol_account"] = "protocol"
        wallets = tuple(map(_wallet, WALLETS))
        self.market = _market(
            case, sqrt_price="initialSqrtPriceX96", accounts=(*wallets, "protocol"), **shared
        )
        self.world = self.market.world
        self.tokens: list[tuple[str, int, int]] = []
        """By token id less one: who owns it, and its range."""

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        told = numbers(step)
        match told["op"]:
            case "mint":
                returns = self._mint(told)
            case "increaseLiquidity":
                returns = self._increase(told)
            case "decreaseLiquidity":
                returns = self._act(told, "burn", liquidity=told["liquidity"])
            case "collect":
                returns = self._collect(told)
            case "exactInputSingle":
                returns = self._swap(told, told["amountIn"])["units_out"]
            case "exactOutputSingle":
                returns = self._swap(told, -told["amountOut"], least=told["amountOut"])["units_in"]
            case unknown:
                raise AssertionError(f"no such step: {unknown}")
        return {"returns": returns}

    def _mint(self, told: Mapping[str, Any]) -> list[int]:
        lower, upper = told["tickLower"], told["tickUpper"]
        number = len(self.tokens) + 1
        liquidity = self._liquidity(told, lower, upper)
        self.world.open(f"token-{number}")
        amounts = self._add(told, number, lower, upper, liquidity)
        self.tokens.append((told["who"], lower, upper))
        return [number, liquidity, *amounts]

    def _increase(self, told: Mapping[str, Any]) -> list[int]:
        """Add to a token's liquidity; anybody may."""
        _, lower, upper = self.tokens[told["tokenId"] - 1]
        liquidity = self._liquidity(told, lower, upper)
        return [liquidity, *self._add(told, told["tokenId"], lower, upper, liquidity)]

    def _liquidity(self, told: Mapping[str, Any], lower: int, upper: int) -> int:
        desired = {"units_0": told["amount0Desired"], "units_1": told["amount1Desired"]}
        liquidity: int = self.market.view(POOL, "quote_liquidity", lower=lower, upper=upper, **desired)
        return liquidity

    def _add(self, told: Mapping[str, Any], number: int, lower: int, upper: int, liquidity: int) -> list[int]:
        """Have the wallet pay the token's account, and that account the pool, in one transaction."""
        where = {"lower": lower, "upper": upper, "liquidity": liquidity}
        quoted = self.market.view(POOL, "quote_mint", **where)
        spend = [(asset, units) for asset, units in ((X, quoted.units_0), (Y, quoted.units_1)) if units]
        wallet, token = _wallet(told["who"]), f"token-{number}"
        done = self.world.do(
            wallet,
            transfer(wallet, *((asset, token, units) for asset, units in spend)),
            call(token, POOL, "mint", spend=spend, **where),
        )
        assert self.market.balances(token) == {}, "the quote was not what the pool took"
        return _amounts(done.results[-1])

    def _act(self, told: Mapping[str, Any], method: str, **arguments: Any) -> list[int]:
        """Call as the token's account if it is its owner who asks, else as whoever asks."""
        owner, lower, upper = self.tokens[told["tokenId"] - 1]
        account = f"token-{told['tokenId']}" if told["who"] == owner else _wallet(told["who"])
        return _amounts(self.market.call(account, POOL, method, lower=lower, upper=upper, **arguments))

    def _collect(self, told: Mapping[str, Any]) -> list[int]:
        """Collect and send home. Their emptied token is still there, owed nothing; here it is forgotten."""
        try:
            amounts = self._act(told, "collect")
        except Rejection as refused:
            if refused.code is Refusal.UNKNOWN_POSITION and "returns" in told:
                return [0, 0]
            raise
        token, wallet = f"token-{told['tokenId']}", _wallet(told["who"])
        legs = [(asset, wallet, units) for asset, units in zip((X, Y), amounts, strict=True) if units]
        if legs:
            self.world.do(token, transfer(token, *legs))
        return amounts

    def _swap(self, told: Mapping[str, Any], units: int, *, least: int = 0) -> dict[str, int]:
        """Swap without a price limit but the last price there is, as the router does."""
        zero_for_one = told["zeroForOne"]
        asset_in, asset_out = (X, Y) if zero_for_one else (Y, X)
        result = self.market.call(
            _wallet(told["who"]),
            POOL,
            "swap_to_limit",
            spend={asset_in: PLENTY},
            receive={asset_out: least} if least else {},
            asset_in=asset_in,
            asset_out=asset_out,
            units=units,
            sqrt_price_limit=clp.SQRT_PRICE_MIN + 1 if zero_for_one else clp.SQRT_PRICE_MAX - 1,
        )
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
