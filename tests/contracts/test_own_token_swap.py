"""The own-token swap: Terra's formula and parameters, its limits, and every refusal beside a neighbour."""

import json
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts import oracle, own_token_swap
from tallystick.contracts.own_token_swap import DELTA_ONE, WARNING, Refusal, Rules, value_out
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Exit, Power
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts import feeds
from tests.contracts.market import Market
from tests.ledger.world import DAY, SECOND, deploy, transfer
from tests.shared_data import shared

SWAP, UST, LUNA = "terra-swap", "ust@terra-swap", "luna@terra-swap"
MILLION = 10**12
"""A million dollars in minor units of six decimals."""
MAY_2022 = {"base_pool": 50 * MILLION, "recovery_periods": 36}
BOUNDS = {
    "base_pool_least": 10 * MILLION,
    "base_pool_most": 100 * MILLION,
    "recovery_least": 18,
    "recovery_most": 14_400,
    "delay_seconds": DAY,
}


def found(**parameters):
    """Return a market with Terra's swap and an oracle by which a LUNA costs 80 UST."""
    market = Market(accounts=("terra", "alice", "bob"))
    world = market.world
    world.do("terra", tx.FoundInstitution(account="terra", name="terra-labs", roles=("issuer",)))
    world.do("terra", deployment(**parameters))
    more = {"stale_seconds": 400 * DAY}
    feeds.deploy_oracle(market, "luna-price", base=LUNA, quote=UST, **more)
    feeds.report(market, "luna-price", 80 * feeds.SCALE, 80 * feeds.SCALE, 80 * feeds.SCALE)
    return market


def deployment(**parameters):
    given = {
        "warning": WARNING,
        "oracle": "luna-price",
        "obligor": "terra-labs",
        "unit": "USD",
        "stable_code": "ust",
        "own_code": "luna",
        "opening_stable_units": 18_500 * MILLION,
        "opening_token_units": 343 * MILLION,
        **MAY_2022,
    } | parameters
    return tx.Deploy(
        account="terra",
        contract=SWAP,
        kind="own_token_swap",
        version=1,
        parameters=deploy("terra", SWAP, "own_token_swap", **given).parameters,
        obligor="terra-labs",
    )


@pytest.fixture
def market():
    return found()


def redeem(market, units, *, who="terra", least_out=0, **more):
    arguments = {"asset_in": UST, "asset_out": LUNA, "units_in": units, "least_out": least_out}
    return int(market.call(who, SWAP, "swap_exact_in", spend={UST: units}, **arguments, **more))


def make_stable(market, units, *, who="terra", least_out=0):
    arguments = {"asset_in": LUNA, "asset_out": UST, "units_in": units, "least_out": least_out}
    return int(market.call(who, SWAP, "swap_exact_in", spend={LUNA: units}, **arguments))


def facts():
    return json.loads(shared("risk/episode_facts.json").read_text())["terra"]["market_module"]


# What Terra published.


def test_the_stated_capacities_follow_from_the_formula():
    dollars_per_sdr = Fraction(1_443, 1_000)
    stated = facts()
    found = []
    for rules in ("may_2022", "prop_1164"):
        units = own_token_swap.capacity_units(
            Rules(int(stated[rules]["base_pool_sdr"]) * 10**6, stated[rules]["recovery_blocks"]),
            least_spread_ppm=int(stated["min_spread"] * 1_000_000),
            period_seconds=6,
            seconds=DAY,
        )
        found.append(round(units * dollars_per_sdr / MILLION, 1))
    assert found == [Fraction("293.0"), Fraction(1_172)]


def test_the_specs_example_of_the_virtual_pools():
    example = facts()["spec_example"]
    pool = example["pool"] * DELTA_ONE
    for redeems in (True, False):
        got = value_out(
            example["offer"] * DELTA_ONE,
            base_pool=pool,
            stable_pool=pool,
            redeems=redeems,
            least_spread_ppm=0,
        )
        assert got == 90_909090909090909090  # down from 90.909...
    assert abs(example["ask"] - got / DELTA_ONE) < 1e-9


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 10**15), st.integers(0, 40)), min_size=1, max_size=12)
)
def test_values_follow_the_keepers_rules_exactly_carried_in_fractions(steps):
    """An independent reckoning in fractions, block by block, as x/market's keeper does it."""
    base, period, least = Fraction(50 * MILLION), 36, Fraction(2, 100)
    delta, ours = Fraction(0), 0
    for redeems, units, blocks in steps:
        for _ in range(blocks):
            delta -= delta / period
        ours = own_token_swap.decayed(ours, recovery_periods=period, periods=blocks)
        assert 0 <= abs(Fraction(ours, DELTA_ONE)) - abs(delta) < Fraction(1, 10**9)
        stable_pool = base + delta
        luna_pool = base**2 / stable_pool
        offer, ask = (stable_pool, luna_pool) if redeems else (luna_pool, stable_pool)
        value = ask - base**2 / (offer + units)
        spread = max((units - value) / units, least)
        expected = units * (1 - spread)
        got = value_out(
            units * DELTA_ONE,
            base_pool=int(base) * DELTA_ONE,
            stable_pool=int(base) * DELTA_ONE + ours,
            redeems=redeems,
            least_spread_ppm=20_000,
        )
        assert abs(expected - Fraction(got, DELTA_ONE)) < Fraction(1, 10**6)
        delta += units if redeems else -expected
        ours += units * DELTA_ONE if redeems else -got
        # The two reckonings are set equal again, so that each step is judged by itself.
        delta = Fraction(ours, DELTA_ONE)


# A life.


def test_a_small_redemption_costs_the_least_spread_and_burns_what_came_in(market):
    supply = -market.world.balance(SWAP, UST), -market.world.balance(SWAP, LUNA)
    paid = redeem(market, 80 * 10**6)
    assert paid == 980_000  # 98 % of one LUNA
    assert (-market.world.balance(SWAP, UST), -market.world.balance(SWAP, LUNA)) == (
        supply[0] - 80 * 10**6,
        supply[1] + 980_000,
    )


def test_the_other_way_is_its_mirror(market):
    assert make_stable(market, 10**6) == 78_400_000  # 98 % of 80
    assert market.view(SWAP, "state").delta == -78_400_000 * DELTA_ONE


def test_a_run_pays_ever_less_and_a_pause_lets_it_recover(market):
    first = redeem(market, 10 * MILLION)
    second = redeem(market, 10 * MILLION)
    # 50^2 x 10 / (50 x 60), and 50^2 x 10 / (60 x 70), each over 80
    assert (first, second) == (8_333_333_333_333 // 80, 5_952_380_952_380 // 80)
    quote = market.view(SWAP, "quote", asset_in=UST, asset_out=LUNA, units_in=10 * MILLION)
    assert quote.spread_ppm == 553_572  # 50^2 / (70 x 80) is left
    market.world.time += 36 * 6 * SECOND
    assert market.view(SWAP, "state").delta // DELTA_ONE == 7_254_200_662_141  # 20 x (35/36)^36 millions
    market.world.time += DAY * SECOND
    assert redeem(market, 10 * MILLION) == first


def test_the_row_says_zero_never_quite_as_on_terra(market):
    redeem(market, 1_000)
    market.world.time += 365 * DAY * SECOND
    assert 0 < market.view(SWAP, "state").delta < DELTA_ONE


def test_the_exit_is_named_without_a_price_too_and_pays_nothing_then():
    market = found(freshness_seconds=60)
    market.world.time += 61 * SECOND
    [way] = market.view(SWAP, "exits", account="terra")
    assert (way.method, way.units_now, way.spend) == ("swap_exact_in", 0, {UST: 18_500 * MILLION})
    refused = market.refused("terra", SWAP, way.method, spend=way.spend, **way.arguments)
    assert refused.code is oracle.Refusal.STALE
    feeds.report(market, "luna-price", 80 * feeds.SCALE, 80 * feeds.SCALE, 80 * feeds.SCALE)
    [way] = market.view(SWAP, "exits", account="terra")
    assert way.units_now > 0


def test_a_swap_of_everything_still_pays_for_nothing_is_owed_that_cannot_be_made(market):
    units = market.world.balance("terra", UST)
    way = market.view(SWAP, "exits", account="terra")
    assert way == [
        Exit(
            "swap_exact_in",
            {"asset_in": UST, "asset_out": LUNA, "units_in": units, "least_out": 0},
            LUNA,
            # 18.5 billion dollars come for the price of 49.9 million
            623_315_363_881,
            spend={UST: units},
        )
    ]
    assert redeem(market, units, receive={LUNA: way[0].units_now}) == way[0].units_now


@pytest.mark.parametrize("order", list(permutations(("terra", "alice", "bob"))), ids="-".join)
def test_everyone_leaves_in_any_order_paid_as_told_at_the_turn_and_the_last_gets_least(order):
    market = found()
    third = 6_000 * MILLION
    gifts = (transfer("terra", (UST, who, third)) for who in ("alice", "bob"))
    market.world.do("terra", *gifts, transfer("terra", (UST, "mint", 500 * MILLION)))
    paid = []
    for who in order:
        [way] = market.view(SWAP, "exits", account=who)
        before = market.world.balance(who, LUNA)
        market.call(who, SWAP, way.method, spend=way.spend, receive={LUNA: way.units_now}, **way.arguments)
        paid.append(market.world.balance(who, LUNA) - before)
        assert market.world.balance(who, UST) == 0
        assert market.view(SWAP, "exits", account=who) == []
    # 50^2 x 6000 / (P (P + 6000)) million dollars, with P = 50, 6050, 12050, in tokens of 80
    assert paid == [619_834_710_743, 2_571_928_260, 862_059_056]


def test_it_describes_itself_with_the_warning(market):
    assert market.view(SWAP, "warning") == WARNING
    assert market.view(SWAP, "powers") == [
        Power("luna-price", "says at which price tokens are made", f"no bound. {WARNING}")
    ]
    assert market.view(SWAP, "backing") == []
    assert market.view(SWAP, "positions", account="terra") == []
    assert market.view(SWAP, "dependencies").oracles == ("luna-price",)
    assert market.view(SWAP, "assets") == [UST, LUNA]
    asset = market.world.get("asset", UST)
    assert (asset.kind, asset.obligor, asset.terms.owes) == ("claim", "terra-labs", "USD")
    assert market.world.get("asset", LUNA).kind == "token"


def test_other_rules_come_into_force_after_the_delay_and_from_that_moment_on():
    market = found(admin="bob", bounds=BOUNDS)
    redeem(market, 10 * MILLION)
    proposed = {"base_pool": 100 * MILLION, "recovery_periods": 18}
    due = int(market.call("bob", SWAP, "propose", **proposed))
    assert due == market.world.time + DAY * SECOND
    assert market.view(SWAP, "powers")[1] == Power(
        "bob",
        "changes the size and the recovery of the virtual pool",
        f"base_pool {10 * MILLION} to {100 * MILLION}, recovery_periods 18 to 14400",
        DAY,
    )
    market.world.time = due - 1
    before = market.view(SWAP, "capacity")
    assert market.view(SWAP, "state").rules == Rules(50 * MILLION, 36)
    market.world.time = due
    assert market.view(SWAP, "state").rules == Rules(100 * MILLION, 18)
    assert market.view(SWAP, "capacity") // before == 4
    redeem(market, 1_000_000)
    assert market.view(SWAP, "state").next_rules is None


# Refusals, each beside a neighbour.


def refused_deployment(**parameters):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
        found(**parameters)
    return caught.value


def test_it_cannot_be_deployed_without_the_warning():
    refused = refused_deployment(warning=WARNING[:-1])
    assert refused.code is Refusal.WARNING_MISSING
    assert refused.facts["warning"] == WARNING
    found(warning=WARNING)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"base_pool": 0}, {"base_pool": 1}),
        ({"recovery_periods": 0}, {"recovery_periods": 1}),
        ({"period_seconds": 0}, {"period_seconds": 1}),
        ({"least_spread_ppm": 1_000_000}, {"least_spread_ppm": 999_999}),
        ({"least_spread_ppm": -1}, {"least_spread_ppm": 0}),
        ({"quorum": -1}, {"quorum": 3}),
        ({"freshness_seconds": -1}, {"freshness_seconds": 1}),
        ({"own_code": "ust"}, {}),
        ({"opening_token_units": -1}, {}),
        ({"admin": "bob"}, {"admin": "bob", "bounds": BOUNDS}),
        ({"bounds": BOUNDS}, {"admin": "bob", "bounds": BOUNDS}),
        ({"admin": "bob", "bounds": BOUNDS | {"recovery_least": 0}}, {}),
        ({"admin": "bob", "bounds": BOUNDS | {"base_pool_least": 101 * MILLION}}, {}),
        ({"admin": "bob", "bounds": BOUNDS | {"delay_seconds": -1}}, {}),
    ],
)
def test_wrong_parameters(wrong, right):
    assert refused_deployment(**wrong).code is Refusal.PARAMETERS_INVALID
    found(**right)


def test_a_claim_only_on_an_obligor_that_consented():
    assert refused_deployment(obligor="somebody").code is Code.NOT_CONTROLLED


def test_a_limit_missed_by_one_unit(market):
    arguments = {"asset_in": UST, "asset_out": LUNA, "units_in": 80 * 10**6}
    refused = market.refused(
        "terra", SWAP, "swap_exact_in", spend={UST: 80 * 10**6}, **arguments, least_out=980_001
    )
    assert (refused.code, refused.facts["units"]) == (Refusal.LIMIT_MISSED, "980000")
    assert redeem(market, 80 * 10**6, least_out=980_000) == 980_000


def test_dust_that_buys_nothing_is_refused(market):
    assert (
        market.refused(
            "terra",
            SWAP,
            "swap_exact_in",
            spend={UST: 81},
            asset_in=UST,
            asset_out=LUNA,
            units_in=81,
            least_out=0,
        ).code
        is Refusal.OUTPUT_MISSING
    )
    assert redeem(market, 82) == 1


@pytest.mark.parametrize("pair", [(UST, UST), (LUNA, LUNA), ("x@mint", UST), (UST, "x@mint")])
def test_only_its_own_two_assets(market, pair):
    arguments = {"asset_in": pair[0], "asset_out": pair[1], "units_in": 1_000, "least_out": 0}
    assert market.refused("terra", SWAP, "swap_exact_in", **arguments).code is Refusal.WRONG_ASSET


@pytest.mark.parametrize("units", [0, -1, 1 << 128])
def test_no_units_or_too_many(market, units):
    arguments = {"asset_in": UST, "asset_out": LUNA, "units_in": units, "least_out": 0}
    code = Code.AMOUNT_NOT_POSITIVE if units <= 0 else Code.AMOUNT_TOO_LARGE
    assert market.refused("terra", SWAP, "swap_exact_in", **arguments).code is code


def test_only_the_admin_proposes_and_only_within_bounds():
    market = found(admin="bob", bounds=BOUNDS)
    rules = {"base_pool": 100 * MILLION, "recovery_periods": 18}
    assert market.refused("alice", SWAP, "propose", **rules).code is Refusal.NOT_THE_ADMIN
    for wrong in ({"base_pool": 100 * MILLION + 1}, {"recovery_periods": 17}):
        assert market.refused("bob", SWAP, "propose", **rules | wrong).code is Refusal.OUT_OF_BOUNDS
    market.call("bob", SWAP, "propose", **rules)
    assert found().refused("bob", SWAP, "propose", **rules).code is Refusal.NOT_THE_ADMIN


def test_without_a_price_there_is_no_swap_and_no_exit():
    market = found(oracle="nobody")
    arguments = {"asset_in": UST, "asset_out": LUNA, "units_in": 1_000, "least_out": 0}
    assert market.refused("terra", SWAP, "swap_exact_in", **arguments).code is Code.UNKNOWN_CONTRACT


def test_a_price_older_or_vouched_for_by_fewer_than_it_needs_makes_no_token():
    market = found(freshness_seconds=60, quorum=3)
    redeem(market, 80 * 10**6)
    arguments = {"asset_in": UST, "asset_out": LUNA, "units_in": 1_000, "least_out": 0}
    market.world.time += 61 * SECOND
    refused = market.refused("terra", SWAP, "swap_exact_in", spend={UST: 1_000}, **arguments)
    assert refused.code is oracle.Refusal.STALE
    feeds.report(market, "luna-price", 80 * feeds.SCALE, 80 * feeds.SCALE)
    refused = market.refused("terra", SWAP, "swap_exact_in", spend={UST: 1_000}, **arguments)
    assert (refused.code, refused.facts["fresh"]) == (oracle.Refusal.STALE, "2")
    market.world.time += SECOND
    feeds.report(market, "luna-price", 80 * feeds.SCALE, 80 * feeds.SCALE, 80 * feeds.SCALE)
    redeem(market, 80 * 10**6)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.booleans(), st.one_of(st.integers(82, 9_999), st.integers(1, 10**14)), st.integers(0, 90)
        ),
        min_size=1,
        max_size=10,
    )
)
def test_no_sequence_of_swaps_at_one_price_gains_anything(steps):
    """What the curve gives for coming back when the delta is large never exceeds the least spread's part."""
    market = found()

    def worth():
        return market.world.balance("terra", UST) + 80 * market.world.balance("terra", LUNA)

    last = worth()
    for redeems, units, blocks in steps:
        market.world.time += blocks * 6 * SECOND
        try:
            (redeem if redeems else make_stable)(market, units)
        except Rejection as refused:
            assert refused.code in (Refusal.OUTPUT_MISSING, Code.INSUFFICIENT_BALANCE)
        assert worth() <= last
        last = worth()


def test_the_admin_is_an_account_that_exists():
    with pytest.raises(Rejection) as caught:
        found(admin="nobody", bounds=BOUNDS)
    assert (caught.value.code, caught.value.facts) == (Code.UNKNOWN_ACCOUNT, {"account": "nobody"})
    found(admin="alice", bounds=BOUNDS)
