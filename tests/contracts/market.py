"""A world for contracts: wallets with funds, deployed instances, calls by keyword, and views.

A thin layer over `tests.ledger.world.World`, which checks every invariant of the ledger after each batch.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tallystick.ledger.apply import Kinds, batch_context
from tallystick.ledger.execution import Execution
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import answer
from tallystick.ledger.store import Overlay, Store
from tallystick.protocol import KINDS
from tests.ledger.world import World, call, deploy

ISSUER = "mint"
"""The account that issues the tokens of these tests: `x@mint`, `y@mint` and so on."""


class Market:
    """A world with an issuer, some accounts, and contracts that call each other."""

    def __init__(self, *, accounts: tuple[str, ...] = ("alice", "bob"), kinds: Kinds = KINDS) -> None:
        self.world = World(kinds=kinds, check_signatures=False)
        self.world.open(ISSUER, *accounts)
        self.accounts = accounts

    def fund(self, units: int, *assets: str) -> None:
        """Issue `units` of each asset to every account."""
        for asset in assets:
            self.world.mint(asset, **{name.replace("-", "_"): units for name in self.accounts})

    def deploy(self, contract: str, kind: str, *, by: str = ISSUER, **parameters: Any) -> None:
        self.world.do(by, deploy(by, contract, kind, **parameters))

    def call(
        self,
        account: str,
        contract: str,
        method: str,
        *,
        spend: Mapping[str, int] | None = None,
        receive: Mapping[str, int] | None = None,
        **arguments: Any,
    ) -> Any:
        """Call in a transaction of its own and return the result in its wire form. Raises its `Rejection`."""
        action = call(
            account,
            contract,
            method,
            spend=(spend or {}).items(),
            receive=(receive or {}).items(),
            **arguments,
        )
        return self.world.do(account, action).results[0]

    def refused(self, account: str, contract: str, method: str, **more: Any) -> Rejection:
        """Make a call that must be refused, check that the state is as it was, and return the rejection."""
        before = dict(self.world.store.values)
        try:
            self.call(account, contract, method, **more)
        except Rejection as refused:
            assert self.world.store.values == before
            return refused
        raise AssertionError(f"{method} was accepted")

    def view(self, contract: str, name: str, /, **arguments: Any) -> Any:
        """Return what a view answers now."""
        world = self.world
        overlay = Overlay(world.store)
        batch = batch_context(overlay, world.kinds, height=world.height, time=world.time, index=world.index)
        result = answer(Execution(overlay, batch, subject_id="view"), contract, name, arguments)
        assert not overlay.writes, f"the view {name} wrote"
        return result

    def refused_view(self, contract: str, name: str, /, **arguments: Any) -> Rejection:
        """Ask what a view must refuse to answer, and return the rejection."""
        try:
            self.view(contract, name, **arguments)
        except Rejection as refused:
            return refused
        raise AssertionError(f"{name} was answered")

    def balances(self, account: str) -> dict[str, int]:
        """Return everything that the account owns."""
        return {
            key[2]: units
            for key, units in self.world.store.values.items()
            if key[0] == "balance" and key[1] == account
        }

    @contextmanager
    def forked(self) -> Iterator[None]:
        """Undo everything that happens inside."""
        world = self.world
        values = dict(world.store.values)
        kept = (world.time, world.height, world.index, list(world.entries), dict(world._book))
        try:
            yield
        finally:
            world.store = Store()
            world.store.write(values)
            world.time, world.height, world.index, world.entries, world._book = kept
