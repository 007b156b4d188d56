"""Custody: clients' assets kept apart, one for one, by asset, against receipts that their custodian owes.

A client pays an asset in and gets as many receipts, claims on the custodian that owe that very asset; whoever
brings receipts back gets the asset. The custodian has no method by which to touch what is kept: it cannot
lend, pledge or lose it, and its balance sheet shows as much of each asset as it owes. One thing alone can
leave less: an asset's own issuer that declared a power to claw back. Then everybody's receipts pay their
part, whoever comes first.

Source: Directive 2014/65/EU (MiFID II), Article 16(8): safeguard clients' ownership rights, and prevent the
use of their instruments on own account; UCC section 8-504: an intermediary maintains financial assets in a
quantity corresponding to the aggregate of all entitlements.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import mul_div_down
from tallystick.ledger.contract import (
    Backing,
    Contract,
    Dependencies,
    Exit,
    Position,
    Record,
    Table,
    method,
    view,
)
from tallystick.ledger.records import Terms
from tallystick.ledger.redemptions import Redemption, Step
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

KEPT_MAX = 64


class Kept(Record, frozen=True):
    """An asset that is kept, and the code of its receipts."""

    asset: str
    code: str


class Parameters(Record, frozen=True):
    """The custodian: the institution that owes the receipts, and the account that speaks for it."""

    institution: str
    custodian: str
    kept: tuple[Kept, ...]


class Refusal(StrEnum):
    """Why a custody refuses."""

    PARAMETERS_INVALID = "custody.parameters_invalid"
    """Nothing is kept, too much, or one asset or code twice. Facts: reason."""
    NOT_KEPT = "custody.not_kept"
    """The asset is not kept here. Facts: asset."""
    NOTHING_LEFT = "custody.nothing_left"
    """The receipts stand for less than one unit, after a claw-back. Facts: asset, units."""


class Custody(Contract):
    """Assets of clients, one for one against receipts."""

    kind = "custody"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {"receipt": Table(key=(str,), value=str)}

    def deploy(self, ctx: CallContext) -> None:
        """Declare a receipt for each asset, owed by the institution that consented."""
        kept = ctx.params.kept
        different = len({one.asset for one in kept}) == len({one.code for one in kept}) == len(kept)
        if not 1 <= len(kept) <= KEPT_MAX or not different:
            raise Rejection(
                Refusal.PARAMETERS_INVALID, reason=f"1 to {KEPT_MAX} different assets, each with its code"
            )
        for one in kept:
            asset = ctx.asset(one.asset)
            receipt = ctx.create_asset(
                one.code,
                kind="claim",
                decimals=asset.decimals,
                unit=asset.unit,
                obligor=ctx.params.institution,
                terms=Terms(owes=one.asset),
            )
            ctx.put("receipt", one.asset, value=receipt)

    @method
    def deposit(self, ctx: CallContext, asset: str, units: int) -> None:
        """Pay an asset in and get as many receipts."""
        receipt = self._receipt(ctx, asset)
        ctx.take(asset, units)
        ctx.mint(ctx.caller, receipt, units)
        ctx.emit("deposited", asset=asset, account=ctx.caller, units=units)

    @method
    def withdraw(self, ctx: CallContext, asset: str, units: int) -> int:
        """Bring receipts back and get as much of the asset; return how much that was."""
        receipt = self._receipt(ctx, asset)
        paid = self._pays(ctx, asset, units)
        ctx.burn(receipt, units)
        if not paid:
            raise Rejection(Refusal.NOTHING_LEFT, asset=asset, units=str(units))
        ctx.pay(ctx.caller, asset, paid)
        ctx.emit("withdrawn", asset=asset, account=ctx.caller, units=units, paid=paid)
        return paid

    @view
    def kept(self, ctx: CallContext) -> list[Backing]:
        """Return what is kept for the receipts of each asset, which is as much as there are of them."""
        return self.backing(ctx)

    @view
    def redemptions(
        self, ctx: CallContext, account: str, claim: str = "", units: int = 0
    ) -> list[Redemption]:
        """Return how receipts are brought back: the withdrawal pays at once, from what is kept."""
        for key, receipt in ctx.scan("receipt"):
            if receipt == claim and units > 0:
                ask = Step(account, "withdraw", {"asset": key[0], "units": units}, {receipt: units})
                return [Redemption(receipt, account, units, key[0], ask)]
        return []

    # The five self-descriptions.

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        """Return what lies here for each kind of receipt."""
        return [
            Backing(receipt, key[0], min(ctx.balance(key[0]), ctx.supply(receipt)))
            for key, receipt in ctx.scan("receipt")
        ]

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the custodian's side: what it keeps, against the receipts that it owes."""
        if account != ctx.params.custodian:
            return []
        return [
            Position(one.asset, one.units, note="kept for clients") for one in self.backing(ctx) if one.units
        ]

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the withdrawal of everything that the account has receipts for."""
        ways = []
        for key, receipt in ctx.scan("receipt"):
            units = ctx.available(account, receipt)
            if units > 0 and (paid := self._pays(ctx, key[0], units)):
                arguments = {"asset": key[0], "units": units}
                ways.append(Exit("withdraw", arguments, key[0], paid, spend={receipt: units}))
        return ways

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return what is kept."""
        return Dependencies(assets=tuple(key[0] for key, _ in ctx.scan("receipt")))

    # What several of the above need.

    def _receipt(self, ctx: CallContext, asset: str) -> str:
        receipt: str | None = ctx.get("receipt", asset)
        if receipt is None:
            raise Rejection(Refusal.NOT_KEPT, asset=asset[:80])
        return receipt

    def _pays(self, ctx: CallContext, asset: str, units: int) -> int:
        """Return what receipts pay: one for one, or their part where a claw-back left less."""
        supply, held = ctx.supply(self._receipt(ctx, asset)), ctx.balance(asset)
        return units if held >= supply else mul_div_down(max(units, 0), held, supply)
