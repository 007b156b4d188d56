from collections import Counter
from itertools import permutations
from typing import ClassVar

import pytest
from hypothesis import Phase, given, settings

from tallystick.contracts.constant_product_pool import ConstantProductPool, Liquidity
from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import method
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS
from tests.no_free_lunch.harness import (
    ACTOR,
    OTHERS,
    FreeLunch,
    act,
    check_backed,
    check_no_free_lunch,
    leave,
    move_lists,
)
from tests.no_free_lunch.venues import PRICES, VENUES, constant_product, new_market

PROVIDERS = (ACTOR, *OTHERS)


def search(venues, *, effort=2, most=12, phases=tuple(Phase), **more):
    """Look for a free lunch; raise one that is found. Return how often each move went through."""
    market = new_market(venues, **more)
    went = Counter()

    @settings(max_examples=effort * settings().max_examples, phases=phases, report_multiple_bugs=False)
    @given(move_lists(venues, most=most))
    def property_holds(moves):
        went.update(check_no_free_lunch(market, venues, moves, prices=PRICES))

    property_holds()
    return went


@pytest.mark.parametrize("name", VENUES)
def test_no_sequence_of_one_actors_calls_is_a_free_lunch(name):
    search(VENUES[name])


@pytest.mark.long
@pytest.mark.parametrize("name", VENUES)
def test_a_longer_search_finds_none_and_tries_every_move(name):
    # The search means nothing where the moves are refused: each of them must have gone through. Which lists
    # Hypothesis draws depends on the modules that other tests loaded, so it may take a longer search.
    moves = {f"{venue.contract}.{move}" for venue in VENUES[name] for move in venue.moves if move != "wait"}
    missed = moves
    for effort in (10, 60):
        missed = missed - search(VENUES[name], effort=effort).keys()
        if not missed:
            return
    assert len(missed) <= (len(moves) // 5 if len(VENUES[name]) > 1 else 0), missed


# Planted bugs: the property must find each.


class OneTooMany(ConstantProductPool):
    """Rounds what it pays for an exact input up, and trusts itself."""

    kind = "one_too_many"

    def _amount_out(self, ctx, pool, asset_in, asset_out, units_in):
        return super()._amount_out(ctx, pool, asset_in, asset_out, units_in) + 1

    def _products(self, ctx, pool, flow):
        return 1, 0


class WrongFee(ConstantProductPool):
    """Scales one side of its check by another fee base: what lost Uranium Finance 57 million dollars."""

    kind = "wrong_fee"

    def _products(self, ctx, pool, flow):
        product, least = super()._products(ctx, pool, flow)
        return product, least * 99 // 100


class RoundsUp(ConstantProductPool):
    """Pays a removal rounded up."""

    kind = "rounds_up"
    tables: ClassVar = ConstantProductPool.tables

    @method
    def remove_liquidity(
        self, ctx: CallContext, shares: int, least_0: int = 0, least_1: int = 0
    ) -> Liquidity:
        """Burn shares for their part, rounded up."""
        pool = ctx.get("pool")
        supply = ctx.supply(f"share@{ctx.this}")
        units_0 = -(-shares * pool.reserve_0 // supply)
        units_1 = -(-shares * pool.reserve_1 // supply)
        ctx.burn(f"share@{ctx.this}", shares)
        self._update(ctx, pool, pool.reserve_0 - units_0, pool.reserve_1 - units_1, resets_k=True)
        ctx.pay(ctx.caller, ctx.params.asset_0, units_0)
        ctx.pay(ctx.caller, ctx.params.asset_1, units_1)
        return Liquidity(shares, units_0, units_1)


class FreeLoans(ConstantProductPool):
    """Forgives loans that are repaid without the fee, and a little more than that."""

    kind = "free_loans"

    def _products(self, ctx, pool, flow):
        product, least = super()._products(ctx, pool, flow)
        return (product, least) if not flow.out_0 or not flow.in_0 else (product, product // 2)


PLANTED = (OneTooMany(), WrongFee(), RoundsUp(), FreeLoans())
PLANTED_KINDS = Kinds(
    contracts={**KINDS.contracts, **{(bug.kind, 1): bug for bug in PLANTED}},
    policies=KINDS.policies,
    versions=KINDS.versions,
)


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.kind)
def test_a_planted_bug_is_found(bug):
    venues = (constant_product("pool", kind=bug.kind, reserves=(7_000, 28_000), fee_bps=0),)
    with pytest.raises(FreeLunch):
        search(venues, effort=8, phases=[Phase.generate], kinds=PLANTED_KINDS)


# Everyone leaves.


@pytest.mark.parametrize("name", VENUES)
def test_everyone_leaves_in_the_worst_order_and_is_paid_what_was_promised(name):
    venues = VENUES[name]
    market = new_market(venues)
    for venue in venues:
        if "add" in venue.moves:
            market.world.do(ACTOR, *venue.moves["add"](market, ACTOR, 777_777, 333_333))

    @settings(max_examples=10)
    @given(move_lists(venues, most=8))
    def property_holds(moves):
        with market.forked():
            _play(market, venues, moves)
            promised = {who: _promised(market, venues, who) for who in PROVIDERS}
            for order in permutations(PROVIDERS):
                with market.forked():
                    for who in order:
                        paid = sum((leave(market, who, venue) for venue in venues), Counter())
                        short = promised[who] - paid
                        assert not short, f"{who} left {order.index(who) + 1}th and lacks {short}"
                        check_backed(market, venues)

    property_holds()


def _play(market, venues, moves):
    for (index, name), first, second in moves:
        if name not in ("remove", "give"):
            act(market, venues[index].moves[name](market, ACTOR, first, second))


def _promised(market, venues, who):
    ways = [way for venue in venues for way in market.view(venue.contract, "exits", account=who)]
    promised = Counter()
    for way in ways:
        promised[way.asset] += way.units_now
    return promised
