"""Custodied coin: minted and burned on the custodian's instruction alone, once a key, never in limbo."""

import msgspec
import pytest

from tallystick.contracts.custodied_coin import Refusal
from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Backing
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import Market
from tests.ledger.world import DAY, SECOND, create, deploy, issue, transfer

RECEIPT, COIN = "usd@trust", "coin@stable"


@pytest.fixture
def market() -> Market:
    """trust.desk, the custodian, has 10,000 receipts of trust; mint-co issues the coin through `stable`."""
    market = Market(accounts=("trust", "trust.desk", "issuer", "alice", "bob"))
    world = market.world
    world.do("trust", tx.FoundInstitution(account="trust", name="trust-co", roles=("custodian",)))
    world.do("issuer", tx.FoundInstitution(account="issuer", name="coin-co", roles=("issuer",)))
    claim = create("trust", "usd", kind="claim", obligor="trust-co", terms=Terms(owes="USD"), decimals=2)
    world.do("trust", claim)
    world.do("trust", issue("trust", (RECEIPT, "trust.desk", 10_000)))
    open_coin(market, "stable")
    return market


def coin_action(name: str, **change):
    parameters = {
        "institution": "coin-co",
        "issuer": "issuer",
        "custodian": "trust.desk",
        "receipt": RECEIPT,
        "code": "coin",
    }
    action = deploy("issuer", name, "custodied_coin", **(parameters | change))
    return msgspec.structs.replace(action, obligor="coin-co")


def open_coin(market: Market, name: str, **change):
    market.world.do("issuer", coin_action(name, **change))


def later(market: Market, seconds: int = DAY) -> int:
    return market.world.time + seconds * SECOND


def instruct(market: Market, key: str = "wire 1", units: int = 500, *, by: str = "trust.desk", **more):
    ask = market.refused if more.pop("refused", False) else market.call
    fields = {"key": key, "to": "alice", "units": units, "expires": later(market)} | more
    return ask(by, "stable", "instruct_mint", spend={RECEIPT: units}, **fields)


def execute(market: Market, key: str = "wire 1", by: str = "issuer"):
    return market.call(by, "stable", "execute", key=key)


def request(market: Market, key: str = "out 1", units: int = 200, **more):
    ask = market.refused if more.pop("refused", False) else market.call
    fields = {"key": key, "units": units, "expires": later(market)} | more
    return ask("alice", "stable", "request_burn", spend={COIN: units}, **fields)


def supply(market: Market) -> int:
    return -market.world.balance("stable", COIN)


def check_backed(market: Market) -> None:
    [backing] = market.view("stable", "backing")
    assert backing == Backing(COIN, RECEIPT, supply(market))
    assert market.world.balance("stable", RECEIPT) >= supply(market)


def test_coins_come_of_an_instruction_executed_and_of_nothing_else(market):
    assert market.refused("issuer", "stable", "execute", key="wire 1").code is Refusal.NO_SUCH_KEY
    instruct(market)
    assert (supply(market), market.world.balance("stable", RECEIPT)) == (0, 500)
    assert execute(market) == "minted"
    assert (supply(market), market.balances("alice")) == (500, {COIN: 500})
    check_backed(market)
    coin = market.world.get("asset", COIN)
    assert (coin.obligor, coin.terms.owes, coin.decimals) == ("coin-co", RECEIPT, 2)


def test_only_the_custodian_instructs_and_only_the_issuer_executes(market):
    assert instruct(market, by="issuer", refused=True).code is Refusal.NOT_THE_PARTY
    instruct(market)
    for other in ("trust.desk", "alice"):
        assert market.refused(other, "stable", "execute", key="wire 1").code is Refusal.NOT_THE_PARTY
    assert market.refused("alice", "stable", "decline", key="wire 1").code is Refusal.NOT_THE_PARTY
    execute(market)


def test_the_same_again_changes_nothing_however_often_and_something_else_is_refused(market):
    assert instruct(market) == "open"
    assert instruct(market) == "open"
    assert market.world.balance("trust.desk", RECEIPT) == 9_500
    assert [execute(market) for _ in range(3)] == ["minted"] * 3
    assert instruct(market, expires=later(market, 5)) == "minted"
    assert (supply(market), market.world.balance("trust.desk", RECEIPT)) == (500, 9_500)
    for change in ({"units": 501}, {"to": "bob"}):
        assert instruct(market, refused=True, **change).code is Refusal.KEY_REUSED


def test_a_declined_instruction_returns_the_receipts_and_stays_declined(market):
    for key, by in (("wire 1", "issuer"), ("wire 2", "trust.desk")):
        instruct(market, key)
        assert market.call(by, "stable", "decline", key=key) == "declined"
        assert market.call(by, "stable", "decline", key=key) == "declined"
        ended = market.refused("issuer", "stable", "execute", key=key)
        assert (ended.code, ended.facts["status"]) == (Refusal.ALREADY_ENDED, "declined")
    assert market.world.balance("trust.desk", RECEIPT) == 10_000
    instruct(market, "wire 3")
    execute(market, "wire 3")
    assert market.refused("issuer", "stable", "decline", key="wire 3").code is Refusal.ALREADY_ENDED


def test_an_instruction_left_open_ends_at_its_expiry_by_itself(market):
    instruct(market)
    early = market.refused("alice", "stable", "expire", side="mint", key="wire 1")
    assert early.code is Refusal.EXPIRY_INVALID
    market.world.wait(DAY)
    assert market.view("stable", "status", side="mint", key="wire 1").status == "declined"
    assert market.world.balance("trust.desk", RECEIPT) == 10_000
    assert market.balances("stable") == {}


def test_a_burn_is_asked_for_by_the_holder_and_done_by_the_custodians_instruction(market):
    instruct(market)
    execute(market)
    assert request(market) == "requested"
    assert (supply(market), market.balances("alice")) == (500, {COIN: 300})
    for other in ("issuer", "alice"):
        refused = market.refused(other, "stable", "instruct_burn", key="out 1", evidence="wire 77")
        assert refused.code is Refusal.NOT_THE_PARTY
    for _ in range(2):
        assert (
            market.call("trust.desk", "stable", "instruct_burn", key="out 1", evidence="wire 77") == "burned"
        )
    assert (supply(market), market.world.balance("trust.desk", RECEIPT)) == (300, 9_700)
    other = market.refused("trust.desk", "stable", "instruct_burn", key="out 1", evidence="wire 78")
    assert other.code is Refusal.ALREADY_ENDED
    check_backed(market)
    assert request(market) == "burned"  # the holder's own retry, however late
    assert market.balances("alice") == {COIN: 300}


def test_a_request_that_nobody_pays_returns_the_coins_at_its_expiry(market):
    instruct(market)
    execute(market)
    request(market)
    market.world.wait(DAY)
    assert market.view("stable", "status", side="burn", key="out 1").status == "returned"
    assert market.balances("alice") == {COIN: 500}
    late = market.refused("trust.desk", "stable", "instruct_burn", key="out 1", evidence="wire 77")
    assert (late.code, late.facts["status"]) == (Refusal.ALREADY_ENDED, "returned")


def test_a_holder_takes_a_request_back_and_nobody_else_does(market):
    instruct(market)
    execute(market)
    request(market)
    assert market.refused("bob", "stable", "take_back", key="out 1").code is Refusal.NOT_THE_PARTY
    assert [market.call("alice", "stable", "take_back", key="out 1") for _ in range(2)] == ["returned"] * 2
    assert market.balances("alice") == {COIN: 500}


def test_what_expired_has_ended_though_its_timer_has_not_run(market):
    instruct(market)
    waiting = market.view("stable", "status", side="mint", key="wire 1")
    market.world.store.write({("timer", waiting.timer_due, waiting.timer_number): None})
    market.world.time += DAY * SECOND - 1
    assert execute_refused(market) is None
    market.world.time += 1
    assert execute_refused(market).facts["status"] == "expired"
    assert market.call("bob", "stable", "expire", side="mint", key="wire 1") == "declined"
    assert market.world.balance("trust.desk", RECEIPT) == 10_000


def execute_refused(market: Market):
    """Return with what an execution would be refused now, and undo it."""
    with market.forked():
        try:
            execute(market)
        except Rejection as refused:
            return refused
    return None


def test_keys_of_mints_and_burns_are_apart_so_that_nobody_can_take_anothers(market):
    instruct(market)
    execute(market)
    assert request(market, "wire 2") == "requested"
    assert instruct(market, "wire 2") == "open"


@pytest.mark.parametrize("seconds", [0, 7 * DAY + 1])
def test_an_expiry_is_in_the_future_and_within_bounds(market, seconds):
    expires = later(market, seconds)
    assert instruct(market, refused=True, expires=expires).code is Refusal.EXPIRY_INVALID
    instruct(market, expires=later(market, 7 * DAY))


def test_small_requests_cannot_use_up_the_contracts_timers():
    market = Market(accounts=("trust", "trust.desk", "issuer", "alice"))
    world = market.world
    world.do("trust", tx.FoundInstitution(account="trust", name="trust-co"))
    world.do("issuer", tx.FoundInstitution(account="issuer", name="coin-co"))
    claim = create("trust", "usd", kind="claim", obligor="trust-co", terms=Terms(owes="USD"))
    world.do("trust", claim, issue("trust", (RECEIPT, "trust.desk", 10_000)))
    open_coin(market, "stable", burn_units_min=100)
    instruct(market)
    execute(market)
    few = request(market, units=99, refused=True)
    assert (few.code, few.facts["least"]) == (Refusal.UNITS_TOO_FEW, "100")
    request(market, units=100)


@pytest.mark.parametrize(
    "change",
    [
        {"custodian": "issuer"},
        {"open_seconds_max": 0},
        {"open_seconds_max": 31 * DAY + 1},
        {"burn_units_min": 0},
    ],
)
def test_parameters_out_of_range_are_refused(market, change):
    assert market.world.refused("issuer", coin_action("other", **change)).code is Refusal.PARAMETERS_INVALID
    open_coin(market, "other", open_seconds_max=31 * DAY)


def test_coins_are_redeemed_by_the_contract_alone(market):
    instruct(market)
    execute(market)
    past = tx.Redeem(account="alice", asset=COIN, units="5")
    assert market.world.refused("alice", past).code is Code.REDEEMED_BY_CONTRACT


def test_every_party_sees_what_it_has_here_and_how_it_leaves(market):
    instruct(market)
    [waiting] = market.view("stable", "positions", account="trust.desk")
    assert (waiting.asset, waiting.units, waiting.note) == (RECEIPT, 500, "wire 1")
    execute(market)
    request(market)
    [reserve] = market.view("stable", "positions", account="issuer")
    assert (reserve.asset, reserve.units, reserve.note) == (RECEIPT, 500, "reserve")
    [waiting] = market.view("stable", "positions", account="alice")
    assert (waiting.asset, waiting.units) == (COIN, 200)
    back, out = market.view("stable", "exits", account="alice")
    assert (back.method, back.units_now, out.method, out.units_later) == (
        "take_back",
        200,
        "request_burn",
        300,
    )
    market.call("alice", "stable", back.method, **back.arguments)
    market.call("alice", "stable", out.method, spend=out.spend, **out.arguments)
    assert market.balances("alice") == {COIN: 200}
    assert [power.holder for power in market.view("stable", "powers")] == ["trust.desk", "issuer"]
    assert market.view("stable", "dependencies").assets == (RECEIPT,)


def test_a_plain_transfer_of_coins_to_the_contract_gives_them_up_and_leaves_the_rest_backed(market):
    instruct(market)
    execute(market)
    market.world.do("alice", transfer("alice", (COIN, "stable", 100)))
    assert supply(market) == 400
    assert market.world.balance("stable", RECEIPT) == 500
