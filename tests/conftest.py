"""Hypothesis's profiles: `check` repeats the same examples each time, `slow` looks for new ones.

`--hypothesis-profile=slow` (as in `make test-slow`) chooses the other. A test sets its own `max_examples`
only to lower it for the sake of time: a number in a test overrides the profile.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "check",
    derandomize=True,
    max_examples=50,
    stateful_step_count=30,
    deadline=None,  # machines differ; a deadline would make the outcome depend on them
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "slow",
    max_examples=2_000,
    stateful_step_count=100,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("check")
