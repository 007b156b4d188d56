"""Cases that somebody mangled: each is refused with its faults, or replayed; none falls over."""

from random import Random

import pytest

from tallystick.ledger.rejections import Rejection
from tallystick.stress.replay import own_token_run
from tallystick.stress.replay import watch as watching
from tallystick.stress.replay.case import built_in, read_case
from tallystick.stress.replay.document import DocumentInvalid
from tallystick.stress.replay.page import page
from tallystick.stress.replay.picture import write_png
from tallystick.stress.replay.report import report
from tallystick.stress.replay.text import lines, plain

PIECES = ("2022", "2023", "2024", "amount", "0", "1", "9", ": ", "-")
INSTEAD = ("", "x", "-", "0", "7", "2024-01-01", "{", "[]")


def mangled(random):
    """Return a case of which one line or two were dropped, doubled, shuffled, cut or altered."""
    text = built_in(random.choice(("template", "ftx", "svb", "terra"))).splitlines()
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(text))
        match random.randrange(5):
            case 0:
                del text[at]
            case 1:
                text.insert(at, random.choice(text))
            case 2:
                text[at] = text[at].replace(random.choice(PIECES), random.choice(INSTEAD), 1)
            case 3:
                words = text[at].split(" ")
                random.shuffle(words)
                text[at] = " ".join(words)
            case _:
                text[at] = text[at][: random.randrange(len(text[at]) + 1)]
    return "\n".join(text)


@pytest.mark.long
def test_a_mangled_case_is_refused_or_replayed(monkeypatch):
    monkeypatch.setattr(watching, "SWEEP_STEPS", 2)
    monkeypatch.setattr(own_token_run, "PARTS_A_DAY", 3)
    random = Random(20221102)
    refused = replayed = 0
    for _ in range(40):
        try:
            case = read_case(mangled(random))
        except DocumentInvalid as invalid:
            assert all(fault.line > 0 and fault.what for fault in invalid.faults)
            refused += 1
            continue
        try:
            plain(lines(report(case)))
        except Rejection:  # the ledger itself said no, with its numbers
            refused += 1
        else:
            replayed += 1
    assert refused > 10
    assert replayed > 10


CALM = (
    built_in("template")
    .replace("related: [tide]", "related: []")
    .replace("related: [harbour]", "related: []")
    .replace(
        "class: cash, owed_by: quay-bank}\n    liabilities:\n      - {name: loans, amount: 520",
        "class: cash, owed_by: quay-bank}\n    liabilities:\n      - {name: loans, amount: 5",
        1,
    )
)


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        CALM,
        built_in("template")[: built_in("template").index("# The rest is hindsight")],
        built_in("template").replace("published: 2024-03-04", "published: 2024-03-20", 1),
    ],
    ids=["no alarm", "no withdrawals", "published after the end"],
)
def test_a_case_that_has_less_to_tell_is_told_all_the_same(text, tmp_path):
    document = report(read_case(text))
    assert plain(lines(document))
    assert page(document).endswith("</html>\n")
    write_png(document, tmp_path / "picture.png")
