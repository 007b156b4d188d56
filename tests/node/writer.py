"""A process that writes a ledger until it is killed, and prints what was acknowledged.

    python -m tests.node.writer PATH SEED

Each line is `id receipt-hash`, printed after `submit` returned; so whatever is on its standard output was
acknowledged, and must be in the ledger for ever.
"""

import random
import sys
from pathlib import Path

from tallystick.crypto import sha256
from tallystick.ledger.receipts import decode_receipt
from tests.node.economy import PEOPLE, SECOND, START, Desk, VirtualClock, hold, open_ledger, transfer


def main(path: Path, seed: int) -> None:
    choose = random.Random(seed)
    with open_ledger(path, clock=VirtualClock(START), snapshot_entries=150) as ledger:
        desk = Desk(ledger, number=1_000_000 * (seed + 1))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            time = ledger.clock.time + choose.choice((0, SECOND, 5 * SECOND))
            envelopes = [_envelope(desk, choose, time) for _ in range(choose.randint(1, 20))]
            lines = []
            for outcome in ledger.submit(envelopes, time=time):
                if outcome.receipt is not None:
                    receipt = decode_receipt(outcome.receipt)
                    lines.append(f"{receipt.id} {sha256(outcome.receipt).hex()}\n")
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
            if choose.random() < 0.2:
                ledger.checkpoint()


def _envelope(desk: Desk, choose: random.Random, time: int) -> bytes:
    payer, payee = choose.sample(PEOPLE, 2)
    asset = choose.choice(("eur@bank", "gold@vault"))
    if choose.random() < 0.1:
        expires = time + choose.randint(1, 20) * SECOND
        return desk.envelope(payer, hold(payer, payee, (asset, 1), expires=expires, at_expiry="capture"))
    return desk.envelope(payer, transfer(payer, (asset, payee, choose.randint(1, 50))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
