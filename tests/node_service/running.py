"""A service over a small economy, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tallystick.ledger.store import Store
from tallystick.node.service import Service, ServiceLimits
from tallystick.node.staged import StagedLedger
from tests.ledger.world import transfer
from tests.node.economy import LOG_KEY, PEOPLE, Desk, VirtualClock, genesis

EUR = "eur@bank"


def make_ledger(path: Path, **options: Any) -> Desk:
    """Create a ledger file with the small economy, and return a desk for it; the file is closed."""
    options.setdefault("clock", VirtualClock())
    with StagedLedger.create(path, genesis(), log_key=LOG_KEY, **options) as ledger:
        desk = Desk(ledger)
        desk.found()
    return desk


@contextmanager
def serving(path: Path, desk: Desk, **limits: Any) -> Iterator[Service]:
    """A running service on the file; the desk writes for it."""
    limits.setdefault("verify_processes", 1)
    ledger = StagedLedger.open(path, log_key=LOG_KEY, clock=VirtualClock())
    desk.ledger = ledger
    service = Service(ledger, limits=ServiceLimits(**limits))
    try:
        yield service
    finally:
        service.close()
        ledger.close()


def payments(desk: Desk, count: int, *, units: int = 1) -> list[bytes]:
    """Return signed payments round the table, each of which can be paid."""
    envelopes = []
    for number in range(count):
        payer, payee = PEOPLE[number % 4], PEOPLE[(number + 1) % 4]
        envelopes.append(desk.envelope(payer, transfer(payer, (EUR, payee, units))))
    return envelopes


def balances(state: Store) -> dict[tuple[str, str], int]:
    return {(key[1], key[2]): value for key, value in state.values.items() if key[0] == "balance"}
