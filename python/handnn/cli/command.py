"""The command line: its commands, errors and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

import click

import handnn
from handnn.cli.output import requested_encoding
from handnn.cli.termination import ended_by_signals

FAILED = 1
INTERRUPTED = 130

COMMANDS = {
    "demo": "demo.demo_command",
    "play": "play",
    "train": "train",
    "predict": "predict",
    "evaluate": "predict",
    "inspect": "inspect_model",
    "export": "export",
    "check": "check.check_command",
    "info": "info",
}
"""The module of each command, which is imported when the command is used."""


class LazyGroup(click.Group):
    """A group that imports its commands when they are used, so that each starts quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if there is none with this name."""
        if cmd_name not in COMMANDS:
            return None
        command: object = getattr(import_module(f"handnn.cli.{COMMANDS[cmd_name]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.",
)
@click.version_option(handnn.__version__, "--version", message="handnn %(version)s")
def handnn_command() -> None:
    """Neural networks from bricks you can take apart.

    \b
    Examples:
      handnn demo                 train a network on real measurements
      handnn play                 watch a network learn, in the browser
      handnn train houses.csv --target price
      handnn predict model.safetensors rows.csv --out predictions.csv
      handnn check                verify that the installation computes correctly
      handnn info --json          versions and settings for a bug report
    """


def run(args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    args: default those of the process; without any, the help is shown.
    """
    args = list(sys.argv[1:] if args is None else args) or ["--help"]
    if sys.stdout is None:  # closed by the shell; the output would be lost
        print("handnn: cannot write the output: stdout is closed", file=sys.stderr)
        return FAILED
    if isinstance(sys.stdout, TextIOWrapper):
        encoding = requested_encoding() or "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")  # some terminals cannot show ²
    try:
        with ended_by_signals():
            status = handnn_command.main(
                args, prog_name="handnn", standalone_mode=False, obj=list(args)
            )
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        hint = f"; see '{where} --help'" if where else ""
        click.echo(f"{where or 'handnn'}: {error.format_message().rstrip('.')}{hint}", err=True)
        return error.exit_code
    except OSError as error:  # writing the output failed; commands report other files themselves
        reason = str(error) if error.filename else f"cannot write the output: {error.strerror}"
        click.echo(f"handnn: {reason}", err=True)
        return FAILED
    return int(status or 0)
