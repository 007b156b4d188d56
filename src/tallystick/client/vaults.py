"""Vaults for people: deposits and withdrawals that carry their limits, and requests where a vault has them.

    deposit_call, withdraw_call       come in and go out, at once or by a request, as the vault does it
    cancel_call, claim_call           answer a request

Every function asks the vault's views and computes nothing that the vault computes itself. The rule that must
hold: **a call built here carries its limits** in its arguments, `spend` and `receive`.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from tallystick.client.calls import Ask, call_of, less_slippage, more_slippage
from tallystick.ledger.transactions import Call

KIND: Final = "vault"


class Vault(NamedTuple):
    """A deployed vault: its name, its asset, and which of its sides wait for a window."""

    name: str
    asset: str
    deposits_wait: bool
    redemptions_wait: bool

    @property
    def share(self) -> str:
        """The asset that holders have."""
        return f"share@{self.name}"


def vault_of(name: str, parameters: Mapping[str, Any]) -> Vault:
    """Return a vault by its deployment's parameters."""
    waits = (bool(parameters.get(side)) for side in ("deposits_wait", "redemptions_wait"))
    return Vault(name, parameters["asset"], *waits)


def deposit_call(ask: Ask, vault: Vault, *, account: str, units: int, slippage_bps: int) -> Call:
    """Return the call that deposits exactly `units`, for no fewer shares than now, less the slippage."""
    if vault.deposits_wait:
        return _call(vault, account, "request_deposit", {"units": units}, spend={vault.asset: units})
    least = less_slippage(ask(vault.name, "quote_deposit", units=units), slippage_bps)
    arguments = {"units": units, "least_shares": least}
    return _call(
        vault, account, "deposit", arguments, spend={vault.asset: units}, receive={vault.share: least}
    )


def withdraw_call(ask: Ask, vault: Vault, *, account: str, units: int | None, slippage_bps: int) -> Call:
    """Return the call that takes exactly `units` out, or, where that is None, all that the account has.

    Where redemptions wait it requests the shares that `units` cost now.
    """
    if units is None:
        worth = ask(vault.name, "position", account=account)
        shares, least = worth.shares, less_slippage(worth.units, slippage_bps)
        spend = {vault.share: shares}
        if vault.redemptions_wait:
            return _call(vault, account, "request_redemption", {"shares": shares}, spend=spend)
        arguments = {"shares": shares, "least_units": least}
        return _call(vault, account, "redeem", arguments, spend=spend, receive={vault.asset: least})
    cost = ask(vault.name, "quote_withdraw", units=units)
    if vault.redemptions_wait:
        return _call(vault, account, "request_redemption", {"shares": cost}, spend={vault.share: cost})
    most = more_slippage(cost, slippage_bps)
    arguments = {"units": units, "most_shares": most}
    return _call(
        vault, account, "withdraw", arguments, spend={vault.share: most}, receive={vault.asset: units}
    )


def cancel_call(
    vault: Vault, *, account: str, window: int, side: Literal["deposit", "redemption"], asked: int
) -> Call:
    """Return the call that takes a pending request back."""
    name, asset = ("units", vault.asset) if side == "deposit" else ("shares", vault.share)
    arguments = {"window": window, name: asked}
    return _call(vault, account, f"cancel_{side}", arguments, receive={asset: asked})


def claim_call(
    vault: Vault,
    *,
    account: str,
    window: int,
    side: Literal["deposit", "redemption"],
    gives: Mapping[str, int],
) -> Call:
    """Return the call that claims a request whose window has closed; `gives` is what it must pay."""
    return _call(vault, account, f"claim_{side}", {"window": window}, receive=gives)


def _call(
    vault: Vault, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(vault.name, KIND, method, arguments, account=account, **limits)
