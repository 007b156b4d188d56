"""Read-only re-entrancy: a provider leaves, is called back between the two payments, and has a third contract
read the pool's price while only one reserve has shrunk.

Our pools call nobody. So a pool is planted that does, in the worst place, and the views of a pool that is at
work are closed to everybody all the same.
"""

from typing import ClassVar

import pytest

from tallystick.contracts.constant_product_pool import ConstantProductPool, Liquidity
from tallystick.ledger.amounts import mul_div_down
from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract, Table, method
from tallystick.ledger.pools import Price
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS
from tests.contracts.market import ISSUER, Market

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"


class CallingPool(ConstantProductPool):
    """Pays one asset, calls a hook of the provider's, and pays the other."""

    kind = "calling_pool"
    tables: ClassVar = ConstantProductPool.tables

    @method
    def remove_liquidity(
        self, ctx: CallContext, shares: int, least_0: int = 0, least_1: int = 0
    ) -> Liquidity:
        pool = ctx.get("pool")
        supply = ctx.supply(f"share@{ctx.this}")
        units_0 = mul_div_down(shares, pool.reserve_0, supply)
        units_1 = mul_div_down(shares, pool.reserve_1, supply)
        ctx.burn(f"share@{ctx.this}", shares)
        ctx.pay(ctx.caller, X, units_0)
        half = self._update(ctx, pool, pool.reserve_0 - units_0, pool.reserve_1)
        ctx.call("hook", "paid", pool=ctx.this)
        self._update(ctx, half, half.reserve_0, half.reserve_1 - units_1, resets_k=True)
        ctx.pay(ctx.caller, Y, units_1)
        return Liquidity(shares, units_0, units_1)


class Lender(Contract):
    """Trusts a pool's price."""

    kind = "lender"
    version = 1
    tables: ClassVar = {}

    @method
    def lend(self, ctx: CallContext, pool: str) -> list[int]:
        price: Price = ctx.view(pool, "price", asset_in=X, asset_out=Y)
        return [price.numerator, price.denominator]


class Hook(Contract):
    """Is called in the middle of an exit and uses it as it was told."""

    kind = "hook"
    version = 1
    tables: ClassVar = {"plan": Table(key=(), value=str)}

    @method
    def prepare(self, ctx: CallContext, plan: str) -> None:
        ctx.put("plan", value=plan)

    @method
    def paid(self, ctx: CallContext, pool: str) -> None:
        match ctx.get("plan"):
            case "nothing":
                return
            case "read":
                ctx.view(pool, "price", asset_in=X, asset_out=Y)
            case "lend":
                ctx.call("lender", "lend", pool=pool)
            case "lend, caught":
                try:
                    ctx.call("lender", "lend", pool=pool)
                except Rejection:
                    return
            case "attempt":
                ctx.attempt("lender", "lend", pool=pool)
            case "lend on another pool":
                ctx.call("lender", "lend", pool="ours")


HOSTILE = (CallingPool(), Lender(), Hook())


@pytest.fixture
def market():
    kinds = Kinds(
        contracts={**KINDS.contracts, **{(one.kind, 1): one for one in HOSTILE}},
        policies=KINDS.policies,
        versions=KINDS.versions,
    )
    market = Market(accounts=("maker", "mallory"), kinds=kinds)
    market.fund(10**9, X, Y)
    for contract in ("lender", "hook"):
        market.deploy(contract, contract)
    for pool, kind in (("calling", "calling_pool"), ("ours", "constant_product_pool")):
        market.deploy(pool, kind, asset_0=X, asset_1=Y)
        for provider in market.accounts:
            spend = {X: 10**6, Y: 10**6}
            market.call(provider, pool, "mint", spend=spend, units_0=10**6, units_1=10**6)
    return market


def leave(market, pool, plan):
    market.call("mallory", "hook", "prepare", plan=plan)
    return market.call("mallory", pool, "remove_liquidity", spend={f"share@{pool}": 10**6}, shares=10**6)


@pytest.mark.parametrize("plan", ["read", "lend", "lend, caught"])
def test_a_pool_at_work_answers_nobody(market, plan):
    with pytest.raises(Rejection) as refused:
        leave(market, "calling", plan)
    assert (refused.value.code, refused.value.facts) == (Code.REENTRANCY, {"contract": "calling"})


@pytest.mark.parametrize("plan", ["nothing", "attempt", "lend on another pool"])
def test_the_exit_goes_through_where_nobody_looks_and_the_price_after_it_is_whole(market, plan):
    """An attempt is forgiven, and has seen nothing; another pool is not in the middle of anything."""
    leave(market, "calling", plan)
    assert market.call("mallory", "lender", "lend", pool="calling") == ["1000000", "1000000"]


def test_our_pool_has_no_middle_to_look_into(market):
    """It calls nobody, so the hook never runs."""
    leave(market, "ours", "lend")
    assert market.call("mallory", "lender", "lend", pool="ours") == ["1000000", "1000000"]
