"""Anything is tried, valid and invalid alike, and every invariant holds after each step.

The town's accounts send every kind of action with fields that fit the state more often than not; puppets play
random scripts; time passes. After each batch the world checks the numbered invariants, that refusals left
no trace, and that receipts give the same balances. Here it is checked besides, by ways of their own, that
no account lost more than its actions allowed, that quotas count what is open, that no obligation or lost
index stays behind, and at the end that the history replays from genesis to the same state.
"""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tallystick.ledger import transactions as tx
from tallystick.ledger.receipts import Receipt, decode_receipt
from tallystick.ledger.records import Cap, Hold, Lot, PolicySpec, Terms
from tallystick.ledger.rejections import Rejection
from tests.ledger import world as actions
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, GOLD, Town, grant, play
from tests.ledger.world import DAY, OPERATOR, SECOND, indexes_agree, key

PARTIES = ["alice", "bob", "carol", "bank", "agent"]
PUPPETS = ["p", "q"]
ASSETS = [EUR, GOLD, "note@bank", "part@p"]
ROTATIONS = 3

parties = st.sampled_from(PARTIES)
names = st.sampled_from([*PARTIES, *PUPPETS, "dora", OPERATOR, "p/parked", "ghost"])
assets = st.sampled_from([*ASSETS, "ghost@bank"])
small = st.sampled_from([1, 2, 5, 10])
amounts = st.sampled_from([50, 100, 0, -1, 2**128 - 1, 2**128])
mandates = st.sampled_from([None] * 9 + ["m1", "m2", "m3"])
flags = st.booleans()


def steps(depth: int) -> st.SearchStrategy[tuple[Step, ...]]:
    """Return scripts whose calls nest so deep."""
    harmless = [
        "take",
        "take",
        "pay",
        "put",
        "scan",
        "emit",
        "balance",
        "timer",
        "subaccount",
        "create",
        "mint",
    ]
    leaf = st.builds(
        Step,
        do=st.sampled_from(
            harmless * 2 + ["burn", "owe", "clear", "create_claim", "refuse", "fault", "attempt_badly"]
        ),
        to=st.sampled_from(["alice", "bob", "bob", "q", "p/parked"]),
        asset=st.sampled_from([EUR, EUR, EUR, GOLD, "part@p"]),
        units=small | small | amounts,
        name=st.sampled_from(["", "", "7", "part", "parked", "p/parked"]),
        caught=st.sampled_from([False, False, True]),
    )
    if depth == 0:
        return st.lists(leaf, max_size=3).map(tuple)
    nested = st.builds(
        Step,
        do=st.sampled_from(["call", "attempt", "view"]),
        to=st.sampled_from(["p", "q", "q", "q"]),
        asset=st.just(EUR),
        units=small,
        steps=steps(depth - 1),
        caught=st.sampled_from([False, False, True]),
    )
    return st.lists(leaf | nested, max_size=3).map(tuple)


SCRIPTS = steps(2)


class Anything(RuleBasedStateMachine):
    """A town in which anybody tries anything."""

    def __init__(self) -> None:
        super().__init__()
        self.town = Town(versions=(1, 2))
        self.town.check_signatures = False
        claim = {"kind": "claim", "obligor": "bank-inc", "terms": Terms(owes=GOLD, notice_seconds=60)}
        self.town.do("bank", actions.create("bank", "note", claw_back_by="carol", **claim))
        self.town.do("bank", actions.issue("bank", ("note@bank", "bob", 50)))
        self.seen: Counter[str] = Counter()

    @rule(data=st.data())
    def transact(self, data: st.DataObject) -> None:
        """Run up to three actions in one transaction, with all keys or with some left out."""
        chosen = [self.draw(data) for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 3])))]
        more: dict[str, Any] = {}
        if data.draw(st.sampled_from([False] * 9 + [True])):
            more["limits"] = (tx.NetLimit(data.draw(names), data.draw(assets), "-20"),)
        if data.draw(st.sampled_from([False] * 9 + [True])):
            more["once"] = data.draw(st.sampled_from(["once 1", "once 2"]))
        sender = data.draw(st.sampled_from([chosen[0].account] * 9 + ["bob"]))
        payload = tx.encode_transaction(self.town.transaction(sender, chosen, **more))
        left_out = data.draw(st.sampled_from([None] * 9 + PARTIES))
        signers = {
            key(name, number): b""
            for name in [*PARTIES, "dora", OPERATOR]
            for number in range(ROTATIONS)
            if name != left_out
        }
        allowed = self.allowed(chosen)
        spent = self.spent(chosen[0])
        outcome = self.town.run(tx.encode_envelope(payload, signers))[0]
        for action in chosen:
            self.seen[f"{type(action).__name__} {'done' if isinstance(outcome, Receipt) else 'refused'}"] += 1
        if isinstance(outcome, Receipt):
            self.check_outflows(outcome, allowed)
            if len(chosen) == 1 and getattr(chosen[0], "mandate", None) is not None:
                self.check_charged(outcome, self.spent(chosen[0]) - spent)
        else:
            assert isinstance(outcome, Rejection)

    @rule(seconds=st.sampled_from([1, 30, 3_600, DAY, 3 * DAY]))
    def wait(self, seconds: int) -> None:
        """Let time pass: only holds that declared a capture take anything from anybody."""
        until = self.town.time + seconds * SECOND
        allowed: Counter[tuple[str, str]] = Counter()
        for name, hold in self.town.store.values.items():
            if name[0] == "hold" and hold.at_expiry == "capture" and hold.expires <= until:
                allowed.update({(hold.owner, asset): units for asset, units in hold.legs})
        receipt = self.town.wait(seconds)
        if receipt is not None:
            self.check_outflows(receipt, allowed)

    def allowed(self, chosen: list[tx.Action]) -> Counter[tuple[str, str]]:
        """Return what the actions may take from each account at most, read off the actions alone."""
        most: Counter[tuple[str, str]] = Counter()
        for action in chosen:
            match action:
                case tx.Transfer():
                    for asset, _, units in action.legs:
                        most[action.account, asset] += int(units)
                case tx.Call():
                    for asset, units in action.spend:
                        most[action.account, asset] += int(units)
                case tx.Capture():
                    hold: Hold | None = self.town.get("hold", action.hold)
                    for asset, units in hold.legs if hold else ():
                        most[hold.owner, asset] += units  # type: ignore[union-attr]
                case tx.ClawBack():
                    most[action.source, action.asset] += int(action.units)
                case tx.SettleRedemption():
                    lot: Lot | None = self.town.get("lot", action.lot)
                    if lot is not None:
                        most[lot.holder, lot.asset] += lot.units
                        terms = self.town.get("asset", lot.asset).terms
                        most[action.account, terms.owes] += lot.units * terms.pays // terms.per
        return most

    def check_outflows(self, receipt: Receipt, allowed: Counter[tuple[str, str]]) -> None:
        """Check invariant 4 on a receipt: gross, for each party, in every asset that it does not issue."""
        lost: Counter[tuple[str, str]] = Counter()
        for account, asset, change, _ in receipt.postings:
            if change < 0 and self.town.get("account", account).keys and not asset.endswith(f"@{account}"):
                lost[account, asset] -= change
        for pair, units in lost.items():
            assert units <= allowed[pair], f"{pair} lost {units}, {allowed[pair]} was allowed"

    def spent(self, action: tx.Action) -> int:
        """Return what the action's mandate, if it has one, was charged in EUR in the period that runs."""
        mandate = self.town.get("mandate", action.account, getattr(action, "mandate", None))
        spent = self.town.get("spent", action.account, getattr(action, "mandate", None), EUR)
        if mandate is None or spent is None:
            return 0
        period = (self.town.time - mandate.granted) // (DAY * SECOND)
        return int(spent.units) if spent.period == period else 0

    def check_charged(self, receipt: Receipt, charged: int) -> None:
        """Check that what reached others under alice's mandate, from wherever, was charged to it."""
        reached = sum(
            change
            for account, asset, change, _ in receipt.postings
            if change > 0 and asset == EUR and account != "alice" and self.town.get("account", account).keys
        )
        assert reached <= charged, f"{reached} EUR reached others, {charged} were charged"

    def draw(self, data: st.DataObject) -> tx.Action:
        """Return an action, of any kind, whose parts each fit the state most of the time."""

        def pick(likely: list[Any], anything: st.SearchStrategy[Any]) -> Any:
            fits = bool(likely) and data.draw(st.sampled_from([True] * 24 + [False]))
            return data.draw(st.sampled_from(likely) if fits else anything)

        def open_under(table: str) -> list[str]:
            return sorted(name[1] for name in self.town.store.values if name[0] == table)

        town, draw = self.town, data.draw
        rich = sorted(
            name[1:]
            for name, units in town.store.values.items()
            if name[0] == "balance" and units > 0 and name[1] in PARTIES
        )
        owner, owned = pick(rich, st.tuples(names, assets))
        units = pick([1, 2, 5, 10, 20], amounts)
        promised = (pick([owned], assets), units)
        later = town.time + pick([1, 60, DAY, 3 * DAY], st.sampled_from([0, 10**10])) * SECOND
        rotated = (key(draw(parties), draw(st.integers(0, ROTATIONS - 1))),)
        institution = pick(["bank-inc"], st.sampled_from(["bob-inc", "ghost-inc"]))
        kinds = [kind for kind in KINDS if kind not in NEEDS or open_under(NEEDS[kind])]
        kinds += [kind for kind in NEEDS if open_under(NEEDS[kind])]
        match pick(kinds, st.sampled_from(KINDS)):
            case tx.OpenAccount:
                return actions.open_account(pick(PARTIES, names), pick(["dora"], names))
            case tx.RotateKeys:
                return tx.RotateKeys(pick(PARTIES, names), rotated, pick([1], st.just(2)), draw(flags))
            case tx.SetGuardians:
                guardians = pick([("bob",), ("bob", "carol"), ()], st.lists(names, max_size=2).map(tuple))
                return tx.SetGuardians(pick(PARTIES, names), guardians, pick([60, DAY], st.just(0)))
            case tx.Recover:
                guarded = sorted(name for name in PARTIES if town.get("account", name).guardians)
                subject = pick(guarded, names)
                found = town.get("account", subject)
                guardians = found.guardians.accounts if found and found.guardians else ("bob",)
                return tx.Recover("bob", subject, pick([guardians], st.just(("carol",))), rotated)
            case tx.VetoRecovery:
                return tx.VetoRecovery(pick(open_under("recovery"), names))
            case tx.GrantMandate:
                caps = (Cap(EUR, "30", "20", DAY),)
                more = {"expires": later, "caps": caps, "recipients": draw(st.sampled_from([None, ("bob",)]))}
                methods = (("p", ("run",)),)
                return grant(
                    town,
                    draw(st.sampled_from(["m1", "m2", "m3"])),
                    mandate=draw(mandates),
                    contracts=methods,
                    **more,
                )
            case tx.RevokeMandate:
                granted = sorted(name[2] for name in town.store.values if name[0] == "mandate")
                return tx.RevokeMandate("alice", pick(granted, st.just("m1")), draw(mandates))
            case tx.FoundInstitution:
                return tx.FoundInstitution(
                    pick(["bob", "carol"], names), pick(["bob-inc"], names), ("dealer",)
                )
            case tx.JoinInstitution:
                return tx.JoinInstitution(pick(PARTIES, names), institution)
            case tx.DeclareInstitution:
                return tx.DeclareInstitution(pick(["bank"], names), institution, ("bank", "dealer"))
            case tx.CreateAsset:
                policy = PolicySpec("controlled", {"balance_max": "60"}, lists_by="bob", rules_by="bob")
                return actions.create(
                    pick(["alice", "bob"], names),
                    draw(st.sampled_from(["x", "y"])),
                    policy=draw(st.sampled_from([None, policy])),
                    claw_back_by=draw(st.sampled_from(["", "bob"])),
                )
            case tx.Issue:
                asset = pick([EUR, GOLD, "note@bank"], assets)
                return actions.issue(
                    pick([asset.partition("@")[2]], names), (asset, pick(PARTIES, names), units)
                )
            case tx.Transfer:
                legs = [
                    (owned, pick([*PARTIES, *PUPPETS], names), units),
                    (owned, pick(PARTIES, names), 1),
                ]
                return actions.transfer(owner, *legs[: draw(st.sampled_from([1, 2]))], mandate=draw(mandates))
            case tx.ClawBack:
                ending = tuple(
                    pick(open_under(table), st.just("0.0"))
                    for table in draw(st.sampled_from([(), ("hold",)]))
                )
                return tx.ClawBack(
                    pick(["carol"], names), pick([owned], assets), owner, str(units), "order", ending
                )
            case tx.SetListing:
                listed = draw(flags)
                return tx.SetListing(
                    pick(["carol"], names), pick([GOLD], assets), "frozen", draw(names), listed
                )
            case tx.ChangePolicy:
                rules = {"posting_max": str(draw(st.sampled_from([10, 50, 100])))}
                return tx.ChangePolicy(pick(["carol"], names), pick([GOLD], assets), rules)
            case tx.Redeem:
                claims = [pair for pair in rich if pair[1] in (EUR, "note@bank")]
                holder, claim = pick(claims, st.tuples(names, assets))
                return tx.Redeem(holder, claim, str(units))
            case tx.CancelRedemption:
                lot = pick(open_under("lot"), st.just("0.0"))
                holder = town.get("lot", lot).holder if town.get("lot", lot) else "bob"
                return tx.CancelRedemption(pick([holder], names), lot)
            case tx.SettleRedemption:
                return tx.SettleRedemption(
                    pick(["bank"], names), pick(open_under("lot"), st.just("0.0")), "wire"
                )
            case tx.Hold:
                at_expiry = draw(st.sampled_from(["release", "capture"]))
                return actions.hold(
                    owner,
                    pick(PARTIES, names),
                    promised,
                    expires=later,
                    at_expiry=at_expiry,
                    mandate=draw(mandates),
                )
            case tx.Capture | tx.Release as kind:
                hold = pick(open_under("hold"), st.just("0.0"))
                beneficiary = town.get("hold", hold).beneficiary if town.get("hold", hold) else "bob"
                account = pick([beneficiary], names)
                if kind is tx.Release:
                    return tx.Release(account, hold)
                return actions.capture(account, hold, *([promised] if draw(flags) else []), final=draw(flags))
            case tx.Deploy:
                deployed = actions.deploy(pick(PARTIES, names), pick(["r", "s"], names), "puppet")
                return msgspec.structs.replace(deployed, obligor=draw(st.sampled_from(["", "bank-inc"])))
            case tx.Call:
                spend = pick([[(EUR, 50), (GOLD, 50)], []], st.just([promised])) if units > 0 else []
                method = pick(["run", "settle"], st.sampled_from(["look", "none"]))
                return play(
                    *draw(SCRIPTS),
                    contract=pick(PUPPETS, names),
                    method=method,
                    account=owner,
                    spend=spend,
                    mandate=draw(mandates),
                )
            case tx.RunTimer:
                return tx.RunTimer(draw(parties), pick(open_under("overdue"), st.just(1)))
            case tx.Activate:
                return tx.Activate(pick([OPERATOR], names), draw(st.sampled_from([2, 1, 3])), later)
        raise AssertionError("a kind of action without a strategy")

    @invariant()
    def quotas_count_what_is_open(self) -> None:
        values = self.town.store.values
        open_now: Counter[tuple[str, str]] = Counter()
        for name, value in values.items():
            if name[0] == "hold":
                open_now[value.owner, "holds"] += 1
            elif name[0] in ("timer", "overdue") and value.kind != "recovery":
                open_now[value.owner, "timers"] += 1
            elif name[0] == "mandate":
                open_now[name[1], "mandates"] += 1
        counted = {name[1:]: count for name, count in values.items() if name[0] == "quota"}
        assert {
            pair: count for pair, count in counted.items() if not pair[1].startswith("mandates from")
        } == open_now
        assert all(count > 0 for count in counted.values())

    @invariant()
    def the_indexes_are_those_of_the_values(self) -> None:
        assert indexes_agree(self.town.store)

    def teardown(self) -> None:
        assert self.town.replayed().state.values == self.town.store.values
        for entry in self.town.entries:
            decode_receipt(entry.receipt)


NEEDS = {
    tx.VetoRecovery: "recovery",
    tx.Capture: "hold",
    tx.Release: "hold",
    tx.CancelRedemption: "lot",
    tx.SettleRedemption: "lot",
    tx.RunTimer: "overdue",
}
"""Actions that make sense only while the table has a row."""
KINDS = [*tx.Action.__args__, tx.Transfer, tx.Hold, tx.Call, tx.Call, tx.Call]  # type: ignore[attr-defined]


def test_anything_is_tried_and_every_invariant_holds() -> None:
    run_state_machine_as_test(Anything)


@pytest.mark.slow
def test_anything_is_tried_at_length() -> None:
    run_state_machine_as_test(Anything)
