import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.client.calls import BPS, call_of, less_slippage, limit_units, more_slippage


def test_without_slippage_a_promise_is_its_own_limit():
    assert less_slippage(10_001, 0) == 10_001
    assert more_slippage(10_001, 0) == 10_001


def test_no_limit_is_looser_than_the_slippage_that_was_asked_for():
    # Half a per cent of 10,001 is 50.005 units: at most 50 slip, either way.
    assert less_slippage(10_001, 50) == 9_951
    assert more_slippage(10_001, 50) == 10_051
    assert less_slippage(10_001, 10_000) == 0
    # One per cent of 3 is no whole unit, and of 100 it is exactly one.
    assert (less_slippage(3, 100), more_slippage(3, 100)) == (3, 3)
    assert (less_slippage(100, 100), more_slippage(100, 100)) == (99, 101)


@given(st.integers(0, 1 << 128), st.integers(0, BPS))
def test_one_unit_looser_would_be_more_than_was_asked_for(units, slippage_bps):
    least, most = less_slippage(units, slippage_bps), more_slippage(units, slippage_bps)
    assert (units - least) * BPS <= units * slippage_bps < (units - least + 1) * BPS
    assert (most - units) * BPS <= units * slippage_bps < (most - units + 1) * BPS


def test_a_trade_has_the_limit_of_the_side_that_is_not_exact():
    assert limit_units(10_001, 20_003, exact_in=True, slippage_bps=50) == 19_903
    assert limit_units(10_001, 20_003, exact_in=False, slippage_bps=50) == 10_051


@pytest.mark.parametrize("slippage_bps", [-1, 10_001])
def test_a_slippage_is_a_part_of_a_whole(slippage_bps):
    for limit in (less_slippage, more_slippage):
        with pytest.raises(ValueError, match="slippage is 0 to 10000"):
            limit(100, slippage_bps)
        assert limit(0, 10_000) == 0


def test_a_call_leaves_out_limits_of_zero_and_arguments_at_their_default():
    call = call_of(
        "sales",
        "dutch_liquidation",
        "start",
        {"lot": 10, "due": 20, "owner": "alice", "keeper": "", "reserve": 0},
        account="bank",
        spend={"lot@vault": 10, "eur@bank": 0},
    )
    assert call.spend == (("lot@vault", "10"),)
    assert call.receive == ()
    assert msgspec.json.decode(call.arguments) == {"due": "20", "lot": "10", "owner": "alice"}


def test_without_a_kind_arguments_stand_as_given():
    call = call_of("pair", "", "swap_exact_in", {"units_in": 10, "least_out": 0}, account="alice")
    assert bytes(call.arguments) == b'{"least_out":"0","units_in":"10"}'
