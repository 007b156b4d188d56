"""Pools by hand: a maker fills one of each kind, a trader quotes, trades and routes, both leave."""

import json

import pytest

from tests.cli.desk import Desk

SQRT_ONE = 1 << 96


POOLS = {
    "pair constant_product_pool": {"asset_0": "eur@bank", "asset_1": "gold@bank"},
    "ranges concentrated_liquidity_pool": {
        "asset_0": "eur@bank",
        "asset_1": "usd@bank",
        "fee_ppm": 3000,
        "tick_spacing": 60,
        "sqrt_price": str(SQRT_ONE),
    },
    "par stable_pool": {"assets": ["eur@bank", "usd@bank"], "amplification": 100, "fee": 4_000_000},
    "router route": {},
}
ISSUED = {
    "maker": {"eur": 100_000, "usd": 100_000, "gold": 1_000},
    "trader": {"eur": 1_000, "usd": 1_000, "gold": 10},
}

EMPTY = [
    "asset create usd --issuer bank --kind claim --obligor bank-ag --owes USD --decimals 2",
    "asset create gold --issuer bank --kind token --decimals 3",
    *(f"asset issue {asset}@bank {who} {much}" for who, to in ISSUED.items() for asset, much in to.items()),
    *(
        f"contract deploy {what} --account maker --args '{json.dumps(given)}'"
        for what, given in POOLS.items()
    ),
]
FILLED = [
    *EMPTY,
    "pool add pair maker eur@bank=8000 gold@bank=100",
    "pool add par maker eur@bank=5000 usd@bank=5000",
    "pool add ranges maker eur@bank=3000 usd@bank=3000 --between 0.9:1.1",
]


@pytest.fixture
def desk(tmp_path):
    """Euro (2 decimals), dollar (2) and gold (3); pools not yet filled; a route."""
    return Desk(tmp_path).start("maker", "trader", then=EMPTY)


@pytest.fixture
def market(tmp_path):
    return Desk(tmp_path).start("maker", "trader", then=FILLED)


def net(document, account, asset):
    """Return what a receipt moved on an account, in minor units."""
    moved = document["receipt"]["postings"]
    return sum(int(change) for who, what, change, _ in moved if (who, what) == (account, asset))


def test_a_trade_is_what_its_quote_said(market):
    quote = market.json("pool quote pair 10.00 eur@bank gold@bank")
    # 1,000 cents less 0.3% against 800,000 cents and 100,000 milligrams, by the formula of section 3.
    assert quote["units_out"] == str(997 * 1000 * 100_000 // (800_000 * 1000 + 997 * 1000)) == "124"
    assert quote["least_out"] == "124"
    assert quote["price"] == "0.0124"
    wider = market.json("pool quote pair 10.00 eur@bank gold@bank --slippage 5%")
    assert wider["least_out"] == "118"
    assert "10.00 eur@bank for 0.124 gold@bank" in market("pool quote pair 10.00 eur@bank gold@bank")
    done = market.json("pool swap pair trader 10.00 eur@bank gold@bank")
    assert (net(done, "trader", "eur@bank"), net(done, "trader", "gold@bank")) == (-1000, 124)


def test_a_quote_says_whom_one_trusts_afterwards(market):
    trust = market.json("pool quote ranges 10.00 eur@bank usd@bank")["trust"]
    assert [one["name"] for one in trust["obligors"]] == ["bank-ag"]
    assert trust == market.json("trust usd@bank")
    told = market("pool quote ranges 10.00 eur@bank usd@bank")
    assert "holding usd@bank you would rely on: owed by bank-ag 100.0 %" in told
    # Gold is a token here: nobody owes anything.
    told = market("pool quote pair 10.00 eur@bank gold@bank")
    assert "holding gold@bank you would rely on nobody" in told


def test_an_exact_output_costs_what_its_quote_said(market):
    quote = market.json("pool quote pair 0.500 eur@bank gold@bank --exact-out --slippage 1%")
    assert int(quote["most_in"]) == int(quote["units_in"]) * 101 // 100
    done = market.json("pool swap pair trader 0.500 eur@bank gold@bank --exact-out")
    assert net(done, "trader", "gold@bank") == 500
    assert net(done, "trader", "eur@bank") == -int(quote["units_in"])


def test_a_price_that_moved_further_than_signed_is_refused_and_moves_nothing(market):
    market("pool swap pair trader 10.00 eur@bank gold@bank --slippage 0% --out sale.tx")
    market("pool swap pair maker 500.00 eur@bank gold@bank")
    before = market.units("trader")
    market.refused("submit sale.tx", code="constant_product_pool.limit_missed")
    assert market.units("trader") == before


def test_a_signed_slippage_admits_that_much_and_no_more(market):
    market("pool swap pair trader 10.00 eur@bank gold@bank --slippage 20% --out sale.tx")
    market("pool swap pair maker 500.00 eur@bank gold@bank")
    market("submit sale.tx")
    assert market.units("trader") == 99_000


def test_a_dry_run_says_what_would_happen_and_changes_nothing(market):
    told = market("pool swap ranges trader 10 eur@bank usd@bank --dry-run")
    assert "nothing was written" in told
    assert "trader -10.00 eur@bank" in told
    assert market.units("trader") == 100_000


def test_a_deposit_takes_no_more_than_is_in_proportion(market):
    done = market.json("pool add pair trader eur@bank=800.00 gold@bank=1.000")
    assert (net(done, "trader", "eur@bank"), net(done, "trader", "gold@bank")) == (-8000, -1000)
    [position] = market.jsonl("pool position pair trader")
    # Shares are whole, and one of these is worth 2.83 cents: rounding costs the depositor less than one.
    assert position["shares"] == "2828"
    assert position["units"] == {"eur@bank": "7998", "gold@bank": "999"}


@pytest.mark.parametrize("pool", ["pair", "par", "ranges"])
def test_a_provider_leaves_half_then_all_with_no_slippage(market, pool):
    """Without slippage the limits must be met to the unit, whole and in part."""
    [before] = market.jsonl(f"pool position {pool} maker")
    ends = list(before["units"])
    half = market.json(f"pool remove {pool} maker --part 50% --slippage 0%")
    for asset in ends:
        assert abs(net(half, "maker", asset) - int(before["units"][asset]) // 2) <= 1
    market(f"pool remove {pool} maker --slippage 0%")
    assert market.jsonl(f"pool position {pool} maker") == []
    refused = market.refused(f"pool remove {pool} maker", code="pool_error", exit_code=2)
    assert "has nothing in" in refused["message"]


def test_fees_are_part_of_a_position_and_are_taken_out_with_it(market):
    market("pool swap ranges trader 500 eur@bank usd@bank")
    [position] = market.jsonl("pool position ranges maker")
    assert int(position["fees"]["eur@bank"]) == pytest.approx(150, abs=1)  # 0.3% of 500.00
    assert position["in_range"] is True
    assert position["prices"] == "0.897632 to 1.10075"  # 1.0001 to the -1080 and the 960: the nearest ticks
    gone = market.json("pool remove ranges maker")
    assert net(gone, "maker", "eur@bank") == int(position["units"]["eur@bank"])


@pytest.mark.parametrize("moved", ["eur@bank usd@bank", "usd@bank eur@bank"])
def test_a_range_is_taken_at_the_price_that_was_quoted_or_not_at_all(market, moved):
    """Its liquidity takes less of one asset and more of the other after somebody moved the price."""
    for name, slippage in (("strict", "0%"), ("wide", "5%")):
        market(
            f"pool add ranges maker eur@bank=1000 usd@bank=100 --ticks -1080:960 --slippage {slippage}"
            f" --out {name}.tx"
        )
    market("pool swap ranges trader 50 " + moved)
    strict = market.refused("submit strict.tx", code="budget_exceeded")
    assert int(strict["facts"]["asked"]) > int(strict["facts"]["left"])
    if moved == "eur@bank usd@bank":  # now it takes more euro, of which much was named
        taken = -net(market.json("submit wide.tx"), "maker", "eur@bank")
        assert int(strict["facts"]["left"]) < taken <= int(strict["facts"]["left"]) * 105 // 100
    else:  # and no slippage goes beyond what was named
        assert market.refused("submit wide.tx", code="budget_exceeded")["facts"]["left"] == "10000"


@pytest.mark.parametrize(
    ("ticks", "prices"),
    [
        ("-887220:887220", "any price"),
        ("-887220:60", "up to 1.00602"),
        ("-60:887220", "from 0.994018 on"),
        ("-60:60", "0.994018 to 1.00602"),
    ],
)
def test_an_end_of_the_world_is_told_as_no_bound(market, ticks, prices):
    market(f"pool add ranges trader eur@bank=100 usd@bank=100 --ticks {ticks}")
    [position] = market.jsonl("pool position ranges trader")
    assert position["prices"] == prices


def test_two_ranges_are_told_apart(market):
    market("pool add ranges maker eur@bank=100 usd@bank=100 --ticks -60:60")
    market.refused("pool remove ranges maker", code="pool_error", exit_code=2)
    market("pool remove ranges maker --ticks -60:60")
    assert len(market.jsonl("pool position ranges maker")) == 1


def test_a_route_finds_the_way_through_two_pools_and_says_whom_one_trusts(market):
    found = market.json("pool route 1.000 gold@bank usd@bank")
    hops = [[hop["pool"] for hop in path["hops"]] for path in found["paths"]]
    assert all(path[0] == "pair" for path in hops)
    assert {path[1] for path in hops} <= {"par", "ranges"}
    assert found["trust"] == market.json("trust usd@bank")
    done = market.json("pool trade trader 1.000 gold@bank usd@bank")
    assert net(done, "trader", "gold@bank") == -1000
    assert net(done, "trader", "usd@bank") == int(found["units_out"])
    assert market.jsonl("balance router") == []


def test_a_large_trade_is_split_and_pays_more_than_either_pool_alone(market):
    best = market.json("pool route 900 eur@bank usd@bank --hops 1")
    assert len(best["paths"]) == 2
    alone = [
        market.json(f"pool quote {pool} 900 eur@bank usd@bank")["units_out"] for pool in ("par", "ranges")
    ]
    assert int(best["units_out"]) > max(map(int, alone))
    done = market.json("pool trade trader 900 eur@bank usd@bank --hops 1")
    assert net(done, "trader", "usd@bank") == int(best["units_out"])


def test_an_exact_output_is_routed(market):
    found = market.json("pool route 50 gold@bank usd@bank --exact-out")
    done = market.json("pool trade trader 50 gold@bank usd@bank --exact-out")
    assert net(done, "trader", "usd@bank") == 5000
    assert net(done, "trader", "gold@bank") == -int(found["units_in"])


def test_pools_are_listed_and_shown_also_while_empty(desk):
    assert {one["pool"] for one in desk.jsonl("pool list")} == {"pair", "ranges", "par"}
    assert desk.json("pool show pair")["pairs"] == []
    desk("pool add pair maker eur@bank=8000 gold@bank=100")
    pairs = desk.json("pool show pair")["pairs"]
    assert [(one["asset_in"], one["price"]) for one in pairs] == [("eur@bank", "0.0125"), ("gold@bank", "80")]
    assert "1 gold@bank is 80 eur@bank" in desk("pool show pair")


def test_the_cheapest_lenders_of_a_loan_are_named_with_what_repays_them(market):
    # The stable pool asks 0.04%, the ranges 0.3%, the pair a little more: 0.3% of what comes back.
    found = market.json("pool loan 6000.00 eur@bank")
    assert [part["pool"] for part in found["parts"]] == ["par", "ranges"]
    assert found["parts"][0]["units"] == "500000"
    assert found["owed"][0]["units"] == "500200"
    assert found["units_owed"] == str(500_200 + 100_300)
    assert "6000.00 eur@bank for a fee of 5.00 eur@bank" in market("pool loan 6000.00 eur@bank")
    market.refused("pool loan 1000000 eur@bank", code="no_lender", exit_code=2)


@pytest.mark.parametrize(
    ("line", "code", "exit_code"),
    [
        ("pool quote pair 0 eur@bank gold@bank", "amount_not_positive", 1),
        ("pool route 0 eur@bank gold@bank", "amount_not_positive", 1),
        ("pool loan 0 eur@bank", "amount_not_positive", 1),
        ("pool quote pair 1 eur@bank usd@bank", "constant_product_pool.wrong_asset", 1),
        ("pool quote nowhere 1 eur@bank usd@bank", "unknown_contract", 1),
        ("pool quote router 1 eur@bank usd@bank", "pool_error", 2),
        ("pool quote pair 1 eur@bank tin@bank", "unknown_asset", 1),
        ("pool swap pair trader 1000.01 eur@bank gold@bank", "insufficient_balance", 1),
        ("pool swap pair trader 1 eur@bank gold@bank --slippage much", "percentage_error", 2),
        ("pool swap pair trader 1 eur@bank gold@bank --slippage 101%", "percentage_error", 2),
        ("pool add pair trader usd@bank=1", "pool_error", 2),
        ("pool add pair trader eur@bank=1 eur@bank=1", "usage", 2),
        ("pool add pair trader eur@bank=1 gold@bank=1 --ticks 0:60", "pool_error", 2),
        ("pool add ranges trader eur@bank=1 usd@bank=1", "pool_error", 2),
        ("pool add ranges trader eur@bank=1 usd@bank=1 --between 1.1:0.9", "pool_error", 2),
        ("pool add ranges trader eur@bank=1 usd@bank=1 --between 0:1", "pool_error", 2),
        ("pool add ranges trader eur@bank=1 usd@bank=1 --between nan:1", "pool_error", 2),
        ("pool add ranges trader eur@bank=1 --between 0.9:1.1", "pool_error", 2),
        ("pool remove pair maker --part 0%", "pool_error", 2),
        ("pool position pair nobody", "unknown_account", 1),
        ("pool route 1 gold@bank usd@bank --hops 1", "no_route", 2),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_is_written(market, line, code, exit_code):
    before = market.json("info")["entries"]
    market.refused(line, code=code, exit_code=exit_code)
    assert market.json("info")["entries"] == before


@pytest.mark.parametrize("contract", ["router", "pair", "ranges", "par"])
def test_whoever_has_nothing_in_a_contract_cannot_leave_it_and_is_told_so(market, contract):
    refused = market.refused(f"contract leave {contract} trader", code="usage", exit_code=2)
    assert refused["message"] == f"nothing of trader leaves {contract} now"


def test_self_descriptions_are_told_in_peoples_amounts(market):
    market("contract call par add_liquidity --account trader --arg units=[10000,10000] --arg least_shares=0"
           " --spend eur@bank=100 --spend usd@bank=100")  # fmt: skip
    call, paid = market("contract exits par trader").rstrip().split(": ")
    assert call == "remove_liquidity(least [0, 0], shares 200000000000000000000)"
    assert paid == "100.00 eur@bank and 100.00 usd@bank now, for 200.000000000000000000 share@par"
    lines = market("contract exits ranges maker").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("close(lower -1080, upper 960): ")
    assert lines[0].endswith(" usd@bank now")
    backing = market("contract backing par").splitlines()
    assert backing == ["5100.00 eur@bank behind share@par", "5100.00 usd@bank behind share@par"]
    assert market("contract dependencies pair") == "assets: eur@bank, gold@bank\n"
    for view in ("powers pair", "positions pair maker", "exits pair trader"):
        assert market(f"contract {view}") == "nothing\n"
    given = {"assets": ["eur@bank", "usd@bank"], "amplification": 100, "fee": 0, "admin": "maker"}
    market(f"contract deploy ramped stable_pool --account maker --args '{json.dumps(given)}'")
    first, *_ = market("contract powers ramped").splitlines()
    assert first == (
        "maker: ramp the amplification; bound: tenfold at most, 1 to 999999, in a straight line; after 1d"
    )


def test_a_pool_without_a_price_is_shown_all_the_same(market):
    market("asset create deed --issuer bank --kind token --claw-back-by bank")
    market("asset issue deed@bank maker 1000")
    given = {"asset_0": "deed@bank", "asset_1": "usd@bank"}
    market(f"contract deploy deeds constant_product_pool --account maker --args '{json.dumps(given)}'")
    market("pool add deeds maker deed@bank=500 usd@bank=5000")
    assert market.json("pool show deeds")["no_price"] is None
    market("asset claw-back deed@bank deeds 400 --reason order")
    market("contract call deeds sync --account trader")
    shown = market.json("pool show deeds")
    assert (shown["no_price"], shown["pairs"]) == ("constant_product_pool.closed", [])
    assert shown["holds"] == {"deed@bank": "100", "usd@bank": "500000"}
    assert "has no price: constant_product_pool.closed (since=" in market("pool show deeds")
    market.refused("pool quote deeds 1 usd@bank deed@bank", code="constant_product_pool.closed")
    market("contract leave deeds maker")
    assert market.jsonl("pool position deeds maker") == []
