"""A small economy on a ledger file: seeded keys, a virtual clock, and transactions that are good now.

with economy.create(path) as ledger:
    desk = Desk(ledger)
    desk.found()
    desk.do("alice", transfer("alice", ("eur@bank", "bob", 5)))
"""

import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tallystick.crypto import Signer, sha256
from tallystick.ledger import transactions as tx
from tallystick.ledger.genesis import Genesis, encode_genesis
from tallystick.ledger.records import Limits
from tallystick.log.note import Algorithm, SigningKey
from tallystick.node.ledger_file import LedgerFile, Outcome
from tallystick.protocol import VERSION
from tests.ledger.world import (
    OPERATOR,
    SECOND,
    START,
    call,
    create,
    deploy,
    hold,
    issue,
    key,
    open_account,
    signer,
    transfer,
    uuid7,
)

LOG_KEY = SigningKey(name="test.example/ledger", algorithm=Algorithm.ED25519, seed=sha256(b"log key"))
PEOPLE = ("alice", "bob", "carol", "dave")


class VirtualClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, time: int = START) -> None:
        self.time = time

    def __call__(self) -> int:
        return self.time


def genesis(**limits: int) -> bytes:
    return encode_genesis(
        Genesis(
            name="test",
            time=START,
            protocol=VERSION,
            opening="sponsor",
            operator=OPERATOR,
            operator_keys=(key(OPERATOR),),
            operator_threshold=1,
            log_key=LOG_KEY.verifier.vkey,
            limits=Limits(**limits),
        )
    )


def create_ledger(path: Path, *, limits: dict[str, int] | None = None, **options: Any) -> LedgerFile:
    options.setdefault("clock", VirtualClock())
    return LedgerFile.create(path, genesis(**(limits or {})), log_key=LOG_KEY, **options)


def open_ledger(path: Path, **options: Any) -> LedgerFile:
    options.setdefault("clock", VirtualClock())
    options.setdefault("log_key", LOG_KEY)
    return LedgerFile.open(path, **options)


class Desk:
    """Writes and signs transactions for anybody, and submits them."""

    def __init__(self, ledger: LedgerFile, *, number: int = 0) -> None:
        self.ledger = ledger
        self.number = number

    def envelope(
        self, sender: str, *actions: tx.Action, signers: Iterable[Signer] | None = None, **fields: Any
    ) -> bytes:
        """Return a signed transaction whose id and expiry are good at the ledger's time."""
        self.number += 1
        now = self.ledger.now()
        defaults = {
            "ledger": self.ledger.ledger_id,
            "id": uuid7(now, self.number),
            "expires": now + 300 * SECOND,
        }
        transaction = tx.Transaction(sender=sender, actions=actions, **(defaults | fields))
        if signers is None:
            names = dict.fromkeys([sender, *(action.account for action in actions)])
            signers = [signer(name) for name in names]
        payload = tx.encode_transaction(transaction)
        message = tx.signing_bytes(payload)
        return tx.encode_envelope(payload, {one.public_key: one.sign(message) for one in signers})

    def do(self, sender: str, *actions: tx.Action, **fields: Any) -> Outcome:
        """Submit one transaction, which must be accepted."""
        outcome = self.ledger.submit([self.envelope(sender, *actions, **fields)])[0]
        assert outcome.rejection is None, outcome.rejection
        return outcome

    def found(self) -> None:
        """Open the accounts, issue two assets and hold some units of each."""
        self.do(OPERATOR, *(open_account(OPERATOR, name) for name in ("bank", "vault", *PEOPLE)))
        for issuer, code in (("bank", "eur"), ("vault", "gold")):
            asset = f"{code}@{issuer}"
            self.do(issuer, create(issuer, code), issue(issuer, *((asset, name, 1000) for name in PEOPLE)))
        self.do(
            "alice",
            hold("alice", "bob", ("eur@bank", 70), expires=START + 1000 * SECOND, at_expiry="release"),
        )
        self.do(
            "bob", hold("bob", "carol", ("gold@vault", 5), expires=START + 50 * SECOND, at_expiry="capture")
        )

    def agree(self) -> None:
        """Deploy an escrow between alice and bob, and fund one of its two legs."""
        legs = [
            {"payer": payer, "receiver": receiver, "asset": asset, "units": 3}
            for payer, receiver, asset in (("alice", "bob", "eur@bank"), ("bob", "alice", "gold@vault"))
        ]
        self.do("carol", deploy("carol", "deal", "escrow", legs=legs, deadline=START + 5000 * SECOND))
        self.do("alice", call("alice", "deal", "fund", leg=0, spend=[("eur@bank", 3)]))

    def trade(self, count: int, *, seed: int = 0, batch: int = 7) -> list[Outcome]:
        """Submit seeded payments, some of which are refused for want of balance."""
        choose = random.Random(seed)
        outcomes: list[Outcome] = []
        while len(outcomes) < count:
            envelopes = []
            for _ in range(min(batch, count - len(outcomes))):
                payer, payee = choose.sample(PEOPLE, 2)
                asset = choose.choice(("eur@bank", "gold@vault"))
                envelopes.append(
                    self.envelope(payer, transfer(payer, (asset, payee, choose.randint(1, 400))))
                )
            outcomes += self.ledger.submit(envelopes)
        return outcomes


def dump(path: Path, table: str, order: str) -> list[tuple[Any, ...]]:
    """Return a table's rows as they are in the file."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
    finally:
        connection.close()


def tamper(path: Path, statement: str, *parameters: Any) -> None:
    """Change the file behind the ledger's back; exactly one row must be hit."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            assert connection.execute(statement, parameters).rowcount == 1
    finally:
        connection.close()


def flip(data: bytes, at: int) -> bytes:
    """Return `data` with one bit of one byte changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
