"""What a benchmark reports: a value, the machine's limit in the same unit, and the conditions of both."""

import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.compiled import kernel_form

Condition = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The best this machine did at the bare operation, measured in the same run as the value beside it."""

    name: str
    value: float
    unit: str
    conditions: Mapping[str, Condition] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_measured(self.value)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One measured value. `conditions` holds what a reader needs to repeat it: sizes, counts, seeds.

    `better` says which direction is good; the value and its limit are in the same unit.
    """

    benchmark: str
    value: float
    unit: str
    limit: Limit
    conditions: Mapping[str, Condition]
    better: Literal["higher", "lower"] = "higher"

    def __post_init__(self) -> None:
        _check_measured(self.value)
        if self.unit != self.limit.unit:
            raise ValueError(f"the value is in {self.unit} and its limit in {self.limit.unit}")

    @property
    def ratio(self) -> float:
        """The share of the machine's limit that was reached: 1.0 is all of it, in either direction."""
        if self.better == "higher":
            return self.value / self.limit.value
        return self.limit.value / self.value

    def to_json(self, *, quick: bool) -> str:
        """Return the report as one JSON object."""
        return json.dumps(self.as_dict(quick=quick), indent=2, allow_nan=False)

    def as_dict(self, *, quick: bool) -> dict[str, Any]:
        return {
            "benchmark": self.benchmark,
            "value": self.value,
            "unit": self.unit,
            "better": self.better,
            "limit": {
                "name": self.limit.name,
                "value": self.limit.value,
                "unit": self.limit.unit,
                "conditions": dict(self.limit.conditions),
            },
            "ratio": self.ratio,
            "quick": quick,
            "conditions": {**machine_conditions(), **self.conditions},
        }

    def to_text(self, *, quick: bool) -> str:
        """Return the report for a reader."""
        warning = "  (quick: too short to quote)" if quick else ""
        lines = [
            f"{self.benchmark}{warning}",
            f"  value       {_shown(self.value)} {self.unit} ({self.better} is better)",
            f"  limit       {_shown(self.limit.value)} {self.limit.unit}: {self.limit.name}",
            f"  ratio       {self.ratio:.3f}",
            "  conditions",
        ]
        for name, condition in {**machine_conditions(), **self.conditions}.items():
            lines.append(f"    {name}: {condition}")
        for name, condition in self.limit.conditions.items():
            lines.append(f"    limit {name}: {condition}")
        return "\n".join(lines)


def machine_conditions() -> dict[str, Condition]:
    """Return what every report says of the machine and the interpreter."""
    return {
        "cpu_count": _usable_cpus(),
        "cpu_model": _cpu_model(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": kernel_form(),
    }


def _usable_cpus() -> int:
    """Return the processors this process may use, which a container may have fewer of than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or "unknown"


def _check_measured(value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"a measured value is positive and finite, not {value}")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"
