"""Policies: an issuer's code that may refuse a movement of its own asset, and nothing else.

The kernel asks before each posting. A policy is pure: it sees the posting, its rules and its own lists,
and returns the name of the rule it refuses by, or None. It cannot write, pay or call, so a refusal is the
only harm it can do, and that is visible beforehand: rules change after a declared delay, lists change at
once by powers fixed at the asset's creation. Hooks that run arbitrary code on a transfer were refused:
they are how re-entrancy began.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from tallystick.ledger.records import Asset
from tallystick.ledger.rejections import Code, Rejection


class Reader(Protocol):
    """Read access to the state."""

    def get(self, key: tuple[object, ...], /) -> object: ...


class PolicyKind:
    """One kind of policy: the rules and lists it knows, and its verdict.

    `verdict(rules, is_on, account, change, balance)` returns the refusing rule's name or None;
    `is_on(list)` tells whether the account stands on a list; `balance` is after the posting.
    """

    def __init__(
        self,
        *,
        rules: frozenset[str],
        lists: frozenset[str],
        verdict: Callable[[Mapping[str, str], Callable[[str], bool], int, int], str | None],
    ) -> None:
        self.rules = rules
        self.lists = lists
        self.verdict = verdict


def check_posting(
    state: Reader, kinds: Mapping[str, PolicyKind], asset: Asset, *, account: str, change: int, balance: int
) -> None:
    """Ask the asset's policy about one posting. The issuing account is exempt: it is the other side.

    Rejections: `policy_refused`.
    """
    policy = asset.policy
    if policy is None or account == asset.issuer:
        return

    def is_on(name: str) -> bool:
        return state.get(("listing", asset.id, name, account)) is not None

    rule = kinds[policy.kind].verdict(policy.rules, is_on, change, balance)
    if rule is not None:
        raise Rejection(
            Code.POLICY_REFUSED,
            asset=asset.id,
            account=account,
            rule=rule,
            limit=policy.rules.get(rule, ""),
            change=str(change),
        )


def check_rules(kinds: Mapping[str, PolicyKind], kind: str, rules: Mapping[str, str]) -> None:
    """Check that the rules are ones that the policy kind knows, with whole numbers as values.

    Rejections: `policy_unknown`.
    """
    known = kinds.get(kind)
    if known is None:
        raise Rejection(Code.POLICY_UNKNOWN, policy=kind[:64])
    for rule, value in rules.items():
        plain = value.isascii() and value.isdigit() and len(value) <= 39 and (value == "0" or value[0] != "0")
        if rule not in known.rules or not plain:
            raise Rejection(Code.POLICY_UNKNOWN, policy=kind, rule=rule[:64], value=value[:48])


def _controlled(
    rules: Mapping[str, str], is_on: Callable[[str], bool], change: int, balance: int
) -> str | None:
    if is_on("frozen"):
        return "frozen"
    if "admitted_only" in rules and change > 0 and not is_on("admitted"):
        return "admitted_only"
    if "balance_max" in rules and change > 0 and balance > int(rules["balance_max"]):
        return "balance_max"
    if "posting_max" in rules and abs(change) > int(rules["posting_max"]):
        return "posting_max"
    return None


CONTROLLED = PolicyKind(
    rules=frozenset(["admitted_only", "balance_max", "posting_max"]),
    lists=frozenset(["admitted", "frozen"]),
    verdict=_controlled,
)
"""Kind `controlled`: accounts on `frozen` neither pay nor receive; with `admitted_only` only accounts on
`admitted` receive; `balance_max` and `posting_max` bound a holder's balance and a single posting (units)."""
