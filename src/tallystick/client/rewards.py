"""Rewards for people: a stake in and out, a claim that demands what is earned now, and a period paid in.

    stake_call, unstake_call       put a stake in, take it out
    claim_call                     take what was earned
    fund_call                      pay in for a period, as the distributor

What is earned is asked of the contract, never computed here. The rule that must hold: **a call built here
spends what it names and no unit more**, and demands what it is to bring.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tallystick.client.calls import Ask, call_of
from tallystick.ledger.transactions import Call

KIND: Final = "rewards"


class Reward(NamedTuple):
    """One reward: its asset, who pays it in, and over how many seconds a payment is released."""

    asset: str
    distributor: str
    duration_seconds: int


class Rewards(NamedTuple):
    """A deployed rewards contract: its name, what is staked, and what that earns."""

    name: str
    stake_asset: str
    rewards: tuple[Reward, ...]


def rewards_of(name: str, parameters: Mapping[str, Any]) -> Rewards:
    """Return a rewards contract by its deployment's parameters."""
    found = (
        Reward(one["asset"], one["distributor"], int(one["duration_seconds"]))
        for one in parameters["rewards"]
    )
    return Rewards(name, parameters["stake_asset"], tuple(found))


def earned_of(ask: Ask, rewards: Rewards, *, account: str) -> dict[str, int]:
    """Return the whole units that an account could claim now, by reward asset, in the contract's order."""
    return {
        one.asset: ask(rewards.name, "earned", account=account, asset=one.asset) for one in rewards.rewards
    }


def stake_call(rewards: Rewards, *, account: str, units: int) -> Call:
    """Return the call that stakes `units`."""
    return _call(rewards, account, "stake", {"units": units}, spend={rewards.stake_asset: units})


def unstake_call(rewards: Rewards, *, account: str, units: int) -> Call:
    """Return the call that takes `units` of the stake back; what was earned stays to be claimed."""
    return _call(rewards, account, "withdraw", {"units": units}, receive={rewards.stake_asset: units})


def claim_call(rewards: Rewards, *, account: str, earned: Mapping[str, int]) -> Call:
    """Return the call that claims these assets, and demands at least `earned` units of each."""
    return _call(rewards, account, "claim", {"assets": list(earned)}, receive=earned)


def fund_call(rewards: Rewards, *, account: str, asset: str, units: int) -> Call:
    """Return the distributor's call that starts a period with `units` and what is left of the last one."""
    return _call(rewards, account, "notify", {"asset": asset, "units": units}, spend={asset: units})


def _call(
    rewards: Rewards, account: str, method: str, arguments: Mapping[str, Any], **limits: Mapping[str, int]
) -> Call:
    return call_of(rewards.name, KIND, method, arguments, account=account, **limits)
