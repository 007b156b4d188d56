"""The drill process: one full run on a ledger file as it stands, at the lowest priority.

    python -m tallystick.node.drill_process LEDGER SUBJECT

It opens the file for reading, which gives it a state of its own that no merge moves, steps behind everything
else on the machine, and writes one JSON document to standard output. A node starts one (`drills`); nothing of
the node is in it, so a drill that takes long or fails takes nothing with it.
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from tallystick.ledger.rejections import LedgerError
from tallystick.node.ledger_file import LedgerFile
from tallystick.stress.drill import run_drill
from tallystick.stress.leaving import everyone_leaves
from tallystick.stress.liquidity import document as liquidity_document
from tallystick.stress.liquidity import liquidity_now
from tallystick.stress.scenario import everybody_withdraws

NICE = 19
EVERYBODY = "all"


def drill_document(file: LedgerFile, subject: str) -> dict[str, Any]:
    """Return what a full run on an institution, on all of them, or on a contract comes to.

    Raises `ScenarioInvalid` if the ledger has no such subject.
    """
    root = file.commitment.commit().hex()
    as_of = {"subject": subject, "size": file.size, "time": file.clock.time}
    state, kinds = file.state, file.kinds
    if state.get(("institution", subject)) is None and state.get(("instance", subject)) is not None:
        exodus = everyone_leaves(state, kinds, subject, state_root=root, index=file.size)
        return as_of | {"drill": exodus.document()}
    targets = () if subject == EVERYBODY else (subject,)
    outcome = run_drill(state, kinds, everybody_withdraws(*targets), state_root=root, index=file.size)
    found = outcome.document()
    if targets:
        found["liquidity"] = liquidity_document(liquidity_now(state, kinds, subject))
    return as_of | {"drill": found}


def main(arguments: list[str]) -> int:
    """Run and write the document; exit 1 with a problem's document where the drill cannot be run."""
    os.nice(NICE)
    path, subject = arguments
    try:
        with LedgerFile.open(Path(path), read_only=True) as file:
            found = drill_document(file, subject)
    except LedgerError as error:
        sys.stdout.buffer.write(msgspec.json.encode({"error": str(error)}))
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
