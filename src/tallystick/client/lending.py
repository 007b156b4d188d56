"""Lending markets for people: calls that carry their limits, and what an account has and owes there.

    supply_call, withdraw_call                what lenders do
    pledge_call, release_call, borrow_call, repay_call     what borrowers do
    liquidate_call                            what anyone may do to an unhealthy debt

Every function asks the market's views and computes nothing that the market computes itself. The rule that
must hold: **a call built here carries its limits** in `spend` and `receive`, so that interest which grows
while a transaction waits for its signatures costs no more than was said. Refused: repaying "about all": what
is repaid to the last share is named by its shares, so no dust is left behind.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tallystick.client.calls import Ask, call_of, less_slippage, more_slippage
from tallystick.client.errors import ClientError
from tallystick.ledger.transactions import Call

KIND: Final = "lending_market"
WAD: Final = 10**18


class LendingError(ClientError):
    """What was asked of a market does not fit it."""


class LendingMarket(NamedTuple):
    """A deployed market: name, assets, oracle, and the loan-to-value that liquidates, in WAD."""

    name: str
    loan: str
    collateral: str
    oracle: str
    lltv: int

    @property
    def share(self) -> str:
        """The asset that lenders hold."""
        return f"share@{self.name}"


def market_of(name: str, parameters: Mapping[str, Any]) -> LendingMarket:
    """Return a market by its deployment's parameters."""
    lltv = int(parameters.get("lltv", WAD // 2))
    return LendingMarket(name, parameters["loan"], parameters["collateral"], parameters["oracle"], lltv)


# ----------------------------------------------------------------------------------------------- lenders


def supply_call(ask: Ask, market: LendingMarket, *, account: str, units: int, slippage_bps: int) -> Call:
    """Return the call that lends `units`, for no fewer shares than now, less the slippage."""
    price = ask(market.name, "price", asset_in=market.loan, asset_out=market.share)
    shares = less_slippage(units * price.numerator // price.denominator, slippage_bps)
    return _call(
        market,
        account,
        "supply",
        {"units": units},
        spend={market.loan: units},
        receive={market.share: shares},
    )


def withdraw_call(
    ask: Ask, market: LendingMarket, *, account: str, units: int | None, slippage_bps: int
) -> Call:
    """Return the call that takes `units` out, or without them all that is at hand for the account now."""
    found = ask(market.name, "withdrawable", account=account)
    position = ask(market.name, "position", account=account)
    if units is None and not found.now:
        later = f"{found.units} units are lent out" if found.units else "the account has no shares"
        raise LendingError(
            f"nothing can leave {market.name} now: {later}", hint="tallystick lend position MARKET ACCOUNT"
        )
    if units is None and not found.later:
        amount, least = {"shares": position.shares}, less_slippage(found.now, slippage_bps)
    else:
        units = found.now if units is None else units
        amount, least = {"units": units}, units
    return _call(
        market,
        account,
        "withdraw",
        amount,
        spend={market.share: position.shares},
        receive={market.loan: least},
    )


# --------------------------------------------------------------------------------------------- borrowers


def pledge_call(market: LendingMarket, *, account: str, units: int) -> Call:
    """Return the call that deposits collateral."""
    return _call(market, account, "supply_collateral", {"units": units}, spend={market.collateral: units})


def release_call(ask: Ask, market: LendingMarket, *, account: str, units: int | None) -> Call:
    """Return the call that takes collateral out, or without `units` all that the debt leaves free now."""
    if units is None:
        position = ask(market.name, "position", account=account)
        units = int(position.free_collateral)
        if not units:
            raise LendingError(f"no collateral of {account} in {market.name} is free")
    return _call(market, account, "withdraw_collateral", {"units": units}, receive={market.collateral: units})


def borrow_call(market: LendingMarket, *, account: str, units: int) -> Call:
    """Return the call that borrows `units`."""
    return _call(market, account, "borrow", {"units": units}, receive={market.loan: units})


def repay_call(
    ask: Ask, market: LendingMarket, *, account: str, units: int | None, slippage_bps: int
) -> Call:
    """Return the call that repays `units`, or without them the whole debt.

    The whole is what is owed when the transaction settles; interest until then may cost the slippage more.
    """
    if units is not None:
        return _call(market, account, "repay", {"units": units}, spend={market.loan: units})
    position = ask(market.name, "position", account=account)
    if not position.debt_shares:
        raise LendingError(f"{account} owes nothing in {market.name}")
    most = more_slippage(position.debt_units, slippage_bps)
    return _call(market, account, "repay_all", {}, spend={market.loan: most})


# ------------------------------------------------------------------------------------------- liquidation


def liquidate_call(
    ask: Ask, market: LendingMarket, *, account: str, borrower: str, most_units: int, slippage_bps: int
) -> Call:
    """Return the call that repays up to `most_units` for collateral, no less than now less the slippage."""
    quoted = ask(market.name, "quote_liquidation", borrower=borrower, most_repaid=most_units)
    return _call(
        market,
        account,
        "liquidate_most",
        {"borrower": borrower, "most_repaid": most_units},
        spend={market.loan: most_units},
        receive={market.collateral: less_slippage(quoted.seized, slippage_bps)},
    )


def _call(
    market: LendingMarket,
    account: str,
    method: str,
    arguments: Mapping[str, Any],
    **limits: Mapping[str, int],
) -> Call:
    return call_of(market.name, KIND, method, arguments, account=account, **limits)
