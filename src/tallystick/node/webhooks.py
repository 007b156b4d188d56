"""Webhooks: entries posted to receivers, in order, each until it is taken.

One thread a receiver posts one entry at a time and moves on when the answer is 2xx; so the order is the
log's, and a receiver that is down holds up only itself. What was taken is written to a file beside the ledger
before the next is sent, so after a crash at most the last one is sent again: a receiver must expect any
`webhook-id` twice. Bodies are the stream's events; the signature follows Standard Webhooks (HMAC-SHA256).

Refused: skipping what a receiver keeps refusing. A gap in a ledger's history is worse than a delay, and the
log line says which receiver is stuck.
"""

import base64
import hashlib
import hmac
import http.client
import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tallystick.node.config import ConfigError, Webhook
from tallystick.node.readers import ServiceView
from tallystick.node.service import Service
from tallystick.node.stream import read_events

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 (a format, not a secret)
_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


def sign_webhook(secret: bytes, *, identifier: str, timestamp_seconds: int, body: bytes) -> str:
    """Return the `webhook-signature` header. Source: Standard Webhooks 1.0, symmetric signatures."""
    signed = f"{identifier}.{timestamp_seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def decode_secret(text: str) -> bytes:
    """Return the key of a `whsec_` secret. Raises `ConfigError`."""
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError as error:
        raise ConfigError(f"a webhook's secret is no base64: {error}") from None
    if not 24 <= len(secret) <= 64:
        raise ConfigError(f"a webhook's secret has 24 to 64 bytes, not {len(secret)}")
    return secret


class Webhooks:
    """The deliveries of one node."""

    def __init__(self, service: Service, receivers: tuple[Webhook, ...]) -> None:
        self._deliveries = [_Delivery(service, receiver) for receiver in receivers]
        for delivery in self._deliveries:
            delivery.start()

    def close(self) -> None:
        """Stop delivering; the positions are kept."""
        for delivery in self._deliveries:
            delivery.stop()


class _Delivery:
    """One receiver's thread."""

    def __init__(self, service: Service, receiver: Webhook) -> None:
        self._service = service
        self._receiver = receiver
        self._secret = decode_secret(receiver.secret)
        self._url = urlsplit(receiver.url)
        self._path = service.ledger.path.with_name(f"{service.ledger.path.name}.webhook-{receiver.name}")
        self._grown = Event()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=f"webhook-{receiver.name}", daemon=True)

    def start(self) -> None:
        self._service.listeners.append(lambda _: self._grown.set())
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._grown.set()
        self._thread.join()

    def _run(self) -> None:
        view = ServiceView(self._service)
        next_index = _read_position(self._path, start=self._receiver.start)
        try:
            while not self._stopping.is_set():
                self._grown.clear()
                events = read_events(view, start=next_index)
                for index, name, data in events:
                    body = msgspec.json.encode({"type": name, "data": data})
                    if not self._deliver(index, body):
                        return
                    next_index = index + 1
                    _write_position(self._path, next_index)
                if not events:
                    self._grown.wait()
        finally:
            view.close()

    def _deliver(self, index: int, body: bytes) -> bool:
        """Post one entry until it is taken; tell whether it was before the node stopped."""
        wait = _FIRST_WAIT_SECONDS
        identifier = f"{self._service.ledger.ledger_id[:16]}-{index}"
        while not self._stopping.is_set():
            problem = self._post(identifier, body)
            if problem is None:
                return True
            _log.warning("webhook %s: entry %d: %s", self._receiver.name, index, problem)
            self._stopping.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        return False

    def _post(self, identifier: str, body: bytes) -> str | None:
        """Post once and return what went wrong, if anything did."""
        now = int(time.time())
        headers: Mapping[str, str] = {
            "content-type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(now),
            "webhook-signature": sign_webhook(
                self._secret, identifier=identifier, timestamp_seconds=now, body=body
            ),
        }
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=_ANSWER_SECONDS)
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        try:
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        return None if 200 <= status < 300 else f"answered {status}"


def _read_position(path: Path, *, start: int) -> int:
    try:
        return max(start, int(json.loads(path.read_text(encoding="utf-8"))["next"]))
    except FileNotFoundError:
        return start


def _write_position(path: Path, next_index: int) -> None:
    """Replace the file at once, so that a crash leaves the old position or the new one."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"next": next_index}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
