"""The oracle interface: what any contract, balance sheet or wallet may ask of a price, whoever gives it.

An oracle is a contract that answers `price(asset_in, asset_out, freshness_seconds, quorum)`; whoever leans on
a price says how fresh it must be and how many sources must agree, and is refused otherwise. Contracts cannot
import each other, so the answer's type stands here. The views, by name and argument, are listed in
docs/contracts/oracles.md. The two first arguments are those of a pool's `price`, so whatever reads a pool's
price can read an oracle's.
"""

from tallystick.ledger.contract import Record


class OraclePrice(Record, frozen=True):
    """`numerator` / `denominator` units of asset out for one unit of asset in, exactly.

    `quorum` sources agree on it; the oldest of what they say was observed at `time` (microseconds UTC).
    """

    numerator: int
    denominator: int
    time: int
    quorum: int
