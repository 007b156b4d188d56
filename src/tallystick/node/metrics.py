"""Metrics: what an operator watches, in Prometheus' text format.

Counters that the service keeps anyway are read when somebody asks; only requests are counted as they come.
Nothing is labelled with an account or a path, which strangers could make without end.
"""

import logging
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tallystick.node.service import Service

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
_GAUGES: Final = {
    "log_entries": "Entries in the log.",
    "waiting_transactions": "Transactions taken and not yet answered.",
    "accepting": "1 while the node accepts transactions.",
    "accepted_total": "Transactions settled since the start.",
    "repeated_total": "Retries answered with their receipt since the start.",
    "rejected_total": "Transactions rejected since the start.",
    "batches_total": "Batches merged since the start.",
    "disk_transactions_total": "Durable writes of batches since the start.",
    "failed_writes_total": "Writes that the disk refused since the start.",
    "checkpoints_total": "Checkpoints signed since the start.",
    "executing_seconds_total": "Seconds spent executing since the start.",
    "writing_seconds_total": "Seconds spent making batches durable since the start.",
    "checkpoint_seconds_total": "Seconds that checkpoints were under way since the start.",
    "projected_entries_total": "Entries taken into the projections, for histories, since the start.",
    "projection_seconds_total": "Processor seconds spent taking them in since the start.",
    "lag_entries": "Entries that the file has and a reader does not show yet; 0 on the node that writes.",
    "lag_seconds": "Seconds since a reader showed all that the file has, 0 if it does now.",
}
_log = logging.getLogger(__name__)


class Metrics:
    """The metrics of one node."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._gauges = {
            name: Gauge(f"tallystick_{name}", about, registry=self._registry)
            for name, about in _GAUGES.items()
        }
        self._requests = Counter(
            "tallystick_http_requests", "Requests, by answer.", ["status"], registry=self._registry
        )
        self._seconds = Histogram(
            "tallystick_http_seconds",
            "How long requests took.",
            ["method"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._status = {status: self._requests.labels(str(status)) for status in (200, 404, 422, 429, 503)}
        self._methods = {method: self._seconds.labels(method) for method in ("GET", "POST", "other")}

    def note_request(self, method: str, status: int, seconds: float) -> None:
        """Count a request that ended; status 0 is a client that left."""
        child = self._status.get(status)
        if child is None:
            child = self._status[status] = self._requests.labels(str(status))
        child.inc()
        (self._methods.get(method) or self._methods["other"]).observe(seconds)

    def note_failure(self, error: BaseException) -> None:
        """Log what was answered with 5xx."""
        _log.error("a request failed: %s", error, exc_info=None if _is_expected(error) else error)

    def render(self, service: Service) -> bytes:
        """Return all metrics as text."""
        counters, lag = service.counters, service.lag()
        values = {
            "log_entries": service.ledger.size,
            "waiting_transactions": service.waiting,
            "accepting": int(service.fault is None),
            "accepted_total": counters.accepted,
            "repeated_total": counters.repeated,
            "rejected_total": counters.rejected,
            "batches_total": counters.batches,
            "disk_transactions_total": counters.writes,
            "failed_writes_total": counters.failed_writes,
            "checkpoints_total": counters.checkpoints,
            "executing_seconds_total": counters.executing_seconds,
            "writing_seconds_total": counters.writing_seconds,
            "checkpoint_seconds_total": counters.checkpoint_seconds,
            "projected_entries_total": counters.projected_entries,
            "projection_seconds_total": counters.projection_seconds,
            "lag_entries": lag.entries,
            "lag_seconds": lag.seconds,
        }
        for name, value in values.items():
            self._gauges[name].set(value)
        return generate_latest(self._registry)


def _is_expected(error: BaseException) -> bool:
    return type(error).__module__.startswith("tallystick.")
