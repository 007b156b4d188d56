"""`tallystick demo`: a demonstration ledger, served, with a small economy living on it.

Without --url it is the whole show in one command: seed, verify, serve, and agents that go on with their
business as clients of the node, over HTTP like anybody else. With --url the agents visit a node that runs
already. Their keys are public, so it works on a demonstration ledger and on no other.
"""

import errno
import os
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.seed import (
    PASSWORD_SUFFIX,
    clear_demonstration,
    full_run,
    full_run_lines,
    make_demonstration,
    program,
    verified_lines,
)
from tallystick.cli.serve import SETTINGS, load_settings, port_taken, serve_at
from tallystick.cli.session import Session, beside

if TYPE_CHECKING:
    from tallystick.client.agents import Agents
    from tallystick.client.economy import Economy
    from tallystick.client.http import Client


@make_command(
    "demo",
    url=True,
    example="""\
tallystick demo demo.tally
tallystick demo demo.tally --force --set port=9000 --for 60s
tallystick demo --url http://127.0.0.1:8080 --rate 10 --for 60s""",
)
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--for", "duration", metavar="DURATION", help="Stop after so long; else when it is stopped.")
@click.option(
    "--rate",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, 1000),
    help="Turns of the agents a second, at most; 0 for none.",
)
@click.option("--seed", "number", default=1, show_default=True, help="Another number, another economy.")
@click.option("--force", is_flag=True, help="Replace a demonstration ledger at PATH.")
@SETTINGS
def command(
    session: Session,
    path: Path | None,
    *,
    duration: str | None,
    rate: float,
    number: int,
    force: bool,
    settings: tuple[str, ...],
) -> None:
    """Make a demonstration ledger at PATH, verify it, serve it, and let seeded agents live on it.

    They pay, hold and capture, deliver in escrow, and trade in the pools until the command is stopped, by
    Ctrl-C or --for. It prints the node's URL and three things to try. The port is 8080, or a free one where
    that is taken.
    With --url instead of PATH the agents visit a node that serves such a ledger.
    """
    from tallystick.client.times import parse_duration

    if (path is None) is (session.url is None):
        raise CommandError(
            "a demonstration is at PATH or on the node of --url", hint="tallystick demo --help"
        )
    seconds = None if duration is None else parse_duration(duration) / 1_000_000
    if path is None:
        _visit(session, rate=rate, seconds=seconds, number=number)
    else:
        _serve(session, path, rate=rate, seconds=seconds, number=number, force=force, settings=settings)


# ------------------------------------------------------------------------------------------------ visiting


def _visit(session: Session, *, rate: float, seconds: float | None, number: int) -> None:
    """Let the agents live on the node that --url names."""
    from tallystick.client.economy import Economy

    with session.node() as ledger:
        agents = _agents(ledger, Economy(number))
        stop = Event()
        try:
            _live(agents, rate=rate, seconds=seconds, stop=stop)
        except KeyboardInterrupt:
            session.note("stopped")
    counts = dict(sorted(agents.counts.items()))
    session.show({"counts": counts}, *(f"{many} {what}" for what, many in counts.items()))


def _agents(ledger: "Client", economy: "Economy") -> "Agents":
    from tallystick.client.agents import Agents

    if ledger.ledger_id != economy.ledger_id:
        raise CommandError(
            f"the node serves ledger {ledger.ledger_id}, not the demonstration of seed {economy.seed}",
            hint="serve a ledger made by tallystick seed",
        )
    return Agents(ledger, economy, seed=economy.seed)


def _live(agents: "Agents", *, rate: float, seconds: float | None, stop: Event) -> None:
    """Take turns at most so often, until the time is up or it is time to stop."""
    began = time.monotonic()
    until = began + seconds if seconds is not None else None
    if not rate:
        stop.wait(seconds)
        return
    for turn, _ in enumerate(agents.turns(), start=1):
        next_turn = began + turn / rate
        if until is not None and max(next_turn, time.monotonic()) > until:
            return
        if stop.wait(max(next_turn - time.monotonic(), 0)):
            return


# ------------------------------------------------------------------------------------------------- serving


def _serve(
    session: Session,
    path: Path,
    *,
    rate: float,
    seconds: float | None,
    number: int,
    force: bool,
    settings: tuple[str, ...],
) -> None:
    """Make, verify and serve a demonstration with its agents, until a signal or the time is up."""
    from tallystick.client.economy import Economy

    config = load_settings(None, ("log_level=warning", *settings))
    economy = Economy(number)
    clear_demonstration(path, force=force)
    transactions, verdict = make_demonstration(session, path, economy)
    run = full_run(path)
    stop = Event()
    inhabitants: list[Thread] = []

    def started(url: str) -> None:
        tried = _three_things(path, url, verdict.log_key)
        session.show(
            {
                "url": url,
                "ledger": str(path),
                "transactions": transactions,
                "sentence": verdict.sentence(),
                "full_run": run,
                "try": tried,
            },
            *verified_lines(verdict),
            *full_run_lines(run),
            "",
            f"serving {path} at {url}",
            "",
            "try, in another terminal:",
            *(f"  {line}" for line in tried),
            "",
            f"or open {url} in a browser; Ctrl-C ends it.",
        )
        inhabitants.append(
            Thread(
                target=_inhabit, args=(session, url, economy, stop), kwargs={"rate": rate, "seconds": seconds}
            )
        )
        inhabitants[0].start()

    try:
        chosen = "TALLYSTICK_PORT" in os.environ or any(one.startswith("port=") for one in settings)
        _serve_on_a_free_port(session, path, config, economy, started, chosen=chosen)
    finally:
        stop.set()
        for thread in inhabitants:
            thread.join()
    session.note(f"stopped; tallystick verify {shlex.quote(str(path))} checks what is left")


def _serve_on_a_free_port(
    session: Session,
    path: Path,
    config: Any,
    economy: "Economy",
    started: Callable[[str], None],
    *,
    chosen: bool,
) -> None:
    """Serve on the port of the settings, or on a free one if that was nobody's choice and is taken."""
    import msgspec

    try:
        serve_at(path, config=config, log_key=economy.log_key, started=started)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        if chosen:
            raise port_taken(config) from None
        session.note(f"port {config.port} is taken, so a free one is used")
        serve_at(
            path, config=msgspec.structs.replace(config, port=0), log_key=economy.log_key, started=started
        )


def _inhabit(
    session: Session, url: str, economy: "Economy", stop: Event, *, rate: float, seconds: float | None
) -> None:
    """Live on the node until it stops; end it when the time is up."""
    from tallystick.client.http import Client
    from tallystick.client.questions.asking import HttpError

    with Client(url, timeout_seconds=2.0) as ledger:
        try:
            _live(_agents(ledger, economy), rate=rate, seconds=seconds, stop=stop)
        except HttpError as error:
            if not stop.is_set():
                session.note(f"the agents stopped: {error}")
    if seconds is not None and not stop.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _three_things(path: Path, url: str, vkey: str) -> list[str]:
    """Return three commands that work as they stand while the node runs."""
    tallystick = program()
    ledger = shlex.quote(str(path))
    password = shlex.quote(str(beside(path, PASSWORD_SUFFIX)))
    return [
        f"{tallystick} history grocer --limit 10 --url {url}",
        f"{tallystick} pay alice bob 1.00 eur@bank --url {url} --ledger {ledger} --password-file {password}",
        f"{tallystick} verify {url} --log-key {shlex.quote(vkey)}",
    ]
