"""The reference pages, written from the program: every command, and every code by which it may be refused.

    python -m tallystick.cli.reference docs/reference

A page that is generated cannot promise what the program does not do; a test compares the committed pages with
what would be written now. The commands come from their own options and help, the codes from the docstrings
under the enumerations' members, which Python does not keep and which are therefore read from the source.

Refused: the help as click prints it. Its line breaks are click's business, and would change with its version.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import click

from tallystick.cli import COMMANDS, tallystick
from tallystick.cli.frame import COMMON
from tallystick.cli.hints import HINTS

_NOTE = "<!-- Written by `make docs` from the program; edit the program. -->"


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {"cli.md": _cli_page(), "rejections.md": _rejections_page()}


def main() -> None:
    """Write the pages into the folder that the first argument names."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


# -------------------------------------------------------------------------------------------- the commands

_CLI_HEAD = """\
# The command line

{note}

Data goes to standard output and everything else to standard error. Exit codes: 0 done, 1 rejected, 2 usage,
3 proof failed. An error says what is wrong, with which numbers, and then `hint:` on its own line what to do.
With `--json` standard output is JSON whatever happens, an error included.

Beside a ledger file `PATH` lie `PATH.keys`, the keyring, encrypted under your password, and `PATH.logkey`,
with which checkpoints are signed. Neither is in a backup or an export.
"""


def _cli_page() -> str:
    """Return the page of all commands."""
    lines = [_CLI_HEAD.format(note=_NOTE), "## Common options", ""]
    for who, options in COMMON.items():
        lines += [f"{who[0].upper()}{who[1:]}:", "", *map(_option_line, options), ""]
    context = click.Context(tallystick, info_name="tallystick")
    for section, names in COMMANDS.items():
        lines += [f"## {section}", ""]
        for name in names:
            lines += _command_lines(tallystick.get_command(context, name), f"tallystick {name}", 3)
    return _joined(lines)


def _command_lines(command: click.Command | None, name: str, level: int) -> Iterator[str]:
    """Yield the section of a command, then those of its subcommands."""
    assert command is not None
    yield from (f"{'#' * level} `{name}`", "", *_paragraphs(command.help or ""))
    if isinstance(command, click.Group):
        for inner, subcommand in command.commands.items():
            yield from _command_lines(subcommand, f"{name} {inner}", level + 1)
        return
    yield from ("```", _usage(command, name), "```", "")
    common = [option for options in COMMON.values() for option in options]
    own = [one for one in command.params if isinstance(one, click.Option) and one not in common]
    yield from map(_option_line, own)
    also = [who for who, options in COMMON.items() if options[0] in command.params][1:]
    if also:
        yield from ([""] if own else [])
        yield f"Also the options of {' and of '.join(also)}."
    yield from ("", *_examples(command))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        yield from (*textwrap.wrap(" ".join(paragraph.split()), 110), "")


def _usage(command: click.Command, name: str) -> str:
    """Return one line: the command with its arguments."""
    arguments = [
        one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)
    ]
    return " ".join([name, "[OPTIONS]", *arguments])


def _option_line(option: click.Option) -> str:
    """Return a list item that says what an option does."""
    names = ", ".join((*option.opts, *option.secondary_opts))
    shape = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    notes = []
    if option.required:
        notes.append("required")
    if option.multiple:
        notes.append("may be repeated")
    if option.show_default and option.default is not None and not option.is_flag:
        notes.append(f"default {option.default}")
    if option.envvar:
        notes.append(f"environment {option.envvar}")
    told = f" ({'; '.join(notes)})" if notes else ""
    return f"- `{names}{shape}`: {option.help}{told}"


def _examples(command: click.Command) -> Iterator[str]:
    text = (command.epilog or "").partition("Examples:\n")[2]
    yield from ("```", *textwrap.dedent(text).splitlines(), "```", "")


# ---------------------------------------------------------------------------------------------- the codes

_REJECTIONS_HEAD = """\
# Rejections

{note}

A rejection is an expected answer: nothing was changed, and the code says why. Codes are never renamed or
reused. With `--json` a rejection is `{{"error": CODE, "facts": {{…}}, "message": …, "hint": …}}`; amounts in
`facts` are minor units as decimal strings, times microseconds UTC.
"""


def _rejections_page() -> str:
    """Return the page of all codes: the ledger's in the order it meets them, then each contract kind's."""
    from tallystick.client.payments import RowError
    from tallystick.client.vocabulary import KINDS, Code

    lines = [_REJECTIONS_HEAD.format(note=_NOTE), "## The ledger's own", ""]
    lines += _enum_lines(Code)
    lines += ["## Lines of a payments file", ""]
    lines += ["No transaction could be made of the line, so the ledger was not asked.", ""]
    lines += _enum_lines(RowError)
    for (kind, version), code in sorted(KINDS.contracts.items()):
        if code.Refusal is not None:
            lines += [f"## Contract `{kind}`, version {version}", ""]
            lines += _enum_lines(code.Refusal)
    return _joined(lines)


def _enum_lines(codes: type[StrEnum]) -> Iterator[str]:
    """Yield an enumeration's members with their documentation, below the comments that group them."""
    source = textwrap.dedent(inspect.getsource(codes))
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    comments = {
        number: line.strip().removeprefix("# ")
        for number, line in enumerate(source.splitlines(), 1)
        if line.strip().startswith("# ")
    }
    last = body.lineno
    for member, below in zip(body.body, body.body[1:], strict=False):
        if not isinstance(member, ast.Assign):
            continue
        for number in range(last, member.lineno):
            if number in comments:
                yield from ("", f"*{comments[number]}*", "")
        last = member.lineno
        code = codes[ast.unparse(member.targets[0])].value
        yield f"- `{code}`: {_docstring(below, of=code)}{_hint(code)}"
    yield ""


def _docstring(node: ast.stmt, *, of: str) -> str:
    """Return the text of a docstring as one line."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    raise ValueError(f"{of} has no documentation under it")


def _hint(code: str) -> str:
    """Return the hint with its facts as a reader fills them in, or nothing."""
    hint = re.sub(r"\{(\w+)\}", lambda fact: fact[1].upper(), HINTS.get(code, ""))
    return f" *Hint: {hint}.*" if hint else ""


def _joined(lines: list[str]) -> str:
    """Return a page of lines, with no blank line twice."""
    kept: list[str] = []
    for line in "\n".join(lines).splitlines():
        if line or (kept and kept[-1]):
            kept.append(line.rstrip())
    return "\n".join(kept).rstrip() + "\n"


if __name__ == "__main__":
    main()
