"""Amounts: whole minor units, and division that says whom it favours.

An amount is an `int` of minor units; the decimal point exists only where a person reads. On the wire an
amount is a decimal string without sign, leading zero or exponent, so each number has one spelling and no
reader loses digits to a float. Every division here is named after its rounding. The obvious alternative,
`decimal`, was refused: it hides the rounding direction in a context that a caller can change.
"""

from math import isqrt

from tallystick.ledger.rejections import Code, Rejection

UNITS_LIMIT = 1 << 128
"""Balances stay strictly between -UNITS_LIMIT and UNITS_LIMIT."""

INTEGER_LIMIT = 1 << 256
INTEGER_FLOOR = -INTEGER_LIMIT
"""Arguments and stored integers stay strictly between INTEGER_FLOOR and INTEGER_LIMIT."""

UNITS_DIGITS_MAX = 39

MICROSECONDS = 1_000_000
"""Microseconds in a second: the ledger's clock counts microseconds UTC."""

__all__ = [
    "INTEGER_FLOOR",
    "INTEGER_LIMIT",
    "MICROSECONDS",
    "UNITS_LIMIT",
    "isqrt",
    "mul_div_down",
    "mul_div_up",
    "parse_units",
]


def parse_units(text: str) -> int:
    """Return the positive amount that `text` spells.

    Rejections: `amount_not_an_integer`, `amount_not_positive`, `amount_too_large`.
    """
    if text.isascii() and text.isdigit() and text[0] != "0":
        if len(text) <= UNITS_DIGITS_MAX:
            units = int(text)
            if units < UNITS_LIMIT:
                return units
        raise Rejection(Code.AMOUNT_TOO_LARGE, digits=len(text), limit=str(UNITS_LIMIT - 1))
    if text == "0" or (text[:1] == "-" and text[1:].isascii() and text[1:].isdigit()):
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=text[:48])
    raise Rejection(Code.AMOUNT_NOT_AN_INTEGER, amount=text[:48])


def check_units(units: object) -> int:
    """Return `units` if it is a positive amount below the limit (for amounts that code computed)."""
    if type(units) is not int:  # a true division somewhere: replicas must not agree on a float
        raise TypeError(f"an amount is an int, not {type(units).__name__}")
    if units <= 0:
        # A number of any size comes here, and CPython refuses to write out one of thousands of digits.
        raise Rejection(Code.AMOUNT_NOT_POSITIVE, amount=str(units) if units > -UNITS_LIMIT else "negative")
    if units >= UNITS_LIMIT:
        raise Rejection(Code.AMOUNT_TOO_LARGE, bits=units.bit_length(), limit=str(UNITS_LIMIT - 1))
    return units


def mul_div_down(units: int, numerator: int, denominator: int) -> int:
    """Return `units` x `numerator` / `denominator`, rounded towards zero.

    For what the ledger pays out. All arguments are non-negative; `denominator` is positive.
    """
    return units * numerator // denominator


def mul_div_up(units: int, numerator: int, denominator: int) -> int:
    """Return `units` x `numerator` / `denominator`, rounded away from zero.

    For what the ledger takes in. All arguments are non-negative; `denominator` is positive.
    """
    return -(-units * numerator // denominator)
