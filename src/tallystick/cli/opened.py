"""The opened ledger: what commands ask of a ledger file, in one place.

The node's `LedgerFile` is itself a client's `Connection`: whoever pays cannot tell it from a server. This
adds what commands that look need besides: tables by name, decimals, previews and views in wire form. It
decides nothing; each method is one question. Where a record must exist, asking for one that does not is the
same rejection that the ledger would give.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.client.vocabulary import (
    Account,
    Asset,
    Code,
    Rejection,
    Transaction,
    WireReceipt,
    decode_receipt,
    encode_receipt,
    to_wire,
)

Row = tuple[tuple[Any, ...], Any]
"""A key of the state and its record."""


@dataclass(frozen=True)
class Moved:
    """A row of a history: `change` and the resulting `balance` in minor units; `n` counts in the entry."""

    index: int
    n: int
    asset: str
    change: int
    balance: int
    time: int


@dataclass(frozen=True, kw_only=True)
class PastBalance:
    """A balance as it was after the entry `as_of`. `changed_by` is the entry that made it so, -1 for none,
    and None where that was not said."""

    units: int
    as_of: int
    changed_by: int | None = None


class OpenLedger:
    """One ledger, open. `file` is the node's `LedgerFile`; `remote.RemoteLedger` is one behind a URL."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.ledger_id: str = file.ledger_id

    def now(self) -> int:
        """Return the time by which the next batch would be dated."""
        time: int = self.file.now()
        return time

    def get(self, *key: Any) -> Any:
        """Return a record of the state by its table and key, or None."""
        return self.file.state.get(key)

    def rows(self, table: str, *under: Any) -> list[Row]:
        """Return a table's records, those whose keys begin with `under`, in the order of their keys.

        Reads the whole state.
        """
        prefix, depth = (table, *under), 1 + len(under)
        return sorted(
            ((key, value) for key, value in self.file.state.values.items() if key[:depth] == prefix),
            key=lambda row: row[0],
        )

    def holders(self, asset: str) -> list[tuple[str, int]]:
        """Return who has an asset and how much, by account; the issuer's units are below zero."""
        return [(key[1], units) for key, units in self.rows("balance") if key[2] == asset]

    def account(self, name: str) -> Account | None:
        """Return an account, or None."""
        found: Account | None = self.get("account", name)
        return found

    def asset(self, name: str) -> Asset | None:
        """Return an asset, or None."""
        found: Asset | None = self.get("asset", name)
        return found

    def balance(self, account: str, asset: str) -> int:
        """Return what the account owns of the asset, held units included."""
        units: int = self.get("balance", account, asset) or 0
        return units

    def held(self, account: str, asset: str) -> int:
        """Return how much of it is in holds and redemptions."""
        units: int = self.get("held", account, asset) or 0
        return units

    def assets_held(self, account: str) -> list[str]:
        """Return the assets of which the account has a balance."""
        return [key[2] for key, _ in self.rows("balance", account)]

    def past_balance(self, account: str, asset: str, *, entry: int | None, time: int | None) -> PastBalance:
        """Return a balance as it was after an entry or at a time."""
        from tallystick.node.projections import Projections

        past = Projections(self.file).balance_as_of(account, asset, entry=entry, time=time)
        changed_by = -1 if past.posting is None else past.posting.index
        return PastBalance(units=past.units, as_of=past.as_of, changed_by=changed_by)

    def history(
        self,
        account: str,
        *,
        asset: str | None,
        after: tuple[int, int],
        limit: int,
        since: int | None = None,
        until: int | None = None,
        newest_first: bool = False,
    ) -> list[Moved]:
        """Return an account's postings after a place, oldest or newest first, each compared with its receipt.

        `since` and `until` are times in microseconds UTC, both included.
        """
        from tallystick.node.projections import Projections

        found = Projections(self.file).history(
            account,
            asset=asset,
            after=after,
            limit=limit,
            since=since,
            until=until,
            newest_first=newest_first,
        )
        return [
            Moved(row.index, row.n, row.asset, row.change, row.balance, row.time) for row in found.postings
        ]

    def receipt(self, which: str, *, sender: str | None) -> bytes:
        """Return a receipt by its entry's index or its transaction's id."""
        data: bytes = (
            self.file.receipt(index=int(which))
            if which.isdigit()
            else self.file.receipt(id=which, sender=sender)
        )
        return data

    def advance(self) -> list[bytes]:
        """Run what has fallen due and return the receipts."""
        receipts: list[bytes] = self.file.advance()
        return receipts

    def need_account(self, name: str) -> Account:
        """Return an account. Rejections: `unknown_account`."""
        found = self.account(name)
        if found is None:
            raise Rejection(Code.UNKNOWN_ACCOUNT, account=name[:64])
        return found

    def need_asset(self, name: str) -> Asset:
        """Return an asset. Rejections: `unknown_asset`."""
        found = self.asset(name)
        if found is None:
            raise Rejection(Code.UNKNOWN_ASSET, asset=name[:80])
        return found

    def decimals(self, assets: Iterable[str]) -> dict[str, int]:
        """Return the decimals of those assets that exist."""
        found = {name: self.asset(name) for name in set(assets)}
        return {name: asset.decimals for name, asset in found.items() if asset is not None}

    def preview(self, transaction: Transaction) -> WireReceipt:
        """Return the receipt that a transaction would get now. Rejections: any."""
        return decode_receipt(encode_receipt(self.file.preview(transaction)))

    def trust(self, subject: str, *, unit: str, price_from: Sequence[str]) -> dict[str, Any]:
        """Return whom an account or asset relies on. Rejections: `unknown_account`, `unknown_asset`."""
        from tallystick.node.live_books import books_of
        from tallystick.node.trust import subject_document

        return subject_document(books_of(self.file), subject, unit=unit, price_from=price_from)

    def trust_after(self, transaction: Transaction) -> list[dict[str, Any]]:
        """Return whom each account that a transaction acts for would rely on afterwards. Rejections: any."""
        from tallystick.node.live_books import books_of
        from tallystick.node.trust import preview_documents

        books = books_of(self.file)
        return preview_documents(books, transaction, time=self.file.now(), index=self.file.size)

    def institution_rows(self) -> list[dict[str, Any]]:
        """Return every institution with its roles and accounts."""
        members: dict[str, list[str]] = {}
        for key, institution in self.rows("member"):
            members.setdefault(institution, []).append(key[1])
        return [
            {
                "institution": key[1],
                "founder": record.founder,
                "roles": list(record.roles),
                "related": list(record.related),
                "accounts": members.get(key[1], []),
            }
            for key, record in self.rows("institution")
        ]

    def sheet(self, institution: str, **asked: Any) -> dict[str, Any]:
        """Return a balance sheet, now or after `entry`. Rejections: `unknown_institution`."""
        from tallystick.node.institutions import sheet_at

        return sheet_at(self._moments(), institution, **asked)

    def period(self, institution: str, **asked: Any) -> dict[str, Any]:
        """Return income and cash flow: `start`, `end`, and the prices. Rejections: `unknown_institution`."""
        from tallystick.node.institutions import period_at

        return period_at(self._moments(), institution, **asked)

    def coverage(self, institution: str, **asked: Any) -> dict[str, Any]:
        """Return coverage in kind. Rejections: `unknown_institution`, `unknown_asset`."""
        from tallystick.node.institutions import coverage_document

        return coverage_document(self._moments().views(), institution, **asked)

    def licences(self, institution: str) -> dict[str, Any]:
        """Return which licences behaviour needs. Rejections: `unknown_institution`."""
        from tallystick.node.institutions import licences_document

        return licences_document(self._moments().views(), institution)

    def money(self) -> list[dict[str, Any]]:
        """Return M0, M1 and M2 by currency."""
        from tallystick.node.institutions import money_document

        return money_document(self._moments().books_at(None))

    def _moments(self) -> Any:
        from tallystick.node.past import Moments

        return Moments(self.file.journal, self.file.kinds, state=self.file.state)

    def view(self, contract: str, method: str, arguments: dict[str, Any]) -> Any:
        """Return what a view of a contract answers, in wire form. Rejections: the view's."""
        return to_wire(self.file.view(contract, method, **arguments))
