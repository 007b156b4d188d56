"""Pool share -> vault -> collateral -> flash loan -> liquidation, in one transaction, every unit counted.

A provider's pool shares lie in a vault, the vault's shares secure a loan, and the price that reporters say of
them falls. A keeper without money borrows it from another pool, repays the debt, takes the vault shares apart
down to the two assets behind them, sells one for what it owes, and brings the loan back.
"""

from collections import Counter

import pytest

from tallystick.ledger.backing import check_backed
from tallystick.ledger.rejections import Code
from tests.contracts.feeds import SCALE, deploy_oracle, report
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import call, transfer

EUR, GOLD = f"eur@{ISSUER}", f"gold@{ISSUER}"
POOL, LENDER, VAULT, MARKET, ORACLE = "pool", "lender-pool", "vault", "loans", "share-price"
POOL_SHARE, VAULT_SHARE = f"share@{POOL}", f"share@{VAULT}"
FUNDS = 10**15
WAD = 10**18
DEBT = 4_000_000
REPAID = 3_500_000


@pytest.fixture
def market():
    """Alice's million of pool shares, worth ten euro each, secures four millions; then they fall to seven."""
    market = Market(accounts=("maker", "alice", "bank", "keeper"))
    market.fund(FUNDS, EUR, GOLD)
    for pool in (POOL, LENDER):
        market.deploy(pool, "constant_product_pool", asset_0=EUR, asset_1=GOLD)
        spend = {EUR: 500_000_000, GOLD: 20_000_000}
        market.call("maker", pool, "mint", spend=spend, units_0=500_000_000, units_1=20_000_000)
    spend = {EUR: 5_000_000, GOLD: 200_000}
    market.call("alice", POOL, "mint", spend=spend, units_0=5_000_000, units_1=200_000)
    market.deploy(VAULT, "vault", asset=POOL_SHARE)
    deploy_oracle(market, ORACLE, base=VAULT_SHARE, quote=EUR)
    market.deploy(
        MARKET,
        "lending_market",
        loan=EUR,
        collateral=VAULT_SHARE,
        oracle=ORACLE,
        freshness_seconds=3_600,
        quorum=2,
        rate={"type": "linear", "base": WAD // 20, "slope": 0},
    )
    market.call("bank", MARKET, "supply", spend={EUR: 100_000_000}, units=100_000_000)
    shares = market.world.balance("alice", POOL_SHARE)
    vault_shares = int(market.call("alice", VAULT, "deposit", spend={POOL_SHARE: shares}, units=shares))
    say(market, 10 * shares * SCALE // vault_shares)
    market.call("alice", MARKET, "supply_collateral", spend={VAULT_SHARE: vault_shares}, units=vault_shares)
    market.call("alice", MARKET, "borrow", units=DEBT)
    say(market, 7 * shares * SCALE // vault_shares)
    return market


def say(market, value):
    market.world.time += 1
    report(market, ORACLE, value, value, value)


def steps(market, *, brought_back):
    """Return the keeper's transaction: it has nothing of its own to spend but what it gets on the way."""
    quoted = market.view(MARKET, "quote_liquidation", borrower="alice", most_repaid=REPAID)
    with market.forked():
        # What the shares come apart into, asked on a fork.
        market.world.do(
            "bank",
            call(
                "bank", MARKET, "liquidate_most", spend=[(EUR, REPAID)], borrower="alice", most_repaid=REPAID
            ),
        )
        units = int(
            market.call("bank", VAULT, "redeem", spend={VAULT_SHARE: quoted.seized}, shares=quoted.seized)
        )
        apart = market.call("bank", POOL, "remove_liquidity", spend={POOL_SHARE: units}, shares=units)
    gold = int(apart["units_1"])
    sale = {"asset_in": GOLD, "asset_out": EUR, "units_in": gold, "least_out": 0}
    return [
        call("keeper", LENDER, "flash", units={EUR: REPAID}),
        call(
            "keeper",
            MARKET,
            "liquidate_most",
            spend=[(EUR, REPAID)],
            receive=[(VAULT_SHARE, quoted.seized)],
            borrower="alice",
            most_repaid=REPAID,
        ),
        call("keeper", VAULT, "redeem", spend=[(VAULT_SHARE, quoted.seized)], shares=quoted.seized),
        call("keeper", POOL, "remove_liquidity", spend=[(POOL_SHARE, units)], shares=units),
        call("keeper", POOL, "swap_exact_in", spend=[(GOLD, gold)], **sale),
        call("keeper", LENDER, "repay", spend=[(EUR, brought_back)], units={EUR: brought_back}),
    ]


@pytest.fixture
def penniless(market):
    """The keeper gave everything away first."""
    market.world.do("keeper", transfer("keeper", (EUR, "bank", FUNDS), (GOLD, "bank", FUNDS)))
    return market


def everywhere(market):
    """Return each asset's units over all accounts but its issuer's."""
    total = Counter()
    for key, units in market.world.store.values.items():
        if key[0] == "balance" and not key[2].endswith(f"@{key[1]}"):
            total[key[2]] += units
    return total


LEAST = -(-REPAID * 10_000 // 9_970)
"""What brings the loan back: its fee is 0.3%."""


def test_all_of_it_in_one_transaction_by_a_keeper_without_money(penniless):
    market = penniless
    before, debt = everywhere(market), market.view(MARKET, "position", account="alice").debt_units
    market.world.do("keeper", *steps(market, brought_back=LEAST))
    after = everywhere(market)
    # Euro and gold are where they were, in sum; shares are fewer by what was burned, and nothing was made.
    assert (after[EUR], after[GOLD]) == (before[EUR], before[GOLD])
    assert after[POOL_SHARE] < before[POOL_SHARE]
    assert after[VAULT_SHARE] < before[VAULT_SHARE]
    assert market.world.balance("keeper", EUR) > 0
    assert market.balances("keeper").keys() == {EUR}
    assert market.view(MARKET, "position", account="alice").debt_units == debt - REPAID
    check_backed(market.world.store, market.world.kinds)
    market.world.replayed()


def test_a_unit_less_than_the_loan_undoes_all_of_it(penniless):
    market = penniless
    refused = market.world.refused("keeper", *steps(market, brought_back=LEAST - 1))
    assert refused.code is Code.OBLIGATION_OPEN
    market.world.do("keeper", *steps(market, brought_back=LEAST))


def test_everyone_then_leaves_with_all_there_is(penniless):
    market = penniless
    market.world.do("keeper", *steps(market, brought_back=LEAST))
    left = market.view(MARKET, "position", account="alice")
    market.call("alice", MARKET, "repay", spend={EUR: left.debt_units}, shares=left.debt_shares)
    for who in ("alice", "bank", "maker"):
        for contract in (MARKET, VAULT, POOL, LENDER):
            done = set()
            while ways := [
                way
                for way in market.view(contract, "exits", account=who)
                if way.units_now and (way.method, str(way.arguments)) not in done
            ]:
                way = ways[0]
                done.add((way.method, str(way.arguments)))
                market.call(who, contract, way.method, spend=way.spend, **way.arguments)
    assert market.world.balance(MARKET, VAULT_SHARE) == 0
    assert market.world.balance(MARKET, EUR) <= 2
    assert market.world.balance(VAULT, POOL_SHARE) <= 1
    for pool in (POOL, LENDER):
        # A thousand shares of each pool are locked for ever; they and rounding are all that stays.
        assert market.world.balance(pool, EUR) < 10_000
