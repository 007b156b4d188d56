"""`tallystick demo`: life on a served demonstration ledger, for whoever wants to watch one grow."""

import time

import click

from tallystick.cli.frame import CommandError, make_command
from tallystick.cli.session import Session


@make_command(
    "demo",
    url=True,
    example="""\
tallystick seed demo.tally && tallystick serve --ledger demo.tally
tallystick demo --url http://127.0.0.1:8080 --rate 10 --for 60s""",
)
@click.option("--for", "duration", metavar="DURATION", help="Stop after so long; else when it is stopped.")
@click.option(
    "--rate",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.01, 1000),
    help="Turns a second, at most.",
)
@click.option("--seed", "number", default=1, show_default=True, help="The seed the ledger was made with.")
def command(session: Session, *, duration: str | None, rate: float, number: int) -> None:
    """Let seeded agents pay, hold, capture and use escrow on a node that serves a ledger of `seed`.

    Their keys are public, so it works on a demonstration ledger and on no other.
    """
    from tallystick.client.agents import Agents
    from tallystick.client.economy import Economy
    from tallystick.client.times import parse_duration

    if session.url is None:
        raise CommandError("a demonstration lives on a node", hint="name it with --url URL")
    seconds = None if duration is None else parse_duration(duration) / 1_000_000
    economy = Economy(number)
    with session.node() as ledger:
        if ledger.ledger_id != economy.ledger_id:
            raise CommandError(
                f"the node serves ledger {ledger.ledger_id}, not the demonstration of seed {number}",
                hint="serve a ledger made by tallystick seed",
            )
        agents = Agents(ledger, economy, seed=number)
        began = time.monotonic()
        try:
            for turn, _ in enumerate(agents.turns(), start=1):
                pause = began + turn / rate - time.monotonic()
                if seconds is not None and time.monotonic() + max(pause, 0) - began > seconds:
                    break
                time.sleep(max(pause, 0))
        except KeyboardInterrupt:
            session.note("stopped")
    counts = dict(sorted(agents.counts.items()))
    session.show({"counts": counts}, *(f"{many} {what}" for what, many in counts.items()))
