"""A transliteration of UniswapV2Pair.sol: balances, not named inputs, and nothing of our pool's code.

It writes histories in the shape of the recorded ones, so that the pool is compared over far more of them than
were recorded: other reserves, fees off, refused deposits, long silences. It keeps the contract's order and
names, because its only purpose is to be checked against the Solidity line by line.

Source: Uniswap/v2-core at ee547b1, contracts/UniswapV2Pair.sol.
"""

from collections.abc import Callable
from math import isqrt
from random import Random
from typing import Any

MINIMUM_LIQUIDITY = 10**3
UINT112_MAX = 2**112 - 1


class Reverted(Exception):
    """The contract's own `require` failed, with its message."""


def require(condition: bool, message: str) -> None:
    if not condition:
        raise Reverted(f"UniswapV2: {message}")


class Pair:
    """The pair, its liquidity token, and the balances of one user in the two tokens and in liquidity."""

    def __init__(self, *, fee_on: bool, funds: int) -> None:
        self.fee_on = fee_on
        self.balance = [0, 0]
        self.user = [funds, funds]
        self.reserve = [0, 0]
        self.cumulative = [0, 0]
        self.timestamp_last = 0
        self.k_last = 0
        self.supply = self.fee_to = self.user_liquidity = self.own_liquidity = 0

    def transact(self, act: Callable[[], None]) -> None:
        """Make a call, and undo it if it reverts; what was sent to the pair beforehand stays there."""
        kept = (list(self.reserve), self.fee_to, self.supply, self.k_last)
        try:
            act()
        except Reverted:
            self.reserve, self.fee_to, self.supply, self.k_last = kept
            raise

    def _update(self, balance0: int, balance1: int, now: int) -> None:
        require(balance0 <= UINT112_MAX and balance1 <= UINT112_MAX, "OVERFLOW")
        elapsed = (now % 2**32 - self.timestamp_last) % 2**32
        reserve0, reserve1 = self.reserve
        if elapsed > 0 and reserve0 != 0 and reserve1 != 0:
            self.cumulative[0] = (self.cumulative[0] + (reserve1 << 112) // reserve0 * elapsed) % 2**256
            self.cumulative[1] = (self.cumulative[1] + (reserve0 << 112) // reserve1 * elapsed) % 2**256
        self.reserve = [balance0, balance1]
        self.timestamp_last = now % 2**32

    def _mint_fee(self) -> None:
        if not self.fee_on:
            self.k_last = 0
        elif self.k_last != 0:
            root_k, root_k_last = isqrt(self.reserve[0] * self.reserve[1]), isqrt(self.k_last)
            if root_k > root_k_last:
                liquidity = self.supply * (root_k - root_k_last) // (root_k * 5 + root_k_last)
                self.fee_to += liquidity
                self.supply += liquidity

    def mint(self, now: int) -> None:
        amount0, amount1 = self.balance[0] - self.reserve[0], self.balance[1] - self.reserve[1]
        self._mint_fee()
        if self.supply == 0:
            liquidity = isqrt(amount0 * amount1) - MINIMUM_LIQUIDITY
            require(liquidity >= 0, "ds-math-sub-underflow")
            locked = MINIMUM_LIQUIDITY
        else:
            locked = 0
            liquidity = min(
                amount0 * self.supply // self.reserve[0], amount1 * self.supply // self.reserve[1]
            )
        require(liquidity > 0, "INSUFFICIENT_LIQUIDITY_MINTED")
        self.supply += locked + liquidity
        self.user_liquidity += liquidity
        self._update(*self.balance, now)
        if self.fee_on:
            self.k_last = self.reserve[0] * self.reserve[1]

    def burn(self, now: int) -> None:
        liquidity = self.own_liquidity
        self._mint_fee()
        amounts = [liquidity * balance // self.supply for balance in self.balance]
        require(amounts[0] > 0 and amounts[1] > 0, "INSUFFICIENT_LIQUIDITY_BURNED")
        self.own_liquidity -= liquidity
        self.supply -= liquidity
        for side in (0, 1):
            self.balance[side] -= amounts[side]
            self.user[side] += amounts[side]
        self._update(*self.balance, now)
        if self.fee_on:
            self.k_last = self.reserve[0] * self.reserve[1]

    def swap(self, amount0_out: int, amount1_out: int, now: int) -> None:
        outs = (amount0_out, amount1_out)
        require(amount0_out > 0 or amount1_out > 0, "INSUFFICIENT_OUTPUT_AMOUNT")
        require(amount0_out < self.reserve[0] and amount1_out < self.reserve[1], "INSUFFICIENT_LIQUIDITY")
        left = [self.balance[side] - outs[side] for side in (0, 1)]
        ins = [max(left[side] - (self.reserve[side] - outs[side]), 0) for side in (0, 1)]
        require(ins[0] > 0 or ins[1] > 0, "INSUFFICIENT_INPUT_AMOUNT")
        adjusted = [left[side] * 1000 - ins[side] * 3 for side in (0, 1)]
        require(adjusted[0] * adjusted[1] >= self.reserve[0] * self.reserve[1] * 1000**2, "K")
        self._update(*left, now)
        for side in (0, 1):
            self.user[side] += outs[side]
        self.balance = left

    def skim(self) -> None:
        for side in (0, 1):
            self.user[side] += self.balance[side] - self.reserve[side]
            self.balance[side] = self.reserve[side]

    def sync(self, now: int) -> None:
        self._update(*self.balance, now)

    def pay_in(self, amount0: int, amount1: int) -> None:
        for side, amount in enumerate((amount0, amount1)):
            self.user[side] -= amount
            self.balance[side] += amount

    def after(self) -> dict[str, str]:
        found = {
            "reserve0": self.reserve[0],
            "reserve1": self.reserve[1],
            "totalSupply": self.supply,
            "kLast": self.k_last,
            "price0Cumulative": self.cumulative[0],
            "price1Cumulative": self.cumulative[1],
            "feeToLP": self.fee_to,
            "userLP": self.user_liquidity,
            "user0": self.user[0],
            "user1": self.user[1],
        }
        return {name: str(value) for name, value in found.items()}


class Author:
    """Writes a history: random steps on a pair, each with its state or its failure, as in the recordings."""

    def __init__(self, seed: int, *, fee_on: bool, scale: tuple[int, int]) -> None:
        self.draw = Random(seed)
        self.pair = Pair(fee_on=fee_on, funds=10**36)
        self.scale = scale
        self.now = 1_700_000_000 + self.draw.randrange(10**6)
        self.steps: list[dict[str, Any]] = []

    def write(self, length: int) -> dict[str, Any]:
        """Return a case with `length` steps or a few more."""
        self._mint(*(self._amount(10**limit) + 2_000 for limit in self.scale))
        while len(self.steps) < length:
            self.now += self.draw.choice([0, 0, 1, 13, 3600, self.draw.randrange(10**7)])
            kind = self.draw.choices(
                [self._swap, self._add, self._burn, self._donate, self._sync], [10, 4, 4, 2, 1]
            )[0]
            kind()
        return {"feeOn": self.pair.fee_on, "steps": self.steps}

    def _amount(self, most: int) -> int:
        return self.draw.randint(1, max(self.draw.randint(1, max(most, 1)) >> self.draw.randint(0, 60), 1))

    def _note(self, op: str, act: Callable[[], None], **fields: Any) -> bool:
        step: dict[str, Any] = {"op": op, **fields, "t": self.now}
        try:
            self.pair.transact(act)
        except Reverted as failed:
            self.steps.append({**step, "revert": str(failed)})
            return False
        self.steps.append({**step, "after": self.pair.after()})
        return True

    def _mint(self, amount0: int, amount1: int) -> None:
        self.pair.pay_in(amount0, amount1)
        amounts = {"amount0": str(amount0), "amount1": str(amount1)}
        if not self._note("mint", lambda: self.pair.mint(self.now), **amounts):
            self._skim()

    def _add(self) -> None:
        amount0 = self._amount(self.pair.reserve[0])
        matching = amount0 * self.pair.reserve[1] // self.pair.reserve[0]
        self._mint(amount0, max(matching + self.draw.randint(-3, 3), 1))

    def _burn(self) -> None:
        liquidity = min(self._amount(self.pair.user_liquidity), self.pair.user_liquidity)
        self.pair.user_liquidity -= liquidity
        self.pair.own_liquidity += liquidity
        self._note("burn", lambda: self.pair.burn(self.now), liquidity=str(liquidity))

    def _swap(self) -> None:
        side = self.draw.randint(0, 1)
        reserve_in, reserve_out = self.pair.reserve[side], self.pair.reserve[1 - side]
        units = self._amount(reserve_in)
        fair = units * 997 * reserve_out // (reserve_in * 1000 + units * 997)
        out = fair + self.draw.choice([0] * 8 + [1, -1 if fair else 0])
        self.pair.pay_in(*((units, 0) if side == 0 else (0, units)))
        outs = (0, out) if side == 0 else (out, 0)
        fields = {"tokenIn": side, "amountIn": str(units), "amountOut": str(out)}
        if not self._note("swap", lambda: self.pair.swap(*outs, self.now), **fields):
            self._skim()

    def _skim(self) -> None:
        self._note("skim", self.pair.skim)

    def _donate(self) -> None:
        amounts = [self._amount(1 + reserve // 100) for reserve in self.pair.reserve]
        given = self.draw.choice([(amounts[0], 0), (0, amounts[1]), tuple(amounts)])
        self.pair.pay_in(*given)
        named = {f"amount{side}": str(units) for side, units in enumerate(given) if units}
        self._note("donateSync", lambda: self.pair.sync(self.now), **named)

    def _sync(self) -> None:
        self._note("sync", lambda: self.pair.sync(self.now))
