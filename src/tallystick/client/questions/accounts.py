"""Accounts: what they have and had, what moved on them, and what is open."""

from typing import Any

import msgspec

from tallystick.client.questions.asking import Listing, Question, part, record, typed
from tallystick.client.questions.records import account_of, mandate_of, named
from tallystick.ledger.records import Account, Mandate


class Balance(msgspec.Struct, frozen=True):
    """What an account has of an asset in minor units; `as_of` the entry, -1 where it was not said."""

    asset: str
    units: str
    as_of: int = -1
    held: str = "0"


class Posting(msgspec.Struct, frozen=True):
    """A row of a history: `change` and resulting `balance` in minor units; `n` counts within the entry."""

    index: int
    n: int
    asset: str
    change: str
    balance: str
    time: int


def one(name: str) -> Question[Account]:
    """Ask for an account. Rejections: `unknown_account`."""
    return record(f"/v1/accounts/{part(name)}", account_of)


def all_() -> Listing[tuple[str, Account]]:
    """List the accounts by name."""
    return Listing("/v1/accounts", named(account_of))


def balance(
    account: str, asset: str, *, entry: int | None = None, time: int | None = None
) -> Question[Balance]:
    """Ask for a balance: now, or as it was after an entry or at a time."""
    moment = {"entry": entry, "time": time}
    return typed(
        f"/v1/accounts/{part(account)}/balances/{part(asset)}",
        Balance,
        {name: str(value) for name, value in moment.items() if value is not None},
    )


def balances(account: str) -> Listing[Balance]:
    """List all that an account has now."""
    return Listing(_below(account, "balances"), _balance)


def mandates(account: str) -> Listing[tuple[str, Mandate]]:
    """List the mandates of an account by name."""
    return Listing(_below(account, "mandates"), named(mandate_of))


def history(
    account: str,
    *,
    asset: str | None = None,
    since: int | None = None,
    until: int | None = None,
    newest_first: bool = False,
    after: str | None = None,
    page_size: int = 100,
) -> Listing[Posting]:
    """List an account's postings, oldest first unless said otherwise.

    `since` and `until` are times in microseconds UTC, both included; `after` is the place ENTRY.N of the last
    one seen.
    """
    filters = {
        "asset": asset,
        "since": None if since is None else str(since),
        "until": None if until is None else str(until),
        "order": "newest" if newest_first else None,
    }
    return Listing(_below(account, "history"), _posting, filters, after, page_size)


def _below(account: str, what: str) -> str:
    return f"/v1/accounts/{part(account)}/{what}"


def _balance(item: dict[str, Any]) -> Balance:
    return msgspec.convert(item, Balance)


def _posting(item: dict[str, Any]) -> Posting:
    return msgspec.convert(item, Posting)
