"""Transactions a second of `verify`: every signature, transition, receipt and root again from the log."""

import tempfile
import time
from pathlib import Path

from benchmarks.ledger_world import LedgerWorld
from benchmarks.limits import Triple, measure_verifications
from benchmarks.result import Limit, Result
from tallystick.client.sources import open_source
from tallystick.client.verifier import verify
from tallystick.crypto import signature_library
from tallystick.ledger.transactions import decode_envelope, signing_bytes


def run(*, quick: bool) -> Result:
    """Verify one-leg transfers among 10k accounts, with signatures in two processes and without."""
    accounts, count = (500, 2_000) if quick else (10_000, 200_000)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "replay.tally")
        world = LedgerWorld(path, accounts=accounts, signers=accounts)
        envelopes = world.transfers(count, seed=6)
        for start in range(0, count, 1_000):
            world.submit(envelopes[start : start + 1_000])
            if start % 20_000 == 0:
                world.ledger.checkpoint()
        world.ledger.close()
        signed = min(_seconds(path, check_signatures=True) for _ in range(2))
        unsigned = min(_seconds(path, check_signatures=False) for _ in range(2))
    limit = measure_verifications([_triple(envelope) for envelope in envelopes[:5_000]])
    return Result(
        benchmark="replay",
        value=count / signed,
        unit="transactions/s",
        limit=Limit(name=limit.name, value=limit.value, unit="transactions/s", conditions=limit.conditions),
        conditions={
            "accounts": accounts,
            "transfers": count,
            "batch": 1_000,
            "checkpoint_every": 20_000,
            "signatures": signature_library(),
            "without_signatures_per_s": round(count / unsigned),
            "rounds": "2, the best is shown",
            "seed": 6,
        },
    )


def _seconds(path: Path, *, check_signatures: bool) -> float:
    began = time.perf_counter()
    with open_source(path) as source:
        verify(source, processes=2, check_signatures=check_signatures)
    return time.perf_counter() - began


def _triple(data: bytes) -> Triple:
    envelope = decode_envelope(data)
    signature = envelope.signatures[0]
    return signature.keyid, signing_bytes(envelope.payload), signature.sig
