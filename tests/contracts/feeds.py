"""Price feeds for tests: an oracle of three reporters, and a report by all of them."""

from typing import Any

from tests.contracts.market import ISSUER, Market
from tests.ledger.world import SECOND, call, open_account

REPORTERS = ("feed-1", "feed-2", "feed-3")
SCALE = 1_000_000


def source(name: str, kind: str = "market", **more: Any) -> dict[str, Any]:
    """Return a source in the form of a deployment."""
    return {"name": name, "kind": kind, "window_seconds": 0, "reference": "", **more}


def deploy_oracle(market: Market, contract: str, *, base: str, quote: str, **more: Any) -> None:
    """Open the reporters' accounts and deploy an oracle of them: two of three, within 5%, for an hour."""
    for name in REPORTERS:
        if market.world.get("account", name) is None:
            market.world.do(ISSUER, open_account(ISSUER, name))
    parameters = {
        "base": base,
        "quote": quote,
        "scale": SCALE,
        "sources": [source(name) for name in REPORTERS],
        "quorum": 2,
        "stale_seconds": 3_600,
        "spread_ppm_max": 50_000,
    }
    market.deploy(contract, "oracle", **(parameters | more))


def report(market: Market, contract: str, *values: int, ago: int = 0) -> None:
    """Let each reporter in turn say its value, as observed `ago` seconds before now, in one transaction."""
    observed = market.world.time - ago * SECOND
    reports = [
        call(name, contract, "report", value=value, observed=observed)
        for name, value in zip(REPORTERS, values, strict=False)
    ]
    market.world.do(REPORTERS[0], *reports)
