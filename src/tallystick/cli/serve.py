"""`tallystick serve`: a ledger file as a node on the network.

The command reads settings and keys, and prints where the node listens; everything else is `node.server`.
Every setting has one name, whether it comes from the file, the environment or `--set`. Refused: a flag for
each of two dozen settings, which would bury the command's help.
"""

import os
from pathlib import Path
from typing import Any

import click

from tallystick.cli.frame import CommandError, make_command
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside


@make_command(
    "serve",
    ledger=True,
    example="""\
tallystick serve --ledger ledger.tally
tallystick serve --ledger ledger.tally --config node.toml --set port=0
tallystick serve --set host=0.0.0.0 --set tls_cert=cert.pem --set tls_key=key.pem""",
)
@click.option(
    "--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file of settings."
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting; wins over the file.")
def command(session: Session, *, file: Path | None, settings: tuple[str, ...]) -> None:
    """Serve a ledger file over HTTP until it is stopped.

    Prints the node's URL once it listens. Logs go to standard error as JSON. docs/reference/configuration.md
    lists every setting.
    """
    from tallystick.node.config import ConfigError, load_config
    from tallystick.node.server import serve

    try:
        config = load_config(file=file, environment=os.environ, flags=dict(map(_pair, settings)))
    except ConfigError as error:
        raise CommandError(str(error), hint="docs/reference/configuration.md lists every setting") from None
    log_key = session.log_key()
    if log_key is None:
        raise CommandError(
            f"a node signs checkpoints, and there is no log key {beside(session.ledger, LOG_KEY_SUFFIX)}",
            hint="put it back beside the ledger file; `tallystick init` wrote it",
        )

    def started(url: str) -> None:
        session.show({"url": url, "ledger": str(session.ledger)}, url)

    serve(session.ledger, config=config, log_key=log_key, started=started)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--set takes NAME=VALUE, not {text[:40]!r}")
    return name.replace("-", "_"), value.split() if name == "witnesses" else value
