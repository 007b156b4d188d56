"""New recordings from the published contracts themselves: Uniswap v2's and v3's bytecode in an EVM.

    python -m tests.vectors.evm_recorder DIR          # writes files named and shaped like the recorded ones
    TALLYSTICK_VECTORS=DIR pytest tests/vectors

The bytecode is the projects' own npm packages, fetched when it is needed and not kept; the EVM is `pyrevm`.
Neither is a dependency: whoever doubts the pools installs them and records as much as they like. Recorded is
what `recorded/uniswap_*.json` records: state after each step, or the reason of a step that failed. Seeds
choose fees, ranges, prices and amounts, and ranges that many tokens share.

Refused: an ABI library. Every call here is a selector and static words, but for one empty `bytes`.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

PACKAGES = ("@uniswap/v2-core@1.0.1", "@uniswap/v3-core@1.0.1", "@uniswap/v3-periphery@1.4.4")
CODE = {
    "ERC20": "v2-core:build/ERC20.json",
    "UniswapV2Factory": "v2-core:build/UniswapV2Factory.json",
    "UniswapV3Factory": "v3-core:artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
    "NonfungiblePositionManager": "v3-periphery:artifacts/contracts/NonfungiblePositionManager.sol/"
    "NonfungiblePositionManager.json",
    "SwapRouter": "v3-periphery:artifacts/contracts/SwapRouter.sol/SwapRouter.json",
}
# Function selectors: the first four bytes of Keccak-256 of the signature.
SELECTORS = {
    "transfer": "a9059cbb",
    "approve": "095ea7b3",
    "balanceOf": "70a08231",
    "createPair": "c9c65396",
    "getPair": "e6a43905",
    "setFeeTo": "f46901ed",
    "pair.mint": "6a627842",
    "burn": "89afcb44",
    "swap": "022c0d9f",
    "skim": "bc25cf77",
    "sync": "fff6cae9",
    "getReserves": "0902f1ac",
    "totalSupply": "18160ddd",
    "kLast": "7464fc3d",
    "price0CumulativeLast": "5909c0d5",
    "price1CumulativeLast": "5a3d5493",
    "enableFeeAmount": "8a7c195f",
    "createPool": "a1671295",
    "getPool": "1698ee82",
    "initialize": "f637731d",
    "setFeeProtocol": "8206a4d1",
    "slot0": "3850c7bd",
    "protocolFees": "1ad8b03b",
    "liquidity": "1a686502",
    "feeGrowthGlobal0X128": "f3058399",
    "feeGrowthGlobal1X128": "46141319",
    "mint": "88316456",
    "increaseLiquidity": "219f5d17",
    "decreaseLiquidity": "0c49ccbe",
    "collect": "fc6f7865",
    "positions": "99fbab88",
    "exactInputSingle": "414bf389",
    "exactOutputSingle": "db3e2198",
}
ERROR_WITH_STRING = "08c379a0"
START = 1_700_000_000
DEADLINE = 1 << 40
UINT128_MAX = (1 << 128) - 1
Step = dict[str, Any]


class Reverted(Exception):
    """A call failed, with the contract's reason."""


def bytecode() -> dict[str, str]:
    """Return creation bytecode by contract, from the published packages."""
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        for package in PACKAGES:
            subprocess.run(["npm", "pack", package], cwd=directory, check=True, capture_output=True)
        for name, where in CODE.items():
            package, path = where.split(":")
            archive = next(Path(directory).glob(f"uniswap-{package}-*.tgz"))
            with tarfile.open(archive) as files:
                member = files.extractfile(f"package/{path}")
                assert member is not None
                found[name] = json.load(member)["bytecode"].removeprefix("0x")
    return found


class Chain:
    """An EVM with a clock, on which words are sent and words come back."""

    def __init__(self, code: dict[str, str]) -> None:
        self._pyrevm = import_module("pyrevm")
        self._evm = self._pyrevm.EVM(spec_id="ISTANBUL", gas_limit=1 << 62)
        self._code = code
        self.now = START
        self.wait(0)

    def wait(self, seconds: int) -> None:
        self.now += seconds
        block = self._pyrevm.BlockEnv(timestamp=self.now, number=1, gas_limit=1 << 62, prevrandao=bytes(32))
        self._evm.set_block_env(block)

    def deploy(self, owner: int, name: str, *words: int) -> int:
        address = self._evm.deploy(_hex(owner), bytes.fromhex(self._code[name] + _words(words)))
        return int(address, 16)

    def call(self, who: int, to: int, name: str, *words: int) -> list[int]:
        """Call and return the answer's words. Raises `Reverted`."""
        data = bytes.fromhex(SELECTORS[name] + _words(words))
        try:
            answer = bytes(self._evm.message_call(_hex(who), _hex(to), calldata=data))
        except RuntimeError as failed:
            raise Reverted(_reason(str(failed))) from None
        return [int.from_bytes(answer[start : start + 32], "big") for start in range(0, len(answer), 32)]

    def ask(self, to: int, name: str, *words: int) -> int:
        return self.call(OWNER, to, name, *words)[0]

    def tokens(self, units: int) -> list[int]:
        """Deploy the pair's two tokens, lower address first, all of both with the owner."""
        return sorted(self.deploy(OWNER, "ERC20", units) for _ in range(2))


OWNER, FEES = 0xAAAA, 0xFEE


def _hex(address: int) -> str:
    return f"0x{address:040x}"


def _words(numbers: Sequence[int]) -> str:
    return "".join(f"{number % (1 << 256):064x}" for number in numbers)


def _signed(word: int) -> int:
    return word - (1 << 256) if word >> 255 else word


def _reason(told: str) -> str:
    output = re.search(r"output: 0x([0-9a-f]*)", told)
    if output is None or not output[1].startswith(ERROR_WITH_STRING):
        return "revert without reason"
    raw = bytes.fromhex(output[1][8:])
    return raw[64 : 64 + int.from_bytes(raw[32:64], "big")].decode()


class Recorder:
    """What both kinds of recording share: a chain, a die, and the steps so far."""

    def __init__(self, code: dict[str, str], seed: int) -> None:
        self.chain, self.draw = Chain(code), Random(seed)
        self.steps: list[Step] = []

    def note(self, op: str, act: Callable[[], Any], **fields: Any) -> bool:
        """Do a step and note what came of it: an answer of words is part of it, None is not."""
        step = {"op": op, **fields, "t": self.chain.now}
        try:
            answer = act()
        except Reverted as failed:
            self.steps.append({**step, "revert": str(failed)})
            return False
        returns = {} if answer is None else {"returns": answer}
        self.steps.append({**step, **returns, "after": self.after()})
        return True

    def after(self) -> Step:
        raise NotImplementedError


class PairRecorder(Recorder):
    """The life of a v2 pair with one user."""

    def __init__(self, code: dict[str, str], seed: int, *, fee_on: bool) -> None:
        super().__init__(code, seed)
        self.fee_on = fee_on
        chain = self.chain
        factory = chain.deploy(OWNER, "UniswapV2Factory", OWNER)
        self.tokens = chain.tokens(10**36)
        chain.call(OWNER, factory, "createPair", *self.tokens)
        self.pair = chain.ask(factory, "getPair", *self.tokens)
        if fee_on:
            chain.call(OWNER, factory, "setFeeTo", FEES)

    def record(self, length: int) -> Step:
        self._mint(*(self._amount(10 ** self.draw.randint(4, 33)) + 2_000 for _ in range(2)))
        acts = [self._swap, self._add, self._burn, self._donate, self._sync]
        while len(self.steps) < length:
            self.chain.wait(self.draw.choice([0, 0, 1, 13, 3_600, self.draw.randrange(10**6)]))
            self.draw.choices(acts, [10, 4, 4, 2, 1])[0]()
        return {"feeOn": self.fee_on, "steps": self.steps}

    def after(self) -> Step:
        chain, pair = self.chain, self.pair
        reserve_0, reserve_1, _ = chain.call(OWNER, pair, "getReserves")
        found = {
            "reserve0": reserve_0,
            "reserve1": reserve_1,
            "totalSupply": chain.ask(pair, "totalSupply"),
            "kLast": chain.ask(pair, "kLast"),
            "price0Cumulative": chain.ask(pair, "price0CumulativeLast"),
            "price1Cumulative": chain.ask(pair, "price1CumulativeLast"),
            "feeToLP": chain.ask(pair, "balanceOf", FEES),
            "userLP": chain.ask(pair, "balanceOf", OWNER),
            "user0": chain.ask(self.tokens[0], "balanceOf", OWNER),
            "user1": chain.ask(self.tokens[1], "balanceOf", OWNER),
        }
        return {name: str(number) for name, number in found.items()}

    def _reserves(self) -> list[int]:
        return self.chain.call(OWNER, self.pair, "getReserves")[:2]

    def _amount(self, most: int) -> int:
        return self.draw.randint(1, max(self.draw.randint(1, max(most, 1)) >> self.draw.randint(0, 60), 1))

    def _send(self, side: int, units: int) -> None:
        if units:
            self.chain.call(OWNER, self.tokens[side], "transfer", self.pair, units)

    def _do(self, name: str, *words: int) -> None:
        self.chain.call(OWNER, self.pair, name, *words)

    def _mint(self, amount_0: int, amount_1: int) -> None:
        self._send(0, amount_0)
        self._send(1, amount_1)
        amounts = {"amount0": str(amount_0), "amount1": str(amount_1)}
        if not self.note("mint", lambda: self._do("pair.mint", OWNER), **amounts):
            self._skim()

    def _add(self) -> None:
        reserves = self._reserves()
        amount = self._amount(reserves[0])
        matching = amount * reserves[1] // max(reserves[0], 1)
        self._mint(amount, max(matching + self.draw.randint(-3, 3), 1))

    def _burn(self) -> None:
        held = self.chain.ask(self.pair, "balanceOf", OWNER)
        shares = min(self._amount(held), held)
        self.chain.call(OWNER, self.pair, "transfer", self.pair, shares)
        self.note("burn", lambda: self._do("burn", OWNER), liquidity=str(shares))

    def _swap(self) -> None:
        side = self.draw.randint(0, 1)
        reserves = self._reserves()
        units = self._amount(reserves[side])
        fair = units * 997 * reserves[1 - side] // (reserves[side] * 1000 + units * 997)
        out = fair + self.draw.choice([0] * 8 + [1, -1 if fair else 0])
        self._send(side, units)
        outs = (0, out) if side == 0 else (out, 0)
        fields = {"tokenIn": side, "amountIn": str(units), "amountOut": str(out)}
        if not self.note("swap", lambda: self._do("swap", *outs, OWNER, 128, 0), **fields):
            self._skim()

    def _skim(self) -> None:
        self.note("skim", lambda: self._do("skim", OWNER))

    def _donate(self) -> None:
        given = [self._amount(1 + reserve // 100) for reserve in self._reserves()]
        given[self.draw.randint(0, 1)] *= self.draw.randint(0, 1)
        for side, units in enumerate(given):
            self._send(side, units)
        named = {f"amount{side}": str(units) for side, units in enumerate(given) if units}
        self.note("donateSync", lambda: self._do("sync"), **named)

    def _sync(self) -> None:
        self.note("sync", lambda: self._do("sync"))


class PoolRecorder(Recorder):
    """The life of a v3 pool, led by three wallets through the position manager and the router."""

    def __init__(
        self, code: dict[str, str], seed: int, *, fee: int, spacing: int, protocol: tuple[int, int]
    ) -> None:
        super().__init__(code, seed)
        chain = self.chain
        self.fee, self.spacing, self.protocol = fee, spacing, protocol
        self.wallets = {"A": 0xBB01, "B": 0xBB02, "C": 0xBB03}
        self.first_price = int((1 << 96) * 10 ** self.draw.uniform(-6, 6))
        factory = chain.deploy(OWNER, "UniswapV3Factory")
        weth, descriptor = 0x11, 0x12
        self.manager = chain.deploy(OWNER, "NonfungiblePositionManager", factory, weth, descriptor)
        self.router = chain.deploy(OWNER, "SwapRouter", factory, weth)
        self.tokens = chain.tokens(1 << 255)
        for token in self.tokens:
            for wallet in self.wallets.values():
                chain.call(OWNER, token, "transfer", wallet, 10**27)
                for spender in (self.manager, self.router):
                    chain.call(wallet, token, "approve", spender, (1 << 256) - 1)
        if fee == 100:
            chain.call(OWNER, factory, "enableFeeAmount", fee, spacing)
        chain.call(OWNER, factory, "createPool", *self.tokens, fee)
        self.pool = chain.ask(factory, "getPool", *self.tokens, fee)
        chain.call(OWNER, self.pool, "initialize", self.first_price)
        if any(protocol):
            chain.call(OWNER, self.pool, "setFeeProtocol", *protocol)
        self.minted: list[tuple[str, int, int]] = []

    def record(self, length: int) -> Step:
        acts = [self._mint, self._increase, self._decrease, self._collect, self._input, self._output]
        while len(self.steps) < length:
            self.chain.wait(self.draw.choice([0, 12, 612, 3_600]))
            act = self.draw.choices(acts, [5, 3, 4, 4, 7, 3])[0] if self.minted else self._mint
            act(self.draw.choice("ABC"))
        return {
            "feePips": self.fee,
            "tickSpacing": self.spacing,
            "initialSqrtPriceX96": str(self.first_price),
            "feeProtocol": list(self.protocol),
            "steps": self.steps,
        }

    def after(self) -> Step:
        chain, pool = self.chain, self.pool
        price, tick, *_ = chain.call(OWNER, pool, "slot0")
        return {
            "sqrtPriceX96": str(price),
            "tick": _signed(tick),
            "liquidity": str(chain.ask(pool, "liquidity")),
            "feeGrowthGlobal0X128": str(chain.ask(pool, "feeGrowthGlobal0X128")),
            "feeGrowthGlobal1X128": str(chain.ask(pool, "feeGrowthGlobal1X128")),
            "balance0": str(chain.ask(self.tokens[0], "balanceOf", pool)),
            "balance1": str(chain.ask(self.tokens[1], "balanceOf", pool)),
            "protocolFees": [str(units) for units in chain.call(OWNER, pool, "protocolFees")],
        }

    def _amount(self) -> int:
        return self.draw.randint(0, 10 ** self.draw.choice([1, 6, 12, 18, 21]))

    def _range(self) -> tuple[int, int]:
        """Return a range: one that another token has, all, some around the price, or any at all."""
        furthest = 887_272 // self.spacing * self.spacing
        kind = self.draw.randrange(10)
        if kind < 3 and self.minted:
            return self.draw.choice(self.minted)[1:]
        if kind < 4 or not self.minted:
            return -furthest, furthest
        if kind < 5:
            lower, upper = (self.draw.randint(-890_000, 890_000) // self.spacing for _ in range(2))
            return lower * self.spacing, upper * self.spacing
        width = self.draw.choice([1, 2, 5, 50, 500])
        middle = _signed(self.chain.call(OWNER, self.pool, "slot0")[1]) // self.spacing
        middle += self.draw.randint(-width, width)
        return (middle - width) * self.spacing, (middle + width) * self.spacing

    def _mint(self, who: str) -> None:
        lower, upper = self._range()
        amounts = self._amount(), self._amount()

        def act() -> list[str]:
            words = (*self.tokens, self.fee, lower, upper, *amounts, 0, 0, self.wallets[who], DEADLINE)
            answer = self.chain.call(self.wallets[who], self.manager, "mint", *words)
            self.minted.append((who, lower, upper))
            return _texts(answer)

        ticks = {"tickLower": lower, "tickUpper": upper}
        self.note("mint", act, who=who, **ticks, **_desired(amounts))

    def _manage(self, op: str, who: str, *words: int, **fields: Any) -> None:
        call = self.chain.call
        self.note(op, lambda: _texts(call(self.wallets[who], self.manager, op, *words)), who=who, **fields)

    def _token(self, stranger: str) -> tuple[int, str]:
        """Return a token and who asks: its owner, and now and then somebody else."""
        number = self.draw.randint(1, len(self.minted))
        return number, stranger if self.draw.random() < 0.1 else self.minted[number - 1][0]

    def _increase(self, who: str) -> None:
        number, amounts = self.draw.randint(1, len(self.minted)), (self._amount(), self._amount())
        words = (number, *amounts, 0, 0, DEADLINE)
        self._manage("increaseLiquidity", who, *words, tokenId=number, **_desired(amounts))

    def _decrease(self, stranger: str) -> None:
        number, who = self._token(stranger)
        held = self.chain.call(OWNER, self.manager, "positions", number)[7]
        liquidity = self.draw.choice([held, held // 2, self.draw.randint(0, held), held + 1])
        words = (number, liquidity, 0, 0, DEADLINE)
        self._manage("decreaseLiquidity", who, *words, tokenId=number, liquidity=str(liquidity))

    def _collect(self, stranger: str) -> None:
        number, who = self._token(stranger)
        words = (number, self.wallets[who], UINT128_MAX, UINT128_MAX)
        self._manage("collect", who, *words, tokenId=number)

    def _input(self, who: str) -> None:
        self._route("exactInputSingle", who, "amountIn", limit=0)

    def _output(self, who: str) -> None:
        self._route("exactOutputSingle", who, "amountOut", limit=(1 << 256) - 1)

    def _route(self, op: str, who: str, name: str, *, limit: int) -> None:
        zero_for_one, units = self.draw.random() < 0.5, self._amount()
        pair = self.tokens if zero_for_one else self.tokens[::-1]
        words = (*pair, self.fee, self.wallets[who], DEADLINE, units, limit, 0)
        fields = {"who": who, "zeroForOne": zero_for_one, name: str(units)}
        call = self.chain.call
        self.note(op, lambda: str(call(self.wallets[who], self.router, op, *words)[0]), **fields)


def _desired(amounts: tuple[int, int]) -> dict[str, str]:
    return {f"amount{side}Desired": str(units) for side, units in enumerate(amounts)}


def _texts(numbers: Sequence[int]) -> list[str]:
    return [str(number) for number in numbers]


FEES_AND_SPACINGS = ((3_000, 60), (500, 10), (10_000, 200), (100, 1))
PROTOCOLS = ((0, 0), (4, 6), (10, 0), (0, 7))


def record_pairs(code: dict[str, str], *, cases: int, length: int, seed: int = 0) -> Step:
    """Return a document of recorded pairs, every other one with protocol fee."""
    return _document(
        [PairRecorder(code, seed + one, fee_on=one % 2 == 1).record(length) for one in range(cases)]
    )


def record_pools(code: dict[str, str], *, cases: int, length: int, seed: int = 0) -> Step:
    """Return a document of recorded pools, over all fees and protocol fees in turn."""
    recorded = []
    for one in range(cases):
        fee, spacing = FEES_AND_SPACINGS[one % 4]
        protocol = PROTOCOLS[one // 4 % 4 if one >= 4 else one % 4]
        pool = PoolRecorder(code, seed + one, fee=fee, spacing=spacing, protocol=protocol)
        recorded.append(pool.record(length))
    return _document(recorded)


def _document(cases: list[Step]) -> Step:
    steps = sum(len(case["steps"]) for case in cases)
    return {"origin": list(PACKAGES), "count": len(cases), "steps": steps, "cases": cases}


def main(directory: str) -> None:
    """Write both files into the directory."""
    code = bytecode()
    for name, document in (
        ("uniswap_v2_pair.json", record_pairs(code, cases=16, length=200)),
        ("uniswap_v3_lifecycle.json", record_pools(code, cases=16, length=200)),
    ):
        Path(directory, name).write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
