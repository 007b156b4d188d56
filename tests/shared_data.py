"""Test data that lies beside the checkout, because it is other people's and large.

A test that needs it asks `shared("log/note/notes.json")` and is skipped, with the reason, where the data is
absent. Refused: copying the vectors into the repository, which would fork them from their sources.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

_DEFAULT_ROOT = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"


def shared(path: str) -> Path:
    """Return the path of a shared file or folder; skips the calling test when it is absent.

    `TALLYSTICK_SHARED_DATA` names another root than `../shared/data`.
    """
    root = Path(os.environ.get("TALLYSTICK_SHARED_DATA") or _DEFAULT_ROOT)
    found = root / path
    if not found.exists():
        pytest.skip(f"shared test data is absent: {path} (set TALLYSTICK_SHARED_DATA to its root)")
    return found


def shared_json(path: str) -> Any:
    """Return the parsed JSON of a shared file; skips like `shared`."""
    return json.loads(shared(path).read_text(encoding="utf-8"))
