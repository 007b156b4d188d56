"""Microseconds that following coverage and licences adds to a transfer, with 1,000 institutions watched."""

import random
import time

from benchmarks.limits import measure_dict_update
from benchmarks.result import Limit, Result
from tallystick.institutions.views import Views
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Account, Asset, Institution, Terms

BATCH = 1_000
OWN_IN = 10
"""One transfer in so many is a deposit paid in: an institution's own account gets central-bank money."""


def run(*, quick: bool) -> Result:
    """Follow transfers of 1,000 banks' deposits among customers, one in ten with a bank's own account."""
    accounts, institutions, count = (1_000, 10, 5_000) if quick else (100_000, 1_000, 200_000)
    views = _watched(accounts, institutions)
    people = _receipts(count, accounts, institutions, own_in=0, first=2)
    mixed = _receipts(count, accounts, institutions, own_in=OWN_IN, first=2 + count)
    alone = _follow(views, people) / count
    value = _follow(views, mixed) / count
    limit = measure_dict_update(count=100_000 if quick else 2_000_000)
    return Result(
        benchmark="coverage",
        value=value * 1e6,
        unit="µs",
        better="lower",
        limit=Limit(name=limit.name, value=limit.value / 1e3, unit="µs", conditions=limit.conditions),
        conditions={
            "accounts": accounts,
            "institutions": institutions,
            "transfers": count,
            "batch": BATCH,
            "seed": 3,
            "own_account_in": f"1 of {OWN_IN} transfers",
            "customers_alone_us": round(alone * 1e6, 2),
            "levels_kept": sum(
                len(views.coverage.series(f"inst-{n}", "reserve@cb")) for n in range(institutions)
            ),
        },
    )


def _watched(accounts: int, institutions: int) -> Views:
    """Return views of a state with a central bank and banks that issued to their customers."""
    state: dict[tuple[str, ...], object] = {("institution", "cb"): Institution("cb", "cb", ("central_bank",))}
    state["asset", "reserve@cb"] = _claim("reserve@cb", "cb", "cb", "EUR")
    for n in range(institutions):
        bank, name = f"bank-{n}", f"inst-{n}"
        state["account", bank] = Account()
        state["institution", name] = Institution(name, bank, ("bank",))
        state["member", bank] = name
        state["asset", f"eur@{bank}"] = _claim(f"eur@{bank}", bank, name, "reserve@cb")
    for n in range(accounts):
        state["account", f"a{n}"] = Account(keys=(b"k",), threshold=1)
    views = Views(state.get, lambda _: {})
    views.watch.read(state)
    issued = []
    for n in range(institutions):
        asset, bank = f"eur@bank-{n}", f"bank-{n}"
        issued += [(bank, asset, -1_000_000, -1_000_000), (f"a{n % accounts}", asset, 1_000_000, 1_000_000)]
    views.follow([Receipt(1, 1, 1, "", "", issued, [], [])])
    return views


def _claim(name: str, issuer: str, obligor: str, owes: str) -> Asset:
    return Asset(name, issuer, "claim", 2, obligor=obligor, terms=Terms(owes=owes))


def _receipts(count: int, accounts: int, institutions: int, *, own_in: int, first: int) -> list[Receipt]:
    dice = random.Random(3)
    made = []
    for number in range(count):
        payer, payee = f"a{dice.randrange(accounts)}", f"a{dice.randrange(accounts)}"
        bank = f"bank-{dice.randrange(institutions)}"
        asset = f"eur@{bank}"
        if own_in and number % own_in == 0:
            asset, payee = "reserve@cb", bank
        postings = [(payer, asset, -5, 100), (payee, asset, 5, 200)]
        made.append(Receipt(first + number, 2, 2, "", payer, postings, [], [None]))
    return made


def _follow(views: Views, receipts: list[Receipt]) -> float:
    """Return the seconds that it takes to follow the receipts in batches."""
    began = time.perf_counter()
    for start in range(0, len(receipts), BATCH):
        views.follow(receipts[start : start + BATCH])
    return time.perf_counter() - began
