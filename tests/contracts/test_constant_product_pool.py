import pytest
from msgspec.structs import replace

from tallystick.contracts.constant_product_pool import FEE_BPS_MAX, RESERVE_MAX, Observation, Refusal
from tallystick.ledger.contract import Backing, Exit, Position
from tallystick.ledger.pools import Price
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.transactions import ClawBack
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, call, create, issue, transfer

X, Y, Z = f"x@{ISSUER}", f"y@{ISSUER}", f"z@{ISSUER}"
POOL, SHARE = "pool", "share@pool"
FUNDS = 10**15
ALL = {X: FUNDS, Y: FUNDS}


@pytest.fixture
def empty():
    """A pool without liquidity, and three accounts with funds."""
    market = Market(accounts=("alice", "bob", "fees"))
    market.fund(FUNDS, X, Y, Z)
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y)
    return market


@pytest.fixture
def market(empty):
    """A pool of 1,000,000 x and 4,000,000 y, all from alice."""
    deposit(empty, "alice", 1_000_000, 4_000_000)
    return empty


def deposit(market, who, units_0, units_1, **more):
    spend = {asset: units for asset, units in ((X, units_0), (Y, units_1)) if units > 0}
    return market.call(who, POOL, "mint", spend=spend, units_0=units_0, units_1=units_1, **more)


def sell(market, who, units_in, *, asset_in=X, asset_out=Y, least_out=0):
    return int(
        market.call(
            who,
            POOL,
            "swap_exact_in",
            spend={asset_in: units_in},
            asset_in=asset_in,
            asset_out=asset_out,
            units_in=units_in,
            least_out=least_out,
        )
    )


def state(market):
    return market.view(POOL, "state")


def reserves(market):
    row = state(market)
    return row.reserve_0, row.reserve_1


# Deployment.


@pytest.mark.parametrize("fee_bps", [0, FEE_BPS_MAX])
def test_a_fee_within_its_bound_is_accepted(empty, fee_bps):
    empty.deploy("other", "constant_product_pool", asset_0=X, asset_1=Y, fee_bps=fee_bps)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"fee_bps": -1}, Refusal.PARAMETERS_INVALID),
        ({"fee_bps": FEE_BPS_MAX + 1}, Refusal.PARAMETERS_INVALID),
        ({"asset_1": X}, Refusal.PARAMETERS_INVALID),
        ({"asset_1": "none@mint"}, Code.UNKNOWN_ASSET),
        ({"asset_1": [Y]}, Code.ARGUMENTS_INVALID),
    ],
)
def test_a_pool_that_cannot_be_is_refused(empty, parameters, code):
    with pytest.raises(Rejection) as refused:
        empty.deploy("other", "constant_product_pool", **({"asset_0": X, "asset_1": Y} | parameters))
    assert refused.value.code is code


# Liquidity.


def test_the_first_deposit_is_worth_the_root_of_the_product_less_what_is_locked(market):
    assert market.world.balance("alice", SHARE) == 2_000_000 - 1_000
    assert market.world.balance("pool/locked", SHARE) == 1_000
    assert market.world.balance(POOL, SHARE) == -2_000_000


def test_the_first_deposit_must_be_worth_more_than_is_locked(empty):
    spend = {X: 1_000, Y: 1_002}
    refused = empty.refused("alice", POOL, "mint", spend=spend, units_0=1_000, units_1=1_000)
    assert (refused.code, refused.facts) == (Refusal.SHARES_MISSING, {"shares": "0"})
    assert deposit(empty, "alice", 1_001, 1_002) == {"shares": "1", "units_0": "1001", "units_1": "1002"}


@pytest.mark.parametrize(("units_0", "units_1"), [(0, 0), (1, 0), (0, 5)])
def test_a_deposit_worth_no_share_is_refused(market, units_0, units_1):
    spend = {asset: units for asset, units in ((X, units_0), (Y, units_1)) if units}
    refused = market.refused("bob", POOL, "mint", spend=spend, units_0=units_0, units_1=units_1)
    assert refused.code is Refusal.SHARES_MISSING


def test_an_unbalanced_deposit_is_a_gift_and_a_matched_one_is_not(market):
    with market.forked():
        given = deposit(market, "bob", 500_000, 3_000_000)
        assert given == {"shares": "1000000", "units_0": "500000", "units_1": "3000000"}
    matched = market.call(
        "bob", POOL, "add_liquidity", spend={X: 500_000, Y: 3_000_000}, most_0=500_000, most_1=3_000_000
    )
    assert matched == {"shares": "1000000", "units_0": "500000", "units_1": "2000000"}


@pytest.mark.parametrize(
    ("most", "took"),
    [((1_000, 4_000), (1_000, 4_000)), ((1_000, 3_999), (999, 3_999)), ((999, 4_000), (999, 3_996))],
)
def test_a_matched_deposit_rounds_to_less(market, most, took):
    given = market.call(
        "bob", POOL, "add_liquidity", spend={X: 1_000, Y: 4_000}, most_0=most[0], most_1=most[1]
    )
    assert (given["units_0"], given["units_1"]) == (str(took[0]), str(took[1]))


def test_a_donation_before_the_first_deposit_hinders_nobody(empty):
    empty.world.do("bob", transfer("bob", (X, POOL, 7)))
    empty.call("bob", POOL, "sync")
    given = empty.call("alice", POOL, "add_liquidity", spend={X: 2_000, Y: 8_000}, most_0=2_000, most_1=8_000)
    assert given == {"shares": "3000", "units_0": "2000", "units_1": "8000"}
    assert reserves(empty) == (2_007, 8_000)


def test_deposit_limits_missed_by_one_are_refused(market):
    spend = {X: 1_000, Y: 4_000}
    matched = {"most_0": 1_000, "most_1": 3_999}
    accepted = {"least_0": 999, "least_1": 3_999}
    for name, least in accepted.items():
        missed = {**matched, **accepted, name: least + 1}
        refused = market.refused("bob", POOL, "add_liquidity", spend=spend, **missed)
        assert refused.code is Refusal.LIMIT_MISSED
    with market.forked():
        market.call("bob", POOL, "add_liquidity", spend=spend, **matched, **accepted)
    exact = {"units_0": 1_000, "units_1": 4_000}
    refused = market.refused("bob", POOL, "mint", spend=spend, **exact, least_shares=2_001)
    assert refused.facts == {"asset": SHARE, "units": "2000", "least": "2001"}
    market.call("bob", POOL, "mint", spend=spend, **exact, least_shares=2_000)


def test_a_removal_pays_its_part_of_both_reserves_rounded_down(market):
    paid = market.call("alice", POOL, "remove_liquidity", spend={SHARE: 333_333}, shares=333_333)
    assert paid == {"shares": "333333", "units_0": "166666", "units_1": "666666"}
    assert reserves(market) == (833_334, 3_333_334)


def test_removal_limits_missed_by_one_are_refused(market):
    spend, fits = {SHARE: 333_333}, {"shares": 333_333, "least_0": 166_666, "least_1": 666_666}
    for name in ("least_0", "least_1"):
        missed = {**fits, name: fits[name] + 1}
        assert market.refused("alice", POOL, "remove_liquidity", spend=spend, **missed).code is (
            Refusal.LIMIT_MISSED
        )
    market.call("alice", POOL, "remove_liquidity", spend=spend, **fits)


def test_shares_worth_less_than_a_unit_are_not_burned_for_nothing(market):
    refused = market.refused("alice", POOL, "remove_liquidity", spend={SHARE: 1}, shares=1)
    assert refused.facts == {"shares": "1", "units_0": "0", "units_1": "2"}
    paid = market.call("alice", POOL, "remove_liquidity", spend={SHARE: 2}, shares=2)
    assert (paid["units_0"], paid["units_1"]) == ("1", "4")


def test_shares_that_the_caller_has_not_are_not_burned(market):
    assert market.refused("bob", POOL, "remove_liquidity", spend={SHARE: 500}, shares=500).code is (
        Code.INSUFFICIENT_BALANCE
    )
    assert market.refused("alice", POOL, "remove_liquidity", spend={SHARE: 499}, shares=500).code is (
        Code.BUDGET_EXCEEDED
    )


@pytest.mark.parametrize("method", ["remove_liquidity", "mint", "add_liquidity"])
def test_an_empty_pool_pays_nothing_and_takes_nothing_for_nothing(empty, method):
    arguments = {
        "remove_liquidity": {"shares": 1},
        "mint": {"units_0": 0, "units_1": 0},
        "add_liquidity": {"most_0": 0, "most_1": 9},
    }[method]
    expected = Refusal.NO_LIQUIDITY if method == "remove_liquidity" else Refusal.SHARES_MISSING
    assert empty.refused("alice", POOL, method, **arguments).code is expected


# Trades.


def test_a_quote_is_the_trade(market):
    quoted = market.view(POOL, "quote_exact_in", asset_in=X, asset_out=Y, units_in=10_000)
    assert quoted == 39_486  # 4,000,000 x 9,970 / 1,009,970
    assert sell(market, "bob", 10_000) == quoted
    cost = market.view(POOL, "quote_exact_out", asset_in=Y, asset_out=X, units_out=10_000)
    taken = market.call(
        "bob",
        POOL,
        "swap_exact_out",
        spend={Y: cost},
        asset_in=Y,
        asset_out=X,
        units_out=10_000,
        most_in=cost,
    )
    assert taken == str(cost) == "39725"
    assert market.world.balance("bob", X) == FUNDS


def test_trade_limits_missed_by_one_are_refused(market):
    sale = {"asset_in": X, "asset_out": Y, "units_in": 10_000}
    refused = market.refused("bob", POOL, "swap_exact_in", spend={X: 10_000}, **sale, least_out=39_487)
    assert refused.facts == {"asset": Y, "units": "39486", "least": "39487"}
    with market.forked():
        market.call("bob", POOL, "swap_exact_in", spend={X: 10_000}, **sale, least_out=39_486)
    purchase = {"asset_in": X, "asset_out": Y, "units_out": 39_486}
    refused = market.refused("bob", POOL, "swap_exact_out", spend=ALL, **purchase, most_in=9_999)
    assert refused.facts == {"asset": X, "units": "10000", "most": "9999"}
    market.call("bob", POOL, "swap_exact_out", spend={X: 10_000}, **purchase, most_in=10_000)


def test_one_unit_more_than_the_product_allows_is_refused(market):
    trade = {"in_0": 10_000, "in_1": 0, "out_0": 0}
    refused = market.refused("bob", POOL, "swap", spend={X: 10_000}, **trade, out_1=39_487)
    assert refused.code is Refusal.PRODUCT_FALLS
    assert int(refused.facts["product"]) < int(refused.facts["least"])
    market.call("bob", POOL, "swap", spend={X: 10_000}, **trade, out_1=39_486)


def test_both_sides_may_move_both_ways(market):
    market.call(
        "bob", POOL, "swap", spend={X: 2_000, Y: 8_100}, in_0=2_000, in_1=8_100, out_0=1_900, out_1=8_000
    )
    assert reserves(market) == (1_000_100, 4_000_100)


@pytest.mark.parametrize(
    ("trade", "code"),
    [
        ({"in_0": 10}, Refusal.OUTPUT_MISSING),
        ({"out_0": 10}, Refusal.INPUT_MISSING),
        ({"in_0": 10**14, "out_1": 4_000_000}, Refusal.RESERVE_EXCEEDED),
        ({"in_1": 10**14, "out_0": 1_000_000}, Refusal.RESERVE_EXCEEDED),
        ({"in_0": -1, "in_1": 10**6, "out_1": 1}, Code.AMOUNT_NOT_POSITIVE),
        ({"in_0": 10, "out_0": -5, "out_1": 1}, Code.AMOUNT_NOT_POSITIVE),
        ({"in_0": 1 << 128, "out_1": 1}, Code.AMOUNT_TOO_LARGE),
        ({"in_0": 1 << 256, "out_1": 1}, Code.AMOUNT_TOO_LARGE),
    ],
)
def test_trades_that_cannot_be_are_refused(market, trade, code):
    arguments = {"in_0": 0, "in_1": 0, "out_0": 0, "out_1": 0} | trade
    assert market.refused("bob", POOL, "swap", spend=ALL, **arguments).code is code


@pytest.mark.parametrize(
    ("trade", "code"),
    [
        ({"in_0": -1}, Refusal.OUTPUT_MISSING),
        ({"in_0": -1, "out_1": 4_000_000}, Refusal.RESERVE_EXCEEDED),
        ({"in_0": -1, "out_1": 3_999_999}, Code.AMOUNT_NOT_POSITIVE),
        ({"out_1": 3_999_999}, Refusal.INPUT_MISSING),
        ({"in_0": 1, "out_1": 3_999_999}, Refusal.PRODUCT_FALLS),
        ({"in_0": 10_000, "out_1": 39_486}, Code.BUDGET_EXCEEDED),
    ],
)
def test_of_all_that_is_wrong_with_a_trade_the_first_is_told(market, trade, code):
    arguments = {"in_0": 0, "in_1": 0, "out_0": 0, "out_1": 0} | trade
    assert market.refused("bob", POOL, "swap", **arguments).code is code


@pytest.mark.parametrize("pair", [(X, X), (X, Z), (Z, Y), (SHARE, X), ("", "")])
def test_other_assets_are_refused_by_swaps_and_views_alike(market, pair):
    arguments = {"asset_in": pair[0], "asset_out": pair[1]}
    refused = market.refused("bob", POOL, "swap_exact_in", spend=ALL, **arguments, units_in=9, least_out=0)
    assert refused.code is Refusal.WRONG_ASSET
    for name, more in (
        ("price", {}),
        ("quote_exact_in", {"units_in": 9}),
        ("quote_exact_out", {"units_out": 9}),
        ("depth", {"move_bps": 9}),
        ("time_weighted_price", {"window_seconds": 9}),
    ):
        with pytest.raises(Rejection) as unanswered:
            market.view(POOL, name, **arguments, **more)
        assert unanswered.value.code is Refusal.WRONG_ASSET


@pytest.mark.parametrize(
    ("method", "more", "code"),
    [
        ("swap_exact_in", {"units_in": 0, "least_out": 0}, Refusal.INPUT_MISSING),
        ("swap_exact_in", {"units_in": -7, "least_out": 0}, Refusal.INPUT_MISSING),
        ("swap_exact_in", {"units_in": RESERVE_MAX - 999_999, "least_out": 0}, Refusal.RESERVE_TOO_LARGE),
        ("swap_exact_out", {"units_out": 0, "most_in": 9}, Refusal.OUTPUT_MISSING),
        ("swap_exact_out", {"units_out": -7, "most_in": 9}, Refusal.OUTPUT_MISSING),
        ("swap_exact_out", {"units_out": 4_000_000, "most_in": 9}, Refusal.RESERVE_EXCEEDED),
    ],
)
def test_amounts_that_cannot_be_traded_are_refused_by_quote_and_swap_alike(market, method, more, code):
    pair = {"asset_in": X, "asset_out": Y}
    assert market.refused("bob", POOL, method, spend=ALL, **pair, **more).code is code
    units = {name: value for name, value in more.items() if name.startswith("units")}
    with pytest.raises(Rejection) as unanswered:
        market.view(POOL, f"quote_{method.removeprefix('swap_')}", **pair, **units)
    assert unanswered.value.code is code


def test_dust_that_buys_nothing_is_refused_rather_than_taken(market):
    sale = {"asset_in": Y, "asset_out": X, "least_out": 0}
    assert market.refused("bob", POOL, "swap_exact_in", spend={Y: 4}, **sale, units_in=4).code is (
        Refusal.OUTPUT_MISSING
    )
    assert market.call("bob", POOL, "swap_exact_in", spend={Y: 5}, **sale, units_in=5) == "1"


def test_an_empty_pool_has_no_price(empty):
    for name in ("price", "time_weighted_price"):
        more = {"window_seconds": 9} if name != "price" else {}
        with pytest.raises(Rejection) as unanswered:
            empty.view(POOL, name, asset_in=X, asset_out=Y, **more)
        assert unanswered.value.code is Refusal.NO_LIQUIDITY


def test_a_reserve_fills_112_bits_and_no_more():
    market = Market(accounts=("alice",))
    market.fund(RESERVE_MAX + 1, X, Y)
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y)
    deposit(market, "alice", RESERVE_MAX - 5, RESERVE_MAX - 5)
    sale = {"asset_in": X, "asset_out": Y, "least_out": 0}
    refused = market.refused("alice", POOL, "swap_exact_in", spend={X: 6}, **sale, units_in=6)
    assert refused.facts["reserve"] == str(RESERVE_MAX + 1)
    assert market.call("alice", POOL, "swap_exact_in", spend={X: 5}, **sale, units_in=5) == "4"
    market.world.do("alice", transfer("alice", (Y, POOL, 10)))
    assert market.refused("alice", POOL, "sync").code is Refusal.RESERVE_TOO_LARGE
    assert market.call("alice", POOL, "skim") == ["0", "10"]


# Surplus.


def test_a_plain_transfer_moves_no_price_until_it_is_synced(market):
    before = reserves(market)
    market.world.do("bob", transfer("bob", (X, POOL, 500_000)))
    assert reserves(market) == before
    assert market.view(POOL, "price", asset_in=X, asset_out=Y) == Price(4_000_000, 1_000_000)
    with market.forked():
        assert market.call("fees", POOL, "skim") == ["500000", "0"]
        assert market.world.balance("fees", X) == FUNDS + 500_000
        assert market.call("fees", POOL, "skim") == ["0", "0"]
    market.call("fees", POOL, "sync")
    assert market.view(POOL, "price", asset_in=X, asset_out=Y) == Price(4_000_000, 1_500_000)


def test_a_claw_back_from_the_pool_is_shared_by_the_providers():
    market = Market(accounts=("alice", "bob"))
    world = market.world
    world.do(ISSUER, create(ISSUER, "x", claw_back_by=ISSUER), create(ISSUER, "y"))
    world.do(ISSUER, issue(ISSUER, *((asset, who, FUNDS) for asset in (X, Y) for who in market.accounts)))
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y)
    deposit(market, "alice", 1_000_000, 1_000_000)
    world.do(ISSUER, ClawBack(account=ISSUER, asset=X, source=POOL, units="400000", reason="court order"))
    assert market.call("bob", POOL, "skim") == ["0", "0"]
    market.call("bob", POOL, "sync")
    assert reserves(market) == (600_000, 1_000_000)
    paid = market.call("alice", POOL, "remove_liquidity", spend={SHARE: 999_000}, shares=999_000)
    assert (paid["units_0"], paid["units_1"]) == ("599400", "999000")


def test_a_reserve_that_was_wholly_clawed_back_does_not_hold_the_other_one_back():
    market = Market(accounts=("alice", "bob"))
    world = market.world
    world.do(ISSUER, create(ISSUER, "x", claw_back_by=ISSUER), create(ISSUER, "y"))
    world.do(ISSUER, issue(ISSUER, *((asset, who, FUNDS) for asset in (X, Y) for who in market.accounts)))
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y)
    deposit(market, "alice", 1_000_000, 1_000_000)
    world.do(ISSUER, ClawBack(account=ISSUER, asset=X, source=POOL, units="1000000", reason="court order"))
    market.call("bob", POOL, "sync")
    assert reserves(market) == (0, 1_000_000)
    [way] = [way for way in market.view(POOL, "exits", account="alice") if way.units_now]
    assert (way.asset, way.units_now) == (Y, 999_000)
    few = market.refused("alice", POOL, "remove_liquidity", spend={SHARE: 1}, shares=0)
    assert few.code is Refusal.REMOVAL_TOO_SMALL
    paid = market.call("alice", POOL, way.method, spend=way.spend, receive={Y: 999_000}, **way.arguments)
    assert (paid["units_0"], paid["units_1"]) == ("0", "999000")


# Protocol fee.


@pytest.fixture
def fee_market():
    market = Market(accounts=("alice", "bob", "fees"))
    market.fund(10**21, X, Y)
    market.deploy(POOL, "constant_product_pool", asset_0=X, asset_1=Y, protocol_fee_to="fees")
    deposit(market, "alice", 10**18, 10**18)
    for _ in range(4):
        sell(market, "bob", 10**17)
        sell(market, "bob", 10**17, asset_in=Y, asset_out=X)
    return market


def test_the_protocol_gets_a_sixth_of_the_growth(fee_market):
    before = state(fee_market)
    deposit(fee_market, "alice", 10**9, 10**9)
    shares = fee_market.world.balance("pool/protocol", SHARE)
    supply = -fee_market.world.balance(POOL, SHARE)
    row = state(fee_market)
    root = 10**18  # of the product when alice came
    grown = int((before.reserve_0 * before.reserve_1) ** 0.5) - root
    worth = shares * int((row.reserve_0 * row.reserve_1) ** 0.5) // supply
    assert worth == pytest.approx(grown / 6, rel=1e-6)
    assert worth > 0


def test_only_the_named_account_collects(fee_market):
    assert fee_market.refused("fees", POOL, "collect").code is Refusal.NOTHING_TO_COLLECT
    deposit(fee_market, "alice", 10**9, 10**9)
    shares = fee_market.world.balance("pool/protocol", SHARE)
    assert fee_market.refused("alice", POOL, "collect").code is Refusal.NOTHING_TO_COLLECT
    assert fee_market.view(POOL, "positions", account="fees") == [
        Position(SHARE, shares, note="protocol fee")
    ]
    assert fee_market.view(POOL, "exits", account="fees") == [Exit("collect", {}, SHARE, shares)]
    assert fee_market.call("fees", POOL, "collect") == str(shares)
    assert fee_market.world.balance("fees", SHARE) == shares
    assert fee_market.view(POOL, "positions", account="fees") == []


def test_positions_already_count_the_fee_that_is_due(fee_market):
    worth = fee_market.view(POOL, "position", account="alice")
    paid = fee_market.call(
        "alice", POOL, "remove_liquidity", spend={SHARE: worth.shares}, shares=worth.shares
    )
    assert (paid["units_0"], paid["units_1"]) == (str(worth.units_0), str(worth.units_1))


# Flash loans.


def lend(units, who="bob"):
    return call(who, POOL, "flash", units=units)


def repay(units, who="bob"):
    return call(who, POOL, "repay", spend=units.items(), units=units)


def test_a_loan_is_repaid_in_kind_with_the_fee_and_one_unit_less_undoes_everything(market):
    results = market.world.do("bob", lend({X: 10_000}), repay({X: 10_031})).results
    assert results == [{X: "10031"}, True]
    assert reserves(market) == (1_000_031, 4_000_000)
    before = dict(market.world.store.values)
    with pytest.raises(Rejection) as refused:
        market.world.do("bob", lend({X: 10_000}), repay({X: 10_030}))
    assert refused.value.code is Code.OBLIGATION_OPEN
    assert market.world.store.values == before


def test_a_loan_is_repaid_in_the_other_asset_at_the_price_of_a_swap(market):
    cost = market.view(POOL, "quote_exact_out", asset_in=Y, asset_out=X, units_out=10_000)
    with market.forked():
        market.world.do("bob", lend({X: 10_000}), repay({Y: cost}))
    with pytest.raises(Rejection):
        market.world.do("bob", lend({X: 10_000}), repay({Y: cost - 2}))


def test_a_loan_of_both_assets_is_repaid_in_parts_by_anyone(market):
    results = market.world.do(
        "bob", lend({X: 10_000, Y: 40_000}), repay({Y: 40_121}), repay({X: 1}, "alice"), repay({X: 10_030})
    ).results
    assert results == [{X: "10031", Y: "40121"}, False, False, True]
    assert market.world.balance("alice", X) == FUNDS - 1_000_000 - 1


@pytest.mark.parametrize(
    ("units", "code"),
    [
        ({}, Refusal.OUTPUT_MISSING),
        ({X: 0}, Refusal.OUTPUT_MISSING),
        ({X: -1}, Code.AMOUNT_NOT_POSITIVE),
        ({Z: 1}, Refusal.WRONG_ASSET),
        ({X: 1_000_000}, Refusal.RESERVE_EXCEEDED),
    ],
)
def test_loans_that_cannot_be_are_refused(market, units, code):
    assert market.refused("bob", POOL, "flash", units=units).code is code


@pytest.mark.parametrize(
    ("units", "code"),
    [({}, Refusal.INPUT_MISSING), ({X: -1}, Code.AMOUNT_NOT_POSITIVE), ({Z: 1}, Refusal.WRONG_ASSET)],
)
def test_repayments_that_cannot_be_are_refused(market, units, code):
    spend = dict.fromkeys(units, 1)
    with pytest.raises(Rejection) as refused:
        market.world.do("bob", lend({X: 10}), call("bob", POOL, "repay", spend=spend.items(), units=units))
    assert refused.value.code is code


def test_there_is_nothing_to_repay_without_a_loan(market):
    assert market.refused("bob", POOL, "repay", spend={X: 1}, units={X: 1}).code is Refusal.NO_LOAN


# Time.


def mean(market, window_seconds, *, asset_in=X):
    answer = market.view(
        POOL,
        "time_weighted_price",
        asset_in=asset_in,
        asset_out=Y if asset_in == X else X,
        window_seconds=window_seconds,
    )
    return answer.numerator / answer.denominator, answer.seconds


def test_a_batch_cannot_move_the_time_weighted_price(market):
    market.world.wait(600)
    before = mean(market, 600)
    assert before == (4.0, 600)
    sell(market, "bob", 5_000_000)
    assert mean(market, 600) == before
    # A batch that makes and unmakes a price leaves nothing of it behind.
    sell(market, "bob", market.world.balance("bob", Y) - FUNDS, asset_in=Y, asset_out=X)
    row = state(market)
    market.world.wait(60)
    assert mean(market, 60)[0] == pytest.approx(row.reserve_1 / row.reserve_0, rel=1e-12)
    assert mean(market, 660)[0] == pytest.approx(
        (4 * 600 + row.reserve_1 / row.reserve_0 * 60) / 660, rel=1e-9
    )


def test_a_price_counts_for_the_seconds_that_it_stood(market):
    market.world.wait(540)
    sell(market, "bob", 1_000_000)
    moved = state(market)
    market.world.wait(60)
    price = moved.reserve_1 / moved.reserve_0
    assert mean(market, 600) == (pytest.approx((4 * 540 + price * 60) / 600), 600)
    assert mean(market, 60) == (pytest.approx(price), 60)
    assert mean(market, 600, asset_in=Y)[0] == pytest.approx((0.25 * 540 + 60 / price) / 600)


def test_a_window_that_begins_before_the_pool_is_refused(market):
    market.world.wait(600)
    sell(market, "bob", 1_000)
    assert mean(market, 600)[1] == 600
    with pytest.raises(Rejection) as refused:
        mean(market, 601)
    assert refused.value.facts == {"seconds": 601, "remembered_seconds": 600}


@pytest.mark.parametrize("window_seconds", [0, -1, DAY + 1])
def test_a_window_outside_a_day_is_refused(market, window_seconds):
    with pytest.raises(Rejection) as refused:
        mean(market, window_seconds)
    assert refused.value.code is Refusal.RANGE_INVALID


def test_a_busy_pool_remembers_a_day_and_little_more(market):
    for _ in range(300):
        market.world.wait(601)
        sell(market, "bob", 10)
    kept = [key for key in market.world.store.values if key[:2] == ("pool!", "observation")]
    assert len(kept) == 145  # every 601 seconds of a day, the newest and one that is older than the day
    assert mean(market, DAY)[1] == 144 * 601


def test_cumulative_prices_wrap_around_and_their_differences_stay_right(market):
    row = state(market)
    almost = (1 << 256) - 7
    second = row.updated
    market.world.store.write(
        {
            ("pool!", "pool"): replace(row, cumulative_0=almost, cumulative_1=almost),
            ("pool!", "observation", second): Observation(almost, almost),
        }
    )
    market.world.wait(100)
    market.call("bob", POOL, "sync")
    assert state(market).cumulative_0 == 400 * (1 << 112) - 7
    assert mean(market, 100) == (4.0, 100)


def test_history_begins_anew_when_a_price_returns(empty):
    empty.world.do("bob", transfer("bob", (X, POOL, 5)))
    empty.call("bob", POOL, "sync")
    empty.world.wait(300)
    deposit(empty, "alice", 10_000, 40_000)
    empty.world.wait(60)
    with pytest.raises(Rejection) as refused:
        mean(empty, 61)
    assert refused.value.code is Refusal.NO_HISTORY
    assert mean(empty, 60)[1] == 60


def test_turnover_is_volume_over_value_held_by_day(market):
    market.world.time += DAY * SECOND - market.world.time % (DAY * SECOND)
    sell(market, "bob", 100_000)
    market.world.time += DAY * SECOND
    sell(market, "bob", 100_000, asset_in=Y, asset_out=X)
    yesterday, today = market.view(POOL, "turnover")
    held = 2 * reserves(market)[0]
    assert (yesterday.volume_units, yesterday.held_units) == (100_000, held)
    assert yesterday.turnover_ppm == 100_000 * 1_000_000 // held
    assert today.volume_units == market.world.balance("bob", X) - FUNDS + 100_000
    assert today.day == yesterday.day + 1
    market.world.time += 2 * DAY * SECOND
    assert [day.volume_units for day in market.view(POOL, "turnover")] == [0, 0]


# Views and self-description.


@pytest.mark.parametrize("move_bps", [1, 100, 9_999])
@pytest.mark.parametrize("asset_in", [X, Y])
def test_depth_is_the_most_that_moves_the_price_so_far(market, asset_in, move_bps):
    pair = {"asset_in": asset_in, "asset_out": Y if asset_in == X else X}
    most = market.view(POOL, "depth", **pair, move_bps=move_bps)
    before = market.view(POOL, "price", **pair)

    def moved(units_in):
        with market.forked():
            market.world.mint(asset_in, bob=units_in)
            sell(market, "bob", units_in, **pair)
            after = market.view(POOL, "price", **pair)
        return 10_000 * (1 - after.numerator * before.denominator / (after.denominator * before.numerator))

    assert moved(most) <= move_bps * (1 + 1e-12)
    assert moved(most + 1) > move_bps


@pytest.mark.parametrize("move_bps", [0, 10_000, -1])
def test_depth_outside_its_range_is_refused(market, move_bps):
    with pytest.raises(Rejection) as refused:
        market.view(POOL, "depth", asset_in=X, asset_out=Y, move_bps=move_bps)
    assert refused.value.code is Refusal.RANGE_INVALID


def test_the_way_out_pays_what_it_says(market):
    deposit(market, "bob", 1_000, 4_000)
    sell(market, "bob", 777)
    ways = market.view(POOL, "exits", account="bob")
    assert {(way.method, way.arguments["shares"], *way.spend.items()) for way in ways} == {
        ("remove_liquidity", 2_000, (SHARE, 2_000))
    }
    receive = {way.asset: way.units_now for way in ways}
    market.call("bob", POOL, ways[0].method, spend=ways[0].spend, receive=receive, **ways[0].arguments)
    assert market.view(POOL, "exits", account="bob") == []


def test_the_pool_describes_itself(market):
    assert market.view(POOL, "backing") == [Backing(SHARE, X, 1_000_000), Backing(SHARE, Y, 4_000_000)]
    assert market.view(POOL, "powers") == []
    assert market.view(POOL, "dependencies").assets == (X, Y)
    assert market.view(POOL, "positions", account="alice") == []


def test_an_event_has_what_a_chart_needs(market):
    receipt = market.world.do(
        "bob",
        call(
            "bob",
            POOL,
            "swap_exact_in",
            spend=[(X, 10_000)],
            asset_in=X,
            asset_out=Y,
            units_in=10_000,
            least_out=1,
        ),
    )
    assert receipt.events == [
        (
            POOL,
            "swapped",
            {
                "in_0": "10000",
                "in_1": "0",
                "out_0": "0",
                "out_1": "39486",
                "reserve_0": "1010000",
                "reserve_1": "3960514",
                "trader": "bob",
            },
        )
    ]


def test_a_story_replays_to_the_same_state(market):
    sell(market, "bob", 5_000)
    market.world.wait(100)
    market.world.do("bob", lend({X: 10_000}), repay({X: 10_031}))
    market.call("alice", POOL, "remove_liquidity", spend={SHARE: 5_000}, shares=5_000)
    assert market.world.replayed().state.values == market.world.store.values
