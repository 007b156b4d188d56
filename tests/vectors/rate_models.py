"""Compound's and Aave's rates, and Aave's fixed-point arithmetic, against `ledger/rates.py`.

Of the published file of Compound's and Comet's tests, the rate functions are run. The rest of it describes
accounts of markets with other rules (close factors, pooled collateral) and is skipped and counted.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tallystick.ledger.rates import (
    RAY,
    WAD,
    JumpRate,
    VariableRate,
    half_up,
    jump_rate,
    jump_supply_rate,
    jump_utilisation,
    kinked_rate,
    ray_div,
    ray_mul,
    variable_rates,
)
from tests.vectors.harness import Adapter, Tally, compare, numbers

PERIODS = 2_102_400
"""Compound's blocks of a year, by which its own tests scale to a year."""


def run_jump_rate(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Compare Compound's three numbers."""
    told = numbers(case)
    model = JumpRate(
        base=told["baseRatePerYear"],
        slope=told["multiplierPerYear"],
        jump=told["jumpMultiplierPerYear"],
        kink=told["kink"],
    )
    utilisation = jump_utilisation(cash=told["cash"], borrowed=told["borrows"], reserves=told["reserves"])
    periods = told["blocksPerYear"]
    found = {
        "utilization": utilisation,
        "borrowRatePerBlock": jump_rate(model, utilisation=utilisation, periods=periods),
        "supplyRatePerBlock": jump_supply_rate(
            model, utilisation=utilisation, periods=periods, reserve_factor=told["reserveFactor"]
        ),
    }
    compare(told["expect"], found, where="jump rate")
    return Tally(cases=1)


def run_variable_rate(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Compare Aave's two yearly rates."""
    told = numbers(case)
    model = VariableRate(
        base=told["baseRay"],
        slope_1=told["slope1Ray"],
        slope_2=told["slope2Ray"],
        optimal=told["optimalUsageRay"],
    )
    borrow, lend = variable_rates(
        model,
        available=told["availableLiquidity"],
        borrowed=told["variableDebt"],
        unbacked=told["unbacked"],
        reserve_bps=told["reserveFactorBps"],
    )
    compare(
        told["expect"], {"liquidityRateRay": lend, "variableBorrowRateRay": borrow}, where="variable rate"
    )
    return Tally(cases=1)


WAD_RAY = {
    "wadMul": lambda a, b: half_up(a * b, WAD),
    "wadDiv": lambda a, b: half_up(a * WAD, b),
    "rayMul": ray_mul,
    "rayDiv": ray_div,
    "rayToWad": lambda a, b=0: half_up(a, RAY // WAD),
    "wadToRay": lambda a, b=0: a * (RAY // WAD),
}


def run_wad_ray(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Compare one operation."""
    told = numbers(case)
    arguments = [told[name] for name in ("a", "b") if name in told]
    assert WAD_RAY[case["fn"]](*arguments) == told["expect"], case
    return Tally(cases=1)


def run_published(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Compare a yearly rate in per cent, or in parts of one; skip what is no rate."""
    match case["fn"]:
        case "jumpRateApyPercent":
            found = _yearly_percent(case)
            assert found == pytest.approx(case["expectPercent"], abs=case["tolerance"]), case
        case "kinkedRates":
            for side, expected in (("supply", "expectSupplyApr"), ("borrow", "expectBorrowApr")):
                found = _kinked(case["utilization"], case[side])
                assert found == pytest.approx(case[expected], abs=case["tolerance"]), (side, case)
        case _:
            return Tally(cases=1, skipped=1)
    return Tally(cases=1)


def _yearly_percent(case: Mapping[str, Any]) -> float:
    """Return the yearly rate of Compound's first version, whose slope is the slope itself."""
    percent = WAD // 100
    utilisation = jump_utilisation(
        cash=(100 - case["utilizationPercent"]) * WAD, borrowed=case["utilizationPercent"] * WAD, reserves=0
    )
    rate = kinked_rate(
        utilisation=utilisation,
        base=case["basePercent"] * percent // PERIODS,
        slope=case["slopePercent"] * percent // PERIODS,
        jump=case["jumpPercent"] * percent // PERIODS,
        kink=case["kinkPercent"] * percent,
    )
    return rate * PERIODS / percent


def _kinked(utilisation: float, curve: Mapping[str, float]) -> float:
    parts = {name: round(value * WAD) for name, value in curve.items()}
    rate = kinked_rate(
        utilisation=round(utilisation * WAD),
        base=parts["base"],
        slope=parts["low"],
        jump=parts["high"],
        kink=parts["kink"],
    )
    return rate / WAD


ADAPTERS: dict[str, Adapter] = {
    "compound_v2_rates": run_jump_rate,
    "aave_v3_rates": run_variable_rate,
    "aave_v3_wadray": run_wad_ray,
    "lending_compound": run_published,
}
