"""Scenarios: what is well said runs, and what is absurd is refused with every reason at once."""

import pytest

from tallystick.stress.scenario import (
    Lender,
    Scenario,
    ScenarioInvalid,
    ScriptedCall,
    Shock,
    check_scenario,
    everybody_withdraws,
    read_scenario,
)
from tests.institutions.city import City

PLAIN = {"targets": ["alder-bank"], "withdraw": "100%"}


def errors(document):
    with pytest.raises(ScenarioInvalid) as refused:
        read_scenario(document)
    return refused.value.errors


def test_a_whole_document_is_read_as_it_stands():
    book = {
        "unit": "EUR",
        "as_of": 0,
        "source": "us",
        "prices": {"gold@vault": "61.20"},
        "decimals": {"EUR": 2},
    }
    scenario = read_scenario(
        {
            "targets": ["alder-bank", "birch-bank"],
            "withdraw": ["40%", "0.5%"],
            "runners": ["alice"],
            "horizon_days": 60,
            "run_off": {"eur@alder": "5%"},
            "cash": {"EUR": "reserve@cb"},
            "shocks": [{"day": 2, "asset": "gold@vault", "change": "-30%"}],
            "calls": [
                {
                    "day": 1,
                    "account": "a",
                    "contract": "b",
                    "method": "c",
                    "arguments": {"x": 1},
                    "spend": {"e@f": "5"},
                }
            ],
            "lender_of_last_resort": {
                "lender": "cb",
                "haircut": "20%",
                "haircuts": {"gold@vault": "12.5%"},
                "limit": "500",
            },
            "calls_claims": False,
            "leaves_contracts": False,
            "sells": False,
            "prices": book,
            "price_from": ["pool"],
        }
    )
    assert scenario == Scenario(
        targets=("alder-bank", "birch-bank"),
        withdraw_ppm=(400_000, 5_000),
        runners=("alice",),
        horizon_days=60,
        run_off_ppm={"eur@alder": 50_000},
        cash={"EUR": "reserve@cb"},
        shocks=(Shock(2, "gold@vault", -300_000),),
        calls=(ScriptedCall(1, "a", "b", "c", {"x": 1}, {"e@f": "5"}),),
        lender_of_last_resort=Lender("cb", 200_000, {"gold@vault": 125_000}, 500),
        calls_claims=False,
        leaves_contracts=False,
        sells=False,
        prices=scenario.prices,
        price_from=("pool",),
    )
    assert scenario.prices is not None
    assert scenario.prices.unit == "EUR"


def test_all_and_everybody_are_words():
    assert read_scenario({"targets": "all", "withdraw": "100%", "runners": "everybody"}) == Scenario(
        (), (1_000_000,)
    )


def test_every_error_is_told_at_once_with_its_place():
    told = errors(
        {
            "targets": [],
            "withdraw": ["60%", "50%"],
            "horizon_days": 0,
            "shocks": [{"day": 99, "asset": "gold", "change": "-101%"}, {"day": 0}],
            "lender_of_last_resort": {"lender": "cb", "haircut": "150%", "limit": "-1"},
            "sells": "yes",
            "speed": "fast",
        }
    )
    assert told[0].startswith(
        "scenario: has no field 'speed'; it has calls, calls_claims, cash, horizon_days,"
    )
    assert told[1:] == (
        "horizon_days: is a whole number from 1 to 3660, not 0",
        "targets: is a list of names, not []",
        "withdraw: has 1 to 1 days, not 2",
        "shocks[0].day: is a whole number from 0 to 0, not 99",
        "shocks[0].asset: is an asset such as gold@vault, not 'gold'",
        "shocks[0].change: is -100% to 100000%, not -101%",
        "shocks[1]: lacks 'asset'",
        "shocks[1]: lacks 'change'",
        "lender_of_last_resort.limit: is whole minor units such as \"1000\", not '-1'",
        "lender_of_last_resort.haircut: is 0% to 100%, not 150%",
        "sells: is true or false, not 'yes'",
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"withdraw": "101%"}, "withdraw[0]: is 0% to 100%, not 101%"),
        ({"withdraw": ["60%", "50%"]}, "withdraw: adds up to 110%; nobody can withdraw more than 100%"),
        ({"withdraw": "-1%"}, "withdraw[0]: is 0% to 100%, not -1%"),
        ({"withdraw": 100}, 'withdraw[0]: is a percentage such as "12.5%", not 100'),
        ({"withdraw": []}, "withdraw: has 1 to 30 days, not 0"),
        ({"withdraw": "1e2%"}, "withdraw[0]: is a percentage such as \"12.5%\", not '1e2%'"),
        ({"horizon_days": 10**9}, "horizon_days: is a whole number from 1 to 3660, not 1000000000"),
        ({"horizon_days": 1.5}, "horizon_days: is a whole number from 1 to 3660, not 1.5"),
        ({"targets": ["a", "a"]}, "targets: names somebody twice"),
        ({"runners": [7]}, "runners[0]: is a name, not 7"),
        ({"cash": ["EUR"]}, "cash: is an object of names, not ['EUR']"),
        ({"shocks": {}}, "shocks: is a list, not {}"),
        ({"calls": [[]]}, "calls[0]: is an object, not []"),
        ({"prices": {}}, "prices: a price book has the fields as_of, decimals, prices, source, unit"),
    ],
)
def test_each_absurdity_is_refused_and_its_neighbour_is_not(change, told):
    assert told in errors(PLAIN | change)
    assert read_scenario(PLAIN) == Scenario(("alder-bank",), (1_000_000,))


def test_what_is_no_object_is_refused():
    assert errors([]) == ("scenario: is an object, not []",)
    assert errors({}) == ("scenario: lacks 'targets'", "scenario: lacks 'withdraw'")


def test_names_that_are_not_on_the_ledger_are_all_told():
    city = City()
    scenario = read_scenario(
        {
            "targets": ["alder-bank", "nowhere"],
            "withdraw": "100%",
            "runners": ["alice", "till", "nobody"],
            "run_off": {"eur@nowhere": "5%"},
            "cash": {"EUR": "nothing@cb"},
            "shocks": [{"day": 0, "asset": "gold@nowhere", "change": "0%"}],
            "calls": [{"day": 0, "account": "alice", "contract": "feed", "method": "report"}],
            "lender_of_last_resort": {"lender": "bob", "haircut": "0%"},
            "price_from": ["no-pool"],
        }
    )
    with pytest.raises(ScenarioInvalid) as refused:
        check_scenario(scenario, city.books)
    assert refused.value.errors == (
        "targets: 'nowhere' is not on this ledger (unknown_institution)",
        "runners: 'till' is a contract, which signs nothing",
        "runners: 'nobody' is no account of this ledger",
        "run_off: 'eur@nowhere' is not on this ledger (unknown_asset)",
        "cash.EUR: 'nothing@cb' is not on this ledger (unknown_asset)",
        "shocks[0].asset: 'gold@nowhere' is not on this ledger (unknown_asset)",
        "calls[0].contract: 'feed' is not on this ledger (unknown_contract)",
        "lender_of_last_resort.lender: 'bob' issues nothing it could lend",
        "price_from: 'no-pool' is not on this ledger (unknown_contract)",
    )
    check_scenario(read_scenario(PLAIN), city.books)


def test_so_much_a_day_becomes_a_path():
    assert everybody_withdraws("a", percent="100%", per_day="30%").withdraw_ppm == (
        300_000,
        300_000,
        300_000,
        100_000,
    )
    assert everybody_withdraws("a", percent="0%").withdraw_ppm == (0,)
    with pytest.raises(ScenarioInvalid):
        everybody_withdraws("a", percent="half")


def test_a_scenario_has_one_canonical_form_whatever_the_order_of_its_document():
    first = read_scenario({"targets": ["a"], "withdraw": "50%", "cash": {"EUR": "x@y", "USD": "z@y"}})
    again = read_scenario({"cash": {"USD": "z@y", "EUR": "x@y"}, "withdraw": ["50.0%"], "targets": ["a"]})
    assert first.hash == again.hash
    assert first.hash != read_scenario({"targets": ["a"], "withdraw": "51%"}).hash
