"""The ledger as a whole: which one a node serves, and how large it is."""

import msgspec

from tallystick.client.questions.asking import Question, typed


class LedgerInfo(msgspec.Struct, frozen=True):
    """Which ledger a node serves. `ledger` is the hash of genesis.

    `time` is the last batch's, `now` what the next one would be dated; both in microseconds UTC.
    """

    ledger: str
    name: str
    log_key: str
    operator: str
    opening: str
    size: int
    height: int
    time: int
    now: int


class Statistics(msgspec.Struct, frozen=True):
    """How large the ledger is, and what the node did since it started."""

    size: int
    height: int
    time: int
    accounts: int
    assets: int
    balances: int
    contracts: int
    holds: int
    accepted: int
    repeated: int
    rejected: int
    waiting: int


def info() -> Question[LedgerInfo]:
    """Ask which ledger it is."""
    return typed("/v1/ledger", LedgerInfo)


def statistics() -> Question[Statistics]:
    """Ask how large it is."""
    return typed("/v1/statistics", Statistics)
