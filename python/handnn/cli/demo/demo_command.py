"""`handnn demo`: a network trained on real measurements, with a score, a picture and a model."""

from __future__ import annotations

import inspect
import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from handnn.cli.demo import concrete
from handnn.cli.demo.concrete_scores import baselines, score
from handnn.datasets import load_concrete
from handnn.storage import replace_file

MODEL, FIGURE = "concrete.safetensors", "concrete.png"
MISSING_FIGURE = "not drawn; it needs matplotlib: pip install matplotlib"

ENDING = """

model, history, held_out = train_on_concrete(seed={seed}, epochs={epochs})
data = load_concrete()
measured, predicted = data.y[held_out], model.predict(data.x[held_out])[:, 0]
mse = np.mean((predicted - measured) ** 2)
print(f"RMSE {{np.sqrt(mse):.2f}} MPa, R² {{1 - mse / np.var(measured):.3f}}")
model.save({model!r})  # handnn.load brings it back
"""


def code(seed: int, epochs: int, model: Path) -> str:
    """Return the Python that does what the demo does: the recipe, less its heading, and a call."""
    source = inspect.getsource(concrete)
    ending = ENDING.format(seed=seed, epochs=epochs, model=str(model))
    return source[source.index("import numpy") :].rstrip() + "\n" + ending


def prepare(folder: Path) -> None:
    """Make the folder, and prove before the work that its result can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error
    for target in (folder / MODEL, folder / FIGURE):
        if target.is_dir():
            raise click.ClickException(f"cannot write {target}: it is a folder")


def unwritable(path: Path, error: OSError) -> click.ClickException:
    """Return the error to raise when `path` cannot be written."""
    reason = error.strerror or str(error)
    return click.ClickException(f"cannot write {path}: {reason}; --out chooses another folder")


def draw_png(**what: Any) -> bytes | None:
    """Return the figure, or None without matplotlib."""
    try:
        from handnn.cli.demo import figure
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("matplotlib"):
            raise
        return None
    return figure.draw_png(**what)


def run(seed: int, epochs: int, folder: Path, progress: bool) -> dict[str, Any]:
    """Train, score, draw and save; return all there is to report."""
    start = perf_counter()
    model, history, held_out = concrete.train_on_concrete(seed, epochs, progress)
    seconds = perf_counter() - start

    data = load_concrete()
    measured, predicted = data.y[held_out], model.predict(data.x[held_out])[:, 0]
    scores = [*baselines(data, held_out), score("this network", measured, predicted)]
    png = draw_png(history=history, measured=measured, predicted=predicted, score=scores[-1])
    try:
        model.save(folder / MODEL)
        if png:
            replace_file(folder / FIGURE, png)
    except OSError as error:
        raise unwritable(folder, error) from error
    return {
        "seed": seed,
        "epochs": epochs,
        "rows": {"trained": len(data.y) - len(held_out), "held_out": len(held_out)},
        "network": repr(model),
        "seconds": seconds,
        "scores": [entry._asdict() for entry in scores],
        "model": str(folder / MODEL),
        "figure": str(folder / FIGURE) if png else None,
        "code": code(seed, epochs, folder / MODEL),
    }


def table(result: dict[str, Any]) -> str:
    """Return the scores as lines of text."""
    heading = f"{result['rows']['held_out']} held-out rows"
    lines = [f"{heading:<18}  RMSE, MPa      R²"]
    for entry in result["scores"]:
        lines.append(f"{entry['name']:<18}  {entry['rmse']:9.2f}  {entry['r2']:6.3f}")
    return "\n".join(lines)


@click.command(
    short_help="Train a network on real measurements, in seconds.",
    epilog="Examples: handnn demo --out results; handnn demo --seed 1 --json",
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True,
    help="Decides which rows are held out, the first weights and the order of the rows.",
)  # fmt: skip
@click.option(
    "--epochs", metavar="N", type=click.IntRange(min=1), default=300, show_default=True,
    help="How often the network sees every training row.",
)  # fmt: skip
@click.option(
    "--out", "folder", type=click.Path(path_type=Path, file_okay=False), default=".",
    show_default=True, metavar="FOLDER",
    help=f"Where {MODEL} and {FIGURE} go; made if it is not there.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; words go to stderr.")
@click.option("--quiet", is_flag=True, help="Print the scores alone.")
def demo(seed: int, epochs: int, folder: Path, as_json: bool, quiet: bool) -> None:
    """Train a network to predict the strength of concrete from its ingredients and age, and score
    it on a fifth of the rows that it has never seen, beside the mean and least squares.

    The model is saved, the losses and predictions are drawn (with matplotlib), and the Python that
    does the same is printed. The data are 1030 laboratory measurements: I-Cheng Yeh, 1998, from the
    UCI Machine Learning Repository, CC BY 4.0.
    """

    def say(words: str) -> None:
        if not quiet:
            click.echo(words, err=as_json)

    prepare(folder)
    say("The strength of concrete, from 7 ingredients and its age (Yeh 1998, UCI, CC BY 4.0)")
    result = run(seed, epochs, folder, progress=sys.stderr.isatty() and not quiet)
    say(result["network"])
    say(f"{epochs} epochs over {result['rows']['trained']} rows in {result['seconds']:.1f} s\n")
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(table(result))
    say(f"\nmodel   {result['model']}")
    say(f"figure  {result['figure'] or MISSING_FIGURE}")
    say("\nThe same in Python:\n\n" + result["code"].rstrip())
