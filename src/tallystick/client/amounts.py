"""Amounts for people: the one place where a decimal point is read or written.

The ledger knows whole minor units; a person writes `1234.50` of an asset with two decimals. Nothing is ever
rounded here: an amount with more decimals than the asset has is an error. Thousands separators are refused,
because `1,234` is a thousand to one reader and one and a quarter to another.
"""

import re

from tallystick.client.errors import ClientError
from tallystick.ledger.amounts import UNITS_DIGITS_MAX, UNITS_LIMIT

_is_amount = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII).fullmatch


class AmountError(ClientError):
    """The text is not an amount of that many decimals."""


def parse_amount(text: str, *, decimals: int) -> str:
    """Return the minor units that `text` spells, as the ledger's decimal string.

    `"1234.50"` of an asset with two decimals is `"123450"`. Zero passes: whether it is refused is the
    ledger's answer to give.
    """
    found = _is_amount(text)
    if found is None:
        raise AmountError(
            f"{text[:60]!r} is not an amount",
            hint="write digits and at most one point, as in 1234.50, without sign or separators",
        )
    whole, fraction = found[1], found[2] or ""
    if len(fraction) > decimals:
        raise AmountError(f"{text[:60]} has {len(fraction)} decimals; the asset has {decimals}")
    digits = (whole + fraction.ljust(decimals, "0")).lstrip("0") or "0"
    if len(digits) > UNITS_DIGITS_MAX or int(digits) >= UNITS_LIMIT:
        raise AmountError(f"{text[:60]} is {len(digits)} digits of minor units; the limit is 2^128")
    return digits


def format_amount(units: int | str, *, decimals: int) -> str:
    """Return minor units as a person writes them: `123450` with two decimals is `1234.50`."""
    number = int(units)
    digits = str(abs(number)).rjust(decimals + 1, "0")
    sign = "-" if number < 0 else ""
    if decimals == 0:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def format_count(number: int, one: str, many: str = "") -> str:
    """Return a number of things in words: `1 entry`, `2,000 entries`; `many` is else `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
