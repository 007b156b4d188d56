"""Relative links in Markdown: each must lead to a file of the repository, and to the heading it names."""

import re
from pathlib import Path
from urllib.parse import unquote

_CODE = re.compile(r"^(```|~~~).*?^\1[^\n]*$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(
    r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]\n]+\]:\s*<?(\S+?)>?\s*$", re.MULTILINE
)
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:|^//", re.IGNORECASE)


def check_links(file: Path, *, root: Path) -> list[str]:
    """Return a complaint for each relative link in `file` that leads nowhere, or out of `root`."""
    text = file.read_text(encoding="utf-8")
    complaints = []
    for match in _LINK.finditer(_blank_code(text)):
        link = match[1] or match[2]
        if _ELSEWHERE.match(link):
            continue
        why = _why_dead(link, file=file, root=root)
        if why:
            line = text.count("\n", 0, match.start()) + 1
            complaints.append(f"{file.relative_to(root).as_posix()}:{line}: {link}: {why}")
    return complaints


def _blank_code(text: str) -> str:
    """Return `text` with code blanked out and every position kept, for code is not a link."""
    return _CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _why_dead(link: str, *, file: Path, root: Path) -> str:
    path, _, heading = unquote(link).partition("#")
    target = (file.parent / path).resolve() if path else file
    if not target.is_relative_to(root.resolve()):
        return "leads out of the repository"
    if not target.exists():
        return "no such file"
    if heading and target.suffix == ".md" and heading not in _headings(target):
        return "no such heading"
    return ""


def _headings(file: Path) -> set[str]:
    """Return the anchors a Markdown file offers, made as GitHub makes them."""
    text = file.read_text(encoding="utf-8")
    # Fenced code may hold lines that begin with #; inline code inside a heading is part of its words.
    prose = re.sub(r"^(```|~~~).*?^\1[^\n]*$", "", text, flags=re.DOTALL | re.MULTILINE)
    anchors: set[str] = set(_ANCHOR.findall(prose))
    for words in _HEADING.findall(prose):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        repeat = 0
        while (anchor := f"{slug}-{repeat}" if repeat else slug) in anchors:
            repeat += 1
        anchors.add(anchor)
    return anchors
