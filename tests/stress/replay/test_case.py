"""A user's own case: the template is one, and what does not fit together is told all at once."""

import csv
import json
from fractions import Fraction

import pytest

from tallystick.stress.replay.case import BUILT_IN, built_in, read_case
from tallystick.stress.replay.document import DocumentInvalid
from tallystick.stress.replay.watch import watch
from tests.shared_data import shared, shared_json


def faults_of(text):
    with pytest.raises(DocumentInvalid) as refused:
        read_case(text)
    return [(fault.where, fault.what) for fault in refused.value.faults]


def test_the_template_is_a_case_and_alarms_on_the_day_of_its_filing():
    watched = watch(read_case(built_in("template")))
    assert watched.alarm_date.isoformat() == "2024-03-04"
    assert [reason.code for reason in watched.alarm_row.reasons["harbour"]] == ["related_party"]


def test_the_template_explains_every_field_that_a_case_can_have():
    template = built_in("template")
    for text in map(built_in, BUILT_IN):
        for line in text.splitlines():
            word = line.partition(":")[0]
            if word.isidentifier() and word != "own_token_swap":
                assert f"\n{word}:" in template, word


BROKEN = """
case: Broken Case
title: x
subject: nobody
unit: EUR
amounts: one
first_day: 2024-03-02
run_day: 2024-03-01
last_day: 2024-03-03
sources: {a: somebody}
institutions:
  one: {title: one, roles: [king], related: [two]}
tokens:
  t: {title: t, issuer: three}
assumptions:
  share: {what: x, value: 2, low: 0, high: 1, why: x}
sheets:
  - institution: two
    as_of: 2024-03-02
    published: 2024-03-01
    source: b
    stated_assets: 1
    assets:
      - {name: x, amount: 2 * $other, class: cash, owed_by: two, token: u}
      - {name: x, amount: -1, class: pledged}
      - {name: y, amount: 1, class: cash, held_for: one, to_be_made: true}
    liabilities:
      - {name: z, amount: 1, class: demand, held_by: ONE, in_token: u}
market_values:
  - {token: u, as_of: 2024-03-01, published: 2024-03-01, source: a, amount: 0}
markets:
  u: {source: a, days: {2024-03-01: [0, 1]}}
news:
  - {day: 2024-03-02, published: 2024-03-01, source: a, text: x}
"""


def test_what_does_not_fit_together_is_told_all_at_once():
    assert set(faults_of(BROKEN)) == {
        ("case", "is no name: small letters, digits and hyphens"),
        ("subject", "'nobody' is none of the institutions"),
        ("run_day", "2024-03-01 is outside 2024-03-02 to 2024-03-03"),
        ("sources", "'b' is used and not listed"),
        (
            "institutions.one.roles",
            "'king' is none of issuer, custodian, bank, central_bank, broker, dealer, venue, clearing_house",
        ),
        ("institutions.one.related", "'two' is none of the other institutions"),
        ("tokens.t.issuer", "'three' is none of the institutions"),
        ("assumptions.share", "2 is outside its range"),
        ("sheets[0].institution", "'two' is none of the institutions"),
        ("sheets[0].published", "2024-03-01 is before 2024-03-02, which it tells about"),
        ("sheets[0].assets[0].amount", "there is no assumption 'other'"),
        ("sheets[0].assets[0]", "`owed_by` and `token` exclude each other: a token is owed by nobody"),
        ("sheets[0].assets[0].owed_by", "'two' is none of the institutions"),
        ("sheets[0].assets[0].token", "'u' is none of the tokens"),
        ("sheets[0].assets[1].name", "'x' stands twice on this sheet"),
        ("sheets[0].assets[1].amount", "-1 is below zero"),
        (
            "sheets[0].assets[1]",
            "what is pledged or locked, and only that, says in `held_for` whom it is promised to",
        ),
        (
            "sheets[0].assets[2]",
            "what is pledged or locked, and only that, says in `held_for` whom it is promised to",
        ),
        ("sheets[0].assets[2]", "only a `token` can be `to_be_made`"),
        ("sheets[0].liabilities[0].held_by", "'ONE' is no name"),
        ("sheets[0].liabilities[0].in_token", "'u' is none of the tokens"),
        ("market_values[0].token", "'u' is none of the tokens"),
        ("market_values[0].amount", "is not positive"),
        ("markets.u", "is none of the tokens"),
        ("markets.u.days.2024-03-01", "a close is positive, a turnover not negative"),
        ("news[0].published", "2024-03-01 is before 2024-03-02, which it tells about"),
    }


@pytest.mark.parametrize(
    ("given", "instead", "where"),
    [
        ("stated_assets: 900", "stated_assets: 589", "sheets[0].stated_assets"),
        ("amount: 520 * $callable,", "amount: 520 + $callable,", "sheets[0].liabilities[0].amount"),
        ("last_day: 2024-03-10", "last_day: 2026-03-10", "last_day"),
        ("class: thin,", "class: flimsy,", "sheets[0].assets[0].class"),
        ("amounts: million", "amounts: lakh", "amounts"),
        ("name: cash,", "name: a-very-long-name-indeed,", "sheets[0].assets[3].name"),
    ],
)
def test_one_wrong_thing_is_one_fault_at_its_place(given, instead, where):
    text = built_in("template")
    assert given in text
    assert [place for place, _ in faults_of(text.replace(given, instead, 1))] == [where]


def test_lines_that_come_to_exactly_what_is_stated_leave_no_rest():
    exact = read_case(built_in("template").replace("stated_assets: 900", "stated_assets: 590", 1))
    (reading,) = watch(exact).alarm_row.readings.values()
    assert reading.stated_assets == 590 * 10**8
    assert reading.own_and_related == 450 * 10**8


def test_a_newer_sheet_replaces_the_older_to_the_cent():
    newer = """
  - institution: tide
    as_of: 2024-03-05
    published: 2024-03-06
    source: filing
    assets:
      - {name: cash, amount: 700, class: cash, owed_by: quay-bank}
    liabilities:
      - {name: term-loans, amount: 500, class: term, held_by: lenders}

# A token's whole"""
    case = read_case(built_in("template").replace("\n# A token's whole", newer, 1))
    watched = watch(case)
    by_day = {row.day.day: row for row in watched.rows}
    assert by_day[5].reasons["harbour"]
    assert by_day[6].reasons["harbour"] == ()
    reading = by_day[6].readings["tide"]
    assert (reading.stated_assets, reading.owed, reading.own_tokens) == (700 * 10**8, 500 * 10**8, ())


# What the cases carry is what the sources say.


def test_closes_are_those_of_the_price_file():
    with shared("cases/prices.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {(row["asset"].lower(), row["date"]): (row["close"], row["volume_usd"]) for row in rows}
    checked = 0
    for name, token in (("ftx", "ftt"), ("terra", "luna")):
        for sealed in read_case(built_in(name)).closes[token]:
            close, turnover = found[token, sealed.published.isoformat()]
            assert sealed.in_hindsight() == (Fraction(close), Fraction(turnover))
            checked += 1
    assert checked == 26


def test_sheets_are_those_of_the_case_file():
    cases = shared_json("cases/cases.json")["cases"]
    (alameda,) = read_case(built_in("ftx")).sheets
    lines = {line.name: line.amount.number for line in alameda.in_hindsight().assets}
    told = {name: exact(one["value"]) for name, one in cases["alameda_2022_06_30"]["assets"].items()}
    assert alameda.published.isoformat() == cases["alameda_2022_06_30"]["published"]
    assert lines["ftt-free"] == told["FTT_unlocked"]
    assert lines["ftt-collateral"] == told["FTT_collateral"]
    sol = ("sol-free", "sol-locked", "sol-collateral")
    assert [lines[name] for name in sol] == [
        told["SOL_unlocked"],
        told["SOL_locked"],
        told["SOL_collateral"],
    ]
    assert lines["crypto-held"] + sum(lines[name] for name in sol) == told["crypto_held"]
    assert (lines["cash"], lines["equity-securities"]) == (told["cash"], told["equity_securities"])
    svb = cases["svb_2023_03"]
    (sheet,) = read_case(built_in("svb")).sheets
    assert sheet.published.isoformat() == svb["balance_published"]
    lines = {line.name: line for line in sheet.in_hindsight().assets}
    balance = {name: one["value"] for name, one in svb["balance_2022_12_31"].items()}
    assert lines["cash"].amount.number == exact(balance["cash"])
    assert lines["for-sale"].amount.number == balance["AFS"]
    assert lines["to-maturity"].amount.number == balance["HTM_amortised"]
    loss = exact(balance["HTM_unrealised_loss"])
    assert lines["to-maturity"].market.number == balance["HTM_amortised"] - loss
    assert lines["loans"].amount.number == exact(balance["loans"])
    terra = cases["terra_2022_05"]
    (ust,) = read_case(built_in("terra")).sheets
    assert ust.published.isoformat() == terra["first_dated_supply"]
    assert ust.in_hindsight().liabilities[0].amount.number == exact(terra["UST_supply_05_01"]["value"])


def exact(value):
    return Fraction(json.dumps(value))


def test_runs_begin_on_the_days_of_the_case_file():
    cases = shared_json("cases/cases.json")["cases"]
    for name, key in (("ftx", "alameda_2022_06_30"), ("terra", "terra_2022_05"), ("svb", "svb_2023_03")):
        assert read_case(built_in(name)).run_day.isoformat() == cases[key]["run_date"]
