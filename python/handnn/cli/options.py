"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])

PATH = click.Path(path_type=Path)


class DialectOptions(TypedDict):
    """Options for reading a text file; see `files.reading.dialect.Dialect`."""

    delimiter: str | None
    encoding: str | None
    decimal: str
    gaps: tuple[str, ...]
    default_gaps: bool


def dialect_options(command: Command) -> Command:
    """Add the options that `DialectOptions` holds."""
    options = [
        click.option(
            "--delimiter", metavar="CHAR",
            help="The character between cells: , ; | or tab. [default: detected]",
        ),
        click.option(
            "--encoding", metavar="NAME",
            help="The encoding, such as windows-1252. "
            "[default: from the byte order mark, else UTF-8]",
        ),
        click.option(
            "--decimal", type=click.Choice([".", ","]), default=".",
            help="The decimal point. predict and evaluate remember the one used in training.",
        ),
        click.option(
            "--gap", "gaps", multiple=True, metavar="TEXT",
            help="A string that marks a missing value, besides empty cells, NA, NaN and null; a "
            "number also marks those equal to it. May be repeated.",
        ),
        click.option(
            "--default-gaps/--no-default-gaps", "default_gaps", default=True,
            help="Whether NA, NaN, null and the like mark a missing value, or are text. [default: "
            "they do; predict and evaluate remember it]",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def output_options(command: Command) -> Command:
    """Add --json and --quiet."""
    command = click.option("--quiet", is_flag=True, help="Print only results and errors.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")(command)
