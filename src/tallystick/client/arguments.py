"""Contract arguments: from what a person types to the one wire form that the ledger accepts.

On the wire every integer of a contract is a decimal string and every object's keys are sorted, so there is
one spelling of each call. A person writes `units=100 to=bob`, or JSON. Where the method is known its types
decide (`memo=100` is a text if the method says so); otherwise integers become strings, which comes to the
same thing.
"""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from tallystick.client.errors import ClientError
from tallystick.ledger.contract import Contract, check_integers, encode_wire, to_wire
from tallystick.ledger.rejections import Rejection
from tallystick.protocol import KINDS


class ArgumentsError(ClientError):
    """The text is not the arguments of that method."""


def contract_of(kind: str, version: int | None = None) -> Contract:
    """Return a contract's description; without a version, the newest that this program knows."""
    versions = {known: code for (name, known), code in KINDS.contracts.items() if name == kind}
    if not versions:
        names = sorted({name for name, _ in KINDS.contracts})
        raise ArgumentsError(f"no contract kind {kind[:40]!r}", hint=f"one of {', '.join(names)}")
    found: Contract | None = versions.get(max(versions) if version is None else version)
    if found is None:
        raise ArgumentsError(f"{kind} has no version {version}", hint=f"it has {sorted(versions)}")
    return found


def parameters_shape(contract: Contract) -> type[msgspec.Struct]:
    """Return the struct that a deployment's parameters fill."""
    return contract.Parameters


def method_shape(contract: Contract, method: str) -> type[msgspec.Struct]:
    """Return the struct that a method's or view's arguments fill."""
    found = contract.methods.get(method)
    if found is None:
        raise ArgumentsError(
            f"{contract.kind} has no method {method[:40]!r}", hint=f"one of {', '.join(contract.methods)}"
        )
    return found.arguments


def parse_pairs(texts: Iterable[str]) -> dict[str, Any]:
    """Return `key=value` texts as a mapping; values are JSON where they parse as such, else plain text."""
    found: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ArgumentsError(f"{text[:60]!r} is not key=value")
        if key in found:
            raise ArgumentsError(f"{key!r} is given twice")
        try:
            found[key] = _load(value)
        except ArgumentsError:
            raise
        except ValueError:
            found[key] = value
    return found


def parse_object(text: str) -> dict[str, Any]:
    """Return the mapping that a JSON object spells; no key twice, no float."""
    try:
        value = _load(text)
    except ValueError as error:
        raise ArgumentsError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ArgumentsError(f"arguments are a JSON object, not {type(value).__name__}")
    return value


def encode_arguments(values: dict[str, Any], shape: type[msgspec.Struct] | None = None) -> msgspec.Raw:
    """Return the canonical wire form, ready for `Call.arguments` or `Deploy.parameters`.

    With `shape` the values are converted to its types first, and optional ones at their default left out.
    """
    try:
        wire = msgspec.json.encode(to_wire(values))
        if shape is None:
            return msgspec.Raw(wire)
        arguments = msgspec.json.decode(wire, type=shape, strict=False)
        check_integers(arguments)
        return msgspec.Raw(encode_wire(arguments, shape))
    except (msgspec.MsgspecError, TypeError, Rejection) as error:
        raise ArgumentsError(f"arguments do not fit: {error}") from None


def _load(text: str) -> Any:
    return json.loads(
        text, object_pairs_hook=_unique, parse_float=_refuse_float, parse_constant=_refuse_float
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ArgumentsError("a key stands twice in one object")
    return found


def _refuse_float(text: str) -> NoReturn:
    raise ArgumentsError(f"{text[:40]} is no whole number", hint="amounts are whole minor units")
