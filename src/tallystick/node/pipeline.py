"""What goes through the service's queues, and what it counts on the way.

Request      envelopes that were handed in together        door, verifiers ─► executor
Executed     a batch, with the requests that it answers    executor ─► committer
Written      batches that are durable, or are not          committer ─► executor
RootWritten  a checkpoint's root that is, or is not        committer ─► executor
Question     asked between two batches                     anybody ─► executor
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

from tallystick.node.faults import NodeFault
from tallystick.node.ledger_file import Outcome
from tallystick.node.recovery import Root
from tallystick.node.sequencer import RootPlace
from tallystick.node.staged import Staged, StagedLedger
from tallystick.node.verify import Unpack, Verdict

Answer: TypeAlias = list[Outcome] | NodeFault
Done: TypeAlias = Callable[[Answer], None]


class Request:
    """Envelopes that were handed in together and are executed together, in their order."""

    __slots__ = ("done", "envelopes", "missing", "unpack", "verdicts")

    def __init__(self, envelopes: Sequence[bytes], done: Done) -> None:
        self.envelopes = envelopes
        self.done = done
        self.unpack: dict[int, Unpack] = {}
        """What returns the verdicts of the chunk that begins with which envelope."""
        self.verdicts: list[Verdict] = []
        self.missing = len(envelopes)
        """How many envelopes are not verified yet; below zero once it is answered."""


class Executed:
    """A staged batch with the requests that it answers."""

    __slots__ = ("requests", "staged")

    def __init__(self, staged: Staged, requests: list[Request]) -> None:
        self.staged = staged
        self.requests = requests


@dataclass(frozen=True, slots=True)
class Written:
    """Batches that the committer has written, in one transaction; or the fault for which it has not."""

    group: list[Executed]
    fault: NodeFault | None


@dataclass(frozen=True, slots=True)
class RootWritten:
    """A root that the committer has written; or the fault for which it has not."""

    root: Root | None
    fault: NodeFault | None


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be asked of the ledger while it stands still."""

    ask: Callable[[StagedLedger], Any]
    answer: Future[Any]


Message: TypeAlias = Request | Written | RootWritten | Question | None
"""What the executor is sent; None closes it."""


class RootUnderWay:
    """A checkpoint that is made beside the batches, from its place until its root is written.

    Its turn comes once all before it is merged. What is executed on top of it until then waits behind it, for
    it may not be written before it.
    """

    __slots__ = ("began", "behind", "has_begun", "place")

    def __init__(self, place: RootPlace) -> None:
        self.place = place
        self.behind: list[Executed] = []
        self.has_begun = False
        """Whether its turn has come; the commitment lock is held from then on."""
        self.began = 0.0
        """When it came."""


@dataclass(kw_only=True)
class Counters:
    """What the service did since it started; read by metrics."""

    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    batches: int = 0
    writes: int = 0
    failed_writes: int = 0
    checkpoints: int = 0
    executing_seconds: float = 0.0
    writing_seconds: float = 0.0
    checkpoint_seconds: float = 0.0
    projected_entries: int = 0
    projection_seconds: float = 0.0
