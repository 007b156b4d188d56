"""An agent's key tries to get more out of an account than its mandate grants."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ledger import transactions as tx
from tallystick.ledger.records import Cap
from tallystick.ledger.rejections import Code, Rejection
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, GOLD, Town, grant, play
from tests.ledger.world import DAY, SECOND, capture, deploy, hold, issue, key, signer, transfer

NAME = "allowance"
AGENT = [signer("agent")]


def town_with_mandate(**more: Any) -> Town:
    """Return a town where alice granted: 30 EUR a day, 20 a payment, to bob, and `run` of p."""
    town = Town()
    town.do("alice", grant(town, **more))
    return town


def pay(units: int, *, to: str = "bob", asset: str = EUR, mandate: str = NAME) -> tx.Transfer:
    return transfer("alice", (asset, to, units), mandate=mandate)


def refused(town: Town, *actions: tx.Action, signers: Any = AGENT) -> tuple[Code, str]:
    """Return why the agent is refused: the code, and what the mandate forbids."""
    rejection = town.refused("agent", *actions, signers=signers)
    assert isinstance(rejection.code, Code)
    return rejection.code, rejection.facts.get("what", "")


def forbids(what: str) -> tuple[Code, str]:
    return Code.MANDATE_FORBIDS, what


def test_the_agent_pays_up_to_its_caps_and_no_further() -> None:
    town = town_with_mandate()
    assert refused(town, pay(21)) == forbids("payment_cap")
    town.do("agent", pay(20), signers=AGENT)
    assert refused(town, pay(11)) == forbids("period_cap")
    town.do("agent", pay(10), signers=AGENT)
    assert refused(town, pay(1)) == forbids("period_cap")


def test_a_new_period_begins_at_its_boundary() -> None:
    town = town_with_mandate()
    town.do("agent", pay(20), signers=AGENT)
    town.do("agent", pay(10), signers=AGENT)
    town.wait(DAY - 1)
    assert refused(town, pay(1)) == forbids("period_cap")
    town.wait(1)
    # Two full caps can meet at a boundary: the windows are fixed.
    town.do("agent", pay(20), signers=AGENT)
    town.do("agent", pay(10), signers=AGENT)
    assert refused(town, pay(1)) == forbids("period_cap")


def test_splitting_one_payment_into_legs_or_actions_yields_no_more() -> None:
    town = town_with_mandate()
    legs = transfer("alice", (EUR, "bob", 20), (EUR, "bob", 11), mandate=NAME)
    assert refused(town, legs) == forbids("period_cap")
    assert refused(town, pay(20), pay(11)) == forbids("period_cap")
    town.do("agent", pay(20), pay(10), signers=AGENT)


def test_other_assets_recipients_contracts_and_methods_are_forbidden() -> None:
    town = town_with_mandate()
    assert refused(town, pay(1, asset=GOLD)) == forbids("asset")
    assert refused(town, pay(1, to="carol")) == forbids("recipient")
    assert refused(town, play(contract="q", mandate=NAME)) == forbids("contract")
    assert refused(town, play(method="settle", mandate=NAME)) == forbids("method")
    town.do("agent", play(mandate=NAME), signers=AGENT)


@pytest.mark.parametrize(
    "action",
    [
        tx.RotateKeys(account="alice", keys=(key("agent"),)),
        tx.Redeem(account="alice", asset=EUR, units="1"),
        tx.SetGuardians("alice", ("agent",), delay_seconds=DAY),
        tx.FoundInstitution(account="alice", name="alice-inc"),
    ],
    ids=lambda action: type(action).__name__,
)
def test_a_mandate_key_is_not_a_key_of_the_account(action: tx.Action) -> None:
    assert refused(town_with_mandate(), action)[0] is Code.UNAUTHORISED


def test_a_mandate_key_without_the_mandate_named_is_nobody() -> None:
    assert refused(town_with_mandate(), transfer("alice", (EUR, "bob", 1)))[0] is Code.UNAUTHORISED


def test_the_mandate_without_its_key_is_nothing() -> None:
    town = town_with_mandate()
    assert town.refused("bob", pay(1), signers=[signer("bob")]).code is Code.UNAUTHORISED


def test_a_mandate_ends_at_its_expiry() -> None:
    town = town_with_mandate()
    town.wait(2 * DAY - 1)
    town.do("agent", pay(1), signers=AGENT)
    town.wait(1)
    assert refused(town, pay(1)) == forbids("expired")


# Holds.


def test_a_hold_is_charged_when_it_is_made() -> None:
    town = town_with_mandate()
    made = hold("alice", "bob", (EUR, 20), expires=town.later(60), mandate=NAME)
    town.do("agent", made, signers=AGENT)
    assert refused(town, pay(11)) == forbids("period_cap")
    assert refused(town, hold("alice", "bob", (EUR, 11), expires=town.later(60), mandate=NAME)) == (
        forbids("period_cap")
    )
    town.do("agent", pay(10), signers=AGENT)


def test_a_hold_for_a_stranger_is_forbidden() -> None:
    town = town_with_mandate()
    stranger = hold("alice", "carol", (EUR, 1), expires=town.later(60), mandate=NAME)
    assert refused(town, stranger) == forbids("recipient")


def test_a_hold_does_not_wait_for_a_later_period_to_be_charged() -> None:
    town = town_with_mandate()
    name = town.do(
        "agent", hold("alice", "bob", (EUR, 20), expires=town.later(2 * DAY), mandate=NAME), signers=AGENT
    ).results[0]
    town.wait(DAY)
    # Captured on the second day: charged on the first, so the second day's cap is whole.
    town.do("bob", capture("bob", name))
    town.do("agent", pay(20), pay(10), signers=AGENT)
    assert town.balance("bob", EUR) == 50


# Delegation.


def delegate(town: Town, name: str, *, under: str = NAME, **more: Any) -> tx.GrantMandate:
    return grant(town, name, mandate=under, key=key("agent", 1), **more)


SUB = [signer("agent"), signer("agent", 1)]


def test_a_delegated_mandate_charges_every_ancestor() -> None:
    town = town_with_mandate()
    town.do("agent", delegate(town, "one"), delegate(town, "two"), signers=AGENT)
    town.do("agent", pay(20, mandate="one"), signers=SUB)
    assert refused(town, pay(11, mandate="two"), signers=SUB) == forbids("period_cap")
    assert refused(town, pay(11), signers=SUB) == forbids("period_cap")
    town.do("agent", pay(10, mandate="two"), signers=SUB)
    assert refused(town, pay(1), signers=SUB) == forbids("period_cap")


@pytest.mark.parametrize(
    ("what", "wider"),
    [
        ("expires", {"expires": 2 * DAY * SECOND + 1}),
        ("recipients", {"recipients": None}),
        ("recipients", {"recipients": ("bob", "carol")}),
        ("contracts", {"contracts": (("q", ("run",)),)}),
        ("contracts", {"contracts": (("p", ("run", "settle")),)}),
        ("caps", {"caps": (Cap(GOLD, "1", "1", DAY),)}),
        ("caps", {"caps": (Cap(EUR, "31", "20", DAY),)}),
        ("caps", {"caps": (Cap(EUR, "30", "21", DAY),)}),
        ("caps", {"caps": (Cap(EUR, "30", "20", DAY - 1),)}),
    ],
)
def test_a_mandate_only_narrows_when_delegated_on(what: str, wider: dict[str, Any]) -> None:
    town = town_with_mandate()
    if "expires" in wider:
        wider = {"expires": town.time + wider["expires"]}
    assert refused(town, delegate(town, "more", **wider)) == (Code.MANDATE_NOT_NARROWER, what)
    town.do("agent", delegate(town, "same"), signers=AGENT)


def test_a_chain_of_mandates_has_an_end() -> None:
    town = town_with_mandate()
    town.do("agent", delegate(town, "two"), signers=AGENT)
    town.do("agent", delegate(town, "three", under="two"), signers=SUB)
    town.do("agent", delegate(town, "four", under="three"), signers=SUB)
    assert refused(town, delegate(town, "five", under="four"), signers=SUB) == (
        Code.MANDATE_NOT_NARROWER,
        "chain",
    )


def test_revoking_a_mandate_ends_what_hangs_on_it() -> None:
    town = town_with_mandate()
    town.do("agent", delegate(town, "two"), signers=AGENT)
    town.do("alice", tx.RevokeMandate(account="alice", name=NAME))
    assert refused(town, pay(1, mandate="two"), signers=SUB)[0] is Code.UNKNOWN_MANDATE


def test_granting_the_parents_name_again_does_not_wake_its_children() -> None:
    town = town_with_mandate()
    town.do("agent", delegate(town, "two"), signers=AGENT)
    town.do("alice", tx.RevokeMandate(account="alice", name=NAME))
    town.do("alice", grant(town, key=key("bob")))
    assert refused(town, pay(1, mandate="two"), signers=SUB)[0] is Code.UNKNOWN_MANDATE
    # Nor can the old agent delegate anew under the name.
    assert refused(town, delegate(town, "three"))[0] is Code.UNAUTHORISED


def test_a_parent_revoked_earlier_in_the_same_transaction_covers_nothing() -> None:
    town = town_with_mandate()
    town.do("agent", delegate(town, "two"), signers=AGENT)
    everyone = [signer("alice"), *SUB]
    revoke = tx.RevokeMandate(account="alice", name=NAME)
    for mandate in (NAME, "two"):
        assert refused(town, revoke, pay(1, mandate=mandate), signers=everyone)[0] is Code.UNKNOWN_MANDATE
    town.do("agent", pay(1, mandate="two"), revoke, signers=everyone)


def test_an_agent_revokes_what_it_delegated_and_nothing_else() -> None:
    town = town_with_mandate()
    town.do("alice", grant(town, "other"))
    town.do("agent", delegate(town, "two"), signers=AGENT)
    assert refused(town, tx.RevokeMandate(account="alice", name="other", mandate=NAME)) == forbids("revoke")
    town.do("agent", tx.RevokeMandate(account="alice", name="two", mandate=NAME), signers=AGENT)
    assert town.get("mandate", "alice", "two") is None


def test_an_agent_cannot_grant_itself_a_mandate_of_its_own() -> None:
    town = town_with_mandate()
    assert refused(town, grant(town, "free"))[0] is Code.UNAUTHORISED


def test_a_mandate_has_so_many_children_at_a_time() -> None:
    town = town_with_mandate()
    town.do("agent", *(delegate(town, f"child-{number}") for number in range(8)), signers=AGENT)
    assert refused(town, delegate(town, "child-8"))[0] is Code.QUOTA_EXCEEDED
    town.do("agent", tx.RevokeMandate("alice", "child-0", mandate=NAME), signers=AGENT)
    town.do("agent", delegate(town, "child-8"), signers=AGENT)


def test_mandates_end_with_the_keys_that_granted_them() -> None:
    town = town_with_mandate()
    rotate = tx.RotateKeys("alice", keys=(key("alice"),))
    town.do("alice", msgspec.structs.replace(rotate, keep_mandates=True))
    town.do("agent", pay(1), signers=AGENT)
    town.do("alice", rotate)
    assert refused(town, pay(1))[0] is Code.UNKNOWN_MANDATE
    # Keeping mandates later does not wake those that ended.
    town.do("alice", msgspec.structs.replace(rotate, keep_mandates=True))
    assert refused(town, pay(1))[0] is Code.UNKNOWN_MANDATE
    town.do("alice", tx.RevokeMandate("alice", NAME), grant(town))
    town.do("agent", pay(1), signers=AGENT)


def test_mandates_end_when_guardians_replace_the_keys() -> None:
    town = town_with_mandate()
    town.do("alice", tx.SetGuardians("alice", ("bob",), delay_seconds=DAY))
    town.do("bob", tx.Recover("bob", "alice", ("bob",), keys=(key("alice", 1),)))
    town.wait(DAY)
    assert refused(town, pay(1))[0] is Code.UNKNOWN_MANDATE


# Contracts.


def test_what_a_contract_takes_is_charged() -> None:
    town = town_with_mandate()
    script = play(Step("take", asset=EUR, units=20), spend=[(EUR, 100)], mandate=NAME)
    town.do("agent", script, signers=AGENT)
    assert refused(town, script) == forbids("period_cap")
    town.do("alice", play(Step("take", asset=EUR, units=20), spend=[(EUR, 20)]))


def test_a_position_does_not_leave_to_a_stranger_beyond_the_caps() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "p", 90)))
    for stranger, code in (("carol", "recipient"), ("q", "recipient"), ("agent", "recipient")):
        script = play(Step("pay", stranger, EUR, 10), mandate=NAME)
        assert refused(town, script) == forbids(code), stranger
    assert refused(town, play(Step("pay", "bob", EUR, 21), mandate=NAME)) == forbids("payment_cap")
    town.do("agent", play(Step("pay", "bob", EUR, 20), mandate=NAME), signers=AGENT)
    assert refused(town, play(Step("pay", "bob", EUR, 11), mandate=NAME)) == forbids("period_cap")


def test_a_position_does_not_leave_through_a_dropped_attempt_beyond_the_caps() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "p", 50), (EUR, "q", 50)))
    dropped = Step("attempt", to="q", steps=(Step("pay", "p", EUR, 50), Step("refuse")))
    assert refused(town, play(dropped, Step("pay", "bob", EUR, 21), mandate=NAME)) == forbids("payment_cap")
    town.do("agent", play(dropped, Step("pay", "bob", EUR, 20), mandate=NAME), signers=AGENT)
    assert town.get("spent", "alice", NAME, EUR).units == 20


def test_an_attempt_left_by_a_stray_exception_pays_for_nothing() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "p", 49), (EUR, "q", 50)))
    price = (Step("take", asset=EUR, units=1), Step("pay", "p", EUR, 50))
    badly = Step("attempt_badly_after", to="q", asset=EUR, units=1, steps=price, caught=True)

    def script(units: int) -> tx.Call:
        take = Step("take", asset=EUR, units=1)
        return play(take, badly, Step("pay", "bob", EUR, units), spend=[(EUR, 1)], mandate=NAME)

    assert refused(town, script(22)) == forbids("payment_cap")
    town.do("agent", script(21), signers=AGENT)
    assert town.get("spent", "alice", NAME, EUR).units == 21


def test_a_position_inside_another_contract_does_not_leave_beyond_the_caps() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "q", 90)))
    withdraw = Step("call", to="q", steps=(Step("pay", "p", EUR, 90),))
    assert refused(town, play(withdraw, Step("pay", "bob", EUR, 21), mandate=NAME)) == forbids("payment_cap")
    town.do("agent", play(withdraw, Step("pay", "bob", EUR, 20), mandate=NAME), signers=AGENT)
    assert town.get("spent", "alice", NAME, EUR).units == 20


def test_a_price_in_the_asset_that_was_taken_is_change_and_no_more() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "q", 50)))
    take = Step("take", asset=EUR, units=1)
    change = Step("call", to="q", asset=EUR, units=1, steps=(take, Step("pay", "p", EUR, 50)))

    def script(units: int) -> tx.Call:
        return play(take, change, Step("pay", "bob", EUR, units), spend=[(EUR, 1)], mandate=NAME)

    assert refused(town, script(22)) == forbids("payment_cap")
    town.do("agent", script(21), signers=AGENT)
    assert town.get("spent", "alice", NAME, EUR).units == 21


def test_what_came_home_does_not_pay_for_what_leaves() -> None:
    caps = (Cap(EUR, "30", "20", DAY), Cap(GOLD, "10", "10", DAY))
    town = town_with_mandate(caps=caps)
    town.do("alice", transfer("alice", (GOLD, "p", 20), (GOLD, "q", 20)))
    take = Step("take", asset=EUR, units=1)
    price = Step("call", to="q", asset=EUR, units=1, steps=(take, Step("pay", "p", GOLD, 20)))

    def script(units: int) -> tx.Call:
        home, out = Step("pay", "alice", GOLD, 20), Step("pay", "bob", GOLD, units)
        return play(take, price, home, out, spend=[(EUR, 1)], mandate=NAME)

    assert refused(town, script(11)) == forbids("payment_cap")
    town.do("agent", script(10), signers=AGENT)
    assert town.get("spent", "alice", NAME, GOLD).units == 10


def test_a_position_comes_home_freely() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "p", 90)))
    town.do("agent", play(Step("pay", "alice", EUR, 90), mandate=NAME), signers=AGENT)
    assert town.balance("alice", EUR) == 100


def test_a_position_does_not_leave_through_a_nested_call_beyond_the_caps() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "p", 90)))
    nested = Step("call", to="q", asset=EUR, units=90, steps=(Step("take", asset=EUR, units=90),))
    assert refused(town, play(nested, mandate=NAME)) == forbids("recipient")
    town = town_with_mandate(recipients=("bob", "q"))
    town.do("alice", transfer("alice", (EUR, "p", 90)))
    assert refused(town, play(nested, mandate=NAME)) == forbids("payment_cap")
    town.do("alice", play(nested))


def test_parking_a_position_in_a_subaccount_pays_for_nothing() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "p", 90)), play(Step("subaccount", name="parked")))
    park = Step("pay", "p/parked", EUR, 40)
    nested = Step("call", to="q", asset=EUR, units=40, steps=(Step("take", asset=EUR, units=40),))
    assert refused(town, play(park, nested, mandate=NAME)) == forbids("recipient")
    town.do("agent", play(park, mandate=NAME), signers=AGENT)


def test_a_route_of_several_hops_is_charged_for_what_it_took_alone() -> None:
    town = town_with_mandate()
    town.do("alice", deploy("alice", "r", "puppet"), transfer("alice", (GOLD, "q", 30), (EUR, "r", 9)))
    swap = (Step("take", asset=EUR, units=20), Step("pay", "p", GOLD, 30))
    first = Step("call", to="q", asset=EUR, units=20, steps=swap)
    second = Step(
        "call",
        to="r",
        asset=GOLD,
        units=30,
        steps=(Step("take", asset=GOLD, units=30), Step("pay", "p", EUR, 9)),
    )
    home = Step("pay", "alice", EUR, 9)
    route = play(Step("take", asset=EUR, units=20), first, second, home, spend=[(EUR, 20)], mandate=NAME)
    town.do("agent", route, signers=AGENT)
    assert town.get("spent", "alice", NAME, EUR).units == 20


def test_what_was_charged_when_taken_is_not_charged_again_when_paid_on() -> None:
    town = town_with_mandate()
    route = play(
        Step("take", asset=EUR, units=20), Step("pay", "bob", EUR, 20), spend=[(EUR, 20)], mandate=NAME
    )
    town.do("agent", route, signers=AGENT)
    assert refused(town, pay(11)) == forbids("period_cap")
    # More than was taken comes out of the position, and is charged.
    town.do("alice", transfer("alice", (EUR, "p", 50)))
    more = play(Step("take", asset=EUR, units=5), Step("pay", "bob", EUR, 11), spend=[(EUR, 5)], mandate=NAME)
    assert refused(town, more) == forbids("period_cap")
    town.do("agent", play(Step("pay", "bob", EUR, 10), mandate=NAME), signers=AGENT)


def test_what_was_charged_when_taken_still_goes_to_named_recipients_alone() -> None:
    town = town_with_mandate()

    def through(to: str) -> tx.Call:
        steps = (Step("take", asset=EUR, units=10), Step("pay", to=to, asset=EUR, units=10))
        return play(*steps, spend=[(EUR, 10)], mandate=NAME)

    assert refused(town, through("carol")) == forbids("recipient")
    town.do("agent", through("bob"), signers=AGENT)


def test_paying_back_along_the_call_stack_is_free() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "q", 90)))
    there_and_back = Step("call", to="q", steps=(Step("pay", "p", EUR, 90),))
    town.do("agent", play(there_and_back, Step("pay", "alice", EUR, 90), mandate=NAME), signers=AGENT)
    assert town.balance("alice", EUR) == 100


def test_minting_to_a_stranger_under_a_mandate_is_charged() -> None:
    town = town_with_mandate()
    town.do("alice", play(Step("create", name="part")))
    assert refused(town, play(Step("mint", "bob", "part@p", 1), mandate=NAME)) == forbids("asset")
    town.do("agent", play(Step("mint", "alice", "part@p", 1), mandate=NAME), signers=AGENT)


def test_a_dropped_attempt_is_not_charged() -> None:
    town = town_with_mandate()
    town.do("alice", transfer("alice", (EUR, "q", 50)))
    dropped = Step("attempt", to="q", steps=(Step("pay", "bob", EUR, 20), Step("refuse")))
    town.do("agent", play(dropped, mandate=NAME), signers=AGENT)
    town.do("agent", pay(20), pay(10), signers=AGENT)


@st.composite
def ways_out(draw: st.DrawFn) -> tuple[Step, ...]:
    """Return a script by which p, having brought value from q or in vain, pays some of it to others."""

    def maybe(do: str, **more: Any) -> tuple[Step, ...]:
        return (Step(do, asset=EUR, units=draw(st.integers(1, 20)), **more),) if draw(st.booleans()) else ()

    inner = (*maybe("take"), *maybe("pay", to="p"), *maybe("refuse"))
    bring = Step(draw(st.sampled_from(["call", "attempt"])), to="q", asset=EUR, units=20, steps=inner)
    out = Step("pay", to="bob", asset=EUR, units=draw(st.integers(1, 20)))
    return (*maybe("take"), bring, *maybe("pay", to="alice"), out)


@given(st.lists(ways_out(), min_size=1, max_size=3))
def test_whatever_code_does_what_reaches_others_was_charged(scripts: list[tuple[Step, ...]]) -> None:
    town = town_with_mandate(recipients=("bob", "q"))
    town.do("alice", transfer("alice", (EUR, "p", 30), (EUR, "q", 30)))
    for steps in scripts:
        script = play(*steps, spend=[(EUR, 20)], mandate=NAME)
        town.run(town.seal("agent", script, signers=AGENT))
        charged = town.get("spent", "alice", NAME, EUR)
        assert town.balance("bob", EUR) <= (charged.units if charged else 0) <= 30


# The lists that every payment looks through are bounded.


@pytest.mark.parametrize(
    ("field", "most", "filler"),
    [
        ("recipients", 1_024, lambda number: f"friend-{number}"),
        ("contracts", 64, lambda number: (f"contract-{number}", ("run",))),
    ],
)
def test_a_mandates_lists_are_bounded(field: str, most: int, filler: Any) -> None:
    town = Town()
    too_many = tuple(filler(number) for number in range(most + 1))
    assert town.refused("alice", grant(town, **{field: too_many})).code is Code.MALFORMED
    town.do("alice", grant(town, **{field: too_many[:most]}))


def test_a_revoked_and_granted_mandate_starts_afresh() -> None:
    town = town_with_mandate()
    town.do("agent", pay(20), pay(10), signers=AGENT)
    town.do("alice", tx.RevokeMandate(account="alice", name=NAME), grant(town))
    town.do("bank", issue("bank", (EUR, "alice", 100)))
    town.do("agent", pay(20), signers=AGENT)
    with pytest.raises(Rejection, match="account_exists"):
        town.do("alice", grant(town))
