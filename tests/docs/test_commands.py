"""The commands of the README and the guides, run as a reader would: pasted into a shell, in order.

A line that says `# rejected: CODE` must be refused with that code; every other must succeed.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = sorted(path for path in (ROOT / "docs" / "guides").glob("*.md") if path.name != "README.md")
SETUP = """
tallystick init ledger.tally --name "Our ledger" --operator operator
tallystick account open bank vault alice bob shop
tallystick institution found bank-ag --account bank --role bank
tallystick institution found vault-ag --account vault --role custodian
tallystick asset create eur --issuer bank --kind claim --decimals 2 --unit EUR --obligor bank-ag --owes EUR
tallystick asset create gold --issuer vault --kind claim --decimals 3 --unit XAU --obligor vault-ag --owes XAU
tallystick asset issue eur@bank --leg alice:100.00 --leg bob:100.00
tallystick asset issue gold@vault alice 2.000
"""
PAYMENTS = "sender,amount,receiver,ref\nALICE,12.50,BOB,R-1\nALICE,1000000,BOB,R-2\nBOB,3.00,ALICE,R-3\n"


def shell_lines(text: str) -> list[str]:
    """Return the lines of a Markdown text's `sh` blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def run_lines(lines: list[str], directory: Path) -> None:
    """Run each line in one shell's environment, stopping at the first that does not do what it says."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TALLYSTICK_PASSWORD": "a password",
        "NO_COLOR": "1",
    }
    environment.pop("TALLYSTICK_LEDGER", None)
    for line in lines:
        expected = re.search(r"# rejected: ([\w.]+)", line)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = f"$ {line}\n{done.stdout}{done.stderr}"
        if expected is None:
            assert done.returncode == 0, told
        else:
            assert done.returncode == 1, told
            assert expected[1] in done.stderr, told


def log_key(directory: Path) -> str:
    """Return the public log key of the ledger in the directory."""
    done = subprocess.run(
        [Path(sys.executable).parent / "tallystick", "info", "--log-key"],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def free_port() -> int:
    """Return a port of this machine that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.long
def test_the_readmes_first_payment_works_as_written(tmp_path):
    lines = shell_lines((ROOT / "README.md").read_text(encoding="utf-8"))
    assert lines[:2] == ["make run", "make test"]
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\nrun: " in targets
    assert "\ntest: " in targets
    commands = [line for line in lines[2:] if not line.startswith((". ", "export "))]
    assert len(commands) >= 10
    run_lines(commands, tmp_path)


@pytest.mark.long
def test_the_readmes_python_prints_what_its_comment_says(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = shell_lines(readme)
    run_lines([line for line in lines if line.startswith("tallystick ") and "$(" not in line], tmp_path)
    code = re.search(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert code
    done = subprocess.run(
        [sys.executable, "-c", code[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1250\n"


@pytest.mark.long
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guides_commands_work_as_written(guide, tmp_path):
    (tmp_path / "payments.csv").write_text(PAYMENTS, encoding="utf-8")
    lines = shell_lines(guide.read_text(encoding="utf-8"))
    assert lines
    run_lines(SETUP.strip().splitlines(), tmp_path)
    # Another run on this machine may have the guide's port.
    words = {"$LOG_KEY": log_key(tmp_path), "18473": str(free_port())}
    for written, here in words.items():
        lines = [line.replace(written, here) for line in lines]
    run_lines(lines, tmp_path)


def test_a_command_that_fails_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="there is no ledger file"):
        run_lines(["tallystick balance alice --ledger nowhere.tally"], tmp_path)
    with pytest.raises(AssertionError):
        run_lines(["tallystick --version  # rejected: insufficient_balance"], tmp_path)
