"""Lives recorded here and now from Uniswap's own bytecode: nobody chose them to fit."""

import importlib.util
import shutil
import subprocess
from collections import Counter

import pytest

from tests.vectors import evm_recorder, uniswap_v2, uniswap_v3
from tests.vectors.harness import Tally

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def code():
    if importlib.util.find_spec("pyrevm") is None:
        pytest.skip("no EVM to record with: pip install pyrevm")
    if shutil.which("npm") is None:
        pytest.skip(f"npm is needed to fetch {', '.join(evm_recorder.PACKAGES)}")
    try:
        return evm_recorder.bytecode()
    except subprocess.CalledProcessError as failed:
        pytest.skip(f"npm does not fetch the packages: {failed.stderr.decode()[-200:]}")


def play(document, adapter):
    total = sum((adapter({}, case) for case in document["cases"]), Tally())
    ops = Counter((step["op"], "revert" in step) for case in document["cases"] for step in case["steps"])
    return total, {op for op, failed in ops if not failed}


def test_pairs_recorded_now_are_ours_to_the_unit(code, count_vectors):
    document = evm_recorder.record_pairs(code, cases=8, length=200)
    total, ops = play(document, uniswap_v2.run_history)
    count_vectors("Uniswap v2, recorded now", total.cases, str(total))
    assert total.steps == document["steps"] >= 1_600
    assert total.rejected > 100
    assert ops == {"mint", "burn", "swap", "skim", "donateSync", "sync"}


def test_pools_recorded_now_are_ours_to_the_unit(code, count_vectors):
    document = evm_recorder.record_pools(code, cases=12, length=200)
    total, ops = play(document, uniswap_v3.run_life)
    count_vectors("Uniswap v3, recorded now", total.cases, str(total))
    assert total.steps == document["steps"] >= 2_400
    assert total.rejected > 100
    assert total.skipped < total.steps // 10
    assert ops == {
        *("mint", "increaseLiquidity", "decreaseLiquidity", "collect"),
        *("exactInputSingle", "exactOutputSingle"),
    }
