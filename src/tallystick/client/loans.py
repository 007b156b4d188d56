"""Flash loans: the cheapest lenders for an amount, and the two calls that borrow from them and repay them.

As with routes, the search only asks views and the ledger checks what comes of it: the borrowing call carries
the most that may be owed, the repaying one takes exactly that. A pool's fee is the same for every unit that
it lends, so the cheapest lenders first, each for as much as it has, is the best there is, up to what rounding
gives each. Refused: a loan of several assets in one quote; ask for each.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tallystick.client.calls import Ask, call_of
from tallystick.client.errors import ClientError
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.transactions import Call

KIND: Final = "flash_loan"
LENDERS_MAX = 8


class LoanQuote(msgspec.Struct, frozen=True):
    """A loan that the views promise now: each lender with what it lends, and with what repays it."""

    asset: str
    units: int
    parts: tuple[tuple[str, int], ...]
    owed: tuple[tuple[str, int], ...]

    @property
    def units_owed(self) -> int:
        """What repays all lenders."""
        return sum(units for _, units in self.owed)


class NoLender(ClientError):
    """The pools together do not lend as much."""

    def __init__(self, asset: str, units: int, lent: int) -> None:
        super().__init__(f"no pools lend {units} units of {asset}; together they lend {lent}")


def quote_loan(ask: Ask, pools: Mapping[str, tuple[str, ...]], *, asset: str, units: int) -> LoanQuote:
    """Return the cheapest loan of exactly `units` from pools, given with their assets. Raises `NoLender`."""
    offers = []
    for pool in sorted(pool for pool, assets in pools.items() if asset in assets):
        most = _most_lent(ask, pool, asset, units)
        if most:
            fee = (_owed(ask, pool, asset, most) or most) - most
            # A whole number orders fees by the unit lent as a fraction would, to a part in 10^18.
            offers.append((fee * 10**18 // most, -most, pool))
    parts, left = [], units
    for _, negative_most, pool in sorted(offers)[:LENDERS_MAX]:
        lent = min(-negative_most, left)
        if lent:
            parts.append((pool, lent))
            left -= lent
    owed = tuple((pool, _owed(ask, pool, asset, lent)) for pool, lent in parts)
    if left or not parts:
        raise NoLender(asset, units, units - left)
    return LoanQuote(asset, units, tuple(parts), tuple((pool, due) for pool, due in owed if due is not None))


def loan_calls(quote: LoanQuote, *, account: str, contract: str) -> tuple[Call, Call]:
    """Return the calls of a flash-loan contract that borrow and repay; the loan's use stands between them."""
    borrow = {"asset": quote.asset, "parts": _wire(quote.parts), "most_owed": quote.units_owed}
    repay = {"asset": quote.asset, "parts": _wire(quote.owed)}
    return (
        call_of(contract, KIND, "borrow", borrow, account=account, receive={quote.asset: quote.units}),
        call_of(contract, KIND, "repay", repay, account=account, spend={quote.asset: quote.units_owed}),
    )


def _wire(parts: tuple[tuple[str, int], ...]) -> list[dict[str, str | int]]:
    return [{"pool": pool, "units": units} for pool, units in parts]


def _owed(ask: Ask, pool: str, asset: str, units: int) -> int | None:
    """Return what repays a loan of `units`, or None if the pool does not make it."""
    try:
        owed: int = ask(pool, "quote_flash", units={asset: units})[asset]
    except Rejection:
        return None
    return owed


def _most_lent(ask: Ask, pool: str, asset: str, units: int) -> int:
    """Return the most, up to `units`, that the pool lends."""
    if _owed(ask, pool, asset, units) is not None:
        return units
    lends, refuses = 0, units
    while refuses - lends > 1:
        tried = (lends + refuses) // 2
        if _owed(ask, pool, asset, tried) is None:
            refuses = tried
        else:
            lends = tried
    return lends
