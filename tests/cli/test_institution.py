"""`tallystick institution`: sheets now and in the past, income, cash flow, coverage, licence, money."""

import csv
import io
import json

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path) -> Desk:
    """bank-ag owes alice 100.00 and bob 50.00 and has 80.00 of a central bank's money."""
    lines = [
        "account open cb",
        "institution found cb-it --account cb --role central_bank",
        "asset create reserve --issuer cb --kind claim --obligor cb-it --owes EUR --decimals 2 --unit EUR",
        "asset issue reserve@cb --leg bank:80.00",
        "asset issue eur@bank --leg alice:100.00 --leg bob:50.00",
    ]
    return Desk(tmp_path).start("alice", "bob", then=lines)


def last(desk: Desk) -> int:
    return desk.json("institution sheet bank-ag")["entry"]


def test_a_sheet_has_everything_on_its_side_and_says_it_in_words(desk):
    sheet = desk.json("institution sheet bank-ag")
    assert (sheet["unit"], sheet["decimals"], sheet["complete"]) == ("EUR", 2, True)
    assert sheet["totals"] == {
        "assets": "8000",
        "liabilities": "15000",
        "equity": "-7000",
        "equity_at_least": "-7000",
        "encumbered": "0",
        "related": "0",
    }
    assert sheet["by_currency"] == {"EUR": {"assets": "8000", "liabilities": "15000", "equity": "-7000"}}
    told = desk("institution sheet bank-ag")
    assert "reserve@cb in bank" in told
    assert "cash" in told
    assert "eur@bank of alice" in told
    assert "-70.00" in told


def test_a_past_sheet_is_the_one_of_that_entry(desk):
    before = last(desk)
    desk("asset issue reserve@cb --leg bank:5.00")
    desk("pay alice bob 1.00 eur@bank")
    assert desk.json("institution sheet bank-ag")["totals"]["assets"] == "8500"
    past = desk.json(f"institution sheet bank-ag --at {before}")
    assert (past["entry"], past["totals"]["assets"]) == (before, "8000")
    early = desk.refused("institution sheet bank-ag --at 0", code="unknown_institution")
    assert early["facts"] == {"institution": "bank-ag"}
    desk.refused(f"institution sheet bank-ag --at {last(desk) + 1}", code="not_yet", exit_code=2)


def test_a_price_book_prices_what_it_names_and_the_rest_is_said(desk, tmp_path):
    desk("asset create coin --issuer bob --kind token --decimals 0")
    desk("asset issue coin@bob --leg bank:30")
    blind = desk.json("institution sheet bank-ag")
    assert (blind["totals"]["equity"], blind["missing"][0]["asset"]) == (None, "coin@bob")
    assert "equity is at least -70.00" in desk("institution sheet bank-ag")
    book = {
        "unit": "EUR",
        "as_of": "2026-01-05T08:00:00Z",
        "source": "a list",
        "decimals": {"EUR": 2},
        "prices": {"coin@bob": "1.50"},
    }
    (tmp_path / "book.json").write_text(json.dumps(book))
    priced = desk.json("institution sheet bank-ag --prices book.json")
    assert priced["totals"]["equity"] == "-2500"
    part = next(row for row in priced["assets"] if row["asset"] == "coin@bob")["parts"][0]
    assert (part["price"], part["priced"]) == ("a list", 1_767_600_000_000_000)
    (tmp_path / "bad.json").write_text(json.dumps({**book, "source": ""}))
    desk.refused("institution sheet bank-ag --prices bad.json", code="price_book_refused", exit_code=2)
    (tmp_path / "bad.json").write_text("[]")
    desk.refused("institution sheet bank-ag --prices bad.json", code="usage", exit_code=2)


def test_a_sheet_as_csv_has_a_row_for_each_holding_and_debt(desk):
    rows = list(csv.DictReader(io.StringIO(desk("institution sheet bank-ag --csv"))))
    assert [(row["side"], row["account"], row["asset"], row["value"]) for row in rows] == [
        ("asset", "bank", "reserve@cb", "8000"),
        ("liability", "alice", "eur@bank", "10000"),
        ("liability", "bob", "eur@bank", "5000"),
    ]
    desk.refused("institution sheet bank-ag --csv --json", code="usage", exit_code=2)


def test_what_is_attested_is_told_with_who_and_when_and_what_counts_zero_with_why(desk, tmp_path):
    desk("account open auditor")
    desk(
        "contract deploy papers attestations --account bank --obligor bank-ag --arg 'attestors=[\"auditor\"]'"
    )
    day = 86_400_000_000
    now = desk.json("institution sheet bank-ag")["time"]
    said = {"what": "EUR", "units": "700", "expires": str(now + day), "matures": "0", "reference": "report 7"}
    for side, item in (("asset", "house"), ("liability", "rent")):
        given = json.dumps({"said": said | {"side": side, "item": item}})
        desk(f"contract call papers attest --account auditor --args '{given}'")
    sheet = desk.json("institution sheet bank-ag")
    [row] = [row for row in sheet["assets"] if row["where"] == "attested"]
    assert (row["party"], row["until"], row["value"]) == ("auditor", now + day, "700")
    assert now <= row["attested"] <= sheet["time"]
    owed = sheet["liabilities"][-1]
    assert (owed["attestor"], owed["value"]) == ("auditor", "700")
    told = desk("institution sheet bank-ag")
    assert "attested: 700 EUR by auditor at " in told
    assert "counts until" in told
    assert "attested: 700 EUR owed, by auditor at " in told
    assert "counts in full until its attestor withdraws it, past its expiry too" in told
    assert (owed["until"], "past its expiry too" in desk("institution sheet bank-ag --csv")) == (
        now + day,
        True,
    )
    desk("asset create perk --issuer bank --kind token")
    desk("account open bank.desk")
    desk("institution join bank-ag --account bank.desk")
    desk("asset issue perk@bank bank.desk 5")
    told = desk("institution sheet bank-ag")
    assert "counts zero: perk@bank: a token issued by itself counts zero" in told


def test_income_and_cash_flow_say_why(desk):
    before = last(desk)
    desk("asset issue reserve@cb --leg bank:5.00")
    desk("pay bank bob 2.00 reserve@cb")
    earned = desk.json(f"institution income bank-ag --from {before}")["income"]
    assert (earned["opening"], earned["closing"], earned["total"]) == ("-7000", "-6700", "300")
    lines = [(line["kind"], line["party"], line["value"]) for line in earned["lines"]]
    assert lines == [("paid", "bob", "-200"), ("received", "cb-it", "500")]
    moved = desk.json(f"institution cash-flow bank-ag --from {before}")["cash_flow"]
    assert (moved["opening"], moved["closing"]) == ({"reserve@cb": "8000"}, {"reserve@cb": "8300"})
    assert "received" in desk(f"institution income bank-ag --from {before}")
    assert desk(f"institution income bank-ag --from {before} --csv").splitlines() == [
        "kind,party,value,entries",
        f"equity after entry {before},,-7000,",
        "paid,bob,-200,1",
        "received,cb-it,500,1",
        f"equity after entry {last(desk)},,-6700,",
    ]
    assert desk(f"institution cash-flow bank-ag --from {before} --csv").splitlines()[2:4] == [
        "reserve@cb,operating,bob,-200",
        "reserve@cb,operating,cb-it,500",
    ]
    desk.refused(f"institution income bank-ag --from {before} --csv --json", code="usage", exit_code=2)
    assert "operating" in desk(f"institution cash-flow bank-ag --from {before}")
    desk.refused(
        f"institution income bank-ag --from {before + 1} --to {before}", code="interval_reversed", exit_code=2
    )


def test_coverage_shows_the_lowest_and_where_it_crossed(desk):
    seen = desk.json("institution coverage bank-ag")["things"][0]
    assert (seen["thing"], seen["level"]["ratio_ppm"]) == ("EUR", 533_333)
    desk("asset issue reserve@cb --leg bank:70.00")
    seen = desk.json("institution coverage bank-ag")
    assert (seen["things"][0]["level"]["ratio_ppm"], seen["things"][0]["minimum"]["ratio_ppm"]) == (
        1_000_000,
        533_333,
    )
    assert [one["below"] for one in seen["crossings"]] == [True, False]
    told = desk("institution coverage bank-ag")
    assert "53.3333%" in told
    assert "is back at 1" in told
    desk.refused("institution coverage bank-ag --thing USD", code="unknown_asset")
    end = seen["upto"]
    assert desk.json(f"institution coverage bank-ag --from {end} --to {end}")["things"][0]["minimum"]
    desk.refused(
        f"institution coverage bank-ag --from {end} --to {end - 1}", code="interval_reversed", exit_code=2
    )
    desk.refused(f"institution coverage bank-ag --from {end + 1}", code="not_yet", exit_code=2)


def test_a_contract_that_is_asked_for_prices_and_does_not_exist_is_refused(desk):
    refused = desk.refused("institution sheet bank-ag --price-from nowhere", code="unknown_contract")
    assert refused["facts"] == {"contract": "nowhere"}
    desk.refused("trust alice --price-from nowhere", code="unknown_contract")


def test_a_licence_names_the_posting_that_needs_it(desk):
    seen = desk.json("institution licence bank-ag")
    assert [(need["licence"], need["account"], need["is_covered"]) for need in seen["needs"]] == [
        ("payment_institution", "alice", True)
    ]
    assert "eur@bank" in desk("institution licence bank-ag")
    desk("institution found quiet --account bob")
    assert "nothing that it did needs a licence" in desk("institution licence quiet")


def test_money_is_counted(desk):
    [money] = desk.jsonl("institution money")
    assert (money["m0"], money["m1"], money["m2"]) == ("8000", "15000", "15000")
