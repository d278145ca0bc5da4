"""`handnn train`: train a model on a file."""

from __future__ import annotations

import os
import shlex
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from handnn.cli import output
from handnn.cli.options import PATH, DialectOptions, dialect_options, output_options

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from handnn.files import FileModel

MAX_WIDTH = 65_536
MAX_LAYERS = 64

N_RANKS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""The environment variables with the number of ranks, set by MPICH, Open MPI and Slurm."""


class TrainOptions(DialectOptions):
    """The options of `handnn.train_file`, with the same names."""

    task: str
    loss: str
    hidden: tuple[int, ...] | None
    networks: int | None
    epochs: int | None
    batch_size: int | None
    lr: float | None
    quality: str
    time: float | None
    hold_out: float
    seed: int
    shards: int | None
    deadline: float
    ignore: tuple[str, ...]
    categories: tuple[str, ...]
    use: tuple[str, ...]
    weight: str | None
    class_weight: str | None
    split_by: str | None
    split_time: str | None
    test: Path | None
    strict: bool
    stream: bool | None
    drop_gaps: bool


def widths(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Return "64,64" as (64, 64)."""
    if value is None:
        return None
    try:
        found = tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        found = (0,)
    if any(not 1 <= width <= MAX_WIDTH for width in found) or len(found) > MAX_LAYERS:
        raise click.BadParameter(f"{value!r} is not a list of layer widths such as 64,64")
    return found


def objective(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return the name of a loss in its canonical form."""
    from handnn.tables.objective import checked_objective

    try:
        return checked_objective(value, "the loss")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return "60s", "5m", "1h" or a number of seconds as seconds."""
    if value is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (value[:-1], units[value[-1]]) if value[-1:] in units else (value, 1)
    try:
        found = float(number) * unit
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise click.BadParameter(f"{value!r} is not a duration such as 60s, 5m or 1h")
    return found


@click.command(
    short_help="Train a model on a CSV, JSON-lines, Parquet or Excel file.",
    epilog="Examples: handnn train houses.csv --target price; handnn train houses.csv --target "
    "price --hidden 64,64 --seed 1 --out houses.safetensors --report houses.html",
)
@click.argument("data", type=PATH)
@click.option(
    "--target",
    metavar="COLUMN",
    help="The column to predict; or several of numbers or yes-or-no values, separated by commas.",
)
@click.option(
    "--task", type=click.Choice(["auto", "regression", "binary", "multiclass"]), default="auto",
    show_default=True,
    help="auto: classes for text and for up to 20 distinct integers, else regression.",
)  # fmt: skip
@click.option(
    "--loss", metavar="NAME", default="squared", show_default=True, callback=objective,
    help="What a regression predicts: squared, the mean; poisson, the rate of counts; "
    "quantile:0.9, the value that 90 % of rows do not exceed.",
)  # fmt: skip
@click.option(
    "--hidden", metavar="N,N", callback=widths,
    help="Widths of the hidden layers. [default: 128,128]",
)  # fmt: skip
@click.option(
    "--networks", metavar="N", type=click.IntRange(1, 100),
    help="Networks to train and average, without linear ones. [default: 8, 16 up to 500 rows, and "
    "as many linear ones; 1 with --stream or --shards]",
)  # fmt: skip
@click.option(
    "--epochs", metavar="N", type=click.IntRange(1, 1_000_000),
    help="Maximum number of passes over the rows. [default: depends on the number of rows]",
)  # fmt: skip
@click.option(
    "--batch-size", metavar="N", type=click.IntRange(1, 1_000_000),
    help="Rows per step. [default: depends on the number of rows]",
)  # fmt: skip
@click.option(
    "--lr", metavar="RATE", type=click.FloatRange(0, 10, min_open=True),
    help="Highest learning rate. [default: 0.01, classes 0.02, 0.005 with --stream or --shards]",
)  # fmt: skip
@click.option(
    "--quality", type=click.Choice(["fast", "good", "best"]), default="good", show_default=True,
    help="fast: less than half of the time. best: two to seven times as long, more kinds.",
)  # fmt: skip
@click.option(
    "--time", metavar="DURATION", callback=seconds,
    help="Try the kinds of networks of --quality best while they fit into this time, such as 60s "
    "or 5m.",
)  # fmt: skip
@click.option(
    "--hold-out", metavar="SHARE", default=0.2, show_default=True,
    type=click.FloatRange(0, 0.9, min_open=True),
    help="Share of the rows that are held out to score the model.",
)  # fmt: skip
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True,
    help="Seed of the held-out rows, the initial weights and the order of the rows.",
)  # fmt: skip
@click.option(
    "--ignore", metavar="COLUMNS", multiple=True,
    help="Columns to leave out, separated by commas. May be repeated.",
)  # fmt: skip
@click.option(
    "--category", "categories", metavar="COLUMNS", multiple=True,
    help="Columns of numbers or dates to treat as categories, such as zip codes or the target. "
    "May be repeated.",
)  # fmt: skip
@click.option(
    "--use", metavar="COLUMNS", multiple=True,
    help="Columns to use although they look like an identifier or an index.",
)  # fmt: skip
@click.option(
    "--weight", metavar="COLUMN",
    help="A column with the weight of each row in training, 0 or more. It is not an input.",
)  # fmt: skip
@click.option(
    "--class-weight", type=click.Choice(["balanced"]),
    help="balanced: every class has the same sum of weights in training.",
)  # fmt: skip
@click.option(
    "--split-by", metavar="COLUMN",
    help="A column of groups, such as customers: held-out rows are whole groups, also in training. "
    "It is not an input.",
)  # fmt: skip
@click.option(
    "--split-time", metavar="COLUMN",
    help="A column of dates or numbers: the latest rows are held out, and networks learn from the "
    "past. It is an input, unless ignored.",
)  # fmt: skip
@click.option(
    "--test", type=PATH, metavar="FILE",
    help="A file whose rows score the model. [default: held-out rows of DATA]",
)  # fmt: skip
@click.option(
    "--strict", is_flag=True,
    help="Fail if a column is constant, empty, an identifier or an index, or a row has no target. "
    "[default: leave it out]",
)  # fmt: skip
@click.option(
    "--stream/--no-stream", default=None,
    help="Read the file again for each epoch instead of keeping it in memory. [default: above 256 "
    "MB, or 48 MB if compressed]",
)  # fmt: skip
@click.option(
    "--drop-gaps", is_flag=True, help="Leave out rows without a target, also with --strict."
)
@click.option(
    "--shards", metavar="N", type=click.IntRange(1, 4096),
    help="Slices of each batch, which are summed in a fixed order and shared by the ranks of "
    "mpiexec. [default: 1, or 16 under mpiexec]",
)  # fmt: skip
@click.option(
    "--deadline", metavar="DURATION", default="60s", show_default=True, callback=seconds,
    help="With mpiexec: the time, such as 60s or 5m, after which all ranks end if one does not "
    "respond.",
)  # fmt: skip
@click.option(
    "--executor", metavar="NAME",
    help="Where to train the networks: processes:N, dask:ADDRESS, or mpi (the ranks that mpiexec "
    "started). [default: threads of this process]",
)  # fmt: skip
@dialect_options
@click.option(
    "--out", type=PATH, default=Path("model.safetensors"), show_default=True, metavar="FILE",
    help="Where to write the model.",
)  # fmt: skip
@click.option("--report", type=PATH, metavar="FILE", help="Where to write an HTML report.")
@output_options
@click.pass_context
def train(
    context: click.Context,
    data: Path,
    target: str | None,
    out: Path,
    report: Path | None,
    as_json: bool,
    quiet: bool,
    executor: str | None,
    **options: Unpack[TrainOptions],
) -> None:
    """Train a model to predict one column of a file from the others.

    The model is compared with two baselines on held-out rows, and saved with everything that
    predict needs. DATA is Parquet, Excel, JSON lines, or CSV with a header (any delimiter, plain or
    compressed with gzip); - reads standard input. Text becomes categories, dates become days and
    cycles, gaps are filled. Columns that nothing can be learned from are left out, with a note.
    """
    with output.one_line_errors():
        comm = None if executor else ranks_of_mpiexec()
    is_first = comm is None or comm.rank == 0
    quiet = quiet or not is_first
    log = output.printer(quiet)
    with output.one_line_errors():
        from handnn.files import train_file
        from handnn.storage import replace_file

        if target is None:
            raise click.UsageError(f"--target must name a column: {_columns(data, options)}")
        with _told(comm, options["deadline"]):
            output.check_distinct([out, report], [data, *filter(None, [options["test"]])])
            for path in filter(None, (out, report) if is_first else ()):
                output.check_writable(path)
        progress = output.shows_progress(quiet)
        with _workers(executor) as workers:
            if executor is not None and workers is None:
                return  # this rank has run its share of the jobs
            model = train_file(
                data, target, executor=workers, comm=comm, progress=progress, log=log, **options
            )
        if not is_first:
            return
        page = None if report is None else _report_page(model, context)
        model.save(out)
        if report is not None and page is not None:
            replace_file(report, page)
    _print_scores(model, out, report, as_json)
    if report is not None:
        log(f"report written to {report}")
    log(f"trained in {_seconds(model):.1f} s; model written to {out}")


def _told(comm: Any, deadline: float) -> AbstractContextManager[object]:
    """Report an error in the body to all ranks of a communicator, if there is one."""
    if comm is None:
        return nullcontext()
    from handnn.training.distributed.ranks import ranks_of
    from handnn.training.distributed.sharding import Sharding

    return ranks_of(Sharding(comm=comm, deadline=deadline))


def _workers(executor: str | None) -> AbstractContextManager[Executor | None]:
    """Return the executor with this name, to be opened."""
    if executor is None:
        return nullcontext()
    from handnn.training.many.executors import open_executor

    return open_executor(executor)


def ranks_of_mpiexec() -> Any:
    """Return the communicator of the ranks that mpiexec started; None for a single process."""
    if not any(os.environ.get(name, "1") != "1" for name in N_RANKS):
        return None
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(f"several ranks need mpi4py and an MPI: {error}") from None
    return MPI.COMM_WORLD if MPI.COMM_WORLD.size > 1 else None


def _columns(data: Path, options: TrainOptions) -> str:
    """Return the names of the columns of a file, for a message."""
    from handnn.files.reading.columns import listed
    from handnn.files.reading.dialect import Dialect
    from handnn.files.reading.source import open_table

    dialect = Dialect(options["delimiter"], options["encoding"], options["decimal"])
    with open_table(data, dialect) as source:
        return listed(source.names)


def _report_page(model: FileModel, context: click.Context) -> bytes:
    """Return the report, which ends with the command line of this process."""
    from handnn.files.report.report_page import report_page

    return report_page(model, shlex.join(["handnn", *context.obj])).encode()


def _seconds(model: FileModel) -> float:
    return model.training.seconds if model.training else 0.0


def _print_scores(model: FileModel, out: Path, report: Path | None, as_json: bool) -> None:
    """Print the scores as a table, or with all facts about the training as JSON."""
    if as_json:
        output.print_json(
            {
                **model.notes.story,
                "target": output.one_or_list(model.notes.target_names),
                "task": model.target.task,
                "seconds": round(_seconds(model), 3),
                "model": str(out),
                "report": None if report is None else str(report),
            }
        )
        return
    n_test = len(model.training.held_out) if model.training else 0
    methods = {**model.baselines, "this model": model.scores}
    click.echo(output.score_table(methods, f"{n_test:,} held-out rows"))
    click.echo(model.verdict)
