"""`tallystick trust`, and what a preview says of whom one relies on afterwards."""

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path).start("alice", "bob")
    desk("asset issue eur@bank --leg alice:100.00 --leg bob:50.00")
    return desk


def test_a_deposit_relies_on_its_bank(desk):
    seen = desk.json("trust alice")
    assert (seen["label"], seen["unit"], seen["value"]) == ("credit", "EUR", "10000")
    assert [(one["name"], one["how"], one["share_ppm"]) for one in seen["obligors"]] == [
        ("bank-ag", "direct", 1_000_000)
    ]
    told = desk("trust alice")
    assert "bank-ag  direct  100.0 %  100.00 eur@bank" in told


def test_an_asset_is_seen_by_all_that_is_outstanding(desk):
    seen = desk.json("trust eur@bank")
    assert (seen["kind"], seen["parts"][0]["units"]) == ("asset", "15000")


def test_what_nobody_owes_and_what_nobody_knows(desk):
    assert "bank relies on nobody" in desk("trust bank")
    desk.refused("trust nobody", code="unknown_account")
    desk.refused("trust nothing@bank", code="unknown_asset")


def test_another_unit_prices_nothing_and_says_so(desk):
    seen = desk.json("trust alice --unit USD")
    assert (seen["value"], seen["unpriced"][0]["reason"]) == (None, "no book gives the price of EUR in USD")
    assert "no price: no book gives the price of EUR in USD" in desk("trust alice --unit USD")


def test_a_pools_share_is_seen_through_and_its_code_named(desk):
    desk("asset create chip --issuer alice --kind token")
    desk("asset issue chip@alice bob 1000000")
    desk(
        "contract deploy pool constant_product_pool --account bob"
        " --arg asset_0=eur@bank --arg asset_1=chip@alice"
    )
    desk(
        "contract call pool mint --account bob --arg units_0=4000 --arg units_1=4000"
        " --spend eur@bank=40.00 --spend chip@alice=4000"
    )
    seen = desk.json("trust bob --price-from pool --unit EUR")
    assert [(one["name"], one["how"]) for one in seen["contracts"]] == [("pool", "constant_product_pool 1")]
    assert seen["unpriced"] == []
    assert int(seen["credit_ppm"]) + int(seen["computation_ppm"]) in {999_999, 1_000_000}


def test_a_preview_says_whom_each_signer_relies_on_afterwards_and_nothing_is_written(desk):
    told = desk("pay alice bob 100.00 eur@bank --dry-run")
    assert "alice would then rely on nobody" in told
    document = desk.json("pay alice bob 60.00 eur@bank --dry-run")
    assert [(one["subject"], one["value"]) for one in document["trust"]] == [("alice", "4000")]
    desk.refused("pay alice bob 100.01 eur@bank --dry-run", code="insufficient_balance")
    assert desk.json("trust alice")["value"] == "10000"
