"""Rate models beside what the published vectors say: the adaptive one, compounding, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ledger.rates import (
    RAY,
    WAD,
    YEAR_SECONDS,
    AdaptiveRate,
    JumpRate,
    LinearRate,
    VariableRate,
    adaptive_rate,
    compounded,
    exponential,
    rate_per_second,
    to_zero,
    why_invalid,
)

MORPHO = AdaptiveRate()
FOUR_PERCENT = 4 * 10**16 // YEAR_SECONDS
DAY = 86_400


def adaptive(utilisation_percent, *, at_target=FOUR_PERCENT, elapsed=0):
    return adaptive_rate(
        MORPHO,
        supplied=100,
        borrowed=utilisation_percent,
        rate_at_target=at_target,
        elapsed_seconds=elapsed,
    )


def test_the_curve_is_a_quarter_at_none_one_at_target_and_four_times_at_full():
    assert FOUR_PERCENT == 1_268_391_679
    assert adaptive(0)[0] == 317_097_919
    assert adaptive(90)[0] == 1_268_391_679
    assert adaptive(100)[0] == 5_073_566_716


def test_the_first_rate_is_the_initial_one_whatever_time_passed():
    assert adaptive(90, at_target=0, elapsed=10**6) == (FOUR_PERCENT, FOUR_PERCENT)


def test_fifty_a_year_doubles_the_rate_at_target_in_five_days_when_all_is_lent_and_halves_it_at_none():
    five_days = round(math.log(2) / 50 * YEAR_SECONDS)
    assert adaptive(100, elapsed=five_days)[1] == pytest.approx(2 * FOUR_PERCENT, rel=1e-6)
    assert adaptive(0, elapsed=five_days)[1] == pytest.approx(FOUR_PERCENT / 2, rel=1e-6)
    # The mean over the time is near the integral of the exponential: (2 - 1) / ln 2.
    assert adaptive(100, elapsed=five_days)[0] == pytest.approx(4 * FOUR_PERCENT / math.log(2), rel=0.02)


def test_the_rate_at_target_stays_within_its_bounds():
    assert adaptive(100, elapsed=YEAR_SECONDS)[1] == 2 * WAD // YEAR_SECONDS
    assert adaptive(0, elapsed=YEAR_SECONDS)[1] == 10**15 // YEAR_SECONDS


@given(st.integers(-41 * WAD, 93 * WAD))
def test_the_exponential_is_within_two_per_cent_of_the_real_one_and_exact_at_powers_of_two(power):
    assert exponential(power) == pytest.approx(math.exp(power / WAD) * WAD, rel=0.02, abs=2)


def test_the_exponential_at_its_ends():
    assert exponential(0) == WAD
    assert exponential(693_147_180_559_945_309) == 2 * WAD
    assert exponential(-693_147_180_559_945_309) == WAD // 2
    assert exponential(-41_446_531_673_892_822_313) == 0
    assert exponential(94 * WAD) == exponential(10**30) > 10**58


def test_compounding_falls_short_of_the_exponential_and_less_the_more_often():
    rate = WAD // YEAR_SECONDS
    once = compounded(rate, YEAR_SECONDS)
    assert once == 1_666_666_666_606_386_666  # 1 + 1/2 + 1/6, of a rate rounded down
    daily = WAD
    for _ in range(365):
        daily += daily * compounded(rate, DAY) // WAD
    assert once < daily - WAD < (math.e - 1) * WAD


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_signed_quotients_are_rounded_towards_zero(numerator, denominator):
    assert to_zero(numerator, denominator) == (abs(numerator) // denominator) * (-1 if numerator < 0 else 1)


MODELS = (
    LinearRate(10**16, 10**17),
    JumpRate(10**16, 10**17, WAD, 8 * 10**17),
    VariableRate(RAY // 100, RAY // 25, RAY, RAY * 8 // 10),
    MORPHO,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_rate_never_falls_as_more_is_lent_and_nothing_lent_is_no_fault(model):
    rates = [
        rate_per_second(model, supplied=100, borrowed=borrowed, rate_at_target=10**9, elapsed_seconds=0)[0]
        for borrowed in range(101)
    ]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1]
    none = rate_per_second(model, supplied=0, borrowed=0, rate_at_target=0, elapsed_seconds=5)
    assert none[0] >= 0


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (LinearRate(-1, 0), LinearRate(0, 0)),
        (LinearRate(0, 1_000 * WAD + 1), LinearRate(0, 1_000 * WAD)),
        (JumpRate(0, 0, 0, 0), JumpRate(0, 0, 0, 1)),
        (JumpRate(0, 0, -1, WAD), JumpRate(0, 0, 0, WAD)),
        (JumpRate(0, 0, 0, WAD + 1), JumpRate(0, 0, 0, WAD)),
        (VariableRate(0, 0, 0, RAY), VariableRate(0, 0, 0, RAY - 1)),
        (VariableRate(0, 0, 1_000 * RAY + 1, 1), VariableRate(0, 0, 1_000 * RAY, 1)),
        (AdaptiveRate(target=WAD), AdaptiveRate(target=WAD - 1)),
        (AdaptiveRate(steepness=WAD), AdaptiveRate(steepness=WAD + 1)),
        (AdaptiveRate(speed=-1), AdaptiveRate(speed=0)),
        (AdaptiveRate(initial=10**14), AdaptiveRate(initial=10**15)),
    ],
)
def test_a_model_that_could_fail_or_fall_is_refused(wrong, right):
    assert why_invalid(wrong)
    assert why_invalid(right) == ""
