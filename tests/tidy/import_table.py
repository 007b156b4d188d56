"""The import table: which room of the house may depend on which, as data, and the check of one source file.

Every import statement counts, wherever it stands: at the top, inside a function, under `TYPE_CHECKING`, or
spelled `importlib.import_module("...")`. What the table does not name is refused, a new room included. The
obvious alternative, an import linter's configuration, cannot say "only behind a command" or "from `math` only
`isqrt`", and would be one more dependency.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

PACKAGE = "tallystick"


@dataclass(frozen=True)
class Room:
    """What one room may import beyond itself and the standard library."""

    rooms: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    rooms_in_functions: frozenset[str] = frozenset()
    """Rooms that may be imported inside a function only: behind the command that runs them."""
    rooms_in_files: tuple[tuple[str, str], ...] = ()
    """Pairs (room, file-name prefix): rooms open to some files of this one only."""
    version: bool = False
    """Whether `from tallystick import __version__` is allowed."""
    files_apart: bool = False
    """Whether the room's files may not import each other."""


def _room(rooms: str = "", packages: str = "", *, in_functions: str = "", **rest: object) -> Room:
    return Room(
        rooms=frozenset(rooms.split()),
        packages=frozenset(packages.split()),
        rooms_in_functions=frozenset(in_functions.split()),
        **rest,  # type: ignore[arg-type]
    )


_UNDER_STRESS = "crypto collector ledger log contracts institutions solvency venue protocol"

# `solvency`, `venue` and `venue_host` have no file yet; their first one is held to this.
TABLE: dict[str, Room] = {
    "multibuffer": _room(),
    "crypto": _room("multibuffer", packages="nacl"),
    "collector": _room(),
    "ledger": _room("crypto", "msgspec"),
    "log": _room("crypto"),
    "contracts": _room("ledger", files_apart=True),
    "institutions": _room("ledger"),
    "solvency": _room("ledger crypto log", "numpy numba pyarrow"),
    "venue": _room("ledger"),
    "protocol": _room("ledger contracts"),
    "venue_host": _room("venue client", "litestar", version=True),
    # PyYAML parses cases (decision 0015), msgspec types them and encodes outcomes.
    "stress": _room(_UNDER_STRESS, "numpy numba matplotlib yaml msgspec"),
    "node": _room(
        _UNDER_STRESS,
        # msgspec decodes the submit routes; prometheus-client writes the metrics (decision 0011).
        "litestar uvicorn prometheus_client psycopg msgspec",
        rooms_in_files=(("stress", "drill"),),  # the drill process
        version=True,
    ),
    "client": _room("crypto collector ledger log protocol", "httpx msgspec stdnum", version=True),
    "cli": _room("client", "msgspec click", in_functions="node venue_host solvency stress", version=True),
}

CONSENSUS = frozenset({"ledger", "contracts", "protocol", "institutions", "venue"})
"""The rooms whose results every replica must reproduce exactly."""

REFUSED_IN_CONSENSUS = {
    "clock": "calendar datetime sched time zoneinfo",
    "randomness": "random secrets",
    "threads and processes": (
        "_thread asyncio concurrent contextvars multiprocessing queue select selectors signal subprocess "
        "threading"
    ),
    "input and output": (
        "ftplib getpass glob http io logging mmap os pathlib shutil socket socketserver sqlite3 ssl "
        "tempfile urllib"
    ),
    "inexact numbers": "cmath colorsys decimal fractions numbers statistics",
    "the machine or interpreter": (
        "builtins code ctypes gc importlib locale marshal pickle platform shelve sys weakref zlib"
    ),
}
"""Standard modules that consensus forbids, by what they would let in."""

NAMES_IN_CONSENSUS = {"math": frozenset({"gcd", "isqrt"}), "uuid": frozenset({"UUID"})}
"""Standard modules of which consensus takes these names only."""

_REASON = {module: reason for reason, modules in REFUSED_IN_CONSENSUS.items() for module in modules.split()}


@dataclass(frozen=True)
class Import:
    """One import of a dotted module; `name` is what is taken from it, empty for the module itself."""

    module: str
    name: str
    line: int
    in_function: bool


def check_imports(source: str, *, path: str) -> list[str]:
    """Return a complaint for each import in `source` that the table refuses; none means it is allowed.

    `path` is relative to `src/tallystick`, with forward slashes.
    """
    file = PurePosixPath(path)
    if path == "__init__.py":
        return [
            f"{path}:{found.line}: the package's root imports nothing" for found in _imports(source, path)
        ]
    room_name = file.parts[0].removesuffix(".py")
    room = TABLE.get(room_name)
    if room is None:
        return [f"{path}:1: {room_name} is not a room of the import table"]
    complaints = []
    for found in _imports(source, path):
        why = _why_refused(found, room=room, room_name=room_name, file=file)
        if why:
            complaints.append(f"{path}:{found.line}: {why}")
    return complaints


def _why_refused(found: Import, *, room: Room, room_name: str, file: PurePosixPath) -> str:
    top, _, rest = found.module.partition(".")
    if top == "":
        return "an import of a computed name"
    if top == PACKAGE:
        return _why_room_refused(found, rest=rest, room=room, room_name=room_name, file=file)
    if top in sys.stdlib_module_names:
        return _why_standard_refused(found, top=top) if room_name in CONSENSUS else ""
    if top not in room.packages:
        return f"{room_name} may not import the package {top}"
    return ""


def _why_room_refused(found: Import, *, rest: str, room: Room, room_name: str, file: PurePosixPath) -> str:
    if not rest:
        if found.name == "__version__" and room.version:
            return ""
        if found.name in {"", "*", "__version__"}:
            return f"{room_name} may not import the package's root"
        rest = found.name
    target, _, inside = rest.partition(".")
    if target == room_name:
        own_module = ".".join(file.with_suffix("").parts[1:])
        reached = inside or (found.name if found.name != target else "")
        return (
            f"files of {room_name} may not import each other"
            if room.files_apart and reached != own_module
            else ""
        )
    if target in room.rooms:
        return ""
    if target in room.rooms_in_functions:
        return (
            ""
            if found.in_function
            else f"{room_name} may import {target} only inside the function that needs it"
        )
    for open_room, prefix in room.rooms_in_files:
        if target == open_room:
            opened = any(part.startswith(prefix) for part in file.parts[1:])
            return "" if opened else f"{room_name} may import {target} only in files named {prefix}*"
    return f"{room_name} may not import {target}"


def _why_standard_refused(found: Import, *, top: str) -> str:
    if top in NAMES_IN_CONSENSUS:
        names = NAMES_IN_CONSENSUS[top]
        if found.name in names:
            return ""
        return f"consensus takes {' and '.join(sorted(names))} from {top}, by name, and nothing else"
    if top in _REASON:
        return f"consensus forbids {top}: {_REASON[top]}"
    return ""


def _imports(source: str, path: str) -> Iterator[Import]:
    yield from _walk(ast.parse(source, filename=path), package=_package_of(path), in_function=False)


def _package_of(path: str) -> list[str]:
    return [PACKAGE, *PurePosixPath(path).parent.parts]


def _walk(node: ast.AST, *, package: list[str], in_function: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, "", node.lineno, in_function)
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level:
            # `from .x import y` in package a.b is a.b.x; each further dot drops one part.
            base = package[: len(package) - node.level + 1]
            module = ".".join([*base, *([module] if module else [])])
        for alias in node.names:
            yield Import(module, alias.name, node.lineno, in_function)
    elif isinstance(node, ast.Call) and _is_dynamic_import(node.func):
        yield Import(_literal_start(node), "", node.lineno, in_function)
    inner = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, package=package, in_function=inner)


def _is_dynamic_import(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


def _literal_start(call: ast.Call) -> str:
    """Return the module the call names, or as much as is written out; empty if that leaves the room open.

    An f-string counts when its literal start ends at a dot: f"tallystick.cli.{command}" is tallystick.cli.
    """
    argument = call.args[0] if call.args else None
    if isinstance(argument, ast.JoinedStr) and argument.values:
        start = argument.values[0]
        if isinstance(start, ast.Constant) and str(start.value).count(".") >= 2:
            return str(start.value).rpartition(".")[0]
        return ""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    return ""
