"""Funds for people: cash in and units back by windows, and the custodian's instruction that settles one.

    subscribe_call, redeem_call    make a request in the open window
    cancel_calls, claim_calls      take requests back, or take what they give
    settle_call                    settle a closed window, as the custodian

What a window gives is asked of the fund, never computed here. The rule that must hold: **a call built here
spends what it names and no unit more**, and demands what the fund promises.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tallystick.client.calls import Ask, call_of
from tallystick.ledger.transactions import Call

KIND: Final = "fund"
CANCELLABLE: Final = ("open", "overdue")


class Fund(NamedTuple):
    """A deployed fund: its name, what pays for its units, and the unit."""

    name: str
    cash: str
    unit: str


def fund_of(name: str, parameters: Mapping[str, Any]) -> Fund:
    """Return a fund by its deployment's parameters."""
    return Fund(name, parameters["cash"], f"{parameters.get('code', 'unit')}@{name}")


def subscribe_call(fund: Fund, *, account: str, units: int) -> Call:
    """Return the call that asks for units of the fund for `units` of cash."""
    return _call(fund, account, "subscribe", {"units": units}, spend={fund.cash: units})


def redeem_call(fund: Fund, *, account: str, units: int) -> Call:
    """Return the call that asks for cash for `units` of the fund."""
    return _call(fund, account, "redeem", {"units": units}, spend={fund.unit: units})


def cancel_calls(ask: Ask, fund: Fund, *, account: str) -> list[Call]:
    """Return the calls that take every request back that can be: in an open window or an overdue one."""
    return [
        _call(
            fund,
            account,
            "cancel",
            {"window": one.window, "subscribed": one.subscribed, "redeeming": one.redeeming},
            receive={fund.cash: one.subscribed, fund.unit: one.redeeming},
        )
        for one in ask(fund.name, "requests", account=account)
        if one.status in CANCELLABLE
    ]


def claim_calls(ask: Ask, fund: Fund, *, account: str) -> list[Call]:
    """Return the calls that claim every settled request, each for what it gives to the unit."""
    return [
        _call(
            fund,
            account,
            "claim",
            {"window": one.window},
            receive={fund.cash: one.cash, fund.unit: one.units},
        )
        for one in ask(fund.name, "requests", account=account)
        if one.status == "claimable"
    ]


def settle_call(fund: Fund, *, account: str, window: int, reference: str, most_cash: int) -> Call:
    """Return the custodian's instruction: it settles a window, and pays `most_cash` at most."""
    arguments = {"window": window, "reference": reference}
    return _call(fund, account, "settle", arguments, spend={fund.cash: most_cash})


def _call(
    fund: Fund, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(fund.name, KIND, method, arguments, account=account, **limits)
