"""Escrow: several parties' legs, held by code until each is released or refunded.

Every leg names who pays, who receives, and how much. A leg is funded once, by its payer, and from then on
has exactly two ends. *Released*, to its receiver: by the payer's consent or by the arbiter; or, in an escrow
that `settles_together`, only at the moment the last leg is funded (delivery against payment: all or nothing).
*Refunded*, to its payer: by the receiver's consent, by the arbiter, or by anyone once the deadline passed.
Nobody else is ever paid, so the arbiter chooses between two parties and can take nothing.

**Swap settlement** is the same contract for linked obligations among several parties: legs paid in by parts;
netting of the assets that the agreement names, so that each party pays in and receives only what is left over
all its legs; and settlement in part by a rule agreed in advance, in equal lots, at the deadline, if enough of
them are there. Which model of delivery against payment it is follows from what is netted; `model` says it.

Source: the escrow agreement as the Principles for Financial Market Infrastructures (CPMI-IOSCO, 2012,
principle 12) describe conditional settlement of linked obligations; the models are those of its annex D and
of "Delivery versus payment in securities settlement systems" (CPSS, 1992).
"""

from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, mul_div_down
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
LOTS_MAX = 1_000_000
SETTLING_SECONDS = 3_600
"""For so long after the deadline what is there settles before anybody takes it back."""


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


class SwapParameters(Record, frozen=True):
    """The agreement of a swap: that of an escrow, and what is money, what is netted, and in how many lots.

    Every leg divides into `lots`; at the deadline at least `lots_least` of them settle, or none. `funds` are
    the payment assets, and `netted` those that each party pays or receives only the balance of.
    """

    legs: tuple[Leg, ...]
    deadline: int
    arbiter: str = ""
    settles_together: bool = True
    funds: tuple[str, ...] = ()
    netted: tuple[str, ...] = ()
    lots: int = 1
    lots_least: int = 1


class Due(Record, frozen=True):
    """What is to be paid in, and how much of it is there. `receiver` is empty where the asset is netted."""

    payer: str
    receiver: str
    asset: str
    units: int
    funded: int
    status: str


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
    FUNDING_EXCEEDED = "escrow.funding_exceeded"
    """More is paid in than the leg still lacks. Facts: leg, asked, lacking."""
    SETTLES_FIRST = "escrow.settles_first"
    """Enough lots are there to settle, which anyone may do; only later is what could not settle paid back.
    Facts: leg, lots, until."""
    TOO_FEW_LOTS = "escrow.too_few_lots"
    """The deadline has not passed, or fewer lots are there than settle at least. Facts: lots, lots_least,
    deadline."""
    DEADLINE_PASSED = "escrow.deadline_passed"
    """The deadline has passed, so a leg can only be refunded. Facts: deadline, time."""


OPEN, FUNDED, RELEASED, REFUNDED = "open", "funded", "released", "refunded"


class Escrow(Contract):
    """Legs between parties that end released or refunded, never otherwise."""

    kind = "escrow"
    version = 1
    Parameters: ClassVar[type[Record]] = Parameters
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
        if ctx.params.arbiter:
            ctx.check_account(ctx.params.arbiter)

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


class SwapSettlement(Escrow):
    """Legs that are netted, paid in by parts, and settled together, in whole or by lots."""

    kind = "swap_settlement"
    version = 1
    Parameters: ClassVar[type[Record]] = SwapParameters
    tables: ClassVar = {"status": Table(key=(int,), value=str), "funded": Table(key=(int,), value=int)}

    def deploy(self, ctx: CallContext) -> None:
        """Check the agreement, and what it nets and divides."""
        super().deploy(ctx)
        params: SwapParameters = ctx.params
        reason = None
        together = params.settles_together
        if not together and (params.netted or params.lots != 1):
            reason = "only legs that settle together are netted or divided"
        elif not 1 <= params.lots_least <= params.lots <= LOTS_MAX:
            reason = f"lots are 1 to {LOTS_MAX}, and as many or fewer settle at least"
        elif any(leg.units % params.lots for leg in params.legs):
            reason = "every leg divides into the lots"
        elif params.netted and not {leg.asset for leg in params.legs} & set(params.funds) <= set(
            params.netted
        ):
            reason = "what is delivered is netted only where the funds are"
        elif not self._dues(ctx):
            reason = "the legs net to nothing"
        if reason is not None:
            raise Rejection(Refusal.AGREEMENT_INVALID, reason=reason)

    @method
    def fund(self, ctx: CallContext, leg: int, units: int = 0) -> None:
        """Pay one due in, as its payer, before the deadline: `units` of it, or all that it lacks."""
        agreed = self._leg(ctx, leg)
        self._check_status(ctx, leg, OPEN, Refusal.LEG_NOT_OPEN)
        self._check_party(ctx, leg, agreed.payer)
        if ctx.time >= ctx.params.deadline:
            raise Rejection(Refusal.DEADLINE_PASSED, deadline=ctx.params.deadline, time=ctx.time)
        funded: int = ctx.get("funded", leg) or 0
        lacking = agreed.units - funded
        paid = units or lacking
        if paid > lacking:
            raise Rejection(Refusal.FUNDING_EXCEEDED, leg=leg, asked=str(paid), lacking=str(lacking))
        ctx.take(agreed.asset, paid)
        ctx.put("funded", leg, value=funded + paid)
        ctx.emit("funded", leg=leg, payer=agreed.payer, units=paid)
        if not funded:
            ctx.set_timer(ctx.params.deadline, "expire", leg=leg)
        if paid == lacking:
            ctx.put("status", leg, value=FUNDED)
            if ctx.params.settles_together and self._lots_there(ctx) == ctx.params.lots:
                self._settle(ctx, ctx.params.lots)

    @method
    def refund(self, ctx: CallContext, leg: int) -> None:
        """Pay back what a leg holds, as its receiver or the arbiter, or as anyone after the deadline.

        Where enough lots are there, these settle first: no party leaves by being quicker than the timer.
        """
        agreed = self._leg(ctx, leg)
        status = ctx.get("status", leg) or OPEN
        if not ctx.get("funded", leg):
            raise Rejection(Refusal.LEG_NOT_FUNDED, leg=leg, status=status)
        if ctx.time < ctx.params.deadline:
            self._check_party(ctx, leg, agreed.receiver or ctx.params.arbiter, ctx.params.arbiter)
        elif ctx.time < self._refundable_from(ctx):
            raise Rejection(
                Refusal.SETTLES_FIRST,
                leg=leg,
                lots=str(self._lots_to_settle(ctx)),
                until=self._refundable_from(ctx),
            )
        self._refund(ctx, leg)

    @method
    def settle(self, ctx: CallContext) -> int:
        """Settle the lots that are there from the deadline on, as anyone; return how many."""
        lots = self._lots_to_settle(ctx)
        if ctx.time < ctx.params.deadline or not lots:
            raise Rejection(
                Refusal.TOO_FEW_LOTS,
                lots=str(lots),
                lots_least=str(ctx.params.lots_least),
                deadline=ctx.params.deadline,
            )
        self._settle(ctx, lots)
        return lots

    @method
    def expire(self, ctx: CallContext, leg: int) -> None:
        """Settle by lots at the deadline if enough are there, or refund the leg: called by its own timer."""
        self._leg(ctx, leg)
        if ctx.time < ctx.params.deadline or ctx.caller != ctx.this:
            raise Rejection(Refusal.NOT_A_PARTY, leg=leg, caller=ctx.caller)
        lots = self._lots_to_settle(ctx)
        if lots:
            self._settle(ctx, lots)
        elif ctx.get("funded", leg):
            self._refund(ctx, leg)

    # What is asked.

    @view
    def dues(self, ctx: CallContext) -> list[Due]:
        """Return what each party is to pay in, after netting, by the numbers that `fund` takes."""
        return [
            Due(
                due.payer,
                due.receiver,
                due.asset,
                due.units,
                ctx.get("funded", number) or 0,
                ctx.get("status", number) or OPEN,
            )
            for number, due in enumerate(self._dues(ctx))
        ]

    @view
    def model(self, ctx: CallContext) -> str:
        """Return the settlement model by its name in the principles (PFMI, annex D)."""
        params: SwapParameters = ctx.params
        assets = {leg.asset for leg in params.legs}
        funds, netted = assets & set(params.funds), assets & set(params.netted)
        if not params.settles_together:
            return "conditional, leg by leg"
        if funds == assets:
            return f"PvP, {'net' if netted else 'gross'}" if len(assets) > 1 else "free of delivery"
        if not funds:
            return "DvD" if len(assets) > 1 else "free of payment"
        if not netted:
            return "DvP model 1: delivery and payment gross, at once"
        if netted == funds:
            return "DvP model 2: delivery gross, payment net, at once"
        return "DvP model 3: delivery and payment net, at once"

    @view
    def status(self, ctx: CallContext) -> list[str]:
        """Return each due's status: open, funded, released or refunded."""
        return [due.status for due in self.dues(ctx)]

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return what the account paid in: it is its own until settled."""
        return [
            Position(asset=due.asset, units=due.funded, note=f"leg {number} for {due.receiver or 'all'}")
            for number, due in enumerate(self.dues(ctx))
            if due.payer == account and due.funded
        ]

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the refunds of what the account paid in, now or from the deadline, if nothing settles."""
        opens = self._refundable_from(ctx) if ctx.time >= ctx.params.deadline else ctx.params.deadline
        passed = ctx.time >= opens
        return [
            Exit(
                method="refund",
                arguments={"leg": number},
                asset=due.asset,
                units_now=due.funded if passed else 0,
                units_later=0 if passed else due.funded,
                when=None if passed else opens,
            )
            for number, due in enumerate(self.dues(ctx))
            if due.payer == account and due.funded
        ]

    # Netting and lots.

    def _leg(self, ctx: CallContext, number: int) -> Leg:
        dues = self._dues(ctx)
        if not 0 <= number < len(dues):
            raise Rejection(Refusal.NO_SUCH_LEG, leg=str(number), legs=len(dues))
        return dues[number]

    def _dues(self, ctx: CallContext) -> list[Leg]:
        """Return what is to be paid in: the gross legs, then the net payers of each netted asset."""
        gross = [leg for leg in ctx.params.legs if leg.asset not in ctx.params.netted]
        return gross + [
            Leg(payer=party, receiver="", asset=asset, units=-units)
            for (asset, party), units in self._nets(ctx)
            if units < 0
        ]

    def _nets(self, ctx: CallContext) -> list[tuple[tuple[str, str], int]]:
        """Return ((asset, party), what it receives less what it pays) of every netted asset, sorted."""
        nets: dict[tuple[str, str], int] = {}
        for leg in ctx.params.legs:
            if leg.asset in ctx.params.netted:
                for party, units in ((leg.payer, -leg.units), (leg.receiver, leg.units)):
                    nets[leg.asset, party] = nets.get((leg.asset, party), 0) + units
        return sorted(nets.items())

    def _lots_there(self, ctx: CallContext) -> int:
        """Return how many lots every due has paid in: the least of them counts."""
        whole: int = ctx.params.lots
        return min(
            mul_div_down(ctx.get("funded", number) or 0, whole, due.units)
            for number, due in enumerate(self._dues(ctx))
        )

    def _lots_to_settle(self, ctx: CallContext) -> int:
        """Return how many lots settle at the deadline as things stand: enough of them, or none."""
        lots = self._lots_there(ctx) if ctx.params.settles_together else 0
        return lots if lots >= ctx.params.lots_least else 0

    def _refundable_from(self, ctx: CallContext) -> int:
        """Return from when anyone may refund: the deadline, or later while enough is there to settle."""
        wait = SETTLING_SECONDS * MICROSECONDS if self._lots_to_settle(ctx) else 0
        deadline: int = ctx.params.deadline
        return deadline + wait

    def _settle(self, ctx: CallContext, lots: int) -> None:
        """Pay `lots` of every due on, and the rest back to its payer: all of it, or nothing happened."""
        whole: int = ctx.params.lots
        for number, due in enumerate(self._dues(ctx)):
            settled = due.units // whole * lots
            back = ctx.get("funded", number) - settled
            ctx.put("status", number, value=RELEASED)
            ctx.put("funded", number, value=None)
            if due.receiver:
                ctx.pay(due.receiver, due.asset, settled)
            if back:
                ctx.pay(due.payer, due.asset, back)
        for (asset, party), units in self._nets(ctx):
            if units > 0:
                ctx.pay(party, asset, units // whole * lots)
        ctx.emit("settled", lots=lots, of=whole, model=self.model(ctx))

    def _release(self, ctx: CallContext, number: int) -> None:
        due = self._leg(ctx, number)
        ctx.put("status", number, value=RELEASED)
        ctx.put("funded", number, value=None)
        ctx.pay(due.receiver, due.asset, due.units)
        ctx.emit("released", leg=number, receiver=due.receiver, by=ctx.caller)

    def _refund(self, ctx: CallContext, number: int) -> None:
        due = self._leg(ctx, number)
        funded = ctx.get("funded", number)
        ctx.put("status", number, value=REFUNDED)
        ctx.put("funded", number, value=None)
        ctx.pay(due.payer, due.asset, funded)
        ctx.emit("refunded", leg=number, payer=due.payer, by=ctx.caller)
