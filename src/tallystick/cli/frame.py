"""The frame of every command: its output, its errors and its exit code (`errors`), in one place.

An error says what is wrong, with which numbers, and then `hint:` on its own line what to do. With `--json`
standard output is JSON whatever happens, an error included, so that a program reads one stream; the words
for people stay on standard error.
"""

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from tallystick.cli.errors import DONE, PROOF_FAILED, REJECTED, USAGE, CommandError

_MODULES: Final = {"import": "import_", "own-token": "own_token"}
"""Commands whose name Python keeps for itself."""


@dataclass(frozen=True)
class Problem:
    """An error as it is told: a stable code, words, numbers, advice, and the exit code."""

    code: str
    message: str
    exit_code: int
    hint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the one JSON shape of an error."""
        document = {"error": self.code, "facts": dict(self.facts), "message": self.message}
        return document | ({"hint": self.hint} if self.hint else {})


# ------------------------------------------------------------------------------------------------ errors


def explain(error: BaseException) -> Problem | None:
    """Return how an error is told, or None for one that nobody expected."""
    if isinstance(error, click.ClickException):
        return _explain_click(error)
    if isinstance(error, CommandError):
        return Problem(error.code, str(error), error.exit_code, error.hint, error.facts)
    if isinstance(error, click.Abort):
        return Problem("aborted", "stopped before anything was done", USAGE)
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        hint = "choose another path" if isinstance(error, FileExistsError) else ""
        return Problem("file", f"{named}{error.strerror or error}", USAGE, hint)
    return _explain_client(error) or _explain_log(error) or _explain_node(error)


def _explain_click(error: click.ClickException) -> Problem:
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"{error.ctx.command_path} --help"
    return Problem("usage", error.format_message(), USAGE, hint)


def _explain_client(error: BaseException) -> Problem | None:
    from tallystick.cli.hints import CLIENT_HINTS, hint_for
    from tallystick.client.errors import ClientError
    from tallystick.client.vocabulary import InvariantViolation, Rejection

    if isinstance(error, Rejection):
        return Problem(
            error.code.value, str(error), REJECTED, hint_for(error.code.value, error.facts), error.facts
        )
    if isinstance(error, InvariantViolation):
        return Problem("invariant", str(error), PROOF_FAILED, "stop using this file and keep a copy of it")
    if not isinstance(error, ClientError):
        return None
    code = _snake(type(error).__name__)
    failed = code in ("verification_failed", "source_damaged", "proof_failed", "log_lied")
    hint = error.hint or CLIENT_HINTS.get(code, "")
    return Problem(code, str(error), PROOF_FAILED if failed else USAGE, hint)


def _explain_log(error: BaseException) -> Problem | None:
    from tallystick.client.vocabulary import NoteError, ProofError, QuorumError, WitnessError

    if isinstance(error, WitnessError):
        facts = {"status": error.status}
        return Problem(_snake(type(error).__name__), str(error), PROOF_FAILED, facts=facts)
    if isinstance(error, NoteError | ProofError | QuorumError):
        return Problem(_snake(type(error).__name__), str(error), PROOF_FAILED)
    return None


def _explain_node(error: BaseException) -> Problem | None:
    from tallystick.cli.hints import FAULT_EXITS, FAULT_HINTS
    from tallystick.node.faults import NodeFault

    if not isinstance(error, NodeFault):
        return None
    code = _snake(type(error).__name__)
    return Problem(code, str(error), FAULT_EXITS.get(code, USAGE), FAULT_HINTS.get(code, ""))


def _snake(name: str) -> str:
    return "".join(f"_{sign.lower()}" if sign.isupper() else sign for sign in name).lstrip("_")


# ------------------------------------------------------------------------------------------------ groups


class LazyGroup(click.Group):
    """The root: knows each command's line of help, and loads its file when it is called."""

    def __init__(self, *, sections: Mapping[str, Mapping[str, str]], **settings: Any) -> None:
        super().__init__(**settings)
        self.sections = sections
        self.params.append(
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                help="Show the version and exit.",
                callback=_show_version,
            )
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, in the order of the help."""
        return [name for section in self.sections.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, loaded from its file."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"tallystick.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which ones there are that look like it."""
        _check_name(self, ctx, args)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without loading any."""
        width = max(len(name) for name in self.list_commands(ctx))
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), line) for name, line in commands.items()])

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run a command, tell what went wrong if anything did, and exit with its code."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        try:
            code = super().main(words, *rest, **extra)
        except Exception as error:
            problem = explain(error)
            if problem is None:
                raise
            tell(problem, as_json="--json" in words)
            sys.exit(problem.exit_code)
        except KeyboardInterrupt:
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else DONE)


class Group(click.Group):
    """A command with subcommands, such as `account`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand, or say which ones there are that look like it."""
        _check_name(self, ctx, args)
        return super().resolve_command(ctx, args)


def _check_name(group: click.Group, ctx: click.Context, args: list[str]) -> None:
    from difflib import get_close_matches

    name = args[0] if args else ""
    names = group.list_commands(ctx)
    if name and not name.startswith("-") and name not in names:
        near = get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(names)}"
        raise CommandError(f"{ctx.command_path} has no command {name[:40]!r}", hint=hint)


def _show_version(ctx: click.Context, _: click.Parameter, asked: object) -> None:
    if asked and not ctx.resilient_parsing:
        from tallystick import __version__

        click.echo(f"tallystick {__version__}")
        ctx.exit()


def tell(problem: Problem, *, as_json: bool) -> None:
    """Write an error for people to standard error and, with `--json`, for programs to standard output."""
    if as_json:
        click.echo(json.dumps(problem.as_dict()))
    kind = {REJECTED: "rejected", PROOF_FAILED: "failed"}.get(problem.exit_code, "error")
    click.echo(f"{kind}: {problem.message}", err=True)
    if problem.hint:
        click.echo(f"hint: {problem.hint}", err=True)


# ---------------------------------------------------------------------------------------------- commands

_JSON = click.Option(["--json"], is_flag=True, help="Write JSON: one document, or one a line.")
_LEDGER = click.Option(
    ["--ledger"],
    envvar="TALLYSTICK_LEDGER",
    show_envvar=True,
    default="ledger.tally",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The ledger file.",
)
_URL = click.Option(
    ["--url"],
    envvar="TALLYSTICK_URL",
    show_envvar=True,
    metavar="URL",
    help="A node's URL, in place of the ledger file.",
)
_KEYS = (
    click.Option(
        ["--keys"],
        envvar="TALLYSTICK_KEYS",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="The keyring; by default the one beside the ledger file.",
    ),
    click.Option(
        ["--password-file"],
        envvar="TALLYSTICK_PASSWORD_FILE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        help="A file with the keyring's password; else TALLYSTICK_PASSWORD, else you are asked.",
    ),
)
_CHANGES = (
    click.Option(["--dry-run"], is_flag=True, help="Say what would happen, and change nothing."),
    click.Option(
        ["--out"],
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write the transaction to this file, signed by the keys at hand, instead of submitting it.",
    ),
    click.Option(["--unsigned"], is_flag=True, help="With --out: sign nothing."),
    click.Option(
        ["--join"],
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Add this to an unsigned transaction file instead: all in it settles together or not at all.",
    ),
    click.Option(
        ["--once"],
        metavar="KEY",
        help="A key that the sender can use for one transaction ever, such as an invoice's number.",
    ),
    click.Option(
        ["--valid"],
        metavar="DURATION",
        default="5m",
        show_default=True,
        help="How long the transaction may wait to be submitted; above 10m it needs --once.",
    ),
)

COMMON: Final = {
    "every command": (_JSON,),
    "commands on a ledger": (_LEDGER,),
    "commands that a node answers as well": (_URL,),
    "commands that sign": _KEYS,
    "commands that change the ledger": _CHANGES,
}
"""The common options, by who has them: for the reference, which tells them once."""


def make_command(
    name: str,
    *,
    example: str,
    ledger: bool = False,
    keys: bool = False,
    changes: bool = False,
    url: bool = False,
    file_only: str = "",
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function a command with the common options; it gets a `Session` first, then its own.

    `example` stands in its help, one command a line. `changes` is for what changes the ledger: it implies
    the other two. What works on a ledger works by `--url` as well, unless `file_only` says why not; `url` is
    for what works on a node alone.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        options = [_JSON]
        options += [_LEDGER] if ledger or changes else []
        options += [_URL] if url or ((ledger or changes) and not file_only) else []
        options += _KEYS if keys or changes else []
        options += _CHANGES if changes else []
        own = [option.name for option in options if option.name]

        def run(**values: Any) -> None:
            from tallystick.cli.session import Session

            common = {option: values.pop(option) for option in own}
            function(Session(**common), **values)

        made: click.Command = click.command(
            name,
            help=_help(function.__doc__ or "", file_only),
            epilog="\b\nExamples:\n" + "\n".join(f"  {line}" for line in example.splitlines()),
        )(_with_parameters(run, function))
        made.params += options
        return made

    return decorate


def _help(text: str, file_only: str) -> str:
    """Return a command's help; where it has no --url, with the reason."""
    text = inspect.cleandoc(text)
    return f"{text}\n\nIt has no --url: {file_only}." if file_only else text


def _with_parameters(run: Callable[..., None], function: Callable[..., None]) -> Callable[..., None]:
    """Hand the options and arguments that decorators put on `function` over to `run`."""
    parameters = getattr(function, "__click_params__", [])
    run.__click_params__ = parameters  # type: ignore[attr-defined]
    return run


def make_group(name: str, doc: str) -> Group:
    """Return a command with subcommands; `doc` is its help."""
    return Group(name, help=doc)
