"""Legs a second of signed 5,000-leg transactions: bytes in memory to durable receipts, roots included."""

import gc
import tempfile
import time
from pathlib import Path

from benchmarks.ledger_world import LEGS_A_TRANSACTION, LedgerWorld
from benchmarks.limits import measure_durable_commits
from benchmarks.result import Limit, Result


def run(*, quick: bool) -> Result:
    """Pay among 10k accounts, and among 1M for comparison; a checkpoint every second."""
    transactions = 4 if quick else 100
    with tempfile.TemporaryDirectory() as directory:
        rate = _rate(Path(directory), accounts=2_000 if quick else 10_000, transactions=transactions)
        many = 4_000 if quick else 1_000_000
        rate_many = _rate(Path(directory), accounts=many, transactions=transactions)
        limit = measure_durable_commits(Path(directory), rows_per_commit=1, row_bytes=400_000)
    return Result(
        benchmark="batch_transfers",
        value=rate,
        unit="legs/s",
        limit=Limit(
            name=f"{limit.name} of 400 kB, one a transaction of 5,000 legs",
            value=limit.value * LEGS_A_TRANSACTION,
            unit="legs/s",
            conditions=limit.conditions,
        ),
        conditions={
            "accounts": 2_000 if quick else 10_000,
            "transactions": transactions,
            "legs_a_transaction": LEGS_A_TRANSACTION,
            f"among_{many}_accounts_legs_per_s": round(rate_many),
            "includes": "decoding, signatures, execution, receipts, SQLite FULL, state roots",
            "processes": 1,
            "seed": 5,
        },
    )


def _rate(directory: Path, *, accounts: int, transactions: int) -> float:
    world = LedgerWorld(directory / f"{accounts}.tally", accounts=accounts, signers=transactions)
    envelopes = world.transfers(transactions, seed=5, legs=LEGS_A_TRANSACTION)
    gc.collect()
    gc.freeze()
    began = last = time.perf_counter()
    for envelope in envelopes:
        world.submit([envelope])
        if time.perf_counter() - last >= 1:
            world.ledger.checkpoint()
            last = time.perf_counter()
    world.ledger.checkpoint()
    elapsed = time.perf_counter() - began
    world.ledger.close()
    return transactions * LEGS_A_TRANSACTION / elapsed
