"""Faults: what the machine does to us, as opposed to what a client asked for.

A `Rejection` is an answer; a fault is the node's. Nothing that was acknowledged is lost by one, and nothing
half-done is visible after one.

    NodeFault
      NotDurable        a write did not reach the disk: nothing was acknowledged, send it again
      JournalCorrupt    the file contradicts itself, at an entry if one can be named
      JournalLocked     another process writes this file
      ReadOnly          this ledger was opened to be read
      NotTheWriter      this process is a reader; the node that writes the ledger does that
      NoLogKey          checkpoints cannot be signed without the log's key
      WrongLogKey       the key is not the one that genesis names
      NotFound          no entry of that name: an answer
      NotYet            the log does not reach that far: an answer, with how far it does
        NotSigned       the entry is there, and no checkpoint covers it yet: ask again in a second
      BeforeGenesis     the log begins later
      IntervalReversed  what was asked about ends before it starts
      Stopped           an invariant broke: the ledger refuses to go on
      WouldLose         a restore would drop entries that were acknowledged
"""

from datetime import datetime, timedelta


class NodeFault(Exception):
    """The root of the node's faults."""


class NotDurable(NodeFault):
    """A write failed, so it is not acknowledged. The next one first recovers what the disk has."""

    def __init__(self, reason: str, *, size: int) -> None:
        super().__init__(f"not durable after entry {size - 1}: {reason}")
        self.reason = reason
        self.size = size
        """How many entries are known to be durable."""


class JournalCorrupt(NodeFault):
    """The file contradicts itself. `index` names the entry, or is None where no entry can be named."""

    def __init__(self, what: str, *, index: int | None = None) -> None:
        super().__init__(what if index is None else f"entry {index}: {what}")
        self.what = what
        self.index = index


class JournalLocked(NodeFault):
    """Another process has the file open for writing."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{path} is being written by {holder}; open it read-only, or stop that process")
        self.path = path
        self.holder = holder


class ReadOnly(NodeFault):
    """The ledger was opened to be read."""


class NotTheWriter(NodeFault):
    """This process is a reader beside the node that writes the ledger."""


class NoLogKey(NodeFault):
    """The ledger was opened without its log key, so nothing can be signed."""


class WrongLogKey(NodeFault):
    """The key given is not the one that genesis names."""

    def __init__(self, *, given: str, expected: str) -> None:
        super().__init__(f"the log's key is {expected}, not {given}")
        self.given = given
        self.expected = expected


class NotFound(NodeFault):
    """The log has no such entry."""


class NotYet(NodeFault):
    """The log does not reach what was asked about."""

    def __init__(self, what: str, *, asked: int, reached: int) -> None:
        if what == "time":
            super().__init__(f"{_told(asked)} is beyond the log, which reaches {_told(reached)}")
        else:
            super().__init__(f"{what} {asked} is beyond the log, which reaches {reached}")
        self.asked = asked
        self.reached = reached


class NotSigned(NotYet):
    """Nothing has been signed about this entry. A node makes a checkpoint within the second."""

    def __init__(self, *, index: int, signed: int) -> None:
        super().__init__("a checkpoint over entry", asked=index, reached=signed - 1)


class CatchingUp(NodeFault):
    """The node has not read enough of its log yet to say. Ask again later."""


class IntervalReversed(NodeFault):
    """An interval ends before it starts."""

    def __init__(self, *, start: int, end: int) -> None:
        super().__init__(f"the interval from entry {start} to entry {end} ends before it starts")
        self.start = start
        self.end = end


class PriceBookRefused(NodeFault):
    """What was given as a price book is none; the message says which field, and why."""


class BeforeGenesis(NodeFault):
    """The ledger did not exist at that time."""

    def __init__(self, *, asked: int, genesis: int) -> None:
        super().__init__(f"{_told(asked)} is before genesis, {_told(genesis)}")
        self.asked = asked
        self.genesis = genesis


class Stopped(NodeFault):
    """An invariant broke. What is on disk is what was acknowledged; nothing more is accepted."""


class WouldLose(NodeFault):
    """The file to be replaced has entries that the backup has not."""

    def __init__(self, *, entries: int, backup_entries: int) -> None:
        super().__init__(
            f"the ledger has {entries} entries and the backup {backup_entries}: "
            f"restoring would lose {entries - backup_entries} that were acknowledged"
        )
        self.entries = entries
        self.backup_entries = backup_entries


def _told(time: int) -> str:
    """Return a moment for people, or the number where the calendar ends."""
    try:
        moment = datetime(1970, 1, 1) + timedelta(microseconds=time)  # noqa: DTZ001 (UTC by definition)
    except OverflowError:
        return f"{time} microseconds"
    return f"{moment.isoformat()}Z"
