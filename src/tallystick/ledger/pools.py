"""The pool interface: what routes, wallets and charts may ask of any pool without knowing its kind.

A pool is a contract that trades its own assets at prices that follow from its reserves. Contracts cannot
import each other, so what they share about pools stands here: the answers' types. The calls themselves, by
name and argument, are listed in docs/contracts/pools.md and held by tests/contracts/test_pool_interface.py.
A base class was refused: a reader would have to hold two files against one paper.
"""

from tallystick.ledger.contract import Record


class Price(Record, frozen=True):
    """A price before fees: `numerator` / `denominator` units of asset out for one unit of asset in."""

    numerator: int
    denominator: int


class TimeWeightedPrice(Record, frozen=True):
    """A price averaged over the last `seconds`, as a fraction like `Price`."""

    numerator: int
    denominator: int
    seconds: int


class Turnover(Record, frozen=True):
    """Capital turnover of one day: `volume_units` traded over `held_units` owned, both in `asset`.

    `day` counts days since 1970-01-01 UTC; `turnover_ppm` is volume over value held in parts per million,
    rounded down.
    """

    day: int
    asset: str
    volume_units: int
    held_units: int
    turnover_ppm: int
