"""A file of payments: each line settled once, refused ones tried again only when asked."""

import csv

import pytest

from tests.cli.desk import Desk

FILE = """from,to,value,number
alice,bob,60.00,a-1
ALICE,carol,50.00,a-2
carol,bob,1.00,c-1
bob,alice,5.00,b-1
bob,alice,5.00,b-1
alice,bob,1.005,a-3
"""
COLUMNS = "--columns sender=from,receiver=to,amount=value,ref=number"


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path).start("alice", "bob", "carol")
    made("asset issue eur@bank alice 100.00")
    made.write("pay.csv", FILE)
    return made


def run(desk, options=""):
    return desk.json(f"import payments pay.csv --asset eur@bank {COLUMNS} {options}")


def counts(report):
    return {status: many for status, many in report["counts"].items() if many}


def test_lines_settle_in_order_and_bad_ones_stop_no_other(desk, tmp_path):
    report = run(desk)
    assert counts(report) == {"settled": 2, "rejected": 2, "error": 2}
    assert report["codes"] == {
        "insufficient_balance": 2,
        "reference_repeated": 1,
        "amount_malformed": 1,
    }
    assert (desk.units("alice"), desk.units("bob"), desk.units("carol")) == (4500, 5500, 0)
    with (tmp_path / "pay.csv.report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["settled", "rejected", "rejected", "settled", "error", "error"]


def test_a_second_run_settles_nothing_twice_and_retries_only_when_asked(desk):
    run(desk)
    desk("asset issue eur@bank alice 100.00")
    again = run(desk)
    assert "settled" not in counts(again)
    assert (desk.units("alice"), desk.units("bob")) == (14500, 5500)
    retried = run(desk, "--retry")
    assert counts(retried)["settled"] == 2
    assert (desk.units("alice"), desk.units("bob"), desk.units("carol")) == (9500, 5600, 4900)
    assert "settled" not in counts(run(desk, "--retry"))


def test_a_file_without_the_columns_is_refused_as_a_whole(desk):
    refused = desk.refused("import payments pay.csv --asset eur@bank", code="payments_error", exit_code=2)
    assert "from, to, value, number" in refused["hint"]
    refused = desk.refused(
        "import payments pay.csv --asset eur@bank --columns payer=from", code="usage", exit_code=2
    )
    assert "payer" in refused["message"]
