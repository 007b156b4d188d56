"""Questions to a node: each one request and how its answer is read, one file a topic.

    accounts.one("alice")  ->  Question(GET /v1/accounts/alice)  ->  any client  ->  Account
    accounts.all_()        ->  Listing(GET /v1/accounts)         ->  any client  ->  Account, Account, …

The synchronous and the asynchronous client ask the same questions, so that neither can know more than the
other: `client.ask(question)`, and `client.each(listing)` for lists. Another topic is another file; the
everyday questions are methods of the clients as well.

Refused: a class generated from the OpenAPI document. It would know the node's shapes and not the ledger's
records, which is what commands and imports work with.
"""

from tallystick.client.questions import (
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

__all__ = [
    "accounts",
    "assets",
    "contracts",
    "drills",
    "entries",
    "holds",
    "institutions",
    "ledger",
    "redemptions",
    "state",
    "transactions",
    "trust",
    "witnesses",
]
