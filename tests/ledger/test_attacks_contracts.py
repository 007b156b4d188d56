"""Contracts attack their callers, their holders and the ledger; what was signed bounds what they get."""

from typing import Any, ClassVar

import msgspec
import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.contract import Contract, Table, method
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.runtime import CallContext
from tests.ledger.puppet import Refusal, Step, puppet_kinds
from tests.ledger.town import EUR, GOLD, Town, play
from tests.ledger.world import SECOND, World, call, create, deploy, issue, signer, transfer


def refusal(town: Town, *actions: tx.Action, **more: Any) -> Code:
    """Return why alice's transaction is refused."""
    code = town.refused("alice", *actions, **more).code
    assert isinstance(code, Code)
    return code


def take(units: int, **more: Any) -> Step:
    return Step("take", asset=EUR, units=units, **more)


def pay(to: str, units: int, **more: Any) -> Step:
    return Step("pay", to=to, asset=EUR, units=units, **more)


# Budgets.


def test_a_budget_is_gross_over_all_takes_of_a_call() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "p", 50)))
    # Giving back in between does not refill the budget.
    script = [take(3), pay("alice", 3), take(3)]
    assert refusal(town, play(*script, spend=[(EUR, 5)])) is Code.BUDGET_EXCEEDED
    town.do("alice", play(*script, spend=[(EUR, 6)]))
    assert town.balance("alice", EUR) == 47


def test_a_budget_in_one_asset_is_none_in_another() -> None:
    town = Town()
    assert refusal(town, play(take(1), spend=[(GOLD, 40)])) is Code.BUDGET_EXCEEDED


def test_a_sibling_calls_budget_cannot_be_used() -> None:
    town = Town()
    generous = play(contract="q", spend=[(EUR, 100)])
    assert refusal(town, generous, play(take(1))) is Code.BUDGET_EXCEEDED
    assert refusal(town, play(take(1)), generous) is Code.BUDGET_EXCEEDED
    town.do("alice", generous, play(take(1), spend=[(EUR, 1)]))


def test_a_nested_call_takes_from_its_caller_and_never_from_the_user() -> None:
    town = Town()
    nested = Step("call", to="q", asset=EUR, units=100, steps=(take(10),))
    assert refusal(town, play(nested, spend=[(EUR, 100)])) is Code.INSUFFICIENT_BALANCE
    town.do("alice", play(take(10), nested, spend=[(EUR, 10)]))
    assert (town.balance("alice", EUR), town.balance("p", EUR), town.balance("q", EUR)) == (90, 0, 10)


def test_a_nested_call_takes_no_more_than_its_caller_declared() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "p", 50)))
    assert (
        refusal(town, play(Step("call", to="q", asset=EUR, units=4, steps=(take(5),))))
        is Code.BUDGET_EXCEEDED
    )
    town.do("alice", play(Step("call", to="q", asset=EUR, units=5, steps=(take(5),))))


def test_taking_nothing_and_taking_a_negative_amount_are_refused() -> None:
    town = Town()
    for units in (0, -5):
        assert refusal(town, play(take(units), spend=[(EUR, 5)])) is Code.AMOUNT_NOT_POSITIVE


# Receive.


def test_receive_is_not_met_by_somebody_elses_transfer() -> None:
    town = Town()
    town.do("bank", issue("bank", (EUR, "bob", 50)))
    gift = transfer("bob", (EUR, "alice", 5))
    wanting = play(receive=[(EUR, 5)])
    both = [signer("alice"), signer("bob")]
    assert refusal(town, gift, wanting, signers=both) is Code.RECEIVE_UNMET
    assert refusal(town, wanting, gift, signers=both) is Code.RECEIVE_UNMET


def test_receive_is_not_met_by_a_sibling_call() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "q", 5)))
    paying = play(pay("alice", 5), contract="q")
    assert refusal(town, paying, play(receive=[(EUR, 5)])) is Code.RECEIVE_UNMET
    assert refusal(town, play(receive=[(EUR, 5)]), paying) is Code.RECEIVE_UNMET


def test_receive_is_not_met_by_another_account_or_asset() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "p", 5), (GOLD, "p", 5)))
    assert refusal(town, play(pay("bob", 5), receive=[(EUR, 5)])) is Code.RECEIVE_UNMET
    assert refusal(town, play(Step("pay", "alice", GOLD, 5), receive=[(EUR, 5)])) is Code.RECEIVE_UNMET


def test_receive_counts_what_nested_calls_post_to_the_caller() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "q", 5)))
    town.do("alice", play(Step("call", to="q", steps=(pay("alice", 5),)), receive=[(EUR, 5)]))
    assert town.balance("alice", EUR) == 100


def test_receive_counts_what_is_posted_to_the_caller_and_not_what_was_taken() -> None:
    town = Town()
    script = [take(8), pay("alice", 5)]
    least = [(EUR, 6)]
    assert refusal(town, play(*script, spend=[(EUR, 8)], receive=least)) is Code.RECEIVE_UNMET
    town.do("alice", play(*script, spend=[(EUR, 8)], receive=[(EUR, 5)]))
    assert town.balance("alice", EUR) == 97


def test_receive_is_not_met_by_an_attempt_that_was_dropped() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "q", 5)))
    dropped = Step("attempt", to="q", steps=(pay("alice", 5), Step("refuse")))
    assert refusal(town, play(dropped, receive=[(EUR, 5)])) is Code.RECEIVE_UNMET


def test_a_contract_states_what_it_must_receive_from_another() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "q", 10)))
    asked = Step("call", to="q", asset=EUR, receive=5, steps=(pay("p", 4),))
    assert refusal(town, play(asked)) is Code.RECEIVE_UNMET
    town.do("alice", play(Step("call", to="q", asset=EUR, receive=5, steps=(pay("p", 5),))))


# What belongs to others.


def test_a_contract_burns_from_its_caller_alone() -> None:
    town = Town()
    town.do("alice", play(Step("create", name="part"), Step("mint", "bob", "part@p", 10)))
    burn = Step("burn", asset="part@p", units=10)
    assert refusal(town, play(burn, spend=[("part@p", 10)])) is Code.INSUFFICIENT_BALANCE
    assert town.refused("bob", play(burn, account="bob")).code is Code.BUDGET_EXCEEDED
    town.do("bob", play(burn, account="bob", spend=[("part@p", 10)]))
    assert town.balance("bob", "part@p") == 0
    assert town.balance("p", "part@p") == 0


def test_a_contract_moves_nothing_of_an_account_that_did_not_call_it() -> None:
    town = Town()
    assert refusal(town, play(Step("pay", "bob", EUR, 1, name="carol"))) is Code.NOT_CONTROLLED
    assert refusal(town, play(Step("pay", "bob", EUR, 1, name="q"))) is Code.NOT_CONTROLLED
    assert refusal(town, play(Step("balance", "q", EUR))) is Code.NOT_CONTROLLED


def test_a_subaccount_answers_its_own_contract_alone() -> None:
    town = Town()
    town.do("alice", play(Step("subaccount", name="parked")))
    town.do("alice", transfer("alice", (EUR, "p/parked", 7)))
    assert refusal(town, play(pay("q", 7, name="p/parked"), contract="q")) is Code.NOT_CONTROLLED
    assert refusal(town, play(Step("balance", "p/parked", EUR), contract="q")) is Code.NOT_CONTROLLED
    town.do("alice", play(pay("q", 7, name="p/parked")))
    assert town.balance("q", EUR) == 7


def test_nobody_opens_or_deploys_over_a_subaccount() -> None:
    town = Town()
    town.do("alice", play(Step("subaccount", name="parked")))
    assert refusal(town, deploy("alice", "p/parked", "puppet")) is Code.NAME_INVALID
    assert refusal(town, play(Step("subaccount", name="../q"))) is Code.NAME_INVALID


def test_a_contract_cannot_pass_its_own_issue_off_as_a_payment() -> None:
    town = Town()
    town.do("alice", play(Step("create", name="part")))
    assert refusal(town, play(Step("pay", "bob", "part@p", 1))) is Code.ISSUE_REQUIRED


def test_a_contract_cannot_take_from_an_issuer_what_was_never_issued() -> None:
    town = Town()
    stolen = play(take(1), account="bank", spend=[(EUR, 1)])
    assert town.refused("bank", stolen).code is Code.ISSUE_REQUIRED


def test_a_contract_creates_claims_only_on_the_obligor_that_signed_its_deployment() -> None:
    town = Town()
    promise = play(Step("create_claim", to="bank-inc", name="iou"), contract="r")
    backed = msgspec.structs.replace(deploy("alice", "r", "puppet"), obligor="bank-inc")
    assert town.refused("alice", backed).code is Code.UNAUTHORISED
    unknown = msgspec.structs.replace(backed, obligor="ghost-inc")
    assert town.refused("alice", unknown).code is Code.UNKNOWN_INSTITUTION
    town.do("alice", backed, signers=[signer("alice"), signer("bank")])
    town.do("alice", promise)
    assert town.get("asset", "iou@r").obligor == "bank-inc"
    # p was deployed without one, and the founder's signature on a call is no consent.
    both = [signer("alice"), signer("bank")]
    other = play(Step("create_claim", to="bank-inc", name="iou"))
    assert refusal(town, other, signers=both) is Code.NOT_CONTROLLED


def test_a_contract_cannot_cancel_anothers_timer() -> None:
    town = Town()
    due, number = town.do("alice", play(Step("timer", units=town.later(5)))).results[0]
    cancel = Step("cancel_timer", units=int(due), receive=int(number))
    assert refusal(town, play(cancel, contract="q")) is Code.NOT_CONTROLLED
    town.do("alice", play(cancel, contract="p"))
    assert town.wait(5) is None


# Rejections that code swallows.


@pytest.mark.parametrize(
    "failing",
    [
        pay("bob", 1_000),
        Step("refuse", caught=False),
        take(1_000),
        Step("mint", "bob", EUR, 1),
        Step("call", to="q", steps=(Step("refuse"),)),
        Step("call", to="q", steps=(Step("fault"),)),
        Step("view", to="q", steps=(Step("refuse"),)),
        Step("clear", asset=EUR, units=1),
        Step("timer", units=1),
    ],
    ids=lambda step: f"{step.do}-{step.to}",
)
def test_a_payment_is_not_kept_by_catching_a_rejection(failing: Step) -> None:
    town = Town()
    caught = Step(**{name: getattr(failing, name) for name in Step.__struct_fields__} | {"caught": True})
    script = play(take(5), caught, spend=[(EUR, 5)])
    if failing.do == "refuse":
        # Raising and catching one's own rejection refuses nothing of the ledger's.
        town.do("alice", script)
        return
    town.refused("alice", script)
    assert town.balance("p", EUR) == 0


@pytest.mark.parametrize("contract_fault", ["fault", "half", "emit_float", "nonsense"])
def test_a_stray_exception_is_the_contracts_fault(contract_fault: str) -> None:
    town = Town()
    step = Step(contract_fault, asset=EUR, units=-4)
    refused = town.refused("alice", play(take(5), step, spend=[(EUR, 50)]))
    assert refused.code is Code.CONTRACT_FAULT
    assert refused.facts["contract"] == "p"


def test_a_fault_in_a_nested_call_names_the_contract_that_failed() -> None:
    town = Town()
    refused = town.refused("alice", play(Step("call", to="q", steps=(Step("fault"),))))
    assert refused.code is Code.CONTRACT_FAULT
    assert refused.facts == {"contract": "q", "fault": "ZeroDivisionError: scripted"}


class Endless(Contract):
    """Recurses until Python gives up, and swallows what it can."""

    kind = "endless"
    version = 1

    @method
    def recurse(self, ctx: CallContext) -> None:
        """Call itself without end."""
        self.recurse(ctx)

    @method
    def insist(self, ctx: CallContext) -> None:
        """Go on reading a hundred times after the work ran out."""
        refused = 0
        while refused < 100:
            try:
                ctx.get("notes", 0)
            except Rejection:
                refused += 1

    tables: ClassVar = {"notes": Table(key=(int,), value=int)}


def _endless(**limits: int) -> World:
    world = World(kinds=puppet_kinds(Endless()), limits=Limits(**limits))
    world.open("alice")
    world.do("alice", deploy("alice", "e", "endless"), deploy("alice", "p", "puppet"))
    return world


def test_recursion_without_end_is_a_fault() -> None:
    assert _endless().refused("alice", call("alice", "e", "recurse")).code is Code.CONTRACT_FAULT


def test_work_that_ran_out_stays_spent_when_code_goes_on() -> None:
    world = _endless(work_max=500)
    assert world.refused("alice", call("alice", "e", "insist")).code is Code.WORK_EXCEEDED


def test_an_attempt_does_not_forgive_work_that_ran_out() -> None:
    town = Town(limits=Limits(work_max=500))
    attempt = Step("attempt", to="q", steps=(Step("loop"),), caught=True)
    assert refusal(town, play(attempt)) is Code.WORK_EXCEEDED
    swallowed = Step("attempt", to="q", steps=(Step("loop", caught=True),))
    assert refusal(town, play(swallowed)) is Code.WORK_EXCEEDED


# Coming back in.


@pytest.mark.parametrize(
    "way_back",
    [
        Step("call", to="p"),
        Step("view", to="p"),
        Step("call", to="q", steps=(Step("call", to="p"),)),
        Step("call", to="q", steps=(Step("view", to="p"),)),
        Step("view", to="q", steps=(Step("view", to="p"),)),
        Step("call", to="q", steps=(Step("call", to="p", name="settle"),)),
        Step("call", to="p", caught=True),
    ],
)
def test_a_contract_on_the_stack_is_not_entered_again(way_back: Step) -> None:
    assert refusal(Town(), play(way_back)) is Code.REENTRANCY


def test_an_attempt_to_come_back_fails_and_harms_nothing() -> None:
    town = Town()
    receipt = town.do("alice", play(Step("attempt", to="p"), Step("attempt", to="q")))
    assert receipt.results == [["0", "1"]]


# Obligations.


BORROW = play(Step("owe", asset=EUR, units=10))


def repay(units: int, **more: Any) -> tx.Call:
    return play(Step("clear", asset=EUR, units=units), method="settle", **more)


def test_an_obligation_is_cleared_in_parts_by_anybody() -> None:
    town = Town()
    both = [signer("alice"), signer("bob")]
    assert refusal(town, BORROW) is Code.OBLIGATION_OPEN
    assert refusal(town, BORROW, repay(9)) is Code.OBLIGATION_OPEN
    assert refusal(town, BORROW, repay(9), repay(2)) is Code.OBLIGATION_EXCEEDED
    assert refusal(town, BORROW, repay(9), repay(1, account="bob"), repay(1), signers=both) is (
        Code.OBLIGATION_EXCEEDED
    )
    town.do("alice", BORROW, repay(9), repay(1, account="bob"), signers=both)


def test_obligations_of_two_openings_add_up() -> None:
    town = Town()
    twice = play(Step("owe", asset=EUR, units=10), Step("owe", asset=EUR, units=10))
    assert refusal(town, twice, repay(19)) is Code.OBLIGATION_OPEN
    town.do("alice", twice, repay(19), repay(1))


def test_clearing_one_asset_or_instance_clears_no_other() -> None:
    town = Town()
    other_asset = play(Step("clear", asset=GOLD, units=10), method="settle")
    assert refusal(town, BORROW, other_asset) is Code.OBLIGATION_EXCEEDED
    assert refusal(town, BORROW, repay(10, contract="q")) is Code.OBLIGATION_EXCEEDED


def test_while_open_only_the_clearing_method_is_entered_and_views_are_silent() -> None:
    town = Town()
    assert refusal(town, BORROW, play(), repay(10)) is Code.OBLIGATION_OPEN
    look = play(Step("view", to="p"), contract="q")
    assert refusal(town, BORROW, look, repay(10)) is Code.OBLIGATION_OPEN
    # Other instances are unaffected, and it answers again once cleared.
    town.do("alice", BORROW, play(contract="q"), repay(10), look)


def test_an_obligation_does_not_outlive_a_dropped_attempt() -> None:
    town = Town()
    owing = (Step("owe", asset=EUR, units=10), Step("refuse"))
    town.do("alice", play(Step("attempt", to="q", steps=owing)))
    kept = Step("attempt", to="q", steps=owing[:1])
    assert refusal(town, play(kept)) is Code.OBLIGATION_OPEN


def test_a_timer_that_leaves_an_obligation_open_is_rolled_back() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "p", 5)))
    leaving = (pay("bob", 5), Step("owe", asset=EUR, units=5))
    town.do("alice", play(Step("timer", units=town.later(5), steps=leaving)))
    receipt = town.wait(5)
    assert receipt is not None
    assert receipt.events == [
        ("ledger", "timer_failed", {"timer": "1", "kind": "call", "subject": "p", "code": "obligation_open"})
    ]
    assert town.balance("bob", EUR) == 0


# Attempts.


def test_a_dropped_attempt_leaves_nothing_behind() -> None:
    town = Town()
    town.do("alice", transfer("alice", (EUR, "q", 5)))
    everything = (
        pay("bob", 5),
        Step("put", units=1, name="7"),
        Step("emit", name="boast"),
        Step("timer", units=town.later(5)),
        Step("subaccount", name="hidden"),
        Step("create", name="part"),
        Step("owe", asset=EUR, units=1),
        Step("refuse"),
    )
    before = dict(town.store.values)
    receipt = town.do("alice", play(Step("attempt", to="q", steps=everything)))
    assert (receipt.postings, receipt.events) == ([], [])
    changed = {key for key in before.keys() | town.store.values.keys() if before.get(key) != town.get(*key)}
    assert {key[0] for key in changed} == {"id", "ids", "clock"}


def test_an_attempt_forgives_what_it_called_and_nothing_before_or_after() -> None:
    town = Town()
    fails = Step("attempt", to="q", steps=(pay("bob", 1),))
    swallowed = pay("bob", 1_000, caught=True)
    town.do("alice", play(take(5), fails, spend=[(EUR, 5)]))
    assert refusal(town, play(take(5), fails, swallowed, spend=[(EUR, 5)])) is Code.INSUFFICIENT_BALANCE
    assert refusal(town, play(take(5), swallowed, fails, spend=[(EUR, 5)])) is Code.INSUFFICIENT_BALANCE
    succeeds = Step("attempt", to="q")
    assert refusal(town, play(take(5), swallowed, succeeds, spend=[(EUR, 5)])) is Code.INSUFFICIENT_BALANCE


def test_an_attempt_left_by_a_stray_exception_forgives_nothing() -> None:
    town = Town()
    swallowed = pay("bob", 1_000, caught=True)
    broken = Step("attempt_badly", to="q", caught=True)
    assert refusal(town, play(take(5), swallowed, broken, spend=[(EUR, 5)])) is Code.INSUFFICIENT_BALANCE


def test_a_rejection_swallowed_inside_an_attempt_fails_the_attempt() -> None:
    town = Town()
    inside = (pay("bob", 1, caught=True),)
    assert town.do("alice", play(Step("attempt", to="q", steps=inside))).results == [["0"]]


def test_a_nested_attempt_dooms_no_further_than_itself() -> None:
    town = Town()
    town.do("alice", deploy("alice", "r", "puppet"))
    town.do("alice", transfer("alice", (EUR, "q", 5)))
    inner = Step("attempt", to="r", steps=(Step("refuse"),))
    outer = Step("attempt", to="q", steps=(inner, pay("bob", 5)))
    assert town.do("alice", play(outer)).results == [["1"]]
    assert town.balance("bob", EUR) == 5
    # And an inner success is dropped with the outer failure.
    town.do("alice", transfer("alice", (EUR, "r", 5)))
    inner = Step("attempt", to="r", steps=(pay("bob", 5),))
    outer = Step("attempt", to="q", steps=(inner, Step("refuse")))
    assert town.do("alice", play(outer)).results == [["0"]]
    assert town.balance("bob", EUR) == 5


def test_a_view_cannot_attempt_its_way_to_writing() -> None:
    town = Town()
    sly = (Step("attempt", to="p2", steps=(Step("put", units=1, name="1"),)),)
    town.do("alice", deploy("alice", "p2", "puppet"))
    town.do("alice", play(Step("view", to="q", steps=sly)))
    assert town.get("p2!", "notes", 1) is None


# Scans.


class Walker(Contract):
    """Walks its rows while it writes ahead of itself."""

    kind = "walker"
    version = 1
    tables: ClassVar = {"rows": Table(key=(int,), value=int)}

    @method
    def fill(self, ctx: CallContext, rows: int) -> None:
        """Write rows 0, 1, 2, ..."""
        for number in range(rows):
            ctx.put("rows", number, value=0)

    @method
    def walk(self, ctx: CallContext, first: int, ahead: int, delete: bool) -> list[int]:
        """Touch row `first`, then walk all rows, at each one writing or deleting the one `ahead` of it."""
        ctx.put("rows", first, value=1)
        met = []
        for (number,), _ in ctx.scan("rows"):
            met.append(number)
            if ctx.get("rows", number + ahead) is not None:
                ctx.put("rows", number + ahead, value=None if delete else 2)
        return met


@pytest.mark.parametrize("ahead", [-1, 0, 1, 2])
def test_a_scan_meets_the_rows_that_it_rewrites_ahead_of_itself(ahead: int) -> None:
    world = World(kinds=puppet_kinds(Walker()))
    world.open("alice")
    world.do("alice", deploy("alice", "w", "walker"), call("alice", "w", "fill", rows=6))
    walk = call("alice", "w", "walk", first=3, ahead=ahead, delete=False)
    assert world.do("alice", walk).results == [["0", "1", "2", "3", "4", "5"]]


def test_a_scan_leaves_out_the_rows_that_it_deletes_ahead_of_itself() -> None:
    world = World(kinds=puppet_kinds(Walker()))
    world.open("alice")
    world.do("alice", deploy("alice", "w", "walker"), call("alice", "w", "fill", rows=6))
    assert world.do("alice", call("alice", "w", "walk", first=3, ahead=1, delete=True)).results == [
        ["0", "2", "4"]
    ]


# Policies and powers.


def test_code_does_not_get_round_a_policy() -> None:
    town = Town()
    freeze = tx.SetListing(account="carol", asset=GOLD, list="frozen", subject="alice", listed=True)
    town.do("carol", freeze)
    takes_gold = play(Step("take", asset=GOLD, units=1), spend=[(GOLD, 1)])
    assert refusal(town, takes_gold) is Code.POLICY_REFUSED


def test_a_contract_pays_no_frozen_account() -> None:
    town = Town()
    town.do("alice", play(Step("take", asset=GOLD, units=5), spend=[(GOLD, 5)]))
    town.do("carol", tx.SetListing(account="carol", asset=GOLD, list="frozen", subject="bob", listed=True))
    assert refusal(town, play(Step("pay", "bob", GOLD, 5))) is Code.POLICY_REFUSED
    town.do("alice", play(Step("pay", "alice", GOLD, 5)))


def test_what_is_stored_is_what_its_table_declares_and_never_changes_in_place() -> None:
    town = Town()
    town.do("alice", deploy("alice", "c", "careless"))
    receipt = town.do("alice", call("alice", "c", "keep"))
    assert receipt.results == [True]
    assert town.get("c!", "queue") == (1, 2)


def test_arguments_and_stored_integers_stay_below_2_to_the_256() -> None:
    town = Town()
    for units in (2**256 - 1, -(2**256) + 1):
        town.do("alice", play(Step("put", units=0, name=str(units))))
    for units in (2**256, -(2**256)):
        assert refusal(town, play(Step("put", units=0, name=str(units)))) is Code.AMOUNT_TOO_LARGE
    assert refusal(town, play(Step("put", units=0, name="1"), Step("emit_huge"))) is Code.AMOUNT_TOO_LARGE


def test_a_contracts_supply_stays_below_2_to_the_128() -> None:
    town = Town()
    town.do("alice", play(Step("create", name="part"), Step("mint", "bob", "part@p", 2**128 - 1)))
    assert refusal(town, play(Step("mint", "bob", "part@p", 1))) is Code.AMOUNT_TOO_LARGE
    assert refusal(town, play(Step("mint", "bob", "part@p", 2**128))) is Code.AMOUNT_TOO_LARGE


def test_a_fault_in_deployment_leaves_no_contract() -> None:
    town = Town()
    bad = deploy("alice", "x", "escrow", legs=[], deadline=town.time + SECOND)
    town.refused("alice", bad)
    assert town.get("account", "x") is None
    assert Refusal.SCRIPTED == "puppet.scripted"
    town.do("alice", create("alice", "x"), deploy("alice", "x", "puppet"))
