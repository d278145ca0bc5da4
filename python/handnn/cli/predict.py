"""`handnn predict`, `evaluate` and `inspect`: what a saved model says, and of itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from handnn.cli import shared as tables


def opened(model: Path, rows: Path, **given: Any) -> Any:
    """Return the model, its notes, and the file as a Table for it."""
    from handnn.files.model import dialect_of, load_model
    from handnn.files.predicting.predictions import Table
    from handnn.files.reading.source import Dialect, open_table

    loaded, notes = load_model(model)
    dialect = dialect_of(notes, Dialect(**given))
    return loaded, notes, Table(open_table(rows, dialect), loaded, notes)


@click.command(
    short_help="Predict the rows of a file with a saved model.",
    epilog="Examples: handnn predict model.safetensors rows.parquet --out predictions.csv; "
    "handnn predict model.safetensors rows.csv > predictions.csv",
)
@click.argument("model", type=tables.EXISTING)
@click.argument("rows", type=tables.EXISTING)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Where the predictions go: CSV, or what .parquet, .tsv and .gz say; stdout by default.",
)  # fmt: skip
@click.option("--probabilities", is_flag=True, help="A column p(class) for each class, too.")
@click.option("--keep", is_flag=True, help="The columns of ROWS stand before the predictions.")
@tables.dialect_options
@tables.output_options
def predict(
    model: Path, rows: Path, out: Path | None, probabilities: bool, keep: bool, as_json: bool,
    quiet: bool, gaps: tuple[str, ...], **given: Any,
) -> None:  # fmt: skip
    """Predict what MODEL has learnt to predict for each of the ROWS, in their order.

    ROWS may be larger than memory. Columns go by their names. A missing column, or one that holds
    something else than in training, is an error; a category that training did not have counts as
    an average one, with a note. With --json each row is a JSON object on a line of its own.
    """
    with tables.told_in_words():
        from handnn.files.predicting.predictions import predictions
        from handnn.files.predicting.writing import is_parquet_name, rows_written

        if as_json and is_parquet_name(out):
            raise click.UsageError("--json writes lines of text, no Parquet")
        tables.check_apart([out], [model, rows])
        loaded, _, table = opened(model, rows, gaps=gaps, **given)
        count = 0
        with rows_written(out, partial(click.echo, nl=False), as_json=as_json) as write:
            for frame, block in table.blocks():
                found = predictions(loaded, frame, probabilities=probabilities)
                if keep:
                    taken = set(found.columns) & set(block.frame.columns)
                    if taken:
                        raise click.ClickException(f"{rows} has a column {min(taken)!r} already")
                    kept = block.frame
                    if is_parquet_name(out):  # which has types: numbers are no text there
                        kept = kept.with_columns(frame.select(table.numbers))
                    found = kept.hstack(found)
                write(found)
                count += len(found)
    say = tables.speaker(quiet)
    for note in table.notes:
        say(f"note: {note}")
    say(f"{count:,} rows predicted" + ("" if out is None else f", in {out}"))


@click.command(
    short_help="Score a saved model on a file that has the target.",
    epilog="Example: handnn evaluate model.safetensors test.csv --json",
)
@click.argument("model", type=tables.EXISTING)
@click.argument("rows", type=tables.EXISTING)
@tables.dialect_options
@tables.output_options
def evaluate(
    model: Path, rows: Path, as_json: bool, quiet: bool, gaps: tuple[str, ...], **given: Any
) -> None:
    """Score MODEL on ROWS, which have the column that it predicts, beside its score in training."""
    with tables.told_in_words():
        from handnn.files.predicting.predictions import evaluate as score_on
        from handnn.files.train import plain

        loaded, notes, table = opened(model, rows, gaps=gaps, **given)
        scores, count = score_on(loaded, notes, table)
    found = plain(scores)
    if as_json:
        tables.print_json({"rows": count, "target": notes.target, "scores": found})
    else:
        lines = {"these rows": found}
        then = notes.story.get("scores")
        if isinstance(then, dict) and set(then) == set(found):
            lines["held out in training"] = then
        click.echo(tables.score_lines(lines, f"{count:,} rows"))
    for note in table.notes:
        tables.speaker(quiet)(f"note: {note}")


@click.command(
    short_help="Show what a saved model takes, gives, and was trained on.",
    epilog="Example: handnn inspect model.safetensors",
)
@click.argument("model", type=tables.EXISTING)
@tables.output_options
def inspect(model: Path, as_json: bool, quiet: bool) -> None:
    """Show the columns that MODEL takes, what it predicts, its networks, and how it was trained."""
    with tables.told_in_words():
        from handnn.files.model import kinds_of, load_model

        loaded, notes = load_model(model)
    target = loaded.target
    if as_json:
        tables.print_json(
            {
                "target": notes.target,
                "task": target.task,
                "classes": None if target.classes is None else target.classes.tolist(),
                "columns": kinds_of(loaded),
                "networks": [repr(network) for network in loaded.networks],
                "decimal": notes.decimal,
                "gaps": list(notes.gaps),
                **notes.story,
            }
        )
        return
    click.echo(f"predicts {notes.target!r}\n\n{loaded.summary()}")
    if quiet:
        return
    click.echo("")
    for name, value in notes.story.items():
        click.echo(f"{name:<10}{value}")
