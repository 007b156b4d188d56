"""Distributions for people: what a contribution weighs, income in, a split, and a credit out.

    attest_call                    say what a contribution weighs, as an attestor
    pay_in_call, split_call        bring income, and split it
    withdraw_call                  take a credit

The arithmetic of a part is asked of the contract, never computed here. The rule that must hold: **a call
built here spends what it names and no unit more**, and demands what it is to bring.
"""

from collections.abc import Mapping
from typing import Any, Final

from tallystick.client.calls import call_of
from tallystick.ledger.transactions import Call

KIND: Final = "distribution"


def attest_call(contract: str, *, account: str, contributor: str, weight: int, reference: str) -> Call:
    """Return an attestor's call: the contribution under `reference` weighs so much."""
    arguments = {"contributor": contributor, "weight": weight, "reference": reference}
    return _call(contract, account, "attest", arguments)


def pay_in_call(contract: str, *, account: str, asset: str, units: int) -> Call:
    """Return the call that brings `units` of income."""
    return _call(contract, account, "pay_in", {"units": units}, spend={asset: units})


def split_call(contract: str, *, account: str) -> Call:
    """Return the call that splits the income by the weights of its moment."""
    return _call(contract, account, "split", {})


def withdraw_call(contract: str, *, account: str, asset: str, units: int) -> Call:
    """Return the call that takes `units` of the account's credit."""
    return _call(contract, account, "withdraw", {"units": units}, receive={asset: units})


def _call(
    contract: str, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(contract, KIND, method, arguments, account=account, **limits)
