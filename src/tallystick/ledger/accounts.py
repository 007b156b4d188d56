"""Accounts: opening, keys and their rotation, guardians, and institutions.

An account is controlled by a threshold of its keys. Guardians may replace the keys of an account that lost
them, but only after a delay in which the account can veto, so that guardians alone can never take one that
is awake. An institution is a named set of accounts: each joins by its own signature and the founder
consents for it, so that nobody is made a bank's branch unasked and no bank gets a branch it does not know.
"""

from msgspec.structs import replace

from tallystick.ledger.amounts import MICROSECONDS
from tallystick.ledger.execution import Execution
from tallystick.ledger.names import check_name
from tallystick.ledger.records import Account, Guardians, Institution, Recovery
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.timers import cancel_timer, set_timer
from tallystick.ledger.transactions import (
    DeclareInstitution,
    FoundInstitution,
    JoinInstitution,
    OpenAccount,
    Recover,
    RotateKeys,
    SetGuardians,
    VetoRecovery,
)

KEYS_MAX = 32
KEY_BYTES = 32
GUARDIANS_MAX = 16
RELATED_MAX = 256
DELAY_SECONDS_MAX = 366 * 86_400

ROLES = frozenset(
    ["issuer", "custodian", "bank", "central_bank", "broker", "dealer", "venue", "clearing_house"]
)


def check_keys(keys: tuple[bytes, ...], threshold: int) -> None:
    """Check a key set. Rejections: `keys_invalid`."""
    if not 1 <= len(keys) <= KEYS_MAX:
        raise Rejection(Code.KEYS_INVALID, reason=f"1 to {KEYS_MAX} keys are needed", keys=len(keys))
    if any(len(key) != KEY_BYTES for key in keys):
        raise Rejection(Code.KEYS_INVALID, reason=f"a key has {KEY_BYTES} bytes")
    if len(set(keys)) != len(keys):
        raise Rejection(Code.KEYS_INVALID, reason="a key stands twice")
    if not 1 <= threshold <= len(keys):
        raise Rejection(
            Code.KEYS_INVALID, reason="the threshold does not fit", threshold=threshold, keys=len(keys)
        )


def authorise_opening(x: Execution, action: OpenAccount) -> None:
    """Check who may open accounts: anyone, any sponsor, or whom the operator invites (itself).

    Rejections: `opening_refused`, `unauthorised`, `unknown_account`.
    """
    rule = x.overlay.get(("opening",))
    if action.account == action.name:
        if rule != "anyone":
            raise Rejection(Code.OPENING_REFUSED, account=action.account, rule=rule)
        signed = sum(key in x.signers for key in action.keys)
        if signed < action.threshold and not x.simulated:
            raise Rejection(Code.UNAUTHORISED, account=action.name, signed=signed, threshold=action.threshold)
        return
    x.check_authorised(action.account)
    if rule == "invitation" and action.account != x.overlay.get(("operator",)):
        raise Rejection(Code.OPENING_REFUSED, account=action.account, rule=rule)


def open_account(x: Execution, action: OpenAccount) -> None:
    """Open an account. Rejections: `name_invalid`, `account_exists`, `keys_invalid`."""
    key = ("account", check_name(action.name))
    if x.overlay.get(key) is not None:
        raise Rejection(Code.ACCOUNT_EXISTS, account=action.name)
    check_keys(action.keys, action.threshold)
    x.overlay.writes[key] = Account(keys=action.keys, threshold=action.threshold)
    x.emit("ledger", "account_opened", account=action.name, sponsor=action.account)


def rotate_keys(x: Execution, action: RotateKeys) -> None:
    """Replace the keys at once; a pending recovery is dropped, and mandates end unless they are kept.

    Rejections: `keys_invalid`.
    """
    check_keys(action.keys, action.threshold)
    account = x.account(action.account)
    _drop_recovery(x, action.account)
    x.overlay.writes["account", action.account] = replace(
        account,
        keys=action.keys,
        threshold=action.threshold,
        mandates_after=account.mandates_after if action.keep_mandates else _last_number(x),
    )
    x.emit("ledger", "keys_rotated", account=action.account)


def set_guardians(x: Execution, action: SetGuardians) -> None:
    """Name guardians, or none. Rejections: `keys_invalid`, `unknown_account`, `time_invalid`."""
    account = x.account(action.account)
    names = action.guardians
    if len(set(names)) != len(names) or len(names) > GUARDIANS_MAX or action.account in names:
        raise Rejection(Code.KEYS_INVALID, reason=f"up to {GUARDIANS_MAX} different guardians, not oneself")
    for name in names:
        x.account(name)
    if names and not 1 <= action.threshold <= len(names):
        raise Rejection(Code.KEYS_INVALID, reason="the threshold does not fit", threshold=action.threshold)
    if not 0 < action.delay_seconds <= DELAY_SECONDS_MAX:
        raise Rejection(Code.TIME_INVALID, time=x.batch.time, given=action.delay_seconds)
    guardians = Guardians(names, action.threshold, action.delay_seconds) if names else None
    _drop_recovery(x, action.account)
    x.overlay.writes["account", action.account] = replace(account, guardians=guardians)


def recover(x: Execution, action: Recover) -> None:
    """Propose new keys for an account, in force after its delay unless it vetoes.

    Rejections: `unknown_account`, `no_guardians`, `keys_invalid`.
    """
    account = x.account(action.subject)
    check_keys(action.keys, action.threshold)
    guardians = account.guardians
    agreed = len(set(action.guardians) & set(guardians.accounts)) if guardians is not None else 0
    if guardians is None or agreed < guardians.threshold:
        needed = guardians.threshold if guardians is not None else 0
        raise Rejection(Code.NO_GUARDIANS, account=action.subject, agreed=agreed, threshold=needed)
    _drop_recovery(x, action.subject)
    due = x.batch.time + guardians.delay_seconds * MICROSECONDS
    timer = set_timer(x, due=due, kind="recovery", subject=action.subject, owner=action.subject)
    x.overlay.writes["recovery", action.subject] = Recovery(action.keys, action.threshold, due, timer)
    x.emit("ledger", "recovery_proposed", account=action.subject, due=due)


def veto_recovery(x: Execution, action: VetoRecovery) -> None:
    """Drop the pending recovery. Rejections: `no_recovery`."""
    if x.overlay.get(("recovery", action.account)) is None:
        raise Rejection(Code.NO_RECOVERY, account=action.account)
    _drop_recovery(x, action.account)
    x.emit("ledger", "recovery_vetoed", account=action.account)


def complete_recovery(x: Execution, name: str) -> None:
    """Put recovered keys in force (run by their timer). Rejections: `no_recovery`."""
    recovery: Recovery | None = x.overlay.get(("recovery", name))
    if recovery is None:
        raise Rejection(Code.NO_RECOVERY, account=name)
    account = x.account(name)
    x.overlay.writes["recovery", name] = None
    x.overlay.writes["account", name] = replace(
        account, keys=recovery.keys, threshold=recovery.threshold, mandates_after=_last_number(x)
    )
    x.emit("ledger", "keys_recovered", account=name)


def _last_number(x: Execution) -> int:
    """Return the newest mandate's number at most: mandates up to it die with the keys that granted them."""
    number: int = x.overlay.get(("sequence",)) or 0
    return number


def _drop_recovery(x: Execution, name: str) -> None:
    recovery: Recovery | None = x.overlay.get(("recovery", name))
    if recovery is not None:
        cancel_timer(x, recovery.timer)
        x.overlay.writes["recovery", name] = None


def institution_of(x: Execution, name: str) -> Institution:
    """Return the institution. Rejections: `unknown_institution`."""
    institution: Institution | None = x.overlay.get(("institution", name))
    if institution is None:
        raise Rejection(Code.UNKNOWN_INSTITUTION, institution=name[:64])
    return institution


def found_institution(x: Execution, action: FoundInstitution) -> None:
    """Found an institution with the account as its first.

    Rejections: `name_invalid`, `institution_exists`, `already_member`, `role_unknown`.
    """
    key = ("institution", check_name(action.name))
    if x.overlay.get(key) is not None:
        raise Rejection(Code.INSTITUTION_EXISTS, institution=action.name)
    _check_roles(action.roles, action.related)
    _tell(x, "institution_founded", action.name, action.roles, action.related)
    _join(x, action.account, action.name)
    x.overlay.writes[key] = Institution(action.name, action.account, action.roles, action.related)


def join_institution(x: Execution, action: JoinInstitution) -> None:
    """Join an institution. Rejections: `unknown_institution`, `already_member`."""
    institution_of(x, action.institution)
    _join(x, action.account, action.institution)


def declare_institution(x: Execution, action: DeclareInstitution) -> None:
    """Replace roles and related parties.

    Rejections: `unknown_institution`, `unauthorised`, `role_unknown`.
    """
    institution = institution_of(x, action.institution)
    if institution.founder != action.account:
        raise Rejection(Code.UNAUTHORISED, account=institution.founder, signed=0, threshold=1)
    _check_roles(action.roles, action.related)
    x.overlay.writes["institution", action.institution] = replace(
        institution, roles=action.roles, related=action.related
    )
    _tell(x, "institution_declared", institution.name, action.roles, action.related)


def _tell(
    x: Execution, event: str, institution: str, roles: tuple[str, ...], related: tuple[str, ...]
) -> None:
    """Tell what an institution says of itself, so that receipts alone show who was what and when."""
    x.emit("ledger", event, institution=institution, roles=roles, related=related)


def _join(x: Execution, account: str, institution: str) -> None:
    joined = x.overlay.get(("member", account))
    if joined is not None:
        raise Rejection(Code.ALREADY_MEMBER, account=account, institution=joined)
    x.overlay.writes["member", account] = institution
    x.emit("ledger", "institution_joined", account=account, institution=institution)


def _check_roles(roles: tuple[str, ...], related: tuple[str, ...]) -> None:
    for role in roles:
        if role not in ROLES:
            raise Rejection(Code.ROLE_UNKNOWN, role=role[:64])
    if len(set(roles)) != len(roles) or len(set(related)) != len(related) or len(related) > RELATED_MAX:
        raise Rejection(Code.MALFORMED, reason="a role or related party stands twice, or there are too many")
    for name in related:
        check_name(name)
