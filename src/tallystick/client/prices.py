"""Prices for people: a ratio of minor units as one writes it, in so many digits.

A price is exact as long as a program has it: two whole numbers. It is rounded here alone, where a person
reads it, and to the nearest; what is signed never comes from here.
"""

from decimal import Decimal, localcontext
from typing import Final

_DIGITS: Final = 90


def format_ratio(
    numerator: int, denominator: int, *, decimals_in: int, decimals_out: int, digits: int = 6
) -> str:
    """Return minor units out for one minor unit in as a price of whole units."""
    with localcontext() as context:
        context.prec = _DIGITS
        price = (Decimal(numerator) / Decimal(denominator)).scaleb(decimals_in - decimals_out)
    return format_price(price, digits=digits)


def format_price(price: Decimal, *, digits: int = 6) -> str:
    """Return a price in at most so many digits, without an exponent."""
    with localcontext() as context:
        context.prec = digits
        return f"{(+price).normalize():f}"
