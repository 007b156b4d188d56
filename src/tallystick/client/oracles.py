"""Oracles for people: a price as one writes it, as an oracle takes it, and back.

An oracle counts minor units of its quote for one minor unit of its base, over its scale; a person says that a
gram is 60.25 euro. The rule that must hold: **no digit is lost on the way in**: a price that the oracle's
scale cannot say exactly is refused, with the step that it can say.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, Final, NamedTuple

from tallystick.client.calls import call_of
from tallystick.client.errors import ClientError
from tallystick.client.prices import format_ratio
from tallystick.ledger.names import is_asset
from tallystick.ledger.transactions import Call

KIND: Final = "oracle"
_DIGITS: Final = 90


class PriceError(ClientError):
    """The text is no price that the oracle can say."""


class Oracle(NamedTuple):
    """A deployed oracle: what is priced in what, its scale, and the decimals of both."""

    name: str
    base: str
    quote: str
    scale: int
    decimals: tuple[int, int]


def oracle_of(name: str, parameters: Mapping[str, Any], decimals_of: Callable[[str], int]) -> Oracle:
    """Return an oracle by its deployment's parameters; `decimals_of` tells those of an asset."""
    base, quote = parameters["base"], parameters["quote"]
    places = [
        decimals_of(what) if is_asset(what) else int(parameters.get(field, 0))
        for what, field in ((base, "base_decimals"), (quote, "quote_decimals"))
    ]
    return Oracle(name, base, quote, int(parameters["scale"]), (places[0], places[1]))


def parse_price(text: str, oracle: Oracle) -> int:
    """Return `60.25` of the quote for one of the base as a report's value. Raises `PriceError`."""
    with localcontext() as context:
        context.prec = _DIGITS
        try:
            price = Decimal(text.strip())
        except InvalidOperation:
            raise PriceError(f"{text[:40]!r} is not a price", hint="such as 60.25") from None
        if not price.is_finite() or price <= 0 or len(price.as_tuple().digits) > _DIGITS // 3:
            raise PriceError(f"a price is above zero, not {text[:40]}")
        value = price.scaleb(oracle.decimals[1] - oracle.decimals[0]) * oracle.scale
        if value != value.to_integral_value():
            least = format_price(1, oracle.scale, oracle)
            raise PriceError(
                f"{text[:40]} has more digits than {oracle.name} counts", hint=f"its step is {least}"
            )
    return int(value)


def format_price(numerator: int, denominator: int, oracle: Oracle) -> str:
    """Return a ratio of minor units as a price of the oracle's, in twelve digits."""
    base, quote = oracle.decimals
    return format_ratio(numerator, denominator, decimals_in=base, decimals_out=quote, digits=12)


def report_call(oracle: Oracle, *, account: str, value: int, observed: int, reference: str = "") -> Call:
    """Return the call by which a source reports."""
    arguments = {"value": value, "observed": observed, "reference": reference}
    return call_of(oracle.name, KIND, "report", arguments, account=account)
