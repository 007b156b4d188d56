"""Views: coverage and licences, kept up with the log entry by entry.

    views.follow(receipts)   ->  crossings and flags of a batch, in the order of its entries

One object takes in every receipt once. A node feeds it each batch's receipts when the batch is merged and
publishes what it returns beside them; whoever opens a ledger file feeds it the whole log (`replay`) and gets
the same. Neither receipts nor state hold any of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tallystick.institutions.coverage import Coverage, Crossing
from tallystick.institutions.licence import Flag, Licences
from tallystick.institutions.owing import Get
from tallystick.institutions.watch import Watch
from tallystick.ledger.receipts import Receipt

Balances = Callable[[str], Mapping[str, int]]
"""Returns what an account has of each asset in the state that the batch led to."""


class Views:
    """Coverage and licences of every institution up to, and without, entry `upto`."""

    def __init__(self, get: Get, balances: Balances) -> None:
        self.watch = Watch(get)
        self.coverage = Coverage(self.watch)
        self.licences = Licences(self.watch, self.coverage)
        self.upto = 0
        self.balances = balances

    def follow(self, receipts: Sequence[Receipt]) -> list[Crossing | Flag]:
        """Take in a batch whose writes the state holds by now; return what it made cross or be flagged."""
        found: list[Crossing | Flag] = []
        owners = self.watch.owners
        for place, receipt in enumerate(receipts):
            if receipt.events:
                for account, institution in self.watch.learn(receipt):
                    self.coverage.join(institution, self._had(account, receipts[place:]))
            # Most entries move what is people's between people, and are left at this one look.
            is_ours = receipt.sender in owners
            for posting in receipt.postings:
                if posting[0] in owners or "/" in posting[0]:
                    is_ours = True
                    break
            if is_ours:
                found += self.coverage.follow(receipt)
                found += self.licences.follow(receipt)
            self.upto = receipt.index + 1
        return found

    def _had(self, account: str, receipts: Sequence[Receipt]) -> dict[str, int]:
        """Return what an account had before these receipts, the last of the batch."""
        balances = dict(self.balances(account))
        for receipt in receipts:
            for who, asset, change, _ in receipt.postings:
                if who == account:
                    balances[asset] = balances.get(asset, 0) - change
        return balances


class Replay:
    """Views of a log from its receipts, one by one, while the state that `get` reads is at a later entry.

    What was declared never changes, so a later state tells it; what an account had when it joined is kept
    from its own postings on the way.
    """

    def __init__(self, get: Get) -> None:
        self._before: dict[str, dict[str, int]] = {}
        self.views = Views(get, lambda account: self._before.get(account, {}))

    def feed(self, receipt: Receipt) -> None:
        """Take in the next receipt."""
        owners = self.views.watch.owners
        for account, asset, _, balance in receipt.postings:
            if not owners.get(account):
                self._before.setdefault(account, {})[asset] = balance
        self.views.follow([receipt])


def replay(receipts: Iterable[Receipt], get: Get) -> Views:
    """Return the views of a whole log from its receipts and a state that it led to."""
    replaying = Replay(get)
    for receipt in receipts:
        replaying.feed(receipt)
    return replaying.views
