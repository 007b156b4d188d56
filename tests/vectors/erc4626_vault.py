"""ERC-4626's published scenarios and the table of virtual offsets against the vault."""

from collections.abc import Mapping
from typing import Any

from tallystick.contracts.vault import to_shares, to_units
from tests.contracts.market import ISSUER, Market
from tests.vectors.harness import Adapter, Tally, compare, numbers

VAULT, ASSET, SHARE = "vault", f"asset@{ISSUER}", "share@vault"
PLENTY = 1 << 120
METHODS = {
    "deposit": ("units", {}),
    "mint": ("shares", {"most_units": PLENTY}),
    "withdraw": ("units", {"most_shares": PLENTY}),
    "redeem": ("shares", {}),
}


def run_case(document: Mapping[str, Any], case: Mapping[str, Any]) -> Tally:
    """Run a scenario, or one line of the table."""
    told = numbers(case)
    if told["fn"] == "scenario":
        return _scenario(told)
    assert told["fn"] == "virtualOffset", told["fn"]
    return _line(told)


def _scenario(case: Mapping[str, Any]) -> Tally:
    who = sorted({step["who"] for step in case["steps"] if step["who"]})
    market = Market(accounts=(*who, "donor"))
    market.fund(PLENTY, ASSET)
    market.deploy(VAULT, "vault", asset=ASSET, virtual_offset=case["virtualOffset"])
    for number, step in enumerate(case["steps"]):
        spend = {ASSET: PLENTY, SHARE: PLENTY}
        if step["op"] == "donate":
            market.call("donor", VAULT, "donate", spend=spend, units=step["amount"])
        else:
            name, limits = METHODS[step["op"]]
            arguments = {name: step["amount"], **limits}
            result = market.call(step["who"], VAULT, step["op"], spend=spend, **arguments)
            compare(step["result"], result, where=f"step {number}")
        positions = {name: market.view(VAULT, "position", account=name) for name in who}
        found = {
            "totalSupply": -market.world.balance(VAULT, SHARE),
            "totalAssets": market.view(VAULT, "state").total,
            **{f"{name}Shares": positions[name].shares for name in who},
            **{f"{name}Assets": positions[name].units for name in who},
        }
        compare(step["after"], found, where=f"after step {number}")
    return Tally(cases=1)


def _line(case: Mapping[str, Any]) -> Tally:
    """Check both quotes of a vault in that state, and what the deposit is worth once it is in."""
    pot = {"total": case["totalAssets"], "supply": case["totalSupply"], "offset": case["offset"]}
    shares = to_shares(case["deposit"]["assets"], **pot)
    units = to_units(case["mint"]["shares"], **pot, up=True)
    then = pot | {
        "total": pot["total"] + case["deposit"]["assets"],
        "supply": pot["supply"] + shares,
    }
    found = {"shares": shares, "redeemableAfter": to_units(shares, **then)}
    compare({name: case["deposit"][name] for name in found}, found, where=f"{case['name']}: deposit")
    compare(case["mint"]["assets"], units, where=f"{case['name']}: mint")
    return Tally(cases=1)


ADAPTERS: dict[str, Adapter] = {"erc4626_vault": run_case}
