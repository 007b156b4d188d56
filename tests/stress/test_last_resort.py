"""The lender of last resort: by its facility where it has one, by supposition only where that is said."""

import pytest

from tallystick.ledger.invariants import check_state
from tallystick.ledger.records import Terms
from tallystick.stress.scenario import Lender, ScenarioInvalid, everybody_withdraws, read_scenario
from tests.ledger.world import DAY, call, deploy, issue
from tests.stress.street import RESERVE, Street

BOND = "bond@birch"
CB = Lender("cb")


@pytest.fixture
def street():
    """alder has 50,000 for 60,000, and 12,500 of birch's bonds; cb.purse opens a window of 20,000 at 20 %."""
    street = Street()
    street.deposit("alder", "bob", 40_000)
    street.claim("birch", "bond", "birch-bank", Terms(owes=RESERVE, notice_seconds=90 * DAY))
    street.do("birch", issue("birch", (BOND, "alder", 12_500)))
    street.open("cb.purse")
    street.join("cb.purse", "central-bank", founder="cb")
    street.do("cb", issue("cb", (RESERVE, "cb.purse", 20_000)))
    return street


def window(street, *, admitted=("alder",), funded=20_000, haircut_bps=2_000):
    terms = {
        "lender": "cb.purse",
        "asset": RESERVE,
        "term_seconds": 7 * DAY,
        "rate_ppm": 50_000,
        "rate_ppm_max": 100_000,
        "haircut_bps_max": 5_000,
        "delay_seconds": DAY,
        "collateral": [{"asset": BOND, "numerator": 1, "denominator": 1, "haircut_bps": haircut_bps}],
    }
    street.do("cb.purse", deploy("cb.purse", "window", "standing_facility", **terms))
    fund = call("cb.purse", "window", "fund", units=funded, spend=[(RESERVE, funded)])
    street.do("cb.purse", fund)
    for name in admitted:
        street.do("cb.purse", call("cb.purse", "window", "admit", borrower=name, admitted=True))


def run(street, lender=CB, **more):
    return street.drill(everybody_withdraws("alder-bank", lender_of_last_resort=lender, **more))


def loans(outcome):
    return [(one.day, one.units, one.collateral, one.collateral_units, one.by) for one in outcome.loans]


def test_the_facility_lends_by_its_own_terms_and_the_result_names_it(street):
    window(street)
    outcome = run(street)
    assert loans(outcome) == [(0, 10_000, BOND, 12_500, "window")]
    assert outcome.facilities == (("window", RESERVE),)
    assert outcome.failures == ()
    document = outcome.document()
    assert document["loans"][0]["by"] == "window"
    assert document["facilities"] == [{"contract": "window", "cash": RESERVE}]


def test_one_unit_more_than_the_haircut_leaves_is_not_lent(street):
    window(street, haircut_bps=2_001)
    outcome = run(street)
    assert [(one.units, one.by) for one in outcome.loans] == [(9_998, "window")]
    assert outcome.failures[0].due - outcome.failures[0].paid == 2


def test_whom_it_did_not_admit_and_what_it_did_not_put_in_it_does_not_lend(street):
    window(street, admitted=("birch",))
    outcome = run(street)
    assert (outcome.loans, outcome.failures[0].paid) == ((), 50_000)
    street.do("cb.purse", call("cb.purse", "window", "admit", borrower="alder", admitted=True))
    street.do("cb.purse", call("cb.purse", "window", "withdraw", units=19_600))
    outcome = run(street)
    assert loans(outcome) == [(0, 400, BOND, 500, "window")]
    assert run(street, Lender("cb", limit_units=100)).loans[0].units == 100


def test_a_haircut_supposes_lending_beyond_the_facility_and_each_loan_says_which_it_was(street):
    window(street, funded=4_000)
    outcome = run(street, Lender("cb", 200_000))
    assert loans(outcome) == [(0, 4_000, BOND, 5_000, "window"), (0, 6_000, BOND, 7_500, "supposed")]
    assert outcome.failures == ()


def test_a_loan_that_is_not_paid_back_costs_its_collateral_when_its_term_ends(street):
    window(street)
    drill = street.drilled(everybody_withdraws("alder-bank", lender_of_last_resort=CB))
    get = drill.ground.fork.overlay.get
    # 10,000 for a week at 5 % are 10,009.59; as much of the bond, rounded up, and the rest is alder's.
    assert (get(("balance", "cb.purse", BOND)), get(("balance", "alder", BOND))) == (10_010, 2_490)
    values = {**street.store.values, **drill.ground.fork.overlay.writes}
    check_state({key: value for key, value in values.items() if value is not None})


def test_what_is_owed_to_the_facility_is_not_what_is_left(street):
    window(street)
    street.deposit("alder", "bob", 2_499)
    failure = run(street).failures[0]
    # Nothing is left of the bond to pledge; 12,500 stand for a loan of 10,000.
    assert (failure.due - failure.paid, failure.left, failure.cause) == (2_499, 2_500, "illiquid")


def test_without_a_facility_a_haircut_is_needed_and_every_loan_is_supposed(street):
    with pytest.raises(ScenarioInvalid) as refused:
        run(street)
    assert refused.value.errors == (
        "lender_of_last_resort.haircut: 'cb' has no standing facility, so say at which haircut it would lend",
    )
    outcome = run(street, Lender("cb", 200_000))
    assert [one.by for one in outcome.loans] == ["supposed"]
    assert outcome.facilities == ()


def test_haircuts_of_some_stand_beside_the_haircut_of_all_others():
    document = {"targets": "all", "withdraw": "100%"}
    lender = {"lender": "cb", "haircuts": {"gold@vault": "50%"}}
    with pytest.raises(ScenarioInvalid, match="stand beside a `haircut`"):
        read_scenario(document | {"lender_of_last_resort": lender})
    found = read_scenario(document | {"lender_of_last_resort": lender | {"haircut": "20%"}})
    assert found.lender_of_last_resort == Lender("cb", 200_000, {"gold@vault": 500_000})
    assert read_scenario(document | {"lender_of_last_resort": {"lender": "cb"}}).lender_of_last_resort == CB
