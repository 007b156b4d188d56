"""Rates: how often somebody may, by token buckets.

The rule that must hold: a name is charged only once it is known to be who it says, an address by its
connection and a key by its signature; else anybody could use up another's share. Buckets are forgotten, the
longest unused first, so that inventing names costs no memory.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

_NAMES_MAX: Final = 10_000


class Rates:
    """Buckets that hold one second's worth, one a name. Not thread-safe."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, name: Hashable) -> bool:
        """Tell whether one more is allowed now."""
        if not self._rate:
            return True
        now = time.monotonic()
        most = max(self._rate, 1.0)
        left, then = self._buckets.pop(name, (most, now))
        left = min(most, left + (now - then) * self._rate)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _NAMES_MAX:
            self._buckets.popitem(last=False)
        return allowed
