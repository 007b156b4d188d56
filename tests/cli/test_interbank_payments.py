"""The main job on real input: 5,000 interbank payments of Project Ubin, gross and in file order."""

import csv
import sqlite3
from collections import Counter

import pytest

from tests.cli.desk import Desk
from tests.shared_data import shared, shared_json

ASSET = "sgd@mas"


def settle_naively(rows, opening):
    """Return what settles and what is refused, by an account book of four lines' logic."""
    book = Counter(opening)
    settled, refused = [], []
    for row in rows:
        amount = int(row["amount"])
        if book[row["sender"]] < amount:
            refused.append(row["ref"])
            continue
        book[row["sender"]] -= amount
        book[row["receiver"]] += amount
        settled.append(row["ref"])
    return book, settled, refused


@pytest.mark.long
def test_five_thousand_payments_equal_an_independent_computation(tmp_path):
    source = shared("payments/netting/ubin_4banks_5000tx.csv")
    opening = shared_json("payments/netting/ubin_4banks_5000tx_expected.json")["initial"]
    (tmp_path / "payments.csv").write_bytes(source.read_bytes())
    with source.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    book, settled, refused = settle_naively(rows, opening)
    assert (len(rows), len(settled), len(refused)) == (5000, 3566, 1434)

    desk = Desk(tmp_path)
    desk("init --name Ubin")
    desk(f"account open mas {' '.join(bank.lower() for bank in opening)}")
    desk("asset create sgd --issuer mas --kind token --unit SGD")
    legs = " ".join(f"--leg {bank.lower()}:{units}" for bank, units in opening.items())
    desk(f"asset issue {ASSET} {legs}")
    report = desk.json(f"import payments payments.csv --asset {ASSET}")
    assert report["counts"] == {
        "settled": 3566,
        "already_settled": 0,
        "rejected": 1434,
        "refused_before": 0,
        "error": 0,
    }
    assert report["codes"] == {"insufficient_balance": 1434}
    with (tmp_path / "payments.csv.report.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    by_line = {int(line["line"]): line["status"] for line in lines}
    assert [row["ref"] for number, row in enumerate(rows, 2) if by_line[number] == "rejected"] == refused
    assert {bank: desk.units(bank.lower(), ASSET) for bank in opening} == dict(book)

    again = desk.json(f"import payments payments.csv --asset {ASSET}")
    assert (again["counts"]["settled"], again["counts"]["already_settled"]) == (0, 3566)
    assert {bank: desk.units(bank.lower(), ASSET) for bank in opening} == dict(book)

    verified = desk.json("verify ledger.tally")
    assert (verified["transactions"], verified["signatures"]) == (3566 + 3, 3566 + 3)

    connection = sqlite3.connect(tmp_path / "ledger.tally")
    [(index, receipt)] = connection.execute(
        "SELECT idx, receipt FROM entry WHERE sender = 'zyetsgs0' ORDER BY idx LIMIT 1 OFFSET 500"
    ).fetchall()
    forged = receipt.replace(b'"-', b'"-9', 1)
    assert forged != receipt
    with connection:
        connection.execute("UPDATE entry SET receipt = ? WHERE idx = ?", (forged, index))
    connection.close()
    wrong = desk.refused("verify ledger.tally", code="verification_failed", exit_code=3)
    assert wrong["message"].startswith(f"entry {index}: ")
