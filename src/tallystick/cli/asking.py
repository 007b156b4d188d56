"""Asking contracts: what the commands for pools, loans, vaults, streams, sales and prices share.

A view's answer comes over the wire as strings; here it is turned back into the types that the view declares.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import click

from tallystick.cli.opened import OpenLedger

if TYPE_CHECKING:
    from tallystick.client.calls import Ask

SLIPPAGE = click.option(
    "--slippage", default="0.5%", show_default=True, help="How much worse than the quote may pass."
)


def asker(ledger: OpenLedger) -> "Ask":
    """Return how contracts are asked: a view's answer in the types that the view declares."""
    import msgspec

    # A kind and version never change, and a search asks the same pools many times: over HTTP, each a journey.
    instances: dict[str, Any] = {}

    def ask(contract: str, view: str, **arguments: Any) -> Any:
        answer = ledger.view(contract, view, arguments)
        instance = instances.get(contract)
        if instance is None:
            instance = instances[contract] = ledger.get("instance", contract)
        return msgspec.convert(answer, _answer_type(instance.kind, instance.version, view), strict=False)

    return ask


@lru_cache
def _answer_type(kind: str, version: int, view: str) -> Any:
    from typing import get_type_hints

    from tallystick.client.arguments import contract_of

    function = contract_of(kind, version).methods[view].function
    # A view that every kind has is declared where its context is a name for type checkers alone.
    return get_type_hints(function, localns={"CallContext": Any})["return"]


def instances_of(ledger: OpenLedger, kind: str) -> dict[str, dict[str, Any]]:
    """Return the parameters of every contract of a kind, by name."""
    import json

    return {
        key[1]: json.loads(instance.parameters)
        for key, instance in ledger.rows("instance")
        if instance.kind == kind
    }


def parameters_of(ledger: OpenLedger, name: str, kind: str) -> dict[str, Any]:
    """Return a contract's parameters. Rejections: `unknown_contract`, where it is none of that kind."""
    import json

    from tallystick.client.vocabulary import Code, Rejection

    instance = ledger.get("instance", name)
    if instance is None or instance.kind != kind:
        raise Rejection(Code.UNKNOWN_CONTRACT, contract=name[:64])
    found: dict[str, Any] = json.loads(instance.parameters)
    return found


def told(ledger: OpenLedger, asset: str, units: int) -> str:
    """Return an amount as people write it, with its asset."""
    from tallystick.client.amounts import format_amount

    return f"{format_amount(units, decimals=ledger.need_asset(asset).decimals)} {asset}"
