"""`python -m benchmarks` lists the benchmarks; `python -m benchmarks NAME [--json] [--quick]` runs one.

A benchmark is a module of this package that defines `run(*, quick: bool) -> Result`; its name is the
module's. Listing reads the files without importing them, so one that cannot be imported hides no other.
"""

import argparse
import ast
import importlib
import json
import sys
from pathlib import Path

from benchmarks.result import Result

EXIT_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code. Data goes to stdout, the rest to stderr."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="List or run the benchmarks.")
    parser.add_argument("name", nargs="?", help="the benchmark to run; without it they are listed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--quick", action="store_true", help="run briefly: checks that it runs, proves no figure"
    )
    chosen = parser.parse_args(arguments)

    found = list_benchmarks(Path(__file__).parent)
    if chosen.name is None:
        _print_list(found, as_json=chosen.json)
        return 0
    if chosen.name not in found:
        sys.stderr.write(f"error: there is no benchmark {chosen.name!r}\n")
        sys.stderr.write(f"hint: {', '.join(found) or 'none is written yet'}\n")
        return EXIT_USAGE

    result = importlib.import_module(f"benchmarks.{chosen.name}").run(quick=chosen.quick)
    if not isinstance(result, Result):
        raise TypeError(f"benchmarks.{chosen.name}.run returned {type(result).__name__}, not a Result")
    shown = result.to_json(quick=chosen.quick) if chosen.json else result.to_text(quick=chosen.quick)
    sys.stdout.write(shown + "\n")
    return 0


def list_benchmarks(directory: Path) -> dict[str, str]:
    """Return the first docstring line of every module in `directory` that defines `run`, by name."""
    found = {}
    for file in sorted(directory.glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            found[file.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def _print_list(found: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    if not found:
        sys.stderr.write("No benchmark is written yet.\n")
    width = max(map(len, found), default=0)
    for name, summary in found.items():
        sys.stdout.write(f"{name:<{width}}  {summary}\n")


if __name__ == "__main__":
    sys.exit(main())
