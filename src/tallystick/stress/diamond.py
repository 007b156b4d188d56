"""The textbook's run: when is it wise to come, and how many can be paid?

A bank promises each depositor `r1` if it comes early and shares what is left among those who wait. What it
holds is worth 1 early for each depositor and grows to `R`. Two shares of early comers matter: above the
first, those who wait get less than those who came, so everybody had better come; above the second, even
those who come cannot all be paid.

Exact ratios (`fractions`), so that a drill can be held against them to the unit.

Source: D. W. Diamond, "Banks and Liquidity Creation: A Simple Exposition of the Diamond-Dybvig Model",
Federal Reserve Bank of Richmond, Economic Quarterly 93(2), 2007.
"""

from fractions import Fraction


def late_share(come: Fraction, *, early: Fraction, growth: Fraction) -> Fraction:
    """Return what each who waits gets when the share `come` comes: what is left, grown, among them.

    `early` is r1 and `growth` R; zero once nothing is left, and R itself if nobody comes.
    """
    if not 0 <= come < 1:
        raise ValueError(f"the share that comes is from 0 to below 1, not {come}")
    return max(Fraction(0), (1 - come * early) * growth / (1 - come))


def run_threshold(*, early: Fraction, growth: Fraction) -> Fraction:
    """Return the share of early comers above which waiting pays less than coming: (R - r1) / (r1 (R - 1))."""
    _check(early, growth)
    return (growth - early) / (early * (growth - 1))


def payable_share(*, early: Fraction) -> Fraction:
    """Return the share of depositors that can be paid `early` at all: 1 / r1, at most 1."""
    if early <= 0:
        raise ValueError(f"what is paid early is positive, not {early}")
    return min(Fraction(1), 1 / early)


def _check(early: Fraction, growth: Fraction) -> None:
    if not (0 < early <= growth and growth > 1):
        raise ValueError(f"0 < r1 <= R and R > 1 are needed, not r1 {early} and R {growth}")
