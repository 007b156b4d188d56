"""Assets: declared once, issued against the issuing account, moved by whoever owns them.

Everything that an asset may ever do to its holders stands in its declaration: kind, terms, policy, who may
claw back. Nothing is added later, so a holder who read it once has read it for good. The issuing account's
negative balance is the amount outstanding; there is no supply counter to disagree with it.
"""

from msgspec.structs import replace

from tallystick.ledger.accounts import institution_of
from tallystick.ledger.amounts import MICROSECONDS, UNITS_LIMIT, parse_units
from tallystick.ledger.claims import end_redemption
from tallystick.ledger.execution import Execution, credit, debit
from tallystick.ledger.holds import end_hold
from tallystick.ledger.mandates import check_recipient
from tallystick.ledger.names import asset_id, check_name, check_reference, is_asset
from tallystick.ledger.policies import check_rules
from tallystick.ledger.records import Asset, PolicyChange, Terms
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.timers import set_timer
from tallystick.ledger.transactions import (
    ChangePolicy,
    ClawBack,
    CreateAsset,
    Issue,
    Leg,
    SetListing,
    Transfer,
)

DECIMALS_MAX = 36
EXTERNAL_IDS_MAX = 8
POLICY_DELAY_SECONDS_MAX = 366 * 86_400


def create_asset(x: Execution, action: CreateAsset) -> str:
    """Declare an asset and return its id.

    Rejections: `name_invalid`, `asset_exists`, `asset_invalid`, `unknown_institution`, `policy_unknown`,
    `unknown_account`.
    """
    if action.kind == "share":
        raise Rejection(
            Code.ASSET_INVALID, reason="a share is a part of what a contract holds: contracts issue them"
        )
    return declare(
        x,
        Asset(
            id=asset_id(action.code, action.account),
            issuer=action.account,
            kind=action.kind,
            decimals=action.decimals,
            unit=action.unit,
            obligor=action.obligor,
            terms=action.terms,
            policy=action.policy,
            claw_back_by=action.claw_back_by,
            external_ids=action.external_ids,
        ),
    )


def declare(x: Execution, asset: Asset) -> str:
    """Check a declaration and write it; return the asset's id."""
    if x.overlay.get(("asset", asset.id)) is not None:
        raise Rejection(Code.ASSET_EXISTS, asset=asset.id)
    if not 0 <= asset.decimals <= DECIMALS_MAX:
        raise Rejection(
            Code.ASSET_INVALID, reason=f"decimals are 0 to {DECIMALS_MAX}", decimals=asset.decimals
        )
    if asset.unit:
        check_reference(asset.unit)
        if is_asset(asset.unit):
            raise Rejection(Code.ASSET_INVALID, reason="a unit of account is not an asset", unit=asset.unit)
    if (asset.kind == "claim") != bool(asset.obligor) or (asset.kind == "claim") != (asset.terms is not None):
        raise Rejection(Code.ASSET_INVALID, reason="a claim, and only a claim, has an obligor and terms")
    if asset.terms is not None:
        institution_of(x, asset.obligor)
        _check_terms(x, asset.terms)
    if asset.policy is not None:
        check_rules(x.batch.policies, asset.policy.kind, asset.policy.rules)
        if not 0 <= asset.policy.delay_seconds <= POLICY_DELAY_SECONDS_MAX:
            raise Rejection(Code.TIME_INVALID, time=x.batch.time, given=asset.policy.delay_seconds)
        for name in (asset.policy.lists_by, asset.policy.rules_by):
            if name:
                x.account(name)
    if asset.claw_back_by:
        x.account(asset.claw_back_by)
    if len(asset.external_ids) > EXTERNAL_IDS_MAX:
        raise Rejection(Code.ASSET_INVALID, reason=f"at most {EXTERNAL_IDS_MAX} external ids")
    for scheme, number in asset.external_ids:
        check_name(scheme)
        check_reference(number)
    x.overlay.writes["asset", asset.id] = asset
    x.emit("ledger", "asset_created", asset=asset.id, kind=asset.kind, obligor=asset.obligor)
    return asset.id


def _check_terms(x: Execution, terms: Terms) -> None:
    check_reference(terms.owes)
    if is_asset(terms.owes):
        x.asset(terms.owes)
    if not (0 < terms.pays < UNITS_LIMIT and 0 < terms.per < UNITS_LIMIT):
        raise Rejection(Code.ASSET_INVALID, reason="terms pay a positive amount per positive amount")
    horizon = x.batch.limits.horizon_seconds
    if not (terms.grace_seconds > 0 and terms.notice_seconds + terms.grace_seconds <= horizon):
        raise Rejection(
            Code.ASSET_INVALID, reason="grace is positive, and with the notice within the horizon"
        )
    latest = x.batch.time + (horizon - terms.grace_seconds) * MICROSECONDS
    if terms.matures is not None and not 0 < terms.matures <= latest:
        raise Rejection(Code.TIME_INVALID, time=x.batch.time, given=terms.matures)
    if terms.collateral is not None:
        x.account(terms.collateral)


def _check_legs(x: Execution, legs: int) -> None:
    if not 1 <= legs <= x.batch.limits.legs_max:
        raise Rejection(Code.NO_LEGS, legs=legs, legs_max=x.batch.limits.legs_max)
    x.spend_work(legs)


def issue(x: Execution, action: Issue) -> None:
    """Issue new units. Rejections: `no_legs`, `not_the_issuer`, and those of postings."""
    _check_legs(x, len(action.legs))
    _post_legs(x, action.account, action.legs, issuing=True)


def transfer(x: Execution, action: Transfer) -> None:
    """Pay every leg, or none; what is paid to an issuing account is no longer outstanding.

    The account is debited once per asset, then each recipient is credited in order. Rejections:
    `no_legs`, `issue_required`, `mandate_forbids`, and those of postings.
    """
    legs = action.legs
    _check_legs(x, len(legs))
    if action.reference:
        check_reference(action.reference)
    if x.mandate is not None:
        for _, recipient, _ in legs:
            check_recipient(x, recipient)
        for asset, recipient, amount in legs:
            _post_legs(x, action.account, ((asset, recipient, amount),))
        return
    _post_legs(x, action.account, legs)


def _post_legs(x: Execution, source: str, legs: tuple[Leg, ...], *, issuing: bool = False) -> None:
    """Debit the source once per asset and credit each leg's account.

    Rejections: `same_account`, `unknown_asset`, `unknown_account`, those of amounts and of postings.
    """
    if len(legs) == 1:  # as below, without the sums
        ((asset_name, recipient, amount),) = legs
        units = parse_units(amount)
        asset = _asset_to_post(x, source, asset_name, issuing=issuing)
        if recipient == source:
            raise Rejection(Code.SAME_ACCOUNT, account=source)
        debit(x, asset, source, units)
        credit(x, asset, recipient, units)
        return
    assets: dict[str, Asset] = {}
    totals: dict[str, int] = {}
    credits = []
    for asset_name, recipient, amount in legs:
        units = parse_units(amount)
        if asset_name not in assets:
            assets[asset_name] = _asset_to_post(x, source, asset_name, issuing=issuing)
            totals[asset_name] = 0
        if recipient == source:
            raise Rejection(Code.SAME_ACCOUNT, account=source)
        totals[asset_name] += units
        credits.append((assets[asset_name], recipient, units))
    for name, total in totals.items():
        debit(x, assets[name], source, total)
    for asset, recipient, units in credits:
        credit(x, asset, recipient, units)


def _asset_to_post(x: Execution, source: str, name: str, *, issuing: bool) -> Asset:
    asset = x.asset(name)
    if (asset.issuer == source) is not issuing:
        code = Code.NOT_THE_ISSUER if issuing else Code.ISSUE_REQUIRED
        raise Rejection(code, account=source, asset=name)
    return asset


def claw_back(x: Execution, action: ClawBack) -> None:
    """Take units back to the issuing account by the power declared at creation.

    Rejections: `power_missing`, `same_account`, `unknown_hold`, and those of postings.
    """
    asset = x.asset(action.asset)
    units = parse_units(action.units)
    check_reference(action.reason)
    if asset.claw_back_by != action.account:
        raise Rejection(Code.POWER_MISSING, account=action.account, asset=asset.id, power="claw_back")
    source = x.account(action.source)
    if action.source == asset.issuer:
        raise Rejection(Code.SAME_ACCOUNT, account=action.source)
    if source.controller:
        # Its books say more now than it holds, by no fault of its code: `backing` has to know.
        key = ("clawed_back", source.controller, asset.id)
        x.overlay.writes[key] = (x.overlay.get(key) or 0) + units
    x.spend_work(len(action.ending))
    for name in action.ending:
        if x.overlay.get(("lot", name)) is not None:
            end_redemption(x, name, holder=action.source, asset=asset.id)
        else:
            end_hold(x, name, owner=action.source, asset=asset.id)
    debit(x, asset, action.source, units, by_power=True)
    credit(x, asset, asset.issuer, units)
    x.emit("ledger", "clawed_back", asset=asset.id, account=action.source, units=units, reason=action.reason)


def set_listing(x: Execution, action: SetListing) -> None:
    """Write one of the policy's lists, at once. Rejections: `power_missing`, `policy_unknown`."""
    asset = x.asset(action.asset)
    if asset.policy is None or action.list not in x.batch.policies[asset.policy.kind].lists:
        raise Rejection(Code.POLICY_UNKNOWN, policy=action.asset, list=action.list[:64])
    if asset.policy.lists_by != action.account:
        raise Rejection(Code.POWER_MISSING, account=action.account, asset=asset.id, power="lists")
    x.account(action.subject)
    x.overlay.writes["listing", asset.id, action.list, action.subject] = 1 if action.listed else None
    x.emit("ledger", "listed", asset=asset.id, list=action.list, account=action.subject, listed=action.listed)


def change_policy(x: Execution, action: ChangePolicy) -> None:
    """Queue new rules for after the policy's delay; a later change replaces a pending one.

    Rejections: `power_missing`, `policy_unknown`.
    """
    asset = x.asset(action.asset)
    if asset.policy is None:
        raise Rejection(Code.POLICY_UNKNOWN, policy=action.asset)
    if asset.policy.rules_by != action.account:
        raise Rejection(Code.POWER_MISSING, account=action.account, asset=asset.id, power="rules")
    check_rules(x.batch.policies, asset.policy.kind, action.rules)
    due = x.batch.time + asset.policy.delay_seconds * MICROSECONDS + 1
    pending: PolicyChange | None = x.overlay.get(("policy_change", asset.id))
    if pending is None or pending.due != due:
        set_timer(x, due=due, kind="policy_change", subject=asset.id, owner=action.account)
    x.overlay.writes["policy_change", asset.id] = PolicyChange(action.rules, due)
    x.emit("ledger", "policy_change_announced", asset=asset.id, due=due)


def complete_policy_change(x: Execution, name: str) -> None:
    """Put announced rules in force (run by their timer); one that was replaced meanwhile does nothing."""
    change: PolicyChange | None = x.overlay.get(("policy_change", name))
    asset = x.asset(name)
    if change is None or change.due > x.batch.time or asset.policy is None:
        return
    x.overlay.writes["policy_change", name] = None
    x.overlay.writes["asset", name] = replace(asset, policy=replace(asset.policy, rules=change.rules))
    x.emit("ledger", "policy_changed", asset=name)
