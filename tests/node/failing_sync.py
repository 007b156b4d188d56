"""A process whose syncs fail while a flag file exists (see `failing_fsync.c`). Prints what it saw as JSON.

python -m tests.node.failing_sync PATH FLAG
"""

import json
import sys
from pathlib import Path

from tallystick.node.faults import NotDurable
from tests.node.economy import Desk, open_ledger, transfer


def main(path: Path, flag: Path) -> None:
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=1_000_000)
        before = ledger.size
        envelope = desk.envelope("alice", transfer("alice", ("eur@bank", "bob", 1)))
        balance = ledger.balance("alice", "eur@bank")
        flag.touch()
        refused = 0
        for _ in range(3):
            try:
                ledger.submit([envelope])
            except NotDurable:
                refused += 1
        told: dict[str, object] = {
            "refused": refused,
            "unmoved": (ledger.size, ledger.balance("alice", "eur@bank")) == (before, balance),
        }
        flag.unlink()
        outcome = ledger.submit([envelope])[0]
        again = ledger.submit([envelope])[0]
        assert outcome.receipt is not None
        told |= {
            "same": outcome.receipt == again.receipt,
            "moved_once": ledger.balance("alice", "eur@bank") == balance - 1,
            "index": [outcome.index, before],
            "receipt": outcome.receipt.decode(),
            "notices": ledger.notices,
        }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
