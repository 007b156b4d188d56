"""The 2016 double withdrawal: a bank pays before it notes that it paid, and the payee calls it again.

A transfer runs no code here, so a bank has to call its customer to be attacked at all; this one does, in the
wrong order. The ledger refuses the second entry, whoever makes it, and code that catches the refusal cannot
go on.
"""

from typing import ClassVar

import pytest

from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract, Table, method
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import transfer

X = f"x@{ISSUER}"


class CarelessBank(Contract):
    """Keeps deposits; pays, calls the payee, and only then writes the withdrawal down."""

    kind = "careless_bank"
    version = 1
    tables: ClassVar = {"deposit": Table(key=(str,), value=int)}

    @method
    def deposit(self, ctx: CallContext, units: int, payee: str) -> None:
        ctx.take(X, units)
        ctx.put("deposit", payee, value=(ctx.get("deposit", payee) or 0) + units)

    @method
    def withdraw(self, ctx: CallContext, payee: str) -> int:
        """Pay a deposit out to its payee; anyone may ask for it."""
        units: int = ctx.get("deposit", payee)
        ctx.pay(payee, X, units)
        ctx.call(payee, "paid", bank=ctx.this)
        ctx.put("deposit", payee, value=None)
        return units

    @method
    def hand_over(self, ctx: CallContext, to: str) -> None:
        """The other way in: give one's deposit to somebody else, while it is being paid."""
        units = ctx.get("deposit", ctx.caller)
        ctx.put("deposit", ctx.caller, value=None)
        ctx.put("deposit", to, value=units)


class Thief(Contract):
    """Is paid, and tries to be paid again in the way that it was told."""

    kind = "thief"
    version = 1
    tables: ClassVar = {"plan": Table(key=(), value=str)}

    @method
    def prepare(self, ctx: CallContext, plan: str) -> None:
        ctx.put("plan", value=plan)

    @method
    def paid(self, ctx: CallContext, bank: str) -> None:
        match ctx.get("plan"):
            case "wait":
                return
            case "again":
                ctx.call(bank, "withdraw", payee=ctx.this)
            case "again, caught":
                try:
                    ctx.call(bank, "withdraw", payee=ctx.this)
                except Rejection:
                    return
            case "attempt":
                ctx.attempt(bank, "withdraw", payee=ctx.this)
            case "by an accomplice":
                ctx.call("accomplice", "paid", bank=bank)
            case "another way in":
                ctx.call(bank, "hand_over", to="accomplice")
            case "another bank":
                ctx.call("other-bank", "withdraw", payee="accomplice")


HOSTILE = (CarelessBank(), Thief())


@pytest.fixture
def market():
    """Two banks with a customer's deposit and a thief's in each."""
    kinds = Kinds(
        contracts={**KINDS.contracts, **{(one.kind, 1): one for one in HOSTILE}},
        policies=KINDS.policies,
        versions=KINDS.versions,
    )
    market = Market(accounts=("customer", "mallory"), kinds=kinds)
    market.fund(1_000, X)
    for thief in ("thief", "accomplice"):
        market.deploy(thief, "thief")
    for bank, payee in (("bank", "thief"), ("other-bank", "accomplice")):
        market.deploy(bank, "careless_bank")
        market.call("customer", bank, "deposit", spend={X: 400}, units=400, payee="customer")
        market.call("mallory", bank, "deposit", spend={X: 100}, units=100, payee=payee)
    return market


def prepare(market, plan, accomplices="wait"):
    market.call("mallory", "thief", "prepare", plan=plan)
    market.call("mallory", "accomplice", "prepare", plan=accomplices)


@pytest.mark.parametrize("plan", ["again", "again, caught", "by an accomplice", "another way in"])
def test_a_second_entry_undoes_the_whole_robbery(market, plan):
    prepare(market, plan, accomplices="again")
    refused = market.refused("mallory", "bank", "withdraw", payee="thief")
    assert (refused.code, refused.facts) == (Code.REENTRANCY, {"contract": "bank"})
    assert market.world.balance("bank", X) == 500


@pytest.mark.parametrize("plan", ["wait", "attempt"])
def test_without_it_the_thief_is_paid_once(market, plan):
    prepare(market, plan)
    assert market.call("mallory", "bank", "withdraw", payee="thief") == "100"
    assert market.world.balance("thief", X) == 100
    assert market.world.balance("bank", X) == 400


def test_another_bank_may_be_entered_meanwhile(market):
    prepare(market, "another bank")
    market.call("mallory", "bank", "withdraw", payee="thief")
    assert market.world.balance("accomplice", X) == 100
    assert market.world.balance("other-bank", X) == 400


def test_not_even_the_way_back_to_the_first_bank_is_open(market):
    """bank -> thief -> other bank -> accomplice -> bank."""
    prepare(market, "another bank", accomplices="again")
    market.call("mallory", "other-bank", "deposit", spend={X: 100}, units=100, payee="thief")
    refused = market.refused("mallory", "bank", "withdraw", payee="thief")
    assert (refused.code, refused.facts) == (Code.REENTRANCY, {"contract": "other-bank"})


def test_a_transfer_runs_no_code(market):
    """What pays a contract calls nothing, so a pool has no customer that could call it back."""
    prepare(market, "again")
    receipt = market.world.do("mallory", transfer("mallory", (X, "thief", 10)))
    assert receipt.events == []
    assert market.world.balance("thief", X) == 10
