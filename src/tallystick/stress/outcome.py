"""Outcomes: what came of a drill, as values, as a document, and as one hash.

The document says everything that the drill found and nothing that depends on the machine: no duration, no
order of a set. So its hash can be recomputed by whoever has the state and the scenario, and two that differ
were not the same drill. Shares are parts per million, rounded down; amounts decimal strings of minor units.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from tallystick.stress.last_resort import Loan
from tallystick.stress.raising import Left, Sale

VERSION: Final = "tallystick-drill-v2"
PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Failure:
    """An institution that could not pay what was due.

    `order` counts failures from 1, in the order in which institutions ran short. `due` and `paid` are of its
    first day, in `cash`; of what nothing pays they are 0. `cause` is one of

        no_cash     nothing on this ledger pays what it owes
        contagion   what it was owed and called that day, and was not paid, would have been enough
        illiquid    what it still has, at its price, is worth more than what it could not pay
        insolvent   it is not

    `because_of` are the institutions that owed it and did not pay. `left` is what it still has, priced in
    units of cash, less what the lender of last resort lent it; `unpriced` what of that has no price and
    counts as nothing.
    """

    institution: str
    day: int
    order: int
    cash: str
    due: int
    paid: int
    cause: str
    because_of: tuple[str, ...]
    left: int
    unpriced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one holder asked of one claim: units asked and paid, the cash it got, and when, as (day, units).

    `waits` units are due after the drill's end; `unpaid` were due and not paid. `refused` is the ledger's
    code where it would not let the holder be paid. `payer` is who was to pay: the obligor, or whoever a
    contract that issued the claim leaves it to.
    """

    claim: str
    holder: str
    obligor: str
    payer: str
    cash: str
    unit: str
    asked: int
    paid: int
    got: int
    unpaid: int
    unpaid_cash: int
    waits: int
    payments: tuple[tuple[int, int], ...]
    refused: str

    @property
    def paid_ppm(self) -> int:
        """The share of what it asked for that was paid."""
        return self.paid * PPM // self.asked if self.asked else PPM


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What contracts' own calls took back of a claim on `institution`: `units` for `got` units of `asset`.

    `how` is the method that paid, or `paid apart` where another party paid and then completed the request.
    """

    institution: str
    claim: str
    how: str
    holders: int
    units: int
    asset: str
    got: int


@dataclass(frozen=True, slots=True)
class Survival:
    """On which day an institution first could not pay in one cash asset; None: it could until the end.

    Where nothing on the ledger pays, `cash` is the unit of account that is owed.
    """

    institution: str
    cash: str
    day: int | None
    asked: int
    paid: int


@dataclass(frozen=True)
class Outcome:
    """What came of a drill. `losses` is (creditor, debtor, cash, units): what was due and not paid.

    `facilities` are the contracts, each with its cash, through which the lender of last resort lends by rule;
    there is none without a lender. A loan that is not by one of them is by the scenario's supposition alone.

    Where nothing on the ledger pays, `cash` is the unit of account that is owed, and `units` its minor units.
    """

    state_root: str
    scenario_hash: str
    days: int
    claims: tuple[Claimed, ...]
    failures: tuple[Failure, ...]
    survival: tuple[Survival, ...]
    losses: tuple[tuple[str, str, str, int], ...]
    sales: tuple[Sale, ...]
    loans: tuple[Loan, ...]
    facilities: tuple[tuple[str, str], ...]
    left: tuple[Left, ...]
    redeemed: tuple[Redeemed, ...]
    left_out: tuple[tuple[str, str, int, str], ...]
    set_off: tuple[tuple[str, int], ...]
    scripted: tuple[tuple[int, str, str], ...]
    transactions: int
    refused: int
    defaulted: int

    def failure(self, institution: str) -> Failure | None:
        """Return how an institution failed, or None."""
        return next((one for one in self.failures if one.institution == institution), None)

    def paid_ppm(self, institution: str) -> int:
        """Return the share that was paid of what fell due of an institution: the lowest of its currencies."""
        rows = [one for one in self.survival if one.institution == institution and one.asked]
        return min((one.paid * PPM // one.asked for one in rows), default=PPM)

    @property
    def hash(self) -> str:
        """SHA-256 of the whole document in its one byte form, in hex."""
        return hashlib.sha256(msgspec.json.encode(self._full(), order="deterministic")).hexdigest()

    def document(self, *, holders: bool = False) -> dict[str, Any]:
        """Return the document; with `holders`, every holder's claim is in it."""
        found = self._full()
        if not holders:
            del found["claims"]
        return found | {"result_hash": self.hash}

    def _full(self) -> dict[str, Any]:
        return {
            "format": VERSION,
            "state_root": self.state_root,
            "scenario_hash": self.scenario_hash,
            "days": self.days,
            "failures": [_failure(one) for one in self.failures],
            "survival": [
                {
                    "institution": one.institution,
                    "cash": one.cash,
                    "first_failing_day": one.day,
                    "due": str(one.asked),
                    "paid": str(one.paid),
                    "paid_ppm": one.paid * PPM // one.asked if one.asked else PPM,
                }
                for one in self.survival
            ],
            "losses": [
                {"creditor": creditor, "debtor": debtor, "cash": cash, "units": str(units)}
                for creditor, debtor, cash, units in self.losses
            ],
            "claims": [_claimed(one) for one in self.claims],
            "sales": [_plain(one) for one in self.sales],
            "loans": [_plain(one) for one in self.loans],
            "facilities": [{"contract": contract, "cash": cash} for contract, cash in self.facilities],
            "contracts_left": [_plain(one) for one in self.left],
            "redeemed": [_plain(one) for one in self.redeemed],
            "left_out": [
                {"holder": holder, "claim": claim, "units": str(units), "why": why}
                for holder, claim, units, why in self.left_out
            ],
            "set_off": [{"cash": cash, "units": str(units)} for cash, units in self.set_off],
            "scripted": [
                {"day": day, "call": call, "outcome": outcome} for day, call, outcome in self.scripted
            ],
            "transactions": self.transactions,
            "refused": self.refused,
            "defaulted": self.defaulted,
        }


def _failure(one: Failure) -> dict[str, Any]:
    return {
        "institution": one.institution,
        "day": one.day,
        "order": one.order,
        "cash": one.cash,
        "due": str(one.due),
        "paid": str(one.paid),
        "cause": one.cause,
        "because_of": list(one.because_of),
        "left": str(one.left),
        "unpriced": list(one.unpriced),
    }


def _claimed(one: Claimed) -> dict[str, Any]:
    return {
        "claim": one.claim,
        "holder": one.holder,
        "payer": one.payer,
        "asked": str(one.asked),
        "paid": str(one.paid),
        "paid_ppm": one.paid_ppm,
        "got": str(one.got),
        "cash": one.unit,
        "unpaid": str(one.unpaid),
        "waits": str(one.waits),
        "payments": [[day, str(units)] for day, units in one.payments],
        "refused": one.refused,
    }


def _plain(one: Sale | Loan | Left | Redeemed) -> dict[str, Any]:
    return {
        name: _value(name, getattr(one, name))
        for name in one.__dataclass_fields__  # in the order declared
    }


def _value(name: str, value: Any) -> Any:
    if isinstance(value, int) and name not in ("day", "holders"):
        return str(value)
    if isinstance(value, tuple):
        return [[asset, str(units)] for asset, units in value]
    return value


def told(outcome: Outcome, *, decimals: Sequence[tuple[str, int]] = ()) -> list[str]:
    """Return who failed and why, one line each, for people."""
    places = dict(decimals)

    def amount(units: int, asset: str) -> str:
        digits = places.get(asset, 0)
        text = str(units).rjust(digits + 1, "0")
        return (f"{text[:-digits]}.{text[-digits:]}" if digits else text) + (f" {asset}" if asset else "")

    lines = []
    for one in outcome.failures:
        place = f"{one.order}. {one.institution} fails on day {one.day}"
        if one.cause == "no_cash":
            lines.append(f"{place}: nothing on this ledger pays what it owes")
            continue
        why = {
            "contagion": f"it was not paid by {', '.join(one.because_of)}",
            "illiquid": f"the {amount(one.left, one.cash)} that it has left here could not be had in time",
            "insolvent": f"all that it has left here is worth {amount(one.left, one.cash)}",
        }[one.cause]
        lines.append(f"{place}: pays {amount(one.paid, one.cash)} of {amount(one.due, one.cash)}; {why}")
    return lines
