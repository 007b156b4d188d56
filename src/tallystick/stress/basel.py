"""The Basel tables that the liquidity views use, in parts per million, each with its paragraph.

Sources: Basel Committee, *Basel III: The Liquidity Coverage Ratio and liquidity risk monitoring tools* (2013,
"LCR") and *Basel III: the net stable funding ratio* (2014, "NSFR"). National rules differ; these are the
standard's own figures.
"""

from collections.abc import Mapping
from typing import Final, Literal

Level = Literal["level_1", "level_2a", "level_2b", "none"]
Funding = Literal["stable_retail", "retail", "operational", "corporate", "financial"]

HAIRCUT_PPM: Final[Mapping[Level, int]] = {
    "level_1": 0,  # LCR 49-50
    "level_2a": 150_000,  # LCR 52
    "level_2b": 500_000,  # LCR 54
    "none": 1_000_000,
}

RUN_OFF_PPM: Final[Mapping[Funding, int]] = {
    "stable_retail": 50_000,  # LCR 75
    "retail": 100_000,  # LCR 79
    "operational": 250_000,  # LCR 93
    "corporate": 400_000,  # LCR 107
    "financial": 1_000_000,  # LCR 109
}
INFLOW_PPM: Final[Mapping[Funding, int]] = {
    "stable_retail": 500_000,  # LCR 153
    "retail": 500_000,  # LCR 153
    "operational": 0,  # LCR 156: operational deposits elsewhere
    "corporate": 500_000,  # LCR 154
    "financial": 1_000_000,  # LCR 154
}
INFLOW_CAP_PPM: Final = 750_000
"""Inflows count up to this part of outflows (LCR 69)."""

AVAILABLE_UNDER_YEAR_PPM: Final[Mapping[Funding, int]] = {
    "stable_retail": 950_000,  # NSFR 22
    "retail": 900_000,  # NSFR 23
    "operational": 500_000,  # NSFR 24(b)
    "corporate": 500_000,  # NSFR 24(a)
    "financial": 0,  # NSFR 25(a), under six months
}
AVAILABLE_FINANCIAL_HALF_YEAR_PPM: Final = 500_000
"""Funding by financial institutions for six months to a year (NSFR 24(d))."""
AVAILABLE_OVER_YEAR_PPM: Final = 1_000_000
"""Regulatory capital, and whatever is owed a year from now or later (NSFR 21)."""

REQUIRED_LIQUID_PPM: Final[Mapping[Level, int]] = {
    "level_1": 50_000,  # NSFR 37
    "level_2a": 150_000,  # NSFR 39
    "level_2b": 500_000,  # NSFR 40(a)
    "none": 1_000_000,  # NSFR 43
}
REQUIRED_CASH_PPM: Final = 0
"""Coins, notes and central bank reserves (NSFR 36)."""
REQUIRED_FINANCIAL_UNDER_HALF_YEAR_PPM: Final = 150_000
"""Unencumbered loans to financial institutions under six months (NSFR 39(b))."""
REQUIRED_UNDER_YEAR_PPM: Final = 500_000
"""Other claims under a year (NSFR 40)."""
REQUIRED_OVER_YEAR_PPM: Final = 850_000
"""Performing loans of a year or more (NSFR 42)."""
REQUIRED_ENCUMBERED_PPM: Final = 1_000_000
"""Anything encumbered for a year or more (NSFR 43(a))."""
