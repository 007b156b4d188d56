"""Issuing, transferring, holding, redeeming, clawing back, freezing: what works, and what evades nothing."""

import msgspec
import pytest

from tallystick.ledger import transactions as tx
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Limits, PolicySpec, Terms
from tallystick.ledger.rejections import Code, Rejection
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, GOLD, Town, play
from tests.ledger.world import DAY, SECOND, capture, create, hold, issue, signer, transfer

MOST = 2**128 - 1


def freeze(subject: str, *, listed: bool = True) -> tx.SetListing:
    return tx.SetListing(account="carol", asset=GOLD, list="frozen", subject=subject, listed=listed)


def claw_back(units: int, *, source: str = "alice") -> tx.ClawBack:
    return tx.ClawBack(account="carol", asset=GOLD, source=source, units=str(units), reason="court order 7")


# Issuing and transferring.


def test_the_issuers_balance_is_minus_what_is_outstanding() -> None:
    town = Town()
    town.do("bank", issue("bank", (EUR, "bob", 50), (EUR, "carol", 7)))
    assert town.balance("bank", EUR) == -157
    town.do("bob", transfer("bob", (EUR, "bank", 50)))
    assert town.balance("bank", EUR) == -107


def test_a_balance_reaches_but_does_not_pass_the_limit() -> None:
    town = Town()
    town.do("bob", create("bob", "coin"))
    town.do("bob", issue("bob", ("coin@bob", "alice", MOST)))
    assert town.balance("alice", "coin@bob") == MOST
    assert town.balance("bob", "coin@bob") == -MOST
    assert town.refused("bob", issue("bob", ("coin@bob", "carol", 1))).code is Code.AMOUNT_TOO_LARGE
    town.do("alice", transfer("alice", ("coin@bob", "carol", MOST)))


def test_legs_whose_sum_passes_the_limit_are_refused() -> None:
    town = Town()
    town.do("bob", create("bob", "coin"))
    legs = [("coin@bob", "alice", MOST), ("coin@bob", "carol", MOST)]
    assert town.refused("bob", issue("bob", *legs)).code is Code.AMOUNT_TOO_LARGE
    assert town.refused("alice", transfer("alice", (EUR, "bob", MOST), (EUR, "carol", MOST))).code is (
        Code.INSUFFICIENT_BALANCE
    )


def test_a_transfer_has_many_legs_and_all_or_none_of_them() -> None:
    town = Town()
    legs = [(EUR, "bob", 60), (GOLD, "bob", 40), (EUR, "carol", 40)]
    town.refused("alice", transfer("alice", *legs, (EUR, "bob", 1)))
    receipt = town.do("alice", transfer("alice", *legs))
    assert receipt.postings == [
        ("alice", EUR, -100, 0),
        ("alice", GOLD, -40, 0),
        ("bob", EUR, 60, 60),
        ("bob", GOLD, 40, 40),
        ("carol", EUR, 40, 40),
    ]


def test_ten_thousand_legs_in_one_transaction() -> None:
    town = Town()
    town.do("bank", issue("bank", (EUR, "alice", 10_000)))
    town.do("alice", transfer("alice", *[(EUR, "bob", 1)] * 10_000))
    assert town.balance("bob", EUR) == 10_000


def test_two_parties_swap_in_one_transaction_or_not_at_all() -> None:
    town = Town()
    town.do("bank", issue("bank", (EUR, "bob", 30)))
    swap = [transfer("alice", (GOLD, "bob", 40)), transfer("bob", (EUR, "alice", 30))]
    assert town.refused("alice", *swap, signers=[signer("alice")]).code is Code.UNAUTHORISED
    greedy = [swap[0], transfer("bob", (EUR, "alice", 31))]
    assert town.refused("alice", *greedy).code is Code.INSUFFICIENT_BALANCE
    town.do("alice", *swap)
    assert (town.balance("bob", GOLD), town.balance("alice", EUR)) == (40, 130)


def test_net_limits_see_the_whole_transaction() -> None:
    town = Town()
    town.do("bank", issue("bank", (EUR, "bob", 30)))
    swap = [transfer("alice", (EUR, "bob", 50)), transfer("bob", (EUR, "alice", 30))]
    at_most_20 = tx.NetLimit(account="alice", asset=EUR, least="-20")
    at_most_19 = tx.NetLimit(account="alice", asset=EUR, least="-19")
    refused = town.refused("alice", *swap, limits=(at_most_20, at_most_19))
    assert (refused.code, refused.facts["change"]) == (Code.LIMIT_EXCEEDED, "-20")
    town.do("alice", *swap, limits=(at_most_20,))


def test_a_net_limit_that_would_guard_nothing_is_refused() -> None:
    town = Town()
    payment = transfer("alice", (EUR, "bob", 50))
    for account, asset, code in (
        ("alcie", EUR, Code.UNKNOWN_ACCOUNT),
        ("alice", "euro@bank", Code.UNKNOWN_ASSET),
    ):
        limit = tx.NetLimit(account=account, asset=asset, least="-50")
        assert town.refused("alice", payment, limits=(limit,)).code is code
    town.do("alice", payment, limits=(tx.NetLimit(account="alice", asset=EUR, least="-50"),))


@pytest.mark.parametrize("least", ["", "-", "-0", "+1", "01", "1.0", " 1", "--1", "-01", "٣"])
def test_a_net_limit_has_one_spelling(least: str) -> None:
    limit = tx.NetLimit(account="alice", asset=EUR, least=least)
    town = Town()
    assert town.refused("alice", transfer("alice", (EUR, "bob", 1)), limits=(limit,)).code is (
        Code.AMOUNT_NOT_AN_INTEGER
    )


# Holds.


def test_a_hold_promises_several_assets_and_is_captured_in_parts() -> None:
    town = Town()
    name = town.do("alice", hold("alice", "bob", (EUR, 60), (GOLD, 40), expires=town.later(60))).results[0]
    assert (town.held("alice", EUR), town.held("alice", GOLD)) == (60, 40)
    town.do("bob", capture("bob", name, (EUR, 10), (GOLD, 40)))
    assert (town.held("alice", EUR), town.held("alice", GOLD)) == (50, 0)
    town.do("bob", capture("bob", name, (EUR, 20), final=True))
    assert (town.balance("bob", EUR), town.held("alice", EUR), town.get("hold", name)) == (30, 0, None)


@pytest.mark.parametrize(("at_expiry", "receives"), [("release", 0), ("capture", 30)])
def test_a_hold_ends_at_its_expiry_as_it_declared(at_expiry: str, receives: int) -> None:
    town = Town()
    town.do("alice", hold("alice", "bob", (EUR, 30), expires=town.later(60), at_expiry=at_expiry))
    town.wait(59)
    assert town.held("alice", EUR) == 30
    town.wait(1)
    assert (town.held("alice", EUR), town.balance("bob", EUR)) == (0, receives)
    assert town.get("quota", "alice", "holds") is None
    assert town.get("quota", "alice", "timers") is None


def test_a_held_unit_is_promised_once() -> None:
    town = Town()
    town.do("alice", hold("alice", "bob", (EUR, 60), expires=town.later(60)))
    assert town.refused("alice", hold("alice", "carol", (EUR, 41), expires=town.later(60))).code is (
        Code.INSUFFICIENT_BALANCE
    )
    assert town.refused("alice", tx.Redeem("alice", EUR, "41")).code is Code.INSUFFICIENT_BALANCE
    town.do("alice", hold("alice", "carol", (EUR, 40), expires=town.later(60)))


def test_a_hold_that_is_capturable_at_expiry_cannot_be_released_by_its_owner_after_it() -> None:
    town = Town(limits=Limits(timers_per_batch_max=1))
    made = hold("alice", "bob", (EUR, 30), expires=town.later(60), at_expiry="capture")
    _, name = town.do("alice", made, made).results
    town.time += 61 * SECOND
    releasing, capturing = town.run(
        town.seal("alice", tx.Release("alice", name)), town.seal("bob", capture("bob", name))
    )
    assert isinstance(releasing, Rejection)
    assert releasing.code is Code.HOLD_NOT_EXPIRED
    assert isinstance(capturing, Receipt)


def test_a_final_capture_and_a_release_give_the_quota_back() -> None:
    town = Town(limits=Limits(holds_per_account_max=1, timers_per_account_max=1))
    for final in (True, False):
        name = town.do("alice", hold("alice", "bob", (EUR, 10), expires=town.later(60))).results[0]
        town.do("bob", capture("bob", name, (EUR, 1), final=True) if final else tx.Release("bob", name))
    assert town.get("quota", "alice", "holds") is None


# Redemption.


def test_a_redemption_paid_off_the_ledger() -> None:
    town = Town()
    lot = town.do("alice", tx.Redeem("alice", EUR, "60", reference="to my account")).results[0]
    assert (town.balance("alice", EUR), town.held("alice", EUR)) == (100, 60)
    assert town.refused("bank", tx.SettleRedemption("bank", lot)).code is Code.NAME_INVALID
    town.do("bank", tx.SettleRedemption("bank", lot, evidence="wire 42"))
    assert (town.balance("alice", EUR), town.held("alice", EUR), town.balance("bank", EUR)) == (40, 0, -40)


def test_a_redemption_paid_in_another_asset_is_paid_in_the_same_step() -> None:
    town = Town()
    terms = Terms(owes=GOLD, pays=2, per=3)
    town.do("bank", create("bank", "note", kind="claim", obligor="bank-inc", terms=terms))
    town.do("bank", issue("bank", ("note@bank", "bob", 10)))
    lot = town.do("bob", tx.Redeem("bob", "note@bank", "10")).results[0]
    short = town.refused("bank", tx.SettleRedemption("bank", lot))
    assert (short.code, short.facts["short_units"]) == (Code.INSUFFICIENT_BALANCE, "6")
    town.do("alice", transfer("alice", (GOLD, "bank", 6)))
    town.do("bank", tx.SettleRedemption("bank", lot))
    # 10 x 2 / 3 is 6 and something, and the something stays with the obligor.
    assert (town.balance("bob", GOLD), town.balance("bob", "note@bank")) == (6, 0)


def test_an_unpaid_redemption_defaults_after_its_notice_and_grace_and_stays_owed() -> None:
    town = Town()
    terms = Terms(owes="USD", notice_seconds=2 * DAY, grace_seconds=DAY)
    town.do("bank", create("bank", "term", kind="claim", obligor="bank-inc", terms=terms))
    town.do("bank", issue("bank", ("term@bank", "alice", 10)))
    lot = town.do("alice", tx.Redeem("alice", "term@bank", "10")).results[0]
    town.wait(3 * DAY - 1)
    assert town.get("lot", lot).status == "requested"
    receipt = town.wait(1)
    assert receipt is not None
    assert receipt.events[0][1:] == (
        "defaulted",
        {
            "lot": lot,
            "obligor": "bank-inc",
            "asset": "term@bank",
            "account": "alice",
            "units": "10",
            "outstanding": "10",
        },
    )
    assert (town.get("lot", lot).status, town.held("alice", "term@bank")) == ("defaulted", 10)
    # Asking was a consent to be paid elsewhere; the default ended it, so the holder signs too.
    settle = tx.SettleRedemption("bank", lot, evidence="wire 43")
    assert town.refused("bank", settle).code is Code.UNAUTHORISED
    settled = town.do("bank", settle, signers=[signer("bank"), signer("alice")])
    assert settled.events[-1][2]["late"] is True


def test_a_freeze_does_not_put_the_obligor_in_default() -> None:
    town = Town()
    policy = PolicySpec(kind="controlled", lists_by="carol")
    claim = create("bank", "note", kind="claim", obligor="bank-inc", terms=Terms(owes="USD"), policy=policy)
    town.do("bank", claim, issue("bank", ("note@bank", "alice", 10)))
    lot = town.do("alice", tx.Redeem("alice", "note@bank", "10")).results[0]
    town.do("carol", tx.SetListing("carol", "note@bank", "frozen", "alice", True))
    town.do("bank", tx.SettleRedemption("bank", lot, evidence="wire 44"))
    assert town.balance("alice", "note@bank") == 0


def test_a_claim_falls_due_at_its_maturity_and_not_before() -> None:
    town = Town()
    terms = Terms(owes="USD", matures=town.later(10 * DAY))
    town.do("bank", create("bank", "bond", kind="claim", obligor="bank-inc", terms=terms))
    town.do("bank", issue("bank", ("bond@bank", "alice", 10)))
    due = town.later(10 * DAY)
    early = town.do("alice", tx.Redeem("alice", "bond@bank", "4")).results[0]
    town.wait(20 * DAY)
    late = town.do("alice", tx.Redeem("alice", "bond@bank", "4")).results[0]
    assert town.get("lot", early).due == due
    assert town.get("lot", late).due == town.time


def test_an_obligor_that_redeems_with_itself_owes_itself_nothing() -> None:
    town = Town()
    both = [signer("agent"), signer("bank")]
    town.do("agent", tx.JoinInstitution("agent", "bank-inc"), signers=both)
    town.do("bank", issue("bank", (EUR, "agent", 5)))
    lot = town.do("agent", tx.Redeem("agent", EUR, "5")).results[0]
    town.do("agent", tx.SettleRedemption("agent", lot, evidence="our own"))
    assert town.balance("bank", EUR) == -100


def test_a_claim_on_an_institution_needs_its_founders_signature() -> None:
    town = Town()
    promise = create("alice", "iou", kind="claim", obligor="bank-inc", terms=Terms(owes="EUR"))
    assert town.refused("alice", promise).code is Code.UNAUTHORISED
    town.do("alice", promise, signers=[signer("alice"), signer("bank")])


def test_joining_an_institution_needs_both_signatures() -> None:
    town = Town()
    join = tx.JoinInstitution("agent", "bank-inc")
    for one in ("agent", "bank"):
        assert town.refused(one, join, signers=[signer(one)]).code is Code.UNAUTHORISED
    town.do("agent", join, signers=[signer("agent"), signer("bank")])


# Claw-back and freezing.


def test_a_claw_back_takes_from_its_own_assets_holders_alone() -> None:
    town = Town()
    town.do("carol", claw_back(15))
    assert (town.balance("alice", GOLD), town.balance("carol", GOLD)) == (25, -25)
    assert town.refused("carol", claw_back(26)).code is Code.INSUFFICIENT_BALANCE
    other = tx.ClawBack("carol", EUR, "alice", "1", "because")
    assert town.refused("carol", other).code is Code.POWER_MISSING
    assert town.refused("carol", claw_back(1, source="carol")).code is Code.SAME_ACCOUNT


def test_a_claw_back_is_not_stopped_by_the_assets_own_policy() -> None:
    town = Town()
    town.do("carol", freeze("alice"))
    town.do("carol", claw_back(40))
    assert town.balance("alice", GOLD) == 0


def test_a_claw_back_reaches_what_a_contract_holds() -> None:
    town = Town()
    town.do("alice", play(Step("take", asset=GOLD, units=40), spend=[(GOLD, 40)]))
    town.do("carol", claw_back(40, source="p"))
    assert town.balance("p", GOLD) == 0


def test_a_claw_back_is_not_evaded_by_a_hold() -> None:
    town = Town()
    name = town.do("alice", hold("alice", "bob", (GOLD, 30), expires=town.later(60))).results[0]
    assert town.refused("carol", claw_back(11)).code is Code.INSUFFICIENT_BALANCE
    others = msgspec.structs.replace(claw_back(1, source="bob"), ending=(name,))
    assert town.refused("carol", others).code is Code.UNKNOWN_HOLD
    town.do("carol", msgspec.structs.replace(claw_back(40), ending=(name,)))
    assert (town.balance("alice", GOLD), town.held("alice", GOLD), town.get("hold", name)) == (0, 0, None)


def test_a_power_over_one_asset_ends_no_promise_of_another() -> None:
    town = Town()
    later = town.later(60)
    euros = town.do("alice", hold("alice", "bob", (EUR, 30), expires=later)).results[0]
    both = town.do("alice", hold("alice", "bob", (EUR, 20), (GOLD, 30), expires=later)).results[0]
    lot = town.do("alice", tx.Redeem("alice", EUR, "10")).results[0]
    for other, code in ((euros, Code.UNKNOWN_HOLD), (lot, Code.UNKNOWN_LOT)):
        assert town.refused("carol", msgspec.structs.replace(claw_back(1), ending=(other,))).code is code
    town.do("carol", msgspec.structs.replace(claw_back(40), ending=(both,)))
    assert (town.held("alice", EUR), town.held("alice", GOLD)) == (60, 0)
    town.do("bob", capture("bob", both))
    assert town.balance("bob", EUR) == 20


def test_a_claw_back_is_not_evaded_by_a_redemption() -> None:
    town = Town()
    terms = Terms(owes="USD")
    claim = create("bank", "note", kind="claim", obligor="bank-inc", terms=terms, claw_back_by="carol")
    town.do("bank", claim, issue("bank", ("note@bank", "alice", 10)))
    lot = town.do("alice", tx.Redeem("alice", "note@bank", "10")).results[0]
    back = tx.ClawBack("carol", "note@bank", "alice", "10", "court order 8")
    assert town.refused("carol", back).code is Code.INSUFFICIENT_BALANCE
    wrong = msgspec.structs.replace(back, source="bob", ending=(lot,))
    assert town.refused("carol", wrong).code is Code.UNKNOWN_LOT
    town.do("carol", msgspec.structs.replace(back, ending=(lot,)))
    assert (town.balance("alice", "note@bank"), town.get("lot", lot)) == (0, None)


def test_a_frozen_account_neither_pays_nor_receives() -> None:
    town = Town()
    town.do("carol", freeze("alice"))
    assert town.refused("alice", transfer("alice", (GOLD, "bob", 1))).code is Code.POLICY_REFUSED
    assert town.refused("carol", issue("carol", (GOLD, "alice", 1))).code is Code.POLICY_REFUSED
    town.do("carol", freeze("alice", listed=False))
    town.do("alice", transfer("alice", (GOLD, "bob", 1)))


def test_a_freeze_is_not_evaded_by_a_hold_made_before() -> None:
    town = Town()
    name = town.do("alice", hold("alice", "bob", (GOLD, 30), expires=town.later(60))).results[0]
    town.do("carol", freeze("alice"))
    assert town.refused("bob", capture("bob", name)).code is Code.POLICY_REFUSED
    town.do("carol", freeze("alice", listed=False))
    town.do("bob", capture("bob", name))


def test_a_policys_limit_is_not_evaded_by_legs_or_holds() -> None:
    town = Town()
    town.do("carol", issue("carol", (GOLD, "alice", 40)))
    legs = transfer("alice", (GOLD, "bob", 30), (GOLD, "bob", 21))
    assert town.refused("alice", legs).code is Code.POLICY_REFUSED
    promise = hold("alice", "bob", (GOLD, 51), expires=town.later(60))
    assert town.refused("alice", promise).code is Code.POLICY_REFUSED
    town.do("alice", hold("alice", "bob", (GOLD, 50), expires=town.later(60)))


def test_a_frozen_account_promises_nothing() -> None:
    town = Town()
    town.do("carol", freeze("alice"))
    promise = hold("alice", "bob", (GOLD, 1), expires=town.later(60))
    assert town.refused("alice", promise).code is Code.POLICY_REFUSED
    town.do("carol", freeze("alice", listed=False))
    town.do("alice", promise)


def test_admission_and_balance_rules() -> None:
    town = Town()
    policy = PolicySpec(kind="controlled", rules={"admitted_only": "1", "balance_max": "10"}, lists_by="bob")
    town.do("bob", create("bob", "club", policy=policy))
    give = issue("bob", ("club@bob", "alice", 10))
    refused = town.refused("bob", give)
    assert (refused.code, refused.facts["rule"]) == (Code.POLICY_REFUSED, "admitted_only")
    town.do("bob", tx.SetListing("bob", "club@bob", "admitted", "alice", True))
    assert town.refused("bob", issue("bob", ("club@bob", "alice", 11))).facts["rule"] == "balance_max"
    town.do("bob", give)
    # Whoever holds may still leave when no longer admitted.
    town.do("bob", tx.SetListing("bob", "club@bob", "admitted", "alice", False))
    town.do("alice", transfer("alice", ("club@bob", "bob", 10)))


def test_a_policys_rules_change_after_their_delay_and_the_last_announcement_counts() -> None:
    town = Town()
    town.do("carol", tx.ChangePolicy("carol", GOLD, {"posting_max": "5"}))
    town.wait(3_600)
    town.do("carol", tx.ChangePolicy("carol", GOLD, {"posting_max": "7"}))
    town.wait(DAY - 3_600 + 1)
    town.do("alice", transfer("alice", (GOLD, "bob", 8)))
    town.wait(3_600)
    assert town.refused("alice", transfer("alice", (GOLD, "bob", 8))).code is Code.POLICY_REFUSED
    town.do("alice", transfer("alice", (GOLD, "bob", 7)))
    assert town.get("policy_change", GOLD) is None


def test_what_an_asset_did_not_declare_nobody_can_do_later() -> None:
    town = Town()
    town.do("bob", create("bob", "plain"))
    town.do("bob", issue("bob", ("plain@bob", "alice", 5)))
    assert (
        town.refused("bob", tx.ClawBack("bob", "plain@bob", "alice", "1", "mine")).code is Code.POWER_MISSING
    )
    assert (
        town.refused("bob", tx.SetListing("bob", "plain@bob", "frozen", "alice", True)).code
        is Code.POLICY_UNKNOWN
    )
    assert town.refused("bob", tx.ChangePolicy("bob", "plain@bob", {})).code is Code.POLICY_UNKNOWN
