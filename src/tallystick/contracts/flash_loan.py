"""Flash loan: units borrowed from one pool or several, to be back with a fee before the transaction ends.

A loan is an obligation: the pool pays out first, and the ledger refuses the transaction unless that pool has
been repaid by its end. Nothing is trusted and nothing can be lost; so a loan needs no collateral, and it
composes with everything that a transaction can call. Every pool lends by itself (`flash`, `repay`). This
contract borrows from several at once, as a route trades over several: which lenders are cheapest is found off
the ledger, where trying costs nothing, and checked here against the most that the borrower signed to owe.

The rule that must hold: between two calls it owns nothing, and owes nothing that it was not handed at once.
What a lender gave is measured by the contract's own balance, never believed; what a lender says is owed is
believed by nobody but its own books. Refused: a callback into the borrower, as ERC-3156 has it. Whatever is
done with the loan stands in the transaction for its signer to read.

The pools answer the interface in docs/contracts/pools.md. Source: the obligation is the flash swap of Adams,
Zinsmeister and Robinson, "Uniswap v2 Core" (2020), section 2.3, generalised to any lender.
"""

from enum import StrEnum
from typing import Any, ClassVar

from tallystick.ledger.contract import Contract, Record, method, view
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

PARTS_MAX = 8
"""A bound on the lenders of a loan: the ledger's limit on work is far above it."""


class Part(Record, frozen=True):
    """A lender, and the units that it lends, or that it is to be repaid."""

    pool: str
    units: int


class Refusal(StrEnum):
    """Why a flash loan refuses."""

    PARTS_INVALID = "flash_loan.parts_invalid"
    """There are no lenders, or too many, one stands twice, or one has no units. Facts: reason, and the
    lenders, pool or units that are wrong."""
    LENDER_MISMATCH = "flash_loan.lender_mismatch"
    """A lender gave or took another amount than it was asked, or does not say what it is owed.
    Facts: pool, asset, units, expected."""
    LIMIT_MISSED = "flash_loan.limit_missed"
    """More would be owed than the borrower's limit. Facts: asset, units, most."""
    NOTHING_LEFT = "flash_loan.nothing_left"
    """The contract holds nothing of the asset, as it should be. Facts: asset."""


class FlashLoan(Contract):
    """Borrows from several pools in one call and repays them in another; holds nothing, decides nothing."""

    kind = "flash_loan"
    version = 1
    Refusal = Refusal
    tables: ClassVar = {}

    @method
    def borrow(self, ctx: CallContext, asset: str, parts: list[Part], most_owed: int) -> list[Part]:
        """Pay the caller what the lenders lend, and return what repays each: at most `most_owed` in all."""
        _check_parts(parts)
        lent, owed = 0, []
        for part in parts:
            held = ctx.balance(asset)
            due = ctx.call(part.pool, "flash", units={asset: part.units})
            _check_moved(ctx, part.pool, asset, held, part.units)
            lent += part.units
            owed.append(Part(part.pool, _due(due, part, asset)))
            _check_most(asset, owed, most_owed)
        ctx.pay(ctx.caller, asset, lent)
        total = sum(one.units for one in owed)
        ctx.emit("lent", borrower=ctx.caller, asset=asset, units=lent, owed=total)
        return owed

    @method
    def repay(self, ctx: CallContext, asset: str, parts: list[Part]) -> bool:
        """Take each part's units from the caller and repay its lender; return whether all are cleared."""
        _check_parts(parts)
        cleared = True
        for part in parts:
            held = ctx.balance(asset)
            ctx.take(asset, part.units)
            done = ctx.call(part.pool, "repay", spend={asset: part.units}, units={asset: part.units})
            _check_moved(ctx, part.pool, asset, held, 0)
            cleared = cleared and done is True
        return cleared

    @method
    def skim(self, ctx: CallContext, asset: str) -> int:
        """Pay the caller what somebody sent here by mistake: nothing that is held here is anyone's."""
        units = ctx.balance(asset)
        if not units:
            raise Rejection(Refusal.NOTHING_LEFT, asset=asset[:80])
        ctx.pay(ctx.caller, asset, units)
        return units

    @view
    def quote(self, ctx: CallContext, asset: str, parts: list[Part]) -> list[Part]:
        """Return what would repay each lender now."""
        _check_parts(parts)
        return [
            Part(part.pool, _due(ctx.view(part.pool, "quote_flash", units={asset: part.units}), part, asset))
            for part in parts
        ]


def _check_parts(parts: list[Part]) -> None:
    """Check the shape of the parts. Rejections: `flash_loan.parts_invalid`."""
    if not 1 <= len(parts) <= PARTS_MAX:
        raise Rejection(Refusal.PARTS_INVALID, reason=f"1 to {PARTS_MAX} lenders", lenders=len(parts))
    lenders: set[str] = set()
    for part in parts:
        if part.units <= 0:
            raise Rejection(Refusal.PARTS_INVALID, reason="a part has units", units=str(part.units)[:48])
        if part.pool in lenders:
            raise Rejection(Refusal.PARTS_INVALID, reason="a lender stands once", pool=part.pool[:64])
        lenders.add(part.pool)


def _due(answer: Any, part: Part, asset: str) -> int:
    """Return what a lender says that its part is repaid by. Rejections: `flash_loan.lender_mismatch`."""
    units = answer.get(asset) if isinstance(answer, dict) else None
    if type(units) is not int or units < part.units:
        raise Rejection(
            Refusal.LENDER_MISMATCH,
            pool=part.pool,
            asset=asset[:80],
            units=str(units)[:48],
            expected=str(part.units),
        )
    return units


def _check_most(asset: str, owed: list[Part], most: int) -> None:
    units = sum(one.units for one in owed)
    if units > most:
        raise Rejection(Refusal.LIMIT_MISSED, asset=asset[:80], units=str(units), most=str(most))


def _check_moved(ctx: CallContext, pool: str, asset: str, before: int, expected: int) -> None:
    moved = ctx.balance(asset) - before
    if moved != expected:
        raise Rejection(
            Refusal.LENDER_MISMATCH, pool=pool, asset=asset, units=str(moved), expected=str(expected)
        )
