"""The server: a ledger file served until somebody says stop.

    open the file ─► service ─► application ─► uvicorn
    stop: no new connections ─► open requests end ─► what was taken settles ─► last checkpoint ─► close

Logs are JSON, one object a line, on standard error or in a file. SIGTERM and SIGINT stop gracefully; a second
one does not wait for open requests. Killing the process loses nothing that was acknowledged either.

A connection that never sends a whole request is closed by a timer of ours, since the server has none.
"""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tallystick.crypto import signature_library
from tallystick.log.note import SigningKey
from tallystick.node.app import Application
from tallystick.node.config import Config
from tallystick.node.following import FollowingService
from tallystick.node.ledger_file import ClockSource, wall_clock
from tallystick.node.problems import Problem
from tallystick.node.service import Service, ServiceLimits
from tallystick.node.staged import StagedLedger
from tallystick.node.webhooks import Webhooks

_log = logging.getLogger(__name__)
_NOT_HTTP_BODY: Final = msgspec.json.encode(
    Problem("bad_request", {}, "this is no HTTP request that the node can read")
)
_NOT_HTTP: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_NOT_HTTP_BODY), _NOT_HTTP_BODY)
)


def serve(
    path: Path,
    *,
    config: Config,
    log_key: SigningKey | None,
    started: Callable[[str], None],
    clock: ClockSource = wall_clock,
) -> None:
    """Serve a ledger file until a signal; `started` is called with the node's URL.

    Raises the faults of `LedgerFile.open`, and `OSError` if the address cannot be listened on.
    """
    configure_logging(config.log_level, file=config.log_file)
    listening = _listen(config)
    options: dict[str, Any] = {"read_only": True} if config.reader else {"log_key": log_key}
    with StagedLedger.open(path, clock=clock, snapshot_entries=config.snapshot_entries, **options) as ledger:
        for notice in ledger.notices:
            _log.warning("%s", notice)
        service = (
            FollowingService(ledger) if config.reader else Service(ledger, limits=_service_limits(config))
        )
        try:
            application = Application(service, config)
            webhooks = Webhooks(service, () if config.reader else config.webhooks)
            try:
                _run(application, config, listening, started)
            finally:
                webhooks.close()
                application.close()
        finally:
            service.close()
    _log.info("stopped")


def _service_limits(config: Config) -> ServiceLimits:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ServiceLimits(
        verify_processes=config.verify_processes or cores,
        state_tree_process=config.state_tree_process,
        waiting_max=config.waiting_max,
        checkpoint_seconds=config.checkpoint_seconds,
        sender_rate=config.sender_rate,
    )


def _listen(config: Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
    except BaseException:
        listening.close()
        raise
    return listening


def _run(
    application: Application, config: Config, listening: socket.socket, started: Callable[[str], None]
) -> None:
    class Protocol(HttpToolsProtocol):
        """Closes a connection whose first request does not arrive in time."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(config.header_seconds, self._close_if_silent)

        def send_400_response(self, msg: str) -> None:
            """Refuse what is no HTTP, or a line too long for it, in the one shape as well."""
            self.transport.write(_NOT_HTTP)
            self.transport.close()

        def _close_if_silent(self) -> None:
            # `cycle` is the request in hand, or the last one; the server's types say it is always there.
            if getattr(self, "cycle", None) is None and not self.transport.is_closing():
                self.transport.close()

    scheme = "https" if config.tls_cert else "http"
    host, port = listening.getsockname()[:2]
    url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    class Server(uvicorn.Server):
        """Says when it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _log.info("serving %s; signatures are checked by %s", url, signature_library())
                started(url)

    server = Server(
        uvicorn.Config(
            application.front,
            http=Protocol,
            loop="auto",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(config.stop_seconds)),
            backlog=2048,
            ssl_certfile=config.tls_cert or None,
            ssl_keyfile=config.tls_key or None,
        )
    )
    # The server passes a signal on once it has stopped; there is still a ledger to close.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])


# ------------------------------------------------------------------------------------------------ logs


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON: time, level, logger, message, and the traceback of an error."""
        document: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(document).decode()


def configure_logging(level: str, *, file: str = "") -> None:
    """Send every log line as JSON to standard error or a file, which may be rotated by moving it away."""
    handler: logging.Handler = WatchedFileHandler(file) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
