"""A basket: a contract of the tests that takes in assets against shares, lends, and says on whom it leans."""

from typing import ClassVar

from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import (
    Backing,
    Contract,
    Dependencies,
    Exit,
    Position,
    Power,
    Record,
    Table,
    method,
    view,
)
from tallystick.ledger.runtime import CallContext
from tests.institutions.city import CITY_KINDS, City
from tests.ledger.world import call, deploy


class Leaning(Record, frozen=True):
    oracles: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    keeper: str = ""


class Basket(Contract):
    """Shares are minted one for one unit of whatever comes in; all share in all of it."""

    kind = "basket"
    version = 1
    Parameters = Leaning
    tables: ClassVar = {
        "inside": Table(key=(str,), value=int),
        "lent": Table(key=(str, str), value=int),
    }

    def deploy(self, ctx: CallContext) -> None:
        ctx.create_asset("share")

    @method
    def put_in(self, ctx: CallContext, asset: str, units: int) -> None:
        ctx.take(asset, units)
        ctx.put("inside", asset, value=(ctx.get("inside", asset) or 0) + units)
        ctx.mint(ctx.caller, f"share@{ctx.this}", units)

    @method
    def take_out(self, ctx: CallContext, shares: int) -> None:
        supply = ctx.supply(f"share@{ctx.this}")
        ctx.burn(f"share@{ctx.this}", shares)
        for (asset,), units in list(ctx.scan("inside")):
            part = units * shares // supply
            if part:
                ctx.put("inside", asset, value=units - part or None)
                ctx.pay(ctx.caller, asset, part)

    @method
    def borrow(self, ctx: CallContext, asset: str, units: int) -> None:
        ctx.put("inside", asset, value=ctx.get("inside", asset) - units or None)
        ctx.put("lent", ctx.caller, asset, value=(ctx.get("lent", ctx.caller, asset) or 0) + units)
        ctx.pay(ctx.caller, asset, units)

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        return [Position(asset, units, owed=True) for (_, asset), units in ctx.scan("lent", account)]

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        share = f"share@{ctx.this}"
        found = [Backing(share, asset, units) for (asset,), units in ctx.scan("inside")]
        owed = [Backing(share, asset, units, due_from=who) for (who, asset), units in ctx.scan("lent")]
        return [*found, *owed]

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        share = f"share@{ctx.this}"
        mine, supply = ctx.available(account, share), ctx.supply(share)
        return [
            Exit("take_out", {"shares": mine}, asset, units * mine // supply, spend={share: mine})
            for (asset,), units in ctx.scan("inside")
            if mine
        ]

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        keeper = ctx.params.keeper
        return [Power(keeper, "stops deposits", "nothing that is inside", 60)] if keeper else []

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        return Dependencies(contracts=ctx.params.contracts, oracles=ctx.params.oracles)


BASKET_KINDS = Kinds(
    contracts={**CITY_KINDS.contracts, ("basket", 1): Basket()},
    policies=CITY_KINDS.policies,
    versions=CITY_KINDS.versions,
)


class Market(City):
    """The city, with baskets."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds = BASKET_KINDS

    def basket(self, name: str, **leaning: object) -> None:
        self.do("alice", deploy("alice", name, "basket", **leaning))

    def put_in(self, account: str, basket: str, asset: str, units: int) -> None:
        self.do(account, call(account, basket, "put_in", asset=asset, units=units, spend=[(asset, units)]))
