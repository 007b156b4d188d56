"""A small ledger for tests: seeded keys, batches, and every check that must hold behind each of them.

`World` is what a node is, less the disk: it encodes, signs, authenticates, opens batches, applies and
merges. After every batch it checks the invariants over the whole state, that refused transactions left
the batch untouched, and that the receipts alone give the same balances. `replayed` runs the history again.

    world = World()
    world.open("alice", "bob", "bank")
    world.do("bank", create("bank", "eur"), issue("bank", ("eur@bank", "alice", 100)))
    refused = world.refused("alice", transfer("alice", ("eur@bank", "bob", 101)))
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick.crypto import Signer, sha256
from tallystick.ledger import transactions as tx
from tallystick.ledger.apply import Kinds, apply, begin_batch
from tallystick.ledger.contract import to_wire
from tallystick.ledger.genesis import Genesis, encode_genesis, genesis_writes, ledger_id
from tallystick.ledger.invariants import check_state
from tallystick.ledger.receipts import Receipt, decode_receipt, encode_receipt
from tallystick.ledger.records import Limits
from tallystick.ledger.rejections import Code, Rejection
from tallystick.ledger.replay import Replay
from tallystick.ledger.store import Key, Overlay, Store, Value, scan
from tallystick.protocol import KINDS, VERSION

SECOND = 1_000_000
DAY = 86_400
START = 1_800_000_000 * SECOND
OPERATOR = "operator"


def signer(name: str, number: int = 0) -> Signer:
    """Return the test key of that name and number, the same in every run."""
    return Signer(sha256(f"test key {name} {number}".encode()))


def key(name: str, number: int = 0) -> bytes:
    """Return the public key of `signer(name, number)`."""
    return signer(name, number).public_key


def uuid7(time: int, number: int) -> str:
    """Return the UUIDv7 of a time in microseconds, its random bits taken from `number`."""
    stamp = f"{time // 1000:012x}"
    tail = f"{number:018x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{tail[:3]}-8{tail[3:6]}-{tail[6:]}"


# Actions, with amounts as numbers and arguments as keywords.


def transfer(account: str, *legs: tuple[str, str, int], **more: Any) -> tx.Transfer:
    return tx.Transfer(account=account, legs=_legs(legs), **more)


def issue(account: str, *legs: tuple[str, str, int]) -> tx.Issue:
    return tx.Issue(account=account, legs=_legs(legs))


def hold(account: str, beneficiary: str, *legs: tuple[str, int], expires: int, **more: Any) -> tx.Hold:
    fields = {"at_expiry": "release"} | more
    return tx.Hold(account=account, beneficiary=beneficiary, legs=_pairs(legs), expires=expires, **fields)


def capture(account: str, name: str, *legs: tuple[str, int], final: bool = False) -> tx.Capture:
    return tx.Capture(account=account, hold=name, legs=_pairs(legs), final=final)


def open_account(sponsor: str, name: str, number: int = 0) -> tx.OpenAccount:
    return tx.OpenAccount(account=sponsor, name=name, keys=(key(name, number),))


def create(account: str, code: str, **more: Any) -> tx.CreateAsset:
    return tx.CreateAsset(account=account, code=code, **({"kind": "token"} | more))


def deploy(account: str, contract: str, kind: str, *, version: int = 1, **parameters: Any) -> tx.Deploy:
    return tx.Deploy(
        account=account, contract=contract, kind=kind, version=version, parameters=wire(parameters)
    )


def call(
    account: str,
    contract: str,
    method: str,
    *,
    spend: Iterable[tuple[str, int]] = (),
    receive: Iterable[tuple[str, int]] = (),
    mandate: str | None = None,
    **arguments: Any,
) -> tx.Call:
    return tx.Call(
        account=account,
        contract=contract,
        method=method,
        arguments=wire(arguments),
        spend=_pairs(spend),
        receive=_pairs(receive),
        mandate=mandate,
    )


def wire(arguments: dict[str, Any]) -> msgspec.Raw:
    """Return the canonical wire form of arguments or parameters."""
    return msgspec.Raw(msgspec.json.encode(to_wire(arguments)))


def _legs(legs: Iterable[tuple[str, str, int]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((asset, to, str(units)) for asset, to, units in legs)


def _pairs(legs: Iterable[tuple[str, int]]) -> tuple[tuple[str, str], ...]:
    return tuple((asset, str(units)) for asset, units in legs)


@dataclass(frozen=True)
class Entry:
    """One entry of the history: a transaction, or a batch's timers when `envelope` is empty."""

    height: int
    time: int
    envelope: bytes
    receipt: bytes


class World:
    """A ledger in memory whose every batch is checked. `keys` maps an account to the signers it uses."""

    def __init__(
        self,
        *,
        kinds: Kinds = KINDS,
        opening: str = "sponsor",
        limits: Limits | None = None,
        check_signatures: bool = True,
    ) -> None:
        self.kinds = kinds
        self.genesis = encode_genesis(
            Genesis(
                name="test",
                time=START,
                protocol=VERSION,
                opening=opening,  # type: ignore[arg-type]
                operator=OPERATOR,
                operator_keys=(key(OPERATOR),),
                operator_threshold=1,
                log_key="test+00000000+AQ==",
                limits=limits or Limits(),
            )
        )
        self.ledger = ledger_id(self.genesis)
        self.store = Store()
        self.store.write(genesis_writes(self.genesis))
        self.keys: dict[str, list[Signer]] = {}
        self.time = START
        self.height = 0
        self.index = 1
        self.entries: list[Entry] = []
        self.check_signatures = check_signatures
        self._numbers = 0
        self._book: dict[tuple[str, str], int] = {}
        self.timer_receipt: Receipt | None = None
        """What the last batch's timers did."""

    # Transactions.

    def transaction(self, sender: str, actions: Iterable[tx.Action], **more: Any) -> tx.Transaction:
        """Return a transaction with an id and expiry that are good now, unless `more` says otherwise."""
        self._numbers += 1
        fields = {
            "ledger": self.ledger,
            "id": uuid7(self.time, self._numbers),
            "expires": self.time + 300 * SECOND,
        }
        return tx.Transaction(sender=sender, actions=tuple(actions), **(fields | more))

    def envelope(self, transaction: tx.Transaction, signers: Iterable[Signer] | None = None) -> bytes:
        """Return the transaction signed by `signers`, or by the keys of every account it names."""
        if signers is None:
            named = [transaction.sender]
            for action in transaction.actions:
                named.append(action.account)
                named += [action.name] if isinstance(action, tx.OpenAccount) else []
                named += action.guardians if isinstance(action, tx.Recover) else []
            signers = [one for name in dict.fromkeys(named) for one in self.signers_of(name)]
        payload = tx.encode_transaction(transaction)
        message = tx.signing_bytes(payload)
        return tx.encode_envelope(payload, {one.public_key: one.sign(message) for one in signers})

    def signers_of(self, name: str) -> list[Signer]:
        """Return the keys that an account signs with; contracts have none."""
        return [] if ("instance", name) in self.store.values else self.keys.get(name, [signer(name)])

    def uuid(self, number: int) -> str:
        """Return an id that is good now; the same number and time give the same id."""
        return uuid7(self.time, number)

    # Batches.

    def run(self, *envelopes: bytes, time: int | None = None) -> list[Receipt | Rejection]:
        """Run one batch at the world's time, check everything, and return each envelope's outcome.

        Like a node, it keeps nothing of a batch that has no entry.
        """
        now = self.time = self.time if time is None else time
        overlay, batch, timers = begin_batch(
            self.store, self.kinds, height=self.height + 1, time=now, index=self.index
        )
        outcomes: list[Receipt | Rejection] = []
        entries = [Entry(batch.height, now, b"", encode_receipt(timers))] if timers else []
        for data in envelopes:
            before = _snapshot(overlay)
            try:
                authentic = tx.authenticate(data, check_signatures=self.check_signatures)
                receipt = apply(overlay, authentic, batch)
            except Rejection as refused:
                outcomes.append(refused)
                untouched = _snapshot(overlay) == before
                assert untouched, f"{outcomes[-1]} left traces"
            else:
                outcomes.append(receipt)
                entries.append(Entry(batch.height, now, data, encode_receipt(receipt)))
        if entries:
            self.store.write(overlay.writes)
            self.height, self.index = batch.height, batch.index
            self.entries += entries
        self.timer_receipt = timers
        self._check(entries)
        _check_no_fault_of_ours(outcomes, timers)
        return outcomes

    def do(self, sender: str, *actions: tx.Action, **more: Any) -> Receipt:
        """Run one transaction in a batch of its own and return its receipt. Raises its `Rejection`."""
        signers = more.pop("signers", None)
        outcome = self.run(self.envelope(self.transaction(sender, actions, **more), signers))[0]
        if isinstance(outcome, Rejection):
            raise outcome
        return outcome

    def refused(self, sender: str, *actions: tx.Action, **more: Any) -> Rejection:
        """Run one transaction that must be refused, and return the rejection; the state is as it was."""
        before = dict(self.store.values)
        signers = more.pop("signers", None)
        outcome = self.run(self.envelope(self.transaction(sender, actions, **more), signers))[0]
        assert isinstance(outcome, Rejection), f"accepted: {outcome}"
        if self.timer_receipt is None:
            assert self.store.values == before
        return outcome

    def wait(self, seconds: int) -> Receipt | None:
        """Let time pass, run a batch without transactions, and return what its timers did."""
        self.run(time=self.time + seconds * SECOND)
        return self.timer_receipt

    # Conveniences.

    def open(self, *names: str) -> None:
        """Open accounts, sponsored by the operator."""
        self.do(OPERATOR, *(open_account(OPERATOR, name) for name in names))

    def mint(self, asset: str, **units: int) -> None:
        """Create the token `asset` (`code@issuer`) unless it exists, and issue it to each name.

        Names are keywords, so `bank_a` stands for `bank-a`.
        """
        code, _, issuer = asset.partition("@")
        if self.get("asset", asset) is None:
            self.do(issuer, create(issuer, code))
        if units:
            self.do(
                issuer, issue(issuer, *((asset, to.replace("_", "-"), many) for to, many in units.items()))
            )

    def get(self, *parts: Any) -> Value:
        """Return the value in the state at that key."""
        return self.store.get(parts)

    def balance(self, account: str, asset: str) -> int:
        return self.get("balance", account, asset) or 0

    def held(self, account: str, asset: str) -> int:
        return self.get("held", account, asset) or 0

    def replayed(self) -> Replay:
        """Return a replay of the whole history from genesis, every receipt compared on the way."""
        replay = Replay.from_genesis(self.genesis, self.kinds)
        for entry in self.entries:
            if entry.envelope:
                authentic = tx.authenticate(entry.envelope, check_signatures=self.check_signatures)
                replay.transaction(
                    height=entry.height, time=entry.time, authentic=authentic, receipt=entry.receipt
                )
            else:
                replay.timers(height=entry.height, time=entry.time, receipt=entry.receipt)
        replay.finish()
        return replay

    def _check(self, entries: list[Entry]) -> None:
        check_state(self.store.values)
        for entry in entries:
            for account, asset, change, balance in decode_receipt(entry.receipt).postings:
                before = self._book.get((account, asset), 0)
                assert before + int(change) == int(balance)
                self._book[account, asset] = int(balance)
        book = {pair: units for pair, units in self._book.items() if units}
        stored = {name[1:]: units for name, units in self.store.values.items() if name[0] == "balance"}
        assert book == stored


def _check_no_fault_of_ours(outcomes: list[Receipt | Rejection], timers: Receipt | None) -> None:
    """Check that nothing was refused because the ledger's own code failed: it goes on, but the tests stop."""
    for outcome in outcomes:
        if isinstance(outcome, Rejection) and outcome.code is Code.CONTRACT_FAULT:
            assert outcome.facts["contract"] != "ledger", outcome
    for _, name, fields in timers.events if timers else ():
        if name == "timer_failed" and fields["kind"] != "call":
            assert fields["code"] != Code.CONTRACT_FAULT.value, fields


def _snapshot(overlay: Overlay) -> tuple[Any, ...]:
    """Return a copy of everything that an overlay accumulated."""
    return (
        dict(overlay.writes),
        {namespace: list(scan(overlay, (namespace,))) for namespace in overlay.touched},
        list(overlay.postings),
        list(overlay.events),
        dict(overlay.obligations),
    )


def indexes_agree(store: Store) -> bool:
    """Tell whether a store's sorted indexes hold exactly the keys that it has."""
    rebuilt = Store()
    rebuilt.write(dict(store.values))

    def listed(one: Store) -> tuple[dict[str, list[Key]], dict[int, list[Key]]]:
        ordered = {
            space: [name for part in keys.chunks for name in part] for space, keys in one.ordered.items()
        }
        return (
            {space: names for space, names in ordered.items() if names},
            {slot: sorted(names) for slot, names in one.ids.items()},
        )

    return listed(store) == listed(rebuilt)
