"""Custody and a standing facility in the no-free-lunch property: nobody gets more than it brought."""

from collections import Counter
from typing import ClassVar

import msgspec

from tallystick.contracts.custody import Custody
from tallystick.contracts.standing_facility import StandingFacility
from tallystick.ledger import transactions as tx
from tests.ledger.world import deploy
from tests.no_free_lunch.harness import ACTOR, OTHERS, Setting, Venue, call, everything, wait, with_kinds
from tests.no_free_lunch.venues import A, B, repeated, transfer

TERM_SECONDS = 600
KEEPER = OTHERS[0]


def custody(contract, *, kind="custody"):
    receipt = f"a@{contract}"

    def set_up(market):
        founding = tx.FoundInstitution(account=KEEPER, name="keeper-co", roles=("custodian",))
        if market.world.get("institution", "keeper-co") is None:
            market.world.do(KEEPER, founding)
        parameters = {"institution": "keeper-co", "custodian": KEEPER, "kept": [{"asset": A, "code": "a"}]}
        action = deploy(KEEPER, contract, kind, **parameters)
        market.world.do(KEEPER, msgspec.structs.replace(action, obligor="keeper-co"))
        for who in (OTHERS[1], ACTOR):
            market.call(who, contract, "deposit", asset=A, units=10_007, spend={A: 10_007})

    def move(method):
        def play(market, actor, units, _):
            spend = everything(market, actor, A, receipt)
            return [call(actor, contract, method, asset=A, units=units, spend=spend)]

        return play

    def give(market, actor, units, _):
        return [transfer(actor, (A, contract, units))]

    def wealth(market, account):
        owned = Counter({receipt: -market.world.balance(account, receipt)})
        owned[A] += market.world.balance(account, receipt)
        return owned

    moves = {
        "deposit": move("deposit"),
        "withdraw": move("withdraw"),
        "nibble": repeated(move("withdraw")),
        "give": give,
    }
    return Venue(contract=contract, set_up=set_up, moves=moves, wealth=wealth)


def facility(contract, *, kind="standing_facility"):
    """A window of others' money, which may lend to the actor against B at its worth less a tenth."""

    def set_up(market):
        terms = {
            "lender": KEEPER,
            "asset": A,
            "term_seconds": TERM_SECONDS,
            "rate_ppm": 90_000,
            "rate_ppm_max": 100_000,
            "haircut_bps_max": 5_000,
            "delay_seconds": 60,
            "collateral": [{"asset": B, "numerator": 3, "denominator": 2, "haircut_bps": 1_000}],
        }
        market.world.do(KEEPER, deploy(KEEPER, contract, kind, **terms))
        market.call(KEEPER, contract, "fund", units=500_000, spend={A: 500_000})
        for who in (*OTHERS, ACTOR):
            market.call(KEEPER, contract, "admit", borrower=who, admitted=True)
        pledge = {"collateral": B, "collateral_units": 1_000, "units": 1_000}
        market.call(OTHERS[1], contract, "borrow", **pledge, spend={B: 1_000})

    def borrow(market, actor, units, number):
        most = market.view(contract, "lendable", collateral=B, collateral_units=units)
        asked = {"collateral": B, "collateral_units": units, "units": max(1, most - number % 3)}
        return [call(actor, contract, "borrow", **asked, spend=everything(market, actor, B))]

    def own_loans(market, actor):
        return [one.loan for one in market.view(contract, "loans") if one.borrower == actor]

    def repay(market, actor, _, which):
        loans = own_loans(market, actor)
        if not loans:
            return []
        loan = loans[which % len(loans)]
        return [call(actor, contract, "repay", loan=loan, spend=everything(market, actor, A))]

    def turn(market, actor, units, number):
        """Borrow and pay back in one transaction, as often as may round in one's favour."""
        first = market.world.get(f"{contract}!", "last") or 0
        spend = everything(market, actor, A, B)
        asked = {"collateral": B, "collateral_units": units, "units": max(1, units * 27 // 20)}
        return [
            step
            for place in range(1, 2 + number % 4)
            for step in (
                call(actor, contract, "borrow", **asked, spend=spend),
                call(actor, contract, "repay", loan=first + place, spend=spend),
            )
        ]

    moves = {"borrow": borrow, "repay": repay, "turn": turn, "wait": wait}
    return Venue(contract=contract, set_up=set_up, moves=moves, paid_by_time=lambda *_: {})


class PaysReceiptsOneMore(Custody):
    """Pays a unit more than receipts were brought."""

    kind = "pays_receipts_one_more"
    tables: ClassVar = Custody.tables

    def _pays(self, ctx, asset, units):
        return super()._pays(ctx, asset, units) + 1


class ForgetsAUnit(StandingFacility):
    """Asks one unit less back than it lent."""

    kind = "forgets_a_unit"
    tables: ClassVar = StandingFacility.tables

    def _owed(self, ctx, loan):
        return super()._owed(ctx, loan) - 1


PRICES = {A: 2, B: 3}
SETTINGS = {
    "custody": Setting((custody("safe"),), prices=PRICES),
    "standing facility": Setting((facility("window"),), prices=PRICES),
}
PLANTED = {
    "custody, pays one more": Setting(
        (custody("safe", kind="pays_receipts_one_more"),),
        prices=PRICES,
        kinds=with_kinds(PaysReceiptsOneMore()),
    ),
    "standing facility, forgets a unit": Setting(
        (facility("window", kind="forgets_a_unit"),), prices=PRICES, kinds=with_kinds(ForgetsAUnit())
    ),
}
