"""A claw-back, one unit given back, `sync`: the pool would trade again, at a price that is nobody's, and sell
all it has of the other asset for dust. Both pools that count what they hold are tried.
"""

import pytest

from tallystick.contracts import constant_product_pool, stable_pool
from tallystick.ledger.transactions import ClawBack
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import create, issue, transfer

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"
POOL, SHARE = "pool", "share@pool"
FUNDS, RESERVE = 10**12, 10**9
SPEND = {X: FUNDS, Y: FUNDS, SHARE: FUNDS**2}


class Pair:
    """A constant-product pool with a reserve of each, all alice's."""

    closed = constant_product_pool.Refusal.CLOSED

    def __init__(self, market):
        market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y)
        self.market = market
        self.deposit("alice")

    def deposit(self, who):
        self.call(who, "mint", units_0=RESERVE, units_1=RESERVE)

    def call(self, who, method, **arguments):
        return self.market.call(who, POOL, method, spend=SPEND, **arguments)

    def reserves(self):
        row = self.market.view(POOL, "state")
        return [row.reserve_0, row.reserve_1]

    def leave(self, who):
        self.call(who, "remove_liquidity", shares=self.market.world.balance(who, SHARE))

    shut = (
        ("swap_exact_in", {"asset_in": X, "asset_out": Y, "units_in": 10**4, "least_out": 1}),
        ("swap_exact_out", {"asset_in": X, "asset_out": Y, "units_out": 10**4, "most_in": FUNDS}),
        ("swap", {"in_0": 10**4, "in_1": 0, "out_0": 0, "out_1": 1}),
        ("mint", {"units_0": 10**6, "units_1": 10**6}),
        ("add_liquidity", {"most_0": 10**6, "most_1": 10**6}),
        ("flash", {"units": {Y: 10**6}}),
    )
    views = (
        ("price", {"asset_in": X, "asset_out": Y}),
        ("quote_exact_in", {"asset_in": X, "asset_out": Y, "units_in": 10**4}),
        ("quote_exact_out", {"asset_in": X, "asset_out": Y, "units_out": 1}),
        ("quote_flash", {"units": {Y: 10**6}}),
        ("quote_to_price", {"numerator": 1, "denominator": 1}),
        ("time_weighted_price", {"asset_in": X, "asset_out": Y, "window_seconds": 60}),
        ("depth", {"asset_in": X, "asset_out": Y, "move_bps": 100}),
    )


class Stable(Pair):
    """A stable pool with the same."""

    closed = stable_pool.Refusal.CLOSED
    admin = ""

    def __init__(self, market):
        given = {"assets": [X, Y], "amplification": 100, "fee": 4_000_000}
        market.deploy(POOL, "stable_pool", **given, **({"admin": self.admin} if self.admin else {}))
        self.market = market
        self.deposit("alice")

    def deposit(self, who):
        self.call(who, "add_liquidity", units=[RESERVE, RESERVE], least_shares=0)

    def reserves(self):
        return list(self.market.view(POOL, "state").reserves)

    def leave(self, who):
        shares = self.market.world.balance(who, SHARE)
        self.call(who, "remove_liquidity", shares=shares, least=[0, 0])

    shut = (
        *Pair.shut[:2],
        ("exchange", Pair.shut[0][1]),
        ("add_liquidity", {"units": [10**6, 10**6], "least_shares": 0}),
        ("remove_units", {"units": [0, 10**6], "most_shares": FUNDS**2}),
        ("remove_one", {"shares": 10**15, "asset": Y, "least": 0}),
        ("flash", {"units": {Y: 10**6}}),
    )
    views = (
        *Pair.views[:4],
        ("virtual_price", {}),
        ("quote_add", {"units": [10**6, 10**6]}),
        ("quote_remove_units", {"units": [0, 10**6]}),
        ("quote_remove_one", {"shares": 10**15, "asset": Y}),
        ("depth", {"asset_in": X, "asset_out": Y, "move_bps": 100}),
    )


class StableWithAdmin(Stable):
    """One where only the admin may count a surplus, and anyone a loss."""

    admin = "admin"


@pytest.fixture
def market():
    market = Market(accounts=("alice", "bob", "eve", "admin"))
    create_x = create(ISSUER, "x", claw_back_by=ISSUER, decimals=6)
    market.world.do(ISSUER, create_x, create(ISSUER, "y", decimals=6))
    legs = [(asset, who, FUNDS) for asset in (X, Y) for who in market.accounts]
    market.world.do(ISSUER, issue(ISSUER, *legs))
    return market


@pytest.fixture(params=[Pair, Stable, StableWithAdmin])
def pool(request, market):
    return request.param(market)


def claw_back(pool, units):
    pool.market.world.do(
        ISSUER, ClawBack(account=ISSUER, asset=X, source=POOL, units=str(units), reason="order")
    )


def is_closed(pool):
    method, arguments = pool.shut[0]
    refused = pool.market.refused("eve", POOL, method, spend=SPEND, **arguments)
    return refused.code is pool.closed


@pytest.mark.parametrize("loss", [2, RESERVE // 100, RESERVE * 9 // 10, RESERVE])
def test_a_pool_that_lost_anything_lets_its_providers_leave_and_nothing_else(pool, loss):
    pool.deposit("bob")
    claw_back(pool, loss)
    pool.market.world.do("eve", transfer("eve", (X, POOL, 1)))
    pool.call("eve", "sync")
    assert pool.reserves() == [2 * RESERVE - loss + 1, 2 * RESERVE]
    for method, arguments in pool.shut:
        who = "alice" if method.startswith("remove") else "eve"
        refused = pool.market.refused(who, POOL, method, spend=SPEND, **arguments)
        assert refused.code is pool.closed, method
        assert refused.facts == {"since": pool.market.world.time}, method
    for view, arguments in pool.views:
        assert pool.market.refused_view(POOL, view, **arguments).code is pool.closed, view
    pool.leave("alice")
    assert pool.market.world.balance("alice", Y) >= FUNDS - 1_000
    assert is_closed(pool)
    # What is given back later opens nothing; it goes to the providers who are left.
    pool.market.world.do("eve", transfer("eve", (X, POOL, 2 * RESERVE)))
    pool.call("admin", "sync")
    assert is_closed(pool)
    pool.leave("bob")
    assert pool.market.world.balance("bob", X) > FUNDS
    assert pool.market.world.balance("bob", Y) >= FUNDS - 1_000
    assert max(pool.reserves()) <= 5_000  # what is behind the locked shares
    assert pool.market.world.balance("eve", Y) == FUNDS
    assert is_closed(pool)


def test_where_all_or_all_but_a_unit_was_taken_the_rest_is_paid_out_to_the_last(pool):
    """A crumb that cannot be shared must not lock in what can."""
    pool.deposit("bob")
    claw_back(pool, 2 * RESERVE)
    pool.market.world.do("eve", transfer("eve", (X, POOL, 1)))
    pool.call("eve", "sync")
    assert pool.reserves() == [1, 2 * RESERVE]
    for who in ("bob", "alice"):
        assert pool.market.view(POOL, "exits", account=who)
        pool.leave(who)
        assert pool.market.world.balance(who, Y) >= FUNDS - 1_000


def test_a_loss_that_is_made_good_before_anybody_counts_it_is_none(pool):
    claw_back(pool, RESERVE // 2)
    pool.market.world.do("eve", transfer("eve", (X, POOL, RESERVE // 2)))
    pool.call("admin", "sync")
    assert pool.reserves() == [RESERVE, RESERVE]
    method, arguments = pool.shut[0]
    assert int(pool.call("eve", method, **arguments)) > 0


def test_a_surplus_closes_nothing(pool):
    pool.market.world.do("eve", transfer("eve", (X, POOL, RESERVE)))
    pool.call("admin", "sync")
    method, arguments = pool.shut[0]
    assert int(pool.call("eve", method, **arguments)) > 0


@pytest.mark.parametrize("steps", [1, 3])
def test_the_protocol_has_no_part_of_what_is_given_to_a_closed_pool(market, steps):
    """From a crumb the root of k grows tenfold by a gift of 99 crumbs, and again at every removal."""
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y, protocol_fee_to="admin")
    for who, units in (("alice", RESERVE), ("admin", 10**4)):
        market.call(who, POOL, "mint", spend=SPEND, units_0=units, units_1=units)
    taken = RESERVE + 10**4
    market.world.do(ISSUER, ClawBack(account=ISSUER, asset=X, source=POOL, units=str(taken), reason="order"))
    given = 0
    for units in (1, 99, 9_900, 990_000)[: steps + 1]:
        market.world.do("admin", transfer("admin", (X, POOL, units)))
        given += units
        market.call("admin", POOL, "sync")
        market.call("admin", POOL, "remove_liquidity", spend=SPEND, shares=100)
    assert market.refused("admin", POOL, "collect").code is constant_product_pool.Refusal.NOTHING_TO_COLLECT
    for who in ("admin", "alice"):
        shares = market.world.balance(who, SHARE)
        market.call(who, POOL, "remove_liquidity", spend=SPEND, shares=shares)
    assert market.world.balance("admin", Y) <= FUNDS
    assert market.world.balance("alice", Y) >= FUNDS - 1_001
