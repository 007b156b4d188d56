"""The ledger as a whole: which one it is, and how large."""

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from tallystick.node.routes.asking import Backend


class LedgerAnswer(msgspec.Struct, frozen=True):
    """Which ledger this is. Its id is the hash of genesis; `log_key` is what checkpoints verify under.

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


class StatisticsAnswer(msgspec.Struct, frozen=True):
    """How large the ledger is, and what this node did since it started."""

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


def routes(backend: Backend) -> list[HTTPRouteHandler]:
    """Return this topic's handlers."""
    service, ledger = backend.service, backend.service.ledger

    @get("/v1/ledger", tags=["ledger"], summary="Which ledger this is")
    async def get_ledger() -> LedgerAnswer:
        clock, genesis = ledger.clock, ledger.genesis
        return LedgerAnswer(
            ledger=ledger.ledger_id,
            name=genesis.name,
            log_key=genesis.log_key,
            operator=genesis.operator,
            opening=genesis.opening,
            size=ledger.size,
            height=clock.height,
            time=clock.time,
            now=ledger.now(),
        )

    @get("/v1/statistics", tags=["ledger"], summary="How large the ledger is, and what the node did")
    async def get_statistics() -> StatisticsAnswer:
        clock, counters, index = ledger.clock, service.counters, service.index
        return StatisticsAnswer(
            size=ledger.size,
            height=clock.height,
            time=clock.time,
            accounts=index.count("account"),
            assets=index.count("asset"),
            balances=index.count("balance"),
            contracts=index.count("instance"),
            holds=index.count("hold"),
            accepted=counters.accepted,
            repeated=counters.repeated,
            rejected=counters.rejected,
            waiting=service.waiting,
        )

    return [get_ledger, get_statistics]
