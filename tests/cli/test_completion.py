import os
import shutil
import subprocess
import sys

import pytest

from tests.cli.desk import Desk


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_script_asks_this_program(shell, tmp_path):
    desk = Desk(tmp_path)
    script = desk(f"completion {shell}")
    assert f"_TALLYSTICK_COMPLETE={shell}_complete" in script
    assert desk.json(f"completion {shell}")["script"].strip("\n") == script.strip("\n")
    if found := shutil.which(shell):
        subprocess.run([found, "-n"], input=script, text=True, check=True, timeout=20)


def test_another_shell_is_refused(tmp_path):
    Desk(tmp_path).fails("completion tcsh", exit_code=2)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("tallystick hol", "hold"), ("tallystick hold cap", "capture"), ("tallystick pay --on", "--once")],
)
def test_what_is_typed_is_completed(typed, offered):
    asked = os.environ | {
        "_TALLYSTICK_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    program = "import sys; sys.argv[0] = 'tallystick'; from tallystick.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=asked, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [f"plain,{offered}"], done.stderr
