"""Mandates: a delegated key with a cap, recipients, contracts and methods, and an expiry.

An agent acts for an account without holding its keys. Whatever leaves the account by the agent's hand,
spent or held, is charged to the mandate and to every mandate that it was delegated from, so splitting,
holding or delegating on never yields more than the account granted. A contract that pays others out of
the account's position is charged the same way. Periods are fixed windows counted from the grant: two
full caps can meet at a boundary. Sliding windows were refused, since they need a record of each payment.
"""

from typing import TYPE_CHECKING, NoReturn

from tallystick.ledger.amounts import MICROSECONDS, parse_units
from tallystick.ledger.names import check_name
from tallystick.ledger.records import Cap, Mandate, Spent
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import Action, Call, GrantMandate, Hold, RevokeMandate, Transfer

if TYPE_CHECKING:
    from tallystick.ledger.execution import Execution

KEY_BYTES = 32
PERIOD_SECONDS_MAX = 366 * 86_400
CHILDREN_MAX = 8
"""How many mandates may be delegated from one at a time: its holder cannot fill the account's quota."""
CHAIN_MAX = 4
"""How many mandates may hang on one another."""
CAPS_MAX = 64
RECIPIENTS_MAX = 1_024
CONTRACTS_MAX = 64
"""Each payment looks through these lists, so they are bounded."""


def find_mandate(x: "Execution", account: str, name: str) -> Mandate:
    """Return the mandate if it and all it hangs on are alive.

    Rejections: `unknown_mandate` (revoked, or of keys since replaced), `mandate_forbids` (expired).
    """
    dead_up_to = x.account(account).mandates_after
    found = mandate = _alive(x, account, name, dead_up_to)
    while mandate.parent:
        above = _alive(x, account, mandate.parent, dead_up_to)
        if above.number != mandate.parent_number:
            raise Rejection(Code.UNKNOWN_MANDATE, account=account, mandate=name)
        mandate = above
    return found


def _alive(x: "Execution", account: str, name: str, dead_up_to: int) -> Mandate:
    mandate: Mandate | None = x.overlay.get(("mandate", account, name))
    if mandate is None or mandate.number <= dead_up_to:
        raise Rejection(Code.UNKNOWN_MANDATE, account=account, mandate=name[:64])
    if mandate.expires <= x.batch.time:
        _forbid(name, "expired", expires=mandate.expires, time=x.batch.time)
    return mandate


def authorise_by_mandate(x: "Execution", action: Action, name: str) -> tuple[str, str, Mandate]:
    """Return (account, name, mandate) if the mandate's key signed and it covers the action's kind.

    Rejections: `unknown_account`, `unknown_mandate`, `unauthorised`, `mandate_forbids`.
    """
    x.account(action.account)
    mandate = find_mandate(x, action.account, name)
    if not x.simulated and mandate.key not in x.signers:
        raise Rejection(Code.UNAUTHORISED, account=action.account, mandate=name, signed=0, threshold=1)
    if isinstance(action, Call):
        methods = dict(mandate.contracts).get(action.contract)
        if methods is None:
            _forbid(name, "contract", contract=action.contract)
        elif action.method not in methods:
            _forbid(name, "method", contract=action.contract, method=action.method[:64])
    elif not isinstance(action, Transfer | Hold | GrantMandate | RevokeMandate):
        _forbid(name, "action", action=type(action).__struct_config__.tag)
    return action.account, name, mandate


def check_recipient(x: "Execution", recipient: str) -> None:
    """Check that the running mandate, if any, may pay `recipient`. Rejections: `mandate_forbids`."""
    if x.mandate is not None:
        _, name, mandate = x.mandate
        if mandate.recipients is not None and recipient not in mandate.recipients:
            _forbid(name, "recipient", recipient=recipient)


def charge(x: "Execution", asset: str, units: int) -> None:
    """Charge an outflow to the running mandate and to all it hangs on. Rejections: `mandate_forbids`."""
    if x.mandate is None:
        return
    account, name, mandate = x.mandate
    while True:
        _charge_one(x, mandate, account=account, name=name, asset=asset, units=units)
        if not mandate.parent:
            return
        name = mandate.parent
        above: Mandate | None = x.overlay.get(("mandate", account, name))
        if above is None:  # revoked by an earlier action of this transaction
            raise Rejection(Code.UNKNOWN_MANDATE, account=account, mandate=name)
        mandate = above


def _charge_one(x: "Execution", mandate: Mandate, *, account: str, name: str, asset: str, units: int) -> None:
    cap = next((cap for cap in mandate.caps if cap.asset == asset), None)
    if cap is None:
        _forbid(name, "asset", asset=asset)
    if units > int(cap.per_payment):
        _forbid(name, "payment_cap", asset=asset, units=str(units), cap=cap.per_payment)
    period = (x.batch.time - mandate.granted) // (cap.period_seconds * MICROSECONDS)
    key = ("spent", account, name, asset)
    spent: Spent | None = x.overlay.get(key)
    before = spent.units if spent is not None and spent.period == period else 0
    if before + units > int(cap.per_period):
        left = int(cap.per_period) - before
        _forbid(name, "period_cap", asset=asset, units=str(units), left=str(left))
    x.overlay.writes[key] = Spent(period, before + units)


def grant_mandate(x: "Execution", action: GrantMandate) -> None:
    """Grant, or under a mandate delegate, a mandate.

    Rejections: `name_invalid`, `account_exists` (the name is taken), `keys_invalid`, `time_invalid`,
    `malformed`, `mandate_not_narrower`, and those of amounts.
    """
    check_name(action.name)
    key = ("mandate", action.account, action.name)
    if x.overlay.get(key) is not None:
        raise Rejection(Code.ACCOUNT_EXISTS, account=action.account, mandate=action.name)
    if len(action.key) != KEY_BYTES:
        raise Rejection(Code.KEYS_INVALID, reason="a key has 32 bytes")
    latest = x.batch.time + x.batch.limits.horizon_seconds * MICROSECONDS
    if not x.batch.time < action.expires <= latest:
        raise Rejection(Code.TIME_INVALID, time=x.batch.time, given=action.expires)
    sizes = (len(action.caps), len(action.recipients or ()), len(action.contracts))
    if any(size > most for size, most in zip(sizes, (CAPS_MAX, RECIPIENTS_MAX, CONTRACTS_MAX), strict=True)):
        raise Rejection(
            Code.MALFORMED,
            reason=f"at most {CAPS_MAX} caps, {RECIPIENTS_MAX} recipients and {CONTRACTS_MAX} contracts",
        )
    for cap in action.caps:
        parse_units(cap.per_period)
        parse_units(cap.per_payment)
        x.asset(cap.asset)
        if not 0 < cap.period_seconds <= PERIOD_SECONDS_MAX:
            raise Rejection(Code.TIME_INVALID, time=x.batch.time, given=cap.period_seconds)
    if len({cap.asset for cap in action.caps}) != len(action.caps):
        raise Rejection(Code.MALFORMED, reason="an asset has two caps")
    parent_number = 0
    if action.mandate is not None:
        parent = find_mandate(x, action.account, action.mandate)
        _check_narrower(x, action, parent)
        parent_number = parent.number
        x.change_quota(action.account, _children(parent_number), 1, CHILDREN_MAX)
    x.change_quota(action.account, "mandates", 1, x.batch.limits.timers_per_account_max)
    number = (x.overlay.get(("sequence",)) or 0) + 1
    x.overlay.writes[("sequence",)] = number
    x.overlay.writes[key] = Mandate(
        number=number,
        key=action.key,
        granted=x.batch.time,
        expires=action.expires,
        caps=action.caps,
        recipients=action.recipients,
        contracts=action.contracts,
        parent=action.mandate or "",
        parent_number=parent_number,
    )


def _children(number: int) -> str:
    """Return the quota's name for what is delegated from the mandate of that number."""
    return f"mandates from {number}"


def revoke_mandate(x: "Execution", action: RevokeMandate) -> None:
    """Revoke a mandate; under a mandate, only one delegated from it directly.

    Rejections: `unknown_mandate`, `mandate_forbids`.
    """
    key = ("mandate", action.account, action.name)
    mandate: Mandate | None = x.overlay.get(key)
    if mandate is None:
        raise Rejection(Code.UNKNOWN_MANDATE, account=action.account, mandate=action.name[:64])
    if action.mandate is not None and mandate.parent != action.mandate:
        _forbid(action.mandate, "revoke", revoked=action.name)
    x.change_quota(action.account, "mandates", -1, x.batch.limits.timers_per_account_max)
    if x.overlay.get(("quota", action.account, _children(mandate.parent_number))) is not None:
        x.change_quota(action.account, _children(mandate.parent_number), -1, CHILDREN_MAX)
    x.overlay.writes["quota", action.account, _children(mandate.number)] = None
    x.overlay.writes[key] = None
    for cap in mandate.caps:
        x.overlay.writes["spent", action.account, action.name, cap.asset] = None


def _check_narrower(x: "Execution", action: GrantMandate, parent: Mandate) -> None:
    """Check that a delegated mandate allows nothing that its parent does not."""
    name = action.name
    depth = 1
    above = parent
    while above.parent:
        depth += 1
        above = x.overlay.get(("mandate", action.account, above.parent))
    if depth >= CHAIN_MAX:
        raise Rejection(Code.MANDATE_NOT_NARROWER, mandate=name, what="chain", chain_max=CHAIN_MAX)
    if action.expires > parent.expires:
        raise Rejection(Code.MANDATE_NOT_NARROWER, mandate=name, what="expires", expires_max=parent.expires)
    wider = parent.recipients is not None and not set(action.recipients or ()) <= set(parent.recipients)
    if wider or (parent.recipients is not None and action.recipients is None):
        raise Rejection(Code.MANDATE_NOT_NARROWER, mandate=name, what="recipients")
    allowed = dict(parent.contracts)
    for contract, methods in action.contracts:
        if not set(methods) <= set(allowed.get(contract, ())):
            raise Rejection(Code.MANDATE_NOT_NARROWER, mandate=name, what="contracts", contract=contract[:64])
    caps = {cap.asset: cap for cap in parent.caps}
    for cap in action.caps:
        if not _is_narrower(cap, caps.get(cap.asset)):
            raise Rejection(Code.MANDATE_NOT_NARROWER, mandate=name, what="caps", asset=cap.asset)


def _is_narrower(cap: Cap, above: Cap | None) -> bool:
    return (
        above is not None
        and int(cap.per_payment) <= int(above.per_payment)
        and int(cap.per_period) <= int(above.per_period)
        and cap.period_seconds >= above.period_seconds
    )


def _forbid(name: str, what: str, **facts: object) -> NoReturn:
    raise Rejection(Code.MANDATE_FORBIDS, mandate=name, what=what, **facts)
