"""Calls of contracts: how a view is asked, and one call with its limits, for every kind alike.

The modules for pools, loans, vaults, streams, sales and oracles ask what a contract promises and build the
call that takes no worse; what they have in common is here. The rule that must hold: **without slippage, a
promise that is kept to the unit passes, and one unit worse does not.** With it, no limit is ever looser than
the percentage that was asked for: the least is rounded up and the most down, here and nowhere else.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tallystick.client.arguments import contract_of, encode_arguments, method_shape
from tallystick.client.errors import ClientError
from tallystick.ledger.transactions import Call

Ask = Callable[..., Any]
"""`ask(contract, view, **arguments)` returns what a view answers now. Raises its `Rejection`."""

BPS: Final = 10_000


class PercentageError(ClientError):
    """The text is no part of a whole in basis points."""


def parse_bps(text: str) -> int:
    """Return `0.5%` or `0.5` as 50 basis points; at most two decimals, at most 100%."""
    try:
        bps = Decimal(text.strip().removesuffix("%")) * 100
    except InvalidOperation:
        raise PercentageError(f"{text[:40]!r} is not a percentage", hint="such as 0.5%") from None
    if not bps.is_finite() or bps != int(bps) or not 0 <= bps <= BPS:
        raise PercentageError(f"{text[:40]} is not 0% to 100% in steps of 0.01%", hint="such as 0.5%")
    return int(bps)


def less_slippage(units: int, slippage_bps: int) -> int:
    """Return the least to receive where `units` are promised, rounded up: no more slips than was allowed."""
    return -(-units * (BPS - _checked(slippage_bps)) // BPS)


def more_slippage(units: int, slippage_bps: int) -> int:
    """Return the most to pay where `units` are quoted, rounded down: no more slips than was allowed."""
    return units * (BPS + _checked(slippage_bps)) // BPS


def limit_units(units_in: int, units_out: int, *, exact_in: bool, slippage_bps: int) -> int:
    """Return the least to receive of a trade whose input is exact, or the most to pay for an exact output."""
    return less_slippage(units_out, slippage_bps) if exact_in else more_slippage(units_in, slippage_bps)


def _checked(slippage_bps: int) -> int:
    if not 0 <= slippage_bps <= BPS:
        raise ValueError(f"slippage is 0 to {BPS} basis points, not {slippage_bps}")
    return slippage_bps


def call_of(
    contract: str,
    kind: str,
    method: str,
    arguments: Mapping[str, Any],
    *,
    account: str,
    spend: Mapping[str, int] = {},
    receive: Mapping[str, int] = {},
) -> Call:
    """Return a call in the one spelling that the ledger accepts.

    Optional arguments at their default are left out, and so are limits of zero. Without a `kind`, where any
    contract that has the method will do, the arguments stand as they are given.
    """
    shape = method_shape(contract_of(kind), method) if kind else None
    return Call(
        account=account,
        contract=contract,
        method=method,
        arguments=encode_arguments(dict(arguments), shape),
        spend=_limits(spend),
        receive=_limits(receive),
    )


def _limits(units: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    return tuple((asset, str(many)) for asset, many in sorted(units.items()) if many)
