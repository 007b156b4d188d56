"""Escrows as people use them, and every refusal beside an accepted neighbour."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tallystick.contracts.escrow import LEGS_MAX, Escrow, Leg, Refusal
from tallystick.ledger import transactions as tx
from tallystick.ledger.apply import batch_context
from tallystick.ledger.contract import Dependencies, Exit, Position, Power
from tallystick.ledger.execution import Execution
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import PolicySpec
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import answer
from tallystick.ledger.store import Overlay
from tests.ledger.world import DAY, SECOND, World, call, create, deploy, issue, transfer

EUR, GOODS = "eur@bank", "goods@maker"
BUYER, SELLER, ARBITER = "buyer", "seller", "arbiter"
PRICE = Leg(payer=BUYER, receiver=SELLER, asset=EUR, units=80)
DELIVERY = Leg(payer=SELLER, receiver=BUYER, asset=GOODS, units=3)


class Market(World):
    """A buyer with 100 EUR, a seller with 5 goods, and an arbiter."""

    def __init__(self) -> None:
        super().__init__()
        self.open("bank", "maker", BUYER, SELLER, ARBITER, "stranger")
        self.mint(EUR, buyer=100)
        self.mint(GOODS, seller=5)

    def agree(self, *legs: Leg, days: int = 7, **more: Any) -> None:
        """Deploy the escrow `deal`."""
        terms = {"legs": list(legs), "deadline": self.time + days * DAY * SECOND} | more
        self.do(BUYER, deploy(BUYER, "deal", "escrow", **terms))

    def act(self, who: str, method: str, leg: int = 0, *, spend: tuple[tuple[str, int], ...] = ()) -> Receipt:
        """Call the escrow."""
        return self.do(who, call(who, "deal", method, leg=leg, spend=spend))

    def refusal(self, who: str, method: str, leg: int = 0, *, spend: tuple[tuple[str, int], ...] = ()) -> Any:
        """Return why the escrow refuses the call."""
        return self.refused(who, call(who, "deal", method, leg=leg, spend=spend)).code

    def pay_in(self) -> None:
        """Fund the price, which is leg 0."""
        self.act(BUYER, "fund", spend=((EUR, 80),))

    def ask(self, view: str, **arguments: Any) -> Any:
        """Return what a view of the escrow answers."""
        overlay = Overlay(self.store)
        batch = batch_context(overlay, self.kinds, height=self.height + 1, time=self.time, index=self.index)
        return answer(Execution(overlay, batch, subject_id="view"), "deal", view, arguments)

    def owns(self, who: str) -> tuple[int, int]:
        """Return an account's EUR and goods."""
        return self.balance(who, EUR), self.balance(who, GOODS)


# A sale with an arbiter.


def test_the_buyer_pays_in_receives_the_goods_and_releases() -> None:
    market = Market()
    market.agree(PRICE, arbiter=ARBITER)
    market.pay_in()
    assert (market.owns(BUYER), market.balance("deal", EUR)) == ((20, 0), 80)
    receipt = market.act(BUYER, "release")
    assert market.owns(SELLER) == (80, 5)
    assert receipt.events[-1] == ("deal", "released", {"leg": "0", "receiver": SELLER, "by": BUYER})


@pytest.mark.parametrize(("choice", "buyer", "seller"), [("release", 20, 80), ("refund", 100, 0)])
def test_in_a_dispute_the_arbiter_chooses_between_the_two(choice: str, buyer: int, seller: int) -> None:
    market = Market()
    market.agree(PRICE, arbiter=ARBITER)
    market.pay_in()
    market.act(ARBITER, choice)
    assert (market.balance(BUYER, EUR), market.balance(SELLER, EUR), market.balance(ARBITER, EUR)) == (
        buyer,
        seller,
        0,
    )


def test_the_seller_gives_the_money_back() -> None:
    market = Market()
    market.agree(PRICE)
    market.pay_in()
    market.act(SELLER, "refund")
    assert market.owns(BUYER) == (100, 0)


# Delivery against payment.


def test_both_legs_settle_when_the_second_is_funded_whoever_comes_first() -> None:
    for first, second in ((0, 1), (1, 0)):
        market = Market()
        market.agree(PRICE, DELIVERY, settles_together=True)
        ways = ((BUYER, (EUR, 80)), (SELLER, (GOODS, 3)))
        market.act(ways[first][0], "fund", first, spend=(ways[first][1],))
        assert (market.balance(SELLER, EUR), market.balance(BUYER, GOODS)) == (0, 0)
        market.act(ways[second][0], "fund", second, spend=(ways[second][1],))
        assert (market.owns(BUYER), market.owns(SELLER)) == ((20, 3), (80, 2))
        assert market.ask("status") == ["released", "released"]


def test_nothing_is_delivered_when_the_other_leg_never_comes() -> None:
    market = Market()
    market.agree(PRICE, DELIVERY, settles_together=True, arbiter=ARBITER)
    market.pay_in()
    # Neither the payer nor the arbiter can release one leg alone.
    assert market.refusal(BUYER, "release") is Refusal.SETTLES_TOGETHER
    assert market.refusal(ARBITER, "release") is Refusal.SETTLES_TOGETHER
    market.wait(7 * DAY)
    assert (market.owns(BUYER), market.owns(SELLER)) == ((100, 0), (0, 5))
    assert market.ask("status") == ["refunded", "open"]


def test_a_refused_delivery_takes_the_last_payment_back_with_it() -> None:
    market = Market()
    policy = PolicySpec(kind="controlled", lists_by="maker")
    market.do("maker", create("maker", "rare", policy=policy), issue("maker", ("rare@maker", SELLER, 3)))
    rare = Leg(payer=SELLER, receiver=BUYER, asset="rare@maker", units=3)
    market.agree(rare, PRICE, settles_together=True)
    market.act(SELLER, "fund", 0, spend=(("rare@maker", 3),))
    market.do("maker", tx.SetListing("maker", "rare@maker", "frozen", BUYER, listed=True))
    assert market.refusal(BUYER, "fund", 1, spend=((EUR, 80),)) is Code.POLICY_REFUSED
    assert (market.balance(BUYER, EUR), market.ask("status")) == (100, ["funded", "open"])


# The deadline.


def test_at_the_deadline_what_is_funded_goes_back_by_itself() -> None:
    market = Market()
    market.agree(PRICE, DELIVERY)
    market.pay_in()
    market.wait(7 * DAY - 1)
    assert market.ask("status") == ["funded", "open"]
    receipt = market.wait(1)
    assert receipt is not None
    assert receipt.postings == [("deal", EUR, -80, 0), (BUYER, EUR, 80, 100)]
    assert market.ask("status") == ["refunded", "open"]


def test_a_payer_that_cannot_be_refunded_keeps_nobody_else_waiting() -> None:
    market = Market()
    policy = PolicySpec(kind="controlled", lists_by="maker")
    market.do("maker", create("maker", "rare", policy=policy), issue("maker", ("rare@maker", SELLER, 3)))
    market.agree(Leg(payer=SELLER, receiver=BUYER, asset="rare@maker", units=3), PRICE)
    market.act(SELLER, "fund", 0, spend=(("rare@maker", 3),))
    market.act(BUYER, "fund", 1, spend=((EUR, 80),))
    market.do("maker", tx.SetListing("maker", "rare@maker", "frozen", SELLER, listed=True))
    market.wait(7 * DAY)
    assert market.ask("status") == ["funded", "refunded"]
    assert market.owns(BUYER) == (100, 0)
    # Once thawed, anybody can send it home.
    market.do("maker", tx.SetListing("maker", "rare@maker", "frozen", SELLER, listed=False))
    market.act("stranger", "refund", 0)
    assert market.balance(SELLER, "rare@maker") == 3


def test_ended_legs_are_not_refunded_at_the_deadline() -> None:
    market = Market()
    market.agree(PRICE)
    market.pay_in()
    market.do("bank", issue("bank", (EUR, "deal", 80)))  # a gift, which no leg has a right to
    market.act(BUYER, "release")
    market.wait(7 * DAY)
    assert (market.owns(BUYER), market.balance("deal", EUR)) == ((20, 0), 80)


# Each refusal, and its neighbour.


def test_every_refusal_has_a_test_here() -> None:
    in_stories = {Refusal.AGREEMENT_INVALID, Refusal.SETTLES_TOGETHER, Refusal.DEADLINE_PASSED}
    # Of swap settlement: test_swap_settlement.py
    in_stories |= {Refusal.FUNDING_EXCEEDED, Refusal.SETTLES_FIRST, Refusal.TOO_FEW_LOTS}
    assert in_stories | {refusal for refusal, *_ in REFUSALS} == set(Refusal)


@pytest.mark.parametrize(
    "bad",
    [
        {"legs": []},
        {"legs": [PRICE] * (LEGS_MAX + 1)},
        {"legs": [Leg(payer=BUYER, receiver=SELLER, asset=EUR, units=0)]},
        {"legs": [Leg(payer=BUYER, receiver=SELLER, asset=EUR, units=-1)]},
        {"legs": [Leg(payer=BUYER, receiver=BUYER, asset=EUR, units=1)]},
        {"deadline": 0},
    ],
)
def test_an_agreement_that_makes_no_sense_is_refused(bad: dict[str, Any]) -> None:
    market = Market()
    good = {"legs": [PRICE], "deadline": market.time + 1}
    if "deadline" in bad:
        bad = {"deadline": market.time}
    refused = market.refused(BUYER, deploy(BUYER, "deal", "escrow", **(good | bad)))
    assert (refused.code, list(refused.facts)[:1]) == (Refusal.AGREEMENT_INVALID, ["reason"])
    market.do(BUYER, deploy(BUYER, "deal", "escrow", **good))


def test_as_many_legs_as_allowed_and_assets_that_exist() -> None:
    market = Market()
    ghost = Leg(payer=BUYER, receiver=SELLER, asset="ghost@bank", units=1)
    terms = {"legs": [ghost], "deadline": market.time + 1}
    assert market.refused(BUYER, deploy(BUYER, "deal", "escrow", **terms)).code is Code.UNKNOWN_ASSET
    market.agree(*[PRICE] * LEGS_MAX)


Act = Callable[[Market], Any]


def _fund(market: Market) -> Any:
    return market.pay_in()


def _nothing(market: Market) -> Any:
    return None


EIGHTY = ((EUR, 80),)
# (refusal, what happens before, (caller, method, leg, spend) refused, the same accepted)
REFUSALS: list[tuple[Refusal, Act, tuple[Any, ...], tuple[Any, ...]]] = [
    (Refusal.NO_SUCH_LEG, _nothing, (BUYER, "fund", 1, EIGHTY), (BUYER, "fund", 0, EIGHTY)),
    (Refusal.NO_SUCH_LEG, _nothing, (BUYER, "fund", -1, EIGHTY), (BUYER, "fund", 0, EIGHTY)),
    (Refusal.NOT_A_PARTY, _nothing, (SELLER, "fund", 0, EIGHTY), (BUYER, "fund", 0, EIGHTY)),
    (Refusal.NOT_A_PARTY, _fund, (SELLER, "release", 0, ()), (BUYER, "release", 0, ())),
    (Refusal.NOT_A_PARTY, _fund, ("stranger", "release", 0, ()), (ARBITER, "release", 0, ())),
    (Refusal.NOT_A_PARTY, _fund, (BUYER, "refund", 0, ()), (SELLER, "refund", 0, ())),
    (Refusal.NOT_A_PARTY, _fund, ("stranger", "refund", 0, ()), (ARBITER, "refund", 0, ())),
    (Refusal.NOT_A_PARTY, _fund, (BUYER, "expire", 0, ()), (SELLER, "refund", 0, ())),
    (Refusal.LEG_NOT_OPEN, _fund, (BUYER, "fund", 0, EIGHTY), (BUYER, "release", 0, ())),
    (Refusal.LEG_NOT_FUNDED, _nothing, (BUYER, "release", 0, ()), (BUYER, "fund", 0, EIGHTY)),
    (Refusal.LEG_NOT_FUNDED, _nothing, (SELLER, "refund", 0, ()), (BUYER, "fund", 0, EIGHTY)),
]


@pytest.mark.parametrize(("refusal", "before", "refused", "accepted"), REFUSALS)
def test_refused_beside_an_accepted_neighbour(
    refusal: Refusal, before: Act, refused: tuple[Any, ...], accepted: tuple[Any, ...]
) -> None:
    market = Market()
    market.agree(PRICE, arbiter=ARBITER)
    before(market)
    who, method, leg, spend = refused
    assert market.refusal(who, method, leg, spend=spend) is refusal
    who, method, leg, spend = accepted
    market.act(who, method, leg, spend=spend)


def test_a_leg_is_funded_before_the_deadline_or_never() -> None:
    for early_microseconds, refusal in ((1, None), (0, Refusal.DEADLINE_PASSED)):
        market = Market()
        market.agree(PRICE)
        market.time += 7 * DAY * SECOND - early_microseconds
        if refusal is None:
            market.pay_in()
        else:
            assert market.refusal(BUYER, "fund", 0, spend=EIGHTY) is refusal


def test_a_leg_that_could_not_be_refunded_is_not_released_after_the_deadline_either() -> None:
    market = Market()
    policy = PolicySpec(kind="controlled", lists_by="maker")
    market.do("maker", create("maker", "rare", policy=policy), issue("maker", ("rare@maker", BUYER, 3)))
    market.agree(Leg(payer=BUYER, receiver=SELLER, asset="rare@maker", units=3), arbiter=ARBITER)
    market.act(BUYER, "fund", spend=(("rare@maker", 3),))
    frozen = tx.SetListing("maker", "rare@maker", "frozen", BUYER, listed=True)
    market.do("maker", frozen)
    market.wait(7 * DAY)
    assert market.refusal(ARBITER, "release") is Refusal.DEADLINE_PASSED
    market.do("maker", msgspec.structs.replace(frozen, listed=False))
    market.act(ARBITER, "refund")


def test_funding_takes_the_agreed_amount_and_the_budget_bounds_it() -> None:
    market = Market()
    market.agree(PRICE)
    assert market.refusal(BUYER, "fund", 0, spend=((EUR, 79),)) is Code.BUDGET_EXCEEDED
    market.act(BUYER, "fund", 0, spend=((EUR, 1_000),))
    assert market.owns(BUYER) == (20, 0)


def test_a_plain_transfer_funds_nothing() -> None:
    market = Market()
    market.agree(PRICE)
    market.do(BUYER, transfer(BUYER, (EUR, "deal", 80)))
    assert market.ask("status") == ["open"]
    assert market.refusal(BUYER, "release") is Refusal.LEG_NOT_FUNDED


# The five self-descriptions.


def test_it_describes_itself_through_its_life() -> None:
    market = Market()
    market.agree(PRICE, DELIVERY, arbiter=ARBITER)
    deadline = market.time + 7 * DAY * SECOND
    assert market.ask("backing") == []
    assert market.ask("positions", account=BUYER) == []
    assert market.ask("exits", account=BUYER) == []
    assert market.ask("powers") == [
        Power(holder=ARBITER, power="release or refund", bound="a funded leg's two parties")
    ]
    assert market.ask("dependencies") == Dependencies(assets=(EUR, GOODS))
    market.pay_in()
    assert market.ask("positions", account=BUYER) == [Position(asset=EUR, units=80, note="leg 0 for seller")]
    assert market.ask("positions", account=SELLER) == []
    later = Exit(method="refund", arguments={"leg": 0}, asset=EUR, units_now=0, units_later=80, when=deadline)
    assert market.ask("exits", account=BUYER) == [later]
    market.act(SELLER, "refund")
    assert market.ask("positions", account=BUYER) == []
    assert market.ask("exits", account=BUYER) == []


def test_without_an_arbiter_nobody_has_a_power() -> None:
    market = Market()
    market.agree(PRICE)
    assert market.ask("powers") == []


def test_the_exit_it_names_is_one_that_works() -> None:
    market = Market()
    market.agree(PRICE)
    market.pay_in()
    market.time += 7 * DAY * SECOND
    (found,) = market.ask("exits", account=BUYER)
    assert (found.units_now, found.units_later, found.when) == (80, 0, None)
    # The timer of the same batch does what the exit would: the buyer need not even ask.
    market.wait(0)
    assert market.owns(BUYER) == (100, 0)


def test_a_view_is_no_method_and_writes_nothing() -> None:
    market = Market()
    market.agree(PRICE)
    assert market.refused(BUYER, call(BUYER, "deal", "status")).code is Code.UNKNOWN_METHOD
    assert Escrow.methods["status"].is_view
    before = dict(market.store.values)
    market.ask("status")
    assert market.store.values == before


def test_two_escrows_know_nothing_of_each_other() -> None:
    market = Market()
    market.agree(PRICE)
    other = {"legs": [PRICE], "deadline": market.time + DAY * SECOND}
    market.do(BUYER, deploy(BUYER, "deal-2", "escrow", **other))
    market.pay_in()
    assert market.refused(BUYER, call(BUYER, "deal-2", "release", leg=0)).code is Refusal.LEG_NOT_FUNDED
    with pytest.raises(Rejection, match="account_exists"):
        market.do(SELLER, deploy(SELLER, "deal", "escrow", **other))
