"""The pool against a transliteration of the Solidity, over many more histories than were recorded."""

from collections import Counter
from functools import partial

import pytest

from tests.shared_data import shared_json
from tests.vectors.harness import compare, numbers
from tests.vectors.uniswap_v2 import run_history
from tests.vectors.v2_pair_model import Author, Pair, Reverted

SCALES = [(18, 6), (6, 6), (24, 24), (33, 4), (4, 33)]


def test_the_model_reproduces_the_recorded_history():
    """Whoever doubts the model: it gives the real contract's numbers, step by step."""
    case = shared_json("mechanisms/recorded/uniswap_v2_pair.json")["cases"][0]
    pair = Pair(fee_on=case["feeOn"], funds=10**36)
    for step in case["steps"]:
        try:
            pair.transact(partial(play, pair, numbers(step)))
        except Reverted as failed:
            assert str(failed) == step["revert"]
        else:
            compare(step["after"], pair.after(), where=str(step))


def play(pair, step):
    now = step["t"]
    match step["op"]:
        case "mint":
            pair.pay_in(step["amount0"], step["amount1"])
            pair.mint(now)
        case "burn":
            pair.user_liquidity -= step["liquidity"]
            pair.own_liquidity += step["liquidity"]
            pair.burn(now)
        case "swap":
            first = step["tokenIn"] == 0
            units, out = step["amountIn"], step["amountOut"]
            pair.pay_in(*((units, 0) if first else (0, units)))
            pair.swap(*((0, out) if first else (out, 0)), now)
        case "donateSync":
            pair.pay_in(step.get("amount0", 0), step.get("amount1", 0))
            pair.sync(now)
        case "sync":
            pair.sync(now)
        case "skim":
            pair.skim()


@pytest.mark.parametrize("fee_on", [False, True])
@pytest.mark.parametrize(
    "scale", [SCALES[0], *(pytest.param(scale, marks=pytest.mark.long) for scale in SCALES[1:])]
)
def test_histories_of_the_model_are_ours_to_the_unit(scale, fee_on):
    seen = Counter()
    for seed in range(4):
        case = Author(seed, fee_on=fee_on, scale=scale).write(150)
        tally = run_history({}, case, how=("swap", "exact_in", "flash", "swap")[seed])
        assert tally.steps == len(case["steps"])
        seen.update((step["op"], step.get("revert", "")) for step in case["steps"])
    assert {op for op, failed in seen if not failed} == {"mint", "burn", "swap", "donateSync", "sync", "skim"}
    assert sum(many for (_, failed), many in seen.items() if failed) >= 10
