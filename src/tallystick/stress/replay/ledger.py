"""A ledger in memory for a replay: every account has a key derived from its name, and everything is signed.

    ledger = SimulatedLedger("svb", start=date(2023, 2, 24))
    ledger.open("svb", "depositors")
    ledger.do("svb", Issue(...), also=["depositors"])      one transaction, one batch, through `apply`

The same entrance as everywhere: envelopes are signed, authenticated and applied, so a case can also be
written to a file and verified as any ledger is. The rule that must hold: **its keys are public**, for they
derive from names, and the ledger's name says so.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from tallystick.crypto import Signer, sha256
from tallystick.institutions.books import Books
from tallystick.ledger import transactions as tx
from tallystick.ledger.amounts import MICROSECONDS
from tallystick.ledger.apply import apply, begin_batch
from tallystick.ledger.contract import Contract, encode_wire
from tallystick.ledger.genesis import Genesis, encode_genesis, genesis_writes, ledger_id
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Clock, Limits
from tallystick.ledger.store import Store
from tallystick.log.note import Algorithm, SigningKey
from tallystick.protocol import KINDS, VERSION

OPERATOR = "operator"
VALID_SECONDS = 300


def noon(day: date) -> int:
    """Return noon UTC of a day in microseconds."""
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * MICROSECONDS


def deploying(
    account: str, name: str, code: Contract, parameters: Mapping[str, Any], *, obligor: str = ""
) -> tx.Deploy:
    """Return the action that deploys a contract with these parameters."""
    given = msgspec.convert(parameters, code.Parameters)
    return tx.Deploy(
        account=account,
        contract=name,
        kind=code.kind,
        version=code.version,
        parameters=msgspec.Raw(encode_wire(given, code.Parameters)),
        obligor=obligor,
    )


def calling(
    account: str,
    contract: str,
    code: Contract,
    method: str,
    *,
    spend: tuple[tuple[str, str], ...] = (),
    **arguments: Any,
) -> tx.Call:
    """Return the action that calls a contract's method with these arguments."""
    shape = code.methods[method].arguments
    raw = msgspec.Raw(encode_wire(msgspec.convert(arguments, shape), shape))
    return tx.Call(account=account, contract=contract, method=method, arguments=raw, spend=spend)


class SimulatedLedger:
    """A ledger whose accounts all sign at once. `batches` is its whole history, as (time, envelope)."""

    def __init__(self, name: str, *, start: date) -> None:
        self.name = name
        self.time = noon(start) - 43_200 * MICROSECONDS
        self.state = Store()
        self.batches: list[tuple[int, bytes]] = []
        self.receipts: list[Receipt] = []
        """What every entry did, timers' included, in the order of the log."""
        self._signers: dict[str, Signer] = {}
        self._index = 1
        self._made = 0
        self.log_key = SigningKey(
            name=f"tallystick.demo/replay-{name}",
            algorithm=Algorithm.ED25519,
            seed=sha256(f"tallystick replay {name} log key".encode()),
        )
        self.genesis = encode_genesis(
            Genesis(
                name=f"Replay of {name}: every key is public",
                time=self.time,
                protocol=VERSION,
                opening="sponsor",
                operator=OPERATOR,
                operator_keys=(self._signer(OPERATOR).public_key,),
                operator_threshold=1,
                log_key=self.log_key.verifier.vkey,
                limits=Limits(),
            )
        )
        self.id = ledger_id(self.genesis)
        self.state.write(genesis_writes(self.genesis))
        self._books: Books | None = None

    def seed_of(self, account: str) -> bytes:
        """Return an account's secret key; it is no secret."""
        return sha256(f"tallystick replay {self.name} {account}".encode())

    def _signer(self, account: str) -> Signer:
        if account not in self._signers:
            self._signers[account] = Signer(self.seed_of(account))
        return self._signers[account]

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account that has a key here, sorted."""
        return tuple(sorted(self._signers))

    def advance_to(self, time: int) -> None:
        """Let the next batch be no earlier than `time`."""
        self.time = max(self.time, time)

    def books(self) -> Books:
        """Return the state with its indexes, as institutions' questions need them."""
        if self._books is None:
            self._books = Books(self.state, KINDS)
        return self._books

    def has(self, account: str) -> bool:
        """Tell whether the account exists."""
        return self.state.get(("account", account)) is not None

    def units(self, account: str, asset: str) -> int:
        """Return a balance in minor units."""
        found: int = self.state.get(("balance", account, asset)) or 0
        return found

    def open(self, *names: str) -> None:
        """Open the accounts that do not exist yet."""
        for name in names:
            if not self.has(name):
                key = self._signer(name).public_key
                self.do(OPERATOR, tx.OpenAccount(account=OPERATOR, name=name, keys=(key,)))

    def do(self, sender: str, *actions: tx.Action, also: Iterable[str] = ()) -> Receipt:
        """Sign a transaction by all whom it needs, apply it in a batch of its own, and return its receipt.

        Raises its `Rejection`: a case whose own transaction is refused is a case that is wrong.
        """
        self.time += MICROSECONDS
        payload = tx.encode_transaction(self._unsigned(sender, actions))
        names = {sender, *also, *(action.account for action in actions)}
        signers = [self._signer(name) for name in sorted(names)]
        signatures = {one.public_key: one.sign(tx.signing_bytes(payload)) for one in signers}
        return self._apply(tx.encode_envelope(payload, signatures))

    def _unsigned(self, sender: str, actions: Iterable[tx.Action]) -> tx.Transaction:
        return tx.Transaction(
            ledger=self.id,
            id=self._next_id(),
            sender=sender,
            expires=self.time + VALID_SECONDS * MICROSECONDS,
            actions=tuple(actions),
        )

    def _next_id(self) -> str:
        """Return a UUIDv7 of the ledger's own time (RFC 9562 section 5.7), the same in every run."""
        self._made += 1
        digits = f"{self.time // 1000:012x}7{self._made >> 62 & 0xFFF:03x}{1 << 63 | self._made:016x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _apply(self, envelope: bytes) -> Receipt:
        clock: Clock = self.state.values[("clock",)]
        overlay, batch, timers = begin_batch(
            self.state, KINDS, height=clock.height + 1, time=self.time, index=self._index
        )
        receipt = apply(overlay, tx.authenticate(envelope), batch)
        self.receipts += [receipt] if timers is None else [timers, receipt]
        self._index = batch.index
        self.state.write(overlay.writes)
        if self._books is not None:
            self._books.follow(overlay.writes, state=self.state)
        self.batches.append((self.time, envelope))
        return receipt

    def result_of(self, receipt: Receipt) -> Any:
        """Return what the last action of a transaction made."""
        return receipt.results[-1]
