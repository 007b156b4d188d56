"""Drills: what a full run on an institution, everyone's leaving a contract, or a scenario would come to."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tallystick.client.questions.asking import Question, part


def newest(subject: str) -> Question[dict[str, Any]]:
    """Ask for the newest drill of an institution, a contract, or `all`; `status` says whether it is ready.

    Rejections: `unknown_institution`.
    """
    return Question(
        f"/v1/drills/{part(subject)}", lambda answer: msgspec.json.decode(answer.body, type=dict[str, Any])
    )


def of_scenario(
    scenario: Mapping[str, Any], *, points: int = 0, help_needed: bool = False
) -> Question[dict[str, Any]]:
    """Ask what a scenario comes to, given as its document; the same question again says how it stands.

    With `points`, the answer's `curve` is the run curve of its one target; else its `drill` is the outcome. A
    scenario that cannot be run comes back as `failed`, with every one of its `errors`.
    """
    return _asked({"scenario": scenario, "points": points, "help_needed": help_needed})


def of_contract(contract: str, *, days: int) -> Question[dict[str, Any]]:
    """Ask what comes of it when everybody leaves a contract within so many days."""
    return _asked({"contract": contract, "days": days})


def _asked(wanted: Mapping[str, Any]) -> Question[dict[str, Any]]:
    return Question(
        "/v1/drills",
        lambda answer: msgspec.json.decode(answer.body, type=dict[str, Any]),
        body=msgspec.json.encode(wanted),
    )
