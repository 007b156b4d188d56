import ast
import re

import pytest

from tallystick.protocol import KINDS
from tests.tidy.markdown_links import check_links
from tests.tidy.tracked_files import ROOT, list_tracked_files

MARKDOWN = [path for path in list_tracked_files() if path.endswith(".md")]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("path", MARKDOWN)
def test_relative_links_lead_somewhere(path):
    assert check_links(ROOT / path, root=ROOT) == []


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_decision_ends_in_what_would_change_our_mind(path):
    headings = re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[-1] == "What would change our mind"


def test_decisions_are_numbered_from_one_and_in_the_index():
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert [path.name for path in DECISIONS if f"({path.name})" not in index] == []


@pytest.mark.parametrize(
    ("index", "folder"),
    [
        ("docs/README.md", "docs/concepts"),
        ("docs/README.md", "docs/reference"),
        ("docs/contracts/README.md", "docs/contracts"),
        ("docs/guides/README.md", "docs/guides"),
    ],
)
def test_every_page_is_in_its_index(index, folder):
    start = (ROOT / index).parent
    text = (ROOT / index).read_text(encoding="utf-8")
    pages = [page for page in (ROOT / folder).glob("*.md") if page.name != "README.md"]
    assert [page.name for page in pages if f"({page.relative_to(start).as_posix()})" not in text] == []


def test_every_kind_of_contract_is_in_the_index_of_contracts():
    text = (ROOT / "docs" / "contracts" / "README.md").read_text(encoding="utf-8")
    assert [kind for kind, _ in KINDS.contracts if f"[`{kind}`]" not in text] == []


@pytest.fixture
def page(tmp_path):
    (tmp_path / "there.md").write_text("# A `first` heading\n\n## Twice\n\n## Twice\n\n```\n# code\n```\n")

    def write(text):
        file = tmp_path / "page.md"
        file.write_text(text)
        return check_links(file, root=tmp_path)

    return write


@pytest.mark.parametrize(
    "text",
    [
        "[a](there.md)",
        "[a](./there.md#a-first-heading)",
        "[a](there.md#twice-1)",
        "# Here\n\n[a](#here)",
        "[a](https://example.org/missing.md)",
        "[a](mailto:someone@example.org)",
        "`[a](missing.md)`",
        "```\n[a](missing.md)\n```",
        "[a][b]\n\n[b]: there.md",
    ],
)
def test_live_link_is_accepted(page, text):
    assert page(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "[a](missing.md)",
        "![a](missing.png)",
        "[a](there.md#no-such-heading)",
        "[a](there.md#code)",
        "[a](#nowhere)",
        "[a](../outside.md)",
        "[a][b]\n\n[b]: missing.md",
    ],
)
def test_dead_link_is_refused(page, text):
    assert len(page(text)) == 1


LISTED = ["client", "institutions", "ledger", "log", "node", "stress", "stress/replay"]


@pytest.mark.parametrize("room", LISTED)
def test_a_rooms_docstring_names_its_files(room):
    folder = ROOT / "src" / "tallystick" / room
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    words = set(re.findall(r"\w+", told))
    assert sorted(path.stem for path in folder.glob("*.py") if path.stem not in words | {"__init__"}) == []


def test_every_room_is_described_to_contributors():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    source = ROOT / "src" / "tallystick"
    rooms = [f"{path.parent.name}/" for path in source.glob("*/__init__.py")]
    rooms += [path.name for path in source.glob("*.py") if path.name != "__init__.py"]
    assert sorted(room for room in rooms if f"| `{room}` |" not in text) == []
