"""`tallystick replay`: a case that comes with the program, or one's own file."""

import json

import pytest

from tests.cli.desk import Desk


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.mark.long
def test_json_has_what_a_program_asks_for(desk):
    found = desk.json("replay ftx")
    assert found["alarm_date"] == "2022-11-02"
    assert found["run_date"] == "2022-11-06"
    assert {reason["code"] for reason in found["alarm_reasons"]} == {
        "related_party",
        "short_survival",
        "run_uncovered",
        "own_token",
    }
    assert [one["name"] for one in found["assumptions"]] == ["callable", "ftt_depth", "unnamed_worth"]
    assert [peer["alarm"] for peer in found["sound_peers"]] == [False] * 4


@pytest.mark.long
def test_a_picture_and_a_page_are_written_beside_the_text(desk):
    result = desk.run("replay svb --picture svb.png --html svb.html")
    assert result.exit_code == 0
    assert "Alarm for svb on 2023-02-24, 13 days before the run of 2023-03-09" in result.stdout
    assert "\x1b[" not in result.stdout  # no colours where no terminal reads
    assert (desk.folder / "svb.png").read_bytes()[1:4] == b"PNG"
    assert (desk.folder / "svb.html").read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.long
def test_the_template_is_replayed_as_it_is_printed(desk):
    desk.write("mine.yaml", desk("replay --template"))
    assert "Alarm for harbour on 2024-03-04" in desk("replay mine.yaml")


@pytest.mark.long
def test_a_case_is_saved_as_a_ledger_that_verifies(desk):
    desk("replay svb --save svb.tally")
    assert "follows from its genesis" in desk("verify svb.tally")
    held = desk.jsonl("balance svb.holds --ledger svb.tally")
    assert {one["asset"]: one["balance"] for one in held}["to-maturity@agencies"] == "91000000000.00"


@pytest.mark.long
def test_the_run_on_its_own_books_is_saved_with_its_default(desk):
    desk("replay ftx --save own.tally --which own-books")
    assert "follow" in desk("verify own.tally")
    held = desk.jsonl("balance customers --ledger own.tally")
    assert {one["asset"]: one["balance"] for one in held} == {
        "customers@ftx": "8000000000.00",
        "liquid@a-bank": "6900000000.00",
    }
    desk("replay terra --save apart.tally --which apart")
    assert "follow" in desk("verify apart.tally")


def test_a_case_without_withdrawals_has_no_run_to_save(desk):
    text = desk("replay --template")
    desk.write("mine.yaml", text[: text.index("# The rest is hindsight")])
    result = desk.fails("replay mine.yaml --save run.tally --which apart", exit_code=2)
    assert "--which published" in result.stderr
    assert not (desk.folder / "run.tally").exists()


def test_every_fault_of_a_file_is_told_at_once_with_its_line(desk):
    text = desk("replay --template").replace("value: 0.8", "value: 8").replace("class: thin", "class: flimsy")
    desk.write("mine.yaml", text.replace("unit: EUR ", "currency: EUR "))
    found = desk.refused("replay mine.yaml", code="case_invalid", exit_code=2)
    assert [fault["where"] for fault in found["facts"]["faults"]] == [
        "document",
        "currency",
        "assumptions.callable",
        "sheets[0].assets[0].class",
    ]
    assert "mine.yaml has 4 faults" in found["message"]
    assert all(fault["line"] > 0 for fault in found["facts"]["faults"])
    assert "--template" in found["hint"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("replay", "which case?"),
        ("replay lehman", "is no case that comes with the program"),
        ("replay none.yaml", "none.yaml"),
    ],
)
def test_what_is_no_case_is_refused_with_advice(desk, line, said):
    result = desk.fails(line, exit_code=2)
    assert said in result.stderr
    assert ("hint:" in result.stderr) is ("none.yaml" not in line)


def test_a_file_that_is_no_text_is_refused(desk):
    (desk.folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "no UTF-8 text" in desk.fails("replay binary.yaml", exit_code=2).stderr


def test_standard_input_is_a_file_too(desk):
    result = desk.run("replay - --json", stdin="case: [")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == "case_invalid"
