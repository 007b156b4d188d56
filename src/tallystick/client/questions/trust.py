"""Trust: whom an account or asset relies on, now and after a transaction."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.client.questions.asking import Question, part


def of(subject: str, *, unit: str = "", price_from: Sequence[str] = ()) -> Question[dict[str, Any]]:
    """Ask whom an account, or an asset, relies on. Rejections: `unknown_account`, `unknown_asset`."""
    asked = {"unit": unit, "price_from": ",".join(price_from)}
    return Question(
        f"/v1/trust/{part(subject)}",
        lambda answer: msgspec.json.decode(answer.body, type=dict[str, Any]),
        {name: value for name, value in asked.items() if value},
    )


def after(payload: bytes) -> Question[list[dict[str, Any]]]:
    """Ask whom the signers of an unsigned transaction would rely on afterwards. Rejections: any."""
    return Question(
        "/v1/preview/trust",
        lambda answer: msgspec.json.decode(answer.body, type=list[dict[str, Any]]),
        body=payload,
    )
