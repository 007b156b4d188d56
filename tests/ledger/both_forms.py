"""What both forms of the kernel must agree on, a line a case: `python -m tests.ledger.both_forms`.

Three parts. `history` is one long history's state, receipts and state root. `script` lines are random scripts
of a contract that does anything well-typed, with the root after all of them. `mistake` lines are a contract
that hands the kernel one argument of a wrong type: what mypy refuses, or cannot see.
"""

import random
from enum import IntEnum, StrEnum
from typing import Any

from benchmarks.compiled import kernel_form
from tallystick.ledger import amounts, names
from tallystick.ledger.contract import Contract, method
from tallystick.ledger.encoding import encode_key, encode_value
from tallystick.ledger.fork import preview, unsigned
from tallystick.ledger.receipts import encode_receipt
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.runtime import CallContext
from tallystick.log.state_tree import StateTree
from tests.ledger.history import digests, run_history
from tests.ledger.puppet import Step, puppet_kinds
from tests.ledger.town import EUR, GOLD, Town, play
from tests.ledger.world import call, deploy, issue, transfer

SEED = 11
SCRIPTS = 400


class One(IntEnum):
    """A number that is no plain int."""

    ONE = 1


class Name(StrEnum):
    """A text that is no plain str."""

    EUR = "eur@bank"


WRONG: dict[str, Any] = {
    "None": None,
    "True": True,
    "1.0": 1.0,
    "IntEnum": One.ONE,
    "text": "1",
    "StrEnum": Name.EUR,
    "bytes": b"1",
    "list": [1],
    "int": 1,
}
"""A value of each type; some are right in some places, and agree there as well."""

CALLS: dict[str, tuple[Any, ...]] = {
    "take": (EUR, 1),
    "pay": ("bob", EUR, 1),
    "mint": ("bob", "own@m", 1),
    "burn": ("own@m", 1),
    "balance": (EUR,),
    "available": ("alice", EUR),
    "supply": ("own@m",),
    "asset": (EUR,),
    "open_subaccount": ("drawer",),
    "create_asset": ("more",),
    "institution_of": ("bank",),
    "owe": (EUR, 1),
    "owed": (EUR,),
    "clear": (EUR, 1),
    "cancel_timer": (1, 1),
    "get": ("notes", 1),
    "call": ("q", "run"),
    "attempt": ("q", "run"),
    "view": ("q", "look"),
    "attempt_view": ("q", "look"),
    "emit": ("told",),
}
"""The context's methods with arguments of the right types."""

FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mul_div_down": (amounts.mul_div_down, (7, 3, 2)),
    "mul_div_up": (amounts.mul_div_up, (7, 3, 2)),
    "check_units": (amounts.check_units, (1,)),
    "check_name": (names.check_name, ("alice",)),
    "is_asset": (names.is_asset, (EUR,)),
    "check_reference": (names.check_reference, ("a",)),
}
"""What contracts call besides."""


class Mistaken(Contract):
    """Calls the kernel with one wrong argument and returns what it got."""

    kind = "mistaken"
    version = 1

    def deploy(self, ctx: CallContext) -> None:
        """Declare an asset and hand some out."""
        ctx.create_asset("own")

    @method
    def give(self, ctx: CallContext) -> None:
        """Mint the caller some."""
        ctx.mint(ctx.caller, "own@m", 5)

    @method
    def err(self, ctx: CallContext, name: str, at: int, wrong: str) -> str:
        """Call `name` with its argument `at` replaced."""
        function, right = FUNCTIONS[name] if name in FUNCTIONS else (getattr(ctx, name), CALLS[name])
        arguments = [*right[:at], WRONG[wrong], *right[at + 1 :]]
        return str(function(*arguments))[:80]


def main() -> None:
    """Print everything."""
    print("form", kernel_form())
    town = run_history()
    print("history", digests(town), root(town))
    for line in run_scripts():
        print("script", line)
    for line in make_mistakes():
        print("mistake", line)


def root(town: Town) -> str:
    """Return the state root, made by the log's own tree."""
    tree = StateTree()
    tree.update([(encode_key(key), encode_value(value)) for key, value in town.store.values.items()])
    return tree.root.hex()


def run_scripts() -> list[str]:
    """Run random scripts, several of a batch, and return each outcome and the root after them."""
    chance = random.Random(SEED)
    town = Town()
    town.do("alice", deploy("alice", "r", "puppet"))
    town.do("bank", issue("bank", (EUR, "alice", 10**6)))
    town.do("alice", transfer("alice", (EUR, "p", 1_000), (EUR, "q", 1_000)))
    lines = []
    for _ in range(SCRIPTS // 4):
        town.time += chance.choice([0, 1_000_000, 700_000_000])
        batch = [
            town.seal("alice", play(*draw(chance, town, 3), spend=[(EUR, chance.randint(1, 60))]))
            for _ in range(4)
        ]
        lines += [told(outcome) for outcome in town.run(*batch)]
    return [*lines, f"{digests(town)} {root(town)}"]


def draw(chance: random.Random, town: Town, depth: int) -> tuple[Step, ...]:
    """Return a few random steps, which call other puppets up to `depth` deep."""
    simple = ["take", "pay", "burn", "mint", "create", "subaccount", "balance", "owe", "clear", "put", "scan"]
    simple += ["timer", "cancel_timer", "emit", "refuse", "fault", "emit_float", "emit_huge", "nothing"]
    simple += ["put", "take", "pay", "balance"]
    deep = ["call", "attempt", "view", "attempt"]
    steps = []
    for _ in range(chance.randint(1, 4)):
        do = chance.choice(simple + deep * 3 if depth else simple)
        units = chance.choice([0, 1, 2, 5, 9, 50, 2**127, -1])
        whom = ["p", "q", "r"] if do in deep else ["p", "q", "r", "bob", "nobody", ""]
        scripts_more = depth > 0 and do in [*deep, "timer"]
        steps.append(
            Step(
                do,
                to=chance.choice(whom),
                asset=chance.choice([EUR, EUR, EUR, GOLD, "x@p", "none@no"]),
                units=town.time + chance.randint(-1, 10**9) if do == "timer" else units,
                name=chance.choice(["", "x", "7"]) if do not in deep else "",
                steps=draw(chance, town, depth - 1) if scripts_more else (),
                receive=chance.choice([0, 0, 0, 1]),
                caught=chance.random() < 0.3,
            )
        )
    return tuple(steps)


def make_mistakes() -> list[str]:
    """Make every mistake, each on the same state, and return what would come of it."""
    town = Town()
    town.kinds = puppet_kinds(Mistaken())
    town.do("alice", deploy("alice", "m", "mistaken"))
    town.do("alice", call("alice", "m", "give"), transfer("alice", (EUR, "m", 40)))
    counts = {name: len(right) for name, right in CALLS.items()}
    counts |= {name: len(right) for name, (_, right) in FUNCTIONS.items()}
    return [
        f"{name} {at} {wrong}: {mistaken(town, name=name, at=at, wrong=wrong)}"
        for name, count in counts.items()
        for at in range(count)
        for wrong in WRONG
    ]


def mistaken(town: Town, **fields: Any) -> str:
    """Return the outcome of one mistake, which leaves the town as it was."""
    make = call("alice", "m", "err", spend=[(EUR, 1), ("own@m", 1)], **fields)
    transaction = unsigned(town.transaction("alice", [make]))
    try:
        receipt = preview(town.store, town.kinds, transaction, time=town.time, index=town.index)
    except Rejection as refused:
        return told(refused)
    return f"{receipt.results} {receipt.postings}"


def told(outcome: Any) -> str:
    """Return a receipt, or a rejection's code: a fault's text is CPython's own and stays out of the log."""
    return outcome.code.value if isinstance(outcome, Rejection) else encode_receipt(outcome).decode()


if __name__ == "__main__":
    main()
