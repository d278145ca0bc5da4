"""`handnn demo`: train a network on real measurements, and save its scores, picture and model."""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import click

from handnn.arrays import Array
from handnn.cli.demo import concrete
from handnn.cli.demo.concrete_scores import Score, baselines, score
from handnn.cli.output import check_new
from handnn.datasets import load_concrete
from handnn.storage import replace_file
from handnn.training.history import History

MODEL, FIGURE = "concrete.safetensors", "concrete.png"
NO_FIGURE = "not drawn; it needs matplotlib: pip install matplotlib"

ENDING = """

model, history, held_out = train_on_concrete(seed={seed}, epochs={epochs})
data = load_concrete()
measured, predicted = data.y[held_out], model.predict(data.x[held_out])[:, 0]
mse = np.mean((predicted - measured) ** 2)
print(f"RMSE {{np.sqrt(mse):.2f}} MPa, R² {{1 - mse / np.var(measured):.3f}}")
model.save({model!r})  # handnn.load reads it
"""


@dataclass(frozen=True)
class DemoResult:
    """The results of the demo; --json prints them as an object."""

    seed: int
    epochs: int
    rows: dict[str, int]
    network: str
    seconds: float
    scores: list[Score]
    model: str
    figure: str | None
    code: str

    def to_dict(self) -> dict[str, object]:
        """Return a JSON object."""
        return {**asdict(self), "scores": [entry._asdict() for entry in self.scores]}


def python_code(seed: int, epochs: int, model: Path) -> str:
    """Return the Python code of the demo: the module `concrete`, and a call."""
    source = inspect.getsource(concrete)
    ending = ENDING.format(seed=seed, epochs=epochs, model=str(model))
    return source[source.index("import numpy") :].rstrip() + "\n" + ending


def prepare_folder(folder: Path, may_replace: bool) -> None:
    """Create the folder, and check before training that the results can be written there.

    may_replace: whether existing files may be replaced.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error
    for target in (folder / MODEL, folder / FIGURE):
        if target.is_dir():
            raise click.ClickException(f"cannot write {target}: it is a folder")
        if not may_replace:
            check_new(target)


def unwritable(path: Path, error: OSError) -> click.ClickException:
    """Return the error for a path that cannot be written."""
    reason = error.strerror or str(error)
    return click.ClickException(f"cannot write {path}: {reason}; choose another folder with --out")


def draw_png(history: History, measured: Array, predicted: Array, score: Score) -> bytes | None:
    """Return the picture as PNG, or None without matplotlib."""
    try:
        from handnn.cli.demo import figure
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("matplotlib"):
            raise
        return None
    return figure.draw_png(history, measured, predicted, score)


def run_demo(seed: int, epochs: int, folder: Path, progress: bool) -> DemoResult:
    """Train, score, draw and save."""
    start = perf_counter()
    model, history, held_out = concrete.train_on_concrete(seed, epochs, progress)
    seconds = perf_counter() - start

    data = load_concrete()
    measured, predicted = data.y[held_out], model.predict(data.x[held_out])[:, 0]
    scores = [*baselines(data, held_out), score("this network", measured, predicted)]
    png = draw_png(history, measured, predicted, scores[-1])
    try:
        model.save(folder / MODEL)
        if png:
            replace_file(folder / FIGURE, png)
    except OSError as error:
        raise unwritable(folder, error) from error
    return DemoResult(
        seed=seed,
        epochs=epochs,
        rows={"trained": len(data.y) - len(held_out), "held_out": len(held_out)},
        network=repr(model),
        seconds=seconds,
        scores=scores,
        model=str(folder / MODEL),
        figure=str(folder / FIGURE) if png else None,
        code=python_code(seed, epochs, folder / MODEL),
    )


def score_table(result: DemoResult) -> str:
    """Return the scores as lines of text."""
    heading = f"{result.rows['held_out']} held-out rows"
    lines = [f"{heading:<18}  RMSE, MPa      R²"]
    lines += [f"{name:<18}  {rmse:9.2f}  {r2:6.3f}" for name, rmse, r2 in result.scores]
    return "\n".join(lines)


@click.command(
    short_help="Train a network on real measurements, in seconds.",
    epilog="Examples: handnn demo --out results; handnn demo --seed 1 --json",
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True,
    help="Seed of the held-out rows, the initial weights and the order of the rows.",
)  # fmt: skip
@click.option(
    "--epochs", metavar="N", type=click.IntRange(min=1), default=300, show_default=True,
    help="Passes over the training rows.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
    help=f"Where to write {MODEL} and {FIGURE}; created if it does not exist. [default: .]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace existing files, also without --out.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object; messages go to stderr.")
@click.option("--quiet", is_flag=True, help="Print only the scores.")
def demo(seed: int, epochs: int, out: Path | None, force: bool, as_json: bool, quiet: bool) -> None:
    """Train a network to predict the strength of concrete from its ingredients and age.

    It is compared with the mean and least squares on a fifth of the rows, held out of training.
    The model is saved, losses and predictions are drawn (with matplotlib), and equivalent Python
    code is printed. The data are 1030 laboratory measurements: I-Cheng Yeh, 1998, from the UCI
    Machine Learning Repository, CC BY 4.0.
    """

    def log(message: str) -> None:
        if not quiet:
            click.echo(message, err=as_json)

    folder = out or Path()
    prepare_folder(folder, may_replace=force or out is not None)
    log("The strength of concrete, from 7 ingredients and its age (Yeh 1998, UCI, CC BY 4.0)")
    result = run_demo(seed, epochs, folder, progress=sys.stderr.isatty() and not quiet)
    log(result.network)
    log(f"{epochs} epochs over {result.rows['trained']} rows in {result.seconds:.1f} s\n")
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        click.echo(score_table(result))
    log(f"\nmodel   {result.model}")
    log(f"figure  {result.figure or NO_FIGURE}")
    log("\nThe same in Python:\n\n" + result.code.rstrip())
