"""Authority comes before effects: identity, authority, actions, obligations, limits, in that order."""

import pytest

from tallystick.crypto import Signer
from tallystick.ledger import transactions as tx
from tallystick.ledger.rejections import Code, Rejection
from tests.ledger.puppet import Step, puppet_kinds
from tests.ledger.town import EUR, GOLD, Town, play
from tests.ledger.world import (
    DAY,
    OPERATOR,
    World,
    create,
    deploy,
    hold,
    issue,
    key,
    open_account,
    signer,
    transfer,
)

PAY = transfer("alice", (EUR, "bob", 1))


def keys_of(name: str, count: int) -> list[Signer]:
    return [signer(name, number) for number in range(count)]


# The order of the checks: where a transaction breaks two rules, the earlier one answers.


def test_each_stage_answers_before_the_next() -> None:
    town = Town()
    borrow = play(Step("owe", asset=EUR, units=1))
    limit = tx.NetLimit(account="alice", asset=EUR, least="1000")
    unpayable = transfer("alice", (EUR, "bob", 101))
    stranger = [signer("bob")]
    everything = {"ledger": "other", "expires": town.time, "limits": (limit,), "signers": stranger}
    stages: list[tuple[Code, tuple[tx.Action, ...], dict[str, object]]] = [
        (Code.WRONG_LEDGER, (unpayable, borrow), everything),
        (Code.EXPIRED, (unpayable, borrow), everything | {"ledger": town.ledger}),
        (Code.UNAUTHORISED, (unpayable, borrow), {"limits": (limit,), "signers": stranger}),
        (Code.INSUFFICIENT_BALANCE, (unpayable, borrow), {"limits": (limit,)}),
        (Code.OBLIGATION_OPEN, (PAY, borrow), {"limits": (limit,)}),
        (Code.LIMIT_EXCEEDED, (PAY,), {"limits": (limit,)}),
    ]
    for code, actions, more in stages:
        assert town.refused("alice", *actions, **more).code is code
    town.do("alice", PAY)


def test_every_actions_authority_is_checked_before_any_action_runs() -> None:
    town = Town()
    # The first action would be refused for its amount; that the second has no authority comes first.
    hopeless = transfer("alice", (EUR, "bob", 101))
    unauthorised = transfer("carol", (EUR, "bob", 1))
    refused = town.refused("alice", hopeless, unauthorised, signers=[signer("alice")])
    assert (refused.code, refused.facts["account"]) == (Code.UNAUTHORISED, "carol")


def test_keys_that_an_action_brings_in_do_not_authorise_the_next() -> None:
    town = Town()
    rotate = tx.RotateKeys("alice", keys=(key("thief"),))
    assert town.refused("alice", rotate, PAY, signers=[signer("thief")]).code is Code.UNAUTHORISED
    # Authority is what stood when the transaction began, so the old keys carry it through.
    town.do("alice", rotate, PAY, signers=[signer("alice")])
    assert town.refused("alice", PAY, signers=[signer("alice")]).code is Code.UNAUTHORISED
    town.do("alice", PAY, signers=[signer("thief")])


def test_a_threshold_counts_different_keys_of_the_account() -> None:
    town = Town()
    keys = keys_of("alice", 3)
    town.do("alice", tx.RotateKeys("alice", keys=tuple(one.public_key for one in keys), threshold=2))
    for too_few in (keys[:1], [keys[0], signer("bob")], [signer("bob"), signer("carol")], []):
        refused = town.refused("alice", PAY, signers=too_few)
        assert (refused.code, refused.facts["threshold"]) == (Code.UNAUTHORISED, 2)
    for enough in (keys[:2], keys[1:], keys):
        town.do("alice", PAY, signers=enough)


def test_the_sender_must_sign_even_when_the_actions_are_authorised() -> None:
    town = Town()
    refused = town.refused("bob", PAY, signers=[signer("alice")])
    assert (refused.code, refused.facts["account"]) == (Code.UNAUTHORISED, "bob")
    town.do("bob", PAY, signers=[signer("alice"), signer("bob")])


def test_no_signature_at_all() -> None:
    assert Town().refused("alice", PAY, signers=[]).code is Code.UNAUTHORISED


# Accounts opened on the way.


def test_an_account_opened_in_the_transaction_acts_by_its_new_keys() -> None:
    town = Town()
    town.do("bank", issue("bank", (EUR, "bob", 5)))
    actions = [
        open_account("bob", "dora"),
        transfer("bob", (EUR, "dora", 5)),
        transfer("dora", (EUR, "alice", 2)),
    ]
    refused = town.refused("bob", *actions, signers=[signer("bob")])
    assert (refused.code, refused.facts["account"]) == (Code.UNAUTHORISED, "dora")
    town.do("bob", *actions, signers=[signer("bob"), signer("dora")])
    assert town.balance("dora", EUR) == 3


def test_an_action_by_an_account_that_is_opened_later_is_refused() -> None:
    town = Town()
    actions = [create("dora", "coin"), open_account("bob", "dora")]
    assert town.refused("bob", *actions, signers=[signer("bob"), signer("dora")]).code is Code.UNKNOWN_ACCOUNT
    town.do("bob", *reversed(actions), signers=[signer("bob"), signer("dora")])


def test_an_institution_founded_in_the_transaction_consents_in_it() -> None:
    town = Town()
    found = tx.FoundInstitution("carol", "carol-inc")
    join = tx.JoinInstitution("alice", "carol-inc")
    refused = town.refused("alice", found, join, signers=[signer("alice")])
    assert refused.code is Code.UNAUTHORISED
    town.do("alice", found, join, signers=[signer("alice"), signer("carol")])


@pytest.mark.parametrize(
    ("rule", "oneself", "by_a_user", "by_the_operator"),
    [("anyone", True, True, True), ("sponsor", False, True, True), ("invitation", False, False, True)],
)
def test_who_may_open_accounts(rule: str, oneself: bool, by_a_user: bool, by_the_operator: bool) -> None:
    world = World(opening=rule)
    world.open("bob")
    attempts = {
        ("dora", open_account("dora", "dora")): oneself,
        ("bob", open_account("bob", "emil")): by_a_user,
        (OPERATOR, open_account(OPERATOR, "fred")): by_the_operator,
    }
    for (sender, action), allowed in attempts.items():
        if allowed:
            world.do(sender, action)
        else:
            assert world.refused(sender, action).code is Code.OPENING_REFUSED


def test_under_invitation_contracts_are_named_below_their_deployer_or_by_the_operator() -> None:
    world = World(opening="invitation", kinds=puppet_kinds())
    world.open("bob")
    for name in ("shop", "bobs.shop", "alice.shop"):
        assert world.refused("bob", deploy("bob", name, "puppet")).code is Code.OPENING_REFUSED
    world.do("bob", deploy("bob", "bob.shop", "puppet"))
    world.do(OPERATOR, deploy(OPERATOR, "shop", "puppet"))
    by_a_sponsor = World(kinds=puppet_kinds())
    by_a_sponsor.open("bob")
    by_a_sponsor.do("bob", deploy("bob", "shop", "puppet"))


def test_whoever_opens_oneself_signs_with_the_keys_opened() -> None:
    world = World(opening="anyone")
    keys = keys_of("dora", 2)
    action = tx.OpenAccount("dora", "dora", keys=tuple(one.public_key for one in keys), threshold=2)
    assert world.refused("dora", action, signers=keys[:1]).code is Code.UNAUTHORISED
    world.do("dora", action, signers=keys)


def test_nobody_takes_an_account_by_opening_it_again() -> None:
    world = World(opening="anyone")
    world.do("dora", open_account("dora", "dora"))
    world.mint(f"coin@{OPERATOR}", dora=5)
    again = open_account("dora", "dora", 1)
    steal = transfer("dora", (f"coin@{OPERATOR}", OPERATOR, 5))
    thief = [signer("dora", 1)]
    assert world.refused("dora", again, signers=thief).code is Code.ACCOUNT_EXISTS
    # Opening itself stands for the sender's signature only until the name is found taken.
    assert world.refused("dora", again, steal, signers=thief).code is Code.UNAUTHORISED


# Guardians.


def _guardians(*names: str, delay_seconds: int = 7 * DAY, threshold: int = 1) -> tx.SetGuardians:
    return tx.SetGuardians("alice", names, delay_seconds=delay_seconds, threshold=threshold)


def recover(town: Town, *guardians: str, number: int = 1) -> tx.Recover:
    return tx.Recover(guardians[0], "alice", guardians=guardians, keys=(key("alice", number),))


def guarded() -> Town:
    town = Town()
    town.do("alice", _guardians("bob", "carol", "agent", threshold=2))
    return town


def test_guardians_replace_lost_keys_after_the_delay() -> None:
    town = guarded()
    town.do("bob", recover(town, "bob", "carol"))
    town.wait(7 * DAY - 1)
    town.do("alice", PAY)
    town.wait(1)
    assert town.refused("alice", PAY).code is Code.UNAUTHORISED
    town.do("alice", PAY, signers=[signer("alice", 1)])


def test_an_account_that_is_awake_vetoes() -> None:
    town = guarded()
    town.do("bob", recover(town, "bob", "carol"))
    town.wait(7 * DAY - 1)
    town.do("alice", tx.VetoRecovery("alice"))
    assert town.wait(DAY) is None
    town.do("alice", PAY)


def test_rotating_keys_or_guardians_drops_a_pending_recovery() -> None:
    for action in (tx.RotateKeys("alice", keys=(key("alice"),)), _guardians()):
        town = guarded()
        town.do("bob", recover(town, "bob", "carol"))
        town.do("alice", action)
        assert town.wait(8 * DAY) is None
        assert town.get("recovery", "alice") is None
        town.do("alice", PAY)


def test_each_guardian_signs_and_is_counted_once() -> None:
    town = guarded()
    named_twice = tx.Recover("bob", "alice", guardians=("bob", "bob"), keys=(key("alice", 1),))
    assert town.refused("bob", named_twice).code is Code.NO_GUARDIANS
    assert (
        town.refused("bob", recover(town, "bob", "carol"), signers=[signer("bob")]).code is Code.UNAUTHORISED
    )
    assert town.refused("bank", recover(town, "bank", "bob")).code is Code.NO_GUARDIANS
    town.do("bob", recover(town, "bob", "carol"))


def test_a_second_proposal_replaces_the_first_and_starts_its_delay_anew() -> None:
    town = guarded()
    town.do("bob", recover(town, "bob", "carol"))
    town.wait(6 * DAY)
    town.do("carol", recover(town, "carol", "agent", number=2))
    assert town.wait(6 * DAY) is None
    town.wait(DAY)
    town.do("alice", PAY, signers=[signer("alice", 2)])
    assert town.get("quota", "alice", "timers") is None


@pytest.mark.parametrize(
    "action",
    [
        _guardians("alice"),
        _guardians("bob", "bob"),
        _guardians("bob", threshold=2),
        _guardians("bob", threshold=0),
        _guardians(*(f"friend-{number}" for number in range(17))),
        _guardians("ghost"),
        _guardians("bob", delay_seconds=0),
        _guardians("bob", delay_seconds=367 * DAY),
    ],
)
def test_guardians_that_make_no_sense_are_refused(action: tx.SetGuardians) -> None:
    town = Town()
    assert town.refused("alice", action).code in (Code.KEYS_INVALID, Code.TIME_INVALID, Code.UNKNOWN_ACCOUNT)


# An account that does not act loses nothing.


def test_only_the_founder_speaks_for_an_institution() -> None:
    town = Town()
    declare = tx.DeclareInstitution("alice", "bank-inc", roles=("dealer",))
    assert town.refused("alice", declare).code is Code.UNAUTHORISED
    town.do("bank", tx.DeclareInstitution("bank", "bank-inc", roles=("dealer",)))


def test_paying_for_another_needs_that_others_keys_whatever_the_action() -> None:
    town = Town()
    thefts: list[tx.Action] = [
        transfer("alice", (EUR, "bob", 1)),
        hold("alice", "bob", (EUR, 1), expires=town.later(60)),
        tx.Redeem("alice", EUR, "1"),
        play(Step("take", asset=EUR, units=1), spend=[(EUR, 1)]),
        tx.RotateKeys("alice", keys=(key("bob"),)),
        tx.GrantMandate("alice", "all", key=key("bob"), expires=town.later(60), caps=()),
        issue("carol", (GOLD, "bob", 1)),
        issue("bank", (EUR, "bob", 1)),
    ]
    for theft in thefts:
        with pytest.raises(Rejection, match="unauthorised"):
            town.do("bob", theft, signers=[signer("bob")])
