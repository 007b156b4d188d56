"""The recorded pair traded in our other ways, and a harness that notices every changed number."""

import copy
import json
from functools import partial

import pytest

from tests.shared_data import shared_json
from tests.vectors.harness import Tally
from tests.vectors.test_vectors import run_file
from tests.vectors.uniswap_v2 import run_history

FIELDS = [
    *("reserve0", "reserve1", "totalSupply", "kLast", "price0Cumulative", "price1Cumulative"),
    *("feeToLP", "userLP", "user0", "user1"),
]
RECORDED = "mechanisms/recorded/uniswap_v2_pair.json"


@pytest.fixture(scope="module")
def case():
    return shared_json(RECORDED)["cases"][0]


@pytest.mark.parametrize("how", ["exact_in", "flash"])
def test_every_way_of_trading_gives_the_same(case, how):
    assert run_history({}, case, how=how) == Tally(cases=1, steps=174, rejected=26)


def shortened(case, length=12):
    return {**case, "steps": copy.deepcopy(case["steps"][:length])}


def test_a_short_history_is_accepted(case):
    assert run_history({}, shortened(case)) == Tally(cases=1, steps=12, rejected=1)


@pytest.mark.parametrize("field", FIELDS)
def test_one_unit_more_in_any_field_is_noticed(case, field):
    changed = shortened(case)
    changed["steps"][10]["after"][field] = str(int(changed["steps"][10]["after"][field]) + 1)
    with pytest.raises(pytest.fail.Exception, match=f"after step 10 .*{field}"):
        run_history({}, changed)


def test_a_success_that_should_fail_is_noticed(case):
    changed = shortened(case)
    del changed["steps"][10]["after"]
    changed["steps"][10]["revert"] = "UniswapV2: K"
    with pytest.raises(pytest.fail.Exception, match=r"step 10 .*accepted here"):
        run_history({}, changed)


def test_a_failure_for_another_reason_is_noticed(case):
    changed = shortened(case)
    assert changed["steps"][11]["revert"] == "UniswapV2: INSUFFICIENT_OUTPUT_AMOUNT"
    changed["steps"][11]["revert"] = "UniswapV2: K"
    with pytest.raises(AssertionError, match="output_missing"):
        run_history({}, changed)


def test_a_reason_without_a_code_must_be_rejected_all_the_same(case):
    changed = shortened(case)
    changed["steps"][11]["revert"] = "a reason of the future"
    run_history({}, changed)
    changed["steps"][10]["revert"] = "a reason of the future"
    with pytest.raises(pytest.fail.Exception, match="accepted here"):
        run_history({}, changed)


def test_steps_of_the_wallets_are_skipped_and_counted(case):
    changed = shortened(case)
    changed["steps"][11]["revert"] = "STF"
    assert run_history({}, changed) == Tally(cases=1, steps=12, skipped=1)


@pytest.mark.parametrize(("part", "change"), [("count", 1), ("steps", -1), ("cases", None)])
def test_a_file_that_lost_something_is_noticed(part, change, tmp_path):
    document = shared_json(RECORDED)
    file = tmp_path / "uniswap_v2_pair_again.json"
    write = partial(file.write_text, encoding="utf-8")
    write(json.dumps(document))
    assert run_file(file).steps == 174
    document[part] = [] if change is None else document[part] + change
    write(json.dumps(document))
    with pytest.raises(AssertionError):
        run_file(file)
