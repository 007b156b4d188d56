"""Timers: work that falls due, in a fixed order, without anybody having to ask.

A timer lies in the state under (due, number), so that the due ones are a prefix of a sorted scan and every
replica meets them in the same order. A timer that fails leaves the queue, so that it cannot block the ones
behind it, and waits under `overdue`, where anybody may run it again.
"""

from typing import Literal

from tallystick.ledger.amounts import MICROSECONDS
from tallystick.ledger.execution import Execution
from tallystick.ledger.records import Timer
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.store import State, scan

TimerKind = Literal["hold_expiry", "lot_default", "recovery", "policy_change", "activate", "call"]


def set_timer(
    x: Execution,
    *,
    due: int,
    kind: TimerKind,
    subject: str,
    owner: str,
    method: str = "",
    arguments: str = "{}",
) -> tuple[int, int]:
    """Queue work for `due` against `owner`'s quota and return (due, number).

    Rejections: `time_invalid` (not in the future, or beyond the horizon), `quota_exceeded`.
    """
    time = x.batch.time
    if not time < due <= time + x.batch.limits.horizon_seconds * MICROSECONDS:
        raise Rejection(Code.TIME_INVALID, time=time, given=due)
    if kind != "recovery":  # An account has one at most, and no quota of its may stand in the way.
        x.change_quota(owner, "timers", 1, x.batch.limits.timers_per_account_max)
    number: int = (x.overlay.get(("sequence",)) or 0) + 1
    x.overlay.writes[("sequence",)] = number
    x.overlay.put(("timer", due, number), Timer(kind, subject, owner, method, arguments))
    return due, number


def cancel_timer(x: Execution, timer: tuple[int, int]) -> None:
    """Drop a timer, wherever it waits; one that ran already is no matter."""
    due, number = timer
    waiting: Timer | None = x.overlay.get(("timer", due, number))
    if waiting is not None:
        x.overlay.put(("timer", due, number), None)
        release_quota(x, waiting)
        return
    overdue: Timer | None = x.overlay.get(("overdue", number))
    if overdue is not None:
        x.overlay.writes["overdue", number] = None
        release_quota(x, overdue)


def release_quota(x: Execution, timer: Timer) -> None:
    """Count one timer less against its owner."""
    if timer.kind == "recovery":
        return
    x.change_quota(timer.owner, "timers", -1, x.batch.limits.timers_per_account_max)


def due_timers(state: State, *, time: int, most: int) -> list[tuple[tuple[int, int], Timer]]:
    """Return up to `most` timers due at or before `time`, in order."""
    due: list[tuple[tuple[int, int], Timer]] = []
    for key in scan(state, ("timer",)):
        if key[1] > time or len(due) == most:
            break
        due.append(((key[1], key[2]), state.get(key)))
    return due
