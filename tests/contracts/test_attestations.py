"""Attestations: who may say what about an institution, for how long, and how it is taken back."""

import msgspec
import pytest

from tallystick.contracts.attestations import Refusal
from tallystick.ledger import transactions as tx
from tallystick.ledger.rejections import Code
from tests.contracts.market import Market
from tests.ledger.world import DAY, SECOND, deploy, signer


@pytest.fixture
def market() -> Market:
    market = Market(accounts=("bank", "auditor", "mallory"))
    market.world.do("bank", tx.FoundInstitution(account="bank", name="bank-inc", roles=("bank",)))
    parameters = {"attestors": ["auditor"], "valid_seconds_max": 30 * DAY}
    action = deploy("bank", "off-ledger", "attestations", **parameters)
    market.world.do("bank", msgspec.structs.replace(action, obligor="bank-inc"))
    return market


def say(market: Market, by: str = "auditor", *, refused: bool = False, **more):
    fields = {
        "item": "head office",
        "side": "asset",
        "what": "EUR",
        "units": 5_000,
        "expires": market.world.time + 30 * DAY * SECOND,
        "matures": 0,
        "reference": "report 2026-1",
    }
    ask = market.refused if refused else market.call
    return ask(by, "off-ledger", "attest", said=fields | more)


def test_a_statement_names_who_said_it_when_and_until_when(market):
    say(market)
    [statement] = market.view("off-ledger", "statements")
    now = market.world.time
    assert (statement.item, statement.side, statement.units) == ("head office", "asset", 5_000)
    assert (statement.attestor, statement.attested, statement.expires) == (
        "auditor",
        now,
        now + 30 * DAY * SECOND,
    )


def test_only_named_attestors_attest_and_not_the_institution_itself(market):
    for stranger in ("bank", "mallory"):
        assert say(market, stranger, refused=True).code is Refusal.NOT_AN_ATTESTOR
    say(market, "auditor")


def test_a_later_statement_replaces_the_same_attestors_earlier_one(market):
    say(market)
    say(market, units=4_000)
    assert [statement.units for statement in market.view("off-ledger", "statements")] == [4_000]


def test_a_statement_expires_and_not_beyond_what_the_contract_allows(market):
    latest = market.world.time + 30 * DAY * SECOND
    for expires in (market.world.time, latest + 1):
        assert say(market, refused=True, expires=expires).code is Refusal.EXPIRY_INVALID
    say(market, expires=latest)
    say(market, expires=market.world.time + 1)


def test_a_statement_is_about_a_positive_amount_of_something_that_exists(market):
    assert say(market, refused=True, units=0).code is Refusal.STATEMENT_INVALID
    assert say(market, refused=True, units=-1).code is Refusal.STATEMENT_INVALID
    assert say(market, refused=True, matures=-1).code is Refusal.STATEMENT_INVALID
    assert say(market, refused=True, what="gold@nobody").code is Code.UNKNOWN_ASSET
    assert say(market, refused=True, side="equity").code is Code.ARGUMENTS_INVALID
    assert say(market, refused=True, reference="").code is Code.NAME_INVALID
    say(market, units=1)


def test_an_attestor_takes_its_statement_back_and_a_stranger_an_assets_only_once_it_expired(market):
    say(market)
    arguments = {"item": "head office", "attestor": "auditor"}
    assert market.refused("bank", "off-ledger", "withdraw", **arguments).code is Refusal.NO_SUCH_STATEMENT
    market.call("auditor", "off-ledger", "withdraw", **arguments)
    assert market.view("off-ledger", "statements") == []
    say(market)
    market.world.time += 30 * DAY * SECOND
    market.call("mallory", "off-ledger", "withdraw", **arguments)
    assert market.view("off-ledger", "statements") == []


def test_an_expired_debt_stays_until_whoever_attested_it_takes_it_back(market):
    say(market, side="liability", item="wages")
    market.world.time += 31 * DAY * SECOND
    arguments = {"item": "wages", "attestor": "auditor"}
    assert market.refused("bank", "off-ledger", "withdraw", **arguments).code is Refusal.NO_SUCH_STATEMENT
    market.call("auditor", "off-ledger", "withdraw", **arguments)


@pytest.mark.parametrize(
    "parameters",
    [
        {"attestors": []},
        {"attestors": ["a", "a"]},
        {"attestors": [f"a{n}" for n in range(17)]},
        {"attestors": ["a"], "valid_seconds_max": 0},
        {"attestors": ["a"], "valid_seconds_max": 400 * DAY + 1},
    ],
)
def test_parameters_out_of_range_are_refused(market, parameters):
    action = deploy("bank", "other", "attestations", **parameters)
    assert market.world.refused("bank", action).code is Refusal.PARAMETERS_INVALID
    good = {"attestors": ["a"], "valid_seconds_max": 400 * DAY}
    market.world.do("bank", deploy("bank", "other", "attestations", **good))


def test_the_institution_must_consent_to_what_is_deployed_as_its_own(market):
    action = deploy("mallory", "forged", "attestations", attestors=["mallory"])
    forged = msgspec.structs.replace(action, obligor="bank-inc")
    market.world.check_signatures = True
    refused = market.world.refused("mallory", forged, signers=[signer("mallory")])
    assert (refused.code, refused.facts["account"]) == (Code.UNAUTHORISED, "bank")


def test_it_says_who_can_do_what_and_what_it_is_about(market):
    say(market)
    [power] = market.view("off-ledger", "powers")
    assert (power.holder, "2592000 seconds" in power.bound) == ("auditor", True)
    assert market.view("off-ledger", "dependencies").assets == ()
    market.world.mint("land@bank", auditor=1)
    say(market, item="land", what="land@bank")
    assert market.view("off-ledger", "dependencies").assets == ("land@bank",)


def test_a_full_contract_takes_no_more_items_but_a_new_word_on_an_old_one(market, monkeypatch):
    monkeypatch.setattr("tallystick.contracts.attestations.STATEMENTS_MAX", 1)
    say(market)
    assert say(market, refused=True, item="second").code is Refusal.TOO_MANY
    say(market, units=1)
