"""Dutch sales for people: putting a lot up, and taking it at no more than the price that was seen.

    start_call, take_call, restart_call, cancel_call

Every function asks the contract's views and computes nothing that it computes itself. The rule that must
hold: **a taker signs the price it saw, and what it costs**; one that falls meanwhile only makes it cheaper.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tallystick.client.calls import Ask, call_of
from tallystick.ledger.transactions import Call

KIND: Final = "dutch_liquidation"
PRICE_ONE: Final = 10**27


class Sales(NamedTuple):
    """A deployed Dutch liquidation: its name, what it sells, and for what."""

    name: str
    lot: str
    money: str


def start_call(
    sales: Sales, *, account: str, lot: int, due: int, owner: str, keeper: str = "", reserve: int = 0
) -> Call:
    """Return the call that puts `lot` up until `due` is paid to the account; `owner` gets what is left."""
    arguments = {"lot": lot, "due": due, "owner": owner, "keeper": keeper, "reserve": reserve}
    return _call(sales, account, "start", arguments, spend={sales.lot: lot, sales.money: reserve})


def take_call(ask: Ask, sales: Sales, *, account: str, sale: int, most_units: int) -> Call:
    """Return the call that takes up to `most_units` at no more than the price now."""
    state = ask(sales.name, "sale", sale=sale)
    quoted = ask(sales.name, "quote", sale=sale, most_units=most_units)
    # As much is asked for as at first: where the sale gives less because no more is due, a lower price gives
    # more for the same money, and naming the quoted units would leave a rest that nobody may take.
    arguments = {"sale": sale, "most_units": most_units, "most_price": state.price}
    return _call(
        sales,
        account,
        "take",
        arguments,
        spend={sales.money: quoted.owed},
        receive={sales.lot: quoted.units},
    )


def restart_call(sales: Sales, *, account: str, sale: int) -> Call:
    """Return the call that starts a sale that ran out anew."""
    return _call(sales, account, "restart", {"sale": sale})


def cancel_call(sales: Sales, *, account: str, sale: int) -> Call:
    """Return the call by which a seller takes its lot back."""
    return _call(sales, account, "cancel", {"sale": sale})


def _call(
    sales: Sales, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(sales.name, KIND, method, arguments, account=account, **limits)
