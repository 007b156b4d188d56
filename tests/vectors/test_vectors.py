"""Every file of vectors that there is an adapter for, to the unit.

`TALLYSTICK_VECTORS=DIR pytest tests/vectors` runs the files below DIR instead of those beside the checkout.
"""

import json
import os
from pathlib import Path

import pytest

from tests.shared_data import shared
from tests.vectors.adapters import ADAPTERS, adapter_for
from tests.vectors.harness import Tally

ELSEWHERE = os.environ.get("TALLYSTICK_VECTORS")

EXPECTED = {
    "published/uniswap_v2.json": Tally(cases=29),
    "published/uniswap_v2_arbitrage.json": Tally(cases=14),
    "published/uniswap_v3_fullmath.json": Tally(cases=18),
    "published/uniswap_v3_tickmath.json": Tally(cases=53),
    "published/uniswap_v3_sqrtpricemath.json": Tally(cases=33),
    "published/uniswap_v3_swapmath.json": Tally(cases=9),
    "published/uniswap_v3_pool_swaps.json": Tally(cases=240),
    "recorded/uniswap_v3_lifecycle.json": Tally(cases=1, steps=150, rejected=11, skipped=1),
    "recorded/curve_3pool.json": Tally(cases=1, steps=131, rejected=2),
    "published/sablier_streams.json": Tally(cases=8, skipped=2),
    "published/erc4626_vault.json": Tally(cases=8),
    "recorded/synthetix_staking_rewards.json": Tally(cases=1, steps=110, rejected=5),
    "published/lending_compound.json": Tally(cases=44, skipped=23),
    "recorded/compound_v2_rates.json": Tally(cases=40),
    "recorded/aave_v3_rates.json": Tally(cases=45),
    "recorded/aave_v3_wadray.json": Tally(cases=100),
    "recorded/maker_abaci.json": Tally(cases=45),
    "recorded/maker_clipper.json": Tally(cases=1, steps=220, rejected=25),
    "recorded/morpho_blue_market.json": Tally(cases=1, steps=180, rejected=51),
    "recorded/uniswap_v2_pair.json": Tally(cases=1, steps=174, rejected=26),
}
"""What must have run of the files beside the checkout."""


def run_file(path: Path) -> Tally:
    """Run every case of a file and check its own counts."""
    document = json.loads(path.read_text(encoding="utf-8"))
    adapter = adapter_for(path)
    assert adapter is not None
    total = Tally()
    for number, case in enumerate(document["cases"]):
        try:
            total += adapter(document, case)
        except BaseException as error:
            error.add_note(f"{path.name}, case {number}")
            raise
    assert total.cases == document.get("count", total.cases) == len(document["cases"])
    assert total.steps == document.get("steps", total.steps)
    return total


def test_every_adapter_has_a_file_that_must_run():
    assert {adapter_for(Path(name)) for name in EXPECTED} == set(ADAPTERS.values())


if ELSEWHERE is None:

    @pytest.mark.parametrize("name", EXPECTED)
    def test_numbers_are_theirs_to_the_unit(name, count_vectors):
        total = run_file(shared(f"mechanisms/{name}"))
        count_vectors(name, total.cases, str(total))
        assert total == EXPECTED[name]

else:

    def test_the_folder_has_something_to_run():
        assert [path for path in Path(ELSEWHERE).rglob("*.json") if adapter_for(path)], ELSEWHERE

    @pytest.mark.parametrize("path", sorted(Path(ELSEWHERE).rglob("*.json")), ids=lambda path: path.name)
    def test_numbers_are_theirs_to_the_unit(path, count_vectors):
        if adapter_for(path) is None:
            pytest.skip(f"no adapter runs {path.name}")
        total = run_file(path)
        count_vectors(path.name, total.cases, str(total))
        assert total.cases > 0
