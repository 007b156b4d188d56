"""Vaults: the rounding of each line, requests that wait, and every refusal beside a neighbour."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.contracts.vault import (
    OFFSET_MAX,
    WINDOW_SECONDS_MAX,
    Refusal,
    Told,
    Worth,
    to_shares,
    to_units,
)
from tallystick.ledger import backing
from tallystick.ledger.contract import Backing, Dependencies, Exit, Position
from tallystick.ledger.pools import Price
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code
from tallystick.ledger.store import CONTRACT_MARK
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND, START, World, call, deploy, transfer

VAULT, ASSET, SHARE = "vault", f"asset@{ISSUER}", "share@vault"
HOLDERS = ("alice", "bob", "carol")
FUNDS = 10**12
ASYNC = {"window_seconds": DAY, "deposits_wait": True, "redemptions_wait": True}
TODAY = START // (DAY * SECOND)
MIDNIGHT = (TODAY + 1) * DAY * SECOND


def found(**parameters):
    market = Market(accounts=HOLDERS)
    market.fund(FUNDS, ASSET)
    market.deploy(VAULT, "vault", **{"asset": ASSET, "virtual_offset": 0} | parameters)
    return market


def found_by_default():
    """Return a market with a vault of the default offset, six: a default is not written."""
    market = Market(accounts=HOLDERS)
    market.fund(FUNDS, ASSET)
    market.deploy(VAULT, "vault", asset=ASSET)
    return market


@pytest.fixture
def market():
    return found()


@pytest.fixture
def waiting():
    return found(**ASYNC)


def act(market, who, method, **arguments):
    spend = {asset: units for asset in (ASSET, SHARE) if (units := market.world.balance(who, asset)) > 0}
    return market.call(who, VAULT, method, spend=spend, **arguments)


def refused(market, who, method, **arguments):
    spend = {asset: units for asset in (ASSET, SHARE) if (units := market.world.balance(who, asset)) > 0}
    return market.refused(who, VAULT, method, spend=spend, **arguments)


# At once.


def test_a_share_is_worth_its_part_and_each_line_rounds_for_those_who_stay(market):
    assert act(market, "alice", "deposit", units=100) == "100"
    assert act(market, "bob", "donate", units=51) == "151"
    # One imagined unit and share stand beside the real ones: 152 units for 101 shares.
    assert act(market, "bob", "deposit", units=10) == "6"  # 10 x 101 / 152 = 6.64
    assert act(market, "carol", "mint", shares=10, most_units=FUNDS) == "16"  # 10 x 162 / 107 = 15.14
    assert act(market, "carol", "redeem", shares=10) == "15"  # 10 x 178 / 117 = 15.21
    assert act(market, "bob", "withdraw", units=9, most_shares=FUNDS) == "6"  # 9 x 163 / 107 = 5.9
    assert market.view(VAULT, "position", account="alice") == Worth(100, 152)
    assert market.view(VAULT, "state").total == 153


small = st.integers(0, 40)


@given(units=small, total=small, supply=small, offset=st.sampled_from([None, 0, 1, 3]))
def test_no_round_trip_gains_a_unit_or_a_share(units, total, supply, offset):
    if offset is None and (supply == 0) != (total == 0):
        return
    pot = {"total": total, "supply": supply, "offset": offset}
    shares = to_shares(units, **pot)
    then = {"total": total + units, "supply": supply + shares, "offset": offset}
    assert to_units(shares, **then) <= units
    cost = to_units(units, **pot, up=True)  # as many shares as `units`, bought
    assert to_units(units, total=total + cost, supply=supply + units, offset=offset) <= cost
    if total >= units:
        assert to_units(to_shares(units, **pot, up=True), **pot) >= units or not supply


@pytest.mark.parametrize("offset", [None, 0, 6, OFFSET_MAX])
def test_what_comes_in_goes_out_with_any_offset(offset):
    market = found(virtual_offset=offset) if offset != 6 else found_by_default()
    shares = int(act(market, "alice", "deposit", units=1_000))
    assert shares == 1_000 * 10 ** (offset or 0)
    assert market.world.get("asset", SHARE).decimals == (offset or 0)
    assert act(market, "alice", "redeem", shares=shares) == "1000"
    assert market.world.balance("alice", ASSET) == FUNDS


def test_a_plain_transfer_moves_no_price_until_it_is_synced(market):
    act(market, "alice", "deposit", units=100)
    market.world.do("bob", transfer("bob", (ASSET, VAULT, 101)))
    assert market.view(VAULT, "position", account="alice").units == 100
    assert act(market, "carol", "sync") == "101"
    assert market.view(VAULT, "position", account="alice").units == 200  # 100 x 202 / 101
    assert act(market, "carol", "sync") == "0"


def test_price_and_quotes_answer_what_the_calls_do(market):
    act(market, "alice", "deposit", units=100)
    act(market, "bob", "donate", units=51)
    assert market.view(VAULT, "assets") == [ASSET, SHARE]
    assert market.view(VAULT, "price", asset_in=SHARE, asset_out=ASSET) == Price(152, 101)
    assert market.view(VAULT, "price", asset_in=ASSET, asset_out=SHARE) == Price(101, 152)
    assert market.view(VAULT, "quote_deposit", units=10) == 6
    assert market.view(VAULT, "quote_mint", shares=10) == 16
    assert market.view(VAULT, "quote_withdraw", units=9) == 6
    assert market.view(VAULT, "quote_redeem", shares=10) == 15
    assert found(virtual_offset=None).view(VAULT, "price", asset_in=SHARE, asset_out=ASSET) == Price(1, 1)


def test_it_describes_itself(market):
    act(market, "alice", "deposit", units=100)
    assert market.view(VAULT, "backing") == [Backing(SHARE, ASSET, 100)]
    assert market.view(VAULT, "positions", account="alice") == []
    assert market.view(VAULT, "exits", account="alice") == [
        Exit("redeem", {"shares": 100}, ASSET, 100, spend={SHARE: 100})
    ]
    assert market.view(VAULT, "exits", account="bob") == market.view(VAULT, "exits", account=VAULT) == []
    assert market.view(VAULT, "powers") == []
    assert market.view(VAULT, "dependencies") == Dependencies(assets=(ASSET,))


# Requests.


def test_requests_are_converted_together_when_their_window_closes(waiting):
    market = waiting
    assert act(market, "alice", "request_deposit", units=100) == str(TODAY)
    act(market, "bob", "request_deposit", units=50)
    act(market, "bob", "request_deposit", units=50)
    assert market.view(VAULT, "state").total == 0
    pending = Told(TODAY, "deposit", 100, "pending", MIDNIGHT, SHARE, 100)
    assert market.view(VAULT, "requests", account="bob") == [pending]
    market.world.run(time=MIDNIGHT)  # the window's own timer
    assert market.view(VAULT, "state").total == 200
    assert market.world.balance(f"{VAULT}/claimable", SHARE) == 200
    assert act(market, "alice", "claim_deposit", window=TODAY) == "100"
    market.world.time += 400 * DAY * SECOND
    assert act(market, "bob", "claim_deposit", window=TODAY) == "100"
    assert market.view(VAULT, "requests", account="bob") == []
    assert not [key for key in market.world.store.values if key[0] == VAULT + CONTRACT_MARK and len(key) > 2]


def test_both_sides_of_a_window_have_the_price_of_before_either():
    market = found(**ASYNC, virtual_offset=None)
    for who in ("alice", "bob"):
        act(market, who, "request_deposit", units=100)
    market.world.run(time=MIDNIGHT)
    for who in ("alice", "bob"):
        act(market, who, "claim_deposit", window=TODAY)
    act(market, "alice", "request_redemption", shares=100)
    act(market, "carol", "request_deposit", units=300)
    act(market, "carol", "donate", units=100)  # 300 units for 200 shares
    assert market.view(VAULT, "requests", account="carol")[0].gives == 200
    market.world.run(time=MIDNIGHT + DAY * SECOND)
    assert act(market, "alice", "claim_redemption", window=TODAY + 1) == "150"
    assert act(market, "carol", "claim_deposit", window=TODAY + 1) == "200"
    assert market.view(VAULT, "state").total == 450


def test_a_pending_request_can_be_taken_back_in_parts_and_a_claimable_one_cannot(waiting):
    market = waiting
    act(market, "alice", "request_deposit", units=100)
    act(market, "alice", "cancel_deposit", window=TODAY, units=40)
    assert market.world.balance("alice", ASSET) == FUNDS - 60
    assert refused(market, "alice", "cancel_deposit", window=TODAY, units=61).code is Refusal.REQUEST_EXCEEDED
    market.world.run(time=MIDNIGHT)
    assert refused(market, "alice", "cancel_deposit", window=TODAY, units=60).code is Refusal.CLAIMABLE
    assert act(market, "alice", "claim_deposit", window=TODAY) == "60"
    act(market, "alice", "request_redemption", shares=60)
    act(market, "alice", "cancel_redemption", window=TODAY + 1, shares=60)
    assert market.world.balance("alice", SHARE) == 60
    act(market, "alice", "request_redemption", shares=1)
    market.world.run(time=MIDNIGHT + DAY * SECOND)
    code = refused(market, "alice", "cancel_redemption", window=TODAY + 1, shares=1).code
    assert code is Refusal.CLAIMABLE


def test_a_deposit_that_came_back_whole_leaves_an_empty_window_that_closes(waiting):
    market = waiting
    act(market, "alice", "request_deposit", units=100)
    act(market, "alice", "cancel_deposit", window=TODAY, units=100)
    market.world.run(time=MIDNIGHT)
    assert market.view(VAULT, "state").open_window is None
    act(market, "alice", "request_deposit", units=100)


def test_the_last_claim_of_a_window_leaves_no_dust():
    market = found(**ASYNC, virtual_offset=None)
    act(market, "alice", "request_deposit", units=3)
    market.world.run(time=MIDNIGHT)
    act(market, "alice", "claim_deposit", window=TODAY)
    act(market, "carol", "donate", units=7)  # ten units for three shares
    for who in HOLDERS:
        act(market, who, "request_deposit", units=5)  # 15 units for 4 shares
    market.world.run(time=MIDNIGHT + DAY * SECOND)
    gave = [int(act(market, who, "claim_deposit", window=TODAY + 1)) for who in HOLDERS]
    assert gave == [1, 1, 1]  # the fourth stands for fractions of all three: burned, for all who hold
    assert market.world.balance(f"{VAULT}/claimable", SHARE) == 0
    assert market.view(VAULT, "price", asset_in=SHARE, asset_out=ASSET) == Price(25, 6)


def test_who_claims_last_gets_nothing_of_who_claims_first():
    # Gold bars: a unit is worth much, and a millionth of one share is asked for beside a bar and a half.
    market = Market(accounts=HOLDERS)
    market.fund(FUNDS, ASSET)
    market.deploy(VAULT, "vault", asset=ASSET, window_seconds=DAY, redemptions_wait=True)
    act(market, "alice", "deposit", units=3)
    act(market, "bob", "deposit", units=1)
    act(market, "alice", "donate", units=2)
    act(market, "alice", "request_redemption", shares=10**6)
    act(market, "bob", "request_redemption", shares=1)
    market.world.run(time=MIDNIGHT)
    assert [told.gives for told in market.view(VAULT, "requests", account="alice")] == [1]
    assert act(market, "alice", "claim_redemption", window=TODAY) == "1"
    assert act(market, "bob", "claim_redemption", window=TODAY) == "0"
    state = market.view(VAULT, "state")
    assert (state.total, state.kept, market.world.balance(VAULT, ASSET)) == (5, 0, 5)


def test_what_a_window_leaves_over_goes_back_to_all_who_hold():
    market = Market(accounts=HOLDERS)
    market.fund(FUNDS, ASSET)
    market.deploy(VAULT, "vault", asset=ASSET, window_seconds=DAY, redemptions_wait=True)
    act(market, "alice", "deposit", units=3)
    act(market, "bob", "deposit", units=1)
    for who, shares in (("alice", 1_500_000), ("bob", 500_000)):  # a bar and a half, and half a bar
        act(market, who, "request_redemption", shares=shares)
    market.world.run(time=MIDNIGHT)
    assert market.view(VAULT, "state").total == 2
    assert act(market, "bob", "claim_redemption", window=TODAY) == "0"
    assert act(market, "alice", "claim_redemption", window=TODAY) == "1"
    state = market.view(VAULT, "state")
    assert (state.total, state.kept, market.world.balance(VAULT, ASSET)) == (3, 0, 3)


def test_deposits_that_are_worth_no_share_together_are_given_back():
    market = found(**ASYNC, virtual_offset=None)
    act(market, "alice", "request_deposit", units=1)
    market.world.run(time=MIDNIGHT)
    act(market, "alice", "claim_deposit", window=TODAY)
    act(market, "alice", "donate", units=1_000)
    act(market, "bob", "request_deposit", units=400)
    act(market, "carol", "request_deposit", units=600)
    market.world.run(time=MIDNIGHT + DAY * SECOND)
    assert market.view(VAULT, "exits", account="bob") == [
        Exit("claim_deposit", {"window": TODAY + 1}, ASSET, 400)
    ]
    assert act(market, "bob", "claim_deposit", window=TODAY + 1) == "400"
    assert act(market, "carol", "claim_deposit", window=TODAY + 1) == "600"
    assert market.view(VAULT, "state") == market.view(VAULT, "state").__class__(1_001, 0, None)


def test_positions_and_exits_say_what_is_where_and_when_the_rest_comes(waiting):
    market = waiting
    act(market, "alice", "request_deposit", units=100)
    assert market.view(VAULT, "positions", account="alice") == [
        Position(ASSET, 100, note=f"pending deposit in window {TODAY}")
    ]
    assert market.view(VAULT, "exits", account="alice") == [
        Exit("cancel_deposit", {"window": TODAY, "units": 100}, ASSET, 100)
    ]
    market.world.run(time=MIDNIGHT)
    assert market.view(VAULT, "positions", account="alice") == [
        Position(SHARE, 100, note=f"claimable deposit in window {TODAY}")
    ]
    assert market.view(VAULT, "exits", account="alice") == [
        Exit("claim_deposit", {"window": TODAY}, SHARE, 100)
    ]
    act(market, "alice", "claim_deposit", window=TODAY)
    later = MIDNIGHT + DAY * SECOND
    assert market.view(VAULT, "exits", account="alice") == [
        Exit("request_redemption", {"shares": 100}, ASSET, 0, 100, later, {SHARE: 100})
    ]
    act(market, "alice", "request_redemption", shares=100)
    assert market.view(VAULT, "positions", account="alice") == [
        Position(SHARE, 100, note=f"pending redemption in window {TODAY + 1}")
    ]
    assert market.view(VAULT, "exits", account="alice") == [
        Exit("claim_redemption", {"window": TODAY + 1}, ASSET, 0, 100, later)
    ]
    market.world.run(time=later)
    assert market.view(VAULT, "backing") == [Backing(SHARE, ASSET, 0)]
    assert market.view(VAULT, "positions", account="alice") == [
        Position(ASSET, 100, note=f"claimable redemption in window {TODAY + 1}")
    ]
    assert market.view(VAULT, "exits", account="alice") == [
        Exit("claim_redemption", {"window": TODAY + 1}, ASSET, 100)
    ]
    assert market.view(VAULT, "exits", account=f"{VAULT}/claimable") == []


moves = st.tuples(
    st.sampled_from(
        [
            "request_deposit",
            "request_redemption",
            "cancel_deposit",
            "cancel_redemption",
            "donate",
            "wait",
            "claim",
        ]
    ),
    st.sampled_from(HOLDERS),
    st.one_of(st.integers(1, 9), st.integers(1, 10**6)),
)


@settings(max_examples=25)
@given(st.lists(moves, min_size=5, max_size=25))
def test_a_vault_with_windows_holds_what_it_owes_and_pays_everyone_in_every_order(steps):
    market = found(**ASYNC)
    for move, who, number in steps:
        told = market.view(VAULT, "requests", account=who)
        if move == "wait":
            market.world.wait(number % (2 * DAY))
        elif move in ("donate", "request_deposit"):
            act(market, who, move, units=number)
        elif move == "request_redemption" and market.world.balance(who, SHARE):
            act(market, who, move, shares=min(number, market.world.balance(who, SHARE)))
        elif move == "claim":
            for one in told:
                if one.status == "claimable":
                    assert act(market, who, f"claim_{one.side}", window=one.window) == str(one.gives)
        else:
            for one in told:
                if one.status == "pending" and move == f"cancel_{one.side}":
                    name = "units" if one.side == "deposit" else "shares"
                    act(market, who, move, window=one.window, **{name: min(number, one.asked)})
        state = market.view(VAULT, "state")
        assert market.world.balance(VAULT, ASSET) == state.total + state.kept
        backing.check_backed(market.world.store, market.world.kinds)
    for order in permutations(HOLDERS):
        with market.forked():
            _everyone_leaves(market, order)


def _everyone_leaves(market, order):
    for _ in range(4):  # request, wait, claim, and once more for those who had a deposit pending
        for who in order:
            for way in market.view(VAULT, "exits", account=who):
                least = {way.asset: way.units_now} if way.units_now else {}
                if way.units_now or way.method == "request_redemption":
                    market.call(who, VAULT, way.method, spend=way.spend, receive=least, **way.arguments)
        market.world.wait(DAY)
    for who in order:
        assert market.view(VAULT, "exits", account=who) == []
        assert market.view(VAULT, "position", account=who).units == 0
    left = market.view(VAULT, "state")
    assert left.kept == 0


@pytest.mark.long
def test_closing_a_window_of_100_000_requests_costs_what_one_does_and_an_idle_claim_nothing():
    assert _work(1) == _work(100_000)


def _work(requests):
    for work in range(10, 80):
        world = World(check_signatures=False, limits=Limits(work_max=work))
        world.open("alice", "issuer")
        if _window(world, requests):
            return work
    raise AssertionError("a request takes more work than this")


def _window(world, requests):
    world.mint("asset@issuer", alice=10**9)
    created = deploy("alice", VAULT, "vault", **{"asset": "asset@issuer", "virtual_offset": None} | ASYNC)
    steps = [
        created,
        call("alice", VAULT, "request_deposit", spend=[("asset@issuer", 10)], units=10),
        call("alice", VAULT, "claim_deposit", window=TODAY),
        call("alice", VAULT, "request_redemption", spend=[(SHARE, 10)], shares=10),
    ]
    for number, action in enumerate(steps):
        outcome = world.run(world.envelope(world.transaction("alice", [action])))[0]
        if getattr(outcome, "code", None) is Code.WORK_EXCEEDED:
            return False
        if number == 1:
            window = world.store.values[VAULT + CONTRACT_MARK, "window", TODAY]
            rows = {
                (VAULT + CONTRACT_MARK, "request", f"idle-{one}", TODAY): _request(10)
                for one in range(requests - 1)
            }
            more = type(window)(deposits=10 * requests)
            world.store.write({**rows, (VAULT + CONTRACT_MARK, "window", TODAY): more})
            world.store.write({(VAULT + CONTRACT_MARK, "vault"): _pot(10 * requests)})
            size = len(world.store.values)
            world.run(time=MIDNIGHT)
            assert len(world.store.values) - size < 5
    assert world.balance("alice", SHARE) == 0
    return True


def _request(units):
    from tallystick.contracts.vault import Request

    return Request(deposit=units)


def _pot(kept):
    from tallystick.contracts.vault import Pot

    return Pot(kept=kept, open_window=TODAY)


# Refusals.


def refused_deployment(**parameters):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
        found(**parameters)
    return caught.value.code


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"virtual_offset": OFFSET_MAX + 1}, {"virtual_offset": OFFSET_MAX}),
        ({"virtual_offset": -1}, {"virtual_offset": None}),
        ({"deposits_wait": True}, {"deposits_wait": True, "window_seconds": 1}),
        ({"window_seconds": 1}, {"redemptions_wait": True, "window_seconds": 1}),
        (ASYNC | {"window_seconds": WINDOW_SECONDS_MAX + 1}, ASYNC | {"window_seconds": WINDOW_SECONDS_MAX}),
        (ASYNC | {"window_seconds": -1}, ASYNC),
    ],
)
def test_wrong_parameters(wrong, right):
    assert refused_deployment(**wrong) is Refusal.PARAMETERS_INVALID
    found(**right)


def test_an_asset_that_does_not_exist():
    assert refused_deployment(asset="no@mint") is Code.UNKNOWN_ASSET


@pytest.mark.parametrize(
    ("units", "code"), [(0, Code.AMOUNT_NOT_POSITIVE), (1 << 128, Code.AMOUNT_TOO_LARGE)]
)
def test_no_units_or_too_many(market, waiting, units, code):
    for method, name, more in (
        ("deposit", "units", {}),
        ("mint", "shares", {"most_units": FUNDS}),
        ("withdraw", "units", {"most_shares": FUNDS}),
        ("redeem", "shares", {}),
        ("donate", "units", {}),
    ):
        assert refused(market, "alice", method, **{name: units}, **more).code is code
    assert refused(waiting, "alice", "request_deposit", units=units).code is code
    assert refused(waiting, "alice", "request_redemption", shares=units).code is code
    assert refused(waiting, "alice", "cancel_deposit", window=TODAY, units=units).code is code


def test_limits_missed_by_one(market):
    act(market, "alice", "deposit", units=100)
    act(market, "alice", "donate", units=51)
    for method, exact, limit, off in (
        ("deposit", {"units": 10}, "least_shares", 7),
        ("mint", {"shares": 10}, "most_units", 15),
        ("redeem", {"shares": 10}, "least_units", 16),
        ("withdraw", {"units": 10}, "most_shares", 6),
    ):
        assert refused(market, "alice", method, **exact, **{limit: off}).code is Refusal.LIMIT_MISSED
        with market.forked():
            act(market, "alice", method, **exact, **{limit: off + (1 if "most" in limit else -1)})


def test_a_deposit_worth_no_share_and_a_redemption_worth_no_unit():
    market = found(virtual_offset=None)
    act(market, "alice", "deposit", units=1)
    act(market, "alice", "donate", units=9)
    assert refused(market, "bob", "deposit", units=9).code is Refusal.SHARES_MISSING
    assert act(market, "bob", "deposit", units=10) == "1"
    fine = found_by_default()
    act(fine, "alice", "deposit", units=1)
    assert refused(fine, "alice", "redeem", shares=999_999).code is Refusal.UNITS_MISSING
    assert act(fine, "alice", "redeem", shares=1_000_000) == "1"


def test_more_than_the_vault_has(market):
    act(market, "alice", "deposit", units=100)
    arguments = {"units": 101, "most_shares": FUNDS}
    assert refused(market, "alice", "withdraw", **arguments).code is Refusal.TOTAL_EXCEEDED
    act(market, "alice", "withdraw", units=100, most_shares=FUNDS)


def test_others_shares_cannot_be_redeemed(market):
    act(market, "alice", "deposit", units=100)
    refusal = market.refused("bob", VAULT, "redeem", spend={SHARE: 100}, shares=100)
    assert refusal.code is Code.INSUFFICIENT_BALANCE


def test_what_waits_is_requested_and_what_does_not_is_done():
    market = found(window_seconds=DAY, redemptions_wait=True)
    assert refused(market, "alice", "request_deposit", units=1).code is Refusal.WAITS_NOT
    act(market, "alice", "deposit", units=5)
    assert refused(market, "alice", "redeem", shares=5).code is Refusal.WAITS
    assert refused(market, "alice", "withdraw", units=5, most_shares=5).code is Refusal.WAITS
    act(market, "alice", "request_redemption", shares=5)
    other = found(window_seconds=DAY, deposits_wait=True)
    assert refused(other, "alice", "deposit", units=1).code is Refusal.WAITS
    assert refused(other, "alice", "mint", shares=1, most_units=1).code is Refusal.WAITS
    assert refused(other, "alice", "request_redemption", shares=1).code is Refusal.WAITS_NOT


def test_claims_before_the_window_closes_of_others_and_twice(waiting):
    market = waiting
    act(market, "alice", "request_deposit", units=5)
    pending = refused(market, "alice", "claim_deposit", window=TODAY)
    assert (pending.code, pending.facts["closes"]) == (Refusal.PENDING, MIDNIGHT)
    assert refused(market, "bob", "close", window=TODAY).code is Refusal.PENDING
    assert refused(market, "bob", "cancel_deposit", window=TODAY, units=1).code is Refusal.NO_SUCH_REQUEST
    market.world.run(time=MIDNIGHT)
    assert refused(market, "bob", "claim_deposit", window=TODAY).code is Refusal.NO_SUCH_REQUEST
    assert refused(market, "alice", "claim_redemption", window=TODAY).code is Refusal.NO_SUCH_REQUEST
    act(market, "bob", "close", window=TODAY)
    act(market, "alice", "claim_deposit", window=TODAY)
    assert refused(market, "alice", "claim_deposit", window=TODAY).code is Refusal.NO_SUCH_REQUEST


def test_a_price_of_something_else(market):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the code is checked)
        market.view(VAULT, "price", asset_in=ASSET, asset_out=ASSET)
    assert caught.value.code is Refusal.WRONG_ASSET
    market.view(VAULT, "price", asset_in=ASSET, asset_out=SHARE)
