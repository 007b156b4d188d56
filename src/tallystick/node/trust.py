"""Trust: what the lens shows, as a document, the same from a ledger file and from a node.

    account_document(books, "alice")     now
    preview_document(books, fork, ...)   afterwards, for everybody who signs a transaction

Amounts are decimal strings of minor units, shares parts per million. The rule that must hold: this file adds
no opinion; it writes down what `institutions.trust` returned.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from tallystick.institutions.books import Books
from tallystick.institutions.prices import Prices
from tallystick.institutions.trust import (
    Amount,
    CoverageOf,
    Exposure,
    Trust,
    trust_of_account,
    trust_of_asset,
)
from tallystick.ledger.fork import Fork, unsigned
from tallystick.ledger.names import is_asset
from tallystick.ledger.rejections import Rejection
from tallystick.ledger.transactions import Transaction
from tallystick.node.live_books import books_on

SIGNERS_SHOWN_MAX: Final = 8
"""A preview shows what so many of a transaction's accounts trust afterwards."""


def subject_document(
    books: Books,
    subject: str,
    *,
    unit: str = "",
    price_from: Sequence[str] = (),
    coverage: CoverageOf | None = None,
) -> dict[str, Any]:
    """Return what the lens shows of an account, or of an asset, which has an `@` in its name.

    Values are in `unit`, by par and by the pools in `price_from`. Rejections: `unknown_account`,
    `unknown_asset`, `unknown_contract`.
    """
    for contract in price_from:
        books.instance(contract)
    prices = Prices(unit, contracts=price_from) if unit else None
    trust = (
        trust_of_asset(books, subject, prices=prices, price_from=price_from, coverage=coverage)
        if is_asset(subject)
        else trust_of_account(books, subject, prices=prices, price_from=price_from, coverage=coverage)
    )
    return trust_document(trust)


def preview_documents(
    books: Books, transaction: Transaction, *, time: int, index: int, coverage: CoverageOf | None = None
) -> list[dict[str, Any]]:
    """Return what each account that signs would trust after a transaction. Rejections: any.

    `books` are of the state on which it would run; they are on it again afterwards.
    """
    fork = Fork(books.state, books.kinds, index=index)
    _, outcomes = fork.run_batch([unsigned(transaction)], time=time)
    if isinstance(outcomes[0], Rejection):
        raise outcomes[0]
    signers = dict.fromkeys([transaction.sender, *(action.account for action in transaction.actions)])
    with books_on(books, fork) as afterwards:
        return [
            trust_document(trust_of_account(afterwards, account, coverage=coverage))
            for account in list(signers)[:SIGNERS_SHOWN_MAX]
        ]


def trust_document(trust: Trust) -> dict[str, Any]:
    """Return the document of an answer."""
    return {
        "subject": trust.subject,
        "kind": trust.subject_kind,
        "time": trust.time,
        "label": trust.label,
        "unit": trust.unit,
        "value": _string(trust.value),
        "credit_ppm": trust.credit_ppm,
        "computation_ppm": trust.computation_ppm,
        "parts": [
            {
                "asset": part.asset,
                "units": str(part.units),
                "label": part.label,
                "obligor": part.obligor,
                "contracts": list(part.contracts),
                "stopped": part.stopped,
                "due_in": part.due_in,
            }
            for part in trust.parts
        ],
        "obligors": [
            _exposure(one)
            | {
                "via": list(one.via),
                "coverage_ppm": one.coverage_ppm,
                "coverage_missing": one.coverage_missing,
            }
            for one in trust.obligors
        ],
        "contracts": [_exposure(one) for one in trust.contracts],
        "powers": [
            _exposure(one) | {"on": one.on, "bound": one.bound, "delay_seconds": one.delay_seconds}
            for one in trust.powers
        ],
        "oracles": [_exposure(one) for one in trust.oracles],
        "own": _amounts(trust.own),
        "owes": _amounts(trust.owes),
        "unpriced": [{"asset": one.asset, "unit": one.unit, "reason": one.reason} for one in trust.unpriced],
        "unanswered": [{"contract": one.contract, "code": one.code} for one in trust.unanswered],
    }


def _exposure(one: Exposure) -> dict[str, Any]:
    return {
        "name": one.name,
        "how": one.how,
        "amounts": _amounts(one.amounts),
        "value": _string(one.value),
        "share_ppm": one.share_ppm,
    }


def _amounts(amounts: Iterable[Amount]) -> list[dict[str, Any]]:
    return [{"asset": one.asset, "units": str(one.units), "share_ppm": one.share_ppm} for one in amounts]


def _string(value: int | None) -> str | None:
    return None if value is None else str(value)
