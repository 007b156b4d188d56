import pytest

from tests.tidy.tracked_files import ROOT, SIZE_BYTES_MAX, check_name, check_text, list_tracked_files

TRACKED = list_tracked_files()
needs_checkout = pytest.mark.skipif(not TRACKED, reason="not a git checkout")


@needs_checkout
def test_nothing_generated_vendored_or_secret_is_tracked():
    assert [complaint for path in TRACKED for complaint in check_name(path)] == []


@needs_checkout
def test_no_tracked_file_is_huge():
    assert [path for path in TRACKED if (ROOT / path).stat().st_size > SIZE_BYTES_MAX] == []


@needs_checkout
def test_no_tracked_file_names_a_machine_an_index_or_a_secret():
    complaints = []
    for path in TRACKED:
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a binary file, such as an image
        complaints += check_text(text, path=path)
    assert complaints == []


@pytest.mark.parametrize(
    "path",
    [
        "src/tallystick/ledger/store.py",
        "docs/decisions/0005-hatchling-uv-lock.md",
        "web/package-lock.json",
        "web/src/build.ts",
        "requirements.lock",
        "spec/vectors/keys.json",
        "tests/log/vectors.py",
        "src/tallystick/log/tree.py",
    ],
)
def test_ordinary_name_is_accepted(path):
    assert check_name(path) == []


@pytest.mark.parametrize(
    "path",
    [
        "uv.lock",
        ".env",
        "web/.env.local",
        "web/node_modules/vite/index.js",
        "web/dist/index.html",
        "src/tallystick/__pycache__/cli.py",
        "src/tallystick/ledger/store.cpython-311.pyc",
        "src/tallystick.egg-info/PKG-INFO",
        "demo.tally",
        "demo.tally-wal",
        "operator.key",
        "id_ed25519",
        "web/static/echarts.min.js",
        "node.log",
    ],
)
def test_generated_or_secret_name_is_refused(path):
    assert check_name(path) != []


@pytest.mark.parametrize(
    "text",
    [
        "See https://example.org/home/page and docs/work/plan.md.",
        "GET /works and /homes/7 and /roots",
        "cd ../shared/data",
        "uv pip compile --generate-hashes",
        "https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md",
        '"resolved": true',
        "-----BEGIN PUBLIC KEY-----",
        "~/work/tallystick",
        "state-root/root/leaf",
    ],
)
def test_ordinary_text_is_accepted(text):
    assert check_text(text, path="a.md") == []


@pytest.mark.parametrize(
    "text",
    [
        "cd /" + "work/main",
        'open("/' + 'root/ledger.tally")',
        "`/" + "home/alice/.config`",
        "HOME=/" + "root",
        "pip install --index-" + "url somewhere",
        "--extra-index-" + "url x",
        "--find-" + "links /opt",
        "export PIP_" + "INDEX_URL=x",
        "https://index.example/simp" + "le/msgspec",
        "https://x-python.pkg" + ".dev/p",
        '"resolved": "' + 'https://registry.example/vite.tgz"',
        "-----BEGIN OPENSSH PRIVATE " + "KEY-----",
    ],
)
def test_machine_bound_or_secret_text_is_refused(text):
    assert len(check_text(f"first line\n{text}\n", path="a.md")) >= 1
    assert check_text(f"first line\n{text}\n", path="a.md")[0].startswith("a.md:2: ")
