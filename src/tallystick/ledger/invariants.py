"""The ledger's invariants, numbered as in the design, each a function that raises when it does not hold.

1. Per asset, all balances sum to zero.
2. Only an asset's issuing account is below zero in it.
3. Held is between zero and owned.
4. Every outflow of an account was authorised, within its signed limits and its mandate.
5. No obligation outlives its transaction.
6. A contract's shares are backed by what it holds (each contract states its own).
7. The state root is a function of the log alone.
8. Every open hold, order and timer has an expiry and an owner; time and height never go back, and no batch
   leaves due work undone below its maximum, in number and in work.
9. Acknowledged means durable.

1 to 3 and 5 are enforced at each posting and checked here by an independent path: over the whole state after
every step in the property tests, at every checkpoint by the node, and by `verify`. 6 is
`backing.check_backed`, asked by `verify`. 4 is the order of `apply`, tested by attack; 7 is replay, which
compares every root; 9 is the node's, tested by kills and full disks.
"""

from collections.abc import Mapping, Sequence

from tallystick.ledger.records import Hold, Lot, Timer
from tallystick.ledger.rejections import InvariantViolation
from tallystick.ledger.store import Key, Posting, Value


def check_conserved(postings: Sequence[Posting]) -> None:
    """Check invariant 1 over the postings of one entry: each asset's column sums to zero."""
    asset, total = "", 0
    for _, name, change, _ in postings:  # Most payments stand together: each run of one asset sums to zero.
        if name != asset:
            if total:
                break
            asset = name
        total += change
    if not total:
        return
    columns: dict[str, int] = {}
    for _, asset, change, _ in postings:
        columns[asset] = columns.get(asset, 0) + change
    for asset, total in columns.items():
        if total:
            raise InvariantViolation(1, f"postings of {asset} sum to {total}")


def check_state(values: Mapping[Key, Value]) -> None:
    """Check invariants 1, 2, 3 and 8 over a whole state."""
    totals: dict[str, int] = {}
    held: dict[tuple[str, str], int] = {}
    timers: dict[int, int] = {}
    now = values[("clock",)].time
    for key, value in values.items():
        match key[0]:
            case "balance":
                _, account, asset = key
                totals[asset] = totals.get(asset, 0) + value
                if value < 0 and values[("asset", asset)].issuer != account:
                    raise InvariantViolation(2, f"{account} stands at {value} {asset}")
            case "held":
                owned = values.get(("balance", key[1], key[2]), 0)
                if not 0 < value <= owned:
                    raise InvariantViolation(3, f"{key[1]} holds {value} of {owned} {key[2]}")
            case "hold" | "lot":
                _collect_held(value, held)
            case "timer":
                timers[key[2]] = key[1]
            case "overdue":
                timers[key[1]] = now
            case _:
                pass
    for asset, total in totals.items():
        if total:
            raise InvariantViolation(1, f"balances of {asset} sum to {total}")
    _check_held(values, held)
    _check_expiries(values, timers)


def _collect_held(record: Hold | Lot, held: dict[tuple[str, str], int]) -> None:
    if isinstance(record, Hold):
        for asset, units in record.legs:
            held[record.owner, asset] = held.get((record.owner, asset), 0) + units
    else:
        held[record.holder, record.asset] = held.get((record.holder, record.asset), 0) + record.units


def _check_held(values: Mapping[Key, Value], held: dict[tuple[str, str], int]) -> None:
    """Check that what is held is the sum of the open holds and redemptions, no more and no less."""
    stored = {key[1:]: value for key, value in values.items() if key[0] == "held"}
    if stored != held:
        wrong = min(stored.items() ^ held.items())
        raise InvariantViolation(3, f"held does not equal the open holds and redemptions: {wrong}")


def _check_expiries(values: Mapping[Key, Value], timers: dict[int, int]) -> None:
    for key, value in values.items():
        if key[0] in ("hold", "lot") and not (isinstance(value, Lot) and value.status == "defaulted"):
            if value.timer[1] not in timers:
                raise InvariantViolation(8, f"{key[0]} {key[1]} has no timer")
        if key[0] == "timer" and not (isinstance(value, Timer) and value.owner):
            raise InvariantViolation(8, f"timer {key} has no owner")
