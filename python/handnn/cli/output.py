"""Output of the commands: errors, messages, JSON, tables of scores, and files."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from handnn.files.errors import Remedy

MAX_SCORES = 4
"""The largest number of scores in one line of a table."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Convert errors in data, models and files to a ClickException: one line and exit code 1."""
    from handnn.files.errors import TableError
    from handnn.training.distributed.ranks import RankError
    from handnn.training.divergence import DivergenceError
    from handnn.training.many.dispatch import WorkerDiedError

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
    except (RankError, WorkerDiedError) as error:
        raise _failure(str(error)) from error
    except (ImportError, ValueError, TypeError, EOFError, OverflowError) as error:
        raise _failure(str(error) or type(error).__name__) from error
    except MemoryError as error:
        raise _failure("not enough memory; --stream needs less") from error
    except BaseException as error:
        if not is_of_polars(error):
            raise
        raise _failure(f"polars: {str(error).splitlines()[0]:.200}") from error


def is_of_polars(error: BaseException) -> bool:
    """Return whether polars raised an error; a panic in its Rust code is not an Exception."""
    kind = type(error)
    return kind.__module__.startswith("polars") or kind.__name__ == "PanicException"


def _failure(message: str) -> click.ClickException:
    from handnn.storage.messages import one_line

    return click.ClickException(one_line(" ".join(message.split())))


def requested_encoding() -> str | None:
    """Return the encoding that PYTHONIOENCODING requests for stdout, None without a request.

    The encoding of a console or a locale is not a request: output is UTF-8 there.
    """
    if sys.flags.ignore_environment:
        return None
    return os.environ.get("PYTHONIOENCODING", "").partition(":")[0] or None


def show_rows(text: str) -> None:
    """Write rows to stdout; raise ClickException if its encoding lacks one of their characters."""
    from handnn.storage.messages import one_line

    encoding = requested_encoding()
    if encoding:
        try:
            text.encode(encoding)
        except UnicodeEncodeError as error:
            character = one_line(text[error.start])
            raise click.ClickException(
                f"PYTHONIOENCODING requests {encoding}, which has no {character!r}: unset it "
                "for UTF-8, or write the rows to a file with --out"
            ) from None
    click.echo(text, nl=False)


def as_flag(remedy: Remedy) -> str:
    """Return the remedy of an error as a command-line option, such as ``--gap '?'``."""
    from handnn.files.errors import Option

    if remedy.option is Option.DROP_GAPS:
        return "--drop-gaps"
    if remedy.option is Option.HOLD_OUT:
        return "--hold-out"
    if remedy.option is Option.NO_STREAM:
        return "--no-stream"
    if remedy.option is Option.NO_DEFAULT_GAPS:
        return "--no-default-gaps"
    if remedy.option is Option.GAPS:
        return " ".join(f"--gap {shlex.quote(text)}" for text in remedy.values)
    flags = {Option.IGNORE: "ignore", Option.CATEGORIES: "category", Option.USE: "use"}
    if remedy.option in flags:
        names = remedy.values
        lists = names if any("," in name for name in names) else [",".join(names)]
        return " ".join(f"--{flags[remedy.option]} {shlex.quote(names)}" for names in lists)
    return f"--{remedy.option.value} {shlex.quote(str(remedy.value))}"


def printer(quiet: bool) -> Callable[[str], None]:
    """Return a function that prints messages on stderr, or does nothing when `quiet`."""

    def log(message: str) -> None:
        if quiet:
            return
        from handnn.files.errors import Note
        from handnn.storage.messages import one_line

        text = f"note: {message.worded(as_flag)}" if isinstance(message, Note) else message
        click.echo(one_line(text), err=True)

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
    if path.exists() and not path.is_file():
        raise click.ClickException(f"cannot write {path}: it is not a regular file")
    if path.exists() and not os.access(path, os.W_OK):
        raise click.ClickException(f"cannot write {path}: permission denied")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from error


def check_new(path: Path) -> None:
    """Raise ClickException if a file exists at a path that the user has not given."""
    if path.exists():
        raise click.ClickException(f"{path} exists; use --force to replace it, or --out")


def check_distinct(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Raise ClickException when an output would replace an input or another output."""
    taken = {path.resolve(): "the input" for path in inputs if str(path) != "-"}
    for path in filter(None, outputs):
        place = path.resolve()
        if place in taken:
            raise click.ClickException(
                f"cannot write {path}: it is also {taken[place]}; choose another file"
            )
        taken[place] = "another output"


def one_or_list(names: Sequence[str]) -> str | list[str]:
    """Return one name as a string, and several as a list."""
    return names[0] if len(names) == 1 else list(names)


def score_table(methods: Mapping[str, Mapping[str, float | None]], heading: str) -> str:
    """Return scores as lines of text: one per method or, for more than 4 scores, one per score."""
    names = list(next(iter(methods.values())))
    if len(names) > MAX_SCORES:
        columns = {
            name: {method: found[name] for method, found in methods.items()} for name in names
        }
        return _score_lines(columns, heading)
    return _score_lines(methods, heading)


def _score_lines(methods: Mapping[str, Mapping[str, float | None]], heading: str) -> str:
    names = list(next(iter(methods.values())))
    width = max(len(heading), *map(len, methods))
    lines = [f"{heading:<{width}}" + "".join(f"  {name:>17}" for name in names)]
    for method, scores in methods.items():
        cells = ("-" if scores[name] is None else f"{scores[name]:.6g}" for name in names)
        lines.append(f"{method:<{width}}" + "".join(f"  {cell:>17}" for cell in cells))
    return "\n".join(lines)
