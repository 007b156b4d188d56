"""Holdings: everything that an account has and owes, wherever it lies, and what stands behind it.

An account's balance is the smaller part of the story. Some of it is promised (a hold), some is on its way
back to its obligor (a redemption), some of what the account has is no balance at all but a position inside a
contract, and a position can be a debt. `holdings_of` lists each once, on its right side. `look_through`
then follows shares to what backs them, until only claims, which somebody owes, and tokens, which nobody
owes, are left. Rounding is down throughout: nobody is told that it has more than the code would pay.
"""

from dataclasses import dataclass, replace
from typing import Literal

from tallystick.institutions.books import Books, Inside
from tallystick.ledger.amounts import mul_div_down
from tallystick.ledger.contract import Exit, Position
from tallystick.ledger.contract import replace as replace_record
from tallystick.ledger.rejections import Rejection

STEPS_MAX = 4_096
"""Shares that one question follows at most."""
DEPTH_MAX = 64
"""Shares within shares that one question follows at most."""

Where = Literal["free", "held", "requested", "due", "defaulted", "inside", "pledged", "due_in"]


@dataclass(frozen=True, slots=True)
class Holding:
    """Some units of an asset that an account has, or owes.

    `free_units` of them can leave now; the rest is encumbered for `party` until `until` (microseconds UTC;
    None where no date is set). `where` says how it lies:

    free       in the account itself
    held       in the account, promised to `party` by a hold (`note` is its name)
    requested  in the account, asked of its obligor and not due yet (`note` names the redemption)
    due        the same, due and not paid
    defaulted  the same, not paid in time
    inside     in the contract `party`
    pledged    in the contract `party`, where the account also owes something; or in the account itself,
               which the terms of the claim `note` name as its collateral
    due_in     not there: `party` owes it through a contract, which `note` names
    """

    account: str
    asset: str
    units: int
    where: Where
    free_units: int = 0
    owed: bool = False
    party: str = ""
    until: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """What is behind an asset at the end of all shares: `units` of a claim or token.

    `via` are the contracts whose code holds it, the outermost first. `stopped` says why a share could not
    be followed any further (`cycle`, `not_backed`, `too_many`, or the code with which its contract refused);
    then `asset` is that share. With `due_from` the units are not there: that account owes them to the last
    of the contracts.
    """

    asset: str
    units: int
    via: tuple[str, ...] = ()
    stopped: str = ""
    due_from: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A contract that would not say what an account has inside it, and the code with which it refused."""

    account: str
    contract: str
    code: str


def holdings_of(books: Books, account: str) -> tuple[list[Holding], list[Unanswered]]:
    """Return all that an account has and owes, by asset, and the contracts that refused to say.

    What an account issued is not among it: units outstanding are nothing that it has.
    """
    found: list[Holding] = []
    balances = books.balances(account)
    promised = _promised(books, account)
    secures = ", ".join(books.secured_by(account))
    for asset in sorted(balances):
        units = balances[asset]
        if units <= 0:
            continue
        encumbered = promised.get(asset, [])
        free = units - sum(holding.units for holding in encumbered)
        if free and secures:
            found.append(Holding(account, asset, free, "pledged", note=secures))
        elif free:
            found.append(Holding(account, asset, free, "free", free_units=free))
        found += encumbered
    unanswered = []
    for inside in books.inside(account):
        if inside.refused:
            unanswered.append(Unanswered(account, inside.contract, inside.refused))
        found += _positions(inside, account)
    return found, unanswered


def _promised(books: Books, account: str) -> dict[str, list[Holding]]:
    """Return the parts of an account's balances that holds and redemptions encumber, by asset."""
    found: dict[str, list[Holding]] = {}
    for name, hold in books.holds_of(account):
        for asset, units in hold.legs:
            found.setdefault(asset, []).append(
                Holding(account, asset, units, "held", party=hold.beneficiary, until=hold.expires, note=name)
            )
    now = books.clock.time
    for name, lot in books.lots_of(account):
        where: Where = "requested"
        if lot.status == "defaulted":
            where = "defaulted"
        elif lot.due <= now:
            where = "due"
        obligor = books.asset(lot.asset).obligor
        found.setdefault(lot.asset, []).append(
            Holding(account, lot.asset, lot.units, where, party=obligor, until=lot.due, note=name)
        )
    return found


def _positions(inside: Inside, account: str) -> list[Holding]:
    """Return an account's positions in one contract as holdings, with what of each can leave now."""
    in_debt = any(position.owed and position.units for position in inside.positions)
    owing = {position.asset for position in inside.positions if position.owed}
    # A way out that first takes what is owed is paying the debt, and frees nothing before that.
    ways = _ways_out(tuple(way for way in inside.exits if owing.isdisjoint(way.spend)))
    found = []
    for position in inside.positions:
        if not position.units:
            continue
        if position.owed:
            found.append(_position(inside.contract, account, position, "inside"))
            continue
        if position.due_from:
            note = ": ".join(filter(None, (inside.contract, position.note)))
            found.append(_position(position.due_from, account, replace_record(position, note=note), "due_in"))
            continue
        now, when = ways.get(position.asset, (0, None))
        free = min(position.units, now)
        ways[position.asset] = now - free, when
        where: Where = "pledged" if in_debt and free < position.units else "inside"
        until = when if free < position.units else None
        found.append(_position(inside.contract, account, position, where, free=free, until=until))
    return found


def _position(
    party: str, account: str, position: Position, where: Where, *, free: int = 0, until: int | None = None
) -> Holding:
    return Holding(
        account,
        position.asset,
        position.units,
        where,
        free_units=free,
        owed=position.owed,
        party=party,
        until=until,
        note=position.note,
    )


def _ways_out(exits: tuple[Exit, ...]) -> dict[str, tuple[int, int | None]]:
    """Return by asset how much can leave now, and when the last of the rest can."""
    ways: dict[str, tuple[int, int | None]] = {}
    for way in exits:
        now, when = ways.get(way.asset, (0, None))
        if way.units_later and way.when is not None:
            when = way.when if when is None else max(when, way.when)
        ways[way.asset] = now + way.units_now, when
    return ways


def look_through(books: Books, asset: str, units: int) -> list[Component]:
    """Return the claims and tokens behind `units` of an asset; a claim or token is itself.

    A share stands for its part of what backs the whole supply, rounded down, followed in turn. A chain of
    shares that comes back to a contract it passed stops there, and after `STEPS_MAX` shares the rest stays
    as it is (`too_many`): contracts that hold each other's shares can weave more paths than anyone can walk.
    """
    return _look(books, asset, units, (), [STEPS_MAX])


def _look(
    books: Books, asset: str, units: int, via: tuple[str, ...], steps_left: list[int]
) -> list[Component]:
    record = books.asset(asset)
    if record.kind != "share":
        return [Component(asset, units, via)]
    if record.issuer in via:
        return [Component(asset, units, via, stopped="cycle")]
    if not steps_left[0] or len(via) == DEPTH_MAX:
        return [Component(asset, units, via, stopped="too_many")]
    steps_left[0] -= 1
    try:
        backings = books.backing(asset)
    except Rejection as refused:
        return [Component(asset, units, via, stopped=refused.code.value)]
    supply = books.outstanding(asset)
    if not (backings and supply):
        return [Component(asset, units, via, stopped="not_backed")]
    found = []
    for backing in backings:
        part = mul_div_down(units, backing.units, supply)
        if not part:
            continue
        behind = _look(books, backing.asset, part, (*via, record.issuer), steps_left)
        if backing.due_from:
            behind = [replace(one, due_from=one.due_from or backing.due_from) for one in behind]
        found += behind
    return found
