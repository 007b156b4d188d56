"""What a ledger is to a client: a place to submit envelopes to, and to ask four questions.

A protocol and not a class, so that a ledger file, a server's proxy and the tests' ledger in memory are the
same to whoever pays. Asking for more (histories, proofs) belongs to the commands that show them.
"""

from collections.abc import Sequence
from typing import Protocol

from tallystick.ledger.records import Account, Asset
from tallystick.ledger.rejections import Rejection


class Outcome(Protocol):
    """What became of one envelope: exactly one of `receipt` and `rejection` is there."""

    @property
    def receipt(self) -> bytes | None:
        """The receipt's bytes as they stand in the log, durable."""
        ...

    @property
    def rejection(self) -> Rejection | None: ...

    @property
    def repeated(self) -> bool:
        """Whether this very transaction was settled before; the receipt is then the one of that time."""
        ...


class Connection(Protocol):
    """A ledger that accepts transactions."""

    @property
    def ledger_id(self) -> str: ...

    def now(self) -> int:
        """Return the time in microseconds UTC by which the ledger dates its next batch."""
        ...

    def submit(self, envelopes: Sequence[bytes], /) -> Sequence[Outcome]:
        """Return what became of each envelope, in order, once the answers are durable."""
        ...

    def account(self, name: str, /) -> Account | None: ...

    def asset(self, asset: str, /) -> Asset | None: ...

    def balance(self, account: str, asset: str, /) -> int: ...
