"""The operator's example files, carried out: the unit's and the container's commands, on a test's paths."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
UNIT = (EXAMPLES / "tallystick.service").read_text()
CONTAINER = (EXAMPLES / "Containerfile").read_text()


def _somebody(home: Path) -> dict[str, str]:
    """Return the environment of a user whose home this is, and who would be asked for a password."""
    return os.environ | {"HOME": str(home), "TALLYSTICK_PASSWORD": "a password"}


def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, comment_prefixes="#")
    unit.read_string(UNIT)
    return unit["Service"]


def setup_commands() -> list[str]:
    """Return what the unit's head tells root to do."""
    return [line.removeprefix("#   ") for line in UNIT.splitlines() if line.startswith("#   ")]


def instructions(name: str) -> list[str]:
    """Return what follows a container file's instruction, one for each time it stands there."""
    joined = CONTAINER.replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", joined, flags=re.MULTILINE)


@contextmanager
def running(words: Sequence[str], *, cwd: Path) -> Iterator[str]:
    """Run a command that serves until it is told to stop, and give its URL; it must then end in peace."""
    with subprocess.Popen(
        [*words, "--json", "--set=port=0", "--set=verify_processes=1"],
        cwd=cwd,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def on_test_paths(command: str, folder: Path) -> list[str]:
    """Return a command's words with the program and the paths of this test."""
    program = shlex.join([sys.executable, "-m", "tallystick.cli"])
    command = command.replace("/opt/tallystick/bin/tallystick", program)
    for theirs in ("/var/lib/tallystick", "/etc/tallystick", "/var/log/tallystick", "/ledger"):
        command = re.sub(rf"(?<![\w.]){theirs}\b", str(folder / theirs.strip("/")), command)
    return shlex.split(command)


def test_the_unit_s_commands_make_a_ledger_and_serve_it(tmp_path: Path) -> None:
    home = tmp_path / "var/lib/tallystick"
    home.mkdir(parents=True)
    (init,) = [line for line in setup_commands() if "tallystick init" in line]
    changed, init = init.split(" && ")
    assert changed == "cd /var/lib/tallystick"
    words = on_test_paths(init.removeprefix("runuser -u tallystick -- "), tmp_path)
    subprocess.run(words, cwd=home, check=True, capture_output=True, env=_somebody(home))

    (install,) = [line for line in setup_commands() if "node.toml" in line]
    *_, source, target = on_test_paths(install, tmp_path)
    Path(target).parent.mkdir(parents=True)
    shutil.copy(ROOT / source, target)
    with Path(target).open("a") as config:  # as the unit's comment and the example of rotation have it
        (path,) = re.findall(r'log_file = "(.*?)"', UNIT)
        (tmp_path / "var/log/tallystick").mkdir(parents=True)
        config.write(f'log_file = "{tmp_path}{path}"\n')
    with running(on_test_paths(service()["ExecStart"], tmp_path), cwd=home) as url:
        assert url.startswith("http://127.0.0.1:")
    assert "serving" in (tmp_path / path.strip("/")).read_text()


def test_the_unit_lets_the_node_write_where_its_files_are() -> None:
    told = service()
    assert told["ProtectSystem"] == "strict"
    writable = [f"/var/lib/{told['StateDirectory']}", f"/var/log/{told['LogsDirectory']}"]
    ledger = shlex.split(told["ExecStart"])[3]
    (rotated,) = re.findall(r"^(/\S+) {", (EXAMPLES / "logrotate").read_text(), flags=re.MULTILINE)
    (logged,) = re.findall(r'log_file = "(.*?)"', UNIT)
    assert rotated == logged
    assert str(Path(ledger).parent) == writable[0] == told["WorkingDirectory"]
    assert str(Path(rotated).parent) == writable[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as the container installs it, from the files that it copies and no others."""
    context, target = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("installed")
    for copied in instructions("COPY"):
        if copied.startswith("--from"):
            continue
        *sources, into = copied.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, context / into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, context / into)
    (install,) = re.findall(r"pip install ([^&]*--no-build-isolation) \.", instructions("RUN")[0])
    words = [*shlex.split(install), "--quiet", f"--target={target}", "."]
    subprocess.run([sys.executable, "-m", "pip", "install", *words], cwd=context, check=True)
    return target


@pytest.mark.long
def test_the_container_s_program_serves_and_says_that_it_is_healthy(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    found = subprocess.run(
        [sys.executable, "-c", "import tallystick; print(tallystick.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert Path(found.stdout.strip()).is_relative_to(installed)
    ledger = tmp_path / "ledger"
    ledger.mkdir()
    words = [sys.executable, "-m", "tallystick.cli", "init", "ledger.tally", "--name", "Our ledger"]
    subprocess.run(words, cwd=ledger, check=True, capture_output=True, env=_somebody(ledger))

    (entry,) = instructions("ENTRYPOINT")
    entry = shlex.join(json.loads(entry))
    assert "host=0.0.0.0" in entry  # a container's own address; here the loopback alone
    (health,) = instructions("HEALTHCHECK CMD")
    (exposed,) = instructions("EXPOSE")
    python, *check = json.loads(health)
    assert python == "/opt/tallystick/bin/python"
    with running(on_test_paths(entry.replace("0.0.0.0", "127.0.0.1"), tmp_path), cwd=ledger) as url:
        healthy = [word.replace(f"http://127.0.0.1:{exposed}", url) for word in check]
        assert healthy != check
        subprocess.run([sys.executable, *healthy], check=True)
    assert subprocess.run([sys.executable, *healthy], check=False, capture_output=True).returncode != 0
