"""Microseconds a constant-product swap inside the ledger; beside it, the real Uniswap v2 pair in an EVM."""

import gc
import importlib
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.limits import measure_dict_update
from benchmarks.pool_world import PAIR, PoolWorld
from benchmarks.result import Condition, Limit, Result
from benchmarks.world import ASSET
from tallystick.ledger.apply import apply

PACKAGE = "@uniswap/v2-core@1.0.1"
RESERVES = (10**21, 2 * 10**21)
# Function selectors: the first four bytes of Keccak-256 of the signature.
CREATE_PAIR, GET_PAIR = "c9c65396", "e6a43905"
TRANSFER, MINT, SWAP, GET_RESERVES = "a9059cbb", "6a627842", "022c0d9f", "0902f1ac"
OWNER = "0x1000000000000000000000000000000000000001"


def run(*, quick: bool) -> Result:
    """Swap through one pool in batches of 1,000; then the same stream through the published bytecode."""
    accounts, count = (200, 1_000) if quick else (10_000, 20_000)
    world = PoolWorld(accounts=accounts)
    trades = world.swaps(count, accounts=accounts, seed=7)
    transactions = [world.swap(trade) for trade in trades]
    gc.collect()
    gc.freeze()
    best, outs = float("inf"), []
    for start in range(0, count, 1_000):
        overlay, batch = world.begin()
        began = time.perf_counter()
        receipts = [apply(overlay, transaction, batch) for transaction in transactions[start : start + 1_000]]
        best = min(best, (time.perf_counter() - began) / len(receipts))
        world.store.write(overlay.writes)
        outs += [int(receipt.results[0]) for receipt in receipts]
    pool = world.store.values[f"{PAIR}!", "pool"]
    peer = _peer([(asset == ASSET, units) for _, asset, units in trades], outs, pool)
    limit = measure_dict_update(count=100_000 if quick else 2_000_000)
    return Result(
        benchmark="pool_swap",
        value=best * 1e6,
        unit="µs",
        better="lower",
        limit=Limit(name=limit.name, value=limit.value / 1e3, unit="µs", conditions=limit.conditions),
        conditions={
            "accounts": accounts,
            "swaps": count,
            "batch": "1,000, the best is shown",
            "seed": 7,
            **peer,
        },
    )


def _peer(trades: list[tuple[bool, int]], outs: list[int], pool: Any) -> dict[str, Condition]:
    """Run the stream through pyrevm with the published bytecode, if both can be had, and compare reserves."""
    try:
        pyrevm = importlib.import_module("pyrevm")  # optional: pip install pyrevm
    except ModuleNotFoundError:
        return {"peer": "not run: pip install pyrevm"}
    if shutil.which("npm") is None:
        return {"peer": f"not run: npm is needed to fetch {PACKAGE}"}
    pair = _Pair(pyrevm.EVM())
    stream = [(zero_in, units, out) for (zero_in, units), out in zip(trades, outs, strict=True)]
    # The pair accepts less than it could pay, so equal reserves alone would prove little: the first swaps are
    # made with one unit more as well, which it must refuse. They are not timed.
    checked, timed = stream[: len(stream) // 4], stream[len(stream) // 4 :]
    for zero_in, units, out in checked:
        pair.swap_most(zero_in=zero_in, units=units, out=out)
    began = time.perf_counter()
    for zero_in, units, out in timed:
        pair.swap(zero_in=zero_in, units=units, out=out)
    elapsed = time.perf_counter() - began
    if pair.reserves() != (pool.reserve_0, pool.reserve_1):
        raise RuntimeError(f"the pair ends at {pair.reserves()}, our pool at {pool}")
    return {
        "peer": f"{PACKAGE} in pyrevm: a token transfer and pair.swap, no router, unsigned",
        "peer_results": f"equal: all reserves, and in {len(checked)} swaps one unit more is refused there",
        "peer_us": round(elapsed / len(timed) * 1e6, 1),
    }


class _Pair:
    """The published pair, with two of its test tokens, in an EVM."""

    def __init__(self, evm: Any) -> None:
        self._evm = evm
        evm.set_balance(OWNER, 10**30)
        code = _fetched_bytecode()
        tokens = sorted(self._deploy(code["ERC20"] + _word(10**30)) for _ in range(2))
        self._tokens = tokens
        factory = self._deploy(code["UniswapV2Factory"] + _address(OWNER))
        both = _address(tokens[0]) + _address(tokens[1])
        self._call(factory, CREATE_PAIR, both)
        self._pair = "0x" + self._call(factory, GET_PAIR, both)[-20:].hex()
        for token, units in zip(tokens, RESERVES, strict=True):
            self._call(token, TRANSFER, _address(self._pair) + _word(units))
        self._call(self._pair, MINT, _address(OWNER))

    def swap(self, *, zero_in: bool, units: int, out: int) -> None:
        self._pay_in(zero_in=zero_in, units=units)
        self._take_out(zero_in=zero_in, out=out)

    def swap_most(self, *, zero_in: bool, units: int, out: int) -> None:
        """Swap, after checking that `out` is the most that the pair would pay."""
        self._pay_in(zero_in=zero_in, units=units)
        try:
            self._take_out(zero_in=zero_in, out=out + 1)
        except RuntimeError:
            self._take_out(zero_in=zero_in, out=out)
        else:
            raise RuntimeError(f"for {units} the pair pays more than our {out}")

    def _pay_in(self, *, zero_in: bool, units: int) -> None:
        self._call(self._tokens[0 if zero_in else 1], TRANSFER, _address(self._pair) + _word(units))

    def _take_out(self, *, zero_in: bool, out: int) -> None:
        out_0, out_1 = (0, out) if zero_in else (out, 0)
        tail = _address(OWNER) + _word(128) + _word(0)
        self._call(self._pair, SWAP, _word(out_0) + _word(out_1) + tail)

    def reserves(self) -> tuple[int, int]:
        answer = self._call(self._pair, GET_RESERVES, "")
        return int.from_bytes(answer[:32], "big"), int.from_bytes(answer[32:64], "big")

    def _deploy(self, code: str) -> str:
        return str(self._evm.deploy(OWNER, bytes.fromhex(code)))

    def _call(self, to: str, selector: str, arguments: str) -> bytes:
        return bytes(self._evm.message_call(OWNER, to, calldata=bytes.fromhex(selector + arguments)))


def _word(number: int) -> str:
    return f"{number:064x}"


def _address(address: str) -> str:
    return address.lower().removeprefix("0x").rjust(64, "0")


def _fetched_bytecode() -> dict[str, str]:
    """Return creation bytecode by contract, from the published package; nothing of it is kept."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["npm", "pack", PACKAGE], cwd=directory, check=True, capture_output=True)
        archive = next(Path(directory).glob("*.tgz"))
        with tarfile.open(archive) as files:
            return {
                name: json.load(files.extractfile(f"package/build/{name}.json"))["bytecode"]  # type: ignore[arg-type]
                for name in ("ERC20", "UniswapV2Factory")
            }
