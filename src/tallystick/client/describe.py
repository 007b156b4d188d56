"""What a transaction does, in words: what a person should read before signing.

One line for the transaction, one an action (and one a leg where there are several), one a net limit. The
words are made from the decoded payload alone, the very bytes that a signature covers; nothing is looked up,
so that a description is the same on a machine without a network. Whoever knows the assets' decimals passes
them, and amounts are then written as people write them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tallystick.client.amounts import format_amount
from tallystick.client.times import TimeError, format_time
from tallystick.crypto import did_key
from tallystick.ledger import transactions as tx

LEGS_SHOWN_MAX = 20


def describe(transaction: tx.Transaction, *, decimals: Mapping[str, int] | None = None) -> list[str]:
    """Return the lines that say what signing this would do."""
    say = _Words(decimals or {})
    lines = [
        f"transaction {transaction.id} of {transaction.sender}, valid until {_time(transaction.expires)}"
    ]
    if transaction.once is not None:
        lines.append(f"once only: {transaction.once}")
    for number, action in enumerate(transaction.actions, 1):
        first, *rest = _ACTIONS[type(action)](say, action)
        lines.append(f"{number}. {first}")
        lines += [f"   {line}" for line in rest]
    for limit in transaction.limits:
        least = say.signed(limit.asset, limit.least)
        lines.append(f"unless {limit.account} would change by less than {least}")
    return [_printable(line) for line in lines]


def _printable(line: str) -> str:
    """Return the line with what a terminal would not print spelled out: no text may pass for another line."""
    return "".join([sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line])


class _Words:
    """How amounts are said: with decimals where they are known, else in minor units."""

    def __init__(self, decimals: Mapping[str, int]) -> None:
        self._decimals = decimals

    def amount(self, asset: str, units: str) -> str:
        places = self._decimals.get(asset)
        if places is None or not units.isdecimal():
            return f"{units} units of {asset}"
        return f"{format_amount(units, decimals=places)} {asset}"

    def signed(self, asset: str, units: str) -> str:
        sign = "-" if units.startswith("-") else ""
        return sign + self.amount(asset, units.removeprefix("-"))

    def amounts(self, pairs: Iterable[tuple[str, str]]) -> str:
        return ", ".join(self.amount(asset, units) for asset, units in pairs) or "nothing"

    def legs(self, start: str, legs: tuple[tx.Leg, ...]) -> Iterator[str]:
        if len(legs) == 1:
            asset, to, units = legs[0]
            yield f"{start} {self.amount(asset, units)} to {to}"
            return
        yield f"{start} {len(legs)} legs:"
        for asset, to, units in legs[:LEGS_SHOWN_MAX]:
            yield f"{self.amount(asset, units)} to {to}"
        if len(legs) > LEGS_SHOWN_MAX:
            yield f"and {len(legs) - LEGS_SHOWN_MAX} more"


def _time(microseconds: int) -> str:
    try:
        return format_time(microseconds)
    except TimeError:
        return f"{microseconds} µs"


def _keys(keys: Iterable[bytes], threshold: int) -> str:
    named = [did_key(key) if len(key) == 32 else f"a malformed key {key.hex()}" for key in keys]
    return f"{threshold} of {len(named)} keys: {', '.join(named)}"


def _under(mandate: str | None) -> str:
    return f", under its mandate {mandate}" if mandate is not None else ""


# One function an action, in the order of the actions' definitions. Each yields a line, then details.


def _open_account(_: _Words, a: tx.OpenAccount) -> Iterator[str]:
    yield f"{a.account} opens the account {a.name}, controlled by {_keys(a.keys, a.threshold)}"


def _rotate_keys(_: _Words, a: tx.RotateKeys) -> Iterator[str]:
    mandates = "its mandates stay" if a.keep_mandates else "its mandates end"
    yield f"{a.account} replaces its keys by {_keys(a.keys, a.threshold)}; {mandates}"


def _set_guardians(_: _Words, a: tx.SetGuardians) -> Iterator[str]:
    if not a.guardians:
        yield f"{a.account} dismisses its guardians"
        return
    yield (
        f"{a.account} lets {a.threshold} of {', '.join(a.guardians)} replace its keys"
        f" after {a.delay_seconds} s, which it can veto"
    )


def _recover(_: _Words, a: tx.Recover) -> Iterator[str]:
    yield f"{', '.join(a.guardians)} propose for {a.subject} {_keys(a.keys, a.threshold)}"


def _veto_recovery(_: _Words, a: tx.VetoRecovery) -> Iterator[str]:
    yield f"{a.account} vetoes the pending recovery of its keys"


def _grant_mandate(say: _Words, a: tx.GrantMandate) -> Iterator[str]:
    key = did_key(a.key) if len(a.key) == 32 else f"a malformed key {a.key.hex()}"
    yield f"{a.account} lets {key} act for it as {a.name} until {_time(a.expires)}{_under(a.mandate)}"
    for cap in a.caps:
        yield (
            f"at most {say.amount(cap.asset, cap.per_period)} in each {cap.period_seconds} s,"
            f" {say.amount(cap.asset, cap.per_payment)} a payment"
        )
    yield f"to {'anyone' if a.recipients is None else ', '.join(a.recipients) or 'nobody'}"
    for contract, methods in a.contracts:
        yield f"calling {contract}: {', '.join(methods)}"


def _revoke_mandate(_: _Words, a: tx.RevokeMandate) -> Iterator[str]:
    yield f"{a.account} ends its mandate {a.name}{_under(a.mandate)}"


def _found_institution(_: _Words, a: tx.FoundInstitution) -> Iterator[str]:
    yield f"{a.account} founds the institution {a.name}{_roles(a.roles, a.related)}"


def _join_institution(_: _Words, a: tx.JoinInstitution) -> Iterator[str]:
    yield f"{a.account} becomes part of the institution {a.institution}"


def _declare_institution(_: _Words, a: tx.DeclareInstitution) -> Iterator[str]:
    yield f"{a.account} declares the institution {a.institution}{_roles(a.roles, a.related)}"


def _roles(roles: tuple[str, ...], related: tuple[str, ...]) -> str:
    return f" (roles: {', '.join(roles) or 'none'}; related parties: {', '.join(related) or 'none'})"


def _create_asset(_: _Words, a: tx.CreateAsset) -> Iterator[str]:
    unit = f" in {a.unit}" if a.unit else ""
    yield f"{a.account} declares the {a.kind} {a.code}@{a.account}{unit} with {a.decimals} decimals, for ever"
    if a.obligor:
        yield f"owed by the institution {a.obligor}"
    if a.terms is not None:
        due = f"from {_time(a.terms.matures)}" if a.terms.matures is not None else "on demand"
        yield (
            f"each {a.terms.per} units pay {a.terms.pays} of {a.terms.owes}, {due},"
            f" notice {a.terms.notice_seconds} s, {a.terms.rank}"
        )
    if a.policy is not None:
        yield (
            f"policy {a.policy.kind}: lists kept by {a.policy.lists_by or 'nobody'}, rules changed by"
            f" {a.policy.rules_by or 'nobody'} after {a.policy.delay_seconds} s"
        )
        yield from (f"rule {name}: {rule}" for name, rule in sorted(a.policy.rules.items()))
    if a.claw_back_by:
        yield f"{a.claw_back_by} may take it back from anybody"
    yield from (f"{scheme.upper()} {number}" for scheme, number in a.external_ids)


def _issue(say: _Words, a: tx.Issue) -> Iterator[str]:
    yield from say.legs(f"{a.account} issues", a.legs)


def _transfer(say: _Words, a: tx.Transfer) -> Iterator[str]:
    first, *rest = say.legs(f"{a.account} pays", a.legs)
    yield first + (f", reference {a.reference}" if a.reference else "") + _under(a.mandate)
    yield from rest


def _claw_back(say: _Words, a: tx.ClawBack) -> Iterator[str]:
    yield f"{a.account} takes {say.amount(a.asset, a.units)} back from {a.source}: {a.reason}"
    if a.ending:
        yield f"ending its holds and redemptions {', '.join(a.ending)}"


def _set_listing(_: _Words, a: tx.SetListing) -> Iterator[str]:
    yield f"{a.account} puts {a.subject} {'on' if a.listed else 'off'} the list {a.list} of {a.asset}"


def _change_policy(_: _Words, a: tx.ChangePolicy) -> Iterator[str]:
    yield f"{a.account} announces new rules for {a.asset}"
    yield from (f"rule {name}: {rule}" for name, rule in sorted(a.rules.items()))


def _redeem(say: _Words, a: tx.Redeem) -> Iterator[str]:
    reference = f", reference {a.reference}" if a.reference else ""
    yield f"{a.account} asks for payment of {say.amount(a.asset, a.units)}{reference}"


def _cancel_redemption(_: _Words, a: tx.CancelRedemption) -> Iterator[str]:
    yield f"{a.account} takes its request {a.lot} back"


def _settle_redemption(_: _Words, a: tx.SettleRedemption) -> Iterator[str]:
    how = f"off the ledger, evidence {a.evidence}" if a.evidence else "on the ledger"
    yield f"{a.account} pays the lot {a.lot} {how}"


def _hold(say: _Words, a: tx.Hold) -> Iterator[str]:
    end = "released" if a.at_expiry == "release" else f"paid to {a.beneficiary}"
    yield (
        f"{a.account} promises {say.amounts(a.legs)} to {a.beneficiary} until {_time(a.expires)};"
        f" what is left is then {end}{_under(a.mandate)}"
    )


def _capture(say: _Words, a: tx.Capture) -> Iterator[str]:
    what = say.amounts(a.legs) if a.legs else "everything"
    yield f"{a.account} takes {what} of the hold {a.hold}{' and releases the rest' if a.final else ''}"


def _release(_: _Words, a: tx.Release) -> Iterator[str]:
    yield f"{a.account} gives the hold {a.hold} back"


def _deploy(_: _Words, a: tx.Deploy) -> Iterator[str]:
    yield f"{a.account} deploys the contract {a.contract}, a {a.kind} of version {a.version}"
    yield f"parameters {bytes(a.parameters).decode()}"
    if a.obligor:
        yield f"it may issue claims that the institution {a.obligor} owes"


def _call(say: _Words, a: tx.Call) -> Iterator[str]:
    arguments = bytes(a.arguments).decode()
    yield f"{a.account} calls {a.method} of {a.contract} with {arguments}{_under(a.mandate)}"
    yield f"it may take at most {say.amounts(a.spend)}"
    if a.receive:
        yield f"it must pay {a.account} at least {say.amounts(a.receive)}"


def _run_timer(_: _Words, a: tx.RunTimer) -> Iterator[str]:
    yield f"{a.account} runs the overdue timer {a.timer} again"


def _activate(_: _Words, a: tx.Activate) -> Iterator[str]:
    yield f"{a.account} brings protocol version {a.version} into force at {_time(a.due)}"


_ACTIONS: Mapping[type, Callable[[_Words, Any], Iterator[str]]] = {
    tx.OpenAccount: _open_account,
    tx.RotateKeys: _rotate_keys,
    tx.SetGuardians: _set_guardians,
    tx.Recover: _recover,
    tx.VetoRecovery: _veto_recovery,
    tx.GrantMandate: _grant_mandate,
    tx.RevokeMandate: _revoke_mandate,
    tx.FoundInstitution: _found_institution,
    tx.JoinInstitution: _join_institution,
    tx.DeclareInstitution: _declare_institution,
    tx.CreateAsset: _create_asset,
    tx.Issue: _issue,
    tx.Transfer: _transfer,
    tx.ClawBack: _claw_back,
    tx.SetListing: _set_listing,
    tx.ChangePolicy: _change_policy,
    tx.Redeem: _redeem,
    tx.CancelRedemption: _cancel_redemption,
    tx.SettleRedemption: _settle_redemption,
    tx.Hold: _hold,
    tx.Capture: _capture,
    tx.Release: _release,
    tx.Deploy: _deploy,
    tx.Call: _call,
    tx.RunTimer: _run_timer,
    tx.Activate: _activate,
}
