"""The command line: its commands, errors and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

import handnn
from handnn.cli.check import check
from handnn.cli.demo import demo
from handnn.cli.export import export
from handnn.cli.info import info
from handnn.cli.inspect_model import inspect
from handnn.cli.predict import evaluate, predict
from handnn.cli.train import train

FAILED = 1
INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.",
)
@click.version_option(handnn.__version__, "--version", message="handnn %(version)s")
def handnn_command() -> None:
    """Neural networks from bricks you can take apart.

    \b
    Examples:
      handnn demo                 train a network on real measurements
      handnn train houses.csv --target price
      handnn predict model.safetensors rows.csv --out predictions.csv
      handnn check                verify that the installation computes correctly
      handnn info --json          versions and settings for a bug report
    """


for subcommand in (demo, train, predict, evaluate, inspect, export, check, info):
    handnn_command.add_command(subcommand)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    args: default those of the process; without any, the help is shown.
    """
    args = list(sys.argv[1:] if args is None else args) or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # some terminals cannot show ²
    try:
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
    except OSError as error:  # of the output: commands report other files themselves
        reason = str(error) if error.filename else f"cannot write the output: {error.strerror}"
        click.echo(f"handnn: {reason}", err=True)
        return FAILED
    return int(status or 0)
