"""Claims: the life of what an obligor owes, lot by lot.

A claim is outstanding until its holder asks for it. The asked-for lot stays the holder's, but cannot move,
until the obligor pays it, the holder takes the request back, or it is in default: `requested -> due ->
paid | defaulted`. Due is read off the clock, not stored, so no missed timer can delay it. A default ends
nothing: the lot stays owed, and shown, until it is paid or taken back.
"""

from msgspec.structs import replace

from tallystick.ledger.amounts import MICROSECONDS, mul_div_down, parse_units
from tallystick.ledger.execution import Execution, balance_of, change_held, check_promise, credit, debit, move
from tallystick.ledger.names import check_reference, is_asset
from tallystick.ledger.records import Lot, Terms
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.timers import cancel_timer, set_timer
from tallystick.ledger.transactions import CancelRedemption, Redeem, SettleRedemption


def due_at(terms: Terms, *, requested: int) -> int:
    """Return when a lot requested then falls due, in microseconds UTC."""
    return max(requested + terms.notice_seconds * MICROSECONDS, terms.matures or 0)


def units_owed(terms: Terms, units: int) -> int:
    """Return what the terms owe for `units` of the claim, in minor units of `owes`, rounded down.

    Down, because the holder chooses how to split its lots.
    """
    return mul_div_down(units, terms.pays, terms.per)


def redeem(x: Execution, action: Redeem) -> str:
    """Request redemption of a lot and return its id.

    A claim that a contract issues is redeemed by that contract's own methods.

    Rejections: `not_a_claim`, `unknown_asset`, `redeemed_by_contract`, `lot_too_small`,
    `issuer_cannot_hold`, `insufficient_balance`, `quota_exceeded`, those of amounts.
    """
    asset = x.asset(action.asset)
    if asset.terms is None:
        raise Rejection(Code.NOT_A_CLAIM, asset=asset.id, kind=asset.kind)
    units = parse_units(action.units)
    if action.reference:
        check_reference(action.reference)
    if asset.issuer == action.account:
        raise Rejection(Code.ISSUER_CANNOT_HOLD, account=action.account, asset=asset.id)
    if x.account(asset.issuer).controller:
        # A contract keeps its own books of what it issued: nothing may be retired behind its back.
        raise Rejection(Code.REDEEMED_BY_CONTRACT, asset=asset.id, contract=asset.issuer)
    if units_owed(asset.terms, units) == 0:
        raise Rejection(Code.LOT_TOO_SMALL, asset=asset.id, units=str(units), per=str(asset.terms.per))
    check_promise(x, asset, action.account, units)
    change_held(x, action.account, asset.id, units)
    name = f"{x.subject_id}.{len(x.results)}"
    due = due_at(asset.terms, requested=x.batch.time)
    timer = set_timer(
        x,
        due=due + asset.terms.grace_seconds * MICROSECONDS,
        kind="lot_default",
        subject=name,
        owner=action.account,
    )
    x.overlay.writes["lot", name] = Lot(
        asset.id, action.account, units, due, "requested", action.reference, timer
    )
    x.emit(
        "ledger",
        "redemption_requested",
        lot=name,
        asset=asset.id,
        account=action.account,
        units=units,
        due=due,
    )
    return name


def _find(x: Execution, name: str) -> Lot:
    lot: Lot | None = x.overlay.get(("lot", name))
    if lot is None:
        raise Rejection(Code.UNKNOWN_LOT, lot=name[:64])
    return lot


def cancel_redemption(x: Execution, action: CancelRedemption) -> None:
    """Take a request back. Rejections: `unknown_lot`, `not_the_holder`."""
    lot = _find(x, action.lot)
    if lot.holder != action.account:
        raise Rejection(Code.NOT_THE_HOLDER, lot=action.lot, holder=lot.holder)
    _end(x, action.lot, lot)
    x.emit("ledger", "redemption_cancelled", lot=action.lot)


def settle_redemption(x: Execution, action: SettleRedemption) -> None:
    """Pay a lot: its units go back to the issuing account, and what the terms owe to the holder.

    Where the terms owe an asset, it is paid from `account` in the same step. Where they owe a unit of
    account, the payment happens elsewhere and `evidence` names it: the holder consented to that by asking.
    That consent ends with a default: from then on the holder must sign the settlement too.

    Rejections: `unknown_lot`, `not_the_obligor`, `name_invalid` (evidence), `unauthorised`, `issue_required`,
    those of postings.
    """
    lot = _find(x, action.lot)
    asset = x.asset(lot.asset)
    terms = asset.terms
    if terms is None or x.overlay.get(("member", action.account)) != asset.obligor:
        raise Rejection(Code.NOT_THE_OBLIGOR, account=action.account, obligor=asset.obligor)
    owed = units_owed(terms, lot.units)
    if action.evidence or not is_asset(terms.owes):
        check_reference(action.evidence)
    if lot.status == "defaulted" and not is_asset(terms.owes):
        x.check_authorised(lot.holder)
    change_held(x, lot.holder, asset.id, -lot.units)
    # The holder gave the units up by asking; a freeze since then must not put the obligor in default.
    debit(x, asset, lot.holder, lot.units, by_power=True)
    credit(x, asset, asset.issuer, lot.units)
    if is_asset(terms.owes):
        _pay_holder(x, action, lot, terms.owes, owed)
    cancel_timer(x, lot.timer)
    x.overlay.writes["lot", action.lot] = None
    x.emit(
        "ledger",
        "redemption_settled",
        lot=action.lot,
        owes=terms.owes,
        units=owed,
        late=lot.status == "defaulted",
        evidence=action.evidence,
    )


def _pay_holder(x: Execution, action: SettleRedemption, lot: Lot, owes: str, owed: int) -> None:
    """Pay what is owed in an asset; an account that redeems with itself owes itself nothing."""
    paid_in = x.asset(owes)
    if lot.holder == action.account:
        return
    if paid_in.issuer == action.account:
        raise Rejection(Code.ISSUE_REQUIRED, account=action.account, asset=owes)
    move(x, paid_in, source=action.account, target=lot.holder, units=owed)


def end_redemption(x: Execution, name: str, *, holder: str, asset: str) -> None:
    """End a redemption of `asset` by `holder`, by a power over that asset. Rejections: `unknown_lot`."""
    lot = _find(x, name)
    if lot.holder != holder or lot.asset != asset:
        raise Rejection(Code.UNKNOWN_LOT, lot=name[:64])
    _end(x, name, lot)
    x.emit("ledger", "redemption_cancelled", lot=name)


def default_lot(x: Execution, name: str) -> None:
    """Mark a lot that was not paid in time as defaulted (run by its timer)."""
    lot: Lot | None = x.overlay.get(("lot", name))
    if lot is None or lot.status == "defaulted":
        return
    x.overlay.writes["lot", name] = replace(lot, status="defaulted")
    asset = x.asset(lot.asset)
    x.emit(
        "ledger",
        "defaulted",
        lot=name,
        obligor=asset.obligor,
        asset=lot.asset,
        account=lot.holder,
        units=lot.units,
        outstanding=-balance_of(x, asset.issuer, asset.id),
    )


def _end(x: Execution, name: str, lot: Lot) -> None:
    change_held(x, lot.holder, lot.asset, -lot.units)
    cancel_timer(x, lot.timer)
    x.overlay.writes["lot", name] = None
