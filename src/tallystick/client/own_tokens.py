"""Own-token swaps for people: a quote with its spread, the swap that takes no worse, other rules proposed.

    quote_of -> pools.swap_call    what a swap gives now, and the call that takes little worse
    propose_call                   other rules of the virtual pool, as the admin

Everything is asked of the contract. The rule that must hold: **whoever quotes reads the contract's warning**:
what backs the stable claim is nothing, and a limit on a swap is no limit on what its tokens fetch afterwards.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tallystick.client.calls import Ask, call_of
from tallystick.client.errors import ClientError
from tallystick.client.pools import SwapQuote
from tallystick.ledger.transactions import Call

KIND: Final = "own_token_swap"


class OwnTokenSwap(NamedTuple):
    """A deployed swap: its name, the stable claim and the token that it makes and burns."""

    name: str
    stable: str
    token: str

    def other(self, asset: str) -> str:
        """Return what is given for an asset. Raises `WrongAsset`."""
        if asset not in (self.stable, self.token):
            raise WrongAsset(self, asset)
        return self.token if asset == self.stable else self.stable


class WrongAsset(ClientError):
    """The swap takes its stable claim or its token, nothing else."""

    def __init__(self, swap: OwnTokenSwap, asset: str) -> None:
        super().__init__(f"{swap.name} does not swap {asset[:80]}", hint=f"{swap.stable} or {swap.token}")


class Quoted(msgspec.Struct, frozen=True):
    """A swap as it would be now. Values are in minor units of the stable claim, rounded down.

    `spread_ppm` is what of the value is not given: it grows as more come than the virtual pool recovers.
    """

    trade: SwapQuote
    value_in: int
    value_out: int
    spread_ppm: int


def swap_of(name: str, parameters: Mapping[str, Any]) -> OwnTokenSwap:
    """Return a swap by its deployment's parameters."""
    stable, token = parameters.get("stable_code", "stable"), parameters.get("own_code", "token")
    return OwnTokenSwap(name, f"{stable}@{name}", f"{token}@{name}")


def quote_of(ask: Ask, swap: OwnTokenSwap, *, asset_in: str, units_in: int) -> Quoted:
    """Return what a swap of exactly `units_in` would give now.

    Raises `WrongAsset`. Rejections: the oracle's, and the swap's own.
    """
    asset_out = swap.other(asset_in)
    told = ask(swap.name, "quote", asset_in=asset_in, asset_out=asset_out, units_in=units_in)
    trade = SwapQuote(swap.name, asset_in, asset_out, units_in, told.units_out, exact_in=True)
    return Quoted(trade, told.value_in, told.value_out, told.spread_ppm)


def propose_call(swap: OwnTokenSwap, *, account: str, base_pool: int, recovery_periods: int) -> Call:
    """Return the admin's call that proposes other rules, in force after the delay."""
    arguments = {"base_pool": base_pool, "recovery_periods": recovery_periods}
    return call_of(swap.name, KIND, "propose", arguments, account=account)
