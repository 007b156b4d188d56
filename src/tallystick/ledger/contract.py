"""Contracts: what a mechanism is written against.

A contract is a class in a file of its own. It declares its parameters (a frozen `Record`), its
tables (`Table` objects, by name) and its methods, each marked `@method` or `@view`. The class has no state:
everything it knows lies in its tables, and everything it does goes through the `CallContext` it is given,
so a reader can check it against its paper without looking anywhere else.

    class Tip(Contract):
        kind, version = "tip", 1
        tables = {"given": Table(key=(str,), value=int)}

        @method
        def give(self, ctx: CallContext, asset: str, units: int) -> None:
            ctx.take(asset, units)
            ctx.pay(ctx.params.owner, asset, units)
            ctx.put("given", ctx.caller, value=(ctx.get("given", ctx.caller) or 0) + units)

Arguments and results are whole numbers, strings, booleans, lists and structs of them. On the wire every
integer of a contract is a decimal string, so that no reader loses digits.
"""

import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

import msgspec
from msgspec.structs import astuple

from tallystick.ledger.amounts import INTEGER_FLOOR, INTEGER_LIMIT
from tallystick.ledger.rejections import Code, Rejection

if TYPE_CHECKING:
    from tallystick.ledger.runtime import CallContext

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of a contract's own structs: parameters, arguments and rows. Subclasses say `frozen=True`."""


replace = msgspec.structs.replace
"""Return a copy of a row with some fields changed: rows themselves never change."""


class Table(msgspec.Struct, frozen=True):
    """One table of a contract: the types of its key's parts, and of its value."""

    key: tuple[type, ...]
    value: Any


class Backing(msgspec.Struct, frozen=True):
    """What stands behind a contract's own asset: `units` of `asset` for the whole supply of `share`.

    The contract holds them, or, where `due_from` names an account, that account owes them to it.
    """

    share: str
    asset: str
    units: int
    due_from: str = ""


class Position(msgspec.Struct, frozen=True):
    """What an account has inside a contract: `units` of `asset`, owned by it or owed by it.

    What somebody owes the account through the contract names that debtor in `due_from`: units that are to
    come, where the others are units that the contract holds or pays by rule.
    """

    asset: str
    units: int
    owed: bool = False
    note: str = ""
    due_from: str = ""


class Exit(msgspec.Struct, frozen=True):
    """A way out: the method to call and with what, and how much leaves now; the rest leaves at `when`.

    `spend` is what the call takes: the shares that it burns. A call that pays several assets stands once for
    each, with equal `method` and `arguments`.
    """

    method: str
    arguments: dict[str, Any]
    asset: str
    units_now: int
    units_later: int = 0
    when: int | None = None
    spend: dict[str, int] = {}


class Power(msgspec.Struct, frozen=True):
    """Who may do what to others' assets here, within which bound and after which delay."""

    holder: str
    power: str
    bound: str
    delay_seconds: int = 0


class Dependencies(msgspec.Struct, frozen=True):
    """What a contract leans on: assets, other contracts, and oracles."""

    assets: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()
    oracles: tuple[str, ...] = ()


class Method(msgspec.Struct, frozen=True):
    """A callable of a contract: its code, the struct of its arguments, and how it may be entered."""

    name: str
    function: Callable[..., Any]
    arguments: type[msgspec.Struct]
    is_view: bool
    clears: bool


@overload
def method(function: _Function, /) -> _Function: ...


@overload
def method(*, clears: bool) -> Callable[[_Function], _Function]: ...


def method(function: _Function | None = None, *, clears: bool = False) -> Any:
    """Mark a method that may change state; `clears` lets it be entered while an obligation is open."""

    def mark(marked: _Function) -> _Function:
        marked.tallystick_entry = (False, clears)  # type: ignore[attr-defined]
        return marked

    return mark if function is None else mark(function)


def view(function: _Function) -> _Function:
    """Mark a method that only answers."""
    function.tallystick_entry = (True, False)  # type: ignore[attr-defined]
    return function


class NoParameters(Record, frozen=True):
    """The parameters of a contract that has none."""


class Contract:
    """The base of every contract kind. Subclasses are stateless; one object serves all instances."""

    kind: ClassVar[str]
    version: ClassVar[int]
    since: ClassVar[int] = 1
    """The protocol version from which instances may be deployed."""
    Parameters: ClassVar[type[Record]] = NoParameters
    Refusal: ClassVar[type[StrEnum] | None] = None
    tables: ClassVar[dict[str, Table]] = {}
    methods: ClassVar[dict[str, Method]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _check_immutable(cls.Parameters, f"{cls.__name__}.Parameters")
        for name, table in cls.tables.items():
            if not set(table.key) <= {str, int}:
                raise TypeError(f"{cls.__name__}.{name}: a key is made of strings and integers")
            _check_immutable(table.value, f"{cls.__name__}.{name}")
        cls.methods = {
            name: _describe(name, function)
            for name, function in inspect.getmembers(cls, inspect.isfunction)
            if hasattr(function, "tallystick_entry")
        }

    def deploy(self, ctx: "CallContext") -> None:
        """Set up a new instance; `ctx.caller` is the deployer."""

    # The five self-descriptions, answered for every kind.

    @view
    def backing(self, ctx: "CallContext") -> list[Backing]:
        """Return what backs each of the contract's own assets."""
        return []

    @view
    def positions(self, ctx: "CallContext", account: str) -> list[Position]:
        """Return what the account has inside the contract, owned and owed."""
        return []

    @view
    def exits(self, ctx: "CallContext", account: str) -> list[Exit]:
        """Return by which calls the account leaves, and how much of it can leave now."""
        return []

    @view
    def powers(self, ctx: "CallContext") -> list[Power]:
        """Return who has which power, with what bound and delay."""
        return []

    @view
    def dependencies(self, ctx: "CallContext") -> Dependencies:
        """Return on which assets, contracts and oracles the contract depends."""
        return Dependencies()


_PLAIN = (int, str, bool, type(None))


def _check_immutable(shape: Any, where: str) -> None:
    """Check that a stored type cannot be changed in place: what is read is what everybody else reads."""
    origin = get_origin(shape)
    if origin is Literal or shape in _PLAIN:
        return
    if origin in (tuple, Union, UnionType):
        for part in get_args(shape):
            if part is not Ellipsis:
                _check_immutable(part, where)
    elif isinstance(shape, type) and issubclass(shape, Record) and shape.__struct_config__.frozen:
        for name, hint in get_type_hints(shape).items():
            _check_immutable(hint, f"{where}.{name}")
    else:
        raise TypeError(f"{where}: {shape} can change in place; use tuples, frozen Records and plain values")


def _describe(name: str, function: Callable[..., Any]) -> Method:
    is_view, clears = function.tallystick_entry  # type: ignore[attr-defined]
    names = list(inspect.signature(function).parameters.values())[2:]
    hints = get_type_hints(function, localns={"CallContext": object})
    fields: list[Any] = []
    for parameter in names:
        if parameter.default is inspect.Parameter.empty:
            fields.append((parameter.name, hints[parameter.name]))
        else:
            fields.append((parameter.name, hints[parameter.name], parameter.default))
    arguments = msgspec.defstruct(name, fields, frozen=True, forbid_unknown_fields=True, omit_defaults=True)
    return Method(name=name, function=function, arguments=arguments, is_view=is_view, clears=clears)


_encode = msgspec.json.Encoder().encode


def to_wire(value: Any) -> Any:
    """Return `value` with every integer as a decimal string, ready for canonical JSON.

    Rejections: `amount_too_large`, an integer of 2^256 or more. Raises `TypeError` or `UnicodeError` on what
    no receipt can carry.
    """
    kind = type(value)
    if kind is int:
        if not INTEGER_FLOOR < value < INTEGER_LIMIT:
            raise Rejection(Code.AMOUNT_TOO_LARGE, limit="2^256")
        return str(value)
    if kind is str:
        if not value.isascii():
            value.encode()  # a lone surrogate has no UTF-8, so no receipt could carry it
        return value
    if kind is bool or value is None:
        return value
    if kind is dict:
        wire = {}
        for key in sorted(value):
            if type(key) is not str and type(key) is not int:
                raise TypeError("a map's keys are strings or integers")
            item = value[key]
            # Most of every event and argument: not worth a call each.
            if type(item) is int and INTEGER_FLOOR < item < INTEGER_LIMIT:
                wire[key] = str(item)
            elif type(item) is str and item.isascii():
                wire[key] = item
            else:
                wire[key] = to_wire(item)
        return wire
    if kind is list or kind is tuple:
        return [to_wire(item) for item in value]
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.asdict(value)
        if value.__struct_config__.tag is not None:  # one of several shapes: which, stands beside its fields
            fields[str(value.__struct_config__.tag_field)] = value.__struct_config__.tag
        return to_wire(fields)
    raise TypeError(f"{kind.__name__} has no wire form")


def decode_arguments(raw: bytes, shape: type[msgspec.Struct], what: str) -> Any:
    """Return the struct that `raw` is the canonical wire form of: sorted keys, integers as strings.

    Rejections: `arguments_invalid`, `not_canonical`.
    """
    try:
        value = _decoder(shape).decode(raw)
        if encode_wire(value, shape) != raw:
            raise Rejection(Code.NOT_CANONICAL, part=what)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, TypeError) as error:
        raise Rejection(Code.ARGUMENTS_INVALID, method=what, reason=str(error)[:200]) from None
    return value


def encode_wire(value: msgspec.Struct, shape: type[msgspec.Struct]) -> bytes:
    """Return the canonical wire form: sorted keys, optional fields at their default left out."""
    wire = {}
    for name, default in _sorted_fields(shape):
        item = getattr(value, name)
        if default is _REQUIRED or item != default:
            # Likewise: not worth a call each.
            if type(item) is int and INTEGER_FLOOR < item < INTEGER_LIMIT:
                wire[name] = str(item)
            elif type(item) is str and item.isascii():
                wire[name] = item
            else:
                wire[name] = to_wire(item)
    return _encode(wire)


_REQUIRED: Any = object()


@cache
def _sorted_fields(shape: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """Return a struct's fields by name with their defaults: every call asks, so it is kept."""
    fields = msgspec.structs.fields(shape)
    return tuple(
        (field.name, _REQUIRED if field.required else field.default)
        for field in sorted(fields, key=lambda field: field.name)
    )


@cache
def _decoder(shape: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=False)


def check_integers(value: Any) -> None:
    """Check that every number inside is an integer below 2^256. Rejections: `amount_too_large`."""
    kind = type(value)
    if kind is int:
        if not INTEGER_FLOOR < value < INTEGER_LIMIT:
            raise Rejection(Code.AMOUNT_TOO_LARGE, limit="2^256")
    elif isinstance(value, msgspec.Struct):
        _check_each(astuple(value))
    elif kind is float:
        raise TypeError("a float is no value of the ledger")
    elif kind is list or kind is tuple:
        _check_each(value)
    elif kind is dict:
        _check_each(value.values())


def _check_each(values: Iterable[Any]) -> None:
    for value in values:
        # Most are strings and small integers, in every call and event: not worth a call each.
        if type(value) is int:
            if INTEGER_FLOOR < value < INTEGER_LIMIT:
                continue
        elif type(value) is str:
            continue
        check_integers(value)
