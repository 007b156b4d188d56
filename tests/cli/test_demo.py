"""The demonstration that `make run` shows: made, verified, served, lived on, and stopped without a trace."""

import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tallystick.cli import demo
from tallystick.cli.errors import CommandError
from tallystick.cli.session import Session
from tallystick.node.config import Config
from tests.cli.desk import Desk
from tests.node_service.process import node
from tests.tidy.tracked_files import ROOT

pytestmark = pytest.mark.long


def test_agents_live_on_a_served_demonstration_and_on_no_other(tmp_path):
    desk = Desk(tmp_path)
    desk("seed demo.tally")
    desk.env["TALLYSTICK_LEDGER"] = "demo.tally"
    entries = desk.json("info")["entries"]
    with node(tmp_path / "demo.tally", checkpoint_seconds=0.2) as running:
        counts = desk.json(f"demo --url {running.url} --for 3s --rate 100")["counts"]
        for what in ("payment", "hold", "escrow", "trade"):
            assert counts[what] > 0
        assert desk.json("info")["entries"] - entries >= sum(
            many for what, many in counts.items() if not what.startswith("refused")
        )
        desk.fails(f"demo --url {running.url} --seed 2 --for 1s", exit_code=2)
    # The seeded trades are of another day: what stands in today's turnover is the agents'.
    pools = [desk.json(f"pool show {pool}") for pool in ("eur-gold", "eur-usd", "euro")]
    assert any(int(pool["turnover_ppm"][-1]) > 0 for pool in pools), pools
    desk("verify demo.tally")
    assert "--url" in desk.fails("demo --for 1s", exit_code=2).stderr


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tallystick.cli", "demo", "demo.tally", *options],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_command_serves_a_verified_ledger_until_it_is_told_to_stop(tmp_path, number):
    process = start(tmp_path, "--json", "--set=port=0", "--rate=50", "--set=checkpoint_seconds=0.1")
    try:
        told = json.loads(process.stdout.readline())
        assert told["url"].startswith("http://127.0.0.1:")
        assert "follows from its genesis" in told["sentence"]
        assert httpx.get(f"{told['url']}/ready").status_code == 200
        desk = Desk(tmp_path)
        desk.env["TALLYSTICK_PASSWORD"] = None
        assert len(told["try"]) == 3
        for line in told["try"]:
            words = shlex.split(line)
            assert words[0].endswith("tallystick")
            assert desk(shlex.join(words[1:]))
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, "Traceback" in said) == (0, False), said
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "demo.tally",
        "demo.tally.keys",
        "demo.tally.logkey",
        "demo.tally.password",
    ]
    desk("verify demo.tally")
    assert desk.json("info --ledger demo.tally")["entries"] > told["transactions"]


def test_it_ends_by_itself_and_is_made_anew_by_force(tmp_path):
    for _ in range(2):
        process = start(tmp_path, "--force", "--set=port=0", "--for=1s")
        said, notes = process.communicate(timeout=60)
        assert process.returncode == 0, notes
        assert "serving demo.tally at http://127.0.0.1:" in said
        assert said.index("follows from its genesis") < said.index("try, in another terminal:")


def test_a_port_that_is_taken_is_told_or_passed_over(tmp_path, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(tmp_path, f"--set=port={port}")
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert f"port {port} of 127.0.0.1 is taken\nhint: --set port=0" in said

        asked = []

        def serve_at(path, *, config, log_key, started):
            asked.append(config.port)
            if config.port == port:
                raise OSError(errno.EADDRINUSE, "taken")

        monkeypatch.setattr(demo, "serve_at", serve_at)
        arguments = (Session(), tmp_path / "x", Config(port=port), demo_economy(), lambda _: None)
        demo._serve_on_a_free_port(*arguments, chosen=False)
        assert asked == [port, 0]
        assert f"port {port} is taken" in capsys.readouterr().err
        with pytest.raises(CommandError, match="is taken"):
            demo._serve_on_a_free_port(*arguments, chosen=True)


def demo_economy():
    from tallystick.client.economy import Economy

    return Economy(1)


def test_make_run_is_this_command():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "RUN_COMMAND ?= $(BIN)/tallystick demo demo.tally --force $(ARGS)\n" in makefile
