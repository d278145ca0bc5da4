"""`handnn train`: a model from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handnn.cli import shared as tables
from handnn.storage import replace_file


def widths(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Return "64,64" as (64, 64)."""
    if value is None:
        return None
    try:
        found = tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        found = (0,)
    if any(not 1 <= width <= 65_536 for width in found) or len(found) > 64:
        raise click.BadParameter(f"{value!r} are no widths of layers, as 64,64 are")
    return found


def page_of(result: Any, settings: Any) -> str:
    """Return the report of a training by this very command."""
    from handnn.files.report.html import report

    return report(result, ["handnn", *click.get_current_context().obj], settings.seed)


@click.command(
    short_help="Train a model on a CSV, TSV or Parquet file.",
    epilog="Examples: handnn train houses.csv --target price; handnn train houses.csv --target "
    "price --hidden 64,64 --seed 1 --out houses.safetensors --report houses.html",
)
@click.argument("data", type=tables.EXISTING)
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option(
    "--task", type=click.Choice(["auto", "regression", "binary", "multiclass"]), default="auto",
    show_default=True, help="auto: classes for text and for up to 20 whole numbers.",
)  # fmt: skip
@click.option(
    "--hidden", metavar="N,N", callback=widths,
    help="Widths of the hidden layers. [default: 128,128]",
)  # fmt: skip
@click.option(
    "--networks", metavar="N", type=click.IntRange(1, 100),
    help="How many are trained and averaged. [default: 5, or 1 when streaming]",
)  # fmt: skip
@click.option(
    "--epochs", metavar="N", type=click.IntRange(1, 1_000_000),
    help="How often each sees the rows, at the most. [default: by the number of rows]",
)  # fmt: skip
@click.option(
    "--batch-size", metavar="N", type=click.IntRange(1, 1_000_000),
    help="Rows of a step. [default: by the number of rows]",
)  # fmt: skip
@click.option(
    "--lr", metavar="RATE", type=click.FloatRange(0, 10, min_open=True),
    help="The highest learning rate. [default: 0.005]",
)  # fmt: skip
@click.option(
    "--hold-out", "share", metavar="SHARE", default=0.2, show_default=True,
    type=click.FloatRange(0, 0.9, min_open=True),
    help="The share of the rows that only score the model.",
)  # fmt: skip
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True,
    help="Decides rows held out, first weights and the order of the rows.",
)  # fmt: skip
@click.option(
    "--ignore", metavar="COLUMNS", multiple=True, help="Columns to leave out: a,b or repeated."
)
@click.option(
    "--category", "categories", metavar="COLUMNS", multiple=True,
    help="Columns whose numbers only tell kinds apart, such as a zip code.",
)  # fmt: skip
@click.option(
    "--stream/--no-stream", default=None,
    help="Read the file anew for each epoch instead of keeping it. [default: above 256 MB]",
)  # fmt: skip
@click.option("--drop-gaps", is_flag=True, help="Leave out rows whose target is missing.")
@tables.dialect_options
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("model.safetensors"),
    show_default=True, metavar="FILE", help="Where the model goes.",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="Write an HTML page, too."
)
@tables.output_options
def train(
    data: Path, target: str | None, out: Path, report: Path | None, as_json: bool, quiet: bool,
    delimiter: str | None, encoding: str | None, decimal: str, gaps: tuple[str, ...],
    ignore: tuple[str, ...], categories: tuple[str, ...], stream: bool | None, **chosen: Any,
) -> None:  # fmt: skip
    """Train a model that predicts a column of a file from the others, score it on rows that it
    has never seen beside two baselines, and save it with all that predict needs.

    DATA is CSV with a header (any delimiter, packed with gzip or not) or Parquet. Text is a
    category, gaps are filled. A column that can't be learnt from is an error, which says how to
    leave it out.
    """
    say = tables.speaker(quiet)
    with tables.told_in_words():
        from handnn.files.learning.settings import Settings
        from handnn.files.model import save_model
        from handnn.files.reading.source import Dialect, listed, open_table
        from handnn.files.train import train_file

        dialect = Dialect(delimiter, encoding, decimal, gaps)
        known = open_table(data, dialect).names
        if target is None:
            raise click.UsageError(f"--target must name the column to predict: {listed(known)}")
        tables.check_apart([out, report], [data])
        for path in filter(None, (out, report)):
            tables.check_writable(path)
        settings = Settings(
            target,
            ignore=tables.names(ignore, known),
            categories=tables.names(categories, known),
            **{name: value for name, value in chosen.items() if value is not None},
        )
        result = train_file(
            data, settings, dialect, stream=stream, progress=tables.shows_progress(quiet), say=say
        )
        page = None if report is None else page_of(result, settings)
        save_model(out, result.trained.model, result.notes)
        if report is not None and page is not None:
            replace_file(report, page.encode())
    facts = {
        **result.notes.story,
        "target": target,
        "task": result.trained.model.target.task,
        "seconds": round(result.trained.seconds, 3),
        "model": str(out),
        "report": None if report is None else str(report),
    }
    if as_json:
        tables.print_json(facts)
    else:
        heading = f"{facts['rows']['held_out']:,} held-out rows"
        lines = {**facts["baselines"], "this model": facts["scores"]}
        click.echo(tables.score_lines(lines, heading))
    if report is not None:
        say(f"the report is {report}")
    say(f"trained in {result.trained.seconds:.1f} s; the model is {out}")
