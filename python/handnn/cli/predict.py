"""`handnn predict` and `handnn evaluate`: apply a saved model to a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from handnn.cli import output
from handnn.cli.options import PATH, DialectOptions, dialect_options, output_options

if TYPE_CHECKING:
    from handnn.files import FileModel
    from handnn.files.predicting.predictions import ModelInput


@contextmanager
def opened(
    model_path: Path, rows_path: Path, options: DialectOptions
) -> Iterator[tuple[FileModel, ModelInput]]:
    """Open a model, and a file as its input."""
    from handnn.files import FileModel
    from handnn.files.predicting.predictions import ModelInput
    from handnn.files.reading.dialect import Dialect
    from handnn.files.reading.source import open_table

    model = FileModel.load(model_path)
    with open_table(rows_path, model.dialect(Dialect(**options))) as source:
        yield model, ModelInput(source, model)


@click.command(
    short_help="Predict the rows of a file with a saved model.",
    epilog="Examples: handnn predict model.safetensors rows.parquet --out predictions.csv; "
    "handnn predict model.safetensors rows.csv > predictions.csv",
)
@click.argument("model", type=PATH)
@click.argument("rows", type=PATH)
@click.option(
    "--out", type=PATH, metavar="FILE",
    help="Where to write the predictions: CSV, or TSV, Parquet or gzip for the suffix .tsv, "
    ".parquet or .gz. [default: stdout]",
)  # fmt: skip
@click.option("--probabilities", is_flag=True, help="Add a column p(class) for each class.")
@click.option(
    "--interval", metavar="COVERAGE", type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Add columns low and high, or set for classes, which hold the actual value with this "
    "chance, such as 0.9.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Put the columns of ROWS before the predictions.")
@dialect_options
@output_options
def predict(
    model: Path,
    rows: Path,
    out: Path | None,
    probabilities: bool,
    interval: float | None,
    keep: bool,
    as_json: bool,
    quiet: bool,
    **options: Unpack[DialectOptions],
) -> None:
    """Predict each row of ROWS with MODEL, in their order.

    ROWS may be larger than memory; - reads standard input. Columns are matched by name. A missing
    column is an error, and so is text in a column of numbers. A category absent from training is
    treated as an average one, with a note. With --json each row is a JSON object on a line of its
    own.
    """
    log = output.printer(quiet)
    with output.one_line_errors():
        from handnn.files.predicting.predictions import beside, predictions
        from handnn.files.predicting.writing import is_parquet_name, row_writer

        is_parquet = is_parquet_name(out)
        if as_json and is_parquet:
            raise click.UsageError("--json cannot be written to a Parquet file")
        output.check_distinct([out], [model, rows])
        if out is not None:
            output.check_writable(out)
        n_rows = 0
        with (
            opened(model, rows, options) as (loaded, table),
            row_writer(out, output.show_rows, as_json=as_json) as write,
        ):
            for frame, block in table.blocks(keeps=keep):
                found = predictions(loaded, frame, probabilities=probabilities, interval=interval)
                if keep:
                    found = beside(table.kept(block, frame, numeric=is_parquet), found)
                write(found)
                n_rows += len(found)
    for note in table.notes:
        log(f"note: {note}")
    log(f"{n_rows:,} rows predicted" + ("" if out is None else f", written to {out}"))


@click.command(
    short_help="Score a saved model on a file that has the target.",
    epilog="Example: handnn evaluate model.safetensors test.csv --json",
)
@click.argument("model", type=PATH)
@click.argument("rows", type=PATH)
@dialect_options
@output_options
def evaluate(
    model: Path, rows: Path, as_json: bool, quiet: bool, **options: Unpack[DialectOptions]
) -> None:
    """Score MODEL on ROWS, which must have the target column, and show its score in training."""
    log = output.printer(quiet)
    with output.one_line_errors():
        from handnn.files.predicting.predictions import evaluate_file
        from handnn.files.report.coverage import as_entries, coverage_line
        from handnn.files.report.table_scores import plain_scores

        with opened(model, rows, options) as (loaded, table):
            found, n_rows, coverage = evaluate_file(loaded, table)
    scores = plain_scores(found)
    if as_json:
        target = output.one_or_list(loaded.notes.target_names)
        entries = {"rows": n_rows, "target": target, "scores": scores}
        output.print_json({**entries, "coverage": as_entries(coverage)})
    else:
        methods = {"these rows": scores}
        if set(loaded.scores) == set(scores):
            methods["held out in training"] = loaded.scores
        click.echo(output.score_table(methods, f"{n_rows:,} rows"))
        if coverage:
            click.echo(coverage_line(coverage, "these rows"))
    for note in table.notes:
        log(f"note: {note}")
