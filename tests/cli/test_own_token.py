"""An own-token swap by hand: a quote with its spread, a swap with its limit; on a file and by URL."""

import json

import pytest

from tallystick.contracts.own_token_swap import WARNING
from tests.cli.desk import Desk
from tests.node_service.process import node

UST, LUNA = "ust@terra", "luna@terra"
BOUNDS = {
    "base_pool_least": "1000000",
    "base_pool_most": "1000000000",
    "recovery_least": "1",
    "recovery_most": "100",
    "delay_seconds": "86400",
}


@pytest.fixture
def desk(tmp_path):
    """bank-ag's ust, redeemed in luna; 1,000,000.00 in the virtual pool, and a spread of 2 % at least."""
    made = Desk(tmp_path).start("alice", "bob")
    swap = {
        "warning": WARNING,
        "oracle": "luna-price",
        "obligor": "bank-ag",
        "unit": "USD",
        "decimals": "2",
        "stable_code": "ust",
        "own_code": "luna",
        "base_pool": "100000000",
        "recovery_periods": "36",
        "opening_stable_units": "10000000",
        "opening_token_units": "1000000",
        "admin": "bob",
        "bounds": BOUNDS,
    }
    oracle = {
        "base": LUNA,
        "quote": UST,
        "scale": "1000000",
        "sources": [{"name": "bob", "kind": "market"}],
        "quorum": 1,
        "stale_seconds": 3_600,
        "spread_ppm_max": 20_000,
    }
    made(f"contract deploy terra own_token_swap --account bank --obligor bank-ag --args '{json.dumps(swap)}'")
    made(f"contract deploy luna-price oracle --account bank --args '{json.dumps(oracle)}'")
    made(f"pay bank alice 50000.00 {UST}")
    return made


def priced(desk, price="80.00"):
    desk(f"oracle report luna-price bob {price}")
    return desk


def test_a_quote_tells_value_spread_limit_and_warning_and_the_swap_keeps_to_it(desk):
    priced(desk)
    quote = desk.json(f"own-token quote terra 8000.00 {UST} --slippage 1%")
    # Two per cent of 8,000 is kept: 7,840 dollars are 98 luna; one per cent less is 97.02.
    assert (quote["value_in"], quote["value_out"], quote["spread_ppm"]) == ("800000", "784000", 20_000)
    assert (quote["units_out"], quote["least_out"]) == ("9800", "9702")
    assert quote["warning"] == WARNING
    told = desk(f"own-token quote terra 8000.00 {UST}")
    assert "8000.00 ust@terra for 98.00 luna@terra, at a spread of 2.0 %" in told
    assert "with 0.50% slippage: at least 97.51 luna@terra" in told
    assert WARNING in told
    desk(f"own-token swap terra alice 8000.00 {UST} --slippage 0%")
    assert (desk.units("alice", UST), desk.units("alice", LUNA)) == (4_200_000, 9_800)
    back = desk.json(f"own-token quote terra 1.00 {LUNA}")
    assert back["asset_out"] == UST
    desk(f"own-token swap terra alice 1.00 {LUNA}")
    assert desk.units("alice", UST) == 4_200_000 + int(back["units_out"])


def test_a_signed_swap_admits_its_slippage_and_not_one_unit_more(desk):
    priced(desk)
    desk(f"own-token swap terra alice 8000.00 {UST} --slippage 1% --out half.tx")
    priced(desk, "80.80")
    # At 80.80 it is 97.02 luna, which is the least exactly; a cent dearer and it is 97.01.
    desk("submit half.tx")
    assert desk.units("alice", LUNA) == 9_702
    priced(desk)
    desk(f"own-token swap terra alice 8000.00 {UST} --slippage 1% --out more.tx")
    priced(desk, "80.81")
    before = desk.units("alice", UST)
    desk.refused("submit more.tx", code="own_token_swap.limit_missed")
    assert desk.units("alice", UST) == before


def test_the_swap_is_shown_with_its_price_its_pool_and_what_is_proposed(desk):
    assert "no price: " in desk("own-token show terra")
    priced(desk)
    shown = desk.json("own-token show terra")
    assert (shown["price"], shown["delta_units"], shown["proposed"]) == ("80", "0", None)
    assert (shown["base_pool"], shown["recovery_periods"]) == ("100000000", "36")
    desk(f"own-token swap terra alice 8000.00 {UST}")
    assert int(desk.json("own-token show terra")["delta_units"]) > 0
    desk("own-token propose terra bob --base-pool 2000000.00 --recovery-periods 18")
    proposed = desk.json("own-token show terra")["proposed"]
    assert (proposed["base_pool"], proposed["recovery_periods"]) == ("200000000", "18")
    assert "proposed: a pool of 2000000.00 ust@terra, 18 periods, from " in desk("own-token show terra")


def test_what_is_refused(desk):
    priced(desk)
    assert (
        "hint: ust@terra or luna@terra"
        in desk.fails("own-token quote terra 1.00 eur@bank", exit_code=2).stderr
    )
    desk.refused(f"own-token quote luna-price 1.00 {UST}", code="unknown_contract")
    desk.refused(f"own-token swap terra bob 1.00 {UST}", code="insufficient_balance")
    desk.refused(
        "own-token propose terra alice --base-pool 2000000.00 --recovery-periods 18",
        code="own_token_swap.not_the_admin",
    )
    desk.refused(
        "own-token propose terra bob --base-pool 20000000.00 --recovery-periods 18",
        code="own_token_swap.out_of_bounds",
    )
    desk("own-token propose terra bob --base-pool 10000000.00 --recovery-periods 18")


@pytest.mark.long
def test_the_same_by_a_nodes_url(desk):
    priced(desk)
    lines = ("own-token show terra", f"own-token quote terra 8000.00 {UST}")
    on_file = [desk.json(line) for line in lines]
    with node(desk.folder / "ledger.tally") as running:
        remote = Desk(desk.folder, keys="ledger.tally.keys")
        remote.env |= {"TALLYSTICK_URL": running.url, "TALLYSTICK_LEDGER": "nowhere.tally"}
        by_url = [remote.json(line) for line in lines]
        assert by_url == on_file
        remote(f"own-token swap terra alice 8000.00 {UST} --slippage 0%")
        assert remote.units("alice", LUNA) == 9_800
        remote.refused(f"own-token swap terra bob 1.00 {UST}", code="insufficient_balance")
