from pathlib import Path

import pytest

from tests.tidy.consensus import check_expressions
from tests.tidy.import_table import CONSENSUS, TABLE, check_imports

SOURCE = Path(__file__).parents[2] / "src" / "tallystick"
FILES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def room_of(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES)
def test_file_keeps_to_the_import_table(path):
    assert check_imports((SOURCE / path).read_text(encoding="utf-8"), path=path) == []


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) in CONSENSUS])
def test_consensus_file_is_exact_and_deterministic(path):
    assert check_expressions((SOURCE / path).read_text(encoding="utf-8"), path=path) == []


def test_the_walk_finds_the_package():
    assert "__init__.py" in FILES


def test_the_table_names_only_rooms_of_its_own():
    for name, room in TABLE.items():
        reached = room.rooms | room.rooms_in_functions | {target for target, _ in room.rooms_in_files}
        assert reached <= TABLE.keys() - {name}


def test_no_room_can_reach_itself_through_others():
    def reaches(name: str, path: tuple[str, ...] = ()) -> None:
        assert name not in path, " -> ".join([*path, name])
        room = TABLE[name]
        for target in room.rooms | room.rooms_in_functions | {target for target, _ in room.rooms_in_files}:
            reaches(target, (*path, name))

    for name in TABLE:
        reaches(name)


# Each refused import beside its accepted neighbour.
ACCEPTED = [
    ("crypto.py", "import hashlib\nfrom nacl.bindings import crypto_sign"),
    ("collector.py", "import gc"),
    ("multibuffer.py", "import ctypes"),
    (
        "ledger/apply.py",
        "import msgspec\nfrom tallystick.crypto import sha256\nimport tallystick.ledger.store",
    ),
    ("ledger/apply.py", "from .store import Overlay\nfrom . import store\nfrom ..crypto import sha256"),
    ("ledger/apply.py", "from tallystick import crypto, ledger"),
    ("ledger/amounts.py", "from math import isqrt, gcd"),
    ("ledger/transactions.py", "from uuid import UUID"),
    ("ledger/apply.py", "import heapq, functools, re\nfrom collections.abc import Iterator"),
    ("log/tree.py", "from tallystick.crypto import sha256\nimport os, time"),
    ("contracts/pool.py", "from tallystick.ledger.amounts import mul_div_down"),
    ("contracts/pool.py", "import tallystick.contracts.pool"),
    ("contracts/__init__.py", ""),
    ("institutions/lens.py", "from tallystick.ledger import store"),
    ("solvency/tree.py", "import numpy as np\nfrom numba import njit\nfrom tallystick.log import tree"),
    ("venue/engine.py", "from tallystick.ledger.amounts import mul_div_up"),
    ("protocol.py", "from tallystick.contracts import pool, vault\nfrom tallystick.ledger import apply"),
    (
        "venue_host/app.py",
        "import litestar\nfrom tallystick.venue import engine\nfrom tallystick import client",
    ),
    ("stress/lab.py", "import numpy\nimport random\nfrom tallystick.institutions import sheet"),
    ("node/http.py", "import litestar, msgspec, uvicorn\nfrom tallystick import __version__, protocol"),
    ("node/drill.py", "from tallystick.stress import drill"),
    ("node/drill/worker.py", "from tallystick import stress"),
    ("client/wallet.py", "from tallystick.protocol import KINDS\nimport tallystick.log.proofs"),
    ("client/identifiers.py", "from stdnum import isin, lei"),
    ("cli/run.py", "import click\ndef run():\n    from tallystick.node import server"),
    ("cli/__init__.py", 'import importlib\ndef load(n):\n    importlib.import_module(f"tallystick.cli.{n}")'),
    ("client/ids.py", "from stdnum import isin\nfrom tallystick.ledger import names"),
]

REFUSED = [
    ("__init__.py", "import os"),
    ("utils.py", ""),
    ("helpers/text.py", "import re"),
    ("crypto.py", "import cryptography"),
    ("collector.py", "from tallystick.ledger import store"),
    ("multibuffer.py", "from tallystick import crypto"),
    ("crypto.py", "import msgspec"),
    ("crypto.py", "from tallystick.ledger import store"),
    ("ledger/apply.py", "import nacl.signing"),
    ("ledger/apply.py", "from tallystick.log import tree"),
    ("ledger/apply.py", "from tallystick import contracts"),
    ("ledger/apply.py", "from ..contracts import pool"),
    ("ledger/apply.py", "from .. import contracts"),
    ("ledger/apply.py", "def late():\n    from tallystick.contracts import pool"),
    (
        "ledger/apply.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tallystick.node import http",
    ),
    ("ledger/apply.py", "class A:\n    try:\n        import click\n    except ImportError:\n        pass"),
    ("ledger/apply.py", '__import__("tallystick.contracts")'),
    ("ledger/apply.py", "from tallystick import __version__"),
    ("ledger/apply.py", "from tallystick import *"),
    ("ledger/apply.py", "import tallystick"),
    ("ledger/apply.py", "import time"),
    ("ledger/apply.py", "from datetime import datetime, UTC"),
    ("ledger/apply.py", "import random"),
    ("ledger/apply.py", "def late():\n    import secrets"),
    ("ledger/apply.py", "import os.path"),
    ("ledger/apply.py", "import threading"),
    ("ledger/apply.py", "import asyncio"),
    ("ledger/apply.py", "import concurrent.futures"),
    ("ledger/apply.py", "from importlib import import_module"),
    ("ledger/amounts.py", "import math"),
    ("ledger/amounts.py", "from math import isqrt, sqrt"),
    ("ledger/amounts.py", "from math import *"),
    ("ledger/amounts.py", "from decimal import Decimal"),
    ("ledger/amounts.py", "from fractions import Fraction"),
    ("ledger/transactions.py", "from uuid import uuid4"),
    ("log/tree.py", "from tallystick.ledger import store"),
    ("log/tree.py", "import msgspec"),
    ("contracts/pool.py", "from tallystick.contracts.vault import Vault"),
    ("contracts/pool.py", "from tallystick.contracts import vault"),
    ("contracts/pool.py", "from tallystick import contracts"),
    ("contracts/pool.py", "from . import vault"),
    ("contracts/pool.py", "from .vault import Vault"),
    ("contracts/__init__.py", "from tallystick.contracts import pool"),
    ("contracts/pool.py", "import msgspec"),
    ("contracts/pool.py", "import time"),
    ("contracts/pool.py", "from tallystick import crypto"),
    ("institutions/lens.py", "from tallystick.contracts import pool"),
    ("institutions/lens.py", "import decimal"),
    ("solvency/tree.py", "import matplotlib"),
    ("solvency/tree.py", "from tallystick.contracts import pool"),
    ("venue/engine.py", "import socket"),
    ("venue/engine.py", "from tallystick.client import wallet"),
    ("protocol.py", "from tallystick.node import http"),
    ("protocol.py", "import random"),
    ("venue_host/app.py", "from tallystick.node import http"),
    ("venue_host/app.py", "from tallystick.ledger import apply"),
    ("stress/lab.py", "from tallystick.venue_host import app"),
    ("stress/lab.py", "from tallystick.node import http"),
    ("node/http.py", "from tallystick.client import wallet"),
    ("node/http.py", "from tallystick.stress import drill"),
    ("node/http.py", "import fastapi"),
    ("node/http.py", 'import importlib\nimportlib.import_module("tallystick.cli.run")'),
    ("node/http.py", "import importlib\nimportlib.import_module(name)"),
    ("node/http.py", 'import importlib\nimportlib.import_module(f"tallystick.{name}")'),
    ("client/wallet.py", "from tallystick.node import http"),
    ("client/wallet.py", "def late():\n    import tallystick.node"),
    ("client/wallet.py", "from tallystick.contracts import pool"),
    ("cli/run.py", "from tallystick.node import server"),
    ("cli/run.py", "def run():\n    from tallystick.ledger import apply"),
    ("cli/run.py", "import requests"),
]


@pytest.mark.parametrize(("path", "source"), ACCEPTED)
def test_allowed_import_is_accepted(path, source):
    assert check_imports(source, path=path) == []


@pytest.mark.parametrize(("path", "source"), REFUSED)
def test_forbidden_import_is_refused(path, source):
    complaints = check_imports(source, path=path)
    assert complaints
    assert all(complaint.startswith(f"{path}:") for complaint in complaints)


def test_every_room_has_an_import_it_must_refuse_and_one_it_must_accept():
    assert TABLE.keys() <= {room_of(path) for path, _ in REFUSED}
    assert TABLE.keys() <= {room_of(path) for path, _ in ACCEPTED}


@pytest.mark.parametrize(
    "source",
    [
        "share = 1 // 2",
        "rate_ppm = 500_000",
        "power = 2 ** 128",
        "isinstance(value, float)",
        "isinstance(value, (int, float))",
        "asset.id",
        "overlay.hash(key)",
        "path = 'a/b'",
        "def f(value: float) -> None: ...",
        "pow(3, -1, 7)",
        "for name in sorted({a, b}): pass",
        "total = len(set(a) | set(b))",
        "any(x in {1, 2} for x in items)",
        "found = max(set(a) - {0})",
    ],
)
def test_exact_expression_is_accepted(source):
    assert check_expressions(source, path="ledger/apply.py") == []


@pytest.mark.parametrize(
    "source",
    [
        "share = 0.5",
        "scale = 1e18",
        "root = 1j",
        "share = a / b",
        "share /= 2",
        "inverse = 10 ** -6",
        "float(value)",
        "complex(value)",
        "hash(key)",
        "id(key)",
        "sorted(items, key=hash)",
        "sorted(items, key=id)",
        "list(map(float, items))",
        "def f():\n    return [x / 2 for x in y]",
        "lambda x: x * 1.5",
        "print(x)",
        "open('state')",
        "eval('1')",
        "for name in {a, b}: pass",
        "names = [name for name in set(a) - set(b)]",
        "rows = {key: 0 for key in frozenset(keys)}",
        "names = tuple({name for name in a})",
        "for n, name in enumerate(set(names)): pass",
    ],
)
def test_inexact_or_undetermined_expression_is_refused(source):
    assert len(check_expressions(source, path="ledger/apply.py")) == 1
