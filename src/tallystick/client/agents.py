"""Agents: the people of the demonstration economy going on with their business on a ledger that is served.

Each turn somebody pays, promises (and what was promised is captured or released a little later), agrees on a
delivery in escrow and releases it, or trades in a pool. What is refused, because somebody is short of money,
is counted and goes on. The same seed chooses the same turns; times, and so ids, are the node's.

The rule that must hold: agents know only a `Connection` and the economy's public keys, as any client would.
"""

from collections import Counter, deque
from collections.abc import Iterator
from random import Random
from typing import Final

from tallystick.client.arguments import contract_of, encode_arguments, method_shape, parameters_shape
from tallystick.client.connection import Connection
from tallystick.client.economy import HOUR, PEOPLE, SHOPS, Economy
from tallystick.client.economy_pools import EUR, Traders
from tallystick.client.transactions import Ids, build, sign
from tallystick.crypto import Signer
from tallystick.ledger import transactions as tx
from tallystick.ledger.receipts import decode_receipt

_OPEN_MAX: Final = 20
"""Promises and agreements that may be open before the oldest is ended."""


class Agents:
    """The people of one economy. `counts` says how often what settled, and what was refused why."""

    def __init__(self, ledger: Connection, economy: Economy, *, seed: int) -> None:
        self._ledger = ledger
        self._signers = {name: Signer(secret) for name, secret in economy.seeds.items()}
        self._random = Random(seed)  # noqa: S311 (turns of a demonstration; nothing secret comes of it)
        self._ids = Ids()
        honest = tuple(name for name in PEOPLE if name != "mallory")  # whose account is frozen
        self._traders = Traders(self._random, honest, ledger.balance)
        self._open: deque[tuple[str, tx.Action]] = deque()
        self.counts: Counter[str] = Counter()

    def turns(self) -> Iterator[str]:
        """Take one turn after the other, for ever; yield what was done. Raises what the connection does."""
        turns = (self._pay, self._pay, self._promise, self._agree, self._trade)
        while True:
            if len(self._open) > _OPEN_MAX:
                yield self._end()
            yield self._random.choice(turns)()

    def _pay(self) -> str:
        payer, payee = self._random.sample(PEOPLE, 2)
        leg = (EUR, payee, str(self._random.randrange(100, 3_000)))
        self._settle("payment", payer, tx.Transfer(account=payer, legs=(leg,), reference="demonstration"))
        return "payment"

    def _promise(self) -> str:
        guest, shop = self._random.choice(PEOPLE), self._random.choice(SHOPS)
        legs = ((EUR, str(self._random.randrange(500, 9_000))),)
        expires = self._ledger.now() + HOUR
        booking = tx.Hold(account=guest, beneficiary=shop, legs=legs, expires=expires, at_expiry="release")
        hold = self._settle("hold", guest, booking)
        if hold is not None:
            if self._random.random() < 0.8:
                self._open.append(("capture", tx.Capture(account=shop, hold=hold)))
            else:
                self._open.append(("release", tx.Release(account=shop, hold=hold)))
        return "hold"

    def _agree(self) -> str:
        payer, receiver = self._random.sample(PEOPLE, 2)
        units = str(self._random.randrange(500, 5_000))
        code = contract_of("escrow", None)
        leg = {"payer": payer, "receiver": receiver, "asset": EUR, "units": units}
        terms = {"deadline": str(self._ledger.now() + HOUR), "legs": [leg]}
        name = f"deal-{self._ids.new(self._ledger.now())}"
        deploy = tx.Deploy(
            account=payer,
            contract=name,
            kind=code.kind,
            version=code.version,
            parameters=encode_arguments(terms, parameters_shape(code)),
        )

        def call(method: str, spend: tuple[tuple[str, str], ...] = ()) -> tx.Call:
            arguments = encode_arguments({"leg": 0}, method_shape(code, method))
            return tx.Call(account=payer, contract=name, method=method, arguments=arguments, spend=spend)

        if self._settle("escrow", payer, deploy, call("fund", ((EUR, units),))) is not None:
            self._open.append(("delivery", call("release")))
        return "escrow"

    def _trade(self) -> str:
        trade = self._traders.one()
        self._settle("trade", trade.account, trade)
        return "trade"

    def _end(self) -> str:
        what, action = self._open.popleft()
        self._settle(what, action.account, action)
        return what

    def _settle(self, what: str, sender: str, *actions: tx.Action) -> str | None:
        """Submit a transaction; return what its first action made, None if it was refused."""
        now = self._ledger.now()
        transaction = build(
            self._ledger.ledger_id, sender, actions, now=now, transaction_id=self._ids.new(now)
        )
        (outcome,) = self._ledger.submit([sign(transaction, [self._signers[sender]])])
        if outcome.receipt is None:
            assert outcome.rejection is not None
            self.counts[f"refused: {outcome.rejection.code.value}"] += 1
            return None
        self.counts[what] += 1
        return str(decode_receipt(outcome.receipt).results[0])
