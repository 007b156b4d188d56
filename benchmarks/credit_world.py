"""A state full of credit: a central bank, many banks that owe each other, depositors, and a pool.

Written directly, as the other worlds are: opening a hundred thousand accounts through transactions would
measure the setup. What is timed reads it, or runs on a fork of it, by the ledger's own entrance.
"""

import random
from collections.abc import Iterator

from benchmarks.world import TIME, seeded_signer
from tallystick.ledger.genesis import Genesis, encode_genesis, genesis_writes
from tallystick.ledger.records import Account, Asset, Institution, Limits, PolicySpec, Terms
from tallystick.ledger.store import Key, Store, Value

RESERVE = "reserve@cb"
CLAIMS_A_HOLDER = 3
INTERBANK_LINKS = 5


def bank_name(number: int) -> str:
    """Return the name of the bank of that number, which is its account's and its institution's."""
    return f"bank-{number:04d}"


def holder_name(number: int) -> str:
    """Return the name of the depositor of that number."""
    return f"acct-{number:06d}"


class CreditWorld:
    """A ledger in memory: `banks` of them, `holders` with deposits at random banks.

    Every bank has deposits at five others and reserves of a tenth to a half of what it owes, so that a run
    on all of them breaks most. Every tenth deposit may be frozen by its bank.
    """

    def __init__(
        self, *, banks: int, holders: int, claims_a_holder: int = CLAIMS_A_HOLDER, seed: int = 1
    ) -> None:
        operator = seeded_signer(0)
        genesis = Genesis(
            name="benchmark",
            time=TIME,
            protocol=1,
            opening="sponsor",
            operator="cb",
            operator_keys=(operator.public_key,),
            operator_threshold=1,
            log_key="benchmark+00000000+AQ==",
            limits=Limits(),
        )
        self.store = Store()
        self.store.write(genesis_writes(encode_genesis(genesis)))
        key = (seeded_signer(1).public_key,)
        self.store.write(dict(_written(banks, holders, claims_a_holder, key, random.Random(seed))))


def _written(
    banks: int, holders: int, claims_a_holder: int, key: tuple[bytes, ...], draw: random.Random
) -> Iterator[tuple[Key, Value]]:
    yield ("institution", "central-bank"), Institution("central-bank", "cb", ("central_bank",))
    yield ("member", "cb"), "central-bank"
    yield ("asset", RESERVE), _claim(RESERVE, "cb", "central-bank", Terms("EUR"))
    owed = [0] * banks
    held: dict[tuple[str, int], int] = {}

    def deposit(holder: str, bank: int, units: int) -> None:
        owed[bank] += units
        held[holder, bank] = held.get((holder, bank), 0) + units

    for number in range(banks):
        name = bank_name(number)
        freezable = PolicySpec(kind="controlled", lists_by=name) if number % 10 == 0 else None
        yield ("account", name), Account(keys=key, threshold=1)
        yield ("institution", name), Institution(name, name, ("bank",))
        yield ("member", name), name
        yield (
            ("asset", f"eur@{name}"),
            _claim(f"eur@{name}", name, name, Terms(RESERVE), policy=freezable),
        )
        for other in draw.sample(
            [one for one in range(banks) if one != number], min(INTERBANK_LINKS, banks - 1)
        ):
            deposit(name, other, draw.randrange(10_000, 500_000))
    for number in range(holders):
        yield ("account", holder_name(number)), Account(keys=key, threshold=1)
        for bank in draw.sample(range(banks), min(claims_a_holder, banks)):
            deposit(holder_name(number), bank, draw.randrange(100, 50_000))
    for (holder, bank), units in held.items():
        yield ("balance", holder, f"eur@{bank_name(bank)}"), units
    issued = 0
    for number in range(banks):
        yield ("balance", bank_name(number), f"eur@{bank_name(number)}"), -owed[number]
        reserves = owed[number] * draw.randrange(10, 50) // 100
        issued += reserves
        yield ("balance", bank_name(number), RESERVE), reserves
    yield ("balance", "cb", RESERVE), -issued


def _claim(name: str, issuer: str, obligor: str, terms: Terms, *, policy: PolicySpec | None = None) -> Asset:
    return Asset(
        id=name,
        issuer=issuer,
        kind="claim",
        decimals=2,
        unit="EUR",
        obligor=obligor,
        terms=terms,
        policy=policy,
    )
