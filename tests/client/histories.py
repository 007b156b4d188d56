"""Small histories with an entry of each kind, for the tests that damage them."""

from tallystick.client.actions import CreateAsset, Hold, Issue, OpenAccount, Transfer
from tests.client.memory import SECOND, MemoryLedger, signer

GOLD = "gold@bank"


def pay(sender, to, units):
    return Transfer(account=sender, legs=((GOLD, to, str(units)),))


def small_history():
    """Genesis, transactions (one with two signers), a root, due timers, a root, and one entry after it."""
    ledger = MemoryLedger()
    ledger.settle(
        "operator",
        *[
            OpenAccount(account="operator", name=name, keys=(signer(name).public_key,))
            for name in ("bank", "alice", "bob")
        ],
    )
    ledger.settle(
        "bank",
        CreateAsset(account="bank", code="gold", kind="token", decimals=2),
        Issue(account="bank", legs=((GOLD, "alice", "1000"), (GOLD, "bob", "1000"))),
    )
    ledger.settle("alice", pay("alice", "bob", 5), pay("bob", "alice", 7), by=["bob"])
    ledger.commit()
    ledger.settle(
        "alice",
        Hold(
            account="alice",
            beneficiary="bob",
            legs=((GOLD, "10"),),
            expires=ledger.now() + 5 * SECOND,
            at_expiry="capture",
        ),
        once="invoice 1",
    )
    ledger.wait(10)
    ledger.settle("bob", pay("bob", "alice", 1))
    ledger.commit()
    ledger.settle("bob", pay("bob", "alice", 2))
    return ledger


def long_history(transactions, *, every=100):
    """Many payments between two accounts, with a root and checkpoint every so many batches of ten."""
    from tallystick.client.transactions import build, sign

    ledger = small_history()
    signers = {name: signer(name) for name in ("alice", "bob")}
    for batch in range(transactions // 10):
        envelopes = []
        for number in range(10):
            sender, to = ("alice", "bob") if (batch + number) % 2 else ("bob", "alice")
            transaction = build(
                ledger.ledger_id,
                sender,
                [pay(sender, to, 1 + number)],
                now=ledger.now(),
                transaction_id=ledger.ids.new(ledger.now()),
            )
            envelopes.append(sign(transaction, [signers[sender]]))
        assert all(outcome.receipt for outcome in ledger.submit(envelopes))
        if batch % every == every - 1:
            ledger.commit()
    return ledger
