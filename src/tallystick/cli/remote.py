"""The remote ledger: a node at a URL, in the place of an opened ledger file.

Commands cannot tell the two apart: the same questions, asked over HTTP by `client.http`, and the same
rejections. Tables are read through `/v1/state`, row by row as they are in the file. The rule that must hold:
what a node cannot be asked is refused, and never answered from a ledger file that happens to lie here.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tallystick.cli.errors import CommandError
from tallystick.cli.opened import Moved, OpenLedger, PastBalance, Row
from tallystick.client.http import Client
from tallystick.client.questions import assets, institutions, state, trust
from tallystick.client.vocabulary import (
    Account,
    Asset,
    Transaction,
    WireReceipt,
    decode_receipt,
    encode_transaction,
)


class RemoteLedger(OpenLedger):
    """A ledger over HTTP. `file` is the client, which is a `Connection` as a ledger file is."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._client = client
        self._assets: dict[str, Asset] = {}

    def get(self, *key: Any) -> Any:
        """Return a record of the state by its table and key, or None."""
        return next((value for found, value in self.rows(*key) if found == key), None)

    def rows(self, table: str, *under: Any) -> list[Row]:
        """Return a table's records, those whose keys begin with `under`, asked page by page."""
        return list(self._client.each(state.rows(table, *under)))

    def holders(self, asset: str) -> list[tuple[str, int]]:
        """Return who has an asset and how much, by account; the issuer's units are below zero."""
        return list(self._client.each(assets.holders(asset)))

    def account(self, name: str) -> Account | None:
        """Return an account, or None."""
        return self._client.account(name)

    def asset(self, name: str) -> Asset | None:
        """Return an asset, or None. One that was found is asked for once: every amount needs its decimals."""
        if name not in self._assets:
            found = self._client.asset(name)
            if found is None:
                return None
            self._assets[name] = found
        return self._assets[name]

    def balance(self, account: str, asset: str) -> int:
        """Return what the account owns of the asset, held units included."""
        return self._client.balance(account, asset)

    def held(self, account: str, asset: str) -> int:
        """Return how much of it is in holds and redemptions."""
        return int(self._client.balance_details(account, asset).held)

    def assets_held(self, account: str) -> list[str]:
        """Return the assets of which the account has a balance."""
        return [balance.asset for balance in self._client.balances(account)]

    def past_balance(self, account: str, asset: str, *, entry: int | None, time: int | None) -> PastBalance:
        """Return a balance as it was. A node does not say which entry made it so."""
        found = self._client.balance_details(account, asset, entry=entry, time=time)
        return PastBalance(units=int(found.units), as_of=found.as_of)

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
        """Return an account's postings after a place, oldest or newest first."""
        # Nine digits are beyond any place within an entry, and as many as a node reads.
        place = None if after < (0, 0) else f"{after[0]}.{min(after[1], 999_999_999)}"
        rows = self._client.history(
            account,
            asset=asset,
            since=since,
            until=until,
            newest_first=newest_first,
            after=place,
            page_size=limit,
        )
        return [
            Moved(row.index, row.n, row.asset, int(row.change), int(row.balance), row.time)
            for row, _ in zip(rows, range(limit), strict=False)
        ]

    def receipt(self, which: str, *, sender: str | None) -> bytes:
        """Return a receipt by its entry's index, or by a transaction's id and sender."""
        if not which.isdigit():
            if sender is None:
                raise CommandError("a node finds an id by its sender", hint="name the account with --sender")
            return self._client.receipt(which, sender=sender)
        found = self._client.entry(int(which)).receipt
        if found is None:
            raise CommandError(f"entry {which} is genesis or a root, and has no receipt")
        return msgspec.json.encode(found)

    def preview(self, transaction: Transaction) -> WireReceipt:
        """Return the receipt that a transaction would get now. Rejections: any."""
        return decode_receipt(self._client.preview(transaction))

    def trust(self, subject: str, *, unit: str, price_from: Sequence[str]) -> dict[str, Any]:
        """Return whom an account or asset relies on. Rejections: `unknown_account`, `unknown_asset`."""
        return self._client.ask(trust.of(subject, unit=unit, price_from=price_from))

    def trust_after(self, transaction: Transaction) -> list[dict[str, Any]]:
        """Return whom each account that a transaction acts for would rely on afterwards. Rejections: any."""
        return self._client.ask(trust.after(encode_transaction(transaction)))

    def institution_rows(self) -> list[dict[str, Any]]:
        """Return every institution with its roles and accounts."""
        names = ("founder", "roles", "related", "accounts")
        return [
            {"institution": one["id"]} | {name: one[name] for name in names}
            for one in self._client.each(institutions.all_())
        ]

    def sheet(self, institution: str, **asked: Any) -> dict[str, Any]:
        """Return a balance sheet. Rejections: `unknown_institution`."""
        return self._client.ask(institutions.balance_sheet(institution, **asked))

    def period(self, institution: str, **asked: Any) -> dict[str, Any]:
        """Return income and cash flow. Rejections: `unknown_institution`."""
        return self._client.ask(institutions.period(institution, **asked))

    def coverage(self, institution: str, **asked: Any) -> dict[str, Any]:
        """Return coverage in kind. Rejections: `unknown_institution`, `unknown_asset`."""
        return self._client.ask(institutions.coverage(institution, **asked))

    def licences(self, institution: str) -> dict[str, Any]:
        """Return which licences behaviour needs. Rejections: `unknown_institution`."""
        return self._client.ask(institutions.licences(institution))

    def money(self) -> list[dict[str, Any]]:
        """Return M0, M1 and M2 by currency."""
        return self._client.ask(institutions.money())

    def view(self, contract: str, method: str, arguments: dict[str, Any]) -> Any:
        """Return what a view of a contract answers, in wire form. Rejections: the view's."""
        return self._client.view(contract, method, **_wire(arguments))

    def advance(self) -> list[bytes]:
        """Return nothing: a node runs what falls due by itself."""
        return []


def _wire(value: Any) -> Any:
    """Return a view's arguments as they travel: integers as decimal strings."""
    if isinstance(value, dict):
        return {name: _wire(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wire(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
