"""Drills: what a full run on an institution, or everyone's leaving a contract, would come to."""

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
