"""Routes: the node's questions and answers under /v1, typed, from which the OpenAPI document is made.

    asking        what all topics share: pages, records, the backend that is asked
    one file a topic; its `routes(backend)` returns the handlers

The rule that must hold: a route contains no rule of the ledger. It asks the service or a reader one question
and writes the answer down. What takes long asks a reader, never the event loop; what reads several keys that
must fit together holds the state's lock, for no longer than a page takes.

Another topic is another file, named in `TOPICS`; the client asks it from `client.questions`.
"""

from collections.abc import Callable
from typing import Final

from litestar.handlers import HTTPRouteHandler

from tallystick.node.readers import Readers
from tallystick.node.routes import (
    accounts,
    assets,
    contracts,
    drills,
    entries,
    holds,
    institutions,
    ledger,
    redemptions,
    state,
    transactions,
    trust,
    witnesses,
)
from tallystick.node.routes.asking import Backend
from tallystick.node.service import Service

TOPICS: Final[tuple[Callable[[Backend], list[HTTPRouteHandler]], ...]] = (
    ledger.routes,
    transactions.routes,
    entries.routes,
    accounts.routes,
    holds.routes,
    redemptions.routes,
    assets.routes,
    contracts.routes,
    trust.routes,
    drills.routes,
    institutions.routes,
    witnesses.routes,
    state.routes,
)


def make_routes(
    service: Service, readers: Readers, *, witnesses: tuple[str, ...] = ()
) -> list[HTTPRouteHandler]:
    """Return the handlers of /v1 but those that the front answers itself."""
    backend = Backend(service, readers, witnesses)
    return [handler for routes in TOPICS for handler in routes(backend)]
