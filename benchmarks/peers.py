"""Transfers a second of the ledger users write today: two rows updated in SQLite, nothing proven."""

import random
import sqlite3
import tempfile
import time
from pathlib import Path

from benchmarks.limits import measure_durable_commits
from benchmarks.result import Limit, Result


def run(*, quick: bool) -> Result:
    """Run the naive ledger with 1,000 transfers a commit, and with one; both durable."""
    accounts, grouped, single = (1_000, 5_000, 100) if quick else (100_000, 200_000, 5_000)
    with tempfile.TemporaryDirectory() as directory:
        rate = _rate(Path(directory, "grouped.db"), accounts=accounts, count=grouped, group=1_000)
        one = _rate(Path(directory, "single.db"), accounts=accounts, count=single, group=1)
        limit = measure_durable_commits(Path(directory))
    return Result(
        benchmark="peers",
        value=rate,
        unit="transfers/s",
        limit=Limit(
            name=f"{limit.name}, times 1,000",
            value=limit.value * 1_000,
            unit="transfers/s",
            conditions=limit.conditions,
        ),
        conditions={
            "accounts": accounts,
            "transfers_a_commit": 1_000,
            "with_one_transfer_a_commit_per_s": round(one),
            "journal": "WAL, synchronous=FULL",
            "lacks": "signatures, receipts, history, proofs, conservation across assets",
            "seed": 3,
        },
    )


def _rate(path: Path, *, accounts: int, count: int, group: int) -> float:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE balance (account INTEGER PRIMARY KEY, units INTEGER CHECK (units >= 0))")
    database.execute("BEGIN")
    database.executemany("INSERT INTO balance VALUES (?, 1000000)", ((number,) for number in range(accounts)))
    database.execute("COMMIT")
    draw = random.Random(3)
    pairs = [draw.sample(range(accounts), 2) for _ in range(count)]
    began = time.perf_counter()
    for start in range(0, count, group):
        database.execute("BEGIN IMMEDIATE")
        for payer, payee in pairs[start : start + group]:
            database.execute("UPDATE balance SET units = units - 1 WHERE account = ?", (payer,))
            database.execute("UPDATE balance SET units = units + 1 WHERE account = ?", (payee,))
        database.execute("COMMIT")
    elapsed = time.perf_counter() - began
    database.close()
    return count / elapsed
