"""One long history with something of everything, for whoever asks whether two runs are the same.

`python -m tests.ledger.history [BATCH]` prints the SHA-256 of the whole encoded state and of all receipts;
with a batch number the history goes on, from there, on a state that was encoded and decoded again.
"""

import sys

import msgspec

from tallystick.crypto import sha256
from tallystick.ledger import transactions as tx
from tallystick.ledger.encoding import decode_pair, encode_key, encode_value
from tallystick.ledger.records import SYSTEM_TABLES, IdRecord
from tallystick.ledger.store import IDS, Key, Store
from tests.ledger.puppet import Step
from tests.ledger.town import EUR, GOLD, Town, grant, play
from tests.ledger.world import DAY, SECOND, capture, deploy, hold, issue, key, signer, transfer

BATCHES = 40


def run_history(*, reload_at: int | None = None) -> Town:
    """Return the town after its history; at batch `reload_at` its state goes through its encoding."""
    town = Town()
    town.do("alice", grant(town))
    town.do("alice", deploy("alice", "deal", "escrow", **escrow(town)))
    held: list[str] = []
    for number in range(BATCHES):
        if number == reload_at:
            town.store = reloaded(town)
        town.time += 1_801 * SECOND
        town.do("bank", issue("bank", (EUR, "alice", 50), (EUR, "bob", 7)))
        envelopes = [
            town.seal(
                "alice", transfer("alice", (EUR, "bob", 1 + number), (EUR, "carol", 2)), once=f"rent {number}"
            ),
            town.seal("alice", transfer("alice", (EUR, "bob", 10**9))),
            town.seal("bob", hold("bob", "agent", (EUR, 3), expires=town.later(5_000), at_expiry="capture")),
            town.seal("alice", play(*script(town, number), spend=[(EUR, 10)])),
            town.seal(
                "agent", transfer("alice", (EUR, "bob", 1), mandate="allowance"), signers=[signer("agent")]
            ),
            town.seal("alice", tx.Redeem("alice", EUR, "5")),
        ]
        outcomes = town.run(*envelopes)
        held.append(outcomes[2].results[0])  # type: ignore[union-attr]
        if number % 3 == 0:
            town.run(town.seal("agent", capture("agent", held[-1], (EUR, 1))))
        if number == 5:
            both = [signer("alice"), signer("bob")]
            town.do("alice", tx.SetGuardians("alice", ("bob",), delay_seconds=DAY))
            town.do("bob", tx.Recover("bob", "alice", ("bob",), keys=(key("alice"),)), signers=both)
            town.do("carol", tx.ChangePolicy("carol", GOLD, {"posting_max": "9", "balance_max": "90"}))
    return town


def escrow(town: Town) -> dict[str, object]:
    legs = [{"payer": "alice", "receiver": "bob", "asset": EUR, "units": 5}]
    return {"legs": legs, "deadline": town.later(2 * DAY)}


def script(town: Town, number: int) -> list[Step]:
    """Return steps that write, delete and scan many rows, and set timers that succeed and fail."""
    rows = [Step("put", units=(number * 7 + row) % 50, name=str(row)) for row in range(10)]
    gone = [Step("put", units=(number * 3 + row) % 50) for row in range(3)]
    timers = [
        Step(
            "timer",
            units=town.later(1_000 + number),
            steps=(Step("pay", "bob", EUR, 1), Step("emit", name="paid")),
        ),
        Step("timer", units=town.later(1_000), steps=(Step("refuse"),)),
    ]
    return [Step("take", asset=EUR, units=1), *rows, *gone, Step("scan", units=3), *timers]


def reloaded(town: Town) -> Store:
    """Return the state as a node would load it from a snapshot: from nothing but its bytes."""
    values = town.store.values
    pairs: dict[Key, object] = {}
    for name, value in values.items():
        name_bytes, value_bytes = encode_key(name), encode_value(value)
        if name[0] == IDS:
            pairs[tuple(msgspec.json.decode(name_bytes))] = msgspec.json.decode(value_bytes, type=IdRecord)
            continue
        found, decoded = decode_pair(
            name_bytes,
            value_bytes,
            instance=lambda contract: values["instance", contract],
            contracts=town.kinds.contracts,
        )
        assert name[0] in SYSTEM_TABLES or name[0].endswith("!")
        pairs[found] = decoded
    store = Store()
    store.write(dict(sorted(pairs.items(), key=lambda pair: encode_key(pair[0]))))
    return store


def digests(town: Town) -> str:
    """Return the SHA-256 of the encoded state, and of the receipts in order."""
    pairs = sorted((encode_key(name), encode_value(value)) for name, value in town.store.values.items())
    state = b"".join(name + b"=" + value + b"\n" for name, value in pairs)
    receipts = b"\n".join(entry.receipt for entry in town.entries)
    return f"{sha256(state).hex()} {sha256(receipts).hex()}"


if __name__ == "__main__":
    print(digests(run_history(reload_at=int(sys.argv[1]) if len(sys.argv) > 1 else None)))
