"""Output of the commands: errors, messages, JSON, tables of scores, and files."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from handnn.files.errors import Remedy


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Convert errors in data, models and files to a ClickException: one line and exit code 1."""
    from handnn.files.errors import TableError
    from handnn.training.divergence import DivergenceError

    try:
        yield
    except (click.ClickException, click.Abort):
        raise
    except TableError as error:
        raise _failure(error.worded(as_flag)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise _failure(f"{error.filename}: {reason}" if error.filename else reason) from error
    except DivergenceError as error:
        raise _failure(f"training diverged: {error}; try a smaller --lr") from error
    except (ImportError, ValueError, TypeError) as error:
        raise _failure(str(error)) from error
    except MemoryError as error:
        raise _failure("not enough memory; --stream needs less") from error


def _failure(message: str) -> click.ClickException:
    return click.ClickException(" ".join(message.split()))


def as_flag(remedy: Remedy) -> str:
    """Return the remedy of an error as a command-line option, such as ``--gap '?'``."""
    from handnn.files.errors import Option

    if remedy.option is Option.DROP_GAPS:
        return "--drop-gaps"
    if remedy.option is Option.HOLD_OUT:
        return "--hold-out"
    if remedy.option is Option.GAPS:
        return " ".join(f"--gap {shlex.quote(text)}" for text in remedy.values)
    if remedy.option is Option.IGNORE:
        names = remedy.values
        lists = names if any("," in name for name in names) else [",".join(names)]
        return " ".join(f"--ignore {shlex.quote(names)}" for names in lists)
    return f"--{remedy.option.value} {shlex.quote(str(remedy.value))}"


def printer(quiet: bool) -> Callable[[str], None]:
    """Return a function that prints messages on stderr, or does nothing when `quiet`."""

    def log(message: str) -> None:
        if not quiet:
            click.echo(message, err=True)

    return log


def shows_progress(quiet: bool) -> bool:
    """Return whether to show progress bars: only on terminals."""
    return sys.stderr.isatty() and not quiet


def print_json(entries: Mapping[str, object]) -> None:
    """Print a JSON object."""
    click.echo(json.dumps(entries, indent=2, allow_nan=False))


def check_writable(path: Path) -> None:
    """Raise ClickException, before any work, unless a file can be written to `path`."""
    if path.is_dir():
        raise click.ClickException(f"cannot write {path}: it is a folder")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from error


def check_distinct(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Raise ClickException when an output would replace an input or another output."""
    taken = {path.resolve(): "the input" for path in inputs}
    for path in filter(None, outputs):
        place = path.resolve()
        if place in taken:
            raise click.ClickException(
                f"cannot write {path}: it is also {taken[place]}; choose another file"
            )
        taken[place] = "another output"


def score_table(methods: Mapping[str, Mapping[str, float | None]], heading: str) -> str:
    """Return scores as lines of text, one for each method."""
    names = list(next(iter(methods.values())))
    width = max(len(heading), *map(len, methods))
    lines = [f"{heading:<{width}}" + "".join(f"  {name:>17}" for name in names)]
    for method, scores in methods.items():
        cells = ("-" if scores[name] is None else f"{scores[name]:.6g}" for name in names)
        lines.append(f"{method:<{width}}" + "".join(f"  {cell:>17}" for cell in cells))
    return "\n".join(lines)
