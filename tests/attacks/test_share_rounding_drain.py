"""Rounding drains on what is neither traded nor lent: vault shares and stakes, by crumbs, again and again."""

from itertools import product

import pytest

from tallystick.contracts.vault import to_shares, to_units
from tallystick.ledger.rejections import Rejection
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, call

ASSET, GOLD = f"asset@{ISSUER}", f"gold@{ISSUER}"
FUNDS = 10**12
VAULT, SHARE = "vault", "share@vault"


@pytest.mark.parametrize("offset", [None, 0, 1])
def test_in_no_small_vault_does_a_call_lower_what_backs_a_share(offset):
    """Every vault of 1 to 24 units and shares, every amount of 1 to 24: exhaustive where it is smallest."""
    virtual = 0 if offset is None else 10**offset
    for total, supply, number in product(range(1, 25), repeat=3):
        pot = {"total": total, "supply": supply, "offset": offset}
        one = bool(virtual)
        for units, shares in (
            (number, to_shares(number, **pot)),
            (to_units(number, **pot, up=True), number),
        ):
            assert (total + units + one) * (supply + virtual) >= (total + one) * (supply + shares + virtual)
        for units, shares in (
            (number, to_shares(number, **pot, up=True)),
            (to_units(number, **pot), number),
        ):
            if units <= total and shares <= supply:
                left = (total - units + one) * (supply + virtual)
                assert left >= (total + one) * (supply - shares + virtual)


@pytest.mark.parametrize("offset", [None, 0])
@pytest.mark.parametrize("crumb", [1, 2, 3, 7])
def test_crumbs_through_every_door_of_a_vault_only_cost(offset, crumb):
    market = Market(accounts=("mallory", "victim"))
    market.fund(FUNDS, ASSET)
    market.deploy(VAULT, "vault", asset=ASSET, virtual_offset=offset)
    for who in ("victim", "mallory"):
        market.call(who, VAULT, "deposit", spend={ASSET: 100}, units=100)
    market.call("victim", VAULT, "donate", spend={ASSET: 33}, units=33)

    def worth():
        inside = market.view(VAULT, "position", account="mallory").units
        return market.world.balance("mallory", ASSET) + inside

    before, went = worth(), 0
    doors = [
        ("deposit", {"units": crumb}),
        ("redeem", {"shares": crumb}),
        ("mint", {"shares": crumb, "most_units": FUNDS}),
        ("withdraw", {"units": crumb, "most_shares": FUNDS}),
    ]
    for turn in range(200):
        method, arguments = doors[turn % 4 if turn % 3 else (turn // 3) % 4]
        spend = [(ASSET, 100), (SHARE, 100)]
        try:
            market.world.do("mallory", call("mallory", VAULT, method, spend=spend, **arguments))
        except Rejection:
            continue
        went += 1
        assert worth() <= before
    assert went >= 100 or crumb == 1  # one share or one unit may be worth nothing, and is then refused


@pytest.mark.parametrize("parameters", [{}, {"carry": False}], ids=["carry", "no carry"])
def test_claiming_each_second_earns_no_more_than_claiming_once(parameters):
    market = Market(accounts=("mallory", "victim"))
    market.fund(FUNDS, ASSET, GOLD)
    reward = {"asset": GOLD, "distributor": "victim", "duration_seconds": 300}
    market.deploy("rewards", "rewards", stake_asset=ASSET, rewards=[reward], **parameters)
    for who in ("mallory", "victim"):
        market.call(who, "rewards", "stake", spend={ASSET: 7}, units=7)
    market.call("victim", "rewards", "notify", spend={GOLD: 10_001}, asset=GOLD, units=10_001)
    for turn in range(300):
        market.world.time += SECOND
        market.call("mallory", "rewards", "claim")
        if turn % 10 == 0:
            market.call("mallory", "rewards", "withdraw", units=3)
            market.call("mallory", "rewards", "stake", spend={ASSET: 3}, units=3)
    mine = market.world.balance("mallory", GOLD) - FUNDS
    assert mine <= market.view("rewards", "earned", account="victim", asset=GOLD)
    assert mine >= (4_700 if parameters else 5_000)
