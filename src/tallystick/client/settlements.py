"""Swap settlements for people: an agreement of legs, what each party pays in, and its two ends.

    agreement                      the deployment that says what all of them agreed on
    fund_call                      pay a due in, in whole or in part
    settle_call, refund_call       end it from the deadline on, or call a due off

Netting, lots and the model are asked of the contract, never computed here. The rule that must hold: **a call
built here spends what the due lacks and no unit more**, and a refund demands all that the due holds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tallystick.client.arguments import contract_of, encode_arguments, parameters_shape
from tallystick.client.calls import call_of
from tallystick.ledger.transactions import Call, Deploy

KIND: Final = "swap_settlement"


class Leg(NamedTuple):
    """One payment of an agreement, in minor units."""

    payer: str
    receiver: str
    units: int
    asset: str


def agreement(
    contract: str,
    *,
    account: str,
    legs: Sequence[Leg],
    deadline: int,
    arbiter: str = "",
    funds: Sequence[str] = (),
    netted: Sequence[str] = (),
    lots: int = 1,
    lots_least: int = 1,
) -> Deploy:
    """Return the deployment of legs that settle together by `deadline`, microseconds UTC.

    `funds` are the assets that are money, `netted` those of which only balances are paid.
    """
    code = contract_of(KIND)
    parameters = {
        "legs": [leg._asdict() for leg in legs],
        "deadline": deadline,
        "arbiter": arbiter,
        "funds": list(funds),
        "netted": list(netted),
        "lots": lots,
        "lots_least": lots_least,
    }
    return Deploy(
        account=account,
        contract=contract,
        kind=KIND,
        version=code.version,
        parameters=encode_arguments(parameters, parameters_shape(code)),
    )


def fund_call(contract: str, *, account: str, number: int, asset: str, units: int) -> Call:
    """Return the call that pays `units` of a due in."""
    return _call(contract, account, "fund", {"leg": number, "units": units}, spend={asset: units})


def refund_call(contract: str, *, account: str, number: int, receive: Mapping[str, int] = {}) -> Call:
    """Return the call that pays a due's funds back to its payer; `receive` is what that payer demands."""
    return _call(contract, account, "refund", {"leg": number}, receive=receive)


def settle_call(contract: str, *, account: str) -> Call:
    """Return the call that settles the lots that are there, from the deadline on."""
    return _call(contract, account, "settle", {})


def _call(
    contract: str, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(contract, KIND, method, arguments, account=account, **limits)
