import msgspec

from tallystick.client.calls import call_of, less_slippage, more_slippage


def test_without_slippage_a_promise_is_its_own_limit():
    assert less_slippage(10_001, 0) == 10_001
    assert more_slippage(10_001, 0) == 10_001


def test_slippage_never_refuses_what_it_allows():
    # Half a per cent of 10,001 is 50.005 units: the least falls to 9,950, the most rises to 10,052.
    assert less_slippage(10_001, 50) == 9_950
    assert more_slippage(10_001, 50) == 10_052
    assert less_slippage(10_001, 10_000) == 0


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
