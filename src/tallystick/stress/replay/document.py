"""Documents: YAML read into typed values, with every fault at once and each at its place.

A person who writes a case by hand makes several mistakes at a time, and wants to hear of all of them. So the
text becomes a tree of nodes that know their line, every plain value stays the text that was typed, and the
reader walks the tree by a dataclass, noting faults instead of stopping at the first; what it cannot read
becomes a neutral value, so that checks across the document run all the same, and faults that would follow
from another are left out. YAML's own guesses (`no` is false, 1.10 is 1.1, a date is a date if it looks like
one) never happen: the dataclass decides.

Refused: anchors and aliases, for a few lines of them are gigabytes; tags, for a case is data; a key twice,
for one of them would be lost.
"""

import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

BYTES_MAX = 1_000_000
DEPTH_MAX = 12
DIGITS_MAX = 30

Path = tuple[str | int, ...]
_T = TypeVar("_T")
_is_number = re.compile(r"-?\d{1,30}(\.\d{1,30})?").fullmatch
_is_date = re.compile(r"\d{4}-\d{2}-\d{2}").fullmatch


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong in a document: its line and column from 1, where it is, and what it is."""

    line: int
    column: int
    where: str
    what: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.where}: {self.what}"


class DocumentInvalid(Exception):
    """A document with faults, all of them, in the order of their lines."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in its document."""

    line: int
    column: int
    where: str


class Places:
    """Where each value stands in its document, and which could not be read."""

    def __init__(self) -> None:
        self._places: dict[Path, Place] = {}
        self.unread: set[Path] = set()

    def note(self, path: Path, node: yaml.Node) -> None:
        """Remember the place of a path."""
        mark = node.start_mark
        self._places[path] = Place(mark.line + 1, mark.column + 1, spell(path))

    def was_read(self, path: Path) -> bool:
        """Tell whether a path was read, and everything above it."""
        return not any(path[:depth] in self.unread for depth in range(1, len(path) + 1))

    def fault(self, path: Path, what: str) -> Fault:
        """Return a fault at a path, or at the nearest thing above it that has a place."""
        at = path
        while at and at not in self._places:
            at = at[:-1]
        place = self._places.get(at, Place(1, 1, "document"))
        return Fault(place.line, place.column, spell(path), what)


def spell(path: Path) -> str:
    """Return a path as a person writes it: `sheets[1].assets[3].amount`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "document"


Check = Callable[[Any, Places], Iterable[tuple[Path, str]]]
"""Looks across a document and yields what does not fit together, as (path, what)."""


def read_document(text: str, shape: type[_T], check: Check | None = None) -> _T:
    """Return the document as a `shape`, a dataclass, which `check` has looked over.

    Raises `DocumentInvalid` with every fault.
    """
    root = _compose(text)
    places = Places()
    reader = _Reader(places)
    value: _T = reader.read(root, shape, ())
    faults = reader.faults
    if check is not None:
        faults += [places.fault(path, what) for path, what in check(value, places) if places.was_read(path)]
    if faults:
        raise DocumentInvalid(faults)
    return value


def _compose(text: str) -> yaml.Node:
    if len(text.encode()) > BYTES_MAX:
        raise DocumentInvalid([Fault(1, 1, "document", f"longer than {BYTES_MAX} bytes")])
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                mark = token.start_mark
                what = "anchors, aliases and tags are refused"
                raise DocumentInvalid([Fault(mark.line + 1, mark.column + 1, "document", what)])
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DocumentInvalid([Fault(line, column, "document", f"no YAML: {error.problem}")]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentInvalid([Fault(1, 1, "document", f"no YAML: {error}"[:200])]) from None
    if root is None:
        raise DocumentInvalid([Fault(1, 1, "document", "is empty")])
    return root


class _Reader:
    """One walk; what it could not read it notes, and reads as neutral."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.faults: list[Fault] = []

    def fault(self, path: Path, what: str) -> None:
        self.faults.append(self.places.fault(path, what))
        self.places.unread.add(path)

    def read(self, node: yaml.Node, shape: Any, path: Path) -> Any:
        self.places.note(path, node)
        if len(path) > DEPTH_MAX:
            self.fault(path, f"deeper than {DEPTH_MAX} levels")
            return neutral(shape)
        origin = get_origin(shape)
        if origin in (Union, types.UnionType):
            inner = [part for part in get_args(shape) if part is not type(None)]
            return self.read(node, inner[0], path)
        if origin is tuple:
            return self._list(node, get_args(shape), path)
        if origin in (dict, Mapping):
            return self._map(node, get_args(shape), path)
        if hasattr(shape, "from_text"):
            return self._scalar(node, shape, shape.from_text, path)
        if is_dataclass(shape):
            return self._struct(node, shape, path)
        if origin is Literal:
            return self._scalar(node, shape, lambda text: _one_of(text, get_args(shape)), path)
        return self._scalar(node, shape, _SCALARS[shape], path)

    def _scalar(self, node: yaml.Node, shape: Any, parse: Callable[[str], Any], path: Path) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self.fault(path, "a plain value is wanted here, not a list or a map")
            return neutral(shape)
        try:
            return parse(node.value)
        except ValueError as error:
            self.fault(path, str(error))
            return neutral(shape)

    def _list(self, node: yaml.Node, shapes: tuple[Any, ...], path: Path) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            self.fault(path, "a list is wanted here: lines that begin with `- `, or [a, b]")
            return neutral(tuple[shapes])  # type: ignore[valid-type]
        items = node.value
        if len(shapes) == 2 and shapes[1] is Ellipsis:
            return tuple(self.read(item, shapes[0], (*path, at)) for at, item in enumerate(items))
        if len(items) != len(shapes):
            self.fault(path, f"a list of {len(shapes)} is wanted, not of {len(items)}")
            return neutral(tuple[shapes])  # type: ignore[valid-type]
        return tuple(
            self.read(item, shape, (*path, at))
            for at, (item, shape) in enumerate(zip(items, shapes, strict=True))
        )

    def _map(self, node: yaml.Node, shapes: tuple[Any, ...], path: Path) -> Any:
        found = {}
        for key, value in self._pairs(node, path):
            try:
                name = _SCALARS[shapes[0]](key)
            except ValueError as error:
                self.fault((*path, key), str(error))
                continue
            found[name] = self.read(value, shapes[1], (*path, key))
        return found

    def _struct(self, node: yaml.Node, shape: Any, path: Path) -> Any:
        hints = get_type_hints(shape)
        known = {field.name.rstrip("_"): field for field in fields(shape)}
        given: dict[str, Any] = {}
        for key, value in self._pairs(node, path):
            field = known.get(key)
            if field is None:
                self.places.note((*path, key), value)
                self.fault((*path, key), f"no such field; there are {', '.join(sorted(known))}")
            else:
                given[field.name] = self.read(value, hints[field.name], (*path, key))
        is_map = isinstance(node, yaml.MappingNode)
        for name, field in known.items():
            if field.name not in given and _is_needed(field):
                given[field.name] = neutral(hints[field.name])
                self.places.unread.add((*path, name))
                if is_map:
                    self.faults.append(self.places.fault(path, f"`{name}` is missing"))
        return shape(**given)

    def _pairs(self, node: yaml.Node, path: Path) -> list[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self.fault(path, "a map is wanted here: lines of `name: value`")
            return []
        pairs, seen = [], set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fault(path, "a key is a plain value")
                continue
            if key.value in seen:
                self.places.note((*path, key.value), key)
                self.fault((*path, key.value), "stands twice")
                continue
            seen.add(key.value)
            pairs.append((key.value, value))
        return pairs


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def neutral(shape: Any) -> Any:
    """Return a value of a shape that stands for one that could not be read."""
    origin = get_origin(shape)
    if origin in (Union, types.UnionType):
        return None
    if origin is Literal:
        return get_args(shape)[0]
    if origin is tuple:
        parts = get_args(shape)
        return () if len(parts) == 2 and parts[1] is Ellipsis else tuple(map(neutral, parts))
    if origin in (dict, Mapping):
        return {}
    if is_dataclass(shape):
        hints = get_type_hints(shape)
        return shape(**{one.name: neutral(hints[one.name]) for one in fields(shape) if _is_needed(one)})  # type: ignore[operator]
    return {str: "", int: 0, bool: False, date: date.min, Fraction: Fraction(0)}[shape]


def parse_number(text: str) -> Fraction:
    """Return a plain decimal number exactly. Raises `ValueError`."""
    plain = text.replace("_", "")
    if not _is_number(plain):
        raise ValueError(f"{text[:40]!r} is no plain decimal number")
    return Fraction(plain)


def parse_date(text: str) -> date:
    """Return a day such as 2022-11-02. Raises `ValueError`."""
    if not _is_date(text):
        raise ValueError(f"{text[:40]!r} is no day such as 2022-11-02")
    return date.fromisoformat(text)


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError(f"{text[:40]!r} is no whole number")
    return int(text)


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return text == "true"


def _one_of(text: str, words: tuple[str, ...]) -> str:
    if text not in words:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(words)}")
    return text


_SCALARS: dict[Any, Callable[[str], Any]] = {
    str: _text,
    int: _whole,
    bool: _truth,
    date: parse_date,
    Fraction: parse_number,
}
