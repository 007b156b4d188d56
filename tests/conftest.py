"""Hypothesis's profiles, a count of the vectors that ran, and an environment without the caller's settings.

`test` and `check` repeat the same examples each time, `check` fewer of them; `slow` looks for new ones.
`--hypothesis-profile=check` (as in `make check`) chooses another than `test`. A test sets its own
`max_examples` only to lower it for the sake of time: a number in a test overrides the profile.
"""

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "test",
    derandomize=True,
    max_examples=50,
    stateful_step_count=30,
    deadline=None,  # machines differ; a deadline would make the outcome depend on them
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("check", settings.get_profile("test"), max_examples=20)
settings.register_profile(
    "slow",
    max_examples=2_000,
    stateful_step_count=100,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("test")

# The caller's own ledger or node is not what the commands of a test should find.
for name in [name for name in os.environ if name.startswith("TALLYSTICK_")]:
    if name not in {"TALLYSTICK_VECTORS", "TALLYSTICK_SHARED_DATA", "TALLYSTICK_SIGNATURES"}:
        del os.environ[name]


@pytest.fixture
def count_vectors(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Return a function by which a test tells how many of others' vectors it ran.

    The numbers stand at the end of the run's output, whatever process the test ran in: a test that is
    skipped, or that finds an empty file, is then seen to be missing there.
    """

    def count(whose: str, number: int, note: str = "") -> None:
        record_property("vectors", f"{number:>6} {whose}{f' ({note})' if note else ''}")

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what `count_vectors` was told."""
    told = {
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "vectors"
    }
    if told:
        terminalreporter.section("others' vectors that ran")
        for line in sorted(told, key=lambda line: line.split(None, 1)[1]):
            terminalreporter.write_line(line)
