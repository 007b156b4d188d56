"""Attested statements: how something that is not on the ledger is said, by whom, and until when.

What an institution has or owes elsewhere cannot be computed, only vouched for. A contract that carries such
statements answers the view `statements` with this shape; whatever reads it counts an asset after the
statement's expiry as nothing. The type stands here because contracts cannot import each other, and balance
sheets import no contract.
"""

from typing import Literal

from tallystick.ledger.contract import Record


class Statement(Record, frozen=True):
    """`units` of `what` that the institution has (`asset`) or owes (`liability`) off the ledger.

    `what` is a unit of account or an asset; `attestor` the account that signed; times are microseconds UTC.
    `matures` is when it pays, 0 for on demand. `reference` names the document, never its content.
    """

    item: str
    side: Literal["asset", "liability"]
    what: str
    units: int
    attestor: str
    attested: int
    expires: int
    matures: int
    reference: str
