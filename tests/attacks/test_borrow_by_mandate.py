"""An agent with a mandate for the market borrows against its principal's collateral, for a stranger.

What is borrowed or released goes to the principal alone, and leaves it only within the mandate's caps and to
its recipients; repaying somebody else's debt is another method than repaying one's own.
"""

import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Cap
from tallystick.ledger.rejections import Code
from tests.contracts.lending import COLLATERAL, FUNDS, LOAN, MARKET, act, new_lending, open_loan
from tests.ledger.world import DAY, SECOND, call, key, signer, transfer

NAME = "trading"
AGENT = [signer("agent")]


@pytest.fixture
def market():
    """Alice lets an agent borrow, repay and move collateral, and pay bob 100 euro a day."""
    market = new_lending()
    world = market.world
    act(market, "lender", "supply", units=1_000_000)
    act(market, "alice", "supply_collateral", units=1_000)
    world.open("agent")
    methods = ("borrow", "repay", "supply_collateral", "withdraw_collateral")
    mandate = tx.GrantMandate(
        account="alice",
        name=NAME,
        key=key("agent"),
        expires=world.time + DAY * SECOND,
        caps=(
            Cap(LOAN, per_period="100", per_payment="100", period_seconds=DAY),
            Cap(COLLATERAL, per_period="50", per_payment="50", period_seconds=DAY),
        ),
        recipients=("bob",),
        contracts=((MARKET, methods),),
    )
    world.do("alice", mandate)
    world.check_signatures = True
    return market


def by_agent(market, *actions):
    return market.world.do("agent", *actions, signers=AGENT)


def refused(market, *actions):
    found = market.world.refused("agent", *actions, signers=AGENT)
    return found.code, found.facts.get("what", "")


def own(method, *, spend=(), **arguments):
    return call("alice", MARKET, method, spend=spend, mandate=NAME, **arguments)


def test_what_the_agent_borrows_goes_to_its_principal_whatever_the_cap(market):
    by_agent(market, own("borrow", units=30_000))
    assert market.world.balance("alice", LOAN) == FUNDS + 30_000
    assert market.world.balance("agent", LOAN) == 0


def test_there_is_no_way_to_name_another_receiver(market):
    for argument in ("receiver", "to", "on_behalf"):
        borrowed = own("borrow", units=5, **{argument: "agent"})
        assert market.world.refused("agent", borrowed, signers=AGENT).code is Code.ARGUMENTS_INVALID
    by_agent(market, own("borrow", units=5))


def test_what_was_borrowed_leaves_within_the_caps_and_to_the_recipients_only(market):
    borrowed = own("borrow", units=30_000)
    away = transfer("alice", (LOAN, "agent", 1), mandate=NAME)
    assert refused(market, borrowed, away) == (Code.MANDATE_FORBIDS, "recipient")
    too_much = transfer("alice", (LOAN, "bob", 101), mandate=NAME)
    assert refused(market, borrowed, too_much) == (Code.MANDATE_FORBIDS, "payment_cap")
    by_agent(market, borrowed, transfer("alice", (LOAN, "bob", 100), mandate=NAME))


def test_the_agent_cannot_pay_its_own_debt_with_its_principals_money(market):
    open_loan(market, "bob", collateral=100, units=90)
    market.world.do("alice", transfer("alice", (COLLATERAL, "agent", 10)))
    foreign = own("repay_for", spend=[(LOAN, 50)], borrower="bob", units=50)
    assert refused(market, foreign) == (Code.MANDATE_FORBIDS, "method")
    by_agent(market, own("borrow", units=60), own("repay", spend=[(LOAN, 50)], units=50))


def test_what_the_market_takes_is_charged_to_the_caps(market):
    assert refused(market, own("supply_collateral", spend=[(COLLATERAL, 51)], units=51)) == (
        Code.MANDATE_FORBIDS,
        "payment_cap",
    )
    by_agent(market, own("supply_collateral", spend=[(COLLATERAL, 50)], units=50))
    more = own("supply_collateral", spend=[(COLLATERAL, 1)], units=1)
    assert refused(market, more) == (Code.MANDATE_FORBIDS, "period_cap")


def test_methods_that_were_not_granted_stay_closed(market):
    for method, arguments in (
        ("withdraw", {"units": 1}),
        ("liquidate", {"borrower": "bob", "seized": 1}),
        ("skim", {"asset": LOAN}),
    ):
        assert refused(market, own(method, **arguments)) == (Code.MANDATE_FORBIDS, "method")


def test_an_agent_of_one_cannot_borrow_for_another(market):
    act(market, "bob", "supply_collateral", units=1_000)
    stolen = call("bob", MARKET, "borrow", mandate=NAME, units=5)
    code, _ = refused(market, stolen)
    assert code in (Code.UNAUTHORISED, Code.UNKNOWN_MANDATE)
    act(market, "bob", "borrow", units=5)
