"""The garbage collector, kept from walking again and again what is no garbage.

A ledger's state only grows, and a batch under way is thousands of young objects that reference counts free a
moment later. CPython's collector looks at every 700 new ones, which costs a tenth of settling a payment, and
finds nothing: the ledger makes no cycles but those of rare exceptions. So it is asked less often. Never, or
very seldom, would let those few cycles pile up, and one of them can hold a whole state.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_YOUNG_OBJECTS: Final = 100_000
"""Several batches' worth, or every look would walk one that is under way: at 20,000 that cost a fifteenth."""


@contextmanager
def spared() -> Iterator[None]:
    """Let the collector look at 100,000 new objects at a time, in this process, meanwhile."""
    thresholds = gc.get_threshold()
    gc.set_threshold(_YOUNG_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@contextmanager
def paused() -> Iterator[None]:
    """Keep the collector away altogether: millions of objects are about to be made, and none is garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
