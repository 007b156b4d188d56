"""Attempts: when a client tries again, and when it stops.

An id settles once, however often its envelope arrives, so that a lost answer, a 429 and a 503 are all met
alike. Pauses double and are drawn at random, so that clients that were refused together do not come back
together; `Retry-After` is the least of them.
"""

import time
from random import SystemRandom
from typing import Final

from tallystick.client.questions.asking import HttpError

_PAUSE_SECONDS: Final = 0.05
_PAUSE_SECONDS_MAX: Final = 5.0
_random: Final = SystemRandom().uniform


class Attempts:
    """When to try again, and when to stop."""

    def __init__(self, timeout_seconds: float) -> None:
        self._until = time.monotonic() + timeout_seconds
        self._pause = _PAUSE_SECONDS
        self.failed = 0

    def pause_after(self, failure: HttpError) -> float:
        """Return how long to wait before the next attempt. Raises the failure if there should be none."""
        if not failure.worth_retrying:
            raise failure
        self.failed += 1
        pause = max(failure.retry_seconds, _random(self._pause / 2, self._pause))
        if time.monotonic() + pause > self._until:
            if not failure.hint:
                failure.hint = (
                    f"{self.failed} attempts failed; what was sent can be sent again, it settles once"
                )
            raise failure
        self._pause = min(2 * self._pause, _PAUSE_SECONDS_MAX)
        return pause
