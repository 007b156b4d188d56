"""Leaving: the calls by which an account takes everything out of a contract that leaves now.

Every kind says by which calls an account leaves and what each pays, so one function serves them all. The
rule that must hold: **each call demands what its contract promised**, to the unit, so a contract that
promises more than it pays is refused. What leaves later only is not asked for here: that is a choice.
"""

from collections.abc import Sequence

from tallystick.client.calls import Ask, call_of
from tallystick.ledger.contract import Exit
from tallystick.ledger.transactions import Call


def leave_calls(ask: Ask, contract: str, kind: str, *, account: str) -> list[Call]:
    """Return one call for each way out that pays now. Rejections: those of the contract's `exits`."""
    found: Sequence[Exit] = ask(contract, "exits", account=account)
    calls = []
    done: list[tuple[str, object]] = []
    for way in found:
        if (way.method, way.arguments) in done:
            continue
        done.append((way.method, way.arguments))
        # A call that pays several assets stands once for each.
        together = [one for one in found if (one.method, one.arguments) == (way.method, way.arguments)]
        pays: dict[str, int] = {}
        for one in together:
            pays[one.asset] = pays.get(one.asset, 0) + one.units_now
        if not any(pays.values()):
            continue
        calls.append(
            call_of(contract, kind, way.method, way.arguments, account=account, spend=way.spend, receive=pays)
        )
    return calls
