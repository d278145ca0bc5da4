"""What the commands on files of tables share: options, errors, and where words go."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from handnn.training.divergence import DivergenceError

EXISTING = click.Path(path_type=Path)

Command = Callable[..., Any]


def dialect_options(command: Command) -> Command:
    """Add the options that say how a text file is to be read."""
    options = [
        click.option(
            "--delimiter", metavar="CHAR",
            help="What stands between cells, as , ; | or tab; found out by default.",
        ),
        click.option(
            "--encoding", metavar="NAME",
            help="Such as windows-1252; UTF-8 by default, or what the byte order mark says.",
        ),
        click.option(
            "--decimal", type=click.Choice([".", ","]), default=".",
            help="The decimal point. predict and evaluate know what training was told.",
        ),
        click.option(
            "--gap", "gaps", multiple=True, metavar="TEXT",
            help="A text that stands for a missing value, beside empty cells, NA, NaN and null.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def output_options(command: Command) -> Command:
    """Add --json and --quiet."""
    command = click.option("--quiet", is_flag=True, help="No words on stderr but errors.")(command)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


@contextmanager
def told_in_words() -> Iterator[None]:
    """Make of every error in data, models and files one paragraph, and exit code 1."""
    try:
        yield
    except (click.ClickException, click.Abort):
        raise
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise click.ClickException(what) from error
    except DivergenceError as error:
        raise click.ClickException(f"training diverged: {error}; try a smaller --lr") from error
    except (ImportError, ValueError, TypeError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    except MemoryError as error:
        raise click.ClickException("there is not enough memory; --stream needs less") from error


def speaker(quiet: bool) -> Callable[[str], None]:
    """Return what says words: on stderr, or nowhere."""

    def say(words: str) -> None:
        if not quiet:
            click.echo(words, err=True)

    return say


def shows_progress(quiet: bool) -> bool:
    """Return whether bars are wanted: on terminals only."""
    return sys.stderr.isatty() and not quiet


def print_json(what: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(what, indent=2, allow_nan=False))


def check_writable(path: Path) -> None:
    """Raise ClickException before the work when its result can't be written there."""
    import tempfile

    if path.is_dir():
        raise click.ClickException(f"cannot write {path}: it is a folder")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(f"cannot write {path}: {reason}") from error


def check_apart(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Raise ClickException when a result would replace what is read, or another result."""
    taken = {path.resolve(): "is read from" for path in inputs}
    for path in filter(None, outputs):
        place = path.resolve()
        if place in taken:
            raise click.ClickException(f"{path} {taken[place]}; name another file to write to")
        taken[place] = "is written already"


def names(values: tuple[str, ...], known: list[str]) -> tuple[str, ...]:
    """Return column names that may have been given as "a,b", unless a column is called so."""
    found: list[str] = []
    for value in values:
        found += [value] if value in known else [part.strip() for part in value.split(",")]
    return tuple(dict.fromkeys(name for name in found if name))


def score_lines(rows: Mapping[str, Mapping[str, float | None]], heading: str) -> str:
    """Return scores as a table of text, a line for each method."""
    columns = list(next(iter(rows.values())))
    width = max(len(heading), *map(len, rows))
    lines = [f"{heading:<{width}}" + "".join(f"  {name:>17}" for name in columns)]
    for name, found in rows.items():
        cells = ["-" if found[c] is None else f"{found[c]:.6g}" for c in columns]
        lines.append(f"{name:<{width}}" + "".join(f"  {cell:>17}" for cell in cells))
    return "\n".join(lines)
