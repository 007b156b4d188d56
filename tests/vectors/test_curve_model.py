"""The stable pool against a transliteration of the Vyper, over many more histories than were recorded."""

from collections import Counter
from functools import partial

import pytest

from tests.shared_data import shared_json
from tests.vectors.curve_3pool import run_life
from tests.vectors.curve_pool_model import Author, Pool, Reverted
from tests.vectors.harness import compare, numbers

POOLS = {
    "3pool": ([18, 6, 6], 2_000, 4_000_000, 5_000_000_000),
    "two coins, all fee to the admin": ([18, 18], 85, 30_000_000, 10_000_000_000),
    "four coins, no admin fee": ([6, 18, 8, 2], 400, 1_000_000, 0),
    "no fee": ([6, 6, 6], 1_000, 0, 0),
    "eight coins": ([6] * 4 + [18] * 4, 50, 4_000_000, 5_000_000_000),
    "hardly amplified": ([18, 6], 1, 4_000_000, 2_000_000_000),
    "highest amplification and fee": ([3, 18, 9], 999_999, 5_000_000_000, 3_333_333_333),
}
OPS = {
    *("add_liquidity", "exchange", "remove_liquidity", "remove_liquidity_imbalance"),
    *("remove_liquidity_one_coin", "ramp_A", "stop_ramp_A", "withdraw_admin_fees", "donate_admin_fees"),
}


def test_the_model_reproduces_the_recorded_history():
    """Whoever doubts the model: it gives the real contract's numbers, step by step."""
    case = shared_json("mechanisms/recorded/curve_3pool.json")["cases"][0]
    given = numbers(case["pool"])
    pool = Pool(decimals=given["decimals"], A=given["A"], fee=given["fee"], admin_fee=given["adminFee"])
    for step in case["steps"]:
        told = numbers(step)
        pool.now = told["t"]
        if "get_dy" in told:
            assert pool.get_dy(told["i"], told["j"], told["dx"]) == told["get_dy"]
        if "calc" in told:
            assert pool.calc_withdraw_one_coin(told["lp"], told["i"])[0] == told["calc"]
        try:
            pool.transact(partial(play, pool, told))
        except Reverted as failed:
            assert str(failed) == step["revert"]
        else:
            compare(step["after"], pool.after(), where=str(step))


def play(pool, told):
    match told["op"]:
        case "add_liquidity":
            pool.add_liquidity(told["amounts"])
        case "exchange":
            pool.exchange(told["i"], told["j"], told["dx"])
        case "remove_liquidity":
            pool.remove_liquidity(told["lp"])
        case "remove_liquidity_imbalance":
            pool.remove_liquidity_imbalance(told["amounts"])
        case "remove_liquidity_one_coin":
            pool.remove_liquidity_one_coin(told["lp"], told["i"])
        case "ramp_A":
            pool.ramp_A(told["futureA"], told["futureTime"])
        case "withdraw_admin_fees":
            pool.withdraw_admin_fees()
        case unknown:
            raise AssertionError(unknown)


@pytest.mark.parametrize("name", POOLS)
def test_histories_of_the_model_are_ours_to_the_unit(name):
    decimals, amplification, fee, admin_fee = POOLS[name]
    seen = Counter()
    for seed in range(3):
        author = Author(seed, decimals=decimals, A=amplification, fee=fee, admin_fee=admin_fee)
        case = author.write(120)
        tally = run_life({}, case)
        assert tally.steps == len(case["steps"])
        seen.update((step["op"], "revert" in step) for step in case["steps"])
    assert {op for op, failed in seen if not failed} == OPS
    assert sum(many for (_, failed), many in seen.items() if failed) >= 5
