"""The report as one HTML file: picture and tables inside it, no script, nothing fetched from anywhere.

Every text from a case is escaped, for a user's case is text that somebody else may have written.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from tallystick.stress.replay.picture import svg
from tallystick.stress.replay.sections import Said, Section, sections, verdict

_CSS = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: #1b1f24;
  background: #f4f5f7; margin: 0; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 32px 64px; background: #fff; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .7rem; padding-top: 1rem; border-top: 1px solid #d7dbe0; }
.verdict { font-size: 1.15rem; font-weight: 600; margin: 0 0 1.4rem; }
.alarm { color: #b3261e; } .calm { color: #2e7d4f; } .dim { color: #6b7280; }
.picture svg { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .32rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e8eaed; }
th { color: #6b7280; font-weight: 600; border-bottom: 2px solid #d7dbe0; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td.bar { text-align: left; width: 30%; }
.bar span { display: block; height: .7rem; background: #c07a00; border-radius: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem; }
dt { font-weight: 600; } dd { margin: 0; }
ul { padding-left: 1.2rem; } p { margin: .5rem 0; }
footer { margin-top: 3rem; font-size: .85rem; color: #6b7280; }
@media (max-width: 640px) { main { padding: 24px 16px; } dl { display: block; } dd { margin: 0 0 .5rem; } }
@media print { body { background: #fff; } main { padding: 0; } h2 { break-after: avoid; } }
""".strip()


def page(document: Mapping[str, Any]) -> str:
    """Return the whole page."""
    sentence, tone = verdict(document)
    title = escape(document["title"])
    body = "\n".join(_section(one) for one in sections(document) if one.before or one.rows)
    ledger = document["ledger"]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{_CSS}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="verdict {tone}">{escape(sentence)}.</p>
<div class="picture">
{svg(document)}
</div>
{body}
<footer>Replayed by Tallystick on ledger {escape(ledger["id"])}, of {ledger["entries"]} transactions, each
signed by a simulated key. Nothing was read before the day of its publication.</footer>
</main>
</body>
</html>
"""


def _section(section: Section) -> str:
    parts = [f"<section>\n<h2>{escape(section.title)}</h2>"]
    parts += _said(section.before)
    if section.rows:
        parts += _table(section)
    parts += _said(section.after)
    return "\n".join([*parts, "</section>"])


def _said(paragraphs: tuple[Said, ...]) -> Iterator[str]:
    labelled = [one for one in paragraphs if one[0]]
    plain = [one for one in paragraphs if not one[0]]
    if labelled:
        yield "<dl>"
        for label, text, tone in labelled:
            yield f'<dt>{escape(label)}</dt><dd class="{tone}">{escape(text)}</dd>'
        yield "</dl>"
    if len(plain) > 1:
        yield "<ul>"
        yield from (f"<li>{escape(text)}</li>" for _, text, _ in plain)
        yield "</ul>"
    elif plain:
        yield f"<p>{escape(plain[0][1])}</p>"


def _table(section: Section) -> Iterator[str]:
    heads, *rows = section.rows
    yield '<div class="scroll"><table>'
    yield "<thead><tr>" + "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr></thead>"
    yield "<tbody>"
    for at, row in enumerate(rows):
        tone = section.tones[at] if at < len(section.tones) else ""
        yield f'<tr class="{tone}">' + "".join(_cell(cell) for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _cell(cell: str) -> str:
    """Return a cell; what the terminal draws with `#` and `.` is a bar here."""
    if len(cell) == 30 and not cell.strip("#."):
        return f'<td class="bar"><span style="width:{cell.count("#") * 100 // 30}%"></span></td>'
    return f"<td>{escape(cell)}</td>"
