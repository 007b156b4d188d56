"""Escrow: several parties' legs, held by code until each is released or refunded.

Every leg names who pays, who receives, and how much. A leg is funded once, by its payer, and from then on
has exactly two ends. *Released*, to its receiver: by the payer's consent or by the arbiter; or, in an escrow
that `settles_together`, only at the moment the last leg is funded (delivery against payment: all or nothing).
*Refunded*, to its payer: by the receiver's consent, by the arbiter, or by anyone once the deadline passed.
Nobody else is ever paid, so the arbiter chooses between two parties and can take nothing.

Source: the escrow agreement as the Principles for Financial Market Infrastructures (CPMI-IOSCO, 2012,
principle 12) describe conditional settlement of linked obligations.
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.contract import (
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
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

LEGS_MAX = 64


class Leg(Record, frozen=True):
    """One payment inside an escrow: `units` of `asset` from `payer` to `receiver`."""

    payer: str
    receiver: str
    asset: str
    units: int


class Parameters(Record, frozen=True):
    """The agreement. `deadline` is microseconds UTC; `arbiter` may be empty."""

    legs: tuple[Leg, ...]
    deadline: int
    arbiter: str = ""
    settles_together: bool = False


class Refusal(StrEnum):
    """Why an escrow refuses."""

    AGREEMENT_INVALID = "escrow.agreement_invalid"
    """The agreement has no legs or too many, a leg of no units or to its own payer, or a past deadline.
    Facts: reason."""
    NO_SUCH_LEG = "escrow.no_such_leg"
    """The agreement has no leg of that number. Facts: leg, legs."""
    NOT_A_PARTY = "escrow.not_a_party"
    """The caller may not do this to the leg. Facts: leg, caller."""
    LEG_NOT_OPEN = "escrow.leg_not_open"
    """The leg is funded or ended already. Facts: leg, status."""
    LEG_NOT_FUNDED = "escrow.leg_not_funded"
    """The leg holds nothing. Facts: leg, status."""
    SETTLES_TOGETHER = "escrow.settles_together"
    """Legs that settle together are released all at once, by funding the last, or refunded. Facts: leg."""
    DEADLINE_PASSED = "escrow.deadline_passed"
    """The deadline has passed, so a leg can only be refunded. Facts: deadline, time."""


OPEN, FUNDED, RELEASED, REFUNDED = "open", "funded", "released", "refunded"


class Escrow(Contract):
    """Legs between parties that end released or refunded, never otherwise."""

    kind = "escrow"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {"status": Table(key=(int,), value=str)}

    def deploy(self, ctx: CallContext) -> None:
        """Check the agreement."""
        legs = ctx.params.legs
        if not 1 <= len(legs) <= LEGS_MAX:
            raise Rejection(Refusal.AGREEMENT_INVALID, reason=f"1 to {LEGS_MAX} legs", legs=len(legs))
        for leg in legs:
            ctx.asset(leg.asset)
            if leg.units <= 0 or leg.payer == leg.receiver:
                raise Rejection(Refusal.AGREEMENT_INVALID, reason="a leg pays units to another account")
        if ctx.params.deadline <= ctx.time:
            raise Rejection(Refusal.AGREEMENT_INVALID, reason="the deadline has passed")

    @method
    def fund(self, ctx: CallContext, leg: int) -> None:
        """Pay one leg in, as its payer, before the deadline."""
        agreed = self._leg(ctx, leg)
        self._check_status(ctx, leg, OPEN, Refusal.LEG_NOT_OPEN)
        self._check_party(ctx, leg, agreed.payer)
        if ctx.time >= ctx.params.deadline:
            raise Rejection(Refusal.DEADLINE_PASSED, deadline=ctx.params.deadline, time=ctx.time)
        ctx.take(agreed.asset, agreed.units)
        ctx.put("status", leg, value=FUNDED)
        ctx.emit("funded", leg=leg, payer=agreed.payer)
        # A timer for each leg: one that cannot be refunded (a frozen payer) must not keep the others.
        ctx.set_timer(ctx.params.deadline, "expire", leg=leg)
        if ctx.params.settles_together and self._all(ctx, FUNDED):
            for number in range(len(ctx.params.legs)):
                self._release(ctx, number)

    @method
    def release(self, ctx: CallContext, leg: int) -> None:
        """Pay a funded leg to its receiver, as its payer or the arbiter, before the deadline."""
        agreed = self._leg(ctx, leg)
        if ctx.params.settles_together:
            raise Rejection(Refusal.SETTLES_TOGETHER, leg=leg)
        self._check_status(ctx, leg, FUNDED, Refusal.LEG_NOT_FUNDED)
        self._check_party(ctx, leg, agreed.payer, ctx.params.arbiter)
        if ctx.time >= ctx.params.deadline:
            raise Rejection(Refusal.DEADLINE_PASSED, deadline=ctx.params.deadline, time=ctx.time)
        self._release(ctx, leg)

    @method
    def refund(self, ctx: CallContext, leg: int) -> None:
        """Pay a funded leg back, as its receiver or the arbiter, or as anyone after the deadline."""
        agreed = self._leg(ctx, leg)
        self._check_status(ctx, leg, FUNDED, Refusal.LEG_NOT_FUNDED)
        if ctx.time < ctx.params.deadline:
            self._check_party(ctx, leg, agreed.receiver, ctx.params.arbiter)
        self._refund(ctx, leg)

    @method
    def expire(self, ctx: CallContext, leg: int) -> None:
        """Refund the leg if it is still funded at the deadline: called by the escrow's own timer."""
        self._leg(ctx, leg)
        if ctx.time < ctx.params.deadline or ctx.caller != ctx.this:
            raise Rejection(Refusal.NOT_A_PARTY, leg=leg, caller=ctx.caller)
        if ctx.get("status", leg) == FUNDED:
            self._refund(ctx, leg)

    @view
    def status(self, ctx: CallContext) -> list[str]:
        """Return each leg's status: open, funded, released or refunded."""
        return [ctx.get("status", number) or OPEN for number in range(len(ctx.params.legs))]

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the funded legs that the account paid: they are its own until released."""
        return [
            Position(asset=leg.asset, units=leg.units, note=f"leg {number} for {leg.receiver}")
            for number, leg in enumerate(ctx.params.legs)
            if leg.payer == account and ctx.get("status", number) == FUNDED
        ]

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the refunds that the account can call for its legs, now or from the deadline."""
        passed = ctx.time >= ctx.params.deadline
        return [
            Exit(
                method="refund",
                arguments={"leg": number},
                asset=leg.asset,
                units_now=leg.units if passed else 0,
                units_later=0 if passed else leg.units,
                when=None if passed else ctx.params.deadline,
            )
            for number, leg in enumerate(ctx.params.legs)
            if leg.payer == account and ctx.get("status", number) == FUNDED
        ]

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return the arbiter's choice: a funded leg's receiver or its payer, nobody else."""
        if not ctx.params.arbiter:
            return []
        return [
            Power(holder=ctx.params.arbiter, power="release or refund", bound="a funded leg's two parties")
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the assets of the agreement."""
        return Dependencies(assets=tuple(sorted({leg.asset for leg in ctx.params.legs})))

    def _leg(self, ctx: CallContext, number: int) -> Leg:
        legs: tuple[Leg, ...] = ctx.params.legs
        if not 0 <= number < len(legs):
            raise Rejection(Refusal.NO_SUCH_LEG, leg=str(number), legs=len(legs))
        return legs[number]

    def _check_status(self, ctx: CallContext, number: int, wanted: str, refusal: StrEnum) -> None:
        status = ctx.get("status", number) or OPEN
        if status != wanted:
            raise Rejection(refusal, leg=number, status=status)

    def _check_party(self, ctx: CallContext, number: int, *parties: str) -> None:
        if ctx.caller not in parties:
            raise Rejection(Refusal.NOT_A_PARTY, leg=number, caller=ctx.caller)

    def _all(self, ctx: CallContext, status: str) -> bool:
        return all(ctx.get("status", number) == status for number in range(len(ctx.params.legs)))

    def _release(self, ctx: CallContext, number: int) -> None:
        leg = ctx.params.legs[number]
        ctx.put("status", number, value=RELEASED)
        ctx.pay(leg.receiver, leg.asset, leg.units)
        ctx.emit("released", leg=number, receiver=leg.receiver, by=ctx.caller)

    def _refund(self, ctx: CallContext, number: int) -> None:
        leg = ctx.params.legs[number]
        ctx.put("status", number, value=REFUNDED)
        ctx.pay(leg.payer, leg.asset, leg.units)
        ctx.emit("refunded", leg=number, payer=leg.payer, by=ctx.caller)
