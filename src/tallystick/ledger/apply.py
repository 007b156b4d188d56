"""Apply: the one entrance by which the state changes.

    begin_batch(state, height, time)  ->  overlay, receipt of the due timers
    apply(overlay, transaction, batch) ->  receipt, or Rejection with the overlay untouched

Order inside a transaction: identity, authority, actions in order, obligations cleared, net limits,
invariants, receipt. Everything happens on an overlay of its own, merged only at the very end. Node, replay,
verifier, previews, drills and tests all come in here, so that there is no second path to audit.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tallystick.crypto import sha256
from tallystick.ledger import accounts, assets, claims, holds, mandates, runtime, timers
from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT
from tallystick.ledger.execution import BatchContext, Execution
from tallystick.ledger.invariants import check_conserved
from tallystick.ledger.names import check_reference, uuid7_time
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Clock, IdRecord, Limits, OnceRecord, Timer
from tallystick.ledger.rejections import Code, InvariantViolation, LedgerError, Rejection
from tallystick.ledger.store import Overlay, State

ACTIVATION_DELAY_SECONDS_MIN = 86_400
"""A protocol version is announced at least this long before it is in force."""

TIMERS_WORK_FACTOR = 10
"""A batch's timers stop after the work of so many transactions: the rest waits for the next batch."""

WINDOW_SECONDS = 600
"""A transaction's id may be this far from the batch's time, either way."""
WINDOW_MICROSECONDS = WINDOW_SECONDS * MICROSECONDS


class UnsupportedProtocol(LedgerError):
    """The protocol version in force is none that this code can execute: a newer release is needed."""


class Kinds(msgspec.Struct, frozen=True):
    """What the protocol knows: contract code by (kind, version), policies by kind, its own versions."""

    contracts: Mapping[tuple[str, int], Any]
    policies: Mapping[str, Any]
    versions: frozenset[int]


def batch_context(state: State, kinds: Kinds, *, height: int, time: int, index: int) -> BatchContext:
    """Return what a batch at that height and time gives to its transactions."""
    limits: Limits = state.get(("limits",))
    protocol: int = state.get(("protocol",))
    if protocol not in kinds.versions:
        raise UnsupportedProtocol(
            f"protocol {protocol} is in force; this code knows {sorted(kinds.versions)}"
        )
    return BatchContext(
        ledger=state.get(("genesis",)),
        protocol=protocol,
        height=height,
        time=time,
        index=index,
        limits=limits,
        contracts=kinds.contracts,
        policies=kinds.policies,
        versions=kinds.versions,
    )


def begin_batch(
    state: State, kinds: Kinds, *, height: int, time: int, index: int
) -> tuple[Overlay, BatchContext, Receipt | None]:
    """Open a batch: forget ids that left the window, run due timers, and return the batch's overlay.

    The receipt is None when no timer was due; otherwise it stands at `index` and the batch's next entry
    at the one after. Raises `InvariantViolation` 8 if height or time go backwards.
    """
    overlay = Overlay(state)
    clock: Clock = overlay.get(("clock",))
    if height != clock.height + 1 or time < clock.time:
        raise InvariantViolation(
            8, f"batch {height} at {time} does not follow batch {clock.height} at {clock.time}"
        )
    overlay.writes[("clock",)] = Clock(height, time)
    _forget_ids(overlay, time)
    batch = batch_context(overlay, kinds, height=height, time=time, index=index)
    due = timers.due_timers(overlay, time=time, most=batch.limits.timers_per_batch_max)
    if not due:
        return overlay, batch, None
    collected = Overlay(overlay)
    work_left = batch.limits.work_max * TIMERS_WORK_FACTOR
    for (due_time, number), timer in due:
        if work_left <= 0:
            break
        work_left -= _run_timer(collected, batch, due_time, number, timer)
    check_conserved(collected.postings)
    overlay.absorb(collected)
    receipt = Receipt(index, height, time, "", "", collected.postings, collected.events, [])
    batch.index = index + 1
    return overlay, batch, receipt


def _forget_ids(overlay: Overlay, time: int) -> None:
    """Drop the ids of seconds that left the window, and the running hashes that commit to them."""
    oldest = time // MICROSECONDS - WINDOW_SECONDS - 1
    for key in overlay.ids_before(oldest):
        overlay.writes[key] = None
        overlay.writes["ids", key[1]] = None


def _run_timer(collected: Overlay, batch: BatchContext, due: int, number: int, timer: Timer) -> int:
    """Run one due timer on an overlay of its own and return the work it spent.

    One that fails leaves the queue for `overdue`.
    """
    if collected.get(("timer", due, number)) is None:
        return 0  # cancelled by one that was due before it
    x = Execution(Overlay(collected), batch, f"timer-{number}")
    x.overlay.put(("timer", due, number), None)
    try:
        _carry_out(_work_timer, x, timer)
        timers.release_quota(x, timer)
        _close(x)
    except Rejection as refused:
        collected.put(("timer", due, number), None)
        collected.writes["overdue", number] = timer
        collected.events.append(
            (
                "ledger",
                "timer_failed",
                {
                    "timer": str(number),
                    "kind": timer.kind,
                    "subject": timer.subject,
                    "code": refused.code.value,
                },
            )
        )
    else:
        collected.merge(x.overlay)
    return batch.limits.work_max - x.work


def _work_timer(x: Execution, timer: Timer) -> None:
    match timer.kind:
        case "hold_expiry":
            holds.expire_hold(x, timer.subject)
        case "lot_default":
            claims.default_lot(x, timer.subject)
        case "recovery":
            accounts.complete_recovery(x, timer.subject)
        case "policy_change":
            assets.complete_policy_change(x, timer.subject)
        case "activate":
            _complete_activation(x)
        case "call":
            runtime.run_call_timer(x, timer.subject, timer.method, timer.arguments)


def apply(
    overlay: Overlay, authentic: tx.AuthenticTransaction, batch: BatchContext, *, simulated: bool = False
) -> Receipt:
    """Apply a transaction to a batch's overlay and return its receipt.

    With `simulated`, for forks alone, every account counts as having signed. Rejections: any; the
    overlay is then as it was. Raises `InvariantViolation` if the ledger itself is wrong.
    """
    transaction = authentic.transaction
    slot = _check_identity(overlay, authentic, batch)
    x = Execution(Overlay(overlay), batch, str(batch.index), authentic.signers)
    x.simulated = simulated
    for action, is_settled in _authorise_all(x, transaction):
        # An earlier action may have made, or revoked, what this one is authorised by.
        x.mandate = None if is_settled else _authorise(x, action)
        x.taken.clear()
        x.spend_work(1)
        x.results.append(_carry_out(HANDLERS[type(action)], x, action))
    x.mandate = None
    _close(x)
    if transaction.limits:
        _check_limits(x, transaction)
    _remember(x, authentic, slot)
    done = x.overlay
    check_conserved(done.postings)
    # From here the transaction succeeds.
    receipt = Receipt(
        batch.index,
        batch.height,
        batch.time,
        transaction.id,
        transaction.sender,
        done.postings,
        done.events,
        x.results,
    )
    overlay.absorb(done)
    batch.index += 1
    return receipt


def _carry_out(function: Callable[[Execution, Any], Any], x: Execution, argument: Any) -> Any:
    """Carry out one action or timer. A fault in our own code refuses it; it must not stop the ledger.

    Rejections: `contract_fault` of `ledger`, beside the function's own.
    """
    try:
        return function(x, argument)
    except (LedgerError, MemoryError):
        raise
    except Exception as fault:
        told = f"{function.__name__}: {type(fault).__name__}: {fault}"[:200]
        raise Rejection(Code.CONTRACT_FAULT, contract="ledger", fault=told) from fault


def _check_identity(state: Overlay, authentic: tx.AuthenticTransaction, batch: BatchContext) -> int:
    """Check who this transaction is and return the second in its id, the slot of the window it belongs to.

    A known id comes before every other check: a retry is no error.

    Rejections: `duplicate`, `id_reused`, `wrong_ledger`, `oversize`, `expired`, `id_out_of_window`,
    `once_used`, `too_many_actions`, `name_invalid`.
    """
    transaction = authentic.transaction
    id_time = uuid7_time(transaction.id)
    slot = id_time // MICROSECONDS
    known: IdRecord | None = state.get(("id", slot, transaction.sender, transaction.id))
    if known is not None:
        _refuse_known(transaction.id, known.index, same=known.payload_hash == authentic.payload_hash)
    once = transaction.once
    if once is not None:
        check_reference(once)
        used: OnceRecord | None = state.get(("once", transaction.sender, once))
        if used is not None:
            if used.id == transaction.id:
                _refuse_known(used.id, used.index, same=used.payload_hash == authentic.payload_hash)
            raise Rejection(Code.ONCE_USED, once=once, id=used.id, index=used.index)
    if transaction.ledger != batch.ledger:
        raise Rejection(Code.WRONG_LEDGER, ledger=transaction.ledger[:64], expected=batch.ledger)
    if len(authentic.payload) > batch.limits.transaction_bytes_max:
        raise Rejection(
            Code.OVERSIZE,
            size_bytes=len(authentic.payload),
            size_bytes_max=batch.limits.transaction_bytes_max,
        )
    if transaction.expires <= batch.time:
        raise Rejection(Code.EXPIRED, expires=transaction.expires, time=batch.time)
    if once is None and abs(id_time - batch.time) > WINDOW_MICROSECONDS:
        raise Rejection(Code.ID_OUT_OF_WINDOW, id_time=id_time, time=batch.time)
    if not 1 <= len(transaction.actions) <= batch.limits.actions_max:
        raise Rejection(
            Code.TOO_MANY_ACTIONS, actions=len(transaction.actions), actions_max=batch.limits.actions_max
        )
    return slot


def _refuse_known(identifier: str, index: int, *, same: bool) -> None:
    raise Rejection(Code.DUPLICATE if same else Code.ID_REUSED, id=identifier, index=index)


def _remember(x: Execution, authentic: tx.AuthenticTransaction, slot: int) -> None:
    """Write the id into its second of the window, and the `once` key for ever.

    The ids of a second are committed by one running hash, SHA-256(hash so far, payload hash),
    so that a busy second costs the state tree one key.
    """
    transaction = authentic.transaction
    writes = x.overlay.writes
    if abs(slot - x.batch.time // MICROSECONDS) <= WINDOW_SECONDS:
        writes["id", slot, transaction.sender, transaction.id] = IdRecord(
            x.batch.index, authentic.payload_hash
        )
        writes["ids", slot] = chain_id(x.overlay.get(("ids", slot)) or b"", authentic.payload_hash)
    if transaction.once is not None:
        writes["once", transaction.sender, transaction.once] = OnceRecord(
            transaction.id, x.batch.index, authentic.payload_hash
        )


def chain_id(so_far: bytes, payload_hash: bytes) -> bytes:
    """Return the running hash of a second's ids after one more; the payload names its sender and id."""
    return sha256(so_far + payload_hash)


_CO_AUTHORISED = frozenset([tx.JoinInstitution, tx.CreateAsset, tx.Deploy, tx.Recover, tx.Activate])
"""Actions that somebody besides their account must authorise."""


def _authorise_all(x: Execution, transaction: tx.Transaction) -> list[tuple[tx.Action, bool]]:
    """Check the authority of the sender and of every action before any action runs.

    Returns each action, and whether that settled it. Who is made by an earlier action of the same transaction
    cannot be asked yet: such an action is authorised when its turn comes, and one under a mandate again then.
    """
    sender = transaction.sender
    first = transaction.actions[0]
    if not (type(first) is tx.OpenAccount and first.account == first.name == sender):
        x.check_authorised(sender)
        x.sender = sender
    granted = []
    for action in transaction.actions:
        try:
            is_settled = _authorise(x, action) is None
        except Rejection as refused:
            if refused.code not in (Code.UNKNOWN_ACCOUNT, Code.UNKNOWN_INSTITUTION, Code.UNKNOWN_MANDATE):
                raise
            is_settled = False
        granted.append((action, is_settled))
    return granted


def _authorise(x: Execution, action: tx.Action) -> Any:
    """Check every authority that an action needs and return the mandate it runs under, if any."""
    mandate: str | None = getattr(action, "mandate", None)
    if mandate is not None:
        return mandates.authorise_by_mandate(x, action, mandate)
    if isinstance(action, tx.OpenAccount):
        accounts.authorise_opening(x, action)
        return None
    if action.account != x.sender:
        x.check_authorised(action.account)
    if type(action) not in _CO_AUTHORISED:
        return None
    if isinstance(action, tx.JoinInstitution):
        x.check_authorised(accounts.institution_of(x, action.institution).founder)
    elif isinstance(action, tx.CreateAsset | tx.Deploy) and action.obligor:
        x.check_authorised(accounts.institution_of(x, action.obligor).founder)
    elif isinstance(action, tx.Recover):
        for guardian in action.guardians:
            x.check_authorised(guardian)
    elif isinstance(action, tx.Activate):
        if action.account != x.overlay.get(("operator",)):
            raise Rejection(Code.POWER_MISSING, account=action.account, asset="", power="activate")
    return None


def _close(x: Execution) -> None:
    """Check what must hold at the end of a transaction or timer: nothing doomed, nothing owed."""
    x.check_undoomed()
    if x.work < 0:
        x.refuse_work()
    if x.overlay.obligations:
        for (contract, asset), units in sorted(x.overlay.open_obligations().items()):
            raise Rejection(Code.OBLIGATION_OPEN, contract=contract, asset=asset, units=str(units))


def _check_limits(x: Execution, transaction: tx.Transaction) -> None:
    """Check the net limits. One on a name that does not exist would guard nothing, so it is refused.

    Rejections: `unknown_account`, `unknown_asset`, `amount_not_an_integer`, `amount_too_large`,
    `limit_exceeded`.
    """
    changes: dict[tuple[str, str], int] = {}
    for account, asset, moved, _ in x.overlay.postings:
        changes[account, asset] = changes.get((account, asset), 0) + moved
    for limit in transaction.limits:
        x.account(limit.account)
        x.asset(limit.asset)
        least = _parse_signed(limit.least)
        change = changes.get((limit.account, limit.asset), 0)
        if change < least:
            raise Rejection(
                Code.LIMIT_EXCEEDED,
                account=limit.account,
                asset=limit.asset,
                change=str(change),
                least=limit.least,
            )


def _parse_signed(text: str) -> int:
    digits = text.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and len(digits) <= 39 and (digits[0] != "0" or text == "0")
    if not plain:
        raise Rejection(Code.AMOUNT_NOT_AN_INTEGER, amount=text[:48])
    if int(digits) >= UNITS_LIMIT:
        raise Rejection(Code.AMOUNT_TOO_LARGE, limit=str(UNITS_LIMIT - 1))
    return int(text)


def _run_overdue(x: Execution, action: tx.RunTimer) -> None:
    """Try an overdue timer again. Rejections: `unknown_timer`, and whatever it is refused for."""
    timer: Timer | None = x.overlay.get(("overdue", action.timer))
    if timer is None:
        raise Rejection(Code.UNKNOWN_TIMER, timer=action.timer)
    x.overlay.writes["overdue", action.timer] = None
    timers.release_quota(x, timer)
    _work_timer(x, timer)


def _activate(x: Execution, action: tx.Activate) -> None:
    """Announce a protocol version. Rejections: `protocol_invalid`, `time_invalid`, `quota_exceeded`."""
    in_force: int = x.overlay.get(("protocol",))
    if action.version <= in_force or action.version not in x.batch.versions:
        raise Rejection(Code.PROTOCOL_INVALID, version=action.version, in_force=in_force)
    if x.overlay.get(("activation",)) is not None:
        raise Rejection(Code.PROTOCOL_INVALID, version=action.version, in_force=in_force)
    earliest = x.batch.time + ACTIVATION_DELAY_SECONDS_MIN * MICROSECONDS
    if action.due < earliest:
        raise Rejection(Code.TIME_INVALID, time=earliest, given=action.due)
    timers.set_timer(x, due=action.due, kind="activate", subject="protocol", owner=action.account)
    x.overlay.writes[("activation",)] = action.version
    x.emit("ledger", "activation_announced", version=action.version, due=action.due)


def _complete_activation(x: Execution) -> None:
    version: int | None = x.overlay.get(("activation",))
    if version is not None:
        x.overlay.writes[("protocol",)] = version
        x.overlay.writes[("activation",)] = None
        x.emit("ledger", "activated", version=version)


HANDLERS: Mapping[type, Callable[[Execution, Any], Any]] = {
    tx.OpenAccount: accounts.open_account,
    tx.RotateKeys: accounts.rotate_keys,
    tx.SetGuardians: accounts.set_guardians,
    tx.Recover: accounts.recover,
    tx.VetoRecovery: accounts.veto_recovery,
    tx.GrantMandate: mandates.grant_mandate,
    tx.RevokeMandate: mandates.revoke_mandate,
    tx.FoundInstitution: accounts.found_institution,
    tx.JoinInstitution: accounts.join_institution,
    tx.DeclareInstitution: accounts.declare_institution,
    tx.CreateAsset: assets.create_asset,
    tx.Issue: assets.issue,
    tx.Transfer: assets.transfer,
    tx.ClawBack: assets.claw_back,
    tx.SetListing: assets.set_listing,
    tx.ChangePolicy: assets.change_policy,
    tx.Redeem: claims.redeem,
    tx.CancelRedemption: claims.cancel_redemption,
    tx.SettleRedemption: claims.settle_redemption,
    tx.Hold: holds.hold,
    tx.Capture: holds.capture,
    tx.Release: holds.release,
    tx.Deploy: runtime.deploy,
    tx.Call: runtime.call,
    tx.RunTimer: _run_overdue,
    tx.Activate: _activate,
}
"""Which function carries out which action."""
