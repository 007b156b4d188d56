import json

import pytest

from benchmarks.__main__ import list_benchmarks, main
from benchmarks.compiled import kernel_form
from benchmarks.result import Limit, Result


def result(**changes):
    limit = Limit(name="bare", value=400.0, unit="ops/s", conditions={"processes": 2})
    given = {"benchmark": "dummy", "value": 100.0, "unit": "ops/s", "limit": limit, "conditions": {"seed": 1}}
    return Result(**{**given, **changes})


def test_json_carries_value_limit_ratio_and_conditions():
    report = json.loads(result().to_json(quick=True))
    machine = {name: report["conditions"].pop(name) for name in ("cpu_count", "python", "machine", "system")}
    report["conditions"].pop("cpu_model")
    assert report["conditions"].pop("kernel") == kernel_form()
    assert report == {
        "benchmark": "dummy",
        "value": 100.0,
        "unit": "ops/s",
        "better": "higher",
        "limit": {"name": "bare", "value": 400.0, "unit": "ops/s", "conditions": {"processes": 2}},
        "ratio": 0.25,
        "quick": True,
        "conditions": {"seed": 1},
    }
    assert machine["cpu_count"] >= 1
    assert "3." in machine["python"]


def test_text_says_the_same_and_warns_of_a_quick_run():
    text = result().to_text(quick=True)
    assert "100 ops/s" in text
    assert "0.250" in text
    assert "quick" in text.splitlines()[0]
    assert "quick" not in result().to_text(quick=False)


def test_ratio_is_the_share_of_the_limit_whichever_direction_is_good():
    limit = Limit(name="bare", value=50.0, unit="ns")
    assert result(value=200.0, unit="ns", limit=limit, better="lower").ratio == 0.25


def test_value_and_limit_in_different_units_are_refused():
    with pytest.raises(ValueError, match=r"in ns and its limit in ops/s"):
        result(unit="ns")


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_value_that_was_not_measured_is_refused(value):
    with pytest.raises(ValueError, match="positive and finite"):
        result(value=value)
    with pytest.raises(ValueError, match="positive and finite"):
        Limit(name="bare", value=value, unit="ns")


def test_a_benchmark_is_a_module_that_defines_run(tmp_path):
    (tmp_path / "swap.py").write_text('"""Swaps a second.\n\nMore."""\ndef run(*, quick): ...\n')
    (tmp_path / "helper.py").write_text('"""Not one."""\ndef running(): ...\n')
    assert list_benchmarks(tmp_path) == {"swap": "Swaps a second."}


def test_listing_is_json_on_request(capsys):
    assert main(["--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_unknown_benchmark_is_a_usage_error(capsys):
    assert main(["no_such_benchmark"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "hint: " in shown.err
