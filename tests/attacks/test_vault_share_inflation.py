"""Share inflation on a vault: be the first with one share, donate until a share is worth more than the victim
brings, and let rounding give the victim too little for it.
"""

import pytest

from tallystick.contracts.vault import Refusal
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import transfer

VAULT, ASSET, SHARE = "vault", f"asset@{ISSUER}", "share@vault"
FUNDS = 10**15


def found(offset):
    market = Market(accounts=("mallory", "victim"))
    market.fund(FUNDS, ASSET)
    given = {} if offset == 6 else {"virtual_offset": offset}  # six is the default, and so not written
    market.deploy(VAULT, "vault", asset=ASSET, **given)
    return market


def deposit(market, who, units, **limits):
    return int(market.call(who, VAULT, "deposit", spend={ASSET: units}, units=units, **limits))


def redeem_all(market, who):
    shares = market.world.balance(who, SHARE)
    if market.view(VAULT, "position", account=who).units:
        market.call(who, VAULT, "redeem", spend={SHARE: shares}, shares=shares)


def lost(market, who):
    return FUNDS - market.world.balance(who, ASSET)


@pytest.mark.parametrize("by", ["donate", "transfer and sync"])
@pytest.mark.parametrize("victims_units", [10**3, 10**6, 10**9])
@pytest.mark.parametrize("gift", [10**3, 10**6, 10**9, 10**12])
@pytest.mark.parametrize("offset", [0, 3, 6])
def test_with_virtual_shares_the_attacker_loses_at_least_what_the_victim_does(
    offset, gift, victims_units, by
):
    market = found(offset)
    deposit(market, "mallory", 1)
    inflate(market, gift, by)
    if market.view(VAULT, "quote_deposit", units=victims_units) == 0:
        # Less than a share's worth is refused, not kept.
        arguments = {"spend": {ASSET: victims_units}, "units": victims_units}
        assert market.refused("victim", VAULT, "deposit", **arguments).code is Refusal.SHARES_MISSING
    else:
        deposit(market, "victim", victims_units)
    redeem_all(market, "mallory")
    redeem_all(market, "victim")
    assert lost(market, "mallory") >= lost(market, "victim")
    assert lost(market, "mallory") > 0
    # An offset makes what can be taken from the victim that much smaller a part of what is given away.
    assert lost(market, "victim") <= gift // 10**offset + 2


def inflate(market, gift, by="donate"):
    if by == "donate":
        market.call("mallory", VAULT, "donate", spend={ASSET: gift}, units=gift)
    else:
        market.world.do("mallory", transfer("mallory", (ASSET, VAULT, gift)))
        market.call("mallory", VAULT, "sync")


def test_without_virtual_shares_it_pays_and_the_victims_own_limit_prevents_it():
    """solmate's rounding is there because others' numbers have it, and not the default because of this."""
    market = found(None)
    deposit(market, "mallory", 1)
    expected = market.view(VAULT, "quote_deposit", units=1_999)
    assert expected == 1_999
    inflate(market, 999)
    limited = {"spend": {ASSET: 1_999}, "units": 1_999, "least_shares": expected}
    assert market.refused("victim", VAULT, "deposit", **limited).code is Refusal.LIMIT_MISSED
    with market.forked():
        assert deposit(market, "victim", 1_999) == 1
        redeem_all(market, "mallory")
        assert lost(market, "mallory") == -499  # half of 2,999, for the 1,000 put in


def test_a_transfer_that_nobody_syncs_changes_no_share():
    market = found(0)
    deposit(market, "mallory", 1)
    market.world.do("mallory", transfer("mallory", (ASSET, VAULT, 10**9)))
    assert deposit(market, "victim", 1_000) == 1_000


def test_in_windows_a_donation_after_the_request_finds_deposits_of_no_share_given_back():
    market = Market(accounts=("mallory", "victim"))
    market.fund(FUNDS, ASSET)
    windows = {"window_seconds": 60, "deposits_wait": True}
    market.deploy(VAULT, "vault", asset=ASSET, virtual_offset=None, **windows)
    first = int(market.call("mallory", VAULT, "request_deposit", spend={ASSET: 1}, units=1))
    market.world.wait(60)
    market.call("mallory", VAULT, "claim_deposit", window=first)
    second = int(market.call("victim", VAULT, "request_deposit", spend={ASSET: 1_000}, units=1_000))
    inflate(market, 10**6)
    market.world.wait(60)
    assert market.call("victim", VAULT, "claim_deposit", window=second) == "1000"
    assert lost(market, "victim") == 0
