"""What a command itself finds wrong, and the codes that a command ends with.

    0  done
    1  rejected      the ledger, or a witness, said no; nothing changed
    2  usage         something given does not fit: an option, a file, a password
    3  proof failed  a history, receipt, balance or checkpoint does not show what it claims

Every file of this package may import this one, which imports none of them. `frame` tells the errors.
"""

from collections.abc import Mapping
from typing import Any, Final

DONE: Final = 0
REJECTED: Final = 1
USAGE: Final = 2
PROOF_FAILED: Final = 3


class CommandError(Exception):
    """What a command itself finds wrong with what it was given."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "usage",
        exit_code: int = USAGE,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.facts = facts or {}
        self.hint = hint
        self.code = code
        self.exit_code = exit_code
