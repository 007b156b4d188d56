"""Watch: which postings concern which institution, learnt from the same receipts as the postings.

Almost every posting of a busy ledger is between people, and concerns no institution's own accounts. Telling
that must cost next to nothing, so one map answers for one account: whose it is. In the map are accounts that
joined, contracts that an institution deployed as its own, and accounts that issue claims.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from tallystick.institutions.owing import Get, end_of, is_on_demand
from tallystick.ledger.receipts import Receipt
from tallystick.ledger.records import Account, Asset, Instance
from tallystick.ledger.store import Key, Value


class Watch:
    """The accounts that matter. `get` reads the state as it is after what is followed."""

    def __init__(self, get: Get) -> None:
        self.get = get
        self.owners: dict[str, str] = {}
        """The institution that an account belongs to; empty for one that issues claims and joined none."""
        self.claims: dict[str, str] = {}
        """The obligor of each claim."""
        self.claims_on: dict[str, list[str]] = {}
        """The claims on each obligor."""
        self.end = lru_cache(1 << 16)(lambda asset: end_of(get, asset))
        """What an asset comes to; declarations never change, so it is asked once."""
        self.is_money = lru_cache(1 << 16)(self._is_money)
        self.roles: dict[str, tuple[str, ...]] = {}
        """What each institution registered as."""

    def read(self, values: Mapping[Key, Value]) -> None:
        """Learn all that a state holds."""
        for key, value in values.items():
            match key[0]:
                case "member":
                    self.owners[key[1]] = value
                case "institution":
                    self.roles[key[1]] = value.roles
                case "instance" if value.obligor:
                    self.owners[key[1]] = value.obligor
                case "asset" if value.obligor:
                    self.add_claim(value)
                case _:
                    pass

    def add_claim(self, asset: Asset) -> None:
        """Watch a claim and the account that issues it."""
        if asset.id not in self.claims:
            self.claims_on.setdefault(asset.obligor, []).append(asset.id)
        self.claims[asset.id] = asset.obligor
        self.owners.setdefault(asset.issuer, "")

    def find(self, account: str) -> str | None:
        """Return whose account it is, or None if nobody needs to know. A sub-account is its contract's."""
        found = self.owners.get(account)
        if found is None and "/" in account:
            return self.owners.get(account.partition("/")[0])
        return found

    def learn(self, receipt: Receipt) -> Iterable[tuple[str, str]]:
        """Take in who joined, what was declared and deployed; yield (account, institution) of who joined."""
        for source, name, fields in receipt.events:
            if source != "ledger":
                continue
            if name in ("institution_founded", "institution_declared"):
                self.roles[fields["institution"]] = tuple(fields["roles"])
            elif name == "institution_joined":
                self.owners[fields["account"]] = fields["institution"]
                yield fields["account"], fields["institution"]
            elif name == "asset_created" and fields["kind"] == "claim":
                self.add_claim(self.get(("asset", fields["asset"])))
            elif name == "deployed":
                instance: Instance = self.get(("instance", fields["contract"]))
                if instance.obligor:
                    self.owners[fields["contract"]] = instance.obligor

    def is_code(self, account: str) -> bool:
        """Tell whether an account is a contract's."""
        found: Account | None = self.get(("account", account))
        return found is not None and bool(found.controller)

    def _is_money(self, asset: str) -> bool:
        """Tell whether an asset is a claim that comes to a currency on demand."""
        record: Asset = self.get(("asset", asset))
        if record.terms is None or not is_on_demand(record.terms, now=0):
            return False
        return is_currency(self.end(asset).thing)


def is_currency(thing: str) -> bool:
    """Tell whether a unit of account is a currency's: three capital letters, the form of ISO 4217."""
    return len(thing) == 3 and thing.isascii() and thing.isalpha() and thing.isupper()
