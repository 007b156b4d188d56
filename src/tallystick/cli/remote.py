"""The remote ledger: a node at a URL, in the place of an opened ledger file.

Commands cannot tell the two apart: the same questions, asked over HTTP by `client.http`, and the same
rejections. The rule that must hold: what a node cannot be asked is refused by name, and never answered from a
ledger file that happens to lie here.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tallystick.cli.frame import CommandError
from tallystick.cli.opened import Moved, OpenLedger, PastBalance, Row
from tallystick.client.http import Client
from tallystick.client.questions import institutions, trust
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

    def get(self, *key: Any) -> Any:
        """Return a record of the state, from those tables that a node shows."""
        tables: dict[str, Callable[..., Any]] = {
            "account": self._client.account,
            "asset": self._client.asset,
            "balance": self.balance,
            "held": self.held,
            "hold": self._client.hold,
            "instance": self._client.contract,
            "mandate": self._mandate,
        }
        if key[0] not in tables:
            raise _not_over_http(key[0])
        return tables[key[0]](*key[1:])

    def rows(self, table: str) -> list[Row]:
        """Return a table's records in the order of their keys, asked page by page."""
        if table == "asset":
            return [(("asset", asset.id), asset) for asset in self._client.assets()]
        if table == "instance":
            return [(("instance", name), instance) for name, instance in self._client.contracts()]
        raise _not_over_http(table)

    def account(self, name: str) -> Account | None:
        """Return an account, or None."""
        return self._client.account(name)

    def asset(self, name: str) -> Asset | None:
        """Return an asset, or None."""
        return self._client.asset(name)

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

    def history(self, account: str, *, asset: str | None, after: tuple[int, int], limit: int) -> list[Moved]:
        """Return an account's postings after a place, oldest first."""
        # Nine digits are beyond any place within an entry, and as many as a node reads.
        place = None if after < (0, 0) else f"{after[0]}.{min(after[1], 999_999_999)}"
        rows = self._client.history(account, asset=asset, after=place, page_size=limit)
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

    def _mandate(self, account: str, name: str) -> Any:
        return next((found for one, found in self._client.mandates(account) if one == name), None)


def _wire(value: Any) -> Any:
    """Return a view's arguments as they travel: integers as decimal strings."""
    if isinstance(value, dict):
        return {name: _wire(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wire(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _not_over_http(table: str) -> CommandError:
    return CommandError(
        f"a node does not show the table {table!r}", hint="use the ledger file, without --url"
    )
