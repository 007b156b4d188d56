"""Synthetix's StakingRewards against the rewards contract, without carry.

A distributor with plenty pays in what each `notifyRewardAmount` names; a reward that was not paid in is
played without a budget. Each account's wallet counts the reward asset alone, as the recording does.
"""

from collections.abc import Mapping
from typing import Any

from tallystick.contracts.rewards import Refusal
from tallystick.ledger.rejections import Code
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import START
from tests.vectors.harness import Adapter, Tally, numbers, replay

CONTRACT = "staking"
STAKED, REWARD = f"staked@{ISSUER}", f"reward@{ISSUER}"
PLENTY = 1 << 126
UNFUNDED = "Provided reward too high"

REASONS = {
    "Cannot stake 0": Code.AMOUNT_NOT_POSITIVE,
    "Cannot withdraw 0": Code.AMOUNT_NOT_POSITIVE,
    "SafeMath: subtraction overflow": Refusal.STAKE_EXCEEDED,
    UNFUNDED: Code.BUDGET_EXCEEDED,
}


class StakingRewards:
    """The recorded contract's life."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        steps = [numbers(step) for step in case["steps"]]
        named = {step["who"] for step in steps if "who" in step}
        named |= {name for step in steps for name in step.get("after", {}).get("accounts", {})}
        self.accounts = {name: f"account-{name.lower()}" for name in sorted(named)}
        self.market = Market(accounts=("distributor", *self.accounts.values()))
        self.world = self.market.world
        self.started = steps[0]["t"]
        self.market.fund(PLENTY // len(self.market.accounts), STAKED)
        self.world.mint(REWARD, distributor=PLENTY)
        reward = {"asset": REWARD, "distributor": "distributor", "duration_seconds": case["rewardsDuration"]}
        self.market.deploy(CONTRACT, "rewards", stake_asset=STAKED, rewards=[reward], carry=False)

    def play(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        told = numbers(step)
        who = self.accounts.get(told.get("who"), "")
        match told["op"]:
            case "notifyRewardAmount":
                spend = {} if told.get("revert") == UNFUNDED else {REWARD: told["reward"]}
                arguments = {"asset": REWARD, "units": told["reward"]}
                self.market.call("distributor", CONTRACT, "notify", spend=spend, **arguments)
            case "stake":
                # A token that would not come is a wallet without enough of it.
                spend = {} if "ERC20" in told.get("revert", "") else {STAKED: told["amount"]}
                self.market.call(who, CONTRACT, "stake", spend=spend, units=told["amount"])
            case "withdraw":
                self.market.call(who, CONTRACT, "withdraw", units=told["amount"])
            case "getReward":
                self.market.call(who, CONTRACT, "claim")
            case "exit":
                if told.get("revert") == "Cannot withdraw 0":
                    self.market.call(who, CONTRACT, "withdraw", units=0)
                self.market.call(who, CONTRACT, "exit")
            case unknown:
                raise AssertionError(f"no such step: {unknown}")
        return {}

    def _time(self, seconds: int) -> int:
        """Return our second as theirs; nothing happened yet at zero."""
        return seconds - START // 10**6 + self.started if seconds else 0

    def state(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        stream = self.market.view(CONTRACT, "stream", asset=REWARD)
        return {
            "totalSupply": self.market.view(CONTRACT, "total_staked"),
            "rewardRate": stream.rate,
            "periodFinish": self._time(stream.finish),
            "lastUpdateTime": self._time(stream.updated),
            "rewardPerTokenStored": stream.per_stake,
            "accounts": {
                name: {
                    "balance": self.market.view(CONTRACT, "staked", account=account),
                    "earned": self.market.view(CONTRACT, "earned", account=account, asset=REWARD),
                    "paid": self.market.view(CONTRACT, "paid", account=account, asset=REWARD),
                    "wallet": self.world.balance(account, REWARD),
                }
                for name, account in self.accounts.items()
                if name in step["after"]["accounts"]
            },
        }

    def failed(self, step: Mapping[str, Any]) -> None:
        """A failed call left nothing behind."""


def run_history(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Replay one recorded contract."""
    return Tally(cases=1) + replay(StakingRewards(case), case["steps"], reasons=REASONS)


ADAPTERS: dict[str, Adapter] = {"synthetix_staking_rewards": run_history}
