"""Holds: assets still owned by the account but promised to one beneficiary until an expiry.

A hold takes nothing: it lowers what is available, so the owner cannot spend it twice and the beneficiary
need not trust that it will be there. Every hold has an owner, an expiry and an end: captured in whole or in
part, released, or at expiry whichever of the two it declared.
"""

from msgspec.structs import replace

from tallystick.ledger.execution import Execution, change_held, check_promise, move, parse_budget
from tallystick.ledger.mandates import charge, check_recipient
from tallystick.ledger.records import Hold as HoldRecord
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import Overlay
from tallystick.ledger.timers import cancel_timer, set_timer
from tallystick.ledger.transactions import Capture, Hold, Release

LEGS_MAX = 64


def hold(x: Execution, action: Hold) -> str:
    """Hold assets for the beneficiary and return the hold's id.

    Rejections: `no_legs`, `unknown_account`, `same_account`, `issuer_cannot_hold`, `insufficient_balance`,
    `time_invalid`, `quota_exceeded`, `mandate_forbids`.
    """
    if not 1 <= len(action.legs) <= LEGS_MAX:
        raise Rejection(Code.NO_LEGS, legs=len(action.legs), legs_max=LEGS_MAX)
    x.spend_work(len(action.legs))
    if action.beneficiary == action.account:
        raise Rejection(Code.SAME_ACCOUNT, account=action.account)
    x.account(action.beneficiary)
    check_recipient(x, action.beneficiary)
    legs = parse_budget(action.legs)
    for asset, units in legs.items():
        found = x.asset(asset)
        if found.issuer == action.account:
            raise Rejection(Code.ISSUER_CANNOT_HOLD, account=action.account, asset=asset)
        check_promise(x, found, action.account, units)
        change_held(x, action.account, asset, units)
        charge(x, asset, units)
    x.change_quota(action.account, "holds", 1, x.batch.limits.holds_per_account_max)
    name = f"{x.subject_id}.{len(x.results)}"
    timer = set_timer(x, due=action.expires, kind="hold_expiry", subject=name, owner=action.account)
    x.overlay.writes["hold", name] = HoldRecord(
        action.account, action.beneficiary, tuple(legs.items()), action.expires, action.at_expiry, timer
    )
    x.emit("ledger", "held", hold=name, account=action.account, beneficiary=action.beneficiary)
    return name


def _find(x: Execution, name: str) -> HoldRecord:
    found: HoldRecord | None = x.overlay.get(("hold", name))
    if found is None:
        raise Rejection(Code.UNKNOWN_HOLD, hold=name[:64])
    return found


def capture(x: Execution, action: Capture) -> None:
    """Take held assets as the beneficiary; what is left stays held unless `final`.

    Rejections: `unknown_hold`, `not_the_beneficiary`, `hold_expired`, `hold_exceeded`, those of postings.
    """
    record = _find(x, action.hold)
    if record.beneficiary != action.account:
        raise Rejection(Code.NOT_THE_BENEFICIARY, hold=action.hold, beneficiary=record.beneficiary)
    if record.at_expiry == "release" and record.expires <= x.batch.time:
        raise Rejection(Code.HOLD_EXPIRED, hold=action.hold, expires=record.expires, time=x.batch.time)
    wanted = parse_budget(action.legs) if action.legs else dict(record.legs)
    x.spend_work(len(wanted))
    _capture(x, action.hold, record, wanted, final=action.final)


def release(x: Execution, action: Release) -> None:
    """Give a hold back to its owner. Rejections: `unknown_hold`, `hold_not_expired`."""
    record = _find(x, action.hold)
    if record.beneficiary != action.account:
        if record.expires > x.batch.time or record.at_expiry == "capture":
            raise Rejection(
                Code.HOLD_NOT_EXPIRED, hold=action.hold, expires=record.expires, time=x.batch.time
            )
    _end(x, action.hold, record, "released")


def end_hold(x: Execution, name: str, *, owner: str, asset: str) -> None:
    """End a hold of `owner` as far as it is in `asset`, by a power over that asset; the rest stands.

    Rejections: `unknown_hold`.
    """
    record = _find(x, name)
    legs = dict(record.legs)
    if record.owner != owner or asset not in legs:
        raise Rejection(Code.UNKNOWN_HOLD, hold=name[:64])
    change_held(x, owner, asset, -legs.pop(asset))
    rest = replace(record, legs=tuple(legs.items()))
    if rest.legs:
        x.overlay.writes["hold", name] = rest
        x.emit("ledger", "hold_reduced", hold=name, asset=asset)
    else:
        _end(x, name, rest, "ended_by_power")


def expire_hold(x: Execution, name: str) -> None:
    """End a hold at its expiry as it declared; a capture that is refused becomes a release."""
    record: HoldRecord | None = x.overlay.get(("hold", name))
    if record is None:
        return
    if record.at_expiry == "capture":
        outer, x.overlay = x.overlay, Overlay(x.overlay)
        try:
            _capture(x, name, record, dict(record.legs), final=True)
        except Rejection as refused:
            x.overlay = outer
            x.emit("ledger", "capture_refused", hold=name, code=refused.code.value)
        else:
            outer.merge(x.overlay)
            x.overlay = outer
            return
    _end(x, name, record, "expired")


def _capture(x: Execution, name: str, record: HoldRecord, wanted: dict[str, int], *, final: bool) -> None:
    left = dict(record.legs)
    for asset, units in wanted.items():
        remaining = left.get(asset, 0)
        if units > remaining:
            raise Rejection(Code.HOLD_EXCEEDED, hold=name, asset=asset, remaining=str(remaining))
        left[asset] = remaining - units
        change_held(x, record.owner, asset, -units)
        move(x, x.asset(asset), source=record.owner, target=record.beneficiary, units=units)
    rest = HoldRecord(
        record.owner,
        record.beneficiary,
        tuple((asset, units) for asset, units in left.items() if units),
        record.expires,
        record.at_expiry,
        record.timer,
    )
    x.emit("ledger", "captured", hold=name, account=record.beneficiary)
    if final or not rest.legs:
        _end(x, name, rest, "captured")
    else:
        x.overlay.writes["hold", name] = rest


def _end(x: Execution, name: str, record: HoldRecord, how: str) -> None:
    for asset, units in record.legs:
        change_held(x, record.owner, asset, -units)
    x.change_quota(record.owner, "holds", -1, x.batch.limits.holds_per_account_max)
    cancel_timer(x, record.timer)
    x.overlay.writes["hold", name] = None
    x.emit("ledger", "hold_ended", hold=name, how=how)
