"""`tallystick completion`: the script by which a shell completes commands and options.

click writes the script; while somebody types, the shell asks this very program, so that what is offered can
never differ from what there is.
"""

import click
from click.shell_completion import get_completion_class

from tallystick.cli.frame import make_command
from tallystick.cli.session import Session


@make_command(
    "completion",
    example="""\
tallystick completion bash > ~/.local/share/bash-completion/completions/tallystick
tallystick completion zsh > ~/.zfunc/_tallystick
tallystick completion fish > ~/.config/fish/completions/tallystick.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(session: Session, *, shell: str) -> None:
    """Print the completion script of a shell: bash (4.4 or newer), zsh or fish.

    Write it where the shell looks for completions, as the examples do, and start a new shell.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root().command
    # Without `source`, which would start a bash to ask for its version.
    completion = kind(root, {}, "tallystick", "_TALLYSTICK_COMPLETE")
    script = completion.source_template % completion.source_vars()
    session.show({"shell": shell, "script": script}, script.strip("\n"))
