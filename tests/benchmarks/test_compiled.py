"""The compiled form is made of today's sources or is said not to be."""

import shutil
from pathlib import Path

import pytest

from benchmarks import compiled


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a build that looks current: the sources, and an empty file for each compiled module."""
    build = tmp_path / "compiled"
    shutil.copytree(compiled.SOURCES, build / "tallystick", ignore=shutil.ignore_patterns("__pycache__"))
    for module in compiled.list_modules():
        (build / (module.removesuffix(".py") + compiled.COMPILED_SUFFIX)).touch()
    monkeypatch.setattr(compiled, "BUILD", build)
    return build


def test_every_listed_module_exists():
    modules = compiled.list_modules()
    assert "tallystick/ledger/apply.py" in modules
    assert [module for module in modules if not (compiled.SOURCES.parent / module).is_file()] == []


def test_a_build_is_current_until_a_source_or_a_module_differs(made):
    assert compiled.is_current()
    source = made / "tallystick" / "ledger" / "amounts.py"
    before = source.read_bytes()
    source.write_bytes(before + b"\n")
    assert not compiled.is_current()
    source.write_bytes(before)
    assert compiled.is_current()
    (made / "tallystick" / "ledger" / f"apply{compiled.COMPILED_SUFFIX}").unlink()
    assert not compiled.is_current()


def test_no_build_is_not_current(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "BUILD", tmp_path / "none")
    assert not compiled.is_current()


def test_the_form_is_told_by_where_the_kernel_came_from(made, monkeypatch):
    kernel = compiled.tallystick.ledger.apply
    monkeypatch.setattr(kernel, "__file__", "somewhere/apply.py")
    assert compiled.kernel_form() == "plain Python"
    monkeypatch.setattr(kernel, "__file__", f"somewhere/apply{compiled.COMPILED_SUFFIX}")
    assert compiled.kernel_form() == "compiled"
    (made / "tallystick" / "ledger" / "amounts.py").write_text("")
    assert compiled.kernel_form() == "compiled, of other sources than today's"


def test_what_is_missing_is_named_and_nothing_is_made(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compiled, "BUILD", tmp_path / "none")
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    monkeypatch.setattr(compiled.sysconfig, "get_path", lambda _: str(tmp_path))
    assert compiled.main() == 1
    said = capsys.readouterr().err
    assert "a C compiler (no-such-compiler -O2 is not on the path)" in said
    assert "Python.h is not there" in said
    assert "hint:" in said
    assert not compiled.BUILD.exists()


def test_nothing_is_missing_where_compiler_and_headers_are(tmp_path, monkeypatch):
    (tmp_path / "Python.h").touch()
    monkeypatch.setenv("CC", "sh")
    monkeypatch.setattr(compiled.sysconfig, "get_path", lambda _: str(tmp_path))
    assert [what for what in compiled.list_missing() if not what.startswith("setuptools")] == []
    Path(tmp_path / "Python.h").unlink()
    assert compiled.list_missing() != []
