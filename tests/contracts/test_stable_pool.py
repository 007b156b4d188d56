import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts import stable_pool
from tallystick.contracts.stable_pool import FEE_ONE, LOCKED_SHARES, Refusal
from tallystick.ledger.contract import Backing, Dependencies, Exit, Power
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import ClawBack
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, call, create, issue, transfer

DECIMALS = {"dai": 18, "usdc": 6, "usdt": 6, "eur": 2}
DAI, USDC, USDT, EUR = (f"{code}@{ISSUER}" for code in DECIMALS)
POOL, SHARE = "pool", "share@pool"
GIVEN = {
    "assets": [DAI, USDC, USDT],
    "amplification": 100,
    "fee": 4_000_000,
    "admin": "admin",
    "admin_fee": 5 * 10**9,
}
FUNDS = 10**36
ALL = {DAI: FUNDS, USDC: FUNDS, USDT: FUNDS, SHARE: FUNDS}
BALANCED = [1_000 * 10**18, 1_000 * 10**6, 1_000 * 10**6]


def opened(**more):
    market = Market(accounts=("alice", "bob", "admin"))
    for code, decimals in DECIMALS.items():
        market.world.do(ISSUER, create(ISSUER, code, decimals=decimals))
        legs = [(f"{code}@{ISSUER}", who, FUNDS) for who in ("alice", "bob")]
        market.world.do(ISSUER, issue(ISSUER, *legs))
    parameters = GIVEN | more
    if parameters["fee"] == 0:
        del parameters["admin_fee"]
    market.deploy(POOL, "stable_pool", **parameters)
    return market


@pytest.fixture
def empty():
    return opened()


@pytest.fixture
def market(empty):
    """A thousand of each asset, all from alice, with a fee of four basis points."""
    add(empty, "alice", BALANCED)
    return empty


def act(market, who, method, **arguments):
    return market.call(who, POOL, method, spend=ALL, **arguments)


def refused(market, who, method, **arguments):
    return market.refused(who, POOL, method, spend=ALL, **arguments).code


def add(market, who, units, *, least_shares=0):
    return int(act(market, who, "add_liquidity", units=units, least_shares=least_shares))


def sell(market, who, units_in, *, asset_in=USDC, asset_out=DAI, least_out=0):
    pair = {"asset_in": asset_in, "asset_out": asset_out}
    return int(act(market, who, "swap_exact_in", **pair, units_in=units_in, least_out=least_out))


def reserves(market):
    return list(market.view(POOL, "state").reserves)


def price(market, asset_in, asset_out):
    found = market.view(POOL, "price", asset_in=asset_in, asset_out=asset_out)
    return Fraction(found.numerator, found.denominator)


# The invariant against its definition. Newton's method stops when two steps differ by one, and the source's
# divisions round at each asset, so D is exact to a few parts of 10^-18 while no asset is a hundred times
# rarer than another; beyond that the source's D drifts ever further, and here it is refused.

balance_lists = st.lists(st.integers(10**22, 10**24), min_size=2, max_size=4)


def missed_by(balances, value, amplification):
    """Return how far D is from solving the invariant exactly, in units of D."""
    n, product = len(balances), 1
    for balance in balances:
        product *= n * balance
    leverage = amplification * n

    def difference(d):
        return leverage * sum(balances) + d - leverage * d - Fraction(d ** (n + 1), product)

    return difference(value) / (difference(value) - difference(value + 1))


@given(balance_lists, st.integers(1, 5_000))
def test_d_solves_the_invariant_to_within_a_few_units(balances, amplification):
    value = stable_pool.invariant(balances, amplification)
    assert -4 <= missed_by(balances, value, amplification) <= 1


@given(balance_lists, st.integers(1, 5_000), st.data())
def test_the_solved_balance_gives_the_same_d(balances, amplification, data):
    value = stable_pool.invariant(balances, amplification)
    index = data.draw(st.integers(0, len(balances) - 1))
    others = balances[:index] + balances[index + 1 :]
    solved = stable_pool.solve_balance(others, value, amplification)
    again = stable_pool.invariant([*balances[:index], solved, *balances[index + 1 :]], amplification)
    # Where the curve is steep a unit of the balance is many of D.
    assert -25 <= again - value <= 2


def test_balanced_reserves_are_worth_their_sum():
    assert stable_pool.invariant([10**24] * 3, 100) == 3 * 10**24
    assert stable_pool.invariant([0, 0], 100) == 0


def test_numbers_beyond_256_bits_are_refused():
    for balances in ([2**127, 2**127], [1, 2**200]):
        with pytest.raises(Rejection) as caught:
            stable_pool.invariant(balances, 100)
        assert caught.value.code is Refusal.ARITHMETIC_RANGE
    assert stable_pool.invariant([2**80, 2**80], 100) == 2**81


# Deployment.


@pytest.mark.parametrize(
    "more",
    [
        {"fee": 0},
        {"fee": FEE_ONE // 2},
        {"admin_fee": FEE_ONE},
        {"amplification": 1},
        {"amplification": 999_999},
        {"assets": [DAI, USDC]},
        {"assets": [DAI, USDC, USDT, EUR]},
        {"locks_shares": False},
    ],
)
def test_parameters_at_their_bounds_are_accepted(more):
    opened(**more)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"fee": -1}, Refusal.PARAMETERS_INVALID),
        ({"fee": FEE_ONE // 2 + 1}, Refusal.PARAMETERS_INVALID),
        ({"admin_fee": -1}, Refusal.PARAMETERS_INVALID),
        ({"admin_fee": FEE_ONE + 1}, Refusal.PARAMETERS_INVALID),
        ({"amplification": 0}, Refusal.PARAMETERS_INVALID),
        ({"amplification": 1_000_000}, Refusal.PARAMETERS_INVALID),
        ({"assets": [DAI]}, Refusal.PARAMETERS_INVALID),
        ({"assets": [DAI, USDC, DAI]}, Refusal.PARAMETERS_INVALID),
        ({"assets": []}, Refusal.PARAMETERS_INVALID),
        ({"assets": [DAI, f"none@{ISSUER}"]}, Code.UNKNOWN_ASSET),
    ],
)
def test_a_pool_that_cannot_be_is_refused(more, code):
    with pytest.raises(Rejection) as caught:
        opened(**more)
    assert caught.value.code is code


def test_an_admin_fee_needs_an_admin_and_decimals_end_at_18():
    parameters = {name: value for name, value in GIVEN.items() if name != "admin"}
    market = opened()
    market.world.do(ISSUER, create(ISSUER, "fine", decimals=19))
    for more in ({}, {"admin": "admin", "assets": [DAI, f"fine@{ISSUER}"]}):
        with pytest.raises(Rejection) as caught:
            market.deploy("other", "stable_pool", **(parameters | more))
        assert caught.value.code is Refusal.PARAMETERS_INVALID
    del parameters["admin_fee"]
    market.deploy("other", "stable_pool", **parameters)


# Reserves that are far apart: Newton's method is then wrong by much, or does not end.


sizes = st.integers(0, 28).flatmap(lambda digits: st.integers(1, 10**digits))
far_apart = st.lists(sizes, min_size=2, max_size=8)


def exact_d(balances, amplification):
    """Return D, rounded down, by halving what is left of its range: slow, and never wrong."""
    n, low, high = len(balances), 0, sum(balances) + 1
    leverage = amplification * n
    while high - low > 1:
        tried = (low + high) // 2
        term = Fraction(tried ** (n + 1), n**n * math.prod(balances))
        if leverage * sum(balances) + tried >= leverage * tried + term:
            low = tried
        else:
            high = tried
    return low


@given(far_apart, st.integers(1, 999_999))
def test_d_is_right_within_its_error_or_refused(balances, amplification):
    try:
        value = stable_pool.invariant(balances, amplification)
    except Rejection as refused:
        assert refused.code in (Refusal.INEXACT, Refusal.ARITHMETIC_RANGE)
        return
    assert abs(value - exact_d(balances, amplification)) <= stable_pool.error_of(value)


@given(far_apart, st.integers(1, 999_999), st.integers(1, 10**28))
def test_a_solved_balance_and_one_unit_are_worth_d_within_its_error_or_refused(others, amplification, value):
    try:
        solved = stable_pool.solve_balance(others, value, amplification)
    except Rejection as refused:
        assert refused.code in (Refusal.INEXACT, Refusal.ARITHMETIC_RANGE)
        return
    worth = exact_d([*others, solved + 1], amplification)
    assert worth >= value - stable_pool.error_of(value)


@given(st.lists(st.integers(1, 10**24), min_size=2, max_size=8), st.integers(1, 999_999), st.integers(-2, 2))
def test_worth_is_decided_exactly(balances, amplification, off):
    value = exact_d(balances, amplification)
    assert stable_pool.is_worth(balances, value + off, amplification) is (off <= 0)


def test_how_far_d_may_be_off():
    assert [stable_pool.error_of(value) for value in (0, 10**12, 10**24)] == [1_000, 1_001, 10**12 + 1_000]


def dust_pool(units, **parameters):
    """A pool of assets with 18 decimals, founded with these units, that locks nothing."""
    names = [f"c{number}" for number in range(len(units))]
    market = Market(accounts=("alice", "bob"))
    for name in names:
        market.world.do(ISSUER, create(ISSUER, name, decimals=18))
        market.world.do(ISSUER, issue(ISSUER, *((f"{name}@{ISSUER}", who, FUNDS) for who in market.accounts)))
    assets = [f"{name}@{ISSUER}" for name in names]
    market.deploy(POOL, "stable_pool", assets=assets, locks_shares=False, **parameters)
    market.call(
        "alice", POOL, "add_liquidity", spend=dict.fromkeys(assets, FUNDS), units=units, least_shares=0
    )
    return market, assets


def test_a_deposit_into_reserves_that_have_no_sure_d_is_refused():
    """As the source computes it, D would grow 160-fold by 1,285 units, to own 98.9 % of five coins."""
    with pytest.raises(Rejection) as caught:
        dust_pool([10**18] * 5 + [5739496, 6], amplification=2, fee=4_000_000)
    assert caught.value.code is Refusal.INEXACT
    assert set(caught.value.facts) == {"what", "found", "error_max"}
    market, assets = dust_pool([10**18] * 5 + [5 * 10**15, 10**15], amplification=2, fee=4_000_000)
    spend = dict.fromkeys(assets, FUNDS)
    before = market.view(POOL, "virtual_price")
    market.call("bob", POOL, "add_liquidity", spend=spend, units=[0] * 5 + [1, 1284], least_shares=0)
    assert market.view(POOL, "virtual_price") >= before - 1


def test_a_swap_whose_balance_cannot_be_solved_surely_is_refused():
    """D is sure here, and what the swap would leave of the scarce asset is not."""
    market, assets = dust_pool([23_909, 734_902_067_053, 13_359], amplification=2, fee=0)
    swap = {"asset_in": assets[1], "asset_out": assets[0], "least_out": 0}
    spend = {assets[1]: FUNDS}
    refused = market.refused("bob", POOL, "exchange", spend=spend, units_in=366_284_097_640, **swap)
    assert refused.code is Refusal.INEXACT
    assert refused.facts == {"what": "balance", "found": "10646", "error_max": "1000"}
    market.call("bob", POOL, "exchange", spend=spend, units_in=10**9, **swap)


@given(st.data())
def test_no_call_lowers_exact_d_per_share_however_far_apart_the_reserves_are(data):
    n = data.draw(st.integers(2, 5))
    top = data.draw(st.integers(3, 24))
    size = st.integers(max(top - 9, 0), top).flatmap(lambda e: st.integers(10**e, 10 ** (e + 1)))
    units = [data.draw(size) for _ in range(n)]
    amplification = data.draw(st.sampled_from([1, 10, 100, 2_000, 999_999]))
    try:
        market, assets = dust_pool(units, amplification=amplification, fee=0)
    except Rejection:
        return
    spend = dict.fromkeys(assets, FUNDS) | {SHARE: FUNDS}
    for _ in range(6):
        balances = reserves(market)
        supply = -market.world.balance(POOL, SHARE)
        before = exact_d(balances, amplification)
        amount = data.draw(st.integers(0, top + 1).flatmap(lambda e: st.integers(1, 10**e)))
        one, other = data.draw(st.permutations(range(n)))[:2]
        pair = {"asset_in": assets[one], "asset_out": assets[other]}
        lists = [0] * n
        lists[one] = amount
        method, arguments = data.draw(
            st.sampled_from(
                [
                    ("exchange", {**pair, "units_in": amount, "least_out": 0}),
                    ("swap_exact_out", {**pair, "units_out": amount, "most_in": FUNDS}),
                    ("add_liquidity", {"units": lists, "least_shares": 0}),
                    ("remove_units", {"units": lists, "most_shares": FUNDS}),
                    (
                        "remove_one",
                        {"shares": min(amount, supply // 2 + 1), "asset": assets[one], "least": 0},
                    ),
                ]
            )
        )
        try:
            market.call("alice", POOL, method, spend=spend, **arguments)
        except Rejection:
            continue
        left = -market.world.balance(POOL, SHARE)
        error = 2 * stable_pool.error_of(before)
        if min(reserves(market)) > 0:
            after = exact_d(reserves(market), amplification)
            assert (after + 1 + error * left // supply) * supply >= (before - error) * left, method


def test_a_swap_keeps_a_unit_of_what_it_solves_for(market):
    """Newton's answer is rounded: that unit is what keeps the rounding with the pool."""
    common = [10**21] * 3
    value = stable_pool.invariant(common, 100)
    for units_in in (10**6, 123_456_789, 5 * 10**20):
        left = stable_pool.solve_balance([common[0] + units_in, common[2]], value, 100)
        dai_for_usdc = {"asset_in": DAI, "asset_out": USDC, "units_in": units_in}
        gross = common[1] - left - 1
        paid = (gross - gross * GIVEN["fee"] // FEE_ONE) // 10**12
        if paid:
            assert market.view(POOL, "quote_exact_in", **dai_for_usdc) == paid
    # And where a unit of the asset is a unit of the balance, it is seen in what is paid.
    fine = opened(assets=[USDC, DAI], fee=0)
    add(fine, "alice", [10**9, 10**21])
    value = stable_pool.invariant([10**21] * 2, 100)
    left = stable_pool.solve_balance([10**21 + 7 * 10**12], value, 100)
    seven = {"asset_in": USDC, "asset_out": DAI, "units_in": 7}
    assert fine.view(POOL, "quote_exact_in", **seven) == 10**21 - left - 1


# Deposits.


def test_the_first_deposit_needs_every_asset_and_is_worth_d(empty):
    for units in ([0, 10**6, 10**6], [1, 0, 0], [0, 0, 0]):
        code = refused(empty, "alice", "add_liquidity", units=units, least_shares=0)
        assert code is Refusal.FIRST_DEPOSIT_INCOMPLETE
    assert add(empty, "alice", BALANCED) == 3_000 * 10**18 - LOCKED_SHARES
    assert empty.world.balance(f"{POOL}/locked", SHARE) == LOCKED_SHARES
    assert empty.view(POOL, "virtual_price") == 10**18


def test_the_first_deposit_is_worth_more_than_is_locked():
    """Millionths of two coins, at an amplification that makes D all but their sum."""
    market = opened(assets=[DAI, USDC], amplification=999_999)
    deposit = {"units": [1, 1], "least_shares": 0}
    assert refused(market, "alice", "add_liquidity", **deposit) is Refusal.SHARES_MISSING
    assert add(market, "alice", [10**10, 1]) > 0


def test_a_balanced_deposit_pays_no_fee_and_an_unbalanced_one_does(market):
    with market.forked():
        assert add(market, "bob", [units // 10 for units in BALANCED]) == 300 * 10**18
    with market.forked():
        minted = add(market, "bob", [0, 300 * 10**6, 0])
        # A third of the fee on what is out of balance, 4 bp x 3/8 on 400 in distances; and some slippage.
        assert 299 * 10**18 < minted < 300 * 10**18 - 400 * 10**18 * 4 * 3 // 80_000
    free = opened(fee=0)
    add(free, "alice", BALANCED)
    assert add(free, "bob", [0, 300 * 10**6, 0]) > minted


@pytest.mark.parametrize(
    "units", [[10**18, 10**6], [10**18, 10**6, 10**6, 1], [10**18, -1, 10**6], [2**128, 0, 0], []]
)
def test_amounts_that_do_not_fit_the_assets_are_refused(market, units):
    if units:
        most = {"most_shares": FUNDS}
        assert refused(market, "alice", "remove_units", units=units, **most) is Refusal.UNITS_INVALID
        assert refused(market, "alice", "remove_liquidity", shares=5, least=units) is Refusal.UNITS_INVALID
    assert refused(market, "bob", "add_liquidity", units=units, least_shares=0) is Refusal.UNITS_INVALID


def test_a_deposit_worth_no_share_is_refused(market):
    code = refused(market, "bob", "add_liquidity", units=[0, 0, 0], least_shares=0)
    assert code is Refusal.SHARES_MISSING
    assert add(market, "bob", [2, 0, 0]) == 2
    sell(market, "bob", 5 * 10**6)  # now a share is worth more than one unit of D
    code = refused(market, "bob", "add_liquidity", units=[1, 0, 0], least_shares=0)
    assert code is Refusal.SHARES_MISSING


def test_deposit_limits_are_met_or_refused(market):
    units = [5 * 10**18, 0, 7 * 10**6]
    shares = market.view(POOL, "quote_add", units=units)
    code = refused(market, "bob", "add_liquidity", units=units, least_shares=shares + 1)
    assert code is Refusal.LIMIT_MISSED
    short = {DAI: 5 * 10**18, USDT: 7 * 10**6 - 1}
    arguments = {"units": units, "least_shares": shares}
    assert market.refused("bob", POOL, "add_liquidity", spend=short, **arguments).code is Code.BUDGET_EXCEEDED
    assert add(market, "bob", units, least_shares=shares) == shares
    assert market.world.balance("bob", SHARE) == shares


# Removals.


def test_shares_are_removed_for_their_part_of_everything(market):
    over = {"shares": 10**18, "least": [0, 333_334, 0]}
    assert refused(market, "alice", "remove_liquidity", **over) is Refusal.LIMIT_MISSED
    third = [333_333_333_333_333_333, 333_333, 333_333]
    paid = act(market, "alice", "remove_liquidity", shares=10**18, least=third)
    assert paid == [str(units) for units in third]


@pytest.mark.parametrize("shares", [0, -1])
def test_no_shares_remove_nothing(market, shares):
    for method, arguments in (
        ("remove_liquidity", {"least": [0, 0, 0]}),
        ("remove_one", {"asset": DAI, "least": 0}),
    ):
        assert refused(market, "alice", method, shares=shares, **arguments) is Code.AMOUNT_NOT_POSITIVE


def test_dust_and_strangers_remove_nothing(market):
    dust = {"shares": 10**11, "asset": USDC, "least": 0}
    assert refused(market, "alice", "remove_one", **dust) is Refusal.OUTPUT_MISSING
    add(market, "bob", [10**18, 10**6, 10**6])
    stranger = market.refused("admin", POOL, "remove_liquidity", spend=ALL, shares=1, least=[0, 0, 0])
    assert stranger.code in (Refusal.OUTPUT_MISSING, Code.INSUFFICIENT_BALANCE)
    for method, arguments in (
        ("remove_liquidity", {"shares": 10**15, "least": [0, 0, 0]}),
        ("remove_one", {"shares": 10**15, "asset": DAI, "least": 0}),
        ("remove_units", {"units": [10**15, 0, 0], "most_shares": FUNDS}),
    ):
        assert refused(market, "admin", method, **arguments) is Code.INSUFFICIENT_BALANCE
        assert market.refused("bob", POOL, method, **arguments).code is Code.BUDGET_EXCEEDED
        act(market, "bob", method, **arguments)


def test_exact_units_cost_their_quote_and_one_share_less_is_refused(market):
    units = [0, 250 * 10**6, 10**6]
    cost = market.view(POOL, "quote_remove_units", units=units)
    assert refused(market, "alice", "remove_units", units=units, most_shares=cost - 1) is Refusal.LIMIT_MISSED
    before = market.world.balance("alice", USDC)
    assert act(market, "alice", "remove_units", units=units, most_shares=cost) == str(cost)
    assert market.world.balance("alice", USDC) == before + 250 * 10**6


def test_one_asset_pays_its_quote_and_one_unit_more_is_refused(market):
    arguments = {"shares": 500 * 10**18, "asset": USDT}
    quoted = market.view(POOL, "quote_remove_one", **arguments)
    assert 495 * 10**6 < quoted < 500 * 10**6
    assert refused(market, "alice", "remove_one", **arguments, least=quoted + 1) is Refusal.LIMIT_MISSED
    assert act(market, "alice", "remove_one", **arguments, least=quoted) == str(quoted)
    assert refused(market, "alice", "remove_one", shares=5, asset=EUR, least=0) is Refusal.WRONG_ASSET


def test_more_than_there_is_cannot_leave(market):
    units = [0, 1_000 * 10**6 + 1, 0]
    code = refused(market, "alice", "remove_units", units=units, most_shares=FUNDS)
    assert code is Refusal.RESERVE_EXCEEDED
    units = [0, 1_000 * 10**6, 0]  # exactly all of one asset would leave no price
    assert refused(market, "alice", "remove_units", units=units, most_shares=FUNDS) is Refusal.NO_LIQUIDITY
    shares = 3_000 * 10**18
    over = {"shares": shares + 1, "asset": DAI, "least": 0}
    assert refused(market, "alice", "remove_one", **over) is Refusal.RESERVE_EXCEEDED
    act(market, "alice", "remove_units", units=[0, 999 * 10**6, 0], most_shares=FUNDS)


def test_a_pool_that_locks_no_shares_and_that_everyone_left_starts_anew():
    market = opened(locks_shares=False)
    add(market, "alice", BALANCED)
    act(market, "alice", "remove_liquidity", shares=3_000 * 10**18, least=BALANCED)
    assert reserves(market) == [0, 0, 0]
    assert market.view(POOL, "exits", account="alice") == []
    pair = {"asset_in": DAI, "asset_out": USDC}
    for method, arguments in (
        ("swap_exact_in", {**pair, "units_in": 10**18, "least_out": 0}),
        ("swap_exact_out", {**pair, "units_out": 1, "most_in": FUNDS}),
        ("remove_units", {"units": [1, 0, 0], "most_shares": FUNDS}),
    ):
        code = refused(market, "alice", method, **arguments)
        assert code in (Refusal.NO_LIQUIDITY, Refusal.RESERVE_EXCEEDED)
    for view, arguments in (("virtual_price", {}), ("price", pair)):
        with pytest.raises(Rejection) as caught:
            market.view(POOL, view, **arguments)
        assert caught.value.code is Refusal.NO_LIQUIDITY
    assert add(market, "bob", BALANCED) == 3_000 * 10**18


def test_a_pool_that_everyone_left_but_the_locked_shares_starts_anew_with_what_lies_in_it(market):
    act(market, "alice", "remove_liquidity", shares=3_000 * 10**18 - LOCKED_SHARES, least=[0, 0, 0])
    left = reserves(market)
    assert max(left) <= 10**12
    gift = 10**6 * 10**6
    market.world.do("alice", transfer("alice", (USDC, POOL, gift)))
    market.call("admin", POOL, "sync")
    incomplete = {"units": [0, 10**9, 10**9], "least_shares": 0}
    assert refused(market, "bob", "add_liquidity", **incomplete) is Refusal.FIRST_DEPOSIT_INCOMPLETE
    minted = add(market, "bob", BALANCED)
    assert market.world.balance(f"{POOL}/locked", SHARE) == LOCKED_SHARES
    assert market.view(POOL, "virtual_price") == 10**18
    assert minted > 3_000 * 10**18
    act(market, "bob", "remove_liquidity", shares=minted, least=[0, gift, 0])


# Swaps.


def test_an_exact_input_meets_its_limit_or_is_refused(market):
    pair = {"asset_in": USDC, "asset_out": DAI}
    bought = market.view(POOL, "quote_exact_in", **pair, units_in=10**6)
    assert 999 * 10**15 < bought < 10**18
    short = {**pair, "units_in": 10**6, "least_out": bought + 1}
    assert refused(market, "bob", "swap_exact_in", **short) is Refusal.LIMIT_MISSED
    assert sell(market, "bob", 10**6, least_out=bought) == bought
    assert market.world.balance("bob", DAI) == FUNDS + bought
    assert market.world.balance("bob", USDC) == FUNDS - 10**6


def test_an_exact_output_meets_its_limit_or_is_refused(market):
    pair = {"asset_in": DAI, "asset_out": USDT, "units_out": 5 * 10**6}
    cost = market.view(POOL, "quote_exact_out", **pair)
    assert refused(market, "bob", "swap_exact_out", **pair, most_in=cost - 1) is Refusal.LIMIT_MISSED
    assert act(market, "bob", "swap_exact_out", **pair, most_in=cost) == str(cost)
    assert market.world.balance("bob", USDT) == FUNDS + 5 * 10**6


@settings(max_examples=100)
@given(
    st.sampled_from([DAI, USDC, USDT]),
    st.sampled_from([DAI, USDC, USDT]),
    st.integers(1, 900 * 10**6),
    st.sampled_from([0, 4_000_000, FEE_ONE // 2]),
)
def test_an_exact_output_costs_hardly_more_than_it_must_and_never_less(asset_in, asset_out, units, fee):
    """What is charged buys the units by an exact input, and a hair less does not."""
    if asset_in == asset_out:
        return
    market = opened(fee=fee)
    add(market, "alice", [500 * 10**18, 1_200 * 10**6, 1_300 * 10**6])
    pair = {"asset_in": asset_in, "asset_out": asset_out}
    units_out = units * 10**12 if asset_out == DAI else units
    try:
        cost = market.view(POOL, "quote_exact_out", **pair, units_out=units_out)
    except Rejection as caught:
        if caught.code is not Refusal.RESERVE_EXCEEDED:
            raise
        return
    assert market.view(POOL, "quote_exact_in", **pair, units_in=cost) >= units_out
    hair = 10 + cost // 10**9 if asset_in == DAI else 2 + cost // 10**9
    if cost > hair:
        try:
            less = market.view(POOL, "quote_exact_in", **pair, units_in=cost - hair)
        except Rejection:
            less = 0
        assert less < units_out


@pytest.mark.parametrize(
    ("asset_in", "asset_out"), [(DAI, DAI), (DAI, EUR), (EUR, DAI), ("", ""), (SHARE, DAI)]
)
def test_other_pairs_of_assets_are_refused(market, asset_in, asset_out):
    pair = {"asset_in": asset_in, "asset_out": asset_out}
    for method, arguments in (
        ("swap_exact_in", {"units_in": 5, "least_out": 0}),
        ("swap_exact_out", {"units_out": 5, "most_in": 9}),
        ("exchange", {"units_in": 5, "least_out": 0}),
    ):
        assert refused(market, "bob", method, **pair, **arguments) is Refusal.WRONG_ASSET


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("swap_exact_in", {"units_in": 0, "least_out": 0}, Code.AMOUNT_NOT_POSITIVE),
        ("swap_exact_in", {"units_in": -5, "least_out": 0}, Code.AMOUNT_NOT_POSITIVE),
        ("swap_exact_in", {"units_in": 2**128, "least_out": 0}, Code.AMOUNT_TOO_LARGE),
        ("swap_exact_in", {"units_in": 2**128 - 1, "least_out": 0}, Code.BUDGET_EXCEEDED),
        ("swap_exact_in", {"units_in": 10**11, "least_out": 0}, Refusal.OUTPUT_MISSING),
        ("swap_exact_out", {"units_out": 0, "most_in": 5}, Code.AMOUNT_NOT_POSITIVE),
        ("swap_exact_out", {"units_out": 1_000 * 10**6, "most_in": FUNDS}, Refusal.RESERVE_EXCEEDED),
        ("swap_exact_out", {"units_out": 2**128, "most_in": FUNDS}, Code.AMOUNT_TOO_LARGE),
        ("exchange", {"units_in": 0, "least_out": 0}, Code.AMOUNT_NOT_POSITIVE),
        ("exchange", {"units_in": 10**11, "least_out": 1}, Refusal.LIMIT_MISSED),
    ],
)
def test_amounts_that_cannot_be_are_refused(market, method, arguments, code):
    assert refused(market, "bob", method, asset_in=DAI, asset_out=USDC, **arguments) is code


def test_exchange_takes_dust_for_nothing_from_whoever_says_so(market):
    dust = {"asset_in": DAI, "asset_out": USDC, "units_in": 10**11, "least_out": 0}
    assert act(market, "bob", "exchange", **dust) == "0"
    assert reserves(market) == [BALANCED[0] + 10**11, *BALANCED[1:]]
    assert refused(market, "bob", "swap_exact_in", **dust) is Refusal.OUTPUT_MISSING


OPERATIONS = st.one_of(
    st.tuples(st.just("add"), st.lists(st.integers(0, 500), min_size=3, max_size=3)),
    st.tuples(st.just("remove"), st.integers(1, 400)),
    st.tuples(st.just("remove_one"), st.tuples(st.integers(1, 300), st.integers(0, 2))),
    st.tuples(st.just("remove_units"), st.lists(st.integers(0, 300), min_size=3, max_size=3)),
    st.tuples(st.just("swap"), st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 10**9))),
    st.tuples(st.just("flash"), st.integers(1, 10**8)),
)


def operate(market, kind, given):
    """Make one random call as alice; whole units are of each asset."""
    assets = GIVEN["assets"]
    scale = [10 ** DECIMALS[asset.partition("@")[0]] for asset in assets]
    match kind:
        case "add":
            add(market, "alice", [units * one for units, one in zip(given, scale, strict=True)])
        case "remove":
            act(market, "alice", "remove_liquidity", shares=given * 10**18, least=[0, 0, 0])
        case "remove_one":
            shares, index = given
            act(market, "alice", "remove_one", shares=shares * 10**18, asset=assets[index], least=0)
        case "remove_units":
            units = [units * one for units, one in zip(given, scale, strict=True)]
            act(market, "alice", "remove_units", units=units, most_shares=FUNDS)
        case "swap":
            source, target, units = given
            pair = {"asset_in": assets[source], "asset_out": assets[target]}
            sell(market, "alice", units * scale[source] // 10**6, **pair)
        case "flash":
            market.world.do(
                "alice",
                call("alice", POOL, "flash", units={USDC: given}),
                call("alice", POOL, "repay", spend=[(USDC, 2 * given)], units={USDC: _with_fee(given)}),
            )


def _with_fee(units):
    return units - (-units * 4_000_000 // FEE_ONE)


@settings(max_examples=40)
@given(st.lists(st.one_of(OPERATIONS), max_size=12))
def test_no_call_lowers_what_a_share_is_worth(operations):
    market = opened()
    add(market, "alice", BALANCED)
    add(market, "bob", BALANCED)
    worth = market.view(POOL, "virtual_price")
    for kind, given_ in operations:
        try:
            operate(market, kind, given_)
        except Rejection as caught:
            if caught.code is Code.CONTRACT_FAULT:
                raise
        after = market.view(POOL, "virtual_price")
        assert after >= worth, kind
        worth = after
        for asset, backing in zip(GIVEN["assets"], market.view(POOL, "backing"), strict=True):
            assert market.world.balance(POOL, asset) >= backing.units
    # The one provider who did nothing leaves with no less than was put in, at par.
    paid = act(market, "bob", "remove_liquidity", shares=3_000 * 10**18, least=[0, 0, 0])
    scale = [1, 10**12, 10**12]
    common = [int(units) * one for units, one in zip(paid, scale, strict=True)]
    assert stable_pool.invariant(common, 100) >= 3_000 * 10**18 - 3 * 10**12


# Fees and the admin.


def test_half_of_the_fee_is_the_admins_and_anyone_may_send_it(market):
    sell(market, "bob", 100 * 10**6)
    surplus = market.view(POOL, "surplus")
    assert surplus[1:] == [0, 0]
    assert surplus[0] == pytest.approx(100 * 10**18 * 2 // 10_000, rel=0.01)
    assert act(market, "bob", "withdraw_surplus") == [str(units) for units in surplus]
    assert market.world.balance("admin", DAI) == surplus[0]
    assert market.view(POOL, "surplus") == [0, 0, 0]


def test_a_plain_transfer_moves_no_price_and_is_the_admins(market):
    before = price(market, DAI, USDC), market.view(POOL, "virtual_price")
    market.world.do("bob", transfer("bob", (USDC, POOL, 10**9)))
    assert (price(market, DAI, USDC), market.view(POOL, "virtual_price")) == before
    assert refused(market, "bob", "sync") is Refusal.NOT_ADMIN
    market.call("admin", POOL, "sync")
    assert reserves(market) == [BALANCED[0], BALANCED[1] + 10**9, BALANCED[2]]
    assert market.view(POOL, "virtual_price") > before[1]


def test_without_an_admin_a_surplus_is_the_providers_and_nothing_ever_changes():
    market = Market(accounts=("alice",))
    market.fund(10**12, "x@mint", "y@mint")
    market.deploy(POOL, "stable_pool", assets=["x@mint", "y@mint"], amplification=10, fee=0)
    spend = {"x@mint": 10**6, "y@mint": 10**6}
    market.call("alice", POOL, "add_liquidity", spend=spend, units=[10**6, 10**6], least_shares=0)
    market.world.do("alice", transfer("alice", ("x@mint", POOL, 7)))
    for method, arguments in (
        ("withdraw_surplus", {}),
        ("stop_ramp", {}),
        ("ramp", {"amplification": 20, "end": market.world.time + 2 * DAY * SECOND}),
    ):
        assert market.refused("alice", POOL, method, **arguments).code is Refusal.NOT_ADMIN
    assert market.view(POOL, "powers") == []
    market.call("alice", POOL, "sync")
    assert reserves(market) == [10**6 + 7, 10**6]


def test_anyone_writes_down_a_claw_back_and_all_providers_bear_it_alike():
    market = Market(accounts=("alice", "bob", "admin"))
    world = market.world
    world.do(ISSUER, create(ISSUER, "x", claw_back_by=ISSUER), create(ISSUER, "y"))
    funds = ((asset, who, 10**9) for asset in ("x@mint", "y@mint") for who in market.accounts)
    world.do(ISSUER, issue(ISSUER, *funds))
    assets = ["x@mint", "y@mint"]
    market.deploy(POOL, "stable_pool", assets=assets, amplification=10, fee=0, admin="admin")
    for who in ("alice", "bob"):
        spend = dict.fromkeys(assets, 10**6)
        market.call(who, POOL, "add_liquidity", spend=spend, units=[10**6, 10**6], least_shares=0)
    world.do("admin", transfer("admin", ("y@mint", POOL, 500)))
    assert market.refused("bob", POOL, "sync").code is Refusal.NOT_ADMIN
    world.do(ISSUER, ClawBack(account=ISSUER, asset="x@mint", source=POOL, units="1500000", reason="order"))
    market.call("bob", POOL, "sync")
    # The gift of y stays what it was: the admin's to take or to give.
    assert reserves(market) == [500_000, 2 * 10**6]
    for who in ("alice", "bob"):
        way, *_ = market.view(POOL, "exits", account=who)
        receive = {"x@mint": 249_999, "y@mint": 999_999}
        market.call(who, POOL, way.method, spend=way.spend, receive=receive, **way.arguments)
    assert max(reserves(market)) <= 2  # for the shares that are nobody's


# The ramp.


def ramp(market, amplification, seconds, *, who="admin"):
    end = market.world.time + seconds * SECOND
    return market.call(who, POOL, "ramp", amplification=amplification, end=end)


def test_a_ramp_moves_in_a_straight_line_and_stays(market):
    ramp(market, 300, DAY)
    quarter = DAY // 4
    for seconds, expected in ((0, 100), (quarter, 150), (quarter, 200), (2 * quarter - 1, 299), (1, 300)):
        market.world.time += seconds * SECOND
        assert market.view(POOL, "amplification") == expected
    ramp(market, 30, 2 * DAY)
    market.world.time += DAY * SECOND
    assert market.view(POOL, "amplification") == 165
    market.call("admin", POOL, "stop_ramp")
    market.world.time += DAY * SECOND
    assert market.view(POOL, "amplification") == 165


def test_a_ramp_is_the_admins_slow_and_tenfold_at_most(market):
    with pytest.raises(Rejection) as caught:
        ramp(market, 200, DAY, who="bob")
    assert caught.value.code is Refusal.NOT_ADMIN
    assert market.refused("bob", POOL, "stop_ramp").code is Refusal.NOT_ADMIN
    first, last = (str(market.world.time + days * DAY * SECOND) for days in (1, 36_500))
    for amplification, seconds, bounds in (
        (200, DAY - 1, (first, last)),
        (200, 36_500 * DAY + 1, (first, last)),
        (1_001, DAY, ("10", "1000")),
        (9, DAY, ("10", "1000")),
        (0, DAY, ("1", "999999")),
        (-5, DAY, ("1", "999999")),
        (10**6, DAY, ("1", "999999")),
    ):
        with pytest.raises(Rejection) as caught:
            ramp(market, amplification, seconds)
        assert caught.value.code is Refusal.RAMP_INVALID
        assert (caught.value.facts["least"], caught.value.facts["most"]) == bounds
    for amplification, seconds in ((1_000, DAY), (10, DAY), (200, 36_500 * DAY)):
        with market.forked():
            ramp(market, amplification, seconds)
    ramp(market, 1_000, DAY)
    market.world.time += (DAY - 1) * SECOND
    with pytest.raises(Rejection) as caught:
        ramp(market, 900, DAY)
    assert caught.value.code is Refusal.RAMP_INVALID
    market.world.time += SECOND
    ramp(market, 900, DAY)


def test_everyone_can_leave_while_it_ramps(market):
    add(market, "bob", [10**18, 0, 0])
    ramp(market, 1_000, DAY)
    market.world.time += DAY * SECOND // 2
    for who in ("bob", "alice"):
        (way, *_) = market.view(POOL, "exits", account=who)
        market.call(who, POOL, way.method, spend=way.spend, **way.arguments)
    assert -market.world.balance(POOL, SHARE) == LOCKED_SHARES
    # A millionth's worth is left for the locked shares, and less than a unit of each for every rounding.
    assert reserves(market)[0] < 10**12
    assert max(reserves(market)[1:]) <= 3


# Flash loans.


def test_a_loan_comes_back_with_its_fee_or_never_happened(market):
    loan = call("bob", POOL, "flash", units={USDC: 10**6, DAI: 7})
    owed = {USDC: 10**6 + 400, DAI: 8}
    for short in ({USDC: 10**6 + 399, DAI: 8}, {USDC: 10**6 + 400, DAI: 7}):
        back = call("bob", POOL, "repay", spend=short.items(), units=short)
        assert market.world.refused("bob", loan, back).code is Code.OBLIGATION_OPEN
    swap = {"asset_in": USDC, "asset_out": DAI, "units_in": 5, "least_out": 0}
    inside = call("bob", POOL, "swap_exact_in", spend=[(USDC, 5)], **swap)
    back = call("bob", POOL, "repay", spend=owed.items(), units=owed)
    assert market.world.refused("bob", loan, inside, back).code is Code.OBLIGATION_OPEN
    done = market.world.do("bob", loan, back)
    assert done.results == [{DAI: "8", USDC: "1000400"}, True]
    # Half of the fee stays with the providers; a fee of one unit entirely.
    assert reserves(market) == [BALANCED[0] + 1, BALANCED[1] + 200, BALANCED[2]]
    assert market.view(POOL, "surplus") == [0, 200, 0]


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ({}, Code.AMOUNT_NOT_POSITIVE),
        ({DAI: 0}, Code.AMOUNT_NOT_POSITIVE),
        ({DAI: -1}, Code.AMOUNT_NOT_POSITIVE),
        ({EUR: 5}, Refusal.WRONG_ASSET),
        ({USDC: 1_000 * 10**6 + 1}, Refusal.RESERVE_EXCEEDED),
    ],
)
def test_a_loan_that_cannot_be_is_refused(market, units, code):
    assert market.refused("bob", POOL, "flash", units=units).code is code


def test_nothing_is_repaid_that_was_not_lent(market):
    code = refused(market, "bob", "repay", units={USDC: 5})
    assert code is Code.OBLIGATION_EXCEEDED


# Views.


def test_the_price_is_the_slope_of_the_curve(market):
    assert price(market, DAI, USDC) == Fraction(1, 10**12)
    sell(market, "bob", 600 * 10**6, asset_in=USDC, asset_out=DAI)
    marginal = price(market, USDC, DAI)
    assert marginal < 10**12
    assert price(market, DAI, USDC) == 1 / marginal
    with market.forked():
        bought = sell(market, "bob", 10**4)
    # A small trade gets the price less the fee of four basis points.
    assert bought == pytest.approx(float(10**4 * marginal * 9_996 / 10_000), rel=10**-4)


@pytest.mark.parametrize("move_bps", [1, 50, 5_000])
def test_depth_is_the_most_that_keeps_the_price_within_the_move(market, move_bps):
    pair = {"asset_in": USDC, "asset_out": DAI}
    least = price(market, **pair) * (10_000 - move_bps) / 10_000
    depth = market.view(POOL, "depth", **pair, move_bps=move_bps)
    for units, stays in ((depth, True), (depth + 1, False)):
        with market.forked():
            sell(market, "bob", units)
            assert (price(market, **pair) >= least) is stays


@pytest.mark.parametrize("move_bps", [0, 10_000, -1])
def test_a_depth_of_no_move_or_all_is_refused(market, move_bps):
    with pytest.raises(Rejection) as caught:
        market.view(POOL, "depth", asset_in=DAI, asset_out=USDC, move_bps=move_bps)
    assert caught.value.code is Refusal.MOVE_INVALID


def test_turnover_is_a_days_volume_over_what_is_held_at_par(market):
    sell(market, "bob", 100 * 10**6)
    yesterday, today = market.view(POOL, "turnover")
    assert (yesterday.volume_units, today.volume_units, today.asset) == (0, 100 * 10**18, DAI)
    dai, usdc, usdt = reserves(market)
    assert today.held_units == dai + (usdc + usdt) * 10**12
    assert today.turnover_ppm == 100 * 10**18 * 10**6 // today.held_units
    market.world.time += DAY * SECOND
    yesterday, today = market.view(POOL, "turnover")
    assert (yesterday.volume_units, today.volume_units) == (100 * 10**18, 0)


def test_the_pool_describes_itself(market):
    assert market.view(POOL, "assets") == [DAI, USDC, USDT]
    assert market.view(POOL, "backing") == [
        Backing(SHARE, asset, units) for asset, units in zip(GIVEN["assets"], BALANCED, strict=True)
    ]
    shares = 3_000 * 10**18 - LOCKED_SHARES
    owned = [units * shares // (3_000 * 10**18) for units in BALANCED]
    assert market.view(POOL, "position", account="alice") == owned
    assert market.view(POOL, "position", account="bob") == [0, 0, 0]
    leave = {"shares": shares, "least": [0, 0, 0]}
    assert market.view(POOL, "exits", account="alice") == [
        Exit("remove_liquidity", leave, asset, units, spend={SHARE: shares})
        for asset, units in zip(GIVEN["assets"], owned, strict=True)
    ]
    assert market.view(POOL, "dependencies") == Dependencies(assets=(DAI, USDC, USDT))
    assert market.view(POOL, "powers") == [
        Power("admin", "ramp the amplification", "tenfold at most, 1 to 999999, in a straight line", DAY),
        Power("admin", "stop a ramp", "where it stands; the next starts a day later at the soonest"),
        Power(
            "admin",
            "receive what is beyond the reserves",
            "5000000000 parts of 10000000000 of the fees, and plain transfers to the pool",
        ),
        Power("admin", "give what is beyond the reserves to the providers", "no more than that"),
    ]


def test_one_asset_pays_a_part_of_10_18_less_than_the_curve_says():
    """In an asset of 18 decimals the unit that is kept shows: without a fee nothing else is."""
    market = opened(fee=0)
    add(market, "alice", BALANCED)
    balances, shares = [1_000 * 10**18] * 3, 123_456_789_012_345_678_901
    left = stable_pool.solve_balance(balances[1:], 3_000 * 10**18 - shares, 100)
    paid = market.view(POOL, "quote_remove_one", shares=shares, asset=DAI)
    assert paid == balances[0] - left - 1


def test_repaying_nothing_is_refused_whether_there_is_a_loan_or_not(market):
    refused = market.refused("bob", POOL, "repay", units={})
    assert (refused.code, refused.facts) == (Code.AMOUNT_NOT_POSITIVE, {"amount": "0"})


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (Refusal.OUTPUT_MISSING, "all"),
        (Refusal.INEXACT, 0),
        (Refusal.ARITHMETIC_RANGE, 0),
        (Code.AMOUNT_TOO_LARGE, 0),
        (Code.WORK_EXCEEDED, None),
        (Refusal.NO_LIQUIDITY, None),
    ],
)
def test_depth_takes_no_other_refusal_for_an_answer(market, monkeypatch, code, found):
    """A swap too small to be paid moves nothing, one beyond the formula too much."""

    def refuses(*_):
        raise Rejection(code)

    monkeypatch.setattr(stable_pool, "_exchanged", refuses)
    asked = {"asset_in": DAI, "asset_out": USDC, "move_bps": 100}
    if found is None:
        assert market.refused_view(POOL, "depth", **asked).code is code
    else:
        assert market.view(POOL, "depth", **asked) == (2**128 - 1 if found == "all" else found)
