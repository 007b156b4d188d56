"""The drill process: one drill on a ledger file as it stands, at the lowest priority.

    python -m tallystick.node.drill_process LEDGER SUBJECT     a full run on an institution, a contract or all
    python -m tallystick.node.drill_process LEDGER -           what standard input asks for: a `Wanted`

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
from tallystick.node.drills import EVERYBODY, Wanted
from tallystick.node.ledger_file import LedgerFile
from tallystick.stress.curve import run_curve
from tallystick.stress.drill import run_drill
from tallystick.stress.leaving import everyone_leaves
from tallystick.stress.liquidity import document as liquidity_document
from tallystick.stress.liquidity import liquidity_now
from tallystick.stress.rescue import help_document
from tallystick.stress.scenario import Scenario, ScenarioInvalid, everybody_withdraws, read_scenario

NICE = 19


def drill_document(file: LedgerFile, subject: str) -> dict[str, Any]:
    """Return what a full run on an institution, on all of them, or on a contract comes to.

    Raises `ScenarioInvalid` if the ledger has no such subject.
    """
    state = file.state
    as_of = {"subject": subject, "size": file.size, "time": file.clock.time}
    if state.get(("institution", subject)) is None and state.get(("instance", subject)) is not None:
        return as_of | {"drill": _exodus(file, subject, days=30)}
    targets = () if subject == EVERYBODY else (subject,)
    return as_of | {"drill": _run(file, everybody_withdraws(*targets), help_needed=False)}


def wanted_document(file: LedgerFile, wanted: Wanted) -> dict[str, Any]:
    """Return what a scenario comes to: a drill, with the help that was needed if asked for, or a run curve.

    Raises `ScenarioInvalid` with every error of it.
    """
    as_of = {"size": file.size, "time": file.clock.time}
    if wanted.contract:
        return as_of | {"drill": _exodus(file, wanted.contract, days=wanted.days)}
    scenario = read_scenario(wanted.scenario)
    if not wanted.points:
        return as_of | {"drill": _run(file, scenario, help_needed=wanted.help_needed)}
    if len(scenario.targets) != 1:
        raise ScenarioInvalid([f"targets: a run curve is of one institution, not {len(scenario.targets)}"])
    curve = run_curve(
        file.state,
        file.kinds,
        scenario,
        scenario.targets[0],
        points=wanted.points,
        state_root=file.commitment.commit().hex(),
        index=file.size,
    )
    return as_of | {"curve": curve.document()}


def _exodus(file: LedgerFile, contract: str, *, days: int) -> dict[str, Any]:
    root = file.commitment.commit().hex()
    exodus = everyone_leaves(file.state, file.kinds, contract, days=days, state_root=root, index=file.size)
    return exodus.document()


def _run(file: LedgerFile, scenario: Scenario, *, help_needed: bool) -> dict[str, Any]:
    root = file.commitment.commit().hex()
    outcome = run_drill(file.state, file.kinds, scenario, state_root=root, index=file.size)
    found = outcome.document()
    if help_needed:
        found["help"] = help_document(file.state, file.kinds, scenario, outcome, index=file.size)
    if len(scenario.targets) == 1:
        liquidity = liquidity_now(file.state, file.kinds, scenario.targets[0])
        found["liquidity"] = liquidity_document(liquidity)
    return found


def main(arguments: list[str]) -> int:
    """Run and write the document; exit 1 with a problem's document where the drill cannot be run."""
    os.nice(NICE)
    path, subject = arguments
    try:
        with LedgerFile.open(Path(path), read_only=True) as file:
            if subject == "-":
                wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted)
                found = wanted_document(file, wanted)
            else:
                found = drill_document(file, subject)
    except ScenarioInvalid as invalid:
        problem = {"error": str(invalid), "code": "scenario_invalid", "errors": list(invalid.errors)}
        sys.stdout.buffer.write(msgspec.json.encode(problem))
        return 1
    except LedgerError as error:
        sys.stdout.buffer.write(msgspec.json.encode({"error": str(error)}))
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
