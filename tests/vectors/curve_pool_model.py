"""A transliteration of StableSwap3Pool.vy for any number of coins, with nothing of our pool's code.

It writes histories in the shape of the recorded ones, so that the pool is compared over far more of them than
were recorded: other numbers of coins, decimals, fees and amplifications, ramps up and down, absurd amounts.
It keeps the contract's order and names, because its only purpose is to be checked against the Vyper line by
line. An `assert` or an integer that leaves its bounds there is `Reverted` here.

Source: curvefi/curve-contract at 574f440, contracts/pools/3pool/StableSwap3Pool.vy.
"""

# ruff: noqa: N802, N803, N806 (the names are the contract's)

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

PRECISION = 10**18
FEE_DENOMINATOR = 10**10
MAX_A = 10**6
MAX_A_CHANGE = 10
MIN_RAMP_TIME = 86_400
UINT256_LIMIT = 2**256
WITHOUT_REASON = "revert without reason"


class Reverted(Exception):
    """The contract's own `assert` failed, with its message, or its arithmetic left 256 bits."""


def require(condition: bool, message: str = WITHOUT_REASON) -> None:
    if not condition:
        raise Reverted(message)


def u(number: int) -> int:
    """Return an intermediate result that fits in an unsigned word."""
    require(0 <= number < UINT256_LIMIT)
    return number


def div(numerator: int, denominator: int) -> int:
    require(denominator != 0)
    return u(numerator) // denominator


class Pool:
    """The pool, its coins' balances in it, its token's supply, and one user's share of each."""

    def __init__(self, *, decimals: Sequence[int], A: int, fee: int, admin_fee: int) -> None:
        self.n = len(decimals)
        self.precisions = [10 ** (18 - places) for places in decimals]
        self.fee, self.admin_fee = fee, admin_fee
        self.initial_A = self.future_A = A
        self.initial_A_time = self.future_A_time = 0
        self.balances = [0] * self.n
        self.held = [0] * self.n
        self.supply = 0
        self.user = [0] * self.n
        self.now = 0

    def transact(self, act: Callable[[], None]) -> None:
        kept = {name: list(value) if isinstance(value, list) else value for name, value in vars(self).items()}
        try:
            act()
        except Reverted:
            vars(self).update(kept)
            raise

    def A(self) -> int:
        t1, A1 = self.future_A_time, self.future_A
        if self.now < t1:
            A0, t0 = self.initial_A, self.initial_A_time
            if A1 > A0:
                return A0 + (A1 - A0) * (self.now - t0) // (t1 - t0)
            return A0 - (A0 - A1) * (self.now - t0) // (t1 - t0)
        return A1

    def xp(self, balances: Sequence[int] | None = None) -> list[int]:
        return [x * p for x, p in zip(balances or self.balances, self.precisions, strict=True)]

    def get_D(self, xp: Sequence[int], amp: int) -> int:
        S = sum(xp)
        if S == 0:
            return 0
        D, Ann = S, amp * self.n
        for _ in range(255):
            D_P = D
            for x in xp:
                D_P = div(u(D_P * D), u(x * self.n))
            Dprev = D
            D = div(u(u(Ann * S + D_P * self.n) * D), u((Ann - 1) * D + (self.n + 1) * D_P))
            if abs(D - Dprev) <= 1:
                break
        return D

    def get_y(self, i: int | None, j: int, *, x: int, xp: Sequence[int], D: int, amp: int) -> int:
        """`get_y` where `i` is given, `get_y_D` where it is not."""
        c, S, Ann = D, 0, amp * self.n
        for k in range(self.n):
            if k == j:
                continue
            here = x if k == i else xp[k]
            S += here
            c = div(u(c * D), u(here * self.n))
        c = div(u(c * D), Ann * self.n)
        b = S + D // Ann
        y = D
        for _ in range(255):
            y_prev = y
            y = div(u(y * y + c), u(2 * y + b - D))
            if abs(y - y_prev) <= 1:
                break
        return y

    def _charge(self, old: Sequence[int], new: list[int], D0: int, D1: int, amp: int) -> int:
        fee = self.fee * self.n // (4 * (self.n - 1))
        for i in range(self.n):
            ideal = D1 * old[i] // D0
            fees = fee * abs(ideal - new[i]) // FEE_DENOMINATOR
            self.balances[i] = u(new[i] - fees * self.admin_fee // FEE_DENOMINATOR)
            new[i] = u(new[i] - fees)
        return self.get_D(self.xp(new), amp)

    def add_liquidity(self, amounts: Sequence[int]) -> None:
        amp, old = self.A(), list(self.balances)
        D0 = self.get_D(self.xp(old), amp) if self.supply > 0 else 0
        require(self.supply > 0 or all(amounts))
        for i in range(self.n):
            self._move(i, -amounts[i])
        new = [was + amount for was, amount in zip(old, amounts, strict=True)]
        D1 = self.get_D(self.xp(new), amp)
        require(D1 > D0)
        if self.supply > 0:
            D2 = self._charge(old, new, D0, D1, amp)
            self.supply += self.supply * u(D2 - D0) // D0
        else:
            self.balances = new
            self.supply = D1

    def exchange(self, i: int, j: int, dx: int) -> None:
        old, xp = list(self.balances), self.xp()
        x = xp[i] + dx * self.precisions[i]
        self._move(i, -dx)
        amp = self.A()
        y = self.get_y(i, j, x=x, xp=xp, D=self.get_D(xp, amp), amp=amp)
        dy = u(xp[j] - y - 1)
        dy_fee = dy * self.fee // FEE_DENOMINATOR
        dy = (dy - dy_fee) // self.precisions[j]
        dy_admin_fee = dy_fee * self.admin_fee // FEE_DENOMINATOR // self.precisions[j]
        self.balances[i] = old[i] + dx
        self.balances[j] = u(old[j] - dy - dy_admin_fee)
        self._move(j, dy)

    def get_dy(self, i: int, j: int, dx: int) -> int:
        xp, amp = self.xp(), self.A()
        x = xp[i] + dx * self.precisions[i]
        y = self.get_y(i, j, x=x, xp=xp, D=self.get_D(xp, amp), amp=amp)
        dy = u(xp[j] - y - 1) // self.precisions[j]
        return dy - self.fee * dy // FEE_DENOMINATOR

    def remove_liquidity(self, amount: int) -> None:
        for i in range(self.n):
            value = div(self.balances[i] * amount, self.supply)
            self.balances[i] = u(self.balances[i] - value)
            self._move(i, value)
        self.supply = u(self.supply - amount)

    def remove_liquidity_imbalance(self, amounts: Sequence[int]) -> None:
        require(self.supply != 0)
        amp, old = self.A(), list(self.balances)
        D0 = self.get_D(self.xp(old), amp)
        new = [u(was - amount) for was, amount in zip(old, amounts, strict=True)]
        D1 = self.get_D(self.xp(new), amp)
        D2 = self._charge(old, new, D0, D1, amp)
        token_amount = u(D0 - D2) * self.supply // D0
        require(token_amount != 0)
        self.supply = u(self.supply - token_amount - 1)
        for i in range(self.n):
            self._move(i, amounts[i])

    def calc_withdraw_one_coin(self, token_amount: int, i: int) -> tuple[int, int]:
        amp = self.A()
        fee = self.fee * self.n // (4 * (self.n - 1))
        xp = self.xp()
        D0 = self.get_D(xp, amp)
        D1 = u(D0 - div(token_amount * D0, self.supply))
        new_y = self.get_y(None, i, x=0, xp=xp, D=D1, amp=amp)
        dy_0 = u(xp[i] - new_y) // self.precisions[i]
        reduced = list(xp)
        for j in range(self.n):
            expected = u(xp[j] * D1 // D0 - new_y) if j == i else xp[j] - xp[j] * D1 // D0
            reduced[j] = u(reduced[j] - fee * expected // FEE_DENOMINATOR)
        dy = u(reduced[i] - self.get_y(None, i, x=0, xp=reduced, D=D1, amp=amp) - 1) // self.precisions[i]
        return dy, u(dy_0 - dy)

    def remove_liquidity_one_coin(self, token_amount: int, i: int) -> None:
        dy, dy_fee = self.calc_withdraw_one_coin(token_amount, i)
        self.balances[i] = u(self.balances[i] - (dy + dy_fee * self.admin_fee // FEE_DENOMINATOR))
        self.supply = u(self.supply - token_amount)
        self._move(i, dy)

    def ramp_A(self, future_A: int, future_time: int) -> None:
        require(self.now >= self.initial_A_time + MIN_RAMP_TIME)
        require(future_time >= self.now + MIN_RAMP_TIME)
        initial_A = self.A()
        require(0 < future_A < MAX_A)
        up = initial_A <= future_A <= initial_A * MAX_A_CHANGE
        require(up or (future_A < initial_A <= future_A * MAX_A_CHANGE))
        self.initial_A, self.future_A = initial_A, future_A
        self.initial_A_time, self.future_A_time = self.now, future_time

    def stop_ramp_A(self) -> None:
        self.initial_A = self.future_A = self.A()
        self.initial_A_time = self.future_A_time = self.now

    def admin_balances(self) -> list[int]:
        return [held - balance for held, balance in zip(self.held, self.balances, strict=True)]

    def withdraw_admin_fees(self) -> None:
        self.held = list(self.balances)

    def donate_admin_fees(self) -> None:
        self.balances = list(self.held)

    def _move(self, i: int, amount: int) -> None:
        """Move a coin between the pool and the user, to whom it goes if positive."""
        self.held[i] = u(self.held[i] - amount)
        self.user[i] += amount

    def after(self) -> dict[str, Any]:
        amp = self.A()
        price = self.get_D(self.xp(), amp) * PRECISION // self.supply if self.supply else 0
        return {
            "balances": [str(units) for units in self.balances],
            "adminBalances": [str(units) for units in self.admin_balances()],
            "lpSupply": str(self.supply),
            "virtualPrice": str(price),
            "A": str(amp),
        }


class Author:
    """Writes a history: random steps on a pool, each with its state or its failure, as in the recordings."""

    def __init__(self, seed: int, *, decimals: Sequence[int], A: int, fee: int, admin_fee: int) -> None:
        self.draw = Random(seed)
        self.pool = Pool(decimals=decimals, A=A, fee=fee, admin_fee=admin_fee)
        self.pool.now = 1_700_000_000
        self.decimals = list(decimals)
        self.steps: list[dict[str, Any]] = []

    def write(self, length: int) -> dict[str, Any]:
        """Return a case with `length` steps or a few more."""
        pool = self.pool
        first = [10**places * self.draw.randint(10**5, 10**8) for places in self.decimals]
        given = {
            "n": pool.n,
            "decimals": self.decimals,
            "A": pool.A(),
            "fee": str(pool.fee),
            "adminFee": str(pool.admin_fee),
            "feeDenominator": str(FEE_DENOMINATOR),
        }
        self._note("add_liquidity", lambda: pool.add_liquidity(first), amounts=_texts(first))
        acts = [self._exchange, self._add, self._remove, self._imbalance, self._one, self._admin]
        while len(self.steps) < length:
            pool.now += self.draw.choice([0, 1, 600, 50_000, self.draw.randrange(10**6)])
            self.draw.choices(acts, [8, 4, 2, 3, 3, 3])[0]()
        return {"pool": given, "steps": self.steps}

    def _note(self, op: str, act: Callable[[], None], **fields: Any) -> None:
        pool = self.pool
        step = {"op": op, **fields, "t": pool.now}
        user, supply = list(pool.user), pool.supply
        try:
            pool.transact(act)
            after = pool.after()
        except Reverted as failed:
            self.steps.append({**step, "revert": str(failed)})
            return
        deltas = _texts(now - was for now, was in zip(pool.user, user, strict=True))
        self.steps.append({**step, "userDelta": deltas, "lpDelta": str(pool.supply - supply), "after": after})

    def _units(self, i: int) -> int:
        """Return from a thousandth of a coin, or nearly, to at most all that is there."""
        least = 10 ** max(self.decimals[i] - 3, 2)
        return self.draw.randint(
            least, max(self.pool.balances[i] // self.draw.choice([1, 10, 100, 10**4]), least)
        )

    def _some(self) -> list[int]:
        return [self._units(i) if self.draw.random() < 0.6 else 0 for i in range(self.pool.n)]

    def _shares(self) -> int:
        return self.draw.randint(10**18, self.pool.supply // self.draw.choice([2, 10, 100, 10**4]) + 10**18)

    def _exchange(self) -> None:
        i, j = self.draw.sample(range(self.pool.n), 2)
        dx = self._units(i)
        told: dict[str, Any] = {"i": i, "j": j, "dx": str(dx)}
        with suppress(Reverted):
            told["get_dy"] = str(self.pool.get_dy(i, j, dx))
        self._note("exchange", lambda: self.pool.exchange(i, j, dx), **told)

    def _add(self) -> None:
        amounts = self._some()
        self._note("add_liquidity", lambda: self.pool.add_liquidity(amounts), amounts=_texts(amounts))

    def _remove(self) -> None:
        shares = self._shares()
        self._note("remove_liquidity", lambda: self.pool.remove_liquidity(shares), lp=str(shares))

    def _imbalance(self) -> None:
        amounts = self._some()
        remove = self.pool.remove_liquidity_imbalance
        self._note("remove_liquidity_imbalance", lambda: remove(amounts), amounts=_texts(amounts))

    def _one(self) -> None:
        shares, i = self._shares(), self.draw.randrange(self.pool.n)
        told: dict[str, Any] = {"lp": str(shares), "i": i}
        with suppress(Reverted):
            told["calc"] = str(self.pool.calc_withdraw_one_coin(shares, i)[0])
        remove = self.pool.remove_liquidity_one_coin
        self._note("remove_liquidity_one_coin", lambda: remove(shares, i), **told)

    def _admin(self) -> None:
        pool = self.pool
        match self.draw.randrange(5):
            case 0:
                self._note("withdraw_admin_fees", pool.withdraw_admin_fees)
            case 1:
                self._note("donate_admin_fees", pool.donate_admin_fees)
            case 2:
                self._note("stop_ramp_A", pool.stop_ramp_A)
            case _:
                future_A = max(
                    pool.A() * self.draw.choice([1, 3, 9, 12]) // self.draw.choice([1, 2, 8, 12]), 1
                )
                end = pool.now + self.draw.choice([86_400, 86_399, 200_000, 900_000])
                told = {"futureA": str(future_A), "futureTime": str(end)}
                self._note("ramp_A", lambda: pool.ramp_A(future_A, end), **told)


def _texts(numbers: Any) -> list[str]:
    return [str(number) for number in numbers]
