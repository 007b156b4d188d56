"""A role goes to an account that exists: whoever opened a misspelt one later would have the role."""

import pytest

from tallystick.contracts.concentrated_liquidity_pool import Q96
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts import test_distribution
from tests.contracts.feeds import deploy_oracle
from tests.contracts.lending import COLLATERAL, LOAN, ORACLE, TEN_PERCENT, deploy_market
from tests.contracts.market import ISSUER, Market
from tests.ledger.world import DAY, SECOND

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"
PAIR = {"asset_0": X, "asset_1": Y}
RANGES = PAIR | {"fee_ppm": 3_000, "tick_spacing": 60, "sqrt_price": Q96} | dict.fromkeys(
    ("protocol_divisor_0", "protocol_divisor_1"), 4
)  # fmt: skip


def pool(kind, parameters, role):
    def give(name):
        market = Market(accounts=("alice",))
        market.fund(10**6, X, Y)
        market.deploy("pool", kind, **parameters, **{role: name})

    return give


def arbiter(name):
    market = Market(accounts=("alice", "bob"))
    market.fund(10**6, X)
    leg = {"payer": "alice", "receiver": "bob", "asset": X, "units": 1}
    market.deploy("deal", "escrow", legs=[leg], deadline=market.world.time + DAY * SECOND, arbiter=name)


def distribution_admin(name):
    test_distribution.found(**test_distribution.FADING | {"admin": name})


def fee_account(name):
    market = Market(accounts=("alice", "lender"))
    market.fund(10**6, LOAN, COLLATERAL)
    deploy_oracle(market, ORACLE, base=COLLATERAL, quote=LOAN)
    deploy_market(market, fee=10**16, fee_account=name, rate=TEN_PERCENT)


def of_oracle(role):
    def give(name):
        market = Market(accounts=("alice",))
        market.fund(10**6, X, Y)
        deploy_oracle(market, "price", base=X, quote=Y, **{role: name})

    return give


GIVE = {
    "constant_product_pool": pool("constant_product_pool", PAIR, "protocol_fee_to"),
    "concentrated_liquidity_pool": pool("concentrated_liquidity_pool", RANGES, "protocol_account"),
    "stable_pool": pool("stable_pool", {"assets": [X, Y], "amplification": 100, "fee": 0}, "admin"),
    "escrow": arbiter,
    "distribution": distribution_admin,
    "lending_market": fee_account,
    "oracle admin": of_oracle("admin"),
    "oracle registrar": of_oracle("registrar"),
}


@pytest.mark.parametrize("give", GIVE.values(), ids=GIVE)
def test_a_role_is_not_given_to_an_account_that_does_not_exist(give):
    with pytest.raises(Rejection) as caught:
        give("alise")
    assert (caught.value.code, caught.value.facts) == (Code.UNKNOWN_ACCOUNT, {"account": "alise"})
    give("alice")
