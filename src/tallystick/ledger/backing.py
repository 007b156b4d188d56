"""Backing: invariant 6, asked of every contract's own books.

A contract says what stands behind each of its shares (`backing`), and the ledger knows what the contract
holds; here the two meet. Backing is not payability: a pool's reserves are backed whether or not somebody can
be found to trade with. Trusting the contract's word alone was refused: a bug in its books is exactly what
this is to find.
"""

from typing import Final

from tallystick.ledger.apply import Kinds, batch_context
from tallystick.ledger.contract import Backing
from tallystick.ledger.execution import Execution
from tallystick.ledger.records import Account, Clock
from tallystick.ledger.rejections import InvariantViolation, Rejection
from tallystick.ledger.runtime import answer
from tallystick.ledger.store import Overlay, Store

_WORK_MAX: Final = 1 << 53
"""A contract may have more rows than one transaction may read; whoever checks the whole state reads them."""


def check_backed(state: Store, kinds: Kinds) -> int:
    """Check invariant 6 for every contract and return how many backings were checked.

    What a contract says backs its shares it must hold, in its own account or in a sub-account of its, less
    what was clawed back from it: its code learns of that only when it is called. And a share that is
    outstanding must be backed by something. One that cannot say is not backed. Raises `InvariantViolation` 6.
    """
    contracts = sorted(key[1] for key in state.values if key[0] == "instance")
    holdings, shares = _holdings(state), _outstanding_shares(state)
    checked = 0
    for contract in contracts:
        needed: dict[str, int] = {}
        backed = set()
        for backing in _told(state, kinds, contract):
            backed.add(backing.share)
            checked += 1
            if backing.due_from:
                continue  # owed to the contract, and not to be there
            needed[backing.asset] = max(needed.get(backing.asset, 0), backing.units)
        for asset, units in needed.items():
            held = holdings.get((contract, asset), 0)
            clawed_back = state.values.get(("clawed_back", contract, asset), 0)
            if held + clawed_back < units:
                raise InvariantViolation(
                    6, f"{contract} says that {units} {asset} back its shares; it holds {held}"
                )
        for share, supply in shares.get(contract, ()):
            if share not in backed:
                raise InvariantViolation(
                    6, f"{supply} {share} are outstanding, and nothing is said to back them"
                )
    return checked


def _told(state: Store, kinds: Kinds, contract: str) -> list[Backing]:
    """Return what the contract says backs its shares, however long it takes to say."""
    clock: Clock = state.values[("clock",)]
    batch = batch_context(state, kinds, height=clock.height, time=clock.time, index=0)
    x = Execution(Overlay(state), batch, subject_id="backing")
    x.work = _WORK_MAX
    try:
        found: list[Backing] = answer(x, contract, "backing", {})
    except Rejection as refused:
        raise InvariantViolation(6, f"{contract} does not say what backs its shares: {refused}") from None
    return found


def _holdings(state: Store) -> dict[tuple[str, str], int]:
    """Return what each contract holds by asset, its sub-accounts included."""
    held: dict[tuple[str, str], int] = {}
    for key, units in state.values.items():
        if key[0] == "balance":
            account: Account = state.values["account", key[1]]
            if account.controller:
                of = (account.controller, key[2])
                held[of] = held.get(of, 0) + units
    return held


def _outstanding_shares(state: Store) -> dict[str, list[tuple[str, int]]]:
    """Return (share, supply) of every share that is outstanding, by the contract that issues it."""
    found: dict[str, list[tuple[str, int]]] = {}
    for key, asset in state.values.items():
        if key[0] == "asset" and asset.kind == "share":
            supply = -state.values.get(("balance", asset.issuer, asset.id), 0)
            if supply:
                found.setdefault(asset.issuer, []).append((asset.id, supply))
    return found
