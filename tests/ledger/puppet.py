"""Hostile code: a contract that does whatever its caller scripts, and a few that are broken in their own way.

The ledger's promises to an account must hold whatever a contract does, so the tests let one do anything: a
`Puppet` plays a list of steps, swallowing refusals where a step is `caught`, and a script may script the
contracts that it calls.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from tallystick.ledger.apply import Kinds
from tallystick.ledger.contract import Contract, Record, Table, method, view
from tallystick.ledger.records import Terms
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext
from tallystick.protocol import KINDS


class Step(Record, frozen=True):
    """One thing to do; which of the fields matter depends on `do`."""

    do: str
    to: str = ""
    """An account, or the contract that is called."""
    asset: str = ""
    units: int = 0
    name: str = ""
    steps: "tuple[Step, ...]" = ()
    """What a called puppet does."""
    receive: int = 0
    caught: bool = False
    """Whether the puppet goes on when this step is refused."""


class Refusal(StrEnum):
    """Why a puppet refuses."""

    SCRIPTED = "puppet.scripted"


class Puppet(Contract):
    """Plays scripts."""

    kind = "puppet"
    version = 1
    Refusal = Refusal
    tables: ClassVar = {"notes": Table(key=(int,), value=int)}

    @method
    def run(self, ctx: CallContext, steps: tuple[Step, ...]) -> list[int]:
        """Play the steps."""
        return _play(ctx, steps)

    @method(clears=True)
    def settle(self, ctx: CallContext, steps: tuple[Step, ...]) -> list[int]:
        """Play the steps as the clearing method."""
        return _play(ctx, steps)

    @view
    def look(self, ctx: CallContext, steps: tuple[Step, ...]) -> list[int]:
        """Play the steps as a view."""
        return _play(ctx, steps)


def _play(ctx: CallContext, steps: tuple[Step, ...]) -> list[int]:
    seen: list[int] = []
    for step in steps:
        try:
            _do(ctx, step, seen)
        except Exception:
            if not step.caught:
                raise
    return seen


def _do(ctx: CallContext, step: Step, seen: list[int]) -> None:
    budget = {step.asset: step.units} if step.units else {}
    least = {step.asset: step.receive} if step.receive else {}
    match step.do:
        case "take" | "burn":
            getattr(ctx, step.do)(step.asset, step.units)
        case "pay":
            ctx.pay(step.to, step.asset, step.units, source=step.name or None)
        case "mint":
            ctx.mint(step.to, step.asset, step.units)
        case "create":
            ctx.create_asset(step.name)
        case "create_claim":
            ctx.create_asset(step.name, kind="claim", obligor=step.to, terms=Terms(owes="EUR"))
        case "subaccount":
            ctx.open_subaccount(step.name)
        case "call":
            ctx.call(step.to, step.name or "run", spend=budget, receive=least, steps=step.steps)
        case "attempt":
            done, _ = ctx.attempt(step.to, step.name or "run", spend=budget, receive=least, steps=step.steps)
            seen.append(int(done))
        case "attempt_badly":
            ctx.attempt(step.to, "run", spend=7, steps=())  # type: ignore[arg-type]
        case "attempt_badly_after":  # the call is carried out, then its `receive` is no number
            ctx.attempt(step.to, "run", spend=budget, receive={step.asset: "much"}, steps=step.steps)  # type: ignore[dict-item]
        case "view":
            ctx.view(step.to, step.name or "look", steps=step.steps)
        case "balance":
            seen.append(ctx.balance(step.asset, of=step.to or None))
        case "owe" | "clear":
            getattr(ctx, step.do)(step.asset, step.units)
        case "put":
            ctx.put("notes", step.units, value=int(step.name) if step.name else None)
        case "scan":
            seen += [value for _, value in ctx.scan("notes", start=step.units)]
        case "timer":
            seen += ctx.set_timer(step.units, "run", steps=step.steps)
        case "cancel_timer":
            ctx.cancel_timer(step.units, step.receive)
        case "emit":
            ctx.emit(step.name, units=step.units)
        case "refuse":
            raise Rejection(Refusal.SCRIPTED)
        case "fault":
            raise ZeroDivisionError("scripted")
        case "loop":
            while True:
                ctx.get("notes", 0)
        case "half":
            ctx.take(step.asset, step.units / 2)  # type: ignore[arg-type]
        case "emit_float":
            ctx.emit("half", value=0.5)
        case "emit_huge":
            ctx.emit("huge", value=10**5000)
        case _:
            raise KeyError(step.do)


class Careless(Contract):
    """Returns what no receipt can carry, and stores what could change in place."""

    kind = "careless"
    version = 1
    tables: ClassVar = {"queue": Table(key=(), value=tuple[int, ...])}

    @method
    def keep(self, ctx: CallContext) -> bool:
        """Store a list where a tuple is declared; tell whether a tuple is there."""
        numbers = [1, 2]
        ctx.put("queue", value=numbers)
        numbers.append(3)
        return bool(ctx.get("queue") == (1, 2))

    @method
    def half(self, ctx: CallContext) -> float:
        """Return half of one."""
        return 1 / 2

    @method
    def forever(self, ctx: CallContext) -> Iterator[int]:
        """Return an iterator."""
        return iter([1])


def puppet_kinds(*more: Contract, versions: frozenset[int] = frozenset([1])) -> Kinds:
    """Return the protocol's kinds with the hostile ones added."""
    added: tuple[Any, ...] = (Puppet(), Careless(), *more)
    return Kinds(
        contracts={**KINDS.contracts, **{(one.kind, one.version): one for one in added}},
        policies=KINDS.policies,
        versions=versions,
    )
