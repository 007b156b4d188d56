"""Microseconds a dirty key to commit the state: encode it, update the tree, have the new root."""

import random
import time

from benchmarks.limits import measure_sha256
from benchmarks.result import Limit, Result
from benchmarks.world import ASSET, OPENING_UNITS, World, account_name
from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.ledger.store import Key, Value
from tallystick.log.state_tree import StateTree, verify_state_proof


def run(*, quick: bool) -> Result:
    """Change 10k of 1M balances and recompute the root, three times; then prove some balances."""
    accounts, dirty = (20_000, 1_000) if quick else (1_000_000, 10_000)
    world = World(accounts=accounts, signers=1)
    tree = StateTree.build(
        (encode_key(key), encode_value(value)) for key, value in world.store.values.items()
    )
    draw = random.Random(2)
    best = float("inf")
    changed: dict[Key, Value] = {}
    for number in range(3):
        changed = {
            ("balance", account_name(account), ASSET): OPENING_UNITS + number + account
            for account in draw.sample(range(accounts), dirty)
        }
        began = time.perf_counter()
        tree.update((encode_key(key), encode_value(value)) for key, value in changed.items())
        assert tree.root
        best = min(best, (time.perf_counter() - began) / dirty)
    proofs = []
    for key, value in list(changed.items())[:1_000]:
        proof = tree.prove(encode_key(key))
        verify_state_proof(root=tree.root, key=encode_key(key), value=encode_value(value), proof=proof)
        proofs.append(len(proof))
    limit = measure_sha256(message_bytes=128, count=50_000 if quick else 1_000_000)
    return Result(
        benchmark="state_commit",
        value=best * 1e6,
        unit="µs",
        better="lower",
        limit=Limit(name=limit.name, value=1e6 / limit.value, unit="µs", conditions=limit.conditions),
        conditions={
            "keys": len(tree),
            "dirty_keys": dirty,
            "rounds": "3, the best is shown",
            "proof_bytes_mean": sum(proofs) // len(proofs),
            "proof_bytes_max": max(proofs),
            "seed": 2,
        },
    )
