"""The report as text: lines of at most 100 columns, each with a tone that a terminal may colour."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Literal, NamedTuple

from tallystick.stress.replay.sections import Said, Section, sections, verdict

WIDTH = 100
Tone = Literal["", "title", "head", "alarm", "calm", "dim"]


class Line(NamedTuple):
    """A line of text and how it is meant."""

    text: str
    tone: Tone = ""


def lines(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the report."""
    yield Line(document["title"], "title")
    yield Line("=" * len(document["title"]), "title")
    yield Line("")
    yield Line(*verdict(document))
    for section in sections(document):
        if section.before or section.rows:
            yield Line("")
            yield Line(section.title, "title")
            yield from _section(section)


def _section(section: Section) -> Iterator[Line]:
    if section.before:
        yield Line("")
        yield from _said(section.before)
    if section.rows:
        yield Line("")
        yield from _table(section.rows, section.tones)
    if section.after:
        yield Line("")
        yield from _said(section.after)


def _said(paragraphs: Sequence[Said]) -> Iterator[Line]:
    """Yield paragraphs: with their labels in a column where all are short, else each after its label."""
    widest = max((len(label) for label, _, _ in paragraphs), default=0)
    for label, text, tone in paragraphs:
        lead = f"  {label.ljust(widest)}  " if widest else "  - "
        if widest and not label:
            lead = "  "
        indent = " " * len(lead)
        for line in wrap(text, WIDTH, initial_indent=lead, subsequent_indent=indent):
            yield Line(line, tone)


def _table(rows: Sequence[Sequence[str]], tones: Sequence[Tone]) -> Iterator[Line]:
    """Yield a table: the first column to the left, the others to the right, a rule below the heads."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for at, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        tone: Tone = "head" if at == 0 else (tones[at - 1] if at - 1 < len(tones) else "")
        yield Line("  " + "  ".join(cells).rstrip(), tone)
        if at == 0:
            yield Line("  " + "  ".join("-" * width for width in widths), "dim")


def plain(found: Iterable[Line]) -> str:
    """Return lines as one text."""
    return "\n".join(line.text for line in found) + "\n"
