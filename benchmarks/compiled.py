"""The kernel's compiled form: `python -m benchmarks.compiled` makes it in `build/compiled`, by mypyc.

It is the same sources, copied; the modules that `compiled` under `[tool.tallystick]` in pyproject.toml lists
are compiled. `PYTHONPATH=build/compiled` chooses it; nothing else does, and nothing is installed.
`kernel_form` tells which form is running, and whether a compiled one was made of other sources.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import tallystick.ledger.apply

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "tallystick"
BUILD = ROOT / "build" / "compiled"
COMPILED_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"


def main() -> int:
    """Make the compiled form unless it is current, and return the command's exit code."""
    if is_current():
        sys.stderr.write("compiled: build/compiled is current\n")
        return 0
    missing = list_missing()
    if missing:
        sys.stderr.write(f"error: compiling needs {' and '.join(missing)}\n")
        sys.stderr.write("hint: on Debian or Ubuntu, sudo apt-get install gcc python3-dev\n")
        return 1
    modules = list_modules()
    sys.stderr.write(f"compiled: compiling {len(modules)} modules, which takes half a minute\n")
    shutil.rmtree(BUILD, ignore_errors=True)
    # Bytecode of another place would shadow nothing, but says nothing either.
    shutil.copytree(SOURCES, BUILD / "tallystick", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "mypyc", *modules],
        cwd=BUILD,
        env=os.environ | {"CFLAGS": f"{os.environ.get('CFLAGS', '')} -w"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        sys.stderr.write("error: mypyc could not compile the kernel; its own words are above\n")
        shutil.rmtree(BUILD, ignore_errors=True)  # a half-made form would run, half of it plain
        return 1
    sys.stderr.write("compiled: PYTHONPATH=build/compiled .venv/bin/python -m benchmarks NAME measures it\n")
    return 0


def list_modules() -> list[str]:
    """Return the paths of the modules to compile, relative to `src`."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        modules: list[str] = tomllib.load(file)["tool"]["tallystick"]["compiled"]
    return [f"{module.replace('.', '/')}.py" for module in modules]


def list_missing() -> list[str]:
    """Return what this machine lacks for compiling, in words."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    missing = []
    if shutil.which(shlex.split(compiler)[0]) is None:
        missing.append(f"a C compiler ({compiler} is not on the path)")
    if not header.is_file():
        missing.append(f"Python's headers ({header} is not there)")
    if importlib.util.find_spec("setuptools") is None:
        missing.append("setuptools (.venv/bin/python -m pip install setuptools)")
    return missing


def is_current() -> bool:
    """Tell whether the compiled form is there and was made of today's sources and list."""
    wanted = {module.removesuffix(".py") + COMPILED_SUFFIX for module in list_modules()}
    made = {str(file.relative_to(BUILD)) for file in (BUILD / "tallystick").rglob(f"*{COMPILED_SUFFIX}")}
    return made == wanted and _read_all(SOURCES) == _read_all(BUILD / "tallystick")


def kernel_form() -> str:
    """Return which form of the kernel this process runs: `plain Python`, or `compiled` and of what."""
    if str(tallystick.ledger.apply.__file__).endswith(".py"):
        return "plain Python"
    return "compiled" if is_current() else "compiled, of other sources than today's"


def _read_all(room: Path) -> dict[str, bytes]:
    return {str(file.relative_to(room)): file.read_bytes() for file in room.rglob("*.py")}


if __name__ == "__main__":
    sys.exit(main())
