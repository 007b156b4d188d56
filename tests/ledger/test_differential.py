"""The ledger and a naive one beside it: the same verdicts, the same balances, whatever is tried."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tallystick.ledger import transactions as tx
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Terms
from tests.ledger import world as actions
from tests.ledger.naive_ledger import LIMIT, NaiveLedger, Operation
from tests.ledger.world import DAY, OPERATOR, SECOND, World, key

PARTIES = ["alice", "bob", "carol", "bank"]
EUR, COIN = "eur@bank", "coin@carol"
KINDS = ["open", "issue", "transfer", "hold", "capture", "release", "redeem", "cancel", "settle", "claw_back"]

names = st.sampled_from([*PARTIES, "dora", "emil", "ghost"])
assets = st.sampled_from([EUR, COIN, "ghost@bank"])
amounts = st.sampled_from([0, -1, 1, 40, 101, LIMIT - 1, LIMIT])


def to_action(operation: Operation) -> tx.Action:
    """Return the action that is meant by an operation of the naive ledger."""
    kind, account, *details = operation
    match kind:
        case "open":
            return actions.open_account(account, *details)
        case "issue" | "transfer":
            return getattr(actions, kind)(account, *details[0])
        case "hold":
            beneficiary, promised, expires, at_expiry = details
            return actions.hold(account, beneficiary, *promised, expires=expires, at_expiry=at_expiry)
        case "capture":
            return actions.capture(account, details[0], *details[1], final=details[2])
        case "release":
            return tx.Release(account, details[0])
        case "redeem":
            return tx.Redeem(account, details[0], str(details[1]))
        case "cancel":
            return tx.CancelRedemption(account, details[0])
        case "settle":
            return tx.SettleRedemption(account, details[0], evidence="wire")
        case "claw_back":
            return tx.ClawBack(account, details[0], details[1], str(details[2]), "order")
    raise AssertionError(kind)


class Differential(RuleBasedStateMachine):
    """Runs the same transactions on both ledgers."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(check_signatures=False)
        self.naive = NaiveLedger(operator=OPERATOR)
        self.world.open(*PARTIES)
        self.naive.accounts.update(PARTIES)
        self.world.do("bank", tx.FoundInstitution("bank", "bank-inc"))
        claim = {"kind": "claim", "obligor": "bank-inc", "terms": Terms(owes="EUR")}
        self.world.do("bank", actions.create("bank", "eur", **claim))
        self.world.do("carol", actions.create("carol", "coin", claw_back_by="bob"))
        self.naive.assets[EUR] = {"issuer": "bank", "claim": True, "claw_back_by": ""}
        self.naive.assets[COIN] = {"issuer": "carol", "claim": False, "claw_back_by": "bob"}
        self.submit([("issue", "bank", [(EUR, "alice", 100), (EUR, "bob", 50)])], set(PARTIES))
        self.submit([("issue", "carol", [(COIN, "alice", 100), (COIN, "bank", 50)])], set(PARTIES))

    def submit(self, operations: list[Operation], signed: set[str]) -> None:
        world = self.world
        sender = operations[0][1] if operations[0][1] in signed & self.naive.accounts else OPERATOR
        transaction = world.transaction(sender, map(to_action, operations))
        keys = {key(name): b"" for name in signed | {sender}}
        self.naive.tick(world.time)
        outcome = world.run(tx.encode_envelope(tx.encode_transaction(transaction), keys))[0]
        entry = world.index - isinstance(outcome, Receipt)
        accepted = self.naive.run(operations, signed=signed | {sender}, entry=entry)
        assert isinstance(outcome, Receipt) == accepted, (operations, outcome)

    @rule(data=st.data())
    def transact(self, data: st.DataObject) -> None:
        """Run one to three operations in one transaction, sometimes with a signature missing."""
        operations = [self.draw(data) for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 3])))]
        everyone = {operation[1] for operation in operations} | set(PARTIES)
        missing = data.draw(st.sampled_from([*[None] * 20, *PARTIES]))
        self.submit(operations, everyone - {missing})

    @rule(seconds=st.sampled_from([1, 60, 3_600, DAY]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)
        self.naive.tick(self.world.time)

    def draw(self, data: st.DataObject) -> Operation:
        """Return an operation; each part of it fits the state eleven times in twelve."""

        def pick(likely: list[Any], anything: st.SearchStrategy[Any]) -> Any:
            fits = bool(likely) and data.draw(st.sampled_from([True] * 11 + [False]))
            return data.draw(st.sampled_from(likely) if fits else anything)

        def several(part: Callable[[], Any]) -> list[Any]:
            return [part() for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 2, 3, 0])))]

        def amount() -> int:
            return pick([1, 2, 5, 10, 20, 30, 50, 70, 100], amounts)  # type: ignore[no-any-return]

        naive = self.naive
        rich = sorted(pair for pair, units in naive.owned.items() if units > 0)
        owner, owned = pick(rich, st.tuples(names, assets))
        others = [name for name in PARTIES if name != owner]
        kinds = ["issue", "transfer", "hold", "redeem", "claw_back", "open"]
        kinds += ["capture", "release"] * (2 if naive.holds else 0) + ["cancel", "settle"] * (
            2 if naive.lots else 0
        )
        kind = pick(kinds, st.sampled_from(KINDS))
        match kind:
            case "open":
                return kind, pick(PARTIES, names), pick(["dora", "emil"], names)
            case "issue":
                issuer = pick([owned.partition("@")[2]], names)
                return kind, issuer, several(lambda: (owned, pick(["alice", "bob"], names), amount()))
            case "transfer":
                return kind, owner, several(lambda: (pick([owned], assets), pick(others, names), amount()))
            case "hold":
                expires = self.world.time + pick([1, 60, 3_600, DAY], st.just(0)) * SECOND
                promised = several(lambda: (pick([owned], assets), amount()))
                promised = list(dict(promised).items()) if data.draw(st.booleans()) else promised
                at_expiry = data.draw(st.sampled_from(["release", "capture"]))
                return kind, owner, pick(others, names), promised, expires, at_expiry
            case "capture" | "release":
                hold = pick(sorted(naive.holds), st.just("ghost"))
                found = naive.holds.get(hold, {"beneficiary": "bob", "legs": {EUR: 1}})
                account = pick([found["beneficiary"]], names)
                if kind == "release":
                    return kind, account, hold
                wanted = several(lambda: (pick(sorted(found["legs"]), assets), amount()))
                return kind, account, hold, pick([wanted[:1]], st.just(wanted)), data.draw(st.booleans())
            case "redeem":
                return kind, owner, pick([owned], assets), amount()
            case "cancel" | "settle":
                lot = pick(sorted(naive.lots), st.just("ghost"))
                holder = naive.lots.get(lot, {"holder": "alice"})["holder"]
                return kind, pick([holder if kind == "cancel" else "bank"], names), lot
            case _:
                return kind, pick(["bob"], names), pick([COIN], assets), pick([owner], names), amount()

    @invariant()
    def the_books_agree(self) -> None:
        naive = {pair: units for pair, units in self.naive.owned.items() if units}
        real = {name[1:]: units for name, units in self.world.store.values.items() if name[0] == "balance"}
        assert naive == real
        for account in self.naive.accounts:
            for asset in self.naive.assets:
                assert self.naive.held(account, asset) == self.world.held(account, asset)
        stored = {name[1] for name in self.world.store.values if name[0] in ("hold", "lot")}
        assert stored == self.naive.holds.keys() | self.naive.lots.keys()

    def teardown(self) -> None:
        assert self.world.replayed().state.values == self.world.store.values


def test_the_ledger_agrees_with_a_naive_one() -> None:
    run_state_machine_as_test(Differential)


@pytest.mark.slow
def test_the_ledger_agrees_with_a_naive_one_at_length() -> None:
    run_state_machine_as_test(Differential)
