"""The world that the node's benchmarks run in: a real ledger file with funded accounts, and signed transfers.

Accounts are opened and funded through signed transactions, and the clock is the machine's, so that what is
timed afterwards is the node as it would run anywhere.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.limits import Triple
from benchmarks.world import account_name, seeded_signer
from tallystick.crypto import Signer, pae, sha256
from tallystick.ledger.genesis import Genesis, encode_genesis
from tallystick.ledger.records import Limits
from tallystick.ledger.transactions import (
    PAYLOAD_TYPE,
    Action,
    CreateAsset,
    Issue,
    OpenAccount,
    Transaction,
    Transfer,
    decode_envelope,
    encode_envelope,
    encode_transaction,
    signing_bytes,
)
from tallystick.log.note import Algorithm, SigningKey
from tallystick.node.config import Config
from tallystick.node.ledger_file import wall_clock
from tallystick.node.staged import StagedLedger
from tallystick.protocol import VERSION

ASSET = "eur@bank"
OPENING_UNITS = 1_000_000_000
_KEYS = 100
LOG_KEY = SigningKey(name="benchmark.example", algorithm=Algorithm.ED25519, seed=sha256(b"benchmark log key"))


class ServiceWorld:
    """A ledger file with `accounts` funded accounts, which share 100 keys."""

    def __init__(self, path: Path, *, accounts: int) -> None:
        self.path = path
        self.accounts = accounts
        self._signers = [seeded_signer(number + 1) for number in range(_KEYS)]
        self._bank = seeded_signer(0)
        self._number = 0
        genesis = Genesis(
            name="benchmark",
            time=wall_clock(),
            protocol=VERSION,
            opening="sponsor",
            operator="bank",
            operator_keys=(self._bank.public_key,),
            operator_threshold=1,
            log_key=LOG_KEY.verifier.vkey,
            limits=Limits(),
        )
        with StagedLedger.create(path, encode_genesis(genesis), log_key=LOG_KEY) as ledger:
            self.ledger_id = ledger.ledger_id
            self._found(ledger)

    def _found(self, ledger: StagedLedger) -> None:
        actions: list[Action] = [
            OpenAccount(account="bank", name=account_name(number), keys=(self._signer(number).public_key,))
            for number in range(self.accounts)
        ]
        actions.append(CreateAsset(account="bank", code="eur", kind="token"))
        groups = [actions[start : start + 250] for start in range(0, len(actions), 250)]
        for start in range(0, self.accounts, 5_000):
            numbers = range(start, min(start + 5_000, self.accounts))
            legs = tuple((ASSET, account_name(number), str(OPENING_UNITS)) for number in numbers)
            groups.append([Issue(account="bank", legs=legs)])
        for group in groups:
            envelope = self._envelope("bank", self._bank, tuple(group))
            outcome = ledger.submit([envelope])[0]
            if outcome.rejection is not None:
                raise outcome.rejection

    def open(self) -> StagedLedger:
        """Open the ledger file for a service, which takes snapshots as often as a node does."""
        return StagedLedger.open(self.path, log_key=LOG_KEY, snapshot_entries=Config().snapshot_entries)

    def transfers(self, count: int, *, seed: int, sender: int | None = None) -> list[bytes]:
        """Return signed one-leg transfers between random accounts, or from one account to random others."""
        draw = random.Random(seed)
        envelopes = []
        for _ in range(count):
            payer, payee = draw.sample(range(self.accounts), 2)
            if sender is not None:
                payer, payee = sender, payee if payee != sender else payer
            leg = (ASSET, account_name(payee), str(draw.randint(1, 100)))
            action = Transfer(account=account_name(payer), legs=(leg,))
            envelopes.append(self._envelope(account_name(payer), self._signer(payer), (action,)))
        return envelopes

    def _signer(self, number: int) -> Signer:
        return self._signers[number % _KEYS]

    def _envelope(self, sender: str, signer: Signer, actions: tuple[Action, ...]) -> bytes:
        self._number += 1
        now = wall_clock()
        stamp = f"{now // 1000:012x}7{self._number % 4096:03x}8{self._number // 4096:015x}"
        payload = encode_transaction(
            Transaction(
                ledger=self.ledger_id,
                id=f"{stamp[:8]}-{stamp[8:12]}-{stamp[12:16]}-{stamp[16:20]}-{stamp[20:]}",
                sender=sender,
                expires=now + 3_600_000_000,
                actions=actions,
            )
        )
        return encode_envelope(payload, {signer.public_key: signer.sign(signing_bytes(payload))})


@contextmanager
def service_world(*, accounts: int) -> Iterator[ServiceWorld]:
    """A world in a temporary directory."""
    with TemporaryDirectory(prefix="tallystick-benchmark-") as directory:
        yield ServiceWorld(Path(directory, "benchmark.tally"), accounts=accounts)


def signed_triples(envelopes: Sequence[bytes]) -> list[Triple]:
    """Return what a bare verification of these envelopes would work on."""
    triples = []
    for data in envelopes:
        envelope = decode_envelope(data)
        message = pae(PAYLOAD_TYPE, envelope.payload)
        triples += [(one.keyid, message, one.sig) for one in envelope.signatures]
    return triples
