"""Rewards: what is paid in over a period is shared by time and stake, at the same cost for one or a million.

The contract keeps one number for each reward asset, what a unit of stake has earned since the beginning, and
each staker remembers where that number stood. So an idle claim costs nothing, and a claim is a subtraction.

    per_stake += released x ONE / staked        earned = stake x (per_stake - paid) / ONE

Two ways to round, chosen at deployment. `carry=false` is Synthetix's StakingRewards to the unit: the rate is
a whole number of units a second, each earning is rounded down when the staker acts, and what is released
while nobody stakes is lost in the contract for ever. `carry=true` loses nothing: what is left is released
exactly, by the microsecond; remainders of both divisions are kept as fractions; and while nobody stakes the
period stands still (handing the silence to the next staker was refused: staking for one moment would take
it). The rule that must hold: what was paid in is what was paid out, is earned, or is still to come.

Source: Synthetix, StakingRewards.sol at 1609d15; Batog, Boca and Johnson, "Scalable Reward Distribution on
the Ethereum Blockchain" (2018).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from tallystick.ledger.amounts import MICROSECONDS, check_units, mul_div_down
from tallystick.ledger.contract import (
    Contract,
    Dependencies,
    Exit,
    Position,
    Power,
    Record,
    Table,
    method,
    replace,
    view,
)
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext

ONE = 10**18
"""A unit of stake's earnings are counted in parts of this; so is everything that is carried."""
REWARDS_MAX = 8
DURATION_SECONDS_MAX = 10 * 366 * 86_400


class Reward(Record, frozen=True):
    """One reward asset: who pays it in, and over how many seconds each payment is released."""

    asset: str
    distributor: str
    duration_seconds: int


class Parameters(Record, frozen=True):
    """What is staked, what is earned by it, and whether remainders are carried. Nothing of it can change."""

    stake_asset: str
    rewards: tuple[Reward, ...]
    carry: bool = True


class Refusal(StrEnum):
    """Why a rewards contract refuses."""

    PARAMETERS_INVALID = "rewards.parameters_invalid"
    """It cannot be deployed like this. Facts: reason."""
    NO_SUCH_REWARD = "rewards.no_such_reward"
    """That asset is no reward here, or named twice. Facts: asset."""
    NOT_THE_DISTRIBUTOR = "rewards.not_the_distributor"
    """Only the reward's distributor starts a period. Facts: caller, distributor."""
    STAKE_EXCEEDED = "rewards.stake_exceeded"
    """More is asked for than the account has staked. Facts: asked, staked."""
    NOTHING_STAKED = "rewards.nothing_staked"
    """The account has nothing staked to leave with. Facts: account."""


class Stream(Record, frozen=True):
    """One reward asset's row.

    `finish` and `updated` are seconds UTC, with carry microseconds. Without carry `rate` is units a second
    and `lost` what rounding the rate and silences left behind. With carry `left` is what the period has still
    to release, and `spare` what is released and not credited yet, both times ONE.
    """

    per_stake: int = 0
    finish: int = 0
    updated: int = 0
    rate: int = 0
    lost: int = 0
    left: int = 0
    spare: int = 0


class Earned(Record, frozen=True):
    """What one account had earned of one asset when `per_stake` stood at `paid`, with carry times ONE."""

    paid: int = 0
    earned: int = 0


class Rewards(Contract):
    """Stakes, and what they earn of several assets."""

    kind = "rewards"
    version = 1
    Parameters = Parameters
    Refusal = Refusal
    tables: ClassVar = {
        "staked": Table(key=(), value=int),
        "stake": Table(key=(str,), value=int),
        "stream": Table(key=(str,), value=Stream),
        "earned": Table(key=(str, str), value=Earned),
    }

    def deploy(self, ctx: CallContext) -> None:
        """Check the parameters."""
        params: Parameters = ctx.params
        ctx.asset(params.stake_asset)
        assets = [reward.asset for reward in params.rewards]
        if not 1 <= len(assets) <= REWARDS_MAX or len(set(assets)) < len(assets):
            raise Rejection(Refusal.PARAMETERS_INVALID, reason=f"1 to {REWARDS_MAX} different rewards")
        for reward in params.rewards:
            ctx.asset(reward.asset)
            if not 1 <= reward.duration_seconds <= DURATION_SECONDS_MAX:
                raise Rejection(
                    Refusal.PARAMETERS_INVALID, reason=f"duration_seconds is 1 to {DURATION_SECONDS_MAX}"
                )
            ctx.put("stream", reward.asset, value=Stream())
        ctx.put("staked", value=0)

    # Staking.

    @method
    def stake(self, ctx: CallContext, units: int) -> int:
        """Take `units` of the stake asset from the caller; return what it has staked now."""
        check_units(units)
        self._settle(ctx, ctx.caller)
        staked: int = (ctx.get("stake", ctx.caller) or 0) + units
        self._put_stake(ctx, staked, change=units)
        ctx.take(ctx.params.stake_asset, units)
        ctx.emit("staked", by=ctx.caller, units=units, staked=staked)
        return staked

    @method
    def withdraw(self, ctx: CallContext, units: int) -> int:
        """Pay `units` of its stake back to the caller; return what it has staked now."""
        check_units(units)
        self._settle(ctx, ctx.caller)
        return self._withdraw(ctx, units)

    @method
    def claim(self, ctx: CallContext, assets: list[str] | None = None) -> dict[str, int]:
        """Pay the caller what it has earned of the assets, or of all; return the units of each."""
        wanted = self._wanted(ctx, assets)
        self._settle(ctx, ctx.caller)
        return {asset: self._claim(ctx, asset) for asset in wanted}

    @method
    def exit(self, ctx: CallContext) -> dict[str, int]:
        """Withdraw the whole stake and claim everything; return the units earned of each asset."""
        self._settle(ctx, ctx.caller)
        staked = ctx.get("stake", ctx.caller)
        if not staked:
            raise Rejection(Refusal.NOTHING_STAKED, account=ctx.caller)
        self._withdraw(ctx, staked)
        return {reward.asset: self._claim(ctx, reward.asset) for reward in ctx.params.rewards}

    def _withdraw(self, ctx: CallContext, units: int) -> int:
        staked: int = ctx.get("stake", ctx.caller) or 0
        if units > staked:
            raise Rejection(Refusal.STAKE_EXCEEDED, asked=str(units), staked=str(staked))
        self._put_stake(ctx, staked - units, change=-units)
        ctx.pay(ctx.caller, ctx.params.stake_asset, units)
        ctx.emit("withdrawn", by=ctx.caller, units=units, staked=staked - units)
        return staked - units

    def _put_stake(self, ctx: CallContext, staked: int, *, change: int) -> None:
        ctx.put("stake", ctx.caller, value=staked or None)
        ctx.put("staked", value=ctx.get("staked") + change)

    def _claim(self, ctx: CallContext, asset: str) -> int:
        """Pay what the settled caller earned. A fraction stays its own, or, once it has left, everybody's."""
        row: Earned = ctx.get("earned", ctx.caller, asset) or Earned()
        units, fraction = divmod(row.earned, ONE) if ctx.params.carry else (row.earned, 0)
        if not ctx.get("stake", ctx.caller):
            if fraction:
                stream: Stream = ctx.get("stream", asset)
                ctx.put("stream", asset, value=replace(stream, spare=stream.spare + fraction))
            fraction = 0
        ctx.put("earned", ctx.caller, asset, value=Earned(row.paid, fraction))
        if units:
            ctx.pay(ctx.caller, asset, units)
            ctx.emit("claimed", by=ctx.caller, asset=asset, units=units)
        return units

    # Paying in.

    @method
    def notify(self, ctx: CallContext, asset: str, units: int) -> int:
        """Take `units` from the distributor and start a period with them and what is left of the last one.

        Return when the period finishes, in microseconds UTC.
        """
        reward = self._reward(ctx, asset)
        if ctx.caller != reward.distributor:
            raise Rejection(Refusal.NOT_THE_DISTRIBUTOR, caller=ctx.caller, distributor=reward.distributor)
        if units:
            check_units(units)
        now = self._clock(ctx)
        stream = self._released(ctx, ctx.get("stream", asset), now)
        if ctx.params.carry:
            finish = now + reward.duration_seconds * MICROSECONDS
            stream = replace(stream, left=stream.left + units * ONE, finish=finish, updated=now)
        else:
            finish = now + reward.duration_seconds
            released = units + max(stream.finish - now, 0) * stream.rate
            rate = mul_div_down(released, 1, reward.duration_seconds)
            lost = stream.lost + released - rate * reward.duration_seconds
            stream = replace(stream, rate=rate, finish=finish, updated=now, lost=lost)
        ctx.put("stream", asset, value=stream)
        if units:
            ctx.take(asset, units)
        ctx.emit("notified", asset=asset, units=units, finish=self._microseconds(ctx, finish))
        return self._microseconds(ctx, finish)

    # The accumulator.

    def _settle(self, ctx: CallContext, account: str) -> None:
        """Bring every stream up to now, and credit the account with what its stake earned since it acted."""
        for reward in ctx.params.rewards:
            stream, earned = self._credited(ctx, account, reward.asset)
            ctx.put("stream", reward.asset, value=stream)
            ctx.put("earned", account, reward.asset, value=Earned(stream.per_stake, earned))

    def _credited(self, ctx: CallContext, account: str, asset: str) -> tuple[Stream, int]:
        """Return the stream as of now, and what the account has earned: units, with carry times ONE.

        With carry the only staker has what is to spare too: there is nobody to share it with.
        """
        stream = self._released(ctx, ctx.get("stream", asset), self._clock(ctx))
        row: Earned = ctx.get("earned", account, asset) or Earned()
        staked: int = ctx.get("stake", account) or 0
        grown = stream.per_stake - row.paid
        if not ctx.params.carry:
            return stream, row.earned + mul_div_down(staked, grown, ONE)
        earned = row.earned + staked * grown
        if staked and staked == ctx.get("staked"):
            return replace(stream, spare=0), earned + stream.spare
        return stream, earned

    def _released(self, ctx: CallContext, stream: Stream, now: int) -> Stream:
        """Return the stream as of `now`: what the time since its update released, over what is staked."""
        staked: int = ctx.get("staked")
        if not ctx.params.carry:
            return _released_at_rate(stream, min(now, stream.finish), staked)
        return _released_exactly(stream, now, staked)

    # Views.

    @view
    def staked(self, ctx: CallContext, account: str) -> int:
        """Return what the account has staked."""
        return ctx.get("stake", account) or 0

    @view
    def total_staked(self, ctx: CallContext) -> int:
        """Return what all accounts have staked."""
        total: int = ctx.get("staked")
        return total

    @view
    def earned(self, ctx: CallContext, account: str, asset: str) -> int:
        """Return the whole units of the asset that the account could claim now."""
        _, earned = self._credited(ctx, account, self._reward(ctx, asset).asset)
        return earned // ONE if ctx.params.carry else earned

    @view
    def paid(self, ctx: CallContext, account: str, asset: str) -> int:
        """Return where `per_stake` stood when the account last acted."""
        row: Earned = ctx.get("earned", account, self._reward(ctx, asset).asset) or Earned()
        return row.paid

    @view
    def stream(self, ctx: CallContext, asset: str) -> Stream:
        """Return a reward's row as of its last change."""
        row: Stream = ctx.get("stream", self._reward(ctx, asset).asset)
        return row

    @view
    def finish(self, ctx: CallContext, asset: str) -> int:
        """Return when the period finishes if somebody stakes all the time, in microseconds UTC."""
        stream = self._released(ctx, ctx.get("stream", self._reward(ctx, asset).asset), self._clock(ctx))
        return self._microseconds(ctx, stream.finish)

    # The five self-descriptions. The contract issues nothing, so nothing needs backing.

    @view
    def positions(self, ctx: CallContext, account: str) -> list[Position]:
        """Return the account's stake and what it has earned."""
        staked = self.staked(ctx, account)
        found = [Position(ctx.params.stake_asset, staked, note="staked")] if staked else []
        for reward in ctx.params.rewards:
            units = self.earned(ctx, account, reward.asset)
            if units:
                found.append(Position(reward.asset, units, note="earned"))
        return found

    @view
    def exits(self, ctx: CallContext, account: str) -> list[Exit]:
        """Return the withdrawal of the whole stake, and one claim for each reward: none waits for another."""
        staked = self.staked(ctx, account)
        ways = [Exit("withdraw", {"units": staked}, ctx.params.stake_asset, staked)] if staked else []
        for reward in ctx.params.rewards:
            units = self.earned(ctx, account, reward.asset)
            if units:
                ways.append(Exit("claim", {"assets": [reward.asset]}, reward.asset, units))
        return ways

    @view
    def powers(self, ctx: CallContext) -> list[Power]:
        """Return the distributors' choice: when a period starts anew. Nobody has a power over stakes."""
        return [
            Power(
                reward.distributor,
                f"spreads what is left of {reward.asset} over another period",
                f"{reward.duration_seconds} seconds from its call; it can take nothing out",
            )
            for reward in ctx.params.rewards
        ]

    @view
    def dependencies(self, ctx: CallContext) -> Dependencies:
        """Return the stake and the rewards."""
        assets = {ctx.params.stake_asset, *(reward.asset for reward in ctx.params.rewards)}
        return Dependencies(assets=tuple(sorted(assets)))

    # What several of the above need.

    def _reward(self, ctx: CallContext, asset: str) -> Reward:
        for reward in ctx.params.rewards:
            if reward.asset == asset:
                found: Reward = reward
                return found
        raise Rejection(Refusal.NO_SUCH_REWARD, asset=asset[:80])

    def _wanted(self, ctx: CallContext, assets: Sequence[str] | None) -> list[str]:
        if assets is None:
            return [reward.asset for reward in ctx.params.rewards]
        for number, asset in enumerate(assets):
            self._reward(ctx, asset)
            if asset in assets[:number]:
                raise Rejection(Refusal.NO_SUCH_REWARD, asset=asset[:80])
        return list(assets)

    def _clock(self, ctx: CallContext) -> int:
        return ctx.time if ctx.params.carry else ctx.time // MICROSECONDS

    def _microseconds(self, ctx: CallContext, clock: int) -> int:
        return clock if ctx.params.carry else clock * MICROSECONDS


def _released_at_rate(stream: Stream, now: int, staked: int) -> Stream:
    """Return the stream as of second `now`, at its rate; without a staker what it releases is lost."""
    units = max(now - stream.updated, 0) * stream.rate
    if not staked:
        return replace(stream, updated=now, lost=stream.lost + units)
    return replace(stream, updated=now, per_stake=stream.per_stake + mul_div_down(units, ONE, staked))


def _released_exactly(stream: Stream, now: int, staked: int) -> Stream:
    """Return the stream as of microsecond `now`; without a staker its finish moves on instead."""
    elapsed = now - stream.updated
    if not staked:
        return replace(stream, updated=now, finish=stream.finish + (elapsed if stream.left else 0))
    released = stream.left
    if now < stream.finish:
        released = mul_div_down(stream.left, elapsed, stream.finish - stream.updated)
    grown, spare = divmod(released + stream.spare, staked)
    return replace(
        stream,
        updated=now,
        per_stake=stream.per_stake + grown,
        left=stream.left - released,
        spare=spare,
    )
