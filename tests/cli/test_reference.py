import pytest

from tallystick.cli import hints, reference
from tests.tidy.tracked_files import ROOT

PAGES = reference.pages()


@pytest.mark.parametrize("name", PAGES)
def test_committed_page_is_what_would_be_written_now(name):
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == PAGES[name], "run `make docs`"


def test_every_code_is_on_the_page_with_its_documentation():
    from tallystick.client.vocabulary import KINDS, Code

    codes = [code.value for code in Code]
    codes += [refusal.value for code in KINDS.contracts.values() for refusal in code.Refusal or ()]
    for code in codes:
        assert f"- `{code}`: " in PAGES["rejections.md"]


def test_hints_are_for_codes_that_exist():
    from tallystick.client.vocabulary import Code

    assert hints.HINTS.keys() <= {code.value for code in Code}


def test_a_hint_without_its_facts_is_left_out():
    assert hints.hint_for("insufficient_balance", {"account": "alice"}) == ""
    told = hints.hint_for("insufficient_balance", {"account": "alice", "asset": "eur@bank"})
    assert told.startswith("tallystick balance alice eur@bank")
