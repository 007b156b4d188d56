"""The contract runtime: deploy, call, view, and the context through which code touches the world.

Each call is a frame: an instance, its caller, and the budget that the caller signed or declared. `take` and
`burn` reach the immediate caller only and draw on that frame's budget, so a contract cannot use what was
granted to another. An instance on the stack cannot be entered again; while an obligation to an instance is
open, only its clearing methods can. A refusal that code catches dooms the transaction all the same: only
`attempt` forgives one, by dropping everything that the attempted call did.

Contracts are part of the protocol and reviewed with it. The runtime bounds their state operations and
depth and turns any exception of theirs into `contract_fault`; it does not sandbox hostile Python.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, wraps
from typing import Any, NoReturn, TypeVar, cast

import msgspec
from msgspec.structs import astuple

from tallystick.ledger.amounts import INTEGER_FLOOR, INTEGER_LIMIT, check_units
from tallystick.ledger.assets import declare
from tallystick.ledger.contract import (
    Contract,
    Method,
    Table,
    check_integers,
    decode_arguments,
    encode_wire,
    to_wire,
)
from tallystick.ledger.execution import Execution, available_of, balance_of, credit, debit, move, parse_budget
from tallystick.ledger.mandates import charge, check_recipient
from tallystick.ledger.names import asset_id, check_name, subaccount_id
from tallystick.ledger.records import Account, Asset, Instance, Kind, Terms
from tallystick.ledger.rejections import Code, InvariantViolation, Rejection
from tallystick.ledger.store import CONTRACT_MARK, Key, Overlay
from tallystick.ledger.store import scan as scan_keys
from tallystick.ledger.timers import cancel_timer, set_timer
from tallystick.ledger.transactions import Call, Deploy

Budget = dict[str, int]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def find_instance(x: Execution, contract: str) -> tuple[Instance, Contract]:
    """Return the instance and its code. Rejections: `unknown_contract`, `unknown_kind`."""
    instance: Instance | None = x.overlay.get(("instance", contract))
    if instance is None:
        raise Rejection(Code.UNKNOWN_CONTRACT, contract=contract[:64])
    return instance, find_kind(x, instance.kind, instance.version)


def find_kind(x: Execution, kind: str, version: int) -> Contract:
    """Return the code of a kind and version that the protocol in force knows. Rejections: `unknown_kind`."""
    code: Contract | None = x.batch.contracts.get((kind, version))
    if code is None or code.since > x.batch.protocol:
        raise Rejection(Code.UNKNOWN_KIND, kind=kind[:64], version=version)
    return code


def deploy(x: Execution, action: Deploy) -> str:
    """Create a contract and return its id.

    Rejections: `name_invalid`, `account_exists`, `unknown_kind`, `arguments_invalid`, `not_canonical`, and
    the contract's own.
    """
    key = ("account", check_name(action.contract))
    if x.overlay.get(key) is not None:
        raise Rejection(Code.ACCOUNT_EXISTS, account=action.contract)
    code = find_kind(x, action.kind, action.version)
    _check_may_name(x, action)
    raw = bytes(action.parameters)
    parameters = decode_arguments(raw, code.Parameters, "deploy")
    x.overlay.writes[key] = Account(controller=action.contract)
    x.overlay.writes["instance", action.contract] = Instance(
        action.kind, action.version, action.account, raw.decode(), action.obligor
    )
    x.emit("ledger", "deployed", contract=action.contract, kind=action.kind, version=action.version)
    frame = CallContext(x, action.contract, code, parameters, action.account, {}, read_only=False)
    _run(x, frame, type(code).deploy, ())
    return action.contract


def _check_may_name(x: Execution, action: Deploy) -> None:
    """Under `invitation` the operator gives names out; others deploy below their own, as `alice.shop`.

    Rejections: `opening_refused`.
    """
    rule = x.overlay.get(("opening",))
    own = action.contract.startswith(f"{action.account}.")
    if rule == "invitation" and not own and action.account != x.overlay.get(("operator",)):
        raise Rejection(Code.OPENING_REFUSED, account=action.account, rule=rule)


def call(x: Execution, action: Call) -> Any:
    """Call a contract as the action's account and return the method's result in its wire form.

    Rejections: `unknown_contract`, `unknown_method`, `arguments_invalid`, `budget_exceeded`,
    `receive_unmet`, and whatever the contract refuses.
    """
    instance, code = find_instance(x, action.contract)
    found = _find_method(code, action.contract, action.method, is_view=False)
    arguments = decode_arguments(bytes(action.arguments), found.arguments, action.method)
    result = _enter(
        x,
        action.contract,
        instance,
        found,
        code=code,
        arguments=arguments,
        caller=action.account,
        budget=parse_budget(action.spend),
        receive=parse_budget(action.receive) if action.receive else {},
    )
    try:
        return to_wire(result)
    except (TypeError, ValueError) as fault:
        told = f"{action.method} returned what no receipt can carry: {fault}"[:200]
        raise Rejection(Code.CONTRACT_FAULT, contract=action.contract, fault=told) from fault


def run_call_timer(x: Execution, contract: str, name: str, raw: str) -> None:
    """Run a contract's timer: a call by the contract itself, with nothing to spend."""
    instance, code = find_instance(x, contract)
    found = _find_method(code, contract, name, is_view=False)
    arguments = decode_arguments(raw.encode(), found.arguments, name)
    _enter(
        x, contract, instance, found, code=code, arguments=arguments, caller=contract, budget={}, receive={}
    )


def answer(x: Execution, contract: str, name: str, arguments: dict[str, Any]) -> Any:
    """Return what a view of the contract answers.

    Rejections: `unknown_contract`, `unknown_method`, `arguments_invalid`, `obligation_open`, `reentrancy`,
    and the view's own.
    """
    instance, code = find_instance(x, contract)
    found = _find_method(code, contract, name, is_view=True)
    return _enter(
        x,
        contract,
        instance,
        found,
        code=code,
        arguments=_convert(found, arguments),
        caller="",
        budget={},
        receive={},
    )


@lru_cache(maxsize=4096)
def _parameters(shape: type[msgspec.Struct], raw: str) -> Any:
    return msgspec.json.decode(raw, type=shape, strict=False)


def _find_method(code: Contract, contract: str, name: str, *, is_view: bool) -> Method:
    found = code.methods.get(name)
    if found is None or found.is_view is not is_view:
        raise Rejection(Code.UNKNOWN_METHOD, contract=contract, method=name[:64])
    return found


def _convert(found: Method, arguments: dict[str, Any]) -> Any:
    try:
        value = msgspec.convert(arguments, found.arguments)
    except msgspec.ValidationError as error:
        raise Rejection(Code.ARGUMENTS_INVALID, method=found.name, reason=str(error)[:200]) from None
    check_integers(value)
    return value


def _enter(
    x: Execution,
    contract: str,
    instance: Instance,
    found: Method,
    *,
    code: Contract,
    arguments: Any,
    caller: str,
    budget: Budget,
    receive: Budget,
) -> Any:
    """Run one method in a frame of its own and check what the caller is to receive."""
    x.spend_work(1)
    read_only = found.is_view
    if x.stack:
        _check_stack(x, contract)
        read_only = read_only or x.stack[-1]._read_only  # noqa: SLF001 (a context is the runtime's own)
    if x.owes and not found.clears:
        _check_no_obligation(x, contract)
    parameters = _parameters(code.Parameters, instance.parameters)
    frame = CallContext(x, contract, code, parameters, caller, budget, read_only)
    before = len(x.overlay.postings)
    result = _run(x, frame, found.function, astuple(arguments))
    if receive:
        _check_received(x, frame, before, receive)
    return result


def _check_stack(x: Execution, contract: str) -> None:
    """Check that one more call fits and enters nothing twice. Rejections: `depth_exceeded`, `reentrancy`."""
    if len(x.stack) >= x.batch.limits.depth_max:
        raise Rejection(Code.DEPTH_EXCEEDED, depth_max=x.batch.limits.depth_max)
    if any(frame.this == contract for frame in x.stack):
        raise Rejection(Code.REENTRANCY, contract=contract)


def _check_received(x: Execution, frame: "CallContext", before: int, receive: Budget) -> None:
    """Check what the call posted to its caller. Rejections: `receive_unmet`."""
    contract, caller = frame.this, frame.caller
    got: Budget = {}
    for who, asset, change, _ in x.overlay.postings[before:]:
        if who == caller and change > 0:
            got[asset] = got.get(asset, 0) + change
    for asset, least in receive.items():
        received = got.get(asset, 0)
        if received < least:
            raise Rejection(
                Code.RECEIVE_UNMET, contract=contract, asset=asset, received=str(received), least=str(least)
            )


def _check_no_obligation(x: Execution, contract: str) -> None:
    for (instance, asset), units in x.overlay.open_obligations().items():
        if instance == contract:
            raise Rejection(Code.OBLIGATION_OPEN, contract=contract, asset=asset, units=str(units))


def _run(x: Execution, frame: "CallContext", function: Callable[..., Any], values: Any) -> Any:
    """Run contract code; whatever it raises that is no answer of ours becomes `contract_fault`."""
    x.stack.append(frame)
    try:
        return function(frame._code, frame, *values)  # noqa: SLF001 (a context is the runtime's own)
    except (Rejection, InvariantViolation, MemoryError):
        raise
    except Exception as fault:  # Contract code: any stray exception is a fact about it, never about us.
        told = f"{type(fault).__name__}: {fault}"[:200]
        raise Rejection(Code.CONTRACT_FAULT, contract=frame.this, fault=told) from fault
    finally:
        x.stack.pop()


def _dooms(function: _Function) -> _Function:
    """Make a refusal doom the transaction, so that code which catches it cannot go on regardless."""

    @wraps(function)
    def guarded(self: "CallContext", *arguments: Any, **named: Any) -> Any:
        try:
            return function(self, *arguments, **named)
        except Rejection as refused:
            if self._x.doomed is None:
                self._x.doomed = refused
            raise

    return cast(_Function, guarded)


class CallContext:
    """All that contract code can see and do.

    Reading: `caller`, `time` (microseconds UTC), `this` (its own id), `params`, `get`, `scan`,
    `balance`, `check_account`, `institution_of`, `view`, `attempt_view`. Writing: `put`, `take`, `pay`,
    `mint`, `burn`, `call`, `attempt`, `emit`, `set_timer`, `owe`, `clear`.
    """

    __slots__ = (
        "_budget",
        "_code",
        "_namespace",
        "_read_only",
        "_took",
        "_x",
        "caller",
        "params",
        "this",
        "time",
    )

    # Each has a type or a place of its own; by name they would cost a class's call half as much again.
    def __init__(  # noqa: PLR0917
        self,
        x: Execution,
        contract: str,
        code: Contract,
        parameters: Any,
        caller: str,
        budget: Budget,
        read_only: bool,  # noqa: FBT001
    ) -> None:
        self._x = x
        self._code = code
        self._budget = budget
        self._read_only = read_only
        self._took: dict[str, int] = {}
        """What this call took under the running mandate, which charged it: what it pays is a price then."""
        self._namespace = contract + CONTRACT_MARK
        self.this = contract
        self.caller = caller
        self.params = parameters
        self.time = x.batch.time

    # Storage.

    def _key(self, declared: Table, table: str, parts: tuple[Any, ...]) -> Key:
        if parts:
            if tuple(map(type, parts)) == declared.key:
                return (self._namespace, table, *parts)
        elif not declared.key:
            return (self._namespace, table)
        raise TypeError(f"table {table} has another key")

    def get(self, table: str, *parts: Any) -> Any:
        """Return the value at the key, or None."""
        x = self._x
        x.work -= 1  # as `spend_work` does, without a call at every read
        if x.work < 0:
            x.refuse_work()
        return x.overlay.get(self._key(self._code.tables[table], table, parts))

    def put(self, table: str, *parts: Any, value: Any) -> None:
        """Write the value at the key; None deletes it."""
        try:
            self._begin_write(1)
            declared = self._code.tables[table]
            key = self._key(declared, table, parts)
            check_integers(value)
            if parts:
                check_integers(parts)
        except Rejection as refused:
            raise self._doomed_by(refused) from None
        if value is not None and type(value) is not declared.value:
            if isinstance(declared.value, type):
                raise TypeError(f"table {table} holds {declared.value.__name__}, not {type(value).__name__}")
            # A list in place of a tuple could change under its readers, and would not come back as one.
            value = msgspec.convert(value, declared.value)
        self._x.overlay.put(key, value)

    def scan(
        self, table: str, *parts: Any, start: Any = None, reverse: bool = False
    ) -> Iterator[tuple[Key, Any]]:
        """Iterate over (key parts, value) below a key prefix in order, from `start` on or back from it.

        `start` is the next part of the key; a reverse scan needs one. Each pair counts as one state
        operation.
        """
        prefix = (self._namespace, table, *parts)
        if reverse and start is None:
            raise ValueError("a reverse scan names its start")
        state = self._x.overlay
        first = None if start is None else (*prefix, start)
        for key in scan_keys(state, prefix, start=first, reverse=reverse):
            self._x.spend_work(1)
            yield key[2:], state.get(key)

    # Assets.

    def balance(self, asset: str, *, of: str | None = None) -> int:
        """Return what this contract (or a sub-account of its) holds of the asset."""
        self._x.spend_work(1)
        account = self.this if of is None else self._own(of)
        return balance_of(self._x, account, asset)

    def available(self, account: str, asset: str) -> int:
        """Return what an account could move of the asset now."""
        self._x.spend_work(1)
        return available_of(self._x, account, asset)

    def supply(self, asset: str) -> int:
        """Return how much of the contract's own asset is outstanding."""
        self._x.spend_work(1)
        return -balance_of(self._x, self.this, asset)

    def take(self, asset: str, units: int) -> None:
        """Take units from the immediate caller into this contract, within the call's budget."""
        x = self._x
        try:
            self._begin_write(2)
            self._draw(asset, units)
            found = x.asset(asset)
            if found.issuer == self.caller:
                self._refuse_issuing(found)
            move(x, found, source=self.caller, target=self.this, units=units)
            if x.mandate is not None:
                self._charge_take(asset, units)
        except Rejection as refused:
            raise self._doomed_by(refused) from None

    def burn(self, asset: str, units: int) -> None:
        """Take units of the contract's own asset from the immediate caller out of circulation."""
        x = self._x
        try:
            self._check_writes()
            found = self._own_asset(asset)
            x.spend_work(2)
            self._draw(asset, units)
            debit(x, found, self.caller, units)
            credit(x, found, self.this, units)
            if x.mandate is not None:
                self._charge_take(asset, units)
        except Rejection as refused:
            raise self._doomed_by(refused) from None

    def pay(self, to: str, asset: str, units: int, *, source: str | None = None) -> None:
        """Pay units from this contract, or from a sub-account of its."""
        x = self._x
        try:
            self._begin_write(2)
            check_units(units)
            found = x.asset(asset)
            payer = self.this if source is None else self._own(source)
            if found.issuer == payer:
                self._refuse_issuing(found)
            if x.mandate is not None:
                self._charge_stranger(to, asset, units)
            move(x, found, source=payer, target=to, units=units)
        except Rejection as refused:
            raise self._doomed_by(refused) from None

    def mint(self, to: str, asset: str, units: int) -> None:
        """Issue units of the contract's own asset to an account."""
        x = self._x
        try:
            self._begin_write(2)
            check_units(units)
            found = self._own_asset(asset)
            if x.mandate is not None:
                self._charge_stranger(to, asset, units)
            move(x, found, source=self.this, target=to, units=units)
        except Rejection as refused:
            raise self._doomed_by(refused) from None

    @_dooms
    def create_asset(
        self,
        code: str,
        *,
        kind: Kind = "share",
        decimals: int = 0,
        unit: str = "",
        obligor: str = "",
        terms: Terms | None = None,
    ) -> str:
        """Declare an asset that this contract issues; a claim only on the obligor of its deployment."""
        self._check_writes()
        x = self._x
        if kind == "claim" and obligor != x.overlay.get(("instance", self.this)).obligor:
            raise Rejection(Code.NOT_CONTROLLED, contract=self.this, what=f"obligor {obligor}"[:64])
        return declare(
            x,
            Asset(
                id=asset_id(code, self.this),
                issuer=self.this,
                kind=kind,
                decimals=decimals,
                unit=unit,
                obligor=obligor,
                terms=terms,
            ),
        )

    @_dooms
    def asset(self, asset: str) -> Asset:
        """Return an asset's declaration. Rejections: `unknown_asset`."""
        self._x.spend_work(1)
        return self._x.asset(asset)

    @_dooms
    def open_subaccount(self, name: str) -> str:
        """Return the id of this contract's sub-account of that name, opening it the first time."""
        self._begin_write(1)
        account = subaccount_id(self.this, name)
        if self._x.overlay.get(("account", account)) is None:
            self._x.overlay.writes["account", account] = Account(controller=self.this)
        return account

    # Other instances.

    @_dooms
    def call(
        self,
        contract: str,
        name: str,
        /,
        *,
        spend: Budget | None = None,
        receive: Budget | None = None,
        **arguments: Any,
    ) -> Any:
        """Call another contract, which may take at most `spend` from this one."""
        self._check_writes()
        x = self._x
        instance, code = find_instance(x, contract)
        found = _find_method(code, contract, name, is_view=False)
        return _enter(
            x,
            contract,
            instance,
            found,
            code=code,
            arguments=_convert(found, arguments),
            caller=self.this,
            budget=dict(spend or {}),
            receive=receive or {},
        )

    def attempt(
        self,
        contract: str,
        name: str,
        /,
        *,
        spend: Budget | None = None,
        receive: Budget | None = None,
        **arguments: Any,
    ) -> tuple[bool, Any]:
        """Call another contract; return (True, result), or (False, code) with all it did forgotten."""
        x = self._x
        outer, x.overlay = x.overlay, Overlay(x.overlay)
        doomed_before, x.doomed = x.doomed, None
        taken_before = dict(x.taken)
        try:
            result = self.call(contract, name, spend=spend, receive=receive, **arguments)
            x.check_undoomed()
        except Rejection as refused:
            if refused.code is Code.WORK_EXCEEDED:
                raise
            return False, refused.code.value
        else:
            outer.merge(x.overlay)
            taken_before = x.taken
            return True, result
        finally:
            # On every way out, stray exceptions included: an attempt forgives what it called, nothing before.
            # (Work that ran out stays spent, so no such rejection is forgotten.)
            x.overlay, x.doomed, x.taken = outer, doomed_before, taken_before

    @_dooms
    def view(self, contract: str, name: str, /, **arguments: Any) -> Any:
        """Return what another contract's view answers."""
        return answer(self._x, contract, name, arguments)

    def attempt_view(self, contract: str, name: str, /, **arguments: Any) -> tuple[bool, Any]:
        """Ask another contract; return (True, answer), or (False, code) where it refused.

        For a source that may be missing: what refuses may be left out, a view leaves no trace.
        """
        x = self._x
        doomed_before, x.doomed = x.doomed, None
        try:
            result = answer(x, contract, name, arguments)
            x.check_undoomed()
        except Rejection as refused:
            if refused.code is Code.WORK_EXCEEDED:
                raise
            return False, refused.code.value
        else:
            return True, result
        finally:
            x.doomed = doomed_before

    @_dooms
    def check_account(self, account: str) -> None:
        """Check that an account exists, before a role is given to it. Rejections: `unknown_account`."""
        self._x.spend_work(1)
        self._x.account(account)

    @_dooms
    def institution_of(self, account: str) -> str:
        """Return the institution that the account joined, or an empty string."""
        self._x.spend_work(1)
        return self._x.overlay.get(("member", account)) or ""

    # Events, timers, obligations.

    def emit(self, name: str, **fields: Any) -> None:
        """Record an event."""
        # In the form of receipts at once: what none can carry is this contract's fault, not its reader's.
        if type(name) is not str or not name.isascii():
            raise TypeError("an event's name is a plain string")
        try:
            self._begin_write(1)
            for field, item in fields.items():
                # Most are numbers and plain texts, which stay as they are: not worth a call each.
                if type(item) is int and INTEGER_FLOOR < item < INTEGER_LIMIT:
                    fields[field] = str(item)
                elif type(item) is not str or not item.isascii():
                    fields[field] = to_wire(item)
            self._x.overlay.events.append((self.this, name, fields))
        except Rejection as refused:
            raise self._doomed_by(refused) from None

    @_dooms
    def set_timer(self, due: int, name: str, /, **arguments: Any) -> tuple[int, int]:
        """Have this contract's method called by itself at `due`; return the timer, to cancel it by."""
        self._begin_write(2)
        found = _find_method(self._code, self.this, name, is_view=False)
        raw = encode_wire(_convert(found, arguments), found.arguments).decode()
        return set_timer(
            self._x, due=due, kind="call", subject=self.this, owner=self.this, method=name, arguments=raw
        )

    @_dooms
    def cancel_timer(self, due: int, number: int) -> None:
        """Drop a timer of this contract."""
        self._begin_write(2)
        overlay = self._x.overlay
        waiting = overlay.get(("timer", due, number)) or overlay.get(("overdue", number))
        if waiting is not None and waiting.owner != self.this:
            raise Rejection(Code.NOT_CONTROLLED, contract=self.this, what=f"timer {number}")
        cancel_timer(self._x, (due, number))

    @_dooms
    def owe(self, asset: str, units: int) -> None:
        """Open an obligation to this contract: the transaction fails unless it is cleared by its end."""
        self._begin_write(1)
        check_units(units)
        key = (self.this, asset)
        self._x.owes = True
        self._x.overlay.obligations[key] = self._x.overlay.obligation(key) + units

    def owed(self, asset: str) -> int:
        """Return what is open to this contract in the asset."""
        return self._x.overlay.obligation((self.this, asset))

    @_dooms
    def clear(self, asset: str, units: int) -> None:
        """Clear an obligation to this contract, in whole or in part. Rejections: `obligation_exceeded`."""
        self._begin_write(1)
        check_units(units)
        key = (self.this, asset)
        left = self._x.overlay.obligation(key) - units
        if left < 0:
            raise Rejection(
                Code.OBLIGATION_EXCEEDED, contract=self.this, asset=asset, units=str(left + units)
            )
        self._x.overlay.obligations[key] = left

    # Guards.

    def _doomed_by(self, refused: Rejection) -> Rejection:
        """Doom the transaction as `_dooms` does, where its extra call would show in every swap."""
        if self._x.doomed is None:
            self._x.doomed = refused
        return refused

    def _check_writes(self) -> None:
        if self._read_only:
            raise Rejection(Code.READ_ONLY, contract=self.this)

    def _begin_write(self, operations: int) -> None:
        """Check that this call may write, and count what it is about to do."""
        if self._read_only:
            raise Rejection(Code.READ_ONLY, contract=self.this)
        x = self._x
        x.work -= operations  # as `spend_work` does, without a call at every write
        if x.work < 0:
            x.refuse_work()

    def _draw(self, asset: str, units: int) -> None:
        check_units(units)
        left = self._budget.get(asset, 0)
        if units > left:
            raise Rejection(
                Code.BUDGET_EXCEEDED, contract=self.this, asset=asset, asked=str(units), left=str(left)
            )
        self._budget[asset] = left - units

    def _refuse_issuing(self, asset: Asset) -> NoReturn:
        raise Rejection(Code.ISSUE_REQUIRED, account=asset.issuer, asset=asset.id)

    def _own_asset(self, asset: str) -> Asset:
        found = self._x.asset(asset)
        if found.issuer != self.this:
            raise Rejection(Code.NOT_CONTROLLED, contract=self.this, what=asset)
        return found

    def _own(self, account: str) -> str:
        if self._x.account(account).controller != self.this:
            raise Rejection(Code.NOT_CONTROLLED, contract=self.this, what=account)
        return account

    def _charge_take(self, asset: str, units: int) -> None:
        """Keep a mandate's account of what this contract took from its caller.

        From the mandating account itself it was charged with the posting. From code that acts for it, it
        leaves that code's hands as a payment to a stranger does, and perhaps for good.
        """
        x = self._x
        if x.mandate is None:
            return
        self._took[asset] = self._took.get(asset, 0) + units
        if self.caller == x.mandate[0]:
            x.taken[asset] = x.taken.get(asset, 0) + units
        else:
            self._charge_leaving(self.this, asset, units)

    def _charge_stranger(self, to: str, asset: str, units: int) -> None:
        """Charge a mandate for what code pays to others out of the account's position.

        Payments to the account itself and back along the call stack are free: that value is still to leave,
        and is charged then. The price of what this call took alone may leave uncharged: the taking was
        charged. Other code is a stranger: what it is paid may leave it without the mandate.
        """
        x = self._x
        if x.mandate is None:
            return
        if to == x.mandate[0]:
            # What came home is no longer on its way out.
            x.taken[asset] = max(x.taken.get(asset, 0) - units, 0)
            return
        recipient = x.account(to)
        if recipient.controller == self.this:
            return
        if any(frame.this == recipient.controller for frame in x.stack):
            x.taken[asset] = x.taken.get(asset, 0) + self._price(asset, units)
            return
        check_recipient(x, to)
        self._charge_leaving(to, asset, units)

    def _price(self, asset: str, units: int) -> int:
        """Return how much of a payment to a caller is the price, or the change, of what this call took.

        In the asset that was taken it is change, and no more than that; in another, all of it is the price.
        """
        if asset not in self._took:
            return units if self._took else 0
        change = min(units, self._took[asset])
        self._took[asset] -= change
        return change

    def _charge_leaving(self, to: str, asset: str, units: int) -> None:
        """Charge what goes to `to`, less what this very action took or was paid: that was charged before."""
        x = self._x
        paid_for = min(units, x.taken.get(asset, 0))
        x.taken[asset] = x.taken.get(asset, 0) - paid_for
        if units > paid_for:
            check_recipient(x, to)
            charge(x, asset, units - paid_for)
