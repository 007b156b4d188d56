"""Custody: clients' assets one for one by asset, which their custodian cannot touch."""

import msgspec
import pytest

from tallystick.contracts.custody import Refusal
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Backing, Exit, Position
from tallystick.ledger.rejections import Code
from tests.contracts.market import Market
from tests.ledger.world import create, deploy, issue, transfer

GOLD, COIN = "gold@mint", "coin@mint"
KEPT = [{"asset": GOLD, "code": "gold"}, {"asset": COIN, "code": "coin"}]


@pytest.fixture
def market() -> Market:
    """vault keeps gold and coins for alice and bob, who have 1,000 of each; gold can be clawed back."""
    market = Market(accounts=("vault", "alice", "bob"))
    world = market.world
    world.do("vault", tx.FoundInstitution(account="vault", name="vault-co", roles=("custodian",)))
    world.do("mint", create("mint", "gold", claw_back_by="mint", decimals=3), create("mint", "coin"))
    world.do(
        "mint", *(issue("mint", (asset, who, 1_000)) for asset in (GOLD, COIN) for who in ("alice", "bob"))
    )
    keep(market, "safe")
    return market


def keep(market: Market, name: str, **change):
    parameters = {"institution": "vault-co", "custodian": "vault", "kept": KEPT} | change
    action = msgspec.structs.replace(deploy("vault", name, "custody", **parameters), obligor="vault-co")
    return market.world.do("vault", action)


def deposit(market: Market, who: str, units: int, asset: str = GOLD):
    return market.call(who, "safe", "deposit", asset=asset, units=units, spend={asset: units})


def test_receipts_are_claims_on_the_custodian_one_for_one_by_asset(market):
    deposit(market, "alice", 300)
    deposit(market, "bob", 200)
    deposit(market, "alice", 5, COIN)
    assert market.balances("alice") == {GOLD: 700, COIN: 995, "gold@safe": 300, "coin@safe": 5}
    receipt = market.world.get("asset", "gold@safe")
    assert (receipt.kind, receipt.obligor, receipt.terms.owes, receipt.decimals) == (
        "claim",
        "vault-co",
        GOLD,
        3,
    )
    assert market.view("safe", "backing") == [
        Backing("coin@safe", COIN, 5),
        Backing("gold@safe", GOLD, 500),
    ]


def test_whoever_brings_receipts_back_gets_the_asset_and_nobody_more(market):
    deposit(market, "alice", 300)
    market.world.do("alice", transfer("alice", ("gold@safe", "bob", 100)))
    assert market.call("bob", "safe", "withdraw", asset=GOLD, units=100, spend={"gold@safe": 100}) == "100"
    over = market.refused("bob", "safe", "withdraw", asset=GOLD, units=1, spend={"gold@safe": 1})
    assert over.code is Code.INSUFFICIENT_BALANCE
    assert market.call("alice", "safe", "withdraw", asset=GOLD, units=200, spend={"gold@safe": 200}) == "200"
    assert market.balances("safe") == {}


def test_the_custodian_has_no_way_to_what_it_keeps(market):
    deposit(market, "alice", 300)
    assert market.view("safe", "powers") == []
    assert market.view("safe", "exits", account="vault") == []
    refused = market.refused("vault", "safe", "withdraw", asset=GOLD, units=1, spend={"gold@safe": 1})
    assert refused.code is Code.INSUFFICIENT_BALANCE
    redeeming = tx.Redeem(account="alice", asset="gold@safe", units="1")
    assert market.world.refused("alice", redeeming).code is Code.REDEEMED_BY_CONTRACT
    moving = tx.Transfer(account="safe", legs=((GOLD, "vault", "1"),))
    assert market.world.refused("vault", moving).code is Code.UNAUTHORISED


def test_after_a_claw_back_everybodys_receipts_pay_their_part_whoever_comes_first(market):
    deposit(market, "alice", 300)
    deposit(market, "bob", 100)
    back = tx.ClawBack(account="mint", asset=GOLD, source="safe", units="100", reason="court order 1")
    market.world.do("mint", back)
    assert market.call("bob", "safe", "withdraw", asset=GOLD, units=99, spend={"gold@safe": 99}) == "74"
    assert market.call("alice", "safe", "withdraw", asset=GOLD, units=300, spend={"gold@safe": 300}) == "225"
    nothing = market.refused("bob", "safe", "withdraw", asset=GOLD, units=0, spend={"gold@safe": 1})
    assert nothing.code is Code.AMOUNT_NOT_POSITIVE


def test_receipts_that_a_claw_back_left_worth_nothing_are_not_taken_for_nothing(market):
    deposit(market, "alice", 300)
    back = tx.ClawBack(account="mint", asset=GOLD, source="safe", units="299", reason="court order 2")
    market.world.do("mint", back)
    refused = market.refused("alice", "safe", "withdraw", asset=GOLD, units=299, spend={"gold@safe": 299})
    assert refused.code is Refusal.NOTHING_LEFT
    assert market.call("alice", "safe", "withdraw", asset=GOLD, units=300, spend={"gold@safe": 300}) == "1"


def test_what_is_not_kept_is_refused(market):
    market.fund(10, "silver@mint")
    refused = market.refused(
        "alice", "safe", "deposit", asset="silver@mint", units=1, spend={"silver@mint": 1}
    )
    assert refused.code is Refusal.NOT_KEPT
    deposit(market, "alice", 1)


@pytest.mark.parametrize(
    "kept",
    [[], KEPT[:1] * 2, [KEPT[0], {"asset": COIN, "code": "gold"}], [{"asset": GOLD, "code": "a"}, KEPT[0]]],
)
def test_each_asset_is_kept_once_under_its_own_code(market, kept):
    parameters = {"institution": "vault-co", "custodian": "vault", "kept": kept}
    action = msgspec.structs.replace(deploy("vault", "other", "custody", **parameters), obligor="vault-co")
    assert market.world.refused("vault", action).code is Refusal.PARAMETERS_INVALID
    keep(market, "other")


def test_only_the_institution_that_consented_owes_the_receipts(market):
    parameters = {"institution": "vault-co", "custodian": "vault", "kept": KEPT}
    refused = market.world.refused("vault", deploy("vault", "other", "custody", **parameters))
    assert refused.code is Code.NOT_CONTROLLED


def test_it_says_what_the_custodian_keeps_and_how_each_client_leaves(market):
    deposit(market, "alice", 300)
    assert market.view("safe", "positions", account="vault") == [Position(GOLD, 300, note="kept for clients")]
    assert market.view("safe", "positions", account="alice") == []
    [way] = market.view("safe", "exits", account="alice")
    assert way == Exit("withdraw", {"asset": GOLD, "units": 300}, GOLD, 300, spend={"gold@safe": 300})
    market.call("alice", "safe", way.method, spend=way.spend, **way.arguments)
    assert market.balances("alice") == {GOLD: 1_000, COIN: 1_000}
    assert market.view("safe", "dependencies").assets == (COIN, GOLD)
    assert market.view("safe", "kept") == market.view("safe", "backing")
