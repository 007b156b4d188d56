"""The worlds that benchmarks run in: a state with many accounts, and streams of signed transfers.

States are written directly, because opening a million accounts through transactions would measure the
setup; everything that is timed goes through the ledger's own entrance.
"""

import random
from collections.abc import Iterable
from typing import cast

from tallystick.crypto import Signer
from tallystick.ledger.apply import Kinds, begin_batch
from tallystick.ledger.execution import BatchContext
from tallystick.ledger.genesis import Genesis, encode_genesis, genesis_writes, ledger_id
from tallystick.ledger.records import Account, Asset, Clock, Institution, Limits, Terms
from tallystick.ledger.store import Key, Overlay, Store, Value
from tallystick.ledger.transactions import (
    AuthenticTransaction,
    Leg,
    Transaction,
    Transfer,
    authenticate,
    encode_envelope,
    encode_transaction,
    signing_bytes,
)
from tallystick.protocol import KINDS

TIME = 1_800_000_000_000_000
"""Microseconds UTC of every benchmark's first batch."""
ASSET = "eur@bank"
OPENING_UNITS = 1_000_000_000


def seeded_signer(number: int) -> Signer:
    """Return the signer of that number: the same in every run."""
    return Signer(number.to_bytes(32, "big"))


def account_name(number: int) -> str:
    """Return the name of the account of that number."""
    return f"acct-{number:07d}"


class World:
    """A ledger's state in memory with `accounts` funded accounts, of which the first `signers` have keys of
    their own and the rest share one.
    """

    def __init__(self, *, accounts: int, signers: int) -> None:
        self.signers = [seeded_signer(number + 1) for number in range(signers)]
        operator = seeded_signer(0)
        genesis = Genesis(
            name="benchmark",
            time=TIME,
            protocol=1,
            opening="sponsor",
            operator="bank",
            operator_keys=(operator.public_key,),
            operator_threshold=1,
            log_key="benchmark+00000000+AQ==",
            limits=Limits(),
        )
        self.genesis = encode_genesis(genesis)
        self.ledger_id = ledger_id(self.genesis)
        self.store = Store()
        self.store.write(genesis_writes(self.genesis))
        self.store.write(dict(self._funded(accounts)))
        self._number = 0

    def _funded(self, accounts: int) -> Iterable[tuple[Key, Value]]:
        keys = [(signer.public_key,) for signer in self.signers]
        yield ("institution", "bank"), Institution("bank", "bank", ("bank",))
        yield ("member", "bank"), "bank"
        yield (
            ("asset", ASSET),
            Asset(
                id=ASSET,
                issuer="bank",
                kind="claim",
                decimals=2,
                unit="EUR",
                obligor="bank",
                terms=Terms("EUR"),
            ),
        )
        yield ("balance", "bank", ASSET), -accounts * OPENING_UNITS
        for number in range(accounts):
            name = account_name(number)
            yield ("account", name), Account(keys=keys[min(number, len(keys) - 1)], threshold=1)
            yield ("balance", name, ASSET), OPENING_UNITS

    def envelope(self, sender: int, legs: tuple[Leg, ...], *, time: int = TIME) -> bytes:
        """Return a signed transfer of one account."""
        self._number += 1
        stamp = f"{time // 1000:012x}7{self._number % 4096:03x}8{self._number // 4096:015x}"
        identifier = f"{stamp[:8]}-{stamp[8:12]}-{stamp[12:16]}-{stamp[16:20]}-{stamp[20:]}"
        name = account_name(sender)
        payload = encode_transaction(
            Transaction(
                ledger=self.ledger_id,
                id=identifier,
                sender=name,
                expires=time + 3_600_000_000,
                actions=(Transfer(account=name, legs=legs),),
            )
        )
        signer = self.signers[min(sender, len(self.signers) - 1)]
        return encode_envelope(payload, {signer.public_key: signer.sign(signing_bytes(payload))})

    def transfers(self, count: int, *, accounts: int, seed: int) -> list[bytes]:
        """Return one-leg transfers between random accounts."""
        draw = random.Random(seed)
        envelopes = []
        for _ in range(count):
            sender, receiver = draw.sample(range(accounts), 2)
            leg = (ASSET, account_name(receiver), str(draw.randint(1, 100)))
            envelopes.append(self.envelope(sender, (leg,)))
        return envelopes

    def begin(self, *, kinds: Kinds = KINDS, index: int = 1) -> tuple[Overlay, BatchContext]:
        """Open the next batch on the state."""
        clock = cast(Clock, self.store.get(("clock",)))
        overlay, batch, _ = begin_batch(
            self.store, kinds, height=clock.height + 1, time=clock.time, index=index
        )
        return overlay, batch


def decoded(envelopes: Iterable[bytes]) -> list[AuthenticTransaction]:
    """Return the transactions, as after their signatures were verified."""
    return [authenticate(envelope, check_signatures=False) for envelope in envelopes]
