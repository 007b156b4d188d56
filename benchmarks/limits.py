"""The machine's limits: the bare operations under everything Tallystick does.

Each function measures one operation with nothing of ours around it, so that a benchmark can say what share of
it remains. Call it in the benchmark's own run, after the value, on the same data and the same disk.
"""

import hashlib
import math
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from nacl.bindings import crypto_sign_open

from benchmarks.result import Limit

Triple = tuple[bytes, bytes, bytes]
"""(public_key, message, signature): 32 bytes, any, 64 bytes."""


def measure_verifications(
    triples: Sequence[Triple], *, duration_seconds: float = 2.0, processes: int = 2
) -> Limit:
    """Return Ed25519 verifications a second by PyNaCl, summed over processes that share nothing.

    Raises if a signature is not valid: refusing one costs less than accepting it.
    """
    if not triples:
        raise ValueError("verifications need at least one (public_key, message, signature)")
    # A process that starts by importing this module inherits no lock, thread or warm cache from its parent.
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes)
    pipes, workers = [], []
    for _ in range(processes):
        receiving, sending = context.Pipe(duplex=False)
        worker = context.Process(
            target=_verify_until, args=(list(triples), duration_seconds, start, sending), daemon=True
        )
        worker.start()
        sending.close()
        pipes.append(receiving)
        workers.append(worker)
    try:
        rate = sum(_received_rate(pipe) for pipe in pipes)
    finally:
        for worker in workers:
            worker.join(timeout=5)
            if worker.is_alive():
                worker.kill()
                worker.join()
    return Limit(
        name=f"PyNaCl verify in {processes} processes",
        value=rate,
        unit="verifications/s",
        conditions={
            "processes": processes,
            "duration_seconds": duration_seconds,
            "triples": len(triples),
            "message_bytes_mean": sum(len(message) for _, message, _ in triples) // len(triples),
        },
    )


def _received_rate(pipe: Connection) -> float:
    try:
        rate = pipe.recv()
    except EOFError:
        raise RuntimeError("a verify process died; its message is above") from None
    finally:
        pipe.close()
    return float(rate)


def _verify_until(
    triples: list[Triple], duration_seconds: float, start: Barrier, sending: Connection
) -> None:
    signed = [(signature + message, public_key) for public_key, message, signature in triples]
    for signed_message, public_key in signed[:100]:
        crypto_sign_open(signed_message, public_key)
    start.wait(timeout=60)
    count = 0
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < duration_seconds:
        # The clock is read once a hundred verifications, so that reading it costs nothing visible.
        for offset in range(100):
            signed_message, public_key = signed[(count + offset) % len(signed)]
            crypto_sign_open(signed_message, public_key)
        count += 100
    sending.send(count / elapsed)


def measure_durable_commits(
    directory: Path | None = None,
    *,
    duration_seconds: float = 2.0,
    rows_per_commit: int = 1,
    row_bytes: int = 256,
) -> Limit:
    """Return SQLite commits a second, each synced to disk before the next (WAL, `synchronous=FULL`).

    `directory` should be on the disk the benchmark itself wrote to; on a memory file system the sync is free.
    """
    row = b"\x5a" * row_bytes
    with tempfile.TemporaryDirectory(dir=directory, prefix="tallystick-limit-") as scratch:
        database = sqlite3.connect(Path(scratch) / "limit.sqlite", isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
            rows = [(row,)] * rows_per_commit
            commits = 0
            began = time.perf_counter()
            while (elapsed := time.perf_counter() - began) < duration_seconds:
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT INTO entry (body) VALUES (?)", rows)
                database.execute("COMMIT")
                commits += 1
        finally:
            database.close()
    return Limit(
        name="SQLite durable commits",
        value=commits / elapsed,
        unit="commits/s",
        conditions={
            "duration_seconds": duration_seconds,
            "rows_per_commit": rows_per_commit,
            "row_bytes": row_bytes,
            "sqlite": sqlite3.sqlite_version,
        },
    )


def measure_sha256(*, message_bytes: int = 64, count: int = 500_000) -> Limit:
    """Return SHA-256 hashes a second by one thread, over distinct messages of one size (at least 8 bytes)."""
    padding = b"\x5a" * (message_bytes - 8)
    messages = [index.to_bytes(8, "big") + padding for index in range(min(count, 1_000))]
    rounds = max(1, count // len(messages))
    sha256 = hashlib.sha256
    began = time.perf_counter()
    for _ in range(rounds):
        for message in messages:
            sha256(message).digest()
    elapsed = time.perf_counter() - began
    return Limit(
        name="SHA-256 in one thread",
        value=rounds * len(messages) / elapsed,
        unit="hashes/s",
        conditions={"message_bytes": message_bytes, "count": rounds * len(messages)},
    )


def measure_dict_update(*, keys: int = 100_000, count: int = 2_000_000) -> Limit:
    """Return nanoseconds to read an integer from a plain dict of tuple keys and write it back changed.

    The least a balance can cost in Python: keys are (account, asset) pairs, visited in a scattered order.
    """
    pairs = [(f"account-{index}", "asset") for index in range(keys)]
    balances = dict.fromkeys(pairs, 0)
    # A stride that shares no factor with the number of keys visits each key once, far from the last one.
    stride = next(step for step in range(keys // 3 + 1, 2 * keys + 2) if math.gcd(step, keys) == 1)
    order = [pairs[index * stride % keys] for index in range(keys)]
    rounds = max(1, count // keys)
    began = time.perf_counter()
    for _ in range(rounds):
        for pair in order:
            balances[pair] = balances[pair] + 1
    elapsed = time.perf_counter() - began
    return Limit(
        name="plain dict update",
        value=elapsed / (rounds * keys) * 1e9,
        unit="ns",
        conditions={"keys": keys, "count": rounds * keys},
    )
