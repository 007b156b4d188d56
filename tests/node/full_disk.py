"""A process whose disk is full for a while: the system refuses to let any file grow beyond a size.

    python -m tests.node.full_disk PATH

Prints what it saw as JSON. It runs apart because the limit holds for a whole process.
"""

import json
import resource
import sys
from pathlib import Path

from tallystick.node.faults import NotDurable
from tests.node.economy import Desk, open_ledger


def main(path: Path) -> None:
    told: dict[str, object] = {"refused": 0, "acknowledged": []}
    with open_ledger(path) as ledger:
        desk = Desk(ledger, number=1_000_000)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 60_000, hard))
        acknowledged: list[str] = []
        size = 0
        for seed in range(200):
            try:
                outcomes = desk.trade(20, seed=seed, batch=20)
            except NotDurable as refused:
                told["refused"] = int(str(told["refused"])) + 1
                told["reason"] = refused.reason
                size = ledger.size
                if int(str(told["refused"])) == 3:
                    break
            else:
                assert told["refused"] == 0, "it acknowledged on a full disk"
                acknowledged += [outcome.receipt.decode() for outcome in outcomes if outcome.receipt]
        told["size_while_full"] = [size, ledger.size]
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        outcomes = desk.trade(20, seed=1000, batch=20)
        acknowledged += [outcome.receipt.decode() for outcome in outcomes if outcome.receipt]
        told["accepted_after"] = sum(outcome.receipt is not None for outcome in outcomes)
        told["notices"] = ledger.notices
        told["acknowledged"] = acknowledged
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
