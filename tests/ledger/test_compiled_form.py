"""The plain and the compiled kernel are one protocol: the same receipts, refusals and state root.

Needs the compiled form (`make compiled`) and is skipped where it is absent or of other sources.
"""

import os
import subprocess
import sys

import pytest

from benchmarks.compiled import BUILD, ROOT, is_current

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not is_current(), reason="build/compiled is absent or of other sources"),
]

NOT_TEXT = "None True 1.0 IntEnum bytes int"
NOT_A_NUMBER = "None 1.0 text StrEnum bytes"
NO_PLAIN_INT = "True IntEnum"
KNOWN_DIFFERENCES = {
    # mypy takes these for an int. Plain, they are a contract_fault; compiled, the number they stand for.
    "take 1": NO_PLAIN_INT,
    "pay 2": NO_PLAIN_INT,
    "mint 2": NO_PLAIN_INT,
    "burn 1": NO_PLAIN_INT,
    "owe 1": NO_PLAIN_INT,
    "clear 1": NO_PLAIN_INT,
    # mypy refuses these. Plain, they are looked up and not found; compiled, they are a contract_fault.
    "take 0": NOT_TEXT,
    "balance 0": NOT_TEXT,
    "available 0": NOT_TEXT,
    "available 1": NOT_TEXT,
    "supply 0": NOT_TEXT,
    "institution_of 0": NOT_TEXT,
    "owe 0": NOT_TEXT,
    "owed 0": NOT_TEXT,
    "clear 0": NOT_TEXT,
    "cancel_timer 0": NOT_A_NUMBER,
    "cancel_timer 1": NOT_A_NUMBER,
    "pay 0": "bytes",
    "pay 1": "bytes",
    "mint 0": "bytes",
    "mint 1": "bytes",
    "burn 0": "bytes",
    "asset 0": "bytes",
    "call 0": "bytes",
    "call 1": "bytes",
    "attempt 0": "bytes",
    "attempt 1": "bytes",
    "view 0": "bytes",
    "view 1": "bytes",
    "attempt_view 0": "bytes",
    "attempt_view 1": "bytes",
    "is_asset 0": "list",
    # Likewise; plain, they are a float, which nothing that is stored or posted may be.
    "mul_div_down 0": "1.0",
    "mul_div_down 1": "1.0",
    "mul_div_down 2": "1.0",
    "mul_div_up 0": "1.0",
    "mul_div_up 1": "1.0",
    "mul_div_up 2": "1.0",
}
"""What a contract of wrong types could tell the forms apart by: "call argument" to the values that do.

Decision 0018 says what follows. A difference that goes is taken out here; one that comes is a finding.
"""


def run_form(path: str) -> dict[str, list[str]]:
    """Return the lines that `tests.ledger.both_forms` prints in that form, by their first word."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.ledger.both_forms"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    lines: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        part, _, rest = line.partition(" ")
        lines.setdefault(part, []).append(rest)
    return lines


@pytest.fixture(scope="module")
def plain() -> dict[str, list[str]]:
    return run_form("src")


@pytest.fixture(scope="module")
def compiled() -> dict[str, list[str]]:
    return run_form(str(BUILD))


def test_each_process_ran_its_form(plain, compiled):
    assert plain["form"] == ["plain Python"]
    assert compiled["form"] == ["compiled"]


def test_a_long_history_has_the_same_state_root_and_receipts_in_both_forms(plain, compiled):
    assert [len(word) for word in plain["history"][0].split()] == [64, 64, 64]
    assert compiled["history"] == plain["history"]


def test_random_scripts_have_the_same_outcomes_and_root_in_both_forms(plain, compiled):
    *outcomes, _ = plain["script"]
    assert sum(outcome.startswith("{") for outcome in outcomes) > 50
    assert len({outcome for outcome in outcomes if not outcome.startswith("{")}) > 10
    assert compiled["script"] == plain["script"]


def test_the_forms_differ_over_wrong_types_in_the_known_places_alone(plain, compiled):
    found: dict[str, str] = {}
    for ours, theirs in zip(plain["mistake"], compiled["mistake"], strict=True):
        (name, at, wrong), (same, _, _) = ours.split(":")[0].split(), theirs.split(":")[0].split()
        assert name == same
        if ours != theirs:
            found[f"{name} {at}"] = f"{found.get(f'{name} {at}', '')} {wrong}".strip()
    assert len(plain["mistake"]) > 300
    assert found == KNOWN_DIFFERENCES
