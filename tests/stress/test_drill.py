"""Drills: withdrawals that a ledger accepted, and what came of them."""

import pytest
from msgspec.structs import replace

from tallystick.ledger import transactions as tx
from tallystick.ledger.invariants import check_state
from tallystick.ledger.records import Limits, PolicySpec, Terms
from tallystick.ledger.store import Store
from tallystick.stress.drill import run_drill
from tallystick.stress.scenario import Lender, ScenarioInvalid, Shock, everybody_withdraws
from tests.institutions.city import GOLD, NOTE
from tests.ledger.world import DAY, World, call, issue, transfer
from tests.shared_data import shared_json
from tests.stress.street import ALDER, BIRCH, PERK, RESERVE, Street, paid


@pytest.fixture
def street():
    return Street()


def causes(outcome):
    return [(one.order, one.institution, one.day, one.cause, one.because_of) for one in outcome.failures]


# One bank.


def test_a_bank_that_has_what_it_owes_pays_everybody(street):
    outcome = street.drill()
    assert (outcome.failures, outcome.losses) == ((), ())
    assert paid(outcome)[ALDER, "alice"] == (20_000, 20_000)
    assert outcome.paid_ppm("alder-bank") == 1_000_000
    assert [(one.institution, one.cash, one.day) for one in outcome.survival] == [
        ("alder-bank", RESERVE, None)
    ]


def test_a_bank_that_has_less_pays_everybody_the_same_part_and_fails(street):
    street.deposit("alder", "bob", 50_000)
    outcome = street.drill()
    assert paid(outcome)[ALDER, "alice"] == (20_000, 14_286)
    assert paid(outcome)[ALDER, "bob"] == (50_000, 35_714)
    assert causes(outcome) == [(1, "alder-bank", 0, "insolvent", ())]
    failure = outcome.failure("alder-bank")
    assert (failure.due, failure.paid, failure.cash, failure.left) == (70_000, 50_000, RESERVE, 0)
    assert outcome.losses == (
        ("alice", "alder-bank", RESERVE, 5_714),
        ("bob", "alder-bank", RESERVE, 14_286),
    )
    assert outcome.survival[0].day == 0


def test_one_unit_decides(street):
    street.deposit("alder", "bob", 30_000)
    assert street.drill().failures == ()
    street.deposit("alder", "bob", 1)
    assert street.drill().failures[0].institution == "alder-bank"


def test_what_was_not_paid_is_in_default_by_the_ledgers_own_clock(street):
    street.deposit("alder", "bob", 50_000)
    assert street.drill().defaulted == 2
    short = everybody_withdraws("alder-bank", horizon_days=1)
    assert street.drill(short).defaulted == 0


def test_half_a_run_asks_for_half_and_a_slow_run_fails_on_the_day_it_runs_out(street):
    street.deposit("alder", "bob", 50_000)
    half = street.drill("alder-bank", percent="50%")
    assert (half.failures, paid(half)[ALDER, "bob"]) == ((), (25_000, 25_000))
    slow = street.drill("alder-bank", per_day="10%")
    assert causes(slow) == [(1, "alder-bank", 7, "insolvent", ())]
    # Seven days at 2,000 and 5,000, then 1,000 for the 7,000 of the eighth, and nothing after it.
    assert paid(slow)[ALDER, "alice"] == (20_000, 14_286)
    assert paid(slow)[ALDER, "bob"] == (50_000, 35_714)
    bob = next(one for one in slow.claims if one.holder == "bob")
    assert bob.payments == (*((day, 5_000) for day in range(7)), (7, 714))


def test_of_a_claim_with_a_run_off_so_much_is_asked_along_the_path(street):
    document = {"targets": ["alder-bank"], "withdraw": ["50%", "50%"], "run_off": {ALDER: "30%"}}
    outcome = street.drill(document)
    assert paid(outcome)[ALDER, "alice"] == (6_000, 6_000)
    alice = next(one for one in outcome.claims if one.claim == ALDER and one.holder == "alice")
    assert alice.payments == ((0, 3_000), (1, 3_000))
    assert paid(street.drill(document | {"run_off": {ALDER: "0%"}})).get((ALDER, "alice")) is None


def test_only_those_who_run_are_paid(street):
    street.deposit("alder", "bob", 50_000)
    outcome = street.drill({"targets": ["alder-bank"], "withdraw": "100%", "runners": ["alice"]})
    assert paid(outcome) == {(ALDER, "alice"): (20_000, 20_000), (NOTE, "alice"): (100, 0)}
    assert outcome.failures == ()


def test_a_claim_with_a_date_waits_for_it(street):
    outcome = street.drill()
    note = next(one for one in outcome.claims if one.claim == NOTE)
    assert (note.waits, note.unpaid, note.payments) == (100, 0, ())
    later = street.drill(everybody_withdraws("alder-bank", horizon_days=370))
    note = next(one for one in later.claims if one.claim == NOTE)
    assert (note.waits, note.payments) == (0, ((365, 100),))


def test_a_claim_with_notice_is_paid_when_the_notice_ends_and_counts_for_nothing_before(street):
    street.claim("birch", "bond", "birch-bank", Terms(owes=RESERVE, notice_seconds=3 * DAY))
    street.do("birch", issue("birch", ("bond@birch", "alice", 30_000)))
    outcome = street.drill("birch-bank")
    assert paid(outcome)[BIRCH, "bob"] == (10_000, 10_000)
    bond = next(one for one in outcome.claims if one.claim == "bond@birch")
    assert bond.payments == ((3, 20_000),)
    assert causes(outcome) == [(1, "birch-bank", 3, "insolvent", ())]


def test_redemptions_that_were_under_way_are_part_of_it(street):
    street.do("alice", tx.Redeem(account="alice", asset=ALDER, units="7000"))
    outcome = street.drill()
    assert paid(outcome)[ALDER, "alice"] == (20_000, 20_000)
    street.do("birch", issue("birch", (BIRCH, "alice", 25_000)))
    street.do("alice", tx.Redeem(account="alice", asset=BIRCH, units="25000"))
    street.drain("birch", 20_000)
    half = street.drill({"targets": ["birch-bank"], "withdraw": "100%", "runners": ["bob"]})
    assert paid(half) == {(BIRCH, "alice"): (25_000, 7_143), (BIRCH, "bob"): (10_000, 2_857)}


def test_the_secured_are_paid_before_the_senior_and_those_before_the_subordinated(street):
    for code, rank in (("first", "secured"), ("last", "subordinated")):
        street.claim("birch", code, "birch-bank", Terms(owes=RESERVE, rank=rank))
        street.do("birch", issue("birch", (f"{code}@birch", "alice", 25_000)))
    outcome = street.drill("birch-bank")
    assert paid(outcome) == {
        ("first@birch", "alice"): (25_000, 25_000),
        (BIRCH, "bob"): (10_000, 5_000),
        ("last@birch", "alice"): (25_000, 0),
    }


def test_a_claim_is_paid_at_the_rate_of_its_terms(street):
    street.claim("birch", "unit", "birch-bank", Terms(owes=RESERVE, pays=3, per=2))
    street.do("birch", issue("birch", ("unit@birch", "alice", 10_001)))
    outcome = street.drill("birch-bank")
    alice = next(one for one in outcome.claims if one.holder == "alice")
    assert (alice.paid, alice.got) == (10_001, 15_001)


def test_what_nothing_on_the_ledger_pays_fails_for_that_reason(street):
    street.do("vault", issue("vault", (GOLD, "alice", 100)))
    outcome = street.drill("vault-co")
    assert causes(outcome) == [(1, "vault-co", 0, "no_cash", ())]
    named = street.drill({"targets": ["vault-co"], "withdraw": "100%", "cash": {"GOLD-GRAM": RESERVE}})
    assert named.failures[0].cause == "insolvent"


def test_units_of_different_things_are_never_added(street):
    """Grams of gold and cents of euro that nothing pays stand apart, and beside what is paid."""
    street.claim("vault", "usd", "vault-co", Terms(owes="USD"))
    street.claim("vault", "eur", "vault-co", Terms(owes=RESERVE))
    street.do(
        "vault",
        issue("vault", (GOLD, "alice", 100), ("usd@vault", "alice", 7), ("eur@vault", "alice", 1_000)),
    )
    street.drain("alder", 500)
    outcome = street.drill("vault-co")
    assert [(one.cash, one.day, one.asked, one.paid) for one in outcome.survival] == [
        ("GOLD-GRAM", 0, 100, 0),
        ("USD", 0, 7, 0),
        (RESERVE, 0, 1_000, 500),
    ]
    assert outcome.losses == (
        ("alice", "vault-co", "GOLD-GRAM", 100),
        ("alice", "vault-co", "USD", 7),
        ("alice", "vault-co", RESERVE, 500),
    )
    assert outcome.paid_ppm("vault-co") == 0
    street.do("alice", transfer("alice", (GOLD, "vault", 100), ("usd@vault", "vault", 7)))
    assert street.drill("vault-co").paid_ppm("vault-co") == 500_000


def test_a_frozen_holder_is_not_paid_and_spoils_it_for_nobody(street):
    policy = PolicySpec(kind="controlled", lists_by="birch")
    street.claim("birch", "usd", "birch-bank", Terms(owes=RESERVE), policy=policy)
    street.do("birch", issue("birch", ("usd@birch", "alice", 100), ("usd@birch", "alder", 100)))
    street.do(
        "birch",
        tx.SetListing(account="birch", asset="usd@birch", list="frozen", subject="alice", listed=True),
    )
    outcome = street.drill("birch-bank")
    told = {(one.claim, one.holder): (one.paid, one.refused) for one in outcome.claims}
    assert told["usd@birch", "alice"] == (0, "policy_refused")
    assert told["usd@birch", "alder"] == (100, "")
    assert told[BIRCH, "bob"] == (10_000, "")
    assert outcome.failures == ()


def test_a_contract_asks_for_nothing_and_is_said_to(street):
    street.basket("chest")
    street.put_in("alice", "chest", ALDER, 500)
    assert street.drill().left_out == (("chest", ALDER, 500, "held by a contract"),)


# Several.


def test_a_bank_that_is_short_calls_others_which_may_fail_in_turn(street):
    street.deposit("alder", "bob", 50_000)
    street.deposit("birch", "alder", 25_000)
    whole = street.drill()
    assert (whole.failures, paid(whole)[BIRCH, "alder"]) == ((), (20_000, 20_000))
    street.drain("birch", 25_000)
    broken = street.drill()
    assert causes(broken) == [
        (1, "alder-bank", 0, "contagion", ("birch-bank",)),
        (2, "birch-bank", 0, "insolvent", ()),
    ]
    assert paid(broken)[ALDER, "bob"] == (50_000, 39_285)
    assert ("alder-bank", "birch-bank", RESERVE, 20_000) in broken.losses
    alone = street.drill({"targets": ["alder-bank"], "withdraw": "100%", "calls_claims": False})
    assert [one.institution for one in alone.failures] == ["alder-bank"]


def test_what_a_holder_pays_away_itself_it_asks_for_no_more(street):
    """bob owes birch 6,000 and pays with the 10,000 at alder that he would have taken out."""
    street.open("mill")
    street.do("mill", tx.FoundInstitution(account="mill", name="mill-works"))
    street.claim("mill", "loan", "mill-works", Terms(owes="EUR"))
    street.do("mill", issue("mill", ("loan@mill", "birch", 6_000)))
    street.deposit("alder", "mill", 10_000)
    street.drain("alder", 35_000)
    outcome = street.drill({"targets": "all", "withdraw": "100%", "cash": {"EUR": ALDER}})
    # 15,000 for alice's 20,000 and mill's 4,000 on the first day; birch asks for its 6,000 after that.
    failure = outcome.failure("alder-bank")
    assert (failure.due, failure.paid) == (24_000, 15_000)
    asked = paid(outcome)
    assert asked[ALDER, "mill"] == (4_000, 2_500)
    assert asked["loan@mill", "birch"] == (6_000, 6_000)
    assert asked[ALDER, "alice"] == (20_000, 12_500)
    unpaid = [row for row in outcome.losses if row[1] == "alder-bank"]
    assert sum(units for *_, units in unpaid) <= 20_000 + 10_000 - 15_000


def test_what_comes_in_by_another_cash_asset_is_called_on_the_same_day(street):
    """mill pays birch with 6,000 at alder, and birch, short of 6,000 in reserves, takes them out at once."""
    street.open("mill")
    street.do("mill", tx.FoundInstitution(account="mill", name="mill-works"))
    street.claim("mill", "loan", "mill-works", Terms(owes="EUR"))
    street.do("mill", issue("mill", ("loan@mill", "birch", 6_000)))
    street.deposit("alder", "mill", 6_000)
    street.drain("birch", 26_000)
    scenario = {"targets": ["birch-bank", "mill-works"], "withdraw": "100%", "cash": {"EUR": ALDER}}
    outcome = street.drill(scenario)
    assert outcome.failures == ()
    assert paid(outcome)[BIRCH, "bob"] == (10_000, 10_000)
    assert paid(outcome)[ALDER, "birch"] == (6_000, 6_000)
    assert {day for one in outcome.claims for day, _ in one.payments} == {0}
    street.drain("birch", 1)
    assert causes(street.drill(scenario)) == [(1, "birch-bank", 0, "insolvent", ())]


def test_what_banks_owe_in_a_circle_is_set_off_without_cash(street):
    for bank in ("cedar", "dogwood", "elm"):
        street.bank(bank, reserves=0)
    for debtor, creditor in (("cedar", "dogwood"), ("dogwood", "elm"), ("elm", "cedar")):
        street.deposit(debtor, creditor, 1_000)
    outcome = street.drill(everybody_withdraws("cedar", "dogwood", "elm"))
    assert (outcome.failures, outcome.set_off) == ((), ((RESERVE, 1_000),))
    assert all(one.paid == 1_000 for one in outcome.claims)
    assert outcome.transactions == 1


def test_term_claims_come_in_late_and_are_shared_among_those_who_wait(street):
    street.deposit("alder", "bob", 50_000)
    street.claim("birch", "bond", "birch-bank", Terms(owes=RESERVE, notice_seconds=5 * DAY))
    street.do("birch", issue("birch", ("bond@birch", "alder", 20_001)))
    outcome = street.drill()
    assert causes(outcome) == [(1, "alder-bank", 0, "illiquid", ())]
    assert paid(outcome)[ALDER, "bob"] == (50_000, 50_000)
    assert [day for day, _ in next(one for one in outcome.claims if one.holder == "bob").payments] == [0, 5]
    assert outcome.losses == ()


def test_assets_are_sold_into_the_ledgers_pools_at_what_they_pay_and_no_more_than_needed(street):
    street.pool(100_000, 100_000)
    street.deposit("alder", "bob", 40_000)
    street.do("alder", issue("alder", (PERK, "alder.desk", 12_000)))
    needed = street.drill()
    sale = needed.sales[0]
    # 10,000 of reserves cost 11,145 of the token by the pool's formula: one sale, of just so much.
    assert (sale.units, sale.got, sale.account, sale.pool) == (11_145, 10_000, "alder.desk", "pool")
    assert needed.failures == ()
    street.deposit("alder", "bob", 1_000)
    outcome = street.drill()
    assert [(one.units, one.got) for one in outcome.sales] == [(12_000, 10_685)]
    assert outcome.failures[0].paid == 60_685
    held = street.drill({"targets": ["alder-bank"], "withdraw": "100%", "sells": False})
    assert (held.sales, held.failures[0].paid) == ((), 50_000)


def test_a_bank_leaves_contracts_by_their_exits(street):
    street.deposit("alder", "bob", 40_000)
    street.do("cb", issue("cb", (RESERVE, "alder", 10_000)))
    street.basket("chest")
    street.put_in("alder", "chest", RESERVE, 10_000)
    outcome = street.drill()
    assert [(one.contract, one.method, one.got) for one in outcome.left] == [
        ("chest", "take_out", ((RESERVE, 10_000),))
    ]
    assert outcome.failures == ()
    stays = street.drill({"targets": ["alder-bank"], "withdraw": "100%", "leaves_contracts": False})
    assert stays.failures[0].paid == 50_000


def test_a_lender_of_last_resort_lends_against_collateral_less_its_haircut_or_not_at_all(street):
    street.deposit("alder", "bob", 40_000)
    street.claim("birch", "bond", "birch-bank", Terms(owes=RESERVE, notice_seconds=90 * DAY))
    street.do("birch", issue("birch", ("bond@birch", "alder", 12_500)))
    scenario = everybody_withdraws("alder-bank")
    assert street.drill(scenario).failures[0].cause == "illiquid"
    lent = street.drill(everybody_withdraws("alder-bank", lender_of_last_resort=Lender("cb", 200_000)))
    assert [(one.units, one.collateral, one.collateral_units) for one in lent.loans] == [
        (10_000, "bond@birch", 12_500)
    ]
    assert lent.failures == ()
    dear = street.drill(everybody_withdraws("alder-bank", lender_of_last_resort=Lender("cb", 200_080)))
    assert (dear.loans[0].units, dear.failures[0].due - dear.failures[0].paid) == (9_999, 1)
    slow = street.drill(
        everybody_withdraws("alder-bank", per_day="10%", lender_of_last_resort=Lender("cb", 200_000))
    )
    # 6,000 a day: the ninth and tenth need 4,000 and 6,000, each with as much collateral as it takes.
    assert [(one.day, one.units, one.collateral_units) for one in slow.loans] == [
        (8, 4_000, 5_000),
        (9, 6_000, 7_500),
    ]
    assert slow.failures == ()
    bounded = Lender("cb", 0, limit_units=400)
    assert (
        street.drill(everybody_withdraws("alder-bank", lender_of_last_resort=bounded)).loans[0].units == 400
    )
    shocked = everybody_withdraws(
        "alder-bank",
        lender_of_last_resort=Lender("cb", 200_000),
        shocks=(Shock(0, "bond@birch", -500_000),),
    )
    assert street.drill(shocked).loans[0].units == 5_000


def test_what_was_borrowed_against_collateral_is_not_what_is_left(street):
    """12,500 of bonds stand for a loan of 10,000: what is left is 2,500, and no 4,000 can be paid from it."""
    street.claim("birch", "bond", "birch-bank", Terms(owes=RESERVE, notice_seconds=90 * DAY))
    street.do("birch", issue("birch", ("bond@birch", "alder", 12_500)))
    street.deposit("alder", "bob", 42_499)
    lent = everybody_withdraws("alder-bank", lender_of_last_resort=Lender("cb", 200_000))
    failure = street.drill(lent).failures[0]
    assert (failure.due - failure.paid, failure.left, failure.cause) == (2_499, 2_500, "illiquid")
    street.deposit("alder", "bob", 1)
    failure = street.drill(lent).failures[0]
    assert (failure.due - failure.paid, failure.left, failure.cause) == (2_500, 2_500, "insolvent")


def test_scripted_calls_are_made_on_their_day_and_their_outcome_is_told(street):
    document = {
        "targets": ["alder-bank"],
        "withdraw": "100%",
        "calls": [
            {
                "day": 2,
                "account": "alice",
                "contract": "till",
                "method": "lend",
                "arguments": {"units": 5},
                "spend": {ALDER: "5"},
            },
            {"day": 3, "account": "alice", "contract": "till", "method": "nothing"},
        ],
        "runners": ["bob"],
    }
    outcome = street.drill(document)
    assert outcome.scripted == ((2, "till.lend", "done"), (3, "till.nothing", "unknown_method"))


# What must hold.


def test_nothing_is_created_on_a_fork_and_every_invariant_holds_there(street):
    street.deposit("alder", "bob", 50_000)
    street.deposit("birch", "alder", 25_000)
    street.drain("birch", 25_000)
    drill = street.drilled(everybody_withdraws())
    values = dict(street.store.values)
    for key, value in drill.ground.fork.overlay.writes.items():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    check_state(values)
    issued = {key: value for key, value in values.items() if key[0] == "balance" and value < 0}
    before = {key: value for key, value in street.store.values.items() if key[0] == "balance" and value < 0}
    # Every issuing account stands at most as far below zero as it did: claims were only given back.
    assert all(before[key] <= value for key, value in issued.items())


def test_the_same_state_and_scenario_give_the_same_hash_and_another_scenario_another(street):
    street.deposit("alder", "bob", 50_000)
    first, again = street.drill(), street.drill()
    assert first.hash == again.hash
    assert first.document() == again.document()
    assert street.drill("alder-bank", percent="99%").hash != first.hash
    street.deposit("alder", "bob", 1)
    assert street.drill().hash != first.hash


def test_an_empty_ledger_and_a_bank_that_owes_nothing_have_nothing_to_fear():
    empty = World(check_signatures=False)
    outcome = run_drill(empty.store, empty.kinds, everybody_withdraws())
    assert (outcome.failures, outcome.claims, outcome.transactions) == ((), (), 0)
    street = Street()
    street.bank("new", reserves=0)
    assert street.drill("new").failures == ()
    assert street.drill("new").paid_ppm("new") == 1_000_000


def test_an_unknown_institution_is_refused_and_a_known_one_is_not(street):
    with pytest.raises(ScenarioInvalid) as refused:
        street.drill("nowhere")
    assert refused.value.errors == ("targets: 'nowhere' is not on this ledger (unknown_institution)",)
    assert street.drill("birch-bank").failures == ()


def test_an_asset_without_a_price_counts_as_nothing_and_is_named(street):
    street.deposit("alder", "bob", 50_000)
    street.do("alder", issue("alder", (PERK, "alder.desk", 5)))
    assert street.drill().failures[0].unpriced == (PERK,)


def test_a_ledger_with_small_limits_is_drilled_in_smaller_steps(street):
    for number in range(12):
        street.open(f"p{number:02d}")
        street.deposit("alder", f"p{number:02d}", 100)
    limits = street.store.values[("limits",)]
    small = Store()
    small.write({**street.store.values, ("limits",): replace(limits, actions_max=5)})
    outcome = run_drill(small, street.kinds, everybody_withdraws("alder-bank"))
    assert outcome.failures == ()
    assert outcome.transactions > street.drill().transactions
    assert isinstance(limits, Limits)


# Others' answers.


@pytest.mark.parametrize("number", range(3))
def test_banks_that_run_on_each_other_clear_as_eisenberg_and_noe_say(number):
    """The example of systemicrisk's manual on the ledger: deposits, reserves, and everybody runs."""
    document = shared_json("risk/systemicrisk_doc_example.json")
    case = [one for one in document["cases"] if one["alpha"] == one["beta"] == 1][number]
    x, unit = case["x"], 10**9
    street = Street()
    names = ("b1", "b2", "b3")
    for name, units in zip(names, document["ea"], strict=True):
        street.bank(name, reserves=round(units * unit))
    matrix = [[0, 1 - x, x], [x, 0, 1 - x], [1 - x, x, 0]]
    for debtor, row in zip(names, matrix, strict=True):
        for creditor, units in zip(names, row, strict=True):
            if units:
                street.deposit(debtor, creditor, round(units * unit))
    for name, units in zip(names, document["el"], strict=True):
        street.deposit(name, "alice", round(units * unit))
    outcome = street.drill(everybody_withdraws(*names))
    for name, expected, defaults in zip(names, case["clearing"], case["default"], strict=True):
        got = sum(one.got for one in outcome.claims if one.obligor == name)
        assert got == pytest.approx(expected * unit, abs=3_000)
        assert (outcome.failure(name) is not None) is bool(defaults)


def test_diamonds_bank_pays_all_who_run_until_its_assets_are_gone():
    """A hundred depositors who may each take 1.28 of a bank that can cash in 100: 78 are paid, 79 are not."""
    known = shared_json("risk/textbook_small_checks.json")["diamond_dybvig_2007"]
    assert known["insolvent_f"] == 0.78125
    street = Street()
    street.bank("diamond", reserves=100_000_000)
    street.deposit("diamond", "alice", 128_000_000)
    for percent, failed, share in (
        ("78%", False, 1_000_000),
        ("78.125%", False, 1_000_000),
        ("79%", True, 988_924),
    ):
        outcome = street.drill("diamond", percent=percent)
        assert (outcome.failure("diamond") is not None) is failed
        assert outcome.paid_ppm("diamond") == share


def test_a_payment_by_call_or_transfer_reads_the_forks_own_books(street):
    """What the run moved is what the books of the fork show: they follow every transaction."""
    street.deposit("alder", "bob", 50_000)
    drill = street.drilled(everybody_withdraws("alder-bank"))
    assert drill.books.balances("alice")[RESERVE] == 14_286
    assert drill.books.outstanding(ALDER) == 70_000 - 50_000
    street.do("alice", transfer("alice", (ALDER, "bob", 1)))
    assert call("alice", "till", "lend", units=1).method == "lend"
