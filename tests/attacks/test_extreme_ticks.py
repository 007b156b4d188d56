"""Attacks with ticks that nobody initialised, and with prices at the ends of the world.

The pool's arithmetic was made for 256-bit words and prices from 2^-128 to 2^128. At those ends one unit of an
asset is worth more of the other than exists, liquidity of one unit is worth nothing or everything, and fee
growth wraps around. Nothing of it may fault, overflow, strand a provider, or pay anybody more than was there.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tallystick.contracts import concentrated_liquidity_pool as clp
from tallystick.contracts.concentrated_liquidity_pool import Q96, Refusal
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import ISSUER, Market

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"
POOL = "pool"
FUNDS = 1 << 125
ALL = {X: FUNDS, Y: FUNDS}
ACCOUNTS = ("provider", "victim", "attacker")
LOWEST, HIGHEST = clp.SQRT_PRICE_MIN + 1, clp.SQRT_PRICE_MAX - 1
END = clp.TICK_MAX


def opened(*, sqrt_price=Q96, tick_spacing=1, fee_ppm=3_000):
    market = Market(accounts=ACCOUNTS)
    market.fund(FUNDS, X, Y)
    market.deploy(
        POOL,
        "concentrated_liquidity_pool",
        asset_0=X,
        asset_1=Y,
        fee_ppm=fee_ppm,
        tick_spacing=tick_spacing,
        sqrt_price=sqrt_price,
    )
    return market


def mint(market, who, lower, upper, liquidity, *, spend=ALL):
    return market.call(who, POOL, "mint", spend=spend, lower=lower, upper=upper, liquidity=liquidity)


def move(market, who, limit, *, units=2**254):
    """Swap to a price limit, in its direction; return what it took and paid."""
    down = limit < market.view(POOL, "state").sqrt_price
    pair = {"asset_in": X if down else Y, "asset_out": Y if down else X}
    swapped = market.call(who, POOL, "swap_to_limit", spend=ALL, **pair, units=units, sqrt_price_limit=limit)
    return int(swapped["units_in"]), int(swapped["units_out"])


def close_all(market, *accounts):
    for who in accounts:
        for one in market.view(POOL, "position", account=who):
            market.call(who, POOL, "close", lower=one.lower, upper=one.upper)


def wealth(market, who):
    return [market.world.balance(who, asset) for asset in (X, Y)]


def test_the_price_can_be_driven_to_either_end_and_back_and_everyone_leaves():
    market = opened()
    mint(market, "provider", -END, END, 10**12)
    for limit in (LOWEST, HIGHEST, LOWEST, Q96):
        move(market, "attacker", limit)
        assert market.view(POOL, "state").sqrt_price == limit
    close_all(market, "provider")
    assert all(after >= FUNDS for after in wealth(market, "provider"))
    assert all(after < FUNDS for after in wealth(market, "attacker"))
    assert all(0 <= market.world.balance(POOL, asset) < 40_000 for asset in (X, Y))


@pytest.mark.parametrize("end", [LOWEST, HIGHEST])
def test_at_the_end_of_the_world_there_is_nowhere_further_to_go(end):
    market = opened()
    mint(market, "provider", -END, END, 10**12)
    move(market, "attacker", end)
    down = end == LOWEST
    pair = {"asset_in": X if down else Y, "asset_out": Y if down else X}
    beyond = {**pair, "units": 1, "sqrt_price_limit": end - 1 if down else end + 1}
    refused = market.refused("attacker", POOL, "swap_to_limit", spend=ALL, **beyond)
    assert refused.code is Refusal.PRICE_LIMIT_INVALID
    exact = {**pair, "units_in": 10**6, "least_out": 0}
    refused = market.refused("attacker", POOL, "swap_exact_in", spend=ALL, **exact)
    assert refused.code is Refusal.LIQUIDITY_EXHAUSTED
    # The way back is open, and whoever trades at such a price is paid by its liquidity.
    move(market, "victim", Q96)
    close_all(market, "provider")


@pytest.mark.parametrize("start", [clp.SQRT_PRICE_MIN, HIGHEST])
def test_a_pool_that_starts_at_an_end_takes_liquidity_and_trades(start):
    market = opened(sqrt_price=start)
    mint(market, "provider", -END, END, 10**6)
    move(market, "attacker", Q96)
    move(market, "attacker", LOWEST if start < Q96 else HIGHEST)
    close_all(market, "provider")
    # Back where it began, the provider has its deposit and the attacker's fees.
    assert all(after >= FUNDS - 1 for after in wealth(market, "provider"))
    assert all(after <= FUNDS for after in wealth(market, "attacker"))


def test_one_unit_of_liquidity_at_the_ends_costs_at_least_what_it_pays():
    """Just below the top a unit of liquidity is 2^64 of asset 1; just above the bottom, 2^64 of asset 0."""
    for lower, upper in ((END - 1, END), (-END, -END + 1), (-END, END)):
        market = opened()
        paid = mint(market, "provider", lower, upper, 1)
        assert int(paid["units_0"]) + int(paid["units_1"]) >= 1
        close_all(market, "provider")
        assert all(after <= FUNDS for after in wealth(market, "provider"))


def test_an_empty_pool_sells_nothing_and_its_price_means_nothing():
    market = opened()
    for method, arguments in (
        ("swap_exact_in", {"units_in": 1_000, "least_out": 0}),
        ("swap_exact_out", {"units_out": 1, "most_in": FUNDS}),
    ):
        refused = market.refused("attacker", POOL, method, spend=ALL, asset_in=X, asset_out=Y, **arguments)
        assert refused.code is Refusal.LIQUIDITY_EXHAUSTED
    # Anybody can move it for nothing, so whoever comes first is protected by the budget, not by the price.
    assert move(market, "attacker", clp.sqrt_price_at_tick(-100_000)) == (0, 0)
    expected = {X: 10**9, Y: 10**9}
    refused = market.refused(
        "victim", POOL, "mint", spend=expected, lower=-1_000, upper=1_000, liquidity=2 * 10**10
    )
    assert refused.code is Code.BUDGET_EXCEEDED
    assert move(market, "victim", Q96) == (0, 0)
    mint(market, "victim", -1_000, 1_000, 2 * 10**10, spend=expected)


def test_a_gap_without_liquidity_is_crossed_for_nothing_and_pays_nothing():
    market = opened(tick_spacing=60)
    mint(market, "provider", -180, -120, 10**15)
    mint(market, "provider", 120, 180, 10**15)
    assert market.view(POOL, "state").liquidity == 0
    took, paid = move(market, "attacker", clp.sqrt_price_at_tick(-120))
    assert (took, paid) == (0, 0)
    # A tick that is reached from above is crossed, and its liquidity sells from there on.
    assert market.view(POOL, "state").liquidity == 10**15
    took, paid = move(market, "attacker", clp.sqrt_price_at_tick(-121))
    assert took > 0
    assert paid > 0
    move(market, "attacker", clp.sqrt_price_at_tick(-119))
    close_all(market, "provider")
    assert all(after < FUNDS for after in wealth(market, "attacker"))


def test_an_exact_swap_across_a_gap_stops_nowhere():
    market = opened(tick_spacing=60)
    mint(market, "provider", -60, 60, 10**15)
    mint(market, "provider", -6_000, -3_000, 10**15)
    pair = {"asset_in": X, "asset_out": Y}
    first_band = market.view(
        POOL, "quote_to_limit", **pair, units=2**254, sqrt_price_limit=clp.sqrt_price_at_tick(-61)
    )
    beyond = 2 * first_band.units_in
    quoted = market.view(POOL, "quote_exact_in", **pair, units_in=beyond)
    market.call(
        "attacker", POOL, "swap_exact_in", spend={X: beyond}, **pair, units_in=beyond, least_out=quoted
    )
    assert -6_000 <= market.view(POOL, "state").tick < -3_000


@pytest.mark.parametrize("tick", [-180, -60, 0, 60, 180])
def test_standing_exactly_on_a_tick_counts_its_liquidity_once(tick):
    """Cross a tick to the unit, step back over it, and again: liquidity and claims stay what they were."""
    market = opened(tick_spacing=60)
    mint(market, "provider", -240, 240, 10**15)
    mint(market, "victim", -120, 120, 10**15)
    boundary = clp.sqrt_price_at_tick(tick)
    for _ in range(4):
        for limit in (boundary, boundary - 1, boundary, boundary + 1, boundary):
            if limit != market.view(POOL, "state").sqrt_price:
                move(market, "attacker", limit)
            row = market.view(POOL, "state")
            bands = {(band.lower, band.upper): band.liquidity for band in market.view(POOL, "bands")}
            around = [units for (low, high), units in bands.items() if low <= row.tick < high]
            assert around == [row.liquidity]
    if boundary != Q96:
        move(market, "attacker", Q96)
    close_all(market, "victim", "provider")
    assert market.view(POOL, "state").liquidity == 0
    assert all(after <= FUNDS for after in wealth(market, "attacker"))


def test_growth_inside_that_starts_below_zero_still_pays_what_was_earned():
    """Growth inside is negative (modulo 2^256) where only the upper tick has seen fees on its far side."""
    market = opened(tick_spacing=60)
    mint(market, "provider", -600, 600, 10**15)
    move(market, "attacker", clp.sqrt_price_at_tick(200))
    mint(market, "provider", 60, 120, 1)
    move(market, "attacker", clp.sqrt_price_at_tick(300))
    move(market, "attacker", clp.sqrt_price_at_tick(-90))
    mint(market, "victim", 0, 120, 10**15)
    stake = market.world.store.values[f"{POOL}!", "position", "victim", 0, 120]
    assert stake.inside_0 > 2**255
    assert stake.inside_1 > 2**255
    move(market, "attacker", clp.sqrt_price_at_tick(200))
    (statement,) = market.view(POOL, "position", account="victim")
    paid = clp.units_1_between(Q96, clp.sqrt_price_at_tick(120), 10**15, round_up=True)
    assert statement.fees_0 == 0
    assert statement.fees_1 == pytest.approx(paid * 3 / 997, rel=10**-9)
    close_all(market, "victim", "provider")
    assert all(0 <= market.world.balance(POOL, asset) < 100 for asset in (X, Y))


def test_growth_that_wraps_around_changes_nobodys_pay():
    """Only differences of fee growth count, so a pool whose growth passes 2^256 midway pays as any other.

    No test can wait for 2^128 of fees a unit of liquidity: the second pool begins just below the wrap.
    """

    def life(start_0, start_1):
        market = opened(tick_spacing=60)
        row = market.world.store.values[f"{POOL}!", "pool"]
        market.world.store.write({(f"{POOL}!", "pool"): replace(row, growth_0=start_0, growth_1=start_1)})
        mint(market, "provider", -600, 600, 10**15)
        for round_number, tick in enumerate((-90, 90, -300, 150, -30, 30, 0)):
            move(market, "attacker", clp.sqrt_price_at_tick(tick))
            if round_number == 1:
                mint(market, "victim", -60, 60, 10**15)
            if round_number == 3:
                mint(market, "victim", 120, 180, 10**15)
        after = market.view(POOL, "state")
        fees = [
            (one.fees_0, one.fees_1) for who in ACCOUNTS for one in market.view(POOL, "position", account=who)
        ]
        close_all(market, *ACCOUNTS)
        grown = [(after.growth_0 - start_0) % 2**256, (after.growth_1 - start_1) % 2**256]
        wrapped = (after.growth_0 < start_0, after.growth_1 < start_1)
        return wrapped, (grown, fees, [wealth(market, who) for who in ACCOUNTS])

    never, pay = life(0, 0)
    growth_0, growth_1 = pay[0]
    both, pay_wrapped = life(2**256 - growth_0 // 2, 2**256 - growth_1 // 3)
    assert (never, both) == ((False, False), (True, True))
    assert pay_wrapped == pay


@settings(max_examples=40)
@given(
    st.sampled_from([-END, -END + 1, -600_000, -1, 0, 1, 600_000, END - 1]),
    st.integers(1, 3 * END),
    st.integers(1, 2**120),
    st.lists(st.integers(LOWEST, HIGHEST) | st.sampled_from([LOWEST, HIGHEST, Q96]), max_size=4),
)
def test_no_range_and_no_price_faults_or_pays_more_than_was_paid(lower, width, liquidity, limits):
    market = opened()
    mint(market, "provider", -END, END, 10**9)
    upper = min(lower + width, END)
    attempts = [lambda: mint(market, "attacker", lower, upper, liquidity)]
    attempts += [lambda limit=limit: move(market, "attacker", limit) for limit in limits]
    for attempt in attempts:
        try:
            attempt()
        except Rejection as refused:
            if refused.code is Code.CONTRACT_FAULT:
                raise
    close_all(market, "attacker", "provider")
    total = [sum(pair) for pair in zip(wealth(market, "attacker"), wealth(market, "provider"), strict=True)]
    assert all(units <= 2 * FUNDS for units in total)
    # Back at the start's price, the attacker has no more of either than it began with.
    if market.view(POOL, "state").sqrt_price == Q96:
        assert all(units <= FUNDS for units in wealth(market, "attacker"))
