"""Train a model on a file: read it, infer the kind of each column, train, and score."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from importlib.metadata import version
from typing import TYPE_CHECKING

from handnn.arrays import check_type, positive_number, text_tuple, whole_number
from handnn.files.errors import Option, Remedy, TableError
from handnn.files.learning.in_memory import train_in_memory
from handnn.files.learning.in_stripes import train_in_stripes
from handnn.files.learning.separation import described_split
from handnn.files.learning.settings import Log, TrainingSettings
from handnn.files.learning.stripes import Stripes, stripes_of
from handnn.files.learning.survey import Survey, survey
from handnn.files.learning.trained import Trained, TrainingRun
from handnn.files.model import FileModel, ModelNotes
from handnn.files.reading.dialect import Dialect
from handnn.files.reading.source import Source, open_table
from handnn.files.report.coverage import as_entries, measured_coverage
from handnn.files.report.table_scores import (
    answers_of,
    baseline_answers,
    measured_values,
    plain_scores,
    score,
)
from handnn.files.report.verdict import compare
from handnn.storage import as_path, place_of, replace_file
from handnn.tables.objective import checked_objective
from handnn.training.distributed.sharding import DEADLINE, Sharding

if TYPE_CHECKING:
    from concurrent.futures import Executor


def train_file(
    path: str | os.PathLike[str],
    target: str | Iterable[str],
    *,
    task: str = "auto",
    loss: str = "squared",
    ignore: str | Iterable[str] = (),
    categories: str | Iterable[str] = (),
    use: str | Iterable[str] = (),
    weight: str | None = None,
    class_weight: str | None = None,
    split_by: str | None = None,
    split_time: str | None = None,
    test: str | os.PathLike[str] | None = None,
    strict: bool = False,
    drop_gaps: bool = False,
    hold_out: float = 0.2,
    hidden: Iterable[int] | None = None,
    networks: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    quality: str = "good",
    time: float | None = None,
    seed: int = 0,
    shards: int | None = None,
    stream: bool | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    decimal: str = ".",
    gaps: str | Iterable[str] = (),
    default_gaps: bool = True,
    report: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    comm: object = None,
    deadline: float = DEADLINE,
    progress: bool = False,
    log: Log | None = None,
) -> FileModel:
    """Train a model that predicts one column of a file from the others, and score it.

    This is what `handnn train` does, with the same bits. The file is CSV with a header (any
    delimiter, plain or compressed with gzip), JSON lines, or Parquet. Text becomes categories,
    dates become days and cycles, and gaps are filled. Columns that nothing can be learned from are
    left out: constant or empty ones, identifiers, and an index of the rows. A share of the rows,
    drawn at random, is held out to compare the model with two baselines. The returned model
    predicts DataFrames as every `TableModel` does; its `save` writes the file that `handnn predict`
    reads.

    Arguments:
        path: the file.
        target: the name of the column to predict, or several: columns of numbers, or of yes-or-no
            values (booleans, or 0 and 1).
        task: "regression", "binary", "multiclass" or "auto": classes for text and for up to 20
            distinct integers, else a regression.
        loss: what a regression predicts: "squared" for the mean, "poisson" for the rate of counts
            (numbers of 0 or more), "quantile:0.9" for the value that 90 % of rows do not exceed.
        ignore: the names of columns to leave out.
        categories: the names of columns of numbers or dates that are categories, such as a zip
            code. The target may be one of them: its labels then are as they are written.
        use: the names of columns to learn from although they look like an identifier or an index.
        weight: the name of a column of weights, 0 or more: a row of weight 2 counts as two rows in
            the loss of training. Scores count every row once. It is not an input.
        class_weight: "balanced" gives every class the same sum of weights. Probabilities are then
        those of a table with equally many rows of each class.
        split_by: the name of a column of groups, such as customers. Rows of one group are never on
            both sides of a split, for the held-out rows as well as for the folds. It is not an
            input.
        split_time: the name of a column of dates or numbers: the latest rows score the model, and
            networks learn only from rows before those that they hold out. It is an input unless
            ignored.
        test: another file, whose rows score the model; no rows are then held out of training.
        strict: whether columns and rows that would be left out are errors.
        drop_gaps: whether to leave out rows without a target silently, also with strict.
        hold_out: the share of the rows held out to score the model, above 0 and at most 0.9.
        hidden: the widths of the hidden layers; by default (128, 128).
        networks: how many networks to train and average, without linear ones; by default 8 (16 up
            to 500 rows) and as many linear ones, or 1 when streaming or with shards.
        epochs, batch_size: by default chosen by the number of rows.
        lr: the highest learning rate; by default 0.01, or 0.005 when streaming or with shards.
        quality: "fast" takes less than half of the time of "good"; "best" two to seven times
            as long, since it tries further kinds of networks. Not with streaming.
        time: seconds; tries the kinds of "best" one after another while they fit into this time.
            The model then depends on the speed of the machine.
        seed: of the held-out rows, the initial weights and the order of the rows.
        shards: the number of slices that each batch is cut into; by default 1, or 16 with `comm`.
            With more than one, the training is that of a streamed file, with the same bits, unless
            another argument excludes streaming or needs a bag (quality and time).
        stream: whether to read the file again for each epoch instead of keeping it in memory; by
            default for files above 256 MB, or above 48 MB if compressed or Parquet.
        delimiter, encoding: of a CSV file; by default detected, and UTF-8.
        decimal: the decimal point, "." or ",".
        gaps: strings that mark a missing value, besides empty cells, NA, NaN and null. A number
            also marks the numbers equal to it.
        default_gaps: False treats NA, NaN, null and the like as text.
        report: where to write the HTML report, if anywhere.
        executor: the workers that train the networks, in place of threads: see `train_many`. Not
            with streaming or shards.
        comm: an mpi4py communicator, whose ranks train each network together: see `Trainer`. Each
            reads its own stripes of the file, and only the first rank's model has the SHA-256 of
            the file. Not with an executor.
        deadline: the time in seconds after which all ranks end if one does not respond.
        progress: whether to show a progress bar on stderr.
        log: is called with a line of text at each stage, and for each decision about a column that
            you may want to change.

    target, ignore, categories and use may also be one string of names separated by commas.

    Returns a `FileModel`: a `TableModel` with `scores` and `baselines` on the held-out rows.

    Raises TableError (a ValueError), naming column, line and value, when the file cannot be read or
    learned from, ValueError for other values of the arguments, OSError when the file cannot be
    opened, and ImportError without polars.

    Examples:
        >>> from importlib.resources import files
        >>> path = files("handnn") / "data" / "concrete.csv"
        >>> target = "Concrete compressive strength"
        >>> model = handnn.train_file(path, target, epochs=20, networks=1)
        >>> list(model.scores)
        ['rmse', 'mae', 'r2']
        >>> model.scores["r2"] > model.baselines["least squares"]["r2"]
        True
    """
    if executor is not None and comm is not None:
        raise ValueError("train_file: executor and comm exclude each other; leave one out")
    check_type(default_gaps, bool, "train_file: default_gaps")
    check_type(progress, bool, "train_file: progress")
    if stream is not None:
        check_type(stream, bool, "train_file: stream")
    dialect = Dialect(
        delimiter, encoding, decimal, text_tuple(gaps, "train_file: gaps"), default_gaps
    )
    dialect.check("train_file")
    if report is not None:  # before any work
        folder = os.path.dirname(place_of(as_path(report, "train_file: report")))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"train_file: the folder {folder} of report does not exist")
    path = as_path(path, "train_file: path")
    sharding = Sharding.of(
        comm,
        None if shards is None else whole_number(shards, "train_file: shards"),
        positive_number(deadline, "train_file: deadline"),
    )
    with ExitStack() as stack:
        stripes = stack.enter_context(stripes_of(sharding))
        with stripes.telling():
            source = stack.enter_context(open_table(path, dialect, is_hashed=True))
            settings = TrainingSettings(
                targets=column_names(target, source, "target") or ("",),
                task=task,
                loss=checked_objective(loss, "train_file: loss"),
                ignore=column_names(ignore, source, "ignore"),
                categories=column_names(categories, source, "categories"),
                use=column_names(use, source, "use"),
                weight="" if weight is None else weight,
                class_weight="" if class_weight is None else class_weight,
                split_by="" if split_by is None else split_by,
                split_time="" if split_time is None else split_time,
                test="" if test is None else as_path(test, "train_file: test"),
                strict=strict,
                drop_gaps=drop_gaps,
                hold_out=hold_out,
                hidden=None if hidden is None else widths(hidden),
                networks=networks,
                epochs=epochs,
                batch_size=batch_size,
                lr=lr,
                quality=quality,
                time=time,
                seed=seed,
                shards=sharding.shards if comm is not None else shards,
            )
        stripes.check_same("the file", [source.names, source.size])
        say = log or _ignore
        model = stripes.stopped_together(
            lambda: _train(source, settings, dialect, stream, progress, say, executor, stripes)
        )
    if report is not None:
        from handnn.files.report.report_page import report_page

        call = python_call(path, settings, dialect, stream)
        replace_file(report, report_page(model, call).encode())
    return model


def widths(hidden: Iterable[int]) -> tuple[int, ...]:
    """Return the widths of hidden layers; raise TypeError if they are not ints."""
    try:
        given = iter(hidden)
    except TypeError:
        raise TypeError(f"train_file: hidden must be ints, but is {hidden!r:.50}") from None
    return tuple(whole_number(width, "train_file: a width in hidden") for width in given)


def column_names(given: str | Iterable[str], source: Source, name: str) -> tuple[str, ...]:
    """Return names of columns; a string that is not a column may list several, as "a,b"."""
    names: list[str] = []
    for text in text_tuple(given, f"train_file: {name}"):
        names += [text] if text in source.names else [name.strip() for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def python_call(
    path: str, settings: TrainingSettings, dialect: Dialect, stream: bool | None
) -> str:
    """Return the call of `train_file` that trains the same model, without default values."""
    targets = settings.targets
    arguments = [repr(path), repr(targets[0] if len(targets) == 1 else list(targets))]
    for part in (settings, dialect):
        for field in fields(part):
            value = getattr(part, field.name)
            if field.name != "targets" and value != field.default:
                shown = list(value) if isinstance(value, tuple) else value
                arguments.append(f"{field.name}={shown!r}")
    if stream is not None:
        arguments.append(f"stream={stream}")
    return f"handnn.train_file({', '.join(arguments)})"


def _train(
    source: Source,
    settings: TrainingSettings,
    dialect: Dialect,
    stream: bool | None,
    progress: bool,
    log: Log,
    executor: Executor | None,
    stripes: Stripes,
) -> FileModel:
    """Train on an open file, and score the model on the rows that were held out."""
    streams = source.is_large if stream is None else stream
    if streams and settings.memory_only:
        raise TableError(f"{settings.memory_only} cannot be streamed", Remedy(Option.NO_STREAM))
    if streams and executor is not None:
        raise ValueError(
            "train_file: an executor trains networks in memory; write stream=False, or leave it out"
        )
    in_stripes = streams or (stripes.n > 1 and not settings.memory_only)
    if in_stripes and executor is not None:
        raise ValueError(
            "train_file: an executor trains the networks of a bag, and shards divide the rows of "
            "one; leave one out"
        )
    gaps = dialect.chosen_gaps
    if in_stripes:
        surveyed = survey(source, settings, in_stripes=True, stripes=stripes)
        trained = train_in_stripes(
            surveyed, settings, gaps, progress=progress, log=log, stripes=stripes, streams=streams
        )
    else:
        with stripes.telling():
            surveyed = survey(source, settings)
        stripes.check_same("the table", surveyed.kinds)
        trained = train_in_memory(
            surveyed,
            settings,
            gaps,
            progress=progress,
            log=log,
            sharding=stripes.sharding,
            executor=executor,
        )
    is_hashed = not in_stripes or stripes.sharding.rank == 0
    story = {
        **_story(source, settings, trained.run, surveyed, is_hashed),
        **_scores(trained, settings.targets),
    }
    notes = ModelNotes(
        settings.target,
        surveyed.target_kind,
        dialect.decimal,
        dialect.gaps,
        story,
        surveyed.units,
        settings.targets if len(settings.targets) > 1 else (),
    )
    return FileModel(trained.model, notes, trained.run)


def _scores(trained: Trained, names: Sequence[str]) -> dict[str, object]:
    """Return the scores of a model and of its baselines for the model file; see `ModelNotes`."""
    model, split = trained.model, trained.split
    measured = measured_values(model.target, split.test.y)
    answers = answers_of(model, split.test.x)
    others = baseline_answers(split, model.columns, model.target)
    return {
        "scores": plain_scores(score(model.target, measured, answers, names)),
        "baselines": {
            name: plain_scores(score(model.target, measured, theirs, names))
            for name, theirs in others.items()
        },
        "coverage": as_entries(measured_coverage(model, split.test.x, measured, answers)),
        "verdict": compare(model.target, measured, answers, others).to_dict(),
    }


def _story(
    source: Source,
    settings: TrainingSettings,
    run: TrainingRun,
    surveyed: Survey,
    is_hashed: bool,
) -> dict[str, object]:
    """Return the notes on the file and the training for the model file; see `ModelNotes`."""
    digest, n_bytes = source.sha256() if is_hashed else ("", source.size)
    return {
        "handnn": version("handnn"),
        "file": os.path.basename(source.path),
        "place": source.place,
        "bytes": n_bytes,
        "sha256": digest,
        "rows": {"trained": run.n_train, "held_out": len(run.held_out)},
        "split": described_split(settings),
        "seed": settings.seed,
        "decisions": list(map(str, surveyed.notes)),
    }


def _ignore(text: str) -> None:
    """Ignore a log message."""
