"""`tallystick serve`: a ledger file as a node on the network.

The command reads settings and keys, and prints where the node listens; everything else is `node.server`.
Every setting has one name, whether it comes from the file, the environment or `--set`. Refused: a flag for
each of two dozen settings, which would bury the command's help.
"""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.errors import CommandError
from tallystick.cli.frame import make_command
from tallystick.cli.session import LOG_KEY_SUFFIX, Session, beside

if TYPE_CHECKING:
    from tallystick.client.vocabulary import SigningKey


SETTINGS = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the node, such as port=0; repeat.",
)


@make_command(
    "serve",
    ledger=True,
    file_only="it is what answers at a URL",
    example="""\
tallystick serve --ledger ledger.tally
tallystick serve --ledger ledger.tally --config node.toml --set port=0
tallystick serve --set host=0.0.0.0 --tls cert.pem key.pem""",
)
@click.option(
    "--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file of settings."
)
@SETTINGS
@click.option(
    "--tls",
    nargs=2,
    metavar="CERT KEY",
    type=click.Path(exists=True, dir_okay=False),
    help="PEM files with the certificate chain and its key: serve https. The same as tls_cert and tls_key.",
)
def command(
    session: Session, *, file: Path | None, settings: tuple[str, ...], tls: tuple[str, str] | None
) -> None:
    """Serve a ledger file over HTTP until it is stopped.

    Prints the node's URL once it listens. Logs go to standard error as JSON. docs/reference/configuration.md
    lists every setting.
    """
    given = () if tls is None else (f"tls_cert={tls[0]}", f"tls_key={tls[1]}")
    config = load_settings(file, (*settings, *given))
    log_key = session.log_key()
    if log_key is None and not config.reader:
        raise CommandError(
            f"a node signs checkpoints, and there is no log key {beside(session.ledger, LOG_KEY_SUFFIX)}",
            hint="put it back beside the ledger file; `tallystick init` wrote it",
        )

    def started(url: str) -> None:
        session.show({"url": url, "ledger": str(session.ledger)}, url)

    try:
        serve_at(session.ledger, config=config, log_key=log_key, started=started)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise port_taken(config) from None


def port_taken(config: Any) -> CommandError:
    """Return what is told where somebody listens on the port already."""
    return CommandError(f"port {config.port} of {config.host} is taken", hint="--set port=0 takes a free one")


def load_settings(file: Path | None, settings: Sequence[str]) -> Any:
    """Return the node's settings from the file, the environment and NAME=VALUE pairs; the last win."""
    from tallystick.node.config import ConfigError, load_config

    try:
        return load_config(file=file, environment=os.environ, flags=dict(map(_pair, settings)))
    except ConfigError as error:
        raise CommandError(str(error), hint="docs/reference/configuration.md lists every setting") from None


def serve_at(
    path: Path, *, config: Any, log_key: "SigningKey | None", started: Callable[[str], None]
) -> None:
    """Serve a ledger file until a signal. Raises the node's faults, and `OSError` if the port is taken."""
    from tallystick.node.server import serve

    serve(path, config=config, log_key=log_key, started=started)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"--set takes NAME=VALUE, not {text[:40]!r}")
    return name.replace("-", "_"), value.split() if name == "witnesses" else value
