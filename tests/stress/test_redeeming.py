"""Runs on claims that a contract issued: redeemed by its own calls, and counted for who owes and who pays."""

import pytest
from msgspec.structs import replace

from tallystick.contracts.own_token_swap import WARNING
from tallystick.ledger import transactions as tx
from tallystick.ledger.invariants import check_state
from tallystick.ledger.records import Terms
from tallystick.stress.redeeming import UNTOLD
from tallystick.stress.rescue import Rescue, find_rescue
from tallystick.stress.scenario import ScriptedCall, everybody_withdraws
from tests.ledger.world import DAY, SECOND, call, create, deploy, issue, transfer
from tests.stress.street import ALDER, RESERVE, Street, paid

RECEIPT, COIN, KEPT, UNIT = "euro@vault", "coin@tern-coin", "kept@safe", "unit@gold-fund"
UST, LUNA = "ust@terra-swap", "luna@terra-swap"


@pytest.fixture
def street():
    return Street()


def coins(street, *, reserves, notice=0, **minted):
    """tern-co owes coins on vault-co's word, which has so many reserves and owes receipts in them."""
    street.open("tern", "vault.desk")
    street.join("vault.desk", "vault-co", founder="vault")
    street.do("tern", tx.FoundInstitution(account="tern", name="tern-co", roles=("issuer",)))
    street.claim("vault", "euro", "vault-co", Terms(owes=RESERVE, notice_seconds=notice))
    given = {
        "institution": "tern-co",
        "issuer": "tern",
        "custodian": "vault.desk",
        "receipt": RECEIPT,
        "code": "coin",
    }
    street.do("tern", replace(deploy("tern", "tern-coin", "custodied_coin", **given), obligor="tern-co"))
    street.do("cb", issue("cb", (RESERVE, "vault", reserves)))
    for who, units in minted.items():
        street.do("vault", issue("vault", (RECEIPT, "vault.desk", units)))
        order = {"key": f"for {who}", "to": who, "units": units, "expires": street.time + DAY * SECOND}
        street.do(
            "vault.desk",
            call("vault.desk", "tern-coin", "instruct_mint", spend=[(RECEIPT, units)], **order),
        )
        street.do("tern", call("tern", "tern-coin", "execute", key=f"for {who}"))


def failures(outcome):
    return [(one.institution, one.day, one.cause, one.because_of) for one in outcome.failures]


def redeemed(outcome):
    return [
        (one.institution, one.claim, one.how, one.holders, one.units, one.asset, one.got)
        for one in outcome.redeemed
    ]


# Coins on a custodian's word.


def test_a_run_on_a_coin_is_paid_by_its_custodian_and_burns_the_coins(street):
    coins(street, reserves=1_000, alice=600, bob=400)
    drill = street.drilled(everybody_withdraws("tern-co"))
    get = drill.ground.fork.overlay.get
    assert [get(("balance", who, RESERVE)) for who in ("alice", "bob", "vault")] == [600, 400, None]
    assert get(("balance", "tern-coin", COIN)) is None
    assert get(("balance", "tern-coin", RECEIPT)) is None
    outcome = street.drill("tern-co")
    assert paid(outcome) == {(COIN, "alice"): (600, 600), (COIN, "bob"): (400, 400)}
    assert redeemed(outcome) == [("tern-co", COIN, "paid apart", 2, 1_000, RESERVE, 1_000)]
    assert [(one.institution, one.cash, one.asked, one.paid, one.day) for one in outcome.survival] == [
        ("tern-co", RESERVE, 1_000, 1_000, None),
        ("vault-co", RESERVE, 1_000, 1_000, None),
    ]
    assert (outcome.failures, outcome.left_out) == ((), ())


def test_a_custodian_that_is_one_unit_short_fails_and_the_coins_issuer_with_it(street):
    coins(street, reserves=999, alice=600, bob=400)
    outcome = street.drill("tern-co")
    assert failures(outcome) == [
        ("tern-co", 0, "contagion", ("vault-co",)),
        ("vault-co", 0, "insolvent", ()),
    ]
    assert [(one.due, one.paid, one.left) for one in outcome.failures] == [(1_000, 999, 0), (1_000, 999, 0)]
    assert outcome.losses == (("bob", "tern-co", RESERVE, 1), ("tern-co", "vault-co", RESERVE, 1))
    assert outcome.paid_ppm("tern-co") == 999_000


def test_what_is_not_paid_stands_as_a_request_that_is_made_again_when_it_lapses(street):
    """400 of 1,000 are paid; birch's bond brings the rest on day 9, after the first requests lapsed."""
    coins(street, reserves=400, alice=600, bob=400)
    street.claim("birch", "bond", "birch-bank", Terms(owes=RESERVE, notice_seconds=9 * DAY))
    street.do("birch", issue("birch", ("bond@birch", "vault", 601)))
    outcome = street.drill("tern-co")
    alice = next(one for one in outcome.claims if one.holder == "alice")
    assert alice.payments == ((0, 240), (9, 360))
    assert failures(outcome) == [
        ("tern-co", 0, "contagion", ("vault-co",)),
        ("vault-co", 0, "illiquid", ()),
    ]
    assert outcome.losses == ()
    short = street.drilled(everybody_withdraws("tern-co", horizon_days=3))
    get = short.ground.fork.overlay.get
    assert get(("balance", "tern-coin/waiting", COIN)) == 600
    lapsed = street.drilled(everybody_withdraws("tern-co", horizon_days=9))
    assert lapsed.ground.fork.overlay.get(("balance", "tern-coin/waiting", COIN)) == 600
    assert all(ask.redemption.ends > short.ground.time_of(7) for ask in lapsed.tills.asks if ask.way)


def test_receipts_with_a_notice_make_the_coin_wait_as_long(street):
    coins(street, reserves=1_000, notice=DAY, alice=600)
    outcome = street.drill("tern-co")
    alice = next(one for one in outcome.claims if one.holder == "alice")
    assert (alice.payments, alice.payer, alice.obligor) == (((1, 600),), "vault-co", "tern-co")


def test_requests_that_were_under_way_and_half_a_run_are_part_of_it(street):
    coins(street, reserves=1_000, alice=600, bob=400)
    asked = {"key": "out 1", "units": 100, "expires": street.time + 3 * DAY * SECOND}
    street.do("alice", call("alice", "tern-coin", "request_burn", spend=[(COIN, 100)], **asked))
    outcome = street.drill("tern-co", percent="50%")
    # The hundred that she asked for, and half of the five hundred that she still has.
    assert paid(outcome) == {(COIN, "alice"): (350, 350), (COIN, "bob"): (200, 200)}
    assert outcome.left_out == ()


def test_a_run_on_all_calls_the_receipts_behind_the_coins_once(street):
    coins(street, reserves=1_000, alice=600, bob=400)
    outcome = street.drill({"targets": "all", "withdraw": "100%", "cash": {"EUR": RESERVE}})
    assert [row for row in outcome.left_out if row[1] == RECEIPT] == []
    assert [(one.asked, one.paid) for one in outcome.survival if one.institution == "vault-co"] == [
        (1_000, 1_000)
    ]
    alone = street.drill("vault-co")
    assert alone.left_out == (("tern-coin", RECEIPT, 1_000, "held by a contract"),)


def test_a_bank_that_is_short_calls_its_coins_from_the_custodian(street):
    coins(street, reserves=1_000, alder=700)
    street.drain("alder", 30_500)  # 19,500 are left for alice's 20,000
    outcome = street.drill("alder-bank")
    assert outcome.failures == ()
    assert redeemed(outcome) == [("tern-co", COIN, "paid apart", 1, 500, RESERVE, 500)]


def test_no_cash_of_its_own_helps_who_stands_on_anothers_word(street):
    coins(street, reserves=999, alice=1_000)
    scenario = everybody_withdraws("tern-co")
    outcome = street.drill(scenario)
    found = find_rescue(street.store, street.kinds, scenario, outcome, "tern-co", index=street.index)
    assert found == Rescue("tern-co", RESERVE, None, 2)
    found = find_rescue(street.store, street.kinds, scenario, outcome, "vault-co", index=street.index)
    assert (found.cash, found.units) == (RESERVE, 1)


def test_nothing_is_created_by_redeeming_and_the_run_repeats(street):
    coins(street, reserves=500, alice=600, bob=400)
    custody(street, alice=900)
    scenario = everybody_withdraws(per_day="30%")
    drill = street.drilled(scenario)
    values = {**street.store.values, **drill.ground.fork.overlay.writes}
    check_state({key: value for key, value in values.items() if value is not None})
    assert street.drill(scenario).hash == street.drill(scenario).hash


# Receipts of what a contract keeps.


def custody(street, **deposited):
    kept = [{"asset": ALDER, "code": "kept"}]
    made = deploy("vault", "safe", "custody", institution="vault-co", custodian="vault", kept=kept)
    street.do("vault", replace(made, obligor="vault-co"))
    for who, units in deposited.items():
        street.do(who, call(who, "safe", "deposit", asset=ALDER, units=units, spend=[(ALDER, units)]))


def test_custody_receipts_bring_back_what_is_kept_one_for_one_and_in_part(street):
    custody(street, alice=900)
    outcome = street.drill("vault-co", per_day="50%")
    assert paid(outcome) == {(KEPT, "alice"): (900, 900)}
    assert outcome.claims[0].payments == ((0, 450), (1, 450))
    assert redeemed(outcome) == [("vault-co", KEPT, "withdraw", 1, 900, ALDER, 900)]
    assert [(one.institution, one.cash, one.asked, one.paid) for one in outcome.survival] == [
        ("vault-co", ALDER, 900, 900)
    ]


def test_a_claw_back_leaves_every_receipt_its_part_and_the_custodian_fails(street):
    street.do("birch", create("birch", "scrip", decimals=2, claw_back_by="birch"))
    street.do("birch", issue("birch", ("scrip@birch", "alice", 1_000)))
    kept = [{"asset": "scrip@birch", "code": "scrip"}]
    made = deploy("vault", "safe", "custody", institution="vault-co", custodian="vault", kept=kept)
    street.do("vault", replace(made, obligor="vault-co"))
    spend = [("scrip@birch", 1_000)]
    street.do("alice", call("alice", "safe", "deposit", asset="scrip@birch", units=1_000, spend=spend))
    street.do(
        "birch",
        tx.ClawBack(account="birch", asset="scrip@birch", source="safe", units="300", reason="order 1"),
    )
    outcome = street.drill("vault-co")
    assert paid(outcome) == {("scrip@safe", "alice"): (1_000, 700)}
    assert failures(outcome) == [("vault-co", 0, "insolvent", ())]
    assert outcome.losses == (("alice", "vault-co", "scrip@birch", 300),)


def test_a_contract_that_does_not_say_how_is_named_and_not_asked(street, monkeypatch):
    custody(street, alice=900)
    kind = street.kinds.contracts["custody", 1]
    methods = {name: one for name, one in kind.methods.items() if name != "redemptions"}
    monkeypatch.setattr(kind, "methods", methods)
    assert street.drill("vault-co").left_out == (("alice", KEPT, 900, UNTOLD),)


# Units of a fund, redeemed in windows.


def oracle(street, name, *, base, quote, value):
    """A feed of one reporter, whose word holds for a year."""
    source = {"name": "feed", "kind": "market", "window_seconds": 0, "reference": ""}
    given = {
        "base": base,
        "quote": quote,
        "scale": 100,
        "sources": [source],
        "quorum": 1,
        "stale_seconds": 366 * DAY,
        "spread_ppm_max": 50_000,
    }
    if street.get("account", "feed") is None:
        street.open("feed")
    street.do("alice", deploy("alice", name, "oracle", **given))
    say(street, name, value)


def say(street, name, value):
    street.time += SECOND
    street.do("feed", call("feed", name, "report", value=value, observed=street.time))


def fund(street, *, reserves=0, **more):
    """alice has 500 units of a fund of vault-co's, worth two reserves each, redeemed in daily windows."""
    given = {
        "cash": RESERVE,
        "obligor": "vault-co",
        "custodian": "vault",
        "oracle": "gold-value",
        "owes": "XAU",
        "window_seconds": DAY,
        "settle_seconds": 4 * 3_600,
        "freshness_seconds": 300 * DAY,
    } | more
    street.do("vault", replace(deploy("vault", "gold-fund", "fund", **given), obligor="vault-co"))
    street.do("cb", issue("cb", (RESERVE, "alice", 1_000)))
    oracle(street, "gold-value", base=UNIT, quote=RESERVE, value=200)
    window = int(
        street.do(
            "alice", call("alice", "gold-fund", "subscribe", units=1_000, spend=[(RESERVE, 1_000)])
        ).results[0]
    )
    street.time += DAY * SECOND
    say(street, "gold-value", 200)
    street.do("vault", call("vault", "gold-fund", "settle", window=window, reference="order 1"))
    street.do("alice", call("alice", "gold-fund", "claim", window=window))
    assert street.balance("alice", UNIT) == 500
    street.do("vault", transfer("vault", (RESERVE, "bob", 1_000)))
    if reserves:
        street.do("cb", issue("cb", (RESERVE, "vault", reserves)))


def attested(street, *days, value=200):
    return tuple(
        ScriptedCall(
            day,
            "feed",
            "gold-value",
            "report",
            {"value": value, "observed": street.time + day * DAY * SECOND},
        )
        for day in days
    )


def test_units_of_a_fund_are_paid_when_the_custodian_settles_their_window(street):
    fund(street, reserves=1_000)
    scenario = everybody_withdraws("vault-co", calls=attested(street, 1))
    outcome = street.drill(scenario)
    assert [told for _, _, told in outcome.scripted] == ["done"]
    assert outcome.claims[0].payments == ((1, 500),)
    assert redeemed(outcome) == [("vault-co", UNIT, "claim", 1, 500, RESERVE, 1_000)]
    assert (outcome.failures, outcome.losses) == ((), ())


def test_a_custodian_without_the_cash_settles_nothing_and_the_funds_obligor_fails(street):
    fund(street, reserves=999)
    outcome = street.drill(everybody_withdraws("vault-co", calls=attested(street, 1)))
    assert [(one.institution, one.day, one.due, one.paid) for one in outcome.failures] == [
        ("vault-co", 1, 1_000, 0)
    ]
    assert redeemed(outcome) == []
    assert outcome.losses == (("alice", "vault-co", RESERVE, 1_000),)


def test_what_a_gate_leaves_over_is_asked_for_again_in_the_next_window(street):
    fund(street, gate_ppm=400_000, reserves=1_000)
    outcome = street.drill(everybody_withdraws("vault-co", calls=attested(street, 1, 2, 3), horizon_days=4))
    # Two fifths of 500, of 300 and of 180: each day's gate is of what is still outstanding.
    assert outcome.claims[0].payments == ((1, 200), (2, 120), (3, 72))
    assert (outcome.claims[0].waits, outcome.failures) == (108, ())


def test_without_a_value_of_after_the_close_no_window_is_settled_and_the_code_is_told(street):
    fund(street, reserves=1_000)
    outcome = street.drill("vault-co")
    assert outcome.left_out == (("alice", UNIT, 500, "refused by its contract's calls: fund.value_too_old"),)
    assert (outcome.failures, paid(outcome)[UNIT, "alice"]) == ((), (500, 0))


# A stable claim that is paid in its maker's own token.


def terra(street, *, pool):
    """alice has 1,000 ust of terra-labs, redeemed in luna at 1 for 1, which a pool may buy for euro."""
    street.open("terra")
    street.do("terra", tx.FoundInstitution(account="terra", name="terra-labs"))
    given = {
        "warning": WARNING,
        "oracle": "luna-price",
        "obligor": "terra-labs",
        "unit": "EUR",
        "decimals": 2,
        "stable_code": "ust",
        "own_code": "luna",
        "opening_stable_units": 1_000,
        "opening_token_units": 100_000,
        "base_pool": 10**9,
        "recovery_periods": 36,
        "least_spread_ppm": 0,
    }
    street.do(
        "terra", replace(deploy("terra", "terra-swap", "own_token_swap", **given), obligor="terra-labs")
    )
    oracle(street, "luna-price", base=LUNA, quote=UST, value=100)
    street.do("terra", transfer("terra", (UST, "alice", 1_000)))
    if pool:
        street.do("cb", issue("cb", (RESERVE, "terra", pool)))
        street.do("terra", deploy("terra", "pool", "constant_product_pool", asset_0=RESERVE, asset_1=LUNA))
        spend = [(RESERVE, pool), (LUNA, pool)]
        street.do("terra", call("terra", "pool", "mint", units_0=pool, units_1=pool, spend=spend))


def test_own_tokens_are_worth_what_their_pools_pay(street):
    terra(street, pool=3_000)
    outcome = street.drill({"targets": ["terra-labs"], "withdraw": "100%", "cash": {"EUR": RESERVE}})
    [taken] = outcome.redeemed
    assert (taken.how, taken.units, taken.asset, taken.got) == ("swap_exact_in", 1_000, LUNA, 999)
    [sale] = outcome.sales
    assert (sale.account, sale.asset, sale.units, sale.got) == ("alice", LUNA, 999, 747)
    assert paid(outcome) == {(UST, "alice"): (1_000, 747)}
    assert failures(outcome) == [("terra-labs", 0, "insolvent", ())]
    assert outcome.losses == (("alice", "terra-labs", RESERVE, 253),)


def test_own_tokens_that_no_pool_buys_pay_nothing(street):
    terra(street, pool=0)
    outcome = street.drill({"targets": ["terra-labs"], "withdraw": "100%", "cash": {"EUR": RESERVE}})
    assert [one.got for one in outcome.redeemed] == [999]
    assert (outcome.sales, paid(outcome)) == ((), {(UST, "alice"): (1_000, 0)})
    assert [(one.due, one.paid) for one in outcome.failures] == [(1_000, 0)]
