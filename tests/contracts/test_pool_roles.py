"""A role goes to an account that exists: whoever opened a misspelt one later would have the role."""

import pytest

from tallystick.contracts.concentrated_liquidity_pool import Q96
from tallystick.ledger.rejections import Code, Rejection
from tests.contracts.market import ISSUER, Market

X, Y = f"x@{ISSUER}", f"y@{ISSUER}"
PAIR = {"asset_0": X, "asset_1": Y}


@pytest.mark.parametrize(
    ("kind", "parameters", "role"),
    [
        ("constant_product_pool", PAIR, "protocol_fee_to"),
        (
            "concentrated_liquidity_pool",
            PAIR
            | {"fee_ppm": 3_000, "tick_spacing": 60, "sqrt_price": Q96}
            | {"protocol_divisor_0": 4, "protocol_divisor_1": 4},
            "protocol_account",
        ),
        ("stable_pool", {"assets": [X, Y], "amplification": 100, "fee": 0}, "admin"),
    ],
)
def test_a_role_is_not_given_to_an_account_that_does_not_exist(kind, parameters, role):
    market = Market(accounts=("alice",))
    market.fund(10**6, X, Y)
    with pytest.raises(Rejection) as caught:
        market.deploy("pool", kind, **parameters, **{role: "alise"})
    assert (caught.value.code, caught.value.facts) == (Code.UNKNOWN_ACCOUNT, {"account": "alise"})
    market.deploy("pool", kind, **parameters, **{role: "alice"})
