import random
from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts import concentrated_liquidity_pool as clp
from tallystick.contracts.concentrated_liquidity_pool import Q96, Band, Refusal, Statement
from tallystick.ledger.contract import Dependencies, Exit, Position, Power
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, call, transfer

X, Y, Z = f"x@{ISSUER}", f"y@{ISSUER}", f"z@{ISSUER}"
POOL = "pool"
FUNDS = 10**30
ALL = {X: FUNDS, Y: FUNDS}
GIVEN = {"asset_0": X, "asset_1": Y, "fee_ppm": 3_000, "tick_spacing": 60, "sqrt_price": Q96}
SHARED = {"protocol_account": "fees", "protocol_divisor_0": 4, "protocol_divisor_1": 5}
E18 = 10**18


def opened(**more):
    market = Market(accounts=("alice", "bob", "carol", "fees"))
    market.fund(FUNDS, X, Y, Z)
    market.deploy(POOL, "concentrated_liquidity_pool", **(GIVEN | more))
    return market


@pytest.fixture
def empty():
    """A pool at a price of one, without liquidity."""
    return opened()


@pytest.fixture
def market(empty):
    """The same with alice's 10^18 of liquidity from tick -600 to tick 600."""
    mint(empty, "alice", -600, 600, E18)
    return empty


def mint(market, who, lower, upper, liquidity, *, spend=ALL):
    return market.call(who, POOL, "mint", spend=spend, lower=lower, upper=upper, liquidity=liquidity)


def sell(market, who, units_in, *, asset_in=X, asset_out=Y, least_out=0):
    arguments = {"asset_in": asset_in, "asset_out": asset_out, "units_in": units_in, "least_out": least_out}
    return int(market.call(who, POOL, "swap_exact_in", spend={asset_in: units_in}, **arguments))


def to_limit(market, who, units, limit, *, asset_in=X, asset_out=Y):
    arguments = {"asset_in": asset_in, "asset_out": asset_out, "units": units, "sqrt_price_limit": limit}
    result = market.call(who, POOL, "swap_to_limit", spend={asset_in: FUNDS}, **arguments)
    return {name: int(value) for name, value in result.items()}


def state(market):
    return market.view(POOL, "state")


# The derived constants, and prices at ticks.


def test_every_ratio_is_the_nearest_to_the_exact_power_of_1_0001():
    root, *squares = clp.RATIOS
    assert (2 * root - 1) ** 2 * 10_001 < 4 * 2**256 * 10_000 < (2 * root + 1) ** 2 * 10_001
    power_up, power_down = 10_001, 10_000
    for ratio in squares:
        assert abs(2 * ratio * power_up - 2 * 2**128 * power_down) <= power_up
        if ratio != squares[-1]:
            power_up, power_down = power_up**2, power_down**2


def test_the_largest_tick_is_the_last_whose_price_is_below_2_128():
    assert (clp.TICK_MAX, clp.SQRT_PRICE_MIN) == (887_272, 4_295_128_739)
    assert clp.SQRT_PRICE_MAX == 1461446703485210103287273052203988822378723970342
    # One tick further would pass 2^64, the root of 2^128.
    assert clp.SQRT_PRICE_MAX < Q96 << 64 < clp.SQRT_PRICE_MAX * 100_005 // 100_000


TICKS = [*range(-clp.TICK_MAX + 1, clp.TICK_MAX, 7_919), -clp.TICK_MAX + 1, -1, 0, 1, clp.TICK_MAX - 1]


def test_the_tick_of_a_price_is_the_last_at_or_below_it():
    for tick in TICKS:
        price = clp.sqrt_price_at_tick(tick)
        assert clp.tick_at_sqrt_price(price) == tick
        assert clp.tick_at_sqrt_price(price - 1) == tick - 1
    assert clp.tick_at_sqrt_price(clp.SQRT_PRICE_MIN) == -clp.TICK_MAX
    assert clp.tick_at_sqrt_price(clp.SQRT_PRICE_MAX - 1) == clp.TICK_MAX - 1


@given(st.integers(clp.SQRT_PRICE_MIN, clp.SQRT_PRICE_MAX - 1))
def test_any_price_lies_between_its_tick_and_the_next(price):
    tick = clp.tick_at_sqrt_price(price)
    assert clp.sqrt_price_at_tick(tick) <= price < clp.sqrt_price_at_tick(tick + 1)


@given(st.sets(st.integers(0, 255)), st.integers(-300, 300), st.booleans())
def test_the_next_tick_in_a_word_is_the_one_a_scan_finds(bits, index, downwards):
    word = sum(1 << bit for bit in bits)
    first = index - index % 256
    if downwards:
        found = max((first + bit for bit in bits if first + bit <= index), default=None)
        expected = (first, False) if found is None else (found, True)
    else:
        found = min((first + bit for bit in bits if first + bit >= index), default=None)
        expected = (first + 255, False) if found is None else (found, True)
    assert clp.next_in_word(word, index, downwards=downwards) == expected


def test_an_input_too_large_for_the_exact_fraction_takes_the_coarser_one():
    """Where the denominator would pass 256 bits, v3 divides first; here the two differ in the last digits."""
    price, liquidity, amount = 3**100, 3**80, 7**35
    assert amount * price > 2**256
    moved = clp.sqrt_price_after_input(price, liquidity, amount, zero_for_one=True)
    assert moved == 30913527226285624328171011565760919015
    assert moved != 30913527226285624328171011565686650926  # the exact quotient, rounded up


sizes = st.integers(1, 110).flatmap(lambda bits: st.integers(1, 2**bits))
prices = st.integers(clp.SQRT_PRICE_MIN, clp.SQRT_PRICE_MAX - 1)


@given(prices, sizes, sizes)
def test_a_price_moves_no_further_than_was_paid_and_at_least_as_far_as_was_taken(price, liquidity, amount):
    """Against the exact fractions of section 6.2.3 of the paper: each root is rounded by less than one."""
    one_0 = Fraction(liquidity << 96)
    exact = {
        ("input", True): one_0 * price / (one_0 + amount * price),
        ("input", False): price + Fraction(amount << 96, liquidity),
        ("output", True): price - Fraction(amount << 96, liquidity),
        ("output", False): one_0 * price / (one_0 - amount * price) if one_0 > amount * price else None,
    }
    for (what, zero_for_one), expected in exact.items():
        after = clp.sqrt_price_after_input if what == "input" else clp.sqrt_price_after_output
        try:
            moved = after(price, liquidity, amount, zero_for_one=zero_for_one)
        except Rejection as refused:
            assert refused.code is clp.Refusal.ARITHMETIC_RANGE
            continue
        assert expected is not None
        rounds_up = (what, zero_for_one) in {("input", True), ("output", False)}
        off = moved - expected if rounds_up else expected - moved
        coarse = (what, zero_for_one) == ("input", True) and amount * price + one_0 >= 2**256
        assert off >= 0
        assert off < 1 or coarse


# Deployment.


@pytest.mark.parametrize(
    "more",
    [
        {"fee_ppm": 0},
        {"fee_ppm": 999_999},
        {"tick_spacing": 1},
        {"tick_spacing": 16_383},
        {"sqrt_price": clp.SQRT_PRICE_MIN},
        {"sqrt_price": clp.SQRT_PRICE_MAX - 1},
        SHARED,
        {**SHARED, "protocol_divisor_0": 10, "protocol_divisor_1": 0},
    ],
)
def test_parameters_at_their_bounds_are_accepted(more):
    opened(**{name: value for name, value in more.items() if value or name == "fee_ppm"})


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"asset_1": X}, Refusal.PARAMETERS_INVALID),
        ({"asset_1": f"none@{ISSUER}"}, Code.UNKNOWN_ASSET),
        ({"fee_ppm": -1}, Refusal.PARAMETERS_INVALID),
        ({"fee_ppm": 1_000_000}, Refusal.PARAMETERS_INVALID),
        ({"tick_spacing": 0}, Refusal.PARAMETERS_INVALID),
        ({"tick_spacing": 16_384}, Refusal.PARAMETERS_INVALID),
        ({"sqrt_price": clp.SQRT_PRICE_MIN - 1}, Refusal.PARAMETERS_INVALID),
        ({"sqrt_price": clp.SQRT_PRICE_MAX}, Refusal.PARAMETERS_INVALID),
        ({**SHARED, "protocol_divisor_0": 3}, Refusal.PARAMETERS_INVALID),
        ({**SHARED, "protocol_divisor_1": 11}, Refusal.PARAMETERS_INVALID),
        ({"protocol_divisor_0": 4}, Refusal.PARAMETERS_INVALID),
        ({"protocol_account": "fees"}, Refusal.PARAMETERS_INVALID),
    ],
)
def test_a_pool_that_cannot_be_is_refused(more, code):
    with pytest.raises(Rejection) as refused:
        opened(**more)
    assert refused.value.code is code


# Liquidity.


@pytest.mark.parametrize(
    ("lower", "upper", "units_0", "units_1"),
    [
        # Exact: 10^18 x (1 - 1.0001^-300) = 29553010879137169.2..., the same for the other asset.
        (-600, 600, 29_553_010_879_137_170, 29_553_010_879_137_170),
        (60, 600, True, 0),
        (-600, -60, 0, True),
        (0, 60, True, 0),
        (-60, 0, 0, True),
    ],
)
def test_a_range_takes_what_lies_on_its_side_of_the_price(empty, lower, upper, units_0, units_1):
    took = mint(empty, "alice", lower, upper, E18)
    for units, expected in ((took["units_0"], units_0), (took["units_1"], units_1)):
        assert int(units) > 0 if expected is True else int(units) == expected
    assert empty.world.balance(POOL, X) == int(took["units_0"])
    assert empty.world.balance(POOL, Y) == int(took["units_1"])
    in_range = lower <= 0 < upper
    assert state(empty).liquidity == (E18 if in_range else 0)


def test_the_quoted_liquidity_is_the_most_that_the_amounts_buy(empty):
    wanted = {"lower": -600, "upper": 600, "units_0": 1_000_000, "units_1": 700_000}
    liquidity = empty.view(POOL, "quote_liquidity", **wanted)
    took = mint(empty, "alice", -600, 600, liquidity, spend={X: 1_000_000, Y: 700_000})
    assert int(took["units_1"]) == 700_000
    assert int(took["units_0"]) <= 1_000_000
    more = empty.view(POOL, "quote_mint", lower=-600, upper=600, liquidity=liquidity + 40)
    assert more.units_1 > 700_000


def test_a_mint_takes_no_more_than_the_budget(market):
    quoted = market.view(POOL, "quote_mint", lower=-120, upper=180, liquidity=12_345)
    spend = {X: quoted.units_0, Y: quoted.units_1}
    arguments = {"lower": -120, "upper": 180, "liquidity": 12_345}
    refused = market.refused("bob", POOL, "mint", spend={**spend, Y: quoted.units_1 - 1}, **arguments)
    assert refused.code is Code.BUDGET_EXCEEDED
    market.call("bob", POOL, "mint", spend=spend, **arguments)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [(600, -600), (60, 60), (-601, 600), (-600, 601), (-887_280, 60), (60, 887_280), (-(2**200), 2**200)],
)
@pytest.mark.parametrize("method", ["mint", "burn"])
def test_a_range_that_is_none_is_refused(market, lower, upper, method):
    refused = market.refused("alice", POOL, method, spend=ALL, lower=lower, upper=upper, liquidity=1)
    assert refused.code is Refusal.RANGE_INVALID


def test_liquidity_is_positive_and_below_2_128(market):
    for method in ("mint", "burn"):
        for liquidity in (0, -1):
            refused = market.refused(
                "alice", POOL, method, spend=ALL, lower=-600, upper=600, liquidity=liquidity
            )
            assert refused.code is Refusal.LIQUIDITY_NOT_POSITIVE
    refused = market.refused("alice", POOL, "mint", spend=ALL, lower=-600, upper=600, liquidity=2**128)
    assert refused.code is Refusal.ARITHMETIC_RANGE


def test_a_tick_holds_its_share_of_2_128_and_not_one_more():
    market = opened(tick_spacing=16_383)
    most = clp.liquidity_per_tick_max(16_383)
    assert most == (2**128 - 1) // 109
    # Far above the price a unit of asset 0 is a great deal of liquidity.
    where = {"lower": 54 * 16_383 - 16_383, "upper": 54 * 16_383}
    refused = market.refused("alice", POOL, "mint", spend=ALL, **where, liquidity=most + 1)
    assert refused.code is Refusal.TICK_FULL
    market.call("alice", POOL, "mint", spend=ALL, **where, liquidity=most)
    assert market.refused("bob", POOL, "mint", spend=ALL, **where, liquidity=1).code is Refusal.TICK_FULL


def test_what_is_burned_is_owed_and_collected_by_its_owner_alone(market):
    where = {"lower": -600, "upper": 600}
    refused = market.refused("bob", POOL, "burn", **where, liquidity=1)
    assert refused.code is Refusal.UNKNOWN_POSITION
    refused = market.refused("alice", POOL, "burn", **where, liquidity=E18 + 1)
    assert (refused.code, refused.facts) == (
        Refusal.POSITION_TOO_SMALL,
        {"liquidity": str(E18), "asked": str(E18 + 1)},
    )
    burned = market.call("alice", POOL, "burn", **where, liquidity=E18)
    # One unit less than was paid: down on the way out, up on the way in.
    assert burned == {"units_0": "29553010879137169", "units_1": "29553010879137169"}
    assert market.world.balance("alice", X) == FUNDS - 29_553_010_879_137_170
    for stranger in ("bob", "fees"):
        assert market.refused(stranger, POOL, "collect", **where).code is Refusal.UNKNOWN_POSITION
    assert market.call("alice", POOL, "collect", **where) == burned
    assert market.world.balance("alice", X) == FUNDS - 1
    assert market.refused("alice", POOL, "collect", **where).code is Refusal.UNKNOWN_POSITION


def test_collect_pays_no_more_than_was_asked_and_keeps_the_rest(market):
    where = {"lower": -600, "upper": 600}
    market.call(
        "bob", POOL, "swap_exact_in", spend={X: 10**12}, asset_in=X, asset_out=Y, units_in=10**12, least_out=1
    )
    settled = market.call("alice", POOL, "settle", **where)
    owed = int(settled["units_0"])
    assert owed > 1_000
    assert market.call("alice", POOL, "settle", **where) == settled
    assert market.refused("bob", POOL, "settle", **where).code is Refusal.UNKNOWN_POSITION
    assert market.refused("alice", POOL, "collect", **where, most_0=-1).code is Code.AMOUNT_NOT_POSITIVE
    before = market.balances("alice")[X]
    paid = market.call("alice", POOL, "collect", **where, most_0=owed - 1, most_1=0)
    assert paid == {"units_0": str(owed - 1), "units_1": "0"}
    assert market.balances("alice")[X] - before == owed - 1
    assert market.call("alice", POOL, "collect", **where) == {"units_0": "1", "units_1": "0"}


def test_growth_inside_grows_by_what_a_unit_of_liquidity_earns(market):
    where = {"lower": -600, "upper": 600}
    before = market.view(POOL, "growth_inside", **where)
    market.call(
        "bob", POOL, "swap_exact_in", spend={X: 10**12}, asset_in=X, asset_out=Y, units_in=10**12, least_out=1
    )
    after = market.view(POOL, "growth_inside", **where)
    [statement] = market.view(POOL, "position", account="alice")
    assert (after.growth_0 - before.growth_0) * statement.liquidity >> 128 == statement.fees_0 > 0
    assert after.growth_1 == before.growth_1


def test_close_pays_everything_at_once_or_less_than_wanted_nothing(market):
    where = {"lower": -600, "upper": 600}
    units = 29_553_010_879_137_169
    refused = market.refused("alice", POOL, "close", **where, least_0=units + 1)
    assert refused.code is Refusal.LIMIT_MISSED
    refused = market.refused("alice", POOL, "close", **where, least_1=units + 1)
    assert refused.code is Refusal.LIMIT_MISSED
    paid = market.call("alice", POOL, "close", **where, least_0=units, least_1=units)
    assert paid == {"units_0": str(units), "units_1": str(units)}
    assert state(market).liquidity == 0
    # Nothing of the position is left in the state: no ticks, no bitmap, no row.
    tables = {key[1] for key in market.world.store.values if key[0] == f"{POOL}!"}
    assert tables == {"pool", "observation"}


# Fees.


def test_fees_go_to_the_liquidity_in_range_in_proportion(market):
    mint(market, "bob", -60, 60, 3 * E18)
    mint(market, "carol", 120, 180, 100 * E18)
    sell(market, "carol", 1_000_000_000)
    fees = {who: market.view(POOL, "position", account=who)[0].fees_0 for who in ("alice", "bob", "carol")}
    # 0.3 % of 10^9 is 3,000,000: a quarter, three quarters, nothing; each rounded down.
    assert fees == {"alice": 749_999, "bob": 2_249_999, "carol": 0}


def test_a_range_earns_nothing_while_the_price_is_outside(market):
    mint(market, "bob", -60, 0, E18)
    market.call("alice", POOL, "collect", lower=-600, upper=600)
    sell(market, "carol", 10**16, asset_in=Y, asset_out=X)
    bob = market.view(POOL, "position", account="bob")[0]
    assert (bob.fees_0, bob.fees_1, bob.in_range) == (0, 0, False)
    alice = market.view(POOL, "position", account="alice")[0]
    assert alice.fees_1 == 29_999_999_999_999  # 0.3 % of 10^16, rounded down


def test_the_protocol_gets_its_part_of_each_asset_and_anyone_may_send_it():
    market = opened(**SHARED)
    mint(market, "alice", -600, 600, E18)
    sell(market, "bob", 10**9)
    sell(market, "bob", 10**9, asset_in=Y, asset_out=X)
    row = state(market)
    assert (row.protocol_0, row.protocol_1) == (750_000, 600_000)
    with pytest.raises(Rejection) as refused:
        market.call("bob", POOL, "collect_protocol", receive={X: 1})
    assert refused.value.code is Code.RECEIVE_UNMET
    paid = market.call("bob", POOL, "collect_protocol")
    assert paid == {"units_0": "750000", "units_1": "600000"}
    assert market.world.balance("fees", X) == FUNDS + 750_000
    assert market.call("bob", POOL, "collect_protocol") == {"units_0": "0", "units_1": "0"}


def test_without_a_share_there_is_nothing_to_send(market):
    sell(market, "bob", 10**9)
    assert market.refused("bob", POOL, "collect_protocol").code is Refusal.NO_PROTOCOL_ACCOUNT


# Swaps.


def test_an_exact_input_meets_its_limit_or_is_refused(market):
    bought = market.view(POOL, "quote_exact_in", asset_in=X, asset_out=Y, units_in=10**12)
    pair = {"asset_in": X, "asset_out": Y}
    refused = market.refused(
        "bob", POOL, "swap_exact_in", spend={X: 10**12}, **pair, units_in=10**12, least_out=bought + 1
    )
    assert (refused.code, refused.facts) == (
        Refusal.LIMIT_MISSED,
        {"asset": Y, "units": str(bought), "least": str(bought + 1)},
    )
    assert sell(market, "bob", 10**12, least_out=bought) == bought
    assert market.world.balance("bob", X) == FUNDS - 10**12
    assert market.world.balance("bob", Y) == FUNDS + bought


def test_an_exact_output_meets_its_limit_or_is_refused(market):
    pair = {"asset_in": Y, "asset_out": X}
    cost = market.view(POOL, "quote_exact_out", **pair, units_out=10**12)
    arguments = {**pair, "units_out": 10**12}
    refused = market.refused("bob", POOL, "swap_exact_out", spend={Y: cost}, **arguments, most_in=cost - 1)
    assert (refused.code, refused.facts) == (
        Refusal.LIMIT_MISSED,
        {"asset": Y, "units": str(cost), "most": str(cost - 1)},
    )
    refused = market.refused("bob", POOL, "swap_exact_out", spend={Y: cost - 1}, **arguments, most_in=cost)
    assert refused.code is Code.BUDGET_EXCEEDED
    assert market.call("bob", POOL, "swap_exact_out", spend={Y: cost}, **arguments, most_in=cost) == str(cost)
    assert market.world.balance("bob", X) == FUNDS + 10**12


@pytest.mark.parametrize(("asset_in", "asset_out"), [(X, X), (X, Z), (Z, Y), ("", ""), (Y, "y")])
def test_other_pairs_of_assets_are_refused(market, asset_in, asset_out):
    pair = {"asset_in": asset_in, "asset_out": asset_out}
    for method, arguments in (
        ("swap_exact_in", {"units_in": 5, "least_out": 0}),
        ("swap_exact_out", {"units_out": 5, "most_in": 9}),
        ("swap_to_limit", {"units": 5, "sqrt_price_limit": Q96 - 1}),
    ):
        refused = market.refused("bob", POOL, method, spend={**ALL, Z: FUNDS}, **pair, **arguments)
        assert refused.code is Refusal.WRONG_ASSET


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("swap_exact_in", {"units_in": 0, "least_out": 0}, Code.AMOUNT_NOT_POSITIVE),
        ("swap_exact_in", {"units_in": -1, "least_out": 0}, Code.AMOUNT_NOT_POSITIVE),
        ("swap_exact_in", {"units_in": 2**255, "least_out": 0}, Code.AMOUNT_TOO_LARGE),
        ("swap_exact_in", {"units_in": 2**254, "least_out": 0}, Refusal.LIQUIDITY_EXHAUSTED),
        ("swap_exact_in", {"units_in": 1, "least_out": 0}, Refusal.OUTPUT_MISSING),
        ("swap_exact_out", {"units_out": 0, "most_in": 9}, Code.AMOUNT_NOT_POSITIVE),
        ("swap_exact_out", {"units_out": 10**17, "most_in": FUNDS}, Refusal.LIQUIDITY_EXHAUSTED),
        ("swap_to_limit", {"units": 0, "sqrt_price_limit": Q96 - 1}, Code.AMOUNT_NOT_POSITIVE),
        ("swap_to_limit", {"units": 5, "sqrt_price_limit": Q96}, Refusal.PRICE_LIMIT_INVALID),
        ("swap_to_limit", {"units": 5, "sqrt_price_limit": clp.SQRT_PRICE_MIN}, Refusal.PRICE_LIMIT_INVALID),
        ("swap_to_limit", {"units": 5, "sqrt_price_limit": 0}, Refusal.PRICE_LIMIT_INVALID),
        ("swap_to_limit", {"units": -(2**255), "sqrt_price_limit": Q96 - 1}, Code.AMOUNT_TOO_LARGE),
    ],
)
def test_amounts_and_limits_that_cannot_be_are_refused(market, method, arguments, code):
    refused = market.refused("bob", POOL, method, spend=ALL, asset_in=X, asset_out=Y, **arguments)
    assert refused.code is code


def test_exactly_all_of_a_side_can_be_bought_and_not_one_more(market):
    # What alice paid in, less the unit that was rounded up.
    pair = {"asset_in": X, "asset_out": Y}
    all_of_it = 29_553_010_879_137_169
    refused = market.refused(
        "bob", POOL, "swap_exact_out", spend=ALL, **pair, units_out=all_of_it + 1, most_in=FUNDS
    )
    assert refused.facts == {"asked": str(all_of_it + 1), "filled": str(all_of_it)}
    market.call("bob", POOL, "swap_exact_out", spend=ALL, **pair, units_out=all_of_it, most_in=FUNDS)


def test_a_swap_to_a_limit_stops_there_and_takes_no_more(market):
    limit = clp.sqrt_price_at_tick(-60)
    swapped = to_limit(market, "bob", 2**250, limit)
    assert swapped["sqrt_price"] == limit == state(market).sqrt_price
    assert market.world.balance("bob", X) == FUNDS - swapped["units_in"]
    quoted = market.view(
        POOL, "quote_to_limit", asset_in=X, asset_out=Y, units=-5, sqrt_price_limit=limit - 1
    )
    assert (quoted.units_out, quoted.sqrt_price) != (5, limit)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 10**19)), max_size=12))
def test_a_quote_is_the_trade_or_both_refuse_alike(trades):
    market = opened()
    mint(market, "alice", -600, 600, E18)
    mint(market, "bob", -120, 60, 5 * E18)
    for zero_for_one, exact_in, units in trades:
        pair = {"asset_in": X if zero_for_one else Y, "asset_out": Y if zero_for_one else X}
        side, limit, least = (
            ("in", {"units_in": units}, {"least_out": 0})
            if exact_in
            else ("out", {"units_out": units}, {"most_in": FUNDS})
        )
        swap = {"spend": ALL, **pair, **limit, **least}
        quoted = answer(market, f"quote_exact_{side}", **pair, **limit)
        if isinstance(quoted, int):
            assert market.call("carol", POOL, f"swap_exact_{side}", **swap) == str(quoted)
        else:
            assert market.refused("carol", POOL, f"swap_exact_{side}", **swap).code == quoted


def answer(market, view, **arguments):
    """Return a view's answer, or the code with which it refuses."""
    try:
        return market.view(POOL, view, **arguments)
    except Rejection as refused:
        return refused.code


# Flash loans.


def test_a_loan_comes_back_with_its_fee_to_the_liquidity_in_range():
    market = opened(**SHARED)
    mint(market, "alice", -600, 600, E18)
    units = {X: 1_000_001, Y: 7}
    owed = {X: 1_000_001 + 3_001, Y: 8}  # 0.3 %, rounded up
    before = market.balances("bob")
    market.world.do(
        "bob",
        call("bob", POOL, "flash", units=units),
        call("bob", POOL, "repay", spend=[(X, 4)], units={X: 4}),
        call(
            "bob", POOL, "repay", spend=[(X, owed[X] - 4), (Y, owed[Y])], units={X: owed[X] - 4, Y: owed[Y]}
        ),
    )
    after = market.balances("bob")
    assert {asset: before[asset] - after[asset] for asset in (X, Y)} == {X: 3_001, Y: 1}
    row = state(market)
    assert (row.protocol_0, row.protocol_1) == (750, 0)
    alice = market.view(POOL, "position", account="alice")[0]
    assert (alice.fees_0, alice.fees_1) == (2_250, 0)  # 2,251 and 1 less what rounding keeps


def test_a_loan_that_is_a_unit_short_never_happened(market):
    loan = call("bob", POOL, "flash", units={X: 1_000})
    for units in (1_000, 1_002):
        refused = market.world.refused(
            "bob", loan, call("bob", POOL, "repay", spend=[(X, units)], units={X: units})
        )
        assert refused.code is Code.OBLIGATION_OPEN
    refused = market.world.refused(
        "bob", loan, call("bob", POOL, "repay", spend=[(X, 1_004)], units={X: 1_004})
    )
    assert refused.code is Code.OBLIGATION_EXCEEDED
    market.world.do("bob", loan, call("bob", POOL, "repay", spend=[(X, 1_003)], units={X: 1_003}))


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ({}, Code.AMOUNT_NOT_POSITIVE),
        ({X: 0}, Code.AMOUNT_NOT_POSITIVE),
        ({X: 5, Y: -1}, Code.AMOUNT_NOT_POSITIVE),
        ({Z: 5}, Refusal.WRONG_ASSET),
        ({X: 29_553_010_879_137_171}, Refusal.LOAN_TOO_LARGE),
    ],
)
def test_a_loan_that_cannot_be_is_refused(market, units, code):
    assert market.refused("bob", POOL, "flash", units=units).code is code


def test_nobody_lends_where_nobody_provides(empty):
    mint(empty, "alice", 60, 120, E18)
    assert empty.refused("bob", POOL, "flash", units={X: 5}).code is Refusal.NO_LIQUIDITY
    assert empty.refused("bob", POOL, "repay", spend={X: 5}, units={X: 5}).code is Code.OBLIGATION_EXCEEDED


def test_while_a_loan_is_open_nothing_else_of_the_pool_answers(market):
    loan = call("bob", POOL, "flash", units={X: 1_000})
    back = call("bob", POOL, "repay", spend=[(X, 1_003)], units={X: 1_003})
    for method, arguments in (
        ("swap_exact_in", {"asset_in": X, "asset_out": Y, "units_in": 500, "least_out": 0}),
        ("mint", {"lower": -60, "upper": 60, "liquidity": 5}),
        ("flash", {"units": {Y: 5}}),
        ("collect_protocol", {}),
    ):
        inside = call("bob", POOL, method, spend=[(X, 10**6), (Y, 10**6)], **arguments)
        assert market.world.refused("bob", loan, inside, back).code is Code.OBLIGATION_OPEN


# Views.


def test_a_statement_tells_range_amounts_and_fees(market):
    sell(market, "bob", 10**9)
    sell(market, "bob", 10**9, asset_in=Y, asset_out=X)
    (statement,) = market.view(POOL, "position", account="alice")
    assert statement == Statement(
        lower=-600,
        upper=600,
        sqrt_price_lower=clp.sqrt_price_at_tick(-600),
        sqrt_price_upper=clp.sqrt_price_at_tick(600),
        in_range=True,
        liquidity=E18,
        units_0=statement.units_0,
        units_1=statement.units_1,
        fees_0=2_999_999,
        fees_1=2_999_999,
    )
    worth = [(X, statement.units_0 + statement.fees_0), (Y, statement.units_1 + statement.fees_1)]
    note = f"ticks -600 to 600, liquidity {E18}"
    assert market.view(POOL, "positions", account="alice") == [
        Position(asset=asset, units=units, note=note) for asset, units in worth
    ]
    where = {"lower": -600, "upper": 600}
    assert market.view(POOL, "exits", account="alice") == [
        Exit(method="close", arguments=where, asset=asset, units_now=units) for asset, units in worth
    ]
    paid = market.call("alice", POOL, "close", **where)
    assert [int(paid["units_0"]), int(paid["units_1"])] == [units for _, units in worth]
    assert market.view(POOL, "position", account="alice") == []
    assert market.view(POOL, "exits", account="alice") == []


def test_positions_are_each_owners_own(market):
    mint(market, "bob", -60, 60, 5)
    mint(market, "alice", -60, 60, 5)
    ranges = [(one.lower, one.upper) for one in market.view(POOL, "position", account="alice")]
    assert ranges == [(-600, 600), (-60, 60)]
    assert market.view(POOL, "position", account="carol") == []


def test_the_price_is_the_square_of_its_root_either_way():
    for tick in (-887_220, -60, 0, 60, 443_640, 887_220):
        market = opened(sqrt_price=clp.sqrt_price_at_tick(tick))
        there = market.view(POOL, "price", asset_in=X, asset_out=Y)
        back = market.view(POOL, "price", asset_in=Y, asset_out=X)
        assert (there.numerator, there.denominator) == (back.denominator, back.numerator)
        assert there.numerator < 2**256
        assert there.numerator * Q96**2 == pytest.approx(
            clp.sqrt_price_at_tick(tick) ** 2 * there.denominator
        )


def test_bands_are_the_liquidity_between_ticks(market):
    mint(market, "bob", -60, 60, 5 * E18)
    mint(market, "bob", 120, 180, 7 * E18)
    mint(market, "bob", -1_200, -600, 9 * E18)
    expected = [
        Band(-1_200, -600, 9 * E18),
        Band(-600, -60, E18),
        Band(-60, 60, 6 * E18),
        Band(60, 120, E18),
        Band(120, 180, 8 * E18),
        Band(180, 600, E18),
    ]
    assert market.view(POOL, "bands") == expected
    assert market.view(POOL, "bands", most=1) == expected[2:4]
    assert market.view(POOL, "bands", most=0) == []


@pytest.mark.parametrize(("asset_in", "asset_out"), [(X, Y), (Y, X)])
def test_depth_is_the_most_that_keeps_the_price_within_the_move(market, asset_in, asset_out):
    pair = {"asset_in": asset_in, "asset_out": asset_out}
    depth = market.view(POOL, "depth", **pair, move_bps=100)

    def price_after(units):
        with market.forked():
            sell(market, "bob", units, **pair)
            price = market.view(POOL, "price", **pair)
            return price.numerator, price.denominator

    numerator, denominator = price_after(depth)
    assert numerator * 10_000 >= denominator * 9_900
    numerator, denominator = price_after(depth + depth // 10**6)
    assert numerator * 10_000 < denominator * 9_900


@pytest.mark.parametrize("move_bps", [0, 10_000, -1])
def test_a_depth_of_no_move_or_all_is_refused(market, move_bps):
    with pytest.raises(Rejection) as refused:
        market.view(POOL, "depth", asset_in=X, asset_out=Y, move_bps=move_bps)
    assert refused.value.code is Refusal.MOVE_INVALID


def test_turnover_is_a_days_volume_over_what_is_held(market):
    sell(market, "bob", 10**15)
    sell(market, "bob", 10**15)
    held = 2 * 29_553_010_879_137_170
    yesterday, today = market.view(POOL, "turnover")
    assert (yesterday.volume_units, yesterday.turnover_ppm) == (0, 0)
    assert today.volume_units == 2 * 10**15
    assert today.held_units == pytest.approx(held, rel=0.01)
    assert today.turnover_ppm == 2 * 10**15 * 10**6 // today.held_units
    market.world.time += DAY * SECOND
    yesterday, today = market.view(POOL, "turnover")
    assert (yesterday.volume_units, today.volume_units) == (2 * 10**15, 0)
    market.world.time += DAY * SECOND
    assert [one.volume_units for one in market.view(POOL, "turnover")] == [0, 0]


def test_the_pool_describes_itself(market):
    assert market.view(POOL, "assets") == [X, Y]
    assert market.view(POOL, "backing") == []
    assert market.view(POOL, "powers") == []
    assert market.view(POOL, "dependencies") == Dependencies(assets=(X, Y))
    assert opened(**SHARED).view(POOL, "powers") == [
        Power("fees", "a fixed share of the fees", f"1/4 of the fees in {X} and 1/5 of the fees in {Y}")
    ]


# The time-weighted price.


def average(market, seconds, *, asset_in=X, asset_out=Y):
    arguments = {"asset_in": asset_in, "asset_out": asset_out, "window_seconds": seconds}
    return market.view(POOL, "time_weighted_price", **arguments)


def test_a_price_weighs_by_the_time_it_stood(market):
    market.world.time += 100 * SECOND
    tick = to_limit(market, "bob", 2**200, clp.sqrt_price_at_tick(-300))["tick"]
    assert tick == -300
    assert average(market, 100).numerator == Q96**2  # what this batch did weighs nothing yet
    market.world.time += 300 * SECOND
    mean = clp.sqrt_price_at_tick(-300 * 300 // 400)
    assert (average(market, 400).numerator, average(market, 400).seconds) == (mean**2, 400)
    assert average(market, 300).numerator == clp.sqrt_price_at_tick(-300) ** 2
    there, back = average(market, 400), average(market, 400, asset_in=Y, asset_out=X)
    assert (there.numerator, there.denominator) == (back.denominator, back.numerator)


def test_a_batch_that_moves_the_price_and_puts_it_back_moved_nothing(market):
    market.world.time += 100 * SECOND
    with market.forked():
        market.world.time += 100 * SECOND
        quiet = average(market, 100)
    low = clp.sqrt_price_at_tick(-590)
    to_limit(market, "bob", 2**200, low)
    to_limit(market, "bob", 2**200, Q96, asset_in=Y, asset_out=X)
    assert state(market).sqrt_price == Q96
    market.world.time += 100 * SECOND
    loud = average(market, 100)
    assert (loud.numerator, loud.denominator) == (quiet.numerator, quiet.denominator)


def test_history_is_refused_beyond_what_is_remembered(market):
    market.world.time += 60 * SECOND
    assert average(market, 60).seconds == 60
    for seconds in (61, 0, -5):
        with pytest.raises(Rejection) as refused:
            average(market, seconds)
        assert refused.value.code is Refusal.NO_HISTORY


@pytest.mark.long
def test_the_ring_of_observations_remembers_a_day_of_any_trade(market):
    """Trade every half minute for two days: the mean over any window up to a day is what the trades say."""
    draw = random.Random(7)
    moments = [(market.world.time, 0)]
    for _ in range(2 * 1_440 * 2):
        market.world.time += 30 * SECOND
        tick = draw.randrange(-500, 500)
        limit = clp.sqrt_price_at_tick(tick)
        down = limit < state(market).sqrt_price
        if limit != state(market).sqrt_price:
            pair = {"asset_in": X, "asset_out": Y} if down else {"asset_in": Y, "asset_out": X}
            to_limit(market, "bob", 2**200, limit, **pair)
        moments.append((market.world.time, state(market).tick))
    rows = sum(key[:2] == (f"{POOL}!", "observation") for key in market.world.store.values)
    assert rows == clp.OBSERVATIONS
    market.world.time += 17 * SECOND
    ends = [time for time, _ in moments[1:]] + [market.world.time]
    for window in (17, 18, 100, 3_600, DAY):
        answer = average(market, window)
        assert window <= answer.seconds <= window + clp.OBSERVATION_SECONDS
        start = market.world.time - answer.seconds * SECOND
        total = sum(
            tick * max(0, end - max(time, start)) for (time, tick), end in zip(moments, ends, strict=True)
        )
        mean = total // (answer.seconds * SECOND)
        assert answer.numerator == clp.sqrt_price_at_tick(mean) ** 2


# Whoever leaves is paid, in whatever order.

RANGES = [(-600, 600), (-120, 60), (0, 60), (-60, 0), (60, 180), (-887_220, 887_220)]
PROVIDERS = ("alice", "bob", "carol")
STEPS = st.one_of(
    st.tuples(st.just("mint"), st.sampled_from(PROVIDERS), st.sampled_from(RANGES), st.integers(1, 10**19)),
    st.tuples(st.just("burn"), st.sampled_from(PROVIDERS), st.sampled_from(RANGES), st.integers(1, 10**19)),
    st.tuples(st.just("collect"), st.sampled_from(PROVIDERS), st.sampled_from(RANGES), st.just(0)),
    st.tuples(st.just("sell"), st.just("fees"), st.sampled_from([(X, Y), (Y, X)]), st.integers(1, 10**18)),
)


def _do(market, step):
    kind, who, where, units = step
    try:
        match kind:
            case "mint":
                mint(market, who, *where, units)
            case "burn":
                market.call(who, POOL, "burn", lower=where[0], upper=where[1], liquidity=units)
            case "collect":
                market.call(who, POOL, "collect", lower=where[0], upper=where[1])
            case "sell":
                sell(market, who, units, asset_in=where[0], asset_out=where[1])
    except Rejection as refused:
        if refused.code is Code.CONTRACT_FAULT:
            raise


@settings(max_examples=30)
@given(st.lists(STEPS, min_size=3, max_size=25), st.randoms(use_true_random=False))
def test_everyone_leaves_with_what_the_statement_said(steps, draw):
    market = opened(**SHARED)
    for step in steps:
        _do(market, step)
    leaving = [(who, one) for who in PROVIDERS for one in market.view(POOL, "position", account=who)]
    draw.shuffle(leaving)
    for who, one in leaving:
        paid = market.call(who, POOL, "close", lower=one.lower, upper=one.upper)
        assert int(paid["units_0"]) == one.units_0 + one.fees_0
        assert int(paid["units_1"]) == one.units_1 + one.fees_1
    market.call("fees", POOL, "collect_protocol")
    # What is left is rounding: less than a few units for each step, and nobody's.
    assert state(market).liquidity == 0
    for asset in (X, Y):
        assert 0 <= market.world.balance(POOL, asset) < 8 * (len(steps) + 1) * len(RANGES)
    tables = {key[1] for key in market.world.store.values if key[0] == f"{POOL}!"}
    assert tables == {"pool", "observation"}


def test_a_plain_transfer_moves_no_price_and_no_claim(market):
    before = state(market)
    market.world.do("bob", transfer("bob", (X, POOL, 10**20)))
    assert state(market) == before
    assert (
        int(market.call("alice", POOL, "close", lower=-600, upper=600)["units_0"]) == 29_553_010_879_137_169
    )


def test_the_root_of_a_move_is_rounded_into_the_move():
    # 99 % of a square that is no square: the root must not be rounded out of the move.
    for square in (10**40, 10**40 + 1, 2**192):
        root = isqrt(-(-square * 9_900 // 10_000) - 1) + 1
        assert root**2 * 10_000 >= square * 9_900 > (root - 1) ** 2 * 10_000


def test_repaying_nothing_is_refused_whether_there_is_a_loan_or_not(market):
    refused = market.refused("bob", POOL, "repay", units={})
    assert (refused.code, refused.facts) == (Code.AMOUNT_NOT_POSITIVE, {"amount": "0"})
