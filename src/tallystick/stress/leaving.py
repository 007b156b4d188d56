"""Everyone leaves: all who have something inside a contract take it out by its own exits.

A contract owes nothing; what it can pay is what it holds. So the question about it is not whether it fails
but who gets out, with what, and who has to wait. Each participant asks the contract how it leaves (`exits`)
and does so, one after another in the order of names, day after day until nobody can take any more: a pool
pays everybody at once, a lending market pays until it is lent out, a vault with a notice pays later.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick.ledger.apply import Kinds
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.store import Store
from tallystick.stress.ground import Ground
from tallystick.stress.raising import Raiser
from tallystick.stress.scenario import Scenario, ScenarioInvalid
from tallystick.stress.tills import Tills

Amounts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Leaver:
    """One participant: what it `got`, on which days, and what it still has inside and would be paid later.

    `why` says why it could not leave: a contract does not ask, or the code with which its exit was refused.
    """

    account: str
    got: Amounts
    days: tuple[int, ...]
    inside: Amounts
    owes: Amounts
    why: str


@dataclass(frozen=True)
class Exodus:
    """What came of it, for everybody who had something inside."""

    contract: str
    state_root: str
    days: int
    leavers: tuple[Leaver, ...]
    transactions: int

    @property
    def out(self) -> int:
        """How many left whole: nothing of theirs is inside any more."""
        return sum(not one.inside for one in self.leavers)

    @property
    def hash(self) -> str:
        """SHA-256 of the document in its one byte form, in hex."""
        return hashlib.sha256(msgspec.json.encode(self._full(), order="deterministic")).hexdigest()

    def document(self) -> dict[str, Any]:
        """Return the document."""
        return self._full() | {"result_hash": self.hash}

    def _full(self) -> dict[str, Any]:
        return {
            "format": "tallystick-exodus-v1",
            "contract": self.contract,
            "state_root": self.state_root,
            "days": self.days,
            "participants": len(self.leavers),
            "out": self.out,
            "leavers": [
                {
                    "account": one.account,
                    "got": _told(one.got),
                    "days": list(one.days),
                    "inside": _told(one.inside),
                    "owes": _told(one.owes),
                    "why": one.why,
                }
                for one in self.leavers
            ],
            "transactions": self.transactions,
        }


def everyone_leaves(
    state: Store,
    kinds: Kinds,
    contract: str,
    *,
    days: int = 30,
    state_root: str = "",
    index: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Exodus:
    """Let all participants of a contract leave it on a fork. Raises `ScenarioInvalid` if it is none."""
    ground = Ground(state, kinds, index=index)
    books = ground.books
    try:
        books.instance(contract)
    except Rejection:
        raise ScenarioInvalid([f"{contract[:80]!r} is neither an institution nor a contract"]) from None
    raiser = Raiser(ground, Tills(ground, lambda *_: ""), Scenario((), (0,)))
    accounts = participants(ground, contract)
    for day in range(days):
        ground.begin(day)
        raiser.begin_day()
        for account in accounts:
            if ground.can_sign(account):
                raiser.leave("", account, contract)
        if progress is not None:
            progress(day + 1, days)
        if not any(_inside(ground, contract, account)[0] for account in accounts):
            break
    if progress is not None:
        progress(days, days)
    leavers = tuple(_leaver(ground, raiser, contract, account) for account in accounts)
    return Exodus(contract, state_root, days, leavers, ground.transactions)


def participants(ground: Ground, contract: str) -> list[str]:
    """Return who has an asset that the contract issued, or is known to it and has a position, sorted."""
    books = ground.books
    own = {contract, *(name for name in books.names_in(contract) if name.startswith(f"{contract}/"))}
    found = {holder for asset in books.issued_by(contract) for holder in books.holders(asset)}
    found |= {name for name in books.names_in(contract) if any(_inside(ground, contract, name))}
    return sorted(name for name in found - own if not name.startswith(f"{contract}/") and name != contract)


def _inside(ground: Ground, contract: str, account: str) -> tuple[Amounts, Amounts]:
    """Return what an account has inside, shares included, and what it owes there."""
    books = ground.books
    has: dict[str, int] = {}
    owes: dict[str, int] = {}
    for asset in books.issued_by(contract):
        units = books.balances(account).get(asset, 0)
        if units > 0:
            has[asset] = units
    try:
        positions = books.ask(contract, "positions", account=account)
    except Rejection:
        positions = []
    for position in positions:
        side = owes if position.owed else has
        if position.units:
            side[position.asset] = side.get(position.asset, 0) + position.units
    return tuple(sorted(has.items())), tuple(sorted(owes.items()))


def _leaver(ground: Ground, raiser: Raiser, contract: str, account: str) -> Leaver:
    got: dict[str, int] = {}
    days: dict[int, None] = {}
    for left in raiser.left:
        if left.account == account:
            days[left.day] = None
            for asset, units in left.got:
                got[asset] = got.get(asset, 0) + units
    inside, owes = _inside(ground, contract, account)
    why = ""
    if inside and not ground.can_sign(account):
        why = "a contract asks for nothing"
    elif inside:
        why = raiser.refused.get((account, contract), "nothing can leave now")
    return Leaver(account, tuple(sorted(got.items())), tuple(days), inside, owes, why)


def _told(amounts: Amounts) -> list[list[str]]:
    return [[asset, str(units)] for asset, units in amounts]
