"""Invariant 6: what a contract says backs its shares, it holds; a share that is outstanding is backed."""

from typing import ClassVar

import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.apply import Kinds
from tallystick.ledger.backing import check_backed
from tallystick.ledger.contract import Backing, Contract, Record, Table, method, view
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import InvariantViolation
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS
from tests.ledger.world import World, call, create, deploy, issue


class Parameters(Record, frozen=True):
    claims_more_by: int = 0
    reads: int = 0
    refuses: bool = False
    says_nothing: bool = False
    owed: int = 0


class Jar(Contract):
    """One share for each unit put in; it may lie about what it holds."""

    kind = "jar"
    version = 1
    Parameters = Parameters
    tables: ClassVar = {"held": Table(key=(), value=int)}

    def deploy(self, ctx: CallContext) -> None:
        ctx.create_asset("share")

    @method
    def put_in(self, ctx: CallContext, asset: str, units: int) -> None:
        ctx.take(asset, units)
        ctx.put("held", value=(ctx.get("held") or 0) + units)
        ctx.mint(ctx.caller, f"share@{ctx.this}", units)

    @view
    def backing(self, ctx: CallContext) -> list[Backing]:
        if ctx.params.says_nothing:
            return []
        if ctx.params.refuses:
            ctx.balance("coin@carol", of="alice")
        for _ in range(ctx.params.reads):
            ctx.get("held")
        held = (ctx.get("held") or 0) + ctx.params.claims_more_by
        found = [Backing(f"share@{ctx.this}", "coin@carol", held)]
        if ctx.params.owed:
            found.append(Backing(f"share@{ctx.this}", "coin@carol", ctx.params.owed, due_from="alice"))
        return found


JARS = Kinds(
    contracts={**KINDS.contracts, ("jar", 1): Jar()}, policies=KINDS.policies, versions=KINDS.versions
)


def world_with_jar(**parameters: object) -> World:
    world = World(kinds=JARS)
    world.open("carol", "alice")
    coin = create("carol", "coin", claw_back_by="carol")
    world.do("carol", coin, issue("carol", ("coin@carol", "alice", 100)))
    world.do("alice", deploy("alice", "jar", "jar", **parameters))
    return world


def fill(world: World) -> None:
    world.do(
        "alice", call("alice", "jar", "put_in", spend=[("coin@carol", 40)], asset="coin@carol", units=40)
    )


def test_an_honest_contract_is_backed_and_counted():
    world = world_with_jar()
    assert check_backed(world.store, world.kinds) == 1
    fill(world)
    assert check_backed(world.store, world.kinds) == 1


def test_what_is_owed_to_a_contract_need_not_be_there_and_excuses_nothing_that_must_be():
    world = world_with_jar(owed=10**9)
    fill(world)
    assert check_backed(world.store, world.kinds) == 2
    world.store.values["balance", "jar", "coin@carol"] -= 1
    with pytest.raises(InvariantViolation, match="it holds 39"):
        check_backed(world.store, world.kinds)


@pytest.mark.parametrize("more", [1, 10**9])
def test_a_contract_that_says_more_than_it_holds_is_named(more):
    world = world_with_jar(claims_more_by=more)
    fill(world)
    with pytest.raises(
        InvariantViolation, match=rf"invariant 6: jar says that {40 + more} coin@carol"
    ) as told:
        check_backed(world.store, world.kinds)
    assert told.value.number == 6


def test_a_share_that_nothing_is_said_to_back_is_named_once_it_is_outstanding():
    world = world_with_jar(says_nothing=True)
    assert check_backed(world.store, world.kinds) == 0
    fill(world)
    with pytest.raises(InvariantViolation, match="40 share@jar are outstanding"):
        check_backed(world.store, world.kinds)


def test_backing_is_read_from_the_state_and_not_from_what_the_contract_once_held():
    world = world_with_jar()
    fill(world)
    key = ("balance", "jar", "coin@carol")
    world.store.values[key] -= 1
    with pytest.raises(InvariantViolation, match="it holds 39"):
        check_backed(world.store, world.kinds)


def test_what_was_clawed_back_from_a_contract_is_not_its_fault_and_excuses_nothing_else():
    world = world_with_jar()
    fill(world)
    court = tx.ClawBack(account="carol", asset="coin@carol", source="jar", units="15", reason="court")
    world.do("carol", court)
    assert check_backed(world.store, world.kinds) == 1
    world.store.values["balance", "jar", "coin@carol"] -= 1
    with pytest.raises(InvariantViolation, match="it holds 24"):
        check_backed(world.store, world.kinds)


def test_a_contract_that_does_not_say_is_named_and_no_stray_refusal():
    world = world_with_jar(refuses=True)
    with pytest.raises(InvariantViolation, match=r"invariant 6: jar does not say .*not_controlled"):
        check_backed(world.store, world.kinds)


def test_a_contract_may_take_longer_to_say_than_a_transaction_may():
    world = World(kinds=JARS, limits=Limits(work_max=50))
    world.open("carol", "alice")
    world.do("alice", deploy("alice", "jar", "jar", reads=60))
    assert check_backed(world.store, world.kinds) == 1
