"""The register of settings: every `venues*.py` beside this file that has `SETTINGS` or `PLANTED`.

Found by name, so that a contract joins by a file of its own, and nobody edits a list.
"""

from importlib import import_module
from pathlib import Path

from tests.no_free_lunch.harness import Setting

_MODULES = [
    import_module(f"tests.no_free_lunch.{path.stem}")
    for path in sorted(Path(__file__).parent.glob("venues*.py"))
]


def _gathered(register: str) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for module in _MODULES:
        for name, setting in getattr(module, register, {}).items():
            assert name not in found, f"{register} has {name} twice"
            found[name] = setting
    return found


SETTINGS = _gathered("SETTINGS")
PLANTED = _gathered("PLANTED")
