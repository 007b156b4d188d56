"""Ledger files for benchmarks: accounts opened, an asset issued, all by transactions that replay."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.world import TIME, account_name, seeded_signer
from tallystick.crypto import Signer
from tallystick.ledger.genesis import Genesis, encode_genesis
from tallystick.ledger.records import Limits
from tallystick.ledger.transactions import (
    Action,
    CreateAsset,
    Issue,
    OpenAccount,
    Transaction,
    Transfer,
    encode_envelope,
    encode_transaction,
    signing_bytes,
)
from tallystick.log.note import Algorithm, SigningKey
from tallystick.node.ledger_file import LedgerFile

ASSET = "coin@operator"
FUNDS_UNITS = 1_000_000
ACCOUNTS_A_TRANSACTION = 250
LEGS_A_TRANSACTION = 5_000


class LedgerWorld:
    """A ledger file with funded accounts. The first `signers` accounts have keys of their own; the rest have
    public keys whose private halves nobody knows.
    """

    def __init__(self, path: Path, *, accounts: int, signers: int) -> None:
        self.accounts = accounts
        self.signers = [seeded_signer(number + 1) for number in range(signers)]
        self._operator = seeded_signer(0)
        self._number = 0
        self.log_key = SigningKey(name="benchmark", algorithm=Algorithm.ED25519, seed=bytes(31) + b"\x07")
        genesis = Genesis(
            name="benchmark",
            time=TIME,
            protocol=1,
            opening="sponsor",
            operator="operator",
            operator_keys=(self._operator.public_key,),
            operator_threshold=1,
            log_key=self.log_key.verifier.vkey,
            limits=Limits(),
        )
        self.ledger = LedgerFile.create(
            path, genesis=encode_genesis(genesis), log_key=self.log_key, clock=lambda: TIME
        )
        for envelope in self._setup():
            self.submit([envelope])
        self.ledger.checkpoint()

    def submit(self, envelopes: Sequence[bytes]) -> None:
        """Submit as one batch; every transaction must be accepted."""
        for outcome in self.ledger.submit(envelopes):
            if outcome.rejection is not None:
                raise RuntimeError(f"a benchmark's transaction was refused: {outcome.rejection}")

    def _setup(self) -> Iterator[bytes]:
        keys = random.Random(4)
        for start in range(0, self.accounts, ACCOUNTS_A_TRANSACTION):
            opened = range(start, min(start + ACCOUNTS_A_TRANSACTION, self.accounts))
            yield self._operators(
                [
                    OpenAccount(
                        account="operator",
                        name=account_name(number),
                        keys=(
                            self.signers[number].public_key
                            if number < len(self.signers)
                            else keys.randbytes(32),
                        ),
                    )
                    for number in opened
                ]
            )
        yield self._operators([CreateAsset(account="operator", code="coin", kind="token")])
        for start in range(0, self.accounts, LEGS_A_TRANSACTION):
            funded = range(start, min(start + LEGS_A_TRANSACTION, self.accounts))
            legs = tuple((ASSET, account_name(number), str(FUNDS_UNITS)) for number in funded)
            yield self._operators([Issue(account="operator", legs=legs)])

    def _operators(self, actions: Sequence[Action]) -> bytes:
        return self._signed("operator", self._operator, actions)

    def _signed(self, sender: str, signer: Signer, actions: Sequence[Action]) -> bytes:
        self._number += 1
        stamp = f"{TIME // 1000:012x}7{self._number % 4096:03x}8{self._number // 4096:015x}"
        payload = encode_transaction(
            Transaction(
                ledger=self.ledger.ledger_id,
                id=f"{stamp[:8]}-{stamp[8:12]}-{stamp[12:16]}-{stamp[16:20]}-{stamp[20:]}",
                sender=sender,
                expires=TIME + 3_600_000_000,
                actions=tuple(actions),
            )
        )
        return encode_envelope(payload, {signer.public_key: signer.sign(signing_bytes(payload))})

    def transfers(self, count: int, *, seed: int, legs: int = 1) -> list[bytes]:
        """Return signed transfers of `legs` legs from the accounts with keys, in turn, to random others."""
        draw = random.Random(seed)
        envelopes = []
        for number in range(count):
            sender = number % len(self.signers)
            receivers = (draw.randrange(self.accounts - 1) for _ in range(legs))
            paid = tuple(
                (ASSET, account_name(receiver + (receiver >= sender)), str(draw.randint(1, 20)))
                for receiver in receivers
            )
            name = account_name(sender)
            envelopes.append(self._signed(name, self.signers[sender], [Transfer(account=name, legs=paid)]))
        return envelopes
